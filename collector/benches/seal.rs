//! Sealing an hour of 30 agents by 60 series, 30 delays in each interval: time for all three tiers, bytes at rest, and one
//! series read back over a day.

#[path = "../tests/binary/fleet.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod fleet;

use std::ops::ControlFlow;
use std::sync::Arc;

use azimuth_collector::store::embedded::EmbeddedStore;
use azimuth_collector::store::{
    Item, Retention, ScanRequest, SeriesId, SeriesSelection, Store, Tier, TimeRange, VerifiedManifest,
    VerifiedReport,
};
use azimuth_measurement::codec::{encode_manifest, encode_report};
use azimuth_measurement::{DelayHistogram, Manifest, Report, StampClock};
use divan::Bencher;

const AGENTS: u64 = 30;
const SERIES: u16 = 60;
const SLOTS_PER_HOUR: u64 = 360;
const HOUR_MS: u64 = 3_600_000;
/// 2026-11-23T00:00:00Z.
const T0: u64 = 1_795_392_000_000;

fn main() {
    divan::main();
}

/// A narrow path: a base between 0.8 and 30 ms, log-normal variation around 60 us, one delay in a hundred 20 times as far.
fn delays_us(random: &mut fastrand::Rng, series: u32) -> Vec<u32> {
    let base_us = 800.0 * (37.5_f64).powf(f64::from(series % 60) / 60.0);
    (0..30)
        .map(|_| {
            let normal = (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
            let variation_us = 60.0 * (0.9 * normal).exp() * if random.u32(0..100) == 0 { 20.0 } else { 1.0 };
            (base_us + variation_us) as u32
        })
        .collect()
}

fn report(manifest: &Manifest, slot: u64, random: &mut fastrand::Rng) -> Report {
    let mut report = fleet::report(manifest, slot + 1, T0 + slot * fleet::LENGTH_MS, &[0; 30]);
    for record in &mut report.records {
        let mut delays = delays_us(random, record.series);
        record.delays = vec![(StampClock::Kernel, DelayHistogram::from_values_us(&mut delays))];
    }
    report
}

fn item(report: &Report) -> Item {
    Item::Report(VerifiedReport {
        agent: report.agent.clone(),
        epoch: report.epoch,
        sequence: report.sequence,
        manifest: report.manifest,
        placed: report.interval,
        age_uncertain: false,
        received_at_unix_ms: report.interval.end_unix_ms(),
        clock_skew_ms: 0,
        paths: Vec::new(),
        throughput: Vec::new(),
        send_lateness_p99_us: None,
        plan: None,
        frame: encode_report(report),
    })
}

/// A store with these hours of these agents in its hot table.
fn filled(agents: u64, hours: u64) -> (tempfile::TempDir, EmbeddedStore) {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let store = EmbeddedStore::open(directory.path(), Retention::default(), T0).expect("openable");
    let mut random = fastrand::Rng::with_seed(1);
    for number in 0..agents {
        let manifest = fleet::manifest(&format!("agent-{number}"), SERIES);
        let items: Vec<Item> = (0..hours * SLOTS_PER_HOUR)
            .map(|slot| item(&report(&manifest, slot, &mut random)))
            .collect();
        let frame = encode_manifest(&manifest);
        let manifests = [VerifiedManifest {
            id: manifest.id(),
            manifest: Arc::new(manifest),
            frame,
        }];
        for some in items.chunks(4_096) {
            store.commit(&manifests, some).expect("writable");
        }
    }
    (directory, store)
}

fn maintain(store: &EmbeddedStore, now_unix_ms: u64) {
    while store.maintain(now_unix_ms).expect("writable").more {}
}

/// All three tiers of one hour: read, decode, merge, compress, sync.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn seal_an_hour_of_1800_series(bencher: Bencher<'_, '_>) {
    bencher
        .counter(divan::counter::ItemsCount::new(
            AGENTS * u64::from(SERIES) * SLOTS_PER_HOUR,
        ))
        .with_inputs(|| filled(AGENTS, 1))
        .bench_local_values(|(directory, store)| {
            assert_eq!(
                store.maintain(T0 + 2 * HOUR_MS).expect("writable").hours_sealed,
                1
            );
            let histograms = AGENTS * u64::from(SERIES) * SLOTS_PER_HOUR;
            let bytes = store.condition().tier_bytes;
            for (tier, bytes) in Tier::ALL.iter().zip(bytes).take(3) {
                let units = histograms * 10 / u64::from(tier.resolution_s());
                eprintln!(
                    "at rest: {} {:.1} bytes per histogram, all included",
                    tier.as_str(),
                    bytes as f64 / units as f64
                );
            }
            drop(store);
            directory
        });
}

/// One series of sealed 10 s intervals over a day: 8,640 histograms from 24 files.
#[divan::bench]
fn one_series_over_a_day(bencher: Bencher<'_, '_>) {
    let (_directory, store) = filled(1, 24);
    maintain(&store, T0 + 30 * HOUR_MS);
    let selection: SeriesSelection = [SeriesId(7)].into_iter().collect();
    bencher.bench_local(|| {
        let mut seen = 0;
        let range = TimeRange {
            from_unix_ms: T0,
            to_unix_ms: T0 + 24 * HOUR_MS,
        };
        let request = ScanRequest {
            range,
            series: &selection,
            step_ms: 10_000,
        };
        store
            .scan(request, &mut |_| {
                seen += 1;
                ControlFlow::Continue(())
            })
            .expect("readable");
        assert_eq!(seen, 8_640);
    });
}
