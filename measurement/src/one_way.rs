//! How long a probe took out and its answer back, where the clocks of both ends are synchronised, as sums that add up over
//! intervals and series; and when these say nothing. One-way delay after RFC 7679; not round-trip delay, which needs no
//! agreement of clocks and is in [histograms](crate::histogram).
//!
//! A delay between two clocks is known no better than the clocks are, so each comes with how far it may be off, and one that
//! may be nothing at all is not told: the asymmetry is unknown then, with a reason.

use crate::counts::CountsError;
use crate::histogram::bucket::MAX_DELAY_US;

/// Delays of each way of some probes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OneWay {
    /// Probes whose both ends said that their clock is synchronised.
    pub probes: u64,
    /// Sum of the delays out, in microseconds.
    pub out_sum_us: u64,
    /// Sum of the delays back, in microseconds.
    pub back_sum_us: u64,
    /// Sum of how far either may be off, in microseconds.
    pub error_sum_us: u64,
}

/// One probe's delays of each way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OneWaySample {
    /// From the sender to the reflector, in microseconds.
    pub out_us: u32,
    /// From the reflector to the sender, in microseconds.
    pub back_us: u32,
    /// How far either may be off, in microseconds.
    pub error_us: u32,
}

/// Mean delays of each way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OneWayMeans {
    /// From the sender to the reflector, in microseconds.
    pub out_us: f64,
    /// From the reflector to the sender, in microseconds.
    pub back_us: f64,
    /// How far either may be off, in microseconds; less than each of the two.
    pub error_us: f64,
}

/// Why it is not known how long each way took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsymmetryUnknown {
    /// One end or both did not say that their clock is synchronised, or the method has no second clock.
    ClocksNotSynchronised,
    /// The clocks may be off by as much as the shorter way took, or contradict each other.
    ErrorExceedsDelay,
}

impl AsymmetryUnknown {
    /// Its name on every surface.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClocksNotSynchronised => "clocks_not_synchronised",
            Self::ErrorExceedsDelay => "error_exceeds_delay",
        }
    }
}

impl OneWay {
    /// Adds a probe.
    pub fn note(&mut self, sample: OneWaySample) {
        self.probes += 1;
        self.out_sum_us += u64::from(sample.out_us.min(MAX_DELAY_US));
        self.back_sum_us += u64::from(sample.back_us.min(MAX_DELAY_US));
        self.error_sum_us += u64::from(sample.error_us.min(MAX_DELAY_US));
    }

    /// The means, if they say anything.
    ///
    /// # Errors
    /// Why they do not.
    pub fn means(&self) -> Result<OneWayMeans, AsymmetryUnknown> {
        if self.probes == 0 {
            return Err(AsymmetryUnknown::ClocksNotSynchronised);
        }
        if self.error_sum_us >= self.out_sum_us.min(self.back_sum_us) {
            return Err(AsymmetryUnknown::ErrorExceedsDelay);
        }
        let mean = |sum_us: u64| sum_us as f64 / self.probes as f64;
        Ok(OneWayMeans {
            out_us: mean(self.out_sum_us),
            back_us: mean(self.back_sum_us),
            error_us: mean(self.error_sum_us),
        })
    }

    /// How far the means may be off, in microseconds, whether or not they say anything; `None` without a probe.
    pub fn mean_error_us(&self) -> Option<f64> {
        (self.probes > 0).then(|| self.error_sum_us as f64 / self.probes as f64)
    }

    /// Holds the sums against each other and against the number of delays in the histograms.
    pub(crate) fn check(&self, delays: u64) -> Result<(), CountsError> {
        let sum_us = self.out_sum_us.max(self.back_sum_us).max(self.error_sum_us);
        if self.probes <= delays && sum_us <= self.probes.saturating_mul(MAX_DELAY_US.into()) {
            Ok(())
        } else {
            Err(CountsError::OneWay {
                probes: self.probes,
                sum_us,
                delays,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(samples: &[(u32, u32, u32)]) -> OneWay {
        let mut one_way = OneWay::default();
        for &(out_us, back_us, error_us) in samples {
            one_way.note(OneWaySample {
                out_us,
                back_us,
                error_us,
            });
        }
        one_way
    }

    #[test]
    fn means_come_with_their_error_or_not_at_all() {
        let unknown = |samples: &[_]| noted(samples).means().map_err(AsymmetryUnknown::as_str);
        let told = unknown(&[(4_000, 6_000, 900), (4_200, 6_100, 1_100)]);
        let expected = OneWayMeans {
            out_us: 4_100.0,
            back_us: 6_050.0,
            error_us: 1_000.0,
        };
        assert_eq!(told, Ok(expected));
        assert_eq!(unknown(&[]), Err("clocks_not_synchronised"));
        assert_eq!(unknown(&[(5_000, 900, 900)]), Err("error_exceeds_delay"));
        assert_eq!(unknown(&[(0, 0, 0)]), Err("error_exceeds_delay"));
        assert_eq!(noted(&[(5_000, 900, 900)]).mean_error_us(), Some(900.0));
    }

    #[test]
    fn what_cannot_be_is_found() {
        assert_eq!(noted(&[(1, 2, 3), (u32::MAX, 1, u32::MAX)]).check(2), Ok(()));
        assert!(noted(&[(1, 2, 3)]).check(0).is_err(), "of no delay");
        let too_long = OneWay {
            error_sum_us: 60_000_001,
            ..noted(&[(1, 2, 3)])
        };
        assert!(matches!(too_long.check(9), Err(CountsError::OneWay { .. })));
        let of_nothing = OneWay {
            back_sum_us: 1,
            ..OneWay::default()
        };
        assert!(of_nothing.check(9).is_err());
    }
}
