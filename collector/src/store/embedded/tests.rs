//! What only a file can go through: reopening, damage, a second process, a failed write. The rest is the conformance suite.

use super::super::conformance::{self, T0, agent, item, manifest_of, report_of, scan_all, verified};
use super::*;

const ALL_TIME: TimeRange = TimeRange {
    from_unix_ms: 0,
    to_unix_ms: u64::MAX,
};

fn open(directory: &Path) -> EmbeddedStore {
    EmbeddedStore::open(directory, Retention::default(), T0).expect("an openable store")
}

fn seed(store: &EmbeddedStore, agents: &[&str]) {
    for id in agents {
        let manifest = manifest_of(id, 3);
        let items: Vec<Item> = (0..20)
            .map(|slot| item(&report_of(&manifest, slot + 1, slot, &[500])))
            .collect();
        store.commit(&[verified(&manifest)], &items).expect("writable");
    }
}

/// A report is committed between the one look and the other; whoever looks at the dictionary first misses it.
#[test]
fn seeded_fault_dictionary_copied_before_the_look_is_caught() {
    let seen = |copied_before: bool| {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let store = open(directory.path());
        seed(&store, &["one"]);
        let before = store.dictionary();
        seed(&store, &["two"]);
        let series: SeriesSelection = store.dictionary().series().map(|(id, _)| id).collect();
        let request = ScanRequest {
            range: ALL_TIME,
            series: &series,
            step_ms: 10_000,
        };
        let mut observations = 0;
        let coverage = store.with_database("test", |database| {
            let look = || {
                let dictionary = if copied_before { before } else { store.dictionary() };
                (dictionary, store.shelf())
            };
            scan::scan(database, look, request, &|| false, &mut |_| {
                observations += 1;
                std::ops::ControlFlow::Continue(())
            })
        });
        (observations, coverage.expect("readable").unreadable_reports)
    };
    assert_eq!(seen(false), (2 * 20 * 3, 0));
    assert_ne!(seen(true), seen(false), "it went unnoticed");
}

#[test]
fn gaps_leave_with_the_hours_they_are_of() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let store = open(directory.path());
    let agents = ["one", "two"];
    seed(&store, &agents);
    const DAY_MS: u64 = 24 * 3_600_000;
    for id in agents {
        for (sequence, end_unix_ms) in [(1_000, T0 + 10_000), (2_000, T0 + 700 * DAY_MS)] {
            let tombstone = azimuth_measurement::Tombstone {
                agent: agent(id),
                epoch: T0,
                first_sequence: sequence,
                last_sequence: sequence,
                start_unix_ms: T0,
                end_unix_ms,
                cause: LossCause::QueueFull,
            };
            store
                .commit(&[], &[Item::Tombstone(tombstone)])
                .expect("writable");
        }
    }
    let counts = || agents.map(|id| store.gaps(&agent(id), ALL_TIME).expect("readable").len());
    let maintain = |now_unix_ms| {
        for _ in 0..4 {
            store.maintain(now_unix_ms).expect("writable");
        }
    };
    maintain(T0 + DAY_MS);
    assert_eq!(counts(), [2, 2], "what is still kept has its causes");
    maintain(T0 + 800 * DAY_MS);
    assert_eq!(counts(), [1, 1]);
}

#[test]
fn gaps_of_an_earlier_release_are_taken_over() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let manifest = manifest_of("one", 1);
    let report = item(&report_of(&manifest, 1, 0, &[500]));
    let store = open(directory.path());
    store.commit(&[verified(&manifest)], &[report]).expect("writable");
    let as_before = |transaction: &WriteTransaction| {
        let doing = "test";
        transaction.delete_table(GAPS).map_err(while_doing(doing))?;
        let mut meta = transaction.open_table(META).map_err(while_doing(doing))?;
        meta.insert(META_FORMAT, 1).map_err(while_doing(doing))?;
        let mut gaps = transaction
            .open_table(tables::GAPS_BY_END)
            .map_err(while_doing(doing))?;
        let cause = LossCause::QueueFull.wire();
        for end in [T0 + 10_000, T0 + 30_000] {
            gaps.insert((end, 0, T0, end), (T0, cause, 7))
                .map_err(while_doing(doing))?;
        }
        Ok(())
    };
    store.write("test", as_before).expect("writable");
    drop(store);
    let range = TimeRange {
        from_unix_ms: T0 + 20_000,
        to_unix_ms: u64::MAX,
    };
    for _ in 0..2 {
        let store = open(directory.path());
        let gaps = store.gaps(&agent("one"), range).expect("readable");
        assert_eq!(gaps.len(), 1);
        assert_eq!((gaps[0].start_unix_ms, gaps[0].reports), (T0, 7));
        assert_eq!(gaps[0].end_unix_ms, T0 + 30_000);
        let format = store.with_database("test", |database| {
            let read = database.begin_read().map_err(while_doing("test"))?;
            let meta = read.open_table(META).map_err(while_doing("test"))?;
            Ok(meta
                .get(META_FORMAT)
                .map_err(while_doing("test"))?
                .expect("named")
                .value())
        });
        assert_eq!(
            format.expect("readable"),
            FORMAT,
            "a release that knows only the old table must refuse it"
        );
    }
}

#[test]
fn embedded_store_conforms() {
    // The directory must outlive the store in it, so each is kept to the end of the run.
    let kept = std::cell::RefCell::new(Vec::new());
    conformance::run(|limits| {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let store = open(directory.path()).with_series_limits(limits);
        kept.borrow_mut().push(directory);
        Box::new(store)
    });
}

#[test]
fn reopening_finds_everything_with_the_same_series_numbers() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let before = open(directory.path());
    seed(&before, &["b", "a", "c"]);
    let (seen, agents) = (scan_all(&before, ALL_TIME).0, before.agents().expect("readable"));
    drop(before);
    let after = open(directory.path());
    assert_eq!(scan_all(&after, ALL_TIME).0, seen);
    assert_eq!(after.agents().expect("readable"), agents);
    assert_eq!(after.condition().files_set_aside, 0);
}

#[test]
fn a_second_process_is_told_so_and_nothing_is_set_aside() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let _first = open(directory.path());
    let error = EmbeddedStore::open(directory.path(), Retention::default(), T0).expect_err("in use");
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let store = open(directory.path());
    store
        .write("test", |transaction| {
            let mut meta = transaction.open_table(META).map_err(while_doing("test"))?;
            meta.insert(META_FORMAT, FORMAT + 1)
                .map_err(while_doing("test"))?;
            Ok(())
        })
        .expect("writable");
    drop(store);
    let error = EmbeddedStore::open(directory.path(), Retention::default(), T0).expect_err("newer");
    assert!(matches!(error, OpenError::NewerFormat { .. }), "{error}");
    assert!(directory.path().join(open::FILE_NAME).exists());
}

#[test]
fn a_damaged_file_is_set_aside_and_counted_and_the_store_starts() {
    for damage in [b"not a database".as_slice(), &[0; 4_096]] {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let file = directory.path().join(open::FILE_NAME);
        std::fs::write(&file, damage).expect("writable");
        let store = open(directory.path());
        assert_eq!(store.condition().files_set_aside, 1);
        let aside = directory.path().join(format!("hot.redb.damaged-{T0}"));
        assert_eq!(std::fs::read(aside).expect("kept"), damage, "kept as it was");
        seed(&store, &["a"]);
    }
}

#[test]
fn a_flipped_bit_in_a_report_is_counted_and_never_shown() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let store = open(directory.path());
    seed(&store, &["a"]);
    store
        .write("test", |transaction| {
            let mut hot = transaction.open_table(HOT).map_err(while_doing("test"))?;
            let (key, mut sealed) = {
                let (key, sealed) = hot.first().map_err(while_doing("test"))?.expect("seeded");
                (key.value(), sealed.value().to_vec())
            };
            *sealed.last_mut().expect("not empty") ^= 1;
            hot.insert(key, sealed.as_slice()).map_err(while_doing("test"))?;
            Ok(())
        })
        .expect("writable");
    let (seen, coverage) = scan_all(&store, ALL_TIME);
    assert_eq!((seen.len(), coverage.unreadable_reports), (19 * 3, 1));
}

#[test]
fn after_a_failed_write_the_file_is_opened_again_and_writing_goes_on() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let store = open(directory.path());
    seed(&store, &["a"]);
    let failed: Result<(), StoreError> = store.write("test", |_| {
        Err(StoreError {
            doing: "test",
            cause: "the disk is full".to_owned(),
            damaged: false,
        })
    });
    assert!(failed.is_err());
    seed(&store, &["b"]);
    assert_eq!(scan_all(&store, ALL_TIME).0.len(), 2 * 20 * 3);
    assert_eq!(store.dictionary().agent_number(&agent("b")), Some(AgentNumber(1)));
}

#[test]
fn no_damage_anywhere_in_the_file_stops_the_store_from_starting() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let file = directory.path().join(open::FILE_NAME);
    seed(&open(directory.path()), &["a", "b"]);
    let intact = std::fs::read(&file).expect("readable");
    let used = intact.iter().rposition(|byte| *byte != 0).unwrap_or(0);
    for at in (0..used).step_by(used / 60) {
        let mut damaged = intact.clone();
        damaged[at..(at + 16).min(intact.len())].fill(0xA5);
        std::fs::write(&file, &damaged).expect("writable");
        let store = open(directory.path());
        // Reading may fail or count; it must not take the process down, nor show what was not stored.
        let read = catch_unwind(AssertUnwindSafe(|| scan_all(&store, ALL_TIME)));
        if let Ok((seen, _)) = read {
            assert!(
                seen.iter().all(|observation| observation.counts.sent == 2),
                "damage at byte {at}"
            );
        }
    }
}
