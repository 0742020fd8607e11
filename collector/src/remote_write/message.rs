//! From metric families to remote-write requests: protobuf in snappy, so many series each. Pure; handed the time.
//!
//! Standard: Prometheus Remote-Write 1.0 and its `prompb` (`remote.proto`, `types.proto`), as far as it is used here.
//! Labels are sorted by name, each series has one sample.

use prost::Message;

use super::settings::{Histograms, Settings};
use crate::exposition::exponential::Delays;
use crate::exposition::family::{Family, Labels, Value};
use crate::exposition::protobuf::ZERO_THRESHOLD_S;

/// Most series in one request: some 100 KiB before compression.
const MAX_SERIES: usize = 500;
/// The label `job` of everything sent.
const JOB: &str = "azimuth";

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The body of the post.
    pub body: Vec<u8>,
    /// Samples in it; a histogram is one.
    pub samples: u64,
}

/// Everything in `families` as it is at `at_unix_ms`.
pub fn frames(families: &[Family], at_unix_ms: u64, settings: &Settings) -> Vec<Frame> {
    let at_unix_ms = i64::try_from(at_unix_ms).unwrap_or(i64::MAX);
    let mut all = Vec::new();
    for family in families {
        for sample in &family.samples {
            let one = |suffix: &str, le: Option<&str>, value: f64| Series {
                labels: series_labels(family.name, suffix, le, &sample.labels, &settings.instance),
                samples: vec![Sample { value, at_unix_ms }],
                histograms: Vec::new(),
            };
            match &sample.value {
                Value::Whole(value) => all.push(one("", None, *value as f64)),
                Value::Real(value) => all.push(one("", None, *value)),
                Value::Delays(delays) => match settings.histograms {
                    Histograms::Native => all.push(Series {
                        histograms: vec![native(delays, at_unix_ms)],
                        samples: Vec::new(),
                        ..one("", None, 0.0)
                    }),
                    Histograms::Classic => {
                        for (bound_s, count) in delays.classic() {
                            all.push(one("_bucket", Some(&bound_s.to_string()), count as f64));
                        }
                        let count = delays.count() as f64;
                        all.push(one("_bucket", Some("+Inf"), count));
                        all.push(one("_sum", None, delays.sum_s()));
                        all.push(one("_count", None, count));
                    }
                },
            }
        }
    }
    let mut frames = Vec::new();
    let mut rest = all.into_iter().peekable();
    while rest.peek().is_some() {
        let series: Vec<Series> = rest.by_ref().take(MAX_SERIES).collect();
        let samples = series.len() as u64;
        let plain = WriteRequest { series }.encode_to_vec();
        // It refuses only what is longer than 4 GiB.
        if let Ok(body) = snap::raw::Encoder::new().compress_vec(&plain) {
            frames.push(Frame { body, samples });
        }
    }
    frames
}

fn series_labels(name: &str, suffix: &str, le: Option<&str>, labels: &Labels, instance: &str) -> Vec<Label> {
    let label = |name: &str, value: &str| Label {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    let mut sorted = vec![
        label("__name__", &format!("{name}{suffix}")),
        label("instance", instance),
        label("job", JOB),
    ];
    sorted.extend(le.map(|le| label("le", le)));
    // An empty value is no label at all.
    let given = labels.iter().filter(|(_, value)| !value.is_empty());
    sorted.extend(given.map(|(name, value)| label(name, value)));
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    sorted
}

fn native(delays: &Delays, at_unix_ms: i64) -> Histogram {
    let (spans, positive_deltas) = delays.spans();
    Histogram {
        count: Some(delays.count()),
        sum: delays.sum_s(),
        schema: delays.schema().get().into(),
        zero_threshold: ZERO_THRESHOLD_S,
        zero_count: Some(0),
        positive_spans: spans
            .into_iter()
            .map(|span| BucketSpan {
                offset: span.offset,
                length: span.length,
            })
            .collect(),
        positive_deltas,
        at_unix_ms,
    }
}

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    series: Vec<Series>,
}

#[derive(Clone, PartialEq, Message)]
struct Series {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    histograms: Vec<Histogram>,
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
    at_unix_ms: i64,
}

/// Counts are whole here; each is one arm of a `oneof`, so it is written even when it is 0.
#[derive(Clone, PartialEq, Message)]
struct Histogram {
    #[prost(uint64, optional, tag = "1")]
    count: Option<u64>,
    #[prost(double, tag = "3")]
    sum: f64,
    #[prost(sint32, tag = "4")]
    schema: i32,
    #[prost(double, tag = "5")]
    zero_threshold: f64,
    #[prost(uint64, optional, tag = "6")]
    zero_count: Option<u64>,
    #[prost(message, repeated, tag = "11")]
    positive_spans: Vec<BucketSpan>,
    #[prost(sint64, repeated, tag = "12")]
    positive_deltas: Vec<i64>,
    #[prost(int64, tag = "15")]
    at_unix_ms: i64,
}

#[derive(Clone, PartialEq, Message)]
struct BucketSpan {
    #[prost(sint32, tag = "1")]
    offset: i32,
    #[prost(uint32, tag = "2")]
    length: u32,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use azimuth_measurement::DelayHistogram;

    use super::*;
    use crate::exposition::exponential::{Grid, Schema};
    use crate::exposition::family::{Kind, labels};

    fn settings(histograms: Histograms) -> Settings {
        Settings {
            url: String::new(),
            interval: Duration::from_secs(10),
            instance: "here".to_owned(),
            histograms,
        }
    }

    fn read(frame: &Frame) -> Vec<Series> {
        let plain = snap::raw::Decoder::new()
            .decompress_vec(&frame.body)
            .expect("snappy");
        let request = WriteRequest::decode(&plain[..]).expect("a request");
        assert_eq!(request.series.len() as u64, frame.samples);
        request.series
    }

    fn histogram() -> Family {
        let mut delays = Delays::new(Schema::DEFAULT);
        delays.add(
            &Grid::new(Schema::DEFAULT),
            &DelayHistogram::from_values_us(&mut [900, 30_000, 2_000_000]),
        );
        let mut family = Family::new("azimuth_x_seconds", Kind::Histogram, "X.");
        family.push(
            labels([("zone", "z"), ("agent", "a"), ("city", "")]),
            Value::Delays(Box::new(delays)),
        );
        family
    }

    #[test]
    fn labels_are_sorted_and_a_native_histogram_is_one_series() {
        let frames = frames(&[histogram()], 7, &settings(Histograms::Native));
        let series = &read(&frames[0])[..];
        assert_eq!((frames.len(), series.len()), (1, 1));
        let names: Vec<_> = series[0].labels.iter().map(|label| &label.name[..]).collect();
        assert_eq!(names, ["__name__", "agent", "instance", "job", "zone"]);
        let native = &series[0].histograms[0];
        assert_eq!(
            (native.count, native.at_unix_ms, series[0].samples.len()),
            (Some(3), 7, 0)
        );
    }

    #[test]
    fn classic_buckets_are_series_of_their_own() {
        let frames = frames(&[histogram()], 7, &settings(Histograms::Classic));
        let series = read(&frames[0]);
        assert_eq!(series.len(), 13);
        let le = |at: usize| series[at].labels.iter().find(|label| label.name == "le");
        assert_eq!(le(9).map(|label| &label.value[..]), Some("1"));
        assert_eq!(le(10).map(|label| &label.value[..]), Some("+Inf"));
        assert_eq!(
            (series[9].samples[0].value, series[10].samples[0].value),
            (2.0, 3.0)
        );
    }

    #[test]
    fn no_request_is_larger_than_a_receiver_likes() {
        let mut family = Family::new("azimuth_x", Kind::Gauge, "X.");
        for number in 0..MAX_SERIES + 1 {
            family.push(labels([("n", &number.to_string())]), Value::Whole(number as u64));
        }
        let frames = frames(&[family], 7, &settings(Histograms::Native));
        assert_eq!(
            frames.iter().map(|frame| frame.samples).collect::<Vec<_>>(),
            [500, 1]
        );
        assert!(super::frames(&[], 7, &settings(Histograms::Native)).is_empty());
    }
}
