//! A whole minute of one series, merged ahead: the sum of its intervals in the form of one, and when each of them began. Most of
//! a question about the last minutes is made of whole minutes, and 180 delays fall into half as many buckets as six times 30.
//! Beside the intervals, never instead of them: a range may cut the minute.
//!
//! The number of intervals (u16); of each its start since the minute's (ms, u16) and its length (ms, u32); then the sum, as an
//! interval is kept.

use azimuth_measurement::codec::walk::Sums;
use azimuth_measurement::counts::COUNTERS;
use azimuth_measurement::{Accumulator, DelayHistogram, StampClock};

use super::{Reader, Recent, write};

/// What a minute must hold for it to be worth while.
const FEWEST_INTERVALS: usize = 2;

/// Where minutes are merged: 136 KiB for each clock met.
#[derive(Debug, Default)]
pub(super) struct Merging {
    counts: [u64; COUNTERS],
    delays: Vec<(StampClock, Accumulator)>,
}

impl Sums for Merging {
    fn count(&mut self, place: usize, more: u64) -> Option<()> {
        let count = self.counts.get_mut(place)?;
        *count = count.checked_add(more)?;
        Some(())
    }

    fn delays<'b>(&mut self, clock: StampClock, number: u64, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let known = self.delays.iter().position(|(known, _)| *known == clock);
        let at = known.unwrap_or_else(|| {
            self.delays.push((clock, Accumulator::new()));
            self.delays.len() - 1
        });
        self.delays[at].1.add_front(bytes, number).ok()
    }
}

impl Merging {
    #[cfg(test)]
    pub(super) fn counts(&self) -> [u64; COUNTERS] {
        self.counts
    }

    #[cfg(test)]
    pub(super) fn delays(&self) -> impl Iterator<Item = &(StampClock, Accumulator)> {
        self.delays.iter()
    }

    /// The whole minute; empty when it holds too little, or more than one interval can.
    pub(super) fn merge(&mut self, intervals: &[u8]) -> Vec<u8> {
        self.counts = Default::default();
        self.delays.iter_mut().for_each(|(_, delays)| delays.clear());
        self.try_merge(intervals).unwrap_or_default()
    }

    fn try_merge(&mut self, intervals: &[u8]) -> Option<Vec<u8>> {
        let mut heads = Vec::new();
        let mut rest = Reader(intervals);
        while let Some(interval) = rest.interval(0) {
            heads.push((interval.start_unix_ms as u16, interval.length_ms));
            interval.add_to(self)?;
        }
        if heads.len() < FEWEST_INTERVALS {
            return None;
        }
        let mut merged = Vec::new();
        merged.extend(u16::try_from(heads.len()).ok()?.to_le_bytes());
        for (since_ms, length_ms) in heads {
            merged.extend(since_ms.to_le_bytes());
            merged.extend(length_ms.to_le_bytes());
        }
        let filled = self.delays.iter().filter(|(_, delays)| delays.count() > 0);
        let delays: Vec<(StampClock, DelayHistogram)> = filled
            .map(|(clock, delays)| Some((*clock, delays.to_histogram().ok()?)))
            .collect::<Option<_>>()?;
        write(&mut merged, 0, 0, self.counts, &delays);
        merged.shrink_to_fit();
        Some(merged)
    }
}

/// The intervals that were merged, by start since the minute's and length in ms, and their sum; `None` when nothing was.
pub(super) fn read(merged: &[u8]) -> Option<(impl Iterator<Item = (u64, u32)>, Recent<'_>)> {
    let (number, rest) = merged.split_first_chunk::<2>()?;
    let (heads, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*number)) * 6)?;
    let heads = heads.as_chunks::<6>().0.iter().map(|[s0, s1, l0, l1, l2, l3]| {
        (
            u16::from_le_bytes([*s0, *s1]).into(),
            u32::from_le_bytes([*l0, *l1, *l2, *l3]),
        )
    });
    Some((heads, Reader(rest).interval(0)?))
}
