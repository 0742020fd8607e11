//! The one file of this binary that reads a clock. Everything else is handed the time.
//!
//! Two clocks, two types, so that mixing them does not compile: [`Monotonic`] (CLOCK_BOOTTIME, never steps, runs on while
//! the machine is suspended, means nothing outside this boot) orders events and measures spans; [`Wall`] (CLOCK_REALTIME, UTC, may be
//! stepped by NTP) is what kernel packet stamps and interval names are made of. A [`Moment`] is both, read
//! together, and is what the guard against clock steps needs.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the binary's one clock file; all other code takes the time as an argument"
)]

use nix::time::{ClockId, clock_gettime};

/// Nanoseconds in one microsecond.
pub const NS_PER_US: i64 = 1_000;
/// Nanoseconds in one millisecond.
pub const NS_PER_MS: i64 = 1_000_000;
/// Nanoseconds in one second.
pub const NS_PER_S: i64 = 1_000_000_000;

/// Two readings of the monotonic clock around one of the wall clock further apart than this were interrupted
/// by the scheduler and are taken again.
const PAIR_SPREAD_NS: i64 = 2 * NS_PER_US;
/// How often an interrupted pair is taken again before the best one is used.
const PAIR_ATTEMPTS: u32 = 4;

/// An instant on CLOCK_BOOTTIME, in nanoseconds. Not CLOCK_MONOTONIC, which stands still while the machine is suspended:
/// an interval under way then would end hours after its name says, and its report would be placed there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Monotonic(i64);

impl Monotonic {
    /// The instant `ns` nanoseconds after the clock's own zero.
    #[must_use]
    pub const fn from_ns(ns: i64) -> Self {
        Self(ns)
    }

    /// Nanoseconds since the clock's own zero.
    #[must_use]
    pub const fn as_ns(self) -> i64 {
        self.0
    }

    /// Nanoseconds from `earlier` to `self`; negative if `earlier` is in fact later.
    #[must_use]
    pub const fn since_ns(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The instant `ns` nanoseconds later (earlier, when negative).
    #[must_use]
    pub const fn plus_ns(self, ns: i64) -> Self {
        Self(self.0.saturating_add(ns))
    }
}

/// An instant on CLOCK_REALTIME, in nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wall(i64);

impl Wall {
    /// The instant `ns` nanoseconds after the Unix epoch.
    #[must_use]
    pub const fn from_unix_ns(ns: i64) -> Self {
        Self(ns)
    }

    /// Nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn unix_ns(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since the Unix epoch, rounded down; 0 before 1970.
    #[must_use]
    pub fn unix_ms(self) -> u64 {
        u64::try_from(self.0.div_euclid(NS_PER_MS)).unwrap_or(0)
    }

    /// Nanoseconds from `earlier` to `self`; negative if `earlier` is in fact later.
    #[must_use]
    pub const fn since_ns(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The instant `ns` nanoseconds later (earlier, when negative).
    #[must_use]
    pub const fn plus_ns(self, ns: i64) -> Self {
        Self(self.0.saturating_add(ns))
    }
}

/// Both clocks at the same instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// For order and spans.
    pub monotonic: Monotonic,
    /// For stamps on packets and the names of intervals.
    pub wall: Wall,
}

impl Moment {
    /// The same moment `ns` nanoseconds later on both clocks.
    #[must_use]
    pub const fn plus_ns(self, ns: i64) -> Self {
        Self {
            monotonic: self.monotonic.plus_ns(ns),
            wall: self.wall.plus_ns(ns),
        }
    }
}

/// The monotonic clock, now.
#[must_use]
pub fn monotonic() -> Monotonic {
    Monotonic(read_ns(ClockId::CLOCK_BOOTTIME))
}

/// The wall clock, now.
#[must_use]
pub fn wall() -> Wall {
    Wall(read_ns(ClockId::CLOCK_REALTIME))
}

/// Milliseconds since this boot, so that a report's age is right after a night with the lid closed.
#[must_use]
pub fn since_boot_ms() -> u64 {
    u64::try_from(read_ns(ClockId::CLOCK_BOOTTIME).div_euclid(NS_PER_MS)).unwrap_or(0)
}

/// Both clocks, now. A pair torn apart by the scheduler would look like an NTP step, so it is read again.
#[must_use]
pub fn moment() -> Moment {
    closest_pair(monotonic, wall)
}

/// The pair whose two monotonic readings around the wall reading lie closest together.
fn closest_pair(mut monotonic: impl FnMut() -> Monotonic, mut wall: impl FnMut() -> Wall) -> Moment {
    let mut best = None;
    for _ in 0..PAIR_ATTEMPTS {
        let before = monotonic();
        let middle = wall();
        let spread_ns = monotonic().since_ns(before);
        let pair = Moment {
            monotonic: before.plus_ns(spread_ns / 2),
            wall: middle,
        };
        if spread_ns <= PAIR_SPREAD_NS {
            return pair;
        }
        if best.is_none_or(|(best_ns, _)| spread_ns < best_ns) {
            best = Some((spread_ns, pair));
        }
    }
    best.map_or_else(
        || Moment {
            monotonic: monotonic(),
            wall: wall(),
        },
        |(_, pair)| pair,
    )
}

fn read_ns(clock: ClockId) -> i64 {
    // Both clocks exist on every Linux; a zero would only ever show as an absurd reading, never as a panic.
    clock_gettime(clock).map_or(0, |t| {
        t.tv_sec().saturating_mul(NS_PER_S).saturating_add(t.tv_nsec())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_pair_is_read_again() {
        let mut monotonic_readings = [0, 900_000, 1_000_000, 1_000_100].map(Monotonic).into_iter();
        let mut wall_readings = [Wall(5_000_000), Wall(6_000_000)].into_iter();
        let pair = closest_pair(
            || monotonic_readings.next().expect("four readings"),
            || wall_readings.next().expect("two readings"),
        );
        assert_eq!(
            pair,
            Moment {
                monotonic: Monotonic(1_000_050),
                wall: Wall(6_000_000)
            }
        );
    }

    #[test]
    fn when_every_pair_is_torn_the_closest_is_used() {
        let mut t = 0;
        let spreads = [90_000, 40_000, 70_000, 80_000];
        let mut call = 0;
        let pair = closest_pair(
            || {
                if call % 2 == 1 {
                    t += spreads[call / 2];
                }
                call += 1;
                Monotonic(t)
            },
            || Wall(7),
        );
        assert_eq!(pair.monotonic, Monotonic(90_000 + 20_000));
    }

    #[test]
    fn the_monotonic_clock_does_not_run_backwards() {
        let before = monotonic();
        assert!(monotonic() >= before);
    }

    #[test]
    fn the_monotonic_clock_is_the_one_that_runs_on_in_suspend() {
        let before_ms = since_boot_ms();
        let between_ms = monotonic().as_ns() / NS_PER_MS;
        let after_ms = since_boot_ms();
        assert!((before_ms..=after_ms).contains(&(between_ms as u64)));
    }

    #[test]
    fn wall_milliseconds_round_down_and_never_go_negative() {
        assert_eq!(Wall::from_unix_ns(1_999_999).unix_ms(), 1);
        assert_eq!(Wall::from_unix_ns(-5).unix_ms(), 0);
    }
}
