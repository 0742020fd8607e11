//! Delays in the exponential buckets of Prometheus native histograms: bucket `i` of schema `s` holds
//! `(2^((i-1)/2^s), 2^(i/2^s)]` seconds. Pure.
//!
//! The delays come in HdrHistogram buckets, and all of one go where its middle lies. So a delay may sit in the
//! neighbour of its own exponential bucket, but only when it is within half an HDR bucket (0.05 % from 1 ms up, less
//! than 1 us below) of the border. What a quantile costs is the width of an exponential bucket,
//! [`Schema::relative_width`]; beside that the HDR bucket is nothing.
//!
//! Standard: Prometheus native histograms, `prometheus/client_model` `metrics.proto`.

use azimuth_measurement::histogram::BUCKETS;
use azimuth_measurement::{BucketIndex, DelayHistogram};

/// Upper bounds, in seconds, of the classic histogram that readers of the text form get. A 1-2-5 series over what a
/// path on Earth takes; finer answers are the native histogram's.
pub const CLASSIC_BOUNDS_S: [f64; 10] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0];
/// A run of empty buckets no longer than this is written out; a new span would take more bytes.
const LONGEST_GAP_WRITTEN_OUT: i32 = 2;

/// Resolution of the exponential buckets: `2^schema` to each doubling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema(u8);

impl Schema {
    /// The finest that Prometheus takes.
    pub const FINEST: u8 = 8;
    /// 32 buckets a doubling.
    pub const DEFAULT: Self = Self(5);

    /// The schema of this number, 0 to [`FINEST`](Self::FINEST).
    pub fn new(number: u8) -> Option<Self> {
        (number <= Self::FINEST).then_some(Self(number))
    }

    /// Its number.
    pub fn get(self) -> u8 {
        self.0
    }

    /// How much longer the longest delay of a bucket is than the shortest: what a quantile may be off by at most.
    pub fn relative_width(self) -> f64 {
        (1.0 / self.per_doubling()).exp2() - 1.0
    }

    fn per_doubling(self) -> f64 {
        f64::from(1_u32 << self.0)
    }

    /// Upper bound of bucket `index`, in seconds; it is inside the bucket.
    pub fn bound_s(self, index: i16) -> f64 {
        (f64::from(index) / self.per_doubling()).exp2()
    }

    /// The bucket that holds `seconds`, which is above zero and at most a minute or so.
    fn index_of(self, seconds: f64) -> i16 {
        let near = (seconds.log2() * self.per_doubling()).ceil() as i16;
        // The logarithm rounds; the bounds decide.
        if seconds > self.bound_s(near) {
            near + 1
        } else if seconds <= self.bound_s(near - 1) {
            near - 1
        } else {
            near
        }
    }
}

/// Where each HDR bucket goes. Computed once; adding a histogram then takes no logarithm.
#[derive(Debug, Clone)]
pub struct Grid {
    schema: Schema,
    cells: Box<[Cell]>,
}

#[derive(Debug, Clone, Copy)]
struct Cell {
    exponential: i16,
    classic: u8,
}

impl Grid {
    /// The grid of a schema.
    pub fn new(schema: Schema) -> Self {
        let cells = (0..BUCKETS).filter_map(BucketIndex::new).map(|bucket| {
            let seconds = middle_s(bucket);
            Cell {
                exponential: schema.index_of(seconds),
                classic: CLASSIC_BOUNDS_S.partition_point(|bound_s| *bound_s < seconds) as u8,
            }
        });
        Self {
            schema,
            cells: cells.collect(),
        }
    }

    /// Its schema.
    pub fn schema(&self) -> Schema {
        self.schema
    }

    fn cell(&self, bucket: BucketIndex) -> Cell {
        self.cells[usize::from(bucket.get())]
    }
}

/// Shortest plus longest delay of the bucket, in microseconds: twice its middle, and still whole.
fn twice_middle_us(bucket: BucketIndex) -> u32 {
    bucket.lowest_us() + bucket.highest_us()
}

/// In seconds. The lowest HDR bucket is that of 0 us, which counts as 1 us everywhere.
fn middle_s(bucket: BucketIndex) -> f64 {
    f64::from(twice_middle_us(bucket).max(2)) / 2e6
}

/// A run of exponential buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Buckets left out since the end of the span before; of the first span, its first bucket.
    pub offset: i32,
    /// Buckets in it.
    pub length: u32,
}

/// Delays of one pair by one clock since start. Only ever grows.
#[derive(Debug, Clone)]
pub struct Delays {
    schema: Schema,
    count: u64,
    /// A histogram's middles are halves of microseconds.
    sum_half_us: u128,
    /// Index of the first of `counts`.
    first: i16,
    counts: Vec<u64>,
    classic: [u64; CLASSIC_BOUNDS_S.len() + 1],
}

impl Delays {
    /// No delay yet.
    pub fn new(schema: Schema) -> Self {
        Self {
            schema,
            count: 0,
            sum_half_us: 0,
            first: 0,
            counts: Vec::new(),
            classic: [0; _],
        }
    }

    /// Adds every delay of `histogram`. Counters stop at their end, which no true measurement reaches.
    pub fn add(&mut self, grid: &Grid, histogram: &DelayHistogram) {
        for (bucket, count) in histogram.bins() {
            let cell = grid.cell(bucket);
            let exponential = self.slot(cell.exponential);
            *exponential = exponential.saturating_add(count);
            let classic = &mut self.classic[usize::from(cell.classic)];
            *classic = classic.saturating_add(count);
            let sum_half_us = u128::from(twice_middle_us(bucket)) * u128::from(count);
            self.sum_half_us = self.sum_half_us.saturating_add(sum_half_us);
        }
        self.count = self.count.saturating_add(histogram.count());
    }

    /// The counter of exponential bucket `index`, made room for.
    fn slot(&mut self, index: i16) -> &mut u64 {
        if self.counts.is_empty() {
            self.first = index;
        }
        let before = usize::from(self.first.saturating_sub(index).max(0).unsigned_abs());
        if before > 0 {
            self.counts.splice(0..0, std::iter::repeat_n(0, before));
            self.first = index;
        }
        let at = usize::from((index - self.first).unsigned_abs());
        if at >= self.counts.len() {
            self.counts.resize(at + 1, 0);
        }
        &mut self.counts[at]
    }

    /// Resolution.
    pub fn schema(&self) -> Schema {
        self.schema
    }

    /// Number of delays.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Sum of the bucket middles, in seconds.
    pub fn sum_s(&self) -> f64 {
        self.sum_half_us as f64 / 2e6
    }

    /// Upper bound in seconds and number of delays up to it, for each of [`CLASSIC_BOUNDS_S`].
    pub fn classic(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let up_to = self.classic.iter().scan(0_u64, |seen, count| {
            *seen = seen.saturating_add(*count);
            Some(*seen)
        });
        CLASSIC_BOUNDS_S.into_iter().zip(up_to)
    }

    /// The filled buckets, ascending, with their counts.
    pub fn bins(&self) -> impl Iterator<Item = (i16, u64)> + '_ {
        let indices = self.first..;
        indices
            .zip(self.counts.iter().copied())
            .filter(|(_, count)| *count > 0)
    }

    /// The filled buckets as Prometheus wants them: runs, and each count as its difference from the one before.
    pub fn spans(&self) -> (Vec<Span>, Vec<i64>) {
        let (mut spans, mut deltas): (Vec<Span>, Vec<i64>) = (Vec::new(), Vec::new());
        let (mut next, mut last) = (0_i32, 0_i64);
        for (index, count) in self.bins() {
            let gap = i32::from(index) - next;
            match spans.last_mut() {
                Some(span) if gap <= LONGEST_GAP_WRITTEN_OUT => {
                    for _ in 0..gap {
                        deltas.push(-last);
                        last = 0;
                    }
                    span.length += gap.unsigned_abs() + 1;
                }
                _ => spans.push(Span {
                    offset: gap,
                    length: 1,
                }),
            }
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            deltas.push(count - last);
            last = count;
            next = i32::from(index) + 1;
        }
        (spans, deltas)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use proptest::prelude::*;

    use super::*;

    fn delays_of(schema: Schema, values_us: &[u32]) -> Delays {
        static GRIDS: OnceLock<Vec<Grid>> = OnceLock::new();
        let grids = GRIDS.get_or_init(|| {
            (0..=Schema::FINEST)
                .map(|number| Grid::new(Schema(number)))
                .collect()
        });
        let grid = &grids[usize::from(schema.get())];
        let mut delays = Delays::new(schema);
        // In two halves, so that both growing to the left and to the right happen.
        for part in values_us.chunks(values_us.len().div_ceil(2).max(1)) {
            delays.add(grid, &DelayHistogram::from_values_us(&mut part.to_vec()));
        }
        delays
    }

    /// What a reader makes of spans and deltas.
    fn read_back((spans, deltas): &(Vec<Span>, Vec<i64>)) -> Vec<(i32, i64)> {
        let (mut index, mut count) = (0, 0);
        let mut deltas = deltas.iter();
        let mut bins = Vec::new();
        for span in spans {
            index += span.offset;
            for _ in 0..span.length {
                count += deltas.next().expect("one delta a bucket");
                bins.push((index, count));
                index += 1;
            }
        }
        assert_eq!(deltas.next(), None);
        bins.retain(|(_, count)| *count != 0);
        bins
    }

    fn schemas() -> impl Strategy<Value = Schema> {
        (0..=Schema::FINEST).prop_map(|number| Schema::new(number).expect("in range"))
    }

    fn values_us() -> impl Strategy<Value = Vec<u32>> {
        prop::collection::vec(prop_oneof![3 => 200_u32..30_000, 1 => 1_u32..=60_000_000], 1..200)
    }

    #[test]
    fn bounds_are_inside_their_bucket() {
        for number in 0..=Schema::FINEST {
            let schema = Schema::new(number).expect("in range");
            for power in [-12_i16, -1, 0, 1, 5] {
                let index = power << number;
                assert_eq!(schema.index_of(f64::from(power).exp2()), index);
                assert_eq!(schema.index_of(f64::from(power).exp2() * (1.0 + 1e-9)), index + 1);
            }
        }
        assert_eq!(Schema::new(Schema::FINEST + 1), None);
    }

    #[test]
    fn the_error_of_a_quantile_is_as_documented() {
        let width = |number| Schema::new(number).expect("in range").relative_width();
        assert!((width(5) - 0.021_9).abs() < 0.000_05, "{}", width(5));
        assert!((width(8) - 0.002_71).abs() < 0.000_005, "{}", width(8));
    }

    #[test]
    fn the_classic_buckets_are_cumulative_and_their_bounds_inside() {
        let delays = delays_of(Schema::DEFAULT, &[1_000, 1_001, 2_000, 30_000, 2_000_000]);
        let classic: Vec<_> = delays.classic().collect();
        assert_eq!(
            &classic[..6],
            [
                (0.001, 1),
                (0.002, 3),
                (0.005, 3),
                (0.01, 3),
                (0.02, 3),
                (0.05, 4)
            ]
        );
        assert_eq!((classic[9], delays.count()), ((1.0, 4), 5));
    }

    #[test]
    fn nothing_has_no_span() {
        assert_eq!(Delays::new(Schema::DEFAULT).spans(), (vec![], vec![]));
    }

    proptest! {
        #[test]
        fn every_delay_lands_where_its_hdr_bucket_lies(schema in schemas(), value_us in 1_u32..=60_000_000) {
            let delays = delays_of(schema, &[value_us]);
            let (index, count) = delays.bins().next().expect("one");
            prop_assert_eq!(count, 1);
            let bucket = BucketIndex::of_us(value_us);
            let (low_s, high_s) = (schema.bound_s(index - 1), schema.bound_s(index));
            let middle = middle_s(bucket);
            prop_assert!(low_s < middle && middle <= high_s, "{} us is in ({}, {}]", value_us, low_s, high_s);
            // And so the delay itself is outside by half an HDR bucket at most.
            let half_s = f64::from(bucket.highest_us() - bucket.lowest_us()) / 2e6;
            let value_s = f64::from(value_us) / 1e6;
            prop_assert!(low_s - half_s <= value_s && value_s <= high_s + half_s * (1.0 + 1e-9) + 1e-15);
        }

        #[test]
        fn totals_are_conserved_in_every_form(schema in schemas(), values_us in values_us()) {
            let delays = delays_of(schema, &values_us);
            prop_assert_eq!(delays.count(), values_us.len() as u64);
            prop_assert_eq!(delays.bins().map(|(_, count)| count).sum::<u64>(), delays.count());
            prop_assert_eq!(delays.classic.iter().sum::<u64>(), delays.count());
            let read: Vec<(i32, i64)> = read_back(&delays.spans());
            let bins: Vec<(i32, i64)> = delays.bins().map(|(index, count)| (index.into(), count as i64)).collect();
            prop_assert_eq!(read, bins);
            let sum_s = values_us.iter().map(|value_us| f64::from(*value_us) / 1e6).sum::<f64>();
            prop_assert!((delays.sum_s() - sum_s).abs() <= sum_s * 0.000_5);
        }

        #[test]
        fn a_quantile_is_off_by_a_bucket_at_most(values_us in values_us(), quantile in 0.01_f64..=1.0) {
            let schema = Schema::DEFAULT;
            let delays = delays_of(schema, &values_us);
            let mut sorted = values_us.clone();
            sorted.sort_unstable();
            let rank = ((quantile * sorted.len() as f64).ceil() as usize).clamp(1, sorted.len());
            let truth_s = f64::from(sorted[rank - 1]) / 1e6;
            let mut seen = 0;
            let (index, _) = delays
                .bins()
                .find(|(_, count)| {
                    seen += count;
                    seen >= rank as u64
                })
                .expect("some delay");
            // Anywhere in its bucket, whatever the interpolation; below 1 ms a whole microsecond beside that.
            let slack = schema.relative_width() + 0.001;
            prop_assert!(schema.bound_s(index) <= truth_s * (1.0 + slack) + 1e-6);
            prop_assert!(schema.bound_s(index - 1) >= truth_s * (1.0 - slack) - 1e-6);
        }
    }
}
