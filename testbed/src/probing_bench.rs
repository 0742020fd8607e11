//! `azimuth-testbed bench-probing`: how far each prober's figures are from what the kernel saw, and what they cost.
//!
//! A world of one vantage point and one zone, 1.5 ms apart, each on a host of its own one wire away. The truth is what happened
//! between the wires' far ends ([`wire`]), less, for the probers that subtract it, how long the reflector's host held the packet;
//! how far that truth can itself be trusted is measured first, in the same run. The bias of a quantile is the prober's
//! quantile minus that of the truth over the same packets. Figures of cost are taken over loopback, one core, where no
//! relay is in the way. Not a test: figures of a shared machine are compared within one run.

mod capture;
mod cost;
mod tools;
mod wire;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::sync_channel;

use serde::Serialize;

use crate::plan::Plan;
use crate::relay::thread::PacketRecords;
use crate::scenario;
use crate::truth::writer::QUEUE;
use crate::world::fabric::{Fabric, FabricError};

pub use cost::{Cost, Size};
pub use tools::Bias;
pub use wire::Check;

const WORLD: &str = r#"
name = "bench-probing"
seed = 1
[network]
ipv4_prefix = "10.80.0.0/16"
ipv6_prefix = "fd80::/16"
path_factor = [1.0, 1.0]
loss_ratio = 0
variation_ms = 0
[access.line]
round_trip_ms = 0
variation_ms = 0
sigma = 0.5
down_mbps = 10000
up_mbps = 10000
queue_bytes = 1_000_000
[[isp]]
name = "Free"
asn = 12322
peering_ms = 0
[[vantage_point]]
agent = "bench"
name = "Bench"
country = "FR"
city = "Paris"
isp = "Free"
access = "line"
latitude = 48.9
longitude = 2.3
[[zone]]
key = "bench/bench/1"
country = "FR"
city = "Paris"
latitude = 48.9
longitude = 2.3
round_trip_ms = 1.5
"#;

/// The figures of one run.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// How far the truth can be trusted.
    pub truth: Vec<Check>,
    /// Bias against kernel truth, idle and with a busy loop per core.
    pub bias: Vec<Bias>,
    /// What probing costs.
    pub cost: Vec<Cost>,
    /// The agent's file.
    pub agent: Size,
}

/// A child that ends with its owner.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn start(command: &mut Command) -> std::io::Result<Self> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map(Self)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs everything; `agent` is the agent's binary, `seconds` the length of each figure.
///
/// # Errors
/// When the world cannot be built or a prober cannot be run.
pub fn run(agent: &Path, seconds: u32) -> Result<Figures, FabricError> {
    let scenario = scenario::parse(WORLD, "bench-probing").map_err(std::io::Error::other)?;
    let plan = Plan::of(&scenario);
    let (queue, messages) = sync_channel(QUEUE);
    let drain = std::thread::spawn(move || messages.iter().for_each(drop));
    let fabric = Fabric::build(&plan, &queue, PacketRecords::Off, |_| {})?;
    drop(queue);
    let wired = wire::Wired::over(fabric)?;
    let (mut truth, mut bias) = (Vec::new(), Vec::new());
    for busy in [false, true] {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let loops = (0..if busy { cores } else { 0 })
            .map(|_| Running::start(Command::new("sh").args(["-c", "while :; do :; done"])))
            .collect::<Result<Vec<_>, _>>()?;
        truth.extend(wire::check(&wired, plan.pairs[0].one_way_ns, busy)?);
        bias.extend(tools::biases(&wired, agent, seconds, busy)?);
        drop(loops);
    }
    let cost = cost::costs(&wired.near, agent, seconds)?;
    wired.fabric.finish()?;
    let _ = drain.join();
    Ok(Figures {
        truth,
        bias,
        cost,
        agent: cost::size(agent)?,
    })
}

impl Figures {
    /// One table for people.
    #[must_use]
    pub fn table(&self) -> String {
        let cell = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
        let mut text = format!(
            "{:<48} {:<5} {:>5} {:>8} {:>8} {:>8} {:>8}\n",
            "the truth's own check, ns", "host", "n", "min", "p50", "p99", "max"
        );
        for check in &self.truth {
            let ns = |value: Option<i64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
            let host = if check.busy { "busy" } else { "idle" };
            text += &format!("{:<48} {host:<5} {:>5}", check.what, check.n);
            for value in [check.min_ns, check.p50_ns, check.p99_ns, check.max_ns] {
                text += &format!(" {:>8}", ns(value));
            }
            let verdict = if check.holds() { "holds" } else { "BROKEN" };
            text += &format!("  never under {}: {verdict}\n", check.floor_ns);
        }
        text += &format!(
            "\n{:<14} {:<5} {:>7} {:>8} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10}\n",
            "us", "host", "n", "unpaired", "p50", "p99", "truth p50", "truth p99", "bias p50", "bias p99"
        );
        for row in &self.bias {
            let host = if row.busy { "busy" } else { "idle" };
            let cells = [
                row.p50_us,
                row.p99_us,
                row.truth_p50_us,
                row.truth_p99_us,
                row.bias_p50_us,
                row.bias_p99_us,
            ]
            .map(cell);
            text += &format!("{:<14} {host:<5} {:>7} {:>8}", row.prober, row.n, row.unpaired);
            for cell in cells {
                text += &format!(" {cell:>10}");
            }
            text.push('\n');
        }
        text += &format!(
            "\n{:<18} {:>7} {:>8} {:>10} {:>8} {:>10} {:>12} {:>6}\n",
            "cost", "targets", "asked/s", "sent/s", "lost", "unstamped", "ms CPU/1,000", "MiB"
        );
        for row in &self.cost {
            let count = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
            text += &format!(
                "{:<18} {:>7} {:>8} {:>10} {:>8} {:>10} {:>12} {:>6}\n",
                row.prober,
                row.targets,
                row.asked_per_s,
                cell(row.sent_per_s),
                count(row.lost),
                count(row.unstamped),
                cell(row.cpu_ms_per_1000),
                cell(row.memory_mib),
            );
        }
        let kind = if self.agent.is_static { "static" } else { "dynamic" };
        text += &format!("\nthe agent's file: {} octets, {kind}\n", self.agent.bytes);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_benchs_own_scenario_is_valid() {
        scenario::parse(WORLD, "bench-probing").expect("valid");
    }
}
