//! Where the end of an exchange is counted: by the series of its answer, and by that of each phase it came to. Pure.
//!
//! An exchange counts as sent in one series of the phase `whole`, so that these add up to what was sent; without an answer
//! it stays with the one that leads. A phase counts the exchanges that came so far.

use azimuth_measurement::{Answer, Phase, StampClock};

use crate::tally::{IntervalOrdinal, Tally};

use super::delay::whole_us;
use super::exchange::{ExchangeEnd, ExchangeOutcome, Side};

/// One probe of a side, with the number of its exchange: passed in so many nanoseconds, or lost.
pub(super) fn count_side(
    tally: &mut Tally,
    (side, sequence): (u32, u32),
    interval: IntervalOrdinal,
    took_ns: Option<i64>,
) {
    if let Some(counts) = tally.counts(interval, side) {
        counts.sent += 1;
        counts.returned += u64::from(took_ns.is_some());
    }
    if let Some(took_ns) = took_ns {
        tally.record(interval, (side, sequence), StampClock::User, whole_us(took_ns));
    }
}

/// Counts an exchange where its answer belongs, and each phase it came to. `end` is `None` if nobody said how it ended.
pub(super) fn count_exchange(
    tally: &mut Tally,
    (lead, sequence): (u32, u32),
    sides: &[Side],
    interval: IntervalOrdinal,
    end: Option<ExchangeEnd>,
) {
    tally.note_settled(interval);
    let Some(end) = end else { return };
    tally.note_certificate(interval, lead, end.certificate_ends_unix_s);
    let side_of = |wanted: Side| {
        let place = sides.iter().position(|side| *side == wanted);
        place.map(|place| lead + 1 + place as u32)
    };
    // It was counted as sent by the series that leads when nobody knew what would come.
    let (answer, delay_ns, refused) = match end.outcome {
        ExchangeOutcome::Answered(answer, delay_ns) => (Some(answer), Some(delay_ns), false),
        ExchangeOutcome::Refused(answer) => (Some(answer), None, true),
        ExchangeOutcome::Lost => (None, None, false),
        ExchangeOutcome::NotSent(why) => {
            if let Some(counts) = tally.counts(interval, lead) {
                counts.sent = counts.sent.saturating_sub(1);
                counts.send_errors += 1;
                if let Some(why) = why {
                    counts.errors.note(why);
                }
            }
            return;
        }
    };
    if let Some(answer) = answer {
        let series = side_of((Phase::Whole, answer)).unwrap_or(lead);
        if series != lead {
            if let Some(counts) = tally.counts(interval, lead) {
                counts.sent = counts.sent.saturating_sub(1);
            }
            if let Some(counts) = tally.counts(interval, series) {
                counts.sent += 1;
            }
        }
        if let Some(counts) = tally.counts(interval, series) {
            counts.returned += 1;
            counts.refused += u64::from(refused);
        }
        if let Some(delay_ns) = delay_ns {
            tally.record(interval, (series, sequence), StampClock::User, whole_us(delay_ns));
        }
    }
    for (phase, took_ns) in end.passed {
        if let Some(side) = side_of((phase, Answer::Ordinary)) {
            count_side(tally, (side, sequence), interval, Some(took_ns));
        }
    }
    if let Some(side) = end.stuck.and_then(|phase| side_of((phase, Answer::Ordinary)))
        && let Some(counts) = tally.counts(interval, side)
    {
        counts.sent += 1;
        counts.returned += u64::from(refused);
        counts.refused += u64::from(refused);
    }
}

#[cfg(test)]
mod tests {
    use azimuth_measurement::{ErrorKind, Method, ProbeCounts};

    use super::*;
    use crate::clock::{Moment, Monotonic, NS_PER_S, Wall};
    use crate::probe::exchange::sides;
    use crate::tally::SeriesTally;

    /// What each side, the leading one first, has after one exchange that ended so.
    fn counted(end: Option<ExchangeEnd>) -> Vec<(Side, SeriesTally)> {
        let start = Moment {
            monotonic: Monotonic::from_ns(0),
            wall: Wall::from_unix_ns(1_700_000_000 * NS_PER_S),
        };
        let sides = sides(Method::HttpsFirstByte);
        let mut tally = Tally::new(1 + sides.len(), 10_000, NS_PER_S, start);
        let interval = tally.current();
        tally.note_sent();
        tally.counts(interval, 0).expect("open").sent += 1;
        count_exchange(&mut tally, (0, 0), sides, interval, end);
        let closed = tally.close_all(start.monotonic).remove(0);
        for series in &closed.series {
            let delays = series.delays_us.len() as u64;
            assert_eq!(series.counts.check(delays), Ok(()), "{series:?}");
        }
        let lead = (Phase::Whole, Answer::Ordinary);
        let all = std::iter::once(lead).chain(sides.iter().copied());
        let nothing = SeriesTally::default();
        all.zip(closed.series)
            .filter(|(_, tally)| *tally != nothing)
            .collect()
    }

    fn end(passed: &[(Phase, i64)], stuck: Option<Phase>, outcome: ExchangeOutcome) -> Option<ExchangeEnd> {
        Some(ExchangeEnd {
            passed: passed.to_vec(),
            stuck,
            outcome,
            certificate_ends_unix_s: None,
            asked_to_wait_s: None,
        })
    }

    fn counts(sent: u64, returned: u64, refused: u64) -> ProbeCounts {
        ProbeCounts {
            sent,
            returned,
            refused,
            ..ProbeCounts::default()
        }
    }

    #[test]
    fn an_answer_counts_by_its_kind_and_each_phase_by_itself() {
        let passed = [(Phase::Connect, 2_000_000), (Phase::FirstByte, 5_000_000)];
        let found = counted(end(
            &passed,
            None,
            ExchangeOutcome::Answered(Answer::ServerError, 7_000_000),
        ));
        let delays = |delay_us| vec![(StampClock::User, delay_us)];
        let expected = [
            ((Phase::Connect, Answer::Ordinary), 2_000),
            ((Phase::FirstByte, Answer::Ordinary), 5_000),
            ((Phase::Whole, Answer::ServerError), 7_000),
        ];
        assert_eq!(found.len(), 3, "{found:?}");
        for ((side, tally), (expected, delay_us)) in found.iter().zip(expected) {
            assert_eq!(*side, expected);
            assert_eq!(
                (tally.counts, &tally.delays_us),
                (counts(1, 1, 0), &delays(delay_us))
            );
        }
    }

    #[test]
    fn a_refusal_is_no_loss_and_a_loss_no_number() {
        let found = counted(end(
            &[(Phase::Connect, 2_000_000)],
            Some(Phase::Tls),
            ExchangeOutcome::Refused(Answer::CertificateExpired),
        ));
        assert_eq!(found[1].0, (Phase::Tls, Answer::Ordinary));
        assert_eq!(found[1].1.counts, counts(1, 1, 1));
        assert_eq!(found[2].0, (Phase::Whole, Answer::CertificateExpired));
        assert_eq!(
            (found[2].1.counts, found[2].1.delays_us.len()),
            (counts(1, 1, 1), 0)
        );

        let found = counted(end(
            &[(Phase::Connect, 2_000_000)],
            Some(Phase::Tls),
            ExchangeOutcome::Lost,
        ));
        assert_eq!(found[0].0, (Phase::Whole, Answer::Ordinary));
        assert_eq!(
            (found[0].1.counts, found[0].1.delays_us.len()),
            (counts(1, 0, 0), 0)
        );
        assert_eq!(found[2].1.counts, counts(1, 0, 0), "the phase it was lost in");

        let silent = counted(None);
        assert_eq!((silent.len(), silent[0].1.counts), (1, counts(1, 0, 0)));
        let unsent = counted(end(
            &[],
            None,
            ExchangeOutcome::NotSent(Some(ErrorKind::SendNoRoute)),
        ));
        assert_eq!((unsent[0].1.counts.sent, unsent[0].1.counts.send_errors), (0, 1));
        let kinds: Vec<_> = unsent[0].1.counts.errors.present().collect();
        assert_eq!(kinds, [(ErrorKind::SendNoRoute, 1)]);
    }
}
