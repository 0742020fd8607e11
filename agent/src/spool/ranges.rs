//! A set of sequences, kept as ascending ranges that neither overlap nor touch. Pure. Not bounded by itself: its size is
//! that of the holes in it, and the spool's are as many as it holds items at most.

/// The set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// Adds `first..=last`; a range that runs backwards adds nothing.
    pub(crate) fn insert(&mut self, first: u64, last: u64) {
        if first > last {
            return;
        }
        let begin = self.0.partition_point(|range| range.1 < first.saturating_sub(1));
        let end = self
            .0
            .partition_point(|range| range.0 <= last.saturating_add(1))
            .max(begin);
        let joined = self.0[begin..end].iter().fold((first, last), |joined, range| {
            (joined.0.min(range.0), joined.1.max(range.1))
        });
        self.0.splice(begin..end, [joined]);
    }

    /// Adds every range of `other`.
    pub(crate) fn extend(&mut self, other: &Self) {
        for &(first, last) in &other.0 {
            self.insert(first, last);
        }
    }

    /// Whether all of `first..=last` is in the set.
    pub(crate) fn covers(&self, first: u64, last: u64) -> bool {
        let at = self.0.partition_point(|range| range.1 < first);
        self.0
            .get(at)
            .is_some_and(|range| range.0 <= first && last <= range.1)
    }

    /// What of `first..=last` is not in the set, ascending.
    pub(crate) fn holes(&self, first: u64, last: u64) -> Vec<(u64, u64)> {
        let mut holes = Vec::new();
        let mut next = first;
        for &(from, to) in &self.0 {
            if to < next {
                continue;
            }
            if from > last {
                break;
            }
            if from > next {
                holes.push((next, from - 1));
            }
            match to.checked_add(1) {
                Some(after) => next = after,
                None => return holes,
            }
        }
        if next <= last {
            holes.push((next, last));
        }
        holes
    }

    /// The ranges, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.0.iter().copied()
    }

    /// Whether nothing is in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As stored: pairs of little-endian `u64`.
    pub(crate) fn write_to(&self, out: &mut Vec<u8>) {
        for (first, last) in self.iter() {
            out.extend_from_slice(&first.to_le_bytes());
            out.extend_from_slice(&last.to_le_bytes());
        }
    }

    /// Reads what [`write_to`](Self::write_to) wrote. Any bytes are a set: what is not a whole pair, or runs backwards, is
    /// nothing. Its checksum has vouched for the record already.
    pub(crate) fn read_from(bytes: &[u8]) -> Self {
        let mut ranges = Self::default();
        for pair in bytes.as_chunks::<16>().0 {
            let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| pair[at + byte]));
            ranges.insert(word(0), word(8));
        }
        ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_ends_of_the_number_line_hold() {
        let mut ranges = Ranges::default();
        ranges.insert(u64::MAX, u64::MAX);
        ranges.insert(0, 0);
        assert_eq!(ranges.holes(0, u64::MAX), vec![(1, u64::MAX - 1)]);
        ranges.insert(0, u64::MAX);
        assert!(ranges.covers(0, u64::MAX) && ranges.holes(0, u64::MAX).is_empty());
        ranges.insert(5, 4);
        assert_eq!(ranges.iter().count(), 1);
    }

    proptest! {
        #[test]
        fn it_is_a_set(operations in prop::collection::vec((0_u64..60, 0_u64..5), 0..40), from in 0_u64..70, more in 0_u64..20) {
            let (mut ranges, mut model) = (Ranges::default(), BTreeSet::new());
            for (first, length) in operations {
                ranges.insert(first, first + length);
                model.extend(first..=first + length);
            }
            let to = from + more;
            prop_assert_eq!(ranges.covers(from, to), (from..=to).all(|sequence| model.contains(&sequence)));
            let holes: Vec<u64> = ranges.holes(from, to).into_iter().flat_map(|(a, b)| a..=b).collect();
            let expected: Vec<u64> = (from..=to).filter(|sequence| !model.contains(sequence)).collect();
            prop_assert_eq!(holes, expected);
            let mut bytes = Vec::new();
            ranges.write_to(&mut bytes);
            prop_assert_eq!(Ranges::read_from(&bytes), ranges);
        }
    }
}
