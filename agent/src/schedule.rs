//! When to send: absolute deadlines on the monotonic clock, one series at a time. Pure; handed the time.
//!
//! Open loop: a slot's deadline never depends on answers, nor on how late the previous slot was sent. Each
//! series starts at a phase hashed from its name, so that a thousand targets do not burst on the second and do
//! not drift into step. A slot that could not be sent within its own period is counted as skipped and never
//! squeezed in afterwards: catching up would be a burst of our own making, and a wrong number.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::clock::Monotonic;

/// One series in the schedule.
#[derive(Clone, Copy, Debug)]
struct Rhythm {
    period_ns: i64,
    /// Slots still to be sent; `None` means for ever.
    remaining: Option<u64>,
}

/// A slot whose time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Index of the series, in the order they were added.
    pub series: u32,
    /// When this slot was meant to be sent.
    pub intended_at: Monotonic,
    /// Slots before this one that were missed by a whole period and will not be sent.
    pub skipped: u64,
}

/// All series and their next deadlines.
#[derive(Debug, Default)]
pub struct Schedule {
    rhythms: Vec<Rhythm>,
    deadlines: BinaryHeap<Reverse<(Monotonic, u32)>>,
}

impl Schedule {
    /// Adds a series that first sends at `start` plus `phase_ns`, then every `period_ns` (at least 1), `limit`
    /// times or for ever. Returns its index.
    pub fn add(&mut self, start: Monotonic, phase_ns: i64, period_ns: i64, limit: Option<u64>) -> u32 {
        let series = u32::try_from(self.rhythms.len()).unwrap_or(u32::MAX);
        self.rhythms.push(Rhythm {
            period_ns: period_ns.max(1),
            remaining: limit,
        });
        if limit != Some(0) {
            self.deadlines.push(Reverse((start.plus_ns(phase_ns), series)));
        }
        series
    }

    /// The next deadline of any series; `None` when nothing is left to send.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Monotonic> {
        self.deadlines.peek().map(|Reverse((at, _))| *at)
    }

    /// The most overdue slot at `now`, if any is due. Call again until it answers `None`.
    pub fn poll_due(&mut self, now: Monotonic) -> Option<Due> {
        let Reverse((deadline, series)) = *self.deadlines.peek()?;
        if deadline > now {
            return None;
        }
        self.deadlines.pop();
        let rhythm = self.rhythms.get_mut(series as usize)?;
        let late_ns = now.since_ns(deadline);
        let missed = u64::try_from(late_ns / rhythm.period_ns).unwrap_or(0);
        // A series with a limit gives up missed slots too: n slots, sent or skipped, never more.
        let skipped = rhythm
            .remaining
            .map_or(missed, |left| missed.min(left.saturating_sub(1)));
        let skipped_ns = rhythm
            .period_ns
            .saturating_mul(i64::try_from(skipped).unwrap_or(i64::MAX));
        let intended_at = deadline.plus_ns(skipped_ns);
        if let Some(left) = &mut rhythm.remaining {
            *left = left.saturating_sub(skipped + 1);
        }
        if rhythm.remaining != Some(0) {
            self.deadlines
                .push(Reverse((intended_at.plus_ns(rhythm.period_ns), series)));
        }
        Some(Due {
            series,
            intended_at,
            skipped,
        })
    }

    /// Forgets every future slot: nothing more will be due.
    pub fn stop(&mut self) {
        self.deadlines.clear();
    }
}

/// The phase of a series within its period: the same name always gets the same phase, and different names
/// spread evenly. FNV-1a with the 64-bit finaliser of `SplitMix`, because plain FNV's high bits are poor on
/// short names that differ in one digit.
#[must_use]
pub fn phase_ns(name: &str, period_ns: i64) -> i64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in name.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^= hash >> 31;
    // Multiply-shift instead of modulo: even for periods that do not divide 2^64.
    let scaled = (u128::from(hash) * u128::from(period_ns.max(0).unsigned_abs())) >> 64;
    i64::try_from(scaled).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: Monotonic = Monotonic::from_ns(1_000);

    fn at(ns: i64) -> Monotonic {
        START.plus_ns(ns)
    }

    #[test]
    fn deadlines_stay_on_the_grid_however_late_each_slot_was_sent() {
        let mut schedule = Schedule::default();
        schedule.add(START, 7, 100, None);
        for (now, intended) in [(at(7), 7), (at(150), 107), (at(207), 207), (at(399), 307)] {
            let due = schedule.poll_due(now).expect("a slot is due");
            assert_eq!((due.intended_at, due.skipped), (at(intended), 0));
        }
        assert_eq!(schedule.poll_timeout(), Some(at(407)));
    }

    #[test]
    fn slots_missed_by_a_whole_period_are_counted_and_not_squeezed_in() {
        let mut schedule = Schedule::default();
        schedule.add(START, 0, 100, None);
        let due = schedule.poll_due(at(350)).expect("a slot is due");
        assert_eq!(
            due,
            Due {
                series: 0,
                intended_at: at(300),
                skipped: 3
            }
        );
        assert_eq!(
            schedule.poll_due(at(350)),
            None,
            "a stall must not be followed by a burst"
        );
        assert_eq!(schedule.poll_timeout(), Some(at(400)));
    }

    #[test]
    fn the_most_overdue_series_goes_first() {
        let mut schedule = Schedule::default();
        schedule.add(START, 50, 1_000, None);
        schedule.add(START, 20, 1_000, None);
        let order: Vec<u32> = std::iter::from_fn(|| schedule.poll_due(at(60)))
            .map(|due| due.series)
            .collect();
        assert_eq!(order, [1, 0]);
    }

    #[test]
    fn a_limit_counts_sent_and_skipped_slots() {
        let mut schedule = Schedule::default();
        schedule.add(START, 0, 100, Some(3));
        assert_eq!(schedule.poll_due(at(0)).map(|due| due.skipped), Some(0));
        assert_eq!(schedule.poll_due(at(950)).map(|due| due.skipped), Some(1));
        assert_eq!(
            (schedule.poll_due(at(10_000)), schedule.poll_timeout()),
            (None, None)
        );
    }

    #[test]
    fn a_thousand_phases_spread_evenly() {
        let mut tenths = [0_u32; 10];
        for target in 0..1_000 {
            let phase = phase_ns(
                &format!("paris-1/aws/eu-west-3/euw3-az1/10.0.0.{target}/stamp"),
                1_000,
            );
            tenths[usize::try_from(phase / 100).expect("phase is below the period")] += 1;
        }
        assert!(tenths.iter().all(|n| (60..=140).contains(n)), "{tenths:?}");
    }

    proptest! {
        /// Every slot of the grid up to now is either sent once or counted as skipped once.
        #[test]
        fn no_slot_is_lost_or_sent_twice(period in 1_i64..1_000, steps in prop::collection::vec(0_i64..5_000, 1..50)) {
            let mut schedule = Schedule::default();
            schedule.add(START, 0, period, None);
            let (mut now, mut slots) = (START, 0_u64);
            for step in steps {
                now = now.plus_ns(step);
                while let Some(due) = schedule.poll_due(now) {
                    prop_assert_eq!(due.intended_at.since_ns(START) % period, 0);
                    prop_assert!(now.since_ns(due.intended_at) < period);
                    slots += due.skipped + 1;
                }
                let expected = u64::try_from(now.since_ns(START) / period).expect("time moves forward") + 1;
                prop_assert_eq!(slots, expected);
            }
        }

        #[test]
        fn a_phase_lies_within_its_period(name in ".{0,40}", period in 1_i64..100_000_000_000) {
            prop_assert!((0..period).contains(&phase_ns(&name, period)));
        }
    }
}
