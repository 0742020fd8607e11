//! What a store hands on of reports that nobody has read yet.

use std::ops::ControlFlow;

use azimuth_measurement::codec::walk::ReportWalk;

use super::dictionary::KnownManifest;

/// A stored report that waits to be walked.
#[derive(Debug)]
pub struct OpenReport<'a> {
    /// Start of its interval, as placed on the collector's time line.
    pub start_unix_ms: u64,
    /// What its records mean.
    pub known: &'a KnownManifest,
    /// Stands at its first record.
    pub walk: ReportWalk<'a>,
}

/// Receives all reports of one agent, and then those of the next; may stop early.
pub type VisitAgent<'a> = &'a mut dyn FnMut(&mut [OpenReport<'_>]) -> ControlFlow<()>;
