//! From segments, whatever became of them, to an inventory: what is pending, what is settled, what was lost. Reads only, so
//! that `spool check` is the same code; never fails, because an agent that does not start measures nothing.
//!
//! Records are taken in the order in which they were written: a later one replaces what it covers, and what is settled stays
//! settled. Then every sequence that was issued and that nothing accounts for is lost, and gets a tombstone. That is why no
//! kind of damage needs a case of its own.

use std::collections::BTreeMap;

use azimuth_measurement::{AgentId, LossCause};
use serde::Serialize;

use super::disk::Disk;
use super::inventory::{Body, Epoch, Inventory, Item, Place};
use super::ranges::Ranges;
use super::record::{Finding, Findings, Header, Kind, MARKER};

/// Longest file read as a segment; ours stay below 2 MiB.
const MAX_SEGMENT_BYTES: u64 = 8 * 1024 * 1024;
/// A file without one good record, no longer than this, that begins as a segment begins or is all zero, is a segment whose
/// first write was cut short; anything else without a good record is set aside as evidence.
const MAX_STILLBORN_BYTES: usize = 16 * 1024;
/// Length of an interval assumed where a lost one has no known neighbour.
const ASSUMED_INTERVAL_MS: u64 = 10_000;
/// No gap is guessed to be longer than a year.
const MOST_ASSUMED_MS: u64 = 365 * 86_400_000;

/// Sequences, epochs and times from here on are nobody's: a checksum may hold by accident or by malice, and what follows
/// adds to these numbers. Far above ten thousand years of milliseconds.
pub(crate) const NOBODYS: u64 = 1 << 53;

/// What was found in the directory. Of what was damaged, nothing is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Recovery {
    /// Every segment, oldest first.
    pub segments: Vec<SegmentFindings>,
    /// Files that held nothing readable, by their name before they were set aside.
    pub set_aside: Vec<String>,
    /// Records whose header or payload was damaged.
    pub bad_records: u64,
    /// Segments that end within a record.
    pub torn_tails: u64,
    /// Records that contradict others and were not taken.
    pub contradictions: u64,
    /// Sequences issued that nothing accounts for; each range gets a tombstone.
    pub lost: Vec<LostRange>,
    /// Whether the last agent closed the spool in order.
    pub closed_in_order: bool,
    /// Why the directory could not be listed, if so.
    pub unreadable: Option<String>,
}

/// One segment as found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SegmentFindings {
    /// File name.
    pub name: String,
    /// Length in bytes.
    pub bytes: u64,
    /// Good records.
    pub records: u64,
    /// Records whose header or payload was damaged.
    pub bad_records: u64,
    /// Bytes after the last whole record.
    pub torn_bytes: u64,
    /// Reports and tombstones in it that the collector has not settled.
    pub pending: u64,
}

/// Sequences that were issued and are neither settled nor here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LostRange {
    /// The sequence space.
    pub epoch: u64,
    /// First sequence lost.
    pub first_sequence: u64,
    /// Last sequence lost.
    pub last_sequence: u64,
}

impl Recovery {
    /// Whether anything at all was damaged or lost.
    pub fn damaged(&self) -> bool {
        self.bad_records + self.torn_tails + self.contradictions > 0
            || !self.set_aside.is_empty()
            || !self.lost.is_empty()
            || self.unreadable.is_some()
    }
}

/// Everything a spool starts from.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    pub(crate) inventory: Inventory,
    pub(crate) manifests: BTreeMap<u64, Vec<u8>>,
    /// Length of every readable segment.
    pub(crate) segments: BTreeMap<u32, u64>,
    /// Above every number in use, also of files set aside.
    pub(crate) next_segment: u32,
    /// Segments with nothing in them, to be removed.
    pub(crate) stillborn: Vec<u32>,
    /// Bytes of files set aside, now or before.
    pub(crate) set_aside: BTreeMap<String, u64>,
    /// The closing record, if it is the very last and nothing is damaged: what it says is proven.
    pub(crate) closed: Option<Closed>,
    pub(crate) report: Recovery,
}

/// An orderly end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Closed {
    pub(crate) epoch: u64,
    pub(crate) boot: u64,
    pub(crate) place: u64,
    /// Sequences never handed to the network.
    pub(crate) unsent: Ranges,
}

/// Name of a segment.
pub(crate) fn segment_name(number: u32) -> String {
    format!("{number:010}.seg")
}

/// Name of a segment that was set aside.
pub(crate) fn set_aside_name(name: &str) -> String {
    format!("{}.bad", name.trim_end_matches(".seg"))
}

fn number_of(name: &str) -> Option<(u32, bool)> {
    let (digits, ending) = name.split_once('.')?;
    let number = digits.parse().ok().filter(|_| digits.len() == 10)?;
    match ending {
        "seg" => Some((number, true)),
        "bad" => Some((number, false)),
        _ => None,
    }
}

/// Reads the directory. `agent` stands in where no record says whose epoch it is.
pub(crate) fn recover(disk: &dyn Disk, agent: &AgentId) -> Recovered {
    let mut found = Recovered::default();
    let names = match disk.list() {
        Ok(names) => names,
        Err(error) => {
            found.report.unreadable = Some(error.to_string());
            Vec::new()
        }
    };
    let mut numbers = Vec::new();
    for name in names {
        let Some((number, segment)) = number_of(&name) else {
            continue;
        };
        found.next_segment = found.next_segment.max(number.saturating_add(1));
        if segment {
            numbers.push(number);
        } else {
            let bytes = disk.length(&name).unwrap_or(0);
            found.set_aside.insert(name, bytes);
        }
    }
    numbers.sort_unstable();
    let mut reading = Reading {
        agent,
        seen: BTreeMap::new(),
        guessed: Vec::new(),
        last: None,
        found,
    };
    for number in numbers {
        let name = segment_name(number);
        let read = disk.length(&name).and_then(|bytes| {
            if bytes > MAX_SEGMENT_BYTES {
                return Err(std::io::ErrorKind::FileTooLarge.into());
            }
            disk.read(&name, 0, usize::try_from(bytes).unwrap_or(usize::MAX))
        });
        match read {
            Ok(bytes) => reading.segment(number, &bytes),
            Err(_) => reading.found.report.set_aside.push(name),
        }
    }
    reading.finish()
}

struct Reading<'a> {
    agent: &'a AgentId,
    /// When the sequences of every report heard of were measured: (epoch, last) to (first, start, end).
    seen: BTreeMap<(u64, u64), (u64, u64, u64)>,
    /// (epoch, sequence) of torn writes that were going to be reports.
    guessed: Vec<(u64, u64)>,
    last: Option<(Header, Ranges)>,
    found: Recovered,
}

impl Reading<'_> {
    fn segment(&mut self, number: u32, bytes: &[u8]) {
        let mut findings = SegmentFindings {
            name: segment_name(number),
            bytes: bytes.len() as u64,
            ..SegmentFindings::default()
        };
        // The epoch and sequence that the segment had come to, for a torn write that does not say.
        let mut at: Option<(u64, u64)> = None;
        self.last = None;
        let mut torn = None;
        for finding in Findings::of(bytes) {
            match finding {
                Finding::Record { header, .. } | Finding::BadPayload { header } if !plausible(&header) => {
                    self.found.report.contradictions += 1;
                }
                Finding::Record {
                    offset,
                    header,
                    payload,
                } => {
                    findings.records += 1;
                    match header.kind {
                        Kind::Report | Kind::Mark => at = Some((header.epoch, header.last)),
                        // Issued may be more than written yet; what is missing of that is missed anyway.
                        Kind::Standing => at = None,
                        Kind::Manifest | Kind::Tombstone | Kind::Closed => {}
                    }
                    self.record(number, offset, &header, payload);
                    self.last = (header.kind == Kind::Closed).then(|| (header, Ranges::read_from(payload)));
                }
                Finding::BadPayload { header } => {
                    findings.bad_records += 1;
                    self.heard_of(&header);
                }
                Finding::BadBytes => findings.bad_records += 1,
                Finding::TornTail {
                    bytes,
                    header,
                    report,
                } => torn = Some((bytes, header, report)),
            }
        }
        if findings.records == 0 {
            let stillborn = bytes.len() <= MAX_STILLBORN_BYTES
                && (bytes.iter().all(|&byte| byte == 0)
                    || bytes.iter().zip(MARKER).all(|(byte, mark)| *byte == mark));
            if stillborn {
                self.found.stillborn.push(number);
            } else {
                self.found.report.set_aside.push(findings.name);
            }
            return;
        }
        if let Some((bytes, header, report)) = torn {
            findings.torn_bytes = bytes as u64;
            self.found.report.torn_tails += 1;
            match (header, at) {
                (Some(header), _) if plausible(&header) => self.heard_of(&header),
                (None, Some((epoch, sequence))) if report && sequence + 1 < NOBODYS => {
                    self.guessed.push((epoch, sequence + 1));
                }
                _ => {}
            }
        }
        self.found.report.bad_records += findings.bad_records;
        self.found.segments.insert(number, findings.bytes);
        self.found.report.segments.push(findings);
    }

    fn epoch(&mut self, epoch: u64) -> &mut Epoch {
        self.found
            .inventory
            .epochs
            .entry(epoch)
            .or_insert_with(|| Epoch::new(self.agent.clone()))
    }

    /// A header vouches that its sequences were issued, even when the payload is gone.
    fn heard_of(&mut self, header: &Header) {
        if !matches!(
            header.kind,
            Kind::Report | Kind::Tombstone | Kind::Mark | Kind::Standing
        ) {
            return;
        }
        let space = self.epoch(header.epoch);
        space.issued = space.issued.max(header.last);
        // An item keeps its own time; what is noted here is for sequences without one, and so is little.
        if header.end_unix_ms > header.start_unix_ms && !space.items.contains_key(&header.last) {
            let first = if header.kind == Kind::Report {
                header.first
            } else {
                header.last
            };
            self.seen.entry((header.epoch, header.last)).or_insert((
                first,
                header.start_unix_ms,
                header.end_unix_ms,
            ));
        }
    }

    fn record(&mut self, segment: u32, offset: usize, header: &Header, payload: &[u8]) {
        if !matches!(header.kind, Kind::Report | Kind::Tombstone) {
            self.heard_of(header);
        }
        let body = match header.kind {
            Kind::Manifest => {
                self.found.manifests.insert(header.detail, payload.to_vec());
                return;
            }
            Kind::Standing => {
                let (agent, ranges) = read_standing(payload);
                let space = self.epoch(header.epoch);
                space.settled.extend(&ranges);
                if let Some(agent) = agent {
                    space.agent = agent;
                }
                return;
            }
            Kind::Mark => {
                self.epoch(header.epoch)
                    .settled
                    .extend(&Ranges::read_from(payload));
                return;
            }
            Kind::Closed => return,
            Kind::Report => Body::Report {
                manifest: header.detail,
                boot: header.boot,
                ended_at_ms: header.ended_at_ms,
            },
            Kind::Tombstone => Body::Tombstone {
                cause: LossCause::from_wire(header.detail).unwrap_or(LossCause::Corrupt),
            },
        };
        let item = Item {
            first: header.first,
            last: header.last,
            start_unix_ms: header.start_unix_ms,
            end_unix_ms: header.end_unix_ms,
            body,
            place: Place::Disk {
                segment,
                // Segments are at most 8 MiB.
                offset: offset as u32,
                payload_bytes: payload.len() as u32,
            },
            // What the agent before did with it is known only when it closed in order.
            offered: true,
            in_flight: false,
            failed_reads: 0,
        };
        if self.epoch(header.epoch).insert(item).is_err() {
            self.heard_of(header);
            self.found.report.contradictions += 1;
        }
    }

    fn finish(mut self) -> Recovered {
        for (epoch, sequence) in std::mem::take(&mut self.guessed) {
            let space = self.epoch(epoch);
            space.issued = space.issued.max(sequence);
        }
        for (&epoch, space) in &mut self.found.inventory.epochs {
            let settled = &space.settled;
            space
                .items
                .retain(|_, item| !settled.covers(item.first, item.last));
            for (first, last) in space.lost() {
                let time = time_of(&self.seen, space, epoch, first, last);
                space.bury(first, last, time, LossCause::Corrupt);
                self.found.report.lost.push(LostRange {
                    epoch,
                    first_sequence: first,
                    last_sequence: last,
                });
            }
        }
        let mut pending: BTreeMap<u32, u64> = BTreeMap::new();
        for (_, item) in self.found.inventory.items() {
            if let Some(segment) = item.segment() {
                *pending.entry(segment).or_default() += 1;
            }
        }
        for findings in &mut self.found.report.segments {
            let number = number_of(&findings.name).map(|(number, _)| number);
            findings.pending = number
                .and_then(|number| pending.get(&number).copied())
                .unwrap_or(0);
        }
        if let Some((header, unsent)) = self.last
            && !self.found.report.damaged()
        {
            self.found.report.closed_in_order = true;
            self.found.closed = Some(Closed {
                epoch: header.epoch,
                boot: header.boot,
                place: header.detail,
                unsent,
            });
        }
        self.found
    }
}

/// Whether a header whose checksum holds can be ours.
fn plausible(header: &Header) -> bool {
    let bounded = [
        header.epoch,
        header.first,
        header.last,
        header.start_unix_ms,
        header.end_unix_ms,
    ]
    .iter()
    .all(|&number| number < NOBODYS);
    let item = matches!(header.kind, Kind::Report | Kind::Tombstone);
    bounded
        && (!item
            || (1 <= header.first
                && header.first <= header.last
                && header.start_unix_ms < header.end_unix_ms))
}

/// When the lost sequences were measured: what is known of them, or else the time between their neighbours.
fn time_of(
    seen: &BTreeMap<(u64, u64), (u64, u64, u64)>,
    space: &Epoch,
    epoch: u64,
    first: u64,
    last: u64,
) -> (u64, u64) {
    let assumed_ms = (last - first)
        .saturating_add(1)
        .saturating_mul(ASSUMED_INTERVAL_MS)
        .min(MOST_ASSUMED_MS);
    let covering = |sequence: u64| {
        let (_, &known) = seen.range((epoch, sequence)..=(epoch, u64::MAX)).next()?;
        (known.0 <= sequence).then_some(known)
    };
    let before = space
        .items
        .range(..first)
        .next_back()
        .map(|(_, item)| item.end_unix_ms);
    let after = space
        .items
        .range(last..)
        .next()
        .map(|(_, item)| item.start_unix_ms);
    let start = covering(first).map(|known| known.1).or(before);
    let end = covering(last).map(|known| known.2).or(after);
    let (start, end) = match (start, end) {
        (Some(start), Some(end)) => (start, end.max(start + 1)),
        (Some(start), None) => (start, start.saturating_add(assumed_ms)),
        (None, Some(end)) => (end.saturating_sub(assumed_ms), end.max(1)),
        (None, None) => (epoch, epoch.saturating_add(assumed_ms)),
    };
    let end = end.clamp(1, NOBODYS - 1);
    (start.min(end - 1), end)
}

/// Payload of a standing record: agent id with its length before it, then the settled ranges.
pub(crate) fn write_standing(space: &Epoch) -> Vec<u8> {
    let agent = space.agent.as_str().as_bytes();
    // Agent ids are at most 63 bytes.
    let mut payload = vec![agent.len() as u8];
    payload.extend_from_slice(agent);
    space.settled.write_to(&mut payload);
    payload
}

fn read_standing(payload: &[u8]) -> (Option<AgentId>, Ranges) {
    let Some((&length, rest)) = payload.split_first() else {
        return (None, Ranges::default());
    };
    let Some((agent, ranges)) = rest.split_at_checked(usize::from(length)) else {
        return (None, Ranges::default());
    };
    let agent = std::str::from_utf8(agent)
        .ok()
        .and_then(|agent| agent.parse().ok());
    (agent, Ranges::read_from(ranges))
}

#[cfg(test)]
mod tests {
    use super::super::disk::NoDisk;
    use super::super::record::write;
    use super::*;

    /// Found by fuzzing: a torn write after the last number believed was taken for the next, which is not believed.
    #[test]
    fn nothing_is_claimed_that_would_not_be_believed_on_the_next_start() {
        let agent: AgentId = "paris-1".parse().unwrap();
        let mut header = Header::new(Kind::Report, 5);
        (header.first, header.last, header.end_unix_ms) = (1, NOBODYS - 1, 1);
        let mut bytes = Vec::new();
        write(&header, b"x", &mut bytes);
        bytes.extend_from_slice(b"AzSp\x03");
        let found = recover(&NoDisk::because(&std::io::ErrorKind::NotFound.into()), &agent);
        let mut reading = Reading {
            agent: &agent,
            seen: BTreeMap::new(),
            guessed: Vec::new(),
            last: None,
            found,
        };
        reading.segment(0, &bytes);
        let found = reading.finish();
        assert_eq!((found.report.torn_tails, found.report.lost), (1, vec![]));
        assert_eq!(found.inventory.epochs[&5].issued, NOBODYS - 1);
    }
}
