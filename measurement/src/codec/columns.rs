//! The records of a report as columns: all series, then each counter, then per clock how many delays each record has and
//! all their entries. zstd makes much of a row of like numbers and little of the same numbers between delays; at 30 delays
//! a record this saves a fifth of the wire. Not the report itself, and no storage form: a stored report stays as it came.
//!
//! Form: `message Columns` in `measurement/proto/azimuth.proto`.

use super::protobuf::{Fields, Writer};
use super::report::DELAY_FIELDS;
use super::{CodecError, varint};
use crate::counts::{COUNTERS, ProbeCounts};
use crate::histogram::DelayHistogram;
use crate::method::StampClock;
use crate::report::SeriesRecord;
use crate::series::MAX_SERIES;

pub(super) const SERIES_FIELD: u32 = 1;
/// Field numbers of the counters, in [`ProbeCounts`] order.
pub(super) const COUNT_FIELDS: [u32; COUNTERS] = [
    2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 17, 22, 23, 24, 25, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41,
    42, 43, 44, 45,
];
/// Field number of the column that says how many delays the first clock has; the others follow in clock order.
pub(super) const NUMBER_FIELDS: u32 = 18;
const CLOCKS: usize = StampClock::ALL.len();
/// Place of `returned` in [`COUNT_FIELDS`].
const RETURNED: usize = 1;

/// The message. Contradictory records are written as they are: it is the reader who refuses.
pub(super) fn encode(records: &[SeriesRecord]) -> Writer {
    let mut out = Writer::default();
    let mut column = Vec::new();
    let mut before = 0;
    for record in records {
        varint::write(&mut column, record.series.wrapping_sub(before).into());
        before = record.series;
    }
    out.bytes(SERIES_FIELD, &column);
    for (place, field) in COUNT_FIELDS.into_iter().enumerate() {
        let values = records.iter().map(|record| record.counts.all()[place]);
        if place == RETURNED {
            if records
                .iter()
                .any(|record| follows(record) != record.counts.returned)
            {
                fill(&mut column, values);
                out.bytes(field, &column);
            }
        } else if values.clone().any(|value| value != 0) {
            fill(&mut column, values);
            out.bytes(field, &column);
        }
    }
    for (&clock, at) in StampClock::ALL.iter().zip(0..) {
        let numbers = records
            .iter()
            .map(|record| by(record, clock).map_or(0, DelayHistogram::count));
        fill(&mut column, numbers);
        if column == [0] {
            continue;
        }
        out.bytes(NUMBER_FIELDS + at, &column);
        column.clear();
        for histogram in records.iter().filter_map(|record| by(record, clock)) {
            column.extend(histogram.as_bytes());
        }
        out.bytes(DELAY_FIELDS + at, &column);
    }
    out
}

/// One number if it is the same for every record, else one for each.
fn fill(column: &mut Vec<u8>, mut values: impl Iterator<Item = u64> + Clone) {
    column.clear();
    let rest = values.clone();
    let Some(first) = values.next() else { return };
    if values.all(|value| value == first) {
        varint::write(column, first);
    } else {
        rest.for_each(|value| varint::write(column, value));
    }
}

fn by(record: &SeriesRecord, clock: StampClock) -> Option<&DelayHistogram> {
    let (_, histogram) = record.delays.iter().find(|(by, _)| *by == clock)?;
    Some(histogram)
}

/// What `returned` must be, from all that is sent of the record, unless the record contradicts itself.
fn follows(record: &SeriesRecord) -> u64 {
    let clocks = StampClock::ALL.iter();
    let numbers = clocks.filter_map(|&clock| Some(by(record, clock)?.count()));
    let others = [record.counts.refused, record.counts.discarded];
    numbers.chain(others).fold(0, u64::saturating_add)
}

/// Appends the records of the message to `records`, each whole, but not yet held against itself.
pub(super) fn decode(message: &[u8], records: &mut Vec<SeriesRecord>) -> Result<(), CodecError> {
    let mut series: &[u8] = &[];
    let mut counters: [Column<'_>; COUNTERS] = [Column::ZEROS; COUNTERS];
    let mut returned_given = false;
    let mut numbers: [Column<'_>; CLOCKS] = [Column::ZEROS; CLOCKS];
    let mut delays: [&[u8]; CLOCKS] = [&[]; CLOCKS];
    let mut fields = Fields::of(message);
    while let Some((field, value)) = fields.next()? {
        match field {
            SERIES_FIELD => series = value.bytes(field)?,
            2..=12 => {
                let place = field as usize - 2;
                counters[place] = Column::of(field, value.bytes(field)?)?;
                returned_given |= place == RETURNED;
            }
            17 => counters[11] = Column::of(field, value.bytes(field)?)?,
            22..=25 => counters[field as usize - 10] = Column::of(field, value.bytes(field)?)?,
            30..=45 => counters[field as usize - 14] = Column::of(field, value.bytes(field)?)?,
            13..=16 => delays[(field - DELAY_FIELDS) as usize] = value.bytes(field)?,
            18..=21 => {
                numbers[(field - NUMBER_FIELDS) as usize] = Column::of(field, value.bytes(field)?)?;
            }
            _ => {}
        }
    }
    // Every varint has one last byte, below 0x80: so many records, known before there is memory for them.
    let arriving = series.iter().filter(|&&byte| byte < 0x80).count();
    if records.len() + arriving > MAX_SERIES {
        return Err(CodecError::TooMany {
            what: "records",
            limit: MAX_SERIES,
        });
    }
    records.reserve_exact(arriving);
    let mut position = 0_u64;
    while !series.is_empty() {
        let (distance, rest) = varint::read(series).map_err(|_| uneven(SERIES_FIELD))?;
        series = rest;
        position = position.saturating_add(distance);
        let series = u32::try_from(position).map_err(|_| CodecError::Value {
            what: "series",
            given: position,
        })?;
        let mut all = [0; COUNTERS];
        for (into, column) in all.iter_mut().zip(&mut counters) {
            *into = column.next()?;
        }
        records.push(SeriesRecord {
            series,
            counts: ProbeCounts::from_all(all),
            delays: take_delays(&mut numbers, &mut delays)?,
        });
        if !returned_given && let Some(record) = records.last_mut() {
            record.counts.returned = follows(record);
        }
    }
    let left = counters
        .iter()
        .chain(&numbers)
        .find(|column| !column.rest.is_empty())
        .map(|column| column.field)
        .or_else(|| {
            (DELAY_FIELDS..)
                .zip(&delays)
                .find(|(_, rest)| !rest.is_empty())
                .map(|(field, _)| field)
        });
    left.map_or(Ok(()), |field| Err(uneven(field)))
}

fn take_delays(
    numbers: &mut [Column<'_>; CLOCKS],
    delays: &mut [&[u8]; CLOCKS],
) -> Result<Vec<(StampClock, DelayHistogram)>, CodecError> {
    let mut expected = [0; CLOCKS];
    for (into, column) in expected.iter_mut().zip(numbers) {
        *into = column.next()?;
    }
    let filled = expected.iter().filter(|&&number| number > 0).count();
    let mut taken = Vec::with_capacity(filled);
    for ((&clock, bytes), number) in StampClock::ALL.iter().zip(delays).zip(expected) {
        if number > 0 {
            let (histogram, rest) = DelayHistogram::split_off(bytes, number)?;
            *bytes = rest;
            taken.push((clock, histogram));
        }
    }
    Ok(taken)
}

fn uneven(field: u32) -> CodecError {
    CodecError::Column { field }
}

/// A column that is being read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column<'a> {
    field: u32,
    /// The value of every record, where one stands for all.
    same: Option<u64>,
    rest: &'a [u8],
}

impl<'a> Column<'a> {
    /// A column that is not there.
    const ZEROS: Self = Self {
        field: 0,
        same: Some(0),
        rest: &[],
    };

    pub(super) fn of(field: u32, bytes: &'a [u8]) -> Result<Self, CodecError> {
        let (first, after) = varint::read(bytes).map_err(|_| uneven(field))?;
        let alone = after.is_empty();
        Ok(Self {
            field,
            same: alone.then_some(first),
            rest: if alone { &[] } else { bytes },
        })
    }

    /// Whether no value is left that stands for one record alone.
    pub(super) fn is_read(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    pub(super) fn next(&mut self) -> Result<u64, CodecError> {
        if let Some(value) = self.same {
            return Ok(value);
        }
        let (value, rest) = varint::read(self.rest).map_err(|_| uneven(self.field))?;
        self.rest = rest;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(series: u32, sent: u64, delays_us: &[u32]) -> SeriesRecord {
        let delays = DelayHistogram::from_values_us(&mut delays_us.to_vec());
        SeriesRecord {
            series,
            counts: ProbeCounts {
                sent,
                returned: delays.count(),
                ..ProbeCounts::default()
            },
            delays: vec![(StampClock::KernelRx, delays)],
        }
    }

    fn decoded(message: &[u8]) -> Result<Vec<SeriesRecord>, CodecError> {
        let mut records = Vec::new();
        decode(message, &mut records).map(|()| records)
    }

    #[test]
    fn golden_bytes() {
        let records = [
            record(1, 3, &[5, 3, 3]),
            record(4, 3, &[]).without_delays(),
            record(5, 3, &[7]),
        ];
        let bytes = encode(&records).bytes;
        let expected: &[u8] = &[
            0x0a, 3, 1, 3, 1, // series 1, 4, 5 by their distances
            0x12, 1, 3, // sent: 3 in all
            0x9a, 0x01, 3, 3, 0, 1, // kernel_rx has 3, 0 and 1 delays
            0x72, 4, 7, 0, 2, 14, // 3 us twice, 5 us; 7 us
        ];
        assert_eq!(bytes, expected, "{bytes:02x?}");
        assert_eq!(decoded(&bytes), Ok(records.to_vec()));
    }

    #[test]
    fn every_counter_has_a_column_of_its_own() {
        for place in 0..COUNTERS {
            let mut all = ProbeCounts::default().all();
            all[place] = 300 + place as u64;
            let records: Vec<_> = [0, 1]
                .map(|series| SeriesRecord {
                    series,
                    counts: ProbeCounts::from_all(if series == 0 { all } else { [0; COUNTERS] }),
                    delays: Vec::new(),
                })
                .into();
            assert_eq!(decoded(&encode(&records).bytes), Ok(records), "counter {place}");
        }
        let mut counts = ProbeCounts::default();
        counts.ipdv.note(10, 13);
        counts.errors.note(crate::errors::ErrorKind::TtlExceeded);
        let told = SeriesRecord {
            counts,
            ..SeriesRecord::default()
        };
        let expected: &[u8] = &[
            0x0a, 1, 0, // series 0
            0xc2, 0x01, 1, 1, // one pair
            0xca, 0x01, 1, 3, // 3 us apart
            0x9a, 0x02, 1, 1, // one time out of hops
        ];
        assert_eq!(encode(&[told]).bytes, expected);
    }

    impl SeriesRecord {
        fn without_delays(mut self) -> Self {
            self.delays.clear();
            self
        }
    }

    #[test]
    fn what_does_not_follow_is_sent() {
        let mut contradictory = [record(0, 2, &[5]), record(1, 2, &[5])];
        contradictory[1].counts.returned = 2;
        assert_eq!(
            decoded(&encode(&contradictory).bytes),
            Ok(contradictory.to_vec()),
            "for the check to find"
        );
        contradictory[0].counts.returned = 0;
        contradictory[1].counts.returned = 0;
        assert_eq!(decoded(&encode(&contradictory).bytes), Ok(contradictory.to_vec()));
    }

    #[test]
    fn uneven_columns_are_refused_by_field() {
        let field = |field| Err(CodecError::Column { field });
        assert_eq!(
            decoded(&[0x0a, 3, 0, 1, 1, 0x12, 2, 3, 3]),
            field(2),
            "one value is missing"
        );
        assert_eq!(
            decoded(&[0x0a, 1, 0, 0x12, 2, 3, 3]),
            field(2),
            "one value is too many"
        );
        assert_eq!(decoded(&[0x0a, 1, 0, 0x12, 0]), field(2), "no value");
        assert_eq!(decoded(&[0x0a, 2, 0, 0x80]), field(1), "half a series");
        assert_eq!(decoded(&[0x0a, 2, 0x80, 0]), field(1), "not minimal");
        assert_eq!(
            decoded(&[0x0a, 1, 0, 0x6a, 1, 14]),
            field(13),
            "delays of no record"
        );
        assert_eq!(decoded(&[0x12, 2, 3, 3]), field(2), "columns of no record");
    }

    #[test]
    fn delays_that_are_not_as_many_as_stated_are_refused() {
        let bins = |message: &[u8]| match decoded(message) {
            Err(CodecError::Bins(error)) => error.to_string(),
            other => format!("{other:?}"),
        };
        let cut = bins(&[0x0a, 1, 0, 0x92, 0x01, 1, 2, 0x6a, 1, 14]);
        assert!(cut.contains("cut short"), "{cut}");
        let over = bins(&[0x0a, 1, 0, 0x92, 0x01, 1, 2, 0x6a, 2, 7, 1]);
        assert!(over.contains("not the 2"), "{over}");
        let mut huge = vec![0x0a, 1, 0, 0x92, 0x01, 10];
        varint::write(&mut huge, u64::MAX);
        let huge = bins(&huge);
        assert!(huge.contains("more than"), "{huge}");
    }

    #[test]
    fn caps_hold_before_there_is_memory() {
        let of = |records: usize| {
            let mut message = vec![0x0a];
            varint::write(&mut message, records as u64);
            message.extend([1].repeat(records));
            decoded(&message)
        };
        assert_eq!(of(MAX_SERIES).map(|records| records.len()), Ok(MAX_SERIES));
        for records in [MAX_SERIES + 1, 1_000_000] {
            assert_eq!(
                of(records),
                Err(CodecError::TooMany {
                    what: "records",
                    limit: MAX_SERIES
                })
            );
        }
        let beyond = [0x0a, 6, 1, 0xff, 0xff, 0xff, 0xff, 0x0f];
        assert_eq!(
            decoded(&beyond),
            Err(CodecError::Value {
                what: "series",
                given: 1 << 32
            })
        );
    }
}
