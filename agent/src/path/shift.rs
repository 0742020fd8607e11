//! Whether the delay to a target has shifted: the median of the last minutes against the hour before. Pure; handed the
//! time. Not an alert (that is the collector's): it only says when a look at the path is worth its packets.
//!
//! The gate is the one of the collector's detector for medians: 0.5 ms or 2 % below 25 ms, 2 ms or 2 % above, and four times
//! the spread of the hour. Hysteresis: after a shift nothing more is said until the two have come within half of it again.

use std::collections::VecDeque;

use crate::clock::{Monotonic, NS_PER_S};

/// Minutes whose median is held against those before.
const RECENT: usize = 3;
/// Minutes before them that are remembered.
const REFERENCE: usize = 60;
/// Minutes without which there is nothing to compare with.
const LEAST_REFERENCE: usize = 10;
/// Delays remembered of one minute.
const MOST_A_MINUTE: usize = 600;
/// From one shift to the next.
const COOL_DOWN_NS: i64 = 600 * NS_PER_S;
const MINUTE_NS: i64 = 60 * NS_PER_S;

/// Watches the delay of one series.
#[derive(Debug, Default)]
pub struct ShiftDetector {
    minute: i64,
    delays_us: Vec<u32>,
    medians_us: VecDeque<u32>,
    shifted: bool,
    said_at: Option<Monotonic>,
}

impl ShiftDetector {
    /// Takes the delays of an interval that ended `at`. Says whether the delay has shifted, once a shift.
    pub fn note(&mut self, at: Monotonic, delays_us: impl IntoIterator<Item = u32>) -> bool {
        let minute = at.as_ns().div_euclid(MINUTE_NS);
        let mut said = false;
        if minute != self.minute {
            said = self.close(at);
            self.minute = minute;
        }
        let room = MOST_A_MINUTE.saturating_sub(self.delays_us.len());
        self.delays_us.extend(delays_us.into_iter().take(room));
        said
    }

    /// A minute without any delay leaves no median.
    fn close(&mut self, at: Monotonic) -> bool {
        let Some(of_minute) = median(&mut std::mem::take(&mut self.delays_us)) else {
            return false;
        };
        self.medians_us.push_back(of_minute);
        if self.medians_us.len() > RECENT + REFERENCE {
            self.medians_us.pop_front();
        }
        let known = self.medians_us.len().saturating_sub(RECENT);
        if known < LEAST_REFERENCE {
            return false;
        }
        let mut reference: Vec<u32> = self.medians_us.iter().take(known).copied().collect();
        let mut recent: Vec<u32> = self.medians_us.iter().skip(known).copied().collect();
        let (Some(reference_us), Some(recent_us)) = (median(&mut reference), median(&mut recent)) else {
            return false;
        };
        let mut off: Vec<u32> = reference.iter().map(|us| us.abs_diff(reference_us)).collect();
        off.sort_unstable();
        // Not the median: a delay that swings between two values has none off by more than half of the time.
        let spread_us = off.get(off.len() * 3 / 4).copied().unwrap_or(0);
        let gate_us = gate_us(reference_us, spread_us);
        let apart_us = u64::from(recent_us.abs_diff(reference_us));
        if self.shifted {
            self.shifted = apart_us * 2 >= gate_us;
            return false;
        }
        let cooling = self
            .said_at
            .is_some_and(|said_at| at.since_ns(said_at) < COOL_DOWN_NS);
        if apart_us < gate_us || cooling {
            return false;
        }
        self.shifted = true;
        self.said_at = Some(at);
        true
    }
}

fn gate_us(reference_us: u32, spread_us: u32) -> u64 {
    let floor_us = if reference_us < 25_000 { 500 } else { 2_000 };
    // Three quarters of a normal distribution lie within 1.15 of its standard deviations.
    let sigmas_us = u64::from(spread_us) * 400 / 115;
    sigmas_us.max(floor_us).max(u64::from(reference_us) / 50)
}

/// Nearest rank.
fn median(values: &mut [u32]) -> Option<u32> {
    values.sort_unstable();
    values.get(values.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Minutes of so many microseconds; the minutes at which a shift was said.
    fn run(detector: &mut ShiftDetector, from: i64, minutes_us: &[u32]) -> Vec<i64> {
        let minutes = (from..).zip(minutes_us);
        let said = minutes.filter(|(minute, us)| {
            let interval = |ten: i64| Monotonic::from_ns(*minute * MINUTE_NS + ten * 10 * NS_PER_S);
            (0..6).any(|ten| detector.note(interval(ten), (0..10).map(|n| **us + n * 7)))
        });
        said.map(|(minute, _)| minute).collect()
    }

    fn minutes(us: u32, count: usize) -> Vec<u32> {
        // Within the gate, and not all the same.
        (0..count).map(|n| us + (n % 3) as u32 * 20).collect()
    }

    #[test]
    fn a_step_is_said_once_and_soon() {
        let mut detector = ShiftDetector::default();
        assert_eq!(run(&mut detector, 100, &minutes(10_000, 40)), [0_i64; 0]);
        let said = run(&mut detector, 140, &minutes(12_000, 80));
        assert_eq!(said, [142], "two of three minutes are over when the third begins");
    }

    #[test]
    fn the_way_back_is_a_shift_again_once_it_has_cooled() {
        let mut detector = ShiftDetector::default();
        run(&mut detector, 100, &minutes(10_000, 60));
        assert_eq!(run(&mut detector, 160, &minutes(12_000, 90)), [162]);
        assert_eq!(run(&mut detector, 250, &minutes(10_000, 30)), [252]);
    }

    #[test]
    fn what_swings_and_what_is_small_is_no_shift() {
        let swinging: Vec<u32> = (0..120).map(|n| 10_000 + (n % 2) * 900).collect();
        assert_eq!(run(&mut ShiftDetector::default(), 0, &swinging), [0_i64; 0]);
        let mut detector = ShiftDetector::default();
        run(&mut detector, 100, &minutes(10_000, 40));
        assert_eq!(
            run(&mut detector, 140, &minutes(10_400, 40)),
            [0_i64; 0],
            "below 0.5 ms"
        );
        let mut far = ShiftDetector::default();
        run(&mut far, 100, &minutes(200_000, 40));
        assert_eq!(run(&mut far, 140, &minutes(203_000, 40)), [0_i64; 0], "below 2 %");
    }

    #[test]
    fn a_single_bad_minute_and_silence_are_no_shift() {
        let mut detector = ShiftDetector::default();
        run(&mut detector, 100, &minutes(10_000, 30));
        assert_eq!(run(&mut detector, 130, &[90_000]), [0_i64; 0]);
        assert_eq!(run(&mut detector, 131, &minutes(10_000, 30)), [0_i64; 0]);
        assert!(!detector.note(Monotonic::from_ns(500 * MINUTE_NS), []));
        assert!(!detector.note(Monotonic::from_ns(501 * MINUTE_NS), []));
    }

    #[test]
    fn flapping_is_said_at_most_every_ten_minutes() {
        let mut detector = ShiftDetector::default();
        run(&mut detector, 0, &minutes(10_000, 60));
        let flapping: Vec<u32> = (0..60)
            .map(|n| if n / 4 % 2 == 0 { 15_000 } else { 10_000 })
            .collect();
        let said = run(&mut detector, 60, &flapping);
        assert!(said.windows(2).all(|two| two[1] - two[0] >= 10), "{said:?}");
    }
}
