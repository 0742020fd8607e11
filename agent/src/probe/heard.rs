//! What the end of a probe says of how the other side fares, for [`super::back_off`]. Pure. Not how it is counted.
//!
//! Whoever answers at all fares well enough to be asked as often as ever, unless the answer says otherwise. What this host did not
//! send says nothing of anybody.

use azimuth_measurement::Answer;

use super::back_off::{Failure, Heard};
use super::connect_session::ConnectFinding;
use super::exchange::{ExchangeEnd, ExchangeOutcome};
use super::stamp_session::Finding;

const SILENCE: Heard = Heard::Failure(Failure::Silence);
const REFUSED: Heard = Heard::Failure(Failure::Refused);

/// Of a STAMP probe or an echo request.
pub(super) fn of_finding(finding: &Finding) -> Option<Heard> {
    match finding {
        Finding::Returned { .. } => Some(Heard::Answer),
        Finding::Lost { .. } => Some(SILENCE),
        Finding::Ways(_) => None,
    }
}

/// Of a connection attempt. One that stood late stood.
pub(super) fn of_connect(finding: &ConnectFinding) -> Heard {
    match finding {
        ConnectFinding::Delay { .. } | ConnectFinding::NoSample | ConnectFinding::Lost { late: true } => {
            Heard::Answer
        }
        ConnectFinding::Refused => REFUSED,
        ConnectFinding::Lost { late: false } => SILENCE,
    }
}

/// Of an exchange; `end` is `None` if nobody said how it ended.
pub(super) fn of_exchange(end: Option<&ExchangeEnd>) -> Option<Heard> {
    let Some(end) = end else { return Some(SILENCE) };
    if let Some(wait_s) = end.asked_to_wait_s {
        return Some(Heard::Failure(Failure::AskedForLess { wait_s }));
    }
    match end.outcome {
        ExchangeOutcome::Answered(answer, _) => Some(match answer {
            Answer::ServerError | Answer::ServerFailure | Answer::QueryRefused => REFUSED,
            _ => Heard::Answer,
        }),
        // A certificate that is not believed was shown by somebody who fares well.
        ExchangeOutcome::Refused(
            Answer::CertificateExpired | Answer::CertificateName | Answer::CertificateUntrusted,
        ) => Some(Heard::Answer),
        ExchangeOutcome::Refused(_) => Some(REFUSED),
        ExchangeOutcome::Lost => Some(SILENCE),
        ExchangeOutcome::NotSent(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_of_an_exchange_says_how_the_other_side_fares() {
        let heard = |outcome, asked_to_wait_s| {
            of_exchange(Some(&ExchangeEnd {
                passed: Vec::new(),
                stuck: None,
                outcome,
                certificate_ends_unix_s: None,
                asked_to_wait_s,
            }))
        };
        use ExchangeOutcome::{Answered, Lost, NotSent, Refused};
        for (outcome, expected) in [
            (Answered(Answer::Ordinary, 1), Some(Heard::Answer)),
            (Answered(Answer::Redirect, 1), Some(Heard::Answer)),
            (Answered(Answer::ClientError, 1), Some(Heard::Answer)),
            (Answered(Answer::NoSuchName, 1), Some(Heard::Answer)),
            (Answered(Answer::ServerError, 1), Some(REFUSED)),
            (Answered(Answer::QueryRefused, 1), Some(REFUSED)),
            (Refused(Answer::CertificateExpired), Some(Heard::Answer)),
            (Refused(Answer::Ordinary), Some(REFUSED)),
            (Refused(Answer::Broken), Some(REFUSED)),
            (Lost, Some(SILENCE)),
            (NotSent(None), None),
        ] {
            assert_eq!(heard(outcome, None), expected, "{outcome:?}");
        }
        let less = Heard::Failure(Failure::AskedForLess { wait_s: 9 });
        assert_eq!(heard(Answered(Answer::ClientError, 1), Some(9)), Some(less));
        assert_eq!(of_exchange(None), Some(SILENCE));
    }
}
