//! Challenges and sessions. Pure: handed a monotonic time, so that no clock of an agent matters. Nothing here outlives the
//! process: after a restart every agent opens a new session, which costs it two small requests.
//!
//! A process of an agent makes up an instance when it starts. The one that opened a session last is the agent; when one
//! before it is heard of again, two processes have one key, and the earlier is refused from then on, as
//! [`crate::store::identity`] does it with reports.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of a challenge: a serial number, when it was given, and the seal on both.
pub const CHALLENGE_BYTES: usize = 48;
/// How long a challenge may be answered.
const CHALLENGE_KEPT: Duration = Duration::from_secs(60);
/// Live sessions of one agent: of the process that is, and of those before it, by which a copy is found out.
const SESSIONS_PER_AGENT: usize = 4;
/// Earlier processes of an agent that are remembered.
const EARLIER_KEPT: usize = 16;
/// Challenges answered within a minute that are remembered; beyond, none is taken until some are old.
const MOST_TAKEN: usize = 100_000;

/// What is known of who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is the agent.
    Good,
    /// A later process has the same key.
    Copied,
}

struct Session {
    agent: String,
    instance: String,
    expires: Instant,
}

#[derive(Default)]
struct Processes {
    newest: String,
    earlier: VecDeque<String>,
    sessions: VecDeque<[u8; 32]>,
    complained_of: Option<String>,
}

/// All of them.
pub struct Sessions {
    seal: [u8; 32],
    began: Option<Instant>,
    given: u64,
    taken: HashSet<u64>,
    taken_in_order: VecDeque<(Instant, u64)>,
    live: HashMap<[u8; 32], Session>,
    agents: HashMap<String, Processes>,
}

impl Sessions {
    /// None yet. `seal` is random: challenges of another process are not taken.
    pub fn new(seal: [u8; 32]) -> Self {
        Self {
            seal,
            began: None,
            given: 0,
            taken: HashSet::new(),
            taken_in_order: VecDeque::new(),
            live: HashMap::new(),
            agents: HashMap::new(),
        }
    }

    /// A challenge that was never given before. It is not remembered: whoever asks for many costs nothing.
    pub fn challenge(&mut self, now: Instant) -> Vec<u8> {
        let began = *self.began.get_or_insert(now);
        self.given += 1;
        let age_ms = u64::try_from(now.saturating_duration_since(began).as_millis()).unwrap_or(u64::MAX);
        let mut bytes = Vec::with_capacity(CHALLENGE_BYTES);
        bytes.extend(self.given.to_be_bytes());
        bytes.extend(age_ms.to_be_bytes());
        let seal = self.sealed(&bytes);
        bytes.extend(seal);
        bytes
    }

    /// Whether a challenge is one of ours, young, and not answered before; from now on it is.
    pub fn take_challenge(&mut self, challenge: &[u8; CHALLENGE_BYTES], now: Instant) -> bool {
        let (body, seal) = challenge.split_at(16);
        if !constant_time_eq(&self.sealed(body), seal) {
            return false;
        }
        while let Some((at, serial)) = self.taken_in_order.front().copied() {
            if now.saturating_duration_since(at) <= CHALLENGE_KEPT {
                break;
            }
            self.taken.remove(&serial);
            self.taken_in_order.pop_front();
        }
        let word = |at: usize| body[at..at + 8].try_into().map_or(0, u64::from_be_bytes);
        let (serial, given_ms) = (word(0), Duration::from_millis(word(8)));
        let age = self
            .began
            .map(|began| now.saturating_duration_since(began).saturating_sub(given_ms));
        let is_young = age.is_some_and(|age| age <= CHALLENGE_KEPT);
        if !is_young || self.taken.len() >= MOST_TAKEN || !self.taken.insert(serial) {
            return false;
        }
        self.taken_in_order.push_back((now, serial));
        true
    }

    /// Opens a session under the hash of its bearer, unless a later process of the agent did before.
    pub fn open(
        &mut self,
        hash: [u8; 32],
        agent: &str,
        instance: &str,
        now: Instant,
        expires: Instant,
    ) -> Standing {
        let processes = self.agents.entry(agent.to_owned()).or_default();
        if processes.earlier.iter().any(|earlier| earlier == instance) {
            return Standing::Copied;
        }
        if processes.newest != instance {
            let before = std::mem::replace(&mut processes.newest, instance.to_owned());
            processes.earlier.push_back(before);
            if processes.earlier.len() > EARLIER_KEPT {
                processes.earlier.pop_front();
            }
        }
        processes.sessions.push_back(hash);
        while processes.sessions.len() > SESSIONS_PER_AGENT {
            if let Some(oldest) = processes.sessions.pop_front() {
                self.live.remove(&oldest);
            }
        }
        let live = &mut self.live;
        processes.sessions.retain(|hash_of| {
            let over = live.get(hash_of).is_some_and(|session| session.expires <= now);
            if over {
                live.remove(hash_of);
            }
            !over
        });
        self.live.insert(
            hash,
            Session {
                agent: agent.to_owned(),
                instance: instance.to_owned(),
                expires,
            },
        );
        Standing::Good
    }

    /// Whose session this is, and how it stands; `None` when there is none or its time is over.
    pub fn check(&mut self, hash: &[u8; 32], now: Instant) -> (Option<String>, Standing) {
        let Some(session) = self.live.get(hash).filter(|session| now < session.expires) else {
            return (None, Standing::Good);
        };
        let newest = self.agents.get(&session.agent).map(|processes| &processes.newest);
        let standing = if newest == Some(&session.instance) {
            Standing::Good
        } else {
            Standing::Copied
        };
        (Some(session.agent.clone()), standing)
    }

    /// Whether this is the first time that an earlier process is heard of since the newest began.
    pub fn first_complaint(&mut self, agent: &str) -> bool {
        let Some(processes) = self.agents.get_mut(agent) else {
            return false;
        };
        let first = processes.complained_of.as_ref() != Some(&processes.newest);
        processes.complained_of = Some(processes.newest.clone());
        first
    }

    /// Ends every session of an agent.
    pub fn end(&mut self, agent: &str) {
        if let Some(processes) = self.agents.remove(agent) {
            for hash in processes.sessions {
                self.live.remove(&hash);
            }
        }
    }

    fn sealed(&self, body: &[u8]) -> [u8; 32] {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.seal) else {
            return [0; 32];
        };
        mac.update(body);
        mac.finalize().into_bytes().into()
    }
}

fn constant_time_eq(one: &[u8; 32], other: &[u8]) -> bool {
    other.len() == one.len() && one.iter().zip(other).fold(0, |seen, (a, b)| seen | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::monotonic;

    const S: Duration = Duration::from_secs(1);

    fn taken(sessions: &mut Sessions, challenge: &[u8], now: Instant) -> bool {
        sessions.take_challenge(challenge.try_into().expect("a challenge"), now)
    }

    #[test]
    fn a_challenge_is_answered_once_soon_and_only_if_it_is_ours() {
        let (mut ours, mut others, now) = (Sessions::new([1; 32]), Sessions::new([2; 32]), monotonic());
        let [first, second] = [ours.challenge(now), ours.challenge(now)];
        assert!(taken(&mut ours, &first, now + 60 * S));
        assert!(!taken(&mut ours, &first, now + 60 * S), "once");
        assert!(!taken(&mut ours, &second, now + 61 * S), "soon");
        let foreign = others.challenge(now);
        assert!(!taken(&mut ours, &foreign, now), "ours");
        for at in 0..CHALLENGE_BYTES {
            let mut changed = ours.challenge(now);
            changed[at] ^= 1;
            assert!(!taken(&mut ours, &changed, now), "{at}");
        }
        assert!(
            !taken(&mut ours, &first, now + 200 * S),
            "forgotten as answered, and too old by then"
        );
    }

    #[test]
    fn a_restart_is_no_copy_and_who_is_heard_of_after_its_successor_is() {
        let (mut sessions, now) = (Sessions::new([1; 32]), monotonic());
        let open = |sessions: &mut Sessions, hash: u8, instance: &str| {
            sessions.open([hash; 32], "a", instance, now, now + 3_600 * S)
        };
        assert_eq!(open(&mut sessions, 1, "one"), Standing::Good);
        assert_eq!(sessions.check(&[1; 32], now), (Some("a".into()), Standing::Good));
        assert_eq!(
            open(&mut sessions, 2, "two"),
            Standing::Good,
            "it was started again"
        );
        assert_eq!(sessions.check(&[2; 32], now).1, Standing::Good);
        assert_eq!(
            sessions.check(&[1; 32], now).1,
            Standing::Copied,
            "the first lives on"
        );
        assert!(sessions.first_complaint("a") && !sessions.first_complaint("a"));
        assert_eq!(open(&mut sessions, 3, "one"), Standing::Copied, "and stays out");
        assert_eq!(open(&mut sessions, 4, "two"), Standing::Good, "the next hour");
        assert_eq!(
            sessions.check(&[4; 32], now + 3_600 * S).0,
            None,
            "its time is over"
        );
        sessions.end("a");
        assert_eq!(sessions.check(&[4; 32], now).0, None);
    }

    #[test]
    fn sessions_of_one_agent_do_not_pile_up() {
        let (mut sessions, now) = (Sessions::new([1; 32]), monotonic());
        for hash in 0..200_u8 {
            let instance = format!("{}", hash / 3);
            sessions.open([hash; 32], "a", &instance, now, now + S);
        }
        assert_eq!(sessions.live.len(), SESSIONS_PER_AGENT);
        assert_eq!(sessions.agents["a"].earlier.len(), EARLIER_KEPT);
        sessions.open([255; 32], "a", "last", now + 2 * S, now + 4 * S);
        assert_eq!(sessions.live.len(), 1, "those that are over go");
    }
}
