//! The configuration written for each agent: the agent's own TOML format, nothing of ours.

use std::path::Path;

use serde::Serialize;

use crate::plan::{Plan, VantagePoint};

pub use crate::relay::speech::STAMP_PORT;

/// TCP port of the reflectors.
pub const TCP_PORT: u16 = 8621;

#[derive(Serialize)]
struct AgentConfig<'a> {
    agent: &'a str,
    collector: Collector,
    spool: Spool<'a>,
    path: Paths,
    vantage_point: Place<'a>,
    target: Vec<Target<'a>>,
}

#[derive(Serialize)]
struct Collector {
    url: String,
}

#[derive(Serialize)]
struct Spool<'a> {
    directory: &'a Path,
}

/// The emulated network has no routers, and its ground truth counts every packet.
#[derive(Serialize)]
struct Paths {
    enabled: bool,
}

#[derive(Serialize)]
struct Place<'a> {
    name: &'a str,
    country: &'a str,
    city: &'a str,
    network: &'a str,
    asn: u32,
    latitude: f64,
    longitude: f64,
}

#[derive(Serialize)]
struct Target<'a> {
    name: String,
    provider: &'a str,
    region: &'a str,
    zone: &'a str,
    granularity: &'static str,
    address: String,
    probe: Vec<Probe>,
}

#[derive(Serialize)]
struct Probe {
    method: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    period_ms: u32,
    waiting_time_ms: u32,
}

/// The configuration of the agent at `point`, which measures every zone, delivers to `socket` and keeps what it cannot
/// deliver in `spool`.
///
/// # Errors
/// When the TOML writer refuses a value, which no checked scenario makes it do.
pub fn agent_config(
    plan: &Plan,
    point: &VantagePoint,
    socket: &Path,
    spool: &Path,
) -> Result<String, toml::ser::Error> {
    let probing = &plan.probing;
    let probes = [
        ("stamp", STAMP_PORT, probing.stamp_period_ms),
        ("tcp_connect", TCP_PORT, probing.tcp_connect_period_ms),
        ("icmp_echo", 0, probing.icmp_echo_period_ms),
    ];
    let target = plan
        .zones
        .iter()
        .map(|zone| Target {
            // Unique within one world, and fit for a file name or a label.
            name: zone.key.to_string().replace(['/', '%'], "-"),
            provider: zone.key.provider(),
            region: zone.key.region(),
            zone: zone.key.zone(),
            granularity: "zone",
            address: zone.address().to_string(),
            probe: probes
                .iter()
                .filter(|(_, _, period_ms)| *period_ms > 0)
                .map(|(method, port, period_ms)| Probe {
                    method,
                    port: (*port > 0).then_some(*port),
                    period_ms: *period_ms,
                    waiting_time_ms: probing.waiting_time_ms,
                })
                .collect(),
        })
        .collect();
    toml::to_string(&AgentConfig {
        agent: point.agent.as_str(),
        collector: Collector {
            url: format!("unix:{}", socket.display()),
        },
        spool: Spool { directory: spool },
        path: Paths { enabled: false },
        vantage_point: Place {
            name: &point.table.name,
            country: point.table.country.get_ref(),
            city: &point.table.city,
            network: point.table.isp.get_ref(),
            asn: point.asn,
            latitude: point.table.latitude.get(),
            longitude: point.table.longitude.get(),
        },
        target,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{SMALL, parse};

    #[test]
    fn the_file_says_what_the_agents_format_asks_for() {
        let plan = Plan::of(&parse(SMALL, "small").expect("the small world"));
        let (socket, spool) = (Path::new("/run/x/collector.sock"), Path::new("/run/x/a.spool"));
        let text = agent_config(&plan, &plan.vantage_points[0], socket, spool).expect("toml");
        let read: toml::Table = toml::from_str(&text).expect("toml");
        assert_eq!(read["agent"].as_str(), Some("paris-free"));
        assert_eq!(
            read["collector"]["url"].as_str(),
            Some("unix:/run/x/collector.sock")
        );
        assert_eq!(read["spool"]["directory"].as_str(), Some("/run/x/a.spool"));
        assert_eq!(read["vantage_point"]["asn"].as_integer(), Some(12322));
        assert_eq!(read["vantage_point"]["latitude"].as_float(), Some(48.86));
        let targets = read["target"].as_array().expect("targets");
        let families: Vec<_> = targets
            .iter()
            .filter_map(|target| target["address"].as_str())
            .collect();
        assert_eq!(families, ["10.78.2.1", "fd78::2:2", "10.78.2.3"]);
        assert_eq!(
            targets[2]["zone"].as_str(),
            Some("de/fra"),
            "the zone's own id, unescaped"
        );
        let probes = targets[0]["probe"].as_array().expect("probes");
        let methods: Vec<_> = probes
            .iter()
            .filter_map(|probe| probe["method"].as_str())
            .collect();
        assert_eq!(methods, ["stamp", "tcp_connect"]);
        assert_eq!(probes[1]["port"].as_integer(), Some(8621));
    }
}
