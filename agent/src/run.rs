//! `azimuth-agent run`: wires the probing thread to the outbox and the outbox to the collector.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use azimuth_measurement::{PathEvent, ProbeCounts};
use tokio::sync::mpsc;
use tracing::{debug, error, info, warn};

use crate::clock::{self, NS_PER_MS, NS_PER_S};
use crate::cloud::standing::{Standing, Surroundings};
use crate::config::{Config, PathConfig};
use crate::identity::Identity;
use crate::outbox::Outbox;
use crate::path::shift::ShiftDetector;
use crate::path::watcher::Watcher;
use crate::plan::keeper::Keeper;
use crate::plan::merge::{Merged, merge};
use crate::prober::inbox::Message;
use crate::prober::{Delivery, Prober};
use crate::reload::{Judged, judge};
use crate::report::Reporter;
use crate::resolve::Resolver;
use crate::roster::{Lookup, Moved, Roster};
use crate::signals::{Hangup, Stop};
use crate::spool::Now;
use crate::supervisor;
use crate::throughput::daemon::Tester;
use crate::uplink::Uplink;
use crate::uplink::link::Link;
use crate::uplink::session::Sessions;
use crate::web::Web;

/// Closed intervals on their way from the probing thread; each waits only for the disk to take it.
const CHANNEL_INTERVALS: usize = 8;
/// Path events a report takes; the rest waits for the next. Six reports may become one, which holds 128.
const MOST_PATHS: usize = 16;
/// Throughput results a report takes; six reports may become one, and ten of those another, which holds 64.
const MOST_RESULTS: usize = 1;
/// How long a stopping agent tries to deliver what is left.
const FAREWELL: Duration = Duration::from_secs(2);

/// Measures and reports until told to stop. SIGHUP has `file` read again and measured by.
///
/// # Errors
/// When the sockets, the thread or the HTTP client cannot be had.
pub async fn run(file: &Path, config: Config) -> anyhow::Result<ExitCode> {
    run_in(file, config, Surroundings::default()).await
}

/// The same in other surroundings, where a test stands in for the firmware's tables and the metadata service.
///
/// # Errors
/// As [`run`].
pub async fn run_in(file: &Path, config: Config, surroundings: Surroundings) -> anyhow::Result<ExitCode> {
    let mut orders = Orders {
        stop: Stop::new()?,
        hangup: Hangup::new()?,
    };
    let manifest = Roster::new(config.clone()).manifest();
    let outbox = Outbox::open(&config.spool, &manifest, now());
    let sessions = config.identity.clone().map(Sessions::new).transpose()?;
    let uplink = Uplink::new(Link::new(&config.collector, config.trust)).in_sessions(sessions);
    let keeper = config.identity.as_deref().map(keeper).transpose()?;
    let keeper = keeper.as_ref();
    let mut reporter = Reporter::new(config.agent.clone(), manifest.id());
    let mut deliver = Box::pin(uplink.run_with_plan(&outbox, keeper, now));
    let standing = Standing::new(surroundings, &config.cloud);
    let mut looking = Box::pin(standing.look());
    let mut alive = Box::pin(supervisor::keep_alive());
    let (mut config, mut before) = (config, None);
    // What asks for a plan that this host cannot carry out does not keep it from what it is configured to.
    let mut without_plan = false;
    let stopped = loop {
        let merged = merged(&config, keeper.filter(|_| !without_plan));
        let has_plan = merged.planned > 0;
        standing.say(&config.cloud);
        let measuring = measure(
            &config,
            merged,
            keeper,
            &standing,
            (file, &outbox),
            &mut reporter,
            &mut orders,
        );
        let ended = tokio::select! {
            ended = Box::pin(measuring) => ended,
            () = &mut deliver => Ok(None),
            never = &mut looking => match never {},
            never = &mut alive => match never {},
        };
        match (ended, before.take()) {
            (Ok(Some(Order::Stop)), _) => break true,
            (Ok(Some(Order::Replan)), _) => without_plan = false,
            (Err(error), unused) if has_plan => {
                error!(
                    "the plan cannot be carried out: {error:#}; the agent does without it until there is another"
                );
                (before, without_plan) = (unused, true);
            }
            (Ok(None), _) => break false,
            (Ok(Some(Order::Reload(new))), _) => {
                supervisor::reloading();
                before = Some(std::mem::replace(&mut config, *new));
            }
            (Err(error), None) => return Err(error),
            (Err(error), Some(old)) => {
                error!("the new configuration cannot be run: {error:#}; the one before is used again");
                config = old;
            }
        }
    };
    supervisor::stopping();
    outbox.close();
    if tokio::time::timeout(FAREWELL, &mut deliver).await.is_err() {
        outbox.abandon();
        deliver.as_mut().await;
    }
    drop(deliver);
    let totals = outbox.totals();
    outbox.finish(now());
    if !stopped {
        bail!("the probing thread ended by itself; the log lines above say why");
    }
    info!(?totals, "stopped");
    Ok(ExitCode::SUCCESS)
}

/// What ends the measuring by one configuration.
enum Order {
    Stop,
    Reload(Box<Config>),
    /// Another plan, which could not be taken up meanwhile.
    Replan,
}

/// The keeper of the plan of the identity in `file`.
fn keeper(file: &Path) -> anyhow::Result<Keeper> {
    let identity = Identity::load(file)?;
    Ok(Keeper::open(file, &identity, now().monotonic_ms, fastrand::f64()))
}

/// What is measured by this configuration and the plan in use.
fn merged(own: &Config, keeper: Option<&Keeper>) -> Merged {
    let plan = keeper.and_then(Keeper::plan);
    let merged = merge(own, plan.as_ref());
    if let (Some(keeper), Some(plan)) = (keeper, &plan) {
        keeper.set_refused(merged.counts());
        let (version, planned, refused) = (plan.version, merged.planned, merged.refused.len());
        if plan.stopped {
            warn!(version, "the plan says stop: nothing is sent");
        } else {
            info!(version, planned, refused, "the plan in use");
        }
    }
    merged
}

/// What people and the service manager ask for, by signals.
struct Orders {
    stop: Stop,
    hangup: Hangup,
}

impl Orders {
    /// Waits for one that is followed. What is refused is said and changes nothing.
    async fn wait(&mut self, file: &Path, running: &Config) -> Order {
        loop {
            tokio::select! {
                () = self.stop.wait() => return Order::Stop,
                () = self.hangup.wait() => match judge(file, running) {
                    Judged::New(new) => return Order::Reload(new),
                    Judged::Same => info!("SIGHUP: the configuration says what it said before"),
                    Judged::Refused(why) => error!("SIGHUP: {why}; the configuration before stays in use"),
                },
            }
        }
    }
}

/// Whether probing may go on while it changes: not where this host's own targets stop or begin again, nor beside tests, which
/// are of what there was when they began.
fn may_go_on(running: &Config, wanted: &Config) -> bool {
    let own = |config: &Config| {
        let targets = config.targets.iter().filter(|target| !target.planned);
        targets.cloned().collect::<Vec<_>>()
    };
    running.throughput.is_none()
        && wanted.throughput.is_none()
        && running.paths == wanted.paths
        && own(running) == own(wanted)
}

/// Waits for another plan; for ever, without a keeper.
async fn replanned(keeper: Option<&Keeper>) {
    match keeper {
        Some(keeper) => keeper.changed().await,
        None => std::future::pending().await,
    }
}

/// Measures by one configuration and the plan beside it; what ended it, or `None` if it ended by itself.
async fn measure(
    own: &Config,
    mut merged: Merged,
    keeper: Option<&Keeper>,
    standing: &Standing,
    (file, outbox): (&Path, &Outbox),
    reporter: &mut Reporter,
    orders: &mut Orders,
) -> anyhow::Result<Option<Order>> {
    let first = merged.config.clone();
    let config = &first;
    let mut roster = Roster::new(config.clone());
    roster.set_place(standing.place());
    let (out, mut intervals) = mpsc::channel(CHANNEL_INTERVALS);
    let every = Duration::from_secs(config.names.every_s.into());
    let mut resolver = Resolver::start_some(roster.wanted_hosts(), every).context("starting the resolver")?;
    let plans = config.series_plans();
    let prober = if config.labels_load() {
        Prober::start_labelling_load(&plans, config.interval_ms, out)?
    } else {
        Prober::start(&plans, config.interval_ms, out)?
    };
    let manifest = roster.manifest();
    outbox.set_manifest(&manifest);
    reporter.begin_anew(manifest.id());
    let (letterbox, stopper) = (prober.letterbox(), prober.stopper());
    let mut has_carrier = config.series_plans().iter().any(|plan| plan.request.is_some());
    if roster.has_exchanges() {
        let web = Web::start(letterbox.clone()).inspect_err(|_| stopper.stop());
        letterbox.put(Message::Carrier(web.context("starting the thread of exchanges")?))?;
        has_carrier = true;
    }
    info!("{}", config.summary());
    if let Some(plan) = config.throughput_plan() {
        info!("{plan}");
    }
    supervisor::ready(&config.summary());

    let mut paths = config.paths.and_then(|paths| Paths::start(config, paths));
    let tester = config.throughput.clone().and_then(|throughput| {
        let targets = config.throughput_targets();
        Tester::start(config.agent.clone(), throughput, targets, letterbox.clone())
            .inspect_err(|error| warn!(%error, "no thread to test throughput with; everything else goes on"))
            .ok()
    });
    let mut order = None;
    loop {
        let delivery: Option<Delivery> = tokio::select! {
            delivery = intervals.recv() => delivery,
            cycle = resolver.next(), if order.is_none() => {
                let (change, moved) = roster.handle_cycle(&cycle);
                say_cycle(&roster, &cycle, &moved);
                if !change.add.is_empty() {
                    let manifest = roster.manifest();
                    outbox.set_manifest(&manifest);
                    reporter.set_manifest(manifest.id());
                }
                if letterbox.put(Message::Changed(change)).is_err() {
                    // It ends by itself, or takes messages again; a series that was not added can never be.
                    warn!("the probing thread takes no messages; stopping");
                    stopper.stop();
                }
                continue
            }
            () = standing.changed() => {
                roster.set_place(standing.place());
                let manifest = roster.manifest();
                outbox.set_manifest(&manifest);
                reporter.set_manifest(manifest.id());
                continue
            }
            () = replanned(keeper), if order.is_none() => {
                let wanted = self::merged(own, keeper);
                if wanted.config == merged.config {
                    continue
                }
                let taken_up = if may_go_on(&merged.config, &wanted.config) {
                    roster.replan(wanted.config.clone())
                } else {
                    None
                };
                let restarted = taken_up.and_then(|change| {
                    let needs_carrier = roster.has_exchanges() || change.add.iter().any(|plan| plan.request.is_some());
                    if needs_carrier && !has_carrier {
                        let web = Web::start(letterbox.clone()).ok()?;
                        letterbox.put(Message::Carrier(web)).ok()?;
                        has_carrier = true;
                    }
                    let manifest = roster.manifest();
                    outbox.set_manifest(&manifest);
                    reporter.set_manifest(manifest.id());
                    letterbox.put(Message::Changed(change)).ok()?;
                    Resolver::start_some(roster.wanted_hosts(), every).ok()
                });
                match restarted {
                    Some(restarted) => {
                        (resolver, merged) = (restarted, wanted);
                        supervisor::ready(&merged.config.summary());
                    }
                    None => {
                        order = Some(Order::Replan);
                        stopper.stop();
                    }
                }
                continue
            }
            asked = orders.wait(file, own), if order.is_none() => {
                order = Some(asked);
                stopper.stop();
                continue
            }
        };
        let Some(delivery) = delivery else { break };
        log_interval(&delivery);
        let (gap, mut report) = reporter.report(&delivery, outbox.totals());
        if let Some(paths) = &mut paths {
            report.paths = paths.turn(&delivery);
        }
        if let Some(tester) = &tester {
            report.throughput = tester.take(MOST_RESULTS);
        }
        report.health.plan = keeper.and_then(Keeper::standing).map(|mut standing| {
            standing.add_refused(roster.refused());
            standing
        });
        let now = now();
        let age_ns = clock::monotonic().since_ns(delivery.closed.ended_at);
        let age_ms = u64::try_from(age_ns / NS_PER_MS).unwrap_or(0);
        outbox.push(gap, report, now.monotonic_ms.saturating_sub(age_ms), now);
    }
    let (refusals, back_offs) = (prober.refusals(), prober.back_offs());
    let strays = prober.join().context("the probing thread panicked")?;
    info!(?strays, ?refusals, ?back_offs, "measured");
    Ok(order)
}

/// The paths of a running agent: who traces them, and what has one traced out of turn.
struct Paths {
    watcher: Watcher,
    /// One for each target that is traced: its series and what watches its delay.
    detectors: Vec<(u32, ShiftDetector)>,
    on_delay_shift: bool,
}

impl Paths {
    /// `None` when there is no thread for it, which is said and hurts nothing else.
    fn start(config: &Config, paths: PathConfig) -> Option<Self> {
        let targets = config.path_targets();
        let detectors = targets
            .iter()
            .map(|target| (target.series, ShiftDetector::default()));
        let detectors = detectors.collect();
        match Watcher::start(targets, i64::from(paths.period_s) * NS_PER_S) {
            Ok(watcher) => Some(Self {
                watcher,
                detectors,
                on_delay_shift: paths.on_delay_shift,
            }),
            Err(error) => {
                warn!(%error, "no thread to trace paths with; everything else goes on");
                None
            }
        }
    }

    /// Looks at the delays of an interval; the events for its report.
    fn turn(&mut self, delivery: &Delivery) -> Vec<PathEvent> {
        let closed = &delivery.closed;
        for (target, (series, detector)) in self.detectors.iter_mut().enumerate() {
            let Some(tally) = closed.series.get(*series as usize) else {
                continue;
            };
            let shifted = detector.note(closed.ended_at, tally.delays_us.iter().map(|(_, us)| *us));
            if shifted && self.on_delay_shift {
                info!(series, "the delay has shifted; its path is traced");
                self.watcher.ask(target);
            }
        }
        self.watcher.take(MOST_PATHS)
    }
}

/// Every change of an address is on record: here, and by the series that begin and end with it.
fn say_cycle(roster: &Roster, cycle: &[Lookup], moved: &[Moved]) {
    let hosts = roster.hosts();
    for lookup in cycle {
        if let Err(error) = &lookup.found {
            let host = hosts.get(lookup.host).map_or("", String::as_str);
            warn!(host, %error, "a name was not resolved; the addresses before stand");
        }
    }
    for moved in moved {
        info!(host = moved.host, pinned = ?moved.pinned, before = ?moved.before, "a name has other addresses");
    }
    if !moved.is_empty() {
        info!(counters = ?roster.counters(), "names since the start");
    }
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
