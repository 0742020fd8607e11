//! How different is the new level, on one scale for all series? Ranks, not values: Mann and Whitney's test (Annals of
//! Mathematical Statistics 18, 1947) with the variance enlarged for serial correlation. The score goes out with the change,
//! for whoever ranks or pools changes. It is not a gate: on the labelled series every shift that climbed the ladder scored
//! above 2, and asking for 3 lost one true regression in eight without saving a false alarm.

/// Serial correlation is not believed beyond this; a handful of units cannot tell 0.8 from 1.
const MOST_CORRELATION: f64 = 0.8;

/// Standard score of Mann and Whitney's U: how many standard deviations the `window` ranks above the `reference`
/// (negative: below). Ties count half and shrink the variance. `inflation` >= 1 multiplies the variance: the units of
/// each side are worth `1 / inflation` independent ones. 0 when either side is empty or everything is tied.
pub fn rank_score(
    window: impl Iterator<Item = f64>,
    reference: impl Iterator<Item = f64>,
    inflation: f64,
) -> f64 {
    let mut all: Vec<(f64, bool)> = window
        .map(|value| (value, true))
        .chain(reference.map(|value| (value, false)))
        .collect();
    all.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let inside = all.iter().filter(|(_, in_window)| *in_window).count() as f64;
    let total = all.len() as f64;
    let outside = total - inside;
    if inside < 1.0 || outside < 1.0 {
        return 0.0;
    }

    let (mut rank_sum, mut ties, mut before) = (0.0, 0.0, 0.0);
    for group in all.chunk_by(|a, b| a.0 == b.0) {
        let size = group.len() as f64;
        let in_window = group.iter().filter(|(_, in_window)| *in_window).count() as f64;
        rank_sum += in_window * (before + (size + 1.0) / 2.0);
        ties += size * size * size - size;
        before += size;
    }
    let u = rank_sum - inside * (inside + 1.0) / 2.0;
    let variance = inside * outside / 12.0 * ((total + 1.0) - ties / (total * (total - 1.0)).max(1.0));
    if variance <= 0.0 {
        return 0.0;
    }
    (u - inside * outside / 2.0) / (variance * inflation.max(1.0)).sqrt()
}

/// How much serial correlation inflates the variance of a mean: `(1 + r) / (1 - r)` for correlation `r` between
/// neighbours (Bayley and Hammersley, JRSS Supplement 8, 1946, for a first-order process). Values are limited to three
/// `sigma` around `middle` first, so a spike is no correlation. At least 1: nothing is worth more than it counts.
pub fn variance_inflation(values: impl Iterator<Item = f64>, middle: f64, sigma: f64) -> f64 {
    let mut previous: Option<f64> = None;
    let (mut product, mut square) = (0.0, 0.0);
    for value in values {
        let value = (value - middle).clamp(-3.0 * sigma, 3.0 * sigma);
        square += value * value;
        if let Some(previous) = previous.replace(value) {
            product += previous * value;
        }
    }
    if square <= 0.0 {
        return 1.0;
    }
    let correlation = (product / square).clamp(0.0, MOST_CORRELATION);
    (1.0 + correlation) / (1.0 - correlation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn score(window: &[f64], reference: &[f64]) -> f64 {
        rank_score(window.iter().copied(), reference.iter().copied(), 1.0)
    }

    #[test]
    fn separated_samples_score_as_the_textbook_says() {
        // U = 15 of 15, mean 7.5, variance 3 * 5 * 9 / 12.
        let expected = 7.5 / (11.25_f64).sqrt();
        assert!((score(&[7.0, 8.0, 9.0], &[1.0, 2.0, 3.0, 4.0, 5.0]) - expected).abs() < 1e-12);
    }

    #[test]
    fn ties_shrink_the_variance_and_all_tied_says_nothing() {
        assert_eq!(score(&[5.0; 6], &[5.0; 20]), 0.0);
        assert_eq!(score(&[], &[1.0]), 0.0);
        // Ranks of the window: 2.5 and 5; U = 4.5 of 6; tie group of 4: variance 6 / 12 * (6 - 60 / 20).
        let expected = 1.5 / 1.5_f64.sqrt();
        assert!((score(&[2.0, 3.0], &[2.0, 2.0, 2.0]) - expected).abs() < 1e-12);
    }

    #[test]
    fn a_walk_inflates_and_white_noise_hardly() {
        let mut rng = fastrand::Rng::with_seed(7);
        let noise: Vec<f64> = (0..2_000).map(|_| rng.f64() - 0.5).collect();
        let smooth: Vec<f64> = noise.windows(8).map(|w| w.iter().sum()).collect();
        assert!(variance_inflation(noise.iter().copied(), 0.0, 0.3) < 1.2);
        assert!(variance_inflation(smooth.iter().copied(), 0.0, 0.8) > 4.0);
    }

    proptest! {
        #[test]
        fn swapping_sides_flips_the_sign_and_order_preserving_maps_change_nothing(
            window in prop::collection::vec(0_i32..50, 1..30),
            reference in prop::collection::vec(0_i32..50, 1..60),
        ) {
            let plain = |values: &[i32]| values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
            let mapped = |values: &[i32]| values.iter().map(|v| f64::from(*v).exp2()).collect::<Vec<_>>();
            let forth = score(&plain(&window), &plain(&reference));
            prop_assert!((forth + score(&plain(&reference), &plain(&window))).abs() < 1e-9);
            prop_assert!((forth - score(&mapped(&window), &mapped(&reference))).abs() < 1e-9);
        }
    }
}
