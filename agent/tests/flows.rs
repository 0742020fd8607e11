//! What really leaves: the binary in network namespaces of its own, its packets captured on their way out and held against
//! what was asked for. Needs root, and says so when it is skipped. Nothing here asserts how fast anything is.

use std::collections::BTreeSet;
use std::io::Read;
use std::process::{Command, Output};

use socket2::{Domain, Protocol, Socket, Type};

const BINARY: &str = env!("CARGO_BIN_EXE_azimuth-agent");
const WORLD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/icmp/world.sh");
/// `linux/if_ether.h`: every protocol, and what leaves as well as what arrives.
const ETH_P_ALL: u16 = 3;

/// One captured packet that was addressed to the world's router.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Packet {
    from: String,
    protocol: u8,
    /// Source port, or ICMP identifier.
    port: u16,
    dscp: u8,
    dont_fragment: bool,
    is_fragment: bool,
    /// Octets above the UDP or ICMP header.
    payload: usize,
}

/// An IPv4 packet to 10.77.0.2.
fn read_v4(bytes: &[u8]) -> Option<Packet> {
    let header = bytes.get(..20)?;
    if header[0] >> 4 != 4 || header[16..] != [10, 77, 0, 2] {
        return None;
    }
    let above = bytes.get(usize::from(header[0] & 15) * 4..)?;
    let protocol = header[9];
    let port_at = if protocol == 1 { 4 } else { 0 };
    let fragment = u16::from_be_bytes([header[6], header[7]]);
    Some(Packet {
        from: format!("{}.{}.{}.{}", header[12], header[13], header[14], header[15]),
        protocol,
        port: u16::from_be_bytes([*above.get(port_at)?, *above.get(port_at + 1)?]),
        dscp: header[1] >> 2,
        dont_fragment: fragment & 0x4000 != 0,
        is_fragment: fragment & 0x3fff != 0,
        payload: above.len().saturating_sub(8),
    })
}

/// An IPv6 packet to fd77::2 without extension headers.
fn read_v6(bytes: &[u8]) -> Option<Packet> {
    let header = bytes.get(..40)?;
    let to_router = header[24..26] == [0xfd, 0x77] && header[39] == 2;
    if header[0] >> 4 != 6 || !to_router || header[6] != 17 {
        return None;
    }
    Some(Packet {
        from: format!("...{}", header[23]),
        protocol: header[6],
        port: u16::from_be_bytes([*bytes.get(40)?, *bytes.get(41)?]),
        dscp: (header[0] << 4 | header[1] >> 4) >> 2,
        dont_fragment: true,
        is_fragment: false,
        payload: bytes.len().saturating_sub(48),
    })
}

/// Probes, and what left of it.
fn capture(arguments: &[&str]) -> (Output, Vec<Packet>) {
    let protocol = Protocol::from(i32::from(ETH_P_ALL.to_be()));
    let mut tap = Socket::new(Domain::PACKET, Type::DGRAM.nonblocking(), Some(protocol)).expect("root");
    let shared = [
        "probe",
        "--count",
        "3",
        "--period-ms",
        "40",
        "--waiting-time-ms",
        "30",
        "--json",
    ];
    let output = Command::new(BINARY)
        .args(shared)
        .args(arguments)
        .env("AZIMUTH_LOG", "debug")
        .output()
        .expect("the binary runs");
    let (mut packets, mut buffer) = (Vec::new(), [0; 4_096]);
    while let Ok(length) = tap.read(&mut buffer) {
        packets.extend(read_v4(&buffer[..length]).or_else(|| read_v6(&buffer[..length])));
    }
    (output, packets)
}

fn ports(packets: &[Packet]) -> BTreeSet<u16> {
    packets.iter().map(|packet| packet.port).collect()
}

#[test]
fn what_leaves_is_what_was_asked_for() {
    if !nix::unistd::geteuid().is_root() {
        println!("SKIPPED: needs root for namespaces; run `sudo make test`");
        return;
    }
    let output = Command::new("unshare")
        .args(["-n", "-m", "sh", WORLD, "0 2147483647"])
        .arg(std::env::current_exe().expect("this test"))
        .args(["--exact", "inside_the_world", "--ignored", "--nocapture"])
        .output()
        .expect("unshare(1) runs");
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
}

#[test]
#[ignore = "runs in the world that the test above makes for it"]
fn inside_the_world() {
    two_equal_ways();
    class_of_service_size_and_fragments();
    flows_keep_their_ports();
    source_address_and_interface();
    too_long_for_the_interface();
    equal_paths();
}

fn class_of_service_size_and_fragments() {
    let (_, packets) = capture(&[
        "10.77.0.2",
        "--dscp",
        "46",
        "--payload-bytes",
        "1000",
        "--dont-fragment",
    ]);
    assert_eq!(packets.len(), 3, "{packets:?}");
    for packet in &packets {
        let seen = (packet.protocol, packet.dscp, packet.payload, packet.dont_fragment);
        assert_eq!(seen, (17, 46, 1_000, true), "{packet:?}");
    }
    let (_, packets) = capture(&[
        "fd77::2",
        "--dscp",
        "10",
        "--payload-bytes",
        "1200",
        "--dont-fragment",
    ]);
    assert!(
        !packets.is_empty()
            && packets
                .iter()
                .all(|packet| (packet.dscp, packet.payload) == (10, 1_200)),
        "{packets:?}"
    );
    let (_, packets) = capture(&["10.77.0.2:9", "--method", "tcp_connect", "--dscp", "34"]);
    assert!(
        !packets.is_empty()
            && packets
                .iter()
                .all(|packet| (packet.protocol, packet.dscp) == (6, 34)),
        "{packets:?}"
    );
    let (_, packets) = capture(&[
        "10.77.0.2",
        "--method",
        "icmp_echo",
        "--dscp",
        "8",
        "--payload-bytes",
        "500",
    ]);
    assert!(
        !packets.is_empty()
            && packets
                .iter()
                .all(|packet| (packet.protocol, packet.dscp, packet.payload) == (1, 8, 500)),
        "{packets:?}"
    );
    // Longer than a link, and allowed to be cut.
    let (output, packets) = capture(&["10.77.0.2", "--method", "icmp_echo", "--payload-bytes", "2000"]);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        packets.iter().any(|packet| packet.is_fragment) && told.contains("\"returned\":3"),
        "{told} {packets:?}"
    );
}

fn flows_keep_their_ports() {
    for method in ["stamp", "icmp_echo", "tcp_connect"] {
        let target = if method == "tcp_connect" {
            "10.77.0.2:9"
        } else {
            "10.77.0.2"
        };
        let twice = [0, 1].map(|_| ports(&capture(&[target, "--flows", "5", "--method", method]).1));
        assert_eq!(twice[0].len(), 5, "{method}: {twice:?}");
        assert_eq!(twice[0], twice[1], "{method}: over a restart");
    }
}

fn source_address_and_interface() {
    let by = ["10.77.0.2", "--source-address", "10.77.0.9", "--interface", "va"];
    let (_, packets) = capture(&by);
    assert!(
        !packets.is_empty() && packets.iter().all(|packet| packet.from == "10.77.0.9"),
        "{packets:?}"
    );
    // The route says va; the packets leave by the interface that was asked for.
    let before = sent(["va:", "d0:"]);
    capture(&["10.77.0.2", "--interface", "d0"]);
    let after = sent(["va:", "d0:"]);
    assert!(
        after[1] >= before[1] + 3 && after[0] < before[0] + 3,
        "{before:?} {after:?}"
    );
    let (output, packets) = capture(&["10.77.0.2", "--interface", "nosuch"]);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(
        packets.is_empty() && log.contains("SO_BINDTODEVICE") && log.contains("`ip link` lists them"),
        "{log}"
    );
    assert_eq!(
        output.status.code(),
        Some(1),
        "nothing came back, but the agent ran"
    );
}

fn too_long_for_the_interface() {
    let (output, packets) = capture(&["10.77.0.2", "--payload-bytes", "2000", "--dont-fragment"]);
    let (told, log) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(packets.is_empty(), "{packets:?}");
    assert!(
        told.contains("\"sent\":0") && told.contains("\"send_errors\":3"),
        "{told}"
    );
    assert!(log.contains("EMSGSIZE"), "{log}");
}

/// Two equal ways to 198.18.0.0/24, chosen by ports as routers do.
fn two_equal_ways() {
    let script = "sysctl -qw net.ipv4.fib_multipath_hash_policy=1
        for d in d0 d1; do
            ip link add $d type veth peer name peer-$d
            sysctl -qw net.ipv6.conf.$d.disable_ipv6=1
            ip link set peer-$d up
            ip link set $d arp off up
        done
        ip addr add 10.88.0.1/32 dev d0
        ip route add 198.18.0.0/24 src 10.88.0.1 nexthop dev d0 nexthop dev d1";
    let ran = Command::new("sh")
        .args(["-euc", script])
        .output()
        .expect("sh(1) runs");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

/// Packets that left by these devices of this namespace, each written with its colon.
fn sent<const N: usize>(devices: [&str; N]) -> [u64; N] {
    let counted = std::fs::read_to_string("/proc/self/net/dev").expect("this namespace's");
    devices.map(|device| {
        let line = counted.lines().find_map(|line| line.trim().strip_prefix(device));
        // Eight columns of what came in stand before the octets and then the packets that left.
        let packets = line.and_then(|line| line.split_whitespace().nth(9));
        packets
            .and_then(|packets| packets.parse().ok())
            .expect("a device of this namespace")
    })
}

/// Many flows see both ways, one flow only ever one.
fn equal_paths() {
    let sees = |flows: &str| {
        let before = sent(["d0:", "d1:"]);
        capture(&["198.18.0.7", "--flows", flows]);
        let after = sent(["d0:", "d1:"]);
        [0, 1]
            .map(|way| after[way] > before[way])
            .iter()
            .filter(|seen| **seen)
            .count()
    };
    assert_eq!((sees("1"), sees("16")), (1, 2));
}
