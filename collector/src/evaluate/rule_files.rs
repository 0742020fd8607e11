//! Reads the rule files that a configuration or a command names. What is right is decided in `alert::rules`.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::alert::rules::{Mistake, RuleSet, read};

/// Longest file read, in bytes.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// Why rule files cannot be used.
#[derive(Debug, Error)]
pub enum RulesError {
    /// Not readable.
    #[error("{}: cannot be read: {source}; name a readable TOML file of at most {MOST_BYTES} bytes", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Read, and wrong.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Mistakes(Vec<Mistake>),
}

/// Reads rule files together; the default rule when there are none.
///
/// # Errors
/// When one cannot be read, or every mistake in them.
pub fn load_rules(files: &[PathBuf]) -> Result<RuleSet, RulesError> {
    let texts = files
        .iter()
        .map(|file| text_of(file))
        .collect::<Result<Vec<_>, _>>()?;
    let both = files
        .iter()
        .map(PathBuf::as_path)
        .zip(texts.iter().map(String::as_str));
    read(both).map_err(RulesError::Mistakes)
}

/// The text of a file of rules or cases.
///
/// # Errors
/// When it cannot be read, is no text, or is too long.
pub fn text_of(file: &Path) -> Result<String, RulesError> {
    use io::Read as _;
    let mut text = String::new();
    let read = std::fs::File::open(file).and_then(|open| open.take(MOST_BYTES + 1).read_to_string(&mut text));
    let read = read.and_then(|read| {
        if read as u64 > MOST_BYTES {
            Err(io::Error::from(io::ErrorKind::FileTooLarge))
        } else {
            Ok(())
        }
    });
    read.map(|()| text).map_err(|source| RulesError::Unreadable {
        file: file.to_owned(),
        source,
    })
}
