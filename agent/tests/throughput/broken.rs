//! Peers that break, at either end: each test ends by name within its time, gives its lease back, and costs what it moved.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use azimuth_agent::clock::{NS_PER_MS, NS_PER_S};
use azimuth_agent::throughput::Ended;
use azimuth_agent::throughput::client::{self, Load, Order};
use azimuth_agent::throughput::ticket::Ticket;
use azimuth_measurement::{StopReason, TransferDirection};
use nix::sys::socket::{setsockopt, sockopt};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::world::{World, asks_for, begun, begun_over, key, order, run, ticket, until_ended, world};

const DOWN: TransferDirection = TransferDirection::Download;
const UP: TransferDirection = TransferDirection::Upload;

/// A ticket for so much, and the text of it.
fn text(direction: TransferDirection, max_bytes: u64, max_ms: u32) -> String {
    let asked = Ticket {
        max_bytes,
        max_ms,
        ..ticket(direction, 1)
    };
    asked.sign(&key())
}

/// Whether the next test of the direction may begin, and both were paid for: `first` octets, and those of the second.
async fn next_one_may_begin(world: &World, direction: TransferDirection, first: u64) {
    let signed = ticket(direction, 2).sign(&key());
    let load = run(&order(world.at, direction, Some(signed))).await;
    assert_eq!((load.trouble, load.estimate.stop), (None, StopReason::ByteCap));
    until_ended(world, Ended::ByteCap, 1).await;
    let beside = world.serving.month_bytes() - first;
    assert!((3_000_000..3_064_000).contains(&beside), "{beside}");
}

#[tokio::test]
async fn a_client_with_a_zero_window_is_a_stall_that_costs_what_was_sent() {
    let world = world(&[]).await;
    let ticket = text(DOWN, 100_000_000, 9_000);
    let at = world.at;
    let silent = tokio::task::spawn_blocking(move || begun(at, DOWN, &ticket));
    let silent = silent.await.expect("begun");
    assert_eq!(world.serving.month_bytes(), 100_000_000, "promised");
    until_ended(&world, Ended::Stalled, 1).await;
    let cost = world.serving.month_bytes();
    assert!((1..100_000_000).contains(&cost), "{cost}");
    drop(silent);
    next_one_may_begin(&world, DOWN, cost).await;
}

#[tokio::test]
async fn a_client_that_takes_little_but_steadily_is_no_stall() {
    let world = world(&[]).await;
    let at = world.at;
    // Longer than a stall takes; what the kernels hold is more than comes through in that time.
    let ticket = text(DOWN, 100_000_000, 2_800);
    let reads = tokio::task::spawn_blocking(move || {
        let mut stream = begun(at, DOWN, &ticket);
        let mut some = [0; 1_024];
        for _ in 0..140 {
            if !matches!(stream.read(&mut some), Ok(1..)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
    });
    until_ended(&world, Ended::TimeCap, 1).await;
    assert_eq!(world.serving.counters().ended(Ended::Stalled), 0);
    drop(world);
    reads.await.expect("no panic");
}

#[tokio::test]
async fn an_uploader_that_stalls_or_drips_ends_in_its_time() {
    let world = world(&["--throughput-leases", "2"]).await;
    let at = world.at;
    let stalled = tokio::task::spawn_blocking(move || begun(at, UP, &text(UP, 5_000_000, 9_000)));
    let stalled = stalled.await.expect("begun");
    // A frame of 1 MiB of which an octet comes now and then; the ticket is for one second.
    let drips = tokio::task::spawn_blocking(move || {
        let asked = Ticket {
            max_ms: 1_000,
            ..ticket(UP, 3)
        };
        let mut stream = begun(at, UP, &asked.sign(&key()));
        let mut head = vec![0x82, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0];
        while stream.write_all(&head).is_ok() {
            std::thread::sleep(Duration::from_millis(50));
            head = vec![0];
        }
    });
    until_ended(&world, Ended::TimeCap, 1).await;
    drips.await.expect("no panic");
    until_ended(&world, Ended::Stalled, 1).await;
    drop(stalled);
    let cost = world.serving.month_bytes();
    assert!(cost < 1_000, "{cost}");
    next_one_may_begin(&world, UP, cost).await;
}

#[tokio::test]
async fn a_head_that_never_ends_costs_a_place_for_seconds_and_no_lease() {
    let world = world(&[]).await;
    let at = world.at;
    let loris = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(at).expect("connected");
        for octet in asks_for(DOWN, "").bytes() {
            if stream.write_all(&[octet]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("it was let finish");
    });
    // Meanwhile others are served.
    next_one_may_begin(&world, DOWN, 0).await;
    loris.await.expect("no panic");
    assert_eq!(world.serving.counters().no_request(), 1);
}

#[tokio::test]
async fn frames_that_are_none_end_a_test_by_name() {
    let world = world(&["--throughput-leases", "8"]).await;
    let at = world.at;
    let masked = |head: &[u8], rest: &[u8]| [head, &[0; 4], rest].concat();
    let frames = [
        // A reserved operation, a reserved bit, a text that is no UTF-8, a ping of more than it may be.
        (UP, masked(&[0x8f, 0x80], &[])),
        (UP, masked(&[0xc2, 0x81], &[7])),
        (UP, masked(&[0x81, 0x82], &[0xff, 0xfe])),
        (UP, masked(&[0x89, 0xfe, 1, 0], &[0; 256])),
        // One that claims 2^62 octets.
        (UP, masked(&[0x82, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0], &[])),
        // A continuation of nothing.
        (UP, masked(&[0x80, 0x81], &[7])),
        // Octets up in a download.
        (DOWN, masked(&[0x82, 0x81], &[7])),
    ];
    for (n, (direction, frame)) in (1..).zip(frames) {
        let sends = tokio::task::spawn_blocking(move || {
            let asked = Ticket {
                // More than what the kernels of both ends take without being read.
                max_bytes: 100_000_000,
                ..ticket(direction, 100 + u128::from(n))
            };
            // With room for what is sent meanwhile: a window that was small once grows too slowly to be no stall.
            let stream = TcpStream::connect(at).expect("connected");
            let mut stream = begun_over(stream, direction, &asked.sign(&key()));
            let _ = stream.write_all(&frame);
            let mut rest = [0; 65_536];
            while matches!(stream.read(&mut rest), Ok(1..)) {}
        });
        until_ended(&world, Ended::Malformed, n).await;
        sends.await.expect("no panic");
    }
    let cost = world.serving.month_bytes();
    next_one_may_begin(&world, UP, cost).await;
}

#[tokio::test]
async fn an_uploader_that_is_gone_is_no_rubbish() {
    let world = world(&[]).await;
    let at = world.at;
    let gone = tokio::task::spawn_blocking(move || {
        let mut stream = begun(at, UP, &text(UP, 5_000_000, 9_000));
        // A message whole, and half of one.
        let mut octets = vec![0x82, 0x81, 0, 0, 0, 0, 7, 0x82, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0];
        octets.resize(1_000, 0);
        stream.write_all(&octets).expect("written");
    });
    gone.await.expect("no panic");
    until_ended(&world, Ended::Broken, 1).await;
    assert_eq!(
        world.serving.month_bytes(),
        1_000,
        "what came, whole messages or not"
    );
    next_one_may_begin(&world, UP, 1_000).await;
}

/// A server that answers a request for a test as one should, and then does this.
fn server(then: impl FnOnce(TcpStream) + Send + 'static) -> (SocketAddr, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let at = listener.local_addr().expect("bound");
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("accepted");
        let (mut head, mut octet) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut octet).expect("a request");
            head.extend(octet);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let asked = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("sec-websocket-key").then_some(value)
        });
        let accept = derive_accept_key(asked.expect("a key").as_bytes());
        let _ = write!(
            stream,
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: net.measurementlab.ndt.v7\r\n\r\n"
        );
        then(stream);
    });
    (at, serving)
}

async fn against(at: SocketAddr, direction: TransferDirection) -> Load {
    let mut order: Order = order(at, direction, None);
    order.limits.max_bytes = 100_000_000;
    order.limits.stall_ns = 300 * NS_PER_MS;
    order.limits.max_ns = 20 * NS_PER_S;
    client::run(&order, &AtomicBool::new(false), &mut |_, _| {}).await
}

#[tokio::test]
async fn a_reflector_that_takes_nothing_or_is_gone_is_a_failure_or_a_lower_bound() {
    // Takes nothing: what its kernel took is all that moved.
    let (at, serving) = server(|stream| {
        setsockopt(&stream, sockopt::RcvBuf, &4_096).expect("set");
        std::thread::sleep(Duration::from_secs(2));
    });
    let load = against(at, UP).await;
    assert_eq!(
        (load.estimate.stop, load.estimate.settled),
        (StopReason::Stalled, false),
        "{load:?}"
    );
    assert!(load.estimate.bytes < 100_000_000);
    serving.join().expect("no panic");
    // Gone in the middle, without a word, both ways.
    let (at, serving) = server(|mut stream| {
        let mut message = vec![0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0];
        message.resize(10 + 65_536, 7);
        for _ in 0..20 {
            stream.write_all(&message).expect("written");
        }
        // A reset and no farewell.
        setsockopt(
            &stream,
            sockopt::Linger,
            &libc::linger {
                l_onoff: 1,
                l_linger: 0,
            },
        )
        .expect("set");
    });
    let load = against(at, DOWN).await;
    assert_eq!(
        (load.estimate.stop, load.estimate.settled),
        (StopReason::PeerClosed, false),
        "{load:?}"
    );
    assert!(load.trouble.is_some());
    serving.join().expect("no panic");
    let (at, serving) = server(|mut stream| {
        let mut some = vec![0; 500_000];
        stream.read_exact(&mut some).expect("some of it");
    });
    let load = against(at, UP).await;
    assert_eq!(
        (load.estimate.stop, load.estimate.settled),
        (StopReason::PeerClosed, false),
        "{load:?}"
    );
    serving.join().expect("no panic");
}

#[tokio::test]
async fn a_reflector_that_connects_and_says_nothing_is_unreachable_in_seconds() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let at = listener.local_addr().expect("bound");
    let load = against(at, DOWN).await;
    assert_eq!(
        (load.estimate.stop, load.estimate.bytes),
        (StopReason::Unreachable, 0)
    );
    assert!(load.trouble.expect("said").contains("within 5 s"));
}
