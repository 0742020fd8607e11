//! The real disk: the same spool in a directory, the lock, and `spool check` with its exit codes.

use std::fs;
use std::process::{Command, Output};

use azimuth_agent::spool::disk::RealDisk;
use azimuth_agent::spool::{Limits, Now, Setup, Spool, State, SyncPolicy, boot_number};

use crate::collector::{Collector, Pushes};

const NOW: Now = Now {
    unix_ms: crate::life::START_UNIX_MS,
    monotonic_ms: 1_000,
};

fn setup() -> Setup {
    Setup {
        agent: "paris-1".parse().unwrap(),
        boot: boot_number(),
        // A machine of the tests may be nearly full; that is another test's subject.
        limits: Limits {
            free_floor_bytes: 0,
            ..Limits::default()
        },
        sync: SyncPolicy::EveryFlush,
    }
}

fn check(directory: &std::path::Path, json: bool) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_azimuth-agent"));
    command.args(["spool", "check"]).arg(directory);
    if json {
        command.arg("--json");
    }
    command.output().unwrap()
}

#[test]
fn a_spool_in_a_directory_lives_through_restarts() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("state").join("spool");
    let mut pushes = Pushes::default();
    let mut epoch = None;
    for _ in 0..3 {
        let mut spool = Spool::open_directory(&place, setup(), NOW);
        for _ in 0..5 {
            pushes.pushed(spool.push(pushes.report(NOW.unix_ms), NOW.monotonic_ms));
            assert_eq!(spool.flush(NOW), &State::Disk);
        }
        assert_eq!(*epoch.get_or_insert(spool.epoch()), spool.epoch());
        assert!(spool.close(NOW));
    }
    let sound = check(&place, false);
    assert_eq!(
        sound.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&sound.stdout)
    );
    let mut spool = Spool::open_directory(&place, setup(), NOW);
    let mut collector = Collector::default();
    collector.drain(&mut spool, NOW);
    assert_eq!(pushes.judge(&collector, false), (15, 0, 0));
    assert_eq!(fs::read_dir(&place).unwrap().count(), 2, "a segment and the lock");
}

#[test]
fn a_directory_has_one_agent_and_the_second_says_why_it_works_from_memory() {
    let directory = tempfile::tempdir().unwrap();
    let _first = Spool::open_directory(directory.path(), setup(), NOW);
    let mut second = Spool::open_directory(directory.path(), setup(), NOW);
    let pushes = Pushes::default();
    second.push(pushes.report(NOW.unix_ms), 0);
    let State::Memory { reason, .. } = second.flush(NOW).clone() else {
        panic!("in memory")
    };
    assert!(reason.contains("in use by another agent"), "{reason}");
    assert_eq!(second.holdings().reports, 1);
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(RealDisk::open(&file).is_err());
}

#[test]
fn check_tells_sound_from_damaged_in_words_and_in_json() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path();
    let pushes = Pushes::default();
    let mut spool = Spool::open_directory(place, setup(), NOW);
    for _ in 0..5 {
        spool.push(pushes.report(NOW.unix_ms), NOW.monotonic_ms);
        spool.flush(NOW);
    }
    drop(spool);
    assert_eq!(check(place, true).status.code(), Some(0));
    let segment = fs::read_dir(place)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|ending| ending == "seg"))
        .unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    let report = (0..bytes.len() - 5)
        .find(|&at| bytes[at..].starts_with(b"AzSp\x03"))
        .unwrap();
    bytes[report + 100] ^= 1;
    fs::write(&segment, &bytes).unwrap();
    let table = check(place, false);
    assert_eq!(table.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&table.stdout).contains("sequences 1 to 1"));
    let json: serde_json::Value = serde_json::from_slice(&check(place, true).stdout).unwrap();
    assert_eq!(json["damaged"], true);
    assert_eq!(json["found"]["bad_records"], 1);
    assert_eq!(json["epochs"][0]["pending_reports"], 4);
    assert_eq!(json["epochs"][0]["pending_tombstones"], 1);
    let missing = check(&place.join("nowhere"), false);
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("name the `directory` of `[spool]`"));
}
