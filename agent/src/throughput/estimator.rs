//! When a throughput test has seen enough, and what its rate is. Pure; handed times and octets.
//!
//! The time is cut into windows of about two round trips. While the best window still grows by a quarter within three windows,
//! the flow is ramping up (as BBR leaves its start-up, draft-ietf-ccwg-bbr). The rate is the mean over the last half of what came
//! after: the mean since the start is biased low by the ramp. It has settled when both quarters of that half agree and its windows
//! scatter little enough for their number; what comes of octets arriving in whole packets is no scatter.
//!
//! Octets are read in order, so that behind a lost packet nothing comes for a round trip, and then much at once: such a flow never
//! looks settled, however steady the line. What arrives does, and the receiving end's kernel counts it in packets, or the sending
//! end's as what was told delivered. Where the octets have not settled and the packets have, the rate is theirs, times what one
//! carries. Not by a congestion control that slows down for losses: there a rate that is steady between two of them is no rate of
//! the path.
//!
//! A rate can settle while the flow still fills the queue before it, and the delay under load would be read too early: while round
//! trips grow, a settled flow goes on for up to a second.
//!
//! A rate that [`losses`](super::losses) will take from a long transfer is no estimate, however steady: the test ends, and what the
//! path carried so far is a lower bound.

use std::collections::VecDeque;

use azimuth_measurement::StopReason;

use self::track::{PACKET_BYTES, Track, bps};
use super::losses::{LossSample, Losses};
use crate::clock::{Monotonic, NS_PER_MS, NS_PER_S};

mod track;

/// The shortest and the longest window.
const WINDOW_NS: std::ops::RangeInclusive<i64> = 20 * NS_PER_MS..=50 * NS_PER_MS;
/// No estimate before so many round trips, and not before [`LEAST_NS`].
const LEAST_ROUND_TRIPS: i64 = 10;
const LEAST_NS: i64 = 500 * NS_PER_MS;
/// Round trips grow when one is longer by so many percent than one was [`GROWS_OVER_NS`] before.
const GROWS_PERCENT: u64 = 3;
const GROWS_OVER_NS: i64 = 100 * NS_PER_MS;
/// From one look at round trips to the next.
const ROUND_TRIPS_EVERY_NS: i64 = 25 * NS_PER_MS;
/// Fewer packets do not say what one carries.
const LEAST_PAYLOAD_PACKETS: u64 = 100;
/// A settled flow whose round trips grow is ended after this anyway.
const PATIENCE_NS: i64 = NS_PER_S;
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
    /// Packets that the kernel has seen arrive, and how many when the window began.
    packets: u64,
    window_from_packets: u64,
    /// Octets that were read, in order.
    read: Track,
    /// Packets that arrived, in whatever order, each as if it carried [`PACKET_BYTES`].
    arrived: Track,
    /// What each carries: the most octets read for the packets that had arrived. Less is read while one is missing.
    payload: Option<f64>,
    bytes: u64,
    moved_at: Monotonic,
    last_at: Monotonic,
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
            packets: 0,
            window_from_packets: 0,
            read: Track::default(),
            arrived: Track::default(),
            payload: None,
            bytes: 0,
            moved_at: began,
            last_at: began,
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
        self.held_back = self.losses.hold_back(self.read.half_bps());
    }

    /// Whether it would be told of packets now: a window ends.
    #[must_use]
    pub fn wants_packets(&self, now: Monotonic) -> bool {
        now.since_ns(self.window_at) >= self.window_ns
    }

    /// So many packets with octets in them have arrived at the receiving end since the start, in whatever order.
    pub fn note_packets(&mut self, packets: u64) {
        self.packets = self.packets.max(packets);
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
            self.end_window(window_ns);
            self.window_at = now;
        }
        let lasted_ns = now.since_ns(self.began);
        if self.kept_bps.is_none() && !self.limits.to_the_end && lasted_ns >= self.least_ns {
            self.kept_bps = self.settled_bps();
        }
        let is_spent = self.bytes >= self.limits.max_bytes;
        // Which will be no estimate: what else came would only cost.
        let is_long_enough = lasted_ns >= self.least_ns || self.losses.are_certain();
        let is_over = self.held_back && self.read.is_up() && is_long_enough;
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
        if let Some(kept) = self.kept_bps.filter(|_| stop == StopReason::Stable) {
            return Estimate {
                bps: kept,
                settled: true,
                bytes: self.bytes,
                duration_ns,
                stop,
            };
        }
        // The time of a stall is no part of the rate before it, and the rate before it is no estimate.
        let steady = !self.held_back && stop != StopReason::Stalled && duration_ns >= self.least_ns;
        let settled = self.settled_bps().filter(|_| steady);
        // Of two rates that the path did carry, the higher is the better bound. Not of the last half alone: what had waited behind a
        // lost packet is counted when that has come, and such a half shows more than the line carries.
        let bound = || self.read.after_ramp_bps().max(bps(self.bytes, duration_ns));
        Estimate {
            bps: settled.unwrap_or_else(bound),
            settled: settled.is_some(),
            bytes: self.bytes,
            duration_ns,
            stop,
        }
    }

    /// The rate of the last window, for whoever watches, in bits per second.
    #[must_use]
    pub fn recent_bps(&self) -> u64 {
        self.read.last_bps()
    }

    /// Octets moved so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn end_window(&mut self, ns: i64) {
        if self.read.join() | self.arrived.join() {
            self.window_ns *= 2;
        }
        let packets = self.packets - self.window_from_packets;
        self.read.push(self.bytes - self.window_from_bytes, ns);
        self.arrived.push(packets.saturating_mul(PACKET_BYTES), ns);
        self.window_from_bytes = self.bytes;
        self.window_from_packets = self.packets;
        if self.packets >= LEAST_PAYLOAD_PACKETS {
            let payload = self.bytes as f64 / self.packets as f64;
            self.payload = Some(self.payload.unwrap_or(0.0).max(payload));
        }
        self.held_back = self.losses.hold_back(self.read.half_bps());
    }

    /// The rate, where it has settled: by what was read, or where that swings because what follows a lost packet is only read when
    /// that has come, by what arrived.
    fn settled_bps(&self) -> Option<u64> {
        let arrived_bps =
            |payload: f64| (self.arrived.half_bps() as f64 * payload / PACKET_BYTES as f64) as u64;
        let bps = if self.read.is_settled() {
            Some(self.read.half_bps())
        } else if self.arrived.is_settled() && !self.losses.are_told() {
            self.payload.map(arrived_bps)
        } else {
            None
        };
        bps.filter(|bps| *bps > 0)
    }

    fn queue_grows(&self) -> bool {
        let ends = self.round_trips.front().zip(self.round_trips.back());
        ends.is_some_and(|((from, before_us), (to, now_us))| {
            to.since_ns(*from) >= GROWS_OVER_NS
                && u64::from(*now_us) * 100 > u64::from(*before_us) * (100 + GROWS_PERCENT)
        })
    }
}

#[cfg(test)]
mod tests;
