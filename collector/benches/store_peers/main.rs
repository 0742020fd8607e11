//! Azimuth's collector, Prometheus and VictoriaMetrics side by side: real servers on loopback, fed the same truth over
//! HTTP, asked the same questions (`make bench-store`; the method and its limits: docs/benchmarks.md).
//!
//! Not a test: nothing fails because a figure is bad, and figures of a shared machine are compared within one run.
//!
//! | room | what it does |
//! |---|---|
//! | `truth` | what the probes saw |
//! | `system` | what a system must be able to do; `azimuth` and the `peers` (`remote_write`) can |
//! | `feed`, `ask`, `client`, `process` | deliveries, questions, HTTP, servers as processes |
//! | `fleet`, `history`, `growth` | the phases: 1,800 series; a day and a year of one; more series |
//! | `past` | a year of Azimuth's store without waiting for it |
//! | `figures` | the table |

mod ask;
mod azimuth;
mod client;
mod feed;
mod figures;
mod fleet;
mod growth;
mod history;
mod past;
mod peers;
mod process;
mod remote_write;
mod system;
mod truth;

use std::path::PathBuf;

use clap::Parser;

use self::figures::Figures;
use self::system::System;

/// Azimuth's collector beside Prometheus and VictoriaMetrics.
#[derive(Debug, Parser)]
struct Arguments {
    /// Smaller everywhere: a few minutes
    #[arg(long)]
    quick: bool,
    /// JSON instead of the table
    #[arg(long)]
    json: bool,
    /// Only these systems
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only these phases
    #[arg(long, value_delimiter = ',', value_enum)]
    phases: Vec<Phase>,
    /// Where the servers keep their data meanwhile
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Given by cargo bench
    #[arg(long, hide = true)]
    bench: bool,
}

/// A part of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Phase {
    Fleet,
    Day,
    Year,
    Growth,
}

/// Vantage points of the fleets of the growth phase: 1,800, about 20,000 and about 200,000 series.
const FLEETS: [u32; 3] = [30, 333, 3_333];
/// The peers take some kilobytes of memory per float series, and a fleet of 3,333 has 4.8 million.
const LARGEST_PEER_FLEET: u32 = 333;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let scratch = match &arguments.scratch {
        Some(parent) => tempfile::tempdir_in(parent)?,
        None => tempfile::tempdir()?,
    };
    let mut figures = Figures::default();
    let all: [&dyn System; 3] = [
        &azimuth::Azimuth,
        &peers::Prometheus { block: None },
        &peers::VictoriaMetrics,
    ];
    let chosen = |system: &&dyn System| {
        arguments.only.is_empty() || arguments.only.iter().any(|name| name == system.name())
    };
    let systems: Vec<&dyn System> = all.into_iter().filter(chosen).collect();
    let does = |phase| arguments.phases.is_empty() || arguments.phases.contains(&phase);
    let (scratch, quick) = (scratch.path(), arguments.quick);
    let mut failed = false;
    // One that fails keeps none of the others from being measured.
    let mut attempt =
        |what: &str, figures: &mut Figures, measure: &dyn Fn(&mut Figures) -> anyhow::Result<()>| {
            if let Err(error) = measure(figures) {
                eprintln!("{what}: {error:#}");
                figures.notes.push(format!("{what}: {error:#}"));
                failed = true;
            }
        };
    for system in systems.iter().filter(|_| does(Phase::Fleet)) {
        attempt(system.name(), &mut figures, &|figures| {
            fleet::measure(*system, scratch, quick, figures)
        });
    }
    for (phase, span) in [(Phase::Day, history::DAY), (Phase::Year, history::YEAR)] {
        let asked = does(phase) && !(quick && phase == Phase::Year);
        for system in systems.iter().filter(|_| asked) {
            attempt(system.name(), &mut figures, &|figures| {
                history::measure(*system, span, scratch, figures)
            });
        }
    }
    for vantages in FLEETS {
        for system in systems.iter().filter(|_| does(Phase::Growth)) {
            let ours = system.name() == azimuth::Azimuth.name();
            let largest = match (ours, quick) {
                (true, true) | (false, false) => LARGEST_PEER_FLEET,
                (true, false) => u32::MAX,
                (false, true) => 0,
            };
            if vantages <= largest {
                attempt(system.name(), &mut figures, &|figures| {
                    growth::measure(*system, vantages, scratch, figures)
                });
            }
        }
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        print!("{}", figures.table());
    }
    anyhow::ensure!(!failed, "not everything could be measured");
    Ok(())
}
