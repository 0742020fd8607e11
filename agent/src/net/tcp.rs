//! TCP connections opened without blocking, and the kernel's own sample of their handshake (`TCP_INFO`).
//!
//! The time `connect()` takes in userspace is not the round trip: it includes waking this thread up. `tcpi_rtt` of a
//! fresh connection is the kernel's SYN to SYN-ACK sample, in microseconds.
#![expect(unsafe_code, reason = "getsockopt(TCP_INFO) has no safe wrapper")]

use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{TimestampingFlag, setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

use super::outgoing::{self, LaneError, Opened};
use super::udp::hear_icmp_errors;
use crate::icmp::Family;
use crate::probe::lane::Lane;

/// States of a connection as `TCP_INFO` tells them (`linux/tcp_states.h`); of the others, all stand or have stood.
const TCP_SYN_SENT: u8 = 2;
const TCP_SYN_RECV: u8 = 3;
const TCP_CLOSE: u8 = 7;

/// A connection attempt under way.
#[derive(Debug)]
pub struct Connecting {
    socket: Socket,
}

/// From where the connections of one lane are opened.
#[derive(Debug)]
pub struct Connector {
    family: Family,
    lane: Lane,
    local: Option<SocketAddr>,
    /// Keeps the port from other programs between two connections.
    _reserved: Option<Socket>,
}

impl Connector {
    /// Tries the lane's options, and reserves its port.
    ///
    /// # Errors
    /// [`LaneError`] naming the step that failed.
    pub fn open(family: Family, lane: &Lane) -> Result<Opened<Self>, LaneError> {
        let mut connector = Self {
            family,
            lane: lane.clone(),
            local: None,
            _reserved: None,
        };
        let socket = connector.socket()?;
        let (mut port, mut taken) = (0, 0);
        if lane.port.is_some() || lane.outgoing.source_address.is_some() {
            (port, taken) = outgoing::bind(&socket, family, lane)?;
            let bound = socket.local_addr().ok().and_then(|at| at.as_socket());
            connector.local = bound.map(|at| SocketAddr::new(at.ip(), lane.port.map_or(0, |_| port)));
            connector._reserved = lane.port.map(|_| socket);
        }
        Ok(Opened {
            socket: connector,
            port: lane.port.map_or(0, |_| port),
            taken,
        })
    }

    fn socket(&self) -> Result<Socket, LaneError> {
        let domain = match self.family {
            Family::V4 => Domain::IPV4,
            Family::V6 => Domain::IPV6,
        };
        let unavailable = |source| {
            let remedy =
                "Is the address family switched off on this host, or the limit on open files reached?";
            LaneError::new("opening a TCP socket", remedy, source)
        };
        let socket =
            Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP)).map_err(unavailable)?;
        if self.lane.port.is_some() {
            // The next connection goes out by the same port while the last one is still remembered: share it, and end each
            // with a reset, which leaves nothing to remember on either side.
            socket.set_reuse_address(true).map_err(unavailable)?;
            socket.set_linger(Some(Duration::ZERO)).map_err(unavailable)?;
        }
        outgoing::shape(&socket, self.family, &self.lane)?;
        Ok(socket)
    }
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
    /// Starts connecting to `to`, the way `from` says.
    ///
    /// # Errors
    /// What the local system reports; nothing was sent then. `ConnectionRefused` alone is an answer, not an error of
    /// ours: it can come back this early when the other side is this host.
    pub fn start(to: SocketAddr, from: &Connector) -> io::Result<Self> {
        let socket = from.socket().map_err(io::Error::other)?;
        if let Some(at) = from.local {
            socket.bind(&at.into())?;
        }
        connect(&socket, to)?;
        Ok(Self { socket })
    }

    /// The same from the port of `flow`, for a packet that may pass `hops` routers. What routers say comes through the
    /// error queue of the socket, stamped on arrival. An end of it leaves nothing behind that would keep the port taken.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_within(to: SocketAddr, flow: &FlowPort, hops: u8) -> io::Result<Self> {
        let socket = Socket::new(
            Domain::for_address(to),
            Type::STREAM.nonblocking(),
            Some(Protocol::TCP),
        )?;
        socket.set_reuse_address(true)?;
        // RST instead of TIME_WAIT: the next packet of the trace has the same four numbers.
        socket.set_linger(Some(Duration::ZERO))?;
        if to.is_ipv4() {
            socket.set_ttl_v4(hops.into())?;
        } else {
            socket.set_unicast_hops_v6(hops.into())?;
        }
        hear_icmp_errors(&socket, to.is_ipv4())?;
        let stamps =
            TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE | TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE;
        // Without a stamp the delay is by this program's clock.
        let _ = setsockopt(&socket, sockopt::Timestamping, &stamps);
        socket.bind(&flow.at.into())?;
        connect(&socket, to)?;
        Ok(Self { socket })
    }

    /// How far it has come.
    #[must_use]
    pub fn progress(&self) -> Progress {
        // One question says it all, unless something went wrong.
        match self.info() {
            Ok(info) => match info.tcpi_state {
                TCP_SYN_SENT | TCP_SYN_RECV => return Progress::Pending,
                TCP_CLOSE => {}
                _ => {
                    return Progress::Connected(Handshake {
                        rtt_us: info.tcpi_rtt,
                        retransmitted: info.tcpi_total_retrans > 0,
                    });
                }
            },
            Err(error) => return Progress::Failed(error),
        }
        let error = match self.socket.take_error() {
            Ok(Some(error)) | Err(error) => error,
            Ok(None) => io::ErrorKind::ConnectionReset.into(),
        };
        match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => Progress::Refused,
            _ => Progress::Failed(error),
        }
    }

    fn info(&self) -> io::Result<libc::tcp_info> {
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
        Ok(info)
    }
}

/// A source port kept for the packets of one flow, one connection attempt after the other.
#[derive(Debug)]
pub struct FlowPort {
    at: SocketAddr,
    _kept: Socket,
}

impl FlowPort {
    /// Takes a free port for connections of one address family.
    ///
    /// # Errors
    /// What the operating system reports.
    pub fn take(is_ipv4: bool) -> io::Result<Self> {
        let any: IpAddr = if is_ipv4 {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        };
        let at = SocketAddr::new(any, 0);
        let kept = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
        if !is_ipv4 {
            kept.set_only_v6(true)?;
        }
        kept.set_reuse_address(true)?;
        kept.bind(&at.into())?;
        let at = kept.local_addr()?.as_socket();
        Ok(Self {
            at: at.ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, "not an internet address"))?,
            _kept: kept,
        })
    }
}

fn connect(socket: &Socket, to: SocketAddr) -> io::Result<()> {
    match socket.connect(&to.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::EINPROGRESS as i32) => Err(error),
        _ => Ok(()),
    }
}

impl AsFd for Connecting {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
