//! The agent's own configuration and the plan in one, as far as the agent's policy allows. Pure. What the operator of the host
//! configured stays as it is; what the plan adds comes after it. A plan that says stop stops all of it.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use azimuth_measurement::plan::{MAX_PROBES, Plan, PlanProbe, PlanTarget};
use azimuth_measurement::series::{MAX_SERIES, MAX_WAITING_TIME_MS};
use azimuth_measurement::{Granularity, Method, PlanRefusal, ZoneKey};

use crate::config::leaving::Leaving;
use crate::config::{Config, Probe, Target};
use crate::policy::Host;
use crate::probe::exchange::Request;
use crate::probe::lane::{Lanes, MAX_LANES};

/// What a configuration may say, in milliseconds.
const PERIODS_MS: std::ops::RangeInclusive<u32> = 10..=3_600_000;
/// A name that is longer cannot be shown.
const MAX_NAME_BYTES: usize = 128;

/// What is measured, and what is not.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// By this.
    pub config: Config,
    /// Targets that the plan added.
    pub planned: usize,
    /// What was refused: the target, with the method where it was one probe, and why.
    pub refused: Vec<(String, PlanRefusal)>,
}

impl Merged {
    /// How many for each reason.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<PlanRefusal, u32> {
        let mut counts = BTreeMap::new();
        for (_, why) in &self.refused {
            *counts.entry(*why).or_default() += 1;
        }
        counts
    }
}

/// `own`, and what `plan` adds to it.
#[must_use]
pub fn merge(own: &Config, plan: Option<&Plan>) -> Merged {
    let mut merged = Merged {
        config: own.clone(),
        planned: 0,
        refused: Vec::new(),
    };
    let Some(plan) = plan else { return merged };
    if plan.stopped {
        merged.config.targets.clear();
        (merged.config.paths, merged.config.throughput) = (None, None);
        return merged;
    }
    let mut adding = Adding::beside(own);
    for target in &plan.targets {
        let added = adding.add(target, &mut merged.refused);
        merged.config.targets.extend(added);
    }
    if Lanes::of(&merged.config.possible_plans()).all().len() > MAX_LANES {
        // The configuration alone fits, and its sockets are all there are.
        let planned = merged.config.targets.split_off(own.targets.len());
        let refused = planned
            .into_iter()
            .map(|target| (target.name, PlanRefusal::TooManyTargets));
        merged.refused.extend(refused);
    }
    merged.planned = merged.config.targets.len() - own.targets.len();
    merged
}

/// What is measured so far.
struct Adding<'c> {
    own: &'c Config,
    names: HashSet<String>,
    /// By what tells two probes apart: the name or address, the port, the method.
    measured: HashSet<(String, u16, Method)>,
    targets: usize,
    series: usize,
    probes_per_s: f64,
}

impl<'c> Adding<'c> {
    fn beside(own: &'c Config) -> Self {
        let probes = own
            .targets
            .iter()
            .flat_map(|target| target.probes.iter().map(move |probe| (target, probe)));
        Self {
            own,
            names: own.targets.iter().map(|target| target.name.clone()).collect(),
            measured: probes
                .map(|(target, probe)| {
                    let host = target.host.clone();
                    let host = host.unwrap_or_else(|| probe.address.ip().to_string());
                    (host, probe.address.port(), probe.method)
                })
                .collect(),
            targets: 0,
            series: own
                .targets
                .iter()
                .flat_map(|target| &target.probes)
                .map(|probe| probe.series(own.labels_load()))
                .sum(),
            probes_per_s: 0.0,
        }
    }

    /// The target with those of its probes that are allowed; `None` if there are none. What is refused is noted.
    fn add(&mut self, given: &PlanTarget, refused: &mut Vec<(String, PlanRefusal)>) -> Option<Target> {
        let (zone, granularity, host) = match self.head(given) {
            Ok(head) => head,
            Err(why) => {
                refused.push((shown(&given.name), why));
                return None;
            }
        };
        let mut probes = Vec::new();
        for probe in &given.probes {
            match self.probe(&host, probe) {
                Ok(probe) => probes.push(probe),
                Err(why) => refused.push((format!("{} {}", shown(&given.name), shown(&probe.method)), why)),
            }
        }
        if probes.is_empty() {
            return None;
        }
        self.targets += 1;
        self.names.insert(given.name.clone());
        Some(Target {
            name: given.name.clone(),
            zone,
            granularity,
            host: match host {
                Host::Address(_) => None,
                Host::Name(name) => Some(name),
            },
            probes,
            planned: true,
        })
    }

    /// What a target is, its probes aside.
    fn head(&self, given: &PlanTarget) -> Result<(ZoneKey, Granularity, Host), PlanRefusal> {
        let policy = &self.own.policy;
        if !policy.enabled {
            return Err(PlanRefusal::Disabled);
        }
        if self.targets >= policy.most_targets {
            return Err(PlanRefusal::TooManyTargets);
        }
        let zone = ZoneKey::new(&given.provider, &given.region, &given.zone);
        let zone = zone.map_err(|_| PlanRefusal::Malformed)?;
        let granularity = given.granularity.parse().map_err(|_| PlanRefusal::Malformed)?;
        let is_shown =
            (1..=MAX_NAME_BYTES).contains(&given.name.len()) && !given.name.chars().any(char::is_control);
        if !is_shown || given.probes.is_empty() || given.probes.len() > MAX_PROBES {
            return Err(PlanRefusal::Malformed);
        }
        let host = policy.judge_host(&given.host)?;
        if self.names.contains(&given.name) {
            return Err(PlanRefusal::Duplicate);
        }
        Ok((zone, granularity, host))
    }

    fn probe(&mut self, host: &Host, given: &PlanProbe) -> Result<Probe, PlanRefusal> {
        let policy = &self.own.policy;
        let method: Method = given.method.parse().map_err(|_| PlanRefusal::Method)?;
        let text = match host {
            Host::Address(address) => address.to_string(),
            Host::Name(name) => name.clone(),
        };
        let server_name: Arc<str> = Arc::from(text.trim_end_matches('.'));
        let request = match method {
            Method::Stamp | Method::IcmpEcho | Method::TcpConnect => None,
            Method::TlsHandshake => Some(Request::Tls { server_name }),
            Method::HttpsFirstByte => Some(Request::Https {
                server_name,
                path: Arc::from("/"),
            }),
            // A plan carries no question.
            Method::DnsQuery => return Err(PlanRefusal::Method),
        };
        if (method == Method::IcmpEcho) != (given.port == 0) {
            return Err(PlanRefusal::Malformed);
        }
        policy.judge_port(given.port)?;
        if !PERIODS_MS.contains(&given.period_ms)
            || !(1..=MAX_WAITING_TIME_MS).contains(&given.waiting_time_ms)
        {
            return Err(PlanRefusal::Malformed);
        }
        policy.judge_period(given.period_ms)?;
        // A name may turn out to have as many addresses as are probed at once.
        let (ip, addresses) = match host {
            Host::Address(address) => (*address, 1),
            Host::Name(_) => (IpAddr::V4(Ipv4Addr::UNSPECIFIED), self.own.names.addresses),
        };
        let probes_per_s = self.probes_per_s + addresses as f64 * 1_000.0 / f64::from(given.period_ms);
        if probes_per_s > f64::from(policy.most_probes_per_s) {
            return Err(PlanRefusal::TotalRate);
        }
        let probe = Probe {
            method,
            address: SocketAddr::new(ip, given.port),
            period_ms: given.period_ms,
            poisson: false,
            waiting_time_ms: given.waiting_time_ms,
            follow_up: true,
            direct_measurement: false,
            key: None,
            request,
            leaving: Leaving::default(),
            public: given.public,
        };
        let needed = probe.series(self.own.labels_load());
        if self.series + needed > MAX_SERIES {
            return Err(PlanRefusal::TooManyTargets);
        }
        if !self.measured.insert((text, given.port, method)) {
            return Err(PlanRefusal::Duplicate);
        }
        self.probes_per_s = probes_per_s;
        self.series += needed;
        Ok(probe)
    }
}

/// As it is shown to people: short, and without what could steer a terminal.
fn shown(text: &str) -> String {
    text.chars().take(60).flat_map(char::escape_default).collect()
}

#[cfg(test)]
mod tests;
