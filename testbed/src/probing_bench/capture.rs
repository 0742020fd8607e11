//! What crossed a device, and when, by the kernel: a packet socket that is read only after the fact.
//!
//! Nobody sleeps in it, because waking an observer for every packet would delay what it observes. The tap's stamp is
//! taken 1 to 2 us before the driver's own on sending, and is the same one on receiving.

use std::io::{self, IoSliceMut};
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

use crate::relay::packet::header;

/// Every protocol (`ETH_P_ALL`).
const ALL: u16 = 3;
/// Room for everything one figure sends; nobody reads meanwhile.
const BUFFER_BYTES: usize = 256 << 20;

/// A packet socket in the namespace of the thread that opened it.
pub(super) struct Capture(Socket);

/// Stamps of one host's packets, in order.
#[derive(Debug, Default)]
pub(super) struct Crossings {
    /// Packets from the address.
    pub(super) from_ns: Vec<i64>,
    /// Packets to it.
    pub(super) to_ns: Vec<i64>,
}

impl Capture {
    pub(super) fn open() -> io::Result<Self> {
        let socket = Socket::new(
            Domain::PACKET,
            Type::RAW.nonblocking(),
            Some(Protocol::from(i32::from(ALL.to_be()))),
        )?;
        setsockopt(&socket, sockopt::RcvBufForce, &BUFFER_BYTES)?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        Ok(Self(socket))
    }

    /// Everything seen so far from and to `address` on IP `protocol`.
    pub(super) fn crossings(&self, address: Ipv4Addr, protocol: u8) -> io::Result<Crossings> {
        let mut crossings = Crossings::default();
        let mut buffer = [0_u8; 128];
        loop {
            let mut control = nix::cmsg_space!(nix::sys::time::TimeSpec);
            let mut slices = [IoSliceMut::new(&mut buffer)];
            let received = recvmsg::<SockaddrStorage>(
                self.0.as_raw_fd(),
                &mut slices,
                Some(&mut control),
                MsgFlags::MSG_DONTWAIT,
            );
            let message = match received {
                Ok(message) => message,
                Err(nix::Error::EAGAIN) => return Ok(crossings),
                Err(errno) => return Err(errno.into()),
            };
            let stamp_ns = message.cmsgs()?.find_map(|control| match control {
                ControlMessageOwned::ScmTimestampns(at) => Some(at.tv_sec() * 1_000_000_000 + at.tv_nsec()),
                _ => None,
            });
            let length = message.bytes.min(buffer.len());
            let packet = &buffer[..length];
            let (Some(at_ns), Some(header)) = (stamp_ns, header(packet)) else {
                continue;
            };
            if packet.get(9) != Some(&protocol) {
                continue;
            }
            if header.source == address {
                crossings.from_ns.push(at_ns);
            } else if header.destination == address {
                crossings.to_ns.push(at_ns);
            }
        }
    }
}
