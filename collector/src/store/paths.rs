//! Path events as a store keeps them: what was told of the way from an agent to a target. Pure; shared by the backends.

use azimuth_measurement::{PathEvent, SeriesDescriptor};

use super::dictionary::AgentNumber;
use super::{Dictionary, TimeRange, VerifiedReport};

/// Most events kept of one agent and hour; its honest rate is far below. What is beyond is refused and counted.
pub const MOST_AN_HOUR: usize = 720;

/// A path event and the series it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredPath {
    /// The series that stands for the target.
    pub series: SeriesDescriptor,
    /// The event, its time on the collector's time line.
    pub event: PathEvent,
}

impl StoredPath {
    /// The event with what its manifest says of its series; `None` when the manifest is not known, or has no such series.
    pub(super) fn of(
        dictionary: &Dictionary,
        agent: AgentNumber,
        manifest: azimuth_measurement::ManifestId,
        event: PathEvent,
    ) -> Option<Self> {
        let known = dictionary.manifest(agent, manifest)?;
        let series = known.manifest.series.get(event.series as usize)?.clone();
        Some(Self { series, event })
    }
}

/// Which events of one report there is room for: those of hours that `held` says are not full. The rest is counted.
pub(super) fn within_bounds<E>(
    report: &VerifiedReport,
    mut held: impl FnMut(TimeRange) -> Result<usize, E>,
) -> Result<(Vec<&PathEvent>, u64), E> {
    const HOUR_MS: u64 = 3_600_000;
    let (mut kept, mut refused) = (Vec::new(), 0);
    for event in &report.paths {
        let hour_unix_ms = event.at_unix_ms / HOUR_MS * HOUR_MS;
        let hour = TimeRange {
            from_unix_ms: hour_unix_ms,
            to_unix_ms: hour_unix_ms.saturating_add(HOUR_MS),
        };
        let of_this_report = kept
            .iter()
            .filter(|kept: &&&PathEvent| hour.contains(kept.at_unix_ms))
            .count();
        if held(hour)? + of_this_report < MOST_AN_HOUR {
            kept.push(event);
        } else {
            refused += 1;
        }
    }
    Ok((kept, refused))
}

/// The whole identity of a stored event: agent, time, epoch, sequence, number within the report.
pub(super) type PathKey = (u32, u64, u64, u64, u32);

/// Every event of an agent in a range.
pub(super) fn keys_of(agent: AgentNumber, range: TimeRange) -> std::ops::Range<PathKey> {
    (agent.0, range.from_unix_ms, 0, 0, 0)..(agent.0, range.to_unix_ms, 0, 0, 0)
}
