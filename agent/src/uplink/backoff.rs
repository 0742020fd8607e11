//! How long to wait after a failed delivery: exponential with full jitter. Pure; handed its randomness.

use std::time::Duration;

/// Ceiling after the first failure.
const FIRST: Duration = Duration::from_secs(1);
/// Ceiling however many failures there were.
const CAP: Duration = Duration::from_secs(60);
/// A collector that asks for more patience than this is not taken at its word.
const LONGEST_ASKED: Duration = Duration::from_secs(600);

/// Consecutive failures so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// A delivery succeeded.
    pub fn succeed(&mut self) {
        self.failures = 0;
    }

    /// A delivery failed: how long to wait. `random` is uniform in [0, 1); the jitter is taken after the cap, so that a
    /// fleet stays spread however long the collector is away. What the collector asked for is waited at least.
    pub fn fail(&mut self, asked_s: Option<u64>, random: f64) -> Duration {
        let ceiling = FIRST.saturating_mul(1 << self.failures.min(16)).min(CAP);
        self.failures = self.failures.saturating_add(1);
        let asked = asked_s
            .map_or(Duration::ZERO, Duration::from_secs)
            .min(LONGEST_ASKED);
        asked + ceiling.mul_f64(random.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_to_its_cap_and_the_jitter_is_below_it() {
        let mut backoff = Backoff::default();
        let ceilings: Vec<u64> = (0..9).map(|_| backoff.fail(None, 1.0).as_secs()).collect();
        assert_eq!(ceilings, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(
            backoff.fail(None, 0.5),
            Duration::from_secs(30),
            "jitter comes after the cap"
        );
        backoff.succeed();
        assert_eq!(backoff.fail(None, 0.25), Duration::from_millis(250));
    }

    #[test]
    fn what_the_collector_asked_for_is_waited_at_least() {
        assert_eq!(Backoff::default().fail(Some(17), 0.0), Duration::from_secs(17));
        assert_eq!(
            Backoff::default().fail(Some(u64::MAX), 0.0),
            Duration::from_secs(600)
        );
    }

    #[test]
    fn failures_never_overflow() {
        let mut backoff = Backoff { failures: u32::MAX };
        assert_eq!(backoff.fail(None, 1.0), Duration::from_secs(60));
    }
}
