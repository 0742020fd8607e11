//! The door of agents: a TCP listener with TLS (RFC 8446) that answers what agents ask and nothing else, and takes reports in
//! sessions only, so that it may stand open to a network. Its certificate is its owner's, or one that is made here: then
//! tokens pin its key, and neither names nor dates in it matter.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use serde::Deserialize;
use thiserror::Error;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::secret::sha256;
use crate::whole_file::{Readers, private_directory, replace};

/// Name in a certificate made here. Nobody looks at it.
const NAME: &str = "azimuth-collector";

/// The `[agents]` table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    listen: Option<toml::Spanned<String>>,
    certificate: Option<toml::Spanned<PathBuf>>,
    key: Option<PathBuf>,
}

/// Where agents come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The address listened on.
    pub listen: SocketAddr,
    /// Certificate chain and private key, both PEM; `None` for what is made here.
    pub files: Option<(PathBuf, PathBuf)>,
}

impl Table {
    /// What was written; `None` when there is no such table.
    ///
    /// # Errors
    /// Where in the text, and what to write instead.
    pub(crate) fn resolve(self, beside: &Path) -> Result<Option<Settings>, (usize, String)> {
        let files = match (self.certificate, self.key) {
            (Some(certificate), Some(key)) => Some((beside.join(certificate.into_inner()), beside.join(key))),
            (None, None) => None,
            (Some(certificate), None) => {
                let reason = "agents.certificate needs agents.key, the file of its private key".to_owned();
                return Err((certificate.span().start, reason));
            }
            (None, Some(_)) => {
                return Err((
                    0,
                    "agents.key needs agents.certificate, the file of its chain".to_owned(),
                ));
            }
        };
        let Some(written) = self.listen else {
            return match files {
                None => Ok(None),
                Some(_) => Err((0, "agents.listen is missing; write \"0.0.0.0:8361\"".to_owned())),
            };
        };
        let listen = written.get_ref().parse().map_err(|_| {
            let reason = format!(
                "agents.listen = {:?} is not an address; write \"0.0.0.0:8361\"",
                written.get_ref()
            );
            (written.span().start, reason)
        })?;
        Ok(Some(Settings { listen, files }))
    }
}

/// Why there is no TLS.
#[derive(Debug, Error)]
#[error("{file}: {reason}")]
pub struct DoorError {
    file: PathBuf,
    reason: String,
}

/// What TLS is spoken with.
pub struct Tls {
    /// For rustls.
    pub config: Arc<ServerConfig>,
    /// SHA-256 of the public key, where it was made here.
    pub pin: Option<[u8; 32]>,
}

/// Reads certificate and key, or those made here before, or makes them.
///
/// # Errors
/// When a file cannot be had or is not what it should be.
pub fn open(settings: &Settings, data_dir: &Path) -> Result<Tls, DoorError> {
    match &settings.files {
        Some((certificate, key)) => {
            let failed = |file: &Path, reason: String| DoorError {
                file: file.to_owned(),
                reason,
            };
            let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(certificate)
                .map_err(|error| failed(certificate, error.to_string()))?
                .collect();
            let chain = chain.map_err(|error| failed(certificate, error.to_string()))?;
            let private =
                PrivateKeyDer::from_pem_file(key).map_err(|error| failed(key, error.to_string()))?;
            let config = config(chain, private).map_err(|reason| failed(certificate, reason))?;
            Ok(Tls { config, pin: None })
        }
        None => {
            let file = data_dir.join("fleet").join("tls.key");
            self_made(&file).map_err(|reason| DoorError { file, reason })
        }
    }
}

/// The key is kept, the certificate is made of it at every start: nobody looks at anything but the key.
fn self_made(file: &Path) -> Result<Tls, String> {
    let pair = match std::fs::read_to_string(file) {
        Ok(pem) => KeyPair::from_pem(&pem).map_err(|error| error.to_string())?,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|error| error.to_string())?;
            keep(file, &pair).map_err(|error| error.to_string())?;
            pair
        }
        Err(error) => return Err(error.to_string()),
    };
    let certificate = CertificateParams::new([NAME.to_owned()])
        .and_then(|params| params.self_signed(&pair))
        .map_err(|error| error.to_string())?;
    let key = PrivatePkcs8KeyDer::from(pair.serialize_der());
    Ok(Tls {
        config: config(vec![certificate.der().clone()], key.into())?,
        pin: Some(sha256(&pair.subject_public_key_info())),
    })
}

fn keep(file: &Path, pair: &KeyPair) -> io::Result<()> {
    if let Some(directory) = file.parent() {
        private_directory(directory)?;
    }
    replace(file, pair.serialize_pem().as_bytes(), Readers::Owner)
}

fn config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, String> {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
    let mut config = config.map_err(|error| error.to_string())?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_made_here_is_kept_and_stays_the_same() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let settings = Settings {
            listen: ([127, 0, 0, 1], 0).into(),
            files: None,
        };
        let first = open(&settings, directory.path()).expect("made").pin;
        assert!(first.is_some());
        assert_eq!(open(&settings, directory.path()).expect("read").pin, first);
        let file = directory.path().join("fleet/tls.key");
        std::fs::write(&file, "nothing").expect("writable");
        let error = open(&settings, directory.path())
            .err()
            .expect("no key")
            .to_string();
        assert!(error.contains("tls.key"), "{error}");
    }
}
