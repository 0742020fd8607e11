//! Two windows of the same pairs compared: what each saw, how far apart they are, and how surely.
//!
//! The store is read twice: once for the histograms, which rank the delays, once for what each interval thinks of itself.
//! So memory goes by pairs, not by the length of a window.

pub mod ranks;
pub mod significance;

use std::collections::BTreeMap;

use azimuth_measurement::{Accumulator, AgentId, StampClock, ZoneKey};
use serde::Serialize;
use utoipa::ToSchema;

use self::ranks::{Bins, MidRanks};
use self::significance::{Evidence, Interval, false_discovery, p_value};
use super::merge::{Merge, quantiles_us, shared_clock};
use super::selection::Chosen;
use super::source::Grid;
use super::{QueryError, Selection, Source, loss_ratio};
use crate::store::{Coverage, ScanRequest, TimeRange};
use crate::words::ClockName;

/// Most pairs of one comparison.
pub const MAX_PAIRS: u64 = 5_000;
/// Intervals a window is cut into, at most and by and large.
const INTERVALS: u64 = 60;
const MINUTE_MS: u64 = 60_000;

/// A question about two windows. Its selection names one method and one load label.
#[derive(Debug, Clone)]
pub struct CompareQuestion {
    /// Which series.
    pub selection: Selection,
    /// The window asked about.
    pub window: TimeRange,
    /// The window it is held against.
    pub baseline: TimeRange,
}

/// Why there is no p-value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Too few intervals, or too few effective samples.
    NotEnough,
    /// No clock stamped delays in both windows.
    NoSharedClock,
}

impl Why {
    /// The one spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotEnough => "not_enough",
            Self::NoSharedClock => "no_shared_clock",
        }
    }
}

/// What one pair saw in one window.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ComparedWindow {
    /// Delays compared: those of the clock both windows share.
    pub n: u64,
    /// Independent delays these are worth.
    pub n_effective: f64,
    /// Intervals that hold delays.
    pub intervals: u32,
    /// Probes sent.
    pub sent: u64,
    /// Probes not answered within the waiting time (RFC 7680).
    pub lost: u64,
    /// lost / sent; null when nothing was sent.
    #[schema(required)]
    pub loss_ratio: Option<f64>,
    /// Median round-trip delay (nearest rank).
    #[schema(required)]
    pub p50_us: Option<u32>,
    /// 90th percentile.
    #[schema(required)]
    pub p90_us: Option<u32>,
    /// 99th percentile.
    #[schema(required)]
    pub p99_us: Option<u32>,
}

/// One pair in both windows.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ComparedPair {
    /// The agent.
    pub agent: String,
    /// The zone, `provider/region/zone`.
    pub zone: String,
    /// The clock both windows share; null without one.
    #[schema(required)]
    pub clock: Option<ClockName>,
    /// The window asked about.
    pub window: ComparedWindow,
    /// The window it is held against.
    pub baseline: ComparedWindow,
    /// Median of the window minus median of the baseline.
    #[schema(required)]
    pub shift_p50_us: Option<i64>,
    /// Probability that a delay of the window is longer than one of the baseline, ties half.
    #[schema(required)]
    pub theta: Option<f64>,
    /// Two-sided p-value of `theta` not being 0.5.
    #[schema(required)]
    pub p: Option<f64>,
    /// `p` adjusted over all rows (Benjamini and Hochberg).
    #[schema(required)]
    pub q: Option<f64>,
    /// Why `p` is null.
    #[schema(required)]
    pub why: Option<Why>,
    /// Two-sided p-value of the loss ratios differing.
    #[schema(required)]
    pub loss_p: Option<f64>,
    /// `loss_p` adjusted over all rows.
    #[schema(required)]
    pub loss_q: Option<f64>,
    /// Why `loss_p` is null.
    #[schema(required)]
    pub loss_why: Option<Why>,
}

/// A comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// One per pair that has data in either window, by agent, then zone.
    pub pairs: Vec<ComparedPair>,
    /// What was read of the window.
    pub coverage: Coverage,
    /// What was read of the baseline.
    pub baseline_coverage: Coverage,
}

/// What is kept of one pair in one window.
#[derive(Debug, Default)]
struct Side {
    seen: bool,
    merge: Merge,
    intervals: Vec<(u64, Interval, Interval)>,
}

#[derive(Debug, Default)]
struct Pair {
    sides: [Side; 2],
    clock: Option<StampClock>,
    ranks: MidRanks,
    quantiles: [(u64, [Option<u32>; 3]); 2],
}

/// Compares the windows.
///
/// # Errors
/// When a name is not known, there are too many pairs, the store cannot be read, or counters overflow.
pub fn compare(source: &Source<'_>, question: &CompareQuestion) -> Result<Comparison, QueryError> {
    let chosen = Chosen::find(source, &question.selection, &[])?;
    let dictionary = &chosen.labels.dictionary;
    let mut pair_of: BTreeMap<(&AgentId, &ZoneKey), usize> = BTreeMap::new();
    let mut pair_of_series: Vec<Option<usize>> = vec![None; dictionary.series_count()];
    for (id, series) in chosen.iter() {
        if let Some(agent) = dictionary.agent(series.agent) {
            let next = pair_of.len();
            let pair = *pair_of.entry((agent, &series.descriptor.zone)).or_insert(next);
            pair_of_series[id.index()] = Some(pair);
        }
    }
    let cells = pair_of.len() as u64;
    if cells > MAX_PAIRS {
        return Err(QueryError::TooManyCells {
            what: "agent and zone",
            cells,
            most: MAX_PAIRS,
            advice: "",
        });
    }
    let mut pairs: Vec<Pair> = std::iter::repeat_with(Pair::default)
        .take(pair_of.len())
        .collect();
    let mut scratch = Accumulator::new();
    let windows = [question.window, question.baseline];
    let mut coverages = Vec::with_capacity(2);
    for (number, range) in windows.into_iter().enumerate() {
        coverages.push(
            source.scan(range, &chosen.series, ScanRequest::WHOLE_RANGE, |observation| {
                let Some(Some(pair)) = pair_of_series.get(observation.series.index()) else {
                    return Ok(());
                };
                let side = &mut pairs[*pair].sides[number];
                side.seen = true;
                side.merge
                    .add(&observation.counts, observation.delays, &mut scratch)
            })?,
        );
    }
    for pair in &mut pairs {
        source.stop.check()?;
        pair.rank(&mut scratch)?;
    }

    let longest_ms = question.window.length_ms().max(question.baseline.length_ms());
    let grid = Grid::of(longest_ms.div_ceil(INTERVALS).div_ceil(MINUTE_MS).max(1) * MINUTE_MS);
    for (number, range) in windows.into_iter().enumerate() {
        source.scan(range, &chosen.series, grid.scan_ms(range), |observation| {
            if let Some(Some(pair)) = pair_of_series.get(observation.series.index()) {
                let start_unix_ms = grid.start_of(observation.start_unix_ms);
                let counts = (observation.counts.sent, observation.counts.lost());
                let pair = &mut pairs[*pair];
                let delays = observation
                    .delays
                    .iter()
                    .filter(|(clock, _)| Some(*clock) == pair.clock);
                let mut ranked = Interval::default();
                for (bucket, count) in delays.flat_map(|(_, histogram)| histogram.bins()) {
                    let (rank, count) = (pair.ranks.rank(bucket.get()), count as f64);
                    ranked.n += count;
                    ranked.sum += count * rank;
                    ranked.squares += count * rank * rank;
                }
                pair.sides[number].note(start_unix_ms, ranked, counts);
            }
            Ok(())
        })?;
    }

    let mut rows: Vec<ComparedPair> = pair_of
        .into_iter()
        .filter(|(_, pair)| pairs[*pair].sides.iter().any(|side| side.seen))
        .map(|((agent, zone), pair)| pairs[pair].finish(agent, zone))
        .collect();
    let q = false_discovery(&rows.iter().map(|row| row.p).collect::<Vec<_>>());
    let loss_q = false_discovery(&rows.iter().map(|row| row.loss_p).collect::<Vec<_>>());
    for ((row, q), loss_q) in rows.iter_mut().zip(q).zip(loss_q) {
        (row.q, row.loss_q) = (q, loss_q);
    }
    let [coverage, baseline_coverage] =
        <[Coverage; 2]>::try_from(coverages).map_err(|_| QueryError::Overflow)?;
    Ok(Comparison {
        pairs: rows,
        coverage,
        baseline_coverage,
    })
}

impl Side {
    fn note(&mut self, start_unix_ms: u64, ranked: Interval, (sent, lost): (u64, u64)) {
        if self
            .intervals
            .last()
            .is_none_or(|(start, ..)| *start != start_unix_ms)
        {
            self.intervals
                .push((start_unix_ms, Interval::default(), Interval::default()));
        }
        if let Some((_, delays, probes)) = self.intervals.last_mut() {
            delays.n += ranked.n;
            delays.sum += ranked.sum;
            delays.squares += ranked.squares;
            probes.n += sent as f64;
            probes.sum += lost as f64;
            probes.squares += lost as f64;
        }
    }
}

impl Pair {
    /// Ranks the delays of the shared clock.
    fn rank(&mut self, scratch: &mut Accumulator) -> Result<(), QueryError> {
        let [window, baseline] = &self.sides;
        self.clock = shared_clock(&window.merge, &baseline.merge);
        let mut bins: [Bins; 2] = Default::default();
        for (number, side) in self.sides.iter_mut().enumerate() {
            if let Some(clock) = self.clock {
                side.merge.fill(clock, scratch)?;
                bins[number] = scratch
                    .bins()
                    .map(|(bucket, count)| (bucket.get(), count))
                    .collect();
                self.quantiles[number] = (scratch.count(), quantiles_us(scratch, [0.5, 0.9, 0.99]));
            }
        }
        self.ranks = MidRanks::of(&bins[0], &bins[1]);
        Ok(())
    }

    fn finish(&self, agent: &AgentId, zone: &ZoneKey) -> ComparedPair {
        let delays = self
            .sides
            .each_ref()
            .map(|side| Evidence::of(side.intervals.iter().map(|one| one.1)));
        let probes = self
            .sides
            .each_ref()
            .map(|side| Evidence::of(side.intervals.iter().map(|one| one.2)));
        let counts = self.sides.each_ref().map(|side| *side.merge.counts());
        let of = |number: usize| {
            let (n, [p50_us, p90_us, p99_us]) = self.quantiles[number];
            let counts = counts[number];
            ComparedWindow {
                n,
                n_effective: delays[number].n_effective,
                intervals: delays[number].intervals as u32,
                sent: counts.sent,
                lost: counts.lost(),
                loss_ratio: loss_ratio(counts.lost(), counts.sent),
                p50_us,
                p90_us,
                p99_us,
            }
        };
        let (window, baseline) = (of(0), of(1));
        let p = p_value(&delays[0], &delays[1], self.ranks.variance);
        let share = (window.lost + baseline.lost) as f64 / (window.sent + baseline.sent).max(1) as f64;
        let loss_p = p_value(&probes[0], &probes[1], share * (1.0 - share));
        let both_have_delays = self.sides.iter().all(|side| side.merge.best_clock().is_some());
        let why = if self.clock.is_none() && both_have_delays {
            Why::NoSharedClock
        } else {
            Why::NotEnough
        };
        ComparedPair {
            agent: agent.to_string(),
            zone: zone.to_string(),
            clock: self.clock.map(ClockName::from),
            shift_p50_us: window
                .p50_us
                .zip(baseline.p50_us)
                .map(|(now, then)| i64::from(now) - i64::from(then)),
            theta: self.ranks.theta,
            p,
            q: None,
            why: p.is_none().then_some(why),
            loss_p,
            loss_q: None,
            loss_why: loss_p.is_none().then_some(Why::NotEnough),
            window,
            baseline,
        }
    }
}

#[cfg(test)]
mod tests {
    use azimuth_measurement::{DelayHistogram, LoadLabel, Method};

    use super::super::source::tests::source;
    use super::*;
    use crate::store::Store;
    use crate::store::conformance::{T0, item, manifest_of, report_of, verified};
    use crate::store::memory::MemoryStore;

    /// Twenty minutes, the second ten `shift_us` slower; each interval of the second half stamped by `clock`.
    fn compared(shift_us: u32, clock: StampClock) -> ComparedPair {
        let store = MemoryStore::default();
        let manifest = manifest_of("a", 1);
        let mut rng = fastrand::Rng::with_seed(3);
        let items: Vec<_> = (0..120)
            .map(|slot| {
                let later = slot >= 60;
                let mut delays: Vec<u32> = (0..10)
                    .map(|_| 20_000 + rng.u32(0..1_000) + if later { shift_us } else { 0 })
                    .collect();
                let mut report = report_of(&manifest, slot + 1, slot, &delays);
                if later {
                    report.records[0].delays = vec![(clock, DelayHistogram::from_values_us(&mut delays))];
                }
                item(&report)
            })
            .collect();
        store.commit(&[verified(&manifest)], &items).expect("writable");
        let range = |from_s: u64, to_s: u64| TimeRange {
            from_unix_ms: T0 + from_s * 1_000,
            to_unix_ms: T0 + to_s * 1_000,
        };
        let question = CompareQuestion {
            selection: Selection::of(Method::Stamp, LoadLabel::Idle),
            window: range(600, 1_200),
            baseline: range(0, 600),
        };
        let mut pairs = compare(&source(&store), &question).expect("readable").pairs;
        assert_eq!(pairs.len(), 1);
        pairs.remove(0)
    }

    #[test]
    fn a_shift_is_measured_and_sure_and_loss_that_did_not_change_is_not() {
        let pair = compared(2_000, StampClock::Kernel);
        assert_eq!((pair.window.n, pair.baseline.n), (600, 600));
        assert!(pair.window.intervals >= 10 && pair.window.n_effective <= 600.0);
        assert_eq!(pair.theta, Some(1.0));
        assert!(
            pair.shift_p50_us
                .is_some_and(|shift| (1_800..2_200).contains(&shift))
        );
        assert!(pair.p.is_some_and(|p| p < 1e-6) && pair.q == pair.p, "{pair:?}");
        assert_eq!(pair.loss_p, Some(1.0));
    }

    #[test]
    fn clocks_that_are_not_shared_are_not_compared() {
        let pair = compared(2_000, StampClock::User);
        assert_eq!((pair.clock, pair.theta, pair.p), (None, None, None));
        assert_eq!(pair.why, Some(Why::NoSharedClock));
        assert_eq!(pair.loss_p, Some(1.0), "loss has no clock");
    }
}
