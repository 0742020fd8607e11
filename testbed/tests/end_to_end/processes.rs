//! The real binaries as child processes. Whatever happens to the test, they do not outlive it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A child that is killed when dropped.
pub(crate) struct Process {
    child: Child,
    name: &'static str,
    log: PathBuf,
}

impl Process {
    pub(crate) fn start(name: &'static str, command: &mut Command, log: &Path) -> Self {
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .expect("a log file");
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a second handle"))
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Self {
            child,
            name,
            log: log.to_owned(),
        }
    }

    /// kill -9, and the body collected.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("still ours to kill");
        self.child.wait().expect("a body");
    }

    fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).expect("a pid"));
        nix::sys::signal::kill(pid, signal).expect("the process is there");
    }

    /// SIGTERM, then waits for a clean exit.
    pub(crate) fn stop(mut self, within: Duration) {
        self.signal(nix::sys::signal::Signal::SIGTERM);
        let status = wait_until(within, || self.child.try_wait().expect("a status"));
        let status = status.unwrap_or_else(|| panic!("{} did not stop within {within:?}", self.name));
        assert!(status.success(), "{} ended with {status}", self.name);
    }

    /// Panics with the exit status and the log if the process is gone.
    pub(crate) fn must_run(&mut self) {
        if let Some(status) = self.child.try_wait().expect("a status") {
            let said = std::fs::read_to_string(&self.log).unwrap_or_default();
            panic!("{} ended early with {status}; it said:\n{said}", self.name);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Polls until `ready` gives something or the time is over.
pub(crate) fn wait_until<T>(within: Duration, mut ready: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = ready() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Where the binaries of this build are, all three of them.
pub(crate) fn bin_dir() -> PathBuf {
    let testbed = Path::new(env!("CARGO_BIN_EXE_azimuth-testbed"));
    let dir = testbed.parent().expect("a binary lies in a folder");
    for name in ["azimuth-agent", "azimuth-collector"] {
        assert!(
            dir.join(name).exists(),
            "{name} is not built; run `cargo build --workspace --bins` first (make test does)"
        );
    }
    dir.to_owned()
}

/// Starts the collector on `listen` and on the run directory's unix socket.
pub(crate) fn start_collector(run_dir: &Path, listen: SocketAddr) -> Process {
    let mut command = Command::new(bin_dir().join("azimuth-collector"));
    command.arg("serve").arg("--listen").arg(listen.to_string());
    command
        .arg("--unix-socket")
        .arg(run_dir.join("collector.sock"))
        .arg("--data-dir")
        .arg(run_dir.join("collector"));
    Process::start(
        "azimuth-collector",
        &mut command,
        &run_dir.join("collector-under-test.log"),
    )
}

/// Starts the emulated world without a collector of its own.
pub(crate) fn start_world(scenario: &Path, run_dir: &Path) -> Process {
    start_world_with(scenario, run_dir, &[])
}

/// The same with further arguments.
pub(crate) fn start_world_with(scenario: &Path, run_dir: &Path, arguments: &[&str]) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_azimuth-testbed"));
    command
        .arg("run")
        .arg(scenario)
        .arg("--dir")
        .arg(run_dir)
        .arg("--no-collector")
        .args(arguments);
    Process::start("azimuth-testbed", &mut command, &run_dir.join("world.log"))
}
