//! One HTTP/1.1 connection that is kept alive while it works. Answers are read up to a stated size.

use std::net::SocketAddr;

use anyhow::Context;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST, RETRY_AFTER};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Longest answer read: the list of ten thousand agents.
const MAX_ANSWER_BYTES: usize = 32 * 1024 * 1024;

/// An open connection.
pub(super) struct Connection {
    requests: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) retry_after_s: Option<u64>,
    pub(super) body: Bytes,
}

impl Connection {
    pub(super) async fn open(to: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(to).await.context("no connection")?;
        let (requests, connection) = handshake(TokioIo::new(stream)).await.context("no HTTP")?;
        let driver = tokio::spawn(async move {
            // How it ended shows in the request that was under way.
            let _ = connection.await;
        });
        Ok(Self { requests, driver })
    }

    pub(super) async fn send(&mut self, method: Method, path: &str, body: Vec<u8>) -> anyhow::Result<Answer> {
        self.requests.ready().await.context("the connection was closed")?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "collector")
            .header(CONTENT_TYPE, "application/x-protobuf")
            .body(Full::new(Bytes::from(body)))?;
        let response = self.requests.send_request(request).await.context("no answer")?;
        let status = response.status().as_u16();
        let retry_after_s = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES);
        #[expect(clippy::disallowed_methods, reason = "the body is limited on the line before")]
        let body = body
            .collect()
            .await
            .map_err(|error| anyhow::anyhow!("the answer was cut off: {error}"))?;
        Ok(Answer {
            status,
            retry_after_s,
            body: body.to_bytes(),
        })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
