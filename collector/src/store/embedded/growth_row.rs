//! A row of the table of manifests: one step by which the dictionary grew. Replaying the rows in order gives every series
//! its number.
//!
//! ```text
//! marker 0x01 | admitted at, unix ms | count of positions, the positions | manifest frame, or nothing       (LEB128)
//! ```
//!
//! With a frame the manifest was new; without, series of one that is known were admitted later. Format 1 of the store kept
//! the frame alone, which begins with zstd's magic number: every series of it was admitted, nobody noted when.

use azimuth_measurement::codec::varint;

use crate::store::admission::Growth;

const MARKER: u8 = 1;
/// How a zstd frame begins (RFC 8878, section 3.1.1).
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// A row as read back.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct GrowthRow<'a> {
    pub(super) at_unix_ms: u64,
    /// `None`: every position of the manifest.
    pub(super) admitted: Option<Vec<u32>>,
    /// Empty when the manifest is known from an earlier row.
    pub(super) frame: &'a [u8],
}

pub(super) fn encode(growth: &Growth<'_>) -> Vec<u8> {
    let mut row = vec![MARKER];
    varint::write(&mut row, growth.at_unix_ms);
    varint::write(&mut row, growth.admitted.len() as u64);
    for position in &growth.admitted {
        varint::write(&mut row, (*position).into());
    }
    row.extend(growth.frame.unwrap_or_default());
    row
}

/// `None` when it is not a row.
pub(super) fn decode(row: &[u8]) -> Option<GrowthRow<'_>> {
    if row.starts_with(&ZSTD_MAGIC) {
        return Some(GrowthRow {
            at_unix_ms: 0,
            admitted: None,
            frame: row,
        });
    }
    let (MARKER, mut rest) = row.split_first().map(|(first, rest)| (*first, rest))? else {
        return None;
    };
    let mut number = || {
        let (number, after) = varint::read(rest).ok()?;
        rest = after;
        Some(number)
    };
    let at_unix_ms = number()?;
    let count = number()?;
    let mut admitted = Vec::new();
    for _ in 0..count {
        admitted.push(u32::try_from(number()?).ok()?);
    }
    Some(GrowthRow {
        at_unix_ms,
        admitted: Some(admitted),
        frame: rest,
    })
}

#[cfg(test)]
mod tests {
    use azimuth_measurement::ManifestId;
    use azimuth_measurement::codec::encode_manifest;

    use super::*;
    use crate::store::conformance::manifest_of;
    use crate::store::dictionary::AgentNumber;

    #[test]
    fn a_row_is_read_back_and_so_is_one_of_format_1() {
        let frame = encode_manifest(&manifest_of("a", 3));
        for (frame, admitted) in [
            (Some(frame.as_slice()), vec![0, 2, 4_000]),
            (None, vec![1]),
            (None, vec![]),
        ] {
            let row = encode(&Growth {
                agent: AgentNumber(7),
                manifest: ManifestId(9),
                frame,
                admitted: admitted.clone(),
                at_unix_ms: 1_795_428_000_000,
            });
            let expected = GrowthRow {
                at_unix_ms: 1_795_428_000_000,
                admitted: Some(admitted),
                frame: frame.unwrap_or_default(),
            };
            assert_eq!(decode(&row), Some(expected));
        }
        let old = decode(&frame).expect("format 1");
        assert_eq!((old.admitted, old.frame), (None, frame.as_slice()));
    }

    #[test]
    fn what_is_no_row_is_none() {
        for bytes in [
            &[][..],
            &[2, 0, 0],
            &[1],
            &[1, 0],
            &[1, 0, 3, 1],
            &[1, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1],
        ] {
            assert_eq!(decode(bytes), None, "{bytes:?}");
        }
    }
}
