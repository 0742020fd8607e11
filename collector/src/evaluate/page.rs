//! What is to be told, with all that a message needs: nothing has to be looked up when it is sent, and what it says is
//! what was true when it came about. Not the sending.

use serde::{Deserialize, Serialize};

use crate::alert::book::{Book, Told};
use crate::alert::incident::Incident;
use crate::alert::lifecycle::{Notice, Phase};
use crate::alert::rules::model::DEFAULT_ROUTE;
use crate::alert::rules::watch::Ending;
use crate::alert::rules::{AlertKey, Evidence, SeriesLabels, Severity};

/// Members of an incident that a page names.
pub const MOST_MEMBERS: usize = 20;

/// One row of the outbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// Its place: later ones have a higher one, and none is used twice. With it a receiver knows a repetition.
    pub sequence: u64,
    /// Of which alert.
    pub key: AlertKey,
    /// Fired, or resolved; and which episode.
    #[serde(flatten)]
    pub notice: Notice,
    /// When it came about, Unix time in milliseconds.
    pub at_unix_ms: u64,
    /// When the alert fired, Unix time in milliseconds.
    pub fired_at_unix_ms: u64,
    /// How it came to its end, when it has.
    pub ending: Option<Ending>,
    /// How urgent its rule is; absent when the rule is gone.
    pub severity: Option<Severity>,
    /// Where its rule wants it.
    pub route: String,
    /// Labels of the series.
    pub labels: SeriesLabels,
    /// Why it fires, or fired.
    pub evidence: Option<Evidence>,
    /// What the incident is, if it is one, with its first members.
    #[serde(default)]
    pub incident: Option<Incident>,
    /// How many members the incident has.
    #[serde(default)]
    pub members: usize,
}

impl Page {
    /// The page for a notice; `None` when its alert is not in the book, which a notice never outlives.
    pub fn of(told: Told, sequence: u64, book: &Book) -> Option<Self> {
        let entry = book.alert(&told.key)?;
        let rule = book.rules().rules.iter().find(|rule| rule.name == told.key.rule);
        let (fired_at_unix_ms, ending) = match entry.alert.phase {
            Phase::Firing { fired_at_unix_ms } | Phase::Recovering { fired_at_unix_ms, .. } => {
                (fired_at_unix_ms, None)
            }
            Phase::Resolved {
                fired_at_unix_ms,
                ending,
                ..
            } => (fired_at_unix_ms, Some(ending)),
            Phase::Inactive | Phase::Pending { .. } => (told.at_unix_ms, None),
        };
        let mut incident = entry.incident.clone();
        let members = incident.as_ref().map_or(0, |incident| incident.members.len());
        if let Some(incident) = &mut incident {
            incident.members.truncate(MOST_MEMBERS);
        }
        let severity = rule.map(|rule| rule.severity);
        let route = rule.map(|rule| rule.route.clone());
        Some(Self {
            sequence,
            key: told.key,
            notice: told.notice,
            at_unix_ms: told.at_unix_ms,
            fired_at_unix_ms,
            ending,
            severity: severity.or(incident.as_ref().map(|incident| incident.severity)),
            route: route
                .or_else(|| incident.as_ref().map(|incident| incident.route.clone()))
                .unwrap_or_else(|| DEFAULT_ROUTE.to_owned()),
            labels: entry.labels.clone(),
            evidence: entry.alert.evidence,
            incident,
            members,
        })
    }
}
