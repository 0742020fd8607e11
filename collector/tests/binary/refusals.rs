//! Bad input gets problem details with a reason, is counted under it, and stores nothing.

use azimuth_collector::clock;
use azimuth_measurement::codec::{Batch, BatchItem, encode_batch, encode_manifest, encode_report};
use azimuth_measurement::{DelayHistogram, Manifest, ProbeCounts, Report, StampClock};

use super::fleet::{body, manifest, report, slot_before};
use super::process::{Answer, Collector};

fn started() -> (tempfile::TempDir, Collector) {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let collector = Collector::start(directory.path());
    (directory, collector)
}

fn is_problem(answer: &Answer, status: u16, reason: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let problem = answer.json();
    assert_eq!(
        (problem["status"].as_u64(), problem["reason"].as_str()),
        (Some(status.into()), Some(reason))
    );
    for member in ["type", "title", "detail"] {
        assert!(
            problem[member].as_str().is_some_and(|text| !text.is_empty()),
            "{member} in {problem}"
        );
    }
}

fn verdicts(answer: &Answer) -> Vec<(String, String)> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let answer = answer.json();
    let all = answer["verdicts"].as_array().expect("verdicts");
    all.iter()
        .map(|one| (word(&one["verdict"]), word(&one["problem"]["reason"])))
        .collect()
}

fn stored_nothing(collector: &Collector) {
    assert_eq!(collector.counter("azimuth_store_commits_total"), 0);
    assert_eq!(
        collector.get("/api/v1/agents").json()["agents"],
        serde_json::json!([])
    );
    assert_eq!(
        collector.get("/api/v1/zones").json()["zones"],
        serde_json::json!([])
    );
}

#[test]
fn garbage_oversized_and_truncated_bodies_are_refused_counted_and_stored_nowhere() {
    let (_directory, collector) = started();
    let now = clock::unix_ms();
    let manifest = manifest("a", 3);
    let sound = body(
        &[&manifest],
        &[report(&manifest, 1, slot_before(now, 2), &[500])],
        now,
    );

    is_problem(
        &collector.deliver(b"\xffgarbage").expect("an answer"),
        400,
        "bad_encoding",
    );
    is_problem(
        &collector.deliver(&vec![0; 1024 * 1024 + 1]).expect("an answer"),
        413,
        "body_too_large",
    );
    is_problem(
        &collector.deliver(&sound[..sound.len() - 7]).expect("an answer"),
        400,
        "bad_encoding",
    );
    let plain = [("content-type", "text/plain")];
    let answer = collector
        .request("POST", "/api/v1/reports", &plain, &sound)
        .expect("an answer");
    is_problem(&answer, 415, "wrong_content_type");
    let lying = [
        ("content-type", "application/x-protobuf"),
        ("content-encoding", "gzip"),
    ];
    let answer = collector
        .request("POST", "/api/v1/reports", &lying, b"\x1f\x8b")
        .expect("an answer");
    assert_eq!(answer.status, 400);

    let count = |reason: &str| {
        let name = format!("azimuth_ingest_bodies_refused_total{{status=\"refused\",reason=\"{reason}\"}}");
        collector.counter(&name)
    };
    assert_eq!(count("bad_encoding"), 3);
    assert_eq!(count("body_too_large"), 1);
    assert_eq!(count("wrong_content_type"), 1);
    stored_nothing(&collector);
}

#[test]
fn unsound_items_get_a_verdict_each_and_leave_no_trace() {
    let (_directory, collector) = started();
    let now = clock::unix_ms();
    let (ours, other) = (manifest("a", 1), manifest("b", 1));
    let sound = report(&ours, 1, slot_before(now, 2), &[500]);
    let mut contradictory = sound.clone();
    contradictory.records[0].counts = ProbeCounts {
        sent: 1,
        returned: 1,
        ..ProbeCounts::default()
    };
    contradictory.records[0].delays = vec![(StampClock::Kernel, DelayHistogram::from_values_us(&mut [1, 2]))];
    let wide = Report {
        manifest: ours.id(),
        ..report(&manifest("a", 2), 2, slot_before(now, 2), &[500])
    };
    let foreign = Report {
        manifest: other.id(),
        ..sound.clone()
    };
    let unknown = Report {
        manifest: manifest("a", 9).id(),
        ..sound.clone()
    };
    let truncated = encode_report(&sound)[..20].to_vec();
    let item = |frame| BatchItem::Report {
        age_ms: 10_000,
        age_uncertain: false,
        frame,
    };
    let batch = Batch {
        manifests: vec![encode_manifest(&ours), encode_manifest(&other)],
        items: vec![
            item(vec![7; 100]),
            item(truncated),
            item(encode_report(&contradictory)),
            item(encode_report(&wide)),
            item(encode_report(&foreign)),
            item(encode_report(&unknown)),
            BatchItem::Report {
                age_ms: u64::MAX,
                age_uncertain: false,
                frame: encode_report(&sound),
            },
        ],
    };
    let answer = collector.deliver(&encode_batch(&batch)).expect("an answer");
    let expected = [
        ("refused", "bad_compression"),
        ("refused", "bad_compression"),
        ("refused", "contradictory_counts"),
        ("refused", "series_out_of_range"),
        ("refused", "agent_mismatch"),
        ("manifest_wanted", "manifest_unknown"),
        ("refused", "age_out_of_range"),
    ];
    assert_eq!(
        verdicts(&answer),
        expected.map(|(verdict, reason)| (verdict.to_owned(), reason.to_owned()))
    );
    assert_eq!(answer.json()["verdicts"][0]["sequence"], serde_json::Value::Null);
    assert_eq!(answer.json()["verdicts"][3]["sequence"], serde_json::json!(2));
    for (verdict, reason) in expected {
        let name = format!("azimuth_ingest_items_total{{verdict=\"{verdict}\",reason=\"{reason}\"}}");
        assert!(collector.counter(&name) >= 1, "{name}");
    }
    stored_nothing(&collector);
}

#[test]
fn a_replay_is_a_duplicate_and_changes_no_answer() {
    let (_directory, collector) = started();
    let now = clock::unix_ms();
    let manifest = manifest("a", 2);
    let reports: Vec<Report> = (0..5)
        .map(|number| report(&manifest, number + 1, slot_before(now, 7 - number), &[500, 700]))
        .collect();
    let body = body(&[&manifest], &reports, now);
    let stored = vec![("stored".to_owned(), String::new()); 5];
    assert_eq!(verdicts(&collector.deliver(&body).expect("an answer")), stored);
    let before = collector.get("/api/v1/map").json();
    assert_eq!(before["cells"][0]["n"], serde_json::json!(10));
    for _ in 0..3 {
        let duplicate = vec![("duplicate".to_owned(), "duplicate".to_owned()); 5];
        assert_eq!(verdicts(&collector.deliver(&body).expect("an answer")), duplicate);
    }
    assert_eq!(collector.get("/api/v1/map").json()["cells"], before["cells"]);
    let replays = "azimuth_ingest_items_total{verdict=\"duplicate\",reason=\"duplicate\"}";
    assert_eq!(collector.counter(replays), 15);
}

#[test]
fn a_manifest_is_asked_for_once_and_then_known_across_a_restart() {
    let (directory, collector) = started();
    let now = clock::unix_ms();
    let manifest = manifest("a", 1);
    let one = |manifests: &[&Manifest], sequence| {
        body(
            manifests,
            &[report(
                &manifest,
                sequence,
                slot_before(now, 10 - sequence),
                &[500],
            )],
            now,
        )
    };
    let wanted = verdicts(&collector.deliver(&one(&[], 1)).expect("an answer"));
    assert_eq!(wanted[0].0, "manifest_wanted");
    assert_eq!(
        verdicts(&collector.deliver(&one(&[&manifest], 1)).expect("an answer"))[0].0,
        "stored"
    );
    let (status, _) = collector.terminate();
    assert!(status.success());
    let again = Collector::start(directory.path());
    assert_eq!(
        verdicts(&again.deliver(&one(&[], 2)).expect("an answer"))[0].0,
        "stored"
    );
}

#[test]
fn an_agent_whose_clock_is_wrong_is_placed_by_age_and_its_skew_is_shown() {
    let (_directory, collector) = started();
    let now = clock::unix_ms();
    let manifest = manifest("a", 1);
    // A year ahead, but the interval ended 5 s ago.
    let claimed = report(&manifest, 1, slot_before(now, 0) + 365 * 86_400_000, &[500]);
    let batch = Batch {
        manifests: vec![encode_manifest(&manifest)],
        items: vec![BatchItem::Report {
            age_ms: 5_000,
            age_uncertain: false,
            frame: encode_report(&claimed),
        }],
    };
    assert_eq!(
        verdicts(&collector.deliver(&encode_batch(&batch)).expect("an answer"))[0].0,
        "stored"
    );
    assert_eq!(
        collector.get("/api/v1/map").json()["cells"][0]["n"],
        serde_json::json!(1)
    );
    let skew_ms = collector.get("/api/v1/agents").json()["agents"][0]["clock_skew_ms"]
        .as_i64()
        .expect("a number");
    assert!((skew_ms - 365 * 86_400_000).abs() < 60_000, "{skew_ms}");
}
