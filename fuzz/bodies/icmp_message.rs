//! An ICMP message, with and without its IP header, from any bytes; and the kernel's control messages.

use azimuth_agent::icmp::{Echo, Family, MESSAGE_BYTES, after_ipv4_header};
use azimuth_agent::net::control::Ancillary;

/// One input.
pub(crate) fn run(bytes: &[u8]) {
    for message in [Some(bytes), after_ipv4_header(bytes)].into_iter().flatten() {
        for family in [Family::V4, Family::V6] {
            if let Ok(echo) = Echo::decode_reply(message, family) {
                let (ours, padding) = message.split_at(MESSAGE_BYTES);
                assert_eq!(ours[8..], echo.encode(family, 0)[8..]);
                assert!(padding.iter().all(|octet| *octet == 0));
            }
        }
    }
    let _ = Ancillary::parse(bytes);
}
