//! The plan as it is written: a TOML file of entries, each of which says who measures what, how and how often. Read and held
//! against the catalogue at once: what needs consent, would be too often, or chooses nothing is refused by line.

use std::path::{Path, PathBuf};

use azimuth_measurement::catalogue::select::Selector;
use azimuth_measurement::catalogue::{Catalogue, CatalogueEndpoint, CatalogueZone, Ownership};
use azimuth_measurement::series::MAX_WAITING_TIME_MS;
use azimuth_measurement::{AgentId, Granularity, Method};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use toml::Spanned;

use super::agents::AgentSelector;
use super::reflectors::{Places, Reflector, WrittenReflector, placed};

/// A larger file is no plan, and no catalogue.
const MAX_FILE_BYTES: u64 = 4 << 20;
/// The most entries.
const MAX_ENTRIES: usize = 1_000;
/// The longest name of an entry, in bytes.
const MAX_NAME_BYTES: usize = 64;
/// The longest host name that can be shown beside a series, in bytes.
const MAX_HOST_BYTES: usize = 128;
/// What an agent may be configured to, in milliseconds.
const PERIODS_MS: std::ops::RangeInclusive<u32> = 10..=3_600_000;
const DEFAULT_WAITING_TIME_MS: u32 = 2_000;
/// Every zone there is.
const ALL: &str = "all";

/// What the fleet is to measure.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanFile {
    /// Where it was read; `None` when there is none.
    pub file: Option<PathBuf>,
    /// The entries, in the order of the file.
    pub entries: Vec<Entry>,
    /// What they choose from.
    pub catalogue: Catalogue,
    /// Reflectors whose place is where their hosts stand.
    pub reflectors: Vec<Reflector>,
    /// The entries as they were read.
    written: Vec<WrittenEntry>,
}

impl Default for PlanFile {
    /// Nobody measures anything but what they are configured to.
    fn default() -> Self {
        Self {
            file: None,
            entries: Vec::new(),
            catalogue: Catalogue::built_in(),
            reflectors: Vec::new(),
            written: Vec::new(),
        }
    }
}

/// Who measures what, how and how often.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Unique in the file.
    pub name: String,
    /// Who.
    pub agents: AgentSelector,
    /// As written.
    pub zones: String,
    /// How.
    pub method: Method,
    /// From one probe to the next, in milliseconds.
    pub period_ms: u32,
    /// After this long without an answer a probe is lost, in milliseconds.
    pub waiting_time_ms: u32,
    /// What.
    pub chosen: Vec<Chosen>,
    /// Left out because whoever owns them was not asked.
    pub need_consent: usize,
}

/// One address of the catalogue.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Chosen {
    /// Provider of a zone it stands for.
    pub provider: String,
    /// Region of that zone.
    pub region: String,
    /// That zone; one of several where it is known no finer than a region.
    pub zone: String,
    /// How finely it is known.
    pub granularity: &'static str,
    /// A name or an address.
    pub host: String,
    /// Where it answers; 0 with `icmp_echo`.
    pub port: u16,
    /// Whether it is somebody else's.
    pub public: bool,
}

/// Why a plan cannot be used.
#[derive(Debug, Error)]
pub enum PlanError {
    /// It, or a catalogue it names, cannot be read.
    #[error("{}: {what}; name a readable TOML file of at most {MAX_FILE_BYTES} bytes", file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        what: String,
    },
    /// It says something that cannot be.
    #[error("{}, line {line}: {what}", file.display())]
    Wrong {
        /// Which.
        file: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong, and the remedy.
        what: String,
    },
    /// The catalogue it names is none.
    #[error("{}: {what}", file.display())]
    Catalogue {
        /// Which.
        file: PathBuf,
        /// What is wrong, with its line.
        what: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    catalogue: Option<PathBuf>,
    #[serde(default)]
    entry: Vec<Spanned<WrittenEntry>>,
    #[serde(default)]
    reflector: Vec<Spanned<WrittenReflector>>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenEntry {
    name: String,
    agents: String,
    #[serde(default = "all")]
    zones: String,
    method: String,
    period_ms: u32,
    #[serde(default = "usual_waiting_time")]
    waiting_time_ms: u32,
    ownership: Option<Ownership>,
    #[serde(default)]
    addresses: Addresses,
    #[serde(default)]
    with_consent: bool,
}

/// How many addresses of each region, or of each zone where that is known.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Addresses {
    /// The one the catalogue lists first.
    #[default]
    First,
    /// All of them.
    Every,
}

fn all() -> String {
    ALL.to_owned()
}

fn usual_waiting_time() -> u32 {
    DEFAULT_WAITING_TIME_MS
}

impl PlanFile {
    /// Reads a plan, and the catalogue it names beside it.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn load(file: &Path) -> Result<Self, PlanError> {
        let text = text_of(file)?;
        Self::parse(&text, file, |named| {
            let named = file.parent().unwrap_or(Path::new("")).join(named);
            let text = text_of(&named)?;
            Catalogue::built_in()
                .overlaid(&text)
                .map_err(|error| PlanError::Catalogue {
                    file: named,
                    what: error.to_string(),
                })
        })
    }

    /// The same from a text; `catalogue` reads the one it names.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(
        text: &str,
        file: &Path,
        catalogue: impl FnOnce(&Path) -> Result<Catalogue, PlanError>,
    ) -> Result<Self, PlanError> {
        let wrong = |at: usize, what: String| PlanError::Wrong {
            file: file.to_owned(),
            line: text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1,
            what,
        };
        let written: Written = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            wrong(at, error.message().trim().to_owned())
        })?;
        let catalogue = match &written.catalogue {
            Some(named) => catalogue(named)?,
            None => Catalogue::built_in(),
        };
        let mut reflectors = Vec::with_capacity(written.reflector.len());
        for row in written.reflector {
            let at = row.span().start;
            let read = Reflector::read(row.into_inner());
            reflectors.push(read.map_err(|what| wrong(at, format!("reflector: {what}")))?);
        }
        if written.entry.len() > MAX_ENTRIES {
            let what = format!("more than {MAX_ENTRIES} entries; choose more with each");
            return Err(wrong(0, what));
        }
        let mut entries: Vec<Entry> = Vec::with_capacity(written.entry.len());
        let mut rows = Vec::with_capacity(written.entry.len());
        for row in written.entry {
            let at = row.span().start;
            let row = row.into_inner();
            let name = row.name.clone();
            let told = |what: String| wrong(at, format!("entry {name:?}: {what}"));
            if entries.iter().any(|entry| entry.name == row.name) {
                return Err(told(
                    "the name is taken; give each entry one of its own".to_owned(),
                ));
            }
            rows.push(row.clone());
            entries.push(settle(row, &catalogue, &reflectors).map_err(told)?);
        }
        Ok(Self {
            file: Some(file.to_owned()),
            entries,
            catalogue,
            reflectors,
            written: rows,
        })
    }

    /// The same with every reflector where its host stands, and the agents whose reflectors have no place.
    #[must_use]
    pub fn placed(&self, places: &Places) -> (Self, Vec<AgentId>) {
        let (catalogue, left) = placed(&self.catalogue, &self.reflectors, places);
        let rows = self.written.iter().zip(&self.entries);
        // A row that was good is good with more to choose from; should it not be, it stays as it was.
        let entries = rows.map(|(row, before)| {
            settle(row.clone(), &catalogue, &self.reflectors).unwrap_or_else(|_| before.clone())
        });
        let entries = entries.collect();
        let with = Self {
            entries,
            catalogue,
            ..self.clone()
        };
        (with, left)
    }
}

fn text_of(file: &Path) -> Result<String, PlanError> {
    let unreadable = |what: String| PlanError::Unreadable {
        file: file.to_owned(),
        what,
    };
    let size = std::fs::metadata(file)
        .map_err(|error| unreadable(error.to_string()))?
        .len();
    if size > MAX_FILE_BYTES {
        return Err(unreadable(format!("{size} bytes are too many")));
    }
    std::fs::read_to_string(file).map_err(|error| unreadable(error.to_string()))
}

fn settle(row: WrittenEntry, catalogue: &Catalogue, reflectors: &[Reflector]) -> Result<Entry, String> {
    let printable = |text: &str| !text.is_empty() && !text.chars().any(char::is_control);
    if !printable(&row.name) || row.name.len() > MAX_NAME_BYTES {
        return Err(format!(
            "name must be 1 to {MAX_NAME_BYTES} bytes without control characters"
        ));
    }
    let agents: AgentSelector = row.agents.parse().map_err(|error| format!("agents: {error}"))?;
    let method: Method = row.method.parse().map_err(|error| format!("method: {error}"))?;
    if method == Method::DnsQuery {
        return Err(
            "method: dns_query needs a question, which a plan does not carry; configure it on the agent"
                .to_owned(),
        );
    }
    if !PERIODS_MS.contains(&row.period_ms) {
        let (low, high) = (PERIODS_MS.start(), PERIODS_MS.end());
        return Err(format!(
            "period_ms = {} is not within {low} and {high}",
            row.period_ms
        ));
    }
    if !(1..=MAX_WAITING_TIME_MS).contains(&row.waiting_time_ms) {
        let given = row.waiting_time_ms;
        return Err(format!(
            "waiting_time_ms = {given} is not within 1 and {MAX_WAITING_TIME_MS}"
        ));
    }
    let is_asked = |reflector: &&Reflector| {
        reflector.methods.contains(&method) && row.ownership.is_none_or(|only| only == Ownership::Own)
    };
    if let Some(often) = reflectors
        .iter()
        .filter(is_asked)
        .find(|one| row.period_ms < one.least_period_ms)
    {
        return Err(format!(
            "period_ms = {} is too often for the reflector of {}, {} ms at least: its row says so",
            row.period_ms, often.agent, often.least_period_ms
        ));
    }
    let found = endpoints(&row.zones, catalogue)?;
    let fits = |endpoint: &CatalogueEndpoint| {
        endpoint.methods.contains(&method) && row.ownership.is_none_or(|only| only == endpoint.ownership)
    };
    let mut chosen: Vec<Chosen> = Vec::new();
    let (mut need_consent, mut left) = (0, 0);
    for (endpoint, zone) in found {
        if !fits(endpoint) {
            left += 1;
            continue;
        }
        if endpoint.consent && !row.with_consent {
            need_consent += 1;
            continue;
        }
        let one = Chosen::of(endpoint, zone, method);
        let is_further = |known: &Chosen| {
            (&known.provider, &known.region) == (&one.provider, &one.region)
                && (endpoint.zone.is_none() || known.zone == one.zone)
        };
        if row.addresses == Addresses::First && chosen.iter().any(is_further) {
            continue;
        }
        if row.period_ms < endpoint.least_period_ms {
            let remedy = if endpoint.ownership == Ownership::Own {
                "its row in your catalogue says so"
            } else {
                "it is not yours; an entry for your own reflectors alone says ownership = \"own\""
            };
            return Err(format!(
                "period_ms = {} is too often for {}:{}, {} ms at least: {remedy}",
                row.period_ms, endpoint.host, endpoint.port, endpoint.least_period_ms
            ));
        }
        if endpoint.host.len() > MAX_HOST_BYTES {
            let host: String = endpoint.host.chars().take(40).collect();
            return Err(format!("{host}... is longer than {MAX_HOST_BYTES} bytes"));
        }
        chosen.push(one);
    }
    // Where the others stand is not known before their hosts have said so.
    if chosen.is_empty() && !reflectors.iter().any(|reflector| is_asked(&reflector)) {
        return Err(format!(
            "chooses no address: {need_consent} need their owner's consent (with_consent = true, once you have it), {left} go by \
             other methods or are another's. `azimuth-collector catalogue list` shows what there is"
        ));
    }
    Ok(Entry {
        name: row.name,
        agents,
        zones: row.zones,
        method,
        period_ms: row.period_ms,
        waiting_time_ms: row.waiting_time_ms,
        chosen,
        need_consent,
    })
}

/// The endpoints of these zones, each with one such zone.
fn endpoints<'a>(
    zones: &str,
    catalogue: &'a Catalogue,
) -> Result<Vec<(&'a CatalogueEndpoint, &'a CatalogueZone)>, String> {
    if zones.trim() != ALL {
        let selector: Selector = zones.parse().map_err(|error| format!("zones: {error}"))?;
        return selector
            .endpoints(catalogue)
            .map_err(|error| format!("zones: {error}"));
    }
    let all = catalogue.endpoints().iter();
    Ok(all
        .filter_map(|endpoint| Some((endpoint, catalogue.zones_of_endpoint(endpoint).next()?)))
        .collect())
}

impl Chosen {
    fn of(endpoint: &CatalogueEndpoint, zone: &CatalogueZone, method: Method) -> Self {
        let granularity: Granularity = endpoint.granularity;
        Self {
            provider: zone.key.provider().to_owned(),
            region: zone.key.region().to_owned(),
            zone: zone.key.zone().to_owned(),
            granularity: granularity.as_str(),
            host: endpoint.host.clone(),
            port: if method == Method::IcmpEcho {
                0
            } else {
                endpoint.port
            },
            public: endpoint.ownership != Ownership::Own,
        }
    }
}

#[cfg(test)]
mod tests;
