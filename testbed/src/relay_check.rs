//! `azimuth-testbed relay-check`: how far the relay is from its own schedule, measured on real packets.
//!
//! A world of one vantage point and one zone, 10 ms apart, with a little variation so that deadlines fall anywhere.
//! Two figures come out. *Write minus due* is the relay's error against its schedule. *Kernel minus applied* is what a
//! perfect measurement would see beyond the delay in the ground truth: kernel TX stamp to kernel RX stamp, less
//! (write - read); mostly the relay's wake-up when a packet comes in.

mod traffic;

use std::sync::mpsc::{Receiver, sync_channel};

pub(crate) use traffic::{stamp_departures, transmit_stamp};

use serde::Serialize;

use crate::namespace::RelayPriority;
use crate::plan::Plan;
use crate::relay::network::Direction;
use crate::relay::thread::PacketRecords;
use crate::scenario;
use crate::truth::ledger::quantile;
use crate::truth::writer::{Message, PacketRecord, QUEUE};
use crate::world::fabric::{Fabric, FabricError};

/// The bar: 99 of 100 packets within 0.2 ms of their due time on an idle machine.
pub const BAR_P99_US: f64 = 200.0;

const WORLD: &str = r#"
name = "relay-check"
seed = 1
[network]
ipv4_prefix = "10.79.0.0/16"
ipv6_prefix = "fd79::/16"
path_factor = [1.0, 1.0]
loss_ratio = 0
variation_ms = 0.2
[access.line]
round_trip_ms = 0
variation_ms = 0
sigma = 0.5
down_mbps = 1000
up_mbps = 1000
queue_bytes = 1_000_000
[[isp]]
name = "Free"
asn = 12322
peering_ms = 0
[[vantage_point]]
agent = "check"
name = "Check"
country = "FR"
city = "Paris"
isp = "Free"
access = "line"
latitude = 48.9
longitude = 2.3
[[zone]]
key = "relay/check/1"
country = "FR"
city = "Paris"
latitude = 48.9
longitude = 2.3
round_trip_ms = 10
"#;

/// What to send.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Datagrams to send; each is echoed, so the relay moves twice as many packets.
    pub datagrams: u32,
    /// Time between two of them.
    pub period_us: u64,
}

/// One row of the answer, microseconds.
#[derive(Debug, Clone, Copy, Serialize, PartialEq)]
pub struct Row {
    /// Packets measured.
    pub n: usize,
    /// Median; null when nothing was measured.
    pub p50_us: Option<f64>,
    /// 99th percentile.
    pub p99_us: Option<f64>,
    /// Worst.
    pub max_us: Option<f64>,
}

/// The answer.
#[derive(Debug, Serialize)]
pub struct Answer {
    /// True when the relay's thread had real-time priority.
    pub real_time: bool,
    /// Packets the relay moved each second, both directions.
    pub packets_per_s: f64,
    /// Datagrams sent by the check.
    pub sent: u32,
    /// Echoes that came back.
    pub returned: u32,
    /// The relay's error: write time minus due time, all packets.
    pub write_minus_due: Row,
    /// Kernel-stamped one-way delay minus the delay the relay says it applied, datagrams on their way out.
    pub kernel_minus_applied: Row,
    /// The bar for the 99th percentile of `write_minus_due` on an idle machine.
    pub bar_p99_us: f64,
    /// Whether it was met.
    pub within_bar: bool,
}

/// Runs the check.
///
/// # Errors
/// When the network cannot be built or the probing socket fails.
pub fn run(load: Load) -> Result<Answer, FabricError> {
    let scenario = scenario::parse(WORLD, "relay-check").map_err(std::io::Error::other)?;
    let plan = Plan::of(&scenario);
    let (queue, messages) = sync_channel(QUEUE);
    let collector = std::thread::spawn(move || packets_of(&messages));
    let fabric = Fabric::build(&plan, &queue, PacketRecords::Every, |_| {})?;
    // Only the relay's end is left: the collector ends with the relay.
    drop(queue);
    let real_time = fabric.relay.priority == RelayPriority::RealTime;

    let stamps = traffic::exchange(&fabric, &plan, load)?;

    fabric.finish()?;
    let records = collector
        .join()
        .map_err(|_| std::io::Error::other("the record collector panicked"))?;
    let write_minus_due = row(records
        .iter()
        .filter_map(|record| record.fate.ok())
        .map(|(_, late_ns)| late_ns));
    // Nothing is lost and nothing overtakes in this world, so the n-th record out is the n-th datagram.
    let applied = records
        .iter()
        .filter(|record| record.flow.direction == Direction::Out)
        .filter_map(|record| record.fate.ok());
    let kernel = applied
        .zip(&stamps.one_way_ns)
        .filter_map(|((delay_ns, _), kernel_ns)| {
            kernel_ns.map(|kernel_ns| kernel_ns.saturating_sub(delay_ns))
        });
    let within_bar = write_minus_due.p99_us.is_some_and(|p99_us| p99_us <= BAR_P99_US);
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
    let packets_per_s = records.len() as f64 / (f64::from(load.datagrams) * load.period_us as f64 / 1e6);
    Ok(Answer {
        real_time,
        packets_per_s,
        sent: load.datagrams,
        returned: stamps.returned,
        kernel_minus_applied: row(kernel),
        write_minus_due,
        bar_p99_us: BAR_P99_US,
        within_bar,
    })
}

impl Answer {
    /// The answer as a table for people.
    #[must_use]
    pub fn table(&self) -> String {
        let cell = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
        let line = |name: &str, row: &Row| {
            format!(
                "{name:<34} {:>8} {:>10} {:>10} {:>10}\n",
                row.n,
                cell(row.p50_us),
                cell(row.p99_us),
                cell(row.max_us)
            )
        };
        let priority = if self.real_time {
            "real-time (SCHED_FIFO)"
        } else {
            "ordinary (no right to SCHED_FIFO)"
        };
        let verdict = if self.within_bar { "met" } else { "MISSED" };
        format!(
            "relay priority: {priority}; {:.0} packets/s; {} of {} echoes returned\n{:<34} {:>8} {:>10} {:>10} {:>10}\n{}{}bar for write - due: p99 <= {:.0} us on an idle machine: {verdict}\n",
            self.packets_per_s,
            self.returned,
            self.sent,
            "microseconds",
            "n",
            "p50",
            "p99",
            "max",
            line("write - due (the relay's error)", &self.write_minus_due),
            line("kernel stamps - applied delay", &self.kernel_minus_applied),
            self.bar_p99_us,
        )
    }
}

fn packets_of(messages: &Receiver<Message>) -> Vec<PacketRecord> {
    let batches = messages.iter().filter_map(|message| match message {
        Message::Packets(packets) => Some(packets),
        _ => None,
    });
    batches.flatten().collect()
}

fn row(values_ns: impl Iterator<Item = u64>) -> Row {
    let mut sorted: Vec<u32> = values_ns
        .map(|ns| u32::try_from(ns).unwrap_or(u32::MAX))
        .collect();
    sorted.sort_unstable();
    let us = |ns: u32| f64::from(ns) / 1e3;
    Row {
        n: sorted.len(),
        p50_us: quantile(&sorted, 0.5).map(us),
        p99_us: quantile(&sorted, 0.99).map(us),
        max_us: sorted.last().copied().map(us),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_nothing_is_null_and_its_table_says_so() {
        let nothing = row(std::iter::empty());
        assert_eq!(
            nothing,
            Row {
                n: 0,
                p50_us: None,
                p99_us: None,
                max_us: None
            }
        );
        let answer = Answer {
            real_time: false,
            packets_per_s: 0.0,
            sent: 0,
            returned: 0,
            write_minus_due: nothing,
            kernel_minus_applied: nothing,
            bar_p99_us: BAR_P99_US,
            within_bar: false,
        };
        assert!(answer.table().contains("MISSED"));
    }

    #[test]
    fn the_worlds_own_scenario_is_valid() {
        scenario::parse(WORLD, "relay-check").expect("valid");
    }
}
