//! Both ends of a throughput test over loopback, and a client that says what it likes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use azimuth_agent::clock::{NS_PER_MS, NS_PER_S};
use azimuth_agent::reflect::Allowed;
use azimuth_agent::stamp::StampKey;
use azimuth_agent::throughput::Ended;
use azimuth_agent::throughput::client::{self, Load, Order};
use azimuth_agent::throughput::estimator::Limits;
use azimuth_agent::throughput::reflector::{Serving, ThroughputListenArgs, start};
use azimuth_agent::throughput::ticket::{LIFETIME_MS, Nonce, Ticket};
use azimuth_measurement::TransferDirection;
use clap::Parser;
use nix::sys::socket::{setsockopt, sockopt};

/// The key that makes tickets.
const KEY: &str = "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b";

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    throughput: ThroughputListenArgs,
}

/// A reflector on loopback, and the directory that has its key.
pub(crate) struct World {
    pub(crate) serving: Serving,
    pub(crate) at: SocketAddr,
    _directory: Option<tempfile::TempDir>,
}

/// One that takes tickets made with [`KEY`].
pub(crate) async fn world(more: &[&str]) -> World {
    let directory = tempfile::tempdir().expect("a directory");
    let file = key_file(directory.path());
    let file = file.to_str().expect("a path");
    let arguments = [&["--throughput-key-file", file], more].concat();
    World {
        _directory: Some(directory),
        ..world_of(&arguments).await
    }
}

/// A file with [`KEY`].
pub(crate) fn key_file(directory: &Path) -> PathBuf {
    let file = directory.join("throughput.key");
    std::fs::write(&file, KEY).expect("written");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("set");
    file
}

/// One with these arguments.
pub(crate) async fn world_of(arguments: &[&str]) -> World {
    let listen = ["test", "--throughput-listen", "127.0.0.1:0"];
    let arguments = Arguments::try_parse_from(listen.iter().chain(arguments)).expect("well formed");
    let serving = start(&arguments.throughput, &Allowed::Any)
        .await
        .expect("bound")
        .expect("asked for");
    World {
        at: serving.at[0],
        serving,
        _directory: None,
    }
}

pub(crate) fn now_unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    now.as_millis() as u64
}

pub(crate) fn ticket(direction: TransferDirection, nonce: Nonce) -> Ticket {
    Ticket {
        agent: "brest-1".parse().expect("an id"),
        reflector: "reflector".parse().expect("a name"),
        direction,
        max_bytes: 3_000_000,
        max_ms: 5_000,
        max_bps: 0,
        // A little later than now, because the reflector began just now.
        expires_unix_ms: now_unix_ms() + LIFETIME_MS + 1_000,
        nonce,
    }
}

pub(crate) fn key() -> StampKey {
    StampKey::from_hex(KEY).expect("a key")
}

pub(crate) fn order(at: SocketAddr, direction: TransferDirection, ticket: Option<String>) -> Order {
    Order {
        to: at,
        host: at.to_string(),
        direction,
        limits: Limits {
            max_bytes: 3_000_000,
            max_ns: 5 * NS_PER_S,
            stall_ns: 500 * NS_PER_MS,
            to_the_end: true,
        },
        ticket,
        congestion_control: Some("reno".to_owned()),
    }
}

pub(crate) async fn run(order: &Order) -> Load {
    client::run(order, &AtomicBool::new(false), &mut |_, _| {}).await
}

/// Waits until the reflector has noted how so many tests ended.
pub(crate) async fn until_ended(world: &World, ended: Ended, n: u64) {
    for _ in 0..500 {
        if world.serving.counters().ended(ended) >= n {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no test ended {}: {}", ended.as_str(), world.serving);
}

/// The head of a request for a test, as any ndt7 client sends it.
pub(crate) fn asks_for(direction: TransferDirection, query: &str) -> String {
    format!(
        "GET /ndt/v7/{direction}{query} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: net.measurementlab.ndt.v7\r\n\r\n"
    )
}

/// A client whose test has begun, and that has read nothing of it.
pub(crate) fn begun(at: SocketAddr, direction: TransferDirection, ticket: &str) -> TcpStream {
    let stream = TcpStream::connect(at).expect("connected");
    // So little room that what is not read stops the sender soon.
    setsockopt(&stream, sockopt::RcvBuf, &4_096).expect("set");
    begun_over(stream, direction, ticket)
}

/// The same over a connection with all the room it wants.
pub(crate) fn begun_over(mut stream: TcpStream, direction: TransferDirection, ticket: &str) -> TcpStream {
    let request = asks_for(direction, &format!("?access_token={ticket}"));
    stream.write_all(request.as_bytes()).expect("written");
    let (mut head, mut octet) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut octet).expect("an answer");
        head.extend(octet);
    }
    assert!(head.starts_with(b"HTTP/1.1 101"));
    stream
}

/// Asks for a download that is refused, and reads to the end; the answer, which is less than a kilobyte.
pub(crate) async fn refused_at_what_price(world: &World, ticket: Option<&str>) -> String {
    let query = ticket.map(|ticket| format!("?access_token={ticket}"));
    let request = asks_for(TransferDirection::Download, &query.unwrap_or_default());
    let mut stream = TcpStream::connect(world.at).expect("connected");
    stream.write_all(request.as_bytes()).expect("written");
    let read = tokio::task::spawn_blocking(move || {
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    });
    let answer = read.await.expect("read");
    assert!(answer.len() < 1_000, "{} octets", answer.len());
    let said = String::from_utf8_lossy(&answer).into_owned();
    assert!(said.starts_with("HTTP/1.1 40"), "{said}");
    said
}
