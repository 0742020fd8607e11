//! In which cloud this host stands: provider, region and physical zone, from the firmware's tables (DMI, SMBIOS 3 types 1 to 3)
//! and the provider's one documented metadata request. DMI decides whether anybody is asked at all: outside a cloud, and where it
//! does not say which, no packet is sent. Not where a host stands geographically; that is the catalogue's to say of a zone.

pub mod ask;
pub mod dmi;
pub mod recipe;
pub mod standing;

use std::net::SocketAddr;

use azimuth_measurement::CloudPlace;
use serde::Serialize;
use thiserror::Error;

use self::ask::AskError;
use self::dmi::Dmi;
use self::recipe::Recipe;

/// Where a host stands. What is not known is `None`, never guessed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Labels {
    /// The provider, by its key in the catalogue.
    pub provider: Option<String>,
    /// The provider's region.
    pub region: Option<String>,
    /// The physical zone: the same for every customer.
    pub zone: Option<String>,
}

impl Labels {
    /// These before those: what a person said wins.
    #[must_use]
    pub fn or(self, found: Self) -> Self {
        Self {
            provider: self.provider.or(found.provider),
            region: self.region.or(found.region),
            zone: self.zone.or(found.zone),
        }
    }

    /// As it is reported; what is not known is empty there.
    #[must_use]
    pub fn into_place(self) -> CloudPlace {
        CloudPlace {
            provider: self.provider.unwrap_or_default(),
            region: self.region.unwrap_or_default(),
            zone: self.zone.unwrap_or_default(),
        }
    }

    /// Whether nothing is missing.
    #[must_use]
    pub fn are_whole(&self) -> bool {
        self.provider.is_some() && self.region.is_some() && self.zone.is_some()
    }
}

/// Why nothing was found.
#[derive(Debug, Error)]
pub enum LocateError {
    /// No provider is recognised, so nobody was asked.
    #[error(
        "this host's firmware names no provider that is known, so no metadata address was asked. If it is in a cloud, say which: \
         --provider NAME"
    )]
    NoProvider,
    /// A provider without a recipe.
    #[error("{0:?} has no metadata service that is known; say --region and --zone yourself")]
    NoRecipe(String),
    /// It did not answer as it should.
    #[error("the metadata service of {provider}: {source}")]
    Asked {
        /// Whose.
        provider: String,
        /// Why not.
        source: AskError,
    },
    /// What it answered is not understood.
    #[error("the metadata service of {provider} said nothing that names a region")]
    NotUnderstood {
        /// Whose.
        provider: String,
    },
}

/// Finds what is missing in `given`. `instead` stands for the metadata address, in tests.
///
/// # Errors
/// Why nothing was found; nothing was asked where DMI names no provider and `given` neither.
pub async fn locate(dmi: &Dmi, given: Labels, instead: Option<SocketAddr>) -> Result<Labels, LocateError> {
    if given.are_whole() {
        return Ok(given);
    }
    let provider = given.provider.as_deref().or_else(|| dmi.provider());
    let provider = provider.ok_or(LocateError::NoProvider)?.to_owned();
    let recipe = Recipe::of(&provider).ok_or_else(|| LocateError::NoRecipe(provider.clone()))?;
    let at = instead.unwrap_or(recipe.address);
    let answers = ask::all(recipe, at).await.map_err(|source| LocateError::Asked {
        provider: provider.clone(),
        source,
    })?;
    let found = recipe::read(&provider, &answers).ok_or(LocateError::NotUnderstood { provider })?;
    Ok(given.or(found))
}

#[cfg(test)]
mod tests;
