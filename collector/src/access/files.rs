//! Accounts and audit log on disk, in `access/` of the data directory. The command line changes them beside a running
//! collector, which looks whether they did: a file lock keeps two changes apart, and a change is written whole beside the old
//! file and put in its place. Nobody but their owner can read them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::accounts::Accounts;
use super::audit::{self, Event};
use crate::whole_file::{Readers, private_directory, replace};

/// A file that cannot be used, or a change that is none.
#[derive(Debug, Error)]
pub enum FileError {
    /// The system refused.
    #[error("{}: {source}", file.display())]
    System {
        /// Of which file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds something else.
    #[error("{}: {reason}; put a copy back, or remove it and make the accounts again with `azimuth-collector user add`", file.display())]
    Damaged {
        /// Which.
        file: PathBuf,
        /// Where and why.
        reason: String,
    },
    /// The change was refused.
    #[error("{0}")]
    Refused(String),
}

/// Tells one state of the file from another: device, inode, length, time of change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp(Option<(u64, u64, u64, i64, i64)>);

/// Where accounts and audit log are kept.
#[derive(Debug, Clone)]
pub struct AccessFiles {
    directory: PathBuf,
}

impl AccessFiles {
    /// Those of the data directory; nothing is touched yet.
    pub fn new(data_dir: &Path) -> Self {
        Self {
            directory: data_dir.join("access"),
        }
    }

    fn accounts_file(&self) -> PathBuf {
        self.directory.join("accounts.json")
    }

    /// The audit log.
    pub fn audit_file(&self) -> PathBuf {
        self.directory.join("audit.jsonl")
    }

    /// Which state the accounts' file is in.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn stamp(&self) -> Result<Stamp, FileError> {
        let file = self.accounts_file();
        match fs::metadata(&file) {
            Ok(found) => Ok(Stamp(Some((
                found.dev(),
                found.ino(),
                found.len(),
                found.mtime(),
                found.mtime_nsec(),
            )))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Stamp(None)),
            Err(source) => Err(FileError::System { file, source }),
        }
    }

    /// The accounts; nobody, if there is no file.
    ///
    /// # Errors
    /// When there is one that cannot be read or understood: that is not nobody.
    pub fn accounts(&self) -> Result<Accounts, FileError> {
        let file = self.accounts_file();
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Accounts::default()),
            Err(source) => return Err(FileError::System { file, source }),
        };
        serde_json::from_slice(&bytes).map_err(|error| FileError::Damaged {
            file,
            reason: error.to_string(),
        })
    }

    /// Lets `change` change the accounts, and writes what it was into the audit log first: a change that is not written down is
    /// not made. Durable when this returns.
    ///
    /// # Errors
    /// What `change` refused, or the system.
    pub fn change<T>(
        &self,
        event: Event,
        change: impl FnOnce(&mut Accounts) -> Result<T, String>,
    ) -> Result<T, FileError> {
        let _lock = self.lock()?;
        let mut accounts = self.accounts()?;
        let done = change(&mut accounts).map_err(FileError::Refused)?;
        self.append_locked(event)?;
        let file = self.accounts_file();
        Self::write(&file, &accounts).map_err(|source| FileError::System { file, source })?;
        Ok(done)
    }

    /// Adds an event to the audit log; durable when this returns.
    ///
    /// # Errors
    /// When the system refuses, or the last line is none.
    pub fn append(&self, event: Event) -> Result<(), FileError> {
        let _lock = self.lock()?;
        self.append_locked(event)
    }

    fn write(file: &Path, accounts: &Accounts) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(accounts)?;
        text.push(b'\n');
        replace(file, &text, Readers::Owner)
    }

    fn append_locked(&self, event: Event) -> Result<(), FileError> {
        let file = self.audit_file();
        let system = |source| FileError::System {
            file: file.clone(),
            source,
        };
        let mut log = private().read(true).open(&file).map_err(system)?;
        let before = newest(&mut log).map_err(system)?;
        let line = audit::line(event, &before).map_err(|reason| FileError::Damaged {
            file: file.clone(),
            reason,
        })?;
        log.write_all(line.as_bytes())
            .and_then(|()| log.sync_all())
            .map_err(system)
    }

    fn lock(&self) -> Result<File, FileError> {
        let file = self.directory.join("lock");
        let system = |source| FileError::System {
            file: file.clone(),
            source,
        };
        private_directory(&self.directory).map_err(system)?;
        let lock = private().open(&file).map_err(system)?;
        lock.lock().map_err(system)?;
        Ok(lock)
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(0o600);
    options
}

/// The longest line of the log; names and addresses have bounds.
const LONGEST_LINE: u64 = 8 * 1024;

/// The hash that the next line has to name. Leaves the file at its end, behind a line feed: a line that a power cut left
/// half is ended, and `audit check` will name it.
fn newest(log: &mut File) -> io::Result<String> {
    let length = log.seek(SeekFrom::End(0))?;
    if length == 0 {
        return Ok(audit::BEGINNING.to_owned());
    }
    log.seek(SeekFrom::Start(length.saturating_sub(LONGEST_LINE)))?;
    let mut tail = Vec::new();
    log.read_to_end(&mut tail)?;
    if tail.last() != Some(&b'\n') {
        log.write_all(b"\n")?;
    }
    let tail = String::from_utf8_lossy(&tail);
    let last = tail
        .trim_end_matches('\n')
        .rsplit('\n')
        .next()
        .unwrap_or_default();
    Ok(audit::hash(last))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::access::accounts::tests::user;
    use crate::access::role::Role;
    use crate::utc::UtcInstant;

    fn event(what: &str) -> Event {
        Event {
            at: UtcInstant::from_unix_ms(1_000),
            by: "root".to_owned(),
            from: "command line".to_owned(),
            what: what.to_owned(),
            subject: "anna".to_owned(),
        }
    }

    fn scratch() -> (tempfile::TempDir, AccessFiles) {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let files = AccessFiles::new(directory.path());
        (directory, files)
    }

    fn add(files: &AccessFiles, name: &str) -> Result<(), FileError> {
        files.change(event("user_added"), |accounts| {
            accounts.add_user(name, user(Role::Administer))
        })
    }

    #[test]
    fn a_change_is_kept_noticed_written_down_and_private() {
        let (_directory, files) = scratch();
        assert!(files.accounts().expect("none yet").is_empty());
        let before = files.stamp().expect("told");
        add(&files, "anna").expect("added");
        assert_ne!(files.stamp().expect("told"), before);
        assert!(files.accounts().expect("read").has_administrator());
        assert!(matches!(add(&files, "anna"), Err(FileError::Refused(_))));
        files.append(event("login")).expect("appended");
        let log = fs::read_to_string(files.audit_file()).expect("a log");
        assert_eq!(audit::check(&log).map(|checked| checked.lines), Ok(2), "{log}");
        for file in [files.accounts_file(), files.audit_file()] {
            let mode = fs::metadata(&file).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", file.display());
        }
    }

    #[test]
    fn a_damaged_file_is_not_nobody() {
        let (_directory, files) = scratch();
        add(&files, "anna").expect("added");
        fs::write(files.accounts_file(), "{").expect("written");
        let error = files.accounts().expect_err("damaged").to_string();
        assert!(
            error.contains("accounts.json") && error.contains("user add"),
            "{error}"
        );
        assert!(add(&files, "ben").is_err(), "nothing is written over it");
    }

    #[test]
    fn a_line_cut_by_a_power_cut_is_named_by_the_check_and_the_log_goes_on() {
        let (_directory, files) = scratch();
        for _ in 0..3 {
            files.append(event("login")).expect("appended");
        }
        let log = fs::read(files.audit_file()).expect("a log");
        fs::write(files.audit_file(), &log[..log.len() - 9]).expect("cut");
        files.append(event("login")).expect("appended");
        let log = fs::read_to_string(files.audit_file()).expect("a log");
        assert_eq!(log.lines().count(), 4);
        assert_eq!(audit::check(&log).expect_err("a broken line").0, 3);
    }

    #[test]
    fn many_changes_at_once_are_all_kept() {
        let (_directory, files) = scratch();
        std::thread::scope(|scope| {
            for n in 0..8 {
                let files = &files;
                scope.spawn(move || add(files, &format!("user{n}")).expect("added"));
            }
        });
        assert_eq!(files.accounts().expect("read").users.len(), 8);
        let log = fs::read_to_string(files.audit_file()).expect("a log");
        assert_eq!(audit::check(&log).map(|checked| checked.lines), Ok(8));
    }
}
