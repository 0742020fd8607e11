//! The numbers a scenario may hold, each a type that refuses nonsense while it is being read.
//!
//! Parse, don't validate: a value outside its range becomes a TOML error with file, line and key, for free.

use serde::Deserialize;

macro_rules! bounded {
    ($(#[$doc:meta])* $name:ident, $low:expr, $high:expr, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Deserialize)]
        #[serde(try_from = "f64")]
        pub struct $name(f64);

        impl $name {
            /// The bare number, in the unit the type names.
            #[must_use]
            pub const fn get(self) -> f64 {
                self.0
            }
        }

        impl TryFrom<f64> for $name {
            type Error = String;

            fn try_from(value: f64) -> Result<Self, String> {
                if ($low..=$high).contains(&value) {
                    return Ok(Self(value));
                }
                Err(format!("{value} is outside {}..={}: write {}", $low, $high, $what))
            }
        }
    };
}

bounded!(
    /// A probability.
    Ratio, 0.0, 1.0, "a share between 0 (never) and 1 (always)"
);
bounded!(
    /// Degrees north.
    Latitude, -90.0, 90.0, "degrees north, negative for south"
);
bounded!(
    /// Degrees east.
    Longitude, -180.0, 180.0, "degrees east, negative for west"
);
bounded!(
    /// A delay. The relay holds packets for at most two seconds, so no part of a path may take longer.
    Milliseconds, 0.0, 2000.0, "milliseconds"
);
bounded!(
    /// Path length over great-circle length. Light cannot take a short cut.
    PathFactor, 1.0, 10.0, "how much longer the fibre is than the great circle"
);
bounded!(
    /// The shape of a lognormal: 0 is no variation at all, 1 is already wild.
    Sigma, 0.0, 2.0, "the sigma of a lognormal"
);
bounded!(
    /// A line rate in megabits per second.
    Mbps, 0.01, 100_000.0, "megabits per second"
);
bounded!(
    /// A time on the scenario's own clock, from the start of the world. At most a week.
    Seconds, 0.0, 604_800.0, "seconds from the start of the world"
);

impl Milliseconds {
    /// Whole nanoseconds, rounded.
    #[must_use]
    pub fn as_ns(self) -> u64 {
        to_ns(self.0 * 1e6)
    }
}

impl Seconds {
    /// Whole nanoseconds, rounded.
    #[must_use]
    pub fn as_ns(self) -> u64 {
        to_ns(self.0 * 1e9)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "every caller's type bounds the value to 0..=604,800e9, far inside u64"
)]
fn to_ns(ns: f64) -> u64 {
    ns.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_outside_its_range_says_the_range_and_what_to_write() {
        let refusal = Ratio::try_from(1.5).unwrap_err();
        assert_eq!(
            refusal,
            "1.5 is outside 0..=1: write a share between 0 (never) and 1 (always)"
        );
        assert!(Latitude::try_from(f64::NAN).is_err());
    }

    #[test]
    fn units_convert_exactly() {
        assert_eq!(Milliseconds(1.25).as_ns(), 1_250_000);
        assert_eq!(Seconds(0.5).as_ns(), 500_000_000);
    }
}
