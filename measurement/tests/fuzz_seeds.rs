//! The fuzz targets about this part, replayed over their seeds with the stable toolchain.
#![cfg(feature = "interchange")]
#![expect(clippy::panic, reason = "what is replayed says by a panic what does not hold")]

#[path = "../../fuzz/bodies/decode_batch.rs"]
mod decode_batch;
#[path = "../../fuzz/bodies/decode_report.rs"]
mod decode_report;
#[path = "../../collector/tests/binary/fleet.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod fleet;
#[path = "../../fuzz/bodies/histogram_bytes.rs"]
mod histogram_bytes;
#[path = "../../fuzz/bodies/hlog_import.rs"]
mod hlog_import;
#[path = "../../fuzz/bodies/replay.rs"]
mod replay;

use azimuth_measurement::codec::{Batch, BatchItem, encode_batch, encode_manifest, encode_report};
use azimuth_measurement::interchange::log::{LogEntry, write_entry, write_head};
use azimuth_measurement::interchange::v2;
use azimuth_measurement::{DelayHistogram, LossCause, Tombstone};

/// 2026-11-23T10:00:00Z.
const T0: u64 = 1_795_428_000_000;

fn delays() -> DelayHistogram {
    DelayHistogram::from_values_us(&mut [1, 500, 501, 501, 11_700, 60_000_000])
}

fn inside(frame: &[u8]) -> Vec<u8> {
    zstd::bulk::decompress(frame, 65_536).expect("ours")
}

#[test]
fn decode_batch_holds_for_its_seeds() {
    let manifest = fleet::manifest("a", 2);
    let report = fleet::report(&manifest, 1, T0, &[500, 700]);
    let tombstone = BatchItem::Tombstone(Tombstone {
        agent: manifest.agent.clone(),
        epoch: fleet::EPOCH,
        first_sequence: 2,
        last_sequence: 9,
        start_unix_ms: T0,
        end_unix_ms: T0 + 80_000,
        cause: LossCause::QueueFull,
    });
    let both = Batch {
        manifests: vec![encode_manifest(&manifest)],
        items: vec![
            BatchItem::Report {
                age_uncertain: false,
                age_ms: 1_000,
                frame: encode_report(&report),
            },
            tombstone.clone(),
        ],
    };
    let alone = Batch {
        manifests: Vec::new(),
        items: vec![tombstone],
    };
    let made = [
        ("both", encode_batch(&both)),
        ("tombstone", encode_batch(&alone)),
        ("empty", Vec::new()),
    ];
    replay::replay("decode_batch", &made, decode_batch::run);
}

#[test]
fn decode_report_holds_for_its_seeds() {
    let manifest = fleet::manifest("a", 2);
    let report = fleet::report(&manifest, 1, T0, &[500, 700]);
    let made = [
        ("report", inside(&encode_report(&report))),
        ("report_frame", encode_report(&report)),
        ("manifest", inside(&encode_manifest(&manifest))),
        ("manifest_frame", encode_manifest(&manifest)),
    ];
    replay::replay("decode_report", &made, decode_report::run);
}

#[test]
fn histogram_bytes_holds_for_its_seeds() {
    let made = [
        ("delays", delays().as_bytes().to_vec()),
        ("cut", vec![0x80]),
        ("beyond", vec![0x80, 0x90, 0x02]),
        ("many", vec![1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x1F]),
    ];
    replay::replay("histogram_bytes", &made, histogram_bytes::run);
}

#[test]
fn hlog_import_holds_for_its_seeds() {
    let mut log = String::new();
    write_head(&mut log, "a seed", T0);
    for tag in [None, Some("aws-euw3-az1".to_owned())] {
        let entry = LogEntry {
            tag,
            start_unix_ms: T0,
            length_ms: 10_000,
            delays: delays(),
        };
        write_entry(&mut log, &entry);
    }
    let made = [
        ("log", log.into_bytes()),
        ("v2", v2::encode(&delays())),
        ("v2_compressed", v2::encode_compressed(&delays())),
    ];
    replay::replay("hlog_import", &made, hlog_import::run);
}
