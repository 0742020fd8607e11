//! The network on real packets: two namespaces, the relay between them, datagrams in, delays and losses out.
//!
//! Needs root (or user namespaces and an open /dev/net/tun); says so when it is skipped. Timing here is only bounded
//! from below, where physics is on our side, and by seconds from above: how exact the relay is, `relay-check` tells.
#![expect(clippy::disallowed_methods, reason = "real packets take real time")]

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use azimuth_testbed::plan::Plan;
use azimuth_testbed::relay::network::{Direction, DropReason};
use azimuth_testbed::relay::thread::PacketRecords;
use azimuth_testbed::scenario;
use azimuth_testbed::truth::ledger::{Tally, Window};
use azimuth_testbed::truth::line::EndLine;
use azimuth_testbed::truth::writer::{Message, QUEUE};
use azimuth_testbed::world::fabric::Fabric;

const PORT: u16 = 8620;

/// Free to one zone at 10 ms round trip, with a tenth of the packets lost each way, over a narrow line.
const WORLD: &str = r#"
name = "two"
seed = 3
[network]
ipv4_prefix = "10.80.0.0/16"
ipv6_prefix = "fd80::/16"
path_factor = [1.0, 1.0]
loss_ratio = 0.1
variation_ms = 0.1
[access.line]
round_trip_ms = 0
variation_ms = 0
sigma = 0.5
down_mbps = 8
up_mbps = 8
queue_bytes = 6000
[[isp]]
name = "Free"
asn = 12322
peering_ms = 0
[[vantage_point]]
agent = "a"
name = "A"
country = "FR"
city = "Paris"
isp = "Free"
access = "line"
latitude = 48.9
longitude = 2.3
[[zone]]
key = "p/r/1"
country = "FR"
city = "Paris"
latitude = 48.9
longitude = 2.3
round_trip_ms = 10
"#;

fn may_build() -> bool {
    if nix::unistd::geteuid().is_root() && Path::new("/dev/net/tun").exists() {
        return true;
    }
    println!("SKIPPED: needs root and /dev/net/tun for namespaces and TUN devices; run `sudo make test`");
    false
}

struct Built {
    plan: Plan,
    fabric: Fabric,
    messages: Receiver<Message>,
}

fn build(text: &str) -> Built {
    let plan = Plan::of(&scenario::parse(text, "test").expect("the test's scenario"));
    let (queue, messages) = sync_channel(QUEUE);
    let fabric = Fabric::build(&plan, &queue, PacketRecords::Off, |_| {}).expect("root may build a network");
    Built {
        plan,
        fabric,
        messages,
    }
}

impl Built {
    /// Ends the world; the account of UDP packets in each direction, and the last line.
    fn finish(self) -> (Tally, Tally, EndLine) {
        let end = self.fabric.finish().expect("the relay ends well");
        let windows: Vec<Window> = self
            .messages
            .try_iter()
            .filter_map(|message| {
                if let Message::Window(window) = message {
                    Some(window)
                } else {
                    None
                }
            })
            .collect();
        let sum = |direction: Direction| {
            let mut sum = Tally::default();
            for (_, tally) in windows
                .iter()
                .flat_map(|window| &window.flows)
                .filter(|(flow, _)| flow.direction == direction)
            {
                sum.packets += tally.packets;
                sum.delays_ns.extend(&tally.delays_ns);
                sum.late_ns.extend(&tally.late_ns);
                for (reason, count) in &tally.dropped {
                    *sum.dropped.entry(*reason).or_default() += count;
                }
            }
            sum
        };
        (sum(Direction::Out), sum(Direction::Back), end)
    }
}

fn socket(address: impl Into<std::net::IpAddr>) -> UdpSocket {
    let socket = UdpSocket::bind(SocketAddr::from((address.into(), PORT))).expect("bound");
    socket
        .set_read_timeout(Some(Duration::from_millis(300)))
        .expect("set");
    socket
}

/// Echoes until nothing has come for 300 ms; how many.
fn echo(socket: &UdpSocket) -> u64 {
    let (mut buffer, mut count) = ([0; 2000], 0);
    while let Ok((length, from)) = socket.recv_from(&mut buffer) {
        socket.send_to(&buffer[..length], from).expect("sent");
        count += 1;
    }
    count
}

#[test]
fn datagrams_take_the_time_the_plan_says_and_the_account_is_exact() {
    if !may_build() {
        return;
    }
    for ipv6 in [false, true] {
        let built = build(WORLD);
        let (near, far) = (&built.plan.vantage_points[0], &built.plan.zones[0]);
        let (from, to): (std::net::IpAddr, std::net::IpAddr) = if ipv6 {
            (near.ipv6.into(), far.ipv6.into())
        } else {
            (near.ipv4.into(), far.ipv4.into())
        };
        let [a, b] = [&built.fabric.namespaces[0], &built.fabric.namespaces[1]];
        let far_socket = b.run(|| socket(to)).expect("inside");
        let near_socket = a.run(|| socket(from)).expect("inside");
        let (mut round_trips, mut returned, sent) = (Vec::new(), 0, 200_u64);
        let echoed = std::thread::scope(|scope| {
            let echo = scope.spawn(|| echo(&far_socket));
            let mut answer = [0; 64];
            for number in 0..sent {
                let sent_at = Instant::now();
                let mut datagram = [0; 44];
                datagram[..8].copy_from_slice(&number.to_be_bytes());
                near_socket.send_to(&datagram, (to, PORT)).expect("sent");
                near_socket
                    .set_read_timeout(Some(Duration::from_millis(40)))
                    .expect("set");
                // On a busy host an answer may come after the next datagram has left.
                while near_socket.recv(&mut answer).is_ok() {
                    returned += 1;
                    if answer[..8] == number.to_be_bytes() {
                        round_trips.push(sent_at.elapsed());
                        break;
                    }
                }
            }
            while near_socket.recv(&mut answer).is_ok() {
                returned += 1;
            }
            echo.join().expect("the echo ends")
        });
        let (out, back, end) = built.finish();

        assert!(
            round_trips.iter().all(|rtt| *rtt >= Duration::from_millis(10)),
            "faster than the path"
        );
        assert!(
            round_trips
                .iter()
                .filter(|rtt| **rtt < Duration::from_millis(15))
                .count()
                > 100,
            "{round_trips:?}"
        );
        assert_eq!(out.packets, sent, "every datagram was read once");
        assert_eq!(
            out.packets - out.dropped[&DropReason::Loss],
            echoed,
            "what was not dropped arrived"
        );
        assert_eq!(back.packets, echoed);
        assert_eq!(back.packets - back.dropped[&DropReason::Loss], returned);
        assert!(
            (5..40).contains(&out.dropped[&DropReason::Loss]),
            "a tenth of 200, roughly"
        );
        assert!(
            out.delays_ns.iter().all(|delay_ns| *delay_ns > 5_000_000),
            "no packet left before it was due"
        );
        assert_eq!((end.in_flight, end.device_drops), (0, Some(0)));
        assert!(end.strays.is_empty(), "a quiet device: {:?}", end.strays);
    }
}

#[test]
fn a_burst_over_a_narrow_line_fills_its_queue_and_the_rest_is_dropped_and_counted() {
    if !may_build() {
        return;
    }
    let built = build(&WORLD.replace("loss_ratio = 0.1", "loss_ratio = 0"));
    let (near, far) = (built.plan.vantage_points[0].ipv4, built.plan.zones[0].ipv4);
    let far_socket = built.fabric.namespaces[1].run(|| socket(far)).expect("inside");
    let near_socket = built.fabric.namespaces[0].run(|| socket(near)).expect("inside");
    // 1,500 bytes each at 8 Mbit/s: 1.5 ms of line; room for four at a time.
    for _ in 0..40 {
        near_socket.send_to(&[0; 1472], (far, PORT)).expect("sent");
    }
    let mut arrived = 0;
    while far_socket.recv(&mut [0; 2000]).is_ok() {
        arrived += 1;
    }
    let (out, _, _) = built.finish();
    let dropped = out.dropped.get(&DropReason::QueueFull).copied().unwrap_or(0);
    assert_eq!((out.packets, out.packets - dropped), (40, arrived));
    assert!((4..=12).contains(&arrived), "{arrived} of 40 fitted");
    assert!(
        out.delays_ns.iter().any(|delay_ns| *delay_ns > 9_500_000),
        "the last one waited for the others"
    );
}

#[test]
fn the_world_and_the_host_do_not_see_one_another() {
    if !may_build() {
        return;
    }
    let devices = || -> BTreeSet<String> {
        let lines = std::fs::read_to_string("/proc/self/net/dev").expect("readable");
        lines
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, _)| name.trim().to_owned())
            .collect()
    };
    let before = devices();
    let listener = UdpSocket::bind("127.0.0.1:0").expect("bound");
    listener
        .set_read_timeout(Some(Duration::from_millis(300)))
        .expect("set");
    let host_port = listener.local_addr().expect("bound").port();
    {
        let built = build(WORLD);
        assert_eq!(devices(), before, "no device in the host's namespace");
        let inside = &built.fabric.namespaces[0];
        let seen = inside
            .run(|| std::fs::read_to_string("/proc/thread-self/net/dev"))
            .expect("inside")
            .expect("readable");
        let names: Vec<&str> = seen
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, _)| name.trim())
            .collect();
        assert_eq!(names, ["lo", "azimuth0"]);
        // The host's loopback, an address nobody has, and the world's own vantage point from itself.
        let targets = [
            Ipv4Addr::LOCALHOST,
            Ipv4Addr::new(192, 0, 2, 1),
            built.plan.vantage_points[0].ipv4,
        ];
        inside
            .run(|| {
                let socket = UdpSocket::bind("0.0.0.0:0").expect("bound");
                for target in targets {
                    // A refusal (nobody listens on the inner loopback) is as good as silence.
                    let _ = socket.send_to(b"hello", (target, host_port));
                }
            })
            .expect("inside");
        assert!(
            listener.recv(&mut [0; 16]).is_err(),
            "a datagram of the world reached the host"
        );
        let (out, back, end) = built.finish();
        assert_eq!((out.packets, back.packets), (0, 0));
        assert_eq!(end.strays.get("no_route"), Some(&1), "{:?}", end.strays);
    }
    assert_eq!(devices(), before, "nothing is left");
}
