//! What a report tells beside its records, one event at a time: path events and throughput results. How many there is room
//! for, and the order they stand in. Pure; shared by the backends.

use azimuth_measurement::{ManifestId, SeriesDescriptor};

use super::dictionary::AgentNumber;
use super::{Dictionary, TimeRange, VerifiedReport};

/// One kind of event.
pub(super) trait Event: Clone {
    /// The event with the series it is about.
    type Stored;
    /// Most kept of one agent and hour; its honest rate is far below. What is beyond is refused and counted.
    const MOST_AN_HOUR: usize;

    /// Those of a report.
    fn of_report(report: &VerifiedReport) -> &[Self]
    where
        Self: Sized;

    /// When it was, on the collector's time line.
    fn at_unix_ms(&self) -> u64;

    /// The number of its series in the manifest.
    fn series(&self) -> u32;

    /// With the series it is about.
    fn with_series(self, series: SeriesDescriptor) -> Self::Stored;
}

/// The event with what its manifest says of its series; `None` when the manifest is not known, or has no such series.
pub(super) fn stored<T: Event>(
    dictionary: &Dictionary,
    agent: AgentNumber,
    manifest: ManifestId,
    event: T,
) -> Option<T::Stored> {
    let known = dictionary.manifest(agent, manifest)?;
    let series = known.manifest.series.get(event.series() as usize)?.clone();
    Some(event.with_series(series))
}

/// Which events of one report there is room for: those of hours that `held` says are not full. The rest is counted.
pub(super) fn within_bounds<T: Event, E>(
    report: &VerifiedReport,
    mut held: impl FnMut(TimeRange) -> Result<usize, E>,
) -> Result<(Vec<&T>, u64), E> {
    const HOUR_MS: u64 = 3_600_000;
    let (mut kept, mut refused) = (Vec::new(), 0);
    for event in T::of_report(report) {
        let hour_unix_ms = event.at_unix_ms() / HOUR_MS * HOUR_MS;
        let hour = TimeRange {
            from_unix_ms: hour_unix_ms,
            to_unix_ms: hour_unix_ms.saturating_add(HOUR_MS),
        };
        let of_this_report = kept
            .iter()
            .filter(|kept: &&&T| hour.contains(kept.at_unix_ms()))
            .count();
        if held(hour)? + of_this_report < T::MOST_AN_HOUR {
            kept.push(event);
        } else {
            refused += 1;
        }
    }
    Ok((kept, refused))
}

/// The whole identity of a stored event: agent, time, epoch, sequence, number within the report.
pub(super) type EventKey = (u32, u64, u64, u64, u32);

/// Every event of an agent in a range.
pub(super) fn keys_of(agent: AgentNumber, range: TimeRange) -> std::ops::Range<EventKey> {
    (agent.0, range.from_unix_ms, 0, 0, 0)..(agent.0, range.to_unix_ms, 0, 0, 0)
}
