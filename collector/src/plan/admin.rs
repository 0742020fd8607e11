//! The plan on the socket of the command line ([`crate::fleet::admin`]): what it comes to, for whom, and the order that stops
//! everything everywhere.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use axum::extract::{Path as UrlPath, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use azimuth_measurement::AgentId;
use azimuth_measurement::plan::PlanTarget;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::desk::{DeskError, Standing};
use super::file::Entry;
use crate::api::context::Context;
use crate::api::plan::learn;
use crate::problem::Problem;
use crate::serve::Peer;

/// What the plan comes to.
#[derive(Debug, Serialize, Deserialize)]
pub struct Overview {
    /// Its version.
    pub version: u64,
    /// Whether nothing is to be sent by anybody.
    pub stopped: bool,
    /// Since when.
    pub changed_at_unix_ms: u64,
    /// The file; absent when none is configured.
    pub file: Option<String>,
    /// Its entries.
    pub entries: Vec<EntryLine>,
    /// The agents that joined, by name.
    pub agents: Vec<AgentLine>,
}

/// An entry.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct EntryLine {
    /// Its name.
    pub name: String,
    /// Who.
    pub agents: String,
    /// What.
    pub zones: String,
    /// How.
    pub method: String,
    /// How often, in milliseconds.
    pub period_ms: u32,
    /// Addresses it chooses.
    pub addresses: usize,
    /// Addresses left out because whoever owns them was not asked.
    pub need_consent: usize,
    /// Agents it chooses now; absent where no collector was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents_chosen: Option<usize>,
}

/// An agent.
#[derive(Debug, Serialize, Deserialize)]
pub struct AgentLine {
    /// Its name.
    pub agent: String,
    /// Where its token says it stands.
    pub site: String,
    /// The country of its vantage point; empty until it has reported.
    pub country: String,
    /// Targets it is given.
    pub targets: usize,
    /// Probes it is given.
    pub probes: usize,
    /// Probes left out because an earlier entry has them.
    pub shadowed: usize,
    /// Probes left out because no agent is given so many.
    pub beyond_limit: usize,
    /// The version it says that it measures by; absent until it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<u64>,
    /// What it says that it refuses, by reason.
    #[serde(default)]
    pub refused: BTreeMap<String, u32>,
}

/// What one agent is given.
#[derive(Debug, Serialize, Deserialize)]
pub struct OfAgent {
    /// The agent.
    #[serde(flatten)]
    pub line: AgentLine,
    /// The plan's version.
    pub version: u64,
    /// Whether nothing is to be sent by anybody.
    pub stopped: bool,
    /// Its targets; also while everything is stopped.
    pub given: Vec<PlanTarget>,
}

/// What became of an order.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ordered {
    /// The plan's version now.
    pub version: u64,
    /// Whether nothing is to be sent by anybody.
    pub stopped: bool,
    /// How many agents get to know.
    pub agents: usize,
    /// Agents that report without having joined: nothing can be told to them.
    pub out_of_reach: Vec<String>,
}

/// Who gives an order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct By {
    #[serde(default)]
    by: String,
}

/// Not kept alive by it: a connection that is left open must not keep the store open.
type Shared = Weak<Context>;

/// What the socket answers about the plan.
pub fn router(context: &Arc<Context>) -> Router {
    Router::new()
        .route("/admin/plan", get(overview))
        .route("/admin/plan/agents/{agent}", get(of_agent))
        .route("/admin/plan/stop", post(stop))
        .route("/admin/plan/resume", post(resume))
        .with_state(Arc::downgrade(context))
}

impl EntryLine {
    /// The line of an entry.
    pub fn of(entry: &Entry) -> Self {
        Self {
            name: entry.name.clone(),
            agents: entry.agents.to_string(),
            zones: entry.zones.clone(),
            method: entry.method.as_str().to_owned(),
            period_ms: entry.period_ms,
            addresses: entry.chosen.len(),
            need_consent: entry.need_consent,
            agents_chosen: None,
        }
    }
}

async fn overview(State(context): State<Shared>) -> Result<Json<Overview>, Problem> {
    overview_of(&alive(&context)?).await.map(Json)
}

/// What the plan comes to now, for the command line and the API.
///
/// # Errors
/// The store cannot be read, so nobody knows where agents stand.
pub(crate) async fn overview_of(context: &Arc<Context>) -> Result<Overview, Problem> {
    looked_at(context).await?;
    let (standing, labels) = (context.plan.standing(), context.plan.labels());
    let plan = context.plan.plan();
    let line = |entry: &Entry| EntryLine {
        agents_chosen: Some(
            labels
                .iter()
                .filter(|labels| entry.agents.chooses(labels))
                .count(),
        ),
        ..EntryLine::of(entry)
    };
    Ok(Overview {
        version: standing.version,
        stopped: standing.stopped,
        changed_at_unix_ms: standing.changed_at_unix_ms,
        file: plan.file.as_ref().map(|file| file.display().to_string()),
        entries: plan.entries.iter().map(line).collect(),
        agents: labels
            .iter()
            .map(|labels| agent_line(context, labels).0)
            .collect(),
    })
}

async fn of_agent(
    State(context): State<Shared>,
    UrlPath(agent): UrlPath<String>,
) -> Result<Json<OfAgent>, Problem> {
    let context = alive(&context)?;
    looked_at(&context).await?;
    let known = context.plan.labels();
    let Some(labels) = known.iter().find(|labels| labels.agent == agent) else {
        let detail = format!("no agent {agent:?} has joined; `azimuth-collector agent list` shows who has");
        return Err(Problem::new(StatusCode::NOT_FOUND, "unknown_agent", detail));
    };
    let standing = context.plan.standing();
    let (line, given) = agent_line(&context, labels);
    Ok(Json(OfAgent {
        line,
        version: standing.version,
        stopped: standing.stopped,
        given,
    }))
}

fn agent_line(context: &Context, labels: &super::agents::Labels) -> (AgentLine, Vec<PlanTarget>) {
    let expanded = context.plan.expanded(labels);
    let running = context.plan.running(&labels.agent);
    let line = AgentLine {
        agent: labels.agent.clone(),
        site: labels.site.clone(),
        country: labels.country.clone(),
        targets: expanded.targets.len(),
        probes: expanded.targets.iter().map(|target| target.probes.len()).sum(),
        shadowed: expanded.shadowed,
        beyond_limit: expanded.beyond_limit,
        running: running.as_ref().map(|plan| plan.version),
        refused: running
            .iter()
            .flat_map(|plan| &plan.refused)
            .map(|(why, count)| (why.as_str().to_owned(), *count))
            .collect(),
    };
    (line, expanded.targets)
}

async fn stop(State(context): State<Shared>, Query(by): Query<By>) -> Result<Json<Ordered>, Problem> {
    order(&context, &by.by, true).await
}

async fn resume(State(context): State<Shared>, Query(by): Query<By>) -> Result<Json<Ordered>, Problem> {
    order(&context, &by.by, false).await
}

async fn order(context: &Shared, by: &str, stopped: bool) -> Result<Json<Ordered>, Problem> {
    let context = alive(context)?;
    let by = if by.is_empty() {
        "unknown".to_owned()
    } else {
        by.to_owned()
    };
    // The order first: a store that cannot be read must not keep anybody from stopping.
    let ordering = Arc::clone(&context);
    let ordered = tokio::task::spawn_blocking(move || {
        let standing = ordering
            .plan
            .set_stopped(stopped, (ordering.now_unix_ms)())
            .map_err(|error| not_kept(&error))?;
        let what = if stopped { "plan stopped" } else { "plan resumed" };
        ordering.guard.note(
            &by,
            Some(Peer(None)),
            what,
            &format!("version {}", standing.version),
        );
        tracing::warn!(by, version = standing.version, "{what}");
        Ok::<_, Problem>(standing)
    });
    let standing: Standing = ordered.await.map_err(|error| panicked(&error))??;
    let looking = Arc::clone(&context);
    let out_of_reach = tokio::task::spawn_blocking(move || out_of_reach(&looking)).await;
    Ok(Json(Ordered {
        version: standing.version,
        stopped: standing.stopped,
        agents: context
            .fleet
            .agents()
            .iter()
            .filter(|entry| entry.revoked_at_unix_ms.is_none())
            .count(),
        out_of_reach: out_of_reach.map_err(|error| panicked(&error))?,
    }))
}

/// Agents that are live and cannot be told anything, because they never joined. Blocks.
fn out_of_reach(context: &Context) -> Vec<String> {
    use crate::api::answers::AgentState;
    use crate::status::fleet::freshness;
    let now_unix_ms = (context.now_unix_ms)();
    let joined = context.fleet.agents();
    let is_told = |agent: &AgentId| joined.iter().any(|entry| entry.agent == agent.as_str());
    match context.store.agents() {
        Ok(statuses) => statuses
            .iter()
            .filter(|status| freshness(status.last_report_at_unix_ms, now_unix_ms) == AgentState::Live)
            .filter(|status| !is_told(&status.agent))
            .map(|status| status.agent.to_string())
            .collect(),
        Err(error) => {
            tracing::warn!("{error}; who is out of reach of the plan is not known");
            Vec::new()
        }
    }
}

/// With what is known of agents read just now: people ask rarely.
async fn looked_at(context: &Arc<Context>) -> Result<(), Problem> {
    let looking = Arc::clone(context);
    let learned = tokio::task::spawn_blocking(move || learn(&looking)).await;
    learned.map_err(|error| panicked(&error))?.map_err(|error| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "store_unreadable",
            error.to_string(),
        )
    })
}

fn alive(context: &Shared) -> Result<Arc<Context>, Problem> {
    context.upgrade().ok_or_else(|| {
        let detail = "the collector is taking up another configuration; ask again";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", detail)
    })
}

fn not_kept(error: &DeskError) -> Problem {
    tracing::error!("{error}");
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "plan_not_kept",
        format!("{error}; nothing has changed"),
    )
}

fn panicked(error: &tokio::task::JoinError) -> Problem {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        format!("a task panicked: {error}"),
    )
}
