//! Two windows compared over HTTP: one pair that became slower, one that did not, and what is refused.

use azimuth_collector::clock;
use azimuth_measurement::{DelayHistogram, StampClock};

use super::fleet::{LENGTH_MS, body, manifest, report, slot_before};
use super::process::Collector;

/// Intervals of each window: twenty minutes.
const SLOTS: u64 = 120;

#[test]
fn a_pair_that_became_slower_is_told_from_one_that_did_not() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let collector = Collector::start(directory.path());
    let now = clock::unix_ms();
    let manifest = manifest("paris-1", 2);
    let start = |slot: u64| slot_before(now, 2 * SLOTS + 1 - slot);
    let mut random = fastrand::Rng::with_seed(9);
    let reports: Vec<_> = (0..2 * SLOTS)
        .map(|slot| {
            let mut report = report(&manifest, slot + 1, start(slot), &[0; 10]);
            for record in &mut report.records {
                let slower_us = if record.series == 0 && slot >= SLOTS {
                    2_000
                } else {
                    0
                };
                let mut delays: Vec<u32> = (0..10)
                    .map(|_| 20_000 + random.u32(0..1_000) + slower_us)
                    .collect();
                record.delays = vec![(StampClock::Kernel, DelayHistogram::from_values_us(&mut delays))];
            }
            report
        })
        .collect();
    for some in reports.chunks(40) {
        let answer = collector
            .deliver(&body(&[&manifest], some, now))
            .expect("an answer");
        assert_eq!(answer.status, 200);
    }

    let at = |slot: u64| {
        let at = chrono::DateTime::from_timestamp_millis((start(0) + slot * LENGTH_MS) as i64);
        at.expect("in range").format("%Y-%m-%dT%H:%M:%SZ").to_string()
    };
    let asked = |from: u64, baseline_to: u64| {
        format!(
            "/api/v1/compare?from={}&to={}&baseline_from={}&baseline_to={}",
            at(from),
            at(2 * SLOTS),
            at(0),
            at(baseline_to)
        )
    };
    let answer = collector.get(&asked(SLOTS, SLOTS));
    assert_eq!(answer.status, 200, "{}", answer.json());
    let found = answer.json();
    let pairs = found["pairs"].as_array().expect("a list");
    assert_eq!(pairs.len(), 2);
    let number = |pair: usize, name: &str| pairs[pair][name].as_f64().expect("a number");
    assert_eq!(pairs[0]["zone"], "aws/eu-west-3/az0");
    assert_eq!((number(0, "theta"), pairs[0]["why"].is_null()), (1.0, true));
    assert!((1_900.0..2_100.0).contains(&number(0, "shift_p50_us")));
    assert!(number(0, "p") < 1e-4 && number(0, "q") < 1e-4, "{found}");
    assert!(number(1, "p") > 0.01 && number(1, "q") > 0.01, "{found}");
    for pair in pairs {
        assert_eq!(
            (&pair["window"]["n"], &pair["baseline"]["n"]),
            (&1_200.into(), &1_200.into())
        );
        assert_eq!(pair["loss_p"], 1.0, "both lost one of eleven in every interval");
    }

    let short = collector.get(&asked(2 * SLOTS - 12, SLOTS)).json();
    assert_eq!(
        (&short["pairs"][0]["why"], &short["pairs"][0]["p"]),
        (&"not_enough".into(), &serde_json::Value::Null),
        "two minutes are too few"
    );
    let csv = collector.get(&format!("{}&format=csv", asked(SLOTS, SLOTS)));
    let text = String::from_utf8(csv.body).expect("text");
    assert_eq!(text.lines().count(), 3, "{text}");
    let overlapping = collector.get(&asked(SLOTS - 1, SLOTS));
    assert_eq!(overlapping.status, 400);
}
