//! TCP connections opened without blocking, and the kernel's own sample of their handshake (`TCP_INFO`).
//!
//! The time `connect()` takes in userspace is not the round trip: it includes waking this thread up. `tcpi_rtt` of a
//! fresh connection is the kernel's SYN to SYN-ACK sample, in microseconds.
#![expect(unsafe_code, reason = "getsockopt(TCP_INFO) has no safe wrapper")]

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Domain, Protocol, Socket, Type};

/// A connection attempt under way.
#[derive(Debug)]
pub struct Connecting {
    socket: Socket,
}

/// What the kernel knows of a handshake that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// SYN to SYN-ACK, in microseconds; 0 when the kernel took no sample.
    pub rtt_us: u32,
    /// Whether any segment had to be sent again: then the sample says nothing of the first SYN.
    pub retransmitted: bool,
}

/// How an attempt ended.
#[derive(Debug)]
pub enum Progress {
    /// Not decided yet.
    Pending,
    /// The connection stands.
    Connected(Handshake),
    /// The other side said no (RST).
    Refused,
    /// Nobody answered, or the network said there is no way.
    Failed(io::Error),
}

impl Connecting {
    /// Starts connecting to `to`.
    ///
    /// # Errors
    /// What the local system reports; nothing was sent then. `ConnectionRefused` alone is an answer, not an error of
    /// ours: it can come back this early when the other side is this host.
    pub fn start(to: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(
            Domain::for_address(to),
            Type::STREAM.nonblocking(),
            Some(Protocol::TCP),
        )?;
        match socket.connect(&to.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(Errno::EINPROGRESS as i32) => {}
            Err(error) => return Err(error),
        }
        Ok(Self { socket })
    }

    /// How far it has come.
    #[must_use]
    pub fn progress(&self) -> Progress {
        match self.socket.take_error() {
            Ok(None) => {}
            Ok(Some(error)) | Err(error) => {
                return match error.kind() {
                    io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => Progress::Refused,
                    _ => Progress::Failed(error),
                };
            }
        }
        let mut polled = [PollFd::new(self.socket.as_fd(), PollFlags::POLLOUT)];
        match poll(&mut polled, PollTimeout::ZERO) {
            Ok(0) => Progress::Pending,
            Ok(_) => match self.handshake() {
                Ok(handshake) => Progress::Connected(handshake),
                Err(error) => Progress::Failed(error),
            },
            Err(errno) => Progress::Failed(errno.into()),
        }
    }

    fn handshake(&self) -> io::Result<Handshake> {
        // SAFETY: tcp_info is plain integers, for which all zeroes is a valid value.
        let mut info: libc::tcp_info = unsafe { mem::zeroed() };
        let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
        // SAFETY: `info` and `length` are live and writable, and `length` states the size of `info`; an older
        // kernel writes less and leaves the zeroes.
        let result = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                (&raw mut info).cast(),
                &raw mut length,
            )
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Handshake {
            rtt_us: info.tcpi_rtt,
            retransmitted: info.tcpi_total_retrans > 0,
        })
    }
}

impl AsFd for Connecting {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
