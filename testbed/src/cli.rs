//! The command line: what can be asked, and `--help` that teaches it.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage.

use std::net::SocketAddr;
use std::path::PathBuf;

use azimuth_testbed::load;
use clap::{Args, Parser, Subcommand};

/// An emulated Europe on one machine: real agents and reflectors, real packets, an invented network between them.
///
/// Every vantage point and every zone is a network namespace of its own with one TUN device; a relay moves the
/// packets between them with the delay, variation, loss, rate and incidents of a scenario file, and writes down what
/// it really did. Nothing outside those namespaces is touched, and nothing is left when the command ends.
#[derive(Debug, Parser)]
#[command(name = "azimuth-testbed", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the default world with agents, reflectors, collector and dashboards until Ctrl-C.
    ///
    /// The address to open is printed when the first agents are on their way.
    Demo(RunOptions),
    /// Run the world of a scenario file.
    ///
    /// Example: azimuth-testbed run testbed/scenarios/small.toml --dir run/small --duration-s 60
    Run {
        /// The scenario file (TOML). The two that come with the program: testbed/scenarios/europe.toml and small.toml.
        scenario: PathBuf,
        #[command(flatten)]
        options: RunOptions,
    },
    /// Show the pairs of a scenario with their base delays, and its incidents, without building anything.
    Describe {
        /// The scenario file (TOML).
        scenario: PathBuf,
        /// Print JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Measure how far the relay is from its own schedule, on real packets through two namespaces.
    ///
    /// Fails (exit 1) when the 99th percentile is above 200 us. A busy machine shows itself here.
    RelayCheck {
        /// How long to send.
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=600))]
        duration_s: u32,
        /// Datagrams per second; each comes back, so the relay moves twice as many packets.
        #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=20_000))]
        rate_pps: u32,
        /// Print JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Let a fleet come back all at once after an outage, each agent with a backlog, against a real collector.
    ///
    /// Agents are tasks of this program that deliver as azimuth-agent does; loopback only. Fails (exit 1) unless every
    /// report is stored once. Without --collector one is started on a directory that is removed at the end.
    Load {
        /// Agents.
        #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=i64::from(load::MAX_AGENTS)))]
        agents: u32,
        /// Reports of 10 s that each has when the collector comes back.
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=i64::from(load::MAX_BACKLOG)))]
        backlog: u32,
        /// Series of each.
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=20))]
        series: u16,
        /// A running collector on a loopback address, for example 127.0.0.1:8360.
        #[arg(long)]
        collector: Option<SocketAddr>,
        /// Stop after this long, whatever is left.
        #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=load::MAX_SECONDS))]
        at_most_s: u64,
        /// Where azimuth-collector is; beside this program when not said.
        #[arg(long)]
        bin_dir: Option<PathBuf>,
        /// Print JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Compare azimuth-agent, fping and irtt against kernel truth on a delayed path, and what 1,000 targets cost.
    ///
    /// Needs root, fping and irtt. Takes about a minute and 11 times --seconds. `make bench-probing` builds and runs it.
    BenchProbing {
        /// How long each figure is measured.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(2..=600))]
        seconds: u32,
        /// Where azimuth-agent is; beside this program when not said.
        #[arg(long)]
        bin_dir: Option<PathBuf>,
        /// Print JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
}

/// How to run a world.
#[derive(Debug, Clone, Args)]
pub(crate) struct RunOptions {
    /// Directory for sockets, logs, data and the ground truth; kept. Without it a directory under the system's
    /// temporary one is used and removed at the end.
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
    /// Keep the temporary directory.
    #[arg(long)]
    pub(crate) keep: bool,
    /// Where the collector listens for browsers.
    #[arg(long, default_value = "127.0.0.1:8360")]
    pub(crate) listen: SocketAddr,
    /// Stop after this long; without it, on Ctrl-C or SIGTERM.
    #[arg(long)]
    pub(crate) duration_s: Option<u64>,
    /// Start no collector; agents deliver to DIR/collector.sock whoever listens there.
    #[arg(long)]
    pub(crate) no_collector: bool,
    /// Where azimuth-agent and azimuth-collector are; beside this program when not said.
    #[arg(long)]
    pub(crate) bin_dir: Option<PathBuf>,
    /// Write one line per packet into the ground truth, too. Large.
    #[arg(long)]
    pub(crate) every_packet: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
