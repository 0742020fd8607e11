//! `azimuth-collector status`: how a running collector fares, for a person at a terminal, a script, or a monitor that
//! reads nothing but the exit code. What is good or bad is decided by the collector that is asked.

mod table;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Args;

use super::ask::{self, Address};
use super::credential::CredentialArgs;
use crate::status::answer::{State, StatusAnswer};

/// Exit code when something needs a person.
const DEGRADED: u8 = 1;
/// Exit code when it could not be asked.
const UNREACHABLE: u8 = 2;

/// Say how a running collector fares
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 healthy, 1 something needs a person, 2 the collector cannot be asked.

Example, for a monitor:
  azimuth-collector status --url http://127.0.0.1:8360 >/dev/null")]
pub struct StatusArgs {
    /// Address of the collector's API: http://HOST:PORT or unix:PATH
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8360")]
    url: Address,
    /// Print the answer as it came: JSON
    #[arg(long)]
    json: bool,
    /// How many agents to name, worst first
    #[arg(long, value_name = "N", default_value_t = 10)]
    agents: u16,
    #[command(flatten)]
    credential: CredentialArgs,
}

/// 0 healthy, 1 degraded, 2 unreachable.
pub fn status(args: &StatusArgs) -> ExitCode {
    match say(args) {
        Ok(State::Healthy) => ExitCode::SUCCESS,
        Ok(State::Degraded) => ExitCode::from(DEGRADED),
        Err(error) => {
            eprintln!("azimuth-collector: {error}");
            ExitCode::from(UNREACHABLE)
        }
    }
}

fn say(args: &StatusArgs) -> Result<State, String> {
    let url = &args.url;
    let credential = args.credential.read(url.is_this_machine())?;
    let answer = ask::get(
        url,
        &format!("/api/v1/status?agents={}", args.agents),
        &credential,
    )?;
    let text = String::from_utf8_lossy(&answer.body);
    if answer.status != 200 {
        let said = credential.remedy(answer.status);
        return Err(format!(
            "{url} answered {}: {}",
            answer.status,
            said.as_deref().unwrap_or(&text)
        ));
    }
    let status: StatusAnswer = serde_json::from_slice(&answer.body)
        .map_err(|error| format!("{url}: {error}; is the collector of another release?"))?;
    let mut out = std::io::stdout().lock();
    let written = if args.json {
        writeln!(out, "{text}")
    } else {
        let text = table::render(&status, url, out.is_terminal());
        out.write_all(text.as_bytes())
    };
    // Whoever closed the pipe has read enough; the exit code still says how it is.
    let _ = written;
    Ok(status.state)
}
