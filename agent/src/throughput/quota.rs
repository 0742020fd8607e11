//! How many octets a peer may still send: a stream that is read no further than that, whatever comes. Beneath WebSocket, so that
//! frames, texts and half messages count as well. What is beyond stays in the kernel, and its window closes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What was read, and what may be.
#[derive(Debug)]
pub(super) struct Quota {
    read_bytes: AtomicU64,
    left_bytes: AtomicU64,
    is_spent: AtomicBool,
}

impl Default for Quota {
    /// No bound yet.
    fn default() -> Self {
        Self {
            read_bytes: AtomicU64::new(0),
            left_bytes: AtomicU64::new(u64::MAX),
            is_spent: AtomicBool::new(false),
        }
    }
}

impl Quota {
    /// From now on so many octets may come, and are counted.
    pub(super) fn begin(&self, bytes: u64) {
        self.read_bytes.store(0, Ordering::Relaxed);
        self.left_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Octets read since it began.
    pub(super) fn read_bytes(&self) -> u64 {
        self.read_bytes.load(Ordering::Relaxed)
    }

    /// Whether more was there to be read than might be. Nobody is woken for it.
    pub(super) fn is_spent(&self) -> bool {
        self.is_spent.load(Ordering::Relaxed)
    }
}

/// A stream with a quota for what is read.
pub(super) struct Bounded<S> {
    inner: S,
    quota: Arc<Quota>,
}

impl<S> Bounded<S> {
    pub(super) fn new(inner: S, quota: Arc<Quota>) -> Self {
        Self { inner, quota }
    }

    pub(super) fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let quota = Arc::clone(&self.quota);
        let left = quota.left_bytes.load(Ordering::Relaxed);
        let room = usize::try_from(left).unwrap_or(usize::MAX);
        let (polled, more) = if room >= into.remaining() {
            let before = into.filled().len();
            let polled = Pin::new(&mut self.inner).poll_read(context, into);
            (polled, into.filled().len() - before)
        } else if room == 0 {
            quota.is_spent.store(true, Ordering::Relaxed);
            return Poll::Pending;
        } else {
            let mut part = ReadBuf::new(into.initialize_unfilled_to(room));
            let polled = Pin::new(&mut self.inner).poll_read(context, &mut part);
            let more = part.filled().len();
            into.advance(more);
            (polled, more)
        };
        quota.read_bytes.fetch_add(more as u64, Ordering::Relaxed);
        if left < u64::MAX {
            quota.left_bytes.fetch_sub(more as u64, Ordering::Relaxed);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn nothing_is_read_beyond_the_quota_and_that_more_was_there_is_known() {
        let (mut far, near) = tokio::io::duplex(1_000);
        let quota = Arc::new(Quota::default());
        let mut near = Bounded::new(near, Arc::clone(&quota));
        far.write_all(&[7; 300]).await.expect("written");
        let mut some = [0; 100];
        near.read_exact(&mut some).await.expect("no bound yet");
        quota.begin(150);
        let mut rest = vec![0; 150];
        near.read_exact(&mut rest).await.expect("within it");
        assert_eq!((quota.read_bytes(), quota.is_spent()), (150, false));
        assert!(rest.iter().all(|octet| *octet == 7));
        assert!(near.read(&mut some).now_or_never().is_none());
        assert_eq!((quota.read_bytes(), quota.is_spent()), (150, true));
    }
}
