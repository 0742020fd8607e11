//! `GET /api/v1/status`, and the same numbers for `/metrics`. What they mean is `status/`'s.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};

use super::context::Context;
use super::params::{Params, invalid};
use super::reply::Reply;
use crate::clock;
use crate::problem::Problem;
use crate::query::QueryError;
use crate::status::answer::StatusAnswer;
use crate::store::StoreError;

/// What may be asked.
pub(super) const ALLOWED: &[&str] = &["agents"];
/// Agents named unless told otherwise.
const DEFAULT_AGENTS: usize = 20;
/// Most agents named.
const MOST_AGENTS: usize = 10_000;

/// How the collector fares: what waits, how long commits take, what was refused, when the disk is full, who is silent,
/// and whether any of it needs a person.
#[utoipa::path(
    get,
    path = "/api/v1/status",
    tag = "operation",
    params(("agents" = Option<usize>, Query, description = "How many agents to name, worst first: 0 to 10000, default 20.")),
    responses(
        (status = 200, description = "How the collector fares, also when it is degraded.", body = StatusAnswer),
        (status = 400, description = "A parameter is unknown, repeated or out of range; the detail says what is allowed.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The store cannot be read, or too many queries wait; `Retry-After` says when to try again.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn status(State(context): State<Arc<Context>>, RawQuery(query): RawQuery) -> Response {
    let most_agents = match most_agents(query.as_deref()) {
        Ok(most) => most,
        Err(problem) => return context.refuse("status", problem).into_response(),
    };
    context
        .answer("status", move |context, _| {
            Reply::whole(&of(context, most_agents).map_err(QueryError::from)?)
        })
        .await
}

fn most_agents(query: Option<&str>) -> Result<usize, Problem> {
    let most = Params::read(query, ALLOWED)?
        .optional("agents")?
        .unwrap_or(DEFAULT_AGENTS);
    if most > MOST_AGENTS {
        return Err(invalid("agents", &format!("it must be at most {MOST_AGENTS}")));
    }
    Ok(most)
}

/// The status now. Blocks.
pub(super) fn of(context: &Context, most_agents: usize) -> Result<StatusAnswer, StoreError> {
    context.watch.status(
        (context.store.as_ref(), &context.ingest, &context.metrics),
        ((context.now_unix_ms)(), clock::monotonic()),
        Some(context.plan.standing())
            .filter(|standing| standing.stopped)
            .map(|standing| standing.changed_at_unix_ms),
        most_agents,
    )
}
