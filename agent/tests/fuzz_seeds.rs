//! The fuzz targets about this part, replayed over their seeds with the stable toolchain.
#![expect(clippy::panic, reason = "what is replayed says by a panic what does not hold")]

#[path = "../../collector/tests/binary/fleet.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod fleet;
#[path = "../../fuzz/bodies/icmp_message.rs"]
mod icmp_message;
#[path = "../../fuzz/bodies/replay.rs"]
mod replay;
#[path = "../../fuzz/bodies/spool_segment.rs"]
mod spool_segment;
#[path = "../../fuzz/bodies/stamp_reply.rs"]
mod stamp_reply;
#[path = "../../fuzz/bodies/stamp_request.rs"]
mod stamp_request;

#[path = "../../fuzz/bodies/throughput_text.rs"]
mod throughput_text;

use azimuth_agent::icmp::{Echo, Family};
use azimuth_agent::spool::{Limits, Now, Setup, Spool, SyncPolicy, Verdict};
use azimuth_agent::stamp::{ErrorEstimate, NtpTimestamp, Reply, Request, StampKey, extension};
use azimuth_agent::throughput::ledger::Ledger;
use azimuth_agent::throughput::month::Month;
use azimuth_agent::throughput::ndt7::{Addition, Measurement, TcpInfoText};
use azimuth_agent::throughput::ticket::Ticket;
use azimuth_agent::throughput::tickets::Offer;
use azimuth_measurement::TransferDirection;
use azimuth_measurement::enrolment::ticket::TestTicket;

use self::spool_segment::Memory;

/// 2026-01-01T00:00:00Z.
const T0: u64 = 1_767_225_600_000;

/// What the spool of `paris-1` leaves on a disk after so many reports, of which so many were delivered.
fn segments(reports: u64, delivered: usize) -> Vec<u8> {
    let disk = Memory::default();
    let manifest = fleet::manifest("paris-1", 2);
    let setup = Setup {
        agent: manifest.agent.clone(),
        boot: 7,
        limits: Limits {
            max_bytes: 1 << 20,
            ..Limits::default()
        },
        sync: SyncPolicy::EveryFlush,
    };
    let at = |slot: u64| Now {
        unix_ms: T0 + slot * fleet::LENGTH_MS,
        monotonic_ms: 1_000 + slot * fleet::LENGTH_MS,
    };
    let mut spool = Spool::open(Box::new(disk.clone()), setup, at(0));
    spool.set_manifest(&manifest);
    for slot in 1..=reports {
        let report = fleet::report(&manifest, 1, T0 + (slot - 1) * fleet::LENGTH_MS, &[500, 700]);
        spool.push(report, at(slot).monotonic_ms);
        spool.flush(at(slot));
    }
    let mut left = delivered;
    while left > 0
        && let Some(dispatch) = spool.next_dispatch(at(reports), 1 << 20)
    {
        let verdicts = vec![Verdict::Stored; dispatch.batch.items.len()];
        left = left.saturating_sub(verdicts.len());
        spool
            .settle(dispatch, &verdicts)
            .expect("as many verdicts as items");
    }
    spool.flush(at(reports + 1));
    disk.with(|files| files.values().flatten().copied().collect())
}

#[test]
fn spool_segment_holds_for_its_seeds() {
    let made = [
        ("three_reports", segments(3, 0)),
        ("one_of_two_delivered", segments(2, 1)),
        ("opened", segments(0, 0)),
        ("empty", Vec::new()),
        ("marker", b"AzSp".to_vec()),
    ];
    replay::replay("spool_segment", &made, spool_segment::run);
}

#[test]
fn icmp_message_holds_for_its_seeds() {
    let request = Echo {
        sequence: 0x0001_0002,
        sent_at: NtpTimestamp::from_bits(0xEC00_0000_8000_0000),
        token: 0x0123_4567_89AB_CDEF,
    };
    let reply = |family| {
        let mut reply = request.encode(family, 7).to_vec();
        reply[0] = match family {
            Family::V4 => 0,
            Family::V6 => 129,
        };
        reply
    };
    let mut with_header = vec![0; 20];
    with_header[0] = 0x45;
    with_header.extend(reply(Family::V4));
    let made = [
        ("reply_v4", reply(Family::V4)),
        ("reply_v6", reply(Family::V6)),
        ("with_an_ip_header", with_header),
        ("empty", Vec::new()),
    ];
    replay::replay("icmp_message", &made, icmp_message::run);
}

fn stamp_request() -> Request {
    Request {
        sequence: 7,
        sent_at: NtpTimestamp::from_bits(0xEC00_0000_8000_0000),
        error: ErrorEstimate::UNSYNCHRONISED,
        session_id: 5,
    }
}

/// Every extension spoken here, one that is not, and one cut short.
fn stamp_extensions() -> Vec<u8> {
    let mut extensions = extension::ask_follow_up().to_vec();
    extensions.extend(extension::ask_counted(8));
    extensions.extend([0x80, 4, 0, 4, 46 << 2, 0, 0, 0]);
    extensions.extend([0x80, 1, 0, 3, 0, 0, 0]);
    extensions.extend([0x80, 99, 0, 2, 1, 2]);
    extensions.extend([0x80, 7, 0xff, 0xff]);
    extensions
}

#[test]
fn stamp_request_holds_for_its_seeds() {
    let key = StampKey::from_hex(&"0b".repeat(32)).expect("a key");
    let plain = stamp_request().encode().to_vec();
    let made = [
        (
            "plain_with_extensions",
            [&plain[..], &stamp_extensions()].concat(),
        ),
        ("plain", plain),
        ("signed", stamp_request().encode_authenticated(&key).to_vec()),
        ("extensions", stamp_extensions()),
        ("empty", Vec::new()),
    ];
    replay::replay("stamp_request", &made, stamp_request::run);
}

#[test]
fn stamp_reply_holds_for_its_seeds() {
    // The first probe of the body: number 0, sent at 1,700,000,000 s of Unix time.
    let sent_at = NtpTimestamp::from_wall(azimuth_agent::clock::Wall::from_unix_ns(
        1_700_000_000_000_000_000,
    ));
    let reply = Reply {
        sequence: 0,
        reflected_at: sent_at,
        error: ErrorEstimate::UNSYNCHRONISED,
        session_id: 0,
        received_at: sent_at,
        sender_sequence: 0,
        sender_sent_at: sent_at,
        sender_error_bits: 1,
        sender_ttl: 64,
    };
    let told = extension::Filling {
        follow_up: Some(extension::FollowUp { sequence: 0, sent_at }),
        counted: Some(extension::Counted { received: 1, sent: 0 }),
        ..extension::Filling::default()
    };
    let mut extensions = stamp_extensions();
    extension::reflect(&mut extensions, told);
    let plain = reply.encode().to_vec();
    let made = [
        ("plain_with_extensions", [&plain[..], &extensions].concat()),
        ("plain", plain),
        ("extensions", extensions),
        ("empty", Vec::new()),
    ];
    replay::replay("stamp_reply", &made, stamp_reply::run);
}

#[test]
fn throughput_text_holds_for_its_seeds() {
    let measurement = Measurement {
        tcp_info: Some(TcpInfoText {
            busy_time: 900,
            elapsed_time: 1_000,
            ..TcpInfoText::default()
        }),
        azimuth: Some(Addition {
            congestion_control: "cubic".to_owned(),
        }),
        ..Measurement::default()
    };
    let (agent, reflector) = (
        "brest-1".parse().expect("an id"),
        "paris-a".parse().expect("a name"),
    );
    let shared = Ticket {
        agent,
        reflector,
        direction: TransferDirection::Download,
        max_bytes: 1_000,
        max_ms: 2_000,
        max_bps: 0,
        expires_unix_ms: T0 + 60_000,
        nonce: 7,
    };
    let signed = TestTicket {
        agent: shared.agent.clone(),
        reflector: shared.reflector.clone(),
        direction: shared.direction,
        max_bytes: 1_000,
        max_ms: 2_000,
        max_bps: 0,
        good_for_ms: 60_000,
        challenge: [7; 32],
    };
    let offer = Offer {
        reflector: shared.reflector.clone(),
        challenge: [9; 32],
    };
    let mut ledger = Ledger::new(T0);
    assert!(ledger.promise(&("zone-a".to_owned(), shared.direction), 60, 100));
    let key = StampKey::from_hex(&"0b".repeat(32)).expect("a key");
    let made = [
        (
            "measurement",
            serde_json::to_vec(&measurement).expect("plain data"),
        ),
        ("ticket", shared.sign(&key).into_bytes()),
        ("collectors_ticket", signed.signed(&[5; 64]).into_bytes()),
        ("said_of_a_ticket", signed.to_string().into_bytes()),
        ("offer", offer.to_string().into_bytes()),
        ("ledger", ledger.to_text().into_bytes()),
        ("month", Month::new(T0).to_text().into_bytes()),
        ("empty", Vec::new()),
    ];
    replay::replay("throughput_text", &made, throughput_text::run);
}
