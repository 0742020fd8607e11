//! Methods of several steps, each step held against what the relay did.
//!
//! What loss is over TCP: dropped segments are sent again by the kernels, so an exchange is lost when what it waits for has not arrived
//! within its waiting time, counted from when it was begun. The relay knows when each octet arrived, so how many exchanges came to each
//! step is exact, but for those that came within [`NEAR_THE_END_NS`] of that time. The order and the copies of segments never show.

use std::fmt;

use serde_json::Value;

use crate::ZONES;
use crate::api::Api;
use crate::connections::{Connection, Connections};
use crate::exported::{Exported, quantiles_us};
use crate::truth::{Counts, Fates, Transport};
use crate::web::{DNS_PORT, HTTPS_PORT, TLS_PORT};

/// Exchanges are begun and looked at by an ordinary thread, on a host that is busy with other tests: what came so shortly before its
/// waiting time was over may count either way.
const NEAR_THE_END_NS: u64 = 300_000_000;
/// Before a SYN is sent again (after 1 s), and so long that what is sent again once (after 0.2 s) is not near the end.
pub(crate) const WAITING_TIME_NS: u64 = 900_000_000;
/// What userspace may add to the shortest of a hundred and more, beyond the way of the packets and the other end's work: the agent's own
/// work for a handshake, and its turn for a processor.
const USERSPACE_ADDS_US: u64 = 20_000;

/// How many came that far: at least, and at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bounds {
    surely: u64,
    perhaps: u64,
}

/// One step: when it was over for each exchange, and the shortest that it can have taken: so long lay between the first packet of it that
/// the relay read and the arrival that ended it.
struct Step {
    phase: &'static str,
    bounds: Bounds,
    took_us: Vec<u64>,
    /// Of those that came about when their waiting time was over, how long that was, for the message of a failure.
    near_the_end_us: Vec<u64>,
}

impl Step {
    /// Of exchanges, each with when it began, when this step was over, and the shortest that it can have taken.
    fn of(phase: &'static str, ends: impl Iterator<Item = Option<(u64, u64, u64)>>) -> Self {
        let mut bounds = Bounds {
            surely: 0,
            perhaps: 0,
        };
        let (mut took_us, mut near_the_end_us) = (Vec::new(), Vec::new());
        for (began_ns, over_ns, took_ns) in ends.flatten() {
            let after_ns = over_ns - began_ns;
            bounds.perhaps += u64::from(after_ns <= WAITING_TIME_NS);
            if after_ns.abs_diff(WAITING_TIME_NS) <= NEAR_THE_END_NS {
                near_the_end_us.push(after_ns / 1_000);
            }
            if after_ns <= WAITING_TIME_NS - NEAR_THE_END_NS {
                bounds.surely += 1;
                took_us.push(took_ns / 1_000);
            }
        }
        took_us.sort_unstable();
        Self {
            phase,
            bounds,
            took_us,
            near_the_end_us,
        }
    }

    /// By nearest rank, or as many ranks lower as there are `open` exchanges, which may count or not.
    fn quantile_us(&self, percent: usize, open: u64) -> u64 {
        let rank = (self.took_us.len() * percent).div_ceil(100);
        self.took_us[rank.saturating_sub(1 + usize::try_from(open).unwrap())]
    }

    /// Holds what was told of a step to how many exchanges began it and came through.
    fn hold(
        &self,
        of: &dyn fmt::Display,
        told: Counts,
        (sent, bounds): (Bounds, Bounds),
        quantiles_us: &Value,
    ) {
        let phase = self.phase;
        assert!(
            (sent.surely..=sent.perhaps).contains(&told.sent),
            "{phase} of {of}: {told:?} told, {sent:?} began it"
        );
        assert!(
            (bounds.surely..=bounds.perhaps).contains(&told.returned),
            "{phase} of {of}: {told:?} told, {bounds:?} is true; after {:?} us",
            self.near_the_end_us
        );
        assert_eq!(told.lost, told.sent - told.returned, "{phase} of {of}");
        assert_eq!(
            (told.late, told.duplicate, told.reordered),
            (0, 0, 0),
            "one answer is seen of each: {phase} of {of}"
        );
        let open = bounds.perhaps - bounds.surely;
        for (name, percent) in [("p50_us", 50), ("p90_us", 90), ("p99_us", 99)] {
            let (told_us, truth_us) = (
                quantiles_us[name].as_u64().unwrap(),
                self.quantile_us(percent, open),
            );
            // A histogram keeps three digits.
            assert!(
                told_us + truth_us / 1_000 + 1 >= truth_us,
                "{name} of {phase} of {of}: {told_us} us measured, at least {truth_us} us applied"
            );
        }
        let (told_us, truth_us) = (quantiles_us["min_us"].as_u64().unwrap(), self.took_us[0]);
        assert!(
            told_us <= truth_us + USERSPACE_ADDS_US,
            "{phase} of {of}: shortest {told_us} us measured, {truth_us} us applied"
        );
        println!(
            "{phase} of {of}: {} of {} told, {bounds:?} is true; shortest {told_us} us of {truth_us}, median {} of {}",
            told.returned,
            told.sent,
            quantiles_us["p50_us"],
            self.quantile_us(50, 0)
        );
    }
}

/// What was told of the exchanges.
pub(crate) struct Told<'a> {
    pub(crate) api: &'a Api,
    pub(crate) exported: &'a Exported,
    /// How many were under way when their agent ended, as it says itself: these it counts neither as sent nor as lost.
    pub(crate) withdrawn: u64,
}

impl Told<'_> {
    /// Holds each step in its order; the steps of a method, then the whole, which begins with the first.
    fn hold(&self, zone: &str, method: &str, began: u64, steps: &[Step]) {
        let of = format!("{method} to {zone}");
        let less = |bounds: Bounds| Bounds {
            surely: bounds.surely.saturating_sub(self.withdrawn),
            ..bounds
        };
        let all = less(Bounds {
            surely: began,
            perhaps: began,
        });
        let mut sent = all;
        for step in steps {
            let told = self.exported.of_phase(zone, method, step.phase);
            let of_step = if step.phase == "whole" { all } else { sent };
            step.hold(
                &of,
                told,
                (of_step, less(step.bounds)),
                &quantiles_us(self.api, zone, (method, step.phase)),
            );
            sent = less(step.bounds);
        }
        assert_eq!(self.exported.answers(zone, method), ["ordinary"], "{of}");
    }
}

/// Holds every method of several steps to every zone; how many exchanges of TLS, HTTPS and DNS were begun and lost in their first step.
pub(crate) fn hold_all(told: &Told<'_>, fates: &Fates, connections: &Connections) -> Vec<(u64, u64)> {
    let mut seen = vec![(0, 0); 3];
    for zone in ZONES {
        let all = [
            hold_tls(told, connections, zone),
            hold_https(told, connections, zone),
            hold_dns(told, fates, zone),
        ];
        for ((began, lost), (more_began, more_lost)) in seen.iter_mut().zip(all) {
            *began += more_began;
            *lost += more_lost;
        }
    }
    seen
}

fn connect(all: &[&Connection]) -> Step {
    Step::of(
        "connect",
        all.iter().map(|connection| {
            let (opened_ns, connected_ns) = (connection.opened_ns?, connection.connected_ns?);
            Some((opened_ns, connected_ns, connected_ns - opened_ns))
        }),
    )
}

/// From the first that the client says to the arrival of all that the server says first.
fn handshake(phase: &'static str, all: &[&Connection]) -> Step {
    Step::of(
        phase,
        all.iter().map(|connection| {
            let over_ns = connection.arrived_ns(connection.first_flight_octets()?)?;
            Some((
                connection.opened_ns?,
                over_ns,
                over_ns - connection.asked_first_ns()?,
            ))
        }),
    )
}

fn hold_tls(told: &Told<'_>, connections: &Connections, zone: &str) -> (u64, u64) {
    let all: Vec<_> = connections.of(zone, TLS_PORT).collect();
    let steps = [connect(&all), handshake("whole", &all)];
    let began = all.len() as u64;
    told.hold(zone, "tls_handshake", began, &steps);
    (began, began - steps[0].bounds.perhaps)
}

fn hold_https(told: &Told<'_>, connections: &Connections, zone: &str) -> (u64, u64) {
    let all: Vec<_> = connections.of(zone, HTTPS_PORT).collect();
    // Certificate, signature and answer are of one length in all of them, so whoever said less has not answered.
    let octets = all.iter().filter_map(|connection| connection.octets_back());
    let answer_octets = octets.max().unwrap();
    let answers = |phase, since: fn(&Connection) -> Option<u64>| {
        Step::of(
            phase,
            all.iter().map(|connection| {
                let over_ns = connection.arrived_ns(answer_octets)?;
                Some((connection.opened_ns?, over_ns, over_ns - since(connection)?))
            }),
        )
    };
    let steps = [
        connect(&all),
        handshake("tls", &all),
        answers("first_byte", Connection::asked_last_ns),
        answers("whole", |connection| connection.opened_ns),
    ];
    let began = all.len() as u64;
    told.hold(zone, "https_first_byte", began, &steps);
    (began, began - steps[0].bounds.perhaps)
}

/// A question is asked once, and its socket closed with the first answer.
fn hold_dns(told: &Told<'_>, fates: &Fates, zone: &str) -> (u64, u64) {
    let (counts, delays_us) = fates.counts(
        zone,
        &format!("dns_query {DNS_PORT}"),
        Transport::Once,
        WAITING_TIME_NS,
    );
    let whole = Step::of(
        "whole",
        delays_us
            .iter()
            .map(|delay_us| Some((0, delay_us * 1_000, delay_us * 1_000))),
    );
    told.hold(zone, "dns_query", counts.sent, &[whole]);
    (counts.sent, counts.lost)
}
