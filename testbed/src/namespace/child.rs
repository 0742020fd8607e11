//! Starting a program inside a namespace, tied to the life of this process.
//!
//! Not a supervisor: it starts and forgets; `world::children` watches.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use nix::sched::{CloneFlags, setns};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{Pid, getpid, getppid};

/// Starts `command` inside `namespace` (or where we are, for `None`).
///
/// The child dies with this process even on kill -9 (PR_SET_PDEATHSIG), starts with no signal blocked, and leads a
/// process group of its own, so that a Ctrl-C on the terminal reaches us alone and we end the children in order.
///
/// Call it from the main thread: the kernel ties the death signal to the thread that forked, not to the process.
///
/// # Errors
/// When the program cannot be started or the namespace cannot be entered.
pub fn spawn(mut command: Command, namespace: Option<&File>) -> io::Result<Child> {
    let namespace = namespace.map(File::try_clone).transpose()?;
    let parent = getpid();
    command.process_group(0);
    // SAFETY: between fork and exec the hook makes only system calls (setns, sigprocmask, prctl, getppid): it
    // allocates nothing and takes no lock. The descriptor it uses is owned by the hook.
    unsafe {
        command.pre_exec(move || prepare(namespace.as_ref(), parent));
    }
    command.spawn()
}

fn prepare(namespace: Option<&File>, parent: Pid) -> io::Result<()> {
    if let Some(namespace) = namespace {
        setns(namespace, CloneFlags::CLONE_NEWNET)?;
    }
    SigSet::empty().thread_set_mask()?;
    set_pdeathsig(Signal::SIGKILL)?;
    // The parent may have died between fork and prctl; then nobody would send the signal.
    if getppid() != parent {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    Ok(())
}
