//! `azimuth-testbed bench-probing`: how far each prober's figures are from what the kernel saw, and what they cost.
//!
//! A world of one vantage point and one zone, 1.5 ms apart. The truth is taken at the kernel boundary of the sender: a
//! packet socket that nobody wakes up for notes when each probe and each answer crossed the sender's device, and, for
//! the probers that subtract it, how long the reflector's host held the packet. The bias of a quantile is the prober's
//! quantile minus that of the truth over the same packets. Figures of cost are taken over loopback, one core, where no
//! relay is in the way. Not a test: figures of a shared machine are compared within one run.

mod capture;
mod cost;
mod tools;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::sync_channel;

use serde::Serialize;

use crate::plan::Plan;
use crate::relay::thread::PacketRecords;
use crate::scenario;
use crate::truth::writer::QUEUE;
use crate::world::fabric::{Fabric, FabricError};

pub use cost::Cost;
pub use tools::Bias;

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
    /// Bias against kernel truth, idle and with a busy loop per core.
    pub bias: Vec<Bias>,
    /// What probing 1,000 targets costs.
    pub cost: Vec<Cost>,
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
    let mut bias = Vec::new();
    for busy in [false, true] {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let loops = (0..if busy { cores } else { 0 })
            .map(|_| Running::start(Command::new("sh").args(["-c", "while :; do :; done"])))
            .collect::<Result<Vec<_>, _>>()?;
        bias.extend(tools::biases(&fabric, agent, seconds, busy)?);
        drop(loops);
    }
    let cost = cost::costs(&fabric.namespaces[0], agent, seconds)?;
    fabric.finish()?;
    let _ = drain.join();
    Ok(Figures { bias, cost })
}

impl Figures {
    /// One table for people.
    #[must_use]
    pub fn table(&self) -> String {
        let cell = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
        let mut text = format!(
            "{:<14} {:<5} {:>7} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10}\n",
            "us", "host", "n", "p50", "p99", "truth p50", "truth p99", "bias p50", "bias p99"
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
            text += &format!("{:<14} {host:<5} {:>7}", row.prober, row.n);
            for cell in cells {
                text += &format!(" {cell:>10}");
            }
            text.push('\n');
        }
        text += &format!(
            "\n{:<14} {:>8} {:>10} {:>10} {:>10} {:>12} {:>10}\n",
            "1,000 targets", "asked/s", "sent/s", "lost", "unstamped", "ms CPU/1,000", "MiB"
        );
        for row in &self.cost {
            let count = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
            text += &format!(
                "{:<14} {:>8} {:>10} {:>10} {:>10} {:>12} {:>10}\n",
                row.prober,
                row.asked_per_s,
                cell(row.sent_per_s),
                count(row.lost),
                count(row.unstamped),
                cell(row.cpu_ms_per_1000),
                cell(row.memory_mib),
            );
        }
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
