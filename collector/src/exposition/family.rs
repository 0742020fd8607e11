//! Metric families before they have a form: names, help, and samples. Which form they get is decided by who reads them.
//!
//! Standard: the data model of Prometheus. Names end in their base unit, counters in `_total` beside that.

use std::sync::Arc;

use super::exponential::Delays;

/// Labels of a sample, in the order in which they are shown. Shared, because a pair has the same in several families.
pub type Labels = Arc<[(&'static str, Box<str>)]>;

/// What a family counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only ever grows while the process lives.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Delays.
    Histogram,
}

/// One number, or one histogram.
#[derive(Debug, Clone)]
pub enum Value {
    /// A whole number, shown whole.
    Whole(u64),
    /// Any number.
    Real(f64),
    /// A histogram.
    Delays(Box<Delays>),
}

/// One series of a family.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Its labels.
    pub labels: Labels,
    /// Its value.
    pub value: Value,
}

/// Samples of one name.
#[derive(Debug, Clone)]
pub struct Family {
    /// The name.
    pub name: &'static str,
    /// What it means.
    pub help: &'static str,
    /// What it counts.
    pub kind: Kind,
    /// The samples; two never have the same labels.
    pub samples: Vec<Sample>,
}

impl Family {
    /// A family without samples yet.
    pub fn new(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self {
            name,
            help,
            kind,
            samples: Vec::new(),
        }
    }

    /// A counter without labels.
    pub fn counter(name: &'static str, help: &'static str, value: u64) -> Self {
        Self::single(name, Kind::Counter, help, Value::Whole(value))
    }

    /// A gauge without labels.
    pub fn gauge(name: &'static str, help: &'static str, value: u64) -> Self {
        Self::single(name, Kind::Gauge, help, Value::Whole(value))
    }

    /// A family of one sample without labels.
    pub fn single(name: &'static str, kind: Kind, help: &'static str, value: Value) -> Self {
        let mut family = Self::new(name, kind, help);
        family.push(Arc::new([]), value);
        family
    }

    /// Adds a sample.
    pub fn push(&mut self, labels: Labels, value: Value) {
        self.samples.push(Sample { labels, value });
    }
}

/// Labels from names and values.
pub fn labels<const N: usize>(pairs: [(&'static str, &str); N]) -> Labels {
    pairs.map(|(name, value)| (name, Box::from(value))).into()
}
