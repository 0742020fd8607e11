//! One record of a segment, and how to find records in bytes that may be damaged anywhere. Pure. Not what records mean
//! together: that is `recovery.rs`.
//!
//! A record is a header of 84 bytes and a payload; numbers are little-endian:
//!
//! | at | bytes | field |
//! |---|---|---|
//! | 0 | 4 | resync marker `AzSp` |
//! | 4 | 1 | kind |
//! | 5 | 1 | version of this form: 1 |
//! | 6 | 2 | zero |
//! | 8 | 4 | payload length |
//! | 12 | 4 | CRC-32 of the payload |
//! | 16 | 8 | epoch |
//! | 24, 32 | 8, 8 | first and last sequence |
//! | 40, 48 | 8, 8 | start and end of the time it covers, Unix ms by the agent's wall clock |
//! | 56 | 8 | boot the monotonic stamp belongs to |
//! | 64 | 8 | when the interval ended, ms on that boot's monotonic clock |
//! | 72 | 8 | detail: manifest id, or cause of loss, or place of the spool |
//! | 80 | 4 | CRC-32 of the 80 bytes before |
//!
//! The header has a checksum of its own, so that damage in a payload costs that payload only: its length can still be
//! trusted, and so can the sequences that were lost with it. Damage in a header costs that record: the reader goes on at
//! the next marker with a good header.

/// Start of every record.
pub(crate) const MARKER: [u8; 4] = *b"AzSp";
/// Bytes before the payload.
pub(crate) const HEADER_BYTES: usize = 84;
/// Longest payload believed: a frame of the wire form is at most a quarter of it, ranges of settled sequences stay below.
pub(crate) const MAX_PAYLOAD_BYTES: usize = 1024 * 1024;
/// Version of the record form.
const VERSION: u8 = 1;
/// Where the header's checksum stands.
const HEADER_CRC_AT: usize = 80;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// How one epoch stood when the segment began: `last` = highest sequence issued, payload = agent id and settled ranges.
    Standing,
    /// `detail` = manifest id, payload = manifest frame.
    Manifest,
    /// Payload = report frame. `first` < `last`: merged from that range.
    Report,
    /// `detail` = cause.
    Tombstone,
    /// Acknowledgement mark: `last` = highest sequence issued, payload = ranges settled since the mark before.
    Mark,
    /// Closed in order: payload = ranges never handed to the network.
    Closed,
}

impl Kind {
    const ALL: [Self; 6] = [
        Self::Standing,
        Self::Manifest,
        Self::Report,
        Self::Tombstone,
        Self::Mark,
        Self::Closed,
    ];

    fn number(self) -> u8 {
        match self {
            Self::Standing => 1,
            Self::Manifest => 2,
            Self::Report => 3,
            Self::Tombstone => 4,
            Self::Mark => 5,
            Self::Closed => 6,
        }
    }

    fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

/// Everything about a record but its payload. Fields a kind has no use for are 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) epoch: u64,
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) start_unix_ms: u64,
    pub(crate) end_unix_ms: u64,
    pub(crate) boot: u64,
    pub(crate) ended_at_ms: u64,
    pub(crate) detail: u64,
}

impl Header {
    /// A header of which only kind and epoch say anything yet.
    pub(crate) fn new(kind: Kind, epoch: u64) -> Self {
        Self {
            kind,
            epoch,
            first: 0,
            last: 0,
            start_unix_ms: 0,
            end_unix_ms: 0,
            boot: 0,
            ended_at_ms: 0,
            detail: 0,
        }
    }
}

/// Appends one record to `out`.
pub(crate) fn write(header: &Header, payload: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&MARKER);
    out.extend_from_slice(&[header.kind.number(), VERSION, 0, 0]);
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
    for word in [
        header.epoch,
        header.first,
        header.last,
        header.start_unix_ms,
        header.end_unix_ms,
        header.boot,
        header.ended_at_ms,
        header.detail,
    ] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    let checksum = crc32fast::hash(&out[start..]);
    out.extend_from_slice(&checksum.to_le_bytes());
    out.extend_from_slice(payload);
}

/// A header whose checksum holds, with the payload's length and checksum.
fn read_header(bytes: &[u8]) -> Option<(Header, usize, u32)> {
    let bytes = bytes.get(..HEADER_BYTES)?;
    let short = |at: usize| u32::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]));
    let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]));
    if bytes[..4] != MARKER || short(HEADER_CRC_AT) != crc32fast::hash(&bytes[..HEADER_CRC_AT]) {
        return None;
    }
    let payload_bytes = short(8) as usize;
    if bytes[5] != VERSION || payload_bytes > MAX_PAYLOAD_BYTES {
        return None;
    }
    let header = Header {
        kind: Kind::of(bytes[4])?,
        epoch: word(16),
        first: word(24),
        last: word(32),
        start_unix_ms: word(40),
        end_unix_ms: word(48),
        boot: word(56),
        ended_at_ms: word(64),
        detail: word(72),
    };
    Some((header, payload_bytes, short(12)))
}

/// The payload of the record that `bytes` are, if both checksums hold and the record is `bytes` to the last one.
pub(crate) fn read_exactly(bytes: &[u8]) -> Option<(Header, &[u8])> {
    let (header, payload_bytes, checksum) = read_header(bytes)?;
    let payload = &bytes[HEADER_BYTES..];
    (payload.len() == payload_bytes && crc32fast::hash(payload) == checksum).then_some((header, payload))
}

/// What stands at one place of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finding<'a> {
    /// A good record.
    Record {
        offset: usize,
        header: Header,
        payload: &'a [u8],
    },
    /// The header is good, the payload is not: what was lost is known.
    BadPayload { header: Header },
    /// Not a record; after so many bytes comes one again.
    BadBytes,
    /// From here to the end there is no whole record: the write that a crash cut short. Its header, if that much of it was
    /// written; or at least whether it was going to be a report.
    TornTail {
        bytes: usize,
        header: Option<Header>,
        report: bool,
    },
}

/// Walks a segment.
pub(crate) struct Findings<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Findings<'a> {
    /// From the first byte.
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Where the next good header stands, after `at`.
    fn resync(&self) -> Option<usize> {
        let from = self.at + 1;
        let rest = self.bytes.get(from..)?;
        rest.windows(MARKER.len())
            .enumerate()
            .filter(|(_, window)| **window == MARKER)
            .map(|(distance, _)| from + distance)
            .find(|&at| read_header(&self.bytes[at..]).is_some())
    }

    fn torn(&mut self, header: Option<Header>) -> Finding<'a> {
        let rest = &self.bytes[self.at..];
        let report = rest.starts_with(&MARKER) && rest.get(4) == Some(&Kind::Report.number());
        self.at = self.bytes.len();
        Finding::TornTail {
            bytes: rest.len(),
            header,
            report,
        }
    }
}

impl<'a> Iterator for Findings<'a> {
    type Item = Finding<'a>;

    fn next(&mut self) -> Option<Finding<'a>> {
        let offset = self.at;
        let rest = self.bytes.get(offset..).filter(|rest| !rest.is_empty())?;
        let Some((header, payload_bytes, checksum)) = read_header(rest) else {
            let Some(at) = self.resync() else {
                return Some(self.torn(None));
            };
            self.at = at;
            return Some(Finding::BadBytes);
        };
        let Some(payload) = rest.get(HEADER_BYTES..HEADER_BYTES + payload_bytes) else {
            return Some(self.torn(Some(header)));
        };
        self.at = offset + HEADER_BYTES + payload_bytes;
        if crc32fast::hash(payload) != checksum {
            return Some(Finding::BadPayload { header });
        }
        Some(Finding::Record {
            offset,
            header,
            payload,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment() -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut starts) = (Vec::new(), Vec::new());
        for sequence in 1..=4_u64 {
            starts.push(bytes.len());
            let header = Header {
                first: sequence,
                last: sequence,
                ..Header::new(Kind::Report, 77)
            };
            write(&header, &vec![sequence as u8; 40 * sequence as usize], &mut bytes);
        }
        (bytes, starts)
    }

    fn good(bytes: &[u8]) -> Vec<u64> {
        Findings::of(bytes)
            .filter_map(|finding| match finding {
                Finding::Record { header, .. } => Some(header.last),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_flipped_bit_costs_one_record_and_no_more() {
        let (bytes, starts) = segment();
        assert_eq!(good(&bytes), vec![1, 2, 3, 4]);
        for at in 0..bytes.len() {
            for bit in [0x01, 0x80] {
                let mut damaged = bytes.clone();
                damaged[at] ^= bit;
                let hit = starts.partition_point(|&start| start <= at) as u64;
                let expected: Vec<u64> = (1..=4).filter(|&sequence| sequence != hit).collect();
                assert_eq!(good(&damaged), expected, "byte {at}");
            }
        }
    }

    #[test]
    fn a_cut_costs_what_is_cut_and_says_what_it_was() {
        let (bytes, starts) = segment();
        for end in 0..bytes.len() {
            let whole = starts.partition_point(|&start| start <= end).saturating_sub(1);
            let into = end - starts[whole];
            assert_eq!(good(&bytes[..end]).len(), whole, "cut at {end}");
            let torn = Findings::of(&bytes[..end]).find_map(|finding| match finding {
                Finding::TornTail {
                    header,
                    report,
                    bytes,
                } => Some((header.map(|known| known.last), report, bytes)),
                _ => None,
            });
            let known = (into >= HEADER_BYTES).then_some(whole as u64 + 1);
            assert_eq!(
                torn,
                (into > 0).then_some((known, into > 4, into)),
                "cut at {end}"
            );
        }
    }

    #[test]
    fn a_marker_inside_a_payload_is_not_a_record() {
        let mut bytes = Vec::new();
        write(&Header::new(Kind::Report, 1), &[MARKER; 50].concat(), &mut bytes);
        let second = bytes.len();
        write(
            &Header {
                last: 2,
                ..Header::new(Kind::Report, 1)
            },
            b"",
            &mut bytes,
        );
        bytes[9] ^= 1;
        assert_eq!(good(&bytes), vec![2]);
        assert!(second > 200);
    }
}
