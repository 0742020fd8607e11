//! The delay of one answer from the stamps there are. Pure.
//!
//! The kernel's stamps are by the wall clock, which may be stepped between the two: what this program saw by the monotonic
//! clock encloses the truth, and is used where the stamps do not fit into it.

use crate::clock::{Moment, NS_PER_MS, NS_PER_US, Wall};

/// The wall clock was stepped when it went this far apart from the monotonic one.
const STEP_NS: i64 = NS_PER_MS;
/// Stamps are taken between two readings of ours; this much is left to the readings themselves.
const TOLERANCE_NS: i64 = 50 * NS_PER_US;

/// One end of a trip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// When this program handed the packet over, or got it.
    pub seen: Moment,
    /// When the kernel stamped it.
    pub stamped: Option<Wall>,
}

/// Microseconds from `sent` to `received`, without the `residence_ns` the far end kept the packet; at least 1.
#[must_use]
pub fn delay_us(sent: End, received: End, residence_ns: i64) -> u32 {
    let seen_ns = received.seen.monotonic.since_ns(sent.seen.monotonic).max(0);
    let by_wall_ns = received.seen.wall.since_ns(sent.seen.wall);
    let stamped_ns = received
        .stamped
        .unwrap_or(received.seen.wall)
        .since_ns(sent.stamped.unwrap_or(sent.seen.wall));
    let is_stepped = (by_wall_ns - seen_ns).abs() > STEP_NS;
    let fits = (0..=seen_ns + TOLERANCE_NS).contains(&stamped_ns);
    let whole_ns = if fits && !is_stepped { stamped_ns } else { seen_ns };
    let kept_ns = if (0..whole_ns).contains(&residence_ns) {
        residence_ns
    } else {
        0
    };
    u32::try_from((whole_ns - kept_ns) / NS_PER_US)
        .unwrap_or(u32::MAX)
        .max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Monotonic;

    fn end(at_us: i64, stamped_us: Option<i64>) -> End {
        End {
            seen: Moment {
                monotonic: Monotonic::from_ns(at_us * 1_000),
                wall: Wall::from_unix_ns(5_000_000_000 + at_us * 1_000),
            },
            stamped: stamped_us.map(|us| Wall::from_unix_ns(5_000_000_000 + us * 1_000)),
        }
    }

    #[test]
    fn stamps_are_used_where_they_are_there_and_fit() {
        assert_eq!(delay_us(end(0, Some(10)), end(1_000, Some(900)), 0), 890);
        assert_eq!(delay_us(end(0, None), end(1_000, Some(900)), 0), 900);
        assert_eq!(delay_us(end(0, None), end(1_000, None), 0), 1_000);
        assert_eq!(
            delay_us(end(0, Some(10)), end(1_000, Some(9_000)), 0),
            1_000,
            "later than seen"
        );
        assert_eq!(
            delay_us(end(0, Some(10)), end(1_000, Some(5)), 0),
            1_000,
            "before it was sent"
        );
        assert_eq!(delay_us(end(0, Some(10)), end(0, Some(10)), 0), 1);
    }

    #[test]
    fn the_time_in_the_reflector_is_taken_off_where_it_can_be() {
        assert_eq!(delay_us(end(0, None), end(1_000, None), 200_000), 800);
        assert_eq!(delay_us(end(0, None), end(1_000, None), 2_000_000), 1_000);
        assert_eq!(delay_us(end(0, None), end(1_000, None), -5), 1_000);
    }

    #[test]
    fn a_stepped_wall_clock_is_not_believed() {
        let mut received = end(10_000, Some(9_000));
        received.seen.wall = received.seen.wall.plus_ns(-5 * NS_PER_MS);
        assert_eq!(delay_us(end(0, Some(0)), received, 0), 10_000);
    }
}
