//! Where alerts live on disk: `alerts.redb` beside the store's `hot.redb`. State, outbox and watermark change in **one**
//! transaction with an fsync, so after a kill at any point all of a step is there or none of it, and what is evaluated
//! again after a restart comes to the same pages as it would have, which were not in the outbox before.
//!
//! A file of its own, and not tables of `hot.redb`: redb has one writer, and every batch of reports would wait for the
//! fsyncs of alerts; a failed write makes the store close and open its file, which a full outbox must never cause; and a
//! backup of the measurements, restored elsewhere, must not page a second time. A damaged file is set aside and named;
//! what then fires is told again, which is better than not at all.
//!
//! Rows are JSON: few, small, and read by people when something is wrong.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use redb::{
    Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, ReadableTableMetadata,
    StorageError, TableDefinition,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::page::Page;
use crate::alert::book::{Entry, Silence};
use crate::alert::rules::AlertKey;

/// Name of the file in the data directory.
pub const FILE_NAME: &str = "alerts.redb";
/// Cache of the file, in bytes: it is read once and written a little at a time.
const CACHE_BYTES: usize = 4 * 1024 * 1024;
/// Pages that may wait in the outbox; beyond it the oldest go, and are counted.
pub const MOST_WAITING: u64 = 100_000;
/// The form of the rows.
const FORMAT: u32 = 1;

/// `rule:series:measure` -> [`Row`].
const ALERTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("alerts");
/// Sequence -> [`Page`].
const OUTBOX: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("outbox");
/// [`STATE_KEY`] -> [`State`].
const STATE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("state");
const STATE_KEY: &str = "state";

#[derive(Serialize, Deserialize)]
struct Row {
    key: AlertKey,
    entry: Entry,
}

/// What there is one of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    format: u32,
    /// The watermark: what starts before this instant (unix ms) has been evaluated. Absent before the first evaluation.
    pub evaluated_to_unix_ms: Option<u64>,
    /// The next page's sequence.
    pub next_page: u64,
    /// The next silence's number.
    pub next_silence: u64,
    /// The silences.
    pub silences: Vec<Silence>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            format: FORMAT,
            evaluated_to_unix_ms: None,
            next_page: 1,
            next_silence: 1,
            silences: Vec::new(),
        }
    }
}

/// Everything that was in the file.
#[derive(Debug, Default)]
pub struct Stored {
    /// What there is one of.
    pub state: State,
    /// The alerts.
    pub alerts: Vec<(AlertKey, Entry)>,
    /// Pages that wait.
    pub waiting: u64,
    /// Rows that could not be read back.
    pub unreadable: u64,
}

/// What is to be written.
#[derive(Debug, Default)]
pub struct Step {
    /// Alerts that changed; one that is gone has no entry.
    pub alerts: std::collections::BTreeMap<AlertKey, Option<Entry>>,
    /// New pages.
    pub pages: Vec<Page>,
    /// What there is one of.
    pub state: State,
}

/// What a write came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Pages that wait now.
    pub waiting: u64,
    /// Pages that had to go.
    pub dropped: u64,
}

/// Why the file cannot be used.
#[derive(Debug, Error)]
pub enum FileError {
    /// Another process has it.
    #[error("{}: another collector uses it; stop that one or give this one another data_dir", .0.display())]
    InUse(PathBuf),
    /// Its form is not known.
    #[error("{}: was written by a later release (format {format}); use that release, or move the file away", file.display())]
    Later {
        /// The file.
        file: PathBuf,
        /// Its form.
        format: u32,
    },
    /// It cannot be read or written.
    #[error("{}: {cause}", file.display())]
    System {
        /// The file.
        file: PathBuf,
        /// What was said.
        cause: String,
    },
    /// It is no such file any more.
    #[error("{}: is damaged: {cause}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What was said.
        cause: String,
    },
}

/// The file.
#[derive(Debug)]
pub struct AlertFile {
    file: PathBuf,
    /// `None` after a failed write, until it was opened again.
    database: Mutex<Option<Database>>,
}

/// The spelling of a key in the file and in the API: rule names and measures hold no colon.
pub fn alert_id(key: &AlertKey) -> String {
    format!("{}:{}:{}", key.rule, key.series, key.measure)
}

impl AlertFile {
    /// Opens the file in `directory`, making it if need be; a damaged one is set aside under a name with `now_unix_ms`,
    /// and that name is returned.
    ///
    /// # Errors
    /// When the file is in use, of a later release, or the system refuses.
    pub fn open(directory: &Path, now_unix_ms: u64) -> Result<(Self, Stored, Option<PathBuf>), FileError> {
        let file = directory.join(FILE_NAME);
        let mut aside = None;
        let (database, stored) = match open(&file) {
            Err(FileError::Damaged { cause, .. }) => {
                let to = directory.join(format!("{FILE_NAME}.damaged-{now_unix_ms}"));
                tracing::error!("{}: {cause}; set aside as {}", file.display(), to.display());
                std::fs::rename(&file, &to).map_err(|error| system(&file, &error))?;
                aside = Some(to);
                open(&file)?
            }
            opened => opened?,
        };
        let database = Mutex::new(Some(database));
        Ok((Self { file, database }, stored, aside))
    }

    /// Makes a step durable, all or nothing.
    ///
    /// # Errors
    /// When it could not be written; it may be tried again, alone or with what came after.
    pub fn write(&self, step: &Step) -> Result<Written, FileError> {
        let failed = |error: redb::Error| system(&self.file, &error);
        self.with(|database| {
            let mut transaction = database.begin_write().map_err(|error| failed(error.into()))?;
            transaction
                .set_durability(Durability::Immediate)
                .map_err(|error| failed(error.into()))?;
            let written = write(&transaction, step).map_err(failed)?;
            transaction.commit().map_err(|error| failed(error.into()))?;
            Ok(written)
        })
    }

    /// Pages after `after`, in order, at most so many. Those that cannot be read back are passed over.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn pages(&self, after: u64, most: usize) -> Result<Vec<Page>, FileError> {
        let failed = |error: redb::Error| system(&self.file, &error);
        self.with(|database| {
            let read = database.begin_read().map_err(|error| failed(error.into()))?;
            let outbox = read.open_table(OUTBOX).map_err(|error| failed(error.into()))?;
            let rows = outbox
                .range(after.saturating_add(1)..)
                .map_err(|error| failed(error.into()))?;
            let mut pages = Vec::new();
            for row in rows.take(most) {
                let (_, bytes) = row.map_err(|error| failed(error.into()))?;
                pages.extend(serde_json::from_slice::<Page>(bytes.value()).ok());
            }
            Ok(pages)
        })
    }

    /// Forgets the pages up to and with `sequence`: they have been delivered. Returns how many wait now.
    ///
    /// # Errors
    /// When it could not be written; the pages are still there.
    pub fn taken(&self, sequence: u64) -> Result<u64, FileError> {
        let failed = |error: redb::Error| system(&self.file, &error);
        self.with(|database| {
            let transaction = database.begin_write().map_err(|error| failed(error.into()))?;
            let waiting = {
                let mut outbox = transaction
                    .open_table(OUTBOX)
                    .map_err(|error| failed(error.into()))?;
                outbox
                    .retain_in(..=sequence, |_, _| false)
                    .map_err(|error| failed(error.into()))?;
                outbox.len().map_err(|error| failed(error.into()))?
            };
            transaction.commit().map_err(|error| failed(error.into()))?;
            Ok(waiting)
        })
    }

    /// redb refuses all writes after one that failed, so the file is closed then and opened again the next time.
    fn with<T>(&self, work: impl FnOnce(&Database) -> Result<T, FileError>) -> Result<T, FileError> {
        let mut guard = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let database = match guard.take() {
            Some(database) => database,
            None => open(&self.file)?.0,
        };
        let done = work(&database)?;
        *guard = Some(database);
        Ok(done)
    }
}

fn system(file: &Path, cause: &dyn std::error::Error) -> FileError {
    FileError::System {
        file: file.to_owned(),
        cause: cause.to_string(),
    }
}

fn open(file: &Path) -> Result<(Database, Stored), FileError> {
    let damaged = |cause: String| FileError::Damaged {
        file: file.to_owned(),
        cause,
    };
    let judged = |error: redb::Error| match error {
        redb::Error::Corrupted(cause) => damaged(cause),
        error => system(file, &error),
    };
    // redb asserts on some contents it could not have written; to us that is one more kind of damage.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let database = Database::builder().set_cache_size(CACHE_BYTES).create(file);
        let database = database.map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => FileError::InUse(file.to_owned()),
            DatabaseError::Storage(StorageError::Io(error))
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof
                ) =>
            {
                damaged(error.to_string())
            }
            error => judged(error.into()),
        })?;
        let stored = read(&database).map_err(judged)?;
        Ok((database, stored))
    }));
    let (database, stored) =
        opened.unwrap_or_else(|_| Err(damaged("its pages contradict each other".to_owned())))?;
    if stored.state.format > FORMAT {
        return Err(FileError::Later {
            file: file.to_owned(),
            format: stored.state.format,
        });
    }
    Ok((database, stored))
}

fn read(database: &Database) -> Result<Stored, redb::Error> {
    // Makes the tables of a new file, so that nothing else has to know that they may be absent.
    let transaction = database.begin_write()?;
    transaction.open_table(ALERTS)?;
    transaction.open_table(OUTBOX)?;
    transaction.open_table(STATE)?;
    transaction.commit()?;

    let mut stored = Stored::default();
    let read = database.begin_read()?;
    if let Some(row) = read.open_table(STATE)?.get(STATE_KEY)? {
        match serde_json::from_slice(row.value()) {
            Ok(state) => stored.state = state,
            Err(error) => {
                return Err(redb::Error::Corrupted(format!(
                    "its state is unreadable: {error}"
                )));
            }
        }
    }
    for row in read.open_table(ALERTS)?.iter()? {
        match serde_json::from_slice::<Row>(row?.1.value()) {
            Ok(row) => stored.alerts.push((row.key, row.entry)),
            Err(_) => stored.unreadable += 1,
        }
    }
    stored.waiting = read.open_table(OUTBOX)?.len()?;
    Ok(stored)
}

fn write(transaction: &redb::WriteTransaction, step: &Step) -> Result<Written, redb::Error> {
    let plain = |error: serde_json::Error| redb::Error::Io(std::io::Error::from(error));
    let mut alerts = transaction.open_table(ALERTS)?;
    for (key, entry) in &step.alerts {
        let id = alert_id(key);
        match entry {
            None => {
                alerts.remove(&*id)?;
            }
            Some(entry) => {
                let row = Row {
                    key: key.clone(),
                    entry: entry.clone(),
                };
                alerts.insert(&*id, &*serde_json::to_vec(&row).map_err(plain)?)?;
            }
        }
    }
    let mut outbox = transaction.open_table(OUTBOX)?;
    for page in &step.pages {
        outbox.insert(page.sequence, &*serde_json::to_vec(page).map_err(plain)?)?;
    }
    let mut dropped = 0;
    while outbox.len()? > MOST_WAITING {
        outbox.pop_first()?;
        dropped += 1;
    }
    let state = serde_json::to_vec(&step.state).map_err(plain)?;
    transaction.open_table(STATE)?.insert(STATE_KEY, &*state)?;
    let waiting = outbox.len()?;
    Ok(Written { waiting, dropped })
}
