//! What only a file can go through with a dictionary that was admitted in part: reopening, its copy, an older format.

use super::super::conformance::{T0, agent, item, manifest_of, report_of, scan_all, verified};
use super::super::{RefusedRecords, SeriesId};
use super::*;

const LIMITS: SeriesLimits = SeriesLimits {
    new_per_agent_per_hour: 2,
    ..SeriesLimits::NONE
};
const HOUR: u64 = 360;

fn open(directory: &Path) -> EmbeddedStore {
    EmbeddedStore::open(directory, Retention::default(), T0)
        .expect("an openable store")
        .with_series_limits(LIMITS)
}

/// Reports of manifests of `a` and `b`, so that what is admitted of them is interleaved.
fn seed(store: &EmbeddedStore) {
    let (a, b) = (manifest_of("a", 5), manifest_of("b", 3));
    for (sequence, slot) in [(1, 0), (2, HOUR), (3, HOUR + 1)] {
        for manifest in [&a, &b] {
            let report = item(&report_of(manifest, sequence, slot, &[500]));
            store.commit(&[verified(manifest)], &[report]).expect("writable");
        }
    }
}

fn numbers(store: &EmbeddedStore) -> Vec<(SeriesId, u32, String, u64)> {
    let dictionary = store.dictionary();
    let told = |(id, series): (SeriesId, &super::super::dictionary::Series)| {
        let target = series.descriptor.target.clone();
        (id, series.agent.0, target, series.admitted_at_unix_ms)
    };
    dictionary.series().map(told).collect()
}

const ALL_TIME: TimeRange = TimeRange {
    from_unix_ms: 0,
    to_unix_ms: u64::MAX,
};

#[test]
fn a_restart_keeps_the_numbers_the_hour_and_what_waits() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let store = open(directory.path());
    seed(&store);
    let (before, seen) = (numbers(&store), scan_all(&store, ALL_TIME).0);
    assert_eq!(before.len(), 4 + 3, "two of each, then two and one");
    drop(store);
    let store = open(directory.path());
    assert_eq!(numbers(&store), before);
    assert_eq!(scan_all(&store, ALL_TIME).0, seen);
    let manifest = manifest_of("a", 5);
    let next = |sequence, slot| {
        let report = item(&report_of(&manifest, sequence, slot, &[500]));
        store.commit(&[], &[report]).expect("writable")[0]
    };
    let refused = RefusedRecords {
        series_limit: 0,
        new_series_rate: 1,
        histograms: 1,
    };
    assert_eq!(
        next(4, HOUR + 2),
        Admission::StoredInPart(refused),
        "no new allowance"
    );
    assert_eq!(next(5, 2 * HOUR), Admission::Stored);
}

#[test]
fn a_restart_gives_no_new_allowance_of_manifests() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let limits = SeriesLimits {
        new_manifests_per_agent_per_hour: 1,
        ..SeriesLimits::NONE
    };
    let deliver = |series, sequence, slot| {
        let manifest = manifest_of("a", series);
        let report = item(&report_of(&manifest, sequence, slot, &[500]));
        let store = EmbeddedStore::open(directory.path(), Retention::default(), T0).expect("openable");
        let store = store.with_series_limits(limits);
        store.commit(&[verified(&manifest)], &[report]).expect("writable")[0]
    };
    assert_eq!(deliver(1, 1, 0), Admission::Stored);
    assert_eq!(deliver(2, 2, 1), Admission::ManifestRate);
    assert_eq!(deliver(1, 3, 2), Admission::Stored, "what is known flows");
    assert_eq!(deliver(2, 2, HOUR), Admission::Stored);
}

#[test]
fn the_copy_beside_the_parts_knows_what_was_admitted_when() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let store = open(directory.path());
    seed(&store);
    let before = numbers(&store);
    store.write_dictionary().expect("writable");
    drop(store);
    std::fs::remove_file(directory.path().join(open::FILE_NAME)).expect("it was there");
    assert_eq!(numbers(&open(directory.path())), before);
}

#[test]
fn a_file_of_format_1_is_read_and_becomes_format_2_when_it_grows() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let store = EmbeddedStore::open(directory.path(), Retention::default(), T0).expect("openable");
    seed(&store);
    let before = numbers(&store);
    assert_eq!(before.len(), 5 + 3);
    let as_format_1 = |transaction: &WriteTransaction| {
        let doing = "test";
        let mut meta = transaction.open_table(META).map_err(while_doing(doing))?;
        meta.insert(META_FORMAT, 1).map_err(while_doing(doing))?;
        let mut manifests = transaction.open_table(MANIFESTS).map_err(while_doing(doing))?;
        for (ordinal, (number, id)) in (0..).zip([(0, "a"), (1, "b")]) {
            let manifest = verified(&manifest_of(id, if id == "a" { 5 } else { 3 }));
            let row = (number, manifest.id.0, manifest.frame.as_slice());
            manifests.insert(ordinal, row).map_err(while_doing(doing))?;
        }
        Ok(())
    };
    store.write("test", as_format_1).expect("writable");
    drop(store);

    let format = |store: &EmbeddedStore| {
        store
            .with_database("test", |database| {
                let read = database.begin_read().map_err(while_doing("test"))?;
                let meta = read.open_table(META).map_err(while_doing("test"))?;
                let format = meta.get(META_FORMAT).map_err(while_doing("test"))?;
                Ok(format.expect("named").value())
            })
            .expect("readable")
    };
    let store = open(directory.path());
    let place = |numbers: Vec<(SeriesId, u32, String, u64)>| {
        numbers
            .into_iter()
            .map(|(id, agent, target, _)| (id, agent, target))
            .collect::<Vec<_>>()
    };
    assert_eq!(place(numbers(&store)), place(before));
    assert_eq!(format(&store), 1, "reading changes nothing");
    let grown = manifest_of("a", 6);
    let report = item(&report_of(&grown, 9, HOUR + 5, &[500]));
    store.commit(&[verified(&grown)], &[report]).expect("writable");
    assert_eq!(format(&store), 2);
    let after = numbers(&store);
    drop(store);
    let store = open(directory.path());
    assert_eq!(numbers(&store), after);
    assert_eq!(store.dictionary().agent_number(&agent("a")), Some(AgentNumber(0)));
}
