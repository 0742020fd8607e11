//! The desk at which people change who may report: tokens made and ended, agents put out. The admin socket and the API both
//! come here, so that what is refused and what the audit log says do not depend on the way. Blocks: each change is synced.

use std::net::IpAddr;
use std::sync::Arc;

use azimuth_measurement::enrolment::{TlsTrust, base64url};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::book::TokenEntry;
use super::{Fleet, Wanted};
use crate::access::guard::Guard;
use crate::problem::Problem;
use crate::serve::Peer;
use crate::utc::UtcInstant;

/// A token to make.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenWanted {
    /// Where its agents stand; their names begin with it. 1 to 48 lower-case letters, digits and hyphens.
    pub site: String,
    /// How many may join, 1 to 10,000.
    pub uses: u32,
    /// For how long, at most 366 days.
    pub ttl_ms: u64,
    /// Where agents reach the collector: `https://HOST:PORT`, `unix:PATH`, or `http://` on the collector's own machine.
    pub address: String,
    /// SHA-256 of the public key of whoever ends TLS, base64url. Without, that of the collector's own door where it made its
    /// key itself, else the authorities of the agent's system.
    #[serde(default)]
    pub tls_pin: Option<String>,
    /// The authorities of the agent's system in any case: a proxy stands in front.
    #[serde(default)]
    pub system_authorities: bool,
    /// Agents may come in the clear over a network, because something else protects the way.
    #[serde(default)]
    pub allow_plain_http: bool,
}

/// A token that was made.
#[derive(Debug, Serialize, Deserialize)]
pub struct TokenMade {
    /// The token: shown this once.
    pub token: String,
    /// What the collector keeps of it.
    pub entry: TokenEntry,
}

/// Who asks for a change.
#[derive(Debug, Clone)]
pub struct Asking {
    /// As the audit log is to name them.
    pub name: String,
    /// From where.
    pub peer: Option<Peer>,
}

/// The desk.
#[derive(Clone)]
pub struct FleetDesk {
    fleet: Arc<Fleet>,
    guard: Arc<Guard>,
    now_unix_ms: fn() -> u64,
}

impl FleetDesk {
    /// Over the fleet, with the guard whose audit log takes what is done.
    pub fn new(fleet: Arc<Fleet>, guard: Arc<Guard>, now_unix_ms: fn() -> u64) -> Self {
        Self {
            fleet,
            guard,
            now_unix_ms,
        }
    }

    /// Who may report, to be looked at.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// Makes a token.
    ///
    /// # Errors
    /// An address that agents would be overheard at, a wrong pin, site, number of uses or time; a disk that does not take it.
    pub fn make_token(&self, wanted: TokenWanted, asking: &Asking) -> Result<TokenMade, Problem> {
        let wrong = |detail: String| Problem::bad_request("token_wrong", detail);
        way_in(&wanted.address, wanted.allow_plain_http).map_err(wrong)?;
        let tls = match wanted.tls_pin.as_deref().map(base64url::decode_exactly) {
            None => match self.fleet.tls_pin() {
                Some(pin) if !wanted.system_authorities && wanted.address.starts_with("https://") => {
                    TlsTrust::Pin(pin)
                }
                _ => TlsTrust::System,
            },
            Some(Some(_)) if wanted.system_authorities => {
                let detail = "a pin and the authorities of the system exclude each other; say one of the two";
                return Err(wrong(detail.to_owned()));
            }
            Some(Some(pin)) => TlsTrust::Pin(pin),
            Some(None) => return Err(wrong("the pin is not 32 bytes in base64url".to_owned())),
        };
        let wanted = Wanted {
            site: wanted.site,
            uses: wanted.uses,
            ttl_ms: wanted.ttl_ms,
            address: wanted.address,
            tls,
        };
        let made = self.fleet.make_token(wanted, (self.now_unix_ms)())?;
        let entry = &made.entry;
        let until = UtcInstant::from_unix_ms(entry.expires_at_unix_ms);
        let subject = format!(
            "{} site {}, {} uses until {until}",
            entry.id, entry.site, entry.uses
        );
        self.note(asking, "join_token_made", &subject);
        Ok(TokenMade {
            token: made.token.to_string(),
            entry: made.entry,
        })
    }

    /// Ends a token.
    ///
    /// # Errors
    /// There is no such token; a disk that does not take it.
    pub fn revoke_token(&self, id: &str, asking: &Asking) -> Result<(), Problem> {
        self.fleet.revoke_token(id, (self.now_unix_ms)())?;
        self.note(asking, "join_token_revoked", id);
        Ok(())
    }

    /// Ends an agent.
    ///
    /// # Errors
    /// There is no such agent; a disk that does not take it.
    pub fn revoke_agent(&self, agent: &str, asking: &Asking) -> Result<(), Problem> {
        self.fleet.revoke_agent(agent, (self.now_unix_ms)())?;
        self.note(asking, "agent_revoked", agent);
        Ok(())
    }

    fn note(&self, asking: &Asking, what: &str, subject: &str) {
        self.guard.note(&asking.name, asking.peer, what, subject);
    }
}

/// Whether an address may be put into a token.
fn way_in(address: &str, allow_plain_http: bool) -> Result<(), String> {
    if address.starts_with("https://") || address.starts_with("unix:/") {
        return Ok(());
    }
    let authority = address.strip_prefix("http://").unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_here = host
        .parse::<IpAddr>()
        .map_or(host == "localhost", |ip| ip.to_canonical().is_loopback());
    match () {
        () if authority.is_empty() => Err(format!(
            "{address:?} is no address of a collector; write https://HOST:PORT, unix:PATH or http://127.0.0.1:PORT"
        )),
        () if is_here || allow_plain_http => Ok(()),
        () => Err(format!(
            "{address} is reached in the clear: anybody on the way could read the token and use it; give agents a door with TLS \
             ([agents] in the collector's configuration) and write https://, or say --allow-plain-http (in the API \
             `allow_plain_http`) where something else protects the way"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::audit;
    use crate::access::files::AccessFiles;
    use crate::access::settings::Settings;

    const NOW: u64 = 1_795_428_000_000;

    fn desk(pin: Option<[u8; 32]>) -> (tempfile::TempDir, FleetDesk) {
        let directory = tempfile::tempdir().expect("a directory");
        let now = || NOW;
        let fleet = Fleet::open(directory.path(), false)
            .expect("a fleet")
            .with_tls_pin(pin);
        let guard = Guard::open(AccessFiles::new(directory.path()), Settings::default(), now);
        let desk = FleetDesk::new(Arc::new(fleet), Arc::new(guard.expect("a guard")), now);
        (directory, desk)
    }

    fn anna() -> Asking {
        Asking {
            name: "anna".to_owned(),
            peer: Some(Peer(None)),
        }
    }

    fn wanted(address: &str) -> TokenWanted {
        TokenWanted {
            site: "paris".to_owned(),
            uses: 3,
            ttl_ms: 3_600_000,
            address: address.to_owned(),
            tls_pin: None,
            system_authorities: false,
            allow_plain_http: false,
        }
    }

    #[test]
    fn a_way_in_is_encrypted_or_on_this_machine_or_asked_for_by_name() {
        for address in [
            "https://azimuth.example.net",
            "unix:/run/azimuth/collector.sock",
            "http://127.0.0.1:8360",
            "http://[::1]:8360",
            "http://localhost:8360",
        ] {
            assert_eq!(way_in(address, false), Ok(()), "{address}");
        }
        for (address, why) in [
            ("http://192.0.2.1:8360", "in the clear"),
            ("http://localhost.example.net", "in the clear"),
            ("azimuth.example.net", "no address"),
            ("http://", "no address"),
        ] {
            let refused = way_in(address, false).expect_err(address);
            assert!(refused.contains(why), "{refused}");
        }
        assert_eq!(way_in("http://192.0.2.1:8360", true), Ok(()));
        assert!(way_in("ftp://192.0.2.1", true).is_err());
    }

    #[test]
    fn a_token_pins_the_door_that_was_made_here_unless_told_otherwise() {
        let (_directory, desk) = desk(Some([7; 32]));
        let tls = |wanted: TokenWanted| {
            let made = desk
                .make_token(wanted, &anna())
                .map_err(|problem| problem.detail().to_owned())?;
            let token: azimuth_measurement::enrolment::Token = made.token.parse().expect("a token");
            Ok::<_, String>(token.tls)
        };
        let https = "https://azimuth.example.net:8361";
        assert_eq!(tls(wanted(https)), Ok(TlsTrust::Pin([7; 32])));
        assert_eq!(tls(wanted("http://127.0.0.1:8360")), Ok(TlsTrust::System));
        let behind_a_proxy = |tls_pin| TokenWanted {
            system_authorities: true,
            tls_pin,
            ..wanted(https)
        };
        assert_eq!(tls(behind_a_proxy(None)), Ok(TlsTrust::System));
        let own = Some(base64url::encode(&[9; 32]));
        let refused = tls(behind_a_proxy(own.clone())).expect_err("both");
        assert!(refused.contains("exclude"), "{refused}");
        let pinned = |tls_pin| TokenWanted {
            tls_pin,
            ..wanted(https)
        };
        assert_eq!(tls(pinned(own)), Ok(TlsTrust::Pin([9; 32])));
        assert!(tls(pinned(Some("short".to_owned()))).is_err());
    }

    #[test]
    fn what_is_done_is_written_down_and_what_is_refused_is_not() {
        let (directory, desk) = desk(None);
        let made = desk
            .make_token(wanted("http://127.0.0.1:8360"), &anna())
            .expect("made");
        desk.revoke_token(&made.entry.id, &anna()).expect("there");
        for refused in [
            desk.revoke_token("no-such", &anna()).expect_err("none"),
            desk.revoke_agent("nobody", &anna()).expect_err("none"),
            desk.make_token(wanted("http://192.0.2.1"), &anna())
                .expect_err("in the clear"),
        ] {
            assert!(refused.status().is_client_error(), "{refused:?}");
        }
        let log = std::fs::read_to_string(directory.path().join("access/audit.jsonl")).expect("a log");
        assert_eq!(audit::check(&log).map(|checked| checked.lines), Ok(2), "{log}");
        assert!(
            log.contains("join_token_made") && log.contains("join_token_revoked"),
            "{log}"
        );
        assert!(
            log.contains(&made.entry.id) && log.contains("paris, 3 uses until 2026-"),
            "{log}"
        );
        assert!(
            !log.contains(&made.token) && !log.contains(&made.entry.secret_sha256),
            "{log}"
        );
    }
}
