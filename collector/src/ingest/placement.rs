//! Where on the collector's time line an interval belongs. Pure: handed the receive time.
//!
//! Agents count time themselves, and some of their clocks are wrong. The age of an interval is measured by the agent's
//! monotonic clock, which no clock step touches, so `receive time - age` is when the interval ended, give or take the
//! network. An agent clock that agrees with that stands, and every agent's intervals then share one grid; one that does
//! not is overruled. Skew is stored and shown, and is never a reason to refuse.

use azimuth_measurement::Interval;

/// How far an agent's clock may be off before its interval is placed by age instead, in milliseconds.
pub const TOLERATED_SKEW_MS: u64 = 2_000;
/// The oldest interval taken: what is older than a year cannot be the age of a queue.
pub const MAX_AGE_MS: u64 = 366 * 86_400_000;

/// An interval on the collector's time line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// Where it belongs.
    pub interval: Interval,
    /// Agent clock minus collector clock, in milliseconds.
    pub clock_skew_ms: i64,
}

/// Places `claimed`, which ended `age_ms` before it was received at `received_at_unix_ms`. `None` when the age is not
/// one: more than [`MAX_AGE_MS`], or before 1970.
pub fn place(claimed: Interval, age_ms: u64, received_at_unix_ms: u64) -> Option<Placement> {
    let ended_at = received_at_unix_ms
        .checked_sub(age_ms)
        .filter(|_| age_ms <= MAX_AGE_MS)?;
    // An agent that is told to stop reports the interval it is in. When that one would have ended is no evidence about
    // its clock.
    let under_way =
        age_ms == 0 && (claimed.start_unix_ms()..claimed.end_unix_ms()).contains(&received_at_unix_ms);
    if under_way {
        return Some(Placement {
            interval: claimed,
            clock_skew_ms: 0,
        });
    }
    let clock_skew_ms = signed_difference(claimed.end_unix_ms(), ended_at);
    if clock_skew_ms.unsigned_abs() <= TOLERATED_SKEW_MS {
        return Some(Placement {
            interval: claimed,
            clock_skew_ms,
        });
    }
    let length = u64::from(claimed.length_ms());
    // Rounded to the nearest interval of the grid, so that two agents' intervals still tile.
    let nearest = ended_at.saturating_sub(length).saturating_add(length / 2);
    let interval = Interval::containing(nearest, claimed.length_ms()).ok()?;
    Some(Placement {
        interval,
        clock_skew_ms,
    })
}

/// The age to place an interval by when the agent says that its age is uncertain: by a wall clock that may have been set
/// since the interval ended. One that cannot be is taken from the interval's own name.
pub fn plausible_age_ms(claimed: Interval, age_ms: u64, received_at_unix_ms: u64) -> u64 {
    if age_ms <= MAX_AGE_MS && age_ms <= received_at_unix_ms {
        return age_ms;
    }
    let by_name_ms = received_at_unix_ms.saturating_sub(claimed.end_unix_ms());
    by_name_ms.min(MAX_AGE_MS).min(received_at_unix_ms)
}

/// The instant on the collector's time line that an agent with this skew calls `at_unix_ms`.
pub fn shift(at_unix_ms: u64, clock_skew_ms: i64) -> u64 {
    if clock_skew_ms.unsigned_abs() <= TOLERATED_SKEW_MS {
        return at_unix_ms;
    }
    at_unix_ms.saturating_add_signed(clock_skew_ms.saturating_neg())
}

fn signed_difference(one: u64, other: u64) -> i64 {
    let magnitude = i64::try_from(one.abs_diff(other)).unwrap_or(i64::MAX);
    if one >= other { magnitude } else { -magnitude }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const T0: u64 = 1_795_428_000_000;
    const DAY_MS: u64 = 86_400_000;

    fn interval(start_unix_ms: u64) -> Interval {
        Interval::new(start_unix_ms, 10_000).expect("on the grid")
    }

    #[test]
    fn a_clock_that_agrees_stands() {
        for (received, skew) in [(T0 + 12_000, 0), (T0 + 14_000, -2_000), (T0 + 10_000, 2_000)] {
            let placement = place(interval(T0), 2_000, received);
            assert_eq!(
                placement,
                Some(Placement {
                    interval: interval(T0),
                    clock_skew_ms: skew
                })
            );
        }
    }

    #[test]
    fn a_clock_that_does_not_agree_is_overruled() {
        // The interval really was [T0, T0 + 10 s), whatever the agent believes.
        for claimed in [T0 + 400 * DAY_MS, T0 - 400 * DAY_MS, T0 + 20_000, 0] {
            let placement = place(interval(claimed), 2_000, T0 + 12_000).expect("an age");
            assert_eq!(placement.interval, interval(T0), "claimed {claimed}");
            assert_eq!(placement.clock_skew_ms, signed_difference(claimed, T0));
        }
        // 2,001 ms behind: the same interval, because rounding absorbs what the network took.
        let placement = place(interval(T0), 2_000, T0 + 14_001).expect("an age");
        assert_eq!(
            (placement.interval, placement.clock_skew_ms),
            (interval(T0), -2_001)
        );
    }

    #[test]
    fn an_interval_under_way_is_no_evidence_of_skew() {
        for received in [T0, T0 + 1_300, T0 + 9_999] {
            let placement = place(interval(T0), 0, received).expect("an age");
            assert_eq!((placement.interval, placement.clock_skew_ms), (interval(T0), 0));
        }
        let late = place(interval(T0), 1, T0 + 5_000).expect("an age");
        assert_ne!(
            late.clock_skew_ms, 0,
            "an interval that says it is over is believed"
        );
    }

    #[test]
    fn a_report_that_waited_a_day_is_placed_where_it_was_measured() {
        let placement = place(interval(T0 + 77_770_000), DAY_MS, T0 + 10_000 + DAY_MS).expect("an age");
        assert_eq!(placement.interval, interval(T0));
    }

    #[test]
    fn an_age_that_is_none_is_not_placed() {
        assert_eq!(place(interval(T0), MAX_AGE_MS + 1, T0), None);
        assert_eq!(place(interval(T0), u64::MAX, T0), None);
        assert_eq!(place(interval(0), 5_000, 4_999), None);
    }

    #[test]
    fn an_uncertain_age_that_is_none_gives_way_to_the_name() {
        assert_eq!(plausible_age_ms(interval(T0), 5_000, T0 + 12_000), 5_000);
        for (claimed, expected) in [(T0, 30_000), (T0 + DAY_MS, 0), (0, MAX_AGE_MS)] {
            let age_ms = plausible_age_ms(interval(claimed), 400 * DAY_MS, T0 + 40_000);
            assert_eq!(age_ms, expected);
            assert!(place(interval(claimed), age_ms, T0 + 40_000).is_some());
        }
    }

    #[test]
    fn a_tombstone_moves_with_its_agents_clock() {
        assert_eq!(shift(T0, 2_000), T0);
        assert_eq!(shift(T0 + 60_000, 60_000), T0);
        assert_eq!(shift(T0 - 60_000, -60_000), T0);
        assert_eq!(shift(5, i64::MAX), 0);
    }

    #[test]
    fn what_is_overruled_is_rounded_to_the_nearest_interval() {
        // Ended 4 s, then 6 s after an interval of the grid did.
        for (received, start) in [(T0 + 14_000, T0), (T0 + 16_000, T0 + 10_000)] {
            let placement = place(interval(0), 0, received).expect("an age");
            assert_eq!(placement.interval, interval(start));
        }
    }

    proptest! {
        #[test]
        fn placement_is_within_half_an_interval_of_the_truth(
            start_s in 0_u64..4_000_000_000,
            length_s in 1_u32..=3_600,
            age_ms in 1..=MAX_AGE_MS,
            received in T0 - DAY_MS..T0 + DAY_MS,
        ) {
            let claimed = Interval::containing(start_s * 1_000, length_s * 1_000).expect("on the grid");
            let placement = place(claimed, age_ms, received).expect("an age");
            prop_assert_eq!(placement.interval.length_ms(), claimed.length_ms());
            let truth = received - age_ms - u64::from(claimed.length_ms());
            let error_ms = placement.interval.start_unix_ms().abs_diff(truth);
            prop_assert!(error_ms <= TOLERATED_SKEW_MS.max(u64::from(claimed.length_ms()) / 2));
        }

        #[test]
        fn no_numbers_make_placement_panic(start_s in 0_u64..250_000_000_000, age_ms: u64, received: u64, skew_ms: i64) {
            let claimed = Interval::containing(start_s * 1_000, 10_000).expect("on the grid");
            let _ = (place(claimed, age_ms, received), shift(received, skew_ms));
        }
    }
}
