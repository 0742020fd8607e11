//! The octets of one STAMP series: plain or authenticated packets, with or without the question for follow-up telemetry.
//! Pure. What the fields mean is [`crate::stamp`]'s, what an answer is worth the session's.

use crate::stamp::extension::{self, FOLLOW_UP_BYTES, Followed, SIGNATURE_EXTENSION_BYTES, Seal};
use crate::stamp::{AUTHENTICATED_LENGTH, MINIMUM_LENGTH, PacketError, Reply, Request, StampKey};

/// Octets of the longest probe: authenticated, with its question and the signature on it.
pub const LONGEST_PROBE: usize = AUTHENTICATED_LENGTH + FOLLOW_UP_BYTES + SIGNATURE_EXTENSION_BYTES;

/// The octets of a STAMP probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    octets: [u8; LONGEST_PROBE],
    length: usize,
}

impl Payload {
    fn empty() -> Self {
        Self {
            octets: [0; LONGEST_PROBE],
            length: 0,
        }
    }

    fn push(&mut self, octets: &[u8]) {
        self.octets[self.length..][..octets.len()].copy_from_slice(octets);
        self.length += octets.len();
    }

    /// What goes on the wire.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.octets[..self.length]
    }
}

/// How the packets of one series are written and read.
#[derive(Clone, Debug)]
pub struct Wire {
    /// Shared with the reflector; `None` for unauthenticated mode.
    pub key: Option<StampKey>,
    /// Whether probes ask for follow-up telemetry.
    pub asks_follow_up: bool,
}

impl Wire {
    /// The probe.
    #[must_use]
    pub fn encode(&self, request: &Request) -> Payload {
        let mut payload = Payload::empty();
        match &self.key {
            None => payload.push(&request.encode()),
            Some(key) => payload.push(&request.encode_authenticated(key)),
        }
        if self.asks_follow_up {
            let question = extension::ask_follow_up();
            payload.push(&question);
            if let Some(key) = &self.key {
                let seal = Seal {
                    key,
                    sequence: request.sequence,
                };
                payload.push(&seal.sign(&question));
            }
        }
        payload
    }

    /// The answer, and what it says about the one before it. Extensions that are not signed as they must be say nothing.
    ///
    /// # Errors
    /// [`PacketError`] when the octets are no answer, or not one by the holder of the key.
    pub fn decode(&self, octets: &[u8]) -> Result<(Reply, Followed), PacketError> {
        let after = |length| octets.get(length..).unwrap_or_default();
        let Some(key) = &self.key else {
            let reply = Reply::decode(octets)?;
            return Ok((reply, extension::followed(after(MINIMUM_LENGTH))));
        };
        let reply = Reply::decode_authenticated(octets, key)?;
        let extensions = after(AUTHENTICATED_LENGTH);
        let seal = Seal {
            key,
            sequence: reply.sequence,
        };
        let followed = if seal.verifies(extensions) {
            extension::followed(extensions)
        } else {
            Followed::NotSpoken
        };
        Ok((reply, followed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp::extension::{Filling, FollowUp};
    use crate::stamp::{ErrorEstimate, NtpTimestamp};

    fn request() -> Request {
        Request {
            sequence: 9,
            sent_at: NtpTimestamp::from_bits(5),
            error: ErrorEstimate::UNSYNCHRONISED,
            session_id: 0,
        }
    }

    fn reply() -> Reply {
        Reply {
            sequence: 9,
            reflected_at: NtpTimestamp::from_bits(8),
            error: ErrorEstimate::UNSYNCHRONISED,
            session_id: 0,
            received_at: NtpTimestamp::from_bits(7),
            sender_sequence: 9,
            sender_sent_at: NtpTimestamp::from_bits(5),
            sender_error_bits: 1,
            sender_ttl: 64,
        }
    }

    fn key() -> StampKey {
        StampKey::from_hex(&"0b".repeat(20)).expect("a key")
    }

    #[test]
    fn probes_are_as_long_as_what_they_carry() {
        let length = |key: Option<StampKey>, asks_follow_up| {
            let wire = Wire { key, asks_follow_up };
            wire.encode(&request()).as_slice().len()
        };
        assert_eq!((length(None, false), length(None, true)), (44, 64));
        assert_eq!(
            (length(Some(key()), false), length(Some(key()), true)),
            (112, 152)
        );
    }

    #[test]
    fn a_follow_up_counts_only_when_it_is_signed() {
        let wire = Wire {
            key: Some(key()),
            asks_follow_up: true,
        };
        let known = FollowUp {
            sequence: 8,
            sent_at: NtpTimestamp::from_bits(6),
        };
        let seal = Seal {
            key: &key(),
            sequence: 9,
        };
        let mut octets = wire.encode(&request()).as_slice().to_vec();
        octets[..AUTHENTICATED_LENGTH].copy_from_slice(&reply().encode_authenticated(&key()));
        let filling = Filling {
            follow_up: Some(known),
            traffic_class: None,
            seal: Some(seal),
        };
        extension::reflect(&mut octets[AUTHENTICATED_LENGTH..], filling);
        assert_eq!(wire.decode(&octets), Ok((reply(), Followed::Up(known))));
        octets[AUTHENTICATED_LENGTH + 8] ^= 1;
        assert_eq!(wire.decode(&octets), Ok((reply(), Followed::NotSpoken)));
        octets[30] ^= 1;
        assert_eq!(wire.decode(&octets), Err(PacketError::Signature));
    }
}
