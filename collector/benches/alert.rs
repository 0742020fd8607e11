//! What watching costs: one evaluation (a minute of 10 s histograms, 1 probe a second) of ten thousand series, and one row
//! of a replay. Sizes are printed first. Compare within one run.

use std::sync::Arc;

use azimuth_collector::alert::book::Book;
use azimuth_collector::alert::rules::{RuleSet, Sample, SeriesLabels, Watch};
use azimuth_collector::alert::{Delays, Detector, Event, Tick};
use azimuth_collector::query::Label;
use azimuth_measurement::{DelayHistogram, ProbeCounts};
use divan::Bencher;
use divan::counter::ItemsCount;

const SERIES: u32 = 10_000;
const TICK_MS: u64 = 10_000;
const TICKS: u64 = 6;
/// Minutes before the measured one: the references are full.
const WARM_MINUTES: u64 = 260;

fn main() {
    let fleet = Fleet::warm(64);
    let bytes = fleet.detectors.iter().map(Detector::state_bytes).max();
    println!(
        "state of a series after {WARM_MINUTES} min: {} bytes at most",
        bytes.unwrap_or(0)
    );
    divan::main();
}

/// Histograms as a series has them: a narrow body and now and then a straggler.
fn histograms() -> Vec<DelayHistogram> {
    let mut rng = fastrand::Rng::with_seed(9);
    let mut delay_us = || {
        9_000
            + rng.u32(0..1_500)
            + if rng.u32(0..100) == 0 {
                rng.u32(0..9_000)
            } else {
                0
            }
    };
    (0..997)
        .map(|_| DelayHistogram::from_values_us(&mut (0..10).map(|_| delay_us()).collect::<Vec<_>>()))
        .collect()
}

struct Fleet {
    detectors: Vec<Detector>,
    histograms: Vec<DelayHistogram>,
    next_tick: u64,
}

impl Fleet {
    fn warm(series: u32) -> Self {
        let mut fleet = Self {
            detectors: (0..series).map(|_| Detector::default()).collect(),
            histograms: histograms(),
            next_tick: 0,
        };
        for _ in 0..WARM_MINUTES {
            fleet.minute();
        }
        fleet
    }

    /// Six ticks for every series; the sixth closes the unit.
    fn minute(&mut self) -> usize {
        let mut events: Vec<Event> = Vec::new();
        for tick in self.next_tick..self.next_tick + TICKS {
            for (series, detector) in self.detectors.iter_mut().enumerate() {
                let histogram = &self.histograms[(tick as usize * 31 + series * 7) % self.histograms.len()];
                let tick = Tick {
                    start_unix_ms: tick * TICK_MS,
                    length_ms: TICK_MS as u32,
                    delays: Delays::Histogram(histogram),
                    sent: histogram.count(),
                    lost: 0,
                };
                detector.observe(&tick, &mut events).expect("ticks are in order");
            }
        }
        self.next_tick += TICKS;
        events.len()
    }
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn a_minute_of_ten_thousand_series(bencher: Bencher<'_, '_>) {
    let mut fleet = Fleet::warm(SERIES);
    bencher
        .counter(ItemsCount::new(SERIES))
        .bench_local(|| fleet.minute());
}

/// The same minute through the default rule and the book, as `serve` does it, but for the reading of the store: its ratio to
/// the row above is what rules and book cost.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn an_evaluation_of_ten_thousand_series(bencher: Bencher<'_, '_>) {
    let rules = Arc::new(RuleSet::default());
    let labels = SeriesLabels::new("target")
        .with(Label::Agent, "brest-1")
        .with(Label::Load, "idle");
    let mut watch = Watch::new(Arc::clone(&rules));
    for series in 0..SERIES {
        watch.add(series, labels.clone());
    }
    let mut book = Book::new(rules, [], []);
    let histograms = histograms();
    let counts: Vec<ProbeCounts> = histograms
        .iter()
        .map(|histogram| ProbeCounts {
            sent: histogram.count(),
            returned: histogram.count(),
            ..ProbeCounts::default()
        })
        .collect();
    let (mut next_tick, mut verdicts, mut told) = (0, Vec::new(), Vec::new());
    let mut minute = || {
        for tick in next_tick..next_tick + TICKS {
            for series in 0..SERIES {
                let at = (tick as usize * 31 + series as usize * 7) % histograms.len();
                let sample = Sample {
                    start_unix_ms: tick * TICK_MS,
                    length_ms: TICK_MS as u32,
                    counts: &counts[at],
                    delays: &histograms[at],
                };
                watch
                    .observe(series, &sample, &mut verdicts)
                    .expect("ticks are in order");
            }
        }
        next_tick += TICKS;
        let now_unix_ms = next_tick * TICK_MS;
        watch.passed(now_unix_ms, &mut verdicts);
        for verdict in verdicts.drain(..) {
            book.take(verdict, &labels, now_unix_ms, &mut told);
        }
        book.passed(now_unix_ms, &mut told);
        told.len()
    };
    for _ in 0..WARM_MINUTES {
        minute();
    }
    bencher.counter(ItemsCount::new(SERIES)).bench_local(&mut minute);
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn a_month_of_four_minute_samples(bencher: Bencher<'_, '_>) {
    let mut rng = fastrand::Rng::with_seed(1);
    let samples: Vec<u32> = (0..10_800).map(|_| 150_000 + rng.u32(0..2_000)).collect();
    bencher.counter(ItemsCount::new(samples.len())).bench_local(|| {
        let mut detector = Detector::default();
        let mut events = Vec::new();
        for (index, &delay_us) in samples.iter().enumerate() {
            let tick = Tick {
                start_unix_ms: index as u64 * 240_000,
                length_ms: 0,
                delays: Delays::One { delay_us },
                sent: 1,
                lost: 0,
            };
            detector.observe(&tick, &mut events).expect("ticks are in order");
        }
        events.len()
    });
}
