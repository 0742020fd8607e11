//! The `[access.oidc]` table: which provider, who we are there, and which of its groups may do what. The secret is read from a
//! file when the configuration is, and never shown.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use reqwest::Url;
use serde::Deserialize;
use toml::Spanned;

use super::claims::Mapping;
use super::provider::is_safe;
use crate::access::role::Role;
use crate::limits::Mistake;
use crate::notify::authorities::Authorities;
use crate::notify::settings::{Secret, authorities_of};
use crate::utc::parse_span_ms;

/// Where the provider sends people back to, under `public_url`.
pub const CALLBACK: &str = "/api/v1/oidc/callback";
/// How long a session lasts unless told otherwise: who leaves the organisation is out a day's work later.
const DEFAULT_SESSION_MS: u64 = 12 * 3_600_000;
const SHORTEST_SESSION_MS: u64 = 300_000;
/// Groups in `roles` at most.
const MOST_ROLES: usize = 1_000;
/// Longest name of the provider, in letters: it stands on a button and in the audit log.
const LONGEST_NAME: usize = 12;

/// How people sign in with their provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What people call it.
    pub name: String,
    /// Exactly as the provider writes itself.
    pub issuer: String,
    /// What we are called there.
    pub client_id: String,
    /// What proves it; none for a client that has only PKCE.
    pub client_secret: Option<Secret>,
    /// Where the provider sends people back to.
    pub redirect: Url,
    /// What is asked for, `openid` among it.
    pub scopes: String,
    /// Who else a token may be for.
    pub audiences: Vec<String>,
    /// How claims become a role.
    pub mapping: Mapping,
    /// Whom to believe about the provider's certificate; the system's authorities when there are none.
    pub authorities: Option<Authorities>,
    /// How long a session lasts at most, milliseconds.
    pub session_ms: u64,
}

/// The table as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    name: Spanned<String>,
    issuer: Spanned<String>,
    client_id: Spanned<String>,
    client_secret_file: Option<Spanned<PathBuf>>,
    public_url: Spanned<String>,
    #[serde(default)]
    scopes: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    audiences: Vec<String>,
    user_claim: Option<String>,
    role_claim: Option<String>,
    #[serde(default)]
    roles: BTreeMap<String, Spanned<String>>,
    role: Option<Spanned<String>>,
    ca_file: Option<Spanned<PathBuf>>,
    session: Option<Spanned<String>>,
}

impl Table {
    /// What was written; files are looked for beside the configuration.
    ///
    /// # Errors
    /// Every mistake.
    pub(crate) fn resolve(self, beside: &Path) -> Result<Settings, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let mut wrong =
            |at: usize, key: &str, reason: &str| mistakes.push((at, format!("access.oidc.{key} {reason}")));

        let name = self.name.get_ref();
        let is_plain = |letter: char| letter.is_alphanumeric() || letter == ' ' || letter == '-';
        if !(1..=LONGEST_NAME).contains(&name.chars().count()) || !name.chars().all(is_plain) {
            let reason =
                format!("= {name:?} is no name; write 1 to {LONGEST_NAME} letters, digits, blanks and `-`");
            wrong(self.name.span().start, "name", &reason);
        }
        let issuer = Url::parse(self.issuer.get_ref()).ok().filter(is_safe);
        if issuer.is_none_or(|url| url.query().is_some() || url.fragment().is_some()) {
            let reason = format!(
                "= {:?} is no issuer; write it as the provider does, such as \"https://id.example.org/realms/main\"; \
                 http only at 127.0.0.1 or localhost",
                self.issuer.get_ref()
            );
            wrong(self.issuer.span().start, "issuer", &reason);
        }
        if self.client_id.get_ref().is_empty() {
            wrong(
                self.client_id.span().start,
                "client_id",
                "is empty; write what the provider calls this collector",
            );
        }
        let public = Url::parse(self.public_url.get_ref()).ok().filter(is_safe);
        let public =
            public.filter(|url| url.path() == "/" && url.query().is_none() && url.fragment().is_none());
        let redirect = public.and_then(|url| url.join(CALLBACK).ok());
        if redirect.is_none() {
            let reason = format!(
                "= {:?} is not where browsers find this collector; write \"https://azimuth.example.org\", http only at 127.0.0.1 or \
                 localhost",
                self.public_url.get_ref()
            );
            wrong(self.public_url.span().start, "public_url", &reason);
        }
        let client_secret = self.client_secret_file.as_ref().and_then(|file| {
            let read = Secret::from_file(&beside.join(file.get_ref()));
            let shown = file.get_ref().display().to_string();
            read.map_err(|reason| {
                wrong(
                    file.span().start,
                    "client_secret_file",
                    &format!("= {shown:?} {reason}"),
                );
            })
            .ok()
        });
        let authorities = self.ca_file.as_ref().and_then(|file| {
            let read = authorities_of(&beside.join(file.get_ref()));
            let shown = file.get_ref().display().to_string();
            read.map_err(|reason| wrong(file.span().start, "ca_file", &format!("= {shown:?} {reason}")))
                .ok()
        });
        let scopes = match &self.scopes {
            None => "openid profile email".to_owned(),
            Some(scopes) => {
                let all = scopes.get_ref();
                if !all.iter().any(|scope| scope == "openid") {
                    wrong(
                        scopes.span().start,
                        "scopes",
                        "lacks \"openid\", without which there is no token",
                    );
                }
                all.join(" ")
            }
        };
        let mut role_of = |at: usize, key: &str, text: &str| match text.parse::<Role>() {
            Ok(role) => Some(role),
            Err(reason) => {
                wrong(at, key, &format!("= {reason}"));
                None
            }
        };
        let role = self
            .role
            .and_then(|role| role_of(role.span().start, "role", role.get_ref()));
        let roles: BTreeMap<String, Role> = self
            .roles
            .into_iter()
            .filter_map(|(group, role)| {
                let key = format!("roles.{group:?}");
                role_of(role.span().start, &key, role.get_ref()).map(|role| (group, role))
            })
            .collect();
        if (roles.is_empty() && role.is_none()) || roles.len() > MOST_ROLES {
            let reason = format!(
                "names {} groups, so nobody could sign in; write 1 to {MOST_ROLES} lines such as \"network-team\" = \"operate\", or role = \"read\" \
                 for everybody the provider knows",
                roles.len()
            );
            wrong(self.issuer.span().start, "roles", &reason);
        }
        let session_ms = match &self.session {
            None => DEFAULT_SESSION_MS,
            Some(written) => parse_span_ms(written.get_ref())
                .ok()
                .filter(|span_ms| {
                    (SHORTEST_SESSION_MS..=crate::access::sessions::LONGEST_MS).contains(span_ms)
                })
                .unwrap_or_else(|| {
                    let reason = format!(
                        "= {:?} is not a span between 5m and 7d; write \"12h\"",
                        written.get_ref()
                    );
                    wrong(written.span().start, "session", &reason);
                    DEFAULT_SESSION_MS
                }),
        };
        match redirect {
            Some(redirect) if mistakes.is_empty() => Ok(Settings {
                name: self.name.into_inner(),
                issuer: self.issuer.into_inner(),
                client_id: self.client_id.into_inner(),
                client_secret,
                redirect,
                scopes,
                audiences: self.audiences,
                mapping: Mapping {
                    user_claim: self.user_claim.unwrap_or_else(|| "preferred_username".to_owned()),
                    role_claim: self.role_claim.unwrap_or_else(|| "groups".to_owned()),
                    roles,
                    role,
                },
                authorities,
                session_ms,
            }),
            _ => Err(mistakes),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The least that is needed, of a provider on this machine.
    pub(in crate::access) const LEAST: &str = "name = \"Example\"\nissuer = \"http://127.0.0.1:1\"\nclient_id = \"azimuth\"\n\
        public_url = \"https://azimuth.example.org\"\n";

    pub(in crate::access) fn read(text: &str) -> Result<Settings, String> {
        let table: Table = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        table.resolve(Path::new("")).map_err(|mistakes| {
            let reasons: Vec<_> = mistakes.into_iter().map(|(_, reason)| reason).collect();
            reasons.join("; ")
        })
    }

    #[test]
    fn the_least_is_a_provider_a_client_an_address_and_somebody_with_a_role() {
        let settings = read(&format!("{LEAST}[roles]\nnoc = \"operate\"\n")).expect("valid");
        assert_eq!(
            settings.redirect.as_str(),
            "https://azimuth.example.org/api/v1/oidc/callback"
        );
        assert_eq!(settings.scopes, "openid profile email");
        assert_eq!(settings.mapping.roles["noc"], Role::Operate);
        assert_eq!(settings.mapping.role, None);
        assert_eq!(settings.session_ms, DEFAULT_SESSION_MS);
    }

    #[test]
    fn every_mistake_is_named_with_its_remedy() {
        let text = "name = \"<b>\"\nissuer = \"http://id.example.org\"\nclient_id = \"\"\npublic_url = \"http://azimuth.example.org/x\"\n\
             client_secret_file = \"/no/such/file\"\nscopes = [\"email\"]\nsession = \"1s\"\n[roles]\nnoc = \"root\"\n";
        let error = read(text).expect_err("many mistakes");
        for part in [
            "oidc.name = \"<b>\"",
            "oidc.issuer = \"http://id.example.org\"",
            "oidc.client_id is empty",
            "oidc.public_url = \"http://azimuth.example.org/x\"",
            "oidc.client_secret_file = \"/no/such/file\" cannot be read",
            "oidc.scopes lacks \"openid\"",
            "oidc.session = \"1s\"",
            "\"root\" is no role",
        ] {
            assert!(error.contains(part), "{part}: {error}");
        }
        let nobody = read(LEAST).expect_err("no roles");
        assert!(nobody.contains("nobody could sign in"), "{nobody}");
    }
}
