//! The fuzz targets about this part, replayed over their seeds with the stable toolchain.
#![expect(clippy::panic, reason = "what is replayed says by a panic what does not hold")]

#[path = "../../fuzz/bodies/alert_input.rs"]
mod alert_input;
#[path = "../../fuzz/bodies/collector.rs"]
mod collector;
#[path = "../../fuzz/bodies/query_parameters.rs"]
mod query_parameters;
#[path = "../../fuzz/bodies/replay.rs"]
mod replay;
#[path = "../../fuzz/bodies/report_body.rs"]
mod report_body;

use azimuth_measurement::codec::{Batch, BatchItem, encode_batch, encode_manifest, encode_report};
use azimuth_measurement::{LossCause, Tombstone};

use self::collector::fleet::{EPOCH, body, manifest, report, slot_before};
use self::collector::{NOW, known};

fn inside(frame: &[u8]) -> Vec<u8> {
    zstd::bulk::decompress(frame, 65_536).expect("ours")
}

/// The endpoint by its number, and a query.
fn query(endpoint: u8, query: &str) -> Vec<u8> {
    [&[endpoint][..], query.as_bytes()].concat()
}

#[test]
fn query_parameters_holds_for_its_seeds() {
    let pair = "agent=a&zone=aws/eu-west-3/az0";
    let made = [
        ("agents", query(0, "")),
        ("zones", query(1, "")),
        (
            "map",
            query(
                2,
                "from=now-5m&to=now&method=stamp&load=idle&country=FR&format=csv",
            ),
        ),
        (
            "map_instants",
            query(
                2,
                "from=2026-11-23T09:00:00Z&to=2026-11-23T10%3A00%3A00%2B00%3A00",
            ),
        ),
        ("groups", query(3, "group_by=provider,city&step=10s&from=now-10m")),
        (
            "compare",
            query(
                4,
                "from=now-1h&baseline_from=now-25h&baseline_to=now-24h&provider=aws",
            ),
        ),
        ("series", query(5, &format!("{pair}&from=now-10m&step=1m"))),
        ("heatmap", query(6, &format!("{pair}&rows=40&from=now-1h"))),
        (
            "distribution",
            query(7, &format!("{pair}&from=now-366d&to=now-0s")),
        ),
        ("nothing", query(8, "a=b")),
        ("repeated", query(2, "from=now&from=now-1h")),
        ("endless_span", query(2, "from=now-99999999999999999999d")),
        ("far", query(2, "from=+262143-12-31T23:59:59Z")),
        ("escapes", query(5, "agent=%00%ff%&zone=aws%2Feu-west-3/az0;&x")),
    ];
    replay::replay("query_parameters", &made, |bytes| {
        let _ = query_parameters::run(bytes);
    });
    // A seed that is turned away at the door tries nothing behind it.
    for (name, seed) in &made {
        let expected = match *name {
            "nothing" => 404,
            "repeated" | "endless_span" | "far" | "escapes" => 400,
            _ => 200,
        };
        assert_eq!(query_parameters::run(seed), Some(expected), "{name}");
    }
}

#[test]
fn report_body_holds_for_its_seeds() {
    let known = known();
    let new = manifest("b", 2);
    let sound = |sequence| report(&known, sequence, slot_before(NOW, 2), &[500, 900]);
    let tombstone = |id: &str, start_unix_ms| Batch {
        manifests: vec![encode_manifest(&manifest(id, 1))],
        items: vec![BatchItem::Tombstone(Tombstone {
            agent: manifest(id, 1).agent,
            epoch: EPOCH,
            first_sequence: 1,
            last_sequence: 9,
            start_unix_ms,
            end_unix_ms: start_unix_ms + 90_000,
            cause: LossCause::Corrupt,
        })],
    };
    let year_ms = 366 * 86_400_000;
    let both = {
        let manifest = inside(&encode_manifest(&new));
        let report = inside(&encode_report(&report(&new, 1, slot_before(NOW, 3), &[500])));
        let length = [(manifest.len() >> 8) as u8, manifest.len() as u8];
        [&[2][..], &length, &manifest, &report].concat()
    };
    let kind = |kind: u8, bytes: &[u8]| [&[kind][..], bytes].concat();
    let many = manifest("d", 40);
    let made = [
        ("body", kind(0, &body(&[&known], &[sound(20), sound(21)], NOW))),
        ("without_manifest", kind(0, &body(&[], &[sound(22)], NOW))),
        (
            "tombstone_ahead",
            kind(0, &encode_batch(&tombstone("c", NOW + year_ms))),
        ),
        (
            "tombstone_behind",
            kind(0, &encode_batch(&tombstone("e", NOW - year_ms))),
        ),
        ("inside_a_report", kind(1, &inside(&encode_report(&sound(23))))),
        ("manifest_and_report", both),
        (
            "more_series_than_there_may_be",
            kind(
                0,
                &body(&[&many], &[report(&many, 1, slot_before(NOW, 2), &[500])], NOW),
            ),
        ),
    ];
    replay::replay("report_body", &made, |bytes| {
        let _ = report_body::run(bytes);
    });
    for (name, seed) in &made {
        assert_eq!(report_body::run(seed), Some(200), "{name}");
    }
}

#[test]
fn alert_input_holds_for_its_seeds() {
    let kind = |kind: u8, text: &str| [&[kind][..], text.as_bytes()].concat();
    let every_rule = "default_regression = false\n[[regression]]\nname = \"a\"\nselect = { city = \"Paris\" }\nfloor_ms = 3\n\
        statistics = [\"p50\", \"loss\"]\n[[threshold]]\nname = \"b\"\nmeasure = \"p99.9\"\nabove_ms = 25\nwindow = \"5m\"\n\
        [[absence]]\nname = \"c\"\nsilent_for = \"5m\"\n[[objective]]\nname = \"d\"\nmeasure = \"p95\"\nunder_ms = 20\n\
        target_percent = 99.9\n[[maintenance]]\nname = \"e\"\ndays = [\"sat\"]\nfrom = \"23:00\"\nuntil = \"04:30\"\n";
    let case = "[[case]]\nname = \"a\"\n[[case.series]]\nlabels = { agent = \"a\" }\n\
        minutes = \"120x10~0.5 60x14~0.5!2 5xlost 30xnone\"\n[[case.expect]]\nat = \"130m\"\nalerts = []\n";
    let silence = r#"{"select":{"zone":["aws/eu-west-3/az0"]},"rule":"regression","until":"2026-11-24T10:00:00Z","by":"anna"}"#;
    let evil = "x\r\nBcc: y@z <!channel> [a](https://evil.example) *b* `d`";
    let made = [
        ("rules", kind(alert_input::RULES, every_rule), true),
        ("rules_none", kind(alert_input::RULES, ""), true),
        (
            "rules_unknown_key",
            kind(alert_input::RULES, "[[threshold]]\nname = \"a\"\nabov_ms = 1\n"),
            false,
        ),
        (
            "rules_endless_number",
            kind(
                alert_input::RULES,
                "[[threshold]]\nname = \"a\"\nmeasure = \"p50\"\nabove_ms = 1e400\n",
            ),
            false,
        ),
        (
            "rules_endless_span",
            kind(
                alert_input::RULES,
                "[[absence]]\nname = \"a\"\nsilent_for = \"99999999999999999999d\"\n",
            ),
            false,
        ),
        ("cases", kind(alert_input::CASES, case), true),
        (
            "cases_endless",
            kind(alert_input::CASES, &case.replace("120x", "99999999999x")),
            false,
        ),
        ("silence", kind(alert_input::SILENCE, silence), true),
        (
            "silence_hostile",
            kind(alert_input::SILENCE, &silence.replace("anna", "a\\r\\nBcc: b")),
            false,
        ),
        (
            "silence_backwards",
            kind(alert_input::SILENCE, &silence.replace("2026", "1926")),
            false,
        ),
        (
            "silence_of_everything_for_ever",
            kind(
                alert_input::SILENCE,
                r#"{"until":"+262143-12-31T23:59:59Z","by":"a"}"#,
            ),
            false,
        ),
        (
            "acknowledge",
            kind(alert_input::ACKNOWLEDGE, r#"{"by":"anna","comment":"on it"}"#),
            false,
        ),
        (
            "rows",
            kind(
                alert_input::ROWS,
                "epoch_s,rtt_ms\n1480082940,150.3\n1480083180,\n1490000000,9\n",
            ),
            true,
        ),
        (
            "rows_out_of_order",
            kind(
                alert_input::ROWS,
                "cp,rtt_ms,epoch_s\n0,150.3,1480083180\n0,1,1480082940\n1,-0,inf\n",
            ),
            false,
        ),
        (
            "template",
            kind(
                alert_input::TEMPLATE,
                &format!("{{% for p in pages %}}{{{{ p.labels.agent }}}}{{% endfor %}}\0{evil}"),
            ),
            true,
        ),
        (
            "template_endless",
            kind(
                alert_input::TEMPLATE,
                &format!("{{% for a in range(9999) %}}{{{{ pages }}}}{{% endfor %}}\0{evil}"),
            ),
            true,
        ),
        (
            "template_broken",
            kind(alert_input::TEMPLATE, "{% for %}\0a"),
            false,
        ),
    ];
    let seeds: Vec<(&str, Vec<u8>)> = made.iter().map(|(name, seed, _)| (*name, seed.clone())).collect();
    replay::replay("alert_input", &seeds, |bytes| {
        let _ = alert_input::run(bytes);
    });
    // A seed that is turned away at the door tries nothing behind it.
    for (name, seed, taken) in &made {
        assert_eq!(alert_input::run(seed), Some(*taken), "{name}");
    }
}
