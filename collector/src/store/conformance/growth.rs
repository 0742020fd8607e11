//! The part of the suite that is about limits on series: what is known keeps flowing, what is new waits or is refused, and
//! the hour comes round by itself.

use std::collections::{BTreeMap, BTreeSet};

use azimuth_measurement::Manifest;

use super::{ALL_TIME, T0, agent, commit, item, manifest_of, report_of, scan_all};
use crate::store::{Admission, RefusedRecords, SeriesLimits, Store};

/// Intervals in an hour.
const HOUR: u64 = 360;
const HOUR_MS: u64 = 3_600_000;

/// Runs every case.
pub(super) fn run(limited: &impl Fn(SeriesLimits) -> Box<dyn Store>) {
    known_series_flow_at_the_limit(limited);
    what_was_refused_is_admitted_an_hour_later_without_a_word(limited);
    all_agents_share_what_is_for_all(limited);
    a_series_two_manifests_describe_is_admitted_once(limited);
    a_refused_report_takes_no_room(limited);
    new_manifests_wait_their_hour_and_known_ones_flow(limited);
    any_history_keeps_to_the_limits(limited);
}

fn in_part(series_limit: u32, new_series_rate: u32) -> Admission {
    Admission::StoredInPart(RefusedRecords {
        series_limit,
        new_series_rate,
        histograms: series_limit + new_series_rate,
    })
}

/// Commits one report of every series of `manifest`, of interval `slot`, received when that ended.
fn report(store: &dyn Store, manifest: &Manifest, sequence: u64, slot: u64) -> Admission {
    commit(
        store,
        &[manifest],
        &[item(&report_of(manifest, sequence, slot, &[500]))],
    )[0]
}

/// The same without the manifest beside it.
fn alone(store: &dyn Store, manifest: &Manifest, sequence: u64, slot: u64) -> Admission {
    commit(store, &[], &[item(&report_of(manifest, sequence, slot, &[500]))])[0]
}

/// Observations in the store, by slot.
fn seen(store: &dyn Store) -> BTreeMap<u64, usize> {
    let mut seen = BTreeMap::new();
    for observation in scan_all(store, ALL_TIME).0 {
        *seen.entry((observation.start_unix_ms - T0) / 10_000).or_default() += 1;
    }
    seen
}

fn known_series_flow_at_the_limit(limited: &impl Fn(SeriesLimits) -> Box<dyn Store>) {
    let store = &*limited(SeriesLimits {
        series_per_agent: 2,
        ..SeriesLimits::NONE
    });
    let (small, large) = (manifest_of("one", 2), manifest_of("one", 5));
    assert_eq!(report(store, &small, 1, 0), Admission::Stored);
    assert_eq!(
        report(store, &large, 2, 1),
        in_part(3, 0),
        "a changed manifest refuses what is new, no more"
    );
    assert_eq!(alone(store, &large, 3, 2), in_part(3, 0));
    assert_eq!(
        alone(store, &large, 3, 2),
        Admission::Duplicate,
        "what was stored in part is settled"
    );
    assert_eq!(
        alone(store, &small, 4, 3),
        Admission::Stored,
        "the old manifest is as good as ever"
    );
    assert_eq!(
        report(store, &manifest_of("two", 2), 1, 4),
        Admission::Stored,
        "another agent has its own"
    );
    assert_eq!(
        seen(store),
        BTreeMap::from([(0, 2), (1, 2), (2, 2), (3, 2), (4, 2)])
    );
    assert_eq!(store.dictionary().series_count(), 4);
    let status = &store.agents().expect("readable")[0];
    assert_eq!((status.manifest.series.len(), status.reports_stored), (2, 4));
}

fn what_was_refused_is_admitted_an_hour_later_without_a_word(
    limited: &impl Fn(SeriesLimits) -> Box<dyn Store>,
) {
    let store = &*limited(SeriesLimits {
        series_per_agent: 5,
        new_per_agent_per_hour: 2,
        ..SeriesLimits::NONE
    });
    let manifest = manifest_of("one", 6);
    assert_eq!(
        report(store, &manifest, 1, 0),
        in_part(1, 3),
        "the sixth would be too many at any time"
    );
    assert_eq!(alone(store, &manifest, 2, HOUR - 1), in_part(1, 3), "not yet");
    assert_eq!(alone(store, &manifest, 3, HOUR), in_part(1, 1));
    assert_eq!(alone(store, &manifest, 4, HOUR + 1), in_part(1, 1));
    assert_eq!(alone(store, &manifest, 5, 2 * HOUR), in_part(1, 0));
    assert_eq!(
        seen(store),
        BTreeMap::from([(0, 2), (HOUR - 1, 2), (HOUR, 4), (HOUR + 1, 4), (2 * HOUR, 5)]),
        "what was refused does not turn up afterwards"
    );
    assert_eq!(
        alone(store, &manifest, 1, 0),
        Admission::Duplicate,
        "nor by a replay"
    );
}

fn all_agents_share_what_is_for_all(limited: &impl Fn(SeriesLimits) -> Box<dyn Store>) {
    let store = &*limited(SeriesLimits {
        series: 4,
        new_per_hour: 3,
        ..SeriesLimits::NONE
    });
    let (one, two) = (manifest_of("one", 2), manifest_of("two", 3));
    let items = [
        item(&report_of(&one, 1, 0, &[500])),
        item(&report_of(&two, 1, 0, &[500])),
    ];
    assert_eq!(
        commit(store, &[&one, &two], &items),
        [Admission::Stored, in_part(1, 1)],
        "within one commit as over several"
    );
    assert_eq!(alone(store, &two, 2, HOUR), in_part(1, 0));
    assert_eq!(
        report(store, &manifest_of("three", 1), 1, HOUR),
        in_part(1, 0),
        "stored, with nothing in it"
    );
    assert_eq!(alone(store, &one, 2, HOUR), Admission::Stored);
}

fn a_series_two_manifests_describe_is_admitted_once(limited: &impl Fn(SeriesLimits) -> Box<dyn Store>) {
    let store = &*limited(SeriesLimits {
        new_per_agent_per_hour: 2,
        ..SeriesLimits::NONE
    });
    let (three, four) = (manifest_of("one", 3), manifest_of("one", 4));
    assert_eq!(report(store, &three, 1, 0), in_part(0, 1));
    assert_eq!(report(store, &four, 2, 1), in_part(0, 2));
    assert_eq!(alone(store, &four, 3, HOUR), Admission::Stored);
    assert_eq!(store.dictionary().series_count(), 4);
    assert_eq!(
        alone(store, &three, 4, HOUR + 1),
        Admission::Stored,
        "though there is no room for a new one"
    );
    assert_eq!(store.dictionary().series_count(), 4);
}

fn a_refused_report_takes_no_room(limited: &impl Fn(SeriesLimits) -> Box<dyn Store>) {
    let store = &*limited(SeriesLimits {
        new_per_agent_per_hour: 2,
        ..SeriesLimits::NONE
    });
    let (one, two) = (manifest_of("one", 1), manifest_of("one", 3));
    assert_eq!(report(store, &one, 1, 0), Admission::Stored);
    assert_eq!(report(store, &one, 1, 0), Admission::Duplicate);
    assert_eq!(
        report(store, &two, 1, 0),
        Admission::IdentityConflict,
        "another report of that name"
    );
    assert_eq!(
        alone(store, &two, 2, 1),
        Admission::ManifestUnknown,
        "a replay brings no manifest in"
    );
    assert_eq!(store.dictionary().series_count(), 1);
    assert_eq!(report(store, &two, 2, 1), in_part(0, 1));
}

fn new_manifests_wait_their_hour_and_known_ones_flow(limited: &impl Fn(SeriesLimits) -> Box<dyn Store>) {
    let store = &*limited(SeriesLimits {
        new_manifests_per_agent_per_hour: 2,
        ..SeriesLimits::NONE
    });
    let [first, second, third, fourth] = [1, 2, 3, 4].map(|series| manifest_of("one", series));
    let items = [
        item(&report_of(&first, 1, 0, &[500])),
        item(&report_of(&second, 2, 1, &[500])),
        item(&report_of(&third, 3, 2, &[500])),
    ];
    assert_eq!(
        commit(store, &[&first, &second, &third], &items),
        [Admission::Stored, Admission::Stored, Admission::ManifestRate],
        "within one commit as over several"
    );
    assert_eq!(report(store, &third, 3, 2), Admission::ManifestRate);
    assert!(
        store
            .dictionary()
            .manifest_of(&agent("one"), third.id())
            .is_none(),
        "it leaves no trace"
    );
    assert_eq!(store.dictionary().series_count(), 2);
    assert_eq!(
        report(store, &first, 4, 3),
        Admission::Stored,
        "what is known flows"
    );
    assert_eq!(report(store, &second, 5, 4), Admission::Stored);
    assert_eq!(
        report(store, &first, 1, 0),
        Admission::Duplicate,
        "a replay is one still"
    );
    assert_eq!(
        report(store, &manifest_of("two", 3), 1, 4),
        Admission::Stored,
        "another agent has its own"
    );
    assert_eq!(
        report(store, &third, 6, HOUR - 1),
        Admission::ManifestRate,
        "not yet"
    );
    assert_eq!(
        report(store, &third, 3, HOUR),
        Admission::Stored,
        "the very report that had to wait, an hour after the first"
    );
    assert_eq!(report(store, &fourth, 7, HOUR), Admission::ManifestRate);
    assert_eq!(report(store, &fourth, 7, HOUR + 1), Admission::Stored);
}

/// Random agents, manifests, orders and pauses, against the words of the limits themselves.
fn any_history_keeps_to_the_limits(limited: &impl Fn(SeriesLimits) -> Box<dyn Store>) {
    let limits = SeriesLimits {
        series: 16,
        series_per_agent: 7,
        new_per_hour: 6,
        new_per_agent_per_hour: 4,
        new_manifests_per_agent_per_hour: usize::MAX,
    };
    let agents = ["a", "b", "c"];
    for seed in 0..12 {
        let mut random = fastrand::Rng::with_seed(seed);
        let store = &*limited(limits);
        let (mut now_slot, mut flowing) = (0, BTreeMap::<&str, BTreeSet<u32>>::new());
        let mut kept = 0;
        for sequence in 1..80 {
            now_slot += random.u64(0..HOUR / 3);
            let of = agents[random.usize(..agents.len())];
            let manifest = manifest_of(of, random.u16(1..12));
            let admission = report(store, &manifest, sequence, now_slot);
            let refused = match admission {
                Admission::Stored => RefusedRecords::default(),
                Admission::StoredInPart(refused) => refused,
                other => panic!("seed {seed}: {other:?}"),
            };
            kept += manifest.series.len() - refused.records() as usize;
            let dictionary = store.dictionary();
            let known = dictionary
                .manifest_of(&agent(of), manifest.id())
                .expect("taken in");
            let own = flowing.entry(of).or_default();
            for (position, series) in (0_u32..).zip(&known.series) {
                assert!(
                    series.is_some() || !own.contains(&position),
                    "seed {seed}: what flowed is refused"
                );
                own.extend(series.is_some().then_some(position));
            }
            assert_eq!(known.waiting().count(), refused.records() as usize, "seed {seed}");
        }
        assert_eq!(scan_all(store, ALL_TIME).0.len(), kept, "seed {seed}");
        let dictionary = store.dictionary();
        assert!(dictionary.series_count() <= limits.series);
        let all: Vec<_> = dictionary.series().map(|(_, series)| series).collect();
        for first in &all {
            let hour = first.admitted_at_unix_ms..first.admitted_at_unix_ms + HOUR_MS;
            let within = || {
                all.iter()
                    .filter(|series| hour.contains(&series.admitted_at_unix_ms))
            };
            assert!(within().count() <= limits.new_per_hour, "seed {seed}");
            let own = within().filter(|series| series.agent == first.agent).count();
            assert!(own <= limits.new_per_agent_per_hour, "seed {seed}");
            assert!(dictionary.series_count_of(first.agent) <= limits.series_per_agent);
        }
        assert_eq!(
            dictionary.series_count(),
            limits.series,
            "seed {seed}: in the end all that may be is"
        );
    }
}
