//! How many series there may be, and how fast new ones and new manifests may come. Pure: handed the time. Only what is new
//! ever has to wait or is refused; what is known keeps flowing, whatever else its manifest describes.
//!
//! The rate is counted over the last hour from when each series was admitted, which the store keeps: a restart gives
//! nobody a new allowance, and an hour later what was refused is admitted with the next report, without a word from
//! anybody. A clock that is set back forgets the hour; that allows more than it should, once, and loses nothing.

use serde::Serialize;
use utoipa::ToSchema;

use super::Dictionary;
use super::dictionary::{AgentNumber, MAX_SERIES};

const HOUR_MS: u64 = 3_600_000;

/// Whether what happened at `at_unix_ms` counts among the last hour's.
pub(super) fn is_within_an_hour(at_unix_ms: u64, now_unix_ms: u64) -> bool {
    at_unix_ms.abs_diff(now_unix_ms) < HOUR_MS
}

/// How many series there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeriesLimits {
    /// Of all agents.
    pub series: usize,
    /// Of one agent.
    pub series_per_agent: usize,
    /// New ones of all agents, in any hour.
    pub new_per_hour: usize,
    /// New ones of one agent, in any hour.
    pub new_per_agent_per_hour: usize,
    /// New manifests of one agent, in any hour. Each is kept as long as the store, whatever it describes.
    pub new_manifests_per_agent_per_hour: usize,
}

impl SeriesLimits {
    /// Only what the dictionary itself can number.
    pub const NONE: Self = Self {
        series: MAX_SERIES,
        series_per_agent: usize::MAX,
        new_per_hour: usize::MAX,
        new_per_agent_per_hour: usize::MAX,
        new_manifests_per_agent_per_hour: usize::MAX,
    };

    /// Whether one more manifest of this agent may be taken in now.
    pub(super) fn takes_manifest(
        &self,
        dictionary: &Dictionary,
        agent: AgentNumber,
        now_unix_ms: u64,
    ) -> bool {
        dictionary.recent_manifests_of(agent, now_unix_ms) < self.new_manifests_per_agent_per_hour
    }

    /// What there is room for now.
    pub(super) fn room(&self, dictionary: &Dictionary, agent: AgentNumber, now_unix_ms: u64) -> Room {
        let in_all = self
            .series
            .min(MAX_SERIES)
            .saturating_sub(dictionary.series_count());
        let of_agent = self
            .series_per_agent
            .saturating_sub(dictionary.series_count_of(agent));
        let by_limit = in_all.min(of_agent);
        if self.new_per_hour == usize::MAX && self.new_per_agent_per_hour == usize::MAX {
            return Room {
                by_limit,
                by_rate: usize::MAX,
            };
        }
        let (mut recent, mut recent_of_agent) = (0, 0);
        for admitted in dictionary
            .admitted_newest_first()
            .take_while(|admitted| is_within_an_hour(admitted.at_unix_ms, now_unix_ms))
        {
            if recent >= self.new_per_hour {
                break;
            }
            recent += admitted.series;
            recent_of_agent += if admitted.agent == agent {
                admitted.series
            } else {
                0
            };
        }
        let by_rate = self.new_per_hour.saturating_sub(recent);
        Room {
            by_limit,
            by_rate: by_rate.min(self.new_per_agent_per_hour.saturating_sub(recent_of_agent)),
        }
    }
}

impl Default for SeriesLimits {
    /// An agent with every zone by every method at once is a few hundred. A manifest changes when somebody edits a
    /// configuration, or a target's name comes to stand for another address.
    fn default() -> Self {
        Self {
            series: MAX_SERIES,
            series_per_agent: 2_000,
            new_per_hour: 20_000,
            new_per_agent_per_hour: 500,
            new_manifests_per_agent_per_hour: 20,
        }
    }
}

/// Room for new series of one agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    by_limit: usize,
    by_rate: usize,
}

impl Room {
    /// How many may be admitted now.
    pub(super) fn series(self) -> usize {
        self.by_limit.min(self.by_rate)
    }

    /// Notes a refused record of the series that waits behind `before` others of its manifest: it waits for the next
    /// hour if the limits have room for it then, and else for ever.
    pub(super) fn refuse(self, before: usize, histograms: usize, refused: &mut RefusedRecords) {
        if before < self.by_limit {
            refused.new_series_rate += 1;
        } else {
            refused.series_limit += 1;
        }
        refused.histograms += u32::try_from(histograms).unwrap_or(u32::MAX);
    }
}

/// Records of a stored report that were not stored, because their series are not admitted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct RefusedRecords {
    /// Of series that would be too many.
    pub series_limit: u32,
    /// Of series of which too many are new; later records of theirs will be stored.
    pub new_series_rate: u32,
    /// Histograms in all of them.
    #[serde(skip)]
    pub histograms: u32,
}

impl RefusedRecords {
    /// How many.
    pub fn records(self) -> u32 {
        self.series_limit + self.new_series_rate
    }
}
