//! `azimuth-collector`: the command line. Parses, sets up logging, runs, and turns the outcome into an exit code.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use azimuth_collector::config::{self, Flags};
use azimuth_collector::run;
use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// Receives reports from Azimuth agents, keeps their histograms, and serves the map.
#[derive(Parser)]
#[command(
    version,
    after_help = "Logging goes to standard error; AZIMUTH_LOG=debug shows more.\nExit codes: 0 ok, 1 failed, 2 wrong usage or configuration."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the collector: ingest, store, query API and dashboards in one process.
    #[command(
        after_help = "Example:\n  azimuth-collector serve --data-dir /var/lib/azimuth\n\nThe configuration file is TOML; every key is optional and flags win over it:\n  listen = \"127.0.0.1:8360\"\n  unix_socket = \"/run/azimuth/collector.sock\"\n  data_dir = \"/var/lib/azimuth\"\n  hot_retention = \"7d\"\n\nThen open http://127.0.0.1:8360/ and point agents at the same address."
    )]
    Serve {
        /// Configuration file (TOML).
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Address of the API and the dashboards [default: 127.0.0.1:8360]. Port 0 lets the system choose.
        #[arg(long, value_name = "ADDRESS:PORT")]
        listen: Option<SocketAddr>,
        /// Also listen on this unix socket.
        #[arg(long, value_name = "PATH")]
        unix_socket: Option<PathBuf>,
        /// Directory of the store, made if need be [default: azimuth-data].
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        /// Listen on an address others can reach, although this release has no credentials yet.
        #[arg(long)]
        insecure_listen_anyway: bool,
    },
}

fn main() -> ExitCode {
    let Command::Serve {
        config,
        listen,
        unix_socket,
        data_dir,
        insecure_listen_anyway,
    } = Arguments::parse().command;
    let filter = EnvFilter::try_from_env("AZIMUTH_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(ansi)
        .init();

    let flags = Flags {
        config,
        listen,
        unix_socket,
        data_dir,
        insecure_listen_anyway,
    };
    let config = match config::load(&flags) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("azimuth-collector: {error}");
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("azimuth-collector: cannot start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run::run(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("azimuth-collector: {error:#}");
            ExitCode::FAILURE
        }
    }
}
