//! The socket on which the command line talks to a running collector: `DATA_DIR/fleet/admin.sock`, in a directory that only
//! the collector's user (and root) may enter. The store has one process, so what changes it asks that process. Never
//! reachable over a network, and none of it is under `/api/`; what people do over the API goes to the same desk.

use std::path::{Path, PathBuf};

use axum::extract::{Path as UrlPath, Query, State};
use axum::http::StatusCode;
use axum::routing::{delete, get};
use axum::{Json, Router};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde::Deserialize;
use tokio::net::UnixListener;

use super::book::{AgentEntry, TokenEntry};
use super::desk::{Asking, FleetDesk, TokenMade, TokenWanted};
use crate::problem::Problem;
use crate::serve::Peer;

/// The socket in the directory of the fleet.
pub fn socket_in(directory: &Path) -> PathBuf {
    directory.join("admin.sock")
}

/// Who asks, as the command line says: whoever may open the socket may say anything.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct By {
    #[serde(default)]
    by: String,
}

impl From<By> for Asking {
    fn from(By { by }: By) -> Self {
        Self {
            name: if by.is_empty() { "unknown".to_owned() } else { by },
            peer: Some(Peer(None)),
        }
    }
}

/// What the socket answers.
pub fn router(desk: FleetDesk) -> Router {
    Router::new()
        .route("/admin/tokens", get(tokens).post(make_token))
        .route("/admin/tokens/{id}", delete(revoke_token))
        .route("/admin/agents", get(agents))
        .route("/admin/agents/{agent}", delete(revoke_agent))
        .with_state(desk)
}

async fn tokens(State(desk): State<FleetDesk>) -> Json<Vec<TokenEntry>> {
    Json(desk.fleet().tokens())
}

async fn agents(State(desk): State<FleetDesk>) -> Json<Vec<AgentEntry>> {
    Json(desk.fleet().agents())
}

async fn make_token(
    State(desk): State<FleetDesk>,
    Query(by): Query<By>,
    Json(wanted): Json<TokenWanted>,
) -> Result<Json<TokenMade>, Problem> {
    desk.make_token(wanted, &by.into()).map(Json)
}

async fn revoke_token(
    State(desk): State<FleetDesk>,
    UrlPath(id): UrlPath<String>,
    Query(by): Query<By>,
) -> Result<StatusCode, Problem> {
    desk.revoke_token(&id, &by.into())?;
    Ok(StatusCode::NO_CONTENT)
}

async fn revoke_agent(
    State(desk): State<FleetDesk>,
    UrlPath(agent): UrlPath<String>,
    Query(by): Query<By>,
) -> Result<StatusCode, Problem> {
    desk.revoke_agent(&agent, &by.into())?;
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
