//! From a configuration to what the prober sends and what the reports refer to. Pure.
//!
//! Series are numbered in the order of the file: target by target, probe by probe, flow by flow. The manifest and the prober's plan
//! are made from the same walk, so that a number means the same in both.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use azimuth_measurement::{Answer, Facet, LoadLabel, Manifest, Method, Outgoing, Phase, SeriesDescriptor};

use super::{Config, Probe, Target};
use crate::clock::NS_PER_MS;
use crate::path::tracer::TraceTarget;
use crate::path::watcher::PathTarget;
use crate::probe::exchange::{Request, sides};
use crate::probe::lane::{Lane, PortRange, Transport, WantedPort};
use crate::probe::{SeriesPlan, loaded_series};
use crate::schedule::{Pace, meeting_phase_ns, phase_ns, seed};

impl Config {
    /// What this agent declares to measure, names left out.
    #[must_use]
    pub fn manifest(&self) -> Manifest {
        let series = self.fixed().flat_map(|(target, probe, flow)| {
            descriptors(target, probe, probe.address, flow, self.labels_load())
        });
        self.manifest_of(series.collect())
    }

    /// The manifest with these series.
    #[must_use]
    pub fn manifest_of(&self, series: Vec<SeriesDescriptor>) -> Manifest {
        Manifest {
            agent: self.agent.clone(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            vantage_point: self.vantage_point.clone(),
            cloud: self.cloud.place.clone(),
            series,
        }
    }

    /// What the prober sends, names left out.
    #[must_use]
    pub fn series_plans(&self) -> Vec<SeriesPlan> {
        self.fixed()
            .map(|(_, probe, flow)| self.plan(probe, probe.address, flow))
            .collect()
    }

    /// The same and what a name may add: each family that it may have an address of.
    pub(crate) fn possible_plans(&self) -> Vec<SeriesPlan> {
        let mut plans = self.series_plans();
        for (_, probe, flow) in self.walk().filter(|(target, ..)| target.host.is_some()) {
            for ip in [probe.address.ip(), IpAddr::V6(Ipv6Addr::UNSPECIFIED)] {
                if probe.leaving.reaches(ip) {
                    plans.push(self.plan(probe, SocketAddr::new(ip, probe.address.port()), flow));
                }
            }
        }
        plans
    }

    /// What the prober sends to one address by one flow. The agent's name is part of each phase, so that a fleet does not
    /// meet at a reflector.
    #[must_use]
    pub fn plan(&self, probe: &Probe, address: SocketAddr, flow: u16) -> SeriesPlan {
        let name = self.series_name(probe, address, flow);
        SeriesPlan {
            address,
            method: probe.method,
            period_ms: probe.period_ms,
            pace: if probe.poisson {
                Pace::Poisson { seed: seed(&name) }
            } else {
                Pace::Periodic
            },
            phase_ns: self.phase_ns(probe, &name, address, flow),
            waiting_time_ms: probe.waiting_time_ms,
            limit: None,
            follow_up: probe.follow_up,
            direct_measurement: probe.direct_measurement,
            key: probe.key.clone(),
            lane: self.lane(probe, flow),
            request: probe.request.clone(),
            // Not the phase's own seed: who shares a phase need not share its pauses.
            backs_off: probe.public.then(|| seed(&format!("{name}/back-off"))),
        }
    }

    /// What is hashed for a series alone.
    fn series_name(&self, probe: &Probe, address: SocketAddr, flow: u16) -> String {
        let first = format!("{}/{}/{address}", self.agent, probe.method);
        with_the_way(first, probe, flow)
    }

    /// Methods of one packet ask a host at the same instant: what differs between them is then of the methods and not of the
    /// moment, and this host wakes up once for all of them. An exchange, whose work would delay the others, has a phase of its own.
    fn phase_ns(&self, probe: &Probe, name: &str, address: SocketAddr, flow: u16) -> i64 {
        let period_ns = i64::from(probe.period_ms) * NS_PER_MS;
        if probe.request.is_some() {
            return phase_ns(name, period_ns);
        }
        let host = with_the_way(format!("{}/{}", self.agent, address.ip()), probe, flow);
        meeting_phase_ns(&host, period_ns)
    }

    /// By which socket a probe leaves. All targets of one flow and shape share it, and its port is named after the agent.
    fn lane(&self, probe: &Probe, flow: u16) -> Lane {
        let leaving = &probe.leaving;
        let Some(transport) = Transport::of(probe.method) else {
            return Lane::default();
        };
        let range = match transport {
            Transport::Udp => Some(self.source_ports),
            Transport::Icmp => Some(PortRange::IDENTIFIERS),
            // A connection from a fixed port is ended by a reset: only where flows were asked for.
            Transport::Tcp => leaving.flows.map(|_| self.source_ports),
        };
        let name = || {
            let transport = transport.as_str();
            format!(
                "{}/{transport}/{flow}/{}/{:?}",
                self.agent, leaving.dscp, leaving.outgoing
            )
        };
        Lane {
            flow,
            port: range.map(|range| WantedPort::hashed(&name(), range)),
            dscp: leaving.dscp,
            outgoing: leaving.outgoing.clone(),
        }
    }

    /// The targets whose paths are traced, each by the method of its first probe: another method to the same address may
    /// well go another way, but a second trace says little for twice the packets. An exchange goes by the method that is most
    /// like it. Names are left out: their addresses change. So is what the collector's plan asks for, which comes last.
    #[must_use]
    pub fn path_targets(&self) -> Vec<PathTarget> {
        let mut seen = HashSet::new();
        let mut next = 0_u32;
        let numbered = self
            .fixed()
            .filter(|(target, ..)| !target.planned)
            .map(|(target, probe, _)| {
                let series = next;
                let beside = sides(probe.method).len() + loaded_series(probe.method, self.labels_load());
                next += 1 + beside as u32;
                (series, target, probe)
            });
        numbered
            .filter(|(_, target, _)| seen.insert(target.name.as_str()))
            .map(|(series, target, probe)| {
                let (method, address) = traced_by(probe);
                PathTarget {
                    name: format!("{}/path/{}", self.agent, target.name),
                    series,
                    trace: TraceTarget {
                        address,
                        method,
                        key: probe.key.clone(),
                    },
                }
            })
            .collect()
    }

    /// One sentence for people: who measures how much.
    #[must_use]
    pub fn summary(&self) -> String {
        let per_second: f64 = self
            .walk()
            .map(|(_, probe, _)| 1_000.0 / f64::from(probe.period_ms))
            .sum();
        format!(
            "{} at {} measures {} targets with {} probes, {per_second:.1} packets per second, and reports every {} s",
            self.agent,
            self.vantage_point.name,
            self.targets.len(),
            self.walk().count(),
            self.interval_ms / 1_000,
        )
    }

    /// The same for machines.
    ///
    /// # Errors
    /// When JSON cannot be written, which is a fault of ours.
    pub fn summary_json(&self) -> serde_json::Result<String> {
        let series = self.walk().map(|(target, probe, flow)| {
            let outgoing = &probe.leaving.outgoing;
            serde_json::json!({
                "target": target.name, "zone": target.zone.to_string(), "method": probe.method.as_str(),
                "host": target.host, "address": target.host.is_none().then_some(probe.address), "period_ms": probe.period_ms,
                "schedule": if probe.poisson { "poisson" } else { "periodic" }, "waiting_time_ms": probe.waiting_time_ms,
                "flow": flow, "dscp": probe.leaving.dscp, "source_address": outgoing.source_address,
                "interface": outgoing.interface, "payload_bytes": outgoing.payload_bytes,
                "dont_fragment": outgoing.dont_fragment,
            })
        });
        serde_json::to_string(&serde_json::json!({
            "agent": self.agent.as_str(), "interval_ms": self.interval_ms, "series": series.collect::<Vec<_>>(),
        }))
    }

    /// What is measured from the start: the walk without names.
    fn fixed(&self) -> impl Iterator<Item = (&Target, &Probe, u16)> {
        self.walk().filter(|(target, ..)| target.host.is_none())
    }

    /// Target by target, probe by probe, flow by flow.
    fn walk(&self) -> impl Iterator<Item = (&Target, &Probe, u16)> {
        let probes = self
            .targets
            .iter()
            .flat_map(|target| target.probes.iter().map(move |probe| (target, probe)));
        probes.flat_map(|(target, probe)| probe.leaving.flows().map(move |flow| (target, probe, flow)))
    }
}

/// A name and the way probes leave by, where it is not the usual one.
fn with_the_way(name: String, probe: &Probe, flow: u16) -> String {
    let leaving = &probe.leaving;
    if flow == 0 && leaving.dscp == 0 && leaving.outgoing == Outgoing::default() {
        name
    } else {
        format!("{name}/{flow}/{}/{:?}", leaving.dscp, leaving.outgoing)
    }
}

/// How the way of a probe is traced, and where to. A resolver would be asked nonsense by a packet of another protocol.
fn traced_by(probe: &Probe) -> (Method, SocketAddr) {
    match probe.method {
        Method::TlsHandshake | Method::HttpsFirstByte => (Method::TcpConnect, probe.address),
        Method::DnsQuery => (Method::IcmpEcho, SocketAddr::new(probe.address.ip(), 0)),
        method => (method, probe.address),
    }
}

/// The series of a probe to one address by one flow: the one that leads, then its sides, or those for load, as the prober numbers
/// them.
pub fn descriptors(
    target: &Target,
    probe: &Probe,
    address: SocketAddr,
    flow: u16,
    labels_load: bool,
) -> impl Iterator<Item = SeriesDescriptor> {
    let host = match &probe.request {
        Some(Request::Dns { question, .. }) => question.to_string(),
        _ => target.host.clone().unwrap_or_default(),
    };
    let (phase, answer) = (Phase::Whole, Answer::Ordinary);
    let loaded = match loaded_series(probe.method, labels_load) {
        0 => &[][..],
        _ => &[LoadLabel::SelfLoad, LoadLabel::PostLoad][..],
    };
    let sides = sides(probe.method).iter();
    std::iter::once((phase, answer, LoadLabel::Idle))
        .chain(sides.map(|(phase, answer)| (*phase, *answer, LoadLabel::Idle)))
        .chain(loaded.iter().map(move |load| (phase, answer, *load)))
        .map(move |(phase, answer, load)| SeriesDescriptor {
            zone: target.zone.clone(),
            target: target.name.clone(),
            address,
            granularity: target.granularity,
            method: probe.method,
            flow,
            load,
            period_ms: probe.period_ms,
            waiting_time_ms: probe.waiting_time_ms,
            dscp: probe.leaving.dscp,
            outgoing: probe.leaving.outgoing.clone(),
            facet: Facet {
                host: host.clone(),
                phase,
                answer,
            },
        })
}
