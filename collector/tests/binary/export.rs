//! Exports of a running collector: as CSV and as an HdrHistogram log, whole or not at all, and given up when nobody reads.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};

use azimuth_collector::clock;
use azimuth_measurement::interchange::LogReader;
use azimuth_measurement::{Accumulator, DelayHistogram};

use super::fleet::{LENGTH_MS, body, manifest, report, slot_before};
use super::process::{Collector, deliver};

pub(crate) fn export(collector: &Collector, arguments: &[&str]) -> Output {
    talk("export", collector, arguments)
}

/// A command that talks to this collector.
pub(crate) fn talk(name: &str, collector: &Collector, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_azimuth-collector"));
    command
        .arg(name)
        .args(["--collector", &collector.address.to_string()])
        .args(arguments);
    command.output().expect("it runs")
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Two agents of two zones each, `slots` intervals before now, the n-th with delays n, n + 1 and n + 2 ms.
pub(crate) fn seed(collector: &Collector, slots: u64, zones: u16) -> u64 {
    let now_unix_ms = clock::unix_ms();
    let base_unix_ms = slot_before(now_unix_ms, slots + 2);
    for id in ["brest-1", "paris-1"] {
        let manifest = manifest(id, zones);
        let numbers: Vec<u64> = (1..=slots).collect();
        for some in numbers.chunks(20) {
            let reports: Vec<_> = some
                .iter()
                .map(|slot| {
                    let delays: Vec<u32> = (0..3).map(|more| (*slot as u32 + more) * 1_000).collect();
                    report(&manifest, *slot, base_unix_ms + slot * LENGTH_MS, &delays)
                })
                .collect();
            // Told when it is sent: a slow machine must not look like a wrong clock.
            let body = body(&[&manifest], &reports, clock::unix_ms());
            let answer = deliver(collector.address, &body);
            assert_eq!(answer.expect("an answer").status, 200);
        }
    }
    base_unix_ms
}

#[test]
fn csv_has_a_line_for_every_series_and_interval() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let collector = Collector::start(&directory.path().join("data"));
    seed(&collector, 12, 2);
    let output = export(&collector, &["--format", "csv"]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        said(&output).contains("48 records of 4 series"),
        "{}",
        said(&output)
    );
    let text = String::from_utf8(output.stdout).expect("text");
    let mut lines = text.split_terminator("\r\n");
    let columns: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 48);
    let at = |name: &str| columns.iter().position(|column| *column == name).expect(name);
    for row in &rows {
        assert_eq!(row.len(), columns.len());
        assert_eq!(
            [
                row[at("sent")],
                row[at("returned")],
                row[at("lost")],
                row[at("n")]
            ],
            ["4", "3", "1", "3"]
        );
        assert_eq!([row[at("length_s")], row[at("clock")]], ["10", "kernel"]);
    }
    let first = &rows[0];
    assert_eq!(
        [first[at("agent")], first[at("zone")]],
        ["brest-1", "aws/eu-west-3/az0"]
    );
    let p50: u32 = first[at("p50_us")].parse().expect("a number");
    assert!((2_000..=2_001).contains(&p50), "{p50}");

    let one = export(
        &collector,
        &[
            "--format",
            "csv",
            "--agent",
            "paris-1",
            "--zone",
            "aws/eu-west-3/az1",
            "--step",
            "1d",
        ],
    );
    assert!(one.status.success(), "{}", said(&one));
    let text = String::from_utf8(one.stdout).expect("text");
    let sent: u64 = text
        .split_terminator("\r\n")
        .skip(1)
        .map(|line| {
            line.split(',')
                .nth(at("sent"))
                .expect("sent")
                .parse::<u64>()
                .expect("a number")
        })
        .sum();
    assert_eq!(
        sent, 48,
        "twelve intervals of four probes, in one day or two:\n{text}"
    );
}

#[test]
fn a_log_holds_the_histograms_and_a_file_is_whole_or_not_there() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let collector = Collector::start(&directory.path().join("data"));
    seed(&collector, 12, 2);
    let file = directory.path().join("out.hlog");
    let to = ["--format", "hlog", "--output", file.to_str().expect("text")];
    let output = export(&collector, &to);
    assert!(output.status.success(), "{}", said(&output));
    assert!(output.stdout.is_empty());
    let bytes = std::fs::read(&file).expect("there");
    let mut reader = LogReader::new();
    let mut all = Accumulator::new();
    let mut entries = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if let Some(entry) = reader.line(line).expect("sound") {
            assert_eq!(entry.length_ms, LENGTH_MS);
            all.add(&entry.delays).expect("few");
            entries += 1;
        }
    }
    let mut delays: Vec<u32> = (1..=12)
        .flat_map(|slot| [slot, slot + 1, slot + 2])
        .map(|ms| ms * 1_000)
        .collect();
    let mut expected = Accumulator::new();
    for _ in 0..4 {
        expected
            .add(&DelayHistogram::from_values_us(&mut delays))
            .expect("few");
    }
    assert_eq!(entries, 48);
    assert_eq!(all.to_histogram(), expected.to_histogram());

    let again = export(&collector, &to);
    assert_eq!(again.status.code(), Some(1), "never over another file");
    let other = directory.path().join("other.csv");
    for (arguments, reason) in [
        (&["--format", "csv", "--agent", "nobody"][..], "no agent `nobody`"),
        (&["--format", "csv", "--from", "soon"], "not a time"),
    ] {
        let refused = export(
            &collector,
            &[arguments, &["--output", other.to_str().expect("text")]].concat(),
        );
        assert_eq!(refused.status.code(), Some(1));
        assert!(said(&refused).contains(reason), "{}", said(&refused));
    }
    let names = std::fs::read_dir(directory.path()).expect("readable").count();
    assert_eq!(names, 2, "the data and the log, nothing unfinished");
    let parquet = export(&collector, &["--format", "parquet"]);
    assert!(parquet.stdout.starts_with(b"PAR1") && parquet.stdout.ends_with(b"PAR1"));
    let wrong = export(&collector, &["--format", "xml"]);
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_export_quietly() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let collector = Collector::start(&directory.path().join("data"));
    // More than any pipe holds.
    seed(&collector, 20, 400);
    let mut child = Command::new(env!("CARGO_BIN_EXE_azimuth-collector"))
        .args(["export", "--format", "csv", "--collector"])
        .arg(collector.address.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut reader = child.stdout.take().expect("piped");
    let mut first = [0; 100];
    reader.read_exact(&mut first).expect("it begins");
    drop(reader);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), said(&output).as_str()), (Some(0), ""));
}

#[test]
fn an_export_that_nobody_reads_is_given_up_and_makes_room() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let collector = Collector::start(&directory.path().join("data"));
    seed(&collector, 100, 400);
    let path = "/api/v1/export?format=csv";
    let mut slow = TcpStream::connect(collector.address).expect("it listens");
    write!(slow, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").expect("taken");
    let mut first = [0; 1_000];
    slow.read_exact(&mut first).expect("it begins");
    let refused = collector.get(path);
    assert_eq!(refused.status, 503, "one at a time");
    assert_eq!(refused.json()["reason"], "export_under_way");
    assert!(refused.header("retry-after").is_some());
    drop(slow);
    while collector.counter(r#"azimuth_queries_total{endpoint="export",outcome="cancelled"}"#) == 0 {
        std::thread::yield_now();
    }
    let answer = collector.get("/api/v1/export?format=csv&zone=aws/eu-west-3/az7");
    assert_eq!(answer.status, 200);
}
