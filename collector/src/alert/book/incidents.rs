//! Incidents in the book: the weak evidence of a minute in; incidents that begin, go on and end, and the alerts they speak
//! for, out. Pure.
//!
//! * A culprit that [`blame`] names two minutes in a row is an incident: one notice. Its members' alerts are suppressed
//!   from before they fire; one that fired first joins without another notice, and its end is told before the incident's.
//! * What an open incident explains is left out of the pool; the same culprit named again for other series takes them in.
//! * An incident ends when its cause is gone for 15 minutes and none of its alerts fires any more, which it waits for up to
//!   an hour, or when it has lasted a day. It neither begins nor ends without data.

use std::collections::{BTreeMap, BTreeSet};

use super::{Book, Entry, Told};
use crate::alert::blame::{Cell, Culprit, Sickness, blame, without_vote};
use crate::alert::incident::{
    BEFORE_MS, Incident, KEEP_FIRING_MS, MOST_WAIT_MS, Member, NEW_BASELINE_MS, PENDING_MS, RULE,
};
use crate::alert::lifecycle::{Alert, Input, Periods, Phase};
use crate::alert::reference::median_of;
use crate::alert::rules::model::{DEFAULT_ROUTE, Severity};
use crate::alert::rules::watch::{Ending, Signal};
use crate::alert::rules::{AlertKey, Rule, SeriesLabels};
use crate::alert::settings::HOUR_MS;
use crate::alert::weak::{Kind, Weak};

/// What there is to judge in one minute. Series live longer (`'w`) than the minute (`'a`).
pub struct Seen<'a, 'w> {
    /// End of the minute, Unix time in milliseconds.
    pub at_unix_ms: u64,
    /// The latest weak evidence that is still news, by series and kind.
    pub latest: &'a BTreeMap<(u32, Kind), Weak>,
    /// Agents that have no vote.
    pub sick: &'a BTreeMap<String, Sickness>,
    /// Labels of a series, and the rule that watches it for regressions; none when it is watched no more.
    pub watched: &'a dyn Fn(u32) -> Option<(&'w SeriesLabels, &'w Rule)>,
}

impl Book {
    /// Every incident that is kept.
    pub fn incidents(&self) -> impl Iterator<Item = (&AlertKey, &Entry, &Incident)> {
        let first = AlertKey {
            rule: RULE.to_owned(),
            series: 0,
            measure: String::new(),
        };
        self.alerts
            .range(first..)
            .take_while(|(key, _)| key.rule == RULE)
            .filter_map(|(key, entry)| Some((key, entry, entry.incident.as_ref()?)))
    }

    /// Judges a minute.
    pub fn pool(&mut self, seen: &Seen<'_, '_>, told: &mut Vec<Told>) {
        let keys: Vec<AlertKey> = self.incidents().map(|(key, ..)| key.clone()).collect();
        for key in &keys {
            self.go_on(key, seen, told);
        }
        let named = self.name_culprits(seen, told);
        for key in keys {
            let pending = self.alerts.get(&key).map(|entry| entry.alert.phase);
            if matches!(pending, Some(Phase::Pending { .. })) && !named.contains(&key) {
                let gone = Input::Signal(Signal::Gone(Ending::Recovered));
                self.step(&key, seen.at_unix_ms, gone, told);
            }
        }
        self.speak(seen.at_unix_ms, told);
    }

    /// What the members of an open incident say of it.
    fn go_on(&mut self, key: &AlertKey, seen: &Seen<'_, '_>, told: &mut Vec<Told>) {
        let Some(entry) = self.alerts.get_mut(key) else {
            return;
        };
        let Entry {
            alert,
            incident: Some(incident),
            ..
        } = entry
        else {
            return;
        };
        let (Phase::Firing { fired_at_unix_ms } | Phase::Recovering { fired_at_unix_ms, .. }) = alert.phase
        else {
            return;
        };
        let before = incident.members.len();
        incident
            .members
            .retain(|member| (seen.watched)(member.series).is_some());
        if incident.members.len() != before {
            self.changed.insert(key.clone());
        }
        let signal = if incident.members.is_empty() {
            Signal::Gone(Ending::Retired)
        } else {
            let (Some(left), Some(evidence)) = (incident.left(seen.latest), alert.evidence) else {
                return;
            };
            if !Incident::goes_on(left) {
                Signal::Gone(Ending::Recovered)
            } else if seen.at_unix_ms.saturating_sub(fired_at_unix_ms) >= NEW_BASELINE_MS {
                incident.settle(seen.latest);
                Signal::Gone(Ending::NewBaseline)
            } else {
                Signal::Holds(evidence)
            }
        };
        self.step(key, seen.at_unix_ms, Input::Signal(signal), told);
    }

    /// Blames what is not explained, and gives the incidents that were named.
    fn name_culprits(&mut self, seen: &Seen<'_, '_>, told: &mut Vec<Told>) -> BTreeSet<AlertKey> {
        let mut explained: BTreeSet<(u32, Kind)> = BTreeSet::new();
        let mut accepted: BTreeMap<(u32, Kind), f64> = BTreeMap::new();
        for (_, entry, incident) in self.incidents() {
            let members = incident
                .members
                .iter()
                .map(|member| ((member.series, member.kind), member.level));
            match entry.alert.phase {
                phase if phase.is_open() => explained.extend(members.map(|(member, _)| member)),
                Phase::Resolved {
                    resolved_at_unix_ms,
                    ending: Ending::NewBaseline,
                    ..
                } if seen.at_unix_ms.saturating_sub(resolved_at_unix_ms) < 24 * HOUR_MS => {
                    accepted.extend(members);
                }
                _ => {}
            }
        }
        let mut named = BTreeSet::new();
        for kind in Kind::ALL {
            let cells: Vec<Cell<'_>> = seen
                .latest
                .iter()
                .filter(|(member, weak)| {
                    member.1 == kind && weak.is_evidence() && !explained.contains(member)
                })
                .filter_map(|(member, weak)| {
                    let base = accepted.get(member).copied().unwrap_or(f64::NEG_INFINITY);
                    Some(Cell {
                        series: member.0,
                        labels: (seen.watched)(member.0)?.0,
                        score: weak.score_over(base),
                    })
                })
                .collect();
            let sick = without_vote(&cells, seen.sick);
            for culprit in blame(&cells, &sick).culprits {
                let heard = cells
                    .iter()
                    .filter(|cell| cell.labels.value(culprit.label) == Some(&culprit.value))
                    .count();
                named.extend(self.name_culprit(&culprit, kind, heard, &sick, seen, told));
            }
        }
        named
    }

    fn name_culprit(
        &mut self,
        culprit: &Culprit,
        kind: Kind,
        heard: usize,
        sick: &BTreeMap<String, Sickness>,
        seen: &Seen<'_, '_>,
        told: &mut Vec<Told>,
    ) -> Option<AlertKey> {
        let mut severity = Severity::Info;
        let mut routes: BTreeMap<&str, usize> = BTreeMap::new();
        let mut began = Vec::new();
        let mut members = Vec::new();
        for series in &culprit.members {
            let (Some(weak), Some((labels, rule))) =
                (seen.latest.get(&(*series, kind)), (seen.watched)(*series))
            else {
                continue;
            };
            severity = severity.max(rule.severity);
            *routes.entry(rule.route.as_str()).or_default() += 1;
            began.extend(weak.began_unix_ms.map(|at| at as f64));
            members.push(Member {
                series: *series,
                kind,
                labels: labels.clone(),
                rule: rule.name.clone(),
                base: weak.base,
                level: weak.level,
                width: weak.width,
            });
        }
        let route = routes.into_iter().max_by_key(|(_, count)| *count);
        let route = route.map_or(DEFAULT_ROUTE, |(route, _)| route).to_owned();
        let key = self.key_for(culprit)?;
        let entry = self.alerts.entry(key.clone()).or_insert_with(|| Entry {
            labels: SeriesLabels::default().with(culprit.label, culprit.value.clone()),
            alert: Alert::default(),
            parent: None,
            incident: None,
        });
        let goes_on = entry.alert.phase.is_open();
        let was_pending = matches!(entry.alert.phase, Phase::Pending { .. });
        let mut incident = Incident {
            label: culprit.label,
            value: culprit.value.clone(),
            sickness: culprit.sickness,
            gain: culprit.gain,
            heard,
            members: Vec::new(),
            vetoed: sick.clone(),
            severity,
            route,
        };
        match entry.incident.take() {
            Some(before) if goes_on => {
                incident.severity = incident.severity.max(before.severity);
                incident.members = before.members;
                (incident.route, incident.gain) = (before.route, before.gain.max(incident.gain));
                incident.heard += before.heard;
            }
            // While it is pending each minute has its own members, and the other kind of the same minute stays.
            Some(before) if was_pending => {
                incident.members = before.members;
                incident.members.retain(|member| member.kind != kind);
            }
            _ => {}
        }
        incident.take_in(members);
        let since_unix_ms = match entry.alert.evidence {
            Some(evidence) if goes_on || was_pending => evidence.since_unix_ms,
            _ => median_of(began.into_iter())
                .map_or(seen.at_unix_ms, |at| at as u64)
                .clamp(seen.at_unix_ms.saturating_sub(BEFORE_MS), seen.at_unix_ms),
        };
        let holds = Signal::Holds(incident.evidence(since_unix_ms));
        entry.incident = Some(incident);
        self.changed.insert(key.clone());
        let silenced = self.is_silenced(&key, seen.at_unix_ms);
        self.step(&key, seen.at_unix_ms, Input::Silenced(silenced), told);
        self.step(&key, seen.at_unix_ms, Input::Signal(holds), told);
        Some(key)
    }

    /// The key a culprit has, or will have.
    fn key_for(&self, culprit: &Culprit) -> Option<AlertKey> {
        let known = self
            .incidents()
            .find(|(_, _, incident)| incident.label == culprit.label && incident.value == culprit.value);
        if let Some((key, ..)) = known {
            return Some(key.clone());
        }
        let last = self.incidents().map(|(key, ..)| key.series).max();
        let next = last.map_or(Some(1), |last| last.checked_add(1))?;
        Some(Incident::key(next, culprit.label))
    }

    /// Lets incidents speak for the alerts they explain, and no longer for those they do not.
    fn speak(&mut self, at_unix_ms: u64, told: &mut Vec<Told>) {
        let going_on: Vec<AlertKey> = self
            .alerts
            .iter()
            .filter(|(key, entry)| {
                key.rule != RULE && (entry.alert.phase.is_going_on() || entry.parent.is_some())
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in going_on {
            let since_unix_ms = self.alerts.get(&key).and_then(|entry| entry.alert.evidence);
            let since_unix_ms = since_unix_ms.map(|evidence| evidence.since_unix_ms);
            self.speak_for(&key, since_unix_ms, at_unix_ms, told);
        }
    }

    /// Lets the incident that explains an alert, if any does, speak for it. `since_unix_ms` is when it regressed.
    pub(super) fn speak_for(
        &mut self,
        key: &AlertKey,
        since_unix_ms: Option<u64>,
        at_unix_ms: u64,
        told: &mut Vec<Told>,
    ) {
        let Some(entry) = self.alerts.get(key) else { return };
        // Which incident it was stays known after its end.
        if matches!(entry.alert.phase, Phase::Resolved { .. }) && since_unix_ms.is_none() {
            return;
        }
        let speaker = self.speaker(key, entry, since_unix_ms);
        if let Some(entry) = self.alerts.get_mut(key)
            && speaker.is_some()
            && entry.parent != speaker
        {
            entry.parent = speaker;
            self.changed.insert(key.clone());
        }
        self.step(key, at_unix_ms, Input::Suppressed(speaker.is_some()), told);
    }

    fn speaker(&self, key: &AlertKey, entry: &Entry, since_unix_ms: Option<u64>) -> Option<u32> {
        if key.measure == "absence" {
            return None;
        }
        let since_unix_ms = since_unix_ms?;
        let speaks = |of: &Entry, incident: &Incident| {
            let began_unix_ms = of
                .alert
                .evidence
                .map_or(u64::MAX, |evidence| evidence.since_unix_ms);
            let in_time = since_unix_ms >= began_unix_ms.saturating_sub(BEFORE_MS);
            let in_group = entry.labels.value(incident.label) == Some(&incident.value)
                && since_unix_ms <= began_unix_ms.saturating_add(BEFORE_MS);
            let alive = match of.alert.phase {
                // What it closed as the new baseline closes by itself, silently.
                Phase::Resolved {
                    resolved_at_unix_ms,
                    ending: Ending::NewBaseline,
                    ..
                } => matches!(
                    entry.alert.phase,
                    Phase::Firing { fired_at_unix_ms } | Phase::Recovering { fired_at_unix_ms, .. }
                        if fired_at_unix_ms <= resolved_at_unix_ms
                ),
                phase => phase.is_open(),
            };
            alive && in_time && (in_group || incident.has(key.series))
        };
        self.incidents()
            .find(|(_, of, incident)| speaks(of, incident))
            .map(|(key, ..)| key.series)
    }

    /// Whether an alert that an incident speaks for still fires or recovers.
    fn has_open_members(&self, number: u32) -> bool {
        self.alerts.values().any(|entry| {
            entry.parent == Some(number) && entry.alert.suppressed && entry.alert.phase.is_open()
        })
    }

    pub(super) fn periods_of(&self, key: &AlertKey) -> Option<Periods> {
        (key.rule == RULE).then(|| Periods {
            pending_ms: PENDING_MS,
            keep_firing_ms: if self.has_open_members(key.series) {
                MOST_WAIT_MS
            } else {
                KEEP_FIRING_MS
            },
        })
    }

    /// Whether everything the incident would tell of is silenced.
    pub(super) fn is_incident_silenced(&self, incident: &Incident, now_unix_ms: u64) -> bool {
        !incident.members.is_empty()
            && incident
                .members
                .iter()
                .all(|member| self.covers(&member.rule, &member.labels, now_unix_ms))
    }
}

#[cfg(test)]
mod tests;
