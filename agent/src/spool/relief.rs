//! Doing what `room.rs` says when there is no room. Each step is carried out in memory first, written and synced, and only
//! then is anything deleted.

use std::collections::BTreeMap;
use std::io;

use azimuth_measurement::codec::decode_report;
use azimuth_measurement::{Accumulator, LossCause, Report};

use super::Spool;
use super::inventory::{Body, Item, Key, Place};
use super::merge::merge;
use super::record::HEADER_BYTES;
use super::record::read_exactly;
use super::recovery::segment_name;
use super::room::{Scope, Step, next_step};
use super::write::head_estimate_bytes;

/// Segments kept free below the bound, heads included: a step writes before it deletes, and with what it makes it writes
/// all that waits in memory.
const RESERVED_SEGMENTS: u64 = 3;
/// What waits in memory is given at most this part of the bound to be written into: one in so many.
const RESERVED_SHARE: u64 = 8;
/// Reads of one record that may fail before it is given up.
const MAX_FAILED_READS: u8 = 3;
/// The floor is never more than this part of the filesystem: one in so many.
const FLOOR_SHARE: u64 = 20;

/// Why a payload could not be read.
pub(super) enum Unread {
    /// The disk failed; it may work again.
    Yet,
    /// The record is damaged. A tombstone stands in its place.
    Ever,
}

impl Spool {
    /// Gives up what must be given up so that what waits fits within the bounds.
    pub(super) fn make_room(&mut self) -> io::Result<()> {
        let incoming =
            |spool: &Self| spool.memory_bytes() + head_estimate_bytes(spool.inventory.epochs.len() as u64);
        let heads = RESERVED_SEGMENTS * head_estimate_bytes(self.inventory.epochs.len() as u64);
        let limits = &self.setup.limits;
        let waiting = (limits.memory_max_bytes + self.segment_bytes()).min(limits.max_bytes / RESERVED_SHARE);
        let reserve = heads + waiting.max(RESERVED_SEGMENTS * self.segment_bytes());
        let target = self.setup.limits.max_bytes.saturating_sub(reserve);
        if self.disk_bytes() + incoming(self) <= target {
            return Ok(());
        }
        // Nothing is given up for a disk that takes nothing: it must take a segment's head first, and what the last step
        // left to be written.
        if self.tail.is_none() {
            self.roll()?;
        }
        if !self.guarded.is_empty() {
            self.write_unwritten()?;
            self.delete_done();
        }
        let mut fruitless = 0;
        while self.disk_bytes() + incoming(self) > target && fruitless < 2 {
            let before = self.disk_bytes() + self.memory_bytes();
            let sealed = self.sealed(fruitless == 0);
            let wanted = self.segment_bytes();
            let Some(step) = next_step(&self.inventory, &sealed, Scope::Disk, self.setup.boot, wanted) else {
                break;
            };
            let rewrote = matches!(step, Step::Rewrite(_));
            self.apply(step);
            self.write_unwritten()?;
            self.delete_done();
            let gained = self.disk_bytes() + self.memory_bytes() < before;
            fruitless = if gained || !rewrote { 0 } else { fruitless + 1 };
        }
        Ok(())
    }

    /// The refusal to grow, when what waits would bring the free space below its floor.
    pub(super) fn below_floor(&self) -> Option<io::Error> {
        let space = self.disk.space().ok()?;
        let floor = self
            .setup
            .limits
            .free_floor_bytes
            .min(space.total_bytes / FLOOR_SHARE);
        let waiting = self.memory_bytes();
        (waiting > 0 && space.free_bytes < floor.saturating_add(waiting)).then(|| {
            io::Error::new(
                io::ErrorKind::StorageFull,
                format!(
                    "{} bytes free, below the floor of {floor}; free some space or move the spool directory",
                    space.free_bytes
                ),
            )
        })
    }

    /// Segments that may be rewritten; none, when rewriting has just proved to gain nothing.
    fn sealed(&self, rewriting_helps: bool) -> BTreeMap<u32, u64> {
        let tail = self.tail.as_ref().map(|tail| tail.number);
        self.segments
            .iter()
            .filter(|(segment, _)| rewriting_helps && Some(**segment) != tail)
            .map(|(&segment, &bytes)| (segment, bytes))
            .collect()
    }

    /// Holds what waits in memory to its bound.
    pub(super) fn relieve_memory(&mut self) {
        let most = self.setup.limits.memory_max_bytes;
        while self.memory_bytes() > most {
            let wanted = most / 4;
            let none = BTreeMap::new();
            let Some(step) = next_step(
                &self.inventory,
                &none,
                Scope::Memory,
                self.setup.boot,
                wanted.max(1),
            ) else {
                return;
            };
            self.apply(step);
        }
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Rewrite(segment) => self.lift(segment),
            Step::Merge(level_ms, groups) => {
                let mut dense = Accumulator::new();
                for keys in groups {
                    self.merge_group(&keys, level_ms, &mut dense);
                }
            }
            Step::Drop(keys) => {
                for key in keys {
                    let Some(item) = self.inventory.get(key) else {
                        continue;
                    };
                    let (first, time) = (item.first, (item.start_unix_ms, item.end_unix_ms));
                    self.counters.dropped += item.sequences();
                    self.bury(key, first, time, LossCause::QueueFull);
                }
            }
        }
    }

    /// Takes every item of a segment into memory, to be written again.
    fn lift(&mut self, segment: u32) {
        let keys: Vec<Key> = self
            .inventory
            .items()
            .filter(|(_, item)| item.segment() == Some(segment))
            .map(|(key, _)| key)
            .collect();
        for key in keys {
            match self.payload(key) {
                Ok(payload) => {
                    self.guarded.insert(segment);
                    self.unwritten.insert(key);
                    if let Some(item) = self.inventory.get_mut(key) {
                        item.place = Place::Memory(payload);
                    }
                }
                Err(Unread::Yet | Unread::Ever) => {}
            }
        }
    }

    fn merge_group(&mut self, keys: &[Key], level_ms: u32, dense: &mut Accumulator) {
        let mut reports: Vec<Report> = Vec::with_capacity(keys.len());
        for &key in keys {
            let Ok(payload) = self.payload(key) else {
                return self.never_merge(keys);
            };
            match decode_report(&payload) {
                Ok(report) => reports.push(report),
                Err(_) => {
                    self.lose(key);
                    return;
                }
            }
        }
        let Some(frame) = merge(&reports, level_ms, dense) else {
            return self.never_merge(keys);
        };
        let (Some(first), Some(last)) = (
            keys.first().and_then(|&key| self.inventory.get(key)),
            keys.last().and_then(|&key| self.inventory.get(key)),
        ) else {
            return;
        };
        let level = u64::from(level_ms);
        let start_unix_ms = last.start_unix_ms / level * level;
        let end_unix_ms = start_unix_ms + level;
        let Body::Report {
            manifest,
            boot,
            ended_at_ms,
        } = last.body
        else {
            return;
        };
        // The longer interval ended as long after the last short one as the wall clock's grid says.
        let ended_at_ms = ended_at_ms.saturating_add(end_unix_ms.saturating_sub(last.end_unix_ms));
        let merged = Item {
            first: first.first,
            last: last.last,
            start_unix_ms,
            end_unix_ms,
            body: Body::Report {
                manifest,
                boot,
                ended_at_ms,
            },
            place: Place::Memory(frame),
            offered: false,
            in_flight: false,
            failed_reads: 0,
        };
        self.counters.merged_away += keys.len() as u64;
        let epoch = keys[0].0;
        self.put(epoch, merged);
    }

    /// Keeps these from being tried over and over.
    fn never_merge(&mut self, keys: &[Key]) {
        for &key in keys {
            if let Some(item) = self.inventory.get_mut(key) {
                item.offered = true;
                self.counters.merge_refused += 1;
            }
        }
    }

    /// An item's payload, from wherever it is, held against its checksums.
    pub(super) fn payload(&mut self, key: Key) -> Result<Vec<u8>, Unread> {
        let Some(item) = self.inventory.get_mut(key) else {
            return Err(Unread::Ever);
        };
        let (segment, offset, length) = match &item.place {
            Place::Memory(payload) => return Ok(payload.clone()),
            Place::Disk {
                segment,
                offset,
                payload_bytes,
            } => (*segment, *offset, *payload_bytes),
        };
        let whole = HEADER_BYTES + length as usize;
        match self.disk.read(&segment_name(segment), u64::from(offset), whole) {
            Ok(bytes) => {
                let good = read_exactly(&bytes).filter(|(header, _)| {
                    (header.epoch, header.first, header.last) == (key.0, item.first, item.last)
                });
                if let Some((_, payload)) = good {
                    return Ok(payload.to_vec());
                }
                self.lose(key);
                Err(Unread::Ever)
            }
            Err(_) => {
                self.counters.read_failures += 1;
                item.failed_reads = item.failed_reads.saturating_add(1);
                if item.failed_reads < MAX_FAILED_READS {
                    return Err(Unread::Yet);
                }
                self.lose(key);
                Err(Unread::Ever)
            }
        }
    }

    /// What stood here is damaged: a tombstone says so.
    pub(super) fn lose(&mut self, key: Key) {
        let Some(item) = self.inventory.get(key) else {
            return;
        };
        let (first, time) = (item.first, (item.start_unix_ms, item.end_unix_ms));
        self.counters.corrupt += item.sequences();
        self.bury(key, first, time, LossCause::Corrupt);
    }
}
