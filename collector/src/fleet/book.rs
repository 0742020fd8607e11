//! Tokens and agents: what may happen to them, as events, and what all events together come to. Pure; of a secret only its
//! SHA-256 is here, which is enough, because a secret is 256 random bits.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use azimuth_measurement::AgentId;
use azimuth_measurement::enrolment::{KEY_BYTES, base64url};
use serde::{Deserialize, Serialize};

use super::{OLD_KEY_KEPT_MS, Wanted};
use crate::problem::Problem;
use crate::secret::hex;

/// Agents that may join at most.
const MOST_AGENTS: usize = 100_000;
/// Most uses of one token.
const MOST_USES: u32 = 10_000;
/// Longest life of a token: a year.
const LONGEST_TTL_MS: u64 = 366 * 86_400_000;
/// Longest name of a site: an agent's name has room for its own part behind it.
const MAX_SITE_BYTES: usize = 48;
/// Tokens that are over are kept in the list for so many newer ones.
const MOST_TOKENS: usize = 10_000;

/// A token, as the collector knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenEntry {
    /// What it is called in lists; says nothing of its secret.
    pub id: String,
    /// SHA-256 of its secret, base64url.
    pub secret_sha256: String,
    /// Where its agents stand.
    pub site: String,
    /// How many may join.
    pub uses: u32,
    /// How many have.
    #[serde(default)]
    pub used: u32,
    /// When it was made.
    pub made_at_unix_ms: u64,
    /// Until when it is good, by the collector's clock.
    pub expires_at_unix_ms: u64,
    /// When it was ended.
    #[serde(default)]
    pub revoked_at_unix_ms: Option<u64>,
}

/// An agent that joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentEntry {
    /// Its name.
    pub agent: String,
    /// Where it stands, as its token says.
    pub site: String,
    /// The token it came with.
    pub token: String,
    /// Its public key, base64url.
    pub key: String,
    /// The one before, and until when it is taken.
    #[serde(default)]
    pub previous_key: Option<(String, u64)>,
    /// When it joined.
    pub joined_at_unix_ms: u64,
    /// When it was ended.
    #[serde(default)]
    pub revoked_at_unix_ms: Option<u64>,
    /// How often two processes were found to have its key.
    #[serde(default)]
    pub copied: u64,
    /// When last.
    #[serde(default)]
    pub copied_at_unix_ms: Option<u64>,
}

/// What happened. One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A token was made.
    TokenMade(TokenEntry),
    /// A token was ended.
    TokenRevoked {
        /// Which.
        id: String,
        /// When.
        at_unix_ms: u64,
    },
    /// An agent joined.
    Joined(AgentEntry),
    /// An agent has another key.
    KeyChanged {
        /// Which.
        agent: String,
        /// The new one, base64url.
        key: String,
        /// Until when the old one is taken.
        old_until_unix_ms: u64,
    },
    /// An agent was ended.
    AgentRevoked {
        /// Which.
        agent: String,
        /// When.
        at_unix_ms: u64,
    },
    /// Two processes were found to have the key of one agent.
    Copied {
        /// Which.
        agent: String,
        /// When.
        at_unix_ms: u64,
    },
}

/// Why something is refused. Its word is the `reason` of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// What was sent has not the form.
    Malformed,
    /// The challenge is not ours, was used, or is too old.
    StaleChallenge,
    /// The signature is not by the key.
    BadProof,
    /// No token has this secret.
    TokenUnknown,
    /// As many have joined as may.
    TokenUsedUp,
    /// Its time is over.
    TokenExpired,
    /// It was ended.
    TokenRevoked,
    /// The name belongs to another key.
    NameTaken,
    /// The wished name is no agent id.
    NameWrong,
    /// As many agents as a collector keeps.
    TooMany,
    /// No agent has this name.
    AgentUnknown,
    /// It was ended.
    Revoked,
    /// The bearer is no session, or its time is over.
    NoSession,
    /// Another process has the same key, and began later.
    Copied,
    /// The session is of another agent.
    OtherAgent,
    /// A report needs a session.
    SessionRequired,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        use Refusal as R;
        let (status, reason, detail) = match refusal {
            R::Malformed => (
                400,
                "malformed",
                "a key, secret, challenge or signature has not the right length in base64url",
            ),
            R::StaleChallenge => (
                401,
                "stale_challenge",
                "the challenge was used or is older than a minute; ask for another",
            ),
            R::BadProof => (
                401,
                "bad_proof",
                "the signature is not by the key that this collector knows",
            ),
            R::TokenUnknown => (401, "token_unknown", "no token of this collector has this secret"),
            R::TokenUsedUp => (
                401,
                "token_used_up",
                "as many agents have joined with this token as may; if they are not all yours, revoke them and the token",
            ),
            R::TokenExpired => (401, "token_expired", "the token's time is over; make another"),
            R::TokenRevoked => (401, "token_revoked", "the token was revoked; make another"),
            R::NameTaken => (
                409,
                "agent_name_taken",
                "another host joined under this name; revoke it first, or use another name",
            ),
            R::NameWrong => (
                400,
                "agent_name_wrong",
                "the name is not 1 to 63 lower-case letters, digits and hyphens",
            ),
            R::TooMany => (
                507,
                "agent_limit",
                "this collector keeps as many agents as it can",
            ),
            R::AgentUnknown => (
                401,
                "agent_unknown",
                "no agent of this name has joined; join with a token",
            ),
            R::Revoked => (
                401,
                "agent_revoked",
                "this agent was revoked; join again with a new token if that was a mistake",
            ),
            R::NoSession => (
                401,
                "session_unknown",
                "the session is not known or over; open another",
            ),
            R::Copied => (
                401,
                "identity_conflict",
                "another process has this agent's key and began later; give one of the two a key of its own: join again with a new token",
            ),
            R::OtherAgent => (
                403,
                "agent_mismatch",
                "the session is of another agent than the report",
            ),
            R::SessionRequired => (
                401,
                "session_required",
                "reports of this agent are taken in a session only; join with a token",
            ),
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::UNAUTHORIZED);
        Self::new(status, reason, detail)
    }
}

impl TokenEntry {
    /// An entry for what is wanted.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn new(
        id: &str,
        secret_sha256: &[u8],
        wanted: &Wanted,
        now_unix_ms: u64,
    ) -> Result<Self, Problem> {
        let wrong = |detail: String| Err(Problem::bad_request("token_wrong", detail));
        if wanted.site.parse::<AgentId>().is_err() || wanted.site.len() > MAX_SITE_BYTES {
            return wrong(format!(
                "site {:?} is not 1 to {MAX_SITE_BYTES} lower-case letters, digits and hyphens",
                wanted.site
            ));
        }
        if !(1..=MOST_USES).contains(&wanted.uses) {
            return wrong(format!("{} uses are not between 1 and {MOST_USES}", wanted.uses));
        }
        if !(1..=LONGEST_TTL_MS).contains(&wanted.ttl_ms) {
            return wrong("the ttl is not between 1 ms and 366 days".to_owned());
        }
        Ok(Self {
            id: id.to_owned(),
            secret_sha256: base64url::encode(secret_sha256),
            site: wanted.site.clone(),
            uses: wanted.uses,
            used: 0,
            made_at_unix_ms: now_unix_ms,
            expires_at_unix_ms: now_unix_ms.saturating_add(wanted.ttl_ms),
            revoked_at_unix_ms: None,
        })
    }

    /// Why nobody may join with it now, if nobody may.
    pub fn refuses(&self, now_unix_ms: u64) -> Option<Refusal> {
        if self.revoked_at_unix_ms.is_some() {
            Some(Refusal::TokenRevoked)
        } else if now_unix_ms >= self.expires_at_unix_ms {
            Some(Refusal::TokenExpired)
        } else if self.used >= self.uses {
            Some(Refusal::TokenUsedUp)
        } else {
            None
        }
    }
}

/// All tokens and agents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Book {
    /// In the order in which they were made.
    tokens: Vec<TokenEntry>,
    agents: BTreeMap<String, AgentEntry>,
}

impl Book {
    /// Makes an event true. What refers to something that is not there changes nothing.
    pub fn apply(&mut self, event: Event) {
        match event {
            Event::TokenMade(entry) => {
                self.tokens.push(entry);
                if self.tokens.len() > MOST_TOKENS {
                    self.tokens.remove(0);
                }
            }
            Event::TokenRevoked { id, at_unix_ms } => {
                if let Some(token) = self.tokens.iter_mut().find(|token| token.id == id) {
                    token.revoked_at_unix_ms = Some(at_unix_ms);
                }
            }
            Event::Joined(entry) => {
                if let Some(token) = self.tokens.iter_mut().find(|token| token.id == entry.token) {
                    token.used = token.used.saturating_add(1);
                }
                self.agents.insert(entry.agent.clone(), entry);
            }
            Event::KeyChanged {
                agent,
                key,
                old_until_unix_ms,
            } => {
                if let Some(entry) = self.agents.get_mut(&agent) {
                    let old = std::mem::replace(&mut entry.key, key);
                    entry.previous_key = Some((old, old_until_unix_ms));
                }
            }
            Event::AgentRevoked { agent, at_unix_ms } => {
                if let Some(entry) = self.agents.get_mut(&agent) {
                    entry.revoked_at_unix_ms = Some(at_unix_ms);
                }
            }
            Event::Copied { agent, at_unix_ms } => {
                if let Some(entry) = self.agents.get_mut(&agent) {
                    entry.copied = entry.copied.saturating_add(1);
                    entry.copied_at_unix_ms = Some(at_unix_ms);
                }
            }
        }
    }

    /// The tokens, the latest last.
    pub fn tokens(&self) -> impl Iterator<Item = &TokenEntry> {
        self.tokens.iter()
    }

    /// The agents, by name.
    pub fn agents(&self) -> impl Iterator<Item = &AgentEntry> {
        self.agents.values()
    }

    /// Whether an agent of this name has ever joined.
    pub fn knows(&self, agent: &str) -> bool {
        self.agents.contains_key(agent)
    }

    /// Whether it has, and was not revoked.
    pub fn is_current(&self, agent: &str) -> bool {
        self.agents
            .get(agent)
            .is_some_and(|entry| entry.revoked_at_unix_ms.is_none())
    }

    /// The keys that an agent may prove itself with.
    ///
    /// # Errors
    /// It never joined, or was revoked.
    pub fn keys_of(&self, agent: &str, now_unix_ms: u64) -> Result<Vec<[u8; KEY_BYTES]>, Refusal> {
        let entry = self.agents.get(agent).ok_or(Refusal::AgentUnknown)?;
        if entry.revoked_at_unix_ms.is_some() {
            return Err(Refusal::Revoked);
        }
        let previous = entry.previous_key.as_ref();
        let previous = previous.filter(|(_, until_unix_ms)| now_unix_ms < *until_unix_ms);
        let keys = std::iter::once(&entry.key).chain(previous.map(|(key, _)| key));
        Ok(keys.filter_map(|key| base64url::decode_exactly(key)).collect())
    }

    /// Somebody with the secret of a token and a proven key wants in. The event that lets it in, none when it is in
    /// already, and the entry.
    ///
    /// # Errors
    /// Why not.
    pub fn join(
        &self,
        secret_sha256: &[u8],
        key: &[u8; KEY_BYTES],
        wish: Option<&str>,
        now_unix_ms: u64,
    ) -> Result<(Option<Event>, AgentEntry), Refusal> {
        let (secret, key_text) = (base64url::encode(secret_sha256), base64url::encode(key));
        let token = self.tokens.iter().find(|token| token.secret_sha256 == secret);
        let token = token.ok_or(Refusal::TokenUnknown)?;
        let own = self.agents.values().find(|entry| entry.key == key_text);
        if let Some(own) = own.filter(|own| own.token == token.id && own.revoked_at_unix_ms.is_none()) {
            return Ok((None, own.clone()));
        }
        if own.is_some() {
            // A revoked key never comes back, and one that came with another token is in.
            return Err(Refusal::NameTaken);
        }
        if let Some(refusal) = token.refuses(now_unix_ms) {
            return Err(refusal);
        }
        if self.agents.len() >= MOST_AGENTS {
            return Err(Refusal::TooMany);
        }
        let name = match wish {
            Some(wish) => wish.to_owned(),
            None => {
                let digits: String = hex(&key[..5]);
                format!("{}-{digits}", token.site)
            }
        };
        let agent: AgentId = name.parse().map_err(|_| Refusal::NameWrong)?;
        // A revoked agent's name may be given to the host that replaces it.
        if self.is_current(agent.as_str()) {
            return Err(Refusal::NameTaken);
        }
        let entry = AgentEntry {
            agent: agent.to_string(),
            site: token.site.clone(),
            token: token.id.clone(),
            key: key_text,
            previous_key: None,
            joined_at_unix_ms: now_unix_ms,
            revoked_at_unix_ms: None,
            copied: 0,
            copied_at_unix_ms: None,
        };
        Ok((Some(Event::Joined(entry.clone())), entry))
    }

    /// The event that ends a token.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn revoke_token(&self, id: &str, now_unix_ms: u64) -> Result<Event, Problem> {
        if self.tokens.iter().any(|token| token.id == id) {
            let (id, at_unix_ms) = (id.to_owned(), now_unix_ms);
            return Ok(Event::TokenRevoked { id, at_unix_ms });
        }
        let detail = "there is no such token; azimuth-collector token list names them";
        Err(Problem::new(StatusCode::NOT_FOUND, "token_unknown", detail))
    }

    /// The event that ends an agent.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn revoke_agent(&self, agent: &str, now_unix_ms: u64) -> Result<Event, Problem> {
        if self.knows(agent) {
            let (agent, at_unix_ms) = (agent.to_owned(), now_unix_ms);
            return Ok(Event::AgentRevoked { agent, at_unix_ms });
        }
        let detail = "no agent of this name has joined; azimuth-collector agent list names them";
        Err(Problem::new(StatusCode::NOT_FOUND, "agent_unknown", detail))
    }

    /// The event that gives an agent another key; none when it has it already.
    pub fn change_key(&self, agent: &str, key: &[u8; KEY_BYTES], now_unix_ms: u64) -> Option<Event> {
        let key = base64url::encode(key);
        let has_it = self.agents.get(agent).is_some_and(|entry| entry.key == key);
        (!has_it).then(|| Event::KeyChanged {
            agent: agent.to_owned(),
            key,
            old_until_unix_ms: now_unix_ms.saturating_add(OLD_KEY_KEPT_MS),
        })
    }

    /// As few events as come to the same.
    pub fn as_events(&self) -> impl Iterator<Item = Event> {
        // Joining counts a use again when it is read back.
        let tokens = self.tokens.iter().cloned().map(|mut token| {
            let kept = self
                .agents
                .values()
                .filter(|agent| agent.token == token.id)
                .count();
            token.used = token.used.saturating_sub(u32::try_from(kept).unwrap_or(u32::MAX));
            Event::TokenMade(token)
        });
        tokens.chain(self.agents.values().cloned().map(Event::Joined))
    }
}
