//! The bench's network: prober and reflector on hosts of their own, each one wire away from where the emulated path begins.
//!
//! The truth is what happened between the wires' far ends. With `T1..T4` the driver's stamps of probe and answer (departure,
//! arrival, departure, arrival), the kernel at the far end of a wire stamps `W1 >= T1` and `W3 >= T3`, each in the same call and
//! a little after the driver; arrivals at a host carry one stamp, which the prober's socket and the tap both read, so `T2` and
//! `T4` are exact. Truth is `(T4 - W1) - (W3 - T2)`, at most `(T4 - T1) - (T3 - T2)`, and at most that of any prober that reads
//! its clocks outside the driver. So no honest prober is ever below it but for the rounding of its figures.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread::sleep;
use std::time::Duration;

use serde::Serialize;

use super::capture::{Arrivals, Capture};
use super::tools::{PERIOD_MS, nearest_rank};
use crate::namespace::Namespace;
use crate::relay::speech::{ProbeKey, STAMP_PORT, Speech};
use crate::relay_check::{stamp_departures, transmit_stamp};
use crate::world::fabric::{Fabric, FabricError};

/// Datagrams of the check, as far apart as the probers' own: caches go cold between them in the same way.
const CHECKED: u32 = 300;
/// Stamping is switched on a moment after it is asked for.
pub(super) const SETTLE: Duration = Duration::from_millis(500);

/// Both hosts and the network between them.
pub(super) struct Wired {
    pub(super) fabric: Fabric,
    pub(super) near: Namespace,
    pub(super) far: Namespace,
}

/// Taps at both ends of both wires.
pub(super) struct Taps {
    reflector: Ipv4Addr,
    /// W1.
    behind_near: Capture,
    /// T2.
    at_far: Capture,
    /// W3.
    behind_far: Capture,
    /// T4.
    at_near: Capture,
}

impl Wired {
    pub(super) fn over(fabric: Fabric) -> Result<Self, FabricError> {
        let (near, far) = (
            fabric.namespaces[0].host_behind()?,
            fabric.namespaces[1].host_behind()?,
        );
        Ok(Self { fabric, near, far })
    }

    pub(super) fn taps(&self) -> Result<Taps, FabricError> {
        let taps = Taps {
            reflector: self.far.ipv4,
            behind_near: Capture::open(&self.fabric.namespaces[0])?,
            at_far: Capture::open(&self.far)?,
            behind_far: Capture::open(&self.fabric.namespaces[1])?,
            at_near: Capture::open(&self.near)?,
        };
        sleep(SETTLE);
        Ok(taps)
    }
}

/// Packets of one prober, each with its truth.
#[derive(Debug, Default)]
pub(super) struct Truth {
    /// Per answered probe, ns, sorted.
    pub(super) delays_ns: Vec<i64>,
    /// Probes of which an end was not seen, or seen twice.
    pub(super) unpaired: u64,
}

impl Taps {
    /// The truth about everything said so far in `speech`; for a prober that does not subtract it, residence is part of it.
    pub(super) fn truth(&self, speech: Speech, subtracts: bool) -> io::Result<Truth> {
        let heard = |tap: &Capture| tap.arrivals(self.reflector, speech);
        Ok(truth(
            &[
                heard(&self.behind_near)?,
                heard(&self.at_far)?,
                heard(&self.behind_far)?,
                heard(&self.at_near)?,
            ],
            subtracts,
        ))
    }
}

/// `heard`: behind the prober's wire, at the reflector, behind the reflector's wire, at the prober.
fn truth(heard: &[Arrivals; 4], subtracts: bool) -> Truth {
    let [w1, t2, w3, t4] = heard;
    let mut truth = Truth {
        unpaired: heard.iter().map(|tap| tap.twice).sum(),
        ..Truth::default()
    };
    for (key, left_ns) in &w1.probes {
        let ends = (t2.probes.get(key), w3.answers.get(key), t4.answers.get(key));
        let (Some(came_ns), Some(answered_ns), Some(back_ns)) = ends else {
            truth.unpaired += 1;
            continue;
        };
        let held_ns = if subtracts { answered_ns - came_ns } else { 0 };
        truth.delays_ns.push(back_ns - left_ns - held_ns);
    }
    truth.delays_ns.sort_unstable();
    truth
}

/// How far the truth itself can be trusted, ns: least, median, 99th percentile and most.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Check {
    /// What is compared.
    pub what: &'static str,
    /// With a busy loop per core.
    pub busy: bool,
    /// How often.
    pub n: usize,
    /// Least of the differences.
    pub min_ns: Option<i64>,
    /// Their median.
    pub p50_ns: Option<i64>,
    /// Their 99th percentile.
    pub p99_ns: Option<i64>,
    /// The greatest.
    pub max_ns: Option<i64>,
    /// What the least must not be under.
    pub floor_ns: i64,
}

impl Check {
    fn of(what: &'static str, busy: bool, floor_ns: i64, mut differences_ns: Vec<i64>) -> Self {
        differences_ns.sort_unstable();
        Self {
            what,
            busy,
            n: differences_ns.len(),
            min_ns: differences_ns.first().copied(),
            p50_ns: nearest_rank(&differences_ns, 0.5),
            p99_ns: nearest_rank(&differences_ns, 0.99),
            max_ns: differences_ns.last().copied(),
            floor_ns,
        }
    }

    /// Whether it was measured, and nothing was under the floor.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.min_ns.is_some_and(|min_ns| min_ns >= self.floor_ns)
    }
}

/// Holds the stamps at the wires' ends against what is known without them: the driver's and the socket's own stamps of the same
/// packets, and the delay that the relay is set to, which no packet can beat.
pub(super) fn check(wired: &Wired, one_way_ns: u64, busy: bool) -> Result<Vec<Check>, FabricError> {
    let to = SocketAddr::from((wired.far.ipv4, STAMP_PORT));
    let sink = wired.far.run(|| UdpSocket::bind(to))??;
    let taps = wired.taps()?;
    let driver_ns = wired.near.run(|| send(to))??;
    sleep(SETTLE);
    drop(sink);
    let left = taps.behind_near.arrivals(taps.reflector, Speech::Stamp)?;
    let came = taps.at_far.arrivals(taps.reflector, Speech::Stamp)?;
    let by_number = |arrivals: Arrivals| -> HashMap<u32, i64> {
        let number = |(key, at_ns): (ProbeKey, i64)| (key.number, at_ns);
        arrivals.probes.into_iter().map(number).collect()
    };
    let (left, came) = (by_number(left), by_number(came));
    let after_driver = driver_ns
        .iter()
        .filter_map(|(number, driver_ns)| Some(left.get(number)? - driver_ns))
        .collect();
    let on_the_way = left
        .iter()
        .filter_map(|(number, left_ns)| Some(came.get(number)? - left_ns))
        .collect();
    Ok(vec![
        Check::of("wire's end minus driver's stamp", busy, 0, after_driver),
        Check::of(
            "one way, at least what the relay is set to",
            busy,
            one_way_ns.try_into().unwrap_or(i64::MAX),
            on_the_way,
        ),
    ])
}

/// The driver's stamp of each datagram, by its number.
fn send(to: SocketAddr) -> io::Result<Vec<(u32, i64)>> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    stamp_departures(&socket)?;
    sleep(SETTLE);
    let mut stamps = Vec::new();
    for number in 0..CHECKED {
        let mut datagram = [0_u8; 44];
        datagram[..4].copy_from_slice(&number.to_be_bytes());
        socket.send_to(&datagram, to)?;
        // The driver stamps inside the call, so the stamp is already there.
        if let Some(stamp_ns) = transmit_stamp(&socket)? {
            stamps.push((number, stamp_ns.cast_signed()));
        }
        sleep(Duration::from_millis(PERIOD_MS.into()));
    }
    Ok(stamps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(probes: &[(u32, i64)], answers: &[(u32, i64)]) -> Arrivals {
        let keyed = |numbers: &[(u32, i64)]| {
            numbers
                .iter()
                .map(|(number, at_ns)| {
                    let key = ProbeKey {
                        speech: Speech::Stamp,
                        port: STAMP_PORT,
                        sender: 1,
                        number: *number,
                    };
                    (key, *at_ns)
                })
                .collect()
        };
        Arrivals {
            probes: keyed(probes),
            answers: keyed(answers),
            twice: 0,
        }
    }

    #[test]
    fn packets_pair_by_what_they_say_whatever_overtakes_or_is_lost() {
        let taps = [
            heard(&[(0, 0), (1, 100), (2, 200)], &[]),
            // Probe 2 overtakes probe 1.
            heard(&[(0, 20), (2, 215), (1, 220)], &[]),
            // The answer to probe 0 is lost.
            heard(&[], &[(0, 25), (2, 220), (1, 230)]),
            heard(&[], &[(2, 240), (1, 260)]),
        ];
        let without_residence = truth(&taps, true);
        assert_eq!(without_residence.delays_ns, [35, 150]);
        assert_eq!(without_residence.unpaired, 1);
        assert_eq!(truth(&taps, false).delays_ns, [40, 160]);
    }

    #[test]
    fn a_check_holds_only_above_its_floor_and_never_of_nothing() {
        assert!(Check::of("x", false, 0, vec![3, 0]).holds());
        assert!(!Check::of("x", false, 0, vec![3, -1]).holds());
        assert!(!Check::of("x", false, 0, Vec::new()).holds());
    }
}
