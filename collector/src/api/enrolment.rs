//! Where agents join, open sessions, change their keys and get throughput tickets: small JSON bodies. What may happen is [`crate::fleet`]'s.
//! Works behind a proxy that ends TLS: nothing here depends on the connection.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use azimuth_measurement::AgentId;
use azimuth_measurement::enrolment::{base64url, challenge_statement};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::context::Context;
use crate::clock;
use crate::fleet::book::Refusal;
use crate::fleet::{Proof, SESSION};
use crate::problem::Problem;

/// Longest body of these.
const MAX_BODY_BYTES: usize = 4 * 1024;
/// Longest name that a process may make up for itself.
const MAX_INSTANCE_BYTES: usize = 64;

/// Asks for a challenge.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChallengeRequest {
    /// 32 random bytes of the agent, base64url.
    pub(super) nonce: String,
}

/// A challenge to be answered once within a minute.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Challenge {
    /// What to sign, base64url.
    pub(super) challenge: String,
    /// The collector's Ed25519 signature over nonce and challenge, base64url: it is the one that the token names.
    pub(super) signature: String,
}

/// Asks to join.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct JoinRequest {
    /// The secret of the token, base64url.
    pub(super) secret: String,
    /// The agent's Ed25519 public key, base64url.
    pub(super) public_key: String,
    /// A challenge.
    pub(super) challenge: String,
    /// Over challenge and key, base64url.
    pub(super) signature: String,
    /// The name it would like; made from the site and the key when absent.
    pub(super) agent: Option<String>,
}

/// The host is an agent now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Joined {
    /// Its name.
    pub(super) agent: String,
    /// Where its token says it stands.
    pub(super) site: String,
}

/// Asks for a session.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionRequest {
    /// The agent.
    pub(super) agent: String,
    /// A name that its process made up when it started: two of them at once with one key are a copied identity.
    pub(super) instance: String,
    /// A challenge.
    pub(super) challenge: String,
    /// Over challenge, agent and instance, base64url.
    pub(super) signature: String,
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionOpened {
    /// To be sent as `Authorization: Bearer`.
    pub(super) bearer: String,
    /// How long it is good, in seconds.
    pub(super) expires_in_s: u64,
}

/// Asks for another key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyRequest {
    /// The agent.
    pub(super) agent: String,
    /// Its new public key, base64url.
    pub(super) public_key: String,
    /// A challenge.
    pub(super) challenge: String,
    /// By the key it has, over challenge, agent and the new key, base64url.
    pub(super) signature: String,
    /// The same by the new key.
    pub(super) new_signature: String,
}

/// Asks for a throughput ticket.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TicketRequest {
    /// The agent.
    pub(super) agent: String,
    /// What the ticket is to say: `2:AGENT:REFLECTOR:DIRECTION:OCTETS:MS:BPS:GOOD_FOR_MS:CHALLENGE`, the challenge being the
    /// reflector's.
    pub(super) ticket: String,
    /// A challenge of the collector.
    pub(super) challenge: String,
    /// Over challenge, agent and what the ticket says, base64url.
    pub(super) signature: String,
}

/// A throughput ticket.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SignedTicket {
    /// To be shown to the reflector as `access_token`, once.
    pub(super) ticket: String,
}

/// Gives a challenge, signed by the collector.
#[utoipa::path(
    post,
    path = "/api/v1/agent/challenge",
    tag = "ingest",
    request_body = ChallengeRequest,
    responses(
        (status = 200, description = "A challenge.", body = Challenge),
        (status = 400, description = "The body is not understood.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn challenge(State(context): State<Arc<Context>>, body: Bytes) -> Response {
    answer(&context, "challenge", || {
        let asked: ChallengeRequest = read(&body)?;
        let nonce = base64url::decode_exactly::<32>(&asked.nonce).ok_or(Refusal::Malformed)?;
        let challenge = context.fleet.challenge(clock::monotonic());
        let signature = context.fleet.key().sign(&challenge_statement(&nonce, &challenge));
        Ok(Challenge {
            challenge: base64url::encode(&challenge),
            signature: base64url::encode(&signature),
        })
    })
}

/// Lets a host join with a token.
#[utoipa::path(
    post,
    path = "/api/v1/join",
    tag = "ingest",
    request_body = JoinRequest,
    responses(
        (status = 200, description = "It is an agent now, or was already.", body = Joined),
        (status = 400, description = "The body is not understood.", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "The token or the proof is not good; `reason` says why.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The name is taken.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn join(State(context): State<Arc<Context>>, body: Bytes) -> Response {
    answer(&context, "join", || {
        let asked: JoinRequest = read(&body)?;
        let proof = Proof {
            challenge: &asked.challenge,
            signature: &asked.signature,
        };
        let (now, now_unix_ms) = (clock::monotonic(), (context.now_unix_ms)());
        let wish = asked.agent.as_deref();
        let entry = context
            .fleet
            .join(&asked.secret, &asked.public_key, wish, &proof, now, now_unix_ms)?;
        Ok(Joined {
            agent: entry.agent,
            site: entry.site,
        })
    })
}

/// Opens a session for an agent that proves its key.
#[utoipa::path(
    post,
    path = "/api/v1/agent/session",
    tag = "ingest",
    request_body = SessionRequest,
    responses(
        (status = 200, description = "A session.", body = SessionOpened),
        (status = 400, description = "The body is not understood.", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Not this agent: unknown, revoked, a wrong proof, or a copied identity; `reason` says which.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn session(State(context): State<Arc<Context>>, body: Bytes) -> Response {
    answer(&context, "session", || {
        let asked: SessionRequest = read(&body)?;
        if asked.instance.is_empty() || asked.instance.len() > MAX_INSTANCE_BYTES {
            return Err(Refusal::Malformed.into());
        }
        let agent: AgentId = asked.agent.parse().map_err(|_| Refusal::AgentUnknown)?;
        let proof = Proof {
            challenge: &asked.challenge,
            signature: &asked.signature,
        };
        let (now, now_unix_ms) = (clock::monotonic(), (context.now_unix_ms)());
        let bearer = context
            .fleet
            .open_session(&agent, &asked.instance, &proof, now, now_unix_ms)?;
        Ok(SessionOpened {
            bearer,
            expires_in_s: SESSION.as_secs(),
        })
    })
}

/// Gives an agent another key. The old one is taken for another 24 hours.
#[utoipa::path(
    post,
    path = "/api/v1/agent/key",
    tag = "ingest",
    request_body = KeyRequest,
    responses(
        (status = 200, description = "It has the new key, or had it already.", body = Joined),
        (status = 400, description = "The body is not understood.", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Not this agent; `reason` says why.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn key(State(context): State<Arc<Context>>, body: Bytes) -> Response {
    answer(&context, "key", || {
        let asked: KeyRequest = read(&body)?;
        let agent: AgentId = asked.agent.parse().map_err(|_| Refusal::AgentUnknown)?;
        let proof = Proof {
            challenge: &asked.challenge,
            signature: &asked.signature,
        };
        let (now, now_unix_ms) = (clock::monotonic(), (context.now_unix_ms)());
        let (key, signature) = (&asked.public_key, &asked.new_signature);
        context
            .fleet
            .change_key(&agent, key, signature, &proof, now, now_unix_ms)?;
        Ok(Joined {
            agent: asked.agent,
            site: String::new(),
        })
    })
}

/// Signs a throughput ticket for an agent that proves its key. No clock is in it: it is good from the reflector's challenge on.
#[utoipa::path(
    post,
    path = "/api/v1/agent/ticket",
    tag = "ingest",
    request_body = TicketRequest,
    responses(
        (status = 200, description = "The ticket, signed.", body = SignedTicket),
        (status = 400, description = "The body is not understood.", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Not this agent; `reason` says why.", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "For another agent, or for more than a ticket is good for.", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many within the hour.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn ticket(State(context): State<Arc<Context>>, body: Bytes) -> Response {
    answer(&context, "ticket", || {
        let asked: TicketRequest = read(&body)?;
        let agent: AgentId = asked.agent.parse().map_err(|_| Refusal::AgentUnknown)?;
        let proof = Proof {
            challenge: &asked.challenge,
            signature: &asked.signature,
        };
        let (now, now_unix_ms) = (clock::monotonic(), (context.now_unix_ms)());
        let ticket = context
            .fleet
            .sign_ticket(&agent, &asked.ticket, &proof, now, now_unix_ms)?;
        Ok(SignedTicket { ticket })
    })
}

/// The agent whose session a request brings along; `None` when it brings none.
///
/// # Errors
/// What it brings is no session that is good now.
pub(super) fn sender(context: &Context, headers: &HeaderMap) -> Result<Option<AgentId>, Problem> {
    let Some(given) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let bearer = given
        .to_str()
        .ok()
        .and_then(|given| given.strip_prefix("Bearer "));
    let bearer = bearer.ok_or(Refusal::NoSession)?;
    let now_unix_ms = (context.now_unix_ms)();
    context
        .fleet
        .agent_of(bearer, clock::monotonic(), now_unix_ms)
        .map(Some)
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Problem> {
    if body.len() > MAX_BODY_BYTES {
        let detail = format!("a body holds at most {MAX_BODY_BYTES} bytes");
        return Err(Problem::bad_request("malformed", detail));
    }
    serde_json::from_slice(body).map_err(|error| Problem::bad_request("malformed", error.to_string()))
}

/// Every refusal is counted under what was asked, and said once in the log.
fn answer<T: Serialize>(
    context: &Context,
    what: &'static str,
    ask: impl FnOnce() -> Result<T, Problem>,
) -> Response {
    use axum::response::IntoResponse;
    match ask() {
        Ok(answer) => {
            context.metrics.enrolment.count(what, "ok");
            Json(answer).into_response()
        }
        Err(problem) => {
            context.metrics.enrolment.count(what, problem.reason());
            tracing::warn!(what, reason = problem.reason(), "refused: {}", problem.detail());
            problem.into_response()
        }
    }
}
