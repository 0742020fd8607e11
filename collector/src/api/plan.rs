//! `GET /api/v1/agent/plan`: what one agent is to measure, signed. Conditional (RFC 9110 section 13), because it rarely changes.
//! What a plan is, is [`crate::plan`]'s.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use azimuth_measurement::AgentId;
use serde::Serialize;
use utoipa::ToSchema;

use super::blocking::blocking;
use super::context::Context;
use super::enrolment::sender;
use crate::clock;
use crate::plan::agents::Labels;
use crate::plan::reflectors::Places;
use crate::problem::Problem;
use crate::store::StoreError;

/// A plan on its way.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PlanAnswer {
    /// The plan, as a text of JSON: what is signed is this very text.
    plan: String,
    /// The collector's Ed25519 signature over it for the agent that asked, base64url.
    signature: String,
}

/// What the agent whose session this is is to measure.
#[utoipa::path(
    get,
    path = "/api/v1/agent/plan",
    tag = "ingest",
    responses(
        (status = 200, description = "The plan of the agent that asks; `ETag` names it.", body = PlanAnswer),
        (status = 304, description = "It is the one that `If-None-Match` names."),
        (status = 401, description = "The session is not good, or there is none.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The store cannot be read, so nobody knows where the agent stands.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn plan(State(context): State<Arc<Context>>, headers: HeaderMap) -> Response {
    match give(&context, &headers).await {
        Ok((outcome, response)) => {
            context.metrics.enrolment.count("plan", outcome);
            response
        }
        Err(problem) => {
            context.metrics.enrolment.count("plan", problem.reason());
            problem.into_response()
        }
    }
}

async fn give(context: &Arc<Context>, headers: &HeaderMap) -> Result<(&'static str, Response), Problem> {
    let agent = sender(context, headers)?.ok_or_else(|| context.fleet.session_required())?;
    look(context, &agent).await?;
    let given = context.plan.give(&agent, context.fleet.key());
    let tag = HeaderValue::from_str(&format!("\"{}\"", given.tag)).ok();
    if tag.is_some() && headers.get(header::IF_NONE_MATCH) == tag.as_ref() {
        return Ok(("not_modified", StatusCode::NOT_MODIFIED.into_response()));
    }
    let answer = PlanAnswer {
        plan: given.signed.plan,
        signature: given.signed.signature,
    };
    let mut response = Json(answer).into_response();
    if let Some(tag) = tag {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(("ok", response))
}

/// The tag of the plan of an agent, for the answer to its reports; `None` when nobody knows where it stands now.
pub(super) async fn tag_for(context: &Arc<Context>, agent: &AgentId) -> Option<String> {
    match look(context, agent).await {
        Ok(()) => Some(context.plan.tag(agent)),
        Err(problem) => {
            tracing::warn!(
                "{}; the agent is not told whether its plan has changed",
                problem.detail()
            );
            None
        }
    }
}

/// Sees to it that what is known of agents is not too old to answer `agent`.
async fn look(context: &Arc<Context>, agent: &AgentId) -> Result<(), Problem> {
    let now = clock::monotonic();
    if !context.plan.wants_labels(agent, now) {
        return Ok(());
    }
    let reading = Arc::clone(context);
    let read = blocking("reading what is known of agents", move || learn(&reading)).await?;
    read.map_err(|error| {
        let detail = error.to_string();
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "store_unreadable", detail).retry_after_s(15)
    })
}

/// Reads what is known of every agent: of those that joined, and of those that have reported. Blocks.
pub(crate) fn learn(context: &Context) -> Result<(), StoreError> {
    let now = clock::monotonic();
    let mut all: Vec<Labels> = context
        .fleet
        .agents()
        .into_iter()
        .filter(|entry| entry.revoked_at_unix_ms.is_none())
        .map(|entry| Labels {
            agent: entry.agent,
            site: entry.site,
            ..Labels::default()
        })
        .collect();
    all.sort_by(|one, other| one.agent.cmp(&other.agent));
    let mut running = BTreeMap::new();
    let mut places = Places::new();
    for status in context.store.agents()? {
        let place = &status.manifest.vantage_point;
        // Who never joined is given no plan: there is no key to sign it for.
        if let Ok(found) = all.binary_search_by(|labels| labels.agent.as_str().cmp(status.agent.as_str()))
            && let Some(labels) = all.get_mut(found)
        {
            labels.country.clone_from(&place.country);
            labels.city.clone_from(&place.city);
            labels.network.clone_from(&place.network);
            labels.asn = place.asn.to_string();
            labels.vantage_point.clone_from(&place.name);
            labels.stand_in(&status.manifest.cloud);
            places.insert(status.agent.to_string(), status.manifest.cloud.clone());
            running.extend(status.plan.map(|plan| (status.agent.to_string(), plan)));
        }
    }
    context.plan.learn(all, places, running, now);
    Ok(())
}
