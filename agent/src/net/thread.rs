//! Timer slack and scheduling priority of a measuring thread: what the system permits, and which it was.
#![expect(
    unsafe_code,
    reason = "sched_setscheduler and setpriority have no safe wrapper for the calling thread"
)]

use std::fmt;

/// Slack of the thread's timers; the default of 50 us would be added to every wait.
const TIMER_SLACK_NS: u64 = 1;
/// The lowest real-time priority: above every ordinary task, below everything the system owner set higher.
const REAL_TIME_PRIORITY: libc::c_int = 1;
/// Nice value where real-time is not permitted.
const NICE: libc::c_int = -10;

/// Which scheduling the thread got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduling {
    /// SCHED_FIFO: runs as soon as its timer fires.
    RealTime,
    /// Ordinary scheduling with nice -10.
    Nice,
    /// Ordinary scheduling; send lateness follows the load of the host, and is reported.
    Ordinary,
}

impl fmt::Display for Scheduling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RealTime => "real-time (SCHED_FIFO 1)",
            Self::Nice => "nice -10",
            Self::Ordinary => "ordinary (give CAP_SYS_NICE for punctual sending on a busy host)",
        })
    }
}

/// `struct sched_param` of the kernel; that of musl has more fields.
#[repr(C)]
struct SchedParam {
    priority: libc::c_int,
}

/// Makes the calling thread as punctual as the system permits.
pub fn become_punctual() -> Scheduling {
    // A kernel that refuses keeps its default slack; send lateness shows it.
    let _ = nix::sys::prctl::set_timerslack(TIMER_SLACK_NS);
    // RESET_ON_FORK: a child must not inherit real-time priority by accident.
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    let parameters = SchedParam {
        priority: REAL_TIME_PRIORITY,
    };
    // Not by the C library: musl's sched_setscheduler() refuses everything, because it cannot change whole processes as POSIX says.
    // SAFETY: thread id 0 is the calling thread; `parameters` outlives the call, which only reads it.
    if unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, policy, &raw const parameters) } == 0 {
        return Scheduling::RealTime;
    }
    // SAFETY: no pointers; on Linux `who` 0 is the calling thread.
    if unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) } == 0 {
        return Scheduling::Nice;
    }
    Scheduling::Ordinary
}
