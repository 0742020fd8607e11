//! How slowly a body may arrive. Pure: handed the time. Not how large it may be: that is [`super::hold`] and the cap on
//! every body.

use std::time::{Duration, Instant};

/// How long a body may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyLimits {
    /// From its head to its last byte.
    pub timeout: Duration,
    /// For so long it may be as slow as it likes: a handshake, a lost packet, a radio that wakes up.
    pub grace: Duration,
    /// After that, on average since then, in bytes per second.
    pub min_bytes_per_s: u32,
}

impl Default for BodyLimits {
    /// A body of the largest size at 9 kB/s, and nobody below 1 KiB/s.
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(120),
            grace: Duration::from_secs(5),
            min_bytes_per_s: 1_024,
        }
    }
}

/// Why a body was not waited for any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooSlow {
    /// Its whole time is up.
    Timeout,
    /// It fell below the least rate.
    Rate,
}

impl BodyLimits {
    /// When to stop waiting for the next bytes of a body that began to be read at `began` and of which `received_bytes`
    /// have come, and why.
    #[must_use]
    pub fn due(&self, began: Instant, received_bytes: usize) -> (Instant, TooSlow) {
        let earned_s = received_bytes as f64 / f64::from(self.min_bytes_per_s.max(1));
        let at_rate = self.grace + Duration::try_from_secs_f64(earned_s).unwrap_or(self.timeout);
        if at_rate < self.timeout {
            (began + at_rate, TooSlow::Rate)
        } else {
            (began + self.timeout, TooSlow::Timeout)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock;

    const LIMITS: BodyLimits = BodyLimits {
        timeout: Duration::from_secs(120),
        grace: Duration::from_secs(5),
        min_bytes_per_s: 1_024,
    };

    /// When a body that sends `bytes` every `every` is given up, if it is before it has sent `whole`.
    fn given_up(every: Duration, bytes: usize, whole: usize) -> Option<(Duration, TooSlow)> {
        let began = clock::monotonic();
        let (mut now, mut received) = (began, 0);
        while received < whole {
            let (due, why) = LIMITS.due(began, received);
            now += every;
            if now > due {
                return Some((due - began, why));
            }
            received += bytes;
        }
        None
    }

    #[test]
    fn a_dripping_body_ends_soon_after_its_grace() {
        let (after, why) = given_up(Duration::from_secs(1), 1, 1_000_000).expect("given up");
        assert!(after < Duration::from_millis(5_010), "{after:?}");
        assert_eq!(why, TooSlow::Rate);
        assert_eq!(
            given_up(Duration::from_secs(6), 1_000_000, 1_000_000),
            Some((Duration::from_secs(5), TooSlow::Rate)),
            "nothing at all"
        );
    }

    #[test]
    fn a_body_that_keeps_the_rate_has_its_whole_time_and_no_more() {
        let every = Duration::from_secs(1);
        assert_eq!(given_up(every, 1_024, 100 * 1_024), None);
        assert_eq!(
            given_up(every, 1_024, 1_000 * 1_024),
            Some((Duration::from_secs(120), TooSlow::Timeout))
        );
        assert_eq!(given_up(every, 9_000, 1_048_576), None, "the largest, at 9 kB/s");
        assert_eq!(given_up(Duration::from_secs(4), 4_096, 40_960), None, "in bursts");
    }

    proptest! {
        #[test]
        fn more_bytes_never_shorten_the_wait(received in 0_usize..2_000_000, more in 0_usize..2_000_000) {
            let began = clock::monotonic();
            let (before, after) = (LIMITS.due(began, received).0, LIMITS.due(began, received + more).0);
            prop_assert!(before <= after && after <= began + LIMITS.timeout);
        }
    }
}
