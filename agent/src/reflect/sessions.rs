//! The last reply to each sender that asks for follow-up telemetry (RFC 8972 section 4.7). Pure; handed the time.
//!
//! Bounded: when every place is taken by a sender heard of lately, a new one is answered without follow-up. What is
//! kept decides nothing but one timestamp, so forgetting costs a fallback at the sender, never an answer.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use crate::clock::{Monotonic, NS_PER_S};
use crate::stamp::NtpTimestamp;
use crate::stamp::extension::FollowUp;

/// Sessions remembered: about 2 MiB.
const ROOM: usize = 16_384;
/// A session not heard of for this long makes room for others; above the longest waiting time of a probe.
const IDLE_NS: i64 = 90 * NS_PER_S;
/// A look for idle sessions goes through all of them, so there is one a second at most.
const SWEEP_NS: i64 = NS_PER_S;

/// Who asks whom, as far as it goes without a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionKey {
    /// The sender.
    pub from: SocketAddr,
    /// The address it asked at.
    pub asked_at: IpAddr,
    /// Its session identifier (RFC 8972 section 3); 0 when it uses none.
    pub session_id: u16,
}

#[derive(Clone, Copy, Debug)]
struct LastReply {
    sequence: u32,
    sent_at: Option<NtpTimestamp>,
    answered_at: Monotonic,
}

/// All sessions of one reflector.
#[derive(Debug)]
pub struct Sessions {
    last: HashMap<SessionKey, LastReply>,
    room: usize,
    swept_at: Option<Monotonic>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self::with_room(ROOM)
    }
}

impl Sessions {
    fn with_room(room: usize) -> Self {
        Self {
            last: HashMap::new(),
            room,
            swept_at: None,
        }
    }

    /// The kernel's stamp on the session's last reply, if it came.
    #[must_use]
    pub fn follow_up(&self, session: &SessionKey) -> Option<FollowUp> {
        let last = self.last.get(session)?;
        Some(FollowUp {
            sequence: last.sequence,
            sent_at: last.sent_at?,
        })
    }

    /// A reply with number `sequence` is about to leave. `false` when there is no room to remember it.
    pub fn answering(&mut self, session: SessionKey, sequence: u32, now: Monotonic) -> bool {
        let reply = LastReply {
            sequence,
            sent_at: None,
            answered_at: now,
        };
        if let Some(last) = self.last.get_mut(&session) {
            *last = reply;
            return true;
        }
        if self.last.len() >= self.room {
            self.sweep(now);
        }
        let fits = self.last.len() < self.room;
        if fits {
            self.last.insert(session, reply);
        }
        fits
    }

    /// The kernel stamped that reply. Nothing changes if the session has been answered again since.
    pub fn stamped(&mut self, session: &SessionKey, sequence: u32, sent_at: NtpTimestamp) {
        if let Some(last) = self.last.get_mut(session)
            && last.sequence == sequence
        {
            last.sent_at = Some(sent_at);
        }
    }

    fn sweep(&mut self, now: Monotonic) {
        if self.swept_at.is_some_and(|at| now.since_ns(at) < SWEEP_NS) {
            return;
        }
        self.swept_at = Some(now);
        self.last
            .retain(|_, last| now.since_ns(last.answered_at) < IDLE_NS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T3: NtpTimestamp = NtpTimestamp::from_bits(77);

    fn session(port: u16) -> SessionKey {
        SessionKey {
            from: SocketAddr::from(([192, 0, 2, 1], port)),
            asked_at: IpAddr::from([192, 0, 2, 9]),
            session_id: 0,
        }
    }

    fn at(s: i64) -> Monotonic {
        Monotonic::from_ns(s * NS_PER_S)
    }

    #[test]
    fn the_stamp_of_the_last_reply_is_kept_and_no_other() {
        let mut sessions = Sessions::default();
        assert_eq!(sessions.follow_up(&session(1)), None);
        assert!(sessions.answering(session(1), 7, at(0)));
        assert_eq!(sessions.follow_up(&session(1)), None, "not stamped yet");
        sessions.stamped(&session(1), 7, T3);
        let known = FollowUp {
            sequence: 7,
            sent_at: T3,
        };
        assert_eq!(sessions.follow_up(&session(1)), Some(known));
        assert!(sessions.answering(session(1), 8, at(1)));
        sessions.stamped(&session(1), 7, T3);
        assert_eq!(
            sessions.follow_up(&session(1)),
            None,
            "the stamp of an older reply"
        );
        assert_eq!(sessions.follow_up(&session(2)), None, "another sender");
    }

    #[test]
    fn a_full_table_keeps_those_heard_of_lately_and_makes_room_of_the_rest() {
        let mut sessions = Sessions::with_room(2);
        assert!(sessions.answering(session(1), 1, at(0)));
        assert!(sessions.answering(session(2), 1, at(80)));
        assert!(!sessions.answering(session(3), 1, at(80)));
        assert!(
            sessions.answering(session(2), 2, at(85)),
            "a known one is always heard"
        );
        assert!(
            sessions.answering(session(3), 1, at(90)),
            "the first was idle for 90 s"
        );
        assert!(!sessions.answering(session(4), 1, at(100)));
    }
}
