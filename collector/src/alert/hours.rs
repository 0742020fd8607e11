//! What the hours of the week were like: the median of each hour in the last two weeks, so that an alert can say that this
//! happens every Tuesday evening. It annotates and does not suppress: on labelled data people call daily congestion a
//! regression. Hours are UTC, so daylight-saving time moves an evening by one; the neighbouring hour is looked at too.

use super::reference::median_of;
use super::settings::HOUR_MS;

const HOURS_IN_WEEK: usize = 168;
/// Units of the present hour that are kept: one a minute.
const UNITS: usize = 60;

#[derive(Debug, Clone, Copy)]
struct Slot {
    /// Hour number since the epoch of `last`; 0 when nothing is known.
    hour: u64,
    last: f32,
    before: Option<f32>,
}

/// The memory of one series.
#[derive(Debug, Clone, Default)]
pub struct Hours {
    slots: Vec<Option<Slot>>,
    hour: u64,
    units: Vec<f32>,
}

impl Hours {
    /// Takes a unit's value.
    pub fn observe(&mut self, at_unix_ms: u64, value: f64) {
        let hour = at_unix_ms / HOUR_MS;
        if hour != self.hour {
            self.close();
            self.hour = hour;
        }
        if self.units.len() < UNITS {
            if self.units.len() == self.units.capacity() {
                self.units.reserve_exact(15);
            }
            self.units.push(value as f32);
        }
    }

    fn close(&mut self) {
        let median = median_of(self.units.iter().map(|value| f64::from(*value)));
        self.units.clear();
        let Some(median) = median else { return };
        if self.slots.is_empty() {
            self.slots.reserve_exact(HOURS_IN_WEEK);
            self.slots.resize(HOURS_IN_WEEK, None);
        }
        let slot = &mut self.slots[(self.hour % HOURS_IN_WEEK as u64) as usize];
        let a_week_ago = slot.filter(|old| old.hour + HOURS_IN_WEEK as u64 == self.hour);
        *slot = Some(Slot {
            hour: self.hour,
            last: median as f32,
            before: a_week_ago.map(|old| old.last),
        });
    }

    /// Whether in each of the last two weeks this hour, or the one before or after, reached `level`. `None` unless both
    /// weeks are known.
    pub fn reached(&self, at_unix_ms: u64, level: f64) -> Option<bool> {
        let hour = at_unix_ms / HOUR_MS;
        let weeks = |hour: u64| {
            let slot = (*self.slots.get((hour % HOURS_IN_WEEK as u64) as usize)?)?;
            let of_last_week = slot.hour + HOURS_IN_WEEK as u64 == hour;
            of_last_week.then_some((f64::from(slot.last), f64::from(slot.before?)))
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
        self.slots.capacity() * size_of::<Option<Slot>>() + self.units.capacity() * size_of::<f32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEEK_MS: u64 = HOURS_IN_WEEK as u64 * HOUR_MS;

    #[test]
    fn knows_an_evening_only_after_two_weeks_of_it() {
        let mut hours = Hours::default();
        let evening = |at_unix_ms: u64| (19..22).contains(&(at_unix_ms / HOUR_MS % 24));
        let mut at_unix_ms = 0;
        let mut answers = Vec::new();
        while at_unix_ms < 3 * WEEK_MS {
            if at_unix_ms % WEEK_MS == 19 * HOUR_MS {
                answers.push(hours.reached(at_unix_ms, 25.0));
            }
            hours.observe(at_unix_ms, if evening(at_unix_ms) { 30.0 } else { 10.0 });
            at_unix_ms += 60_000;
        }
        assert_eq!(answers, [None, None, Some(true)]);
        assert_eq!(hours.reached(3 * WEEK_MS + 8 * HOUR_MS, 25.0), Some(false));
        assert_eq!(hours.reached(9 * WEEK_MS, 25.0), None, "too long ago");
        assert!(hours.heap_bytes() <= 5 * 1024, "{}", hours.heap_bytes());
    }
}
