//! Where an agent stands. Declared by its owner; how it was found out (metadata, lookup) is not this file's business.

use thiserror::Error;

use crate::text::{self, TextError};

/// A vantage point: the place and network whose users the measurements speak for.
#[derive(Debug, Clone, PartialEq)]
pub struct VantagePoint {
    /// The name people read, for example `Brest (Orange)`.
    pub name: String,
    /// ISO 3166-1 alpha-2, upper case.
    pub country: String,
    /// City, in its local spelling.
    pub city: String,
    /// Access network (ISP) by name.
    pub network: String,
    /// Autonomous system number of that network; 0 when not known.
    pub asn: u32,
    /// WGS 84 latitude, degrees, north positive.
    pub latitude_deg: f64,
    /// WGS 84 longitude, degrees, east positive.
    pub longitude_deg: f64,
}

/// Why a vantage point was refused.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum VantagePointError {
    /// A name is missing, too long or unprintable.
    #[error(transparent)]
    Text(#[from] TextError),
    /// Not an ISO 3166-1 alpha-2 shape.
    #[error("country {0:?} is not a two-letter upper-case ISO 3166-1 code, for example FR")]
    Country(String),
    /// Outside the globe.
    #[error("{what} {given} is outside {low} to {high} degrees")]
    Coordinate {
        /// `latitude` or `longitude`.
        what: &'static str,
        /// The value given.
        given: f64,
        /// Least allowed.
        low: f64,
        /// Greatest allowed.
        high: f64,
    },
}

impl VantagePoint {
    /// Refuses text that cannot be shown and coordinates that are not on the globe.
    pub fn check(&self) -> Result<(), VantagePointError> {
        text::check("vantage point name", &self.name)?;
        text::check("vantage point city", &self.city)?;
        text::check("vantage point network", &self.network)?;
        if self.country.len() != 2 || !self.country.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(VantagePointError::Country(
                self.country.chars().take(16).collect(),
            ));
        }
        coordinate("latitude", self.latitude_deg, 90.0)?;
        coordinate("longitude", self.longitude_deg, 180.0)
    }
}

fn coordinate(what: &'static str, given: f64, high: f64) -> Result<(), VantagePointError> {
    // Written so that NaN is refused too.
    if given >= -high && given <= high {
        Ok(())
    } else {
        Err(VantagePointError::Coordinate {
            what,
            given,
            low: -high,
            high,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brest() -> VantagePoint {
        VantagePoint {
            name: "Brest (Orange)".into(),
            country: "FR".into(),
            city: "Brest".into(),
            network: "Orange".into(),
            asn: 3215,
            latitude_deg: 48.39,
            longitude_deg: -4.49,
        }
    }

    #[test]
    fn a_real_place_passes_and_an_impossible_one_does_not() {
        assert_eq!(brest().check(), Ok(()));
        for (latitude_deg, longitude_deg) in
            [(90.1, 0.0), (f64::NAN, 0.0), (0.0, -180.5), (0.0, f64::INFINITY)]
        {
            let place = VantagePoint {
                latitude_deg,
                longitude_deg,
                ..brest()
            };
            assert!(matches!(place.check(), Err(VantagePointError::Coordinate { .. })));
        }
        assert!(
            VantagePoint {
                country: "fr".into(),
                ..brest()
            }
            .check()
            .is_err()
        );
        assert!(
            VantagePoint {
                city: String::new(),
                ..brest()
            }
            .check()
            .is_err()
        );
    }
}
