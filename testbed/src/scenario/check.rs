//! What serde cannot see: names that must exist, names that must be unique, times that must make sense.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use azimuth_measurement::{AgentId, ZoneKey};
use toml::Spanned;

use super::file::{IncidentTable, Scenario, What};

/// More nodes than this would not fit one machine's descriptors, nor the address plan (.1 to .250).
const MAX_NODES: usize = 250;

/// The first thing wrong, and where.
pub(super) struct Fault {
    /// Byte offset in the file.
    pub(super) offset: usize,
    /// What is wrong and what to write instead.
    pub(super) problem: String,
}

fn fault(at: &Spanned<String>, problem: String) -> Fault {
    Fault {
        offset: at.span().start,
        problem,
    }
}

pub(super) fn check(scenario: &Scenario) -> Result<(), Fault> {
    name(&scenario.name)?;
    prefixes(scenario)?;
    amounts(scenario)?;

    let isps = unique("[[isp]] name", scenario.isp.iter().map(|isp| &isp.name))?;
    let agents = unique(
        "[[vantage_point]] agent",
        scenario.vantage_point.iter().map(|point| &point.agent),
    )?;
    let zones = unique("[[zone]] key", scenario.zone.iter().map(|zone| &zone.key))?;
    unique(
        "[[incident]] name",
        scenario.incident.iter().map(|incident| &incident.name),
    )?;
    let exchanges = scenario.network.exchange.keys().map(String::as_str).collect();
    let accesses = scenario.access.keys().map(String::as_str).collect();

    for isp in &scenario.isp {
        for exchange in &isp.exchanges {
            known("[[isp]] exchanges", exchange, "[network.exchange.*]", &exchanges)?;
        }
    }
    for point in &scenario.vantage_point {
        point
            .agent
            .get_ref()
            .parse::<AgentId>()
            .map_err(|error| fault(&point.agent, error.to_string()))?;
        country(&point.country)?;
        known("[[vantage_point]] isp", &point.isp, "[[isp]] name", &isps)?;
        known("[[vantage_point]] access", &point.access, "[access.*]", &accesses)?;
    }
    for zone in &scenario.zone {
        zone.key
            .get_ref()
            .parse::<ZoneKey>()
            .map_err(|error| fault(&zone.key, error.to_string()))?;
        country(&zone.country)?;
    }
    for pair in &scenario.pair {
        known("[[pair]] agent", &pair.agent, "[[vantage_point]] agent", &agents)?;
        known("[[pair]] zone", &pair.zone, "[[zone]] key", &zones)?;
    }
    let countries = scenario
        .vantage_point
        .iter()
        .map(|point| point.country.get_ref().as_str())
        .collect();
    for incident in &scenario.incident {
        times(incident)?;
        match &incident.what {
            What::RouteChange { isp, zone, .. } => {
                known("route_change isp", isp, "[[isp]] name", &isps)?;
                known("route_change zone", zone, "[[zone]] key", &zones)?;
            }
            What::ZoneOutage { zone } => known("zone_outage zone", zone, "[[zone]] key", &zones)?,
            What::AccessCongestion { agent, .. } => {
                known(
                    "access_congestion agent",
                    agent,
                    "[[vantage_point]] agent",
                    &agents,
                )?;
            }
            What::TransitFault { country, .. } => {
                known(
                    "transit_fault country",
                    country,
                    "[[vantage_point]] country",
                    &countries,
                )?;
            }
            What::Disorder { country, .. } => {
                known(
                    "disorder country",
                    country,
                    "[[vantage_point]] country",
                    &countries,
                )?;
            }
        }
    }
    Ok(())
}

fn name(name: &Spanned<String>) -> Result<(), Fault> {
    let fits = |text: &str| {
        !text.is_empty()
            && text.len() <= 32
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    if fits(name.get_ref()) {
        return Ok(());
    }
    Err(fault(
        name,
        "name: write 1 to 32 lower-case letters, digits and hyphens".to_owned(),
    ))
}

fn prefixes(scenario: &Scenario) -> Result<(), Fault> {
    let network = &scenario.network;
    if parse_ipv4_prefix(network.ipv4_prefix.get_ref()).is_none() {
        return Err(fault(
            &network.ipv4_prefix,
            "network.ipv4_prefix: write a /16 out of 10.0.0.0/8, such as \"10.77.0.0/16\"".to_owned(),
        ));
    }
    if parse_ipv6_prefix(network.ipv6_prefix.get_ref()).is_none() {
        return Err(fault(
            &network.ipv6_prefix,
            "network.ipv6_prefix: write a /16 out of fd00::/8, such as \"fd77::/16\"".to_owned(),
        ));
    }
    Ok(())
}

/// `10.X.0.0/16`, the only form of IPv4 prefix a world may have.
pub(crate) fn parse_ipv4_prefix(text: &str) -> Option<Ipv4Addr> {
    let address: Ipv4Addr = text.strip_suffix("/16")?.parse().ok()?;
    let [first, _, third, fourth] = address.octets();
    (first == 10 && third == 0 && fourth == 0).then_some(address)
}

/// `fdXX::/16`, the only form of IPv6 prefix a world may have.
pub(crate) fn parse_ipv6_prefix(text: &str) -> Option<Ipv6Addr> {
    let address: Ipv6Addr = text.strip_suffix("/16")?.parse().ok()?;
    let segments = address.segments();
    (segments[0] >> 8 == 0xfd && segments[1..].iter().all(|segment| *segment == 0)).then_some(address)
}

fn amounts(scenario: &Scenario) -> Result<(), Fault> {
    let at = &scenario.name;
    for (table, count) in [
        ("[[vantage_point]]", scenario.vantage_point.len()),
        ("[[zone]]", scenario.zone.len()),
    ] {
        if count == 0 || count > MAX_NODES {
            return Err(fault(
                at,
                format!("{table}: {count} of them; write 1 to {MAX_NODES}"),
            ));
        }
    }
    let [low, high] = scenario.network.path_factor;
    if low > high {
        return Err(fault(
            at,
            "network.path_factor: write [lowest, highest]".to_owned(),
        ));
    }
    for (access_name, access) in &scenario.access {
        if (access.queue_bytes as usize) < crate::namespace::MTU_BYTES {
            let problem = format!("access.{access_name}.queue_bytes: write at least one packet, 1500 bytes");
            return Err(fault(at, problem));
        }
    }
    let probing = &scenario.probing;
    if !(100..=60_000).contains(&probing.waiting_time_ms) {
        return Err(fault(
            at,
            "probing.waiting_time_ms: write 100 to 60000".to_owned(),
        ));
    }
    let periods_ms = [
        probing.stamp_period_ms,
        probing.tcp_connect_period_ms,
        probing.icmp_echo_period_ms,
    ];
    if periods_ms == [0; 3] {
        return Err(fault(
            at,
            "probing: every period is 0, so nothing would be measured".to_owned(),
        ));
    }
    Ok(())
}

fn unique<'a>(
    key: &str,
    names: impl Iterator<Item = &'a Spanned<String>>,
) -> Result<BTreeSet<&'a str>, Fault> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name.get_ref().as_str()) {
            return Err(fault(
                name,
                format!("{key}: \"{}\" is there twice; rename one", name.get_ref()),
            ));
        }
    }
    Ok(seen)
}

fn known(key: &str, name: &Spanned<String>, table: &str, names: &BTreeSet<&str>) -> Result<(), Fault> {
    if names.contains(name.get_ref().as_str()) {
        return Ok(());
    }
    let listed: Vec<&str> = names.iter().copied().take(12).collect();
    let more = if names.len() > listed.len() { ", ..." } else { "" };
    Err(fault(
        name,
        format!(
            "{key}: no {table} is called \"{}\"; write one of: {}{more}",
            name.get_ref(),
            listed.join(", ")
        ),
    ))
}

fn country(code: &Spanned<String>) -> Result<(), Fault> {
    if code.get_ref().len() == 2 && code.get_ref().bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Ok(());
    }
    Err(fault(
        code,
        format!(
            "country: \"{}\" is not two capital letters, such as \"FR\"",
            code.get_ref()
        ),
    ))
}

fn times(incident: &IncidentTable) -> Result<(), Fault> {
    let (length, period) = (incident.for_s, incident.repeat_every_s);
    if length.get() <= 0.0 {
        return Err(fault(
            &incident.name,
            "for_s: an incident lasts longer than 0 s".to_owned(),
        ));
    }
    if period.is_some_and(|period| period <= length) {
        return Err(fault(
            &incident.name,
            "repeat_every_s: must be longer than for_s, or the incident would never end".to_owned(),
        ));
    }
    Ok(())
}
