//! The two STAMP packets of unauthenticated mode (RFC 8762 sections 4.2.1 and 4.3.1), 44 octets each.
//!
//! Longer packets carry padding or extensions (RFC 8972), which a reader here ignores and a reflector echoes.
//! Shorter ones are refused. Octets that must be zero are sent as zero and ignored on receipt, as the standard
//! says; the one exception is the two octets that RFC 8972 made the session identifier, which a reply copies.

use thiserror::Error;

use super::{ErrorEstimate, NtpTimestamp};

/// Octets of an unauthenticated STAMP packet without extensions, in both directions.
pub const MINIMUM_LENGTH: usize = 44;

/// Why bytes are not a STAMP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PacketError {
    /// Fewer than 44 octets.
    #[error(
        "{length} octets are too short for a STAMP packet, which has at least {MINIMUM_LENGTH} (RFC 8762)"
    )]
    TooShort {
        /// How many there were.
        length: usize,
    },
    /// The error estimate's multiplier is zero, which RFC 8762 section 4.2.1 (after RFC 4656) forbids.
    #[error("the error estimate has multiplier zero, which no STAMP sender or reflector may send (RFC 4656)")]
    ZeroMultiplier,
    /// The signature of an authenticated packet is not that of the key.
    #[error("the packet is not signed with this key (RFC 8762 section 4.4)")]
    Signature,
}

/// What the Session-Sender sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Counts up by one per packet of a session.
    pub sequence: u32,
    /// When the sender sent it (T1), on the sender's clock.
    pub sent_at: NtpTimestamp,
    /// How far that clock may be off.
    pub error: ErrorEstimate,
    /// Session identifier of RFC 8972; zero when unused.
    pub session_id: u16,
}

impl Request {
    /// The 44 octets.
    #[must_use]
    pub fn encode(&self) -> [u8; MINIMUM_LENGTH] {
        let mut bytes = [0; MINIMUM_LENGTH];
        bytes[0..4].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[4..12].copy_from_slice(&self.sent_at.to_bits().to_be_bytes());
        bytes[12..14].copy_from_slice(&self.error.to_bits().to_be_bytes());
        bytes[14..16].copy_from_slice(&self.session_id.to_be_bytes());
        bytes
    }

    /// Reads a request. A zero error estimate is accepted here: senders in the field probe with all-zero
    /// packets, and a reflector loses nothing by echoing them.
    ///
    /// # Errors
    /// [`PacketError::TooShort`] below 44 octets.
    pub fn decode(bytes: &[u8]) -> Result<Self, PacketError> {
        let packet = whole(bytes)?;
        Ok(Self {
            sequence: u32_at(packet, 0),
            sent_at: NtpTimestamp::from_bits(u64_at(packet, 4)),
            error: ErrorEstimate::from_wire(u16_at(packet, 12)),
            session_id: u16_at(packet, 14),
        })
    }
}

/// What the Session-Reflector answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The reflector's sequence number; a stateless reflector copies the sender's.
    pub sequence: u32,
    /// When the reflector sent the reply (T3), on the reflector's clock.
    pub reflected_at: NtpTimestamp,
    /// How far the reflector's clock may be off.
    pub error: ErrorEstimate,
    /// Session identifier of RFC 8972, copied.
    pub session_id: u16,
    /// When the reflector received the request (T2), on the reflector's clock.
    pub received_at: NtpTimestamp,
    /// The request's sequence number, copied.
    pub sender_sequence: u32,
    /// The request's timestamp (T1), copied.
    pub sender_sent_at: NtpTimestamp,
    /// The request's error estimate, copied bit by bit.
    pub sender_error_bits: u16,
    /// TTL or hop limit with which the request arrived.
    pub sender_ttl: u8,
}

impl Reply {
    /// The 44 octets.
    #[must_use]
    pub fn encode(&self) -> [u8; MINIMUM_LENGTH] {
        let mut bytes = [0; MINIMUM_LENGTH];
        bytes[0..4].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[4..12].copy_from_slice(&self.reflected_at.to_bits().to_be_bytes());
        bytes[12..14].copy_from_slice(&self.error.to_bits().to_be_bytes());
        bytes[14..16].copy_from_slice(&self.session_id.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.received_at.to_bits().to_be_bytes());
        bytes[24..28].copy_from_slice(&self.sender_sequence.to_be_bytes());
        bytes[28..36].copy_from_slice(&self.sender_sent_at.to_bits().to_be_bytes());
        bytes[36..38].copy_from_slice(&self.sender_error_bits.to_be_bytes());
        bytes[40] = self.sender_ttl;
        bytes
    }

    /// Reads a reply.
    ///
    /// # Errors
    /// [`PacketError::TooShort`] below 44 octets, [`PacketError::ZeroMultiplier`] when the reflector's error
    /// estimate is one no reflector may send, which is how stray bytes are told from replies early.
    pub fn decode(bytes: &[u8]) -> Result<Self, PacketError> {
        let packet = whole(bytes)?;
        Ok(Self {
            sequence: u32_at(packet, 0),
            reflected_at: NtpTimestamp::from_bits(u64_at(packet, 4)),
            error: ErrorEstimate::from_bits(u16_at(packet, 12)).ok_or(PacketError::ZeroMultiplier)?,
            session_id: u16_at(packet, 14),
            received_at: NtpTimestamp::from_bits(u64_at(packet, 16)),
            sender_sequence: u32_at(packet, 24),
            sender_sent_at: NtpTimestamp::from_bits(u64_at(packet, 28)),
            sender_error_bits: u16_at(packet, 36),
            sender_ttl: packet[40],
        })
    }

    /// How long the packet stayed in the reflector (T3 - T2), in nanoseconds of the reflector's clock.
    /// Negative when that clock was stepped in between.
    #[must_use]
    pub fn residence_ns(&self) -> i64 {
        self.reflected_at.since_ns(self.received_at)
    }
}

fn whole(bytes: &[u8]) -> Result<&[u8; MINIMUM_LENGTH], PacketError> {
    bytes
        .first_chunk()
        .ok_or(PacketError::TooShort { length: bytes.len() })
}

fn u16_at(packet: &[u8; MINIMUM_LENGTH], at: usize) -> u16 {
    u16::from_be_bytes([packet[at], packet[at + 1]])
}

fn u32_at(packet: &[u8; MINIMUM_LENGTH], at: usize) -> u32 {
    u32::from(u16_at(packet, at)) << 16 | u32::from(u16_at(packet, at + 2))
}

fn u64_at(packet: &[u8; MINIMUM_LENGTH], at: usize) -> u64 {
    u64::from(u32_at(packet, at)) << 32 | u64::from(u32_at(packet, at + 4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Written by hand from the figures of RFC 8762, so that encoder and decoder cannot agree on a mistake.
    const GOLDEN_REQUEST: [u8; 44] = [
        0x00, 0x00, 0x01, 0x02, // sequence number
        0xe9, 0x3c, 0x7f, 0x01, 0x80, 0x00, 0x00, 0x00, // timestamp
        0x00, 0x01, // error estimate
        0x00, 0x07, // SSID (RFC 8972), zero in RFC 8762
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    const GOLDEN_REPLY: [u8; 44] = [
        0x00, 0x00, 0x01, 0x02, // sequence number
        0xe9, 0x3c, 0x7f, 0x02, 0x00, 0x00, 0x10, 0x00, // timestamp (T3)
        0x81, 0x02, // error estimate: synchronised
        0x00, 0x07, // SSID
        0xe9, 0x3c, 0x7f, 0x02, 0x00, 0x00, 0x00, 0x00, // receive timestamp (T2)
        0x00, 0x00, 0x01, 0x02, // session-sender sequence number
        0xe9, 0x3c, 0x7f, 0x01, 0x80, 0x00, 0x00, 0x00, // session-sender timestamp
        0x00, 0x01, // session-sender error estimate
        0x00, 0x00, // must be zero
        0x37, // session-sender TTL
        0x00, 0x00, 0x00, // must be zero
    ];

    fn request() -> Request {
        Request {
            sequence: 0x102,
            sent_at: NtpTimestamp::from_bits(0xe93c_7f01_8000_0000),
            error: ErrorEstimate::UNSYNCHRONISED,
            session_id: 7,
        }
    }

    fn reply() -> Reply {
        Reply {
            sequence: 0x102,
            reflected_at: NtpTimestamp::from_bits(0xe93c_7f02_0000_1000),
            error: ErrorEstimate::from_bits(0x8102).expect("multiplier 2"),
            session_id: 7,
            received_at: NtpTimestamp::from_bits(0xe93c_7f02_0000_0000),
            sender_sequence: 0x102,
            sender_sent_at: request().sent_at,
            sender_error_bits: 1,
            sender_ttl: 55,
        }
    }

    #[test]
    fn requests_are_the_octets_of_the_standard() {
        assert_eq!(request().encode(), GOLDEN_REQUEST);
        assert_eq!(Request::decode(&GOLDEN_REQUEST), Ok(request()));
    }

    #[test]
    fn replies_are_the_octets_of_the_standard() {
        assert_eq!(reply().encode(), GOLDEN_REPLY);
        assert_eq!(Reply::decode(&GOLDEN_REPLY), Ok(reply()));
        assert!(reply().error.is_synchronised());
    }

    #[test]
    fn residence_is_t3_minus_t2() {
        assert_eq!(reply().residence_ns(), 954, "0x1000 / 2^32 s");
    }

    #[test]
    fn padding_after_the_packet_is_ignored() {
        let mut padded = GOLDEN_REPLY.to_vec();
        padded.extend([0xaa; 100]);
        assert_eq!(Reply::decode(&padded), Ok(reply()));
    }

    #[test]
    fn every_shorter_packet_is_refused() {
        for length in 0..MINIMUM_LENGTH {
            assert_eq!(
                Request::decode(&GOLDEN_REQUEST[..length]),
                Err(PacketError::TooShort { length })
            );
            assert_eq!(
                Reply::decode(&GOLDEN_REPLY[..length]),
                Err(PacketError::TooShort { length })
            );
        }
    }

    #[test]
    fn a_reply_with_an_impossible_error_estimate_is_refused() {
        assert_eq!(Reply::decode(&[0; 44]), Err(PacketError::ZeroMultiplier));
    }

    proptest! {
        #[test]
        fn any_bytes_are_met_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Request::decode(&bytes);
            if let Ok(reply) = Reply::decode(&bytes) {
                let _ = reply.residence_ns();
                prop_assert_eq!(Reply::decode(&reply.encode()), Ok(reply));
            }
        }

        #[test]
        fn a_request_survives_the_wire(sequence: u32, stamp: u64, error: u16, session_id: u16) {
            let request = Request { sequence, sent_at: NtpTimestamp::from_bits(stamp), error: ErrorEstimate::from_wire(error), session_id };
            prop_assert_eq!(Request::decode(&request.encode()), Ok(request));
        }
    }
}
