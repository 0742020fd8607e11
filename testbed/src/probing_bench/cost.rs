//! What probing costs: processor time, memory, and whether every probe was sent, stamped and answered; and the agent's size.
//!
//! Over loopback inside the vantage point's namespace, addresses of 127/8, the prober held to one core: 1,000 targets by `stamp`
//! at rising rates, and what an agent of the default kind does: 30 zones by three methods once a second.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Serialize;

use super::Running;
use super::tools::missing;
use crate::clock::Clock;
use crate::namespace::Namespace;
use crate::world::fabric::FabricError;

const TARGETS: u32 = 1_000;
/// From 10 probes a second and target, the bar, up to as many as the configuration allows.
const PERIODS_MS: [u32; 4] = [100, 40, 20, 10];
/// Zones of an agent of the default kind.
const ZONES: u32 = 30;
const ZONE_METHODS: [&str; 3] = ["stamp", "icmp_echo", "tcp_connect"];
/// Two intervals of 10 s and their waiting times, so that reports are made and kept as well.
const ZONES_FOR_S: u32 = 25;
const TICKS_PER_S: f64 = 100.0;
/// An agent's first slot is so long after its probing thread has begun.
const SETTLE_NS: u64 = 100_000_000;

/// One prober at one rate.
#[derive(Debug, Serialize)]
pub struct Cost {
    /// Which.
    pub prober: &'static str,
    /// How many targets.
    pub targets: u32,
    /// Probes per second asked for.
    pub asked_per_s: u32,
    /// Probes per second sent, from the first slot until the prober was stopped.
    pub sent_per_s: Option<f64>,
    /// Probes without an answer.
    pub lost: Option<u64>,
    /// Probes or answers without a kernel stamp, and slots passed over.
    pub unstamped: Option<u64>,
    /// Processor time of the prober's process.
    pub cpu_ms_per_1000: Option<f64>,
    /// Most memory it held (VmHWM).
    pub memory_mib: Option<f64>,
}

/// The agent at every rate, then fping at its own best.
pub(super) fn costs(namespace: &Namespace, agent: &Path, seconds: u32) -> Result<Vec<Cost>, FabricError> {
    let _reflector = namespace.run(|| {
        let arguments = [
            "reflect",
            "--listen",
            "0.0.0.0:8620",
            "--allow",
            "127.0.0.0/8",
            "--max-per-second",
            "1000000",
            "--tcp-listen",
            "0.0.0.0:8621",
        ];
        Running::start(
            Command::new("taskset")
                .args(["-c", "0"])
                .arg(agent)
                .args(arguments),
        )
    })??;
    std::thread::sleep(Duration::from_millis(300));
    let scratch = std::env::temp_dir().join(format!("azimuth-bench-{}", std::process::id()));
    fs::create_dir_all(&scratch)?;
    let mut rows = Vec::new();
    let zones = Load {
        prober: "azimuth, 3 methods",
        targets: ZONES,
        methods: &ZONE_METHODS,
        period_ms: 1_000,
        seconds: ZONES_FOR_S,
    };
    let thousand = PERIODS_MS.map(|period_ms| Load {
        prober: "azimuth stamp",
        targets: TARGETS,
        methods: &ZONE_METHODS[..1],
        period_ms,
        seconds,
    });
    for load in [zones].into_iter().chain(thousand) {
        rows.push(namespace.run(|| agent_cost(agent, &scratch, load))??);
    }
    rows.push(namespace.run(|| fping_cost(&scratch))??);
    fs::remove_dir_all(&scratch)?;
    Ok(rows)
}

#[derive(Clone, Copy)]
struct Load {
    prober: &'static str,
    targets: u32,
    methods: &'static [&'static str],
    period_ms: u32,
    seconds: u32,
}

impl Load {
    fn asked_per_s(&self) -> u32 {
        self.targets * self.methods.len() as u32 * 1_000 / self.period_ms
    }
}

fn agent_cost(agent: &Path, scratch: &Path, load: Load) -> io::Result<Cost> {
    let seconds = load.seconds;
    let spool = scratch.join(format!("spool-{}", load.asked_per_s()));
    let file = scratch.join("agent.toml");
    fs::write(&file, configuration(&spool, load))?;
    let mut child = Running(
        Command::new("taskset")
            .args(["-c", "1"])
            .arg(agent)
            .args(["run", "--config"])
            .arg(&file)
            .env("AZIMUTH_LOG", "debug")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(scratch.join("log"))?)
            .spawn()
            .map_err(|error| missing("taskset", &error))?,
    );
    std::thread::sleep(Duration::from_secs(seconds.into()));
    let pid = child.0.id();
    let stopped_unix_ns = Clock::start().unix_ns();
    let (cpu_s, memory_mib) = (cpu_s(pid), memory_mib(pid));
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(pid.cast_signed()),
        nix::sys::signal::Signal::SIGTERM,
    )?;
    child.0.wait()?;
    let log = fs::read_to_string(scratch.join("log"))?;
    let total = |key: &str| -> u64 {
        log.match_indices(key)
            .filter_map(|(at, _)| {
                let digits = log[at + key.len()..]
                    .split(|c: char| !c.is_ascii_digit())
                    .next()?;
                digits.parse::<u64>().ok()
            })
            .sum()
    };
    let sent = total(" sent: ");
    let sent_for_s = began_unix_ns(&log).map(|began| stopped_unix_ns.saturating_sub(began) as f64 / 1e9);
    Ok(Cost {
        prober: load.prober,
        targets: load.targets,
        asked_per_s: load.asked_per_s(),
        sent_per_s: sent_for_s.map(|seconds| sent as f64 / seconds),
        lost: Some(total(" lost=")),
        unstamped: Some(total("missing_tx_stamp: ") + total("missing_rx_stamp: ") + total("skipped: ")),
        cpu_ms_per_1000: cpu_s.map(|cpu_s| cpu_s * 1e6 / sent as f64),
        memory_mib,
    })
}

/// When an agent's first slot was, by the time of its log line about the probing thread.
fn began_unix_ns(log: &str) -> Option<u64> {
    let line = log.lines().find(|line| line.contains("probing thread started"))?;
    let at = chrono::DateTime::parse_from_rfc3339(line.split_whitespace().next()?).ok()?;
    Some(u64::try_from(at.timestamp_nanos_opt()?).ok()? + SETTLE_NS)
}

fn configuration(spool: &Path, load: Load) -> String {
    let mut text = format!(
        "agent = \"bench\"\n[collector]\nurl = \"http://127.0.0.1:9\"\n[spool]\ndirectory = {:?}\n[vantage_point]\n\
        name = \"Bench\"\ncountry = \"FR\"\ncity = \"Paris\"\nnetwork = \"none\"\nasn = 0\nlatitude = 48.9\nlongitude = 2.3\n",
        spool.display().to_string()
    );
    // Writing to a String cannot fail.
    for target in 0..load.targets {
        let (high, low) = (target / 250, target % 250 + 1);
        let _ = write!(
            text,
            "[[target]]\nname = \"t{target}\"\nprovider = \"bench\"\nregion = \"bench\"\nzone = \"t{target}\"\n\
            address = \"127.1.{high}.{low}\"\n"
        );
        for method in load.methods {
            let _ = write!(
                text,
                "[[target.probe]]\nmethod = {method:?}\nperiod_ms = {}\n",
                load.period_ms
            );
        }
    }
    text
}

/// The size of a program.
#[derive(Debug, Serialize)]
pub struct Size {
    /// Octets of the file.
    pub bytes: u64,
    /// Whether it needs nothing else to be loaded.
    pub is_static: bool,
}

/// The size of the agent's file, and whether it asks for a loader (an ELF interpreter).
pub(super) fn size(agent: &Path) -> io::Result<Size> {
    let file = fs::read(agent)?;
    Ok(Size {
        bytes: file.len() as u64,
        is_static: !file
            .windows(7)
            .any(|octets| octets == b"/lib64/" || octets == b"/lib/ld"),
    })
}

fn fping_cost(scratch: &Path) -> io::Result<Cost> {
    let list = scratch.join("targets");
    let addresses: Vec<String> = (0..TARGETS)
        .map(|target| format!("127.1.{}.{}", target / 250, target % 250 + 1))
        .collect();
    fs::write(&list, addresses.join("\n"))?;
    let output = Command::new("taskset")
        .args(["-c", "1", "sh", "-c"])
        .arg("start=$(date +%s%N); fping -q -c 30 -i 0.01 -p 10 -f \"$0\" 2>\"$0.out\"; end=$(date +%s%N); echo $((end - start)); times")
        .arg(&list)
        .output()
        .map_err(|error| missing("fping", &error))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines = text.lines();
    let elapsed_s = lines
        .next()
        .and_then(|line| line.parse::<f64>().ok())
        .map(|ns| ns / 1e9);
    // `times` prints the shell's own, then its children's: user, system as 0m1.230000s.
    let cpu_s = lines
        .nth(1)
        .map(|line| line.split_whitespace().filter_map(shell_time_s).sum::<f64>());
    let sent = f64::from(TARGETS * 30);
    let answers = fs::read_to_string(scratch.join("targets.out"))?;
    let received: u64 = answers
        .lines()
        .filter_map(|line| line.split("= ").nth(1)?.split('/').nth(1)?.parse::<u64>().ok())
        .sum();
    Ok(Cost {
        prober: "fping",
        targets: TARGETS,
        asked_per_s: 100_000,
        sent_per_s: elapsed_s.map(|elapsed_s| sent / elapsed_s),
        lost: Some(u64::from(TARGETS * 30).saturating_sub(received)),
        unstamped: None,
        cpu_ms_per_1000: cpu_s.map(|cpu_s| cpu_s * 1e6 / sent),
        memory_mib: None,
    })
}

fn shell_time_s(text: &str) -> Option<f64> {
    let (minutes, seconds) = text.trim_end_matches('s').split_once('m')?;
    Some(minutes.parse::<f64>().ok()? * 60.0 + seconds.parse::<f64>().ok()?)
}

/// User and system time of all its threads so far.
fn cpu_s(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = stat.rsplit_once(") ")?.1;
    let mut fields = after_name.split(' ').skip(11);
    let ticks = fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?;
    Some(ticks / TICKS_PER_S)
}

fn memory_mib(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shells_times_are_seconds() {
        assert_eq!(shell_time_s("1m2.500000s"), Some(62.5));
        assert_eq!(shell_time_s("nonsense"), None);
    }

    #[test]
    fn probing_begins_where_the_log_says_so() {
        let log = "1970-01-01T00:00:01.000000Z  INFO azimuth\n1970-01-01T00:00:02.250000Z  INFO probing thread started scheduling=nice";
        assert_eq!(began_unix_ns(log), Some(2_350_000_000));
        assert_eq!(began_unix_ns("nothing"), None);
    }

    #[test]
    fn this_process_has_used_memory() {
        assert!(memory_mib(std::process::id()).is_some_and(|mib| mib > 0.0));
        assert!(cpu_s(std::process::id()).is_some());
    }
}
