//! `/api/v1/silences`: what nobody wants to hear of for a while. Who may ask for one is [`crate::access`]'s; what it covers is
//! `alert/book.rs`'s.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::alert_answers::{SilenceAnswer, SilenceBody, SilencesAnswer};
use super::alerts::{MOST_COMMENT, MOST_NAME, answered, change};
use super::body;
use super::context::Context;
use super::params::Params;
use super::reply::Reply;
use crate::alert::book::Silence;
use crate::alert::rules::Selector;
use crate::problem::Problem;
use crate::utc::UtcInstant;

/// Silences kept at most: each is held against every alert once a minute.
const MOST_SILENCES: usize = 1_000;
/// Longest silence: whoever means for ever should change the rule.
const LONGEST_MS: u64 = 366 * 86_400_000;
/// Values of one label at most, and their length in characters.
const MOST_VALUES: usize = 100;
const MOST_VALUE: usize = 200;

/// Every silence: to come, in force, or ended within a week.
#[utoipa::path(
    get,
    path = "/api/v1/silences",
    tag = "alerting",
    responses(
        (status = 200, description = "The silences.", body = SilencesAnswer),
        (status = 400, description = "There are no parameters here.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many queries wait; `Retry-After` says when to try again.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn silences(State(context): State<Arc<Context>>, RawQuery(query): RawQuery) -> Response {
    if let Err(problem) = Params::read(query.as_deref(), &[]) {
        return context.refuse("silences", problem).into_response();
    }
    context
        .answer("silences", |context, _| Reply::whole(&kept(context)))
        .await
}

fn kept(context: &Context) -> SilencesAnswer {
    let now_unix_ms = (context.now_unix_ms)();
    context.desk.look(|book| SilencesAnswer {
        silences: book
            .silences()
            .map(|silence| SilenceAnswer::of(silence, now_unix_ms))
            .collect(),
    })
}

/// Begins a silence: what it covers is not told while it lasts. An alert that still fires when it ends is told then.
#[utoipa::path(
    post,
    path = "/api/v1/silences",
    tag = "alerting",
    request_body = SilenceBody,
    responses(
        (status = 201, description = "The silence; durable.", body = SilenceAnswer),
        (status = 400, description = "The body cannot be understood; the detail says why.", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not asked from this machine, or by a page of another site.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "There are too many silences.", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large.", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is not JSON.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It could not be written.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn silence(State(context): State<Arc<Context>>, request: Request) -> Response {
    let done = async {
        let body: SilenceBody = body::read(request).await?;
        let now_unix_ms = (context.now_unix_ms)();
        let asked = understood(body, now_unix_ms)?;
        change(&context, move |change| {
            if let Some(rule) = &asked.rule
                && !change.book.rules().rules.iter().any(|one| one.name == *rule)
            {
                let detail =
                    format!("`rule`: there is no rule {rule:?}; GET /api/v1/rules lists what there is");
                return Err(Problem::bad_request("invalid_body", detail));
            }
            if change.book.silences().count() >= MOST_SILENCES {
                let detail =
                    format!("there are {MOST_SILENCES} silences; delete some, or write a maintenance window");
                return Err(Problem::new(StatusCode::CONFLICT, "too_many_silences", detail));
            }
            let silence = Silence {
                id: *change.next_silence,
                ..asked
            };
            *change.next_silence += 1;
            let answer = SilenceAnswer::of(&silence, now_unix_ms);
            change.book.silence(silence, now_unix_ms, change.told);
            Ok(answer)
        })
        .await
    };
    let done = done
        .await
        .map(|silence| (StatusCode::CREATED, Json(silence)).into_response());
    answered(&context, "silence", done)
}

/// Ends a silence, or takes back one to come.
#[utoipa::path(
    delete,
    path = "/api/v1/silences/{id}",
    tag = "alerting",
    params(("id" = u64, Path, description = "The silence's `id`.")),
    responses(
        (status = 204, description = "It is gone; durable."),
        (status = 403, description = "Not asked from this machine, or by a page of another site.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such silence.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It could not be written.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn unsilence(State(context): State<Arc<Context>>, Path(id): Path<String>) -> Response {
    let done = async {
        let unknown = || {
            let detail = "there is no such silence; GET /api/v1/silences lists what there is";
            Problem::new(StatusCode::NOT_FOUND, "unknown_silence", detail)
        };
        let id: u64 = id.parse().map_err(|_| unknown())?;
        let now_unix_ms = (context.now_unix_ms)();
        change(&context, move |change| {
            let found = change.book.unsilence(id, now_unix_ms, change.told);
            found.then_some(()).ok_or_else(unknown)
        })
        .await
    };
    let done = done.await.map(|()| StatusCode::NO_CONTENT.into_response());
    answered(&context, "unsilence", done)
}

/// The silence that a body asks for, without a number yet.
fn understood(body: SilenceBody, now_unix_ms: u64) -> Result<Silence, Problem> {
    let refused = |detail: String| Problem::bad_request("invalid_body", detail);
    let time = |name: &str, text: &str| {
        UtcInstant::parse(text, now_unix_ms)
            .map(UtcInstant::unix_ms)
            .map_err(|reason| refused(format!("`{name}`: {reason}")))
    };
    let until_unix_ms = time("until", &body.until)?;
    let from_unix_ms = body.from.map_or(Ok(now_unix_ms), |from| time("from", &from))?;
    if until_unix_ms <= from_unix_ms.max(now_unix_ms) {
        return Err(refused("`until` must lie after `from` and after now".to_owned()));
    }
    if until_unix_ms - from_unix_ms > LONGEST_MS {
        return Err(refused(
            "a silence lasts at most 366 days; change the rule instead".to_owned(),
        ));
    }
    let mut select = Selector::default();
    for (label, values) in body.select {
        if values.is_empty() || values.len() > MOST_VALUES {
            return Err(refused(format!(
                "`select.{label}` must have 1 to {MOST_VALUES} values; leave it out for all"
            )));
        }
        let values = values
            .iter()
            .map(|value| body::text(&format!("select.{label}"), value, MOST_VALUE, false))
            .collect::<Result<_, _>>()?;
        select = select.with(label, values);
    }
    Ok(Silence {
        id: 0,
        select,
        rule: body.rule,
        from_unix_ms,
        until_unix_ms,
        by: body::text("by", &body.by, MOST_NAME, false)?,
        comment: body::text("comment", &body.comment, MOST_COMMENT, true)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(body: &str) -> Result<Silence, String> {
        let body: SilenceBody = serde_json::from_str(body).map_err(|error| error.to_string())?;
        // 2026-11-23T10:00:00Z
        understood(body, 1_795_428_000_000).map_err(|problem| problem.detail().to_owned())
    }

    #[test]
    fn a_silence_is_understood_or_told_what_is_wrong() {
        let silence =
            asked(r#"{"select":{"provider":["aws","gcp"]},"until":"2026-11-23T12:00:00Z","by":" anna "}"#);
        let silence = silence.expect("valid");
        assert_eq!(
            (silence.by.as_str(), silence.from_unix_ms),
            ("anna", 1_795_428_000_000)
        );
        assert_eq!(silence.until_unix_ms - silence.from_unix_ms, 7_200_000);
        for (body, why) in [
            (r#"{"until":"2026-11-23T12:00:00Z"}"#, "`by`"),
            (r#"{"until":"2026-11-23T12:00:00Z","by":"  "}"#, "`by` is missing"),
            (
                r#"{"until":"2026-11-23T12:00:00Z","by":"a\r\nBcc: b"}"#,
                "control characters",
            ),
            (
                r#"{"until":"tomorrow","by":"anna"}"#,
                "`until`: `tomorrow` is not a time",
            ),
            (r#"{"until":"2026-11-23T09:00:00Z","by":"anna"}"#, "after now"),
            (r#"{"until":"2028-11-23T09:00:00Z","by":"anna"}"#, "366 days"),
            (
                r#"{"until":"2026-11-23T12:00:00Z","by":"anna","select":{"town":["x"]}}"#,
                "unknown variant `town`",
            ),
            (
                r#"{"until":"2026-11-23T12:00:00Z","by":"anna","select":{"city":[]}}"#,
                "`select.city`",
            ),
            (
                r#"{"until":"2026-11-23T12:00:00Z","by":"anna","for":"2h"}"#,
                "unknown field `for`",
            ),
        ] {
            let error = asked(body).expect_err(body);
            assert!(error.contains(why), "{body}: {error}");
        }
    }
}
