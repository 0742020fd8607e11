//! What watching costs: one evaluation (a minute of 10 s histograms, 1 probe a second) of ten thousand series, what blame is
//! of it, and one row of a replay. Sizes are printed first. Compare within one run.

use std::collections::BTreeMap;
use std::sync::Arc;

use azimuth_collector::alert::blame::{Cell, blame};
use azimuth_collector::alert::book::incidents::Seen;
use azimuth_collector::alert::weak::{Kind, Weak};

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
        "state of a series' detector after {WARM_MINUTES} min: {} bytes at most",
        bytes.unwrap_or(0)
    );
    let before = resident_bytes();
    let mut evaluation = Evaluation::warm(WARM_MINUTES);
    let of_watch = (0..SERIES).map(|series| evaluation.watch.series_bytes(series));
    println!(
        "what the rules keep of a series after {WARM_MINUTES} min: {} bytes at most by calculation; {SERIES} of them, all that is kept \
         between evaluations, grew this process by {} bytes each",
        of_watch.max().unwrap_or(0),
        resident_bytes().saturating_sub(before) / u64::from(SERIES)
    );
    evaluation.minute();
    drop(evaluation);
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

/// Resident memory of this process (`/proc/self/statm`, pages of 4 KiB); 0 where there is none.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4_096
}

/// A hundred agents in ten networks, a hundred zones in twenty regions of five providers. Text is shared, as `serve` does.
fn labels() -> Vec<SeriesLabels> {
    let texts =
        |of: fn(u32) -> String| -> Vec<Arc<str>> { (0..100).map(|number| of(number).into()).collect() };
    let agents = texts(|agent| format!("agent-{agent}"));
    let (networks, cities) = (
        texts(|agent| format!("AS{}", 64_500 + agent % 10)),
        texts(|agent| format!("city-{}", agent % 40)),
    );
    let countries = texts(|agent| ["FR", "DE", "CH", "BE", "ES"][agent as usize % 5].to_owned());
    let zones = texts(|zone| format!("p{}/r{}/z{zone}", zone / 20, zone / 5));
    let (regions, providers) = (
        texts(|zone| format!("p{}/r{}", zone / 20, zone / 5)),
        texts(|zone| format!("p{}", zone / 20)),
    );
    let (target, method, load): (Arc<str>, Arc<str>, Arc<str>) =
        ("target".into(), "stamp".into(), "idle".into());
    let of = |series: u32| {
        let (agent, zone) = (series as usize / 100, series as usize % 100);
        SeriesLabels::new(Arc::clone(&target))
            .with(Label::Agent, Arc::clone(&agents[agent]))
            .with(Label::City, Arc::clone(&cities[agent]))
            .with(Label::Country, Arc::clone(&countries[agent]))
            .with(Label::Network, Arc::clone(&networks[agent]))
            .with(Label::Provider, Arc::clone(&providers[zone]))
            .with(Label::Region, Arc::clone(&regions[zone]))
            .with(Label::Zone, Arc::clone(&zones[zone]))
            .with(Label::Method, Arc::clone(&method))
            .with(Label::Load, Arc::clone(&load))
            .complete()
    };
    (0..SERIES).map(of).collect()
}

/// The default rule, the book and the pool of weak evidence, as `serve` has them, but for the reading of the store.
struct Evaluation {
    labels: Vec<SeriesLabels>,
    watch: Watch,
    book: Book,
    latest: BTreeMap<(u32, Kind), Weak>,
    histograms: Vec<DelayHistogram>,
    counts: Vec<ProbeCounts>,
    next_tick: u64,
}

impl Evaluation {
    fn warm(minutes: u64) -> Self {
        let rules = Arc::new(RuleSet::default());
        let (labels, histograms) = (labels(), histograms());
        let mut watch = Watch::new(Arc::clone(&rules));
        for (series, labels) in (0..SERIES).zip(&labels) {
            watch.add(series, labels.clone().complete());
        }
        watch.keep_readings();
        let counts = histograms
            .iter()
            .map(|histogram| ProbeCounts {
                sent: histogram.count(),
                returned: histogram.count(),
                ..ProbeCounts::default()
            })
            .collect();
        let mut evaluation = Self {
            labels,
            watch,
            book: Book::new(rules, [], []),
            latest: BTreeMap::new(),
            histograms,
            counts,
            next_tick: 0,
        };
        for _ in 0..minutes {
            evaluation.minute();
        }
        evaluation
    }

    fn minute(&mut self) -> usize {
        let (mut verdicts, mut told) = (Vec::new(), Vec::new());
        for tick in self.next_tick..self.next_tick + TICKS {
            for series in 0..SERIES {
                let at = (tick as usize * 31 + series as usize * 7) % self.histograms.len();
                let sample = Sample {
                    start_unix_ms: tick * TICK_MS,
                    length_ms: TICK_MS as u32,
                    counts: &self.counts[at],
                    delays: &self.histograms[at],
                };
                self.watch
                    .observe(series, &sample, &mut verdicts)
                    .expect("ticks are in order");
            }
        }
        self.next_tick += TICKS;
        let now_unix_ms = self.next_tick * TICK_MS;
        self.watch.passed(now_unix_ms, &mut verdicts);
        for reading in self.watch.take_readings() {
            self.latest.insert((reading.series, reading.kind), reading.weak);
        }
        let watch = &self.watch;
        self.book.pool(
            &Seen {
                at_unix_ms: now_unix_ms,
                latest: &self.latest,
                sick: &BTreeMap::new(),
                watched: &|series| Some((watch.labels(series)?, watch.regression_rule(series)?)),
            },
            &mut told,
        );
        for verdict in verdicts {
            let labels = &self.labels[verdict.key.series as usize];
            self.book.take(verdict, labels, now_unix_ms, &mut told);
        }
        self.book.passed(now_unix_ms, &mut told);
        told.len()
    }
}

/// The same minute through the default rule, the pool and the book: its ratio to the row above is what they cost.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn an_evaluation_of_ten_thousand_series(bencher: Bencher<'_, '_>) {
    let mut evaluation = Evaluation::warm(WARM_MINUTES);
    bencher
        .counter(ItemsCount::new(SERIES))
        .bench_local(|| evaluation.minute());
}

/// One minute's blame of one kind, when nothing happens and when as many zones are slow as are named at most.
#[divan::bench(sample_count = 10, sample_size = 1, args = [0, 16])]
fn blame_of_ten_thousand_series(bencher: Bencher<'_, '_>, slow_zones: u32) {
    let labels = labels();
    let mut rng = fastrand::Rng::with_seed(3);
    let mut score = |series: u32| {
        let noise = (0..12).map(|_| rng.f64()).sum::<f64>() - 6.0;
        noise
            + if series.is_multiple_of(5) && series % 100 / 5 < slow_zones {
                5.0
            } else {
                0.0
            }
    };
    let cells: Vec<Cell<'_>> = (0..SERIES)
        .zip(&labels)
        .map(|(series, labels)| Cell {
            series,
            labels,
            score: score(series),
        })
        .collect();
    bencher
        .counter(ItemsCount::new(SERIES))
        .bench_local(|| blame(&cells, &BTreeMap::new()).culprits.len());
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
