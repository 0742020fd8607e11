//! The agent's configuration: what to measure, from where, and whom to tell. TOML; unknown keys are refused.
//!
//! [`document`] reads TOML and names mistakes; this file knows the keys and their ranges, [`leaving`] those about sockets; [`plan`] turns a
//! configuration into what the prober and the reports need.

pub mod cloud;
pub mod collector;
pub mod document;
pub mod leaving;
pub mod plan;
mod policy;
pub mod throughput;
pub mod web;

use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use azimuth_measurement::enrolment::TlsTrust;
use azimuth_measurement::series::{MAX_SERIES, MAX_WAITING_TIME_MS};
use azimuth_measurement::{AgentId, Granularity, Method, VantagePoint, ZoneKey};

use self::cloud::CloudConfig;
pub use self::collector::CollectorAddress;
use self::collector::{collector_address, read_collector};
use self::document::{Document, Section, Wrong, boolean, integer, number, parsed, shown, text};
pub use self::document::{Mistake, Mistakes};
use self::leaving::{Given, Leaving, Of};
use self::throughput::ThroughputConfig;
use crate::cli::{STAMP_PORT, TCP_PORT};
use crate::identity::Identity;
use crate::key_file;
use crate::policy::Policy;
use crate::probe::exchange::{Request, sides};
use crate::probe::lane::{Lanes, MAX_LANES, PortRange};
use crate::probe::loaded_series;
use crate::stamp::StampKey;

/// A configuration file larger than this is not one.
const MAX_FILE_BYTES: u64 = 4 << 20;
const DEFAULT_WAITING_TIME_MS: u64 = 2_000;
const DEFAULT_INTERVAL_MS: u64 = 10_000;
const METHODS: &str = "Use stamp, icmp_echo, tcp_connect, tls_handshake, https_first_byte or dns_query";
const DEFAULT_NAMES_EVERY_S: u64 = 300;
const DEFAULT_NAMES_ADDRESSES: u64 = 4;
const DEFAULT_SPOOL_BYTES: u64 = 64 << 20;
const DEFAULT_PATH_PERIOD_S: u32 = 1_800;

/// A checked configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Who reports.
    pub agent: AgentId,
    /// Whom to tell.
    pub collector: CollectorAddress,
    /// How it is known, where it is reached over TLS.
    pub trust: TlsTrust,
    /// Where the identity of an agent that has joined is; `None` for one that has not.
    pub identity: Option<PathBuf>,
    /// Where the agent stands.
    pub vantage_point: VantagePoint,
    /// Where reports wait while the collector is away.
    pub spool: SpoolConfig,
    /// Whether and when paths are traced; `None` when not at all.
    pub paths: Option<PathConfig>,
    /// How it tests throughput by itself; `None` when not at all.
    pub throughput: Option<ThroughputConfig>,
    /// Length of a report's interval.
    pub interval_ms: u32,
    /// Where flows have their source ports.
    pub source_ports: PortRange,
    /// How names are turned into addresses.
    pub names: NamesConfig,
    /// Where the host stands, if in a cloud.
    pub cloud: CloudConfig,
    /// What the plan of the collector may add, where the agent has joined.
    pub policy: Policy,
    /// What to measure.
    pub targets: Vec<Target>,
}

/// How names are turned into addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamesConfig {
    /// Seconds from one look-up of all names to the next; between two, addresses are pinned.
    pub every_s: u32,
    /// Addresses of one name that are probed at once; what is beyond is counted.
    pub addresses: usize,
}

/// Where undelivered reports wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolConfig {
    /// On disk here, where they outlive the agent; in memory if there is none.
    pub directory: Option<PathBuf>,
    /// Most bytes of them, wherever they are.
    pub max_bytes: u64,
}

/// When the ways to the targets are traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathConfig {
    /// From one trace of a target to the next.
    pub period_s: u32,
    /// Whether a shift of the agent's own delay to a target has it traced out of turn.
    pub on_delay_shift: bool,
}

/// One address in a zone, or one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its name, unique in the file.
    pub name: String,
    /// The zone it stands for.
    pub zone: ZoneKey,
    /// How finely it is known.
    pub granularity: Granularity,
    /// The name whose addresses are probed; `None` if an address was given.
    pub host: Option<String>,
    /// How it is measured.
    pub probes: Vec<Probe>,
    /// The collector's plan asks for it, and not this host's own configuration.
    pub planned: bool,
}

/// One way of measuring a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// How.
    pub method: Method,
    /// Where to; port 0 with `icmp_echo`, address 0.0.0.0 where the target is a name.
    pub address: SocketAddr,
    /// From one probe to the next; on average where the schedule is Poisson.
    pub period_ms: u32,
    /// Whether probes are sent at exponential gaps (RFC 2330 section 11.1.1) and not one a period.
    pub poisson: bool,
    /// After this long without an answer a probe is lost.
    pub waiting_time_ms: u32,
    /// Whether a STAMP reflector is asked for the kernel's stamps on its replies (RFC 8972 section 4.7).
    pub follow_up: bool,
    /// Whether a STAMP reflector is asked for what it counted, to tell losses apart by their way (RFC 8972 section 4.5).
    pub direct_measurement: bool,
    /// The key shared with the STAMP reflector; `None` for unauthenticated mode.
    pub key: Option<StampKey>,
    /// What to ask, for a method of several steps.
    pub request: Option<Request>,
    /// How its probes leave the host.
    pub leaving: Leaving,
    /// The address is somebody else's, and is asked less often while it fails.
    pub public: bool,
}

impl Probe {
    /// How many series it is at one address, with those for load where there are any.
    #[must_use]
    pub fn series(&self, labels_load: bool) -> usize {
        let beside = sides(self.method).len() + loaded_series(self.method, labels_load);
        self.leaving.flows().count() * (1 + beside)
    }
}

/// Reads and checks a file.
///
/// # Errors
/// Every mistake in it.
pub fn load(file: &Path) -> Result<Config, Mistakes> {
    let unreadable = |what: String| Mistakes {
        file: file.to_owned(),
        found: vec![Mistake {
            line: 1,
            key: String::new(),
            what,
            remedy: "Is the path right, and may this user read it?".into(),
        }],
    };
    let size = fs::metadata(file)
        .map_err(|error| unreadable(format!("cannot be read: {error}")))?
        .len();
    if size > MAX_FILE_BYTES {
        return Err(unreadable(format!(
            "{size} bytes are too many for a configuration"
        )));
    }
    let text = fs::read_to_string(file).map_err(|error| unreadable(format!("cannot be read: {error}")))?;
    parse(&text, file)
}

/// Checks the text of a file; `file` is for messages.
///
/// # Errors
/// Every mistake in it.
pub fn parse(text: &str, file: &Path) -> Result<Config, Mistakes> {
    let document = Document::new(text);
    let config = document
        .parse()
        .and_then(|table| read_config(Section::root(&document, &table)));
    match (document.into_mistakes(file), config) {
        (None, Some(config)) => Ok(config),
        (Some(mistakes), _) => Err(mistakes),
        (None, None) => Err(Mistakes {
            file: file.to_owned(),
            found: Vec::new(),
        }),
    }
}

fn read_config(mut root: Section<'_>) -> Option<Config> {
    let joined = root.optional("identity", |value| {
        let file = PathBuf::from(text(value)?);
        let identity = Identity::load(&file)
            .map_err(|error| Wrong(error.to_string(), "Join first, or remove the key".into()))?;
        Ok((file, identity))
    });
    let agent = root.optional("agent", |value| {
        let text = text(value)?;
        text.parse::<AgentId>().map_err(|_| {
            let remedy = "Use 1 to 63 lower-case letters, digits and hyphens, not starting with a hyphen";
            Wrong(format!("{} is not an agent id", shown(&text)), remedy.into())
        })
    });
    let agent = settle_agent(&root, agent, joined.as_ref().map(|(_, identity)| identity));
    let interval_ms = root.optional("interval_ms", |value| {
        let interval_ms = integer(1_000..=3_600_000)(value)?;
        if interval_ms.is_multiple_of(1_000) {
            Ok(interval_ms)
        } else {
            Err(Wrong(
                format!("{interval_ms} is not a whole number of seconds"),
                "Use a multiple of 1000".into(),
            ))
        }
    });
    let source_ports = root.optional("source_ports", |value| {
        let remedy = "Use \"LOW-HIGH\" with at least 32 ports from 10000 up, for example \"61000-65535\"";
        parsed(remedy)(value)
    });
    let collector = match &joined {
        // What it joined is where it reports, unless the file names another way there.
        Some((_, identity)) => match root.optional_section("collector") {
            Some(section) => read_collector(section),
            None => collector_address(&identity.collector),
        },
        None => root.section("collector").and_then(read_collector),
    };
    let vantage_point = root.section("vantage_point").and_then(read_vantage_point);
    let spool = read_spool(root.optional_section("spool"));
    let paths = read_paths(root.optional_section("path"));
    let joined_file = joined.as_ref().map(|(file, _)| file.as_path());
    let throughput = throughput::read(
        root.optional_section("throughput"),
        joined_file,
        collector.as_ref(),
    );
    let names = read_names(root.optional_section("names"));
    let cloud = cloud::read(root.optional_section("cloud"));
    let policy = policy::read(root.optional_section("plan"));
    let targets = read_targets(&mut root, joined.is_some(), throughput.is_some());
    let config = agent.zip(collector).zip(vantage_point).zip(Some(targets));
    let config = config.and_then(|(((agent, collector), vantage_point), targets)| {
        Some(Config {
            agent,
            collector,
            trust: joined
                .as_ref()
                .map_or(TlsTrust::System, |(_, identity)| identity.tls),
            identity: joined.map(|(file, _)| file),
            vantage_point,
            spool,
            paths,
            throughput,
            interval_ms: u32::try_from(interval_ms.unwrap_or(DEFAULT_INTERVAL_MS)).ok()?,
            source_ports: source_ports.unwrap_or(PortRange::DEFAULT),
            names,
            cloud,
            policy,
            targets,
        })
    });
    if let Some(config) = &config {
        let lanes = Lanes::of(&config.possible_plans()).all().len();
        if lanes > MAX_LANES {
            let what = format!("{lanes} ways out are more than one agent may have");
            let remedy = format!(
                "Use at most {MAX_LANES} combinations of flow, dscp, source_address, interface, payload_bytes and dont_fragment"
            );
            root.wrong("target", Wrong(what, remedy));
        }
    }
    root.finish();
    config
}

/// The agent's name: the one it got when it joined, or the one in the file. Two that differ are a mistake.
fn settle_agent(root: &Section<'_>, written: Option<AgentId>, joined: Option<&Identity>) -> Option<AgentId> {
    match (written, joined) {
        (Some(written), Some(joined)) if written != joined.agent => {
            let what = format!(
                "{written} is not what this host joined as, which is {}",
                joined.agent
            );
            root.wrong("agent", Wrong(what, "Remove the key".into()));
            None
        }
        (Some(written), _) => Some(written),
        (None, Some(joined)) => Some(joined.agent.clone()),
        (None, None) => {
            if !root.has("agent") && !root.has("identity") {
                let remedy = "Add `agent` to this table".to_owned();
                root.wrong("agent", Wrong("missing".into(), remedy));
            }
            None
        }
    }
}

fn read_spool(section: Option<Section<'_>>) -> SpoolConfig {
    let (mut directory, mut max_bytes) = (None, None);
    if let Some(mut section) = section {
        directory = section.optional("directory", parsed("Use a path"));
        max_bytes = section.optional("max_bytes", integer(65_536..=1 << 40));
        section.finish();
    }
    SpoolConfig {
        directory,
        max_bytes: max_bytes.unwrap_or(DEFAULT_SPOOL_BYTES),
    }
}

fn read_paths(section: Option<Section<'_>>) -> Option<PathConfig> {
    let (mut enabled, mut period_s, mut on_delay_shift) = (None, None, None);
    if let Some(mut section) = section {
        enabled = section.optional("enabled", boolean);
        period_s = section.optional("period_s", integer(10..=86_400));
        on_delay_shift = section.optional("on_delay_shift", boolean);
        section.finish();
    }
    enabled.unwrap_or(true).then(|| PathConfig {
        period_s: period_s
            .and_then(|period_s| u32::try_from(period_s).ok())
            .unwrap_or(DEFAULT_PATH_PERIOD_S),
        on_delay_shift: on_delay_shift.unwrap_or(true),
    })
}

fn read_names(section: Option<Section<'_>>) -> NamesConfig {
    let (mut every_s, mut addresses) = (None, None);
    if let Some(mut section) = section {
        every_s = section.optional("every_s", integer(30..=86_400));
        addresses = section.optional("addresses", integer(1..=16));
        section.finish();
    }
    NamesConfig {
        every_s: u32::try_from(every_s.unwrap_or(DEFAULT_NAMES_EVERY_S)).unwrap_or(u32::MAX),
        addresses: usize::try_from(addresses.unwrap_or(DEFAULT_NAMES_ADDRESSES)).unwrap_or(1),
    }
}

fn read_vantage_point(mut section: Section<'_>) -> Option<VantagePoint> {
    let name = section.required("name", text);
    let country = section.required("country", |value| {
        let country = text(value)?;
        if country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase()) {
            Ok(country)
        } else {
            let what = format!("{} is not a country code", shown(&country));
            Err(Wrong(
                what,
                "Use two upper-case letters (ISO 3166-1 alpha-2), for example FR".into(),
            ))
        }
    });
    let city = section.required("city", text);
    let network = section.required("network", text);
    let asn = section.required("asn", integer(0..=u32::MAX.into()));
    let latitude_deg = section.required("latitude", number(-90.0..=90.0));
    let longitude_deg = section.required("longitude", number(-180.0..=180.0));
    section.finish();
    Some(VantagePoint {
        name: name?,
        country: country?,
        city: city?,
        network: network?,
        asn: u32::try_from(asn?).ok()?,
        latitude_deg: latitude_deg?,
        longitude_deg: longitude_deg?,
    })
}

/// What must not occur twice, and the line where it occurred first.
#[derive(Default)]
struct Seen {
    names: HashMap<String, usize>,
    /// By what tells two apart: the address, the method, the name with the question, and how they leave, flows aside.
    probes: HashMap<(SocketAddr, Method, String, Leaving), usize>,
}

/// An agent that has joined may leave it all to the plan of its collector.
fn read_targets(root: &mut Section<'_>, may_be_none: bool, labels_load: bool) -> Vec<Target> {
    let sections = root.sections("target");
    let mut seen = Seen::default();
    let targets: Vec<Target> = sections
        .into_iter()
        .filter_map(|section| read_target(section, &mut seen))
        .collect();
    // A name counts as one address here, because nobody knows how many it has; more find no room, and are counted.
    let series: usize = targets
        .iter()
        .flat_map(|target| &target.probes)
        .map(|probe| probe.series(labels_load))
        .sum();
    if seen.names.is_empty() && !may_be_none {
        root.wrong(
            "target",
            Wrong(
                "nothing to measure".into(),
                "Add at least one `[[target]]`".into(),
            ),
        );
    } else if series > MAX_SERIES {
        let what = format!(
            "{series} series, flows and those under load counted, are more than one agent may measure"
        );
        root.wrong(
            "target",
            Wrong(what, format!("Use at most {MAX_SERIES}, or a second agent")),
        );
    }
    targets
}

fn read_target(mut section: Section<'_>, seen: &mut Seen) -> Option<Target> {
    let name = section.required("name", text);
    if let Some(name) = &name {
        let line = section.line_of("name");
        if let Some(first) = seen.names.insert(name.clone(), line) {
            let what = format!("{} names a target already (line {first})", shown(name));
            section.wrong("name", Wrong(what, "Give each target a name of its own".into()));
        }
    }
    let provider = section.required("provider", text);
    let region = section.required("region", text);
    let zone_name = section.required("zone", text);
    let granularity = section.optional("granularity", parsed("Use one of: zone, region, campus"));
    let address = section.required("address", |value| {
        let given = text(value)?;
        let Ok(address) = given.parse::<IpAddr>() else {
            return if web::is_host_name(&given) {
                Ok(Endpoint::Host(given))
            } else {
                let remedy = "Use an IPv4 or IPv6 address, or a host name such as zone-a.example.net";
                Err(Wrong(
                    format!("{} is neither an address nor a name", shown(&given)),
                    remedy.into(),
                ))
            };
        };
        if is_one_host(address) {
            Ok(Endpoint::Address(address))
        } else {
            Err(Wrong(
                format!("{address} is not the address of one host"),
                "Use a unicast address".into(),
            ))
        }
    });
    let zone = provider.zip(region).zip(zone_name).and_then(|((provider, region), zone)| {
        ZoneKey::new(&provider, &region, &zone)
            .map_err(|error| {
                let remedy = "Provider, region and zone as the catalogue spells them, for example aws, eu-west-3, euw3-az1";
                section.wrong("zone", Wrong(error.to_string(), remedy.into()));
            })
            .ok()
    });
    let public = section.optional("public", boolean).unwrap_or(false);
    let leaving = leaving::read(&mut section);
    let mut probes = Vec::new();
    let probe_sections = section.sections("probe");
    if probe_sections.is_empty() {
        let remedy = "Add a `[[target.probe]]` with method = \"stamp\", \"icmp_echo\" or \"tcp_connect\"";
        section.wrong("probe", Wrong("nothing to measure here".into(), remedy.into()));
    }
    for probe in probe_sections {
        let probe = read_probe(probe, address.as_ref(), &leaving, seen);
        probes.extend(probe.map(|probe| Probe { public, ..probe }));
    }
    section.finish();
    Some(Target {
        name: name?,
        zone: zone?,
        granularity: granularity.unwrap_or(Granularity::Zone),
        host: match address {
            Some(Endpoint::Host(host)) => Some(host),
            _ => None,
        },
        probes,
        planned: false,
    })
}

/// What a target is reached by.
enum Endpoint {
    Address(IpAddr),
    Host(String),
}

impl Endpoint {
    fn host(&self) -> Option<&str> {
        match self {
            Self::Address(_) => None,
            Self::Host(host) => Some(host),
        }
    }

    fn ip(&self) -> IpAddr {
        match self {
            Self::Address(address) => *address,
            Self::Host(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        }
    }
}

fn read_probe(
    mut section: Section<'_>,
    endpoint: Option<&Endpoint>,
    of_target: &Given,
    seen: &mut Seen,
) -> Option<Probe> {
    let method = section.required("method", |value| {
        let given = text(value)?;
        match given.parse() {
            Ok(method) => Ok(method),
            Err(_) => Err(Wrong(
                format!("{} is not a method", shown(&given)),
                METHODS.into(),
            )),
        }
    });
    let given_port = section.optional("port", integer(1..=u16::MAX.into()));
    let port = match method {
        Some(Method::TcpConnect) => given_port.unwrap_or(TCP_PORT.into()),
        Some(Method::TlsHandshake | Method::HttpsFirstByte) => given_port.unwrap_or(web::HTTPS_PORT.into()),
        Some(Method::DnsQuery) => given_port.unwrap_or(web::DNS_PORT.into()),
        Some(Method::IcmpEcho) => {
            if given_port.is_some() {
                let what = "icmp_echo has no ports".to_owned();
                section.wrong("port", Wrong(what, "Remove the key".into()));
            }
            0
        }
        _ => given_port.unwrap_or(STAMP_PORT.into()),
    };
    let period_ms = section.required("period_ms", integer(10..=3_600_000));
    let poisson = section.optional("schedule", |value| match text(value)?.as_str() {
        "periodic" => Ok(false),
        "poisson" => Ok(true),
        other => Err(Wrong(
            format!("{} is not a schedule", shown(other)),
            "Use \"periodic\" or \"poisson\"".into(),
        )),
    });
    let waiting_time_ms = section
        .optional("waiting_time_ms", integer(1..=MAX_WAITING_TIME_MS.into()))
        .unwrap_or(DEFAULT_WAITING_TIME_MS);
    let follow_up = section.optional("follow_up", boolean);
    if follow_up.is_some() && method.is_some_and(|method| method != Method::Stamp) {
        let what = "only stamp has follow-ups".to_owned();
        section.wrong("follow_up", Wrong(what, "Remove the key".into()));
    }
    let direct_measurement = section.optional("direct_measurement", boolean);
    if direct_measurement.is_some() && method.is_some_and(|method| method != Method::Stamp) {
        let what = "only stamp has direct measurement".to_owned();
        section.wrong("direct_measurement", Wrong(what, "Remove the key".into()));
    }
    let key = section.optional("key_file", |value| {
        let file = text(value)?;
        key_file::read(Path::new(&file)).map_err(|error| {
            Wrong(
                error.to_string(),
                "The reflector needs the same key, by `--key-file`".into(),
            )
        })
    });
    if key.is_some() && method.is_some_and(|method| method != Method::Stamp) {
        let what = "only stamp has keys".to_owned();
        section.wrong("key_file", Wrong(what, "Remove the key".into()));
    }
    let request = web::read_request(&mut section, method, endpoint.map(|at| (at.host(), at.ip())));
    let own = leaving::read(&mut section);
    if method.is_some_and(|method| !sides(method).is_empty()) && request.is_none() {
        // What is missing has been said.
        section.finish();
        return None;
    }
    let of = Of {
        method: method?,
        address: SocketAddr::new(endpoint?.ip(), u16::try_from(port).ok()?),
        is_name: endpoint?.host().is_some(),
        period_ms: u32::try_from(period_ms?).ok()?,
        waiting_time_ms: u32::try_from(waiting_time_ms).ok()?,
        authenticated: key.is_some(),
        follow_up: follow_up.unwrap_or(true),
        direct_measurement: direct_measurement.unwrap_or(false),
    };
    let leaving = leaving::settle(&section, own, of_target, &of);
    let probe = Probe {
        method: of.method,
        address: of.address,
        period_ms: of.period_ms,
        poisson: poisson.unwrap_or(false),
        waiting_time_ms: of.waiting_time_ms,
        follow_up: of.follow_up,
        direct_measurement: of.direct_measurement,
        key,
        request,
        leaving,
        public: false,
    };
    let host = endpoint?.host().unwrap_or_default();
    let told_apart = match &probe.request {
        Some(Request::Dns { question, .. }) => format!("{host} {question}"),
        _ => host.to_owned(),
    };
    let line = section.line_of("method");
    let key = (probe.address, probe.method, told_apart, probe.leaving.any_flow());
    if let Some(first) = seen.probes.insert(key, line) {
        let what = format!(
            "{} is measured by {} already (line {first})",
            endpoint?
                .host()
                .map_or_else(|| probe.address.to_string(), |host| format!("{host}:{port}")),
            probe.method
        );
        section.wrong(
            "method",
            Wrong(
                what,
                "Remove one of the two, use another port, or `flows` for several".into(),
            ),
        );
    }
    section.finish();
    Some(probe)
}

fn is_one_host(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    !(address.is_unspecified() || address.is_multicast() || broadcast)
}

#[cfg(test)]
mod tests;
