//! What throughput tests have cost today, by target and direction, so that a budget is kept whatever happens to the agent. The account
//! is pure; its file is written before a test begins, with all that the test may cost, and again after it with what it did cost: a kill
//! in between leaves it too high, never too low.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use azimuth_measurement::TransferDirection;
use thiserror::Error;

/// A day in UTC, as budgets are counted.
pub const DAY_MS: u64 = 86_400_000;
/// A ledger is one line a target and direction; one larger than this is none.
const MOST_FILE_BYTES: u64 = 4 << 20;
const FORM: &str = "azimuth throughput ledger 1";

/// Which account: the target's name, and the direction.
pub type Account = (String, TransferDirection);

/// Octets spent today.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    day: u64,
    spent: BTreeMap<Account, u64>,
}

/// The file of the ledger cannot be used.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// It cannot be read or written.
    #[error("throughput ledger {file}: {source}. May this user write there, and is there room?")]
    File {
        /// Which.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What is in it is no ledger.
    #[error(
        "throughput ledger {file} is damaged; today counts as spent. It is written anew tomorrow, or remove it"
    )]
    Damaged {
        /// Which.
        file: PathBuf,
    },
}

impl Ledger {
    /// Nothing spent on the day of `now_unix_ms`.
    #[must_use]
    pub fn new(now_unix_ms: u64) -> Self {
        Self {
            day: now_unix_ms / DAY_MS,
            spent: BTreeMap::new(),
        }
    }

    /// Begins a new day when it is one. A clock that went back begins none: what was spent stays spent until the day after it. A
    /// clock that was a day or more ahead is not waited for, but nothing is forgiven either.
    pub fn turn(&mut self, now_unix_ms: u64) {
        let day = now_unix_ms / DAY_MS;
        if day > self.day {
            self.spent.clear();
            self.day = day;
        } else if self.day > day + 1 {
            self.day = day;
        }
    }

    /// Octets spent or promised today.
    #[must_use]
    pub fn spent(&self, account: &Account) -> u64 {
        self.spent.get(account).copied().unwrap_or(0)
    }

    /// Promises `bytes` if the account stays within `day_bytes`; whether it did.
    #[must_use]
    pub fn promise(&mut self, account: &Account, bytes: u64, day_bytes: u64) -> bool {
        let promised = self.spent(account).saturating_add(bytes);
        let fits = promised <= day_bytes;
        if fits {
            self.spent.insert(account.clone(), promised);
        }
        fits
    }

    /// A test that was promised `promised` has cost `moved`, on the same day or over midnight; then all of it counts today, since
    /// the promise was forgotten with yesterday.
    pub fn settle(&mut self, account: &Account, promised: u64, moved: u64) {
        let spent = self.spent.entry(account.clone()).or_default();
        *spent = spent.saturating_sub(promised).saturating_add(moved);
    }

    /// As its file holds it.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{FORM}\nday {}\n", self.day);
        for ((target, direction), bytes) in &self.spent {
            // A target's name has no control characters.
            text += &format!("{direction} {bytes} {target}\n");
        }
        seal(&text)
    }

    /// What a file holds; `None` when it is damaged.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let mut lines = unseal(text)?.lines();
        if lines.next()? != FORM {
            return None;
        }
        let day = lines.next()?.strip_prefix("day ")?.parse().ok()?;
        let mut spent = BTreeMap::new();
        for line in lines {
            let mut fields = line.splitn(3, ' ');
            let direction = fields.next()?.parse().ok()?;
            let bytes = fields.next()?.parse().ok()?;
            spent.insert((fields.next()?.to_owned(), direction), bytes);
        }
        Some(Self { day, spent })
    }
}

/// A ledger and its file.
#[derive(Debug)]
pub struct LedgerFile {
    file: PathBuf,
    /// The account.
    pub ledger: Ledger,
}

impl LedgerFile {
    /// Reads the ledger in `directory`, or begins one.
    ///
    /// # Errors
    /// [`LedgerError`]; where there is a file that cannot be read, nothing may be spent.
    pub fn open(directory: &Path, now_unix_ms: u64) -> Result<Self, LedgerError> {
        let file = directory.join("throughput.ledger");
        let failed = |source| LedgerError::File {
            file: file.clone(),
            source,
        };
        let ledger = match fs::metadata(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ledger::new(now_unix_ms),
            Err(error) => return Err(failed(error)),
            Ok(about) if about.len() > MOST_FILE_BYTES => return Err(LedgerError::Damaged { file }),
            Ok(_) => {
                let text = fs::read(&file).map_err(failed)?;
                let text = String::from_utf8(text).ok();
                match text.as_deref().and_then(Ledger::from_text) {
                    Some(ledger) => ledger,
                    None => return Err(LedgerError::Damaged { file }),
                }
            }
        };
        Ok(Self { file, ledger })
    }

    /// Writes it down, synced: what was promised is on disk before the first octet is sent.
    ///
    /// # Errors
    /// [`LedgerError::File`]; then the test may not begin.
    pub fn write(&self) -> Result<(), LedgerError> {
        write_whole(&self.file, &self.ledger.to_text()).map_err(|source| LedgerError::File {
            file: self.file.clone(),
            source,
        })
    }
}

/// Whole lines, and a last one by which damage is seen.
pub(super) fn seal(text: &str) -> String {
    let sum = crc32fast::hash(text.as_bytes());
    format!("{text}sum {sum:08x}\n")
}

/// The lines that were sealed; `None` when they are damaged.
pub(super) fn unseal(text: &str) -> Option<&str> {
    let said = text.strip_suffix('\n')?;
    let (_, last) = said.rsplit_once('\n')?;
    let body = text.get(..said.len() - last.len())?;
    let sum = u32::from_str_radix(last.strip_prefix("sum ")?, 16).ok()?;
    (sum == crc32fast::hash(body.as_bytes())).then_some(body)
}

/// Replaces a file, synced: after a kill there is the old one or the new one.
pub(super) fn write_whole(file: &Path, text: &str) -> io::Result<()> {
    let new = file.with_extension("new");
    let mut out = File::create(&new)?;
    out.write_all(text.as_bytes())?;
    out.sync_all()?;
    fs::rename(&new, file)?;
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 20_000 * DAY_MS + 5;

    fn account() -> Account {
        ("zone-a".to_owned(), TransferDirection::Download)
    }

    #[test]
    fn what_is_promised_is_spent_until_it_is_settled() {
        let mut ledger = Ledger::new(NOW);
        assert!(ledger.promise(&account(), 60, 100));
        assert!(!ledger.promise(&account(), 41, 100));
        assert!(ledger.promise(&account(), 40, 100));
        let up = ("zone-a".to_owned(), TransferDirection::Upload);
        assert!(ledger.promise(&up, 100, 100), "directions are apart");
        ledger.settle(&account(), 60, 25);
        assert_eq!(ledger.spent(&account()), 65);
    }

    #[test]
    fn a_new_day_begins_once_and_a_clock_that_went_back_forgives_nothing() {
        let mut ledger = Ledger::new(NOW);
        assert!(ledger.promise(&account(), 60, 100));
        ledger.turn(NOW + DAY_MS - 6);
        assert_eq!(ledger.spent(&account()), 60, "a millisecond before midnight");
        ledger.turn(NOW - DAY_MS);
        ledger.turn(NOW);
        assert_eq!(ledger.spent(&account()), 60, "back and forth");
        ledger.turn(NOW + DAY_MS);
        assert_eq!(ledger.spent(&account()), 0);
        // A year ahead, spent there, and back.
        ledger.turn(NOW + 365 * DAY_MS);
        assert!(ledger.promise(&account(), 60, 100));
        ledger.turn(NOW + DAY_MS);
        assert_eq!(ledger.spent(&account()), 60);
        ledger.turn(NOW + 2 * DAY_MS);
        assert_eq!(ledger.spent(&account()), 0, "not waited for a year");
    }

    #[test]
    fn the_file_holds_it_and_damage_is_seen() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut file = LedgerFile::open(directory.path(), NOW).expect("new");
        assert!(file.ledger.promise(&account(), 60, 100));
        file.write().expect("written");
        let again = LedgerFile::open(directory.path(), NOW + DAY_MS).expect("read");
        assert_eq!(
            again.ledger, file.ledger,
            "the day of the file, not of its reader"
        );
        let text = file.ledger.to_text();
        assert_eq!(Ledger::from_text(&text).as_ref(), Some(&file.ledger));
        for at in 0..text.len() {
            let mut damaged = text.clone().into_bytes();
            damaged[at] ^= 4;
            let damaged = String::from_utf8_lossy(&damaged).into_owned();
            assert_eq!(Ledger::from_text(&damaged), None, "{damaged}");
            assert_eq!(Ledger::from_text(&text[..at]), None);
        }
        fs::write(directory.path().join("throughput.ledger"), "rubbish").expect("written");
        let error = LedgerFile::open(directory.path(), NOW).expect_err("damaged");
        assert!(error.to_string().contains("counts as spent"), "{error}");
    }
}
