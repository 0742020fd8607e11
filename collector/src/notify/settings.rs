//! The `[notify.NAME]` tables of the configuration: one channel each. Secrets are read from files when the configuration
//! is, and are never shown.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use lettre::message::Mailbox;
use reqwest::Url;
use serde::Deserialize;
use toml::Spanned;

use super::authorities::Authorities;
use super::form::alertmanager::REFRESH_MS;
use super::outbox::Pace;
use super::reach::Network;
use super::routing::Wants;
use super::text::{Templates, check};
use crate::alert::rules::model::{DEFAULT_ROUTE, Severity};
use crate::utc::parse_span_ms;

/// Longest secret, in bytes; what is longer is some other file.
const LONGEST_SECRET_BYTES: usize = 4_096;
/// Longest file of authorities, in bytes; a whole system's is a fifth of this.
const LONGEST_CA_BYTES: u64 = 1 << 20;
const DEFAULT_GROUP_WAIT_MS: u64 = 10_000;
const LONGEST_GROUP_WAIT_MS: u64 = 3_600_000;
const DEFAULT_DEAD_AFTER_MS: u64 = 300_000;
const LONGEST_DEAD_AFTER_MS: u64 = 86_400_000;

/// A mistake: where in the text, and what to write instead.
pub type Mistake = (usize, String);

/// What nobody is to read in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What a file holds: one line.
    ///
    /// # Errors
    /// Why it is none, in words that follow the file's name.
    pub fn from_file(file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("cannot be read: {error}; write it there, readable by the collector"))?;
        let secret = text.trim_end_matches(['\r', '\n']);
        let sound = !secret.is_empty()
            && secret.len() <= LONGEST_SECRET_BYTES
            && secret.chars().all(|c| c.is_ascii_graphic() || c == ' ');
        if !sound {
            return Err("holds no secret; write one line of ASCII into it".to_owned());
        }
        Ok(Self(secret.to_owned()))
    }
}

/// The authorities that a PEM file holds.
///
/// # Errors
/// Why there are none, in words that follow the file's name.
pub(crate) fn authorities_of(file: &Path) -> Result<Authorities, String> {
    let mut pem = Vec::new();
    match File::open(file).and_then(|file| file.take(LONGEST_CA_BYTES + 1).read_to_end(&mut pem)) {
        Ok(bytes) if bytes as u64 > LONGEST_CA_BYTES => Err(format!(
            "is longer than {LONGEST_CA_BYTES} bytes; write only the authorities needed"
        )),
        Ok(_) => Authorities::read(&pem),
        Err(error) => Err(format!(
            "cannot be read: {error}; write it there, readable by the collector"
        )),
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Where a channel is on the web. The path may be a secret, as with Slack.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The whole address.
    pub url: Url,
    /// Sent as `Authorization: Bearer`.
    pub token: Option<Secret>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

impl Endpoint {
    /// The address as it may be logged: without path, name and password.
    pub fn shown(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        let port = self.url.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{host}{port}", self.url.scheme())
    }
}

/// How mail is encrypted on its way to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTls {
    /// Not at all.
    None,
    /// `STARTTLS`, without which nothing is sent.
    StartTls,
    /// From the first byte.
    Tls,
}

/// A mail server, and from whom to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Its name or address.
    pub host: String,
    /// Its TCP port.
    pub port: u16,
    /// How it is spoken to.
    pub tls: MailTls,
    /// Name and password.
    pub login: Option<(String, Secret)>,
    /// Sender.
    pub from: Mailbox,
    /// Recipients, one at least.
    pub to: Vec<Mailbox>,
}

/// What a channel is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Prometheus Alertmanager.
    Alertmanager(Endpoint),
    /// Our own JSON.
    Webhook(Endpoint, Option<Secret>),
    /// Slack, or what speaks like it.
    Slack(Endpoint),
    /// ntfy: the server, and the topic.
    Ntfy(Endpoint, String),
    /// Mail.
    Mail(Mail),
}

/// One channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// What it wants to be told.
    pub wants: Wants,
    /// When it is told.
    pub pace: Pace,
    /// Addresses that are not public and may be connected to all the same.
    pub allow: Vec<Network>,
    /// Whom it believes about certificates; the system's authorities when there are none.
    pub authorities: Option<Authorities>,
    /// How it is told.
    pub templates: Templates,
}

impl Channel {
    /// Where it is, as it may be logged.
    pub fn shown(&self) -> String {
        match &self.kind {
            Kind::Alertmanager(endpoint)
            | Kind::Webhook(endpoint, _)
            | Kind::Slack(endpoint)
            | Kind::Ntfy(endpoint, _) => endpoint.shown(),
            Kind::Mail(mail) => format!("smtp://{}:{}", mail.host, mail.port),
        }
    }
}

/// A table as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    kind: Spanned<String>,
    url: Option<Spanned<String>>,
    url_file: Option<Spanned<PathBuf>>,
    token_file: Option<Spanned<PathBuf>>,
    secret_file: Option<Spanned<PathBuf>>,
    server: Option<Spanned<String>>,
    tls: Option<Spanned<String>>,
    user: Option<Spanned<String>>,
    password_file: Option<Spanned<PathBuf>>,
    from: Option<Spanned<String>>,
    to: Option<Spanned<Vec<String>>>,
    routes: Option<Vec<String>>,
    severity: Option<Spanned<String>>,
    send_resolved: Option<bool>,
    group_wait: Option<Spanned<String>>,
    dead_after: Option<Spanned<String>>,
    allow: Option<Spanned<Vec<String>>>,
    ca_file: Option<Spanned<PathBuf>>,
    title: Option<Spanned<String>>,
    text: Option<Spanned<String>>,
}

/// The tables, by name.
pub type Tables = BTreeMap<String, Spanned<Table>>;

/// The channels they ask for; files are looked for beside the configuration, in `directory`.
///
/// # Errors
/// Every mistake.
pub fn resolve(tables: Tables, directory: &Path) -> Result<Vec<Channel>, Vec<Mistake>> {
    let mut mistakes = Vec::new();
    let mut channels = Vec::new();
    for (name, table) in tables {
        let at = table.span().start;
        let mut reading = Reading {
            name: &name,
            at,
            directory,
            mistakes: &mut mistakes,
        };
        channels.extend(reading.channel(table.into_inner()));
    }
    if mistakes.is_empty() {
        Ok(channels)
    } else {
        mistakes.sort();
        Err(mistakes)
    }
}

/// One table being read.
struct Reading<'a> {
    name: &'a str,
    at: usize,
    directory: &'a Path,
    mistakes: &'a mut Vec<Mistake>,
}

impl Reading<'_> {
    fn wrong<T>(&mut self, at: usize, key: &str, reason: &str) -> Option<T> {
        self.mistakes
            .push((at, format!("notify.{}.{key} {reason}", self.name)));
        None
    }

    fn channel(&mut self, table: Table) -> Option<Channel> {
        let before = self.mistakes.len();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if self.name.is_empty() || self.name.len() > 64 || !self.name.chars().all(plain) {
            let reason = "is not a name; write letters, digits, `-` and `_`, 64 at most";
            self.mistakes
                .push((self.at, format!("notify.{:?} {reason}", self.name)));
        }
        self.strangers(&table);
        let kind = self.kind(&table);
        let authorities = self.authorities(table.ca_file.as_ref(), kind.as_ref());
        let channel = Channel {
            name: self.name.to_owned(),
            wants: Wants {
                routes: table
                    .routes
                    .clone()
                    .unwrap_or_else(|| vec![DEFAULT_ROUTE.to_owned()]),
                least: self.severity(table.severity.as_ref()),
            },
            pace: Pace {
                group_wait_ms: self.span(
                    "group_wait",
                    table.group_wait.as_ref(),
                    DEFAULT_GROUP_WAIT_MS,
                    LONGEST_GROUP_WAIT_MS,
                    "at most 1h; write \"10s\"",
                ),
                dead_after_ms: self.span(
                    "dead_after",
                    table.dead_after.as_ref(),
                    DEFAULT_DEAD_AFTER_MS,
                    LONGEST_DEAD_AFTER_MS,
                    "at most 1d; write \"5m\"",
                ),
                refresh_ms: matches!(kind, Some(Kind::Alertmanager(_))).then_some(REFRESH_MS),
                send_resolved: table.send_resolved.unwrap_or(true),
            },
            allow: self.networks(table.allow.as_ref()),
            authorities,
            templates: Templates {
                title: self.template("title", table.title),
                text: self.template("text", table.text),
            },
            kind: kind?,
        };
        (self.mistakes.len() == before).then_some(channel)
    }

    fn kind(&mut self, table: &Table) -> Option<Kind> {
        match table.kind.get_ref().as_str() {
            "alertmanager" => {
                let mut endpoint = self.endpoint(table)?;
                let path = endpoint.url.path().trim_end_matches('/').to_owned();
                if !path.ends_with(super::form::alertmanager::PATH) {
                    endpoint
                        .url
                        .set_path(&format!("{path}/{}", super::form::alertmanager::PATH));
                }
                Some(Kind::Alertmanager(endpoint))
            }
            "webhook" => {
                let secret = match &table.secret_file {
                    None => None,
                    Some(file) => Some(self.secret("secret_file", file)?),
                };
                Some(Kind::Webhook(self.endpoint(table)?, secret))
            }
            "slack" => Some(Kind::Slack(self.endpoint(table)?)),
            "ntfy" => self.ntfy(table),
            "mail" => self.mail(table).map(Kind::Mail),
            _ => self.wrong(
                table.kind.span().start,
                "kind",
                "is none we know; write \"alertmanager\", \"webhook\", \"slack\", \"ntfy\" or \"mail\"",
            ),
        }
    }

    /// Keys that belong to another kind.
    fn strangers(&mut self, table: &Table) {
        let kind = table.kind.get_ref().as_str();
        let at = |file: &Option<Spanned<PathBuf>>| file.as_ref().map(|file| file.span().start);
        let word = |word: &Option<Spanned<String>>| word.as_ref().map(|word| word.span().start);
        let web = ["alertmanager", "webhook", "slack", "ntfy"].as_slice();
        let given: [(&str, Option<usize>, &[&str]); 10] = [
            ("url", word(&table.url), web),
            ("url_file", at(&table.url_file), web),
            (
                "token_file",
                at(&table.token_file),
                &["alertmanager", "webhook", "ntfy"],
            ),
            ("secret_file", at(&table.secret_file), &["webhook"]),
            ("server", word(&table.server), &["mail"]),
            ("tls", word(&table.tls), &["mail"]),
            ("user", word(&table.user), &["mail"]),
            ("password_file", at(&table.password_file), &["mail"]),
            ("from", word(&table.from), &["mail"]),
            ("to", table.to.as_ref().map(|to| to.span().start), &["mail"]),
        ];
        for (key, at, kinds) in given {
            if let Some(at) = at
                && !kinds.contains(&kind)
                && (web.contains(&kind) || kind == "mail")
            {
                let reason = format!(
                    "is no key of kind {kind:?}, only of {}; take it out",
                    kinds.join(", ")
                );
                self.wrong::<()>(at, key, &reason);
            }
        }
    }

    fn endpoint(&mut self, table: &Table) -> Option<Endpoint> {
        let (key, at, url) = match (&table.url, &table.url_file) {
            (Some(url), None) => ("url", url.span().start, url.get_ref().clone()),
            (None, Some(file)) => {
                let url = self.secret("url_file", file)?;
                ("url_file", file.span().start, url.0)
            }
            (Some(_), Some(file)) => {
                return self.wrong(
                    file.span().start,
                    "url_file",
                    "is there beside url; keep one of them",
                );
            }
            (None, None) => return self.wrong(self.at, "url", "is missing; write url or url_file"),
        };
        let parsed = Url::parse(&url).ok();
        let parsed = parsed.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        // Not shown: there may be a secret in it.
        let Some(url) = parsed else {
            return self.wrong(
                at,
                key,
                "holds no address; write \"https://HOST/PATH\" or \"http://HOST:PORT/PATH\"",
            );
        };
        if !url.username().is_empty() || url.password().is_some() {
            return self.wrong(at, key, "has a name or password in it; write token_file instead");
        }
        let token = match &table.token_file {
            None => None,
            Some(file) => Some(self.secret("token_file", file)?),
        };
        Some(Endpoint { url, token })
    }

    fn ntfy(&mut self, table: &Table) -> Option<Kind> {
        let mut endpoint = self.endpoint(table)?;
        let path = endpoint.url.path().trim_end_matches('/').to_owned();
        let (root, topic) = path.rsplit_once('/').unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if topic.is_empty() || !topic.chars().all(plain) {
            return self.wrong(
                self.at,
                "url",
                "ends in no topic; write \"https://ntfy.example/TOPIC\"",
            );
        }
        endpoint.url.set_path(&format!("{root}/"));
        Some(Kind::Ntfy(endpoint, topic.to_owned()))
    }

    fn mail(&mut self, table: &Table) -> Option<Mail> {
        let server = table.server.as_ref();
        let Some(server) = server else {
            return self.wrong(self.at, "server", "is missing; write \"mail.example.org:587\"");
        };
        let (host, port) = server.get_ref().rsplit_once(':').unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-:".contains(c);
        let Some(port) = port.parse().ok().filter(|port| *port > 0) else {
            return self.wrong(
                server.span().start,
                "server",
                "has no port; write \"mail.example.org:587\"",
            );
        };
        if host.is_empty() || !host.chars().all(plain) {
            return self.wrong(
                server.span().start,
                "server",
                "names no host; write \"mail.example.org:587\"",
            );
        }
        let tls = match table.tls.as_ref().map(|tls| tls.get_ref().as_str()) {
            None | Some("starttls") => MailTls::StartTls,
            Some("tls") => MailTls::Tls,
            Some("none") => MailTls::None,
            Some(_) => {
                let at = table.tls.as_ref().map_or(self.at, |tls| tls.span().start);
                return self.wrong(
                    at,
                    "tls",
                    "is none we know; write \"starttls\", \"tls\" or \"none\"",
                );
            }
        };
        let login = match (&table.user, &table.password_file) {
            (None, None) => None,
            (Some(user), Some(_)) if tls == MailTls::None => {
                let reason = "would be sent readable by all on the way; write tls = \"starttls\" or \"tls\"";
                return self.wrong(user.span().start, "user", reason);
            }
            (Some(user), Some(file)) => Some((user.get_ref().clone(), self.secret("password_file", file)?)),
            (Some(user), None) => {
                return self.wrong(
                    user.span().start,
                    "user",
                    "has no password_file beside it; add one",
                );
            }
            (None, Some(file)) => {
                return self.wrong(
                    file.span().start,
                    "password_file",
                    "has no user beside it; add one",
                );
            }
        };
        let from = table.from.as_ref();
        let Some(from) = from else {
            return self.wrong(self.at, "from", "is missing; write \"azimuth@example.org\"");
        };
        let to = table.to.as_ref().filter(|to| !to.get_ref().is_empty());
        let Some(to) = to else {
            return self.wrong(self.at, "to", "is missing; write [\"noc@example.org\"]");
        };
        Some(Mail {
            host,
            port,
            tls,
            login,
            from: self.mailbox("from", from.span().start, from.get_ref())?,
            to: to
                .get_ref()
                .iter()
                .map(|text| self.mailbox("to", to.span().start, text))
                .collect::<Option<_>>()?,
        })
    }

    fn mailbox(&mut self, key: &str, at: usize, text: &str) -> Option<Mailbox> {
        match text.parse() {
            Ok(mailbox) => Some(mailbox),
            Err(_) => {
                let reason = format!("= {text:?} is no mail address; write \"noc@example.org\"");
                self.wrong(at, key, &reason)
            }
        }
    }

    fn secret(&mut self, key: &str, file: &Spanned<PathBuf>) -> Option<Secret> {
        let shown = file.get_ref().display().to_string();
        match Secret::from_file(&self.directory.join(file.get_ref())) {
            Ok(secret) => Some(secret),
            Err(reason) => self.wrong(file.span().start, key, &format!("= {shown:?} {reason}")),
        }
    }

    /// The authorities of a file, for a channel that is spoken to under TLS.
    fn authorities(&mut self, file: Option<&Spanned<PathBuf>>, kind: Option<&Kind>) -> Option<Authorities> {
        let file = file?;
        let (at, path) = (file.span().start, self.directory.join(file.get_ref()));
        let is_plain = match kind? {
            Kind::Alertmanager(endpoint)
            | Kind::Webhook(endpoint, _)
            | Kind::Slack(endpoint)
            | Kind::Ntfy(endpoint, _) => endpoint.url.scheme() == "http",
            Kind::Mail(mail) => mail.tls == MailTls::None,
        };
        if is_plain {
            let reason = "is of no use where nothing is encrypted; write https or tls, or take it out";
            return self.wrong(at, "ca_file", reason);
        }
        let shown = file.get_ref().display().to_string();
        let read = authorities_of(&path);
        match read {
            Ok(authorities) => Some(authorities),
            Err(reason) => self.wrong(at, "ca_file", &format!("= {shown:?} {reason}")),
        }
    }

    fn severity(&mut self, written: Option<&Spanned<String>>) -> Severity {
        let Some(written) = written else {
            return Severity::Info;
        };
        let all = [Severity::Info, Severity::Warning, Severity::Critical];
        let found = all
            .into_iter()
            .find(|severity| severity.as_str() == written.get_ref());
        found.unwrap_or_else(|| {
            let reason = "is none we know; write \"info\", \"warning\" or \"critical\"";
            self.wrong::<()>(written.span().start, "severity", reason);
            Severity::Info
        })
    }

    fn span(
        &mut self,
        key: &str,
        written: Option<&Spanned<String>>,
        default_ms: u64,
        longest_ms: u64,
        remedy: &str,
    ) -> u64 {
        let Some(written) = written else {
            return default_ms;
        };
        match parse_span_ms(written.get_ref()) {
            Ok(span_ms) if span_ms <= longest_ms => span_ms,
            _ => {
                let reason = format!("= {:?} is not a span of {remedy}", written.get_ref());
                self.wrong::<()>(written.span().start, key, &reason);
                default_ms
            }
        }
    }

    fn networks(&mut self, written: Option<&Spanned<Vec<String>>>) -> Vec<Network> {
        let Some(written) = written else {
            return Vec::new();
        };
        let mut networks = Vec::new();
        for text in written.get_ref() {
            match text.parse() {
                Ok(network) => networks.push(network),
                Err(reason) => {
                    self.wrong::<()>(written.span().start, "allow", &format!("has {reason}"));
                }
            }
        }
        networks
    }

    fn template(&mut self, key: &str, written: Option<Spanned<String>>) -> Option<String> {
        let written = written?;
        if let Err(error) = check(written.get_ref()) {
            let reason = format!("is not a template: {error}");
            self.wrong::<()>(written.span().start, key, &reason);
        }
        Some(written.into_inner())
    }
}

#[cfg(test)]
mod tests;
