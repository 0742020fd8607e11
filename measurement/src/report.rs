//! One agent, one interval, all its series: the unit that is sent, acknowledged and stored once. And the tombstone: the
//! counted trace that stays where reports had to be given up, so that a gap always has a cause.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::agent_id::AgentId;
use crate::counts::{CountsError, ProbeCounts};
use crate::histogram::DelayHistogram;
use crate::interval::Interval;
use crate::method::{LossCause, PlanRefusal, StampClock};
use crate::path::{MAX_EVENT_HOPS, MAX_PATH_EVENTS, PathError, PathEvent};
use crate::series::{MAX_SERIES, ManifestId};
use crate::throughput::{MAX_RESULTS, ThroughputError, ThroughputResult};

/// What one series saw in one interval.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeriesRecord {
    /// Position of the series in the manifest.
    pub series: u32,
    /// What happened to its probes.
    pub counts: ProbeCounts,
    /// Their delays, one histogram per clock, best clock first, none empty.
    pub delays: Vec<(StampClock, DelayHistogram)>,
}

/// How the agent itself fared in the interval. Counters are totals since the agent started.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AgentHealth {
    /// How long after its due time each probe left, as a histogram in microseconds, this interval only.
    pub send_lateness: DelayHistogram,
    /// Reports given up because there was no room.
    pub reports_dropped: u64,
    /// Reports the collector refused.
    pub reports_refused: u64,
    /// Deliveries that failed and were tried again.
    pub deliveries_failed: u64,
    /// Times the wall clock was found stepped between two stamps.
    pub clock_steps: u64,
    /// The plan it measures by; `None` where it never had one.
    pub plan: Option<PlanStanding>,
}

/// Which plan an agent measures by, and what of it it does not do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlanStanding {
    /// The version; 0 where none was taken yet.
    pub version: u64,
    /// Nothing is sent, because the plan says so.
    pub stopped: bool,
    /// What is refused, by reason, ascending, each once: of the plan in use, and whole plans since the agent started.
    pub refused: Vec<(PlanRefusal, u32)>,
}

/// One agent, one interval, all its series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The agent.
    pub agent: AgentId,
    /// The sequence space this report counts in: Unix time in milliseconds when the agent began it.
    pub epoch: u64,
    /// Number within the epoch, from 1. (agent, epoch, sequence) is stored at most once.
    pub sequence: u64,
    /// The manifest whose series the records name.
    pub manifest: ManifestId,
    /// The interval, by the agent's clock.
    pub interval: Interval,
    /// One record per series that had anything to say, ascending by series.
    pub records: Vec<SeriesRecord>,
    /// Paths told in the interval, or in one shortly before; rarely any.
    pub paths: Vec<PathEvent>,
    /// Throughput tests that ended in the interval, or in one shortly before; rarely any.
    pub throughput: Vec<ThroughputResult>,
    /// How the agent fared.
    pub health: AgentHealth,
}

impl PlanStanding {
    /// Adds to what is refused.
    pub fn add_refused(&mut self, more: &BTreeMap<PlanRefusal, u32>) {
        for (reason, count) in more {
            match self.refused.binary_search_by_key(reason, |(reason, _)| *reason) {
                Ok(place) => {
                    if let Some((_, refused)) = self.refused.get_mut(place) {
                        *refused = refused.saturating_add(*count);
                    }
                }
                Err(place) => self.refused.insert(place, (*reason, *count)),
            }
        }
    }
}

/// Stands in the place of reports that will never come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// The agent.
    pub agent: AgentId,
    /// The sequence space.
    pub epoch: u64,
    /// First sequence given up.
    pub first_sequence: u64,
    /// Last sequence given up.
    pub last_sequence: u64,
    /// Start of the first interval given up, by the agent's clock.
    pub start_unix_ms: u64,
    /// End of the last interval given up.
    pub end_unix_ms: u64,
    /// Why.
    pub cause: LossCause,
}

/// The report or tombstone contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReportError {
    /// Sequences count from 1.
    #[error("sequence 0; sequences count from 1")]
    SequenceZero,
    /// More records than series allowed.
    #[error("{0} records; a report holds at most {MAX_SERIES}")]
    TooManyRecords(usize),
    /// Records out of order or twice the same series.
    #[error("record of series {0} is out of order; records ascend by series")]
    RecordOrder(u32),
    /// Two histograms of one clock, wrong order, or an empty one.
    #[error("series {0}: histograms must be one per clock, best clock first, none empty")]
    Delays(u32),
    /// The counts contradict each other.
    #[error("series {series}: {source}")]
    Counts {
        /// Position in the manifest.
        series: u32,
        /// What contradicts what.
        source: CountsError,
    },
    /// More path events than allowed, or more hops in them.
    #[error(
        "{events} path events of {hops} hops; a report holds at most {MAX_PATH_EVENTS} of {MAX_EVENT_HOPS}"
    )]
    TooManyPaths {
        /// Events.
        events: usize,
        /// Hops of all of them.
        hops: usize,
    },
    /// A path event contradicts itself.
    #[error("a path event of series {series}: {source}")]
    Path {
        /// Position in the manifest.
        series: u32,
        /// What does not fit.
        source: PathError,
    },
    /// More throughput results than allowed.
    #[error("{0} throughput results; a report holds at most {MAX_RESULTS}")]
    TooManyResults(usize),
    /// A throughput result contradicts itself.
    #[error("a throughput result of series {series}: {source}")]
    Throughput {
        /// Position in the manifest.
        series: u32,
        /// What does not fit.
        source: ThroughputError,
    },
    /// Not a range of sequences or of time.
    #[error("tombstone of sequences {first} to {last} is not a range")]
    TombstoneRange {
        /// First sequence.
        first: u64,
        /// Last sequence.
        last: u64,
    },
}

impl Report {
    /// Holds the report against itself. What needs the manifest (series numbers) is the collector's to check.
    pub fn check(&self) -> Result<(), ReportError> {
        if self.sequence == 0 {
            return Err(ReportError::SequenceZero);
        }
        if self.records.len() > MAX_SERIES {
            return Err(ReportError::TooManyRecords(self.records.len()));
        }
        if let Some(pair) = self
            .records
            .windows(2)
            .find(|pair| pair[0].series >= pair[1].series)
        {
            return Err(ReportError::RecordOrder(pair[1].series));
        }
        let hops = self.paths.iter().map(PathEvent::hop_count).sum();
        if self.paths.len() > MAX_PATH_EVENTS || hops > MAX_EVENT_HOPS {
            return Err(ReportError::TooManyPaths {
                events: self.paths.len(),
                hops,
            });
        }
        for event in &self.paths {
            event.check().map_err(|source| ReportError::Path {
                series: event.series,
                source,
            })?;
        }
        if self.throughput.len() > MAX_RESULTS {
            return Err(ReportError::TooManyResults(self.throughput.len()));
        }
        for result in &self.throughput {
            result.check().map_err(|source| ReportError::Throughput {
                series: result.series,
                source,
            })?;
        }
        self.records.iter().try_for_each(SeriesRecord::check)
    }
}

impl SeriesRecord {
    fn check(&self) -> Result<(), ReportError> {
        let ordered = self.delays.windows(2).all(|pair| pair[0].0 < pair[1].0);
        if !ordered || self.delays.iter().any(|(_, histogram)| histogram.is_empty()) {
            return Err(ReportError::Delays(self.series));
        }
        let delays = self.delays.iter().map(|(_, histogram)| histogram.count()).sum();
        self.counts.check(delays).map_err(|source| ReportError::Counts {
            series: self.series,
            source,
        })
    }
}

impl Tombstone {
    /// Holds the tombstone against itself.
    pub fn check(&self) -> Result<(), ReportError> {
        let range = ReportError::TombstoneRange {
            first: self.first_sequence,
            last: self.last_sequence,
        };
        if self.first_sequence == 0 {
            return Err(ReportError::SequenceZero);
        }
        if self.first_sequence > self.last_sequence || self.start_unix_ms >= self.end_unix_ms {
            return Err(range);
        }
        Ok(())
    }
}
