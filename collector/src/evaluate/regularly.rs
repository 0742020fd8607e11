//! The pace of the evaluation: a round a minute, at once again while there is more to catch up with, on a blocking thread.
//! Reads the clock for it through the function it is handed. What a round does is [`super::round`]'s.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use azimuth_measurement::catalogue::Catalogue;
use tokio::task::JoinHandle;

use super::desk::Desk;
use super::round::{Evaluator, RoundError, Surroundings};
use crate::store::Store;

/// How often it is evaluated.
const EVERY: Duration = Duration::from_secs(60);

/// The task.
#[derive(Debug)]
pub struct Evaluation {
    stop: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Evaluation {
    /// Starts it; must be called inside a runtime.
    pub fn start(store: Arc<dyn Store>, desk: Arc<Desk>, now_unix_ms: fn() -> u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(EVERY);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            let mut evaluator = None;
            while !stopping.load(Ordering::Relaxed) {
                ticks.tick().await;
                let (store, desk, stop) = (Arc::clone(&store), Arc::clone(&desk), Arc::clone(&stopping));
                let counters = Arc::clone(desk.counters());
                let before = evaluator.take();
                let caught_up = tokio::task::spawn_blocking(move || {
                    let around = Surroundings {
                        store: store.as_ref(),
                        desk: &desk,
                        catalogue: &Catalogue::built_in(),
                        stop: &stop,
                    };
                    catch_up(before, &around, now_unix_ms)
                });
                match caught_up.await {
                    Ok(after) => evaluator = after,
                    Err(error) => {
                        counters.rounds.count("failed", "panicked");
                        tracing::error!(
                            "alerting: an evaluation panicked: {error}; it begins anew in {EVERY:?}"
                        );
                    }
                }
            }
        });
        Self { stop, task }
    }

    /// Ends it. What is not evaluated then is evaluated after the next start.
    pub async fn finish(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.abort();
        // A round under way sees the flag; nothing is left half done, whenever it ends.
        let _ = self.task.await;
    }
}

/// Rounds until there is no more; the evaluator to go on with, if it is of use.
fn catch_up(
    evaluator: Option<Evaluator>,
    around: &Surroundings<'_>,
    now_unix_ms: fn() -> u64,
) -> Option<Evaluator> {
    let counters = around.desk.counters();
    let failed = |error: &RoundError| {
        counters.rounds.count("failed", error.reason());
        if !matches!(error, RoundError::Stopped) {
            tracing::error!("alerting: {error}; it is made up for in {EVERY:?}");
        }
    };
    let mut evaluator = match evaluator {
        Some(evaluator) => evaluator,
        None => Evaluator::begin(around, now_unix_ms()).inspect_err(failed).ok()?,
    };
    loop {
        match evaluator.round(around, now_unix_ms()) {
            Ok(more) => {
                counters.rounds.count("ok", "");
                if !more || around.stop.load(Ordering::Relaxed) {
                    return Some(evaluator);
                }
            }
            Err(error) => {
                failed(&error);
                return matches!(error, RoundError::File(_)).then_some(evaluator);
            }
        }
    }
}
