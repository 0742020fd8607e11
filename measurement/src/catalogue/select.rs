//! Choosing from a catalogue by what is known of zones: `country=FR,provider=ovhcloud`. Values of one key are alternatives;
//! keys narrow each other. Pure.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::{Catalogue, CatalogueEndpoint, CatalogueProvider, CatalogueZone};

/// What may be chosen by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// Country of the zone.
    Country,
    /// Provider.
    Provider,
    /// `provider/region`.
    Region,
    /// `provider/region/zone`.
    Zone,
    /// City of the zone.
    City,
    /// Metropolitan area.
    Metro,
    /// Country of the company that runs it.
    Operator,
    /// Country of the company that owns that one in the end.
    Parent,
    /// A certification that was read or remembered as held.
    Qualification,
}

impl Key {
    const ALL: [Self; 9] = [
        Self::Country,
        Self::Provider,
        Self::Region,
        Self::Zone,
        Self::City,
        Self::Metro,
        Self::Operator,
        Self::Parent,
        Self::Qualification,
    ];

    /// The one spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Country => "country",
            Self::Provider => "provider",
            Self::Region => "region",
            Self::Zone => "zone",
            Self::City => "city",
            Self::Metro => "metro",
            Self::Operator => "operator",
            Self::Parent => "parent",
            Self::Qualification => "qualification",
        }
    }

    fn has(self, provider: Option<&CatalogueProvider>, zone: &CatalogueZone, wanted: &str) -> bool {
        let is = |value: &str| value.eq_ignore_ascii_case(wanted);
        match self {
            Self::Country => is(&zone.country),
            Self::Provider => zone.key.provider() == wanted,
            Self::Region => {
                let key = zone.key.to_string();
                key.rsplit_once('/').is_some_and(|(region, _)| region == wanted)
            }
            Self::Zone => zone.key.to_string() == wanted,
            Self::City => is(&zone.city),
            Self::Metro => is(&zone.metro),
            Self::Operator => provider
                .and_then(|provider| provider.operator_country.as_deref())
                .is_some_and(is),
            Self::Parent => provider
                .and_then(|provider| provider.parent_country.as_deref())
                .is_some_and(is),
            Self::Qualification => provider.is_some_and(|provider| {
                provider
                    .qualifications
                    .iter()
                    .any(|read| is(&read.scheme) && read.status.starts_with("held"))
            }),
        }
    }
}

/// Which zones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    wanted: Vec<(Key, Vec<String>)>,
}

/// Not a selector, or one that cannot choose anything.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SelectorError {
    /// No `key=value`.
    #[error("{0:?} is not key=value; write for example country=FR,provider=ovhcloud")]
    Shape(String),
    /// A key that is none.
    #[error("{given:?} is nothing to choose zones by; use one of: {}", Key::ALL.map(Key::as_str).join(", "))]
    Key {
        /// As given.
        given: String,
    },
    /// A region without its provider.
    #[error(
        "{0:?} is not a region; write provider/region, for example aws/eu-west-3: region ids collide across providers"
    )]
    Region(String),
    /// Nothing in the catalogue has this value.
    #[error("no zone of the catalogue has {key} {value:?}; `azimuth-collector catalogue list` shows them")]
    Unknown {
        /// The key.
        key: &'static str,
        /// As given.
        value: String,
    },
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let mut selector = Self::default();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let shape = || SelectorError::Shape(pair.chars().take(80).collect());
            let (key, value) = pair.split_once('=').ok_or_else(shape)?;
            let (key, value) = (key.trim(), value.trim());
            if value.is_empty() {
                return Err(shape());
            }
            let key = Key::ALL
                .into_iter()
                .find(|known| known.as_str() == key)
                .ok_or_else(|| SelectorError::Key {
                    given: key.chars().take(80).collect(),
                })?;
            if key == Key::Region && !value.contains('/') {
                return Err(SelectorError::Region(value.chars().take(80).collect()));
            }
            match selector.wanted.iter_mut().find(|(known, _)| *known == key) {
                Some((_, values)) => values.push(value.to_owned()),
                None => selector.wanted.push((key, vec![value.to_owned()])),
            }
        }
        if selector.wanted.is_empty() {
            return Err(SelectorError::Shape(text.chars().take(80).collect()));
        }
        Ok(selector)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = self
            .wanted
            .iter()
            .flat_map(|(key, values)| values.iter().map(|value| format!("{}={value}", key.as_str())));
        f.write_str(&pairs.collect::<Vec<_>>().join(","))
    }
}

impl Selector {
    /// The zones it chooses, in the catalogue's order.
    ///
    /// # Errors
    /// [`SelectorError::Unknown`] for a value that no zone has, so that a misspelt one is not answered with emptiness.
    pub fn zones<'a>(&self, catalogue: &'a Catalogue) -> Result<Vec<&'a CatalogueZone>, SelectorError> {
        let provider = |zone: &CatalogueZone| catalogue.provider(zone.key.provider());
        for (key, values) in &self.wanted {
            for value in values {
                let mut zones = catalogue.zones().iter();
                if !zones.any(|zone| key.has(provider(zone), zone, value)) {
                    return Err(SelectorError::Unknown {
                        key: key.as_str(),
                        value: value.chars().take(80).collect(),
                    });
                }
            }
        }
        let fits = |zone: &&CatalogueZone| {
            self.wanted
                .iter()
                .all(|(key, values)| values.iter().any(|value| key.has(provider(zone), zone, value)))
        };
        Ok(catalogue.zones().iter().filter(fits).collect())
    }

    /// The endpoints of the zones it chooses, each with one such zone, in the catalogue's order.
    ///
    /// # Errors
    /// As [`zones`](Self::zones).
    pub fn endpoints<'a>(
        &self,
        catalogue: &'a Catalogue,
    ) -> Result<Vec<(&'a CatalogueEndpoint, &'a CatalogueZone)>, SelectorError> {
        let zones = self.zones(catalogue)?;
        let of = |endpoint: &CatalogueEndpoint| {
            zones.iter().copied().find(|zone| {
                (zone.key.provider(), zone.key.region()) == (&*endpoint.provider, &*endpoint.region)
                    && endpoint.zone.as_ref().is_none_or(|only| only == zone.key.zone())
            })
        };
        let found = catalogue.endpoints().iter();
        Ok(found
            .filter_map(|endpoint| Some((endpoint, of(endpoint)?)))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zones(text: &str) -> Result<Vec<String>, SelectorError> {
        let catalogue = Catalogue::built_in();
        let zones = text.parse::<Selector>()?.zones(&catalogue)?;
        Ok(zones.iter().map(|zone| zone.key.to_string()).collect())
    }

    #[test]
    fn values_widen_keys_narrow_and_a_misspelt_one_is_named() {
        let french = zones("country=FR,provider=ovhcloud").unwrap();
        assert!(
            french.iter().all(|zone| zone.starts_with("ovhcloud/")) && french.len() > 3,
            "{french:?}"
        );
        assert!(zones("country=FR,country=DE,provider=ovhcloud").unwrap().len() > french.len());
        assert_eq!(zones("region=alibaba/eu-west-2").unwrap().len(), 2);
        assert!(
            zones("metro=paris")
                .unwrap()
                .contains(&"aws/eu-west-3/euw3-az1".to_owned()),
            "case is forgiven"
        );
        assert!(
            zones("parent=CN")
                .unwrap()
                .iter()
                .any(|zone| zone.starts_with("alibaba/"))
        );
        assert!(
            !zones("qualification=SecNumCloud")
                .unwrap()
                .iter()
                .any(|zone| zone.starts_with("aws/"))
        );
        for (wrong, told) in [
            ("FR", "\"FR\" is not key=value"),
            ("", "is not key=value"),
            ("land=FR", "use one of: country, provider"),
            ("region=eu-west-2", "region ids collide"),
            ("provider=ovh", "no zone of the catalogue has provider \"ovh\""),
        ] {
            let error = zones(wrong).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn no_region_is_chosen_by_its_bare_id() {
        let catalogue = Catalogue::built_in();
        let mut by_id = std::collections::BTreeMap::<&str, std::collections::BTreeSet<&str>>::new();
        for zone in catalogue.zones() {
            by_id
                .entry(zone.key.region())
                .or_default()
                .insert(zone.key.provider());
            for key in ["region", "zone"] {
                let chosen = format!("{key}={}", zone.key.region()).parse::<Selector>();
                let chosen = chosen.and_then(|selector| selector.zones(&catalogue).map(|zones| zones.len()));
                assert!(chosen.is_err(), "{}", zone.key);
            }
        }
        let providers = &by_id["eu-west-2"];
        assert!(
            ["alibaba", "aws", "outscale"]
                .iter()
                .all(|one| providers.contains(one)),
            "{providers:?}"
        );
        let keys: std::collections::BTreeSet<_> = catalogue.zones().iter().map(|zone| &zone.key).collect();
        assert_eq!(keys.len(), catalogue.zones().len());
    }

    #[test]
    fn endpoints_come_with_a_zone_they_stand_for() {
        let catalogue = Catalogue::built_in();
        let selector: Selector = "provider=exoscale,provider=aws".parse().unwrap();
        let found = selector.endpoints(&catalogue).unwrap();
        assert!(found.len() > 10);
        for (endpoint, zone) in found {
            assert_eq!(
                (&*endpoint.provider, &*endpoint.region),
                (zone.key.provider(), zone.key.region())
            );
        }
    }
}
