//! A measure of a sliding window against a limit. No verdict while the window holds too few delays.

use azimuth_measurement::{Accumulator, ProbeCounts};

use super::measure::Measure;
use super::minute::Minute;

/// Longest window, in milliseconds: an hour of exact histograms per series.
pub const LONGEST_WINDOW_MS: u64 = 3_600_000;

/// A limit on a measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// What is measured.
    pub measure: Measure,
    /// The limit, in the measure's unit.
    pub limit: f64,
    /// Whether the condition holds above the limit, or below it.
    pub above: bool,
    /// Length of the window, in milliseconds.
    pub window_ms: u64,
    /// Delays (for loss: probes sent) without which there is no verdict.
    pub least: u64,
}

impl Threshold {
    /// The measure over the window that ends with the last of `minutes`; `None` when there is too little. `scratch` is
    /// used and left in any state.
    pub fn value<'m>(
        &self,
        minutes: impl DoubleEndedIterator<Item = &'m Minute>,
        scratch: &mut Accumulator,
    ) -> Option<f64> {
        scratch.clear();
        let mut counts = ProbeCounts::default();
        let mut from_unix_ms = None;
        for minute in minutes.rev() {
            // The newest counts whole, even where a slow series makes it longer than the window.
            let from = *from_unix_ms.get_or_insert(minute.end_unix_ms.saturating_sub(self.window_ms));
            if minute.start_unix_ms < from && counts != ProbeCounts::default() {
                break;
            }
            counts = counts.plus(&minute.counts)?;
            for delays in &minute.delays {
                scratch.add(delays).ok()?;
            }
        }
        from_unix_ms?;
        self.measure.value(&counts, scratch, self.least)
    }

    /// Whether a value is beyond the limit.
    pub fn holds(&self, value: f64) -> bool {
        if self.above {
            value > self.limit
        } else {
            value < self.limit
        }
    }
}
