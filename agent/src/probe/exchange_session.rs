//! One series of exchanges of several steps: which are under way, and which were lost. Pure; handed the time.

use std::collections::VecDeque;

use crate::clock::{Monotonic, NS_PER_S};
use crate::tally::IntervalOrdinal;

use super::attempts::Attempts;
use super::exchange::ExchangeEnd;

/// How much longer than its waiting time an exchange is remembered. Whoever carries it out ends it when that time has
/// passed and says how far it came; this is for an end that never arrives.
pub const GRACE_NS: i64 = NS_PER_S;

/// The exchanges of one series.
#[derive(Debug)]
pub struct ExchangeSession {
    attempts: Attempts,
    findings: VecDeque<(IntervalOrdinal, u32, Option<ExchangeEnd>)>,
}

impl ExchangeSession {
    /// A session that gives each exchange up after `waiting_ns` and the grace.
    #[must_use]
    pub fn new(waiting_ns: i64) -> Self {
        Self {
            attempts: Attempts::new(waiting_ns.saturating_add(GRACE_NS)),
            findings: VecDeque::new(),
        }
    }

    /// A new exchange, started at `started`; its number.
    pub fn send(&mut self, started: Monotonic, interval: IntervalOrdinal) -> u32 {
        self.attempts.begin(started, interval)
    }

    /// The last exchange could not be started after all: it never was.
    pub fn handle_send_error(&mut self) {
        self.attempts.take_back();
    }

    /// The exchange `sequence` has ended. Ignored once it was given up, and the second time.
    pub fn handle_end(&mut self, sequence: u32, end: ExchangeEnd) {
        if let Some(interval) = self.attempts.settle(sequence) {
            self.findings.push_back((interval, sequence, Some(end)));
        }
    }

    /// Gives up every exchange whose end never arrived.
    pub fn handle_timeout(&mut self, now: Monotonic) {
        while let Some((sequence, interval)) = self.attempts.expire(now) {
            self.findings.push_back((interval, sequence, None));
        }
    }

    /// Whether any exchange is neither ended nor given up.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.attempts.poll_timeout().is_some()
    }

    /// What has been found out since the last call: when that exchange was started, its number, and its end, `None` if that
    /// never came.
    pub fn poll_finding(&mut self) -> Option<(IntervalOrdinal, u32, Option<ExchangeEnd>)> {
        self.findings.pop_front()
    }

    /// The end: the intervals of the exchanges whose fate stays unknown.
    pub fn withdraw(&mut self) -> Vec<IntervalOrdinal> {
        self.attempts.withdraw()
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
            asked_to_wait_s: None,
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
