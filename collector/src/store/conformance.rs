//! What every store must do, written once and run against each backend. A backend passes all of it or is none.
//!
//! Each case gets an empty store. What only a file can go through (kill, damage, reopening) is tested beside the backend.

mod growth;
mod path_events;
pub(crate) mod throughput;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use azimuth_measurement::codec::{encode_manifest, encode_report};
use azimuth_measurement::{
    Accumulator, AgentHealth, AgentId, DelayHistogram, Granularity, Interval, LoadLabel, LossCause, Manifest,
    Method, PlanRefusal, PlanStanding, ProbeCounts, Report, SeriesDescriptor, SeriesRecord, StampClock,
    Tombstone, VantagePoint, ZoneKey,
};

use super::{
    Admission, Coverage, Item, Maintained, Missing, MissingCause, Observation, ScanRequest, SeriesId,
    SeriesLimits, SeriesSelection, Store, Tier, TimeRange, VerifiedManifest, VerifiedReport,
};

/// 2026-11-23T10:00:00Z.
pub(crate) const T0: u64 = 1_795_428_000_000;
/// Length of the intervals made here, in milliseconds.
pub(crate) const LENGTH_MS: u32 = 10_000;

/// Runs every case.
pub(crate) fn run(limited: impl Fn(SeriesLimits) -> Box<dyn Store>) {
    growth::run(&limited);
    let empty = || limited(SeriesLimits::NONE);
    what_is_committed_is_scanned_whole_and_in_order_of_time(&*empty());
    a_replay_changes_nothing(&*empty());
    one_commit_admits_a_sequence_once(&*empty());
    a_name_with_two_meanings_is_no_replay(&*empty());
    two_hosts_under_one_name_are_not_merged(&*empty());
    a_sequence_may_come_late_or_far_ahead(&*empty());
    a_tombstone_settles_its_sequences_and_shows_as_a_gap(&*empty());
    every_agent_has_its_own_gaps_in_order_of_their_end(&*empty());
    a_manifest_is_wanted_before_its_reports(&*empty());
    a_manifest_cannot_change_under_its_id(&*empty());
    a_new_manifest_continues_known_series(&*empty());
    agents_show_their_latest_state(&*empty());
    maintaining_changes_no_answer(&*empty());
    what_leaves_a_tier_is_still_answered_by_coarser_ones(&*empty());
    a_visitor_may_stop(&*empty());
    path_events::run(&*empty(), &*empty());
    throughput::run(&*empty(), &*empty());
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
        facet: azimuth_measurement::Facet::default(),
        outgoing: azimuth_measurement::Outgoing::default(),
    };
    Manifest {
        agent: agent(id),
        agent_version: "0.1.0".to_owned(),
        cloud: azimuth_measurement::CloudPlace::default(),
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
        paths: Vec::new(),
        throughput: Vec::new(),
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
        age_uncertain: false,
        received_at_unix_ms: report.interval.end_unix_ms() + 100,
        clock_skew_ms: 7,
        paths: report.paths.clone(),
        throughput: report.throughput.clone(),
        send_lateness_p99_us: Some(20),
        plan: report.health.plan.clone(),
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
    // Nor does the same sequence with another interval, but it is no replay.
    assert_eq!(
        commit(store, &[], &[item(&report_of(&manifest, 1, 5, &[500]))]),
        [Admission::IdentityConflict]
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

fn conflicts(store: &dyn Store) -> (u64, Option<u64>) {
    let agents = store.agents().expect("readable");
    (
        agents[0].identity_conflicts,
        agents[0].last_identity_conflict_at_unix_ms,
    )
}

fn a_name_with_two_meanings_is_no_replay(store: &dyn Store) {
    let manifest = manifest_of("one", 1);
    let first = report_of(&manifest, 1, 0, &[500]);
    commit(
        store,
        &[&manifest],
        &[item(&first), item(&report_of(&manifest, 2, 1, &[500]))],
    );
    // Placed by age, a replay may come to stand beside where it stood first.
    let Item::Report(mut moved) = item(&first) else {
        panic!("a report")
    };
    moved.placed = Interval::new(T0 + 20_000, LENGTH_MS).expect("on the grid");
    assert_eq!(commit(store, &[], &[Item::Report(moved)]), [Admission::Duplicate]);
    assert_eq!(conflicts(store), (0, None));

    let other_bytes = report_of(&manifest, 1, 0, &[900]);
    // Another time that has a report already, as of a machine put back to an earlier state beside its original.
    let taken = report_of(&manifest, 30, 0, &[500]);
    let another_time = report_of(&manifest, 30, 40, &[500]);
    let (held, unheard) = (
        report_of(&manifest, 31, 40, &[1]),
        report_of(&manifest, 31, 99, &[1]),
    );
    commit(store, &[], &[item(&taken), item(&held)]);
    for twin in [&other_bytes, &another_time, &unheard] {
        assert_eq!(commit(store, &[], &[item(twin)]), [Admission::IdentityConflict]);
    }
    let both = [
        item(&report_of(&manifest, 50, 41, &[1])),
        item(&report_of(&manifest, 50, 41, &[2])),
    ];
    assert_eq!(
        commit(store, &[], &both),
        [Admission::Stored, Admission::IdentityConflict],
        "in one commit"
    );
    assert_eq!(conflicts(store), (4, Some(T0 + 420_100)));
    // Times by a clock that may have been set prove nothing.
    let Item::Report(mut uncertain) = item(&unheard) else {
        panic!("a report")
    };
    uncertain.age_uncertain = true;
    assert_eq!(
        commit(store, &[], &[Item::Report(uncertain)]),
        [Admission::Duplicate]
    );
}

fn two_hosts_under_one_name_are_not_merged(store: &dyn Store) {
    let manifest = manifest_of("one", 1);
    let of = |epoch, sequence, slot| {
        item(&Report {
            epoch,
            ..report_of(&manifest, sequence, slot, &[500])
        })
    };
    let slots = |from: u64, to: u64| (from..to).map(move |slot| (slot - from + 1, slot));
    let items: Vec<Item> = slots(0, 50)
        .map(|(sequence, slot)| of(T0, sequence, slot))
        .collect();
    commit(store, &[&manifest], &items);
    let mut stored = [0, 0];
    for (sequence, slot) in slots(50, 80) {
        let pair = [of(T0, 50 + sequence, slot), of(T0 + 500_000, sequence, slot)];
        for (host, admission) in commit(store, &[], &pair).into_iter().enumerate() {
            match admission {
                Admission::Stored => stored[host] += 1,
                Admission::IdentityConflict => assert_eq!(host, 0, "who began last stays"),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(stored, [7, 30], "but for the first minute");
    assert_eq!(conflicts(store).0, 23);
    // What the first host gives up is known to be missing, not known twice.
    let tombstone = Tombstone {
        agent: agent("one"),
        epoch: T0,
        first_sequence: 58,
        last_sequence: 80,
        start_unix_ms: T0 + 570_000,
        end_unix_ms: T0 + 800_000,
        cause: LossCause::Refused,
    };
    assert_eq!(
        commit(store, &[], &[Item::Tombstone(tombstone)]),
        [Admission::Stored]
    );
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

    // An agent may give up reports before any other of its reports arrives, but only a manifest makes an agent.
    let before = store.dictionary();
    let unheard = Tombstone {
        agent: agent("unheard"),
        ..tombstone
    };
    let unheard = [Item::Tombstone(unheard)];
    assert_eq!(commit(store, &[], &unheard), [Admission::AgentUnknown]);
    assert_eq!(commit(store, &[&manifest], &unheard), [Admission::AgentUnknown]);
    assert!(
        Arc::ptr_eq(&before, &store.dictionary()),
        "a refusal copies nothing and leaves no trace"
    );
    let announced = manifest_of("unheard", 1);
    assert_eq!(commit(store, &[&announced], &unheard), [Admission::Stored]);
    assert_eq!(
        commit(store, &[], &unheard),
        [Admission::Duplicate],
        "known from now on"
    );
    assert_eq!(store.agents().expect("readable").len(), 1);
}

fn every_agent_has_its_own_gaps_in_order_of_their_end(store: &dyn Store) {
    let agents = ["one", "two", "three"];
    for (number, id) in (0_u64..).zip(agents) {
        let manifest = manifest_of(id, 1);
        commit(
            store,
            &[&manifest],
            &[item(&report_of(&manifest, 1_000, 0, &[500]))],
        );
        // The later the sequence, the earlier the end; each agent's lie between those of the others.
        for place in 0..4 {
            let end_unix_ms = T0 + 100_000 - place * 10_000 + number * 1_000;
            let tombstone = Tombstone {
                agent: agent(id),
                epoch: T0,
                first_sequence: 1 + place * 10,
                last_sequence: 1 + place * 10 + number,
                start_unix_ms: end_unix_ms - 5_000,
                end_unix_ms,
                cause: LossCause::QueueFull,
            };
            assert_eq!(
                commit(store, &[], &[Item::Tombstone(tombstone)]),
                [Admission::Stored]
            );
        }
    }
    for (number, id) in (0_u64..).zip(agents) {
        let told = |from_unix_ms, to_unix_ms| {
            let range = TimeRange {
                from_unix_ms: T0 + from_unix_ms,
                to_unix_ms: T0 + to_unix_ms,
            };
            let gaps = store.gaps(&agent(id), range).expect("readable");
            assert!(gaps.iter().all(|gap| gap.reports == number + 1), "{id}: its own");
            gaps.iter()
                .map(|gap| gap.end_unix_ms - T0 - number * 1_000)
                .collect::<Vec<_>>()
        };
        assert_eq!(told(0, 1_000_000), [70_000, 80_000, 90_000, 100_000], "{id}");
        let end = 80_000 + number * 1_000;
        assert_eq!(told(end - 1, end), [80_000], "{id}");
        assert!(told(end, end + 5_000).is_empty(), "{id}: an end is not in it");
        assert_eq!(told(end, end + 5_001), [90_000], "{id}: a start is");
    }
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
    let plan = PlanStanding {
        version: 7,
        stopped: true,
        refused: vec![(PlanRefusal::Loopback, 2)],
    };
    let (mut planned, mut late) = (report_of(&after, 5, 9, &[500]), report_of(&before, 1, 1, &[500]));
    planned.health.plan = Some(plan.clone());
    late.health.plan = Some(PlanStanding::default());
    commit(
        store,
        &[&after, &other],
        &[item(&planned), item(&report_of(&other, 1, 0, &[]))],
    );
    commit(store, &[&before], &[item(&late)]);
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
    assert_eq!(
        (&one.plan, &agents[0].plan),
        (&Some(plan), &None),
        "of the latest interval"
    );
}

/// Every observation of `range`, merged to steps: what a reader would make of it.
pub(crate) fn merged(
    store: &dyn Store,
    range: TimeRange,
    step_ms: u64,
) -> BTreeMap<(SeriesId, u64), (ProbeCounts, Vec<u8>)> {
    let mut steps: BTreeMap<(SeriesId, u64), (ProbeCounts, Accumulator)> = BTreeMap::new();
    let selection: SeriesSelection = store.dictionary().series().map(|(id, _)| id).collect();
    let mut last_start_unix_ms = 0;
    let request = ScanRequest {
        range,
        series: &selection,
        step_ms,
    };
    store
        .scan(request, &mut |observation| {
            let start = observation.start_unix_ms;
            assert!(
                step_ms == ScanRequest::WHOLE_RANGE || start >= last_start_unix_ms,
                "in order of start"
            );
            last_start_unix_ms = start;
            let (counts, delays) = steps.entry((observation.series, start / step_ms)).or_default();
            *counts = counts.plus(&observation.counts).expect("few");
            for (_, histogram) in &observation.delays {
                delays.add(histogram).expect("few");
            }
            ControlFlow::Continue(())
        })
        .expect("readable");
    steps
        .into_iter()
        .map(|(step, (counts, delays))| {
            (
                step,
                (counts, delays.to_histogram().expect("few").as_bytes().to_vec()),
            )
        })
        .collect()
}

fn maintain_all(store: &dyn Store, now_unix_ms: u64) -> Maintained {
    let mut sum = Maintained::default();
    for _ in 0..10_000 {
        let done = store.maintain(now_unix_ms).expect("writable");
        sum.hours_sealed += done.hours_sealed;
        sum.reports_sealed += done.reports_sealed;
        sum.parts_joined += done.parts_joined;
        sum.parts_retired += done.parts_retired;
        sum.reports_forgotten += done.reports_forgotten;
        if !done.more {
            return sum;
        }
    }
    panic!("maintenance has no end");
}

/// Answers are the same before and after each stage of maintenance, at every step, for ranges that cut units in two; and
/// what comes late, comes once.
fn maintaining_changes_no_answer(store: &dyn Store) {
    const HOUR: u64 = 3_600_000;
    let manifests = [manifest_of("one", 2), manifest_of("two", 1)];
    let mut items = Vec::new();
    // Three days, every 37th interval, so that minutes, hours and days hold different numbers of them.
    for (number, slot) in (0..3 * 8_640).step_by(37).enumerate() {
        for (agent, manifest) in manifests.iter().enumerate() {
            let delays = [400 + slot as u32 % 977, 900 + 7 * agent as u32];
            items.push(item(&report_of(manifest, number as u64 + 1, slot, &delays)));
        }
    }
    let (late, in_time): (Vec<_>, Vec<_>) = items
        .iter()
        .cloned()
        .enumerate()
        .partition(|(number, _)| number % 11 == 3);
    let items_of = |items: &[(usize, Item)]| items.iter().map(|(_, item)| item.clone()).collect::<Vec<_>>();
    let (late, in_time) = (items_of(&late), items_of(&in_time));
    let whole = TimeRange {
        from_unix_ms: T0,
        to_unix_ms: T0 + 80 * HOUR,
    };
    let odd = TimeRange {
        from_unix_ms: T0 + 130_000,
        to_unix_ms: T0 + 49 * HOUR + 1_230_000,
    };
    let answers = || -> Vec<_> {
        [
            10_000,
            60_000,
            90_000,
            900_000,
            HOUR,
            6 * HOUR,
            24 * HOUR,
            ScanRequest::WHOLE_RANGE,
        ]
        .into_iter()
        .flat_map(|step_ms| [merged(store, whole, step_ms), merged(store, odd, step_ms)])
        .collect()
    };
    commit(store, &[&manifests[0], &manifests[1]], &in_time);
    let before = answers();
    for hours in [0, 2, 5, 30, 80, 100] {
        maintain_all(store, T0 + hours * HOUR);
        assert_eq!(answers(), before, "{hours} hours on");
    }
    commit(store, &[], &late);
    let with_late = answers();
    assert_ne!(with_late, before);
    for hours in [100, 101, 120] {
        assert_eq!(
            commit(store, &[], &items),
            vec![Admission::Duplicate; items.len()]
        );
        maintain_all(store, T0 + hours * HOUR);
        assert_eq!(answers(), with_late, "late reports sealed, {hours} hours on");
    }
}

fn what_leaves_a_tier_is_still_answered_by_coarser_ones(store: &dyn Store) {
    const DAY: u64 = 86_400_000;
    let manifest = manifest_of("one", 1);
    let items: Vec<Item> = (0..10)
        .map(|slot| item(&report_of(&manifest, slot + 1, slot, &[500])))
        .collect();
    commit(store, &[&manifest], &items);
    let range = TimeRange {
        from_unix_ms: T0,
        to_unix_ms: T0 + 3_600_000,
    };
    let ask = |step_ms| {
        let selection: SeriesSelection = store.dictionary().series().map(|(id, _)| id).collect();
        let mut sent = 0;
        let coverage = store
            .scan(
                ScanRequest {
                    range,
                    series: &selection,
                    step_ms,
                },
                &mut |observation| {
                    sent += observation.counts.sent;
                    ControlFlow::Continue(())
                },
            )
            .expect("readable");
        (sent, coverage)
    };
    let gone = [Missing {
        range,
        cause: MissingCause::Retention,
    }];
    for (days, minutes_kept, hours_kept) in [(8, true, true), (91, false, true), (800, false, false)] {
        maintain_all(store, T0 + days * DAY);
        assert_eq!(
            (ask(10_000).0, ask(10_000).1.missing),
            (0, gone.to_vec()),
            "{days} days on"
        );
        let (sent, coverage) = ask(60_000);
        assert_eq!(
            (sent, coverage.missing.is_empty()),
            (if minutes_kept { 20 } else { 0 }, minutes_kept)
        );
        let (sent, coverage) = ask(3_600_000);
        assert_eq!(
            (sent, coverage.missing.is_empty()),
            (if hours_kept { 20 } else { 0 }, hours_kept)
        );
        let day = T0 / DAY * DAY;
        let selection: SeriesSelection = store.dictionary().series().map(|(id, _)| id).collect();
        let mut sent = 0;
        let range = TimeRange {
            from_unix_ms: day,
            to_unix_ms: day + DAY,
        };
        let coverage = store
            .scan(
                ScanRequest {
                    range,
                    series: &selection,
                    step_ms: DAY,
                },
                &mut |observation| {
                    sent += observation.counts.sent;
                    ControlFlow::Continue(())
                },
            )
            .expect("readable");
        assert_eq!(
            (sent, coverage.coarsest(), coverage.missing.len()),
            (20, Tier::OneDay, 0)
        );
    }
    assert_eq!(
        commit(store, &[], &items),
        [Admission::Duplicate; 10],
        "a late replay is still a replay"
    );
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
