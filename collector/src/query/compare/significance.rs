//! How surely two windows differ, from what each interval saw. Probes of one interval are correlated, and so are
//! intervals, so the variance of a side's mean is the long-run variance of its interval sums; then Welch's test
//! (Biometrika 34, 1947). With mid-ranks as values the difference of means is theta - 1/2. Pure.
//!
//! The long-run variance comes from [`LOWEST`] cosine transforms of the sums, whose number is also the degrees of freedom
//! (Mueller, Journal of Econometrics 141, 2007; Lazarus, Lewis, Stock and Watson, JBES 36, 2018), after the correlation of
//! neighbours was taken out, and put back in (Andrews and Monahan, Econometrica 60, 1992): long memory alone would hide
//! from so few transforms, and noise on top of it from the correlation of neighbours.

/// Fewer intervals on either side, or fewer effective samples, and there is no p-value.
pub const FEWEST_INTERVALS: usize = 8;
/// See [`FEWEST_INTERVALS`].
pub const FEWEST_EFFECTIVE: f64 = 8.0;

/// How many of the lowest frequencies tell the variance of a mean. With more, correlation over several intervals is
/// missed; with fewer, the test is weaker.
const LOWEST: usize = 6;
/// Correlation of neighbours is not believed beyond this.
const MOST_CORRELATION: f64 = 0.9;

/// What one interval saw: how many values, their sum and the sum of their squares.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Interval {
    /// Values.
    pub n: f64,
    /// Their sum.
    pub sum: f64,
    /// Sum of their squares.
    pub squares: f64,
}

/// One side of a comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// Intervals with values.
    pub intervals: usize,
    /// Values.
    pub n: f64,
    /// Independent values that would give a mean as sure as this one: at most `n`.
    pub n_effective: f64,
    mean: f64,
    variance_of_mean: f64,
    degrees: f64,
}

impl Evidence {
    /// Weighs intervals in order of time.
    pub fn of(intervals: impl Iterator<Item = Interval>) -> Self {
        let seen: Vec<Interval> = intervals.filter(|interval| interval.n > 0.0).collect();
        let count = seen.len() as f64;
        let n: f64 = seen.iter().map(|interval| interval.n).sum();
        let mean = seen.iter().map(|interval| interval.sum).sum::<f64>() / n.max(1.0);
        let own = seen.iter().map(|interval| interval.squares).sum::<f64>() / n.max(1.0) - mean * mean;
        let means = || seen.iter().map(|interval| interval.sum / interval.n);
        let parts: Vec<f64> = seen
            .iter()
            .map(|interval| (interval.sum - interval.n * mean) / n.max(1.0))
            .collect();
        let spread: f64 = means().map(|one| (one - mean) * (one - mean)).sum::<f64>() / count.max(1.0);
        let correlation = correlation(means(), mean, spread.sqrt());
        let variance_of_mean = long_run_variance(&parts, correlation) * count;
        let n_effective = if variance_of_mean > 0.0 && own > 0.0 {
            (own / variance_of_mean).min(n)
        } else {
            count
        };
        Self {
            intervals: seen.len(),
            n,
            n_effective,
            mean,
            variance_of_mean,
            degrees: (LOWEST as f64).min(count - 2.0).max(1.0),
        }
    }

    fn is_enough(&self) -> bool {
        self.intervals >= FEWEST_INTERVALS && self.n_effective >= FEWEST_EFFECTIVE
    }
}

/// Correlation of neighbours, 0 to [`MOST_CORRELATION`], corrected for what a mean that was itself estimated hides of it
/// (Marriott and Pope, Biometrika 41, 1954). Values are limited to three `sigma` around `middle` first, so that a spike is no
/// correlation.
fn correlation(values: impl Iterator<Item = f64>, middle: f64, sigma: f64) -> f64 {
    let mut previous: Option<f64> = None;
    let (mut count, mut product, mut square) = (0.0, 0.0, 0.0);
    for value in values {
        let value = (value - middle).clamp(-3.0 * sigma, 3.0 * sigma);
        count += 1.0;
        square += value * value;
        if let Some(previous) = previous.replace(value) {
            product += previous * value;
        }
    }
    if square <= 0.0 || count <= 4.0 {
        return 0.0;
    }
    ((product / square + 1.0 / count) / (1.0 - 4.0 / count)).clamp(0.0, MOST_CORRELATION)
}

/// The variance of a sum of such values, per value, by the lowest frequencies of what `correlation` does not explain.
fn long_run_variance(values: &[f64], correlation: f64) -> f64 {
    let rest: Vec<f64> = values
        .windows(2)
        .map(|pair| pair[1] - correlation * pair[0])
        .collect();
    let count = rest.len().max(1) as f64;
    let middle = rest.iter().sum::<f64>() / count;
    let transforms = LOWEST.min(rest.len().saturating_sub(1)).max(1);
    let power: f64 = (1..=transforms)
        .map(|frequency| {
            let turn = std::f64::consts::PI * frequency as f64 / count;
            let transform: f64 = (0..)
                .zip(&rest)
                .map(|(at, value)| (value - middle) * (turn * (f64::from(at) + 0.5)).cos())
                .sum();
            2.0 * transform * transform / count
        })
        .sum();
    power / transforms as f64 / ((1.0 - correlation) * (1.0 - correlation))
}

/// Two-sided p-value of a difference of the means; `None` when either side has not enough. `variance` is that of single
/// values of both sides together: no mean is surer than so many independent values would make it.
pub fn p_value(window: &Evidence, baseline: &Evidence, variance: f64) -> Option<f64> {
    if !window.is_enough() || !baseline.is_enough() {
        return None;
    }
    let of = |side: &Evidence| side.variance_of_mean.max(variance / side.n);
    let (a, b) = (of(window), of(baseline));
    if a + b <= 0.0 {
        return Some(1.0);
    }
    let square = (window.mean - baseline.mean).powi(2) / (a + b);
    let degrees = (a + b).powi(2) / (a * a / window.degrees + b * b / baseline.degrees);
    // Student's t as a normal deviate (Wallace, Annals of Mathematical Statistics 30, 1959).
    let normal =
        (degrees * (square / degrees).ln_1p()).sqrt() * (8.0 * degrees + 1.0) / (8.0 * degrees + 3.0);
    Some(erfc(normal / std::f64::consts::SQRT_2).clamp(0.0, 1.0))
}

/// Complementary error function of `x` >= 0: DLMF 7.6.2 near zero, the continued fraction DLMF 7.9.1 beyond.
fn erfc(x: f64) -> f64 {
    let scale = (-x * x).exp() / std::f64::consts::PI.sqrt();
    if x < 2.0 {
        let (mut term, mut sum) = (x, x);
        for n in 1..60 {
            term *= 2.0 * x * x / f64::from(2 * n + 1);
            sum += term;
        }
        1.0 - 2.0 * scale * sum
    } else {
        scale / (1..60).rev().fold(x, |rest, n| x + f64::from(n) / 2.0 / rest)
    }
}

/// Adjusted p-values of Benjamini and Hochberg's step-up procedure (JRSS B 57, 1995): the smallest false discovery rate at
/// which each would still be called. Those that are `None` are not among the tests.
pub fn false_discovery(p_values: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut order: Vec<(f64, usize)> = p_values
        .iter()
        .enumerate()
        .filter_map(|(at, p)| Some(((*p)?, at)))
        .collect();
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let tests = order.len() as f64;
    let mut adjusted = vec![None; p_values.len()];
    let mut least = 1.0_f64;
    for (rank, (p, at)) in order.into_iter().enumerate().rev() {
        least = least.min(p * tests / (rank + 1) as f64);
        adjusted[at] = Some(least);
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::super::ranks::MidRanks;
    use super::*;

    /// Twenty delays in each of sixty minutes: a level of the minute that remembers `memory` of the last, and noise.
    fn minutes(rng: &mut fastrand::Rng, middle_us: f64, memory: f64) -> Vec<Vec<u16>> {
        let mut level = 0.0;
        let mut noise = |size: f64| size * (0..6).map(|_| rng.f64() - 0.5).sum::<f64>();
        (0..60)
            .map(|_| {
                level = memory * level + noise(400.0);
                (0..20)
                    .map(|_| ((middle_us + level + noise(800.0)) / 10.0) as u16)
                    .collect()
            })
            .collect()
    }

    fn p_of(window: &[Vec<u16>], baseline: &[Vec<u16>]) -> f64 {
        let bins = |minutes: &[Vec<u16>]| {
            let mut all = minutes.concat();
            all.sort_unstable();
            all.chunk_by(|a, b| a == b)
                .map(|same| (same[0], same.len() as u64))
                .collect()
        };
        let ranks = MidRanks::of(&bins(window), &bins(baseline));
        let evidence = |minutes: &[Vec<u16>]| {
            Evidence::of(minutes.iter().map(|minute| {
                let values = || minute.iter().map(|one| ranks.rank(*one));
                Interval {
                    n: minute.len() as f64,
                    sum: values().sum(),
                    squares: values().map(|v| v * v).sum(),
                }
            }))
        };
        p_value(&evidence(window), &evidence(baseline), ranks.variance).expect("enough")
    }

    fn called(memory: f64) -> usize {
        let mut rng = fastrand::Rng::with_seed(11);
        (0..400)
            .filter(|_| {
                p_of(
                    &minutes(&mut rng, 20_000.0, memory),
                    &minutes(&mut rng, 20_000.0, memory),
                ) < 0.05
            })
            .count()
    }

    #[test]
    fn nothing_is_called_at_about_the_nominal_rate_correlated_or_not() {
        // Of 400 at 5 % twenty are due; three standard deviations are 13.
        let (white, correlated) = (called(0.0), called(0.4));
        assert!((5..=33).contains(&white), "{white} of 400");
        assert!((5..=33).contains(&correlated), "{correlated} of 400");
    }

    /// Sixty intervals of twenty values around `middle`, as [`minutes`], but only their sums.
    fn sums(rng: &mut fastrand::Rng, middle: f64, memory: f64) -> Vec<Interval> {
        let mut noise = |size: f64| size * (0..6).map(|_| rng.f64() - 0.5).sum::<f64>();
        let mut level = noise(400.0) / (1.0_f64 - memory * memory).sqrt();
        (0..60)
            .map(|_| {
                level = memory * level + noise(400.0);
                let mean = middle + level + noise(800.0) / 20.0_f64.sqrt();
                Interval {
                    n: 20.0,
                    sum: 20.0 * mean,
                    squares: 20.0 * (mean * mean + 320_000.0),
                }
            })
            .collect()
    }

    /// The share, in percent, of pairs of windows that are called at 5 % when the later one is shifted.
    fn called_percent(memory: f64, shift: f64, pairs: u32) -> f64 {
        let mut rng = fastrand::Rng::with_seed(23);
        let called = (0..pairs).filter(|_| {
            let later = Evidence::of(sums(&mut rng, 20_000.0 + shift, memory).into_iter());
            let before = Evidence::of(sums(&mut rng, 20_000.0, memory).into_iter());
            p_value(&later, &before, 320_000.0).is_some_and(|p| p < 0.05)
        });
        100.0 * called.count() as f64 / f64::from(pairs)
    }

    #[test]
    fn no_more_than_the_nominal_rate_is_called_however_correlated_and_a_tenth_always() {
        for memory in [0.0, 0.2, 0.4, 0.6] {
            let falsely = called_percent(memory, 0.0, 6_000);
            assert!((3.0..=5.5).contains(&falsely), "{falsely} % at {memory}");
            let truly = called_percent(memory, 2_000.0, 500);
            assert!(truly == 100.0, "{truly} % of shifts by a tenth at {memory}");
        }
        let small = called_percent(0.4, 250.0, 1_000);
        assert!(small > 60.0, "{small} % of shifts by an eightieth");
    }

    #[test]
    fn two_milliseconds_are_called() {
        let mut rng = fastrand::Rng::with_seed(5);
        let p = p_of(
            &minutes(&mut rng, 22_000.0, 0.4),
            &minutes(&mut rng, 20_000.0, 0.4),
        );
        assert!(p < 1e-6, "{p}");
    }

    #[test]
    fn few_intervals_or_few_effective_samples_have_no_p_value() {
        let side = |means: &[f64]| {
            Evidence::of(means.iter().map(|mean| Interval {
                n: 10.0,
                sum: 10.0 * mean,
                squares: 3.0,
            }))
        };
        let steady = side(&[0.49, 0.51].repeat(30));
        let of_few = |count| side(&[0.49, 0.51].repeat(8)[..count]);
        assert!(of_few(FEWEST_INTERVALS - 1).n_effective > FEWEST_EFFECTIVE);
        assert_eq!(p_value(&of_few(FEWEST_INTERVALS - 1), &steady, 0.1), None);
        assert!(p_value(&of_few(FEWEST_INTERVALS), &steady, 0.1).is_some());
        let drifted = side(&[[0.3; 8], [0.7; 8]].concat());
        assert_eq!(
            p_value(&drifted, &steady, 0.1),
            None,
            "two levels are two samples"
        );
    }

    #[test]
    fn the_error_function_is_the_tabled_one() {
        for (x, expected) in [
            (0.0, 1.0),
            (1.0, 0.157_299_207),
            (2.0, 0.004_677_735),
            (3.0, 2.209_05e-5),
        ] {
            assert!((erfc(x) - expected).abs() < 1e-5 * expected, "{x}: {}", erfc(x));
        }
    }

    #[test]
    fn adjusted_values_ascend_with_p_and_skip_what_was_not_tested() {
        let adjusted = false_discovery(&[Some(0.04), None, Some(0.01), Some(0.03), Some(0.5)]);
        let expected = [Some(0.16 / 3.0), None, Some(0.04), Some(0.16 / 3.0), Some(0.5)];
        for (got, wanted) in adjusted.iter().zip(expected) {
            assert_eq!(got.is_some(), wanted.is_some());
            assert!(
                (got.unwrap_or(0.0) - wanted.unwrap_or(0.0)).abs() < 1e-12,
                "{adjusted:?}"
            );
        }
    }
}
