//! The compact, immutable form of a histogram: the bytes on the wire are the bytes in memory and at rest.
//!
//! One entry per bucket that holds a count, in ascending order: LEB128 of `(gap << 1) | more`, where `gap` is the number of
//! empty buckets since the entry before (since bucket 0 for the first); if `more` is 1, LEB128 of `count - 2` follows, else
//! the count is 1. Varints are minimal, so equal histograms are equal bytes. At 30 delays in 10 s this is about 30 bytes,
//! as small as the sorted delays themselves.

use thiserror::Error;

use super::bucket::{BUCKETS, BucketIndex};
use crate::codec::varint;
use crate::counts::MAX_COUNT;

/// Delays of one series in one interval by one clock.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DelayHistogram {
    bytes: Box<[u8]>,
    count: u64,
}

/// The bytes or bins are not a histogram.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BinsError {
    /// The bytes end inside an entry, or a varint is longer than it need be.
    #[error("histogram bytes are cut short or not minimal at byte {at}")]
    Varint {
        /// Offset of the entry.
        at: usize,
    },
    /// Beyond the index space.
    #[error("histogram bucket {index} is beyond the {BUCKETS} of profile 1")]
    Index {
        /// The index reached.
        index: u64,
    },
    /// Bins not in ascending order, or a count of nothing.
    #[error("histogram bins must ascend and count at least one delay each")]
    Order,
    /// Entries that pass over the number of delays stated beside them.
    #[error("histogram entries count {counted} delays, not the {stated} stated; the bytes are damaged")]
    Stated {
        /// Delays up to the end of the entry.
        counted: u64,
        /// Delays as stated.
        stated: u64,
    },
    /// More delays than a record may hold.
    #[error("histogram counts more than {MAX_COUNT} delays")]
    TooMany,
}

impl DelayHistogram {
    /// Takes delays in whole microseconds, in any order; sorts them in place to save the caller a copy.
    pub fn from_values_us(delays_us: &mut [u32]) -> Self {
        delays_us.sort_unstable();
        let mut writer = Writer::default();
        for run in delays_us.chunk_by(|a, b| BucketIndex::of_us(*a) == BucketIndex::of_us(*b)) {
            writer.push(BucketIndex::of_us(run[0]), run.len() as u64);
        }
        writer.finish()
    }

    /// Takes (bucket, count) in ascending order of bucket.
    pub fn from_bins(bins: impl IntoIterator<Item = (BucketIndex, u64)>) -> Result<Self, BinsError> {
        let mut writer = Writer::default();
        for (bucket, count) in bins {
            if count == 0 || u32::from(bucket.get()) < writer.next_index {
                return Err(BinsError::Order);
            }
            if writer
                .count
                .checked_add(count)
                .is_none_or(|total| total > MAX_COUNT)
            {
                return Err(BinsError::TooMany);
            }
            writer.push(bucket, count);
        }
        Ok(writer.finish())
    }

    /// Takes bytes from outside; every entry is checked before anything is kept.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BinsError> {
        let mut checked = Checked::of(bytes);
        while !checked.rest.is_empty() {
            checked.step()?;
        }
        Ok(checked.finish())
    }

    /// Takes the histogram of `count` delays off the front of bytes from outside: it and the rest.
    pub fn split_off(bytes: &[u8], count: u64) -> Result<(Self, &[u8]), BinsError> {
        if count > MAX_COUNT {
            return Err(BinsError::TooMany);
        }
        let mut checked = Checked::of(bytes);
        while checked.total < count {
            checked.step()?;
        }
        if checked.total > count {
            return Err(BinsError::Stated {
                counted: checked.total,
                stated: count,
            });
        }
        Ok((checked.finish(), checked.rest))
    }

    /// What follows the histogram of `count` delays at the front of bytes. It is checked as [`split_off`](Self::split_off)
    /// would.
    pub fn pass_over(bytes: &[u8], count: u64) -> Result<&[u8], BinsError> {
        walk_front(bytes, count, |_, _| {})
    }

    /// The canonical bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Number of delays held.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether no delay is held.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The buckets that hold a count, ascending, with their counts.
    pub fn bins(&self) -> Bins<'_> {
        Bins::of_bytes(&self.bytes)
    }
}

/// Hands the bins of the histogram of `count` delays at the front of `bytes` to `take`, by number of the bucket, each checked
/// before it is handed on, and returns the rest.
#[inline]
pub(super) fn walk_front(
    bytes: &[u8],
    count: u64,
    mut take: impl FnMut(usize, u64),
) -> Result<&[u8], BinsError> {
    if count > MAX_COUNT {
        return Err(BinsError::TooMany);
    }
    let (mut rest, mut next_index, mut left) = (bytes, 0_u64, count);
    while left > 0 {
        let at = bytes.len() - rest.len();
        let (bin, after) = read_bin(rest).map_err(|_| BinsError::Varint { at })?;
        let index = next_index.saturating_add(bin.gap);
        if index >= u64::from(BUCKETS) {
            return Err(BinsError::Index { index });
        }
        left = left.checked_sub(bin.count).ok_or(BinsError::Stated {
            counted: (count - left).saturating_add(bin.count),
            stated: count,
        })?;
        take(index as usize, bin.count);
        next_index = index + 1;
        rest = after;
    }
    Ok(rest)
}

/// Bytes from outside that have been checked up to `rest`.
struct Checked<'a> {
    bytes: &'a [u8],
    rest: &'a [u8],
    next_index: u64,
    total: u64,
}

impl<'a> Checked<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            rest: bytes,
            next_index: 0,
            total: 0,
        }
    }

    fn at(&self) -> usize {
        self.bytes.len() - self.rest.len()
    }

    #[inline]
    fn step(&mut self) -> Result<(), BinsError> {
        let (bin, after) = read_bin(self.rest).map_err(|_| BinsError::Varint { at: self.at() })?;
        let index = self.next_index.saturating_add(bin.gap);
        if index >= u64::from(BUCKETS) {
            return Err(BinsError::Index { index });
        }
        self.total = self
            .total
            .checked_add(bin.count)
            .filter(|&total| total <= MAX_COUNT)
            .ok_or(BinsError::TooMany)?;
        self.next_index = index + 1;
        self.rest = after;
        Ok(())
    }

    fn finish(&self) -> DelayHistogram {
        DelayHistogram {
            bytes: self.bytes[..self.at()].into(),
            count: self.total,
        }
    }
}

struct Bin {
    gap: u64,
    count: u64,
}

#[inline]
fn read_bin(bytes: &[u8]) -> Result<(Bin, &[u8]), varint::Error> {
    match bytes {
        // One delay, near the one before: most entries.
        [token, rest @ ..] if *token & 0x81 == 0 => {
            let gap = u64::from(*token >> 1);
            Ok((Bin { gap, count: 1 }, rest))
        }
        _ => read_long_bin(bytes),
    }
}

fn read_long_bin(bytes: &[u8]) -> Result<(Bin, &[u8]), varint::Error> {
    let (token, rest) = varint::read(bytes)?;
    let (gap, more) = (token >> 1, token & 1 == 1);
    if !more {
        return Ok((Bin { gap, count: 1 }, rest));
    }
    let (beyond_two, rest) = varint::read(rest)?;
    Ok((
        Bin {
            gap,
            count: beyond_two.saturating_add(2),
        },
        rest,
    ))
}

/// Iterator over the bins of a [`DelayHistogram`].
#[derive(Debug, Clone)]
pub struct Bins<'a> {
    rest: &'a [u8],
    next_index: u64,
}

impl<'a> Bins<'a> {
    /// The bins of bytes that came out of [`DelayHistogram::as_bytes`]. Other bytes give fewer bins, never a panic.
    pub fn of_bytes(bytes: &'a [u8]) -> Self {
        Bins {
            rest: bytes,
            next_index: 0,
        }
    }
}

impl Iterator for Bins<'_> {
    type Item = (BucketIndex, u64);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        // The bytes were checked when the histogram was made; a mismatch would end the iteration, not panic.
        let (bin, rest) = read_bin(self.rest).ok()?;
        let index = self.next_index.saturating_add(bin.gap);
        self.next_index = index.saturating_add(1);
        self.rest = rest;
        Some((BucketIndex::new(u16::try_from(index).ok()?)?, bin.count))
    }
}

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    next_index: u32,
    count: u64,
}

impl Writer {
    fn push(&mut self, bucket: BucketIndex, count: u64) {
        let index = u32::from(bucket.get());
        let gap = u64::from(index - self.next_index);
        varint::write(&mut self.bytes, gap << 1 | u64::from(count > 1));
        if count > 1 {
            varint::write(&mut self.bytes, count - 2);
        }
        self.next_index = index + 1;
        self.count += count;
    }

    fn finish(self) -> DelayHistogram {
        DelayHistogram {
            bytes: self.bytes.into_boxed_slice(),
            count: self.count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn golden_bytes() {
        // 3 us twice, 5 us once, 2,048 us three times (bucket 2,048).
        let histogram = DelayHistogram::from_values_us(&mut [5, 3, 2_048, 3, 2_049, 2_048]);
        assert_eq!(histogram.as_bytes(), [0x07, 0x00, 0x02, 0xF5, 0x1F, 0x01]);
        assert_eq!(histogram.count(), 6);
    }

    #[test]
    fn hostile_bytes_are_refused_with_the_reason() {
        let refused = |bytes: &[u8]| DelayHistogram::from_bytes(bytes).unwrap_err();
        assert_eq!(refused(&[0x80]), BinsError::Varint { at: 0 }, "cut short");
        assert_eq!(
            refused(&[0x00, 0x80, 0x00]),
            BinsError::Varint { at: 1 },
            "not minimal"
        );
        assert_eq!(refused(&[0x01]), BinsError::Varint { at: 0 }, "count missing");
        assert_eq!(refused(&[0x80, 0x90, 0x02]), BinsError::Index { index: 17_408 });
        let mut huge = vec![0x01];
        varint::write(&mut huge, u64::MAX);
        assert_eq!(refused(&huge), BinsError::TooMany);
        let mut two_halves = Vec::new();
        for _ in 0..2 {
            two_halves.push(0x01);
            varint::write(&mut two_halves, MAX_COUNT - 2);
        }
        assert_eq!(refused(&two_halves), BinsError::TooMany);
    }

    #[test]
    fn bins_out_of_order_are_refused() {
        let bin = |index| (BucketIndex::new(index).unwrap(), 1);
        assert_eq!(DelayHistogram::from_bins([bin(5), bin(5)]), Err(BinsError::Order));
        assert_eq!(DelayHistogram::from_bins([bin(5), bin(4)]), Err(BinsError::Order));
    }

    proptest! {
        #[test]
        fn bytes_and_bins_round_trip(mut delays_us in prop::collection::vec(1_u32..=60_000_000, 0..200)) {
            let histogram = DelayHistogram::from_values_us(&mut delays_us);
            prop_assert_eq!(histogram.count(), delays_us.len() as u64);
            prop_assert_eq!(&DelayHistogram::from_bytes(histogram.as_bytes()).unwrap(), &histogram);
            prop_assert_eq!(&DelayHistogram::from_bins(histogram.bins()).unwrap(), &histogram);
        }

        #[test]
        fn what_is_accepted_is_canonical(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(histogram) = DelayHistogram::from_bytes(&bytes) {
                prop_assert_eq!(histogram.bins().map(|(_, count)| count).sum::<u64>(), histogram.count());
                let again = DelayHistogram::from_bins(histogram.bins()).unwrap();
                prop_assert_eq!(again.as_bytes(), &bytes[..]);
            }
            prop_assert!(Bins::of_bytes(&bytes).count() <= bytes.len(), "whatever the bytes are");
        }
    }
}
