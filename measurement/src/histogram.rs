//! Round-trip delay as a distribution: HDR index space, unit 1 us, 3 significant digits, 1 us to 60 s (profile 1).
//!
//! Two forms, on purpose. [`DelayHistogram`] is small, immutable and the same bytes in memory, on the wire and at rest.
//! [`Accumulator`] is dense, reused, and the only place where histograms are merged and quantiles are taken. There is no
//! way to average a percentile. The index space is HdrHistogram's (<http://hdrhistogram.org>), so any bin can be held
//! against that library's; the sparse byte form is ours and described in [`sparse`].

pub mod accumulator;
pub mod bucket;
pub mod sparse;

pub use accumulator::{Accumulator, CountOverflow};
pub use bucket::{BUCKETS, BucketIndex, MAX_DELAY_US, MIN_DELAY_US};
pub use sparse::{BinsError, DelayHistogram};

/// The histogram profile named on the wire: 1 us unit, 3 significant digits, 1 us to 60 s.
pub const PROFILE: u64 = 1;
