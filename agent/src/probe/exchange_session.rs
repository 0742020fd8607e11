//! One series of exchanges of several steps: which are under way, and which were lost. Pure; handed the time.

use std::collections::VecDeque;

use crate::clock::{Monotonic, NS_PER_S};
use crate::tally::IntervalOrdinal;

use super::exchange::ExchangeEnd;

/// How much longer than its waiting time an exchange is remembered. Whoever carries it out ends it when that time has
/// passed and says how far it came; this is for an end that never arrives.
pub const GRACE_NS: i64 = NS_PER_S;

#[derive(Clone, Copy, Debug)]
struct Attempt {
    interval: IntervalOrdinal,
    started: Monotonic,
    settled: bool,
}

/// The exchanges of one series.
#[derive(Debug)]
pub struct ExchangeSession {
    waiting_ns: i64,
    next_sequence: u32,
    /// In order of sequence numbers, without holes.
    attempts: VecDeque<Attempt>,
    findings: VecDeque<(IntervalOrdinal, u32, Option<ExchangeEnd>)>,
}

impl ExchangeSession {
    /// A session that gives each exchange up after `waiting_ns` and the grace.
    #[must_use]
    pub fn new(waiting_ns: i64) -> Self {
        Self {
            waiting_ns: waiting_ns.saturating_add(GRACE_NS),
            next_sequence: 0,
            attempts: VecDeque::new(),
            findings: VecDeque::new(),
        }
    }

    /// A new exchange, started at `started`; its number.
    pub fn send(&mut self, started: Monotonic, interval: IntervalOrdinal) -> u32 {
        let sequence = self.next_sequence;
        self.next_sequence = sequence.wrapping_add(1);
        self.attempts.push_back(Attempt {
            interval,
            started,
            settled: false,
        });
        sequence
    }

    /// The last exchange could not be started after all: it never was.
    pub fn handle_send_error(&mut self) {
        if self.attempts.pop_back().is_some() {
            self.next_sequence = self.next_sequence.wrapping_sub(1);
        }
    }

    /// The exchange `sequence` has ended. Ignored once it was given up, and the second time.
    pub fn handle_end(&mut self, sequence: u32, end: ExchangeEnd) {
        let first = self.next_sequence.wrapping_sub(self.attempts.len() as u32);
        let index = sequence.wrapping_sub(first) as usize;
        let Some(attempt) = self.attempts.get_mut(index) else {
            return;
        };
        if std::mem::replace(&mut attempt.settled, true) {
            return;
        }
        self.findings.push_back((attempt.interval, sequence, Some(end)));
        while self.attempts.front().is_some_and(|attempt| attempt.settled) {
            self.attempts.pop_front();
        }
    }

    /// Gives up every exchange whose end never arrived.
    pub fn handle_timeout(&mut self, now: Monotonic) {
        while let Some(attempt) = self.attempts.front()
            && now.since_ns(attempt.started) >= self.waiting_ns
        {
            if !attempt.settled {
                let sequence = self.next_sequence.wrapping_sub(self.attempts.len() as u32);
                self.findings.push_back((attempt.interval, sequence, None));
            }
            self.attempts.pop_front();
        }
    }

    /// Whether any exchange is neither ended nor given up.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.attempts.is_empty()
    }

    /// What has been found out since the last call: when that exchange was started, its number, and its end, `None` if that
    /// never came.
    pub fn poll_finding(&mut self) -> Option<(IntervalOrdinal, u32, Option<ExchangeEnd>)> {
        self.findings.pop_front()
    }

    /// The end: the intervals of the exchanges whose fate stays unknown.
    pub fn withdraw(&mut self) -> Vec<IntervalOrdinal> {
        let unknown = self.attempts.drain(..).filter(|attempt| !attempt.settled);
        unknown.map(|attempt| attempt.interval).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::exchange::ExchangeOutcome;

    #[test]
    fn an_end_counts_once_and_not_after_the_grace() {
        let mut session = ExchangeSession::new(NS_PER_S);
        let at = Monotonic::from_ns(0);
        let lost = || ExchangeEnd {
            passed: Vec::new(),
            stuck: None,
            outcome: ExchangeOutcome::Lost,
            certificate_ends_unix_s: None,
        };
        let first = session.send(at, IntervalOrdinal::FIRST);
        let second = session.send(at, IntervalOrdinal::FIRST);
        session.handle_end(first, lost());
        session.handle_end(first, lost());
        assert_eq!(
            session.poll_finding(),
            Some((IntervalOrdinal::FIRST, first, Some(lost())))
        );
        assert_eq!(session.poll_finding(), None, "once");
        session.handle_timeout(at.plus_ns(NS_PER_S + GRACE_NS - 1));
        assert_eq!(session.poll_finding(), None, "not yet");
        session.handle_timeout(at.plus_ns(NS_PER_S + GRACE_NS));
        assert_eq!(
            session.poll_finding(),
            Some((IntervalOrdinal::FIRST, second, None))
        );
        session.handle_end(second, lost());
        assert_eq!((session.poll_finding(), session.is_waiting()), (None, false));
    }
}
