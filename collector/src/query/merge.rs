//! Merging what belongs into one number: counters are added, histograms are merged per clock. Where the groups of an answer
//! are filled one after the other, or are few, each is filled into dense accumulators at once; else histograms are kept
//! until a group is finished, and one dense accumulator is reused for every group.

use azimuth_measurement::codec::walk::Sums;
use azimuth_measurement::counts::COUNTERS;
use azimuth_measurement::histogram::BucketIndex;
use azimuth_measurement::{Accumulator, DelayHistogram, ProbeCounts, StampClock};

use super::QueryError;
use super::facts::Pdv;

/// Most groups that are filled into dense accumulators side by side: 136 KiB each, mostly of one clock.
pub(super) const MOST_DENSE: usize = 64;
/// Histograms kept apart before they are merged into one, so that a long range does not cost memory by its length.
const MAX_PENDING: usize = 64;

/// Clocks, best first. `tcp_info` stands alone by method; beside user-space stamps of a handshake it is the better one.
const BEST_FIRST: [StampClock; 4] = [
    StampClock::Kernel,
    StampClock::KernelRx,
    StampClock::TcpInfo,
    StampClock::User,
];

/// What was observed of one group: a cell, a step, a window.
#[derive(Debug, Clone, Default)]
pub(super) struct Merge {
    counts: ProbeCounts,
    pending: [Vec<DelayHistogram>; 4],
}

/// Place of a clock in [`BEST_FIRST`].
pub(crate) fn place(clock: StampClock) -> usize {
    match clock {
        StampClock::Kernel => 0,
        StampClock::KernelRx => 1,
        StampClock::TcpInfo => 2,
        StampClock::User => 3,
    }
}

impl Merge {
    /// Adds one observation. `scratch` is used and left in any state.
    pub(super) fn add(
        &mut self,
        counts: &ProbeCounts,
        delays: Vec<(StampClock, DelayHistogram)>,
        scratch: &mut Accumulator,
    ) -> Result<(), QueryError> {
        self.counts = self.counts.plus(counts).ok_or(QueryError::Overflow)?;
        for (clock, histogram) in delays {
            let pending = &mut self.pending[place(clock)];
            pending.push(histogram);
            if pending.len() >= MAX_PENDING {
                fill(scratch, pending)?;
                // A total beyond what one histogram may count stays in parts; it is merged all the same.
                if let Ok(merged) = scratch.to_histogram() {
                    pending.clear();
                    pending.push(merged);
                }
            }
        }
        Ok(())
    }

    /// The counters of the whole group.
    pub(super) fn counts(&self) -> &ProbeCounts {
        &self.counts
    }

    /// The best clock that stamped any delay here.
    pub(super) fn best_clock(&self) -> Option<StampClock> {
        BEST_FIRST
            .into_iter()
            .find(|clock| !self.pending[place(*clock)].is_empty())
    }

    /// One histogram per clock that stamped any delay, the best clock first. `scratch` is used and left in any state.
    pub(super) fn into_delays(
        self,
        scratch: &mut Accumulator,
    ) -> Result<Vec<(StampClock, DelayHistogram)>, QueryError> {
        let mut delays = Vec::new();
        for (clock, mut pending) in BEST_FIRST.into_iter().zip(self.pending) {
            let merged = match pending.len() {
                0 => continue,
                1 => pending.pop(),
                _ => {
                    fill(scratch, &pending)?;
                    Some(scratch.to_histogram().map_err(|_| QueryError::Overflow)?)
                }
            };
            delays.extend(merged.map(|merged| (clock, merged)));
        }
        Ok(delays)
    }

    /// Fills `scratch` with the delays of `clock`, and with nothing else.
    pub(super) fn fill(&self, clock: StampClock, scratch: &mut Accumulator) -> Result<(), QueryError> {
        fill(scratch, &self.pending[place(clock)])
    }

    /// Fills `scratch` with the delays of the best clock and names it; empties it when there are none.
    pub(super) fn fill_best(&self, scratch: &mut Accumulator) -> Result<Option<StampClock>, QueryError> {
        scratch.clear();
        let best = self.best_clock();
        best.map_or(Ok(()), |clock| self.fill(clock, scratch))?;
        Ok(best)
    }
}

/// What was observed of one group, merged at once.
#[derive(Debug, Default)]
pub(super) struct Dense {
    /// In wire order.
    counts: [u64; COUNTERS],
    /// In order of [`BEST_FIRST`], made when first needed.
    delays: [Option<Accumulator>; 4],
}

impl Dense {
    /// Empties it for the next group.
    pub(super) fn clear(&mut self) {
        self.counts = Default::default();
        self.delays.iter_mut().flatten().for_each(Accumulator::clear);
    }

    fn of(&mut self, clock: StampClock) -> &mut Accumulator {
        self.delays[place(clock)].get_or_insert_default()
    }

    /// Adds one observation.
    pub(super) fn add(
        &mut self,
        counts: &ProbeCounts,
        delays: &[(StampClock, DelayHistogram)],
    ) -> Result<(), QueryError> {
        let counts = ProbeCounts::from_all(self.counts).plus(counts);
        self.counts = counts.ok_or(QueryError::Overflow)?.all();
        delays
            .iter()
            .try_for_each(|(clock, histogram)| self.of(*clock).add(histogram))
            .map_err(|_| QueryError::Overflow)
    }

    /// What it came to.
    pub(super) fn figures(&self) -> Figures {
        let best = BEST_FIRST
            .into_iter()
            .filter_map(|clock| Some((clock, self.delays[place(clock)].as_ref()?)))
            .find(|(_, delays)| delays.count() > 0);
        Figures::of(ProbeCounts::from_all(self.counts), best)
    }
}

impl Sums for Dense {
    fn count(&mut self, place: usize, more: u64) -> Option<()> {
        let sum = self.counts.get_mut(place)?;
        *sum = sum.checked_add(more)?;
        Some(())
    }

    fn delays<'b>(&mut self, clock: StampClock, number: u64, bytes: &'b [u8]) -> Option<&'b [u8]> {
        self.of(clock).add_front(bytes, number).ok()
    }
}

/// One of several groups that are filled side by side.
#[derive(Debug)]
pub(super) enum Merging {
    /// One of many.
    Sparse(Box<Merge>),
    /// One of few.
    Dense(Box<Dense>),
}

impl Merging {
    /// An empty one of `groups`.
    pub(super) fn one_of(groups: usize) -> Self {
        if groups <= MOST_DENSE {
            Self::Dense(Box::default())
        } else {
            Self::Sparse(Box::default())
        }
    }

    /// Adds one observation. `scratch` is used and left in any state.
    pub(super) fn add(
        &mut self,
        counts: &ProbeCounts,
        delays: Vec<(StampClock, DelayHistogram)>,
        scratch: &mut Accumulator,
    ) -> Result<(), QueryError> {
        match self {
            Self::Sparse(merge) => merge.add(counts, delays, scratch),
            Self::Dense(dense) => dense.add(counts, &delays),
        }
    }

    /// What it came to; empty afterwards.
    pub(super) fn take(&mut self, scratch: &mut Accumulator) -> Result<Figures, QueryError> {
        match self {
            Self::Sparse(merge) => {
                let merge = std::mem::take(merge);
                let best = merge.fill_best(scratch)?;
                Ok(Figures::of(merge.counts, best.map(|clock| (clock, &*scratch))))
            }
            Self::Dense(dense) => {
                let figures = dense.figures();
                dense.clear();
                Ok(figures)
            }
        }
    }
}

/// What a group came to: the figures of a map and of a table of groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Figures {
    /// The counters.
    pub(super) counts: ProbeCounts,
    /// The clock behind everything below; `None` without delays.
    pub(super) clock: Option<StampClock>,
    /// Delays in the histogram.
    pub(super) n: u64,
    pub(super) min_us: Option<u32>,
    pub(super) p50_us: Option<u32>,
    pub(super) p90_us: Option<u32>,
    pub(super) p99_us: Option<u32>,
    pub(super) max_us: Option<u32>,
    pub(super) pdv: Pdv,
}

impl Figures {
    fn of(counts: ProbeCounts, best: Option<(StampClock, &Accumulator)>) -> Self {
        let [p50_us, p90_us, p95_us, p99_us] = best.map_or([None; 4], |(_, delays)| {
            quantiles_us(delays, [0.5, 0.9, 0.95, 0.99])
        });
        let min_us = best.and_then(|(_, delays)| delays.min_us());
        Self {
            counts,
            clock: best.map(|(clock, _)| clock),
            n: best.map_or(0, |(_, delays)| delays.count()),
            min_us,
            p50_us,
            p90_us,
            p99_us,
            max_us: best.and_then(|(_, delays)| delays.max_us()),
            pdv: Pdv::of(min_us, p95_us, p99_us),
        }
    }
}

/// The best clock that stamped delays of both.
pub(super) fn shared_clock(one: &Merge, other: &Merge) -> Option<StampClock> {
    BEST_FIRST.into_iter().find(|clock| {
        [one, other]
            .iter()
            .all(|merge| !merge.pending[place(*clock)].is_empty())
    })
}

/// Of the clocks that several groups saw, the best.
pub(super) fn best_of(clocks: impl Iterator<Item = StampClock>) -> Option<StampClock> {
    clocks.min_by_key(|clock| place(*clock))
}

fn fill(scratch: &mut Accumulator, histograms: &[DelayHistogram]) -> Result<(), QueryError> {
    scratch.clear();
    histograms
        .iter()
        .try_for_each(|histogram| scratch.add(histogram))
        .map_err(|_| QueryError::Overflow)
}

/// Several quantiles between 0 and 1 in one walk over the buckets; `quantiles` must ascend. Nearest rank, told as the middle of
/// its bucket, as [`Accumulator::quantile_us`], which walks once for each.
pub(super) fn quantiles_us<const N: usize>(
    accumulator: &Accumulator,
    quantiles: [f64; N],
) -> [Option<u32>; N] {
    let total = accumulator.count();
    let ranks = quantiles.map(|quantile| ((quantile * total as f64).ceil() as u64).clamp(1, total.max(1)));
    let found = accumulator.buckets_at(ranks);
    found.map(|bucket| bucket.map(BucketIndex::middle_us))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn histogram(delays_us: &[u32]) -> DelayHistogram {
        DelayHistogram::from_values_us(&mut delays_us.to_vec())
    }

    #[test]
    fn the_best_clock_wins_and_clocks_never_mix() {
        let mut scratch = Accumulator::new();
        let mut merge = Merge::default();
        assert_eq!(merge.fill_best(&mut scratch).expect("few"), None);
        let counts = ProbeCounts {
            sent: 3,
            returned: 3,
            ..ProbeCounts::default()
        };
        let delays = vec![
            (StampClock::KernelRx, histogram(&[100])),
            (StampClock::User, histogram(&[900, 901])),
        ];
        merge.add(&counts, delays, &mut scratch).expect("few");
        assert_eq!(
            merge.fill_best(&mut scratch).expect("few"),
            Some(StampClock::KernelRx)
        );
        assert_eq!((scratch.count(), scratch.max_us()), (1, Some(100)));
        merge
            .add(
                &counts,
                vec![(StampClock::Kernel, histogram(&[70]))],
                &mut scratch,
            )
            .expect("few");
        assert_eq!(
            merge.fill_best(&mut scratch).expect("few"),
            Some(StampClock::Kernel)
        );
        assert_eq!((scratch.count(), scratch.max_us()), (1, Some(70)));
        assert_eq!(merge.counts().sent, 6);
    }

    #[test]
    fn counters_that_would_overflow_are_refused() {
        let counts = ProbeCounts {
            skipped: u64::MAX,
            ..ProbeCounts::default()
        };
        let mut merge = Merge::default();
        let mut scratch = Accumulator::new();
        merge.add(&counts, Vec::new(), &mut scratch).expect("fits once");
        assert!(matches!(
            merge.add(&counts, Vec::new(), &mut scratch),
            Err(QueryError::Overflow)
        ));
    }

    proptest! {
        /// However many histograms come in, the result is the histogram of all delays, and memory stays bounded.
        #[test]
        fn merging_in_parts_is_merging_at_once(parts in prop::collection::vec(prop::collection::vec(1_u32..90_000, 1..6), 1..200)) {
            let mut scratch = Accumulator::new();
            let mut merge = Merge::default();
            for part in &parts {
                merge.add(&ProbeCounts::default(), vec![(StampClock::Kernel, histogram(part))], &mut scratch).expect("few");
                prop_assert!(merge.pending[0].len() <= MAX_PENDING);
            }
            merge.fill_best(&mut scratch).expect("few");
            prop_assert_eq!(scratch.to_histogram().expect("few"), histogram(&parts.concat()));
            let mut dense = Dense::default();
            for part in &parts {
                dense.add(&ProbeCounts::default(), &[(StampClock::Kernel, histogram(part))]).expect("few");
            }
            let mut sparse = Merging::Sparse(Box::new(merge));
            prop_assert_eq!(dense.figures(), sparse.take(&mut Accumulator::new()).expect("few"));
            let quantiles = [0.1, 0.5, 0.9, 0.99, 0.999];
            prop_assert_eq!(
                quantiles_us(&scratch, quantiles),
                quantiles.map(|quantile| scratch.quantile_us(quantile))
            );
        }
    }
}
