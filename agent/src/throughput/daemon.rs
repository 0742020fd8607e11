//! The thread that tests throughput by itself, one test after the other, and what it has to tell. Decides nothing: when and what is
//! [`plan`](super::plan)'s.
//!
//! It tells the probing thread what goes on, so that no delay of the path at rest is one under our own load: probes of one packet and
//! its answer go on under another label, exchanges are left out. The test has probes of its own beside that.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use azimuth_measurement::{AgentId, LoadLabel, ThroughputResult};
use tracing::{info, warn};

use super::client::Order;
use super::estimator::{Estimate, Limits};
use super::ledger::{Account, LedgerFile};
use super::phases::{self, Probing, Step};
use super::plan::{Due, Planner};
use crate::clock::{self, NS_PER_US};
use crate::config::throughput::ThroughputConfig;
use crate::prober::inbox::{Change, Letterbox, Message};
use crate::schedule::seed;

/// Results that may wait for a report; beyond, the oldest is given up and counted.
const MOST_WAITING: usize = 64;
/// How often it looks whether it is to stop, and for how long it looks at the host's interfaces.
const LOOK: Duration = Duration::from_secs(1);

/// A target that is tested.
#[derive(Clone, Debug)]
pub struct TestTarget {
    /// Its name.
    pub name: String,
    /// Position in the manifest of the series that stands for it.
    pub series: u32,
    /// Its throughput port.
    pub to: SocketAddr,
    /// Where the probes beside a test go.
    pub probing: Probing,
}

/// The running thread.
#[derive(Debug)]
pub struct Tester {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Desk {
    stop: AtomicBool,
    waiting: Mutex<Vec<ThroughputResult>>,
    given_up: AtomicU64,
}

impl Tester {
    /// Starts testing.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(
        agent: AgentId,
        config: ThroughputConfig,
        targets: Vec<TestTarget>,
        letterbox: Letterbox,
    ) -> io::Result<Self> {
        let desk = Arc::new(Desk::default());
        let of_thread = Arc::clone(&desk);
        let work = Work {
            agent,
            config,
            targets,
            letterbox,
            desk: of_thread,
        };
        let thread = std::thread::Builder::new()
            .name("throughput".to_owned())
            .spawn(move || work.run())?;
        Ok(Self {
            desk,
            thread: Some(thread),
        })
    }

    /// The oldest results that wait, at most so many; they are the caller's from now on.
    #[must_use]
    pub fn take(&self, most: usize) -> Vec<ThroughputResult> {
        let mut waiting = self.desk.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.len().min(most);
        waiting.drain(..count).collect()
    }

    /// Results given up because nobody took them.
    #[must_use]
    pub fn given_up(&self) -> u64 {
        self.desk.given_up.load(Ordering::Relaxed)
    }
}

impl Drop for Tester {
    /// A test under way is cut short.
    fn drop(&mut self) {
        self.desk.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Work {
    agent: AgentId,
    config: ThroughputConfig,
    targets: Vec<TestTarget>,
    letterbox: Letterbox,
    desk: Arc<Desk>,
}

impl Work {
    fn run(&self) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                warn!(%error, "no event loop for throughput tests; everything else goes on");
                return;
            }
        };
        let now_unix_ms = clock::wall().unix_ms();
        let mut book = match LedgerFile::open(&self.config.directory, now_unix_ms) {
            Ok(book) => book,
            Err(error) => {
                warn!(%error, "no throughput tests, because nothing may be spent without a ledger; everything else goes on");
                return;
            }
        };
        let names: Vec<String> = self.targets.iter().map(|target| target.name.clone()).collect();
        // A start takes new gaps: the same ones again would make a restart a rhythm.
        let seed = seed(&format!("{}/throughput/{now_unix_ms}", self.agent));
        let mut planner = Planner::new(&names, self.config.budget, seed, now_unix_ms);
        let mut busy = false;
        while !self.stopped() {
            match planner.poll(&mut book.ledger, busy, clock::wall().unix_ms()) {
                // Looked at shortly before a test would be run, and at it.
                Due::Wait(_) => busy = self.wait_and_look(),
                Due::Run(account, promised) => {
                    let moved = match book.write() {
                        Ok(()) => {
                            let (moved, found) = runtime.block_on(self.test(&account, promised));
                            if let Some(found) = found {
                                planner.note(&account, &found);
                            }
                            moved
                        }
                        Err(error) => {
                            warn!(%error, "a throughput test is left out");
                            0
                        }
                    };
                    book.ledger.turn(clock::wall().unix_ms());
                    book.ledger.settle(&account, promised, moved);
                    if let Err(error) = book.write() {
                        warn!(%error, "what the test did not use counts as spent until the ledger can be written");
                    }
                    info!(skipped = ?planner.skipped(), "throughput tests since the start");
                }
            }
        }
    }

    fn stopped(&self) -> bool {
        self.desk.stop.load(Ordering::Acquire)
    }

    /// Waits a moment; whether the host's interfaces carried more than they may meanwhile.
    fn wait_and_look(&self) -> bool {
        let before = (carried_bytes(), clock::monotonic());
        std::thread::park_timeout(LOOK);
        let after = (carried_bytes(), clock::monotonic());
        let (Some(from), Some(to)) = (before.0, after.0) else {
            return false;
        };
        let ns = u128::try_from(after.1.since_ns(before.1)).unwrap_or(0);
        let bits = u128::from(to.saturating_sub(from)) * 8 * 1_000_000_000;
        bits.checked_div(ns).unwrap_or(0) > self.config.busy_bps.into()
    }

    /// Runs one test of at most so many octets; those it moved, and what it came to.
    async fn test(&self, (name, direction): &Account, most_bytes: u64) -> (u64, Option<Estimate>) {
        let Some(target) = self.targets.iter().find(|target| target.name == *name) else {
            return (0, None);
        };
        let limits = Limits {
            max_bytes: most_bytes,
            ..Limits::USUAL
        };
        let mut order = Order {
            to: target.to,
            host: target.to.to_string(),
            direction: *direction,
            limits,
            ticket: None,
            congestion_control: None,
        };
        match self.config.tickets.take(&self.agent, &order).await {
            Ok(ticket) => order.ticket = Some(ticket),
            Err((stop, trouble)) => {
                info!(target = name, %direction, stop = stop.as_str(), trouble, "throughput test");
                self.keep(ThroughputResult {
                    series: target.series,
                    ..phases::not_begun(&order, stop)
                });
                return (0, None);
            }
        }
        let mut labelling = Labelling {
            letterbox: &self.letterbox,
            load: None,
        };
        let tested = phases::run(&order, Some(&target.probing), &self.desk.stop, &mut |step| {
            labelling.note(step);
        })
        .await;
        drop(labelling);
        match tested {
            Ok((result, trouble)) => {
                let (stop, bps) = (result.stop.as_str(), result.bps);
                let reading = result.reading().as_str();
                info!(target = name, %direction, reading, bps, stop, trouble, bytes = result.bytes, "throughput test");
                let found = Estimate {
                    bps: result.bps,
                    settled: result.settled,
                    bytes: result.bytes,
                    duration_ns: i64::from(result.duration_us) * NS_PER_US,
                    stop: result.stop,
                };
                self.keep(ThroughputResult {
                    series: target.series,
                    ..result
                });
                (found.bytes, Some(found))
            }
            Err(error) => {
                warn!(target = name, %direction, error = format!("{error:#}"), "a throughput test could not be run");
                // What it moved is not known; it may have been all.
                (most_bytes, None)
            }
        }
    }

    fn keep(&self, result: ThroughputResult) {
        let mut waiting = self.desk.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() == MOST_WAITING {
            waiting.remove(0);
            self.desk.given_up.fetch_add(1, Ordering::Relaxed);
        }
        waiting.push(result);
    }
}

/// Tells the probing thread under which load it probes; at rest again whatever becomes of the test.
struct Labelling<'a> {
    letterbox: &'a Letterbox,
    load: Option<LoadLabel>,
}

impl Labelling<'_> {
    fn note(&mut self, step: Step) {
        let load = match step {
            // Exchanges under way have the quiet phase to end in.
            Step::Quiet => LoadLabel::Idle,
            // Before the first octet of it.
            Step::Load(..) => LoadLabel::SelfLoad,
            Step::Drain => LoadLabel::PostLoad,
        };
        if self.load != Some(load) {
            self.load = Some(load);
            self.tell(load, true);
        }
    }

    fn tell(&self, load: LoadLabel, hold_exchanges: bool) {
        let change = Change {
            load: Some(load),
            hold_exchanges: Some(hold_exchanges),
            ..Change::default()
        };
        if self.letterbox.put(Message::Changed(change)).is_err() {
            warn!(
                load = load.as_str(),
                "the probing thread takes no messages; probes keep the label before"
            );
        }
    }
}

impl Drop for Labelling<'_> {
    fn drop(&mut self) {
        self.tell(LoadLabel::Idle, false);
    }
}

/// Octets that all interfaces but loopback have carried, both ways; `None` where the system does not say.
fn carried_bytes() -> Option<u64> {
    carried_of(&fs::read_to_string("/proc/net/dev").ok()?)
}

/// The same of the text of `/proc/net/dev` (proc(5)).
fn carried_of(text: &str) -> Option<u64> {
    let mut sum = 0_u64;
    for line in text.lines().skip(2) {
        let (name, counts) = line.split_once(':')?;
        if name.trim() == "lo" {
            continue;
        }
        let counts: Vec<u64> = counts
            .split_whitespace()
            .filter_map(|count| count.parse().ok())
            .collect();
        sum = sum
            .saturating_add(*counts.first()?)
            .saturating_add(*counts.get(8)?);
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_interfaces_carried_is_summed_without_loopback() {
        let text = "Inter-|   Receive                                                |  Transmit\n \
                    face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    \
                    lo: 999 9 0 0 0 0 0 0 999 9 0 0 0 0 0 0\n  \
                    eth0: 1000 10 0 0 0 0 0 0 200 2 0 0 0 0 0 0\n eth1:30 1 0 0 0 0 0 0 4 1 0 0 0 0 0 0\n";
        assert_eq!(carried_of(text), Some(1_234));
        assert_eq!(carried_of("a\nb\nnonsense\n"), None);
    }
}
