//! Throughput results: there exactly when their report is, in order, bounded, and gone with the one-minute tier.

use azimuth_measurement::{
    PhaseDelays, SenderView, StampClock, StopReason, ThroughputResult, TransferDirection,
};

use super::{LENGTH_MS, T0, agent, item, manifest_of, report_of, verified};
use crate::store::throughput::MOST_RESULTS_AN_HOUR;
use crate::store::{Admission, Store, TimeRange};

/// One result; its rate tells it from others.
pub(crate) fn result(at_unix_ms: u64, series: u32, bps: u64) -> ThroughputResult {
    ThroughputResult {
        series,
        at_unix_ms,
        direction: TransferDirection::Download,
        stop: StopReason::Stable,
        settled: true,
        bps,
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

const ALL: TimeRange = TimeRange {
    from_unix_ms: 0,
    to_unix_ms: u64::MAX,
};

pub(super) fn run(one: &dyn Store, other: &dyn Store) {
    they_come_with_their_report_once(one);
    there_are_only_so_many_an_hour_and_they_leave_with_the_minutes(other);
}

fn they_come_with_their_report_once(store: &dyn Store) {
    let manifest = manifest_of("one", 2);
    let mut report = report_of(&manifest, 1, 0, &[500]);
    report.throughput = vec![result(T0 + 9_000, 1, 20), result(T0 + 1_000, 0, 10)];
    for expected in [Admission::Stored, Admission::Duplicate] {
        let admitted = store.commit(&[verified(&manifest)], &[item(&report)]);
        assert_eq!(admitted.expect("durable"), [expected]);
        let stored = store.throughput(&agent("one"), ALL).expect("readable");
        let targets: Vec<_> = stored
            .iter()
            .map(|result| result.series.target.as_str())
            .collect();
        assert_eq!(targets, ["target-0", "target-1"], "in order of time");
        assert_eq!(stored[1].result, report.throughput[0]);
    }
    let range = TimeRange {
        from_unix_ms: T0 + 1_001,
        to_unix_ms: T0 + 9_001,
    };
    assert_eq!(store.throughput(&agent("one"), range).expect("readable").len(), 1);
    assert_eq!(store.throughput(&agent("two"), ALL).expect("readable"), []);
}

fn there_are_only_so_many_an_hour_and_they_leave_with_the_minutes(store: &dyn Store) {
    const DAY_MS: u64 = 86_400_000;
    let manifest = manifest_of("one", 1);
    let (mut sequence, mut told) = (0, 0);
    while told < MOST_RESULTS_AN_HOUR as u64 + 30 {
        let mut report = report_of(&manifest, sequence + 1, sequence, &[500]);
        let results = (0..60).map(|n| result(T0 + sequence * u64::from(LENGTH_MS) + n, 0, 1));
        report.throughput = results.collect();
        told += 60;
        sequence += 1;
        let admitted = store.commit(&[verified(&manifest)], &[item(&report)]);
        assert_eq!(admitted.expect("durable"), [Admission::Stored]);
    }
    let held = || {
        let stored = store.throughput(&agent("one"), ALL).expect("readable");
        stored.len()
    };
    assert_eq!(held(), MOST_RESULTS_AN_HOUR);
    assert_eq!(
        store.condition().throughput_results_refused,
        told - MOST_RESULTS_AN_HOUR as u64
    );
    store.maintain(T0 + 89 * DAY_MS).expect("maintained");
    assert_eq!(held(), MOST_RESULTS_AN_HOUR);
    store.maintain(T0 + 91 * DAY_MS).expect("maintained");
    assert_eq!(held(), 0);
}
