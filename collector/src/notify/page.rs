//! A page: one thing somebody is to be told, complete in itself, so that it can wait on disk and be told later. Not the
//! alert it is about ([`crate::alert::lifecycle`]) and not the form it goes out in ([`super::form`]).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::alert::rules::model::Severity;

/// Longest label, name or sentence kept in a page, in characters. What is longer is cut and ends in `…`.
pub const LONGEST_TEXT: usize = 256;

/// What a page tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// An episode began.
    Firing,
    /// It is over.
    Resolved,
}

impl State {
    /// The one spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// One thing to tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// Identity of the alert: the same when it fires and when it is over, and over a restart. No value or time in it.
    pub alert: String,
    /// Number of the episode within the alert, from 1; later ones are larger.
    pub episode: u64,
    /// Whether it began or ended.
    pub state: State,
    /// The alert of the incident this one is a member of, which has its own page.
    #[serde(default)]
    pub parent: Option<String>,
    /// Name of the rule.
    pub rule: String,
    /// How urgent.
    pub severity: Severity,
    /// Where its rule sends it.
    pub route: String,
    /// One sentence: what happened to whom.
    pub summary: String,
    /// Labels of what it is about: agent, zone, method and so on.
    pub labels: BTreeMap<String, String>,
    /// What was measured, such as `p50`.
    pub measure: String,
    /// Its value, if there is one.
    pub value: Option<f64>,
    /// The value before, or the limit.
    pub against: Option<f64>,
    /// Unit of both: `ms`, `percent`, `probes`, `burn`, `s`.
    pub unit: String,
    /// Since when it is thought to be so, Unix time in milliseconds; before it was known.
    pub regressed_at_unix_ms: u64,
    /// Since when it fires.
    pub fired_at_unix_ms: u64,
    /// When it was over; only in a resolution.
    pub resolved_at_unix_ms: Option<u64>,
    /// How it ended: `recovered`, `new_baseline`, `retired`.
    pub resolution: Option<String>,
    /// Where the evidence is shown, at times that do not move.
    pub link: Option<String>,
    /// What the incident has inside, a line each.
    #[serde(default)]
    pub members: Vec<String>,
}

impl Page {
    /// Orders the pages of one alert: the end of an episode is after its beginning.
    pub fn position(&self) -> (u64, State) {
        (self.episode, self.state)
    }

    /// The page with control characters and overlong texts gone from everything that came from outside.
    #[must_use]
    pub fn cleaned(mut self) -> Self {
        for text in [
            &mut self.rule,
            &mut self.summary,
            &mut self.measure,
            &mut self.unit,
        ] {
            *text = one_line(text);
        }
        self.resolution = self.resolution.as_deref().map(one_line);
        self.members = self.members.iter().map(|member| one_line(member)).collect();
        let labels = std::mem::take(&mut self.labels);
        self.labels = labels
            .into_iter()
            .map(|(name, value)| (label_name(&name), one_line(&value)))
            .collect();
        self
    }
}

/// The text on one line without control or invisible direction characters, at most [`LONGEST_TEXT`] characters.
pub fn one_line(text: &str) -> String {
    let shown = text.chars().map(|c| {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || turns { ' ' } else { c }
    });
    let mut kept: String = shown.clone().take(LONGEST_TEXT).collect();
    if shown.count() > LONGEST_TEXT {
        kept.pop();
        kept.push('…');
    }
    kept
}

/// A name every receiver takes: letters, digits and `_`, not beginning with a digit.
fn label_name(name: &str) -> String {
    let mut kept: String = name
        .chars()
        .take(LONGEST_TEXT)
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    if kept.is_empty() || kept.starts_with(|c: char| c.is_ascii_digit()) {
        kept.insert(0, '_');
    }
    kept
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A page of an alert in a zone.
    pub(crate) fn page(alert: &str, episode: u64, state: State) -> Page {
        let over = state == State::Resolved;
        Page {
            alert: alert.to_owned(),
            episode,
            state,
            parent: None,
            rule: "regression".to_owned(),
            severity: Severity::Warning,
            route: "default".to_owned(),
            summary: "p50 from brest-1 to aws/eu-west-3/euw3-az1 rose from 10 ms to 14 ms".to_owned(),
            labels: [
                ("agent", "brest-1"),
                ("zone", "aws/eu-west-3/euw3-az1"),
                ("method", "stamp"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
            measure: "p50".to_owned(),
            value: Some(14.0),
            against: Some(10.0),
            unit: "ms".to_owned(),
            regressed_at_unix_ms: 1_795_427_400_000,
            fired_at_unix_ms: 1_795_428_000_000,
            resolved_at_unix_ms: over.then_some(1_795_431_600_000),
            resolution: over.then(|| "recovered".to_owned()),
            link: Some("https://azimuth.example/pair?agent=brest-1".to_owned()),
            members: Vec::new(),
        }
    }

    #[test]
    fn what_came_from_outside_is_one_line_of_bounded_length() {
        let mut hostile = page("a", 1, State::Firing);
        let value = format!("x\r\nBcc: all@example.org\u{202e}{}", "y".repeat(1_000));
        hostile.labels = [("0-bad name".to_owned(), value)].into();
        hostile.summary = "a\0b\u{2028}c".to_owned();
        let clean = hostile.cleaned();
        assert_eq!(clean.summary, "a b c");
        let value = &clean.labels["_0_bad_name"];
        assert_eq!(value.chars().count(), LONGEST_TEXT);
        assert!(
            value.starts_with("x  Bcc: all@example.org y") && value.ends_with('…'),
            "{value}"
        );
    }
}
