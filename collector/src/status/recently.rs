//! What the counters grew by in the last minutes: a short row of what they were, and a difference. Pure; handed the time
//! as milliseconds since the start, so that a step of the wall clock changes nothing.

use std::collections::{BTreeMap, VecDeque};

use super::commit_times::Buckets;

/// What "lately" means: five minutes.
pub const WINDOW_MS: u64 = 5 * 60_000;
/// As far back as is remembered. Sealing that failed is tried again ten minutes later, so this is longer.
pub const LONGEST_MS: u64 = 15 * 60_000;

/// What said no, or lost something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A report or tombstone; the subject is the verdict.
    Item,
    /// A whole body; the subject is `refused` or `unavailable`.
    Body,
    /// A question; the subject is the endpoint.
    Query,
    /// A connection.
    Connection,
    /// The store.
    Store,
}

impl Kind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Item => "item",
            Self::Body => "body",
            Self::Query => "query",
            Self::Connection => "connection",
            Self::Store => "store",
        }
    }
}

/// The name of a count: what, of what, why.
pub type Name = (Kind, &'static str, &'static str);

/// The counters at one instant, or what they grew by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Everything that was not stored or not answered, by name.
    pub refusals: BTreeMap<Name, u64>,
    /// Reports and tombstones stored.
    pub stored: u64,
    /// Bytes of bodies read.
    pub body_bytes: u64,
    /// Commits by how long they took.
    pub commits: Buckets,
}

impl Totals {
    fn minus(&self, before: &Self) -> Self {
        fn difference<K: Ord + Copy>(now: &BTreeMap<K, u64>, before: &BTreeMap<K, u64>) -> BTreeMap<K, u64> {
            now.iter()
                .map(|(name, count)| {
                    (
                        *name,
                        count.saturating_sub(before.get(name).copied().unwrap_or(0)),
                    )
                })
                .filter(|(_, grown)| *grown > 0)
                .collect()
        }
        Self {
            refusals: difference(&self.refusals, &before.refusals),
            stored: self.stored.saturating_sub(before.stored),
            body_bytes: self.body_bytes.saturating_sub(before.body_bytes),
            commits: difference(&self.commits, &before.commits),
        }
    }
}

/// What happened in a stretch that ends now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lately {
    /// How long the stretch is: shorter than asked for just after the start.
    pub length_ms: u64,
    /// What the counters grew by in it.
    pub grown: Totals,
}

impl Lately {
    /// How many of one kind, subject and reason.
    pub fn count(&self, kind: Kind, reason: &str) -> u64 {
        let same = |(name, _): &(&Name, &u64)| name.0 == kind && name.2 == reason;
        self.grown
            .refusals
            .iter()
            .filter(same)
            .map(|(_, count)| count)
            .sum()
    }

    /// Rounds of sealing and retiring that failed.
    pub fn maintenance_failed(&self) -> u64 {
        self.count(Kind::Store, "maintenance_failed")
    }
}

/// The counters as they were, oldest first.
#[derive(Debug, Default)]
pub struct Recently(VecDeque<(u64, Totals)>);

impl Recently {
    /// Notes what the counters are at `uptime_ms`.
    pub fn note(&mut self, uptime_ms: u64, totals: Totals) {
        self.0.push_back((uptime_ms, totals));
        // One that is older than the longest stretch is kept, to take the difference from.
        while self
            .0
            .get(1)
            .is_some_and(|(at, _)| at.saturating_add(LONGEST_MS) <= uptime_ms)
        {
            self.0.pop_front();
        }
    }

    /// What the counters grew by in the last `window_ms`, or since the start: the difference from the last look that is
    /// at least so old.
    pub fn since(&self, window_ms: u64, uptime_ms: u64, now: &Totals) -> Lately {
        let old_enough = |(at, _): &&(u64, Totals)| at.saturating_add(window_ms) <= uptime_ms;
        match self.0.iter().rev().find(old_enough) {
            Some((at, before)) => Lately {
                length_ms: uptime_ms - at,
                grown: now.minus(before),
            },
            None => Lately {
                length_ms: uptime_ms,
                grown: now.clone(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: Name = (Kind::Item, "refused", "bad_interval");

    fn totals(stored: u64, refused: u64) -> Totals {
        Totals {
            stored,
            refusals: BTreeMap::from([(REFUSED, refused)]),
            ..Totals::default()
        }
    }

    #[test]
    fn just_after_the_start_everything_is_lately() {
        let lately = Recently::default().since(WINDOW_MS, 1_000, &totals(10, 1));
        assert_eq!((lately.length_ms, lately.grown), (1_000, totals(10, 1)));
    }

    #[test]
    fn what_is_older_than_the_window_is_no_longer_lately() {
        let mut recently = Recently::default();
        for minute in 1..=60_u64 {
            recently.note(minute * 60_000, totals(minute * 100, minute.min(54)));
        }
        let now = totals(6_010, 54);
        let lately = recently.since(WINDOW_MS, 60 * 60_000 + 30_000, &now);
        assert_eq!(lately.length_ms, 330_000, "the last look that is old enough");
        assert_eq!((lately.grown.stored, lately.grown.refusals.len()), (510, 0));
        assert_eq!(lately.count(Kind::Item, "bad_interval"), 0);
        let longer = recently.since(LONGEST_MS, 60 * 60_000, &now);
        assert_eq!(longer.count(Kind::Item, "bad_interval"), 9);
        assert_eq!(recently.0.len(), 16, "no more is remembered than is asked for");
    }
}
