//! The catalogue: which providers, regions and zones exist, what they are called, where they are, and which addresses in them
//! answer the public. Facts, dated and with their source; what to measure is the configuration's. The data is
//! `catalogue/zones.toml` and `catalogue/endpoints.toml`, beside this crate's sources; a user's own file may lie over them.
//!
//! | file | what it is |
//! |---|---|
//! | `file` | how the rows are written, and what is wrong with them, by line |
//! | [`select`] | choosing by `country=FR,provider=ovhcloud` |
//! | [`diff`] | what a user's own file changes |

pub mod diff;
mod file;
pub mod select;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::method::{Granularity, Method};
use crate::zone::ZoneKey;

const BUILT_IN: [&str; 2] = [
    include_str!("../catalogue/zones.toml"),
    include_str!("../catalogue/endpoints.toml"),
];
/// Never more often than this at an address that is not the user's own, in milliseconds.
pub const POLITE_PERIOD_MS: u32 = 30_000;

/// Who sells zones, and under whose law.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CatalogueProvider {
    /// Lower-case letters, digits and hyphens.
    pub id: String,
    /// For example `Alibaba Cloud`.
    pub name: String,
    /// Where the company that runs it sits, ISO 3166-1 alpha-2; `None` where it is not known.
    pub operator_country: Option<String>,
    /// Where the company that owns that one in the end sits.
    pub parent_country: Option<String>,
    /// The day the two countries were read, `YYYY-MM-DD`; empty in a user's own file.
    pub countries_as_of: String,
    /// How sure they are.
    pub countries_confidence: ZoneConfidence,
    /// Where they were read.
    pub countries_source: String,
    /// What it was certified for, or not.
    pub qualifications: Vec<Qualification>,
}

/// What was read about one certification on one day. The issuer's own list decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Qualification {
    /// For example `SecNumCloud`.
    pub scheme: String,
    /// For example `held`, `in progress`.
    pub status: String,
    /// What it covers; empty for all.
    #[serde(default)]
    pub scope: String,
    /// The day it was read, `YYYY-MM-DD`.
    pub as_of: String,
    /// How sure it is.
    pub confidence: ZoneConfidence,
    /// Where it was read.
    pub source: String,
}

/// One zone as people should see it.
#[derive(Debug, Clone, PartialEq)]
pub struct CatalogueZone {
    /// The key everything is stored under.
    pub key: ZoneKey,
    /// For example `Alibaba Cloud`.
    pub provider_name: String,
    /// For example `France (Paris)`.
    pub region_name: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// City or nearest town.
    pub city: String,
    /// The metropolitan area zones are grouped by on maps.
    pub metro: String,
    /// WGS 84 latitude of the city, degrees.
    pub latitude_deg: f64,
    /// WGS 84 longitude of the city, degrees.
    pub longitude_deg: f64,
    /// How far the zone may be from these coordinates, kilometres.
    pub coordinate_accuracy_km: f64,
    /// How sure the zone id is.
    pub confidence: ZoneConfidence,
    /// The day its region was read, `YYYY-MM-DD`; empty in a user's own file.
    pub as_of: String,
    /// Where the region and its zones were read.
    pub source: String,
    /// Where the coordinates were read.
    pub coordinate_source: String,
}

/// An address in a region that answers the public.
#[derive(Debug, Clone, PartialEq)]
pub struct CatalogueEndpoint {
    /// The provider's id.
    pub provider: String,
    /// The region's id as the provider writes it.
    pub region: String,
    /// The one zone it stands in, where that is known.
    pub zone: Option<String>,
    /// A name or an address.
    pub host: String,
    /// Where it answers.
    pub port: u16,
    /// How finely it is known.
    pub granularity: Granularity,
    /// What may be measured there.
    pub methods: Vec<Method>,
    /// Whose it is.
    pub ownership: Ownership,
    /// Not to be measured without the word of whoever owns it.
    pub consent: bool,
    /// Never more often than this, in milliseconds.
    pub least_period_ms: u32,
    /// How sure it is.
    pub confidence: ZoneConfidence,
    /// The day it was read, `YYYY-MM-DD`; empty in a user's own file.
    pub as_of: String,
    /// Where it was read.
    pub source: String,
}

/// Whose an endpoint is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ownership {
    /// The provider's, meant for its customers.
    #[default]
    Provider,
    /// Somebody else's.
    ThirdParty,
    /// The user's: no politeness is asked but their own.
    Own,
}

/// How sure a fact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ZoneConfidence {
    /// Read in the provider's documentation or SDK.
    Verified,
    /// A verified pattern applied to this region.
    Derived,
    /// Seen in public lists only.
    Reported,
    /// Neither; replace when known.
    Guessed,
}

impl ZoneConfidence {
    /// The one spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Derived => "derived",
            Self::Reported => "reported",
            Self::Guessed => "guessed",
        }
    }
}

/// A catalogue, ordered as written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalogue {
    providers: Vec<CatalogueProvider>,
    zones: Vec<CatalogueZone>,
    endpoints: Vec<CatalogueEndpoint>,
}

/// Why a catalogue was refused.
#[derive(Debug, PartialEq, Error)]
pub enum CatalogueError {
    /// Not TOML, or keys that are not known; the text names line and key.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    /// A row that cannot be.
    #[error("line {line}: {what}")]
    Row {
        /// Where it begins, from 1.
        line: usize,
        /// What is wrong, and the remedy.
        what: String,
    },
}

impl Catalogue {
    /// The catalogue this build ships. A test holds the shipped files against every error above, so it is never empty.
    pub fn built_in() -> Self {
        BUILT_IN
            .iter()
            .try_fold(Self::default(), |catalogue, text| catalogue.overlaid(text))
            .unwrap_or_default()
    }

    /// Reads a catalogue from TOML text that stands alone.
    pub fn parse(text: &str) -> Result<Self, CatalogueError> {
        Self::default().overlaid(text)
    }

    /// This catalogue with that of `text` over it: its rows replace those of the same key, or take them away where they say
    /// `hidden`, and otherwise come after them. A region is replaced whole, zones and all.
    pub fn overlaid(self, text: &str) -> Result<Self, CatalogueError> {
        file::lay_over(self, text)
    }

    /// Every provider.
    pub fn providers(&self) -> &[CatalogueProvider] {
        &self.providers
    }

    /// Every zone.
    pub fn zones(&self) -> &[CatalogueZone] {
        &self.zones
    }

    /// Every endpoint; of one region, the one to begin with first.
    pub fn endpoints(&self) -> &[CatalogueEndpoint] {
        &self.endpoints
    }

    /// The zone with this key.
    pub fn zone(&self, key: &ZoneKey) -> Option<&CatalogueZone> {
        self.zones.iter().find(|zone| zone.key == *key)
    }

    /// The provider with this id.
    pub fn provider(&self, id: &str) -> Option<&CatalogueProvider> {
        self.providers.iter().find(|provider| provider.id == id)
    }

    /// The zones that an endpoint may stand in: more than one where it is known no finer than a region.
    pub fn zones_of_endpoint<'a>(
        &'a self,
        endpoint: &'a CatalogueEndpoint,
    ) -> impl Iterator<Item = &'a CatalogueZone> {
        self.zones_of(&endpoint.provider, &endpoint.region)
            .filter(|zone| {
                endpoint
                    .zone
                    .as_deref()
                    .is_none_or(|only| only == zone.key.zone())
            })
    }

    /// The zones of a region: more than one where an endpoint is known no finer.
    pub fn zones_of<'a>(
        &'a self,
        provider: &'a str,
        region: &'a str,
    ) -> impl Iterator<Item = &'a CatalogueZone> {
        self.zones
            .iter()
            .filter(move |zone| zone.key.provider() == provider && zone.key.region() == region)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_file_is_sound() {
        let mut catalogue = Catalogue::default();
        for text in BUILT_IN {
            catalogue = catalogue.overlaid(text).unwrap();
        }
        assert_eq!(catalogue, Catalogue::built_in());
        assert!(catalogue.zones().len() > 200 && catalogue.endpoints().len() > 130);
        for zone in catalogue.zones() {
            assert!(
                (35.0..56.0).contains(&zone.latitude_deg),
                "{}: latitude",
                zone.key
            );
            assert!(
                (-10.0..22.0).contains(&zone.longitude_deg),
                "{}: longitude",
                zone.key
            );
            assert_eq!(zone.country.len(), 2, "{}: country", zone.key);
            assert!(
                zone.as_of.len() == 10 && !zone.source.is_empty() && !zone.coordinate_source.is_empty(),
                "{}: source",
                zone.key
            );
            // What was only remembered, or follows no more than a pattern, is said to be so.
            assert!(
                zone.source != "from memory" || zone.confidence == ZoneConfidence::Guessed,
                "{}: confidence",
                zone.key
            );
        }
        let alibaba = catalogue
            .zone(&ZoneKey::new("alibaba", "eu-west-2", "eu-west-2a").unwrap())
            .unwrap();
        assert_eq!(
            (alibaba.metro.as_str(), alibaba.confidence),
            ("Paris", ZoneConfidence::Guessed)
        );
        let aws = catalogue
            .zone(&ZoneKey::new("aws", "eu-west-2", "euw2-az1").unwrap())
            .unwrap();
        assert_eq!(aws.metro, "London");
    }

    #[test]
    fn the_shipped_endpoints_are_addresses_and_polite() {
        let catalogue = Catalogue::built_in();
        for endpoint in catalogue.endpoints() {
            let name = format!("{}/{} {}", endpoint.provider, endpoint.region, endpoint.host);
            assert!(endpoint.port > 0 && !endpoint.methods.is_empty(), "{name}");
            assert!(endpoint.least_period_ms >= POLITE_PERIOD_MS, "{name}");
            assert!(
                !endpoint.source.is_empty() && endpoint.as_of.len() == 10,
                "{name}: source"
            );
            assert!(
                endpoint.ownership != Ownership::ThirdParty || endpoint.consent,
                "{name}: somebody else's"
            );
            assert!(
                endpoint.granularity != Granularity::Zone || endpoint.zone.is_some(),
                "{name}: which zone?"
            );
        }
        for provider in catalogue.providers() {
            for country in [&provider.operator_country, &provider.parent_country] {
                assert_eq!(country.as_ref().map(String::len), Some(2), "{}", provider.id);
            }
            assert_eq!(
                provider.countries_source == "from memory",
                provider.countries_confidence == ZoneConfidence::Guessed,
                "{}",
                provider.id
            );
            assert_eq!(provider.countries_as_of.len(), 10, "{}", provider.id);
            assert!(
                provider
                    .qualifications
                    .iter()
                    .all(|read| !read.source.is_empty() && read.as_of.len() == 10)
            );
        }
    }

    const OWN: &str = r#"
[[provider]]
id = "mine"
name = "My cloud"

[[region]]
provider = "mine"
id = "home"
name = "At home"
country = "FR"
city = "Lyon"
metro = "Lyon"
latitude = 45.76
longitude = 4.84
coordinate_accuracy_km = 1
zones = ["cellar"]

[[endpoint]]
provider = "mine"
region = "home"
zone = "cellar"
host = "127.0.0.1"
port = 8621
granularity = "zone"
methods = ["tcp_connect"]
ownership = "own"
least_period_ms = 50

[[endpoint]]
provider = "aws"
region = "eu-west-3"
host = "ec2.eu-west-3.amazonaws.com"
port = 443
hidden = true
"#;

    #[test]
    fn an_own_file_lies_over_the_built_in_one() {
        let catalogue = Catalogue::built_in().overlaid(OWN).unwrap();
        let own = catalogue.endpoints().last().unwrap();
        assert_eq!((own.host.as_str(), own.least_period_ms), ("127.0.0.1", 50));
        assert_eq!(
            catalogue.endpoints().len(),
            Catalogue::built_in().endpoints().len(),
            "one more, one fewer"
        );
        assert!(
            catalogue
                .endpoints()
                .iter()
                .all(|endpoint| endpoint.host != "ec2.eu-west-3.amazonaws.com")
        );
        let moved = Catalogue::built_in()
            .overlaid(
                "[[region]]\nprovider = \"alibaba\"\nid = \"eu-west-2\"\nname = \"P\"\ncountry = \"FR\"\ncity = \"P\"\nmetro = \"P\"\n\
                 latitude = 48.0\nlongitude = 2.0\ncoordinate_accuracy_km = 5\nzones = [\"x\"]\nzone_confidence = \"verified\"\n",
            )
            .unwrap();
        let zones: Vec<_> = moved
            .zones_of("alibaba", "eu-west-2")
            .map(|zone| zone.key.zone())
            .collect();
        assert_eq!(zones, ["x"], "replaced whole");
    }

    #[test]
    fn faults_are_named_with_their_line() {
        let refused = |from: &str, to: &str| {
            assert!(OWN.contains(from), "{from}");
            Catalogue::built_in()
                .overlaid(&OWN.replacen(from, to, 1))
                .expect_err("a mistake")
                .to_string()
        };
        assert!(refused("name = \"My cloud\"", "name = \"My cloud\"\ncolour = 1").contains("colour"));
        assert!(refused("id = \"mine\"", "id = \"Mine\"").starts_with("line 2: "));
        for (from, to, expected) in [
            (
                "provider = \"mine\"\nid",
                "provider = \"other\"\nid",
                "line 6: region other/home names a provider",
            ),
            (
                "latitude = 45.76",
                "latitude = 145.76",
                "line 6: region mine/home: latitude 145.76 is not within",
            ),
            (
                "[\"cellar\"]",
                "[\"cellar\", \"cellar\"]",
                "line 6: region mine/home: zone mine/home/cellar is listed twice",
            ),
            (
                "country = \"FR\"",
                "country = \"France\"",
                "line 6: region mine/home: \"France\" is not a country",
            ),
            (
                "least_period_ms = 50",
                "least_period_ms = 5",
                "line 18: endpoint 127.0.0.1:8621: least_period_ms 5",
            ),
            (
                "ownership = \"own\"\n",
                "",
                "line 18: endpoint 127.0.0.1:8621: least_period_ms 50 is too often",
            ),
            (
                "zone = \"cellar\"",
                "zone = \"attic\"",
                "line 18: endpoint 127.0.0.1:8621: there is no zone mine/home/attic",
            ),
            ("port = 8621", "port = 0", "line 18: endpoint 127.0.0.1: port 0"),
            (
                "host = \"127.0.0.1\"",
                "host = \"http://x/\"",
                "line 18: endpoint \"http://x/\" is neither",
            ),
            (
                "methods = [\"tcp_connect\"]",
                "methods = [\"ping\"]",
                "line 18: endpoint 127.0.0.1:8621: \"ping\" is not a method",
            ),
        ] {
            let told = refused(from, to);
            assert!(told.starts_with(expected), "{told}");
        }
    }
}
