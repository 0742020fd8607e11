//! The labels of a series: what a question may choose by, and what an answer may be grouped by.
//!
//! Where a series is measured from is what its agent declared last; an agent that moved takes its past along. What is
//! known of a zone beyond its key is the catalogue's.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use azimuth_measurement::catalogue::CatalogueZone;
use azimuth_measurement::{Manifest, VantagePoint, ZoneKey};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{QueryError, Source};
use crate::store::Dictionary;
use crate::store::dictionary::{AgentNumber, Series};

/// A label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// The agent: one vantage point.
    Agent,
    /// City of the vantage point.
    City,
    /// Country of the vantage point, ISO 3166-1 alpha-2.
    Country,
    /// Access network of the vantage point: `AS3215`, or its name when its number is not known.
    Network,
    /// Provider of the zone.
    Provider,
    /// Region of the zone, `provider/region`.
    Region,
    /// The zone, `provider/region/zone`.
    Zone,
    /// Metropolitan area of the zone; none for a zone the catalogue does not know.
    Metro,
    /// The method.
    Method,
    /// The load label.
    Load,
    /// The address probed, without its port: one of several where a name is the target.
    Address,
    /// The part of the exchange: `whole`, `dns`, `connect`, `tls`, `request`, `first_byte`.
    Phase,
    /// The kind of the answer: `ordinary`, `server_error`, `no_such_name`, ...
    Answer,
    /// Which of several flows (source ports) to the same target, from `0`.
    Flow,
}

impl Label {
    /// Every label.
    pub const ALL: [Self; 14] = [
        Self::Agent,
        Self::City,
        Self::Country,
        Self::Network,
        Self::Provider,
        Self::Region,
        Self::Zone,
        Self::Metro,
        Self::Method,
        Self::Load,
        Self::Address,
        Self::Phase,
        Self::Answer,
        Self::Flow,
    ];

    /// The one spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::City => "city",
            Self::Country => "country",
            Self::Network => "network",
            Self::Provider => "provider",
            Self::Region => "region",
            Self::Zone => "zone",
            Self::Metro => "metro",
            Self::Method => "method",
            Self::Load => "load",
            Self::Address => "address",
            Self::Phase => "phase",
            Self::Answer => "answer",
            Self::Flow => "flow",
        }
    }

    /// Whether it says where a series is measured from.
    pub fn is_of_vantage_point(self) -> bool {
        matches!(self, Self::Agent | Self::City | Self::Country | Self::Network)
    }

    /// Whether it says where a series is measured to.
    pub fn is_of_zone(self) -> bool {
        matches!(self, Self::Provider | Self::Region | Self::Zone | Self::Metro)
    }
}

impl Label {
    /// Whether its values are a closed list that says what kind of measurement a series is.
    pub fn is_of_kind(self) -> bool {
        matches!(
            self,
            Self::Method | Self::Load | Self::Flow | Self::Phase | Self::Answer
        )
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Label {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|label| label.as_str() == text)
            .ok_or_else(|| {
                let given: String = text.chars().take(80).collect();
                format!(
                    "{given:?} is not a label; use one of: {}",
                    Self::ALL.map(Self::as_str).join(", ")
                )
            })
    }
}

/// Looks up labels for one question.
pub(super) struct Labels<'a> {
    pub(super) dictionary: Arc<Dictionary>,
    places: HashMap<AgentNumber, Arc<Manifest>>,
    zones: HashMap<&'a ZoneKey, &'a CatalogueZone>,
}

impl<'a> Labels<'a> {
    /// Reads what `wanted` need; only the labels of a vantage point's place cost a look at the store.
    pub(super) fn read(
        source: &Source<'a>,
        mut wanted: impl Iterator<Item = Label>,
    ) -> Result<Self, QueryError> {
        let dictionary = source.store.dictionary();
        let places = if wanted.any(|label| label.is_of_vantage_point() && label != Label::Agent) {
            let statuses = source.store.agents()?;
            let numbered = statuses
                .into_iter()
                .filter_map(|status| Some((dictionary.agent_number(&status.agent)?, status.manifest)));
            numbered.collect()
        } else {
            HashMap::new()
        };
        let zones = source.catalogue.zones().iter().map(|zone| (&zone.key, zone));
        Ok(Self {
            dictionary,
            places,
            zones: zones.collect(),
        })
    }

    /// Where an agent stands; `None` when nobody asked for a label that needs it.
    pub(super) fn place(&self, agent: AgentNumber) -> Option<&VantagePoint> {
        self.places.get(&agent).map(|manifest| &manifest.vantage_point)
    }

    /// The value of a label; `None` when it is not known.
    pub(super) fn value(&self, label: Label, series: &Series) -> Option<String> {
        let zone = &series.descriptor.zone;
        match label {
            Label::Agent => self.dictionary.agent(series.agent).map(ToString::to_string),
            Label::City => self.place(series.agent).map(|place| place.city.clone()),
            Label::Country => self.place(series.agent).map(|place| place.country.clone()),
            Label::Network => self.place(series.agent).map(network),
            Label::Provider => Some(zone.provider().to_owned()),
            Label::Region => Some(region(zone)),
            Label::Zone => Some(zone.to_string()),
            Label::Metro => self.zones.get(zone).map(|known| known.metro.clone()),
            Label::Method => Some(series.descriptor.method.to_string()),
            Label::Load => Some(series.descriptor.load.to_string()),
            Label::Address => Some(series.descriptor.address.ip().to_string()),
            Label::Phase => Some(series.descriptor.facet.phase.to_string()),
            Label::Answer => Some(series.descriptor.facet.answer.to_string()),
            Label::Flow => Some(series.descriptor.flow.to_string()),
        }
    }

    /// Whether a label has one of these values. A network also goes by its name.
    pub(super) fn is_one_of(&self, label: Label, series: &Series, values: &[String]) -> bool {
        let has = |value: &str| values.iter().any(|wanted| wanted == value);
        self.value(label, series).is_some_and(|value| has(&value))
            || (label == Label::Network && self.place(series.agent).is_some_and(|place| has(&place.network)))
    }
}

/// The access network of a place: `AS3215`, or its name when its number is not known.
pub(crate) fn network(place: &VantagePoint) -> String {
    match place.asn {
        0 => place.network.clone(),
        asn => format!("AS{asn}"),
    }
}

/// `provider/region`, written as in a zone.
pub(crate) fn region(zone: &ZoneKey) -> String {
    let text = zone.to_string();
    text.rsplit_once('/')
        .map_or_else(String::new, |(region, _)| region.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_has_one_spelling_and_a_wrong_one_lists_them() {
        for label in Label::ALL {
            assert_eq!(label.as_str().parse(), Ok(label));
            assert_eq!(
                serde_json::to_value(label).expect("plain data"),
                label.as_str(),
                "JSON spells it the same"
            );
        }
        let error = "isp".parse::<Label>().expect_err("no such label");
        assert!(error.contains("network, provider"), "{error}");
    }

    #[test]
    fn a_region_keeps_its_provider_and_its_escapes() {
        let zone = ZoneKey::new("ionos", "fr/par", "z").expect("a zone");
        assert_eq!(region(&zone), "ionos/fr%2Fpar");
    }
}
