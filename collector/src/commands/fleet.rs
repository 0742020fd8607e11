//! `azimuth-collector token` and `agent`: who may join and who has. They ask the running collector over its admin socket,
//! because its files have one owner; so they run on its machine, as its user or as root.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ask::{self, Address, Answer};
use crate::fleet::admin::socket_in;
use crate::fleet::book::{AgentEntry, TokenEntry};
use crate::fleet::desk::{TokenMade, TokenWanted};
use crate::utc::{UtcInstant, parse_span_ms};

/// Where the running collector keeps its data.
#[derive(Debug, Args)]
pub struct Where {
    /// Data directory of the running collector
    #[arg(long, value_name = "DIR", default_value = "azimuth-data")]
    pub(super) data_dir: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// `token`.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token and print it, this once
    #[command(after_help = "\
Example:
  azimuth-collector token create --data-dir /var/lib/azimuth --site paris --uses 30 --ttl 1h \\
    --address https://azimuth.example.net
then, on each of the 30 hosts:
  azimuth-agent join TOKEN --identity /var/lib/azimuth-agent/identity.json")]
    Create {
        /// Of which collector.
        #[command(flatten)]
        at: Where,
        /// Where its agents stand; their names begin with it
        #[arg(long, value_name = "NAME")]
        site: String,
        /// How many agents may join with it
        #[arg(long, value_name = "N", default_value_t = 1)]
        uses: u32,
        /// For how long: 30m, 1h, 7d
        #[arg(long, value_name = "SPAN", default_value = "1h", value_parser = parse_span_ms)]
        ttl: u64,
        /// Where agents reach the collector: https://HOST:PORT, unix:PATH, or http:// on this machine
        #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8360")]
        address: String,
        /// SHA-256 of the public key of whoever ends TLS there, base64url [default: the collector's own, see [agents] in its
        /// configuration; without that the authorities of the agent's system]
        #[arg(long, value_name = "PIN", conflicts_with = "system_authorities")]
        tls_pin: Option<String>,
        /// A proxy ends TLS there with a certificate that the agent's system believes
        #[arg(long)]
        system_authorities: bool,
        /// Let agents come in the clear over a network, where something else protects the way
        #[arg(long)]
        allow_plain_http: bool,
    },
    /// List tokens; never their secrets
    List {
        /// Of which collector.
        #[command(flatten)]
        at: Where,
    },
    /// End a token: nobody joins with it any more
    Revoke {
        /// Of which collector.
        #[command(flatten)]
        at: Where,
        /// Its id, as `token list` shows it
        id: String,
    },
}

/// `agent`.
#[derive(Debug, Subcommand)]
pub enum AgentCommand {
    /// List the agents that joined
    List {
        /// Of which collector.
        #[command(flatten)]
        at: Where,
    },
    /// End an agent: from this moment nothing it asks is answered
    Revoke {
        /// Of which collector.
        #[command(flatten)]
        at: Where,
        /// Its name
        agent: String,
    },
}

/// 0 done, 1 refused or not reached.
pub fn token(command: &TokenCommand, out: &mut impl Write) -> ExitCode {
    conclude(match command {
        TokenCommand::Create {
            at,
            site,
            uses,
            ttl,
            address,
            tls_pin,
            system_authorities,
            allow_plain_http,
        } => {
            let wanted = TokenWanted {
                site: site.clone(),
                uses: *uses,
                ttl_ms: *ttl,
                address: address.clone(),
                tls_pin: tls_pin.clone(),
                system_authorities: *system_authorities,
                allow_plain_http: *allow_plain_http,
            };
            create(at, &wanted, out)
        }
        TokenCommand::List { at } => list(at, "/admin/tokens", token_line, out),
        TokenCommand::Revoke { at, id } => remove(at, "/admin/tokens", id),
    })
}

/// 0 done, 1 refused or not reached.
pub fn agent(command: &AgentCommand, out: &mut impl Write) -> ExitCode {
    conclude(match command {
        AgentCommand::List { at } => list(at, "/admin/agents", agent_line, out),
        AgentCommand::Revoke { at, agent } => remove(at, "/admin/agents", agent),
    })
}

pub(super) fn conclude(done: Result<(), String>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("azimuth-collector: {error}");
            ExitCode::FAILURE
        }
    }
}

fn create(at: &Where, wanted: &TokenWanted, out: &mut impl Write) -> Result<(), String> {
    let asked = serde_json::to_vec(wanted).map_err(|error| error.to_string())?;
    let path = format!("/admin/tokens?by={}", by_whom());
    let made: TokenMade = read(&asked_of(&at.data_dir, "POST", &path, &asked)?)?;
    let said = if at.json {
        serde_json::to_string(&made).map_err(|error| error.to_string())?
    } else {
        made.token
    };
    let _ = writeln!(out, "{said}");
    Ok(())
}

pub(super) fn list<T>(
    at: &Where,
    path: &str,
    line: fn(&T) -> String,
    out: &mut impl Write,
) -> Result<(), String>
where
    T: Serialize + DeserializeOwned,
{
    let entries: Vec<T> = read(&asked_of(&at.data_dir, "GET", path, &[])?)?;
    if at.json {
        let said = serde_json::to_string(&entries).map_err(|error| error.to_string())?;
        let _ = writeln!(out, "{said}");
    } else {
        for entry in &entries {
            let _ = writeln!(out, "{}", line(entry));
        }
    }
    Ok(())
}

pub(super) fn remove(at: &Where, path: &str, name: &str) -> Result<(), String> {
    if !is_name(name) {
        return Err(format!(
            "{name:?} is no name of an agent and no id of a token or a snapshot"
        ));
    }
    let path = format!("{path}/{name}?by={}", by_whom());
    asked_of(&at.data_dir, "DELETE", &path, &[])?;
    Ok(())
}

/// The user of the operating system who asks, for the audit log; in letters that an address takes.
pub(super) fn by_whom() -> String {
    let by = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER"));
    by.unwrap_or_default()
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.'))
        .take(64)
        .collect()
}

/// Names and ids are letters, digits, hyphens and underscores; anything else is nobody's.
pub(super) fn is_name(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn token_line(entry: &TokenEntry) -> String {
    let end = match entry.revoked_at_unix_ms {
        Some(at_unix_ms) => format!("revoked {}", UtcInstant::from_unix_ms(at_unix_ms)),
        None => format!("until {}", UtcInstant::from_unix_ms(entry.expires_at_unix_ms)),
    };
    format!(
        "{}  {}  {}/{} used  {end}",
        entry.id, entry.site, entry.used, entry.uses
    )
}

fn agent_line(entry: &AgentEntry) -> String {
    let mut line = format!(
        "{}  {}  joined {}",
        entry.agent,
        entry.site,
        UtcInstant::from_unix_ms(entry.joined_at_unix_ms)
    );
    if let Some(at_unix_ms) = entry.revoked_at_unix_ms {
        line += &format!("  REVOKED {}", UtcInstant::from_unix_ms(at_unix_ms));
    }
    if let Some(at_unix_ms) = entry.copied_at_unix_ms {
        line += &format!(
            "  COPIED: its key is on two hosts ({} times, last {})",
            entry.copied,
            UtcInstant::from_unix_ms(at_unix_ms)
        );
    }
    line
}

pub(super) fn asked_of(data_dir: &Path, method: &str, path: &str, json: &[u8]) -> Result<Answer, String> {
    let socket = Address::Unix(socket_in(&data_dir.join("fleet")));
    let answer = ask::request(&socket, method, path, json).map_err(|error| {
        format!("{error} Name its data directory with --data-dir, and run this as its user or as root")
    })?;
    if (200..300).contains(&answer.status) {
        return Ok(answer);
    }
    let problem: Option<serde_json::Value> = serde_json::from_slice(&answer.body).ok();
    let detail = problem.as_ref().and_then(|problem| problem["detail"].as_str());
    Err(detail.map_or_else(
        || {
            format!(
                "{socket} answered {}: {}",
                answer.status,
                String::from_utf8_lossy(&answer.body)
            )
        },
        str::to_owned,
    ))
}

pub(super) fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T, String> {
    serde_json::from_slice(&answer.body)
        .map_err(|error| format!("{error}; is the collector of another release?"))
}
