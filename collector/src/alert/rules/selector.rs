//! Which series a rule is about, in the words of the query API: values of one label are alternatives, labels narrow each
//! other. Unlike a query's, a rule's selector may name what is not measured yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::query::Label;

/// What is known of one series. Text is shared: most of it is that of many series.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct SeriesLabels {
    /// In the order of the labels, one each.
    values: Vec<(Label, Arc<str>)>,
    /// Name of the access network, by which it may be selected beside its number.
    network_name: Option<Arc<str>>,
    /// Name of the target in the agent's configuration; tells two series to one zone apart.
    target: Arc<str>,
}

/// As they are stored with an alert.
#[derive(Serialize, Deserialize)]
struct Written {
    values: BTreeMap<Label, String>,
    network_name: Option<String>,
    target: String,
}

impl From<SeriesLabels> for Written {
    fn from(labels: SeriesLabels) -> Self {
        let values = labels.values.iter();
        Self {
            values: values.map(|(label, value)| (*label, value.to_string())).collect(),
            network_name: labels.network_name.map(|name| name.to_string()),
            target: labels.target.to_string(),
        }
    }
}

impl From<Written> for SeriesLabels {
    fn from(written: Written) -> Self {
        let values = written.values.into_iter();
        Self {
            values: values.map(|(label, value)| (label, value.into())).collect(),
            network_name: written.network_name.map(Arc::from),
            target: written.target.into(),
        }
    }
}

impl SeriesLabels {
    /// The labels of the series that measures `target`.
    pub fn new(target: impl Into<Arc<str>>) -> Self {
        Self {
            target: target.into(),
            ..Self::default()
        }
    }

    /// With one more label.
    #[must_use]
    pub fn with(mut self, label: Label, value: impl Into<Arc<str>>) -> Self {
        let value = value.into();
        match self.values.binary_search_by_key(&label, |(label, _)| *label) {
            Ok(at) => self.values[at].1 = value,
            Err(at) => self.values.insert(at, (label, value)),
        }
        self
    }

    /// With the access network's name.
    #[must_use]
    pub fn with_network_name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.network_name = Some(name.into());
        self
    }

    /// Without room for more: thousands of these are resident.
    #[must_use]
    pub fn complete(mut self) -> Self {
        self.values.shrink_to_fit();
        self
    }

    /// Bytes on the heap, but for the text that is shared.
    pub fn heap_bytes(&self) -> usize {
        self.values.capacity() * size_of::<(Label, Arc<str>)>()
    }

    /// The value of a label; `None` when it is not known.
    pub fn value(&self, label: Label) -> Option<&str> {
        let at = self
            .values
            .binary_search_by_key(&label, |(label, _)| *label)
            .ok()?;
        Some(&*self.values[at].1)
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
    fn they_are_stored_as_they_always_were() {
        let text = r#"{"values":{"zone":"aws/r/a","agent":"brest-1"},"network_name":"Orange","target":"t"}"#;
        let labels: SeriesLabels = serde_json::from_str(text).expect("labels");
        let made = SeriesLabels::new("t")
            .with(Label::Zone, "elsewhere")
            .with(Label::Zone, "aws/r/a")
            .with(Label::Agent, "brest-1")
            .with_network_name("Orange");
        assert_eq!(labels, made.complete());
        let again: serde_json::Value = serde_json::to_value(&labels).expect("JSON");
        assert_eq!(
            again,
            serde_json::from_str::<serde_json::Value>(text).expect("JSON")
        );
    }

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
