//! The labels of every stored series, for rules to select by; the same values the query API selects and groups by.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use azimuth_measurement::catalogue::Catalogue;
use azimuth_measurement::{Answer, Phase};

use crate::alert::rules::SeriesLabels;
use crate::query::Label;
use crate::query::label::{network, region};
use crate::store::{SeriesId, Store, StoreError};

/// The `wanted` series of the store with their labels; where an agent stands is what it declared last.
///
/// # Errors
/// When the store cannot be read.
pub fn series_labels(
    store: &dyn Store,
    catalogue: &Catalogue,
    wanted: impl Fn(SeriesId) -> bool,
) -> Result<Vec<(SeriesId, SeriesLabels)>, StoreError> {
    let mut texts = Texts::default();
    let places: HashMap<_, _> = store
        .agents()?
        .into_iter()
        .map(|status| (status.agent.clone(), status.manifest))
        .collect();
    let metros: HashMap<_, _> = catalogue
        .zones()
        .iter()
        .map(|zone| (&zone.key, &zone.metro))
        .collect();
    let dictionary = store.dictionary();
    let of_interest = dictionary.series().filter(|(id, _)| wanted(*id));
    let labelled = of_interest.map(|(id, series)| {
        let descriptor = &series.descriptor;
        let mut labels = SeriesLabels::new(texts.of(&descriptor.target))
            .with(Label::Provider, texts.of(descriptor.zone.provider()))
            .with(Label::Region, texts.of(&region(&descriptor.zone)))
            .with(Label::Zone, texts.of(&descriptor.zone.to_string()))
            .with(Label::Method, texts.of(descriptor.method.as_str()))
            .with(Label::Load, texts.of(descriptor.load.as_str()));
        // What is as it usually is, is left out.
        if !descriptor.facet.host.is_empty() {
            labels = labels.with(Label::Address, texts.of(&descriptor.address.ip().to_string()));
        }
        if descriptor.facet.phase != Phase::Whole {
            labels = labels.with(Label::Phase, texts.of(descriptor.facet.phase.as_str()));
        }
        if descriptor.facet.answer != Answer::Ordinary {
            labels = labels.with(Label::Answer, texts.of(descriptor.facet.answer.as_str()));
        }
        // Few have several flows, and nobody wants to read of the first.
        if descriptor.flow != 0 {
            labels = labels.with(Label::Flow, texts.of(&descriptor.flow.to_string()));
        }
        if let Some(metro) = metros.get(&descriptor.zone) {
            labels = labels.with(Label::Metro, texts.of(metro.as_str()));
        }
        if let Some(agent) = dictionary.agent(series.agent) {
            labels = labels.with(Label::Agent, texts.of(&agent.to_string()));
            if let Some(manifest) = places.get(agent) {
                let place = &manifest.vantage_point;
                labels = labels
                    .with(Label::City, texts.of(&place.city))
                    .with(Label::Country, texts.of(&place.country))
                    .with(Label::Network, texts.of(&network(place)))
                    .with_network_name(texts.of(&place.network));
            }
        }
        (id, labels.complete())
    });
    Ok(labelled.collect())
}

/// Texts so far: the same one is kept once.
#[derive(Debug, Default)]
struct Texts(HashSet<Arc<str>>);

impl Texts {
    fn of(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        self.0.insert(Arc::clone(&new));
        new
    }
}
