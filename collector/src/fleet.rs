//! Who may report: enrolment of agents by token, sessions by challenge, revocation. One lock around all of it, because a
//! use of a token and its being used up must be one step.
//!
//! | room | what it does |
//! |---|---|
//! | [`book`] | tokens and agents, as events and what they come to (pure) |
//! | [`sessions`] | challenges and live sessions, and which of two processes with one key is refused (pure) |
//! | [`journal`] | the events on disk |
//! | [`keys`] | the collector's own key, and what Ed25519 (RFC 8032) says of others' |
//! | [`door`] | the TLS listener that agents come in by |
//! | [`tickets`] | which throughput tests agents may do, and how many (pure) |
//! | [`desk`] | what people change: tokens, agents |
//! | [`admin`] | the socket on which the command line talks to a running collector |
//!
//! Not who may look: that is access to the dashboards.

pub mod admin;
pub mod book;
pub mod desk;
pub mod door;
pub mod journal;
pub mod keys;
pub mod sessions;
pub mod tickets;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use azimuth_measurement::AgentId;
use azimuth_measurement::enrolment::ticket::{
    NoTicket, TestTicket, ticket_request_statement, ticket_statement,
};
use azimuth_measurement::enrolment::{
    KEY_BYTES, TlsTrust, Token, base64url, join_statement, rotation_statement, session_statement,
};

use self::book::{AgentEntry, Book, Event, Refusal, TokenEntry};
use self::journal::{Journal, JournalError};
use self::keys::{CollectorKey, verify};
use self::sessions::{Sessions, Standing};
use self::tickets::{Signed, TicketBounds};
use crate::problem::Problem;
use crate::secret::{random, sha256};
use crate::whole_file::private_directory;

/// How long a session lasts; the agent opens the next before.
pub const SESSION: Duration = Duration::from_secs(3_600);
/// How long an agent's key before the last is still taken.
pub const OLD_KEY_KEPT_MS: u64 = 24 * 3_600_000;

/// Everything about who may report.
pub struct Fleet {
    key: CollectorKey,
    directory: PathBuf,
    required: bool,
    tls_pin: Option<[u8; KEY_BYTES]>,
    door_port: Option<u16>,
    inner: Mutex<Inner>,
}

struct Inner {
    book: Book,
    sessions: Sessions,
    signed: Signed,
    journal: Journal,
}

/// A token that was made: what there is to know of it, and the token itself, shown this once.
pub struct Made {
    /// Its entry.
    pub entry: TokenEntry,
    /// For the operator.
    pub token: Token,
}

/// What a new token is to be good for.
pub struct Wanted {
    /// Where its agents stand; the beginning of their names.
    pub site: String,
    /// How many agents may join with it.
    pub uses: u32,
    /// For how long, in milliseconds by the collector's clock.
    pub ttl_ms: u64,
    /// Where agents reach the collector.
    pub address: String,
    /// How they know its TLS.
    pub tls: TlsTrust,
}

/// What an agent asks with its key. Texts are base64url.
pub struct Proof<'a> {
    /// The challenge it was given.
    pub challenge: &'a str,
    /// Over the statement for what it asks.
    pub signature: &'a str,
}

impl Fleet {
    /// Opens what is in `data_dir`/fleet, made if need be. With `required`, reports without a session are refused.
    ///
    /// # Errors
    /// When the directory, the key or the journal cannot be had.
    pub fn open(data_dir: &Path, required: bool) -> Result<Self, JournalError> {
        let directory = data_dir.join("fleet");
        private_directory(&directory).map_err(JournalError::io(&directory))?;
        let key = CollectorKey::load_or_make(&directory.join("collector.key"))?;
        let (journal, book) = Journal::open(&directory.join("journal.jsonl"))?;
        Ok(Self {
            key,
            directory,
            required,
            tls_pin: None,
            door_port: None,
            inner: Mutex::new(Inner {
                book,
                sessions: Sessions::new(random()),
                signed: Signed::new(TicketBounds::default()),
                journal,
            }),
        })
    }

    /// The same, whose door has a certificate made here with this key.
    #[must_use]
    pub fn with_tls_pin(mut self, pin: Option<[u8; KEY_BYTES]>) -> Self {
        self.tls_pin = pin;
        self
    }

    /// The same, whose door listens on this port.
    #[must_use]
    pub fn with_door_port(mut self, port: Option<u16>) -> Self {
        self.door_port = port;
        self
    }

    /// The port of its door, where it has one.
    pub fn door_port(&self) -> Option<u16> {
        self.door_port
    }

    /// The same, which signs throughput tickets within these bounds.
    #[must_use]
    pub fn with_ticket_bounds(mut self, bounds: TicketBounds) -> Self {
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        inner.signed = Signed::new(bounds);
        self
    }

    /// SHA-256 of the public key of its door, where that was made here.
    pub fn tls_pin(&self) -> Option<[u8; KEY_BYTES]> {
        self.tls_pin
    }

    /// The socket of the command line.
    pub fn admin_socket(&self) -> PathBuf {
        admin::socket_in(&self.directory)
    }

    /// What the collector signs with.
    pub fn key(&self) -> &CollectorKey {
        &self.key
    }

    /// Makes a token.
    ///
    /// # Errors
    /// A wrong site, number of uses or time; a disk that does not take it.
    pub fn make_token(&self, wanted: Wanted, now_unix_ms: u64) -> Result<Made, Problem> {
        let secret: [u8; KEY_BYTES] = random();
        let id: [u8; 6] = random();
        let entry = TokenEntry::new(&base64url::encode(&id), &sha256(&secret), &wanted, now_unix_ms)?;
        let mut inner = self.lock();
        inner.commit(Event::TokenMade(entry.clone()))?;
        Ok(Made {
            entry,
            token: Token {
                address: wanted.address,
                collector_key: self.key.public(),
                tls: wanted.tls,
                secret,
            },
        })
    }

    /// All tokens, the latest last.
    pub fn tokens(&self) -> Vec<TokenEntry> {
        self.lock().book.tokens().cloned().collect()
    }

    /// All agents that joined, by name.
    pub fn agents(&self) -> Vec<AgentEntry> {
        self.lock().book.agents().cloned().collect()
    }

    /// Ends a token: nobody joins with it any more. Who has joined stays.
    ///
    /// # Errors
    /// There is no such token; a disk that does not take it.
    pub fn revoke_token(&self, id: &str, now_unix_ms: u64) -> Result<(), Problem> {
        let mut inner = self.lock();
        let event = inner.book.revoke_token(id, now_unix_ms)?;
        inner.commit(event)
    }

    /// Ends an agent: from this moment none of its requests is answered.
    ///
    /// # Errors
    /// There is no such agent; a disk that does not take it.
    pub fn revoke_agent(&self, agent: &str, now_unix_ms: u64) -> Result<(), Problem> {
        let mut inner = self.lock();
        let event = inner.book.revoke_agent(agent, now_unix_ms)?;
        inner.commit(event)?;
        inner.sessions.end(agent);
        inner.signed.forget(agent);
        Ok(())
    }

    /// A challenge, and the collector's signature over it for the one who asked with `nonce`.
    pub fn challenge(&self, now: Instant) -> Vec<u8> {
        self.lock().sessions.challenge(now)
    }

    /// Lets a host in that has a token and proves its key. The same host with the same token and key is let in again
    /// without a further use: its first answer was lost.
    ///
    /// # Errors
    /// Why not.
    pub fn join(
        &self,
        secret: &str,
        public_key: &str,
        wish: Option<&str>,
        proof: &Proof<'_>,
        now: Instant,
        now_unix_ms: u64,
    ) -> Result<AgentEntry, Problem> {
        let (Some(secret), Some(key)) = (
            base64url::decode_exactly::<KEY_BYTES>(secret),
            base64url::decode_exactly::<KEY_BYTES>(public_key),
        ) else {
            return Err(Refusal::Malformed.into());
        };
        let mut inner = self.lock();
        let challenge = inner.take_challenge(proof, now)?;
        if !verified(&key, &join_statement(&challenge, &key), proof) {
            return Err(Refusal::BadProof.into());
        }
        let (event, entry) = inner.book.join(&sha256(&secret), &key, wish, now_unix_ms)?;
        if let Some(event) = event {
            inner.commit(event)?;
        }
        Ok(entry)
    }

    /// Opens a session for a process of an agent that proves its key. The bearer, shown this once.
    ///
    /// # Errors
    /// Why not.
    pub fn open_session(
        &self,
        agent: &AgentId,
        instance: &str,
        proof: &Proof<'_>,
        now: Instant,
        now_unix_ms: u64,
    ) -> Result<String, Problem> {
        let mut inner = self.lock();
        let challenge = inner.take_challenge(proof, now)?;
        let keys = inner.book.keys_of(agent.as_str(), now_unix_ms)?;
        let statement = session_statement(&challenge, agent, instance);
        if !keys.iter().any(|key| verified(key, &statement, proof)) {
            return Err(Refusal::BadProof.into());
        }
        let bearer: [u8; KEY_BYTES] = random();
        let opened = inner
            .sessions
            .open(sha256(&bearer), agent.as_str(), instance, now, now + SESSION);
        if opened == Standing::Copied {
            inner.note_copied(agent.as_str(), now_unix_ms);
            return Err(Refusal::Copied.into());
        }
        Ok(base64url::encode(&bearer))
    }

    /// Changes the key of an agent, which proves the old one and the new one. Asked again with the key that it has by
    /// then, nothing changes and the answer is the same.
    ///
    /// # Errors
    /// Why not.
    pub fn change_key(
        &self,
        agent: &AgentId,
        new_key: &str,
        new_signature: &str,
        proof: &Proof<'_>,
        now: Instant,
        now_unix_ms: u64,
    ) -> Result<(), Problem> {
        let Some(new_key) = base64url::decode_exactly::<KEY_BYTES>(new_key) else {
            return Err(Refusal::Malformed.into());
        };
        let mut inner = self.lock();
        let challenge = inner.take_challenge(proof, now)?;
        let keys = inner.book.keys_of(agent.as_str(), now_unix_ms)?;
        let statement = rotation_statement(&challenge, agent, &new_key);
        let by_new = Proof {
            challenge: proof.challenge,
            signature: new_signature,
        };
        let by_old = keys.iter().any(|key| verified(key, &statement, proof));
        if !by_old || !verified(&new_key, &statement, &by_new) {
            return Err(Refusal::BadProof.into());
        }
        match inner.book.change_key(agent.as_str(), &new_key, now_unix_ms) {
            Some(event) => inner.commit(event),
            None => Ok(()),
        }
    }

    /// Signs a throughput ticket for an agent that proves its key over what the ticket says.
    ///
    /// # Errors
    /// Why not.
    pub fn sign_ticket(
        &self,
        agent: &AgentId,
        said: &str,
        proof: &Proof<'_>,
        now: Instant,
        now_unix_ms: u64,
    ) -> Result<String, Problem> {
        let ticket: TestTicket = said
            .parse()
            .map_err(|error: NoTicket| Problem::bad_request("malformed", error.to_string()))?;
        let mut inner = self.lock();
        let challenge = inner.take_challenge(proof, now)?;
        let keys = inner.book.keys_of(agent.as_str(), now_unix_ms)?;
        let statement = ticket_request_statement(&challenge, agent, said);
        if !keys.iter().any(|key| verified(key, &statement, proof)) {
            return Err(Refusal::BadProof.into());
        }
        inner.signed.judge(agent, &ticket, now)?;
        // As we write it, not as it was sent: `007` is 7 there, and would be another text here.
        let signature = self.key.sign(&ticket_statement(&ticket.to_string()));
        Ok(ticket.signed(&signature))
    }

    /// Whose session this is, if it is good for anything now.
    ///
    /// # Errors
    /// It is unknown or over; its agent was revoked; another process has the same key.
    pub fn agent_of(&self, bearer: &str, now: Instant, now_unix_ms: u64) -> Result<AgentId, Problem> {
        let Some(bearer) = base64url::decode_exactly::<KEY_BYTES>(bearer) else {
            return Err(Refusal::NoSession.into());
        };
        let mut inner = self.lock();
        let (agent, standing) = inner.sessions.check(&sha256(&bearer), now);
        let Some(agent) = agent else {
            return Err(Refusal::NoSession.into());
        };
        inner.book.keys_of(&agent, now_unix_ms)?;
        if standing == Standing::Copied {
            inner.note_copied(&agent, now_unix_ms);
            return Err(Refusal::Copied.into());
        }
        agent.parse().map_err(|_| Refusal::NoSession.into())
    }

    /// What is said to who reports by the door of agents without a session.
    pub fn session_required(&self) -> Problem {
        Refusal::SessionRequired.into()
    }

    /// Whether `sender`, an agent with a session or somebody without, may report as `agent`.
    ///
    /// # Errors
    /// Why not.
    pub fn may_report(&self, sender: Option<&AgentId>, agent: &AgentId) -> Result<(), Problem> {
        let inner = self.lock();
        match sender {
            Some(sender) if !inner.book.is_current(sender.as_str()) => Err(Refusal::Revoked.into()),
            Some(sender) if sender == agent => Ok(()),
            Some(_) => Err(Refusal::OtherAgent.into()),
            // Somebody without a key does not get to be somebody who has one.
            None if self.required || inner.book.knows(agent.as_str()) => Err(Refusal::SessionRequired.into()),
            None => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// On disk first, then true.
    fn commit(&mut self, event: Event) -> Result<(), Problem> {
        self.journal.append(&event).map_err(|error| {
            tracing::error!("{error}");
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "journal_failed",
                error.to_string(),
            )
            .retry_after_s(15)
        })?;
        tracing::info!(event = ?event, "fleet");
        self.book.apply(event);
        Ok(())
    }

    fn take_challenge(&mut self, proof: &Proof<'_>, now: Instant) -> Result<Vec<u8>, Problem> {
        let challenge = base64url::decode_exactly::<{ sessions::CHALLENGE_BYTES }>(proof.challenge);
        let challenge = challenge.ok_or(Refusal::Malformed)?;
        if self.sessions.take_challenge(&challenge, now) {
            Ok(challenge.to_vec())
        } else {
            Err(Refusal::StaleChallenge.into())
        }
    }

    /// Shown as long as the agent exists. A journal that fails here costs the note, not the refusal.
    fn note_copied(&mut self, agent: &str, now_unix_ms: u64) {
        if self.sessions.first_complaint(agent) {
            tracing::warn!(
                agent,
                "two processes have the key of one agent; the one that began first is refused"
            );
            let _ = self.commit(Event::Copied {
                agent: agent.to_owned(),
                at_unix_ms: now_unix_ms,
            });
        }
    }
}

fn verified(key: &[u8; KEY_BYTES], statement: &[u8], proof: &Proof<'_>) -> bool {
    base64url::decode_exactly::<{ keys::SIGNATURE_BYTES }>(proof.signature)
        .is_some_and(|signature| verify(key, statement, &signature))
}

#[cfg(test)]
mod tests;
