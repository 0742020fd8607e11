//! Another plan while probing goes on: what stays loses no probe and no interval, what goes falls silent, what comes begins.
//! From the document to the counts, with everything between but sockets.

use std::path::Path;

use azimuth_agent::clock::{Monotonic, NS_PER_MS, NS_PER_S};
use azimuth_agent::config::{Config, parse};
use azimuth_agent::plan::merge::merge;
use azimuth_agent::roster::{Lookup, Roster};
use azimuth_measurement::PlanRefusal;
use azimuth_measurement::plan::{Plan, PlanProbe, PlanTarget};

use super::network::{FINE, World};
use super::prober::{assert_accounted, total};

const OWN: &str = r#"
agent = "paris-1"
[collector]
url = "http://127.0.0.1:1"
[vantage_point]
name = "Paris"
country = "FR"
city = "Paris"
network = "Free"
asn = 12322
latitude = 48.86
longitude = 2.35
[path]
enabled = false
[plan]
allow = ["198.51.100.0/24"]
[[target]]
name = "own"
provider = "mine"
region = "r"
zone = "z"
address = "192.0.2.1"
  [[target.probe]]
  method = "stamp"
  period_ms = 1000
"#;

fn own() -> Config {
    parse(OWN, Path::new("agent.toml")).expect("a good file")
}

/// The last octets of what is probed, each with its period.
fn plan(targets: &[(u8, u32)]) -> Plan {
    let target = |(last, period_ms): &(u8, u32)| PlanTarget {
        name: format!("t{last}"),
        provider: "mine".to_owned(),
        region: "r".to_owned(),
        zone: "z".to_owned(),
        granularity: "zone".to_owned(),
        host: format!("198.51.100.{last}"),
        probes: vec![PlanProbe {
            method: "stamp".to_owned(),
            port: 8_620,
            period_ms: *period_ms,
            waiting_time_ms: 2_000,
            public: false,
        }],
    };
    Plan {
        version: 1,
        agent: "paris-1".to_owned(),
        stopped: false,
        targets: targets.iter().map(target).collect(),
    }
}

#[test]
fn what_stays_loses_no_probe_and_no_interval() {
    let (before, after) = (plan(&[(1, 1_000), (2, 1_000)]), plan(&[(1, 1_000), (3, 2_000)]));
    let first = merge(&own(), Some(&before)).config;
    let mut roster = Roster::new(first.clone());
    let manifest = roster.manifest();
    assert_eq!(manifest.series.len(), 3);
    let plans = first.series_plans();
    let mut control = World::new(&plans, |_| FINE);
    let mut world = World::new(&plans, |_| FINE);
    control.run(52 * NS_PER_S);

    // In the middle of an interval, with probes under way.
    let now_ns = 15 * NS_PER_S + 500 * NS_PER_MS;
    world.run(now_ns);
    let wanted = merge(&own(), Some(&after)).config;
    let change = roster.replan(wanted).expect("in place");
    assert_eq!(
        (change.add.len(), &change.pause, &change.resume),
        (1, &vec![2], &vec![])
    );
    for plan in &change.add {
        assert_eq!(world.core.add(plan, Monotonic::from_ns(now_ns)), 3);
    }
    change.pause.iter().for_each(|series| world.core.pause(*series));
    world.run(52 * NS_PER_S);

    let changed = roster.manifest();
    assert_eq!(
        changed.series[..3],
        manifest.series[..],
        "no number means anything else"
    );
    assert_eq!(changed.series[3].address.to_string(), "198.51.100.3:8620");
    assert_eq!(changed.check(), Ok(()));

    assert_eq!(world.closed.len(), control.closed.len());
    assert_accounted(&world.closed);
    for (one, other) in world.closed.iter().zip(&control.closed) {
        assert_eq!(one.interval, other.interval, "no interval is cut or given up");
        for series in 0..2 {
            assert_eq!(one.series[series].counts, other.series[series].counts);
            assert_eq!(one.series[series].delays_us, other.series[series].delays_us);
        }
    }
    let sent_at = |transmits: &[(u32, i64)], series: u32| {
        let mut sent: Vec<i64> = Vec::new();
        sent.extend(
            transmits
                .iter()
                .filter(|(of, _)| *of == series)
                .map(|(_, at_ns)| *at_ns),
        );
        sent
    };
    for series in 0..2 {
        let (one, other) = (
            sent_at(&world.transmits, series),
            sent_at(&control.transmits, series),
        );
        assert_eq!(one.len(), other.len());
        assert!(
            one.iter()
                .zip(&other)
                .all(|(one, other)| (one - other).abs() < NS_PER_MS)
        );
    }
    assert!(sent_at(&world.transmits, 2).iter().all(|at_ns| *at_ns < now_ns));
    assert!(sent_at(&world.transmits, 3).iter().all(|at_ns| *at_ns >= now_ns));
    let gone = total(&world.closed, 2);
    assert!(
        gone.sent >= 15 && gone.returned == gone.sent,
        "what was under way came back: {gone:?}"
    );
    let later: Vec<_> = world
        .closed
        .iter()
        .filter(|closed| closed.series.len() > 3)
        .cloned()
        .collect();
    assert!(total(&later, 3).returned >= 15, "every two seconds");

    // Back again: the old number, at its old phase.
    let change = roster.replan(first).expect("in place");
    assert_eq!(
        (change.add.len(), &change.pause, &change.resume),
        (0, &vec![3], &vec![2])
    );
    let phase = |at_ns: i64| at_ns % NS_PER_S / NS_PER_MS;
    let before = phase(sent_at(&world.transmits, 2)[0]);
    change.pause.iter().for_each(|series| world.core.pause(*series));
    let now = Monotonic::from_ns(52 * NS_PER_S);
    change
        .resume
        .iter()
        .for_each(|series| world.core.resume(*series, now));
    world.run(60 * NS_PER_S);
    let again = *sent_at(&world.transmits, 2).last().expect("sent");
    assert!(
        again > 52 * NS_PER_S && phase(again).abs_diff(before) <= 1,
        "{before} {again}"
    );
}

#[test]
fn what_cannot_be_told_apart_needs_a_new_beginning_and_changes_nothing() {
    let first = merge(&own(), Some(&plan(&[(1, 1_000)]))).config;
    let mut roster = Roster::new(first.clone());
    let manifest = roster.manifest();
    // The same address by the same method in another rhythm: its answers could be the other's.
    let faster = merge(&own(), Some(&plan(&[(1, 2_000)]))).config;
    assert_eq!(roster.replan(faster), None);
    assert_eq!(roster.manifest(), manifest);
    // More than there are numbers.
    let mut last = 10;
    while let Some(change) = roster.replan(merge(&own(), Some(&many(last))).config) {
        assert!(!change.add.is_empty());
        last += 1;
        assert!(last < 20, "it has to end");
    }
    assert!(roster.manifest().series.len() <= 4_096);
    assert!(roster.replan(first).is_some(), "what was there is taken up again");
}

/// A thousand targets that no other `last` has.
fn many(last: u8) -> Plan {
    let mut plan = plan(&[(1, 30_000)]);
    let one = plan.targets[0].clone();
    plan.targets = (0..1_000_u32)
        .map(|number| PlanTarget {
            name: format!("{last}/{number}"),
            host: format!("9.{last}.{}.{}", number / 250, number % 250 + 1),
            ..one.clone()
        })
        .collect();
    plan
}

/// What a look-up of the only name found.
fn found(addresses: &[&str]) -> Vec<Lookup> {
    vec![Lookup {
        host: 0,
        took_ns: 1,
        found: Ok(addresses
            .iter()
            .map(|address| address.parse().expect("an address"))
            .collect()),
    }]
}

#[test]
fn a_name_that_turns_to_another_address_is_judged_again_each_time() {
    let mut named = plan(&[(1, 1_000)]);
    named.targets[0].host = "rebinding.example.net".to_owned();
    let mut roster = Roster::new(merge(&own(), Some(&named)).config);
    // A good address first, so that whoever looked once would be content.
    let (change, _) = roster.handle_cycle(&found(&["9.9.9.9"]));
    assert_eq!(change.add.len(), 1);
    for (address, why) in [
        ("127.0.0.1", PlanRefusal::Loopback),
        ("::1", PlanRefusal::Loopback),
        ("169.254.169.254", PlanRefusal::Metadata),
        ("10.0.0.1", PlanRefusal::Private),
        ("::ffff:192.168.1.1", PlanRefusal::Transition),
        ("64:ff9b::a00:1", PlanRefusal::Transition),
    ] {
        let before = roster.refused().get(&why).copied().unwrap_or(0);
        let (change, moved) = roster.handle_cycle(&found(&[address]));
        assert_eq!((change.add.len(), moved.len()), (0, 0), "{address}");
        assert_eq!(roster.refused().get(&why), Some(&(before + 1)), "{address}");
    }
    // Beside a good one, and before it.
    let (change, moved) = roster.handle_cycle(&found(&["192.168.0.1", "8.8.8.8"]));
    assert_eq!((change.add.len(), moved.len()), (1, 1));
    let probed: Vec<_> = roster
        .manifest()
        .series
        .iter()
        .map(|series| series.address.ip().to_string())
        .collect();
    assert_eq!(
        probed,
        ["192.0.2.1", "9.9.9.9", "8.8.8.8"],
        "nothing else was ever probed"
    );
    // The host's own configuration may name what it likes.
    let text = OWN.replace("\"192.0.2.1\"", "\"own.example.net\"");
    let mut own = Roster::new(parse(&text, Path::new("agent.toml")).expect("a good file"));
    assert_eq!(own.handle_cycle(&found(&["127.0.0.1"])).0.add.len(), 1);
}
