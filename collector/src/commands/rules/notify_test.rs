//! `azimuth-collector rules notify-test`: one made-up page to one channel, and what the channel answered. For a person who
//! has just written its table; neither routes nor the outbox of a running collector are asked.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::alert::rules::model::{DEFAULT_ROUTE, Severity};
use crate::config::{self, Flags};
use crate::notify::outbox::Outcome;
use crate::notify::page::{Page, State};
use crate::notify::send::attempt;
use crate::notify::settings::Channel;

/// Send one test page to a notification channel, and its resolution
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Sends a page that says it is a test, then its resolution, and prints what the
channel answered. Exit codes: 0 both were taken, 1 not, 2 the configuration
cannot be used or has no such channel.

Example: azimuth-collector rules notify-test --config collector.toml --channel on-call")]
pub struct NotifyTestArgs {
    /// Configuration file (TOML) with the `[notify.NAME]` table
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Name of the channel
    #[arg(long, value_name = "NAME")]
    pub channel: String,
}

/// Sends the test. 0 when page and resolution were taken, 1 when not, 2 when there is no such channel.
pub fn notify_test(args: &NotifyTestArgs, now_unix_ms: u64, out: &mut dyn Write) -> ExitCode {
    let flags = Flags {
        config: Some(args.config.clone()),
        insecure_listen_anyway: true,
        ..Flags::default()
    };
    let channels = match config::load(&flags) {
        Ok(config) => config.notify,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let Some(channel) = channels.iter().find(|channel| channel.name == args.channel) else {
        let names: Vec<&str> = channels.iter().map(|channel| channel.name.as_str()).collect();
        let there_are = if names.is_empty() {
            "it has none".to_owned()
        } else {
            format!("it has {}", names.join(", "))
        };
        let (file, name) = (args.config.display(), &args.channel);
        eprintln!("{file}: no channel {name:?}; {there_are}; add a table [notify.{name}]");
        return ExitCode::from(2);
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut states = vec![State::Firing];
    if channel.pace.send_resolved {
        states.push(State::Resolved);
    }
    for state in states {
        let page = test_page(channel, state, now_unix_ms);
        let tried = runtime.block_on(attempt(channel, &[page], now_unix_ms));
        // A reader that left has nothing more to be told.
        let _ = writeln!(
            out,
            "{} at {}: {} {}: {}",
            channel.name,
            channel.shown(),
            state.as_str(),
            tried.reason,
            tried.said
        );
        if tried.outcome != Outcome::Delivered {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn test_page(channel: &Channel, state: State, now_unix_ms: u64) -> Page {
    let over = state == State::Resolved;
    Page {
        alert: format!("notify-test {now_unix_ms}"),
        episode: 1,
        state,
        parent: None,
        rule: "notify-test".to_owned(),
        severity: Severity::Info,
        route: DEFAULT_ROUTE.to_owned(),
        summary: format!("test of notification channel {}: nothing is wrong", channel.name),
        labels: [("channel".to_owned(), channel.name.clone())].into(),
        measure: "test".to_owned(),
        value: None,
        against: None,
        unit: String::new(),
        regressed_at_unix_ms: now_unix_ms,
        fired_at_unix_ms: now_unix_ms,
        resolved_at_unix_ms: over.then_some(now_unix_ms),
        resolution: over.then(|| "recovered".to_owned()),
        link: None,
        members: Vec::new(),
    }
}
