//! What a tier holds on disk, and how fast it is given more. Pure.

use super::TimeRange;

/// Growth is that of the last week: a whole rhythm of people and backups.
const RECENT_MS: u64 = 7 * 86_400_000;

/// What one tier holds on disk. All zero when it holds nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TierHoldings {
    /// What its files take.
    pub bytes: u64,
    /// Start of the oldest period.
    pub from_unix_ms: u64,
    /// End of the newest.
    pub to_unix_ms: u64,
    /// What the files take that reach into the last week before that end.
    pub recent_bytes: u64,
    /// The time those files span.
    pub recent_ms: u64,
}

impl TierHoldings {
    /// Of files with these periods and lengths, in any order.
    pub fn of(files: &[(TimeRange, u64)]) -> Self {
        let Some(to_unix_ms) = files.iter().map(|(range, _)| range.to_unix_ms).max() else {
            return Self::default();
        };
        let recent = |range: &TimeRange| range.to_unix_ms > to_unix_ms.saturating_sub(RECENT_MS);
        let mut holdings = Self {
            to_unix_ms,
            from_unix_ms: to_unix_ms,
            ..Self::default()
        };
        for (range, bytes) in files {
            holdings.bytes += bytes;
            holdings.from_unix_ms = holdings.from_unix_ms.min(range.from_unix_ms);
            if recent(range) {
                holdings.recent_bytes += bytes;
                holdings.recent_ms = holdings
                    .recent_ms
                    .max(to_unix_ms.saturating_sub(range.from_unix_ms));
            }
        }
        holdings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_taken_from_the_last_week_only() {
        const DAY: u64 = 86_400_000;
        let day = |number: u64, bytes| {
            let range = TimeRange {
                from_unix_ms: number * DAY,
                to_unix_ms: (number + 1) * DAY,
            };
            (range, bytes)
        };
        assert_eq!(TierHoldings::of(&[]), TierHoldings::default());
        // Two files of one day: what came late makes a second one.
        let files: Vec<_> = (100..120)
            .map(|number| day(number, if number < 113 { 1_000 } else { 10 }))
            .chain([day(119, 4)])
            .collect();
        assert_eq!(
            TierHoldings::of(&files),
            TierHoldings {
                bytes: 13_074,
                from_unix_ms: 100 * DAY,
                to_unix_ms: 120 * DAY,
                recent_bytes: 74,
                recent_ms: 7 * DAY,
            }
        );
    }
}
