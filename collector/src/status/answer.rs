//! `GET /api/v1/status`, as JSON; read back by `azimuth-collector status`. Numbers that do not exist are null, never 0.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::answers::AgentState;
use crate::utc::UtcInstant;

/// Whether anything needs a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing does.
    Healthy,
    /// Something does: see `concerns`.
    Degraded,
}

/// How the collector fares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StatusAnswer {
    /// The collector's clock.
    pub now: UtcInstant,
    /// The release of this collector.
    pub version: String,
    /// How long it has run, in seconds.
    pub uptime_s: u64,
    /// Whether anything needs a person.
    pub state: State,
    /// What needs one, most urgent first.
    pub concerns: Vec<ConcernAnswer>,
    /// What `lately` means below, in seconds: five minutes (up to 15 s more), or since the start.
    pub lately_s: u64,
    /// What comes in.
    pub ingest: IngestStatus,
    /// How long it takes to make it durable.
    pub commits: CommitStatus,
    /// Everything that was refused or lost, by name; what happened lately first.
    pub refusals: Vec<Refusal>,
    /// What is kept.
    pub store: StoreStatus,
    /// Who delivers.
    pub agents: FleetStatus,
}

/// Something that needs a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConcernAnswer {
    /// A stable word: `store_not_writable`, `plan_stopped`, `commits_failing`, `ingest_overloaded`, `disk_filling`, `disk_low`,
    /// `sealing_failing`, `sealing_behind`, `files_damaged`, `reports_unreadable`, `reports_refused`,
    /// `queries_overloaded`, `connections_refused`, `commits_slow`, `channels_dead`, `agents_silent`, `clocks_off` or
    /// `faster_than_light`.
    pub name: String,
    /// What is the matter.
    pub detail: String,
    /// What to do about it.
    pub remedy: String,
}

/// What comes in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct IngestStatus {
    /// Reports and tombstones that wait for a commit, or are being committed.
    pub queued_reports: u64,
    /// Bodies they came in.
    pub queued_bodies: u64,
    /// Most bodies that may wait.
    pub queued_bodies_most: u64,
    /// Bytes that wait for a commit.
    pub queued_bytes: u64,
    /// Most bytes that may wait.
    pub queued_bytes_most: u64,
    /// Bytes of bodies that are being read or examined.
    pub held_bytes: u64,
    /// Most bytes of bodies at once.
    pub held_bytes_most: u64,
    /// Reports and tombstones stored since the start.
    pub stored: u64,
    /// Reports and tombstones stored per second, lately; null in the first second.
    #[schema(required)]
    pub stored_per_s: Option<f64>,
    /// Bytes of bodies read per second, lately; null in the first second.
    #[schema(required)]
    pub body_bytes_per_s: Option<f64>,
}

/// How long commits took lately. A commit is one transaction with its fsync.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CommitStatus {
    /// How many there were.
    pub n: u64,
    /// Half took at most this long, in microseconds.
    #[schema(required)]
    pub p50_us: Option<u32>,
    /// 99 of 100 took at most this long.
    #[schema(required)]
    pub p99_us: Option<u32>,
    /// The longest; what took more than 60 s counts as 60 s.
    #[schema(required)]
    pub max_us: Option<u32>,
    /// How many of them failed.
    pub failed: u64,
}

/// Something that was refused or lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Refusal {
    /// What: `item` (a report or tombstone), `body`, `query`, `connection` or `store`.
    pub kind: String,
    /// More exactly: the verdict, the endpoint, `refused` or `unavailable`; empty where there is no more to say.
    pub subject: String,
    /// Why, in the words of the problem that was answered and of `/metrics`.
    pub reason: String,
    /// How many lately.
    pub lately: u64,
    /// How many since the start.
    pub total: u64,
}

/// What is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StoreStatus {
    /// Whether the last write went through.
    pub writable: bool,
    /// What the store takes on disk.
    pub disk_bytes: u64,
    /// What of it is the file of reports that are not sealed yet.
    pub hot_bytes: u64,
    /// What the file system has left for this process; null when it does not say.
    #[schema(required)]
    pub free_bytes: Option<u64>,
    /// What the file system holds in all.
    #[schema(required)]
    pub total_bytes: Option<u64>,
    /// What is sealed, finest tier first.
    pub tiers: Vec<TierStatus>,
    /// By how much the store grows in a day now; null while less than an hour is sealed.
    #[schema(required)]
    pub growth_bytes_per_day: Option<f64>,
    /// Days until the disk is full: see `estimate`.
    #[schema(required)]
    pub days_until_full: Option<f64>,
    /// What `days_until_full` rests on, or why it is null.
    pub estimate: Estimate,
    /// Start of the oldest hour that is not rolled up yet.
    #[schema(required)]
    pub oldest_unsealed_hour_at: Option<UtcInstant>,
    /// Hours that are not rolled up yet.
    pub unsealed_hours: u64,
    /// How long sealing is behind what is due, in seconds. 0 when it is not.
    pub sealing_behind_s: u64,
    /// Damaged files that were set aside and kept.
    pub files_set_aside: u64,
}

/// What an estimate rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Estimate {
    /// Each tier grows as in its last sealed week until its retention is reached; everything else stays as it is.
    SealedGrowth,
    /// As before; and that lasts longer than ten years.
    BeyondTenYears,
    /// Less than an hour is sealed in any tier.
    TooLittleSealed,
    /// The file system does not say how much it has left.
    FreeSpaceUnknown,
}

/// One level of detail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TierStatus {
    /// `10s`, `1min`, `1h` or `1day`.
    pub tier: String,
    /// What it takes on disk.
    pub bytes: u64,
    /// Start of the oldest sealed period.
    #[schema(required)]
    pub from: Option<UtcInstant>,
    /// End of the newest.
    #[schema(required)]
    pub to: Option<UtcInstant>,
    /// Bytes it is given in a day, from its last sealed week; null while less than an hour is sealed.
    #[schema(required)]
    pub bytes_per_day: Option<f64>,
    /// How long it is kept, in seconds; null for ever.
    #[schema(required)]
    pub kept_s: Option<u64>,
}

/// Who delivers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FleetStatus {
    /// Agents that ever had a report stored.
    pub known: u64,
    /// Heard within 30 s.
    pub live: u64,
    /// Heard within 5 min.
    pub stale: u64,
    /// Silent for longer.
    pub offline: u64,
    /// Of the offline ones, those heard within the last day. One that is silent for longer is taken to be gone, and is no
    /// concern.
    pub silent_lately: u64,
    /// Of the live ones, those whose clock is more than 2 s off.
    pub clocks_off: u64,
    /// The worst first: silent since a short time, then wrong clocks, then the rest, then those that are gone.
    pub worst: Vec<AgentStanding>,
    /// How many more there are.
    pub left_out: u64,
}

/// One agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentStanding {
    /// Its id.
    pub agent: String,
    /// Its vantage point's name.
    pub name: String,
    /// Its software version.
    pub version: String,
    /// How recently it was heard.
    pub state: AgentState,
    /// When its last report was received.
    pub last_report_at: UtcInstant,
    /// How long ago that is, in seconds.
    pub silent_s: u64,
    /// Agent clock minus collector clock, in milliseconds, at the last report.
    pub clock_skew_ms: i64,
    /// 99th percentile of how late its probes left, in its last report; null when it sent none.
    #[schema(required)]
    pub send_lateness_p99_us: Option<u32>,
}
