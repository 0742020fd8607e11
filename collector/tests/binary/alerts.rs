//! Alerts of the real binary: kill -9 while it evaluates, over and over, and the outbox is what it would have been; what
//! the API says of them, and who may change something.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use azimuth_collector::alert::rules::measure::Unit;
use azimuth_collector::alert::rules::watch::{Signal, Verdict};
use azimuth_collector::alert::rules::{AlertKey, Evidence, RuleSet, SeriesLabels, read};
use azimuth_collector::clock;
use azimuth_collector::evaluate::desk::Desk;
use azimuth_collector::evaluate::page::Page;
use azimuth_collector::query::Label;
use azimuth_collector::utc::UtcInstant;

use super::fleet::{LENGTH_MS, body, manifest, report, slot_before};
use super::process::{Collector, command};

const RULES: &str = "[[regression]]\nname = \"slower\"\nstatistics = [\"p50\"]\n[[threshold]]\nname = \"far\"\nmeasure = \"p50\"\nabove_ms = 12\n";
/// Slots at 10 ms, then at 14 ms, then at 10 ms again.
const LEVELS: [(u64, u32); 3] = [(540, 10_000), (180, 14_000), (540, 10_000)];
/// The newest report is so many slots old, so that all of them are settled.
const SETTLED: u64 = 60;
const MOST_KILLS: u64 = 400;

fn rules() -> Arc<RuleSet> {
    Arc::new(read([(Path::new("rules.toml"), RULES)]).expect("valid rules"))
}

fn desk(directory: &Path) -> Desk {
    Desk::open(directory, rules(), Arc::default(), 0).expect("nobody has it")
}

fn start(directory: &Path) -> Collector {
    let mut serve = command(directory);
    serve.arg("--config").arg(directory.join("collector.toml"));
    Collector::spawn(serve)
}

/// A store with an incident in it of which nothing is evaluated yet; where it begins and ends.
fn store(directory: &Path) -> (u64, u64) {
    std::fs::write(directory.join("rules.toml"), RULES).expect("writable");
    std::fs::write(
        directory.join("collector.toml"),
        "[alerting]\nrules = [\"rules.toml\"]\n",
    )
    .expect("writable");
    let slots: u64 = LEVELS.iter().map(|(slots, _)| slots).sum();
    let from_unix_ms = slot_before(clock::unix_ms(), slots + SETTLED);
    let manifest = manifest("brest-1", 2);
    let levels = LEVELS
        .iter()
        .flat_map(|(slots, level)| (0..*slots).map(move |_| *level));
    let reports: Vec<_> = levels
        .zip(0_u64..)
        .map(|(level_us, slot)| {
            let delays: Vec<u32> = (0..10)
                .map(|probe| level_us + ((slot * 7 + probe * 13) % 100) as u32)
                .collect();
            report(&manifest, slot + 1, from_unix_ms + slot * LENGTH_MS, &delays)
        })
        .collect();
    let collector = start(directory);
    for chunk in reports.chunks(60) {
        let answer = collector
            .deliver(&body(&[&manifest], chunk, clock::unix_ms()))
            .expect("an answer");
        assert_eq!(answer.status, 200);
    }
    collector.terminate();
    std::fs::remove_file(directory.join("alerts.redb")).expect("it was made");
    let unevaluated = desk(directory).change(|change| *change.evaluated_to_unix_ms = Some(from_unix_ms));
    unevaluated.expect("writable");
    (from_unix_ms, from_unix_ms + slots * LENGTH_MS)
}

/// Runs until killed after `alive`, and says how far it came.
fn run(directory: &Path, alive: Duration) -> u64 {
    let collector = start(directory);
    std::thread::sleep(alive);
    collector.kill();
    desk(directory).evaluated_to_unix_ms().expect("begun")
}

fn pages(directory: &Path) -> Vec<Page> {
    desk(directory).pages(0, 1_000).expect("readable")
}

#[test]
fn no_page_is_lost_and_none_repeated_over_kills() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let (killed, straight) = (scratch.path().join("killed"), scratch.path().join("straight"));
    std::fs::create_dir(&killed).expect("writable");
    let (from_unix_ms, to_unix_ms) = store(&killed);
    let copied = std::process::Command::new("cp")
        .arg("-r")
        .arg(&killed)
        .arg(&straight)
        .status();
    assert!(copied.expect("cp exists").success());

    let mut random = fastrand::Rng::with_seed(11);
    let mut stops = std::collections::BTreeSet::new();
    let mut kills = 0;
    while stops.last().is_none_or(|last| *last < to_unix_ms) {
        kills += 1;
        assert!(kills <= MOST_KILLS, "it does not get on: {stops:?}");
        // Longer and longer, so that a slow machine gets on too.
        stops.insert(run(&killed, Duration::from_millis(random.u64(0..60 + 5 * kills))));
    }
    stops.retain(|at| (from_unix_ms + 1..to_unix_ms).contains(at));
    assert!(
        stops.len() >= 3,
        "too few kills fell into the evaluation: {stops:?}"
    );

    let mut alive = Duration::from_millis(500);
    while run(&straight, alive) < to_unix_ms {
        alive *= 2;
    }
    let (killed, straight) = (pages(&killed), pages(&straight));
    // Two series, two rules, fired and resolved.
    assert_eq!(straight.len(), 8, "{straight:#?}");
    let what = |pages: &[Page]| -> Vec<_> {
        pages
            .iter()
            .map(|page| (page.sequence, page.key.clone(), page.notice, page.ending))
            .collect()
    };
    assert_eq!(what(&killed), what(&straight));
    for (one, other) in killed.iter().zip(&straight) {
        // A memory rebuilt from one-minute rollups may come to the same a minute sooner or later.
        assert!(
            one.at_unix_ms.abs_diff(other.at_unix_ms) <= 120_000,
            "{one:?} {other:?}"
        );
    }
}

#[test]
fn rules_are_replayed_over_a_collector_that_runs_as_over_its_directory() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let (data, room) = (scratch.path().join("data"), scratch.path().join("room"));
    for directory in [&data, &room] {
        std::fs::create_dir(directory).expect("writable");
    }
    store(&data);
    let replay = |of: &[&str]| {
        let rules = data.join("rules.toml");
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_azimuth-collector"))
            .args(["rules", "replay", "--from", "now-1d", "--rules"])
            .arg(rules)
            .args(of)
            .output();
        output.expect("it runs")
    };
    let collector = start(&data);
    let address = collector.address.to_string();
    let room_text = room.to_str().expect("text");
    let running = replay(&["--collector", &address, "--scratch", room_text]);
    assert_eq!(
        std::fs::read_dir(&room).expect("readable").count(),
        0,
        "a copy is left"
    );
    collector.terminate();
    let stopped = replay(&["--data-dir", data.to_str().expect("text")]);
    let lines = String::from_utf8(stopped.stdout).expect("text");
    assert_eq!(lines.lines().count(), 4, "two series, two rules: {lines}");
    assert_eq!(String::from_utf8(running.stdout).expect("text"), lines);
    let nobody = replay(&["--collector", &address, "--scratch", room_text]);
    let said = String::from_utf8(nobody.stderr).expect("text");
    assert!(
        nobody.status.code() == Some(1) && said.contains("is the collector running there?"),
        "{said}"
    );
    assert_eq!(
        std::fs::read_dir(&room).expect("readable").count(),
        0,
        "a copy is left"
    );
}

/// An alert that fires, put there as if it had been evaluated.
fn with_one_alert(directory: &Path) {
    let verdict = Verdict {
        key: AlertKey {
            rule: "slower".to_owned(),
            series: 0,
            measure: "p50".to_owned(),
        },
        at_unix_ms: 1_795_428_060_000,
        signal: Signal::Holds(Evidence {
            since_unix_ms: 1_795_428_000_000,
            value: 14.0,
            against: 10.0,
            unit: Unit::Ms,
        }),
    };
    let labels = SeriesLabels::new("target-0")
        .with(Label::Agent, "brest-1")
        .with(Label::Zone, "aws/eu-west-3/az0")
        .with(Label::Method, "stamp")
        .with(Label::Load, "idle");
    let told =
        desk(directory).change(|change| change.book.take(verdict, &labels, 1_795_428_060_000, change.told));
    told.expect("writable");
}

/// A collector that watches series 0 by the rules above, with one alert that fires.
fn firing(directory: &Path) -> Collector {
    std::fs::write(directory.join("rules.toml"), RULES).expect("writable");
    std::fs::write(
        directory.join("collector.toml"),
        "[alerting]\nrules = [\"rules.toml\"]\n",
    )
    .expect("writable");
    let collector = start(directory);
    let manifest = manifest("brest-1", 1);
    let now = clock::unix_ms();
    let stored = collector.deliver(&body(
        &[&manifest],
        &[report(&manifest, 1, slot_before(now, 2), &[1_000])],
        now,
    ));
    assert_eq!(stored.expect("an answer").status, 200);
    collector.terminate();
    with_one_alert(directory);
    start(directory)
}

#[test]
fn alerts_rules_and_silences_are_answered_and_changes_are_durable() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let collector = firing(scratch.path());
    let rules = collector.get("/api/v1/rules").json();
    assert_eq!(
        (&rules["rules"][0]["name"], &rules["rules"][1]["condition"]),
        (&"slower".into(), &"threshold".into())
    );

    let alerts = collector.get("/api/v1/alerts?state=firing").json();
    let alert = &alerts["alerts"][0];
    assert_eq!(
        (&alerts["total"], &alert["id"], &alert["state"]),
        (&1.into(), &"slower:0:p50".into(), &"firing".into()),
        "{alerts}"
    );
    assert_eq!(
        (&alert["value"], &alert["before"], &alert["unit"]),
        (&14.0.into(), &10.0.into(), &"ms".into())
    );
    assert_eq!(
        (&alert["regressed_at"], &alert["fired_at"]),
        (&"2026-11-23T10:00:00Z".into(), &"2026-11-23T10:01:00Z".into())
    );
    assert_eq!(
        (&alert["series"]["agent"], &alert["severity"]),
        (&"brest-1".into(), &"warning".into())
    );
    // How far it reaches depends on today's date; where before ends and after begins does not.
    assert_eq!(
        (&alert["windows"]["before_to"], &alert["windows"]["after_from"]),
        (&alert["regressed_at"], &alert["regressed_at"]),
        "{alert}"
    );
    for (narrowed, total) in [
        ("id=slower:0:p50", 1),
        ("id=slower:0:p98", 0),
        ("agent=brest-1&zone=aws/eu-west-3/az0", 1),
        ("agent=brest-2", 0),
        ("zone=aws/eu-west-3", 0),
        ("limit=0", 1),
    ] {
        let answer = collector.get(&format!("/api/v1/alerts?{narrowed}")).json();
        assert_eq!(answer["total"], total, "{narrowed}: {answer}");
    }
    assert_eq!(collector.get("/api/v1/alerts?state=burning").status, 400);
    assert_eq!(collector.get("/api/v1/alerts?state=resolved").json()["total"], 0);

    let json = [("content-type", "application/json")];
    let ask = |collector: &Collector, method, path: &str, headers: &[(&str, &str)], body: &str| {
        collector
            .request(method, path, headers, body.as_bytes())
            .expect("an answer")
    };
    let acknowledge = "/api/v1/alerts/slower:0:p50/acknowledge";
    let anna = r#"{"by":"anna","comment":"on it"}"#;
    assert_eq!(ask(&collector, "POST", acknowledge, &[], anna).status, 415);
    let from_elsewhere = [json[0], ("origin", "https://example.org")];
    assert_eq!(
        ask(&collector, "POST", acknowledge, &from_elsewhere, anna).json()["reason"],
        "cross_site"
    );
    let long = format!("{{\"by\":\"{}\"}}", "a".repeat(20_000));
    assert_eq!(ask(&collector, "POST", acknowledge, &json, &long).status, 413);
    assert_eq!(
        ask(
            &collector,
            "POST",
            "/api/v1/alerts/other:0:p50/acknowledge",
            &json,
            anna
        )
        .json()["reason"],
        "unknown_alert"
    );
    let acknowledged = ask(&collector, "POST", acknowledge, &json, anna);
    assert_eq!(
        (acknowledged.status, &acknowledged.json()["acknowledged"]["by"]),
        (200, &"anna".into())
    );

    let until = UtcInstant::from_unix_ms(clock::unix_ms() + 3_600_000);
    let silence = format!(
        r#"{{"select":{{"zone":["aws/eu-west-3/az0"]}},"rule":"slower","until":"{until}","by":"anna"}}"#
    );
    let first = ask(&collector, "POST", "/api/v1/silences", &json, &silence);
    assert_eq!(
        (first.status, &first.json()["id"], &first.json()["state"]),
        (201, &1.into(), &"active".into())
    );
    assert_eq!(
        ask(&collector, "POST", "/api/v1/silences", &json, &silence).json()["id"],
        2
    );
    let cross = [("origin", "http://example.org")];
    assert_eq!(
        ask(&collector, "DELETE", "/api/v1/silences/1", &cross, "").status,
        403
    );
    assert_eq!(
        ask(&collector, "DELETE", "/api/v1/silences/1", &[], "").status,
        204
    );
    assert_eq!(
        ask(&collector, "DELETE", "/api/v1/silences/1", &[], "").status,
        404
    );
    assert_eq!(
        collector.counter("azimuth_access_refused_total{what=\"change\",reason=\"cross_site\"}"),
        2,
        "the acknowledgement above, and this silence"
    );
    collector.kill();

    let collector = start(scratch.path());
    let silences = collector.get("/api/v1/silences").json();
    assert_eq!(silences["silences"].as_array().map(Vec::len), Some(1));
    assert_eq!(silences["silences"][0]["id"], 2);
    let alerts = collector.get("/api/v1/alerts").json();
    let alert = &alerts["alerts"][0];
    assert_eq!(
        (&alert["acknowledged"]["comment"], &alert["silenced"]),
        (&"on it".into(), &true.into()),
        "{alerts}"
    );
}
