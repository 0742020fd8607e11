//! The tables of the embedded store and the form of their rows. Format 1; a change of form is a change of [`FORMAT`].
//!
//! Keys are tuples, which redb orders component by component: the hot table is in order of time, then agent.

use azimuth_measurement::{AgentId, ManifestId};
use redb::TableDefinition;
use serde::{Deserialize, Serialize};

use crate::store::AgentStatus;
use crate::store::tier::Tier;

/// The form of everything below.
pub(super) const FORMAT: u64 = 1;

/// Facts about the file: [`META_FORMAT`], [`META_STORE`], [`retired_before_key`].
pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// The [`FORMAT`] the file was written in.
pub(super) const META_FORMAT: &str = "format";
/// The store's own number, by which a part knows whether its numbers for agents and series are this store's.
pub(super) const META_STORE: &str = "store";

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

/// Order of arrival -> agent number, manifest id, manifest frame. Replaying them in order gives every series its number.
pub(super) const MANIFESTS: TableDefinition<'_, u32, (u32, u64, &[u8])> = TableDefinition::new("manifests");

/// Interval start (unix ms, as placed), agent number, epoch, sequence -> [`seal`]ed report frame as it arrived.
pub(super) const HOT: TableDefinition<'_, HotKey, &[u8]> = TableDefinition::new("hot");
/// Key of [`HOT`].
pub(super) type HotKey = (u64, u32, u64, u64);

/// Agent number, epoch -> settled sequences.
pub(super) const SETTLED: TableDefinition<'_, (u32, u64), &[u8]> = TableDefinition::new("settled");

/// End (unix ms), agent number, epoch, first sequence -> start (unix ms), wire number of the cause, reports.
pub(super) const GAPS: TableDefinition<'_, GapKey, (u64, u8, u64)> = TableDefinition::new("gaps");
/// Key of [`GAPS`].
pub(super) type GapKey = (u64, u32, u64, u64);

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
        }
    }
}

/// A frame with its CRC-32 before it: zstd frames carry no checksum of their own.
pub(super) fn seal(frame: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(4 + frame.len());
    sealed.extend(crc32fast::hash(frame).to_le_bytes());
    sealed.extend(frame);
    sealed
}

/// The frame, if it is still the one that was sealed.
pub(super) fn unseal(sealed: &[u8]) -> Option<&[u8]> {
    let (crc, frame) = sealed.split_first_chunk::<4>()?;
    (crc32fast::hash(frame) == u32::from_le_bytes(*crc)).then_some(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_breaks_the_seal() {
        let sealed = seal(b"a report");
        assert_eq!(unseal(&sealed), Some(&b"a report"[..]));
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unseal(&flipped), None, "bit {bit}");
        }
        assert_eq!(unseal(&[1, 2, 3]), None);
    }
}
