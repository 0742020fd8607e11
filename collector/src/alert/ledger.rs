//! Which regressions are open, and how each ends. Not the lifecycle of an alert (acknowledged, silenced, notified): only
//! whether the level is still up.

use super::caution::LASTING_MS;
use super::event::{End, Event};
use super::settings::HOUR_MS;

/// Regressions open at once: steps of one staircase. A fifth closes the oldest as the new baseline.
const MOST_OPEN: usize = 4;
/// After a day a level is how the path is.
pub const NEW_BASELINE_MS: u64 = 24 * HOUR_MS;

#[derive(Debug, Clone, Copy, PartialEq)]
struct Open {
    number: u32,
    /// Half of the way back.
    middle: f64,
    fired_at_unix_ms: u64,
    recovered_at_unix_ms: Option<u64>,
}

/// The open regressions of one statistic, oldest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ledger {
    open: Vec<Open>,
}

impl Ledger {
    /// A regression began.
    pub fn opened(&mut self, number: u32, from: f64, to: f64, now_unix_ms: u64, events: &mut Vec<Event>) {
        if self.open.len() == MOST_OPEN {
            events.extend(self.open.remove(0).lasted(now_unix_ms));
        }
        self.open.reserve_exact(1);
        self.open.push(Open {
            number,
            middle: f64::midpoint(from, to),
            fired_at_unix_ms: now_unix_ms,
            recovered_at_unix_ms: None,
        });
    }

    /// The level is now `level`.
    pub fn moved(&mut self, level: f64, now_unix_ms: u64, events: &mut Vec<Event>) {
        for open in &mut self.open {
            let Open { number, middle, .. } = *open;
            if level < middle && open.recovered_at_unix_ms.is_none() {
                open.recovered_at_unix_ms = Some(now_unix_ms);
                events.push(Event::Ended {
                    number,
                    at_unix_ms: now_unix_ms,
                    end: End::Recovered,
                });
            } else if level >= middle && open.recovered_at_unix_ms.take().is_some() {
                events.push(Event::Reopened {
                    number,
                    at_unix_ms: now_unix_ms,
                });
            }
        }
    }

    /// Time passed: recoveries become final after an hour, open regressions a new baseline after a day.
    pub fn passed(&mut self, now_unix_ms: u64, events: &mut Vec<Event>) {
        self.open.retain(|open| match open.recovered_at_unix_ms {
            Some(recovered) => now_unix_ms.saturating_sub(recovered) <= LASTING_MS,
            None => {
                let lasted = now_unix_ms.saturating_sub(open.fired_at_unix_ms) >= NEW_BASELINE_MS;
                if lasted {
                    events.extend(open.lasted(now_unix_ms));
                }
                !lasted
            }
        });
        if self.open.is_empty() {
            // Most series have none, most of the time.
            self.open = Vec::new();
        }
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.open.capacity() * size_of::<Open>()
    }
}

impl Open {
    /// What there is to say when it is how things are now; nothing of one that had recovered.
    fn lasted(&self, now_unix_ms: u64) -> Option<Event> {
        self.recovered_at_unix_ms.is_none().then_some(Event::Ended {
            number: self.number,
            at_unix_ms: now_unix_ms,
            end: End::NewBaseline,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(number: u32, at_unix_ms: u64, end: End) -> Event {
        Event::Ended {
            number,
            at_unix_ms,
            end,
        }
    }

    #[test]
    fn recovers_past_half_way_and_reopens_within_the_hour() {
        let (mut ledger, mut events) = (Ledger::default(), Vec::new());
        ledger.opened(7, 10.0, 20.0, 0, &mut events);
        ledger.moved(16.0, 1, &mut events);
        assert_eq!(events, []);
        ledger.moved(11.0, 2, &mut events);
        ledger.moved(19.0, 3, &mut events);
        assert_eq!(
            events,
            [
                ended(7, 2, End::Recovered),
                Event::Reopened {
                    number: 7,
                    at_unix_ms: 3
                }
            ]
        );
        events.clear();
        ledger.moved(11.0, 4, &mut events);
        ledger.passed(5 + LASTING_MS, &mut events);
        ledger.moved(19.0, 6 + LASTING_MS, &mut events);
        assert_eq!(events, [ended(7, 4, End::Recovered)]);
    }

    #[test]
    fn a_day_makes_a_new_baseline_and_so_does_a_fifth_step() {
        let (mut ledger, mut events) = (Ledger::default(), Vec::new());
        for number in 0..5_u32 {
            let from = f64::from(number);
            ledger.opened(number, from, from + 1.0, u64::from(number), &mut events);
        }
        assert_eq!(events, [ended(0, 4, End::NewBaseline)]);
        events.clear();
        ledger.passed(NEW_BASELINE_MS + 2, &mut events);
        assert_eq!(
            events,
            [1, 2].map(|number| ended(number, NEW_BASELINE_MS + 2, End::NewBaseline))
        );
    }
}
