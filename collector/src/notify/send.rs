//! The rim: one attempt to give a message to a channel. The name is resolved here, each address judged ([`super::reach`]),
//! and the connection opened to the very address that was judged. Redirects are not followed. Decides nothing but what an
//! answer means.
//!
//! Standard: RFC 9110 for status codes and `Retry-After`; TLS 1.2 and 1.3 with the system's authorities; RFC 5321 for mail.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, UNIX_EPOCH};

use axum::body::Body;
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::http1;
use hyper::{Method, header};
use hyper_util::rt::TokioIo;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Code;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message as Letter, Tokio1Executor};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::ServerName;

use super::form::{Post, alertmanager, chat, delivery, webhook};
use super::outbox::Outcome;
use super::page::Page;
use super::reach::{Network, may_reach};
use super::settings::{Channel, Endpoint, Kind, Mail, MailTls};
use super::text::{Style, write};
use crate::outgoing::{head, tls};

/// An attempt that takes longer has failed.
const TIMEOUT: Duration = Duration::from_secs(30);
/// A connection that takes longer to come about has failed.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How much of an answer is read.
const MAX_ANSWER_BYTES: usize = 4_096;
/// How much of it is told.
const MAX_SAID_CHARS: usize = 300;

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// For the outbox.
    pub outcome: Outcome,
    /// The word it is counted under; `delivered` when it was.
    pub reason: &'static str,
    /// What the channel said, or why there was no answer; escaped.
    pub said: String,
}

impl Attempt {
    fn again(reason: &'static str, said: impl Into<String>) -> Self {
        let outcome = Outcome::TryAgain { not_before_ms: None };
        let said = said.into();
        Self {
            outcome,
            reason,
            said,
        }
    }
}

/// Gives pages to a channel, at a time.
pub async fn attempt(channel: &Channel, pages: &[Page], now_unix_ms: u64) -> Attempt {
    let sent = async {
        let (name, templates) = (channel.name.as_str(), &channel.templates);
        match &channel.kind {
            Kind::Mail(mail) => return self::mail(mail, channel, pages, now_unix_ms).await,
            Kind::Alertmanager(endpoint) => {
                let body = alertmanager::post(name, pages, templates, now_unix_ms);
                post(endpoint, channel, body).await
            }
            Kind::Webhook(endpoint, secret) => {
                let secret = secret.as_ref().map(|secret| secret.reveal().as_bytes());
                let body = webhook::post(name, pages, templates, secret, now_unix_ms);
                post(endpoint, channel, body).await
            }
            Kind::Slack(endpoint) => post(endpoint, channel, chat::slack(name, pages, templates)).await,
            Kind::Ntfy(endpoint, topic) => {
                post(endpoint, channel, chat::ntfy(name, topic, pages, templates)).await
            }
        }
    };
    match tokio::time::timeout(TIMEOUT, sent).await {
        Ok(attempt) => attempt,
        Err(_) => Attempt::again("timeout", format!("no answer within {TIMEOUT:?}")),
    }
}

/// Addresses of a host that may be reached.
async fn addresses(host: &str, port: u16, allowed: &[Network]) -> Result<Vec<SocketAddr>, Attempt> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let found = tokio::net::lookup_host((bare, port)).await;
    let found = found.map_err(|error| Attempt::again("unresolved", format!("{bare}: {error}")))?;
    let found: Vec<SocketAddr> = found.collect();
    let reached: Vec<SocketAddr> = found
        .iter()
        .copied()
        .filter(|address| may_reach(address.ip(), allowed))
        .collect();
    if reached.is_empty() {
        let shown: Vec<String> = found.iter().map(|address| address.ip().to_string()).collect();
        let said = format!(
            "{bare} is at {}, which is not public; name it in `allow` if that is meant",
            shown.join(", ")
        );
        return Err(Attempt::again("address_refused", said));
    }
    Ok(reached)
}

async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, Attempt> {
    let mut why = String::new();
    for address in addresses {
        match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => why = format!("{address}: {error}"),
            Err(_) => why = format!("{address}: no connection within {CONNECT_TIMEOUT:?}"),
        }
    }
    Err(Attempt::again("unreachable", why))
}

async fn post(endpoint: &Endpoint, channel: &Channel, post: Post) -> Attempt {
    match try_post(endpoint, channel, post).await {
        Ok(attempt) | Err(attempt) => attempt,
    }
}

async fn try_post(endpoint: &Endpoint, channel: &Channel, post: Post) -> Result<Attempt, Attempt> {
    let host = endpoint.url.host_str().unwrap_or_default();
    let port = endpoint.url.port_or_known_default().unwrap_or(80);
    let stream = connect(&addresses(host, port, &channel.allow).await?).await?;
    if endpoint.url.scheme() == "https" {
        let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(name).map_err(|error| Attempt::again("tls", error.to_string()))?;
        let config = tls(channel.authorities.as_ref()).map_err(|why| Attempt::again("tls", why))?;
        let connector = TlsConnector::from(config);
        let stream = connector.connect(name, stream).await;
        let stream = stream.map_err(|error| Attempt::again("tls", error.to_string()))?;
        exchange(stream, endpoint, post).await
    } else {
        exchange(stream, endpoint, post).await
    }
}

async fn exchange<S>(stream: S, endpoint: &Endpoint, post: Post) -> Result<Attempt, Attempt>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: hyper::Error| Attempt::again("broken", error.to_string());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let connection = tokio::spawn(connection);
    let mut request = head(Method::POST, &endpoint.url).header(header::CONTENT_TYPE, "application/json");
    for (name, value) in post.headers {
        request = request.header(name, value);
    }
    if let Some(token) = &endpoint.token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.reveal()));
    }
    let request = request
        .body(Body::from(post.body))
        .map_err(|error| Attempt::again("broken", error.to_string()))?;
    let answer = sender.send_request(request).await.map_err(broken)?;
    let status = answer.status().as_u16();
    let retry_after = answer.headers().get(header::RETRY_AFTER);
    let retry_after = retry_after.and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
    // Limited, and what comes beyond is nobody's loss.
    let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES);
    #[expect(clippy::disallowed_methods, reason = "the body is limited above")]
    let said = body.collect().await.map(http_body_util::Collected::to_bytes);
    connection.abort();
    let said = said.unwrap_or_default();
    let said: String = String::from_utf8_lossy(&said)
        .trim()
        .chars()
        .take(MAX_SAID_CHARS)
        .collect();
    Ok(judge(status, retry_after, &said))
}

/// What a status means.
fn judge(status: u16, retry_after_s: Option<u64>, said: &str) -> Attempt {
    let (outcome, reason) = match status {
        200..=299 => (Outcome::Delivered, "delivered"),
        // This message will never be taken; others may be.
        400 | 413 | 415 | 422 => (Outcome::Refused, "refused"),
        300..=399 => (Outcome::TryAgain { not_before_ms: None }, "redirect"),
        _ => {
            let not_before_ms = retry_after_s.map(|seconds| seconds.saturating_mul(1_000));
            let reason = match status {
                429 => "too_many_requests",
                500..=599 => "server_error",
                // A password, a path: a person can repair that, and the page is still owed.
                _ => "not_permitted",
            };
            (Outcome::TryAgain { not_before_ms }, reason)
        }
    };
    Attempt {
        outcome,
        reason,
        said: format!("status {status} {}", said.escape_debug())
            .trim_end()
            .to_owned(),
    }
}

/// Whether a server's answer is about who we are and not about the letter (RFC 4954: the login is wrong, missing, or too weak).
fn is_about_us(code: Code) -> bool {
    matches!(u16::from(code), 530 | 534 | 535 | 538)
}

/// Whether a connection failed because of TLS: the mail library tells so only of some of these.
fn is_disbelief(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(one) = cause {
        let inner = one.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if one.is::<rustls::Error>() || inner.is_some_and(<dyn Error + Send + Sync>::is::<rustls::Error>) {
            return true;
        }
        cause = one.source();
    }
    false
}

/// The letter for pages that tell the same.
fn letter(mail: &Mail, channel: &Channel, pages: &[Page], now_unix_ms: u64) -> Result<Letter, String> {
    let text = write(&channel.name, pages, &channel.templates, Style::Plain);
    let domain = mail.from.email.domain();
    let mut builder = Letter::builder()
        .from(mail.from.clone())
        // Handed over, because the library would else read the clock.
        .date(UNIX_EPOCH + Duration::from_millis(now_unix_ms))
        .message_id(Some(format!("<{}@{domain}>", delivery(pages))))
        .subject(text.title)
        .header(ContentType::TEXT_PLAIN);
    for to in &mail.to {
        builder = builder.to(to.clone());
    }
    builder.body(text.body).map_err(|error| error.to_string())
}

/// How the server of a mail channel is believed.
fn mail_tls(mail: &Mail, channel: &Channel) -> Result<TlsParameters, lettre::transport::smtp::Error> {
    let mut builder = TlsParameters::builder(mail.host.clone());
    if let Some(authorities) = &channel.authorities {
        builder = builder.certificate_store(CertificateStore::None);
        for certificate in authorities.certificates() {
            builder = builder.add_root_certificate(Certificate::from_der(certificate.to_vec())?);
        }
    }
    builder.build_rustls()
}

async fn mail(mail: &Mail, channel: &Channel, pages: &[Page], now_unix_ms: u64) -> Attempt {
    match try_mail(mail, channel, pages, now_unix_ms).await {
        Ok(attempt) | Err(attempt) => attempt,
    }
}

async fn try_mail(
    mail: &Mail,
    channel: &Channel,
    pages: &[Page],
    now_unix_ms: u64,
) -> Result<Attempt, Attempt> {
    let letter = letter(mail, channel, pages, now_unix_ms);
    let letter = letter.map_err(|why| Attempt {
        outcome: Outcome::Refused,
        reason: "refused",
        said: why,
    })?;
    let reached = addresses(&mail.host, mail.port, &channel.allow).await?;
    let broken = |error: lettre::transport::smtp::Error| {
        if error.status().is_some_and(is_about_us) {
            // A password: a person can repair that, and the page is still owed.
            Attempt::again("not_permitted", error.to_string().escape_debug().to_string())
        } else if error.is_permanent() {
            // The server will not have this letter; whether it would have another is found out one by one.
            Attempt {
                outcome: Outcome::Refused,
                reason: "refused",
                said: error.to_string().escape_debug().to_string(),
            }
        } else {
            let reason = if error.is_tls() || is_disbelief(&error) {
                "tls"
            } else if error.is_timeout() {
                "timeout"
            } else if error.is_transient() {
                "server_error"
            } else {
                "unreachable"
            };
            Attempt::again(reason, error.to_string().escape_debug().to_string())
        }
    };
    let tls = match mail.tls {
        MailTls::None => Tls::None,
        MailTls::StartTls => Tls::Required(mail_tls(mail, channel).map_err(broken)?),
        MailTls::Tls => Tls::Wrapper(mail_tls(mail, channel).map_err(broken)?),
    };
    let mut last = Attempt::again("unreachable", "it has no address");
    for address in reached {
        // The address that was judged, so that no second look at the name can lead elsewhere.
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(address.ip().to_string())
            .port(address.port())
            .tls(tls.clone())
            .hello_name(ClientId::Domain(mail.from.email.domain().to_owned()))
            .timeout(Some(CONNECT_TIMEOUT));
        if let Some((user, password)) = &mail.login {
            builder = builder.credentials(Credentials::new(user.clone(), password.reveal().to_owned()));
        }
        match builder.build().send(letter.clone()).await {
            Ok(response) => {
                let said: Vec<&str> = response.message().collect();
                return Ok(Attempt {
                    outcome: Outcome::Delivered,
                    reason: "delivered",
                    said: format!("{} {}", response.code(), said.join(" "))
                        .escape_debug()
                        .to_string(),
                });
            }
            Err(error) => last = broken(error),
        }
        if last.reason != "unreachable" {
            break;
        }
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::super::page::State;
    use super::super::page::tests::page;
    use super::*;

    #[test]
    fn what_cannot_be_taken_is_refused_and_what_a_person_can_repair_is_tried_again() {
        let again = |not_before_ms| Outcome::TryAgain { not_before_ms };
        for (status, outcome, reason) in [
            (204, Outcome::Delivered, "delivered"),
            (302, again(None), "redirect"),
            (400, Outcome::Refused, "refused"),
            (401, again(Some(7_000)), "not_permitted"),
            (404, again(Some(7_000)), "not_permitted"),
            (429, again(Some(7_000)), "too_many_requests"),
            (503, again(Some(7_000)), "server_error"),
        ] {
            let attempt = judge(status, Some(7), "a\nb");
            assert_eq!((attempt.outcome, attempt.reason), (outcome, reason), "{status}");
            assert_eq!(attempt.said, format!("status {status} a\\nb"));
        }
    }

    #[test]
    fn a_hostile_label_adds_no_header_to_a_letter() {
        let mail = Mail {
            host: "127.0.0.1".to_owned(),
            port: 25,
            tls: MailTls::None,
            login: None,
            from: "azimuth@example.org".parse().expect("an address"),
            to: vec!["noc@example.org".parse().expect("an address")],
        };
        let mut hostile = page("a", 1, State::Firing);
        hostile.summary = "x\r\nBcc: all@example.org\r\n\r\nBuy\u{0} é".to_owned();
        let channel = Channel {
            name: "noc".to_owned(),
            kind: Kind::Mail(mail.clone()),
            wants: super::super::routing::Wants {
                routes: Vec::new(),
                least: crate::alert::rules::model::Severity::Info,
            },
            pace: super::super::outbox::Pace {
                group_wait_ms: 0,
                dead_after_ms: 0,
                refresh_ms: None,
                send_resolved: true,
            },
            allow: Vec::new(),
            authorities: None,
            templates: super::super::text::Templates {
                title: Some("{{ pages[0].summary }}\r\nX-Evil: 1".to_owned()),
                text: None,
            },
        };
        let letter = letter(&mail, &channel, &[hostile], 1_795_428_000_000).expect("a letter");
        let text = String::from_utf8(letter.formatted()).expect("ASCII");
        let (head, _) = text.split_once("\r\n\r\n").expect("a head");
        let names: Vec<&str> = head
            .lines()
            .filter(|line| !line.starts_with([' ', '\t']))
            .filter_map(|line| Some(line.split_once(':')?.0))
            .collect();
        assert!(
            !names.iter().any(|name| ["Bcc", "X-Evil"].contains(name)),
            "{head}"
        );
        assert!(
            names.contains(&"Subject") && head.contains("Mon, 23 Nov 2026 10:00:00"),
            "{head}"
        );
    }
}
