//! A server as a process of its own: started on a free port of loopback, waited for, measured from outside through
//! `/proc`, and ended with its owner.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use azimuth_collector::clock;

use super::client::Client;

/// `/proc/PID/stat` counts in hundredths of a second on every Linux there is.
const TICKS_PER_S: f64 = 100.0;
/// Between two looks whether something has happened.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts what `command` makes for an address, and waits until `ready_path` answers 200. Its words go to `log`.
    pub(crate) fn start(
        command: impl FnOnce(SocketAddr) -> Command,
        ready_path: &str,
        log: &Path,
    ) -> anyhow::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = command(address);
        let words = fs::OpenOptions::new().create(true).append(true).open(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(words.try_clone()?)
            .stderr(words)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().to_string_lossy()))?;
        let mut server = Self { child, address };
        let ready = server.wait_for("readiness", 120, |server| {
            let answer = Client::connect(server.address)
                .and_then(|mut client| client.request("GET", ready_path, "", &[]));
            Ok(answer.is_ok_and(|answer| answer.status == 200))
        });
        ready.with_context(|| format!("see {}", log.display()))?;
        Ok(server)
    }

    /// Looks until `there` says yes.
    pub(crate) fn wait_for(
        &mut self,
        what: &str,
        patience_s: u64,
        mut there: impl FnMut(&Self) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let began = clock::monotonic();
        while !there(self)? {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended before {what}: {status}");
            }
            if clock::monotonic() - began > Duration::from_secs(patience_s) {
                bail!("no {what} within {patience_s} s");
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    fn proc_file(&self, name: &str) -> anyhow::Result<String> {
        let path = format!("/proc/{}/{name}", self.child.id());
        fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
    }

    /// Processor time of the whole process since it began, user and system, to 10 ms.
    pub(crate) fn cpu_s(&self) -> anyhow::Result<f64> {
        let stat = self.proc_file("stat")?;
        // The name may hold spaces; the fields count from behind its parenthesis: 14 and 15 of the whole.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: Vec<f64> = fields
            .skip(11)
            .take(2)
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        Ok(ticks.iter().sum::<f64>() / TICKS_PER_S)
    }

    /// Processor time of each thread that lives, to the nanosecond.
    pub(crate) fn threads_ns(&self) -> anyhow::Result<BTreeMap<String, u64>> {
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let entry = entry?;
            // A thread may end between the two.
            let Ok(text) = fs::read_to_string(entry.path().join("schedstat")) else {
                continue;
            };
            let spent_ns = text.split_whitespace().next().unwrap_or_default().parse()?;
            threads.insert(entry.file_name().to_string_lossy().into_owned(), spent_ns);
        }
        Ok(threads)
    }

    /// Resident memory now and at its most, MB.
    pub(crate) fn memory_mb(&self) -> anyhow::Result<(f64, f64)> {
        let status = self.proc_file("status")?;
        let field = |name: &str| -> anyhow::Result<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib: f64 = line
                .and_then(|rest| rest.split_whitespace().next())
                .with_context(|| format!("no {name} in /proc"))?
                .parse()?;
            Ok(kib * 1_024.0 / 1e6)
        };
        Ok((field("VmRSS:")?, field("VmHWM:")?))
    }

    /// SIGTERM, then waits for its end.
    pub(crate) fn terminate(mut self) -> anyhow::Result<()> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What was spent between two looks at the threads, ns. A thread that came meanwhile began at nothing.
pub(crate) fn spent_ns(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> u64 {
    after
        .iter()
        .map(|(thread, now)| now.saturating_sub(before.get(thread).copied().unwrap_or(0)))
        .sum()
}

/// Bytes of all files under a directory.
pub(crate) fn bytes_under(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => bytes_under(&entry.path()),
            Ok(kind) if kind.is_file() => entry.metadata().map_or(0, |metadata| metadata.len()),
            _ => 0,
        })
        .sum()
}
