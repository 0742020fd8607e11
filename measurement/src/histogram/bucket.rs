//! Which bucket a delay falls into, and which delays a bucket stands for. HdrHistogram's index arithmetic for lowest
//! discernible value 1, highest trackable value 60,000,000 and 3 significant digits: 2,048 linear sub-buckets, then 1,024
//! per octave, 17,408 in all.

/// Shortest delay held, in microseconds.
pub const MIN_DELAY_US: u32 = 1;
/// Longest delay held, in microseconds: 60 s.
pub const MAX_DELAY_US: u32 = 60_000_000;
/// Number of buckets; every index is below it.
pub const BUCKETS: u16 = 17_408;

/// log2 of the sub-buckets in the upper half of an octave.
const HALF_MAGNITUDE: u32 = 10;
/// Sub-buckets in the upper half of an octave.
const HALF: u32 = 1 << HALF_MAGNITUDE;

/// A bucket of the index space. Order of indices is order of delays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketIndex(u16);

impl BucketIndex {
    /// The bucket of a delay in microseconds. Delays outside 1 us to 60 s count as the nearest delay inside: less than
    /// 1 us is below the unit, and nothing above 60 s can occur because the waiting time is at most 60 s.
    pub fn of_us(delay_us: u32) -> Self {
        let delay_us = delay_us.clamp(MIN_DELAY_US, MAX_DELAY_US);
        let octave = (delay_us | (2 * HALF - 1)).ilog2() - HALF_MAGNITUDE;
        let within = delay_us >> octave;
        Self((octave * HALF + within) as u16)
    }

    /// The bucket with this number, if there is one.
    pub fn new(index: u16) -> Option<Self> {
        (index < BUCKETS).then_some(Self(index))
    }

    /// The bucket's number.
    pub fn get(self) -> u16 {
        self.0
    }

    fn octave(self) -> u32 {
        (u32::from(self.0) >> HALF_MAGNITUDE).saturating_sub(1)
    }

    /// Shortest delay of the bucket, in microseconds.
    pub fn lowest_us(self) -> u32 {
        let octave = self.octave();
        (u32::from(self.0) - octave * HALF) << octave
    }

    /// Longest delay of the bucket, in microseconds.
    pub fn highest_us(self) -> u32 {
        self.lowest_us() + ((1 << self.octave()) - 1)
    }

    /// Middle of the bucket, in microseconds; of two middles the longer, as HdrHistogram's `median_equivalent`. This is what a
    /// quantile reports: within 0.05 % of every delay of the bucket, and below 2,048 us the delay itself.
    pub fn middle_us(self) -> u32 {
        self.lowest_us() + (1 << self.octave()) / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::Histogram;
    use proptest::prelude::*;

    fn reference() -> Histogram<u64> {
        Histogram::new_with_bounds(1, u64::from(MAX_DELAY_US), 3).unwrap()
    }

    #[test]
    fn the_index_space_is_the_librarys() {
        assert_eq!(usize::from(BUCKETS), reference().distinct_values());
        assert_eq!(BucketIndex::of_us(MAX_DELAY_US).get() >> HALF_MAGNITUDE, 16);
        assert_eq!(BucketIndex::new(BUCKETS), None);
    }

    #[test]
    fn every_bucket_holds_exactly_its_own_delays() {
        let mut next_us = 0;
        for index in 0..BUCKETS {
            let bucket = BucketIndex::new(index).unwrap();
            assert_eq!(
                bucket.lowest_us(),
                next_us,
                "bucket {index} starts where the one before ends"
            );
            if bucket.lowest_us() >= MIN_DELAY_US && bucket.highest_us() <= MAX_DELAY_US {
                assert_eq!(BucketIndex::of_us(bucket.lowest_us()), bucket);
                assert_eq!(BucketIndex::of_us(bucket.highest_us()), bucket);
            }
            next_us = bucket.highest_us() + 1;
        }
    }

    proptest! {
        #[test]
        fn a_bucket_is_the_librarys_equivalent_range(delay_us in MIN_DELAY_US..=MAX_DELAY_US) {
            let bucket = BucketIndex::of_us(delay_us);
            let reference = reference();
            prop_assert_eq!(u64::from(bucket.lowest_us()), reference.lowest_equivalent(delay_us.into()));
            prop_assert_eq!(u64::from(bucket.highest_us()), reference.highest_equivalent(delay_us.into()));
            prop_assert_eq!(u64::from(bucket.middle_us()), reference.median_equivalent(delay_us.into()));
        }

        #[test]
        fn the_middle_is_within_half_a_per_mille(delay_us in 1..=MAX_DELAY_US) {
            let error = f64::from(BucketIndex::of_us(delay_us).middle_us().abs_diff(delay_us)) / f64::from(delay_us);
            prop_assert!(error <= 0.0005, "{} us is off by {}", delay_us, error);
        }
    }
}
