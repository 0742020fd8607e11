//! NTP timestamps as STAMP carries them (RFC 8762 section 4.2.1, format of RFC 5905 section 6).
//!
//! 32 bits of seconds since 1900 and 32 bits of fraction. The seconds wrap in 2036; only differences of nearby
//! stamps are ever taken, and those are right across the wrap.

use crate::clock::{NS_PER_S, Wall};

/// Seconds from 1900-01-01 to 1970-01-01.
const UNIX_EPOCH_IN_NTP_S: i64 = 2_208_988_800;

/// A 64-bit NTP timestamp: units of 2^-32 s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct NtpTimestamp(u64);

impl NtpTimestamp {
    /// The stamp with these 64 bits.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The 64 bits, seconds in the upper half.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The stamp of a wall clock instant, to the nearest 2^-32 s (0.23 ns).
    #[must_use]
    pub fn from_wall(at: Wall) -> Self {
        let ntp_ns = i128::from(at.unix_ns()) + i128::from(UNIX_EPOCH_IN_NTP_S) * i128::from(NS_PER_S);
        let units = ((ntp_ns << 32) + i128::from(NS_PER_S / 2)).div_euclid(i128::from(NS_PER_S));
        // Keeping the lower 64 bits is the wrap of 2036 that the format prescribes.
        Self((units & i128::from(u64::MAX)) as u64)
    }

    /// Nanoseconds from `earlier` to `self`, to the nearest; right for stamps less than 68 years apart.
    #[must_use]
    pub fn since_ns(self, earlier: Self) -> i64 {
        let units = i128::from(self.0.wrapping_sub(earlier.0).cast_signed());
        let ns = (units * i128::from(NS_PER_S) + (1 << 31)) >> 32;
        i64::try_from(ns).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_unix_epoch_is_2_208_988_800_seconds_into_ntp_time() {
        assert_eq!(
            NtpTimestamp::from_wall(Wall::from_unix_ns(0)).to_bits(),
            0x83aa_7e80_0000_0000
        );
        assert_eq!(
            NtpTimestamp::from_wall(Wall::from_unix_ns(500_000_000)).to_bits(),
            0x83aa_7e80_8000_0000
        );
    }

    #[test]
    fn differences_are_right_across_the_wrap_of_2036() {
        let before = NtpTimestamp::from_wall(Wall::from_unix_ns(2_085_978_495 * NS_PER_S));
        let after = NtpTimestamp::from_wall(Wall::from_unix_ns(2_085_978_497 * NS_PER_S));
        assert!(after.to_bits() < before.to_bits(), "the seconds have wrapped");
        assert_eq!(after.since_ns(before), 2 * NS_PER_S);
        assert_eq!(before.since_ns(after), -2 * NS_PER_S);
    }

    proptest! {
        #[test]
        fn nanoseconds_survive_the_way_through_ntp(start in 0_i64..4_000_000_000_000_000_000, span in -NS_PER_S * 3_600..NS_PER_S * 3_600) {
            let earlier = NtpTimestamp::from_wall(Wall::from_unix_ns(start));
            let later = NtpTimestamp::from_wall(Wall::from_unix_ns(start + span));
            prop_assert!((later.since_ns(earlier) - span).abs() <= 1);
        }
    }
}
