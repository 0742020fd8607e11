//! What a request needs, and whether its caller has it. Pure: a method, a path, headers and what is known of the caller in, a
//! verdict out. Whatever is not named here needs an administrator to change and a reader to look at.

use std::net::IpAddr;

use axum::http::{HeaderMap, Method, header};

use super::role::Role;

/// What a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing: the pages, which hold no measurements, whether the process lives, logging in, and what agents send, which has
    /// credentials of its own.
    Nothing,
    /// A reader, or anybody where the collector is public.
    PublicRead,
    /// A caller who may do as much.
    AtLeast(Role),
}

/// Of the API, what agents ask: judged by what they show, where they are answered.
const OF_AGENTS: [&str; 3] = ["/api/v1/reports", "/api/v1/join", "/api/v1/agent/"];
/// What a public collector shows to everybody: measurements and what follows from them. Not hop addresses, whole exports or how
/// the machine fares.
const PUBLIC: [&str; 14] = [
    "/api/v1/agents",
    "/api/v1/zones",
    "/api/v1/catalogue",
    "/api/v1/map",
    "/api/v1/groups",
    "/api/v1/compare",
    "/api/v1/series",
    "/api/v1/heatmap",
    "/api/v1/distribution",
    "/api/v1/throughput",
    "/api/v1/throughput/newest",
    "/api/v1/alerts",
    "/api/v1/incidents",
    "/api/v1/openapi.json",
];
/// What only an administrator reads.
const SECRET: [&str; 3] = ["/api/v1/backup", "/api/v1/audit", "/api/v1/api-tokens"];
/// What whoever is on call reads as well: who may join, and who has.
const OF_THE_FLEET: [&str; 2] = ["/api/v1/fleet/tokens", "/api/v1/fleet/agents"];

/// What a request needs.
pub fn need(method: &Method, path: &str) -> Need {
    let is_look = matches!(*method, Method::GET | Method::HEAD);
    let is_under = |root: &str| {
        path.strip_prefix(root.trim_end_matches('/'))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if matches!(path, "/healthz" | "/readyz" | "/api/v1/session")
        || (is_look && matches!(path, "/api/v1/oidc/login" | "/api/v1/oidc/callback"))
        || OF_AGENTS.iter().any(|root| is_under(root))
    {
        return Need::Nothing;
    }
    if path == "/metrics" {
        return Need::AtLeast(Role::Read);
    }
    if !path.starts_with("/api/") {
        return Need::Nothing;
    }
    match (is_look, SECRET.iter().any(|root| is_under(root))) {
        (_, true) => Need::AtLeast(Role::Administer),
        // A kept view was kept to be shown; who has its name was given it.
        (true, false) if PUBLIC.contains(&path) || path.starts_with("/api/v1/snapshots/") => Need::PublicRead,
        (true, false) if OF_THE_FLEET.iter().any(|root| is_under(root)) => Need::AtLeast(Role::Operate),
        (true, false) => Need::AtLeast(Role::Read),
        (false, false)
            if path.starts_with("/api/v1/alerts/")
                || is_under("/api/v1/silences")
                || is_under("/api/v1/snapshots") =>
        {
            Need::AtLeast(Role::Operate)
        }
        (false, false) => Need::AtLeast(Role::Administer),
    }
}

/// How a caller is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// There are no accounts, and the request comes from this machine.
    ThisMachine,
    /// Over the unix socket, whose file's rights say who may.
    UnixSocket,
    /// By a session's cookie.
    Session,
    /// By a token.
    Token,
    /// By a header of a trusted proxy.
    Proxy,
}

/// Somebody who is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// What the audit log and the screens call them.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// How they are known.
    pub known: Known,
}

/// Who asks, as an extension of every request that the gate let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asker {
    /// Somebody who is known.
    Caller(Caller),
    /// Anybody: of a public collector, or of one without accounts that listens to others all the same.
    Anybody {
        /// Whether places are to be blurred.
        is_public: bool,
    },
}

/// Why a request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody is known who asks; logging in may help.
    LogIn,
    /// The caller is known and may not.
    NotAllowed(Role),
    /// There are no accounts, and the request comes from elsewhere.
    NotFromHere,
    /// A page of another site asks in the caller's browser.
    CrossSite,
}

/// Whether a request is answered. `caller` is who is known, `has_accounts` whether anybody could be, `is_public` whether
/// anybody may look.
///
/// # Errors
/// Why not.
pub fn pass(
    need: Need,
    caller: Option<Caller>,
    has_accounts: bool,
    is_public: bool,
    changes: bool,
    headers: &HeaderMap,
) -> Result<Asker, Refusal> {
    let anybody = Asker::Anybody {
        is_public: is_public && has_accounts,
    };
    let least = match (need, &caller) {
        (Need::Nothing, _) => return Ok(caller.map_or(anybody, Asker::Caller)),
        (Need::PublicRead, None) if is_public => return Ok(anybody),
        (Need::PublicRead, _) => Role::Read,
        (Need::AtLeast(role), _) => role,
    };
    let Some(caller) = caller else {
        return match (has_accounts, changes) {
            (true, _) => Err(Refusal::LogIn),
            // Whoever listens to others without accounts has said so by name, and then everybody may look.
            (false, false) => Ok(anybody),
            (false, true) => Err(Refusal::NotFromHere),
        };
    };
    if caller.role < least {
        return Err(Refusal::NotAllowed(least));
    }
    if changes && !is_own_site(caller.known, headers) {
        return Err(Refusal::CrossSite);
    }
    Ok(Asker::Caller(caller))
}

/// Whether a request that changes something comes from a page of ours, or from no page. What a browser adds by itself (a cookie,
/// being on this machine) must not be of use to other sites; a token it never adds by itself.
pub fn is_own_site(known: Known, headers: &HeaderMap) -> bool {
    if known == Known::Token {
        return true;
    }
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let fetched_from = text(header::HeaderName::from_static("sec-fetch-site"));
    let is_own_fetch = fetched_from.is_none_or(|site| matches!(site, "same-origin" | "none"));
    let is_own_origin = text(header::ORIGIN).is_none_or(|origin| {
        let authority = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        // Where being on this machine is all that is asked, a name that only resolves here (DNS rebinding) is another site's.
        let names_us = |authority: &str| known == Known::Session || is_this_machine(authority);
        authority.is_some_and(|authority| names_us(authority) && text(header::HOST) == Some(authority))
    });
    is_own_fetch && is_own_origin
}

/// Whether an authority (host, maybe with a port) can only be this machine.
pub fn is_this_machine(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || literal
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn caller(role: Role, known: Known) -> Option<Caller> {
        Some(Caller {
            name: "anna".to_owned(),
            role,
            known,
        })
    }

    fn headers(given: &[(&'static str, &'static str)]) -> HeaderMap {
        given
            .iter()
            .map(|(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn what_each_request_needs() {
        let at_least = Need::AtLeast;
        for (method, path, expected) in [
            (Method::GET, "/", Need::Nothing),
            (Method::GET, "/assets/index-1.js", Need::Nothing),
            (Method::GET, "/healthz", Need::Nothing),
            (Method::POST, "/api/v1/session", Need::Nothing),
            (Method::GET, "/api/v1/oidc/login", Need::Nothing),
            (Method::GET, "/api/v1/oidc/callback", Need::Nothing),
            (Method::POST, "/api/v1/oidc/callback", at_least(Role::Administer)),
            (Method::GET, "/api/v1/oidc/other", at_least(Role::Read)),
            (Method::POST, "/api/v1/reports", Need::Nothing),
            (Method::GET, "/api/v1/agent/plan", Need::Nothing),
            (Method::GET, "/api/v1/agents", Need::PublicRead),
            (Method::GET, "/api/v1/map", Need::PublicRead),
            (Method::GET, "/api/v1/map/", at_least(Role::Read)),
            (Method::GET, "/api/v1/snapshots", at_least(Role::Read)),
            (Method::GET, "/api/v1/snapshots/a1", Need::PublicRead),
            (Method::POST, "/api/v1/snapshots", at_least(Role::Operate)),
            (Method::GET, "/api/v1/paths", at_least(Role::Read)),
            (Method::GET, "/api/v1/status", at_least(Role::Read)),
            (Method::GET, "/metrics", at_least(Role::Read)),
            (Method::GET, "/api/v1/backup", at_least(Role::Administer)),
            (Method::GET, "/api/v1/audit", at_least(Role::Administer)),
            (Method::GET, "/api/v1/fleet/plan", at_least(Role::Read)),
            (Method::GET, "/api/v1/fleet/tokens", at_least(Role::Operate)),
            (Method::GET, "/api/v1/fleet/agents", at_least(Role::Operate)),
            (Method::POST, "/api/v1/fleet/tokens", at_least(Role::Administer)),
            (
                Method::DELETE,
                "/api/v1/fleet/tokens/a1",
                at_least(Role::Administer),
            ),
            (
                Method::DELETE,
                "/api/v1/fleet/agents/paris-1",
                at_least(Role::Administer),
            ),
            (Method::GET, "/api/v1/api-tokens", at_least(Role::Administer)),
            (Method::POST, "/api/v1/api-tokens", at_least(Role::Administer)),
            (
                Method::POST,
                "/api/v1/alerts/1/acknowledge",
                at_least(Role::Operate),
            ),
            (Method::POST, "/api/v1/silences", at_least(Role::Operate)),
            (Method::DELETE, "/api/v1/silences/7", at_least(Role::Operate)),
            (Method::POST, "/api/v1/silencesx", at_least(Role::Administer)),
            (Method::POST, "/api/v1/something-new", at_least(Role::Administer)),
            (Method::DELETE, "/api/v1/map", at_least(Role::Administer)),
        ] {
            assert_eq!(need(&method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn a_caller_needs_the_role_and_nobody_is_asked_to_log_in() {
        let none = HeaderMap::new();
        let with = |role, least, changes| {
            pass(
                Need::AtLeast(least),
                caller(role, Known::Token),
                true,
                false,
                changes,
                &none,
            )
        };
        assert!(with(Role::Read, Role::Read, false).is_ok());
        assert_eq!(
            with(Role::Read, Role::Operate, true),
            Err(Refusal::NotAllowed(Role::Operate))
        );
        assert!(with(Role::Administer, Role::Operate, true).is_ok());
        for changes in [false, true] {
            let nobody = pass(Need::AtLeast(Role::Read), None, true, true, changes, &none);
            assert_eq!(nobody, Err(Refusal::LogIn));
        }
    }

    #[test]
    fn a_public_collector_shows_measurements_blurred_and_nothing_else() {
        let none = HeaderMap::new();
        let public = pass(Need::PublicRead, None, true, true, false, &none);
        assert_eq!(public, Ok(Asker::Anybody { is_public: true }));
        assert_eq!(
            pass(Need::PublicRead, None, true, false, false, &none),
            Err(Refusal::LogIn)
        );
    }

    #[test]
    fn without_accounts_others_may_look_where_that_was_asked_for_and_change_nothing() {
        let none = HeaderMap::new();
        let look = pass(Need::AtLeast(Role::Read), None, false, false, false, &none);
        assert_eq!(look, Ok(Asker::Anybody { is_public: false }));
        let change = pass(Need::AtLeast(Role::Operate), None, false, false, true, &none);
        assert_eq!(change, Err(Refusal::NotFromHere));
    }

    #[test]
    fn a_page_of_another_site_may_change_nothing_in_somebodys_name() {
        let here = |given: &[(&'static str, &'static str)]| is_own_site(Known::ThisMachine, &headers(given));
        let session = |given: &[(&'static str, &'static str)]| is_own_site(Known::Session, &headers(given));
        for own in ["localhost:8360", "127.0.0.1:8360", "[::1]:8360", "LOCALHOST"] {
            let origin: &'static str = format!("http://{own}").leak();
            assert!(here(&[("host", own), ("origin", origin)]), "{own}");
        }
        for (host, origin) in [
            ("127.0.0.1:8360", "https://example.org"),
            ("127.0.0.1:8360", "null"),
            ("127.0.0.1:8360", "http://127.0.0.1:3000"),
            ("127.0.0.1:8360", "http://localhost:8360"),
            ("127.0.0.1.example.org", "https://example.org"),
            ("localhost", "http://localhost@example.org"),
            ("localhost", "file://localhost"),
        ] {
            assert!(!here(&[("host", host), ("origin", origin)]), "{origin}");
            assert!(!session(&[("host", host), ("origin", origin)]), "{origin}");
        }
        // Rebound to this machine by its own name server: being here is not enough, a session of that very name is.
        let rebound = [
            ("host", "example.org:8360"),
            ("origin", "http://example.org:8360"),
        ];
        assert!(!here(&rebound));
        assert!(session(&rebound));
        for known in [
            Known::ThisMachine,
            Known::Session,
            Known::Proxy,
            Known::UnixSocket,
        ] {
            let of = |site| is_own_site(known, &headers(&[("sec-fetch-site", site)]));
            assert!(
                of("same-origin") && !of("same-site") && !of("cross-site"),
                "{known:?}"
            );
        }
        let elsewhere = headers(&[
            ("origin", "https://example.org"),
            ("sec-fetch-site", "cross-site"),
        ]);
        assert!(
            is_own_site(Known::Token, &elsewhere),
            "no browser adds a token by itself"
        );
    }
}
