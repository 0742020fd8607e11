//! Ingest without the network: examine, commit with fsync, verdicts. One round is 30 agents delivering one interval of
//! 60 series each at the same time, so an item is one interval histogram of 10 delays.

#[path = "../tests/binary/fleet.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod fleet;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use azimuth_collector::ingest::Ingest;
use azimuth_collector::ingest::examine::examine;
use azimuth_collector::ingest::skew::Skews;
use azimuth_collector::metrics::Metrics;
use azimuth_collector::store::embedded::EmbeddedStore;
use azimuth_collector::store::{Dictionary, Retention};
use azimuth_measurement::Manifest;
use divan::Bencher;
use divan::counter::ItemsCount;

const AGENTS: usize = 30;
const SERIES: u16 = 60;
/// 2026-11-23T10:00:00Z.
const T0: u64 = 1_795_428_000_000;

fn main() {
    divan::main();
}

fn manifests() -> Vec<Manifest> {
    (0..AGENTS)
        .map(|number| fleet::manifest(&format!("agent-{number}"), SERIES))
        .collect()
}

fn body(manifest: &Manifest, sequence: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(sequence);
    let delays: Vec<u32> = (0..10).map(|_| random.u32(5_000..6_000)).collect();
    let start = T0 + sequence * fleet::LENGTH_MS;
    let report = fleet::report(manifest, sequence, start, &delays);
    fleet::body(&[manifest], &[report], start + fleet::LENGTH_MS)
}

/// Examining alone: batch, zstd, protobuf, every check, placement.
#[divan::bench]
fn examine_one_body(bencher: Bencher<'_, '_>) {
    let manifest = fleet::manifest("agent-0", SERIES);
    let body = body(&manifest, 1);
    bencher.counter(ItemsCount::new(SERIES)).bench_local(|| {
        examine(
            &body,
            &Dictionary::default(),
            &Skews::default(),
            T0 + 2 * fleet::LENGTH_MS,
        )
    });
}

/// The whole way, 30 bodies at once.
#[divan::bench(sample_count = 50, sample_size = 1)]
fn deliver_one_interval(bencher: Bencher<'_, '_>) {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let store = Arc::new(EmbeddedStore::open(directory.path(), Retention::default(), T0).expect("openable"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let ingest = Arc::new(Ingest::start(store, Arc::new(Metrics::default())).expect("a thread"));
    let manifests = manifests();
    let sequence = AtomicU64::new(1);
    bencher
        .counter(ItemsCount::new(AGENTS * usize::from(SERIES)))
        .with_inputs(|| {
            let sequence = sequence.fetch_add(1, Ordering::Relaxed);
            let received = T0 + (sequence + 1) * fleet::LENGTH_MS;
            (
                received,
                manifests
                    .iter()
                    .map(|manifest| body(manifest, sequence))
                    .collect::<Vec<_>>(),
            )
        })
        .bench_values(|(received, bodies)| {
            runtime.block_on(async {
                let deliveries: Vec<_> = bodies
                    .into_iter()
                    .map(|body| {
                        let ingest = Arc::clone(&ingest);
                        tokio::spawn(async move {
                            let mut held = ingest.open(body.len())?;
                            held.push(&body)?;
                            ingest.take(held, received).await
                        })
                    })
                    .collect();
                for delivery in deliveries {
                    delivery.await.expect("no panic").expect("stored");
                }
            });
        });
    ingest.finish();
}
