//! The one place where this binary reads a clock. Everything else is handed the time.
//!
//! Not a scheduler. Two readings live here and are never mixed: monotonic nanoseconds since the world began, in which
//! every packet is scheduled, and UTC, which only labels what is written down.
#![expect(
    clippy::disallowed_methods,
    reason = "the one clock file of the binary: every other file takes time as an argument"
)]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Reads the machine's clocks against the moment it was made.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    began: Instant,
}

impl Clock {
    /// A clock whose monotonic zero is now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            began: Instant::now(),
        }
    }

    /// Nanoseconds since [`Clock::start`], monotonic. Wraps after 584 years.
    #[must_use]
    pub fn elapsed_ns(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// UTC now, nanoseconds since 1970; 0 when the machine's clock stands before that.
    #[must_use]
    pub fn unix_ns(&self) -> u64 {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX)
    }

    /// UTC nanoseconds of the clock's own zero, as the two clocks stand to one another now.
    ///
    /// Re-read it now and then: a slewed UTC clock drifts against the monotonic one.
    #[must_use]
    pub fn began_unix_ns(&self) -> u64 {
        self.unix_ns().saturating_sub(self.elapsed_ns())
    }
}

/// UTC `unix_ns` as ISO 8601 with milliseconds, the form of every time in the ground truth.
#[must_use]
pub fn iso8601(unix_ns: u64) -> String {
    let instant = chrono::DateTime::from_timestamp_nanos(i64::try_from(unix_ns).unwrap_or(i64::MAX));
    instant.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monotonic_clock_starts_near_zero_and_the_two_clocks_agree() {
        let clock = Clock::start();
        assert!(clock.elapsed_ns() < 1_000_000_000);
        assert!(clock.began_unix_ns() <= clock.unix_ns());
    }

    #[test]
    fn times_are_written_in_utc_with_milliseconds() {
        assert_eq!(iso8601(1_700_000_000_123_000_000), "2023-11-14T22:13:20.123Z");
    }
}
