//! Adds packets up by ten-second window, pair, direction and protocol.
//!
//! Pure and quick: the relay calls it once per packet. Sorting and writing happen on the writer's thread.

use std::collections::{BTreeMap, HashMap};

use crate::relay::network::{DropReason, Flow};

/// Length of a window, aligned to UTC.
pub const WINDOW_NS: u64 = 10_000_000_000;

/// A window is handed over this long after its end: later than any packet can still be on its way.
const GRACE_NS: u64 = 3_000_000_000;

/// Delays kept per flow and window for its percentiles; beyond it every packet still counts, but the percentiles
/// are those of the first so many (a probe has ten, a throughput test can have a million).
const MAX_SAMPLES: usize = 65_536;

/// What happened to the packets of one flow in one window.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Packets the relay read.
    pub packets: u64,
    /// Packets it dropped, by reason.
    pub dropped: BTreeMap<DropReason, u64>,
    /// Packets it delivered that an incident had held.
    pub held: u64,
    /// Second ones of doubled packets it delivered; in no other count.
    pub duplicated: u64,
    /// Second ones of doubled packets it dropped; in no other count.
    pub duplicates_dropped: u64,
    /// Write time minus read time of each delivered packet, ns.
    pub delays_ns: Vec<u32>,
    /// Write time minus due time of each delivered packet, ns.
    pub late_ns: Vec<u32>,
}

/// A finished window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Its start, UTC nanoseconds; it lasts [`WINDOW_NS`].
    pub start_unix_ns: u64,
    /// Its flows.
    pub flows: HashMap<Flow, Tally>,
}

/// The account of every packet. A packet belongs to the window in which it was read.
#[derive(Debug, Default)]
pub struct Ledger {
    windows: BTreeMap<u64, HashMap<Flow, Tally>>,
}

impl Ledger {
    /// A packet read at `read_unix_ns` was written `delay_ns` later, `late_ns` after it was due.
    pub fn delivered(&mut self, flow: Flow, read_unix_ns: u64, delay_ns: u64, late_ns: u64) {
        let tally = self.tally(flow, read_unix_ns);
        tally.packets += 1;
        if tally.delays_ns.len() < MAX_SAMPLES {
            tally.delays_ns.push(u32::try_from(delay_ns).unwrap_or(u32::MAX));
            tally.late_ns.push(u32::try_from(late_ns).unwrap_or(u32::MAX));
        }
    }

    /// A packet read at `read_unix_ns` was dropped.
    pub fn dropped(&mut self, flow: Flow, read_unix_ns: u64, reason: DropReason) {
        let tally = self.tally(flow, read_unix_ns);
        tally.packets += 1;
        *tally.dropped.entry(reason).or_default() += 1;
    }

    /// Takes one window that ended long enough before `now_unix_ns` for all its packets to have arrived.
    pub fn take_finished(&mut self, now_unix_ns: u64) -> Option<Window> {
        let first = self.windows.first_entry()?;
        (first.key() + WINDOW_NS + GRACE_NS <= now_unix_ns)
            .then(|| first.remove_entry())
            .map(|(start_unix_ns, flows)| Window { start_unix_ns, flows })
    }

    /// Puts a window back that could not be handed over.
    pub fn put_back(&mut self, window: Window) {
        self.windows.insert(window.start_unix_ns, window.flows);
    }

    /// Takes everything, at the end of the world.
    pub fn take_all(&mut self) -> Vec<Window> {
        std::mem::take(&mut self.windows)
            .into_iter()
            .map(|(start_unix_ns, flows)| Window { start_unix_ns, flows })
            .collect()
    }

    /// One of those delivered had been held.
    pub fn held(&mut self, flow: Flow, read_unix_ns: u64) {
        self.tally(flow, read_unix_ns).held += 1;
    }

    /// The second of a doubled packet was delivered, or dropped.
    pub fn doubled(&mut self, flow: Flow, read_unix_ns: u64, delivered: bool) {
        let tally = self.tally(flow, read_unix_ns);
        if delivered {
            tally.duplicated += 1;
        } else {
            tally.duplicates_dropped += 1;
        }
    }

    fn tally(&mut self, flow: Flow, read_unix_ns: u64) -> &mut Tally {
        let start_unix_ns = read_unix_ns - read_unix_ns % WINDOW_NS;
        self.windows
            .entry(start_unix_ns)
            .or_default()
            .entry(flow)
            .or_default()
    }
}

/// Nearest-rank quantile of sorted values (the rank `ceil(q * n)`, counted from 1); `None` of nothing.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "the rank lies between 1 and the length"
)]
pub fn quantile(sorted: &[u32], q: f64) -> Option<u32> {
    let rank = (q * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank.min(sorted.len()).checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::network::Direction;
    use crate::relay::packet::Protocol;

    const FLOW: Flow = Flow {
        pair: 0,
        direction: Direction::Out,
        protocol: Protocol::Udp,
    };

    #[test]
    fn a_packet_belongs_to_the_window_it_was_read_in_and_a_window_waits_for_its_last_packet() {
        let mut ledger = Ledger::default();
        ledger.delivered(FLOW, WINDOW_NS - 1, 5, 0);
        ledger.dropped(FLOW, WINDOW_NS - 1, DropReason::Loss);
        ledger.delivered(FLOW, WINDOW_NS, 7, 0);
        assert_eq!(ledger.take_finished(WINDOW_NS + GRACE_NS - 1), None);
        let window = ledger.take_finished(WINDOW_NS + GRACE_NS).expect("finished");
        let tally = &window.flows[&FLOW];
        assert_eq!(
            (
                window.start_unix_ns,
                tally.packets,
                tally.dropped[&DropReason::Loss]
            ),
            (0, 2, 1)
        );
        assert_eq!(
            ledger.take_finished(WINDOW_NS + GRACE_NS),
            None,
            "the second is not over"
        );

        ledger.put_back(window.clone());
        assert_eq!(ledger.take_all().len(), 2);
    }

    #[test]
    fn quantiles_are_nearest_rank() {
        let values: Vec<u32> = (1..=100).collect();
        assert_eq!(quantile(&values, 0.5), Some(50));
        assert_eq!(quantile(&values, 0.99), Some(99));
        assert_eq!(quantile(&values, 0.0), Some(1));
        assert_eq!(quantile(&values, 1.0), Some(100));
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[7], 0.01), Some(7));
    }
}
