//! Writing: segments are begun, appended to, abandoned and deleted here, in the order that keeps invariants 3 and 4. What
//! to write is decided elsewhere.

use std::collections::BTreeSet;
use std::io;

use super::disk::AppendFile;
use super::inventory::{Body, Item, Key, Place};
use super::record::{self, HEADER_BYTES, Header, Kind};
use super::recovery::{segment_name, set_aside_name, write_standing};
use super::{Now, Spool, State, SyncPolicy};

/// A segment is this share of the whole, within these bounds: small enough to be rewritten in memory, large enough that
/// beginning one costs nothing.
const SEGMENTS: u64 = 64;
const SEGMENT_BYTES: std::ops::RangeInclusive<u64> = 4 * 1024..=1024 * 1024;
/// Files set aside that are kept as evidence, and the part of the bound they may take (one in so many); older ones go.
const MAX_SET_ASIDE: usize = 4;
const SET_ASIDE_SHARE: u64 = 8;

/// The segment being appended to. Everything in it is synced.
pub(super) struct Tail {
    pub(super) number: u32,
    file: Box<dyn AppendFile + Send>,
    bytes: u64,
    /// Bytes of its head: a segment with no more than that is not worth ending.
    head_bytes: u64,
    manifests: BTreeSet<u64>,
}

/// Records gathered for one append and one sync.
#[derive(Default)]
struct Chunk {
    bytes: Vec<u8>,
    placed: Vec<(Key, Place)>,
    manifests: BTreeSet<u64>,
}

impl Spool {
    /// Writes what is not on disk yet, makes room before and deletes what is done with after. Call it after every push and
    /// now and then while there is nothing to push: it is also what tries a disk again that failed.
    pub fn flush(&mut self, now: Now) -> &State {
        if self.memory_only {
            self.relieve_memory();
            return &self.state;
        }
        match self.write_out() {
            Ok(()) => {
                if self.state != State::Disk {
                    tracing::info!("the spool's disk takes reports again");
                }
                self.state = State::Disk;
            }
            Err(error) => self.degrade(&error, now),
        }
        self.relieve_memory();
        &self.state
    }

    pub(super) fn degrade(&mut self, error: &io::Error, now: Now) {
        let reason = error.to_string();
        if let State::Memory { reason: known, .. } = &mut self.state {
            *known = reason;
            return;
        }
        tracing::warn!(%reason, "the spool's disk takes nothing; reports wait in memory");
        self.state = State::Memory {
            since_unix_ms: now.unix_ms,
            reason,
        };
    }

    fn write_out(&mut self) -> io::Result<()> {
        if self.unproven.is_some() {
            self.roll()?;
        }
        let outcome = match self.below_floor() {
            // Marks of what was settled are a few bytes, and are what lets segments go.
            Some(refusal) => self.write_marks().and(Err(refusal)),
            None => self.make_room().and_then(|()| self.write_unwritten()),
        };
        let full = outcome
            .as_ref()
            .is_err_and(|error| error.kind() == io::ErrorKind::StorageFull);
        if outcome.is_ok() || full {
            // On a full disk deleting is what helps. If power fails before the marks are written, settled sequences are
            // taken for lost at the next start, and the collector answers their tombstones with `duplicate`.
            self.delete_done();
        }
        outcome
    }

    /// One record for every item that has none, then a mark per epoch with news.
    pub(super) fn write_unwritten(&mut self) -> io::Result<()> {
        let keys: Vec<Key> = self.unwritten.iter().copied().collect();
        let mut chunk = Chunk::default();
        for key in keys {
            let Some(item) = self.inventory.get(key).filter(|item| item.segment().is_none()) else {
                self.unwritten.remove(&key);
                continue;
            };
            let bytes = item.record_bytes();
            if self.tail.is_none() || self.tail_is_full(chunk.bytes.len() as u64 + bytes) {
                self.commit(std::mem::take(&mut chunk))?;
                self.roll()?;
            }
            self.gather(key, &mut chunk);
        }
        let marks = self.marks();
        if !marks.is_empty() && self.tail.is_none() {
            self.roll()?;
        }
        chunk.bytes.extend_from_slice(&marks);
        self.commit(chunk)?;
        self.marked();
        self.guarded.clear();
        Ok(())
    }

    fn write_marks(&mut self) -> io::Result<()> {
        if self.unmarked.is_empty() {
            return Ok(());
        }
        if self.tail.is_none() {
            self.roll()?;
        }
        self.commit(Chunk {
            bytes: self.marks(),
            ..Chunk::default()
        })?;
        self.marked();
        Ok(())
    }

    fn marked(&mut self) {
        self.unmarked.clear();
        self.issue_marked = true;
    }

    fn tail_is_full(&self, more_bytes: u64) -> bool {
        self.tail.as_ref().is_some_and(|tail| {
            tail.bytes > tail.head_bytes && tail.bytes + more_bytes > self.segment_bytes()
        })
    }

    pub(super) fn segment_bytes(&self) -> u64 {
        (self.setup.limits.max_bytes / SEGMENTS).clamp(*SEGMENT_BYTES.start(), *SEGMENT_BYTES.end())
    }

    /// Adds an item's record, and its manifest's where the segment has not got it.
    fn gather(&self, key: Key, chunk: &mut Chunk) {
        let (Some(tail), Some(item)) = (&self.tail, self.inventory.get(key)) else {
            return;
        };
        let Place::Memory(payload) = &item.place else {
            return;
        };
        if let Body::Report { manifest, .. } = item.body
            && !tail.manifests.contains(&manifest)
            && let Some(frame) = self.manifests.get(&manifest)
            && chunk.manifests.insert(manifest)
        {
            let header = Header {
                detail: manifest,
                ..Header::new(Kind::Manifest, key.0)
            };
            record::write(&header, frame, &mut chunk.bytes);
        }
        let place = Place::Disk {
            segment: tail.number,
            // Segments stay far below 4 GiB, payloads below 1 MiB.
            offset: (tail.bytes + chunk.bytes.len() as u64) as u32,
            payload_bytes: payload.len() as u32,
        };
        record::write(&header_of(key.0, item), payload, &mut chunk.bytes);
        chunk.placed.push((key, place));
    }

    fn marks(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (&number, epoch) in &self.inventory.epochs {
            let settled = self.unmarked.get(&number).filter(|settled| !settled.is_empty());
            if settled.is_none() && (number != self.current || self.issue_marked) {
                continue;
            }
            let mut payload = Vec::new();
            if let Some(settled) = settled {
                settled.write_to(&mut payload);
            }
            record::write(&standing_header(Kind::Mark, number, epoch), &payload, &mut bytes);
        }
        bytes
    }

    /// Appends and syncs; only then are the items where their records are.
    fn commit(&mut self, chunk: Chunk) -> io::Result<()> {
        let Some(tail) = &mut self.tail else { return Ok(()) };
        if chunk.bytes.is_empty() {
            return Ok(());
        }
        let sync = self.setup.sync;
        let written = append_all(&mut *tail.file, &chunk.bytes).and_then(|()| match sync {
            SyncPolicy::EveryFlush => tail.file.sync(),
            SyncPolicy::Never => Ok(()),
        });
        tail.bytes += chunk.bytes.len() as u64;
        self.segments.insert(tail.number, tail.bytes);
        if let Err(error) = written {
            // What of it is on disk is unknown, now and after any later sync: this segment is never written to again.
            self.counters.write_failures += 1;
            let name = segment_name(tail.number);
            if let Ok(bytes) = self.disk.length(&name) {
                self.segments.insert(tail.number, bytes);
            }
            self.tail = None;
            return Err(error);
        }
        tail.manifests.extend(chunk.manifests);
        for (key, place) in chunk.placed {
            if let Some(item) = self.inventory.get_mut(key) {
                item.place = place;
            }
            self.unwritten.remove(&key);
        }
        Ok(())
    }

    /// Begins a segment. When it returns, the segment and its name are on disk.
    pub(super) fn roll(&mut self) -> io::Result<()> {
        self.tail = None;
        let number = self.next_segment;
        let name = segment_name(number);
        let mut head = Vec::new();
        for (&epoch, space) in &self.inventory.epochs {
            let payload = write_standing(space);
            for _ in 0..2 {
                record::write(
                    &standing_header(Kind::Standing, epoch, space),
                    &payload,
                    &mut head,
                );
            }
        }
        let mut file = match self.disk.create(&name) {
            Ok(file) => file,
            Err(error) => {
                self.counters.write_failures += 1;
                return Err(error);
            }
        };
        let begun = append_all(&mut *file, &head).and_then(|()| match self.setup.sync {
            SyncPolicy::EveryFlush => file.sync().and_then(|()| self.disk.sync_directory()),
            SyncPolicy::Never => Ok(()),
        });
        self.next_segment = number.saturating_add(1);
        if let Err(error) = begun {
            self.counters.write_failures += 1;
            if self.disk.remove(&name).is_err() {
                self.segments.insert(number, self.disk.length(&name).unwrap_or(0));
            }
            return Err(error);
        }
        let bytes = head.len() as u64;
        self.segments.insert(number, bytes);
        self.tail = Some(Tail {
            number,
            file,
            bytes,
            head_bytes: bytes,
            manifests: BTreeSet::new(),
        });
        self.believe_close();
        Ok(())
    }

    /// Deletes segments that nothing is in and that nothing unwritten has replaced anything of.
    pub(super) fn delete_done(&mut self) {
        let mut used: BTreeSet<u32> = self
            .inventory
            .items()
            .filter_map(|(_, item)| item.segment())
            .collect();
        used.extend(&self.guarded);
        used.extend(self.tail.as_ref().map(|tail| tail.number));
        // Its standing is what keeps the older ones' settled sequences settled.
        let Some(newest) = self.segments.keys().next_back().copied() else {
            return;
        };
        let done: Vec<u32> = self
            .segments
            .keys()
            .copied()
            .filter(|segment| !used.contains(segment) && (*segment != newest))
            .collect();
        let done = self.deletable(done);
        if done.is_empty() {
            return;
        }
        for segment in done {
            if self.disk.remove(&segment_name(segment)).is_ok() {
                self.segments.remove(&segment);
            } else {
                self.counters.remove_failures += 1;
            }
        }
        if self.setup.sync == SyncPolicy::EveryFlush && self.disk.sync_directory().is_err() {
            // The files come back after a power cut, with nothing in them that is not settled or replaced.
            self.counters.remove_failures += 1;
        }
        self.forget_empty_epochs();
        self.forget_unneeded_manifests();
    }

    /// Those of `done` that may go. A segment of an earlier run may have been replaced by records of that run which were
    /// written and never synced (a full disk, a kill between the two), and has to wait until they are.
    fn deletable(&mut self, mut done: Vec<u32>) -> Vec<u32> {
        if self.setup.sync == SyncPolicy::Never {
            return done;
        }
        let recovered_through = self.recovered_through;
        let earlier = |segment: &u32| *segment <= recovered_through;
        if !self.doubtful.is_empty() && done.iter().any(earlier) && self.disk.sync_directory().is_ok() {
            let disk = &self.disk;
            self.doubtful
                .retain(|segment| disk.sync(&segment_name(*segment)).is_err());
        }
        if !self.doubtful.is_empty() {
            done.retain(|segment| !earlier(segment));
        }
        done
    }

    /// An epoch matters while it has items, or while a segment stands from which they could come back.
    pub(super) fn forget_empty_epochs(&mut self) {
        let recovered_gone = self
            .segments
            .keys()
            .next()
            .is_none_or(|&oldest| oldest > self.recovered_through);
        let current = self.current;
        self.inventory
            .epochs
            .retain(|&epoch, space| epoch == current || !recovered_gone || !space.items.is_empty());
    }

    fn forget_unneeded_manifests(&mut self) {
        let mut needed: BTreeSet<u64> = self.manifest.into_iter().collect();
        needed.extend(self.inventory.items().filter_map(|(_, item)| match item.body {
            Body::Report { manifest, .. } => Some(manifest),
            Body::Tombstone { .. } => None,
        }));
        self.manifests.retain(|id, _| needed.contains(id));
    }

    /// Renames what could not be read, removes segments that never began, and keeps the newest few of the first.
    pub(super) fn set_aside_unreadable(&mut self, stillborn: &[u32]) {
        for name in self.recovery.set_aside.clone() {
            let aside = set_aside_name(&name);
            let bytes = self.disk.length(&name).unwrap_or(0);
            tracing::warn!(file = %name, renamed = %aside, "a spool segment is unreadable and was set aside");
            let kept_as = if self.disk.rename(&name, &aside).is_ok() {
                aside
            } else {
                self.counters.remove_failures += 1;
                name
            };
            self.set_aside.insert(kept_as, bytes);
        }
        let most_bytes = self.setup.limits.max_bytes / SET_ASIDE_SHARE;
        while self.set_aside.len() > MAX_SET_ASIDE || self.set_aside.values().sum::<u64>() > most_bytes {
            let Some((name, _)) = self.set_aside.pop_first() else {
                break;
            };
            if self.disk.remove(&name).is_err() {
                self.counters.remove_failures += 1;
            }
        }
        for &number in stillborn {
            if self.disk.remove(&segment_name(number)).is_err() {
                self.counters.remove_failures += 1;
            }
        }
    }

    pub(super) fn disk_bytes(&self) -> u64 {
        self.segments.values().sum::<u64>() + self.set_aside.values().sum::<u64>()
    }

    pub(super) fn memory_bytes(&self) -> u64 {
        self.unwritten
            .iter()
            .filter_map(|&key| self.inventory.get(key))
            .filter(|item| item.segment().is_none())
            .map(Item::record_bytes)
            .sum()
    }

    /// Writes everything and a closing record, so that the next run can go on where this one ended. Returns whether the
    /// disk has it; if not, the next run begins a new epoch.
    pub fn close(mut self, now: Now) -> bool {
        self.flush(now);
        if self.state != State::Disk {
            return false;
        }
        if self.tail.is_none() && self.roll().is_err() {
            return false;
        }
        let Some(epoch) = self.inventory.epochs.get(&self.current) else {
            return false;
        };
        let mut unsent = super::ranges::Ranges::default();
        for item in epoch
            .items
            .values()
            .filter(|item| item.is_report() && !item.offered)
        {
            unsent.insert(item.first, item.last);
        }
        let mut payload = Vec::new();
        unsent.write_to(&mut payload);
        let header = Header {
            boot: self.setup.boot,
            detail: self.disk.place(),
            ..standing_header(Kind::Closed, self.current, epoch)
        };
        let mut chunk = Chunk::default();
        record::write(&header, &payload, &mut chunk.bytes);
        self.commit(chunk).is_ok()
    }
}

fn append_all(file: &mut dyn AppendFile, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.append(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(taken) => bytes = bytes.get(taken..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn header_of(epoch: u64, item: &Item) -> Header {
    let header = Header {
        first: item.first,
        last: item.last,
        start_unix_ms: item.start_unix_ms,
        end_unix_ms: item.end_unix_ms,
        ..Header::new(Kind::Report, epoch)
    };
    match item.body {
        Body::Report {
            manifest,
            boot,
            ended_at_ms,
        } => Header {
            boot,
            ended_at_ms,
            detail: manifest,
            ..header
        },
        Body::Tombstone { cause } => Header {
            kind: Kind::Tombstone,
            detail: cause.wire().into(),
            ..header
        },
    }
}

/// How an epoch stands: the highest sequence issued and when that was measured.
fn standing_header(kind: Kind, epoch: u64, space: &super::inventory::Epoch) -> Header {
    let latest = space.items.values().next_back();
    Header {
        last: space.issued,
        start_unix_ms: latest
            .filter(|item| item.last == space.issued)
            .map_or(0, |item| item.start_unix_ms),
        end_unix_ms: latest
            .filter(|item| item.last == space.issued)
            .map_or(0, |item| item.end_unix_ms),
        ..Header::new(kind, epoch)
    }
}

/// Bytes of a segment's head with so many epochs, to plan with.
pub(super) const fn head_estimate_bytes(epochs: u64) -> u64 {
    2 * epochs * (HEADER_BYTES as u64 + 96)
}
