//! How long a report takes to write and to read, and a histogram to merge. One report = 60 series of 30 delays.

#[path = "../../collector/benches/store_peers/truth.rs"]
#[allow(dead_code, reason = "the store's bench uses more of it")]
mod truth;

use azimuth_measurement::codec::walk::{ReportWalk, Sums, inflate_report};
use azimuth_measurement::codec::{decode_report, encode_report, varint};
use azimuth_measurement::histogram::BucketIndex;
use azimuth_measurement::{
    Accumulator, AgentHealth, DelayHistogram, Interval, Ipdv, ManifestId, ProbeCounts, Report, SeriesRecord,
    StampClock,
};
use divan::counter::ItemsCount;

const SERIES: u32 = 60;

fn main() {
    divan::main();
}

/// The report of one interval: delays as the store's bench has them, and the agent's own health.
fn report_of(interval: u64) -> Report {
    let slot = truth::Slot {
        start_unix_ms: 1_700_000_000_000 + interval * 10_000,
        length_ms: 10_000,
    };
    let mut delays_us = Vec::new();
    let mut record = |series| {
        let sent = truth::Path::of(1, series).see(slot, &mut delays_us);
        let mut ipdv = Ipdv::default();
        for pair in delays_us.windows(2) {
            ipdv.note(pair[0], pair[1]);
        }
        SeriesRecord {
            series,
            counts: ProbeCounts {
                sent,
                returned: delays_us.len() as u64,
                ipdv,
                ..Default::default()
            },
            delays: vec![(StampClock::Kernel, DelayHistogram::from_values_us(&mut delays_us))],
        }
    };
    let mut random = fastrand::Rng::with_seed(interval);
    let mut lateness_us: Vec<u32> = (0..SERIES * 30)
        .map(|_| 20 + random.u32(0..40) * random.u32(0..3))
        .collect();
    Report {
        agent: "vantage-0001".parse().expect("a valid id"),
        epoch: 1_700_000_000_000,
        sequence: 1 + interval,
        manifest: ManifestId(0x0123_4567_89ab_cdef),
        interval: Interval::new(slot.start_unix_ms, slot.length_ms).expect("on the grid"),
        records: (0..SERIES).map(&mut record).collect(),
        paths: Vec::new(),
        throughput: Vec::new(),
        health: AgentHealth {
            send_lateness: DelayHistogram::from_values_us(&mut lateness_us),
            ..AgentHealth::default()
        },
    }
}

fn report() -> Report {
    report_of(0)
}

/// The report as agents wrote it before there were columns.
fn encode_rows(report: &Report) -> Vec<u8> {
    let bytes = |out: &mut Vec<u8>, field: u64, value: &[u8]| {
        varint::write(out, field << 3 | 2);
        varint::write(out, value.len() as u64);
        out.extend(value);
    };
    let number = |out: &mut Vec<u8>, field: u64, value: u64| {
        if value != 0 {
            varint::write(out, field << 3);
            varint::write(out, value);
        }
    };
    let mut out = Vec::new();
    number(&mut out, 1, 1);
    number(&mut out, 2, 1);
    bytes(&mut out, 3, report.agent.as_str().as_bytes());
    number(&mut out, 4, report.epoch);
    number(&mut out, 5, report.sequence);
    varint::write(&mut out, 6 << 3 | 1);
    out.extend(report.manifest.0.to_le_bytes());
    number(&mut out, 7, report.interval.start_unix_ms());
    number(&mut out, 8, report.interval.length_ms().into());
    let mut row = Vec::new();
    for record in &report.records {
        row.clear();
        number(&mut row, 1, record.series.into());
        number(&mut row, 2, record.counts.sent);
        number(&mut row, 3, record.counts.returned);
        bytes(&mut row, 13, record.delays[0].1.as_bytes());
        bytes(&mut out, 9, &row);
    }
    row.clear();
    bytes(&mut row, 1, report.health.send_lateness.as_bytes());
    bytes(&mut out, 10, &row);
    zstd::bulk::compress(&out, 3).expect("there is memory")
}

fn bytes_per_histogram(encode: impl Fn(&Report) -> Vec<u8>) -> f64 {
    const INTERVALS: u64 = 60;
    let bytes: usize = (0..INTERVALS).map(|i| encode(&report_of(i)).len()).sum();
    bytes as f64 / (INTERVALS * u64::from(SERIES)) as f64
}

#[divan::bench]
fn encode(bencher: divan::Bencher<'_, '_>) {
    let report = report();
    eprintln!(
        "wire: {:.1} bytes per histogram, health included, without manifests; {:.1} in rows",
        bytes_per_histogram(encode_report),
        bytes_per_histogram(encode_rows),
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
fn decode_rows(bencher: divan::Bencher<'_, '_>) {
    let frame = encode_rows(&report());
    assert_eq!(decode_report(&frame), Ok(report()), "the same report");
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

/// What a cell of a map costs: five minutes of one series, one delay in a hundred far out, and three quantiles.
#[divan::bench]
fn merge_a_cell(bencher: divan::Bencher<'_, '_>) {
    let reports: Vec<Report> = (0..30).map(report_of).collect();
    let mut accumulator = Accumulator::new();
    let mut series = 0;
    bencher.counter(ItemsCount::new(30_u32)).bench_local(|| {
        series = (series + 1) % SERIES as usize;
        accumulator.clear();
        for (_, delays) in reports.iter().flat_map(|report| &report.records[series].delays) {
            accumulator.add(delays).expect("a small count");
        }
        [0.5, 0.9, 0.99].map(|q| accumulator.quantile_us(q))
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

/// One agent's row of a map: 30 intervals, to be merged into 60 cells.
fn frames() -> Vec<Vec<u8>> {
    (0..30)
        .map(|interval| encode_report(&report_of(interval)))
        .collect()
}

fn cell(accumulator: &Accumulator) -> ([Option<BucketIndex>; 3], Option<u32>, Option<u32>) {
    let ranks = [0.5, 0.9, 0.99].map(|q| (q * accumulator.count() as f64).ceil() as u64);
    let buckets = accumulator.buckets_at(ranks);
    (buckets, accumulator.min_us(), accumulator.max_us())
}

#[divan::bench]
fn row_of_a_map_decoded(bencher: divan::Bencher<'_, '_>) {
    let frames = frames();
    let mut accumulator = Accumulator::new();
    bencher.counter(ItemsCount::new(SERIES)).bench_local(|| {
        let mut kept: Vec<Vec<DelayHistogram>> = vec![Vec::new(); SERIES as usize];
        for frame in &frames {
            for record in decode_report(frame).expect("sound").records {
                let delays = record.delays.into_iter().map(|(_, delays)| delays);
                kept[record.series as usize].extend(delays);
            }
        }
        let cells = kept.iter().map(|of_cell| {
            accumulator.clear();
            for delays in of_cell {
                accumulator.add(delays).expect("a small count");
            }
            cell(&accumulator)
        });
        cells.collect::<Vec<_>>()
    });
}

#[divan::bench]
fn row_of_a_map_walked(bencher: divan::Bencher<'_, '_>) {
    let frames = frames();
    let mut sums = OneClock::default();
    bencher.counter(ItemsCount::new(SERIES)).bench_local(|| {
        let plain: Vec<Vec<u8>> = frames.iter().filter_map(|frame| inflate_report(frame)).collect();
        let walks = plain
            .iter()
            .map(|plain| ReportWalk::of(plain).expect("in columns"));
        let mut walks: Vec<_> = walks.collect();
        let cells = (0..SERIES).map(|series| {
            sums.0.clear();
            for walk in &mut walks {
                if walk.next_series() == Some(series) {
                    walk.add_next(&mut sums).expect("sound");
                }
            }
            cell(&sums.0)
        });
        cells.collect::<Vec<_>>()
    });
}

/// What is left of a row when nothing but zstd is done.
#[divan::bench]
fn row_of_a_map_inflated(bencher: divan::Bencher<'_, '_>) {
    let frames = frames();
    bencher.counter(ItemsCount::new(SERIES)).bench_local(|| {
        let plain = frames.iter().filter_map(|frame| inflate_report(frame));
        plain.map(|plain| plain.len()).sum::<usize>()
    });
}

#[derive(Default)]
struct OneClock(Accumulator);

impl Sums for OneClock {
    fn count(&mut self, _place: usize, _more: u64) -> Option<()> {
        Some(())
    }

    fn delays<'b>(&mut self, _clock: StampClock, number: u64, bytes: &'b [u8]) -> Option<&'b [u8]> {
        self.0.add_front(bytes, number).ok()
    }
}
