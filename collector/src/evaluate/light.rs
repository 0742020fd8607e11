//! Which measured delays are shorter than light in straight fibre needs: then a place is wrong, of the agent or of the zone, or
//! something near the agent answers instead of the zone (an anycast front). Pure; handed the time. It flags, and changes no number.
//!
//! The floor is as in `dashboards/src/numbers/floor.ts`, with the zone as near as its place is uncertain.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use azimuth_measurement::catalogue::{Catalogue, CatalogueZone};
use azimuth_measurement::place::{FIBRE_ROUND_TRIP_US_PER_KM, Place};
use azimuth_measurement::{Answer, Phase};

use crate::store::{Store, StoreError};

/// How long a pair is said to be so after it was last seen, in milliseconds.
pub const REMEMBERED_MS: u64 = 3_600_000;

/// Shortest round trip that light in straight fibre allows, in microseconds, with the zone as near as its place is uncertain.
pub fn floor_us(from: Place, zone: &CatalogueZone) -> f64 {
    let to = Place {
        latitude_deg: zone.latitude_deg,
        longitude_deg: zone.longitude_deg,
    };
    let nearest_km = (from.distance_km(to) - zone.coordinate_accuracy_km).max(0.0);
    nearest_km * FIBRE_ROUND_TRIP_US_PER_KM
}

/// A series that cannot be slower than so many microseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Bounded {
    /// Agent, zone and method, as people write them.
    pub name: String,
    /// Its floor, in microseconds.
    pub floor_us: f64,
}

/// The floors of the stored series whose zone is in the catalogue; where an agent stands is what it declared last. Series of a step
/// of an exchange, and of answers that were not the one hoped for, have none: not all of them go as far as the zone.
///
/// # Errors
/// When the store cannot be read.
pub fn floors(store: &dyn Store, catalogue: &Catalogue) -> Result<BTreeMap<u32, Bounded>, StoreError> {
    let zones: HashMap<_, _> = catalogue.zones().iter().map(|zone| (&zone.key, zone)).collect();
    let places: HashMap<_, _> = store
        .agents()?
        .into_iter()
        .map(|status| (status.agent.clone(), status.manifest))
        .collect();
    let dictionary = store.dictionary();
    let bounded = dictionary.series().filter_map(|(id, series)| {
        let descriptor = &series.descriptor;
        let is_whole = descriptor.facet.phase == Phase::Whole && descriptor.facet.answer == Answer::Ordinary;
        let (zone, agent) = (zones.get(&descriptor.zone)?, dictionary.agent(series.agent)?);
        let point = &places.get(agent)?.vantage_point;
        let from = Place {
            latitude_deg: point.latitude_deg,
            longitude_deg: point.longitude_deg,
        };
        let floor_us = floor_us(from, zone);
        let name = || format!("{agent} to {} by {}", descriptor.zone, descriptor.method);
        (is_whole && floor_us > 0.0).then(|| {
            (
                id.0,
                Bounded {
                    name: name(),
                    floor_us,
                },
            )
        })
    });
    Ok(bounded.collect())
}

/// The pairs seen lately, shared with whoever tells people.
#[derive(Debug, Default)]
pub struct FasterThanLight(Mutex<BTreeMap<String, u64>>);

impl FasterThanLight {
    /// A delay of a series was this short in an interval that began then. Whether that cannot be, and was not known before.
    pub fn note(&self, bounded: &Bounded, min_us: u32, at_unix_ms: u64) -> bool {
        if f64::from(min_us) >= bounded.floor_us {
            return false;
        }
        let mut seen = self.seen();
        match seen.get_mut(&bounded.name) {
            Some(last) => {
                *last = at_unix_ms.max(*last);
                false
            }
            None => {
                seen.insert(bounded.name.clone(), at_unix_ms);
                true
            }
        }
    }

    /// Forgets what was not so for long.
    pub fn passed(&self, now_unix_ms: u64) {
        self.seen()
            .retain(|_, last| last.saturating_add(REMEMBERED_MS) >= now_unix_ms);
    }

    /// Their names, in order.
    pub fn names(&self) -> Vec<String> {
        self.seen().keys().cloned().collect()
    }

    fn seen(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_is_light_in_fibre_to_the_near_edge_of_where_a_zone_may_be() {
        let (brest, paris) = (
            Place {
                latitude_deg: 48.39,
                longitude_deg: -4.49,
            },
            Place {
                latitude_deg: 48.86,
                longitude_deg: 2.35,
            },
        );
        assert!(
            (brest.distance_km(paris) - 505.0).abs() < 3.0,
            "{}",
            brest.distance_km(paris)
        );
        let catalogue = Catalogue::built_in();
        let key = "aws/eu-west-3/euw3-az1".parse().expect("a zone");
        let zone = catalogue.zone(&key).expect("in the catalogue");
        let floor = floor_us(brest, zone);
        // 0.979 ms for each 100 km there and back.
        let expected = (brest.distance_km(paris) - zone.coordinate_accuracy_km) * 9.79;
        assert!((floor - expected).abs() < 300.0, "{floor} and {expected}");
        assert_eq!(
            floor_us(paris, zone),
            0.0,
            "within its accuracy nothing is impossible"
        );
    }

    #[test]
    fn a_pair_is_new_once_and_forgotten_when_it_is_no_longer_so() {
        let seen = FasterThanLight::default();
        let bounded = Bounded {
            name: "brest-1 to aws/eu-west-3/euw3-az1 by stamp".to_owned(),
            floor_us: 4_600.0,
        };
        assert!(!seen.note(&bounded, 4_600, 1_000), "as fast as light");
        assert!(seen.note(&bounded, 4_599, 1_000));
        assert!(!seen.note(&bounded, 4_000, 9_000), "known");
        seen.passed(9_000 + REMEMBERED_MS);
        assert_eq!(seen.names(), [bounded.name.as_str()]);
        seen.passed(9_001 + REMEMBERED_MS);
        assert!(seen.names().is_empty());
    }
}
