//! A question about what was told of one way, an agent's to a zone, over some time: which parameters it has, and whether there is such
//! an agent. What was told is `paths` and `throughput`.

use azimuth_measurement::{AgentId, ZoneKey};

use super::params::Params;
use crate::problem::Problem;
use crate::query::{Label, QueryError};
use crate::store::{Store, TimeRange};

/// Longest window.
const LONGEST_MS: u64 = 366 * 86_400_000;

/// What is asked for.
pub(super) struct Way {
    pub(super) agent: AgentId,
    pub(super) zone: ZoneKey,
    pub(super) range: TimeRange,
}

impl Way {
    /// Every parameter there is.
    pub(super) const ALLOWED: &[&str] = &["agent", "zone", "from", "to"];

    /// Reads the parameters; a day up to now unless told otherwise.
    pub(super) fn read(query: Option<&str>, now_unix_ms: u64) -> Result<Self, Problem> {
        let params = Params::read(query, Self::ALLOWED)?;
        Ok(Self {
            agent: params.required("agent")?,
            zone: params.required("zone")?,
            range: params.range(now_unix_ms, "now-24h", LONGEST_MS)?,
        })
    }

    /// Refuses an agent that was never heard: nothing told is not the same as nobody there.
    pub(super) fn must_be_known(&self, store: &dyn Store) -> Result<(), QueryError> {
        if store.dictionary().agent_number(&self.agent).is_some() {
            return Ok(());
        }
        Err(QueryError::Unknown {
            label: Label::Agent,
            value: self.agent.to_string(),
        })
    }
}
