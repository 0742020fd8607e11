//! `run.json`: which processes a run started, so that the next start can clean up after a kill -9.
//!
//! A process is named by pid, start time and boot: a pid alone may belong to somebody else by now, and we never
//! signal a process whose start time differs.

use std::io;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// The file's name in the run directory.
pub const NAME: &str = "run.json";

/// A process, beyond doubt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// Process id.
    pub pid: i32,
    /// Field 22 of /proc/PID/stat: clock ticks from boot to its start (proc_pid_stat(5)).
    pub start_ticks: u64,
}

/// A child in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildRecord {
    /// Its name, as in the logs' file names.
    pub name: String,
    /// Which process.
    #[serde(flatten)]
    pub process: ProcessIdentity,
}

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFile {
    /// The world's name.
    pub world: String,
    /// When the run began, UTC.
    pub started_at: String,
    /// The machine's boot; start times of another boot mean nothing.
    pub boot_id: String,
    /// Where the collector listens for browsers; null without a collector.
    pub collector_url: Option<String>,
    /// The testbed itself.
    pub testbed: ProcessIdentity,
    /// What it started.
    pub children: Vec<ChildRecord>,
}

impl ProcessIdentity {
    /// The process that has this pid now.
    ///
    /// # Errors
    /// When there is none, or /proc cannot be read.
    pub fn of(pid: u32) -> io::Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let start_ticks = start_ticks(&stat).ok_or_else(|| io::Error::other("malformed /proc/PID/stat"))?;
        let pid = i32::try_from(pid).map_err(io::Error::other)?;
        Ok(Self { pid, start_ticks })
    }

    /// True while exactly this process is there (and not a later one with its pid, and not its corpse).
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let Ok(pid) = u32::try_from(self.pid) else {
            return false;
        };
        let same = Self::of(pid).is_ok_and(|now| now == *self);
        same && std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !is_zombie(&stat))
    }

    /// Kills exactly this process; true when it was there.
    #[must_use]
    pub fn kill(&self) -> bool {
        self.is_alive() && kill(Pid::from_raw(self.pid), Signal::SIGKILL).is_ok()
    }
}

/// The id of this boot.
///
/// # Errors
/// When /proc cannot be read.
pub fn boot_id() -> io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?
        .trim()
        .to_owned())
}

impl RunFile {
    /// Reads the file of a run directory; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read or is none of ours.
    pub fn read(directory: &Path) -> io::Result<Option<Self>> {
        match std::fs::read(directory.join(NAME)) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the file in one step, so that a reader never sees half of it.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        let draft = directory.join("run.json.new");
        std::fs::write(&draft, serde_json::to_vec_pretty(self)?)?;
        std::fs::rename(draft, directory.join(NAME))
    }

    /// Kills what a dead run left; the names of the processes that were still there.
    #[must_use]
    pub fn kill_leftovers(&self, boot_id: &str) -> Vec<String> {
        if self.boot_id != boot_id {
            return Vec::new();
        }
        let alive = self.children.iter().filter(|child| child.process.kill());
        alive
            .map(|child| format!("{} (pid {})", child.name, child.process.pid))
            .collect()
    }
}

/// Field 22; the second field is a name in parentheses that may hold anything, parentheses included.
fn start_ticks(stat: &str) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// Field 3: Z or X.
fn is_zombie(stat: &str) -> bool {
    let state = stat
        .rsplit_once(')')
        .and_then(|(_, rest)| rest.split_whitespace().next());
    matches!(state, Some("Z" | "X") | None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(children: Vec<ChildRecord>) -> RunFile {
        RunFile {
            world: "w".to_owned(),
            started_at: "2026-11-23T10:00:00.000Z".to_owned(),
            boot_id: "this-boot".to_owned(),
            collector_url: None,
            testbed: ProcessIdentity {
                pid: 1,
                start_ticks: 0,
            },
            children,
        }
    }

    #[test]
    fn a_process_name_full_of_parentheses_does_not_confuse_the_start_time() {
        let stat = "42 (a) b) (c)) S 1 42 42 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 1 0 987654 1000 10 18446744073709551615";
        assert_eq!(start_ticks(stat), Some(987_654));
        assert_eq!(start_ticks("42"), None);
    }

    #[test]
    fn a_pid_with_another_start_time_is_somebody_else_and_is_left_alone() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .expect("sleep");
        let real = ProcessIdentity::of(child.id()).expect("alive");
        let stranger = ProcessIdentity {
            start_ticks: real.start_ticks + 1,
            ..real.clone()
        };
        let record = |process: &ProcessIdentity| ChildRecord {
            name: "agent-x".to_owned(),
            process: process.clone(),
        };

        assert!(
            file(vec![record(&stranger)])
                .kill_leftovers("this-boot")
                .is_empty()
        );
        assert!(
            file(vec![record(&real)])
                .kill_leftovers("another-boot")
                .is_empty()
        );
        assert!(real.is_alive(), "neither was a reason to kill it");

        let killed = file(vec![record(&real)]).kill_leftovers("this-boot");
        assert_eq!(killed, [format!("agent-x (pid {})", real.pid)]);
        child.wait().expect("reaped");
        assert!(!real.is_alive());
    }

    #[test]
    fn the_file_survives_a_round_trip_and_garbage_is_an_error() {
        let directory = tempfile::tempdir().expect("a directory");
        assert_eq!(
            RunFile::read(directory.path()).expect("no file is no error"),
            None
        );
        let written = file(vec![]);
        written.write(directory.path()).expect("written");
        assert_eq!(RunFile::read(directory.path()).expect("read"), Some(written));
        std::fs::write(directory.path().join(NAME), "{").expect("written");
        assert!(RunFile::read(directory.path()).is_err());
    }
}
