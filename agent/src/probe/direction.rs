//! On which way lost probes were lost, from what their reflector counted (RFC 8972 section 4.5). Pure.
//!
//! Each answer tells how many requests of the session the reflector has received, and how many it has answered. Between two
//! answered probes of which all in between are lost, the growth of these counters says how many of the lost ones reached the
//! reflector. *Lost on the way out* did not reach it; *lost on the way back* did, and no answer came in time.
//!
//! What the counters cannot say stays unknown, never guessed: across a restart of the reflector (its counters start anywhere,
//! so that they cannot go on by chance), a session it may have forgotten, duplicates or reordering nearby, a request it
//! received and did not answer, and lost probes of several intervals that were not all lost on the same way.

use crate::clock::{Monotonic, NS_PER_S};
use crate::stamp::extension::Counted;
use crate::tally::IntervalOrdinal;

/// After this long without an answer the reflector may have forgotten the session; below what ours remembers one.
const LONGEST_GAP_NS: i64 = 60 * NS_PER_S;

/// An answered probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Its sequence number.
    pub sequence: u32,
    /// When it was sent.
    pub sent_at: Monotonic,
    /// What its answer told; `None` if that is nothing.
    pub counted: Option<Counted>,
}

/// Lost probes of one interval whose way is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ways {
    /// When they were sent.
    pub interval: IntervalOrdinal,
    /// How many did not reach the reflector.
    pub out: u64,
    /// How many reached it, without an answer in time.
    pub back: u64,
}

/// The losses of one series since its last answered probe.
#[derive(Debug, Default)]
pub struct Directions {
    /// The last probe passed that was answered.
    anchor: Option<(Answered, Counted)>,
    /// Whether the counters grew up to there as they should.
    is_sound: bool,
    /// The interval of each probe lost since, in order of sending.
    lost: Vec<IntervalOrdinal>,
    /// Duplicates may have been counted up to the probe before this one.
    duplicates_before: Option<u32>,
}

impl Directions {
    /// The next probe in order is lost.
    pub fn lose(&mut self, interval: IntervalOrdinal, sent_at: Monotonic) {
        match self.anchor {
            Some((anchor, _)) if sent_at.since_ns(anchor.sent_at) <= LONGEST_GAP_NS => {
                self.lost.push(interval);
            }
            _ => self.forget(),
        }
    }

    /// A second answer to a probe came in when `next_sequence` was yet to be sent.
    pub fn handle_duplicate(&mut self, next_sequence: u32) {
        self.duplicates_before = Some(next_sequence);
    }

    /// Nothing is known of what comes next.
    pub fn forget(&mut self) {
        self.anchor = None;
        self.lost.clear();
    }

    /// The next probe in order is answered; `later` are those after it that are, in order. What that says about the losses
    /// before it. To say the same probe again changes nothing.
    pub fn pass(&mut self, answered: Answered, later: impl Iterator<Item = Answered>) -> Vec<Ways> {
        if self
            .anchor
            .is_some_and(|(anchor, _)| anchor.sequence == answered.sequence)
        {
            return Vec::new();
        }
        let Some(counted) = answered.counted else {
            self.forget();
            return Vec::new();
        };
        let before = self.anchor.replace((answered, counted));
        let was_sound = std::mem::replace(&mut self.is_sound, false);
        let lost = std::mem::take(&mut self.lost);
        let Some((anchor, before)) = before else {
            // Nothing before it that could be wrong.
            self.is_sound = true;
            return Vec::new();
        };
        let Some((reached, unanswered)) =
            growth(before, counted, answered.sequence.wrapping_sub(anchor.sequence))
        else {
            return Vec::new();
        };
        self.is_sound = true;
        let disturbed = self
            .duplicates_before
            .is_some_and(|before| anchor.sequence.wrapping_sub(before).cast_signed() < 0);
        if lost.is_empty() || !was_sound || disturbed || !is_sound_after(answered, counted, later) {
            return Vec::new();
        }
        split(&lost, lost.len() as u64 - reached, reached - unanswered)
    }
}

/// How many of the probes between two answered ones, the second of which comes `distance` after the first, reached the
/// reflector, and how many of these it did not answer. `None` when the counters did not grow as they must.
fn growth(from: Counted, to: Counted, distance: u32) -> Option<(u64, u64)> {
    let received = to.received.wrapping_sub(from.received);
    let sent = to.sent.wrapping_sub(from.sent);
    // Each of the two was itself received and answered.
    ((1..=distance).contains(&received) && (1..=received).contains(&sent))
        .then(|| (u64::from(received - 1), u64::from(received - sent)))
}

/// Whether the counters go on as they must as far as answers are there: a lost probe that reached the reflector late would
/// be counted too often there.
fn is_sound_after(answered: Answered, counted: Counted, later: impl Iterator<Item = Answered>) -> bool {
    let (mut sequence, mut counted) = (answered.sequence, counted);
    for next in later {
        let Some(told) = next.counted else { return false };
        if growth(counted, told, next.sequence.wrapping_sub(sequence)).is_none() {
            return false;
        }
        (sequence, counted) = (next.sequence, told);
    }
    true
}

/// Gives `out` and `back` to the intervals of the lost, where that can be told.
fn split(lost: &[IntervalOrdinal], out: u64, back: u64) -> Vec<Ways> {
    let all = lost.len() as u64;
    let ways = lost.chunk_by(|a, b| a == b).filter_map(|of_one| {
        let n = of_one.len() as u64;
        let (out, back) = match (out, back) {
            _ if n == all => (out, back),
            _ if out == all => (n, 0),
            _ if back == all => (0, n),
            _ => return None,
        };
        Some(Ways {
            interval: *of_one.first()?,
            out,
            back,
        })
    });
    ways.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What happens to one probe.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Fate {
        Answered,
        LostOut,
        LostBack,
    }
    use Fate::{Answered as Yes, LostBack as Back, LostOut as Out};

    /// A session at a reflector whose counters start at `base`; the probes of it, answered ones with what they told.
    fn told(fates: &[Fate], base: u32) -> Vec<Option<Counted>> {
        let mut counted = Counted {
            received: base,
            sent: base,
        };
        let reached = fates.iter().map(|fate| {
            if *fate == Out {
                return None;
            }
            counted.received = counted.received.wrapping_add(1);
            let now = counted;
            counted.sent = counted.sent.wrapping_add(1);
            (*fate == Yes).then_some(now)
        });
        reached.collect()
    }

    /// Passes everything through; the sums of what is known.
    fn known(told: &[Option<Counted>], first: u32) -> (u64, u64) {
        let mut directions = Directions::default();
        let answered: Vec<Option<Answered>> = told
            .iter()
            .zip(0_u32..)
            .map(|(counted, n)| {
                counted.map(|_| Answered {
                    sequence: first.wrapping_add(n),
                    sent_at: Monotonic::from_ns(i64::from(n) * NS_PER_S / 10),
                    counted: *counted,
                })
            })
            .collect();
        let mut sums = (0, 0);
        for (n, probe) in answered.iter().enumerate() {
            let Some(probe) = probe else {
                directions.lose(
                    IntervalOrdinal::FIRST,
                    Monotonic::from_ns(n as i64 * NS_PER_S / 10),
                );
                continue;
            };
            let later = answered[n + 1..].iter().take(20).flatten().copied();
            for ways in directions.pass(*probe, later) {
                sums = (sums.0 + ways.out, sums.1 + ways.back);
            }
        }
        sums
    }

    #[test]
    fn losses_between_answers_are_told_apart_across_every_wrap() {
        let fates = [Yes, Out, Yes, Back, Back, Yes, Out, Back, Out, Yes, Yes];
        assert_eq!(known(&told(&fates, u32::MAX - 3), u32::MAX - 5), (3, 3));
    }

    #[test]
    fn what_no_answer_frames_stays_unknown() {
        assert_eq!(known(&told(&[Out, Yes, Yes, Back], 7), 0), (0, 0));
    }

    #[test]
    fn across_a_restart_of_the_reflector_nothing_is_said() {
        let mut told = told(&[Yes, Yes, Out, Yes, Out, Back], 100);
        told.extend(self::told(&[Yes, Back, Yes, Out, Yes], 4_000_000_000));
        assert_eq!(known(&told, 0), (1, 0), "only what is apart from it");
    }

    #[test]
    fn a_request_received_and_not_answered_stays_unknown() {
        let counted = |received, sent| Some(Counted { received, sent });
        let told = [counted(1, 0), None, None, counted(3, 1), counted(4, 2)];
        assert_eq!(
            known(&told, 0),
            (1, 0),
            "the other reached it, and no answer left"
        );
    }

    #[test]
    fn reordering_and_duplicates_nearby_say_nothing() {
        let counted = |count| {
            Some(Counted {
                received: count,
                sent: count - 1,
            })
        };
        // The second probe reaches the reflector after the third, and its answer is lost.
        assert_eq!(
            known(&[counted(1), None, counted(2), counted(4), counted(5)], 0),
            (0, 0)
        );
        // The fourth overtakes the third; the second is lost on the way out.
        assert_eq!(
            known(&[counted(1), None, counted(3), counted(2), counted(4)], 0),
            (0, 0)
        );

        let mut directions = Directions::default();
        let probe = |sequence, count| Answered {
            sequence,
            sent_at: Monotonic::from_ns(0),
            counted: counted(count),
        };
        assert_eq!(directions.pass(probe(1, 1), std::iter::empty()), []);
        // The reflector counted the first probe twice; the second is lost on the way out.
        directions.handle_duplicate(2);
        directions.lose(IntervalOrdinal::FIRST, Monotonic::from_ns(1));
        assert_eq!(directions.pass(probe(3, 3), std::iter::empty()), []);
        directions.lose(IntervalOrdinal::FIRST, Monotonic::from_ns(2));
        let after = directions.pass(probe(5, 5), std::iter::empty());
        assert_eq!(
            after.iter().map(|ways| (ways.out, ways.back)).collect::<Vec<_>>(),
            [(0, 1)]
        );
    }

    #[test]
    fn after_a_long_silence_the_session_may_be_forgotten() {
        let mut directions = Directions::default();
        let at = |s: i64| Monotonic::from_ns(s * NS_PER_S);
        let probe = |sequence, s, received| Answered {
            sequence,
            sent_at: at(s),
            counted: Some(Counted {
                received,
                sent: received,
            }),
        };
        directions.pass(probe(0, 0, 1), std::iter::empty());
        directions.lose(IntervalOrdinal::FIRST, at(30));
        directions.lose(IntervalOrdinal::FIRST, at(61));
        assert_eq!(directions.pass(probe(3, 62, 2), std::iter::empty()), []);
    }

    proptest! {
        #[test]
        fn whatever_is_lost_in_order_is_told_exactly(
            fates in prop::collection::vec(prop_oneof![3 => Just(Yes), 1 => Just(Out), 1 => Just(Back)], 0..200),
            base: u32,
            first: u32,
        ) {
            let framed = [&[Yes][..], &fates, &[Yes]].concat();
            let count = |of| framed.iter().filter(|fate| **fate == of).count() as u64;
            prop_assert_eq!(known(&told(&framed, base), first), (count(Out), count(Back)));
        }

        #[test]
        fn any_counters_are_met_without_panic_and_never_say_more_than_was_lost(
            told in prop::collection::vec(prop::option::of((0_u32..40, 0_u32..40)), 0..60),
        ) {
            let told: Vec<_> = told.into_iter().map(|told| told.map(|(received, sent)| Counted { received, sent })).collect();
            let (out, back) = known(&told, 3);
            prop_assert!(out + back <= told.iter().filter(|told| told.is_none()).count() as u64);
        }
    }
}
