//! Control messages (`cmsg(3)`) for `sendmsg(2)`, written in the kernel's layout. No unsafe. The reading half is
//! [`super::control`].

use std::net::IpAddr;

/// Room for an IPv6 packet information (16 + 24), a traffic class (16 + 8) and a request for a stamp (16 + 8).
const CAPACITY: usize = 96;
const HEADER_BYTES: usize = 16;
const ALIGNMENT: usize = 8;

/// The control messages of one datagram.
#[derive(Clone, Copy, Debug)]
pub(super) struct ControlWriter {
    bytes: [u8; CAPACITY],
    length: usize,
}

impl ControlWriter {
    pub(super) fn new() -> Self {
        Self {
            bytes: [0; CAPACITY],
            length: 0,
        }
    }

    /// The datagram is to leave from the local address `from`. `interface` counts for link-local addresses only, which
    /// mean nothing without; elsewhere the way is the router's choice.
    pub(super) fn source(&mut self, from: IpAddr, interface: u32) {
        match from {
            // in_pktinfo: interface, address to send from, unused.
            IpAddr::V4(from) => {
                let mut info = [0; 12];
                info[4..8].copy_from_slice(&from.octets());
                self.message(libc::SOL_IP, libc::IP_PKTINFO, &info);
            }
            IpAddr::V6(from) => {
                let interface = if from.is_unicast_link_local() {
                    interface
                } else {
                    0
                };
                let mut info = [0; 20];
                info[..16].copy_from_slice(&from.octets());
                info[16..].copy_from_slice(&interface.to_ne_bytes());
                self.message(libc::SOL_IPV6, libc::IPV6_PKTINFO, &info);
            }
        }
    }

    /// The datagram is to carry this traffic class octet.
    pub(super) fn traffic_class(&mut self, octet: u8, is_ipv4: bool) {
        let (level, kind) = if is_ipv4 {
            (libc::SOL_IP, libc::IP_TOS)
        } else {
            (libc::SOL_IPV6, libc::IPV6_TCLASS)
        };
        self.message(level, kind, &i32::from(octet).to_ne_bytes());
    }

    /// The kernel is to stamp this datagram as it leaves, and no other.
    pub(super) fn stamp(&mut self) {
        let wanted = libc::SOF_TIMESTAMPING_TX_SOFTWARE;
        self.message(libc::SOL_SOCKET, libc::SO_TIMESTAMPING, &wanted.to_ne_bytes());
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn message(&mut self, level: i32, kind: i32, data: &[u8]) {
        let length = HEADER_BYTES + data.len();
        let end = self.length + length.next_multiple_of(ALIGNMENT);
        // The three callers above fit, each called once; a fourth would lose its message rather than the process.
        let Some(room) = self.bytes.get_mut(self.length..end) else {
            return;
        };
        room[..8].copy_from_slice(&(length as u64).to_ne_bytes());
        room[8..12].copy_from_slice(&level.to_ne_bytes());
        room[12..16].copy_from_slice(&kind.to_ne_bytes());
        room[HEADER_BYTES..length].copy_from_slice(data);
        self.length = end;
    }
}

#[cfg(test)]
mod tests {
    use super::super::control::Ancillary;
    use super::*;

    #[test]
    fn what_is_written_reads_back_for_both_families() {
        for (from, interface) in [("127.0.0.2", 0), ("fe80::1", 7)] {
            let from: IpAddr = from.parse().expect("an address");
            let mut control = ControlWriter::new();
            control.source(from, 7);
            control.traffic_class(0xb8, from.is_ipv4());
            control.stamp();
            let found = Ancillary::parse(control.as_slice());
            assert_eq!((found.interface, found.traffic_class), (interface, Some(0xb8)));
            // The address to answer from stands where arrivals have it only in IPv6.
            assert_eq!(found.asked_at.is_some_and(|at| at == from), from.is_ipv6());
            assert_eq!(control.as_slice().len() % ALIGNMENT, 0);
        }
    }
}
