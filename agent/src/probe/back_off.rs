//! How an address that is somebody else's is asked less often while it fails. Pure; handed the time.
//!
//! One machine for each series that leads, because one method may be refused where another is answered. After [`PATIENCE`]
//! failures in a row, or at once where the answer itself asks for less, slots of the schedule are left out: at first between
//! one and three of them, then twice as many each time, at random within the upper half, and never for longer than [`LONGEST_NS`]
//! unless asked to. The first answer ends it. Slots stay on their grid, so nothing is ever sent sooner than the period allows.
//!
//! A slot that is left out was never to be sent: it is neither a loss nor skipped. Not for reflectors of our own, whose
//! losses are what is measured.

use crate::clock::{Monotonic, NS_PER_S};
use crate::schedule::split_mix::SplitMix64;

/// So many failures in a row are taken for loss like any other.
pub const PATIENCE: u32 = 4;
/// The longest time from a failure to the next probe, in nanoseconds, unless the answer asks for more.
pub const LONGEST_NS: i64 = 300 * NS_PER_S;
/// The longest time that an answer can ask for, in nanoseconds.
pub const LONGEST_ASKED_NS: i64 = 3_600 * NS_PER_S;
/// Doublings after which any pause is the longest.
const MOST_DOUBLINGS: u32 = 32;

/// What became of a probe, as far as it says how the other side fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It answers.
    Answer,
    /// It does not, or says that it cannot.
    Failure(Failure),
}

/// In which way it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No answer within the waiting time, or no way there.
    Silence,
    /// A reset, or an answer that says no.
    Refused,
    /// HTTP 429 or 503: it asks for less (RFC 6585 section 4, RFC 9110 section 15.6.4).
    AskedForLess {
        /// For how long it wants to be left alone (`Retry-After`), in seconds; 0 if it does not say.
        wait_s: u32,
    },
}

impl Failure {
    /// For people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Silence => "no answer",
            Self::Refused => "refused",
            Self::AskedForLess { .. } => "asks for fewer requests",
        }
    }
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// No slot before this instant.
    Hold {
        /// The next slot is the first one from here on.
        until: Monotonic,
        /// It was asked as often as ever before.
        is_first: bool,
    },
    /// As often as ever again: the next slot of the grid.
    Release {
        /// Since when slots had been left out.
        since: Monotonic,
    },
}

#[derive(Clone, Copy, Debug)]
struct Held {
    since: Monotonic,
    until: Monotonic,
    doublings: u32,
}

/// The state of one series.
#[derive(Clone, Debug)]
pub struct BackOff {
    period_ns: i64,
    random: SplitMix64,
    failures: u32,
    held: Option<Held>,
}

impl BackOff {
    /// For slots a period apart; `seed` decides the random part of every pause.
    #[must_use]
    pub fn new(period_ns: i64, seed: u64) -> Self {
        Self {
            period_ns: period_ns.max(1),
            random: SplitMix64::new(seed),
            failures: 0,
            held: None,
        }
    }

    /// Until when no slot is due; `None` if it is asked as often as ever.
    #[must_use]
    pub fn held_until(&self) -> Option<Monotonic> {
        self.held.map(|held| held.until)
    }

    /// What became of a probe was noticed at `now`.
    pub fn handle(&mut self, heard: Heard, now: Monotonic) -> Option<Step> {
        let Heard::Failure(failure) = heard else {
            self.failures = 0;
            return self.held.take().map(|held| Step::Release { since: held.since });
        };
        self.failures = self.failures.saturating_add(1);
        let wait_ns = match failure {
            Failure::AskedForLess { wait_s } => Some((i64::from(wait_s) * NS_PER_S).min(LONGEST_ASKED_NS)),
            Failure::Silence | Failure::Refused => None,
        };
        if self.failures < PATIENCE && wait_ns.is_none() && self.held.is_none() {
            return None;
        }
        // What was under way when the pause began says nothing that is not known.
        if self.held.is_some_and(|held| now < held.until) {
            return None;
        }
        let doublings = self.held.map_or(0, |held| held.doublings + 1).min(MOST_DOUBLINGS);
        let window_ns = self
            .period_ns
            .saturating_mul(4)
            .saturating_mul(1 << doublings)
            .min(LONGEST_NS);
        let pause_ns = window_ns - self.random_below(window_ns / 2);
        // The slot after `until` is up to a period later, and within the pause all the same. Whoever is asked as seldom anyway
        // is not held at all.
        let hold_ns = (pause_ns - self.period_ns).max(wait_ns.unwrap_or(0));
        if hold_ns <= 0 {
            return None;
        }
        let is_first = self.held.is_none();
        let until = now.plus_ns(hold_ns);
        self.held = Some(Held {
            since: self.held.map_or(now, |held| held.since),
            until,
            doublings,
        });
        Some(Step::Hold { until, is_first })
    }

    /// From 0 to less than `bound_ns`.
    fn random_below(&mut self, bound_ns: i64) -> i64 {
        let scaled = (u128::from(self.random.next_u64()) * u128::from(bound_ns.max(0).unsigned_abs())) >> 64;
        i64::try_from(scaled).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::NS_PER_MS;
    use crate::schedule::Schedule;

    const PERIOD_NS: i64 = 30 * NS_PER_S;
    const SILENCE: Heard = Heard::Failure(Failure::Silence);

    fn at(ns: i64) -> Monotonic {
        Monotonic::from_ns(ns)
    }

    /// Sends by a schedule and a machine until `probes` are sent; `heard` says what becomes of the n-th and how long after it. When
    /// each was sent, and when what became of it was noticed.
    fn course(
        (period_ns, seed): (i64, u64),
        probes: usize,
        mut heard: impl FnMut(usize) -> (Heard, i64),
    ) -> Vec<(i64, i64)> {
        let (mut schedule, mut machine) = (Schedule::default(), BackOff::new(period_ns, seed));
        schedule.add(at(0), 7, period_ns, None);
        let mut course = Vec::new();
        while course.len() < probes {
            let due = schedule.poll_timeout().expect("for ever");
            assert_eq!(schedule.poll_due(due).map(|due| due.skipped), Some(0));
            let (what, after_ns) = heard(course.len());
            let noticed = due.plus_ns(after_ns);
            match machine.handle(what, noticed) {
                Some(Step::Hold { until, .. }) => {
                    schedule.postpone(0, until);
                }
                Some(Step::Release { .. }) => {
                    schedule.advance(0, noticed);
                }
                None => {}
            }
            course.push((due.as_ns(), noticed.as_ns()));
        }
        course
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_one_answer_ends_them() {
        let course = course((PERIOD_NS, 1), 40, |number| match number {
            ..30 => (SILENCE, 2 * NS_PER_S),
            30 => (Heard::Answer, NS_PER_MS),
            31..33 => (SILENCE, 2 * NS_PER_S),
            _ => (Heard::Answer, NS_PER_MS),
        });
        let gaps: Vec<i64> = course
            .windows(2)
            .map(|pair| (pair[1].0 - pair[0].0) / PERIOD_NS)
            .collect();
        assert_eq!(gaps[..3], [1; 3], "loss like any other");
        assert!((2..=4).contains(&gaps[3]), "{gaps:?}");
        assert!((4..=8).contains(&gaps[4]), "{gaps:?}");
        assert!(gaps[5..30].iter().all(|gap| (5..=10).contains(gap)), "{gaps:?}");
        assert!(
            gaps[5..30].iter().any(|gap| *gap != gaps[5]),
            "at random: {gaps:?}"
        );
        assert_eq!(gaps[30..], [1; 9], "and two failures are none again");
    }

    #[test]
    fn who_asks_for_less_is_obeyed_at_once_and_for_as_long_as_said_up_to_an_hour() {
        for (wait_s, least, most) in [(0, 2, 4), (600, 21, 21), (u32::MAX, 121, 121)] {
            let less = Heard::Failure(Failure::AskedForLess { wait_s });
            let course = course((PERIOD_NS, 3), 2, |_| (less, NS_PER_MS));
            let gap = (course[1].0 - course[0].0) / PERIOD_NS;
            assert!((least..=most).contains(&gap), "{wait_s}: {gap}");
        }
    }

    #[test]
    fn what_was_under_way_before_changes_nothing_but_its_answer_does() {
        let mut machine = BackOff::new(NS_PER_S, 5);
        let now = at(10 * NS_PER_S);
        for _ in 1..PATIENCE {
            assert_eq!(machine.handle(SILENCE, now), None);
        }
        let held = machine.handle(SILENCE, now);
        assert!(
            matches!(held, Some(Step::Hold { is_first: true, .. })),
            "{held:?}"
        );
        assert_eq!(machine.handle(SILENCE, now), None);
        let until = machine.held_until().expect("held");
        let again = machine.handle(SILENCE, until);
        assert!(
            matches!(again, Some(Step::Hold { is_first: false, .. })),
            "{again:?}"
        );
        assert_eq!(
            machine.handle(Heard::Answer, until),
            Some(Step::Release { since: now })
        );
        assert_eq!(machine.handle(Heard::Answer, until), None);
        assert_eq!(machine.held_until(), None);
    }

    #[test]
    fn who_is_asked_seldom_is_not_held() {
        let course = course((3_600 * NS_PER_S, 1), 20, |_| (SILENCE, NS_PER_S));
        assert!(
            course
                .windows(2)
                .all(|pair| pair[1].0 - pair[0].0 == 3_600 * NS_PER_S)
        );
    }

    #[test]
    fn two_seeds_do_not_meet() {
        let gaps = |seed| -> Vec<i64> {
            let course = course((PERIOD_NS, seed), 30, |_| (SILENCE, NS_PER_S));
            course.iter().map(|(sent, _)| *sent).collect()
        };
        assert_eq!(gaps(1), gaps(1));
        assert_ne!(gaps(1), gaps(2));
    }

    proptest! {
        /// Never sooner than the period, never later than the longest pause, and as often as ever after an answer.
        #[test]
        fn it_is_polite_and_comes_back(
            period_ms in 10_i64..1_000_000,
            seed in any::<u64>(),
            heard in prop::collection::vec((0_u8..6, 1_i64..1_000, 0_u32..5_000), 2..80),
        ) {
            let period_ns = period_ms * NS_PER_MS;
            let what = |number: usize| {
                let (kind, part, wait_s) = heard[number];
                let heard = match kind {
                    0 => Heard::Answer,
                    1 => Heard::Failure(Failure::AskedForLess { wait_s }),
                    2 => Heard::Failure(Failure::Refused),
                    _ => SILENCE,
                };
                // Within its period.
                (heard, period_ns * part / 1_000)
            };
            let course = course((period_ns, seed), heard.len(), what);
            for (number, pair) in course.windows(2).enumerate() {
                let ((sent, noticed), (next, _)) = (pair[0], pair[1]);
                prop_assert!((next - sent) % period_ns == 0 && next - sent >= period_ns, "{pair:?}");
                match what(number).0 {
                    Heard::Answer => prop_assert_eq!(next - sent, period_ns),
                    Heard::Failure(Failure::AskedForLess { wait_s }) => {
                        let asked_ns = (i64::from(wait_s) * NS_PER_S).min(LONGEST_ASKED_NS);
                        prop_assert!(next - noticed >= asked_ns, "{pair:?}");
                        prop_assert!(next - noticed <= LONGEST_NS.max(asked_ns + period_ns), "{pair:?}");
                    }
                    Heard::Failure(_) => prop_assert!(next - noticed <= LONGEST_NS.max(period_ns), "{pair:?}"),
                }
            }
        }
    }
}
