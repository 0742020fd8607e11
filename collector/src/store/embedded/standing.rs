//! What a commit has to know of the file before it decides: settled sequences, rows of agents, reports that are still kept as
//! they arrived. Reads inside the transaction that will write.

use redb::{ReadableTable, Table, WriteTransaction};

use super::tables::{AGENTS, GAPS, GapKey, HOT, HotKey, SETTLED, gaps_of, unseal};
use super::{read_status, while_doing};
use crate::store::admission::Standing;
use crate::store::dictionary::{AgentNumber, Dictionary};
use crate::store::sequences::SettledSequences;
use crate::store::{AgentStatus, StoreError};

const DOING: &str = "commit";

/// The tables, open for reading.
pub(super) struct StandingTables<'t> {
    settled: Table<'t, (u32, u64), &'static [u8]>,
    agents: Table<'t, u32, &'static [u8]>,
    hot: Table<'t, HotKey, &'static [u8]>,
    gaps: Table<'t, GapKey, (u64, u8, u64)>,
}

impl<'t> StandingTables<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            settled: transaction.open_table(SETTLED).map_err(while_doing(DOING))?,
            agents: transaction.open_table(AGENTS).map_err(while_doing(DOING))?,
            hot: transaction.open_table(HOT).map_err(while_doing(DOING))?,
            gaps: transaction.open_table(GAPS).map_err(while_doing(DOING))?,
        })
    }
}

impl Standing for StandingTables<'_> {
    fn settled(&self, agent: AgentNumber, epoch: u64) -> Result<SettledSequences, StoreError> {
        let stored = self.settled.get((agent.0, epoch)).map_err(while_doing(DOING))?;
        stored.map_or(Ok(SettledSequences::default()), |bytes| {
            SettledSequences::from_bytes(bytes.value()).map_err(|error| StoreError {
                doing: DOING,
                cause: error.to_string(),
                damaged: true,
            })
        })
    }

    fn status(&self, dictionary: &Dictionary, agent: AgentNumber) -> Result<Option<AgentStatus>, StoreError> {
        let row = self.agents.get(agent.0).map_err(while_doing(DOING))?;
        row.map_or(Ok(None), |row| read_status(dictionary, agent, row.value()))
    }

    fn frame(
        &self,
        start_unix_ms: u64,
        agent: AgentNumber,
        epoch: u64,
        sequence: u64,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let key = (start_unix_ms, agent.0, epoch, sequence);
        let row = self.hot.get(key).map_err(while_doing(DOING))?;
        Ok(row.and_then(|row| unseal(key, row.value()).map(<[u8]>::to_vec)))
    }

    fn is_buried(
        &self,
        start_unix_ms: u64,
        agent: AgentNumber,
        epoch: u64,
        sequence: u64,
    ) -> Result<bool, StoreError> {
        let ending_later = gaps_of(agent.0, start_unix_ms.saturating_add(1));
        for row in self.gaps.range(ending_later).map_err(while_doing(DOING))? {
            let (key, value) = row.map_err(while_doing(DOING))?;
            let ((_, _, of_epoch, first_sequence), (gap_start_unix_ms, ..)) = (key.value(), value.value());
            if of_epoch == epoch && first_sequence <= sequence && gap_start_unix_ms <= start_unix_ms {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn holds_any(&self, start_unix_ms: u64, agent: AgentNumber) -> Result<bool, StoreError> {
        let all = (start_unix_ms, agent.0, 0, 0)..=(start_unix_ms, agent.0, u64::MAX, u64::MAX);
        let mut rows = self.hot.range(all).map_err(while_doing(DOING))?;
        Ok(rows.next().is_some())
    }
}
