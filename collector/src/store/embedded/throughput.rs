//! Throughput results in a table of their own: written with their report, never sealed into parts, kept as long as the one-minute
//! tier. Few and small, and asked for by agent and time, which is the order they stand in.

use azimuth_measurement::codec::throughput::{decode_throughput_result, encode_throughput_result};
use azimuth_measurement::{AgentId, ManifestId, ThroughputResult};
use redb::{ReadableDatabase, ReadableTable, TableDefinition, TableError, WriteTransaction};

use super::super::paths::{PathKey, keys_of};
use super::super::throughput::{StoredThroughput, results_within_bounds};
use super::tables::{seal, unseal};
use super::{EmbeddedStore, while_doing};
use crate::store::admission::Plan;
use crate::store::dictionary::AgentNumber;
use crate::store::{StoreError, TimeRange};

/// Agent number, time (unix ms, as placed), epoch, sequence, number within the report -> manifest id, sealed result.
pub(super) const THROUGHPUT: TableDefinition<'_, PathKey, (u64, &[u8])> = TableDefinition::new("throughput");

/// Keeps the results of the planned reports; how many there was no room for.
pub(super) fn write(transaction: &WriteTransaction, plan: &Plan<'_>) -> Result<u64, StoreError> {
    let doing = "keep throughput results";
    let with_results = || {
        plan.reports
            .iter()
            .filter(|planned| !planned.report.throughput.is_empty())
    };
    if with_results().next().is_none() {
        return Ok(0);
    }
    let mut table = transaction.open_table(THROUGHPUT).map_err(while_doing(doing))?;
    let mut refused = 0;
    for planned in with_results() {
        let report = planned.report;
        let (kept, beyond) = results_within_bounds(report, |hour| {
            let held = table
                .range(keys_of(planned.number, hour))
                .map_err(while_doing(doing))?;
            Ok::<_, StoreError>(held.count())
        })?;
        refused += beyond;
        for (number, result) in (0_u32..).zip(kept) {
            let key = (
                planned.number.0,
                result.at_unix_ms,
                report.epoch,
                report.sequence,
                number,
            );
            let sealed = seal(
                (result.at_unix_ms, planned.number.0, report.epoch, report.sequence),
                &encode_throughput_result(result),
            );
            table
                .insert(key, (report.manifest.0, sealed.as_slice()))
                .map_err(while_doing(doing))?;
        }
    }
    Ok(refused)
}

impl EmbeddedStore {
    /// The results of an agent in a range, oldest first. Damaged ones are passed over, and said.
    pub(super) fn read_throughput(
        &self,
        agent: &AgentId,
        range: TimeRange,
    ) -> Result<Vec<StoredThroughput>, StoreError> {
        let doing = "read throughput results";
        let dictionary = self.dictionary_now();
        let Some(number) = dictionary.agent_number(agent) else {
            return Ok(Vec::new());
        };
        self.with_database(doing, |database| {
            let read = database.begin_read().map_err(while_doing(doing))?;
            let table = match read.open_table(THROUGHPUT) {
                Ok(table) => table,
                // Nobody has tested yet.
                Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
                Err(error) => return Err(while_doing(doing)(error)),
            };
            let mut results = Vec::new();
            for row in table.range(keys_of(number, range)).map_err(while_doing(doing))? {
                let (key, value) = row.map_err(while_doing(doing))?;
                let (manifest, sealed) = value.value();
                match result_of(key.value(), sealed) {
                    Some(result) => {
                        let manifest = ManifestId(manifest);
                        results.extend(StoredThroughput::of(&dictionary, number, manifest, result));
                    }
                    None => tracing::warn!(%agent, "a stored throughput result is damaged and left out"),
                }
            }
            Ok(results)
        })
    }

    /// Forgets results from before `cut_unix_ms`.
    pub(super) fn retire_throughput(&self, cut_unix_ms: u64) -> Result<(), StoreError> {
        let doing = "forget old throughput results";
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
            let table = match read.open_table(THROUGHPUT) {
                Ok(table) => table,
                Err(TableError::TableDoesNotExist(_)) => return Ok(false),
                Err(error) => return Err(while_doing(doing)(error)),
            };
            for agent in 0..agents {
                let mut rows = table.range(old(agent)).map_err(while_doing(doing))?;
                if rows.next().is_some() {
                    return Ok(true);
                }
            }
            Ok(false)
        })?;
        if any {
            self.write(doing, |transaction| {
                let mut table = transaction.open_table(THROUGHPUT).map_err(while_doing(doing))?;
                for agent in 0..agents {
                    table
                        .retain_in(old(agent), |_, _| false)
                        .map_err(while_doing(doing))?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

fn result_of((agent, at_unix_ms, epoch, sequence, _): PathKey, sealed: &[u8]) -> Option<ThroughputResult> {
    decode_throughput_result(unseal((at_unix_ms, agent, epoch, sequence), sealed)?).ok()
}
