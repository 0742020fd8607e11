//! Samples of any length into whole minutes, for the conditions that look at windows. The detector has units of its own;
//! these keep the exact histograms, because a limit in milliseconds is held against an exact quantile.

use std::collections::VecDeque;

use azimuth_measurement::{DelayHistogram, ProbeCounts};

use super::watch::Sample;
use crate::alert::settings::MINUTE_MS;

/// What one series measured in one minute; longer when its samples are.
#[derive(Debug, Clone, PartialEq)]
pub struct Minute {
    /// Begin of its first sample, Unix time in milliseconds.
    pub start_unix_ms: u64,
    /// End of its last sample.
    pub end_unix_ms: u64,
    /// What happened to its probes.
    pub counts: ProbeCounts,
    /// Its delays, in as many histograms as there were samples.
    pub delays: Vec<DelayHistogram>,
}

/// The minutes of one series that a condition may still look at.
#[derive(Debug, Clone)]
pub struct Minutes {
    open: Option<Minute>,
    closed: VecDeque<Minute>,
    keep_ms: u64,
}

impl Minutes {
    /// Keeps the closed minutes of the last `keep_ms`.
    pub fn keeping(keep_ms: u64) -> Self {
        Self {
            open: None,
            closed: VecDeque::new(),
            keep_ms,
        }
    }

    /// Takes a sample, in order of time, and says how many of the [`closed`](Self::closed) are new.
    pub fn push(&mut self, sample: &Sample<'_>) -> usize {
        let mut closed = 0;
        if self
            .open
            .as_ref()
            .is_some_and(|open| sample.start_unix_ms >= boundary(open.start_unix_ms))
        {
            closed += self.close();
        }
        let open = self.open.get_or_insert_with(|| Minute {
            start_unix_ms: sample.start_unix_ms,
            end_unix_ms: sample.end_unix_ms(),
            counts: ProbeCounts::default(),
            delays: Vec::new(),
        });
        open.end_unix_ms = open.end_unix_ms.max(sample.end_unix_ms());
        if let Some(sum) = open.counts.plus(sample.counts) {
            open.counts = sum;
        }
        if !sample.delays.is_empty() {
            open.delays.push(sample.delays.clone());
        }
        if open.end_unix_ms >= boundary(open.start_unix_ms) {
            closed += self.close();
        }
        closed
    }

    fn close(&mut self) -> usize {
        let Some(minute) = self.open.take() else { return 0 };
        let oldest = minute.end_unix_ms.saturating_sub(self.keep_ms);
        while self
            .closed
            .front()
            .is_some_and(|first| first.start_unix_ms < oldest)
        {
            self.closed.pop_front();
        }
        self.closed.push_back(minute);
        1
    }

    /// Closed minutes, oldest first.
    pub fn closed(&self) -> impl DoubleEndedIterator<Item = &Minute> + ExactSizeIterator {
        self.closed.iter()
    }
}

fn boundary(start_unix_ms: u64) -> u64 {
    (start_unix_ms / MINUTE_MS + 1).saturating_mul(MINUTE_MS)
}
