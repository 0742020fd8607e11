//! When a flow stands still: no octet for so long. A slow one does not, however long one message of it takes. Pure; handed times and
//! counts.

use crate::clock::{Monotonic, NS_PER_MS, NS_PER_S};

/// Nothing moved for so long is a stall, at the far end of a test.
pub(super) const STALL_NS: i64 = 2 * NS_PER_S;
/// How often to look while nothing is done.
pub(super) const LOOK_NS: i64 = 250 * NS_PER_MS;

/// Watches one count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pulse {
    moved_at: Monotonic,
    /// `None` before the first look, which alone tells nothing.
    seen: Option<u64>,
}

impl Pulse {
    pub(super) fn new(now: Monotonic) -> Self {
        Self {
            moved_at: now,
            seen: None,
        }
    }

    /// So much has been moved by now; whether it stands still.
    pub(super) fn stands_still(&mut self, now: Monotonic, moved: u64) -> bool {
        if self.seen.replace(moved).is_some_and(|seen| seen != moved) {
            self.moved_at = now;
        }
        now.since_ns(self.moved_at) >= STALL_NS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Monotonic = Monotonic::from_ns(7);

    /// Looks at a line that carries one packet of 1,448 octets as often as its rate allows, until `stops_ns` and for a minute; when it
    /// was taken for a stall.
    fn stalls_ns(bps: u64, stops_ns: i64) -> Option<i64> {
        let mut pulse = Pulse::new(START);
        let packet_ns = 1_448 * 8 * NS_PER_S / bps as i64;
        (1..=240).map(|look| look * LOOK_NS).find(|at_ns| {
            let packets = (*at_ns).min(stops_ns) / packet_ns;
            pulse.stands_still(START.plus_ns(*at_ns), packets as u64 * 1_448)
        })
    }

    #[test]
    fn a_slow_line_is_no_stall_and_one_that_stops_is_one_after_its_time() {
        for bps in [6_000, 10_000, 50_000, 256_000, 1_000_000] {
            assert_eq!(stalls_ns(bps, i64::MAX), None, "{bps}");
        }
        assert_eq!(stalls_ns(1_000_000, 0), Some(STALL_NS));
        // A packet every 250 ms at most, the last of them within the third second.
        let stopped = stalls_ns(50_000, 3 * NS_PER_S).expect("seen");
        assert!(
            (5 * NS_PER_S - LOOK_NS..=5 * NS_PER_S).contains(&stopped),
            "{stopped}"
        );
        // One packet in three seconds is none.
        assert_eq!(stalls_ns(3_800, i64::MAX), Some(STALL_NS));
    }
}
