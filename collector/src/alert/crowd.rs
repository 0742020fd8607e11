//! How many series are watched side by side, and what more each has to prove because of it: a fleet of any size raises no
//! more by chance than one of [`ALONE`] series. A correction of p-values (Benjamini and Hochberg 1995) cannot be had from the
//! ranks of six units among ten thousand series, whose smallest possible p-value is too large; the tests here are
//! sequential, and asking a sequential test for more height divides how often chance gets there.

/// So many series are watched with the settings as they are: a quiet day of them raises less than what is allowed for.
const ALONE: f64 = 1_000.0;
/// So many times fewer climbs that noise makes reach a step of the ladder than the one below. Simulated: values with one in
/// twenty far out and a correlation of 0.5 between neighbours were told 0.18, 0.037, 0.0080 and 0.0015 times a series-day
/// with 3, 4, 5 and 6 steps. Noise without such tails falls off faster.
const PER_STEP: f64 = 4.5;

/// Natural logarithm of how many times as many series are watched as are [`ALONE`]; never less than 0.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Crowd(f32);

impl Crowd {
    /// Of so many series.
    pub fn of(series: usize) -> Self {
        Self((series as f64 / ALONE).max(1.0).ln() as f32)
    }

    /// By how much a log likelihood ratio must be larger: chance exceeds one by `x` once in `exp(x)` (Page 1954).
    pub fn log_odds(self) -> f64 {
        self.0.into()
    }

    /// How many times less likely by chance a single finding must be.
    pub fn odds(self) -> f64 {
        self.log_odds().exp()
    }

    /// Steps of a ladder to ask for beyond the usual.
    pub fn steps(self) -> f64 {
        self.log_odds() / PER_STEP.ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_with_the_logarithm_beyond_a_thousand() {
        for few in [0, 1, 10, 1_000] {
            assert_eq!(Crowd::of(few), Crowd::default());
        }
        let many = Crowd::of(10_000);
        assert!((many.odds() - 10.0).abs() < 1e-4);
        assert!((many.steps() - 1.53).abs() < 0.01, "{}", many.steps());
        assert!((Crowd::of(1_000_000).steps() - 3.0 * many.steps()).abs() < 1e-5);
    }
}
