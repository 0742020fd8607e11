//! Watches the world's programs: starts them, names the dead with the tail of their logs, restarts what may live,
//! and ends them in order.
//!
//! Whether to restart is decided by `verdict`, which is pure.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::run_file::{ChildRecord, ProcessIdentity};
use crate::clock::Clock;
use crate::namespace::spawn;

/// A child that ends by itself within this time of its start has a fault that a restart will not mend.
const HOPELESS_WITHIN_NS: u64 = 5_000_000_000;

/// Restarts of one child before the world is given up.
const MAX_RESTARTS: u32 = 5;

/// How much of a dead child's log is shown.
const TAIL_BYTES: u64 = 2048;

/// In the order in which they are started; they are stopped agents first, then the collector, then reflectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `azimuth-collector serve`
    Collector,
    /// `azimuth-agent reflect`
    Reflector,
    /// `azimuth-agent run`
    Agent,
}

/// What to start.
#[derive(Debug)]
pub struct Program {
    /// Its name: the log's file name and the name on the screen.
    pub name: String,
    /// What it is to the world.
    pub role: Role,
    /// The executable.
    pub executable: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The namespace it runs in; none for the collector.
    pub namespace: Option<File>,
    /// Where its output goes.
    pub log: PathBuf,
}

struct Running {
    program: Program,
    child: Child,
    identity: ProcessIdentity,
    started_ns: u64,
    restarts: u32,
}

/// All programs of a world.
pub struct Children {
    running: Vec<Running>,
    clock: Clock,
}

/// A death the world survives: who, how, and what its log said last.
#[derive(Debug)]
pub struct Obituary {
    /// The text for the screen.
    pub text: String,
    /// True when it was started again.
    pub restarted: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Restart,
    GiveUp,
}

/// A child killed from outside is restarted at once; one that ended by itself only if it had lived for a while.
fn verdict(by_signal: bool, lived_ns: u64, restarts: u32) -> Verdict {
    if restarts >= MAX_RESTARTS || (!by_signal && lived_ns < HOPELESS_WITHIN_NS) {
        return Verdict::GiveUp;
    }
    Verdict::Restart
}

impl Children {
    /// Nobody yet.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            running: Vec::new(),
            clock,
        }
    }

    /// Starts a program. Call it from the main thread (see [`spawn`]).
    ///
    /// # Errors
    /// When its log cannot be made or it cannot be started; the message names it.
    pub fn start(&mut self, program: Program) -> io::Result<()> {
        let (child, identity) = launch(&program)?;
        self.running.push(Running {
            program,
            child,
            identity,
            started_ns: self.clock.elapsed_ns(),
            restarts: 0,
        });
        Ok(())
    }

    /// Who is running, for the run file.
    #[must_use]
    pub fn records(&self) -> Vec<ChildRecord> {
        let record = |one: &Running| ChildRecord {
            name: one.program.name.clone(),
            process: one.identity.clone(),
        };
        self.running.iter().map(record).collect()
    }

    /// Looks for the dead and restarts those that may live.
    ///
    /// # Errors
    /// When a restart fails to start at all.
    pub fn check(&mut self) -> io::Result<Vec<Obituary>> {
        let now_ns = self.clock.elapsed_ns();
        let mut obituaries = Vec::new();
        for mut one in std::mem::take(&mut self.running) {
            let Some(status) = one.child.try_wait()? else {
                self.running.push(one);
                continue;
            };
            let by_signal = std::os::unix::process::ExitStatusExt::signal(&status).is_some();
            let restarted = verdict(by_signal, now_ns - one.started_ns, one.restarts) == Verdict::Restart;
            obituaries.push(Obituary {
                text: obituary(&one.program, status),
                restarted,
            });
            if restarted {
                (one.child, one.identity) = launch(&one.program)?;
                one.started_ns = now_ns;
                one.restarts += 1;
                self.running.push(one);
            }
        }
        Ok(obituaries)
    }

    /// Ends all children of `role`: SIGTERM, `patience_ns` of waiting, SIGKILL. The names of those that had to be
    /// killed.
    pub fn stop(&mut self, role: Role, patience_ns: u64) -> Vec<String> {
        let (mut leaving, staying): (Vec<_>, Vec<_>) = std::mem::take(&mut self.running)
            .into_iter()
            .partition(|one| one.program.role == role);
        self.running = staying;
        for one in &leaving {
            // Reaped only by us, so the pid is still ours; a child that has just died is no error.
            let _ = kill(Pid::from_raw(one.identity.pid), Signal::SIGTERM);
        }
        let deadline_ns = self.clock.elapsed_ns() + patience_ns;
        while !leaving.is_empty() && self.clock.elapsed_ns() < deadline_ns {
            leaving.retain_mut(|one| matches!(one.child.try_wait(), Ok(None)));
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        for one in &mut leaving {
            let _ = one.child.kill();
            let _ = one.child.wait();
        }
        leaving.into_iter().map(|one| one.program.name).collect()
    }
}

fn launch(program: &Program) -> io::Result<(Child, ProcessIdentity)> {
    let named = |error: io::Error| {
        let executable = program.executable.display();
        io::Error::new(
            error.kind(),
            format!("cannot start {} ({executable}): {error}", program.name),
        )
    };
    let log = File::options()
        .create(true)
        .append(true)
        .open(&program.log)
        .map_err(named)?;
    let mut command = Command::new(&program.executable);
    command
        .args(&program.arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(named)?)
        .stderr(log);
    let child = spawn(command, program.namespace.as_ref()).map_err(named)?;
    let identity = ProcessIdentity::of(child.id()).map_err(named)?;
    Ok((child, identity))
}

fn obituary(program: &Program, status: ExitStatus) -> String {
    let tail = tail(&program.log).unwrap_or_else(|error| format!("(its log cannot be read: {error})\n"));
    let indented: String = tail.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "{} ended ({status}); the end of {}:\n{indented}",
        program.name,
        program.log.display()
    )
}

/// The last whole lines of a log.
fn tail(log: &Path) -> io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    let start = length.saturating_sub(TAIL_BYTES);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let whole = if start == 0 {
        text.as_str()
    } else {
        text.split_once('\n').map_or("", |(_, rest)| rest)
    };
    Ok(if whole.is_empty() {
        "(nothing)\n".to_owned()
    } else {
        whole.to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_killed_is_restarted_and_who_cannot_start_is_not() {
        assert_eq!(verdict(true, 1, 0), Verdict::Restart);
        assert_eq!(verdict(false, HOPELESS_WITHIN_NS - 1, 0), Verdict::GiveUp);
        assert_eq!(verdict(false, HOPELESS_WITHIN_NS, 0), Verdict::Restart);
        assert_eq!(verdict(true, u64::MAX, MAX_RESTARTS), Verdict::GiveUp);
    }

    #[test]
    fn a_dead_child_is_named_with_the_end_of_its_log_and_a_killed_one_comes_back() {
        let scratch = tempfile::tempdir().expect("scratch");
        let shell = |name: &str, script: &str| Program {
            name: name.to_owned(),
            role: Role::Agent,
            executable: "sh".into(),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            namespace: None,
            log: scratch.path().join(name),
        };
        let mut children = Children::new(Clock::start());
        children
            .start(shell("faulty", "echo no such target; exit 2"))
            .expect("started");
        children.start(shell("steady", "sleep 60")).expect("started");
        let steady = children.records()[1].process.clone();
        assert!(steady.kill());

        let mut seen = Vec::new();
        while seen.len() < 2 {
            seen.extend(
                children
                    .check()
                    .expect("checked")
                    .into_iter()
                    .map(|one| (one.text, one.restarted)),
            );
        }
        let of = |name: &str| {
            seen.iter()
                .find(|(text, _)| text.starts_with(name))
                .expect("named")
        };
        assert!(of("faulty").0.contains("exit status: 2") && of("faulty").0.contains("    no such target"));
        assert!(!of("faulty").1 && of("steady").1);
        let left = children.records();
        assert!(
            left.len() == 1 && left[0].process != steady,
            "a new process, and only that: {left:?}"
        );
        assert!(
            children.stop(Role::Agent, 2_000_000_000).is_empty(),
            "SIGTERM was enough"
        );
    }

    #[test]
    fn a_missing_executable_is_named() {
        let scratch = tempfile::tempdir().expect("scratch");
        let program = Program {
            name: "agent-paris".to_owned(),
            role: Role::Agent,
            executable: scratch.path().join("no-such-binary"),
            arguments: vec![],
            namespace: None,
            log: scratch.path().join("log"),
        };
        let error = Children::new(Clock::start())
            .start(program)
            .expect_err("refused")
            .to_string();
        assert!(
            error.contains("agent-paris") && error.contains("no-such-binary"),
            "{error}"
        );
    }
}
