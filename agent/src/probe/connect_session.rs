//! One series of TCP connects: each attempt's delay is the kernel's own handshake sample. Pure; handed the time.
//!
//! An attempt whose SYN had to be sent again is lost, and late if it got through in the end: what the repeated SYN
//! measured is the kernel's patience, not the path. A reset is an answer without a delay. Silence, and routers saying
//! there is no way, are losses.

use std::collections::VecDeque;

use azimuth_measurement::StampClock;

use crate::clock::Monotonic;
use crate::tally::IntervalOrdinal;

use super::attempts::Attempts;
use super::delay::whole_us;

/// How an attempt ended, as the rim saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectEnd {
    /// The connection stood.
    Connected {
        /// The kernel's SYN to SYN-ACK sample in microseconds; 0 if it took none.
        rtt_us: u32,
        /// A segment had to be sent again.
        retransmitted: bool,
    },
    /// The other side answered with a reset.
    Refused,
    /// No answer, or no way.
    Unreachable,
}

/// What became of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectFinding {
    /// Answered.
    Delay {
        /// The attempt's number.
        sequence: u32,
        /// The clock the delay was taken with.
        clock: StampClock,
        /// The delay, in microseconds.
        delay_us: u32,
    },
    /// Answered with a reset: reachable, no delay.
    Refused,
    /// Answered, but the kernel took no sample.
    NoSample,
    /// Lost. `late`: it got through in the end, by a repeated SYN.
    Lost {
        /// Whether an answer came after all.
        late: bool,
    },
}

/// The attempts of one series.
#[derive(Debug)]
pub struct ConnectSession {
    attempts: Attempts,
    findings: VecDeque<(IntervalOrdinal, ConnectFinding)>,
}

impl ConnectSession {
    /// A session that gives each attempt up after `waiting_ns`.
    #[must_use]
    pub fn new(waiting_ns: i64) -> Self {
        Self {
            attempts: Attempts::new(waiting_ns),
            findings: VecDeque::new(),
        }
    }

    /// A new attempt, started at `started`; its number.
    pub fn send(&mut self, started: Monotonic, interval: IntervalOrdinal) -> u32 {
        self.attempts.begin(started, interval)
    }

    /// The last attempt could not be started after all: it never was.
    pub fn handle_send_error(&mut self) {
        self.attempts.take_back();
    }

    /// The attempt `sequence` has ended. Ignored once its waiting time has passed.
    pub fn handle_end(&mut self, sequence: u32, end: ConnectEnd) {
        let Some(interval) = self.attempts.settle(sequence) else {
            return;
        };
        let finding = match end {
            ConnectEnd::Connected {
                retransmitted: true, ..
            } => ConnectFinding::Lost { late: true },
            ConnectEnd::Connected { rtt_us: 0, .. } => ConnectFinding::NoSample,
            ConnectEnd::Connected { rtt_us, .. } => ConnectFinding::Delay {
                sequence,
                clock: StampClock::TcpInfo,
                delay_us: whole_us(i64::from(rtt_us) * 1_000),
            },
            ConnectEnd::Refused => ConnectFinding::Refused,
            ConnectEnd::Unreachable => ConnectFinding::Lost { late: false },
        };
        self.findings.push_back((interval, finding));
    }

    /// Gives up every attempt whose waiting time has passed.
    pub fn handle_timeout(&mut self, now: Monotonic) {
        while let Some((_, interval)) = self.attempts.expire(now) {
            self.findings
                .push_back((interval, ConnectFinding::Lost { late: false }));
        }
    }

    /// When the oldest attempt's waiting time will have passed.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Monotonic> {
        self.attempts.poll_timeout()
    }

    /// What has been found out since the last call, and when that attempt was started.
    pub fn poll_finding(&mut self) -> Option<(IntervalOrdinal, ConnectFinding)> {
        self.findings.pop_front()
    }

    /// Attempts neither answered nor lost yet.
    #[must_use]
    pub fn unsettled(&self) -> usize {
        self.attempts.unsettled()
    }

    /// The end: the intervals of the attempts whose fate stays unknown.
    pub fn withdraw(&mut self) -> Vec<IntervalOrdinal> {
        self.attempts.withdraw()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Monotonic = Monotonic::from_ns(0);

    #[test]
    fn each_end_has_its_finding() {
        let connected = |rtt_us, retransmitted| ConnectEnd::Connected {
            rtt_us,
            retransmitted,
        };
        let table = [
            (
                connected(2_130, false),
                ConnectFinding::Delay {
                    sequence: 0,
                    clock: StampClock::TcpInfo,
                    delay_us: 2_130,
                },
            ),
            (connected(0, false), ConnectFinding::NoSample),
            (connected(2_130, true), ConnectFinding::Lost { late: true }),
            (ConnectEnd::Refused, ConnectFinding::Refused),
            (ConnectEnd::Unreachable, ConnectFinding::Lost { late: false }),
        ];
        for (end, finding) in table {
            let mut session = ConnectSession::new(1_000);
            let sequence = session.send(AT, IntervalOrdinal::FIRST);
            session.handle_end(sequence, end);
            assert_eq!(
                session.poll_finding(),
                Some((IntervalOrdinal::FIRST, finding)),
                "{end:?}"
            );
            session.handle_end(sequence, end);
            assert_eq!(
                (session.poll_finding(), session.unsettled()),
                (None, 0),
                "an attempt ends once"
            );
        }
    }

    #[test]
    fn silence_is_a_loss_after_the_waiting_time() {
        let mut session = ConnectSession::new(1_000);
        let first = session.send(AT, IntervalOrdinal::FIRST);
        let second = session.send(AT.plus_ns(500), IntervalOrdinal::FIRST);
        session.handle_timeout(AT.plus_ns(1_000));
        let lost = (IntervalOrdinal::FIRST, ConnectFinding::Lost { late: false });
        assert_eq!(
            (session.poll_finding(), session.poll_finding()),
            (Some(lost), None)
        );
        session.handle_end(first, ConnectEnd::Refused);
        assert_eq!(session.poll_finding(), None, "the first is lost for good");
        session.handle_end(second, ConnectEnd::Refused);
        assert!(session.poll_finding().is_some());
    }
}
