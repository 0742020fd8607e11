//! `azimuth-testbed load`: a fleet that comes back all at once after an outage, each agent with a backlog, against a real
//! collector over loopback. Agents here are tasks, not programs: they make reports of their own, post them as the agent does
//! (the newest alone first, then the rest), wait as it does when they are turned away, and stop when all is settled or the
//! time is over. What the collector then says it stored is held against what each agent had.
//!
//! Not a benchmark of the agent, and nothing here leaves this machine: other addresses than loopback are refused.

mod agent;
mod figures;
mod http;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::sync::{Mutex, Semaphore};

pub use self::figures::Figures;
use self::figures::Tally;
use crate::clock::Clock;

/// Most agents: what a collector keeps.
pub const MAX_AGENTS: u32 = 10_000;
/// Most reports each: a day of minutes.
pub const MAX_BACKLOG: u32 = 1_440;
/// Longest run, in seconds.
pub const MAX_SECONDS: u64 = 1_800;
/// Agents that make themselves known at the same time, before the outage.
const INTRODUCED_AT_ONCE: usize = 32;
/// How long a collector of our own may take to listen.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// What is asked.
#[derive(Debug, Clone)]
pub struct Options {
    /// Agents.
    pub agents: u32,
    /// Reports each has when the collector comes back.
    pub backlog: u32,
    /// Series each.
    pub series: u16,
    /// The collector, on a loopback address; one is started, on a directory that is removed, when not said.
    pub collector: Option<SocketAddr>,
    /// Where azimuth-collector is.
    pub bin_dir: PathBuf,
    /// When to stop at the latest.
    pub at_most: Duration,
}

/// Lets the fleet loose and says what came of it.
///
/// # Errors
/// When what is asked is out of bounds or not on this machine, or the collector does not start or answer.
pub fn run(options: &Options) -> anyhow::Result<Figures> {
    ensure!(
        (1..=MAX_AGENTS).contains(&options.agents) && (1..=MAX_BACKLOG).contains(&options.backlog),
        "between 1 and {MAX_AGENTS} agents with 1 to {MAX_BACKLOG} reports each can be asked for"
    );
    ensure!(options.series >= 1, "each agent needs a series");
    allow_open_files(u64::from(options.agents) + 1_000)?;
    let (address, own) = match options.collector {
        Some(address) if address.ip().is_loopback() => (address, None),
        Some(address) => {
            bail!("{address} is not a loopback address; load is only ever put on this machine")
        }
        None => {
            let own = Own::start(&options.bin_dir)?;
            (own.address, Some(own))
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no event loop")?;
    let figures = runtime.block_on(fleet(options, address));
    drop(own);
    figures
}

async fn fleet(options: &Options, address: SocketAddr) -> anyhow::Result<Figures> {
    let clock = Arc::new(Clock::start());
    let tally = Arc::new(Mutex::new(Tally::default()));
    let run = format!("load-{:06x}", mark_of(&clock));
    let gate = Arc::new(Semaphore::new(INTRODUCED_AT_ONCE));
    let known: Vec<_> = (0..options.agents)
        .map(|number| {
            let agent = agent::Agent::new(&run, number, options, clock.unix_ns() / 1_000_000);
            let (mut agent, gate) = (agent.context("an agent's id")?, Arc::clone(&gate));
            let clock = Arc::clone(&clock);
            Ok(tokio::spawn(async move {
                let _turn = gate.acquire().await?;
                agent.introduce(address, &clock).await?;
                anyhow::Ok(agent)
            }))
        })
        .collect::<anyhow::Result<_>>()?;
    let mut agents = Vec::with_capacity(known.len());
    for agent in known {
        agents.push(agent.await.context("an agent panicked")??);
    }
    // The outage is over.
    let clock = Arc::new(Clock::start());
    let agents: Vec<_> = agents
        .into_iter()
        .map(|agent| {
            let (tally, clock) = (Arc::clone(&tally), Arc::clone(&clock));
            let at_most = options.at_most;
            Ok(tokio::spawn(async move {
                // What is not settled when the time is over is told by its absence.
                let _ = tokio::time::timeout(at_most, agent.run(address, &tally, &clock)).await;
            }))
        })
        .collect::<anyhow::Result<_>>()?;
    for agent in agents {
        agent.await.context("an agent panicked")?;
    }
    let stored = agent::stored(address, &run).await?;
    let tally = std::mem::take(&mut *tally.lock().await);
    Ok(Figures::of(options, &run, tally, &stored))
}

/// Tells two runs against one collector apart.
fn mark_of(clock: &Clock) -> u64 {
    (clock.unix_ns() / 1_000_000) & 0x00ff_ffff
}

/// Every agent holds one connection.
fn allow_open_files(wanted: u64) -> anyhow::Result<()> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).context("the limit on open files")?;
    if soft >= wanted {
        return Ok(());
    }
    ensure!(
        hard >= wanted || nix::unistd::geteuid().is_root(),
        "{wanted} open files are needed and {hard} are allowed; raise `ulimit -Hn` or ask for fewer --agents"
    );
    setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted)).context("raising the limit on open files")
}

/// A collector of our own; killed when dropped, its directory with it.
struct Own {
    child: Child,
    address: SocketAddr,
    directory: PathBuf,
}

impl Own {
    fn start(bin_dir: &Path) -> anyhow::Result<Self> {
        // A port of the system's choice, given back for the collector to take.
        let address = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .context("no port")?;
        let directory = std::env::temp_dir().join(format!("azimuth-load-{}", std::process::id()));
        std::fs::create_dir(&directory).with_context(|| directory.display().to_string())?;
        let program = bin_dir.join("azimuth-collector");
        let child = Command::new(&program)
            .args(["serve", "--listen", &address.to_string(), "--data-dir"])
            .arg(&directory)
            .env("AZIMUTH_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut own = match child {
            Ok(child) => Self {
                child,
                address,
                directory,
            },
            Err(error) => {
                let _ = std::fs::remove_dir_all(&directory);
                bail!(
                    "{}: {error}; build it first (`cargo build --workspace --bins`) or say --bin-dir",
                    program.display()
                );
            }
        };
        let pause = Duration::from_millis(20);
        for _ in 0..START_PATIENCE.as_millis() / pause.as_millis() {
            if std::net::TcpStream::connect(own.address).is_ok() {
                return Ok(own);
            }
            if let Some(status) = own.child.try_wait()? {
                bail!("azimuth-collector ended with {status} before it listened");
            }
            std::thread::sleep(pause);
        }
        bail!("azimuth-collector did not listen within {START_PATIENCE:?}")
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
