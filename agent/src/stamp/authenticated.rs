//! The two STAMP packets of authenticated mode (RFC 8762 sections 4.2.2 and 4.3.2), 112 octets each: the fields of
//! [`packet`](super::packet) further apart, and a signature over the first 96 octets. Pure.

use super::key::{SIGNATURE_BYTES, StampKey};
use super::{ErrorEstimate, NtpTimestamp, PacketError, Reply, Request};

/// Octets of an authenticated STAMP packet without extensions, in both directions.
pub const AUTHENTICATED_LENGTH: usize = 112;
const SIGNED: usize = AUTHENTICATED_LENGTH - SIGNATURE_BYTES;

impl Request {
    /// The 112 octets, signed.
    #[must_use]
    pub fn encode_authenticated(&self, key: &StampKey) -> [u8; AUTHENTICATED_LENGTH] {
        let mut bytes = [0; AUTHENTICATED_LENGTH];
        bytes[0..4].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.sent_at.to_bits().to_be_bytes());
        bytes[24..26].copy_from_slice(&self.error.to_bits().to_be_bytes());
        bytes[26..28].copy_from_slice(&self.session_id.to_be_bytes());
        signed(bytes, key)
    }

    /// Reads a signed request.
    ///
    /// # Errors
    /// [`PacketError::TooShort`] below 112 octets, [`PacketError::Signature`] when it is not this key's.
    pub fn decode_authenticated(bytes: &[u8], key: &StampKey) -> Result<Self, PacketError> {
        let packet = verified(bytes, key)?;
        Ok(Self {
            sequence: u32::from_be_bytes(at(packet, 0)),
            sent_at: NtpTimestamp::from_bits(u64::from_be_bytes(at(packet, 16))),
            error: ErrorEstimate::from_wire(u16::from_be_bytes(at(packet, 24))),
            session_id: u16::from_be_bytes(at(packet, 26)),
        })
    }
}

impl Reply {
    /// The 112 octets, signed.
    #[must_use]
    pub fn encode_authenticated(&self, key: &StampKey) -> [u8; AUTHENTICATED_LENGTH] {
        let mut bytes = [0; AUTHENTICATED_LENGTH];
        bytes[0..4].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.reflected_at.to_bits().to_be_bytes());
        bytes[24..26].copy_from_slice(&self.error.to_bits().to_be_bytes());
        bytes[26..28].copy_from_slice(&self.session_id.to_be_bytes());
        bytes[32..40].copy_from_slice(&self.received_at.to_bits().to_be_bytes());
        bytes[48..52].copy_from_slice(&self.sender_sequence.to_be_bytes());
        bytes[64..72].copy_from_slice(&self.sender_sent_at.to_bits().to_be_bytes());
        bytes[72..74].copy_from_slice(&self.sender_error_bits.to_be_bytes());
        bytes[80] = self.sender_ttl;
        signed(bytes, key)
    }

    /// Reads a signed reply.
    ///
    /// # Errors
    /// [`PacketError::TooShort`] below 112 octets, [`PacketError::Signature`] when it is not this key's,
    /// [`PacketError::ZeroMultiplier`] as in [`Reply::decode`].
    pub fn decode_authenticated(bytes: &[u8], key: &StampKey) -> Result<Self, PacketError> {
        let packet = verified(bytes, key)?;
        let error = u16::from_be_bytes(at(packet, 24));
        Ok(Self {
            sequence: u32::from_be_bytes(at(packet, 0)),
            reflected_at: NtpTimestamp::from_bits(u64::from_be_bytes(at(packet, 16))),
            error: ErrorEstimate::from_bits(error).ok_or(PacketError::ZeroMultiplier)?,
            session_id: u16::from_be_bytes(at(packet, 26)),
            received_at: NtpTimestamp::from_bits(u64::from_be_bytes(at(packet, 32))),
            sender_sequence: u32::from_be_bytes(at(packet, 48)),
            sender_sent_at: NtpTimestamp::from_bits(u64::from_be_bytes(at(packet, 64))),
            sender_error_bits: u16::from_be_bytes(at(packet, 72)),
            sender_ttl: packet[80],
        })
    }
}

fn signed(mut bytes: [u8; AUTHENTICATED_LENGTH], key: &StampKey) -> [u8; AUTHENTICATED_LENGTH] {
    let (content, signature) = bytes.split_at_mut(SIGNED);
    signature.copy_from_slice(&key.sign(&[content]));
    bytes
}

fn verified<'a>(bytes: &'a [u8], key: &StampKey) -> Result<&'a [u8; SIGNED], PacketError> {
    let too_short = PacketError::TooShort { length: bytes.len() };
    let packet: &[u8; AUTHENTICATED_LENGTH] = bytes.first_chunk().ok_or(too_short)?;
    let content: &[u8; SIGNED] = packet.first_chunk().ok_or(too_short)?;
    let signature = packet.last_chunk().ok_or(too_short)?;
    if key.verify(&[content], signature) {
        Ok(content)
    } else {
        Err(PacketError::Signature)
    }
}

fn at<const N: usize>(packet: &[u8; SIGNED], from: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&packet[from..from + N]);
    field
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> StampKey {
        StampKey::from_hex(&"0b".repeat(20)).expect("a key")
    }

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
            sequence: 0x103,
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

    /// The figures of the standard by hand: offset and octets of every field that is not zero.
    fn golden(fields: &[(usize, &[u8])]) -> [u8; SIGNED] {
        let mut bytes = [0; SIGNED];
        for (from, octets) in fields {
            bytes[*from..*from + octets.len()].copy_from_slice(octets);
        }
        bytes
    }

    #[test]
    fn packets_are_the_octets_of_the_standard_and_a_signature() {
        let sent = request().encode_authenticated(&key());
        let expected = golden(&[
            (0, &[0, 0, 1, 2]),
            (16, &[0xe9, 0x3c, 0x7f, 0x01, 0x80, 0, 0, 0]),
            (24, &[0, 1]),
            (26, &[0, 7]),
        ]);
        assert_eq!(sent[..SIGNED], expected);
        assert_eq!(sent[SIGNED..], key().sign(&[&expected]));
        assert_eq!(Request::decode_authenticated(&sent, &key()), Ok(request()));

        let answered = reply().encode_authenticated(&key());
        let expected = golden(&[
            (0, &[0, 0, 1, 3]),
            (16, &[0xe9, 0x3c, 0x7f, 0x02, 0, 0, 0x10, 0]),
            (24, &[0x81, 2]),
            (26, &[0, 7]),
            (32, &[0xe9, 0x3c, 0x7f, 0x02, 0, 0, 0, 0]),
            (48, &[0, 0, 1, 2]),
            (64, &[0xe9, 0x3c, 0x7f, 0x01, 0x80, 0, 0, 0]),
            (72, &[0, 1]),
            (80, &[55]),
        ]);
        assert_eq!(answered[..SIGNED], expected);
        assert_eq!(Reply::decode_authenticated(&answered, &key()), Ok(reply()));
    }

    #[test]
    fn one_flipped_bit_anywhere_another_key_or_too_few_octets_are_refused() {
        let sent = request().encode_authenticated(&key());
        for bit in 0..AUTHENTICATED_LENGTH * 8 {
            let mut flipped = sent;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                Request::decode_authenticated(&flipped, &key()),
                Err(PacketError::Signature),
                "bit {bit}"
            );
        }
        let other = StampKey::from_hex(&"0c".repeat(20)).expect("a key");
        assert_eq!(
            Request::decode_authenticated(&sent, &other),
            Err(PacketError::Signature)
        );
        assert_eq!(
            Request::decode_authenticated(&sent[..111], &key()),
            Err(PacketError::TooShort { length: 111 })
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_met_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Request::decode_authenticated(&bytes, &key()).is_err());
            prop_assert!(Reply::decode_authenticated(&bytes, &key()).is_err());
        }
    }
}
