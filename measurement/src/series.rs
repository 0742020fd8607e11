//! What an agent measures. A [`Manifest`] is sent once and named by its content; reports then refer to its series by number,
//! so that a histogram does not carry its own address every ten seconds.

use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

use crate::agent_id::AgentId;
use crate::cloud::{CloudPlace, CloudPlaceError};
use crate::facet::Facet;
use crate::interval::MAX_LENGTH_MS;
use crate::method::{Granularity, LoadLabel, Method};
use crate::text::{self, TextError};
use crate::vantage::{VantagePoint, VantagePointError};
use crate::zone::ZoneKey;

/// The most series one agent may declare.
pub const MAX_SERIES: usize = 4_096;
/// The longest waiting time, in milliseconds: the end of the histogram's range.
pub const MAX_WAITING_TIME_MS: u32 = 60_000;
/// The most octets a probe may carry above its UDP or ICMP header: what fits an IPv4 packet.
pub const MAX_PAYLOAD_BYTES: u16 = 65_507;
/// The longest name of a network interface, in bytes (Linux `IFNAMSIZ`, its end not counted).
const MAX_INTERFACE_BYTES: usize = 15;

/// One stream of measurements: one target, one method, one flow, one load label.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SeriesDescriptor {
    /// The zone the target stands for.
    pub zone: ZoneKey,
    /// The target's name in the agent's configuration.
    pub target: String,
    /// Where the probes go.
    pub address: SocketAddr,
    /// How finely the target is known.
    pub granularity: Granularity,
    /// How delay is measured.
    pub method: Method,
    /// Which of several flows (source ports) to the same target; 0 for the first.
    pub flow: u16,
    /// What our own tests do to the path meanwhile.
    pub load: LoadLabel,
    /// Time from one probe to the next, in milliseconds.
    pub period_ms: u32,
    /// A probe not answered after this long is lost, in milliseconds.
    pub waiting_time_ms: u32,
    /// Differentiated services code point of the probes (RFC 2474), 0 to 63.
    pub dscp: u8,
    /// Which side of the target it shows.
    pub facet: Facet,
    /// By which way and in which shape the probes leave the host.
    pub outgoing: Outgoing,
}

/// How the probes of a series leave their host, where that was chosen. The default is the system's own way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Outgoing {
    /// The host's address they come from.
    pub source_address: Option<IpAddr>,
    /// The interface they leave by (Linux `SO_BINDTODEVICE`).
    pub interface: Option<String>,
    /// Octets above the UDP or ICMP header, at most [`MAX_PAYLOAD_BYTES`]; 0 for as many as the method needs.
    pub payload_bytes: u16,
    /// Whether no router may cut them (RFC 791 section 3.1, "don't fragment"). Otherwise the system decides.
    pub dont_fragment: bool,
}

/// Everything one agent measures, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The agent.
    pub agent: AgentId,
    /// Its software version.
    pub agent_version: String,
    /// Where it stands.
    pub vantage_point: VantagePoint,
    /// Where in a cloud its host stands, if in one.
    pub cloud: CloudPlace,
    /// Its series; a report names them by their position here.
    pub series: Vec<SeriesDescriptor>,
}

/// A manifest's name: the FNV-1a hash (64 bit) of its encoded bytes. Unique within one agent, not a security boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ManifestId(pub u64);

/// Why a manifest was refused.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ManifestError {
    /// The version or a target name cannot be shown.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The vantage point is not a place.
    #[error(transparent)]
    VantagePoint(#[from] VantagePointError),
    /// Nor is where its host stands.
    #[error(transparent)]
    Cloud(#[from] CloudPlaceError),
    /// Beyond [`MAX_SERIES`].
    #[error("{0} series; an agent may declare at most {MAX_SERIES}")]
    TooManySeries(usize),
    /// A number outside its range.
    #[error("series {series}: {what} {given} is outside {low} to {high}")]
    Range {
        /// Position in the manifest.
        series: usize,
        /// The field.
        what: &'static str,
        /// As given.
        given: u32,
        /// Least allowed.
        low: u32,
        /// Greatest allowed.
        high: u32,
    },
}

impl ManifestId {
    /// The name of encoded manifest bytes (before compression).
    pub fn of(bytes: &[u8]) -> Self {
        const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x0000_0100_0000_01b3;
        Self(
            bytes
                .iter()
                .fold(OFFSET, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME)),
        )
    }
}

impl Manifest {
    /// This manifest's name.
    pub fn id(&self) -> ManifestId {
        ManifestId::of(&crate::codec::manifest::encode_plain(self))
    }

    /// Refuses what cannot be shown or cannot be measured.
    pub fn check(&self) -> Result<(), ManifestError> {
        text::check("agent version", &self.agent_version)?;
        self.vantage_point.check()?;
        self.cloud.check()?;
        if self.series.len() > MAX_SERIES {
            return Err(ManifestError::TooManySeries(self.series.len()));
        }
        for (series, descriptor) in self.series.iter().enumerate() {
            text::check("target name", &descriptor.target)?;
            descriptor.facet.check()?;
            let range = |what, given, low, high| {
                if (low..=high).contains(&given) {
                    Ok(())
                } else {
                    Err(ManifestError::Range {
                        series,
                        what,
                        given,
                        low,
                        high,
                    })
                }
            };
            range("period_ms", descriptor.period_ms, 1, MAX_LENGTH_MS)?;
            range(
                "waiting_time_ms",
                descriptor.waiting_time_ms,
                1,
                MAX_WAITING_TIME_MS,
            )?;
            range("dscp", descriptor.dscp.into(), 0, 63)?;
            let outgoing = &descriptor.outgoing;
            range(
                "payload_bytes",
                outgoing.payload_bytes.into(),
                0,
                MAX_PAYLOAD_BYTES.into(),
            )?;
            if let Some(interface) = &outgoing.interface {
                text::check("interface", interface)?;
                let bytes = u32::try_from(interface.len()).unwrap_or(u32::MAX);
                range("length of interface", bytes, 1, MAX_INTERFACE_BYTES as u32)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        // Test vectors of draft-eastlake-fnv.
        assert_eq!(ManifestId::of(b"").0, 0xcbf2_9ce4_8422_2325);
        assert_eq!(ManifestId::of(b"foobar").0, 0x8594_4171_f739_67e8);
    }
}
