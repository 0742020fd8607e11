//! What a series was like since its last accepted change: the recent units and robust statistics of them.
//!
//! The youngest [`HELD_BACK`] units stay out, so that a change under way does not drag its own reference along; after an
//! accepted change the units that proved it are in from the start.

use std::collections::VecDeque;

use super::evidence::variance_inflation;
use super::settings::HOUR_MS;

/// Units too young to be reference.
pub const HELD_BACK: u64 = 15;
/// Fewest units that make a reference.
pub const FEWEST: usize = 6;
/// How far back the reference reaches, within the bounds below. Further back a path that breathes with the day looks
/// noisy, and a small step hides in that noise.
const REACH_MS: u64 = 2 * HOUR_MS;
/// Units the reference may reach back for at least, however slow the series.
const REACH_LEAST: u64 = 60;
/// ... and at most, however fast.
const REACH_MOST: u64 = 120;
/// Units kept.
const KEPT: usize = (REACH_MOST + HELD_BACK) as usize;

/// Robust statistics of the reference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Median, in the statistic's unit.
    pub median: f64,
    /// Standard deviation by the interquartile range: spikes do not widen it.
    pub sigma: f64,
    /// How much serial correlation inflates the variance of a mean of units (1: not at all).
    pub inflation: f64,
    /// Units behind it.
    pub units: usize,
}

/// The units since the last accepted change.
#[derive(Debug, Clone, Default)]
pub struct Reference {
    kept: VecDeque<f32>,
    /// Number of the unit after the youngest kept.
    next: u64,
    /// First unit of the present regime.
    regime: u64,
    /// Units before this one are reference although young: they proved the regime.
    proven: u64,
}

impl Reference {
    /// Number the next unit will have.
    pub fn next_unit(&self) -> u64 {
        self.next
    }

    /// Takes the next unit's value.
    pub fn push(&mut self, value: f64) {
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        } else if self.kept.len() == self.kept.capacity() {
            // Grow by a quarter, not by doubling: ten thousand of these are resident.
            let more = (self.kept.len() / 4).max(16).min(KEPT - self.kept.len());
            self.kept.reserve_exact(more);
        }
        self.kept.push_back(value as f32);
        self.next += 1;
    }

    /// A new regime that began with unit `first`; everything since proves it.
    pub fn begin_regime(&mut self, first: u64) {
        self.regime = first;
        self.proven = self.next;
    }

    fn oldest(&self) -> u64 {
        self.next - self.kept.len() as u64
    }

    /// The values of units `from..to` that are still kept.
    pub fn values(&self, from: u64, to: u64) -> impl Iterator<Item = f64> + Clone + '_ {
        let from = from.clamp(self.oldest(), self.next);
        let to = to.clamp(from, self.next);
        let range = (from - self.oldest()) as usize..(to - self.oldest()) as usize;
        self.kept.range(range).map(|value| f64::from(*value))
    }

    /// The values that are kept, the youngest first.
    pub fn youngest_first(&self) -> impl Iterator<Item = f64> + '_ {
        self.kept.iter().rev().map(|value| f64::from(*value))
    }

    /// The units that are reference, as a range of unit numbers.
    pub fn span(&self, spacing_ms: u64) -> (u64, u64) {
        let reach = (REACH_MS / spacing_ms.max(1)).clamp(REACH_LEAST, REACH_MOST);
        let end = self.proven.max(self.next.saturating_sub(HELD_BACK));
        let end = end.clamp(self.regime, self.next.max(self.regime));
        (self.regime.max(end.saturating_sub(reach)), end)
    }

    /// Statistics of the reference; `None` while there are fewer than [`FEWEST`] units.
    pub fn level(&self, spacing_ms: u64) -> Option<Level> {
        let (from, to) = self.span(spacing_ms);
        let mut scratch = [0.0_f32; KEPT];
        let mut units = 0;
        for (slot, value) in scratch.iter_mut().zip(self.values(from, to)) {
            *slot = value as f32;
            units += 1;
        }
        if units < FEWEST {
            return None;
        }
        let values = &mut scratch[..units];
        let (below, median, above) = values.select_nth_unstable_by(units / 2, f32::total_cmp);
        let median = f64::from(*median);
        let at_quarter = below.len() / 2;
        let lower = *below.select_nth_unstable_by(at_quarter, f32::total_cmp).1;
        let at_three_quarters = (3 * units / 4).saturating_sub(units / 2 + 1);
        let upper = *above.select_nth_unstable_by(at_three_quarters, f32::total_cmp).1;
        let sigma = f64::from(upper - lower) / IQR_OF_NORMAL;
        Some(Level {
            median,
            sigma,
            inflation: variance_inflation(self.values(from, to), median, sigma),
            units,
        })
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.kept.capacity() * size_of::<f32>()
    }
}

/// Interquartile range of the standard normal distribution.
const IQR_OF_NORMAL: f64 = 1.349;

/// Median of some values (the mean of the middle two when even); `None` without any. Not for hot paths.
pub fn median_of(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    if values.is_empty() {
        return None;
    }
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    Some(if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPACING_MS: u64 = 240_000;

    fn filled(values: impl IntoIterator<Item = f64>) -> Reference {
        let mut reference = Reference::default();
        for value in values {
            reference.push(value);
        }
        reference
    }

    #[test]
    fn young_units_are_no_reference() {
        let reference = filled((0..21).map(f64::from));
        assert_eq!(reference.span(SPACING_MS), (0, 6));
        assert_eq!(reference.level(SPACING_MS).unwrap().median, 3.0);
        assert!(filled((0..20).map(f64::from)).level(SPACING_MS).is_none());
    }

    #[test]
    fn the_units_that_proved_a_regime_are_its_reference_at_once() {
        let mut reference = filled((0..40).map(f64::from));
        reference.begin_regime(33);
        let level = reference.level(SPACING_MS).unwrap();
        assert_eq!((level.median, level.units), (36.0, 7));
    }

    #[test]
    fn spikes_do_not_widen_sigma() {
        let calm = (0..80).map(|n| 100.0 + f64::from(n * 7 % 20));
        let spiky = calm
            .clone()
            .enumerate()
            .map(|(n, value)| if n % 10 == 0 { 900.0 } else { value });
        let sigma = |reference: Reference| reference.level(SPACING_MS).unwrap().sigma;
        assert!(sigma(filled(spiky)) <= 1.4 * sigma(filled(calm)));
    }

    #[test]
    fn quartiles_are_the_sorted_ones() {
        let reference = filled(
            [7.0, 1.0, 5.0, 3.0, 2.0, 8.0, 6.0, 4.0]
                .into_iter()
                .chain([0.0; 15]),
        );
        let level = reference.level(SPACING_MS).unwrap();
        assert_eq!(level.units, 8);
        assert_eq!(level.median, 5.0);
        assert!(
            (level.sigma - 4.0 / IQR_OF_NORMAL).abs() < 1e-6,
            "{}",
            level.sigma
        );
    }

    #[test]
    fn memory_is_bounded() {
        let reference = filled((0..5_000).map(f64::from));
        assert!(reference.heap_bytes() <= KEPT * size_of::<f32>());
    }
}
