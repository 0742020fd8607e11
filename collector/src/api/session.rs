//! `/api/v1/session`: who am I, log in, log out. Whether a password is right is decided in [`crate::access`].

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::blocking::blocking;
use super::body;
use super::context::Context;
use crate::access::gate::{Asker, Caller, Known, is_own_site, is_this_machine};
use crate::access::guard::{COOKIE, LoginRefusal};
use crate::access::role::Role;
use crate::problem::Problem;
use crate::serve::Peer;

/// Who asks, and what they may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct SessionAnswer {
    /// What they are called; null for anybody.
    #[schema(required = true)]
    pub name: Option<String>,
    /// What they may do; null when they have to log in first.
    #[schema(required = true)]
    pub role: Option<Role>,
    /// Whether logging in with a password is possible here.
    pub can_log_in: bool,
    /// Whether there is a session to end.
    pub can_log_out: bool,
    /// Whether anybody may look, with places blurred.
    pub is_public: bool,
    /// What the identity provider is called that people can sign in with, at `/api/v1/oidc/login`; null if there is none.
    #[schema(required = true)]
    pub sign_in_with: Option<String>,
}

/// A name and a password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionBody {
    /// The user's name.
    pub name: String,
    /// The user's password.
    pub password: String,
}

/// Who asks, and what they may do.
#[utoipa::path(
    get,
    path = "/api/v1/session",
    tag = "access",
    responses((status = 200, description = "Who asks, and what they may do.", body = SessionAnswer))
)]
pub(super) async fn who(State(context): State<Arc<Context>>, Extension(asker): Extension<Asker>) -> Response {
    Json(answer(&context, &asker)).into_response()
}

fn answer(context: &Context, asker: &Asker) -> SessionAnswer {
    let (name, role, known) = match asker {
        Asker::Caller(caller) => (Some(caller.name.clone()), Some(caller.role), Some(caller.known)),
        Asker::Anybody { .. } => (None, context.guard.anybodys_role(), None),
    };
    SessionAnswer {
        name,
        role,
        can_log_in: context.guard.has_passwords(),
        can_log_out: known == Some(Known::Session),
        is_public: matches!(asker, Asker::Anybody { is_public: true }),
        sign_in_with: context.sign_in.as_ref().map(|sign_in| sign_in.name().to_owned()),
    }
}

/// Log in: the answer sets a cookie.
#[utoipa::path(
    post,
    path = "/api/v1/session",
    tag = "access",
    request_body = SessionBody,
    responses(
        (status = 200, description = "Logged in; the cookie says so from now on.", body = SessionAnswer),
        (status = 400, description = "The body cannot be understood.", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Name or password are wrong.", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Asked by a page of another site.", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many tries; `Retry-After` says when to try again.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn log_in(State(context): State<Arc<Context>>, request: Request) -> Response {
    let done = async {
        if !is_own_site(Known::Session, request.headers()) {
            return Err(super::cross_site());
        }
        let peer = request.extensions().get::<Peer>().copied();
        let headers = request.headers().clone();
        let body: SessionBody = body::read(request).await?;
        let guard = Arc::clone(&context);
        let name = body.name.clone();
        let logged_in = blocking("logging in", move || {
            guard.guard.log_in(&body.name, &body.password, peer)
        });
        let (secret, role) = logged_in.await?.map_err(|refusal| match refusal {
            LoginRefusal::Wrong => Problem::new(
                StatusCode::UNAUTHORIZED,
                "wrong_password",
                "name or password are wrong",
            ),
            LoginRefusal::Throttled(seconds) => {
                let detail = format!("too many tries; try again in {seconds} s");
                Problem::new(StatusCode::TOO_MANY_REQUESTS, "login_throttled", detail).retry_after_s(seconds)
            }
            LoginRefusal::Failed(why) => internal(&why),
        })?;
        let caller = Caller {
            name,
            role,
            known: Known::Session,
        };
        let answered = answer(&context, &Asker::Caller(caller));
        let cookie = cookie_of_session(&secret, secure(&headers));
        Ok(with_cookie(Json(answered).into_response(), &cookie))
    };
    done.await.unwrap_or_else(|problem: Problem| {
        context.metrics.access.count("login", problem.reason());
        problem.into_response()
    })
}

/// Log out: the session ends, here and everywhere its cookie is.
#[utoipa::path(
    delete,
    path = "/api/v1/session",
    tag = "access",
    responses((status = 204, description = "There is no session any more."))
)]
pub(super) async fn log_out(State(context): State<Arc<Context>>, headers: HeaderMap) -> Response {
    if !is_own_site(Known::Session, &headers) {
        return super::cross_site().into_response();
    }
    context.guard.log_out(&headers);
    with_cookie(
        StatusCode::NO_CONTENT.into_response(),
        &format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"),
    )
}

/// The cookie of a session; `secure` is the attribute of that name, or nothing.
pub(super) fn cookie_of_session(secret: &str, secure: &str) -> String {
    format!("{COOKIE}={secret}; Path=/; HttpOnly; SameSite=Lax{secure}")
}

/// The attribute that keeps a cookie off the wire in the clear: over plain HTTP from elsewhere a browser then keeps none. On this
/// machine there is no wire.
fn secure(headers: &HeaderMap) -> &'static str {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    if host.is_some_and(is_this_machine) {
        ""
    } else {
        "; Secure"
    }
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    // Made of our own name and hexadecimal digits, so it always is a header's value.
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

fn internal(detail: &str) -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
}
