//! The scenario file as it stands on disk: one struct per TOML table, every key documented, unknown keys refused.
//!
//! Not the world itself: [`crate::plan`] turns names into indices and coordinates into delays.

use std::collections::BTreeMap;

use azimuth_measurement::{AgentId, ZoneKey};
use serde::Deserialize;
use toml::Spanned;

use super::value::{Latitude, Longitude, Mbps, Milliseconds, PathFactor, Ratio, Seconds, Sigma};

/// A whole scenario file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Name of the world, in every screen and in the ground truth. Letters, digits and hyphens.
    pub name: Spanned<String>,
    /// One sentence for the reader of `describe`.
    #[serde(default)]
    pub about: String,
    /// Same file and same seed: same delays, same losses.
    pub seed: u64,
    /// The network between everything.
    pub network: NetworkTable,
    /// What the agents do.
    #[serde(default)]
    pub probing: ProbingTable,
    /// Kinds of access line, by name.
    pub access: BTreeMap<String, AccessTable>,
    /// Internet service providers.
    pub isp: Vec<IspTable>,
    /// Where agents stand.
    pub vantage_point: Vec<VantagePointTable>,
    /// Where reflectors stand.
    pub zone: Vec<ZoneTable>,
    /// Pairs whose base delay is stated rather than computed.
    #[serde(default)]
    pub pair: Vec<PairTable>,
    /// What goes wrong, and when.
    #[serde(default)]
    pub incident: Vec<IncidentTable>,
}

/// `[network]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkTable {
    /// First three octets of the world's IPv4 addresses are the first two of these plus 1 (vantage points) or 2
    /// (zones): a /16 from 10.0.0.0/8.
    pub ipv4_prefix: Spanned<String>,
    /// A /32 or shorter prefix from fd00::/8, written with its length.
    pub ipv6_prefix: Spanned<String>,
    /// The lowest and highest ratio of fibre length to great circle. Each (ISP, city, region) draws its own.
    pub path_factor: [PathFactor; 2],
    /// Background loss, per packet and direction.
    pub loss_ratio: Ratio,
    /// Median of the delay added to each packet on the way, per direction, on top of the access line's own.
    pub variation_ms: Milliseconds,
    /// Cities where ISPs meet clouds. A path runs over the best exchange its ISP is present at.
    #[serde(default)]
    pub exchange: BTreeMap<String, ExchangeTable>,
}

/// `[network.exchange.NAME]`
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExchangeTable {
    /// Degrees north.
    pub latitude: Latitude,
    /// Degrees east.
    pub longitude: Longitude,
}

/// `[probing]`: what is written into every agent's configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProbingTable {
    /// Period of the stamp probe; 0 turns it off.
    pub stamp_period_ms: u32,
    /// Period of the tcp_connect probe; 0 turns it off.
    pub tcp_connect_period_ms: u32,
    /// Period of the icmp_echo probe; 0, and when not said, turns it off.
    pub icmp_echo_period_ms: u32,
    /// How long an answer is waited for.
    pub waiting_time_ms: u32,
}

impl Default for ProbingTable {
    fn default() -> Self {
        Self {
            stamp_period_ms: 1000,
            tcp_connect_period_ms: 10_000,
            icmp_echo_period_ms: 0,
            waiting_time_ms: 2000,
        }
    }
}

/// `[access.NAME]`
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessTable {
    /// Round-trip delay of the line itself, empty.
    pub round_trip_ms: Milliseconds,
    /// Median of the delay the line adds to each packet, per direction.
    pub variation_ms: Milliseconds,
    /// Shape of that variation (lognormal).
    pub sigma: Sigma,
    /// Rate towards the vantage point.
    pub down_mbps: Mbps,
    /// Rate from the vantage point.
    pub up_mbps: Mbps,
    /// Bytes that wait in front of the line, per direction, before it drops the newest.
    pub queue_bytes: u32,
}

/// `[[isp]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IspTable {
    /// Its name, unique; vantage points and incidents refer to it.
    pub name: Spanned<String>,
    /// Autonomous system number.
    pub asn: u32,
    /// Exchanges it meets the clouds at; none means the straight way.
    #[serde(default)]
    pub exchanges: Vec<Spanned<String>>,
    /// Each (ISP, provider) pair adds a fixed round-trip delay between 0 and this: good and bad peering.
    pub peering_ms: Milliseconds,
}

/// `[[vantage_point]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VantagePointTable {
    /// Agent id.
    pub agent: Spanned<String>,
    /// Name on the screen.
    pub name: String,
    /// ISO 3166-1 alpha-2.
    pub country: Spanned<String>,
    /// City.
    pub city: String,
    /// Name of an `[[isp]]`.
    pub isp: Spanned<String>,
    /// Name of an `[access.*]`.
    pub access: Spanned<String>,
    /// Degrees north.
    pub latitude: Latitude,
    /// Degrees east.
    pub longitude: Longitude,
}

impl VantagePointTable {
    /// The agent's id. [`super::check`] has already refused files in which it does not parse.
    pub(crate) fn agent_id(&self) -> Option<AgentId> {
        self.agent.get_ref().parse().ok()
    }
}

/// Address family the agents use towards a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// IPv4.
    #[default]
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// `[[zone]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZoneTable {
    /// `provider/region/zone`.
    pub key: Spanned<String>,
    /// ISO 3166-1 alpha-2.
    pub country: Spanned<String>,
    /// City.
    pub city: String,
    /// Degrees north.
    pub latitude: Latitude,
    /// Degrees east.
    pub longitude: Longitude,
    /// Round-trip delay from the region's edge to the zone and back.
    pub round_trip_ms: Milliseconds,
    /// Address family the agents use; IPv4 when not said.
    #[serde(default)]
    pub family: Family,
}

impl ZoneTable {
    /// The zone's key. [`super::check`] has already refused files in which it does not parse.
    pub(crate) fn zone_key(&self) -> Option<ZoneKey> {
        self.key.get_ref().parse().ok()
    }
}

/// `[[pair]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairTable {
    /// Agent id of a `[[vantage_point]]`.
    pub agent: Spanned<String>,
    /// Key of a `[[zone]]`.
    pub zone: Spanned<String>,
    /// The whole base round-trip delay, access and zone included.
    pub round_trip_ms: Milliseconds,
}

/// `[[incident]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IncidentTable {
    /// Its name, unique.
    pub name: Spanned<String>,
    /// When it first begins.
    pub from_s: Seconds,
    /// How long it lasts.
    pub for_s: Seconds,
    /// It begins again this long after it began; once only when not said.
    pub repeat_every_s: Option<Seconds>,
    /// What it does.
    pub what: What,
}

/// `what = { route_change = { ... } }`
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum What {
    /// A longer way between one ISP and one zone.
    RouteChange {
        /// Name of an `[[isp]]`.
        isp: Spanned<String>,
        /// Key of a `[[zone]]`.
        zone: Spanned<String>,
        /// Added round-trip delay, half of it in each direction.
        added_ms: Milliseconds,
    },
    /// A zone that answers nobody.
    ZoneOutage {
        /// Key of a `[[zone]]`.
        zone: Spanned<String>,
    },
    /// Somebody else fills a vantage point's downlink.
    AccessCongestion {
        /// Agent id of a `[[vantage_point]]`.
        agent: Spanned<String>,
        /// The deepest the standing queue gets; it swings between this and a third of it.
        queue_ms: Milliseconds,
        /// Packets towards the vantage point that the full queue drops.
        loss_ratio: Ratio,
    },
    /// A fault on the way out of one country.
    TransitFault {
        /// ISO 3166-1 alpha-2 of the vantage points it hits.
        country: Spanned<String>,
        /// Added round-trip delay, half of it in each direction.
        added_ms: Milliseconds,
        /// Added loss, per packet and direction.
        loss_ratio: Ratio,
    },
    /// Packets doubled and overtaken on the way out of one country and back.
    Disorder {
        /// ISO 3166-1 alpha-2 of the vantage points it hits.
        country: Spanned<String>,
        /// Packets that arrive twice, per packet and direction.
        duplication_ratio: Ratio,
        /// Packets that are held, so that those behind may overtake them, per packet and direction.
        held_ratio: Ratio,
        /// For how long they are held.
        held_ms: Milliseconds,
    },
}
