//! How long commits took since the start, in the buckets of the delay histogram. Sparse: commits of one disk fall into a
//! few hundred buckets.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use azimuth_measurement::BucketIndex;

/// Commits by how long they took.
pub type Buckets = BTreeMap<BucketIndex, u64>;

/// Every commit since the start. Longer than 60 s counts as 60 s.
#[derive(Debug, Default)]
pub struct CommitTimes(Mutex<Buckets>);

impl CommitTimes {
    /// Counts one.
    pub fn record(&self, took: Duration) {
        let took_us = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *buckets.entry(BucketIndex::of_us(took_us)).or_default() += 1;
    }

    /// All of them.
    pub fn snapshot(&self) -> Buckets {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The value that at least this share of commits did not exceed, nearest rank, in microseconds.
pub fn quantile_us(buckets: &Buckets, quantile: f64) -> Option<u32> {
    let n: u64 = buckets.values().sum();
    let rank = ((quantile * n as f64).ceil() as u64).clamp(1, n.max(1));
    let mut seen = 0;
    buckets.iter().find_map(|(bucket, count)| {
        seen += count;
        (seen >= rank).then(|| bucket.highest_us())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_nearest_rank_and_none_of_nothing() {
        let times = CommitTimes::default();
        assert_eq!(quantile_us(&times.snapshot(), 0.5), None);
        for took_us in 1..=100 {
            times.record(Duration::from_micros(took_us));
        }
        let buckets = times.snapshot();
        for (quantile, expected_us) in [(0.0, 1), (0.5, 50), (0.99, 99), (1.0, 100)] {
            assert_eq!(quantile_us(&buckets, quantile), Some(expected_us));
        }
        times.record(Duration::from_secs(86_400));
        let longest = quantile_us(&times.snapshot(), 1.0).expect("there are some");
        assert!((60_000_000..60_100_000).contains(&longest), "{longest}");
    }
}
