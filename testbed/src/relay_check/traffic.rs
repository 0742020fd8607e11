//! The check's own packets: a sender in one namespace, an echo in the other, both stamped by the kernel.
//!
//! Standard: the kernel's Documentation/networking/timestamping.rst. Not the agent: one socket, one flow, no protocol.

use std::io::{self, ErrorKind, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, TimestampingFlag, recvmsg, setsockopt, sockopt,
};

use super::Load;
use crate::clock::Clock;
use crate::plan::Plan;
use crate::world::fabric::{Fabric, FabricError};

/// How long the last echoes are waited for.
const LAST_ECHO: Duration = Duration::from_millis(300);

const PORT: u16 = 8620;

/// What the kernel stamped.
pub(super) struct Stamps {
    /// Per datagram in order of sending: RX stamp at the echo minus TX stamp at the sender.
    pub(super) one_way_ns: Vec<Option<u64>>,
    /// Echoes that came back.
    pub(super) returned: u32,
}

/// Sends the load from the first vantage point to the first zone and back.
pub(super) fn exchange(fabric: &Fabric, plan: &Plan, load: Load) -> Result<Stamps, FabricError> {
    let zone = SocketAddr::from((plan.zones[0].ipv4, PORT));
    let done = &AtomicBool::new(false);
    let [vantage_point, far] = [&fabric.namespaces[0], &fabric.namespaces[1]];
    std::thread::scope(|scope| {
        // Bound before the first datagram leaves.
        let socket = far.run(|| echo_socket(zone))??;
        let echo = scope.spawn(move || echo(&socket, load.datagrams, done));
        let sent = vantage_point.run(|| send(zone, load, fabric.clock));
        done.store(true, Ordering::Relaxed);
        let received_ns = echo.join().map_err(|_| io::Error::other("the echo panicked"))??;
        let (sent_ns, returned) = sent??;
        let one_way_ns = sent_ns
            .iter()
            .zip(received_ns)
            .map(|(sent, received)| received?.checked_sub((*sent)?))
            .collect();
        Ok(Stamps { one_way_ns, returned })
    })
}

fn echo_socket(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
    Ok(socket)
}

/// Answers until told to stop; the RX stamp of each datagram by its sequence number.
fn echo(socket: &UdpSocket, datagrams: u32, done: &AtomicBool) -> io::Result<Vec<Option<u64>>> {
    let mut received_ns = vec![None; datagrams as usize];
    let mut buffer = [0_u8; 64];
    while !done.load(Ordering::Relaxed) {
        let mut control = nix::cmsg_space!(nix::sys::time::TimeSpec);
        let mut slices = [IoSliceMut::new(&mut buffer)];
        let message = match recvmsg::<SockaddrStorage>(
            socket.as_raw_fd(),
            &mut slices,
            Some(&mut control),
            MsgFlags::empty(),
        ) {
            Ok(message) => message,
            Err(nix::Error::EAGAIN | nix::Error::EINTR) => continue,
            Err(errno) => return Err(errno.into()),
        };
        let stamp_ns = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::ScmTimestampns(stamp) => stamp_as_ns(stamp),
            _ => None,
        });
        let from = message.address.and_then(|address| {
            let ipv4 = address.as_sockaddr_in()?;
            Some(SocketAddr::from((ipv4.ip(), ipv4.port())))
        });
        let length = message.bytes;
        if let Some(from) = from {
            socket.send_to(&buffer[..length], from)?;
        }
        if let Some(slot) = sequence(&buffer).and_then(|sequence| received_ns.get_mut(sequence as usize)) {
            *slot = stamp_ns;
        }
    }
    Ok(received_ns)
}

/// TX stamps in order, and the number of echoes.
fn send(zone: SocketAddr, load: Load, clock: Clock) -> io::Result<(Vec<Option<u64>>, u32)> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect(zone)?;
    socket.set_nonblocking(true)?;
    stamp_departures(&socket)?;
    let (mut sent_ns, mut returned) = (Vec::new(), 0);
    let began_ns = clock.elapsed_ns();
    for number in 0..load.datagrams {
        let due_ns = began_ns + u64::from(number) * load.period_us * 1000;
        std::thread::sleep(Duration::from_nanos(due_ns.saturating_sub(clock.elapsed_ns())));
        let mut datagram = [0_u8; 44];
        datagram[..4].copy_from_slice(&number.to_be_bytes());
        socket.send(&datagram)?;
        // The TUN driver stamps inside send(), so the stamp is already there.
        sent_ns.push(transmit_stamp(&socket)?);
        returned += drain(&socket)?;
    }
    std::thread::sleep(LAST_ECHO);
    returned += drain(&socket)?;
    Ok((sent_ns, returned))
}

/// Has the driver stamp every datagram as it leaves.
pub(crate) fn stamp_departures(socket: &UdpSocket) -> io::Result<()> {
    let flags = TimestampingFlag::SOF_TIMESTAMPING_TX_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_OPT_TSONLY;
    Ok(setsockopt(socket, sockopt::Timestamping, &flags)?)
}

/// The driver's stamp of the last datagram, ns of UTC; `None` when there is none yet.
pub(crate) fn transmit_stamp(socket: &UdpSocket) -> io::Result<Option<u64>> {
    let mut control = nix::cmsg_space!([nix::sys::time::TimeSpec; 3], [u8; 64]);
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    match recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut [], Some(&mut control), flags) {
        Ok(message) => Ok(message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::ScmTimestampsns(stamps) => stamp_as_ns(stamps.system),
            _ => None,
        })),
        Err(nix::Error::EAGAIN) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

fn drain(socket: &UdpSocket) -> io::Result<u32> {
    let mut count = 0;
    loop {
        match socket.recv(&mut [0_u8; 64]) {
            Ok(_) => count += 1,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(count),
            Err(error) => return Err(error),
        }
    }
}

fn sequence(datagram: &[u8]) -> Option<u32> {
    datagram.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

fn stamp_as_ns(stamp: nix::sys::time::TimeSpec) -> Option<u64> {
    let seconds = u64::try_from(stamp.tv_sec()).ok()?;
    seconds
        .checked_mul(1_000_000_000)?
        .checked_add(u64::try_from(stamp.tv_nsec()).ok()?)
}
