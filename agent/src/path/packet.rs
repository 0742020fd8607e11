//! The octets of the packets of a trace, and which of them an answer is to. Pure.
//!
//! UDP carries STAMP test packets (RFC 8762), so that a reflector answers; ICMP carries echo requests (RFC 792, RFC 4443)
//! whose checksum is the same whatever their number, because routers balance by it. In both, a token that only the sender
//! knows stands where an answer must repeat it. Where STAMP has the time of sending: nobody else has a use for it here.

use azimuth_measurement::Method;

use crate::icmp::{self, Family, checksum};
use crate::probe::wire::Wire;
use crate::stamp::{ErrorEstimate, NtpTimestamp, Request, StampKey};

/// Octets of an echo request: header 8, token 8, what evens out the checksum 2, padding 2.
const ECHO_BYTES: usize = 20;

/// How the packets of one trace are written and recognised.
#[derive(Debug)]
pub struct Packets {
    method: Method,
    family: Family,
    wire: Wire,
    token: u64,
    /// What a raw ICMP socket is told apart by; the kernel puts its own into what leaves through a datagram socket.
    identifier: u16,
}

/// Which packet a router speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quoted {
    /// This one.
    Packet(u16),
    /// One of this flow; the quotation is too short to say more.
    Some,
    /// None of this trace.
    Foreign,
}

impl Packets {
    /// Packets of one trace; `token` must be new and not to be guessed.
    #[must_use]
    pub fn new(method: Method, family: Family, key: Option<StampKey>, token: u64, identifier: u16) -> Self {
        Self {
            method,
            family,
            wire: Wire {
                key,
                asks_follow_up: false,
                asks_counted: false,
                payload_bytes: 0,
            },
            token,
            identifier,
        }
    }

    /// The packet of this number; nothing for TCP, whose packets the kernel makes.
    #[must_use]
    pub fn encode(&self, id: u16) -> Vec<u8> {
        match self.method {
            Method::Stamp => self
                .wire
                .encode(&Request {
                    sequence: id.into(),
                    sent_at: NtpTimestamp::from_bits(self.token),
                    error: ErrorEstimate::UNSYNCHRONISED,
                    session_id: 0,
                })
                .as_slice()
                .to_vec(),
            Method::IcmpEcho => self.echo(id).to_vec(),
            _ => Vec::new(),
        }
    }

    fn echo(&self, id: u16) -> [u8; ECHO_BYTES] {
        let mut bytes = [0; ECHO_BYTES];
        bytes[0] = match self.family {
            Family::V4 => 8,
            Family::V6 => 128,
        };
        bytes[4..6].copy_from_slice(&self.identifier.to_be_bytes());
        bytes[6..8].copy_from_slice(&id.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.token.to_be_bytes());
        // The two add up to all ones, which the sum of RFC 1071 does not notice.
        bytes[16..18].copy_from_slice(&(!id).to_be_bytes());
        if self.family == Family::V4 {
            let sum = checksum(&bytes);
            bytes[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        bytes
    }

    /// Which packet a router's quotation is of: what stood behind the UDP header, or the ICMP message from its first octet.
    #[must_use]
    pub fn quoted(&self, quotation: &[u8], is_raw: bool) -> Quoted {
        match self.method {
            Method::Stamp => {
                let Some(sequence) = quotation.first_chunk::<4>() else {
                    return Quoted::Some;
                };
                let named = u16::try_from(u32::from_be_bytes(*sequence)).map(Quoted::Packet);
                match token_at(quotation, 4) {
                    Some(token) if token != self.token => Quoted::Foreign,
                    _ => named.unwrap_or(Quoted::Foreign),
                }
            }
            Method::IcmpEcho => {
                let Some(id) = quotation.get(6..8).and_then(|two| two.first_chunk()) else {
                    return Quoted::Some;
                };
                let is_foreign = token_at(quotation, 8).is_some_and(|token| token != self.token)
                    || is_raw && icmp::identifier(quotation) != Some(self.identifier);
                if is_foreign {
                    Quoted::Foreign
                } else {
                    Quoted::Packet(u16::from_be_bytes(*id))
                }
            }
            // There is one connection attempt at a time, with a socket of its own.
            _ => Quoted::Some,
        }
    }

    /// Which packet the target's answer is to, and how long it kept the packet, in nanoseconds; `None` if it answers none
    /// of this trace.
    #[must_use]
    pub fn answered(&self, message: &[u8]) -> Option<(u16, i64)> {
        match self.method {
            Method::Stamp => {
                let (reply, _) = self.wire.decode(message).ok()?;
                let ours = reply.sender_sent_at.to_bits() == self.token;
                let id = u16::try_from(reply.sender_sequence).ok().filter(|_| ours)?;
                Some((id, reply.residence_ns()))
            }
            Method::IcmpEcho => {
                let expected = match self.family {
                    Family::V4 => 0,
                    Family::V6 => 129,
                };
                let whole: &[u8; ECHO_BYTES] = message.first_chunk()?;
                let ours = (whole[0], whole[1]) == (expected, 0) && token_at(whole, 8) == Some(self.token);
                ours.then(|| (u16::from_be_bytes([whole[6], whole[7]]), 0))
            }
            _ => None,
        }
    }
}

fn token_at(octets: &[u8], at: usize) -> Option<u64> {
    octets
        .get(at..)?
        .first_chunk()
        .map(|eight| u64::from_be_bytes(*eight))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp::Reply;
    use proptest::prelude::*;

    fn packets(method: Method, family: Family) -> Packets {
        Packets::new(method, family, None, 0x1122_3344_5566_7788, 0x0a0b)
    }

    proptest! {
        #[test]
        fn the_checksum_of_an_echo_is_the_same_whatever_its_number(one in any::<u16>(), other in any::<u16>()) {
            let packets = packets(Method::IcmpEcho, Family::V4);
            let (one, other) = (packets.encode(one), packets.encode(other));
            prop_assert_eq!(&one[..6], &other[..6]);
            // A receiver adds all words and must find all ones (RFC 1071).
            prop_assert_eq!(checksum(&one), 0);
        }

        #[test]
        fn a_packet_is_recognised_by_what_is_quoted_of_it(id in any::<u16>(), quoted in 8_usize..60) {
            for method in [Method::Stamp, Method::IcmpEcho] {
                let packets = packets(method, Family::V6);
                let packet = packets.encode(id);
                let quotation = packet.get(..quoted).unwrap_or(&packet);
                prop_assert_eq!(packets.quoted(quotation, true), Quoted::Packet(id));
                let other = Packets { token: 5, identifier: 7, ..self::packets(method, Family::V6) };
                if quoted >= 16 {
                    prop_assert_eq!(other.quoted(quotation, false), Quoted::Foreign);
                }
            }
        }

        #[test]
        fn any_octets_are_met_without_panic(octets in prop::collection::vec(any::<u8>(), 0..120)) {
            for method in [Method::Stamp, Method::IcmpEcho, Method::TcpConnect] {
                let packets = packets(method, Family::V4);
                let _ = packets.quoted(&octets, true);
                prop_assert_eq!(packets.answered(&octets), None);
            }
        }
    }

    #[test]
    fn quotations_of_the_ports_alone_name_nothing() {
        assert_eq!(
            packets(Method::Stamp, Family::V4).quoted(&[], false),
            Quoted::Some
        );
        assert_eq!(
            packets(Method::IcmpEcho, Family::V4).quoted(&[8, 0], false),
            Quoted::Some
        );
    }

    #[test]
    fn answers_of_the_target_name_their_packet() {
        let echo = packets(Method::IcmpEcho, Family::V4);
        let mut reply = echo.encode(9);
        reply[0] = 0;
        assert_eq!(echo.answered(&reply), Some((9, 0)));
        reply[10] ^= 1;
        assert_eq!(echo.answered(&reply), None, "not our token");

        let stamp = packets(Method::Stamp, Family::V4);
        let request = Request::decode(&stamp.encode(300)).expect("whole");
        let reply = Reply {
            sequence: 0,
            reflected_at: NtpTimestamp::from_bits(0),
            error: ErrorEstimate::UNSYNCHRONISED,
            session_id: 0,
            received_at: NtpTimestamp::from_bits(0),
            sender_sequence: request.sequence,
            sender_sent_at: request.sent_at,
            sender_error_bits: 1,
            sender_ttl: 60,
        };
        assert_eq!(stamp.answered(&reply.encode()), Some((300, 0)));
    }
}
