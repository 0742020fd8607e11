//! A chunk: what one series saw in one stretch of time, entry by entry, in columns. Pure; no files, no compression.
//!
//! Columns rather than rows, because a counter hardly changes from one interval to the next while a histogram does: beside
//! each other they compress to a few bytes an hour. Each column carries its tag and its length, and a reader passes over
//! tags it does not know, so that a later release may add one.
//!
//! ```text
//! entries | tag, length, bytes | tag, length, bytes | ...        numbers are minimal LEB128
//! tag 1   starts: the first in unix ms, then the distance to the one before
//! tag 2   clocks: one byte an entry, bit n set when there is a histogram of the clock with wire number n + 1
//! tag 3   lengths of the histograms in bytes, entry by entry, best clock first
//! tag 4   the histograms' bytes, one after the other
//! tag 16+ counter n of `ProbeCounts::all`: byte 0 and one number when constant, byte 1 and a number an entry when not;
//!         absent when always 0
//! ```

use azimuth_measurement::codec::varint;
use azimuth_measurement::counts::COUNTERS;
use azimuth_measurement::{DelayHistogram, ProbeCounts, StampClock};

/// Tags of the columns.
const STARTS: u64 = 1;
const CLOCKS: u64 = 2;
const LENGTHS: u64 = 3;
const HISTOGRAMS: u64 = 4;
const FIRST_COUNTER: u64 = 16;

/// What one series saw in one interval or unit.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::store::embedded) struct Entry {
    pub(in crate::store::embedded) start_unix_ms: u64,
    pub(in crate::store::embedded) counts: ProbeCounts,
    /// One histogram per clock, best clock first.
    pub(in crate::store::embedded) delays: Vec<(StampClock, DelayHistogram)>,
}

/// The bytes are not a chunk. They had a checksum, so this is a defect or a later release, not a flipped bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a chunk is not in the form this release reads")]
pub(in crate::store::embedded) struct NotAChunk;

/// Collects entries in ascending order of start and encodes them.
#[derive(Debug, Default)]
pub(in crate::store::embedded) struct ChunkBuilder {
    entries: u64,
    last_start_unix_ms: u64,
    starts: Vec<u8>,
    clocks: Vec<u8>,
    lengths: Vec<u8>,
    histograms: Vec<u8>,
    counters: [CounterColumn; COUNTERS],
}

#[derive(Debug, Default)]
struct CounterColumn {
    first: u64,
    /// Filled once a value differs from the first.
    values: Vec<u8>,
}

impl CounterColumn {
    fn push(&mut self, value: u64, entries_before: u64) {
        if entries_before == 0 {
            self.first = value;
        } else if value != self.first && self.values.is_empty() {
            (0..entries_before).for_each(|_| varint::write(&mut self.values, self.first));
            varint::write(&mut self.values, value);
        } else if !self.values.is_empty() {
            varint::write(&mut self.values, value);
        }
    }

    fn encode(&self) -> Option<Vec<u8>> {
        if !self.values.is_empty() {
            return Some([&[1], self.values.as_slice()].concat());
        }
        (self.first != 0).then(|| {
            let mut bytes = vec![0];
            varint::write(&mut bytes, self.first);
            bytes
        })
    }
}

impl ChunkBuilder {
    /// Adds an entry that starts no earlier than the one before.
    pub(in crate::store::embedded) fn push(&mut self, entry: &Entry) {
        let distance = entry.start_unix_ms.saturating_sub(self.last_start_unix_ms);
        varint::write(&mut self.starts, distance);
        self.last_start_unix_ms = entry.start_unix_ms;
        let mut clocks = 0;
        for (clock, histogram) in &entry.delays {
            clocks |= clock_bit(*clock);
            varint::write(&mut self.lengths, histogram.as_bytes().len() as u64);
            self.histograms.extend(histogram.as_bytes());
        }
        self.clocks.push(clocks);
        for (column, value) in self.counters.iter_mut().zip(entry.counts.all()) {
            column.push(value, self.entries);
        }
        self.entries += 1;
    }

    /// Whether nothing was added.
    pub(in crate::store::embedded) fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Entries added.
    pub(in crate::store::embedded) fn entries(&self) -> u64 {
        self.entries
    }

    /// The chunk.
    pub(in crate::store::embedded) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64 + self.starts.len() + self.histograms.len());
        varint::write(&mut bytes, self.entries);
        let mut column = |tag: u64, content: &[u8]| {
            varint::write(&mut bytes, tag);
            varint::write(&mut bytes, content.len() as u64);
            bytes.extend(content);
        };
        column(STARTS, &self.starts);
        column(CLOCKS, &self.clocks);
        column(LENGTHS, &self.lengths);
        column(HISTOGRAMS, &self.histograms);
        for (tag, counter) in (FIRST_COUNTER..).zip(&self.counters) {
            if let Some(content) = counter.encode() {
                column(tag, &content);
            }
        }
        bytes
    }
}

fn clock_bit(clock: StampClock) -> u8 {
    1 << (clock.wire() - 1)
}

/// Reads a chunk entry by entry. Ends after a damaged entry.
#[derive(Debug)]
pub(in crate::store::embedded) struct ChunkReader {
    bytes: Vec<u8>,
    left: u64,
    last_start_unix_ms: u64,
    starts: Cursor,
    clocks: Cursor,
    lengths: Cursor,
    histograms: Cursor,
    counters: [CounterCursor; COUNTERS],
}

/// A place in the chunk's bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Cursor {
    at: usize,
    end: usize,
}

#[derive(Debug, Clone, Copy)]
enum CounterCursor {
    Constant(u64),
    Each(Cursor),
}

impl Cursor {
    fn number(&mut self, bytes: &[u8]) -> Result<u64, NotAChunk> {
        let column = bytes.get(self.at..self.end).ok_or(NotAChunk)?;
        let (number, rest) = varint::read(column).map_err(|_| NotAChunk)?;
        self.at = self.end - rest.len();
        Ok(number)
    }

    fn take<'a>(&mut self, bytes: &'a [u8], length: u64) -> Result<&'a [u8], NotAChunk> {
        let length = usize::try_from(length).map_err(|_| NotAChunk)?;
        let end = self
            .at
            .checked_add(length)
            .filter(|end| *end <= self.end)
            .ok_or(NotAChunk)?;
        let taken = bytes.get(self.at..end).ok_or(NotAChunk)?;
        self.at = end;
        Ok(taken)
    }
}

impl ChunkReader {
    /// A reader at its end, to give back the memory of one that is.
    pub(in crate::store::embedded) fn empty() -> Self {
        Self {
            bytes: Vec::new(),
            left: 0,
            last_start_unix_ms: 0,
            starts: Cursor::default(),
            clocks: Cursor::default(),
            lengths: Cursor::default(),
            histograms: Cursor::default(),
            counters: [CounterCursor::Constant(0); COUNTERS],
        }
    }

    /// Finds the columns.
    ///
    /// # Errors
    /// When the bytes are not a chunk.
    pub(in crate::store::embedded) fn new(bytes: Vec<u8>) -> Result<Self, NotAChunk> {
        let mut all = Cursor {
            at: 0,
            end: bytes.len(),
        };
        let mut reader = Self::empty();
        reader.left = all.number(&bytes)?;
        while all.at < all.end {
            let tag = all.number(&bytes)?;
            let length = all.number(&bytes)?;
            let at = all.at;
            all.take(&bytes, length)?;
            let column = Cursor { at, end: all.at };
            match tag {
                STARTS => reader.starts = column,
                CLOCKS => reader.clocks = column,
                LENGTHS => reader.lengths = column,
                HISTOGRAMS => reader.histograms = column,
                _ => {
                    let counter = tag
                        .checked_sub(FIRST_COUNTER)
                        .and_then(|number| reader.counters.get_mut(usize::try_from(number).ok()?));
                    if let Some(counter) = counter {
                        *counter = CounterCursor::of(column, &bytes)?;
                    }
                }
            }
        }
        reader.bytes = bytes;
        Ok(reader)
    }

    fn read(&mut self) -> Result<Entry, NotAChunk> {
        let bytes = &self.bytes;
        let distance = self.starts.number(bytes)?;
        let start_unix_ms = self.last_start_unix_ms.checked_add(distance).ok_or(NotAChunk)?;
        let &[clocks] = self.clocks.take(bytes, 1)? else {
            return Err(NotAChunk);
        };
        let mut delays = Vec::with_capacity(clocks.count_ones() as usize);
        for &clock in StampClock::ALL {
            if clocks & clock_bit(clock) != 0 {
                let length = self.lengths.number(bytes)?;
                let histogram = DelayHistogram::from_bytes(self.histograms.take(bytes, length)?)
                    .map_err(|_| NotAChunk)?;
                delays.push((clock, histogram));
            }
        }
        let mut all = [0; COUNTERS];
        for (value, counter) in all.iter_mut().zip(&mut self.counters) {
            *value = match counter {
                CounterCursor::Constant(value) => *value,
                CounterCursor::Each(cursor) => cursor.number(bytes)?,
            };
        }
        self.last_start_unix_ms = start_unix_ms;
        Ok(Entry {
            start_unix_ms,
            counts: ProbeCounts::from_all(all),
            delays,
        })
    }
}

impl CounterCursor {
    fn of(mut column: Cursor, bytes: &[u8]) -> Result<Self, NotAChunk> {
        match column.take(bytes, 1)? {
            [0] => Ok(Self::Constant(column.number(bytes)?)),
            [1] => Ok(Self::Each(column)),
            _ => Err(NotAChunk),
        }
    }
}

impl Iterator for ChunkReader {
    type Item = Result<Entry, NotAChunk>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let read = self.read();
        if read.is_err() {
            self.left = 0;
        }
        Some(read)
    }
}

#[cfg(test)]
pub(in crate::store::embedded) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Entries with ascending starts, some counters, and delays by some of the clocks.
    pub(in crate::store::embedded) fn entries() -> impl Strategy<Value = Vec<Entry>> {
        let delays = prop::collection::vec(1_u32..90_000, 0..20);
        let entry = (1_u64..30_000, 0_u64..3, 0_u64..2, [delays.clone(), delays]);
        prop::collection::vec(entry, 0..40).prop_map(|rows| {
            let mut start_unix_ms = 1_795_428_000_000;
            rows.into_iter()
                .map(|(distance, lost, skipped, [kernel, user])| {
                    start_unix_ms += distance;
                    let returned = (kernel.len() + user.len()) as u64;
                    let delays = [(StampClock::Kernel, kernel), (StampClock::User, user)];
                    Entry {
                        start_unix_ms,
                        counts: ProbeCounts {
                            sent: returned + lost,
                            returned,
                            skipped,
                            ..ProbeCounts::default()
                        },
                        delays: delays
                            .into_iter()
                            .filter(|(_, delays)| !delays.is_empty())
                            .map(|(clock, mut delays)| (clock, DelayHistogram::from_values_us(&mut delays)))
                            .collect(),
                    }
                })
                .collect()
        })
    }

    fn encode(entries: &[Entry]) -> Vec<u8> {
        let mut builder = ChunkBuilder::default();
        entries.iter().for_each(|entry| builder.push(entry));
        builder.encode()
    }

    proptest! {
        #[test]
        fn entries_round_trip(entries in entries()) {
            let read: Result<Vec<Entry>, NotAChunk> = ChunkReader::new(encode(&entries)).expect("a chunk").collect();
            prop_assert_eq!(read, Ok(entries));
        }

        #[test]
        fn other_bytes_are_refused_or_read_but_never_panic(entries in entries(), at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
            let mut bytes = encode(&entries);
            let length = bytes.len();
            bytes[at.index(length)] = byte;
            bytes.truncate(cut.index(length) + 1);
            if let Ok(reader) = ChunkReader::new(bytes) {
                let _ = reader.take(1_000).count();
            }
        }
    }

    #[test]
    fn a_column_of_a_later_release_is_passed_over() {
        let entry = Entry {
            start_unix_ms: 7,
            counts: ProbeCounts {
                sent: 1,
                ..ProbeCounts::default()
            },
            delays: Vec::new(),
        };
        let mut bytes = encode(std::slice::from_ref(&entry));
        for (tag, content) in [(9_u64, b"new".as_slice()), (900, b"newer")] {
            varint::write(&mut bytes, tag);
            varint::write(&mut bytes, content.len() as u64);
            bytes.extend(content);
        }
        assert_eq!(ChunkReader::new(bytes).expect("a chunk").next(), Some(Ok(entry)));
    }

    #[test]
    fn a_quiet_hour_of_counters_costs_a_few_bytes() {
        let entries: Vec<Entry> = (0..360)
            .map(|slot| Entry {
                start_unix_ms: slot * 10_000,
                counts: ProbeCounts {
                    sent: 10,
                    returned: 10,
                    ..ProbeCounts::default()
                },
                delays: Vec::new(),
            })
            .collect();
        let compressed = zstd::bulk::compress(&encode(&entries), 3).expect("fits in memory");
        assert!(compressed.len() < 64, "{} bytes", compressed.len());
    }
}
