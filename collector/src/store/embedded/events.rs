//! Events in a table for each kind: written with their report, never sealed into parts, kept as long as the one-minute tier. Few
//! and small, and asked for by agent and time, which is the order they stand in.

use std::sync::atomic::Ordering;

use azimuth_measurement::codec::path::{decode_path_event, encode_path_event};
use azimuth_measurement::codec::throughput::{decode_throughput_result, encode_throughput_result};
use azimuth_measurement::{AgentId, ManifestId, PathEvent, ThroughputResult};
use redb::{ReadableDatabase, ReadableTable, TableDefinition, TableError, WriteTransaction};

use super::super::events::{Event, EventKey, keys_of, stored, within_bounds};
use super::tables::{seal, unseal};
use super::{EmbeddedStore, while_doing};
use crate::store::admission::Plan;
use crate::store::dictionary::AgentNumber;
use crate::store::tier::Tier;
use crate::store::{StoreError, TimeRange};

/// Agent number, time (unix ms, as placed), epoch, sequence, number within the report -> manifest id, sealed event.
pub(super) type EventTable = TableDefinition<'static, EventKey, (u64, &'static [u8])>;
pub(super) const PATHS: EventTable = TableDefinition::new("paths");
pub(super) const THROUGHPUT: EventTable = TableDefinition::new("throughput");
/// How often it is looked for what is past its retention.
const LOOK_EVERY_MS: u64 = 3_600_000;

/// An event that has a table.
pub(super) trait TableRow: Event {
    const TABLE: EventTable;
    /// What is being done, for errors.
    const KEEP: &'static str;
    const READ: &'static str;
    const FORGET: &'static str;

    fn encode(&self) -> Vec<u8>;
    fn decode(bytes: &[u8]) -> Option<Self>
    where
        Self: Sized;
}

impl TableRow for PathEvent {
    const TABLE: EventTable = PATHS;
    const KEEP: &'static str = "keep path events";
    const READ: &'static str = "read path events";
    const FORGET: &'static str = "forget old path events";

    fn encode(&self) -> Vec<u8> {
        encode_path_event(self)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        decode_path_event(bytes).ok()
    }
}

impl TableRow for ThroughputResult {
    const TABLE: EventTable = THROUGHPUT;
    const KEEP: &'static str = "keep throughput results";
    const READ: &'static str = "read throughput results";
    const FORGET: &'static str = "forget old throughput results";

    fn encode(&self) -> Vec<u8> {
        encode_throughput_result(self)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        decode_throughput_result(bytes).ok()
    }
}

/// Keeps the events of the planned reports; how many there was no room for.
pub(super) fn write<T: TableRow>(transaction: &WriteTransaction, plan: &Plan<'_>) -> Result<u64, StoreError> {
    let with_events = || {
        plan.reports
            .iter()
            .filter(|planned| !T::of_report(planned.report).is_empty())
    };
    if with_events().next().is_none() {
        return Ok(0);
    }
    let mut table = transaction.open_table(T::TABLE).map_err(while_doing(T::KEEP))?;
    let mut refused = 0;
    for planned in with_events() {
        let report = planned.report;
        let (kept, beyond) = within_bounds::<T, StoreError>(report, |hour| {
            let held = table
                .range(keys_of(planned.number, hour))
                .map_err(while_doing(T::KEEP))?;
            Ok(held.count())
        })?;
        refused += beyond;
        for (number, event) in (0_u32..).zip(kept) {
            let (agent, at_unix_ms) = (planned.number.0, event.at_unix_ms());
            let key = (agent, at_unix_ms, report.epoch, report.sequence, number);
            let sealed = seal(
                (at_unix_ms, agent, report.epoch, report.sequence),
                &event.encode(),
            );
            table
                .insert(key, (report.manifest.0, sealed.as_slice()))
                .map_err(while_doing(T::KEEP))?;
        }
    }
    Ok(refused)
}

impl EmbeddedStore {
    /// The events of an agent in a range, oldest first. Damaged ones are passed over, and said.
    pub(super) fn events_of<T: TableRow>(
        &self,
        agent: &AgentId,
        range: TimeRange,
    ) -> Result<Vec<T::Stored>, StoreError> {
        let dictionary = self.dictionary_now();
        let Some(number) = dictionary.agent_number(agent) else {
            return Ok(Vec::new());
        };
        self.with_database(T::READ, |database| {
            let read = database.begin_read().map_err(while_doing(T::READ))?;
            let table = match read.open_table(T::TABLE) {
                Ok(table) => table,
                // Nobody has told any yet.
                Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
                Err(error) => return Err(while_doing(T::READ)(error)),
            };
            let mut events = Vec::new();
            for row in table
                .range(keys_of(number, range))
                .map_err(while_doing(T::READ))?
            {
                let (key, value) = row.map_err(while_doing(T::READ))?;
                let (manifest, sealed) = value.value();
                match event_of::<T>(key.value(), sealed) {
                    Some(event) => events.extend(stored(&dictionary, number, ManifestId(manifest), event)),
                    None => {
                        tracing::warn!(%agent, "{}: a stored one is damaged and left out", T::READ);
                    }
                }
            }
            Ok(events)
        })
    }

    /// Forgets events older than the one-minute tier, of every kind, once an hour.
    pub(super) fn retire_events(&self, now_unix_ms: u64) -> Result<(), StoreError> {
        let looked_at = self.events_looked_at_unix_ms.load(Ordering::Acquire);
        if now_unix_ms.saturating_sub(looked_at) < LOOK_EVERY_MS {
            return Ok(());
        }
        let cut_unix_ms = self.retention.keeps_from(Tier::OneMinute, now_unix_ms);
        self.forget::<ThroughputResult>(cut_unix_ms)?;
        self.forget::<PathEvent>(cut_unix_ms)?;
        self.events_looked_at_unix_ms
            .store(now_unix_ms, Ordering::Release);
        Ok(())
    }

    fn forget<T: TableRow>(&self, cut_unix_ms: u64) -> Result<(), StoreError> {
        let agents = self.dictionary_now().next_agent_number().0;
        let old = |agent: u32| {
            let before = TimeRange {
                from_unix_ms: 0,
                to_unix_ms: cut_unix_ms,
            };
            keys_of(AgentNumber(agent), before)
        };
        // Looked at first, because a write costs an fsync.
        let any = self.with_database(T::FORGET, |database| {
            let read = database.begin_read().map_err(while_doing(T::FORGET))?;
            let table = match read.open_table(T::TABLE) {
                Ok(table) => table,
                Err(TableError::TableDoesNotExist(_)) => return Ok(false),
                Err(error) => return Err(while_doing(T::FORGET)(error)),
            };
            for agent in 0..agents {
                let mut rows = table.range(old(agent)).map_err(while_doing(T::FORGET))?;
                if rows.next().is_some() {
                    return Ok(true);
                }
            }
            Ok(false)
        })?;
        if any {
            self.write(T::FORGET, |transaction| {
                let mut table = transaction.open_table(T::TABLE).map_err(while_doing(T::FORGET))?;
                for agent in 0..agents {
                    table
                        .retain_in(old(agent), |_, _| false)
                        .map_err(while_doing(T::FORGET))?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

fn event_of<T: TableRow>((agent, at_unix_ms, epoch, sequence, _): EventKey, sealed: &[u8]) -> Option<T> {
    T::decode(unseal((at_unix_ms, agent, epoch, sequence), sealed)?)
}
