//! Rules held against measurements: one series and one sample at a time, verdicts out. A verdict says that a rule's
//! condition holds, or that it does not; it is repeated with every sample while it matters, because an alert's own
//! periods ([`super::super::lifecycle`]) run on the time of the data: without samples nothing moves.

mod footprint;
mod past;
pub mod reading;

use reading::Reading;

use std::collections::BTreeMap;
use std::sync::Arc;

use azimuth_measurement::{Accumulator, DelayHistogram, ProbeCounts, TransferDirection};
use serde::{Deserialize, Serialize};

use super::measure::Unit;
use super::minute::Minutes;
use super::model::{Condition, Rule, RuleSet};
use super::objective::Ledger;
use super::selector::SeriesLabels;
use crate::alert::caution::LASTING_MS;
use crate::alert::event::{Change, Direction, End, Event, Statistic};
use crate::alert::lifecycle::observed_ms;
use crate::alert::rates::Rate;
use crate::alert::{Delays, Detector, Tick, TickRefused};
use crate::query::Label;

/// What one series measured in `[start, start + length)`.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// Begin of the interval, Unix time in milliseconds, UTC.
    pub start_unix_ms: u64,
    /// Its length, in milliseconds.
    pub length_ms: u32,
    /// What happened to its probes.
    pub counts: &'a ProbeCounts,
    /// Its delays, by the best clock that stamped any.
    pub delays: &'a DelayHistogram,
}

impl Sample<'_> {
    /// First millisecond after.
    pub fn end_unix_ms(&self) -> u64 {
        self.start_unix_ms.saturating_add(self.length_ms.into())
    }
}

/// An alert's identity: no value and no time is part of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AlertKey {
    /// Name of the rule.
    pub rule: String,
    /// Number of the series in its store.
    pub series: u32,
    /// What was watched: `p50`, `loss`, `absence`.
    pub measure: String,
}

/// Why a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Since when it is thought to be so, Unix time in milliseconds; before it was known.
    pub since_unix_ms: u64,
    /// The value now.
    pub value: f64,
    /// The value before, for a regression; the limit otherwise.
    pub against: f64,
    /// The unit of both.
    pub unit: Unit,
}

/// How a condition came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It does not hold any more.
    Recovered,
    /// It lasted a day: this is how the path is now.
    NewBaseline,
    /// The series is not measured any more, or its rule is gone.
    Retired,
}

impl Ending {
    /// The one spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recovered => "recovered",
            Self::NewBaseline => "new_baseline",
            Self::Retired => "retired",
        }
    }
}

impl From<End> for Ending {
    fn from(end: End) -> Self {
        match end {
            End::Recovered => Self::Recovered,
            End::NewBaseline => Self::NewBaseline,
        }
    }
}

/// What a condition says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Signal {
    /// It holds.
    Holds(Evidence),
    /// It does not.
    Gone(Ending),
}

/// One rule's word on one series at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Of which alert.
    pub key: AlertKey,
    /// Time of the data, Unix time in milliseconds; of the clock for an absence.
    pub at_unix_ms: u64,
    /// What it says.
    pub signal: Signal,
}

/// Remembers whether a condition held, so that its end is said, and said for as long as the alert may be recovering.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Said {
    held: bool,
    /// Since when it is gone, and by how much data.
    gone: Option<Gone>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Gone {
    ending: Ending,
    last_unix_ms: u64,
    gone_ms: u64,
}

impl Said {
    fn holds(&mut self) {
        *self = Self {
            held: true,
            gone: None,
        };
    }

    /// What there is to say of a condition that does not hold; nothing once the alert must be over.
    fn gone(&mut self, ending: Ending, at_unix_ms: u64, keep_ms: u64) -> Option<Signal> {
        if std::mem::take(&mut self.held) {
            self.gone = Some(Gone {
                ending,
                last_unix_ms: at_unix_ms,
                gone_ms: 0,
            });
        }
        let gone = self.gone.as_mut()?;
        let signal = Signal::Gone(gone.ending);
        gone.gone_ms += observed_ms(gone.last_unix_ms, at_unix_ms);
        gone.last_unix_ms = gone.last_unix_ms.max(at_unix_ms);
        if gone.gone_ms >= keep_ms {
            self.gone = None;
        }
        Some(signal)
    }
}

#[derive(Debug, Clone)]
struct Regression {
    number: u32,
    change: Change,
    closed_at_unix_ms: Option<u64>,
    ending: Ending,
}

#[derive(Debug, Clone)]
struct RegressionWatch {
    rule: usize,
    detector: Detector,
    known: Vec<Regression>,
    said: [Said; Statistic::ALL.len()],
}

#[derive(Debug, Clone)]
struct SeriesWatch {
    labels: SeriesLabels,
    regression: Option<Box<RegressionWatch>>,
    minutes: Option<Minutes>,
    thresholds: Vec<(usize, Said)>,
    objectives: Vec<(usize, Box<Ledger>, Said)>,
    absences: Vec<(usize, Said)>,
    last_start_unix_ms: Option<u64>,
    last_end_unix_ms: Option<u64>,
}

/// The rules, and what they remember of each series.
#[derive(Debug)]
pub struct Watch {
    rules: Arc<RuleSet>,
    names: Vec<String>,
    series: BTreeMap<u32, SeriesWatch>,
    /// Before this nobody listened, so silence says nothing; Unix time in milliseconds.
    listening_since_unix_ms: u64,
    scratch: Accumulator,
    events: Vec<Event>,
    /// Weak evidence since it was asked for last, if anybody asks.
    readings: Option<Vec<Reading>>,
}

impl Watch {
    /// Rules that have seen nothing.
    pub fn new(rules: Arc<RuleSet>) -> Self {
        Self {
            names: rules.rules.iter().map(|rule| rule.name.clone()).collect(),
            rules,
            series: BTreeMap::new(),
            listening_since_unix_ms: 0,
            scratch: Accumulator::new(),
            events: Vec::new(),
            readings: None,
        }
    }

    /// The rules.
    pub fn rules(&self) -> &Arc<RuleSet> {
        &self.rules
    }

    /// Whether the series is watched.
    pub fn knows(&self, series: u32) -> bool {
        self.series.contains_key(&series)
    }

    /// Every watched series, ascending.
    pub fn all(&self) -> impl Iterator<Item = u32> + '_ {
        self.series.keys().copied()
    }

    /// Labels of a watched series.
    pub fn labels(&self, series: u32) -> Option<&SeriesLabels> {
        self.series.get(&series).map(|watch| &watch.labels)
    }

    /// Begins to watch a series. One measured under load is watched by no rule: its delay says nothing about the path.
    /// A series already watched stays as it is.
    pub fn add(&mut self, series: u32, labels: SeriesLabels) {
        let Self {
            rules, series: known, ..
        } = self;
        known
            .entry(series)
            .or_insert_with(|| SeriesWatch::new(rules, labels));
    }

    /// Takes what a series measured next and appends what the rules say to `verdicts`. A series not added is ignored.
    ///
    /// # Errors
    /// When the sample cannot be taken, for example because it is older than one taken before; nothing changed then.
    pub fn observe(
        &mut self,
        series: u32,
        sample: &Sample<'_>,
        verdicts: &mut Vec<Verdict>,
    ) -> Result<(), TickRefused> {
        let Self {
            rules,
            names,
            series: known,
            scratch,
            events,
            readings,
            ..
        } = self;
        let all = known.len();
        let Some(watch) = known.get_mut(&series) else {
            return Ok(());
        };
        if let Some(regression) = &mut watch.regression {
            regression.detector.among(all);
        }
        let say = &mut |rule: usize, measure: &str, signal: Signal| {
            verdicts.push(Verdict {
                key: AlertKey {
                    rule: names[rule].clone(),
                    series,
                    measure: measure.to_owned(),
                },
                at_unix_ms: sample.end_unix_ms(),
                signal,
            });
        };
        watch.observe(&rules.rules, sample, scratch, events, say)?;
        if let (Some(readings), Some(regression)) = (readings, &mut watch.regression) {
            regression.read(&rules.rules, series, readings);
        }
        Ok(())
    }

    /// Takes what a throughput test found whose target is the series', and appends what the rules say. Tests and delays of one
    /// series may come in any order beside each other. Returns whether it was taken: a series not watched for regressions is
    /// ignored, and so is a result taken before.
    pub fn observe_rate(
        &mut self,
        series: u32,
        direction: TransferDirection,
        rate: &Rate,
        verdicts: &mut Vec<Verdict>,
    ) -> bool {
        let Self {
            rules,
            names,
            series: known,
            events,
            ..
        } = self;
        let Some(watch) = known.get_mut(&series) else {
            return false;
        };
        let Some(regression) = &mut watch.regression else {
            return false;
        };
        events.clear();
        if !regression.detector.observe_rate(direction, rate, events) {
            return false;
        }
        if events.is_empty() {
            return true;
        }
        // What the delays say goes on from where they are.
        let at_unix_ms = rate.at_unix_ms.max(watch.last_end_unix_ms.unwrap_or(0));
        let rule = &rules.rules[regression.rule];
        regression.note(
            rule,
            events,
            at_unix_ms,
            &mut |rule: usize, measure: &str, signal| {
                verdicts.push(Verdict {
                    key: AlertKey {
                        rule: names[rule].clone(),
                        series,
                        measure: measure.to_owned(),
                    },
                    at_unix_ms,
                    signal,
                });
            },
        );
        true
    }

    /// Time passed by the clock, whether or not anything was measured: what has fallen silent is noticed here, and nothing
    /// else.
    pub fn passed(&mut self, now_unix_ms: u64, verdicts: &mut Vec<Verdict>) {
        for (series, watch) in &mut self.series {
            let Some(last_unix_ms) = watch.last_end_unix_ms else {
                continue;
            };
            for (rule, said) in &mut watch.absences {
                let Condition::Absence { silent_ms } = &self.rules.rules[*rule].condition else {
                    continue;
                };
                let listened_ms = now_unix_ms.saturating_sub(last_unix_ms.max(self.listening_since_unix_ms));
                if listened_ms < *silent_ms {
                    continue;
                }
                let silent = now_unix_ms.saturating_sub(last_unix_ms);
                said.holds();
                verdicts.push(Verdict {
                    key: AlertKey {
                        rule: self.names[*rule].clone(),
                        series: *series,
                        measure: "absence".to_owned(),
                    },
                    at_unix_ms: now_unix_ms,
                    signal: Signal::Holds(Evidence {
                        since_unix_ms: last_unix_ms,
                        value: silent as f64 / 1_000.0,
                        against: *silent_ms as f64 / 1_000.0,
                        unit: Unit::S,
                    }),
                });
            }
        }
    }

    /// Nobody listened before this instant: a series is silent only by the time since.
    pub fn listening_since(&mut self, unix_ms: u64) {
        self.listening_since_unix_ms = unix_ms;
    }

    /// Goes on with an alert that was pending, firing or recovering before a restart: its condition is taken to have held,
    /// so that its end is said even if what is remembered no longer reaches back to its beginning. `false` when no rule
    /// watches this any more.
    pub fn resume(&mut self, key: &AlertKey) -> bool {
        let Some(watch) = self.series.get_mut(&key.series) else {
            return false;
        };
        let Some(number) = self.names.iter().position(|name| *name == key.rule) else {
            return false;
        };
        let said = match &self.rules.rules[number].condition {
            Condition::Regression { statistics, .. } => watch.regression.as_mut().and_then(|regression| {
                let at = Statistic::ALL
                    .iter()
                    .position(|one| one.as_str() == key.measure && statistics.contains(one))?;
                (regression.rule == number).then(|| &mut regression.said[at])
            }),
            Condition::Threshold(threshold) if threshold.measure.name() == key.measure => watch
                .thresholds
                .iter_mut()
                .find(|(rule, _)| *rule == number)
                .map(|(_, said)| said),
            Condition::Objective(objective) if objective.measure.name() == key.measure => watch
                .objectives
                .iter_mut()
                .find(|(rule, ..)| *rule == number)
                .map(|(.., said)| said),
            Condition::Absence { .. } if key.measure == "absence" => watch
                .absences
                .iter_mut()
                .find(|(rule, _)| *rule == number)
                .map(|(_, said)| said),
            _ => None,
        };
        said.map(Said::holds).is_some()
    }

    /// Stops watching a series. Whoever keeps its alerts ends them as [`Ending::Retired`].
    pub fn retire(&mut self, series: u32) {
        self.series.remove(&series);
    }
}

impl SeriesWatch {
    fn new(rules: &RuleSet, labels: SeriesLabels) -> Self {
        let mut watch = Self {
            labels,
            regression: None,
            minutes: None,
            thresholds: Vec::new(),
            objectives: Vec::new(),
            absences: Vec::new(),
            last_start_unix_ms: None,
            last_end_unix_ms: None,
        };
        // Phases and answers that say no explain what was noticed on the series beside them; alone they would alert twice.
        let usual = [
            (Label::Load, "idle"),
            (Label::Phase, "whole"),
            (Label::Answer, "ordinary"),
        ];
        if usual
            .iter()
            .any(|(label, usual)| watch.labels.value(*label).is_some_and(|value| value != *usual))
        {
            return watch;
        }
        let mut keep_ms = None::<u64>;
        for (number, rule) in rules.rules.iter().enumerate() {
            if !rule.chooses(&watch.labels) {
                continue;
            }
            match &rule.condition {
                Condition::Regression { settings, .. } => {
                    watch.regression.get_or_insert_with(|| {
                        Box::new(RegressionWatch {
                            rule: number,
                            detector: Detector::new(Arc::clone(settings)),
                            known: Vec::new(),
                            said: Default::default(),
                        })
                    });
                }
                Condition::Threshold(threshold) => {
                    keep_ms = keep_ms.max(Some(threshold.window_ms));
                    watch.thresholds.push((number, Said::default()));
                }
                Condition::Objective(_) => {
                    keep_ms = keep_ms.max(Some(0));
                    watch.objectives.push((number, Box::default(), Said::default()));
                }
                Condition::Absence { .. } => watch.absences.push((number, Said::default())),
            }
        }
        watch.minutes = keep_ms.map(Minutes::keeping);
        watch
    }

    fn observe(
        &mut self,
        rules: &[Rule],
        sample: &Sample<'_>,
        scratch: &mut Accumulator,
        events: &mut Vec<Event>,
        say: &mut impl FnMut(usize, &str, Signal),
    ) -> Result<(), TickRefused> {
        let at_unix_ms = sample.end_unix_ms();
        let tick = Tick {
            start_unix_ms: sample.start_unix_ms,
            length_ms: sample.length_ms,
            delays: if sample.delays.is_empty() {
                Delays::None
            } else {
                Delays::Histogram(sample.delays)
            },
            sent: sample.counts.sent,
            lost: sample.counts.lost(),
        };
        tick.check(self.last_start_unix_ms)?;
        if let Some(regression) = &mut self.regression {
            events.clear();
            regression.detector.observe(&tick, events)?;
            regression.note(&rules[regression.rule], events, at_unix_ms, say);
        }
        self.last_start_unix_ms = Some(sample.start_unix_ms);
        self.last_end_unix_ms = self.last_end_unix_ms.max(Some(at_unix_ms));
        for (rule, said) in &mut self.absences {
            let gone = said.gone(Ending::Recovered, at_unix_ms, rules[*rule].keep_firing_ms);
            gone.into_iter().for_each(|signal| say(*rule, "absence", signal));
        }
        let Some(minutes) = &mut self.minutes else {
            return Ok(());
        };
        let new = minutes.push(sample);
        if new == 0 {
            return Ok(());
        }
        for (number, said) in &mut self.thresholds {
            let rule = &rules[*number];
            let Condition::Threshold(threshold) = &rule.condition else {
                continue;
            };
            let Some(value) = threshold.value(minutes.closed(), scratch) else {
                continue;
            };
            let signal = if threshold.holds(value) {
                said.holds();
                Some(Signal::Holds(Evidence {
                    since_unix_ms: at_unix_ms.saturating_sub(threshold.window_ms),
                    value,
                    against: threshold.limit,
                    unit: threshold.measure.unit(),
                }))
            } else {
                said.gone(Ending::Recovered, at_unix_ms, rule.keep_firing_ms)
            };
            signal
                .into_iter()
                .for_each(|signal| say(*number, &threshold.measure.name(), signal));
        }
        for (number, ledger, said) in &mut self.objectives {
            let rule = &rules[*number];
            let Condition::Objective(objective) = &rule.condition else {
                continue;
            };
            for minute in minutes.closed().rev().take(new) {
                if let Some(bad) = objective.is_bad(minute, scratch) {
                    ledger.note(minute.start_unix_ms, bad);
                }
            }
            let signal = match ledger.burning(objective.target) {
                Some((window, burn)) => {
                    said.holds();
                    Some(Signal::Holds(Evidence {
                        since_unix_ms: at_unix_ms
                            .saturating_sub(u64::from(window.long_min) * crate::alert::settings::MINUTE_MS),
                        value: burn,
                        against: window.burn,
                        unit: Unit::Burn,
                    }))
                }
                None => said.gone(Ending::Recovered, at_unix_ms, rule.keep_firing_ms),
            };
            signal
                .into_iter()
                .for_each(|signal| say(*number, &objective.measure.name(), signal));
        }
        Ok(())
    }
}

impl RegressionWatch {
    fn note(
        &mut self,
        rule: &Rule,
        events: &[Event],
        at_unix_ms: u64,
        say: &mut impl FnMut(usize, &str, Signal),
    ) {
        for event in events {
            match *event {
                Event::Changed(change) => {
                    if let Direction::Worse { number } = change.direction {
                        self.known.push(Regression {
                            number,
                            change,
                            closed_at_unix_ms: None,
                            ending: Ending::Recovered,
                        });
                    }
                }
                Event::Ended {
                    number,
                    at_unix_ms,
                    end,
                } => {
                    if let Some(known) = self.known.iter_mut().find(|known| known.number == number) {
                        known.closed_at_unix_ms = Some(at_unix_ms);
                        known.ending = end.into();
                    }
                }
                Event::Reopened { number, .. } => {
                    if let Some(known) = self.known.iter_mut().find(|known| known.number == number) {
                        known.closed_at_unix_ms = None;
                    }
                }
            }
        }
        let Condition::Regression { statistics, .. } = &rule.condition else {
            return;
        };
        for (statistic, said) in Statistic::ALL.into_iter().zip(&mut self.said) {
            if !statistics.contains(&statistic) {
                continue;
            }
            let of = || {
                self.known
                    .iter()
                    .filter(|known| known.change.statistic == statistic)
            };
            let open = || {
                of().filter(|known| known.closed_at_unix_ms.is_none())
                    .map(|known| &known.change)
            };
            let signal = match (open().next(), open().next_back()) {
                (Some(first), Some(last)) => {
                    said.holds();
                    Some(Signal::Holds(evidence(first, last)))
                }
                _ => {
                    let last = of().max_by_key(|known| known.closed_at_unix_ms);
                    let ending = last.map_or(Ending::Recovered, |last| last.ending);
                    said.gone(ending, at_unix_ms, rule.keep_firing_ms)
                }
            };
            signal
                .into_iter()
                .for_each(|signal| say(self.rule, statistic.as_str(), signal));
        }
        // A recovery may be taken back for an hour; after that it is history.
        self.known.retain(|known| {
            known
                .closed_at_unix_ms
                .is_none_or(|closed| at_unix_ms.saturating_sub(closed) <= LASTING_MS)
        });
    }
}

/// From before the first open change to after the last.
fn evidence(first: &Change, last: &Change) -> Evidence {
    let (scale, unit) = match first.statistic {
        Statistic::Loss => (100.0, Unit::Percent),
        Statistic::Download | Statistic::Upload => (1e-6, Unit::Mbps),
        _ => (0.001, Unit::Ms),
    };
    Evidence {
        since_unix_ms: first.changed_at_unix_ms,
        value: last.to * scale,
        against: first.from * scale,
        unit,
    }
}

impl Rule {
    /// Whether the rule is about the series.
    pub fn chooses(&self, series: &SeriesLabels) -> bool {
        self.select.chooses(series) && (self.except.is_empty() || !self.except.chooses(series))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::rules::read;
    use std::path::Path;

    fn verdicts_under(load: &str) -> Vec<Verdict> {
        verdicts_with(Label::Load, load)
    }

    /// What an absence rule says of a series with this label an hour after its one sample.
    fn verdicts_with(label: Label, value: &str) -> Vec<Verdict> {
        let rules = "[[absence]]\nname = \"silent\"\nsilent_for = \"5m\"\n";
        let rules = read([(Path::new("rules.toml"), rules)]).expect("valid rules");
        let mut watch = Watch::new(Arc::new(rules));
        watch.add(0, SeriesLabels::new("t").with(label, value));
        let sample = Sample {
            start_unix_ms: 0,
            length_ms: 60_000,
            counts: &ProbeCounts::default(),
            delays: &DelayHistogram::default(),
        };
        let mut verdicts = Vec::new();
        watch.observe(0, &sample, &mut verdicts).expect("in order");
        watch.passed(3_600_000, &mut verdicts);
        verdicts
    }

    #[test]
    fn phases_and_answers_that_say_no_never_alert() {
        assert_eq!(verdicts_with(Label::Phase, "whole").len(), 1);
        assert_eq!(verdicts_with(Label::Phase, "tls"), []);
        assert_eq!(verdicts_with(Label::Answer, "ordinary").len(), 1);
        assert_eq!(verdicts_with(Label::Answer, "server_error"), []);
    }

    #[test]
    fn what_was_measured_under_load_never_alerts() {
        assert_eq!(verdicts_under("idle").len(), 1);
        assert_eq!(verdicts_under("self_load"), []);
        assert_eq!(verdicts_under("post_load"), []);
    }
}
