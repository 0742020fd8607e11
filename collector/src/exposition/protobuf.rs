//! The protobuf form of `/metrics`: the only one in which Prometheus reads native histograms. Each family is one
//! message behind its length.
//!
//! Standard: `io.prometheus.client` (`prometheus/client_model`, `metrics.proto`), as far as it is used here.

use prost::Message;

use super::exponential::Delays;
use super::family::{self, Kind};

/// What the form is called.
pub const CONTENT_TYPE: &str =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
/// Delays this short or shorter would be counted apart. No delay is; that it is not 0 tells a native histogram without
/// delays from a classic one. The value is the one that Prometheus's own libraries use.
pub const ZERO_THRESHOLD_S: f64 = 2.938_735_877_055_719e-39;

/// Writes the families.
pub fn render(families: &[family::Family]) -> Vec<u8> {
    let mut page = Vec::new();
    for family in families {
        // Families without samples are not valid in this form.
        if !family.samples.is_empty() {
            page.extend(MetricFamily::from(family).encode_length_delimited_to_vec());
        }
    }
    page
}

/// Samples of one name.
#[derive(Clone, PartialEq, Message)]
pub struct MetricFamily {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    help: String,
    #[prost(enumeration = "MetricType", optional, tag = "3")]
    kind: Option<i32>,
    #[prost(message, repeated, tag = "4")]
    metrics: Vec<Metric>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
enum MetricType {
    Counter = 0,
    Gauge = 1,
    Histogram = 4,
}

#[derive(Clone, PartialEq, Message)]
struct Metric {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<LabelPair>,
    #[prost(message, optional, tag = "2")]
    gauge: Option<Number>,
    #[prost(message, optional, tag = "3")]
    counter: Option<Number>,
    #[prost(message, optional, tag = "7")]
    histogram: Option<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
struct LabelPair {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// `Gauge` and `Counter`, which look the same.
#[derive(Clone, PartialEq, Message)]
struct Number {
    #[prost(double, optional, tag = "1")]
    value: Option<f64>,
}

#[derive(Clone, PartialEq, Message)]
struct Histogram {
    #[prost(uint64, optional, tag = "1")]
    sample_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    sample_sum: Option<f64>,
    #[prost(sint32, optional, tag = "5")]
    schema: Option<i32>,
    #[prost(double, optional, tag = "6")]
    zero_threshold: Option<f64>,
    #[prost(uint64, optional, tag = "7")]
    zero_count: Option<u64>,
    #[prost(message, repeated, tag = "12")]
    positive_spans: Vec<BucketSpan>,
    #[prost(sint64, repeated, tag = "13")]
    positive_deltas: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct BucketSpan {
    #[prost(sint32, optional, tag = "1")]
    offset: Option<i32>,
    #[prost(uint32, optional, tag = "2")]
    length: Option<u32>,
}

impl From<&family::Family> for MetricFamily {
    fn from(family: &family::Family) -> Self {
        let kind = match family.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
        };
        Self {
            name: family.name.to_owned(),
            help: family.help.to_owned(),
            kind: Some(kind.into()),
            metrics: family
                .samples
                .iter()
                .map(|sample| metric(family.kind, sample))
                .collect(),
        }
    }
}

fn metric(kind: Kind, sample: &family::Sample) -> Metric {
    let mut metric = Metric {
        labels: sample
            .labels
            .iter()
            .map(|(name, value)| LabelPair {
                name: (*name).to_owned(),
                value: value.to_string(),
            })
            .collect(),
        ..Metric::default()
    };
    let number = match &sample.value {
        family::Value::Whole(value) => *value as f64,
        family::Value::Real(value) => *value,
        family::Value::Delays(delays) => {
            metric.histogram = Some(histogram(delays));
            return metric;
        }
    };
    let number = Some(Number { value: Some(number) });
    match kind {
        Kind::Counter => metric.counter = number,
        Kind::Gauge | Kind::Histogram => metric.gauge = number,
    }
    metric
}

fn histogram(delays: &Delays) -> Histogram {
    let (spans, positive_deltas) = delays.spans();
    Histogram {
        sample_count: Some(delays.count()),
        sample_sum: Some(delays.sum_s()),
        schema: Some(delays.schema().get().into()),
        zero_threshold: Some(ZERO_THRESHOLD_S),
        zero_count: Some(0),
        positive_spans: spans
            .into_iter()
            .map(|span| BucketSpan {
                offset: Some(span.offset),
                length: Some(span.length),
            })
            .collect(),
        positive_deltas,
    }
}

#[cfg(test)]
mod tests {
    use azimuth_measurement::DelayHistogram;

    use super::super::exponential::{Grid, Schema};
    use super::super::family::{Family, Value, labels};
    use super::*;

    #[test]
    fn each_family_is_a_message_behind_its_length() {
        let mut delays = Delays::new(Schema::DEFAULT);
        let two = DelayHistogram::from_values_us(&mut [1_000_000, 1_000_000]);
        delays.add(&Grid::new(Schema::DEFAULT), &two);
        let mut histogram = Family::new("azimuth_x_seconds", Kind::Histogram, "X.");
        histogram.push(labels([("agent", "a")]), Value::Delays(Box::new(delays)));
        let empty = Family::new("azimuth_z_total", Kind::Counter, "Z.");
        let page = render(&[Family::counter("azimuth_y_total", "Y.", 7), empty, histogram]);
        let mut rest = &page[..];
        let counter = MetricFamily::decode_length_delimited(&mut rest).expect("a family");
        assert_eq!(counter.kind, Some(MetricType::Counter.into()));
        assert_eq!(counter.metrics[0].counter, Some(Number { value: Some(7.0) }));
        let histogram = MetricFamily::decode_length_delimited(&mut rest).expect("a family");
        assert!(rest.is_empty());
        let native = histogram.metrics[0].histogram.as_ref().expect("a histogram");
        assert_eq!(
            (native.sample_count, native.schema, native.zero_count),
            (Some(2), Some(5), Some(0))
        );
        // The HDR bucket of 1 s lies mostly above it, so bucket 1: (1, 2^(1/32)].
        let span = BucketSpan {
            offset: Some(1),
            length: Some(1),
        };
        assert_eq!(
            (&native.positive_spans[..], &native.positive_deltas[..]),
            (&[span][..], &[2][..])
        );
    }
}
