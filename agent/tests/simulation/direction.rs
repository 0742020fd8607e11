//! Losses on known ways against what direct measurement says of them: the sums are exact where the reflector's counters can
//! tell, and nothing is said where they cannot.

use azimuth_agent::clock::NS_PER_S;
use azimuth_agent::probe::SeriesPlan;
use azimuth_measurement::ProbeCounts;

use super::network::{FINE, Fate, World, stamp_series};
use super::prober::{assert_accounted, total};

const LOST_OUT: Fate = Fate {
    answers_ns: &[],
    ..FINE
};
const LOST_BACK: Fate = Fate {
    answers_ns: &[],
    lost_back: true,
    ..FINE
};

fn series(follow_up: bool) -> SeriesPlan {
    SeriesPlan {
        direct_measurement: true,
        follow_up,
        ..stamp_series(100, 2_000, None)
    }
}

fn ways(counts: &ProbeCounts) -> (u64, u64, u64) {
    (counts.lost(), counts.lost_out, counts.lost_back)
}

#[test]
fn losses_are_told_apart_by_their_way_in_every_interval() {
    for follow_up in [false, true] {
        let fate = |sequence: u32| match sequence % 10 {
            3 | 4 => LOST_OUT,
            7 => LOST_BACK,
            // A run of both, within one interval.
            _ if (250..255).contains(&(sequence % 1_000)) => LOST_BACK,
            _ => FINE,
        };
        let mut world = World::new(&[series(follow_up)], |token| fate(token.sequence));
        world.run(32 * NS_PER_S);
        assert_eq!(world.closed.len(), 3);
        assert_accounted(&world.closed);
        for (interval, first) in world.closed.iter().zip([0, 100, 200]) {
            let truth = |out| {
                (first..first + 100).filter(move |n| match fate(*n) {
                    Fate {
                        answers_ns: [],
                        lost_back,
                        ..
                    } => lost_back != out,
                    _ => false,
                })
            };
            let (out, back) = (truth(true).count() as u64, truth(false).count() as u64);
            assert_eq!(
                ways(&interval.series[0].counts),
                (out + back, out, back),
                "follow-ups {follow_up}"
            );
        }
    }
}

#[test]
fn a_reflector_that_restarts_makes_no_way_of_a_loss() {
    let mut world = World::new(&[series(false)], |token| match token.sequence {
        40..50 => LOST_OUT,
        50..53 => LOST_BACK,
        _ => FINE,
    });
    world.restart_reflectors(5 * NS_PER_S);
    world.run(13 * NS_PER_S);
    let counts = world.closed[0].series[0].counts;
    assert_eq!(ways(&counts), (13, 0, 0), "unknown, not guessed");
}

#[test]
fn lost_at_the_end_or_without_counters_stays_unknown() {
    let mut world = World::new(&[series(false)], |token| {
        if token.sequence < 50 { FINE } else { LOST_OUT }
    });
    world.run(40 * NS_PER_S);
    let counts = total(&world.closed, 0);
    assert_eq!(
        (counts.lost() > 200, counts.lost_out, counts.lost_back),
        (true, 0, 0)
    );

    let plain = SeriesPlan {
        direct_measurement: false,
        ..series(false)
    };
    let mut world = World::new(
        &[plain],
        |token| if token.sequence % 10 == 5 { LOST_BACK } else { FINE },
    );
    world.run(13 * NS_PER_S);
    assert_eq!(ways(&world.closed[0].series[0].counts), (10, 0, 0));
}

#[test]
fn duplicated_and_overtaking_requests_never_make_a_false_way() {
    // Two of three answers come twice, each request counted twice.
    const TWICE: Fate = Fate {
        answers_ns: &[2_000_000, 2_500_000],
        ..FINE
    };
    let mut world = World::new(&[series(false)], |token| match token.sequence % 6 {
        2 => LOST_OUT,
        0 | 4 => TWICE,
        _ => FINE,
    });
    world.run(13 * NS_PER_S);
    let counts = world.closed[0].series[0].counts;
    assert!(counts.duplicate > 30);
    assert_eq!(counts.lost_back, 0, "none was: {counts:?}");
    assert_accounted(&world.closed);
}
