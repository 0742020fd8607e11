//! Which target is nearest, and whether that is more than chance. Pure.
//!
//! By the median. Two medians are told apart when their 95 % intervals do not overlap; an interval runs between the order
//! statistics `n/2 -+ 0.98 sqrt(n)`, which assumes nothing about the shape of the delays (Conover, Practical Nonparametric
//! Statistics, section 3.2), only that one probe says nothing about the next.

use crate::tally::SeriesTally;

/// Half the width of a 95 % interval of the median, in ranks per square root of the count: 1.96 / 2.
const HALF_WIDTH: f64 = 0.98;

/// One target's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranked {
    /// Its position among the targets asked.
    pub target: usize,
    /// Where it stands.
    pub standing: Standing,
}

/// Where a target stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// By its median.
    Place {
        /// From 1.
        place: usize,
        /// Its median, nearest rank.
        median_us: u32,
        /// How much more than the first's.
        behind_us: u32,
        /// Not the first, but not told from it either.
        tied: bool,
    },
    /// It has no delay.
    NothingCameBack,
}

#[derive(Clone, Copy, Debug)]
struct Median {
    us: u32,
    low_us: u32,
    high_us: u32,
}

/// All targets, nearest first; those without an answer last, in the order asked.
#[must_use]
pub fn rank(found: &[SeriesTally]) -> Vec<Ranked> {
    let medians: Vec<Option<Median>> = found.iter().map(median).collect();
    let mut order: Vec<usize> = (0..found.len()).collect();
    order.sort_by_key(|&target| medians[target].map_or(u64::MAX, |median| median.us.into()));
    let first = order.first().and_then(|&target| medians[target]);
    order
        .into_iter()
        .enumerate()
        .map(|(before, target)| {
            let standing = match (medians[target], first) {
                (Some(median), Some(first)) => Standing::Place {
                    place: before + 1,
                    median_us: median.us,
                    behind_us: median.us.saturating_sub(first.us),
                    tied: before > 0 && median.low_us <= first.high_us,
                },
                _ => Standing::NothingCameBack,
            };
            Ranked { target, standing }
        })
        .collect()
}

fn median(tally: &SeriesTally) -> Option<Median> {
    let mut delays_us: Vec<u32> = tally.delays_us.iter().map(|(_, us)| *us).collect();
    delays_us.sort_unstable();
    let n = delays_us.len();
    let at = |rank: f64| {
        let index = (rank.max(1.0) as usize).min(n) - 1;
        delays_us.get(index).copied()
    };
    let (middle, half_width) = (n as f64 / 2.0, HALF_WIDTH * (n as f64).sqrt());
    Some(Median {
        us: *delays_us.get(n.div_ceil(2).checked_sub(1)?)?,
        low_us: at((middle - half_width).floor())?,
        high_us: at((middle + half_width + 1.0).ceil())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use azimuth_measurement::StampClock;

    fn tally(delays_us: impl IntoIterator<Item = u32>) -> SeriesTally {
        SeriesTally {
            delays_us: delays_us.into_iter().map(|us| (StampClock::Kernel, us)).collect(),
            ..SeriesTally::default()
        }
    }

    #[test]
    fn few_probes_tell_less_apart_than_many() {
        let spread = |count: u32, from: u32| tally((0..count).map(move |n| from + n * 1_000 / count));
        let tied = |count| {
            let ranked = rank(&[spread(count, 5_000), spread(count, 5_200)]);
            matches!(ranked[1].standing, Standing::Place { tied: true, .. })
        };
        assert!(tied(4) && tied(20));
        assert!(!tied(200));
    }

    #[test]
    fn the_false_call_rate_is_what_is_claimed() {
        let mut dice = fastrand::Rng::with_seed(7);
        let mut told_apart = 0;
        for _ in 0..1_000 {
            let found = [0, 1].map(|_| tally((0..50).map(|_| dice.u32(1_000..3_000))));
            told_apart += u32::from(matches!(
                rank(&found)[1].standing,
                Standing::Place { tied: false, .. }
            ));
        }
        // Two intervals of 95 % that do not overlap are rarer than 5 %: the statement is cautious.
        assert!(told_apart <= 20, "{told_apart} of 1000 pairs of equals");
    }

    #[test]
    fn nothing_is_nearer_than_something_that_answered() {
        let ranked = rank(&[tally([]), tally([9]), tally([])]);
        let order: Vec<_> = ranked.iter().map(|ranked| ranked.target).collect();
        assert_eq!(order, [1, 0, 2]);
        assert_eq!(ranked[1].standing, Standing::NothingCameBack);
        assert!(rank(&[]).is_empty());
    }
}
