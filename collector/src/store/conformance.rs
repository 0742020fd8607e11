//! What every store must do, written once and run against each backend. A backend passes all of it or is none.
//!
//! Each case gets an empty store. What only a file can go through (kill, damage, reopening) is tested beside the backend.

use std::ops::ControlFlow;
use std::sync::Arc;

use azimuth_measurement::codec::{encode_manifest, encode_report};
use azimuth_measurement::{
    AgentHealth, AgentId, DelayHistogram, Granularity, Interval, LoadLabel, LossCause, Manifest, Method,
    ProbeCounts, Report, SeriesDescriptor, SeriesRecord, StampClock, Tombstone, VantagePoint, ZoneKey,
};

use super::{
    Admission, Coverage, Item, Observation, ScanRequest, SeriesSelection, Store, TimeRange, VerifiedManifest,
    VerifiedReport,
};

/// 2026-11-23T10:00:00Z.
pub(crate) const T0: u64 = 1_795_428_000_000;
/// Length of the intervals made here, in milliseconds.
pub(crate) const LENGTH_MS: u32 = 10_000;

/// Runs every case.
pub(crate) fn run(empty: impl Fn() -> Box<dyn Store>) {
    what_is_committed_is_scanned_whole_and_in_order_of_time(&*empty());
    a_replay_changes_nothing(&*empty());
    one_commit_admits_a_sequence_once(&*empty());
    a_sequence_may_come_late_or_far_ahead(&*empty());
    a_tombstone_settles_its_sequences_and_shows_as_a_gap(&*empty());
    a_manifest_is_wanted_before_its_reports(&*empty());
    a_manifest_cannot_change_under_its_id(&*empty());
    a_new_manifest_continues_known_series(&*empty());
    agents_show_their_latest_state(&*empty());
    pruning_forgets_data_but_not_sequences(&*empty());
    a_visitor_may_stop(&*empty());
}

pub(crate) fn agent(id: &str) -> AgentId {
    id.parse().expect("a valid id")
}

/// A manifest of `series` STAMP series, each to a zone of its own.
pub(crate) fn manifest_of(id: &str, series: u16) -> Manifest {
    let descriptor = |number: u16| SeriesDescriptor {
        zone: ZoneKey::new("aws", "eu-west-3", &format!("az{number}")).expect("a valid zone"),
        target: format!("target-{number}"),
        address: ([10, 0, 0, 1], 8_620).into(),
        granularity: Granularity::Zone,
        method: Method::Stamp,
        flow: 0,
        load: LoadLabel::Idle,
        period_ms: 1_000,
        waiting_time_ms: 2_000,
        dscp: 0,
    };
    Manifest {
        agent: agent(id),
        agent_version: "0.1.0".to_owned(),
        vantage_point: VantagePoint {
            name: format!("Vantage {id}"),
            country: "FR".to_owned(),
            city: "Paris".to_owned(),
            network: "Free".to_owned(),
            asn: 12_322,
            latitude_deg: 48.86,
            longitude_deg: 2.35,
        },
        series: (0..series).map(descriptor).collect(),
    }
}

/// The manifest, as ingest would hand it on.
pub(crate) fn verified(manifest: &Manifest) -> VerifiedManifest {
    VerifiedManifest {
        id: manifest.id(),
        manifest: Arc::new(manifest.clone()),
        frame: encode_manifest(manifest),
    }
}

/// A report of interval number `slot` since [`T0`]: every series sent one probe more than it got delays back.
pub(crate) fn report_of(manifest: &Manifest, sequence: u64, slot: u64, delays_us: &[u32]) -> Report {
    let record = |series| SeriesRecord {
        series,
        counts: ProbeCounts {
            sent: delays_us.len() as u64 + 1,
            returned: delays_us.len() as u64,
            ..ProbeCounts::default()
        },
        delays: vec![(
            StampClock::Kernel,
            DelayHistogram::from_values_us(&mut delays_us.to_vec()),
        )],
    };
    Report {
        agent: manifest.agent.clone(),
        epoch: T0,
        sequence,
        manifest: manifest.id(),
        interval: Interval::new(T0 + slot * u64::from(LENGTH_MS), LENGTH_MS).expect("on the grid"),
        records: (0..manifest.series.len() as u32).map(record).collect(),
        health: AgentHealth::default(),
    }
}

/// The report, as ingest would hand it on.
pub(crate) fn item(report: &Report) -> Item {
    Item::Report(VerifiedReport {
        agent: report.agent.clone(),
        epoch: report.epoch,
        sequence: report.sequence,
        manifest: report.manifest,
        placed: report.interval,
        received_at_unix_ms: report.interval.end_unix_ms() + 100,
        clock_skew_ms: 7,
        send_lateness_p99_us: Some(20),
        frame: encode_report(report),
    })
}

/// Everything the store holds in `range`.
pub(crate) fn scan_all(store: &dyn Store, range: TimeRange) -> (Vec<Observation>, Coverage) {
    let selection: SeriesSelection = store.dictionary().series().map(|(id, _)| id).collect();
    let mut seen = Vec::new();
    let request = ScanRequest {
        range,
        series: &selection,
        step_ms: LENGTH_MS.into(),
    };
    let coverage = store
        .scan(request, &mut |observation| {
            seen.push(observation);
            ControlFlow::Continue(())
        })
        .expect("readable");
    (seen, coverage)
}

const ALL_TIME: TimeRange = TimeRange {
    from_unix_ms: 0,
    to_unix_ms: u64::MAX,
};

fn starts(store: &dyn Store, range: TimeRange) -> Vec<u64> {
    let slot = |observation: &Observation| (observation.start_unix_ms - T0) / u64::from(LENGTH_MS);
    scan_all(store, range).0.iter().map(slot).collect()
}

fn commit(store: &dyn Store, manifests: &[&Manifest], items: &[Item]) -> Vec<Admission> {
    let manifests: Vec<VerifiedManifest> = manifests.iter().map(|manifest| verified(manifest)).collect();
    store.commit(&manifests, items).expect("writable")
}

fn what_is_committed_is_scanned_whole_and_in_order_of_time(store: &dyn Store) {
    let (one, two) = (manifest_of("one", 2), manifest_of("two", 1));
    let late = report_of(&one, 2, 0, &[500, 700]);
    let items = [
        item(&report_of(&one, 1, 3, &[900])),
        item(&report_of(&two, 1, 2, &[])),
        item(&late),
    ];
    assert_eq!(commit(store, &[&one, &two], &items), [Admission::Stored; 3]);
    assert_eq!(starts(store, ALL_TIME), [0, 0, 2, 3, 3]);

    let (seen, coverage) = scan_all(store, ALL_TIME);
    assert_eq!((coverage.unreadable_reports, coverage.missing.len()), (0, 0));
    for (observation, record) in seen.iter().zip(&late.records) {
        assert_eq!(
            (&observation.counts, &observation.delays),
            (&record.counts, &record.delays)
        );
    }
    let edge = |slot: u64| T0 + slot * u64::from(LENGTH_MS);
    let middle = TimeRange {
        from_unix_ms: edge(1),
        to_unix_ms: edge(3),
    };
    assert_eq!(starts(store, middle), [2], "from is inside, to is not");

    let dictionary = store.dictionary();
    let only_two: SeriesSelection = dictionary
        .series()
        .filter(|(_, series)| dictionary.agent(series.agent) == Some(&agent("two")))
        .map(|(id, _)| id)
        .collect();
    let mut seen = 0;
    let request = ScanRequest {
        range: ALL_TIME,
        series: &only_two,
        step_ms: 10_000,
    };
    store
        .scan(request, &mut |observation| {
            assert!(only_two.contains(observation.series));
            seen += 1;
            ControlFlow::Continue(())
        })
        .expect("readable");
    assert_eq!(seen, 1);
}

fn a_replay_changes_nothing(store: &dyn Store) {
    let manifest = manifest_of("one", 1);
    let first = [item(&report_of(&manifest, 1, 0, &[500]))];
    assert_eq!(commit(store, &[&manifest], &first), [Admission::Stored]);
    for _ in 0..3 {
        assert_eq!(commit(store, &[&manifest], &first), [Admission::Duplicate]);
    }
    // The same sequence with another interval is a replay all the same.
    assert_eq!(
        commit(store, &[], &[item(&report_of(&manifest, 1, 5, &[500]))]),
        [Admission::Duplicate]
    );
    assert_eq!(starts(store, ALL_TIME), [0]);
    assert_eq!(store.agents().expect("readable")[0].reports_stored, 1);
}

fn one_commit_admits_a_sequence_once(store: &dyn Store) {
    let manifest = manifest_of("one", 1);
    let twice = item(&report_of(&manifest, 1, 0, &[500]));
    let admissions = commit(store, &[&manifest, &manifest], &[twice.clone(), twice]);
    assert_eq!(admissions, [Admission::Stored, Admission::Duplicate]);
    assert_eq!(starts(store, ALL_TIME), [0]);
}

fn a_sequence_may_come_late_or_far_ahead(store: &dyn Store) {
    let manifest = manifest_of("one", 1);
    let sequences = [1, 1_000_000, 2, 999_999, 3_000];
    for (slot, sequence) in (0..).zip(sequences) {
        let report = item(&report_of(&manifest, sequence, slot, &[500]));
        assert_eq!(
            commit(store, &[&manifest], std::slice::from_ref(&report)),
            [Admission::Stored]
        );
        assert_eq!(commit(store, &[], &[report]), [Admission::Duplicate]);
    }
    let other_epoch = Report {
        epoch: T0 + 1,
        ..report_of(&manifest, 1, 9, &[500])
    };
    assert_eq!(
        commit(store, &[], &[item(&other_epoch)]),
        [Admission::Stored],
        "a sequence space of its own"
    );
    assert_eq!(starts(store, ALL_TIME), [0, 1, 2, 3, 4, 9]);
}

fn a_tombstone_settles_its_sequences_and_shows_as_a_gap(store: &dyn Store) {
    let manifest = manifest_of("one", 1);
    commit(store, &[&manifest], &[item(&report_of(&manifest, 3, 2, &[500]))]);
    let tombstone = Tombstone {
        agent: agent("one"),
        epoch: T0,
        first_sequence: 1,
        last_sequence: 10,
        start_unix_ms: T0,
        end_unix_ms: T0 + 100_000,
        cause: LossCause::QueueFull,
    };
    let stone = [Item::Tombstone(tombstone.clone())];
    assert_eq!(commit(store, &[], &stone), [Admission::Stored]);
    assert_eq!(commit(store, &[], &stone), [Admission::Duplicate]);
    assert_eq!(
        commit(store, &[], &[item(&report_of(&manifest, 7, 6, &[500]))]),
        [Admission::Duplicate]
    );

    let around = TimeRange {
        from_unix_ms: T0 + 50_000,
        to_unix_ms: T0 + 60_000,
    };
    let gaps = store.gaps(&agent("one"), around).expect("readable");
    assert_eq!(gaps.len(), 1);
    assert_eq!(
        (gaps[0].reports, gaps[0].cause),
        (9, LossCause::QueueFull),
        "sequence 3 had arrived"
    );
    assert_eq!((gaps[0].start_unix_ms, gaps[0].end_unix_ms), (T0, T0 + 100_000));
    let after = TimeRange {
        from_unix_ms: T0 + 100_000,
        to_unix_ms: u64::MAX,
    };
    assert_eq!(store.gaps(&agent("one"), after).expect("readable"), []);
    assert_eq!(store.gaps(&agent("two"), ALL_TIME).expect("readable"), []);

    // An agent may give up reports before any other of its reports arrives.
    let unheard = Tombstone {
        agent: agent("unheard"),
        ..tombstone
    };
    assert_eq!(
        commit(store, &[], &[Item::Tombstone(unheard)]),
        [Admission::Stored]
    );
    assert_eq!(store.agents().expect("readable").len(), 1);
}

fn a_manifest_is_wanted_before_its_reports(store: &dyn Store) {
    let manifest = manifest_of("one", 1);
    let report = [item(&report_of(&manifest, 1, 0, &[500]))];
    assert_eq!(commit(store, &[], &report), [Admission::ManifestUnknown]);
    assert_eq!(starts(store, ALL_TIME), [0; 0]);
    assert_eq!(store.dictionary().agent_count(), 0, "a refusal leaves no trace");
    assert_eq!(
        commit(store, &[&manifest], &report),
        [Admission::Stored],
        "and is not taken for a replay"
    );
}

fn a_manifest_cannot_change_under_its_id(store: &dyn Store) {
    let manifest = manifest_of("one", 1);
    commit(store, &[&manifest], &[item(&report_of(&manifest, 1, 0, &[500]))]);
    let forged = VerifiedManifest {
        id: manifest.id(),
        ..verified(&manifest_of("one", 2))
    };
    let next = [item(&report_of(&manifest, 2, 1, &[500]))];
    assert_eq!(
        store.commit(&[forged], &next).expect("writable"),
        [Admission::ManifestConflict]
    );
    assert_eq!(commit(store, &[&manifest], &next), [Admission::Stored]);
}

fn a_new_manifest_continues_known_series(store: &dyn Store) {
    let (before, after) = (manifest_of("one", 1), manifest_of("one", 2));
    commit(store, &[&before], &[item(&report_of(&before, 1, 0, &[500]))]);
    commit(store, &[&after], &[item(&report_of(&after, 2, 1, &[500]))]);
    let (seen, _) = scan_all(store, ALL_TIME);
    assert_eq!(seen.len(), 3);
    assert_eq!(
        seen[0].series, seen[1].series,
        "described in the same words, it is the same series"
    );
    assert_ne!(seen[1].series, seen[2].series);
}

fn agents_show_their_latest_state(store: &dyn Store) {
    let (before, after) = (manifest_of("one", 1), manifest_of("one", 2));
    let other = manifest_of("a-first", 1);
    commit(
        store,
        &[&after, &other],
        &[
            item(&report_of(&after, 5, 9, &[500])),
            item(&report_of(&other, 1, 0, &[])),
        ],
    );
    commit(store, &[&before], &[item(&report_of(&before, 1, 1, &[500]))]);
    let agents = store.agents().expect("readable");
    assert_eq!(
        agents
            .iter()
            .map(|status| status.agent.as_str())
            .collect::<Vec<_>>(),
        ["a-first", "one"]
    );
    let one = &agents[1];
    assert_eq!(
        *one.manifest, after,
        "a late report does not bring the old manifest back"
    );
    assert_eq!(one.manifest_id, after.id());
    assert_eq!(one.last_interval_end_unix_ms, T0 + 100_000);
    assert_eq!(
        (one.reports_stored, one.clock_skew_ms, one.send_lateness_p99_us),
        (2, 7, Some(20))
    );
}

fn pruning_forgets_data_but_not_sequences(store: &dyn Store) {
    let manifest = manifest_of("one", 1);
    let items: Vec<Item> = (0..10)
        .map(|slot| item(&report_of(&manifest, slot + 1, slot, &[500])))
        .collect();
    commit(store, &[&manifest], &items);
    let cut = T0 + 40_000;
    assert_eq!(store.prune(cut).expect("writable").reports, 4);
    assert_eq!(store.prune(cut).expect("writable").reports, 0);
    assert_eq!(starts(store, ALL_TIME), [4, 5, 6, 7, 8, 9]);
    assert_eq!(
        commit(store, &[], &items),
        [Admission::Duplicate; 10],
        "a late replay is still a replay"
    );
    let (_, coverage) = scan_all(
        store,
        TimeRange {
            from_unix_ms: T0,
            to_unix_ms: T0 + 100_000,
        },
    );
    assert_eq!(
        coverage.missing,
        [TimeRange {
            from_unix_ms: T0,
            to_unix_ms: cut
        }],
        "and the answer says so"
    );
    let (_, coverage) = scan_all(
        store,
        TimeRange {
            from_unix_ms: cut,
            to_unix_ms: T0 + 100_000,
        },
    );
    assert_eq!(coverage.missing, []);
}

fn a_visitor_may_stop(store: &dyn Store) {
    let manifest = manifest_of("one", 3);
    commit(store, &[&manifest], &[item(&report_of(&manifest, 1, 0, &[500]))]);
    let selection: SeriesSelection = store.dictionary().series().map(|(id, _)| id).collect();
    let mut seen = 0;
    let request = ScanRequest {
        range: ALL_TIME,
        series: &selection,
        step_ms: 10_000,
    };
    store
        .scan(request, &mut |_| {
            seen += 1;
            ControlFlow::Break(())
        })
        .expect("readable");
    assert_eq!(seen, 1);
}
