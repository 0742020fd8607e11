//! The rim: one request to the provider, over https, or over http on this machine. Redirects are not followed, an answer has a
//! bound, and all of it a time. Decides nothing.

use std::time::Duration;

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::http1;
use hyper::{Method, StatusCode, header};
use hyper_util::rt::TokioIo;
use reqwest::Url;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::notify::authorities::Authorities;
use crate::outgoing::{head, tls};

/// A request that takes longer has failed: somebody looks at a blank page meanwhile.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest answer; a token with hundreds of groups is a tenth of this.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// What is asked.
pub(super) enum Ask<'a> {
    /// A document.
    Get,
    /// A form, and maybe name and password (RFC 6749 section 2.3.1).
    Post(String, Option<(&'a str, &'a str)>),
}

/// Why there is no answer: a word for the counter, and what happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) reason: &'static str,
    pub(super) said: String,
}

fn failed(reason: &'static str, said: impl Into<Box<dyn std::error::Error>>) -> Failed {
    let said = said.into().to_string();
    Failed { reason, said }
}

/// Asks; the status and the body.
pub(super) async fn fetch(
    url: &Url,
    ask: Ask<'_>,
    authorities: Option<&Authorities>,
) -> Result<(StatusCode, Vec<u8>), Failed> {
    match tokio::time::timeout(TIMEOUT, try_fetch(url, ask, authorities)).await {
        Ok(answer) => answer,
        Err(_) => Err(failed("timeout", format!("no answer within {TIMEOUT:?}"))),
    }
}

async fn try_fetch(
    url: &Url,
    ask: Ask<'_>,
    authorities: Option<&Authorities>,
) -> Result<(StatusCode, Vec<u8>), Failed> {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let port = url.port_or_known_default().unwrap_or(443);
    let stream = TcpStream::connect((bare, port))
        .await
        .map_err(|error| failed("unreachable", format!("{bare}:{port}: {error}")))?;
    if url.scheme() == "http" {
        return exchange(stream, url, ask).await;
    }
    let config = tls(authorities).map_err(|why| failed("tls", why))?;
    let name = ServerName::try_from(bare.to_owned()).map_err(|error| failed("tls", error))?;
    let stream = TlsConnector::from(config)
        .connect(name, stream)
        .await
        .map_err(|error| failed("tls", format!("{bare}: {error}")))?;
    exchange(stream, url, ask).await
}

async fn exchange<S>(stream: S, url: &Url, ask: Ask<'_>) -> Result<(StatusCode, Vec<u8>), Failed>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: hyper::Error| failed("broken", error);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let connection = tokio::spawn(connection);
    let builder = match &ask {
        Ask::Get => head(Method::GET, url),
        Ask::Post(..) => {
            head(Method::POST, url).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        }
    };
    let builder = builder.header(header::ACCEPT, "application/json");
    let request = match ask {
        Ask::Get => builder.body(Body::empty()),
        Ask::Post(form, None) => builder.body(Body::from(form)),
        Ask::Post(form, Some((name, password))) => {
            let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let both = STANDARD.encode(format!("{}:{}", encoded(name), encoded(password)));
            builder
                .header(header::AUTHORIZATION, format!("Basic {both}"))
                .body(Body::from(form))
        }
    };
    let request = request.map_err(|error| failed("broken", error))?;
    let answer = sender.send_request(request).await.map_err(broken)?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES);
    #[expect(clippy::disallowed_methods, reason = "the body is limited above")]
    let body = body.collect().await.map(http_body_util::Collected::to_bytes);
    connection.abort();
    let body = body.map_err(|error| {
        failed(
            "broken",
            format!("the answer broke off or is over {MAX_ANSWER_BYTES} bytes: {error}"),
        )
    })?;
    Ok((status, body.to_vec()))
}

#[cfg(test)]
mod tests;
