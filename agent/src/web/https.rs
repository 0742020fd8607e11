//! One GET over HTTPS up to the head of its answer (RFC 9110), by HTTP/2 or HTTP/1.1, whichever the server prefers. Redirects
//! are never followed, and no body is read.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll};

use azimuth_measurement::{Answer, Phase};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::header::{ACCEPT, HOST, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::JoinSet;

use super::course::{Course, connect};
use super::tls::{Trust, secure_http};
use crate::clock::{self, Monotonic};
use crate::probe::exchange::ExchangeOutcome;

/// What the request names itself.
const AGENT: &str = concat!("azimuth-agent/", env!("CARGO_PKG_VERSION"));
/// A head larger than this is not waited for (HTTP/1.1).
const MAX_HEAD_BYTES: usize = 64 << 10;

/// The method `https_first_byte`.
pub(super) async fn first_byte(
    to: SocketAddr,
    server_name: &str,
    path: &str,
    trust: &Trust,
    course: &mut Course,
) -> Result<ExchangeOutcome, ExchangeOutcome> {
    let began = clock::monotonic();
    let stream = connect(to, course).await?;
    let stream = secure_http(stream, server_name, trust, course).await?;
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    course.enter(Phase::Request, clock::monotonic());
    let left = Departure::default();
    let watched = TokioIo::new(Watched {
        inner: stream,
        left: left.clone(),
    });
    let request = request(server_name, to.port(), path, is_http2).ok_or(ExchangeOutcome::NotSent(None))?;
    // The connection's own task ends with this exchange: a set aborts what is in it when it is dropped.
    let mut connections = JoinSet::new();
    let broken = |_| ExchangeOutcome::Refused(Answer::Broken);
    let response = if is_http2 {
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), watched)
            .await
            .map_err(broken)?;
        connections.spawn(connection);
        sender.ready().await.map_err(broken)?;
        left.arm();
        await_head(sender.send_request(request), &left, course).await
    } else {
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD_BYTES)
            .handshake(watched)
            .await
            .map_err(broken)?;
        connections.spawn(connection);
        left.arm();
        await_head(sender.send_request(request), &left, course).await
    };
    let now = clock::monotonic();
    left.note(course);
    let response = response.map_err(broken)?;
    course.pass(now);
    if matches!(
        response.status(),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    ) {
        course.note_asked_to_wait(retry_after_s(response.headers()));
    }
    Ok(ExchangeOutcome::Answered(
        kind_of(response.status()),
        now.since_ns(began),
    ))
}

/// Waits for the head, noting on the way when the request has left.
async fn await_head(
    answer: impl Future<Output = hyper::Result<Response<Incoming>>>,
    left: &Departure,
    course: &mut Course,
) -> hyper::Result<Response<Incoming>> {
    let mut answer = std::pin::pin!(answer);
    std::future::poll_fn(|context| {
        let polled = answer.as_mut().poll(context);
        // Should the exchange be given up while it waits, the phase it is in must be known.
        left.note(course);
        polled
    })
    .await
}

fn request(server_name: &str, port: u16, path: &str, is_http2: bool) -> Option<Request<Empty<Bytes>>> {
    let authority = match port {
        443 => server_name.to_owned(),
        port => format!("{server_name}:{port}"),
    };
    let (uri, version) = if is_http2 {
        (format!("https://{authority}{path}"), Version::HTTP_2)
    } else {
        (path.to_owned(), Version::HTTP_11)
    };
    let mut request = Request::get(uri)
        .version(version)
        .header(USER_AGENT, HeaderValue::from_static(AGENT))
        .header(ACCEPT, HeaderValue::from_static("*/*"));
    if !is_http2 {
        request = request.header(HOST, authority);
    }
    request.body(Empty::new()).ok()
}

/// `Retry-After` (RFC 9110 section 10.2.3) in seconds; 0 without one, and where it is a date: whose clock would that be by?
fn retry_after_s(headers: &HeaderMap) -> u32 {
    let value = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    value.and_then(|seconds| seconds.trim().parse().ok()).unwrap_or(0)
}

fn kind_of(status: StatusCode) -> Answer {
    match status.as_u16() {
        200..=299 => Answer::Ordinary,
        300..=399 => Answer::Redirect,
        400..=499 => Answer::ClientError,
        500..=599 => Answer::ServerError,
        _ => Answer::Other,
    }
}

/// When the first octets left after it was armed.
#[derive(Clone, Debug, Default)]
struct Departure(Arc<AtomicI64>);

const NOT_ARMED: i64 = 0;
const ARMED: i64 = -1;
const TOLD: i64 = -2;

impl Departure {
    fn arm(&self) {
        self.0.store(ARMED, Ordering::Relaxed);
    }

    fn happens(&self, now: Monotonic) {
        let _ = self
            .0
            .compare_exchange(ARMED, now.as_ns(), Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Tells the course, once, that the request has left and the wait for the answer has begun.
    fn note(&self, course: &mut Course) {
        let at_ns = self.0.load(Ordering::Relaxed);
        if at_ns > NOT_ARMED {
            let at = Monotonic::from_ns(at_ns);
            course.pass(at);
            course.enter(Phase::FirstByte, at);
            self.0.store(TOLD, Ordering::Relaxed);
        }
    }
}

/// A stream that notes when octets leave.
struct Watched<S> {
    inner: S,
    left: Departure,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        // Read before: a thread that is held up after the call would make the wait for the answer look shorter than it was.
        let now = clock::monotonic();
        let polled = Pin::new(&mut self.inner).poll_write(context, octets);
        if matches!(polled, Poll::Ready(Ok(1..))) {
            self.left.happens(now);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
