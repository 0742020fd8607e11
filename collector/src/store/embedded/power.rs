//! Power cuts at any write of the store (tests only). Of what was acknowledged nothing is lost and nothing is there twice,
//! and the store always opens. The judge itself is put to the test: disks that do not sync and stores that answer or mark
//! too early must be found out.
//!
//! `AZIMUTH_POWER_CUTS=10000` for a night.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use azimuth_measurement::Manifest;

use super::super::conformance::{T0, item, manifest_of, report_of, scan_all, verified};
use super::forgetful::ForgetfulDisk;
use super::*;

const ALL_TIME: TimeRange = TimeRange {
    from_unix_ms: 0,
    to_unix_ms: u64::MAX,
};
/// A small cache, so that redb also writes pages before it commits.
const CACHE_BYTES: usize = 64 * 1024;
const AGENTS: [&str; 3] = ["one", "two", "three"];

/// What a careless store would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// Answers, and commits with the next call.
    AnswerBeforeWrite,
    /// Settles the sequence in a transaction of its own, and writes the report in the next.
    MarkBeforeData,
}

/// (agent, sequence) of a report; its interval and its delay follow from the sequence.
type Name = (usize, u64);

fn open(disk: &ForgetfulDisk) -> Result<EmbeddedStore, String> {
    let database = Database::builder()
        .set_cache_size(CACHE_BYTES)
        .create_with_backend(disk.clone())
        .map_err(|error| error.to_string())?;
    let dictionary = open::read_dictionary(&database, Path::new("forgetful")).map_err(|_| "damaged")?;
    Ok(EmbeddedStore {
        directory: PathBuf::new(),
        database: RwLock::new(Some(database)),
        dictionary: RwLock::new(Arc::new(dictionary)),
        reopen: AtomicBool::new(false),
        losses: RwLock::default(),
        store_id: 1,
        retention: Retention::default(),
        series_limits: SeriesLimits::NONE,
        shelf: RwLock::default(),
        unsealed_hours: Mutex::default(),
        copied: Mutex::default(),
        window: SharedWindow::default(),
        latest_unix_ms: AtomicU64::default(),
        writes: AtomicU64::new(0),
        path_events_refused: AtomicU64::new(0),
        throughput_results_refused: AtomicU64::new(0),
        events_looked_at_unix_ms: AtomicU64::new(0),
    })
}

/// One collector on one disk, through its power cuts.
struct Life {
    disk: ForgetfulDisk,
    manifests: Vec<Manifest>,
    next: [u64; AGENTS.len()],
    /// Whether the report was acknowledged; if not, it is in doubt.
    sent: BTreeMap<Name, bool>,
    fault: Fault,
    held_back: Vec<Item>,
}

impl Life {
    fn new(disk: ForgetfulDisk, fault: Fault) -> Self {
        Self {
            disk,
            manifests: AGENTS.iter().map(|id| manifest_of(id, 2)).collect(),
            next: [1; AGENTS.len()],
            sent: BTreeMap::new(),
            fault,
            held_back: Vec::new(),
        }
    }

    fn item(&self, (agent, sequence): Name) -> Item {
        let delay_us = 1_000 + (sequence % 1_000) as u32;
        item(&report_of(
            &self.manifests[agent],
            sequence,
            sequence,
            &[delay_us],
        ))
    }

    fn commit(&mut self, store: &EmbeddedStore, items: Vec<Item>) -> Result<Vec<Admission>, StoreError> {
        let manifests: Vec<_> = self.manifests.iter().map(verified).collect();
        match self.fault {
            Fault::None => store.commit(&manifests, &items),
            Fault::AnswerBeforeWrite => {
                let answer = vec![Admission::Stored; items.len()];
                let before = std::mem::replace(&mut self.held_back, items);
                if !before.is_empty() {
                    store.commit(&manifests, &before)?;
                }
                Ok(answer)
            }
            Fault::MarkBeforeData => commit_mark_first(store, &manifests, &items),
        }
    }

    /// Delivers new reports until the power goes, or `bodies` were answered.
    fn deliver(&mut self, store: &EmbeddedStore, bodies: usize, random: &mut fastrand::Rng) {
        for _ in 0..bodies {
            let agent = random.usize(..AGENTS.len());
            let count = random.u64(1..6);
            let names: Vec<Name> = (0..count).map(|more| (agent, self.next[agent] + more)).collect();
            self.next[agent] += count;
            for name in &names {
                self.sent.insert(*name, false);
            }
            let items = names.iter().map(|name| self.item(*name)).collect();
            match catch_unwind(AssertUnwindSafe(|| self.commit(store, items))) {
                Ok(Ok(admissions)) => {
                    assert!(admissions.iter().all(|admission| *admission == Admission::Stored));
                    self.sent.extend(names.into_iter().map(|name| (name, true)));
                }
                Ok(Err(_)) | Err(_) => {
                    assert!(self.disk.is_off(), "only a power cut makes a commit fail");
                    return;
                }
            }
        }
    }

    /// What the store holds: every report once, with the delay that belongs to it, and nothing that was never sent.
    fn found(&self, store: &EmbeddedStore) -> Vec<Name> {
        let (seen, coverage) = scan_all(store, ALL_TIME);
        assert_eq!(coverage.unreadable_reports, 0);
        let dictionary = store.dictionary();
        let of: BTreeMap<_, _> = dictionary
            .series()
            .map(|(id, series)| (id, dictionary.agent(series.agent).expect("known").clone()))
            .collect();
        let mut times: BTreeMap<Name, usize> = BTreeMap::new();
        for observation in seen {
            let sequence = (observation.start_unix_ms - T0) / 10_000;
            let agent = AGENTS
                .iter()
                .position(|id| *id == of[&observation.series].as_str());
            let name = (agent.expect("one of ours"), sequence);
            let delay_us = 1_000 + (sequence % 1_000) as u32;
            let expected = azimuth_measurement::DelayHistogram::from_values_us(&mut [delay_us]);
            assert_eq!(observation.delays[0].1, expected, "{name:?} has another's delays");
            *times.entry(name).or_default() += 1;
        }
        for (name, times) in &times {
            assert!(self.sent.contains_key(name), "{name:?} was never sent");
            assert_eq!(*times, 2, "{name:?} has two series, each once");
        }
        times.into_keys().collect()
    }

    /// The power is back. Nothing acknowledged is missing; what was in doubt is settled by sending it again.
    fn recover(&mut self) {
        self.held_back.clear();
        let store = match open(&self.disk) {
            Ok(store) => store,
            // Only where nothing was ever acknowledged: the file had not come to be.
            Err(cause) if !self.sent.values().any(|acknowledged| *acknowledged) => {
                let _ = cause;
                self.disk = ForgetfulDisk::default();
                open(&self.disk).expect("an empty disk opens")
            }
            Err(cause) => panic!("the store does not open: {cause}"),
        };
        let found = self.found(&store);
        for (name, acknowledged) in &self.sent {
            assert!(
                !acknowledged || found.contains(name),
                "{name:?} was acknowledged and is lost"
            );
        }
        let names: Vec<Name> = self.sent.keys().copied().collect();
        for chunk in names.chunks(64) {
            let manifests: Vec<_> = self.manifests.iter().map(verified).collect();
            let items: Vec<Item> = chunk.iter().map(|name| self.item(*name)).collect();
            let admissions = store.commit(&manifests, &items).expect("the power is on");
            for (name, admission) in chunk.iter().zip(admissions) {
                let expected = if found.contains(name) {
                    Admission::Duplicate
                } else {
                    Admission::Stored
                };
                assert_eq!(admission, expected, "{name:?}");
                self.sent.insert(*name, true);
            }
        }
        assert_eq!(self.found(&store), names);
        let stored: u64 = store
            .agents()
            .expect("readable")
            .iter()
            .map(|status| status.reports_stored)
            .sum();
        assert_eq!(stored, names.len() as u64);
    }
}

/// The order the store must not have.
fn commit_mark_first(
    store: &EmbeddedStore,
    manifests: &[VerifiedManifest],
    items: &[Item],
) -> Result<Vec<Admission>, StoreError> {
    let doing = "test";
    let plan = store.write(doing, |transaction| {
        let standing = StandingTables::open(transaction)?;
        let mut plan = Plan::make(
            store.dictionary(),
            SeriesLimits::NONE,
            manifests,
            items,
            &standing,
        )?;
        drop(standing);
        let mut settled = transaction.open_table(SETTLED).map_err(while_doing(doing))?;
        for ((number, epoch), sequences) in std::mem::take(&mut plan.settled) {
            settled
                .insert((number.0, epoch), sequences.to_bytes().as_slice())
                .map_err(while_doing(doing))?;
        }
        Ok(plan)
    })?;
    store.write(doing, |transaction| write_plan(transaction, &plan))?;
    *store.dictionary.write().expect("not poisoned") = plan.dictionary;
    Ok(plan.admissions)
}

/// Three power cuts in one life, each at a change of the disk the seed chooses.
fn live(seed: u64, disk: ForgetfulDisk, fault: Fault) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut life = Life::new(disk, fault);
    for cut in 0..3 {
        // The first cut may also hit the making of the file.
        let at = life.disk.operations() + random.u64(1..if cut == 0 { 60 } else { 250 });
        life.disk.power_off_at(at);
        let opened = catch_unwind(AssertUnwindSafe(|| open(&life.disk)));
        if let Ok(Ok(store)) = opened {
            life.deliver(&store, 40, &mut random);
        } else {
            assert!(
                life.disk.is_off(),
                "only a power cut keeps the store from opening"
            );
        }
        life.disk.power_cut(&mut random);
        life.recover();
        life.disk.power_cut(&mut random);
    }
}

fn seeds() -> u64 {
    let asked = std::env::var("AZIMUTH_POWER_CUTS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(200)
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_by_power_cuts() {
    for seed in 0..seeds() {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| {
            live(seed, ForgetfulDisk::default(), Fault::None);
        })) {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// Whether the judge convicts a store with this fault, or on such a disk, within as many seeds as the short run has.
fn is_caught(disk: impl Fn() -> ForgetfulDisk, fault: Fault) -> bool {
    (0..200).any(|seed| catch_unwind(AssertUnwindSafe(|| live(seed, disk(), fault))).is_err())
}

#[test]
fn seeded_fault_acknowledge_before_write_is_caught() {
    assert!(is_caught(ForgetfulDisk::default, Fault::AnswerBeforeWrite));
}

#[test]
fn seeded_fault_mark_before_data_is_caught() {
    assert!(is_caught(ForgetfulDisk::default, Fault::MarkBeforeData));
}

#[test]
fn seeded_fault_no_sync_is_caught() {
    assert!(is_caught(ForgetfulDisk::that_never_syncs, Fault::None));
}
