//! Windows of a flow: when its ramp-up has ended, and whether what came after is steady. Pure. It does not say what a window counts:
//! octets that were read, or packets that arrived.

use crate::clock::NS_PER_S;

/// Growth of the best window, in percent, that is still ramping up.
const GROWTH_PERCENT: u64 = 25;
/// Windows without such growth that end the ramp-up.
const FLAT_WINDOWS: usize = 3;
/// Windows that the settled half must have.
const LEAST_WINDOWS: usize = 6;
/// Most that the two quarters of the settled half may differ, as a share.
const QUARTERS_SHARE: f64 = 0.03;
/// Most that the standard error of the mean of its windows may be, as a share of the mean.
const ERROR_SHARE: f64 = 0.015;
/// What one packet carries. A window may have one more or less of them than its share.
pub(super) const PACKET_BYTES: u64 = 1_460;
const PACKET_BITS: f64 = PACKET_BYTES as f64 * 8.0;
/// Fewer packets in the settled half say nothing, however even they are: windows in step with them look steady.
const FEWEST_PACKETS: f64 = 20.0;
/// Packets that the settled half must have for that to be excused: one more or less of all is within [`ERROR_SHARE`].
const LEAST_PACKETS: f64 = 1.0 / ERROR_SHARE;
/// Windows kept; when there are more, neighbours become one, so that memory stays and long tests still see all of their time.
pub(super) const MOST_WINDOWS: usize = 2_048;

#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    bytes: u64,
    ns: i64,
}

impl Window {
    pub(super) fn bps(self) -> u64 {
        bps(self.bytes, self.ns)
    }
}

/// What came window by window, and what can be said of it.
#[derive(Debug, Default)]
pub(super) struct Track {
    pub(super) windows: Vec<Window>,
    /// Windows before the ramp-up had ended; `None` while it goes on.
    ramp: Option<usize>,
    settled: bool,
}

impl Track {
    /// One window more.
    pub(super) fn push(&mut self, bytes: u64, ns: i64) {
        self.windows.push(Window { bytes, ns });
        if self.ramp.is_none() {
            self.ramp = ramp(&self.windows);
        }
        self.settled = self.ramp.is_some() && is_settled(self.half());
    }

    /// Joins neighbours if there are very many; whether it did.
    pub(super) fn join(&mut self) -> bool {
        if self.windows.len() <= MOST_WINDOWS {
            return false;
        }
        let joined = self.windows.chunks(2).map(|pair| Window {
            bytes: pair.iter().map(|window| window.bytes).sum(),
            ns: pair.iter().map(|window| window.ns).sum(),
        });
        self.windows = joined.collect();
        self.ramp = self.ramp.map(|ramp| ramp / 2);
        true
    }

    /// Whether the ramp-up has ended.
    pub(super) fn is_up(&self) -> bool {
        self.ramp.is_some()
    }

    /// Whether the last half of what came after the ramp-up is steady.
    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }

    /// The rate of that half, or of all while the ramp-up goes on.
    pub(super) fn half_bps(&self) -> u64 {
        mean_bps(self.half())
    }

    /// The rate of all that came after the ramp-up.
    pub(super) fn after_ramp_bps(&self) -> u64 {
        mean_bps(self.after_ramp())
    }

    /// The rate of the last window.
    pub(super) fn last_bps(&self) -> u64 {
        self.windows.last().map_or(0, |window| window.bps())
    }

    fn half(&self) -> &[Window] {
        let after = self.after_ramp();
        &after[after.len() / 2..]
    }

    fn after_ramp(&self) -> &[Window] {
        &self.windows[self.ramp.unwrap_or(0).min(self.windows.len())..]
    }
}

/// How many windows the ramp-up took, once it has ended: up to the first whose best is not beaten by a quarter within the next.
fn ramp(windows: &[Window]) -> Option<usize> {
    let (flat, before) = windows
        .len()
        .checked_sub(FLAT_WINDOWS)
        .map(|at| (&windows[at..], &windows[..at]))?;
    let best = |windows: &[Window]| windows.iter().map(|window| window.bps()).max();
    let before_bps = best(before).filter(|bps| *bps > 0)?;
    let flat_bps = best(flat)?;
    (flat_bps <= before_bps.saturating_mul(100 + GROWTH_PERCENT) / 100).then_some(before.len())
}

fn is_settled(half: &[Window]) -> bool {
    if half.len() < LEAST_WINDOWS {
        return false;
    }
    let packets = total_ns(half) as f64 / NS_PER_S as f64 * mean_bps(half) as f64 / PACKET_BITS;
    let in_packets = if packets >= LEAST_PACKETS { 1.0 } else { 0.0 };
    packets >= FEWEST_PACKETS && agrees(half, in_packets)
}

/// Whether its quarters and its windows agree, each within so many packets more than they may scatter.
fn agrees(half: &[Window], packets: f64) -> bool {
    let (first, second) = half.split_at(half.len() / 2);
    let mean = mean_bps(half) as f64;
    let slack_bps = |ns: i64| packets * PACKET_BITS * NS_PER_S as f64 / ns as f64;
    let quarter_ns = total_ns(first).min(total_ns(second));
    let apart = mean_bps(first).abs_diff(mean_bps(second)) as f64 - slack_bps(quarter_ns);
    if mean <= 0.0 || apart > mean * QUARTERS_SHARE {
        return false;
    }
    let n = half.len() as f64;
    let squares = half.iter().map(|window| {
        let off = (window.bps() as f64 - mean).abs() - slack_bps(window.ns);
        off.max(0.0).powi(2)
    });
    let deviation = (squares.sum::<f64>() / (n - 1.0)).sqrt();
    deviation / n.sqrt() <= mean * ERROR_SHARE
}

fn total_ns(windows: &[Window]) -> i64 {
    windows.iter().map(|window| window.ns).sum::<i64>().max(1)
}

fn mean_bps(windows: &[Window]) -> u64 {
    let bytes = windows.iter().map(|window| window.bytes).sum();
    bps(bytes, total_ns(windows))
}

/// Octets in nanoseconds as bits per second.
pub(super) fn bps(bytes: u64, ns: i64) -> u64 {
    let bits_in_ns = u128::from(bytes) * 8 * NS_PER_S as u128;
    let rate = bits_in_ns.checked_div(u128::try_from(ns).unwrap_or(0));
    u64::try_from(rate.unwrap_or(0)).unwrap_or(u64::MAX)
}
