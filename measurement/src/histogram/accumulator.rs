//! Where histograms are merged and quantiles are taken. Dense (136 KiB) and meant to be reused: clearing and walking touch
//! only the blocks of buckets that were filled, so that a few far delays do not cost all the buckets between. Not a thing
//! to keep per series; keep [`DelayHistogram`]s.

use thiserror::Error;

use super::bucket::{BUCKETS, BucketIndex};
use super::sparse::{Bins, BinsError, DelayHistogram, walk_front};

/// More delays than a `u64` counts were added; no true measurement gets there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the merged histogram would count more than {} delays", u64::MAX)]
pub struct CountOverflow;

/// Buckets a block has: eight cache lines of counts.
const BLOCK: usize = 64;
const BLOCKS: usize = (BUCKETS as usize).div_ceil(BLOCK);
/// Blocks one word of [`Touched`] tells of.
const WORD: usize = u64::BITS as usize;

/// The blocks that may hold a count, a bit each.
type Touched = [u64; BLOCKS.div_ceil(WORD)];

/// The merge target.
#[derive(Debug, Clone)]
pub struct Accumulator {
    counts: Box<[u64]>,
    total: u64,
    /// Buckets of other blocks are zero.
    touched: Touched,
}

impl Default for Accumulator {
    fn default() -> Self {
        Self {
            counts: vec![0; BLOCKS * BLOCK].into_boxed_slice(),
            total: 0,
            touched: Touched::default(),
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
        let mut block = usize::MAX;
        for (bucket, count) in histogram.bins() {
            block = self.bump(block, bucket, count);
        }
        self.total = total;
        Ok(())
    }

    /// Adds the bins of a histogram that is kept in some other place than a [`DelayHistogram`].
    ///
    /// # Errors
    /// When the total would overflow; the bins before the one that is too many are added then.
    pub fn add_bins(&mut self, bins: Bins<'_>) -> Result<(), CountOverflow> {
        let mut block = usize::MAX;
        for (bucket, count) in bins {
            self.total = self.total.checked_add(count).ok_or(CountOverflow)?;
            block = self.bump(block, bucket, count);
        }
        Ok(())
    }

    /// Adds the histogram of `count` delays off the front of bytes, and returns what follows it. For bytes that were checked
    /// before: when something is wrong with them all the same, the bins before it stay added.
    ///
    /// # Errors
    /// As [`DelayHistogram::split_off`], and when the total would overflow.
    pub fn add_front<'a>(&mut self, bytes: &'a [u8], count: u64) -> Result<&'a [u8], BinsError> {
        // No bucket counts more than the total, so one check covers them all.
        let total = self.total.checked_add(count).ok_or(BinsError::TooMany)?;
        self.total = total;
        let mut block = usize::MAX;
        walk_front(bytes, count, |index, count| {
            self.counts[index] = self.counts[index].wrapping_add(count);
            if index / BLOCK != block {
                block = index / BLOCK;
                self.touched[block / WORD] |= 1 << (block % WORD);
            }
        })
    }

    /// Adds one delay, in microseconds.
    pub fn record_us(&mut self, delay_us: u32) -> Result<(), CountOverflow> {
        self.total = self.total.checked_add(1).ok_or(CountOverflow)?;
        self.bump(usize::MAX, BucketIndex::of_us(delay_us), 1);
        Ok(())
    }

    /// Counts, and returns the bucket's block, which need not be marked when the one before was the same.
    #[inline]
    fn bump(&mut self, block_before: usize, bucket: BucketIndex, count: u64) -> usize {
        let index = usize::from(bucket.get());
        self.counts[index] += count;
        let block = index / BLOCK;
        if block != block_before {
            self.touched[block / WORD] |= 1 << (block % WORD);
        }
        block
    }

    /// Number of delays added.
    pub fn count(&self) -> u64 {
        self.total
    }

    /// The delay, in microseconds, that at least a share `quantile` (0 to 1) of the delays does not exceed: nearest rank
    /// `ceil(quantile * n)`, told as the middle of its bucket; 0 is the shortest delay and 1 the longest, told as the ends of
    /// theirs. `None` without delays.
    pub fn quantile_us(&self, quantile: f64) -> Option<u32> {
        let bucket = self.bucket_at(quantile)?;
        Some(match quantile {
            ..=0.0 => bucket.lowest_us(),
            1.0.. => bucket.highest_us(),
            _ => bucket.middle_us(),
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

    /// The buckets in which several ranks fall, found in one walk. Ranks ascend and count from 1; beyond the total there is
    /// none.
    pub fn buckets_at<const N: usize>(&self, ranks: [u64; N]) -> [Option<BucketIndex>; N] {
        let mut found = [None; N];
        let (mut before, mut next) = (0_u64, 0);
        for block in blocks(&self.touched) {
            let counts = &self.counts[block * BLOCK..][..BLOCK];
            // Sums of blocks need no look at single buckets. None can overflow, since the total did not.
            let after = counts.iter().fold(before, |sum, count| sum.wrapping_add(*count));
            let (mut seen, mut within) = (before, 0);
            while next < N && ranks[next] <= after {
                while seen < ranks[next] {
                    seen += counts[within];
                    within += 1;
                }
                found[next] = BucketIndex::new((block * BLOCK + within.saturating_sub(1)) as u16);
                next += 1;
            }
            if next == N {
                break;
            }
            before = after;
        }
        found
    }

    /// Shortest delay, to the bucket's low end, in microseconds.
    pub fn min_us(&self) -> Option<u32> {
        self.bins().next().map(|(bucket, _)| bucket.lowest_us())
    }

    /// Longest delay, to the bucket's high end, in microseconds.
    pub fn max_us(&self) -> Option<u32> {
        let word = self.touched.iter().rposition(|&word| word != 0)?;
        let block = word * WORD + self.touched[word].ilog2() as usize;
        let within = self.counts[block * BLOCK..][..BLOCK]
            .iter()
            .rposition(|&count| count > 0)?;
        BucketIndex::new((block * BLOCK + within) as u16).map(BucketIndex::highest_us)
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
        blocks(&self.touched).flat_map(|block| {
            let from = block * BLOCK;
            (from..)
                .zip(&self.counts[from..from + BLOCK])
                .filter(|(_, count)| **count > 0)
                .filter_map(|(index, &count)| Some((BucketIndex::new(index as u16)?, count)))
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
        for block in blocks(&self.touched) {
            self.counts[block * BLOCK..][..BLOCK].fill(0);
        }
        self.touched = Touched::default();
        self.total = 0;
    }
}

/// The blocks marked, ascending.
fn blocks(touched: &Touched) -> impl Iterator<Item = usize> + '_ {
    (0..).zip(touched).flat_map(|(at, &word)| {
        let without_lowest = |left: &u64| Some(left & (left - 1)).filter(|&left| left != 0);
        std::iter::successors(Some(word).filter(|&word| word != 0), without_lowest)
            .map(move |left| at * WORD + left.trailing_zeros() as usize)
    })
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
            prop_assert_eq!(ours.quantile_us(0.0).map(u64::from), Some(reference.value_at_quantile(0.0)));
            prop_assert_eq!(ours.quantile_us(1.0).map(u64::from), Some(reference.value_at_quantile(1.0)));
            for quantile in [0.001, 0.1, 0.5, 0.9, 0.99, 0.999, q.clamp(f64::MIN_POSITIVE, 1.0_f64.next_down())] {
                // The library tells the longest delay of the bucket.
                prop_assert_eq!(
                    ours.quantile_us(quantile).map(u64::from),
                    Some(reference.median_equivalent(reference.value_at_quantile(quantile))),
                    "quantile {}", quantile
                );
            }
            let n = ours.count();
            let ranks = [1, n.div_ceil(2), n.div_ceil(2), n, n + 1];
            let expected = ranks.map(|rank| {
                let mut seen = 0;
                ours.bins().map(|(bucket, count)| { seen += count; (bucket, seen) }).find(|(_, seen)| *seen >= rank)
            });
            prop_assert_eq!(ours.buckets_at(ranks), expected.map(|found| Some(found?.0)));
        }

        #[test]
        fn shortest_and_longest_are_those_of_the_delays(delays in delays()) {
            let merged = merged(std::slice::from_ref(&delays));
            let end = |delay_us: Option<&u32>| BucketIndex::of_us(*delay_us.unwrap());
            prop_assert_eq!(merged.min_us(), Some(end(delays.iter().min()).lowest_us()));
            prop_assert_eq!(merged.max_us(), Some(end(delays.iter().max()).highest_us()));
        }

        #[test]
        fn a_cleared_accumulator_is_a_new_one(first in delays(), second in delays()) {
            let mut reused = merged(&[first]);
            reused.clear();
            prop_assert!(reused.counts.iter().all(|&count| count == 0));
            prop_assert_eq!((reused.count(), reused.max_us()), (0, None));
            reused.add(&DelayHistogram::from_values_us(&mut second.clone())).unwrap();
            prop_assert_eq!(reused.to_histogram(), merged(&[second]).to_histogram());
        }
    }
}
