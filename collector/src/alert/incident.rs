//! An incident: what many series have in common, as one alert with theirs inside. Data, and what its members say of its
//! end; how it begins and whom it speaks for is [`super::book::incidents`]'s. Pure.
//!
//! It lives as an alert of the book under the name [`RULE`], so that it is stored, silenced, acknowledged and told as any
//! other. It goes on while its members are up by at least half of what they were up by when it began, each against its
//! level of before: their own references follow the new level, and would say that all is well.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::blame::Sickness;
use super::rules::measure::Unit;
use super::rules::model::Severity;
use super::rules::{AlertKey, Evidence, SeriesLabels};
use super::settings::{HOUR_MS, MINUTE_MS};
use super::weak::{Kind, Weak};
use crate::query::Label;

/// The name incidents have in place of a rule's. No rule may have it.
pub const RULE: &str = "incident";
/// The same culprit must be named for so long before it is an incident, in milliseconds: two minutes in a row.
pub const PENDING_MS: u64 = MINUTE_MS;
/// How long its cause must be gone before it is over, in milliseconds.
pub const KEEP_FIRING_MS: u64 = 15 * MINUTE_MS;
/// How long it waits for members that still fire, in milliseconds. After that they stand for themselves.
pub const MOST_WAIT_MS: u64 = HOUR_MS;
/// An alert is thought to be of the incident if it regressed at most this long before it, in milliseconds.
pub const BEFORE_MS: u64 = 30 * MINUTE_MS;
/// An incident that lasts so long is how things are now, in milliseconds.
pub const NEW_BASELINE_MS: u64 = 24 * HOUR_MS;
/// Of what the members were up by, what must be left for it to go on.
const LEFT: f64 = 0.5;
/// No member says more than this.
const MOST_SCORE: f64 = 8.0;

/// One series of an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// The series.
    pub series: u32,
    /// In what it got worse.
    pub kind: Kind,
    /// Its labels.
    pub labels: SeriesLabels,
    /// The rule that watches it.
    pub rule: String,
    /// Level before, in microseconds or as a share.
    pub base: f64,
    /// Level when it was taken in; when the incident has become the new baseline, the level then.
    pub level: f64,
    /// Standard deviation of the difference.
    pub width: f64,
}

impl Member {
    /// Standard score of what it was up by when it was taken in.
    pub fn score(&self) -> f64 {
        self.up(self.level)
    }

    /// How many widths it is up by, at a level.
    fn up(&self, level: f64) -> f64 {
        ((level - self.base) / self.width.max(f64::MIN_POSITIVE)).clamp(-MOST_SCORE, MOST_SCORE)
    }
}

/// What an incident has beside an alert's state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// What kind of thing is to blame.
    pub label: Label,
    /// Which.
    pub value: String,
    /// For an agent that is itself sick: of what.
    pub sickness: Option<Sickness>,
    /// Log likelihood ratio of the explanation, less its price, when it was named last.
    pub gain: f64,
    /// Series of the culprit that were heard when it was named last.
    pub heard: usize,
    /// The series it explains.
    pub members: Vec<Member>,
    /// Agents that had no vote.
    pub vetoed: BTreeMap<String, Sickness>,
    /// The most urgent of its members' rules.
    pub severity: Severity,
    /// Where most of its members' rules send.
    pub route: String,
}

impl Incident {
    /// Its key in the book. No value or time is part of it.
    pub fn key(number: u32, label: Label) -> AlertKey {
        AlertKey {
            rule: RULE.to_owned(),
            series: number,
            measure: label.as_str().to_owned(),
        }
    }

    /// Whether a series is one of its members.
    pub fn has(&self, series: u32) -> bool {
        self.members.iter().any(|member| member.series == series)
    }

    /// Takes series in; one that is in already, and of the same kind, stays as it is.
    pub fn take_in(&mut self, members: impl IntoIterator<Item = Member>) {
        let mut known: BTreeSet<(u32, Kind)> = self
            .members
            .iter()
            .map(|member| (member.series, member.kind))
            .collect();
        self.members.extend(
            members
                .into_iter()
                .filter(|member| known.insert((member.series, member.kind))),
        );
    }

    /// What is left of what its members were up by, weighed by how sure each is: 1 as when it began, 0 as before it.
    /// `None` when fewer than half of them were heard: no data says nothing.
    pub fn left(&self, latest: &BTreeMap<(u32, Kind), Weak>) -> Option<f64> {
        let (mut heard, mut now, mut then) = (0, 0.0, 0.0);
        for member in &self.members {
            if let Some(weak) = latest.get(&(member.series, member.kind)) {
                heard += 1;
                let was_up = member.up(member.level);
                now += was_up * member.up(weak.level);
                then += was_up * was_up;
            }
        }
        (heard * 2 >= self.members.len() && then > 0.0).then(|| now / then)
    }

    /// Whether what is left says that it goes on.
    pub fn goes_on(left: f64) -> bool {
        left >= LEFT
    }

    /// The present levels become its members' own.
    pub fn settle(&mut self, latest: &BTreeMap<(u32, Kind), Weak>) {
        for member in &mut self.members {
            if let Some(weak) = latest.get(&(member.series, member.kind)) {
                member.level = weak.level;
            }
        }
    }

    /// The middle of its members' levels, and since when: of those in delay if there are any.
    pub fn evidence(&self, since_unix_ms: u64) -> Evidence {
        let delay = self.members.iter().any(|member| member.kind == Kind::Delay);
        let (kind, scale, unit) = if delay {
            (Kind::Delay, 0.001, Unit::Ms)
        } else {
            (Kind::Loss, 100.0, Unit::Percent)
        };
        let middle = |of: fn(&Member) -> f64| {
            let members = self.members.iter().filter(|member| member.kind == kind);
            super::reference::median_of(members.map(of)).unwrap_or(0.0) * scale
        };
        Evidence {
            since_unix_ms,
            value: middle(|member| member.level),
            against: middle(|member| member.base),
            unit,
        }
    }
}
