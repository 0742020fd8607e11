//! `GET /api/v1/alerts`, `GET /api/v1/rules` and `POST /api/v1/alerts/{id}/acknowledge`. What an alert is, is `alert/`'s;
//! who may acknowledge is [`super::body`]'s.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::alert_answers::{
    AcknowledgeBody, AlertAnswer, AlertsAnswer, MaintenanceAnswer, RuleAnswer, RulesAnswer, selected,
};
use super::blocking::blocking;
use super::body;
use super::context::Context;
use super::params::{Params, invalid};
use super::reply::Reply;
use crate::alert::book::Entry;
use crate::alert::lifecycle::{Acknowledgement, Input, Phase};
use crate::alert::rules::AlertKey;
use crate::evaluate::desk::Change;
use crate::evaluate::file::alert_id;
use crate::problem::Problem;
use crate::query::Label;
use crate::utc::UtcInstant;

/// What may be asked of alerts.
pub(super) const ALLOWED: &[&str] = &["state", "rule", "id", "agent", "zone", "limit"];
/// The states an alert may be in.
pub(super) const STATES: [&str; 5] = ["inactive", "pending", "firing", "recovering", "resolved"];
/// Alerts listed unless told otherwise, and most.
pub(super) const DEFAULT_LIMIT: usize = 1_000;
pub(super) const MOST_LIMIT: usize = 10_000;
/// Longest name of a person, and longest comment, in characters.
pub(super) const MOST_NAME: usize = 100;
pub(super) const MOST_COMMENT: usize = 1_000;

/// Every alert that is pending, fires, recovers, or was over within a week.
#[utoipa::path(
    get,
    path = "/api/v1/alerts",
    tag = "alerting",
    params(
        ("state" = Option<Vec<String>>, Query, description = "Only alerts in this state: `inactive`, `pending`, `firing`, `recovering`, `resolved`; may be repeated."),
        ("rule" = Option<String>, Query, description = "Only alerts of this rule."),
        ("id" = Option<String>, Query, description = "Only the alert of this name."),
        ("agent" = Option<String>, Query, description = "Only alerts about series of this vantage point."),
        ("zone" = Option<String>, Query, description = "Only alerts about series to this zone, `provider/region/zone`."),
        ("limit" = Option<usize>, Query, description = "How many to list: 0 to 10000, default 1000."),
    ),
    responses(
        (status = 200, description = "The alerts.", body = AlertsAnswer),
        (status = 400, description = "A parameter is unknown, repeated or out of range; the detail says what is allowed.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many queries wait; `Retry-After` says when to try again.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn alerts(State(context): State<Arc<Context>>, RawQuery(query): RawQuery) -> Response {
    let wanted = match Wanted::read(query.as_deref()) {
        Ok(wanted) => wanted,
        Err(problem) => return context.refuse("alerts", problem).into_response(),
    };
    context
        .answer("alerts", move |context, _| {
            Reply::whole(&listed(context, &wanted))
        })
        .await
}

struct Wanted {
    states: Vec<String>,
    rule: Option<String>,
    id: Option<String>,
    agent: Option<String>,
    zone: Option<String>,
    limit: usize,
}

impl Wanted {
    fn read(query: Option<&str>) -> Result<Self, Problem> {
        let params = Params::read(query, ALLOWED)?;
        let states: Vec<String> = params.all("state")?;
        if states.iter().any(|state| !STATES.contains(&state.as_str())) {
            return Err(invalid(
                "state",
                &format!("it must be one of {}", STATES.join(", ")),
            ));
        }
        let limit = params.optional("limit")?.unwrap_or(DEFAULT_LIMIT);
        if limit > MOST_LIMIT {
            return Err(invalid("limit", &format!("it must be at most {MOST_LIMIT}")));
        }
        Ok(Self {
            states,
            rule: params.optional("rule")?,
            id: params.optional("id")?,
            agent: params.optional("agent")?,
            zone: params.optional("zone")?,
            limit,
        })
    }

    fn holds(&self, key: &AlertKey, entry: &Entry) -> bool {
        let state = entry.alert.phase.as_str();
        let of = |label, wanted: &Option<String>| {
            wanted
                .as_ref()
                .is_none_or(|wanted| entry.labels.value(label) == Some(wanted))
        };
        (self.states.is_empty() || self.states.iter().any(|one| one == state))
            && self.rule.as_ref().is_none_or(|rule| *rule == key.rule)
            && self.id.as_ref().is_none_or(|id| *id == alert_id(key))
            && of(Label::Agent, &self.agent)
            && of(Label::Zone, &self.zone)
    }
}

fn listed(context: &Context, wanted: &Wanted) -> AlertsAnswer {
    let now = UtcInstant::from_unix_ms((context.now_unix_ms)());
    let evaluated_to_unix_ms = context.desk.evaluated_to_unix_ms();
    let watched_series = context.desk.counters().series.load(Ordering::Relaxed);
    context.desk.look(|book| {
        let mut chosen: Vec<_> = book
            .alerts()
            .filter(|(key, entry)| entry.incident.is_none() && wanted.holds(key, entry))
            .collect();
        chosen.sort_by_key(|(_, entry)| latest_first(entry.alert.phase));
        let total = chosen.len();
        let alerts = chosen
            .into_iter()
            .take(wanted.limit)
            .map(|(key, entry)| AlertAnswer::of(key, entry, book, evaluated_to_unix_ms));
        AlertsAnswer {
            now,
            evaluated_to: evaluated_to_unix_ms.map(UtcInstant::from_unix_ms),
            watched_series,
            total,
            alerts: alerts.collect(),
        }
    })
}

/// Orders what fires before what does not, and the latest first.
pub(super) fn latest_first(phase: Phase) -> (bool, Reverse<u64>) {
    let began = match phase {
        Phase::Firing { fired_at_unix_ms }
        | Phase::Recovering { fired_at_unix_ms, .. }
        | Phase::Resolved { fired_at_unix_ms, .. } => fired_at_unix_ms,
        Phase::Pending { since_unix_ms, .. } => since_unix_ms,
        Phase::Inactive => 0,
    };
    (!phase.is_open(), Reverse(began))
}

/// The rules that are evaluated, and the maintenance windows.
#[utoipa::path(
    get,
    path = "/api/v1/rules",
    tag = "alerting",
    responses(
        (status = 200, description = "The rules.", body = RulesAnswer),
        (status = 400, description = "There are no parameters here.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many queries wait; `Retry-After` says when to try again.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn rules(State(context): State<Arc<Context>>, RawQuery(query): RawQuery) -> Response {
    if let Err(problem) = Params::read(query.as_deref(), &[]) {
        return context.refuse("rules", problem).into_response();
    }
    context
        .answer("rules", |context, _| Reply::whole(&the_rules(context)))
        .await
}

fn the_rules(context: &Context) -> RulesAnswer {
    let now_unix_ms = (context.now_unix_ms)();
    context.desk.look(|book| {
        let open = |name: &str| {
            let of = book.alerts().filter(|(key, _)| key.rule == name);
            of.filter(|(_, entry)| entry.alert.phase.is_open()).count()
        };
        let rules = book.rules().rules.iter().map(|rule| RuleAnswer {
            name: rule.name.clone(),
            condition: rule.condition.kind().to_owned(),
            severity: rule.severity.as_str().to_owned(),
            route: rule.route.clone(),
            for_s: rule.pending_ms / 1_000,
            keep_firing_for_s: rule.keep_firing_ms / 1_000,
            select: selected(&rule.select),
            except: selected(&rule.except),
            open: open(&rule.name),
        });
        let maintenance = book.rules().maintenance.iter().map(|window| MaintenanceAnswer {
            name: window.name.clone(),
            open: window.when.covers(now_unix_ms),
            select: selected(&window.select),
            rules: window.rules.clone(),
        });
        RulesAnswer {
            rules: rules.collect(),
            maintenance: maintenance.collect(),
        }
    })
}

/// Takes an alert that fires or recovers upon oneself: nobody else is told of this episode, and the end of it is still told
/// to whoever was.
#[utoipa::path(
    post,
    path = "/api/v1/alerts/{id}/acknowledge",
    tag = "alerting",
    params(("id" = String, Path, description = "The alert's `id`.")),
    request_body = AcknowledgeBody,
    responses(
        (status = 200, description = "The alert, acknowledged; durable.", body = AlertAnswer),
        (status = 400, description = "The body cannot be understood; the detail says why.", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not asked from this machine, or by a page of another site.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such alert.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The alert does not fire.", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large.", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is not JSON.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It could not be written.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn acknowledge(
    State(context): State<Arc<Context>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let done = async {
        let body: AcknowledgeBody = body::read(request).await?;
        let now_unix_ms = (context.now_unix_ms)();
        let who = Acknowledgement {
            by: body::text("by", &body.by, MOST_NAME, false)?,
            comment: body::text("comment", &body.comment, MOST_COMMENT, true)?,
            at_unix_ms: now_unix_ms,
        };
        let key = key_of(&id).ok_or_else(|| unknown_alert(&id))?;
        change(&context, move |change| {
            let Some(entry) = change.book.alert(&key) else {
                return Err(unknown_alert(&id));
            };
            if !entry.alert.phase.is_open() {
                let detail = format!(
                    "the alert is {}; only one that fires can be acknowledged",
                    entry.alert.phase.as_str()
                );
                return Err(Problem::new(StatusCode::CONFLICT, "not_firing", detail));
            }
            change
                .book
                .step(&key, now_unix_ms, Input::Acknowledge(who), change.told);
            let entry = change.book.alert(&key).ok_or_else(|| unknown_alert(&id))?;
            Ok(AlertAnswer::of(
                &key,
                entry,
                change.book,
                *change.evaluated_to_unix_ms,
            ))
        })
        .await
    };
    answered(
        &context,
        "acknowledge",
        done.await.map(|alert| Json(alert).into_response()),
    )
}

/// The key in an id; rule names and measures hold no colon.
fn key_of(id: &str) -> Option<AlertKey> {
    let mut parts = id.split(':');
    let (rule, series, measure) = (parts.next()?, parts.next()?, parts.next()?);
    Some(AlertKey {
        rule: rule.to_owned(),
        series: series.parse().ok()?,
        measure: measure.to_owned(),
    })
    .filter(|_| parts.next().is_none())
}

fn unknown_alert(id: &str) -> Problem {
    let shown: String = id.chars().take(100).collect();
    let detail = format!("there is no alert {shown:?}; GET /api/v1/alerts lists what there is");
    Problem::new(StatusCode::NOT_FOUND, "unknown_alert", detail)
}

/// Changes the alerts on a blocking thread, and returns when the change is durable.
pub(super) async fn change<T: Send + 'static>(
    context: &Context,
    work: impl FnOnce(Change<'_>) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let desk = Arc::clone(&context.desk);
    let changed = blocking("the change", move || desk.change(work)).await?;
    changed.map_err(|error| {
        tracing::error!("{error}");
        let detail = "it holds now but could not be written to disk; see the log and free some space. It is written with \
                      the next change";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "alerts_unwritten", detail)
    })?
}

/// Counts how a request for a change went.
pub(super) fn answered(
    context: &Context,
    request: &'static str,
    done: Result<Response, Problem>,
) -> Response {
    let outcome = done.as_ref().map_or_else(Problem::reason, |_| "ok");
    context.desk.counters().requests.count(request, outcome);
    done.unwrap_or_else(IntoResponse::into_response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_one_alert() {
        let key = AlertKey {
            rule: "slow-1".to_owned(),
            series: 7,
            measure: "p99.9".to_owned(),
        };
        assert_eq!(key_of(&alert_id(&key)), Some(key));
        for wrong in ["", "slow", "slow:7", "slow:x:p50", "slow:7:p50:1", "slow:-7:p50"] {
            assert_eq!(key_of(wrong), None, "{wrong}");
        }
    }
}
