//! Where histograms are merged and quantiles are taken. Dense (136 KiB) and meant to be reused: clearing touches only the
//! buckets that were filled. Not a thing to keep per series; keep [`DelayHistogram`]s.

use thiserror::Error;

use super::bucket::{BUCKETS, BucketIndex};
use super::sparse::{Bins, BinsError, DelayHistogram};

/// More delays than a `u64` counts were added; no true measurement gets there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the merged histogram would count more than {} delays", u64::MAX)]
pub struct CountOverflow;

/// The merge target.
#[derive(Debug, Clone)]
pub struct Accumulator {
    counts: Box<[u64]>,
    total: u64,
    /// Buckets outside `lowest..=highest` are zero.
    lowest: usize,
    highest: usize,
}

impl Default for Accumulator {
    fn default() -> Self {
        Self {
            counts: vec![0; usize::from(BUCKETS)].into_boxed_slice(),
            total: 0,
            lowest: usize::MAX,
            highest: 0,
        }
    }
}

impl Accumulator {
    /// An empty accumulator.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds every delay of `histogram`.
    ///
    /// # Errors
    /// When the total would overflow; nothing is added then.
    pub fn add(&mut self, histogram: &DelayHistogram) -> Result<(), CountOverflow> {
        // No bucket counts more than the total, so one check covers them all.
        let total = self.total.checked_add(histogram.count()).ok_or(CountOverflow)?;
        for (bucket, count) in histogram.bins() {
            self.bump(bucket, count);
        }
        self.total = total;
        Ok(())
    }

    /// Adds the bins of a histogram that is kept in some other place than a [`DelayHistogram`].
    ///
    /// # Errors
    /// When the total would overflow; the bins before the one that is too many are added then.
    pub fn add_bins(&mut self, mut bins: Bins<'_>) -> Result<(), CountOverflow> {
        let Some((first, count)) = bins.next() else {
            return Ok(());
        };
        self.total = self.total.checked_add(count).ok_or(CountOverflow)?;
        self.bump(first, count);
        for (bucket, count) in bins {
            self.total = self.total.checked_add(count).ok_or(CountOverflow)?;
            let index = usize::from(bucket.get());
            self.counts[index] += count;
            // Bins ascend, so the first is the lowest.
            self.highest = self.highest.max(index);
        }
        Ok(())
    }

    /// Adds one delay, in microseconds.
    pub fn record_us(&mut self, delay_us: u32) -> Result<(), CountOverflow> {
        self.total = self.total.checked_add(1).ok_or(CountOverflow)?;
        self.bump(BucketIndex::of_us(delay_us), 1);
        Ok(())
    }

    fn bump(&mut self, bucket: BucketIndex, count: u64) {
        let index = usize::from(bucket.get());
        self.counts[index] += count;
        self.lowest = self.lowest.min(index);
        self.highest = self.highest.max(index);
    }

    /// Number of delays added.
    pub fn count(&self) -> u64 {
        self.total
    }

    /// The delay, in microseconds, that at least a share `quantile` (0 to 1) of the delays does not exceed: nearest rank
    /// `ceil(quantile * n)`, reported as the longest delay of its bucket. `None` without delays.
    pub fn quantile_us(&self, quantile: f64) -> Option<u32> {
        self.bucket_at(quantile).map(|bucket| {
            if quantile <= 0.0 {
                bucket.lowest_us()
            } else {
                bucket.highest_us()
            }
        })
    }

    /// The bucket in which the nearest rank of `quantile` falls.
    pub fn bucket_at(&self, quantile: f64) -> Option<BucketIndex> {
        let rank = ((quantile.clamp(0.0, 1.0) * self.total as f64).ceil() as u64).clamp(1, self.total.max(1));
        let mut seen = 0;
        self.bins().find_map(|(bucket, count)| {
            seen += count;
            (seen >= rank).then_some(bucket)
        })
    }

    /// Shortest delay, to the bucket's low end, in microseconds.
    pub fn min_us(&self) -> Option<u32> {
        self.bins().next().map(|(bucket, _)| bucket.lowest_us())
    }

    /// Longest delay, to the bucket's high end, in microseconds.
    pub fn max_us(&self) -> Option<u32> {
        (self.total > 0)
            .then(|| BucketIndex::new(self.highest as u16))
            .flatten()
            .map(BucketIndex::highest_us)
    }

    /// Arithmetic mean of the bucket middles, in microseconds.
    pub fn mean_us(&self) -> Option<f64> {
        let sum: f64 = self
            .bins()
            .map(|(bucket, count)| {
                (f64::from(bucket.lowest_us()) + f64::from(bucket.highest_us())) / 2.0 * count as f64
            })
            .sum();
        (self.total > 0).then(|| sum / self.total as f64)
    }

    /// The filled buckets, ascending, with their counts.
    pub fn bins(&self) -> impl Iterator<Item = (BucketIndex, u64)> + '_ {
        let filled = if self.total == 0 {
            0..0
        } else {
            self.lowest..self.highest + 1
        };
        let offset = filled.start;
        self.counts[filled]
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
            .filter_map(move |(index, &count)| {
                BucketIndex::new((offset + index) as u16).map(|bucket| (bucket, count))
            })
    }

    /// The compact form of what was added.
    ///
    /// # Errors
    /// When it counts more delays than one record may hold.
    pub fn to_histogram(&self) -> Result<DelayHistogram, BinsError> {
        DelayHistogram::from_bins(self.bins())
    }

    /// Empties the accumulator for the next merge.
    pub fn clear(&mut self) {
        if self.total > 0 {
            self.counts[self.lowest..=self.highest].fill(0);
        }
        self.total = 0;
        self.lowest = usize::MAX;
        self.highest = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::Histogram;
    use proptest::prelude::*;

    fn delays() -> impl Strategy<Value = Vec<u32>> {
        let near = 200_u32..30_000;
        let any = 1_u32..=60_000_000;
        prop::collection::vec(prop_oneof![4 => near, 1 => any], 1..300)
    }

    fn merged(parts: &[Vec<u32>]) -> Accumulator {
        let mut accumulator = Accumulator::new();
        for part in parts {
            accumulator
                .add(&DelayHistogram::from_values_us(&mut part.clone()))
                .unwrap();
        }
        accumulator
    }

    #[test]
    fn nothing_has_no_quantile() {
        let empty = Accumulator::new();
        assert_eq!(
            (empty.quantile_us(0.5), empty.min_us(), empty.max_us()),
            (None, None, None)
        );
        assert_eq!(empty.mean_us(), None);
    }

    #[test]
    fn a_total_beyond_u64_is_refused_and_changes_nothing() {
        let mut accumulator = merged(&[vec![7]]);
        accumulator.total = u64::MAX;
        assert_eq!(accumulator.record_us(7), Err(CountOverflow));
        assert_eq!(
            accumulator.add(&DelayHistogram::from_values_us(&mut [7])),
            Err(CountOverflow)
        );
        assert_eq!(accumulator.counts[7], 1);
    }

    proptest! {
        #[test]
        fn merge_is_the_histogram_of_the_union(parts in prop::collection::vec(delays(), 1..6)) {
            let mut union = parts.concat();
            let whole = DelayHistogram::from_values_us(&mut union);
            prop_assert_eq!(merged(&parts).to_histogram().unwrap(), whole.clone());
            let mut by_bins = Accumulator::new();
            for part in &parts {
                let part = DelayHistogram::from_values_us(&mut part.clone());
                by_bins.add_bins(part.bins()).unwrap();
            }
            prop_assert_eq!(by_bins.to_histogram().unwrap(), whole);
        }

        #[test]
        fn buckets_and_quantiles_are_the_librarys(parts in prop::collection::vec(delays(), 1..4), q in 0.0_f64..=1.0) {
            let ours = merged(&parts);
            let mut reference = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3).unwrap();
            for &delay_us in parts.iter().flatten() {
                reference.record(delay_us.into()).unwrap();
            }
            for (bucket, count) in ours.bins() {
                prop_assert_eq!(count, reference.count_at(bucket.lowest_us().into()));
            }
            prop_assert_eq!(ours.count(), reference.len());
            for quantile in [0.0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0, q] {
                prop_assert_eq!(
                    ours.quantile_us(quantile).map(u64::from),
                    Some(reference.value_at_quantile(quantile)),
                    "quantile {}", quantile
                );
            }
        }

        #[test]
        fn a_cleared_accumulator_is_a_new_one(first in delays(), second in delays()) {
            let mut reused = merged(&[first]);
            reused.clear();
            reused.add(&DelayHistogram::from_values_us(&mut second.clone())).unwrap();
            prop_assert_eq!(reused.to_histogram(), merged(&[second]).to_histogram());
        }
    }
}
