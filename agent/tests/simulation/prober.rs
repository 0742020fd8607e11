//! Loss, duplication, reordering, lateness, missing stamps, clock steps and stalls, with exact counts.

use azimuth_agent::clock::{NS_PER_MS, NS_PER_S};
use azimuth_agent::probe::SeriesPlan;
use azimuth_agent::schedule::Pace;
use azimuth_agent::tally::ClosedInterval;
use azimuth_measurement::{ErrorKind, Ipdv, Method, ProbeCounts, StampClock};
use proptest::prelude::*;

use super::network::{FINE, Fate, SEND_CALL_NS, START_UNIX_NS, World, stamp_series};

pub(crate) fn total(closed: &[ClosedInterval], series: usize) -> ProbeCounts {
    let all = closed.iter().map(|interval| interval.series[series].counts);
    all.fold(ProbeCounts::default(), |sum, counts| {
        sum.plus(&counts).expect("small numbers")
    })
}

pub(crate) fn delays(closed: &[ClosedInterval], series: usize) -> Vec<(StampClock, u32)> {
    closed
        .iter()
        .flat_map(|interval| interval.series[series].delays_us.clone())
        .collect()
}

/// The invariants of every closed interval, whatever happened.
pub(crate) fn assert_accounted(closed: &[ClosedInterval]) {
    for interval in closed {
        for series in &interval.series {
            let delays = series.delays_us.len() as u64;
            series.counts.check(delays).expect("counts that agree");
        }
    }
}

#[test]
fn on_a_fine_network_every_delay_is_the_truth_to_the_microsecond() {
    let mut world = World::new(&[stamp_series(1_000, 2_000, None)], |_| FINE);
    world.run(32 * NS_PER_S);
    assert_eq!(world.closed.len(), 3, "the third interval ended 2 s ago");
    for (index, interval) in world.closed.iter().enumerate() {
        let start_unix_ms = START_UNIX_NS / NS_PER_MS + 10_000 * index as i64;
        assert_eq!(interval.interval.start_unix_ms(), start_unix_ms as u64);
        let counts = ProbeCounts {
            sent: 10,
            returned: 10,
            ipdv: Ipdv {
                // The first probe of all has none before it.
                pairs: if index == 0 { 9 } else { 10 },
                sum_us: 0,
            },
            ..ProbeCounts::default()
        };
        assert_eq!(interval.series[0].counts, counts);
        assert_eq!(interval.series[0].delays_us, [(StampClock::Kernel, 2_000); 10]);
    }
}

#[test]
fn waiting_times_are_looked_at_with_the_next_probe_unless_that_is_long_to_come() {
    let unanswered = Fate {
        answers_ns: &[],
        ..FINE
    };
    let wakes_in_a_second = |period_ms| {
        let mut world = World::new(&[stamp_series(period_ms, 2_000, None)], |_| unanswered);
        world.run(5 * NS_PER_S);
        let mut wakes = 0;
        while let Some(at) = world.core.poll_timeout()
            && at.as_ns() < 6 * NS_PER_S
        {
            world.run(at.as_ns());
            wakes += 1;
        }
        wakes
    };
    let with_the_probes = wakes_in_a_second(100);
    assert_eq!(with_the_probes, 9, "the tenth is the end of the second");
    assert_eq!(wakes_in_a_second(1_000), 8, "the ninth look comes with the probe");
}

#[test]
fn each_fate_is_counted_as_what_it_is() {
    const EACH: u64 = 20;
    // The third is how many pairs of neighbours have delays by one clock, and by how much the two differ.
    let fates: [(Fate, ProbeCounts, (u64, u64)); 8] = [
        (
            FINE,
            ProbeCounts {
                sent: 1,
                returned: 1,
                ..ProbeCounts::default()
            },
            (2 * EACH - 1, 0),
        ),
        (
            Fate {
                answers_ns: &[],
                ..FINE
            },
            ProbeCounts {
                sent: 1,
                ..ProbeCounts::default()
            },
            (0, 0),
        ),
        (
            Fate {
                answers_ns: &[NS_PER_MS, 3 * NS_PER_MS, 5 * NS_PER_S],
                ..FINE
            },
            ProbeCounts {
                sent: 1,
                returned: 1,
                duplicate: 2,
                ..ProbeCounts::default()
            },
            (2 * EACH - 1, 1_000),
        ),
        (
            Fate {
                answers_ns: &[2_100 * NS_PER_MS],
                ..FINE
            },
            ProbeCounts {
                sent: 1,
                late: 1,
                ..ProbeCounts::default()
            },
            (0, 0),
        ),
        (
            Fate {
                answers_ns: &[1_500 * NS_PER_MS],
                ..FINE
            },
            ProbeCounts {
                sent: 1,
                returned: 1,
                reordered: 1,
                ..ProbeCounts::default()
            },
            (2 * EACH - 1, 1_498_000),
        ),
        (
            Fate {
                tx_stamp: false,
                ..FINE
            },
            ProbeCounts {
                sent: 1,
                returned: 1,
                missing_tx_stamp: 1,
                ..ProbeCounts::default()
            },
            (0, 0),
        ),
        (
            Fate {
                rx_stamp: false,
                ..FINE
            },
            ProbeCounts {
                sent: 1,
                returned: 1,
                missing_rx_stamp: 1,
                ..ProbeCounts::default()
            },
            (0, 0),
        ),
        (
            Fate {
                send_error: true,
                ..FINE
            },
            {
                let mut counts = ProbeCounts {
                    send_errors: 1,
                    ..ProbeCounts::default()
                };
                counts.errors.note(ErrorKind::SendNoRoute);
                counts
            },
            (EACH - 1, 0),
        ),
    ];
    for (fate, expected, (pairs, each_us)) in fates {
        // Every second probe meets this fate, the others are fine.
        let mut calls = 0;
        let plans = [stamp_series(1_000, 2_000, Some(2 * EACH))];
        let mut world = World::new(&plans, |_| {
            calls += 1;
            if calls % 2 == 1 { fate } else { FINE }
        });
        world.run(100 * NS_PER_S);
        assert_eq!(world.close(), 0);
        assert_accounted(&world.closed);
        let fine = ProbeCounts {
            sent: 1,
            returned: 1,
            ..ProbeCounts::default()
        };
        let both = expected.plus(&fine).expect("small numbers");
        let mut all = (0..EACH).fold(ProbeCounts::default(), |sum, _| {
            sum.plus(&both).expect("small numbers")
        });
        all.ipdv = Ipdv {
            pairs,
            sum_us: pairs * each_us,
        };
        assert_eq!(total(&world.closed, 0), all, "{fate:?}");
    }
}

#[test]
fn a_missing_stamp_falls_back_and_never_reads_below_the_truth() {
    let mut calls = 0;
    let mut world = World::new(&[stamp_series(1_000, 2_000, Some(3))], |_| {
        calls += 1;
        Fate {
            tx_stamp: calls != 2,
            rx_stamp: calls != 3,
            ..FINE
        }
    });
    world.run(20 * NS_PER_S);
    world.close();
    let user_us = 2_000 + u32::try_from((SEND_CALL_NS + super::network::WAKE_UP_NS) / 1_000).expect("small");
    let mut found = delays(&world.closed, 0);
    found.sort();
    assert_eq!(
        found,
        [
            (StampClock::Kernel, 2_000),
            (StampClock::KernelRx, 2_012),
            (StampClock::User, user_us)
        ]
    );
}

#[test]
fn a_clock_step_discards_what_was_on_its_way_and_nothing_else() {
    let mut world = World::new(&[stamp_series(1_000, 2_000, Some(8))], |_| FINE);
    world.step_wall_clock(3 * NS_PER_S + NS_PER_MS, 3_600 * NS_PER_S);
    world.step_wall_clock(5 * NS_PER_S + NS_PER_MS, -7_200 * NS_PER_S);
    world.run(15 * NS_PER_S);
    world.close();
    assert_accounted(&world.closed);
    let counts = total(&world.closed, 0);
    assert_eq!((counts.sent, counts.returned, counts.discarded), (8, 8, 2));
    assert_eq!(delays(&world.closed, 0), [(StampClock::Kernel, 2_000); 6]);
    assert_eq!(
        world
            .closed
            .iter()
            .map(|interval| interval.clock_steps)
            .sum::<u64>(),
        2
    );
}

#[test]
fn a_stall_skips_slots_loses_no_answer_and_makes_no_burst() {
    let mut world = World::new(&[stamp_series(100, 2_000, None)], |_| FINE);
    world.run(NS_PER_S);
    let before = world.transmits.len();
    // The probe sent at 1.0 s is answered during the stall and read long after its waiting time.
    world.hang(6_050 * NS_PER_MS);
    assert_eq!(
        world.transmits.len(),
        before + 1,
        "one probe after the stall, not fifty"
    );
    world.run(30 * NS_PER_S);
    world.core.stop_sending();
    world.run(35 * NS_PER_S);
    world.close();
    assert_accounted(&world.closed);
    let counts = total(&world.closed, 0);
    assert_eq!(
        (counts.lost(), counts.late),
        (0, 0),
        "answers stamped in time are in time"
    );
    assert_eq!(counts.skipped, 49);
    assert_eq!(
        counts.sent + counts.skipped,
        301,
        "every slot of 30 s was either sent or skipped"
    );
    let lateness = world
        .closed
        .iter()
        .flat_map(|interval| &interval.send_lateness_us)
        .max();
    assert_eq!(
        lateness,
        Some(&50_000),
        "the stall shows as lateness of the slot that was sent"
    );
}

#[test]
fn a_probe_belongs_to_the_interval_of_its_sending_even_if_answered_in_the_next() {
    let slow = Fate {
        answers_ns: &[1_500 * NS_PER_MS],
        ..FINE
    };
    let mut world = World::new(&[stamp_series(9_500, 2_000, Some(2))], move |_| slow);
    world.run(30 * NS_PER_S);
    let per_interval: Vec<_> = world
        .closed
        .iter()
        .map(|interval| interval.series[0].counts)
        .collect();
    let two = ProbeCounts {
        sent: 2,
        returned: 2,
        ipdv: Ipdv { pairs: 1, sum_us: 0 },
        ..ProbeCounts::default()
    };
    assert_eq!(per_interval, [two, ProbeCounts::default()]);
}

#[test]
fn a_poisson_schedule_keeps_its_rate_and_fewer_probes_are_no_loss() {
    let plan = SeriesPlan {
        pace: Pace::Poisson { seed: 11 },
        ..stamp_series(1_000, 2_000, None)
    };
    let mut world = World::new(&[plan], |_| FINE);
    world.run(1_012 * NS_PER_S);
    assert_accounted(&world.closed);
    let sent: Vec<u64> = world
        .closed
        .iter()
        .map(|interval| interval.series[0].counts.sent)
        .collect();
    let counts = total(&world.closed, 0);
    assert_eq!((counts.lost(), counts.skipped), (0, 0));
    // Four standard errors of a Poisson count, over all and in the spread of the intervals.
    assert_eq!(sent.len(), 101);
    assert!(counts.sent.abs_diff(1_010) < 4 * 32, "{counts:?}");
    let mean = counts.sent as f64 / sent.len() as f64;
    let variance = sent.iter().map(|n| (*n as f64 - mean).powi(2)).sum::<f64>() / sent.len() as f64;
    assert!((0.5..2.0).contains(&(variance / mean)), "{variance} of {mean}");
}

#[test]
fn strangers_and_garbage_change_no_count() {
    let mut world = World::new(&[stamp_series(1_000, 2_000, Some(5))], |_| FINE);
    let reflector = "192.0.2.1:8620".parse().expect("an address");
    world.inject(1, reflector, vec![0; 44]);
    world.inject(2, reflector, vec![0xff; 20]);
    world.inject(
        3,
        "198.51.100.1:8620".parse().expect("an address"),
        vec![0xff; 44],
    );
    world.inject(4, reflector, vec![0xff; 44]);
    world.run(15 * NS_PER_S);
    world.close();
    assert_eq!(
        total(&world.closed, 0),
        ProbeCounts {
            sent: 5,
            returned: 5,
            ipdv: Ipdv { pairs: 4, sum_us: 0 },
            ..ProbeCounts::default()
        }
    );
    let strays = world.core.strays();
    assert_eq!(
        (strays.unreadable, strays.unknown_peer, strays.foreign),
        (2, 1, 1)
    );
}

#[test]
fn connects_and_stamp_probes_run_side_by_side() {
    let connect = SeriesPlan {
        method: Method::TcpConnect,
        ..stamp_series(2_000, 2_000, Some(5))
    };
    let mut world = World::new(&[stamp_series(1_000, 2_000, Some(10)), connect], |token| {
        if token.series == 1 && token.sequence == 2 {
            Fate {
                answers_ns: &[],
                ..FINE
            }
        } else {
            FINE
        }
    });
    world.run(30 * NS_PER_S);
    world.close();
    assert_accounted(&world.closed);
    let connects = total(&world.closed, 1);
    assert_eq!((connects.sent, connects.returned, connects.lost()), (5, 4, 1));
    assert_eq!(delays(&world.closed, 1), [(StampClock::TcpInfo, 2_000); 4]);
    assert_eq!(total(&world.closed, 0).returned, 10);
}

#[test]
fn at_the_end_a_probe_whose_waiting_time_has_passed_is_lost_even_if_nobody_looked_yet() {
    let silent = Fate {
        answers_ns: &[],
        ..FINE
    };
    // Sessions are looked at every 100 ms; this waiting time ends between two looks.
    let mut world = World::new(&[stamp_series(1_000, 1_990, Some(1))], move |_| silent);
    world.run(1_995 * NS_PER_MS);
    assert_eq!(world.close(), 0, "nothing is withdrawn");
    assert_eq!(
        (total(&world.closed, 0).sent, total(&world.closed, 0).lost()),
        (1, 1)
    );
}

#[test]
fn at_the_end_probes_still_under_way_are_neither_sent_nor_lost() {
    let mut world = World::new(&[stamp_series(1_000, 2_000, None)], |token| {
        if token.sequence >= 4 {
            Fate {
                answers_ns: &[],
                ..FINE
            }
        } else {
            FINE
        }
    });
    world.run(5_500 * NS_PER_MS);
    assert_eq!(world.close(), 2);
    assert_accounted(&world.closed);
    let counts = total(&world.closed, 0);
    assert_eq!((counts.sent, counts.returned), (4, 4));
}

proptest! {
    /// Whatever the network does: sent = returned + lost, each answer in one place, one record of every slot.
    #[test]
    fn every_probe_is_accounted_for(
        fates in prop::collection::vec((0_usize..6, any::<bool>(), any::<bool>(), prop::bool::weighted(0.1)), 1..120),
        period_ms in 10_u32..3_000,
        waiting_time_ms in 1_u32..4_000,
    ) {
        const ANSWERS: [&[i64]; 6] = [
            &[],
            &[2 * NS_PER_MS],
            &[2 * NS_PER_MS, 4 * NS_PER_MS],
            &[900 * NS_PER_MS],
            &[3_500 * NS_PER_MS],
            &[30 * NS_PER_MS, 3_900 * NS_PER_MS, 8_000 * NS_PER_MS],
        ];
        let slots = fates.len() as u64;
        let plans = [stamp_series(period_ms, waiting_time_ms, Some(slots))];
        let mut script = fates.iter();
        let mut world = World::new(&plans, |_| {
            script.next().map_or(FINE, |(answers, tx_stamp, rx_stamp, send_error)| Fate {
                lost_back: false,
                answers_ns: ANSWERS[*answers],
                tx_stamp: *tx_stamp,
                rx_stamp: *rx_stamp,
                send_error: *send_error,
            })
        });
        world.run(1_000 * NS_PER_S);
        prop_assert_eq!(world.close(), 0);
        assert_accounted(&world.closed);
        let counts = total(&world.closed, 0);
        prop_assert_eq!(counts.sent + counts.send_errors + counts.skipped, slots);
        prop_assert_eq!(counts.skipped, 0);
        let sent_fates = fates.iter().filter(|fate| !fate.3);
        let answers: usize = sent_fates.map(|fate| ANSWERS[fate.0].len()).sum();
        // A duplicate of a probe settled long ago counts as late once its history is forgotten; none is lost.
        prop_assert_eq!(counts.returned + counts.late + counts.duplicate, answers as u64);
        // Nothing that came back within the waiting time reads below the wire.
        for (_, delay_us) in delays(&world.closed, 0) {
            prop_assert!(delay_us >= 2_000);
        }
    }
}
