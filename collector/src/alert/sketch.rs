//! A distribution in bounded memory: at most [`BINS`] buckets of the histogram profile, made coarser when they run out.
//! Not for storage; only quantiles come out of it.

use azimuth_measurement::BucketIndex;

use super::tick::Delays;

/// Most buckets kept. At two bytes of index and four of count this is a KiB and an eighth.
pub const BINS: usize = 192;
/// Halvings of resolution at most: 2^7 buckets in one is an eighth of an octave.
const COARSEST: u8 = 7;

#[derive(Debug, Clone, Copy, PartialEq)]
struct Bin {
    /// Bucket index, shifted right by the sketch's coarseness.
    index: u16,
    /// A `u32` in bytes: with one in it, a quarter of each bin would be filling.
    count: [u8; 4],
}

impl Bin {
    fn count(&self) -> u32 {
        u32::from_ne_bytes(self.count)
    }

    fn add(&mut self, count: u32) {
        self.count = self.count().saturating_add(count).to_ne_bytes();
    }
}

/// Delays of a unit.
#[derive(Debug, Clone, Default)]
pub struct Sketch {
    bins: Vec<Bin>,
    coarseness: u8,
    count: u64,
    /// The delay itself when there is but one: a bucket would round it.
    only_us: Option<u32>,
}

impl Sketch {
    /// Adds the delays of a tick.
    pub fn add(&mut self, delays: Delays<'_>) {
        match delays {
            Delays::None => {}
            Delays::One { delay_us } => {
                self.only_us = (self.count == 0).then_some(delay_us);
                self.bump(BucketIndex::of_us(delay_us).get(), 1);
            }
            Delays::Histogram(histogram) => {
                for (bucket, count) in histogram.bins() {
                    self.only_us = (self.count == 0 && count == 1)
                        .then(|| bucket.lowest_us().midpoint(bucket.highest_us()));
                    self.bump(bucket.get(), count);
                }
            }
        }
    }

    fn bump(&mut self, bucket: u16, count: u64) {
        self.count = self.count.saturating_add(count);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let index = bucket >> self.coarseness;
        match self.bins.binary_search_by_key(&index, |bin| bin.index) {
            Ok(at) => self.bins[at].add(count),
            Err(at) => {
                if self.bins.capacity() == 0 {
                    self.bins.reserve_exact(16);
                }
                let count = count.to_ne_bytes();
                self.bins.insert(at, Bin { index, count });
                self.coarsen();
            }
        }
    }

    fn coarsen(&mut self) {
        while self.bins.len() > BINS && self.coarseness < COARSEST {
            self.coarseness += 1;
            for bin in &mut self.bins {
                bin.index >>= 1;
            }
            self.bins.dedup_by(|later, kept| {
                let same = later.index == kept.index;
                if same {
                    kept.add(later.count());
                }
                same
            });
        }
        // 17,408 buckets shifted by 7 are 136, so the loop always ends within the bound.
        debug_assert!(self.bins.len() <= BINS);
    }

    /// Delays held.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The delay at `quantile` (0 to 1) by nearest rank, in microseconds, to the middle of its bucket: a quantile that is
    /// compared with others of its kind should not lean to one side. `None` without delays.
    pub fn quantile_us(&self, quantile: f64) -> Option<f64> {
        if let Some(only_us) = self.only_us {
            return Some(only_us.into());
        }
        let rank = ((quantile * self.count as f64).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0_u64;
        self.bins.iter().find_map(|bin| {
            seen = seen.saturating_add(bin.count().into());
            (seen >= rank).then(|| self.middle_us(bin.index))
        })
    }

    fn middle_us(&self, index: u16) -> f64 {
        let first = index << self.coarseness;
        let last = first.saturating_add((1 << self.coarseness) - 1);
        let low = BucketIndex::new(first).map_or(0.0, |bucket| f64::from(bucket.lowest_us()));
        let high = BucketIndex::new(last).map_or(low, |bucket| f64::from(bucket.highest_us()));
        f64::midpoint(low, high)
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.bins.clear();
        self.coarseness = 0;
        self.count = 0;
        self.only_us = None;
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.bins.capacity() * size_of::<Bin>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(delays_us: &[u32]) -> Sketch {
        let mut sketch = Sketch::default();
        for &delay_us in delays_us {
            sketch.add(Delays::One { delay_us });
        }
        sketch
    }

    #[test]
    fn one_delay_is_exact_and_none_has_no_quantile() {
        assert_eq!(filled(&[150_307]).quantile_us(0.5), Some(150_307.0));
        assert_eq!(filled(&[]).quantile_us(0.5), None);
    }

    proptest! {
        #[test]
        fn any_delays_stay_within_the_bound_and_near_their_median(
            mut delays_us in prop::collection::vec(1_u32..=60_000_000, 1..2_000)
        ) {
            let sketch = filled(&delays_us);
            prop_assert!(sketch.bins.len() <= BINS);
            prop_assert!(sketch.heap_bytes() <= 2 * BINS * size_of::<Bin>());
            prop_assert_eq!(sketch.count(), delays_us.len() as u64);
            delays_us.sort_unstable();
            let truth = f64::from(delays_us[delays_us.len().div_ceil(2) - 1]);
            let got = sketch.quantile_us(0.5).unwrap();
            prop_assert!((got - truth).abs() <= 0.07 * truth + 64.0, "{} for {}", got, truth);
        }
    }
}
