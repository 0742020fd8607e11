//! Control messages (`cmsg(3)`) and socket addresses, read from the bytes the kernel wrote. No unsafe.
//!
//! The kernel's own layout on 64-bit Linux: a header of length (8 octets), level (4) and type (4), the data, then
//! padding to 8. Anything cut short or unknown is skipped: a message we cannot read is a stamp we do not have.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use azimuth_measurement::ErrorKind;

use crate::clock::{NS_PER_S, Wall};
use crate::icmp::{self, Family};

const HEADER_BYTES: usize = 16;
const ALIGNMENT: usize = 8;
/// Stage of a stamp taken as the packet was handed to the driver (`linux/errqueue.h`; not in libc).
const SCM_TSTAMP_SND: u32 = 0;

/// What came along with one datagram or one entry of the error queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ancillary {
    /// When the kernel stamped the packet (`SCM_TIMESTAMPING`, software).
    pub kernel_stamp: Option<Wall>,
    /// For an entry of the error queue that is a TX stamp: the number of the send call it belongs to.
    pub tx_id: Option<u32>,
    /// For an entry of the error queue that a router or host caused: what it said.
    pub icmp_error: Option<IcmpError>,
    /// The local address the datagram was sent to.
    pub asked_at: Option<IpAddr>,
    /// Interface the datagram came in on, for answers to link-local askers.
    pub interface: u32,
    /// TTL or hop limit on arrival.
    pub ttl: Option<u8>,
    /// Traffic class octet on arrival: six bits DSCP, two bits ECN.
    pub traffic_class: Option<u8>,
}

/// An ICMP error as the kernel queued it (`IP_RECVERR`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// What was said.
    pub kind: ErrorKind,
    /// Who said it.
    pub offender: Option<IpAddr>,
}

impl Ancillary {
    /// Reads all control messages of one datagram.
    #[must_use]
    pub fn parse(mut bytes: &[u8]) -> Self {
        let mut found = Self::default();
        while let Some((level, kind, data, rest)) = next_message(bytes) {
            found.take(level, kind, data);
            bytes = rest;
        }
        found
    }

    fn take(&mut self, level: i32, kind: i32, data: &[u8]) {
        match (level, kind) {
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING) => self.kernel_stamp = software_stamp(data),
            (libc::SOL_IP, libc::IP_RECVERR) | (libc::SOL_IPV6, libc::IPV6_RECVERR) => {
                self.tx_id = tx_id(data);
                self.icmp_error = icmp_error(data);
            }
            (libc::SOL_IP, libc::IP_PKTINFO) => {
                // in_pktinfo: interface, local address to answer from, destination in the header.
                self.interface = u32_at(data, 0).unwrap_or(0);
                self.asked_at = array_at::<4>(data, 8).map(|octets| IpAddr::V4(Ipv4Addr::from(octets)));
            }
            (libc::SOL_IPV6, libc::IPV6_PKTINFO) => {
                self.asked_at = array_at::<16>(data, 0).map(|octets| IpAddr::V6(Ipv6Addr::from(octets)));
                self.interface = u32_at(data, 16).unwrap_or(0);
            }
            (libc::SOL_IP, libc::IP_TTL) | (libc::SOL_IPV6, libc::IPV6_HOPLIMIT) => {
                self.ttl = u32_at(data, 0).and_then(|ttl| u8::try_from(ttl).ok());
            }
            // One octet in IPv4, an integer in IPv6 and in what we write ourselves.
            (libc::SOL_IP, libc::IP_TOS) | (libc::SOL_IPV6, libc::IPV6_TCLASS) => {
                self.traffic_class = match *data {
                    [octet] => Some(octet),
                    _ => u32_at(data, 0).and_then(|class| u8::try_from(class).ok()),
                };
            }
            _ => {}
        }
    }
}

/// Level, type, data and what follows; `None` at the end or at a length that cannot be.
fn next_message(bytes: &[u8]) -> Option<(i32, i32, &[u8], &[u8])> {
    let length = usize::try_from(u64::from_ne_bytes(array_at(bytes, 0)?)).ok()?;
    let level = i32::from_ne_bytes(array_at(bytes, 8)?);
    let kind = i32::from_ne_bytes(array_at(bytes, 12)?);
    let data = bytes.get(HEADER_BYTES..length)?;
    let next = length.checked_next_multiple_of(ALIGNMENT)?;
    Some((level, kind, data, bytes.get(next..).unwrap_or_default()))
}

/// The first of the three timespecs is the software stamp; the other two are hardware, which we do not ask for.
fn software_stamp(data: &[u8]) -> Option<Wall> {
    let seconds = i64::from_ne_bytes(array_at(data, 0)?);
    let nanoseconds = i64::from_ne_bytes(array_at(data, 8)?);
    let unix_ns = seconds.checked_mul(NS_PER_S)?.checked_add(nanoseconds)?;
    (unix_ns != 0).then_some(Wall::from_unix_ns(unix_ns))
}

/// `sock_extended_err`: errno, origin, type, code, pad, info, data. For a stamp taken as the packet left for the
/// driver (`SCM_TSTAMP_SND`), `data` is the number of the send call.
fn tx_id(data: &[u8]) -> Option<u32> {
    let errno = u32_at(data, 0)?;
    let origin = *data.get(4)?;
    let stage = u32_at(data, 8)?;
    let is_stamp = i32::try_from(errno) == Ok(libc::ENOMSG)
        && origin == libc::SO_EE_ORIGIN_TIMESTAMPING
        && stage == SCM_TSTAMP_SND;
    if is_stamp { u32_at(data, 12) } else { None }
}

/// The same structure for an error; the address of who said so follows it.
fn icmp_error(data: &[u8]) -> Option<IcmpError> {
    let family = match *data.get(4)? {
        libc::SO_EE_ORIGIN_ICMP => Family::V4,
        libc::SO_EE_ORIGIN_ICMP6 => Family::V6,
        _ => return None,
    };
    Some(IcmpError {
        kind: icmp::error_kind(family, *data.get(5)?, *data.get(6)?),
        offender: data.get(16..).and_then(socket_address).map(|at| at.ip()),
    })
}

/// A `sockaddr_in` or `sockaddr_in6` as the kernel wrote it.
#[must_use]
pub fn socket_address(bytes: &[u8]) -> Option<SocketAddr> {
    let family = u16::from_ne_bytes(array_at(bytes, 0)?);
    let port = u16::from_be_bytes(array_at(bytes, 2)?);
    match i32::from(family) {
        libc::AF_INET => {
            let octets: [u8; 4] = array_at(bytes, 4)?;
            Some(SocketAddr::V4(SocketAddrV4::new(octets.into(), port)))
        }
        libc::AF_INET6 => {
            let octets: [u8; 16] = array_at(bytes, 8)?;
            let scope = u32_at(bytes, 24)?;
            Some(SocketAddr::V6(SocketAddrV6::new(octets.into(), port, 0, scope)))
        }
        _ => None,
    }
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array_at(bytes, at).map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(((HEADER_BYTES + data.len()) as u64).to_ne_bytes());
        bytes.extend(level.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
        bytes
    }

    fn stamp(seconds: i64, nanoseconds: i64) -> Vec<u8> {
        let mut data = seconds.to_ne_bytes().to_vec();
        data.extend(nanoseconds.to_ne_bytes());
        data.extend([0; 32]);
        message(libc::SOL_SOCKET, libc::SCM_TIMESTAMPING, &data)
    }

    fn extended_error(errno: i32, origin: u8, stage: u32, id: u32) -> Vec<u8> {
        let mut data = errno.to_ne_bytes().to_vec();
        data.extend([origin, 0, 0, 0]);
        data.extend(stage.to_ne_bytes());
        data.extend(id.to_ne_bytes());
        data.extend([0; 16]);
        message(libc::SOL_IP, libc::IP_RECVERR, &data)
    }

    #[test]
    fn a_tx_stamp_has_its_time_and_its_send_call() {
        let mut bytes = stamp(1_700_000_000, 42);
        bytes.extend(extended_error(
            libc::ENOMSG,
            libc::SO_EE_ORIGIN_TIMESTAMPING,
            SCM_TSTAMP_SND,
            9,
        ));
        let found = Ancillary::parse(&bytes);
        assert_eq!(
            found.kernel_stamp,
            Some(Wall::from_unix_ns(1_700_000_000_000_000_042))
        );
        assert_eq!(found.tx_id, Some(9));
    }

    #[test]
    fn a_stamp_of_another_stage_or_an_icmp_error_is_no_tx_stamp() {
        let scheduled = extended_error(
            libc::ENOMSG,
            libc::SO_EE_ORIGIN_TIMESTAMPING,
            SCM_TSTAMP_SND + 1,
            9,
        );
        let icmp = extended_error(libc::ECONNREFUSED, libc::SO_EE_ORIGIN_ICMP, SCM_TSTAMP_SND, 9);
        assert_eq!(Ancillary::parse(&scheduled).tx_id, None);
        assert_eq!(Ancillary::parse(&icmp).tx_id, None);
    }

    #[test]
    fn an_icmp_error_has_its_kind_and_its_author() {
        let mut data = libc::EHOSTUNREACH.to_ne_bytes().to_vec();
        data.extend([libc::SO_EE_ORIGIN_ICMP, 11, 0, 0]);
        data.extend([0; 8]);
        data.extend((libc::AF_INET as u16).to_ne_bytes());
        data.extend([0, 0, 10, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0]);
        let found = Ancillary::parse(&message(libc::SOL_IP, libc::IP_RECVERR, &data));
        let expected = IcmpError {
            kind: ErrorKind::TtlExceeded,
            offender: Some(IpAddr::from([10, 0, 0, 9])),
        };
        assert_eq!((found.icmp_error, found.tx_id), (Some(expected), None));
        let stamp = extended_error(libc::ENOMSG, libc::SO_EE_ORIGIN_TIMESTAMPING, SCM_TSTAMP_SND, 9);
        assert_eq!(Ancillary::parse(&stamp).icmp_error, None);
    }

    #[test]
    fn a_zero_stamp_is_a_missing_stamp() {
        assert_eq!(Ancillary::parse(&stamp(0, 0)).kernel_stamp, None);
    }

    #[test]
    fn addresses_asked_at_and_ttl_are_read_for_both_families() {
        let mut bytes = message(
            libc::SOL_IP,
            libc::IP_PKTINFO,
            &[3, 0, 0, 0, 9, 9, 9, 9, 127, 0, 0, 2],
        );
        bytes.extend(message(libc::SOL_IP, libc::IP_TTL, &64_u32.to_ne_bytes()));
        let found = Ancillary::parse(&bytes);
        assert_eq!(found.asked_at, Some(IpAddr::from([127, 0, 0, 2])));
        assert_eq!((found.interface, found.ttl), (3, Some(64)));

        let mut info = Ipv6Addr::LOCALHOST.octets().to_vec();
        info.extend(7_u32.to_ne_bytes());
        let found = Ancillary::parse(&message(libc::SOL_IPV6, libc::IPV6_PKTINFO, &info));
        assert_eq!(
            (found.asked_at, found.interface),
            (Some(IpAddr::V6(Ipv6Addr::LOCALHOST)), 7)
        );
    }

    #[test]
    fn socket_addresses_of_both_families_are_read() {
        let mut v4 = (libc::AF_INET as u16).to_ne_bytes().to_vec();
        v4.extend([0x21, 0xac, 10, 0, 0, 1]);
        assert_eq!(
            socket_address(&v4),
            Some("10.0.0.1:8620".parse().expect("an address"))
        );
        let mut v6 = (libc::AF_INET6 as u16).to_ne_bytes().to_vec();
        v6.extend([0x21, 0xac, 0, 0, 0, 0]);
        v6.extend(Ipv6Addr::LOCALHOST.octets());
        v6.extend(0_u32.to_ne_bytes());
        assert_eq!(
            socket_address(&v6),
            Some("[::1]:8620".parse().expect("an address"))
        );
        assert_eq!(socket_address(&v6[..20]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_met_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Ancillary::parse(&bytes);
            let _ = socket_address(&bytes);
        }
    }
}
