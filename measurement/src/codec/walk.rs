//! A report read where it lies: record by record into the reader's sums, nothing copied and nothing kept. For whoever merges
//! many stored reports at once. Not for bytes from outside: what was [decoded](super::decode_report) before it was stored,
//! and sealed since, is not held against itself again.
//!
//! Records in rows, as reports had them first, are not walked; such a report is decoded.

use super::columns::{COUNT_FIELDS, Column, NUMBER_FIELDS, SERIES_FIELD};
use super::protobuf::Fields;
use super::report::DELAY_FIELDS;
use super::{VERSION, frame, varint};
use crate::counts::COUNTERS;
use crate::histogram::{DelayHistogram, PROFILE};
use crate::interval::Interval;
use crate::method::StampClock;
use crate::series::ManifestId;

const RETURNED: usize = 1;
const REFUSED: usize = 5;
const DISCARDED: usize = 6;

/// The report has another form than is walked, its bytes are damaged, or a sum would overflow. Decoding it says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unwalkable;

/// What the walked records are added to. What was added before something fails stays.
pub trait Sums {
    /// Adds to the counter at this place of [`ProbeCounts::all`](crate::ProbeCounts::all); `None` when it would overflow.
    fn count(&mut self, place: usize, more: u64) -> Option<()>;

    /// Adds the histogram of `number` delays off the front of `bytes` and returns the rest; `None` when it cannot.
    fn delays<'b>(&mut self, clock: StampClock, number: u64, bytes: &'b [u8]) -> Option<&'b [u8]>;
}

/// Sums of nothing: what is added to them is passed over.
#[derive(Debug)]
pub struct PassedOver;

impl Sums for PassedOver {
    fn count(&mut self, _place: usize, _more: u64) -> Option<()> {
        Some(())
    }

    fn delays<'b>(&mut self, _clock: StampClock, number: u64, bytes: &'b [u8]) -> Option<&'b [u8]> {
        DelayHistogram::pass_over(bytes, number).ok()
    }
}

/// The plain bytes of a stored report's frame; `None` when they cannot be had.
pub fn inflate_report(frame: &[u8]) -> Option<Vec<u8>> {
    frame::decompress("report", frame).ok()
}

/// A report, and the record at which its reader stands.
#[derive(Debug)]
pub struct ReportWalk<'a> {
    manifest: ManifestId,
    interval: Interval,
    /// Position in the manifest of the series whose record is next.
    next: Option<u32>,
    /// Distances to those after it.
    series: &'a [u8],
    /// By place; those that are not 0 throughout.
    counters: Vec<(usize, Column<'a>)>,
    returned_given: bool,
    lanes: Vec<Lane<'a>>,
}

/// The delays by one clock.
#[derive(Debug)]
struct Lane<'a> {
    clock: StampClock,
    numbers: Column<'a>,
    delays: &'a [u8],
}

impl<'a> ReportWalk<'a> {
    /// Stands at the first record of a report's plain bytes.
    ///
    /// # Errors
    /// When it has another form than is walked.
    pub fn of(plain: &'a [u8]) -> Result<Self, Unwalkable> {
        let (mut version, mut profile, mut manifest) = (0, 0, 0);
        let (mut start_unix_ms, mut length_ms) = (0, 0);
        let mut columns = None;
        let mut fields = Fields::of(plain);
        while let Some((field, value)) = fields.next().map_err(|_| Unwalkable)? {
            match field {
                1 => version = value.number(field).map_err(|_| Unwalkable)?,
                2 => profile = value.number(field).map_err(|_| Unwalkable)?,
                6 => manifest = value.fixed64(field).map_err(|_| Unwalkable)?,
                7 => start_unix_ms = value.number(field).map_err(|_| Unwalkable)?,
                8 => {
                    length_ms = value
                        .number_u32(field, "interval length")
                        .map_err(|_| Unwalkable)?;
                }
                9 => return Err(Unwalkable),
                11 if columns.is_some() => return Err(Unwalkable),
                11 => columns = Some(value.bytes(field).map_err(|_| Unwalkable)?),
                _ => {}
            }
        }
        if (version, profile) != (VERSION, PROFILE) {
            return Err(Unwalkable);
        }
        let mut walk = Self {
            manifest: ManifestId(manifest),
            interval: Interval::new(start_unix_ms, length_ms).map_err(|_| Unwalkable)?,
            next: None,
            series: &[],
            counters: Vec::new(),
            returned_given: false,
            lanes: Vec::new(),
        };
        if let Some(columns) = columns {
            walk.read_columns(columns)?;
            walk.advance(0)?;
        }
        Ok(walk)
    }

    fn read_columns(&mut self, message: &'a [u8]) -> Result<(), Unwalkable> {
        let mut numbers = [None; StampClock::ALL.len()];
        let mut delays: [&[u8]; StampClock::ALL.len()] = [&[]; StampClock::ALL.len()];
        let mut fields = Fields::of(message);
        while let Some((field, value)) = fields.next().map_err(|_| Unwalkable)? {
            if let Some(place) = COUNT_FIELDS.iter().position(|of| *of == field) {
                let column = value.bytes(field).and_then(|bytes| Column::of(field, bytes));
                self.counters.retain(|(other, _)| *other != place);
                self.counters.push((place, column.map_err(|_| Unwalkable)?));
                self.returned_given |= place == RETURNED;
                continue;
            }
            match field {
                SERIES_FIELD => self.series = value.bytes(field).map_err(|_| Unwalkable)?,
                13..=16 => {
                    delays[(field - DELAY_FIELDS) as usize] = value.bytes(field).map_err(|_| Unwalkable)?;
                }
                18..=21 => {
                    let column = value.bytes(field).and_then(|bytes| Column::of(field, bytes));
                    numbers[(field - NUMBER_FIELDS) as usize] = Some(column.map_err(|_| Unwalkable)?);
                }
                _ => {}
            }
        }
        for ((&clock, numbers), delays) in StampClock::ALL.iter().zip(numbers).zip(delays) {
            match numbers {
                Some(numbers) => self.lanes.push(Lane {
                    clock,
                    numbers,
                    delays,
                }),
                None if delays.is_empty() => {}
                None => return Err(Unwalkable),
            }
        }
        Ok(())
    }

    /// The manifest whose series the records name.
    pub fn manifest(&self) -> ManifestId {
        self.manifest
    }

    /// Length of the interval, in milliseconds.
    pub fn length_ms(&self) -> u32 {
        self.interval.length_ms()
    }

    /// Position in the manifest of the series whose record is next; `None` after the last.
    pub fn next_series(&self) -> Option<u32> {
        self.next
    }

    /// Adds the record that is next to `sums` and goes on to the one after it.
    ///
    /// # Errors
    /// When it cannot be read or added; it may have been added in part.
    pub fn add_next(&mut self, sums: &mut impl Sums) -> Result<(), Unwalkable> {
        let Some(series) = self.next else { return Ok(()) };
        let mut follows = 0_u64;
        for (place, column) in &mut self.counters {
            let count = column.next().map_err(|_| Unwalkable)?;
            if count > 0 {
                sums.count(*place, count).ok_or(Unwalkable)?;
                if matches!(*place, REFUSED | DISCARDED) {
                    follows = follows.saturating_add(count);
                }
            }
        }
        for lane in &mut self.lanes {
            let number = lane.numbers.next().map_err(|_| Unwalkable)?;
            if number > 0 {
                follows = follows.saturating_add(number);
                lane.delays = sums.delays(lane.clock, number, lane.delays).ok_or(Unwalkable)?;
            }
        }
        if !self.returned_given && follows > 0 {
            sums.count(RETURNED, follows).ok_or(Unwalkable)?;
        }
        self.advance(series)
    }

    fn advance(&mut self, from: u32) -> Result<(), Unwalkable> {
        if self.series.is_empty() {
            self.next = None;
            let whole = self.counters.iter().all(|(_, column)| column.is_read())
                && self
                    .lanes
                    .iter()
                    .all(|lane| lane.numbers.is_read() && lane.delays.is_empty());
            return if whole { Ok(()) } else { Err(Unwalkable) };
        }
        let (distance, rest) = varint::read(self.series).map_err(|_| Unwalkable)?;
        self.series = rest;
        let next = u64::from(from).saturating_add(distance);
        self.next = Some(u32::try_from(next).map_err(|_| Unwalkable)?);
        Ok(())
    }
}

const _: () = assert!(COUNT_FIELDS.len() == COUNTERS);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::report::{decode_report, encode_plain, encode_report};
    use super::*;
    use crate::histogram::Accumulator;
    use crate::report::{AgentHealth, Report, SeriesRecord};
    use crate::{AgentId, ProbeCounts};

    #[derive(Default)]
    struct Seen {
        counts: [u64; COUNTERS],
        delays: Vec<(StampClock, DelayHistogram)>,
    }

    impl Sums for Seen {
        fn count(&mut self, place: usize, more: u64) -> Option<()> {
            self.counts[place] = self.counts[place].checked_add(more)?;
            Some(())
        }

        fn delays<'b>(&mut self, clock: StampClock, number: u64, bytes: &'b [u8]) -> Option<&'b [u8]> {
            let mut accumulator = Accumulator::new();
            let rest = accumulator.add_front(bytes, number).ok()?;
            assert_eq!(DelayHistogram::pass_over(bytes, number), Ok(rest));
            self.delays.push((clock, accumulator.to_histogram().ok()?));
            Some(rest)
        }
    }

    /// Every record, as a walk finds it.
    fn walked(plain: &[u8]) -> Result<Vec<SeriesRecord>, Unwalkable> {
        let mut walk = ReportWalk::of(plain)?;
        let mut records = Vec::new();
        while let Some(series) = walk.next_series() {
            let mut seen = Seen::default();
            walk.add_next(&mut seen)?;
            records.push(SeriesRecord {
                series,
                counts: ProbeCounts::from_all(seen.counts),
                delays: seen.delays,
            });
        }
        Ok(records)
    }

    fn record() -> impl Strategy<Value = SeriesRecord> {
        let delays = || prop::collection::vec(prop_oneof![4 => 300_u32..900, 1 => 1_u32..60_000_000], 0..40);
        (1_u32..4, delays(), delays(), 0_u64..3, 0_u64..3, 0_u64..300).prop_map(
            |(series, mut kernel, mut user, refused, discarded, skipped)| {
                let returned = (kernel.len() + user.len()) as u64 + refused + discarded;
                let histograms = [(StampClock::Kernel, &mut kernel), (StampClock::User, &mut user)];
                let histograms =
                    histograms.map(|(clock, delays)| (clock, DelayHistogram::from_values_us(delays)));
                SeriesRecord {
                    series,
                    counts: ProbeCounts {
                        sent: returned + 2,
                        returned,
                        refused,
                        discarded,
                        skipped,
                        lost_back: skipped % 2,
                        ..ProbeCounts::default()
                    },
                    delays: histograms
                        .into_iter()
                        .filter(|(_, histogram)| !histogram.is_empty())
                        .collect(),
                }
            },
        )
    }

    fn report(mut records: Vec<SeriesRecord>) -> Report {
        let mut position = 0;
        for record in &mut records {
            position += record.series;
            record.series = position;
        }
        Report {
            agent: "a".parse::<AgentId>().unwrap(),
            epoch: 1,
            sequence: 7,
            manifest: ManifestId(99),
            interval: Interval::new(1_795_428_000_000, 10_000).unwrap(),
            records,
            health: AgentHealth::default(),
            paths: Vec::new(),
            throughput: Vec::new(),
        }
    }

    proptest! {
        #[test]
        fn a_walk_meets_what_decoding_finds(records in prop::collection::vec(record(), 0..30)) {
            let report = report(records);
            let frame = encode_report(&report);
            let plain = inflate_report(&frame).unwrap();
            prop_assert_eq!(walked(&plain), Ok(decode_report(&frame).unwrap().records));
            let mut walk = ReportWalk::of(&plain).unwrap();
            prop_assert_eq!((walk.manifest(), walk.length_ms()), (report.manifest, 10_000));
            let mut passed = 0;
            while walk.next_series().is_some() {
                walk.add_next(&mut PassedOver).unwrap();
                passed += 1;
            }
            prop_assert_eq!(passed, report.records.len());
        }

        /// Damaged bytes end a walk; they never make it panic or run on.
        #[test]
        fn damaged_bytes_end_a_walk(
            records in prop::collection::vec(record(), 1..6), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()
        ) {
            let mut plain = encode_plain(&report(records));
            let at = at.index(plain.len());
            if cut { plain.truncate(at) } else { plain[at] = byte }
            let _ = walked(&plain);
        }
    }

    #[test]
    fn rows_are_not_walked() {
        let mut plain = encode_plain(&report(Vec::new()));
        assert_eq!(walked(&plain), Ok(Vec::new()));
        plain.extend([9 << 3 | 2, 2, 1 << 3, 4]);
        assert_eq!(walked(&plain), Err(Unwalkable), "a record of series 4 in a row");
    }
}
