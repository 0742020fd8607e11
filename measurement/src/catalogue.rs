//! The built-in catalogue: which providers, regions and zones exist, what they are called and where they are. Facts about
//! places, not targets to probe. The data is `catalogue/zones.toml`, beside this crate's sources.

use serde::Deserialize;
use thiserror::Error;

use crate::zone::{ZoneKey, ZoneKeyError};

const BUILT_IN: &str = include_str!("../catalogue/zones.toml");

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
}

/// How sure a zone id is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
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

/// A catalogue, ordered as written.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    zones: Vec<CatalogueZone>,
}

/// Why a catalogue was refused.
#[derive(Debug, Error)]
pub enum CatalogueError {
    /// Not TOML, or keys that are not known; the text names line and key.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    /// A zone id out of shape.
    #[error(transparent)]
    Zone(#[from] ZoneKeyError),
    /// A region of a provider that is not listed.
    #[error("region {region} names provider {provider:?}, which has no [[provider]] entry; add one")]
    UnknownProvider {
        /// The region.
        region: String,
        /// The provider it names.
        provider: String,
    },
    /// The same zone twice.
    #[error("zone {0} is listed twice; keep one")]
    Twice(ZoneKey),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    provider: Vec<Provider>,
    #[serde(default)]
    region: Vec<Region>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Provider {
    id: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Region {
    provider: String,
    id: String,
    name: String,
    country: String,
    city: String,
    metro: String,
    latitude: f64,
    longitude: f64,
    coordinate_accuracy_km: f64,
    zones: Vec<String>,
    zone_confidence: ZoneConfidence,
}

impl Catalogue {
    /// The catalogue this build ships. A test holds the shipped file against every error below, so it is never empty.
    pub fn built_in() -> Self {
        Self::parse(BUILT_IN).unwrap_or_default()
    }

    /// Reads a catalogue from TOML text.
    pub fn parse(text: &str) -> Result<Self, CatalogueError> {
        let file: File = toml::from_str(text)?;
        let mut zones: Vec<CatalogueZone> = Vec::new();
        for region in file.region {
            let provider = file
                .provider
                .iter()
                .find(|provider| provider.id == region.provider)
                .ok_or_else(|| CatalogueError::UnknownProvider {
                    region: region.id.clone(),
                    provider: region.provider.clone(),
                })?;
            for zone in &region.zones {
                let key = ZoneKey::new(&region.provider, &region.id, zone)?;
                if zones.iter().any(|known| known.key == key) {
                    return Err(CatalogueError::Twice(key));
                }
                zones.push(CatalogueZone {
                    key,
                    provider_name: provider.name.clone(),
                    region_name: region.name.clone(),
                    country: region.country.clone(),
                    city: region.city.clone(),
                    metro: region.metro.clone(),
                    latitude_deg: region.latitude,
                    longitude_deg: region.longitude,
                    coordinate_accuracy_km: region.coordinate_accuracy_km,
                    confidence: region.zone_confidence,
                });
            }
        }
        Ok(Self { zones })
    }

    /// Every zone.
    pub fn zones(&self) -> &[CatalogueZone] {
        &self.zones
    }

    /// The zone with this key.
    pub fn zone(&self, key: &ZoneKey) -> Option<&CatalogueZone> {
        self.zones.iter().find(|zone| zone.key == *key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_file_is_sound() {
        let catalogue = Catalogue::parse(BUILT_IN).unwrap();
        assert!(catalogue.zones().len() > 200);
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
    fn faults_are_named() {
        let unknown = Catalogue::parse("[[provider]]\nid = \"a\"\nname = \"A\"\ncolour = 1\n").unwrap_err();
        assert!(unknown.to_string().contains("colour"), "{unknown}");
        let region = |provider: &str| {
            format!(
                "[[region]]\nprovider = \"{provider}\"\nid = \"r\"\nname = \"R\"\ncountry = \"FR\"\ncity = \"C\"\nmetro = \"C\"\n\
                 latitude = 1.0\nlongitude = 1.0\ncoordinate_accuracy_km = 1.0\nzones = [\"z\"]\nzone_confidence = \"verified\"\n"
            )
        };
        let provider = "[[provider]]\nid = \"a\"\nname = \"A\"\n";
        assert!(matches!(
            Catalogue::parse(&region("b")),
            Err(CatalogueError::UnknownProvider { .. })
        ));
        let twice = format!("{provider}{}{}", region("a"), region("a"));
        assert!(matches!(Catalogue::parse(&twice), Err(CatalogueError::Twice(_))));
    }
}
