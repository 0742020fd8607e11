//! The agent's spool: reports wait here, on disk, until the collector has settled them. Not a queue of anything else, not
//! a database, and no clock: the time is handed in. Its form on disk is its own; what leaves it is the wire form.
//!
//! # Invariants
//!
//! 1. **One account.** Every sequence of an epoch up to the highest issued is settled, or covered by exactly one item (a
//!    report, a merged report, a tombstone). Whatever damage does, recovery restores this with tombstones over exactly the
//!    sequences nothing accounts for.
//! 2. **One truth.** State is what the records say, taken in the order they were written: a later record replaces what it
//!    covers, settled stays settled. There is no position file, no index, no second copy to disagree.
//! 3. **Flushed is kept.** What [`flush`](Spool::flush) reported as on disk survives a power cut: data is synced, and so
//!    is the directory that names the file, before it says so.
//! 4. **Nothing is deleted before its account is elsewhere.** A segment goes only when no item is in it, the marks that
//!    settled its items are synced, and every record that replaced one of its records is synced. The newest is never deleted.
//!    What an earlier run left is synced before it counts for that: its last write may be there to read and not be on disk.
//! 5. **No sequence twice.** An epoch is continued only after an orderly close, within the same boot, in the same directory,
//!    with nothing damaged, and only once the first segment of the new run is on disk. Otherwise a new epoch begins. A
//!    restored image, a copied directory, a torn tail or a lying disk can thus never make new data look like old.
//! 6. **Nothing twice.** Only a report that provably never left is merged: it was taken in by this run and never handed to
//!    [`next_dispatch`](Spool::next_dispatch), or a closing record that passes 5 says so. All else is sent as it is, or
//!    dropped with a tombstone; the collector counts of a tombstone only what it has not settled.
//! 7. **Always starts, always takes.** No content of the directory and no error of the disk stops the agent. What cannot be
//!    written waits in memory, bounded; [`state`](Spool::state) says so.
//! 8. **Bounded.** At most `max_bytes` on disk and `memory_max_bytes` beside it; below the free-space floor nothing grows.
//!    Resolution goes first (10 s to 1 min to 10 min), then the oldest, each with a tombstone and a counter.
//!
//! # Form
//!
//! A directory of segments, `0000000001.seg` and up, only ever appended to, and only by the run that created them. Each is a
//! row of records ([`record`]: marker, header with checksum, payload with checksum). A segment begins with the standing of
//! every epoch (agent, highest sequence issued, settled ranges), written twice because it is the one record whose loss
//! would be more than itself; a manifest comes before the first report that needs it. Each flush ends with a mark: the
//! highest sequence issued, so that a damaged last report is missed, and what was settled since the mark before. Unreadable
//! files are renamed to `.bad` and the newest few kept.
//!
//! # Sync
//!
//! One `fdatasync` per flush, one flush per interval; creating a segment costs one more and one for the directory
//! ([`SyncPolicy`]). Settling syncs nothing by itself: a mark that a power cut takes means a report sent twice, and the
//! collector answers `duplicate`. After a failed sync the segment is abandoned, never synced again as if nothing had
//! been, and what was in doubt is written to a new one.
//!
//! # Operations
//!
//! [`open`](Spool::open) recovers; [`push`](Spool::push) gives a report its sequence; [`flush`](Spool::flush) writes, makes
//! room and deletes; [`next_dispatch`](Spool::next_dispatch) says what to post; [`settle`](Spool::settle) or
//! [`give_back`](Spool::give_back) says what came of it; [`close`](Spool::close) ends in order.
//!
//! # What the collector must do
//!
//! Accept a sequence any distance ahead and forget nothing behind it (live reports overtake the backlog by weeks of
//! sequences); count of a tombstone only what is not settled; settle the items of one batch in one transaction, so that a
//! merged report and its `merged` tombstone cannot part. Settled sequences are ranges: the backlog goes oldest first and so
//! always extends the first range, which is why a bounded set of ranges always gets room again.

pub mod check;
mod delivery;
pub mod disk;
mod inventory;
mod merge;
pub mod picker;
mod ranges;
mod record;
mod recovery;
mod relief;
mod room;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use azimuth_measurement::codec::{MAX_FRAME_BYTES, encode_manifest, encode_report};
use azimuth_measurement::{AgentId, LossCause, Manifest, Report};
use serde::Serialize;

pub use delivery::{Dispatch, Sent, Verdict, VerdictsMismatch};
use disk::{Disk, NoDisk, RealDisk};
use inventory::{Body, Epoch, Inventory, Item, Key, Place};
use picker::Picker;
use ranges::Ranges;
use recovery::NOBODYS;
pub use recovery::{LostRange, Recovery, SegmentFindings};
use write::Tail;

/// Why a spool that was not given a directory keeps nothing on disk.
const NO_DIRECTORY: &str = "the configuration names no `directory` in `[spool]`";

/// A moment on both clocks of the agent, in ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Wall clock, since the Unix epoch. May step.
    pub unix_ms: u64,
    /// A clock that runs on while the machine is suspended and never steps; means nothing outside this boot.
    pub monotonic_ms: u64,
}

/// When data is forced to the platter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SyncPolicy {
    /// At every flush: a power cut loses nothing that was flushed.
    #[default]
    EveryFlush,
    /// Never: for flash that wears out. A power cut loses what the kernel had not written yet; still nothing is counted twice.
    Never,
}

/// How much the spool may hold and send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes on disk, files set aside included.
    pub max_bytes: u64,
    /// Most bytes in memory while the disk takes none.
    pub memory_max_bytes: u64,
    /// Free space below which the spool does not grow; never more than a twentieth of the filesystem.
    pub free_floor_bytes: u64,
    /// A report is live until this long after its interval ended.
    pub live_window_ms: u64,
    /// Share of the requests that go to the backlog, in percent.
    pub backlog_share_percent: u8,
    /// Most bytes of one backlog request.
    pub backlog_request_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 64 * 1024 * 1024,
            memory_max_bytes: 4 * 1024 * 1024,
            free_floor_bytes: 256 * 1024 * 1024,
            live_window_ms: 60_000,
            backlog_share_percent: 20,
            backlog_request_bytes: 256 * 1024,
        }
    }
}

/// Who the spool works for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    /// The agent. Reports of another one that are found in the directory are still delivered under its name.
    pub agent: AgentId,
    /// A number of this boot ([`boot_number`]).
    pub boot: u64,
    /// Bounds.
    pub limits: Limits,
    /// When to sync.
    pub sync: SyncPolicy,
}

/// Whether what is pushed reaches the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "where")]
pub enum State {
    /// It does.
    Disk,
    /// It stays in memory, and is lost if the agent stops before the disk takes it.
    Memory {
        /// Since when, by the wall clock.
        since_unix_ms: u64,
        /// What the disk said.
        reason: String,
    },
}

/// What happened since the spool was opened. Every drop, refusal and fallback is one of these.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Reports taken in.
    pub pushed: u64,
    /// Sequences settled by the collector.
    pub settled: u64,
    /// Reports the collector refused; each became a tombstone.
    pub refused: u64,
    /// Tombstones the collector refused.
    pub tombstones_refused: u64,
    /// Reports that went into a longer one.
    pub merged_away: u64,
    /// Reports that could not be merged although they stood side by side (other manifest, too large together).
    pub merge_refused: u64,
    /// Sequences dropped because there was no room.
    pub dropped: u64,
    /// Sequences lost to damage found after the start.
    pub corrupt: u64,
    /// Reports too large for the wire.
    pub oversized: u64,
    /// Writes and syncs that failed.
    pub write_failures: u64,
    /// Reads that failed.
    pub read_failures: u64,
    /// Segments that could not be removed or renamed; tried again at the next flush.
    pub remove_failures: u64,
    /// Dispatches given back without verdicts.
    pub given_back: u64,
    /// Answers that did not fit their dispatch.
    pub bad_answers: u64,
}

/// What the spool holds now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Holdings {
    /// Reports not settled yet.
    pub reports: u64,
    /// Tombstones not settled yet.
    pub tombstones: u64,
    /// Start of the oldest report, Unix ms by the clock of its time.
    pub oldest_unix_ms: Option<u64>,
    /// Bytes on disk.
    pub disk_bytes: u64,
    /// Bytes waiting to be written.
    pub memory_bytes: u64,
}

/// The name a report got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pushed {
    /// The sequence space.
    pub epoch: u64,
    /// The sequence.
    pub sequence: u64,
}

/// The spool. One per agent; not shared between threads.
pub struct Spool {
    disk: Box<dyn Disk + Send>,
    setup: Setup,
    inventory: Inventory,
    /// The epoch sequences are issued in.
    current: u64,
    /// Length of every segment, the tail included.
    segments: BTreeMap<u32, u64>,
    tail: Option<Tail>,
    next_segment: u32,
    /// Segments found at the start; while one of them stands, no epoch is forgotten.
    recovered_through: u32,
    set_aside: BTreeMap<String, u64>,
    manifests: BTreeMap<u64, Vec<u8>>,
    /// The manifest reports of this run name.
    manifest: Option<u64>,
    /// Manifests the collector is known to have.
    announced: BTreeSet<u64>,
    /// Items without a record. May name items that are gone.
    unwritten: BTreeSet<Key>,
    /// Segments with records that items without a record replace.
    guarded: BTreeSet<u32>,
    /// Segments found at the start of which nothing says yet that they would survive a power cut.
    doubtful: BTreeSet<u32>,
    /// What an orderly close said never left, while it still is the last word on disk. None of it is sent: if this run
    /// leaves no trace, the next one will believe the same.
    unproven: Option<(u64, Ranges)>,
    /// Settled since the last mark.
    unmarked: BTreeMap<u64, Ranges>,
    /// Whether the highest sequence issued has a mark.
    issue_marked: bool,
    picker: Picker,
    state: State,
    counters: Counters,
    recovery: Recovery,
    /// Nobody wants a disk: none is asked, and none fails.
    memory_only: bool,
}

impl Spool {
    /// Opens the directory, or explains why it works from memory ([`state`](Self::state)).
    pub fn open_directory(directory: &Path, setup: Setup, now: Now) -> Self {
        let disk: Box<dyn Disk + Send> = match RealDisk::open(directory) {
            Ok(disk) => Box::new(disk),
            Err(error) => Box::new(NoDisk::because(&error)),
        };
        Self::open(disk, setup, now)
    }

    /// A spool without a directory: everything waits in memory, within `memory_max_bytes`, and is lost at the end.
    pub fn in_memory(setup: Setup, now: Now) -> Self {
        let none = NoDisk::because(&io::Error::other(NO_DIRECTORY));
        Self::begin(Box::new(none), true, setup, now)
    }

    /// Recovers what is on the disk and begins a run. Never fails; what was found is in [`recovery`](Self::recovery).
    pub fn open(disk: Box<dyn Disk + Send>, setup: Setup, now: Now) -> Self {
        Self::begin(disk, false, setup, now)
    }

    fn begin(disk: Box<dyn Disk + Send>, memory_only: bool, setup: Setup, now: Now) -> Self {
        let found = recovery::recover(&*disk, &setup.agent);
        let resumable = found.closed.filter(|closed| {
            closed.boot == setup.boot
                && closed.place == disk.place()
                && found
                    .inventory
                    .epochs
                    .get(&closed.epoch)
                    .is_some_and(|epoch| epoch.agent == setup.agent && epoch.issued < NOBODYS / 2)
        });
        let highest = found
            .inventory
            .epochs
            .keys()
            .next_back()
            .copied()
            .filter(|&highest| highest + 1 < NOBODYS);
        let mut spool = Self {
            disk,
            inventory: found.inventory,
            current: 0,
            recovered_through: found.next_segment.saturating_sub(1),
            doubtful: found.segments.keys().copied().collect(),
            segments: found.segments,
            tail: None,
            next_segment: found.next_segment,
            set_aside: found.set_aside,
            manifests: found.manifests,
            manifest: None,
            announced: BTreeSet::new(),
            unwritten: BTreeSet::new(),
            guarded: BTreeSet::new(),
            unproven: None,
            unmarked: BTreeMap::new(),
            issue_marked: true,
            picker: Picker::new(setup.limits.backlog_share_percent),
            state: State::Disk,
            counters: Counters::default(),
            recovery: found.report,
            memory_only,
            setup,
        };
        spool.unwritten = spool
            .inventory
            .items()
            .filter(|(_, item)| item.segment().is_none())
            .map(|(key, _)| key)
            .collect();
        spool.set_aside_unreadable(&found.stillborn);
        let fresh = highest.map_or(now.unix_ms, |highest| now.unix_ms.max(highest.saturating_add(1)));
        spool.current = resumable.as_ref().map_or(fresh, |closed| closed.epoch);
        spool.begin_epoch();
        spool.unproven = resumable.map(|closed| (closed.epoch, closed.unsent));
        if memory_only {
            spool.state = State::Memory {
                since_unix_ms: now.unix_ms,
                reason: NO_DIRECTORY.to_owned(),
            };
            return spool;
        }
        if let Err(error) = spool.roll() {
            // That the old epoch goes on is not on disk, so the next run could go on with it too.
            spool.current = fresh;
            spool.begin_epoch();
            spool.degrade(&error, now);
        }
        spool.flush(now);
        spool
    }

    fn begin_epoch(&mut self) {
        let agent = &self.setup.agent;
        self.inventory
            .epochs
            .entry(self.current)
            .or_insert_with(|| Epoch::new(agent.clone()));
    }

    /// The orderly close is no longer the last word on disk, so what it said may be used: these reports never left.
    fn believe_close(&mut self) {
        let Some((epoch, unsent)) = self.unproven.take() else {
            return;
        };
        if let Some(epoch) = self.inventory.epochs.get_mut(&epoch) {
            for item in epoch.items.values_mut().filter(|item| item.is_report()) {
                item.offered = !unsent.covers(item.first, item.last);
            }
        }
    }

    /// Names the manifest of the reports to come.
    pub fn set_manifest(&mut self, manifest: &Manifest) {
        let id = manifest.id().0;
        self.manifests.insert(id, encode_manifest(manifest));
        self.manifest = Some(id);
    }

    /// Takes a report in: gives it the next sequence, whatever it says itself, and keeps it in memory until the next
    /// [`flush`](Self::flush). `ended_at_ms` is when its interval ended, on the monotonic clock.
    pub fn push(&mut self, report: Report, ended_at_ms: u64) -> Pushed {
        let current = self.current;
        let agent = self.setup.agent.clone();
        let boot = self.setup.boot;
        let epoch = self
            .inventory
            .epochs
            .entry(current)
            .or_insert_with(|| Epoch::new(agent.clone()));
        let sequence = epoch.issued.saturating_add(1);
        let report = Report {
            agent,
            epoch: current,
            sequence,
            ..report
        };
        let frame = encode_report(&report);
        let time = (report.interval.start_unix_ms(), report.interval.end_unix_ms());
        epoch.issued = sequence;
        self.issue_marked = false;
        self.counters.pushed += 1;
        if frame.len() > MAX_FRAME_BYTES {
            self.counters.oversized += 1;
            self.bury((current, sequence), sequence, time, LossCause::Refused);
            return Pushed {
                epoch: current,
                sequence,
            };
        }
        let item = Item {
            first: sequence,
            last: sequence,
            start_unix_ms: time.0,
            end_unix_ms: time.1,
            body: Body::Report {
                manifest: report.manifest.0,
                boot,
                ended_at_ms,
            },
            place: Place::Memory(frame),
            offered: false,
            in_flight: false,
            failed_reads: 0,
        };
        self.put(current, item);
        self.relieve_memory();
        Pushed {
            epoch: current,
            sequence,
        }
    }

    /// Accounts for reports that were given up before they came here: they get the next sequences, and a tombstone over
    /// this time.
    pub fn skip(&mut self, reports: u64, start_unix_ms: u64, end_unix_ms: u64) {
        let current = self.current;
        let Some(epoch) = self.inventory.epochs.get_mut(&current).filter(|_| reports > 0) else {
            return;
        };
        let first = epoch.issued.saturating_add(1);
        let last = epoch.issued.saturating_add(reports);
        epoch.issued = last;
        self.issue_marked = false;
        self.counters.dropped += reports;
        self.bury(
            (current, last),
            first,
            (start_unix_ms, end_unix_ms),
            LossCause::QueueFull,
        );
    }

    /// Puts an item that has no record yet in the place of what it covers.
    fn put(&mut self, epoch: u64, item: Item) {
        let key = (epoch, item.last);
        let Some(space) = self.inventory.epochs.get_mut(&epoch) else {
            return;
        };
        if let Ok(replaced) = space.insert(item) {
            self.guarded.extend(replaced.iter().filter_map(Item::segment));
            self.unwritten.insert(key);
        }
    }

    /// Puts a tombstone in the place of `first..=key.1`.
    fn bury(&mut self, key: Key, first: u64, time: (u64, u64), cause: LossCause) {
        let Some(space) = self.inventory.epochs.get_mut(&key.0) else {
            return;
        };
        if let Some((last, replaced)) = space.bury(first, key.1, time, cause) {
            self.guarded.extend(replaced.iter().filter_map(Item::segment));
            self.unwritten.insert((key.0, last));
        }
    }

    /// What was found in the directory at the start.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Whether what is pushed reaches the disk.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The epoch sequences are issued in.
    pub fn epoch(&self) -> u64 {
        self.current
    }

    /// What is held now.
    pub fn holdings(&self) -> Holdings {
        let reports = || self.inventory.items().filter(|(_, item)| item.is_report());
        Holdings {
            reports: reports().count() as u64,
            tombstones: self
                .inventory
                .items()
                .filter(|(_, item)| !item.is_report())
                .count() as u64,
            oldest_unix_ms: reports().map(|(_, item)| item.start_unix_ms).min(),
            disk_bytes: self.disk_bytes(),
            memory_bytes: self.memory_bytes(),
        }
    }
}

/// The number of this boot for [`Setup::boot`], from the kernel's random boot id. Where there is none, an arbitrary number:
/// then every start counts as one after a reboot, which is safe.
pub fn boot_number() -> u64 {
    let read = || -> io::Result<u64> {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        let digits: String = text.chars().filter(char::is_ascii_hexdigit).take(16).collect();
        u64::from_str_radix(&digits, 16).map_err(io::Error::other)
    };
    read().unwrap_or_else(|_| {
        use std::hash::{BuildHasher, RandomState};
        RandomState::new().hash_one("no boot id")
    })
}
