//! One request at a time to a running collector, for the commands that talk to one. An answer that ends before it should
//! is an error, never a shorter answer.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::http1;
use hyper::{HeaderMap, Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::credential::Credential;

/// How long the collector may be silent before it is given up. An export of years of which little is left has little to say.
const SILENCE: Duration = Duration::from_secs(300);
/// Longest answer that is kept whole.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// A collector to talk to, and the runtime to do it on.
pub(super) struct Client {
    address: SocketAddr,
    credential: Credential,
    runtime: tokio::runtime::Runtime,
}

/// An answer that was kept whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Client {
    pub(super) fn new(address: SocketAddr, credential: Credential) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("cannot start the runtime: {error}"))?;
        Ok(Self {
            address,
            credential,
            runtime,
        })
    }

    /// Asks and keeps the answer.
    pub(super) fn ask(
        &self,
        method: Method,
        path: &str,
        content_type: Option<&str>,
        body: Vec<u8>,
    ) -> Result<Answer, String> {
        self.runtime.block_on(async {
            let answer = self.begin(method, path, content_type, body).await?;
            self.whole(answer).await
        })
    }

    /// Asks and hands on the body of a good answer piece by piece; the trailers behind it. `piece` may fail.
    pub(super) fn stream(
        &self,
        path: &str,
        piece: &mut dyn FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<HeaderMap, String> {
        self.runtime.block_on(async {
            let mut answer = self.begin(Method::GET, path, None, Vec::new()).await?;
            if answer.status() != StatusCode::OK {
                let answer = self.whole(answer).await?;
                return Err(self.refusal(&answer));
            }
            let mut trailers = HeaderMap::new();
            while let Some(frame) = self.in_time(answer.frame()).await? {
                let frame = frame.map_err(|error| self.broken(&error))?;
                match frame.into_data() {
                    Ok(data) => piece(&data)?,
                    Err(frame) => trailers.extend(frame.into_trailers().unwrap_or_default()),
                }
            }
            Ok(trailers)
        })
    }

    /// A refusal in the words of the collector.
    pub(super) fn refusal(&self, answer: &Answer) -> String {
        let problem: Option<serde_json::Value> = serde_json::from_slice(&answer.body).ok();
        let detail = problem.as_ref().and_then(|problem| problem["detail"].as_str());
        let status = answer.status;
        let remedy = self.credential.remedy(status.as_u16());
        match remedy.as_deref().or(detail) {
            Some(detail) => format!("{}: {status}: {detail}", self.address),
            None => format!("{}: {status}; is it a collector?", self.address),
        }
    }

    async fn begin(
        &self,
        method: Method,
        path: &str,
        content_type: Option<&str>,
        body: Vec<u8>,
    ) -> Result<Response<hyper::body::Incoming>, String> {
        let stream = self
            .in_time(TcpStream::connect(self.address))
            .await?
            .map_err(|error| format!("{}: {error}; is the collector running there?", self.address))?;
        let (mut sender, connection) = self
            .in_time(http1::handshake(TokioIo::new(stream)))
            .await?
            .map_err(|error| self.broken(&error))?;
        // Ends with the request; what went wrong is the request's to tell.
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.to_string())
            .header(header::TE, "trailers");
        // Where reports go in, what is shown would be an agent's session.
        let shown = self.credential.header().filter(|_| path != "/api/v1/reports");
        if let Some(shown) = shown {
            request = request.header(header::AUTHORIZATION, shown);
        }
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        let request = request
            .body(Body::from(body))
            .map_err(|error| format!("{path}: {error}"))?;
        self.in_time(sender.send_request(request))
            .await?
            .map_err(|error| self.broken(&error))
    }

    async fn whole(&self, answer: Response<hyper::body::Incoming>) -> Result<Answer, String> {
        let (head, body) = answer.into_parts();
        let mut body = Limited::new(body, MAX_ANSWER_BYTES);
        let mut bytes = Vec::new();
        while let Some(frame) = self.in_time(body.frame()).await? {
            let frame = frame.map_err(|error| format!("{}: {error}", self.address))?;
            if let Ok(data) = frame.into_data() {
                bytes.extend_from_slice(&data);
            }
        }
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: bytes.into(),
        })
    }

    async fn in_time<F: Future>(&self, asked: F) -> Result<F::Output, String> {
        let silent = |_| format!("{} said nothing for {} s", self.address, SILENCE.as_secs());
        tokio::time::timeout(SILENCE, asked).await.map_err(silent)
    }

    fn broken(&self, error: &hyper::Error) -> String {
        format!("{}: the answer broke off: {error}", self.address)
    }
}
