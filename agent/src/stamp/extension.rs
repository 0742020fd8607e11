//! Optional extensions of STAMP: type, length, value after the 44 octets (RFC 8972 section 4). Pure.
//!
//! Spoken here: extra padding (type 1), class of service (type 4), direct measurement (type 5), which tells what the reflector
//! has counted, and follow-up telemetry (type 7), which tells when the reply before left the reflector by the kernel's stamp. In authenticated mode a signature (type 8) follows them, over the
//! packet's sequence number and all that stands before it. Everything else comes back marked as not understood.
//!
//! ```text
//! flags (U not understood, M malformed, I integrity) | type | length of the value, 2 octets | value
//! ```

use super::NtpTimestamp;
use super::key::{SIGNATURE_BYTES, StampKey};

/// Octets before each value.
const HEADER_BYTES: usize = 4;
/// The reflector does not understand the extension; a sender always sets it.
const UNRECOGNISED: u8 = 0x80;
/// The reflector found the extension malformed.
const MALFORMED: u8 = 0x40;
/// The integrity check failed.
const INTEGRITY: u8 = 0x20;

const EXTRA_PADDING: u8 = 1;
const CLASS_OF_SERVICE: u8 = 4;
const DIRECT_MEASUREMENT: u8 = 5;
const FOLLOW_UP: u8 = 7;
const SIGNATURE: u8 = 8;

/// Octets of a follow-up telemetry extension, header included (RFC 8972 section 4.7).
pub const FOLLOW_UP_BYTES: usize = HEADER_BYTES + FOLLOW_UP_VALUE;
const FOLLOW_UP_VALUE: usize = 16;
/// Octets of a direct measurement extension, header included (RFC 8972 section 4.5).
pub const DIRECT_MEASUREMENT_BYTES: usize = HEADER_BYTES + DIRECT_MEASUREMENT_VALUE;
const DIRECT_MEASUREMENT_VALUE: usize = 12;
/// "Software, local": the stamp is the kernel's (RFC 8972 section 4.3, timestamping methods).
const METHOD_SOFTWARE_LOCAL: u8 = 2;
const CLASS_OF_SERVICE_VALUE: usize = 4;
/// Octets of a signature extension, header included (RFC 8972 section 4.8).
pub const SIGNATURE_EXTENSION_BYTES: usize = HEADER_BYTES + SIGNATURE_BYTES;

/// Octets of the shortest padding: its header.
pub const LEAST_PADDING_BYTES: usize = HEADER_BYTES;

/// Appends an extra padding extension of `length` octets, header included, all zeros (RFC 8972 section 4.1).
pub fn pad(packet: &mut Vec<u8>, length: usize) {
    let Some(value) = length.checked_sub(HEADER_BYTES) else {
        return;
    };
    let [high, low] = u16::try_from(value).unwrap_or(u16::MAX).to_be_bytes();
    packet.extend_from_slice(&[UNRECOGNISED, EXTRA_PADDING, high, low]);
    packet.resize(packet.len() + value, 0);
}

/// When an earlier reply left the reflector, as the kernel stamped it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowUp {
    /// The sequence number that reply carried.
    pub sequence: u32,
    /// When it left (T3 of that reply, by a better clock).
    pub sent_at: NtpTimestamp,
}

/// What a reply says about the follow-up it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Followed {
    /// Nothing: the reflector does not speak it. It never will, so nothing is to be waited for.
    NotSpoken,
    /// It speaks it, but has no stamp of an earlier reply.
    Nothing,
    /// The stamp of an earlier reply.
    Up(FollowUp),
}

/// What a reflector has counted of a session. Only differences mean anything: counters may start anywhere, and wrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Requests received, the one answered included.
    pub received: u32,
    /// Answers sent before this one.
    pub sent: u32,
}

/// What the extensions of a reply say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// About the reply before.
    pub followed: Followed,
    /// About the session.
    pub counted: Option<Counted>,
}

impl From<Followed> for Told {
    fn from(followed: Followed) -> Self {
        Self {
            followed,
            counted: None,
        }
    }
}

/// What the extensions of a reply say.
#[must_use]
pub fn told(extensions: &[u8]) -> Told {
    Told {
        followed: followed(extensions),
        counted: counted(extensions),
    }
}

/// The extension by which a sender that has sent `sent` packets asks for what the reflector has counted.
#[must_use]
pub fn ask_counted(sent: u32) -> [u8; DIRECT_MEASUREMENT_BYTES] {
    let mut bytes = [0; DIRECT_MEASUREMENT_BYTES];
    bytes[0] = UNRECOGNISED;
    bytes[1] = DIRECT_MEASUREMENT;
    bytes[3] = DIRECT_MEASUREMENT_VALUE as u8;
    bytes[4..8].copy_from_slice(&sent.to_be_bytes());
    bytes
}

/// Whether a sender's extensions ask for what the reflector has counted.
#[must_use]
pub fn asks_counted(extensions: &[u8]) -> bool {
    whole(extensions)
        .any(|extension| extension.kind == DIRECT_MEASUREMENT && extension.length == DIRECT_MEASUREMENT_VALUE)
}

/// What the extensions of a reply say the reflector has counted; `None` if it does not say.
fn counted(extensions: &[u8]) -> Option<Counted> {
    let found = whole(extensions).find(|extension| extension.kind == DIRECT_MEASUREMENT)?;
    let understood = found.flags & (UNRECOGNISED | MALFORMED | INTEGRITY) == 0;
    if !understood || found.length != DIRECT_MEASUREMENT_VALUE {
        return None;
    }
    let value = extensions.get(found.value_at..)?;
    let &[_, _, _, _, r0, r1, r2, r3, s0, s1, s2, s3] = value.first_chunk::<DIRECT_MEASUREMENT_VALUE>()?;
    Some(Counted {
        received: u32::from_be_bytes([r0, r1, r2, r3]),
        sent: u32::from_be_bytes([s0, s1, s2, s3]),
    })
}

/// The extension by which a sender asks for follow-up telemetry: all zero but for its header.
#[must_use]
pub const fn ask_follow_up() -> [u8; FOLLOW_UP_BYTES] {
    let mut bytes = [0; FOLLOW_UP_BYTES];
    bytes[0] = UNRECOGNISED;
    bytes[1] = FOLLOW_UP;
    bytes[3] = FOLLOW_UP_VALUE as u8;
    bytes
}

/// Whether a sender's extensions ask for follow-up telemetry.
#[must_use]
pub fn asks_follow_up(extensions: &[u8]) -> bool {
    whole(extensions).any(|extension| extension.kind == FOLLOW_UP && extension.length == FOLLOW_UP_VALUE)
}

/// Whether a sender's extensions ask for anything that is acted upon, so that with a key they must be signed
/// (RFC 8972 section 4.8). Padding is not.
#[must_use]
pub fn asks_anything(extensions: &[u8]) -> bool {
    let acted_upon = [CLASS_OF_SERVICE, DIRECT_MEASUREMENT, FOLLOW_UP];
    whole(extensions)
        .take_while(|extension| extension.flags & UNRECOGNISED != 0)
        .any(|extension| acted_upon.contains(&extension.kind))
}

/// What the extensions of a reply say about the follow-up.
#[must_use]
pub fn followed(extensions: &[u8]) -> Followed {
    let Some(found) = whole(extensions).find(|extension| extension.kind == FOLLOW_UP) else {
        return Followed::NotSpoken;
    };
    let value = extensions
        .get(found.value_at..)
        .and_then(|rest| rest.first_chunk::<FOLLOW_UP_VALUE>());
    let Some(value) = value.filter(|_| found.length == FOLLOW_UP_VALUE) else {
        return Followed::NotSpoken;
    };
    if found.flags & (UNRECOGNISED | MALFORMED | INTEGRITY) != 0 {
        return Followed::NotSpoken;
    }
    let [s0, s1, s2, s3, stamp @ .., _, _, _, _] = *value;
    let sent_at = NtpTimestamp::from_bits(u64::from_be_bytes(stamp));
    if sent_at == NtpTimestamp::default() {
        return Followed::Nothing;
    }
    Followed::Up(FollowUp {
        sequence: u32::from_be_bytes([s0, s1, s2, s3]),
        sent_at,
    })
}

/// The key of authenticated mode and the sequence number of the packet that carries the extensions.
#[derive(Clone, Copy, Debug)]
pub struct Seal<'k> {
    /// Shared with the other end.
    pub key: &'k StampKey,
    /// The packet's own.
    pub sequence: u32,
}

impl Seal<'_> {
    /// The signature extension of a sender, to be put after `extensions`.
    #[must_use]
    pub fn sign(&self, extensions: &[u8]) -> [u8; SIGNATURE_EXTENSION_BYTES] {
        let mut bytes = [0; SIGNATURE_EXTENSION_BYTES];
        bytes[0] = UNRECOGNISED;
        bytes[1] = SIGNATURE;
        bytes[3] = SIGNATURE_BYTES as u8;
        bytes[HEADER_BYTES..].copy_from_slice(&self.signature(extensions));
        bytes
    }

    /// Whether `extensions` end with the signature of what stands before it.
    #[must_use]
    pub fn verifies(&self, extensions: &[u8]) -> bool {
        let Some(found) = whole(extensions).find(|extension| extension.kind == SIGNATURE) else {
            return false;
        };
        let before = extensions
            .get(..found.value_at - HEADER_BYTES)
            .unwrap_or_default();
        let signature = extensions
            .get(found.value_at..)
            .and_then(|rest| rest.first_chunk());
        found.length == SIGNATURE_BYTES
            && signature.is_some_and(|signature| {
                self.key
                    .verify(&[&self.sequence.to_be_bytes(), before], signature)
            })
    }

    fn signature(&self, before: &[u8]) -> [u8; SIGNATURE_BYTES] {
        self.key.sign(&[&self.sequence.to_be_bytes(), before])
    }
}

/// What a reflector fills in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filling<'k> {
    /// The stamp of the session's reply before, if there is one.
    pub follow_up: Option<FollowUp>,
    /// What was counted of the session, if it is remembered.
    pub counted: Option<Counted>,
    /// The traffic class octet with which the request arrived, if known: six bits DSCP, two bits ECN.
    pub traffic_class: Option<u8>,
    /// In authenticated mode, how the reply's extensions are signed.
    pub seal: Option<Seal<'k>>,
}

/// Marks every extension as one whose integrity check failed, and fills in nothing (RFC 8972 section 4.8).
pub fn mark_forged(extensions: &mut [u8]) {
    let starts: Vec<usize> = whole(extensions)
        .map(|extension| extension.value_at - HEADER_BYTES)
        .collect();
    for at in starts {
        extensions[at] = INTEGRITY;
    }
}

/// Turns a sender's extensions into the reflector's, in place: values filled in, flags set as RFC 8972 section 4 asks.
/// What follows a malformed header stays as it was, and so does the padding of a sender that knows no extensions, which is
/// told by the flag that senders of extensions always set. Returns the DSCP that a class of service extension asks the reply to
/// carry.
pub fn reflect(extensions: &mut [u8], filling: Filling<'_>) -> Option<u8> {
    let mut dscp = None;
    let mut at = 0;
    while at < extensions.len() {
        let (before, rest) = extensions.split_at_mut(at);
        let Some((&[flags, kind, high, low], _)) = rest.split_first_chunk::<HEADER_BYTES>() else {
            return dscp;
        };
        if flags & UNRECOGNISED == 0 {
            return dscp;
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some(value) = rest.get_mut(HEADER_BYTES..HEADER_BYTES + length) else {
            rest[0] = MALFORMED;
            return dscp;
        };
        rest[0] = match (kind, length) {
            (EXTRA_PADDING, _) => 0,
            (FOLLOW_UP, FOLLOW_UP_VALUE) => {
                value.fill(0);
                if let Some(followed) = filling.follow_up {
                    value[..4].copy_from_slice(&followed.sequence.to_be_bytes());
                    value[4..12].copy_from_slice(&followed.sent_at.to_bits().to_be_bytes());
                    value[12] = METHOD_SOFTWARE_LOCAL;
                }
                0
            }
            (CLASS_OF_SERVICE, CLASS_OF_SERVICE_VALUE) => {
                dscp = Some(value[0] >> 2);
                reflect_class_of_service(value, filling.traffic_class);
                0
            }
            (DIRECT_MEASUREMENT, DIRECT_MEASUREMENT_VALUE) => match filling.counted {
                Some(counted) => {
                    value[4..8].copy_from_slice(&counted.received.to_be_bytes());
                    value[8..].copy_from_slice(&counted.sent.to_be_bytes());
                    0
                }
                // Nothing counted is not "counted nothing".
                None => UNRECOGNISED,
            },
            (SIGNATURE, SIGNATURE_BYTES) if filling.seal.is_some() => {
                if let Some(seal) = filling.seal {
                    value.copy_from_slice(&seal.signature(before));
                }
                0
            }
            (FOLLOW_UP | CLASS_OF_SERVICE | DIRECT_MEASUREMENT, _) => MALFORMED,
            _ => UNRECOGNISED,
        };
        at += HEADER_BYTES + length;
    }
    dscp
}

/// DSCP1 (6 bits, asked for), DSCP2 (6, as received), ECN (2, as received), RP (2), reserved (16): RFC 8972 section 4.4.
fn reflect_class_of_service(value: &mut [u8], traffic_class: Option<u8>) {
    /// RP: the reply carries the DSCP asked for. Zero, since a reflector here always tries to.
    const REVERSE_PATH: u8 = 0;
    let received = traffic_class.unwrap_or(0);
    let (dscp, ecn) = (received >> 2, received & 0b11);
    value[0] = (value[0] & 0b1111_1100) | (dscp >> 4);
    value[1] = (dscp << 4) | (ecn << 2) | REVERSE_PATH;
    value[2..].fill(0);
}

#[derive(Clone, Copy, Debug)]
struct Extension {
    flags: u8,
    kind: u8,
    value_at: usize,
    length: usize,
}

/// The extensions up to the first that is cut short.
fn whole(bytes: &[u8]) -> impl Iterator<Item = Extension> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let &[flags, kind, high, low] = bytes.get(at..)?.first_chunk::<HEADER_BYTES>()?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let value_at = at + HEADER_BYTES;
        bytes.get(value_at..value_at + length)?;
        at = value_at + length;
        Some(Extension {
            flags,
            kind,
            value_at,
            length,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// By hand from the figure of RFC 8972 section 4.7.
    const GOLDEN_ANSWER: [u8; 20] = [
        0x00, 0x07, 0x00, 0x10, // understood, type 7, 16 octets
        0x00, 0x00, 0x01, 0x02, // sequence number
        0xe9, 0x3c, 0x7f, 0x02, 0x00, 0x00, 0x10, 0x00, // follow-up timestamp
        0x02, 0x00, 0x00, 0x00, // timestamp method: software local; reserved
    ];

    fn follow_up() -> FollowUp {
        FollowUp {
            sequence: 0x102,
            sent_at: NtpTimestamp::from_bits(0xe93c_7f02_0000_1000),
        }
    }

    fn filling() -> Filling<'static> {
        Filling {
            follow_up: Some(follow_up()),
            counted: Some(Counted {
                received: 0x304,
                sent: 0x303,
            }),
            traffic_class: Some(0b1011_1001),
            seal: None,
        }
    }

    #[test]
    fn a_follow_up_is_asked_for_and_given_in_the_octets_of_the_standard() {
        let mut extensions = ask_follow_up();
        assert_eq!(extensions[..4], [0x80, 0x07, 0x00, 0x10]);
        assert!(asks_follow_up(&extensions));
        reflect(&mut extensions, filling());
        assert_eq!(extensions, GOLDEN_ANSWER);
        assert_eq!(followed(&extensions), Followed::Up(follow_up()));
    }

    #[test]
    fn a_reflector_without_a_stamp_says_so_and_one_that_knows_no_extensions_echoes_them() {
        let mut extensions = ask_follow_up();
        assert_eq!(
            followed(&extensions),
            Followed::NotSpoken,
            "echoed as it was sent"
        );
        reflect(&mut extensions, Filling::default());
        assert_eq!(followed(&extensions), Followed::Nothing);
        assert_eq!(followed(&[]), Followed::NotSpoken);
    }

    #[test]
    fn what_was_counted_is_asked_for_and_told_in_the_octets_of_the_standard() {
        let mut extensions = ask_counted(0x506);
        assert_eq!(extensions[..8], [0x80, 5, 0, 12, 0, 0, 5, 6]);
        assert!(asks_counted(&extensions) && asks_anything(&extensions));
        assert_eq!(told(&extensions).counted, None, "echoed as it was sent");
        let mut unknown = extensions;
        reflect(&mut unknown, Filling::default());
        assert_eq!(unknown, extensions, "a session that is not remembered");
        reflect(&mut extensions, filling());
        assert_eq!(extensions, [0, 5, 0, 12, 0, 0, 5, 6, 0, 0, 3, 4, 0, 0, 3, 3]);
        assert_eq!(told(&extensions).counted, filling().counted);
    }

    #[test]
    fn class_of_service_tells_what_arrived_and_what_to_send() {
        // DSCP1 = 46 asked for; DSCP2 and ECN to be filled in.
        let mut extensions = [0x80, 4, 0, 4, 46 << 2, 0, 0xff, 0xff];
        assert_eq!(reflect(&mut extensions, filling()), Some(46));
        // Arrived with DSCP 46 (101110) and ECN 01.
        assert_eq!(extensions, [0, 4, 0, 4, (46 << 2) | 0b10, 0b1110_0100, 0, 0]);
    }

    #[test]
    fn the_flags_say_what_was_not_understood_and_what_was_malformed() {
        let mut unknown = vec![0x80, 99, 0, 2, 1, 2];
        unknown.extend([0x80, 1, 0, 1, 7]);
        unknown.extend([0x80, 7, 0, 3, 0, 0, 0]);
        unknown.extend([0x80, 1, 0xff, 0xff, 9]);
        reflect(&mut unknown, filling());
        assert_eq!(unknown[..6], [0x80, 99, 0, 2, 1, 2], "not understood, untouched");
        assert_eq!(unknown[6..11], [0, 1, 0, 1, 7], "padding");
        assert_eq!(unknown[11], 0x40, "a follow-up of 3 octets");
        assert_eq!(unknown[18..], [0x40, 1, 0xff, 0xff, 9], "longer than the packet");
    }

    #[test]
    fn signed_extensions_are_signed_again_by_the_reflector_and_forged_ones_marked() {
        let key = StampKey::from_hex(&"0b".repeat(20)).expect("a key");
        let seal = Seal {
            key: &key,
            sequence: 9,
        };
        let mut extensions = ask_follow_up().to_vec();
        extensions.extend(seal.sign(&extensions));
        assert!(seal.verifies(&extensions));
        assert!(
            !Seal { sequence: 8, ..seal }.verifies(&extensions),
            "another packet's"
        );
        assert!(!seal.verifies(&extensions[..20]), "none at all");

        let mut answered = extensions.clone();
        reflect(
            &mut answered,
            Filling {
                seal: Some(seal),
                ..filling()
            },
        );
        assert_eq!(answered[..20], GOLDEN_ANSWER);
        assert!(seal.verifies(&answered) && answered != extensions);

        extensions[6] ^= 1;
        assert!(!seal.verifies(&extensions));
        mark_forged(&mut extensions);
        assert_eq!((extensions[0], extensions[20]), (INTEGRITY, INTEGRITY));
        assert_eq!(followed(&extensions), Followed::NotSpoken);
    }

    proptest! {
        #[test]
        fn any_octets_are_met_without_panic_and_keep_their_length(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut reflected = bytes.clone();
            reflect(&mut reflected, filling());
            prop_assert_eq!(reflected.len(), bytes.len());
            let _ = (followed(&bytes), asks_follow_up(&bytes));
            let key = StampKey::from_hex(&"0b".repeat(20)).expect("a key");
            let seal = Seal { key: &key, sequence: 0 };
            prop_assert!(!seal.verifies(&bytes));
            mark_forged(&mut reflected);
        }
    }
}
