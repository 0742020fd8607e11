//! One pair over one window: the whole distribution.

use serde::Serialize;
use utoipa::ToSchema;

/// A point of the percentile curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Percentile {
    /// Share of delays, 0 to 1.
    pub quantile: f64,
    /// The delay that this share does not exceed (nearest rank).
    pub value_us: u32,
}

/// A bin of the merged histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Bin {
    /// Shortest delay of the bin.
    pub low_us: u32,
    /// Longest delay of the bin.
    pub high_us: u32,
    /// Delays in the bin.
    pub count: u64,
}
