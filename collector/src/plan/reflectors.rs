//! Reflectors of one's own whose place nobody writes down: `[[reflector]]` of a plan names the agent on the reflector's host, and where
//! that host finds itself to stand is the reflector's row of the catalogue. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use azimuth_measurement::catalogue::Catalogue;
use azimuth_measurement::{AgentId, CloudPlace, Method};
use serde::Deserialize;

/// Where STAMP reflectors listen unless told otherwise.
const USUAL_PORT: u16 = 8_620;
/// A reflector of one's own is asked this often at most unless its row says otherwise, in milliseconds.
const USUAL_LEAST_PERIOD_MS: u32 = 100;

/// Where agents' hosts stand, by the agent's name.
pub type Places = BTreeMap<String, CloudPlace>;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenReflector {
    agent: String,
    host: String,
    #[serde(default = "usual_port")]
    port: u16,
    methods: Option<Vec<String>>,
    #[serde(default = "usual_least_period")]
    least_period_ms: u32,
}

fn usual_port() -> u16 {
    USUAL_PORT
}

fn usual_least_period() -> u32 {
    USUAL_LEAST_PERIOD_MS
}

/// A reflector that stands where the host of an agent does.
#[derive(Debug, Clone, PartialEq)]
pub struct Reflector {
    /// The agent on its host.
    pub agent: AgentId,
    /// Its name or address.
    pub host: String,
    /// Where it answers.
    pub port: u16,
    /// How it may be measured.
    pub methods: Vec<Method>,
    /// How often at most, in milliseconds from one probe of an agent to the next.
    pub least_period_ms: u32,
}

impl Reflector {
    /// From its row; what is wrong with it otherwise.
    pub(super) fn read(row: WrittenReflector) -> Result<Self, String> {
        let agent = row.agent.parse().map_err(|error| format!("agent: {error}"))?;
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-:".contains(&byte);
        if row.host.is_empty() || !row.host.bytes().all(is_host) {
            return Err("host: write a host name or an address, without brackets or a port".to_owned());
        }
        let methods = row
            .methods
            .unwrap_or_else(|| vec![Method::Stamp.as_str().to_owned()]);
        let methods: Result<Vec<Method>, String> = methods
            .iter()
            .map(|method| method.parse().map_err(|error| format!("methods: {error}")))
            .collect();
        Ok(Self {
            agent,
            host: row.host,
            port: row.port,
            methods: methods?,
            least_period_ms: row.least_period_ms,
        })
    }

    /// Its row of a catalogue, where its host stands in a region that the catalogue knows.
    fn row(&self, place: &CloudPlace, catalogue: &Catalogue) -> Option<String> {
        let mut zones = catalogue.zones_of(&place.provider, &place.region).peekable();
        zones.peek()?;
        let is_known = zones.any(|zone| zone.key.zone() == place.zone);
        let mut row = String::from("[[endpoint]]\n");
        let mut say = |key: &str, value: String| {
            let _ = writeln!(row, "{key} = {value}");
        };
        let quoted = |text: &str| toml::Value::from(text).to_string();
        say("provider", quoted(&place.provider));
        say("region", quoted(&place.region));
        if is_known {
            say("zone", quoted(&place.zone));
        }
        say("granularity", quoted(if is_known { "zone" } else { "region" }));
        say("host", quoted(&self.host));
        say("port", self.port.to_string());
        let methods: Vec<String> = self
            .methods
            .iter()
            .map(|method| quoted(method.as_str()))
            .collect();
        say("methods", format!("[{}]", methods.join(", ")));
        say("ownership", quoted("own"));
        say("least_period_ms", self.least_period_ms.to_string());
        Some(row)
    }
}

/// The catalogue with every reflector whose place is known, and the agents of those that found no room in it.
pub fn placed(catalogue: &Catalogue, reflectors: &[Reflector], places: &Places) -> (Catalogue, Vec<AgentId>) {
    let mut with = catalogue.clone();
    let mut left = Vec::new();
    for reflector in reflectors {
        let row = places
            .get(reflector.agent.as_str())
            .and_then(|place| reflector.row(place, &with));
        match row.map(|row| with.clone().overlaid(&row)) {
            Some(Ok(more)) => with = more,
            _ => left.push(reflector.agent.clone()),
        }
    }
    (with, left)
}
