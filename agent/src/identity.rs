//! Who this agent is to its collector: the file that `join` writes, with a key that never leaves the host, and what is
//! signed with it (Ed25519, RFC 8032). No network here.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use azimuth_measurement::AgentId;
use azimuth_measurement::enrolment::{KEY_BYTES, TlsTrust, base64url};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// An identity file larger than this is not one.
const MOST_BYTES: u64 = 16_384;

/// There is no usable identity in the file.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// It cannot be read or written.
    #[error(
        "identity {file}: {source}. Has this host joined (azimuth-agent join), and may this user read it?"
    )]
    Io {
        /// Which.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others on this host may read it.
    #[error("identity {file} can be read by others than its owner. Run: chmod 600 {file}")]
    Open {
        /// Which.
        file: PathBuf,
    },
    /// What is in it is no identity.
    #[error("identity {file} holds no identity. Move it away and join again")]
    Damaged {
        /// Which.
        file: PathBuf,
    },
    /// There is one already.
    #[error("{file} exists: this host has joined. Move it away to join anew")]
    Exists {
        /// Which.
        file: PathBuf,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers to make a key of")]
    NoRandom,
}

/// A private key, by its seed.
#[derive(Clone, PartialEq, Eq)]
pub struct Seed([u8; KEY_BYTES]);

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed")
    }
}

impl Seed {
    /// A new one.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn random() -> Result<Self, IdentityError> {
        random().map(Self)
    }

    /// The half that the collector may know.
    #[must_use]
    pub fn public(&self) -> Vec<u8> {
        self.pair()
            .map_or_else(Vec::new, |pair| pair.public_key().as_ref().to_vec())
    }

    /// Signs.
    #[must_use]
    pub fn sign(&self, statement: &[u8]) -> Vec<u8> {
        self.pair()
            .map_or_else(Vec::new, |pair| pair.sign(statement).as_ref().to_vec())
    }

    fn pair(&self) -> Option<Ed25519KeyPair> {
        Ed25519KeyPair::from_seed_unchecked(&self.0).ok()
    }
}

/// Bytes that nobody can guess.
///
/// # Errors
/// When the system gives none.
pub fn random<const N: usize>() -> Result<[u8; N], IdentityError> {
    let mut bytes = [0; N];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map(|()| bytes).map_err(|_| IdentityError::NoRandom)
}

/// Whether `signature` is by `key` over `statement`.
#[must_use]
pub fn is_by(key: &[u8; KEY_BYTES], statement: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, key)
        .verify(statement, signature)
        .is_ok()
}

/// What `join` came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The name the collector gave.
    pub agent: AgentId,
    /// Where the collector is.
    pub collector: String,
    /// What the collector signs with.
    pub collector_key: [u8; KEY_BYTES],
    /// How its TLS is known.
    pub tls: TlsTrust,
    /// The agent's key.
    pub key: Seed,
    /// A key that it is changing to; kept until the collector has said that it knows it.
    pub next_key: Option<Seed>,
}

/// The file: JSON, texts in base64url.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    agent: String,
    collector: String,
    collector_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_pin: Option<String>,
    private_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_private_key: Option<String>,
}

impl Identity {
    /// Reads a file that only its owner may read.
    ///
    /// # Errors
    /// [`IdentityError`]; none repeats what is in the file.
    pub fn load(file: &Path) -> Result<Self, IdentityError> {
        let io = |source| IdentityError::Io {
            file: file.to_owned(),
            source,
        };
        let opened = File::open(file).map_err(io)?;
        let metadata = opened.metadata().map_err(io)?;
        if metadata.permissions().mode() & 0o077 != 0 {
            let file = file.to_owned();
            return Err(IdentityError::Open { file });
        }
        let text = io::read_to_string(io::Read::take(opened, MOST_BYTES)).map_err(io)?;
        Self::parse(&text).ok_or_else(|| IdentityError::Damaged {
            file: file.to_owned(),
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let written: Written = serde_json::from_str(text).ok()?;
        let seed = |text: &str| base64url::decode_exactly(text).map(Seed);
        Some(Self {
            agent: written.agent.parse().ok()?,
            collector: written.collector,
            collector_key: base64url::decode_exactly(&written.collector_key)?,
            tls: match written.tls_pin {
                None => TlsTrust::System,
                Some(pin) => TlsTrust::Pin(base64url::decode_exactly(&pin)?),
            },
            key: seed(&written.private_key)?,
            next_key: match written.next_private_key {
                None => None,
                Some(next) => Some(seed(&next)?),
            },
        })
    }

    /// Writes it, whole beside the old one and put in its place, for its owner only.
    ///
    /// # Errors
    /// When the disk does not take it; the old one is still there.
    pub fn save(&self, file: &Path) -> Result<(), IdentityError> {
        let written = Written {
            agent: self.agent.to_string(),
            collector: self.collector.clone(),
            collector_key: base64url::encode(&self.collector_key),
            tls_pin: match &self.tls {
                TlsTrust::System => None,
                TlsTrust::Pin(pin) => Some(base64url::encode(pin)),
            },
            private_key: base64url::encode(&self.key.0),
            next_private_key: self.next_key.as_ref().map(|next| base64url::encode(&next.0)),
        };
        let fresh = file.with_extension("new");
        let write = || {
            // What a kill left over may be anybody's to read.
            match fs::remove_file(&fresh) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut open = OpenOptions::new();
            let mut out = open.write(true).create_new(true).mode(0o600).open(&fresh)?;
            out.write_all(&serde_json::to_vec(&written)?)?;
            out.sync_all()?;
            fs::rename(&fresh, file)?;
            let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
            File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
        };
        write().map_err(|source| IdentityError::Io {
            file: file.to_owned(),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(tls: TlsTrust) -> Identity {
        Identity {
            agent: "paris-1".parse().expect("an id"),
            collector: "http://127.0.0.1:8360".to_owned(),
            collector_key: [7; 32],
            tls,
            key: Seed::random().expect("random"),
            next_key: None,
        }
    }

    #[test]
    fn it_comes_back_and_only_its_owner_may_read_it() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let file = directory.path().join("identity.json");
        let mut identity = identity(TlsTrust::Pin([3; 32]));
        identity.save(&file).expect("written");
        identity.next_key = Some(Seed::random().expect("random"));
        identity.save(&file).expect("written again");
        assert_eq!(Identity::load(&file).expect("read"), identity);
        let mode = fs::metadata(&file).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("set");
        let refused = Identity::load(&file).expect_err("open").to_string();
        assert!(refused.contains("chmod 600"), "{refused}");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("set");
        fs::write(&file, "{\"private_key\":\"secret words\"}").expect("written");
        let refused = Identity::load(&file).expect_err("damaged").to_string();
        assert!(
            refused.contains("join again") && !refused.contains("secret"),
            "{refused}"
        );
    }

    #[test]
    fn what_is_signed_is_by_its_key_alone() {
        let identity = identity(TlsTrust::System);
        let (signature, public) = (identity.key.sign(b"x"), identity.key.public());
        let public: [u8; 32] = public.try_into().expect("32 bytes");
        assert!(is_by(&public, b"x", &signature));
        assert!(!is_by(&public, b"y", &signature) && !is_by(&[7; 32], b"x", &signature));
        assert_eq!(format!("{:?}", identity.key), "Seed");
    }
}
