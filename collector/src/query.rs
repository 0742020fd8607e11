//! Questions put to the store and answered from merged histograms. Pure: no clock, no HTTP; the store is handed in.
//!
//! A quantile is only ever taken from a merged histogram, and travels with the number of delays behind it.

pub mod distribution;
pub mod heatmap;
pub mod map;
mod merge;
pub mod series;

use std::sync::Arc;

use azimuth_measurement::{AgentId, LoadLabel, Method, ZoneKey};
use thiserror::Error;

use crate::store::dictionary::Series;
use crate::store::{Dictionary, SeriesSelection, Store, StoreError, TimeRange};

/// A question about one agent and one zone. One method, one load label: two of either are never merged.
#[derive(Debug, Clone)]
pub struct PairQuestion {
    /// The agent.
    pub agent: AgentId,
    /// The zone.
    pub zone: ZoneKey,
    /// The method.
    pub method: Method,
    /// The load label.
    pub load: LoadLabel,
    /// Intervals that start in this range.
    pub range: TimeRange,
}

/// Why a question has no answer.
#[derive(Debug, Error)]
pub enum QueryError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Counters would overflow; no true measurement gets there.
    #[error("the counters of this range add up to more than 64 bits hold")]
    Overflow,
    /// No such agent.
    #[error("no agent {0} has ever reported; GET /api/v1/agents lists those that have")]
    UnknownAgent(AgentId),
    /// No such zone.
    #[error("zone {0} is not measured; GET /api/v1/zones lists those that are")]
    UnknownZone(ZoneKey),
}

impl PairQuestion {
    fn selection(&self, store: &dyn Store) -> Result<SeriesSelection, QueryError> {
        let dictionary = store.dictionary();
        let agents = std::slice::from_ref(&self.agent);
        let zones = std::slice::from_ref(&self.zone);
        check_names(&dictionary, agents, zones)?;
        let number = dictionary.agent_number(&self.agent);
        Ok(dictionary
            .series()
            .filter(|(_, series)| Some(series.agent) == number && series.descriptor.zone == self.zone)
            .filter(|(_, series)| measures(series, self.method, self.load))
            .map(|(id, _)| id)
            .collect())
    }
}

fn measures(series: &Series, method: Method, load: LoadLabel) -> bool {
    series.descriptor.method == method && series.descriptor.load == load
}

/// Refuses names that nothing is stored under, so that a misspelt one is not answered with emptiness.
fn check_names(
    dictionary: &Arc<Dictionary>,
    agents: &[AgentId],
    zones: &[ZoneKey],
) -> Result<(), QueryError> {
    if let Some(agent) = agents
        .iter()
        .find(|agent| dictionary.agent_number(agent).is_none())
    {
        return Err(QueryError::UnknownAgent(agent.clone()));
    }
    let unknown = |zone: &&ZoneKey| {
        !dictionary
            .series()
            .any(|(_, series)| series.descriptor.zone == **zone)
    };
    match zones.iter().find(unknown) {
        Some(zone) => Err(QueryError::UnknownZone(zone.clone())),
        None => Ok(()),
    }
}

/// lost / sent; `None` when nothing was sent.
pub(crate) fn loss_ratio(lost: u64, sent: u64) -> Option<f64> {
    (sent > 0).then(|| lost as f64 / sent as f64)
}
