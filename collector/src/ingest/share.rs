//! How much of the queue one agent may hold. Without it an agent that posts many bodies at once, by a fault or on purpose,
//! would fill the queue that all share, and everybody would be told to come back later.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use azimuth_measurement::AgentId;

/// Most bytes of one agent that may wait for a commit: two of the largest bodies, where an agent sends one at a time.
pub const AGENT_QUEUED_BYTES: u32 = 2 * 1024 * 1024;

/// Bytes that wait, by agent.
#[derive(Debug, Clone)]
pub(super) struct Shares {
    most_bytes: u32,
    waiting: Arc<Mutex<HashMap<AgentId, u64>>>,
}

impl Shares {
    pub(super) fn new(most_bytes: u32) -> Self {
        Self {
            most_bytes,
            waiting: Arc::default(),
        }
    }

    /// Takes these bytes of each agent's share, or none of them.
    ///
    /// # Errors
    /// The agent that has too much waiting. One that has nothing waiting is never refused, however small the share is.
    pub(super) fn take(&self, asked: HashMap<AgentId, u64>) -> Result<Share, AgentId> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let full = asked.iter().find(|(agent, bytes)| {
            let held = waiting.get(*agent).copied().unwrap_or_default();
            held > 0 && held.saturating_add(**bytes) > self.most_bytes.into()
        });
        if let Some((agent, _)) = full {
            return Err(agent.clone());
        }
        for (agent, bytes) in &asked {
            *waiting.entry(agent.clone()).or_default() += bytes;
        }
        drop(waiting);
        Ok(Share {
            taken: asked,
            waiting: Arc::clone(&self.waiting),
        })
    }
}

/// Given back when what it stands for is committed or given up.
#[derive(Debug)]
pub(super) struct Share {
    taken: HashMap<AgentId, u64>,
    waiting: Arc<Mutex<HashMap<AgentId, u64>>>,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for (agent, bytes) in &self.taken {
            if let Some(held) = waiting.get_mut(agent) {
                *held = held.saturating_sub(*bytes);
                if *held == 0 {
                    waiting.remove(agent);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::agent;

    #[test]
    fn one_agent_has_its_share_and_no_more_and_others_have_theirs() {
        let shares = Shares::new(10);
        let ask = |id: &str, bytes| shares.take(HashMap::from([(agent(id), bytes)]));
        let first = ask("a", 6).expect("room");
        assert_eq!(ask("a", 5).expect_err("too much"), agent("a"));
        let second = ask("a", 4).expect("exactly the share");
        let other = ask("b", 10).expect("a share of its own");
        drop((first, second));
        let large = ask("a", 50).expect("who has nothing waiting is let in");
        assert!(ask("a", 1).is_err());
        drop((large, other));
        assert!(
            shares.waiting.lock().expect("not poisoned").is_empty(),
            "nothing is left behind"
        );
    }

    #[test]
    fn a_body_of_several_agents_is_let_in_whole_or_not_at_all() {
        let shares = Shares::new(10);
        let _held = shares.take(HashMap::from([(agent("a"), 9)])).expect("room");
        let both = HashMap::from([(agent("a"), 2), (agent("b"), 2)]);
        assert_eq!(shares.take(both).expect_err("a has too much"), agent("a"));
        assert_eq!(shares.waiting.lock().expect("not poisoned").len(), 1);
    }
}
