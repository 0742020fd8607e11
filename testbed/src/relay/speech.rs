//! What a probe and its answer have in common, read from their packets: so that each can be told what became of it, whatever is
//! lost, doubled or overtaken on the way.
//!
//! Standards: RFC 8762 (STAMP, unauthenticated), RFC 792 and 4443 (echo), RFC 9293 (the opening of a connection), RFC 1035 (DNS
//! over UDP). irtt's packets are its own. A packet with IPv6 extension headers has no key, nor has any other packet of these
//! protocols.

use std::fmt;

/// UDP port of the reflectors.
pub const STAMP_PORT: u16 = 8620;
/// irtt's own port.
const IRTT_PORT: u16 = 2112;
/// UDP port of resolvers.
const DNS_PORT: u16 = 53;
const IRTT_MAGIC: [u8; 3] = [0x14, 0xa7, 0x5b];
/// Opening and closing of an irtt session: no probes.
const IRTT_OPEN_OR_CLOSE: u8 = 0b101;
const SYN: u8 = 0b0000_0010;
const ACK: u8 = 0b0001_0000;

/// The words of a probing protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Speech {
    /// STAMP over UDP.
    Stamp,
    /// ICMP echo.
    IcmpEcho,
    /// SYN and SYN-ACK of a TCP connection.
    TcpOpening,
    /// A question to a resolver.
    Dns,
    /// irtt over UDP.
    Irtt,
}

/// One probe: in which words, who asked and which of its questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProbeKey {
    /// The protocol.
    pub speech: Speech,
    /// Port asked; 0 where there are none.
    pub port: u16,
    /// Port, identifier or token of the asking side.
    pub sender: u64,
    /// Number of the probe; for TCP the first sequence number.
    pub number: u32,
}

impl fmt::Display for ProbeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            speech,
            port,
            sender,
            number,
        } = self;
        write!(f, "{} {port} {sender} {number}", speech.as_str())
    }
}

impl Speech {
    const ALL: [Self; 5] = [
        Self::Stamp,
        Self::IcmpEcho,
        Self::TcpOpening,
        Self::Dns,
        Self::Irtt,
    ];

    /// The word in the ground truth, that of the method where it is one.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stamp => "stamp",
            Self::IcmpEcho => "icmp_echo",
            Self::TcpOpening => "tcp_connect",
            Self::Dns => "dns_query",
            Self::Irtt => "irtt",
        }
    }

    /// The key of a packet that travels to (`probe`) or from a reflector; `None` for everything else.
    #[must_use]
    pub fn key(self, packet: &[u8], probe: bool) -> Option<ProbeKey> {
        let (protocol, above) = above_ip(packet)?;
        let octets_at = |at: usize| -> Option<[u8; 4]> { above.get(at..at + 4)?.try_into().ok() };
        let number_at = |at: usize| octets_at(at).map(u32::from_be_bytes);
        let port_at =
            |at: usize| -> Option<u16> { Some(u16::from_be_bytes(above.get(at..at + 2)?.try_into().ok()?)) };
        let (asking, asked) = if probe { (0, 2) } else { (2, 0) };
        let key = |port: u16, sender: u64, number: u32| ProbeKey {
            speech: self,
            port,
            sender,
            number,
        };
        match (self, protocol) {
            (Self::Stamp, 17) => {
                // After the UDP header of 8 octets: the number, in an answer that of the sender at octet 24.
                let number = number_at(if probe { 8 } else { 8 + 24 })?;
                (port_at(asked)? == STAMP_PORT).then_some(key(STAMP_PORT, port_at(asking)?.into(), number))
            }
            (Self::IcmpEcho, 1 | 58) => {
                let kind = match (protocol, probe) {
                    (1, true) => 8,
                    (1, false) => 0,
                    (_, true) => 128,
                    (_, false) => 129,
                };
                (above.first() == Some(&kind)).then_some(key(0, port_at(4)?.into(), port_at(6)?.into()))
            }
            (Self::TcpOpening, 6) => {
                let (flags, numbered) = if probe { (SYN, 4) } else { (SYN | ACK, 8) };
                let number = number_at(numbered)?.wrapping_sub(u32::from(!probe));
                (above.get(13)? & (SYN | ACK) == flags).then_some(key(
                    port_at(asked)?,
                    port_at(asking)?.into(),
                    number,
                ))
            }
            // After the UDP header of 8 octets: the number that the answer repeats.
            (Self::Dns, 17) => (port_at(asked)? == DNS_PORT).then_some(key(
                DNS_PORT,
                port_at(asking)?.into(),
                port_at(8)?.into(),
            )),
            (Self::Irtt, 17) => {
                let said = above.get(8..)?;
                let speaks = said.starts_with(&IRTT_MAGIC) && said.get(3)? & IRTT_OPEN_OR_CLOSE == 0;
                (port_at(asked)? == IRTT_PORT && speaks).then_some(key(
                    IRTT_PORT,
                    u64::from_le_bytes(said.get(4..12)?.try_into().ok()?),
                    u32::from_le_bytes(said.get(12..16)?.try_into().ok()?),
                ))
            }
            _ => None,
        }
    }
}

impl ProbeKey {
    /// The key of a packet in whichever protocol it speaks.
    #[must_use]
    pub fn of(packet: &[u8], probe: bool) -> Option<Self> {
        Speech::ALL.iter().find_map(|speech| speech.key(packet, probe))
    }
}

/// The protocol above IP and its octets.
pub(super) fn above_ip(packet: &[u8]) -> Option<(u8, &[u8])> {
    match packet.first()? >> 4 {
        4 => Some((*packet.get(9)?, packet.get(usize::from(packet[0] & 0xf) * 4..)?)),
        6 => Some((*packet.get(6)?, packet.get(40..)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ipv4(protocol: u8, above: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; 20];
        packet[0] = 0x45;
        packet[9] = protocol;
        packet.extend(above);
        packet
    }

    fn ipv6(next: u8, above: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; 40];
        packet[0] = 0x60;
        packet[6] = next;
        packet.extend(above);
        packet
    }

    fn udp(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
        let ports = [from.to_be_bytes(), to.to_be_bytes(), [0; 2], [0; 2]].concat();
        ipv4(17, &[&ports, payload].concat())
    }

    fn tcp(from: u16, to: u16, sequence: u32, acknowledged: u32, flags: u8) -> Vec<u8> {
        let mut segment = [from.to_be_bytes(), to.to_be_bytes()].concat();
        segment.extend(sequence.to_be_bytes());
        segment.extend(acknowledged.to_be_bytes());
        segment.extend([0x50, flags, 0, 0, 0, 0, 0, 0]);
        ipv4(6, &segment)
    }

    #[test]
    fn a_stamp_probe_and_its_answer_have_the_same_key_and_others_none() {
        let mut stamp = [0_u8; 44];
        stamp[..4].copy_from_slice(&7_u32.to_be_bytes());
        let probe = ProbeKey::of(&udp(5_000, STAMP_PORT, &stamp), true);
        let mut answer = [0xff_u8; 44];
        answer[24..28].copy_from_slice(&7_u32.to_be_bytes());
        assert_eq!(ProbeKey::of(&udp(STAMP_PORT, 5_000, &answer), false), probe);
        assert_eq!(
            probe.map(|key| key.to_string()).as_deref(),
            Some("stamp 8620 5000 7")
        );
        assert_eq!(ProbeKey::of(&udp(5_000, 54, &stamp), true), None);
    }

    #[test]
    fn a_question_and_its_answer_have_the_same_key() {
        let message = |flags: u8| [&[1, 2, flags][..], &[0; 20]].concat();
        let question = ProbeKey::of(&udp(5_000, DNS_PORT, &message(1)), true);
        assert_eq!(
            ProbeKey::of(&udp(DNS_PORT, 5_000, &message(0x81)), false),
            question
        );
        assert_eq!(
            question.map(|key| key.to_string()).as_deref(),
            Some("dns_query 53 5000 258")
        );
    }

    #[test]
    fn echoes_pair_in_both_families_and_errors_are_none() {
        let echo = |kind| [kind, 0, 0, 0, 0, 9, 0, 3];
        let probe = ProbeKey::of(&ipv4(1, &echo(8)), true);
        assert_eq!(ProbeKey::of(&ipv4(1, &echo(0)), false), probe);
        assert_eq!(probe.map(|key| (key.sender, key.number)), Some((9, 3)));
        assert_eq!(ProbeKey::of(&ipv4(1, &echo(3)), false), None);
        let probe = ProbeKey::of(&ipv6(58, &echo(128)), true);
        assert!(probe.is_some());
        assert_eq!(ProbeKey::of(&ipv6(58, &echo(129)), false), probe);
    }

    #[test]
    fn a_connection_is_known_by_its_opening_also_when_it_is_repeated() {
        let syn = ProbeKey::of(&tcp(40_000, 8_621, u32::MAX, 0, SYN), true);
        assert_eq!(
            ProbeKey::of(&tcp(8_621, 40_000, 5, 0, SYN | ACK), false),
            syn,
            "numbers wrap"
        );
        assert_eq!(syn.map(|key| key.port), Some(8_621));
        assert_eq!(ProbeKey::of(&tcp(40_000, 8_621, 1, 6, ACK), true), None);
        assert_eq!(
            ProbeKey::of(&tcp(8_621, 40_000, 0, 2, 0b10_100), false),
            None,
            "a reset"
        );
    }

    #[test]
    fn irtt_pairs_probes_and_not_its_handshake() {
        let irtt = |flags| [&IRTT_MAGIC[..], &[flags], &[1; 8], &[4, 0, 0, 0]].concat();
        let probe = ProbeKey::of(&udp(6_000, IRTT_PORT, &irtt(0)), true);
        assert_eq!(ProbeKey::of(&udp(IRTT_PORT, 6_000, &irtt(2)), false), probe);
        assert_eq!(probe.map(|key| key.number), Some(4));
        assert_eq!(ProbeKey::of(&udp(6_000, IRTT_PORT, &irtt(1)), true), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_met_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), probe: bool) {
            let _ = ProbeKey::of(&bytes, probe);
        }
    }
}
