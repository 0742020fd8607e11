//! Probes under an agent's own throughput tests: stored, answered when they are asked for, and in no number of the path at rest.

use azimuth_collector::clock;
use azimuth_measurement::{DelayHistogram, LoadLabel};

use crate::fleet::{body, manifest, report, slot_before};
use crate::process::Collector;

#[test]
fn maps_show_the_path_at_rest_unless_load_is_asked_for() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let collector = Collector::start(directory.path());
    let mut manifest = manifest("brest-1", 3);
    let first = manifest.series[0].clone();
    for (series, load) in manifest.series.iter_mut().zip(LoadLabel::ALL) {
        *series = first.clone();
        series.load = *load;
    }
    let now = clock::unix_ms();
    let deliver = |sequence: u64, start_unix_ms: u64, loads: &[usize]| {
        let mut report = report(&manifest, sequence, start_unix_ms, &[500; 20]);
        for (record, delay_us) in report.records.iter_mut().zip([500, 110_000, 40_000]) {
            record.delays[0].1 = DelayHistogram::from_values_us(&mut [delay_us; 20]);
        }
        report
            .records
            .retain(|record| loads.contains(&(record.series as usize)));
        let body = body(&[&manifest], &[report], now);
        let headers = [("content-type", "application/x-protobuf")];
        let answer = collector.request("POST", "/api/v1/reports", &headers, &body);
        assert_eq!(answer.expect("an answer").status, 200);
    };
    let cell = |load: &str| {
        let path = format!("/api/v1/map?from=now-10m{load}");
        let answer = collector.request("GET", &path, &[], b"").expect("an answer");
        assert_eq!(answer.status, 200);
        answer.json()["cells"][0].clone()
    };
    let p99_us = |load: &str| cell(load)["p99_us"].as_u64();
    // An interval without a test: what the map says then, it says with tests.
    deliver(1, slot_before(now, 4), &[0]);
    let before = cell("");
    assert_eq!(before["p99_us"], 500, "{before}");
    deliver(2, slot_before(now, 3), &[0, 1, 2]);
    deliver(3, slot_before(now, 2), &[0, 1, 2]);
    let after = cell("");
    for quantile in ["p50_us", "p90_us", "p99_us"] {
        assert_eq!(after[quantile], before[quantile], "{after}");
    }
    assert_eq!(after["sent"], 63, "three intervals at rest");
    let near = |found: Option<u64>, us: u64| found.is_some_and(|found| found.abs_diff(us) <= us / 1_000);
    assert!(near(p99_us("&load=self_load"), 110_000));
    assert!(near(p99_us("&load=post_load"), 40_000));
    assert_eq!(cell("&load=self_load")["sent"], 42);
}
