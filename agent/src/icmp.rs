//! ICMP echo messages as octets (RFC 792, RFC 4443 section 4), and the errors routers answer with. Pure: no socket, no
//! clock.
//!
//! The payload of a request carries what the 16 bits of an ICMP sequence number cannot: the whole sequence number, the
//! time of sending, and a token that only the sender can make. A reply without the right token answers nothing.

use std::net::SocketAddr;

use azimuth_measurement::ErrorKind;

use crate::stamp::NtpTimestamp;

/// Octets of a request, and of the reply that answers it: header 8, sequence 4, time 8, token 8. Zeros may follow, to make
/// it longer; they change no checksum.
pub const MESSAGE_BYTES: usize = 28;

const ECHO_REPLY_V4: u8 = 0;
const ECHO_REQUEST_V4: u8 = 8;
const ECHO_REQUEST_V6: u8 = 128;
const ECHO_REPLY_V6: u8 = 129;

/// The address family, which decides the numbers of the types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// ICMP (RFC 792).
    V4,
    /// ICMPv6 (RFC 4443).
    V6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub fn of(address: SocketAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// What an echo request says and its reply must repeat, bit for bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo {
    /// The probe's number within its series; its lower half is the ICMP sequence number.
    pub sequence: u32,
    /// When it was sent.
    pub sent_at: NtpTimestamp,
    /// What a stranger would have to guess.
    pub token: u64,
}

/// These octets are no echo reply to one of our requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Shorter than our requests, or longer by other octets than zeros.
    Length,
    /// Another type or code of ICMP.
    Type,
    /// The sequence number in the header is not the one in the payload.
    Sequence,
}

impl Echo {
    /// The request, with `identifier` in the header and a right checksum for IPv4. (The kernel puts its own identifier
    /// into what leaves through a datagram socket, and the checksum into all that is ICMPv6.)
    #[must_use]
    pub fn encode(&self, family: Family, identifier: u16) -> [u8; MESSAGE_BYTES] {
        let mut bytes = [0; MESSAGE_BYTES];
        bytes[0] = match family {
            Family::V4 => ECHO_REQUEST_V4,
            Family::V6 => ECHO_REQUEST_V6,
        };
        bytes[4..6].copy_from_slice(&identifier.to_be_bytes());
        bytes[6..8].copy_from_slice(&low_half(self.sequence).to_be_bytes());
        bytes[8..12].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[12..20].copy_from_slice(&self.sent_at.to_bits().to_be_bytes());
        bytes[20..28].copy_from_slice(&self.token.to_be_bytes());
        if family == Family::V4 {
            let sum = checksum(&bytes);
            bytes[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        bytes
    }

    /// Reads a reply. Its checksum has been verified by the kernel; whether it is as long as its request is not looked at.
    ///
    /// # Errors
    /// [`Unreadable`], saying what it is not.
    pub fn decode_reply(bytes: &[u8], family: Family) -> Result<Self, Unreadable> {
        let (bytes, padding) = bytes
            .split_first_chunk::<MESSAGE_BYTES>()
            .ok_or(Unreadable::Length)?;
        if padding.iter().any(|octet| *octet != 0) {
            return Err(Unreadable::Length);
        }
        let reply = match family {
            Family::V4 => ECHO_REPLY_V4,
            Family::V6 => ECHO_REPLY_V6,
        };
        if (bytes[0], bytes[1]) != (reply, 0) {
            return Err(Unreadable::Type);
        }
        let sequence = u32::from_be_bytes(octets(bytes, 8));
        if octets::<2>(bytes, 6) != low_half(sequence).to_be_bytes() {
            return Err(Unreadable::Sequence);
        }
        Ok(Self {
            sequence,
            sent_at: NtpTimestamp::from_bits(u64::from_be_bytes(octets(bytes, 12))),
            token: u64::from_be_bytes(octets(bytes, 20)),
        })
    }
}

/// The identifier of an echo message, if the octets are long enough to have one.
#[must_use]
pub fn identifier(bytes: &[u8]) -> Option<u16> {
    bytes
        .get(4..6)?
        .first_chunk()
        .map(|octets| u16::from_be_bytes(*octets))
}

/// What follows the IPv4 header (RFC 791): a raw socket delivers both.
#[must_use]
pub fn after_ipv4_header(packet: &[u8]) -> Option<&[u8]> {
    let first = *packet.first()?;
    let length = usize::from(first & 0x0f) * 4;
    (first >> 4 == 4 && length >= 20).then(|| packet.get(length..))?
}

/// What a router or the far host said instead of answering, by type and code (RFC 792, RFC 1812 section 5.2.7, RFC 4443
/// section 3).
#[must_use]
pub fn error_kind(family: Family, kind: u8, code: u8) -> ErrorKind {
    match (family, kind, code) {
        (Family::V4, 3, 0 | 6 | 11) | (Family::V6, 1, 0) => ErrorKind::NetUnreachable,
        (Family::V4, 3, 1 | 2 | 7 | 8 | 12) | (Family::V6, 1, 2 | 3) => ErrorKind::HostUnreachable,
        (Family::V4, 3, 3) | (Family::V6, 1, 4) => ErrorKind::PortUnreachable,
        (Family::V4, 3, 9 | 10 | 13) | (Family::V6, 1, 1 | 5 | 6) => ErrorKind::AdminProhibited,
        (Family::V4, 3, 4) | (Family::V6, 2, _) => ErrorKind::PacketTooBig,
        (Family::V4, 11, _) | (Family::V6, 3, _) => ErrorKind::TtlExceeded,
        _ => ErrorKind::IcmpOther,
    }
}

fn low_half(sequence: u32) -> u16 {
    (sequence & 0xffff) as u16
}

fn octets<const N: usize>(bytes: &[u8; MESSAGE_BYTES], at: usize) -> [u8; N] {
    let mut taken = [0; N];
    taken.copy_from_slice(&bytes[at..at + N]);
    taken
}

/// The Internet checksum (RFC 1071) of octets, at most 64 KiB, whose checksum field is zero.
pub(crate) fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| match pair {
        [high, low] => u32::from(*high) << 8 | u32::from(*low),
        [high] => u32::from(*high) << 8,
        _ => 0,
    });
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ECHO: Echo = Echo {
        sequence: 0x0001_0203,
        sent_at: NtpTimestamp::from_bits(0x1122_3344_5566_7788),
        token: 0x99aa_bbcc_ddee_ff00,
    };

    fn answer(family: Family) -> [u8; MESSAGE_BYTES] {
        let mut bytes = ECHO.encode(family, 7);
        bytes[0] = if family == Family::V4 {
            ECHO_REPLY_V4
        } else {
            ECHO_REPLY_V6
        };
        bytes
    }

    #[test]
    fn a_request_has_these_octets() {
        let bytes = ECHO.encode(Family::V4, 0x0a0b);
        let expected = [
            8, 0, 0, 0, 0x0a, 0x0b, 2, 3, 0, 1, 2, 3, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99,
            0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0,
        ];
        assert_eq!((&bytes[..2], &bytes[4..]), (&expected[..2], &expected[4..]));
        // A receiver adds all words, the checksum included, and must find all ones (RFC 1071).
        let sum: u32 = bytes
            .chunks_exact(2)
            .map(|w| u32::from(u16::from_be_bytes([w[0], w[1]])))
            .sum();
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
        assert_eq!(
            ECHO.encode(Family::V6, 1)[..4],
            [128, 0, 0, 0],
            "the kernel sums ICMPv6"
        );
    }

    #[test]
    fn a_reply_is_read_and_anything_else_is_named() {
        for family in [Family::V4, Family::V6] {
            let good = answer(family);
            assert_eq!(Echo::decode_reply(&good, family), Ok(ECHO));
            assert_eq!(Echo::decode_reply(&good[..27], family), Err(Unreadable::Length));
            let mut longer = [&good[..], &[0; 9]].concat();
            assert_eq!(Echo::decode_reply(&longer, family), Ok(ECHO));
            longer[36] = 1;
            assert_eq!(Echo::decode_reply(&longer, family), Err(Unreadable::Length));
            let own_request = ECHO.encode(family, 7);
            assert_eq!(Echo::decode_reply(&own_request, family), Err(Unreadable::Type));
            let mut other_number = good;
            other_number[7] ^= 1;
            assert_eq!(
                Echo::decode_reply(&other_number, family),
                Err(Unreadable::Sequence)
            );
        }
        assert_eq!(
            Echo::decode_reply(&answer(Family::V6), Family::V4),
            Err(Unreadable::Type)
        );
    }

    #[test]
    fn the_ip_header_is_taken_off_whatever_its_length() {
        let mut packet = vec![0x46; 24];
        packet.extend([1, 2, 3]);
        assert_eq!(after_ipv4_header(&packet), Some(&[1, 2, 3][..]));
        packet[0] = 0x44;
        assert_eq!(after_ipv4_header(&packet), None, "shorter than any header");
        assert_eq!(after_ipv4_header(&[0x4f, 0]), None, "cut short");
    }

    #[test]
    fn errors_have_one_name_in_both_families() {
        for (v4, v6, kind) in [
            ((3, 0), (1, 0), ErrorKind::NetUnreachable),
            ((3, 1), (1, 3), ErrorKind::HostUnreachable),
            ((3, 3), (1, 4), ErrorKind::PortUnreachable),
            ((3, 13), (1, 1), ErrorKind::AdminProhibited),
            ((3, 4), (2, 0), ErrorKind::PacketTooBig),
            ((11, 0), (3, 0), ErrorKind::TtlExceeded),
            ((12, 0), (4, 0), ErrorKind::IcmpOther),
        ] {
            assert_eq!(error_kind(Family::V4, v4.0, v4.1), kind);
            assert_eq!(error_kind(Family::V6, v6.0, v6.1), kind);
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_met_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Echo::decode_reply(after_ipv4_header(&bytes).unwrap_or(&bytes), Family::V4);
            let _ = Echo::decode_reply(&bytes, Family::V6);
            let _ = identifier(&bytes);
        }
    }
}
