//! The whole road with the real binaries in a small emulated world, held against the relay's ground truth: delays, counts, an
//! incident, and a kill -9 of the collector in the middle. Needs root (namespaces and TUN devices). Not a benchmark.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "real processes take real time; a failed expectation ends the test, with its reason"
)]

mod api;
mod processes;
mod truth;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use api::Api;
use processes::{start_collector, start_world, wait_until};
use truth::{PairName, Truth};

/// The bound on the difference between a measured median and the delay that was applied.
const TOLERANCE_US: u64 = 300;
/// What `small.toml` adds between one ISP and one zone.
const ROUTE_CHANGE_US: u64 = 8_000;

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn now() -> DateTime<Utc> {
    SystemTime::now().into()
}

fn u64_of(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_else(|| panic!("{key} in {value}"))
}

fn query(pair: &PairName, from_at: DateTime<Utc>) -> String {
    let zone = pair.1.replace('%', "%25").replace('/', "%2F");
    let from = from_at.format("%Y-%m-%dT%H:%M:%SZ");
    format!("agent={}&zone={zone}&method=stamp&from={from}&to=now", pair.0)
}

#[test]
fn the_map_tells_the_truth_through_an_incident_and_a_kill() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: needs root for network namespaces and TUN devices; run `sudo make test`");
        return;
    }
    let began = Instant::now();
    let dir = tempfile::tempdir().unwrap();
    let run_dir = dir.path();
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/small.toml");
    let api = Api { address: free_port() };
    let truth_file = run_dir.join("truth.jsonl");
    // A minute before anything could have been measured.
    let from_at = now() - TimeDelta::seconds(60);

    let collector = start_collector(run_dir, api.address);
    wait_until(Duration::from_secs(10), || api.ready().then_some(())).expect("the collector gets ready");
    let mut world = start_world(&scenario, run_dir);
    wait_until(Duration::from_secs(20), || {
        world.must_run();
        let cells = api.get("/api/v1/map?method=stamp&from=now-5m")["cells"]
            .as_array()
            .map_or(0, Vec::len);
        (cells == 9).then_some(())
    })
    .expect("all nine cells of the map are there within 20 s");

    // Die without warning, be away for two seconds, come back on the same data.
    collector.kill();
    std::thread::sleep(Duration::from_secs(2));
    let collector = start_collector(run_dir, api.address);
    wait_until(Duration::from_secs(10), || api.ready().then_some(())).expect("the collector comes back");

    // The route change shows within two intervals of its beginning.
    let truth = Truth::read(&truth_file);
    let change = truth
        .incident("route_change")
        .expect("small.toml changes a route")
        .clone();
    let (pair, seen_at) = wait_until(Duration::from_secs(45), || {
        world.must_run();
        shifted_pair(&api, from_at, &change).map(|pair| (pair, now()))
    })
    .expect("a pair shifts by 8 ms");
    let after = seen_at - change.from_at;
    assert!(
        after <= TimeDelta::seconds(20),
        "{pair:?} showed the change only {after} after it began"
    );

    // Let one more interval pass under the incident, then stop the world; agents deliver what they hold.
    wait_until(Duration::from_secs(15), || {
        (now() - change.from_at > TimeDelta::seconds(22)).then_some(())
    });
    world.stop(Duration::from_secs(15));

    let truth = Truth::read(&truth_file);
    assert_eq!(truth.pairs().len(), 9, "three vantage points, three zones");
    hold_counts_against(&api, &truth, from_at);
    hold_delays_against(&api, &truth, from_at);
    collector.stop(Duration::from_secs(10));
    println!("end to end in {:.0} s", began.elapsed().as_secs_f64());
    assert!(began.elapsed() < Duration::from_secs(60), "the test's own bound");
}

/// The pair whose median rose by what the incident adds, if the API shows one.
fn shifted_pair(api: &Api, from_at: DateTime<Utc>, change: &truth::Incident) -> Option<PairName> {
    let map = api.get("/api/v1/map?method=stamp&from=now-5m");
    map["cells"].as_array()?.iter().find_map(|cell| {
        let pair = (
            cell["agent"].as_str()?.to_owned(),
            cell["zone"].as_str()?.to_owned(),
        );
        let series = api.get(&format!("/api/v1/series?{}&step=10s", query(&pair, from_at)));
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for point in series["points"].as_array()? {
            let start_at: DateTime<Utc> = point["start_at"].as_str()?.parse().ok()?;
            let Some(p50_us) = point["p50_us"].as_u64() else {
                continue;
            };
            if start_at + TimeDelta::seconds(10) <= change.from_at {
                &mut before
            } else {
                &mut after
            }
            .push(p50_us);
        }
        let (before, after) = (before.iter().max()?, after.iter().max()?);
        (*after >= before + ROUTE_CHANGE_US - 2 * TOLERANCE_US).then_some(pair)
    })
}

/// Sent, lost and returned are what the relay carried and dropped: nothing lost, nothing doubled.
fn hold_counts_against(api: &Api, truth: &Truth, from_at: DateTime<Utc>) {
    let mut dropped_in_all = 0;
    for pair in truth.pairs() {
        let cell = api.get(&format!("/api/v1/distribution?{}", query(&pair, from_at)));
        let (sent, dropped) = truth.totals(&pair);
        dropped_in_all += dropped;
        assert_eq!(
            u64_of(&cell, "sent"),
            sent,
            "{pair:?}: sent, against the packets the relay read"
        );
        assert_eq!(
            u64_of(&cell, "lost"),
            dropped,
            "{pair:?}: lost, against the packets the relay dropped"
        );
        assert_eq!(
            sent,
            u64_of(&cell, "returned") + dropped,
            "{pair:?}: sent = returned + lost"
        );
        assert_eq!(
            u64_of(&cell, "n"),
            u64_of(&cell, "returned"),
            "{pair:?}: every answer has a kernel-stamped delay"
        );
        assert_eq!(cell["clock"], "kernel", "{pair:?}: both stamps are the kernel's");
    }
    assert!(
        dropped_in_all > 0,
        "a world without a dropped packet proves nothing about loss"
    );
}

/// Every pair's median is the delay the relay applied, out plus back. Taken interval by interval, because each has its own
/// truth, and then over the pair's intervals, because a busy machine can spoil one of them.
fn hold_delays_against(api: &Api, truth: &Truth, from_at: DateTime<Utc>) {
    for pair in truth.pairs() {
        let series = api.get(&format!("/api/v1/series?{}&step=10s", query(&pair, from_at)));
        let mut differences_us: Vec<i64> = Vec::new();
        for point in series["points"].as_array().unwrap() {
            let start_at: DateTime<Utc> = point["start_at"].as_str().unwrap().parse().unwrap();
            let Some(window) = truth.windows.get(&(pair.clone(), start_at)) else {
                continue;
            };
            let (Some(out_us), Some(back_us)) = (window.out.delay_p50_us, window.back.delay_p50_us) else {
                continue;
            };
            // A window with a change inside has no one delay; a window cut short at either end has too few packets.
            if truth.changes_within(start_at) || window.back.packets < 9 {
                continue;
            }
            differences_us.push(u64_of(point, "p50_us").cast_signed() - (out_us + back_us).cast_signed());
        }
        differences_us.sort_unstable();
        assert!(
            !differences_us.is_empty(),
            "{pair:?}: no interval could be compared"
        );
        let median_us = differences_us[(differences_us.len() - 1) / 2];
        assert!(
            median_us.unsigned_abs() <= TOLERANCE_US,
            "{pair:?}: measured minus applied p50 per interval, us: {differences_us:?}"
        );
        println!(
            "{} -> {}: measured minus applied p50 per interval, us: {differences_us:?}",
            pair.0, pair.1
        );
    }
}
