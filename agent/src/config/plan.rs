//! From a configuration to what the prober sends and what the reports refer to. Pure.
//!
//! Series are numbered in the order of the file: target by target, probe by probe. The manifest and the prober's plan
//! are made from the same walk, so that a number means the same in both.

use azimuth_measurement::{LoadLabel, Manifest, SeriesDescriptor};

use super::{Config, Probe, Target};
use crate::clock::NS_PER_MS;
use crate::probe::SeriesPlan;
use crate::schedule::phase_ns;

impl Config {
    /// What this agent declares to measure.
    #[must_use]
    pub fn manifest(&self) -> Manifest {
        let series = self.walk().map(|(target, probe)| SeriesDescriptor {
            zone: target.zone.clone(),
            target: target.name.clone(),
            address: probe.address,
            granularity: target.granularity,
            method: probe.method,
            flow: 0,
            load: LoadLabel::Idle,
            period_ms: probe.period_ms,
            waiting_time_ms: probe.waiting_time_ms,
            dscp: 0,
            facet: azimuth_measurement::Facet::default(),
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
        let plans = self.walk().map(|(_, probe)| SeriesPlan {
            address: probe.address,
            method: probe.method,
            period_ms: probe.period_ms,
            phase_ns: phase_ns(
                &format!("{}/{}/{}", self.agent, probe.method, probe.address),
                i64::from(probe.period_ms) * NS_PER_MS,
            ),
            waiting_time_ms: probe.waiting_time_ms,
            limit: None,
            follow_up: probe.follow_up,
            direct_measurement: probe.direct_measurement,
            key: probe.key.clone(),
        });
        plans.collect()
    }

    /// One sentence for people: who measures how much.
    #[must_use]
    pub fn summary(&self) -> String {
        let per_second: f64 = self
            .walk()
            .map(|(_, probe)| 1_000.0 / f64::from(probe.period_ms))
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
        let series = self.walk().map(|(target, probe)| {
            serde_json::json!({
                "target": target.name, "zone": target.zone.to_string(), "method": probe.method.as_str(),
                "address": probe.address, "period_ms": probe.period_ms, "waiting_time_ms": probe.waiting_time_ms,
            })
        });
        serde_json::to_string(&serde_json::json!({
            "agent": self.agent.as_str(), "interval_ms": self.interval_ms, "series": series.collect::<Vec<_>>(),
        }))
    }

    fn walk(&self) -> impl Iterator<Item = (&Target, &Probe)> {
        self.targets
            .iter()
            .flat_map(|target| target.probes.iter().map(move |probe| (target, probe)))
    }
}
