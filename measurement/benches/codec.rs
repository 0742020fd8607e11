//! How long a report takes to write and to read, and a histogram to merge. One report = 60 series of 30 delays.

use azimuth_measurement::codec::{decode_report, encode_report};
use azimuth_measurement::{
    Accumulator, AgentHealth, DelayHistogram, Interval, ManifestId, ProbeCounts, Report, SeriesRecord,
    StampClock,
};
use divan::counter::ItemsCount;

const SERIES: u32 = 60;
const DELAYS: u32 = 30;

fn main() {
    divan::main();
}

/// Delays as a series has them: a base between 0.8 and 30 ms, a narrow spread, now and then a straggler.
fn delays_us(series: u32) -> Vec<u32> {
    let mut state = u64::from(series).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % below) as u32
    };
    let base = 800 + next(29_200);
    (0..DELAYS)
        .map(|_| base + next(120) + if next(100) == 0 { next(1_200) } else { 0 })
        .collect()
}

fn report() -> Report {
    let record = |series| SeriesRecord {
        series,
        counts: ProbeCounts {
            sent: DELAYS.into(),
            returned: DELAYS.into(),
            ..Default::default()
        },
        delays: vec![(
            StampClock::Kernel,
            DelayHistogram::from_values_us(&mut delays_us(series)),
        )],
    };
    Report {
        agent: "bench".parse().expect("a valid id"),
        epoch: 1_700_000_000_000,
        sequence: 1,
        manifest: ManifestId(1),
        interval: Interval::new(1_700_000_000_000, 10_000).expect("on the grid"),
        records: (0..SERIES).map(record).collect(),
        health: AgentHealth::default(),
    }
}

#[divan::bench]
fn encode(bencher: divan::Bencher<'_, '_>) {
    let report = report();
    eprintln!(
        "wire: {:.1} bytes per histogram",
        encode_report(&report).len() as f64 / f64::from(SERIES)
    );
    bencher
        .counter(ItemsCount::new(SERIES))
        .bench(|| encode_report(&report));
}

#[divan::bench]
fn decode(bencher: divan::Bencher<'_, '_>) {
    let frame = encode_report(&report());
    bencher
        .counter(ItemsCount::new(SERIES))
        .bench(|| decode_report(&frame));
}

#[divan::bench]
fn merge(bencher: divan::Bencher<'_, '_>) {
    let report = report();
    let mut accumulator = Accumulator::new();
    bencher.counter(ItemsCount::new(SERIES)).bench_local(|| {
        accumulator.clear();
        report
            .records
            .iter()
            .flat_map(|record| &record.delays)
            .try_for_each(|(_, delays)| accumulator.add(delays))
    });
}

#[divan::bench]
fn quantile(bencher: divan::Bencher<'_, '_>) {
    let mut accumulator = Accumulator::new();
    for (_, delays) in report().records.iter().flat_map(|record| &record.delays) {
        accumulator.add(delays).expect("a small count");
    }
    bencher.bench_local(|| [0.5, 0.9, 0.99].map(|q| accumulator.quantile_us(q)));
}
