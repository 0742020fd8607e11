//! What a reflector's throughput tests have cost this month, and its file. The account is pure; the file is written before a test
//! begins, with all that the test may cost, and again after it with what it did cost: a kill in between leaves it too high, never too
//! low.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::ledger::{seal, unseal, write_whole};

/// A month for the budget: 30 days, counted from the Unix epoch, so that no calendar is needed.
pub const MONTH_MS: u64 = 30 * 86_400_000;
/// An account is three lines; a file larger than this is none.
const MOST_FILE_BYTES: u64 = 4_096;
const FORM: &str = "azimuth reflector ledger 1";

/// Octets spent or promised in a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Month {
    /// Which, counted from the Unix epoch.
    pub number: u64,
    /// Octets of both directions.
    pub bytes: u64,
}

impl Month {
    /// Nothing spent in the month of `now_unix_ms`.
    #[must_use]
    pub fn new(now_unix_ms: u64) -> Self {
        Self {
            number: now_unix_ms / MONTH_MS,
            bytes: 0,
        }
    }

    /// Begins a new month when it is one. A clock that went back begins none, and one that was more than a month ahead is not
    /// waited for, but nothing is forgiven either.
    pub fn turn(&mut self, now_unix_ms: u64) {
        let number = now_unix_ms / MONTH_MS;
        if number > self.number {
            *self = Self { number, bytes: 0 };
        } else if self.number > number + 1 {
            self.number = number;
        }
    }

    /// As its file holds it.
    #[must_use]
    pub fn to_text(&self) -> String {
        seal(&format!("{FORM}\nmonth {}\nbytes {}\n", self.number, self.bytes))
    }

    /// What a file holds; `None` when it is damaged.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let mut lines = unseal(text)?.lines();
        let (form, month, bytes) = (lines.next()?, lines.next()?, lines.next()?);
        if form != FORM || lines.next().is_some() {
            return None;
        }
        Some(Self {
            number: month.strip_prefix("month ")?.parse().ok()?,
            bytes: bytes.strip_prefix("bytes ")?.parse().ok()?,
        })
    }
}

/// The file of the account cannot be used.
#[derive(Debug, Error)]
pub enum MonthError {
    /// It cannot be read or written.
    #[error("reflector's ledger {file}: {source}. May this user write there, and is there room?")]
    File {
        /// Which.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What is in it is no account.
    #[error(
        "reflector's ledger {file} is damaged: what this month has cost is not known. Remove it to begin the month anew"
    )]
    Damaged {
        /// Which.
        file: PathBuf,
    },
}

/// Where the account is kept.
#[derive(Debug)]
pub struct MonthFile {
    file: PathBuf,
}

impl MonthFile {
    /// The file, and what is in it; a new month where there is none.
    ///
    /// # Errors
    /// [`MonthError`]; where there is a file that cannot be read, nothing may be spent.
    pub fn open(file: &Path, now_unix_ms: u64) -> Result<(Self, Month), MonthError> {
        let kept = Self {
            file: file.to_owned(),
        };
        let damaged = || MonthError::Damaged {
            file: file.to_owned(),
        };
        let month = match fs::metadata(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Month::new(now_unix_ms),
            Err(error) => return Err(kept.failed(error)),
            Ok(about) if about.len() > MOST_FILE_BYTES => return Err(damaged()),
            Ok(_) => {
                let octets = fs::read(file).map_err(|error| kept.failed(error))?;
                let text = String::from_utf8(octets).map_err(|_| damaged())?;
                Month::from_text(&text).ok_or_else(damaged)?
            }
        };
        Ok((kept, month))
    }

    /// Writes it down, synced.
    ///
    /// # Errors
    /// [`MonthError::File`]; then no test may begin.
    pub fn write(&self, month: Month) -> Result<(), MonthError> {
        write_whole(&self.file, &month.to_text()).map_err(|error| self.failed(error))
    }

    fn failed(&self, source: io::Error) -> MonthError {
        MonthError::File {
            file: self.file.clone(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 700 * MONTH_MS + 5;

    #[test]
    fn a_month_begins_once_and_a_clock_that_went_back_forgives_nothing() {
        let mut month = Month::new(NOW);
        month.bytes = 60;
        month.turn(NOW + MONTH_MS - 6);
        month.turn(NOW - MONTH_MS);
        month.turn(NOW);
        assert_eq!(month.bytes, 60, "back and forth, and up to its last millisecond");
        month.turn(NOW + MONTH_MS);
        assert_eq!(month.bytes, 0);
        month.turn(NOW + 400 * MONTH_MS);
        month.bytes = 70;
        month.turn(NOW + MONTH_MS);
        assert_eq!(month.bytes, 70, "a clock that was years ahead");
        month.turn(NOW + 2 * MONTH_MS);
        assert_eq!(month.bytes, 0, "is not waited for");
    }

    #[test]
    fn the_file_holds_it_and_damage_is_seen() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("reflector.ledger");
        let (kept, mut month) = MonthFile::open(&file, NOW).expect("new");
        assert_eq!(month, Month::new(NOW));
        month.bytes = 12_345;
        kept.write(month).expect("written");
        let (_, again) = MonthFile::open(&file, NOW + MONTH_MS).expect("read");
        assert_eq!(again, month, "the month of the file, not of its reader");
        let text = month.to_text();
        for at in 0..text.len() {
            let mut damaged = text.clone().into_bytes();
            damaged[at] ^= 4;
            assert_eq!(Month::from_text(&String::from_utf8_lossy(&damaged)), None);
            assert_eq!(Month::from_text(&text[..at]), None);
        }
        fs::write(&file, "rubbish").expect("written");
        let error = MonthFile::open(&file, NOW).expect_err("damaged");
        assert!(error.to_string().contains("Remove it"), "{error}");
        let nowhere = directory.path().join("none/reflector.ledger");
        let (kept, month) = MonthFile::open(&nowhere, NOW).expect("none yet");
        assert!(kept.write(month).is_err());
    }
}
