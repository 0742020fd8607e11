//! One series of ICMP echoes: which reply answers which request. Pure; handed the time.
//!
//! An echo is a reflection that took no time in the reflector, so numbering, waiting and judging are those of a STAMP
//! session. What differs is how a reply proves that it is one: an ICMP host is anyone, so each request carries a token
//! made with a secret of this process, and a reply without it never reaches the session.

use std::hash::{BuildHasher, RandomState};

use crate::clock::{Moment, Wall};
use crate::icmp::Echo;
use crate::stamp::extension::Followed;
use crate::stamp::{ErrorEstimate, NtpTimestamp, Reply, Request};
use crate::tally::IntervalOrdinal;

use super::stamp_session::{Arrival, StampSession};

/// The requests of one series.
#[derive(Debug)]
pub struct IcmpSession {
    session: StampSession,
    /// Keyed by the operating system's random numbers: a keyed hash nobody outside can compute.
    secret: RandomState,
}

impl IcmpSession {
    /// A session that gives each request up after `waiting_ns`.
    #[must_use]
    pub fn new(waiting_ns: i64, secret: RandomState) -> Self {
        Self {
            session: StampSession::new(waiting_ns, 0),
            secret,
        }
    }

    /// A new request, on its way at `sent`.
    pub fn send(&mut self, sent: Moment, interval: IntervalOrdinal) -> Echo {
        let Request {
            sequence, sent_at, ..
        } = self.session.send(sent, interval);
        Echo {
            sequence,
            sent_at,
            token: self.token(sequence, sent_at),
        }
    }

    /// A reply from this session's host, read at `received` and stamped by the kernel at `kernel_received`.
    pub fn handle_reply(&mut self, echo: &Echo, received: Moment, kernel_received: Option<Wall>) -> Arrival {
        if echo.token != self.token(echo.sequence, echo.sent_at) {
            return Arrival::Foreign;
        }
        let reflection = Reply {
            sequence: echo.sequence,
            reflected_at: echo.sent_at,
            error: ErrorEstimate::UNSYNCHRONISED,
            session_id: 0,
            received_at: echo.sent_at,
            sender_sequence: echo.sequence,
            sender_sent_at: echo.sent_at,
            sender_error_bits: 0,
            sender_ttl: 0,
        };
        self.session
            .handle_reply(&reflection, Followed::NotSpoken, received, kernel_received)
    }

    /// The session below, for all that does not look into messages.
    pub fn inner(&mut self) -> &mut StampSession {
        &mut self.session
    }

    /// The same, to look at.
    #[must_use]
    pub fn as_inner(&self) -> &StampSession {
        &self.session
    }

    fn token(&self, sequence: u32, sent_at: NtpTimestamp) -> u64 {
        self.secret.hash_one((sequence, sent_at.to_bits()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Monotonic, NS_PER_MS};
    use crate::probe::delay::Verdict;
    use crate::probe::stamp_session::Finding;
    use azimuth_measurement::StampClock;

    const SENT: Moment = Moment {
        monotonic: Monotonic::from_ns(0),
        wall: Wall::from_unix_ns(1_700_000_000_000_000_000),
    };

    #[test]
    fn a_reply_is_worth_its_kernel_stamps() {
        let mut session = IcmpSession::new(1_000 * NS_PER_MS, RandomState::new());
        let echo = session.send(SENT, IntervalOrdinal::FIRST);
        assert!(session.inner().handle_tx_stamp(0, SENT.wall.plus_ns(10_000)));
        let arrival =
            session.handle_reply(&echo, SENT.plus_ns(2_000_000), Some(SENT.wall.plus_ns(1_510_000)));
        assert!(matches!(arrival, Arrival::First { reordered: false, .. }));
        let Some(Finding::Returned { verdict, .. }) = session.inner().poll_finding() else {
            unreachable!("it was answered and stamped");
        };
        assert_eq!(verdict, Verdict::Delay(StampClock::Kernel, 1_500));
        let again = session.handle_reply(&echo, SENT.plus_ns(3_000_000), None);
        assert!(matches!(again, Arrival::Duplicate { .. }));
    }

    #[test]
    fn a_forged_reply_settles_nothing() {
        let mut session = IcmpSession::new(1_000 * NS_PER_MS, RandomState::new());
        let echo = session.send(SENT, IntervalOrdinal::FIRST);
        let stranger = IcmpSession::new(1, RandomState::new()).token(echo.sequence, echo.sent_at);
        for token in [0, echo.token ^ 1, stranger] {
            let forged = Echo { token, ..echo };
            assert_eq!(
                session.handle_reply(&forged, SENT.plus_ns(1), None),
                Arrival::Foreign
            );
        }
        let moved = Echo {
            sequence: echo.sequence + 1,
            ..echo
        };
        assert_eq!(
            session.handle_reply(&moved, SENT.plus_ns(1), None),
            Arrival::Foreign
        );
        assert_eq!(session.as_inner().unsettled(), 1);
        assert!(session.inner().poll_finding().is_none());
    }
}
