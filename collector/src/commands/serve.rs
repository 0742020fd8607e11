//! `azimuth-collector serve`: arguments and logging of the one long-running process. What it does is [`crate::run`].

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tracing_subscriber::EnvFilter;

use crate::config::{self, Flags};
use crate::run;

/// How long a thread that examines, answers or seals may idle. Each brings a heap of its own, which keeps as much as the
/// largest task on it ever took; when idle threads end soon, the next takes over a heap that is there instead of a new one.
const IDLE_THREAD_KEPT: Duration = Duration::from_millis(200);

/// Run the collector: ingest, store, query API and dashboards in one process
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  azimuth-collector serve --data-dir /var/lib/azimuth

The configuration file is TOML; every key is optional and flags win over it:
  listen = \"127.0.0.1:8360\"
  unix_socket = \"/run/azimuth/collector.sock\"
  data_dir = \"/var/lib/azimuth\"
  [retention]
  10s = \"7d\"
  1min = \"90d\"
  1h = \"731d\"

Then open http://127.0.0.1:8360/ and point agents at the same address.
SIGHUP has the file read again and taken up; one with a mistake is named in the log and changes nothing.
Logging goes to standard error; AZIMUTH_LOG=debug shows more.")]
pub struct ServeArgs {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address of the API and the dashboards [default: 127.0.0.1:8360]. Port 0 lets the system choose
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Also listen on this unix socket
    #[arg(long, value_name = "PATH")]
    unix_socket: Option<PathBuf>,
    /// Directory of the store, made if need be [default: azimuth-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Listen on an address others can reach, although what is said there is not encrypted
    #[arg(long)]
    insecure_listen_anyway: bool,
}

/// Runs until told to stop. 0 after a clean stop, 1 when it failed, 2 for a wrong configuration.
pub fn serve(args: ServeArgs) -> ExitCode {
    let filter = EnvFilter::try_from_env("AZIMUTH_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // Telling a closed stderr that it is closed would end the process.
        .log_internal_errors(false)
        .with_ansi(ansi)
        .init();

    let flags = Flags::from(args);
    let config = match config::load(&flags) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("azimuth-collector: {error}");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_keep_alive(IDLE_THREAD_KEPT)
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("azimuth-collector: cannot start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run::run(flags, config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("azimuth-collector: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl From<ServeArgs> for Flags {
    fn from(args: ServeArgs) -> Self {
        let ServeArgs {
            config,
            listen,
            unix_socket,
            data_dir,
            insecure_listen_anyway,
        } = args;
        Self {
            config,
            listen,
            unix_socket,
            data_dir,
            insecure_listen_anyway,
        }
    }
}
