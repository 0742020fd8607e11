//! What goes wrong, and when: incidents as intervals on the world's own clock.
//!
//! Not what they do to a packet ([`crate::relay::conditions`]). Intervals are `[from, to)`.

/// When one incident is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// First beginning.
    pub from_ns: u64,
    /// Length, never 0.
    pub for_ns: u64,
    /// From beginning to beginning, longer than the length; `None` for once only.
    pub repeat_ns: Option<u64>,
}

/// One time that an incident is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occurrence {
    /// Which time, counted from 0.
    pub number: u64,
    /// Beginning.
    pub from_ns: u64,
    /// End, not included.
    pub to_ns: u64,
}

impl Times {
    /// The latest occurrence that has begun by `now_ns`.
    #[must_use]
    pub fn latest(&self, now_ns: u64) -> Option<Occurrence> {
        let since_ns = now_ns.checked_sub(self.from_ns)?;
        let number = self.repeat_ns.map_or(0, |period_ns| since_ns / period_ns);
        Some(self.occurrence(number))
    }

    /// The occurrence that is on at `now_ns`.
    #[must_use]
    pub fn on_at(&self, now_ns: u64) -> Option<Occurrence> {
        self.latest(now_ns).filter(|occurrence| now_ns < occurrence.to_ns)
    }

    /// The next beginning or end strictly after `now_ns`; `None` when nothing more will happen.
    #[must_use]
    pub fn next_change_after(&self, now_ns: u64) -> Option<u64> {
        let Some(latest) = self.latest(now_ns) else {
            return Some(self.from_ns);
        };
        if now_ns < latest.to_ns {
            return Some(latest.to_ns);
        }
        self.repeat_ns.map(|_| self.occurrence(latest.number + 1).from_ns)
    }

    /// The first `count` occurrences that end after `now_ns`.
    pub fn coming(&self, now_ns: u64, count: usize) -> impl Iterator<Item = Occurrence> + '_ {
        let first = self.latest(now_ns).map_or(0, |latest| latest.number);
        let last = if self.repeat_ns.is_some() { u64::MAX } else { 0 };
        (first..=last)
            .map(|number| self.occurrence(number))
            .filter(move |one| one.to_ns > now_ns)
            .take(count)
    }

    fn occurrence(&self, number: u64) -> Occurrence {
        let from_ns = self
            .from_ns
            .saturating_add(self.repeat_ns.unwrap_or(0).saturating_mul(number));
        Occurrence {
            number,
            from_ns,
            to_ns: from_ns.saturating_add(self.for_ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAILY: Times = Times {
        from_ns: 100,
        for_ns: 20,
        repeat_ns: Some(50),
    };

    #[test]
    fn an_interval_includes_its_start_and_excludes_its_end() {
        let on: Vec<u64> = (95..175).filter(|now| DAILY.on_at(*now).is_some()).collect();
        let expected: Vec<u64> = (100..120).chain(150..170).collect();
        assert_eq!(on, expected);
    }

    #[test]
    fn once_is_once() {
        let once = Times {
            repeat_ns: None,
            ..DAILY
        };
        assert_eq!(once.next_change_after(120), None);
        assert_eq!(once.coming(0, 5).count(), 1);
        assert_eq!(once.coming(120, 5).count(), 0);
        assert_eq!(
            DAILY.coming(119, 2).map(|one| one.from_ns).collect::<Vec<_>>(),
            [100, 150]
        );
    }

    proptest! {
        #[test]
        fn nothing_changes_between_two_changes(from_ns in 0_u64..500, for_ns in 1_u64..50, gap in 1_u64..50,
                                               repeats: bool, now_ns in 0_u64..2000) {
            let times = Times { from_ns, for_ns, repeat_ns: repeats.then_some(for_ns + gap) };
            let state = times.on_at(now_ns);
            match times.next_change_after(now_ns) {
                Some(change_ns) => {
                    prop_assert!(change_ns > now_ns);
                    for between_ns in now_ns..change_ns {
                        prop_assert_eq!(times.on_at(between_ns), state);
                    }
                    prop_assert_ne!(times.on_at(change_ns), state);
                }
                None => prop_assert!((now_ns..now_ns + 300).all(|later_ns| times.on_at(later_ns) == state)),
            }
        }
    }
}
