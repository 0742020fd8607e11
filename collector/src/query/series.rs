//! One pair over time: percentiles per step.

use azimuth_measurement::Accumulator;
use serde::Serialize;
use utoipa::ToSchema;

use super::facts::{Facts, Pdv};
use super::merge::{Merge, quantiles_us};
use super::source::Grid;
use super::{PairQuestion, QueryError, Source};
use crate::store::Coverage;
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
    /// The rest of what is told.
    #[serde(flatten)]
    pub facts: Facts,
}

/// One point per step that has data, ascending.
///
/// # Errors
/// When a name is not known, the store cannot be read, or counters overflow.
pub fn series(
    source: &Source<'_>,
    question: &PairQuestion,
    step_ms: u64,
) -> Result<(Vec<SeriesPoint>, Coverage), QueryError> {
    let mut scratch = Accumulator::new();
    let mut points = Vec::new();
    let coverage = for_each_step(source, question, step_ms, &mut |start_unix_ms, merge| {
        merge.fill_best(&mut scratch)?;
        let [p10_us, p50_us, p90_us, p95_us, p99_us] = quantiles_us(&scratch, [0.1, 0.5, 0.9, 0.95, 0.99]);
        let counts = merge.counts();
        points.push(SeriesPoint {
            start_at: UtcInstant::from_unix_ms(start_unix_ms),
            n: scratch.count(),
            sent: counts.sent,
            returned: counts.returned,
            lost: counts.lost(),
            min_us: scratch.min_us(),
            p10_us,
            p50_us,
            p90_us,
            p99_us,
            max_us: scratch.max_us(),
            facts: Facts::of(counts, Pdv::of(scratch.min_us(), p95_us, p99_us)),
        });
        Ok(())
    })?;
    Ok((points, coverage))
}

/// Merges the pair's observations step by step. A scan ascends, so only one step is open at a time.
pub(super) fn for_each_step(
    source: &Source<'_>,
    question: &PairQuestion,
    step_ms: u64,
    finish: &mut dyn FnMut(u64, Merge) -> Result<(), QueryError>,
) -> Result<Coverage, QueryError> {
    let selection = question.selection(source)?;
    let grid = Grid::of(step_ms);
    let mut scratch = Accumulator::new();
    let mut open: Option<(u64, Merge)> = None;
    let coverage = source.scan(
        question.range,
        &selection,
        grid.scan_ms(question.range),
        |observation| {
            let start = grid.start_of(observation.start_unix_ms);
            if let Some((finished_start, merge)) = open.take_if(|(open_start, _)| *open_start != start) {
                finish(finished_start, merge)?;
            }
            let (_, merge) = open.get_or_insert_with(|| (start, Merge::default()));
            merge.add(&observation.counts, observation.delays, &mut scratch)
        },
    )?;
    if let Some((start, merge)) = open {
        finish(start, merge)?;
    }
    Ok(coverage)
}

#[cfg(test)]
pub(super) mod tests {
    use azimuth_measurement::{DelayHistogram, LoadLabel, Method, StampClock};

    use super::super::source::tests::source;
    use super::*;
    use crate::store::conformance::{T0, agent, item, manifest_of, report_of, verified};
    use crate::store::embedded::EmbeddedStore;
    use crate::store::{Retention, Store, TimeRange};

    /// A store in which agent `a` measured `az0` and `az1` with these delays, interval by interval.
    pub(in crate::query) fn seeded(delays_us: &[&[u32]]) -> (tempfile::TempDir, EmbeddedStore) {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let store = EmbeddedStore::open(directory.path(), Retention::default(), T0).expect("openable");
        let manifest = manifest_of("a", 2);
        let items: Vec<_> = (0..)
            .zip(delays_us)
            .filter(|(_, delays)| !delays.is_empty())
            .map(|(slot, delays)| item(&report_of(&manifest, slot + 1, slot, delays)))
            .collect();
        store.commit(&[verified(&manifest)], &items).expect("writable");
        (directory, store)
    }

    pub(in crate::query) fn pair() -> PairQuestion {
        PairQuestion {
            agent: agent("a"),
            zone: "aws/eu-west-3/az0".parse().expect("a zone"),
            method: Method::Stamp,
            load: LoadLabel::Idle,
            flow: None,
            range: TimeRange {
                from_unix_ms: T0,
                to_unix_ms: T0 + 3_600_000,
            },
        }
    }

    #[test]
    fn steps_merge_and_absent_is_absent() {
        let (_directory, store) = seeded(&[&[100], &[300, 301], &[], &[], &[500]]);
        let (points, _) = series(&source(&store), &pair(), 20_000).expect("readable");
        let seen: Vec<_> = points
            .iter()
            .map(|point| (point.start_at.unix_ms() - T0, point.n, point.sent))
            .collect();
        assert_eq!(
            seen,
            [(0, 3, 5), (40_000, 1, 2)],
            "no point stands for the step without data"
        );
        assert_eq!(
            (points[0].p10_us, points[0].p50_us, points[0].max_us),
            (Some(100), Some(300), Some(301))
        );
    }

    #[test]
    fn flows_merge_and_each_can_be_asked_for() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let store = EmbeddedStore::open(directory.path(), Retention::default(), T0).expect("openable");
        let mut manifest = manifest_of("a", 2);
        manifest.series[1].zone = manifest.series[0].zone.clone();
        manifest.series[1].flow = 1;
        let mut report = report_of(&manifest, 1, 0, &[100]);
        report.records[1].delays = vec![(StampClock::Kernel, DelayHistogram::from_values_us(&mut [900]))];
        store
            .commit(&[verified(&manifest)], &[item(&report)])
            .expect("writable");
        let of = |flow| {
            let question = PairQuestion { flow, ..pair() };
            let (points, _) = series(&source(&store), &question, 10_000)?;
            Ok::<_, QueryError>((
                points[0].min_us,
                points[0].max_us,
                question.flows(&source(&store))?,
            ))
        };
        assert_eq!(of(None).expect("readable"), (Some(100), Some(900), vec![0, 1]));
        assert_eq!(of(Some(1)).expect("readable"), (Some(900), Some(900), vec![0, 1]));
        assert!(matches!(
            of(Some(2)),
            Err(QueryError::Unknown {
                label: super::super::Label::Flow,
                ..
            })
        ));
    }

    #[test]
    fn the_range_bounds_what_is_read() {
        let (_directory, store) = seeded(&[&[100], &[300], &[500]]);
        let range = TimeRange {
            from_unix_ms: T0 + 10_000,
            to_unix_ms: T0 + 20_000,
        };
        let (points, _) =
            series(&source(&store), &PairQuestion { range, ..pair() }, 10_000).expect("readable");
        assert_eq!(points.len(), 1);
        assert_eq!(points[0].p50_us, Some(300));
    }
}
