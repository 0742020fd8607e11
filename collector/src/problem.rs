//! Problem details (RFC 9457): the one form in which this server says no.
//!
//! `reason` is an extension member: a stable snake_case word, the same that `/metrics` counts under.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// What went wrong, for a person (`title`, `detail`) and for a program (`status`, `reason`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: the reason says more than a link would.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: &'static str,
    /// The HTTP status in words.
    #[schema(value_type = String)]
    title: &'static str,
    /// The HTTP status that this problem answers with, or would answer with if it stood alone.
    #[schema(value_type = u16)]
    status: u16,
    /// What exactly, where, and what to do about it.
    detail: String,
    /// A stable word for programs and counters.
    #[schema(value_type = String)]
    reason: &'static str,
    /// Seconds after which to try again; sent as the `Retry-After` header.
    #[serde(skip)]
    retry_after_s: Option<u32>,
}

impl Problem {
    /// A problem with a reason of its own.
    pub fn new(status: StatusCode, reason: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Problem"),
            status: status.as_u16(),
            detail: detail.into(),
            reason,
            retry_after_s: None,
        }
    }

    /// A request that can never succeed as it stands.
    pub fn bad_request(reason: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, reason, detail)
    }

    /// The same problem, with the advice to try again in `seconds`.
    #[must_use]
    pub fn retry_after_s(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The stable word.
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// The sentence for people.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status(), Json(&self)).into_response();
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.retry_after_s {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_problem_json_with_status_reason_and_advice() {
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "queue_full", "later").retry_after_s(7);
        assert_eq!(
            serde_json::to_value(&problem).expect("plain data"),
            serde_json::json!({"type": "about:blank", "title": "Service Unavailable", "status": 503, "detail": "later", "reason": "queue_full"})
        );
        let response = problem.into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            "application/problem+json"
        );
        assert_eq!(response.headers()[header::RETRY_AFTER], "7");
    }
}
