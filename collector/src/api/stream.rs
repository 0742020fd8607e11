//! An answer that a thread writes while its reader takes it: a bounded channel between the two. Whoever leaves ends the
//! other. Not for small answers; those are `reply.rs`'s.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use axum::body::{Bytes, HttpBody};
use axum::http::HeaderMap;
use hyper::body::Frame;
use tokio::sync::mpsc;

use crate::query::Stop;

/// One piece of the stream.
const CHUNK_BYTES: usize = 64 * 1024;
/// Pieces that may wait for the connection. A reader that takes none is cut off by the connection's own patience, and the
/// thread, which holds a read transaction, ends with it.
const CHUNKS_WAITING: usize = 8;

/// Both ends. The reader's end raises `stop` when it is dropped.
pub(super) fn stream(stop: Stop) -> (Pipe, Chunks) {
    let (sender, chunks) = mpsc::channel(CHUNKS_WAITING);
    let pipe = Pipe {
        sender,
        chunk: Vec::with_capacity(CHUNK_BYTES),
        until: None,
    };
    (pipe, Chunks { chunks, stop })
}

/// The thread's end of the stream.
pub(super) struct Pipe {
    sender: mpsc::Sender<io::Result<Frame<Bytes>>>,
    chunk: Vec<u8>,
    /// The clock, and when it is too late, in unix milliseconds.
    until: Option<(fn() -> u64, u64)>,
}

impl Pipe {
    /// Takes nothing more after this instant.
    pub(super) fn until(mut self, now_unix_ms: fn() -> u64, until_unix_ms: u64) -> Self {
        self.until = Some((now_unix_ms, until_unix_ms));
        self
    }

    /// Breaks the connection off, so that the reader does not take what it has for all.
    pub(super) fn break_off(&mut self, error: &impl ToString) {
        let _ = self
            .sender
            .blocking_send(Err(io::Error::other(error.to_string())));
    }

    /// Ends the stream with these headers behind it, for a reader that asked for trailers.
    pub(super) fn finish(&mut self, trailers: HeaderMap) -> io::Result<()> {
        self.flush()?;
        self.sender
            .blocking_send(Ok(Frame::trailers(trailers)))
            .map_err(|_| gone())
    }
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
        if let Some((now_unix_ms, until_unix_ms)) = self.until
            && now_unix_ms() > until_unix_ms
        {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it took too long"));
        }
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK_BYTES));
        self.sender
            .blocking_send(Ok(Frame::data(chunk.into())))
            .map_err(|_| gone())
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the reader has left")
}

/// The connection's end.
pub(super) struct Chunks {
    chunks: mpsc::Receiver<io::Result<Frame<Bytes>>>,
    stop: Stop,
}

impl Drop for Chunks {
    fn drop(&mut self) {
        self.stop.raise();
    }
}

impl HttpBody for Chunks {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.chunks.poll_recv(task)
    }
}
