//! How the collector is reached: over TLS, over a unix socket, or in the clear on this machine. In the clear over a network only
//! for who says so, because reports, tokens and sessions would be anybody's to read and change.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;

use hyper::Uri;

use super::document::{Section, Wrong, boolean, shown, text};

/// How the collector is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CollectorAddress {
    /// `http://host:port`, without a trailing slash.
    Http(String),
    /// `https://host:port`, without a trailing slash.
    Https(String),
    /// A unix socket.
    Unix(PathBuf),
}

impl fmt::Display for CollectorAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(url) | Self::Https(url) => f.write_str(url),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl CollectorAddress {
    /// Host and port as they are written; `collector` for a unix socket.
    #[must_use]
    pub fn authority(&self) -> &str {
        match self {
            Self::Http(url) => url.trim_start_matches("http://"),
            Self::Https(url) => url.trim_start_matches("https://"),
            Self::Unix(_) => "collector",
        }
    }

    /// The host: a name, or an address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        let authority = self.authority();
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => authority,
        };
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port, or the one that its scheme implies.
    #[must_use]
    pub fn port(&self) -> u16 {
        let implied = if matches!(self, Self::Https(_)) { 443 } else { 80 };
        let port = self
            .authority()
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok());
        port.unwrap_or(implied)
    }

    /// Whether what is said there can be read and changed by others on the way.
    #[must_use]
    pub fn is_exposed(&self) -> bool {
        let Self::Http(_) = self else { return false };
        let host = self.host();
        let is_here = host
            .parse::<IpAddr>()
            .map_or(host == "localhost", |ip| ip.to_canonical().is_loopback());
        !is_here
    }
}

/// The address of a collector, `https://host:port`, `http://host:port` or `unix:/path`; `None` when it is none.
#[must_use]
pub fn collector_address(url: &str) -> Option<CollectorAddress> {
    if let Some(path) = url.strip_prefix("unix:") {
        return path.starts_with('/').then(|| CollectorAddress::Unix(path.into()));
    }
    let uri: Uri = url.parse().ok()?;
    let authority = uri.authority()?.as_str();
    let given = url.trim_end_matches('/');
    let scheme = uri.scheme_str()?;
    let plain =
        given == format!("{scheme}://{authority}") && !authority.contains('@') && is_host(uri.host()?);
    match scheme {
        "http" if plain => Some(CollectorAddress::Http(given.to_owned())),
        "https" if plain => Some(CollectorAddress::Https(given.to_owned())),
        _ => None,
    }
}

fn is_host(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && !host.contains(':'),
    }
}

/// Reads `[collector]`.
pub(super) fn read_collector(mut section: Section<'_>) -> Option<CollectorAddress> {
    let url = section.required("url", |value| {
        let url = text(value)?;
        collector_address(&url).ok_or_else(|| {
            let remedy = "Use https://host:port, unix:/path/to/collector.sock, or http://127.0.0.1:port on this machine";
            let what = format!("{} is not the address of a collector", shown(&url));
            Wrong(what, remedy.into())
        })
    });
    let allowed = section.optional("allow_plain_http", boolean).unwrap_or(false);
    if let Some(exposed) = url.as_ref().filter(|url| url.is_exposed() && !allowed) {
        let what =
            format!("{exposed} is reached in the clear: anybody on the way could read and change reports");
        let remedy = "Use https://, or say `allow_plain_http = true` if something else protects the way";
        section.wrong("url", Wrong(what, remedy.into()));
    }
    section.finish();
    url
}

#[cfg(test)]
mod tests {
    use azimuth_measurement::enrolment::TlsTrust;

    use super::*;

    #[test]
    fn an_address_has_a_host_and_a_port_and_is_exposed_in_the_clear_only() {
        for (url, host, port, exposed) in [
            ("http://127.0.0.1:8360", "127.0.0.1", 8360, false),
            ("http://[::1]:8360/", "::1", 8360, false),
            ("http://localhost", "localhost", 80, false),
            ("http://[::ffff:127.0.0.1]:1", "::ffff:127.0.0.1", 1, false),
            ("http://10.0.0.1:8360", "10.0.0.1", 8360, true),
            ("http://localhost.example", "localhost.example", 80, true),
            ("http://[2001:db8::1]", "2001:db8::1", 80, true),
            ("https://collector.example", "collector.example", 443, false),
            ("https://[2001:db8::1]:8361", "2001:db8::1", 8361, false),
            ("unix:/run/c.sock", "collector", 80, false),
        ] {
            let address = collector_address(url).expect(url);
            assert_eq!(
                (address.host(), address.port(), address.is_exposed()),
                (host, port, exposed),
                "{url}"
            );
        }
        for bad in [
            "https://",
            "https://a/b",
            "https://a?x",
            "ftp://a",
            "https://u:p@a",
            "http://[::1",
            "http://[x]",
        ] {
            assert_eq!(collector_address(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_agent_that_has_joined_takes_its_name_and_its_collector_from_its_identity() {
        use std::path::Path;

        use crate::config::parse;
        use crate::identity::{Identity, Seed};

        let directory = tempfile::tempdir().expect("a scratch directory");
        let file = directory.path().join("identity.json");
        let pin = TlsTrust::Pin([3; 32]);
        let identity = Identity {
            agent: "paris-1".parse().expect("an id"),
            collector: "https://collector.example:8361".to_owned(),
            collector_key: [7; 32],
            tls: pin,
            key: Seed::random().expect("random"),
            next_key: None,
        };
        identity.save(&file).expect("written");
        let rest = r#"
[vantage_point]
name = "Paris (Free)"
country = "FR"
city = "Paris"
network = "Free"
asn = 12322
latitude = 48.86
longitude = 2.35
[[target]]
name = "t"
provider = "aws"
region = "eu-west-3"
zone = "euw3-az1"
address = "10.78.1.1"
  [[target.probe]]
  method = "stamp"
  period_ms = 1000
"#;
        let read = |head: &str| {
            let read = parse(
                &format!("identity = {file:?}\n{head}{rest}"),
                Path::new("agent.toml"),
            );
            read.map_err(|mistakes| mistakes.to_string())
        };
        let config = read("").expect("a good file");
        assert_eq!(config.agent, identity.agent);
        assert_eq!(
            config.collector,
            CollectorAddress::Https(identity.collector.clone())
        );
        assert_eq!(
            (config.trust, config.identity.as_deref()),
            (pin, Some(file.as_path()))
        );
        assert!(read("agent = \"paris-1\"\n").is_ok(), "the same said twice");
        let refused = read("agent = \"paris-2\"\n").expect_err("another name");
        assert!(
            refused.contains("agent.toml:2: agent: paris-2 is not what this host joined as"),
            "{refused}"
        );
        let elsewhere = read("[collector]\nurl = \"unix:/run/c.sock\"").expect("another way there");
        assert_eq!(elsewhere.collector, CollectorAddress::Unix("/run/c.sock".into()));
        std::fs::remove_file(&file).expect("there");
        let refused = read("").expect_err("not joined");
        assert!(
            refused.contains("agent.toml:1: identity") && refused.contains("Has this host joined"),
            "{refused}"
        );
    }
}
