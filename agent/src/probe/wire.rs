//! The octets of one STAMP series: plain or authenticated packets, with or without the question for follow-up telemetry.
//! Pure. What the fields mean is [`crate::stamp`]'s, what an answer is worth the session's.

use crate::stamp::extension::{
    self, DIRECT_MEASUREMENT_BYTES, FOLLOW_UP_BYTES, Followed, SIGNATURE_EXTENSION_BYTES, Seal, Told,
};
use crate::stamp::{AUTHENTICATED_LENGTH, MINIMUM_LENGTH, PacketError, Reply, Request, StampKey};

/// Octets of the longest probe: authenticated, with its questions and the signature on them.
pub const LONGEST_PROBE: usize =
    AUTHENTICATED_LENGTH + FOLLOW_UP_BYTES + DIRECT_MEASUREMENT_BYTES + SIGNATURE_EXTENSION_BYTES;

/// The octets of a STAMP probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    octets: [u8; LONGEST_PROBE],
    length: usize,
    /// Octets of the padding extension after them, its header included; 0 without.
    padding: u16,
}

impl Payload {
    fn empty() -> Self {
        Self {
            octets: [0; LONGEST_PROBE],
            length: 0,
            padding: 0,
        }
    }

    fn push(&mut self, octets: &[u8]) {
        self.octets[self.length..][..octets.len()].copy_from_slice(octets);
        self.length += octets.len();
    }

    /// What goes on the wire, padding included, which is written into `scratch` where there is any.
    #[must_use]
    pub fn padded<'a>(&'a self, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        if self.padding == 0 {
            return self.as_slice();
        }
        scratch.clear();
        scratch.extend_from_slice(self.as_slice());
        extension::pad(scratch, usize::from(self.padding));
        scratch
    }

    /// What goes on the wire, but for padding.
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
    /// Whether probes ask for what the reflector has counted.
    pub asks_counted: bool,
    /// Octets of the whole probe, filled up by an extra padding extension (RFC 8972 section 4.1); 0 for as many as it needs.
    pub payload_bytes: u16,
}

/// Octets of a probe without padding.
#[must_use]
pub fn probe_bytes(authenticated: bool, asks_follow_up: bool, asks_counted: bool) -> usize {
    let asked =
        usize::from(asks_follow_up) * FOLLOW_UP_BYTES + usize::from(asks_counted) * DIRECT_MEASUREMENT_BYTES;
    match (authenticated, asked) {
        (false, _) => MINIMUM_LENGTH + asked,
        (true, 0) => AUTHENTICATED_LENGTH,
        (true, _) => AUTHENTICATED_LENGTH + asked + SIGNATURE_EXTENSION_BYTES,
    }
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
        let packet = payload.length;
        if self.asks_follow_up {
            payload.push(&extension::ask_follow_up());
        }
        if self.asks_counted {
            // Numbers begin at zero, and a probe that was not sent takes none.
            payload.push(&extension::ask_counted(request.sequence.wrapping_add(1)));
        }
        if let Some(key) = &self.key
            && payload.length > packet
        {
            let seal = Seal {
                key,
                sequence: request.sequence,
            };
            let signature = seal.sign(&payload.octets[packet..payload.length]);
            payload.push(&signature);
        }
        // Padding stands after the signature and is not signed (RFC 8972 section 4.8).
        let missing = usize::from(self.payload_bytes).saturating_sub(payload.length);
        if missing >= extension::LEAST_PADDING_BYTES {
            payload.padding = u16::try_from(missing).unwrap_or(0);
        }
        payload
    }

    /// The answer, and what it says in its extensions. Extensions that are not signed as they must be say nothing.
    ///
    /// # Errors
    /// [`PacketError`] when the octets are no answer, or not one by the holder of the key.
    pub fn decode(&self, octets: &[u8]) -> Result<(Reply, Told), PacketError> {
        let after = |length| octets.get(length..).unwrap_or_default();
        let Some(key) = &self.key else {
            let reply = Reply::decode(octets)?;
            return Ok((reply, extension::told(after(MINIMUM_LENGTH))));
        };
        let reply = Reply::decode_authenticated(octets, key)?;
        let extensions = after(AUTHENTICATED_LENGTH);
        let seal = Seal {
            key,
            sequence: reply.sequence,
        };
        let told = if seal.verifies(extensions) {
            extension::told(extensions)
        } else {
            Followed::NotSpoken.into()
        };
        Ok((reply, told))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp::extension::{Counted, Filling, FollowUp};
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
        let length = |key: Option<StampKey>, asks: bool| {
            let wire = Wire {
                key,
                asks_follow_up: asks,
                asks_counted: asks,
                payload_bytes: 0,
            };
            let length = wire.encode(&request()).as_slice().len();
            assert_eq!(length, probe_bytes(wire.key.is_some(), asks, asks));
            length
        };
        assert_eq!((length(None, false), length(None, true)), (44, 80));
        assert_eq!(
            (length(Some(key()), false), length(Some(key()), true)),
            (112, 168)
        );
    }

    #[test]
    fn padding_fills_up_and_takes_nothing_from_what_is_told() {
        let mut scratch = Vec::new();
        for key in [None, Some(key())] {
            let wire = Wire {
                key,
                asks_follow_up: true,
                asks_counted: true,
                payload_bytes: 1_200,
            };
            let packet = if wire.key.is_some() {
                AUTHENTICATED_LENGTH
            } else {
                MINIMUM_LENGTH
            };
            let mut octets = wire.encode(&request()).padded(&mut scratch).to_vec();
            assert_eq!(octets.len(), 1_200);
            match &wire.key {
                None => octets[..packet].copy_from_slice(&reply().encode()),
                Some(key) => octets[..packet].copy_from_slice(&reply().encode_authenticated(key)),
            }
            let seal = wire.key.as_ref().map(|key| Seal { key, sequence: 9 });
            let counted = Counted { received: 4, sent: 3 };
            let filling = Filling {
                follow_up: None,
                counted: Some(counted),
                traffic_class: None,
                seal,
            };
            extension::reflect(&mut octets[packet..], filling);
            let told = Told {
                followed: Followed::Nothing,
                counted: Some(counted),
            };
            assert_eq!(wire.decode(&octets), Ok((reply(), told)));
        }
        let short = Wire {
            key: None,
            asks_follow_up: false,
            asks_counted: false,
            payload_bytes: 45,
        };
        assert_eq!(
            short.encode(&request()).padded(&mut scratch).len(),
            44,
            "an extension has a header"
        );
    }

    #[test]
    fn a_follow_up_counts_only_when_it_is_signed() {
        let wire = Wire {
            key: Some(key()),
            asks_follow_up: true,
            asks_counted: true,
            payload_bytes: 0,
        };
        let known = FollowUp {
            sequence: 8,
            sent_at: NtpTimestamp::from_bits(6),
        };
        let counted = Counted { received: 4, sent: 3 };
        let seal = Seal {
            key: &key(),
            sequence: 9,
        };
        let mut octets = wire.encode(&request()).as_slice().to_vec();
        octets[..AUTHENTICATED_LENGTH].copy_from_slice(&reply().encode_authenticated(&key()));
        let filling = Filling {
            follow_up: Some(known),
            counted: Some(counted),
            traffic_class: None,
            seal: Some(seal),
        };
        extension::reflect(&mut octets[AUTHENTICATED_LENGTH..], filling);
        let told = Told {
            followed: Followed::Up(known),
            counted: Some(counted),
        };
        assert_eq!(wire.decode(&octets), Ok((reply(), told)));
        octets[AUTHENTICATED_LENGTH + 8] ^= 1;
        assert_eq!(wire.decode(&octets), Ok((reply(), Followed::NotSpoken.into())));
        octets[30] ^= 1;
        assert_eq!(wire.decode(&octets), Err(PacketError::Signature));
    }
}
