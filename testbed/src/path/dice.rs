//! Luck that is the same on every machine and in every version: splitmix64.
//!
//! Not for secrets. Our own twenty lines rather than a crate, because "same scenario, same seed, same world" must
//! survive a dependency's new major version. Source: Steele, Lea and Flood, "Fast splittable pseudorandom number
//! generators", OOPSLA 2014.

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// The stream that belongs to `seed` and the words of `subject`; different subjects are independent.
    #[must_use]
    pub fn of(seed: u64, subject: &[&str]) -> Self {
        // FNV-1a over the words, each closed by a byte no UTF-8 text contains.
        let mut state = seed ^ 0xcbf2_9ce4_8422_2325;
        for word in subject {
            for byte in word.bytes().chain([0xff]) {
                state = (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
        Self { state }
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Uniform in [0, 1).
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit an f64 exactly")]
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with probability `share`; never for 0, always for 1.
    pub fn happens(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// Lognormal with the given median and sigma, cut at 30 times the median: a tail, not a fairy tale.
    pub fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        // Box-Muller; 1 - unit is in (0, 1], so the logarithm exists.
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * self.unit()).cos();
        (median * (sigma * normal).exp()).min(median * 30.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_of_a_seed_never_changes() {
        // Golden: a change here changes every world anyone has described.
        let mut dice = Dice::of(1, &["a", "b"]);
        let first = dice.next_u64();
        assert_eq!(first, Dice::of(1, &["a", "b"]).next_u64());
        assert_ne!(first, Dice::of(1, &["ab"]).next_u64());
        assert_ne!(first, Dice::of(2, &["a", "b"]).next_u64());
        // splitmix64's published first output for state 0.
        assert_eq!(Dice { state: 0 }.next_u64(), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn a_share_is_kept_over_many_throws() {
        let mut dice = Dice::of(7, &["loss"]);
        let hits = (0..100_000).filter(|_| dice.happens(0.02)).count();
        assert!((1_800..2_200).contains(&hits), "{hits}");
        assert!(!(0..1000).any(|_| dice.happens(0.0)));
        assert!((0..1000).all(|_| dice.happens(1.0)));
    }

    #[test]
    fn half_of_a_lognormal_lies_below_its_median_and_none_below_zero() {
        let mut dice = Dice::of(7, &["variation"]);
        let values: Vec<f64> = (0..100_000).map(|_| dice.lognormal(200.0, 0.6)).collect();
        let below = values.iter().filter(|value| **value < 200.0).count();
        assert!((49_000..51_000).contains(&below), "{below}");
        assert!(values.iter().all(|value| *value > 0.0 && *value <= 6_000.0));
    }
}
