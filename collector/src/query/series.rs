//! One pair over time: percentiles per step, and the gaps whose cause is known.

use serde::Serialize;
use utoipa::ToSchema;

use crate::utc::UtcInstant;

/// One step that has data. A step without data has no point.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SeriesPoint {
    /// Start of the step.
    pub start_at: UtcInstant,
    /// Delays in the histogram the quantiles were taken from.
    pub n: u64,
    /// Probes sent.
    pub sent: u64,
    /// Probes answered within the waiting time.
    pub returned: u64,
    /// Probes not answered within the waiting time (RFC 7680).
    pub lost: u64,
    /// Shortest round-trip delay.
    #[schema(required)]
    pub min_us: Option<u32>,
    /// 10th percentile (nearest rank).
    #[schema(required)]
    pub p10_us: Option<u32>,
    /// Median.
    #[schema(required)]
    pub p50_us: Option<u32>,
    /// 90th percentile.
    #[schema(required)]
    pub p90_us: Option<u32>,
    /// 99th percentile.
    #[schema(required)]
    pub p99_us: Option<u32>,
    /// Longest round-trip delay.
    #[schema(required)]
    pub max_us: Option<u32>,
}

/// Reports that will never come, with the reason: the agent's tombstone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Gap {
    /// Start of the first interval given up.
    pub start_at: UtcInstant,
    /// End of the last interval given up.
    pub end_at: UtcInstant,
    /// Why: `queue_full`, `corrupt`, `refused`.
    pub cause: String,
    /// How many reports were given up.
    pub reports: u64,
}
