//! The emulated network as a state machine: packets go in with a time, and come out when they are due.
//!
//! Pure: it is told the time and never asks for it. `handle_packet` takes a packet, `next_deadline` says when to
//! come back, `poll` hands out what is due by then. The thread around it is [`super::thread`].
//!
//! Order is kept: packets of one pair and direction never overtake one another, as on a real route; a shorter delay
//! drawn for the second one waits for the first. Only a packet that an incident holds is overtaken, and only then is one doubled.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::IpAddr;

use super::conditions::Conditions;
use super::packet::{Protocol, header};
use crate::path::dice::Dice;
use crate::path::line::Line;
use crate::plan::{NodeIndex, Plan};

/// Packets the network holds at most; one more is dropped as `relay_full`. At 1,500 bytes about 100 MB.
pub const MAX_IN_FLIGHT: usize = 65_536;

/// Which way a packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// From the vantage point to the zone.
    Out,
    /// From the zone back.
    Back,
}

impl Direction {
    /// The word in the ground truth.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Out => "out",
            Self::Back => "back",
        }
    }
}

/// What the ground truth groups packets by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Flow {
    /// Index into the plan's pairs.
    pub pair: usize,
    /// Out or back.
    pub direction: Direction,
    /// Protocol above IP.
    pub protocol: Protocol,
}

/// Why the network dropped a packet that belonged to a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DropReason {
    /// Bad luck on the way, background or incident.
    Loss,
    /// The access line's queue was full.
    QueueFull,
    /// The zone answers nobody at the moment.
    ZoneOutage,
    /// [`MAX_IN_FLIGHT`] packets were on their way.
    RelayFull,
    /// The kernel did not take the packet at its destination.
    DeviceRefused,
}

impl DropReason {
    /// The word in the ground truth.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::QueueFull => "queue_full",
            Self::ZoneOutage => "zone_outage",
            Self::RelayFull => "relay_full",
            Self::DeviceRefused => "device_refused",
        }
    }
}

/// Why a packet belonged to no pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StrayReason {
    /// Neither IPv4 nor IPv6.
    Malformed,
    /// Its source is not the address of the node that sent it.
    ForeignSource,
    /// Its destination is nowhere in this world, or not across it (zone to zone).
    NoRoute,
}

impl StrayReason {
    /// The word in the ground truth.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::ForeignSource => "foreign_source",
            Self::NoRoute => "no_route",
        }
    }
}

/// A packet that did not enter the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Dropped on its pair's account.
    Dropped(Flow, DropReason),
    /// It belonged to no pair.
    Stray(StrayReason),
}

/// What comes out of the network.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Write this packet now.
    Deliver(Delivery),
    /// A packet was dropped on its way.
    Dropped {
        /// Whose packet.
        flow: Flow,
        /// When the relay had read it.
        read_at_ns: u64,
        /// It was the second of a packet that was doubled on the way.
        copy: bool,
        /// Why.
        reason: DropReason,
    },
}

/// A packet that has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Where it arrived.
    pub to: NodeIndex,
    /// Whose packet.
    pub flow: Flow,
    /// When the relay had read it.
    pub read_at_ns: u64,
    /// When it should be written.
    pub due_at_ns: u64,
    /// It was held so that others may overtake it.
    pub held: bool,
    /// It is the second of a packet that was doubled on the way.
    pub copy: bool,
    /// The packet, IP header first.
    pub packet: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It reaches the vantage point's downlink.
    AtDownlink,
    /// It reaches its destination.
    AtDestination,
}

struct InFlight {
    at_ns: u64,
    /// Ties are broken by age, so that the heap is first in, first out.
    sequence: u64,
    stage: Stage,
    delivery: Delivery,
}

impl InFlight {
    fn order(&self) -> (u64, u64) {
        (self.at_ns, self.sequence)
    }
}

impl PartialEq for InFlight {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for InFlight {}

impl PartialOrd for InFlight {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for InFlight {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

/// One direction of one pair.
struct Lane {
    dice: Dice,
    /// Its own, so that the luck of delay and loss is what it would be without disorder.
    disorder_dice: Dice,
    /// When its last packet leaves it.
    last_ns: u64,
}

/// A vantage point's access line.
struct Access {
    up: Line,
    down: Line,
    dice: Dice,
    last_down_ns: u64,
}

/// Everything between the vantage points and the zones.
pub struct Network {
    plan: Plan,
    routes: HashMap<IpAddr, NodeIndex>,
    conditions: Conditions,
    lanes: Vec<[Lane; 2]>,
    access: Vec<Access>,
    in_flight: BinaryHeap<Reverse<InFlight>>,
    sequence: u64,
}

impl Network {
    /// The empty network of a plan at time 0.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let routes = plan
            .addresses()
            .enumerate()
            .flat_map(|(index, (ipv4, ipv6))| {
                [
                    (IpAddr::from(ipv4), NodeIndex(index)),
                    (IpAddr::from(ipv6), NodeIndex(index)),
                ]
            })
            .collect();
        let lane = |pair: usize, direction: Direction| {
            let (point, zone) = plan.ends_of(pair);
            let subject = [
                "lane",
                point.agent.as_str(),
                &zone.key.to_string(),
                direction.as_str(),
            ];
            let [_, agent, zone, direction] = subject;
            Lane {
                dice: Dice::of(plan.seed, &subject),
                disorder_dice: Dice::of(plan.seed, &["disorder", agent, zone, direction]),
                last_ns: 0,
            }
        };
        let lanes = (0..plan.pairs.len())
            .map(|pair| [lane(pair, Direction::Out), lane(pair, Direction::Back)])
            .collect();
        let access = plan
            .vantage_points
            .iter()
            .map(|point| Access {
                up: Line::new(point.access.up_mbps.get() * 1e6, point.access.queue_bytes),
                down: Line::new(point.access.down_mbps.get() * 1e6, point.access.queue_bytes),
                dice: Dice::of(plan.seed, &["access", point.agent.as_str()]),
                last_down_ns: 0,
            })
            .collect();
        let conditions = Conditions::at(&plan, 0);
        Self {
            plan,
            routes,
            conditions,
            lanes,
            access,
            in_flight: BinaryHeap::new(),
            sequence: 0,
        }
    }

    /// Takes a packet that node `from` sent and the relay has read at `now_ns`.
    ///
    /// # Errors
    /// [`Refusal`] when the packet goes no further; the caller keeps the account.
    pub fn handle_packet(&mut self, now_ns: u64, from: NodeIndex, packet: Vec<u8>) -> Result<(), Refusal> {
        self.refresh_conditions(now_ns);
        let (flow, to) = self.route(from, &packet).map_err(Refusal::Stray)?;
        let dropped = |reason| Err(Refusal::Dropped(flow, reason));
        let (vantage_point, zone) = (
            flow.pair / self.plan.zones.len(),
            flow.pair % self.plan.zones.len(),
        );
        if self.conditions.zone_down[zone] {
            return dropped(DropReason::ZoneOutage);
        }
        if self.in_flight.len() >= MAX_IN_FLIGHT {
            return dropped(DropReason::RelayFull);
        }
        let lane = &mut self.lanes[flow.pair][flow.direction as usize];
        let pair = &self.plan.pairs[flow.pair];
        // Both are thrown for every packet, so that one packet's fate never shifts the luck of the next.
        let lost = lane.dice.happens(self.conditions.loss_ratio[flow.pair]);
        let variation_ns = whole_ns(lane.dice.lognormal(pair.variation_ns, pair.sigma));
        let disorder = self.conditions.disorder[flow.pair];
        let doubled = lane.disorder_dice.happens(disorder.duplication_ratio);
        let held = lane.disorder_dice.happens(disorder.held_ratio);
        if lost {
            return dropped(DropReason::Loss);
        }
        let entered_ns = match flow.direction {
            Direction::Out => match self.access[vantage_point].up.offer(now_ns, packet.len()) {
                Ok(done_ns) => done_ns,
                Err(_) => return dropped(DropReason::QueueFull),
            },
            Direction::Back => now_ns,
        };
        let transit_ns = pair.one_way_ns + variation_ns + self.conditions.added_ns[flow.pair];
        let in_order_ns = lane.last_ns.max(entered_ns + transit_ns);
        let at_ns = if held {
            in_order_ns + disorder.held_ns
        } else {
            lane.last_ns = in_order_ns;
            in_order_ns
        };
        let stage = match flow.direction {
            Direction::Out => Stage::AtDestination,
            Direction::Back => Stage::AtDownlink,
        };
        let delivery = Delivery {
            to,
            flow,
            read_at_ns: now_ns,
            due_at_ns: at_ns,
            held,
            copy: false,
            packet,
        };
        let copy = doubled.then(|| Delivery {
            copy: true,
            ..delivery.clone()
        });
        for delivery in [Some(delivery), copy].into_iter().flatten() {
            self.push(at_ns, stage, delivery);
        }
        Ok(())
    }

    /// When [`Network::poll`] will next have something to say; `None` while nothing is on its way.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        self.in_flight.peek().map(|Reverse(first)| first.at_ns)
    }

    /// The next thing that has happened by `now_ns`; call until it says `None`.
    pub fn poll(&mut self, now_ns: u64) -> Option<Outcome> {
        while self.next_deadline().is_some_and(|at_ns| at_ns <= now_ns) {
            let Reverse(InFlight {
                at_ns,
                stage,
                mut delivery,
                ..
            }) = self.in_flight.pop()?;
            if stage == Stage::AtDestination {
                return Some(Outcome::Deliver(delivery));
            }
            match self.leave_downlink(at_ns, &delivery) {
                Ok(due_at_ns) => {
                    delivery.due_at_ns = due_at_ns;
                    self.push(due_at_ns, Stage::AtDestination, delivery);
                }
                Err(reason) => {
                    let Delivery {
                        flow,
                        read_at_ns,
                        copy,
                        ..
                    } = delivery;
                    return Some(Outcome::Dropped {
                        flow,
                        read_at_ns,
                        copy,
                        reason,
                    });
                }
            }
        }
        None
    }

    /// Packets on their way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    fn push(&mut self, at_ns: u64, stage: Stage, delivery: Delivery) {
        self.sequence += 1;
        self.in_flight.push(Reverse(InFlight {
            at_ns,
            sequence: self.sequence,
            stage,
            delivery,
        }));
    }

    /// The downlink at `at_ns`: its own rate and queue, and on top what a congestion incident keeps standing in it.
    fn leave_downlink(&mut self, at_ns: u64, delivery: &Delivery) -> Result<u64, DropReason> {
        self.refresh_conditions(at_ns);
        let vantage_point = delivery.flow.pair / self.plan.zones.len();
        let access = &mut self.access[vantage_point];
        let mut due_ns = access
            .down
            .offer(at_ns, delivery.packet.len())
            .map_err(|_| DropReason::QueueFull)?;
        if let Some(congestion) = self.conditions.congestion[vantage_point] {
            if access.dice.happens(congestion.loss_ratio) {
                return Err(DropReason::QueueFull);
            }
            due_ns += congestion.queue_at(self.plan.seed, vantage_point, at_ns);
        }
        access.last_down_ns = access.last_down_ns.max(due_ns);
        Ok(access.last_down_ns)
    }

    fn route(&self, from: NodeIndex, packet: &[u8]) -> Result<(Flow, NodeIndex), StrayReason> {
        let header = header(packet).ok_or(StrayReason::Malformed)?;
        if self.routes.get(&header.source) != Some(&from) {
            return Err(StrayReason::ForeignSource);
        }
        let to = *self.routes.get(&header.destination).ok_or(StrayReason::NoRoute)?;
        let points = self.plan.vantage_points.len();
        let (vantage_point, zone, direction) = match (from.0 < points, to.0 < points) {
            (true, false) => (from.0, to.0 - points, Direction::Out),
            (false, true) => (to.0, from.0 - points, Direction::Back),
            _ => return Err(StrayReason::NoRoute),
        };
        let pair = self.plan.pair_index(vantage_point, zone);
        Ok((
            Flow {
                pair,
                direction,
                protocol: header.protocol,
            },
            to,
        ))
    }

    fn refresh_conditions(&mut self, now_ns: u64) {
        if now_ns >= self.conditions.until_ns {
            self.conditions = Conditions::at(&self.plan, now_ns);
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive delay, cut at 30 medians"
)]
fn whole_ns(ns: f64) -> u64 {
    ns.round() as u64
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod tests;
