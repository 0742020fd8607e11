//! A host of its own behind a namespace, one virtual Ethernet wire (veth) away, and taps that hear only what arrives.
//!
//! Behind a TUN device the first to see a packet after its driver is a program, which has to wake up first. Behind a veth it is
//! the kernel itself, in the same call and a fraction of a microsecond later: what the far end of the wire stamps on arrival is
//! never earlier than what the driver stamped on departure. IPv4 only: nothing that is measured this way needs more.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};

use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

use super::{DEVICE, Namespace, NamespaceError, batch, on_helper_thread, quieten};

/// The wire's end at the host.
const HOST_END: &str = "wire0";
/// The wire's end in the namespace that leads on.
const NEAR_END: &str = "wire1";
const HOST_MAC: &str = "02:a2:00:00:00:01";
const NEAR_MAC: &str = "02:a2:00:00:00:02";
/// The next hop the host believes in; nobody has this address.
const NEXT_HOP: &str = "169.254.1.1";
/// Every protocol (`ETH_P_ALL`).
const EVERY_PROTOCOL: u16 = 3;
/// Room for everything one figure sends; nobody reads meanwhile.
const TAP_BUFFER_BYTES: usize = 256 << 20;

impl Namespace {
    /// Makes a namespace that takes over this one's IPv4 address and is wired to it; this one only forwards from then on.
    ///
    /// # Errors
    /// When the kernel refuses the namespace or the wire, or `ip` is missing or fails.
    pub fn host_behind(&self) -> Result<Self, NamespaceError> {
        let (ipv4, ipv6) = (self.ipv4, self.ipv6);
        let near = self.handle.as_raw_fd();
        let handle = on_helper_thread(move || {
            unshare(CloneFlags::CLONE_NEWNET).map_err(NamespaceError::at("make a network namespace"))?;
            let handle = File::open("/proc/thread-self/ns/net")
                .map_err(NamespaceError::io("open /proc/thread-self/ns/net"))?;
            batch(&host_batch(near, &ipv4.to_string()))?;
            quieten();
            Ok(handle)
        })?;
        self.run(|| {
            batch(&forwarder_batch(&ipv4.to_string()))?;
            std::fs::write("/proc/sys/net/ipv4/ip_forward", "1")
                .map_err(NamespaceError::io("switch forwarding on"))
        })??;
        Ok(Self { handle, ipv4, ipv6 })
    }
}

fn host_batch(near: RawFd, ipv4: &str) -> String {
    let near = format!("/proc/{}/fd/{near}", std::process::id());
    format!(
        "link set lo up\n\
         link add {HOST_END} address {HOST_MAC} type veth peer name {NEAR_END} address {NEAR_MAC} netns {near}\n\
         link set {HOST_END} addrgenmode none\n\
         addr add {ipv4}/32 dev {HOST_END}\n\
         link set {HOST_END} up\n\
         route add 0.0.0.0/0 via {NEXT_HOP} dev {HOST_END} onlink src {ipv4}\n\
         neigh add {NEXT_HOP} lladdr {NEAR_MAC} dev {HOST_END} nud permanent\n"
    )
}

fn forwarder_batch(ipv4: &str) -> String {
    format!(
        "addr del {ipv4}/32 dev {DEVICE}\n\
         link set {NEAR_END} addrgenmode none up\n\
         route add 0.0.0.0/0 dev {DEVICE}\n\
         route add {ipv4}/32 dev {NEAR_END}\n\
         neigh add {ipv4} lladdr {HOST_MAC} dev {NEAR_END} nud permanent\n"
    )
}

/// A packet socket in the namespace of the calling thread that hears every IP packet that arrives, link header stripped, with
/// the kernel's stamp of its arrival, and none that leaves: a tap on departures would take its time before the driver has
/// the packet, and so move what it is there to observe.
///
/// # Errors
/// What the kernel refuses.
pub fn arrivals() -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::PACKET,
        Type::DGRAM.nonblocking(),
        Some(Protocol::from(i32::from(EVERY_PROTOCOL.to_be()))),
    )?;
    let on: libc::c_int = 1;
    // SAFETY: the descriptor is open, and the option's value is one int that outlives the call, with its own size.
    let refused = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_IGNORE_OUTGOING,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    if refused != 0 {
        return Err(io::Error::last_os_error());
    }
    setsockopt(&socket, sockopt::RcvBufForce, &TAP_BUFFER_BYTES)?;
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
    Ok(socket)
}
