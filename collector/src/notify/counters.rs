//! What notifications count. Nothing but numbers; they are shown on `/metrics`.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::exposition::family::Family as Shown;
use crate::metrics::{Family, labelled};

/// Attempts and pages.
#[derive(Debug, Default)]
pub struct Counters {
    /// Attempts by kind of channel and what came of them.
    pub attempts: Family,
    /// Pages by what came of them and why.
    pub pages: Family,
    /// What was not as it should be, by what and why: a template that was not used, an outbox that could not be kept.
    pub faults: Family,
    /// Channels that are called dead.
    dead: Mutex<BTreeSet<String>>,
}

impl Counters {
    /// A channel is called dead, or is not any more.
    pub fn note_dead(&self, channel: &str, is_dead: bool) {
        let mut dead = self.dead.lock().unwrap_or_else(PoisonError::into_inner);
        if is_dead {
            dead.insert(channel.to_owned());
        } else {
            dead.remove(channel);
        }
    }

    /// Channels that are called dead.
    pub fn dead(&self) -> Vec<String> {
        let dead = self.dead.lock().unwrap_or_else(PoisonError::into_inner);
        dead.iter().cloned().collect()
    }

    /// As families.
    pub fn families(&self) -> [Shown; 3] {
        [
            labelled(
                "azimuth_notify_attempts_total",
                "Messages tried, by kind of channel and result; what was not delivered or refused is tried again.",
                ("kind", "result"),
                &self.attempts,
            ),
            labelled(
                "azimuth_notify_pages_total",
                "Pages for channels, by outcome; reason is empty for what waits.",
                ("outcome", "reason"),
                &self.pages,
            ),
            labelled(
                "azimuth_notify_faults_total",
                "Templates not used, outboxes not written or read, channels called dead.",
                ("what", "reason"),
                &self.faults,
            ),
        ]
    }
}
