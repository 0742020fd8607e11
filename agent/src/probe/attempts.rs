//! The attempts of one series that end once: their numbers, which are under way, and which have waited too long. Pure; handed
//! the time. Not what an end means, and not STAMP or ICMP, whose answers may come twice and out of order.

use std::collections::VecDeque;

use crate::clock::Monotonic;
use crate::tally::IntervalOrdinal;

#[derive(Clone, Copy, Debug)]
struct Attempt {
    interval: IntervalOrdinal,
    started: Monotonic,
    settled: bool,
}

/// Attempts, oldest first.
#[derive(Debug)]
pub struct Attempts {
    waiting_ns: i64,
    next_sequence: u32,
    /// In order of sequence numbers, without holes; the first is not settled.
    under_way: VecDeque<Attempt>,
}

impl Attempts {
    /// None yet; each is given up after `waiting_ns`.
    #[must_use]
    pub fn new(waiting_ns: i64) -> Self {
        Self {
            waiting_ns,
            next_sequence: 0,
            under_way: VecDeque::new(),
        }
    }

    /// A new attempt, started at `started`; its number.
    pub fn begin(&mut self, started: Monotonic, interval: IntervalOrdinal) -> u32 {
        let sequence = self.next_sequence;
        self.next_sequence = sequence.wrapping_add(1);
        self.under_way.push_back(Attempt {
            interval,
            started,
            settled: false,
        });
        sequence
    }

    /// The last attempt could not be started after all: it never was.
    pub fn take_back(&mut self) {
        if self.under_way.pop_back().is_some() {
            self.next_sequence = self.next_sequence.wrapping_sub(1);
        }
    }

    /// An attempt has ended: the interval it began in. `None` once it was given up, and the second time.
    pub fn settle(&mut self, sequence: u32) -> Option<IntervalOrdinal> {
        let index = sequence.wrapping_sub(self.first_sequence()) as usize;
        let attempt = self.under_way.get_mut(index)?;
        if std::mem::replace(&mut attempt.settled, true) {
            return None;
        }
        let interval = attempt.interval;
        while self.under_way.front().is_some_and(|attempt| attempt.settled) {
            self.under_way.pop_front();
        }
        Some(interval)
    }

    /// Gives up the oldest attempt that has waited too long: its number and its interval. To be called until there is none.
    pub fn expire(&mut self, now: Monotonic) -> Option<(u32, IntervalOrdinal)> {
        while let Some(attempt) = self.under_way.front().copied()
            && now.since_ns(attempt.started) >= self.waiting_ns
        {
            let sequence = self.first_sequence();
            self.under_way.pop_front();
            if !attempt.settled {
                return Some((sequence, attempt.interval));
            }
        }
        None
    }

    /// When the oldest will have waited too long; `None` when nothing is under way.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Monotonic> {
        let oldest = self.under_way.front();
        oldest.map(|attempt| attempt.started.plus_ns(self.waiting_ns))
    }

    /// How many have neither ended nor been given up.
    #[must_use]
    pub fn unsettled(&self) -> usize {
        self.under_way.iter().filter(|attempt| !attempt.settled).count()
    }

    /// The end: the intervals of those whose fate stays unknown.
    pub fn withdraw(&mut self) -> Vec<IntervalOrdinal> {
        let unknown = self.under_way.drain(..).filter(|attempt| !attempt.settled);
        unknown.map(|attempt| attempt.interval).collect()
    }

    fn first_sequence(&self) -> u32 {
        self.next_sequence.wrapping_sub(self.under_way.len() as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Monotonic = Monotonic::from_ns(0);
    const FIRST: IntervalOrdinal = IntervalOrdinal::FIRST;

    #[test]
    fn each_ends_once_in_any_order() {
        let mut attempts = Attempts::new(100);
        let [one, two, three] = [0, 10, 20].map(|at| attempts.begin(AT.plus_ns(at), FIRST));
        assert_eq!((attempts.settle(two), attempts.settle(two)), (Some(FIRST), None));
        assert_eq!(attempts.unsettled(), 2);
        assert_eq!(attempts.expire(AT.plus_ns(99)), None);
        assert_eq!(attempts.expire(AT.plus_ns(120)), Some((one, FIRST)));
        assert_eq!(attempts.expire(AT.plus_ns(120)), Some((three, FIRST)));
        assert_eq!(
            (attempts.expire(AT.plus_ns(120)), attempts.poll_timeout()),
            (None, None)
        );
        assert_eq!(attempts.settle(one), None, "it was given up");
    }

    #[test]
    fn what_never_began_has_no_number() {
        let mut attempts = Attempts::new(100);
        attempts.begin(AT, FIRST);
        attempts.take_back();
        assert_eq!((attempts.begin(AT, FIRST), attempts.withdraw().len()), (0, 1));
        assert_eq!(attempts.poll_timeout(), None);
    }
}
