//! Taking up another plan while probing goes on: what stays keeps its number, its flow and its phase, and loses no probe. Pure.
//!
//! What goes is paused, what comes is added. What cannot be told apart so (the same address and method in another way, more
//! series than there are numbers) needs the probing begun anew, and says so.

use std::net::SocketAddr;

use azimuth_measurement::series::MAX_SERIES;

use super::{Lead, Name, Roster, Use, at_addresses, taken_by};
use crate::config::plan::descriptors;
use crate::config::{Config, Probe, Target};
use crate::prober::inbox::Change;

impl Roster {
    /// Changes to `config`, which differs in what the collector's plan asks for only. What the prober must be told; `None` when
    /// probing has to begin anew, and nothing has changed then.
    #[must_use]
    pub fn replan(&mut self, config: Config) -> Option<Change> {
        let adding: Vec<(Target, Probe)> = at_addresses(&config)
            .filter(|(target, probe)| target.planned && !self.has(&Use::of(target, probe)))
            .map(|(target, probe)| (target.clone(), probe.clone()))
            .collect();
        let has_room = |series: usize| self.series.len() + series <= MAX_SERIES;
        let is_free = |probe: &Probe| !self.taken.contains(&taken_by(probe, probe.address));
        let labels_load = self.config.labels_load();
        let needed = adding.iter().map(|(_, probe)| probe.series(labels_load));
        if !has_room(needed.sum())
            || !adding.iter().all(|(_, probe)| is_free(probe))
            || self.names.iter().any(|name| name.wants_more(&config))
        {
            return None;
        }
        let mut change = Change::default();
        self.config = config;
        for lead in &mut self.planned {
            let is_wanted = asks(&self.config, &lead.of);
            match (lead.is_wanted, is_wanted) {
                (true, false) => change.pause.push(lead.series),
                (false, true) => change.resume.push(lead.series),
                _ => {}
            }
            lead.is_wanted = is_wanted;
        }
        for name in &mut self.names {
            for known in &mut name.known {
                let is_pinned = name.pinned.contains(&known.address);
                for lead in &mut known.leads {
                    let is_wanted = asks(&self.config, &lead.of);
                    match (lead.is_wanted, is_wanted) {
                        (true, false) if is_pinned => change.pause.push(lead.series),
                        (false, true) if is_pinned => change.resume.push(lead.series),
                        _ => {}
                    }
                    lead.is_wanted = is_wanted;
                }
            }
        }
        for (target, probe) in adding {
            self.add(&target, &probe, &mut change);
        }
        let hosts: Vec<String> = self
            .config
            .targets
            .iter()
            .filter_map(|target| target.host.clone())
            .collect();
        for host in hosts {
            if self.names.iter().all(|name| name.host != host) {
                self.names.push(Name {
                    host,
                    known: Vec::new(),
                    pinned: Vec::new(),
                });
            }
        }
        Some(change)
    }

    /// Whether a series was ever made for this.
    fn has(&self, of: &Use) -> bool {
        self.planned.iter().any(|lead| lead.of == *of)
    }

    fn add(&mut self, target: &Target, probe: &Probe, change: &mut Change) {
        let at: SocketAddr = probe.address;
        self.taken.insert(taken_by(probe, at));
        for flow in probe.leaving.flows() {
            let number = u32::try_from(self.series.len()).unwrap_or(u32::MAX);
            self.planned.push(Lead {
                series: number,
                of: Use::of(target, probe),
                is_wanted: true,
            });
            let series = descriptors(target, probe, at, flow, self.config.labels_load());
            self.series.extend(series);
            change.add.push(self.config.plan(probe, at, flow));
        }
    }
}

impl Name {
    /// Whether the addresses of the name that are known would need series that they do not have.
    fn wants_more(&self, config: &Config) -> bool {
        let targets = config
            .targets
            .iter()
            .filter(|target| target.host.as_ref() == Some(&self.host));
        let uses: Vec<Use> = targets
            .flat_map(|target| target.probes.iter().map(|probe| Use::of(target, probe)))
            .collect();
        // An address without series has none for a reason that is counted.
        let probed = self.known.iter().filter(|known| !known.leads.is_empty());
        probed
            .flat_map(|known| uses.iter().map(move |of| (known, of)))
            .any(|(known, of)| known.leads.iter().all(|lead| lead.of != *of))
    }
}

/// Whether a configuration asks for this.
fn asks(config: &Config, of: &Use) -> bool {
    let mut same = config.targets.iter().filter(|target| target.name == of.0.name);
    same.any(|target| {
        let mut probes = target.probes.iter();
        probes.any(|probe| Use::of(target, probe) == *of)
    })
}
