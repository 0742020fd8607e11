//! Which series a question is about. Values of one label are alternatives; labels narrow each other.

use std::collections::HashMap;

use azimuth_measurement::{AgentId, Answer, LoadLabel, Method, Phase, ZoneKey};

use super::label::{Label, Labels};
use super::{QueryError, Source};
use crate::store::dictionary::Series;
use crate::store::{SeriesId, SeriesSelection};

/// Which series.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    wanted: Vec<(Label, Vec<String>)>,
}

impl Selection {
    /// Every series of one method under one load label.
    pub fn of(method: Method, load: LoadLabel) -> Self {
        Self::default()
            .with(Label::Method, method.to_string())
            .with(Label::Load, load.to_string())
    }

    /// Of these, the ones in which `label` has `value`, or a value named before.
    #[must_use]
    pub fn with(mut self, label: Label, value: String) -> Self {
        match self.wanted.iter_mut().find(|(known, _)| *known == label) {
            Some((_, values)) => values.push(value),
            None => self.wanted.push((label, vec![value])),
        }
        self
    }

    /// The same, but for one agent.
    #[must_use]
    pub fn agent(self, agent: &AgentId) -> Self {
        self.with(Label::Agent, agent.to_string())
    }

    /// The same, but for one zone.
    #[must_use]
    pub fn zone(self, zone: &ZoneKey) -> Self {
        self.with(Label::Zone, zone.to_string())
    }

    /// The values asked for; none when the label was not asked about.
    pub fn values(&self, label: Label) -> &[String] {
        self.wanted
            .iter()
            .find(|(known, _)| *known == label)
            .map_or(&[], |(_, values)| values)
    }

    /// The same, of the main phase and of ordinary answers, unless something else was asked for or is `grouped` by: two
    /// phases are never merged into one number, nor are delays of answers that say no with those that say yes.
    #[must_use]
    fn main_unless(self, grouped: &[Label]) -> Self {
        let usual = [
            (Label::Phase, Phase::Whole.to_string()),
            (Label::Answer, Answer::Ordinary.to_string()),
        ];
        usual.into_iter().fold(self, |selection, (label, value)| {
            if grouped.contains(&label) || !selection.values(label).is_empty() {
                selection
            } else {
                selection.with(label, value)
            }
        })
    }

    /// The labels asked about.
    pub fn labels(&self) -> impl Iterator<Item = Label> + '_ {
        self.wanted.iter().map(|(label, _)| *label)
    }
}

/// What many series have alike: their method, load label, flow, phase and answer.
type Kind = (Method, LoadLabel, u16, Phase, Answer);

/// The series of a selection, and their labels.
pub(super) struct Chosen<'a> {
    pub(super) labels: Labels<'a>,
    pub(super) series: SeriesSelection,
}

impl<'a> Chosen<'a> {
    /// Finds the series. `grouped` are the labels that will be asked for beside those of the selection.
    ///
    /// # Errors
    /// When a value is one under which nothing is stored, so that a misspelt one is not answered with emptiness.
    pub(super) fn find(
        source: &Source<'a>,
        selection: &Selection,
        grouped: &[Label],
    ) -> Result<Self, QueryError> {
        let selection = &selection.clone().main_unless(grouped);
        let wanted = selection.labels().chain(grouped.iter().copied());
        let labels = Labels::read(source, wanted)?;
        check_values(&labels, selection)?;
        let mut by_agent = HashMap::new();
        let mut by_zone: HashMap<&ZoneKey, bool> = HashMap::new();
        // Few, so a walk is the fastest way to look one up.
        let mut by_kind: Vec<(Kind, bool)> = Vec::new();
        let fits = |series: &Series, group: fn(Label) -> bool| {
            selection
                .wanted
                .iter()
                .filter(|(label, _)| group(*label))
                .all(|(label, values)| labels.is_one_of(*label, series, values))
        };
        let mut chosen = SeriesSelection::default();
        for (id, series) in labels.dictionary.series() {
            let of_agent = by_agent
                .entry(series.agent)
                .or_insert_with(|| fits(series, Label::is_of_vantage_point));
            let of_zone = by_zone
                .entry(&series.descriptor.zone)
                .or_insert_with(|| fits(series, Label::is_of_zone));
            let what = &series.descriptor;
            let kind = (
                what.method,
                what.load,
                what.flow,
                what.facet.phase,
                what.facet.answer,
            );
            let of_kind = match by_kind.iter().find(|(known, _)| *known == kind) {
                Some((_, fits)) => *fits,
                None => {
                    let fits = fits(series, Label::is_of_kind);
                    by_kind.push((kind, fits));
                    fits
                }
            };
            if *of_agent && *of_zone && of_kind && fits(series, |label| label == Label::Address) {
                chosen.insert(id);
            }
        }
        Ok(Self {
            series: chosen,
            labels,
        })
    }

    /// Every series chosen.
    pub(super) fn iter(&self) -> impl Iterator<Item = (SeriesId, &Series)> {
        self.labels
            .dictionary
            .series()
            .filter(|(id, _)| self.series.contains(*id))
    }
}

/// Methods, load labels, phases and answers are closed lists; one that nobody measures by is a fair question without an answer.
fn check_values(labels: &Labels<'_>, selection: &Selection) -> Result<(), QueryError> {
    let open = |label: &Label| !label.is_of_kind() || *label == Label::Flow;
    for (label, values) in selection.wanted.iter().filter(|(label, _)| open(label)) {
        for value in values {
            let alone = std::slice::from_ref(value);
            let known = match label {
                Label::Agent => value
                    .parse::<AgentId>()
                    .is_ok_and(|agent| labels.dictionary.agent_number(&agent).is_some()),
                _ => labels
                    .dictionary
                    .series()
                    .any(|(_, series)| labels.is_one_of(*label, series, alone)),
            };
            if !known {
                return Err(QueryError::Unknown {
                    label: *label,
                    value: value.clone(),
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::source::tests::source;
    use super::*;
    use crate::store::Store;
    use crate::store::conformance::{item, manifest_of, report_of, verified};
    use crate::store::memory::MemoryStore;

    #[test]
    fn values_widen_labels_narrow_and_a_misspelt_value_is_named() {
        let store = MemoryStore::default();
        for (id, city, asn) in [("a", "Paris", 12_322), ("b", "Brest", 3_215), ("c", "Brest", 0)] {
            let mut manifest = manifest_of(id, 2);
            manifest.vantage_point.city = city.to_owned();
            manifest.vantage_point.asn = asn;
            store
                .commit(
                    &[verified(&manifest)],
                    &[item(&report_of(&manifest, 1, 0, &[100]))],
                )
                .expect("writable");
        }
        assert!(store.agents().is_ok_and(|agents| agents.len() == 3));
        let count = |selection: Selection| {
            Chosen::find(&source(&store), &selection, &[]).map(|chosen| chosen.iter().count())
        };
        let all = || Selection::of(Method::Stamp, LoadLabel::Idle);
        let with = |label, value: &str| all().with(label, value.to_owned());
        assert_eq!(count(all()).ok(), Some(6));
        assert_eq!(count(with(Label::City, "Brest")).ok(), Some(4));
        assert_eq!(
            count(with(Label::City, "Brest").with(Label::City, "Paris".to_owned())).ok(),
            Some(6)
        );
        assert_eq!(
            count(with(Label::City, "Brest").with(Label::Agent, "b".to_owned())).ok(),
            Some(2)
        );
        assert_eq!(count(with(Label::Network, "AS3215")).ok(), Some(2));
        assert_eq!(
            count(with(Label::Network, "Free")).ok(),
            Some(6),
            "all three were declared by that name"
        );
        assert_eq!(count(with(Label::Region, "aws/eu-west-3")).ok(), Some(6));
        assert_eq!(
            count(Selection::of(Method::DnsQuery, LoadLabel::Idle)).ok(),
            Some(0)
        );
        assert_eq!(
            count(with(Label::Flow, "0")).ok(),
            Some(6),
            "all are of the first flow"
        );
        assert!(count(with(Label::Flow, "3")).is_err(), "nobody has a fourth");
        let misspelt = count(with(Label::City, "Breast")).expect_err("no such city");
        assert!(misspelt.to_string().contains("city `Breast`"), "{misspelt}");
    }
}
