//! The small JSON bodies of requests that change something. Who may is [`crate::access`]'s; what is changed is the handlers'.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use http_body_util::{BodyExt, Limited};
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// Largest body.
pub(super) const MAX_BODY_BYTES: usize = 16 * 1024;
/// How long a body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The body of a request that changes something.
pub(super) async fn read<T: DeserializeOwned>(request: Request) -> Result<T, Problem> {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let is_json = content_type
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    if !is_json {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "wrong_content_type",
            "send `Content-Type: application/json`",
        ));
    }
    let bytes = collect(request.into_body()).await?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Problem::bad_request("invalid_body", format!("the body: {error}")))
}

async fn collect(body: Body) -> Result<Vec<u8>, Problem> {
    let mut body = Limited::new(body, MAX_BODY_BYTES);
    let mut bytes = Vec::new();
    let reading = async {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| {
                let detail =
                    format!("the body is longer than {MAX_BODY_BYTES} bytes, or ended before its end");
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
            })?;
            if let Ok(chunk) = frame.into_data() {
                bytes.extend_from_slice(&chunk);
            }
        }
        Ok::<(), Problem>(())
    };
    let slow = || {
        let detail = format!("the body did not arrive within {BODY_TIMEOUT:?}");
        Problem::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", detail)
    };
    tokio::time::timeout(BODY_TIMEOUT, reading)
        .await
        .map_err(|_| slow())??;
    Ok(bytes)
}

/// A text that a person wrote: trimmed, not too long, without control characters.
pub(super) fn text(
    name: &str,
    given: &str,
    most_chars: usize,
    may_be_empty: bool,
) -> Result<String, Problem> {
    let given = given.trim();
    let refused = |why: String| Problem::bad_request("invalid_body", format!("`{name}` {why}"));
    if given.is_empty() && !may_be_empty {
        return Err(refused("is missing; say who or what it is".to_owned()));
    }
    if given.chars().count() > most_chars {
        return Err(refused(format!(
            "is longer than {most_chars} characters; write less"
        )));
    }
    if given.chars().any(|letter| letter.is_control() && letter != '\n') {
        return Err(refused("holds control characters; write plain text".to_owned()));
    }
    Ok(given.to_owned())
}
