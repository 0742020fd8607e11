//! How the collector fares: what it holds, how long commits take, what was refused lately, when the disk will be full,
//! which agents are silent; and whether any of it needs a person. Not the measurements, and not the counters themselves:
//! those are [`crate::metrics`].
//!
//! | room | what it does |
//! |---|---|
//! | [`recently`] | what the counters grew by in the last minutes (pure) |
//! | [`commit_times`] | how long commits took, as a histogram |
//! | [`counters`] | the counters, by the names the status uses |
//! | [`forecast`] | when the disk will be full (pure) |
//! | [`fleet`] | agents by state, and the worst of them (pure) |
//! | [`concern`] | what needs a person, and what to do (pure) |
//! | [`answer`] | the answer, as JSON |
//! | [`assemble`] | puts the answer together (pure) |
//! | [`exposition`] | the same for Prometheus |
//! | [`disk`] | asks the system how much room there is |

pub mod answer;
pub mod assemble;
pub mod commit_times;
pub mod concern;
mod counters;
pub mod disk;
pub mod exposition;
pub mod fleet;
pub mod forecast;
pub mod recently;

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use self::answer::StatusAnswer;
use self::assemble::{Facts, Sealing};
use self::recently::Recently;
use crate::ingest::Ingest;
use crate::metrics::Metrics;
use crate::store::{Retention, Store, StoreError};

/// How often the counters are looked at, so that it can be said what they grew by lately.
pub const LOOK_EVERY: Duration = Duration::from_secs(15);

/// What has to be remembered between two looks at the counters.
#[derive(Debug)]
pub struct Watch {
    started: Instant,
    data_dir: PathBuf,
    retention: Retention,
    recently: Mutex<Recently>,
}

impl Watch {
    /// Begins at `started`, with every counter at zero.
    pub fn new(started: Instant, data_dir: PathBuf, retention: Retention) -> Self {
        Self {
            started,
            data_dir,
            retention,
            recently: Mutex::default(),
        }
    }

    /// Looks at the counters. To be called every [`LOOK_EVERY`].
    pub fn look(&self, metrics: &Metrics, now: Instant) {
        let totals = metrics.totals();
        self.recently().note(self.uptime_ms(now), totals);
    }

    /// The whole status, with at most `most_agents` agents, worst first. Blocks: asks the store and the file system.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn status(
        &self,
        (store, ingest, metrics): (&dyn Store, &Ingest, &Metrics),
        (now_unix_ms, now): (u64, Instant),
        stopped_since_unix_ms: Option<u64>,
        most_agents: usize,
    ) -> Result<StatusAnswer, StoreError> {
        let agents = store.agents()?;
        let (totals, uptime_ms) = (metrics.totals(), self.uptime_ms(now));
        let (lately, of_sealing) = {
            let recently = self.recently();
            (
                recently.since(recently::WINDOW_MS, uptime_ms, &totals),
                recently.since(recently::LONGEST_MS, uptime_ms, &totals),
            )
        };
        let facts = Facts {
            now_unix_ms,
            uptime_ms,
            queue: ingest.depth(),
            space: disk::space(&self.data_dir).ok(),
            condition: store.condition(),
            retention: self.retention,
            sealing: Sealing {
                failed_lately: of_sealing.maintenance_failed(),
            },
            most_agents,
            dead_channels: metrics.notify.dead(),
            faster_than_light: metrics.alerting.faster_than_light.names(),
            stopped_since_unix_ms,
        };
        Ok(assemble::status(&facts, &agents, &totals, &lately))
    }

    fn uptime_ms(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.started).as_millis()).unwrap_or(u64::MAX)
    }

    fn recently(&self) -> MutexGuard<'_, Recently> {
        self.recently.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
