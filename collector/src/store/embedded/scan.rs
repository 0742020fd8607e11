//! Reading: a question is divided among the tiers (`tier.rs`), and each stretch is answered from the parts on the shelf
//! and from whatever the hot table holds that those parts do not.
//!
//! The transaction begins before the shelf is looked at. A report is forgotten by the hot table only after its parts are
//! on the shelf, so whoever does it in this order sees every report, and the lists of reports keep it from seeing one twice.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::ControlFlow;
use std::sync::Arc;

use azimuth_measurement::codec::decode_report;
use redb::{Database, ReadableDatabase};

use super::sealed::chunk::ChunkReader;
use super::sealed::contents::ReportName;
use super::sealed::part::PartError;
use super::sealed::shelf::{DAY_MS, HOUR_MS, Part, Period, Shelf, hour_range};
use super::tables::{HOT, HotKey, META, retired_before_key, unseal};
use super::{not_before, while_doing};
use crate::store::dictionary::AgentNumber;
use crate::store::tier::{Hole, Stretch, Tier, plan};
use crate::store::{
    Coverage, Dictionary, Missing, MissingCause, Observation, ScanRequest, SeriesId, SeriesSelection,
    StoreError, TimeRange, Visit,
};

const DOING: &str = "read reports";

/// Everything one scan reads from.
struct Scan<'a> {
    request: ScanRequest<'a>,
    dictionary: &'a Dictionary,
    shelf: &'a Shelf,
    hot: redb::ReadOnlyTable<HotKey, &'static [u8]>,
    wanted: WantedAgents,
    /// Looked at before each chunk, each report and each part.
    stop: &'a dyn Fn() -> bool,
    coverage: Coverage,
}

/// Answers a scan. `look` is called after the transaction began and gives the dictionary and the shelf.
pub(super) fn scan(
    database: &Database,
    look: impl FnOnce() -> (Arc<Dictionary>, Arc<Shelf>),
    request: ScanRequest<'_>,
    stop: &dyn Fn() -> bool,
    visit: Visit<'_>,
) -> Result<Coverage, StoreError> {
    let read = database.begin_read().map_err(while_doing(DOING))?;
    let meta = read.open_table(META).map_err(while_doing(DOING))?;
    let hot = read.open_table(HOT).map_err(while_doing(DOING))?;
    // Taken after the transaction began, so that it knows every manifest the transaction's reports refer to.
    let (dictionary, shelf) = look();
    let holes = holes(&meta, &shelf)?;
    let mut scan = Scan {
        request,
        dictionary: &dictionary,
        shelf: &shelf,
        hot,
        wanted: WantedAgents::of(&dictionary, request.series),
        stop,
        coverage: Coverage::default(),
    };
    for stretch in plan(request.range, request.step_ms, &holes) {
        match stretch {
            Stretch::Missing(range, cause) => scan.miss(range, cause),
            Stretch::From(tier, range) => {
                scan.coverage.note(tier, range);
                if scan.read_stretch(tier, range, visit)? == ControlFlow::Break(()) {
                    break;
                }
            }
        }
    }
    Ok(scan.coverage)
}

/// What no tier, or not every tier, can answer.
pub(super) fn holes(
    meta: &redb::ReadOnlyTable<&'static str, u64>,
    shelf: &Shelf,
) -> Result<Vec<Hole>, StoreError> {
    let mut holes = shelf.damaged().to_vec();
    for tier in Tier::ALL {
        let retired = meta.get(retired_before_key(tier)).map_err(while_doing(DOING))?;
        holes.extend(retired.map(|before| Hole {
            tier,
            range: TimeRange {
                from_unix_ms: 0,
                to_unix_ms: before.value(),
            },
            cause: MissingCause::Retention,
        }));
    }
    Ok(holes)
}

impl Scan<'_> {
    fn miss(&mut self, range: TimeRange, cause: MissingCause) {
        let missing = Missing { range, cause };
        if !self.coverage.missing.contains(&missing) {
            self.coverage.missing.push(missing);
        }
    }

    /// One stretch, period by period, so that no more than the chunks of one period are in memory.
    fn read_stretch(
        &mut self,
        tier: Tier,
        range: TimeRange,
        visit: Visit<'_>,
    ) -> Result<ControlFlow<()>, StoreError> {
        let period_ms = if tier == Tier::TenSeconds { HOUR_MS } else { DAY_MS };
        let mut from_unix_ms = range.from_unix_ms;
        while from_unix_ms < range.to_unix_ms {
            if (self.stop)() {
                return Ok(ControlFlow::Break(()));
            }
            let Some(start_unix_ms) = self.next_data(
                tier,
                TimeRange {
                    from_unix_ms,
                    ..range
                },
            )?
            else {
                break;
            };
            let end_unix_ms = (start_unix_ms / period_ms + 1).saturating_mul(period_ms);
            let period = TimeRange {
                from_unix_ms: start_unix_ms,
                to_unix_ms: end_unix_ms.min(range.to_unix_ms),
            };
            if self.read_period(tier, period, visit)? == ControlFlow::Break(()) {
                return Ok(ControlFlow::Break(()));
            }
            from_unix_ms = period.to_unix_ms;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Where the next part or hot report is, so that empty years cost nothing.
    fn next_data(&self, tier: Tier, range: TimeRange) -> Result<Option<u64>, StoreError> {
        let mut tiers = vec![tier];
        if tier == Tier::OneDay {
            tiers.push(Tier::OneHour);
        }
        let part = tiers
            .into_iter()
            .filter_map(|tier| self.shelf.overlapping(tier, range).next())
            .map(|part| part.range.from_unix_ms.max(range.from_unix_ms))
            .min();
        let mut rows = self.hot.range(hot_keys(range)).map_err(while_doing(DOING))?;
        let hot = rows
            .next()
            .transpose()
            .map_err(while_doing(DOING))?
            .map(|(key, _)| not_before(hot_keys(range).start, key.value(), DOING))
            .transpose()?
            .map(|key| key.0);
        Ok(part.into_iter().chain(hot).min())
    }

    fn read_period(
        &mut self,
        tier: Tier,
        range: TimeRange,
        visit: Visit<'_>,
    ) -> Result<ControlFlow<()>, StoreError> {
        let shelf = self.shelf;
        let (parts, sealed_in) = match tier {
            Tier::OneDay => {
                let day_unix_ms = Tier::OneDay.unit_of(range.from_unix_ms);
                let rollup = shelf.current_day(day_unix_ms);
                let hours = shelf
                    .overlapping(Tier::OneHour, range)
                    .filter(|part| rollup.is_none() || part.period == Period::Hour);
                (rollup.into_iter().chain(hours).collect::<Vec<_>>(), Tier::OneHour)
            }
            tier => (shelf.overlapping(tier, range).collect(), tier),
        };
        let mut merge = Merge::default();
        for part in &parts {
            let whole = self.request.step_ms == ScanRequest::WHOLE_RANGE;
            if let Err(error) = self.read_part(part, range, whole, &mut merge, visit) {
                match error {
                    ReadError::Stopped => return Ok(ControlFlow::Break(())),
                    ReadError::Part(PartError::System(error)) => {
                        return Err(StoreError {
                            doing: DOING,
                            cause: format!("{}: {error}", part.name),
                            damaged: false,
                        });
                    }
                    ReadError::Part(PartError::Damaged(what)) => {
                        tracing::error!("{}/{}: {what} is damaged", tier.as_str(), part.name);
                        let range = TimeRange {
                            from_unix_ms: part.range.from_unix_ms.max(range.from_unix_ms),
                            to_unix_ms: part.range.to_unix_ms.min(range.to_unix_ms),
                        };
                        self.miss(range, MissingCause::Damaged);
                    }
                }
            }
        }
        self.read_hot(sealed_in, range, &mut merge, visit)
    }

    /// Hands on a part's entries at once when the order does not matter, else lays its chunks ready to be merged.
    fn read_part(
        &self,
        part: &Part,
        range: TimeRange,
        whole: bool,
        merge: &mut Merge,
        visit: Visit<'_>,
    ) -> Result<(), ReadError> {
        let mut reader = part.reader()?;
        for series in self.request.series.iter() {
            if (self.stop)() {
                return Err(ReadError::Stopped);
            }
            let Some(chunk) = reader.chunk(series)? else {
                continue;
            };
            let mut source = ChunkSource {
                series,
                chunk,
                range,
                length_ms: part.tier.resolution_s() * 1_000,
            };
            if !whole {
                merge.add(source)?;
                continue;
            }
            while let Some(observation) = source.next()? {
                if visit(observation) == ControlFlow::Break(()) {
                    return Err(ReadError::Stopped);
                }
            }
        }
        Ok(())
    }

    /// What the hot table holds of the period and no part does, merged in order with the chunks laid ready.
    fn read_hot(
        &mut self,
        sealed_in: Tier,
        range: TimeRange,
        merge: &mut Merge,
        visit: Visit<'_>,
    ) -> Result<ControlFlow<()>, StoreError> {
        let keys = hot_keys(range);
        let mut from = Some(keys.start);
        while let Some(start) = from.take() {
            for row in self.hot.range(start..keys.end).map_err(while_doing(DOING))? {
                let (key, sealed) = row.map_err(while_doing(DOING))?;
                let (start_unix_ms, agent, epoch, sequence) = not_before(start, key.value(), DOING)?;
                if (self.stop)() {
                    return Ok(ControlFlow::Break(()));
                }
                if !self.wanted.contains(agent) {
                    from = self.wanted.jump(start_unix_ms, agent);
                    if from.is_some() {
                        break;
                    }
                    continue;
                }
                let name = ReportName {
                    hour_unix_ms: start_unix_ms / HOUR_MS * HOUR_MS,
                    agent: AgentNumber(agent),
                    epoch,
                    sequence,
                };
                match self.shelf.holds(sealed_in, name) {
                    Ok(false) => {}
                    Ok(true) => continue,
                    Err(PartError::System(error)) => {
                        return Err(StoreError {
                            doing: DOING,
                            cause: error.to_string(),
                            damaged: false,
                        });
                    }
                    // Whether it is counted already cannot be known, so it is not counted, and that is said.
                    Err(PartError::Damaged(_)) => {
                        self.miss(hour_range(name.hour_unix_ms), MissingCause::Damaged);
                        continue;
                    }
                }
                if merge.up_to(start_unix_ms, visit, &mut self.coverage) == ControlFlow::Break(()) {
                    return Ok(ControlFlow::Break(()));
                }
                let report = unseal(key.value(), sealed.value()).and_then(|frame| decode_report(frame).ok());
                let known = report
                    .as_ref()
                    .and_then(|report| self.dictionary.manifest(AgentNumber(agent), report.manifest));
                let (Some(report), Some(known)) = (report, known) else {
                    self.coverage.unreadable_reports += 1;
                    continue;
                };
                for record in report.records {
                    let series = known.series_at(record.series);
                    let Some(series) = series.filter(|series| self.request.series.contains(*series)) else {
                        continue;
                    };
                    let observation = Observation {
                        series,
                        start_unix_ms,
                        length_ms: report.interval.length_ms(),
                        counts: record.counts,
                        delays: record.delays,
                    };
                    if visit(observation) == ControlFlow::Break(()) {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
        }
        Ok(merge.up_to(u64::MAX, visit, &mut self.coverage))
    }
}

pub(super) fn hot_keys(range: TimeRange) -> std::ops::Range<HotKey> {
    (range.from_unix_ms, 0, 0, 0)..(range.to_unix_ms, 0, 0, 0)
}

/// Why reading a part ended early.
enum ReadError {
    Stopped,
    Part(PartError),
}

impl From<PartError> for ReadError {
    fn from(error: PartError) -> Self {
        Self::Part(error)
    }
}

/// One chunk, cut to a range.
struct ChunkSource {
    series: SeriesId,
    chunk: ChunkReader,
    range: TimeRange,
    /// Of an entry.
    length_ms: u32,
}

impl ChunkSource {
    fn next(&mut self) -> Result<Option<Observation>, PartError> {
        for entry in self.chunk.by_ref() {
            let entry = entry.map_err(|_| PartError::Damaged("a chunk"))?;
            if self.range.contains(entry.start_unix_ms) {
                return Ok(Some(Observation {
                    series: self.series,
                    start_unix_ms: entry.start_unix_ms,
                    length_ms: self.length_ms,
                    counts: entry.counts,
                    delays: entry.delays,
                }));
            }
        }
        Ok(None)
    }
}

/// Chunks whose entries are handed on in order of start.
#[derive(Default)]
struct Merge {
    sources: Vec<(ChunkSource, Option<Observation>)>,
    /// (start, source), earliest first.
    next: BinaryHeap<Reverse<(u64, usize)>>,
}

impl Merge {
    fn add(&mut self, mut source: ChunkSource) -> Result<(), PartError> {
        if let Some(first) = source.next()? {
            self.next.push(Reverse((first.start_unix_ms, self.sources.len())));
            self.sources.push((source, Some(first)));
        }
        Ok(())
    }

    /// Hands on everything that starts no later than `until_unix_ms`.
    fn up_to(&mut self, until_unix_ms: u64, visit: Visit<'_>, coverage: &mut Coverage) -> ControlFlow<()> {
        while let Some(&Reverse((start_unix_ms, at))) = self.next.peek()
            && start_unix_ms <= until_unix_ms
        {
            self.next.pop();
            let Some((source, ready)) = self.sources.get_mut(at) else {
                continue;
            };
            let Some(observation) = ready.take() else { continue };
            match source.next() {
                Ok(Some(following)) => {
                    self.next.push(Reverse((following.start_unix_ms, at)));
                    *ready = Some(following);
                }
                Ok(None) => source.chunk = ChunkReader::empty(),
                Err(_) => {
                    let missing = Missing {
                        range: source.range,
                        cause: MissingCause::Damaged,
                    };
                    if !coverage.missing.contains(&missing) {
                        coverage.missing.push(missing);
                    }
                }
            }
            visit(observation)?;
        }
        ControlFlow::Continue(())
    }
}

/// The agents that have a series in the selection.
pub(super) struct WantedAgents {
    wanted: Vec<bool>,
    /// For each agent the next one wanted.
    following: Vec<Option<u32>>,
}

impl WantedAgents {
    /// Rows passed over one by one rather than by looking for the next in the tree anew.
    const WORTH_A_JUMP: u32 = 8;

    pub(super) fn of(dictionary: &Dictionary, chosen: &SeriesSelection) -> Self {
        let mut wanted = vec![false; dictionary.agent_count()];
        for (id, series) in dictionary.series() {
            if chosen.contains(id)
                && let Some(agent) = wanted.get_mut(series.agent.0 as usize)
            {
                *agent = true;
            }
        }
        let mut following = vec![None; wanted.len()];
        let mut next = None;
        for agent in (0..wanted.len()).rev() {
            following[agent] = next;
            if wanted[agent] {
                next = u32::try_from(agent).ok();
            }
        }
        Self { wanted, following }
    }

    pub(super) fn contains(&self, agent: u32) -> bool {
        self.wanted.get(agent as usize).copied().unwrap_or(false)
    }

    /// Where to read on after a row of an agent that is not wanted; `None` when that is near. Rows stand by start, then
    /// by agent, so that a few of many agents do not cost the rows of all.
    pub(super) fn jump(&self, start_unix_ms: u64, agent: u32) -> Option<HotKey> {
        match self.following.get(agent as usize).copied().flatten() {
            Some(next) => (next - agent > Self::WORTH_A_JUMP).then_some((start_unix_ms, next, 0, 0)),
            None => {
                let behind = self.wanted.len().saturating_sub(agent as usize);
                (behind > Self::WORTH_A_JUMP as usize).then_some((start_unix_ms + 1, 0, 0, 0))
            }
        }
    }
}
