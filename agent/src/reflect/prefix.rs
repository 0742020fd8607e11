//! Address prefixes (`192.0.2.0/24`, `2001:db8::/32`) and the list of those a reflector may answer. Pure.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use thiserror::Error;

/// A network: an address and how many of its leading bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    network: IpAddr,
    length: u8,
}

/// The text is not a prefix.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PrefixError {
    /// The part before the slash.
    #[error(
        "{given:?} is not an address prefix; write for example 192.0.2.0/24, 2001:db8::/32 or one address"
    )]
    Address {
        /// As given.
        given: String,
    },
    /// The part after the slash.
    #[error("{given:?} has no valid length; after the slash comes a number from 0 to {most}")]
    Length {
        /// As given.
        given: String,
        /// 32 or 128.
        most: u8,
    },
    /// Bits beyond the length.
    #[error("{given} has bits set beyond its length; did you mean {network}?")]
    HostBits {
        /// As given.
        given: String,
        /// The same without them.
        network: String,
    },
}

impl Prefix {
    /// Whether it holds one address.
    #[must_use]
    pub fn is_one_address(&self) -> bool {
        self.length == if self.network.is_ipv4() { 32 } else { 128 }
    }

    /// Whether `address` lies within. An IPv4 prefix holds no IPv6 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.network.is_ipv4() && masked(address, self.length) == self.network
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let given = || text.chars().take(80).collect::<String>();
        let (address, length) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
        let address: IpAddr = address
            .parse()
            .map_err(|_| PrefixError::Address { given: given() })?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => most,
            Some(digits) => match digits.parse() {
                Ok(length) if length <= most => length,
                _ => return Err(PrefixError::Length { given: given(), most }),
            },
        };
        let network = masked(address, length);
        if network == address {
            Ok(Self { network, length })
        } else {
            Err(PrefixError::HostBits {
                given: given(),
                network: Self { network, length }.to_string(),
            })
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.length)
    }
}

/// Whom to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Everyone.
    Any,
    /// These networks.
    Prefixes(Vec<Prefix>),
}

impl Allowed {
    /// Whether `address` is answered.
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::Prefixes(prefixes) => prefixes.iter().any(|prefix| prefix.contains(address)),
        }
    }
}

fn masked(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX
                .checked_shl(128 - u32::from(length.min(128)))
                .unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_inside_and_outside() {
        let inside = [
            ("0.0.0.0/0", "203.0.113.9"),
            ("10.78.0.0/16", "10.78.255.255"),
            ("127.0.0.1", "127.0.0.1"),
            ("::/0", "2001:db8::1"),
            ("2001:db8::/33", "2001:db8:7fff::1"),
        ];
        let outside = [
            ("10.78.0.0/16", "10.79.0.0"),
            ("127.0.0.1", "127.0.0.2"),
            ("0.0.0.0/0", "::1"),
            ("2001:db8::/33", "2001:db8:8000::1"),
        ];
        for (pairs, expected) in [(&inside[..], true), (&outside[..], false)] {
            for (prefix, address) in pairs {
                let prefix: Prefix = prefix.parse().expect("a prefix");
                assert_eq!(
                    prefix.contains(address.parse().expect("an address")),
                    expected,
                    "{prefix} {address}"
                );
            }
        }
    }

    #[test]
    fn mistakes_are_named_with_their_remedy() {
        let message = |text: &str| text.parse::<Prefix>().expect_err("a mistake").to_string();
        assert_eq!(
            message("paris"),
            "\"paris\" is not an address prefix; write for example 192.0.2.0/24, 2001:db8::/32 or one address"
        );
        assert_eq!(
            message("10.0.0.0/33"),
            "\"10.0.0.0/33\" has no valid length; after the slash comes a number from 0 to 32"
        );
        assert_eq!(
            message("10.0.0.1/8"),
            "10.0.0.1/8 has bits set beyond its length; did you mean 10.0.0.0/8?"
        );
    }

    #[test]
    fn an_empty_list_permits_nobody() {
        assert!(!Allowed::Prefixes(Vec::new()).permits("127.0.0.1".parse().expect("an address")));
    }
}
