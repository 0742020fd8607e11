//! For those who run the collector: `/metrics`, `/healthz`, `/readyz`, and the API description itself.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::blocking::blocking;
use super::context::Context;
use super::openapi::Description;
use crate::exposition::negotiate::{self, Form};
use crate::exposition::{protobuf, text};
use crate::problem::Problem;
use crate::store::TimeRange;

/// The measured delays of each pair, and the collector's own counters, for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operation",
    responses((
        status = 200,
        description = "Prometheus text format 0.0.4; or, for who asks for it with `Accept`, length-delimited `io.prometheus.client.MetricFamily`, which alone carries native histograms.",
        content((String = "text/plain; version=0.0.4"), (Vec<u8> = "application/vnd.google.protobuf"))
    ))
)]
pub(super) async fn metrics(State(context): State<Arc<Context>>, headers: HeaderMap) -> Response {
    let accept = headers.get_all(header::ACCEPT).iter();
    let accept: Vec<&str> = accept.filter_map(|value| value.to_str().ok()).collect();
    let form = negotiate::form(&accept.join(","));
    // Thousands of histograms are written out, and procfs is read.
    let page = blocking("writing the page", move || {
        let families = context.families();
        match form {
            Form::Text => (text::CONTENT_TYPE, text::render(&families).into_bytes()),
            Form::Protobuf => (protobuf::CONTENT_TYPE, protobuf::render(&families)),
        }
    });
    match page.await {
        Ok((content_type, page)) => {
            let headers = [(header::CONTENT_TYPE, content_type), (header::VARY, "accept")];
            (headers, page).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

/// Whether the process runs.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "operation",
    responses((status = 200, description = "It runs.", body = String, content_type = "text/plain"))
)]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether it can do its work: the store is open, readable, and took the last write.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operation",
    responses(
        (status = 200, description = "The store is open and writable.", body = String, content_type = "text/plain"),
        (status = 503, description = "It is not.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn readyz(State(context): State<Arc<Context>>) -> Response {
    let not_ready = |detail: String| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "store_not_ready", detail).into_response()
    };
    let store = Arc::clone(&context.store);
    let nothing = TimeRange {
        from_unix_ms: 0,
        to_unix_ms: 0,
    };
    let read = tokio::task::spawn_blocking(move || {
        let selection = crate::store::SeriesSelection::default();
        let request = crate::store::ScanRequest {
            range: nothing,
            series: &selection,
            step_ms: 1,
        };
        store.scan(request, &mut |_| std::ops::ControlFlow::Break(()))
    });
    match read.await {
        Ok(Ok(_)) if context.store.condition().writable => "ready\n".into_response(),
        Ok(Ok(_)) => not_ready("the last write failed; the next one tries again".to_owned()),
        Ok(Err(error)) => not_ready(error.to_string()),
        Err(_) => not_ready("reading the store panicked; see the log".to_owned()),
    }
}

/// This description.
#[utoipa::path(
    get,
    path = "/api/v1/openapi.json",
    tag = "operation",
    responses((status = 200, description = "OpenAPI 3.1.", body = serde_json::Value))
)]
pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], Description::json()).into_response()
}
