//! Which series a rule is about, in the words of the query API: values of one label are alternatives, labels narrow each
//! other. Unlike a query's, a rule's selector may name what is not measured yet.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::query::Label;

/// What is known of one series.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SeriesLabels {
    values: BTreeMap<Label, String>,
    /// Name of the access network, by which it may be selected beside its number.
    network_name: Option<String>,
    /// Name of the target in the agent's configuration; tells two series to one zone apart.
    target: String,
}

impl SeriesLabels {
    /// The labels of the series that measures `target`.
    pub fn new(target: impl Into<String>) -> Self {
        Self {
            target: target.into(),
            ..Self::default()
        }
    }

    /// With one more label.
    #[must_use]
    pub fn with(mut self, label: Label, value: impl Into<String>) -> Self {
        self.values.insert(label, value.into());
        self
    }

    /// With the access network's name.
    #[must_use]
    pub fn with_network_name(mut self, name: impl Into<String>) -> Self {
        self.network_name = Some(name.into());
        self
    }

    /// The value of a label; `None` when it is not known.
    pub fn value(&self, label: Label) -> Option<&str> {
        self.values.get(&label).map(String::as_str)
    }

    /// The target's name.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Whether the label has this value. A network also goes by its name.
    pub fn is(&self, label: Label, value: &str) -> bool {
        self.value(label) == Some(value)
            || (label == Label::Network && self.network_name.as_deref() == Some(value))
    }
}

/// A selector; every series when it names no label.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Selector {
    wanted: Vec<(Label, Vec<String>)>,
}

impl Selector {
    /// The same, but only where `label` has one of `values`.
    #[must_use]
    pub fn with(mut self, label: Label, values: Vec<String>) -> Self {
        self.wanted.push((label, values));
        self
    }

    /// Whether it names no label.
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Whether the series is chosen.
    pub fn chooses(&self, series: &SeriesLabels) -> bool {
        self.wanted
            .iter()
            .all(|(label, values)| values.iter().any(|value| series.is(*label, value)))
    }

    /// Labels and values, as they were written.
    pub fn iter(&self) -> impl Iterator<Item = (Label, &[String])> {
        self.wanted
            .iter()
            .map(|(label, values)| (*label, values.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_widen_and_labels_narrow() {
        let series = SeriesLabels::new("t")
            .with(Label::Provider, "aws")
            .with(Label::Country, "FR")
            .with(Label::Network, "AS3215")
            .with_network_name("Orange");
        let of = |wanted: &[(Label, &[&str])]| {
            let selector = wanted
                .iter()
                .fold(Selector::default(), |selector, (label, values)| {
                    selector.with(*label, values.iter().map(ToString::to_string).collect())
                });
            selector.chooses(&series)
        };
        assert!(of(&[]));
        assert!(of(&[(Label::Provider, &["gcp", "aws"])]));
        assert!(of(&[(Label::Provider, &["aws"]), (Label::Network, &["Orange"])]));
        assert!(!of(&[(Label::Provider, &["aws"]), (Label::Country, &["DE"])]));
        assert!(
            !of(&[(Label::Metro, &["Paris"])]),
            "what is not known is not chosen"
        );
    }
}
