//! Asks a metadata service: HTTP/1.1 in the clear, one connection a request, each within two seconds and 64 KiB. No proxy, no
//! redirect, no retry.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::handshake;
use hyper::header::{CONNECTION, HOST};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::TcpStream;

use super::recipe::{Ask, Recipe, TOKEN, token};

/// Longest that one request may take: the service is on the host below.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Longest answer read.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum AskError {
    /// Nobody answered.
    #[error("{path}: {source}")]
    Io {
        /// What was asked.
        path: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// It did not answer with 200.
    #[error("{path}: HTTP {status}")]
    Status {
        /// What was asked.
        path: &'static str,
        /// What it answered.
        status: u16,
    },
}

/// All answers of a recipe, by their names.
///
/// # Errors
/// The first request that failed and may not.
pub async fn all(recipe: &Recipe, at: SocketAddr) -> Result<HashMap<&'static str, String>, AskError> {
    let mut answers = HashMap::new();
    let mut secret = String::new();
    for request in recipe.requests {
        match one(recipe.host, request, &secret, at).await {
            Ok(answer) if request.gives == TOKEN => secret = token(&answer),
            Ok(answer) => {
                answers.insert(request.gives, answer);
            }
            Err(_) if request.may_fail => {}
            Err(error) => return Err(error),
        }
    }
    Ok(answers)
}

async fn one(host: &str, request: &Ask, secret: &str, at: SocketAddr) -> Result<String, AskError> {
    let path = request.path;
    let answered = tokio::time::timeout(TIMEOUT, exchange(host, request, secret, at)).await;
    let answered = answered.unwrap_or_else(|_| Err(io::Error::other("no answer within 2 s")));
    let (status, body) = answered.map_err(|source| AskError::Io { path, source })?;
    if status == 200 {
        Ok(body)
    } else {
        Err(AskError::Status { path, status })
    }
}

async fn exchange(host: &str, request: &Ask, secret: &str, at: SocketAddr) -> io::Result<(u16, String)> {
    let stream = TcpStream::connect(at).await?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let connection = tokio::spawn(connection);
    let mut asked = Request::builder()
        .method(request.method)
        .uri(request.path)
        .header(HOST, host)
        .header(CONNECTION, "close");
    for (name, value) in request.headers {
        asked = asked.header(*name, value.replace("{token}", secret));
    }
    let asked = asked.body(Empty::<Bytes>::new()).map_err(io::Error::other)?;
    let response = sender.send_request(asked).await.map_err(io::Error::other)?;
    let (head, mut body) = response.into_parts();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(chunk) = frame.map_err(io::Error::other)?.into_data() else {
            continue;
        };
        if bytes.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(io::Error::other("the answer is too long"));
        }
        bytes.extend_from_slice(&chunk);
    }
    connection.abort();
    Ok((head.status.as_u16(), String::from_utf8_lossy(&bytes).into_owned()))
}
