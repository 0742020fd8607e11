//! What the file has lost, so that answers can say it: files set aside, the time they stood for, rows that damage hides. Does
//! not find damage; `open.rs` and `again.rs` do. What parts have lost is on the shelf.
//!
//! A file that takes a damaged one's place notes in itself from when on nothing was sealed, for nobody can tell later. What
//! agents deliver of that time afterwards is stored and shown, and the time is called damaged all the same: what else there was
//! is not known.

use std::io;
use std::path::Path;
use std::sync::PoisonError;

use redb::{Database, Durability, ReadableDatabase};

use super::EmbeddedStore;
use super::maintain::SEAL_AFTER_MS;
use super::open::{FILE_NAME, SET_ASIDE};
use super::sealed::shelf::{HOUR_MS, Shelf};
use super::tables::{META, lost_key};
use crate::store::tier::{Hole, Tier};
use crate::store::{Coverage, Missing, MissingCause, TimeRange};

/// What is known to be lost.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// Files set aside in the store's directory; not those of the tiers.
    pub(super) set_aside: u64,
    /// What the files set aside held and no part does.
    pub(super) stretches: Vec<TimeRange>,
    /// Rows of the hot table that its own count knows of and a walk over it does not meet, when the file was opened.
    pub(super) hidden_reports: u64,
    /// Files set aside since the store was opened.
    pub(super) replaced: u64,
}

impl Losses {
    /// Reads what is known of files set aside.
    pub(super) fn read(database: &Database, directory: &Path) -> Result<Self, redb::Error> {
        let meta = database.begin_read()?.open_table(META)?;
        let times = times_set_aside(directory)?;
        let mut losses = Self {
            set_aside: times.len() as u64,
            ..Self::default()
        };
        for to_unix_ms in times {
            let known = meta.get(lost_key(to_unix_ms).as_str())?;
            // Releases before this one noted nothing; what is sealed in time is sealed when its hour and a little are over.
            let usual = to_unix_ms.saturating_sub(HOUR_MS + SEAL_AFTER_MS) / HOUR_MS * HOUR_MS;
            losses.stretches.push(TimeRange {
                from_unix_ms: known.map_or(usual, |from| from.value()),
                to_unix_ms,
            });
        }
        Ok(losses)
    }

    /// Notes in a new file what was lost with the one set aside last: all that came after what is sealed. `before` is what the
    /// one before knew.
    pub(super) fn note(
        database: &Database,
        directory: &Path,
        shelf: &Shelf,
        before: &[TimeRange],
    ) -> Result<(), redb::Error> {
        let sealed_to = shelf.parts().map(|part| part.range.to_unix_ms).max();
        let last = times_set_aside(directory)?.pop().map(|to_unix_ms| TimeRange {
            from_unix_ms: sealed_to.unwrap_or(0),
            to_unix_ms,
        });
        let lost: Vec<TimeRange> = before.iter().copied().chain(last).collect();
        if lost.is_empty() {
            return Ok(());
        }
        let mut write = database.begin_write()?;
        write.set_durability(Durability::Immediate)?;
        {
            let mut meta = write.open_table(META)?;
            for lost in lost.iter().filter(|lost| lost.length_ms() > 0) {
                meta.insert(lost_key(lost.to_unix_ms).as_str(), lost.from_unix_ms)?;
            }
        }
        write.commit()?;
        Ok(())
    }

    fn say(&self, coverage: &mut Coverage, asked: TimeRange) {
        coverage.unreadable_reports += self.hidden_reports;
        for lost in &self.stretches {
            let range = TimeRange {
                from_unix_ms: lost.from_unix_ms.max(asked.from_unix_ms),
                to_unix_ms: lost.to_unix_ms.min(asked.to_unix_ms),
            };
            let missing = Missing {
                range,
                cause: MissingCause::Damaged,
            };
            if range.length_ms() > 0 && !coverage.missing.contains(&missing) {
                coverage.missing.push(missing);
            }
        }
    }
}

/// When the files in `directory` were set aside, as their names say it, ascending.
fn times_set_aside(directory: &Path) -> io::Result<Vec<u64>> {
    let mut times = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        let time = name
            .strip_prefix(FILE_NAME)
            .and_then(|rest| rest.strip_prefix(SET_ASIDE));
        times.extend(time.and_then(|time| time.parse::<u64>().ok()));
    }
    times.sort_unstable();
    Ok(times)
}

impl EmbeddedStore {
    pub(super) fn losses(&self) -> std::sync::RwLockReadGuard<'_, Losses> {
        self.losses.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn replace_losses(&self, losses: Losses) {
        *self.losses.write().unwrap_or_else(PoisonError::into_inner) = losses;
    }

    pub(super) fn files_set_aside(&self) -> u64 {
        self.losses().set_aside
    }

    pub(super) fn hidden_reports(&self) -> u64 {
        self.losses().hidden_reports
    }

    pub(super) fn with_losses(&self, mut coverage: Coverage, asked: TimeRange) -> Coverage {
        self.losses().say(&mut coverage, asked);
        coverage
    }

    /// What a scan names and the window does not know of.
    pub(super) fn lost_holes(&self) -> Vec<Hole> {
        let hole = |range: &TimeRange| Hole {
            tier: Tier::TenSeconds,
            range: *range,
            cause: MissingCause::Damaged,
        };
        self.losses().stretches.iter().map(hole).collect()
    }
}
