//! One run of a world from the first namespace to the last line of truth.
//!
//! Started in the order collector, reflectors, agents, so that nobody speaks to a deaf ear; ended in the order agents
//! (they deliver their last interval), collector, reflectors.

use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::agent_config::{STAMP_PORT, TCP_PORT, agent_config};
use super::children::{Children, Program, Role};
use super::directory::RunDirectory;
use super::fabric::Fabric;
use super::run_file::{ProcessIdentity, RunFile, boot_id};
use crate::clock::{Clock, iso8601};
use crate::namespace::Namespace;
use crate::plan::Plan;
use crate::relay::thread::PacketRecords;
use crate::scenario::Family;
use crate::truth::line::IncidentLine;
use crate::truth::writer::{Message, Writer};

/// How long the collector and the reflectors may take to listen.
const READY_WITHIN_NS: u64 = 30_000_000_000;

/// How often children, incidents and signals are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// An incident stands in the truth this long before it begins, so that a test knows what to wait for.
const WRITTEN_AHEAD_NS: u64 = 60_000_000_000;

/// An agent delivers its last interval within two seconds; nobody else has anything to wait for.
const PATIENCE_NS: u64 = 6_000_000_000;

/// How to run a world.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the collector listens for browsers; no collector when not said.
    pub listen: Option<SocketAddr>,
    /// Stop after this long.
    pub duration: Option<Duration>,
    /// Where the other programs are.
    pub bin_dir: PathBuf,
    /// One line of truth per packet.
    pub records: PacketRecords,
}

/// What the runner tells the person in front of the screen.
pub trait Screen {
    /// Something was begun or finished.
    fn progress(&mut self, text: &str);
    /// The world runs.
    fn running(&mut self, plan: &Plan, directory: &RunDirectory, options: &Options, began_unix_ns: u64);
    /// An incident begins.
    fn incident(&mut self, incident: &IncidentLine);
}

/// Blocks SIGINT and SIGTERM for this and all later threads, and gives a descriptor that reports them.
///
/// Call it before any thread is started.
///
/// # Errors
/// When the kernel refuses.
pub fn signals() -> nix::Result<SignalFd> {
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGINT);
    mask.add(Signal::SIGTERM);
    mask.thread_block()?;
    SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
}

/// Runs `plan` until a signal, the end of its duration, or a death it cannot survive.
///
/// # Errors
/// Whatever kept the world from standing or made it fall; everything it started is gone by then.
pub fn run(
    plan: &Plan,
    options: &Options,
    directory: RunDirectory,
    signals: &SignalFd,
    screen: &mut dyn Screen,
) -> anyhow::Result<()> {
    let programs = Programs::find(options)?;
    let writer = Writer::start(&directory.truth(), plan.clone()).context("cannot write the ground truth")?;
    let count = plan.vantage_points.len() + plan.zones.len();
    let fabric = Fabric::build(plan, &writer.queue, options.records, |built| {
        if built % 10 == 0 || built == count {
            screen.progress(&format!("network: {built} of {count} namespaces"));
        }
    })?;
    let mut world = World {
        plan,
        options,
        directory: &directory,
        children: Children::new(fabric.clock),
        fabric,
    };
    let result = world.start(&programs, signals, screen).and_then(|go_on| {
        if go_on {
            world.watch(signals, &writer, screen)
        } else {
            Ok(())
        }
    });
    screen.progress("stopping: agents, collector, reflectors");
    for role in [Role::Agent, Role::Collector, Role::Reflector] {
        for name in world.children.stop(role, PATIENCE_NS) {
            screen.progress(&format!("{name} did not end within 6 s and was killed"));
        }
    }
    let ended = world.fabric.finish().context("the relay met an error");
    let written = ended.and_then(|end| writer.finish(end).context("the ground truth is incomplete"));
    let cleaned = directory.finish().context("cannot clean the run directory");
    result.and(written).and(cleaned)
}

/// The executables a world needs.
struct Programs {
    agent: PathBuf,
    collector: PathBuf,
}

impl Programs {
    fn find(options: &Options) -> anyhow::Result<Self> {
        let find = |name: &str| {
            let path = options.bin_dir.join(name);
            if path.is_file() {
                return Ok(path);
            }
            bail!(
                "{} is not there; build it (`cargo build -p {name}`) or say where it is with --bin-dir",
                path.display()
            )
        };
        let collector = if options.listen.is_some() {
            find("azimuth-collector")?
        } else {
            PathBuf::new()
        };
        Ok(Self {
            agent: find("azimuth-agent")?,
            collector,
        })
    }
}

struct World<'a> {
    plan: &'a Plan,
    options: &'a Options,
    directory: &'a RunDirectory,
    children: Children,
    fabric: Fabric,
}

impl World<'_> {
    /// Starts every program; false when a signal came in meanwhile.
    fn start(
        &mut self,
        programs: &Programs,
        signals: &SignalFd,
        screen: &mut dyn Screen,
    ) -> anyhow::Result<bool> {
        if let Some(listen) = self.options.listen {
            self.children.start(self.collector(programs, listen))?;
            self.write_run_file()?;
            let socket = self.directory.socket();
            if !self.wait_until("the collector listens", signals, || {
                UnixStream::connect(&socket).is_ok()
            })? {
                return Ok(false);
            }
            screen.progress("collector: listening");
        }
        for index in 0..self.plan.zones.len() {
            self.children.start(self.reflector(programs, index)?)?;
        }
        self.write_run_file()?;
        let points = self.plan.vantage_points.len();
        for (index, zone) in self.plan.zones.iter().enumerate() {
            let far = self.fabric.namespaces[points + index].handle().try_clone()?;
            let table = if zone.table.family == Family::Ipv4 {
                "udp"
            } else {
                "udp6"
            };
            let listens = || Namespace::is_bound(&far, table, STAMP_PORT).unwrap_or(false);
            if !self.wait_until(
                &format!("the reflector of {} listens", zone.key),
                signals,
                listens,
            )? {
                return Ok(false);
            }
        }
        screen.progress(&format!("reflectors: {} listening", self.plan.zones.len()));
        for index in 0..points {
            let agent = self.agent(programs, index)?;
            self.children.start(agent)?;
        }
        self.write_run_file()?;
        screen.progress(&format!("agents: {points} started"));
        Ok(true)
    }

    /// Runs until a signal or the end of the duration.
    fn watch(&mut self, signals: &SignalFd, writer: &Writer, screen: &mut dyn Screen) -> anyhow::Result<()> {
        let clock = self.fabric.clock;
        screen.running(self.plan, self.directory, self.options, clock.began_unix_ns());
        let end_ns = self.options.duration.map(|length| {
            clock
                .elapsed_ns()
                .saturating_add(u64::try_from(length.as_nanos()).unwrap_or(u64::MAX))
        });
        let mut written: Vec<Option<u64>> = vec![None; self.plan.incidents.len()];
        let mut shown = written.clone();
        while signals.read_signal()?.is_none() && end_ns.is_none_or(|end_ns| clock.elapsed_ns() < end_ns) {
            self.bury_the_dead(screen)?;
            if self.fabric.relay.has_failed() {
                bail!("the relay has stopped");
            }
            let now_ns = clock.elapsed_ns();
            for (index, incident) in self.plan.incidents.iter().enumerate() {
                let Some(occurrence) = incident.times.coming(now_ns, 1).next() else {
                    continue;
                };
                let line = || IncidentLine::of(self.plan, incident, occurrence, clock.began_unix_ns());
                let is_new =
                    |last: &mut Option<u64>| last.replace(occurrence.number) != Some(occurrence.number);
                if occurrence.from_ns <= now_ns + WRITTEN_AHEAD_NS && is_new(&mut written[index]) {
                    let queue = &writer.queue;
                    queue
                        .send(Message::Incident(line()))
                        .context("the truth writer has stopped")?;
                }
                if occurrence.from_ns <= now_ns && is_new(&mut shown[index]) {
                    screen.incident(&line());
                }
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    fn bury_the_dead(&mut self, screen: &mut dyn Screen) -> anyhow::Result<()> {
        let obituaries = self.children.check()?;
        let any = !obituaries.is_empty();
        for obituary in obituaries {
            if !obituary.restarted {
                bail!("{}", obituary.text);
            }
            screen.progress(&format!("{}  it was started again", obituary.text));
        }
        if any { self.write_run_file() } else { Ok(()) }
    }

    /// Waits for `ready`; false when a signal came first.
    fn wait_until(
        &mut self,
        what: &str,
        signals: &SignalFd,
        mut ready: impl FnMut() -> bool,
    ) -> anyhow::Result<bool> {
        let clock: Clock = self.fabric.clock;
        let deadline_ns = clock.elapsed_ns() + READY_WITHIN_NS;
        while !ready() {
            if signals.read_signal()?.is_some() {
                return Ok(false);
            }
            if let Some(obituary) = self.children.check()?.into_iter().next() {
                bail!("{}", obituary.text);
            }
            if clock.elapsed_ns() > deadline_ns {
                bail!(
                    "waited 30 s until {what}; its log is under {}/logs",
                    self.directory.path().display()
                );
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(true)
    }

    fn collector(&self, programs: &Programs, listen: SocketAddr) -> Program {
        let path = |path: &Path| path.display().to_string();
        Program {
            name: "collector".to_owned(),
            role: Role::Collector,
            executable: programs.collector.clone(),
            arguments: vec![
                "serve".to_owned(),
                "--listen".to_owned(),
                listen.to_string(),
                "--unix-socket".to_owned(),
                path(&self.directory.socket()),
                "--data-dir".to_owned(),
                path(&self.directory.path().join("collector")),
            ],
            namespace: None,
            log: self.directory.log("collector"),
        }
    }

    fn reflector(&self, programs: &Programs, index: usize) -> anyhow::Result<Program> {
        let zone = &self.plan.zones[index];
        let name = format!("reflect-{}", zone.key.to_string().replace(['/', '%'], "-"));
        let both = |port: u16| {
            [
                SocketAddr::from((zone.ipv4, port)),
                SocketAddr::from((zone.ipv6, port)),
            ]
        };
        let mut arguments = vec!["reflect".to_owned()];
        for address in both(STAMP_PORT) {
            arguments.extend(["--listen".to_owned(), address.to_string()]);
        }
        for address in both(TCP_PORT) {
            arguments.extend(["--tcp-listen".to_owned(), address.to_string()]);
        }
        for prefix in [&self.plan.ipv4_prefix, &self.plan.ipv6_prefix] {
            arguments.extend(["--allow".to_owned(), prefix.clone()]);
        }
        let node = self.plan.zone_node(index);
        Ok(Program {
            log: self.directory.log(&name),
            name,
            role: Role::Reflector,
            executable: programs.agent.clone(),
            arguments,
            namespace: Some(self.fabric.namespaces[node.0].handle().try_clone()?),
        })
    }

    fn agent(&self, programs: &Programs, index: usize) -> anyhow::Result<Program> {
        let point = &self.plan.vantage_points[index];
        let agent = point.agent.as_str();
        let config = self.directory.agent_config(agent);
        let (socket, spool) = (self.directory.socket(), self.directory.agent_spool(agent));
        std::fs::write(&config, agent_config(self.plan, point, &socket, &spool)?)
            .with_context(|| format!("cannot write {}", config.display()))?;
        let name = format!("agent-{}", point.agent);
        let node = self.plan.vantage_node(index);
        Ok(Program {
            log: self.directory.log(&name),
            name,
            role: Role::Agent,
            executable: programs.agent.clone(),
            arguments: vec![
                "run".to_owned(),
                "--config".to_owned(),
                config.display().to_string(),
            ],
            namespace: Some(self.fabric.namespaces[node.0].handle().try_clone()?),
        })
    }

    fn write_run_file(&self) -> anyhow::Result<()> {
        let file = RunFile {
            world: self.plan.name.clone(),
            started_at: iso8601(self.fabric.clock.began_unix_ns()),
            boot_id: boot_id()?,
            collector_url: self.options.listen.map(|listen| format!("http://{listen}")),
            testbed: ProcessIdentity::of(std::process::id())?,
            children: self.children.records(),
        };
        file.write(self.directory.path()).context("cannot write run.json")
    }
}
