//! Delays of each way against what the world did: within what is told of them where both clocks are kept, whatever these are
//! off, and not told at all where one is not.

use azimuth_agent::clock::{NS_PER_MS, NS_PER_S, NS_PER_US};
use azimuth_agent::stamp::ErrorEstimate;
use azimuth_measurement::{AsymmetryUnknown, OneWay};

use super::network::{FINE, Fate, World, stamp_series};
use super::prober::{assert_accounted, total};

const WAY: Fate = Fate {
    answers_ns: &[10 * NS_PER_MS],
    ..FINE
};

fn estimate(error_us: i64) -> ErrorEstimate {
    ErrorEstimate::of_error_ns(Some(error_us * NS_PER_US))
}

/// 10 s of a path of 10 ms, three of which are the way out.
fn measured(ours: ErrorEstimate, theirs: ErrorEstimate, off_us: i64, fate: Fate) -> OneWay {
    let mut world = World::new(&[stamp_series(100, 1_000, None)], move |_| fate);
    world.core.set_clock_error(ours);
    world.clock_error = theirs;
    world.clock_off_ns = off_us * NS_PER_US;
    world.out_percent = 30;
    world.run(12 * NS_PER_S);
    assert_accounted(&world.closed);
    total(&world.closed, 0).one_way
}

#[test]
fn each_way_is_told_within_its_error_where_both_clocks_are_kept() {
    for off_us in [-600, 0, 450] {
        let one_way = measured(estimate(400), estimate(200), off_us, WAY);
        let means = one_way.means().expect("told");
        assert_eq!(one_way.probes, 100);
        assert!((means.out_us - (3_000 + off_us) as f64).abs() <= 1.0, "{means:?}");
        assert!(
            (means.out_us + means.back_us - 10_000.0).abs() <= 1.0,
            "{means:?}"
        );
        assert!((means.out_us - 3_000.0).abs() <= means.error_us, "{means:?}");
        assert!((600.0..620.0).contains(&means.error_us), "{means:?}");
    }
}

#[test]
fn nothing_is_told_where_a_clock_is_not_kept_or_not_well_enough() {
    let unsynchronised = ErrorEstimate::UNSYNCHRONISED;
    for (ours, theirs) in [(estimate(400), unsynchronised), (unsynchronised, estimate(200))] {
        let one_way = measured(ours, theirs, 0, WAY);
        assert_eq!(one_way, OneWay::default());
        assert_eq!(one_way.means(), Err(AsymmetryUnknown::ClocksNotSynchronised));
    }
    // Kept, but to no better than the way out took.
    let coarse = measured(estimate(2_900), estimate(200), 0, WAY);
    assert_eq!(coarse.means(), Err(AsymmetryUnknown::ErrorExceedsDelay));
    // They say that they are kept well, and are off by more than the round trip.
    for off_us in [-37_000_000, -4_000, 9_000, 37_000_000] {
        let contradicting = measured(estimate(400), estimate(200), off_us, WAY);
        assert_eq!(
            contradicting.means(),
            Err(AsymmetryUnknown::ErrorExceedsDelay),
            "{off_us}"
        );
        assert_eq!(contradicting.out_sum_us, contradicting.back_sum_us);
    }
}

#[test]
fn a_stamp_of_userspace_tells_nothing_of_a_way() {
    for fate in [
        Fate {
            tx_stamp: false,
            ..WAY
        },
        Fate {
            rx_stamp: false,
            ..WAY
        },
    ] {
        assert_eq!(measured(estimate(400), estimate(200), 0, fate), OneWay::default());
    }
}
