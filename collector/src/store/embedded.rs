//! The embedded store: one redb file (pure Rust, copy-on-write B-trees, checksummed pages), one writer, many readers.
//!
//! A commit is one transaction with an fsync: reports, manifests, agent rows, settled sequences and gaps, or none of
//! them. Reports stay as they arrived, in order of time, which is the order in which the map reads them. Not here:
//! rollups; a report older than the hot retention is forgotten.

#[cfg(test)]
mod forgetful;
mod open;
#[cfg(test)]
mod power;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use azimuth_measurement::codec::decode_report;
use azimuth_measurement::{AgentId, LossCause};
use redb::{Database, Durability, ReadableDatabase, ReadableTable, ReadableTableMetadata, WriteTransaction};

use self::tables::{
    AGENTS, AgentRow, GAPS, HOT, HotKey, LatestRow, MANIFESTS, META, META_PRUNED_BEFORE, SETTLED, seal,
    unseal,
};
use super::admission::Plan;
use super::dictionary::AgentNumber;
use super::sequences::SettledSequences;
use super::{
    Admission, AgentStatus, Condition, Coverage, Dictionary, Item, Observation, Pruned, ScanRequest, Store,
    StoreError, StoredGap, TimeRange, VerifiedManifest, Visit,
};

pub use open::OpenError;

/// Most reports forgotten in one transaction, so that pruning never holds up a commit for long.
const MAX_PRUNED_AT_ONCE: usize = 5_000;

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
    set_aside: u64,
}

/// Attaches what was being done to whatever redb said.
fn while_doing<E: Into<redb::Error>>(doing: &'static str) -> impl Fn(E) -> StoreError {
    move |error| StoreError {
        doing,
        cause: error.into().to_string(),
    }
}

impl EmbeddedStore {
    /// Opens the store in `directory`, making it if need be. `now_unix_ms` names a damaged file that is set aside.
    ///
    /// # Errors
    /// When the file is in use, written by a later release, or the system refuses.
    pub fn open(directory: &Path, now_unix_ms: u64) -> Result<Self, OpenError> {
        let opened = open::open(directory, now_unix_ms)?;
        Ok(Self {
            directory: directory.to_owned(),
            database: RwLock::new(Some(opened.database)),
            dictionary: RwLock::new(opened.dictionary),
            reopen: AtomicBool::new(false),
            set_aside: opened.set_aside,
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
        })?;
        work(database)
    }

    /// After a failed write redb refuses all others, so the file is closed and opened again, which also finds out
    /// whether the failed commit had become durable.
    fn reopen_if_needed(&self) -> Result<(), StoreError> {
        if !self.reopen.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut guard = self.database.write().unwrap_or_else(PoisonError::into_inner);
        *guard = None;
        let (database, dictionary) = open::again(&self.directory).map_err(|error| StoreError {
            doing: "open its file again",
            cause: error.to_string(),
        })?;
        *guard = Some(database);
        *self.dictionary.write().unwrap_or_else(PoisonError::into_inner) = dictionary;
        self.reopen.store(false, Ordering::Release);
        Ok(())
    }

    fn write<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&WriteTransaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.reopen_if_needed()?;
        let result = self.with_database(doing, |database| {
            let mut transaction = database.begin_write().map_err(while_doing(doing))?;
            transaction
                .set_durability(Durability::Immediate)
                .map_err(while_doing(doing))?;
            let done = work(&transaction)?;
            transaction.commit().map_err(while_doing(doing))?;
            Ok(done)
        });
        if result.is_err() {
            self.reopen.store(true, Ordering::Release);
        }
        result
    }
}

impl Store for EmbeddedStore {
    fn commit(&self, manifests: &[VerifiedManifest], items: &[Item]) -> Result<Vec<Admission>, StoreError> {
        let doing = "commit";
        self.write(doing, |transaction| {
            let settled = transaction.open_table(SETTLED).map_err(while_doing(doing))?;
            let plan = Plan::make(self.dictionary(), manifests, items, |agent, epoch| {
                let stored = settled.get((agent.0, epoch)).map_err(while_doing(doing))?;
                stored.map_or(Ok(SettledSequences::default()), |bytes| {
                    SettledSequences::from_bytes(bytes.value()).map_err(|error| StoreError {
                        doing,
                        cause: error.to_string(),
                    })
                })
            })?;
            drop(settled);
            write_plan(transaction, &plan)?;
            // Before the commit, so that whoever reads the new reports finds their manifest here. If the commit fails,
            // reopening reads the dictionary back from the file before anything else is written.
            *self.dictionary.write().unwrap_or_else(PoisonError::into_inner) = plan.dictionary;
            Ok(plan.admissions)
        })
    }

    fn dictionary(&self) -> Arc<Dictionary> {
        Arc::clone(&self.dictionary.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn scan(&self, request: ScanRequest<'_>, visit: Visit<'_>) -> Result<Coverage, StoreError> {
        let doing = "read reports";
        self.with_database(doing, |database| {
            let read = database.begin_read().map_err(while_doing(doing))?;
            let meta = read.open_table(META).map_err(while_doing(doing))?;
            let hot = read.open_table(HOT).map_err(while_doing(doing))?;
            // Taken after the transaction began, so it knows every manifest the transaction's reports refer to.
            let dictionary = self.dictionary();
            let pruned = meta.get(META_PRUNED_BEFORE).map_err(while_doing(doing))?;
            let mut coverage = Coverage::hot(request.range, pruned.map_or(0, |pruned| pruned.value()));
            let wanted = WantedAgents::of(&dictionary, request);
            let keys: std::ops::Range<HotKey> =
                (request.range.from_unix_ms, 0, 0, 0)..(request.range.to_unix_ms, 0, 0, 0);
            for row in hot.range(keys).map_err(while_doing(doing))? {
                let (key, sealed) = row.map_err(while_doing(doing))?;
                let (start_unix_ms, agent, _, _) = key.value();
                if !wanted.contains(agent) {
                    continue;
                }
                let Some(report) = unseal(sealed.value()).and_then(|frame| decode_report(frame).ok()) else {
                    coverage.unreadable_reports += 1;
                    continue;
                };
                let Some(known) = dictionary.manifest(AgentNumber(agent), report.manifest) else {
                    coverage.unreadable_reports += 1;
                    continue;
                };
                for record in report.records {
                    let series = known.series.get(record.series as usize).copied();
                    let Some(series) = series.filter(|series| request.series.contains(*series)) else {
                        continue;
                    };
                    let observation = Observation {
                        series,
                        start_unix_ms,
                        counts: record.counts,
                        delays: record.delays,
                    };
                    if visit(observation) == ControlFlow::Break(()) {
                        return Ok(coverage);
                    }
                }
            }
            Ok(coverage)
        })
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
                .range((range.from_unix_ms, 0, 0, 0)..)
                .map_err(while_doing(doing))?
            {
                let (key, value) = row.map_err(while_doing(doing))?;
                let ((end_unix_ms, of, _, _), (start_unix_ms, cause, reports)) = (key.value(), value.value());
                let Some(cause) = LossCause::from_wire(cause.into()).filter(|_| of == number.0) else {
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

    fn prune(&self, before_unix_ms: u64) -> Result<Pruned, StoreError> {
        let doing = "forget old reports";
        // Looked at first, because a write costs an fsync and mostly there is nothing to forget.
        if !self.with_database(doing, |database| has_older(database, before_unix_ms, doing))? {
            return Ok(Pruned::default());
        }
        self.write(doing, |transaction| {
            let mut hot = transaction.open_table(HOT).map_err(while_doing(doing))?;
            let end: HotKey = (before_unix_ms, 0, 0, 0);
            let mut removed = 0;
            let old = hot
                .extract_from_if(..end, |_, _| true)
                .map_err(while_doing(doing))?;
            for row in old.take(MAX_PRUNED_AT_ONCE) {
                row.map_err(while_doing(doing))?;
                removed += 1;
            }
            let mut gaps = transaction.open_table(GAPS).map_err(while_doing(doing))?;
            gaps.retain_in(..(before_unix_ms, 0, 0, 0), |_, _| false)
                .map_err(while_doing(doing))?;
            let mut meta = transaction.open_table(META).map_err(while_doing(doing))?;
            let known = meta
                .get(META_PRUNED_BEFORE)
                .map_err(while_doing(doing))?
                .map_or(0, |known| known.value());
            meta.insert(META_PRUNED_BEFORE, known.max(before_unix_ms))
                .map_err(while_doing(doing))?;
            Ok(Pruned {
                reports: removed as u64,
                more: removed == MAX_PRUNED_AT_ONCE,
            })
        })
    }

    fn condition(&self) -> Condition {
        let file = self.directory.join(open::FILE_NAME);
        Condition {
            writable: !self.reopen.load(Ordering::Acquire),
            disk_bytes: std::fs::metadata(file).map_or(0, |metadata| metadata.len()),
            files_set_aside: self.set_aside,
        }
    }
}

fn has_older(database: &Database, before_unix_ms: u64, doing: &'static str) -> Result<bool, StoreError> {
    let read = database.begin_read().map_err(while_doing(doing))?;
    let hot = read.open_table(HOT).map_err(while_doing(doing))?;
    let gaps = read.open_table(GAPS).map_err(while_doing(doing))?;
    let oldest_report = hot
        .first()
        .map_err(while_doing(doing))?
        .map(|(key, _)| key.value().0);
    let oldest_gap = gaps
        .first()
        .map_err(while_doing(doing))?
        .map(|(key, _)| key.value().0);
    Ok(oldest_report
        .into_iter()
        .chain(oldest_gap)
        .any(|oldest| oldest < before_unix_ms))
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
    for (number, manifest) in &plan.manifests {
        let ordinal = manifests.len().map_err(while_doing(doing))? as u32;
        let row = (number.0, manifest.id.0, manifest.frame.as_slice());
        manifests.insert(ordinal, row).map_err(while_doing(doing))?;
    }
    let mut statuses: BTreeMap<AgentNumber, AgentStatus> = BTreeMap::new();
    for (number, report) in &plan.reports {
        let key = (
            report.placed.start_unix_ms(),
            number.0,
            report.epoch,
            report.sequence,
        );
        hot.insert(key, seal(&report.frame).as_slice())
            .map_err(while_doing(doing))?;
        let before = match statuses.remove(number) {
            known @ Some(_) => known,
            None => match agents.get(number.0).map_err(while_doing(doing))? {
                Some(row) => read_status(&plan.dictionary, *number, row.value())?,
                None => None,
            },
        };
        let Some(known) = plan.dictionary.manifest(*number, report.manifest) else {
            return Err(StoreError {
                doing,
                cause: "a planned report has no manifest".to_owned(),
            });
        };
        statuses.insert(*number, AgentStatus::note(before, report, &known.manifest));
    }
    for (number, status) in &statuses {
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
            tombstone.end_unix_ms,
            number.0,
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
    })?;
    let known = row.latest.and_then(|latest| {
        let manifest = dictionary.manifest(number, latest.manifest())?;
        Some(latest.status(dictionary.agent(number)?.clone(), Arc::clone(&manifest.manifest)))
    });
    Ok(known)
}

/// The agents that have a series in the selection.
struct WantedAgents(Vec<bool>);

impl WantedAgents {
    fn of(dictionary: &Dictionary, request: ScanRequest<'_>) -> Self {
        let mut wanted = vec![false; dictionary.agent_count()];
        for (id, series) in dictionary.series() {
            if request.series.contains(id)
                && let Some(agent) = wanted.get_mut(series.agent.0 as usize)
            {
                *agent = true;
            }
        }
        Self(wanted)
    }

    fn contains(&self, agent: u32) -> bool {
        self.0.get(agent as usize).copied().unwrap_or(false)
    }
}
