//! One whole test: quiet, load and drain, with STAMP probes on one flow throughout. The near end's order of steps; what is decided
//! stands in [`estimator`](super::estimator).

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Context;
use azimuth_measurement::throughput::{MAX_BPS, MAX_DURATION_US, MAX_TEST_BYTES};
use azimuth_measurement::{DelayHistogram, Method, PhaseDelays, StampClock, StopReason, ThroughputResult};
use tokio::sync::mpsc;

use super::client::{self, Load, Order};
use crate::clock;
use crate::probe::SeriesPlan;
use crate::probe::lane::Lane;
use crate::prober::{Delivery, Prober};
use crate::schedule::Pace;
use crate::stamp::StampKey;
use crate::tally::SeriesTally;

/// From one probe to the next: 50 a second.
const PERIOD_MS: u32 = 20;
/// After so long a probe is lost. Queues longer than that are no queues.
const WAITING_TIME_MS: u32 = 1_000;
/// Probes before the load: two seconds.
const QUIET_PROBES: u64 = 100;
/// Probes after it: one second.
const DRAIN_PROBES: u64 = 50;
/// The prober's first slot comes that long after its start.
const SETTLES: Duration = Duration::from_millis(100);
const INTERVAL_MS: u32 = 1_000;
const CHANNEL: usize = 64;

/// Where the probes go.
#[derive(Clone, Debug)]
pub struct Probing {
    /// The STAMP reflector beside the server.
    pub to: SocketAddr,
    /// Its key, if it wants one.
    pub key: Option<StampKey>,
}

/// What is going on, for whoever watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Probes only.
    Quiet,
    /// The load runs: bits per second of late, octets so far.
    Load(u64, u64),
    /// Probes only, again.
    Drain,
}

/// Runs a test of one direction. Without `probing` there is only the load. A result whose load failed is a result too; `stop`
/// ends each phase early.
///
/// # Errors
/// When the probes cannot be sent, or numbers come out that contradict each other.
pub async fn run(
    order: &Order,
    probing: Option<&Probing>,
    stop: &AtomicBool,
    watch: &mut (dyn FnMut(Step) + Send),
) -> anyhow::Result<(ThroughputResult, Option<String>)> {
    let mut idle = SeriesTally::default();
    let mut drained = SeriesTally::default();
    let mut beside = None;
    if let Some(probing) = probing {
        watch(Step::Quiet);
        idle = Probes::start(probing, Some(QUIET_PROBES))?.finish(stop).await?;
        beside = Some(Probes::start(probing, None)?);
        tokio::time::sleep(SETTLES).await;
    }
    watch(Step::Load(0, 0));
    let load = client::run(order, stop, &mut |bps, bytes| watch(Step::Load(bps, bytes))).await;
    let at_unix_ms = clock::wall().unix_ms();
    let loaded = match beside {
        Some(beside) => beside.stop().await?,
        None => SeriesTally::default(),
    };
    // Without a load there is nothing to drain.
    if let Some(probing) = probing.filter(|_| load.estimate.bytes > 0) {
        watch(Step::Drain);
        drained = Probes::start(probing, Some(DRAIN_PROBES))?.finish(stop).await?;
    }
    let result = result(order, &load, at_unix_ms, [&idle, &loaded, &drained]);
    result
        .check()
        .context("the numbers of the test contradict each other")?;
    Ok((result, load.trouble))
}

/// What there is to report of a test that could not begin.
#[must_use]
pub fn not_begun(order: &Order, stop: StopReason) -> ThroughputResult {
    let none = SeriesTally::default();
    let load = Load::none(stop, None);
    result(order, &load, clock::wall().unix_ms(), [&none, &none, &none])
}

/// A prober of one phase.
struct Probes {
    prober: Prober,
    intervals: mpsc::Receiver<Delivery>,
}

impl Probes {
    fn start(probing: &Probing, limit: Option<u64>) -> anyhow::Result<Self> {
        let plan = SeriesPlan {
            address: probing.to,
            method: Method::Stamp,
            period_ms: PERIOD_MS,
            pace: Pace::Periodic,
            phase_ns: 0,
            waiting_time_ms: WAITING_TIME_MS,
            limit,
            follow_up: true,
            direct_measurement: false,
            key: probing.key.clone(),
            lane: Lane::default(),
            request: None,
            backs_off: None,
        };
        let (out, intervals) = mpsc::channel(CHANNEL);
        let prober = Prober::start_eager(&[plan], INTERVAL_MS, out)?;
        Ok(Self { prober, intervals })
    }

    /// Waits until all of its probes are settled, or for `stop`.
    async fn finish(mut self, stop: &AtomicBool) -> anyhow::Result<SeriesTally> {
        let mut all = SeriesTally::default();
        loop {
            tokio::select! {
                delivery = self.intervals.recv() => match delivery {
                    Some(delivery) => add(&mut all, delivery)?,
                    None => break,
                },
                () = tokio::time::sleep(SETTLES) => {
                    if stop.load(std::sync::atomic::Ordering::Acquire) {
                        self.prober.stopper().stop();
                    }
                }
            }
        }
        self.prober.join().context("the probing thread panicked")?;
        Ok(all)
    }

    async fn stop(mut self) -> anyhow::Result<SeriesTally> {
        self.prober.stopper().stop();
        let mut all = SeriesTally::default();
        while let Some(delivery) = self.intervals.recv().await {
            add(&mut all, delivery)?;
        }
        self.prober.join().context("the probing thread panicked")?;
        Ok(all)
    }
}

fn add(all: &mut SeriesTally, delivery: Delivery) -> anyhow::Result<()> {
    for series in delivery.closed.series {
        all.counts = all.counts.plus(&series.counts).context("a counter overflowed")?;
        all.delays_us.extend(series.delays_us);
    }
    Ok(())
}

fn result(
    order: &Order,
    load: &Load,
    at_unix_ms: u64,
    [idle, loaded, drained]: [&SeriesTally; 3],
) -> ThroughputResult {
    let estimate = &load.estimate;
    let clock = usual_clock([idle, loaded, drained]);
    let phase = |tally: &SeriesTally| {
        let of_clock = tally.delays_us.iter().filter(|(by, _)| *by == clock);
        let mut delays_us: Vec<u32> = of_clock.map(|(_, us)| *us).collect();
        PhaseDelays {
            sent: u32::try_from(tally.counts.sent).unwrap_or(u32::MAX),
            lost: u32::try_from(tally.counts.lost()).unwrap_or(u32::MAX),
            delays: DelayHistogram::from_values_us(&mut delays_us),
        }
    };
    let duration_us = u32::try_from(estimate.duration_ns / 1_000).unwrap_or(u32::MAX);
    let bps = if estimate.bytes == 0 || duration_us == 0 {
        0
    } else {
        estimate.bps.min(MAX_BPS)
    };
    ThroughputResult {
        series: 0,
        at_unix_ms,
        direction: order.direction,
        stop: estimate.stop,
        settled: estimate.settled && bps > 0,
        bps,
        bytes: estimate.bytes.min(MAX_TEST_BYTES),
        duration_us: duration_us.min(MAX_DURATION_US),
        sender: load.sender.clone(),
        clock,
        idle: phase(idle),
        loaded: phase(loaded),
        drained: phase(drained),
    }
}

/// By which most delays are: those of two clocks are never in one histogram.
fn usual_clock(tallies: [&SeriesTally; 3]) -> StampClock {
    let number = |clock: StampClock| -> usize {
        let of = tallies.iter().flat_map(|tally| &tally.delays_us);
        of.filter(|(by, _)| *by == clock).count()
    };
    let mut usual = StampClock::Kernel;
    for clock in StampClock::ALL {
        if number(*clock) > number(usual) {
            usual = *clock;
        }
    }
    usual
}
