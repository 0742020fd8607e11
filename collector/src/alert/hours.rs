//! What the hours of the week were like: the median of each hour in the last two weeks. A rise to what this hour was in
//! both of them is the busy hour, not a regression; what is worse than that is one, and so is a rise that does not end
//! when the busy hour did. A busy hour comes and goes: a level that stayed for longer than [`LONGEST`] was none, so a path
//! that changes between two levels every few days has no busy hours. Hours are UTC, so daylight-saving time moves an evening by one; the next
//! hour is looked at too.

use std::num::NonZeroU16;

use super::reference::median_of;
use super::settings::HOUR_MS;

const HOURS_IN_WEEK: u64 = 168;
/// Units of an hour that count at most: one a minute.
const UNITS: u8 = 60;
/// Hours a busy hour lasts at most: from morning to midnight.
const LONGEST: u64 = 16;
/// It may end so much later than it did, in hours.
const LATE: u64 = 2;
/// Steps of a kept median to an octave: one is 0.03 %, and 65,535 of them reach beyond the longest delay.
const STEPS: f64 = 2_500.0;

/// A level in microseconds, in steps of its logarithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Packed(NonZeroU16);

impl Packed {
    fn of(level: f64) -> Self {
        let steps = (level.max(1.0).log2() * STEPS).round() as u16;
        Self(NonZeroU16::MIN.saturating_add(steps))
    }

    fn level(self) -> f64 {
        (f64::from(self.0.get() - 1) / STEPS).exp2()
    }
}

/// One hour of the week. Ten thousand series have 168 of them each, so it is six bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// Number of the week since the epoch of `last`.
    week: u16,
    last: Option<Packed>,
    before: Option<Packed>,
}

/// The memory of one series.
#[derive(Debug, Clone, Default)]
pub struct Hours {
    slots: Box<[Slot]>,
    hour: u64,
    /// Units of the present hour so far.
    units: u8,
}

fn slot_of(hour: u64) -> (usize, u16) {
    (
        (hour % HOURS_IN_WEEK) as usize,
        u16::try_from(hour / HOURS_IN_WEEK).unwrap_or(u16::MAX),
    )
}

impl Hours {
    /// A unit passed. `before` are the values of the units before it, the youngest first.
    pub fn passed(&mut self, at_unix_ms: u64, before: impl Iterator<Item = f64>) {
        let hour = at_unix_ms / HOUR_MS;
        if hour != self.hour {
            self.close(before);
            self.hour = hour;
        }
        self.units = UNITS.min(self.units + 1);
    }

    /// What an hour of before was like, of which there are no units any more. Hours come in order.
    pub fn remember(&mut self, start_unix_ms: u64, median: f64) {
        self.note(start_unix_ms / HOUR_MS, median);
    }

    fn close(&mut self, before: impl Iterator<Item = f64>) {
        let units = std::mem::take(&mut self.units);
        let Some(median) = median_of(before.take(usize::from(units))) else {
            return;
        };
        self.note(self.hour, median);
    }

    fn note(&mut self, hour: u64, median: f64) {
        if self.slots.is_empty() {
            self.slots = vec![Slot::default(); HOURS_IN_WEEK as usize].into();
        }
        let (at, week) = slot_of(hour);
        let slot = &mut self.slots[at];
        let a_week_ago = slot.last.filter(|_| slot.week.checked_add(1) == Some(week));
        *slot = Slot {
            week,
            last: Some(Packed::of(median)),
            before: a_week_ago,
        };
    }

    /// The median of an hour, counted since the epoch, if it is remembered.
    fn level_in(&self, hour: u64) -> Option<f64> {
        let (at, week) = slot_of(hour);
        let slot = self.slots.get(at)?;
        let packed = if slot.week == week {
            slot.last
        } else if week.checked_add(1) == Some(slot.week) {
            slot.before
        } else {
            None
        };
        packed.map(Packed::level)
    }

    /// When this hour should be over, Unix time in milliseconds, if it is a busy one: in each of the last two weeks it, or the
    /// next, reached `level` and was back below `middle` not long after. `None` also while two weeks are not known.
    pub fn busy_until(&self, at_unix_ms: u64, level: f64, middle: f64) -> Option<u64> {
        let hour = at_unix_ms / HOUR_MS;
        let over_in = |week: u64| {
            let then = hour.checked_sub(week * HOURS_IN_WEEK)?;
            self.level_in(then)?;
            let begins = [then, then + 1]
                .into_iter()
                .find(|hour| self.level_in(*hour).is_some_and(|was| was >= level))?;
            let ends = (begins + 1..=begins + LONGEST)
                .find(|hour| self.level_in(*hour).is_none_or(|was| was < middle))?;
            self.level_in(ends).is_some().then_some(ends - then)
        };
        let lasts = over_in(1)?.max(over_in(2)?);
        Some((hour + lasts + LATE) * HOUR_MS)
    }

    /// What is usual at this hour, if it is a busy one over `base`.
    pub fn usual(&self, at_unix_ms: u64, base: f64) -> Option<f64> {
        let hour = at_unix_ms / HOUR_MS;
        let most_in = |week: u64| {
            let then = hour.checked_sub(week * HOURS_IN_WEEK)?;
            let here = self.level_in(then)?;
            Some(self.level_in(then + 1).map_or(here, |next| here.max(next)))
        };
        let usual = most_in(1)?.min(most_in(2)?);
        (usual > base
            && self
                .busy_until(at_unix_ms, usual, f64::midpoint(base, usual))
                .is_some())
        .then_some(usual)
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        size_of_val(&*self.slots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEEK_MS: u64 = HOURS_IN_WEEK * HOUR_MS;

    #[test]
    fn knows_an_evening_only_after_two_weeks_of_it() {
        let mut hours = Hours::default();
        let evening = |at_unix_ms: u64| (19..22).contains(&(at_unix_ms / HOUR_MS % 24));
        let mut at_unix_ms = 0;
        let (mut answers, mut past) = (Vec::new(), Vec::new());
        while at_unix_ms < 3 * WEEK_MS {
            if at_unix_ms % WEEK_MS == 19 * HOUR_MS {
                answers.push(hours.busy_until(at_unix_ms, 25.0, 20.0));
            }
            hours.passed(at_unix_ms, past.iter().rev().copied());
            past.push(if evening(at_unix_ms) { 30.0 } else { 10.0 });
            at_unix_ms += 60_000;
        }
        let over_unix_ms = 2 * WEEK_MS + 24 * HOUR_MS;
        assert_eq!(answers, [None, None, Some(over_unix_ms)]);
        let evening_unix_ms = 3 * WEEK_MS + 20 * HOUR_MS;
        assert_eq!(hours.usual(evening_unix_ms, 10.0).map(f64::round), Some(30.0));
        assert_eq!(
            hours.busy_until(evening_unix_ms, 31.0, 20.0),
            None,
            "worse than usual"
        );
        assert_eq!(hours.busy_until(3 * WEEK_MS + 8 * HOUR_MS, 25.0, 20.0), None);
        assert_eq!(hours.busy_until(9 * WEEK_MS, 25.0, 20.0), None, "too long ago");
        assert!(hours.heap_bytes() <= 1_024, "{}", hours.heap_bytes());
    }

    #[test]
    fn a_level_that_stayed_was_no_busy_hour() {
        let mut hours = Hours::default();
        let (mut at_unix_ms, mut past) = (0, Vec::new());
        while at_unix_ms < 2 * WEEK_MS {
            hours.passed(at_unix_ms, past.iter().rev().copied());
            // Up for two days of each week.
            past.push(if at_unix_ms % WEEK_MS < 2 * 24 * HOUR_MS {
                30.0
            } else {
                10.0
            });
            at_unix_ms += 60_000;
        }
        assert_eq!(hours.busy_until(2 * WEEK_MS + 5 * HOUR_MS, 25.0, 20.0), None);
        assert_eq!(hours.usual(2 * WEEK_MS + 5 * HOUR_MS, 10.0), None);
    }

    #[test]
    fn a_packed_level_is_true_to_a_thousandth() {
        for level in [0.0, 1.0, 57.0, 10_307.0, 150_000.0, 60_000_000.0_f64] {
            let kept = Packed::of(level).level();
            assert!(
                (kept - level.max(1.0)).abs() <= 0.001 * level.max(1.0),
                "{kept} for {level}"
            );
        }
    }
}
