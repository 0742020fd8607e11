//! Prometheus remote write 1.0: protobuf in snappy, the classic histogram of every pair as cumulative counters.
//!
//! Per pair 24 float series: 20 bounds from 0.5 ms, each 1.85 times the one before (so up to 60 s), `+Inf`, `_sum`,
//! `_count`, and a counter of probes sent. The bounds make a quantile good to that factor; finer ones cost in proportion.

use anyhow::Context as _;
use prost::Message;

use super::client::Answer;
use super::system::Exporter;
use super::truth::{Path, Slot, agent_name, zone_name};

const FIRST_BOUND_MS: f64 = 0.5;
const BOUND_FACTOR: f64 = 1.85;
const BOUNDS: usize = 20;
/// Bounds, `+Inf`, sum, count, sent.
const SERIES_PER_PAIR: usize = BOUNDS + 4;

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp_unix_ms: i64,
}

/// A vantage point's counters since it began.
pub(super) struct CountersOf {
    paths: Vec<Path>,
    bounds_us: Vec<f64>,
    /// Of every pair its [`SERIES_PER_PAIR`] counters.
    totals: Vec<f64>,
    request: WriteRequest,
    delays_us: Vec<u32>,
}

impl CountersOf {
    pub(super) fn new(vantage: u32, zones: u32) -> Self {
        let bounds_us: Vec<f64> = (0..BOUNDS)
            .map(|number| FIRST_BOUND_MS * 1e3 * BOUND_FACTOR.powi(number as i32))
            .collect();
        let mut timeseries = Vec::new();
        for zone in 0..zones {
            for number in 0..SERIES_PER_PAIR {
                timeseries.push(TimeSeries {
                    labels: labels(vantage, zone, number, &bounds_us),
                    samples: Vec::new(),
                });
            }
        }
        Self {
            paths: (0..zones).map(|zone| Path::of(vantage, zone)).collect(),
            bounds_us,
            totals: vec![0.0; timeseries.len()],
            request: WriteRequest { timeseries },
            delays_us: Vec::new(),
        }
    }

    fn count(&mut self, slot: Slot) -> anyhow::Result<()> {
        let timestamp_unix_ms = i64::try_from(slot.end_unix_ms())?;
        for (path, totals) in self.paths.iter().zip(self.totals.chunks_mut(SERIES_PER_PAIR)) {
            let sent = path.see(slot, &mut self.delays_us);
            for delay_us in &self.delays_us {
                let delay_us = f64::from(*delay_us);
                // Cumulative: every bucket whose bound is not below it.
                let first = self.bounds_us.partition_point(|bound_us| *bound_us < delay_us);
                totals[first..=BOUNDS]
                    .iter_mut()
                    .for_each(|bucket| *bucket += 1.0);
                totals[BOUNDS + 1] += delay_us / 1e6;
                totals[BOUNDS + 2] += 1.0;
            }
            totals[BOUNDS + 3] += sent as f64;
        }
        for (series, total) in self.request.timeseries.iter_mut().zip(&self.totals) {
            series.samples.push(Sample {
                value: *total,
                timestamp_unix_ms,
            });
        }
        Ok(())
    }
}

/// Sorted by name, as the receiver demands.
fn labels(vantage: u32, zone: u32, number: usize, bounds_us: &[f64]) -> Vec<Label> {
    let label = |name: &str, value: String| Label {
        name: name.to_owned(),
        value,
    };
    let metric = match number {
        number if number <= BOUNDS => "rtt_seconds_bucket",
        number if number == BOUNDS + 1 => "rtt_seconds_sum",
        number if number == BOUNDS + 2 => "rtt_seconds_count",
        _ => "probes_sent_total",
    };
    let (provider, region, zone) = zone_name(zone);
    let mut labels = vec![
        label("__name__", metric.to_owned()),
        label("agent", agent_name(vantage)),
    ];
    if number <= BOUNDS {
        let bound = bounds_us.get(number);
        labels.push(label(
            "le",
            bound.map_or_else(|| "+Inf".to_owned(), |us| format!("{}", us / 1e6)),
        ));
    }
    labels.push(label("method", "stamp".to_owned()));
    labels.push(label("zone", format!("{provider}/{region}/{zone}")));
    labels
}

impl Exporter for CountersOf {
    fn target(&self) -> (&'static str, &'static str) {
        (
            "/api/v1/write",
            "content-type: application/x-protobuf\r\ncontent-encoding: snappy\r\nx-prometheus-remote-write-version: 0.1.0\r\n",
        )
    }

    fn body(&mut self, slots: &[Slot]) -> anyhow::Result<Vec<u8>> {
        self.request
            .timeseries
            .iter_mut()
            .for_each(|series| series.samples.clear());
        slots.iter().try_for_each(|slot| self.count(*slot))?;
        let plain = self.request.encode_to_vec();
        snap::raw::Encoder::new()
            .compress_vec(&plain)
            .context("cannot compress")
    }

    fn settled(&mut self, answer: Answer) -> anyhow::Result<()> {
        answer.ok("a remote write").map(drop)
    }
}
