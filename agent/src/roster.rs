//! Which series there are, while names change their addresses. Pure; told what a look-up found.
//!
//! Every address of a name is a series of its own, so that a mixture of zones behind one name stays apart. Series are only
//! ever added, never renumbered: a report made under an earlier manifest means the same under a later one. An address that is
//! not in the answer any more is paused, and taken up again under its old number should it come back.

mod replan;

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, SocketAddr};

use azimuth_measurement::series::MAX_SERIES;
use azimuth_measurement::{CloudPlace, Manifest, Method, PlanRefusal, SeriesDescriptor};

use crate::config::leaving::Leaving;
use crate::config::plan::descriptors;
use crate::config::{Config, Probe, Target};
use crate::prober::inbox::Change;

/// Addresses of one name that are remembered. A name that goes through more of them would fill the collector with series.
const MOST_KNOWN: usize = 16;

/// What a look-up of one name found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// Which of [`Roster::hosts`].
    pub host: usize,
    /// How long it took, in nanoseconds.
    pub took_ns: i64,
    /// The addresses, in the resolver's order; or why there are none.
    pub found: Result<Vec<IpAddr>, String>,
}

/// What has happened to names since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NameCounters {
    /// Look-ups that failed; the addresses before stood.
    pub failed: u64,
    /// Addresses taken up, and given up for the time being.
    pub changed: u64,
    /// Addresses not probed because there were more than are probed at once.
    pub beyond_limit: u64,
    /// Addresses not probed because too many of the name, or of all series, were seen before.
    pub no_room: u64,
    /// Addresses not probed because the same method probes them for another target.
    pub shared: u64,
    /// Addresses not probed because the `source_address` to probe from is of the other family.
    pub other_family: u64,
}

/// One name now probes other addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The name.
    pub host: String,
    /// What is probed from now on.
    pub pinned: Vec<IpAddr>,
    /// What was probed before.
    pub before: Vec<IpAddr>,
}

/// A series that leads.
#[derive(Debug)]
struct Lead {
    series: u32,
    of: Use,
    /// Whether it is probed: not where the plan no longer asks for it.
    is_wanted: bool,
}

/// What a series is there for: a target with one of its probes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Use(Target);

impl Use {
    fn of(target: &Target, probe: &Probe) -> Self {
        Self(Target {
            probes: vec![probe.clone()],
            ..target.clone()
        })
    }

    fn has_dns(&self) -> bool {
        let mut probes = self.0.probes.iter();
        probes.any(|probe| probe.method == Method::HttpsFirstByte)
    }
}

#[derive(Debug)]
struct Known {
    address: IpAddr,
    leads: Vec<Lead>,
}

#[derive(Debug)]
struct Name {
    host: String,
    known: Vec<Known>,
    pinned: Vec<IpAddr>,
}

/// All series, in the order of their numbers.
#[derive(Debug)]
pub struct Roster {
    config: Config,
    /// Where the host stands: what the configuration says, until more is found.
    place: CloudPlace,
    series: Vec<SeriesDescriptor>,
    names: Vec<Name>,
    /// Of the series at addresses, those that the collector's plan asked for.
    planned: Vec<Lead>,
    /// What is probed, so that an answer never has two series it could belong to.
    taken: HashSet<(SocketAddr, Method, Leaving)>,
    counters: NameCounters,
    /// Addresses that names of the plan led to and the policy of this host refuses; one counts once for each probe.
    refused: BTreeMap<PlanRefusal, u32>,
}

impl Roster {
    /// The series of a configuration whose names have not been looked up yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let mut names: Vec<Name> = Vec::new();
        let mut taken = HashSet::new();
        for target in &config.targets {
            match &target.host {
                Some(host) if !names.iter().any(|name| name.host == *host) => names.push(Name {
                    host: host.clone(),
                    known: Vec::new(),
                    pinned: Vec::new(),
                }),
                Some(_) => {}
                None => taken.extend(target.probes.iter().map(|probe| taken_by(probe, probe.address))),
            }
        }
        let mut planned = Vec::new();
        let mut next = 0;
        for (target, probe) in at_addresses(&config) {
            if target.planned {
                planned.push(Lead {
                    series: next,
                    of: Use::of(target, probe),
                    is_wanted: true,
                });
            }
            next += u32::try_from(probe.series(config.labels_load())).unwrap_or(u32::MAX);
        }
        Self {
            series: config.manifest().series,
            place: config.cloud.place.clone(),
            config,
            names,
            planned,
            taken,
            counters: NameCounters::default(),
            refused: BTreeMap::new(),
        }
    }

    /// The names that are still asked for, each with its place in [`hosts`](Self::hosts).
    #[must_use]
    pub fn wanted_hosts(&self) -> Vec<(usize, String)> {
        let is_wanted = |name: &Name| {
            let mut targets = self.config.targets.iter();
            targets.any(|target| target.host.as_ref() == Some(&name.host))
        };
        let wanted = self.names.iter().enumerate().filter(|(_, name)| is_wanted(name));
        wanted.map(|(host, name)| (host, name.host.clone())).collect()
    }

    /// Addresses refused since the start, by reason: names of the plan led to them.
    #[must_use]
    pub fn refused(&self) -> &BTreeMap<PlanRefusal, u32> {
        &self.refused
    }

    /// The names to look up, each once.
    #[must_use]
    pub fn hosts(&self) -> Vec<String> {
        self.names.iter().map(|name| name.host.clone()).collect()
    }

    /// Whether a name has exchanges of several steps.
    #[must_use]
    pub fn has_exchanges(&self) -> bool {
        let named = self.config.targets.iter().filter(|target| target.host.is_some());
        named
            .flat_map(|target| &target.probes)
            .any(|probe| probe.request.is_some())
    }

    /// The host stands there.
    pub fn set_place(&mut self, place: CloudPlace) {
        self.place = place;
    }

    /// What is measured as of now.
    #[must_use]
    pub fn manifest(&self) -> Manifest {
        Manifest {
            cloud: self.place.clone(),
            ..self.config.manifest_of(self.series.clone())
        }
    }

    /// What has happened since the start.
    #[must_use]
    pub fn counters(&self) -> NameCounters {
        self.counters
    }

    /// A cycle of look-ups is done. What the prober must be told; and who moved.
    pub fn handle_cycle(&mut self, cycle: &[Lookup]) -> (Change, Vec<Moved>) {
        let mut change = Change::default();
        let mut moved = Vec::new();
        for lookup in cycle {
            moved.extend(self.handle_lookup(lookup, &mut change));
        }
        (change, moved)
    }

    fn handle_lookup(&mut self, lookup: &Lookup, change: &mut Change) -> Option<Moved> {
        let before = self.names.get(lookup.host)?.pinned.clone();
        let took_ns = lookup.found.is_ok().then_some(lookup.took_ns);
        match &lookup.found {
            Err(_) => self.counters.failed += 1,
            Ok(found) => {
                let chosen = self.choose(lookup.host, found, change);
                // Nothing in the answer can be probed: better the addresses before than none.
                if !chosen.is_empty() {
                    self.pin(lookup.host, chosen, change);
                }
            }
        }
        let name = self.names.get(lookup.host)?;
        let pinned = name
            .known
            .iter()
            .filter(|known| name.pinned.contains(&known.address));
        let leads = pinned.flat_map(|known| &known.leads);
        let looked_up = leads
            .filter(|lead| lead.is_wanted && lead.of.has_dns())
            .map(|lead| (lead.series, took_ns));
        change.looked_up.extend(looked_up);
        (name.pinned != before).then(|| Moved {
            host: name.host.clone(),
            pinned: name.pinned.clone(),
            before,
        })
    }

    /// Which of the addresses found are to be probed: those that are already, then those that were once, then new ones.
    fn choose(&mut self, host: usize, found: &[IpAddr], change: &mut Change) -> Vec<IpAddr> {
        let Some(name) = self.names.get(host) else {
            return Vec::new();
        };
        let mut candidates: Vec<IpAddr> = Vec::new();
        for address in found {
            if !candidates.contains(address) && !address.is_unspecified() && !address.is_multicast() {
                candidates.push(*address);
            }
        }
        // Stable: within a rank the order is the resolver's; what is probed keeps its own.
        candidates.sort_by_key(|address| {
            let is_known = name.known.iter().any(|known| known.address == *address);
            let pinned = name.pinned.iter().position(|pinned| pinned == address);
            (pinned.unwrap_or(usize::MAX), !is_known)
        });
        let mut chosen = Vec::new();
        for address in candidates {
            if chosen.len() >= self.config.names.addresses {
                self.counters.beyond_limit += 1;
            } else if self
                .has_series(host, address)
                .unwrap_or_else(|| self.enrol(host, address, change))
            {
                chosen.push(address);
            }
        }
        chosen
    }

    /// Whether there is anything to probe at an address; `None` if it was never met.
    fn has_series(&self, host: usize, address: IpAddr) -> Option<bool> {
        let mut known = self.names.get(host)?.known.iter();
        let known = known.find(|known| known.address == address)?;
        Some(!known.leads.is_empty())
    }

    /// Makes the series of a new address; `false` if there is no room, or none that is its own.
    fn enrol(&mut self, host: usize, address: IpAddr, change: &mut Change) -> bool {
        let Some(name) = self.names.get_mut(host) else {
            return false;
        };
        let users: Vec<(&Target, &Probe)> = self
            .config
            .targets
            .iter()
            .filter(|target| target.host.as_ref() == Some(&name.host))
            .flat_map(|target| target.probes.iter().map(move |probe| (target, probe)))
            .collect();
        let labels_load = self.config.labels_load();
        let needed = users.iter().map(|(_, probe)| probe.series(labels_load));
        let needed: usize = needed.sum();
        if name.known.len() >= MOST_KNOWN || self.series.len() + needed > MAX_SERIES {
            self.counters.no_room += 1;
            return false;
        }
        let mut leads = Vec::new();
        for (target, probe) in users {
            let at = SocketAddr::new(address, probe.address.port());
            if !probe.leaving.reaches(address) {
                self.counters.other_family += 1;
                continue;
            }
            // The address that is connected to is what is judged, each time a name leads to one that was not met before.
            if target.planned
                && let Err(why) = self.config.policy.judge_address(address)
            {
                *self.refused.entry(why).or_default() += 1;
                continue;
            }
            // An exchange has a connection of its own, so its answer cannot be another's.
            if probe.request.is_none() && !self.taken.insert(taken_by(probe, at)) {
                self.counters.shared += 1;
                continue;
            }
            for flow in probe.leaving.flows() {
                let number = u32::try_from(self.series.len()).unwrap_or(u32::MAX);
                leads.push(Lead {
                    series: number,
                    of: Use::of(target, probe),
                    is_wanted: true,
                });
                let series = descriptors(target, probe, at, flow, labels_load);
                self.series.extend(series);
                change.add.push(self.config.plan(probe, at, flow));
            }
        }
        let has_some = !leads.is_empty();
        name.known.push(Known { address, leads });
        if has_some {
            // Added series send at once.
            name.pinned.push(address);
        }
        self.counters.changed += u64::from(has_some);
        has_some
    }

    fn pin(&mut self, host: usize, chosen: Vec<IpAddr>, change: &mut Change) {
        let Some(name) = self.names.get_mut(host) else {
            return;
        };
        for known in &name.known {
            let wanted = known.leads.iter().filter(|lead| lead.is_wanted);
            let leads = wanted.map(|lead| lead.series);
            match (
                name.pinned.contains(&known.address),
                chosen.contains(&known.address),
            ) {
                (true, false) => {
                    change.pause.extend(leads);
                    self.counters.changed += 1;
                }
                (false, true) => {
                    change.resume.extend(leads);
                    self.counters.changed += 1;
                }
                _ => {}
            }
        }
        name.pinned = chosen;
    }
}

/// The probes of targets at addresses, as their series are numbered.
fn at_addresses(config: &Config) -> impl Iterator<Item = (&Target, &Probe)> {
    let targets = config.targets.iter().filter(|target| target.host.is_none());
    targets.flat_map(|target| target.probes.iter().map(move |probe| (target, probe)))
}

/// What no two probes may share.
fn taken_by(probe: &Probe, address: SocketAddr) -> (SocketAddr, Method, Leaving) {
    (address, probe.method, probe.leaving.any_flow())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::parse;

    const CONFIG: &str = r#"
agent = "paris-free-1"
[collector]
url = "http://127.0.0.1:8360"
[vantage_point]
name = "Paris (Free)"
country = "FR"
city = "Paris"
network = "Free"
asn = 12322
latitude = 48.86
longitude = 2.35
[names]
addresses = 2
[[target]]
name = "fixed"
provider = "aws"
region = "eu-west-3"
zone = "euw3-az1"
address = "192.0.2.1"
  [[target.probe]]
  method = "icmp_echo"
  period_ms = 1000
[[target]]
name = "named"
provider = "aws"
region = "eu-west-3"
zone = "euw3-az2"
address = "zone.example.net"
  [[target.probe]]
  method = "icmp_echo"
  period_ms = 1000
  [[target.probe]]
  method = "https_first_byte"
  period_ms = 30000
"#;
    /// Series of one https probe.
    const HTTPS: u32 = 15;

    fn roster() -> Roster {
        Roster::new(parse(CONFIG, Path::new("agent.toml")).expect("a good file"))
    }

    fn ips(addresses: &[&str]) -> Vec<IpAddr> {
        addresses
            .iter()
            .map(|address| address.parse().expect("an address"))
            .collect()
    }

    fn found(addresses: &[&str]) -> Vec<Lookup> {
        vec![Lookup {
            host: 0,
            took_ns: 7_000,
            found: Ok(ips(addresses)),
        }]
    }

    #[test]
    fn each_address_is_a_series_of_its_own_and_keeps_its_number() {
        let mut roster = roster();
        assert_eq!(roster.hosts(), ["zone.example.net"]);
        assert!(roster.has_exchanges());
        assert_eq!(roster.manifest().series.len(), 1, "the fixed one");
        let (change, moved) = roster.handle_cycle(&found(&["192.0.2.9", "2001:db8::9"]));
        assert_eq!(moved[0].pinned, ips(&["192.0.2.9", "2001:db8::9"]));
        assert_eq!(change.add.len(), 4);
        assert_eq!((change.pause, change.resume), (vec![], vec![]));
        assert_eq!(
            change.looked_up,
            [(2, Some(7_000)), (2 + HTTPS + 1, Some(7_000))],
            "the exchanges, each over its address"
        );
        let manifest = roster.manifest();
        assert_eq!(manifest.check(), Ok(()));
        assert_eq!(manifest.series.len(), 1 + 2 * (1 + HTTPS as usize));
        assert_eq!(manifest.series[1].facet.host, "zone.example.net");
        assert_eq!(manifest.series[17].address.to_string(), "[2001:db8::9]:0");

        let (change, moved) = roster.handle_cycle(&found(&["192.0.2.10", "192.0.2.9"]));
        assert_eq!(moved[0].pinned, ips(&["192.0.2.9", "192.0.2.10"]));
        assert_eq!(change.pause, [17, 18], "what is not in the answer");
        assert_eq!(change.add.len(), 2);
        let again = roster.manifest();
        assert_eq!(
            again.series[..manifest.series.len()],
            manifest.series[..],
            "nothing moves"
        );

        let (change, _) = roster.handle_cycle(&found(&["192.0.2.9", "2001:db8::9"]));
        assert_eq!((change.add.len(), change.resume), (0, vec![17, 18]));
        assert_eq!(roster.manifest(), again);
        let (change, moved) = roster.handle_cycle(&found(&["2001:db8::9", "192.0.2.9"]));
        assert_eq!(
            (change.pause.len(), moved.len()),
            (0, 0),
            "another order is no change"
        );
    }

    #[test]
    fn each_flow_of_each_address_is_a_series_and_a_source_address_chooses_the_family() {
        let config = CONFIG.replacen(
            "address = \"zone.example.net\"\n  [[target.probe]]\n  method = \"icmp_echo\"",
            "address = \"zone.example.net\"\n  [[target.probe]]\n  method = \"icmp_echo\"\n  flows = 3\n  source_address = \"::2\"",
            1,
        );
        let mut roster = Roster::new(parse(&config, Path::new("agent.toml")).expect("a good file"));
        let (change, _) = roster.handle_cycle(&found(&["192.0.2.9", "2001:db8::9"]));
        let flows: Vec<_> = change
            .add
            .iter()
            .map(|plan| (plan.address.is_ipv6(), plan.lane.flow))
            .collect();
        assert_eq!(flows, [(false, 0), (true, 0), (true, 1), (true, 2), (true, 0)]);
        assert_eq!(roster.counters().other_family, 1);
        let series = roster.manifest().series;
        let numbers: Vec<_> = (16..20)
            .map(|number| (series[number].method, series[number].flow))
            .collect();
        let echo = |flow| (Method::IcmpEcho, flow);
        assert_eq!(numbers, [echo(0), echo(1), echo(2), (Method::HttpsFirstByte, 0)]);
        assert_eq!(roster.manifest().check(), Ok(()));
        let phases: HashSet<_> = change.add.iter().map(|plan| plan.phase_ns).collect();
        assert_eq!(phases.len(), 5, "no burst");
        let (change, _) = roster.handle_cycle(&found(&["192.0.2.9"]));
        assert_eq!(change.pause, [16, 17, 18, 19], "every flow of it");
    }

    #[test]
    fn an_address_with_nothing_to_probe_takes_no_place() {
        let (config, _) = CONFIG.rsplit_once("  [[target.probe]]").expect("two");
        let mut roster = Roster::new(parse(config, Path::new("agent.toml")).expect("a good file"));
        for _ in 0..2 {
            let cycle = found(&["192.0.2.1", "192.0.2.9", "192.0.2.10"]);
            roster.handle_cycle(&cycle);
            assert_eq!(roster.names[0].pinned, ips(&["192.0.2.9", "192.0.2.10"]));
        }
        assert_eq!(roster.counters().shared, 1, "counted once");
    }

    #[test]
    fn a_failure_keeps_what_there_was_and_is_counted() {
        let mut roster = roster();
        roster.handle_cycle(&found(&["192.0.2.9"]));
        let failed = Lookup {
            host: 0,
            took_ns: 9,
            found: Err("no answer".to_owned()),
        };
        let (change, moved) = roster.handle_cycle(&[failed]);
        assert_eq!((change.pause, moved), (vec![], vec![]));
        assert_eq!(change.looked_up, [(2, None)]);
        assert_eq!(roster.counters().failed, 1);
    }

    #[test]
    fn more_than_are_probed_and_more_than_are_remembered_are_counted() {
        let mut roster = roster();
        let (_, moved) = roster.handle_cycle(&found(&["192.0.2.9", "192.0.2.10", "192.0.2.11"]));
        assert_eq!(moved[0].pinned.len(), 2);
        assert_eq!(roster.counters().beyond_limit, 1);
        for last in 20..40 {
            roster.handle_cycle(&found(&[&format!("192.0.2.{last}")]));
        }
        assert_eq!(roster.names[0].known.len(), MOST_KNOWN);
        assert_eq!(roster.counters().no_room, 6);
        assert_eq!(
            roster.names[0].pinned,
            ips(&["192.0.2.33"]),
            "the last there was room for"
        );
    }

    #[test]
    fn an_answer_never_has_two_series_it_could_belong_to() {
        let mut roster = roster();
        let (change, _) = roster.handle_cycle(&found(&["192.0.2.1"]));
        assert_eq!(change.add.len(), 1, "icmp_echo to it is the fixed target's");
        assert_eq!(roster.counters().shared, 1);
    }
}
