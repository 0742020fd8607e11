//! One pair over one window: the whole distribution.

use azimuth_measurement::{Accumulator, ProbeCounts, StampClock};
use serde::Serialize;
use utoipa::ToSchema;

use super::facts::{Facts, Pdv};
use super::series::for_each_step;
use super::{PairQuestion, QueryError, Source};
use crate::store::Coverage;

/// Quantiles people ask for by name, always on the curve when there are delays enough.
const NAMED: [f64; 6] = [0.5, 0.9, 0.95, 0.99, 0.999, 0.9999];
/// Points of the curve each time the distance to 1 halves, as in HdrHistogram's percentile output.
const POINTS_PER_HALVING: u32 = 5;

/// A point of the percentile curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Percentile {
    /// Share of delays, 0 to 1.
    pub quantile: f64,
    /// The delay that this share does not exceed (nearest rank).
    pub value_us: u32,
}

/// A bin of the merged histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Bin {
    /// Shortest delay of the bin.
    pub low_us: u32,
    /// Longest delay of the bin.
    pub high_us: u32,
    /// Delays in the bin.
    pub count: u64,
}

/// A whole distribution.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// The clock that stamped the delays; `None` without delays.
    pub clock: Option<StampClock>,
    /// Delays in the histogram.
    pub n: u64,
    /// What happened to the probes.
    pub counts: ProbeCounts,
    /// Shortest delay.
    pub min_us: Option<u32>,
    /// Longest delay.
    pub max_us: Option<u32>,
    /// Mean of the bucket middles.
    pub mean_us: Option<f64>,
    /// The rest of what is told.
    pub facts: Facts,
    /// The percentile curve.
    pub percentiles: Vec<Percentile>,
    /// The histogram.
    pub bins: Vec<Bin>,
    /// What was read.
    pub coverage: Coverage,
}

/// Merges the whole range into one histogram.
///
/// # Errors
/// When a name is not known, the store cannot be read, or counters overflow.
pub fn distribution(source: &Source<'_>, question: &PairQuestion) -> Result<Distribution, QueryError> {
    let mut scratch = Accumulator::new();
    let (mut clock, mut counts) = (None, ProbeCounts::default());
    // One step holds all of time, so this finishes at most once.
    let coverage = for_each_step(source, question, u64::MAX, &mut |_, merge| {
        clock = merge.fill_best(&mut scratch)?;
        counts = *merge.counts();
        Ok(())
    })?;
    let bins = scratch.bins().map(|(bucket, count)| Bin {
        low_us: bucket.lowest_us(),
        high_us: bucket.highest_us(),
        count,
    });
    Ok(Distribution {
        clock,
        n: scratch.count(),
        counts,
        min_us: scratch.min_us(),
        max_us: scratch.max_us(),
        mean_us: scratch.mean_us(),
        facts: Facts::of(&counts, Pdv::of_delays(&scratch)),
        percentiles: percentiles(&scratch),
        bins: bins.collect(),
        coverage,
    })
}

/// The curve, up to the last quantile whose rank at least one delay exceeds: beyond it there is only the maximum.
fn percentiles(delays: &Accumulator) -> Vec<Percentile> {
    let n = delays.count();
    let has_one_above = |quantile: &f64| ((quantile * n as f64).ceil() as u64) < n;
    let halvings = u64::BITS - n.leading_zeros();
    let mut quantiles: Vec<f64> = (0..=halvings)
        .flat_map(|halving| {
            let distance = 0.5_f64.powi(halving as i32);
            (0..POINTS_PER_HALVING).map(move |point| {
                1.0 - distance * (1.0 - 0.5 * f64::from(point) / f64::from(POINTS_PER_HALVING))
            })
        })
        .chain(NAMED)
        .filter(has_one_above)
        .collect();
    quantiles.sort_by(f64::total_cmp);
    quantiles.dedup();
    quantiles
        .into_iter()
        .filter_map(|quantile| {
            Some(Percentile {
                quantile,
                value_us: delays.quantile_us(quantile)?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::series::tests::{pair, seeded};
    use super::super::source::tests::source;
    use super::*;

    #[test]
    fn the_whole_range_is_one_histogram() {
        let (_directory, store) = seeded(&[&[100, 200], &[], &[300]]);
        let distribution = distribution(&source(&store), &pair()).expect("readable");
        assert_eq!(
            (
                distribution.n,
                distribution.counts.sent,
                distribution.counts.lost()
            ),
            (3, 5, 2)
        );
        assert_eq!((distribution.min_us, distribution.max_us), (Some(100), Some(300)));
        assert_eq!(distribution.mean_us, Some(200.0));
        assert_eq!(distribution.bins.iter().map(|bin| bin.count).sum::<u64>(), 3);
        assert_eq!(distribution.clock, Some(StampClock::Kernel));
    }

    #[test]
    fn the_curve_ends_where_one_delay_is_left() {
        let mut delays = Accumulator::new();
        assert_eq!(percentiles(&delays), []);
        (1..=1_000).for_each(|delay_us| delays.record_us(delay_us).expect("few"));
        let curve = percentiles(&delays);
        let at = |quantile: f64| {
            curve
                .iter()
                .find(|point| point.quantile == quantile)
                .map(|point| point.value_us)
        };
        assert_eq!(
            (at(0.0), at(0.5), at(0.99), at(0.999), at(0.9999)),
            (Some(1), Some(500), Some(990), Some(999), None)
        );
    }

    proptest! {
        #[test]
        fn the_curve_ascends_and_always_has_a_delay_above(delays_us in prop::collection::vec(1_u32..60_000_000, 0..400)) {
            let mut delays = Accumulator::new();
            delays_us.iter().for_each(|delay_us| delays.record_us(*delay_us).expect("few"));
            let curve = percentiles(&delays);
            for pair in curve.windows(2) {
                prop_assert!(pair[0].quantile < pair[1].quantile && pair[0].value_us <= pair[1].value_us);
            }
            for point in curve {
                prop_assert!((point.quantile * delays_us.len() as f64).ceil() < delays_us.len() as f64);
            }
        }
    }
}
