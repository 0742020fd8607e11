//! What a reflector makes of any datagram, with and without a key: as it is, and as the extensions of a sound request. An answer
//! is never longer than what asked for it, repeats what the sender said, and is itself answered by nobody.

use azimuth_agent::clock::Wall;
use azimuth_agent::net::control::Ancillary;
use azimuth_agent::reflect::rules::{Dropped, LONGEST_ANSWER};
use azimuth_agent::reflect::sessions::Known;
use azimuth_agent::reflect::{Allowed, Rules};
use azimuth_agent::stamp::extension::{Counted, FollowUp, Seal};
use azimuth_agent::stamp::{ErrorEstimate, NtpTimestamp, Reply, Request, StampKey};

/// One input.
pub(crate) fn run(bytes: &[u8]) {
    let key = StampKey::from_hex(&"0b".repeat(32)).expect("a key");
    let request = Request {
        sequence: 7,
        sent_at: NtpTimestamp::from_bits(99),
        error: ErrorEstimate::UNSYNCHRONISED,
        session_id: 5,
    };
    hold(None, bytes);
    hold(Some(&key), bytes);
    hold(None, &[&request.encode()[..], bytes].concat());
    let mut signed = [&request.encode_authenticated(&key)[..], bytes].concat();
    hold(Some(&key), &signed);
    let seal = Seal {
        key: &key,
        sequence: request.sequence,
    };
    signed.extend(seal.sign(bytes));
    hold(Some(&key), &signed);
}

fn hold(key: Option<&StampKey>, asked: &[u8]) {
    let rules = Rules::new(Allowed::Any, vec![8620]).authenticated(key.cloned());
    let from = "192.0.2.1:40000".parse().expect("an address");
    let ancillary = Ancillary {
        kernel_stamp: Some(Wall::from_unix_ns(1_700_000_000_000_000_000)),
        asked_at: Some([192, 0, 2, 2].into()),
        traffic_class: Some(0xb9),
        ..Ancillary::default()
    };
    let judge = |datagram: &[u8]| rules.judge(from, datagram, &ancillary, NtpTimestamp::from_bits(1));
    let Ok(answer) = judge(asked) else { return };
    let known = Known {
        follow_up: Some(FollowUp {
            sequence: 6,
            sent_at: NtpTimestamp::from_bits(3),
        }),
        counted: Some(Counted { received: 2, sent: 1 }),
    };
    let mut datagram = asked.to_vec();
    let class = rules.fill_extensions(&answer, known, &mut datagram);
    assert!(class.is_none_or(|class| class & 0b11 == 0), "not ECN-capable");
    rules.write(answer, NtpTimestamp::from_bits(4), &mut datagram);
    assert_eq!(datagram.len(), asked.len().min(LONGEST_ANSWER));
    let (request, reply) = match key {
        None => (Request::decode(asked), Reply::decode(&datagram)),
        Some(key) => (
            Request::decode_authenticated(asked, key),
            Reply::decode_authenticated(&datagram, key),
        ),
    };
    let (request, reply) = (request.expect("judged so"), reply.expect("written so"));
    assert_eq!(
        (reply.sender_sequence, reply.sender_sent_at, reply.session_id),
        (request.sequence, request.sent_at, request.session_id)
    );
    assert_eq!(judge(&datagram), Err(Dropped::Answer));
}
