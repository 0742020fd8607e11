//! All alerts of an installation: verdicts, silences and acknowledgements in, notices out. Pure; whoever stores it asks
//! for what changed. Bounded: [`MOST_ALERTS`] are kept, resolved ones longest gone first to go, and what is refused is
//! counted.

pub mod incidents;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::incident::{Incident, RULE as INCIDENT_RULE};
use super::lifecycle::{Alert, Input, Notice, Periods, Phase};
use super::rules::watch::{AlertKey, Ending, Signal, Verdict};
use super::rules::{Rule, RuleSet, Selector, SeriesLabels};
use super::settings::HOUR_MS;

/// Alerts kept at most.
pub const MOST_ALERTS: usize = 100_000;
/// How long a resolved alert stays in the book.
pub const KEEP_RESOLVED_MS: u64 = 7 * 24 * HOUR_MS;

/// A silence somebody asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    /// Its number.
    pub id: u64,
    /// Alerts of which series.
    pub select: Selector,
    /// Alerts of which rule; of all when absent.
    pub rule: Option<String>,
    /// From when, Unix time in milliseconds.
    pub from_unix_ms: u64,
    /// Until when.
    pub until_unix_ms: u64,
    /// Who.
    pub by: String,
    /// Why.
    pub comment: String,
}

impl Silence {
    fn covers(&self, rule: &str, series: &SeriesLabels, at_unix_ms: u64) -> bool {
        (self.from_unix_ms..self.until_unix_ms).contains(&at_unix_ms)
            && self.rule.as_deref().is_none_or(|name| name == rule)
            && self.select.chooses(series)
    }
}

/// One alert, and what it is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Labels of the series, as they were when it was entered.
    pub labels: SeriesLabels,
    /// Its state.
    pub alert: Alert,
    /// Number of the incident that speaks for it, or did.
    #[serde(default)]
    pub parent: Option<u32>,
    /// What it is, if it is an incident.
    #[serde(default)]
    pub incident: Option<Incident>,
}

/// A notice, and the alert it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// The alert.
    pub key: AlertKey,
    /// What there is to tell.
    pub notice: Notice,
    /// When it came about, Unix time in milliseconds.
    pub at_unix_ms: u64,
}

/// The alerts.
#[derive(Debug, Default)]
pub struct Book {
    rules: Arc<RuleSet>,
    alerts: BTreeMap<AlertKey, Entry>,
    silences: BTreeMap<u64, Silence>,
    changed: BTreeSet<AlertKey>,
    refused: u64,
}

fn periods(rule: Option<&Rule>) -> Periods {
    rule.map_or(
        Periods {
            pending_ms: 0,
            keep_firing_ms: 0,
        },
        |rule| Periods {
            pending_ms: rule.pending_ms,
            keep_firing_ms: rule.keep_firing_ms,
        },
    )
}

impl Book {
    /// A book that goes on from what was stored.
    pub fn new(
        rules: Arc<RuleSet>,
        alerts: impl IntoIterator<Item = (AlertKey, Entry)>,
        silences: impl IntoIterator<Item = Silence>,
    ) -> Self {
        Self {
            rules,
            alerts: alerts.into_iter().collect(),
            silences: silences
                .into_iter()
                .map(|silence| (silence.id, silence))
                .collect(),
            ..Self::default()
        }
    }

    /// Every alert that was ever pending and is still kept.
    pub fn alerts(&self) -> impl Iterator<Item = (&AlertKey, &Entry)> {
        self.alerts.iter()
    }

    /// One alert.
    pub fn alert(&self, key: &AlertKey) -> Option<&Entry> {
        self.alerts.get(key)
    }

    /// Every silence, also those to come and those just past.
    pub fn silences(&self) -> impl Iterator<Item = &Silence> {
        self.silences.values()
    }

    /// The rules.
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// Alerts refused because the book was full.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// The alerts that changed since this was asked last; one that is gone has no entry any more.
    pub fn take_changed(&mut self) -> Vec<(AlertKey, Option<Entry>)> {
        let changed = std::mem::take(&mut self.changed);
        changed
            .into_iter()
            .map(|key| (key.clone(), self.alerts.get(&key).cloned()))
            .collect()
    }

    /// Takes a verdict about a series with these labels. `now_unix_ms` is the clock, by which silences run.
    pub fn take(&mut self, verdict: Verdict, labels: &SeriesLabels, now_unix_ms: u64, told: &mut Vec<Told>) {
        let Verdict {
            key,
            at_unix_ms,
            signal,
        } = verdict;
        if !self.alerts.contains_key(&key) {
            if matches!(signal, Signal::Gone(_)) {
                return;
            }
            if self.alerts.len() >= MOST_ALERTS && !self.make_room() {
                self.refused += 1;
                return;
            }
            let entry = Entry {
                labels: labels.clone(),
                alert: Alert::default(),
                parent: None,
                incident: None,
            };
            self.alerts.insert(key.clone(), entry);
            self.changed.insert(key.clone());
        }
        let silenced = self.is_silenced(&key, now_unix_ms);
        self.step(&key, now_unix_ms, Input::Silenced(silenced), told);
        if let Signal::Holds(evidence) = signal {
            self.speak_for(&key, Some(evidence.since_unix_ms), now_unix_ms, told);
        }
        self.step(&key, at_unix_ms, Input::Signal(signal), told);
    }

    /// Something happened to one alert; `false` when there is no such alert.
    pub fn step(&mut self, key: &AlertKey, at_unix_ms: u64, input: Input, told: &mut Vec<Told>) -> bool {
        let rule = self.rules.rules.iter().find(|rule| rule.name == key.rule);
        let periods = self.periods_of(key).unwrap_or_else(|| periods(rule));
        let Some(entry) = self.alerts.get_mut(key) else {
            return false;
        };
        let before = entry.alert.clone();
        let notice = entry.alert.step(at_unix_ms, input, periods);
        if entry.alert != before {
            self.changed.insert(key.clone());
        }
        told.extend(notice.map(|notice| Told {
            key: key.clone(),
            notice,
            at_unix_ms,
        }));
        true
    }

    /// Adds a silence, or replaces the one of its number.
    pub fn silence(&mut self, silence: Silence, now_unix_ms: u64, told: &mut Vec<Told>) {
        self.silences.insert(silence.id, silence);
        self.passed(now_unix_ms, told);
    }

    /// Takes a silence back; `false` when there is none of this number.
    pub fn unsilence(&mut self, id: u64, now_unix_ms: u64, told: &mut Vec<Told>) -> bool {
        let found = self.silences.remove(&id).is_some();
        self.passed(now_unix_ms, told);
        found
    }

    /// Time passed by the clock: silences begin and end, and what is long resolved is forgotten.
    pub fn passed(&mut self, now_unix_ms: u64, told: &mut Vec<Told>) {
        let keys: Vec<AlertKey> = self.alerts.keys().cloned().collect();
        for key in keys {
            let silenced = self.is_silenced(&key, now_unix_ms);
            self.step(&key, now_unix_ms, Input::Silenced(silenced), told);
            let alert = self.alerts.get(&key).map(|entry| &entry.alert);
            let forgotten = match alert.map(|alert| alert.phase) {
                Some(Phase::Resolved {
                    resolved_at_unix_ms, ..
                }) => now_unix_ms.saturating_sub(resolved_at_unix_ms) > KEEP_RESOLVED_MS,
                // One that fired before goes on counting its episodes, until its room is needed.
                Some(Phase::Inactive) => alert.is_none_or(|alert| alert.episode == 0),
                _ => false,
            };
            if forgotten {
                self.alerts.remove(&key);
                self.changed.insert(key);
            }
        }
        self.silences
            .retain(|_, silence| now_unix_ms.saturating_sub(silence.until_unix_ms) <= KEEP_RESOLVED_MS);
    }

    /// Ends every alert of a series that is not measured any more, or, without one, of rules that are gone.
    pub fn retire(&mut self, series: Option<u32>, now_unix_ms: u64, told: &mut Vec<Told>) {
        let gone = |key: &AlertKey| match series {
            _ if key.rule == INCIDENT_RULE => false,
            Some(series) => key.series == series,
            None => !self.rules.rules.iter().any(|rule| rule.name == key.rule),
        };
        let keys: Vec<AlertKey> = self.alerts.keys().filter(|key| gone(key)).cloned().collect();
        for key in keys {
            self.step(
                &key,
                now_unix_ms,
                Input::Signal(Signal::Gone(Ending::Retired)),
                told,
            );
        }
    }

    /// Forgets an alert at once and without a word.
    pub fn forget(&mut self, key: &AlertKey) {
        if self.alerts.remove(key).is_some() {
            self.changed.insert(key.clone());
        }
    }

    fn is_silenced(&self, key: &AlertKey, now_unix_ms: u64) -> bool {
        let Some(entry) = self.alerts.get(key) else {
            return false;
        };
        let whole = entry.incident.as_ref();
        self.covers(&key.rule, &entry.labels, now_unix_ms)
            || whole.is_some_and(|incident| self.is_incident_silenced(incident, now_unix_ms))
    }

    fn covers(&self, rule: &str, labels: &SeriesLabels, now_unix_ms: u64) -> bool {
        let mut maintained = self.rules.maintenance.iter();
        self.silences
            .values()
            .any(|silence| silence.covers(rule, labels, now_unix_ms))
            || maintained.any(|window| window.silences(rule, labels, now_unix_ms))
    }

    /// Forgets the alert that is longest resolved; `false` when all are open.
    fn make_room(&mut self) -> bool {
        let oldest = self
            .alerts
            .iter()
            .filter_map(|(key, entry)| match entry.alert.phase {
                Phase::Inactive => Some((0, key)),
                Phase::Resolved {
                    resolved_at_unix_ms, ..
                } => Some((resolved_at_unix_ms, key)),
                _ => None,
            });
        let Some(key) = oldest.min_by_key(|(at, _)| *at).map(|(_, key)| key.clone()) else {
            return false;
        };
        self.alerts.remove(&key);
        self.changed.insert(key);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::rules::measure::Unit;
    use crate::alert::rules::watch::Evidence;
    use crate::query::Label;

    fn key(series: u32) -> AlertKey {
        AlertKey {
            rule: "regression".to_owned(),
            series,
            measure: "p50".to_owned(),
        }
    }

    fn holds(series: u32, at_unix_ms: u64) -> Verdict {
        Verdict {
            key: key(series),
            at_unix_ms,
            signal: Signal::Holds(Evidence {
                since_unix_ms: 0,
                value: 2.0,
                against: 1.0,
                unit: Unit::Ms,
            }),
        }
    }

    fn labels(provider: &str) -> SeriesLabels {
        SeriesLabels::new("t").with(Label::Provider, provider)
    }

    fn silence(provider: &str, until_unix_ms: u64) -> Silence {
        Silence {
            id: 1,
            select: Selector::default().with(Label::Provider, vec![provider.to_owned()]),
            rule: None,
            from_unix_ms: 0,
            until_unix_ms,
            by: "anna".to_owned(),
            comment: String::new(),
        }
    }

    #[test]
    fn a_silence_covers_what_it_selects_and_its_end_tells_what_still_fires() {
        let (mut book, mut told) = (Book::default(), Vec::new());
        book.silence(silence("aws", 500), 10, &mut told);
        book.take(holds(1, 100), &labels("aws"), 100, &mut told);
        book.take(holds(2, 100), &labels("gcp"), 100, &mut told);
        assert_eq!(told.iter().map(|told| told.key.series).collect::<Vec<_>>(), [2]);
        book.passed(499, &mut told);
        assert_eq!(told.len(), 1);
        book.passed(500, &mut told);
        assert_eq!(
            told.iter().map(|told| told.key.series).collect::<Vec<_>>(),
            [2, 1]
        );
    }

    #[test]
    fn a_restart_in_between_changes_nothing_and_forgets_what_is_long_over() {
        let (mut book, mut told) = (Book::default(), Vec::new());
        book.take(holds(1, 100), &labels("aws"), 100, &mut told);
        let stored = book.take_changed();
        let read: Vec<(AlertKey, Entry)> = stored
            .into_iter()
            .filter_map(|(key, entry)| {
                let entry = serde_json::to_string(&entry?).expect("plain data");
                Some((key, serde_json::from_str(&entry).expect("what was written")))
            })
            .collect();
        let mut book = Book::new(Arc::default(), read, []);
        told.clear();
        book.take(holds(1, 200), &labels("aws"), 200, &mut told);
        assert_eq!(told, [], "it was told before the restart");
        book.retire(Some(1), 300, &mut told);
        assert_eq!(told[0].notice, Notice::Resolved { episode: 1 });
        book.take_changed();
        book.passed(301 + KEEP_RESOLVED_MS, &mut told);
        assert_eq!(book.take_changed(), [(key(1), None)]);
        assert_eq!(told.len(), 1);
    }
}
