//! What the spool costs: bytes per record, time per append, time and memory to recover a full one. Ignored in the checks,
//! because a shared machine's times prove nothing; `cargo test --release -p azimuth-agent --test spool_figures -- --ignored
//! --nocapture` prints the table.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a measurement reads the clock"
)]

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use azimuth_agent::spool::{Limits, Now, Setup, Spool, SyncPolicy, boot_number};
use azimuth_measurement::codec::encode_report;
use azimuth_measurement::{
    AgentHealth, DelayHistogram, Interval, ManifestId, ProbeCounts, Report, SeriesRecord, StampClock,
};

const SERIES: u32 = 60;
const START_UNIX_MS: u64 = 1_767_225_600_000;

/// Sixty series at one probe a second, delays spread as they are on the road.
fn report(number: u64) -> Report {
    let mut rng = fastrand::Rng::with_seed(number);
    let mut delays =
        |base: u32| -> Vec<u32> { (0..10).map(|_| base + rng.u32(0..400) * rng.u32(0..5)).collect() };
    let records = (0..SERIES)
        .map(|series| SeriesRecord {
            series,
            counts: ProbeCounts {
                sent: 10,
                returned: 10,
                ..ProbeCounts::default()
            },
            delays: vec![(
                StampClock::Kernel,
                DelayHistogram::from_values_us(&mut delays(900 + series * 700)),
            )],
        })
        .collect();
    Report {
        agent: "paris-1".parse().unwrap(),
        epoch: START_UNIX_MS,
        sequence: number,
        manifest: ManifestId(1),
        interval: Interval::new(START_UNIX_MS + number * 10_000, 10_000).unwrap(),
        records,
        paths: Vec::new(),
        throughput: Vec::new(),
        health: AgentHealth {
            send_lateness: DelayHistogram::from_values_us(&mut delays(20)),
            ..AgentHealth::default()
        },
    }
}

fn setup(sync: SyncPolicy) -> Setup {
    let limits = Limits {
        free_floor_bytes: 0,
        ..Limits::default()
    };
    Setup {
        agent: "paris-1".parse().unwrap(),
        boot: boot_number(),
        limits,
        sync,
    }
}

fn at(number: u64) -> Now {
    Now {
        unix_ms: START_UNIX_MS + number * 10_000,
        monotonic_ms: number * 10_000,
    }
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
#[ignore = "a measurement, not a check"]
fn figures() {
    let directory =
        tempfile::tempdir_in(std::env::var("SPOOL_FIGURES_DIR").unwrap_or_else(|_| ".".into())).unwrap();
    let frame_bytes: usize = (0..100)
        .map(|number| encode_report(&report(number)).len())
        .sum::<usize>()
        / 100;
    println!("frame of 60 series                {frame_bytes} bytes");

    for (what, sync, count) in [
        ("with fdatasync", SyncPolicy::EveryFlush, 300),
        ("without", SyncPolicy::Never, 3_000),
    ] {
        let place = directory.path().join(what);
        let mut spool = Spool::open_directory(&place, setup(sync), at(0));
        let reports: Vec<Report> = (0..count).map(report).collect();
        let began = Instant::now();
        for (number, report) in (0..).zip(reports) {
            spool.push(report, number * 10_000);
            spool.flush(at(number));
        }
        let each_us = began.elapsed().as_micros() / u128::from(count);
        let bytes = spool.holdings().disk_bytes / count;
        println!("push and flush {what:<18} {each_us} us, {bytes} bytes on disk per report");
    }

    let place = directory.path().join("full");
    let mut spool = Spool::open_directory(&place, setup(SyncPolicy::Never), at(0));
    let (mut number, mut first_merge, mut slowest_us) = (0, None, 0);
    let began = Instant::now();
    while spool.counters().dropped == 0 && number < 60_000 {
        spool.push(report(number), number * 10_000);
        let flush_began = Instant::now();
        spool.flush(at(number));
        slowest_us = slowest_us.max(flush_began.elapsed().as_micros());
        if spool.counters().merged_away > 0 && first_merge.is_none() {
            first_merge = Some(number);
        }
        number += 1;
    }
    println!(
        "filled with {number} reports in {} s, merging from {first_merge:?}; slowest flush {slowest_us} us; {:?}",
        began.elapsed().as_secs(),
        spool.holdings()
    );
    drop(spool);
    recover_elsewhere(&place);

    let place = directory.path().join("fine");
    let mut spool = Spool::open_directory(&place, setup(SyncPolicy::Never), at(0));
    let mut number = 0;
    while spool.counters().merged_away == 0 {
        spool.push(report(number), number * 10_000);
        spool.flush(at(number));
        number += 1;
    }
    drop(spool);
    recover_elsewhere(&place);
}

/// In a process of its own, because this one's heap has seen much already.
fn recover_elsewhere(place: &Path) {
    let program = std::env::current_exe().unwrap();
    let arguments = ["--ignored", "--nocapture", "--exact", "recovery_alone"];
    Command::new(program)
        .args(arguments)
        .env("SPOOL_FIGURES_OPEN", place)
        .status()
        .unwrap();
}

#[test]
#[ignore = "a measurement, not a check"]
fn recovery_alone() {
    let Some(place) = std::env::var_os("SPOOL_FIGURES_OPEN") else {
        return;
    };
    let before_kib = resident_kib();
    let began = Instant::now();
    let spool = Spool::open_directory(Path::new(&place), setup(SyncPolicy::Never), at(0));
    println!(
        "recovery in {} segments    {} ms, resident {} KiB more; {:?}",
        spool.recovery().segments.len(),
        began.elapsed().as_millis(),
        resident_kib().saturating_sub(before_kib),
        spool.holdings()
    );
}
