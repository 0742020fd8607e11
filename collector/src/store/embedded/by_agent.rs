//! Reports as they lie in the hot table, handed on agent by agent and unread: for questions that merge all of a range into
//! one number a group, where no part holds any of it. Whatever is not so plain is left to `scan`, which gives the same answer.

use std::ops::ControlFlow;
use std::sync::Arc;

use azimuth_measurement::codec::walk::{ReportWalk, inflate_report};
use redb::{Database, ReadableDatabase};

use super::scan::{WantedAgents, holes, hot_keys};
use super::sealed::shelf::{HOUR_MS, Shelf};
use super::tables::{HOT, HotKey, META, unseal};
use super::{not_before, while_doing};
use crate::store::dictionary::AgentNumber;
use crate::store::tier::{Stretch, Tier, plan};
use crate::store::{
    Coverage, Dictionary, OpenReport, ScanRequest, SeriesSelection, StoreError, TimeRange, VisitAgent,
};

const DOING: &str = "read reports";
/// Most reports of one question: an hour of the largest map's agents.
const MOST_REPORTS: usize = 200_000;
/// Most plain bytes of one agent's reports, which are in memory at once.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// Answers [`Store::walk`](crate::store::Store::walk). `look` is called after the transaction began and gives the dictionary
/// and the shelf, in the order that `scan` explains.
pub(super) fn by_agent(
    database: &Database,
    look: impl FnOnce() -> (Arc<Dictionary>, Arc<Shelf>),
    range: TimeRange,
    series: &SeriesSelection,
    stop: &dyn Fn() -> bool,
    visit: VisitAgent<'_>,
) -> Result<Option<Coverage>, StoreError> {
    let read = database.begin_read().map_err(while_doing(DOING))?;
    let meta = read.open_table(META).map_err(while_doing(DOING))?;
    let hot = read.open_table(HOT).map_err(while_doing(DOING))?;
    let (dictionary, shelf) = look();
    let mut coverage = Coverage::default();
    for stretch in plan(range, ScanRequest::WHOLE_RANGE, &holes(&meta, &shelf)?) {
        match stretch {
            Stretch::Missing(..) => return Ok(None),
            Stretch::From(tier, range) => coverage.note(tier, range),
        }
    }
    // Parts list their reports by the hour: where none holds any of these hours, none holds any of these reports.
    let hours = TimeRange {
        from_unix_ms: range.from_unix_ms / HOUR_MS * HOUR_MS,
        to_unix_ms: range
            .to_unix_ms
            .checked_next_multiple_of(HOUR_MS)
            .unwrap_or(u64::MAX),
    };
    if Tier::ALL
        .iter()
        .any(|tier| shelf.overlapping(*tier, hours).next().is_some())
    {
        return Ok(None);
    }
    let wanted = WantedAgents::of(&dictionary, series);
    let Some(keys) = keys_by_agent(&hot, range, &wanted, stop)? else {
        return Ok(None);
    };
    for of_agent in keys.chunk_by(|one, other| one.1 == other.1) {
        if stop() {
            break;
        }
        let (mut plain, mut bytes) = (Vec::with_capacity(of_agent.len()), 0);
        for key in of_agent {
            let Some(sealed) = hot.get(*key).map_err(while_doing(DOING))? else {
                continue;
            };
            match unseal(*key, sealed.value()).and_then(inflate_report) {
                Some(report) => {
                    bytes += report.len();
                    plain.push((*key, report));
                }
                None => coverage.unreadable_reports += 1,
            }
            if bytes > MOST_BYTES {
                return Ok(None);
            }
        }
        let mut reports = Vec::with_capacity(plain.len());
        for ((start_unix_ms, agent, ..), plain) in &plain {
            let Ok(walk) = ReportWalk::of(plain) else {
                return Ok(None);
            };
            match dictionary.manifest(AgentNumber(*agent), walk.manifest()) {
                Some(known) => reports.push(OpenReport {
                    start_unix_ms: *start_unix_ms,
                    known,
                    walk,
                }),
                None => coverage.unreadable_reports += 1,
            }
        }
        if visit(&mut reports) == ControlFlow::Break(()) {
            break;
        }
    }
    Ok(Some(coverage))
}

/// The keys of all reports in the range of agents that are wanted, by agent, then start; `None` when they are too many.
fn keys_by_agent(
    hot: &redb::ReadOnlyTable<HotKey, &'static [u8]>,
    range: TimeRange,
    wanted: &WantedAgents,
    stop: &dyn Fn() -> bool,
) -> Result<Option<Vec<HotKey>>, StoreError> {
    let all = hot_keys(range);
    let (mut keys, mut from) = (Vec::new(), Some(all.start));
    while let Some(start) = from.take() {
        for row in hot.range(start..all.end).map_err(while_doing(DOING))? {
            let key = not_before(start, row.map_err(while_doing(DOING))?.0.value(), DOING)?;
            if wanted.contains(key.1) {
                keys.push(key);
                if keys.len() > MOST_REPORTS || stop() {
                    return Ok(None);
                }
            } else {
                from = wanted.jump(key.0, key.1);
                if from.is_some() {
                    break;
                }
            }
        }
    }
    keys.sort_unstable_by_key(|(start_unix_ms, agent, epoch, sequence)| {
        (*agent, *start_unix_ms, *epoch, *sequence)
    });
    Ok(Some(keys))
}
