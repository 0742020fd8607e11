//! The delay of an empty network: great circle, fibre, detours, peering.
//!
//! Physics: light in silica travels at c / 1.468, so 100 km of fibre cost 0.979 ms there and back. Everything above
//! that is how networks are built, and is drawn once per world from its seed.

use azimuth_measurement::place::FIBRE_ROUND_TRIP_US_PER_KM;
pub use azimuth_measurement::place::Place;

use super::dice::Dice;

/// Length of the way from `from` to `to` over whichever of `exchanges` is shortest; straight if there is none.
///
/// This is what makes Strasbourg reach Frankfurt by way of Paris, as it does on most French networks.
#[must_use]
pub fn way_km(from: Place, to: Place, exchanges: &[Place]) -> f64 {
    exchanges
        .iter()
        .map(|exchange| from.distance_km(*exchange) + exchange.distance_km(to))
        .min_by(f64::total_cmp)
        .unwrap_or_else(|| from.distance_km(to))
}

/// What is drawn once for a pair.
#[derive(Debug, Clone, Copy)]
pub struct Draws<'a> {
    /// The world's seed.
    pub seed: u64,
    /// ISP name.
    pub isp: &'a str,
    /// The vantage point's city.
    pub city: &'a str,
    /// Provider of the zone.
    pub provider: &'a str,
    /// Region of the zone.
    pub region: &'a str,
}

impl Draws<'_> {
    /// Fibre length over great-circle length, between `low` and `high`. Zones of one region share it: their traffic
    /// runs in the same trench.
    #[must_use]
    pub fn path_factor(&self, low: f64, high: f64) -> f64 {
        let subject = ["path factor", self.isp, self.city, self.provider, self.region];
        low + (high - low) * Dice::of(self.seed, &subject).unit()
    }

    /// Round-trip milliseconds that this ISP's peering with this provider costs, between 0 and `worst_ms`.
    /// Squared, so that most peerings are good and a few are not.
    #[must_use]
    pub fn peering_ms(&self, worst_ms: f64) -> f64 {
        let luck = Dice::of(self.seed, &["peering", self.isp, self.provider]).unit();
        worst_ms * luck * luck
    }
}

/// Round-trip milliseconds of `km` of great circle laid with `path_factor` times as much fibre.
#[must_use]
pub fn fibre_rtt_ms(km: f64, path_factor: f64) -> f64 {
    km * path_factor * FIBRE_ROUND_TRIP_US_PER_KM / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PARIS: Place = Place {
        latitude_deg: 48.8566,
        longitude_deg: 2.3522,
    };
    const MARSEILLE: Place = Place {
        latitude_deg: 43.2965,
        longitude_deg: 5.3698,
    };
    const STRASBOURG: Place = Place {
        latitude_deg: 48.5734,
        longitude_deg: 7.7521,
    };
    const FRANKFURT: Place = Place {
        latitude_deg: 50.1109,
        longitude_deg: 8.6821,
    };

    #[test]
    fn paris_to_marseille_is_661_km_and_a_hundred_kilometres_cost_979_us() {
        assert!(
            (PARIS.distance_km(MARSEILLE) - 660.5).abs() < 2.0,
            "{}",
            PARIS.distance_km(MARSEILLE)
        );
        assert!((fibre_rtt_ms(100.0, 1.0) - 0.979).abs() < 0.001);
    }

    #[test]
    fn a_network_that_meets_the_clouds_in_paris_only_makes_strasbourg_travel_west_first() {
        let straight = way_km(STRASBOURG, FRANKFURT, &[]);
        let detour = way_km(STRASBOURG, FRANKFURT, &[PARIS]);
        assert!(straight < 200.0 && detour > 850.0, "{straight} {detour}");
        assert!((way_km(STRASBOURG, FRANKFURT, &[PARIS, FRANKFURT]) - straight).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn distance_is_symmetric_and_never_more_than_half_the_globe(
            a in -90.0..90.0, b in -180.0..180.0, c in -90.0..90.0, d in -180.0..180.0,
        ) {
            let from = Place { latitude_deg: a, longitude_deg: b };
            let to = Place { latitude_deg: c, longitude_deg: d };
            let there = from.distance_km(to);
            prop_assert!((there - to.distance_km(from)).abs() < 1e-6);
            prop_assert!((0.0..=20_016.0).contains(&there));
        }

        #[test]
        fn draws_stay_in_their_range_and_never_change(seed: u64, isp in "[A-Z]{1,8}", region in "[a-z]{1,8}") {
            let draws = Draws { seed, isp: &isp, city: "Paris", provider: "aws", region: &region };
            let factor = draws.path_factor(1.3, 1.9);
            prop_assert!((1.3..1.9).contains(&factor));
            prop_assert_eq!(factor.to_bits(), draws.path_factor(1.3, 1.9).to_bits());
            prop_assert!((0.0..3.0).contains(&draws.peering_ms(3.0)));
        }
    }
}
