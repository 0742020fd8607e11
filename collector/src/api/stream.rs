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
/// A piece does not wait longer than this to be full, in milliseconds, so that a slow answer is no silence.
const PATIENCE_MS: u64 = 1_000;

/// Both ends. The reader's end raises `stop` when it is dropped.
pub(super) fn stream(stop: Stop) -> (Pipe, Chunks) {
    let (sender, chunks) = mpsc::channel(CHUNKS_WAITING);
    let pipe = Pipe {
        sender,
        chunk: Vec::with_capacity(CHUNK_BYTES),
        until: None,
        sent_at_unix_ms: 0,
    };
    (pipe, Chunks { chunks, stop })
}

/// The thread's end of the stream.
pub(super) struct Pipe {
    sender: mpsc::Sender<io::Result<Frame<Bytes>>>,
    chunk: Vec<u8>,
    /// The clock, and when it is too late, in unix milliseconds.
    until: Option<(fn() -> u64, u64)>,
    sent_at_unix_ms: u64,
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
        let is_late = |(now_unix_ms, _): (fn() -> u64, u64)| {
            now_unix_ms().saturating_sub(self.sent_at_unix_ms) >= PATIENCE_MS
        };
        if self.chunk.len() == CHUNK_BYTES || self.until.is_some_and(is_late) {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        if let Some((now_unix_ms, until_unix_ms)) = self.until {
            self.sent_at_unix_ms = now_unix_ms();
            if self.sent_at_unix_ms > until_unix_ms {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "it took too long"));
            }
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

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn noon() -> u64 {
        1_795_428_000_000
    }

    #[tokio::test]
    async fn what_is_written_arrives_and_a_broken_stream_says_so() {
        let (pipe, mut chunks) = stream(Stop::default());
        let writing = tokio::task::spawn_blocking(move || {
            let mut pipe = pipe.until(noon, noon());
            pipe.write_all(&[7; 3 * CHUNK_BYTES + 5])?;
            pipe.flush()?;
            pipe.break_off(&"enough");
            io::Result::Ok(())
        });
        let mut bytes = 0;
        let error = loop {
            match chunks.frame().await.expect("not the end").map(Frame::into_data) {
                Ok(data) => bytes += data.expect("data").len(),
                Err(error) => break error,
            }
        };
        assert_eq!(
            (bytes, error.to_string().as_str()),
            (3 * CHUNK_BYTES + 5, "enough")
        );
        assert!(writing.await.expect("no panic").is_ok());
    }

    #[tokio::test]
    async fn a_pipe_past_its_time_takes_no_more_and_a_reader_that_leaves_raises_the_word() {
        let stop = Stop::default();
        let (pipe, chunks) = stream(stop.clone());
        let mut late = pipe.until(noon, noon() - 1);
        let error = late.write_all(b"x").expect_err("too late");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(stop.check().is_ok());
        drop(chunks);
        assert!(stop.check().is_err());
    }
}
