//! How much delay varies from one packet to the next: IPDV (RFC 3393) of round-trip delays, as two numbers that add up over
//! intervals and series. No maximum: two bytes a record more would cost a tenth of the wire, and PDV's tail says more. Not PDV (RFC 5481), which the delay histogram gives when it is asked: a delay less the shortest one.
//!
//! A pair is two probes of one series that were sent one after the other and both came back with a delay by the same clock; a
//! lost probe has no delay, so neither of its pairs exists. A pair belongs to the interval of its later probe.

use crate::counts::CountsError;
use crate::histogram::bucket::MAX_DELAY_US;

/// The variation within the pairs of one series in one interval, or of any number of both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ipdv {
    /// Pairs.
    pub pairs: u64,
    /// The sum of their differences, signs dropped, in microseconds.
    pub sum_us: u64,
}

impl Ipdv {
    /// Adds the pair of these delays, in microseconds.
    pub fn note(&mut self, one_us: u32, next_us: u32) {
        let difference_us = u64::from(one_us.abs_diff(next_us).min(MAX_DELAY_US));
        self.pairs += 1;
        self.sum_us += difference_us;
    }

    /// The mean of the differences, signs dropped, in microseconds; `None` without a pair.
    pub fn mean_us(&self) -> Option<f64> {
        (self.pairs > 0).then(|| self.sum_us as f64 / self.pairs as f64)
    }

    /// Holds the two against each other and against the number of delays in the histograms: a pair has a later delay.
    pub(crate) fn check(&self, delays: u64) -> Result<(), CountsError> {
        let Self { pairs, sum_us } = *self;
        if pairs <= delays && sum_us <= pairs.saturating_mul(MAX_DELAY_US.into()) {
            Ok(())
        } else {
            Err(CountsError::Ipdv {
                pairs,
                sum_us,
                delays,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_lose_their_sign_and_nothing_else() {
        let mut ipdv = Ipdv::default();
        assert_eq!(ipdv.mean_us(), None);
        ipdv.note(1_000, 1_010);
        ipdv.note(1_010, 980);
        let expected = Ipdv { pairs: 2, sum_us: 40 };
        assert_eq!(ipdv, expected);
        assert_eq!((ipdv.mean_us(), ipdv.check(2)), (Some(20.0), Ok(())));
    }

    #[test]
    fn what_cannot_be_is_found() {
        for (pairs, sum_us, delays) in [(3, 10, 2), (0, 1, 5), (1, 60_000_001, 5)] {
            let ipdv = Ipdv { pairs, sum_us };
            assert!(
                matches!(ipdv.check(delays), Err(CountsError::Ipdv { .. })),
                "{ipdv:?} of {delays}"
            );
        }
    }
}
