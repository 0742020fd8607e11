//! `/api/v1/fleet/`: tokens to join with, agents that joined, the plan in force. What is done, and what is refused, is
//! [`crate::fleet::desk`]'s, as on the command line; who may is [`crate::access::gate`]'s. Not what agents themselves ask: `enrolment`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, RawQuery, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use azimuth_measurement::enrolment::base64url;
use serde::Serialize;
use utoipa::ToSchema;

use super::Noted;
use super::blocking::blocking;
use super::body;
use super::context::Context;
use super::params::Params;
use crate::access::gate::Asker;
use crate::fleet::book::{AgentEntry, Refusal, TokenEntry};
use crate::fleet::desk::{Asking, FleetDesk, TokenWanted};
use crate::plan::admin::{EntryLine, overview_of};
use crate::problem::Problem;
use crate::serve::Peer;
use crate::utc::UtcInstant;

/// Tokens that are over, told beside those that are open.
const MOST_OVER: usize = 50;

/// Whether somebody may join with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum TokenState {
    /// Yes.
    Open,
    /// As many have joined as may.
    UsedUp,
    /// Its time is over.
    Expired,
    /// It was ended.
    Revoked,
}

/// A token to join with; never its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JoinTokenAnswer {
    /// What it is called; says nothing of its secret.
    pub id: String,
    /// Where its agents stand.
    pub site: String,
    /// Whether somebody may join with it now.
    pub state: TokenState,
    /// How many agents may join with it.
    pub uses: u32,
    /// How many more may.
    pub uses_left: u32,
    /// When it was made.
    pub made_at: UtcInstant,
    /// Until when it is good, by the collector's clock.
    pub expires_at: UtcInstant,
    /// When it was ended.
    #[schema(required = true)]
    pub revoked_at: Option<UtcInstant>,
}

/// Where agents come in by TLS.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DoorAnswer {
    /// The port.
    pub port: u16,
    /// Whether tokens pin its key: then neither names nor dates in its certificate matter.
    pub is_pinned: bool,
}

/// Tokens to join with.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JoinTokensAnswer {
    /// By the collector's clock.
    pub now: UtcInstant,
    /// Those that are open and the last 50 that are over, newest first.
    pub tokens: Vec<JoinTokenAnswer>,
    /// Tokens that are over and not told here.
    pub left_out: usize,
    /// Where agents come in by TLS, if the collector's configuration has `[agents]`.
    #[schema(required = true)]
    pub door: Option<DoorAnswer>,
}

/// A token that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JoinTokenMade {
    /// The token: told this once.
    pub token: String,
    /// What the collector keeps of it.
    pub entry: JoinTokenAnswer,
}

/// An agent that joined.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JoinedAgent {
    /// Its name.
    pub agent: String,
    /// Where its token says it stands.
    pub site: String,
    /// The id of the token it came with.
    pub token: String,
    /// When it joined.
    pub joined_at: UtcInstant,
    /// When it was put out.
    #[schema(required = true)]
    pub revoked_at: Option<UtcInstant>,
    /// How often two processes were found to have its key.
    pub copied: u64,
    /// When last.
    #[schema(required = true)]
    pub copied_at: Option<UtcInstant>,
}

/// Agents that joined.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JoinedAgentsAnswer {
    /// By name, those that were put out as well.
    pub agents: Vec<JoinedAgent>,
}

/// The plan in force.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PlanInForceAnswer {
    /// Whether the collector's configuration names one; without, agents measure what their own say.
    pub is_configured: bool,
    /// Its version.
    pub version: u64,
    /// Since when it is in force.
    pub changed_at: UtcInstant,
    /// Whether nothing is to be sent by anybody.
    pub is_stopped: bool,
    /// The Ed25519 public key it is signed with, base64url: agents know it from their token.
    pub signed_by: String,
    /// What is measured by whom.
    pub entries: Vec<EntryLine>,
    /// Agents that joined and were not put out.
    pub agents: usize,
    /// Of these, how many say that they measure by this version.
    pub agents_running: usize,
    /// Of these, how many refuse something of it.
    pub agents_refusing: usize,
}

impl JoinTokenAnswer {
    fn of(entry: TokenEntry, now_unix_ms: u64) -> Self {
        Self {
            state: match entry.refuses(now_unix_ms) {
                None => TokenState::Open,
                Some(Refusal::TokenRevoked) => TokenState::Revoked,
                Some(Refusal::TokenExpired) => TokenState::Expired,
                Some(_) => TokenState::UsedUp,
            },
            id: entry.id,
            site: entry.site,
            uses: entry.uses,
            uses_left: entry.uses.saturating_sub(entry.used),
            made_at: UtcInstant::from_unix_ms(entry.made_at_unix_ms),
            expires_at: UtcInstant::from_unix_ms(entry.expires_at_unix_ms),
            revoked_at: entry.revoked_at_unix_ms.map(UtcInstant::from_unix_ms),
        }
    }
}

impl From<AgentEntry> for JoinedAgent {
    fn from(entry: AgentEntry) -> Self {
        Self {
            agent: entry.agent,
            site: entry.site,
            token: entry.token,
            joined_at: UtcInstant::from_unix_ms(entry.joined_at_unix_ms),
            revoked_at: entry.revoked_at_unix_ms.map(UtcInstant::from_unix_ms),
            copied: entry.copied,
            copied_at: entry.copied_at_unix_ms.map(UtcInstant::from_unix_ms),
        }
    }
}

/// Tokens to join with: those that are open, and the last that are over. Needs the role `operate`.
#[utoipa::path(
    get,
    path = "/api/v1/fleet/tokens",
    tag = "fleet",
    responses(
        (status = 200, description = "The tokens; never their secrets.", body = JoinTokensAnswer),
        (status = 403, description = "The role is missing.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn join_tokens(State(context): State<Arc<Context>>, RawQuery(query): RawQuery) -> Response {
    context.counted(
        "join_tokens",
        Params::read(query.as_deref(), &[]).map(|_| {
            let now_unix_ms = (context.now_unix_ms)();
            let fleet = &context.fleet;
            let door = fleet.door_port().map(|port| DoorAnswer {
                port,
                is_pinned: fleet.tls_pin().is_some(),
            });
            Json(list(fleet.tokens(), door, now_unix_ms)).into_response()
        }),
    )
}

fn list(entries: Vec<TokenEntry>, door: Option<DoorAnswer>, now_unix_ms: u64) -> JoinTokensAnswer {
    let (mut over, mut left_out) = (0, 0);
    let mut tokens: Vec<_> = entries
        .into_iter()
        .rev()
        .map(|entry| JoinTokenAnswer::of(entry, now_unix_ms))
        .collect();
    tokens.retain(|token| {
        if token.state == TokenState::Open {
            return true;
        }
        over += 1;
        left_out += usize::from(over > MOST_OVER);
        over <= MOST_OVER
    });
    JoinTokensAnswer {
        now: UtcInstant::from_unix_ms(now_unix_ms),
        tokens,
        left_out,
        door,
    }
}

/// Makes a token to join with: it is in the answer, and nowhere else. Needs the role `administer`.
#[utoipa::path(
    post,
    path = "/api/v1/fleet/tokens",
    tag = "fleet",
    request_body = TokenWanted,
    responses(
        (status = 201, description = "The token; durable.", body = JoinTokenMade),
        (status = 400, description = "The body cannot be understood, or something in it is wrong; the detail says what.", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The role is missing, or asked by a page of another site.", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is not JSON.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It could not be written.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn make_join_token(
    State(context): State<Arc<Context>>,
    Extension(asker): Extension<Asker>,
    request: Request,
) -> Response {
    let asking = asking(&asker, request.extensions().get::<Peer>().copied());
    let made = async {
        let wanted: TokenWanted = body::read(request).await?;
        let made = at_the_desk(&context, move |desk| desk.make_token(wanted, &asking)).await?;
        let made = JoinTokenMade {
            token: made.token,
            entry: JoinTokenAnswer::of(made.entry, (context.now_unix_ms)()),
        };
        Ok((StatusCode::CREATED, Extension(Noted), Json(made)).into_response())
    };
    context.counted("join_token_made", made.await)
}

/// Ends a token: nobody joins with it any more, who has joined stays. Needs the role `administer`.
#[utoipa::path(
    delete,
    path = "/api/v1/fleet/tokens/{id}",
    tag = "fleet",
    params(("id" = String, Path, description = "The token's `id`.")),
    responses(
        (status = 204, description = "It is ended; durable."),
        (status = 403, description = "The role is missing, or asked by a page of another site.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such token.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It could not be written.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn revoke_join_token(
    State(context): State<Arc<Context>>,
    Extension(asker): Extension<Asker>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let asking = asking(&asker, request.extensions().get::<Peer>().copied());
    let done = at_the_desk(&context, move |desk| desk.revoke_token(&id, &asking)).await;
    context.counted("join_token_revoked", done.map(|()| gone()))
}

/// The agents that joined, and by which token. Needs the role `operate`.
#[utoipa::path(
    get,
    path = "/api/v1/fleet/agents",
    tag = "fleet",
    responses(
        (status = 200, description = "The agents, by name.", body = JoinedAgentsAnswer),
        (status = 403, description = "The role is missing.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn joined_agents(
    State(context): State<Arc<Context>>,
    RawQuery(query): RawQuery,
) -> Response {
    context.counted(
        "joined_agents",
        Params::read(query.as_deref(), &[]).map(|_| {
            let agents = context
                .fleet
                .agents()
                .into_iter()
                .map(JoinedAgent::from)
                .collect();
            Json(JoinedAgentsAnswer { agents }).into_response()
        }),
    )
}

/// Puts an agent out: from this moment nothing it asks is answered. What it measured stays. Needs the role `administer`.
#[utoipa::path(
    delete,
    path = "/api/v1/fleet/agents/{agent}",
    tag = "fleet",
    params(("agent" = String, Path, description = "The agent's name.")),
    responses(
        (status = 204, description = "It is out; durable."),
        (status = 403, description = "The role is missing, or asked by a page of another site.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No agent of this name has joined.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It could not be written.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn revoke_agent(
    State(context): State<Arc<Context>>,
    Extension(asker): Extension<Asker>,
    Path(agent): Path<String>,
    request: Request,
) -> Response {
    let asking = asking(&asker, request.extensions().get::<Peer>().copied());
    let done = at_the_desk(&context, move |desk| desk.revoke_agent(&agent, &asking)).await;
    context.counted("agent_revoked", done.map(|()| gone()))
}

/// The plan in force: what the agents that joined are to measure, and how many do.
#[utoipa::path(
    get,
    path = "/api/v1/fleet/plan",
    tag = "fleet",
    responses(
        (status = 200, description = "The plan.", body = PlanInForceAnswer),
        (status = 503, description = "The store cannot be read, so nobody knows where agents stand.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn plan_in_force(
    State(context): State<Arc<Context>>,
    RawQuery(query): RawQuery,
) -> Response {
    let told = async {
        Params::read(query.as_deref(), &[])?;
        let plan = overview_of(&context).await?;
        let runs = |version: Option<u64>| version == Some(plan.version);
        let answer = PlanInForceAnswer {
            is_configured: plan.file.is_some(),
            version: plan.version,
            changed_at: UtcInstant::from_unix_ms(plan.changed_at_unix_ms),
            is_stopped: plan.stopped,
            signed_by: base64url::encode(&context.fleet.key().public()),
            agents: plan.agents.len(),
            agents_running: plan.agents.iter().filter(|agent| runs(agent.running)).count(),
            agents_refusing: plan
                .agents
                .iter()
                .filter(|agent| !agent.refused.is_empty())
                .count(),
            entries: plan.entries,
        };
        Ok(Json(answer).into_response())
    };
    context.counted("plan", told.await)
}

/// How the audit log is to name who asks.
pub(super) fn asking(asker: &Asker, peer: Option<Peer>) -> Asking {
    let name = match asker {
        Asker::Caller(caller) => caller.name.clone(),
        // Lets nobody change anything; named all the same, should that ever differ.
        Asker::Anybody { .. } => "anybody".to_owned(),
    };
    Asking { name, peer }
}

/// The answer to an end.
pub(super) fn gone() -> Response {
    (StatusCode::NO_CONTENT, Extension(Noted)).into_response()
}

/// On a thread that may wait for the disk.
async fn at_the_desk<T: Send + 'static>(
    context: &Context,
    change: impl FnOnce(&FleetDesk) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let desk = context.fleet_desk();
    blocking("a change of the fleet", move || change(&desk)).await?
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_428_000_000;

    fn entry(number: u64, expires_at_unix_ms: u64) -> TokenEntry {
        TokenEntry {
            id: format!("id{number}"),
            secret_sha256: "hash".to_owned(),
            site: "paris".to_owned(),
            uses: 2,
            used: 1,
            made_at_unix_ms: number,
            expires_at_unix_ms,
            revoked_at_unix_ms: None,
        }
    }

    #[test]
    fn open_tokens_are_all_told_and_of_those_that_are_over_the_newest() {
        let entries = (0..200)
            .map(|number| entry(number, if number % 2 == 0 { NOW + 1 } else { NOW }))
            .collect();
        let told = list(entries, None, NOW);
        let of = |state| told.tokens.iter().filter(|token| token.state == state).count();
        assert_eq!(
            (of(TokenState::Open), of(TokenState::Expired), told.left_out),
            (100, MOST_OVER, 50)
        );
        let first: Vec<_> = told.tokens.iter().take(2).map(|token| &*token.id).collect();
        assert_eq!(first, ["id199", "id198"], "newest first");
        assert_eq!(told.tokens[0].uses_left, 1);
    }

    #[test]
    fn a_token_says_why_nobody_may_join_and_never_its_hash() {
        let state = |entry: TokenEntry| JoinTokenAnswer::of(entry, NOW).state;
        let used = TokenEntry {
            used: 2,
            ..entry(1, NOW + 1)
        };
        assert_eq!(state(used.clone()), TokenState::UsedUp);
        let revoked = TokenEntry {
            revoked_at_unix_ms: Some(NOW),
            ..used
        };
        assert_eq!(state(revoked.clone()), TokenState::Revoked);
        let text = serde_json::to_string(&JoinTokenAnswer::of(revoked, NOW)).expect("plain data");
        assert!(!text.contains("hash"), "{text}");
    }
}
