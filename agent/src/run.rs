//! `azimuth-agent run`: wires the probing thread to the outbox and the outbox to the collector.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use azimuth_measurement::{AgentId, ProbeCounts};
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use crate::clock;
use crate::config::Config;
use crate::prober::{Delivery, Prober};
use crate::report::Reporter;
use crate::signals::Stop;
use crate::uplink::{Outbox, Uplink};

/// Closed intervals on their way from the probing thread; each waits only for its encoding.
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
    let epoch = clock::wall().unix_ms();
    let outbox = Outbox::new(config.queue_max_bytes);
    let uplink = Uplink::new(&config.collector, &manifest, epoch).context("making the HTTP client")?;
    let (out, mut intervals) = mpsc::channel(CHANNEL_INTERVALS);
    let prober = Prober::start(&config.series_plans(), config.interval_ms, out)?;
    info!("{}", config.summary());

    let mut reporter = Reporter::new(AgentId::clone(&config.agent), epoch, manifest.id());
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
            outbox.push(gap, report);
        }
    };
    let deliver = uplink.run(&outbox, clock::monotonic);
    tokio::pin!(deliver);
    tokio::select! {
        () = gather => {}
        () = &mut deliver => {}
    }
    outbox.close();
    let delivered = tokio::time::timeout(FAREWELL, deliver).await.is_ok() && outbox.is_empty();
    if !delivered {
        warn!(
            items = outbox.len(),
            "stopped before everything was delivered; what waited in memory is gone"
        );
    }
    let strays = prober.join().context("the probing thread panicked")?;
    if !stopping {
        bail!("the probing thread ended by itself; the log lines above say why");
    }
    info!(?strays, totals = ?outbox.totals(), "stopped");
    Ok(ExitCode::SUCCESS)
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
