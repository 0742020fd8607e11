//! Whether an arrival ends the sleep of the probing thread. Pure; handed the time.

use crate::clock::{Monotonic, NS_PER_S};
use crate::net::batch::BATCH;

/// How long answers are read as they arrive, after one that should not have waited.
const AT_ONCE_NS: i64 = 60 * NS_PER_S;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadsAtOnce {
    /// A person watches.
    Always,
    /// For a while after an answer without a kernel stamp, whose delay is only as good as the time it is read at, and after a full
    /// batch: a flood must not push answers out of the queue.
    Until(Option<Monotonic>),
}

impl Default for ReadsAtOnce {
    fn default() -> Self {
        Self::Until(None)
    }
}

impl ReadsAtOnce {
    pub(super) fn at(self, now: Monotonic) -> bool {
        match self {
            Self::Always => true,
            Self::Until(until) => until.is_some_and(|until| now < until),
        }
    }

    /// So many datagrams were read with one call, one of them without a kernel stamp or none.
    pub(super) fn note(&mut self, datagrams: usize, unstamped: bool, now: Monotonic) {
        if let Self::Until(until) = self
            && (unstamped || datagrams == BATCH)
        {
            *until = Some(now.plus_ns(AT_ONCE_NS));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Monotonic = Monotonic::from_ns(5);

    #[test]
    fn stamped_answers_can_wait() {
        let mut reads = ReadsAtOnce::default();
        reads.note(BATCH - 1, false, NOW);
        assert!(!reads.at(NOW));
    }

    #[test]
    fn an_answer_without_a_stamp_and_a_full_batch_cannot_for_a_minute() {
        for (datagrams, unstamped) in [(1, true), (BATCH, false)] {
            let mut reads = ReadsAtOnce::default();
            reads.note(datagrams, unstamped, NOW);
            assert!(reads.at(NOW) && reads.at(NOW.plus_ns(AT_ONCE_NS - 1)));
            assert!(!reads.at(NOW.plus_ns(AT_ONCE_NS)));
        }
    }

    #[test]
    fn a_person_never_waits() {
        let mut reads = ReadsAtOnce::Always;
        reads.note(1, false, NOW);
        assert!(reads.at(NOW));
    }
}
