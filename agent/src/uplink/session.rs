//! What an agent asks of its collector with its key: to join, to open a session, to change the key, to test throughput. Two small
//! requests each: a challenge, by which the collector shows that it is the one the token names, and the answer to it.
//!
//! A session is used until the collector says that it is over, so no clock matters.

use std::path::PathBuf;

use azimuth_measurement::enrolment::ticket::{TestTicket, ticket_request_statement};
use azimuth_measurement::enrolment::{
    KEY_BYTES, Token, base64url, challenge_statement, join_statement, rotation_statement, session_statement,
};
use serde::Deserialize;
use serde_json::json;
use thiserror::Error;

use super::link::{Link, LinkError};
use crate::identity::{Identity, IdentityError, Seed, is_by, random};

/// The path of requests for challenges.
const CHALLENGE: &str = "/api/v1/agent/challenge";

/// Why there is no session.
#[derive(Debug, Error)]
pub enum SessionError {
    /// The collector was not reached.
    #[error("the collector was not reached: {0}")]
    NotReached(#[from] LinkError),
    /// It does not let this agent in.
    #[error("the collector refuses ({reason}): {detail}")]
    Refused {
        /// Its word for it.
        reason: String,
        /// Its sentence.
        detail: String,
    },
    /// It answered something else.
    #[error("what answers there is no collector of this release: HTTP {0}")]
    NotUnderstood(u16),
    /// It has not the key that the token names.
    #[error(
        "what answers there is not the collector that the token names: it does not have its key. Nothing was told to it"
    )]
    Stranger,
    /// The file of the identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

#[derive(Deserialize)]
struct Challenge {
    challenge: String,
    signature: String,
}

#[derive(Deserialize)]
struct Joined {
    agent: String,
    site: String,
}

#[derive(Deserialize)]
struct Opened {
    bearer: String,
}

#[derive(Deserialize)]
struct Signed {
    ticket: String,
}

#[derive(Deserialize)]
struct Problem {
    reason: String,
    #[serde(default)]
    detail: String,
}

/// The reason in a refusal, if it is one.
#[must_use]
pub fn reason_of(body: &[u8]) -> Option<String> {
    serde_json::from_slice::<Problem>(body)
        .ok()
        .map(|problem| problem.reason)
}

async fn ask<T: serde::de::DeserializeOwned>(
    link: &Link,
    path: &str,
    asked: serde_json::Value,
) -> Result<T, SessionError> {
    let reply = link
        .post(path, "application/json", None, asked.to_string().into_bytes())
        .await?;
    if reply.status != 200 {
        return Err(match serde_json::from_slice::<Problem>(&reply.body) {
            Ok(Problem { reason, detail }) => SessionError::Refused { reason, detail },
            Err(_) => SessionError::NotUnderstood(reply.status),
        });
    }
    serde_json::from_slice(&reply.body).map_err(|_| SessionError::NotUnderstood(reply.status))
}

/// A challenge of the collector that has this key, and of no other.
async fn challenge(link: &Link, collector_key: &[u8; KEY_BYTES]) -> Result<Vec<u8>, SessionError> {
    let nonce: [u8; KEY_BYTES] = random()?;
    let given: Challenge = ask(link, CHALLENGE, json!({"nonce": base64url::encode(&nonce)})).await?;
    let decoded = base64url::decode(&given.challenge).zip(base64url::decode(&given.signature));
    match decoded {
        Some((challenge, signature))
            if is_by(
                collector_key,
                &challenge_statement(&nonce, &challenge),
                &signature,
            ) =>
        {
            Ok(challenge)
        }
        _ => Err(SessionError::Stranger),
    }
}

/// Joins with a token and a key made before. The site that the token is of comes with the identity.
///
/// # Errors
/// Why not. The secret is told to nobody but the collector that the token names.
pub async fn join(
    link: &Link,
    token: &Token,
    key: &Seed,
    wish: Option<&str>,
) -> Result<(Identity, String), SessionError> {
    let challenge = challenge(link, &token.collector_key).await?;
    let public = key.public();
    let asked = json!({
        "secret": base64url::encode(&token.secret),
        "public_key": base64url::encode(&public),
        "challenge": base64url::encode(&challenge),
        "signature": base64url::encode(&key.sign(&join_statement(&challenge, &public))),
        "agent": wish,
    });
    let joined: Joined = ask(link, "/api/v1/join", asked).await?;
    let identity = Identity {
        agent: joined
            .agent
            .parse()
            .map_err(|_| SessionError::NotUnderstood(200))?,
        collector: token.address.clone(),
        collector_key: token.collector_key,
        tls: token.tls,
        key: key.clone(),
        next_key: None,
    };
    Ok((identity, joined.site))
}

/// Changes the key. The new one is on disk before the collector hears of it, so a kill at any point locks nobody out:
/// asked again, it goes on where it was.
///
/// # Errors
/// Why not; the old key is good then.
pub async fn change_key(link: &Link, file: &std::path::Path) -> Result<Identity, SessionError> {
    let mut identity = Identity::load(file)?;
    let next = match identity.next_key.clone() {
        Some(next) => next,
        None => Seed::random()?,
    };
    identity.next_key = Some(next.clone());
    identity.save(file)?;
    match propose(link, &identity, &identity.key, &next).await {
        // The collector has had the new key for long, and a kill kept the file from saying so.
        Err(SessionError::Refused { reason, .. }) if reason == "bad_proof" => {
            propose(link, &identity, &next, &next).await?;
        }
        proposed => proposed?,
    }
    identity.key = next;
    identity.next_key = None;
    identity.save(file)?;
    Ok(identity)
}

async fn propose(link: &Link, identity: &Identity, by: &Seed, next: &Seed) -> Result<(), SessionError> {
    let challenge = challenge(link, &identity.collector_key).await?;
    let public = next.public();
    let statement = rotation_statement(&challenge, &identity.agent, &public);
    let asked = json!({
        "agent": identity.agent.as_str(),
        "public_key": base64url::encode(&public),
        "challenge": base64url::encode(&challenge),
        "signature": base64url::encode(&by.sign(&statement)),
        "new_signature": base64url::encode(&next.sign(&statement)),
    });
    ask(link, "/api/v1/agent/key", asked).await.map(|_: Joined| ())
}

/// Asks for the signature on a ticket, which says for whom it is. Needs no session: a person's command and the daemon may both ask
/// with one key, and neither looks like a copy of the other.
///
/// # Errors
/// Why it is not signed.
pub async fn test_ticket(
    link: &Link,
    identity: &Identity,
    ticket: &TestTicket,
) -> Result<String, SessionError> {
    let said = ticket.to_string();
    match sign_ticket(link, identity, &identity.key, &said).await {
        // The collector knows the new key, and a kill kept the file from saying so.
        Err(SessionError::Refused { reason, .. }) if reason == "bad_proof" && identity.next_key.is_some() => {
            let next = identity.next_key.as_ref().unwrap_or(&identity.key);
            sign_ticket(link, identity, next, &said).await
        }
        signed => signed,
    }
}

async fn sign_ticket(
    link: &Link,
    identity: &Identity,
    by: &Seed,
    said: &str,
) -> Result<String, SessionError> {
    let challenge = challenge(link, &identity.collector_key).await?;
    let statement = ticket_request_statement(&challenge, &identity.agent, said);
    let asked = json!({
        "agent": identity.agent.as_str(),
        "ticket": said,
        "challenge": base64url::encode(&challenge),
        "signature": base64url::encode(&by.sign(&statement)),
    });
    let signed: Signed = ask(link, "/api/v1/agent/ticket", asked).await?;
    Ok(signed.ticket)
}

/// The sessions of a running agent.
#[derive(Debug)]
pub struct Sessions {
    file: PathBuf,
    instance: String,
    bearer: Option<String>,
}

impl Sessions {
    /// None open yet. The file is read whenever one is opened, so that a changed key is taken up.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn new(file: PathBuf) -> Result<Self, IdentityError> {
        let instance: [u8; 16] = random()?;
        Ok(Self {
            file,
            instance: base64url::encode(&instance),
            bearer: None,
        })
    }

    /// The bearer of the open session, opened if need be.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn bearer(&mut self, link: &Link) -> Result<String, SessionError> {
        if let Some(bearer) = &self.bearer {
            return Ok(bearer.clone());
        }
        let identity = Identity::load(&self.file)?;
        let opened = match self.open(link, &identity, &identity.key).await {
            // The collector knows the new key, and a kill kept the file from saying so.
            Err(SessionError::Refused { reason, .. })
                if reason == "bad_proof" && identity.next_key.is_some() =>
            {
                let next = identity.next_key.clone().unwrap_or_else(|| identity.key.clone());
                self.open(link, &identity, &next).await
            }
            opened => opened,
        };
        let bearer = opened?;
        self.bearer = Some(bearer.clone());
        Ok(bearer)
    }

    /// The session is over.
    pub fn forget(&mut self) {
        self.bearer = None;
    }

    async fn open(&self, link: &Link, identity: &Identity, key: &Seed) -> Result<String, SessionError> {
        let challenge = challenge(link, &identity.collector_key).await?;
        let statement = session_statement(&challenge, &identity.agent, &self.instance);
        let asked = json!({
            "agent": identity.agent.as_str(),
            "instance": self.instance,
            "challenge": base64url::encode(&challenge),
            "signature": base64url::encode(&key.sign(&statement)),
        });
        let opened: Opened = ask(link, "/api/v1/agent/session", asked).await?;
        Ok(opened.bearer)
    }
}
