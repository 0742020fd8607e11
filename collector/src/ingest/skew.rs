//! How far each agent's clock was off when its last report came. A tombstone has the times of its agent's clock and no age,
//! so a body of tombstones alone says nothing about that clock: what an agent gave up under a clock 400 days off would
//! show as a gap 400 days away. Not a judge of clocks: that is [`super::placement`].

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use azimuth_measurement::AgentId;

use crate::store::{Item, Store};

/// Agent clock minus collector clock in milliseconds, of agents whose clock was off.
#[derive(Debug, Default)]
pub struct Skews(Mutex<HashMap<AgentId, i64>>);

impl Skews {
    /// What the store remembers. When it cannot be read nothing is known, and the reports to come will tell.
    pub fn of(store: &dyn Store) -> Self {
        let skews = Self::default();
        match store.agents() {
            Ok(statuses) => statuses
                .into_iter()
                .for_each(|status| skews.note(&status.agent, status.clock_skew_ms)),
            Err(error) => {
                tracing::warn!("{error}; tombstones are placed by their agents' clocks until reports come");
            }
        }
        skews
    }

    /// The skew at the last report; 0 when there was none or the clock was right.
    pub fn last(&self, agent: &AgentId) -> i64 {
        let skews = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        skews.get(agent).copied().unwrap_or_default()
    }

    /// Notes an item that was stored: only those are of agents that are known, so there are never more than those.
    pub(super) fn note_stored(&self, item: &(AgentId, Option<i64>)) {
        if let (agent, Some(clock_skew_ms)) = item {
            self.note(agent, *clock_skew_ms);
        }
    }

    fn note(&self, agent: &AgentId, clock_skew_ms: i64) {
        let mut skews = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if clock_skew_ms == 0 {
            skews.remove(agent);
        } else if let Some(known) = skews.get_mut(agent) {
            *known = clock_skew_ms;
        } else {
            skews.insert(agent.clone(), clock_skew_ms);
        }
    }
}

/// What an item says about its agent's clock.
pub(super) fn told_by(item: &Item) -> (AgentId, Option<i64>) {
    match item {
        Item::Report(report) => (report.agent.clone(), Some(report.clock_skew_ms)),
        Item::Tombstone(tombstone) => (tombstone.agent.clone(), None),
    }
}
