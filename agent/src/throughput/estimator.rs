//! When a throughput test has seen enough, and what its rate is. Pure; handed times and octets.
//!
//! The time is cut into windows of about two round trips. While the best window still grows by a quarter within three windows,
//! the flow is ramping up (as BBR leaves its start-up, draft-ietf-ccwg-bbr). The rate is the mean over the last half of what came
//! after: the mean since the start is biased low by the ramp. It has settled when both quarters of that half agree and its windows
//! scatter little enough for their number; what comes of octets arriving in whole packets is no scatter.
//!
//! A rate can settle while the flow still fills the queue before it, and the delay under load would be read too early: while round
//! trips grow, a settled flow goes on for up to a second.
//!
//! A rate that [`losses`](super::losses) will take from a long transfer is no estimate, however steady: the test ends, and what the
//! path carried so far is a lower bound.

use std::collections::VecDeque;

use azimuth_measurement::StopReason;

use super::losses::{LossSample, Losses};
use crate::clock::{Monotonic, NS_PER_MS, NS_PER_S};

/// The shortest and the longest window.
const WINDOW_NS: std::ops::RangeInclusive<i64> = 20 * NS_PER_MS..=50 * NS_PER_MS;
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
/// No estimate before so many round trips, and not before [`LEAST_NS`].
const LEAST_ROUND_TRIPS: i64 = 10;
const LEAST_NS: i64 = 500 * NS_PER_MS;
/// What one packet carries. A window may have one more or less of them than its share.
const PACKET_BITS: f64 = 1_460.0 * 8.0;
/// Fewer packets in the settled half say nothing, however even they are: windows in step with them look steady.
const FEWEST_PACKETS: f64 = 20.0;
/// Packets that the settled half must have for that to be excused: one more or less of all is within [`ERROR_SHARE`].
const LEAST_PACKETS: f64 = 1.0 / ERROR_SHARE;
/// Round trips grow when one is longer by so many percent than one was [`GROWS_OVER_NS`] before.
const GROWS_PERCENT: u64 = 3;
const GROWS_OVER_NS: i64 = 100 * NS_PER_MS;
/// From one look at round trips to the next.
const ROUND_TRIPS_EVERY_NS: i64 = 25 * NS_PER_MS;
/// A settled flow whose round trips grow is ended after this anyway.
const PATIENCE_NS: i64 = NS_PER_S;
/// Windows kept; when there are more, neighbours become one, so that memory stays and long tests still see all of their time.
const MOST_WINDOWS: usize = 2_048;

/// What a test may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets.
    pub max_bytes: u64,
    /// Nanoseconds of load.
    pub max_ns: i64,
    /// Nothing for so long is a stall.
    pub stall_ns: i64,
    /// Go on to a cap when the rate has settled: a test in depth.
    pub to_the_end: bool,
}

impl Limits {
    /// The usual test.
    pub const USUAL: Self = Self {
        max_bytes: 10_000_000,
        max_ns: 2 * NS_PER_S,
        stall_ns: NS_PER_S,
        to_the_end: false,
    };
    /// The test in depth: on demand, never by schedule.
    pub const DEEP: Self = Self {
        max_bytes: 250_000_000,
        max_ns: 8 * NS_PER_S,
        stall_ns: 2 * NS_PER_S,
        to_the_end: true,
    };
}

/// What a test came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Bits per second; 0 when nothing can be said.
    pub bps: u64,
    /// Whether the rate had settled; otherwise it is a lower bound.
    pub settled: bool,
    /// Octets moved.
    pub bytes: u64,
    /// How long the load lasted.
    pub duration_ns: i64,
    /// Why it ended.
    pub stop: StopReason,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    bytes: u64,
    ns: i64,
}

impl Window {
    fn bps(self) -> u64 {
        bps(self.bytes, self.ns)
    }
}

/// Watches one flow.
#[derive(Debug)]
pub struct Estimator {
    limits: Limits,
    window_ns: i64,
    least_ns: i64,
    began: Monotonic,
    /// Where the window under way began, and what had been moved then.
    window_at: Monotonic,
    window_from_bytes: u64,
    windows: Vec<Window>,
    bytes: u64,
    moved_at: Monotonic,
    last_at: Monotonic,
    /// Windows before the ramp-up had ended; `None` while it goes on.
    ramp: Option<usize>,
    settled: bool,
    /// The rate when it had settled and only the queue was waited for: what comes after, losses too, is not its business.
    kept_bps: Option<u64>,
    /// Round trips of the last [`GROWS_OVER_NS`] and the one before them, in microseconds.
    round_trips: VecDeque<(Monotonic, u32)>,
    losses: Losses,
    /// Whether losses would hold a long transfer below the rate.
    held_back: bool,
}

impl Estimator {
    /// Watches a flow that begins at `began`, on a path with this round trip (0 when it is not known).
    #[must_use]
    pub fn new(limits: Limits, round_trip_ns: i64, began: Monotonic) -> Self {
        let round_trip_ns = round_trip_ns.clamp(0, NS_PER_S);
        Self {
            limits,
            window_ns: (2 * round_trip_ns).clamp(*WINDOW_NS.start(), *WINDOW_NS.end()),
            least_ns: LEAST_NS.max(LEAST_ROUND_TRIPS * round_trip_ns),
            began,
            window_at: began,
            window_from_bytes: 0,
            windows: Vec::new(),
            bytes: 0,
            moved_at: began,
            last_at: began,
            ramp: None,
            settled: false,
            kept_bps: None,
            round_trips: VecDeque::new(),
            losses: Losses::new(began),
            held_back: false,
        }
    }

    /// Whether it would be told of the round trip now.
    #[must_use]
    pub fn wants_round_trip(&self, now: Monotonic) -> bool {
        let last = self.round_trips.back();
        last.is_none_or(|(at, _)| now.since_ns(*at) >= ROUND_TRIPS_EVERY_NS)
    }

    /// The flow's own round trip as the kernel has it now, in microseconds; 0 when it has none.
    pub fn note_round_trip(&mut self, now: Monotonic, round_trip_us: u32) {
        if round_trip_us == 0 || !self.wants_round_trip(now) {
            return;
        }
        self.round_trips.push_back((now, round_trip_us));
        let is_old = |at: &Monotonic| now.since_ns(*at) >= GROWS_OVER_NS;
        while self.round_trips.get(1).is_some_and(|(at, _)| is_old(at)) {
            self.round_trips.pop_front();
        }
    }

    /// What the sending end says of its losses; not for a congestion control that does not heed them.
    pub fn note_losses(&mut self, now: Monotonic, sample: LossSample) {
        self.losses.note(now, sample);
        self.held_back = self.losses.hold_back(mean_bps(self.half()));
    }

    /// When to look again, even if nothing moves.
    #[must_use]
    pub fn next_at(&self) -> Monotonic {
        let cap_at = self.began.plus_ns(self.limits.max_ns);
        self.window_at.plus_ns(self.window_ns).min(cap_at)
    }

    /// So many octets had been moved since the start by now. Says when it is enough. Neither time nor octets run backwards
    /// here, whatever the caller's clock or peer says.
    pub fn note(&mut self, now: Monotonic, bytes: u64) -> Option<StopReason> {
        let now = now.max(self.last_at);
        self.last_at = now;
        if bytes > self.bytes {
            self.bytes = bytes;
            self.moved_at = now;
        }
        let window_ns = now.since_ns(self.window_at);
        if window_ns >= self.window_ns {
            self.windows.push(Window {
                bytes: self.bytes - self.window_from_bytes,
                ns: window_ns,
            });
            self.window_at = now;
            self.window_from_bytes = self.bytes;
            self.look();
        }
        let lasted_ns = now.since_ns(self.began);
        if self.kept_bps.is_none() && self.settled && !self.limits.to_the_end && lasted_ns >= self.least_ns {
            self.kept_bps = Some(mean_bps(self.half())).filter(|bps| *bps > 0);
        }
        let is_spent = self.bytes >= self.limits.max_bytes;
        let is_over = self.held_back && self.ramp.is_some() && lasted_ns >= self.least_ns;
        if is_over && !self.limits.to_the_end {
            Some(StopReason::Losses)
        } else if self.kept_bps.is_some() && (is_spent || lasted_ns >= PATIENCE_NS || !self.queue_grows()) {
            Some(StopReason::Stable)
        } else if is_spent {
            Some(StopReason::ByteCap)
        } else if lasted_ns >= self.limits.max_ns {
            Some(StopReason::TimeCap)
        } else if now.since_ns(self.moved_at) >= self.limits.stall_ns {
            Some(StopReason::Stalled)
        } else {
            None
        }
    }

    /// What it comes to when it ends now, for this reason.
    #[must_use]
    pub fn finish(&self, stop: StopReason) -> Estimate {
        let duration_ns = self.last_at.since_ns(self.began);
        // The time of a stall is no part of the rate before it, and the rate before it is no estimate.
        let settled = self.settled && !self.held_back && stop != StopReason::Stalled;
        if let Some(kept) = self.kept_bps.filter(|_| stop == StopReason::Stable) {
            return Estimate {
                bps: kept,
                settled: true,
                bytes: self.bytes,
                duration_ns,
                stop,
            };
        }
        let rate = mean_bps(self.half());
        let settled = settled && rate > 0 && duration_ns >= self.least_ns;
        // Of two rates that the path did carry, the higher is the better bound. Not of the last half alone: what had waited behind a
        // lost packet is counted when that has come, and such a half shows more than the line carries.
        let rate = if settled {
            rate
        } else {
            mean_bps(self.after_ramp()).max(bps(self.bytes, duration_ns))
        };
        Estimate {
            bps: rate,
            settled,
            bytes: self.bytes,
            duration_ns,
            stop,
        }
    }

    /// The rate of the last window, for whoever watches, in bits per second.
    #[must_use]
    pub fn recent_bps(&self) -> u64 {
        self.windows.last().map_or(0, |window| window.bps())
    }

    /// Octets moved so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn look(&mut self) {
        if self.windows.len() > MOST_WINDOWS {
            let joined = self.windows.chunks(2).map(|pair| Window {
                bytes: pair.iter().map(|window| window.bytes).sum(),
                ns: pair.iter().map(|window| window.ns).sum(),
            });
            self.windows = joined.collect();
            self.window_ns *= 2;
            self.ramp = self.ramp.map(|ramp| ramp / 2);
        }
        if self.ramp.is_none() {
            self.ramp = ramp(&self.windows);
        }
        self.settled = self.ramp.is_some() && is_settled(self.half());
        self.held_back = self.losses.hold_back(mean_bps(self.half()));
    }

    fn queue_grows(&self) -> bool {
        let ends = self.round_trips.front().zip(self.round_trips.back());
        ends.is_some_and(|((from, before_us), (to, now_us))| {
            to.since_ns(*from) >= GROWS_OVER_NS
                && u64::from(*now_us) * 100 > u64::from(*before_us) * (100 + GROWS_PERCENT)
        })
    }

    /// The last half of the windows after the ramp-up, or of all while it goes on.
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

fn bps(bytes: u64, ns: i64) -> u64 {
    let bits_in_ns = u128::from(bytes) * 8 * NS_PER_S as u128;
    let rate = bits_in_ns.checked_div(u128::try_from(ns).unwrap_or(0));
    u64::try_from(rate.unwrap_or(0)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
