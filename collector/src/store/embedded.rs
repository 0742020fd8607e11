//! The embedded store: one redb file (pure Rust, copy-on-write B-trees, checksummed pages) for what is new, parts for the
//! rest. One writer, many readers.
//!
//! A commit is one transaction with an fsync: reports, manifests, agent rows, settled sequences and gaps, or none of
//! them. Reports stay as they arrived, in order of time, which is the order in which the map reads them, until their hour
//!
//! | room | what it does |
//! |---|---|
//! | `open` | opens the file and the parts, whatever state they were left in |
//! | `tables` | the tables of the file |
//! | `standing` | what a commit has to know of them before it decides |
//! | `scan` | answers a question from parts and hot reports |
//! | `by_agent` | hands on hot reports unread |
//! | `recent` | keeps the last minutes in memory |
//! | `maintain` | seals, joins, rolls up, retires, forgets |
//! | `sealed` | the form of parts, and the shelf they stand on |
//! | `backup` | writes all of it as one stream, and makes a directory from such a stream |
//! | `paths`, `throughput` | keep path events and throughput results in tables of their own |
//! | `growth_row` | the form in which a step of the dictionary is kept |
//! | `dictionary_file` | the copy that gives the parts meaning without the file |
//! | `again` | opens the file again after a failed write, or begins a new one |
//! | `losses` | knows what the file has lost |

mod again;
mod aside;
mod backup;
#[cfg(test)]
mod backup_tests;
mod by_agent;
mod dictionary_file;
mod events;
#[cfg(test)]
mod flips;
#[cfg(test)]
mod forgetful;
#[cfg(test)]
mod forgetful_directory;
mod growth_row;
#[cfg(test)]
mod growth_tests;
mod losses;
mod maintain;
mod open;
#[cfg(test)]
mod power;
#[cfg(test)]
mod power_parts;
mod recent;
mod scan;
mod sealed;
#[cfg(test)]
mod sealing_tests;
mod standing;
mod tables;
#[cfg(test)]
mod tests;
mod unfinished;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use azimuth_measurement::{AgentId, LossCause, PathEvent, ThroughputResult};
use redb::{Database, Durability, ReadableDatabase, ReadableTable, ReadableTableMetadata, WriteTransaction};

use self::dictionary_file::DictionaryCopy;
use self::losses::Losses;
use self::maintain::SEAL_AFTER_MS;
use self::sealed::shelf::{HOUR_MS, Shelf};
use self::standing::StandingTables;
use self::tables::{
    AGENTS, AgentRow, FORMAT, GAPS, HOT, HotKey, LatestRow, MANIFESTS, META, META_FORMAT, META_WRITES,
    SETTLED, gaps_of, seal,
};
use super::admission::{Plan, PlannedReport};
use super::dictionary::AgentNumber;
use super::window::{SharedWindow, Window};
use super::{
    Admission, AgentStatus, BackupSummary, Condition, Coverage, Dictionary, Item, Maintained, Retention,
    ScanRequest, SeriesLimits, SeriesSelection, Store, StoreError, StoredGap, StoredPath, Tell, Tier,
    TierHoldings, TimeRange, VerifiedManifest, Visit, VisitAgent,
};

pub use backup::{RestoreError, restore, verify};
pub use open::OpenError;
pub use sealed::disk::publish;
pub use unfinished::remove_unfinished;

/// The store in one directory.
#[derive(Debug)]
pub struct EmbeddedStore {
    directory: PathBuf,
    /// `None` only while, or because, reopening after a failed write has not succeeded.
    database: RwLock<Option<Database>>,
    /// Replaced as a whole after a commit that made it grow.
    dictionary: RwLock<Arc<Dictionary>>,
    /// A write failed; redb takes no more until the file is opened again.
    reopen: AtomicBool,
    /// What the file has lost, and the files set aside.
    losses: RwLock<Losses>,
    /// Tells this store's parts from another's.
    store_id: u64,
    retention: Retention,
    series_limits: SeriesLimits,
    /// Replaced as a whole whenever a part comes or goes.
    shelf: RwLock<Arc<Shelf>>,
    /// Hours that may have reports no part holds, and when each is to be sealed (unix ms).
    unsealed_hours: Mutex<BTreeMap<u64, u64>>,
    /// How many agents and rows of manifests the copy of the dictionary beside the parts knows.
    copied: Mutex<Option<(usize, u64)>>,
    /// Changed only while the file is kept from being closed, or by who closes it.
    window: SharedWindow,
    /// The last time of receipt or of maintenance, unix ms: what the window is filled for after a failed write.
    latest_unix_ms: AtomicU64,
    /// How many transactions the file has taken, as far as is known: after it was opened again it may not be fewer.
    writes: AtomicU64,
    /// Path events there was no room for.
    path_events_refused: AtomicU64,
    throughput_results_refused: AtomicU64,
    /// When it was last looked for old ones.
    events_looked_at_unix_ms: AtomicU64,
}

/// Attaches what was being done to whatever redb said.
fn while_doing<E: Into<redb::Error>>(doing: &'static str) -> impl Fn(E) -> StoreError {
    move |error| {
        let error = error.into();
        StoreError {
            doing,
            damaged: open::is_damage(&error),
            cause: error.to_string(),
        }
    }
}

/// Refuses a row of the hot table that stands before the first one asked for: in a damaged table that happens, and whoever
/// reads on from it would not come to an end.
fn not_before(from: HotKey, key: HotKey, doing: &'static str) -> Result<HotKey, StoreError> {
    if key >= from {
        return Ok(key);
    }
    Err(StoreError {
        doing,
        cause: "rows of its file are out of order".to_owned(),
        damaged: true,
    })
}

/// redb asserts on contents it could not have written; here that is an error like any other.
fn unless_contradictory<T>(
    doing: &'static str,
    work: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(StoreError {
            doing,
            cause: "the pages of its file contradict each other".to_owned(),
            damaged: true,
        })
    })
}

impl EmbeddedStore {
    /// Opens the store in `directory`, making it if need be. `now_unix_ms` names a damaged file that is set aside.
    ///
    /// # Errors
    /// When the file is in use, written by a later release, or the system refuses.
    pub fn open(directory: &Path, retention: Retention, now_unix_ms: u64) -> Result<Self, OpenError> {
        let opened = open::open(directory, now_unix_ms)?;
        let store = Self {
            directory: directory.to_owned(),
            database: RwLock::new(Some(opened.database)),
            dictionary: RwLock::new(opened.dictionary),
            reopen: AtomicBool::new(false),
            losses: RwLock::default(),
            store_id: opened.store_id,
            retention,
            series_limits: SeriesLimits::NONE,
            shelf: RwLock::new(Arc::new(opened.shelf)),
            unsealed_hours: Mutex::default(),
            copied: Mutex::new(None),
            window: SharedWindow::default(),
            latest_unix_ms: AtomicU64::new(now_unix_ms),
            writes: AtomicU64::new(opened.writes),
            path_events_refused: AtomicU64::new(0),
            throughput_results_refused: AtomicU64::new(0),
            events_looked_at_unix_ms: AtomicU64::new(0),
        };
        let hidden = store.with_database("count reports", |database| {
            unless_contradictory("count reports", || {
                hidden_rows(database, store.dictionary_now().next_agent_number())
            })
        });
        let losses = Losses {
            // Where even counting fails, every question does, and says so.
            hidden_reports: hidden.unwrap_or(0),
            ..opened.losses
        };
        if losses.hidden_reports > 0 {
            tracing::error!(
                reports = losses.hidden_reports,
                "a damaged page of the file hides reports that are not sealed; answers say how many cannot be read"
            );
        }
        store.replace_losses(losses);
        // Damage to single pages of the hot table is no reason not to start: what it hides is named by who asks for it.
        let doing = "look for unsealed hours";
        let hours = store.with_database(doing, |database| {
            if let Err(error) = store.fill_window(database, now_unix_ms) {
                tracing::warn!("{error}; questions about now are answered from disk");
            }
            unless_contradictory(doing, || hot_hours(database))
        });
        match hours {
            Ok(hours) => store.note_unsealed(hours.into_iter().map(|hour| (hour, 0))),
            Err(error) => {
                tracing::error!("{error}; what was not sealed before this start waits for the next");
            }
        }
        Ok(store)
    }

    /// The same, with limits on how many series there may be. Those already known are not touched by them.
    #[must_use]
    pub fn with_series_limits(mut self, limits: SeriesLimits) -> Self {
        self.series_limits = limits;
        self
    }

    fn dictionary_now(&self) -> Arc<Dictionary> {
        Arc::clone(&self.dictionary.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn shelf(&self) -> Arc<Shelf> {
        Arc::clone(&self.shelf.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn tiers_directory(&self) -> PathBuf {
        open::tiers_in(&self.directory)
    }

    /// Notes reports, by start and time of receipt, whose hours will have to be sealed. What comes after its hour was
    /// sealed waits a little for its like, so that a backlog makes one part and not one a minute.
    fn note_unsealed(&self, reports: impl IntoIterator<Item = (u64, u64)>) {
        let mut unsealed = self.unsealed_hours.lock().unwrap_or_else(PoisonError::into_inner);
        for (start_unix_ms, received_at_unix_ms) in reports {
            let hour_unix_ms = start_unix_ms / HOUR_MS * HOUR_MS;
            // A damaged key may say any time.
            let over_unix_ms = hour_unix_ms.saturating_add(HOUR_MS);
            let due_unix_ms = received_at_unix_ms
                .max(over_unix_ms)
                .saturating_add(SEAL_AFTER_MS);
            unsealed.entry(hour_unix_ms).or_insert(due_unix_ms);
        }
    }

    /// Brings the copy of the dictionary up to date before a part is written that needs it.
    fn write_dictionary(&self) -> Result<(), StoreError> {
        let doing = "copy the dictionary";
        let mut copied = self.copied.lock().unwrap_or_else(PoisonError::into_inner);
        let known = (self.dictionary_now().agent_count(), self.manifest_count()?);
        if *copied == Some(known) {
            return Ok(());
        }
        let copy = self.with_database(doing, |database| read_copy(database, self.store_id))?;
        let shelf = self.shelf();
        copy.write(shelf.disk(), &self.tiers_directory())
            .map_err(|error| StoreError {
                doing,
                cause: error.to_string(),
                damaged: false,
            })?;
        *copied = Some((copy.agents.len(), copy.manifests.len() as u64));
        Ok(())
    }

    fn manifest_count(&self) -> Result<u64, StoreError> {
        let doing = "count manifests";
        self.with_database(doing, |database| {
            let read = database.begin_read().map_err(while_doing(doing))?;
            let manifests = read.open_table(MANIFESTS).map_err(while_doing(doing))?;
            manifests.len().map_err(while_doing(doing))
        })
    }

    fn with_database<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let guard = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = guard.as_ref().ok_or_else(|| StoreError {
            doing,
            cause: "its file could not be opened again yet".to_owned(),
            damaged: false,
        })?;
        work(database)
    }

    fn write<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&WriteTransaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.write_then(doing, work, |_| {})
    }

    /// `then` is called when what was written is durable, and before the file can be closed.
    fn write_then<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&WriteTransaction) -> Result<T, StoreError>,
        then: impl FnOnce(&T),
    ) -> Result<T, StoreError> {
        self.reopen_if_needed()?;
        let number = self.writes.load(Ordering::Acquire) + 1;
        let result = self.with_database(doing, |database| {
            unless_contradictory(doing, || {
                let mut transaction = database.begin_write().map_err(while_doing(doing))?;
                transaction
                    .set_durability(Durability::Immediate)
                    .map_err(while_doing(doing))?;
                let done = work(&transaction)?;
                let mut meta = transaction.open_table(META).map_err(while_doing(doing))?;
                meta.insert(META_WRITES, number).map_err(while_doing(doing))?;
                drop(meta);
                transaction.commit().map_err(while_doing(doing))?;
                self.writes.store(number, Ordering::Release);
                Ok(done)
            })
            .inspect(then)
        });
        if let Err(error) = &result {
            self.window.with(Window::forget);
            self.reopen.store(true, Ordering::Release);
            if error.damaged {
                self.look_at_damage(error);
            }
        }
        result
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        let database = self.database.get_mut().unwrap_or_else(PoisonError::into_inner);
        open::close(database.take());
    }
}

impl Store for EmbeddedStore {
    fn commit(&self, manifests: &[VerifiedManifest], items: &[Item]) -> Result<Vec<Admission>, StoreError> {
        self.commit_and_tell(manifests, items, &mut |_| {})
    }

    fn commit_and_tell(
        &self,
        manifests: &[VerifiedManifest],
        items: &[Item],
        tell: Tell<'_>,
    ) -> Result<Vec<Admission>, StoreError> {
        let doing = "commit";
        let work = |transaction: &WriteTransaction| {
            let standing = StandingTables::open(transaction)?;
            let (known, limits) = (self.dictionary(), self.series_limits);
            let plan = Plan::make(known, limits, manifests, items, &standing)?;
            drop(standing);
            write_plan(transaction, &plan)?;
            let refused = (
                events::write::<PathEvent>(transaction, &plan)?,
                events::write::<ThroughputResult>(transaction, &plan)?,
            );
            // Before the commit, so that whoever reads the new reports finds their manifest here. If the commit fails,
            // reopening reads the dictionary back from the file before anything else is written.
            *self.dictionary.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&plan.dictionary);
            let reports = plan.reports.iter().map(|planned| planned.report);
            self.note_unsealed(
                reports.map(|report| (report.placed.start_unix_ms(), report.received_at_unix_ms)),
            );
            Ok((plan, refused))
        };
        let (plan, (paths_refused, results_refused)) = self.write_then(doing, work, |(plan, _)| {
            self.note_recent(&plan.dictionary, &plan.reports, tell);
        })?;
        self.path_events_refused
            .fetch_add(paths_refused, Ordering::Relaxed);
        self.throughput_results_refused
            .fetch_add(results_refused, Ordering::Relaxed);
        Ok(plan.admissions)
    }

    fn dictionary(&self) -> Arc<Dictionary> {
        self.dictionary_now()
    }

    fn scan(&self, request: ScanRequest<'_>, visit: Visit<'_>) -> Result<Coverage, StoreError> {
        self.scan_until(request, &|| false, visit)
    }

    fn scan_until(
        &self,
        request: ScanRequest<'_>,
        stop: &dyn Fn() -> bool,
        visit: Visit<'_>,
    ) -> Result<Coverage, StoreError> {
        self.with_database("read reports", |database| {
            scan::scan(
                database,
                || (self.dictionary_now(), self.shelf()),
                request,
                stop,
                visit,
            )
        })
        .map(|coverage| self.with_losses(coverage, request.range))
    }

    fn walk(
        &self,
        range: TimeRange,
        series: &SeriesSelection,
        stop: &dyn Fn() -> bool,
        visit: VisitAgent<'_>,
    ) -> Result<Option<Coverage>, StoreError> {
        self.with_database("read reports", |database| {
            let look = || (self.dictionary_now(), self.shelf());
            by_agent::by_agent(database, look, range, series, stop, visit)
        })
        .map(|coverage| coverage.map(|coverage| self.with_losses(coverage, range)))
    }

    fn recent(&self, range: TimeRange, read: &mut dyn FnMut(&Window)) -> Option<Coverage> {
        let mut damaged = self.shelf().damaged().to_vec();
        damaged.extend(self.lost_holes());
        self.window.read(range, &damaged, read)
    }

    fn agents(&self) -> Result<Vec<AgentStatus>, StoreError> {
        let doing = "read agents";
        self.with_database(doing, |database| {
            let read = database.begin_read().map_err(while_doing(doing))?;
            let agents = read.open_table(AGENTS).map_err(while_doing(doing))?;
            let dictionary = self.dictionary();
            let mut statuses = Vec::new();
            for row in agents.iter().map_err(while_doing(doing))? {
                let (number, row) = row.map_err(while_doing(doing))?;
                statuses.extend(read_status(
                    &dictionary,
                    AgentNumber(number.value()),
                    row.value(),
                )?);
            }
            statuses.sort_by(|one, other| one.agent.cmp(&other.agent));
            Ok(statuses)
        })
    }

    fn gaps(&self, agent: &AgentId, range: TimeRange) -> Result<Vec<StoredGap>, StoreError> {
        let doing = "read gaps";
        let Some(number) = self.dictionary().agent_number(agent) else {
            return Ok(Vec::new());
        };
        self.with_database(doing, |database| {
            let read = database.begin_read().map_err(while_doing(doing))?;
            let table = read.open_table(GAPS).map_err(while_doing(doing))?;
            let mut gaps = Vec::new();
            for row in table
                .range(gaps_of(number.0, range.from_unix_ms))
                .map_err(while_doing(doing))?
            {
                let (key, value) = row.map_err(while_doing(doing))?;
                let ((_, end_unix_ms, _, _), (start_unix_ms, cause, reports)) = (key.value(), value.value());
                let Some(cause) = LossCause::from_wire(cause.into()) else {
                    continue;
                };
                let gap = StoredGap {
                    start_unix_ms,
                    end_unix_ms,
                    cause,
                    reports,
                };
                gaps.extend(gap.overlaps(range).then_some(gap));
            }
            Ok(gaps)
        })
    }

    fn paths(&self, agent: &AgentId, range: TimeRange) -> Result<Vec<StoredPath>, StoreError> {
        self.events_of::<PathEvent>(agent, range)
    }

    fn throughput(
        &self,
        agent: &AgentId,
        range: TimeRange,
    ) -> Result<Vec<super::StoredThroughput>, StoreError> {
        self.events_of::<ThroughputResult>(agent, range)
    }

    fn maintain(&self, now_unix_ms: u64) -> Result<Maintained, StoreError> {
        self.latest_unix_ms.store(now_unix_ms, Ordering::Release);
        self.advance_window(now_unix_ms);
        self.maintain_at(now_unix_ms)
    }

    fn backup(&self, into: &mut dyn std::io::Write) -> Result<BackupSummary, StoreError> {
        self.with_database("write a backup", |database| {
            backup::backup(database, || self.shelf(), &self.directory, into)
        })
    }

    fn condition(&self) -> Condition {
        let file = self.directory.join(open::FILE_NAME);
        let shelf = self.shelf();
        let tier_holdings = Tier::ALL.map(|tier| {
            let parts = shelf.parts().filter(|part| part.tier == tier);
            let files: Vec<_> = parts.map(|part| (part.range, part.bytes)).collect();
            TierHoldings::of(&files)
        });
        let tier_bytes = tier_holdings.map(|holdings| holdings.bytes);
        let unsealed = self.unsealed_hours.lock().unwrap_or_else(PoisonError::into_inner);
        Condition {
            writable: !self.reopen.load(Ordering::Acquire),
            disk_bytes: std::fs::metadata(file).map_or(0, |metadata| metadata.len())
                + tier_bytes.iter().sum::<u64>(),
            files_set_aside: self.files_set_aside() + shelf.set_aside(),
            tier_bytes,
            oldest_unsealed_hour_unix_ms: unsealed.keys().next().copied(),
            window: self.window.condition(),
            path_events_refused: self.path_events_refused.load(Ordering::Relaxed),
            throughput_results_refused: self.throughput_results_refused.load(Ordering::Relaxed),
            unsealed_hours: unsealed.len() as u64,
            sealing_due_unix_ms: unsealed.values().min().copied(),
            tier_holdings,
        }
    }
}

/// How many rows of the hot table cannot be reached: a damaged branch of its tree hides what is below it, and redb looks at
/// the checksums of pages only when it mends a file. A row under the number of an agent that is not known is hidden too: nobody
/// asks for it.
fn hidden_rows(database: &Database, next_agent: AgentNumber) -> Result<u64, StoreError> {
    let doing = "count reports";
    let read = database.begin_read().map_err(while_doing(doing))?;
    let hot = read.open_table(HOT).map_err(while_doing(doing))?;
    let known = hot.len().map_err(while_doing(doing))?;
    let mut met = 0_u64;
    // One more than there should be is enough to know, and a damaged table may lead in circles.
    let rows = hot.iter().map_err(while_doing(doing))?;
    for row in rows.take(usize::try_from(known).unwrap_or(usize::MAX).saturating_add(1)) {
        let (key, _) = row.map_err(while_doing(doing))?;
        // A walk from the beginning never looks at what separates pages; whoever asks for a time does.
        let found = hot.get(key.value()).map_err(while_doing(doing))?.is_some();
        met += u64::from(found && key.value().1 < next_agent.0);
    }
    Ok(known.abs_diff(met))
}

/// The hours that have reports in the hot table.
fn hot_hours(database: &Database) -> Result<BTreeSet<u64>, StoreError> {
    let doing = "look for unsealed hours";
    let read = database.begin_read().map_err(while_doing(doing))?;
    let hot = read.open_table(HOT).map_err(while_doing(doing))?;
    let mut hours = BTreeSet::new();
    // Row by row: in a damaged table a jump to the next hour may lead back.
    for row in hot.iter().map_err(while_doing(doing))? {
        let (key, _) = row.map_err(while_doing(doing))?;
        hours.insert(key.value().0 / HOUR_MS * HOUR_MS);
    }
    Ok(hours)
}

/// The dictionary as it is on disk.
fn read_copy(database: &Database, store: u64) -> Result<DictionaryCopy, StoreError> {
    let doing = "read the dictionary";
    let read = database.begin_read().map_err(while_doing(doing))?;
    let agents = read.open_table(AGENTS).map_err(while_doing(doing))?;
    let manifests = read.open_table(MANIFESTS).map_err(while_doing(doing))?;
    let mut copy = DictionaryCopy {
        store,
        ..DictionaryCopy::default()
    };
    for row in agents.iter().map_err(while_doing(doing))? {
        let (_, row) = row.map_err(while_doing(doing))?;
        let row: AgentRow = serde_json::from_slice(row.value()).map_err(|error| StoreError {
            doing,
            cause: error.to_string(),
            damaged: false,
        })?;
        copy.agents.push(row.agent);
    }
    for row in manifests.iter().map_err(while_doing(doing))? {
        let (_, row) = row.map_err(while_doing(doing))?;
        let (agent, id, frame) = row.value();
        copy.manifests.push((agent, id, frame.to_vec()));
    }
    Ok(copy)
}

fn write_plan(transaction: &WriteTransaction, plan: &Plan<'_>) -> Result<(), StoreError> {
    let doing = "commit";
    let mut agents = transaction.open_table(AGENTS).map_err(while_doing(doing))?;
    let mut manifests = transaction.open_table(MANIFESTS).map_err(while_doing(doing))?;
    let mut hot = transaction.open_table(HOT).map_err(while_doing(doing))?;
    let mut settled = transaction.open_table(SETTLED).map_err(while_doing(doing))?;
    let mut gaps = transaction.open_table(GAPS).map_err(while_doing(doing))?;

    for (number, agent) in &plan.agents {
        let row = encode_row(&AgentRow {
            agent: agent.to_string(),
            latest: None,
        })?;
        agents
            .insert(number.0, row.as_slice())
            .map_err(while_doing(doing))?;
    }
    if !plan.growth.is_empty() {
        // A release that would misread these rows must refuse the file instead.
        let mut meta = transaction.open_table(META).map_err(while_doing(doing))?;
        meta.insert(META_FORMAT, FORMAT).map_err(while_doing(doing))?;
    }
    for growth in &plan.growth {
        let ordinal = manifests.len().map_err(while_doing(doing))? as u32;
        let bytes = growth_row::encode(growth);
        let row = (growth.agent.0, growth.manifest.0, bytes.as_slice());
        manifests.insert(ordinal, row).map_err(while_doing(doing))?;
    }
    for PlannedReport {
        number,
        report,
        frame,
    } in &plan.reports
    {
        let key = (
            report.placed.start_unix_ms(),
            number.0,
            report.epoch,
            report.sequence,
        );
        hot.insert(key, seal(key, frame).as_slice())
            .map_err(while_doing(doing))?;
    }
    for (number, status) in plan.changed_statuses() {
        let latest = Some(LatestRow::of(status));
        let row = encode_row(&AgentRow {
            agent: status.agent.to_string(),
            latest,
        })?;
        agents
            .insert(number.0, row.as_slice())
            .map_err(while_doing(doing))?;
    }
    for (number, tombstone, reports) in &plan.tombstones {
        let key = (
            number.0,
            tombstone.end_unix_ms,
            tombstone.epoch,
            tombstone.first_sequence,
        );
        let value = (tombstone.start_unix_ms, tombstone.cause.wire(), *reports);
        gaps.insert(key, value).map_err(while_doing(doing))?;
    }
    for ((number, epoch), sequences) in &plan.settled {
        settled
            .insert((number.0, *epoch), sequences.to_bytes().as_slice())
            .map_err(while_doing(doing))?;
    }
    Ok(())
}

fn encode_row(row: &AgentRow) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(row).map_err(|error| StoreError {
        doing: "write an agent",
        cause: error.to_string(),
        damaged: false,
    })
}

fn read_status(
    dictionary: &Dictionary,
    number: AgentNumber,
    row: &[u8],
) -> Result<Option<AgentStatus>, StoreError> {
    let row: AgentRow = serde_json::from_slice(row).map_err(|error| StoreError {
        doing: "read an agent",
        cause: error.to_string(),
        damaged: true,
    })?;
    let known = row.latest.and_then(|latest| {
        let manifest = dictionary.manifest(number, latest.manifest())?;
        Some(latest.status(dictionary.agent(number)?.clone(), Arc::clone(&manifest.manifest)))
    });
    Ok(known)
}
