//! Which datagrams a reflector answers, and with how many octets. Pure.

use std::net::SocketAddr;

use crate::net::control::Ancillary;
use crate::stamp::extension::{self, Filling, Seal};
use crate::stamp::{
    AUTHENTICATED_LENGTH, ErrorEstimate, MINIMUM_LENGTH, NtpTimestamp, PacketError, Reply, Request, StampKey,
};

use super::Allowed;
use super::sessions::{Known, SessionKey};

/// Source ports of reflectors. A datagram forged to come from one reflector to another would bounce between them; no sender
/// of ours uses these ports. For reflectors on other ports see [`is_answer`].
const REFLECTOR_PORTS: [u16; 2] = [862, 8620];
/// Longest answer. Longer requests get their first octets back: shorter than asked is always allowed.
pub const LONGEST_ANSWER: usize = 2_048;

/// Why a datagram gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// Shorter than a STAMP packet; for a reflector with a key, than an authenticated one.
    TooShort,
    /// Not signed with this reflector's key.
    BadSignature,
    /// Its sender is not on the list.
    NotAllowed,
    /// It claims to come from a reflector.
    ReflectorPort,
    /// Its sender's port is 0, to which nothing can be sent.
    NoPort,
    /// The kernel did not say at which address it was asked.
    NoAddress,
    /// It is an answer, not a request: forged to make two reflectors answer each other.
    Answer,
    /// Its address has had as many answers as it gets.
    RateLimited,
}

impl Dropped {
    /// All reasons, in the order of their counters.
    pub const ALL: [Self; 8] = [
        Self::TooShort,
        Self::BadSignature,
        Self::NotAllowed,
        Self::ReflectorPort,
        Self::NoPort,
        Self::NoAddress,
        Self::Answer,
        Self::RateLimited,
    ];

    /// The counter's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooShort => "too_short",
            Self::BadSignature => "bad_signature",
            Self::NotAllowed => "not_allowed",
            Self::ReflectorPort => "reflector_port",
            Self::NoPort => "no_port",
            Self::NoAddress => "no_address",
            Self::Answer => "answer",
            Self::RateLimited => "rate_limited",
        }
    }
}

/// What a reflector goes by.
#[derive(Clone, Debug)]
pub struct Rules {
    allowed: Allowed,
    own_ports: Vec<u16>,
    key: Option<StampKey>,
    clock_error: ErrorEstimate,
}

/// An answer, complete but for the time of its sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    reply: Reply,
    length: usize,
    session: Option<SessionKey>,
    traffic_class: Option<u8>,
    /// In authenticated mode, whether extensions came without the signature they need.
    forged: bool,
}

impl Rules {
    /// Answers `allowed`, and never a sender on one of `own_ports`, the ports this reflector listens on.
    #[must_use]
    pub fn new(allowed: Allowed, own_ports: Vec<u16>) -> Self {
        Self {
            allowed,
            own_ports,
            key: None,
            clock_error: ErrorEstimate::UNSYNCHRONISED,
        }
    }

    /// The same, answering only what is signed with `key`, and signing the answers (RFC 8762 section 4.4).
    #[must_use]
    pub fn authenticated(mut self, key: Option<StampKey>) -> Self {
        self.key = key;
        self
    }

    /// How far this host's clock may be off, from now on; every answer says so (RFC 8762 section 4.2.1).
    pub fn set_clock_error(&mut self, error: ErrorEstimate) {
        self.clock_error = error;
    }

    /// Octets before the extensions.
    fn packet_length(&self) -> usize {
        match self.key {
            None => MINIMUM_LENGTH,
            Some(_) => AUTHENTICATED_LENGTH,
        }
    }

    /// The answer to one datagram of `request` from `from`, read at `received_at` (used when the kernel gave no stamp).
    ///
    /// # Errors
    /// The reason why there is none.
    pub fn judge(
        &self,
        from: SocketAddr,
        request: &[u8],
        ancillary: &Ancillary,
        received_at: NtpTimestamp,
    ) -> Result<Answer, Dropped> {
        let port = from.port();
        if port == 0 {
            return Err(Dropped::NoPort);
        }
        if REFLECTOR_PORTS.contains(&port) || self.own_ports.contains(&port) {
            return Err(Dropped::ReflectorPort);
        }
        if !self.allowed.permits(from.ip()) {
            return Err(Dropped::NotAllowed);
        }
        let Some(asked_at) = ancillary.asked_at else {
            return Err(Dropped::NoAddress);
        };
        let read = match &self.key {
            None => Request::decode(request),
            Some(key) => Request::decode_authenticated(request, key),
        };
        let asked = match read {
            Ok(asked) => asked,
            Err(PacketError::TooShort { .. } | PacketError::ZeroMultiplier) => return Err(Dropped::TooShort),
            Err(PacketError::Signature) => return Err(Dropped::BadSignature),
        };
        if is_answer(request, self.key.is_some()) {
            return Err(Dropped::Answer);
        }
        let received_at = ancillary
            .kernel_stamp
            .map_or(received_at, NtpTimestamp::from_wall);
        let reply = Reply {
            sequence: asked.sequence,
            reflected_at: received_at,
            error: self.clock_error,
            session_id: asked.session_id,
            received_at,
            sender_sequence: asked.sequence,
            sender_sent_at: asked.sent_at,
            sender_error_bits: asked.error.to_bits(),
            // 255 is what a sender that follows the standard starts with; unknown reads as "no hops seen".
            sender_ttl: ancillary.ttl.unwrap_or(255),
        };
        let length = request.len().min(LONGEST_ANSWER);
        let extensions = request.get(self.packet_length()..length).unwrap_or_default();
        let asks = extension::asks_follow_up(extensions) || extension::asks_counted(extensions);
        // Padding needs no signature; what is acted upon does.
        let forged = extension::asks_anything(extensions)
            && self.key.as_ref().is_some_and(|key| {
                let seal = Seal {
                    key,
                    sequence: asked.sequence,
                };
                !seal.verifies(extensions)
            });
        let session = (asks && !forged).then_some(SessionKey {
            from,
            asked_at,
            session_id: asked.session_id,
        });
        Ok(Answer {
            reply,
            length,
            session,
            traffic_class: ancillary.traffic_class,
            forged,
        })
    }

    /// Turns the extensions in `datagram`, which holds the request, into those of `answer`; `known` is what is remembered of
    /// its session. Returns the traffic class octet that the answer was asked to leave with.
    pub fn fill_extensions(&self, answer: &Answer, known: Known, datagram: &mut Vec<u8>) -> Option<u8> {
        datagram.truncate(answer.length);
        let extensions = datagram.get_mut(self.packet_length()..)?;
        if answer.forged {
            extension::mark_forged(extensions);
            return None;
        }
        let seal = self.key.as_ref().map(|key| Seal {
            key,
            sequence: answer.reply.sequence,
        });
        let filling = Filling {
            follow_up: known.follow_up,
            counted: known.counted,
            traffic_class: answer.traffic_class,
            seal,
        };
        let dscp = extension::reflect(extensions, filling)?;
        // Not ECN-capable: nothing here slows down when told to.
        Some(dscp << 2)
    }

    /// Turns `datagram` into `answer`, sent at `reflected_at`: the packet, then what
    /// [`fill_extensions`](Self::fill_extensions) left there. As long as the request, never longer.
    pub fn write(&self, mut answer: Answer, reflected_at: NtpTimestamp, datagram: &mut Vec<u8>) {
        answer.reply.reflected_at = reflected_at;
        datagram.truncate(answer.length);
        match &self.key {
            None => {
                if let Some(packet) = datagram.first_chunk_mut() {
                    *packet = answer.reply.encode();
                }
            }
            Some(key) => {
                if let Some(packet) = datagram.first_chunk_mut() {
                    *packet = answer.reply.encode_authenticated(key);
                }
            }
        }
    }
}

/// Whether a datagram is what a reflector sends. STAMP carries no mark of direction, but where an answer has its T2 a request
/// must be zero, and where a request may have padding of another protocol (TWAMP Light, RFC 8762 section 4.6) an answer must be.
fn is_answer(datagram: &[u8], authenticated: bool) -> bool {
    let (received_at, must_be_zero): (_, [_; 2]) = if authenticated {
        (32..40, [40..48, 52..64])
    } else {
        (16..24, [38..40, 41..44])
    };
    let is_zero = |at| {
        datagram
            .get::<std::ops::Range<usize>>(at)
            .is_some_and(|octets| octets.iter().all(|octet| *octet == 0))
    };
    !is_zero(received_at) && must_be_zero.into_iter().all(is_zero)
}

impl Answer {
    /// The session that asks for something to be remembered with this request.
    #[must_use]
    pub fn session(&self) -> Option<SessionKey> {
        self.session
    }

    /// The number the reply carries.
    #[must_use]
    pub fn sequence(&self) -> u32 {
        self.reply.sequence
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Wall;
    use proptest::prelude::*;

    const T2: Wall = Wall::from_unix_ns(1_700_000_000_000_000_000);

    fn rules() -> Rules {
        let prefixes = ["127.0.0.0/8", "::1"].map(|prefix| prefix.parse().expect("a prefix"));
        Rules::new(Allowed::Prefixes(prefixes.to_vec()), vec![9_000])
    }

    fn ancillary() -> Ancillary {
        Ancillary {
            kernel_stamp: Some(T2),
            asked_at: Some([127, 0, 0, 2].into()),
            ttl: Some(57),
            ..Ancillary::default()
        }
    }

    fn judge(from: &str, request: &[u8]) -> Result<Answer, Dropped> {
        rules().judge(
            from.parse().expect("an address"),
            request,
            &ancillary(),
            NtpTimestamp::from_bits(1),
        )
    }

    fn request() -> [u8; MINIMUM_LENGTH] {
        let request = Request {
            sequence: 7,
            sent_at: NtpTimestamp::from_bits(99),
            error: ErrorEstimate::UNSYNCHRONISED,
            session_id: 5,
        };
        request.encode()
    }

    #[test]
    fn an_answer_carries_t2_from_the_kernel_t3_of_its_sending_and_the_askers_own_words() {
        let mut datagram = request().to_vec();
        let answer = judge("127.0.0.1:40000", &datagram).expect("answered");
        rules().write(answer, NtpTimestamp::from_wall(T2.plus_ns(5_000)), &mut datagram);
        let reply = Reply::decode(&datagram).expect("a reply");
        assert_eq!(reply.received_at, NtpTimestamp::from_wall(T2));
        assert_eq!(reply.residence_ns(), 5_000);
        assert_eq!(
            (reply.sequence, reply.sender_sequence, reply.session_id),
            (7, 7, 5)
        );
        assert_eq!(
            (reply.sender_sent_at, reply.sender_ttl),
            (NtpTimestamp::from_bits(99), 57)
        );
    }

    #[test]
    fn each_refusal_has_its_reason() {
        let table = [
            ("127.0.0.1:40000", 43, Dropped::TooShort),
            ("127.0.0.1:40000", 0, Dropped::TooShort),
            ("10.0.0.1:40000", 44, Dropped::NotAllowed),
            ("127.0.0.1:862", 44, Dropped::ReflectorPort),
            ("127.0.0.1:8620", 44, Dropped::ReflectorPort),
            ("127.0.0.1:9000", 44, Dropped::ReflectorPort),
            ("127.0.0.1:0", 44, Dropped::NoPort),
        ];
        for (from, length, reason) in table {
            assert_eq!(
                judge(from, &request()[..length]),
                Err(reason),
                "{length} octets from {from}"
            );
        }
        let nowhere = Ancillary {
            asked_at: None,
            ..ancillary()
        };
        let from = "127.0.0.1:40000".parse().expect("an address");
        let judged = rules().judge(from, &request(), &nowhere, NtpTimestamp::from_bits(1));
        assert_eq!(judged, Err(Dropped::NoAddress));
    }

    #[test]
    fn an_answer_is_answered_by_no_reflector_on_whatever_port_with_or_without_a_key() {
        let key = StampKey::from_hex(&"0b".repeat(20)).expect("a key");
        for key in [None, Some(key)] {
            let rules = rules().authenticated(key.clone());
            let asked = Request::decode(&request()).expect("a request");
            let mut datagram = match &key {
                None => asked.encode().to_vec(),
                Some(key) => asked.encode_authenticated(key).to_vec(),
            };
            let judge = |datagram: &[u8]| {
                let from = "127.0.0.1:40000".parse().expect("an address");
                rules.judge(from, datagram, &ancillary(), NtpTimestamp::from_bits(1))
            };
            let answer = judge(&datagram).expect("answered");
            rules.write(answer, NtpTimestamp::from_wall(T2), &mut datagram);
            assert_eq!(judge(&datagram), Err(Dropped::Answer));
        }
        // Padding of a TWAMP Light sender, which begins at octet 14.
        let mut padded = request();
        padded[14..].fill(0x5a);
        assert!(judge("127.0.0.1:40000", &padded).is_ok());
    }

    #[test]
    fn padding_comes_back_as_it_was_sent_and_extensions_filled_in() {
        let mut datagram = request().to_vec();
        datagram.extend([0; 10]);
        let answer = judge("[::1]:40000", &datagram).expect("answered");
        assert_eq!(answer.session(), None);
        assert_eq!(
            rules().fill_extensions(&answer, Known::default(), &mut datagram),
            None
        );
        rules().write(answer, NtpTimestamp::from_bits(1), &mut datagram);
        assert_eq!(datagram[MINIMUM_LENGTH..], [0; 10]);

        let mut datagram = request().to_vec();
        datagram.extend(extension::ask_follow_up());
        let answer = judge("127.0.0.1:40000", &datagram).expect("answered");
        let session = SessionKey {
            from: "127.0.0.1:40000".parse().expect("an address"),
            asked_at: [127, 0, 0, 2].into(),
            session_id: 5,
        };
        assert_eq!((answer.session(), answer.sequence()), (Some(session), 7));
        let known = extension::FollowUp {
            sequence: 6,
            sent_at: NtpTimestamp::from_bits(3),
        };
        let remembered = Known {
            follow_up: Some(known),
            counted: None,
        };
        rules().fill_extensions(&answer, remembered, &mut datagram);
        rules().write(answer, NtpTimestamp::from_bits(1), &mut datagram);
        assert_eq!(
            extension::followed(&datagram[MINIMUM_LENGTH..]),
            extension::Followed::Up(known)
        );
    }

    #[test]
    fn with_a_key_only_what_is_signed_is_answered_and_answers_are_signed() {
        let key = StampKey::from_hex(&"0b".repeat(20)).expect("a key");
        let rules = rules().authenticated(Some(key.clone()));
        let judge = |request: &[u8]| {
            let from = "127.0.0.1:40000".parse().expect("an address");
            rules.judge(from, request, &ancillary(), NtpTimestamp::from_bits(1))
        };
        assert_eq!(judge(&request()), Err(Dropped::TooShort));
        assert_eq!(judge(&[0; 112]), Err(Dropped::BadSignature));

        let asked = Request::decode(&request()).expect("a request");
        let mut datagram = asked.encode_authenticated(&key).to_vec();
        let seal = Seal {
            key: &key,
            sequence: 7,
        };
        datagram.extend(extension::ask_follow_up());
        let unsigned = judge(&datagram).expect("answered");
        assert_eq!(unsigned.session(), None, "the question is not signed");
        datagram.extend(seal.sign(&extension::ask_follow_up()));
        let mut unsigned = asked.encode_authenticated(&key).to_vec();
        unsigned.extend([0x80, 4, 0, 4, 46 << 2, 0, 0, 0]);
        let marked = judge(&unsigned).expect("answered");
        let class = rules.fill_extensions(&marked, Known::default(), &mut unsigned);
        assert_eq!(
            (class, unsigned[AUTHENTICATED_LENGTH]),
            (None, 0x20),
            "nor is this one"
        );
        let answer = judge(&datagram).expect("answered");
        assert!(answer.session().is_some());
        rules.fill_extensions(&answer, Known::default(), &mut datagram);
        rules.write(answer, NtpTimestamp::from_wall(T2.plus_ns(5_000)), &mut datagram);
        let reply = Reply::decode_authenticated(&datagram, &key).expect("signed");
        assert_eq!((reply.residence_ns(), reply.sender_sequence), (5_000, 7));
        assert!(seal.verifies(&datagram[AUTHENTICATED_LENGTH..]));
    }

    proptest! {
        #[test]
        fn an_answer_is_never_longer_than_its_request(bytes in prop::collection::vec(any::<u8>(), 0..4_000)) {
            let mut datagram = bytes.clone();
            if let Ok(answer) = judge("127.0.0.1:40000", &datagram) {
                rules().write(answer, NtpTimestamp::from_bits(1), &mut datagram);
                prop_assert!(datagram.len() <= bytes.len() && datagram.len() >= MINIMUM_LENGTH);
            } else {
                prop_assert!(bytes.len() < MINIMUM_LENGTH);
            }
        }
    }
}
