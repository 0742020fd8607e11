//! The `[access]` table of the configuration: what of access is not an account.

use std::net::IpAddr;
use std::path::Path;

use axum::http::HeaderName;
use serde::Deserialize;
use toml::Spanned;

use super::oidc;
use super::role::Role;
use crate::limits::Mistake;

/// Proxies at most.
const MOST_PROXIES: usize = 100;

/// What of access is not an account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Whether anybody may look at measurements, without an account and with places blurred.
    pub public: bool,
    /// A proxy that knows its users.
    pub proxy: Option<Proxy>,
    /// An identity provider that people sign in with.
    pub oidc: Option<oidc::settings::Settings>,
}

impl Settings {
    /// Whether somebody could be known without an account here; then a login is asked of everybody.
    pub fn knows_others(&self) -> bool {
        self.proxy.is_some() || self.oidc.is_some()
    }
}

/// A proxy that says in a header who asks. Believed only from its own addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// From where it asks.
    pub addresses: Vec<IpAddr>,
    /// In which header it names the user.
    pub user_header: HeaderName,
    /// What a user may do whom no account says more of; nothing, if none.
    pub role: Option<Role>,
}

/// The table as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    #[serde(default)]
    public: bool,
    proxy: Option<ProxyTable>,
    oidc: Option<oidc::settings::Table>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProxyTable {
    addresses: Spanned<Vec<String>>,
    user_header: Spanned<String>,
    role: Option<Spanned<String>>,
}

impl Table {
    /// What was written; files are looked for in `beside`.
    ///
    /// # Errors
    /// Every mistake in the table.
    pub(crate) fn resolve(self, beside: &Path) -> Result<Settings, Vec<Mistake>> {
        let proxy = self.proxy.map(ProxyTable::resolve).transpose();
        let oidc = self.oidc.map(|table| table.resolve(beside)).transpose();
        match (proxy, oidc) {
            (Ok(proxy), Ok(oidc)) => Ok(Settings {
                public: self.public,
                proxy,
                oidc,
            }),
            (proxy, oidc) => {
                let mut mistakes = proxy.err().unwrap_or_default();
                mistakes.extend(oidc.err().unwrap_or_default());
                Err(mistakes)
            }
        }
    }
}

impl ProxyTable {
    fn resolve(self) -> Result<Proxy, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let mut addresses = Vec::new();
        for text in self.addresses.get_ref() {
            match text.parse::<IpAddr>() {
                Ok(address) => addresses.push(address.to_canonical()),
                Err(_) => mistakes.push((
                    self.addresses.span().start,
                    format!("access.proxy.addresses: {text:?} is not an address; write \"10.0.0.5\""),
                )),
            }
        }
        if mistakes.is_empty() && !(1..=MOST_PROXIES).contains(&addresses.len()) {
            let reason = format!(
                "access.proxy.addresses has {} entries; name 1 to {MOST_PROXIES}, those that the proxy asks from",
                addresses.len()
            );
            mistakes.push((self.addresses.span().start, reason));
        }
        let user_header = HeaderName::try_from(self.user_header.get_ref().as_str()).map_err(|_| {
            format!(
                "access.proxy.user_header = {:?} is no header; write \"X-Forwarded-User\"",
                self.user_header.get_ref()
            )
        });
        let user_header = user_header
            .map_err(|reason| mistakes.push((self.user_header.span().start, reason)))
            .ok();
        let role = self.role.map(|role| {
            role.get_ref()
                .parse::<Role>()
                .map_err(|reason| mistakes.push((role.span().start, format!("access.proxy.role: {reason}"))))
                .ok()
        });
        match user_header {
            Some(user_header) if mistakes.is_empty() => Ok(Proxy {
                addresses,
                user_header,
                role: role.flatten(),
            }),
            _ => Err(mistakes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, String> {
        let table: Table = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        table.resolve(Path::new("")).map_err(|mistakes| {
            let reasons: Vec<_> = mistakes.into_iter().map(|(_, reason)| reason).collect();
            reasons.join("; ")
        })
    }

    #[test]
    fn a_proxy_has_addresses_a_header_and_maybe_a_role() {
        let settings = read(
            "public = true\n[proxy]\naddresses = [\"::ffff:10.0.0.5\"]\nuser_header = \"X-Forwarded-User\"\nrole = \"read\"",
        )
        .expect("valid");
        let proxy = settings.proxy.expect("a proxy");
        assert_eq!(
            proxy.addresses,
            ["10.0.0.5".parse::<IpAddr>().expect("an address")]
        );
        assert_eq!(
            (proxy.user_header.as_str(), proxy.role),
            ("x-forwarded-user", Some(Role::Read))
        );
        assert_eq!(read(""), Ok(Settings::default()));
    }

    #[test]
    fn every_mistake_is_named() {
        let error = read("[proxy]\naddresses = [\"10.0.0.0/8\"]\nuser_header = \"a b\"\nrole = \"root\"");
        let error = error.expect_err("three mistakes");
        for part in ["10.0.0.0/8", "user_header = \"a b\"", "\"root\" is no role"] {
            assert!(error.contains(part), "{error}");
        }
        let error = read("[proxy]\naddresses = []\nuser_header = \"X-User\"").expect_err("nobody");
        assert!(error.contains("name 1 to 100"), "{error}");
    }
}
