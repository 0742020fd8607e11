//! What a receiver's answer means, and how long to wait before the next attempt. Pure: handed the chance.
//!
//! Standard: Prometheus Remote-Write 1.0, "Retries & Backoff"; RFC 9110, section 10.2.3 (`Retry-After` in seconds).

use std::time::Duration;

/// First pause, at most.
const FIRST: Duration = Duration::from_secs(1);
/// Longest pause.
const LONGEST: Duration = Duration::from_secs(60);
/// The longest that a receiver may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(600);

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// An HTTP answer.
    Status {
        /// Its status.
        status: u16,
        /// Its `Retry-After`.
        retry_after: Option<String>,
        /// The beginning of its body, escaped.
        said: String,
    },
    /// None: no connection, or it took too long.
    None {
        /// Why.
        why: String,
    },
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It was taken.
    Sent,
    /// It will never be taken.
    Drop {
        /// Why.
        why: String,
    },
    /// It may be taken later.
    TryAgain {
        /// The word it is counted under.
        reason: &'static str,
        /// Why.
        why: String,
        /// What the receiver asked for.
        not_before: Option<Duration>,
    },
}

/// What an answer means.
pub fn judge(answer: Answer) -> Step {
    match answer {
        Answer::None { why } => Step::TryAgain {
            reason: "unreachable",
            why,
            not_before: None,
        },
        Answer::Status {
            status: 200..=299, ..
        } => Step::Sent,
        Answer::Status {
            status,
            retry_after,
            said,
        } => {
            let why = format!("status {status}: {said}");
            let reason = match status {
                429 => "too_many_requests",
                500..=599 => "server_error",
                _ => return Step::Drop { why },
            };
            let not_before = retry_after.and_then(|seconds| seconds.trim().parse().ok());
            Step::TryAgain {
                reason,
                why,
                not_before: not_before.map(Duration::from_secs),
            }
        }
    }
}

/// Pauses that double, each drawn anew from nothing to its length (full jitter), so that senders do not come together.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: FIRST,
            next: FIRST,
        }
    }
}

impl Backoff {
    #[cfg(test)]
    pub(crate) fn without_pauses() -> Self {
        Self {
            first: Duration::ZERO,
            next: Duration::ZERO,
        }
    }

    /// The receiver answers again.
    pub fn succeed(&mut self) {
        self.next = self.first;
    }

    /// How long to wait now; `chance` is from 0 to 1.
    pub fn fail(&mut self, not_before: Option<Duration>, chance: f64) -> Duration {
        let pause = self.next.mul_f64(chance.clamp(0.0, 1.0));
        self.next = (self.next * 2).min(LONGEST);
        pause + not_before.unwrap_or_default().min(LONGEST_ASKED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(status: u16, retry_after: Option<&str>) -> (&'static str, Option<u64>) {
        let retry_after = retry_after.map(str::to_owned);
        let said = String::new();
        match judge(Answer::Status {
            status,
            retry_after,
            said,
        }) {
            Step::Sent => ("sent", None),
            Step::Drop { .. } => ("drop", None),
            Step::TryAgain {
                reason, not_before, ..
            } => (reason, not_before.map(|pause| pause.as_secs())),
        }
    }

    #[test]
    fn an_answer_means_what_the_standard_says() {
        for status in [200, 204] {
            assert_eq!(reason(status, None).0, "sent");
        }
        for status in [301, 400, 401, 404, 413] {
            assert_eq!(reason(status, Some("5")).0, "drop");
        }
        assert_eq!(reason(503, None), ("server_error", None));
        assert_eq!(reason(429, Some("5")), ("too_many_requests", Some(5)));
        assert_eq!(reason(429, Some("Wed, 21 Oct 2015")), ("too_many_requests", None));
    }

    #[test]
    fn pauses_double_up_to_a_minute_and_begin_anew() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..8).map(|_| backoff.fail(None, 1.0).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        backoff.succeed();
        assert_eq!(
            backoff.fail(Some(Duration::from_secs(7)), 0.5),
            Duration::from_millis(7_500)
        );
        assert_eq!(backoff.fail(Some(Duration::MAX), 0.0), LONGEST_ASKED);
    }
}
