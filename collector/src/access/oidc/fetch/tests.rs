//! Against a server on this machine whose certificate an authority of ours has signed.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::*;

/// An authority, and the address of a provider called `name` whose certificate is of it.
async fn provider(name: &str) -> (Authorities, Url) {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let authority = CertifiedIssuer::self_signed(params, key).expect("signed");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, &authority).expect("signed");
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    let secret = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .expect("fits");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut asked = vec![0; 1_024];
            let read = stream.read(&mut asked).await.unwrap_or(0);
            let path = String::from_utf8_lossy(&asked[..read]);
            let path = path.split(' ').nth(1).unwrap_or_default().to_owned();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}", path.len());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let authorities = Authorities::read(authority.pem().as_bytes()).expect("an authority");
    let url = format!("https://localhost:{port}/published?a=b");
    (authorities, url.parse().expect("an address"))
}

#[tokio::test]
async fn a_provider_is_believed_by_the_authority_of_the_file_and_by_no_other() {
    let (authorities, url) = provider("localhost").await;
    let (status, body) = fetch(&url, Ask::Get, Some(&authorities))
        .await
        .expect("an answer");
    assert_eq!(
        (status, body.as_slice()),
        (StatusCode::OK, &b"/published?a=b"[..])
    );
    let (others, _) = provider("localhost").await;
    for refused in [
        fetch(&url, Ask::Get, Some(&others)).await,
        fetch(&url, Ask::Get, None).await,
    ] {
        let failed = refused.expect_err("not believed");
        assert_eq!(failed.reason, "tls", "{failed:?}");
        assert!(failed.said.contains("localhost"), "{failed:?}");
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_believed() {
    let (authorities, url) = provider("elsewhere.example").await;
    let failed = fetch(&url, Ask::Get, Some(&authorities)).await;
    assert_eq!(failed.expect_err("another name").reason, "tls");
}
