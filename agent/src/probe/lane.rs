//! Lanes: which probes share a socket, and so a source port, a way out of this host and a shape. Pure.
//!
//! Routers that share traffic between equal paths (ECMP) choose by the flow: addresses, protocol and ports. A source port
//! that stays, over restarts too, keeps a series on one path; several ports to one target see several. So every flow of
//! one shape has one socket for all targets, and its port is hashed from the agent's name into a range; a port that is
//! taken falls to the next. With ICMP the identifier is what a port is elsewhere.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use azimuth_measurement::{Method, Outgoing};

use super::SeriesPlan;
use super::exchange::sides;
use crate::icmp::Family;
use crate::schedule::phase_ns;

/// The most flows of one probe.
pub const MAX_FLOWS: u16 = 16;
/// The most lanes of one agent: each is a socket that is looked at every turn.
pub const MAX_LANES: usize = 256;
/// How many ports are tried before a lane does without a stable one.
const TRIES: u16 = 64;

/// What makes probes share a socket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Lane {
    /// Which of several flows, from 0.
    pub flow: u16,
    /// The source port (ICMP: the identifier) to have; `None` for one the system chooses.
    pub port: Option<WantedPort>,
    /// Differentiated services code point (RFC 2474), 0 to 63.
    pub dscp: u8,
    /// By which way and in which shape probes leave.
    pub outgoing: Outgoing,
}

impl Lane {
    /// Whether nothing was chosen that a host could refuse.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.dscp == 0 && self.outgoing == Outgoing::default()
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "flow {}", self.flow)?;
        if self.dscp != 0 {
            write!(f, ", DSCP {}", self.dscp)?;
        }
        if let Some(source) = self.outgoing.source_address {
            write!(f, ", from {source}")?;
        }
        if let Some(interface) = &self.outgoing.interface {
            write!(f, ", by {interface}")?;
        }
        if self.outgoing.payload_bytes != 0 {
            write!(f, ", {} octets", self.outgoing.payload_bytes)?;
        }
        if self.outgoing.dont_fragment {
            f.write_str(", not to be fragmented")?;
        }
        Ok(())
    }
}

/// Source ports that may be used, written `61000-65535`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PortRange {
    low: u16,
    high: u16,
}

impl PortRange {
    /// Above the ports that Linux gives to programs that do not ask for one (`net.ipv4.ip_local_port_range`).
    pub const DEFAULT: Self = Self {
        low: 61_000,
        high: 65_535,
    };
    /// ICMP identifiers.
    pub const IDENTIFIERS: Self = Self {
        low: 1,
        high: u16::MAX,
    };
    /// The lowest port allowed: well above the ports that reflectors refuse to answer.
    const LOWEST: u16 = 10_000;

    fn size(self) -> u32 {
        u32::from(self.high) - u32::from(self.low) + 1
    }
}

impl FromStr for PortRange {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (low, high) = text.split_once('-').ok_or(())?;
        let range = Self {
            low: low.trim().parse().map_err(|_| ())?,
            high: high.trim().parse().map_err(|_| ())?,
        };
        let fits =
            range.low >= Self::LOWEST && range.high >= range.low && range.size() >= u32::from(MAX_FLOWS) * 2;
        fits.then_some(range).ok_or(())
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.low, self.high)
    }
}

/// A port by hash, and where to go on from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WantedPort {
    first: u16,
    range: PortRange,
}

impl WantedPort {
    /// The port of what is called `name`: the same whenever it is asked for.
    #[must_use]
    pub fn hashed(name: &str, range: PortRange) -> Self {
        let offset = phase_ns(name, i64::from(range.size()));
        Self {
            first: range.low.saturating_add(u16::try_from(offset).unwrap_or(0)),
            range,
        }
    }

    /// The port to try first.
    #[must_use]
    pub fn first(self) -> u16 {
        self.first
    }

    /// The ports to try, the best first: upwards, and from the end of the range back to its beginning.
    pub fn candidates(self) -> impl Iterator<Item = u16> {
        let start = u32::from(self.first - self.range.low);
        (0..u32::from(TRIES).min(self.range.size())).map(move |step| {
            let offset = (start + step) % self.range.size();
            self.range
                .low
                .saturating_add(u16::try_from(offset).unwrap_or(u16::MAX))
        })
    }
}

/// What carries the probes of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// STAMP.
    Udp,
    /// Echo requests.
    Icmp,
    /// Connects.
    Tcp,
}

impl Transport {
    /// What `method` goes by; `None` if it goes by no lane.
    #[must_use]
    pub fn of(method: Method) -> Option<Self> {
        match method {
            Method::Stamp => Some(Self::Udp),
            Method::IcmpEcho => Some(Self::Icmp),
            Method::TcpConnect => Some(Self::Tcp),
            Method::TlsHandshake | Method::HttpsFirstByte | Method::DnsQuery => None,
        }
    }

    /// The one spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Icmp => "icmp",
            Self::Tcp => "tcp",
        }
    }
}

/// One socket that is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LanePlan {
    /// Of which kind.
    pub transport: Transport,
    /// Of which address family.
    pub family: Family,
    /// How it is set up.
    pub lane: Lane,
    /// A target it is for.
    pub example: SocketAddr,
    /// How many series go by it.
    pub series: usize,
}

/// All lanes that some series need.
#[derive(Clone, Debug, Default)]
pub struct Lanes {
    all: Vec<LanePlan>,
    numbers: HashMap<(Transport, bool, Lane), u32>,
    /// `None` for what goes by no lane.
    of_series: Vec<Option<u32>>,
}

impl Lanes {
    /// The lanes of `plans`, numbered by first use.
    #[must_use]
    pub fn of(plans: &[SeriesPlan]) -> Self {
        let mut lanes = Self::default();
        plans.iter().for_each(|plan| lanes.add(plan));
        lanes
    }

    /// One series more, and those of its sides after it. Lanes keep their numbers; a new one is the last.
    pub fn add(&mut self, plan: &SeriesPlan) {
        let number = Transport::of(plan.method).map(|transport| self.number(transport, plan));
        self.of_series.push(number);
        self.of_series
            .extend(std::iter::repeat_n(None, sides(plan.method).len()));
    }

    /// Series that go by no lane, after the one added last.
    pub fn add_beside(&mut self, series: usize) {
        self.of_series.extend(std::iter::repeat_n(None, series));
    }

    fn number(&mut self, transport: Transport, plan: &SeriesPlan) -> u32 {
        let key = (transport, plan.address.is_ipv4(), plan.lane.clone());
        let number = *self.numbers.entry(key).or_insert_with(|| {
            self.all.push(LanePlan {
                transport,
                family: Family::of(plan.address),
                lane: plan.lane.clone(),
                example: plan.address,
                series: 0,
            });
            u32::try_from(self.all.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(lane) = self.all.get_mut(number as usize) {
            lane.series += 1;
        }
        number
    }

    /// Every lane, by number.
    #[must_use]
    pub fn all(&self) -> &[LanePlan] {
        &self.all
    }

    /// The lane of a series; `None` for exchanges of several steps, whose connections are made elsewhere.
    #[must_use]
    pub fn of_series(&self, series: u32) -> Option<u32> {
        self.of_series.get(series as usize).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Pace;
    use proptest::prelude::*;

    fn plan(address: &str, method: Method, flow: u16) -> SeriesPlan {
        SeriesPlan {
            address: address.parse().expect("an address"),
            method,
            period_ms: 1_000,
            pace: Pace::Periodic,
            phase_ns: 0,
            waiting_time_ms: 1_000,
            limit: None,
            follow_up: false,
            direct_measurement: false,
            key: None,
            lane: Lane {
                flow,
                ..Lane::default()
            },
            request: None,
            backs_off: None,
        }
    }

    #[test]
    fn targets_share_the_lane_of_a_flow_and_nothing_else() {
        let mut by_interface = plan("10.0.0.1:8620", Method::Stamp, 0);
        by_interface.lane.outgoing.interface = Some("eth1".into());
        let lanes = Lanes::of(&[
            plan("10.0.0.1:8620", Method::Stamp, 0),
            plan("10.0.0.1:8620", Method::Stamp, 1),
            plan("10.0.0.2:8620", Method::Stamp, 1),
            plan("[::1]:8620", Method::Stamp, 1),
            plan("10.0.0.1:0", Method::IcmpEcho, 1),
            by_interface,
        ]);
        let numbers: Vec<_> = (0..6).filter_map(|series| lanes.of_series(series)).collect();
        assert_eq!(numbers, [0, 1, 1, 2, 3, 4]);
        assert_eq!(lanes.all()[1].series, 2);
        assert_eq!(lanes.of_series(6), None);
    }

    #[test]
    fn series_that_come_later_take_a_lane_or_add_one_and_sides_have_none() {
        let mut lanes = Lanes::of(&[plan("10.0.0.1:8620", Method::Stamp, 0)]);
        lanes.add(&plan("10.0.0.2:443", Method::TlsHandshake, 0));
        lanes.add(&plan("10.0.0.2:8620", Method::Stamp, 0));
        lanes.add(&plan("[::1]:8620", Method::Stamp, 0));
        let beside = sides(Method::TlsHandshake).len() as u32;
        let numbers = (0..beside + 4).map(|series| lanes.of_series(series));
        let expected = std::iter::once(Some(0))
            .chain(std::iter::repeat_n(None, 1 + beside as usize))
            .chain([Some(0), Some(1)]);
        assert!(numbers.eq(expected), "{lanes:?}");
        assert_eq!((lanes.all().len(), lanes.all()[0].series), (2, 2));
    }

    #[test]
    fn a_range_is_wide_enough_and_out_of_the_way_or_refused() {
        assert_eq!("61000-65535".parse(), Ok(PortRange::DEFAULT));
        for wrong in [
            "61000",
            "8000-9000",
            "62000-61000",
            "61000-61010",
            "61000-70000",
            "-",
        ] {
            assert_eq!(wrong.parse::<PortRange>(), Err(()), "{wrong}");
        }
    }

    #[test]
    fn the_port_of_a_name_stays_and_names_spread() {
        let port = |name: &str| WantedPort::hashed(name, PortRange::DEFAULT).first();
        assert_eq!(port("paris/udp/0"), port("paris/udp/0"));
        let ports: std::collections::HashSet<_> =
            (0..16).map(|flow| port(&format!("paris/udp/{flow}"))).collect();
        assert!(ports.len() > 12, "{ports:?}");
    }

    proptest! {
        #[test]
        fn candidates_stay_in_their_range_and_are_each_another(name in ".{0,20}", low in 10_000_u16..=65_000, size in 32_u16..500) {
            let range = PortRange { low, high: low.saturating_add(size) };
            let wanted = WantedPort::hashed(&name, range);
            let tried: Vec<_> = wanted.candidates().collect();
            prop_assert_eq!(tried.first(), Some(&wanted.first()));
            prop_assert!(tried.iter().all(|port| (range.low..=range.high).contains(port)));
            let each: std::collections::HashSet<_> = tried.iter().collect();
            prop_assert_eq!(each.len(), tried.len());
        }
    }
}
