//! Who may change something: as long as the collector has no credentials, only this machine, and no page of another site in
//! somebody's browser. Reads a small JSON body. What is changed is the handlers' business.
//!
//! A browser sends `Origin` with every request that is not a plain GET. It must name this machine: a name that only resolves
//! here (DNS rebinding) is another site's. A proxy that knows its users and asks on their behalf leaves `Origin` out.

use std::net::IpAddr;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use serde::de::DeserializeOwned;

use crate::problem::Problem;
use crate::serve::Peer;

/// Largest body.
pub(super) const MAX_BODY_BYTES: usize = 16 * 1024;
/// How long a body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Whether the request may change something.
pub(super) fn may_change(request: &Request) -> Result<(), Problem> {
    let is_here = match request.extensions().get::<Peer>() {
        Some(Peer(None)) => true,
        Some(Peer(Some(address))) => address.to_canonical().is_loopback(),
        None => false,
    };
    if !is_here {
        let detail = "only this machine may change something, because this release has no credentials; ask over \
                      127.0.0.1 or the unix socket";
        return Err(Problem::new(StatusCode::FORBIDDEN, "not_from_here", detail));
    }
    no_other_site(request.headers())
}

fn no_other_site(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let fetched_from = text(header::HeaderName::from_static("sec-fetch-site"));
    let is_own_fetch = fetched_from.is_none_or(|site| matches!(site, "same-origin" | "none"));
    let is_own_origin = text(header::ORIGIN).is_none_or(|origin| {
        let authority = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        authority.is_some_and(|authority| is_this_machine(authority) && text(header::HOST) == Some(authority))
    });
    if is_own_fetch && is_own_origin {
        return Ok(());
    }
    let detail = "a page of another site may change nothing; open the dashboards at http://127.0.0.1 or \
                  http://localhost, or let a proxy that knows its users leave `Origin` and `Sec-Fetch-Site` out";
    Err(Problem::new(StatusCode::FORBIDDEN, "cross_site", detail))
}

/// Whether an authority (host, maybe with a port) can only be this machine.
fn is_this_machine(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || literal
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// The body of a request that may change something.
pub(super) async fn read<T: DeserializeOwned>(request: Request) -> Result<T, Problem> {
    may_change(&request)?;
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let is_json = content_type
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    if !is_json {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "wrong_content_type",
            "send `Content-Type: application/json`",
        ));
    }
    let bytes = collect(request.into_body()).await?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Problem::bad_request("invalid_body", format!("the body: {error}")))
}

async fn collect(body: Body) -> Result<Vec<u8>, Problem> {
    let mut body = Limited::new(body, MAX_BODY_BYTES);
    let mut bytes = Vec::new();
    let reading = async {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| {
                let detail =
                    format!("the body is longer than {MAX_BODY_BYTES} bytes, or ended before its end");
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
            })?;
            if let Ok(chunk) = frame.into_data() {
                bytes.extend_from_slice(&chunk);
            }
        }
        Ok::<(), Problem>(())
    };
    let slow = || {
        let detail = format!("the body did not arrive within {BODY_TIMEOUT:?}");
        Problem::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", detail)
    };
    tokio::time::timeout(BODY_TIMEOUT, reading)
        .await
        .map_err(|_| slow())??;
    Ok(bytes)
}

/// A text that a person wrote: trimmed, not too long, without control characters.
pub(super) fn text(
    name: &str,
    given: &str,
    most_chars: usize,
    may_be_empty: bool,
) -> Result<String, Problem> {
    let given = given.trim();
    let refused = |why: String| Problem::bad_request("invalid_body", format!("`{name}` {why}"));
    if given.is_empty() && !may_be_empty {
        return Err(refused("is missing; say who or what it is".to_owned()));
    }
    if given.chars().count() > most_chars {
        return Err(refused(format!(
            "is longer than {most_chars} characters; write less"
        )));
    }
    if given.chars().any(|letter| letter.is_control() && letter != '\n') {
        return Err(refused("holds control characters; write plain text".to_owned()));
    }
    Ok(given.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(peer: Option<Peer>, headers: &[(&str, &str)]) -> Result<(), &'static str> {
        let mut request = Request::builder().uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::empty()).expect("a request");
        request.extensions_mut().extend(
            peer.map(|peer| {
                let mut extensions = axum::http::Extensions::new();
                extensions.insert(peer);
                extensions
            })
            .unwrap_or_default(),
        );
        may_change(&request).map_err(|problem| problem.reason())
    }

    fn from(address: &str) -> Option<Peer> {
        Some(Peer(Some(address.parse().expect("an address"))))
    }

    #[test]
    fn only_this_machine_may_change_something() {
        assert_eq!(asked(Some(Peer(None)), &[]), Ok(()), "the unix socket");
        for here in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(asked(from(here), &[]), Ok(()), "{here}");
        }
        for elsewhere in ["192.0.2.1", "10.0.0.1", "fe80::1", "::ffff:192.0.2.1"] {
            assert_eq!(asked(from(elsewhere), &[]), Err("not_from_here"), "{elsewhere}");
        }
        assert_eq!(asked(None, &[]), Err("not_from_here"), "nobody knows from where");
    }

    #[test]
    fn a_page_of_another_site_may_change_nothing() {
        let of = |headers: &[(&str, &str)]| asked(Some(Peer(None)), headers);
        for own in ["localhost:8360", "127.0.0.1:8360", "[::1]:8360", "LOCALHOST"] {
            let origin = format!("http://{own}");
            assert_eq!(of(&[("host", own), ("origin", &origin)]), Ok(()), "{own}");
        }
        for (host, origin) in [
            ("127.0.0.1:8360", "https://example.org"),
            ("127.0.0.1:8360", "null"),
            ("127.0.0.1:8360", "http://127.0.0.1:3000"),
            ("127.0.0.1:8360", "http://localhost:8360"),
            // Rebound to this machine by its own name server.
            ("example.org:8360", "http://example.org:8360"),
            ("127.0.0.1.example.org", "http://127.0.0.1.example.org"),
            ("localhost", "http://localhost@example.org"),
            ("localhost", "file://localhost"),
        ] {
            assert_eq!(
                of(&[("host", host), ("origin", origin)]),
                Err("cross_site"),
                "{origin}"
            );
        }
        assert_eq!(of(&[("sec-fetch-site", "same-origin")]), Ok(()));
        assert_eq!(of(&[("sec-fetch-site", "same-site")]), Err("cross_site"));
        assert_eq!(of(&[("sec-fetch-site", "cross-site")]), Err("cross_site"));
    }
}
