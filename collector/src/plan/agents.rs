//! Choosing agents by what is known of them: `country=FR,network=Free`. Values of one key are alternatives; keys narrow each
//! other; `all` is everybody. Pure. An agent that has joined and not reported yet is known by its name and site only.

use std::fmt;
use std::str::FromStr;

use azimuth_measurement::CloudPlace;
use serde::Serialize;
use thiserror::Error;

/// What agents may be chosen by.
const KEYS: [&str; 10] = [
    "agent",
    "site",
    "country",
    "city",
    "network",
    "asn",
    "vantage_point",
    "provider",
    "region",
    "zone",
];
/// Everybody.
const ALL: &str = "all";

/// What is known of one agent; empty where it is not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Labels {
    /// Its name.
    pub agent: String,
    /// Where its token says it stands.
    pub site: String,
    /// Country of its vantage point, ISO 3166-1 alpha-2.
    pub country: String,
    /// City.
    pub city: String,
    /// Network.
    pub network: String,
    /// Autonomous system, in digits.
    pub asn: String,
    /// Name of the vantage point.
    pub vantage_point: String,
    /// Provider of the cloud its host stands in.
    pub provider: String,
    /// Region there, `provider/region`.
    pub region: String,
    /// Physical zone there, `provider/region/zone`.
    pub zone: String,
}

impl Labels {
    /// Takes in where the host stands.
    pub fn stand_in(&mut self, place: &CloudPlace) {
        let CloudPlace {
            provider,
            region,
            zone,
        } = place;
        let joined = |parts: &[&String]| {
            if parts.iter().any(|part| part.is_empty()) {
                return String::new();
            }
            let parts: Vec<&str> = parts.iter().map(|part| part.as_str()).collect();
            parts.join("/")
        };
        self.provider = joined(&[provider]);
        self.region = joined(&[provider, region]);
        self.zone = joined(&[provider, region, zone]);
    }

    fn of(&self, key: &str) -> &str {
        match key {
            "agent" => &self.agent,
            "site" => &self.site,
            "country" => &self.country,
            "city" => &self.city,
            "network" => &self.network,
            "asn" => &self.asn,
            "provider" => &self.provider,
            "region" => &self.region,
            "zone" => &self.zone,
            _ => &self.vantage_point,
        }
    }
}

/// Which agents; without a key, all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentSelector {
    wanted: Vec<(&'static str, Vec<String>)>,
}

/// Not a selector.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AgentSelectorError {
    /// No `key=value`.
    #[error("{0:?} is not key=value; write for example country=FR,network=Free, or all")]
    Shape(String),
    /// A key that is none.
    #[error("{0:?} is nothing to choose agents by; use one of: {keys}", keys = KEYS.join(", "))]
    Key(String),
}

impl FromStr for AgentSelector {
    type Err = AgentSelectorError;

    fn from_str(text: &str) -> Result<Self, AgentSelectorError> {
        let cut = |text: &str| text.chars().take(80).collect::<String>();
        let mut selector = Self::default();
        if text.trim() == ALL {
            return Ok(selector);
        }
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (key, value) = pair
                .split_once('=')
                .map(|(key, value)| (key.trim(), value.trim()))
                .filter(|(_, value)| !value.is_empty())
                .ok_or_else(|| AgentSelectorError::Shape(cut(pair)))?;
            let key = KEYS
                .into_iter()
                .find(|known| *known == key)
                .ok_or_else(|| AgentSelectorError::Key(cut(key)))?;
            match selector.wanted.iter_mut().find(|(known, _)| *known == key) {
                Some((_, values)) => values.push(value.to_owned()),
                None => selector.wanted.push((key, vec![value.to_owned()])),
            }
        }
        if selector.wanted.is_empty() {
            return Err(AgentSelectorError::Shape(cut(text)));
        }
        Ok(selector)
    }
}

impl fmt::Display for AgentSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.wanted.is_empty() {
            return f.write_str(ALL);
        }
        let pairs = self
            .wanted
            .iter()
            .flat_map(|(key, values)| values.iter().map(move |value| format!("{key}={value}")));
        f.write_str(&pairs.collect::<Vec<_>>().join(","))
    }
}

impl AgentSelector {
    /// Whether it chooses this agent.
    pub fn chooses(&self, labels: &Labels) -> bool {
        self.wanted.iter().all(|(key, values)| {
            values
                .iter()
                .any(|value| labels.of(key).eq_ignore_ascii_case(value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Labels {
        let mut labels = Labels {
            agent: "paris-1".to_owned(),
            site: "paris".to_owned(),
            country: "FR".to_owned(),
            network: "Free".to_owned(),
            asn: "12322".to_owned(),
            ..Labels::default()
        };
        labels.stand_in(&CloudPlace {
            provider: "aws".to_owned(),
            region: "eu-west-3".to_owned(),
            zone: String::new(),
        });
        labels
    }

    #[test]
    fn values_widen_keys_narrow_and_what_is_not_known_is_not_chosen() {
        for (text, chosen) in [
            ("all", true),
            ("country=FR", true),
            ("country=BE,country=fr", true),
            ("country=FR,network=Orange", false),
            ("site=paris,asn=12322", true),
            ("agent=paris-1", true),
            ("agent=paris", false),
            ("city=Paris", false),
            ("provider=aws,provider=gcp", true),
            ("region=aws/eu-west-3", true),
            ("region=eu-west-3", false),
            ("zone=aws/eu-west-3/", false),
        ] {
            let selector: AgentSelector = text.parse().expect(text);
            assert_eq!(selector.chooses(&labels()), chosen, "{text}");
            assert_eq!(selector.to_string().parse(), Ok(selector), "{text}");
        }
        for (text, told) in [
            ("", "is not key=value"),
            ("FR", "\"FR\" is not key=value"),
            ("country=", "is not key=value"),
            ("land=FR", "use one of: agent, site"),
        ] {
            let error = text.parse::<AgentSelector>().expect_err(text).to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
