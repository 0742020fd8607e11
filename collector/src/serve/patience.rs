//! A connection whose peer must keep to its pace, and keep taking what it is sent. Hyper times nothing that it writes: a
//! peer that stops reading would keep an answer, and its place, for as long as it likes. When it is time is [`super::pace`].

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep, sleep_until};

use super::pace::{Overdue, SharedPace};
use crate::metrics::Metrics;

/// A stream that fails with `TimedOut` when it could write nothing for so long or a request head takes too long, and
/// that ends when nothing is asked of it for too long.
#[derive(Debug)]
pub(super) struct Patience<S> {
    stream: S,
    pace: SharedPace,
    timeout: Duration,
    metrics: Arc<Metrics>,
    /// Set while a read waits for its peer.
    expecting: Option<Pin<Box<Sleep>>>,
    /// Set while a write waits for its peer.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S> Patience<S> {
    pub(super) fn new(stream: S, pace: SharedPace, timeout: Duration, metrics: Arc<Metrics>) -> Self {
        Self {
            stream,
            pace,
            timeout,
            metrics,
            expecting: None,
            waiting: None,
        }
    }

    /// What a write came to, or a failure once it has waited too long. Anything taken starts the wait anew.
    fn judge<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            self.pace.wrote();
            return written;
        }
        let timeout = self.timeout;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(timeout)));
        ready!(waiting.as_mut().poll(context));
        self.metrics.connections_write_timeout.add(1);
        Poll::Ready(Err(timed_out(format!("the peer took nothing for {timeout:?}"))))
    }

    /// Waits until the read that found nothing has waited too long.
    fn out_of_patience(&mut self, context: &mut Context<'_>) -> Poll<Overdue> {
        let Some((due, what)) = self.pace.due() else {
            self.expecting = None;
            self.pace.wake_when_answered(context.waker());
            return Poll::Pending;
        };
        let due = due.into();
        let expecting = self.expecting.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if expecting.deadline() != due {
            expecting.as_mut().reset(due);
        }
        ready!(expecting.as_mut().poll(context));
        Poll::Ready(what)
    }
}

fn timed_out(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

impl<S: AsyncRead + Unpin> AsyncRead for Patience<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            if buffer.filled().len() > before {
                self.pace.read();
            }
            return read;
        }
        match ready!(self.out_of_patience(context)) {
            // To hyper the client has left.
            Overdue::Idle => {
                self.metrics.connections_idle_closed.add(1);
                Poll::Ready(Ok(()))
            }
            Overdue::Head => {
                self.metrics.connections_head_timeout.add(1);
                Poll::Ready(Err(timed_out("the request head did not come in time".to_owned())))
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patience<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.judge(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::net::UnixStream;

    use super::*;
    use crate::serve::ConnectionLimits;

    fn patience(stream: UnixStream, timeout: Duration) -> Patience<UnixStream> {
        let pace = SharedPace::new(&ConnectionLimits::default());
        Patience::new(stream, pace, timeout, Arc::default())
    }

    async fn write(ours: &mut Patience<UnixStream>) -> io::Result<usize> {
        poll_fn(|context| Pin::new(&mut *ours).poll_write(context, &[7; 4_096])).await
    }

    #[tokio::test]
    async fn a_peer_that_takes_nothing_is_cut_off() {
        let (ours, _theirs) = UnixStream::pair().expect("a pair");
        let mut ours = patience(ours, Duration::from_millis(5));
        let error = loop {
            if let Err(error) = write(&mut ours).await {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_peer_that_takes_everything_gets_everything() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let mut ours = patience(ours, Duration::from_secs(3_600));
        let reader = tokio::spawn(async move {
            let (mut all, mut chunk) = (0, [0; 1_000]);
            loop {
                theirs.readable().await.expect("an open socket");
                match theirs.try_read(&mut chunk) {
                    Ok(0) => return all,
                    Ok(more) => all += more,
                    Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
                }
            }
        });
        let mut sent = 0;
        while sent < 2_000_000 {
            sent += write(&mut ours).await.expect("somebody reads");
        }
        drop(ours);
        assert_eq!(reader.await.expect("no panic"), sent);
    }
}
