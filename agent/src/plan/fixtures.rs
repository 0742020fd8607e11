//! For tests: what a host measures by its own configuration, and what a plan may ask of it.

use std::path::Path;

use azimuth_measurement::plan::{PlanProbe, PlanTarget};

use crate::config::{Config, parse};

pub(crate) fn own() -> Config {
    let text = r#"
agent = "paris-1"
[collector]
url = "http://127.0.0.1:1"
[vantage_point]
name = "Paris"
country = "FR"
city = "Paris"
network = "Free"
asn = 12322
latitude = 48.86
longitude = 2.35
[[target]]
name = "own"
provider = "mine"
region = "r"
zone = "z"
address = "127.0.0.1"
  [[target.probe]]
  method = "stamp"
  period_ms = 50
"#;
    parse(text, Path::new("agent.toml")).expect("a good file")
}

pub(crate) fn probe(method: &str, port: u16, period_ms: u32) -> PlanProbe {
    PlanProbe {
        method: method.to_owned(),
        port,
        period_ms,
        waiting_time_ms: 2_000,
        public: false,
    }
}

pub(crate) fn target(name: &str, host: &str, probes: Vec<PlanProbe>) -> PlanTarget {
    PlanTarget {
        name: name.to_owned(),
        provider: "aws".to_owned(),
        region: "eu-west-3".to_owned(),
        zone: "euw3-az1".to_owned(),
        granularity: "region".to_owned(),
        host: host.to_owned(),
        probes,
    }
}
