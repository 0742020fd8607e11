//! One trace: probes to distances 1, 2, 3... until the target answers, round after round. Pure; handed the time.
//!
//! The caller turns the handle: sends what [`poll_send`](Trace::poll_send) asks for, reports answers, sleeps until
//! [`poll_timeout`](Trace::poll_timeout). Rounds rather than all probes to one distance at once: routers answer only so
//! many a second, and the first round already says where the path ends.
//!
//! Bounded: at most [`TracePlan::max_hops`] distances, [`TracePlan::silent_hops`] beyond the last that answered, and
//! [`TracePlan::window`] packets under way.

use std::collections::BTreeMap;
use std::net::IpAddr;

use azimuth_measurement::path::{MAX_HOP_ADDRESSES, MAX_HOPS};
use azimuth_measurement::{ErrorKind, Path, PathHop};

use crate::clock::{Monotonic, NS_PER_MS};

/// Bounds of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TracePlan {
    /// The farthest distance probed, at most [`MAX_HOPS`].
    pub max_hops: u8,
    /// Probes to each distance.
    pub rounds: u32,
    /// Most packets under way at once. 1 where answers do not say to which packet they are.
    pub window: usize,
    /// From one packet to the next.
    pub gap_ns: i64,
    /// After this long without an answer a packet is lost.
    pub waiting_time_ns: i64,
    /// Silent distances in a row after which nothing farther is tried.
    pub silent_hops: u8,
}

impl Default for TracePlan {
    fn default() -> Self {
        Self {
            max_hops: 30,
            rounds: 3,
            window: 6,
            // Fifty packets a second, to many routers: no burden to any.
            gap_ns: 20 * NS_PER_MS,
            // Shorter than the second after which a TCP SYN is sent again, which would be an answer to nothing asked.
            waiting_time_ns: 900 * NS_PER_MS,
            silent_hops: 6,
        }
    }
}

/// A packet to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sending {
    /// Its number, which its answer names.
    pub id: u16,
    /// How many routers it may pass.
    pub hops: u8,
}

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// The packet arrived at the target.
    Arrived,
    /// Instead of passing the packet on.
    Error(ErrorKind),
}

/// An answer to one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// To which packet; `None` when the router quoted too little of it to tell.
    pub id: Option<u16>,
    /// Who answered.
    pub from: IpAddr,
    /// What it says.
    pub said: Said,
    /// After how long, in microseconds.
    pub delay_us: u32,
}

#[derive(Clone, Debug, Default)]
struct Distance {
    addresses: Vec<IpAddr>,
    sent: u32,
    delays_us: Vec<u32>,
    under_way: u32,
}

impl Distance {
    fn is_silent(&self) -> bool {
        self.delays_us.is_empty()
    }
}

/// One trace under way or done.
#[derive(Debug)]
pub struct Trace {
    plan: TracePlan,
    target: IpAddr,
    /// From distance 1.
    distances: Vec<Distance>,
    /// The distance at which the path ends, once known.
    end: Option<u8>,
    reached: bool,
    /// Who would pass nothing on, and why.
    blocked: Option<(IpAddr, ErrorKind)>,
    round: u32,
    next_hops: u8,
    next_id: u16,
    next_send_at: Monotonic,
    under_way: BTreeMap<u16, (u8, Monotonic)>,
    unattributed: u64,
    stopped: bool,
}

impl Trace {
    /// A trace to `target` that begins now.
    #[must_use]
    pub fn new(plan: TracePlan, target: IpAddr, now: Monotonic) -> Self {
        Self {
            plan: TracePlan {
                max_hops: plan.max_hops.clamp(1, MAX_HOPS as u8),
                window: plan.window.max(1),
                ..plan
            },
            target,
            distances: Vec::new(),
            end: None,
            reached: false,
            blocked: None,
            round: 0,
            next_hops: 1,
            next_id: 0,
            next_send_at: now,
            under_way: BTreeMap::new(),
            unattributed: 0,
            stopped: false,
        }
    }

    /// The packet to send now, if any.
    pub fn poll_send(&mut self, now: Monotonic) -> Option<Sending> {
        if now < self.next_send_at || self.under_way.len() >= self.plan.window || !self.settle_turn() {
            return None;
        }
        let sending = Sending {
            id: self.next_id,
            hops: self.next_hops,
        };
        let at = usize::from(sending.hops);
        if self.distances.len() < at {
            self.distances.resize_with(at, Distance::default);
        }
        let distance = &mut self.distances[at - 1];
        distance.sent += 1;
        distance.under_way += 1;
        self.under_way.insert(sending.id, (sending.hops, now));
        self.next_id = self.next_id.wrapping_add(1);
        self.next_hops += 1;
        self.next_send_at = now.plus_ns(self.plan.gap_ns);
        Some(sending)
    }

    /// Moves on to the next round where this one is over. Says whether there is something to send.
    fn settle_turn(&mut self) -> bool {
        if self.next_hops > self.last_distance() {
            // In the first round answers still under way decide whether it goes farther.
            if self.round == 0 && self.end.is_none() && !self.under_way.is_empty() {
                return false;
            }
            self.round += 1;
            self.next_hops = 1;
        }
        !self.stopped && self.round < self.plan.rounds
    }

    /// The farthest distance worth a packet, as far as is known.
    fn last_distance(&self) -> u8 {
        let answered = self.distances.iter().rposition(|distance| !distance.is_silent());
        let answered = answered.map_or(0, |index| index + 1) as u8;
        let worth = answered
            .saturating_add(self.plan.silent_hops.max(1))
            .min(self.plan.max_hops);
        self.end.map_or(worth, |end| end.min(worth))
    }

    /// The packet could not be sent; it counts for nothing.
    pub fn handle_send_error(&mut self, id: u16) {
        if let Some((hops, _)) = self.under_way.remove(&id)
            && let Some(distance) = self.distances.get_mut(usize::from(hops) - 1)
        {
            distance.sent -= 1;
            distance.under_way -= 1;
        }
    }

    /// Takes an answer. One to no packet under way is nothing.
    pub fn handle_answer(&mut self, answer: Answer, now: Monotonic) {
        let id = match answer.id {
            Some(id) => id,
            None if self.under_way.len() == 1 => self.under_way.keys().next().copied().unwrap_or_default(),
            None => return self.begin_again_one_by_one(now),
        };
        let Some((hops, _)) = self.under_way.remove(&id) else {
            return;
        };
        let Some(distance) = self.distances.get_mut(usize::from(hops) - 1) else {
            return;
        };
        distance.under_way -= 1;
        distance.delays_us.push(answer.delay_us);
        if !distance.addresses.contains(&answer.from) && distance.addresses.len() < MAX_HOP_ADDRESSES {
            distance.addresses.push(answer.from);
        }
        let arrived = answer.said == Said::Arrived
            || answer.from == self.target && answer.said != Said::Error(ErrorKind::TtlExceeded);
        let refused = match answer.said {
            Said::Error(
                kind @ (ErrorKind::NetUnreachable
                | ErrorKind::HostUnreachable
                | ErrorKind::PortUnreachable
                | ErrorKind::AdminProhibited),
            ) if !arrived => Some(kind),
            _ => None,
        };
        if arrived {
            // A router before the target may have said no to some packet; that the target is reached weighs more.
            self.end = Some(if self.reached {
                self.end.map_or(hops, |end| end.min(hops))
            } else {
                hops
            });
            (self.reached, self.blocked) = (true, None);
        } else if let Some(kind) = refused
            && !self.reached
        {
            self.end = Some(self.end.map_or(hops, |end| end.min(hops)));
            self.blocked = Some((answer.from, kind));
        }
        if let Some(end) = self.end {
            // What is under way beyond the end says nothing any more.
            self.under_way.retain(|_, (hops, _)| *hops <= end);
            self.distances.truncate(end.into());
        }
    }

    /// Some routers quote only ports, which are the same in every packet. With one packet under way that is enough.
    fn begin_again_one_by_one(&mut self, now: Monotonic) {
        self.unattributed += 1;
        if self.plan.window == 1 {
            return;
        }
        self.plan.window = 1;
        self.distances.clear();
        self.under_way.clear();
        (self.end, self.reached, self.blocked) = (None, false, None);
        (self.round, self.next_hops) = (0, 1);
        // Answers to what was sent so far must not be taken for answers to what comes.
        self.next_send_at = now.plus_ns(self.plan.waiting_time_ns);
    }

    /// Gives up what has waited too long.
    pub fn handle_timeout(&mut self, now: Monotonic) {
        let waiting_time_ns = self.plan.waiting_time_ns;
        let distances = &mut self.distances;
        self.under_way.retain(|_, (hops, sent_at)| {
            let waits = now.since_ns(*sent_at) < waiting_time_ns;
            if !waits && let Some(distance) = distances.get_mut(usize::from(*hops) - 1) {
                distance.under_way -= 1;
            }
            waits
        });
    }

    /// Sends nothing more; what is under way is counted as not sent.
    pub fn stop(&mut self) {
        self.stopped = true;
        for (hops, _) in std::mem::take(&mut self.under_way).into_values() {
            if let Some(distance) = self.distances.get_mut(usize::from(hops) - 1) {
                distance.sent -= 1;
                distance.under_way -= 1;
            }
        }
    }

    /// When the handle must be turned again; `None` once the trace is done.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Monotonic> {
        let lost_at = self
            .under_way
            .values()
            .map(|(_, sent_at)| sent_at.plus_ns(self.plan.waiting_time_ns))
            .min();
        if self.is_done() {
            return None;
        }
        let may_send = !self.stopped && self.under_way.len() < self.plan.window && self.may_go_on();
        let send_at = may_send.then_some(self.next_send_at);
        lost_at.into_iter().chain(send_at).min()
    }

    fn may_go_on(&self) -> bool {
        if self.next_hops <= self.last_distance() {
            return self.round < self.plan.rounds;
        }
        let decided = self.round > 0 || self.end.is_some() || self.under_way.is_empty();
        decided && self.round + 1 < self.plan.rounds
    }

    /// Whether nothing more is sent and nothing waited for.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.under_way.is_empty() && (self.stopped || !self.may_go_on())
    }

    /// Answers whose packet could not be told.
    #[must_use]
    pub fn unattributed(&self) -> u64 {
        self.unattributed
    }

    /// Who passed nothing on, and why; `None` when the target was reached or nobody said so.
    #[must_use]
    pub fn blocked(&self) -> Option<(IpAddr, ErrorKind)> {
        self.blocked
    }

    /// What is known so far.
    #[must_use]
    pub fn path(&self) -> Path {
        let known = self.distances.iter().rposition(|distance| !distance.is_silent());
        let hops = self.distances.iter().take(known.map_or(0, |last| last + 1));
        Path {
            hops: hops.map(hop).collect(),
            reached: self.reached,
        }
    }
}

fn hop(distance: &Distance) -> PathHop {
    let mut delays_us = distance.delays_us.clone();
    delays_us.sort_unstable();
    PathHop {
        addresses: distance.addresses.clone(),
        // What is still under way is neither lost nor answered.
        sent: distance.sent - distance.under_way,
        answered: delays_us.len() as u32,
        min_us: delays_us.first().copied(),
        median_us: delays_us.get(delays_us.len().saturating_sub(1) / 2).copied(),
    }
}

#[cfg(test)]
mod tests;
