//! Questions put to the store and answered from merged histograms. Pure: no clock, no HTTP; the store is handed in.
//!
//! A quantile is only ever taken from a merged histogram, and travels with the number of delays behind it.

pub mod carried;
pub mod compare;
pub mod distribution;
pub mod explain;
pub mod facts;
pub mod gaps;
pub mod group;
pub mod heatmap;
pub mod label;
pub mod map;
pub(crate) mod merge;
pub mod records;
pub mod selection;
pub mod series;
mod side_by_side;
pub mod source;
mod whole;

use azimuth_measurement::{AgentId, LoadLabel, Method, ZoneKey};
use thiserror::Error;

pub use self::label::Label;
use self::selection::Chosen;
pub use self::selection::Selection;
pub use self::source::{Source, Stop};
use crate::store::{SeriesSelection, StoreError, TimeRange};

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
    /// One of the flows; `None` for all, merged.
    pub flow: Option<u16>,
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
    /// Nothing is stored under this value.
    #[error("there is no {label} `{value}`; {}", where_listed(*.label))]
    Unknown {
        /// The label asked for.
        label: Label,
        /// The value asked for.
        value: String,
    },
    /// More rows than one answer may hold.
    #[error(
        "this would be {cells} rows of {what}, and {most} are allowed; choose fewer with filters{advice}"
    )]
    TooManyCells {
        /// What a row is.
        what: &'static str,
        /// Rows asked for.
        cells: u64,
        /// Rows allowed.
        most: u64,
        /// What else would help.
        advice: &'static str,
    },
    /// Nobody waits for the answer any more.
    #[error("the query was told to stop")]
    Stopped,
}

fn where_listed(label: Label) -> &'static str {
    if label.is_of_zone() {
        "GET /api/v1/zones lists the zones that are measured"
    } else {
        "GET /api/v1/agents lists those that have ever reported"
    }
}

impl PairQuestion {
    fn selection(&self, source: &Source<'_>) -> Result<SeriesSelection, QueryError> {
        let pair = self.pair();
        let pair = match self.flow {
            None => pair,
            Some(flow) => pair.with(Label::Flow, flow.to_string()),
        };
        Ok(Chosen::find(source, &pair, &[])?.series)
    }

    fn pair(&self) -> Selection {
        Selection::of(self.method, self.load)
            .agent(&self.agent)
            .zone(&self.zone)
    }

    /// The flows by which the pair is or was measured, ascending, whichever was asked for.
    ///
    /// # Errors
    /// When a name is not known or the store cannot be read.
    pub fn flows(&self, source: &Source<'_>) -> Result<Vec<u16>, QueryError> {
        let chosen = Chosen::find(source, &self.pair(), &[])?;
        let mut flows: Vec<u16> = chosen.iter().map(|(_, series)| series.descriptor.flow).collect();
        flows.sort_unstable();
        flows.dedup();
        Ok(flows)
    }
}

/// lost / sent; `None` when nothing was sent.
pub(crate) fn loss_ratio(lost: u64, sent: u64) -> Option<f64> {
    (sent > 0).then(|| lost as f64 / sent as f64)
}
