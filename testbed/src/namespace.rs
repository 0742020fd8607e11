//! Anonymous network namespaces, each with a loopback and one TUN device, held by file descriptor.
//!
//! Not `ip netns`: nothing is mounted under `/run/netns`, nothing has a name, and nothing is persistent. When the
//! descriptors of this process close, however it ends, the kernel takes the devices and the namespaces away.
//! A namespace made here has no device in common with the host: the only way out is the TUN, and the only thing at
//! the other end of a TUN is the relay. This folder is the only place in the crate where `unsafe` may stand.
#![expect(
    unsafe_code,
    reason = "TUNSETIFF, PACKET_IGNORE_OUTGOING, pre_exec and sched_setscheduler have no safe form; each block argues for itself"
)]

mod child;
mod privilege;
mod realtime;
mod tun;
mod wire;

use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::{Command, Stdio};

use nix::sched::{CloneFlags, setns, unshare};

pub use child::spawn;
pub use privilege::{Privilege, PrivilegeError, acquire};
pub use realtime::{RelayPriority, become_relay_thread};
pub use tun::Tun;
pub use wire::arrivals;

/// The name of the TUN device inside every namespace. No two namespaces can collide.
pub const DEVICE: &str = "azimuth0";

/// Bytes of the largest packet the TUN devices carry, IP header included.
pub const MTU_BYTES: usize = 1500;

/// Packets the kernel queues towards the relay before it drops them itself. The default of 500 is less than one
/// burst of a throughput test; drops here are read back with [`Namespace::device_drops`].
const DEVICE_QUEUE_PACKETS: usize = 5000;

/// A network namespace and the two private addresses of its only device.
#[derive(Debug)]
pub struct Namespace {
    handle: File,
    /// The IPv4 address of the device.
    pub ipv4: Ipv4Addr,
    /// The IPv6 address of the device.
    pub ipv6: Ipv6Addr,
}

/// Why a namespace could not be made or entered.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// The kernel refused a step.
    #[error("cannot {step}: {source}")]
    Refused {
        /// The step, as a verb phrase.
        step: &'static str,
        /// The kernel's answer.
        source: std::io::Error,
    },
    /// `ip` could not be started.
    #[error("cannot run `ip`: {0}. Install iproute2 (Debian: `apt-get install iproute2`)")]
    NoIp(std::io::Error),
    /// `ip -batch` said no.
    #[error("`ip -batch` failed inside a new namespace: {0}")]
    IpFailed(String),
    /// The helper thread that works inside the namespace died.
    #[error("the thread inside the namespace ended without an answer")]
    ThreadDied,
}

impl NamespaceError {
    fn at(step: &'static str) -> impl FnOnce(nix::Error) -> Self {
        move |errno| Self::Refused {
            step,
            source: errno.into(),
        }
    }

    fn io(step: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Refused { step, source }
    }
}

impl Namespace {
    /// Makes a namespace with `lo` and a TUN device that carries the two addresses and the default routes.
    ///
    /// # Errors
    /// When the kernel refuses the namespace or the device, or `ip` is missing or fails.
    pub fn create(ipv4: Ipv4Addr, ipv6: Ipv6Addr) -> Result<(Self, Tun), NamespaceError> {
        // A thread of its own: unshare changes the calling thread for good, and this one ends with the function.
        let (handle, tun) = on_helper_thread(move || {
            unshare(CloneFlags::CLONE_NEWNET).map_err(NamespaceError::at("make a network namespace"))?;
            let handle = File::open("/proc/thread-self/ns/net")
                .map_err(NamespaceError::io("open /proc/thread-self/ns/net"))?;
            let tun = Tun::open(DEVICE)?;
            configure(ipv4, ipv6)?;
            quieten();
            Ok((handle, tun))
        })?;
        Ok((Self { handle, ipv4, ipv6 }, tun))
    }

    /// Runs `work` on a new thread inside the namespace and hands back what it returned.
    ///
    /// # Errors
    /// When the namespace cannot be entered or the thread panics.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NamespaceError> {
        on_helper_thread(|| {
            setns(&self.handle, CloneFlags::CLONE_NEWNET)
                .map_err(NamespaceError::at("enter a network namespace"))?;
            Ok(work())
        })
    }

    /// Packets the kernel dropped because the device's queue towards the relay was full.
    ///
    /// # Errors
    /// When the namespace cannot be entered or its counters cannot be read.
    pub fn device_drops(&self) -> Result<u64, NamespaceError> {
        let table = self
            .run(|| std::fs::read_to_string("/proc/thread-self/net/dev"))?
            .map_err(NamespaceError::io("read /proc/thread-self/net/dev"))?;
        Ok(transmit_drops(&table))
    }

    /// True when a socket inside the namespace behind `handle` is bound to `port`; `table` is a file of
    /// /proc/net: `udp`, `udp6`, `tcp`, `tcp6`.
    ///
    /// # Errors
    /// When the namespace cannot be entered or its table cannot be read.
    pub fn is_bound(handle: &File, table: &str, port: u16) -> Result<bool, NamespaceError> {
        let text = on_helper_thread(|| {
            setns(handle, CloneFlags::CLONE_NEWNET)
                .map_err(NamespaceError::at("enter a network namespace"))?;
            std::fs::read_to_string(format!("/proc/thread-self/net/{table}"))
                .map_err(NamespaceError::io("read a table of sockets"))
        })?;
        Ok(has_local_port(&text, port))
    }

    /// The descriptor that keeps the namespace alive.
    #[must_use]
    pub fn handle(&self) -> &File {
        &self.handle
    }
}

fn on_helper_thread<T: Send>(
    work: impl FnOnce() -> Result<T, NamespaceError> + Send,
) -> Result<T, NamespaceError> {
    std::thread::scope(|scope| scope.spawn(work).join().map_err(|_| NamespaceError::ThreadDied)?)
}

/// Addresses and routes, by `ip -batch`. The child inherits the namespace of the calling thread.
fn configure(ipv4: Ipv4Addr, ipv6: Ipv6Addr) -> Result<(), NamespaceError> {
    // addrgenmode none: no link-local address, so the device never speaks of its own accord.
    batch(&format!(
        "link set lo up\n\
         link set {DEVICE} mtu {MTU_BYTES} txqueuelen {DEVICE_QUEUE_PACKETS} addrgenmode none\n\
         addr add {ipv4}/32 dev {DEVICE}\n\
         addr add {ipv6}/128 dev {DEVICE} nodad\n\
         link set {DEVICE} up\n\
         route add 0.0.0.0/0 dev {DEVICE} src {ipv4}\n\
         route add ::/0 dev {DEVICE} src {ipv6}\n"
    ))
}

/// `ip -batch` in the namespace of the calling thread.
fn batch(commands: &str) -> Result<(), NamespaceError> {
    let mut child = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(NamespaceError::NoIp)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A broken pipe means `ip` has already failed; its stderr below says why.
        let _ = stdin.write_all(commands.as_bytes());
    }
    let output = child.wait_with_output().map_err(NamespaceError::NoIp)?;
    if output.status.success() {
        return Ok(());
    }
    Err(NamespaceError::IpFailed(
        String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    ))
}

/// Lets anyone inside send ICMP echoes, and lets the kernel answer as many as it is asked.
///
/// Best effort: inside a user namespace some of these are read-only, and nothing in the first slice needs them.
fn quieten() {
    for (key, value) in [
        ("/proc/sys/net/ipv4/ping_group_range", "0 2147483647"),
        ("/proc/sys/net/ipv4/icmp_ratelimit", "0"),
        ("/proc/sys/net/ipv6/icmp/ratelimit", "0"),
    ] {
        let _ = std::fs::write(key, value);
    }
}

/// The transmit-drop column of our device in the text of `/proc/net/dev`.
fn transmit_drops(table: &str) -> u64 {
    const TRANSMIT_DROP_COLUMN: usize = 11;
    table
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix(DEVICE)?.strip_prefix(':'))
        .filter_map(|columns| {
            columns
                .split_whitespace()
                .nth(TRANSMIT_DROP_COLUMN)?
                .parse::<u64>()
                .ok()
        })
        .sum()
}

/// True when the text of `/proc/net/udp` and its like has a socket on `port` (hexadecimal after the local address).
fn has_local_port(table: &str, port: u16) -> bool {
    let suffix = format!(":{port:04X}");
    let locals = table.lines().filter_map(|line| line.split_whitespace().nth(1));
    locals.into_iter().any(|local| local.ends_with(&suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transmit_drops_are_read_from_the_right_column_of_the_right_device() {
        let table = "Inter-|   Receive  |  Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes ...\n    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\nazimuth0: 100 2 0 0 0 0 0 0 300 4 5 42 7 8 9 10\n";
        assert_eq!(transmit_drops(table), 42);
        assert_eq!(transmit_drops(""), 0);
    }

    #[test]
    fn a_bound_port_is_found_among_local_ports_only() {
        let table = "  sl  local_address rem_address   st\n  10: 0100024E0A:21AC 00000000:1234 07\n";
        assert!(has_local_port(table, 8620));
        assert!(!has_local_port(table, 0x1234));
        assert!(!has_local_port("", 8620));
    }
}
