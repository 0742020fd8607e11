//! The estimator over synthetic flows: slow start into a bottleneck, loss, stalls, cuts; and what holds for any flow.

use proptest::prelude::*;

use super::track::MOST_WINDOWS;
use super::*;

const START: Monotonic = Monotonic::from_ns(7 * NS_PER_S);

/// Octets moved `at_ns` after the start: slow start that doubles each round trip from ten segments, up to the bottleneck.
fn slow_start(rate_bps: f64, round_trip_ns: i64) -> impl Fn(i64) -> u64 {
    move |at_ns| {
        let (mut window, mut moved, mut passed_ns) = (14_480.0_f64, 0.0_f64, 0_i64);
        let full = rate_bps / 8.0 * round_trip_ns as f64 / 1e9;
        while window < full && passed_ns + round_trip_ns <= at_ns {
            moved += window;
            window *= 2.0;
            passed_ns += round_trip_ns;
        }
        let rest = (at_ns - passed_ns) as f64 / 1e9;
        moved += rest * rate_bps.min(window * 8.0 * 1e9 / round_trip_ns as f64) / 8.0;
        moved as u64
    }
}

/// Runs a test over the flow, looking every two milliseconds; until it stops.
fn run(limits: Limits, round_trip_ns: i64, moved: impl Fn(i64) -> u64) -> Estimate {
    let mut estimator = Estimator::new(limits, round_trip_ns, START);
    for step in 1..10_000_i64 {
        let at_ns = step * 2 * NS_PER_MS;
        if let Some(stop) = estimator.note(START.plus_ns(at_ns), moved(at_ns)) {
            return estimator.finish(stop);
        }
    }
    panic!("it never stops");
}

fn error_percent(estimate: Estimate, rate_bps: f64) -> f64 {
    (estimate.bps as f64 / rate_bps - 1.0).abs() * 100.0
}

#[test]
fn a_clean_link_is_estimated_within_a_second_of_its_octets() {
    for rate in [1e6, 10e6, 50e6, 100e6] {
        for round_trip_ms in [2, 10, 30] {
            let round_trip_ns = round_trip_ms * NS_PER_MS;
            let found = run(Limits::USUAL, round_trip_ns, slow_start(rate, round_trip_ns));
            assert_eq!(
                (found.stop, found.settled),
                (StopReason::Stable, true),
                "{rate} {found:?}"
            );
            assert!(error_percent(found, rate) < 0.5, "{rate} {found:?}");
            assert!(found.duration_ns < NS_PER_S, "{rate} {found:?}");
        }
    }
}

/// A line that delivers whole packets, as real ones do.
fn in_packets(rate_bps: f64) -> impl Fn(i64) -> u64 {
    move |at_ns| (rate_bps / 8.0 * at_ns as f64 / 1e9 / 1_448.0) as u64 * 1_448
}

#[test]
fn a_slow_and_steady_line_is_estimated_though_its_packets_come_one_by_one() {
    for rate in [1e6, 2e6, 5e6, 20e6] {
        let found = run(Limits::USUAL, 30 * NS_PER_MS, in_packets(rate));
        assert_eq!(
            (found.stop, found.settled),
            (StopReason::Stable, true),
            "{rate} {found:?}"
        );
        assert!(error_percent(found, rate) < 2.5, "{rate} {found:?}");
    }
    // In step with the windows for a while: no estimate from a dozen packets.
    let found = run(Limits::USUAL, 30 * NS_PER_MS, in_packets(250e3));
    assert!(error_percent(found, 250e3) < 5.0, "{found:?}");
    // Too few packets to say it that well: what came, and by name.
    for rate in [20e3, 100e3] {
        let found = run(Limits::USUAL, 30 * NS_PER_MS, in_packets(rate));
        assert_eq!(
            (found.stop, found.settled),
            (StopReason::TimeCap, false),
            "{rate} {found:?}"
        );
        assert!(
            (rate * 0.8..rate * 1.2).contains(&(found.bps as f64)),
            "{rate} {found:?}"
        );
    }
}

#[test]
fn a_settled_flow_goes_on_while_round_trips_grow_and_no_longer_than_a_second() {
    let moved = slow_start(50e6, 10 * NS_PER_MS);
    let lasts = |round_trip_us: &dyn Fn(i64) -> u32| {
        let mut estimator = Estimator::new(Limits::USUAL, 10 * NS_PER_MS, START);
        let stopped_ms = (1..2_000).find(|ms| {
            let now = START.plus_ns(ms * NS_PER_MS);
            estimator.note_round_trip(now, round_trip_us(*ms));
            estimator.note(now, moved(ms * NS_PER_MS)) == Some(StopReason::Stable)
        });
        stopped_ms.expect("it settles")
    };
    let alone = lasts(&|_| 0);
    assert!((500..530).contains(&alone), "{alone}");
    assert_eq!(lasts(&|_| 60_000), alone, "full from the start");
    // Fills within 800 ms, and then the sender backs off.
    let fills = lasts(&|ms| if ms < 800 { 10_000 + ms as u32 * 60 } else { 45_000 });
    assert!((800..850).contains(&fills), "{fills}");
    let endless = lasts(&|ms| 10_000 + ms as u32 * 100);
    assert!((1_000..1_030).contains(&endless), "{endless}");
}

#[test]
fn a_fast_link_is_cut_by_its_octets_and_that_is_a_lower_bound() {
    let round_trip_ns = 10 * NS_PER_MS;
    let found = run(Limits::USUAL, round_trip_ns, slow_start(1e9, round_trip_ns));
    assert_eq!((found.stop, found.settled), (StopReason::ByteCap, false));
    assert!(found.bps > 0 && found.bps <= 1_000_000_000, "{found:?}");
}

#[test]
fn a_test_in_depth_goes_on_to_its_cap_and_is_an_estimate() {
    let round_trip_ns = 10 * NS_PER_MS;
    let found = run(Limits::DEEP, round_trip_ns, slow_start(50e6, round_trip_ns));
    assert_eq!((found.stop, found.settled), (StopReason::TimeCap, true));
    assert!(error_percent(found, 50e6) < 0.1);
    assert_eq!(found.duration_ns, Limits::DEEP.max_ns);
}

#[test]
fn a_rate_that_swings_is_no_estimate() {
    // Half a second at full rate, half a second at a quarter.
    let swinging = |at_ns: i64| {
        let whole = at_ns / NS_PER_S;
        let rest_ns = at_ns % NS_PER_S;
        let in_rest = rest_ns.min(NS_PER_S / 2) + (rest_ns - NS_PER_S / 2).max(0) / 4;
        let full_ns = whole * (NS_PER_S / 2 + NS_PER_S / 8) + in_rest;
        (full_ns / 1_000) as u64
    };
    let limits = Limits {
        max_ns: 900 * NS_PER_MS,
        ..Limits::USUAL
    };
    let found = run(limits, 10 * NS_PER_MS, swinging);
    assert!(!found.settled || error_percent(found, 8e6) < 3.0, "{found:?}");
}

#[test]
fn a_stall_is_seen_and_leaves_a_lower_bound() {
    let moved = slow_start(100e6, 10 * NS_PER_MS);
    let stalls = |at_ns: i64| moved(at_ns.min(300 * NS_PER_MS));
    let found = run(Limits::USUAL, 10 * NS_PER_MS, stalls);
    assert_eq!((found.stop, found.settled), (StopReason::Stalled, false));
    assert!(found.bps > 0 && found.bps < 100_000_000, "{found:?}");
    let nothing = run(Limits::USUAL, 0, |_| 0);
    assert_eq!(
        (nothing.stop, nothing.bps, nothing.settled),
        (StopReason::Stalled, 0, false)
    );
}

#[test]
fn a_lower_bound_is_never_below_what_the_whole_time_came_to() {
    let mut estimator = Estimator::new(Limits::USUAL, 0, START);
    for (ms, bytes) in [(25, 9_000_000), (50, 9_000_100), (75, 10_000_000)] {
        estimator.note(START.plus_ns(ms * NS_PER_MS), bytes);
    }
    let found = estimator.finish(StopReason::ByteCap);
    assert_eq!((found.settled, found.bps), (false, 1_066_666_666));
    let mut tail = Estimator::new(Limits::USUAL, 0, START);
    tail.note(START.plus_ns(25 * NS_PER_MS), 999_000);
    tail.note(START.plus_ns(50 * NS_PER_MS), 999_100);
    assert_eq!(tail.finish(StopReason::PeerClosed).bps, 999_100 * 8 * 20);
}

#[test]
fn a_clock_that_steps_back_and_counts_that_fall_change_nothing() {
    let mut estimator = Estimator::new(Limits::USUAL, 0, START);
    assert_eq!(estimator.note(START.plus_ns(30 * NS_PER_MS), 5_000), None);
    assert_eq!(estimator.note(START.plus_ns(-NS_PER_S), 4_000), None);
    let found = estimator.finish(StopReason::Aborted);
    assert_eq!((found.bytes, found.duration_ns), (5_000, 30 * NS_PER_MS));
}

#[test]
fn a_long_test_is_seen_whole_in_bounded_memory() {
    let limits = Limits {
        max_bytes: u64::MAX,
        max_ns: 600 * NS_PER_S,
        ..Limits::DEEP
    };
    let mut estimator = Estimator::new(limits, 0, START);
    let mut at_ns = 0;
    let stop = loop {
        at_ns += 5 * NS_PER_MS;
        if let Some(stop) = estimator.note(START.plus_ns(at_ns), (at_ns / 80) as u64) {
            break stop;
        }
        assert!(estimator.read.windows.len() <= MOST_WINDOWS + 1);
    };
    let found = estimator.finish(stop);
    assert_eq!((found.stop, found.settled), (StopReason::TimeCap, true));
    assert!(error_percent(found, 100e6) < 0.1, "{found:?}");
}

proptest! {
    /// Whatever moves: it ends by its caps, and only a settled rate after the least time is an estimate.
    #[test]
    fn any_flow_ends_within_its_caps(steps in prop::collection::vec((1_u32..200, 0_u32..2_000_000), 1..200), round_trip_ms in 0_i64..300) {
        let round_trip_ns = round_trip_ms * NS_PER_MS;
        let mut estimator = Estimator::new(Limits::USUAL, round_trip_ns, START);
        let (mut at_ns, mut bytes, mut stopped) = (0, 0, None);
        for (ms, more) in steps.iter().cycle().take(20_000) {
            at_ns += i64::from(*ms) * NS_PER_MS;
            bytes += u64::from(*more);
            stopped = estimator.note(START.plus_ns(at_ns), bytes);
            if stopped.is_some() {
                break;
            }
        }
        let stop = stopped.expect("time alone ends it");
        let found = estimator.finish(stop);
        prop_assert!(at_ns <= Limits::USUAL.max_ns + 200 * NS_PER_MS);
        prop_assert_eq!((found.bytes, found.duration_ns), (bytes, at_ns));
        if found.settled {
            prop_assert!(found.duration_ns >= LEAST_NS.max(10 * round_trip_ns));
            prop_assert!(found.bps > 0);
        }
        prop_assert!(stop != StopReason::Stable || found.settled);
        // No window was faster than the rate claimed by more than the windows can be told apart.
        let fastest = estimator.read.windows.iter().map(|window| window.bps()).max().unwrap_or(u64::MAX);
        prop_assert!(found.bps <= fastest.max(bps(bytes, at_ns)));
    }
}

#[test]
fn a_steady_rate_that_losses_will_take_is_a_lower_bound_and_one_they_leave_is_not() {
    let moved = slow_start(48e6, 10 * NS_PER_MS);
    let run = |limits: Limits, one_in_packets: u64| {
        let mut estimator = Estimator::new(limits, 10 * NS_PER_MS, START);
        for ms in 1..9_000 {
            let now = START.plus_ns(ms * NS_PER_MS);
            let acked_bytes = moved(ms * NS_PER_MS);
            let sample = LossSample {
                retransmitted_bytes: acked_bytes / (one_in_packets * 1_448) * 1_448,
                acked_bytes,
                round_trip_us: 11_000,
                min_round_trip_us: 10_000,
            };
            estimator.note_losses(now, sample);
            if let Some(stop) = estimator.note(now, acked_bytes) {
                return estimator.finish(stop);
            }
        }
        panic!("it never stops");
    };
    let held_back = run(Limits::USUAL, 700);
    assert_eq!((held_back.stop, held_back.settled), (StopReason::Losses, false));
    assert!(held_back.duration_ns < 550 * NS_PER_MS, "{held_back:?}");
    assert!(held_back.bps > 40_000_000, "{held_back:?}");
    assert_eq!(run(Limits::USUAL, 1_000_000).stop, StopReason::Stable);
    let in_depth = run(Limits::DEEP, 700);
    assert_eq!((in_depth.stop, in_depth.settled), (StopReason::TimeCap, true));
}

#[test]
fn a_bound_is_not_above_the_line_when_what_waited_behind_a_lost_packet_comes_at_once() {
    let rate = 60e6;
    let line = slow_start(rate, 30 * NS_PER_MS);
    let limits = Limits {
        max_bytes: 6_400_000,
        ..Limits::USUAL
    };
    let mut estimator = Estimator::new(limits, 30 * NS_PER_MS, START);
    let stop = (1..1_500).find_map(|ms| {
        // Lost after 300 ms, there again 600 ms later.
        let come_ms = if (300..900).contains(&ms) { 300 } else { ms };
        estimator.note(START.plus_ns(ms * NS_PER_MS), line(come_ms * NS_PER_MS))
    });
    let found = estimator.finish(stop.expect("it stops"));
    assert_eq!(
        (found.stop, found.settled),
        (StopReason::ByteCap, false),
        "{found:?}"
    );
    let last_half = estimator.read.half_bps() as f64;
    assert!(last_half > 1.2 * rate, "nothing to see here: {last_half}");
    assert!(
        (0.8 * rate..1.02 * rate).contains(&(found.bps as f64)),
        "{found:?}"
    );
}

/// A line of 100 Mbit/s and 30 ms that loses a packet each 115 ms: what follows it is read 45 ms later, all at once.
fn behind_lost_packets(heeds: bool, packets: impl Fn(u64) -> u64) -> Estimate {
    let line = slow_start(100e6, 30 * NS_PER_MS);
    let mut estimator = Estimator::new(Limits::USUAL, 30 * NS_PER_MS, START);
    let stop = (1..3_000).find_map(|ms: i64| {
        let since_lost_ms = ms % 115;
        let read_ms = if since_lost_ms < 45 {
            ms - since_lost_ms
        } else {
            ms
        };
        let now = START.plus_ns(ms * NS_PER_MS);
        if heeds {
            let acked_bytes = line(read_ms * NS_PER_MS);
            let min_round_trip_us = 30_000;
            estimator.note_losses(
                now,
                LossSample {
                    acked_bytes,
                    min_round_trip_us,
                    ..LossSample::default()
                },
            );
        }
        if estimator.wants_packets(now) {
            estimator.note_packets(packets(line(ms * NS_PER_MS) / 1_448));
        }
        estimator.note(now, line(read_ms * NS_PER_MS))
    });
    estimator.finish(stop.expect("it stops"))
}

#[test]
fn what_is_read_in_bursts_is_estimated_by_what_arrives() {
    let by_octets = behind_lost_packets(false, |_| 0);
    assert_eq!(
        (by_octets.stop, by_octets.settled),
        (StopReason::ByteCap, false),
        "{by_octets:?}"
    );
    let by_packets = behind_lost_packets(false, |packets| packets);
    assert_eq!(
        (by_packets.stop, by_packets.settled),
        (StopReason::Stable, true),
        "{by_packets:?}"
    );
    assert!(error_percent(by_packets, 100e6) < 1.0, "{by_packets:?}");
    assert!(by_packets.bytes < 8_000_000, "{by_packets:?}");
    let heeded = behind_lost_packets(true, |packets| packets);
    assert!(!heeded.settled, "{heeded:?}");
}

#[test]
fn packets_that_are_joined_on_their_way_in_are_no_measure() {
    // A card or a host that hands over 1 to 40 of them as one, and says so of none.
    let joined = behind_lost_packets(false, |packets| packets / 40 + packets % 7 * (packets / 300));
    assert!(!joined.settled, "{joined:?}");
}
