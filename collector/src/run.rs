//! Wiring: opens what the configuration names, starts the parts in the order in which they depend on each other, and
//! stops them in reverse. A SIGHUP does it once more with what the file says then: every key of it counts, and only the
//! sockets stay open in between. Decides nothing.

use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::access::files::AccessFiles;
use crate::access::first;
use crate::access::guard::Guard;
use crate::access::oidc::desk::SignIn;
use crate::api::context::Context;
use crate::api::snapshots::on_the_admin_socket;
use crate::api::{agents_router, router};
use crate::clock;
use crate::config::{Config, Flags};
use crate::evaluate::desk::Desk;
use crate::evaluate::regularly::Evaluation;
use crate::evaluate::telling::Telling;
use crate::fleet::{Fleet, admin, door};
use crate::ingest::Ingest;
use crate::metrics::Metrics;
use crate::notify::notifier::Notifier;
use crate::plan;
use crate::plan::desk::PlanDesk;
use crate::reload::{Judged, Reloads, judge};
use crate::remote_write::RemoteWrite;
use crate::serve::doors::Doors;
use crate::serve::{DRAIN_TIMEOUT, TlsListener, bind_unix, serve};
use crate::site;
use crate::snapshot::Snapshots;
use crate::status::{LOOK_EVERY, Watch};
use crate::store::Store;
use crate::store::embedded::EmbeddedStore;
use crate::supervisor;

/// How often it is looked whether an hour is to be sealed or something is past its retention.
const MAINTAIN_EVERY: Duration = Duration::from_secs(30);

/// How long open requests may take to finish before a new configuration is taken up.
const RELOAD_DRAIN: Duration = Duration::from_secs(3);
/// How long the store may still be in use by a task of the round before: one round of keeping it small, at most.
const RELEASED_WITHIN: Duration = Duration::from_secs(120);
/// How often it is looked whether it is.
const LOOK_WHETHER_RELEASED: Duration = Duration::from_millis(20);

/// Serves until SIGINT or SIGTERM, then finishes what was accepted. SIGHUP has the configuration read again.
///
/// # Errors
/// When the store, a socket or a signal handler cannot be had.
pub async fn run(flags: Flags, config: Config) -> anyhow::Result<()> {
    // First, so that a signal during a long repair is not lost.
    let mut orders = Orders {
        interrupt: signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?,
        terminate: signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?,
        hangup: signal(SignalKind::hangup()).context("cannot wait for SIGHUP")?,
        flags,
        reloads: Arc::default(),
    };
    let (mut config, mut before) = (config, None);
    let mut doors = None;
    loop {
        let mut used = Used::default();
        let ended = Box::pin(round(config.clone(), &mut doors, &mut orders, &mut used)).await;
        used.released().await?;
        match (ended, before.take()) {
            (Ok(Ended::Stopped), _) => return Ok(()),
            (Ok(Ended::Reload(new)), _) => before = Some(std::mem::replace(&mut config, *new)),
            (Err(error), None) => return Err(error),
            (Err(error), Some(old)) => {
                orders.reloads.count("refused", "not_started");
                tracing::error!(
                    "the new configuration cannot be run: {error:#}; the one before is used again"
                );
                if let Some(doors) = &mut doors {
                    doors.change(&old).await?;
                }
                config = old;
            }
        }
    }
}

/// How a round of serving ended.
enum Ended {
    Stopped,
    Reload(Box<Config>),
}

/// What people and the service manager ask for, by signals.
struct Orders {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    flags: Flags,
    reloads: Arc<Reloads>,
}

impl Orders {
    /// Waits for the end of a round. What is refused is said, counted, and changes nothing.
    async fn wait(&mut self, running: &Config, doors: &mut Doors) -> Ended {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => {
                    tracing::info!("SIGINT: finishing what was accepted");
                    return Ended::Stopped;
                }
                _ = self.terminate.recv() => {
                    tracing::info!("SIGTERM: finishing what was accepted");
                    return Ended::Stopped;
                }
                _ = self.hangup.recv() => match self.judge(running).await {
                    Judged::Same => {
                        self.reloads.count("unchanged", "");
                        tracing::info!("SIGHUP: the configuration says what it said before");
                    }
                    Judged::New(new) => match doors.change(&new).await {
                        Ok(()) => return Ended::Reload(new),
                        Err(error) => {
                            self.reloads.count("refused", "cannot_listen");
                            tracing::error!("SIGHUP: {error:#}; the configuration before stays in use");
                        }
                    },
                    Judged::Refused(why) => {
                        self.reloads.count("refused", "invalid");
                        tracing::error!("SIGHUP: {why}; the configuration before stays in use");
                    }
                },
            }
        }
    }

    /// Files are read off the threads that serve.
    async fn judge(&self, running: &Config) -> Judged {
        let (flags, running) = (self.flags.clone(), running.clone());
        let judged = tokio::task::spawn_blocking(move || judge(&flags, &running)).await;
        judged.unwrap_or_else(|error| Judged::Refused(format!("reading the configuration panicked: {error}")))
    }
}

/// The files of a round that the next one opens again.
#[derive(Default)]
struct Used {
    store: Option<Weak<dyn Store>>,
    desk: Option<Weak<Desk>>,
}

impl Used {
    /// Returns once nobody has them open.
    async fn released(&self) -> anyhow::Result<()> {
        let in_use = || {
            self.store.as_ref().is_some_and(|store| store.strong_count() > 0)
                || self.desk.as_ref().is_some_and(|desk| desk.strong_count() > 0)
        };
        let waiting = async {
            while in_use() {
                tokio::time::sleep(LOOK_WHETHER_RELEASED).await;
            }
        };
        tokio::time::timeout(RELEASED_WITHIN, waiting)
            .await
            .context("a task still has the store open; everything accepted is durable")
    }
}

async fn round(
    config: Config,
    doors: &mut Option<Doors>,
    orders: &mut Orders,
    used: &mut Used,
) -> anyhow::Result<Ended> {
    let running = config.clone();
    let started = clock::monotonic();
    let (directory, retention) = (config.data_dir.clone(), config.retention);
    let opened =
        tokio::task::spawn_blocking(move || EmbeddedStore::open(&directory, retention, clock::unix_ms()))
            .await?;
    let opened = opened
        .context("cannot open the store")?
        .with_series_limits(config.limits.series);
    let store: Arc<dyn Store> = Arc::new(opened);
    used.store = Some(Arc::downgrade(&store));
    let metrics = Arc::new(Metrics {
        reloads: Arc::clone(&orders.reloads),
        ..Metrics::new(config.metrics)
    });
    let ingest = Ingest::start(Arc::clone(&store), Arc::clone(&metrics))
        .context("cannot start committing")?
        .with_body_limits(config.limits.bodies)
        .with_agent_bytes(config.limits.agent_queued_bytes);
    let (directory, rules) = (config.data_dir.clone(), Arc::clone(&config.alerting.rules));
    let counters = Arc::clone(&metrics.alerting);
    let desk = tokio::task::spawn_blocking(move || Desk::open(&directory, rules, counters, clock::unix_ms()));
    let desk = Arc::new(desk.await?.context("cannot open the alerts")?);
    used.desk = Some(Arc::downgrade(&desk));
    let sign_in = config.access.oidc.clone().map(|settings| {
        let sign_in = Arc::new(SignIn::new(settings, Arc::clone(&metrics), clock::unix_ms));
        let looking = Arc::clone(&sign_in);
        // Beside the start, which does not wait for a provider that is away.
        tokio::spawn(async move { looking.look().await });
        sign_in
    });
    let guard = {
        let (files, settings) = (AccessFiles::new(&config.data_dir), config.access);
        let is_open_to_others = !config.listen.ip().is_loopback();
        tokio::task::spawn_blocking(move || {
            if is_open_to_others && settings.proxy.is_none() {
                first::make_sure_of_an_administrator(
                    &files,
                    clock::unix_ms(),
                    &mut std::io::stderr().lock(),
                )?;
            }
            Guard::open(files, settings, clock::unix_ms)
        })
    };
    let guard = Arc::new(guard.await?.context("cannot use the accounts")?);
    let tls = config
        .agents
        .as_ref()
        .map(|agents| door::open(agents, &config.data_dir));
    let tls = tls.transpose().context("cannot speak TLS with agents")?;
    let (directory, required) = (config.data_dir.clone(), config.require_enrolment);
    let fleet = tokio::task::spawn_blocking(move || Fleet::open(&directory, required)).await?;
    let fleet = fleet.context("cannot open the fleet")?;
    let door_port = config.agents.as_ref().map(|agents| agents.listen.port());
    let fleet = Arc::new(
        fleet
            .with_tls_pin(tls.as_ref().and_then(|tls| tls.pin))
            .with_door_port(door_port)
            .with_ticket_bounds(config.limits.tickets),
    );
    let (directory, plan) = (config.data_dir.clone(), Arc::clone(&config.plan));
    let plan = tokio::task::spawn_blocking(move || PlanDesk::open(&directory, plan, clock::unix_ms()));
    let plan = Arc::new(plan.await?.context("cannot open the plan")?);
    let watch = Arc::new(Watch::new(started, config.data_dir.clone(), retention));
    let snapshots = Arc::new(Snapshots::open(&config.data_dir).context("cannot open the snapshots")?);
    let context = Context::new(
        Arc::clone(&store),
        ingest,
        Arc::clone(&metrics),
        Arc::clone(&watch),
        Arc::clone(&desk),
        guard,
        Arc::clone(&snapshots),
        fleet,
        plan,
        clock::unix_ms,
    );
    let context = Arc::new(
        context
            .with_query_timeout(config.query_timeout)
            .with_embedding(&config.embed)
            .with_sign_in(sign_in),
    );

    let doors = match doors {
        Some(doors) => doors,
        None => doors.insert(Doors::open(&running).await?),
    };
    let listeners = doors.listeners()?;
    let tls = match config.agents.as_ref().zip(tls) {
        None => None,
        Some((agents, tls)) => {
            let listen = agents.listen;
            let listener = tokio::net::TcpListener::bind(listen)
                .await
                .with_context(|| format!("cannot listen on {listen} for agents"))?;
            let address = listener
                .local_addr()
                .context("cannot learn the address listened on")?;
            tracing::info!("agents come in at https://{address}");
            Some(TlsListener {
                listener,
                config: tls.config,
                app: agents_router(Arc::clone(&context)),
            })
        }
    };
    let remote_write = match config.remote_write {
        None => None,
        Some(settings) => {
            tracing::info!(
                "sending metrics to {} every {:?}",
                settings.shown_url(),
                settings.interval
            );
            let (context, counters) = (Arc::clone(&context), Arc::clone(&metrics.remote_write));
            let snapshot = Arc::new(move || context.families());
            let started = RemoteWrite::start(settings, counters, snapshot, clock::unix_ms);
            Some(started.context("cannot start remote write")?)
        }
    };
    for channel in &config.notify {
        tracing::info!(
            "alerts are told to notify.{} at {}",
            channel.name,
            channel.shown()
        );
    }
    let (counters, has_channels) = (Arc::clone(&metrics.notify), !config.notify.is_empty());
    let notifier = Notifier::start(config.notify, &config.data_dir, counters, clock::unix_ms)
        .context("cannot read the outbox of a notification channel")?;
    let notifier = Arc::new(notifier);
    // Without a channel what is to be told waits, for a day, for somebody to configure one.
    let telling = has_channels.then(|| {
        Telling::start(
            Arc::clone(&desk),
            Arc::clone(&notifier),
            config.alerting.public_url.clone(),
            clock::unix_ms,
        )
    });
    let admin = admin_socket(snapshots, &context).await;
    let maintaining = tokio::spawn(maintain_regularly(Arc::clone(&store), Arc::clone(&metrics)));

    let evaluation = Evaluation::start(Arc::clone(&store), desk, clock::unix_ms);

    let watching = tokio::spawn(look_regularly(watch, Arc::clone(&metrics)));

    if !site::is_built_in() {
        tracing::warn!("the dashboards are not built in; `make dashboards` and a new build add them");
    }
    let address = doors.address;
    tracing::info!(data_dir = %config.data_dir.display(), "listening on http://{address}");
    if let Some(path) = doors.unix_path() {
        tracing::info!("listening on unix:{}", path.display());
    }
    supervisor::ready(&format!("listening on http://{address}"));
    let alive = tokio::spawn(supervisor::keep_alive());
    let mut ended = Ended::Stopped;
    let stop = async {
        ended = orders.wait(&running, doors).await;
        match &ended {
            Ended::Stopped => {
                supervisor::stopping();
                DRAIN_TIMEOUT
            }
            Ended::Reload(_) => {
                supervisor::reloading();
                tracing::info!("SIGHUP: taking up the new configuration");
                RELOAD_DRAIN
            }
        }
    };
    serve(
        listeners.with_tls(tls),
        router(Arc::clone(&context)),
        config.limits.connections,
        metrics,
        stop,
    )
    .await;

    if let Some(admin) = admin {
        admin.abort();
        // Its socket must be free when the next round binds it.
        let _ = admin.await;
    }
    maintaining.abort();
    watching.abort();
    evaluation.finish().await;
    tokio::task::spawn_blocking(move || context.ingest.finish()).await?;
    if let Some(telling) = telling {
        telling.finish().await;
    }
    if let Some(notifier) = Arc::into_inner(notifier) {
        notifier.finish().await;
    }
    // Last, so that it tells of everything that was stored.
    if let Some(remote_write) = remote_write {
        remote_write.finish().await;
    }
    alive.abort();
    match &ended {
        Ended::Stopped => tracing::info!("stopped; everything accepted is durable"),
        Ended::Reload(_) => orders.reloads.count("taken_up", ""),
    }
    Ok(ended)
}

/// The socket of the command line. Without it the collector does all but take orders.
async fn admin_socket(
    snapshots: Arc<Snapshots>,
    context: &Arc<Context>,
) -> Option<tokio::task::JoinHandle<()>> {
    let path = context.fleet.admin_socket();
    match bind_unix(&path).await {
        Ok(listener) => {
            let app = admin::router(context.fleet_desk())
                .merge(on_the_admin_socket(snapshots))
                .merge(plan::admin::router(context));
            Some(tokio::spawn(admin::serve(listener, app)))
        }
        Err(error) => {
            let path = path.display();
            tracing::error!(
                "cannot listen on {path}: {error}; tokens, agents and snapshots cannot be changed until it can"
            );
            None
        }
    }
}

async fn look_regularly(watch: Arc<Watch>, metrics: Arc<Metrics>) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        watch.look(&metrics, clock::monotonic());
    }
}

async fn maintain_regularly(store: Arc<dyn Store>, metrics: Arc<Metrics>) {
    let mut ticks = tokio::time::interval(MAINTAIN_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        loop {
            let store = Arc::clone(&store);
            let done = tokio::task::spawn_blocking(move || store.maintain(clock::unix_ms())).await;
            match done {
                Ok(Ok(done)) => {
                    metrics.note_maintained(&done);
                    if !done.more {
                        break;
                    }
                }
                Ok(Err(error)) => {
                    metrics.maintenance_failed.add(1);
                    tracing::error!("{error}; it is tried again in {MAINTAIN_EVERY:?}");
                    break;
                }
                Err(error) => {
                    metrics.maintenance_failed.add(1);
                    tracing::error!("keeping the store small panicked: {error}");
                    break;
                }
            }
        }
    }
}
