//! When the disk will be full. Pure.
//!
//! Each tier grows at the rate of its last week of sealed files until it holds as much time as its retention keeps, and
//! then no more: what comes pushes out what leaves. The rest of the store (the reports that are not sealed yet) is taken
//! to stay as large as it is, and the rest of the disk is taken to stand still.

use crate::store::{Retention, Tier, TierHoldings};

/// Bytes are said per day.
const DAY_MS: f64 = 86_400_000.0;
/// Beyond this nobody can say anything.
pub const HORIZON_DAYS: f64 = 3_660.0;
/// Growth taken from less sealed time than this is no growth.
const SHORTEST_BASIS_MS: u64 = 3_600_000;

/// How one tier grows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Growth {
    /// Bytes it is given in a day.
    pub bytes_per_day: f64,
    /// Days until its retention takes away as much as it is given; infinite for the tier that is kept for ever.
    pub for_days: f64,
}

impl Growth {
    /// What `held` tells; `None` while too little is sealed.
    pub fn of(held: &TierHoldings, kept_ms: Option<u64>) -> Option<Self> {
        if held.recent_ms < SHORTEST_BASIS_MS {
            return None;
        }
        let held_ms = held.to_unix_ms.saturating_sub(held.from_unix_ms);
        Some(Self {
            bytes_per_day: held.recent_bytes as f64 / held.recent_ms as f64 * DAY_MS,
            for_days: kept_ms.map_or(f64::INFINITY, |kept_ms| {
                kept_ms.saturating_sub(held_ms) as f64 / DAY_MS
            }),
        })
    }

    fn bytes_after(&self, days: f64) -> f64 {
        self.bytes_per_day * days.min(self.for_days)
    }
}

/// How long a tier is kept; `None` for ever.
pub fn kept_ms(retention: &Retention, tier: Tier) -> Option<u64> {
    match tier {
        Tier::TenSeconds => Some(retention.ten_seconds_ms),
        Tier::OneMinute => Some(retention.one_minute_ms),
        Tier::OneHour => Some(retention.one_hour_ms),
        Tier::OneDay => None,
    }
}

/// Bytes a day by which the store grows now.
pub fn bytes_per_day(tiers: &[Growth]) -> f64 {
    tiers
        .iter()
        .filter(|tier| tier.for_days > 0.0)
        .map(|tier| tier.bytes_per_day)
        .sum()
}

/// Days until `free_bytes` are used up; `None` when they last longer than [`HORIZON_DAYS`].
pub fn days_until_full(free_bytes: u64, tiers: &[Growth]) -> Option<f64> {
    let free_bytes = free_bytes as f64;
    let after = |days: f64| tiers.iter().map(|tier| tier.bytes_after(days)).sum::<f64>();
    if after(HORIZON_DAYS) < free_bytes {
        return None;
    }
    // Growth never turns negative, so halving finds the day; sixty halvings are less than a microsecond from it.
    let (mut early, mut late) = (0.0, HORIZON_DAYS);
    for _ in 0..60 {
        let middle = f64::midpoint(early, late);
        if after(middle) < free_bytes {
            early = middle;
        } else {
            late = middle;
        }
    }
    Some(late)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn growth(bytes_per_day: f64, for_days: f64) -> Growth {
        Growth {
            bytes_per_day,
            for_days,
        }
    }

    fn days(free_bytes: u64, tiers: &[Growth]) -> Option<f64> {
        days_until_full(free_bytes, tiers).map(|days| (days * 1_000.0).round() / 1_000.0)
    }

    #[test]
    fn a_tier_grows_until_its_retention_takes_as_much_as_it_is_given() {
        let for_ever = growth(10.0, f64::INFINITY);
        assert_eq!(days(1_000, &[for_ever]), Some(100.0));
        let soon_full = growth(100.0, 2.0);
        assert_eq!(days(150, &[soon_full]), Some(1.5));
        assert_eq!(days(201, &[soon_full]), None, "retention is faster than the disk");
        assert_eq!(
            days(1_000, &[for_ever, soon_full]),
            Some(80.0),
            "200 in two days, the rest at 10 a day"
        );
        assert_eq!(days(0, &[]), Some(0.0), "there is nothing left");
        assert_eq!(days(1, &[]), None);
        assert_eq!(bytes_per_day(&[for_ever, growth(7.0, 0.0)]), 10.0);
    }

    #[test]
    fn growth_is_that_of_the_last_week_sealed() {
        const DAY: u64 = 86_400_000;
        let mut held = TierHoldings {
            bytes: 900,
            from_unix_ms: 10 * DAY,
            to_unix_ms: 15 * DAY,
            recent_bytes: 400,
            recent_ms: 4 * DAY,
        };
        assert_eq!(Growth::of(&held, Some(7 * DAY)), Some(growth(100.0, 2.0)));
        assert_eq!(Growth::of(&held, Some(3 * DAY)), Some(growth(100.0, 0.0)));
        assert_eq!(Growth::of(&held, None), Some(growth(100.0, f64::INFINITY)));
        held.recent_ms = SHORTEST_BASIS_MS - 1;
        assert_eq!(Growth::of(&held, None), None);
    }
}
