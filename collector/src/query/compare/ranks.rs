//! Two histograms compared by ranks: Mann and Whitney's statistic (Annals of Mathematical Statistics 18, 1947) from
//! bucket counts. Delays of one bucket are ties and count half. Pure counting; what is significant is `significance.rs`.

/// Bucket index and count, ascending by index, no count 0.
pub type Bins = Vec<(u16, u64)>;

/// The mid-ranks of two samples put together, each divided by their number: 0 to 1.
#[derive(Debug, Clone, Default)]
pub struct MidRanks {
    ranks: Vec<(u16, f64)>,
    /// Probability that a delay of the window is longer than one of the baseline, ties half; `None` if a side is empty.
    pub theta: Option<f64>,
    /// Variance of the mid-ranks of both samples together.
    pub variance: f64,
}

impl MidRanks {
    /// Ranks the delays of both.
    pub fn of(window: &Bins, baseline: &Bins) -> Self {
        let total = |bins: &Bins| bins.iter().map(|(_, count)| *count as f64).sum::<f64>();
        let (in_window, in_baseline) = (total(window), total(baseline));
        let all = in_window + in_baseline;
        let mut indices: Vec<u16> = window.iter().chain(baseline).map(|(index, _)| *index).collect();
        indices.sort_unstable();
        indices.dedup();
        let count = |bins: &Bins, index: u16| {
            bins.binary_search_by_key(&index, |(index, _)| *index)
                .map_or(0.0, |at| bins[at].1 as f64)
        };
        let mut ranks = Vec::with_capacity(indices.len());
        let (mut below, mut below_in_baseline, mut u, mut variance) = (0.0, 0.0, 0.0, 0.0);
        for index in indices {
            let (a, b) = (count(window, index), count(baseline, index));
            u += a * (below_in_baseline + b / 2.0);
            let rank = (below + (a + b) / 2.0) / all;
            variance += (a + b) / all * (rank - 0.5) * (rank - 0.5);
            ranks.push((index, rank));
            below += a + b;
            below_in_baseline += b;
        }
        Self {
            ranks,
            theta: (in_window > 0.0 && in_baseline > 0.0).then(|| u / (in_window * in_baseline)),
            variance,
        }
    }

    /// The mid-rank of a bucket; of one that neither had, that of the next.
    pub fn rank(&self, index: u16) -> f64 {
        let at = self.ranks.partition_point(|(known, _)| *known < index);
        self.ranks.get(at).map_or(1.0, |(_, rank)| *rank)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bins(values: &[u16]) -> Bins {
        let mut sorted = values.to_vec();
        sorted.sort_unstable();
        sorted
            .chunk_by(|a, b| a == b)
            .map(|same| (same[0], same.len() as u64))
            .collect()
    }

    #[test]
    fn an_empty_side_has_no_theta() {
        assert_eq!(MidRanks::of(&bins(&[1]), &bins(&[])).theta, None);
        assert_eq!(MidRanks::of(&bins(&[5, 6]), &bins(&[1, 2])).theta, Some(1.0));
    }

    proptest! {
        #[test]
        fn theta_is_what_counting_every_pair_gives(
            window in prop::collection::vec(0_u16..30, 1..40), baseline in prop::collection::vec(0_u16..30, 1..40)
        ) {
            let mut longer = 0.0;
            for a in &window {
                for b in &baseline {
                    longer += if a > b { 1.0 } else if a == b { 0.5 } else { 0.0 };
                }
            }
            let naive = longer / (window.len() * baseline.len()) as f64;
            let forth = MidRanks::of(&bins(&window), &bins(&baseline));
            let back = MidRanks::of(&bins(&baseline), &bins(&window));
            let theta = forth.theta.expect("both have delays");
            prop_assert!((theta - naive).abs() < 1e-12);
            prop_assert!((theta + back.theta.expect("both have delays") - 1.0).abs() < 1e-12);
            let mean = |values: &[u16]| values.iter().map(|v| forth.rank(*v)).sum::<f64>() / values.len() as f64;
            prop_assert!((0.5 + mean(&window) - mean(&baseline) - theta).abs() < 1e-12);
            prop_assert_eq!(MidRanks::of(&bins(&window), &bins(&window)).theta, Some(0.5));
        }
    }
}
