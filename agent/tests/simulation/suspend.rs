//! The host sleeps for an hour with probes under way: CLOCK_BOOTTIME and the wall clock both jump, the wall clock by a little
//! less or more, as a battery-backed clock of whole seconds makes it. Nothing of that hour may become a delay or a burst.

use azimuth_agent::clock::{NS_PER_MS, NS_PER_S};
use azimuth_measurement::{ProbeCounts, StampClock};

use super::network::{FINE, Fate, World, stamp_series};
use super::prober::{assert_accounted, delays, total};

const HOUR_NS: i64 = 3_600 * NS_PER_S;
const PERIOD_MS: u32 = 100;

/// Sleeps 1 ms after a probe left; its answer waits in the buffer and is stamped when it came in, before the sleep, or
/// only on waking.
fn slept(wall_clock_off_ns: i64) -> (ProbeCounts, Vec<(StampClock, u32)>, Vec<i64>, u64) {
    let mut world = World::new(&[stamp_series(PERIOD_MS, 2_000, None)], |_| FINE);
    let falls_asleep_ns = NS_PER_S + NS_PER_MS;
    world.run(falls_asleep_ns);
    if wall_clock_off_ns != 0 {
        world.step_wall_clock(falls_asleep_ns + HOUR_NS, wall_clock_off_ns);
    }
    world.hang(falls_asleep_ns + HOUR_NS);
    world.run(falls_asleep_ns + HOUR_NS + 5 * NS_PER_S);
    world.close();
    assert_accounted(&world.closed);
    let steps = world.closed.iter().map(|interval| interval.clock_steps).sum();
    let sent_ns = world.transmits.iter().map(|(_, at_ns)| *at_ns).collect();
    (total(&world.closed, 0), delays(&world.closed, 0), sent_ns, steps)
}

#[test]
fn an_hour_of_sleep_becomes_no_delay_and_no_burst() {
    for wall_clock_off_ns in [0, 700 * NS_PER_MS, -700 * NS_PER_MS] {
        let (counts, delays_us, sent_ns, steps) = slept(wall_clock_off_ns);
        assert!(
            delays_us
                .iter()
                .all(|delay| *delay == (StampClock::Kernel, 2_000)),
            "{wall_clock_off_ns}: {delays_us:?}"
        );
        // The one probe that was under way: returned, discarded or lost, but never a number.
        assert!(counts.discarded + counts.lost() <= 1, "{counts:?}");
        assert_eq!(
            delays_us.len() as u64,
            counts.sent - counts.discarded - counts.lost()
        );
        assert_eq!(steps, counts.discarded);
        let slots = u64::try_from(HOUR_NS / NS_PER_MS).expect("positive") / u64::from(PERIOD_MS);
        assert!(
            counts.skipped.abs_diff(slots) <= 1,
            "every slot of the hour is skipped and said to be: {counts:?}"
        );
        // Waking in the middle of a slot, its probe leaves late; the next one waits for its own.
        let slots: Vec<i64> = sent_ns
            .iter()
            .map(|at_ns| at_ns / (i64::from(PERIOD_MS) * NS_PER_MS))
            .collect();
        assert!(slots.is_sorted_by(|one, next| one < next), "no burst on waking");
    }
}

/// A host without a battery-backed clock: its wall clock goes on where it was, and an answer that waited for the waking looks as if
/// it had taken half a millisecond.
#[test]
fn an_answer_that_comes_on_waking_to_a_clock_that_stood_still_is_discarded_and_counted() {
    let mut world = World::new(&[stamp_series(PERIOD_MS, 2_000, None)], |token| {
        if token.sequence == 10 {
            Fate {
                answers_ns: &[HOUR_NS + NS_PER_MS / 2],
                ..FINE
            }
        } else {
            FINE
        }
    });
    let falls_asleep_ns = NS_PER_S + NS_PER_MS;
    world.step_wall_clock(falls_asleep_ns, -HOUR_NS);
    world.run(NS_PER_S);
    assert_eq!(world.transmits.len(), 11, "the eleventh is under way");
    world.hang(falls_asleep_ns + HOUR_NS);
    world.run(falls_asleep_ns + HOUR_NS + 5 * NS_PER_S);
    world.close();
    assert_accounted(&world.closed);
    let counts = total(&world.closed, 0);
    assert_eq!((counts.discarded, counts.lost()), (1, 0), "{counts:?}");
    let steps: u64 = world.closed.iter().map(|interval| interval.clock_steps).sum();
    assert_eq!(steps, 1);
    let delays_us = delays(&world.closed, 0);
    assert!(
        delays_us
            .iter()
            .all(|delay| *delay == (StampClock::Kernel, 2_000)),
        "{delays_us:?}"
    );
}
