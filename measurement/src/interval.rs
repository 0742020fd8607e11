//! A half-open stretch of time `[start, end)` in UTC, on a grid that starts at the Unix epoch. Not a clock.

use thiserror::Error;

/// Shortest interval, in milliseconds.
pub const MIN_LENGTH_MS: u32 = 1_000;
/// Longest interval, in milliseconds: one day.
pub const MAX_LENGTH_MS: u32 = 86_400_000;
/// Latest start accepted: the year 9999, so that every instant has an ISO 8601 form.
const MAX_START_UNIX_MS: u64 = 253_402_300_799_000;

/// `[start, end)`; the length is a whole number of seconds and the start a multiple of the length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval {
    start_unix_ms: u64,
    length_ms: u32,
}

/// The numbers do not form an interval on the grid.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IntervalError {
    /// Too short, too long, or not whole seconds.
    #[error("interval length {0} ms is not a whole number of seconds between 1 s and 1 day")]
    Length(u32),
    /// Not a multiple of the length, or beyond the year 9999.
    #[error("interval start {start_unix_ms} ms is not on the grid of {length_ms} ms since the Unix epoch")]
    Start {
        /// The start given.
        start_unix_ms: u64,
        /// The grid.
        length_ms: u32,
    },
}

impl Interval {
    /// The interval of `length_ms` that starts at `start_unix_ms` (milliseconds since the Unix epoch).
    pub fn new(start_unix_ms: u64, length_ms: u32) -> Result<Self, IntervalError> {
        if !(MIN_LENGTH_MS..=MAX_LENGTH_MS).contains(&length_ms) || !length_ms.is_multiple_of(1_000) {
            return Err(IntervalError::Length(length_ms));
        }
        if !start_unix_ms.is_multiple_of(u64::from(length_ms)) || start_unix_ms > MAX_START_UNIX_MS {
            return Err(IntervalError::Start {
                start_unix_ms,
                length_ms,
            });
        }
        Ok(Self {
            start_unix_ms,
            length_ms,
        })
    }

    /// The interval of `length_ms` that holds the instant `at_unix_ms`.
    pub fn containing(at_unix_ms: u64, length_ms: u32) -> Result<Self, IntervalError> {
        let length = u64::from(length_ms.max(1));
        Self::new(at_unix_ms / length * length, length_ms)
    }

    /// First millisecond inside.
    pub fn start_unix_ms(self) -> u64 {
        self.start_unix_ms
    }

    /// First millisecond after.
    pub fn end_unix_ms(self) -> u64 {
        self.start_unix_ms + u64::from(self.length_ms)
    }

    /// Length in milliseconds.
    pub fn length_ms(self) -> u32 {
        self.length_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_holds() {
        let interval = Interval::containing(1_700_000_007_123, 10_000).unwrap();
        assert_eq!(
            (interval.start_unix_ms(), interval.end_unix_ms()),
            (1_700_000_000_000, 1_700_000_010_000)
        );
        assert!(matches!(
            Interval::new(1_700_000_007_000, 10_000),
            Err(IntervalError::Start { .. })
        ));
        assert_eq!(Interval::new(0, 999), Err(IntervalError::Length(999)));
        assert_eq!(Interval::new(0, 1_500), Err(IntervalError::Length(1_500)));
        assert!(Interval::new(u64::MAX, 1_000).is_err());
        assert!(Interval::containing(5, 0).is_err());
    }
}
