//! Path events as a store keeps them: what was told of the way from an agent to a target. Pure; shared by the backends.

use azimuth_measurement::{PathEvent, SeriesDescriptor};

use super::VerifiedReport;
use super::events::Event;

/// Most events kept of one agent and hour; its honest rate is far below. What is beyond is refused and counted.
pub const MOST_AN_HOUR: usize = 720;

/// A path event and the series it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredPath {
    /// The series that stands for the target.
    pub series: SeriesDescriptor,
    /// The event, its time on the collector's time line.
    pub event: PathEvent,
}

impl Event for PathEvent {
    type Stored = StoredPath;
    const MOST_AN_HOUR: usize = MOST_AN_HOUR;

    fn of_report(report: &VerifiedReport) -> &[Self] {
        &report.paths
    }

    fn at_unix_ms(&self) -> u64 {
        self.at_unix_ms
    }

    fn series(&self) -> u32 {
        self.series
    }

    fn with_series(self, series: SeriesDescriptor) -> StoredPath {
        StoredPath { series, event: self }
    }
}
