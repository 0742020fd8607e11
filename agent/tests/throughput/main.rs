//! Throughput tests over loopback, both ends real: what is moved, what is refused and at what price, and peers that break. No
//! figure of speed: a loopback has none that means anything.

#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    reason = "a test of real sockets waits for real time, and says what it waited for in vain"
)]

mod broken;
mod collector;
mod foreign;
mod ledger;
mod tls;
mod world;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use azimuth_agent::clock::{NS_PER_MS, NS_PER_S};
use azimuth_agent::throughput::Ended;
use azimuth_agent::throughput::client;
use azimuth_agent::throughput::ticket::{Refusal, Ticket};
use azimuth_measurement::{StopReason, TransferDirection};

use crate::world::{key, order, refused_at_what_price, run, ticket, until_ended, world};

#[tokio::test]
async fn both_directions_move_what_the_ticket_says_and_no_more() {
    let world = world(&["--throughput-congestion-control", "reno"]).await;
    for (nonce, direction) in (1..).zip(TransferDirection::ALL.iter().copied()) {
        let signed = ticket(direction, nonce).sign(&key());
        let load = run(&order(world.at, direction, Some(signed))).await;
        assert_eq!(load.trouble, None);
        assert_eq!(
            load.estimate.stop,
            StopReason::ByteCap,
            "{load:?} {}",
            world.serving
        );
        assert!(
            load.estimate.bps > 0 && !load.estimate.settled,
            "a lower bound: {load:?}"
        );
        // Frames and the server's texts come on top of the messages.
        let bytes = load.estimate.bytes;
        assert!((3_000_000..3_064_000).contains(&bytes), "{direction}: {bytes}");
        let sender = load.sender.expect("told");
        assert_eq!(sender.congestion_control, "reno");
        until_ended(&world, Ended::ByteCap, nonce as u64).await;
        assert_eq!(world.serving.counters().bytes(), 3_000_000 * nonce as u64);
    }
}

#[tokio::test]
async fn without_a_good_ticket_there_is_less_than_a_kilobyte() {
    let world = world(&[]).await;
    let down = TransferDirection::Download;
    let good = ticket(down, 1);
    let text = good.sign(&key());
    assert_eq!(
        run(&order(world.at, down, Some(text.clone()))).await.trouble,
        None
    );
    let with = |change: fn(&mut Ticket)| {
        let mut wrong = ticket(down, 2);
        change(&mut wrong);
        Some(wrong.sign(&key()))
    };
    for (refusal, ticket) in [
        (Refusal::NoTicket, None),
        (Refusal::Malformed, Some("nonsense".to_owned())),
        (Refusal::Signature, Some(text.replace(":download:", ":upload:"))),
        (Refusal::Replayed, Some(text)),
        (Refusal::Expired, with(|wrong| wrong.expires_unix_ms = 1)),
        (
            Refusal::Direction,
            with(|wrong| wrong.direction = TransferDirection::Upload),
        ),
        (Refusal::OverCap, with(|wrong| wrong.max_bytes = 1 << 40)),
    ] {
        let said = refused_at_what_price(&world, ticket.as_deref()).await;
        assert!(said.contains(refusal.as_str()), "{} in {said}", refusal.as_str());
        assert_eq!(world.serving.counters().refused(refusal), 1, "{refusal}");
        let load = run(&order(world.at, down, ticket)).await;
        assert_eq!(load.estimate.stop, StopReason::Refused, "{load:?}");
        assert!(load.trouble.expect("said").contains(refusal.as_str()));
    }
    assert_eq!(world.serving.counters().tests(), 1);
}

#[tokio::test]
async fn a_client_that_vanishes_gives_its_lease_back() {
    let world = world(&[]).await;
    let down = TransferDirection::Download;
    let big = |nonce| Ticket {
        max_bytes: 250_000_000,
        ..ticket(down, nonce)
    };
    let endless = |nonce| {
        let mut order = order(world.at, down, Some(big(nonce).sign(&key())));
        order.limits.max_bytes = u64::MAX;
        order
    };
    let first = tokio::spawn({
        let order = endless(1);
        async move { run(&order).await }
    });
    while world.serving.counters().tests() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let busy = run(&endless(2)).await;
    assert_eq!(busy.estimate.stop, StopReason::Refused);
    assert!(busy.trouble.expect("said").contains("busy"));
    first.abort();
    let _ = first.await;
    for _ in 0..500 {
        let again = run(&order(world.at, down, Some(big(2).sign(&key())))).await;
        if again.estimate.stop != StopReason::Refused {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the lease never came back: {}", world.serving);
}

#[tokio::test]
async fn a_stop_ends_a_test_at_once() {
    let world = world(&[]).await;
    let down = TransferDirection::Download;
    let stop = AtomicBool::new(false);
    let mut order = order(world.at, down, Some(ticket(down, 1).sign(&key())));
    order.limits.max_bytes = 2_000_000;
    let load = client::run(&order, &stop, &mut |_, bytes| {
        stop.store(bytes > 100_000, std::sync::atomic::Ordering::Release);
    })
    .await;
    assert!(
        matches!(load.estimate.stop, StopReason::Aborted | StopReason::ByteCap),
        "{load:?}"
    );
    assert!(!load.estimate.settled);
}

#[tokio::test]
async fn a_server_that_goes_silent_or_speaks_something_else_is_a_clear_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let at = listener.local_addr().expect("bound");
    let speaks = |octets: &'static [u8]| {
        let listener = listener.try_clone().expect("cloned");
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("accepted");
            let mut head = [0; 2_048];
            let read = stream.read(&mut head).expect("a request");
            let head = String::from_utf8_lossy(&head[..read]).into_owned();
            let asked = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("sec-websocket-key")
                    .then(|| value.to_owned())
            });
            let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(
                asked.expect("a key").as_bytes(),
            );
            let _ = write!(
                stream,
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: net.measurementlab.ndt.v7\r\n\r\n"
            );
            let _ = stream.write_all(octets);
            // Until the client has gone.
            let mut rest = [0; 512];
            while matches!(stream.read(&mut rest), Ok(1..)) {}
        })
    };
    let down = |limits_ns: i64| {
        let mut order = order(at, TransferDirection::Download, None);
        order.limits.stall_ns = limits_ns;
        order
    };
    // A frame of 100 octets of which only three come.
    let silent = speaks(&[0x82, 100, 1, 2, 3]);
    let load = run(&down(100 * NS_PER_MS)).await;
    assert_eq!(
        (load.estimate.stop, load.estimate.settled),
        (StopReason::Stalled, false)
    );
    silent.join().expect("no panic");
    // A reserved operation code; then a frame that claims 2^62 octets.
    for octets in [&[0x8f_u8, 0][..], &[0x82, 127, 0x40, 0, 0, 0, 0, 0, 0, 0]] {
        let rubbish = speaks(octets);
        let load = run(&down(NS_PER_S)).await;
        assert_eq!(
            (load.estimate.stop, load.estimate.settled),
            (StopReason::Malformed, false)
        );
        rubbish.join().expect("no panic");
    }
    drop(listener);
    let gone = run(&down(NS_PER_S)).await;
    assert_eq!(
        (gone.estimate.stop, gone.estimate.bps),
        (StopReason::Unreachable, 0)
    );
}

#[tokio::test]
async fn broken_clients_end_by_name_and_leave_the_lease() {
    let world = world(&[]).await;
    let up = TransferDirection::Upload;
    let text = ticket(up, 1).sign(&key());
    let at = world.at;
    let broken = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(at).expect("connected");
        write!(
            stream,
            "GET /ndt/v7/upload?access_token={text} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: net.measurementlab.ndt.v7\r\n\r\n"
        )
        .expect("written");
        let (mut head, mut octet) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut octet).expect("an answer");
            head.extend(octet);
        }
        // A frame without a mask, which no client may send.
        stream.write_all(&[0x82, 1, 7]).expect("written");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
    });
    broken.await.expect("no panic");
    until_ended(&world, Ended::Malformed, 1).await;
    // One that connects and says nothing, as a probe of tcp_connect does.
    drop(TcpStream::connect(world.at).expect("connected"));
    for _ in 0..500 {
        if world.serving.counters().no_request() > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(world.serving.counters().no_request(), 1);
    let load = run(&order(world.at, up, Some(ticket(up, 2).sign(&key())))).await;
    assert_eq!((load.trouble, load.estimate.stop), (None, StopReason::ByteCap));
}
