//! The stretches to look at when one wants to see what an alert is about: before the change, and since. Pure. Not what the
//! detector compared: its reference reaches further back (docs/alerting.md); these are for the eye, and their `n` comes with
//! the distribution of each.

use serde::Serialize;
use utoipa::ToSchema;

use crate::alert::lifecycle::Phase;
use crate::alert::rules::watch::Ending;
use crate::utc::UtcInstant;

const MINUTE_MS: u64 = 60_000;
/// Shorter than this, before has too few delays for a tail.
const LEAST_BEFORE_MS: u64 = 60 * MINUTE_MS;
/// Longer than this, the time of day would be compared rather than the change.
const MOST_MS: u64 = 360 * MINUTE_MS;

/// Before the change and since, of equal length where there is that much, and never less than an hour before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct AlertWindows {
    /// Begin of the stretch before.
    pub before_from: UtcInstant,
    /// Its end, which is `regressed_at`.
    pub before_to: UtcInstant,
    /// Begin of the stretch since, which is `regressed_at`.
    pub after_from: UtcInstant,
    /// Its end: when it was over, or how far the evaluation has come; at most six hours after its begin.
    pub after_to: UtcInstant,
}

/// The stretches around `regressed_at_unix_ms` of an alert in `phase`, whose rule keeps it for `keep_firing_ms` after the
/// condition has gone, when what starts before `evaluated_to_unix_ms` has been looked at.
pub(super) fn around(
    phase: Phase,
    regressed_at_unix_ms: u64,
    keep_firing_ms: u64,
    evaluated_to_unix_ms: Option<u64>,
) -> AlertWindows {
    let evaluated = evaluated_to_unix_ms.unwrap_or(0);
    let end = match phase {
        Phase::Inactive => regressed_at_unix_ms,
        Phase::Pending { since_unix_ms, .. } => evaluated.max(since_unix_ms),
        Phase::Firing { fired_at_unix_ms } => evaluated.max(fired_at_unix_ms),
        Phase::Recovering { since_unix_ms, .. } => since_unix_ms,
        Phase::Resolved {
            resolved_at_unix_ms,
            ending: Ending::Recovered,
            ..
        } => resolved_at_unix_ms.saturating_sub(keep_firing_ms),
        Phase::Resolved {
            resolved_at_unix_ms, ..
        } => resolved_at_unix_ms,
    };
    let after_ms = end.saturating_sub(regressed_at_unix_ms).clamp(MINUTE_MS, MOST_MS);
    let before_ms = after_ms.max(LEAST_BEFORE_MS);
    let change = regressed_at_unix_ms / 1_000 * 1_000;
    let at = UtcInstant::from_unix_ms;
    AlertWindows {
        before_from: at(change.saturating_sub(before_ms) / 1_000 * 1_000),
        before_to: at(change),
        after_from: at(change),
        after_to: at(change.saturating_add(after_ms).div_ceil(1_000) * 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-23T10:00:00.250Z.
    const CHANGE: u64 = 1_795_428_000_250;

    fn texts(phase: Phase, evaluated_to_unix_ms: Option<u64>) -> [String; 4] {
        let windows = around(phase, CHANGE, 15 * MINUTE_MS, evaluated_to_unix_ms);
        [
            windows.before_from,
            windows.before_to,
            windows.after_from,
            windows.after_to,
        ]
        .map(|at| at.to_string())
    }

    #[test]
    fn a_fresh_alert_has_an_hour_before_it_and_reaches_to_what_was_evaluated() {
        let firing = Phase::Firing {
            fired_at_unix_ms: CHANGE + 6 * MINUTE_MS,
        };
        assert_eq!(
            texts(firing, Some(CHANGE + 20 * MINUTE_MS)),
            [
                "2026-11-23T09:00:00Z",
                "2026-11-23T10:00:00Z",
                "2026-11-23T10:00:00Z",
                "2026-11-23T10:20:00Z"
            ]
        );
        assert_eq!(
            texts(firing, None)[3],
            "2026-11-23T10:06:00Z",
            "not evaluated since"
        );
    }

    #[test]
    fn a_long_one_is_cut_so_that_its_times_of_day_are_comparable() {
        let firing = Phase::Firing {
            fired_at_unix_ms: CHANGE,
        };
        assert_eq!(
            texts(firing, Some(CHANGE + 5_000 * MINUTE_MS)),
            [
                "2026-11-23T04:00:00Z",
                "2026-11-23T10:00:00Z",
                "2026-11-23T10:00:00Z",
                "2026-11-23T16:00:00Z"
            ]
        );
    }

    #[test]
    fn what_is_over_ends_where_its_condition_went() {
        let resolved = |ending| Phase::Resolved {
            fired_at_unix_ms: CHANGE,
            resolved_at_unix_ms: CHANGE + 75 * MINUTE_MS,
            ending,
        };
        let far = Some(CHANGE + 600 * MINUTE_MS);
        assert_eq!(texts(resolved(Ending::Recovered), far)[3], "2026-11-23T11:00:00Z");
        assert_eq!(texts(resolved(Ending::Retired), far)[3], "2026-11-23T11:15:00Z");
        let recovering = Phase::Recovering {
            fired_at_unix_ms: CHANGE,
            since_unix_ms: CHANGE + 5 * MINUTE_MS,
            gone_ms: 0,
        };
        assert_eq!(texts(recovering, far)[3], "2026-11-23T10:05:00Z");
    }

    #[test]
    fn no_window_is_empty_whatever_the_times() {
        let phases = [
            Phase::Inactive,
            Phase::Firing { fired_at_unix_ms: 0 },
            Phase::Firing {
                fired_at_unix_ms: u64::MAX / 2,
            },
        ];
        for phase in phases {
            let windows = around(phase, CHANGE, u64::MAX, Some(0));
            assert!(windows.before_from < windows.before_to && windows.after_from < windows.after_to);
        }
    }
}
