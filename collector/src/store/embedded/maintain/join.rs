//! Joining: the parts of an hour or a day become one, and the one-day rollup is computed from the joined hours. A part that
//! turns out damaged on the way is set aside.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use azimuth_measurement::Accumulator;

use super::super::EmbeddedStore;
use super::super::sealed::chunk::Entry;
use super::super::sealed::contents::Contents;
use super::super::sealed::part::{Facts, PartError, PartReader, PartWriter};
use super::super::sealed::rollup::{Rollup, UnitOverflow};
use super::super::sealed::shelf::{DAY_MS, HOUR_MS, Part, Period, Shelf, hour_range};
use super::{io_error, part_error};
use crate::store::tier::Tier;
use crate::store::{SeriesId, StoreError, TimeRange};

/// How long after its end a day is joined.
const JOIN_AFTER_MS: u64 = 2 * HOUR_MS;
/// How long a late part may wait to be joined into its day.
const LATE_PART_WAITS_MS: u64 = 6 * HOUR_MS;
/// An hour of the finest tier with more parts than this is joined into one.
const MAX_PARTS_PER_HOUR: usize = 4;
/// Late parts of one day that are joined without waiting.
const MAX_LATE_PARTS_PER_DAY: usize = 24;

impl EmbeddedStore {
    /// Joins the parts of one period that is due. `false` when none is.
    pub(super) fn join_one(&self, now_unix_ms: u64) -> Result<bool, StoreError> {
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
                    damaged: false,
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
            PartWriter::create(shelf.disk(), &path).map_err(io_error(doing))?,
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
        let writer = PartWriter::create(shelf.disk(), &path).map_err(io_error(doing))?;
        merge_parts(&[hours], Tier::OneDay, writer, &contents, facts).map_err(part_error(doing))?;
        self.put_on_shelf(Tier::OneDay, &name)
    }
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
