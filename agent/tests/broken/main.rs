//! A host whose network breaks under a running prober: the interface goes down and up, the address changes, nothing comes back,
//! or what comes back is false. (What is false about STAMP is in `hostile.rs`.)
//! Real sockets in namespaces of their own; needs root, and says so when it is skipped. No figure of time is asserted.
#![expect(
    clippy::disallowed_methods,
    reason = "real sockets take real time; waiting for them is bounded"
)]

mod echo_host;
mod world;

use azimuth_agent::probe::contract::Strays;
use azimuth_agent::reflect::serve::Reflector;
use azimuth_agent::reflect::{Allowed, DEFAULT_MAX_PER_SECOND};
use azimuth_measurement::{Ipdv, Method, ProbeCounts};

use echo_host::EchoHost;
use world::{FAR_MAC, NEAR, World, may_run, plan};

const REFLECTOR: &str = "10.9.0.2:8620";
/// A tenth of the slots of an interval: the rest may fall to a busy host.
const MOST: u64 = 5;

fn reflector(world: &World, allowed: Allowed) -> Reflector {
    let at = [REFLECTOR.parse().expect("an address")];
    let started = world
        .far
        .run(|| Reflector::start(&at, &[], allowed, DEFAULT_MAX_PER_SECOND, None));
    started.expect("a reflector")
}

/// All that was sent came back, stamped by the kernel at both ends.
fn is_fine(counts: &ProbeCounts) -> bool {
    let ProbeCounts {
        sent,
        returned,
        discarded,
        send_errors,
        missing_tx_stamp,
        missing_rx_stamp,
        ..
    } = *counts;
    let nothing = [discarded, send_errors, missing_tx_stamp, missing_rx_stamp];
    sent >= MOST && returned == sent && nothing == [0; 4]
}

/// Every failed send starts the numbering of stamps anew, because kernels differ in whether it takes a number: none of the stamps
/// that follow may be missing or taken for another probe's.
#[test]
fn an_interface_that_goes_down_and_up_costs_send_errors_and_nothing_else() {
    if !may_run() {
        return;
    }
    let world = World::new();
    let reflector = reflector(&world, Allowed::Any);
    let mut probing = world.probe(&[plan(Method::Stamp, REFLECTOR, None)]);
    for time in ["first", "second"] {
        probing.until("it works", is_fine);
        world.near.ip(&format!("link set {NEAR} down"));
        let down = probing.until("it is down", |counts| {
            counts.send_errors >= MOST && counts.sent == 0
        });
        assert_eq!((down.returned, down.lost()), (0, 0), "{time}: {down:?}");
        world.near.ip(&format!("link set {NEAR} up"));
        probing.until("it works again", is_fine);
    }
    probing.stop();
    reflector.stop().expect("it ends");
}

#[test]
fn an_address_that_changes_under_a_prober_changes_the_source_and_loses_no_target() {
    if !may_run() {
        return;
    }
    let world = World::new();
    // Answers the new address only: what the old one asks for is lost.
    let reflector = reflector(
        &world,
        Allowed::Prefixes(vec!["10.9.0.3/32".parse().expect("a prefix")]),
    );
    let mut probing = world.probe(&[plan(Method::Stamp, REFLECTOR, None)]);
    probing.until("the old address gets no answer", |counts| {
        counts.sent >= MOST && counts.returned == 0
    });
    world.near.ip(&format!("addr add 10.9.0.3/24 dev {NEAR}"));
    world.near.ip(&format!("addr del 10.9.0.1/24 dev {NEAR}"));
    // Taking away the first address of a network takes the others of it away too, unless the system promotes them.
    let _ = world.near.run(|| {
        std::process::Command::new("ip")
            .args(["addr", "add", "10.9.0.3/24", "dev", NEAR])
            .output()
    });
    probing.until("the new address is used", is_fine);
    probing.stop();
    reflector.stop().expect("it ends");
}

#[test]
fn when_nothing_comes_back_every_probe_of_every_method_is_lost_and_none_a_number() {
    if !may_run() {
        return;
    }
    let world = World::new();
    // An address that the far end takes in and has never heard of.
    world.near.ip(&format!(
        "neigh add 10.9.0.77 lladdr {FAR_MAC} dev {NEAR} nud permanent"
    ));
    let plans = [
        plan(Method::Stamp, "10.9.0.77:8620", Some(25)),
        plan(Method::IcmpEcho, "10.9.0.77:0", Some(25)),
        plan(Method::TcpConnect, "10.9.0.77:8621", Some(25)),
    ];
    let (sums, strays) = world.probe(&plans).end(plans.len());
    assert_eq!(strays, Strays::default());
    for (plan, (counts, delays)) in plans.iter().zip(sums) {
        let lost = ProbeCounts {
            sent: counts.sent,
            skipped: 25 - counts.sent,
            ..ProbeCounts::default()
        };
        assert_eq!(counts, lost, "{:?}", plan.method);
        assert!(counts.sent > 0 && delays == 0, "{:?}", plan.method);
    }
}

#[test]
fn of_all_that_answers_a_ping_the_truth_counts_once() {
    const PROBES: u64 = 10;
    if !may_run() {
        return;
    }
    let world = World::new();
    let host = EchoHost::new(&world);
    let probing = world.probe(&[plan(Method::IcmpEcho, "10.9.0.2:0", Some(PROBES))]);
    let (sums, strays) = std::thread::scope(|scope| {
        scope.spawn(|| host.play(PROBES));
        probing.end(1)
    });
    let (counts, delays) = sums[0];
    let played = counts.sent;
    let expected = ProbeCounts {
        sent: played,
        returned: played,
        duplicate: counts.duplicate,
        skipped: PROBES - played,
        missing_rx_stamp: counts.missing_rx_stamp,
        // What it comes to is the host's; of how many pairs is not.
        ipdv: Ipdv {
            sum_us: counts.ipdv.sum_us,
            // Where a stamp is missing the clocks differ, and a pair is none.
            pairs: match counts.missing_rx_stamp {
                0 => played.saturating_sub(1),
                _ => counts.ipdv.pairs,
            },
        },
        ..ProbeCounts::default()
    };
    assert_eq!((counts, delays), (expected, played));
    // The prober ends with the last true answer, and may not see what was said after it.
    assert!((played - 1..=played).contains(&counts.duplicate), "{counts:?}");
    let expected = Strays {
        unreadable: 3 * played,
        unknown_peer: played,
        foreign: 2 * played,
        ..Strays::default()
    };
    assert_eq!(strays, expected);
}
