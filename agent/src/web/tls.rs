//! TLS handshakes (RFC 8446), which authorities are believed, and what a refusal was about. Every handshake is a full one:
//! a resumed session would measure something else every second time.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use azimuth_measurement::{Answer, Phase};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{CertificateError, ClientConfig, Error, RootCertStore};
use tracing::warn;
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::course::{Course, connect};
use crate::clock;
use crate::probe::exchange::ExchangeOutcome;

/// Which authorities are believed.
#[derive(Clone, Debug)]
pub struct Trust {
    plain: Arc<ClientConfig>,
    /// Offers HTTP/2 and HTTP/1.1 (RFC 7301).
    http: Arc<ClientConfig>,
    believed: usize,
}

impl Trust {
    /// Those of the system; `SSL_CERT_FILE` and `SSL_CERT_DIR` name others.
    #[must_use]
    pub fn of_the_system() -> Self {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            warn!(%error, "a certificate of an authority cannot be read");
        }
        let mut roots = RootCertStore::empty();
        let (believed, _) = roots.add_parsable_certificates(found.certs);
        if believed == 0 {
            warn!(
                "this host believes no authority: every certificate counts as `certificate_untrusted`. Install ca-certificates, or set SSL_CERT_FILE"
            );
        }
        Self::of(roots)
    }

    /// These.
    #[must_use]
    pub fn of(roots: RootCertStore) -> Self {
        let believed = roots.len();
        let roots = Arc::new(roots);
        let config = |alpn: &[&[u8]]| {
            // The versions are this provider's own, so that they cannot contradict it.
            let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("ring has TLS 1.2 and 1.3");
            let mut config = builder
                .with_root_certificates(Arc::clone(&roots))
                .with_no_client_auth();
            config.resumption = Resumption::disabled();
            config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
            Arc::new(config)
        };
        Self {
            plain: config(&[]),
            http: config(&[b"h2", b"http/1.1"]),
            believed,
        }
    }

    /// How many authorities those are.
    #[must_use]
    pub fn believed(&self) -> usize {
        self.believed
    }
}

/// The method `tls_handshake`.
pub(super) async fn handshake(
    to: SocketAddr,
    server_name: &str,
    trust: &Trust,
    course: &mut Course,
) -> Result<ExchangeOutcome, ExchangeOutcome> {
    let stream = connect(to, course).await?;
    let (_, took_ns) = secure(stream, server_name, &trust.plain, course).await?;
    Ok(ExchangeOutcome::Answered(Answer::Ordinary, took_ns))
}

/// The phase `tls` for a request of HTTP.
pub(super) async fn secure_http(
    stream: TcpStream,
    server_name: &str,
    trust: &Trust,
    course: &mut Course,
) -> Result<TlsStream<TcpStream>, ExchangeOutcome> {
    Ok(secure(stream, server_name, &trust.http, course).await?.0)
}

async fn secure(
    stream: TcpStream,
    server_name: &str,
    config: &Arc<ClientConfig>,
    course: &mut Course,
) -> Result<(TlsStream<TcpStream>, i64), ExchangeOutcome> {
    // The configuration has refused what is no name.
    let name = ServerName::try_from(server_name.to_owned()).map_err(|_| ExchangeOutcome::NotSent(None))?;
    course.enter(Phase::Tls, clock::monotonic());
    let connector = TlsConnector::from(Arc::clone(config));
    let stream = connector
        .connect(name, stream)
        .await
        .map_err(|error| ExchangeOutcome::Refused(kind_of(&error)))?;
    let took_ns = course.pass(clock::monotonic());
    let shown = stream.get_ref().1.peer_certificates();
    course.note_certificate(shown.and_then(|chain| ends_unix_s(chain.first()?)));
    Ok((stream, took_ns))
}

fn kind_of(error: &io::Error) -> Answer {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::InvalidCertificate(why)) => match why {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Answer::CertificateExpired,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Answer::CertificateName
            }
            _ => Answer::CertificateUntrusted,
        },
        Some(_) => Answer::TlsFailed,
        None => Answer::Broken,
    }
}

/// When a certificate ends, in seconds since 1970; `None` if it cannot be read.
fn ends_unix_s(certificate: &[u8]) -> Option<u64> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let ends = certificate.tbs_certificate().validity().not_after;
    Some(ends.to_unix_duration().as_secs())
}
