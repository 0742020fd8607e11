//! The HTTP surface: everything this server answers, in one list.
//!
//! Handlers read parameters, put one question to `query/` or one body to `ingest/`, and dress the answer. Headers that
//! every answer carries are set here; sockets, timeouts and limits on connections are `serve.rs`.

pub mod alert_answers;
mod alert_windows;
mod alerts;
pub mod answers;
mod api_tokens;
mod backup;
mod blocking;
mod body;
mod catalogue;
mod compare;
pub mod context;
mod enrolment;
pub mod explain;
pub mod export;
mod fleet;
mod groups;
mod incidents;
mod inventory;
mod map;
mod oidc;
pub mod openapi;
mod operation;
mod pair;
mod params;
pub mod paths;
pub(crate) mod plan;
mod query_threads;
mod reply;
mod reports;
mod session;
mod silences;
pub mod snapshots;
mod status;
mod stream;
pub mod throughput;
pub mod throughput_newest;
mod way;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};

use self::context::Context;
use crate::access::gate::{self, Asker, Refusal};
use crate::problem::Problem;
use crate::serve::Peer;
use crate::site;

/// What a page of ours may do: run its own scripts and styles, show its own images, ask its own origin, never be shown in a
/// frame. Nothing else.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// The one page that others may show, if the configuration names them.
const EMBED_PATH: &str = "/embed";

/// The table of contents.
pub fn router(context: Arc<Context>) -> Router {
    Router::new()
        .route("/api/v1/reports", post(reports::reports))
        .route("/api/v1/join", post(enrolment::join))
        .route("/api/v1/agent/challenge", post(enrolment::challenge))
        .route("/api/v1/agent/session", post(enrolment::session))
        .route("/api/v1/agent/key", post(enrolment::key))
        .route("/api/v1/agent/ticket", post(enrolment::ticket))
        .route("/api/v1/agent/plan", get(plan::plan))
        .route("/api/v1/agents", get(inventory::agents))
        .route("/api/v1/zones", get(inventory::zones))
        .route("/api/v1/catalogue", get(catalogue::catalogue))
        .route("/api/v1/map", get(map::map))
        .route("/api/v1/groups", get(groups::groups))
        .route("/api/v1/compare", get(compare::compare))
        .route("/api/v1/series", get(pair::series))
        .route("/api/v1/heatmap", get(pair::heatmap))
        .route("/api/v1/distribution", get(pair::distribution))
        .route("/api/v1/explain", get(explain::explain))
        .route("/api/v1/paths", get(paths::paths))
        .route("/api/v1/throughput", get(throughput::throughput))
        .route("/api/v1/throughput/newest", get(throughput_newest::newest))
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
        .route(
            "/api/v1/session",
            get(session::who).post(session::log_in).delete(session::log_out),
        )
        .route(
            "/api/v1/fleet/tokens",
            get(fleet::join_tokens).post(fleet::make_join_token),
        )
        .route("/api/v1/fleet/tokens/{id}", delete(fleet::revoke_join_token))
        .route("/api/v1/fleet/agents", get(fleet::joined_agents))
        .route("/api/v1/fleet/agents/{agent}", delete(fleet::revoke_agent))
        .route("/api/v1/fleet/plan", get(fleet::plan_in_force))
        .route(
            "/api/v1/api-tokens",
            get(api_tokens::api_tokens).post(api_tokens::make_api_token),
        )
        .route("/api/v1/api-tokens/{name}", delete(api_tokens::revoke_api_token))
        .route("/api/v1/oidc/login", get(oidc::login))
        .route("/api/v1/oidc/callback", get(oidc::callback))
        .route("/api/v1/openapi.json", get(operation::openapi))
        .route(
            "/api/v1/snapshots",
            get(snapshots::snapshots).post(snapshots::keep),
        )
        .merge(snapshots::reading())
        .route("/api/v1/status", get(status::status))
        .route("/metrics", get(operation::metrics))
        .route("/healthz", get(operation::healthz))
        .route("/readyz", get(operation::readyz))
        .method_not_allowed_fallback(wrong_method)
        .fallback(everything_else)
        .layer(middleware::from_fn_with_state(
            Arc::clone(&context),
            through_the_gate,
        ))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&context),
            with_security_headers,
        ))
        .with_state(context)
}

/// What the door of agents answers: joining, sessions, and reports in one.
pub fn agents_router(context: Arc<Context>) -> Router {
    Router::new()
        .route("/api/v1/reports", post(reports::reports_in_session))
        .route("/api/v1/join", post(enrolment::join))
        .route("/api/v1/agent/challenge", post(enrolment::challenge))
        .route("/api/v1/agent/session", post(enrolment::session))
        .route("/api/v1/agent/key", post(enrolment::key))
        .route("/api/v1/agent/ticket", post(enrolment::ticket))
        .route("/api/v1/agent/plan", get(plan::plan))
        .route("/healthz", get(operation::healthz))
        .method_not_allowed_fallback(wrong_method)
        .fallback(not_at_this_door)
        .layer(middleware::from_fn_with_state(
            Arc::clone(&context),
            with_security_headers,
        ))
        .with_state(context)
}

async fn not_at_this_door() -> Problem {
    let detail = "only agents are answered here; the API and the dashboards are where `listen` says";
    Problem::new(StatusCode::NOT_FOUND, "not_found", detail)
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

/// Says of an answer that the audit log holds what was changed, in better words than method and path.
#[derive(Debug, Clone, Copy)]
struct Noted;

/// Lets through what its caller may ask, and writes down what was changed and by whom.
async fn through_the_gate(State(context): State<Arc<Context>>, mut request: Request, next: Next) -> Response {
    if request.extensions().get::<Asker>().is_some() {
        // Asked from within, on behalf of somebody who was judged. No request from outside has this.
        return next.run(request).await;
    }
    let peer = request.extensions().get::<Peer>().copied();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    if let Some(reason) = context.guard.foreign_name(peer, request.headers()) {
        context.metrics.access.count("proxy_header", reason);
    }
    let asker = match context.guard.pass(&method, &path, peer, request.headers()) {
        Ok(asker) => asker,
        Err(refusal) => {
            let problem = refused(refusal);
            let what = if method == Method::GET || method == Method::HEAD {
                "look"
            } else {
                "change"
            };
            context.metrics.access.count(what, problem.reason());
            return problem.into_response();
        }
    };
    request.extensions_mut().insert(asker.clone());
    let response = next.run(request).await;
    let is_change = matches!(
        method,
        Method::POST | Method::PUT | Method::PATCH | Method::DELETE
    ) && gate::need(&method, &path) != gate::Need::Nothing;
    if is_change
        && response.status().is_success()
        && response.extensions().get::<Noted>().is_none()
        && let Asker::Caller(caller) = asker
    {
        let noting = tokio::task::spawn_blocking(move || {
            context
                .guard
                .note(&caller.name, peer, "changed", &format!("{method} {path}"));
        });
        // A panic there is in the log; the change was made either way.
        let _ = noting.await;
    }
    response
}

fn refused(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::LogIn => {
            let detail = "log in, or show a token in `Authorization: Bearer`; `azimuth-collector api-token create` makes one";
            Problem::new(StatusCode::UNAUTHORIZED, "not_logged_in", detail)
        }
        Refusal::NotAllowed(role) => {
            let detail = format!("this needs the role `{role}`; an administrator can give it");
            Problem::new(StatusCode::FORBIDDEN, "not_allowed", detail)
        }
        Refusal::NotFromHere => {
            let detail = "there are no accounts, so only this machine may change something; ask over 127.0.0.1 or the unix \
                          socket, or make an account with `azimuth-collector user add`";
            Problem::new(StatusCode::FORBIDDEN, "not_from_here", detail)
        }
        Refusal::CrossSite => cross_site(),
    }
}

fn cross_site() -> Problem {
    let detail = "a page of another site may change nothing; without accounts open the dashboards at http://127.0.0.1 or \
                  http://localhost, or let a proxy that knows its users leave `Origin` and `Sec-Fetch-Site` out";
    Problem::new(StatusCode::FORBIDDEN, "cross_site", detail)
}

async fn with_security_headers(
    State(context): State<Arc<Context>>,
    request: Request,
    next: Next,
) -> Response {
    let policy = policy(request.uri().path(), &context.frame_ancestors);
    let is_api = request.uri().path().starts_with("/api/");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    if is_api {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// The policy of a page.
fn policy(path: &str, frame_ancestors: &str) -> HeaderValue {
    let strict = HeaderValue::from_static(CONTENT_SECURITY_POLICY);
    if path != EMBED_PATH {
        return strict;
    }
    let framed = CONTENT_SECURITY_POLICY.replace(
        "frame-ancestors 'none'",
        &format!("frame-ancestors {frame_ancestors}"),
    );
    HeaderValue::from_str(&framed).unwrap_or(strict)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_panel_may_be_framed_and_only_by_who_is_named() {
        let of = |path, who| policy(path, who).to_str().unwrap_or_default().to_owned();
        let framed = of("/embed", "https://wiki.example.org");
        assert!(
            framed.ends_with("frame-ancestors https://wiki.example.org"),
            "{framed}"
        );
        assert!(framed.starts_with("default-src 'none'; script-src 'self'"));
        for (path, who) in [
            ("/", "https://wiki.example.org"),
            ("/embed/", "https://wiki.example.org"),
            ("/alerts", "'self'"),
            ("/api/v1/map", "'self'"),
            ("/embed", "'none'"),
            ("/embed", "a\nb"),
        ] {
            assert!(of(path, who).ends_with("frame-ancestors 'none'"), "{path} {who}");
        }
    }
}
