//! Hostile HdrHistogram bytes: each is refused, with its reason, for next to no memory. The library whose arithmetic ours is
//! held against takes gigabytes for some of them, so it is not asked here.
#![cfg(feature = "interchange")]
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot build its own input should fail loudly"
)]

use std::io::Write as _;

use azimuth_measurement::interchange::v2::{MAX_WIRE_BYTES, decode};
use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Bytes of a V2 header with these fields.
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

fn number(value: i64) -> Vec<u8> {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    let mut bytes = Vec::new();
    while bytes.len() < 8 && rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

fn with_counts(highest: u64, counts: &[i64]) -> Vec<u8> {
    let counts: Vec<u8> = counts.iter().flat_map(|&count| number(count)).collect();
    let mut bytes = header(counts.len() as u32, 3, 1, highest);
    bytes.extend(counts);
    bytes
}

fn compressed(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(plain).unwrap();
    framed(&encoder.finish().unwrap())
}

fn framed(stream: &[u8]) -> Vec<u8> {
    let mut bytes = 0x1c84_9314_u32.to_be_bytes().to_vec();
    bytes.extend((stream.len() as u32).to_be_bytes());
    bytes.extend(stream);
    bytes
}

/// The table of the hostile: what it is, its bytes, the words of the refusal.
fn hostile() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    const MINUTE: u64 = 60_000_000;
    let endless = header(u32::MAX, 3, 1, MINUTE);
    let huge = {
        let mut bytes = header(1, 5, 1, u64::MAX);
        bytes.extend(number(1));
        bytes
    };
    let bomb = {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&header(1 << 30, 3, 1, MINUTE)).unwrap();
        let zeros = vec![0; 1 << 20];
        // As many as fit under the wire cap: about 150 MiB.
        for _ in 0..150 {
            encoder.write_all(&zeros).unwrap();
        }
        framed(&encoder.finish().unwrap())
    };
    let mut trailing = compressed(&with_counts(MINUTE, &[0, 1]));
    trailing.extend(b"more");
    let length = trailing.len() as u32 - 8;
    trailing[4..8].copy_from_slice(&length.to_be_bytes());
    let mut shifted = with_counts(MINUTE, &[0, 1]);
    shifted[11] = 1;
    let mut cut = header(1, 3, 1, MINUTE);
    cut.push(0x80);
    vec![
        (
            "4 GiB declared, nothing sent",
            endless.clone(),
            "4294967295 bytes follow",
        ),
        (
            "the same, compressed",
            compressed(&endless),
            "4294967295 bytes follow",
        ),
        ("six million bins", huge.clone(), "cannot be mapped"),
        ("the same, compressed", compressed(&huge), "cannot be mapped"),
        ("a zlib bomb", bomb, "larger than"),
        (
            "counts that overflow",
            with_counts(MINUTE, &[0, i64::MAX, i64::MAX, 2]),
            "more than",
        ),
        (
            "a total beyond the limit",
            with_counts(MINUTE, &[0, 1 << 40, 1]),
            "more than",
        ),
        (
            "a run of i64::MIN",
            with_counts(MINUTE, &[i64::MIN, 1]),
            "run of 9223372036854775808",
        ),
        (
            "a run of 2^62",
            with_counts(MINUTE, &[-(1 << 62)]),
            "run of 4611686018427387904",
        ),
        (
            "a delay above the header's highest",
            with_counts(1_000, &[-2_047, 1]),
            "delay of 2047 us",
        ),
        (
            "a delay above ours",
            with_counts(3_600_000_000, &[-17_408, 1]),
            "delay of 67108864 us",
        ),
        ("a delay of nothing", with_counts(MINUTE, &[1]), "delay of 0 us"),
        ("a number cut short", cut, "cut short at byte 0"),
        ("another cookie", b"\x1c\x84\x93\x08aaaa".to_vec(), "0x1c849308"),
        ("a shifted index", shifted, "offset 1"),
        ("bytes behind the stream", trailing, "one whole zlib stream"),
        ("too many bytes", vec![0; MAX_WIRE_BYTES + 1], "larger than"),
        ("no bytes", Vec::new(), "less than a header"),
        (
            "compressed twice",
            compressed(&compressed(&with_counts(MINUTE, &[0, 1]))),
            "0x1c849314",
        ),
    ]
}

#[test]
fn every_hostile_histogram_is_refused_cheaply() {
    for (name, bytes, reason) in hostile() {
        let before = HEAP.current_usage();
        HEAP.reset_peak_usage();
        let refusal = decode(&bytes).unwrap_err();
        let used = HEAP.peak_usage() - before;
        assert!(refusal.to_string().contains(reason), "{name}: {refusal}");
        assert!(used <= 1024 * 1024, "{name} took {used} bytes");
    }
}
