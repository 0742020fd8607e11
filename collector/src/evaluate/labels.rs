//! The labels of every stored series, for rules to select by; the same values the query API selects and groups by.

use std::collections::HashMap;

use azimuth_measurement::catalogue::Catalogue;
use azimuth_measurement::{Answer, Phase};

use crate::alert::rules::SeriesLabels;
use crate::query::Label;
use crate::query::label::{network, region};
use crate::store::{SeriesId, Store, StoreError};

/// Every series of the store with its labels; where an agent stands is what it declared last.
///
/// # Errors
/// When the store cannot be read.
pub fn series_labels(
    store: &dyn Store,
    catalogue: &Catalogue,
) -> Result<Vec<(SeriesId, SeriesLabels)>, StoreError> {
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
    let labelled = dictionary.series().map(|(id, series)| {
        let descriptor = &series.descriptor;
        let mut labels = SeriesLabels::new(descriptor.target.clone())
            .with(Label::Provider, descriptor.zone.provider())
            .with(Label::Region, region(&descriptor.zone))
            .with(Label::Zone, descriptor.zone.to_string())
            .with(Label::Method, descriptor.method.as_str())
            .with(Label::Load, descriptor.load.as_str());
        // What is as it usually is, is left out.
        if !descriptor.facet.host.is_empty() {
            labels = labels.with(Label::Address, descriptor.address.ip().to_string());
        }
        if descriptor.facet.phase != Phase::Whole {
            labels = labels.with(Label::Phase, descriptor.facet.phase.as_str());
        }
        if descriptor.facet.answer != Answer::Ordinary {
            labels = labels.with(Label::Answer, descriptor.facet.answer.as_str());
        }
        // Few have several flows, and nobody wants to read of the first.
        if descriptor.flow != 0 {
            labels = labels.with(Label::Flow, descriptor.flow.to_string());
        }
        if let Some(metro) = metros.get(&descriptor.zone) {
            labels = labels.with(Label::Metro, metro.as_str());
        }
        if let Some(agent) = dictionary.agent(series.agent) {
            labels = labels.with(Label::Agent, agent.to_string());
            if let Some(manifest) = places.get(agent) {
                let place = &manifest.vantage_point;
                labels = labels
                    .with(Label::City, place.city.clone())
                    .with(Label::Country, place.country.clone())
                    .with(Label::Network, network(place))
                    .with_network_name(place.network.clone());
            }
        }
        (id, labels)
    });
    Ok(labelled.collect())
}
