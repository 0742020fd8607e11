//! What another implementation says and expects, octet by octet: recorded between stamp-suite 1.0.0 and this reflector over
//! loopback (`ci/interop-stamp --show`), and between its own two ends. The key is 32 octets of 0x0b. Tests only.

use super::extension::{self, Counted, Filling, FollowUp, Followed, Seal};
use super::{AUTHENTICATED_LENGTH, MINIMUM_LENGTH, NtpTimestamp, Reply, Request, StampKey};

/// Its sender with `--cos --dscp 46 --ecn 1`, arrived with traffic class 185; and the answer that it took for right.
const CLASS_ASKED: &str = "00000000eeb1985c26cadc940001000000000000000000000000000000000000000000000000000000000000\
    80040004b8004000";
const CLASS_ANSWERED: &str = "00000000eeb1985c26d8650600010000eeb1985c26d4306e00000000eeb1985c26cadc940001000040000000\
    00040004bae40000";
/// Its sender with `-A A --follow-up-telemetry`, second packet; and the answer that it took for right.
const SIGNED_ASKED: &str = "00000001000000000000000000000000eeb1985d3a9937df000100000000000000000000000000000000000000000000\
    000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\
    58b6e0d86a92ebfed0239861c55225dc800700100000000000000000000000000000000080080010efa3049f669e236f\
    96b991abed871181";
const SIGNED_ANSWERED: &str = "00000001000000000000000000000000eeb1985d3aa45c380001000000000000eeb1985d3aa1faf80000000000000000\
    00000001000000000000000000000000eeb1985d3a9937df000100000000000040000000000000000000000000000000\
    e1ff3f8cf6f2e27b3b36837a1b75322c0007001000000000eeb1985d356c975c02000000000800103b5a2e04bb6fcb2f\
    d28191ba5d2383fb";
/// Its stateful reflector's second reply, plain and signed, to class of service, follow-up and direct measurement.
const ITS_REPLY: &str = "00000001eeb1986d37b783be00010000eeb1986d37b6cfca00000001eeb1986d37a833200001000040000000\
    00040004bae030000007001000000000eeb1986d327555e4020000000005000c000000020000000200000001";
const ITS_SIGNED_REPLY: &str = "00000001000000000000000000000000eeb1986d8b79459e0001000000000000eeb1986d8b785a0c0000000000000000\
    00000001000000000000000000000000eeb1986d8b6d5474000100000000000040000000000000000000000000000000\
    7551e09dbe3f74ecdd80c5217f2a2c6700040004bae030000007001000000000eeb1986d86bdbd1c020000000005000c\
    0000000200000002000000010008001044568b517603ad070414f636faf85473";

fn octets(digits: &str) -> Vec<u8> {
    let value = |digit: u8| char::from(digit).to_digit(16).expect("a digit") as u8;
    let (pairs, odd) = digits.as_bytes().as_chunks::<2>();
    assert!(odd.is_empty());
    pairs
        .iter()
        .map(|&[high, low]| value(high) << 4 | value(low))
        .collect()
}

fn key() -> StampKey {
    StampKey::from_hex(&"0b".repeat(32)).expect("a key")
}

fn stamp(bits: u64) -> NtpTimestamp {
    NtpTimestamp::from_bits(bits)
}

#[test]
fn its_plain_request_is_read_and_answered_as_it_expects() {
    let mut packet = octets(CLASS_ASKED);
    let request = Request::decode(&packet).expect("a request");
    assert_eq!(
        (request.sequence, request.sent_at),
        (0, stamp(0xeeb1_985c_26ca_dc94))
    );
    let filling = Filling {
        traffic_class: Some(185),
        ..Filling::default()
    };
    assert_eq!(
        extension::reflect(&mut packet[MINIMUM_LENGTH..], filling),
        Some(46)
    );
    let reply = Reply::decode(&octets(CLASS_ANSWERED)).expect("a reply");
    packet[..MINIMUM_LENGTH].copy_from_slice(&reply.encode());
    assert_eq!(packet, octets(CLASS_ANSWERED));
    assert_eq!((reply.sender_sequence, reply.sender_ttl), (request.sequence, 64));
}

#[test]
fn its_signed_request_is_read_and_answered_as_it_expects() {
    let mut packet = octets(SIGNED_ASKED);
    let request = Request::decode_authenticated(&packet, &key()).expect("signed");
    let key = key();
    let seal = Seal {
        key: &key,
        sequence: request.sequence,
    };
    assert!(seal.verifies(&packet[AUTHENTICATED_LENGTH..]));
    let filling = Filling {
        follow_up: Some(FollowUp {
            sequence: 0,
            sent_at: stamp(0xeeb1_985d_356c_975c),
        }),
        seal: Some(seal),
        ..Filling::default()
    };
    extension::reflect(&mut packet[AUTHENTICATED_LENGTH..], filling);
    let reply = Reply::decode_authenticated(&octets(SIGNED_ANSWERED), &key).expect("signed");
    packet[..AUTHENTICATED_LENGTH].copy_from_slice(&reply.encode_authenticated(&key));
    assert_eq!(packet, octets(SIGNED_ANSWERED));
}

#[test]
fn its_replies_are_read_with_the_follow_up_in_them() {
    let plain = octets(ITS_REPLY);
    let reply = Reply::decode(&plain).expect("a reply");
    assert_eq!((reply.sequence, reply.sender_sequence), (1, 1));
    let told = FollowUp {
        sequence: 0,
        sent_at: stamp(0xeeb1_986d_3275_55e4),
    };
    assert_eq!(extension::followed(&plain[MINIMUM_LENGTH..]), Followed::Up(told));

    let signed = octets(ITS_SIGNED_REPLY);
    let key = key();
    let reply = Reply::decode_authenticated(&signed, &key).expect("signed");
    let seal = Seal {
        key: &key,
        sequence: reply.sequence,
    };
    assert!(seal.verifies(&signed[AUTHENTICATED_LENGTH..]));
    let told = FollowUp {
        sequence: 0,
        sent_at: stamp(0xeeb1_986d_86bd_bd1c),
    };
    let said = extension::told(&signed[AUTHENTICATED_LENGTH..]);
    assert_eq!(said.followed, Followed::Up(told));
    assert_eq!(said.counted, Some(Counted { received: 2, sent: 1 }));
}
