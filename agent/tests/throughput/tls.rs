//! The throughput port by TLS, for ndt7 clients that speak nothing else: what is moved, and who gets nothing. The client is built from
//! the libraries alone.

use std::net::SocketAddr;
use std::sync::Arc;

use azimuth_agent::throughput::Ended;
use azimuth_agent::throughput::ticket::Refusal;
use azimuth_measurement::{StopReason, TransferDirection};
use futures_util::{SinkExt, StreamExt};
use rcgen::{CertificateParams, KeyPair};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::world::{World, key, order, run, ticket, until_ended, world};

const DOWN: TransferDirection = TransferDirection::Download;
const UP: TransferDirection = TransferDirection::Upload;

/// A reflector with a certificate for `localhost`, and who believes it.
struct Secured {
    world: World,
    client: TlsConnector,
    _directory: tempfile::TempDir,
}

fn believing(roots: RootCertStore) -> TlsConnector {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

async fn secured() -> Secured {
    let directory = tempfile::tempdir().expect("a directory");
    let pair = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    let certificate = params.self_signed(&pair).expect("signed");
    let (chain, private) = (
        directory.path().join("chain.pem"),
        directory.path().join("key.pem"),
    );
    std::fs::write(&chain, certificate.pem()).expect("written");
    std::fs::write(&private, pair.serialize_pem()).expect("written");
    let [chain, private] = [&chain, &private].map(|file| file.to_str().expect("a path"));
    let world = world(&[
        "--throughput-certificate",
        chain,
        "--throughput-certificate-key",
        private,
    ])
    .await;
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).expect("a certificate");
    Secured {
        world,
        client: believing(roots),
        _directory: directory,
    }
}

async fn shake_hands(client: &TlsConnector, at: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(at).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    client.connect(name, stream).await
}

async fn open(
    secured: &Secured,
    direction: TransferDirection,
    ticket: &str,
) -> Result<WebSocketStream<TlsStream<TcpStream>>, Error> {
    let stream = shake_hands(&secured.client, secured.world.at).await?;
    let uri = format!("wss://localhost/ndt/v7/{direction}?access_token={ticket}");
    let mut request = uri.into_client_request()?;
    let protocol = HeaderValue::from_static("net.measurementlab.ndt.v7");
    request.headers_mut().insert("Sec-WebSocket-Protocol", protocol);
    Ok(client_async(request, stream).await?.0)
}

#[tokio::test]
async fn both_directions_move_by_tls_what_the_ticket_says() {
    let secured = secured().await;
    let mut down = open(&secured, DOWN, &ticket(DOWN, 1).sign(&key()))
        .await
        .expect("open");
    let (mut octets, mut told) = (0, None);
    while let Some(Ok(message)) = down.next().await {
        match message {
            Message::Binary(message) => octets += message.len(),
            Message::Text(text) => told = Some(text),
            _ => {}
        }
    }
    assert_eq!(octets, 3_000_000);
    let told: serde_json::Value = serde_json::from_str(&told.expect("told")).expect("JSON");
    // The kernel's account of the connection beneath is told through TLS as well.
    assert_eq!(told["AppInfo"]["NumBytes"], 3_000_000, "{told}");
    assert!(told["TCPInfo"]["RTT"].as_u64() > Some(0), "{told}");
    until_ended(&secured.world, Ended::ByteCap, 1).await;
    let mut up = open(&secured, UP, &ticket(UP, 2).sign(&key()))
        .await
        .expect("open");
    let message = Message::Binary(vec![7; 50_000].into());
    for _ in 0..60 {
        up.send(message.clone()).await.expect("sent");
    }
    while let Some(Ok(_)) = up.next().await {}
    until_ended(&secured.world, Ended::ByteCap, 2).await;
    assert_eq!(secured.world.serving.counters().bytes(), 6_000_000);
}

#[tokio::test]
async fn who_believes_another_or_speaks_plain_or_has_no_ticket_gets_nothing() {
    let secured = secured().await;
    let stranger = believing(RootCertStore::empty());
    let refused = shake_hands(&stranger, secured.world.at)
        .await
        .expect_err("unknown");
    assert!(refused.to_string().contains("UnknownIssuer"), "{refused}");
    let plain = run(&order(secured.world.at, DOWN, Some(ticket(DOWN, 1).sign(&key())))).await;
    assert!(
        matches!(
            plain.estimate.stop,
            StopReason::Malformed | StopReason::PeerClosed | StopReason::Unreachable
        ),
        "{plain:?}"
    );
    let refused = open(&secured, DOWN, "nonsense").await.expect_err("refused");
    let Error::Http(response) = refused else {
        panic!("not an answer: {refused}");
    };
    assert_eq!(response.status(), 403);
    let counters = secured.world.serving.counters();
    assert_eq!((counters.tests(), counters.refused(Refusal::Malformed)), (0, 1));
}
