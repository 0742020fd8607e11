//! Batches replayed, doubled, cut up and in any order, through the whole of ingest into the real store, against a model that
//! is a set: every report is stored once, whatever the network does, and the sums are the model's.
//!
//! `AZIMUTH_BATCHES=1000000` for a night.
#![expect(clippy::panic, reason = "a test that cannot go on says why and ends")]

#[path = "binary/fleet.rs"]
#[allow(dead_code, reason = "the other tests use more of it")]
mod fleet;

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use azimuth_collector::ingest::Ingest;
use azimuth_collector::ingest::verdict::VerdictKind;
use azimuth_collector::metrics::Metrics;
use azimuth_collector::store::embedded::EmbeddedStore;
use azimuth_collector::store::{Retention, ScanRequest, SeriesSelection, Store, TimeRange};
use azimuth_measurement::Manifest;
use azimuth_measurement::codec::{BatchItem, decode_batch, encode_batch};

/// 2026-11-23T10:00:00Z.
const T0: u64 = 1_795_428_000_000;
const AGENTS: usize = 20;
/// Batches under way at the same time; they share commits, and overtake one another.
const AT_ONCE: usize = 256;
/// How far behind the newest a replay may come from.
const REACH: u64 = 200;

fn batches() -> usize {
    let asked = std::env::var("AZIMUTH_BATCHES").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(100_000)
}

/// The batches of one turn: new reports, replays, parts of both, shuffled, some twice.
fn turn(
    manifests: &[Manifest],
    next: &mut [u64],
    model: &mut HashSet<(usize, u64)>,
    random: &mut fastrand::Rng,
) -> Vec<(usize, Vec<u64>)> {
    let mut bodies = Vec::with_capacity(AT_ONCE);
    while bodies.len() < AT_ONCE {
        let agent = random.usize(..manifests.len());
        let fresh = random.u64(0..3);
        let mut sequences: Vec<u64> = (next[agent]..next[agent] + fresh).collect();
        next[agent] += fresh;
        for _ in 0..random.u64(0..3) {
            let oldest = next[agent].saturating_sub(REACH).max(1);
            if oldest < next[agent] {
                sequences.push(random.u64(oldest..next[agent]));
            }
        }
        if sequences.is_empty() {
            continue;
        }
        random.shuffle(&mut sequences);
        model.extend(sequences.iter().map(|sequence| (agent, *sequence)));
        if random.u8(..4) == 0 {
            bodies.push((agent, sequences.clone()));
        }
        bodies.push((agent, sequences));
    }
    random.shuffle(&mut bodies);
    bodies
}

/// The same batch with ages that prove nothing: two epochs at the same time would be found out by themselves.
fn without_proof(body: &[u8]) -> Vec<u8> {
    let mut batch = decode_batch(body).expect("ours");
    for item in &mut batch.items {
        if let BatchItem::Report { age_uncertain, .. } = item {
            *age_uncertain = true;
        }
    }
    encode_batch(&batch)
}

/// Delivers so many batches and gives back how often a report was stored, and how often a series saw an interval with `n`
/// delays in the store. `careless` gives every third replay an epoch of its own, as a collector without memory would.
fn run(batches: usize, careless: bool) -> (usize, u64, usize, usize) {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let store = Arc::new(EmbeddedStore::open(directory.path(), Retention::default(), T0).expect("openable"));
    let ingest = Arc::new(
        Ingest::start(Arc::<EmbeddedStore>::clone(&store), Arc::new(Metrics::default())).expect("a thread"),
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let manifests: Vec<Manifest> = (0..AGENTS)
        .map(|number| fleet::manifest(&format!("agent-{number}"), 1))
        .collect();
    let mut random = fastrand::Rng::with_seed(7);
    let mut next = vec![1; AGENTS];
    let mut model = HashSet::new();
    let (mut done, mut stored) = (0, 0);
    while done < batches {
        let bodies = turn(&manifests, &mut next, &mut model, &mut random);
        done += bodies.len();
        let newest = next.iter().max().copied().unwrap_or(1);
        let received = T0 + (newest + 1) * fleet::LENGTH_MS;
        let kinds = runtime.block_on(async {
            let deliveries: Vec<_> = bodies
                .into_iter()
                .map(|(agent, sequences)| {
                    let forgotten = careless && random.u8(..3) == 0;
                    let reports: Vec<_> = sequences
                        .iter()
                        .map(|sequence| {
                            let start = T0 + sequence * fleet::LENGTH_MS;
                            let mut report = fleet::report(&manifests[agent], *sequence, start, &[1_000]);
                            report.epoch += u64::from(forgotten);
                            report
                        })
                        .collect();
                    let mut body = fleet::body(&[&manifests[agent]], &reports, received);
                    if careless {
                        body = without_proof(&body);
                    }
                    let ingest = Arc::clone(&ingest);
                    tokio::spawn(async move {
                        let mut held = ingest.open(body.len())?;
                        held.push(&body)?;
                        ingest.take(held, received).await
                    })
                })
                .collect();
            let mut kinds = Vec::new();
            for delivery in deliveries {
                let verdicts = delivery.await.expect("no panic").unwrap_or_else(|problem| {
                    panic!("a body was refused: {}", problem.detail());
                });
                kinds.extend(verdicts.verdicts.into_iter().map(|verdict| verdict.verdict));
            }
            kinds
        });
        for kind in kinds {
            match kind {
                VerdictKind::Stored => stored += 1,
                VerdictKind::Duplicate => {}
                other => panic!("{other:?}"),
            }
        }
    }
    ingest.finish();
    let selection: SeriesSelection = store.dictionary().series().map(|(id, _)| id).collect();
    let request = ScanRequest {
        range: TimeRange {
            from_unix_ms: 0,
            to_unix_ms: u64::MAX,
        },
        series: &selection,
        step_ms: fleet::LENGTH_MS,
    };
    let (mut sent, mut places) = (0, HashSet::new());
    let coverage = store.scan(request, &mut |observation| {
        sent += observation.counts.sent;
        places.insert((observation.series, observation.start_unix_ms));
        ControlFlow::Continue(())
    });
    assert_eq!(coverage.expect("readable").unreadable_reports, 0);
    (stored, sent, places.len(), model.len())
}

#[test]
fn replayed_doubled_and_reordered_batches_are_stored_once() {
    let (stored, sent, places, model) = run(batches(), false);
    assert_eq!((stored, places), (model, model));
    assert_eq!(sent, 2 * model as u64, "two probes per report");
}

#[test]
fn seeded_fault_no_deduplication_is_caught() {
    let (stored, sent, _, model) = run(2_000, true);
    assert!(stored > model && sent > 2 * model as u64, "{stored} of {model}");
}
