//! What the hours of the week were like: the median of each hour in the last two weeks, so that an alert can say that this
//! happens every Tuesday evening. It annotates and does not suppress: on labelled data people call daily congestion a
//! regression. Hours are UTC, so daylight-saving time moves an evening by one; the neighbouring hour is looked at too.

use std::num::NonZeroU16;

use super::reference::median_of;
use super::settings::HOUR_MS;

const HOURS_IN_WEEK: u64 = 168;
/// Units of an hour that count at most: one a minute.
const UNITS: u8 = 60;
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

    fn close(&mut self, before: impl Iterator<Item = f64>) {
        let units = std::mem::take(&mut self.units);
        let Some(median) = median_of(before.take(usize::from(units))) else {
            return;
        };
        if self.slots.is_empty() {
            self.slots = vec![Slot::default(); HOURS_IN_WEEK as usize].into();
        }
        let (at, week) = slot_of(self.hour);
        let slot = &mut self.slots[at];
        let a_week_ago = slot.last.filter(|_| slot.week.checked_add(1) == Some(week));
        *slot = Slot {
            week,
            last: Some(Packed::of(median)),
            before: a_week_ago,
        };
    }

    /// Whether in each of the last two weeks this hour, or the one before or after, reached `level`. `None` unless both
    /// weeks are known.
    pub fn reached(&self, at_unix_ms: u64, level: f64) -> Option<bool> {
        let hour = at_unix_ms / HOUR_MS;
        let weeks = |hour: u64| {
            let (at, week) = slot_of(hour);
            let slot = self.slots.get(at)?;
            let of_last_week = slot.week.checked_add(1) == Some(week);
            of_last_week.then_some((slot.last?.level(), slot.before?.level()))
        };
        let here = weeks(hour)?;
        let (last, before) = [hour.saturating_sub(1), hour + 1]
            .into_iter()
            .filter_map(weeks)
            .fold(here, |most, other| (most.0.max(other.0), most.1.max(other.1)));
        Some(last >= level && before >= level)
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
                answers.push(hours.reached(at_unix_ms, 25.0));
            }
            hours.passed(at_unix_ms, past.iter().rev().copied());
            past.push(if evening(at_unix_ms) { 30.0 } else { 10.0 });
            at_unix_ms += 60_000;
        }
        assert_eq!(answers, [None, None, Some(true)]);
        assert_eq!(hours.reached(3 * WEEK_MS + 8 * HOUR_MS, 25.0), Some(false));
        assert_eq!(hours.reached(9 * WEEK_MS, 25.0), None, "too long ago");
        assert!(hours.heap_bytes() <= 1_024, "{}", hours.heap_bytes());
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
