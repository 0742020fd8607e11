//! Every series for itself, step by step, handed on while it is read: what an export is made of.
//!
//! Nothing of it is ever whole in memory: time is read in pieces of about an hour (a day for steps of whole minutes), each
//! in a look at the store of its own, and of one piece at most [`SERIES_AT_ONCE`] series. Two series are never merged, so
//! methods and load labels need not be chosen.

use std::collections::BTreeMap;

use azimuth_measurement::{
    Accumulator, AgentId, DelayHistogram, ProbeCounts, SeriesDescriptor, StampClock, VantagePoint,
};

use super::merge::{Merge, quantiles_us};
use super::selection::Chosen;
use super::source::Grid;
use super::{Label, QueryError, Selection, Source};
use crate::store::{Coverage, SeriesId, SeriesSelection, TimeRange};

/// Labels that are read beside those asked about. Records are not merged over series, so every phase and answer is one's own.
const BESIDE: [Label; 4] = [Label::City, Label::Metro, Label::Phase, Label::Answer];

/// Series read in one pass over a piece of time; each costs the histograms of one open step.
const SERIES_AT_ONCE: usize = 4_096;
const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// What is to be read.
#[derive(Debug, Clone)]
pub struct RecordsQuestion {
    /// Which series.
    pub selection: Selection,
    /// Intervals that start in this range.
    pub range: TimeRange,
    /// Length of the steps to merge to; `None` for intervals as they are kept, which only the finest tier has.
    pub step_ms: Option<u64>,
}

impl RecordsQuestion {
    /// Start of the first step, which may begin before the range.
    pub fn first_step_unix_ms(&self) -> u64 {
        let from_unix_ms = self.range.from_unix_ms;
        self.step_ms
            .map_or(from_unix_ms, |step_ms| Grid::of(step_ms).start_of(from_unix_ms))
    }
}

/// Which series, in words.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesIdentity {
    /// Who measures.
    pub agent: AgentId,
    /// Where it stands, as it declared last.
    pub vantage_point: Option<VantagePoint>,
    /// Metropolitan area of the zone, if the catalogue knows it.
    pub metro: Option<String>,
    /// What it measures.
    pub descriptor: SeriesDescriptor,
}

/// What one series saw in one step.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Start of the step.
    pub start_unix_ms: u64,
    /// Its length, in milliseconds; as kept when no step was asked for, and never shorter than an interval in it.
    pub length_ms: u64,
    /// What happened to its probes.
    pub counts: ProbeCounts,
    /// Its delays, one histogram per clock, best clock first, none empty.
    pub delays: Vec<(StampClock, DelayHistogram)>,
}

/// The numbers of a record by its best clock. None of them exists without delays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Delays by that clock.
    pub n: u64,
    /// The clock.
    pub clock: Option<StampClock>,
    /// Shortest delay.
    pub min_us: Option<u32>,
    /// 10th, 50th, 90th, 99th and 99.9th percentile, nearest rank.
    pub quantiles_us: [Option<u32>; 5],
    /// Longest delay.
    pub max_us: Option<u32>,
}

impl Record {
    /// The numbers of its best clock. `scratch` is used and left in any state.
    ///
    /// # Errors
    /// When counters overflow.
    pub fn summary(&self, scratch: &mut Accumulator) -> Result<Summary, QueryError> {
        let Some((clock, delays)) = self.delays.first() else {
            return Ok(Summary::default());
        };
        scratch.clear();
        scratch.add(delays).map_err(|_| QueryError::Overflow)?;
        Ok(Summary {
            n: scratch.count(),
            clock: Some(*clock),
            min_us: scratch.min_us(),
            quantiles_us: quantiles_us(scratch, [0.1, 0.5, 0.9, 0.99, 0.999]),
            max_us: scratch.max_us(),
        })
    }
}

/// The series of one question, found and ready to be read.
pub struct Records<'a> {
    source: Source<'a>,
    question: &'a RecordsQuestion,
    chosen: Vec<(SeriesId, SeriesIdentity)>,
}

impl<'a> Records<'a> {
    /// Finds the series.
    ///
    /// # Errors
    /// When a value is one under which nothing is stored, or the store cannot be read.
    pub fn find(source: Source<'a>, question: &'a RecordsQuestion) -> Result<Self, QueryError> {
        let chosen = Chosen::find(&source, &question.selection, &BESIDE)?;
        let identities = chosen.iter().filter_map(|(id, series)| {
            let identity = SeriesIdentity {
                agent: chosen.labels.dictionary.agent(series.agent)?.clone(),
                vantage_point: chosen.labels.place(series.agent).cloned(),
                metro: chosen.labels.value(Label::Metro, series),
                descriptor: series.descriptor.clone(),
            };
            Some((id, identity))
        });
        Ok(Self {
            chosen: identities.collect(),
            source,
            question,
        })
    }

    /// The series found, whether or not they have data in the range.
    pub fn series(&self) -> impl Iterator<Item = &SeriesIdentity> {
        self.chosen.iter().map(|(_, identity)| identity)
    }

    /// Hands every record to `take`: by start, then by series, within a piece of time and [`SERIES_AT_ONCE`] series; the
    /// records of one series ascend throughout.
    ///
    /// # Errors
    /// When the store cannot be read, counters overflow, or `take` fails.
    pub fn read(
        &self,
        take: &mut dyn FnMut(&SeriesIdentity, Record) -> Result<(), QueryError>,
    ) -> Result<Coverage, QueryError> {
        let mut coverage = Coverage::default();
        for range in pieces(self.question.range, self.question.step_ms) {
            for (number, some) in self.chosen.chunks(SERIES_AT_ONCE).enumerate() {
                let read = self.read_piece(range, some, take)?;
                coverage.absorb(&read);
                // Every pass over a piece meets the same reports.
                if number == 0 {
                    coverage.unreadable_reports += read.unreadable_reports;
                }
            }
        }
        Ok(coverage)
    }

    fn read_piece(
        &self,
        range: TimeRange,
        some: &[(SeriesId, SeriesIdentity)],
        take: &mut dyn FnMut(&SeriesIdentity, Record) -> Result<(), QueryError>,
    ) -> Result<Coverage, QueryError> {
        let series: SeriesSelection = some.iter().map(|(id, _)| *id).collect();
        let grid = self.question.step_ms.map(Grid::of);
        let step_ms = self.question.step_ms.unwrap_or(0);
        // A step of a day or more is a piece of its own, so whole days fall into it whatever its length.
        let scan_ms = step_ms.clamp(1, DAY_MS);
        let mut open = Step::default();
        let coverage = self.source.scan(range, &series, scan_ms, |observation| {
            let start_unix_ms = grid.map_or(observation.start_unix_ms, |grid| {
                grid.start_of(observation.start_unix_ms)
            });
            if start_unix_ms != open.start_unix_ms {
                open.finish(some, take)?;
                open.start_unix_ms = start_unix_ms;
            }
            let Ok(member) = some.binary_search_by_key(&observation.series, |(id, _)| *id) else {
                return Ok(());
            };
            let (length_ms, merge) = open.series.entry(member).or_default();
            *length_ms = (*length_ms).max(step_ms).max(u64::from(observation.length_ms));
            merge.add(&observation.counts, observation.delays, &mut open.scratch)
        })?;
        open.finish(some, take)?;
        Ok(coverage)
    }
}

/// The one step that is open: a scan ascends.
#[derive(Default)]
struct Step {
    start_unix_ms: u64,
    series: BTreeMap<usize, (u64, Merge)>,
    scratch: Accumulator,
}

impl Step {
    fn finish(
        &mut self,
        some: &[(SeriesId, SeriesIdentity)],
        take: &mut dyn FnMut(&SeriesIdentity, Record) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        for (member, (length_ms, merge)) in std::mem::take(&mut self.series) {
            let Some((_, identity)) = some.get(member) else {
                continue;
            };
            let record = Record {
                start_unix_ms: self.start_unix_ms,
                length_ms,
                counts: *merge.counts(),
                delays: merge.into_delays(&mut self.scratch)?,
            };
            take(identity, record)?;
        }
        Ok(())
    }
}

/// The range in pieces that cut no step in two.
fn pieces(range: TimeRange, step_ms: Option<u64>) -> impl Iterator<Item = TimeRange> {
    let step_ms = step_ms.unwrap_or(1).max(1);
    let least_ms = if step_ms.is_multiple_of(MINUTE_MS) {
        DAY_MS
    } else {
        HOUR_MS
    };
    // A week's steps begin on Monday, so they are pieces of their own; others count from the epoch as their multiples do.
    let grid = Grid::of(if step_ms >= least_ms {
        step_ms
    } else {
        step_ms * least_ms.div_ceil(step_ms)
    });
    let mut from_unix_ms = range.from_unix_ms;
    std::iter::from_fn(move || {
        if from_unix_ms >= range.to_unix_ms {
            return None;
        }
        let piece = TimeRange {
            from_unix_ms,
            to_unix_ms: grid.end_of(from_unix_ms).min(range.to_unix_ms),
        };
        from_unix_ms = piece.to_unix_ms;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use azimuth_measurement::{LoadLabel, Method};

    use super::super::source::tests::source;
    use super::*;
    use crate::store::Store;
    use crate::store::conformance::{T0, item, manifest_of, report_of, verified};
    use crate::store::memory::MemoryStore;

    fn seeded() -> MemoryStore {
        let store = MemoryStore::default();
        for (id, delays) in [
            ("a", [&[100, 200][..], &[300], &[500]]),
            ("b", [&[7], &[8], &[9]]),
        ] {
            let mut manifest = manifest_of(id, 2);
            manifest.series[1].method = Method::TcpConnect;
            let items: Vec<_> = (0..)
                .zip(delays)
                .map(|(slot, delays)| item(&report_of(&manifest, slot + 1, slot, delays)))
                .collect();
            store.commit(&[verified(&manifest)], &items).expect("writable");
        }
        store
    }

    fn read(store: &MemoryStore, selection: Selection, step_ms: Option<u64>) -> Vec<(String, Record)> {
        let question = RecordsQuestion {
            selection,
            range: TimeRange {
                from_unix_ms: T0,
                to_unix_ms: T0 + 3 * DAY_MS,
            },
            step_ms,
        };
        let found = Records::find(source(store), &question).expect("known");
        let mut seen = Vec::new();
        found
            .read(&mut |identity, record| {
                let method = identity.descriptor.method;
                seen.push((format!("{} {method}", identity.agent), record));
                Ok(())
            })
            .expect("readable");
        seen
    }

    #[test]
    fn every_series_has_its_own_records_in_order() {
        let seen = read(&seeded(), Selection::default(), None);
        let names: Vec<&str> = seen.iter().map(|(name, _)| name.as_str()).collect();
        let each = ["a stamp", "a tcp_connect", "b stamp", "b tcp_connect"];
        assert_eq!(names, [each, each, each].concat());
        assert_eq!(
            (
                seen[4].1.start_unix_ms - T0,
                seen[4].1.length_ms,
                seen[4].1.counts.sent
            ),
            (10_000, 10_000, 2)
        );
        let chosen = Selection::of(Method::TcpConnect, LoadLabel::Idle);
        assert_eq!(read(&seeded(), chosen, None).len(), 6);
    }

    #[test]
    fn a_step_merges_and_says_what_it_is() {
        let seen = read(&seeded(), Selection::default(), Some(20_000));
        let (name, first) = &seen[0];
        let mut scratch = Accumulator::new();
        let summary = first.summary(&mut scratch).expect("few");
        assert_eq!(
            (name.as_str(), first.length_ms, first.counts.sent),
            ("a stamp", 20_000, 5)
        );
        assert_eq!(
            (summary.n, summary.min_us, summary.max_us),
            (3, Some(100), Some(300))
        );
        assert_eq!(summary.quantiles_us[1], Some(200));
        assert_eq!(seen.len(), 8);
    }

    #[test]
    fn pieces_tile_the_range_and_cut_no_step() {
        let range = TimeRange {
            from_unix_ms: T0 + 1_234,
            to_unix_ms: T0 + 40 * DAY_MS + 77,
        };
        for step_ms in [
            None,
            Some(10_000),
            Some(70_000),
            Some(HOUR_MS),
            Some(7 * HOUR_MS),
            Some(DAY_MS),
            Some(7 * DAY_MS),
            Some(25 * HOUR_MS),
        ] {
            let pieces: Vec<_> = pieces(range, step_ms).collect();
            assert_eq!(pieces[0].from_unix_ms, range.from_unix_ms);
            assert_eq!(pieces[pieces.len() - 1].to_unix_ms, range.to_unix_ms);
            let grid = Grid::of(step_ms.unwrap_or(1));
            for pair in pieces.windows(2) {
                assert_eq!(pair[0].to_unix_ms, pair[1].from_unix_ms);
                let cut = pair[1].from_unix_ms;
                assert_eq!(grid.start_of(cut), cut, "{step_ms:?}");
            }
        }
    }
}
