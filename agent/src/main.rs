//! The binary: parses the command line, sets up logging, runs one command, turns its outcome into an exit code.

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use azimuth_agent::cli::{Cli, Command, ConfigCommand, SpoolCommand};
use azimuth_agent::commands::{join, locate, spool_check};
use azimuth_agent::{config, doctor, oneshot, path, plan, reflect, run, throughput};
use clap::Parser;
use tracing::level_filters::LevelFilter;

/// 0 done, 1 failed, 2 wrong usage or configuration.
const FAILED: u8 = 1;
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let quiet = matches!(
        cli.command,
        Command::Probe(_)
            | Command::Path(_)
            | Command::Throughput(_)
            | Command::Config(_)
            | Command::Spool(_)
            | Command::Locate(_)
            | Command::Plan(_)
    );
    let default = if matches!(cli.command, Command::Doctor(_)) {
        // What its own prober would warn of is what it prints.
        LevelFilter::ERROR
    } else if quiet {
        LevelFilter::WARN
    } else {
        LevelFilter::INFO
    };
    let asked = std::env::var("AZIMUTH_LOG")
        .ok()
        .and_then(|level| level.parse().ok());
    tracing_subscriber::fmt()
        .with_max_level(asked.unwrap_or(default))
        .with_writer(std::io::stderr)
        // Telling a closed stderr that it is closed would end the process.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
    let failed = match cli.command {
        // As of ping: 1 says that nothing answered.
        Command::Probe(_) | Command::Path(_) | Command::Throughput(_) => USAGE,
        _ => FAILED,
    };
    match dispatch(&cli.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("azimuth-agent: {error:#}");
            ExitCode::from(failed)
        }
    }
}

fn dispatch(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Config(ConfigCommand::Check { file, json }) => match config::load(file) {
            Ok(config) if *json => {
                println!("{}", config.summary_json()?);
                Ok(ExitCode::SUCCESS)
            }
            Ok(config) => Ok(tell(file, &config)),
            Err(errors) => Ok(refuse(&errors)),
        },
        Command::Spool(SpoolCommand::Check { directory, json }) => {
            Ok(spool_check::run(directory, *json, &mut std::io::stdout().lock()))
        }
        Command::Run(args) => match config::load(&args.config) {
            Ok(config) if args.dry_run => Ok(tell(&args.config, &config.priced(args.price_per_gb))),
            Ok(config) => block_on(run::run(&args.config, config)),
            Err(errors) => Ok(refuse(&errors)),
        },
        Command::Plan(args) => match config::load(&args.config) {
            Ok(config) => plan::command::run(&config, &args.config, args.json, &mut std::io::stdout().lock()),
            Err(errors) => Ok(refuse(&errors)),
        },
        Command::Join(args) => block_on(join::join(args)),
        Command::Locate(args) => block_on(locate::run(args)),
        Command::RotateKey(args) => block_on(join::rotate_key(args)),
        Command::Reflect(args) => block_on(reflect::command::run(args)),
        Command::Doctor(args) => match args.config.as_deref().map(config::load).transpose() {
            Ok(config) => doctor::run(config.as_ref(), args.json),
            Err(errors) => Ok(refuse(&errors)),
        },
        Command::Probe(args) => block_on(oneshot::run(args)),
        Command::Path(args) => block_on(path::command::run(args)),
        Command::Throughput(args) => block_on(throughput::command::run(args)),
    }
}

fn block_on(future: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(future)
}

/// What a configuration comes to.
fn tell(file: &Path, config: &config::Config) -> ExitCode {
    println!("{}: fine. {}", file.display(), config.summary());
    if let Some(plan) = config.throughput_plan() {
        println!("{plan}.");
    }
    ExitCode::SUCCESS
}

fn refuse(errors: &config::Mistakes) -> ExitCode {
    eprintln!("{errors}");
    ExitCode::from(USAGE)
}
