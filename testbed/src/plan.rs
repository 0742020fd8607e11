//! A scenario turned into numbers: addresses, base delays per pair, rates, incidents by index.
//!
//! Pure: the same scenario always gives the same plan. Nodes are numbered vantage points first, zones after them.

mod incident;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use azimuth_measurement::{AgentId, ZoneKey};

use crate::path::base::{Draws, Place, fibre_rtt_ms, way_km};
use crate::scenario::file::{AccessTable, IspTable, ProbingTable, VantagePointTable, ZoneTable};
use crate::scenario::{Family, Scenario};

pub use incident::{Disorder, Effect, Incident};

/// Where the relay sends a packet and where it came from: an index over vantage points, then zones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeIndex(pub usize);

/// A world ready to be built.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The world's name.
    pub name: String,
    /// One sentence about it.
    pub about: String,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// Prefix of every IPv4 address in the world.
    pub ipv4_prefix: String,
    /// Prefix of every IPv6 address in the world.
    pub ipv6_prefix: String,
    /// Background loss per packet and direction.
    pub loss_ratio: f64,
    /// What the agents do.
    pub probing: ProbingTable,
    /// Where agents stand.
    pub vantage_points: Vec<VantagePoint>,
    /// Where reflectors stand.
    pub zones: Vec<Zone>,
    /// Every (vantage point, zone), vantage points outermost.
    pub pairs: Vec<Pair>,
    /// What goes wrong.
    pub incidents: Vec<Incident>,
}

/// A vantage point of the plan.
#[derive(Debug, Clone)]
pub struct VantagePoint {
    /// Its agent.
    pub agent: AgentId,
    /// Its table in the scenario.
    pub table: VantagePointTable,
    /// Its ISP's autonomous system.
    pub asn: u32,
    /// Its access line.
    pub access: AccessTable,
    /// Its IPv4 address.
    pub ipv4: Ipv4Addr,
    /// Its IPv6 address.
    pub ipv6: Ipv6Addr,
}

/// A zone of the plan.
#[derive(Debug, Clone)]
pub struct Zone {
    /// Its key.
    pub key: ZoneKey,
    /// Its table in the scenario.
    pub table: ZoneTable,
    /// Its IPv4 address.
    pub ipv4: Ipv4Addr,
    /// Its IPv6 address.
    pub ipv6: Ipv6Addr,
}

impl Zone {
    /// The address agents probe.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        match self.table.family {
            Family::Ipv4 => self.ipv4.into(),
            Family::Ipv6 => self.ipv6.into(),
        }
    }
}

/// The empty network between one vantage point and one zone.
#[derive(Debug, Clone, Copy)]
pub struct Pair {
    /// Base delay in one direction, in an empty network.
    pub one_way_ns: u64,
    /// Median of the variation in one direction.
    pub variation_ns: f64,
    /// Shape of the variation.
    pub sigma: f64,
    /// Great-circle distance from end to end.
    pub distance_km: f64,
    /// Great-circle length of the way over the ISP's best exchange.
    pub way_km: f64,
    /// Fibre length over that.
    pub path_factor: f64,
}

impl Pair {
    /// Base round-trip delay in an empty network, milliseconds.
    #[must_use]
    pub fn base_rtt_ms(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "delays are far below 2^53 ns")]
        let one_way_ns = self.one_way_ns as f64;
        2.0 * one_way_ns / 1e6
    }

    /// The median round-trip delay a probe should see: base, and one median variation each way.
    #[must_use]
    pub fn median_rtt_ms(&self) -> f64 {
        self.base_rtt_ms() + 2.0 * self.variation_ns / 1e6
    }
}

impl Plan {
    /// The plan of a scenario that has passed its checks.
    #[must_use]
    pub fn of(scenario: &Scenario) -> Self {
        let isps: BTreeMap<&str, &IspTable> = scenario
            .isp
            .iter()
            .map(|isp| (isp.name.get_ref().as_str(), isp))
            .collect();
        let vantage_points: Vec<VantagePoint> = scenario
            .vantage_point
            .iter()
            .enumerate()
            .filter_map(|(index, table)| {
                let (ipv4, ipv6) = addresses(scenario, Side::VantagePoint, index)?;
                Some(VantagePoint {
                    agent: table.agent_id()?,
                    table: table.clone(),
                    asn: isps.get(table.isp.get_ref().as_str())?.asn,
                    access: *scenario.access.get(table.access.get_ref())?,
                    ipv4,
                    ipv6,
                })
            })
            .collect();
        let zones: Vec<Zone> = scenario
            .zone
            .iter()
            .enumerate()
            .filter_map(|(index, table)| {
                let (ipv4, ipv6) = addresses(scenario, Side::Zone, index)?;
                Some(Zone {
                    key: table.zone_key()?,
                    table: table.clone(),
                    ipv4,
                    ipv6,
                })
            })
            .collect();
        let pairs = vantage_points
            .iter()
            .flat_map(|point| zones.iter().map(move |zone| (point, zone)))
            .map(|(point, zone)| {
                pair(
                    scenario,
                    isps.get(point.table.isp.get_ref().as_str()).copied(),
                    point,
                    zone,
                )
            })
            .collect();
        let incidents = scenario
            .incident
            .iter()
            .filter_map(|table| Incident::of(table, &vantage_points, &zones))
            .collect();
        Self {
            name: scenario.name.get_ref().clone(),
            about: scenario.about.clone(),
            seed: scenario.seed,
            ipv4_prefix: scenario.network.ipv4_prefix.get_ref().clone(),
            ipv6_prefix: scenario.network.ipv6_prefix.get_ref().clone(),
            loss_ratio: scenario.network.loss_ratio.get(),
            probing: scenario.probing.clone(),
            vantage_points,
            zones,
            pairs,
            incidents,
        }
    }

    /// The node of a vantage point.
    #[must_use]
    pub fn vantage_node(&self, vantage_point: usize) -> NodeIndex {
        NodeIndex(vantage_point)
    }

    /// The node of a zone.
    #[must_use]
    pub fn zone_node(&self, zone: usize) -> NodeIndex {
        NodeIndex(self.vantage_points.len() + zone)
    }

    /// The index in [`Plan::pairs`] of a vantage point and a zone.
    #[must_use]
    pub fn pair_index(&self, vantage_point: usize, zone: usize) -> usize {
        vantage_point * self.zones.len() + zone
    }

    /// The vantage point and the zone of a pair.
    #[must_use]
    pub fn ends_of(&self, pair: usize) -> (&VantagePoint, &Zone) {
        (
            &self.vantage_points[pair / self.zones.len()],
            &self.zones[pair % self.zones.len()],
        )
    }

    /// IPv4 and IPv6 addresses of every node, in node order.
    pub fn addresses(&self) -> impl Iterator<Item = (Ipv4Addr, Ipv6Addr)> + '_ {
        let points = self.vantage_points.iter().map(|point| (point.ipv4, point.ipv6));
        points.chain(self.zones.iter().map(|zone| (zone.ipv4, zone.ipv6)))
    }
}

#[derive(Clone, Copy)]
enum Side {
    VantagePoint = 1,
    Zone = 2,
}

/// `10.X.1.N` and `fdXX::1:N` for vantage points, `.2.N` and `::2:N` for zones; N from 1, at most 250.
fn addresses(scenario: &Scenario, side: Side, index: usize) -> Option<(Ipv4Addr, Ipv6Addr)> {
    let ipv4 = crate::scenario::ipv4_prefix(scenario)?;
    let ipv6 = crate::scenario::ipv6_prefix(scenario)?;
    let host = u8::try_from(index + 1).ok()?;
    let [first, second, ..] = ipv4.octets();
    let mut segments = ipv6.segments();
    segments[6] = side as u16;
    segments[7] = u16::from(host);
    Some((
        Ipv4Addr::new(first, second, side as u8, host),
        Ipv6Addr::from(segments),
    ))
}

fn pair(scenario: &Scenario, isp: Option<&IspTable>, point: &VantagePoint, zone: &Zone) -> Pair {
    let network = &scenario.network;
    let from = place(point.table.latitude.get(), point.table.longitude.get());
    let to = place(zone.table.latitude.get(), zone.table.longitude.get());
    let exchanges: Vec<Place> = isp
        .into_iter()
        .flat_map(|isp| &isp.exchanges)
        .filter_map(|name| network.exchange.get(name.get_ref()))
        .map(|exchange| place(exchange.latitude.get(), exchange.longitude.get()))
        .collect();
    let way_km = way_km(from, to, &exchanges);
    let draws = Draws {
        seed: scenario.seed,
        isp: point.table.isp.get_ref(),
        city: &point.table.city,
        provider: zone.key.provider(),
        region: zone.key.region(),
    };
    let [low, high] = network.path_factor;
    let path_factor = draws.path_factor(low.get(), high.get());
    let stated = scenario.pair.iter().find(|pair| {
        pair.agent.get_ref() == point.table.agent.get_ref() && pair.zone.get_ref() == zone.table.key.get_ref()
    });
    let rtt_ms = stated.map_or_else(
        || {
            fibre_rtt_ms(way_km, path_factor)
                + point.access.round_trip_ms.get()
                + zone.table.round_trip_ms.get()
                + draws.peering_ms(isp.map_or(0.0, |isp| isp.peering_ms.get()))
        },
        |pair| pair.round_trip_ms.get(),
    );
    Pair {
        one_way_ns: ns_of_ms(rtt_ms / 2.0),
        variation_ns: (point.access.variation_ms.get() + network.variation_ms.get()) * 1e6,
        sigma: point.access.sigma.get(),
        distance_km: from.distance_km(to),
        way_km,
        path_factor,
    }
}

fn place(latitude_deg: f64, longitude_deg: f64) -> Place {
    Place {
        latitude_deg,
        longitude_deg,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "non-negative, and a sum of bounded parts"
)]
fn ns_of_ms(ms: f64) -> u64 {
    (ms * 1e6).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{EUROPE, SMALL, parse};

    fn plan(text: &str) -> Plan {
        Plan::of(&parse(text, "test").expect("a scenario of the crate"))
    }

    #[test]
    fn the_default_world_is_as_large_as_promised_and_nothing_is_left_out() {
        let scenario = parse(EUROPE, "europe").expect("the default world");
        let plan = Plan::of(&scenario);
        assert!(plan.vantage_points.len() >= 20);
        assert_eq!(plan.zones.len(), 36);
        assert_eq!(plan.vantage_points.len(), scenario.vantage_point.len());
        assert_eq!(plan.zones.len(), scenario.zone.len());
        assert_eq!(plan.incidents.len(), scenario.incident.len());
        assert_eq!(plan.pairs.len(), plan.vantage_points.len() * plan.zones.len());
        for zone in ["alibaba/eu-west-2/eu-west-2a", "alibaba/eu-west-2/eu-west-2b"] {
            assert!(plan.zones.iter().any(|one| one.key.to_string() == zone), "{zone}");
        }
        let countries: std::collections::BTreeSet<&str> = plan
            .vantage_points
            .iter()
            .map(|point| point.table.country.get_ref().as_str())
            .collect();
        assert_eq!(
            countries.into_iter().collect::<Vec<_>>(),
            ["BE", "CH", "DE", "ES", "FR", "GB", "IT", "LU", "MC"]
        );
    }

    #[test]
    fn no_pair_is_faster_than_light_and_none_is_absurd() {
        let plan = plan(EUROPE);
        for (index, pair) in plan.pairs.iter().enumerate() {
            let (point, zone) = plan.ends_of(index);
            let light_ms = fibre_rtt_ms(pair.distance_km, 1.0);
            assert!(pair.base_rtt_ms() > light_ms, "{} {}", point.agent, zone.key);
            assert!(
                pair.base_rtt_ms() < light_ms * 3.2 + 40.0,
                "{} {} {}",
                point.agent,
                zone.key,
                pair.base_rtt_ms()
            );
        }
    }

    #[test]
    fn addresses_are_private_and_unique() {
        let plan = plan(EUROPE);
        let all: std::collections::BTreeSet<_> = plan.addresses().collect();
        assert_eq!(all.len(), plan.vantage_points.len() + plan.zones.len());
        assert!(
            all.iter()
                .all(|(ipv4, ipv6)| ipv4.is_private() && ipv6.is_unique_local())
        );
        assert_eq!(
            plan.addresses().nth(plan.zone_node(0).0),
            Some((plan.zones[0].ipv4, plan.zones[0].ipv6))
        );
    }

    #[test]
    fn an_incident_hits_the_pairs_it_names_and_no_other() {
        let plan = plan(SMALL);
        let change = plan
            .incidents
            .iter()
            .find(|incident| incident.effect.as_str() == "route_change");
        let Some(Effect::RouteChange {
            pairs,
            added_one_way_ns,
        }) = change.map(|incident| &incident.effect)
        else {
            panic!("the small world has a route change");
        };
        assert_eq!(*added_one_way_ns, 4_000_000, "+8 ms, half each way");
        assert_eq!(pairs.len(), 1);
    }

    #[test]
    fn a_stated_pair_keeps_its_stated_delay() {
        let text = format!(
            "{SMALL}\n[[pair]]\nagent = \"paris-free\"\nzone = \"aws/eu-west-3/euw3-az1\"\nround_trip_ms = 33.5\n"
        );
        let plan = plan(&text);
        let stated = plan
            .pairs
            .iter()
            .filter(|pair| (pair.base_rtt_ms() - 33.5).abs() < 1e-9)
            .count();
        assert_eq!(stated, 1);
    }
}
