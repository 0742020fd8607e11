//! Power cuts at any change of the file, the parts, or the copy of the dictionary (tests only): while reports come in,
//! hours are sealed, days are joined, and what is sealed leaves the file. Nothing acknowledged is lost, nothing is there
//! twice, no part is damaged, and whatever a part names the copy of the dictionary knows.
//!
//! `AZIMUTH_PART_POWER_CUTS=1000` for a night.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use azimuth_measurement::Manifest;

use super::super::conformance::{T0, item, manifest_of, merged, report_of, scan_all, verified};
use super::forgetful::ForgetfulDisk;
use super::forgetful_directory::{Faults, ForgetfulDirectory};
use super::sealed::disk::Disk;
use super::*;

const ALL_TIME: TimeRange = TimeRange {
    from_unix_ms: 0,
    to_unix_ms: u64::MAX,
};
const SLOTS_PER_HOUR: u64 = 360;
/// A day with its two hours' grace, and some late ones.
const HOURS: u64 = 20;
const STORE: u64 = 1;
const AGENTS: [&str; 4] = ["one", "two", "three", "four"];

/// (agent, slot) of a report.
type Name = (usize, u64);

struct Life {
    disk: ForgetfulDisk,
    tiers: ForgetfulDirectory,
    directory: tempfile::TempDir,
    manifests: Vec<Manifest>,
    /// Whether it was acknowledged.
    sent: BTreeMap<Name, bool>,
    hour: u64,
}

impl Life {
    fn new(faults: Faults) -> Self {
        let disk = ForgetfulDisk::default();
        let directory = tempfile::tempdir().expect("a scratch directory");
        std::fs::create_dir(open::tiers_in(directory.path())).expect("writable");
        Self {
            tiers: ForgetfulDirectory::new(&disk, faults),
            disk,
            directory,
            manifests: AGENTS.iter().map(|id| manifest_of(id, 1)).collect(),
            sent: BTreeMap::new(),
            hour: 0,
        }
    }

    fn now_unix_ms(&self) -> u64 {
        T0 + (self.hour + 1) * HOUR_MS + SEAL_AFTER_MS
    }

    fn open(&self) -> Result<EmbeddedStore, String> {
        let database = Database::builder()
            .set_cache_size(64 * 1024)
            .create_with_backend(self.disk.clone())
            .map_err(|error| error.to_string())?;
        let dictionary = open::read_dictionary(&database, Path::new("forgetful")).map_err(|_| "damaged")?;
        let tiers = open::tiers_in(self.directory.path());
        let disk = Disk::of(self.tiers.clone());
        let shelf =
            Shelf::open(&tiers, disk, STORE, self.now_unix_ms()).map_err(|error| error.to_string())?;
        let hours = hot_hours(&database).map_err(|error| error.to_string())?;
        let store = EmbeddedStore {
            directory: self.directory.path().to_owned(),
            database: RwLock::new(Some(database)),
            dictionary: RwLock::new(Arc::new(dictionary)),
            reopen: AtomicBool::new(false),
            losses: RwLock::default(),
            store_id: STORE,
            retention: Retention::default(),
            series_limits: SeriesLimits::NONE,
            shelf: RwLock::new(Arc::new(shelf)),
            unsealed_hours: Mutex::default(),
            copied: Mutex::default(),
            window: SharedWindow::default(),
            latest_unix_ms: AtomicU64::default(),
            writes: AtomicU64::new(0),
            path_events_refused: AtomicU64::new(0),
            throughput_results_refused: AtomicU64::new(0),
            events_looked_at_unix_ms: AtomicU64::new(0),
        };
        store.note_unsealed(hours.into_iter().map(|hour| (hour, 0)));
        Ok(store)
    }

    fn item(&self, (agent, slot): Name) -> Item {
        let delay_us = 1_000 + (slot % 1_000) as u32;
        item(&report_of(&self.manifests[agent], slot + 1, slot, &[delay_us]))
    }

    /// Reports of the hour, then whatever there is to seal, join and forget. `false` when the power went.
    fn live_an_hour(&mut self, store: &EmbeddedStore, random: &mut fastrand::Rng) -> bool {
        for _ in 0..random.u64(1..4) {
            // An agent more every few hours.
            let agent = random.usize(..AGENTS.len().min(1 + self.hour as usize / 4));
            let late = u64::from(random.u8(..6) == 0) * random.u64(0..4);
            let first = self.hour.saturating_sub(late) * SLOTS_PER_HOUR;
            let slot = first + random.u64(..SLOTS_PER_HOUR);
            let name = (agent, slot);
            if self.sent.contains_key(&name) {
                continue;
            }
            self.sent.insert(name, false);
            let manifests: Vec<_> = self.manifests.iter().map(verified).collect();
            match catch_unwind(AssertUnwindSafe(|| store.commit(&manifests, &[self.item(name)]))) {
                Ok(Ok(admissions)) => {
                    assert_eq!(admissions, [Admission::Stored]);
                    self.sent.insert(name, true);
                }
                Ok(Err(_)) | Err(_) => {
                    assert!(self.disk.is_off(), "only a power cut makes a commit fail");
                    return false;
                }
            }
        }
        loop {
            match catch_unwind(AssertUnwindSafe(|| store.maintain(self.now_unix_ms()))) {
                Ok(Ok(done)) if done.more => {}
                Ok(Ok(_)) => break,
                Ok(Err(error)) => {
                    assert!(self.disk.is_off(), "only a power cut makes upkeep fail: {error}");
                    return false;
                }
                Err(_) => {
                    assert!(self.disk.is_off(), "only a power cut makes upkeep panic");
                    return false;
                }
            }
        }
        self.hour += 1;
        true
    }

    fn check(&self, store: &EmbeddedStore) -> Vec<Name> {
        let (seen, coverage) = scan_all(store, ALL_TIME);
        assert_eq!(
            (coverage.unreadable_reports, coverage.missing.len()),
            (0, 0),
            "{coverage:?}"
        );
        assert_eq!(store.condition().files_set_aside, 0, "no part is damaged");
        let dictionary = store.dictionary();
        let mut found = Vec::new();
        for observation in &seen {
            let series = dictionary
                .series()
                .find(|(id, _)| *id == observation.series)
                .expect("known")
                .1;
            let agent = dictionary.agent(series.agent).expect("known").as_str();
            let slot = (observation.start_unix_ms - T0) / 10_000;
            let expected =
                azimuth_measurement::DelayHistogram::from_values_us(&mut [1_000 + (slot % 1_000) as u32]);
            assert_eq!(
                observation.delays[0].1, expected,
                "slot {slot} has another's delays"
            );
            found.push((
                AGENTS.iter().position(|id| *id == agent).expect("one of ours"),
                slot,
            ));
        }
        found.sort_unstable();
        assert!(
            found.windows(2).all(|pair| pair[0] != pair[1]),
            "doubled: {found:?}"
        );
        for (name, acknowledged) in &self.sent {
            assert!(
                !acknowledged || found.contains(name),
                "{name:?} was acknowledged and is lost"
            );
        }
        // The coarser tiers hold the same.
        for step_ms in [60_000, HOUR_MS, 24 * HOUR_MS] {
            let steps = merged(store, ALL_TIME, step_ms);
            let sent: u64 = steps.values().map(|(counts, _)| counts.sent).sum();
            assert_eq!(sent, 2 * found.len() as u64, "by {step_ms} ms");
        }
        self.check_dictionary(store);
        found
    }

    /// Should the file be lost, what the parts name must still mean something.
    fn check_dictionary(&self, store: &EmbeddedStore) {
        let shelf = store.shelf();
        if shelf.parts().next().is_none() {
            return;
        }
        let copy = DictionaryCopy::read(&open::tiers_in(self.directory.path())).expect("readable");
        let copy = copy.expect("a copy, and a whole one");
        assert_eq!(copy.store, STORE);
        let mut known = Dictionary::default();
        for agent in &copy.agents {
            known.add_agent(&agent.parse().expect("an id")).expect("room");
        }
        for (agent, id, row) in &copy.manifests {
            let id = azimuth_measurement::ManifestId(*id);
            open::replay_growth(&mut known, *agent, id, row).expect("whole");
        }
        for part in shelf.parts() {
            let mut reader = part.reader().expect("readable");
            for series in reader.series().expect("whole") {
                assert!(
                    known.series().any(|(id, _)| id == series),
                    "{}: {series:?} is not in the copy of the dictionary",
                    part.name
                );
            }
            for (agent, ..) in reader.contents().expect("whole").spaces() {
                assert!(
                    known.agent(agent).is_some(),
                    "{}: {agent:?} is not in the copy of the dictionary",
                    part.name
                );
            }
        }
    }

    /// The power is back. What was in doubt is settled by sending it again.
    fn recover(&mut self) {
        let store = match self.open() {
            Ok(store) => store,
            Err(_) if !self.sent.values().any(|acknowledged| *acknowledged) => {
                self.disk.forget_everything();
                self.open().expect("an empty disk opens")
            }
            Err(cause) => panic!("the store does not open: {cause}"),
        };
        let found = self.check(&store);
        let names: Vec<Name> = self.sent.keys().copied().collect();
        let manifests: Vec<_> = self.manifests.iter().map(verified).collect();
        let items: Vec<Item> = names.iter().map(|name| self.item(*name)).collect();
        let admissions = store.commit(&manifests, &items).expect("the power is on");
        for (name, admission) in names.iter().zip(admissions) {
            let expected = if found.contains(name) {
                Admission::Duplicate
            } else {
                Admission::Stored
            };
            assert_eq!(admission, expected, "{name:?}");
            self.sent.insert(*name, true);
        }
        assert_eq!(self.check(&store), names);
    }
}

fn live(seed: u64, faults: Faults) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut life = Life::new(faults);
    while life.hour < HOURS {
        life.disk
            .power_off_at(life.disk.operations() + random.u64(1..900));
        if let Ok(Ok(store)) = catch_unwind(AssertUnwindSafe(|| life.open())) {
            while life.hour < HOURS && life.live_an_hour(&store, &mut random) {}
        } else {
            assert!(
                life.disk.is_off(),
                "only a power cut keeps the store from opening"
            );
        }
        life.tiers.power_cut(&mut random);
        life.disk.power_cut(&mut random);
        life.recover();
        life.tiers.power_cut(&mut random);
        life.disk.power_cut(&mut random);
    }
}

fn seeds() -> u64 {
    let asked = std::env::var("AZIMUTH_PART_POWER_CUTS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(25)
}

#[test]
fn nothing_sealed_is_lost_or_doubled_by_power_cuts() {
    for seed in 0..seeds() {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| live(seed, Faults::default()))) {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

fn is_caught(faults: Faults) -> bool {
    (0..25).any(|seed| catch_unwind(AssertUnwindSafe(|| live(seed, faults))).is_err())
}

#[test]
fn seeded_fault_parts_are_not_synced_is_caught() {
    assert!(is_caught(Faults {
        ignores_file_sync: true,
        ..Faults::default()
    }));
}

#[test]
fn seeded_fault_directories_are_not_synced_is_caught() {
    assert!(is_caught(Faults {
        ignores_directory_sync: true,
        ..Faults::default()
    }));
}

/// An agent that comes in while the copy of the dictionary is being written is not in it, so nothing of it may be sealed
/// before the next copy.
#[test]
fn an_agent_that_comes_during_the_copy_is_not_sealed_without_it() {
    let life = Life::new(Faults::default());
    let store = Arc::new(life.open().expect("openable"));
    let manifests: Vec<_> = life.manifests.iter().map(verified).collect();
    store
        .commit(&manifests[..1], &[life.item((0, 0))])
        .expect("writable");
    let (late, second) = (Arc::clone(&store), life.item((1, 1)));
    let came = Arc::new(AtomicBool::new(false));
    let comes = Arc::clone(&came);
    let tiers = open::tiers_in(life.directory.path());
    life.tiers.after_sync_of(&tiers, move || {
        let admissions = late.commit(&manifests[1..2], &[second]).expect("writable");
        assert_eq!(admissions, [Admission::Stored]);
        comes.store(true, Ordering::Release);
    });
    loop {
        let done = store.maintain(life.now_unix_ms()).expect("writable");
        life.check_dictionary(&store);
        if !done.more {
            break;
        }
    }
    assert!(came.load(Ordering::Acquire), "it came while the copy was written");
    assert_eq!(scan_all(&*store, ALL_TIME).0.len(), 2);
}

#[test]
fn what_is_published_has_its_name_after_a_power_cut() {
    for seed in 0..50 {
        let mut random = fastrand::Rng::with_seed(seed);
        let power = ForgetfulDisk::default();
        let directory = tempfile::tempdir().expect("a scratch directory");
        let forgetful = ForgetfulDirectory::new(&power, Faults::default());
        let disk = Disk::of(forgetful.clone());
        let (unfinished, path) = (
            directory.path().join("it.unfinished"),
            directory.path().join("it"),
        );
        let mut file = disk.create(&unfinished).expect("writable");
        file.write_all(b"a backup").expect("writable");
        file.sync().expect("writable");
        disk.publish(&unfinished, &path).expect("writable");
        forgetful.power_cut(&mut random);
        assert_eq!(std::fs::read(&path).expect("there"), b"a backup");
    }
}
