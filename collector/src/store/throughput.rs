//! Throughput results as a store keeps them: what tests between an agent and a target found. Pure; shared by the backends.

use azimuth_measurement::{SeriesDescriptor, ThroughputResult};

use super::dictionary::AgentNumber;
use super::{Dictionary, TimeRange, VerifiedReport};

/// Most results kept of one agent and hour; its honest rate is far below. What is beyond is refused and counted.
pub const MOST_RESULTS_AN_HOUR: usize = 240;

/// A throughput result and the series whose target it is.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredThroughput {
    /// The series that stands for the target.
    pub series: SeriesDescriptor,
    /// The result, its time on the collector's time line.
    pub result: ThroughputResult,
}

impl StoredThroughput {
    /// The result with what its manifest says of its series; `None` when the manifest is not known, or has no such series.
    pub(super) fn of(
        dictionary: &Dictionary,
        agent: AgentNumber,
        manifest: azimuth_measurement::ManifestId,
        result: ThroughputResult,
    ) -> Option<Self> {
        let known = dictionary.manifest(agent, manifest)?;
        let series = known.manifest.series.get(result.series as usize)?.clone();
        Some(Self { series, result })
    }
}

/// Which results of one report there is room for: those of hours that `held` says are not full. The rest is counted.
pub(super) fn results_within_bounds<E>(
    report: &VerifiedReport,
    mut held: impl FnMut(TimeRange) -> Result<usize, E>,
) -> Result<(Vec<&ThroughputResult>, u64), E> {
    const HOUR_MS: u64 = 3_600_000;
    let (mut kept, mut refused) = (Vec::new(), 0);
    for result in &report.throughput {
        let hour_unix_ms = result.at_unix_ms / HOUR_MS * HOUR_MS;
        let hour = TimeRange {
            from_unix_ms: hour_unix_ms,
            to_unix_ms: hour_unix_ms.saturating_add(HOUR_MS),
        };
        let of_this_report = kept
            .iter()
            .filter(|kept: &&&ThroughputResult| hour.contains(kept.at_unix_ms))
            .count();
        if held(hour)? + of_this_report < MOST_RESULTS_AN_HOUR {
            kept.push(result);
        } else {
            refused += 1;
        }
    }
    Ok((kept, refused))
}
