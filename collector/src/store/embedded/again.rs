//! Opening the file again after a failed write, which is also how it is found out whether that write had become durable. When
//! the write failed for what it met in the file, and redb's own checksums say that the file is damaged, it is set aside as at a
//! start (`open.rs`) and a new one takes its place, without a restart: such a file refuses every commit for good, and what is
//! measured now must be kept.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use azimuth_measurement::ManifestId;
use redb::Database;

use super::dictionary_file::DictionaryCopy;
use super::losses::Losses;
use super::open::{self, Failure, OpenError, OpenedAgain};
use super::{EmbeddedStore, read_copy, unless_contradictory};
use crate::store::{Dictionary, StoreError};

/// Files set aside in one run of the collector. A disk that damages one after the other is not to be filled with them.
const MOST_REPLACED: u64 = 3;

impl EmbeddedStore {
    /// After a failed write redb refuses all others, so the file is closed and opened again.
    pub(super) fn reopen_if_needed(&self) -> Result<(), StoreError> {
        if self.reopen.load(Ordering::Acquire) {
            self.open_again(false)?;
        }
        Ok(())
    }

    /// A write failed for what it met in the file: looks at all of it, and replaces it if it is damaged.
    pub(super) fn look_at_damage(&self, failed: &StoreError) {
        tracing::error!("{failed}; its file is looked at whole");
        if let Err(error) = self.open_again(true) {
            tracing::error!("{error}");
        }
    }

    fn open_again(&self, suspect: bool) -> Result<(), StoreError> {
        let refused = |error: OpenError| StoreError {
            doing: "open its file again",
            cause: error.to_string(),
            damaged: false,
        };
        // In the order in which whoever copies the dictionary takes them.
        let mut copied = self.copied.lock().unwrap_or_else(PoisonError::into_inner);
        let mut guard = self.database.write().unwrap_or_else(PoisonError::into_inner);
        let known = guard
            .as_ref()
            .filter(|_| suspect)
            .and_then(|database| self.sound_copy(database));
        open::close(guard.take());
        let least_writes = self.writes.load(Ordering::Acquire);
        let opened = match open::again(&self.directory, suspect, least_writes) {
            Err(Failure::Damaged(cause)) if self.losses().replaced < MOST_REPLACED => {
                if let Some(known) = known
                    && let Err(error) = known.write(self.shelf().disk(), &self.tiers_directory())
                {
                    tracing::warn!(
                        "the dictionary cannot be copied: {error}; series that came since it last was are lost"
                    );
                }
                *copied = None;
                self.in_its_place(&cause)
            }
            opened => opened.map_err(|failure| failure.refusal(&self.directory)),
        };
        let (database, dictionary, writes) = opened.map_err(refused)?;
        drop(copied);
        self.writes.store(writes, Ordering::Release);
        *self.dictionary.write().unwrap_or_else(PoisonError::into_inner) = dictionary;
        if let Err(error) = self.fill_window(&database, self.latest_unix_ms.load(Ordering::Acquire)) {
            tracing::warn!("{error}; questions about now are answered from disk");
        }
        *guard = Some(database);
        self.reopen.store(false, Ordering::Release);
        Ok(())
    }

    /// Sets the file aside and begins a new one, which knows every agent and series and what is sealed.
    fn in_its_place(&self, cause: &str) -> Result<OpenedAgain, OpenError> {
        let replaced = self.losses().replaced + 1;
        open::set_aside(
            &self.directory,
            self.latest_unix_ms.load(Ordering::Acquire),
            cause,
        )?;
        let before = self.losses().stretches.clone();
        let made = open::make_anew(&self.directory, self.store_id, &self.shelf(), &before)?;
        self.replace_losses(Losses { replaced, ..made.1 });
        Ok(made.0)
    }

    /// The dictionary of a file that may be damaged, if it is whole and says the same as the one in memory: its copy beside the
    /// parts may be an hour old, and series that came since must keep their numbers.
    fn sound_copy(&self, database: &Database) -> Option<DictionaryCopy> {
        let copy = unless_contradictory("read the dictionary", || read_copy(database, self.store_id)).ok()?;
        let mut replayed = Dictionary::default();
        for agent in &copy.agents {
            replayed.add_agent(&agent.parse().ok()?).ok()?;
        }
        for (agent, id, frame) in &copy.manifests {
            open::replay_growth(&mut replayed, *agent, ManifestId(*id), frame).ok()?;
        }
        let in_memory = self.dictionary_now();
        let same = replayed.series().zip(in_memory.series()).all(|(one, other)| {
            one.0 == other.0 && one.1.agent == other.1.agent && one.1.descriptor == other.1.descriptor
        });
        same.then_some(copy)
    }
}
