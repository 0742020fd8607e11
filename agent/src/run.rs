//! `azimuth-agent run`: wires the probing thread to the outbox and the outbox to the collector.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use azimuth_measurement::ProbeCounts;
use tokio::sync::mpsc;
use tracing::{debug, info};

use crate::clock::{self, NS_PER_MS};
use crate::config::Config;
use crate::outbox::Outbox;
use crate::prober::{Delivery, Prober};
use crate::report::Reporter;
use crate::signals::Stop;
use crate::spool::Now;
use crate::uplink::Uplink;

/// Closed intervals on their way from the probing thread; each waits only for the disk to take it.
const CHANNEL_INTERVALS: usize = 8;
/// How long a stopping agent tries to deliver what is left.
const FAREWELL: Duration = Duration::from_secs(2);

/// Measures and reports until told to stop.
///
/// # Errors
/// When the sockets, the thread or the HTTP client cannot be had.
pub async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let mut stop = Stop::new()?;
    let manifest = config.manifest();
    let outbox = Outbox::open(&config.spool, &manifest, now());
    let uplink = Uplink::new(&config.collector).context("making the HTTP client")?;
    let (out, mut intervals) = mpsc::channel(CHANNEL_INTERVALS);
    let prober = Prober::start(&config.series_plans(), config.interval_ms, out)?;
    info!("{}", config.summary());

    let mut reporter = Reporter::new(config.agent.clone(), manifest.id());
    let stopper = prober.stopper();
    let mut stopping = false;
    let gather = async {
        loop {
            let delivery: Option<Delivery> = tokio::select! {
                delivery = intervals.recv() => delivery,
                () = stop.wait(), if !stopping => { stopping = true; stopper.stop(); continue }
            };
            let Some(delivery) = delivery else { return };
            log_interval(&delivery);
            let (gap, report) = reporter.report(&delivery, outbox.totals());
            let now = now();
            let age_ns = clock::monotonic().since_ns(delivery.closed.ended_at);
            let age_ms = u64::try_from(age_ns / NS_PER_MS).unwrap_or(0);
            outbox.push(gap, report, now.monotonic_ms.saturating_sub(age_ms), now);
        }
    };
    let deliver = uplink.run(&outbox, now);
    let mut deliver = Box::pin(deliver);
    tokio::select! {
        () = gather => {}
        () = &mut deliver => {}
    }
    outbox.close();
    if tokio::time::timeout(FAREWELL, &mut deliver).await.is_err() {
        outbox.abandon();
        deliver.as_mut().await;
    }
    drop(deliver);
    let totals = outbox.totals();
    outbox.finish(now());
    let refusals = prober.refusals();
    let strays = prober.join().context("the probing thread panicked")?;
    if !stopping {
        bail!("the probing thread ended by itself; the log lines above say why");
    }
    info!(?strays, ?refusals, ?totals, "stopped");
    Ok(ExitCode::SUCCESS)
}

/// The time as the spool wants it.
fn now() -> Now {
    Now {
        unix_ms: clock::wall().unix_ms(),
        monotonic_ms: clock::since_boot_ms(),
    }
}

/// What one interval came to, all series together: for someone who watches an agent at work (`AZIMUTH_LOG=debug`).
fn log_interval(delivery: &Delivery) {
    let closed = &delivery.closed;
    let mut counts = closed.series.iter().map(|series| series.counts);
    let all = counts
        .try_fold(ProbeCounts::default(), |sum, series| sum.plus(&series))
        .unwrap_or_default();
    let (latest_us, lost) = (closed.send_lateness_us.iter().max(), all.lost());
    debug!(sequence = delivery.sequence, counts = ?all, lost, ?latest_us, "interval closed");
}
