//! Path events: there exactly when their report is, in order, bounded, and gone with the one-minute tier.

use azimuth_measurement::{Path, PathEvent, PathHop, PathReason};

use super::{LENGTH_MS, T0, agent, item, manifest_of, report_of, verified};
use crate::store::paths::MOST_AN_HOUR;
use crate::store::{Admission, Store, TimeRange};

fn event(at_unix_ms: u64, series: u32, router: u8) -> PathEvent {
    let hop = PathHop {
        addresses: vec![[10, 0, 0, router].into()],
        sent: 3,
        answered: 3,
        min_us: Some(5),
        median_us: Some(6),
    };
    PathEvent {
        series,
        at_unix_ms,
        reason: PathReason::Scheduled,
        before: None,
        after: Path {
            hops: vec![hop],
            reached: true,
        },
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
    report.paths = vec![event(T0 + 9_000, 1, 2), event(T0 + 1_000, 0, 1)];
    for expected in [Admission::Stored, Admission::Duplicate] {
        let admitted = store.commit(&[verified(&manifest)], &[item(&report)]);
        assert_eq!(admitted.expect("durable"), [expected]);
        let stored = store.paths(&agent("one"), ALL).expect("readable");
        let targets: Vec<_> = stored.iter().map(|path| path.series.target.as_str()).collect();
        assert_eq!(targets, ["target-0", "target-1"], "in order of time");
        assert_eq!(stored[1].event, report.paths[0]);
    }
    let range = TimeRange {
        from_unix_ms: T0 + 1_001,
        to_unix_ms: T0 + 9_001,
    };
    assert_eq!(store.paths(&agent("one"), range).expect("readable").len(), 1);
    assert_eq!(store.paths(&agent("two"), ALL).expect("readable"), []);
}

fn there_are_only_so_many_an_hour_and_they_leave_with_the_minutes(store: &dyn Store) {
    const DAY_MS: u64 = 86_400_000;
    let manifest = manifest_of("one", 1);
    let mut sequence = 0;
    let mut told = 0;
    while told < MOST_AN_HOUR as u64 + 50 {
        let mut report = report_of(&manifest, sequence + 1, sequence, &[500]);
        let events = (0..100).map(|n| event(T0 + sequence * u64::from(LENGTH_MS) + n, 0, 1));
        report.paths = events.collect();
        told += 100;
        sequence += 1;
        let admitted = store.commit(&[verified(&manifest)], &[item(&report)]);
        assert_eq!(admitted.expect("durable"), [Admission::Stored]);
    }
    assert_eq!(
        store.paths(&agent("one"), ALL).expect("readable").len(),
        MOST_AN_HOUR
    );
    assert_eq!(store.condition().path_events_refused, told - MOST_AN_HOUR as u64);
    store.maintain(T0 + 89 * DAY_MS).expect("maintained");
    assert_eq!(
        store.paths(&agent("one"), ALL).expect("readable").len(),
        MOST_AN_HOUR
    );
    store.maintain(T0 + 91 * DAY_MS).expect("maintained");
    assert_eq!(store.paths(&agent("one"), ALL).expect("readable"), []);
}
