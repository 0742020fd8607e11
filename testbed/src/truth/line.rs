//! The lines of `truth.jsonl`, one struct per `kind`.
//!
//! Every delay is whole microseconds, rounded to nearest; every time is UTC, ISO 8601. A percentile of nothing is
//! null, never 0. Readers must ignore kinds and members they do not know.

use std::collections::BTreeMap;

use serde::Serialize;

use super::ledger::{Tally, WINDOW_NS, quantile};
use crate::clock::iso8601;
use crate::path::timeline::Occurrence;
use crate::plan::{Effect, Incident, Plan};
use crate::relay::network::Flow;

/// One line.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Line {
    /// First: which world, when it began.
    World(WorldLine),
    /// An incident is about to begin (at most a minute ahead; compare with `end`).
    Incident(IncidentLine),
    /// What happened to the packets of one pair, direction and protocol in one window.
    Pair(PairLine),
    /// How well the relay did in one window.
    Relay(RelayLine),
    /// One packet (only with `--every-packet`).
    Packet(PacketLine),
    /// The file has reached its largest size; nothing follows but `end`.
    Full {
        /// When.
        at: String,
    },
    /// Last: the world ended in order.
    End(EndLine),
}

/// `"kind":"world"`
#[derive(Debug, Serialize)]
pub struct WorldLine {
    /// The world's name.
    pub name: String,
    /// Its seed.
    pub seed: u64,
    /// When its clock stood at 0.
    pub began_at: String,
    /// Agent ids.
    pub agents: Vec<String>,
    /// Zone keys.
    pub zones: Vec<String>,
    /// True when the relay got real-time priority.
    pub real_time: bool,
}

/// `"kind":"incident"`
#[derive(Debug, Serialize)]
pub struct IncidentLine {
    /// Its name in the scenario.
    pub name: String,
    /// `route_change`, `zone_outage`, `access_congestion`, `transit_fault` or `disorder`.
    pub what: &'static str,
    /// The same as a sentence.
    pub description: String,
    /// Which time, counted from 0.
    pub occurrence: u64,
    /// Beginning.
    pub from_at: String,
    /// End, not included.
    pub to_at: String,
    /// Agents hit.
    pub agents: Vec<String>,
    /// Zones hit.
    pub zones: Vec<String>,
    /// Round-trip delay added (for congestion: at most).
    pub added_ms: f64,
    /// Loss added per packet in each direction hit.
    pub loss_ratio: f64,
}

/// `"kind":"pair"`
#[derive(Debug, Serialize)]
pub struct PairLine {
    /// Start of the window in which the packets were read from the sender.
    pub start_at: String,
    /// End of it, not included.
    pub end_at: String,
    /// Agent id.
    pub agent: String,
    /// Zone key.
    pub zone: String,
    /// `out` (to the zone) or `back`.
    pub direction: &'static str,
    /// `udp`, `tcp`, `icmp` or `other`.
    pub protocol: &'static str,
    /// Packets read.
    pub packets: u64,
    /// Packets of those that were dropped.
    pub dropped: u64,
    /// Packets delivered that had been held so that others may overtake them.
    pub held: u64,
    /// Second ones of doubled packets, delivered; in no other count.
    pub duplicated: u64,
    /// Second ones of doubled packets, dropped; in no other count.
    pub duplicates_dropped: u64,
    /// The dropped ones by reason.
    pub dropped_by: BTreeMap<&'static str, u64>,
    /// Shortest delay applied (write time - read time).
    pub delay_min_us: Option<u64>,
    /// Median delay applied.
    pub delay_p50_us: Option<u64>,
    /// 99th percentile of the delay applied.
    pub delay_p99_us: Option<u64>,
    /// 99th percentile of write time - due time.
    pub late_p99_us: Option<u64>,
}

/// `"kind":"relay"`
#[derive(Debug, Serialize)]
pub struct RelayLine {
    /// Start of the window.
    pub start_at: String,
    /// End of it, not included.
    pub end_at: String,
    /// Packets of all pairs.
    pub packets: u64,
    /// Write time - due time over all delivered packets.
    pub late_p50_us: Option<u64>,
    /// Its 99th percentile.
    pub late_p99_us: Option<u64>,
    /// Its worst.
    pub late_max_us: Option<u64>,
}

/// `"kind":"packet"`
#[derive(Debug, Serialize)]
pub struct PacketLine {
    /// When it was read.
    pub read_at: String,
    /// The same in nanoseconds since 1970.
    pub read_unix_ns: u64,
    /// Protocol, port asked, asking port, number: the same for a probe and its answer; null for other packets.
    pub probe: Option<String>,
    /// Port asked, asking port, sequence number and octets of a TCP segment; null for other packets.
    pub segment: Option<String>,
    /// The second of a packet that was doubled on the way; its first has a line of its own.
    pub copy: bool,
    /// Agent id.
    pub agent: String,
    /// Zone key.
    pub zone: String,
    /// `out` or `back`.
    pub direction: &'static str,
    /// Protocol above IP.
    pub protocol: &'static str,
    /// Write time - read time; null when dropped.
    pub delay_us: Option<u64>,
    /// Write time - due time; null when dropped.
    pub late_us: Option<u64>,
    /// Why it was dropped; null when delivered.
    pub dropped: Option<&'static str>,
}

/// `"kind":"end"`
#[derive(Debug, Serialize)]
pub struct EndLine {
    /// When.
    pub at: String,
    /// Packets that belonged to no pair, by reason.
    pub strays: BTreeMap<&'static str, u64>,
    /// Packets still on their way.
    pub in_flight: u64,
    /// Packets the kernel dropped before the relay could read them, over all devices; null when unread.
    pub device_drops: Option<u64>,
    /// Per-packet lines that were not written because the writer fell behind.
    pub packet_lines_lost: u64,
}

impl WorldLine {
    /// The first line of a world.
    #[must_use]
    pub fn of(plan: &Plan, began_unix_ns: u64, real_time: bool) -> Self {
        Self {
            name: plan.name.clone(),
            seed: plan.seed,
            began_at: iso8601(began_unix_ns),
            agents: plan
                .vantage_points
                .iter()
                .map(|point| point.agent.to_string())
                .collect(),
            zones: plan.zones.iter().map(|zone| zone.key.to_string()).collect(),
            real_time,
        }
    }
}

impl IncidentLine {
    /// The line of an occurrence.
    #[must_use]
    pub fn of(plan: &Plan, incident: &Incident, occurrence: Occurrence, began_unix_ns: u64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "delays are far below 2^53 ns")]
        let ms = |ns: u64| ns as f64 / 1e6;
        let (pairs, added_ms, loss_ratio) = match &incident.effect {
            Effect::RouteChange {
                pairs,
                added_one_way_ns,
            } => (pairs.clone(), ms(2 * added_one_way_ns), 0.0),
            Effect::ZoneOutage { zone } => {
                let points = 0..plan.vantage_points.len();
                (
                    points.map(|point| plan.pair_index(point, *zone)).collect(),
                    0.0,
                    1.0,
                )
            }
            Effect::AccessCongestion {
                vantage_point,
                queue_ns,
                loss_ratio,
            } => {
                let zones = 0..plan.zones.len();
                let pairs = zones.map(|zone| plan.pair_index(*vantage_point, zone)).collect();
                (pairs, ms(*queue_ns), *loss_ratio)
            }
            Effect::TransitFault {
                pairs,
                added_one_way_ns,
                loss_ratio,
            } => (pairs.clone(), ms(2 * added_one_way_ns), *loss_ratio),
            Effect::Disorder { pairs, .. } => (pairs.clone(), 0.0, 0.0),
        };
        let names = |name: &dyn Fn(usize) -> String| -> Vec<String> {
            let unique: std::collections::BTreeSet<String> = pairs.iter().map(|pair| name(*pair)).collect();
            unique.into_iter().collect()
        };
        Self {
            name: incident.name.clone(),
            what: incident.effect.as_str(),
            description: incident.description.clone(),
            occurrence: occurrence.number,
            from_at: iso8601(began_unix_ns + occurrence.from_ns),
            to_at: iso8601(began_unix_ns + occurrence.to_ns),
            agents: names(&|pair| plan.ends_of(pair).0.agent.to_string()),
            zones: names(&|pair| plan.ends_of(pair).1.key.to_string()),
            added_ms,
            loss_ratio,
        }
    }
}

impl PairLine {
    /// The line of one flow in one window.
    #[must_use]
    pub fn of(plan: &Plan, start_unix_ns: u64, flow: Flow, mut tally: Tally) -> Self {
        tally.delays_ns.sort_unstable();
        tally.late_ns.sort_unstable();
        let (point, zone) = plan.ends_of(flow.pair);
        Self {
            start_at: iso8601(start_unix_ns),
            end_at: iso8601(start_unix_ns + WINDOW_NS),
            agent: point.agent.to_string(),
            zone: zone.key.to_string(),
            direction: flow.direction.as_str(),
            protocol: flow.protocol.as_str(),
            packets: tally.packets,
            dropped: tally.dropped.values().sum(),
            held: tally.held,
            duplicated: tally.duplicated,
            duplicates_dropped: tally.duplicates_dropped,
            dropped_by: tally
                .dropped
                .iter()
                .map(|(reason, count)| (reason.as_str(), *count))
                .collect(),
            delay_min_us: tally.delays_ns.first().copied().map(us),
            delay_p50_us: quantile(&tally.delays_ns, 0.5).map(us),
            delay_p99_us: quantile(&tally.delays_ns, 0.99).map(us),
            late_p99_us: quantile(&tally.late_ns, 0.99).map(us),
        }
    }
}

impl RelayLine {
    /// The line of one window over all its flows; `late_ns` in any order.
    #[must_use]
    pub fn of(start_unix_ns: u64, packets: u64, mut late_ns: Vec<u32>) -> Self {
        late_ns.sort_unstable();
        Self {
            start_at: iso8601(start_unix_ns),
            end_at: iso8601(start_unix_ns + WINDOW_NS),
            packets,
            late_p50_us: quantile(&late_ns, 0.5).map(us),
            late_p99_us: quantile(&late_ns, 0.99).map(us),
            late_max_us: late_ns.last().copied().map(us),
        }
    }
}

/// Nanoseconds as whole microseconds, rounded to nearest.
#[must_use]
pub fn us(ns: u32) -> u64 {
    (u64::from(ns) + 500) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::network::{Direction, DropReason};
    use crate::relay::packet::Protocol;
    use crate::scenario::{SMALL, parse};

    #[test]
    fn a_pair_line_has_the_members_its_readers_count_on() {
        let plan = Plan::of(&parse(SMALL, "small").expect("the small world"));
        let tally = Tally {
            packets: 4,
            dropped: [(DropReason::Loss, 1)].into(),
            held: 2,
            duplicated: 3,
            duplicates_dropped: 1,
            delays_ns: vec![3_000_400, 1_000_600, 2_000_000],
            late_ns: vec![10_000, 20_000, 30_499],
        };
        let flow = Flow {
            pair: 0,
            direction: Direction::Back,
            protocol: Protocol::Udp,
        };
        let line = Line::Pair(PairLine::of(&plan, 1_700_000_000_000_000_000, flow, tally));
        let json = serde_json::to_value(&line).expect("json");
        assert_eq!(
            json,
            serde_json::json!({
                "kind": "pair", "start_at": "2023-11-14T22:13:20.000Z", "end_at": "2023-11-14T22:13:30.000Z",
                "agent": "paris-free", "zone": "aws/eu-west-3/euw3-az1", "direction": "back", "protocol": "udp",
                "packets": 4, "dropped": 1, "dropped_by": {"loss": 1},
                "held": 2, "duplicated": 3, "duplicates_dropped": 1,
                "delay_min_us": 1001, "delay_p50_us": 2000, "delay_p99_us": 3000, "late_p99_us": 30,
            })
        );
    }

    #[test]
    fn a_percentile_of_nothing_is_null() {
        let line = RelayLine::of(0, 0, Vec::new());
        assert_eq!(
            serde_json::to_value(&line).expect("json")["late_p99_us"],
            serde_json::Value::Null
        );
    }
}
