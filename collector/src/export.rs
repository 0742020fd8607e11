//! Records as files other programs read: CSV, HdrHistogram logs and Parquet, written piece by piece into whatever takes bytes.
//! Decides only how a record looks; which there are is `query/records.rs`'s, and the way out is `api/export.rs`'s.

pub mod csv;
pub mod hlog;
pub mod parquet;
pub mod tag;

use std::io::{self, Write};
use std::str::FromStr;

use crate::query::QueryError;
use crate::query::records::{Record, RecordsQuestion, SeriesIdentity};
use crate::store::Coverage;

/// How an export is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// RFC 4180: counts and quantiles, one line a record.
    Csv,
    /// HdrHistogram interval log 1.3: whole histograms, one line a record and clock.
    Hlog,
    /// Apache Parquet: counts, quantiles and bins, one row a record.
    Parquet,
}

impl ExportFormat {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Csv, Self::Hlog, Self::Parquet];

    /// The word for it, and the usual ending of its files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Hlog => "hlog",
            Self::Parquet => "parquet",
        }
    }

    /// The media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Hlog => "text/plain; charset=utf-8",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }
}

impl FromStr for ExportFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or_else(|| format!("it must be one of: {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}

/// Why a record was not written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It could not be told.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// Whoever takes the bytes takes no more.
    #[error(transparent)]
    Write(#[from] io::Error),
}

/// Writes one export: its beginning, its records, its end.
pub trait Sheet: Send {
    /// What stands before the first record.
    ///
    /// # Errors
    /// When the writer refuses.
    fn begin(
        &mut self,
        question: &RecordsQuestion,
        series: &mut dyn Iterator<Item = &SeriesIdentity>,
        into: &mut dyn Write,
    ) -> Result<(), ExportError>;

    /// One record.
    ///
    /// # Errors
    /// When the writer refuses, or its counters overflow.
    fn record(
        &mut self,
        series: &SeriesIdentity,
        record: &Record,
        into: &mut dyn Write,
    ) -> Result<(), ExportError>;

    /// What stands after the last record.
    ///
    /// # Errors
    /// When the writer refuses.
    fn end(&mut self, coverage: &Coverage, into: &mut dyn Write) -> Result<(), ExportError>;
}

/// The sheet of a format.
pub fn sheet(format: ExportFormat) -> Box<dyn Sheet> {
    match format {
        ExportFormat::Csv => Box::new(csv::CsvSheet::default()),
        ExportFormat::Hlog => Box::new(hlog::HlogSheet::default()),
        ExportFormat::Parquet => Box::new(parquet::ParquetSheet::default()),
    }
}
