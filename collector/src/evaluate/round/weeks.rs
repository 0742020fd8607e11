//! What the hours of the last two weeks were like, for [`crate::alert::hours`]: read from the store's one-hour rollups after a
//! start. The rest of what the rules remember is rebuilt from the last hours, sample by sample.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use azimuth_measurement::DelayHistogram;

use super::{RoundError, Surroundings};
use crate::alert::reference::median_of;
use crate::alert::rules::Watch;
use crate::alert::settings::HOUR_MS;
use crate::evaluate::best;
use crate::store::{ScanRequest, SeriesSelection, TimeRange};

/// Two weeks, and a day for what is being evaluated.
const REACH_MS: u64 = 15 * 24 * HOUR_MS;

/// An hour of one series: where the store holds no rollup of it, the median of its intervals' medians.
struct Hour {
    start_unix_ms: u64,
    medians_us: Vec<f64>,
}

/// Tells the rules what the hours before `to_unix_ms` were like.
///
/// # Errors
/// When the store cannot be read, or it is told to stop.
pub(super) fn remember_hours(
    watch: &mut Watch,
    around: &Surroundings<'_>,
    chosen: &SeriesSelection,
    to_unix_ms: u64,
) -> Result<(), RoundError> {
    let to_unix_ms = to_unix_ms / HOUR_MS * HOUR_MS;
    let request = ScanRequest {
        range: TimeRange {
            from_unix_ms: to_unix_ms.saturating_sub(REACH_MS),
            to_unix_ms,
        },
        series: chosen,
        step_ms: HOUR_MS,
    };
    let mut open: BTreeMap<u32, Hour> = BTreeMap::new();
    let mut close = |series: u32, hour: Hour| {
        if let Some(median_us) = median_of(hour.medians_us.into_iter()) {
            watch.remember_hour(series, hour.start_unix_ms, median_us);
        }
    };
    let stopped = || around.stop.load(Ordering::Relaxed);
    around.store.scan_until(request, &stopped, &mut |observation| {
        let start_unix_ms = observation.start_unix_ms / HOUR_MS * HOUR_MS;
        if let Some(median_us) = best(&observation.delays).and_then(median_us) {
            let series = observation.series.0;
            let hour = open.remove(&series);
            let mut hour = match hour {
                Some(hour) if hour.start_unix_ms == start_unix_ms => hour,
                other => {
                    if let Some(over) = other {
                        close(series, over);
                    }
                    Hour {
                        start_unix_ms,
                        medians_us: Vec::new(),
                    }
                }
            };
            hour.medians_us.push(median_us);
            open.insert(series, hour);
        }
        if stopped() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    if stopped() {
        return Err(RoundError::Stopped);
    }
    for (series, hour) in open {
        close(series, hour);
    }
    Ok(())
}

/// To the middle of its bucket, as the detector takes it.
fn median_us(delays: &DelayHistogram) -> Option<f64> {
    let rank = delays.count().div_ceil(2);
    let mut seen = 0;
    let bucket = delays.bins().find_map(|(bucket, count)| {
        seen += count;
        (seen >= rank).then_some(bucket)
    })?;
    Some(f64::midpoint(
        bucket.lowest_us().into(),
        bucket.highest_us().into(),
    ))
}
