//! What makes the relay's thread wake up on time: real-time priority and no timer slack.
//!
//! Best effort and reported: without CAP_SYS_NICE the relay works at normal priority and its lateness shows it.

use nix::sys::prctl::set_timerslack;

/// SCHED_FIFO priority of the relay. Low in the range: above every ordinary task, below the kernel's own threads.
const FIFO_PRIORITY: libc::c_int = 10;

/// What the kernel granted the relay's thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayPriority {
    /// SCHED_FIFO: the relay runs before every ordinary task.
    RealTime,
    /// SCHED_OTHER: a busy machine delays the relay, and the late_p99_us in the truth says by how much.
    Ordinary,
}

/// Sets the calling thread up as the relay.
pub fn become_relay_thread() -> RelayPriority {
    // 1 ns, the smallest the kernel takes: the default of 50 us would be half our error budget. Real-time tasks have
    // none anyway; this is for the ordinary case. Refusal changes nothing else.
    let _ = set_timerslack(1);
    // SAFETY: sched_param is plain old data; zeroes are a valid value.
    let mut parameters: libc::sched_param = unsafe { std::mem::zeroed() };
    parameters.sched_priority = FIFO_PRIORITY;
    // SAFETY: pid 0 is the calling thread and `parameters` outlives the call.
    let answer = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) };
    if answer == 0 {
        RelayPriority::RealTime
    } else {
        RelayPriority::Ordinary
    }
}
