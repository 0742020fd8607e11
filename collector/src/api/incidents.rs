//! `GET /api/v1/incidents`: what several series have in common, who is to blame, and the evidence. What an incident is, is
//! `alert/incident.rs`'s; acknowledging one goes by its `id` as for any alert.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::alert_answers::{AcknowledgedAnswer, AlertAnswer, labels};
use super::alerts::{DEFAULT_LIMIT, MOST_LIMIT, STATES, latest_first};
use super::context::Context;
use super::params::{Params, invalid};
use super::reply::Reply;
use crate::alert::book::{Book, Entry};
use crate::alert::incident::{Incident, Member};
use crate::alert::rules::AlertKey;
use crate::alert::weak::Kind;
use crate::evaluate::file::alert_id;
use crate::problem::Problem;
use crate::utc::UtcInstant;

/// What may be asked of incidents.
pub(super) const ALLOWED: &[&str] = &["state", "limit"];

/// Incidents.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct IncidentsAnswer {
    /// When this was true.
    pub now: UtcInstant,
    /// What started before has been evaluated; null before the first evaluation.
    pub evaluated_to: Option<UtcInstant>,
    /// How many there are, of which those beyond the limit are not listed.
    pub total: usize,
    /// Those that fire first, then the latest first.
    pub incidents: Vec<IncidentAnswer>,
}

/// One incident.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct IncidentAnswer {
    /// Its name in this API.
    pub id: String,
    /// What is to blame.
    pub culprit: CulpritAnswer,
    /// In what it shows: `delay`, `loss` or both.
    pub kinds: Vec<String>,
    /// `pending`, `firing`, `recovering` or `resolved`.
    pub state: String,
    /// Since when it is in this state.
    pub since: Option<UtcInstant>,
    /// Since when it is thought to be so; before it was known.
    pub regressed_at: Option<UtcInstant>,
    /// When it fired.
    pub fired_at: Option<UtcInstant>,
    /// When it was over.
    pub resolved_at: Option<UtcInstant>,
    /// How it was over: `recovered`, `new_baseline` or `retired`.
    pub ending: Option<String>,
    /// How urgent: as the most urgent of its members' rules.
    pub severity: String,
    /// How often it has fired.
    pub episode: u64,
    /// Whether somebody was, or is to be, told of this episode.
    pub told: bool,
    /// All of its members are silenced, or it is.
    pub silenced: bool,
    /// Who took it upon themselves.
    pub acknowledged: Option<AcknowledgedAnswer>,
    /// How sure it is.
    pub evidence: IncidentEvidence,
    /// The series it explains.
    pub members: Vec<MemberAnswer>,
    /// `id`s of the alerts it speaks for, or spoke for.
    pub alerts: Vec<String>,
    /// Agents that had no vote, and what ails them: `clock`, `cpu` or `access_line`.
    pub vetoed: BTreeMap<String, String>,
}

/// What is to blame.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CulpritAnswer {
    /// What kind of thing: a label, such as `zone`.
    pub label: String,
    /// Which.
    pub value: String,
    /// For an agent that is itself sick, of what: `clock`, `cpu` or `access_line`; else null.
    pub sickness: Option<String>,
}

/// Why it is thought so.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct IncidentEvidence {
    /// Log likelihood ratio of the explanation, less its price; 7 is the least. 0 for a sick agent.
    pub gain: f64,
    /// Series of the culprit that were heard when it was named.
    pub heard: usize,
    /// Of which so many are worse.
    pub worse: usize,
    /// Median of the members' levels before.
    pub before: Option<f64>,
    /// Median of the members' levels when it was named.
    pub value: Option<f64>,
    /// The unit of both: `ms` or `percent`.
    pub unit: Option<String>,
}

/// One series of an incident.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MemberAnswer {
    /// Its labels.
    pub series: BTreeMap<String, String>,
    /// In what it got worse: `delay` or `loss`.
    pub kind: String,
    /// The rule that watches it.
    pub rule: String,
    /// Level before.
    pub before: f64,
    /// Level when it was taken in, as the median of its last minutes.
    pub value: f64,
    /// The unit of both: `ms` or `percent`.
    pub unit: String,
    /// Standard score of the difference.
    pub score: f64,
}

/// Every incident that is pending, fires, recovers, or was over within a week.
#[utoipa::path(
    get,
    path = "/api/v1/incidents",
    tag = "alerting",
    params(
        ("state" = Option<Vec<String>>, Query, description = "Only incidents in this state: `pending`, `firing`, `recovering`, `resolved`; may be repeated."),
        ("limit" = Option<usize>, Query, description = "How many to list: 0 to 10000, default 1000."),
    ),
    responses(
        (status = 200, description = "The incidents.", body = IncidentsAnswer),
        (status = 400, description = "A parameter is unknown, repeated or out of range; the detail says what is allowed.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many queries wait; `Retry-After` says when to try again.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn incidents(State(context): State<Arc<Context>>, RawQuery(query): RawQuery) -> Response {
    let (states, limit) = match wanted(query.as_deref()) {
        Ok(wanted) => wanted,
        Err(problem) => return context.refuse("incidents", problem).into_response(),
    };
    context
        .answer("incidents", move |context, _| {
            Reply::whole(&listed(context, &states, limit))
        })
        .await
}

fn wanted(query: Option<&str>) -> Result<(Vec<String>, usize), Problem> {
    let params = Params::read(query, ALLOWED)?;
    let states: Vec<String> = params.all("state")?;
    if states.iter().any(|state| !STATES.contains(&state.as_str())) {
        let what = format!("it must be one of {}", STATES.join(", "));
        return Err(invalid("state", &what));
    }
    let limit = params.optional("limit")?.unwrap_or(DEFAULT_LIMIT);
    if limit > MOST_LIMIT {
        return Err(invalid("limit", &format!("it must be at most {MOST_LIMIT}")));
    }
    Ok((states, limit))
}

fn listed(context: &Context, states: &[String], limit: usize) -> IncidentsAnswer {
    let now = UtcInstant::from_unix_ms((context.now_unix_ms)());
    let evaluated_to_unix_ms = context.desk.evaluated_to_unix_ms();
    context.desk.look(|book| {
        let mut chosen: Vec<_> = book
            .incidents()
            .filter(|(_, entry, _)| {
                let state = entry.alert.phase.as_str();
                states.is_empty() || states.iter().any(|one| one == state)
            })
            .collect();
        chosen.sort_by_key(|(_, entry, _)| latest_first(entry.alert.phase));
        IncidentsAnswer {
            now,
            evaluated_to: evaluated_to_unix_ms.map(UtcInstant::from_unix_ms),
            total: chosen.len(),
            incidents: chosen
                .into_iter()
                .take(limit)
                .map(|(key, entry, incident)| answer(key, entry, incident, book, evaluated_to_unix_ms))
                .collect(),
        }
    })
}

fn answer(
    key: &AlertKey,
    entry: &Entry,
    incident: &Incident,
    book: &Book,
    evaluated_to_unix_ms: Option<u64>,
) -> IncidentAnswer {
    let alert = AlertAnswer::of(key, entry, book, evaluated_to_unix_ms);
    let has = |kind: Kind| incident.members.iter().any(|member| member.kind == kind);
    IncidentAnswer {
        id: alert.id,
        culprit: CulpritAnswer {
            label: incident.label.to_string(),
            value: incident.value.clone(),
            sickness: incident.sickness.map(|sickness| sickness.as_str().to_owned()),
        },
        kinds: Kind::ALL
            .into_iter()
            .filter(|kind| has(*kind))
            .map(|kind| kind.as_str().to_owned())
            .collect(),
        state: alert.state,
        since: alert.since,
        regressed_at: alert.regressed_at,
        fired_at: alert.fired_at,
        resolved_at: alert.resolved_at,
        ending: alert.ending,
        severity: incident.severity.as_str().to_owned(),
        episode: alert.episode,
        told: alert.told,
        silenced: alert.silenced,
        acknowledged: alert.acknowledged,
        evidence: IncidentEvidence {
            gain: incident.gain,
            heard: incident.heard,
            worse: incident.members.len(),
            before: alert.before,
            value: alert.value,
            unit: alert.unit,
        },
        members: incident.members.iter().map(member).collect(),
        alerts: book
            .alerts()
            .filter(|(_, entry)| entry.parent == Some(key.series))
            .map(|(key, _)| alert_id(key))
            .collect(),
        vetoed: incident
            .vetoed
            .iter()
            .map(|(agent, sickness)| (agent.clone(), sickness.as_str().to_owned()))
            .collect(),
    }
}

fn member(member: &Member) -> MemberAnswer {
    let (scale, unit) = match member.kind {
        Kind::Delay => (0.001, "ms"),
        Kind::Loss => (100.0, "percent"),
    };
    MemberAnswer {
        series: labels(&member.labels),
        kind: member.kind.as_str().to_owned(),
        rule: member.rule.clone(),
        before: member.base * scale,
        value: member.level * scale,
        unit: unit.to_owned(),
        score: member.score(),
    }
}
