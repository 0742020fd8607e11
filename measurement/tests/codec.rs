//! The wire form from outside: golden bytes, round trips, hostile bytes within a memory bound, and our messages read by an
//! independent protobuf library. Not the histogram's own properties; those stand beside the histogram.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot build its own input should fail loudly"
)]

use azimuth_measurement::codec::{
    Batch, BatchItem, MAX_INFLATED_BYTES, decode_batch, decode_manifest, decode_report, encode_batch,
    encode_manifest, encode_report,
};
use azimuth_measurement::path::{MAX_HOPS, MAX_PATH_EVENTS};
use azimuth_measurement::{
    AgentHealth, Answer, CloudPlace, DelayHistogram, Facet, Granularity, Interval, LoadLabel, LossCause,
    Manifest, ManifestId, Method, Outgoing, Path, PathEvent, PathHop, PathReason, Phase, ProbeCounts, Report,
    SeriesDescriptor, SeriesRecord, StampClock, Tombstone, VantagePoint, ZoneKey,
};
use peak_alloc::PeakAlloc;
use proptest::prelude::*;
use prost::Message;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

mod independent {
    //! The messages as another implementation would declare them from `proto/azimuth.proto`.
    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Report {
        #[prost(uint32, tag = "1")]
        pub(crate) codec: u32,
        #[prost(uint32, tag = "2")]
        pub(crate) profile: u32,
        #[prost(string, tag = "3")]
        pub(crate) agent: String,
        #[prost(uint64, tag = "4")]
        pub(crate) epoch: u64,
        #[prost(uint64, tag = "5")]
        pub(crate) sequence: u64,
        #[prost(fixed64, tag = "6")]
        pub(crate) manifest: u64,
        #[prost(uint64, tag = "7")]
        pub(crate) start_unix_ms: u64,
        #[prost(uint32, tag = "8")]
        pub(crate) length_ms: u32,
        #[prost(message, repeated, tag = "9")]
        pub(crate) records: Vec<SeriesRecord>,
        #[prost(message, optional, tag = "10")]
        pub(crate) health: Option<AgentHealth>,
        #[prost(message, optional, tag = "11")]
        pub(crate) columns: Option<Columns>,
        #[prost(message, repeated, tag = "20")]
        pub(crate) paths: Vec<PathEvent>,
        #[prost(bytes = "vec", repeated, tag = "30")]
        pub(crate) throughput: Vec<Vec<u8>>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct PathEvent {
        #[prost(uint32, tag = "1")]
        pub(crate) series: u32,
        #[prost(uint64, tag = "2")]
        pub(crate) at_unix_ms: u64,
        #[prost(uint32, tag = "3")]
        pub(crate) reason: u32,
        #[prost(message, optional, tag = "4")]
        pub(crate) before: Option<Path>,
        #[prost(message, optional, tag = "5")]
        pub(crate) after: Option<Path>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Path {
        #[prost(bool, tag = "1")]
        pub(crate) reached: bool,
        #[prost(message, repeated, tag = "2")]
        pub(crate) hops: Vec<Hop>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Hop {
        #[prost(bytes = "vec", repeated, tag = "1")]
        pub(crate) addresses: Vec<Vec<u8>>,
        #[prost(uint32, tag = "2")]
        pub(crate) sent: u32,
        #[prost(uint32, tag = "3")]
        pub(crate) answered: u32,
        #[prost(uint32, tag = "4")]
        pub(crate) min_us: u32,
        #[prost(uint32, tag = "5")]
        pub(crate) median_us: u32,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct AgentHealth {
        #[prost(bytes = "vec", tag = "1")]
        pub(crate) send_lateness: Vec<u8>,
        #[prost(uint64, tag = "2")]
        pub(crate) reports_dropped: u64,
        #[prost(uint64, tag = "5")]
        pub(crate) clock_steps: u64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Columns {
        #[prost(bytes = "vec", tag = "1")]
        pub(crate) series: Vec<u8>,
        #[prost(bytes = "vec", tag = "2")]
        pub(crate) sent: Vec<u8>,
        #[prost(bytes = "vec", tag = "3")]
        pub(crate) returned: Vec<u8>,
        #[prost(bytes = "vec", tag = "4")]
        pub(crate) late: Vec<u8>,
        #[prost(bytes = "vec", tag = "8")]
        pub(crate) discarded: Vec<u8>,
        #[prost(bytes = "vec", tag = "11")]
        pub(crate) missing_tx_stamp: Vec<u8>,
        #[prost(bytes = "vec", tag = "13")]
        pub(crate) delays_kernel: Vec<u8>,
        #[prost(bytes = "vec", tag = "15")]
        pub(crate) delays_user: Vec<u8>,
        #[prost(bytes = "vec", tag = "17")]
        pub(crate) missing_follow_up: Vec<u8>,
        #[prost(bytes = "vec", tag = "18")]
        pub(crate) number_kernel: Vec<u8>,
        #[prost(bytes = "vec", tag = "20")]
        pub(crate) number_user: Vec<u8>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct SeriesRecord {
        #[prost(uint32, tag = "1")]
        pub(crate) series: u32,
        #[prost(uint64, tag = "2")]
        pub(crate) sent: u64,
        #[prost(uint64, tag = "3")]
        pub(crate) returned: u64,
        #[prost(uint64, tag = "4")]
        pub(crate) late: u64,
        #[prost(uint64, tag = "7")]
        pub(crate) refused: u64,
        #[prost(uint64, tag = "8")]
        pub(crate) discarded: u64,
        #[prost(uint64, tag = "11")]
        pub(crate) missing_tx_stamp: u64,
        #[prost(uint64, tag = "12")]
        pub(crate) missing_rx_stamp: u64,
        #[prost(bytes = "vec", tag = "13")]
        pub(crate) delays_kernel: Vec<u8>,
        #[prost(bytes = "vec", tag = "14")]
        pub(crate) delays_kernel_rx: Vec<u8>,
        #[prost(bytes = "vec", tag = "15")]
        pub(crate) delays_user: Vec<u8>,
        #[prost(bytes = "vec", tag = "16")]
        pub(crate) delays_tcp_info: Vec<u8>,
        #[prost(uint64, tag = "17")]
        pub(crate) missing_follow_up: u64,
        #[prost(uint64, tag = "18")]
        pub(crate) lost_out: u64,
        #[prost(uint64, tag = "19")]
        pub(crate) lost_back: u64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Manifest {
        #[prost(string, tag = "2")]
        pub(crate) agent: String,
        #[prost(message, optional, tag = "4")]
        pub(crate) vantage_point: Option<VantagePoint>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct VantagePoint {
        #[prost(string, tag = "3")]
        pub(crate) city: String,
        #[prost(double, tag = "7")]
        pub(crate) longitude_deg: f64,
    }
}

fn manifest() -> Manifest {
    let series = |method| SeriesDescriptor {
        zone: ZoneKey::new("ionos", "fr/par", "fr/par").unwrap(),
        target: "ionos-par".into(),
        address: "[fd77::1]:8620".parse().unwrap(),
        granularity: Granularity::Zone,
        method,
        flow: 0,
        load: LoadLabel::Idle,
        period_ms: 1_000,
        waiting_time_ms: 2_000,
        dscp: 0,
        facet: Facet::default(),
        outgoing: Outgoing::default(),
    };
    Manifest {
        agent: "brest-orange-1".parse().unwrap(),
        agent_version: "0.1.0".into(),
        cloud: CloudPlace::default(),
        vantage_point: VantagePoint {
            name: "Brest (Orange)".into(),
            country: "FR".into(),
            city: "Brest".into(),
            network: "Orange".into(),
            asn: 3215,
            latitude_deg: 48.39,
            longitude_deg: -4.49,
        },
        series: vec![series(Method::Stamp), series(Method::TcpConnect)],
    }
}

fn report() -> Report {
    let kernel = DelayHistogram::from_values_us(&mut [11_700, 11_702, 11_900]);
    let user = DelayHistogram::from_values_us(&mut [11_780]);
    Report {
        agent: "brest-orange-1".parse().unwrap(),
        epoch: 1_700_000_000_000,
        sequence: 7,
        manifest: ManifestId(0x0123_4567_89ab_cdef),
        interval: Interval::new(1_700_000_010_000, 10_000).unwrap(),
        records: vec![SeriesRecord {
            series: 3,
            counts: ProbeCounts {
                sent: 6,
                returned: 5,
                discarded: 1,
                missing_tx_stamp: 1,
                ..Default::default()
            },
            delays: vec![(StampClock::Kernel, kernel), (StampClock::User, user)],
        }],
        paths: Vec::new(),
        throughput: Vec::new(),
        health: AgentHealth {
            send_lateness: DelayHistogram::from_values_us(&mut [40, 55]),
            clock_steps: 1,
            ..Default::default()
        },
    }
}

/// The report as agents wrote it first, its records as rows: by the independent library, from all this file uses.
fn in_rows(report: &Report) -> Vec<u8> {
    let row = |record: &SeriesRecord| {
        let delays = |clock| {
            let of = record.delays.iter().find(|(of, _)| *of == clock);
            of.map(|(_, delays)| delays.as_bytes().to_vec())
                .unwrap_or_default()
        };
        independent::SeriesRecord {
            series: record.series,
            sent: record.counts.sent,
            returned: record.counts.returned,
            late: record.counts.late,
            refused: record.counts.refused,
            discarded: record.counts.discarded,
            missing_tx_stamp: record.counts.missing_tx_stamp,
            missing_rx_stamp: record.counts.missing_rx_stamp,
            delays_kernel: delays(StampClock::Kernel),
            delays_kernel_rx: delays(StampClock::KernelRx),
            delays_user: delays(StampClock::User),
            delays_tcp_info: delays(StampClock::TcpInfo),
            missing_follow_up: record.counts.missing_follow_up,
            lost_out: record.counts.lost_out,
            lost_back: record.counts.lost_back,
        }
    };
    let message = independent::Report {
        codec: 1,
        profile: 1,
        agent: report.agent.to_string(),
        epoch: report.epoch,
        sequence: report.sequence,
        manifest: report.manifest.0,
        start_unix_ms: report.interval.start_unix_ms(),
        length_ms: report.interval.length_ms(),
        records: report.records.iter().map(row).collect(),
        health: Some(independent::AgentHealth {
            send_lateness: report.health.send_lateness.as_bytes().to_vec(),
            reports_dropped: report.health.reports_dropped,
            clock_steps: report.health.clock_steps,
        }),
        columns: None,
        paths: Vec::new(),
        throughput: Vec::new(),
    };
    message.encode_to_vec()
}

/// The report above, uncompressed, byte for byte, as it was written before there were columns. It must be read for ever.
const GOLDEN_ROWS: &[u8] = &[
    0x08, 0x01, 0x10, 0x01, 0x1a, 0x0e, 0x62, 0x72, 0x65, 0x73, 0x74, 0x2d, 0x6f, 0x72, 0x61, 0x6e, 0x67,
    0x65, 0x2d, 0x31, 0x20, 0x80, 0xd0, 0x95, 0xff, 0xbc, 0x31, 0x28, 0x07, 0x31, 0xef, 0xcd, 0xab, 0x89,
    0x67, 0x45, 0x23, 0x01, 0x38, 0x90, 0x9e, 0x96, 0xff, 0xbc, 0x31, 0x40, 0x90, 0x4e, 0x4a, 0x14, 0x08,
    0x03, 0x10, 0x06, 0x18, 0x05, 0x40, 0x01, 0x58, 0x01, 0x6a, 0x04, 0xed, 0x46, 0x00, 0x30, 0x7a, 0x02,
    0x80, 0x47, 0x52, 0x06, 0x0a, 0x02, 0x50, 0x1c, 0x28, 0x01,
];

/// The same as it is written now. A change here is a new codec version.
const GOLDEN: &[u8] = &[
    0x08, 0x01, 0x10, 0x01, 0x1a, 0x0e, 0x62, 0x72, 0x65, 0x73, 0x74, 0x2d, 0x6f, 0x72, 0x61, 0x6e, 0x67,
    0x65, 0x2d, 0x31, 0x20, 0x80, 0xd0, 0x95, 0xff, 0xbc, 0x31, 0x28, 0x07, 0x31, 0xef, 0xcd, 0xab, 0x89,
    0x67, 0x45, 0x23, 0x01, 0x38, 0x90, 0x9e, 0x96, 0xff, 0xbc, 0x31, 0x40, 0x90, 0x4e, 0x52, 0x06, 0x0a,
    0x02, 0x50, 0x1c, 0x28, 0x01, 0x5a, 0x1e, 0x0a, 0x01, 0x03, 0x12, 0x01, 0x06, 0x42, 0x01, 0x01, 0x5a,
    0x01, 0x01, 0x92, 0x01, 0x01, 0x03, 0x6a, 0x04, 0xed, 0x46, 0x00, 0x30, 0xa2, 0x01, 0x01, 0x01, 0x7a,
    0x02, 0x80, 0x47,
];

#[test]
fn golden_bytes_stand() {
    let plain = zstd::bulk::decompress(&encode_report(&report()), MAX_INFLATED_BYTES).unwrap();
    assert_eq!(plain, GOLDEN, "the wire form changed: {plain:02x?}");
    assert_eq!(in_rows(&report()), GOLDEN_ROWS);
    for golden in [GOLDEN, GOLDEN_ROWS] {
        assert_eq!(
            decode_report(&zstd::bulk::compress(golden, 1).unwrap()).unwrap(),
            report()
        );
    }
}

#[test]
fn a_side_of_a_target_has_its_own_fields_and_costs_nothing_where_there_is_one_side() {
    let usual = manifest();
    let mut later = manifest();
    later.series[1].facet = Facet {
        host: "zone-a.example.net".into(),
        phase: Phase::Tls,
        answer: Answer::CertificateExpired,
    };
    let frame = encode_manifest(&later);
    assert_eq!(decode_manifest(&frame).unwrap().0, later);
    let plain = |manifest| zstd::bulk::decompress(&encode_manifest(manifest), MAX_INFLATED_BYTES).unwrap();
    let (with, without) = (plain(&later), plain(&usual));
    let side: &[u8] = &[0xd0, 0x01, 0x04, 0xd8, 0x01, 0x05];
    assert!(with.windows(side.len()).any(|bytes| bytes == side), "{with:02x?}");
    assert_eq!(with.len() - without.len(), 2 + 1 + 18 + side.len());
    // As it was written before there were sides.
    assert_eq!(decode_manifest(&encode_manifest(&usual)).unwrap().0, usual);
    later.series[1].facet.host = "a\nb".into();
    assert!(decode_manifest(&encode_manifest(&later)).is_err());
}

#[test]
fn a_counter_of_a_later_release_has_its_own_field_and_an_older_reader_skips_it() {
    let mut later = report();
    later.records[0].counts.missing_follow_up = 2;
    later.records[0].counts.lost_back = 1;
    let frame = encode_report(&later);
    assert_eq!(decode_report(&frame).unwrap(), later);
    let plain = zstd::bulk::decompress(&frame, MAX_INFLATED_BYTES).unwrap();
    let read = independent::Report::decode(&plain[..]).unwrap().columns.unwrap();
    assert_eq!((read.missing_follow_up, read.sent), (vec![2], vec![6]));
    let rows = in_rows(&later);
    assert_eq!(
        decode_report(&zstd::bulk::compress(&rows, 1).unwrap()).unwrap(),
        later
    );
    let read = independent::Report::decode(&rows[..]).unwrap();
    assert_eq!((read.records[0].missing_follow_up, read.records[0].sent), (2, 6));
    assert_eq!((read.records[0].lost_out, read.records[0].lost_back), (0, 1));
    // One was lost, and on one way only.
    later.records[0].counts.lost_out = 1;
    assert!(decode_report(&encode_report(&later)).is_err());
}

#[test]
fn columns_and_rows_hold_the_same_to_an_independent_reader() {
    let mut sent = report();
    let mut second = sent.records[0].clone();
    second.series = 300;
    second.counts.sent = 7;
    second.counts.late = 200;
    second.delays.truncate(1);
    second.counts.returned = 4;
    sent.records.push(second);
    let frame = encode_report(&sent);
    assert_eq!(decode_report(&frame).unwrap(), sent);
    let plain = zstd::bulk::decompress(&frame, MAX_INFLATED_BYTES).unwrap();
    let read = independent::Report::decode(&plain[..]).unwrap();
    assert!(read.records.is_empty());
    let columns = read.columns.unwrap();
    let values = |mut bytes: &[u8]| {
        let mut values = Vec::new();
        while !bytes.is_empty() {
            values.push(prost::encoding::decode_varint(&mut bytes).unwrap());
        }
        values
    };
    assert_eq!(values(&columns.series), [3, 297]);
    assert_eq!(values(&columns.sent), [6, 7]);
    assert!(columns.returned.is_empty(), "it follows from the others");
    assert_eq!(values(&columns.late), [0, 200]);
    assert_eq!(values(&columns.discarded), [1], "the same in both");
    assert_eq!(values(&columns.missing_tx_stamp), [1]);
    assert_eq!(values(&columns.number_kernel), [3]);
    assert_eq!(values(&columns.number_user), [1, 0]);
    let delays = |at: usize| sent.records[0].delays[at].1.as_bytes();
    assert_eq!(columns.delays_kernel, [delays(0), delays(0)].concat());
    assert_eq!(columns.delays_user, delays(1));
}

#[test]
fn an_independent_reader_reads_the_same() {
    let plain = zstd::bulk::decompress(&encode_report(&report()), MAX_INFLATED_BYTES).unwrap();
    let read = independent::Report::decode(&plain[..]).unwrap();
    assert_eq!(
        (read.codec, read.profile, read.agent.as_str(), read.sequence),
        (1, 1, "brest-orange-1", 7)
    );
    assert_eq!(
        (read.manifest, read.start_unix_ms, read.length_ms),
        (0x0123_4567_89ab_cdef, 1_700_000_010_000, 10_000)
    );
    let health = read.health.unwrap();
    assert_eq!(health.send_lateness, report().health.send_lateness.as_bytes());
    let read = independent::Report::decode(GOLDEN_ROWS).unwrap();
    let record = &read.records[0];
    assert_eq!((record.series, record.sent, record.returned), (3, 6, 5));
    assert_eq!(record.delays_kernel, report().records[0].delays[0].1.as_bytes());
    assert!(record.delays_tcp_info.is_empty());

    let plain = zstd::bulk::decompress(&encode_manifest(&manifest()), MAX_INFLATED_BYTES).unwrap();
    let read = independent::Manifest::decode(&plain[..]).unwrap();
    let place = read.vantage_point.unwrap();
    assert_eq!(
        (read.agent.as_str(), place.city.as_str(), place.longitude_deg),
        ("brest-orange-1", "Brest", -4.49)
    );
}

#[test]
fn a_manifest_keeps_its_name() {
    let (decoded, id) = decode_manifest(&encode_manifest(&manifest())).unwrap();
    assert_eq!((&decoded, id), (&manifest(), manifest().id()));
    let mut moved = manifest();
    moved.vantage_point.city = "Quimper".into();
    assert_ne!(moved.id(), id);
}

#[test]
fn a_chosen_way_out_is_told_and_one_that_was_not_costs_no_octet() {
    // The name of these bytes as agents wrote them before a way out could be chosen.
    assert_eq!(manifest().id().0, 0x4bb7_32cb_610e_6d69);
    let mut chosen = manifest();
    chosen.series[1].flow = 3;
    chosen.series[1].dscp = 46;
    chosen.series[1].outgoing = Outgoing {
        source_address: Some("fd77::9".parse().unwrap()),
        interface: Some("eth1".into()),
        payload_bytes: 1_200,
        dont_fragment: true,
    };
    let (decoded, id) = decode_manifest(&encode_manifest(&chosen)).unwrap();
    assert_eq!((&decoded, id), (&chosen, chosen.id()));
    assert_ne!(id, manifest().id());
    chosen.series[1].outgoing.interface = Some("an-interface-too-long".into());
    assert_eq!(
        decode_manifest(&encode_manifest(&chosen)).unwrap_err().reason(),
        "bad_manifest"
    );
}

#[test]
fn a_batch_round_trips() {
    let tombstone = Tombstone {
        agent: "brest-orange-1".parse().unwrap(),
        epoch: 1,
        first_sequence: 1,
        last_sequence: 6,
        start_unix_ms: 10_000,
        end_unix_ms: 70_000,
        cause: LossCause::QueueFull,
    };
    let batch = Batch {
        manifests: vec![encode_manifest(&manifest())],
        items: vec![
            BatchItem::Tombstone(tombstone),
            BatchItem::Report {
                age_ms: 0,
                age_uncertain: false,
                frame: encode_report(&report()),
            },
            BatchItem::Report {
                age_ms: 86_400_000,
                age_uncertain: true,
                frame: encode_report(&report()),
            },
        ],
    };
    assert_eq!(decode_batch(&encode_batch(&batch)).unwrap(), batch);
}

#[test]
fn refusals_have_names() {
    let frame = |plain: &[u8]| zstd::bulk::compress(plain, 1).unwrap();
    let reason = |plain: &[u8]| decode_report(&frame(plain)).unwrap_err().reason();
    assert_eq!(reason(b""), "unsupported_version");
    assert_eq!(reason(&[0x08, 0x02]), "unsupported_version");
    assert_eq!(reason(&[0x08, 0x01, 0x10, 0x09]), "unsupported_profile");
    assert_eq!(reason(&[0x0a, 0x01]), "bad_encoding");
    assert_eq!(decode_report(b"garbage").unwrap_err().reason(), "bad_compression");
    assert_eq!(
        decode_report(&vec![0; 300_000]).unwrap_err().reason(),
        "too_large"
    );

    let mut contradictory = report();
    contradictory.records[0].counts.returned = 4;
    assert_eq!(
        decode_report(&encode_report(&contradictory))
            .unwrap_err()
            .reason(),
        "contradictory_counts"
    );
    let mut twice = report();
    twice.records.push(twice.records[0].clone());
    assert_eq!(
        decode_report(&encode_report(&twice)).unwrap_err().reason(),
        "contradictory_counts"
    );
    let mut nameless = manifest();
    nameless.series[0].target.clear();
    assert_eq!(
        decode_manifest(&encode_manifest(&nameless)).unwrap_err().reason(),
        "bad_manifest"
    );
}

#[test]
fn a_field_from_a_later_version_is_skipped() {
    let extended = [GOLDEN, &[0xa2, 0x06, 0x02, 0xde, 0xad]].concat();
    assert_eq!(
        decode_report(&zstd::bulk::compress(&extended, 1).unwrap()).unwrap(),
        report()
    );
}

/// The worst that fits: as many records as allowed, each with every clock, and as many bins as the inflated size holds.
fn largest_report() -> Report {
    let delays_us = |seed: u32| {
        (0..12_u32)
            .map(|i| 1 + (i * 5_003 + seed) % 60_000)
            .collect::<Vec<_>>()
    };
    let record = |series| {
        let histogram = DelayHistogram::from_values_us(&mut delays_us(series));
        let count = histogram.count() * 4;
        SeriesRecord {
            series,
            counts: ProbeCounts {
                sent: count,
                returned: count,
                ..Default::default()
            },
            delays: StampClock::ALL
                .iter()
                .map(|&clock| (clock, histogram.clone()))
                .collect(),
        }
    };
    Report {
        records: (0..4_096).map(record).collect(),
        ..report()
    }
}

fn path(hops: usize) -> Path {
    let hop = |number: usize| PathHop {
        addresses: if number % 3 == 2 {
            Vec::new()
        } else {
            vec![
                [10, 0, 0, number as u8].into(),
                std::net::Ipv6Addr::LOCALHOST.into(),
            ]
        },
        sent: 3,
        answered: if number % 3 == 2 { 0 } else { 2 },
        min_us: (number % 3 != 2).then_some(700 + number as u32),
        median_us: (number % 3 != 2).then_some(900 + number as u32),
    };
    Path {
        hops: (0..hops).map(hop).collect(),
        reached: true,
    }
}

fn event(before: Option<Path>, hops: usize) -> PathEvent {
    PathEvent {
        series: 3,
        at_unix_ms: 1_700_000_011_000,
        reason: PathReason::DelayShift,
        before,
        after: path(hops),
    }
}

#[test]
fn path_events_travel_with_the_report_and_cost_nothing_when_there_are_none() {
    let told = Report {
        paths: vec![event(None, 4), event(Some(path(3)), 5)],
        ..report()
    };
    let frame = encode_report(&told);
    assert_eq!(decode_report(&frame).unwrap(), told);
    let plain = zstd::bulk::decompress(&frame, MAX_INFLATED_BYTES).unwrap();
    let read = independent::Report::decode(&plain[..]).unwrap().paths;
    assert_eq!((read.len(), read[0].reason, read[0].series), (2, 2, 3));
    assert!(read[0].before.is_none());
    let after = read[1].after.as_ref().unwrap();
    assert_eq!((after.reached, after.hops.len()), (true, 5));
    assert_eq!(
        after.hops[0].addresses,
        [vec![10, 0, 0, 0], [vec![0; 15], vec![1]].concat()]
    );
    assert_eq!(
        (after.hops[2].sent, after.hops[2].answered, after.hops[2].min_us),
        (3, 0, 0)
    );
    let without = zstd::bulk::decompress(&encode_report(&report()), MAX_INFLATED_BYTES).unwrap();
    assert_eq!(without, GOLDEN, "not an octet more");
}

#[test]
fn path_events_that_contradict_themselves_or_are_too_many_are_refused() {
    let refused = |paths: Vec<PathEvent>| {
        let report = Report { paths, ..report() };
        decode_report(&encode_report(&report))
            .expect_err("refused")
            .reason()
    };
    assert_eq!(refused(vec![event(None, 1); MAX_PATH_EVENTS + 1]), "too_many");
    assert_eq!(refused(vec![event(None, MAX_HOPS + 1)]), "too_many");
    assert_eq!(
        refused(vec![event(Some(path(MAX_HOPS)), MAX_HOPS); 65]),
        "too_many"
    );
    let mut more_answers_than_probes = event(None, 1);
    more_answers_than_probes.after.hops[0].answered = 4;
    assert_eq!(refused(vec![more_answers_than_probes]), "bad_path");
    let message = independent::Report {
        paths: vec![independent::PathEvent::default()],
        ..independent::Report::decode(GOLDEN).unwrap()
    };
    let frame = zstd::bulk::compress(&message.encode_to_vec(), 1).unwrap();
    assert_eq!(
        decode_report(&frame).expect_err("no reason, no path").reason(),
        "bad_value"
    );
}

#[test]
fn decoding_stays_within_4_mib() {
    let many_paths = {
        let mut report = report();
        report.paths = vec![event(Some(path(32)), 32); MAX_PATH_EVENTS];
        for path in report
            .paths
            .iter_mut()
            .flat_map(|event| event.before.iter_mut().chain([&mut event.after]))
        {
            for hop in &mut path.hops {
                hop.addresses = vec![[10, 0, 0, 1].into(); 4];
            }
        }
        let frame = encode_report(&report);
        assert!(decode_report(&frame).is_ok(), "the most there may be");
        frame
    };
    let many_empty_records = {
        let mut plain = GOLDEN.to_vec();
        plain.extend([0x4a, 0x00].repeat(400_000));
        zstd::bulk::compress(&plain, 19).unwrap()
    };
    let many_in_columns = {
        let series = [1].repeat(900_000);
        let columns = independent::Columns {
            series,
            ..Default::default()
        };
        let message = independent::Report {
            columns: Some(columns),
            ..independent::Report::decode(GOLDEN).unwrap()
        };
        zstd::bulk::compress(&message.encode_to_vec(), 19).unwrap()
    };
    let largest = encode_report(&largest_report());
    let largest_rows = zstd::bulk::compress(&in_rows(&largest_report()), 3).unwrap();
    assert!(
        decode_report(&largest).is_ok() && decode_report(&largest_rows).is_ok(),
        "the largest report must be one that is accepted"
    );
    for (name, frame) in [
        ("largest", &largest),
        ("largest in rows", &largest_rows),
        ("many empty records", &many_empty_records),
        ("many records in columns", &many_in_columns),
        ("many paths", &many_paths),
    ] {
        let before = HEAP.current_usage();
        HEAP.reset_peak_usage();
        let _ = decode_report(frame);
        let used = HEAP.peak_usage() - before;
        assert!(used <= 4 * 1024 * 1024, "{name} took {used} bytes");
    }
}

fn any_histogram() -> impl Strategy<Value = DelayHistogram> {
    prop::collection::vec(1_u32..=60_000_000, 1..40)
        .prop_map(|mut delays| DelayHistogram::from_values_us(&mut delays))
}

prop_compose! {
    fn any_record()(
        kernel in prop::option::of(any_histogram()),
        user in prop::option::of(any_histogram()),
        (refused, discarded, lost, late) in (0_u64..9, 0_u64..9, 0_u64..9, 0_u64..9),
    ) -> SeriesRecord {
        let delays: Vec<_> =
            [(StampClock::Kernel, kernel), (StampClock::User, user)].into_iter().filter_map(|(c, h)| Some((c, h?))).collect();
        let returned = delays.iter().map(|(_, h)| h.count()).sum::<u64>() + refused + discarded;
        let counts = ProbeCounts { sent: returned + lost, returned, refused, discarded, late, ..Default::default() };
        SeriesRecord { series: 0, counts, delays }
    }
}

prop_compose! {
    fn any_report()(
        mut records in prop::collection::vec(any_record(), 0..20),
        (epoch, sequence, manifest) in (any::<u64>(), 1_u64.., any::<u64>()),
        slot in 0_u64..10_000_000,
        send_lateness in any_histogram(),
    ) -> Report {
        for (series, record) in records.iter_mut().enumerate() {
            record.series = series as u32 * 3;
        }
        Report {
            agent: "a".parse().unwrap(),
            epoch,
            sequence,
            manifest: ManifestId(manifest),
            interval: Interval::new(slot * 10_000, 10_000).unwrap(),
            records,
            paths: Vec::new(),
            throughput: Vec::new(),
            health: AgentHealth { send_lateness, reports_dropped: epoch, ..Default::default() },
        }
    }
}

proptest! {
    #[test]
    fn decode_of_encode_is_the_report(report in any_report()) {
        prop_assert_eq!(&decode_report(&encode_report(&report)).unwrap(), &report);
        let rows = zstd::bulk::compress(&in_rows(&report), 1).unwrap();
        prop_assert_eq!(decode_report(&rows).unwrap(), report);
    }

    #[test]
    fn any_bytes_are_met_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = decode_report(&bytes);
        let _ = decode_manifest(&bytes);
        let _ = decode_batch(&bytes);
        let inside = zstd::bulk::compress(&bytes, 1).unwrap();
        let _ = decode_report(&inside);
        let _ = decode_manifest(&inside);
    }

    #[test]
    fn any_damage_is_met_without_panic(at in any::<prop::sample::Index>(), byte: u8, cut in any::<prop::sample::Index>()) {
        let plain = zstd::bulk::decompress(&encode_manifest(&manifest()), MAX_INFLATED_BYTES).unwrap();
        for mut damaged in [GOLDEN.to_vec(), GOLDEN_ROWS.to_vec(), plain] {
            let position = at.index(damaged.len());
            damaged[position] = byte;
            damaged.truncate(cut.index(damaged.len()) + 1);
            let frame = zstd::bulk::compress(&damaged, 1).unwrap();
            if let Ok(report) = decode_report(&frame) {
                prop_assert!(report.check().is_ok());
            }
            let _ = decode_manifest(&frame);
        }
    }
}
