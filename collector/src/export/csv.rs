//! An export as CSV (RFC 4180): labels, counts and quantiles of every record. What does not exist is empty. Quantiles come
//! from the best clock's histogram and `n` counts its delays; `sent`, `returned` and `lost` cover all.

use std::io::Write;

use azimuth_measurement::Accumulator;

use super::{ExportError, Sheet};
use crate::csv::CsvLine;
use crate::query::label::{network, region};
use crate::query::records::{Record, RecordsQuestion, SeriesIdentity};
use crate::store::Coverage;
use crate::utc::UtcInstant;

/// The columns.
const COLUMNS: &str = "start_at,length_s,agent,city,country,network,provider,region,zone,metro,target,address,method,flow,load,\
granularity,period_ms,waiting_time_ms,dscp,host,phase,answer,sent,returned,lost,late,duplicate,reordered,refused,discarded,send_errors,skipped,\
n,clock,min_us,p10_us,p50_us,p90_us,p99_us,p999_us,max_us";

/// Writes the lines; keeps one accumulator.
#[derive(Default)]
pub struct CsvSheet {
    scratch: Accumulator,
    line: Vec<u8>,
}

impl Sheet for CsvSheet {
    fn begin(
        &mut self,
        _: &RecordsQuestion,
        _: &mut dyn Iterator<Item = &SeriesIdentity>,
        into: &mut dyn Write,
    ) -> Result<(), ExportError> {
        Ok(write!(into, "{COLUMNS}\r\n")?)
    }

    fn record(
        &mut self,
        series: &SeriesIdentity,
        record: &Record,
        into: &mut dyn Write,
    ) -> Result<(), ExportError> {
        let summary = record.summary(&mut self.scratch)?;
        let (place, what, counts) = (&series.vantage_point, &series.descriptor, &record.counts);
        let mut line = CsvLine::default();
        line.field(Some(UtcInstant::from_unix_ms(record.start_unix_ms)))
            .field(Some(record.length_ms / 1_000))
            .field(Some(&series.agent))
            .field(place.as_ref().map(|place| &place.city))
            .field(place.as_ref().map(|place| &place.country))
            .field(place.as_ref().map(network))
            .field(Some(what.zone.provider()))
            .field(Some(region(&what.zone)))
            .field(Some(&what.zone))
            .field(series.metro.as_ref())
            .field(Some(&what.target))
            .field(Some(what.address))
            .field(Some(what.method))
            .field(Some(what.flow))
            .field(Some(what.load))
            .field(Some(what.granularity))
            .field(Some(what.period_ms))
            .field(Some(what.waiting_time_ms))
            .field(Some(what.dscp))
            .field(Some(&what.facet.host))
            .field(Some(what.facet.phase))
            .field(Some(what.facet.answer));
        for count in [
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
        ] {
            line.field(Some(count));
        }
        line.field(summary.clock).field(summary.min_us);
        for quantile in summary.quantiles_us {
            line.field(quantile);
        }
        line.field(summary.max_us);
        self.line.clear();
        line.end(&mut self.line);
        Ok(into.write_all(&self.line)?)
    }

    fn end(&mut self, _: &Coverage, _: &mut dyn Write) -> Result<(), ExportError> {
        Ok(())
    }
}
