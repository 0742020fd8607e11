//! The HTTP surface: everything this server answers, in one list.
//!
//! Handlers read parameters, put one question to `query/` or one body to `ingest/`, and dress the answer. Headers that
//! every answer carries are set here; sockets, timeouts and limits on connections are `serve.rs`.

pub mod alert_answers;
mod alert_windows;
mod alerts;
pub mod answers;
mod backup;
mod compare;
pub mod context;
pub mod export;
mod groups;
mod incidents;
mod inventory;
mod local;
mod map;
pub mod openapi;
mod operation;
mod pair;
mod params;
pub mod paths;
mod reply;
mod reports;
mod silences;
mod status;
mod stream;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};

use self::context::Context;
use crate::problem::Problem;
use crate::site;

/// What a page of ours may do: run its own scripts and styles, show its own images, ask its own origin. Nothing else.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The table of contents.
pub fn router(context: Arc<Context>) -> Router {
    Router::new()
        .route("/api/v1/reports", post(reports::reports))
        .route("/api/v1/agents", get(inventory::agents))
        .route("/api/v1/zones", get(inventory::zones))
        .route("/api/v1/map", get(map::map))
        .route("/api/v1/groups", get(groups::groups))
        .route("/api/v1/compare", get(compare::compare))
        .route("/api/v1/series", get(pair::series))
        .route("/api/v1/heatmap", get(pair::heatmap))
        .route("/api/v1/distribution", get(pair::distribution))
        .route("/api/v1/paths", get(paths::paths))
        .route("/api/v1/export", get(export::export))
        .route("/api/v1/backup", get(backup::backup))
        .route("/api/v1/alerts", get(alerts::alerts))
        .route("/api/v1/alerts/{id}/acknowledge", post(alerts::acknowledge))
        .route("/api/v1/incidents", get(incidents::incidents))
        .route("/api/v1/rules", get(alerts::rules))
        .route(
            "/api/v1/silences",
            get(silences::silences).post(silences::silence),
        )
        .route("/api/v1/silences/{id}", delete(silences::unsilence))
        .route("/api/v1/openapi.json", get(operation::openapi))
        .route("/api/v1/status", get(status::status))
        .route("/metrics", get(operation::metrics))
        .route("/healthz", get(operation::healthz))
        .route("/readyz", get(operation::readyz))
        .method_not_allowed_fallback(wrong_method)
        .fallback(everything_else)
        .layer(middleware::from_fn(with_security_headers))
        .with_state(context)
}

async fn wrong_method(request: Request) -> Problem {
    let detail = format!("{} does not answer {}", request.uri().path(), request.method());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}

async fn everything_else(request: Request) -> Response {
    let path = request.uri().path();
    if path.starts_with("/api/") {
        let detail = format!("there is no {path}; GET /api/v1/openapi.json lists what there is");
        return Problem::new(StatusCode::NOT_FOUND, "not_found", detail).into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return wrong_method(request).await.into_response();
    }
    site::serve(path, request.headers())
}

async fn with_security_headers(request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with("/api/");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(CONTENT_SECURITY_POLICY),
    );
    if is_api {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}
