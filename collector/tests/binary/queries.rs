//! What the binary does with queries that are too long, unwanted, or too many. The data is put into its store before it
//! starts, so much that a debug build reads it for seconds.

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use azimuth_collector::clock;
use azimuth_collector::store::embedded::EmbeddedStore;
use azimuth_collector::store::{Item, Retention, Store, VerifiedManifest, VerifiedReport};
use azimuth_measurement::codec::{encode_manifest, encode_report};

use super::fleet::{manifest, report, slot_before};
use super::process::{Collector, command};

const SERIES: u16 = 400;
const SLOTS: u64 = 1_500;
/// Reads everything: every delay of every series of every interval. In steps, because that is the slow way: without any,
/// the reports of an agent are filled side by side.
const EVERYTHING: &str = "/api/v1/groups?group_by=zone&from=now-1d&step=1h";

/// 600,000 interval histograms; then the collector, which gives a query this long.
fn started(directory: &Path, query_timeout: &str) -> Collector {
    let store = EmbeddedStore::open(directory, Retention::default(), clock::unix_ms()).expect("openable");
    let manifest = Arc::new(manifest("a", SERIES));
    let now = clock::unix_ms();
    let items: Vec<Item> = (0..SLOTS)
        .map(|slot| {
            let start = slot_before(now, SLOTS + 1 - slot);
            let report = report(&manifest, slot + 1, start, &[900]);
            Item::Report(VerifiedReport {
                agent: report.agent.clone(),
                epoch: report.epoch,
                sequence: report.sequence,
                manifest: report.manifest,
                placed: report.interval,
                age_uncertain: false,
                received_at_unix_ms: now,
                clock_skew_ms: 0,
                paths: Vec::new(),
                throughput: Vec::new(),
                send_lateness_p99_us: None,
                plan: None,
                frame: encode_report(&report),
            })
        })
        .collect();
    let verified = VerifiedManifest {
        id: manifest.id(),
        frame: encode_manifest(&manifest),
        manifest,
    };
    store.commit(&[verified], &items).expect("writable");
    drop(store);
    let config = directory.join("collector.toml");
    std::fs::write(&config, format!("query_timeout = \"{query_timeout}\"\n")).expect("writable");
    let mut command = command(directory);
    command.arg("--config").arg(config);
    Collector::spawn(command)
}

/// Asks, and does not wait for the answer.
fn ask(collector: &Collector) -> TcpStream {
    let mut stream = TcpStream::connect(collector.address).expect("it listens");
    let head = format!("GET {EVERYTHING} HTTP/1.1\r\nhost: x\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("writable");
    stream
}

fn until(what: impl Fn() -> bool) {
    while !what() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[test]
fn a_query_ends_when_its_reader_leaves_when_its_time_is_up_and_too_many_are_turned_away() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let collector = started(directory.path(), "1s");
    let read = || collector.counter("azimuth_query_observations_total");
    let outcome = |outcome: &str| {
        collector.counter(&format!(
            "azimuth_queries_total{{endpoint=\"groups\",outcome=\"{outcome}\"}}"
        ))
    };
    let everything = u64::from(SERIES) * SLOTS;

    let reader = ask(&collector);
    until(|| collector.counter("azimuth_queries_started_total") == 1);
    drop(reader);
    until(|| collector.counter("azimuth_queries_finished_total") == 1);
    assert_eq!(outcome("cancelled"), 1);
    let cancelled = read();
    assert!(cancelled < everything, "it read on to the end for nobody");

    let answer = collector.get(EVERYTHING);
    assert_eq!(
        (answer.status, answer.json()["reason"].as_str()),
        (503, Some("query_timeout"))
    );
    let advice = answer.json()["detail"].as_str().unwrap_or_default().to_owned();
    assert!(advice.contains("after 1 s; ask for a shorter range"), "{advice}");
    until(|| collector.counter("azimuth_queries_finished_total") == 2);
    assert!(
        read() - cancelled < everything,
        "it read on after its time was up"
    );

    // Two run and 64 wait; the others are told to come back.
    let crowd: Vec<_> = (0..80).map(|_| ask(&collector)).collect();
    until(|| outcome("queries_overloaded") + outcome("query_timeout") + outcome("ok") >= 80);
    assert!(outcome("queries_overloaded") >= 80 - 66, "none was turned away");
    drop(crowd);
    assert_eq!(collector.get("/api/v1/zones").status, 200, "and it goes on");
}
