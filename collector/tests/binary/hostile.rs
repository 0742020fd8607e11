//! Hostile input over HTTP against the real binary: histograms that other decoders pay gigabytes for, bombs, and an agent
//! that describes series without end. Each is refused by name, for next to no memory, and nobody else notices.
//!
//! The rows of the histogram tables are named by what they do to an HdrHistogram decoder. This collector has none behind
//! HTTP, so each is sent as what it is, and as what does the same in our own wire form.
//!
//! | elsewhere | where it is tested |
//! |---|---|
//! | the same bytes at the guard that import stands behind, with their memory | `measurement/tests/interchange.rs`, fuzz target `hlog_import` |
//! | frames and batches of any bytes | `measurement/tests/codec.rs`, fuzz targets `decode_batch`, `decode_report`, `histogram_bytes` |
//! | any body, any query | fuzz targets `report_body`, `query_parameters` (`collector/tests/fuzz_seeds.rs`) |
//! | dripping heads and bodies, idle connections | `slow.rs` beside this file |
//! | a flood of bodies | `collector/src/ingest/hold.rs`, `share.rs`, `committer.rs` |
//! | replays, reorders | `collector/tests/replays.rs` |
//! | wrong clocks | `refusals.rs` beside this file, `collector/src/ingest.rs`, `collector/src/ingest/placement.rs` |
//! | spool segments of any bytes | `agent/tests/spool_faults/`, fuzz target `spool_segment` |
//! | forged STAMP and ICMP, reflection loops | `agent/tests/loopback.rs`, `agent/tests/icmp/`, fuzz target `icmp_message` |

use std::io::Write as _;

use azimuth_collector::clock;
use azimuth_measurement::codec::{Batch, BatchItem, encode_batch, encode_manifest, encode_report, varint};
use azimuth_measurement::{DelayHistogram, Manifest, SeriesDescriptor};

use super::fleet::{body, manifest, report, slot_before};
use super::process::{Answer, Collector, command};

/// More than the collector may take for all of it; what the rows ask for is measured in gigabytes.
const MOST_MEMORY_KIB: u64 = 16 * 1024;
const MINUTE_US: u64 = 60_000_000;

/// The largest the process has been, in KiB.
fn peak_kib(collector: &Collector) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", collector.pid())).expect("it runs");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("a peak");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn verdict(answer: &Answer, at: usize) -> (String, String) {
    assert_eq!(answer.status, 200, "{answer:?}");
    let verdict = &answer.json()["verdicts"][at];
    let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    (word(&verdict["verdict"]), word(&verdict["problem"]["reason"]))
}

// Protobuf, as far as it takes to say what no encoder would.

fn number(field: u64, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    varint::write(&mut out, field << 3);
    varint::write(&mut out, value);
    out
}

/// A field of bytes that says it is `length` long.
fn said_to_be(field: u64, length: u64, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    varint::write(&mut out, field << 3 | 2);
    varint::write(&mut out, length);
    out.extend(bytes);
    out
}

fn bytes(field: u64, bytes: &[u8]) -> Vec<u8> {
    said_to_be(field, bytes.len() as u64, bytes)
}

/// One more record, of series 1 with one probe that returned, and these bytes for its delays.
fn record(delays: &[u8]) -> Vec<u8> {
    bytes(
        9,
        &[number(1, 1), number(2, 1), number(3, 1), bytes(13, delays)].concat(),
    )
}

/// A bin of our form: `gap` empty buckets, then a count.
fn bin(gap: u64, count: u64) -> Vec<u8> {
    let mut out = Vec::new();
    varint::write(&mut out, gap << 1 | u64::from(count > 1));
    if count > 1 {
        varint::write(&mut out, count - 2);
    }
    out
}

// HdrHistogram V2.

fn header(payload: u32, digits: u32, lowest: u64, highest: u64) -> Vec<u8> {
    let mut bytes = 0x1c84_9313_u32.to_be_bytes().to_vec();
    bytes.extend(payload.to_be_bytes());
    bytes.extend(0_u32.to_be_bytes());
    bytes.extend(digits.to_be_bytes());
    bytes.extend(lowest.to_be_bytes());
    bytes.extend(highest.to_be_bytes());
    bytes.extend(1_f64.to_be_bytes());
    bytes
}

/// Zigzag, in at most nine bytes.
fn zigzag(value: i64) -> Vec<u8> {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    let mut bytes = Vec::new();
    while bytes.len() < 8 && rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

fn v2(digits: u32, lowest: u64, highest: u64, counts: &[i64]) -> Vec<u8> {
    let counts: Vec<u8> = counts.iter().flat_map(|&count| zigzag(count)).collect();
    let mut bytes = header(counts.len() as u32, digits, lowest, highest);
    bytes.extend(counts);
    bytes
}

fn deflated(head: &[u8], zeros: usize) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(head).expect("memory");
    encoder.write_all(&vec![0; zeros]).expect("memory");
    let stream = encoder.finish().expect("memory");
    let mut bytes = 0x1c84_9314_u32.to_be_bytes().to_vec();
    bytes.extend((stream.len() as u32).to_be_bytes());
    bytes.extend(stream);
    bytes
}

/// So many MiB of zeros in one zstd frame that does not say how many.
fn zstd_zeros(mib: usize) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("an encoder");
    let zeros = vec![0; 1024 * 1024];
    for _ in 0..mib {
        encoder.write_all(&zeros).expect("memory");
    }
    encoder.finish().expect("memory")
}

/// The same in our own form.
enum Ours {
    /// Behind a sound report, within its frame.
    Behind(Vec<u8>),
    /// In place of its frame.
    Frame(Vec<u8>),
}

struct Row {
    name: &'static str,
    theirs: Vec<u8>,
    ours: Ours,
    reason: &'static str,
}

fn rows() -> Vec<Row> {
    let row = |name, theirs, ours, reason| Row {
        name,
        theirs,
        ours,
        reason,
    };
    let endless = header(u32::MAX, 3, 1, MINUTE_US);
    // RFC 8878: a single segment of 2^32 - 1 bytes, and none of them.
    let mut endless_frame = vec![0x28, 0xB5, 0x2F, 0xFD, 0xE0];
    endless_frame.extend(u64::from(u32::MAX).to_le_bytes());
    let mut cut = header(1, 3, 1, MINUTE_US);
    cut.push(0x80);
    let overflowing = [bin(0, 1 << 63), bin(0, 1 << 63), bin(0, 2)].concat();
    vec![
        row(
            "V2, payload length 0xFFFFFFFF, no payload",
            endless.clone(),
            Ours::Behind(bytes(9, &said_to_be(13, u32::MAX.into(), &[]))),
            "bad_encoding",
        ),
        row(
            "the same inside V2-deflate",
            deflated(&endless, 0),
            Ours::Frame(endless_frame),
            "too_large",
        ),
        row(
            "low 1, high u64::MAX, sigfig 5, one count",
            v2(5, 1, u64::MAX, &[1]),
            Ours::Behind(number(2, 2)),
            "unsupported_profile",
        ),
        row(
            "the same as a bucket",
            v2(5, 1, u64::MAX, &[-6_291_455, 1]),
            Ours::Behind(record(&bin(6_291_455, 1))),
            "bad_histogram",
        ),
        row(
            "1 GiB of zero counts, deflated",
            deflated(&header(1 << 30, 3, 1, MINUTE_US), 64 * 1024 * 1024),
            Ours::Frame(zstd_zeros(1_024)),
            "bad_compression",
        ),
        row(
            "two counts of i64::MAX and a 2",
            v2(3, 1, MINUTE_US, &[0, i64::MAX, i64::MAX, 2]),
            Ours::Behind(record(&overflowing)),
            "bad_histogram",
        ),
        row(
            "zero-run of i64::MIN",
            v2(3, 1, MINUTE_US, &[i64::MIN, 1]),
            Ours::Behind(record(&bin(i64::MAX as u64, 1))),
            "bad_histogram",
        ),
        row(
            "high 1000, count in bin 2047",
            v2(3, 1, 1_000, &[-2_047, 1]),
            Ours::Behind(record(&bin(17_408, 1))),
            "bad_histogram",
        ),
        row(
            "zero-run of 2^62 then nothing",
            v2(3, 1, MINUTE_US, &[-(1 << 62)]),
            Ours::Behind(record(&bin(1 << 62, 1))),
            "bad_histogram",
        ),
        row(
            "truncated varint",
            cut,
            Ours::Behind(record(&[0x80])),
            "bad_histogram",
        ),
        row(
            "bad cookie",
            b"\x1c\x84\x93\x08aaaa".to_vec(),
            Ours::Frame(b"\x28\xb5\x2f\xfcaaaa".to_vec()),
            "bad_compression",
        ),
        row(
            "low near 2^53",
            v2(3, (1 << 53) - 1, 1 << 54, &[1]),
            Ours::Behind(record(&bin(1 << 53, 1))),
            "bad_histogram",
        ),
    ]
}

#[test]
fn each_hostile_histogram_is_refused_by_name_and_costs_next_to_nothing() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let collector = Collector::start(directory.path());
    let now = clock::unix_ms();
    let manifest = manifest("a", 2);
    let mut sound = report(&manifest, 1, slot_before(now, 2), &[500]);
    sound.records.truncate(1);
    let plain = zstd::bulk::decompress(&encode_report(&sound), 65_536).expect("ours");
    let with = |behind: &[u8]| zstd::bulk::compress(&[&plain[..], behind].concat(), 1).expect("memory");
    let deliver = |frames: Vec<Vec<u8>>| {
        let items = frames.into_iter().map(|frame| BatchItem::Report {
            age_ms: 1_000,
            age_uncertain: false,
            frame,
        });
        let batch = Batch {
            manifests: vec![encode_manifest(&manifest)],
            items: items.collect(),
        };
        collector.deliver(&encode_batch(&batch)).expect("an answer")
    };
    // What carries the rows is sound by itself, so what is refused is the rows.
    let stored = deliver(vec![with(&record(
        DelayHistogram::from_values_us(&mut [900]).as_bytes(),
    ))]);
    assert_eq!(verdict(&stored, 0), ("stored".to_owned(), String::new()));

    let rows = rows();
    let before_kib = peak_kib(&collector);
    for row in &rows {
        let frame = match &row.ours {
            Ours::Behind(behind) => with(behind),
            Ours::Frame(frame) => frame.clone(),
        };
        let answer = deliver(vec![frame, row.theirs.clone(), with(&record(&row.theirs))]);
        assert_eq!(
            verdict(&answer, 0),
            ("refused".to_owned(), row.reason.to_owned()),
            "{} in our form",
            row.name
        );
        assert_eq!(
            verdict(&answer, 1),
            ("refused".to_owned(), "bad_compression".to_owned()),
            "{} as a frame",
            row.name
        );
        let (word, reason) = verdict(&answer, 2);
        assert_eq!(word, "refused", "{} as delays", row.name);
        assert!(
            ["bad_histogram", "contradictory_counts"].contains(&reason.as_str()),
            "{} as delays: {reason}",
            row.name
        );
        let whole = collector.deliver(&row.theirs).expect("an answer");
        assert_eq!(whole.status, 400, "{} as a body", row.name);
    }
    let took_kib = peak_kib(&collector) - before_kib;
    assert!(
        took_kib <= MOST_MEMORY_KIB,
        "{} rows took {took_kib} KiB",
        rows.len()
    );
    assert_eq!(collector.counter("azimuth_ingest_histograms_stored_total"), 2);
    assert_eq!(collector.get("/readyz").status, 200);
}

#[test]
fn a_bomb_stays_what_it_was_on_the_wire() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let collector = Collector::start(directory.path());
    let now = clock::unix_ms();
    let manifest = manifest("a", 1);
    let sound = body(
        &[&manifest],
        &[report(&manifest, 1, slot_before(now, 2), &[500])],
        now,
    );
    assert_eq!(
        verdict(&collector.deliver(&sound).expect("an answer"), 0).0,
        "stored"
    );
    let before_kib = peak_kib(&collector);

    // A body that says it is compressed is taken as it came.
    let gigabyte = zstd_zeros(1_024);
    for encoding in ["zstd", "gzip", "deflate", "br"] {
        let headers = [
            ("content-type", "application/x-protobuf"),
            ("content-encoding", encoding),
        ];
        let answer = collector.request("POST", "/api/v1/reports", &headers, &gigabyte);
        assert_eq!(answer.expect("an answer").status, 400, "{encoding}");
    }
    // As many frames as a batch holds, each as large inside as it may be: half a gigabyte, a frame at a time.
    let frame = zstd::bulk::compress(&vec![0; 1024 * 1024], 1).expect("memory");
    let batch = Batch {
        manifests: Vec::new(),
        items: vec![
            BatchItem::Report {
                age_ms: 1_000,
                age_uncertain: false,
                frame
            };
            512
        ],
    };
    let answer = collector.deliver(&encode_batch(&batch)).expect("an answer");
    for at in 0..512 {
        assert_eq!(verdict(&answer, at).0, "refused");
    }
    // Its manifests too: the first that is none ends the body.
    let batch = Batch {
        manifests: vec![gigabyte.clone(); 8],
        items: Vec::new(),
    };
    let answer = collector.deliver(&encode_batch(&batch)).expect("an answer");
    assert_eq!(
        (answer.status, &answer.json()["reason"]),
        (400, &"bad_compression".into())
    );
    let took_kib = peak_kib(&collector) - before_kib;
    assert!(took_kib <= MOST_MEMORY_KIB, "the bombs took {took_kib} KiB");
}

#[test]
fn an_agent_that_describes_series_without_end_is_held_to_its_share_and_nobody_else_notices() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let file = directory.path().join("collector.toml");
    std::fs::write(
        &file,
        "[limits]\nseries_per_agent = 9\nnew_series_per_agent_per_hour = 6\nnew_manifests_per_agent_per_hour = 100\n",
    )
    .expect("writable");
    let data = directory.path().join("data");
    let start = || {
        let mut command = command(&data);
        command.arg("--config").arg(&file);
        Collector::spawn(command)
    };
    let collector = start();
    let now = clock::unix_ms();
    let honest = manifest("honest", 3);
    let (plain, endless) = (manifest("endless", 4), "endless");
    // Three series it has always had, and five new ones each time.
    let describing = |round: usize| {
        let new = |number| SeriesDescriptor {
            target: format!("target-{round}-{number}"),
            ..plain.series[3].clone()
        };
        Manifest {
            series: plain.series[..3].iter().cloned().chain((0..5).map(new)).collect(),
            ..manifest(endless, 1)
        }
    };
    let mut refused = [0, 0];
    for round in 0..20 {
        let manifest = describing(round);
        let sequence = round as u64 + 1;
        let start = slot_before(now, 30 - sequence);
        let reports = [
            report(&manifest, sequence, start, &[500]),
            report(&honest, sequence, start, &[500]),
        ];
        let answer = collector
            .deliver(&body(&[&manifest, &honest], &reports, now))
            .expect("an answer");
        assert_eq!(
            verdict(&answer, 0).0,
            "stored",
            "the three it has always had flow"
        );
        let verdicts = &answer.json()["verdicts"];
        for (sum, reason) in refused.iter_mut().zip(["series_limit", "new_series_rate"]) {
            *sum += verdicts[0]["refused_records"][reason].as_u64().unwrap_or(0);
        }
        assert_eq!(verdicts[1]["verdict"], "stored");
        assert_eq!(verdicts[1].get("refused_records"), None, "nobody else notices");
    }
    assert_eq!(
        refused,
        [19 * 2, 2 + 19 * 3],
        "three wait for their hour, two for ever"
    );
    let counted = |collector: &Collector| {
        ["series_limit", "new_series_rate"].map(|reason| {
            collector.counter(&format!(
                "azimuth_ingest_records_refused_total{{reason=\"{reason}\"}}"
            ))
        })
    };
    assert_eq!(counted(&collector), refused);
    assert_eq!(collector.counter("azimuth_series"), 6 + 3);
    let stored = 20 * 8 + 20 * 3 - refused.iter().sum::<u64>();
    assert_eq!(
        collector.counter("azimuth_ingest_histograms_stored_total"),
        stored
    );

    // A restart gives no new allowance.
    assert!(collector.terminate().0.success());
    let again = start();
    let manifest = describing(20);
    let reports = [report(&manifest, 21, slot_before(now, 2), &[500])];
    let answer = again
        .deliver(&body(&[&manifest], &reports, now))
        .expect("an answer");
    assert_eq!(
        answer.json()["verdicts"][0]["refused_records"],
        serde_json::json!({"series_limit": 2, "new_series_rate": 3})
    );
    assert_eq!(again.counter("azimuth_series"), 6 + 3);
}
