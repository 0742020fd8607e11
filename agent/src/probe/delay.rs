//! The round-trip delay from a probe's stamps, and when they are not to be trusted. Pure.
//!
//! RTT = (T4 - T1) - (T3 - T2), after RFC 8762: T1 and T4 are ours, T2 and T3 the reflector's, so each difference is
//! taken within one clock and the two clocks need not agree. T1 and T4 come from the kernel where it gave them; a
//! missing stamp makes the delay one of a lesser clock, which is said with it, and never mixes with a better one's.
//!
//! Kernel stamps are wall-clock time. If NTP stepped that clock between T1 and T4 the difference is nonsense, which
//! shows as the wall clock and the monotonic clock disagreeing about how long it took: such an answer is discarded
//! and counted.

use azimuth_measurement::StampClock;

use crate::clock::{Moment, NS_PER_US, Wall};

/// Disagreement of the two clocks allowed whatever the span: reading them takes time.
const STEP_TOLERANCE_NS: i64 = 50 * NS_PER_US;
/// Disagreement allowed per span: NTP slews the wall clock by at most 500 parts per million.
const SLEW_PER_MILLION: i64 = 500;
/// The end of the histogram's range, in microseconds.
const LONGEST_DELAY_US: i64 = 60_000_000;

/// Everything known about one answered probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamps {
    /// Both clocks, read just before the send call.
    pub sent: Moment,
    /// When the kernel handed the probe to the driver (T1).
    pub kernel_sent: Option<Wall>,
    /// Both clocks, read just after the receive call.
    pub received: Moment,
    /// When the kernel took the answer from the driver (T4).
    pub kernel_received: Option<Wall>,
    /// Time spent in the reflector by its own clock (T3 - T2), in nanoseconds.
    pub residence_ns: i64,
}

/// What an answered probe is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A round-trip delay in whole microseconds, and the clock that stamped it.
    Delay(StampClock, u32),
    /// An answer without a delay to trust.
    Discarded(Discard),
}

/// Why an answer's delay was not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discard {
    /// The wall clock was stepped, or the host suspended, between sending and receiving.
    ClockStep,
    /// The reflector claims to have held the packet for less than nothing or for longer than it was away. Taking the
    /// claim would give a delay below the truth, ignoring it one above, so neither is taken.
    Residence,
    /// The answer is stamped before the probe.
    Order,
}

impl Stamps {
    /// The delay by the best clock that stamped both ends, or why there is none.
    #[must_use]
    pub fn judge(&self) -> Verdict {
        if self.clock_was_stepped() {
            return Verdict::Discarded(Discard::ClockStep);
        }
        let (clock, away_ns) = self.away_ns();
        if away_ns < 0 {
            return Verdict::Discarded(Discard::Order);
        }
        if self.residence_ns < 0 || self.residence_ns > away_ns {
            return Verdict::Discarded(Discard::Residence);
        }
        Verdict::Delay(clock, whole_us(away_ns - self.residence_ns))
    }

    /// T4 - T1 and the clock it was taken with.
    fn away_ns(&self) -> (StampClock, i64) {
        match (self.kernel_sent, self.kernel_received) {
            (Some(sent), Some(received)) => (StampClock::Kernel, received.since_ns(sent)),
            (None, Some(received)) => (StampClock::KernelRx, received.since_ns(self.sent.wall)),
            // Without a kernel stamp on arrival the monotonic clock is as good as any, and cannot step.
            (_, None) => (
                StampClock::User,
                self.received.monotonic.since_ns(self.sent.monotonic),
            ),
        }
    }

    fn clock_was_stepped(&self) -> bool {
        let wall_ns = self.received.wall.since_ns(self.sent.wall);
        let monotonic_ns = self.received.monotonic.since_ns(self.sent.monotonic);
        let tolerance_ns = STEP_TOLERANCE_NS + monotonic_ns.max(0) / 1_000_000 * SLEW_PER_MILLION;
        (wall_ns - monotonic_ns).abs() > tolerance_ns
    }
}

/// Nanoseconds as whole microseconds, rounded to nearest, within the histogram's range of 1 us to 60 s.
#[must_use]
pub fn whole_us(ns: i64) -> u32 {
    let rounded = ns.saturating_add(NS_PER_US / 2).div_euclid(NS_PER_US);
    u32::try_from(rounded.clamp(1, LONGEST_DELAY_US)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Monotonic, NS_PER_MS, NS_PER_S};
    use proptest::prelude::*;

    /// Sent at 0 by our clocks, stamped 10 us later, back after 2 ms on the wire, read 30 us later.
    fn stamps() -> Stamps {
        let sent = Moment {
            monotonic: Monotonic::from_ns(0),
            wall: Wall::from_unix_ns(1_700_000_000 * NS_PER_S),
        };
        Stamps {
            sent,
            kernel_sent: Some(sent.wall.plus_ns(10_000)),
            received: sent.plus_ns(2_040_000),
            kernel_received: Some(sent.wall.plus_ns(2_010_000)),
            residence_ns: 7_000,
        }
    }

    #[test]
    fn the_residence_is_subtracted_from_the_kernels_difference() {
        assert_eq!(stamps().judge(), Verdict::Delay(StampClock::Kernel, 1_993));
    }

    #[test]
    fn each_missing_stamp_falls_back_one_clock_and_says_so() {
        let no_tx = Stamps {
            kernel_sent: None,
            ..stamps()
        };
        assert_eq!(no_tx.judge(), Verdict::Delay(StampClock::KernelRx, 2_003));
        let no_rx = Stamps {
            kernel_received: None,
            ..stamps()
        };
        assert_eq!(no_rx.judge(), Verdict::Delay(StampClock::User, 2_033));
    }

    #[test]
    fn a_step_of_the_wall_clock_never_becomes_a_delay() {
        for step_ns in [-NS_PER_S, -60_000, 60_000, NS_PER_S] {
            let mut stepped = stamps();
            stepped.received.wall = stepped.received.wall.plus_ns(step_ns);
            stepped.kernel_received = stepped.kernel_received.map(|at| at.plus_ns(step_ns));
            assert_eq!(
                stepped.judge(),
                Verdict::Discarded(Discard::ClockStep),
                "step of {step_ns} ns"
            );
        }
    }

    #[test]
    fn ntp_slewing_at_its_limit_is_not_a_step() {
        let mut slewed = stamps();
        slewed.received = slewed.sent.plus_ns(10 * NS_PER_S);
        slewed.received.wall = slewed.received.wall.plus_ns(5 * NS_PER_MS);
        slewed.kernel_received = Some(slewed.received.wall);
        assert!(matches!(slewed.judge(), Verdict::Delay(..)));
    }

    #[test]
    fn an_impossible_residence_is_discarded_not_subtracted() {
        for residence_ns in [-1, 2_000_001] {
            let odd = Stamps {
                residence_ns,
                ..stamps()
            };
            assert_eq!(
                odd.judge(),
                Verdict::Discarded(Discard::Residence),
                "{residence_ns} ns"
            );
        }
    }

    #[test]
    fn an_answer_stamped_before_its_probe_is_discarded() {
        let odd = Stamps {
            kernel_received: Some(stamps().sent.wall),
            ..stamps()
        };
        assert_eq!(odd.judge(), Verdict::Discarded(Discard::Order));
    }

    #[test]
    fn microseconds_are_rounded_to_nearest_within_the_range() {
        assert_eq!([0, 1_499, 1_500, i64::MAX].map(whole_us), [1, 1, 2, 60_000_000]);
    }

    proptest! {
        /// Userspace reads its clocks outside the kernel's stamps, so a lesser clock may only over-estimate.
        #[test]
        fn a_lesser_clock_never_reads_below_the_kernel(
            before in 0_i64..NS_PER_MS, rtt in 0_i64..NS_PER_S, residence in 0_i64..NS_PER_MS, after in 0_i64..NS_PER_MS,
        ) {
            let sent = stamps().sent;
            let kernel = Stamps {
                sent,
                kernel_sent: Some(sent.wall.plus_ns(before)),
                kernel_received: Some(sent.wall.plus_ns(before + rtt + residence)),
                received: sent.plus_ns(before + rtt + residence + after),
                residence_ns: residence,
            };
            let delay = |stamps: Stamps| match stamps.judge() {
                Verdict::Delay(_, delay_us) => Ok(delay_us),
                Verdict::Discarded(why) => Err(TestCaseError::fail(format!("{why:?}"))),
            };
            let truth = delay(kernel)?;
            prop_assert_eq!(truth, whole_us(rtt));
            let (no_tx, no_rx) = (Stamps { kernel_sent: None, ..kernel }, Stamps { kernel_received: None, ..kernel });
            prop_assert!(delay(no_tx)? >= truth && delay(no_rx)? >= truth);
        }
    }
}
