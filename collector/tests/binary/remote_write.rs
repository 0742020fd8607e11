//! Remote write from the real collector: into the real Prometheus, and into receivers that refuse, fail and hang.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use azimuth_collector::clock;

use super::fleet::{body, manifest, report, slot_before};
use super::process::{Collector, command};
use super::prometheus::{DEADLINE, PAUSE, Prometheus, assert_is_the_truth, delays_us};

/// A collector that sends to `receiver` every second.
fn sending(directory: &Path, receiver: SocketAddr, more: &str) -> Collector {
    let config = directory.join("collector.toml");
    let text =
        format!("[remote_write]\nurl = \"http://{receiver}/api/v1/write\"\ninterval = \"1s\"\n{more}\n");
    std::fs::write(&config, text).expect("writable");
    let mut command = command(&directory.join("data"));
    command.arg("--config").arg(&config);
    Collector::spawn(command)
}

/// Has these delays stored, once and once more.
fn deliver(collector: &Collector, delays: &[u32]) {
    let now = clock::unix_ms();
    let manifest = manifest("paris-1", 2);
    let report = report(&manifest, 1, slot_before(now, 2), delays);
    let body = body(&[&manifest], &[report], now);
    for _ in 0..2 {
        let answer = collector.deliver(&body).expect("an answer");
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[test]
fn what_prometheus_is_sent_is_what_was_delivered() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let prometheus = Prometheus::start(None);
    let collector = sending(directory.path(), prometheus.address, "instance = \"here\"");
    let delays = delays_us(3, 2_000);
    deliver(&collector, &delays);
    let histogram =
        "azimuth_round_trip_delay_seconds{instance=\"here\",job=\"azimuth\",zone=\"aws/eu-west-3/az0\"}";
    let count = prometheus.wait_for(&format!("histogram_count({histogram})"), |count| count > 0.0);
    assert_eq!(count, 2_000.0);
    assert_is_the_truth(&prometheus, &delays);
    let lost = "azimuth_probes_lost_total{zone=\"aws/eu-west-3/az1\"}";
    assert_eq!(prometheus.value(lost), Some(1.0));
    prometheus.wait_for("azimuth_remote_write_samples_total{outcome=\"sent\"}", |sent| {
        sent > 0.0
    });
    let page = String::from_utf8(collector.get("/metrics").body).expect("text");
    assert!(!page.contains("outcome=\"dropped\""), "{page}");
}

#[test]
fn the_last_snapshot_is_sent_on_the_way_out_and_in_classic_form_if_asked_for() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let prometheus = Prometheus::start(None);
    let more = "histograms = \"classic\"";
    let collector = sending(directory.path(), prometheus.address, more);
    deliver(&collector, &[10_500, 15_000, 30_000]);
    let (status, log) = collector.terminate();
    assert!(status.success() && !log.contains("were not taken"), "{log}");
    let up_to = |bound: &str| {
        let series =
            format!("azimuth_round_trip_delay_seconds_bucket{{zone=\"aws/eu-west-3/az0\",le=\"{bound}\"}}");
        prometheus.value(&series)
    };
    assert_eq!(
        ["0.01", "0.02", "+Inf"].map(up_to),
        [Some(0.0), Some(2.0), Some(3.0)]
    );
}

/// Answers one request with each status in turn and takes no notice of any further one.
fn receiver(statuses: &'static [&'static str]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let mut statuses = statuses.iter();
        let mut held = Vec::new();
        for stream in listener.incoming().map_while(Result::ok) {
            let Some(status) = statuses.next() else {
                held.push(stream);
                continue;
            };
            let mut reader = BufReader::new(&stream);
            let (mut line, mut length) = (String::new(), 0);
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().expect("a number");
                }
                line.clear();
            }
            reader.read_exact(&mut vec![0; length]).expect("a body");
            write!(
                &stream,
                "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            )
            .expect("it reads");
        }
    });
    address
}

#[test]
fn a_receiver_that_refuses_fails_and_hangs_is_counted_and_in_nobodys_way() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let collector = sending(
        directory.path(),
        receiver(&["400 no", "503 later", "429 slower", "204 ok"]),
        "",
    );
    let started = clock::monotonic();
    let outcome =
        |labels: &str| collector.counter(&format!("azimuth_remote_write_samples_total{{{labels}}}"));
    while outcome("outcome=\"sent\",reason=\"\"") == 0 {
        assert!(
            clock::monotonic() - started < DEADLINE,
            "nothing is sent: {}",
            collector.log()
        );
        std::thread::sleep(PAUSE);
    }
    assert!(outcome("outcome=\"dropped\",reason=\"rejected\"") > 0);
    for reason in ["server_error", "too_many_requests"] {
        let failures = format!("azimuth_remote_write_failures_total{{doing=\"post\",reason=\"{reason}\"}}");
        assert_eq!(collector.counter(&failures), 1, "{reason}");
    }
    // Now it takes everything and says nothing.
    deliver(&collector, &[1_000]);
    let (status, log) = collector.terminate();
    assert!(status.success() && log.contains("were not taken"), "{log}");
    assert!(log.contains("everything accepted is durable"), "{log}");
}
