//! The socket on which the command line talks to a running collector: `DATA_DIR/fleet/admin.sock`, in a directory that only
//! the collector's user (and root) may enter. The store has one process, so what changes it asks that process. Never
//! reachable over a network, and none of it is under `/api/`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::{Path as UrlPath, State};
use axum::http::StatusCode;
use axum::routing::{delete, get};
use axum::{Json, Router};
use azimuth_measurement::enrolment::{TlsTrust, base64url};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde::{Deserialize, Serialize};
use tokio::net::UnixListener;

use super::book::{AgentEntry, TokenEntry};
use super::{Fleet, Wanted};
use crate::problem::Problem;

/// The socket in the directory of the fleet.
pub fn socket_in(directory: &Path) -> PathBuf {
    directory.join("admin.sock")
}

/// A token to make.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenWanted {
    /// Where its agents stand.
    pub site: String,
    /// How many may join.
    pub uses: u32,
    /// For how long.
    pub ttl_ms: u64,
    /// Where agents reach the collector.
    pub address: String,
    /// SHA-256 of the public key of whoever ends TLS, base64url. Without, that of the collector's own door where it made its
    /// key itself, else the authorities of the agent's system.
    pub tls_pin: Option<String>,
    /// The authorities of the agent's system in any case: a proxy stands in front.
    #[serde(default)]
    pub system_authorities: bool,
}

/// A token that was made.
#[derive(Debug, Serialize, Deserialize)]
pub struct TokenMade {
    /// The token: shown this once.
    pub token: String,
    /// What the collector keeps of it.
    pub entry: TokenEntry,
}

#[derive(Clone)]
struct Admin {
    fleet: Arc<Fleet>,
    now_unix_ms: fn() -> u64,
}

/// What the socket answers.
pub fn router(fleet: Arc<Fleet>, now_unix_ms: fn() -> u64) -> Router {
    Router::new()
        .route("/admin/tokens", get(tokens).post(make_token))
        .route("/admin/tokens/{id}", delete(revoke_token))
        .route("/admin/agents", get(agents))
        .route("/admin/agents/{agent}", delete(revoke_agent))
        .with_state(Admin { fleet, now_unix_ms })
}

async fn tokens(State(admin): State<Admin>) -> Json<Vec<TokenEntry>> {
    Json(admin.fleet.tokens())
}

async fn agents(State(admin): State<Admin>) -> Json<Vec<AgentEntry>> {
    Json(admin.fleet.agents())
}

async fn make_token(
    State(admin): State<Admin>,
    Json(wanted): Json<TokenWanted>,
) -> Result<Json<TokenMade>, Problem> {
    let tls = match wanted.tls_pin.as_deref().map(base64url::decode_exactly) {
        None => match admin.fleet.tls_pin() {
            Some(pin) if !wanted.system_authorities && wanted.address.starts_with("https://") => {
                TlsTrust::Pin(pin)
            }
            _ => TlsTrust::System,
        },
        Some(Some(pin)) => TlsTrust::Pin(pin),
        Some(None) => {
            let detail = "the pin is not 32 bytes in base64url";
            return Err(Problem::bad_request("token_wrong", detail));
        }
    };
    let wanted = Wanted {
        site: wanted.site,
        uses: wanted.uses,
        ttl_ms: wanted.ttl_ms,
        address: wanted.address,
        tls,
    };
    let made = admin.fleet.make_token(wanted, (admin.now_unix_ms)())?;
    Ok(Json(TokenMade {
        token: made.token.to_string(),
        entry: made.entry,
    }))
}

async fn revoke_token(
    State(admin): State<Admin>,
    UrlPath(id): UrlPath<String>,
) -> Result<StatusCode, Problem> {
    admin.fleet.revoke_token(&id, (admin.now_unix_ms)())?;
    Ok(StatusCode::NO_CONTENT)
}

async fn revoke_agent(
    State(admin): State<Admin>,
    UrlPath(agent): UrlPath<String>,
) -> Result<StatusCode, Problem> {
    admin.fleet.revoke_agent(&agent, (admin.now_unix_ms)())?;
    Ok(StatusCode::NO_CONTENT)
}

/// Answers on the socket until dropped. Who is here is the owner of the store, so there is no limit to hold it to.
pub async fn serve(listener: UnixListener, app: Router) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let service = TowerToHyperService::new(app.clone());
                let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!("admin connection ended: {error}");
                    }
                });
            }
            Err(error) => {
                tracing::warn!("admin socket: {error}");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}
