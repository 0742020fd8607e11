//! `/api/v1/api-tokens`: what programs show instead of a password. What is done is [`crate::access::tokens`]'s, as on the
//! command line; who may is [`crate::access::gate`]'s.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, RawQuery, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Noted;
use super::blocking::blocking;
use super::body;
use super::context::Context;
use super::fleet::{asking, gone};
use super::params::Params;
use crate::access::accounts::Token;
use crate::access::files::FileError;
use crate::access::gate::Asker;
use crate::access::guard::Guard;
use crate::access::role::Role;
use crate::access::tokens::Wanted;
use crate::problem::Problem;
use crate::serve::Peer;
use crate::utc::UtcInstant;

/// An API token; never its text.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ApiTokenAnswer {
    /// What it is for.
    pub name: String,
    /// What its bearer may do.
    pub role: Role,
    /// When it was made.
    pub made_at: UtcInstant,
    /// When it ends; null when it is good until it is revoked.
    #[schema(required = true)]
    pub expires_at: Option<UtcInstant>,
    /// Whether it has ended.
    pub is_expired: bool,
}

/// The API tokens.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ApiTokensAnswer {
    /// By name.
    pub tokens: Vec<ApiTokenAnswer>,
    /// Whether none can be made here yet: it would be the first account, and nobody could log in after it.
    pub needs_administrator: bool,
}

/// A token to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ApiTokenWanted {
    /// What it is for: 1 to 64 letters, digits, and - _ . @ +
    pub name: String,
    /// What its bearer may do.
    pub role: Role,
    /// How long it is good; left out or null, until it is revoked.
    #[serde(default)]
    pub ttl_ms: Option<u64>,
}

/// A token that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ApiTokenMade {
    /// Its text, for `Authorization: Bearer`: told this once.
    pub token: String,
    /// Its name.
    pub name: String,
}

impl ApiTokenAnswer {
    fn of(name: String, token: &Token, now_unix_ms: u64) -> Self {
        Self {
            name,
            role: token.role,
            made_at: UtcInstant::from_unix_ms(token.created_at_unix_ms),
            expires_at: token.expires_at_unix_ms.map(UtcInstant::from_unix_ms),
            is_expired: token.expires_at_unix_ms.is_some_and(|end| end <= now_unix_ms),
        }
    }
}

/// The API tokens: names, roles, ends. Needs the role `administer`.
#[utoipa::path(
    get,
    path = "/api/v1/api-tokens",
    tag = "access",
    responses(
        (status = 200, description = "The tokens; never their texts.", body = ApiTokensAnswer),
        (status = 403, description = "The role is missing.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn api_tokens(State(context): State<Arc<Context>>, RawQuery(query): RawQuery) -> Response {
    let told = async {
        Params::read(query.as_deref(), &[])?;
        let now_unix_ms = (context.now_unix_ms)();
        let tokens = at_the_guard(&context, |guard| Ok((guard.tokens(), guard.would_lock_out())));
        let (tokens, needs_administrator) = tokens.await?;
        let tokens = tokens
            .into_iter()
            .map(|(name, token)| ApiTokenAnswer::of(name, &token, now_unix_ms))
            .collect();
        let answer = ApiTokensAnswer {
            tokens,
            needs_administrator,
        };
        Ok(Json(answer).into_response())
    };
    context.counted("api_tokens", told.await)
}

/// Makes an API token: its text is in the answer, and nowhere else. Needs the role `administer`.
#[utoipa::path(
    post,
    path = "/api/v1/api-tokens",
    tag = "access",
    request_body = ApiTokenWanted,
    responses(
        (status = 201, description = "The token, good from now on; durable.", body = ApiTokenMade),
        (status = 400, description = "The body cannot be understood, or something in it is wrong; the detail says what.", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The role is missing, or asked by a page of another site.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "There is no account yet, so nobody could log in after it.", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is not JSON.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It could not be written.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn make_api_token(
    State(context): State<Arc<Context>>,
    Extension(asker): Extension<Asker>,
    request: Request,
) -> Response {
    let asking = asking(&asker, request.extensions().get::<Peer>().copied());
    let made = async {
        let ApiTokenWanted { name, role, ttl_ms } = body::read(request).await?;
        let token = at_the_guard(&context, move |guard| {
            if guard.would_lock_out() {
                let detail = "there are no accounts, and with the first one everybody has to log in, this machine included; \
                              make yourself one before: `azimuth-collector user add NAME --role administer`";
                return Err(Problem::new(StatusCode::CONFLICT, "no_administrator", detail));
            }
            let wanted = Wanted {
                name: &name,
                role,
                ttl_ms,
            };
            let token = guard.make_token(wanted, &asking.name, asking.peer);
            let token = token.map_err(|error| problem(error, StatusCode::BAD_REQUEST, "api_token_wrong"))?;
            Ok(ApiTokenMade { token, name })
        });
        Ok((StatusCode::CREATED, Extension(Noted), Json(token.await?)).into_response())
    };
    context.counted("api_token_made", made.await)
}

/// Takes an API token away, from now on. Needs the role `administer`.
#[utoipa::path(
    delete,
    path = "/api/v1/api-tokens/{name}",
    tag = "access",
    params(("name" = String, Path, description = "The token's `name`.")),
    responses(
        (status = 204, description = "It is good for nothing any more; durable."),
        (status = 403, description = "The role is missing, or asked by a page of another site.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such token.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It could not be written.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn revoke_api_token(
    State(context): State<Arc<Context>>,
    Extension(asker): Extension<Asker>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let asking = asking(&asker, request.extensions().get::<Peer>().copied());
    let done = at_the_guard(&context, move |guard| {
        let revoked = guard.revoke_token(&name, &asking.name, asking.peer);
        revoked.map_err(|error| problem(error, StatusCode::NOT_FOUND, "unknown_api_token"))
    });
    context.counted("api_token_revoked", done.await.map(|()| gone()))
}

/// A refusal with a word of its own, or files that cannot be had; where they are is in the log alone.
fn problem(error: FileError, status: StatusCode, reason: &'static str) -> Problem {
    match error {
        FileError::Refused(detail) => Problem::new(status, reason, detail),
        FileError::System { .. } | FileError::Damaged { .. } => {
            tracing::error!("{error}");
            let detail = "the accounts could not be read or written, and nothing has changed; the collector's log says why";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "accounts_failed", detail).retry_after_s(15)
        }
    }
}

/// On a thread that may wait for the disk.
async fn at_the_guard<T: Send + 'static>(
    context: &Context,
    ask: impl FnOnce(&Guard) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let guard = Arc::clone(&context.guard);
    blocking("a look at the accounts", move || ask(&guard)).await?
}
