//! The envelopes of the API about alerts: alerts, rules, silences. What does not exist is null.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::alert_windows::{self, AlertWindows};
use crate::alert::book::{Book, Entry, Silence};
use crate::alert::lifecycle::Phase;
use crate::alert::rules::selector::Selector;
use crate::alert::rules::{AlertKey, SeriesLabels};
use crate::evaluate::file::alert_id;
use crate::query::Label;
use crate::utc::UtcInstant;

/// Alerts.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlertsAnswer {
    /// When this was true.
    pub now: UtcInstant,
    /// What started before has been evaluated; null before the first evaluation.
    pub evaluated_to: Option<UtcInstant>,
    /// How many series the rules watch.
    pub watched_series: u64,
    /// How many there are, of which those beyond the limit are not listed.
    pub total: usize,
    /// Those that fire first, then the latest first.
    pub alerts: Vec<AlertAnswer>,
}

/// One alert.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlertAnswer {
    /// Its name in this API.
    pub id: String,
    /// Its rule.
    pub rule: String,
    /// What was watched: `p50`, `loss`, `absence`.
    pub measure: String,
    /// How urgent: `info`, `warning` or `critical`; null when the rule is gone.
    pub severity: Option<String>,
    /// `inactive`, `pending`, `firing`, `recovering` or `resolved`.
    pub state: String,
    /// Since when it is in this state.
    pub since: Option<UtcInstant>,
    /// Since when it is thought to be so; before it was known.
    pub regressed_at: Option<UtcInstant>,
    /// When it fired.
    pub fired_at: Option<UtcInstant>,
    /// When it was over.
    pub resolved_at: Option<UtcInstant>,
    /// How it was over: `recovered`, `new_baseline` or `retired`.
    pub ending: Option<String>,
    /// The value after.
    pub value: Option<f64>,
    /// The value before, or the limit.
    pub before: Option<f64>,
    /// The unit of both: `ms`, `percent`, `probes`, `burn` or `s`.
    pub unit: Option<String>,
    /// Where to look: before the change, and since.
    pub windows: Option<AlertWindows>,
    /// How often it has fired.
    pub episode: u64,
    /// Whether somebody was, or is to be, told of this episode.
    pub told: bool,
    /// A silence or a maintenance window covers it.
    pub silenced: bool,
    /// An incident speaks for it.
    pub suppressed: bool,
    /// `id` of the incident that speaks for it, or did; null when there is none.
    pub incident: Option<String>,
    /// Who took it upon themselves.
    pub acknowledged: Option<AcknowledgedAnswer>,
    /// Labels of its series.
    pub series: BTreeMap<String, String>,
}

/// Who took an alert upon themselves.
#[derive(Debug, Serialize, ToSchema)]
pub struct AcknowledgedAnswer {
    /// Who.
    pub by: String,
    /// What they had to say.
    pub comment: String,
    /// When.
    pub at: UtcInstant,
}

pub(super) fn labels(of: &SeriesLabels) -> BTreeMap<String, String> {
    let labels = Label::ALL.into_iter();
    labels
        .filter_map(|label| Some((label.to_string(), of.value(label)?.to_owned())))
        .chain([("target".to_owned(), of.target().to_owned())])
        .collect()
}

/// The word that serde writes for a plain enum.
pub(super) fn word(of: impl Serialize) -> Option<String> {
    serde_json::to_value(of).ok()?.as_str().map(str::to_owned)
}

impl AlertAnswer {
    /// The answer about an entry of the book, when what starts before `evaluated_to_unix_ms` has been looked at.
    pub(super) fn of(key: &AlertKey, entry: &Entry, book: &Book, evaluated_to_unix_ms: Option<u64>) -> Self {
        let rule = book.rules().rules.iter().find(|rule| rule.name == key.rule);
        let parent = entry
            .parent
            .and_then(|number| book.incidents().find(|(key, ..)| key.series == number));
        let alert = &entry.alert;
        let (since, fired_at, resolved_at, ending) = match alert.phase {
            Phase::Inactive => (None, None, None, None),
            Phase::Pending { since_unix_ms, .. } => (Some(since_unix_ms), None, None, None),
            Phase::Firing { fired_at_unix_ms } => {
                (Some(fired_at_unix_ms), Some(fired_at_unix_ms), None, None)
            }
            Phase::Recovering {
                fired_at_unix_ms,
                since_unix_ms,
                ..
            } => (Some(since_unix_ms), Some(fired_at_unix_ms), None, None),
            Phase::Resolved {
                fired_at_unix_ms,
                resolved_at_unix_ms,
                ending,
            } => (
                Some(resolved_at_unix_ms),
                Some(fired_at_unix_ms),
                Some(resolved_at_unix_ms),
                Some(ending.as_str().to_owned()),
            ),
        };
        let evidence = alert.evidence;
        Self {
            id: alert_id(key),
            rule: key.rule.clone(),
            measure: key.measure.clone(),
            severity: rule
                .map(|rule| rule.severity)
                .or(entry.incident.as_ref().map(|incident| incident.severity))
                .map(|severity| severity.as_str().to_owned()),
            state: alert.phase.as_str().to_owned(),
            since: since.map(UtcInstant::from_unix_ms),
            regressed_at: evidence.map(|evidence| UtcInstant::from_unix_ms(evidence.since_unix_ms)),
            fired_at: fired_at.map(UtcInstant::from_unix_ms),
            resolved_at: resolved_at.map(UtcInstant::from_unix_ms),
            ending,
            value: evidence.map(|evidence| evidence.value),
            before: evidence.map(|evidence| evidence.against),
            unit: evidence.and_then(|evidence| word(evidence.unit)),
            windows: evidence.map(|evidence| {
                let keep_firing_ms = rule.map_or(0, |rule| rule.keep_firing_ms);
                alert_windows::around(
                    alert.phase,
                    evidence.since_unix_ms,
                    keep_firing_ms,
                    evaluated_to_unix_ms,
                )
            }),
            episode: alert.episode,
            told: alert.told,
            silenced: alert.silenced,
            suppressed: alert.suppressed,
            incident: parent.map(|(key, ..)| alert_id(key)),
            acknowledged: alert.acknowledged.as_ref().map(|who| AcknowledgedAnswer {
                by: who.by.clone(),
                comment: who.comment.clone(),
                at: UtcInstant::from_unix_ms(who.at_unix_ms),
            }),
            series: labels(&entry.labels),
        }
    }
}

/// Rules and maintenance windows.
#[derive(Debug, Serialize, ToSchema)]
pub struct RulesAnswer {
    /// In the order of their files.
    pub rules: Vec<RuleAnswer>,
    /// When nobody wants to hear of what.
    pub maintenance: Vec<MaintenanceAnswer>,
}

/// One rule.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleAnswer {
    /// Its name.
    pub name: String,
    /// `regression`, `threshold`, `absence` or `objective`.
    pub condition: String,
    /// How urgent: `info`, `warning` or `critical`.
    pub severity: String,
    /// Where its alerts go.
    pub route: String,
    /// How long its condition must hold, in seconds.
    pub for_s: u64,
    /// How long it must have gone, in seconds.
    pub keep_firing_for_s: u64,
    /// Which series: values of each label; empty for every series.
    pub select: BTreeMap<String, Vec<String>>,
    /// Of those, not these.
    pub except: BTreeMap<String, Vec<String>>,
    /// How many of its alerts fire or recover.
    pub open: usize,
}

/// One maintenance window.
#[derive(Debug, Serialize, ToSchema)]
pub struct MaintenanceAnswer {
    /// Its name.
    pub name: String,
    /// Whether it is open now.
    pub open: bool,
    /// Which series.
    pub select: BTreeMap<String, Vec<String>>,
    /// Which rules; all when empty.
    pub rules: Vec<String>,
}

/// A selector as the API writes it.
pub(super) fn selected(selector: &Selector) -> BTreeMap<String, Vec<String>> {
    let pairs = selector.iter();
    pairs
        .map(|(label, values)| (label.to_string(), values.to_vec()))
        .collect()
}

/// What to acknowledge with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcknowledgeBody {
    /// Who takes it upon themselves; at most 100 characters.
    pub by: String,
    /// What there is to say; at most 1000 characters.
    #[serde(default)]
    pub comment: String,
}

/// A silence to begin.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SilenceBody {
    /// Alerts of which series: values of each label; of every series when it is empty.
    #[serde(default)]
    pub select: BTreeMap<Label, Vec<String>>,
    /// Alerts of which rule; of all when absent.
    pub rule: Option<String>,
    /// From when; now when absent.
    pub from: Option<String>,
    /// Until when: an instant such as `2026-11-23T10:00:00Z`.
    pub until: String,
    /// Who; at most 100 characters.
    pub by: String,
    /// Why; at most 1000 characters.
    #[serde(default)]
    pub comment: String,
}

/// Silences.
#[derive(Debug, Serialize, ToSchema)]
pub struct SilencesAnswer {
    /// Those to come, those in force, and those that ended within a week.
    pub silences: Vec<SilenceAnswer>,
}

/// One silence.
#[derive(Debug, Serialize, ToSchema)]
pub struct SilenceAnswer {
    /// Its number.
    pub id: u64,
    /// `pending`, `active` or `expired`.
    pub state: String,
    /// Alerts of which series.
    pub select: BTreeMap<String, Vec<String>>,
    /// Alerts of which rule; of all when null.
    pub rule: Option<String>,
    /// From when.
    pub from: UtcInstant,
    /// Until when.
    pub until: UtcInstant,
    /// Who.
    pub by: String,
    /// Why.
    pub comment: String,
}

impl SilenceAnswer {
    /// The answer about a silence.
    pub(super) fn of(silence: &Silence, now_unix_ms: u64) -> Self {
        let state = if now_unix_ms < silence.from_unix_ms {
            "pending"
        } else if now_unix_ms < silence.until_unix_ms {
            "active"
        } else {
            "expired"
        };
        Self {
            id: silence.id,
            state: state.to_owned(),
            select: selected(&silence.select),
            rule: silence.rule.clone(),
            from: UtcInstant::from_unix_ms(silence.from_unix_ms),
            until: UtcInstant::from_unix_ms(silence.until_unix_ms),
            by: silence.by.clone(),
            comment: silence.comment.clone(),
        }
    }
}
