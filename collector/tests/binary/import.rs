//! Logs into a running collector: what an export wrote comes in the same, twice is once, and a bad line is named while the
//! rest goes on.

use std::path::Path;
use std::process::Output;

use azimuth_measurement::DelayHistogram;
use azimuth_measurement::interchange::LogEntry;
use azimuth_measurement::interchange::log::{write_entry, write_head};
use serde_json::Value;

use super::export::{export, said, seed, talk};
use super::fleet::slot_before;
use super::process::Collector;

const SLOTS: u64 = 40;

/// One agent of a collector as a log.
fn log_of(collector: &Collector, agent: &str, file: &Path) {
    let to = file.to_str().expect("text");
    let output = export(collector, &["--format", "hlog", "--agent", agent, "--output", to]);
    assert!(output.status.success(), "{}", said(&output));
}

fn import(collector: &Collector, agent: &str, file: &Path, more: &[&str]) -> Output {
    let file = [file.to_str().expect("text")];
    talk("import", collector, &[&["--agent", agent], more, &file].concat())
}

fn distribution(collector: &Collector, agent: &str, zone: &str) -> Value {
    let path = format!("/api/v1/distribution?agent={agent}&zone=aws/eu-west-3/{zone}&from=now-1h");
    let answer = collector.get(&path);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn stored(collector: &Collector, agent: &str) -> u64 {
    let agents = collector.get("/api/v1/agents").json();
    let all = agents["agents"].as_array().expect("a list");
    let one = all.iter().find(|one| one["agent"] == agent).expect("known");
    one["reports_stored"].as_u64().expect("a number")
}

#[test]
fn what_an_export_wrote_comes_in_the_same_and_twice_is_once() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let from = Collector::start(&scratch.path().join("from"));
    seed(&from, SLOTS, 3);
    let file = scratch.path().join("brest.hlog");
    log_of(&from, "brest-1", &file);

    let to = Collector::start(&scratch.path().join("to"));
    let first = import(&to, "from-brest", &file, &[]);
    assert!(first.status.success(), "{}", said(&first));
    assert!(
        said(&first).contains("3 series: 120 intervals stored, 0 there already"),
        "{}",
        said(&first)
    );
    for zone in ["az0", "az1", "az2"] {
        let (original, copy) = (
            distribution(&from, "brest-1", zone),
            distribution(&to, "from-brest", zone),
        );
        for member in [
            "n",
            "sent",
            "returned",
            "lost",
            "clock",
            "min_us",
            "max_us",
            "percentiles",
            "bins",
        ] {
            assert_eq!(copy[member], original[member], "{zone} {member}");
        }
        assert_eq!(copy["lost"], SLOTS, "a loss in every interval");
    }
    let place = |collector: &Collector, at: usize| {
        collector.get("/api/v1/agents").json()["agents"][at]["vantage_point"].clone()
    };
    assert_eq!(place(&to, 0), place(&from, 0), "as the log says");

    let again = import(&to, "from-brest", &file, &[]);
    assert!(again.status.success(), "{}", said(&again));
    assert!(
        said(&again).contains("0 intervals stored, 120 there already"),
        "{}",
        said(&again)
    );
    assert_eq!(stored(&to, "from-brest"), 120);

    // Half of it, in another file and with a line that is none.
    let whole = std::fs::read_to_string(&file).expect("text");
    let mut lines: Vec<String> = whole.lines().map(str::to_owned).collect();
    lines.truncate(lines.len() / 2);
    lines.truncate(lines.len() - usize::from(lines.last().is_some_and(|last| last.starts_with('#'))));
    let number = lines.len();
    let last = lines.last_mut().expect("a line");
    last.replace_range(last.len() - 20..last.len() - 16, "!!!!");
    let half = scratch.path().join("half.hlog");
    std::fs::write(&half, lines.join("\n")).expect("writable");
    let bad = import(&to, "from-brest", &half, &[]);
    assert_eq!(bad.status.code(), Some(3), "{}", said(&bad));
    let named = format!("half.hlog:{number}: the histogram is not base64");
    assert!(
        said(&bad).contains(&named) && said(&bad).contains("0 intervals stored"),
        "{}",
        said(&bad)
    );
    assert_eq!(stored(&to, "from-brest"), 120);

    let over = import(&from, "brest-1", &file, &[]);
    assert_eq!(over.status.code(), Some(1));
    assert!(said(&over).contains("would count twice"), "{}", said(&over));
}

#[test]
fn a_log_of_several_agents_or_of_another_program_is_told_what_is_missing() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let from = Collector::start(&scratch.path().join("from"));
    let base_unix_ms = seed(&from, 5, 1);
    let both = scratch.path().join("both.hlog");
    let output = export(
        &from,
        &["--format", "hlog", "--output", both.to_str().expect("text")],
    );
    assert!(output.status.success(), "{}", said(&output));
    let to = Collector::start(&scratch.path().join("to"));
    let mixed = import(&to, "copy", &both, &[]);
    assert_eq!(mixed.status.code(), Some(3));
    assert!(said(&mixed).contains("--from-agent"), "{}", said(&mixed));
    let one = import(&to, "copy-paris", &both, &["--from-agent", "paris-1"]);
    assert!(one.status.success(), "{}", said(&one));
    assert!(
        said(&one).contains("5 intervals stored") && said(&one).contains("5 lines of other agents"),
        "{}",
        said(&one)
    );

    let foreign = scratch.path().join("foreign.hlog");
    let mut text = String::new();
    let start_unix_ms = slot_before(base_unix_ms, 10);
    write_head(&mut text, "another program", start_unix_ms);
    for second in 0..30 {
        let entry = LogEntry {
            tag: Some("api".to_owned()),
            start_unix_ms: start_unix_ms + second * 1_007 + 3,
            length_ms: 1_007,
            delays: DelayHistogram::from_values_us(&mut [1_500, 2_500]),
        };
        write_entry(&mut text, &entry);
    }
    std::fs::write(&foreign, &text).expect("writable");
    let zone = ["--map", "api=aws/eu-west-3/az9", "--method", "tcp_connect"];
    let place = [
        "--vantage",
        "Lab",
        "--country",
        "FR",
        "--city",
        "Brest",
        "--network",
        "Lab",
        "--latitude",
        "48.4",
        "--longitude",
        "-4.5",
    ];
    for (arguments, code, reason) in [
        (
            vec![],
            3,
            "foreign.hlog:6: no zone for tag \"api\"; give --map api=",
        ),
        (zone.to_vec(), 1, "give --vantage"),
        ([&zone[..], &place].concat(), 3, "give --interval"),
        (
            [&zone[..], &place, &["--interval", "10s"]].concat(),
            0,
            "3 intervals stored",
        ),
    ] {
        let output = import(&to, "lab", &foreign, &arguments);
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        assert!(said(&output).contains(reason), "{}", said(&output));
    }
    let path = "/api/v1/distribution?agent=lab&zone=aws/eu-west-3/az9&method=tcp_connect&from=now-1h";
    let seen = to.get(path).json();
    assert_eq!(
        (&seen["n"], &seen["clock"]),
        (&Value::from(60), &Value::from("user"))
    );
}
