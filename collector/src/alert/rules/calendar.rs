//! Maintenance windows: when nobody wants to hear of what. In UTC, like every time here: a window that should follow a
//! country's summer time has to be written twice a year.

use super::selector::{Selector, SeriesLabels};
use crate::alert::settings::MINUTE_MS;

/// Minutes of a day.
const DAY_MINUTES: u64 = 24 * 60;

/// When a window is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// Once.
    Once {
        /// First millisecond inside, Unix time.
        from_unix_ms: u64,
        /// First millisecond after.
        until_unix_ms: u64,
    },
    /// Every week.
    Weekly {
        /// On which days it opens, Monday first.
        days: [bool; 7],
        /// Minute of the day it opens, UTC.
        from_minute: u16,
        /// Minute of the day it closes; of the next day when not after `from_minute`.
        until_minute: u16,
    },
}

impl When {
    /// Whether the window is open at an instant.
    pub fn covers(&self, at_unix_ms: u64) -> bool {
        match self {
            Self::Once {
                from_unix_ms,
                until_unix_ms,
            } => (*from_unix_ms..*until_unix_ms).contains(&at_unix_ms),
            Self::Weekly {
                days,
                from_minute,
                until_minute,
            } => {
                let minutes = at_unix_ms / MINUTE_MS;
                // Day 0 of the Unix epoch was a Thursday.
                let today = ((minutes / DAY_MINUTES + 3) % 7) as usize;
                let now = (minutes % DAY_MINUTES) as u16;
                let yesterday = (today + 6) % 7;
                if from_minute < until_minute {
                    days[today] && (*from_minute..*until_minute).contains(&now)
                } else {
                    (days[today] && now >= *from_minute) || (days[yesterday] && now < *until_minute)
                }
            }
        }
    }
}

/// A maintenance window.
#[derive(Debug, Clone, PartialEq)]
pub struct Maintenance {
    /// Its name, for people.
    pub name: String,
    /// Alerts of which series.
    pub select: Selector,
    /// Alerts of which rules; of all when empty.
    pub rules: Vec<String>,
    /// When.
    pub when: When,
}

impl Maintenance {
    /// Whether an alert of `rule` about `series` is silenced at an instant.
    pub fn silences(&self, rule: &str, series: &SeriesLabels, at_unix_ms: u64) -> bool {
        self.when.covers(at_unix_ms)
            && (self.rules.is_empty() || self.rules.iter().any(|name| name == rule))
            && self.select.chooses(series)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONDAY: u64 = 1_795_392_000_000; // 2026-11-23T00:00:00Z
    const HOUR: u64 = 60 * MINUTE_MS;

    #[test]
    fn a_night_belongs_to_the_day_it_begins_on() {
        let when = When::Weekly {
            days: [true, false, false, false, false, false, false],
            from_minute: 23 * 60,
            until_minute: 2 * 60,
        };
        for (at, open) in [
            (MONDAY + 22 * HOUR, false),
            (MONDAY + 23 * HOUR, true),
            (MONDAY + 25 * HOUR, true),
            (MONDAY + 26 * HOUR, false),
            (MONDAY + HOUR, false),
            (MONDAY + 47 * HOUR, false),
        ] {
            assert_eq!(when.covers(at), open, "{} h after Monday", (at - MONDAY) / HOUR);
        }
    }

    #[test]
    fn a_window_within_a_day_and_one_for_once() {
        let weekly = When::Weekly {
            days: [false, true, false, false, false, false, false],
            from_minute: 60,
            until_minute: 120,
        };
        assert!(weekly.covers(MONDAY + 25 * HOUR) && !weekly.covers(MONDAY + 26 * HOUR));
        assert!(!weekly.covers(MONDAY + HOUR));
        let once = When::Once {
            from_unix_ms: 5,
            until_unix_ms: 7,
        };
        assert!(once.covers(5) && once.covers(6) && !once.covers(7));
    }
}
