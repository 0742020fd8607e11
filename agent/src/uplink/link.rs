//! The way to the collector: HTTP/1.1 (RFC 9112) over TCP, TLS or a unix socket, one connection that is kept. Carries bytes
//! and caps answers; what they mean is decided elsewhere. No redirects, no proxies, no cookies.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use azimuth_measurement::enrolment::TlsTrust;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, HOST, IF_NONE_MATCH, RETRY_AFTER, USER_AGENT,
};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::trust;
use crate::config::CollectorAddress;

/// A request that takes longer has failed.
const TIMEOUT: Duration = Duration::from_secs(15);
/// A connection that takes longer to come about has failed, and is known to have carried nothing.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest answer read: a batch full of refusals, each with its problem.
const MAX_ANSWER_BYTES: usize = 1 << 20;
/// What requests name themselves.
const AGENT: &str = concat!("azimuth-agent/", env!("CARGO_PKG_VERSION"));

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum LinkError {
    /// No connection came about, so nothing was told to anybody.
    #[error("{to}: {why}")]
    NotConnected {
        /// Where to.
        to: String,
        /// Why not.
        why: String,
    },
    /// The connection ended before the answer did.
    #[error("{to}: the connection broke off: {why}")]
    Broken {
        /// Where to.
        to: String,
        /// Why.
        why: String,
    },
    /// Nothing came for too long.
    #[error("{to}: no answer within {} s", TIMEOUT.as_secs())]
    Silent {
        /// Where to.
        to: String,
    },
}

impl LinkError {
    /// Whether it is certain that the collector saw nothing of the request.
    #[must_use]
    pub fn carried_nothing(&self) -> bool {
        matches!(self, Self::NotConnected { .. })
    }
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Its `Retry-After`, as it was written.
    pub retry_after: Option<String>,
    /// Its `ETag` (RFC 9110 section 8.8.3), as it was written.
    pub etag: Option<String>,
    /// Its body, up to what is read of one.
    pub body: Vec<u8>,
}

type Sender = SendRequest<Full<Bytes>>;

/// A client of one collector.
#[derive(Debug)]
pub struct Link {
    to: CollectorAddress,
    tls: Option<Arc<tokio_rustls::rustls::ClientConfig>>,
    kept: Mutex<Option<Sender>>,
}

impl Link {
    /// A client of this collector, which is known by `trust` where it is reached over TLS.
    #[must_use]
    pub fn new(to: &CollectorAddress, trust: TlsTrust) -> Self {
        Self {
            tls: matches!(to, CollectorAddress::Https(_)).then(|| trust::config(trust)),
            to: to.clone(),
            kept: Mutex::new(None),
        }
    }

    /// Posts and reads the answer.
    ///
    /// # Errors
    /// When there was none.
    pub async fn post(
        &self,
        path: &str,
        content_type: &str,
        bearer: Option<&str>,
        body: Vec<u8>,
    ) -> Result<Reply, LinkError> {
        let request = self
            .request(Method::POST, path, bearer)
            .header(CONTENT_TYPE, content_type);
        self.ask(request, body).await
    }

    /// Asks for what is at `path`, unless it is the one that `known`, an `ETag`, names.
    ///
    /// # Errors
    /// When there was no answer.
    pub async fn get(
        &self,
        path: &str,
        bearer: Option<&str>,
        known: Option<&str>,
    ) -> Result<Reply, LinkError> {
        let mut request = self.request(Method::GET, path, bearer);
        if let Some(known) = known {
            request = request.header(IF_NONE_MATCH, known);
        }
        self.ask(request, Vec::new()).await
    }

    fn request(&self, method: Method, path: &str, bearer: Option<&str>) -> hyper::http::request::Builder {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.to.authority())
            .header(USER_AGENT, AGENT)
            .header(ACCEPT, "application/json");
        match bearer {
            Some(bearer) => request.header(AUTHORIZATION, format!("Bearer {bearer}")),
            None => request,
        }
    }

    async fn ask(&self, request: hyper::http::request::Builder, body: Vec<u8>) -> Result<Reply, LinkError> {
        let request = request
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| self.not_connected(&error))?;
        let mut kept = self.kept.lock().await;
        let answered = tokio::time::timeout(TIMEOUT, self.exchange(&mut kept, request)).await;
        answered.unwrap_or_else(|_| {
            // What is still under way on it would be the answer to something else.
            *kept = None;
            let to = self.to.to_string();
            Err(LinkError::Silent { to })
        })
    }

    async fn exchange(
        &self,
        kept: &mut Option<Sender>,
        request: Request<Full<Bytes>>,
    ) -> Result<Reply, LinkError> {
        if let Some(mut sender) = kept.take()
            && sender.ready().await.is_ok()
        {
            match sender.try_send_request(request.clone()).await {
                Ok(response) => return self.read(kept, sender, response).await,
                Err(mut error) => {
                    // Given back unsent: the collector had closed the connection meanwhile.
                    if error.take_message().is_none() {
                        return Err(self.broken(&error.into_error()));
                    }
                }
            }
        }
        let mut sender = tokio::time::timeout(CONNECT_TIMEOUT, self.connect())
            .await
            .map_err(|_| self.not_connected(&"no connection within 5 s"))?
            .map_err(|error| self.not_connected(&error))?;
        let sent = sender.send_request(request).await;
        let response = sent.map_err(|error| self.broken(&error))?;
        self.read(kept, sender, response).await
    }

    async fn read(
        &self,
        kept: &mut Option<Sender>,
        sender: Sender,
        response: hyper::Response<hyper::body::Incoming>,
    ) -> Result<Reply, LinkError> {
        let (head, mut incoming) = response.into_parts();
        let text = |name| {
            let value: Option<&hyper::header::HeaderValue> = head.headers.get(name);
            value.and_then(|value| value.to_str().ok().map(str::to_owned))
        };
        let (retry_after, etag) = (text(RETRY_AFTER), text(ETAG));
        let status = head.status.as_u16();
        let mut body = Vec::new();
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|error| self.broken(&error))?;
            let Ok(chunk) = frame.into_data() else { continue };
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                // Cut here it is no JSON, so it is tried again and said so.
                return Ok(Reply {
                    status,
                    retry_after,
                    etag,
                    body,
                });
            }
            body.extend_from_slice(&chunk);
        }
        *kept = Some(sender);
        Ok(Reply {
            status,
            retry_after,
            etag,
            body,
        })
    }

    async fn connect(&self) -> io::Result<Sender> {
        match &self.to {
            CollectorAddress::Unix(path) => speak(UnixStream::connect(path).await?).await,
            CollectorAddress::Http(_) => speak(self.tcp().await?).await,
            CollectorAddress::Https(_) => {
                let Some(config) = &self.tls else {
                    return Err(io::Error::other("no TLS"));
                };
                let host = self.to.host();
                let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
                let stream = self.tcp().await?;
                let connector = TlsConnector::from(Arc::clone(config));
                speak(connector.connect(name, stream).await?).await
            }
        }
    }

    async fn tcp(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect((self.to.host(), self.to.port())).await?;
        // Requests are whole when they are written, and awaited.
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn not_connected(&self, why: &dyn std::fmt::Display) -> LinkError {
        LinkError::NotConnected {
            to: self.to.to_string(),
            why: why.to_string(),
        }
    }

    fn broken(&self, error: &hyper::Error) -> LinkError {
        let mut why = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            why = format!("{why}: {cause}");
            source = cause.source();
        }
        let to = self.to.to_string();
        LinkError::Broken { to, why }
    }
}

/// HTTP over a stream. Its task ends with the connection, which ends with the sender.
async fn speak<S>(stream: S) -> io::Result<Sender>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(connection);
    Ok(sender)
}
