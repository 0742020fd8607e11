//! Reads the key of authenticated STAMP from a file. Knows files and who may read them; what a key is, is
//! [`StampKey`]'s.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::stamp::StampKey;
use crate::stamp::key::KeyError;

/// A file longer than this holds no key.
const MOST_BYTES: u64 = 1_024;

/// There is no usable key in the file.
#[derive(Debug, Error)]
pub enum KeyFileError {
    /// It cannot be read.
    #[error("key file {file}: {source}. Is the path right, and may this user read it?")]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Everyone on this host may read it.
    #[error("key file {file} is readable by everyone on this host. Run: chmod o= {file}")]
    Open {
        /// Which.
        file: PathBuf,
    },
    /// What is in it is no key.
    #[error("key file {file}: {source}")]
    NoKey {
        /// Which.
        file: PathBuf,
        /// Why not.
        source: KeyError,
    },
}

/// The key in `file`, in hexadecimal digits.
///
/// # Errors
/// [`KeyFileError`]; none repeats what is in the file.
pub fn read(file: &Path) -> Result<StampKey, KeyFileError> {
    let unreadable = |source| KeyFileError::Unreadable {
        file: file.to_owned(),
        source,
    };
    let opened = File::open(file).map_err(unreadable)?;
    if opened.metadata().map_err(unreadable)?.permissions().mode() & 0o007 != 0 {
        return Err(KeyFileError::Open {
            file: file.to_owned(),
        });
    }
    let mut text = String::new();
    opened
        .take(MOST_BYTES)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    StampKey::from_hex(&text).map_err(|source| KeyFileError::NoKey {
        file: file.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_key_is_read_only_from_a_file_that_keeps_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("stamp.key");
        let said = || {
            read(&file)
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default()
        };
        assert!(said().contains("Is the path right"), "{}", said());
        fs::write(&file, "0b".repeat(32)).expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("set");
        assert!(said().contains("chmod o="), "{}", said());
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("set");
        assert_eq!(read(&file).ok(), StampKey::from_hex(&"0b".repeat(32)).ok());
        fs::write(&file, "secret words").expect("written");
        assert!(
            said().contains("hexadecimal") && !said().contains("secret"),
            "{}",
            said()
        );
    }
}
