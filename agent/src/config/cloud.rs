//! `[cloud]`: where the host stands, if its owner says so, and whether it may be found out.

use azimuth_measurement::CloudPlace;

use super::document::{Section, Wrong, boolean, text};

/// What the owner says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudConfig {
    /// What is said; empty where it is not.
    pub place: CloudPlace,
    /// Whether what is not said may be asked of the firmware and the provider's metadata service.
    pub locate: bool,
}

impl Default for CloudConfig {
    /// Nothing is said, everything may be asked.
    fn default() -> Self {
        Self {
            place: CloudPlace::default(),
            locate: true,
        }
    }
}

/// Reads `[cloud]`.
pub(super) fn read(section: Option<Section<'_>>) -> CloudConfig {
    let Some(mut section) = section else {
        return CloudConfig::default();
    };
    let place = CloudPlace {
        provider: section.optional("provider", text).unwrap_or_default(),
        region: section.optional("region", text).unwrap_or_default(),
        zone: section.optional("zone", text).unwrap_or_default(),
    };
    if let Err(error) = place.check() {
        let remedy = "Use the catalogue's ids, for example provider = \"aws\", region = \"eu-west-3\", zone = \"euw3-az1\"";
        section.wrong("provider", Wrong(error.to_string(), remedy.into()));
    }
    let locate = section.optional("locate", boolean).unwrap_or(true);
    section.finish();
    CloudConfig { place, locate }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::parse;

    fn read(cloud: &str) -> Result<super::CloudConfig, String> {
        let text = format!(
            "agent = \"a\"\n{cloud}\n[collector]\nurl = \"unix:/run/c.sock\"\n[vantage_point]\nname = \"A\"\ncountry = \"FR\"\ncity = \"A\"\n\
             network = \"A\"\nasn = 0\nlatitude = 0\nlongitude = 0\n[[target]]\nname = \"t\"\nprovider = \"aws\"\nregion = \"r\"\nzone = \"z\"\n\
             address = \"10.0.0.1\"\n[[target.probe]]\nmethod = \"stamp\"\nperiod_ms = 1000\n"
        );
        let read = parse(&text, Path::new("agent.toml"));
        read.map(|config| config.cloud)
            .map_err(|mistakes| mistakes.to_string())
    }

    #[test]
    fn a_place_is_said_from_the_provider_on_and_asking_may_be_forbidden() {
        assert_eq!(read(""), Ok(super::CloudConfig::default()));
        let said = read("[cloud]\nprovider = \"aws\"\nregion = \"eu-west-3\"\nlocate = false").expect("good");
        assert_eq!(
            (&*said.place.region, &*said.place.zone, said.locate),
            ("eu-west-3", "", false)
        );
        let refused = read("[cloud]\nzone = \"euw3-az1\"").expect_err("a zone alone");
        assert!(
            refused.contains("agent.toml:2: cloud.provider") && refused.contains("without its region"),
            "{refused}"
        );
    }
}
