//! One pair over time and delay: how many delays fell into each cell.

use azimuth_measurement::{Accumulator, BucketIndex, DelayHistogram, StampClock};
use serde::Serialize;
use utoipa::ToSchema;

use super::merge::best_of;
use super::series::for_each_step;
use super::{PairQuestion, QueryError, Source};
use crate::store::Coverage;
use crate::utc::UtcInstant;

/// A row: the delays `low_us..=high_us`. Rows ascend and are logarithmically spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct HeatmapRow {
    /// Shortest delay of the row.
    pub low_us: u32,
    /// Longest delay of the row.
    pub high_us: u32,
}

/// A column: one step that has data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HeatmapColumn {
    /// Start of the step.
    pub start_at: UtcInstant,
    /// Delays counted in this column.
    pub n: u64,
    /// Probes sent.
    pub sent: u64,
    /// Probes not answered within the waiting time (RFC 7680).
    pub lost: u64,
    /// Pairs of row number (from 0) and number of delays; rows without delays are left out.
    pub counts: Vec<(u32, u64)>,
}

/// A heat map.
#[derive(Debug, Clone, PartialEq)]
pub struct Heatmap {
    /// The clock that stamped the delays; `None` without delays.
    pub clock: Option<StampClock>,
    /// Rows from the shortest delay up.
    pub rows: Vec<HeatmapRow>,
    /// One per step that has data, ascending.
    pub columns: Vec<HeatmapColumn>,
    /// What was read.
    pub coverage: Coverage,
}

/// Counts the pair's delays per step and row. All columns show the delays of one clock, the best of the whole range.
///
/// # Errors
/// When a name is not known, the store cannot be read, or counters overflow.
pub fn heatmap(
    source: &Source<'_>,
    question: &PairQuestion,
    step_ms: u64,
    max_rows: u32,
) -> Result<Heatmap, QueryError> {
    let mut steps = Vec::new();
    let coverage = for_each_step(source, question, step_ms, &mut |start_unix_ms, merge| {
        steps.push((start_unix_ms, merge));
        Ok(())
    })?;
    let clock = best_of(steps.iter().filter_map(|(_, merge)| merge.best_clock()));
    let mut scratch = Accumulator::new();
    let mut columns: Vec<(HeatmapColumn, DelayHistogram)> = Vec::with_capacity(steps.len());
    for (start_unix_ms, merge) in steps {
        scratch.clear();
        clock.map_or(Ok(()), |clock| merge.fill(clock, &mut scratch))?;
        let column = HeatmapColumn {
            start_at: UtcInstant::from_unix_ms(start_unix_ms),
            n: scratch.count(),
            sent: merge.counts().sent,
            lost: merge.counts().lost(),
            counts: Vec::new(),
        };
        columns.push((column, scratch.to_histogram().map_err(|_| QueryError::Overflow)?));
    }
    let buckets = || {
        columns
            .iter()
            .flat_map(|(_, histogram)| histogram.bins().map(|(bucket, _)| bucket))
    };
    let rows = match (buckets().min(), buckets().max()) {
        (Some(lowest), Some(highest)) => rows_between(lowest, highest, max_rows),
        _ => Vec::new(),
    };
    let columns = columns
        .into_iter()
        .map(|(column, histogram)| HeatmapColumn {
            counts: count_rows(&rows, &histogram),
            ..column
        })
        .collect();
    Ok(Heatmap {
        clock,
        rows,
        columns,
        coverage,
    })
}

/// At most `max_rows` rows, logarithmically spaced. Their edges are edges of buckets, so that every bucket lies in
/// exactly one row and no row is empty only because no bucket starts in it.
fn rows_between(lowest: BucketIndex, highest: BucketIndex, max_rows: u32) -> Vec<HeatmapRow> {
    let (low_us, high_us) = (
        f64::from(lowest.lowest_us().max(1)),
        f64::from(highest.highest_us()),
    );
    let mut edges: Vec<u32> = (0..max_rows.max(1))
        .map(|row| low_us * (high_us / low_us).powf(f64::from(row) / f64::from(max_rows.max(1))))
        .map(|edge_us| {
            BucketIndex::of_us(edge_us as u32)
                .clamp(lowest, highest)
                .lowest_us()
        })
        .collect();
    edges.dedup();
    let ends = edges
        .iter()
        .skip(1)
        .map(|edge| edge - 1)
        .chain([highest.highest_us()]);
    edges
        .iter()
        .zip(ends)
        .map(|(&low_us, high_us)| HeatmapRow { low_us, high_us })
        .collect()
}

fn count_rows(rows: &[HeatmapRow], histogram: &DelayHistogram) -> Vec<(u32, u64)> {
    let mut counts: Vec<(u32, u64)> = Vec::new();
    for (bucket, count) in histogram.bins() {
        let row = rows.partition_point(|row| row.high_us < bucket.lowest_us()) as u32;
        match counts.last_mut() {
            Some((last, sum)) if *last == row => *sum += count,
            _ => counts.push((row, count)),
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::series::tests::{pair, seeded};
    use super::super::source::tests::source;
    use super::*;

    #[test]
    fn every_delay_is_in_one_row_of_its_column() {
        let (_directory, store) = seeded(&[&[100, 100, 5_000], &[], &[90_000]]);
        let heatmap = heatmap(&source(&store), &pair(), 10_000, 40).expect("readable");
        assert_eq!(heatmap.clock, Some(StampClock::Kernel));
        assert_eq!(heatmap.rows.first().map(|row| row.low_us), Some(100));
        assert_eq!(heatmap.columns.len(), 2);
        assert_eq!(
            heatmap.columns[0]
                .counts
                .iter()
                .map(|(_, count)| count)
                .sum::<u64>(),
            3
        );
        assert_eq!(heatmap.columns[0].counts[0], (0, 2));
        assert_eq!(heatmap.columns[1].counts, [(heatmap.rows.len() as u32 - 1, 1)]);
    }

    #[test]
    fn nothing_measured_is_no_rows_and_no_columns() {
        let (_directory, store) = seeded(&[&[100]]);
        let later = crate::store::TimeRange {
            from_unix_ms: u64::MAX - 1,
            to_unix_ms: u64::MAX,
        };
        let heatmap = heatmap(
            &source(&store),
            &PairQuestion {
                range: later,
                ..pair()
            },
            10_000,
            40,
        )
        .expect("readable");
        assert_eq!(
            (heatmap.rows.len(), heatmap.columns.len(), heatmap.clock),
            (0, 0, None)
        );
    }

    proptest! {
        #[test]
        fn rows_tile_the_range_on_bucket_edges(low in 1_u32..60_000_000, high in 1_u32..60_000_000, max_rows in 1_u32..=160) {
            let (lowest, highest) = (BucketIndex::of_us(low.min(high)), BucketIndex::of_us(low.max(high)));
            let rows = rows_between(lowest, highest, max_rows);
            prop_assert!(!rows.is_empty() && rows.len() <= max_rows as usize);
            prop_assert_eq!(rows[0].low_us, lowest.lowest_us());
            prop_assert_eq!(rows[rows.len() - 1].high_us, highest.highest_us());
            for pair in rows.windows(2) {
                prop_assert_eq!(pair[0].high_us + 1, pair[1].low_us);
            }
            for row in &rows {
                prop_assert_eq!(BucketIndex::of_us(row.low_us).lowest_us(), row.low_us);
            }
        }
    }
}
