//! One flipped bit anywhere in `hot.redb` (tests only): the store starts, shows nothing that was not stored, and where
//! something is missing it says so: a file set aside, reports that cannot be read, or an error that names what failed. After
//! at most one more start it stores again.
//!
//! `AZIMUTH_FLIPS=10000` for a night.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::super::MissingCause;
use super::super::conformance::{T0, item, manifest_of, report_of, verified};
use super::*;

const ALL_TIME: TimeRange = TimeRange {
    from_unix_ms: 0,
    to_unix_ms: u64::MAX,
};
const REPORTS: u64 = 40;

/// What a flip came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// Everything is there: the bit meant nothing, or redb mended it.
    Whole,
    SetAside,
    /// Single reports, counted.
    Unreadable,
    /// A question is answered with an error.
    Named,
}

fn flips() -> u64 {
    let asked = std::env::var("AZIMUTH_FLIPS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(150)
}

fn open_at(directory: &Path) -> EmbeddedStore {
    EmbeddedStore::open(directory, Retention::default(), T0).expect("it starts whatever it finds")
}

fn commit(store: &EmbeddedStore, agent: &str, reports: std::ops::Range<u64>) -> Result<(), String> {
    let manifest = manifest_of(agent, 2);
    for number in reports {
        let report = item(&report_of(
            &manifest,
            number + 1,
            number,
            &[1_000 + number as u32],
        ));
        let stored = catch_unwind(AssertUnwindSafe(|| {
            store.commit(&[verified(&manifest)], &[report])
        }));
        match stored {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => return Err("a panic, which ingest answers as a failed store".to_owned()),
        }
    }
    Ok(())
}

fn look(store: &EmbeddedStore, bit: u64) -> Outcome {
    let set_aside = store.condition().files_set_aside > 0;
    let Ok(agents) = catch_unwind(AssertUnwindSafe(|| store.agents())) else {
        return Outcome::Named;
    };
    if agents.is_err() {
        return Outcome::Named;
    }
    let dictionary = store.dictionary();
    // What is stored after the damage is not judged here.
    let later = dictionary.agent_number(&"three".parse().expect("valid"));
    let before = dictionary
        .series()
        .filter(|(_, series)| Some(series.agent) != later);
    let selection = before.map(|(id, _)| id).collect();
    let request = ScanRequest {
        range: ALL_TIME,
        series: &selection,
        step_ms: 10_000,
    };
    let mut seen: BTreeMap<u64, u64> = BTreeMap::new();
    let scanned = catch_unwind(AssertUnwindSafe(|| {
        store.scan(request, &mut |observation| {
            let number = (observation.start_unix_ms - T0) / 10_000;
            let expected = azimuth_measurement::DelayHistogram::from_values_us(&mut [1_000 + number as u32]);
            assert_eq!(
                observation.delays[0].1, expected,
                "bit {bit}: {number} has another's delays"
            );
            *seen.entry(number).or_default() += 1;
            std::ops::ControlFlow::Continue(())
        })
    }));
    assert!(
        seen.values().all(|times| *times <= 4),
        "bit {bit}: something is there twice: {seen:?}"
    );
    let missing = 4 * REPORTS - seen.values().sum::<u64>();
    match scanned {
        Ok(Ok(coverage)) if coverage.unreadable_reports > 0 => Outcome::Unreadable,
        Ok(Ok(_)) if set_aside => Outcome::SetAside,
        Ok(Ok(_)) => {
            assert_eq!(missing, 0, "bit {bit}: {missing} are missing and nobody says so");
            Outcome::Whole
        }
        Ok(Err(_)) | Err(_) => Outcome::Named,
    }
}

/// Why something of the time before the store was opened is missing.
fn lost(store: &EmbeddedStore) -> Vec<MissingCause> {
    let selection = store.dictionary().series().map(|(id, _)| id).collect();
    let request = ScanRequest {
        range: TimeRange {
            from_unix_ms: 0,
            to_unix_ms: T0 + 1_000,
        },
        series: &selection,
        step_ms: 10_000,
    };
    let coverage = store.scan(request, &mut |_| std::ops::ControlFlow::Continue(()));
    let missing = coverage.expect("a new file is readable").missing;
    missing.iter().map(|missing| missing.cause).collect()
}

#[test]
fn no_flipped_bit_goes_unnoticed_or_stops_the_store() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let file = directory.path().join(open::FILE_NAME);
    let store = open_at(directory.path());
    for agent in ["one", "two"] {
        commit(&store, agent, 0..REPORTS).expect("writable");
    }
    drop(store);
    let intact = std::fs::read(&file).expect("readable");
    let used = intact.iter().rposition(|byte| *byte != 0).expect("not empty") as u64 + 1;
    let mut random = fastrand::Rng::with_seed(3);
    let mut outcomes: BTreeMap<Outcome, u64> = BTreeMap::new();
    let (mut failed_writes, mut replaced) = (0, 0);
    for _ in 0..flips() {
        // Half of them where something is stored, for most of the file is empty.
        let bit = loop {
            let bit = random.u64(..used * 8);
            if intact[(bit / 8) as usize] != 0 || random.u8(..8) == 0 {
                break bit;
            }
        };
        let room = tempfile::tempdir().expect("a scratch directory");
        let mut damaged = intact.clone();
        damaged[(bit / 8) as usize] ^= 1 << (bit % 8);
        std::fs::write(room.path().join(open::FILE_NAME), &damaged).expect("writable");
        let store = open_at(room.path());
        *outcomes.entry(look(&store, bit)).or_default() += 1;
        if let Err(cause) = commit(&store, "three", 0..2) {
            failed_writes += 1;
            assert!(!cause.is_empty());
            // Most often at once, without a new start.
            if commit(&store, "three", 0..2).is_ok() && store.condition().files_set_aside > 0 {
                replaced += 1;
                let known = |agent: &str| store.dictionary().agent_number(&agent.parse().expect("valid"));
                assert_eq!(
                    known("two").map(|number| number.0),
                    Some(1),
                    "bit {bit}: numbers are kept"
                );
                assert_eq!(lost(&store), [MissingCause::Damaged], "bit {bit}");
            }
            drop(store);
            let store = open_at(room.path());
            look(&store, bit);
            commit(&store, "three", 0..2).unwrap_or_else(|cause| {
                panic!("bit {bit}: after a new start it still does not store: {cause}")
            });
        }
    }
    eprintln!(
        "{outcomes:?}; writing failed after {failed_writes} of them, in {replaced} of these a new file took its place at once"
    );
    assert!(
        outcomes.len() > 1,
        "some flips must have hit something: {outcomes:?}"
    );
}
