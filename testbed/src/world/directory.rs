//! The run directory: where a world keeps its socket, logs, data and truth.
//!
//! It only ever removes what a run put there, and refuses a directory that holds anything else.

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::run_file::{NAME, RunFile, boot_id};

/// The kernel's limit for a unix socket's path, its closing zero byte included (unix(7)).
const SOCKET_PATH_BYTES: usize = 108;

/// Says that what stands under our names was put there by a run. Without it nothing is ever removed: a `collector`
/// folder may be somebody's source code.
const MARKER: &str = ".azimuth-testbed";

/// Everything a run puts into its directory, whatever else lies there.
const CONTENTS: [&str; 5] = [NAME, "run.json.new", "agents", "logs", "truth.jsonl"];

/// What is added by the collector, when the run starts one.
const COLLECTOR_CONTENTS: [&str; 2] = [SOCKET, "collector"];

/// Where agents deliver.
const SOCKET: &str = "collector.sock";

/// What a run wants of its directory.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The directory the user chose; always kept. Otherwise one under the system's temporary directory.
    pub chosen: Option<&'a Path>,
    /// Keep the temporary directory, too.
    pub keep: bool,
    /// The world's name.
    pub world: &'a str,
    /// The user's real id: every user has a default directory of his own.
    pub user: u32,
    /// The run starts a collector. Otherwise its socket and data, if any, are somebody else's.
    pub collector: bool,
}

/// A directory ready for a run.
#[derive(Debug)]
pub struct RunDirectory {
    path: PathBuf,
    remove_at_end: bool,
    collector: bool,
    /// Held for as long as the run uses the directory. The kernel lets it go with the process, however that ends.
    _lock: Flock<File>,
}

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Something in the way.
    #[error("{}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not a directory of ours.
    #[error("{}: there already, and not made by a run; choose another directory with --dir", .0.display())]
    NotOurs(PathBuf),
    /// A world is running in it.
    #[error("{}: a world is running here (pid {pid}); stop it with `kill {pid}` or choose another with --dir", path.display())]
    InUse {
        /// Where.
        path: PathBuf,
        /// Who.
        pid: i32,
    },
    /// Another world has just taken it and not yet said who it is.
    #[error("{}: another world is starting here; wait for it, or choose another directory with --dir", .0.display())]
    Starting(PathBuf),
    /// Its socket's path would be longer than the kernel takes.
    #[error("{}: too long for a unix socket (at most {SOCKET_PATH_BYTES} bytes); choose a shorter one with --dir", .0.display())]
    TooLong(PathBuf),
}

/// A directory and what was found in it.
#[derive(Debug)]
pub struct Prepared {
    /// The directory, empty now.
    pub directory: RunDirectory,
    /// Processes that an earlier run had left behind and that are gone now.
    pub killed: Vec<String>,
    /// True when files of an earlier run were removed.
    pub replaced: bool,
}

impl RunDirectory {
    /// Prepares the directory: what an earlier run left there goes, anything else stays.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub fn prepare(wanted: Wanted<'_>) -> Result<Prepared, DirectoryError> {
        let path = match wanted.chosen {
            Some(path) => std::path::absolute(path).map_err(|source| DirectoryError::Io {
                path: path.to_owned(),
                source,
            })?,
            None => std::env::temp_dir().join(format!("azimuth-testbed-{}-{}", wanted.user, wanted.world)),
        };
        let io = |source| DirectoryError::Io {
            path: path.clone(),
            source,
        };
        let remove_at_end = wanted.chosen.is_none() && !wanted.keep;
        if path.join(SOCKET).as_os_str().as_bytes().len() >= SOCKET_PATH_BYTES {
            return Err(DirectoryError::TooLong(path));
        }
        // 0700: a name in a shared temporary directory must not be readable, nor made by somebody else (below).
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .map_err(io)?;
        let found = path.symlink_metadata().map_err(io)?;
        if !found.is_dir() || found.uid() != nix::unistd::geteuid().as_raw() {
            return Err(DirectoryError::NotOurs(path));
        }
        let directory = Self {
            path: path.clone(),
            remove_at_end,
            collector: wanted.collector,
            _lock: lock(&path)?,
        };
        let ours = path.join(MARKER).exists();
        let killed = if ours { clean_up_after(&path)? } else { Vec::new() };
        let replaced = ours && directory.remove_contents().map_err(io)?;
        if let Some(stranger) = directory
            .contents()
            .find(|content| content.symlink_metadata().is_ok())
        {
            return Err(DirectoryError::NotOurs(stranger));
        }
        std::fs::write(
            path.join(MARKER),
            "A run of azimuth-testbed; the next run here replaces it.\n",
        )
        .map_err(io)?;
        for folder in ["agents", "logs"] {
            std::fs::create_dir(path.join(folder)).map_err(io)?;
        }
        Ok(Prepared {
            directory,
            killed,
            replaced,
        })
    }

    /// Its path, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True when it stays after the run.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        !self.remove_at_end
    }

    /// The collector's socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.path.join(SOCKET)
    }

    /// The ground truth.
    #[must_use]
    pub fn truth(&self) -> PathBuf {
        self.path.join("truth.jsonl")
    }

    /// The log of a child.
    #[must_use]
    pub fn log(&self, name: &str) -> PathBuf {
        self.path.join("logs").join(format!("{name}.log"))
    }

    /// The configuration of an agent.
    #[must_use]
    pub fn agent_config(&self, agent: &str) -> PathBuf {
        self.path.join("agents").join(format!("{agent}.toml"))
    }

    /// Where an agent keeps what it cannot deliver.
    #[must_use]
    pub fn agent_spool(&self, agent: &str) -> PathBuf {
        self.path.join("agents").join(format!("{agent}.spool"))
    }

    /// Ends the run's use of it: run file and socket go, and all of it unless it is kept.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn finish(self) -> io::Result<()> {
        if self.remove_at_end {
            self.remove_contents()?;
            remove(&self.path.join(MARKER))?;
            return std::fs::remove_dir(&self.path);
        }
        remove(&self.path.join(NAME))?;
        if self.collector {
            remove(&self.socket())?;
        }
        Ok(())
    }

    fn contents(&self) -> impl Iterator<Item = PathBuf> + '_ {
        let collector = if self.collector {
            &COLLECTOR_CONTENTS[..]
        } else {
            &[]
        };
        CONTENTS.iter().chain(collector).map(|name| self.path.join(name))
    }

    /// Removes what runs put there, and nothing else; true when there was something.
    fn remove_contents(&self) -> io::Result<bool> {
        self.contents()
            .try_fold(false, |any, content| Ok(remove(&content)? || any))
    }
}

/// How long a killed world may take to die, in polls. The kernel takes down some sixty namespaces and devices before it
/// lets go of the lock; two seconds were seen, during which the process looks alive.
const DYING_POLLS: u32 = 50;
const DYING_POLL: Duration = Duration::from_millis(100);

/// Takes the directory for this process, before anything in it is looked at: two runs started together must not both
/// find it free.
fn lock(path: &Path) -> Result<Flock<File>, DirectoryError> {
    let io = |source| DirectoryError::Io {
        path: path.to_owned(),
        source,
    };
    let mut directory = File::open(path).map_err(io)?;
    let mut refusal = DirectoryError::Starting(path.to_owned());
    for _ in 0..DYING_POLLS {
        directory = match Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((directory, Errno::EWOULDBLOCK)) => directory,
            Err((_, errno)) => return Err(io(errno.into())),
        };
        if RunFile::read(path).map_err(io)?.is_none() {
            break;
        }
        if let Err(in_use) = clean_up_after(path) {
            refusal = in_use;
        }
        std::thread::sleep(DYING_POLL);
    }
    Err(refusal)
}

fn clean_up_after(path: &Path) -> Result<Vec<String>, DirectoryError> {
    let io = |source| DirectoryError::Io {
        path: path.join(NAME),
        source,
    };
    let Some(earlier) = RunFile::read(path).map_err(io)? else {
        return Ok(Vec::new());
    };
    let boot = boot_id().map_err(io)?;
    if earlier.boot_id == boot && earlier.testbed.is_alive() {
        return Err(DirectoryError::InUse {
            path: path.to_owned(),
            pid: earlier.testbed.pid,
        });
    }
    Ok(earlier.kill_leftovers(&boot))
}

fn remove(path: &Path) -> io::Result<bool> {
    let removed = match path.symlink_metadata() {
        Ok(found) if found.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::run_file::ProcessIdentity;

    fn run_file(testbed: ProcessIdentity) -> RunFile {
        RunFile {
            world: "w".to_owned(),
            started_at: "2026-11-23T10:00:00.000Z".to_owned(),
            boot_id: boot_id().expect("linux"),
            collector_url: None,
            testbed,
            children: vec![],
        }
    }

    fn prepare(path: &Path) -> Result<Prepared, DirectoryError> {
        RunDirectory::prepare(Wanted {
            chosen: Some(path),
            keep: false,
            world: "w",
            user: 0,
            collector: true,
        })
    }

    #[test]
    fn what_an_earlier_run_left_is_replaced_and_anything_else_is_left_alone() {
        let scratch = tempfile::tempdir().expect("scratch");
        let path = scratch.path().join("run");
        let first = prepare(&path).expect("new").directory;
        std::fs::write(first.truth(), "{}").expect("written");
        first.finish().expect("ended");
        assert!(path.join("truth.jsonl").exists(), "a chosen directory is kept");

        let second = prepare(&path).expect("again");
        assert!(second.replaced && !path.join("truth.jsonl").exists());
        drop(second);

        std::fs::write(path.join("thesis.tex"), "years of work").expect("written");
        prepare(&path).expect("again").directory.finish().expect("ended");
        assert!(path.join("thesis.tex").exists());
    }

    #[test]
    fn a_collector_that_is_not_the_runs_own_keeps_its_socket_and_data() {
        let scratch = tempfile::tempdir().expect("scratch");
        std::fs::create_dir(scratch.path().join("collector")).expect("made");
        std::fs::write(scratch.path().join("collector.sock"), "").expect("made");
        for _ in 0..2 {
            let chosen = Some(scratch.path());
            let wanted = Wanted {
                chosen,
                keep: false,
                world: "w",
                user: 0,
                collector: false,
            };
            RunDirectory::prepare(wanted)
                .expect("prepared")
                .directory
                .finish()
                .expect("ended");
            assert!(
                scratch.path().join("collector").exists() && scratch.path().join("collector.sock").exists()
            );
        }
    }

    #[test]
    fn a_directory_that_only_looks_like_a_run_is_left_alone() {
        let scratch = tempfile::tempdir().expect("scratch");
        std::fs::create_dir(scratch.path().join("collector")).expect("made");
        let refused = prepare(scratch.path()).expect_err("refused");
        assert!(matches!(refused, DirectoryError::NotOurs(_)));
        assert!(scratch.path().join("collector").exists());
    }

    #[test]
    fn a_directory_in_use_is_refused_and_one_of_a_dead_run_is_not() {
        let scratch = tempfile::tempdir().expect("scratch");
        let path = scratch.path();
        prepare(path).expect("new");
        let ourselves = ProcessIdentity::of(std::process::id()).expect("alive");
        run_file(ourselves.clone()).write(path).expect("written");
        let refused = prepare(path).expect_err("in use");
        assert!(
            matches!(refused, DirectoryError::InUse { pid, .. } if pid == ourselves.pid),
            "{refused}"
        );

        run_file(ProcessIdentity {
            start_ticks: 1,
            ..ourselves
        })
        .write(path)
        .expect("written");
        prepare(path).expect("that run is dead");
    }

    #[test]
    fn of_two_runs_that_start_together_one_is_refused() {
        let scratch = tempfile::tempdir().expect("scratch");
        let first = prepare(scratch.path()).expect("new");
        // The first has not written its run file yet.
        assert!(matches!(
            prepare(scratch.path()),
            Err(DirectoryError::Starting(_))
        ));
        assert!(
            first.directory.path().join("logs").exists(),
            "and nothing of the first was touched"
        );
        drop(first);
        prepare(scratch.path()).expect("free again");
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_refused_before_anything_is_made() {
        let scratch = tempfile::tempdir().expect("scratch");
        let path = scratch.path().join("x".repeat(120));
        assert!(matches!(prepare(&path), Err(DirectoryError::TooLong(_))));
        assert!(!path.exists());
    }
}
