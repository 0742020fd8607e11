//! The `azimuth-testbed` program: reads the command line, gets the right to make namespaces, runs, and exits with
//! 0 (done), 1 (failed) or 2 (wrong usage). Everything it does lives in the library.

mod cli;
mod screen;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use azimuth_testbed::describe::Description;
use azimuth_testbed::load;
use azimuth_testbed::namespace::{self, Privilege};
use azimuth_testbed::plan::Plan;
use azimuth_testbed::probing_bench::{self, Figures};
use azimuth_testbed::relay::thread::PacketRecords;
use azimuth_testbed::relay_check::{self, Load as RelayLoad};
use azimuth_testbed::scenario::{self, Scenario};
use azimuth_testbed::world::directory::{RunDirectory, Wanted};
use azimuth_testbed::world::runner::{self, Options};
use clap::Parser;

use cli::{Cli, Command, RunOptions};
use screen::Terminal;

fn main() -> ExitCode {
    match execute(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("azimuth-testbed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Demo(options) => {
            run(
                &scenario::parse(scenario::EUROPE, "built-in europe.toml")?,
                &options,
                Terminal::demo(),
            )?;
        }
        Command::Run { scenario, options } => run(&scenario::load(&scenario)?, &options, Terminal::run())?,
        Command::Describe { scenario, json } => {
            let description = Description::of(&Plan::of(&scenario::load(&scenario)?));
            print(json, &description, Description::table)?;
        }
        Command::Load {
            agents,
            backlog,
            series,
            collector,
            at_most_s,
            bin_dir: chosen,
            json,
        } => {
            let figures = load::run(&load::Options {
                agents,
                backlog,
                series,
                collector,
                bin_dir: bin_dir(chosen.as_deref())?,
                at_most: Duration::from_secs(at_most_s),
            })?;
            print(json, &figures, load::Figures::table)?;
            return Ok(if figures.holds() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            });
        }
        Command::BenchProbing {
            seconds,
            bin_dir: chosen,
            json,
        } => {
            namespace::acquire()?;
            let figures = probing_bench::run(&bin_dir(chosen.as_deref())?.join("azimuth-agent"), seconds)?;
            print(json, &figures, Figures::table)?;
        }
        Command::RelayCheck {
            duration_s,
            rate_pps,
            json,
        } => {
            namespace::acquire()?;
            let load = RelayLoad {
                datagrams: duration_s * rate_pps,
                period_us: 1_000_000 / u64::from(rate_pps),
            };
            let answer = relay_check::run(load)?;
            print(json, &answer, relay_check::Answer::table)?;
            return Ok(if answer.within_bar {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            });
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn run(scenario: &Scenario, arguments: &RunOptions, mut terminal: Terminal) -> anyhow::Result<()> {
    // In this order: signals before any thread, and the user's own id before a user namespace hides it.
    let signals = runner::signals().context("cannot take signals")?;
    let user = nix::unistd::getuid().as_raw();
    if namespace::acquire()? == Privilege::UserNamespace {
        terminal.note("not root: the world lives in a user namespace of its own");
    }
    let plan = Plan::of(scenario);
    let prepared = RunDirectory::prepare(Wanted {
        chosen: arguments.dir.as_deref(),
        keep: arguments.keep,
        world: &plan.name,
        user,
        collector: !arguments.no_collector,
    })?;
    for name in &prepared.killed {
        terminal.note(&format!("killed {name}, left by a run that did not end in order"));
    }
    if prepared.replaced {
        terminal.note(&format!(
            "replaced an earlier run in {}",
            prepared.directory.path().display()
        ));
    }
    let options = Options {
        listen: (!arguments.no_collector).then_some(arguments.listen),
        duration: arguments.duration_s.map(Duration::from_secs),
        bin_dir: bin_dir(arguments.bin_dir.as_deref())?,
        records: if arguments.every_packet {
            PacketRecords::Every
        } else {
            PacketRecords::Off
        },
    };
    runner::run(&plan, &options, prepared.directory, &signals, &mut terminal)
}

fn bin_dir(chosen: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(chosen) = chosen {
        return Ok(chosen.to_owned());
    }
    let own = std::env::current_exe().context("cannot find my own executable; say --bin-dir")?;
    own.parent()
        .map(Path::to_owned)
        .context("my executable has no directory; say --bin-dir")
}

fn print<T: serde::Serialize>(json: bool, value: &T, table: impl Fn(&T) -> String) -> anyhow::Result<()> {
    use std::io::Write;
    let text = if json {
        serde_json::to_string_pretty(value)? + "\n"
    } else {
        table(value)
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        // `describe | head` is no failure.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
