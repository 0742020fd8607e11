//! `azimuth-collector`: the command line. Parses and hands over; each command says its own exit code.

use std::io::{stderr, stdin, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use azimuth_collector::clock;
use azimuth_collector::commands::accounts::{self, ApiTokenCommand, AuditCommand, UserCommand};
use azimuth_collector::commands::backup::{self, BackupArgs, RestoreArgs};
use azimuth_collector::commands::catalogue::{self, CatalogueCommand};
use azimuth_collector::commands::config_check;
use azimuth_collector::commands::doctor::{self, DoctorArgs};
use azimuth_collector::commands::export::{self, ExportArgs};
use azimuth_collector::commands::fleet::{self, AgentCommand, TokenCommand};
use azimuth_collector::commands::import::{self, ImportArgs};
use azimuth_collector::commands::plan::{self, PlanCommand};
use azimuth_collector::commands::rules::files::{self, CheckArgs, TestArgs};
use azimuth_collector::commands::rules::notify_test::{self, NotifyTestArgs};
use azimuth_collector::commands::rules::{self, ReplayArgs};
use azimuth_collector::commands::serve::{self, ServeArgs};
use azimuth_collector::commands::snapshot::{self, SnapshotCommand};
use azimuth_collector::commands::status::{self, StatusArgs};
use clap::{Parser, Subcommand};

#[global_allocator]
static HEAP: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Receives reports from Azimuth agents, keeps their histograms, and serves the map.
#[derive(Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 ok, 1 failed, 2 wrong usage or configuration, 3 done but not with everything."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(ServeArgs),
    Status(StatusArgs),
    Doctor(DoctorArgs),
    Backup(BackupArgs),
    Restore(RestoreArgs),
    Export(Box<ExportArgs>),
    Import(Box<ImportArgs>),
    /// Make, list and revoke the tokens with which agents join a running collector
    #[command(subcommand)]
    Token(TokenCommand),
    /// List and revoke the agents that joined a running collector
    #[command(subcommand)]
    Agent(AgentCommand),
    /// Check and show what agents are to measure; stop everything everywhere
    #[command(subcommand)]
    Plan(PlanCommand),
    /// List and delete the views that were kept in a running collector
    #[command(subcommand)]
    Snapshot(SnapshotCommand),
    /// Check rules, try them on cases, and ask what they would have told
    #[command(subcommand)]
    Rules(Rules),
    /// Look at the catalogue of providers, regions, zones and public addresses
    #[command(subcommand)]
    Catalogue(CatalogueCommand),
    /// Make and change the accounts of people
    #[command(subcommand)]
    User(UserCommand),
    /// Make and revoke what programs show to be let in
    #[command(subcommand)]
    ApiToken(ApiTokenCommand),
    /// Look at the audit log
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Look at a configuration without running it
    #[command(subcommand)]
    Config(Config),
}

#[derive(Subcommand)]
enum Config {
    /// Say whether a file would be used; exit 2 and name every mistake if not
    Check {
        /// Configuration file (TOML)
        file: PathBuf,
    },
}

#[derive(Subcommand)]
enum Rules {
    Check(CheckArgs),
    Test(TestArgs),
    Replay(ReplayArgs),
    NotifyTest(NotifyTestArgs),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Serve(args) => serve::serve(args),
        Command::Status(args) => status::status(&args),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Backup(args) => backup::backup(&args),
        Command::Restore(args) => backup::restore(&args),
        Command::User(command) => accounts::user(
            command,
            clock::unix_ms(),
            &mut stdin().lock(),
            &mut stdout().lock(),
        ),
        Command::ApiToken(command) => accounts::api_token(command, clock::unix_ms(), &mut stdout().lock()),
        Command::Audit(command) => accounts::audit(&command, &mut stdout().lock()),
        Command::Config(Config::Check { file }) => config_check::check(&file, &mut stdout().lock()),
        Command::Catalogue(command) => catalogue::catalogue(&command, &mut stdout().lock()),
        Command::Token(command) => fleet::token(&command, &mut stdout().lock()),
        Command::Agent(command) => fleet::agent(&command, &mut stdout().lock()),
        Command::Plan(command) => plan::plan(&command, &mut stdout().lock()),
        Command::Snapshot(command) => snapshot::snapshot(&command, &mut stdout().lock()),
        Command::Export(args) => export::export(&args),
        Command::Import(args) => import::import(&args),
        Command::Rules(Rules::Check(args)) => files::check(&args, &mut stdout().lock(), &mut stderr().lock()),
        Command::Rules(Rules::Test(args)) => files::test(&args, &mut stdout().lock(), &mut stderr().lock()),
        Command::Rules(Rules::NotifyTest(args)) => {
            notify_test::notify_test(&args, clock::unix_ms(), &mut stdout().lock())
        }
        Command::Rules(Rules::Replay(args)) => rules::replay(args, clock::unix_ms(), &mut stdout().lock()),
    }
}
