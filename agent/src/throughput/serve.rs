//! The far end of throughput tests: an ndt7 server (RFC 6455 WebSocket, plain or over TLS) that sends nothing to anyone without a
//! ticket, and no more than the ticket says. It decides nothing of that itself; see [`gate`](super::gate).
//!
//! A connection has a few seconds to say what it wants, a head of bounded size, and a place among a bounded number. One that says
//! nothing, as that of a `tcp_connect` probe, costs a place until it closes.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use azimuth_measurement::TransferDirection;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::accept_hdr_async_with_config;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::header::{RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL, WWW_AUTHENTICATE};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tracing::{debug, info, warn};

use super::bulk::Frames;
use super::gate::{Gate, Lease, Now};
use super::month::{MonthError, MonthFile};
use super::ndt7::{self, MOST_MESSAGE_BYTES, SUBPROTOCOL};
use super::quota::{Bounded, Quota};
use super::ticket::Refusal;
use super::tickets::{ASK, Offer};
use super::transfer::{self, Ended, Far, Test, Wire};
use crate::clock;
use crate::net::tcp_info::{congestion_control, limit_rate};
use crate::reflect::Allowed;

/// Connections at once; what is beyond is closed.
const MOST_CONNECTIONS: usize = 64;
/// How long a connection has for the TLS handshake and the head of its request.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// When a busy reflector may be asked again, in seconds.
const RETRY_AFTER_S: &str = "10";
/// How long to wait when the system has no descriptor for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a throughput reflector has done since it started.
#[derive(Debug, Default)]
pub struct Counters {
    tests: AtomicU64,
    bytes: AtomicU64,
    challenges: AtomicU64,
    refused: [AtomicU64; Refusal::ALL.len()],
    not_allowed: AtomicU64,
    too_many: AtomicU64,
    no_request: AtomicU64,
    ended: [AtomicU64; Ended::ALL.len()],
}

impl Counters {
    /// Tests that began.
    #[must_use]
    pub fn tests(&self) -> u64 {
        self.tests.load(Ordering::Relaxed)
    }

    /// Octets of messages moved by them.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Challenges given to who asked for one.
    #[must_use]
    pub fn challenges(&self) -> u64 {
        self.challenges.load(Ordering::Relaxed)
    }

    /// Tests refused for this reason.
    #[must_use]
    pub fn refused(&self, refusal: Refusal) -> u64 {
        let all = Refusal::ALL.iter().zip(&self.refused);
        all.filter(|(known, _)| **known == refusal)
            .map(|(_, count)| count.load(Ordering::Relaxed))
            .sum()
    }

    /// Tests that ended this way.
    #[must_use]
    pub fn ended(&self, ended: Ended) -> u64 {
        let all = Ended::ALL.iter().zip(&self.ended);
        all.filter(|(known, _)| **known == ended)
            .map(|(_, count)| count.load(Ordering::Relaxed))
            .sum()
    }

    /// Connections closed without a request that ndt7 knows, in time.
    #[must_use]
    pub fn no_request(&self) -> u64 {
        self.no_request.load(Ordering::Relaxed)
    }

    fn count_ended(&self, ended: Ended) {
        for (known, count) in Ended::ALL.iter().zip(&self.ended) {
            count.fetch_add(u64::from(*known == ended), Ordering::Relaxed);
        }
    }

    fn count_refused(&self, refusal: Refusal) {
        for (known, count) in Refusal::ALL.iter().zip(&self.refused) {
            count.fetch_add(u64::from(*known == refusal), Ordering::Relaxed);
        }
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tests={} bytes={}", self.tests(), self.bytes())?;
        for ended in Ended::ALL {
            write!(f, " ended_{}={}", ended.as_str(), self.ended(ended))?;
        }
        for refusal in Refusal::ALL {
            write!(f, " refused_{}={}", refusal.as_str(), self.refused(refusal))?;
        }
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        write!(
            f,
            " challenges={} not_allowed={} too_many_connections={} no_request={}",
            self.challenges(),
            of(&self.not_allowed),
            of(&self.too_many),
            of(&self.no_request)
        )
    }
}

/// What is common to all connections.
pub struct Service {
    /// Who may begin.
    pub gate: Mutex<Gate>,
    /// Whom it listens to at all.
    pub allowed: Allowed,
    /// Fixed for every connection; `None` leaves the system's.
    pub congestion_control: Option<String>,
    /// Where the account of the month is kept; `None` keeps it in memory.
    pub ledger: Option<Mutex<MonthFile>>,
    /// Long messages, for plain connections; without them they are copied.
    pub frames: Option<Frames>,
    /// With it, connections are TLS.
    pub tls: Option<TlsAcceptor>,
    /// What happened.
    pub counters: Counters,
}

impl Service {
    /// Writes the account down as it stands; off the threads that move octets.
    async fn write_down(self: &Arc<Self>) -> Result<(), MonthError> {
        if self.ledger.is_none() {
            return Ok(());
        }
        let service = Arc::clone(self);
        let writing = tokio::task::spawn_blocking(move || {
            let Some(ledger) = &service.ledger else {
                return Ok(());
            };
            // In this order, so that a later writer writes a later account.
            let file = ledger.lock().unwrap_or_else(PoisonError::into_inner);
            let month = service
                .gate
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .month();
            file.write(month)
        });
        // A thread that panicked has written nothing of use, which the next start sees.
        writing.await.unwrap_or(Ok(()))
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

/// Accepts at `listener` until dropped; the tests under way end with it.
pub async fn serve(service: Arc<Service>, listener: TcpListener) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "no descriptor for a connection to the throughput port");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if !service.allowed.permits(peer.ip()) {
            service.counters.not_allowed.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            service.counters.too_many.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        let service = Arc::clone(&service);
        connections.spawn(async move {
            Box::pin(connection(&service, stream, peer)).await;
            drop(place);
        });
    }
}

async fn connection(service: &Arc<Service>, stream: TcpStream, peer: SocketAddr) {
    let cc = match congestion_control(&stream, service.congestion_control.as_deref()) {
        Ok(name) => name,
        Err(error) => {
            warn!(%error, wanted = ?service.congestion_control, "the congestion control cannot be had; the connection is closed");
            return;
        }
    };
    // Small texts beside full buffers; nothing else depends on it.
    let _ = stream.set_nodelay(true);
    let facts = match Facts::of(&stream, peer, cc) {
        Ok(facts) => facts,
        Err(error) => {
            debug!(%error, %peer, "gone before it said anything");
            return;
        }
    };
    let deadline = tokio::time::sleep(HEAD_TIME);
    match &service.tls {
        None => speak(service, stream, facts, deadline).await,
        Some(tls) => {
            tokio::pin!(deadline);
            let secured = tokio::select! {
                secured = tls.accept(stream) => secured,
                () = &mut deadline => Err(io::ErrorKind::TimedOut.into()),
            };
            match secured {
                Ok(stream) => speak(service, stream, facts, deadline).await,
                Err(error) => {
                    debug!(%error, %peer, "no TLS");
                    service.counters.no_request.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}

/// What is known of a connection before it says anything.
pub(super) struct Facts {
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
    pub(super) congestion_control: String,
    /// The same socket once more: the kernel is asked beside whoever reads and writes.
    pub(super) socket: std::os::fd::OwnedFd,
}

impl Facts {
    pub(super) fn of(stream: &TcpStream, peer: SocketAddr, congestion_control: String) -> io::Result<Self> {
        use std::os::fd::AsFd;
        Ok(Self {
            peer,
            local: stream.local_addr()?,
            congestion_control,
            socket: stream.as_fd().try_clone_to_owned()?,
        })
    }
}

/// A lease that finds its own way back.
struct Held {
    service: Arc<Service>,
    lease: Lease,
    moved_bytes: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut gate = self.service.gate.lock().unwrap_or_else(PoisonError::into_inner);
        gate.leave(&self.lease, self.moved_bytes);
    }
}

async fn speak<S: Wire>(service: &Arc<Service>, stream: S, facts: Facts, deadline: impl Future<Output = ()>) {
    let mut held = None;
    let quota = Arc::new(Quota::default());
    let stream = Bounded::new(stream, Arc::clone(&quota));
    #[expect(clippy::result_large_err, reason = "the library's own type of a refusal")]
    let callback = |request: &Request, response: Response| match enter(service, request) {
        Ok(entered) => {
            held = Some(entered);
            let mut response = response;
            let name = HeaderValue::from_static(SUBPROTOCOL);
            response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, name);
            Ok(response)
        }
        Err(refused) => Err(refused),
    };
    let accepted = {
        let accepting = accept_hdr_async_with_config(stream, callback, Some(socket_config()));
        tokio::pin!(deadline);
        tokio::select! {
            accepted = accepting => accepted.ok(),
            () = deadline => None,
        }
    };
    let (Some(socket), Some(mut held)) = (accepted, held) else {
        service.counters.no_request.fetch_add(1, Ordering::Relaxed);
        return;
    };
    let lease = &held.lease;
    if lease.max_bps > 0
        && lease.direction == TransferDirection::Download
        && let Err(error) = limit_rate(&facts.socket, lease.max_bps / 8)
    {
        warn!(%error, "the rate cannot be limited; the test is not run");
        return;
    }
    if let Err(error) = service.write_down().await {
        warn!(%error, "a throughput test is left out");
        service.counters.count_ended(Ended::Ledger);
        return;
    }
    service.counters.tests.fetch_add(1, Ordering::Relaxed);
    let test = Test {
        direction: lease.direction,
        max_bytes: lease.max_bytes,
        max: Duration::from_millis(lease.max_ms.into()),
        max_bps: lease.max_bps,
    };
    let peer = facts.peer;
    let far = Far {
        test: &test,
        facts: &facts,
        quota: &quota,
        frames: service.frames.as_ref(),
    };
    let (ended, moved_bytes) = transfer::serve(socket, far, clock::monotonic).await;
    held.moved_bytes = match test.direction {
        TransferDirection::Download => moved_bytes,
        // All that came counts, whole messages or not.
        TransferDirection::Upload => quota.read_bytes(),
    };
    let counters = &service.counters;
    counters.bytes.fetch_add(moved_bytes, Ordering::Relaxed);
    let direction = test.direction.as_str();
    info!(%peer, direction, bytes = moved_bytes, ended = ended.as_str(), "throughput test");
    drop(held);
    if let Err(error) = service.write_down().await {
        warn!(%error, "what the test did not use counts as spent until the ledger can be written");
    }
    // Last: who sees it counted sees its lease given back, and the account written.
    counters.count_ended(ended);
}

/// Frames are written as they come: what waits in a buffer of ours would be counted before it is sent.
pub(super) fn socket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .write_buffer_size(0)
        .max_write_buffer_size(4 * MOST_MESSAGE_BYTES)
        .max_message_size(Some(MOST_MESSAGE_BYTES))
        .max_frame_size(Some(MOST_MESSAGE_BYTES))
}

#[expect(clippy::result_large_err, reason = "the library's own type of a refusal")]
fn enter(service: &Arc<Service>, request: &Request) -> Result<Held, ErrorResponse> {
    let Some(direction) = ndt7::direction(request.uri().path()) else {
        return Err(says(
            StatusCode::NOT_FOUND,
            "ask for /ndt/v7/download or /ndt/v7/upload",
        ));
    };
    let offered = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let speaks = offered
        .filter_map(|value| value.to_str().ok())
        .flat_map(|names| names.split(','))
        .any(|name| name.trim() == SUBPROTOCOL);
    if !speaks {
        return Err(says(
            StatusCode::BAD_REQUEST,
            "offer Sec-WebSocket-Protocol: net.measurementlab.ndt.v7",
        ));
    }
    let query = request.uri().query().unwrap_or("");
    let token = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("access_token="));
    let now = Now {
        unix_ms: clock::wall().unix_ms(),
        monotonic_ms: clock::since_boot_ms(),
    };
    let (entered, offer) = {
        let mut gate = service.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let entered = gate.enter(token, direction, now);
        let offer = match entered {
            Err(Refusal::NoTicket) => gate.challenge(now).map(|challenge| Offer {
                reflector: gate.name().clone(),
                challenge,
            }),
            _ => None,
        };
        (entered, offer)
    };
    let refusal = match entered {
        Ok(lease) => {
            return Ok(Held {
                service: Arc::clone(service),
                lease,
                moved_bytes: 0,
            });
        }
        Err(refusal) => refusal,
    };
    if offer.is_some() && query.split('&').any(|key| key == ASK) {
        service.counters.challenges.fetch_add(1, Ordering::Relaxed);
    } else {
        service.counters.count_refused(refusal);
    }
    let status = match refusal {
        Refusal::Busy | Refusal::Spent => StatusCode::SERVICE_UNAVAILABLE,
        Refusal::NoTicket => StatusCode::UNAUTHORIZED,
        _ => StatusCode::FORBIDDEN,
    };
    let mut refused = says(status, &format!("{}: {refusal}", refusal.as_str()));
    let headers = refused.headers_mut();
    if refusal == Refusal::Busy {
        headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
    }
    if let Some(offered) = offer.and_then(|offer| HeaderValue::try_from(offer.to_string()).ok()) {
        headers.insert(WWW_AUTHENTICATE, offered);
    }
    Err(refused)
}

fn says(status: StatusCode, text: &str) -> ErrorResponse {
    let mut response = ErrorResponse::new(Some(format!("{text}\n")));
    *response.status_mut() = status;
    response
}
