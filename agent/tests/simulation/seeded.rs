//! A judge that cannot convict proves nothing. Each fault here is made at the seam between network and prober, as if the prober
//! had it, and must be found out by the judge who holds counts and delays against what the network did.

use std::panic::{AssertUnwindSafe, catch_unwind};

use azimuth_agent::clock::{NS_PER_MS, NS_PER_S};
use azimuth_measurement::{Ipdv, ProbeCounts, StampClock};

use super::network::{FINE, Fate, Seam, World, stamp_series};
use super::prober::{assert_accounted, delays, total};

const EACH: u64 = 20;
const WAITING_TIME_MS: u32 = 2_000;

/// A third of the probes is fine, a third comes back twice, a third too late; a stranger answers all of them sooner.
fn judge(seam: Seam, waiting_time_ms: u32) {
    let mut calls = 0;
    let plans = [stamp_series(1_000, waiting_time_ms, Some(3 * EACH))];
    let mut world = World::new(&plans, |_| {
        calls += 1;
        match calls % 3 {
            1 => FINE,
            2 => Fate {
                answers_ns: &[2 * NS_PER_MS, 3 * NS_PER_MS],
                ..FINE
            },
            _ => Fate {
                answers_ns: &[2_500 * NS_PER_MS],
                ..FINE
            },
        }
    });
    world.seam = Seam {
        stranger: true,
        ..seam
    };
    world.run(100 * NS_PER_S);
    assert_eq!(world.close(), 0);
    assert_accounted(&world.closed);
    let truth = ProbeCounts {
        sent: 3 * EACH,
        returned: 2 * EACH,
        late: EACH,
        duplicate: EACH,
        // Of each three, the first two make a pair.
        ipdv: Ipdv {
            pairs: EACH,
            sum_us: 0,
        },
        ..ProbeCounts::default()
    };
    assert_eq!(total(&world.closed, 0), truth);
    let delays = delays(&world.closed, 0);
    assert_eq!(delays.len() as u64, 2 * EACH);
    assert!(
        delays.iter().all(|delay| *delay == (StampClock::Kernel, 2_000)),
        "{delays:?}"
    );
}

fn is_caught(seam: Seam, waiting_time_ms: u32) -> bool {
    catch_unwind(AssertUnwindSafe(|| judge(seam, waiting_time_ms))).is_err()
}

#[test]
fn without_a_fault_the_judge_acquits() {
    judge(Seam::default(), WAITING_TIME_MS);
}

#[test]
fn residence_not_subtracted_is_caught() {
    let fault = Seam {
        residence_hidden: true,
        ..Seam::default()
    };
    assert!(is_caught(fault, WAITING_TIME_MS));
}

#[test]
fn late_counted_as_returned_is_caught() {
    assert!(is_caught(Seam::default(), 3_000));
}

#[test]
fn duplicates_counted_twice_are_caught() {
    let fault = Seam {
        repeated_twice: true,
        ..Seam::default()
    };
    assert!(is_caught(fault, WAITING_TIME_MS));
}

#[test]
fn an_answer_from_a_wrong_source_is_caught() {
    let fault = Seam {
        source_ignored: true,
        ..Seam::default()
    };
    assert!(is_caught(fault, WAITING_TIME_MS));
}
