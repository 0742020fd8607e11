//! Backups of a store that goes on meanwhile, and backups that were cut off or changed on the way.

use super::super::conformance::{T0, item, manifest_of, report_of, scan_all, verified};
use super::*;
use crate::store::MissingCause;

const ALL_TIME: TimeRange = TimeRange {
    from_unix_ms: 0,
    to_unix_ms: u64::MAX,
};
const LATER: u64 = T0 + 3 * HOUR_MS;

fn open(directory: &Path) -> EmbeddedStore {
    EmbeddedStore::open(directory, Retention::default(), LATER).expect("an openable store")
}

fn commit(store: &EmbeddedStore, id: &str, slots: std::ops::Range<u64>) -> Vec<Admission> {
    let manifest = manifest_of(id, 3);
    let items: Vec<Item> = slots
        .map(|slot| item(&report_of(&manifest, slot + 1, slot, &[500, 700])))
        .collect();
    store.commit(&[verified(&manifest)], &items).expect("writable")
}

fn maintain(store: &EmbeddedStore) {
    while store.maintain(LATER).expect("writable").more {}
}

fn backup_of(store: &EmbeddedStore) -> Vec<u8> {
    let mut bytes = Vec::new();
    store.backup(&mut bytes).expect("readable");
    bytes
}

/// Names in a directory.
fn names_in(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("readable");
    entries
        .map(|entry| {
            entry
                .expect("readable")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect()
}

/// Reports of the first hour sealed, of the third not.
fn two_kinds(directory: &Path) -> EmbeddedStore {
    let store = open(directory);
    commit(&store, "b", 0..40);
    commit(&store, "a", 0..40);
    maintain(&store);
    commit(&store, "a", 1_060..1_070);
    store
}

#[test]
fn views_that_were_kept_go_along_and_a_name_that_leads_elsewhere_is_refused() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let from = scratch.path().join("from");
    let store = two_kinds(&from);
    assert_eq!(
        verify(&mut backup_of(&store).as_slice())
            .expect("whole")
            .snapshots,
        0
    );
    let kept = crate::snapshot::Snapshots::open(&from).expect("openable");
    let one = kept
        .keep("t", "/", Some("anna".to_owned()), 1, |_| b"{}".to_vec())
        .expect("room");
    std::fs::write(from.join("snapshots/half"), "{").expect("writable");
    let bytes = backup_of(&store);
    assert_eq!(verify(&mut bytes.as_slice()).expect("whole").snapshots, 1);
    let to = scratch.path().join("to");
    assert_eq!(restore(&mut bytes.as_slice(), &to).expect("whole").snapshots, 1);
    let restored = crate::snapshot::Snapshots::open(&to).expect("openable");
    assert_eq!(restored.list(), std::slice::from_ref(&one));
    assert_eq!(
        restored.read(&one.head.id).expect("readable"),
        Some(b"{}".to_vec())
    );

    let mut evil = b"AZBACK\x00\x01".to_vec();
    backup::write_frame(&mut evil, "snapshot/../../evil.snapshot", 1, &mut &b"x"[..]).expect("memory");
    let refused = restore(&mut evil.as_slice(), &scratch.path().join("other")).expect_err("refused");
    assert!(refused.to_string().contains("name of a file"), "{refused}");
    assert!(!scratch.path().join("evil.snapshot").exists());
}

#[test]
fn what_is_restored_answers_the_same_and_knows_what_it_has() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let store = two_kinds(&scratch.path().join("from"));
    let bytes = backup_of(&store);
    let to = scratch.path().join("to");
    let summary = restore(&mut bytes.as_slice(), &to).expect("a whole backup");
    assert!(summary.parts > 0 && summary.reports_unsealed >= 10 && summary.agents == 2);
    let restored = open(&to);
    assert_eq!(scan_all(&restored, ALL_TIME), scan_all(&store, ALL_TIME));
    assert_eq!(
        restored.agents().expect("readable"),
        store.agents().expect("readable")
    );
    assert_eq!(restored.condition().files_set_aside, 0);
    for slots in [0..40, 1_060..1_070] {
        let again = commit(&restored, "a", slots);
        assert!(again.iter().all(|admission| *admission == Admission::Duplicate));
    }
}

#[test]
fn what_is_sealed_meanwhile_is_there_once_and_keeps_its_meaning() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let store = open(&scratch.path().join("from"));
    commit(&store, "b", 0..40);
    let before = scan_all(&store, ALL_TIME).0;
    let known = store.dictionary().agent_count();
    let mut bytes = Vec::new();
    // Between the reports and the shelf an agent nobody knew delivers into the hour, and the hour is sealed.
    store
        .with_database("back up", |database| {
            let shelf = || {
                commit(&store, "new", 0..40);
                maintain(&store);
                store.shelf()
            };
            backup::backup(database, shelf, &store.directory, &mut bytes)
        })
        .expect("readable");
    let to = scratch.path().join("to");
    restore(&mut bytes.as_slice(), &to).expect("a whole backup");
    let restored = open(&to);
    assert_eq!(restored.dictionary().agent_count(), known + 1);
    let after = scan_all(&restored, ALL_TIME).0;
    for observation in &before {
        let found = after.iter().filter(|other| *other == observation).count();
        assert_eq!(found, 1, "{observation:?}");
    }
    assert_eq!(after, scan_all(&store, ALL_TIME).0);
}

#[test]
fn a_backup_that_is_not_whole_leaves_nothing_behind() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let bytes = {
        let store = open(&scratch.path().join("from"));
        commit(&store, "a", 0..3);
        maintain(&store);
        backup_of(&store)
    };
    let room = scratch.path().join("room");
    std::fs::create_dir(&room).expect("writable");
    let to = room.join("to");
    let refused = |bytes: &[u8]| {
        let error = restore(&mut &*bytes, &to).expect_err("not whole").to_string();
        assert_eq!(names_in(&room), Vec::<String>::new(), "{error}");
        error
    };
    for at in (0..bytes.len())
        .step_by(bytes.len() / 12)
        .chain([bytes.len() - 1])
    {
        let error = refused(&bytes[..at]);
        assert!(error.contains("cut off"), "{at}: {error}");
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        refused(&flipped);
    }
    refused(&[bytes.as_slice(), b"x"].concat());
    restore(&mut bytes.as_slice(), &to).expect("whole");
    let again = restore(&mut bytes.as_slice(), &to).expect_err("it is not empty");
    assert!(again.to_string().contains("not empty"), "{again}");
    assert_eq!(names_in(&room), ["to"]);
}

#[test]
fn what_was_set_aside_goes_along_and_its_period_stays_damaged() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let from = scratch.path().join("from");
    drop(two_kinds(&from));
    let room = from.join("tiers/10s");
    let part = names_in(&room).into_iter().find(|name| name.ends_with(".part"));
    let part = room.join(part.expect("a sealed hour"));
    let length = std::fs::metadata(&part).expect("there").len();
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&part)
        .expect("writable");
    file.set_len(length - 3).expect("writable");
    std::fs::write(from.join("hot.redb.damaged-7"), b"what was left of it").expect("writable");
    let store = open(&from);
    assert_eq!(store.condition().files_set_aside, 2);
    // The hour as it was reported: only the finest tier could answer.
    let range = TimeRange {
        from_unix_ms: T0 / HOUR_MS * HOUR_MS,
        to_unix_ms: T0 / HOUR_MS * HOUR_MS + HOUR_MS,
    };
    let (_, coverage) = scan_all(&store, range);
    assert!(
        coverage
            .missing
            .iter()
            .any(|missing| missing.cause == MissingCause::Damaged),
        "{coverage:?}"
    );

    let bytes = backup_of(&store);
    let to = scratch.path().join("to");
    let summary = restore(&mut bytes.as_slice(), &to).expect("a whole backup");
    assert_eq!(
        (summary.set_aside, verify(&mut bytes.as_slice()).expect("whole")),
        (2, summary)
    );
    let restored = open(&to);
    assert_eq!(restored.condition().files_set_aside, 2);
    assert_eq!(scan_all(&restored, range).1.missing, coverage.missing);
    assert_eq!(
        std::fs::read(to.join("hot.redb.damaged-7")).expect("there"),
        b"what was left of it"
    );
    let names = |directory: &Path| {
        let mut names = names_in(&directory.join("tiers/10s"));
        names.sort();
        names
    };
    assert_eq!(names(&to), names(&from));
}
