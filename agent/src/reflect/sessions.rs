//! What is kept of each sender that asks for it: its last reply, for follow-up telemetry (RFC 8972 section 4.7), and how many
//! packets it sent and got, for direct measurement (section 4.5). Pure; handed the time.
//!
//! Bounded: when every place is taken by a sender heard of lately, a new one is answered without either. What is kept decides
//! nothing but these, so forgetting costs the sender a fallback, never an answer. Counters of a session start at a number of
//! their own, so that a sender cannot take those after a restart for a continuation.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};

use crate::clock::{Monotonic, NS_PER_S};
use crate::stamp::NtpTimestamp;
use crate::stamp::extension::{Counted, FollowUp};

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

/// What an answer can tell its session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The kernel's stamp on the reply before.
    pub follow_up: Option<FollowUp>,
    /// What was counted, this request included and its answer not.
    pub counted: Option<Counted>,
}

#[derive(Clone, Copy, Debug)]
struct LastReply {
    sequence: u32,
    sent_at: Option<NtpTimestamp>,
    answered_at: Monotonic,
    counted: Counted,
}

/// All sessions of one reflector.
#[derive(Debug)]
pub struct Sessions {
    last: HashMap<SessionKey, LastReply>,
    room: usize,
    swept_at: Option<Monotonic>,
    /// Where the counters of the next session start.
    starts: RandomState,
    begun: u64,
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
            starts: RandomState::new(),
            begun: 0,
        }
    }

    /// A request has come, and a reply with number `sequence` is about to leave: what it can tell. `None` when there is no
    /// room to remember the session.
    pub fn answering(&mut self, session: SessionKey, sequence: u32, now: Monotonic) -> Option<Known> {
        if let Some(last) = self.last.get_mut(&session) {
            let follow_up = last.sent_at.map(|sent_at| FollowUp {
                sequence: last.sequence,
                sent_at,
            });
            last.counted.received = last.counted.received.wrapping_add(1);
            let counted = last.counted;
            *last = LastReply {
                sequence,
                sent_at: None,
                answered_at: now,
                counted,
            };
            return Some(Known {
                follow_up,
                counted: Some(counted),
            });
        }
        if self.last.len() >= self.room {
            self.sweep(now);
        }
        if self.last.len() >= self.room {
            return None;
        }
        self.begun += 1;
        let start = self.starts.hash_one(self.begun) as u32;
        let counted = Counted {
            received: start.wrapping_add(1),
            sent: start,
        };
        let reply = LastReply {
            sequence,
            sent_at: None,
            answered_at: now,
            counted,
        };
        self.last.insert(session, reply);
        Some(Known {
            follow_up: None,
            counted: Some(counted),
        })
    }

    /// That reply has left.
    pub fn answered(&mut self, session: &SessionKey) {
        if let Some(last) = self.last.get_mut(session) {
            last.counted.sent = last.counted.sent.wrapping_add(1);
        }
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

    fn follow_up(sessions: &mut Sessions, port: u16, sequence: u32) -> Option<FollowUp> {
        let known = sessions.answering(session(port), sequence, at(0));
        known.expect("there is room").follow_up
    }

    #[test]
    fn the_stamp_of_the_last_reply_is_kept_and_no_other() {
        let mut sessions = Sessions::default();
        assert_eq!(follow_up(&mut sessions, 1, 7), None);
        sessions.stamped(&session(1), 7, T3);
        let known = FollowUp {
            sequence: 7,
            sent_at: T3,
        };
        assert_eq!(follow_up(&mut sessions, 1, 8), Some(known));
        sessions.stamped(&session(1), 7, T3);
        assert_eq!(
            follow_up(&mut sessions, 1, 9),
            None,
            "the stamp of an older reply"
        );
        assert_eq!(follow_up(&mut sessions, 2, 1), None, "another sender");
    }

    #[test]
    fn requests_and_replies_are_counted_per_session_from_a_start_of_its_own() {
        let mut sessions = Sessions::default();
        let mut counted = |port, leaves| {
            let known = sessions
                .answering(session(port), 0, at(0))
                .expect("there is room");
            if leaves {
                sessions.answered(&session(port));
            }
            known.counted.expect("counted")
        };
        let first = counted(1, true);
        let other = counted(2, true);
        let grown = |now: Counted| {
            (
                now.received.wrapping_sub(first.received),
                now.sent.wrapping_sub(first.sent),
            )
        };
        assert_eq!(grown(counted(1, false)), (1, 1), "its answer does not leave");
        assert_eq!(grown(counted(1, true)), (2, 1));
        assert_ne!(other, first);
        let again = Sessions::default()
            .answering(session(1), 0, at(0))
            .expect("there is room");
        assert_ne!(again.counted, Some(first), "after a restart");
    }

    #[test]
    fn a_full_table_keeps_those_heard_of_lately_and_makes_room_of_the_rest() {
        let mut sessions = Sessions::with_room(2);
        let mut fits = |port, s| sessions.answering(session(port), 1, at(s)).is_some();
        assert!(fits(1, 0));
        assert!(fits(2, 80));
        assert!(!fits(3, 80));
        assert!(fits(2, 85), "a known one is always heard");
        assert!(fits(3, 90), "the first was idle for 90 s");
        assert!(!fits(4, 100));
    }
}
