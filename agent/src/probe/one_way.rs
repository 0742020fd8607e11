//! How long a probe took out and its answer back, from stamps of two clocks and how far these may be off. Pure.
//!
//! Out is T2 - T1, back is T4 - T3, after RFC 8762. Each is off by as much as the two clocks are together, and neither can be
//! less than nothing or longer than the round trip, which needs no agreement of clocks. What is told is the middle of what
//! both leave possible, and how far its ends are; where they leave nothing the clocks are worse than they say, and all that
//! is known is the round trip. So no delay below nothing is ever told, and none is left out for being short.

use azimuth_measurement::OneWaySample;

use crate::clock::NS_PER_US;

/// The delays of each way of a round trip of `rtt_ns` whose way out took `out_ns` by two clocks that may be apart by `error_ns`.
#[must_use]
pub fn one_way(rtt_ns: i64, out_ns: i64, error_ns: i64) -> OneWaySample {
    let rtt_ns = rtt_ns.max(0);
    let shortest_ns = out_ns.saturating_sub(error_ns).max(0);
    let longest_ns = out_ns.saturating_add(error_ns).min(rtt_ns);
    let (shortest_ns, longest_ns) = if shortest_ns <= longest_ns {
        (shortest_ns, longest_ns)
    } else {
        (0, rtt_ns)
    };
    let out_ns = shortest_ns + (longest_ns - shortest_ns) / 2;
    OneWaySample {
        out_us: us(out_ns),
        back_us: us(rtt_ns - out_ns),
        // Rounded up, and never less than what rounding the others may have done.
        error_us: us((longest_ns - shortest_ns) / 2 + NS_PER_US),
    }
}

/// Whole microseconds, rounded to nearest.
fn us(ns: i64) -> u32 {
    u32::try_from((ns.max(0) + NS_PER_US / 2) / NS_PER_US).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::NS_PER_MS;
    use proptest::prelude::*;

    fn told(rtt_ms: i64, out_ms: i64, error_ms: i64) -> (u32, u32, u32) {
        let sample = one_way(rtt_ms * NS_PER_MS, out_ms * NS_PER_MS, error_ms * NS_PER_MS);
        (sample.out_us, sample.back_us, sample.error_us)
    }

    #[test]
    fn what_cannot_be_narrows_what_is_told() {
        assert_eq!(told(30, 20, 2), (20_000, 10_000, 2_001));
        assert_eq!(told(30, 1, 3), (2_000, 28_000, 2_001), "out is 0 to 4 ms");
        assert_eq!(told(30, 29, 3), (28_000, 2_000, 2_001), "and here back is");
        assert_eq!(told(30, 7, 1_000), (15_000, 15_000, 15_001), "nothing is known");
        assert_eq!(
            told(30, -5, 2),
            (15_000, 15_000, 15_001),
            "clocks that contradict"
        );
        assert_eq!(told(30, 40, 2), (15_000, 15_000, 15_001));
        assert_eq!(one_way(0, i64::MIN, i64::MAX).error_us, 1);
    }

    proptest! {
        #[test]
        fn the_truth_is_within_what_is_told(
            out in 0_i64..NS_PER_MS * 100, back in 0_i64..NS_PER_MS * 100, off in -NS_PER_MS * 20..NS_PER_MS * 20, slack in 0_i64..NS_PER_MS,
        ) {
            let sample = one_way(out + back, out + off, off.abs() + slack);
            let near = |told: u32, truth: i64| (i64::from(told) * NS_PER_US - truth).abs() <= i64::from(sample.error_us) * NS_PER_US;
            prop_assert!(near(sample.out_us, out) && near(sample.back_us, back), "{sample:?}");
        }

        #[test]
        fn any_stamps_are_met_without_panic_or_a_way_longer_than_both(rtt: i64, out: i64, error in 0..i64::MAX) {
            let sample = one_way(rtt.min(60_000_000_000), out, error);
            let both = u64::from(sample.out_us) + u64::from(sample.back_us);
            prop_assert!(both <= 60_000_001);
        }
    }
}
