//! Merging the entries of one series into entries of a coarser tier, as they pass by in order of time. Pure.

use azimuth_measurement::{Accumulator, DelayHistogram, ProbeCounts, StampClock};

use super::chunk::{ChunkBuilder, Entry};
use crate::store::tier::Tier;

/// The counters or the delays of a unit exceed what one entry holds; no true measurement gets there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the counters of one unit add up to more than an entry holds")]
pub(in crate::store::embedded) struct UnitOverflow;

/// Merges entries, given in ascending order of start, into one per unit.
#[derive(Debug)]
pub(in crate::store::embedded) struct Rollup {
    tier: Tier,
    builder: ChunkBuilder,
    /// The unit being filled.
    open: Option<Unit>,
}

#[derive(Debug)]
struct Unit {
    start_unix_ms: u64,
    counts: ProbeCounts,
    /// In order of arrival, clocks mixed.
    delays: Vec<(StampClock, DelayHistogram)>,
}

impl Rollup {
    /// An empty rollup to the units of `tier`. For the finest tier a unit is a start: entries of one start become one.
    pub(in crate::store::embedded) fn new(tier: Tier) -> Self {
        Self {
            tier,
            builder: ChunkBuilder::default(),
            open: None,
        }
    }

    /// Adds an entry; when it begins a new unit, returns the one before it as merged. `scratch` is left in any state.
    ///
    /// # Errors
    /// When the unit before cannot be merged.
    pub(in crate::store::embedded) fn push(
        &mut self,
        entry: Entry,
        scratch: &mut Accumulator,
    ) -> Result<Option<Entry>, UnitOverflow> {
        let start_unix_ms = self.tier.unit_of(entry.start_unix_ms);
        let mut finished = None;
        if let Some(unit) = self.open.take_if(|unit| unit.start_unix_ms != start_unix_ms) {
            finished = Some(self.keep(unit, scratch)?);
        }
        let unit = self.open.get_or_insert_with(|| Unit {
            start_unix_ms,
            counts: ProbeCounts::default(),
            delays: Vec::new(),
        });
        unit.counts = unit.counts.plus(&entry.counts).ok_or(UnitOverflow)?;
        unit.delays.extend(entry.delays);
        Ok(finished)
    }

    /// Closes the last unit and returns it as merged.
    ///
    /// # Errors
    /// When it cannot be merged.
    pub(in crate::store::embedded) fn close(
        &mut self,
        scratch: &mut Accumulator,
    ) -> Result<Option<Entry>, UnitOverflow> {
        match self.open.take() {
            Some(unit) => self.keep(unit, scratch).map(Some),
            None => Ok(None),
        }
    }

    /// The chunk of every closed unit.
    pub(in crate::store::embedded) fn chunk(&self) -> &ChunkBuilder {
        &self.builder
    }

    fn keep(&mut self, unit: Unit, scratch: &mut Accumulator) -> Result<Entry, UnitOverflow> {
        let entry = Entry {
            start_unix_ms: unit.start_unix_ms,
            counts: unit.counts,
            delays: merge(unit.delays, scratch)?,
        };
        self.builder.push(&entry);
        Ok(entry)
    }
}

/// One histogram per clock, best clock first.
fn merge(
    mut delays: Vec<(StampClock, DelayHistogram)>,
    scratch: &mut Accumulator,
) -> Result<Vec<(StampClock, DelayHistogram)>, UnitOverflow> {
    let one_each = delays.windows(2).all(|pair| pair[0].0 < pair[1].0);
    if one_each {
        return Ok(delays);
    }
    delays.sort_by_key(|(clock, _)| *clock);
    delays
        .chunk_by(|one, other| one.0 == other.0)
        .map(|of_one_clock| {
            scratch.clear();
            for (_, histogram) in of_one_clock {
                scratch.add(histogram).map_err(|_| UnitOverflow)?;
            }
            let merged = scratch.to_histogram().map_err(|_| UnitOverflow)?;
            Ok((of_one_clock[0].0, merged))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::embedded::sealed::chunk::ChunkReader;
    use crate::store::embedded::sealed::chunk::tests::entries;

    fn roll(tier: Tier, entries: &[Entry]) -> Vec<Entry> {
        let (mut rollup, mut scratch) = (Rollup::new(tier), Accumulator::new());
        let mut finished = Vec::new();
        for entry in entries {
            finished.extend(rollup.push(entry.clone(), &mut scratch).expect("few"));
        }
        finished.extend(rollup.close(&mut scratch).expect("few"));
        let kept: Result<Vec<Entry>, _> = ChunkReader::new(rollup.chunk().encode())
            .expect("a chunk")
            .collect();
        assert_eq!(kept.as_ref(), Ok(&finished), "what is returned is what is kept");
        finished
    }

    proptest! {
        /// Minutes rolled to hours are the hours of the intervals themselves, and nothing is lost on the way.
        #[test]
        fn rolling_twice_is_rolling_once(entries in entries()) {
            let hours = roll(Tier::OneHour, &entries);
            prop_assert_eq!(&roll(Tier::OneHour, &roll(Tier::OneMinute, &entries)), &hours);
            let sum = |entries: &[Entry]| entries.iter().map(|entry| entry.counts.sent).sum::<u64>();
            prop_assert_eq!(sum(&hours), sum(&entries));
            let delays = |entries: &[Entry]| {
                let mut accumulator = Accumulator::new();
                for (_, histogram) in entries.iter().flat_map(|entry| &entry.delays) {
                    accumulator.add(histogram).expect("few");
                }
                accumulator.to_histogram().expect("few")
            };
            prop_assert_eq!(delays(&hours), delays(&entries));
        }
    }
}
