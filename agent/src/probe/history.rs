//! Whether a probe that is long settled was answered before: tells a duplicate from a late answer. Pure.

/// How many settled probes are remembered, one bit each.
const REMEMBERED: u32 = 512;
const WORD_BITS: u32 = u64::BITS;
const WORDS: usize = (REMEMBERED / WORD_BITS) as usize;

/// One bit per recently settled probe of a series: answered or not.
#[derive(Clone, Copy, Debug, Default)]
pub struct History {
    answered: [u64; WORDS],
}

/// What is remembered of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// It was answered before.
    Answered,
    /// It was not answered.
    Unanswered,
    /// It was settled too long ago to tell.
    Forgotten,
}

impl History {
    /// Notes how the probe `sequence` was settled. Probes are settled in order of their sequence numbers.
    pub fn settle(&mut self, sequence: u32, answered: bool) {
        let (word, bit) = Self::place(sequence);
        if answered {
            self.answered[word] |= bit;
        } else {
            self.answered[word] &= !bit;
        }
    }

    /// What is remembered of `sequence`, when `next_unsettled` is the first not settled yet.
    #[must_use]
    pub fn recall(&self, sequence: u32, next_unsettled: u32) -> Memory {
        let age = next_unsettled.wrapping_sub(sequence);
        if age == 0 || age > REMEMBERED {
            return Memory::Forgotten;
        }
        let (word, bit) = Self::place(sequence);
        if self.answered[word] & bit == 0 {
            Memory::Unanswered
        } else {
            Memory::Answered
        }
    }

    fn place(sequence: u32) -> (usize, u64) {
        let at = sequence % REMEMBERED;
        ((at / WORD_BITS) as usize, 1 << (at % WORD_BITS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_512_are_told_apart_and_older_ones_forgotten() {
        let mut history = History::default();
        for sequence in 0..600 {
            history.settle(sequence, sequence % 3 == 0);
        }
        assert_eq!(history.recall(599, 600), Memory::Unanswered);
        assert_eq!(history.recall(597, 600), Memory::Answered);
        assert_eq!(history.recall(88, 600), Memory::Unanswered);
        assert_eq!(history.recall(87, 600), Memory::Forgotten);
        assert_eq!(history.recall(600, 600), Memory::Forgotten);
    }

    #[test]
    fn it_works_across_the_wrap_of_sequence_numbers() {
        let mut history = History::default();
        history.settle(u32::MAX, true);
        history.settle(0, false);
        assert_eq!(history.recall(u32::MAX, 1), Memory::Answered);
        assert_eq!(history.recall(0, 1), Memory::Unanswered);
    }
}
