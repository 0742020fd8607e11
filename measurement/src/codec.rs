//! Version 1 of the wire form: protobuf messages (`measurement/proto/azimuth.proto`), reports and manifests each in a zstd
//! frame (RFC 8878) of their own, several of them in one batch.
//!
//! Bytes come from anywhere. Every size is checked before anything of that size is allocated, nothing is decoded past the
//! end, and nothing panics; together a batch's items can be decoded within 4 MiB at a time. Written by hand rather than
//! generated, because a generated decoder allocates what the sender asks for and copies every histogram; the tests read
//! our bytes with an independent protobuf library to keep it honest.

pub mod batch;
mod columns;
pub(crate) mod frame;
pub mod manifest;
pub mod path;
mod protobuf;
pub mod report;
mod standing;
pub mod throughput;
pub mod varint;
pub mod walk;

use thiserror::Error;

use crate::agent_id::AgentIdError;
use crate::histogram::BinsError;
use crate::interval::IntervalError;
use crate::path::PathError;
use crate::report::ReportError;
use crate::series::ManifestError;
use crate::throughput::ThroughputError;
use crate::zone::ZoneKeyError;

pub use batch::{Batch, BatchItem, decode_batch, encode_batch};
pub use manifest::{decode_manifest, encode_manifest};
pub use report::{decode_report, encode_report};

/// The codec version this crate writes and the only one it reads.
pub const VERSION: u64 = 1;
/// Largest report or manifest on the wire (its zstd frame), in bytes.
pub const MAX_FRAME_BYTES: usize = 256 * 1024;
/// Largest report or manifest after decompression, in bytes.
pub const MAX_INFLATED_BYTES: usize = 1024 * 1024;
/// Largest batch, in bytes: the body of one POST.
pub const MAX_BATCH_BYTES: usize = 1024 * 1024;
/// Most items in a batch.
pub const MAX_BATCH_ITEMS: usize = 512;
/// Most manifests in a batch.
pub const MAX_BATCH_MANIFESTS: usize = 8;

/// Why bytes were refused. [`reason`](Self::reason) is the counter's name.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum CodecError {
    /// Larger than allowed, before or after decompression.
    #[error("{what} is larger than the {limit_bytes} bytes allowed; send less at a time")]
    TooLarge {
        /// What was too large.
        what: &'static str,
        /// The cap.
        limit_bytes: usize,
    },
    /// More entries than allowed.
    #[error("more than {limit} {what}; send less at a time")]
    TooMany {
        /// What there was too much of.
        what: &'static str,
        /// The cap.
        limit: usize,
    },
    /// Not a zstd frame, or a damaged one.
    #[error("not a whole zstd frame; the bytes are damaged or of another format")]
    Zstd,
    /// Not protobuf: cut short, a bad tag or a bad varint.
    #[error("protobuf damaged at byte {at}; the bytes are cut short or of another format")]
    Protobuf {
        /// Offset within the message.
        at: usize,
    },
    /// A field of another type than ours.
    #[error("field {field} has wire type {wire_type}, which version 1 does not use there")]
    WireType {
        /// Field number.
        field: u32,
        /// Protobuf wire type.
        wire_type: u8,
    },
    /// A column with more or fewer values than there are records, or with damaged ones.
    #[error("column {field} does not hold one whole value for each record; the bytes are damaged")]
    Column {
        /// Field number.
        field: u32,
    },
    /// A codec version this build does not read.
    #[error("codec version {0} is not supported; this build reads version {VERSION}")]
    Version(u64),
    /// A histogram profile this build does not know.
    #[error("histogram profile {0} is not supported; this build reads profile 1 (1 us to 60 s, 3 digits)")]
    Profile(u64),
    /// A field that must be there is not, or names nothing.
    #[error("{what} is missing or unknown ({given})")]
    Value {
        /// The field.
        what: &'static str,
        /// The value found; 0 when absent.
        given: u64,
    },
    /// Text that is not UTF-8.
    #[error("{0} is not UTF-8 text")]
    Utf8(&'static str),
    /// An address that is not `ip:port`.
    #[error("series address {0:?} is not an IP address and port")]
    Address(String),
    /// An agent id out of shape.
    #[error(transparent)]
    Agent(#[from] AgentIdError),
    /// A zone out of shape.
    #[error(transparent)]
    Zone(#[from] ZoneKeyError),
    /// An interval off the grid.
    #[error(transparent)]
    Interval(#[from] IntervalError),
    /// A histogram out of shape.
    #[error(transparent)]
    Bins(#[from] BinsError),
    /// A report that contradicts itself.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// A path event that contradicts itself.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A throughput result that contradicts itself.
    #[error(transparent)]
    Throughput(#[from] ThroughputError),
    /// A manifest that cannot be measured.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

impl CodecError {
    /// A short, stable name for counters and problem details.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::TooMany { .. } => "too_many",
            Self::Zstd => "bad_compression",
            Self::Protobuf { .. } | Self::WireType { .. } | Self::Column { .. } | Self::Utf8(_) => {
                "bad_encoding"
            }
            Self::Version(_) => "unsupported_version",
            Self::Profile(_) => "unsupported_profile",
            Self::Value { .. } => "bad_value",
            Self::Address(_) => "bad_address",
            Self::Agent(_) => "bad_agent_id",
            Self::Zone(_) => "bad_zone",
            Self::Interval(_) => "bad_interval",
            Self::Bins(_) => "bad_histogram",
            Self::Report(_) => "contradictory_counts",
            Self::Path(_) => "bad_path",
            Self::Throughput(_) => "bad_throughput_result",
            Self::Manifest(_) => "bad_manifest",
        }
    }
}
