//! Throughput results as a store keeps them: what tests between an agent and a target found. Pure; shared by the backends.

use azimuth_measurement::{SeriesDescriptor, ThroughputResult};

use super::VerifiedReport;
use super::events::Event;

/// Most results kept of one agent and hour; its honest rate is far below. What is beyond is refused and counted.
pub const MOST_RESULTS_AN_HOUR: usize = 240;

/// A throughput result and the series whose target it is.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredThroughput {
    /// The series that stands for the target.
    pub series: SeriesDescriptor,
    /// The result, its time on the collector's time line.
    pub result: ThroughputResult,
}

impl Event for ThroughputResult {
    type Stored = StoredThroughput;
    const MOST_AN_HOUR: usize = MOST_RESULTS_AN_HOUR;

    fn of_report(report: &VerifiedReport) -> &[Self] {
        &report.throughput
    }

    fn at_unix_ms(&self) -> u64 {
        self.at_unix_ms
    }

    fn series(&self) -> u32 {
        self.series
    }

    fn with_series(self, series: SeriesDescriptor) -> StoredThroughput {
        StoredThroughput { series, result: self }
    }
}
