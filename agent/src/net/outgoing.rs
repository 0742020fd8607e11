//! How a socket is made to send the way a [`Lane`] says: class of service, interface, source address, source port, no
//! fragments. Each refusal of the system is named with what to do about it.
#![expect(unsafe_code, reason = "setsockopt(IP_MTU_DISCOVER) has no safe wrapper")]

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;

use nix::sys::socket::{setsockopt, sockopt};
use socket2::Socket;
use thiserror::Error;

use crate::icmp::Family;
use crate::probe::lane::{Lane, WantedPort};

/// A lane could not be opened as asked.
#[derive(Debug, Error)]
#[error("{step} failed: {source}. {remedy}")]
pub struct LaneError {
    step: String,
    remedy: &'static str,
    source: io::Error,
}

impl LaneError {
    pub(super) fn new(step: impl Into<String>, remedy: &'static str, source: io::Error) -> Self {
        Self {
            step: step.into(),
            remedy,
            source,
        }
    }
}

/// A socket, and what it cost.
#[derive(Debug)]
pub struct Opened<S> {
    /// The socket.
    pub socket: S,
    /// Its source port, or ICMP identifier; 0 where there is none until a packet leaves.
    pub port: u16,
    /// Ports that were taken already by another program.
    pub taken: u32,
}

/// Whether a packet was refused because it is longer than the interface, or the path as far as it is known, carries in one
/// piece (`EMSGSIZE`).
#[must_use]
pub fn is_too_long(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EMSGSIZE)
}

/// Class of service, interface and fragmentation; to be called before [`bind`].
pub(super) fn shape(socket: &Socket, family: Family, lane: &Lane) -> Result<(), LaneError> {
    if let Some(interface) = &lane.outgoing.interface {
        socket.bind_device(Some(interface.as_bytes())).map_err(|error| {
            let remedy = match error.raw_os_error() {
                Some(libc::EPERM) => "Give the agent CAP_NET_RAW, or take `interface` away",
                Some(libc::ENODEV) => "Is there such an interface? `ip link` lists them",
                _ => "Is its name right? `ip link` lists them",
            };
            LaneError::new(
                format!("binding to the interface {interface} (SO_BINDTODEVICE)"),
                remedy,
                error,
            )
        })?;
    }
    if lane.dscp != 0 {
        let octet = u32::from(lane.dscp) << 2;
        match family {
            Family::V4 => socket.set_tos_v4(octet),
            Family::V6 => socket.set_tclass_v6(octet),
        }
        .map_err(|error| {
            LaneError::new(
                format!("setting DSCP {} (IP_TOS, IPV6_TCLASS)", lane.dscp),
                "Some classes need CAP_NET_ADMIN; take `dscp` away",
                error,
            )
        })?;
    }
    if lane.outgoing.dont_fragment {
        dont_fragment(socket, family).map_err(|error| {
            LaneError::new(
                "forbidding fragments (IP_MTU_DISCOVER, IPV6_DONTFRAG)",
                "Take `dont_fragment` away",
                error,
            )
        })?;
    }
    Ok(())
}

/// Binds to the lane's source address and to the first of its ports that is free.
pub(super) fn bind(socket: &Socket, family: Family, lane: &Lane) -> Result<(u16, u32), LaneError> {
    let any = match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let source = lane.outgoing.source_address.unwrap_or(any);
    let mut taken = 0;
    let wanted = lane.port.into_iter().flat_map(WantedPort::candidates);
    // Better any port than no measurement.
    for port in wanted.chain([0]) {
        match socket.bind(&SocketAddr::new(source, port).into()) {
            Ok(()) => {
                let bound = socket.local_addr().ok().and_then(|at| at.as_socket());
                return Ok((bound.map_or(port, |at| at.port()), taken));
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && port != 0 => taken += 1,
            Err(error) => {
                let remedy = match error.kind() {
                    io::ErrorKind::AddrNotAvailable => "Is it an address of this host? `ip addr` lists them",
                    _ => "Is the range of `source_ports` free to use?",
                };
                return Err(LaneError::new(format!("binding to {source}"), remedy, error));
            }
        }
    }
    Ok((0, taken))
}

fn dont_fragment(socket: &Socket, family: Family) -> io::Result<()> {
    if family == Family::V6 {
        return Ok(setsockopt(socket, sockopt::Ipv6DontFrag, &true)?);
    }
    let how: libc::c_int = libc::IP_PMTUDISC_DO;
    // SAFETY: `how` is live for the call, which reads as many octets of it as it has.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_MTU_DISCOVER,
            (&raw const how).cast(),
            size_of_val(&how) as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
