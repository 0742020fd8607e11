//! Bytes from elsewhere over real sockets, loopback only: what is forged, cut short, replayed, misaddressed or from a wrong
//! source enters no histogram and is counted by name; floods and loops end at the reflector. No figure of time is asserted.

use std::net::{SocketAddr, UdpSocket};
use std::num::NonZeroU32;
use std::time::Duration;

use azimuth_agent::probe::SeriesPlan;
use azimuth_agent::probe::contract::Strays;
use azimuth_agent::probe::lane::Lane;
use azimuth_agent::prober::Prober;
use azimuth_agent::reflect::rules::Dropped;
use azimuth_agent::reflect::serve::Reflector;
use azimuth_agent::reflect::{Allowed, DEFAULT_MAX_PER_SECOND};
use azimuth_agent::schedule::Pace;
use azimuth_agent::stamp::{ErrorEstimate, MINIMUM_LENGTH, NtpTimestamp, Reply, Request, StampKey};
use azimuth_measurement::{Method, ProbeCounts};

const PROBES: u64 = 5;
/// Long enough for an answer over loopback, when the point is that none comes.
const SILENCE: Duration = Duration::from_millis(150);

fn loopback() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("bound");
    socket
        .set_read_timeout(Some(Duration::from_secs(2)))
        .expect("set");
    socket
}

fn address(socket: &UdpSocket) -> SocketAddr {
    socket.local_addr().expect("bound")
}

fn plan(address: SocketAddr, key: Option<StampKey>) -> SeriesPlan {
    SeriesPlan {
        address,
        method: Method::Stamp,
        period_ms: 50,
        pace: Pace::Periodic,
        phase_ns: 0,
        waiting_time_ms: 3_000,
        limit: Some(PROBES),
        follow_up: false,
        direct_measurement: true,
        key,
        lane: Lane::default(),
        request: None,
        backs_off: None,
    }
}

/// A reflector that holds nothing back.
fn answer(request: &Request) -> Reply {
    Reply {
        sequence: request.sequence,
        reflected_at: NtpTimestamp::from_bits(9),
        error: ErrorEstimate::UNSYNCHRONISED,
        session_id: 0,
        received_at: NtpTimestamp::from_bits(9),
        sender_sequence: request.sequence,
        sender_sent_at: request.sent_at,
        sender_error_bits: 1,
        sender_ttl: 64,
    }
}

/// Runs a prober of `plans` while `play` plays its targets: its counts per series, delays held against them, and its strays.
fn probed(plans: &[SeriesPlan], play: impl FnOnce()) -> (Vec<ProbeCounts>, Strays) {
    let (out, mut intervals) = tokio::sync::mpsc::channel(8);
    let prober = Prober::start(plans, 86_400_000, out).expect("a prober");
    play();
    let strays = prober.join().expect("it ends when all is answered");
    let mut sums = vec![ProbeCounts::default(); plans.len()];
    while let Ok(delivery) = intervals.try_recv() {
        for (sum, series) in sums.iter_mut().zip(&delivery.closed.series) {
            let delays = series.delays_us.len() as u64;
            series.counts.check(delays).expect("counts that agree");
            *sum = sum.plus(&series.counts).expect("small numbers");
        }
    }
    (sums, strays)
}

#[test]
fn nothing_false_enters_a_histogram_and_each_is_counted() {
    let (target, other, stranger) = (loopback(), loopback(), loopback());
    let plans = [plan(address(&target), None), plan(address(&other), None)];
    let (counts, strays) = probed(&plans, || {
        let mut octets = [0; 256];
        for _ in 0..PROBES {
            // A host that stalls for a period skips a slot.
            let Ok((length, prober)) = target.recv_from(&mut octets) else {
                break;
            };
            let request = Request::decode(&octets[..length]).expect("a request");
            let true_answer = answer(&request);
            let send = |socket: &UdpSocket, bytes: &[u8]| {
                socket.send_to(bytes, prober).expect("sent");
            };
            // Truncated, and with an error estimate nobody may send.
            send(&target, &true_answer.encode()[..MINIMUM_LENGTH - 1]);
            send(&target, &[0; MINIMUM_LENGTH]);
            // Forged: the number is easily guessed, the time is not; a number never sent.
            let mut forged = true_answer;
            forged.sender_sent_at = NtpTimestamp::from_bits(request.sent_at.to_bits() ^ 1);
            send(&target, &forged.encode());
            let mut ahead = true_answer;
            ahead.sender_sequence = request.sequence.wrapping_add(1_000);
            send(&target, &ahead.encode());
            // From a wrong source, and misaddressed: as if from another target.
            send(&stranger, &true_answer.encode());
            send(&other, &true_answer.encode());
            // The truth, and the truth replayed.
            send(&target, &true_answer.encode());
            send(&target, &true_answer.encode());
        }
        for _ in 0..PROBES {
            let Ok((length, prober)) = other.recv_from(&mut octets) else {
                break;
            };
            let request = Request::decode(&octets[..length]).expect("a request");
            other.send_to(&answer(&request).encode(), prober).expect("sent");
        }
    });
    let played = counts[0].sent;
    for (counts, duplicate) in counts.iter().zip([played, 0]) {
        let expected = ProbeCounts {
            sent: counts.sent,
            returned: counts.sent,
            duplicate,
            skipped: PROBES - counts.sent,
            missing_tx_stamp: counts.missing_tx_stamp,
            missing_rx_stamp: counts.missing_rx_stamp,
            reordered: counts.reordered,
            // Of true delays alone, which the network decides.
            ipdv: counts.ipdv,
            ..ProbeCounts::default()
        };
        assert_eq!(*counts, expected);
        assert!(counts.ipdv.pairs < counts.sent, "{counts:?}");
    }
    assert_eq!(
        strays,
        Strays {
            unreadable: 2 * played,
            unknown_peer: played,
            foreign: 3 * played,
            ..Strays::default()
        }
    );
}

#[test]
fn without_the_key_no_answer_counts() {
    let key = StampKey::from_hex(&"0b".repeat(32)).expect("a key");
    let other = StampKey::from_hex(&"0c".repeat(32)).expect("a key");
    let target = loopback();
    let (counts, strays) = probed(&[plan(address(&target), Some(key.clone()))], || {
        let mut octets = [0; 256];
        for _ in 0..PROBES {
            // A host that stalls for a period skips a slot.
            let Ok((length, prober)) = target.recv_from(&mut octets) else {
                break;
            };
            let request = Request::decode_authenticated(&octets[..length], &key).expect("signed");
            let send = |bytes: &[u8]| {
                target.send_to(bytes, prober).expect("sent");
            };
            send(&answer(&request).encode());
            send(&answer(&request).encode_authenticated(&other));
            let mut flipped = answer(&request).encode_authenticated(&key);
            flipped[40] ^= 1;
            send(&flipped);
            send(&answer(&request).encode_authenticated(&key));
        }
    });
    assert_eq!((counts[0].lost(), counts[0].duplicate), (0, 0));
    let expected = Strays {
        unreadable: counts[0].sent,
        unauthentic: 2 * counts[0].sent,
        ..Strays::default()
    };
    assert_eq!(strays, expected);
}

fn reflector(max_per_second: NonZeroU32) -> Reflector {
    let at = ["127.0.0.1:0".parse().expect("an address")];
    Reflector::start(&at, &[], Allowed::Any, max_per_second, None).expect("a reflector")
}

fn request() -> [u8; MINIMUM_LENGTH] {
    let request = Request {
        sequence: 1,
        sent_at: NtpTimestamp::from_bits(7),
        error: ErrorEstimate::UNSYNCHRONISED,
        session_id: 0,
    };
    request.encode()
}

#[test]
fn a_flood_gets_what_it_may_and_silence_beyond_and_another_address_is_not_touched() {
    // A second's worth is ten, and one more comes in after 100 ms; the flood is through long before it has passed 90 times.
    let reflector = reflector(NonZeroU32::new(10).expect("not zero"));
    let (flood, other) = (loopback(), UdpSocket::bind("127.0.0.2:0").expect("bound"));
    for _ in 0..100 {
        flood.send_to(&request(), reflector.udp[0]).expect("sent");
    }
    other
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("set");
    other.send_to(&request(), reflector.udp[0]).expect("sent");
    other.recv(&mut [0; 100]).expect("an answer");
    let counters = reflector.stop().expect("it ends");
    let limited = counters.dropped(Dropped::RateLimited);
    assert_eq!(counters.answered + limited, 101);
    assert!(counters.answered >= 11 && limited > 0, "{counters}");
}

#[test]
fn two_reflectors_forged_to_face_each_other_exchange_one_packet() {
    let (first, second) = (
        reflector(DEFAULT_MAX_PER_SECOND),
        reflector(DEFAULT_MAX_PER_SECOND),
    );
    // What the first would send if it was asked "by" the second: the only packet between them.
    let forger = loopback();
    forger.send_to(&request(), first.udp[0]).expect("sent");
    let mut octets = [0; 100];
    let length = forger.recv(&mut octets).expect("an answer");
    forger.send_to(&octets[..length], second.udp[0]).expect("sent");
    forger.set_read_timeout(Some(SILENCE)).expect("set");
    assert!(forger.recv(&mut [0; 100]).is_err(), "no answer may come");
    assert_eq!(first.stop().expect("it ends").answered, 1);
    let second = second.stop().expect("it ends");
    assert_eq!((second.answered, second.dropped(Dropped::Answer)), (0, 1));
}
