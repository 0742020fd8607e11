//! What of a collector's plan this host does not do, whatever the collector says: a collector that was taken over must not turn
//! its agents into a way into their networks, or against others. Pure. The operator's own targets are not held against it.
//!
//! Every address is judged itself, after its name was looked up and each time it is: what a name is called says nothing
//! (DNS rebinding). Ranges: the IANA registries of special-purpose addresses (RFC 6890) and the addresses at which clouds answer
//! their own hosts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use azimuth_measurement::PlanRefusal;

use crate::cli::{STAMP_PORT, TCP_PORT};
use crate::config::web::is_host_name;
use crate::reflect::Prefix;

/// HTTP, HTTPS, STAMP (RFC 8762), and where our own reflectors answer.
const PORTS: [u16; 5] = [80, 443, 862, STAMP_PORT, TCP_PORT];
const LEAST_PERIOD_MS: u32 = 1_000;
const MOST_PROBES_PER_S: u32 = 500;

/// What this host allows a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether it takes a plan at all.
    pub enabled: bool,
    /// Networks that may be probed although they are refused otherwise.
    pub allow: Vec<Prefix>,
    /// Ports that may be probed.
    pub ports: Vec<u16>,
    /// No series more often than this, in milliseconds.
    pub least_period_ms: u32,
    /// All series together, in probes a second.
    pub most_probes_per_s: u32,
    /// Targets.
    pub most_targets: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            enabled: true,
            allow: Vec::new(),
            ports: PORTS.to_vec(),
            least_period_ms: LEAST_PERIOD_MS,
            most_probes_per_s: MOST_PROBES_PER_S,
            most_targets: azimuth_measurement::plan::MAX_TARGETS,
        }
    }
}

/// What a plan calls a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// An address.
    Address(IpAddr),
    /// A name; its addresses are judged whenever they are looked up.
    Name(String),
}

impl Policy {
    /// Whether packets may go to this address.
    ///
    /// # Errors
    /// Why not.
    pub fn judge_address(&self, address: IpAddr) -> Result<(), PlanRefusal> {
        let Some(why) = special(address) else {
            return Ok(());
        };
        // No network that is allowed as a whole opens these: each has to be named by itself.
        let is_allowed = |prefix: &Prefix| {
            prefix.contains(address) && (why != PlanRefusal::Metadata || prefix.is_one_address())
        };
        let is_never = matches!(
            why,
            PlanRefusal::Unspecified | PlanRefusal::Multicast | PlanRefusal::Broadcast
        );
        if !is_never && self.allow.iter().any(is_allowed) {
            Ok(())
        } else {
            Err(why)
        }
    }

    /// What `text` is: an address that is allowed, or a name.
    ///
    /// # Errors
    /// It is neither, or an address that is not allowed.
    pub fn judge_host(&self, text: &str) -> Result<Host, PlanRefusal> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return self.judge_address(address).map(|()| Host::Address(address));
        }
        if is_host_name(text) && !is_number(text) {
            Ok(Host::Name(text.to_owned()))
        } else {
            Err(PlanRefusal::Name)
        }
    }

    /// Whether this port may be probed; 0 stands for a method without ports.
    ///
    /// # Errors
    /// It is not on the list.
    pub fn judge_port(&self, port: u16) -> Result<(), PlanRefusal> {
        if port == 0 || self.ports.contains(&port) {
            Ok(())
        } else {
            Err(PlanRefusal::Port)
        }
    }

    /// Whether one series may send as often.
    ///
    /// # Errors
    /// It may not.
    pub fn judge_period(&self, period_ms: u32) -> Result<(), PlanRefusal> {
        if period_ms >= self.least_period_ms {
            Ok(())
        } else {
            Err(PlanRefusal::Rate)
        }
    }
}

/// Whether a resolver would take a text for an address of its own accord: `0x7f.1`, `0177.0.0.1`, `2130706433` (inet_aton).
fn is_number(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let last = name.rsplit('.').next().unwrap_or_default();
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    last.bytes().all(|byte| byte.is_ascii_digit())
        || hex.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// What is special about an address; `None` if it is one of a host on the Internet like any other.
#[must_use]
pub fn special(address: IpAddr) -> Option<PlanRefusal> {
    match address {
        IpAddr::V4(v4) => special_v4(v4),
        IpAddr::V6(v6) => special_v6(v6),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<PlanRefusal> {
    use PlanRefusal as R;
    match address.octets() {
        // AWS and most others; Oracle; Alibaba; Azure.
        [169, 254, 169, 254] | [192, 0, 0, 192] | [100, 100, 100, 200] | [168, 63, 129, 16] => {
            Some(R::Metadata)
        }
        // AWS: credentials of containers and pods, time, resolver.
        [169, 254, 170, 2 | 23] | [169, 254, 169, 123 | 253] => Some(R::Metadata),
        [0, ..] => Some(R::Unspecified),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some(R::Private),
        [100, 64..=127, ..] => Some(R::Shared),
        [127, ..] => Some(R::Loopback),
        [169, 254, ..] => Some(R::LinkLocal),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Some(R::Documentation),
        [192, 88, 99, _] => Some(R::Transition),
        [192, 0, 0, _] | [198, 18..=19, ..] => Some(R::Reserved),
        [255, 255, 255, 255] => Some(R::Broadcast),
        [224..=239, ..] => Some(R::Multicast),
        [240..=255, ..] => Some(R::Reserved),
        _ => None,
    }
}

fn special_v6(address: Ipv6Addr) -> Option<PlanRefusal> {
    use PlanRefusal as R;
    match address.segments() {
        // AWS; Google; AWS's resolver, time and pods.
        [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254 | 0x253 | 0x123 | 0x23]
        | [0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x254] => Some(R::Metadata),
        [0, 0, 0, 0, 0, 0, 0, 0] => Some(R::Unspecified),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some(R::Loopback),
        [0xff00..=0xffff, ..] => Some(R::Multicast),
        [0xfe80..=0xfebf, ..] => Some(R::LinkLocal),
        // Unique local; site local.
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Some(R::Private),
        // IPv4-compatible and IPv4-mapped; IPv4-translated; NAT64; 6to4; Teredo; ISATAP.
        [0, 0, 0, 0, 0, 0 | 0xffff, _, _]
        | [0, 0, 0, 0, 0xffff, 0, _, _]
        | [0x64, 0xff9b, ..]
        | [0x2002, ..]
        | [0x2001, 0, ..]
        | [_, _, _, _, 0 | 0x200, 0x5efe, _, _] => Some(R::Transition),
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Some(R::Documentation),
        // The rest of IETF protocol assignments; and all that is not global unicast.
        [0x2001, 0x0001..=0x01ff, ..] => Some(R::Reserved),
        [0x2000..=0x3fff, ..] => None,
        _ => Some(R::Reserved),
    }
}

#[cfg(test)]
mod tests;
