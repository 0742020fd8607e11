//! The weak evidence of watched series, for whoever pools it: what a series' detector says before any threshold, as far as
//! its regression rule watches that at all. Not a verdict.

use super::{RegressionWatch, Watch};
use crate::alert::event::Statistic;
use crate::alert::rules::model::{Condition, Rule};
use crate::alert::weak::{Kind, Weak};

/// One series' word about one kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// The series.
    pub series: u32,
    /// About what.
    pub kind: Kind,
    /// What it says.
    pub weak: Weak,
}

impl Watch {
    /// Keeps weak evidence from now on, for [`Self::take_readings`].
    pub fn keep_readings(&mut self) {
        self.readings.get_or_insert_default();
    }

    /// The weak evidence since this was asked last, in the order in which it came.
    pub fn take_readings(&mut self) -> Vec<Reading> {
        self.readings.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The regression rule that watches a series, if any does.
    pub fn regression_rule(&self, series: u32) -> Option<&Rule> {
        let regression = self.series.get(&series)?.regression.as_ref()?;
        self.rules.rules.get(regression.rule)
    }
}

impl RegressionWatch {
    pub(super) fn read(&mut self, rules: &[Rule], series: u32, readings: &mut Vec<Reading>) {
        let Some(Condition::Regression { statistics, .. }) = rules.get(self.rule).map(|rule| &rule.condition)
        else {
            return;
        };
        let words = self.detector.take_weak().filter(|(kind, _)| {
            statistics.contains(match kind {
                Kind::Delay => &Statistic::Median,
                Kind::Loss => &Statistic::Loss,
            })
        });
        readings.extend(words.map(|(kind, weak)| Reading { series, kind, weak }));
    }
}
