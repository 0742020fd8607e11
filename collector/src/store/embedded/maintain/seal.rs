//! Sealing: one hour of the hot table becomes one part in each of three tiers, agents by agents, so that no more than the
//! chunks of a few hundred series are in memory at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use azimuth_measurement::Accumulator;
use azimuth_measurement::codec::decode_report;
use redb::Database;

use super::super::EmbeddedStore;
use super::super::sealed::chunk::Entry;
use super::super::sealed::contents::{Contents, ReportName};
use super::super::sealed::part::{Facts, PartWriter};
use super::super::sealed::rollup::{Rollup, UnitOverflow};
use super::super::sealed::shelf::Period;
use super::super::tables::unseal;
use super::{SEALED_TIERS, for_each_hot_row, for_each_hot_row_of, io_error, part_error};
use crate::store::dictionary::AgentNumber;
use crate::store::tier::Tier;
use crate::store::{Dictionary, SeriesId, StoreError};

/// Series whose hour is encoded at a time: about 50 KiB each.
const MAX_SERIES_AT_ONCE: usize = 256;

impl EmbeddedStore {
    /// The oldest hour that has reports no part holds and is due.
    pub(super) fn next_hour_to_seal(&self, now_unix_ms: u64) -> Option<u64> {
        let unsealed = self.unsealed_hours.lock().unwrap_or_else(PoisonError::into_inner);
        unsealed
            .iter()
            .find(|(_, due_unix_ms)| **due_unix_ms <= now_unix_ms)
            .map(|(hour_unix_ms, _)| *hour_unix_ms)
    }

    pub(super) fn seal_hour(&self, hour_unix_ms: u64, now_unix_ms: u64) -> Result<u64, StoreError> {
        // Taken off first: what a commit adds meanwhile puts it back on.
        self.unsealed_hours
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&hour_unix_ms);
        let sealed = self.seal_tiers(hour_unix_ms, now_unix_ms);
        if sealed.is_err() {
            self.note_unsealed([(hour_unix_ms, now_unix_ms)]);
        }
        sealed
    }

    fn seal_tiers(&self, hour_unix_ms: u64, now_unix_ms: u64) -> Result<u64, StoreError> {
        let kept = SEALED_TIERS
            .into_iter()
            .filter(|tier| hour_unix_ms >= self.retention.keeps_from(*tier, now_unix_ms));
        // Mostly all tiers lack the same reports and one pass serves them all; after a crash between two parts they do not.
        let mut passes: BTreeMap<Vec<ReportName>, Vec<Tier>> = BTreeMap::new();
        for tier in kept {
            let lacking = self.lacking(tier, hour_unix_ms)?;
            passes.entry(lacking).or_default().push(tier);
        }
        let mut sealed = 0;
        for (lacking, tiers) in passes {
            if !lacking.is_empty() {
                sealed = sealed.max(lacking.len() as u64);
                // Now that it is known which reports: an agent may have come since the last copy was written.
                self.write_dictionary()?;
                self.seal_pass(hour_unix_ms, &tiers, &lacking, now_unix_ms)?;
            }
        }
        Ok(sealed)
    }

    /// The reports of an hour in the hot table that no part of the tier holds.
    fn lacking(&self, tier: Tier, hour_unix_ms: u64) -> Result<Vec<ReportName>, StoreError> {
        let doing = "look for unsealed reports";
        let shelf = self.shelf();
        self.with_database(doing, |database| {
            let mut lacking = Vec::new();
            for_each_hot_row(database, hour_unix_ms, doing, &mut |name, _, _| {
                if !shelf.holds(tier, name).map_err(part_error(doing))? {
                    lacking.push(name);
                }
                Ok(())
            })?;
            Ok(lacking)
        })
    }

    /// Writes one part per tier with exactly the reports named, as far as they can be read.
    fn seal_pass(
        &self,
        hour_unix_ms: u64,
        tiers: &[Tier],
        names: &[ReportName],
        now_unix_ms: u64,
    ) -> Result<(), StoreError> {
        let doing = "seal an hour";
        let dictionary = self.dictionary_now();
        let mut contents = Contents::default();
        // What a list of reports is too full of holes to name stays in the hot table, where it is read from.
        let names: BTreeSet<ReportName> = names
            .iter()
            .copied()
            .filter(|name| contents.insert(*name))
            .collect();
        let shelf = self.shelf();
        let places: Vec<_> = tiers
            .iter()
            .map(|tier| {
                shelf.place(
                    &self.tiers_directory(),
                    *tier,
                    Period::Hour,
                    hour_unix_ms,
                    now_unix_ms,
                )
            })
            .collect();
        let mut writers = places
            .iter()
            .map(|(_, path)| PartWriter::create(shelf.disk(), path))
            .collect::<std::io::Result<Vec<_>>>()
            .map_err(io_error(doing))?;
        for group in groups(&dictionary, &names) {
            let hour = self.with_database(doing, |database| {
                read_group(database, &dictionary, hour_unix_ms, &names, &group, tiers, doing)
            })?;
            for (series, rollups) in &hour.series {
                for (writer, rollup) in writers.iter_mut().zip(rollups) {
                    if !rollup.chunk().is_empty() {
                        writer.push(*series, rollup.chunk()).map_err(io_error(doing))?;
                    }
                }
            }
            if group.is_first && hour.read.len() < names.len() {
                contents = Contents::default();
                hour.read.into_iter().for_each(|name| {
                    let _ = contents.insert(name);
                });
            }
        }
        if contents.is_empty() {
            return Ok(());
        }
        let facts = Facts {
            store: self.store_id,
            created_at_unix_ms: now_unix_ms,
            entries: 0,
            replaces: Vec::new(),
            source: None,
        };
        for ((writer, tier), (name, _)) in writers.into_iter().zip(tiers).zip(&places) {
            writer.finish(&contents, facts.clone()).map_err(io_error(doing))?;
            self.put_on_shelf(*tier, name)?;
        }
        Ok(())
    }
}

/// What one group of agents measured in one hour.
struct GroupHour {
    /// One rollup per tier asked for, for each series, by series.
    series: BTreeMap<SeriesId, Vec<Rollup>>,
    /// The reports read.
    read: Vec<ReportName>,
}

/// The series of the named reports' agents, in runs short enough that their hour fits in memory. Runs ascend, as series do in
/// a part; an agent whose series fall into several runs is read once for each.
fn groups(dictionary: &Dictionary, names: &BTreeSet<ReportName>) -> Vec<Group> {
    let agents: BTreeSet<AgentNumber> = names.iter().map(|name| name.agent).collect();
    // The dictionary hands them out in ascending order.
    let mut series: Vec<(SeriesId, Option<AgentNumber>)> = dictionary
        .series()
        .filter(|(_, series)| agents.contains(&series.agent))
        .map(|(id, series)| (id, Some(series.agent)))
        .collect();
    if series.is_empty() {
        // Reports without a record are sealed too, into a part without a chunk.
        series.push((SeriesId(0), None));
    }
    series
        .chunks(MAX_SERIES_AT_ONCE)
        .enumerate()
        .map(|(position, run)| Group {
            first: run[0].0,
            last: run[run.len() - 1].0,
            agents: run.iter().filter_map(|(_, agent)| *agent).collect(),
            is_first: position == 0,
        })
        .collect()
}

/// A run of series and the agents that have them.
struct Group {
    first: SeriesId,
    last: SeriesId,
    agents: BTreeSet<AgentNumber>,
    /// Reports are noted as read once, though an agent may have series in several groups.
    is_first: bool,
}

fn read_group(
    database: &Database,
    dictionary: &Dictionary,
    hour_unix_ms: u64,
    names: &BTreeSet<ReportName>,
    group: &Group,
    tiers: &[Tier],
    doing: &'static str,
) -> Result<GroupHour, StoreError> {
    let mut hour = GroupHour {
        series: BTreeMap::new(),
        read: Vec::new(),
    };
    let mut scratch = Accumulator::new();
    let overflow = |error: UnitOverflow| StoreError {
        doing,
        cause: error.to_string(),
        damaged: false,
    };
    // The first group looks at every row; were each to, an hour would cost its rows times its groups.
    let agents = match (group.agents.first(), group.agents.last()) {
        (Some(first), Some(last)) if !group.is_first => first.0..=last.0,
        _ => 0..=u32::MAX,
    };
    for_each_hot_row_of(
        database,
        hour_unix_ms,
        agents,
        doing,
        &mut |name, start_unix_ms, sealed| {
            if !names.contains(&name) || !(group.is_first || group.agents.contains(&name.agent)) {
                return Ok(());
            }
            let report = unseal((start_unix_ms, name.agent.0, name.epoch, name.sequence), sealed)
                .and_then(|frame| decode_report(frame).ok());
            let known = report
                .as_ref()
                .and_then(|report| dictionary.manifest(name.agent, report.manifest));
            let (Some(report), Some(known)) = (report, known) else {
                return Ok(());
            };
            if group.is_first {
                hour.read.push(name);
            }
            for record in report.records {
                let series = known.series_at(record.series);
                let Some(series) = series.filter(|series| (group.first..=group.last).contains(series)) else {
                    continue;
                };
                let rollups = hour
                    .series
                    .entry(series)
                    .or_insert_with(|| tiers.iter().map(|tier| Rollup::new(*tier)).collect());
                let entry = Entry {
                    start_unix_ms,
                    counts: record.counts,
                    delays: record.delays,
                };
                cascade(rollups, Some(entry), &mut scratch).map_err(overflow)?;
            }
            Ok(())
        },
    )?;
    for rollups in hour.series.values_mut() {
        for at in 0..rollups.len() {
            let closed = rollups[at].close(&mut scratch).map_err(overflow)?;
            cascade(&mut rollups[at + 1..], closed, &mut scratch).map_err(overflow)?;
        }
    }
    Ok(hour)
}

/// Hands an entry to the finest rollup, and what that finishes to the next coarser one.
fn cascade(
    rollups: &mut [Rollup],
    mut entry: Option<Entry>,
    scratch: &mut Accumulator,
) -> Result<(), UnitOverflow> {
    for rollup in rollups {
        let Some(finer) = entry.take() else { break };
        entry = rollup.push(finer, scratch)?;
    }
    Ok(())
}
