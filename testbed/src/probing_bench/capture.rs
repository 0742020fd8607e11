//! What arrived where, and when, by the kernel: packet sockets that are read only after the fact.
//!
//! Nobody sleeps in them, because waking an observer for every packet would delay what it observes, and they hear arrivals only
//! ([`arrivals`]). A packet is known by what it says, a probe and its answer by the same [`ProbeKey`], never by its place in a row.

use std::collections::HashMap;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};
use socket2::Socket;

use crate::namespace::{Namespace, arrivals};
use crate::relay::packet::header;
use crate::relay::speech::{ProbeKey, Speech};
use crate::world::fabric::FabricError;

/// Arrivals of probes and answers, ns of UTC. What came twice has no one time and is in `twice`, not in the tables.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    pub(super) probes: HashMap<ProbeKey, i64>,
    pub(super) answers: HashMap<ProbeKey, i64>,
    pub(super) twice: u64,
}

/// A tap in one namespace.
pub(super) struct Capture(Socket);

impl Capture {
    pub(super) fn open(namespace: &Namespace) -> Result<Self, FabricError> {
        Ok(Self(namespace.run(arrivals)??))
    }

    /// Everything heard so far between the prober and `reflector`.
    pub(super) fn arrivals(&self, reflector: Ipv4Addr, speech: Speech) -> io::Result<Arrivals> {
        let mut arrivals = Arrivals::default();
        let reflector = IpAddr::V4(reflector);
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
                Err(nix::Error::EAGAIN) => return Ok(arrivals),
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
            let probe = match reflector {
                _ if header.destination == reflector => true,
                _ if header.source == reflector => false,
                _ => continue,
            };
            if let Some(key) = speech.key(packet, probe) {
                arrivals.note(key, probe, at_ns);
            }
        }
    }
}

impl Arrivals {
    fn note(&mut self, key: ProbeKey, probe: bool, at_ns: i64) {
        let table = if probe {
            &mut self.probes
        } else {
            &mut self.answers
        };
        if table.insert(key, at_ns).is_some() {
            self.twice += 1;
        }
    }
}
