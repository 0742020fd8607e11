//! Throughput results on the wire: golden bytes, an independent reader, refusals, and reports from before them. What a result
//! means stands in `measurement/src/throughput.rs`.

use azimuth_measurement::codec::throughput::{decode_throughput_result, encode_throughput_result};
use azimuth_measurement::codec::{MAX_INFLATED_BYTES, decode_report, encode_report};
use azimuth_measurement::throughput::{MAX_RESULTS, Reading};
use azimuth_measurement::{
    AgentHealth, DelayHistogram, Interval, ManifestId, PhaseDelays, Report, SenderView, StampClock,
    StopReason, ThroughputResult, TransferDirection, TransferLimit,
};
use proptest::prelude::*;
use prost::Message;

fn phase(sent: u32, lost: u32, delays_us: &[u32]) -> PhaseDelays {
    PhaseDelays {
        sent,
        lost,
        delays: DelayHistogram::from_values_us(&mut delays_us.to_vec()),
    }
}

fn result() -> ThroughputResult {
    ThroughputResult {
        series: 3,
        at_unix_ms: 1_700_000_012_345,
        direction: TransferDirection::Upload,
        stop: StopReason::Stable,
        settled: true,
        bps: 95_000_000,
        bytes: 4_000_000,
        duration_us: 500_000,
        sender: Some(SenderView {
            congestion_control: "cubic".to_owned(),
            retransmitted_bytes: 2_896,
            min_rtt_us: 10_200,
            limited_by: Some(TransferLimit::Network),
        }),
        clock: StampClock::Kernel,
        idle: phase(4, 0, &[10_000, 10_100, 10_200, 10_300]),
        loaded: phase(4, 1, &[50_000, 60_000, 70_000]),
        drained: phase(1, 0, &[10_000]),
    }
}

fn report(throughput: Vec<ThroughputResult>) -> Report {
    Report {
        agent: "brest-orange-1".parse().expect("an id"),
        epoch: 1_700_000_000_000,
        sequence: 7,
        manifest: ManifestId(5),
        interval: Interval::new(1_700_000_010_000, 10_000).expect("on the grid"),
        records: Vec::new(),
        paths: Vec::new(),
        throughput,
        health: AgentHealth::default(),
    }
}

/// The messages as another implementation would declare them from `proto/azimuth.proto`.
#[derive(Clone, PartialEq, Message)]
struct IndependentReport {
    #[prost(message, repeated, tag = "30")]
    throughput: Vec<IndependentResult>,
}

#[derive(Clone, PartialEq, Message)]
struct IndependentResult {
    #[prost(uint32, tag = "1")]
    series: u32,
    #[prost(uint64, tag = "2")]
    at_unix_ms: u64,
    #[prost(uint32, tag = "3")]
    direction: u32,
    #[prost(uint32, tag = "4")]
    stop: u32,
    #[prost(bool, tag = "5")]
    settled: bool,
    #[prost(uint64, tag = "6")]
    bps: u64,
    #[prost(uint64, tag = "7")]
    bytes: u64,
    #[prost(uint32, tag = "8")]
    duration_us: u32,
    #[prost(message, optional, tag = "9")]
    sender: Option<IndependentSender>,
    #[prost(uint32, tag = "10")]
    clock: u32,
    #[prost(message, optional, tag = "12")]
    loaded: Option<IndependentPhase>,
}

#[derive(Clone, PartialEq, Message)]
struct IndependentSender {
    #[prost(string, tag = "1")]
    congestion_control: String,
    #[prost(uint64, tag = "2")]
    retransmitted_bytes: u64,
    #[prost(uint32, tag = "3")]
    min_rtt_us: u32,
    #[prost(uint32, tag = "4")]
    limited_by: u32,
}

#[derive(Clone, PartialEq, Message)]
struct IndependentPhase {
    #[prost(uint32, tag = "1")]
    sent: u32,
    #[prost(uint32, tag = "2")]
    lost: u32,
    #[prost(bytes = "vec", tag = "3")]
    delays: Vec<u8>,
}

/// A change here is a new codec version.
const GOLDEN: &[u8] = &[
    0x08, 0x03, 0x10, 0xb9, 0xb0, 0x96, 0xff, 0xbc, 0x31, 0x18, 0x02, 0x20, 0x01, 0x28, 0x01, 0x30, 0xc0,
    0xab, 0xa6, 0x2d, 0x38, 0x80, 0x92, 0xf4, 0x01, 0x40, 0xa0, 0xc2, 0x1e, 0x4a, 0x0f, 0x0a, 0x05, 0x63,
    0x75, 0x62, 0x69, 0x63, 0x10, 0xd0, 0x16, 0x18, 0xd8, 0x4f, 0x20, 0x01, 0x50, 0x01, 0x5a, 0x09, 0x08,
    0x04, 0x1a, 0x05, 0xc4, 0x43, 0x16, 0x18, 0x16, 0x62, 0x0c, 0x08, 0x04, 0x10, 0x01, 0x1a, 0x06, 0xb4,
    0x68, 0xf0, 0x04, 0xe2, 0x03, 0x6a, 0x06, 0x08, 0x01, 0x1a, 0x02, 0xc4, 0x43,
];

#[test]
fn golden_bytes_stand() {
    let encoded = encode_throughput_result(&result());
    assert_eq!(encoded, GOLDEN, "the wire form changed: {encoded:02x?}");
    assert_eq!(decode_throughput_result(GOLDEN), Ok(result()));
}

#[test]
fn an_independent_reader_reads_the_same() {
    let frame = encode_report(&report(vec![result(), result()]));
    let plain = zstd::bulk::decompress(&frame, MAX_INFLATED_BYTES).expect("a frame");
    let read = IndependentReport::decode(&plain[..])
        .expect("protobuf")
        .throughput;
    assert_eq!(read.len(), 2);
    let of = &read[1];
    assert_eq!(
        (of.series, of.direction, of.stop, of.settled, of.bps),
        (3, 2, 1, true, 95_000_000)
    );
    assert_eq!((of.bytes, of.duration_us, of.clock), (4_000_000, 500_000, 1));
    let sender = of.sender.as_ref().expect("told");
    assert_eq!(
        (sender.congestion_control.as_str(), sender.limited_by),
        ("cubic", 1)
    );
    let loaded = of.loaded.as_ref().expect("probed");
    assert_eq!((loaded.sent, loaded.lost), (4, 1));
    assert_eq!(loaded.delays, result().loaded.delays.as_bytes());
}

#[test]
fn a_report_without_results_is_as_it_was_before_them() {
    let with = encode_report(&report(vec![result()]));
    assert_eq!(decode_report(&with), Ok(report(vec![result()])));
    let without = encode_report(&report(Vec::new()));
    let plain = zstd::bulk::decompress(&without, MAX_INFLATED_BYTES).expect("a frame");
    let tag = [0xf2_u8, 0x01];
    assert!(!plain.windows(2).any(|bytes| bytes == tag), "not an octet");
    assert_eq!(decode_report(&without), Ok(report(Vec::new())));
}

#[test]
fn a_result_that_contradicts_itself_is_refused() {
    let refused = |change: fn(&mut ThroughputResult)| {
        let mut wrong = result();
        change(&mut wrong);
        decode_report(&encode_report(&report(vec![wrong])))
            .expect_err("refused")
            .reason()
    };
    assert_eq!(refused(|wrong| wrong.settled = false), "bad_throughput_result");
    assert_eq!(refused(|wrong| wrong.bps = 0), "bad_throughput_result");
    assert_eq!(refused(|wrong| wrong.bytes = 0), "bad_throughput_result");
    assert_eq!(refused(|wrong| wrong.bytes = u64::MAX), "bad_throughput_result");
    assert_eq!(refused(|wrong| wrong.loaded.lost = 2), "bad_throughput_result");
    let wrong_name = |wrong: &mut ThroughputResult| {
        wrong.sender = Some(SenderView {
            congestion_control: "no name".to_owned(),
            ..SenderView::default()
        });
    };
    assert_eq!(refused(wrong_name), "bad_throughput_result");
    let many = report(vec![result(); MAX_RESULTS + 1]);
    assert_eq!(
        decode_report(&encode_report(&many))
            .expect_err("refused")
            .reason(),
        "too_many"
    );
    let nothing = decode_throughput_result(&[]).expect_err("refused");
    assert_eq!(nothing.reason(), "bad_value");
}

#[test]
fn a_test_that_was_cut_is_a_lower_bound_and_one_of_nothing_has_failed() {
    assert_eq!(result().reading(), Reading::Estimate);
    let cut = ThroughputResult {
        stop: StopReason::ByteCap,
        settled: false,
        ..result()
    };
    assert_eq!(cut.reading(), Reading::LowerBound);
    let failed = ThroughputResult {
        bps: 0,
        stop: StopReason::Refused,
        ..cut
    };
    assert_eq!((failed.reading(), failed.check()), (Reading::Failed, Ok(())));
    let added_us = result().added_delay_us().expect("both phases");
    assert!((49_800..=50_100).contains(&added_us), "{added_us}");
    let rpm = result().responsiveness_rpm().expect("loaded");
    assert!((998..=1_001).contains(&rpm), "{rpm}");
    let unprobed = ThroughputResult {
        loaded: PhaseDelays::default(),
        ..result()
    };
    assert_eq!(
        (unprobed.added_delay_us(), unprobed.responsiveness_rpm()),
        (None, None)
    );
}

proptest! {
    #[test]
    fn any_damage_is_met_without_panic(at in any::<prop::sample::Index>(), byte: u8, cut in any::<prop::sample::Index>()) {
        let mut damaged = encode_throughput_result(&result());
        let position = at.index(damaged.len());
        damaged[position] = byte;
        damaged.truncate(cut.index(damaged.len()) + 1);
        if let Ok(read) = decode_throughput_result(&damaged) {
            prop_assert!(read.check().is_ok());
            let again = encode_throughput_result(&read);
            prop_assert_eq!(decode_throughput_result(&again), Ok(read));
        }
    }
}
