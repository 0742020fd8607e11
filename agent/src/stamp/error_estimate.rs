//! How far the clock behind a timestamp may be off, in 16 bits (RFC 8762 section 4.2.1, field of RFC 4656 section 4.1.2):
//! whether it is synchronised to UTC, and multiplier * 2^scale * 2^-32 s. Pure.

use crate::clock::NS_PER_S;

/// Set when the clock is synchronised to UTC by something outside.
const SYNCHRONISED: u16 = 0x8000;
const MULTIPLIER: u16 = 0x00ff;
const SCALE_SHIFT: u32 = 8;
const SCALE: u16 = 0x3f;

/// How far the stamping clock may be off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorEstimate(u16);

impl ErrorEstimate {
    /// A clock that claims no synchronisation to UTC, in NTP format. Round-trip delay needs none: each
    /// difference is taken within one clock.
    pub const UNSYNCHRONISED: Self = Self(0x0001);

    /// The estimate with these 16 bits; `None` when the multiplier is zero.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Option<Self> {
        if bits & MULTIPLIER == 0 {
            None
        } else {
            Some(Self(bits))
        }
    }

    /// The estimate of a sender, whatever its bits: see [`Request::decode`](super::Request::decode).
    pub(super) const fn from_wire(bits: u16) -> Self {
        Self(bits)
    }

    /// The estimate of a clock that is off by at most this much, in nanoseconds; `None` for one that is not synchronised.
    /// Never less than was said: 8 bits round up by at most 1/128.
    #[must_use]
    pub fn of_error_ns(error_ns: Option<i64>) -> Self {
        let Some(error_ns) = error_ns.and_then(|ns| u64::try_from(ns).ok()) else {
            return Self::UNSYNCHRONISED;
        };
        let mut multiplier = ((u128::from(error_ns) << 32).div_ceil(NS_PER_S as u128)).max(1);
        let mut scale = 0;
        while multiplier > u128::from(MULTIPLIER) {
            multiplier = multiplier.div_ceil(2);
            scale += 1;
        }
        // At most 2^63 ns are less than 2^66 units, so the scale is at most 58.
        Self(SYNCHRONISED | scale << SCALE_SHIFT | multiplier as u16)
    }

    /// The 16 bits.
    #[must_use]
    pub const fn to_bits(self) -> u16 {
        self.0
    }

    /// Whether the sender says its clock is synchronised to UTC.
    #[must_use]
    pub const fn is_synchronised(self) -> bool {
        self.0 & SYNCHRONISED != 0
    }

    /// By how much the clock may be off, in nanoseconds, rounded up; `None` when it is not said to be synchronised, or nothing
    /// sensible is said.
    #[must_use]
    pub fn error_ns(self) -> Option<i64> {
        let multiplier = u128::from(self.0 & MULTIPLIER);
        if !self.is_synchronised() || multiplier == 0 {
            return None;
        }
        let units = multiplier << (self.0 >> SCALE_SHIFT & SCALE);
        let ns = (units * NS_PER_S as u128).div_ceil(1 << 32);
        i64::try_from(ns).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn estimates_are_those_of_the_standard() {
        // 2 * 2^1 * 2^-32 s is 0.93 ns, written by hand.
        let by_hand = ErrorEstimate::from_bits(0x8102).expect("a multiplier");
        assert_eq!(by_hand.error_ns(), Some(1));
        // 1 ms is 4,294,968 units, at least: 132 * 2^15 is the next above that 8 bits can say.
        assert_eq!(ErrorEstimate::of_error_ns(Some(1_000_000)).to_bits(), 0x8f84);
        assert_eq!(ErrorEstimate::of_error_ns(Some(0)).to_bits(), 0x8001);
        assert_eq!(ErrorEstimate::of_error_ns(None), ErrorEstimate::UNSYNCHRONISED);
        assert_eq!(ErrorEstimate::UNSYNCHRONISED.error_ns(), None);
        assert_eq!(ErrorEstimate::from_wire(0x8000).error_ns(), None);
    }

    proptest! {
        #[test]
        fn what_is_said_is_never_less_than_the_error_nor_much_more(error_ns in 0..i64::MAX / 4) {
            let told = ErrorEstimate::of_error_ns(Some(error_ns)).error_ns().unwrap_or(-1);
            prop_assert!(told >= error_ns && told <= error_ns + error_ns / 64 + 2, "{told}");
        }

        #[test]
        fn any_bits_are_met_without_panic(bits: u16) {
            let _ = ErrorEstimate::from_wire(bits).error_ns();
        }
    }
}
