//! What the doctor says of this host's place in its fleet: as whom it reports and to whom, by which plan it measures, and what a plan
//! may ask of it. Reads the configuration and the files beside the identity; asks nobody, sends nothing.

use std::fmt::Write as _;
use std::net::IpAddr;

use azimuth_measurement::enrolment::{TlsTrust, base64url};
use azimuth_measurement::plan::Plan;
use serde::Serialize;

use crate::config::{CollectorAddress, Config};
use crate::identity::Identity;
use crate::plan::keeper::{file_beside, kept};
use crate::plan::merge::merge;
use crate::policy::Policy;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Standing {
    /// What.
    pub(super) subject: &'static str,
    /// What was found.
    pub(super) found: String,
    /// What to do about it; nothing if all is well.
    pub(super) remedy: Option<String>,
}

fn well(subject: &'static str, found: String) -> Standing {
    Standing {
        subject,
        found,
        remedy: None,
    }
}

fn ill(subject: &'static str, found: String, remedy: &str) -> Standing {
    Standing {
        remedy: Some(remedy.to_owned()),
        ..well(subject, found)
    }
}

/// Identity, way to the collector, plan, and what a plan may ask.
pub(super) fn examine(config: &Config) -> Vec<Standing> {
    let Some(file) = &config.identity else {
        let found = "none: it reports under the name of its configuration, and is given no plan".to_owned();
        return vec![well("identity", found), way(&config.collector, None)];
    };
    let identity = match Identity::load(file) {
        Ok(identity) => identity,
        Err(error) => {
            let remedy = "`azimuth-agent join` makes one; run this as the user the agent runs as";
            return vec![ill("identity", error.to_string(), remedy)];
        }
    };
    let key = base64url::encode(&identity.collector_key);
    let mut found = format!("{}, of the collector with the key {key}", identity.agent);
    if identity.next_key.is_some() {
        found += "; changing to another key of its own";
    }
    let plan_file = file_beside(file);
    let plan = kept(&plan_file, &identity).map_err(|why| format!("{}: {why}", plan_file.display()));
    let mut standings = vec![
        well("identity", found),
        way(&config.collector, Some(identity.tls)),
    ];
    standings.extend(of_plan(config, plan, &key));
    standings.push(well("a plan may ask", allowed(&config.policy)));
    standings
}

fn way(collector: &CollectorAddress, tls: Option<TlsTrust>) -> Standing {
    let subject = "collector";
    let stays_here = |authority: &str| {
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    };
    match collector {
        CollectorAddress::Unix(_) => well(subject, format!("{collector}, on this host")),
        CollectorAddress::Https(_) => {
            let known = match tls {
                Some(TlsTrust::Pin(_)) => "its key alone",
                Some(TlsTrust::System) | None => "this host's authorities",
            };
            well(subject, format!("{collector}, over TLS, known by {known}"))
        }
        CollectorAddress::Http(url) if stays_here(url.trim_start_matches("http://")) => {
            well(subject, format!("{collector}, on this host"))
        }
        CollectorAddress::Http(_) => ill(
            subject,
            format!("{collector}, in the clear"),
            "let it come in by https: a proxy with TLS, or [agents] in the collector's configuration",
        ),
    }
}

fn of_plan(config: &Config, plan: Result<Option<Plan>, String>, key: &str) -> Vec<Standing> {
    let subject = "plan";
    if !config.policy.enabled {
        return vec![well(
            subject,
            "this host takes none ([plan] enabled = false)".to_owned(),
        )];
    }
    let plan = match plan {
        Ok(Some(plan)) => plan,
        Ok(None) => {
            let found = "none yet; a running agent asks its collector for it within seconds";
            return vec![well(subject, found.to_owned())];
        }
        Err(why) => {
            let remedy =
                "remove the file; the collector gives another, signed with the key this host joined with";
            return vec![ill(subject, why, remedy)];
        }
    };
    let signed = format!("version {}, signed by the collector ({key})", plan.version);
    if plan.stopped {
        let remedy = "`azimuth-collector plan resume` on the collector's host takes everything up again";
        return vec![ill(
            subject,
            format!("{signed}: STOPPED, nothing is sent"),
            remedy,
        )];
    }
    let merged = merge(config, Some(&plan));
    let found = format!(
        "{signed}: {} of {} targets are measured, beside {} of this host's own",
        merged.planned,
        plan.targets.len(),
        config.targets.len()
    );
    let mut standings = vec![well(subject, found)];
    if !merged.refused.is_empty() {
        let counts: Vec<String> = merged
            .counts()
            .iter()
            .map(|(why, count)| format!("{count} {}", why.as_str()))
            .collect();
        let remedy = "`azimuth-agent plan` names each part; [plan] in this host's configuration decides";
        standings.push(ill("refused", counts.join(", "), remedy));
    }
    standings
}

fn allowed(policy: &Policy) -> String {
    if !policy.enabled {
        return "nothing".to_owned();
    }
    let ports: Vec<String> = policy.ports.iter().map(ToString::to_string).collect();
    let beside = match policy.allow.len() {
        0 => String::new(),
        networks => format!(" and in {networks} networks named here"),
    };
    format!(
        "public addresses{beside}, ports {}, each series every {} ms at most, {} probes a second, {} targets",
        ports.join(" "),
        policy.least_period_ms,
        policy.most_probes_per_s,
        policy.most_targets
    )
}

/// For people.
pub(super) fn table(standings: &[Standing]) -> String {
    let mut text = String::from("\n");
    for standing in standings {
        let mark = if standing.remedy.is_none() { "ok" } else { "!!" };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {mark}  {:<15} {}", standing.subject, standing.found);
    }
    for standing in standings {
        if let Some(remedy) = &standing.remedy {
            let _ = writeln!(text, "\n  {}: {remedy}", standing.subject);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use azimuth_measurement::plan::PlanTarget;

    use super::*;
    use crate::plan::fixtures::{self, own};

    fn target(host: &str) -> PlanTarget {
        let probes = vec![fixtures::probe("tcp_connect", 443, 30_000)];
        fixtures::target(&format!("aws/eu-west-3/{host}"), host, probes)
    }

    fn plan(stopped: bool, targets: Vec<PlanTarget>) -> Plan {
        Plan {
            version: 7,
            agent: "brest-1".to_owned(),
            stopped,
            targets,
        }
    }

    #[test]
    fn a_plan_is_named_with_its_version_and_signer_and_what_is_refused_has_its_reason() {
        let config = own();
        let of = |plan| of_plan(&config, plan, "KEY");
        let one = of(Ok(Some(plan(
            false,
            vec![target("192.168.1.1"), target("8.8.8.8")],
        ))));
        assert!(
            one[0]
                .found
                .starts_with("version 7, signed by the collector (KEY): 1 of 2 targets"),
            "{one:?}"
        );
        assert!(
            one[1].subject == "refused" && one[1].found == "1 private",
            "{one:?}"
        );
        assert!(one[1].remedy.is_some());
        let stopped = of(Ok(Some(plan(true, Vec::new()))));
        assert!(
            stopped[0].found.contains("STOPPED") && stopped[0].remedy.is_some(),
            "{stopped:?}"
        );
        assert_eq!(of(Ok(None))[0].remedy, None);
        let forged = of(Err("plan.json: the plan there is refused".to_owned()));
        assert!(forged[0].remedy.is_some());
    }

    #[test]
    fn a_way_in_the_clear_is_ill_and_one_that_stays_here_is_not() {
        let http = |at: &str| way(&CollectorAddress::Http(format!("http://{at}")), None).remedy;
        for here in ["127.0.0.1:8360", "[::1]:8360", "localhost:8360"] {
            assert_eq!(http(here), None, "{here}");
        }
        for away in ["192.0.2.1:8360", "localhost.example.org:8360"] {
            assert!(http(away).is_some(), "{away}");
        }
        let pinned = way(
            &CollectorAddress::Https("https://a.example:8361".to_owned()),
            Some(TlsTrust::Pin([1; 32])),
        );
        assert!(pinned.found.contains("its key alone"), "{pinned:?}");
        assert!(allowed(&Policy::default()).contains("ports 80 443 862"));
        let said = table(&examine(&own()));
        assert!(
            said.contains("ok  identity") && said.contains("on this host"),
            "{said}"
        );
    }
}
