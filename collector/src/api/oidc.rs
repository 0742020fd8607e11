//! `/api/v1/oidc/`: away to the identity provider and back. Both are pages a browser goes to, so both answer with a redirect: a
//! refusal leads to the login screen, with its word in `sign_in`. What is believed is decided in [`crate::access::oidc`].

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::blocking::blocking;
use super::context::Context;
use super::session::cookie_of_session;
use crate::access::guard::cookie;
use crate::access::oidc::desk::{Answer, SignIn};
use crate::access::oidc::flow::{self, LONGEST_MS};
use crate::access::oidc::refusal::Refusal;
use crate::problem::Problem;
use crate::serve::Peer;

/// Where the login under way is kept by the browser.
const PATH: &str = "/api/v1/oidc/";

/// Away to the identity provider, which sends the browser back to `/api/v1/oidc/callback`.
#[utoipa::path(
    get,
    path = "/api/v1/oidc/login",
    tag = "access",
    params(("return_to" = Option<String>, Query, description = "The page to come back to, a path of this collector; `/` if left out.")),
    responses(
        (status = 303, description = "To the provider, or to the login screen with the word of a refusal in `sign_in`."),
        (status = 404, description = "No provider is configured.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn login(State(context): State<Arc<Context>>, uri: Uri) -> Response {
    let Some(sign_in) = &context.sign_in else {
        return no_provider().into_response();
    };
    let wanted = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .find(|(name, _)| name == "return_to")
        .map_or_else(|| "/".to_owned(), |(_, value)| value.into_owned());
    match sign_in.depart(&wanted).await {
        Ok(departure) => {
            let age_s = LONGEST_MS / 1_000;
            let kept = cookie_of_login(&departure.cookie, age_s, sign_in);
            see_other(&departure.location, &[kept])
        }
        Err(refusal) => refused(&context, sign_in, &refusal),
    }
}

/// Back from the identity provider: begins a session.
#[utoipa::path(
    get,
    path = "/api/v1/oidc/callback",
    tag = "access",
    params(
        ("code" = Option<String>, Query, description = "What the provider gave."),
        ("state" = Option<String>, Query, description = "What it was given."),
        ("iss" = Option<String>, Query, description = "The provider, where it says so (RFC 9207)."),
        ("error" = Option<String>, Query, description = "Why the provider gave nothing."),
    ),
    responses(
        (status = 303, description = "To the page asked for, with a cookie, or to the login screen with the word of a refusal in `sign_in`."),
        (status = 404, description = "No provider is configured.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn callback(State(context): State<Arc<Context>>, request: Request) -> Response {
    let Some(sign_in) = &context.sign_in else {
        return no_provider().into_response();
    };
    let peer = request.extensions().get::<Peer>().copied();
    let headers = request.headers().clone();
    let answer = Answer::read(request.uri().query().unwrap_or_default());
    let held = cookie(&headers, flow::COOKIE).unwrap_or_default();
    let arrived = sign_in
        .arrive(&answer, held, || context.guard.may_sign_in(peer))
        .await;
    let arrival = match arrived {
        Ok(arrival) => arrival,
        Err(refusal) => {
            // What never reached the provider anybody could send a thousand times; the counter has it.
            if refusal.is_judged() {
                let (context, reason) = (Arc::clone(&context), refusal.reason());
                let by = sign_in.name().to_owned();
                let noting = tokio::task::spawn_blocking(move || {
                    context.guard.note(&by, peer, "login_refused", reason);
                });
                let _ = noting.await;
            }
            return refused(&context, sign_in, &refusal);
        }
    };
    // No account can have this name: names of accounts have neither blanks nor brackets.
    let name = format!("{} ({})", arrival.person.name, sign_in.name());
    let (role, longest_ms) = (arrival.person.role, sign_in.session_ms());
    let subject = format!("subject {}", arrival.person.subject);
    let guard = Arc::clone(&context.guard);
    let let_in = blocking("signing in", move || {
        guard.let_in(&name, role, longest_ms, &subject, peer)
    });
    match let_in.await {
        Ok(Ok(secret)) => {
            let cookies = [
                cookie_of_session(&secret, secure(sign_in)),
                cookie_of_login("", 0, sign_in),
            ];
            see_other(&arrival.return_to, &cookies)
        }
        Ok(Err(why)) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", why).into_response(),
        Err(problem) => problem.into_response(),
    }
}

fn no_provider() -> Problem {
    let detail = "no identity provider is configured; `[access.oidc]` names one";
    Problem::new(StatusCode::NOT_FOUND, "no_provider", detail)
}

fn refused(context: &Context, sign_in: &SignIn, refusal: &Refusal) -> Response {
    let reason = refusal.reason();
    context.metrics.access.count("oidc", reason);
    tracing::info!(
        "not signed in with {}: {reason}: {}",
        sign_in.name(),
        refusal.detail()
    );
    see_other(&format!("/?sign_in={reason}"), &[cookie_of_login("", 0, sign_in)])
}

fn cookie_of_login(value: &str, age_s: u64, sign_in: &SignIn) -> String {
    let secure = secure(sign_in);
    format!(
        "{}={value}; Path={PATH}; Max-Age={age_s}; HttpOnly; SameSite=Lax{secure}",
        flow::COOKIE
    )
}

/// The attribute that keeps a cookie off the wire in the clear. What the proxy in front makes of `Host` does not matter here.
fn secure(sign_in: &SignIn) -> &'static str {
    if sign_in.is_https() { "; Secure" } else { "" }
}

fn see_other(location: &str, cookies: &[String]) -> Response {
    let Ok(location) = HeaderValue::from_str(location) else {
        let detail = "the address to go on to is no header";
        return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail).into_response();
    };
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response();
    for cookie in cookies {
        // Made of our own words and base64url, so that it always is a header's value.
        if let Ok(value) = HeaderValue::from_str(cookie) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    response
}
