//! Configuration: a TOML file, and flags that win over it. Unknown keys are refused, and an error names the file, the
//! line, the key and what to write instead.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

use crate::access;
use crate::embed;
use crate::evaluate::rule_files::RulesError;
use crate::evaluate::settings as alerting;
use crate::exposition;
use crate::fleet::door;
use crate::ingest::placement::MAX_AGE_MS;
use crate::limits::{Limits, LimitsTable};
use crate::notify;
use crate::plan::file::{PlanError, PlanFile};
use crate::remote_write;
use crate::store::{Retention, Tier};
use crate::utc::parse_span_ms;

/// Where the API listens unless told otherwise: loopback only.
pub const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8_360);
/// Where data is kept unless told otherwise.
const DEFAULT_DATA_DIR: &str = "azimuth-data";
/// The shortest retention of the two finer tiers: the hot table keeps an hour longer than this anyway.
const SHORTEST_RETENTION_MS: u64 = 6 * 3_600_000;
/// The shortest of the one-hour tier: as old as a report may be when it arrives, so that every report has a tier to go to.
const SHORTEST_HOUR_RETENTION_MS: u64 = MAX_AGE_MS + 86_400_000;
/// The longest of any.
const LONGEST_RETENTION_MS: u64 = 100 * 366 * 86_400_000;
/// How long a query may take, waiting included, unless told otherwise.
const DEFAULT_QUERY_TIMEOUT: Duration = Duration::from_secs(20);
/// The longest.
const LONGEST_QUERY_TIMEOUT: Duration = Duration::from_secs(600);

/// What the collector needs to know to serve.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// TCP address of the API. Port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Unix socket of the API, beside TCP.
    pub unix_socket: Option<PathBuf>,
    /// Directory of the store.
    pub data_dir: PathBuf,
    /// How long each tier is kept.
    pub retention: Retention,
    /// How long a query may take, waiting included.
    pub query_timeout: Duration,
    /// What clients and agents may ask of the collector.
    pub limits: Limits,
    /// What of the measurements is on `/metrics`.
    pub metrics: exposition::settings::Settings,
    /// Where it is sent, if anywhere.
    pub remote_write: Option<remote_write::settings::Settings>,
    /// Who is told of alerts.
    pub notify: Vec<notify::settings::Channel>,
    /// Which rules are evaluated.
    pub alerting: alerting::Settings,
    /// What of access is not an account.
    pub access: access::settings::Settings,
    /// Whether reports are taken from agents that joined only.
    pub require_enrolment: bool,
    /// Where agents come in over TLS, if anywhere.
    pub agents: Option<door::Settings>,
    /// Which sites may show a panel.
    pub embed: embed::Settings,
    /// What agents that joined are to measure.
    pub plan: Arc<PlanFile>,
}

/// Flags of the command line; each wins over the file.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--listen`
    pub listen: Option<SocketAddr>,
    /// `--unix-socket`
    pub unix_socket: Option<PathBuf>,
    /// `--data-dir`
    pub data_dir: Option<PathBuf>,
    /// `--insecure-listen-anyway`
    pub insecure_listen_anyway: bool,
}

/// A configuration that cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{file}: {source}")]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file says something that is not understood.
    #[error("{file}, line {line}: {reason}")]
    Invalid {
        /// The file.
        file: PathBuf,
        /// Line in the file, from 1.
        line: usize,
        /// Key and remedy.
        reason: String,
    },
    /// The file has more than one mistake.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Several(Vec<Self>),
    /// A rule file it names cannot be used.
    #[error(transparent)]
    Rules(RulesError),
    /// The plan it names cannot be used.
    #[error(transparent)]
    Plan(PlanError),
    /// What is said there could be read on the way.
    #[error(
        "listening on {0} would send passwords and measurements in the clear; listen on 127.0.0.1 and put a proxy with TLS \
         in front, or say --insecure-listen-anyway"
    )]
    NotLoopback(SocketAddr),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    listen: Option<toml::Spanned<String>>,
    unix_socket: Option<PathBuf>,
    data_dir: Option<PathBuf>,
    query_timeout: Option<toml::Spanned<String>>,
    #[serde(default)]
    require_enrolment: bool,
    plan: Option<PathBuf>,
    #[serde(default)]
    agents: door::Table,
    #[serde(default)]
    retention: RetentionTable,
    #[serde(default)]
    limits: LimitsTable,
    #[serde(default)]
    metrics: exposition::settings::Table,
    remote_write: Option<remote_write::settings::Table>,
    #[serde(default)]
    notify: notify::settings::Tables,
    #[serde(default)]
    alerting: alerting::Table,
    #[serde(default)]
    access: access::settings::Table,
    #[serde(default)]
    embed: embed::Table,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RetentionTable {
    #[serde(rename = "10s")]
    ten_seconds: Option<toml::Spanned<String>>,
    #[serde(rename = "1min")]
    one_minute: Option<toml::Spanned<String>>,
    #[serde(rename = "1h")]
    one_hour: Option<toml::Spanned<String>>,
}

/// Reads the file named by the flags, if any, and lets the flags win.
///
/// # Errors
/// When the file cannot be read or understood, or the address is not safe to listen on.
pub fn load(flags: &Flags) -> Result<Config, ConfigError> {
    let config = match &flags.config {
        None => resolve(File::default(), flags, Path::new(""), ""),
        Some(file) => {
            let text = std::fs::read_to_string(file).map_err(|source| ConfigError::Unreadable {
                file: file.clone(),
                source,
            })?;
            resolve(parse(&text, file)?, flags, file, &text)
        }
    }?;
    if !config.listen.ip().is_loopback() && !flags.insecure_listen_anyway {
        return Err(ConfigError::NotLoopback(config.listen));
    }
    Ok(config)
}

/// The mistakes of one table as one error.
fn several(file: &Path, text: &str, mistakes: Vec<(usize, String)>) -> ConfigError {
    let told = mistakes
        .into_iter()
        .map(|(at, reason)| invalid(file, text, at, reason))
        .collect();
    ConfigError::Several(told)
}

fn parse(text: &str, file: &Path) -> Result<File, ConfigError> {
    toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        invalid(file, text, at, error.message().trim().to_owned())
    })
}

fn resolve(given: File, flags: &Flags, file: &Path, text: &str) -> Result<Config, ConfigError> {
    let listen = match (flags.listen, given.listen) {
        (Some(flag), _) => flag,
        (None, None) => DEFAULT_LISTEN,
        (None, Some(written)) => written.get_ref().parse().map_err(|_| {
            let reason = format!(
                "listen = {:?} is not an address; write \"127.0.0.1:8360\"",
                written.get_ref()
            );
            invalid(file, text, written.span().start, reason)
        })?,
    };
    let span = |tier: Tier, written: &Option<toml::Spanned<String>>, default_ms: u64, shortest_ms: u64| {
        let Some(written) = written else {
            return Ok(default_ms);
        };
        parse_span_ms(written.get_ref())
            .ok()
            .filter(|kept_ms| (shortest_ms..=LONGEST_RETENTION_MS).contains(kept_ms))
            .ok_or_else(|| {
                let reason = format!(
                    "retention.{} = {:?} is not a span of {} hours or more; write {:?}",
                    tier.as_str(),
                    written.get_ref(),
                    shortest_ms / 3_600_000,
                    format!("{}d", default_ms / 86_400_000)
                );
                invalid(file, text, written.span().start, reason)
            })
    };
    let (table, default) = (&given.retention, Retention::default());
    let retention = Retention {
        ten_seconds_ms: span(
            Tier::TenSeconds,
            &table.ten_seconds,
            default.ten_seconds_ms,
            SHORTEST_RETENTION_MS,
        )?,
        one_minute_ms: span(
            Tier::OneMinute,
            &table.one_minute,
            default.one_minute_ms,
            SHORTEST_RETENTION_MS,
        )?,
        one_hour_ms: span(
            Tier::OneHour,
            &table.one_hour,
            default.one_hour_ms,
            SHORTEST_HOUR_RETENTION_MS,
        )?,
    };
    if !(retention.ten_seconds_ms <= retention.one_minute_ms
        && retention.one_minute_ms <= retention.one_hour_ms)
    {
        let at = table
            .ten_seconds
            .as_ref()
            .or(table.one_minute.as_ref())
            .map_or(0, |written| written.span().start);
        let reason =
            "retention must not keep a finer tier longer than a coarser one; write 10s <= 1min <= 1h"
                .to_owned();
        return Err(invalid(file, text, at, reason));
    }
    let query_timeout = match given.query_timeout {
        None => DEFAULT_QUERY_TIMEOUT,
        Some(written) => parse_span_ms(written.get_ref())
            .map(Duration::from_millis)
            .ok()
            .filter(|timeout| (Duration::from_secs(1)..=LONGEST_QUERY_TIMEOUT).contains(timeout))
            .ok_or_else(|| {
                let reason = format!(
                    "query_timeout = {:?} is not a span between 1s and 10m; write \"20s\"",
                    written.get_ref()
                );
                invalid(file, text, written.span().start, reason)
            })?,
    };
    let metrics = given
        .metrics
        .resolve()
        .map_err(|(at, reason)| invalid(file, text, at, reason))?;
    let embed = given
        .embed
        .resolve()
        .map_err(|(at, reason)| invalid(file, text, at, reason))?;
    let remote_write = given
        .remote_write
        .map(|table| table.resolve(&listen.to_string()))
        .transpose()
        .map_err(|(at, reason)| invalid(file, text, at, reason))?;
    let notify = notify::settings::resolve(given.notify, file.parent().unwrap_or(Path::new("")))
        .map_err(|mistakes| several(file, text, mistakes))?;
    let alerting = given
        .alerting
        .resolve(file.parent().unwrap_or(Path::new("")))
        .map_err(|refused| match refused {
            alerting::Refused::Here(at, reason) => invalid(file, text, at, reason),
            alerting::Refused::There(error) => ConfigError::Rules(error),
        })?;
    let agents = given
        .agents
        .resolve(file.parent().unwrap_or(Path::new("")))
        .map_err(|(at, reason)| invalid(file, text, at, reason))?;
    let plan = match &given.plan {
        None => PlanFile::default(),
        Some(plan) => {
            let plan = file.parent().unwrap_or(Path::new("")).join(plan);
            PlanFile::load(&plan).map_err(ConfigError::Plan)?
        }
    };
    Ok(Config {
        listen,
        unix_socket: flags.unix_socket.clone().or(given.unix_socket),
        data_dir: flags
            .data_dir
            .clone()
            .or(given.data_dir)
            .unwrap_or_else(|| DEFAULT_DATA_DIR.into()),
        retention,
        query_timeout,
        limits: given
            .limits
            .resolve()
            .map_err(|mistakes| several(file, text, mistakes))?,
        metrics,
        remote_write,
        notify,
        alerting,
        access: given
            .access
            .resolve(file.parent().unwrap_or(Path::new("")))
            .map_err(|mistakes| several(file, text, mistakes))?,
        require_enrolment: given.require_enrolment,
        agents,
        embed,
        plan: Arc::new(plan),
    })
}

fn invalid(file: &Path, text: &str, at: usize, reason: String) -> ConfigError {
    let line = text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
    ConfigError::Invalid {
        file: file.to_owned(),
        line,
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_text(text: &str, flags: Flags) -> Result<Config, String> {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let file = directory.path().join("collector.toml");
        std::fs::write(&file, text).expect("writable");
        load(&Flags {
            config: Some(file),
            ..flags
        })
        .map_err(|error| {
            error
                .to_string()
                .replace(&*directory.path().to_string_lossy(), "")
        })
    }

    #[test]
    fn a_whole_file_is_read_and_flags_win() {
        let text = "listen = \"127.0.0.1:9000\"\nunix_socket = \"/run/a.sock\"\ndata_dir = \"/data\"\n[retention]\n10s = \"2d\"\n";
        let config = load_text(text, Flags::default()).expect("valid");
        assert_eq!(config.listen, "127.0.0.1:9000".parse().expect("an address"));
        assert_eq!(config.retention.ten_seconds_ms, 2 * 86_400_000);
        assert_eq!(config.retention.one_hour_ms, Retention::default().one_hour_ms);
        let flags = Flags {
            data_dir: Some("/other".into()),
            ..Flags::default()
        };
        assert_eq!(
            load_text(text, flags).expect("valid").data_dir,
            Path::new("/other")
        );
        assert_eq!(load(&Flags::default()).expect("defaults").listen, DEFAULT_LISTEN);
    }

    #[test]
    fn errors_name_file_line_key_and_remedy() {
        let cases = [
            (
                "data_dir = \"/data\"\nlisten_on = \"x\"\n",
                "/collector.toml, line 2: ",
                "listen_on",
            ),
            (
                "data_dir = \"/data\"\nlisten_on = \"x\"\n",
                "expected one of",
                "`retention`",
            ),
            (
                "\n\nlisten = \"localhost\"\n",
                "/collector.toml, line 3: listen",
                "127.0.0.1:8360",
            ),
            (
                "[retention]\n10s = \"7w\"\n",
                "line 2: retention.10s",
                "write \"7d\"",
            ),
            (
                "[retention]\n10s = \"1h\"\n",
                "line 2: retention.10s",
                "6 hours or more",
            ),
            (
                "[retention]\n1h = \"30d\"\n",
                "line 2: retention.1h",
                "write \"731d\"",
            ),
            (
                "[retention]\n10s = \"100d\"\n",
                "line 2: retention must not keep a finer tier longer",
                "10s <= 1min <= 1h",
            ),
            ("[retention]\n1d = \"100d\"\n", "line 2: ", "`1min`"),
            (
                "query_timeout = \"1h\"\n",
                "line 1: query_timeout",
                "between 1s and 10m",
            ),
            (
                "[limits]\nidle_timeout = \"60s\"\nhead_timeout = \"0s\"\nconnections = 0\n",
                "/collector.toml, line 3: limits.head_timeout",
                "/collector.toml, line 4: limits.connections",
            ),
            ("[limits]\nhead_timeot = \"9s\"\n", "line 2: ", "`head_timeout`"),
            (
                "[metrics]\nmax_pairs = 0\n",
                "line 2: metrics.max_pairs",
                "write 2000",
            ),
            ("[metrics]\nschema = 9\n", "line 2: metrics.schema", "write 5"),
            ("[metrics]\ndelay = true\n", "line 2: ", "`delays`"),
            (
                "[remote_write]\nurl = \"https://x/write\"\n",
                "line 2: remote_write.url",
                "http://127.0.0.1:9090/api/v1/write",
            ),
            (
                "[remote_write]\nurl = \"http://x/write\"\ninterval = \"2h\"\n",
                "line 3: remote_write.interval",
                "write \"10s\"",
            ),
            ("[remote_write]\ninterval = \"1s\"\n", "line 1: ", "`url`"),
            (
                "[remote_write]\nurl = \"http://x/\"\nhistograms = \"both\"\n",
                "line 3: ",
                "`native` or `classic`",
            ),
            (
                "\n[notify.noc]\nkind = \"fax\"\n",
                "/collector.toml, line 3: notify.noc.kind",
                "write \"alertmanager\"",
            ),
            ("data_dir = 7\n", "line 1: ", "integer"),
            ("data_dir = \"/data\nlisten = 1", "line 1: ", ""),
        ];
        for (text, place, remedy) in cases {
            let error = load_text(text, Flags::default()).expect_err(text);
            assert!(error.contains(place) && error.contains(remedy), "{error}");
        }
        let missing = Flags {
            config: Some("/no/such/file.toml".into()),
            ..Flags::default()
        };
        assert!(
            load(&missing)
                .expect_err("missing")
                .to_string()
                .starts_with("/no/such/file.toml: ")
        );
    }

    #[test]
    fn rule_files_are_read_with_the_configuration_and_their_mistakes_named() {
        assert_eq!(
            load_text("", Flags::default()).expect("valid").alerting,
            alerting::Settings::default()
        );
        let missing = load_text("[alerting]\nrules = [\"none.toml\"]\n", Flags::default());
        let missing = missing.expect_err("no such file");
        assert!(missing.starts_with("/none.toml: cannot be read"), "{missing}");
        let twice = load_text(
            "[alerting]\nrules = [\"a.toml\",\n\"a.toml\"]\n",
            Flags::default(),
        );
        let twice = twice.expect_err("named twice");
        assert!(
            twice.starts_with("/collector.toml, line 3: alerting.rules"),
            "{twice}"
        );
        let unknown = load_text("[alerting]\nrule = []\n", Flags::default()).expect_err("unknown");
        assert!(
            unknown.contains("line 2") && unknown.contains("`rules`"),
            "{unknown}"
        );

        let directory = tempfile::tempdir().expect("a scratch directory");
        let rules = directory.path().join("rules.toml");
        let file = directory.path().join("collector.toml");
        std::fs::write(&file, "[alerting]\nrules = [\"rules.toml\"]\n").expect("writable");
        let flags = Flags {
            config: Some(file),
            ..Flags::default()
        };
        std::fs::write(&rules, "[[absence]]\nname = \"silent\"\nsilent_for = \"5x\"\n").expect("writable");
        let mistake = load(&flags).expect_err("a mistake").to_string();
        assert!(mistake.contains("rules.toml:3"), "{mistake}");
        std::fs::write(&rules, "[[absence]]\nname = \"silent\"\nsilent_for = \"5m\"\n").expect("writable");
        let names: Vec<_> = load(&flags)
            .expect("valid")
            .alerting
            .rules
            .rules
            .iter()
            .map(|rule| rule.name.clone())
            .collect();
        assert_eq!(names, ["silent", "regression"]);
    }

    #[test]
    fn only_loopback_without_a_credential() {
        for address in ["0.0.0.0:8360", "[::]:8360", "192.0.2.1:8360"] {
            let listen = Some(address.parse().expect("an address"));
            let error = load(&Flags {
                listen,
                ..Flags::default()
            })
            .expect_err(address);
            assert!(error.to_string().contains("--insecure-listen-anyway"), "{error}");
            assert!(
                load(&Flags {
                    listen,
                    insecure_listen_anyway: true,
                    ..Flags::default()
                })
                .is_ok()
            );
        }
        let listen = Some("[::1]:0".parse().expect("an address"));
        assert!(
            load(&Flags {
                listen,
                ..Flags::default()
            })
            .is_ok()
        );
    }
}
