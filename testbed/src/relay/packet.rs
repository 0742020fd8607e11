//! The few header fields the relay reads. Not a parser of anything above IP.
//!
//! Standards: RFC 791 (IPv4), RFC 8200 (IPv6). A packet with IPv6 extension headers counts as `other`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The protocol above IP, as the ground truth names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// UDP (17).
    Udp,
    /// TCP (6).
    Tcp,
    /// ICMP (1) and ICMPv6 (58).
    Icmp,
    /// Everything else.
    Other,
}

impl Protocol {
    /// The word in the ground truth.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Icmp => "icmp",
            Self::Other => "other",
        }
    }

    fn of(number: u8) -> Self {
        match number {
            17 => Self::Udp,
            6 => Self::Tcp,
            1 | 58 => Self::Icmp,
            _ => Self::Other,
        }
    }
}

/// Where a packet wants to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Protocol above IP.
    pub protocol: Protocol,
}

/// Reads the header; `None` when the bytes are no IPv4 or IPv6 packet.
#[must_use]
pub fn header(packet: &[u8]) -> Option<Header> {
    match packet.first()? >> 4 {
        4 => {
            let fixed: &[u8; 20] = packet.first_chunk()?;
            Some(Header {
                source: Ipv4Addr::from(<[u8; 4]>::try_from(&fixed[12..16]).ok()?).into(),
                destination: Ipv4Addr::from(<[u8; 4]>::try_from(&fixed[16..20]).ok()?).into(),
                protocol: Protocol::of(fixed[9]),
            })
        }
        6 => {
            let fixed: &[u8; 40] = packet.first_chunk()?;
            Some(Header {
                source: Ipv6Addr::from(<[u8; 16]>::try_from(&fixed[8..24]).ok()?).into(),
                destination: Ipv6Addr::from(<[u8; 16]>::try_from(&fixed[24..40]).ok()?).into(),
                protocol: Protocol::of(fixed[6]),
            })
        }
        _ => None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A UDP datagram's IPv4 packet of `bytes` in all, headers only filled as far as the relay looks.
    pub(crate) fn udp(source: Ipv4Addr, destination: Ipv4Addr, bytes: usize) -> Vec<u8> {
        let mut packet = vec![0; bytes.max(28)];
        packet[0] = 0x45;
        packet[9] = 17;
        packet[12..16].copy_from_slice(&source.octets());
        packet[16..20].copy_from_slice(&destination.octets());
        packet
    }

    #[test]
    fn both_families_are_read() {
        let from = Ipv4Addr::new(10, 77, 1, 1);
        let to = Ipv4Addr::new(10, 77, 2, 1);
        let read = header(&udp(from, to, 72));
        assert_eq!(
            read,
            Some(Header {
                source: from.into(),
                destination: to.into(),
                protocol: Protocol::Udp
            })
        );

        let mut packet = vec![0; 40];
        packet[0] = 0x60;
        packet[6] = 58;
        packet[39] = 1;
        let read = header(&packet).expect("an IPv6 header");
        assert_eq!(
            (read.destination, read.protocol),
            (Ipv6Addr::LOCALHOST.into(), Protocol::Icmp)
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_met_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = header(&bytes);
        }
    }
}
