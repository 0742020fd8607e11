//! What keeps the store small and fast while it runs: hours are sealed into parts of three tiers, the parts of a day are
//! joined, the one-day rollup is computed, what is past its retention leaves, and the hot table forgets what is sealed.
//!
//! Every step can be cut off at any point and is simply done again: a part exists whole or not at all, the lists of reports
//! say what is in it, and a report is forgotten only when every tier that still keeps its hour holds it.

mod join;
mod seal;

use std::ops::RangeInclusive;
use std::sync::{Arc, PoisonError};

use redb::{Database, ReadableDatabase, ReadableTable};

use super::sealed::contents::ReportName;
use super::sealed::part::PartError;
use super::sealed::shelf::{HOUR_MS, Shelf};
use super::tables::{GAPS, HOT, META, retired_before_key};
use super::{EmbeddedStore, not_before, while_doing};
use crate::store::dictionary::AgentNumber;
use crate::store::tier::Tier;
use crate::store::{Maintained, StoreError};

/// How long after its end an hour is sealed: agents deliver within seconds, and what comes later is sealed later.
pub(super) const SEAL_AFTER_MS: u64 = 10 * 60_000;
/// How long reports stay in the hot table although they are sealed: should a part turn out damaged at once, they are there.
const HOT_KEPT_MS: u64 = 3 * HOUR_MS;
/// Most reports forgotten in one transaction, so that it never holds up a commit for long.
const MAX_FORGOTTEN_AT_ONCE: usize = 5_000;
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
        if let Err(error) = self.retire_events(now_unix_ms) {
            note(error);
        }
        for part in self.shelf().parts() {
            if part.range.to_unix_ms + HOT_KEPT_MS + HOUR_MS < now_unix_ms {
                part.forget_contents();
            }
        }
        first_error.map_or(Ok(done), Err)
    }

    fn put_on_shelf(&self, tier: Tier, name: &str) -> Result<(), StoreError> {
        let mut shelf = self.shelf.write().unwrap_or_else(PoisonError::into_inner);
        let with = shelf
            .with(&self.tiers_directory(), tier, name)
            .map_err(part_error("put a part on the shelf"))?;
        *shelf = Arc::new(with);
        Ok(())
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
        let agents = self.dictionary_now().next_agent_number().0;
        self.write(doing, |transaction| {
            for (tier, cut) in &cuts {
                raise_retired_before(transaction, *tier, *cut, doing)?;
            }
            let mut gaps = transaction.open_table(GAPS).map_err(while_doing(doing))?;
            let cut = self.retention.keeps_from(Tier::OneHour, now_unix_ms);
            for agent in 0..agents {
                gaps.retain_in((agent, 0, 0, 0)..(agent, cut, 0, 0), |_, _| false)
                    .map_err(while_doing(doing))?;
            }
            Ok(())
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

/// Receives a report's name, the start of its interval in unix ms, and its sealed frame.
type HotVisit<'a> = dyn FnMut(ReportName, u64, &[u8]) -> Result<(), StoreError> + 'a;

fn for_each_hot_row(
    database: &Database,
    hour_unix_ms: u64,
    doing: &'static str,
    visit: &mut HotVisit<'_>,
) -> Result<(), StoreError> {
    for_each_hot_row_of(database, hour_unix_ms, 0..=u32::MAX, doing, visit)
}

/// Only the rows of agents whose numbers lie in a range. Rows stand by start, then by agent: those in between are jumped
/// over, so that a part of the agents costs its part of the rows.
fn for_each_hot_row_of(
    database: &Database,
    hour_unix_ms: u64,
    agents: RangeInclusive<u32>,
    doing: &'static str,
    visit: &mut HotVisit<'_>,
) -> Result<(), StoreError> {
    let read = database.begin_read().map_err(while_doing(doing))?;
    let hot = read.open_table(HOT).map_err(while_doing(doing))?;
    let (first, end) = (*agents.start(), (hour_unix_ms + HOUR_MS, 0, 0, 0));
    let mut from = Some((hour_unix_ms, first, 0, 0));
    while let Some(from_key) = from.take() {
        for row in hot.range(from_key..end).map_err(while_doing(doing))? {
            let (key, sealed) = row.map_err(while_doing(doing))?;
            let (start_unix_ms, agent, epoch, sequence) = not_before(from_key, key.value(), doing)?;
            if !agents.contains(&agent) {
                let start_unix_ms = start_unix_ms + u64::from(agent > first);
                from = Some((start_unix_ms, first, 0, 0));
                break;
            }
            visit(
                report_name(start_unix_ms, agent, epoch, sequence),
                start_unix_ms,
                sealed.value(),
            )?;
        }
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
        damaged: false,
    }
}

fn part_error(doing: &'static str) -> impl Fn(PartError) -> StoreError {
    move |error| StoreError {
        doing,
        cause: error.to_string(),
        damaged: false,
    }
}
