//! `GET /api/v1/backup`: the whole store as one stream, while it is in use. What is in the stream is
//! `store/embedded/backup.rs`'s; here it is handed from the thread that reads the store to the connection.

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use tokio::sync::mpsc;

use super::context::Context;
use crate::problem::Problem;

/// One piece of the stream.
const CHUNK_BYTES: usize = 64 * 1024;
/// Pieces that may wait for the connection. A reader that takes none is cut off by the connection's own patience, and the
/// thread, which holds a read transaction, ends with it.
const CHUNKS_WAITING: usize = 8;

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
    let (sender, chunks) = mpsc::channel(CHUNKS_WAITING);
    tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let mut pipe = Pipe {
            sender,
            chunk: Vec::with_capacity(CHUNK_BYTES),
        };
        let outcome = match context.store.backup(&mut pipe) {
            Ok(summary) => {
                tracing::info!(?summary, "a backup was taken");
                "ok"
            }
            Err(error) => {
                tracing::error!("{error}");
                // The connection is broken off, so that the reader does not take what it has for all.
                let _ = pipe
                    .sender
                    .blocking_send(Err(io::Error::other(error.to_string())));
                "backup_failed"
            }
        };
        context.metrics.queries.count("backup", outcome);
    });
    let headers = [(header::CONTENT_TYPE, "application/octet-stream")];
    (headers, Body::new(Chunks(chunks))).into_response()
}

/// The thread's end of the stream.
struct Pipe {
    sender: mpsc::Sender<io::Result<Bytes>>,
    chunk: Vec<u8>,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK_BYTES - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        if self.chunk.len() == CHUNK_BYTES {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK_BYTES));
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "the reader of the backup has left");
        self.sender.blocking_send(Ok(chunk.into())).map_err(gone)
    }
}

/// The connection's end.
struct Chunks(mpsc::Receiver<io::Result<Bytes>>);

impl HttpBody for Chunks {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0
            .poll_recv(task)
            .map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }
}
