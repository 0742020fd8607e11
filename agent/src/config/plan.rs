//! From a configuration to what the prober sends and what the reports refer to. Pure.
//!
//! Series are numbered in the order of the file: target by target, probe by probe, flow by flow. The manifest and the prober's plan
//! are made from the same walk, so that a number means the same in both.

use std::collections::HashSet;

use azimuth_measurement::{LoadLabel, Manifest, Outgoing, SeriesDescriptor};

use super::{Config, Probe, Target};
use crate::clock::NS_PER_MS;
use crate::path::tracer::TraceTarget;
use crate::path::watcher::PathTarget;
use crate::probe::SeriesPlan;
use crate::probe::lane::{Lane, PortRange, Transport, WantedPort};
use crate::schedule::{Pace, phase_ns, seed};

impl Config {
    /// What this agent declares to measure.
    #[must_use]
    pub fn manifest(&self) -> Manifest {
        let series = self.walk().map(|(target, probe, flow)| SeriesDescriptor {
            zone: target.zone.clone(),
            target: target.name.clone(),
            address: probe.address,
            granularity: target.granularity,
            method: probe.method,
            flow,
            load: LoadLabel::Idle,
            period_ms: probe.period_ms,
            waiting_time_ms: probe.waiting_time_ms,
            facet: azimuth_measurement::Facet::default(),
            dscp: probe.leaving.dscp,
            outgoing: probe.leaving.outgoing.clone(),
        });
        Manifest {
            agent: self.agent.clone(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            vantage_point: self.vantage_point.clone(),
            series: series.collect(),
        }
    }

    /// What the prober sends. The agent's name is part of each phase, so that a fleet does not meet at a reflector.
    #[must_use]
    pub fn series_plans(&self) -> Vec<SeriesPlan> {
        let plans = self.walk().map(|(_, probe, flow)| {
            let name = self.series_name(probe, flow);
            SeriesPlan {
                address: probe.address,
                method: probe.method,
                period_ms: probe.period_ms,
                pace: if probe.poisson {
                    Pace::Poisson { seed: seed(&name) }
                } else {
                    Pace::Periodic
                },
                phase_ns: phase_ns(&name, i64::from(probe.period_ms) * NS_PER_MS),
                waiting_time_ms: probe.waiting_time_ms,
                limit: None,
                follow_up: probe.follow_up,
                direct_measurement: probe.direct_measurement,
                key: probe.key.clone(),
                lane: self.lane(probe, flow),
            }
        });
        plans.collect()
    }

    /// What a series' phase is hashed from.
    fn series_name(&self, probe: &Probe, flow: u16) -> String {
        let first = format!("{}/{}/{}", self.agent, probe.method, probe.address);
        let leaving = &probe.leaving;
        if flow == 0 && leaving.dscp == 0 && leaving.outgoing == Outgoing::default() {
            first
        } else {
            format!("{first}/{flow}/{}/{:?}", leaving.dscp, leaving.outgoing)
        }
    }

    /// By which socket a probe leaves. All targets of one flow and shape share it, and its port is named after the agent.
    fn lane(&self, probe: &Probe, flow: u16) -> Lane {
        let leaving = &probe.leaving;
        let transport = Transport::of(probe.method);
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
    /// well go another way, but a second trace says little for twice the packets.
    #[must_use]
    pub fn path_targets(&self) -> Vec<PathTarget> {
        let mut seen = HashSet::new();
        let numbered = (0_u32..).zip(self.walk());
        numbered
            .filter(|(_, (target, _, _))| seen.insert(target.name.as_str()))
            .map(|(series, (target, probe, _))| PathTarget {
                name: format!("{}/path/{}", self.agent, target.name),
                series,
                trace: TraceTarget {
                    address: probe.address,
                    method: probe.method,
                    key: probe.key.clone(),
                },
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
                "address": probe.address, "period_ms": probe.period_ms,
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

    /// Target by target, probe by probe, flow by flow.
    fn walk(&self) -> impl Iterator<Item = (&Target, &Probe, u16)> {
        let probes = self
            .targets
            .iter()
            .flat_map(|target| target.probes.iter().map(move |probe| (target, probe)));
        probes.flat_map(|(target, probe)| probe.leaving.flows().map(move |flow| (target, probe, flow)))
    }
}
