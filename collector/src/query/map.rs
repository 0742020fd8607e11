//! The map: one cell per vantage point and zone, over one window.

use serde::Serialize;
use utoipa::ToSchema;

use crate::words::{ClockName, GranularityName};

/// What one agent saw of one zone, by one method under one load label.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct MapCell {
    /// The agent.
    pub agent: String,
    /// The zone, `provider/region/zone`.
    pub zone: String,
    /// Delays in the histogram the quantiles were taken from.
    pub n: u64,
    /// Probes sent.
    pub sent: u64,
    /// Probes answered within the waiting time.
    pub returned: u64,
    /// Probes not answered within the waiting time (RFC 7680).
    pub lost: u64,
    /// lost / sent; null when nothing was sent.
    #[schema(required)]
    pub loss_ratio: Option<f64>,
    /// Shortest round-trip delay.
    #[schema(required)]
    pub min_us: Option<u32>,
    /// Median round-trip delay (nearest rank).
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
    /// The clock that stamped the delays behind the quantiles; null without delays.
    #[schema(required)]
    pub clock: Option<ClockName>,
    /// How exactly the targets stand for the zone: the vaguest of those merged here.
    pub granularity: GranularityName,
}
