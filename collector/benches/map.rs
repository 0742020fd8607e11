//! The map of 30 agents by 60 zones over 5 minutes: 54,000 interval histograms of 10 delays, from the window in memory and
//! from the hot table.

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

/// The delays of one interval of one series; ten unless it says otherwise.
type Delays = fn(&mut fastrand::Rng, u32) -> Vec<u32>;

/// Within 200 us.
fn narrow(random: &mut fastrand::Rng, series: u32) -> Vec<u32> {
    (0..10).map(|_| 800 + series * 400 + random.u32(0..200)).collect()
}

/// Thirty of them.
fn thirty(random: &mut fastrand::Rng, series: u32) -> Vec<u32> {
    (0..3).flat_map(|_| narrow(random, series)).collect()
}

/// One delay in fifty is up to ten times as long: the merged histogram spans thousands of buckets.
fn spiky(random: &mut fastrand::Rng, series: u32) -> Vec<u32> {
    let mut delays = narrow(random, series);
    for delay in &mut delays {
        *delay *= if random.u32(0..50) == 0 {
            random.u32(1..10)
        } else {
            1
        };
    }
    delays
}

/// Five minutes, held in memory too.
fn seeded(delays_of: Delays) -> (tempfile::TempDir, EmbeddedStore) {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let store = EmbeddedStore::open(directory.path(), Retention::default(), T0).expect("openable");
    let mut random = fastrand::Rng::with_seed(1);
    for number in 0..AGENTS {
        let manifest = fleet::manifest(&format!("agent-{number}"), SERIES);
        let items: Vec<Item> = (0..SLOTS)
            .map(|slot| {
                let mut report = fleet::report(&manifest, slot + 1, T0 + slot * fleet::LENGTH_MS, &[0; 10]);
                for record in &mut report.records {
                    let mut delays = delays_of(&mut random, record.series);
                    record.counts.returned = delays.len() as u64;
                    record.counts.sent = record.counts.returned + 1;
                    record.delays = vec![(StampClock::Kernel, DelayHistogram::from_values_us(&mut delays))];
                }
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

/// The same, opened so late that the window holds none of it.
fn seeded_on_disk(delays_of: Delays) -> (tempfile::TempDir, EmbeddedStore) {
    let (directory, store) = seeded(delays_of);
    drop(store);
    let later = T0 + 3_600_000;
    let store = EmbeddedStore::open(directory.path(), Retention::default(), later).expect("openable");
    (directory, store)
}

/// The whole answer: read, merge, quantiles.
fn whole_map(bencher: Bencher<'_, '_>, store: &EmbeddedStore) {
    let question = MapQuestion {
        selection: Selection::of(Method::Stamp, LoadLabel::Idle),
        range: RANGE,
    };
    bencher.bench_local(|| {
        let found = with_source(store, |source| map(source, &question, RANGE.to_unix_ms)).expect("readable");
        assert_eq!(found.cells.len() as u64, AGENTS * u64::from(SERIES));
        assert_eq!(found.gaps, []);
    });
}

#[divan::bench]
fn map_30_by_60_over_5_min_from_memory(bencher: Bencher<'_, '_>) {
    let (_directory, store) = seeded(narrow);
    whole_map(bencher, &store);
    let window = store.condition().window;
    assert!(window.answered > 0 && window.fallbacks == [0; 3]);
    eprintln!(
        "in memory: {} bytes a series for 5 min",
        window.bytes / (AGENTS * u64::from(SERIES))
    );
}

#[divan::bench]
fn map_30_by_60_over_5_min_from_disk(bencher: Bencher<'_, '_>) {
    let (_directory, store) = seeded_on_disk(narrow);
    whole_map(bencher, &store);
    assert_eq!(store.condition().window.answered, 0);
}

#[divan::bench]
fn map_of_30_delays_from_memory(bencher: Bencher<'_, '_>) {
    let (_directory, store) = seeded(thirty);
    whole_map(bencher, &store);
}

#[divan::bench]
fn map_of_30_delays_from_disk(bencher: Bencher<'_, '_>) {
    let (_directory, store) = seeded_on_disk(thirty);
    whole_map(bencher, &store);
}

#[divan::bench]
fn map_with_spikes_from_memory(bencher: Bencher<'_, '_>) {
    let (_directory, store) = seeded(spiky);
    whole_map(bencher, &store);
}

#[divan::bench]
fn map_with_spikes_from_disk(bencher: Bencher<'_, '_>) {
    let (_directory, store) = seeded_on_disk(spiky);
    whole_map(bencher, &store);
}

/// The same delays by country and metro: few groups of many histograms.
fn few_groups(bencher: Bencher<'_, '_>, store: &EmbeddedStore) {
    let question = GroupQuestion {
        selection: Selection::of(Method::Stamp, LoadLabel::Idle),
        by: vec![Label::Country, Label::Metro],
        range: RANGE,
        step_ms: None,
    };
    bencher.bench_local(|| {
        let found =
            with_source(store, |source| groups(source, &question, RANGE.to_unix_ms)).expect("readable");
        assert_eq!(found.rows.len(), 1);
    });
}

#[divan::bench]
fn groups_of_30_by_60_over_5_min_from_memory(bencher: Bencher<'_, '_>) {
    let (_directory, store) = seeded(narrow);
    few_groups(bencher, &store);
}

#[divan::bench]
fn groups_of_30_by_60_over_5_min_from_disk(bencher: Bencher<'_, '_>) {
    let (_directory, store) = seeded_on_disk(narrow);
    few_groups(bencher, &store);
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
    let (_directory, store) = seeded_on_disk(narrow);
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
    let (_directory, store) = seeded_on_disk(narrow);
    let question = PairQuestion {
        agent: "agent-7".parse().expect("an id"),
        zone: "aws/eu-west-3/az7".parse().expect("a zone"),
        method: Method::Stamp,
        load: LoadLabel::Idle,
        flow: None,
        range: RANGE,
    };
    bencher
        .bench_local(|| with_source(&store, |source| series(source, &question, 10_000)).expect("readable"));
}
