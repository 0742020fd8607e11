//! Which certificate authorities are believed: the system's, or those of a PEM file and no others. Reads what it is handed; the file is opened in `settings.rs`.
//!
//! Standard: RFC 7468 for the file, RFC 5280 for what is in it.

use std::sync::{Arc, OnceLock};

use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

/// Certificates in one file at most; a whole system has a few hundred.
const MOST: usize = 1_000;

/// Certificates of authorities, each sound, one at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorities(Arc<Vec<CertificateDer<'static>>>);

impl Authorities {
    /// The authorities in the text of a PEM file. Other things in it, such as comments, are passed over.
    ///
    /// # Errors
    /// Why they cannot be used, and what to write instead.
    pub fn read(pem: &[u8]) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        let mut certificates = Vec::new();
        for (number, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let wrong = |why: String| format!("holds a certificate (number {}) that {why}", number + 1);
            if number >= MOST {
                return Err(format!(
                    "holds more than {MOST} certificates; write only those needed"
                ));
            }
            let certificate = certificate.map_err(|error| wrong(format!("cannot be read: {error}")))?;
            roots
                .add(certificate.clone())
                .map_err(|error| wrong(format!("is no authority's: {error}")))?;
            certificates.push(certificate);
        }
        if certificates.is_empty() {
            return Err(
                "holds no certificate; write the authority's, between -----BEGIN CERTIFICATE----- and its END"
                    .to_owned(),
            );
        }
        Ok(Self(Arc::new(certificates)))
    }

    /// The certificates, DER.
    pub fn certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// What a connection that believes these, and no others, is made with.
    ///
    /// # Errors
    /// When the protocol versions are not there.
    pub fn client(&self) -> Result<ClientConfig, String> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(self.0.iter().cloned());
        client(roots)
    }
}

/// A connection that believes `roots`: TLS 1.2 or 1.3, no certificate of our own.
///
/// # Errors
/// When the protocol versions are not there.
fn client(roots: RootCertStore) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// A connection that believes this system's authorities, which are read once.
///
/// # Errors
/// When it has none.
pub(crate) fn system() -> Result<Arc<ClientConfig>, String> {
    static CONFIG: OnceLock<Result<Arc<ClientConfig>, String>> = OnceLock::new();
    let made = CONFIG.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err("this system has no certificate authorities; install ca-certificates".to_owned());
        }
        client(roots).map(Arc::new)
    });
    made.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_authority_is_named_with_its_remedy() {
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        for (pem, why) in [
            ("", "holds no certificate"),
            ("hello", "holds no certificate"),
            (broken, "(number 1) that is no authority's"),
            (cut, "(number 1) that cannot be read"),
        ] {
            let error = Authorities::read(pem.as_bytes()).expect_err(pem);
            assert!(error.contains(why), "{pem}: {error}");
        }
    }
}
