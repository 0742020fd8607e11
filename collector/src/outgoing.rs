//! What each request has that the collector makes by itself: its head, and whom it believes. Not where it may go, what an
//! answer may be, or what is done about a failure: that is the caller's.
//!
//! Standard: RFC 9112 section 3.2 for target and host.

use std::sync::Arc;

use hyper::http::request::Builder;
use hyper::{Method, Request, header};
use reqwest::Url;
use tokio_rustls::rustls::ClientConfig;

use crate::notify::authorities::{Authorities, system};

/// How the collector names itself.
pub const USER_AGENT: &str = concat!("azimuth-collector/", env!("CARGO_PKG_VERSION"));

/// The head of a request by HTTP/1.1, on a connection that serves it alone.
pub fn head(method: Method, url: &Url) -> Builder {
    let host = url.host_str().unwrap_or_default();
    let host = url
        .port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let target = match url.query() {
        None => url.path().to_owned(),
        Some(query) => format!("{}?{query}", url.path()),
    };
    Request::builder()
        .method(method)
        .uri(target)
        .header(header::HOST, host)
        .header(header::CONNECTION, "close")
        .header(header::USER_AGENT, USER_AGENT)
}

/// How TLS is spoken where these authorities are believed; the system's, if none.
///
/// # Errors
/// When there are none.
pub fn tls(authorities: Option<&Authorities>) -> Result<Arc<ClientConfig>, String> {
    authorities.map_or_else(system, |authorities| authorities.client().map(Arc::new))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_names_host_port_and_query() {
        for (url, host, target) in [
            ("https://example.net/a?b=c", "example.net", "/a?b=c"),
            ("http://127.0.0.1:81", "127.0.0.1:81", "/"),
            ("http://[::1]:443/x", "[::1]:443", "/x"),
        ] {
            let made = head(Method::GET, &url.parse().expect("an address"));
            let request = made.body(()).expect("a request");
            assert_eq!(request.headers()[header::HOST], host);
            assert_eq!(request.uri(), target);
        }
    }
}
