//! What the collector wants this agent to measure, and what of it the agent does: its plan.
//!
//! | room | what it does |
//! |---|---|
//! | [`judge`] | whose plan it is, and whether it is newer (pure) |
//! | [`merge`] | the agent's own configuration and the plan in one, as far as the agent's policy allows (pure) |
//! | [`keeper`] | the plan that is in use, on disk, and when the next one is asked for |
//! | [`command`] | `azimuth-agent plan`: the same for people |
//!
//! Not the policy itself: that is [`crate::policy`]. Not the way to the collector: that is [`crate::uplink`].

pub mod command;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod judge;
pub mod keeper;
pub mod merge;
