//! Which sequences of one sequence space (agent, epoch) are settled: stored, or given up by a tombstone. Pure.
//!
//! Kept as the exact set, in ascending ranges. An agent that delivers in order costs one range for its whole life; one
//! that delivers its newest first costs two. A sequence far ahead opens a range and forgets nothing behind it, so a
//! late one is never mistaken for a replay (loss), and a replay is never mistaken for new (double). A window with a
//! bitmap cannot promise both: when it slides over a hole it must guess.
//!
//! The set is bounded by [`MAX_RANGES`]. What would open one range too many is [`Settle::Fragmented`]: not settled, not
//! refused, to be sent again. Every sequence that extends or joins ranges is still taken, so filling holes cures it.

/// Most ranges kept for one sequence space: 16 KiB. An agent that keeps to its queue order never needs more than two
/// plus one for each hole it has neither filled nor buried under a tombstone.
pub const MAX_RANGES: usize = 1_024;

/// The settled sequences of one sequence space.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettledSequences {
    /// Ascending; neither overlapping nor adjacent.
    ranges: Vec<Range>,
}

/// `first..=last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    first: u64,
    last: u64,
}

/// What settling a range of sequences came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settle {
    /// So many sequences were new, at least one, and are settled now.
    New(u64),
    /// All were settled before. Nothing changed.
    Known,
    /// There is no room to remember it. Nothing changed.
    Fragmented,
}

/// Stored bytes that are not a set of ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stored sequence ranges are damaged")]
pub struct DamagedRanges;

impl SettledSequences {
    /// Settles `first..=last` as a whole. `first` must not exceed `last`; an empty range settles nothing.
    pub fn settle(&mut self, first: u64, last: u64) -> Settle {
        // Ranges that overlap or touch `first..=last` become one with it.
        let begin = self
            .ranges
            .partition_point(|range| range.last < first.saturating_sub(1));
        let end = self
            .ranges
            .partition_point(|range| range.first <= last.saturating_add(1));
        let Some(asked) = last.checked_sub(first).map(|distance| distance.saturating_add(1)) else {
            return Settle::Known;
        };
        // `first - 1` saturates at 0 and `last + 1` at the top, where a neighbour is already an overlap.
        let touched = &self.ranges[begin..end.max(begin)];
        let known: u64 = touched.iter().map(|range| range.overlap(first, last)).sum();
        if known >= asked {
            return Settle::Known;
        }
        if touched.is_empty() && self.ranges.len() >= MAX_RANGES {
            return Settle::Fragmented;
        }
        let joined = Range {
            first: touched.first().map_or(first, |range| range.first.min(first)),
            last: touched.last().map_or(last, |range| range.last.max(last)),
        };
        self.ranges.splice(begin..end.max(begin), [joined]);
        Settle::New(asked - known)
    }

    /// Whether `sequence` is settled.
    pub fn contains(&self, sequence: u64) -> bool {
        let at = self.ranges.partition_point(|range| range.last < sequence);
        self.ranges.get(at).is_some_and(|range| range.first <= sequence)
    }

    /// The set as ascending ranges `first..=last`.
    pub fn ranges(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.ranges.iter().map(|range| (range.first, range.last))
    }

    /// The set as stored: pairs of little-endian `u64`.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.ranges
            .iter()
            .flat_map(|range| [range.first.to_le_bytes(), range.last.to_le_bytes()])
            .flatten()
            .collect()
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// When the bytes are not ascending, separate ranges: a set that lies would lose or double data.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DamagedRanges> {
        let (pairs, []) = bytes.as_chunks::<16>() else {
            return Err(DamagedRanges);
        };
        let ranges: Vec<Range> = pairs
            .iter()
            .map(|pair| {
                let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| pair[at + byte]));
                Range {
                    first: word(0),
                    last: word(8),
                }
            })
            .collect();
        let ascending = ranges
            .windows(2)
            .all(|pair| pair[0].last.saturating_add(1) < pair[1].first);
        if !ascending || ranges.iter().any(|range| range.first > range.last) {
            return Err(DamagedRanges);
        }
        Ok(Self { ranges })
    }
}

impl Range {
    /// How many sequences this range shares with `first..=last`.
    fn overlap(self, first: u64, last: u64) -> u64 {
        let (from, to) = (self.first.max(first), self.last.min(last));
        to.checked_sub(from)
            .map_or(0, |distance| distance.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn in_order_costs_one_range_and_newest_first_costs_two() {
        let mut in_order = SettledSequences::default();
        for sequence in 1..=5_000 {
            assert_eq!(in_order.settle(sequence, sequence), Settle::New(1));
        }
        assert_eq!(in_order.to_bytes().len(), 16);

        let mut newest_first = SettledSequences::default();
        newest_first.settle(1, 10);
        for sequence in (11..=5_000).rev() {
            assert_eq!(newest_first.settle(sequence, sequence), Settle::New(1));
            assert!(newest_first.to_bytes().len() <= 32);
        }
        assert_eq!(newest_first.to_bytes().len(), 16);
    }

    #[test]
    fn a_sequence_far_ahead_forgets_nothing_behind_it() {
        let mut settled = SettledSequences::default();
        settled.settle(1, 5);
        assert_eq!(settled.settle(10_000_000, 10_000_000), Settle::New(1));
        assert_eq!(settled.settle(6, 6), Settle::New(1), "late, not a replay");
        assert_eq!(settled.settle(5, 5), Settle::Known, "a replay");
    }

    #[test]
    fn a_full_set_takes_what_fills_holes_and_refuses_nothing_for_good() {
        let mut settled = SettledSequences::default();
        for hole in 0..MAX_RANGES as u64 {
            assert_eq!(settled.settle(2 * hole + 1, 2 * hole + 1), Settle::New(1));
        }
        let ahead = 10 * MAX_RANGES as u64;
        assert_eq!(settled.settle(ahead, ahead), Settle::Fragmented);
        assert!(!settled.contains(ahead), "not settled, so its agent keeps it");
        assert_eq!(settled.settle(1, 1), Settle::Known);
        assert_eq!(settled.settle(2, 2), Settle::New(1), "fills a hole");
        assert_eq!(
            settled.settle(ahead, ahead),
            Settle::New(1),
            "and so there is room again"
        );
    }

    #[test]
    fn the_ends_of_the_number_line_hold() {
        let mut settled = SettledSequences::default();
        assert_eq!(settled.settle(u64::MAX, u64::MAX), Settle::New(1));
        assert_eq!(settled.settle(0, 0), Settle::New(1));
        assert!(matches!(settled.settle(0, u64::MAX), Settle::New(_)));
        assert_eq!(settled.settle(7, u64::MAX), Settle::Known);
        assert_eq!(settled.settle(9, 8), Settle::Known, "an empty range");
        assert_eq!(settled.to_bytes().len(), 16);
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let bytes = |ranges: &[(u64, u64)]| -> Vec<u8> {
            ranges
                .iter()
                .flat_map(|(a, b)| [a.to_le_bytes(), b.to_le_bytes()])
                .flatten()
                .collect()
        };
        for damaged in [
            bytes(&[(2, 1)]),
            bytes(&[(1, 2), (3, 4)]),
            bytes(&[(5, 6), (1, 2)]),
            vec![0; 15],
        ] {
            assert_eq!(SettledSequences::from_bytes(&damaged), Err(DamagedRanges));
        }
    }

    proptest! {
        /// The model is a set of numbers: every answer and every membership must be the set's.
        #[test]
        fn the_set_is_the_models(operations in prop::collection::vec((0_u64..400, 0_u64..6), 1..300)) {
            let mut settled = SettledSequences::default();
            let mut model = HashSet::new();
            for (first, more) in operations {
                let new = (first..=first + more).filter(|sequence| model.insert(*sequence)).count() as u64;
                let expected = if new == 0 { Settle::Known } else { Settle::New(new) };
                prop_assert_eq!(settled.settle(first, first + more), expected);
            }
            for sequence in 0..410 {
                prop_assert_eq!(settled.contains(sequence), model.contains(&sequence));
            }
            prop_assert_eq!(SettledSequences::from_bytes(&settled.to_bytes()), Ok(settled));
        }
    }
}
