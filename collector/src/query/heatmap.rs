//! One pair over time and delay: how many delays fell into each cell.

use serde::Serialize;
use utoipa::ToSchema;

use crate::utc::UtcInstant;

/// A row: the delays `low_us..=high_us`. Rows ascend and are logarithmically spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct HeatmapRow {
    /// Shortest delay of the row.
    pub low_us: u32,
    /// Longest delay of the row.
    pub high_us: u32,
}

/// A column: one step that has data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HeatmapColumn {
    /// Start of the step.
    pub start_at: UtcInstant,
    /// Delays counted in this column.
    pub n: u64,
    /// Probes sent.
    pub sent: u64,
    /// Probes not answered within the waiting time (RFC 7680).
    pub lost: u64,
    /// Pairs of row number (from 0) and number of delays; rows without delays are left out.
    pub counts: Vec<(u32, u64)>,
}
