//! Which addresses a channel may be at. A configuration, or a name server, that points a channel at this machine or into
//! the network behind it would let whoever writes them make requests there; so only public addresses are reached unless
//! others are named. What is judged is the address that is connected to, after the name was resolved. Pure.
//!
//! Standard: the IANA special-purpose registries (RFC 6890).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network, such as `10.0.0.0/8` or `::1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// IPv4 as mapped into IPv6.
    bits: u128,
    /// Bits that count, of 128.
    length: u32,
}

impl std::str::FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is not a network; write \"127.0.0.1\", \"10.0.0.0/8\" or \"fd00::/8\"");
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u32>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let (most, ahead) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        let length = length.unwrap_or(most);
        if length > most {
            return Err(wrong());
        }
        Ok(Self {
            bits: bits(address),
            length: length + ahead,
        })
    }
}

impl Network {
    fn holds(self, address: IpAddr) -> bool {
        let differ = self.bits ^ bits(address);
        self.length == 0 || differ >> (128 - self.length) == 0
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// Whether a connection to this address may be opened.
pub fn may_reach(address: IpAddr, allowed: &[Network]) -> bool {
    is_public(address) || allowed.iter().any(|network| network.holds(address))
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = a == 0
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        // Shared by carriers, protocol assignments, benchmarks, 6to4 relays, reserved.
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (b == 18 || b == 19))
        || (a == 192 && b == 88 && c == 99)
        || a >= 240;
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // An IPv4 address in disguise is judged as what it is: mapped, and translated (RFC 6052).
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    if segments.starts_with(&[0x64, 0xff9b, 0, 0, 0, 0]) {
        let [.., a, b, c, d] = address.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    // Global unicast without documentation, Teredo and its neighbours, and 6to4.
    let [first, second, ..] = segments;
    first & 0xe000 == 0x2000
        && !(first == 0x2001 && (second == 0xdb8 || second < 0x200))
        && first != 0x2002
        && !(first == 0x3fff && second < 0x1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_and_those_that_are_named() {
        let allowed: Vec<Network> = ["10.1.0.0/16", "::1"]
            .map(|text| text.parse().expect("a network"))
            .into();
        let may = |address: &str| may_reach(address.parse().expect("an address"), &allowed);
        for refused in [
            "127.0.0.1",
            "10.2.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.2.1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2001:db8::1",
            "2002:7f00:1::",
            "ff02::1",
            "::127.0.0.1",
        ] {
            assert!(!may(refused), "{refused}");
        }
        for reached in [
            "1.1.1.1",
            "2606:4700::1111",
            "10.1.255.255",
            "::ffff:10.1.0.1",
            "::1",
            "64:ff9b::101:101",
        ] {
            assert!(may(reached), "{reached}");
        }
        for wrong in ["10.0.0.0/33", "localhost", "", "::/129", "10.0.0.0/-1"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
