//! What keeps the store small and fast while it runs: hours are sealed into parts of three tiers, the parts of a day are
//! joined, the one-day rollup is computed, what is past its retention leaves, and the hot table forgets what is sealed.
//!
//! Every step can be cut off at any point and is simply done again: a part exists whole or not at all, the lists of reports
//! say what is in it, and a report is forgotten only when every tier that still keeps its hour holds it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use azimuth_measurement::Accumulator;
use azimuth_measurement::codec::decode_report;
use redb::{Database, ReadableDatabase, ReadableTable};

use super::sealed::chunk::Entry;
use super::sealed::contents::{Contents, ReportName};
use super::sealed::part::{Facts, PartError, PartReader, PartWriter};
use super::sealed::rollup::{Rollup, UnitOverflow};
use super::sealed::shelf::{DAY_MS, HOUR_MS, Part, Period, Shelf, hour_range};
use super::tables::{GAPS, HOT, META, retired_before_key, unseal};
use super::{EmbeddedStore, while_doing};
use crate::store::dictionary::AgentNumber;
use crate::store::tier::Tier;
use crate::store::{Dictionary, Maintained, SeriesId, StoreError, TimeRange};

/// How long after its end an hour is sealed: agents deliver within seconds, and what comes later is sealed later.
pub(super) const SEAL_AFTER_MS: u64 = 10 * 60_000;
/// How long reports stay in the hot table although they are sealed: should a part turn out damaged at once, they are there.
const HOT_KEPT_MS: u64 = 3 * HOUR_MS;
/// How long after its end a day is joined.
const JOIN_AFTER_MS: u64 = 2 * HOUR_MS;
/// How long a late part may wait to be joined into its day.
const LATE_PART_WAITS_MS: u64 = 6 * HOUR_MS;
/// An hour of the finest tier with more parts than this is joined into one.
const MAX_PARTS_PER_HOUR: usize = 4;
/// Late parts of one day that are joined without waiting.
const MAX_LATE_PARTS_PER_DAY: usize = 24;
/// Most reports forgotten in one transaction, so that it never holds up a commit for long.
const MAX_FORGOTTEN_AT_ONCE: usize = 5_000;
/// Series whose hour is encoded at a time: about 50 KiB each.
const MAX_SERIES_AT_ONCE: usize = 256;
/// The tiers that are sealed from reports, finest first. The one-day tier is computed from the hours.
const SEALED_TIERS: [Tier; 3] = [Tier::TenSeconds, Tier::OneMinute, Tier::OneHour];

impl EmbeddedStore {
    /// One bounded piece of everything that is due. A step that fails keeps none of the others from being done.
    pub(super) fn maintain_at(&self, now_unix_ms: u64) -> Result<Maintained, StoreError> {
        let mut done = Maintained::default();
        let mut first_error = None;
        let mut note = |error: StoreError| {
            tracing::warn!("{error}");
            first_error.get_or_insert(error);
        };
        if let Some(hour_unix_ms) = self.next_hour_to_seal(now_unix_ms) {
            match self.seal_hour(hour_unix_ms, now_unix_ms) {
                Ok(reports) => (done.hours_sealed, done.reports_sealed, done.more) = (1, reports, true),
                Err(error) => note(error),
            }
        } else {
            match self.join_one(now_unix_ms) {
                Ok(joined) => (done.parts_joined, done.more) = (joined.into(), joined),
                Err(error) => note(error),
            }
        }
        match self.retire(now_unix_ms) {
            Ok(retired) => done.parts_retired = retired,
            Err(error) => note(error),
        }
        match self.forget_sealed(now_unix_ms) {
            Ok((forgotten, more)) => {
                done.reports_forgotten = forgotten;
                done.more |= more;
            }
            Err(error) => note(error),
        }
        for part in self.shelf().parts() {
            if part.range.to_unix_ms + HOT_KEPT_MS + HOUR_MS < now_unix_ms {
                part.forget_contents();
            }
        }
        first_error.map_or(Ok(done), Err)
    }

    /// The oldest hour that has reports no part holds and is due.
    fn next_hour_to_seal(&self, now_unix_ms: u64) -> Option<u64> {
        let unsealed = self.unsealed_hours.lock().unwrap_or_else(PoisonError::into_inner);
        unsealed
            .iter()
            .find(|(_, due_unix_ms)| **due_unix_ms <= now_unix_ms)
            .map(|(hour_unix_ms, _)| *hour_unix_ms)
    }

    fn seal_hour(&self, hour_unix_ms: u64, now_unix_ms: u64) -> Result<u64, StoreError> {
        self.write_dictionary()?;
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
            .map(|(_, path)| PartWriter::create(path))
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

    fn put_on_shelf(&self, tier: Tier, name: &str) -> Result<(), StoreError> {
        let mut shelf = self.shelf.write().unwrap_or_else(PoisonError::into_inner);
        let with = shelf
            .with(&self.tiers_directory(), tier, name)
            .map_err(part_error("put a part on the shelf"))?;
        *shelf = Arc::new(with);
        Ok(())
    }

    /// Joins the parts of one period that is due. `false` when none is.
    fn join_one(&self, now_unix_ms: u64) -> Result<bool, StoreError> {
        let shelf = self.shelf();
        if let Some((tier, period, start_unix_ms)) = next_join(&shelf, now_unix_ms) {
            let joined = self.join(&shelf, tier, period, start_unix_ms, now_unix_ms);
            return joined
                .or_else(|error| self.set_aside_damaged(&shelf, tier, start_unix_ms, now_unix_ms, error))
                .map(|()| true);
        }
        let stale = shelf
            .parts()
            .filter(|part| part.tier == Tier::OneHour && part.period == Period::Day)
            .find(|part| shelf.current_day(part.range.from_unix_ms).is_none());
        match stale {
            Some(hours) => {
                let rolled = self.roll_day(&shelf, hours, now_unix_ms);
                let day_unix_ms = hours.range.from_unix_ms;
                rolled
                    .or_else(|error| {
                        self.set_aside_damaged(&shelf, Tier::OneHour, day_unix_ms, now_unix_ms, error)
                    })
                    .map(|()| true)
            }
            None => Ok(false),
        }
    }

    /// After a failure to read parts: those of the period that are damaged are set aside, so that the rest can go on.
    /// When none is, the failure stands.
    fn set_aside_damaged(
        &self,
        shelf: &Shelf,
        tier: Tier,
        start_unix_ms: u64,
        now_unix_ms: u64,
        error: StoreError,
    ) -> Result<(), StoreError> {
        let period = TimeRange {
            from_unix_ms: start_unix_ms,
            to_unix_ms: start_unix_ms + if tier == Tier::TenSeconds { HOUR_MS } else { DAY_MS },
        };
        let mut found = false;
        for part in shelf.overlapping(tier, period) {
            let Err(PartError::Damaged(what)) = part.verify() else {
                continue;
            };
            let mut guard = self.shelf.write().unwrap_or_else(PoisonError::into_inner);
            let without = guard
                .without_damaged(part, what, now_unix_ms)
                .map_err(io_error("set a part aside"))?;
            *guard = Arc::new(without);
            found = true;
        }
        if found { Ok(()) } else { Err(error) }
    }

    fn join(
        &self,
        shelf: &Shelf,
        tier: Tier,
        period: Period,
        start_unix_ms: u64,
        now_unix_ms: u64,
    ) -> Result<(), StoreError> {
        let doing = "join parts";
        let range = match period {
            Period::Hour => hour_range(start_unix_ms),
            Period::Day => TimeRange {
                from_unix_ms: start_unix_ms,
                to_unix_ms: start_unix_ms + DAY_MS,
            },
        };
        let parts: Vec<&Arc<Part>> = shelf.overlapping(tier, range).collect();
        let mut contents = Contents::default();
        for part in &parts {
            if !contents.add_all(&*part.contents().map_err(part_error(doing))?) {
                return Err(StoreError {
                    doing,
                    cause: "the lists of reports have too many holes".to_owned(),
                });
            }
        }
        let (name, path) = shelf.place(&self.tiers_directory(), tier, period, start_unix_ms, now_unix_ms);
        let facts = Facts {
            store: self.store_id,
            created_at_unix_ms: now_unix_ms,
            entries: 0,
            replaces: parts.iter().map(|part| part.name.clone()).collect(),
            source: None,
        };
        merge_parts(
            &parts,
            tier,
            PartWriter::create(&path).map_err(io_error(doing))?,
            &contents,
            facts,
        )
        .map_err(part_error(doing))?;
        self.put_on_shelf(tier, &name)
    }

    /// Computes the one-day rollup from the joined hours, whole: it is never added to.
    fn roll_day(&self, shelf: &Shelf, hours: &Arc<Part>, now_unix_ms: u64) -> Result<(), StoreError> {
        let doing = "roll up a day";
        let contents = hours.contents().map_err(part_error(doing))?;
        let day_unix_ms = hours.range.from_unix_ms;
        let (name, path) = shelf.place(
            &self.tiers_directory(),
            Tier::OneDay,
            Period::Day,
            day_unix_ms,
            now_unix_ms,
        );
        let before = shelf.overlapping(Tier::OneDay, hours.range);
        let facts = Facts {
            store: self.store_id,
            created_at_unix_ms: now_unix_ms,
            entries: 0,
            replaces: before.map(|part| part.name.clone()).collect(),
            source: Some(hours.name.clone()),
        };
        let writer = PartWriter::create(&path).map_err(io_error(doing))?;
        merge_parts(&[hours], Tier::OneDay, writer, &contents, facts).map_err(part_error(doing))?;
        self.put_on_shelf(Tier::OneDay, &name)
    }

    /// Takes off the shelf what is past its retention. That a tier no longer answers for it is durable before.
    fn retire(&self, now_unix_ms: u64) -> Result<u64, StoreError> {
        let doing = "retire old parts";
        let shelf = self.shelf();
        let cuts: Vec<(Tier, u64)> = SEALED_TIERS
            .into_iter()
            .map(|tier| (tier, self.retention.keeps_from(tier, now_unix_ms)))
            .filter(|(tier, cut)| {
                // The hours of a day leave after its rollup is there.
                shelf
                    .parts()
                    .any(|part| part.tier == *tier && part.range.to_unix_ms <= *cut)
            })
            .collect();
        if cuts.is_empty() {
            return Ok(0);
        }
        self.write(doing, |transaction| {
            for (tier, cut) in &cuts {
                raise_retired_before(transaction, *tier, *cut, doing)?;
            }
            let mut gaps = transaction.open_table(GAPS).map_err(while_doing(doing))?;
            let cut = self.retention.keeps_from(Tier::OneHour, now_unix_ms);
            gaps.retain_in(..(cut, 0, 0, 0), |_, _| false)
                .map_err(while_doing(doing))
        })?;
        let mut guard = self.shelf.write().unwrap_or_else(PoisonError::into_inner);
        let mut shelf = Shelf::clone(&guard);
        let retired = shelf.drop_where(|part| {
            cuts.iter()
                .any(|(tier, cut)| part.tier == *tier && part.range.to_unix_ms <= *cut)
        });
        *guard = Arc::new(shelf);
        Ok(retired)
    }

    /// Forgets hot reports that every tier holds that still keeps their hour. Says how many, and whether there are more.
    fn forget_sealed(&self, now_unix_ms: u64) -> Result<(u64, bool), StoreError> {
        let doing = "forget sealed reports";
        let before_unix_ms = now_unix_ms.saturating_sub(HOT_KEPT_MS) / HOUR_MS * HOUR_MS;
        // Looked at first, because a write costs an fsync and mostly there is nothing to forget.
        let forgettable = self.with_database(doing, |database| {
            self.forgettable(database, before_unix_ms, now_unix_ms)
        })?;
        if forgettable.is_empty() {
            return Ok((0, false));
        }
        self.write(doing, |transaction| {
            let mut hot = transaction.open_table(HOT).map_err(while_doing(doing))?;
            for key in &forgettable {
                hot.remove(*key).map_err(while_doing(doing))?;
            }
            drop(hot);
            // What came too late for a tier was answered for until now; from now on that it is missing is said.
            let oldest_unix_ms = forgettable.first().map_or(u64::MAX, |key| key.0);
            for tier in SEALED_TIERS {
                let cut = self.retention.keeps_from(tier, now_unix_ms);
                if oldest_unix_ms < cut {
                    raise_retired_before(transaction, tier, cut, doing)?;
                }
            }
            Ok(())
        })?;
        Ok((
            forgettable.len() as u64,
            forgettable.len() == MAX_FORGOTTEN_AT_ONCE,
        ))
    }

    fn forgettable(
        &self,
        database: &Database,
        before_unix_ms: u64,
        now_unix_ms: u64,
    ) -> Result<Vec<super::HotKey>, StoreError> {
        let doing = "look for sealed reports";
        let shelf = self.shelf();
        let oldest_kept = self.retention.keeps_from(Tier::OneHour, now_unix_ms);
        let mut keys = Vec::new();
        let read = database.begin_read().map_err(while_doing(doing))?;
        let hot = read.open_table(HOT).map_err(while_doing(doing))?;
        for row in hot
            .range(..(before_unix_ms, 0, 0, 0))
            .map_err(while_doing(doing))?
        {
            let (key, _) = row.map_err(while_doing(doing))?;
            let (start_unix_ms, agent, epoch, sequence) = key.value();
            let name = report_name(start_unix_ms, agent, epoch, sequence);
            let mut held = true;
            for tier in SEALED_TIERS {
                if name.hour_unix_ms >= self.retention.keeps_from(tier, now_unix_ms) {
                    held &= shelf.holds(tier, name).map_err(part_error(doing))?;
                }
            }
            // One that cannot be read is never sealed; it stays for whoever wants to look, as long as anything would.
            if held || start_unix_ms < oldest_kept {
                keys.push(key.value());
            }
            if keys.len() == MAX_FORGOTTEN_AT_ONCE {
                break;
            }
        }
        Ok(keys)
    }
}

fn raise_retired_before(
    transaction: &redb::WriteTransaction,
    tier: Tier,
    cut_unix_ms: u64,
    doing: &'static str,
) -> Result<(), StoreError> {
    let mut meta = transaction.open_table(META).map_err(while_doing(doing))?;
    let key = retired_before_key(tier);
    let known = meta
        .get(key)
        .map_err(while_doing(doing))?
        .map_or(0, |known| known.value());
    meta.insert(key, known.max(cut_unix_ms))
        .map_err(while_doing(doing))?;
    Ok(())
}

/// The period whose parts should become one.
fn next_join(shelf: &Shelf, now_unix_ms: u64) -> Option<(Tier, Period, u64)> {
    let mut hours: BTreeMap<u64, usize> = BTreeMap::new();
    for part in shelf.parts().filter(|part| part.tier == Tier::TenSeconds) {
        *hours.entry(part.range.from_unix_ms).or_default() += 1;
    }
    let crowded = hours.into_iter().find(|(_, parts)| *parts > MAX_PARTS_PER_HOUR);
    if let Some((hour_unix_ms, _)) = crowded {
        return Some((Tier::TenSeconds, Period::Hour, hour_unix_ms));
    }
    let mut days: BTreeMap<(Tier, u64), Vec<&Part>> = BTreeMap::new();
    for part in shelf
        .parts()
        .filter(|part| part.period == Period::Hour && part.tier != Tier::TenSeconds)
    {
        let day_unix_ms = Tier::OneDay.unit_of(part.range.from_unix_ms);
        days.entry((part.tier, day_unix_ms)).or_default().push(part);
    }
    days.into_iter()
        .find(|((tier, day_unix_ms), parts)| {
            let over = day_unix_ms + DAY_MS + JOIN_AFTER_MS <= now_unix_ms;
            let waited = |part: &&Part| part.facts().created_at_unix_ms + LATE_PART_WAITS_MS <= now_unix_ms;
            let first = shelf.joined(*tier, *day_unix_ms).is_none();
            over && (first || parts.len() > MAX_LATE_PARTS_PER_DAY || parts.iter().any(waited))
        })
        .map(|((tier, day_unix_ms), _)| (tier, Period::Day, day_unix_ms))
}

/// Writes the entries of several parts as one, merged to the units of `tier`, series by series.
fn merge_parts(
    parts: &[&Arc<Part>],
    tier: Tier,
    mut writer: PartWriter,
    contents: &Contents,
    facts: Facts,
) -> Result<(), PartError> {
    let mut readers = parts
        .iter()
        .map(|part| part.reader())
        .collect::<Result<Vec<_>, _>>()?;
    let mut all = BTreeSet::new();
    for reader in &mut readers {
        all.extend(reader.series()?);
    }
    let mut scratch = Accumulator::new();
    for series in all {
        let mut entries = read_entries(&mut readers, series)?;
        entries.sort_by_key(|entry| entry.start_unix_ms);
        let mut rollup = Rollup::new(tier);
        for entry in entries {
            rollup.push(entry, &mut scratch).map_err(overflow)?;
        }
        rollup.close(&mut scratch).map_err(overflow)?;
        writer.push(series, rollup.chunk())?;
    }
    Ok(writer.finish(contents, facts)?)
}

fn overflow(error: UnitOverflow) -> PartError {
    PartError::System(std::io::Error::other(error))
}

fn read_entries(readers: &mut [PartReader<'_>], series: SeriesId) -> Result<Vec<Entry>, PartError> {
    let mut entries = Vec::new();
    for reader in readers {
        for entry in reader.chunk(series)?.into_iter().flatten() {
            entries.push(entry.map_err(|_| PartError::Damaged("a chunk"))?);
        }
    }
    Ok(entries)
}

/// What one group of agents measured in one hour.
struct GroupHour {
    /// One rollup per tier asked for, for each series, by series.
    series: BTreeMap<SeriesId, Vec<Rollup>>,
    /// The reports read.
    read: Vec<ReportName>,
}

/// Agents in groups with few enough series that their hour fits in memory. Series must come in ascending order from one
/// group to the next, so a group is a run of agents whose series do not interleave with the next one's, or all of them.
fn groups(dictionary: &Dictionary, names: &BTreeSet<ReportName>) -> Vec<Group> {
    let agents: BTreeSet<AgentNumber> = names.iter().map(|name| name.agent).collect();
    let mut series: Vec<SeriesId> = dictionary
        .series()
        .filter(|(_, series)| agents.contains(&series.agent))
        .map(|(id, _)| id)
        .collect();
    series.sort_unstable();
    if series.is_empty() {
        // Reports without a record are sealed too, into a part without a chunk.
        series.push(SeriesId(0));
    }
    series
        .chunks(MAX_SERIES_AT_ONCE)
        .map(|ids| Group {
            first: ids[0],
            last: ids[ids.len() - 1],
            agents: dictionary
                .series()
                .filter(|(id, _)| ids.binary_search(id).is_ok())
                .map(|(_, series)| series.agent)
                .collect(),
            is_first: Some(ids[0]) == series.first().copied(),
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
    };
    for_each_hot_row(
        database,
        hour_unix_ms,
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
                let series = known.series.get(record.series as usize).copied();
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

fn for_each_hot_row(
    database: &Database,
    hour_unix_ms: u64,
    doing: &'static str,
    visit: &mut dyn FnMut(ReportName, u64, &[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let read = database.begin_read().map_err(while_doing(doing))?;
    let hot = read.open_table(HOT).map_err(while_doing(doing))?;
    let keys = (hour_unix_ms, 0, 0, 0)..(hour_unix_ms + HOUR_MS, 0, 0, 0);
    for row in hot.range(keys).map_err(while_doing(doing))? {
        let (key, sealed) = row.map_err(while_doing(doing))?;
        let (start_unix_ms, agent, epoch, sequence) = key.value();
        visit(
            report_name(start_unix_ms, agent, epoch, sequence),
            start_unix_ms,
            sealed.value(),
        )?;
    }
    Ok(())
}

fn report_name(start_unix_ms: u64, agent: u32, epoch: u64, sequence: u64) -> ReportName {
    ReportName {
        hour_unix_ms: start_unix_ms / HOUR_MS * HOUR_MS,
        agent: AgentNumber(agent),
        epoch,
        sequence,
    }
}

fn io_error(doing: &'static str) -> impl Fn(std::io::Error) -> StoreError {
    move |error| StoreError {
        doing,
        cause: error.to_string(),
    }
}

fn part_error(doing: &'static str) -> impl Fn(PartError) -> StoreError {
    move |error| StoreError {
        doing,
        cause: error.to_string(),
    }
}
