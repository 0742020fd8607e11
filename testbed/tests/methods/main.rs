//! Every method in a world of known loss, duplication, reordering and late answers, with the real binaries: what the collector
//! exports is, probe by probe, what the relay did, of a method of several steps at each of them. Needs root (namespaces and TUN devices). A
//! further method is a further row of [`METHODS`], with its period in `disorder.toml`, or has steps (`steps.rs`). Not a benchmark.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "real processes take real time; a failed expectation ends the test, with its reason"
)]

#[path = "../end_to_end/api.rs"]
#[allow(dead_code, reason = "the end-to-end test asks more of it")]
mod api;
mod connections;
mod exported;
#[path = "../end_to_end/processes.rs"]
#[allow(dead_code, reason = "the end-to-end test asks more of it")]
mod processes;
mod steps;
mod truth;
mod web;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use api::Api;
use connections::Connections;
use exported::Exported;
use processes::{start_collector, start_world_with, wait_until};
use steps::Told;
use truth::{Counts, Fates, Transport};
use web::{Place, Web};

/// What `disorder.toml` has its agents do, and how each shows in the relay's records.
const METHODS: [Method; 3] = [
    Method {
        name: "stamp",
        probes: "stamp 8620",
        transport: Transport::Datagrams,
    },
    Method {
        name: "icmp_echo",
        probes: "icmp_echo 0",
        transport: Transport::Datagrams,
    },
    Method {
        name: "tcp_connect",
        probes: "tcp_connect 8621",
        transport: Transport::Once,
    },
];
/// The bound of the end-to-end test on the difference between a measured median and the delay that was applied.
const TOLERANCE_US: u64 = 300;
/// The last incident of `disorder.toml` is over after 13.5 s and its last probe given up 0.7 s later.
const WORLD_LASTS_S: u64 = 18;
const WAITING_TIME_NS: u64 = 700_000_000;
const ZONES: [&str; 2] = ["bench/near/1", "bench/far/1"];
/// Where they are in that world.
const PLACES: [Place; 2] = [
    Place {
        zone: ZONES[0],
        address: "10.81.2.1",
    },
    Place {
        zone: ZONES[1],
        address: "fd81::2:2",
    },
];

struct Method {
    /// The word of the API.
    name: &'static str,
    /// How the relay's records name its probes: words and port asked (`relay/speech.rs`). What opens a connection is known by
    /// its SYN, whatever is said over it.
    probes: &'static str,
    transport: Transport,
}

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn every_method_tells_what_became_of_every_probe() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: needs root for network namespaces and TUN devices; run `sudo make test`");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/disorder.toml");
    let api = Api { address: free_port() };
    let collector = start_collector(dir.path(), api.address);
    wait_until(Duration::from_secs(10), || api.ready().then_some(())).expect("the collector gets ready");
    let mut world = start_world_with(&scenario, dir.path(), &["--every-packet"]);
    let began = Instant::now();
    let mut web = Web::start(dir.path(), &PLACES, steps::WAITING_TIME_NS / 1_000_000);
    wait_until(Duration::from_secs(WORLD_LASTS_S + 30), || {
        world.must_run();
        web.must_run();
        let stands = dir.path().join("truth.jsonl").exists();
        (stands && began.elapsed() >= Duration::from_secs(WORLD_LASTS_S + 2)).then_some(())
    })
    .expect("the world runs its course");
    let withdrawn = web.stop();
    world.stop(Duration::from_secs(15));

    let packets = truth::packets(&dir.path().join("truth.jsonl"));
    let (fates, connections) = (Fates::read(&packets), Connections::read(&packets));
    let exported = Exported::read(&api);
    let mut seen = Counts::default();
    for method in &METHODS {
        for zone in ZONES {
            let (expected, mut delays_us) =
                fates.counts(zone, method.probes, method.transport, WAITING_TIME_NS);
            let told = exported.counts(zone, method.name);
            assert_eq!(told, expected, "{} to {zone}", method.name);
            seen = seen.plus(expected);
            delays_us.sort_unstable();
            let applied_us = delays_us[(delays_us.len() - 1) / 2];
            let p50_us = exported::median_us(&api, zone, method.name);
            assert!(
                p50_us.abs_diff(applied_us) <= TOLERANCE_US,
                "{} to {zone}: median {p50_us} us measured, {applied_us} us applied",
                method.name
            );
            println!(
                "{} to {zone}: {expected:?}, median {p50_us} us of {applied_us}",
                method.name
            );
        }
    }
    let told = Told {
        api: &api,
        exported: &exported,
        withdrawn,
    };
    for (began, lost) in steps::hold_all(&told, &fates, &connections) {
        assert!(
            began > 100 && lost > 0,
            "a world without lost exchanges proves nothing: {began}, {lost}"
        );
    }
    let Counts {
        lost,
        late,
        duplicate,
        reordered,
        ..
    } = seen;
    assert!(
        [lost, late, duplicate, reordered].iter().all(|count| *count > 10),
        "a world without any of them proves nothing: {seen:?}"
    );
    collector.stop(Duration::from_secs(10));
}
