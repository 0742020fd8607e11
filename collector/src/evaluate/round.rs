//! One evaluation after the other: from the watermark up to now, what was stored is held against the rules, and what comes
//! of it is made durable together with the new watermark. Handed the time; reads the store and never writes to it, so
//! ingest waits for nothing here. Not the pace, which is [`super::regularly`].
//!
//! What the rules remember of a series is not stored: after a restart it is rebuilt from the past in front of the watermark
//! ([`REBUILT_FROM_MS`]), without a word; only what starts after the watermark speaks.

mod weeks;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use azimuth_measurement::catalogue::Catalogue;
use azimuth_measurement::throughput::Reading;
use azimuth_measurement::{DelayHistogram, StopReason, TransferDirection};
use thiserror::Error;

use super::counters::Counters;
use super::desk::Desk;
use super::file::FileError;
use super::labels::series_labels;
use super::light;
use super::sample_of;
use crate::alert::book::incidents::Seen;
use crate::alert::book::{Book, Told};
use crate::alert::incident::RULE as INCIDENT_RULE;
use crate::alert::lifecycle::Input;
use crate::alert::rates::{REACH_MS, Rate};
use crate::alert::rules::watch::reading::Reading as WeakReading;
use crate::alert::rules::watch::{Ending, Signal, Verdict};
use crate::alert::rules::{AlertKey, SeriesLabels, Watch};
use crate::alert::settings::{HOUR_MS, MINUTE_MS};
use crate::alert::sickness::{Health, SickList};
use crate::alert::weak::{Kind, Weak};
use crate::query::Label;
use crate::store::{ScanRequest, SeriesId, SeriesSelection, Store, StoreError, StoredThroughput, TimeRange};

/// How long after its start an interval is evaluated: a minute to measure it and some seconds to deliver it.
pub const SETTLED_AFTER_MS: u64 = 75_000;
/// How far back the rules' memory is rebuilt: a regression lasts a day at most before it is the new level, and the
/// level before it must be known as well.
pub const REBUILT_FROM_MS: u64 = 30 * HOUR_MS;
/// How much is evaluated in one step at most, so that what is to be told waits for little when there is much to catch up.
const STEP_MS: u64 = 5 * MINUTE_MS;
/// A test's result comes with a report of later, so it is looked for so far back; what was taken before is not taken again.
const RESULTS_LATE_MS: u64 = HOUR_MS;
/// Evaluation begins and ends on this grid.
const GRID_MS: u64 = 10_000;

/// Why a round came to nothing.
#[derive(Debug, Error)]
pub enum RoundError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was found out cannot be written. It is not lost: it is written with the next round.
    #[error(transparent)]
    File(#[from] FileError),
    /// The clock was set back behind what was evaluated.
    #[error("the clock was set back behind what was evaluated")]
    ClockSetBack,
    /// It was told to stop.
    #[error("told to stop")]
    Stopped,
}

impl RoundError {
    /// The stable word, for counters.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Store(_) => "store_unreadable",
            Self::File(_) => "unwritten",
            Self::ClockSetBack => "clock_set_back",
            Self::Stopped => "stopped",
        }
    }
}

/// The rules with what they remember, and where they are.
#[derive(Debug)]
pub struct Evaluator {
    watch: Watch,
    watermark_unix_ms: u64,
    /// What each series said last before any threshold.
    latest: BTreeMap<(u32, Kind), Weak>,
    sick: SickList,
    /// What agents say of themselves, in the stretch under way.
    health: BTreeMap<u32, Health>,
}

/// What an evaluation works with.
pub struct Surroundings<'a> {
    /// Where measurements are kept.
    pub store: &'a dyn Store,
    /// Where alerts are kept.
    pub desk: &'a Desk,
    /// What is known of zones.
    pub catalogue: &'a Catalogue,
    /// Raised when it is to stop.
    pub stop: &'a AtomicBool,
}

fn horizon(now_unix_ms: u64) -> u64 {
    now_unix_ms.saturating_sub(SETTLED_AFTER_MS) / GRID_MS * GRID_MS
}

impl Evaluator {
    /// Rebuilds what the rules remember, and goes on from the stored watermark; from now when there is none yet.
    ///
    /// # Errors
    /// When the store cannot be read, or the alerts not be written.
    pub fn begin(around: &Surroundings<'_>, now_unix_ms: u64) -> Result<Self, RoundError> {
        let (desk, horizon) = (around.desk, horizon(now_unix_ms));
        let counters = desk.counters();
        let stored = desk.evaluated_to_unix_ms().unwrap_or(horizon).min(horizon);
        let oldest = horizon.saturating_sub(REBUILT_FROM_MS);
        if stored < oldest {
            let skipped_ms = oldest - stored;
            counters.skipped_ms.add(skipped_ms);
            tracing::warn!(
                "alerting: {} h are too long ago to be evaluated",
                skipped_ms / HOUR_MS
            );
        }
        let watermark_unix_ms = stored.max(oldest);
        counters.evaluating_to(watermark_unix_ms);
        let rules = desk.look(|book| Arc::new(book.rules().clone()));
        let mut watch = Watch::new(rules);
        // While the collector was away nobody listened: that a series was silent then is not known.
        watch.listening_since(now_unix_ms);
        let mut evaluator = Self {
            watch,
            watermark_unix_ms,
            latest: BTreeMap::new(),
            sick: SickList::default(),
            health: BTreeMap::new(),
        };
        evaluator.follow_series(around, now_unix_ms)?;
        let chosen = evaluator.chosen(around);
        let hours_to_unix_ms = watermark_unix_ms.saturating_sub(REBUILT_FROM_MS);
        weeks::remember_hours(&mut evaluator.watch, around, &chosen, hours_to_unix_ms)?;
        let past = TimeRange {
            from_unix_ms: watermark_unix_ms.saturating_sub(REBUILT_FROM_MS),
            to_unix_ms: watermark_unix_ms,
        };
        evaluator.observe(around, past, MINUTE_MS, &mut |_| {})?;
        let results = TimeRange {
            from_unix_ms: watermark_unix_ms.saturating_sub(REACH_MS),
            to_unix_ms: watermark_unix_ms,
        };
        let watch = &mut evaluator.watch;
        observe_rates(around.store, results, &mut |series, direction, rate| {
            watch.observe_rate(series, direction, &rate, &mut Vec::new());
        })?;
        evaluator.watch.keep_readings();
        evaluator.take_up(around, now_unix_ms)?;
        Ok(evaluator)
    }

    /// Evaluates the next stretch, if any is settled. Returns whether there is more at once.
    ///
    /// # Errors
    /// When it came to nothing. After [`RoundError::File`] it may go on; after any other the evaluator is of no use, and
    /// another must [`begin`](Self::begin).
    pub fn round(&mut self, around: &Surroundings<'_>, now_unix_ms: u64) -> Result<bool, RoundError> {
        let (from_unix_ms, horizon) = (self.watermark_unix_ms, horizon(now_unix_ms));
        if from_unix_ms > now_unix_ms {
            return Err(RoundError::ClockSetBack);
        }
        if horizon <= from_unix_ms {
            return Ok(false);
        }
        // On a grid, so that it does not matter for what is found where a restart came in between.
        let to_unix_ms = ((from_unix_ms / STEP_MS + 1) * STEP_MS).min(horizon);
        self.follow_series(around, now_unix_ms)?;
        around.desk.counters().evaluating_to(to_unix_ms);
        let mut verdicts = Vec::new();
        let range = TimeRange {
            from_unix_ms,
            to_unix_ms,
        };
        self.observe(around, range, GRID_MS, &mut |found| verdicts.append(found))?;
        let results = TimeRange {
            from_unix_ms: from_unix_ms.saturating_sub(RESULTS_LATE_MS),
            to_unix_ms,
        };
        let (watch, mut taken) = (&mut self.watch, 0);
        observe_rates(around.store, results, &mut |series, direction, rate| {
            taken += u64::from(watch.observe_rate(series, direction, &rate, &mut verdicts));
        })?;
        around.desk.counters().throughput_results.add(taken);
        self.watch.passed(to_unix_ms, &mut verdicts);
        self.watermark_unix_ms = to_unix_ms;
        around.desk.counters().faster_than_light.passed(to_unix_ms);
        self.examine(around, to_unix_ms)?;
        // Minute by minute, what all series say first: what an incident explains is not told before it.
        verdicts.sort_by_key(|verdict| verdict.at_unix_ms);
        let mut readings = self.watch.take_readings();
        readings.sort_by_key(|reading| reading.weak.end_unix_ms);
        let (mut verdicts, mut readings) = (verdicts.into_iter().peekable(), readings.into_iter().peekable());
        let sick = self.sick.sick();
        let Self { watch, latest, .. } = self;
        let watched = |series: u32| Some((watch.labels(series)?, watch.regression_rule(series)?));
        around.desk.change(|change| {
            let (book, told) = (change.book, change.told);
            let take = |verdict: Verdict, book: &mut Book, told: &mut Vec<Told>| {
                if let Some(labels) = watch.labels(verdict.key.series) {
                    book.take(verdict, labels, now_unix_ms, told);
                }
            };
            let first = from_unix_ms / MINUTE_MS + 1;
            for minute in first..=to_unix_ms / MINUTE_MS {
                let at_unix_ms = minute * MINUTE_MS;
                while let Some(reading) = readings.next_if(|reading| reading.weak.end_unix_ms <= at_unix_ms) {
                    let WeakReading { series, kind, weak } = reading;
                    latest.insert((series, kind), weak);
                }
                latest.retain(|_, weak| weak.end_unix_ms.saturating_add(weak.fresh_ms) >= at_unix_ms);
                let seen = Seen {
                    at_unix_ms,
                    latest,
                    sick: &sick,
                    watched: &watched,
                };
                book.pool(&seen, told);
                while let Some(verdict) = verdicts.next_if(|verdict| verdict.at_unix_ms <= at_unix_ms) {
                    take(verdict, book, told);
                }
            }
            for verdict in verdicts {
                take(verdict, book, told);
            }
            book.passed(now_unix_ms, told);
            *change.evaluated_to_unix_ms = Some(to_unix_ms);
        })?;
        Ok(to_unix_ms < horizon)
    }

    /// Looks which agents are ill, by what they said of themselves in the stretch just observed.
    fn examine(&mut self, around: &Surroundings<'_>, to_unix_ms: u64) -> Result<(), RoundError> {
        let mut agents: BTreeMap<String, Health> = BTreeMap::new();
        for status in around.store.agents()? {
            // What it says of the last report is news only beside that report.
            if status.last_interval_end_unix_ms.abs_diff(to_unix_ms) <= STEP_MS {
                let health = agents.entry(status.agent.to_string()).or_default();
                health.lateness_p99_us = status.send_lateness_p99_us;
            }
        }
        for (series, counted) in std::mem::take(&mut self.health) {
            if let Some(agent) = self
                .watch
                .labels(series)
                .and_then(|labels| labels.value(Label::Agent))
            {
                agents.entry(agent.to_owned()).or_default().merge(&counted);
            }
        }
        self.sick.note(
            agents.iter().map(|(agent, health)| (agent.as_str(), *health)),
            to_unix_ms,
        );
        Ok(())
    }

    /// The series that are watched.
    fn chosen(&self, around: &Surroundings<'_>) -> SeriesSelection {
        let dictionary = around.store.dictionary();
        let known = dictionary.series().map(|(id, _)| id);
        known.filter(|id| self.watch.knows(id.0)).collect()
    }

    /// Hands what was stored to the rules, and what they say to `said`.
    fn observe(
        &mut self,
        around: &Surroundings<'_>,
        range: TimeRange,
        step_ms: u64,
        said: &mut dyn FnMut(&mut Vec<Verdict>),
    ) -> Result<(), RoundError> {
        let chosen = self.chosen(around);
        let Self { watch, health, .. } = self;
        let counters: &Counters = around.desk.counters();
        let floors = light::floors(around.store, around.catalogue)?;
        let request = ScanRequest {
            range,
            series: &chosen,
            step_ms,
        };
        let (mut taken, mut refused) = (0, 0);
        let (empty, mut verdicts) = (DelayHistogram::default(), Vec::new());
        let stopped = || around.stop.load(Ordering::Relaxed);
        let coverage = around.store.scan_until(request, &stopped, &mut |observation| {
            let sample = sample_of(&observation, &empty);
            if range.to_unix_ms.saturating_sub(observation.start_unix_ms) <= STEP_MS {
                if let Some(bounded) = floors.get(&observation.series.0) {
                    hold_against_light(counters, bounded, sample.delays, observation.start_unix_ms);
                }
                health
                    .entry(observation.series.0)
                    .or_default()
                    .add(&observation.counts);
            }
            match watch.observe(observation.series.0, &sample, &mut verdicts) {
                Ok(()) => taken += 1,
                Err(_) => refused += 1,
            }
            said(&mut verdicts);
            verdicts.clear();
            if stopped() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        counters.observations.add(taken);
        counters.out_of_order.add(refused);
        counters.unreadable_reports.add(coverage.unreadable_reports);
        if stopped() {
            Err(RoundError::Stopped)
        } else {
            Ok(())
        }
    }

    /// Begins to watch what is measured now, and ends the alerts of what no agent measures any more.
    fn follow_series(&mut self, around: &Surroundings<'_>, now_unix_ms: u64) -> Result<(), RoundError> {
        let dictionary = around.store.dictionary();
        let mut measured = BTreeSet::new();
        for status in around.store.agents()? {
            if let Some(known) = dictionary.manifest_of(&status.agent, status.manifest_id) {
                measured.extend(known.series.iter().flatten().map(|id| id.0));
            }
        }
        let watch = &self.watch;
        let new = |id: SeriesId| measured.contains(&id.0) && !watch.knows(id.0);
        for (id, labels) in series_labels(around.store, around.catalogue, new)? {
            self.watch.add(id.0, labels);
        }
        let gone: Vec<u32> = self.watch.all().filter(|id| !measured.contains(id)).collect();
        for id in &gone {
            self.watch.retire(*id);
        }
        around
            .desk
            .counters()
            .series
            .store(measured.len() as u64, Ordering::Relaxed);
        if !gone.is_empty() {
            around.desk.change(|change| {
                for series in gone {
                    change.book.retire(Some(series), now_unix_ms, change.told);
                }
            })?;
        }
        Ok(())
    }

    /// Joins the stored alerts with the rules and the series there are now. An alert whose rule is gone or selects its
    /// series no longer is over, and so is one whose number is another series' now, as after a new store was begun.
    fn take_up(&mut self, around: &Surroundings<'_>, now_unix_ms: u64) -> Result<(), RoundError> {
        let watch = &mut self.watch;
        let counters = around.desk.counters();
        around.desk.change(|change| {
            let alive: Vec<(AlertKey, SeriesLabels)> = change
                .book
                .alerts()
                .filter(|(key, entry)| key.rule != INCIDENT_RULE && entry.alert.phase.is_going_on())
                .map(|(key, entry)| (key.clone(), entry.labels.clone()))
                .collect();
            for (key, labels) in alive {
                let now = watch.labels(key.series);
                let is_another = now.is_some_and(|now| !is_same(now, &labels));
                if !is_another && watch.resume(&key) {
                    continue;
                }
                let reason = if is_another {
                    "another_series"
                } else {
                    "not_watched"
                };
                counters.left_out.count("alert", reason);
                let over = Input::Signal(Signal::Gone(Ending::Retired));
                change.book.step(&key, now_unix_ms, over, change.told);
            }
            // Resolved ones stay to be read, unless their number means something else now.
            let strangers: Vec<AlertKey> = change
                .book
                .alerts()
                .filter(|(key, entry)| {
                    key.rule != INCIDENT_RULE
                        && !entry.alert.phase.is_going_on()
                        && watch
                            .labels(key.series)
                            .is_some_and(|now| !is_same(now, &entry.labels))
                })
                .map(|(key, _)| key.clone())
                .collect();
            for key in strangers {
                if !change.told.iter().any(|told| told.key == key) {
                    change.book.forget(&key);
                }
            }
            change.evaluated_to_unix_ms.get_or_insert(self.watermark_unix_ms);
        })?;
        Ok(())
    }
}

/// Says it once when a delay is shorter than light allows.
fn hold_against_light(
    counters: &Counters,
    bounded: &light::Bounded,
    delays: &DelayHistogram,
    at_unix_ms: u64,
) {
    // The far end of its bucket: nothing is called impossible for having been rounded.
    let shortest = delays.bins().next().map(|(bucket, _)| bucket.highest_us());
    if let Some(min_us) = shortest
        && counters.faster_than_light.note(bounded, min_us, at_unix_ms)
    {
        tracing::warn!(
            pair = bounded.name,
            min_us,
            light_us = bounded.floor_us.round(),
            "faster than light: a place is wrong, of the agent or of the zone, or something near the agent answers instead"
        );
    }
}

/// Hands the results of throughput tests in a range to `take`, those of one agent in order of time, each with the series whose
/// target it tested. Failed tests say nothing of a rate; results of what is not measured any more are passed over.
///
/// # Errors
/// When the store cannot be read.
pub fn observe_rates(
    store: &dyn Store,
    range: TimeRange,
    take: &mut dyn FnMut(u32, TransferDirection, Rate),
) -> Result<(), StoreError> {
    let dictionary = store.dictionary();
    for status in store.agents()? {
        let stored = store.throughput(&status.agent, range)?;
        if stored.is_empty() {
            continue;
        }
        let Some(known) = dictionary.manifest_of(&status.agent, status.manifest_id) else {
            continue;
        };
        for StoredThroughput { series, result } in &stored {
            let is_lower_bound = match result.reading() {
                Reading::Failed => continue,
                // A long transfer is held below what such a test reads: for a drop that is word enough.
                Reading::LowerBound => result.stop != StopReason::Losses,
                Reading::Estimate => false,
            };
            let mut described = known.manifest.series.iter();
            let position = described.position(|described| described == series);
            let Some(Some(id)) = position.and_then(|position| known.series.get(position)) else {
                continue;
            };
            let sender = result.sender.as_ref();
            let rate = Rate {
                at_unix_ms: result.at_unix_ms,
                bps: result.bps,
                is_lower_bound,
                congestion_control: sender.map_or(String::new(), |sender| sender.congestion_control.clone()),
            };
            take(id.0, result.direction, rate);
        }
    }
    Ok(())
}

/// Whether two sets of labels name one series: where its agent stands may change.
fn is_same(one: &SeriesLabels, other: &SeriesLabels) -> bool {
    let named = [
        Label::Agent,
        Label::Zone,
        Label::Method,
        Label::Load,
        Label::Address,
        Label::Phase,
        Label::Answer,
    ];
    one.target() == other.target() && named.iter().all(|label| one.value(*label) == other.value(*label))
}

#[cfg(test)]
mod tests;
