//! Where a person wants to probe: an address or a name, with or without a port. Resolves names, once.

use std::collections::HashMap;
use std::net::{SocketAddr, ToSocketAddrs};

use anyhow::{Context, bail};
use azimuth_measurement::Method;

use crate::cli::{STAMP_PORT, TCP_PORT};
use crate::config::web::{DNS_PORT, HTTPS_PORT};

/// One target of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// As it was written, or the zone it stands for.
    pub name: String,
    /// The host behind it, without a port: the name that a certificate should have.
    pub host: String,
    /// Where its probes go.
    pub address: SocketAddr,
    /// Which of its flows.
    pub flow: u16,
}

/// What was written, without its port; of an address, the address.
fn host_of(text: &str) -> &str {
    if let Some(inner) = text.strip_prefix('[') {
        return inner.split_once(']').map_or(inner, |(host, _)| host);
    }
    match text.split_once(':') {
        // An IPv6 address without brackets has more than one.
        Some((host, port)) if !port.contains(':') => host,
        _ => text,
    }
}

/// All that resolve, and what is wrong with each that does not. Two names of one address are one too many: an answer
/// could belong to either.
#[must_use]
pub fn resolve_all(names: &[String], method: Method) -> (Vec<Target>, Vec<anyhow::Error>) {
    let (mut targets, mut wrong) = (Vec::<Target>::new(), Vec::new());
    let mut seen = HashMap::new();
    for name in names {
        match resolve(name, default_port(method)) {
            Err(error) => wrong.push(error),
            Ok(address) => match seen.insert(address, name) {
                Some(first) => wrong.push(anyhow::anyhow!(
                    "{name:?} is {address}, and so is {first:?}; name it once"
                )),
                None => targets.push(Target {
                    name: name.clone(),
                    host: host_of(name).to_owned(),
                    address,
                    flow: 0,
                }),
            },
        }
    }
    (targets, wrong)
}

fn default_port(method: Method) -> u16 {
    match method {
        Method::Stamp => STAMP_PORT,
        // ICMP has no ports.
        Method::IcmpEcho => 0,
        Method::TlsHandshake | Method::HttpsFirstByte => HTTPS_PORT,
        Method::DnsQuery => DNS_PORT,
        _ => TCP_PORT,
    }
}

/// The address of a name or an address, with `port` if it has none of its own.
///
/// # Errors
/// When it is neither, or the name has no address.
pub(super) fn resolve(text: &str, port: u16) -> anyhow::Result<SocketAddr> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(address);
    }
    if let Ok(address) = text.trim_matches(['[', ']']).parse() {
        return Ok(SocketAddr::new(address, port));
    }
    let with_port = if text.contains(':') {
        text.to_owned()
    } else {
        format!("{text}:{port}")
    };
    let mut found = with_port.to_socket_addrs().with_context(|| {
        format!("{text:?} is neither an address nor a name that resolves; write for example 203.0.113.10, [2001:db8::1]:8620 or zone-a.example.net")
    })?;
    match found.next() {
        Some(address) => Ok(address),
        None => bail!("{text:?} resolves to no address"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_ports() {
        let read = |text| resolve(text, STAMP_PORT).expect("an address").to_string();
        assert_eq!(read("10.0.0.1"), "10.0.0.1:8620");
        assert_eq!(read("10.0.0.1:99"), "10.0.0.1:99");
        assert_eq!(read("::1"), "[::1]:8620");
        assert_eq!(read("[::1]"), "[::1]:8620");
        assert_eq!(read("[::1]:99"), "[::1]:99");
        assert_eq!(
            resolve("10.0.0.1", default_port(Method::TcpConnect))
                .expect("an address")
                .port(),
            8621
        );
    }

    #[test]
    fn the_name_for_a_certificate_has_no_port() {
        for (name, host) in [
            ("10.0.0.1", "10.0.0.1"),
            ("10.0.0.1:99", "10.0.0.1"),
            ("::1", "::1"),
            ("[::1]", "::1"),
            ("[::1]:99", "::1"),
            ("zone-a.example.net", "zone-a.example.net"),
            ("zone-a.example.net:99", "zone-a.example.net"),
        ] {
            assert_eq!(host_of(name), host);
        }
    }

    #[test]
    fn what_does_not_resolve_and_what_comes_twice_is_named_and_the_rest_goes_on() {
        let names = ["10.0.0.1", "no such name", "10.0.0.2", "10.0.0.1:8620"].map(str::to_owned);
        let (targets, wrong) = resolve_all(&names, Method::Stamp);
        let found: Vec<_> = targets.iter().map(|target| target.name.as_str()).collect();
        assert_eq!(found, ["10.0.0.1", "10.0.0.2"]);
        let wrong: Vec<_> = wrong.iter().map(ToString::to_string).collect();
        assert!(
            wrong[0].contains("\"no such name\" is neither an address"),
            "{wrong:?}"
        );
        assert!(wrong[1].contains("and so is \"10.0.0.1\""), "{wrong:?}");
    }
}
