//! Sockets and connections: accept, bound, time out, drain. HTTP/1.1 by hyper, with its own header timeout off: it runs
//! while a kept connection idles, so one number would be both. `pace` knows the one from the other. What is answered is
//! `api.rs`.

pub mod doors;
mod pace;
mod patience;

use std::collections::HashMap;
use std::future::Future;
use std::net::IpAddr;
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tower::ServiceExt;

use self::pace::SharedPace;
use self::patience::Patience;
use crate::metrics::Metrics;

/// What a connection may take, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Most connections, over all listeners.
    pub connections: usize,
    /// Most connections from one address that is not this machine: a proxy or a site behind one address, not a crowd.
    pub connections_per_address: usize,
    /// How long a connection is kept between two requests. Six intervals, so that an agent that delivers every ten
    /// seconds keeps its connection.
    pub idle_timeout: Duration,
    /// How long a request head may take, from its first byte; of a new connection, from its beginning.
    pub head_timeout: Duration,
    /// How long a client may take nothing of its answer. A dead link on the way is given up after as long.
    pub write_timeout: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections: 4_096,
            connections_per_address: 128,
            idle_timeout: Duration::from_secs(60),
            head_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(30),
        }
    }
}

/// Who asks, as an extension of every request: an address, or none over the unix socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub Option<IpAddr>);

/// Largest request head.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// How long open requests may take to finish when the collector stops.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// After a failed accept (out of file descriptors, mostly), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The sockets that requests come in on.
#[derive(Debug)]
pub struct Listeners {
    /// TCP.
    pub tcp: TcpListener,
    /// Unix.
    pub unix: Option<UnixListener>,
    /// TCP with TLS, for agents.
    pub tls: Option<TlsListener>,
}

impl Listeners {
    /// With a door for agents. It is bound in each round anew: agents come again.
    #[must_use]
    pub fn with_tls(self, tls: Option<TlsListener>) -> Self {
        Self { tls, ..self }
    }
}

/// A listener with TLS, and what it answers.
pub struct TlsListener {
    /// TCP.
    pub listener: TcpListener,
    /// TLS.
    pub config: Arc<ServerConfig>,
    /// What is answered.
    pub app: Router,
}

impl std::fmt::Debug for TlsListener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.listener.fmt(f)
    }
}

/// Binds a unix socket. A socket file that nobody answers on is left over from a kill and is replaced; one that is
/// answered on, or a file that is no socket, is left alone.
///
/// # Errors
/// When the path is taken or the system refuses.
pub async fn bind_unix(path: &Path) -> std::io::Result<UnixListener> {
    use std::os::unix::fs::FileTypeExt;
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(std::io::Error::other(
                "the path is taken by a file that is not a socket",
            ));
        }
        Ok(_) if tokio::net::UnixStream::connect(path).await.is_ok() => {
            return Err(std::io::Error::other("another process answers on this socket"));
        }
        Ok(_) => std::fs::remove_file(path)?,
    }
    UnixListener::bind(path)
}

/// Serves until `stop` completes with how long open requests may take to finish; then lets them, and cuts the rest off.
pub async fn serve(
    listeners: Listeners,
    app: Router,
    limits: ConnectionLimits,
    metrics: Arc<Metrics>,
    stop: impl Future<Output = Duration>,
) {
    let places = Places::new(limits, Arc::clone(&metrics));
    let (stopping, stopped) = watch::channel(false);
    let (cutting, cut) = watch::channel(false);
    let graceful = Arc::new(Mutex::new(Some(GracefulShutdown::new())));
    let door = Door {
        app,
        limits,
        places,
        metrics,
        graceful: Arc::clone(&graceful),
        cut,
    };
    let mut tcp_task = tokio::spawn(accept_tcp(listeners.tcp, door.clone(), stopped.clone()));
    let tls_task = listeners.tls.map(|tls| {
        let app = tls.app.clone();
        let door = Door { app, ..door.clone() };
        tokio::spawn(accept_tls(tls, door, stopped.clone()))
    });
    let unix_task = listeners
        .unix
        .map(|listener| tokio::spawn(accept_unix(listener, door.clone(), stopped)));
    drop(door);

    let mut stop = pin!(stop);
    let drain = tokio::select! {
        drain = &mut stop => drain,
        // It only ends when told to, or in a panic; then there is nothing left to serve.
        _ = &mut tcp_task => {
            tracing::error!("the accept loop ended by itself");
            DRAIN_TIMEOUT
        }
    };
    let _ = stopping.send(true);
    if let Some(task) = tls_task {
        let _ = task.await;
    }
    if !tcp_task.is_finished() {
        let _ = tcp_task.await;
    }
    if let Some(task) = unix_task {
        let _ = task.await;
    }
    let draining = graceful.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(draining) = draining
        && tokio::time::timeout(drain, draining.shutdown()).await.is_err()
    {
        tracing::warn!("some requests had not finished after {drain:?} and were cut off");
    }
    let _ = cutting.send(true);
}

/// What every connection is given.
#[derive(Clone)]
struct Door {
    app: Router,
    limits: ConnectionLimits,
    places: Places,
    metrics: Arc<Metrics>,
    graceful: Arc<Mutex<Option<GracefulShutdown>>>,
    /// Set when whoever is still open is cut off.
    cut: watch::Receiver<bool>,
}

impl Door {
    fn admit<S>(&self, stream: S, address: Option<IpAddr>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        if let Some(place) = self.places.take(address) {
            self.admit_to(place, stream, address);
        }
    }

    fn admit_to<S>(&self, place: ConnectionPlace, stream: S, address: Option<IpAddr>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.metrics.connections.add(1);
        let pace = SharedPace::new(&self.limits);
        let stream = Patience::new(
            stream,
            pace.clone(),
            self.limits.write_timeout,
            Arc::clone(&self.metrics),
        );
        let app = self.app.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(address));
            // Hyper has the whole head, or it would not ask.
            let answering = pace.answering();
            let answer = app.clone().oneshot(request);
            async move {
                // Dropped with the body of the answer, which is when hyper is done with it.
                let kept_to_the_end = |body: axum::body::Body| {
                    body.map_frame(move |frame| {
                        let _ = &answering;
                        frame
                    })
                };
                answer.await.map(|response| response.map(kept_to_the_end))
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .max_buf_size(MAX_HEAD_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        let watched = {
            let graceful = self.graceful.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(graceful) = graceful.as_ref() else { return };
            graceful.watch(connection)
        };
        let metrics = Arc::clone(&self.metrics);
        let mut cut = self.cut.clone();
        tokio::spawn(async move {
            let ended = tokio::select! {
                ended = watched => ended,
                _ = cut.changed() => Ok(()),
            };
            if let Err(error) = ended {
                metrics.connections_failed.add(1);
                tracing::debug!("connection ended: {error}");
            }
            drop(place);
        });
    }
}

async fn accept_tcp(listener: TcpListener, door: Door, mut stopped: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stopped.changed() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    // Answers are small and awaited, so they should not wait for more to send.
                    let _ = stream.set_nodelay(true);
                    door.admit(stream, Some(peer.ip()));
                }
                Err(error) => pause_after(&error).await,
            },
        }
    }
}

/// Who handshakes has a place already, so that handshakes are bounded as connections are.
async fn accept_tls(tls: TlsListener, door: Door, mut stopped: watch::Receiver<bool>) {
    let acceptor = TlsAcceptor::from(tls.config);
    loop {
        tokio::select! {
            _ = stopped.changed() => return,
            accepted = tls.listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let Some(place) = door.places.take(Some(peer.ip())) else { continue };
                    let _ = stream.set_nodelay(true);
                    let (door, shaking) = (door.clone(), acceptor.accept(stream));
                    tokio::spawn(async move {
                        match tokio::time::timeout(door.limits.head_timeout, shaking).await {
                            Ok(Ok(stream)) => door.admit_to(place, stream, Some(peer.ip())),
                            _ => door.metrics.tls_failed.add(1),
                        }
                    });
                }
                Err(error) => pause_after(&error).await,
            },
        }
    }
}

async fn accept_unix(listener: UnixListener, door: Door, mut stopped: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stopped.changed() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => door.admit(stream, None),
                Err(error) => pause_after(&error).await,
            },
        }
    }
}

async fn pause_after(error: &std::io::Error) {
    tracing::warn!("accept: {error}");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

/// How many connections may be open, in all and per address.
#[derive(Clone)]
struct Places {
    limits: ConnectionLimits,
    in_all: Arc<Semaphore>,
    by_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
    metrics: Arc<Metrics>,
}

impl Places {
    fn new(limits: ConnectionLimits, metrics: Arc<Metrics>) -> Self {
        Self {
            limits,
            in_all: Arc::new(Semaphore::new(limits.connections)),
            by_address: Arc::default(),
            metrics,
        }
    }

    /// A place for a connection, or `None`, counted, when there is none. Loopback and unix sockets count in all only:
    /// behind them are proxies and whole test beds.
    fn take(&self, address: Option<IpAddr>) -> Option<ConnectionPlace> {
        let place = self.take_uncounted(address);
        if place.is_none() {
            self.metrics.connections_refused.add(1);
        }
        place
    }

    fn take_uncounted(&self, address: Option<IpAddr>) -> Option<ConnectionPlace> {
        let in_all = Arc::clone(&self.in_all).try_acquire_owned().ok()?;
        let address = address
            .map(|address| address.to_canonical())
            .filter(|address| !address.is_loopback());
        if let Some(address) = address {
            let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
            let open = by_address.entry(address).or_default();
            if *open >= self.limits.connections_per_address {
                return None;
            }
            *open += 1;
        }
        Some(ConnectionPlace {
            _in_all: in_all,
            address,
            by_address: Arc::clone(&self.by_address),
        })
    }
}

/// Given back when the connection ends.
struct ConnectionPlace {
    _in_all: OwnedSemaphorePermit,
    address: Option<IpAddr>,
    by_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = by_address.get_mut(&address) {
            *open -= 1;
            if *open == 0 {
                by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_every_place_and_places_come_back() {
        let metrics = Arc::new(Metrics::default());
        let (limits, most) = (
            ConnectionLimits::default(),
            ConnectionLimits::default().connections_per_address,
        );
        let places = Places::new(limits, Arc::clone(&metrics));
        let crowd: IpAddr = "192.0.2.1".parse().expect("an address");
        let mut taken: Vec<_> = (0..most).filter_map(|_| places.take(Some(crowd))).collect();
        assert_eq!(taken.len(), most);
        assert!(places.take(Some(crowd)).is_none());
        assert!(
            places
                .take(Some("::ffff:192.0.2.1".parse().expect("an address")))
                .is_none(),
            "the same host"
        );
        assert!(
            places
                .take(Some("192.0.2.2".parse().expect("an address")))
                .is_some()
        );
        assert_eq!(metrics.connections_refused.get(), 2);
        taken.pop();
        assert!(places.take(Some(crowd)).is_some());
    }

    #[test]
    fn this_machine_is_bounded_in_all_only() {
        let most = ConnectionLimits::default().connections;
        let places = Places::new(ConnectionLimits::default(), Arc::default());
        let taken: Vec<_> = (0..most + 1)
            .filter_map(|_| places.take(Some(IpAddr::from([127, 0, 0, 1]))))
            .collect();
        assert_eq!(taken.len(), most);
        assert!(places.take(None).is_none());
    }
}
