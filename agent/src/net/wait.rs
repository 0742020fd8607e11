//! Sleeping until a deadline or until a socket has something to read, to the nanosecond; and ending that sleep from
//! another thread.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll, ppoll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::TimeSpec;

use crate::clock::{Monotonic, NS_PER_S};

/// Waits until one of `sockets` can be read (or has an error queue to drain), one of `connecting` is decided, or
/// `deadline` has passed; without a deadline, until a socket stirs. Spurious returns are allowed.
///
/// # Errors
/// What `ppoll(2)` reports, interruption excepted.
pub fn wait<'a>(
    sockets: impl IntoIterator<Item = BorrowedFd<'a>>,
    connecting: impl IntoIterator<Item = BorrowedFd<'a>>,
    now: Monotonic,
    deadline: Option<Monotonic>,
) -> io::Result<()> {
    let readable = sockets.into_iter().map(|fd| PollFd::new(fd, PollFlags::POLLIN));
    let writable = connecting
        .into_iter()
        .map(|fd| PollFd::new(fd, PollFlags::POLLOUT));
    let mut polled: Vec<PollFd<'_>> = readable.chain(writable).collect();
    let timeout = deadline.map(|at| {
        let left_ns = at.since_ns(now).max(0);
        TimeSpec::new(left_ns / NS_PER_S, left_ns % NS_PER_S)
    });
    match ppoll(&mut polled, timeout, None) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Ends a [`wait`] from another thread: once set it stays set, until it is cleared.
#[derive(Debug)]
pub struct Waker {
    event: EventFd,
}

impl Waker {
    /// A waker that has not been set.
    ///
    /// # Errors
    /// What `eventfd(2)` reports.
    pub fn new() -> io::Result<Self> {
        let event = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Self { event })
    }

    /// Ends the wait.
    pub fn wake(&self) {
        // Writing 1 to an eventfd fails only when its counter is full, which means it is set already.
        let _ = self.event.write(1);
    }

    /// Takes the wake back, so that the next wait sleeps.
    pub fn clear(&self) {
        // Nothing to read means that it was not set.
        let _ = self.event.read();
    }

    /// Whether it was set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        let mut polled = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
        poll(&mut polled, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}
