//! Ticks of any length into units of at least one minute, one observation each.
//!
//! A unit closes with the tick that reaches the end of its minute, so nothing waits for the next tick. When ticks come a
//! minute or more apart each is a unit of its own.

use super::settings::MINUTE_MS;
use super::sketch::Sketch;
use super::tick::Tick;

/// Shortest unit, in milliseconds.
pub const UNIT_MS: u64 = MINUTE_MS;

/// One observation of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// Begin of its first tick, Unix time in milliseconds.
    pub start_unix_ms: u64,
    /// End of its last tick, Unix time in milliseconds: when it was known.
    pub end_unix_ms: u64,
    /// Probes sent whose fate is known.
    pub sent: u64,
    /// Probes lost.
    pub lost: u64,
}

/// The unit being filled.
#[derive(Debug, Clone, Default)]
pub struct UnitBuilder {
    open: Option<Unit>,
    delays: Sketch,
    last_start_unix_ms: Option<u64>,
    spacing_ms: u64,
}

impl UnitBuilder {
    /// Begin of the latest tick taken.
    pub fn last_start_unix_ms(&self) -> Option<u64> {
        self.last_start_unix_ms
    }

    /// How far apart units begin, in milliseconds; a gap in the data does not change it by itself.
    pub fn spacing_ms(&self) -> u64 {
        self.spacing_ms.max(UNIT_MS)
    }

    /// Takes a tick that passed [`Tick::check`] and calls `closed` for each unit it completes: at most the one before,
    /// and its own.
    pub fn push(&mut self, tick: &Tick<'_>, mut closed: impl FnMut(Unit, &Sketch)) {
        let since_last_ms = self
            .last_start_unix_ms
            .map(|last| tick.start_unix_ms.saturating_sub(last));
        self.last_start_unix_ms = Some(tick.start_unix_ms);
        if let Some(since_last_ms) = since_last_ms {
            // Shorter at once, longer only by steps: one missing report is not a slower series.
            self.spacing_ms = since_last_ms.min(self.spacing_ms.max(UNIT_MS).saturating_mul(2));
        }
        let boundary = |start_unix_ms: u64| (start_unix_ms / UNIT_MS + 1).saturating_mul(UNIT_MS);
        if self
            .open
            .is_some_and(|open| tick.start_unix_ms >= boundary(open.start_unix_ms))
        {
            self.close(&mut closed);
        }

        let open = self.open.get_or_insert(Unit {
            start_unix_ms: tick.start_unix_ms,
            end_unix_ms: tick.end_unix_ms(),
            sent: 0,
            lost: 0,
        });
        open.end_unix_ms = open.end_unix_ms.max(tick.end_unix_ms());
        open.sent = open.sent.saturating_add(tick.sent);
        open.lost = open.lost.saturating_add(tick.lost);
        let whole = open.end_unix_ms >= boundary(open.start_unix_ms);
        self.delays.add(tick.delays);
        if whole || since_last_ms.is_some_and(|since| since >= UNIT_MS) {
            self.close(&mut closed);
        }
    }

    fn close(&mut self, closed: &mut impl FnMut(Unit, &Sketch)) {
        if let Some(unit) = self.open.take() {
            closed(unit, &self.delays);
            self.delays.clear();
        }
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.delays.heap_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Delays;

    /// Feeds ticks of one probe each and returns (start, end, sent) of the units, in seconds, with the tick that closed it.
    fn units(ticks_s: &[(u64, u32)]) -> Vec<(usize, u64, u64, u64)> {
        let mut builder = UnitBuilder::default();
        let mut units = Vec::new();
        for (number, &(start_s, length_s)) in ticks_s.iter().enumerate() {
            let tick = Tick {
                start_unix_ms: start_s * 1_000,
                length_ms: length_s * 1_000,
                delays: Delays::One { delay_us: 10_000 },
                sent: 1,
                lost: 0,
            };
            builder.push(&tick, |unit, delays| {
                assert_eq!(delays.count(), unit.sent);
                units.push((
                    number,
                    unit.start_unix_ms / 1_000,
                    unit.end_unix_ms / 1_000,
                    unit.sent,
                ));
            });
        }
        units
    }

    #[test]
    fn six_ticks_of_ten_seconds_are_a_unit_that_the_sixth_closes() {
        let ticks: Vec<_> = (0..12).map(|n| (n * 10, 10)).collect();
        assert_eq!(units(&ticks), [(5, 0, 60, 6), (11, 60, 120, 6)]);
    }

    #[test]
    fn slow_samples_are_units_of_their_own_at_once() {
        let ticks: Vec<_> = (1..4).map(|n| (n * 240, 0)).collect();
        // The first cannot know yet that nothing follows within its minute.
        assert_eq!(
            units(&ticks),
            [(1, 240, 240, 1), (1, 480, 480, 1), (2, 720, 720, 1)]
        );
    }

    #[test]
    fn a_gap_closes_what_was_open() {
        assert_eq!(
            units(&[(0, 10), (10, 10), (3_600, 10), (3_610, 10)]),
            [(2, 0, 20, 2), (2, 3_600, 3_610, 1)]
        );
    }
}
