//! When to send: absolute deadlines on the monotonic clock, one series at a time. Pure; handed the time.
//!
//! Open loop: a slot's deadline never depends on answers, nor on how late the previous slot was sent. Each
//! series starts at a phase hashed from a name, so that a thousand targets do not burst on the second and do
//! not drift into step; series that are to meet share one. A slot that could not be sent within its own period is counted as skipped and never
//! squeezed in afterwards: catching up would be a burst of our own making, and a wrong number.
//!
//! A series is periodic, or a Poisson process of the same rate (RFC 2330 section 11.1.1, RFC 7312 section 4): slots follow each
//! other at exponential gaps, absolute all the same.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::clock::Monotonic;

mod gaps;
pub(crate) mod split_mix;

use gaps::Gaps;

/// How the slots of a series follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// One a period.
    #[default]
    Periodic,
    /// One a period on average, at exponential gaps of at most ten periods, decided by a seed.
    Poisson {
        /// Two series that are to be independent have different ones.
        seed: u64,
    },
}

/// One series in the schedule.
#[derive(Clone, Copy, Debug)]
struct Rhythm {
    /// Its first slot.
    first_at: Monotonic,
    period_ns: i64,
    /// For a Poisson schedule.
    gaps: Option<Gaps>,
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
        self.add_paced(start, phase_ns, (period_ns, Pace::Periodic), limit)
    }

    /// The same with slots that follow each other at `pace`.
    pub fn add_paced(
        &mut self,
        start: Monotonic,
        phase_ns: i64,
        (period_ns, pace): (i64, Pace),
        limit: Option<u64>,
    ) -> u32 {
        let series = u32::try_from(self.rhythms.len()).unwrap_or(u32::MAX);
        self.rhythms.push(Rhythm {
            first_at: start.plus_ns(phase_ns),
            period_ns: period_ns.max(1),
            gaps: match pace {
                Pace::Periodic => None,
                Pace::Poisson { seed } => Some(Gaps::new(period_ns, seed)),
            },
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
        // A series with a limit gives up missed slots too: n slots, sent or skipped, never more.
        let most = rhythm.remaining.map_or(u64::MAX, |left| left.saturating_sub(1));
        let (skipped, intended_at) = rhythm.skip(deadline, now, most);
        if let Some(left) = &mut rhythm.remaining {
            *left = left.saturating_sub(skipped + 1);
        }
        if rhythm.remaining != Some(0) {
            self.deadlines
                .push(Reverse((intended_at.plus_ns(rhythm.next_ns()), series)));
        }
        Some(Due {
            series,
            intended_at,
            skipped,
        })
    }

    /// Forgets the future slots of one series.
    pub fn pause(&mut self, series: u32) {
        self.deadlines.retain(|Reverse((_, of))| *of != series);
    }

    /// Takes a paused series up again at the first slot of its grid from `now` on; a Poisson one, which has no grid and no
    /// memory, a gap after `now`. What passed meanwhile was not skipped.
    pub fn resume(&mut self, series: u32, now: Monotonic) {
        self.pause(series);
        let Some(rhythm) = self.rhythms.get_mut(series as usize) else {
            return;
        };
        if rhythm.remaining == Some(0) {
            return;
        }
        let next = rhythm.first_from(now);
        self.deadlines.push(Reverse((next, series)));
    }

    /// Moves the next slot of one series to its first from `until` on, if it would come sooner. How many slots that leaves out. A
    /// series that has no next slot gets none.
    pub fn postpone(&mut self, series: u32, until: Monotonic) -> u64 {
        self.shift(series, until, Monotonic::max)
    }

    /// Moves the next slot of one series to its first after `now`, if it would come later. How many slots that brings back.
    pub fn advance(&mut self, series: u32, now: Monotonic) -> u64 {
        // A slot of this very instant has been sent.
        self.shift(series, now.plus_ns(1), Monotonic::min)
    }

    fn shift(&mut self, series: u32, from: Monotonic, choose: fn(Monotonic, Monotonic) -> Monotonic) -> u64 {
        let mut deadlines = self.deadlines.iter();
        let Some(before) = deadlines.find_map(|Reverse((at, of))| (*of == series).then_some(*at)) else {
            return 0;
        };
        let Some(rhythm) = self.rhythms.get_mut(series as usize) else {
            return 0;
        };
        let after = choose(before, rhythm.first_from(from));
        let slots = after.since_ns(before) / rhythm.period_ns;
        self.pause(series);
        self.deadlines.push(Reverse((after, series)));
        slots.unsigned_abs()
    }

    /// Forgets every future slot: nothing more will be due.
    pub fn stop(&mut self) {
        self.deadlines.clear();
    }
}

impl Rhythm {
    /// The first slot of the grid from `at` on; of a Poisson schedule, which has no grid, a gap after `at`.
    fn first_from(&mut self, at: Monotonic) -> Monotonic {
        if let Some(gaps) = &mut self.gaps {
            return at.plus_ns(gaps.next_ns());
        }
        let passed_ns = at.since_ns(self.first_at).max(0);
        let slots = passed_ns / self.period_ns + i64::from(passed_ns % self.period_ns != 0);
        self.first_at.plus_ns(slots.saturating_mul(self.period_ns))
    }

    /// From one slot to the next.
    fn next_ns(&mut self) -> i64 {
        self.gaps.as_mut().map_or(self.period_ns, Gaps::next_ns)
    }

    /// How many slots from `deadline` on were missed by a whole period at `now`, at most `most`, and when the next one was
    /// meant to be.
    fn skip(&mut self, mut deadline: Monotonic, now: Monotonic, most: u64) -> (u64, Monotonic) {
        let Some(gaps) = &mut self.gaps else {
            let missed = u64::try_from(now.since_ns(deadline) / self.period_ns).unwrap_or(0);
            let skipped = missed.min(most);
            let skipped_ns = self
                .period_ns
                .saturating_mul(i64::try_from(skipped).unwrap_or(i64::MAX));
            return (skipped, deadline.plus_ns(skipped_ns));
        };
        // After a suspend of a day, one step a slot missed: at the shortest period, ten million short ones.
        let mut skipped = 0;
        while skipped < most && now.since_ns(deadline) >= self.period_ns {
            deadline = deadline.plus_ns(gaps.next_ns());
            skipped += 1;
        }
        (skipped, deadline)
    }
}

/// The phase of a series within its period: the same name always gets the same phase, and different names
/// spread evenly. FNV-1a with the 64-bit finaliser of `SplitMix`, because plain FNV's high bits are poor on
/// short names that differ in one digit.
#[must_use]
pub fn phase_ns(name: &str, period_ns: i64) -> i64 {
    // Multiply-shift instead of modulo: even for periods that do not divide 2^64.
    let scaled = (u128::from(seed(name)) * u128::from(period_ns.max(0).unsigned_abs())) >> 64;
    i64::try_from(scaled).unwrap_or(0)
}

/// The phase of series that are to meet: the same name gets the same phase in every period, and in its multiples, instead of the
/// same share of them. Uneven by less than a part in a hundred thousand, for a period of a day.
#[must_use]
pub fn meeting_phase_ns(name: &str, period_ns: i64) -> i64 {
    let phase = seed(name) % period_ns.max(1).unsigned_abs();
    i64::try_from(phase).unwrap_or(0)
}

/// Decides the Poisson schedule of a series: the same name always the same, and different names independent ones.
#[must_use]
pub fn seed(name: &str) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in name.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
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
    fn a_paused_series_is_not_due_and_comes_back_on_its_grid() {
        let mut schedule = Schedule::default();
        schedule.add(START, 30, 100, None);
        schedule.add(START, 40, 100, None);
        schedule.pause(0);
        assert_eq!(schedule.poll_due(at(50)).map(|due| due.series), Some(1));
        assert_eq!(schedule.poll_due(at(50)), None);
        schedule.resume(0, at(250));
        schedule.resume(0, at(250));
        schedule.pause(1);
        assert_eq!(schedule.poll_timeout(), Some(at(330)));
        let due = schedule.poll_due(at(330)).expect("due");
        assert_eq!((due.series, due.skipped, due.intended_at), (0, 0, at(330)));
        assert_eq!(schedule.poll_timeout(), Some(at(430)));
    }

    #[test]
    fn a_slot_is_moved_along_its_grid_and_never_to_where_one_was_sent() {
        let mut schedule = Schedule::default();
        schedule.add(START, 30, 100, None);
        assert_eq!(schedule.poll_due(at(30)).map(|due| due.skipped), Some(0));
        assert_eq!(schedule.advance(0, at(30)), 0, "it was sent in this instant");
        assert_eq!(schedule.postpone(0, at(420)), 3);
        assert_eq!(schedule.poll_timeout(), Some(at(430)));
        assert_eq!(schedule.postpone(0, at(100)), 0, "it comes no sooner");
        assert_eq!(schedule.advance(0, at(131)), 2);
        assert_eq!(schedule.poll_timeout(), Some(at(230)));
        assert_eq!(schedule.advance(0, at(260)), 0, "what is overdue stays so");
        schedule.pause(0);
        assert_eq!(
            (schedule.postpone(0, at(900)), schedule.poll_timeout()),
            (0, None)
        );
    }

    #[test]
    fn a_paused_poisson_series_comes_back_a_gap_later_and_skips_nothing() {
        let mut schedule = Schedule::default();
        schedule.add_paced(START, 0, (100, Pace::Poisson { seed: 1 }), None);
        schedule.pause(0);
        schedule.resume(0, at(1_000_050));
        let next = schedule.poll_timeout().expect("taken up");
        assert!(next > at(1_000_050) && next != at(1_000_100), "{next:?}");
        let due = schedule.poll_due(next).expect("due");
        assert_eq!((due.skipped, due.intended_at), (0, next));
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

    #[test]
    fn a_poisson_schedule_keeps_its_rate_however_late_slots_are_sent() {
        const PERIOD: i64 = 1_000_000;
        let mut rows = Vec::new();
        for late_ns in [0, 300_000, 5_000_000] {
            let mut schedule = Schedule::default();
            schedule.add_paced(START, 7, (PERIOD, Pace::Poisson { seed: 5 }), None);
            let (mut slots, mut skipped, mut last) = (0_u64, 0_u64, at(0));
            let mut row = Vec::new();
            while let Some(deadline) = schedule.poll_timeout()
                && deadline < at(20_000 * PERIOD)
            {
                let due = schedule.poll_due(deadline.plus_ns(late_ns)).expect("due");
                assert!(due.intended_at > last, "slots ascend");
                last = due.intended_at;
                slots += 1 + due.skipped;
                skipped += due.skipped;
                row.push(due.intended_at);
            }
            // Four standard errors of a Poisson count.
            assert!(
                slots.abs_diff(20_000) < 4 * 142,
                "{slots} slots, {late_ns} ns late"
            );
            assert_eq!(skipped > 0, late_ns >= PERIOD, "{skipped}");
            rows.push(row);
        }
        assert_eq!(rows[0], rows[1], "lateness moves no deadline");
        assert!(rows[2].iter().all(|at| rows[0].contains(at)), "nor does skipping");
    }

    #[test]
    fn a_limited_poisson_schedule_has_that_many_slots_sent_or_skipped() {
        let mut schedule = Schedule::default();
        schedule.add_paced(START, 0, (100, Pace::Poisson { seed: 1 }), Some(10));
        let first = schedule.poll_due(at(0)).expect("due");
        let last = schedule.poll_due(at(1_000_000)).expect("due");
        assert_eq!((first.skipped, last.skipped), (0, 8));
        assert_eq!(schedule.poll_timeout(), None);
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
