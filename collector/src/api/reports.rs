//! `POST /api/v1/reports`: where agents deliver.

use std::error::Error;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use azimuth_measurement::AgentId;
use azimuth_measurement::codec::MAX_BATCH_BYTES;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::context::Context;
use crate::clock;
use crate::ingest::Ingest;
use crate::ingest::arrival::{BodyLimits, TooSlow};
use crate::ingest::hold::HeldBody;
use crate::ingest::verdict::Verdicts;
use crate::problem::Problem;

/// What the body must be called.
const CONTENT_TYPE: &str = "application/x-protobuf";

/// Delivers reports and tombstones; answers a verdict for each once it is durable.
#[utoipa::path(
    post,
    path = "/api/v1/reports",
    tag = "ingest",
    request_body(content = Vec<u8>, content_type = "application/x-protobuf", description = "A batch, version 1 of the wire form; at most 1 MiB."),
    responses(
        (status = 200, description = "One verdict per item, in the order of the items.", body = Verdicts),
        (status = 400, description = "The body is not a batch; nothing was stored.", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "The session is not good, or a session is needed; nothing was stored.", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The session is of another agent; nothing was stored.", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not arrive in time.", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body, or something in it, is too large; nothing was stored.", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is not application/x-protobuf.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The collector failed at the body, by a fault of its own that the same body would meet again; nothing was stored.", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "This agent has too much waiting to be made durable; nothing was stored. Send it again after `Retry-After`.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not now; nothing is known to be stored. Send it again after `Retry-After`.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn reports(State(context): State<Arc<Context>>, headers: HeaderMap, body: Body) -> Response {
    deliver(&context, &headers, body, false).await
}

/// The same, from agents with a session only.
pub(super) async fn reports_in_session(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    deliver(&context, &headers, body, true).await
}

async fn deliver(context: &Arc<Context>, headers: &HeaderMap, body: Body, in_session: bool) -> Response {
    match take(context, headers, body, in_session).await {
        Ok(verdicts) => Json(verdicts).into_response(),
        Err(problem) => {
            let class = if problem.status().is_server_error() {
                "unavailable"
            } else {
                "refused"
            };
            context.metrics.bodies_refused.count(class, problem.reason());
            if class == "refused" {
                tracing::warn!(reason = problem.reason(), "body refused: {}", problem.detail());
            }
            problem.into_response()
        }
    }
}

async fn take(
    context: &Arc<Context>,
    headers: &HeaderMap,
    body: Body,
    in_session: bool,
) -> Result<Verdicts, Problem> {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .map_or(&b""[..], |value| value.as_bytes());
    if content_type != CONTENT_TYPE.as_bytes() {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "wrong_content_type",
            format!("send the batch as {CONTENT_TYPE}"),
        ));
    }
    let sender = super::enrolment::sender(context, headers)?;
    if in_session && sender.is_none() {
        return Err(context.fleet.session_required());
    }
    let body = read(&context.ingest, headers, body).await?;
    let may = |agent: &AgentId| context.fleet.may_report(sender.as_ref(), agent);
    let mut verdicts = context.ingest.take_if(body, (context.now_unix_ms)(), may).await?;
    if let Some(sender) = &sender {
        verdicts.plan = super::plan::tag_for(context, sender).await;
    }
    Ok(verdicts)
}

/// Reads a body up to its cap, each byte within the room for all bodies, and none of it too slowly.
async fn read(ingest: &Ingest, headers: &HeaderMap, body: Body) -> Result<HeldBody, Problem> {
    let declared_bytes = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .unwrap_or(0);
    if declared_bytes > MAX_BATCH_BYTES {
        return Err(too_large());
    }
    let mut held = ingest.open(declared_bytes)?;
    let mut body = Limited::new(body, MAX_BATCH_BYTES);
    let (limits, began) = (ingest.body_limits(), clock::monotonic());
    loop {
        let (due, why) = limits.due(began, held.bytes().len());
        let frame = tokio::time::timeout_at(due.into(), body.frame());
        let Some(frame) = frame.await.map_err(|_| too_slow(why, &limits))? else {
            return Ok(held);
        };
        // What is no data is a trailer, and those say nothing here.
        if let Ok(chunk) = frame.map_err(|error| unread(&*error))?.into_data() {
            held.push(&chunk)?;
        }
    }
}

fn too_slow(why: TooSlow, limits: &BodyLimits) -> Problem {
    let (reason, detail) = match why {
        TooSlow::Timeout => (
            "body_timeout",
            format!("the body did not arrive within {:?}", limits.timeout),
        ),
        TooSlow::Rate => (
            "body_too_slow",
            format!(
                "after {:?} the body came at less than {} bytes per second",
                limits.grace, limits.min_bytes_per_s
            ),
        ),
    };
    Problem::new(StatusCode::REQUEST_TIMEOUT, reason, detail)
}

fn too_large() -> Problem {
    let detail = format!("a body holds at most {MAX_BATCH_BYTES} bytes; send fewer reports at a time");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
}

fn unread(error: &(dyn Error + 'static)) -> Problem {
    let mut cause = Some(error);
    while let Some(inner) = cause {
        if inner.is::<LengthLimitError>() {
            return too_large();
        }
        cause = inner.source();
    }
    Problem::bad_request(
        "body_cut_short",
        format!("the body ended before its end: {error}"),
    )
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;
    use crate::store::memory::MemoryStore;

    #[tokio::test]
    async fn a_body_is_read_only_while_there_is_room_for_it() {
        let ingest = Ingest::start(Arc::new(MemoryStore::default()), Arc::default()).expect("a thread");
        let mut others = ingest.open(0).expect("room");
        let chunk = vec![0; MAX_BATCH_BYTES];
        while others.push(&chunk).is_ok() {}
        assert_eq!(others.bytes().len(), crate::ingest::hold::MAX_HELD_BYTES);

        let declared = HeaderMap::from_iter([(header::CONTENT_LENGTH, 1.into())]);
        for headers in [declared, HeaderMap::new()] {
            let problem = read(&ingest, &headers, Body::from("x"))
                .await
                .expect_err("no room");
            assert_eq!(problem.reason(), "bodies_full");
            let answer = problem.into_response();
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(answer.headers().contains_key(header::RETRY_AFTER));
        }
        drop(others);
        let body = read(&ingest, &HeaderMap::new(), Body::from("x"))
            .await
            .expect("room again");
        assert_eq!(body.bytes(), b"x");
        ingest.finish();
    }
}
