//! The envelopes of the query API: what each question is answered with. The rows inside come from `query/`.
//!
//! Numbers that do not exist are null, never 0. Every answer about a stretch of time says which, in absolute terms.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::query::Label;
use crate::query::compare::ComparedPair;
use crate::query::distribution::{Bin, Percentile};
use crate::query::facts::Facts;
use crate::query::gaps::{AgentGap, Gap};
use crate::query::group::GroupRow;
use crate::query::heatmap::{HeatmapColumn, HeatmapRow};
use crate::query::map::MapCell;
use crate::query::series::SeriesPoint;
use crate::store::Coverage;
use crate::utc::UtcInstant;
use crate::words::{ClockName, LoadName, MethodName};

/// Which stored data an answer was made from, and what of the asked range it could not see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CoverageAnswer {
    /// The coarsest tier read: `10s`, `1min`, `1h` or `1day`.
    pub tier: String,
    /// Length of the shortest intervals that tier keeps apart, in seconds.
    pub resolution_s: u32,
    /// Which tier answered which stretch: the edges of a range are read from finer ones.
    pub tiers: Vec<TierStretch>,
    /// Stretches of the asked range that nothing could answer.
    pub missing: Vec<MissingStretch>,
    /// Stored reports in the range that could not be read back, and are not in the answer.
    pub unreadable_reports: u64,
}

/// A stretch of the asked range, and the tier that answered it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TierStretch {
    /// `10s`, `1min`, `1h` or `1day`.
    pub tier: String,
    /// Its start.
    pub from: UtcInstant,
    /// Its end.
    pub to: UtcInstant,
}

/// A stretch of the asked range that is not covered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MissingStretch {
    /// Its start.
    pub from: UtcInstant,
    /// Its end.
    pub to: UtcInstant,
    /// Why: `retention` or `damaged`.
    pub cause: String,
}

impl From<Coverage> for CoverageAnswer {
    fn from(coverage: Coverage) -> Self {
        let tier = coverage.coarsest();
        let tiers = coverage.stretches.iter().map(|(tier, range)| TierStretch {
            tier: tier.as_str().to_owned(),
            from: UtcInstant::from_unix_ms(range.from_unix_ms),
            to: UtcInstant::from_unix_ms(range.to_unix_ms),
        });
        let missing = coverage.missing.iter().map(|missing| MissingStretch {
            from: UtcInstant::from_unix_ms(missing.range.from_unix_ms),
            to: UtcInstant::from_unix_ms(missing.range.to_unix_ms),
            cause: missing.cause.as_str().to_owned(),
        });
        Self {
            tier: tier.as_str().to_owned(),
            resolution_s: tier.resolution_s(),
            tiers: tiers.collect(),
            missing: missing.collect(),
            unreadable_reports: coverage.unreadable_reports,
        }
    }
}

/// `GET /api/v1/map`
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct MapAnswer {
    /// Start of the window.
    pub from: UtcInstant,
    /// End of the window, exclusive.
    pub to: UtcInstant,
    /// The one method behind every number.
    pub method: MethodName,
    /// The one load label behind every number.
    pub load: LoadName,
    /// What was read.
    pub coverage: CoverageAnswer,
    /// When an agent that should have been seen here was silent, and why; by agent, then start.
    pub gaps: Vec<AgentGap>,
    /// One per agent and zone that has data, ordered by agent, then zone.
    pub cells: Vec<MapCell>,
}

/// `GET /api/v1/groups`
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct GroupsAnswer {
    /// Start of the window.
    pub from: UtcInstant,
    /// End of the window, exclusive.
    pub to: UtcInstant,
    /// Length of one step; null when each group has one row.
    #[schema(required)]
    pub step_s: Option<u32>,
    /// The labels that make a group. Two methods or load labels are never in one.
    pub group_by: Vec<Label>,
    /// What was read.
    pub coverage: CoverageAnswer,
    /// When an agent that should have been seen here was silent, and why; by agent, then start.
    pub gaps: Vec<AgentGap>,
    /// One per group and step that has data, by start, then by the labels in the order of `group_by`.
    pub groups: Vec<GroupRow>,
}

/// `GET /api/v1/compare`
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CompareAnswer {
    /// Start of the window.
    pub from: UtcInstant,
    /// End of the window, exclusive.
    pub to: UtcInstant,
    /// Start of the window it is held against.
    pub baseline_from: UtcInstant,
    /// End of the window it is held against, exclusive.
    pub baseline_to: UtcInstant,
    /// The one method behind every number.
    pub method: MethodName,
    /// The one load label behind every number.
    pub load: LoadName,
    /// What was read of the window.
    pub coverage: CoverageAnswer,
    /// What was read of the window it is held against.
    pub baseline_coverage: CoverageAnswer,
    /// One per agent and zone that has data in either window, ordered by agent, then zone.
    pub pairs: Vec<ComparedPair>,
}

/// `GET /api/v1/series`
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SeriesAnswer {
    /// Start of the window.
    pub from: UtcInstant,
    /// End of the window, exclusive.
    pub to: UtcInstant,
    /// Length of one step.
    pub step_s: u32,
    /// The agent.
    pub agent: String,
    /// The zone, `provider/region/zone`.
    pub zone: String,
    /// The one method behind every number.
    pub method: MethodName,
    /// The one load label behind every number.
    pub load: LoadName,
    /// The one flow behind every number; null when all are merged.
    #[schema(required)]
    pub flow: Option<u16>,
    /// The flows (source ports) by which this pair is or was measured, ascending.
    pub flows: Vec<u16>,
    /// What was read.
    pub coverage: CoverageAnswer,
    /// One per step that has data, ascending.
    pub points: Vec<SeriesPoint>,
    /// Reports that will never come, with the cause.
    pub gaps: Vec<Gap>,
}

/// `GET /api/v1/heatmap`
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct HeatmapAnswer {
    /// Start of the window.
    pub from: UtcInstant,
    /// End of the window, exclusive.
    pub to: UtcInstant,
    /// Length of one column.
    pub step_s: u32,
    /// The agent.
    pub agent: String,
    /// The zone, `provider/region/zone`.
    pub zone: String,
    /// The one method behind every number.
    pub method: MethodName,
    /// The one load label behind every number.
    pub load: LoadName,
    /// The clock that stamped the delays; null without delays.
    #[schema(required)]
    pub clock: Option<ClockName>,
    /// What was read.
    pub coverage: CoverageAnswer,
    /// Reports that will never come, with the cause.
    pub gaps: Vec<Gap>,
    /// Rows from the shortest delay up, fitted to the data; empty without delays.
    pub rows: Vec<HeatmapRow>,
    /// One per step that has data, ascending.
    pub columns: Vec<HeatmapColumn>,
}

/// `GET /api/v1/distribution`
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DistributionAnswer {
    /// Start of the window.
    pub from: UtcInstant,
    /// End of the window, exclusive.
    pub to: UtcInstant,
    /// The agent.
    pub agent: String,
    /// The zone, `provider/region/zone`.
    pub zone: String,
    /// The one method behind every number.
    pub method: MethodName,
    /// The one load label behind every number.
    pub load: LoadName,
    /// The clock that stamped the delays; null without delays.
    #[schema(required)]
    pub clock: Option<ClockName>,
    /// What was read.
    pub coverage: CoverageAnswer,
    /// Reports that will never come, with the cause.
    pub gaps: Vec<Gap>,
    /// Delays in the histogram.
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
    /// Longest round-trip delay.
    #[schema(required)]
    pub max_us: Option<u32>,
    /// Mean round-trip delay, each delay taken at the middle of its bin.
    #[schema(required)]
    pub mean_us: Option<f64>,
    /// The rest of what is told.
    #[serde(flatten)]
    pub facts: Facts,
    /// The percentile curve, up to the last quantile that at least one delay exceeds in rank.
    pub percentiles: Vec<Percentile>,
    /// The histogram itself: bins that hold a delay, ascending.
    pub bins: Vec<Bin>,
}

/// Where an agent stands, as its owner declared it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct VantagePointAnswer {
    /// The name people read.
    pub name: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// City, in its local spelling.
    pub city: String,
    /// Access network (ISP) by name.
    pub network: String,
    /// Autonomous system number; 0 when not known.
    pub asn: u32,
    /// WGS 84 latitude in degrees, north positive.
    pub latitude: f64,
    /// WGS 84 longitude in degrees, east positive.
    pub longitude: f64,
}

/// How recently an agent was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    /// Its last report came at most 30 s ago.
    Live,
    /// Its last report came at most 5 min ago.
    Stale,
    /// Nothing for more than 5 min.
    Offline,
}

/// One agent.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AgentAnswer {
    /// Its id.
    pub agent: String,
    /// Its software version.
    pub version: String,
    /// Where it stands.
    pub vantage_point: VantagePointAnswer,
    /// Where in a cloud its host stands, found by itself or said by its owner; null when that is not known.
    #[schema(required)]
    pub cloud: Option<CloudAnswer>,
    /// How recently it was heard.
    pub state: AgentState,
    /// When its last report was received.
    pub last_report_at: UtcInstant,
    /// The end of the latest interval it has reported, on the collector's clock.
    pub last_interval_end_at: UtcInstant,
    /// Agent clock minus collector clock, in milliseconds, at the last report.
    pub clock_skew_ms: i64,
    /// Series in its current manifest.
    pub series: u32,
    /// How many of those are admitted. The records of the others are not kept: the collector takes no more of them, or no
    /// more new ones this hour.
    pub series_admitted: u32,
    /// Reports stored since it was first seen.
    pub reports_stored: u64,
    /// 99th percentile of how late its probes left, in its last report; null when it sent none.
    #[schema(required)]
    pub send_lateness_p99_us: Option<u32>,
    /// The plan it measures by, in the report of its latest interval; null for one that never had a plan.
    #[schema(required)]
    pub plan: Option<AgentPlanAnswer>,
    /// Reports refused because they cannot be of the same host as others of this agent: two hosts report under one id.
    pub identity_conflicts: u64,
    /// When the last of them was received; null when there was none.
    #[schema(required)]
    pub last_identity_conflict_at: Option<UtcInstant>,
}

/// Where in a cloud a host stands, as the catalogue names it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CloudAnswer {
    /// The provider.
    pub provider: String,
    /// Its region; null when that is not known.
    #[schema(required)]
    pub region: Option<String>,
    /// The physical zone; null when that is not known.
    #[schema(required)]
    pub zone: Option<String>,
}

impl CloudAnswer {
    /// `None` for a host in no cloud.
    pub fn of(place: &azimuth_measurement::CloudPlace) -> Option<Self> {
        let known = |part: &String| (!part.is_empty()).then(|| part.clone());
        Some(Self {
            provider: known(&place.provider)?,
            region: known(&place.region),
            zone: known(&place.zone),
        })
    }
}

/// Which plan an agent measures by, and what of it it does not do.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AgentPlanAnswer {
    /// The version; 0 where none was taken yet.
    pub version: u64,
    /// It sends nothing, because the plan says so.
    pub stopped: bool,
    /// What it refuses, by reason: of the plan it measures by, and whole plans since it started.
    pub refused: std::collections::BTreeMap<String, u32>,
}

impl From<&azimuth_measurement::PlanStanding> for AgentPlanAnswer {
    fn from(plan: &azimuth_measurement::PlanStanding) -> Self {
        let refused = plan.refused.iter();
        Self {
            version: plan.version,
            stopped: plan.stopped,
            refused: refused
                .map(|(why, count)| (why.as_str().to_owned(), *count))
                .collect(),
        }
    }
}

/// `GET /api/v1/agents`
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AgentsAnswer {
    /// The collector's time when it answered.
    pub now: UtcInstant,
    /// Every agent ever heard, by id.
    pub agents: Vec<AgentAnswer>,
}

/// One zone that is measured. Names and places are null for a zone the catalogue does not know.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ZoneAnswer {
    /// `provider/region/zone`, as everywhere.
    pub zone: String,
    /// Provider id.
    pub provider: String,
    /// Provider name.
    #[schema(required)]
    pub provider_name: Option<String>,
    /// Region id, as the provider writes it.
    pub region: String,
    /// Region name.
    #[schema(required)]
    pub region_name: Option<String>,
    /// Zone id, as the provider writes it.
    pub zone_id: String,
    /// ISO 3166-1 alpha-2.
    #[schema(required)]
    pub country: Option<String>,
    /// City.
    #[schema(required)]
    pub city: Option<String>,
    /// Metropolitan area to group by; the region id for a zone the catalogue does not know.
    pub metro: String,
    /// WGS 84 latitude in degrees, north positive.
    #[schema(required)]
    pub latitude: Option<f64>,
    /// WGS 84 longitude in degrees, east positive.
    #[schema(required)]
    pub longitude: Option<f64>,
    /// How far off the coordinates may be, in kilometres.
    #[schema(required)]
    pub coordinate_accuracy_km: Option<f64>,
    /// Methods by which it is measured.
    pub methods: Vec<MethodName>,
}

/// `GET /api/v1/zones`
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ZonesAnswer {
    /// Every zone that some agent measures, by name.
    pub zones: Vec<ZoneAnswer>,
}
