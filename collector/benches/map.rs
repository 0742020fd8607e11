//! The map of 30 agents by 60 zones over 5 minutes: 54,000 interval histograms of 10 delays, read from the hot table.

#[path = "../tests/binary/fleet.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod fleet;

use std::ops::ControlFlow;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, LazyLock};

use azimuth_collector::query::group::{GroupQuestion, groups};
use azimuth_collector::query::map::{MapQuestion, map};
use azimuth_collector::query::series::series;
use azimuth_collector::query::{Label, PairQuestion, Selection, Source, Stop};
use azimuth_collector::store::embedded::EmbeddedStore;
use azimuth_collector::store::{
    Item, Retention, ScanRequest, SeriesSelection, Store, TimeRange, VerifiedManifest, VerifiedReport,
};
use azimuth_measurement::catalogue::Catalogue;
use azimuth_measurement::codec::{encode_manifest, encode_report};
use azimuth_measurement::{DelayHistogram, LoadLabel, Method, StampClock};
use divan::Bencher;

const AGENTS: u64 = 30;
const SERIES: u16 = 60;
const SLOTS: u64 = 30;
/// 2026-11-23T10:00:00Z.
const T0: u64 = 1_795_428_000_000;
const RANGE: TimeRange = TimeRange {
    from_unix_ms: T0,
    to_unix_ms: T0 + SLOTS * fleet::LENGTH_MS,
};

fn main() {
    divan::main();
}

fn seeded() -> (tempfile::TempDir, EmbeddedStore) {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let store = EmbeddedStore::open(directory.path(), Retention::default(), T0).expect("openable");
    let mut random = fastrand::Rng::with_seed(1);
    for number in 0..AGENTS {
        let manifest = fleet::manifest(&format!("agent-{number}"), SERIES);
        let items: Vec<Item> = (0..SLOTS)
            .map(|slot| {
                let mut report = fleet::report(&manifest, slot + 1, T0 + slot * fleet::LENGTH_MS, &[0; 10]);
                for record in &mut report.records {
                    let base = 800 + record.series * 400;
                    let mut delays: Vec<u32> = (0..10).map(|_| base + random.u32(0..200)).collect();
                    record.delays = vec![(StampClock::Kernel, DelayHistogram::from_values_us(&mut delays))];
                }
                Item::Report(VerifiedReport {
                    agent: report.agent.clone(),
                    epoch: report.epoch,
                    sequence: report.sequence,
                    manifest: report.manifest,
                    placed: report.interval,
                    received_at_unix_ms: report.interval.end_unix_ms(),
                    clock_skew_ms: 0,
                    send_lateness_p99_us: None,
                    frame: encode_report(&report),
                })
            })
            .collect();
        let frame = encode_manifest(&manifest);
        let manifests = [VerifiedManifest {
            id: manifest.id(),
            manifest: Arc::new(manifest),
            frame,
        }];
        store.commit(&manifests, &items).expect("writable");
    }
    (directory, store)
}

/// The whole answer: read, decode, merge, quantiles.
#[divan::bench]
fn map_30_by_60_over_5_min(bencher: Bencher<'_, '_>) {
    let (_directory, store) = seeded();
    let question = MapQuestion {
        selection: Selection::of(Method::Stamp, LoadLabel::Idle),
        range: RANGE,
    };
    bencher.bench_local(|| {
        let found = with_source(&store, |source| map(source, &question, RANGE.to_unix_ms)).expect("readable");
        assert_eq!(found.cells.len() as u64, AGENTS * u64::from(SERIES));
        assert_eq!(found.gaps, []);
    });
}

/// The same delays by country and metro: few groups of many histograms.
#[divan::bench]
fn groups_of_30_by_60_over_5_min(bencher: Bencher<'_, '_>) {
    let (_directory, store) = seeded();
    let question = GroupQuestion {
        selection: Selection::of(Method::Stamp, LoadLabel::Idle),
        by: vec![Label::Country, Label::Metro],
        range: RANGE,
        step_ms: None,
    };
    bencher.bench_local(|| {
        let (rows, _) = with_source(&store, |source| groups(source, &question)).expect("readable");
        assert_eq!(rows.len(), 1);
    });
}

fn with_source<T>(store: &EmbeddedStore, ask: impl FnOnce(&Source<'_>) -> T) -> T {
    static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::built_in);
    let (stop, observations) = (Stop::default(), AtomicU64::default());
    ask(&Source {
        store,
        catalogue: &CATALOGUE,
        stop: &stop,
        observations: &observations,
    })
}

/// Only the reading and decoding of it.
#[divan::bench]
fn scan_30_by_60_over_5_min(bencher: Bencher<'_, '_>) {
    let (_directory, store) = seeded();
    let all: SeriesSelection = store.dictionary().series().map(|(id, _)| id).collect();
    bencher.bench_local(|| {
        let mut seen = 0;
        let request = ScanRequest {
            range: RANGE,
            series: &all,
            step_ms: ScanRequest::WHOLE_RANGE,
        };
        store
            .scan(request, &mut |_| {
                seen += 1;
                ControlFlow::Continue(())
            })
            .expect("readable");
        assert_eq!(seen, AGENTS * u64::from(SERIES) * SLOTS);
    });
}

/// One pair of them as a time series.
#[divan::bench]
fn series_of_one_pair_over_5_min(bencher: Bencher<'_, '_>) {
    let (_directory, store) = seeded();
    let question = PairQuestion {
        agent: "agent-7".parse().expect("an id"),
        zone: "aws/eu-west-3/az7".parse().expect("a zone"),
        method: Method::Stamp,
        load: LoadLabel::Idle,
        range: RANGE,
    };
    bencher
        .bench_local(|| with_source(&store, |source| series(source, &question, 10_000)).expect("readable"));
}
