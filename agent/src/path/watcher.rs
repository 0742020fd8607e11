//! The thread that traces the targets of `run`, one after the other, and what it has to tell. Decides nothing: when and what
//! is [`Watch`]'s.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use azimuth_measurement::PathEvent;
use tracing::{debug, info, warn};

use super::trace::TracePlan;
use super::tracer::{TraceTarget, Tracer};
use super::watch::Watch;
use crate::clock;

/// Requests that may wait while a trace is under way; those beyond come with the schedule.
const MOST_ASKED: usize = 256;
/// Events that may wait for a report; beyond, the oldest is given up and counted.
const MOST_WAITING: usize = 1_024;

/// A target whose path is watched.
#[derive(Clone, Debug)]
pub struct PathTarget {
    /// What its phase is made of; with the agent's name in it.
    pub name: String,
    /// Position in the manifest of the series that stands for it.
    pub series: u32,
    /// Where its traces go.
    pub trace: TraceTarget,
}

/// The running thread.
#[derive(Debug)]
pub struct Watcher {
    asked: Option<SyncSender<usize>>,
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Desk {
    stop: AtomicBool,
    waiting: Mutex<VecDeque<PathEvent>>,
    given_up: AtomicU64,
}

impl Watcher {
    /// Starts tracing each target every `period_ns`.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(targets: Vec<PathTarget>, period_ns: i64) -> io::Result<Self> {
        let (asked, requests) = sync_channel(MOST_ASKED);
        let desk = Arc::new(Desk::default());
        let of_thread = Arc::clone(&desk);
        let thread = std::thread::Builder::new()
            .name("paths".to_owned())
            .spawn(move || run(&targets, period_ns, &requests, &of_thread))?;
        Ok(Self {
            asked: Some(asked),
            desk,
            thread: Some(thread),
        })
    }

    /// Has a target traced now, by its position among those given at the start.
    pub fn ask(&self, target: usize) {
        if let Some(asked) = &self.asked
            && let Err(TrySendError::Full(target)) = asked.try_send(target)
        {
            debug!(
                target,
                "so many traces are waiting that this one comes with the schedule"
            );
        }
    }

    /// The oldest events that wait, at most so many; they are the caller's from now on.
    #[must_use]
    pub fn take(&self, most: usize) -> Vec<PathEvent> {
        let mut waiting = self.desk.waiting();
        let count = waiting.len().min(most);
        waiting.drain(..count).collect()
    }

    /// Events given up because nobody took them.
    #[must_use]
    pub fn given_up(&self) -> u64 {
        self.desk.given_up.load(Ordering::Relaxed)
    }
}

impl Drop for Watcher {
    /// A trace under way is cut short.
    fn drop(&mut self) {
        self.desk.stop.store(true, Ordering::Release);
        self.asked = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            warn!("the thread that traces paths ended in a panic");
        }
    }
}

impl Desk {
    fn waiting(&self) -> std::sync::MutexGuard<'_, VecDeque<PathEvent>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, event: PathEvent) {
        let mut waiting = self.waiting();
        if waiting.len() == MOST_WAITING {
            waiting.pop_front();
            let total = self.given_up.fetch_add(1, Ordering::Relaxed) + 1;
            warn!(total, "a path event was given up: too many wait for a report");
        }
        waiting.push_back(event);
    }
}

fn run(targets: &[PathTarget], period_ns: i64, requests: &Receiver<usize>, desk: &Desk) {
    let names = targets.iter().map(|target| target.name.as_str());
    let mut watch = Watch::new(names, period_ns, clock::monotonic());
    let mut tracer = Tracer::default();
    let mut last_error = String::new();
    while !desk.stop.load(Ordering::Acquire) {
        while let Ok(asked) = requests.try_recv() {
            watch.ask(asked, clock::monotonic());
        }
        let now = clock::monotonic();
        let Some(due) = watch.poll_due(now) else {
            let left_ns = watch.poll_timeout().map_or(i64::MAX, |at| at.since_ns(now));
            let wait = Duration::from_nanos(u64::try_from(left_ns).unwrap_or(0));
            match requests.recv_timeout(wait) {
                Ok(asked) => watch.ask(asked, clock::monotonic()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            continue;
        };
        let Some(target) = targets.get(due) else { return };
        let traced = tracer.trace(&target.trace, TracePlan::default(), &desk.stop, &mut |_| {});
        let now = clock::monotonic();
        match traced {
            Ok(_) if desk.stop.load(Ordering::Acquire) => return,
            Ok(trace) => {
                let path = trace.path();
                debug!(
                    target = target.name,
                    hops = path.hops.len(),
                    reached = path.reached,
                    "traced"
                );
                let Some(told) = watch.handle_trace(due, path, now) else {
                    continue;
                };
                if told.before.is_some() {
                    info!(
                        target = target.name,
                        reason = told.reason.as_str(),
                        hops = told.after.hops.len(),
                        "the path has changed"
                    );
                }
                desk.push(PathEvent {
                    series: target.series,
                    at_unix_ms: clock::wall().unix_ms(),
                    reason: told.reason,
                    before: told.before,
                    after: told.after,
                });
            }
            Err(error) => {
                watch.handle_failure(due, now);
                let error = error.to_string();
                // Said whenever it is another one, not at every turn.
                if error != last_error {
                    warn!(target = target.name, "{error}");
                    last_error = error;
                }
            }
        }
    }
}
