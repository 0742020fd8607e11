//! The tables of the embedded store and the form of their rows. Format 2; a change of form is a change of [`FORMAT`].
//!
//! Keys are tuples, which redb orders component by component: the hot table is in order of time, then agent.

use azimuth_measurement::{AgentId, ManifestId, PlanRefusal, PlanStanding};
use redb::TableDefinition;
use serde::{Deserialize, Serialize};

use crate::store::AgentStatus;
use crate::store::identity::Lives;
use crate::store::tier::Tier;

/// The form of everything below. Format 1, in which a row of [`MANIFESTS`] was the frame alone, is read as well; the first
/// new row makes it format 2, and so do gaps found in [`GAPS_BY_END`].
pub(super) const FORMAT: u64 = 2;

/// Facts about the file: [`META_FORMAT`], [`META_STORE`], [`META_WRITES`], [`retired_before_key`], [`lost_key`].
pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// The [`FORMAT`] the file was written in.
pub(super) const META_FORMAT: &str = "format";
/// The store's own number, by which a part knows whether its numbers for agents and series are this store's.
pub(super) const META_STORE: &str = "store";

/// How many transactions the file has taken.
pub(super) const META_WRITES: &str = "writes";

/// Row of [`META`] that a file begun in the place of a damaged one has: the first instant (unix ms) of what was lost with the
/// one set aside at `to_unix_ms`.
pub(super) fn lost_key(to_unix_ms: u64) -> String {
    format!("lost_to_{to_unix_ms}_from_unix_ms")
}

/// What starts before this instant (unix ms) has left the tier.
pub(super) fn retired_before_key(tier: Tier) -> &'static str {
    match tier {
        Tier::TenSeconds => "10s_retired_before_unix_ms",
        Tier::OneMinute => "1min_retired_before_unix_ms",
        Tier::OneHour => "1h_retired_before_unix_ms",
        Tier::OneDay => "1day_retired_before_unix_ms",
    }
}

/// Agent number -> [`AgentRow`] as JSON: few, small, and read by people when something is wrong.
pub(super) const AGENTS: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("agents");

/// Order of arrival -> agent number, manifest id, [`growth_row`](super::growth_row). Replaying them in order gives every series its number.
pub(super) const MANIFESTS: TableDefinition<'_, u32, (u32, u64, &[u8])> = TableDefinition::new("manifests");

/// Interval start (unix ms, as placed), agent number, epoch, sequence -> [`seal`]ed report frame as it arrived.
pub(super) const HOT: TableDefinition<'_, HotKey, &[u8]> = TableDefinition::new("hot");
/// Key of [`HOT`].
pub(super) type HotKey = (u64, u32, u64, u64);

/// Agent number, epoch -> settled sequences.
pub(super) const SETTLED: TableDefinition<'_, (u32, u64), &[u8]> = TableDefinition::new("settled");

/// Agent number, end (unix ms), epoch, first sequence -> start (unix ms), wire number of the cause, reports.
pub(super) const GAPS: TableDefinition<'_, GapKey, (u64, u8, u64)> = TableDefinition::new("gaps_by_agent");
/// Key of [`GAPS`].
pub(super) type GapKey = (u32, u64, u64, u64);

/// Where gaps were before, by end and then agent: read once, when a file that has it is opened.
pub(super) const GAPS_BY_END: TableDefinition<'_, GapByEndKey, (u64, u8, u64)> = TableDefinition::new("gaps");
/// Key of [`GAPS_BY_END`].
type GapByEndKey = (u64, u32, u64, u64);

/// Every gap of this agent that ends at `from_unix_ms` or later.
pub(super) fn gaps_of(agent: u32, from_unix_ms: u64) -> std::ops::RangeInclusive<GapKey> {
    (agent, from_unix_ms, 0, 0)..=(agent, u64::MAX, u64::MAX, u64::MAX)
}

/// What [`AGENTS`] holds about an agent.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AgentRow {
    /// The agent's id.
    pub(super) agent: String,
    /// Absent until its first report: a tombstone may come before.
    pub(super) latest: Option<LatestRow>,
}

/// The part of the row that every report rewrites.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LatestRow {
    manifest: u64,
    last_report_at_unix_ms: u64,
    last_interval_end_unix_ms: u64,
    clock_skew_ms: i64,
    reports_stored: u64,
    send_lateness_p99_us: Option<u32>,
    #[serde(default)]
    plan: Option<PlanRow>,
    #[serde(default)]
    lives: Lives,
    #[serde(default)]
    identity_conflicts: u64,
    #[serde(default)]
    last_identity_conflict_at_unix_ms: Option<u64>,
}

/// The plan an agent measures by; what it refuses by wire number.
#[derive(Debug, Serialize, Deserialize)]
struct PlanRow {
    version: u64,
    stopped: bool,
    refused: Vec<(u8, u32)>,
}

impl PlanRow {
    fn of(plan: &PlanStanding) -> Self {
        let refused = plan.refused.iter().map(|(why, count)| (why.wire(), *count));
        Self {
            version: plan.version,
            stopped: plan.stopped,
            refused: refused.collect(),
        }
    }

    fn standing(&self) -> PlanStanding {
        let refused = self.refused.iter();
        PlanStanding {
            version: self.version,
            stopped: self.stopped,
            refused: refused
                .filter_map(|(why, count)| Some((PlanRefusal::from_wire((*why).into())?, *count)))
                .collect(),
        }
    }
}

impl LatestRow {
    /// The row for `status`.
    pub(super) fn of(status: &AgentStatus) -> Self {
        Self {
            manifest: status.manifest_id.0,
            last_report_at_unix_ms: status.last_report_at_unix_ms,
            last_interval_end_unix_ms: status.last_interval_end_unix_ms,
            clock_skew_ms: status.clock_skew_ms,
            reports_stored: status.reports_stored,
            send_lateness_p99_us: status.send_lateness_p99_us,
            plan: status.plan.as_ref().map(PlanRow::of),
            lives: status.lives.clone(),
            identity_conflicts: status.identity_conflicts,
            last_identity_conflict_at_unix_ms: status.last_identity_conflict_at_unix_ms,
        }
    }

    /// The id of its current manifest.
    pub(super) fn manifest(&self) -> ManifestId {
        ManifestId(self.manifest)
    }

    /// The status the row stands for.
    pub(super) fn status(
        &self,
        agent: AgentId,
        manifest: std::sync::Arc<azimuth_measurement::Manifest>,
    ) -> AgentStatus {
        AgentStatus {
            agent,
            manifest,
            manifest_id: self.manifest(),
            last_report_at_unix_ms: self.last_report_at_unix_ms,
            last_interval_end_unix_ms: self.last_interval_end_unix_ms,
            clock_skew_ms: self.clock_skew_ms,
            reports_stored: self.reports_stored,
            send_lateness_p99_us: self.send_lateness_p99_us,
            plan: self.plan.as_ref().map(PlanRow::standing),
            lives: self.lives.clone(),
            identity_conflicts: self.identity_conflicts,
            last_identity_conflict_at_unix_ms: self.last_identity_conflict_at_unix_ms,
        }
    }
}

/// A frame with a CRC-32 of its key and itself before it: zstd frames carry no checksum of their own, and a report under
/// another key would be shown at another time.
pub(super) fn seal(key: HotKey, frame: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(4 + frame.len());
    sealed.extend(crc_of(key, frame).to_le_bytes());
    sealed.extend(frame);
    sealed
}

/// The frame, if it is still the one that was sealed under this key.
pub(super) fn unseal(key: HotKey, sealed: &[u8]) -> Option<&[u8]> {
    let (crc, frame) = sealed.split_first_chunk::<4>()?;
    (crc_of(key, frame) == u32::from_le_bytes(*crc)).then_some(frame)
}

fn crc_of((start_unix_ms, agent, epoch, sequence): HotKey, frame: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for number in [start_unix_ms, agent.into(), epoch, sequence] {
        hasher.update(&number.to_le_bytes());
    }
    hasher.update(frame);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_breaks_the_seal() {
        let key = (1_795_428_000_000, 7, 9, 11);
        let sealed = seal(key, b"a report");
        assert_eq!(unseal(key, &sealed), Some(&b"a report"[..]));
        for other in [
            (key.0 + 10_000, 7, 9, 11),
            (key.0, 6, 9, 11),
            (key.0, 7, 8, 11),
            (key.0, 7, 9, 10),
        ] {
            assert_eq!(unseal(other, &sealed), None, "under another key");
        }
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unseal(key, &flipped), None, "bit {bit}");
        }
        assert_eq!(unseal(key, &[1, 2, 3]), None);
    }
}
