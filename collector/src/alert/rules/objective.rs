//! Service level objectives such as "p95 under 10 ms for 99.9 %": the share of minutes that are good. An alert says that
//! the error budget burns too fast, over a long window (it matters) and a short one (it goes on). Multi-window,
//! multi-burn-rate alerting as in the Site Reliability Workbook (Beyer et al. 2018, chapter 5).

use azimuth_measurement::Accumulator;

use super::measure::Measure;
use super::minute::Minute;
use crate::alert::settings::MINUTE_MS;

/// Pairs of windows, in minutes, and how many times too fast the budget must burn over both: 2 % of a month's budget in
/// an hour, 5 % in six hours, 10 % in three days.
pub const WINDOWS: [BurnWindow; 3] = [
    BurnWindow {
        long_min: 60,
        short_min: 5,
        burn: 14.4,
    },
    BurnWindow {
        long_min: 360,
        short_min: 30,
        burn: 6.0,
    },
    BurnWindow {
        long_min: 4_320,
        short_min: 360,
        burn: 1.0,
    },
];
/// Bad minutes in the long window below which nothing is said: where one bad minute is already over budget, a spike of
/// three is still a spike.
pub const FEWEST_BAD_MINUTES: u32 = 4;

/// Words of 64 minutes in the three days looked at.
const WORDS: usize = 4_320_usize.div_ceil(64) + 1;

/// A pair of windows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BurnWindow {
    /// The long window, in minutes.
    pub long_min: u32,
    /// The short window, in minutes.
    pub short_min: u32,
    /// How many times faster than allowed.
    pub burn: f64,
}

/// An objective.
#[derive(Debug, Clone, PartialEq)]
pub struct Objective {
    /// What is measured of each minute.
    pub measure: Measure,
    /// A minute is good when the measure is under this, in the measure's unit.
    pub under: f64,
    /// Share of minutes that must be good, above 0 and below 1.
    pub target: f64,
}

/// Good, bad and unseen minutes of the last three days, two bits each.
#[derive(Debug, Clone, PartialEq)]
pub struct Ledger {
    seen: [u64; WORDS],
    bad: [u64; WORDS],
    /// Number of the latest minute since the Unix epoch.
    latest: u64,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            seen: [0; WORDS],
            bad: [0; WORDS],
            latest: 0,
        }
    }
}

impl Ledger {
    fn word(minute: u64) -> usize {
        (minute / 64) as usize % WORDS
    }

    /// Notes a minute; one older than the latest only if its word is still kept.
    pub fn note(&mut self, start_unix_ms: u64, bad: bool) {
        let minute = start_unix_ms / MINUTE_MS;
        if minute > self.latest {
            let (from, to) = (self.latest / 64 + 1, minute / 64);
            // Words entered anew are cleared; a gap longer than all of them clears all.
            for word in from.max(to.saturating_sub(WORDS as u64 - 1))..=to {
                self.seen[word as usize % WORDS] = 0;
                self.bad[word as usize % WORDS] = 0;
            }
            self.latest = minute;
        } else if self.latest / 64 - minute / 64 >= WORDS as u64 {
            return;
        }
        let bit = 1_u64 << (minute % 64);
        self.seen[Self::word(minute)] |= bit;
        if bad {
            self.bad[Self::word(minute)] |= bit;
        }
    }

    /// Bad and seen minutes of the last `minutes`.
    fn count(&self, minutes: u32) -> (u32, u32) {
        let from = (self.latest + 1).saturating_sub(u64::from(minutes));
        let (mut bad, mut seen) = (0, 0);
        for word in from / 64..=self.latest / 64 {
            let mask = if word == from / 64 {
                u64::MAX << (from % 64)
            } else {
                u64::MAX
            };
            bad += (self.bad[word as usize % WORDS] & mask).count_ones();
            seen += (self.seen[word as usize % WORDS] & mask).count_ones();
        }
        (bad, seen)
    }

    /// The pair of windows over both of which the budget burns too fast, and how fast over the long one; the most urgent.
    pub fn burning(&self, target: f64) -> Option<(BurnWindow, f64)> {
        let budget = (1.0 - target).max(f64::EPSILON);
        let burn = |minutes: u32| {
            let (bad, seen) = self.count(minutes);
            (bad, f64::from(bad) / f64::from(seen.max(1)) / budget)
        };
        WINDOWS.into_iter().find_map(|window| {
            let (bad, long) = burn(window.long_min);
            let (_, short) = burn(window.short_min);
            let fast = bad >= FEWEST_BAD_MINUTES && long >= window.burn && short >= window.burn;
            fast.then_some((window, long))
        })
    }
}

impl Objective {
    /// Whether a minute was bad; `None` when it says nothing. A minute in which probes went out and none came back is bad.
    pub fn is_bad(&self, minute: &Minute, scratch: &mut Accumulator) -> Option<bool> {
        scratch.clear();
        for delays in &minute.delays {
            scratch.add(delays).ok()?;
        }
        if minute.counts.sent > 0 && minute.counts.returned == 0 {
            return Some(true);
        }
        let value = self.measure.value(&minute.counts, scratch, 1)?;
        Some(value >= self.under)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ledger(minutes: impl IntoIterator<Item = (u64, bool)>) -> Ledger {
        let mut ledger = Ledger::default();
        minutes
            .into_iter()
            .for_each(|(minute, bad)| ledger.note(minute * MINUTE_MS, bad));
        ledger
    }

    #[test]
    fn a_spike_of_three_minutes_says_nothing_and_the_fourth_pages() {
        let spike = |length: u64| ledger((0..600).map(|minute| (minute, minute >= 600 - length)));
        assert_eq!(spike(3).burning(0.999), None);
        let (window, burn) = spike(4)
            .burning(0.999)
            .expect("4 of 60 minutes against 1 of 1,000");
        assert_eq!((window.long_min, (burn * 10.0).round()), (60, 667.0));
        let over = ledger((0..620).map(|minute| (minute, (596..600).contains(&minute))));
        assert_eq!(
            over.burning(0.999).map(|(window, _)| window.long_min),
            Some(360),
            "20 minutes ago"
        );
        assert_eq!(over.burning(0.9), None);
    }

    #[test]
    fn a_slow_burn_is_found_over_three_days_only() {
        // Two of every hundred minutes against a budget of one.
        let slow = ledger((0..4_320).map(|minute| (minute, minute % 50 == 0)));
        assert_eq!(slow.burning(0.99).map(|(window, _)| window.long_min), Some(4_320));
        assert_eq!(slow.burning(0.95), None);
    }

    proptest! {
        #[test]
        fn counts_as_a_list_would(
            start in 0_u64..100_000,
            steps in prop::collection::vec((1_u64..40, any::<bool>()), 1..300),
            window in prop::sample::select(vec![5_u32, 30, 60, 360, 4_320]),
        ) {
            let mut minute = start;
            let noted: Vec<(u64, bool)> = steps.into_iter().map(|(step, bad)| { minute += step; (minute, bad) }).collect();
            let inside: Vec<_> = noted.iter().filter(|(at, _)| at + u64::from(window) > minute).collect();
            let bad = inside.iter().filter(|(_, bad)| *bad).count() as u32;
            prop_assert_eq!(ledger(noted.iter().copied()).count(window), (bad, inside.len() as u32));
        }
    }
}
