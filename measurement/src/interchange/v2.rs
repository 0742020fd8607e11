//! HdrHistogram's V2 encoding, written and read straight from sparse bins: no dense array, whatever the header says.
//!
//! The layout is that of `org.HdrHistogram`'s `encodeIntoByteBuffer` and `encodeIntoCompressedByteBuffer`: big-endian
//! header of 40 bytes, then one ZigZag LEB128 number per bucket, at most 9 bytes each, a negative number standing for a run
//! of empty buckets; compressed, the whole as one zlib stream behind a header of 8 bytes.
//!
//! Reading is a guard: the crate whose arithmetic ours is held against allocates what a header of 40 bytes asks for, up to
//! 4 GiB, so it is never given a byte from outside.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::bufread::ZlibDecoder;
use flate2::write::ZlibEncoder;
use thiserror::Error;

use crate::counts::MAX_COUNT;
use crate::histogram::bucket::{BUCKETS, BucketIndex, MAX_DELAY_US};
use crate::histogram::{BinsError, DelayHistogram};

/// Most bytes of one histogram, compressed or plain. The fullest of ours takes less.
pub const MAX_WIRE_BYTES: usize = 160 * 1024;
/// The greatest range a header may name, in microseconds: one hour, which other tools like. With 1 as the lowest value and
/// 3 digits the index space is the same whatever the range, so nothing is lost on the way into ours.
pub const MAX_RANGE_US: u64 = 3_600_000_000;

const COOKIE_PLAIN: u32 = 0x1c84_9313;
const COOKIE_COMPRESSED: u32 = 0x1c84_9314;
const HEADER_BYTES: usize = 40;
const DIGITS: u32 = 3;
/// What hdr-histogram-js 3 writes into every header for offset and ratio, and reads from none: whole numbers of one. As a
/// ratio that would be 5e-324, which nobody scales by, so it is no other program's shift.
const UNSCALED_IN_JAVASCRIPT: (u32, u64) = (1, 1);
/// Buckets of [`MAX_RANGE_US`]; no run of empty ones may go beyond.
const MAX_BUCKETS: u64 = 23_552;

/// The bytes are not a histogram that ours can hold without loss.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum V2Error {
    /// Beyond [`MAX_WIRE_BYTES`], as sent or inflated.
    #[error("the histogram is larger than {MAX_WIRE_BYTES} bytes")]
    TooLarge,
    /// Not V2.
    #[error("cookie {0:#010x} is not HdrHistogram V2 (0x1c849313) or V2 compressed (0x1c849314)")]
    Cookie(u32),
    /// Fewer bytes than a header.
    #[error("{0} bytes are less than a header")]
    Header(usize),
    /// The header names more or fewer bytes than there are.
    #[error("the header says {declared} bytes follow, there are {actual}")]
    Length {
        /// As declared.
        declared: u64,
        /// As found.
        actual: u64,
    },
    /// Not zlib, or zlib with something behind it.
    #[error("the compressed part is not one whole zlib stream")]
    Zlib,
    /// Another index space.
    #[error(
        "lowest value {lowest}, highest {highest}, {digits} digits cannot be mapped without loss; wanted: lowest 1, highest 2 to {MAX_RANGE_US}, 3 digits, values in microseconds"
    )]
    Profile {
        /// Lowest discernible value.
        lowest: u64,
        /// Highest trackable value.
        highest: u64,
        /// Significant digits.
        digits: u32,
    },
    /// A shifted or scaled histogram.
    #[error("normalising offset {offset} and ratio {ratio} must be 0 and 1")]
    Scaled {
        /// Index shift.
        offset: u32,
        /// Value ratio, as its bits say.
        ratio: String,
    },
    /// A number cut short.
    #[error("the counts are cut short at byte {0}")]
    Varint(usize),
    /// A run of empty buckets that leaves the index space.
    #[error("a run of {0} empty buckets leaves the index space")]
    Run(u64),
    /// A delay that cannot be one.
    #[error("a delay of {0} us; delays are 1 us to 60 s, and not above the header's highest value")]
    Delay(u64),
    /// Counts beyond what a record may hold.
    #[error(transparent)]
    Bins(#[from] BinsError),
}

/// The plain form of `histogram`.
pub fn encode(histogram: &DelayHistogram) -> Vec<u8> {
    let mut counts = Vec::with_capacity(4 * histogram.as_bytes().len() + 8);
    let mut next = 0;
    for (bucket, count) in histogram.bins() {
        match i64::from(bucket.get() - next) {
            0 => {}
            1 => write_number(&mut counts, 0),
            empty => write_number(&mut counts, -empty),
        }
        // At most MAX_COUNT, so it fits.
        write_number(&mut counts, count as i64);
        next = bucket.get() + 1;
    }
    let mut bytes = Vec::with_capacity(HEADER_BYTES + counts.len());
    bytes.extend(COOKIE_PLAIN.to_be_bytes());
    bytes.extend((counts.len() as u32).to_be_bytes());
    bytes.extend(0_u32.to_be_bytes());
    bytes.extend(DIGITS.to_be_bytes());
    bytes.extend(1_u64.to_be_bytes());
    bytes.extend(u64::from(MAX_DELAY_US).to_be_bytes());
    bytes.extend(1_f64.to_be_bytes());
    bytes.extend(counts);
    bytes
}

/// The compressed form of `histogram`, as interval logs hold it.
pub fn encode_compressed(histogram: &DelayHistogram) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(128);
    bytes.extend(COOKIE_COMPRESSED.to_be_bytes());
    bytes.extend([0; 4]);
    let mut encoder = ZlibEncoder::new(bytes, Compression::default());
    // Writing into memory does not fail.
    let written = encoder
        .write_all(&encode(histogram))
        .and_then(|()| encoder.finish());
    let mut bytes = written.unwrap_or_default();
    let length = bytes.len().saturating_sub(8) as u32;
    if let Some(field) = bytes.get_mut(4..8) {
        field.copy_from_slice(&length.to_be_bytes());
    }
    bytes
}

/// Reads either form.
///
/// # Errors
/// When the bytes are damaged, too many, or of another index space.
pub fn decode(bytes: &[u8]) -> Result<DelayHistogram, V2Error> {
    if bytes.len() > MAX_WIRE_BYTES {
        return Err(V2Error::TooLarge);
    }
    let (cookie, rest) = take_u32(bytes).ok_or(V2Error::Header(bytes.len()))?;
    match cookie {
        COOKIE_PLAIN => decode_plain(bytes),
        COOKIE_COMPRESSED => {
            let (declared, stream) = take_u32(rest).ok_or(V2Error::Header(bytes.len()))?;
            same_length(declared, stream)?;
            decode_plain(&inflate(stream)?)
        }
        other => Err(V2Error::Cookie(other)),
    }
}

fn inflate(stream: &[u8]) -> Result<Vec<u8>, V2Error> {
    let mut decoder = ZlibDecoder::new(stream);
    let mut plain = Vec::new();
    let limit = MAX_WIRE_BYTES as u64 + 1;
    (&mut decoder)
        .take(limit)
        .read_to_end(&mut plain)
        .map_err(|_| V2Error::Zlib)?;
    if plain.len() > MAX_WIRE_BYTES {
        return Err(V2Error::TooLarge);
    }
    if decoder.total_in() != stream.len() as u64 {
        return Err(V2Error::Zlib);
    }
    Ok(plain)
}

fn decode_plain(bytes: &[u8]) -> Result<DelayHistogram, V2Error> {
    let (header, counts) = bytes
        .split_first_chunk::<HEADER_BYTES>()
        .ok_or(V2Error::Header(bytes.len()))?;
    let word = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let long = |at: usize| u64::from(word(at)) << 32 | u64::from(word(at + 4));
    if word(0) != COOKIE_PLAIN {
        return Err(V2Error::Cookie(word(0)));
    }
    same_length(word(4), counts)?;
    let (offset, ratio) = (word(8), f64::from_bits(long(32)));
    let plain = offset == 0 && ratio.to_bits() == 1_f64.to_bits();
    if !plain && (offset, ratio.to_bits()) != UNSCALED_IN_JAVASCRIPT {
        let ratio = format!("{ratio:e}");
        return Err(V2Error::Scaled { offset, ratio });
    }
    let (digits, lowest, highest) = (word(12), long(16), long(24));
    if lowest != 1 || digits != DIGITS || !(2..=MAX_RANGE_US).contains(&highest) {
        return Err(V2Error::Profile {
            lowest,
            highest,
            digits,
        });
    }
    DelayHistogram::from_bins(read_bins(counts, highest)?).map_err(V2Error::from)
}

/// The bins the numbers stand for, each checked.
fn read_bins(counts: &[u8], highest_us: u64) -> Result<Vec<(BucketIndex, u64)>, V2Error> {
    let mut bins = Vec::new();
    let (mut at, mut index) = (0, 0_u64);
    while at < counts.len() {
        let (number, length) = read_number(&counts[at..]).ok_or(V2Error::Varint(at))?;
        at += length;
        if number <= 0 {
            let empty = number.unsigned_abs().max(1);
            index = index
                .checked_add(empty)
                .filter(|&next| next <= MAX_BUCKETS)
                .ok_or(V2Error::Run(empty))?;
            continue;
        }
        if number.unsigned_abs() > MAX_COUNT {
            return Err(BinsError::TooMany.into());
        }
        let delay_us = lowest_us(index);
        let bucket = u16::try_from(index)
            .ok()
            .and_then(BucketIndex::new)
            .filter(|bucket| {
                *bucket <= BucketIndex::of_us(MAX_DELAY_US) && index > 0 && delay_us <= highest_us
            })
            .ok_or(V2Error::Delay(delay_us))?;
        bins.push((bucket, number.unsigned_abs()));
        index += 1;
    }
    Ok(bins)
}

/// Shortest delay of a bucket, beyond our own index space too, for the message.
fn lowest_us(index: u64) -> u64 {
    let inside = u16::try_from(index).ok().and_then(BucketIndex::new);
    inside.map_or_else(
        || {
            let octave = (index / 1_024).saturating_sub(1).min(50);
            (index - octave * 1_024) << octave
        },
        |bucket| u64::from(bucket.lowest_us()),
    )
}

fn same_length(declared: u32, rest: &[u8]) -> Result<(), V2Error> {
    let (declared, actual) = (u64::from(declared), rest.len() as u64);
    if declared == actual {
        Ok(())
    } else {
        Err(V2Error::Length { declared, actual })
    }
}

fn take_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (word, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*word), rest))
}

/// ZigZag, then 7 bits a byte; a ninth byte carries 8.
fn write_number(out: &mut Vec<u8>, number: i64) {
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    for _ in 0..8 {
        if rest < 0x80 {
            out.push(rest as u8);
            return;
        }
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn read_number(bytes: &[u8]) -> Option<(i64, usize)> {
    let mut zigzag = 0_u64;
    for (at, &byte) in bytes.iter().enumerate().take(9) {
        let last = at == 8 || byte < 0x80;
        let bits = if at == 8 { byte } else { byte & 0x7f };
        zigzag |= u64::from(bits) << (7 * at);
        if last {
            return Some(((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64), at + 1));
        }
    }
    None
}

const _: () = assert!(
    MAX_WIRE_BYTES > HEADER_BYTES + BUCKETS as usize * 9,
    "the fullest histogram must fit"
);

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::Histogram;
    use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer, V2Serializer};
    use proptest::prelude::*;

    fn delays() -> impl Strategy<Value = Vec<u32>> {
        let near = 200_u32..30_000;
        let any = 1_u32..=MAX_DELAY_US;
        prop::collection::vec(prop_oneof![4 => near, 1 => any], 0..300)
    }

    fn theirs(delays_us: &[u32], highest: u64) -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(1, highest, 3).unwrap();
        for &delay_us in delays_us {
            histogram.record(delay_us.into()).unwrap();
        }
        histogram
    }

    #[test]
    fn numbers_of_every_length_round_trip() {
        for bits in 0..63 {
            for number in [(1_i64 << bits) - 1, 1 << bits, -(1 << bits), i64::MIN, i64::MAX] {
                let mut bytes = Vec::new();
                write_number(&mut bytes, number);
                assert_eq!(read_number(&bytes), Some((number, bytes.len())));
            }
        }
    }

    #[test]
    fn the_fullest_histogram_fits() {
        let longest = BucketIndex::of_us(MAX_DELAY_US).get();
        let bins = (1..=longest).filter_map(BucketIndex::new).zip(60_000_000..);
        let fullest = DelayHistogram::from_bins(bins).unwrap();
        let bytes = encode_compressed(&fullest);
        assert!(bytes.len() <= MAX_WIRE_BYTES);
        assert_eq!(decode(&bytes), Ok(fullest));
    }

    #[test]
    fn other_index_spaces_are_named() {
        let refused = |histogram: &Histogram<u64>| {
            let mut bytes = Vec::new();
            V2Serializer::new().serialize(histogram, &mut bytes).unwrap();
            decode(&bytes).unwrap_err()
        };
        for (lowest, highest, digits) in [
            (1, 60_000_000, 2),
            (1_000, 60_000_000_000, 3),
            (1, 7_200_000_000, 3),
        ] {
            let histogram = Histogram::new_with_bounds(lowest, highest, digits).unwrap();
            assert!(matches!(refused(&histogram), V2Error::Profile { .. }));
        }
        let mut long = theirs(&[], MAX_RANGE_US);
        long.record(90_000_000).unwrap();
        assert!(matches!(refused(&long), V2Error::Delay(89_980_928..=90_000_000)));
        let mut zero = theirs(&[5], MAX_RANGE_US);
        zero.record(0).unwrap();
        assert_eq!(refused(&zero), V2Error::Delay(0));
    }

    #[test]
    fn the_header_of_the_javascript_port_is_unscaled_and_no_other_is() {
        let ours = DelayHistogram::from_values_us(&mut [7, 900]);
        let with = |offset: u32, ratio: u64| {
            let mut bytes = encode(&ours);
            bytes[8..12].copy_from_slice(&offset.to_be_bytes());
            bytes[32..40].copy_from_slice(&ratio.to_be_bytes());
            decode(&bytes)
        };
        assert_eq!(with(1, 1), Ok(ours.clone()));
        for (offset, ratio) in [(0, 1), (1, 1_f64.to_bits()), (2, 1), (0, 2_f64.to_bits())] {
            assert!(matches!(with(offset, ratio), Err(V2Error::Scaled { .. })));
        }
    }

    proptest! {
        #[test]
        fn the_library_reads_what_we_write(mut given in delays()) {
            let ours = DelayHistogram::from_values_us(&mut given);
            for bytes in [encode(&ours), encode_compressed(&ours)] {
                let read: Histogram<u64> = Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
                prop_assert_eq!(&read, &theirs(&given, MAX_DELAY_US.into()));
                prop_assert_eq!(decode(&bytes), Ok(ours.clone()));
            }
        }

        #[test]
        fn we_read_what_the_library_writes(
            mut given in delays(),
            highest in prop::sample::select(vec![u64::from(MAX_DELAY_US), 67_108_863, MAX_RANGE_US]),
        ) {
            let theirs = theirs(&given, highest);
            let (mut plain, mut compressed) = (Vec::new(), Vec::new());
            V2Serializer::new().serialize(&theirs, &mut plain).unwrap();
            V2DeflateSerializer::new().serialize(&theirs, &mut compressed).unwrap();
            let ours = DelayHistogram::from_values_us(&mut given);
            prop_assert_eq!(decode(&plain), Ok(ours.clone()));
            prop_assert_eq!(decode(&compressed), Ok(ours));
        }

        #[test]
        fn any_counts_are_met_without_panic(counts in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = encode(&DelayHistogram::default());
            bytes[4..8].copy_from_slice(&(counts.len() as u32).to_be_bytes());
            bytes.extend(counts);
            if let Ok(read) = decode(&bytes) {
                prop_assert_eq!(decode(&encode(&read)), Ok(read));
            }
        }
    }
}
