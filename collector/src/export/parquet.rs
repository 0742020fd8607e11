//! An export as Apache Parquet: one row a record, with the histogram as a list of bins beside its quantiles. Written row
//! group by row group, so that no more than one is in memory; only the footer grows with the file.

use std::io::{self, Write};
use std::sync::Arc;

use azimuth_measurement::Accumulator;
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::{ExportError, Sheet};
use crate::query::label::{network, region};
use crate::query::records::{Record, RecordsQuestion, SeriesIdentity};
use crate::store::Coverage;

/// A row group is closed at so many rows, or so many bins.
const MAX_ROWS: usize = 16_384;
const MAX_BINS: usize = 1 << 20;

/// Columns of text, in order; null where it is not known.
const TEXTS: [&str; 17] = [
    "agent",
    "city",
    "country",
    "network",
    "provider",
    "region",
    "zone",
    "metro",
    "target",
    "address",
    "method",
    "load",
    "granularity",
    "host",
    "phase",
    "answer",
    "clock",
];
/// Columns of numbers that are always there.
const COUNTS: [&str; 16] = [
    "length_ms",
    "flow",
    "period_ms",
    "waiting_time_ms",
    "dscp",
    "sent",
    "returned",
    "lost",
    "late",
    "duplicate",
    "reordered",
    "refused",
    "discarded",
    "send_errors",
    "skipped",
    "n",
];
/// Columns of delays by the best clock; null without any.
const DELAYS: [&str; 7] = [
    "min_us", "p10_us", "p50_us", "p90_us", "p99_us", "p999_us", "max_us",
];

/// Writes the file.
#[derive(Default)]
pub struct ParquetSheet {
    writer: Option<SerializedFileWriter<Vec<u8>>>,
    group: Group,
    scratch: Accumulator,
}

/// The rows of the row group that is open, column by column.
#[derive(Default)]
struct Group {
    starts: Vec<i64>,
    texts: [Vec<Option<ByteArray>>; TEXTS.len()],
    counts: [Vec<i64>; COUNTS.len()],
    delays: [Vec<Option<i32>>; DELAYS.len()],
    bins: Bins,
}

/// The bins of all rows. A row without any has one level of nothing.
#[derive(Default)]
struct Bins {
    clocks: Vec<ByteArray>,
    lowest_us: Vec<i32>,
    highest_us: Vec<i32>,
    counts: Vec<i64>,
    definition: Vec<i16>,
    repetition: Vec<i16>,
}

fn schema() -> String {
    let mut text = "message azimuth { required int64 start_at (TIMESTAMP(MILLIS,true)); ".to_owned();
    for name in TEXTS {
        text += &format!("optional binary {name} (STRING); ");
    }
    for name in COUNTS {
        text += &format!("required int64 {name}; ");
    }
    for name in DELAYS {
        text += &format!("optional int32 {name}; ");
    }
    text + "required group bins (LIST) { repeated group list { required group element { \
            required binary clock (STRING); required int32 low_us; required int32 high_us; required int64 count; } } } }"
}

impl Sheet for ParquetSheet {
    fn begin(
        &mut self,
        _: &RecordsQuestion,
        _: &mut dyn Iterator<Item = &SeriesIdentity>,
        _: &mut dyn Write,
    ) -> Result<(), ExportError> {
        let schema = parse_message_type(&schema()).map_err(failed)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_created_by("azimuth-collector".to_owned())
            .build();
        let writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties));
        self.writer = Some(writer.map_err(failed)?);
        Ok(())
    }

    fn record(
        &mut self,
        series: &SeriesIdentity,
        record: &Record,
        into: &mut dyn Write,
    ) -> Result<(), ExportError> {
        self.group.push(series, record, &mut self.scratch)?;
        if self.group.starts.len() >= MAX_ROWS || self.group.bins.counts.len() >= MAX_BINS {
            self.write_group(into)?;
        }
        Ok(())
    }

    fn end(&mut self, _: &Coverage, into: &mut dyn Write) -> Result<(), ExportError> {
        if !self.group.starts.is_empty() {
            self.write_group(into)?;
        }
        if let Some(mut writer) = self.writer.take() {
            writer.finish().map_err(failed)?;
            into.write_all(writer.inner())?;
        }
        Ok(())
    }
}

impl ParquetSheet {
    fn write_group(&mut self, into: &mut dyn Write) -> Result<(), ExportError> {
        let group = std::mem::take(&mut self.group);
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        let mut columns = writer.next_row_group().map_err(failed)?;
        group.write(&mut columns).map_err(failed)?;
        columns.close().map_err(failed)?;
        writer.flush()?;
        // The writer counts its offsets itself; what it has written is no longer needed.
        into.write_all(&std::mem::take(writer.inner_mut()))?;
        Ok(())
    }
}

impl Group {
    fn push(
        &mut self,
        series: &SeriesIdentity,
        record: &Record,
        scratch: &mut Accumulator,
    ) -> Result<(), ExportError> {
        let summary = record.summary(scratch)?;
        let (place, what, counts) = (&series.vantage_point, &series.descriptor, &record.counts);
        self.starts.push(long(record.start_unix_ms));
        let texts: [Option<String>; TEXTS.len()] = [
            Some(series.agent.to_string()),
            place.as_ref().map(|place| place.city.clone()),
            place.as_ref().map(|place| place.country.clone()),
            place.as_ref().map(network),
            Some(what.zone.provider().to_owned()),
            Some(region(&what.zone)),
            Some(what.zone.to_string()),
            series.metro.clone(),
            Some(what.target.clone()),
            Some(what.address.to_string()),
            Some(what.method.to_string()),
            Some(what.load.to_string()),
            Some(what.granularity.to_string()),
            Some(what.facet.host.clone()),
            Some(what.facet.phase.to_string()),
            Some(what.facet.answer.to_string()),
            summary.clock.map(|clock| clock.to_string()),
        ];
        for (column, text) in self.texts.iter_mut().zip(texts) {
            column.push(text.map(|text| text.into_bytes().into()));
        }
        let counts: [u64; COUNTS.len()] = [
            record.length_ms,
            what.flow.into(),
            what.period_ms.into(),
            what.waiting_time_ms.into(),
            what.dscp.into(),
            counts.sent,
            counts.returned,
            counts.lost(),
            counts.late,
            counts.duplicate,
            counts.reordered,
            counts.refused,
            counts.discarded,
            counts.send_errors,
            counts.skipped,
            summary.n,
        ];
        for (column, count) in self.counts.iter_mut().zip(counts) {
            column.push(long(count));
        }
        let [p10, p50, p90, p99, p999] = summary.quantiles_us;
        let delays: [_; DELAYS.len()] = [summary.min_us, p10, p50, p90, p99, p999, summary.max_us];
        for (column, delay) in self.delays.iter_mut().zip(delays) {
            column.push(delay.map(int));
        }
        self.bins.push(record);
        Ok(())
    }

    fn write(self, group: &mut SerializedRowGroupWriter<'_, Vec<u8>>) -> Result<(), ParquetError> {
        write_column(group, |column| {
            column.typed::<Int64Type>().write_batch(&self.starts, None, None)
        })?;
        for texts in self.texts {
            let levels = present(&texts);
            let texts: Vec<ByteArray> = texts.into_iter().flatten().collect();
            write_column(group, |column| {
                column
                    .typed::<ByteArrayType>()
                    .write_batch(&texts, Some(&levels), None)
            })?;
        }
        for counts in &self.counts {
            write_column(group, |column| {
                column.typed::<Int64Type>().write_batch(counts, None, None)
            })?;
        }
        for delays in &self.delays {
            let levels = present(delays);
            let delays: Vec<i32> = delays.iter().copied().flatten().collect();
            write_column(group, |column| {
                column
                    .typed::<Int32Type>()
                    .write_batch(&delays, Some(&levels), None)
            })?;
        }
        let bins = self.bins;
        let levels = (Some(&bins.definition[..]), Some(&bins.repetition[..]));
        write_column(group, |column| {
            column
                .typed::<ByteArrayType>()
                .write_batch(&bins.clocks, levels.0, levels.1)
        })?;
        for delays in [&bins.lowest_us, &bins.highest_us] {
            write_column(group, |column| {
                column
                    .typed::<Int32Type>()
                    .write_batch(delays, levels.0, levels.1)
            })?;
        }
        write_column(group, |column| {
            column
                .typed::<Int64Type>()
                .write_batch(&bins.counts, levels.0, levels.1)
        })
    }
}

impl Bins {
    fn push(&mut self, record: &Record) {
        let before = self.counts.len();
        for (clock, delays) in &record.delays {
            let clock = ByteArray::from(clock.as_str().as_bytes().to_vec());
            for (bucket, count) in delays.bins() {
                self.clocks.push(clock.clone());
                self.lowest_us.push(int(bucket.lowest_us()));
                self.highest_us.push(int(bucket.highest_us()));
                self.counts.push(long(count));
                self.repetition.push(i16::from(self.counts.len() > before + 1));
                self.definition.push(1);
            }
        }
        if self.counts.len() == before {
            self.repetition.push(0);
            self.definition.push(0);
        }
    }
}

fn write_column(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    write: impl FnOnce(&mut SerializedColumnWriter<'_>) -> Result<usize, ParquetError>,
) -> Result<(), ParquetError> {
    let column = group.next_column()?;
    let mut column = column.ok_or_else(|| ParquetError::General("a column too many".to_owned()))?;
    write(&mut column)?;
    column.close()
}

/// The definition levels of a column that may be null.
fn present<T>(values: &[Option<T>]) -> Vec<i16> {
    values.iter().map(|value| i16::from(value.is_some())).collect()
}

/// Parquet's usual numbers are signed; no count and no delay comes near the end of them.
fn long(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn int(delay_us: u32) -> i32 {
    i32::try_from(delay_us).unwrap_or(i32::MAX)
}

fn failed(error: ParquetError) -> ExportError {
    io::Error::other(error).into()
}

#[cfg(test)]
mod tests {
    use azimuth_measurement::{
        DelayHistogram, Granularity, LoadLabel, Method, ProbeCounts, SeriesDescriptor, StampClock,
    };
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;

    use super::*;
    use crate::query::Selection;
    use crate::store::TimeRange;

    const T0: u64 = 1_795_428_000_000;

    fn identity() -> SeriesIdentity {
        SeriesIdentity {
            agent: "brest".parse().expect("an id"),
            vantage_point: None,
            metro: Some("Paris".to_owned()),
            descriptor: SeriesDescriptor {
                zone: "aws/eu-west-3/euw3-az1".parse().expect("a zone"),
                target: "one".to_owned(),
                address: ([10, 0, 0, 1], 8_620).into(),
                granularity: Granularity::Zone,
                method: Method::Stamp,
                flow: 0,
                load: LoadLabel::Idle,
                period_ms: 1_000,
                waiting_time_ms: 2_000,
                dscp: 0,
                facet: azimuth_measurement::Facet::default(),
                outgoing: azimuth_measurement::Outgoing::default(),
            },
        }
    }

    fn record(slot: u64, delays_us: &[u32]) -> Record {
        let clocks = [StampClock::Kernel, StampClock::User];
        let halves = delays_us.chunks(2).zip(clocks);
        Record {
            start_unix_ms: T0 + slot * 10_000,
            length_ms: 10_000,
            counts: ProbeCounts {
                sent: delays_us.len() as u64 + 1,
                returned: delays_us.len() as u64,
                ..ProbeCounts::default()
            },
            delays: halves
                .map(|(half, clock)| (clock, DelayHistogram::from_values_us(&mut half.to_vec())))
                .collect(),
        }
    }

    fn written(records: impl Iterator<Item = Record>) -> Vec<u8> {
        let question = RecordsQuestion {
            selection: Selection::default(),
            range: TimeRange {
                from_unix_ms: T0,
                to_unix_ms: T0 + 60_000,
            },
            step_ms: None,
        };
        let (mut sheet, mut bytes) = (ParquetSheet::default(), Vec::new());
        sheet
            .begin(&question, &mut [identity()].iter(), &mut bytes)
            .expect("memory");
        for record in records {
            sheet.record(&identity(), &record, &mut bytes).expect("memory");
        }
        sheet.end(&Coverage::default(), &mut bytes).expect("memory");
        bytes
    }

    #[test]
    fn another_reader_finds_rows_bins_and_nulls() {
        let bytes = written([record(0, &[100, 100, 7_000]), record(1, &[]), record(2, &[5])].into_iter());
        let reader = SerializedFileReader::new(axum::body::Bytes::from(bytes)).expect("a file");
        let rows: Vec<_> = reader
            .get_row_iter(None)
            .expect("rows")
            .map(|row| row.expect("a row"))
            .collect();
        assert_eq!(rows.len(), 3);
        let at = |name: &str| {
            let mut columns = rows[0].get_column_iter();
            columns.position(|(given, _)| given == name).expect(name)
        };
        assert_eq!(
            rows[1].get_timestamp_millis(at("start_at")).ok(),
            Some(T0 as i64 + 10_000)
        );
        assert_eq!(
            rows[0].get_string(at("metro")).ok().map(String::as_str),
            Some("Paris")
        );
        assert!(rows[0].get_string(at("city")).is_err(), "null: not known");
        assert_eq!(rows[0].get_long(at("lost")).ok(), Some(1));
        assert_eq!(
            (rows[0].get_long(at("n")).ok(), rows[0].get_int(at("p50_us")).ok()),
            (Some(2), Some(100))
        );
        assert!(rows[1].get_int(at("p50_us")).is_err(), "null: no delay");
        let bins: Vec<String> = rows
            .iter()
            .map(|row| {
                row.get_list(at("bins"))
                    .expect("a list")
                    .elements()
                    .iter()
                    .map(ToString::to_string)
                    .collect()
            })
            .collect();
        assert_eq!(
            bins,
            [
                "{clock: \"kernel\", low_us: 100, high_us: 100, count: 2}{clock: \"user\", low_us: 7000, high_us: 7003, count: 1}",
                "",
                "{clock: \"kernel\", low_us: 5, high_us: 5, count: 1}"
            ]
        );
    }

    #[test]
    fn a_long_file_is_written_group_by_group() {
        let rows = 2 * MAX_ROWS + 7;
        let bytes = written((0..rows as u64).map(|slot| record(slot, &[slot as u32 % 9_000 + 1])));
        let reader = SerializedFileReader::new(axum::body::Bytes::from(bytes)).expect("a file");
        assert_eq!(reader.num_row_groups(), 3);
        let counted: i64 = reader
            .get_row_iter(None)
            .expect("rows")
            .map(|row| row.expect("a row").get_long(16 + 17).expect("n"))
            .sum();
        assert_eq!(counted, rows as i64);
    }
}
