//! Gaps between the slots of a Poisson schedule (RFC 2330 section 11.1.1): independent and exponential, so that no rhythm of the
//! network can fall into step with the probes, and nobody can guess the next. Pure: seeded, the same seed gives the same gaps.

use super::split_mix::SplitMix64;

/// No gap is longer than so many mean ones: one in 22,000 would be. Silence has a bound, which a reader of losses needs.
const LONGEST: f64 = 10.0;
/// Mean of the exponential distribution cut at [`LONGEST`], in units of its own mean: 1 - L / (e^L - 1).
const MEAN_OF_CUT: f64 = 0.999_545_980_089_903;

/// An endless row of gaps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gaps {
    random: SplitMix64,
    mean_ns: f64,
}

impl Gaps {
    /// Gaps of `mean_ns` on average, none longer than ten times that.
    pub(super) fn new(mean_ns: i64, seed: u64) -> Self {
        Self {
            random: SplitMix64::new(seed),
            mean_ns: mean_ns.max(1) as f64,
        }
    }

    /// The next gap, in nanoseconds; at least 1.
    pub(super) fn next_ns(&mut self) -> i64 {
        // 53 bits, so every value is exact and below 1.
        let uniform = (self.random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        // The inverse of the distribution function of the exponential distribution, cut.
        let gap = -(-uniform * (1.0 - (-LONGEST).exp())).ln_1p() / MEAN_OF_CUT;
        ((gap * self.mean_ns) as i64).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::NS_PER_S;

    #[test]
    fn the_constant_is_the_mean_of_the_cut_distribution() {
        let mean = 1.0 - LONGEST / (LONGEST.exp() - 1.0);
        assert!((mean - MEAN_OF_CUT).abs() < 1e-12, "{mean}");
    }

    /// Shares below a multiple of the mean, and the mean, are those of the distribution; bounds of four standard errors.
    #[test]
    fn gaps_are_exponential_with_the_mean_asked_for() {
        const N: usize = 100_000;
        for seed in [0, 1, u64::MAX] {
            let mut gaps = Gaps::new(NS_PER_S, seed);
            let drawn: Vec<f64> = (0..N).map(|_| gaps.next_ns() as f64 / NS_PER_S as f64).collect();
            let mean = drawn.iter().sum::<f64>() / N as f64;
            assert!((mean - 1.0).abs() < 4.0 / (N as f64).sqrt(), "{mean}");
            for bound in [0.1, 0.5, 1.0, 2.0, 4.0] {
                let share = drawn.iter().filter(|gap| **gap < bound).count() as f64 / N as f64;
                let expected = 1.0 - (-bound).exp();
                let error = (expected * (1.0 - expected) / N as f64).sqrt();
                assert!(
                    (share - expected).abs() < 4.0 * error + 1e-3,
                    "{bound}: {share}, not {expected}"
                );
            }
            let longest = drawn.iter().copied().fold(0.0, f64::max);
            assert!(longest > 5.0 && longest <= LONGEST / MEAN_OF_CUT, "{longest}");
        }
    }

    #[test]
    fn a_seed_decides_and_another_decides_otherwise() {
        let row = |seed| {
            let mut gaps = Gaps::new(1_000_000, seed);
            [(); 4].map(|()| gaps.next_ns())
        };
        assert_eq!(row(7), row(7));
        assert_ne!(row(7), row(8));
        assert_eq!(Gaps::new(0, 3).next_ns(), 1, "never twice at once");
    }
}
