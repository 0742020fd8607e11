//! UDP sockets whose packets the kernel stamps as they leave and as they arrive (`SO_TIMESTAMPING`, software).
//!
//! A prober socket is bound once, unconnected, and keeps its source port for life: routers that balance by flow
//! (ECMP) then keep a target on one path, and a change of path is a change in the network, not in us. One socket
//! serves all targets of its [lane](crate::probe::lane), so a thousand targets cost one descriptor and replies are read in
//! batches. A reflector socket also learns which local address it was asked at, and answers from that one.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::socket::{TimestampingFlag, setsockopt, sockopt};
use socket2::{Domain, MsgHdr, Protocol, Socket, Type};
use thiserror::Error;

use super::control_writer::ControlWriter;
use super::outgoing::{self, LaneError, Opened};
use super::tx_ids::TxIds;
use crate::icmp::Family;
use crate::probe::lane::Lane;

/// Receive buffer asked for: the error queue is charged to it as well, and a burst of replies must not push
/// stamps out.
pub(super) const RECEIVE_BUFFER_BYTES: usize = 4 << 20;

/// A socket could not be made as needed.
#[derive(Debug, Error)]
#[error("UDP socket on {at}: {step} failed: {source}. {remedy}")]
pub struct OpenError {
    at: SocketAddr,
    step: &'static str,
    remedy: &'static str,
    source: io::Error,
}

impl OpenError {
    /// Whether this host does not have the address family at all, as opposed to the address or the port.
    #[must_use]
    pub fn is_family_unsupported(&self) -> bool {
        let code = self.source.raw_os_error();
        [libc::EAFNOSUPPORT, libc::EADDRNOTAVAIL]
            .map(Some)
            .contains(&code)
    }
}

/// The Session-Sender's socket: every send can be stamped, and each stamp found again by its owner `T`.
#[derive(Debug)]
pub struct ProberSocket<T> {
    socket: Socket,
    is_ipv4: bool,
    ids: TxIds<T>,
}

impl<T: Copy> ProberSocket<T> {
    /// Opens a socket bound to `at` (port 0: any) with TX and RX stamps on.
    ///
    /// # Errors
    /// [`OpenError`] naming the step that failed.
    pub fn open(at: SocketAddr) -> Result<Self, OpenError> {
        let socket = open(at)?;
        hear_icmp_errors(&socket, at.is_ipv4()).map_err(|source| OpenError {
            at,
            step: "asking for ICMP errors (IP_RECVERR)",
            remedy: "Azimuth needs Linux 4.6 or later",
            source,
        })?;
        let opened = Self {
            socket,
            is_ipv4: at.is_ipv4(),
            ids: TxIds::default(),
        };
        opened.arm().map_err(|source| OpenError {
            at,
            step: "asking for kernel timestamps (SO_TIMESTAMPING)",
            remedy: "Azimuth needs Linux 4.6 or later",
            source,
        })?;
        Ok(opened)
    }

    /// Opens a socket for the probes of one lane.
    ///
    /// # Errors
    /// [`LaneError`] naming the step that failed.
    pub fn open_lane(family: Family, lane: &Lane) -> Result<Opened<Self>, LaneError> {
        let domain = match family {
            Family::V4 => Domain::IPV4,
            Family::V6 => Domain::IPV6,
        };
        let unavailable = |source| {
            let remedy =
                "Is the address family switched off on this host, or the limit on open files reached?";
            LaneError::new("opening a UDP socket", remedy, source)
        };
        let socket =
            Socket::new(domain, Type::DGRAM.nonblocking(), Some(Protocol::UDP)).map_err(unavailable)?;
        if family == Family::V6 {
            socket.set_only_v6(true).map_err(unavailable)?;
        }
        // Best effort, as below.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
        outgoing::shape(&socket, family, lane)?;
        let (port, taken) = outgoing::bind(&socket, family, lane)?;
        hear_icmp_errors(&socket, family == Family::V4).map_err(|source| {
            let step = "asking for ICMP errors (IP_RECVERR)";
            LaneError::new(step, "Azimuth needs Linux 4.6 or later", source)
        })?;
        let socket = Self::over(socket, family == Family::V4).map_err(|source| {
            let step = "asking for kernel timestamps (SO_TIMESTAMPING)";
            LaneError::new(step, "Azimuth needs Linux 4.6 or later", source)
        })?;
        Ok(Opened { socket, port, taken })
    }

    /// Takes a socket made elsewhere and switches TX and RX stamps on.
    ///
    /// # Errors
    /// What the operating system reports.
    pub(super) fn over(socket: Socket, is_ipv4: bool) -> io::Result<Self> {
        let taken = Self {
            socket,
            is_ipv4,
            ids: TxIds::default(),
        };
        taken.arm()?;
        Ok(taken)
    }

    /// How many routers the next packets may pass (TTL, RFC 791; hop limit, RFC 8200).
    ///
    /// # Errors
    /// What the operating system reports.
    pub fn set_hop_limit(&self, hops: u8) -> io::Result<()> {
        if self.is_ipv4 {
            self.socket.set_ttl_v4(hops.into())
        } else {
            self.socket.set_unicast_hops_v6(hops.into())
        }
    }

    /// Lets go of an ICMP error that is reported through the error queue anyway, and would be given to the next call.
    pub fn forget_error(&self) {
        let _ = self.socket.take_error();
    }

    /// Sends one datagram on behalf of `owner`.
    ///
    /// # Errors
    /// What the operating system reports; the datagram was not sent then, and the numbering of stamps has been
    /// restarted, so that no later stamp can be given to the wrong probe.
    pub fn send(&mut self, payload: &[u8], to: SocketAddr, owner: T) -> io::Result<()> {
        // An ICMP error that has just arrived for another probe fails whatever call comes next, once.
        self.send_once(payload, to, owner)
            .or_else(|_| self.send_once(payload, to, owner))
    }

    fn send_once(&mut self, payload: &[u8], to: SocketAddr, owner: T) -> io::Result<()> {
        match self.socket.send_to(payload, &to.into()) {
            Ok(_) => {
                self.ids.sent(owner);
                Ok(())
            }
            Err(error) => {
                self.ids.restart();
                self.arm()?;
                Err(error)
            }
        }
    }

    /// Whether `to` is of this socket's address family.
    #[must_use]
    pub fn reaches(&self, to: SocketAddr) -> bool {
        to.is_ipv4() == self.is_ipv4
    }

    /// Whose stamp the error queue entry with this number is.
    pub fn owner(&mut self, tx_id: u32) -> Option<T> {
        self.ids.claim(tx_id)
    }

    /// The local address, with the port the system chose.
    ///
    /// # Errors
    /// What the operating system reports.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        local_address(&self.socket)
    }

    /// Departures and arrivals stamped always, numbered from 0.
    fn arm(&self) -> io::Result<()> {
        let stamps = TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE
            | TimestampingFlag::SOF_TIMESTAMPING_TX_SOFTWARE
            | TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE
            // Without OPT_TSONLY every stamp would carry a copy of the packet and fill the receive buffer.
            | TimestampingFlag::SOF_TIMESTAMPING_OPT_TSONLY;
        number_from_zero(&self.socket, stamps)
    }
}

impl<T> AsFd for ProberSocket<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The Session-Reflector's socket: arrivals are stamped, and tell the address asked, their TTL and their traffic class.
/// Answers are stamped where it is asked for, and each stamp is found again by its owner `T`.
#[derive(Debug)]
pub struct ReflectorSocket<T> {
    socket: Socket,
    is_ipv4: bool,
    ids: TxIds<T>,
    /// Stamps asked for and not seen yet.
    stamps_due: usize,
}

/// Where an answer comes from and how it leaves.
#[derive(Clone, Copy, Debug)]
pub struct Departure<T> {
    /// The local address at which the other side asked.
    pub from: IpAddr,
    /// The interface it came in on; counts for link-local addresses.
    pub interface: u32,
    /// Traffic class octet of the answer; `None` for the system's own.
    pub traffic_class: Option<u8>,
    /// Who wants to know when it left.
    pub stamp_for: Option<T>,
}

impl<T: Copy> ReflectorSocket<T> {
    /// Opens a socket bound to `at`, which may be the unspecified address.
    ///
    /// # Errors
    /// [`OpenError`] naming the step that failed.
    pub fn open(at: SocketAddr) -> Result<Self, OpenError> {
        let opened = Self {
            socket: open(at)?,
            is_ipv4: at.is_ipv4(),
            ids: TxIds::default(),
            stamps_due: 0,
        };
        let failed = |step| {
            move |source: io::Error| OpenError {
                at,
                step,
                remedy: "Azimuth needs Linux 4.6 or later",
                source,
            }
        };
        let socket = &opened.socket;
        opened.arm().map_err(failed("SO_TIMESTAMPING"))?;
        if at.is_ipv4() {
            setsockopt(socket, sockopt::Ipv4PacketInfo, &true).map_err(|e| failed("IP_PKTINFO")(e.into()))?;
            setsockopt(socket, sockopt::Ipv4RecvTtl, &true).map_err(|e| failed("IP_RECVTTL")(e.into()))?;
            socket.set_recv_tos_v4(true).map_err(failed("IP_RECVTOS"))?;
        } else {
            setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)
                .map_err(|e| failed("IPV6_RECVPKTINFO")(e.into()))?;
            setsockopt(socket, sockopt::Ipv6RecvHopLimit, &true)
                .map_err(|e| failed("IPV6_RECVHOPLIMIT")(e.into()))?;
            socket
                .set_recv_tclass_v6(true)
                .map_err(failed("IPV6_RECVTCLASS"))?;
        }
        Ok(opened)
    }

    /// Sends `payload` to `to`.
    ///
    /// # Errors
    /// What the operating system reports; nothing was sent then.
    pub fn answer(&mut self, payload: &[u8], to: SocketAddr, departure: Departure<T>) -> io::Result<()> {
        if to.is_ipv4() != self.is_ipv4 || departure.from.is_ipv4() != self.is_ipv4 {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        let mut control = ControlWriter::new();
        control.source(departure.from, departure.interface);
        if let Some(octet) = departure.traffic_class {
            control.traffic_class(octet, self.is_ipv4);
        }
        if departure.stamp_for.is_some() {
            control.stamp();
        }
        let (to, vectors) = (to.into(), [io::IoSlice::new(payload)]);
        let message = MsgHdr::new()
            .with_addr(&to)
            .with_buffers(&vectors)
            .with_control(control.as_slice());
        match (
            self.socket.sendmsg(&message, libc::MSG_DONTWAIT),
            departure.stamp_for,
        ) {
            (Ok(_), None) => Ok(()),
            (Ok(_), Some(owner)) => {
                self.ids.sent(owner);
                self.stamps_due += 1;
                Ok(())
            }
            (Err(error), None) => Err(error),
            (Err(error), Some(_)) => {
                // Kernels disagree on whether a failed send takes a number; see `TxIds`.
                self.ids.restart();
                self.stamps_due = 0;
                self.arm()?;
                Err(error)
            }
        }
    }

    /// Whether a look at the error queue may find stamps.
    #[must_use]
    pub fn awaits_stamps(&self) -> bool {
        self.stamps_due > 0
    }

    /// Whose stamp the error queue entry with this number is.
    pub fn owner(&mut self, tx_id: u32) -> Option<T> {
        self.stamps_due = self.stamps_due.saturating_sub(1);
        self.ids.claim(tx_id)
    }

    /// The error queue was empty: what has not come by now may still come, but is not looked for every turn.
    pub fn handle_no_stamps(&mut self) {
        self.stamps_due = 0;
    }

    /// The local address, with the port the system chose.
    ///
    /// # Errors
    /// What the operating system reports.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        local_address(&self.socket)
    }

    /// Arrivals stamped always, departures when their own control message asks, numbered from 0.
    fn arm(&self) -> io::Result<()> {
        let stamps = TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE
            | TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE
            | TimestampingFlag::SOF_TIMESTAMPING_OPT_TSONLY;
        number_from_zero(&self.socket, stamps)
    }
}

impl<T> AsFd for ReflectorSocket<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What routers and hosts say comes through the error queue, with the address of who said so.
pub(super) fn hear_icmp_errors(socket: &Socket, is_ipv4: bool) -> io::Result<()> {
    if is_ipv4 {
        setsockopt(socket, sockopt::Ipv4RecvErr, &true)?;
    } else {
        setsockopt(socket, sockopt::Ipv6RecvErr, &true)?;
    }
    Ok(())
}

/// Asks for these stamps, with numbering switched off and on again, which makes the kernel count from 0. A kernel that has none
/// (gVisor, user-mode emulators) leaves every packet without: the clock of this program is used then, said so and counted.
fn number_from_zero(socket: &Socket, stamps: TimestampingFlag) -> io::Result<()> {
    let numbered = stamps | TimestampingFlag::SOF_TIMESTAMPING_OPT_ID;
    let asked = setsockopt(socket, sockopt::Timestamping, &stamps)
        .and_then(|()| setsockopt(socket, sockopt::Timestamping, &numbered));
    match asked {
        Err(Errno::ENOPROTOOPT | Errno::EINVAL | Errno::EOPNOTSUPP | Errno::EPERM) => Ok(()),
        asked => Ok(asked?),
    }
}

fn local_address(socket: &Socket) -> io::Result<SocketAddr> {
    let address = socket.local_addr()?.as_socket();
    address.ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, "not an internet address"))
}

fn open(at: SocketAddr) -> Result<Socket, OpenError> {
    let failed = |step, remedy| {
        move |source| OpenError {
            at,
            step,
            remedy,
            source,
        }
    };
    let socket = Socket::new(
        Domain::for_address(at),
        Type::DGRAM.nonblocking(),
        Some(Protocol::UDP),
    )
    .map_err(failed(
        "opening",
        "Is the address family switched off on this host?",
    ))?;
    if at.is_ipv6() {
        // One socket, one family: each has control messages of its own.
        socket
            .set_only_v6(true)
            .map_err(failed("IPV6_V6ONLY", "Is IPv6 switched off on this host?"))?;
    }
    // Best effort: the system may cap it (net.core.rmem_max), and a smaller buffer shows as counted losses only
    // under bursts.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
    socket.bind(&at.into()).map_err(failed(
        "binding",
        "Is the address one of this host's, and the port free? `ss -lun` lists who listens",
    ))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::super::batch::{Batch, Queue};
    use super::super::wait::wait;
    use super::*;
    use crate::clock::{self, NS_PER_S};

    /// The owners of all stamps in the error queue. On loopback a stamp is there when the send call returns.
    fn stamped_owners(socket: &mut ProberSocket<u32>) -> Vec<Option<u32>> {
        let mut batch = Batch::new(64);
        batch.receive(socket.as_fd(), Queue::Errors).expect("readable");
        let entries: Vec<_> = batch.datagrams().map(|entry| entry.ancillary).collect();
        assert!(
            entries.iter().all(|entry| entry.kernel_stamp.is_some()),
            "{entries:?}"
        );
        entries
            .iter()
            .filter_map(|entry| entry.tx_id)
            .map(|tx_id| socket.owner(tx_id))
            .collect()
    }

    #[test]
    fn stamps_find_their_owners_again_after_sends_that_failed() {
        let receiver = std::net::UdpSocket::bind("127.0.0.1:0").expect("bound");
        let to = receiver.local_addr().expect("bound");
        let mut socket = ProberSocket::open("0.0.0.0:0".parse().expect("an address")).expect("opened");
        socket.send(b"a", to, 1).expect("sent");
        socket.send(b"b", to, 2).expect("sent");
        assert_eq!(stamped_owners(&mut socket), [Some(1), Some(2)]);

        let too_long = vec![0; 70_000];
        for _ in 0..3 {
            socket
                .send(&too_long, to, 3)
                .expect_err("longer than any datagram");
        }
        socket.send(b"c", to, 4).expect("sent");
        socket.send(b"d", to, 5).expect("sent");
        assert_eq!(stamped_owners(&mut socket), [Some(4), Some(5)]);
    }

    #[test]
    fn arrivals_are_stamped_and_attributed_to_their_sender() {
        for at in ["127.0.0.1:0", "[::1]:0"] {
            let at = at.parse().expect("an address");
            let receiver: ProberSocket<u32> = ProberSocket::open(at).expect("opened");
            let sender = std::net::UdpSocket::bind(at).expect("bound");
            let to = receiver.local_address().expect("bound");
            let mut batch = Batch::new(64);
            // The kernel begins to stamp arrivals a moment after it is first asked to.
            let give_up_at = clock::monotonic().plus_ns(10 * NS_PER_S);
            let mut in_time = std::iter::repeat(()).take_while(|()| clock::monotonic() < give_up_at);
            let stamped = in_time.any(|()| {
                sender.send_to(&[7; 100], to).expect("sent");
                // On a busy host even loopback takes its time.
                let now = clock::monotonic();
                wait([receiver.as_fd()], [], now, Some(now.plus_ns(10 * NS_PER_S))).expect("waited");
                assert_eq!(batch.receive(receiver.as_fd(), Queue::Data).expect("readable"), 1);
                let datagram = batch.datagrams().next().expect("one");
                assert_eq!(datagram.from, sender.local_addr().ok());
                assert_eq!(datagram.payload, [7; 64], "cut to the capacity");
                datagram.ancillary.kernel_stamp.is_some()
            });
            assert!(stamped);
            assert_eq!(batch.receive(receiver.as_fd(), Queue::Data).expect("readable"), 0);
            assert_eq!(batch.datagrams().count(), 0);
        }
    }

    #[test]
    fn an_address_that_is_not_ours_is_named_with_what_to_look_at() {
        let at = "192.0.2.1:8620".parse().expect("an address");
        let error = ReflectorSocket::<()>::open(at)
            .expect_err("not an address of this host")
            .to_string();
        assert!(
            error.starts_with("UDP socket on 192.0.2.1:8620: binding failed: "),
            "{error}"
        );
        assert!(error.contains("Is the address one of this host's"), "{error}");
    }
}
