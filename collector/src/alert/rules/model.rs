//! What a rule is. How it is written is [`super::file`]'s business.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::calendar::Maintenance;
use super::objective::Objective;
use super::selector::Selector;
use super::threshold::Threshold;
use crate::alert::event::Statistic;
use crate::alert::settings::{MINUTE_MS, Settings};

/// Name of the rule every series has unless it is turned off.
pub const DEFAULT_RULE: &str = "regression";
/// Where alerts go that name no route.
pub const DEFAULT_ROUTE: &str = "default";
/// How long an alert stays firing after its condition has gone, so that a flapping path is one alert.
pub const DEFAULT_KEEP_FIRING_MS: u64 = 15 * MINUTE_MS;

/// How urgent an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth looking at today.
    Warning,
    /// Worth waking somebody.
    Critical,
}

impl Severity {
    /// The one spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What a rule watches for.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// The series got worse than it was.
    Regression {
        /// The detector's numbers, with the rule's floors.
        settings: Arc<Settings>,
        /// Which of its statistics count.
        statistics: Vec<Statistic>,
    },
    /// A measure is beyond a limit.
    Threshold(Threshold),
    /// A series that used to report has fallen silent for this long.
    Absence {
        /// Milliseconds without a sample.
        silent_ms: u64,
    },
    /// An error budget burns too fast.
    Objective(Objective),
}

impl Condition {
    /// The one spelling.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Regression { .. } => "regression",
            Self::Threshold(_) => "threshold",
            Self::Absence { .. } => "absence",
            Self::Objective(_) => "objective",
        }
    }
}

/// One rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Its name, unique in the set; part of every alert's identity.
    pub name: String,
    /// What it watches for.
    pub condition: Condition,
    /// Which series.
    pub select: Selector,
    /// Of those, not these; nothing when it names no label.
    pub except: Selector,
    /// How urgent.
    pub severity: Severity,
    /// Where its alerts go.
    pub route: String,
    /// How long the condition must hold before the alert fires, in milliseconds.
    pub pending_ms: u64,
    /// How long it must have gone before the alert is over, in milliseconds.
    pub keep_firing_ms: u64,
}

impl Rule {
    /// Regressions of every series, with the default settings.
    pub fn default_regression() -> Self {
        Self {
            name: DEFAULT_RULE.to_owned(),
            condition: Condition::Regression {
                settings: Arc::default(),
                statistics: Statistic::ALL.to_vec(),
            },
            select: Selector::default(),
            except: Selector::default(),
            severity: Severity::Warning,
            route: DEFAULT_ROUTE.to_owned(),
            pending_ms: 0,
            keep_firing_ms: DEFAULT_KEEP_FIRING_MS,
        }
    }
}

/// All rules of an installation, in the order of their files.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleSet {
    /// The rules. Of the regression rules that select a series, the first counts.
    pub rules: Vec<Rule>,
    /// When nobody wants to hear of what.
    pub maintenance: Vec<Maintenance>,
}

impl Default for RuleSet {
    fn default() -> Self {
        Self {
            rules: vec![Rule::default_regression()],
            maintenance: Vec::new(),
        }
    }
}
