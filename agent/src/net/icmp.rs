//! ICMP echo sockets with kernel stamps: a datagram socket where `ping_group_range` lets this group, else a raw one where
//! CAP_NET_RAW is there, else none, with the reason. Having none is never a failure of the agent.
#![expect(
    unsafe_code,
    reason = "setsockopt of the two ICMP filters has no safe wrapper"
)]

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;

use super::outgoing::{self, LaneError, Opened};
use super::udp::{ProberSocket, RECEIVE_BUFFER_BYTES, hear_icmp_errors};
use crate::icmp::{self, Echo, Family};
use crate::probe::lane::{Lane, WantedPort};

/// `ICMP_FILTER` (`linux/icmp.h`) and its level; not in libc.
const SOL_RAW: libc::c_int = 255;
const ICMP_FILTER: libc::c_int = 1;
/// `ICMP6_FILTER` (RFC 3542 section 3.2) on Linux.
const ICMP6_FILTER: libc::c_int = 1;

/// Which kind of socket carries the echoes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A datagram socket: no privilege, the kernel sorts replies by socket.
    Datagram,
    /// A raw socket: every echo reply of the host comes past.
    Raw,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Datagram => "datagram socket",
            Self::Raw => "raw socket",
        })
    }
}

/// Neither kind of socket can be had.
#[derive(Debug, Error)]
#[error("no right to ping, or not like this. Datagram socket: {datagram} Raw socket: {raw}")]
pub struct Absent {
    datagram: LaneError,
    raw: LaneError,
}

/// What to do where an echo socket cannot be had.
const RIGHT: &str = "Let this group ping (`sysctl -w net.ipv4.ping_group_range=\"0 2147483647\"`, which also governs IPv6) or give \
                     the agent CAP_NET_RAW.";

/// A socket for the echoes of one address family; every send can be stamped, each stamp found again by its owner `T`.
#[derive(Debug)]
pub struct EchoSocket<T> {
    socket: ProberSocket<T>,
    family: Family,
    access: Access,
    /// What replies to a raw socket are told apart by; the kernel chooses its own for a datagram socket.
    identifier: u16,
    /// Where longer requests are put together.
    scratch: Vec<u8>,
}

impl<T: Copy> EchoSocket<T> {
    /// Opens the better kind of socket that this process may have. `identifier` is used with a raw one.
    ///
    /// # Errors
    /// [`Absent`] with both reasons.
    pub fn open(family: Family, lane: &Lane, identifier: u16) -> Result<Opened<Self>, Absent> {
        let datagram = match Self::open_as(family, lane, Access::Datagram, identifier) {
            Ok(socket) => return Ok(socket),
            Err(error) => error,
        };
        Self::open_as(family, lane, Access::Raw, identifier).map_err(|raw| Absent { datagram, raw })
    }

    /// Opens one kind of socket.
    ///
    /// # Errors
    /// [`LaneError`] naming the step that failed; permission, most of the time.
    pub fn open_as(
        family: Family,
        lane: &Lane,
        access: Access,
        identifier: u16,
    ) -> Result<Opened<Self>, LaneError> {
        let (domain, protocol) = match family {
            Family::V4 => (Domain::IPV4, Protocol::ICMPV4),
            Family::V6 => (Domain::IPV6, Protocol::ICMPV6),
        };
        let kind = match access {
            Access::Datagram => Type::DGRAM,
            Access::Raw => Type::RAW,
        };
        let refused = |step: &'static str| move |source: io::Error| LaneError::new(step, RIGHT, source);
        let socket =
            Socket::new(domain, kind.nonblocking(), Some(protocol)).map_err(refused("opening the socket"))?;
        // Best effort, as for UDP.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
        outgoing::shape(&socket, family, lane)?;
        let (identifier, taken) = if access == Access::Raw {
            pass_only_replies(&socket, family).map_err(refused("choosing what to be handed"))?;
            let without_port = Lane {
                port: None,
                ..lane.clone()
            };
            if lane.outgoing.source_address.is_some() {
                outgoing::bind(&socket, family, &without_port)?;
            }
            // Anybody may use it beside us; replies prove themselves by their token.
            (lane.port.map_or(identifier, WantedPort::first), 0)
        } else {
            outgoing::bind(&socket, family, lane)?
        };
        // Routers' errors come through the error queue, with the address of who said so.
        hear_icmp_errors(&socket, family == Family::V4).map_err(refused("asking for routers' errors"))?;
        let socket = ProberSocket::over(socket, family == Family::V4)
            .map_err(refused("asking for kernel timestamps (SO_TIMESTAMPING)"))?;
        Ok(Opened {
            socket: Self {
                socket,
                family,
                access,
                identifier,
                scratch: Vec::new(),
            },
            port: identifier,
            taken,
        })
    }

    /// Which kind of socket it is.
    #[must_use]
    pub fn access(&self) -> Access {
        self.access
    }

    /// Which family it speaks.
    #[must_use]
    pub fn family(&self) -> Family {
        self.family
    }

    /// Whether `to` is of this socket's address family.
    #[must_use]
    pub fn reaches(&self, to: SocketAddr) -> bool {
        self.socket.reaches(to)
    }

    /// Sends one request on behalf of `owner`, with `padding` zeros after it.
    ///
    /// # Errors
    /// What the operating system reports; the request was not sent then.
    pub fn send(&mut self, echo: &Echo, padding: u16, to: SocketAddr, owner: T) -> io::Result<()> {
        let message = echo.encode(self.family, self.identifier);
        if padding == 0 {
            return self.send_message(&message, to, owner);
        }
        let mut padded = std::mem::take(&mut self.scratch);
        padded.clear();
        padded.extend_from_slice(&message);
        padded.resize(message.len() + usize::from(padding), 0);
        let sent = self.send_message(&padded, to, owner);
        self.scratch = padded;
        sent
    }

    /// Sends one request whose octets were made elsewhere.
    ///
    /// # Errors
    /// What the operating system reports; the request was not sent then.
    pub fn send_message(&mut self, message: &[u8], to: SocketAddr, owner: T) -> io::Result<()> {
        // An error that a router reported for an earlier request would otherwise be given to this one.
        self.forget_error();
        self.socket.send(message, SocketAddr::new(to.ip(), 0), owner)
    }

    /// How many routers the next requests may pass.
    ///
    /// # Errors
    /// What the operating system reports.
    pub fn set_hop_limit(&self, hops: u8) -> io::Result<()> {
        self.socket.set_hop_limit(hops)
    }

    /// Lets go of an error that is reported through the error queue anyway.
    pub fn forget_error(&self) {
        self.socket.forget_error();
    }

    /// Whose stamp the error queue entry with this number is.
    pub fn owner(&mut self, tx_id: u32) -> Option<T> {
        self.socket.owner(tx_id)
    }

    /// The ICMP message in a received datagram; `None` if it answers another program.
    #[must_use]
    pub fn message<'a>(&self, datagram: &'a [u8]) -> Option<&'a [u8]> {
        let message = match (self.access, self.family) {
            (Access::Raw, Family::V4) => icmp::after_ipv4_header(datagram)?,
            _ => datagram,
        };
        let ours = self.access == Access::Datagram || icmp::identifier(message) == Some(self.identifier);
        ours.then_some(message)
    }
}

impl<T> AsFd for EchoSocket<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A raw socket would otherwise be handed every ICMP message of the host.
fn pass_only_replies(socket: &Socket, family: Family) -> io::Result<()> {
    // One bit per type, set to block.
    let mut blocked = [u32::MAX; 8];
    let (level, name, length) = match family {
        Family::V4 => {
            blocked[0] &= !1;
            (SOL_RAW, ICMP_FILTER, size_of::<u32>())
        }
        Family::V6 => {
            blocked[4] &= !(1 << 1);
            (libc::IPPROTO_ICMPV6, ICMP6_FILTER, size_of_val(&blocked))
        }
    };
    // SAFETY: `blocked` is live for the call, which reads `length` octets of it; `length` is at most its size.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            blocked.as_ptr().cast(),
            length as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
