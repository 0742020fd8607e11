//! The far ends that a doctor needs for methods of several steps: a resolver, a TLS server and an HTTPS server on loopback, with a
//! certificate made for the occasion that nobody else believes. They end with the process. Not servers for anyone else.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, ServerConnection, Stream};

use crate::web::Trust;

/// The name in the certificate, and in what is asked.
pub(super) const NAME: &str = "doctor.localhost";
/// Who says nothing for so long is gone.
const PATIENCE: Duration = Duration::from_secs(5);
/// Far more than the head of a request of ours.
const MAX_HEAD_BYTES: usize = 4_096;

/// Where they are, and what makes a client believe them.
pub(super) struct Servers {
    pub(super) resolver: SocketAddr,
    pub(super) tls: SocketAddr,
    pub(super) https: SocketAddr,
    pub(super) trust: Trust,
}

impl Servers {
    /// Starts all three.
    ///
    /// # Errors
    /// When loopback cannot be listened at, or no certificate can be made.
    pub(super) fn start() -> anyhow::Result<Self> {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed([NAME.to_owned()]).context("a certificate for 127.0.0.1")?;
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).context("believing it")?;
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).map_err(anyhow::Error::msg)?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder
                    .with_no_client_auth()
                    .with_single_cert(vec![cert.der().clone()], key)
            })
            .context("a TLS server on 127.0.0.1")?;
        let config = Arc::new(config);
        Ok(Self {
            resolver: resolver().context("a resolver on 127.0.0.1")?,
            tls: server(Arc::clone(&config), "tls").context("a TLS server on 127.0.0.1")?,
            https: server(config, "https").context("an HTTPS server on 127.0.0.1")?,
            trust: Trust::of(roots),
        })
    }
}

/// Answers questions with themselves.
fn resolver() -> io::Result<SocketAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let at = socket.local_addr()?;
    std::thread::Builder::new()
        .name("resolver".to_owned())
        .spawn(move || {
            let mut message = [0_u8; 512];
            while let Ok((octets, from)) = socket.recv_from(&mut message) {
                // The bit that makes a question an answer (RFC 1035 section 4.1.1).
                message[2] |= 0x80;
                // One that cannot be sent shows as a lost probe.
                let _ = socket.send_to(&message[..octets], from);
            }
        })?;
    Ok(at)
}

/// Shakes hands with whoever comes, one after the other, and answers one request.
fn server(config: Arc<ServerConfig>, name: &str) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let at = listener.local_addr()?;
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            // One that fails shows as what its probe saw.
            let _ = answer(stream, &config);
        }
    })?;
    Ok(at)
}

fn answer(mut stream: TcpStream, config: &Arc<ServerConfig>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let mut session = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
    let mut stream = Stream::new(&mut session, &mut stream);
    let (mut head, mut octets) = (Vec::new(), [0_u8; 512]);
    while !head.ends_with(b"\r\n\r\n") {
        let read = stream.read(&mut octets)?;
        head.extend_from_slice(&octets[..read]);
        // A handshake was all that was wanted, or it is no request of ours.
        if read == 0 || head.len() > MAX_HEAD_BYTES {
            return Ok(());
        }
    }
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
    stream.flush()
}
