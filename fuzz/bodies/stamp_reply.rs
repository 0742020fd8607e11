//! What a sender makes of any datagram from its target: as it is, and as the extensions of a true answer. Nothing but an answer
//! that repeats number and time of a probe under way settles it, and no delay is longer than the trip was.

use azimuth_agent::clock::{Moment, Monotonic, NS_PER_MS, NS_PER_S, Wall};
use azimuth_agent::probe::delay::Verdict;
use azimuth_agent::probe::stamp_session::{Arrival, Finding, StampSession};
use azimuth_agent::probe::wire::Wire;
use azimuth_agent::stamp::{ErrorEstimate, NtpTimestamp, Reply, Request, StampKey};
use azimuth_agent::tally::IntervalOrdinal;

const TRIP_NS: i64 = 3 * NS_PER_MS;

/// One input.
pub(crate) fn run(bytes: &[u8]) {
    let key = StampKey::from_hex(&"0b".repeat(32)).expect("a key");
    for key in [None, Some(key)] {
        let wire = Wire {
            key,
            asks_follow_up: true,
            asks_counted: true,
            payload_bytes: 0,
        };
        hold(&wire, |_| bytes.to_vec());
        hold(&wire, |request| [&answer(&wire, request)[..], bytes].concat());
    }
}

fn at(ns: i64) -> Moment {
    Moment {
        monotonic: Monotonic::from_ns(ns),
        wall: Wall::from_unix_ns(1_700_000_000 * NS_PER_S + ns),
    }
}

fn answer(wire: &Wire, request: &Request) -> Vec<u8> {
    let reply = Reply {
        sequence: request.sequence,
        reflected_at: request.sent_at,
        error: ErrorEstimate::UNSYNCHRONISED,
        session_id: 0,
        received_at: request.sent_at,
        sender_sequence: request.sequence,
        sender_sent_at: request.sent_at,
        sender_error_bits: 1,
        sender_ttl: 64,
    };
    match &wire.key {
        None => reply.encode().to_vec(),
        Some(key) => reply.encode_authenticated(key).to_vec(),
    }
}

/// Three probes, each answered by `say`.
fn hold(wire: &Wire, say: impl Fn(&Request) -> Vec<u8>) {
    let mut session = StampSession::new(2 * NS_PER_S, 0)
        .asking_follow_up()
        .asking_counted();
    let mut first = 0;
    for n in 0..3 {
        let sent = at(n * NS_PER_S / 10);
        let request = session.send(sent, IntervalOrdinal::FIRST);
        session.handle_tx_stamp(request.sequence, sent.wall);
        let Ok((reply, told)) = wire.decode(&say(&request)) else {
            continue;
        };
        let back = at(n * NS_PER_S / 10 + TRIP_NS);
        if let Arrival::First { .. } = session.handle_reply(&reply, told, back, Some(back.wall)) {
            first += 1;
            let sent_at = |n: u32| NtpTimestamp::from_wall(at(i64::from(n) * NS_PER_S / 10).wall);
            assert_eq!(reply.sender_sent_at, sent_at(reply.sender_sequence));
        }
    }
    session.handle_timeout(at(10 * NS_PER_S).monotonic);
    let (mut returned, mut lost, mut ways) = (0, 0, 0);
    while let Some(finding) = session.poll_finding() {
        match finding {
            Finding::Returned { verdict, .. } => {
                returned += 1;
                if let Verdict::Delay(_, delay_us) = verdict {
                    assert!(i64::from(delay_us) * 1_000 <= TRIP_NS, "{delay_us} us");
                }
            }
            Finding::Lost { .. } => lost += 1,
            Finding::Ways(known) => ways += known.out + known.back,
        }
    }
    assert_eq!((returned, returned + lost), (first, 3));
    assert!(ways <= lost);
}
