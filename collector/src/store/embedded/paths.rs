//! Path events in a table of their own: written with their report, never sealed into parts, kept as long as the one-minute
//! tier. Few and small, and asked for by agent and time, which is the order they stand in.

use std::sync::atomic::Ordering;

use azimuth_measurement::codec::path::{decode_path_event, encode_path_event};
use azimuth_measurement::{AgentId, ManifestId, PathEvent};
use redb::{ReadableDatabase, ReadableTable, TableDefinition, TableError, WriteTransaction};

use super::super::paths::{PathKey, StoredPath, keys_of, within_bounds};
use super::tables::{seal, unseal};
use super::{EmbeddedStore, while_doing};
use crate::store::admission::Plan;
use crate::store::dictionary::AgentNumber;
use crate::store::tier::Tier;
use crate::store::{StoreError, TimeRange};

/// Agent number, time (unix ms, as placed), epoch, sequence, number within the report -> manifest id, sealed event.
pub(super) const PATHS: TableDefinition<'_, PathKey, (u64, &[u8])> = TableDefinition::new("paths");
/// How often it is looked for what is past its retention.
const LOOK_EVERY_MS: u64 = 3_600_000;

/// Keeps the events of the planned reports; how many there was no room for.
pub(super) fn write(transaction: &WriteTransaction, plan: &Plan<'_>) -> Result<u64, StoreError> {
    let doing = "keep path events";
    let with_events = || {
        plan.reports
            .iter()
            .filter(|planned| !planned.report.paths.is_empty())
    };
    if with_events().next().is_none() {
        return Ok(0);
    }
    let mut table = transaction.open_table(PATHS).map_err(while_doing(doing))?;
    let mut refused = 0;
    for planned in with_events() {
        let report = planned.report;
        let (kept, beyond) = within_bounds(report, |hour| {
            let held = table
                .range(keys_of(planned.number, hour))
                .map_err(while_doing(doing))?;
            Ok::<_, StoreError>(held.count())
        })?;
        refused += beyond;
        for (number, event) in (0_u32..).zip(kept) {
            let key = (
                planned.number.0,
                event.at_unix_ms,
                report.epoch,
                report.sequence,
                number,
            );
            let sealed = seal(
                (event.at_unix_ms, planned.number.0, report.epoch, report.sequence),
                &encode_path_event(event),
            );
            table
                .insert(key, (report.manifest.0, sealed.as_slice()))
                .map_err(while_doing(doing))?;
        }
    }
    Ok(refused)
}

impl EmbeddedStore {
    /// The events of an agent in a range, oldest first. Damaged ones are passed over, and said.
    pub(super) fn read_paths(
        &self,
        agent: &AgentId,
        range: TimeRange,
    ) -> Result<Vec<StoredPath>, StoreError> {
        let doing = "read path events";
        let dictionary = self.dictionary_now();
        let Some(number) = dictionary.agent_number(agent) else {
            return Ok(Vec::new());
        };
        self.with_database(doing, |database| {
            let read = database.begin_read().map_err(while_doing(doing))?;
            let table = match read.open_table(PATHS) {
                Ok(table) => table,
                // Nobody has told any yet.
                Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
                Err(error) => return Err(while_doing(doing)(error)),
            };
            let mut paths = Vec::new();
            for row in table.range(keys_of(number, range)).map_err(while_doing(doing))? {
                let (key, value) = row.map_err(while_doing(doing))?;
                let (manifest, sealed) = value.value();
                match event_of(key.value(), sealed) {
                    Some(event) => {
                        paths.extend(StoredPath::of(&dictionary, number, ManifestId(manifest), event));
                    }
                    None => tracing::warn!(%agent, "a stored path event is damaged and left out"),
                }
            }
            Ok(paths)
        })
    }

    /// Forgets events, and throughput results, older than the one-minute tier.
    pub(super) fn retire_paths(&self, now_unix_ms: u64) -> Result<(), StoreError> {
        let doing = "forget old path events";
        let looked_at = self.paths_looked_at_unix_ms.load(Ordering::Acquire);
        if now_unix_ms.saturating_sub(looked_at) < LOOK_EVERY_MS {
            return Ok(());
        }
        let cut_unix_ms = self.retention.keeps_from(Tier::OneMinute, now_unix_ms);
        self.retire_throughput(cut_unix_ms)?;
        let agents = self.dictionary_now().next_agent_number().0;
        let old = |agent: u32| {
            let before = TimeRange {
                from_unix_ms: 0,
                to_unix_ms: cut_unix_ms,
            };
            keys_of(AgentNumber(agent), before)
        };
        // Looked at first, because a write costs an fsync.
        let any = self.with_database(doing, |database| {
            let read = database.begin_read().map_err(while_doing(doing))?;
            let table = match read.open_table(PATHS) {
                Ok(table) => table,
                Err(TableError::TableDoesNotExist(_)) => return Ok(false),
                Err(error) => return Err(while_doing(doing)(error)),
            };
            for agent in 0..agents {
                if table
                    .range(old(agent))
                    .map_err(while_doing(doing))?
                    .next()
                    .is_some()
                {
                    return Ok(true);
                }
            }
            Ok(false)
        })?;
        if any {
            self.write(doing, |transaction| {
                let mut table = transaction.open_table(PATHS).map_err(while_doing(doing))?;
                for agent in 0..agents {
                    table
                        .retain_in(old(agent), |_, _| false)
                        .map_err(while_doing(doing))?;
                }
                Ok(())
            })?;
        }
        self.paths_looked_at_unix_ms.store(now_unix_ms, Ordering::Release);
        Ok(())
    }
}

fn event_of((agent, at_unix_ms, epoch, sequence, _): PathKey, sealed: &[u8]) -> Option<PathEvent> {
    decode_path_event(unseal((at_unix_ms, agent, epoch, sequence), sealed)?).ok()
}
