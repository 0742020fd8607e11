//! What a series says before anything is thresholded: how far its last minutes are above what it was, and how wide that
//! is by chance. One series' word proves nothing; [`super::blame`] pools those of many. Pure. Not an alert, and not the
//! confirmed change of [`super::level`].
//!
//! The last minutes are the median of [`RECENT`] units (of a lost share: the better half of them), so that what lasted
//! three units says nothing. The width is never less than a third of the alert's floor: what many series share to a
//! hundredth of a millisecond is certain and nobody's business.

use serde::{Deserialize, Serialize};

/// Units that "now" is made of. An excursion must fill more than half of them.
pub const RECENT: usize = 7;
/// Variance of a median over that of a mean, for normal values (pi / 2).
const MEDIAN: f64 = 1.57;
/// Of the alert's floor, the least width.
const OF_FLOOR: f64 = 1.0 / 3.0;

/// What is pooled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The median round-trip delay.
    Delay,
    /// The lost share.
    Loss,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Delay, Self::Loss];

    /// The one spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delay => "delay",
            Self::Loss => "loss",
        }
    }
}

/// One series' weak evidence about one kind. Levels are microseconds for delays and a share (0 to 1) for loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weak {
    /// End of the unit that brought it, Unix time in milliseconds.
    pub end_unix_ms: u64,
    /// For how long it is news, in milliseconds.
    pub fresh_ms: u64,
    /// The last minutes.
    pub level: f64,
    /// What it was.
    pub base: f64,
    /// Standard deviation of the difference when nothing happened, or what is too small to matter if that is more; infinite
    /// while there is nothing to hold the level against.
    pub width: f64,
    /// Begin of the climb under way, if there is one, Unix time in milliseconds.
    pub began_unix_ms: Option<u64>,
}

impl Weak {
    /// Whether it says anything of a change. Else it says only how things are: whether a rise that is known goes on.
    pub fn is_evidence(&self) -> bool {
        self.width.is_finite()
    }

    /// Standard score, positive when worse.
    pub fn score(&self) -> f64 {
        self.score_over(self.base)
    }

    /// Standard score over another base, if that is higher: a level that was accepted is no news.
    pub fn score_over(&self, base: f64) -> f64 {
        (self.level - self.base.max(base)) / self.width
    }
}

/// The width for a median of `recent` units against that of `units`, each with the standard deviation `sigma` and
/// the serial correlation's `inflation` of the variance; `floor` is the smallest shift worth an alert.
pub fn width(sigma: f64, inflation: f64, recent: usize, units: usize, floor: f64) -> f64 {
    let (recent, units) = (recent.max(1) as f64, units.max(1) as f64);
    let noise = sigma * (MEDIAN * inflation * (1.0 / recent + 1.0 / units)).sqrt();
    noise.max(OF_FLOOR * floor).max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_of_the_floor_scores_three_on_a_quiet_path_and_noise_scores_one() {
        let quiet = Weak {
            end_unix_ms: 0,
            fresh_ms: 0,
            level: 10_800.0,
            base: 10_000.0,
            width: width(1.0, 1.0, RECENT, 120, 800.0),
            began_unix_ms: None,
        };
        assert!((quiet.score() - 3.0).abs() < 1e-9);
        assert!((quiet.score_over(10_800.0)).abs() < 1e-9);
        assert_eq!(quiet.score_over(1.0), quiet.score());
        let noisy = width(3_000.0, 1.0, RECENT, 120, 800.0);
        assert!((1_400.0..1_500.0).contains(&noisy), "{noisy}");
        assert!(width(0.0, 1.0, 0, 0, 0.0) > 0.0);
    }
}
