//! Where in a cloud a host stands: provider, region and physical zone, as the catalogue names them. Found on the host or said by
//! its owner; how is not this file's business. Not a vantage point, which is where its users are, and not what is measured.

use thiserror::Error;

use crate::zone::{ZoneKey, ZoneKeyError};

/// A place in a cloud. What is not known is empty, never guessed; a part is known only where those before it are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct CloudPlace {
    /// The provider, by its key in the catalogue.
    pub provider: String,
    /// The provider's region.
    pub region: String,
    /// The physical zone: the same for every customer.
    pub zone: String,
}

/// Why a place was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CloudPlaceError {
    /// A part that is no label.
    #[error("where the host stands: {0}")]
    Part(#[from] ZoneKeyError),
    /// A region of nobody, or a zone of no region.
    #[error("where the host stands: a {part} without its {before}; say both or neither")]
    Gap {
        /// What is there.
        part: &'static str,
        /// What is missing.
        before: &'static str,
    },
}

impl CloudPlace {
    /// Whether nothing is known: a host in no cloud.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.provider.is_empty() && self.region.is_empty() && self.zone.is_empty()
    }

    /// Refuses what could be no part of a zone's key.
    ///
    /// # Errors
    /// The first part that could not.
    pub fn check(&self) -> Result<(), CloudPlaceError> {
        for (part, value, before, earlier) in [
            ("region", &self.region, "provider", &self.provider),
            ("zone", &self.zone, "region", &self.region),
        ] {
            if !value.is_empty() && earlier.is_empty() {
                return Err(CloudPlaceError::Gap { part, before });
            }
        }
        let or = |value: &str| {
            if value.is_empty() {
                "-".to_owned()
            } else {
                value.to_owned()
            }
        };
        ZoneKey::new(&or(&self.provider), &or(&self.region), &or(&self.zone))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_known_from_the_provider_on_or_not_at_all() {
        let place = |provider: &str, region: &str, zone: &str| CloudPlace {
            provider: provider.to_owned(),
            region: region.to_owned(),
            zone: zone.to_owned(),
        };
        for known in [
            place("", "", ""),
            place("aws", "", ""),
            place("aws", "eu-west-3", ""),
            place("aws", "eu-west-3", "euw3-az1"),
        ] {
            assert_eq!(known.check(), Ok(()), "{known:?}");
            assert_eq!(known.is_unknown(), known == CloudPlace::default());
        }
        for wrong in [
            place("", "eu-west-3", ""),
            place("aws", "", "euw3-az1"),
            place("AWS", "eu-west-3", ""),
            place("aws", "eu west", ""),
            place("aws", "eu-west-3", &"a".repeat(65)),
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
    }
}
