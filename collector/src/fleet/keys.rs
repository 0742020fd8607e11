//! Keys: the collector's own Ed25519 key (RFC 8032) in a file, what it says of others' signatures. All
//! arithmetic is ring's.

use std::io::ErrorKind;
use std::path::Path;

use azimuth_measurement::enrolment::{KEY_BYTES, base64url};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use super::journal::JournalError;
use crate::secret::random;
use crate::whole_file::{Readers, replace};

/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64;

/// What the collector signs challenges and plans with. Agents know its public half from their token.
pub struct CollectorKey(Ed25519KeyPair);

impl CollectorKey {
    /// Reads the key, or makes one and keeps it.
    ///
    /// # Errors
    /// When the file cannot be had, or holds no key.
    pub fn load_or_make(file: &Path) -> Result<Self, JournalError> {
        if let Some(key) = Self::load(file)? {
            return Ok(key);
        }
        let seed: [u8; KEY_BYTES] = random();
        let text = base64url::encode(&seed);
        replace(file, text.as_bytes(), Readers::Owner).map_err(JournalError::io(file))?;
        Self::read(file, &text)
    }

    /// Reads the key, if there is one.
    ///
    /// # Errors
    /// When the file cannot be had, or holds no key.
    pub fn load(file: &Path) -> Result<Option<Self>, JournalError> {
        match std::fs::read_to_string(file) {
            Ok(text) => Self::read(file, &text).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(JournalError::io(file)(error)),
        }
    }

    fn read(file: &Path, text: &str) -> Result<Self, JournalError> {
        let seed = base64url::decode_exactly::<KEY_BYTES>(text.trim());
        let pair = seed.and_then(|seed| Ed25519KeyPair::from_seed_unchecked(&seed).ok());
        pair.map(Self).ok_or_else(|| JournalError::Damaged {
            file: file.to_owned(),
            line: 1,
            reason: "it holds no key".to_owned(),
        })
    }

    /// The half that others may know.
    pub fn public(&self) -> [u8; KEY_BYTES] {
        self.0.public_key().as_ref().try_into().unwrap_or_default()
    }

    /// Signs.
    pub fn sign(&self, statement: &[u8]) -> Vec<u8> {
        self.0.sign(statement).as_ref().to_vec()
    }
}

/// Whether `signature` is by `key` over `statement`.
pub fn verify(key: &[u8; KEY_BYTES], statement: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
    UnparsedPublicKey::new(&ED25519, key)
        .verify(statement, signature)
        .is_ok()
}
