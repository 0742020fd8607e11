//! A drop of what throughput tests find, over the real binary: reports with results of a past in, one notice and one end out.
//! A past of hours is delivered in seconds, because what was measured is placed by its age.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use azimuth_collector::clock;
use azimuth_collector::evaluate::desk::Desk;
use azimuth_measurement::{
    Interval, Manifest, PhaseDelays, Report, SenderView, StampClock, StopReason, ThroughputResult,
    TransferDirection,
};

use super::fleet::{body, manifest, report};
use super::process::{Collector, command};
use super::sinks::HttpSink;

const MINUTE_MS: u64 = 60_000;
/// A test every so many minutes.
const EVERY: u64 = 10;
/// Tests, and what they find, in Mbit/s: as usual, a third, as usual.
const TESTS: [(u64, u64); 3] = [(20, 300), (5, 100), (5, 300)];
/// One that was cut short among the usual ones says no more than that.
const CUT: u64 = 15;
/// How long anything here may take. Far more than it does; only a fault gets there.
const DEADLINE: Duration = Duration::from_secs(150);

fn result(at_unix_ms: u64, mbps: u64, is_cut: bool) -> ThroughputResult {
    ThroughputResult {
        series: 0,
        at_unix_ms,
        direction: TransferDirection::Download,
        stop: if is_cut {
            StopReason::ByteCap
        } else {
            StopReason::Stable
        },
        settled: !is_cut,
        bps: mbps * 1_000_000,
        bytes: 4_000_000,
        duration_us: 700_000,
        sender: Some(SenderView {
            congestion_control: "cubic".to_owned(),
            ..SenderView::default()
        }),
        clock: StampClock::Kernel,
        idle: PhaseDelays::default(),
        loaded: PhaseDelays::default(),
        drained: PhaseDelays::default(),
    }
}

/// What the agent measured in a minute of the story.
fn measured(manifest: &Manifest, from_unix_ms: u64, minute: u64) -> Report {
    let start_unix_ms = from_unix_ms + minute * MINUTE_MS;
    let delays: Vec<u32> = (0..40)
        .map(|probe| 10_000 + ((minute * 7 + probe * 13) % 100) as u32)
        .collect();
    let mut whole = report(manifest, minute + 1, start_unix_ms, &delays);
    whole.interval = Interval::new(start_unix_ms, MINUTE_MS as u32).expect("on the grid");
    for record in &mut whole.records {
        record.counts.sent = record.counts.returned;
    }
    if minute % EVERY == 5 {
        let test = minute / EVERY;
        let levels = TESTS
            .iter()
            .flat_map(|(tests, mbps)| std::iter::repeat_n(*mbps, *tests as usize));
        let mbps = levels.clone().nth(test as usize).expect("a test of the story");
        let at_unix_ms = start_unix_ms + 30_000;
        whole.throughput = vec![if test == CUT {
            result(at_unix_ms, 40, true)
        } else {
            result(at_unix_ms, mbps + test * 7 % 10, false)
        }];
    }
    whole
}

fn start(directory: &Path) -> Collector {
    let mut serve = command(directory);
    serve.arg("--config").arg(directory.join("collector.toml"));
    Collector::spawn(serve)
}

/// Each delivery once: rule, measure and state of its pages.
fn told(sink: &HttpSink) -> Vec<String> {
    let mut deliveries = BTreeMap::new();
    for (number, (_, body)) in sink.requests("/hook").into_iter().enumerate() {
        let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        let name = body["delivery"].as_str().expect("a name").to_owned();
        deliveries.entry(name).or_insert((number, body));
    }
    let mut bodies: Vec<_> = deliveries.into_values().collect();
    bodies.sort_by_key(|(number, _)| *number);
    let pages = bodies
        .iter()
        .flat_map(|(_, body)| body["pages"].as_array().expect("pages"));
    pages
        .map(|page| format!("{} {} {}", page["rule"], page["measure"], page["state"]).replace('"', ""))
        .collect()
}

#[test]
fn a_drop_of_throughput_is_told_once_and_ended_once() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let directory = scratch.path();
    let web = HttpSink::start();
    // The default rule watches for it: none is configured.
    let config = format!(
        "[notify.hook]\nkind = \"webhook\"\nurl = \"http://{}/hook\"\nallow = [\"127.0.0.1\"]\ngroup_wait = \"0s\"\n",
        web.address
    );
    std::fs::write(directory.join("collector.toml"), config).expect("writable");
    let minutes = EVERY * TESTS.iter().map(|(tests, _)| tests).sum::<u64>();
    let from_unix_ms = (clock::unix_ms() / MINUTE_MS - minutes - 5) * MINUTE_MS;
    let manifest = manifest("brest-1", 1);
    let reports: Vec<Report> = (0..minutes)
        .map(|minute| measured(&manifest, from_unix_ms, minute))
        .collect();
    let collector = start(directory);
    for chunk in reports.chunks(60) {
        let answer = collector.deliver(&body(&[&manifest], chunk, clock::unix_ms()));
        assert_eq!(answer.expect("an answer").status, 200);
    }
    collector.terminate();
    // Evaluation only looks forward: as if it had been killed when the story began.
    std::fs::remove_file(directory.join("alerts.redb")).expect("it was made");
    let desk = Desk::open(directory, std::sync::Arc::default(), std::sync::Arc::default(), 0);
    let begun = desk
        .expect("nobody has it")
        .change(|change| *change.evaluated_to_unix_ms = Some(from_unix_ms));
    begun.expect("writable");

    let collector = start(directory);
    let since = clock::monotonic();
    while told(&web).len() < 2 {
        assert!(
            clock::monotonic() - since < DEADLINE,
            "nothing more came: {:?}",
            told(&web)
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(
        told(&web),
        ["regression download firing", "regression download resolved"]
    );
    let alerts = collector.get("/api/v1/alerts").json();
    assert_eq!(alerts["total"], 1, "{alerts}");
    let alert = &alerts["alerts"][0];
    assert_eq!(
        (&alert["id"], &alert["state"], &alert["unit"]),
        (
            &"regression:0:download".into(),
            &"resolved".into(),
            &"mbps".into()
        ),
        "{alert}"
    );
    let is_about = |value: &serde_json::Value, mbps: f64| {
        value
            .as_f64()
            .is_some_and(|value| (mbps..mbps + 10.0).contains(&value))
    };
    assert!(
        is_about(&alert["before"], 300.0) && is_about(&alert["value"], 100.0),
        "{alert}"
    );
    assert_eq!(
        collector.counter("azimuth_alerting_throughput_results_total"),
        TESTS.iter().map(|(tests, _)| tests).sum::<u64>()
    );
}
