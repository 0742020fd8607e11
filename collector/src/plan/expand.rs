//! From entries and one agent to what that agent is to measure. Pure.

use std::collections::{BTreeMap, HashSet};

use azimuth_measurement::plan::{MAX_PROBES, MAX_TARGETS, PlanProbe, PlanTarget};

use super::agents::Labels;
use super::file::{Chosen, Entry, PlanFile};

/// What the plan comes to for one agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expanded {
    /// What it is to measure, in the order of the entries.
    pub targets: Vec<PlanTarget>,
    /// Probes left out because an earlier entry measures the same address by the same method.
    pub shadowed: usize,
    /// Probes left out because no agent is given so many.
    pub beyond_limit: usize,
}

/// What `labels` is to measure by `file`. Of two entries for one address and method the first one counts.
pub fn expand(file: &PlanFile, labels: &Labels) -> Expanded {
    let mut expanded = Expanded::default();
    let mut measured = HashSet::new();
    let mut places: BTreeMap<(&str, &str, &str, &str), usize> = BTreeMap::new();
    for entry in file.entries.iter().filter(|entry| entry.agents.chooses(labels)) {
        for chosen in entry
            .chosen
            .iter()
            .filter(|chosen| !is_its_own(file, labels, chosen))
        {
            if !measured.insert((&chosen.host, chosen.port, entry.method)) {
                expanded.shadowed += 1;
                continue;
            }
            let key = (&*chosen.provider, &*chosen.region, &*chosen.zone, &*chosen.host);
            let place = match places.get(&key) {
                Some(place) => *place,
                None if expanded.targets.len() < MAX_TARGETS => {
                    let target = target(chosen, &expanded.targets);
                    places.insert(key, expanded.targets.len());
                    expanded.targets.push(target);
                    expanded.targets.len() - 1
                }
                None => {
                    expanded.beyond_limit += 1;
                    continue;
                }
            };
            match expanded.targets.get_mut(place) {
                Some(target) if target.probes.len() < MAX_PROBES => target.probes.push(probe(entry, chosen)),
                _ => expanded.beyond_limit += 1,
            }
        }
    }
    expanded
}

/// Whether it is the reflector on that agent's own host.
fn is_its_own(file: &PlanFile, labels: &Labels, chosen: &Chosen) -> bool {
    let mut reflectors = file.reflectors.iter();
    reflectors
        .any(|one| one.agent.as_str() == labels.agent && (&one.host, one.port) == (&chosen.host, chosen.port))
}

/// Named by its host; with the region where another target has that name.
fn target(chosen: &Chosen, before: &[PlanTarget]) -> PlanTarget {
    let is_taken = before.iter().any(|known| known.name == chosen.host);
    PlanTarget {
        name: if is_taken {
            format!("{} {}/{}", chosen.host, chosen.provider, chosen.region)
        } else {
            chosen.host.clone()
        },
        provider: chosen.provider.clone(),
        region: chosen.region.clone(),
        zone: chosen.zone.clone(),
        granularity: chosen.granularity.to_owned(),
        host: chosen.host.clone(),
        probes: Vec::new(),
    }
}

fn probe(entry: &Entry, chosen: &Chosen) -> PlanProbe {
    PlanProbe {
        method: entry.method.as_str().to_owned(),
        port: chosen.port,
        period_ms: entry.period_ms,
        waiting_time_ms: entry.waiting_time_ms,
        public: chosen.public,
    }
}
