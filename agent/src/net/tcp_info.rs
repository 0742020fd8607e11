//! What the kernel knows of a TCP connection that moves octets (`TCP_INFO`), how fast it may send, and by which congestion control.
#![expect(
    unsafe_code,
    reason = "getsockopt(TCP_INFO) and setsockopt(SO_MAX_PACING_RATE) have no safe wrapper"
)]

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

use nix::sys::socket::{getsockopt, setsockopt, sockopt};

/// Octets asked for; a kernel that knows fewer says so, and what is missing reads as 0.
const ASKED_BYTES: usize = 232;

/// The parts of Linux's `struct tcp_info` that a throughput test needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpInfo {
    /// Smoothed round trip, in microseconds.
    pub rtt_us: u32,
    /// Its mean deviation, in microseconds.
    pub rttvar_us: u32,
    /// The shortest round trip, in microseconds; 0 when there is no sample.
    pub min_rtt_us: u32,
    /// The round trip as a receiver sees it, from time stamps in what it is sent, in microseconds; 0 when there is no sample.
    pub rcv_rtt_us: u32,
    /// Octets sent and acknowledged.
    pub bytes_acked: u64,
    /// Octets received.
    pub bytes_received: u64,
    /// Octets sent, those sent again counted again.
    pub bytes_sent: u64,
    /// Octets sent again.
    pub bytes_retrans: u64,
    /// Segments with octets in them that have arrived, in whatever order; 0 before Linux 4.6.
    pub data_segments_in: u32,
    /// Segments that the other end has, acknowledged in order or apart (SACK); 0 before Linux 4.18.
    pub delivered: u32,
    /// Time with something to send, in microseconds.
    pub busy_us: u64,
    /// Of it, time stopped by the receiver's window, in microseconds.
    pub rwnd_limited_us: u64,
    /// Of it, time stopped by the sender's buffer, in microseconds.
    pub sndbuf_limited_us: u64,
}

impl TcpInfo {
    /// Asks the kernel.
    ///
    /// # Errors
    /// What the operating system reports.
    pub fn of(socket: &impl AsFd) -> io::Result<Self> {
        let mut octets = [0_u8; ASKED_BYTES];
        let mut length = ASKED_BYTES as libc::socklen_t;
        // SAFETY: `octets` and `length` are live and writable, and `length` states the size of `octets`.
        let result = unsafe {
            libc::getsockopt(
                socket.as_fd().as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                octets.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self::read(&octets))
    }

    /// At the offsets of Linux's `include/uapi/linux/tcp.h`, which only ever grows at its end.
    fn read(octets: &[u8; ASKED_BYTES]) -> Self {
        let four = |at: usize| {
            let mut four = [0; 4];
            four.copy_from_slice(&octets[at..at + 4]);
            u32::from_ne_bytes(four)
        };
        let eight = |at: usize| {
            let mut eight = [0; 8];
            eight.copy_from_slice(&octets[at..at + 8]);
            u64::from_ne_bytes(eight)
        };
        let min_rtt_us = four(148);
        Self {
            rtt_us: four(68),
            rttvar_us: four(72),
            min_rtt_us: if min_rtt_us == u32::MAX { 0 } else { min_rtt_us },
            rcv_rtt_us: four(92),
            bytes_acked: eight(120),
            bytes_received: eight(128),
            bytes_sent: eight(200),
            bytes_retrans: eight(208),
            data_segments_in: four(152),
            delivered: four(192),
            busy_us: eight(168),
            rwnd_limited_us: eight(176),
            sndbuf_limited_us: eight(184),
        }
    }
}

/// Lets the kernel send no faster (`SO_MAX_PACING_RATE`).
///
/// # Errors
/// What the operating system reports.
pub fn limit_rate(socket: &impl AsFd, bytes_per_s: u64) -> io::Result<()> {
    // SAFETY: the value is live, and its size is stated.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MAX_PACING_RATE,
            (&raw const bytes_per_s).cast(),
            size_of::<u64>() as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Fixes the congestion control, if one is named, and says which it is: results by different ones are not compared.
///
/// # Errors
/// What the operating system reports: it may not know the name, or not let an ordinary program use it.
pub fn congestion_control(socket: &impl AsFd, wanted: Option<&str>) -> io::Result<String> {
    if let Some(wanted) = wanted {
        setsockopt(socket, sockopt::TcpCongestion, &OsString::from(wanted))?;
    }
    let name = getsockopt(socket, sockopt::TcpCongestion)?;
    Ok(name.to_string_lossy().trim_end_matches('\0').to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn the_kernel_tells_of_a_connection_that_moved_octets() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let mut near = TcpStream::connect(listener.local_addr().expect("bound")).expect("connected");
        let (mut far, _) = listener.accept().expect("accepted");
        assert_eq!(
            congestion_control(&near, Some("reno")).expect("every kernel has it"),
            "reno"
        );
        assert!(congestion_control(&near, Some("no-such-one")).is_err());
        limit_rate(&near, 1_000_000_000).expect("set");
        near.write_all(&[7; 5_000]).expect("written");
        let mut read = [0; 5_000];
        far.read_exact(&mut read).expect("read");
        far.write_all(b"!").expect("written");
        near.read_exact(&mut read[..1]).expect("read");
        let (near, far) = (
            TcpInfo::of(&near).expect("told"),
            TcpInfo::of(&far).expect("told"),
        );
        // What was answered was acknowledged with the answer.
        assert_eq!(
            (near.bytes_acked - 1, near.bytes_sent, near.bytes_retrans),
            (5_000, 5_000, 0)
        );
        assert_eq!((far.bytes_received, near.bytes_received), (5_000, 1));
        let both_ways = (near.data_segments_in, near.delivered);
        assert!(both_ways.0 == 1 && both_ways.1 >= 1, "{near:?}");
        // What opened the connection counts as delivered too.
        assert!((1..=both_ways.1).contains(&far.data_segments_in), "{far:?}");
        assert!(
            near.rtt_us > 0 && near.min_rtt_us > 0 && near.min_rtt_us < 1_000_000,
            "{near:?}"
        );
        assert!(near.rwnd_limited_us <= near.busy_us && near.sndbuf_limited_us <= near.busy_us);
    }
}
