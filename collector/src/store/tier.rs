//! The levels of detail in which data is kept, how long each is kept, and which of them answers which part of a question.
//! Pure; shared by the backends, so that they cannot differ about it.
//!
//! A rollup entry is the merged histogram of everything that started inside its unit, so a coarser tier answers a step
//! exactly when its unit divides the step, and never a stretch that cuts a unit in two: the edges of a question are
//! answered from finer tiers.

use super::{MissingCause, ScanRequest, TimeRange};

/// A level of detail in which data is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Intervals as they were reported, 10 s unless an agent had to merge some.
    TenSeconds,
    /// One minute.
    OneMinute,
    /// One hour.
    OneHour,
    /// One day, in UTC.
    OneDay,
}

impl Tier {
    /// Every tier, finest first.
    pub const ALL: [Self; 4] = [Self::TenSeconds, Self::OneMinute, Self::OneHour, Self::OneDay];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TenSeconds => "10s",
            Self::OneMinute => "1min",
            Self::OneHour => "1h",
            Self::OneDay => "1day",
        }
    }

    /// Length of the intervals kept apart, in seconds.
    pub fn resolution_s(self) -> u32 {
        match self {
            Self::TenSeconds => 10,
            Self::OneMinute => 60,
            Self::OneHour => 3_600,
            Self::OneDay => 86_400,
        }
    }

    /// Length of the unit whose entries are merged into one, in milliseconds. Intervals of the finest tier are kept as
    /// they start.
    pub(super) fn unit_ms(self) -> u64 {
        match self {
            Self::TenSeconds => 1,
            other => u64::from(other.resolution_s()) * 1_000,
        }
    }

    /// The unit that holds an instant.
    pub(super) fn unit_of(self, at_unix_ms: u64) -> u64 {
        at_unix_ms / self.unit_ms() * self.unit_ms()
    }

    /// Whether steps of `step_ms` are made of whole units.
    fn fits(self, step_ms: u64) -> bool {
        step_ms == ScanRequest::WHOLE_RANGE || step_ms.is_multiple_of(self.unit_ms())
    }
}

/// How long each tier is kept, in milliseconds. The one-day tier is kept for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Intervals as reported.
    pub ten_seconds_ms: u64,
    /// One-minute rollups.
    pub one_minute_ms: u64,
    /// One-hour rollups.
    pub one_hour_ms: u64,
}

impl Default for Retention {
    /// 7 days, 90 days, 2 years.
    fn default() -> Self {
        const DAY_MS: u64 = 86_400_000;
        Self {
            ten_seconds_ms: 7 * DAY_MS,
            one_minute_ms: 90 * DAY_MS,
            one_hour_ms: 731 * DAY_MS,
        }
    }
}

impl Retention {
    /// What starts before this instant has left `tier` by `now_unix_ms`. Whole hours, so that files leave whole.
    pub fn keeps_from(&self, tier: Tier, now_unix_ms: u64) -> u64 {
        const HOUR_MS: u64 = 3_600_000;
        let kept_ms = match tier {
            Tier::TenSeconds => self.ten_seconds_ms,
            Tier::OneMinute => self.one_minute_ms,
            Tier::OneHour => self.one_hour_ms,
            Tier::OneDay => return 0,
        };
        now_unix_ms.saturating_sub(kept_ms) / HOUR_MS * HOUR_MS
    }
}

/// A stretch that one tier cannot answer for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hole {
    pub(super) tier: Tier,
    pub(super) range: TimeRange,
    pub(super) cause: MissingCause,
}

/// Part of a question, and who answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stretch {
    /// This tier does.
    From(Tier, TimeRange),
    /// No tier can.
    Missing(TimeRange, MissingCause),
}

/// Divides the request's range among the tiers: each part goes to the coarsest tier that fits the step, is aligned to
/// the part and has no hole there. The stretches tile the range, in ascending order.
pub(super) fn plan(range: TimeRange, step_ms: u64, holes: &[Hole]) -> Vec<Stretch> {
    let tiers: Vec<Tier> = Tier::ALL.into_iter().filter(|tier| tier.fits(step_ms)).collect();
    let mut stretches = Vec::new();
    divide(range, &tiers, holes, &mut stretches);
    stretches
}

/// `tiers` finest first; never empty, because every step is made of milliseconds.
fn divide(range: TimeRange, tiers: &[Tier], holes: &[Hole], stretches: &mut Vec<Stretch>) {
    let Some((&tier, finer)) = tiers.split_last().filter(|_| range.length_ms() > 0) else {
        return;
    };
    let unit_ms = tier.unit_ms();
    let core = TimeRange {
        from_unix_ms: range.from_unix_ms.div_ceil(unit_ms).saturating_mul(unit_ms),
        to_unix_ms: tier.unit_of(range.to_unix_ms),
    };
    if core.length_ms() == 0 {
        return divide(range, finer, holes, stretches);
    }
    let before = TimeRange {
        to_unix_ms: core.from_unix_ms,
        ..range
    };
    let after = TimeRange {
        from_unix_ms: core.to_unix_ms,
        ..range
    };
    divide(before, finer, holes, stretches);
    let mut rest = core;
    while rest.length_ms() > 0 {
        let hole = first_hole(tier, rest, holes);
        let clear_to_unix_ms = hole.map_or(rest.to_unix_ms, |hole| hole.range.from_unix_ms);
        if clear_to_unix_ms > rest.from_unix_ms {
            stretches.push(Stretch::From(
                tier,
                TimeRange {
                    to_unix_ms: clear_to_unix_ms,
                    ..rest
                },
            ));
        }
        let Some(hole) = hole else { break };
        if finer.is_empty() {
            stretches.push(Stretch::Missing(hole.range, hole.cause));
        } else {
            let first = stretches.len();
            divide(hole.range, finer, holes, stretches);
            // What is missing here is missing because this tier lost it; a finer tier is never expected to keep longer.
            for stretch in &mut stretches[first..] {
                if let Stretch::Missing(_, cause) = stretch {
                    *cause = hole.cause;
                }
            }
        }
        rest.from_unix_ms = hole.range.to_unix_ms;
    }
    divide(after, finer, holes, stretches);
}

/// The first hole of `tier` in `range`, widened to whole units and cut to the range.
fn first_hole(tier: Tier, range: TimeRange, holes: &[Hole]) -> Option<Hole> {
    let unit_ms = tier.unit_ms();
    holes
        .iter()
        .filter(|hole| hole.tier == tier)
        .map(|hole| Hole {
            range: TimeRange {
                from_unix_ms: tier.unit_of(hole.range.from_unix_ms).max(range.from_unix_ms),
                to_unix_ms: hole
                    .range
                    .to_unix_ms
                    .div_ceil(unit_ms)
                    .saturating_mul(unit_ms)
                    .min(range.to_unix_ms),
            },
            ..*hole
        })
        .filter(|hole| hole.range.length_ms() > 0)
        .min_by_key(|hole| (hole.range.from_unix_ms, std::cmp::Reverse(hole.range.to_unix_ms)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: u64 = 60_000;
    const HOUR: u64 = 3_600_000;
    const DAY: u64 = 86_400_000;
    /// A midnight.
    const D0: u64 = 20_000 * DAY;

    fn range(from_unix_ms: u64, to_unix_ms: u64) -> TimeRange {
        TimeRange {
            from_unix_ms,
            to_unix_ms,
        }
    }

    #[test]
    fn the_middle_is_coarse_and_the_edges_are_fine() {
        let asked = range(D0 - HOUR - 90_000, D0 + DAY + 2 * MINUTE);
        assert_eq!(
            plan(asked, ScanRequest::WHOLE_RANGE, &[]),
            [
                Stretch::From(Tier::TenSeconds, range(D0 - HOUR - 90_000, D0 - HOUR - MINUTE)),
                Stretch::From(Tier::OneMinute, range(D0 - HOUR - MINUTE, D0 - HOUR)),
                Stretch::From(Tier::OneHour, range(D0 - HOUR, D0)),
                Stretch::From(Tier::OneDay, range(D0, D0 + DAY)),
                Stretch::From(Tier::OneMinute, range(D0 + DAY, D0 + DAY + 2 * MINUTE)),
            ]
        );
    }

    #[test]
    fn a_step_is_never_answered_from_units_that_straddle_it() {
        let asked = range(D0, D0 + DAY);
        let tiers = |step_ms| plan(asked, step_ms, &[]);
        assert_eq!(tiers(10_000), [Stretch::From(Tier::TenSeconds, asked)]);
        assert_eq!(tiers(90_000), [Stretch::From(Tier::TenSeconds, asked)]);
        assert_eq!(tiers(5 * MINUTE), [Stretch::From(Tier::OneMinute, asked)]);
        assert_eq!(tiers(90 * MINUTE), [Stretch::From(Tier::OneMinute, asked)]);
        assert_eq!(tiers(6 * HOUR), [Stretch::From(Tier::OneHour, asked)]);
        assert_eq!(tiers(7 * DAY), [Stretch::From(Tier::OneDay, asked)]);
    }

    #[test]
    fn what_a_tier_lost_is_answered_from_a_finer_one_or_is_missing_with_the_cause() {
        let damaged = |tier, range| Hole {
            tier,
            range,
            cause: MissingCause::Damaged,
        };
        let asked = range(D0, D0 + 4 * HOUR);
        let holes = [damaged(Tier::OneHour, range(D0 + HOUR, D0 + 2 * HOUR))];
        assert_eq!(
            plan(asked, HOUR, &holes),
            [
                Stretch::From(Tier::OneHour, range(D0, D0 + HOUR)),
                Stretch::From(Tier::OneMinute, range(D0 + HOUR, D0 + 2 * HOUR)),
                Stretch::From(Tier::OneHour, range(D0 + 2 * HOUR, D0 + 4 * HOUR)),
            ]
        );
        let retired = Hole {
            tier: Tier::TenSeconds,
            range: range(0, D0 + 2 * HOUR),
            cause: MissingCause::Retention,
        };
        assert_eq!(
            plan(asked, 10_000, &[retired]),
            [
                Stretch::Missing(range(D0, D0 + 2 * HOUR), MissingCause::Retention),
                Stretch::From(Tier::TenSeconds, range(D0 + 2 * HOUR, D0 + 4 * HOUR)),
            ]
        );
        // The hour tier lost an hour that the finer tiers no longer keep.
        let everywhere = [
            holes[0],
            Hole {
                tier: Tier::OneMinute,
                ..retired
            },
            retired,
        ];
        assert_eq!(
            plan(asked, HOUR, &everywhere)[1],
            Stretch::Missing(range(D0 + HOUR, D0 + 2 * HOUR), MissingCause::Damaged)
        );
    }

    #[test]
    fn retention_leaves_whole_hours() {
        let retention = Retention::default();
        let now = D0 + 90 * MINUTE;
        assert_eq!(retention.keeps_from(Tier::TenSeconds, now), D0 - 7 * DAY + HOUR);
        assert_eq!(retention.keeps_from(Tier::OneDay, now), 0);
    }

    proptest! {
        #[test]
        fn stretches_tile_the_range(
            from in 0_u64..3 * DAY / 1_000,
            length in 0_u64..3 * DAY / 1_000,
            step in prop::sample::select(vec![10_000, MINUTE, 90_000, HOUR, DAY, ScanRequest::WHOLE_RANGE]),
            holes in prop::collection::vec((0_usize..4, 0_u64..72, 1_u64..30), 0..5),
        ) {
            let asked = range(D0 + from * 1_000, D0 + (from + length) * 1_000);
            let holes: Vec<Hole> = holes.into_iter().map(|(tier, at, hours)| Hole {
                tier: Tier::ALL[tier],
                range: range(D0 + at * HOUR, D0 + (at + hours) * HOUR),
                cause: MissingCause::Damaged,
            }).collect();
            let mut at = asked.from_unix_ms;
            for stretch in plan(asked, step, &holes) {
                let (Stretch::From(_, part) | Stretch::Missing(part, _)) = stretch;
                prop_assert_eq!(part.from_unix_ms, at);
                prop_assert!(part.length_ms() > 0);
                if let Stretch::From(tier, part) = stretch {
                    prop_assert!(tier.fits(step));
                    prop_assert_eq!(tier.unit_of(part.from_unix_ms), part.from_unix_ms);
                    prop_assert_eq!(tier.unit_of(part.to_unix_ms), part.to_unix_ms);
                    let hit = |hole: &Hole| hole.tier == tier && hole.range.from_unix_ms < part.to_unix_ms
                        && part.from_unix_ms < hole.range.to_unix_ms;
                    prop_assert!(!holes.iter().any(hit));
                }
                at = part.to_unix_ms;
            }
            prop_assert_eq!(at, asked.to_unix_ms);
        }
    }
}
