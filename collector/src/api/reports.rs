//! `POST /api/v1/reports`: where agents deliver.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use azimuth_measurement::codec::MAX_BATCH_BYTES;

use super::context::Context;
use crate::ingest::verdict::Verdicts;
use crate::problem::Problem;

/// What the body must be called.
const CONTENT_TYPE: &str = "application/x-protobuf";
/// A body of the largest size at 35 kB/s. Who is slower holds a connection for nothing.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Delivers reports and tombstones; answers a verdict for each once it is durable.
#[utoipa::path(
    post,
    path = "/api/v1/reports",
    tag = "ingest",
    request_body(content = Vec<u8>, content_type = "application/x-protobuf", description = "A batch, version 1 of the wire form; at most 1 MiB."),
    responses(
        (status = 200, description = "One verdict per item, in the order of the items.", body = Verdicts),
        (status = 400, description = "The body is not a batch; nothing was stored.", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not arrive in time.", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body, or something in it, is too large; nothing was stored.", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is not application/x-protobuf.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not now; nothing is known to be stored. Send it again after `Retry-After`.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn reports(State(context): State<Arc<Context>>, headers: HeaderMap, body: Body) -> Response {
    match take(&context, &headers, body).await {
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

async fn take(context: &Context, headers: &HeaderMap, body: Body) -> Result<Verdicts, Problem> {
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
    let read = tokio::time::timeout(BODY_TIMEOUT, axum::body::to_bytes(body, MAX_BATCH_BYTES)).await;
    let body = read
        .map_err(|_| {
            Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "body_timeout",
                "the body did not arrive within 30 s",
            )
        })?
        .map_err(|error| unread(&error))?;
    context.ingest.take(body.into(), (context.now_unix_ms)()).await
}

fn unread(error: &axum::Error) -> Problem {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        if inner.is::<http_body_util::LengthLimitError>() {
            let detail =
                format!("a body holds at most {MAX_BATCH_BYTES} bytes; send fewer reports at a time");
            return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail);
        }
        cause = inner.source();
    }
    Problem::bad_request(
        "body_cut_short",
        format!("the body ended before its end: {error}"),
    )
}
