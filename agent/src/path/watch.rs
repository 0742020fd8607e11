//! When to trace which target, and what a trace means for what is known of its path. Pure; handed the time.
//!
//! Each target has a slow schedule with a phase of its own, and can be asked for out of turn. A trace that differs is
//! traced again at once before it counts: what two traces in a row show and the path before did not is a change; what only
//! one shows is a router beside the other.

use azimuth_measurement::{Path, PathReason};

use super::compare::{absorb, same};
use crate::clock::{Monotonic, NS_PER_S};
use crate::schedule::phase_ns;

/// A first trace comes this soon, so that there is something to compare with.
const FIRST_WITHIN_NS: i64 = 120 * NS_PER_S;
/// From a trace that differs to the one that has to bear it out.
const CONFIRM_AFTER_NS: i64 = 10 * NS_PER_S;
/// What has not changed is told again after this long, so that retention cannot forget a path that stays.
const TELL_AGAIN_NS: i64 = 24 * 3_600 * NS_PER_S;

/// Something to tell about the path of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What made the agent look.
    pub reason: PathReason,
    /// The path before; `None` when this is no change.
    pub before: Option<Path>,
    /// The path now.
    pub after: Path,
}

#[derive(Debug)]
struct Watched {
    first_at: Monotonic,
    due_at: Monotonic,
    reason: PathReason,
    known: Option<Path>,
    suspect: Option<Path>,
    told_at: Monotonic,
}

/// All targets of an agent.
#[derive(Debug)]
pub struct Watch {
    period_ns: i64,
    targets: Vec<Watched>,
}

impl Watch {
    /// Watches one target for each name; names decide the phases, so they should differ from agent to agent.
    #[must_use]
    pub fn new<'n>(names: impl IntoIterator<Item = &'n str>, period_ns: i64, start: Monotonic) -> Self {
        let within_ns = period_ns.clamp(1, FIRST_WITHIN_NS);
        let targets = names.into_iter().map(|name| {
            let first_at = start.plus_ns(phase_ns(name, within_ns));
            Watched {
                first_at,
                due_at: first_at,
                reason: PathReason::Scheduled,
                known: None,
                suspect: None,
                told_at: start,
            }
        });
        Self {
            period_ns: period_ns.max(1),
            targets: targets.collect(),
        }
    }

    /// The target whose trace is due, the longest due first.
    #[must_use]
    pub fn poll_due(&self, now: Monotonic) -> Option<usize> {
        let due = self.targets.iter().enumerate();
        due.filter(|(_, target)| target.due_at <= now)
            .min_by_key(|(_, target)| target.due_at)
            .map(|(index, _)| index)
    }

    /// When the next one is.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Monotonic> {
        self.targets.iter().map(|target| target.due_at).min()
    }

    /// The agent saw its delay to this target shift: it is traced now. One never traced waits for its first turn, because
    /// there is nothing to compare with.
    pub fn ask(&mut self, target: usize, now: Monotonic) {
        if let Some(target) = self.targets.get_mut(target)
            && target.known.is_some()
        {
            target.due_at = target.due_at.min(now);
            target.reason = PathReason::DelayShift;
        }
    }

    /// A trace ended; what it says, if that is new.
    pub fn handle_trace(&mut self, target: usize, path: Path, now: Monotonic) -> Option<Told> {
        let period_ns = self.period_ns;
        let target = self.targets.get_mut(target)?;
        let reason = target.reason;
        target.rest(period_ns, now);
        if path.hops.is_empty() {
            // Nobody answered at all, which says nothing of where the way leads.
            return None;
        }
        let Some(known) = &mut target.known else {
            target.known = Some(path.clone());
            target.told_at = now;
            return Some(Told {
                reason,
                before: None,
                after: path,
            });
        };
        if same(known, &path) {
            if let Some(beside) = target.suspect.take() {
                // Both within seconds: they share the load.
                absorb_beside(known, &beside);
            }
            absorb(known, &path);
            if now.since_ns(target.told_at) < TELL_AGAIN_NS {
                return None;
            }
            target.told_at = now;
            let after = known.clone();
            return Some(Told {
                reason,
                before: None,
                after,
            });
        }
        if target.suspect.take().is_none() {
            target.suspect = Some(path);
            target.reason = reason;
            target.due_at = now.plus_ns(CONFIRM_AFTER_NS);
            return None;
        }
        target.told_at = now;
        Some(Told {
            reason,
            before: target.known.replace(path.clone()),
            after: path,
        })
    }

    /// A trace could not be made; its turn comes again.
    pub fn handle_failure(&mut self, target: usize, now: Monotonic) {
        let period_ns = self.period_ns;
        if let Some(target) = self.targets.get_mut(target) {
            target.suspect = None;
            target.rest(period_ns, now);
        }
    }
}

impl Watched {
    /// Until its next turn after `now`; turns that passed meanwhile are left out.
    fn rest(&mut self, period_ns: i64, now: Monotonic) {
        let passed = now.since_ns(self.first_at).div_euclid(period_ns) + 1;
        self.due_at = self.first_at.plus_ns(passed.max(1).saturating_mul(period_ns));
        self.reason = PathReason::Scheduled;
    }
}

/// Addresses only, and only where both have a hop: another way beside this one may be of another length.
fn absorb_beside(known: &mut Path, beside: &Path) {
    let shorter = known.hops.len().min(beside.hops.len());
    if known.hops.len() == beside.hops.len() || !beside.reached {
        let mut beside = beside.clone();
        beside.hops.truncate(shorter);
        absorb(known, &beside);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use azimuth_measurement::PathHop;

    const PERIOD_NS: i64 = 1_800 * NS_PER_S;

    fn path(routers: &[u8]) -> Path {
        let hop = |router: &u8| PathHop {
            addresses: vec![[10, 0, 0, *router].into()],
            sent: 3,
            answered: 3,
            min_us: Some(5),
            median_us: Some(5),
        };
        Path {
            hops: routers.iter().map(hop).collect(),
            reached: true,
        }
    }

    fn at(s: i64) -> Monotonic {
        Monotonic::from_ns(s * NS_PER_S)
    }

    fn watch() -> Watch {
        Watch::new(["paris-1/one", "paris-1/two"], PERIOD_NS, at(0))
    }

    /// Turns the watch until its target 0 is due; the time then.
    fn until_due(watch: &mut Watch) -> Monotonic {
        loop {
            let now = watch.poll_timeout().expect("targets");
            match watch.poll_due(now) {
                Some(0) => return now,
                Some(other) => watch.handle_failure(other, now),
                None => unreachable!("due at its own time"),
            }
        }
    }

    #[test]
    fn the_first_trace_is_told_and_comes_soon_and_the_next_a_period_later() {
        let mut watch = watch();
        let first = until_due(&mut watch);
        assert!(first <= at(120), "{first:?}");
        let told = watch.handle_trace(0, path(&[1, 2, 9]), first.plus_ns(5));
        assert_eq!(
            told.map(|told| (told.before, told.after)),
            Some((None, path(&[1, 2, 9])))
        );
        assert_eq!(until_due(&mut watch), first.plus_ns(PERIOD_NS));
        assert_eq!(
            watch.handle_trace(0, path(&[1, 2, 9]), first.plus_ns(PERIOD_NS)),
            None
        );
    }

    #[test]
    fn a_change_counts_once_a_second_trace_bears_it_out() {
        let mut watch = watch();
        let first = until_due(&mut watch);
        watch.handle_trace(0, path(&[1, 2, 9]), first);
        let second = until_due(&mut watch);
        assert_eq!(watch.handle_trace(0, path(&[1, 3, 9]), second), None);
        let third = until_due(&mut watch);
        assert_eq!(third, second.plus_ns(CONFIRM_AFTER_NS));
        let told = watch.handle_trace(0, path(&[1, 3, 9]), third).expect("a change");
        assert_eq!(
            (told.before, told.after),
            (Some(path(&[1, 2, 9])), path(&[1, 3, 9]))
        );
        assert!(
            until_due(&mut watch) > third.plus_ns(60 * NS_PER_S),
            "back on its schedule"
        );
        let back = until_due(&mut watch);
        assert_eq!(watch.handle_trace(0, path(&[1, 3, 9]), back), None, "told once");
    }

    #[test]
    fn routers_that_take_turns_are_no_change_and_are_remembered() {
        let mut watch = watch();
        let mut now = until_due(&mut watch);
        watch.handle_trace(0, path(&[1, 2, 9]), now);
        for routers in [[1, 3, 9], [1, 2, 9], [1, 3, 9], [1, 2, 9], [1, 3, 9]] {
            now = until_due(&mut watch);
            assert_eq!(watch.handle_trace(0, path(&routers), now), None);
        }
        assert!(watch.targets[0].suspect.is_none(), "the third time it is known");
    }

    #[test]
    fn silence_is_no_news() {
        let mut watch = watch();
        let first = until_due(&mut watch);
        watch.handle_trace(0, path(&[1, 2, 9]), first);
        let second = until_due(&mut watch);
        assert_eq!(watch.handle_trace(0, Path::default(), second), None);
        assert!(until_due(&mut watch) >= first.plus_ns(2 * PERIOD_NS));
        assert_eq!(watch.targets[0].known, Some(path(&[1, 2, 9])));
    }

    #[test]
    fn a_shift_of_delay_is_looked_into_at_once_and_named_also_when_it_is_borne_out() {
        let mut watch = watch();
        watch.ask(0, at(0));
        let first = until_due(&mut watch);
        watch.handle_trace(0, path(&[1, 2, 9]), first);
        watch.ask(0, first.plus_ns(NS_PER_S));
        let asked = until_due(&mut watch);
        assert_eq!(asked, first.plus_ns(NS_PER_S));
        assert_eq!(watch.handle_trace(0, path(&[1, 3, 9]), asked), None);
        let again = until_due(&mut watch);
        let told = watch.handle_trace(0, path(&[1, 3, 9]), again).expect("a change");
        assert_eq!(told.reason, PathReason::DelayShift);
    }

    #[test]
    fn a_path_that_stays_is_told_again_once_a_day() {
        let mut watch = watch();
        let mut told = 0;
        for _ in 0..96 {
            let now = until_due(&mut watch);
            told += usize::from(watch.handle_trace(0, path(&[1, 9]), now).is_some());
        }
        assert_eq!(told, 2, "at first, and once within two days less half an hour");
    }

    #[test]
    fn what_took_too_long_leaves_turns_out() {
        let mut watch = watch();
        let first = until_due(&mut watch);
        watch.handle_failure(0, first.plus_ns(10 * PERIOD_NS + 5));
        assert_eq!(watch.targets[0].due_at, first.plus_ns(11 * PERIOD_NS));
    }
}
