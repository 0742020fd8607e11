//! `GET /api/v1/backup`: the whole store as one stream, while it is in use. What is in the stream is
//! `store/embedded/backup.rs`'s; here it is handed from the thread that reads the store to the connection.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::context::Context;
use super::stream::stream;
use crate::problem::Problem;
use crate::query::Stop;

/// Everything in the store, consistent, while it goes on taking reports. `azimuth-collector restore` makes a directory of it.
/// The stream's own end says that it is whole.
#[utoipa::path(
    get,
    path = "/api/v1/backup",
    tag = "operation",
    responses(
        (status = 200, description = "The stream.", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 503, description = "Another backup is being taken.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn backup(State(context): State<Arc<Context>>) -> Response {
    let Ok(turn) = Arc::clone(&context.backup_turn).try_acquire_owned() else {
        context.metrics.queries.count("backup", "backup_under_way");
        return Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "backup_under_way",
            "another backup is being taken; one at a time, because each holds on to what the store would forget",
        )
        .retry_after_s(60)
        .into_response();
    };
    let (mut pipe, chunks) = stream(Stop::default());
    tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let outcome = match context.store.backup(&mut pipe) {
            Ok(summary) => {
                tracing::info!(?summary, "a backup was taken");
                "ok"
            }
            Err(error) => {
                tracing::error!("{error}");
                pipe.break_off(&error);
                "backup_failed"
            }
        };
        context.metrics.queries.count("backup", outcome);
    });
    let headers = [(header::CONTENT_TYPE, "application/octet-stream")];
    (headers, Body::new(chunks)).into_response()
}
