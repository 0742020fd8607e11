//! What remote write counts. Nothing but numbers; they are shown on `/metrics`, and so also sent.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::exposition::family::Family as Shown;
use crate::metrics::{Family, labelled};

/// Samples and failures.
#[derive(Debug, Default)]
pub struct Counters {
    /// Samples by outcome and reason.
    samples: Family,
    /// Failures by what was being done and why.
    pub failures: Family,
    queued_bytes: AtomicU64,
}

impl Counters {
    pub(super) fn sent_samples(&self, samples: u64) {
        self.samples.add("sent", "", samples);
    }

    pub(super) fn drop_samples(&self, reason: &'static str, samples: u64) {
        if samples > 0 {
            self.samples.add("dropped", reason, samples);
        }
    }

    pub(super) fn note_queue(&self, bytes: usize) {
        self.queued_bytes.store(bytes as u64, Ordering::Relaxed);
    }

    /// As families.
    pub fn families(&self) -> [Shown; 3] {
        [
            labelled(
                "azimuth_remote_write_samples_total",
                "Samples for the receiver, by outcome; reason is empty for sent.",
                ("outcome", "reason"),
                &self.samples,
            ),
            labelled(
                "azimuth_remote_write_failures_total",
                "Snapshots and posts that failed; a post is tried again.",
                ("doing", "reason"),
                &self.failures,
            ),
            Shown::gauge(
                "azimuth_remote_write_queue_bytes",
                "Bytes that wait for the receiver.",
                self.queued_bytes.load(Ordering::Relaxed),
            ),
        ]
    }
}
