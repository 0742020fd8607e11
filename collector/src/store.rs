//! What the collector asks of a store. Backend-neutral: the embedded backend is the first, and whatever comes later must
//! pass the same [`conformance`] suite.
//!
//! A store keeps reports as they arrived, the manifests that give them meaning, one row per agent, the set of settled
//! sequences, and tombstones. It decides about duplicates, because only it can do so in the transaction that stores.
//! It does not decode untrusted bytes, and it never merges or averages: that is `query/`.

use std::ops::ControlFlow;
use std::sync::Arc;

use azimuth_measurement::{
    AgentId, DelayHistogram, Interval, LossCause, Manifest, ManifestId, PathEvent, PlanStanding, ProbeCounts,
    StampClock, ThroughputResult, Tombstone,
};
use thiserror::Error;

mod admission;
#[cfg(test)]
pub mod conformance;
pub mod dictionary;
pub mod embedded;
mod events;
mod holdings;
pub mod identity;
#[cfg(test)]
pub(crate) mod memory;
pub mod paths;
pub mod sequences;
pub mod series_limits;
mod sharing;
pub mod throughput;
pub mod tier;
mod told;
mod walk;
pub mod window;

pub use dictionary::{Dictionary, SeriesId};
pub use holdings::TierHoldings;
pub use paths::StoredPath;
pub use series_limits::{RefusedRecords, SeriesLimits};
pub use throughput::StoredThroughput;
pub use tier::{Retention, Tier};
pub use told::{JustStored, Tell};
pub use walk::{OpenReport, VisitAgent};
pub use window::{Window, WindowCondition};

/// A stretch of time `[from, to)` on the collector's time line, in unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    /// First millisecond inside.
    pub from_unix_ms: u64,
    /// First millisecond after.
    pub to_unix_ms: u64,
}

impl TimeRange {
    /// Length in milliseconds.
    pub fn length_ms(self) -> u64 {
        self.to_unix_ms.saturating_sub(self.from_unix_ms)
    }

    /// Whether the instant lies inside.
    pub fn contains(self, at_unix_ms: u64) -> bool {
        (self.from_unix_ms..self.to_unix_ms).contains(&at_unix_ms)
    }
}

/// A manifest that passed every check.
#[derive(Debug, Clone)]
pub struct VerifiedManifest {
    /// Its content hash.
    pub id: ManifestId,
    /// Its meaning.
    pub manifest: Arc<Manifest>,
    /// Its bytes as they arrived.
    pub frame: Vec<u8>,
}

/// A report that passed every check.
#[derive(Debug, Clone)]
pub struct VerifiedReport {
    /// The agent.
    pub agent: AgentId,
    /// The sequence space.
    pub epoch: u64,
    /// The sequence.
    pub sequence: u64,
    /// The manifest its records refer to; known to the store, or in the same commit.
    pub manifest: ManifestId,
    /// Its interval as placed on the collector's time line.
    pub placed: Interval,
    /// Its age is by a wall clock that may have been set since, so its place is no evidence about anything.
    pub age_uncertain: bool,
    /// When the collector received it.
    pub received_at_unix_ms: u64,
    /// Agent clock minus collector clock.
    pub clock_skew_ms: i64,
    /// The paths it tells, their times on the collector's time line.
    pub paths: Vec<PathEvent>,
    /// The throughput results it tells, their times on the collector's time line.
    pub throughput: Vec<ThroughputResult>,
    /// 99th percentile of how late its probes left.
    pub send_lateness_p99_us: Option<u32>,
    /// The plan its agent measures by.
    pub plan: Option<PlanStanding>,
    /// Its bytes as they arrived.
    pub frame: Vec<u8>,
}

/// One thing to settle: data, or the certainty that there will be none.
#[derive(Debug, Clone)]
pub enum Item {
    /// A report.
    Report(VerifiedReport),
    /// Its times already on the collector's time line.
    Tombstone(Tombstone),
}

/// What the store did with an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Durable when `commit` returns.
    Stored,
    /// Durable when `commit` returns, without the records of series that are not admitted. Those are gone: the report is
    /// settled, and a replay of it is a duplicate.
    StoredInPart(RefusedRecords),
    /// Settled before; nothing changed.
    Duplicate,
    /// It and another report of its agent cannot be of one host ([`identity`]); counted on the agent, not kept.
    IdentityConflict,
    /// Its sequence space has too many holes; nothing changed ([`sequences`]).
    SequencesFragmented,
    /// A tombstone of an agent of which nothing is known, without a manifest beside it; nothing changed.
    AgentUnknown,
    /// It would bring one agent more than the store keeps; nothing changed.
    AgentLimit,
    /// Another manifest of this agent has the same id; nothing changed.
    ManifestConflict,
    /// Its manifest is not known; nothing changed.
    ManifestUnknown,
    /// Its manifest is new, and too many of its agent were within the hour; nothing changed.
    ManifestRate,
}

/// What to read.
#[derive(Debug, Clone, Copy)]
pub struct ScanRequest<'a> {
    /// Intervals that start in this range.
    pub range: TimeRange,
    /// Only these series.
    pub series: &'a SeriesSelection,
    /// The reader will merge to steps of this length, in milliseconds, aligned to the unix epoch, or to one number for
    /// the [whole range](Self::WHOLE_RANGE). A store answers from any tier whose intervals fall into such steps whole.
    pub step_ms: u64,
}

impl ScanRequest<'_> {
    /// The step of a reader that merges everything in the range, and so does not care in which order it comes.
    pub const WHOLE_RANGE: u64 = u64::MAX;
}

/// A set of series.
#[derive(Debug, Clone, Default)]
pub struct SeriesSelection {
    chosen: Vec<bool>,
}

impl SeriesSelection {
    /// Adds one.
    pub fn insert(&mut self, series: SeriesId) {
        let index = series.index();
        if index >= self.chosen.len() {
            self.chosen.resize(index + 1, false);
        }
        self.chosen[index] = true;
    }

    /// Whether it is in the set.
    pub fn contains(&self, series: SeriesId) -> bool {
        self.chosen.get(series.index()).copied().unwrap_or(false)
    }

    /// Every series in the set, ascending.
    pub fn iter(&self) -> impl Iterator<Item = SeriesId> + '_ {
        self.chosen
            .iter()
            .enumerate()
            .filter(|(_, chosen)| **chosen)
            .map(|(index, _)| SeriesId::at(index))
    }
}

impl FromIterator<SeriesId> for SeriesSelection {
    fn from_iter<I: IntoIterator<Item = SeriesId>>(series: I) -> Self {
        let mut selection = Self::default();
        series.into_iter().for_each(|series| selection.insert(series));
        selection
    }
}

/// What one series saw in one stored interval, or in one unit of a rollup.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// The series.
    pub series: SeriesId,
    /// Start of the interval, as placed on the collector's time line.
    pub start_unix_ms: u64,
    /// Its length, in milliseconds: as reported, or of the rollup's unit.
    pub length_ms: u32,
    /// What happened to its probes.
    pub counts: ProbeCounts,
    /// Its delays, one histogram per clock, best clock first.
    pub delays: Vec<(StampClock, DelayHistogram)>,
}

/// Receives observations in ascending order of start, for the whole range in any order; may stop early.
pub type Visit<'a> = &'a mut dyn FnMut(Observation) -> ControlFlow<()>;

/// What a scan was answered from, and what it could not see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Which tier answered which stretch, in ascending order.
    pub stretches: Vec<(Tier, TimeRange)>,
    /// Stretches of the asked range that nothing could answer.
    pub missing: Vec<Missing>,
    /// Stored reports in the range that could not be read back, and those of any time that damage hides.
    pub unreadable_reports: u64,
}

/// A stretch that nothing could answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// The stretch.
    pub range: TimeRange,
    /// Why.
    pub cause: MissingCause,
}

/// Why a stretch is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingCause {
    /// The tiers that could have answered no longer keep it.
    Retention,
    /// What was kept is damaged; the file was set aside.
    Damaged,
}

impl MissingCause {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retention => "retention",
            Self::Damaged => "damaged",
        }
    }
}

impl Coverage {
    /// The coarsest tier that answered; the finest when none did.
    pub fn coarsest(&self) -> Tier {
        self.stretches
            .iter()
            .map(|(tier, _)| *tier)
            .max()
            .unwrap_or(Tier::TenSeconds)
    }

    /// Adds what another scan of later time, or of other series, was answered from. What could not be read is counted by
    /// whoever knows whether the two looked at the same reports.
    pub(crate) fn absorb(&mut self, other: &Self) {
        for (tier, range) in &other.stretches {
            if !self.stretches.contains(&(*tier, *range)) {
                self.note(*tier, *range);
            }
        }
        for missing in &other.missing {
            if self.missing.contains(missing) {
                continue;
            }
            match self.missing.last_mut() {
                Some(last)
                    if last.cause == missing.cause && last.range.to_unix_ms == missing.range.from_unix_ms =>
                {
                    last.range.to_unix_ms = missing.range.to_unix_ms;
                }
                _ => self.missing.push(*missing),
            }
        }
    }

    /// Notes that `tier` answers `range`.
    fn note(&mut self, tier: Tier, range: TimeRange) {
        match self.stretches.last_mut() {
            Some((last, before)) if *last == tier && before.to_unix_ms == range.from_unix_ms => {
                before.to_unix_ms = range.to_unix_ms;
            }
            _ => self.stretches.push((tier, range)),
        }
    }
}

/// One row about one agent.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentStatus {
    /// The agent.
    pub agent: AgentId,
    /// Its current manifest.
    pub manifest: Arc<Manifest>,
    /// The id of that manifest.
    pub manifest_id: ManifestId,
    /// When its last report was received.
    pub last_report_at_unix_ms: u64,
    /// End of the latest interval it has reported, on the collector's time line.
    pub last_interval_end_unix_ms: u64,
    /// Agent clock minus collector clock, at the last report.
    pub clock_skew_ms: i64,
    /// Reports stored since it was first seen.
    pub reports_stored: u64,
    /// 99th percentile of how late its probes left, in the last report.
    pub send_lateness_p99_us: Option<u32>,
    /// The plan it measures by, in the report of its latest interval.
    pub plan: Option<PlanStanding>,
    /// When its latest epochs have measured.
    pub lives: identity::Lives,
    /// Reports refused because two hosts report as this agent.
    pub identity_conflicts: u64,
    /// When the last of them was received.
    pub last_identity_conflict_at_unix_ms: Option<u64>,
}

impl AgentStatus {
    /// Counts a report that was not kept because it is another host's.
    fn note_conflict(&mut self, report: &VerifiedReport) {
        self.identity_conflicts = self.identity_conflicts.saturating_add(1);
        self.last_identity_conflict_at_unix_ms = Some(report.received_at_unix_ms);
    }

    /// The row after one more report. Late reports count, but do not turn the row back to an older manifest.
    fn note(before: Option<Self>, report: &VerifiedReport, manifest: &Arc<Manifest>) -> Self {
        let end_unix_ms = report.placed.end_unix_ms();
        let before_end = before
            .as_ref()
            .map_or(0, |status| status.last_interval_end_unix_ms);
        let newer = before.as_ref().filter(|_| before_end > end_unix_ms);
        let mut lives = before
            .as_ref()
            .map_or_else(identity::Lives::default, |status| status.lives.clone());
        if !report.age_uncertain {
            lives.note(report.epoch, report.placed.start_unix_ms());
        }
        Self {
            agent: report.agent.clone(),
            manifest: Arc::clone(newer.map_or(manifest, |status| &status.manifest)),
            manifest_id: newer.map_or(report.manifest, |status| status.manifest_id),
            last_report_at_unix_ms: report.received_at_unix_ms,
            last_interval_end_unix_ms: end_unix_ms.max(before_end),
            clock_skew_ms: report.clock_skew_ms,
            reports_stored: before.as_ref().map_or(0, |status| status.reports_stored) + 1,
            send_lateness_p99_us: report.send_lateness_p99_us,
            plan: newer.map_or_else(|| report.plan.clone(), |status| status.plan.clone()),
            lives,
            identity_conflicts: before.as_ref().map_or(0, |status| status.identity_conflicts),
            last_identity_conflict_at_unix_ms: before
                .and_then(|status| status.last_identity_conflict_at_unix_ms),
        }
    }
}

/// Reports that will never come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredGap {
    /// Start of the first interval given up.
    pub start_unix_ms: u64,
    /// End of the last.
    pub end_unix_ms: u64,
    /// Why.
    pub cause: LossCause,
    /// How many reports, not counting any that had arrived all the same.
    pub reports: u64,
}

impl StoredGap {
    /// Whether any part of it lies in `range`.
    fn overlaps(&self, range: TimeRange) -> bool {
        self.end_unix_ms > range.from_unix_ms && self.start_unix_ms < range.to_unix_ms
    }
}

/// A store that cannot do what it was asked. Nothing of the failed call has happened, or `commit` will find it done.
#[derive(Debug, Error)]
#[error("the store cannot {doing}: {cause}")]
pub struct StoreError {
    /// What it was doing.
    pub doing: &'static str,
    /// What the backend said.
    pub cause: String,
    /// What is kept is not what was written, as far as the backend can tell.
    pub damaged: bool,
}

/// A place where measurements are kept. Calls block; async callers use a blocking thread.
pub trait Store: Send + Sync {
    /// Settles every item and keeps the manifests they need, in one transaction that is durable when this returns:
    /// all or nothing, one admission per item, in order. Manifests no stored report refers to are not kept.
    ///
    /// # Errors
    /// When nothing could be made durable. The same call may be made again.
    fn commit(&self, manifests: &[VerifiedManifest], items: &[Item]) -> Result<Vec<Admission>, StoreError>;

    /// [`commit`](Self::commit), which tells of every report it stored once it is durable, so that nobody has to decode it
    /// again. A panic of `tell` is the caller's to catch.
    ///
    /// # Errors
    /// As [`commit`](Self::commit), and then nothing was told.
    fn commit_and_tell(
        &self,
        manifests: &[VerifiedManifest],
        items: &[Item],
        tell: Tell<'_>,
    ) -> Result<Vec<Admission>, StoreError> {
        let admissions = self.commit(manifests, items)?;
        let dictionary = self.dictionary();
        for (item, admission) in items.iter().zip(&admissions) {
            if let (Item::Report(report), Admission::Stored | Admission::StoredInPart(_)) = (item, admission)
            {
                let known = dictionary.manifest_of(&report.agent, report.manifest);
                tell(&JustStored::new(report, &report.frame, known.map(Arc::as_ref)));
            }
        }
        Ok(admissions)
    }

    /// Every agent, manifest and series known, as one consistent snapshot.
    fn dictionary(&self) -> Arc<Dictionary>;

    /// Hands every stored observation that `request` asks for to `visit`.
    ///
    /// # Errors
    /// When the store cannot be read. Single unreadable reports are counted in the coverage instead.
    fn scan(&self, request: ScanRequest<'_>, visit: Visit<'_>) -> Result<Coverage, StoreError>;

    /// [`scan`](Self::scan), given up early once `stop` says so: also while nothing is found that `visit` could be asked
    /// about. What it returns then is of no use.
    ///
    /// # Errors
    /// As [`scan`](Self::scan).
    fn scan_until(
        &self,
        request: ScanRequest<'_>,
        _stop: &dyn Fn() -> bool,
        visit: Visit<'_>,
    ) -> Result<Coverage, StoreError> {
        self.scan(request, visit)
    }

    /// Hands every stored report that starts in `range`, of agents with any of these series, to `visit`, all of one agent
    /// together, and returns the coverage that a scan of the [whole range](ScanRequest::WHOLE_RANGE) would have. `None` when
    /// it cannot: whatever was handed on is to be forgotten, and a scan answers. Once `stop` says so, or `visit`, what it
    /// returns is of no use.
    ///
    /// # Errors
    /// When the store cannot be read. Single unreadable reports are counted in the coverage instead.
    fn walk(
        &self,
        _range: TimeRange,
        _series: &SeriesSelection,
        _stop: &dyn Fn() -> bool,
        _visit: VisitAgent<'_>,
    ) -> Result<Option<Coverage>, StoreError> {
        Ok(None)
    }

    /// Hands over the window, when it holds every stored interval that starts in `range`, and returns the coverage that a
    /// scan of the [whole range](ScanRequest::WHOLE_RANGE) would have. `None`, without a call, when it does not or there is
    /// none: a scan answers then, and would have found the same.
    fn recent(&self, _range: TimeRange, _read: &mut dyn FnMut(&Window)) -> Option<Coverage> {
        None
    }

    /// Every agent that ever had a report stored, by id.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn agents(&self) -> Result<Vec<AgentStatus>, StoreError>;

    /// The gaps of one agent that overlap `range`, by their end.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn gaps(&self, agent: &AgentId, range: TimeRange) -> Result<Vec<StoredGap>, StoreError>;

    /// The path events of one agent in `range`, oldest first. Those of a report are there exactly when it was stored, but
    /// for what is beyond [`paths::MOST_AN_HOUR`].
    ///
    /// # Errors
    /// When the store cannot be read.
    fn paths(&self, agent: &AgentId, range: TimeRange) -> Result<Vec<StoredPath>, StoreError>;

    /// The throughput results of one agent in `range`, oldest first. Those of a report are there exactly when it was stored, but
    /// for what is beyond [`throughput::MOST_RESULTS_AN_HOUR`].
    ///
    /// # Errors
    /// When the store cannot be read.
    fn throughput(&self, agent: &AgentId, range: TimeRange) -> Result<Vec<StoredThroughput>, StoreError>;

    /// Does one bounded piece of what keeps the store small and fast: rolls up, and forgets what is past its retention.
    /// Changes no answer but that of a step finer than what is still kept; settled sequences stay, so that a late replay
    /// is still a duplicate. To be called again while there is `more`.
    ///
    /// # Errors
    /// When nothing could be done; it may be tried again.
    fn maintain(&self, now_unix_ms: u64) -> Result<Maintained, StoreError>;

    /// Writes everything that was stored before the call as one stream, while the store goes on being used. Blocks as
    /// long as the writer does, and what is removed meanwhile stays on disk until it is done.
    ///
    /// # Errors
    /// When the store cannot be read, the writer refuses, or this store has no backup.
    fn backup(&self, into: &mut dyn std::io::Write) -> Result<BackupSummary, StoreError>;

    /// How the store itself fares. Cheap, never blocks.
    fn condition(&self) -> Condition;
}

/// What is in a backup.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct BackupSummary {
    /// Agents known.
    pub agents: u64,
    /// Reports that were kept as they arrived.
    pub reports_unsealed: u64,
    /// Parts, over all tiers.
    pub parts: u64,
    /// Their length.
    pub part_bytes: u64,
    /// Files that were set aside.
    #[serde(default)]
    pub set_aside: u64,
    /// Views that were kept.
    #[serde(default)]
    pub snapshots: u64,
}

/// How a store fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// Whether the last write went through, as far as the store knows.
    pub writable: bool,
    /// What it takes on disk.
    pub disk_bytes: u64,
    /// Damaged files it has set aside and kept.
    pub files_set_aside: u64,
    /// What each tier takes on disk, finest first.
    pub tier_bytes: [u64; Tier::ALL.len()],
    /// Start of the oldest hour that is not rolled up yet.
    pub oldest_unsealed_hour_unix_ms: Option<u64>,
    /// Hours that are not rolled up yet.
    pub unsealed_hours: u64,
    /// When the first of them is, or was, to be rolled up.
    pub sealing_due_unix_ms: Option<u64>,
    /// What each tier holds and how fast it grows, finest first.
    pub tier_holdings: [TierHoldings; Tier::ALL.len()],
    /// Path events there was no room for, since the start.
    pub path_events_refused: u64,
    /// Throughput results there was no room for, since the start.
    pub throughput_results_refused: u64,
    /// How its window fares; all zeros without one.
    pub window: WindowCondition,
}

/// What a call to [`Store::maintain`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Maintained {
    /// Hours rolled up.
    pub hours_sealed: u64,
    /// Reports in them.
    pub reports_sealed: u64,
    /// Periods whose parts became one.
    pub parts_joined: u64,
    /// Parts past their retention.
    pub parts_retired: u64,
    /// Reports that only their rollups, or nothing, remember from now on.
    pub reports_forgotten: u64,
    /// Whether there is more to do.
    pub more: bool,
}
