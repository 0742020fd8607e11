//! Tests of the network state machine. Time is a number here; nothing sleeps and nothing is written.

use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;
use crate::relay::packet::tests::udp;
use crate::scenario::parse;

const MS: u64 = 1_000_000;

/// One vantage point, two zones, 10 ms round trip to the first and 20 ms to the second; 8 Mbit/s either way.
fn plan(extra: &str, loss: &str, variation: &str) -> Plan {
    let text = format!(
        r#"
name = "two"
seed = 1
[network]
ipv4_prefix = "10.77.0.0/16"
ipv6_prefix = "fd77::/16"
path_factor = [1.0, 1.0]
loss_ratio = {loss}
variation_ms = {variation}
[access.line]
round_trip_ms = 0
variation_ms = 0
sigma = 0.8
down_mbps = 8
up_mbps = 8
queue_bytes = 3000
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
[[zone]]
key = "p/r/2"
country = "FR"
city = "Paris"
latitude = 48.9
longitude = 2.3
round_trip_ms = 20
{extra}"#
    );
    Plan::of(&parse(&text, "test").expect("the test's scenario"))
}

fn network(extra: &str) -> Network {
    Network::new(plan(extra, "0", "0"))
}

const VANTAGE: Ipv4Addr = Ipv4Addr::new(10, 77, 1, 1);
const ZONE: Ipv4Addr = Ipv4Addr::new(10, 77, 2, 1);
const V: NodeIndex = NodeIndex(0);
const Z: NodeIndex = NodeIndex(1);

fn drain(network: &mut Network, now_ns: u64) -> Vec<Outcome> {
    std::iter::from_fn(|| network.poll(now_ns)).collect()
}

fn due_at(outcome: &Outcome) -> u64 {
    match outcome {
        Outcome::Deliver(delivery) => delivery.due_at_ns,
        Outcome::Dropped { .. } => panic!("dropped"),
    }
}

#[test]
fn a_packet_comes_out_at_its_due_time_and_not_a_nanosecond_before() {
    let mut network = network("");
    network
        .handle_packet(7, V, udp(VANTAGE, ZONE, 1000))
        .expect("a way");
    let due_ns = 7 + MS + 5 * MS; // serialisation of 1,000 bytes at 8 Mbit/s, then half the round trip
    assert_eq!(network.next_deadline(), Some(due_ns));
    assert_eq!(network.poll(due_ns - 1), None);
    let Some(Outcome::Deliver(delivery)) = network.poll(due_ns) else {
        panic!("due")
    };
    assert_eq!(
        (delivery.to, delivery.read_at_ns, delivery.due_at_ns),
        (Z, 7, due_ns)
    );
    assert_eq!(
        delivery.flow,
        Flow {
            pair: 0,
            direction: Direction::Out,
            protocol: Protocol::Udp
        }
    );
    assert_eq!(network.next_deadline(), None);
}

#[test]
fn the_way_back_crosses_the_downlink_last_whichever_zone_the_packets_come_from() {
    let mut network = network("");
    let second = Ipv4Addr::new(10, 77, 2, 2);
    // The far zone's packet was sent first but arrives second; it must wait for the near one's serialisation.
    network
        .handle_packet(0, NodeIndex(2), udp(second, VANTAGE, 1000))
        .expect("a way");
    network
        .handle_packet(9 * MS / 2, Z, udp(ZONE, VANTAGE, 1000))
        .expect("a way");
    let outcomes = drain(&mut network, 100 * MS);
    assert_eq!(
        outcomes.iter().map(due_at).collect::<Vec<_>>(),
        [10 * MS + MS / 2, 11 * MS + MS / 2]
    );
}

#[test]
fn a_full_queue_drops_the_newest_on_its_pairs_account() {
    let mut network = network("");
    for _ in 0..2 {
        network
            .handle_packet(0, V, udp(VANTAGE, ZONE, 1500))
            .expect("room");
    }
    let refusal = network.handle_packet(0, V, udp(VANTAGE, ZONE, 1500));
    assert!(
        matches!(refusal, Err(Refusal::Dropped(_, DropReason::QueueFull))),
        "{refusal:?}"
    );
    for _ in 0..3 {
        network
            .handle_packet(0, Z, udp(ZONE, VANTAGE, 1500))
            .expect("the downlink's queue is met later");
    }
    let outcomes = drain(&mut network, 100 * MS);
    let dropped = |outcome: &&Outcome| {
        matches!(
            outcome,
            Outcome::Dropped {
                reason: DropReason::QueueFull,
                ..
            }
        )
    };
    assert_eq!((outcomes.len(), outcomes.iter().filter(dropped).count()), (5, 1));
}

#[test]
fn strays_go_nowhere_and_have_a_name() {
    let mut network = network("");
    let mut stray = |packet| match network.handle_packet(0, V, packet) {
        Err(Refusal::Stray(reason)) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(stray(vec![0; 100]), StrayReason::Malformed);
    assert_eq!(stray(udp(ZONE, VANTAGE, 100)), StrayReason::ForeignSource);
    assert_eq!(
        stray(udp(VANTAGE, Ipv4Addr::new(192, 0, 2, 1), 100)),
        StrayReason::NoRoute
    );
    assert_eq!(stray(udp(VANTAGE, VANTAGE, 100)), StrayReason::NoRoute);
}

#[test]
fn incidents_begin_and_end_on_the_nanosecond() {
    let mut network = network(
        r#"
[[incident]]
name = "longer"
from_s = 1
for_s = 1
what = { route_change = { isp = "Free", zone = "p/r/1", added_ms = 8 } }
[[incident]]
name = "silence"
from_s = 3
for_s = 1
what = { zone_outage = { zone = "p/r/1" } }
"#,
    );
    let mut one_way_ms = |sent_ns: u64| {
        network.handle_packet(sent_ns, V, udp(VANTAGE, ZONE, 1000)).ok()?;
        Some((due_at(&network.poll(u64::MAX)?) - sent_ns) / MS)
    };
    assert_eq!(one_way_ms(999_999_999), Some(6));
    assert_eq!(one_way_ms(1_000_000_000), Some(10), "half of +8 ms each way");
    assert_eq!(one_way_ms(1_999_999_999), Some(10));
    assert_eq!(
        one_way_ms(2_001_000_000),
        Some(8),
        "over, but it may not overtake the one sent a millisecond before"
    );
    assert_eq!(one_way_ms(2_500_000_000), Some(6));
    assert_eq!(one_way_ms(3_000_000_000), None, "silence");
}

#[test]
fn an_outage_silences_both_directions() {
    let mut network = network(
        "[[incident]]\nname = \"silence\"\nfrom_s = 3\nfor_s = 1\nwhat = { zone_outage = { zone = \"p/r/1\" } }\n",
    );
    for (from, packet) in [(V, udp(VANTAGE, ZONE, 100)), (Z, udp(ZONE, VANTAGE, 100))] {
        let refusal = network.handle_packet(3_500_000_000, from, packet);
        assert!(matches!(
            refusal,
            Err(Refusal::Dropped(_, DropReason::ZoneOutage))
        ));
    }
    network
        .handle_packet(4_000_000_000, V, udp(VANTAGE, ZONE, 100))
        .expect("over");
}

#[test]
fn congestion_delays_and_drops_towards_the_vantage_point_only() {
    let mut network = network(
        "[[incident]]\nname = \"full\"\nfrom_s = 0\nfor_s = 100\nwhat = { access_congestion = { agent = \"a\", queue_ms = 90, loss_ratio = 0.5 } }\n",
    );
    let (mut delivered, mut dropped) = (0, 0);
    for second in 0..90_u64 {
        let sent_ns = second * 1_000_000_000;
        network
            .handle_packet(sent_ns, Z, udp(ZONE, VANTAGE, 100))
            .expect("entry is never refused");
        match network.poll(u64::MAX).expect("something happens") {
            Outcome::Deliver(delivery) => {
                let extra_ns = delivery.due_at_ns - sent_ns - 5 * MS - MS / 10;
                assert!((29 * MS..=90 * MS).contains(&extra_ns), "{extra_ns}");
                delivered += 1;
            }
            Outcome::Dropped { reason, .. } => {
                assert_eq!(reason, DropReason::QueueFull);
                dropped += 1;
            }
        }
        network
            .handle_packet(sent_ns, V, udp(VANTAGE, ZONE, 100))
            .expect("the uplink is free");
        assert_eq!(
            due_at(&network.poll(u64::MAX).expect("due")),
            sent_ns + 5 * MS + MS / 10
        );
    }
    assert!(
        (25..65).contains(&delivered) && delivered + dropped == 90,
        "{delivered} {dropped}"
    );
}

#[test]
fn the_same_seed_gives_the_same_fate_and_loss_keeps_its_share() {
    let fates = |loss: &str| -> Vec<Option<u64>> {
        let mut network = Network::new(plan("", loss, "0.2"));
        (0..20_000_u64)
            .map(|second| {
                let sent_ns = second * 1_000_000_000;
                network.handle_packet(sent_ns, V, udp(VANTAGE, ZONE, 100)).ok()?;
                Some(due_at(&network.poll(u64::MAX)?) - sent_ns)
            })
            .collect()
    };
    let once = fates("0.01");
    assert_eq!(once, fates("0.01"));
    let lost = once.iter().filter(|fate| fate.is_none()).count();
    assert!((140..260).contains(&lost), "{lost} of 20,000 at 1 %");
    let spared = fates("0");
    assert!(
        once.iter()
            .zip(&spared)
            .all(|(with, without)| with.is_none() || with == without),
        "loss shifts no luck"
    );
}

#[test]
fn disorder_doubles_and_holds_its_share_while_it_is_on_and_shifts_no_luck() {
    let incident = |extra: &str| {
        format!(
            "[[incident]]\nname = \"d\"\nfrom_s = 0\nfor_s = 1000\n\
            what = {{ disorder = {{ country = \"FR\", {extra}, held_ms = 7 }} }}"
        )
    };
    // One packet a second: nothing is there to be overtaken, so a held packet shows by its 7 ms alone.
    let run = |extra: &str| -> Vec<Vec<(u64, bool, bool)>> {
        let mut network = Network::new(plan(extra, "0", "0.2"));
        (0..2_000_u64)
            .map(|second| {
                let sent_ns = second * 1_000_000_000;
                network
                    .handle_packet(sent_ns, V, udp(VANTAGE, ZONE, 100))
                    .expect("a way");
                let outcomes = drain(&mut network, sent_ns + 999 * MS);
                let delivered = outcomes.iter().filter_map(|outcome| match outcome {
                    Outcome::Deliver(delivery) => {
                        Some((delivery.due_at_ns - sent_ns, delivery.held, delivery.copy))
                    }
                    Outcome::Dropped { .. } => None,
                });
                delivered.collect()
            })
            .collect()
    };
    let plain = run("");
    let disordered = run(&incident("duplication_ratio = 0.1, held_ratio = 0.2"));
    let share = |wanted: fn(&[(u64, bool, bool)]) -> bool, seconds: &[Vec<(u64, bool, bool)>]| {
        seconds.iter().filter(|second| wanted(second)).count()
    };
    let on = &disordered[..1_000];
    let (doubled, held) = (
        share(|second| second.len() == 2, on),
        share(|second| second[0].1, on),
    );
    assert!(
        (70..130).contains(&doubled) && (160..240).contains(&held),
        "{doubled} {held} of 1,000"
    );
    for (with, without) in disordered.iter().zip(&plain) {
        let (due_ns, held, copy) = with[0];
        assert_eq!((due_ns - if held { 7 * MS } else { 0 }, false, copy), without[0]);
        assert!(with.len() <= 2 && with.get(1).is_none_or(|copy| (copy.0, copy.2) == (due_ns, true)));
    }
    assert_eq!(disordered[1_000..], plain[1_000..], "over when it is over");
}

#[test]
fn a_held_packet_is_overtaken_and_holds_nobody_up() {
    let always = "[[incident]]\nname = \"d\"\nfrom_s = 0\nfor_s = 0.001\n\
        what = { disorder = { country = \"FR\", duplication_ratio = 0, held_ratio = 1, held_ms = 50 } }";
    let mut network = network(always);
    for sent_ns in [0, 2 * MS] {
        network
            .handle_packet(sent_ns, V, udp(VANTAGE, ZONE, 1000))
            .expect("a way");
    }
    let due: Vec<u64> = drain(&mut network, 100 * MS).iter().map(due_at).collect();
    assert_eq!(due, [2 * MS + 6 * MS, 6 * MS + 50 * MS]);
}

proptest! {
    /// Every packet comes out exactly once, in due order, never before its due time, and lanes keep their order.
    #[test]
    fn nothing_is_lost_doubled_or_overtaken(
        sends in prop::collection::vec((0_u64..3 * MS, any::<bool>(), 1_u8..=2, 40_usize..600), 1..200),
    ) {
        let mut network = Network::new(plan("", "0.1", "0.5"));
        let (mut now_ns, mut entered, mut refused, mut left) = (0, 0_usize, 0_usize, 0_usize);
        let (mut last_due_ns, mut last_read_ns) = (0, HashMap::new());
        let mut check = |network: &mut Network, now_ns: u64, left: &mut usize| -> Result<(), TestCaseError> {
            while let Some(outcome) = network.poll(now_ns) {
                *left += 1;
                let Outcome::Deliver(delivery) = outcome else { continue };
                prop_assert!(delivery.due_at_ns <= now_ns && delivery.due_at_ns >= last_due_ns);
                prop_assert!(delivery.due_at_ns > delivery.read_at_ns + 5 * MS);
                last_due_ns = delivery.due_at_ns;
                let previous = last_read_ns.insert(delivery.flow, delivery.read_at_ns).unwrap_or(0);
                prop_assert!(previous <= delivery.read_at_ns, "overtaken");
            }
            Ok(())
        };
        for (gap_ns, out, zone, bytes) in sends {
            now_ns += gap_ns;
            check(&mut network, now_ns, &mut left)?;
            let end = Ipv4Addr::new(10, 77, 2, zone);
            let (from, packet) =
                if out { (V, udp(VANTAGE, end, bytes)) } else { (NodeIndex(usize::from(zone)), udp(end, VANTAGE, bytes)) };
            match network.handle_packet(now_ns, from, packet) {
                Ok(()) => entered += 1,
                Err(_) => refused += 1,
            }
            let _ = refused;
        }
        check(&mut network, u64::MAX, &mut left)?;
        prop_assert_eq!((left, network.in_flight()), (entered, 0));
    }
}
