//! `azimuth-collector import`: HdrHistogram logs into a running collector, through the door that agents use, as an agent of
//! their own. Which lines make which report is `import/`'s; here are the files, the door and the exit code.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, IsTerminal};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use azimuth_measurement::codec::{
    Batch, BatchItem, MAX_BATCH_BYTES, MAX_BATCH_ITEMS, MAX_FRAME_BYTES, encode_batch, encode_manifest,
    encode_report,
};
use azimuth_measurement::interchange::LogReader;
use azimuth_measurement::interchange::log::{MAX_LINE_BYTES, comment};
use azimuth_measurement::{AgentId, Manifest, Method, SeriesDescriptor, VantagePoint, ZoneKey};
use clap::Args;
use hyper::{StatusCode, header};

use super::credential::CredentialArgs;
use super::http::Client;
use crate::clock;
use crate::config::DEFAULT_LISTEN;
use crate::export::hlog::{AGENT, COUNTS, counts_from_text};
use crate::export::tag::place_from_text;
use crate::import::gather::{Gather, Gathered, NotTaken, Read};
use crate::import::lines::BoundedLines;
use crate::import::mapping::{Mapping, Meaning};
use crate::utc::parse_span_ms;

/// Done, but not with every line.
const NOT_EVERYTHING: u8 = 3;
/// Lines that were not taken are named up to here; all are counted.
const MAX_NAMED: u64 = 50;
/// Frames in one body: room is left for the manifest and what is around them.
const BODY_BYTES: usize = MAX_BATCH_BYTES - MAX_FRAME_BYTES - 64 * 1024;
/// How often a body is sent before the collector is given up.
const MAX_TRIES: u32 = 20;
/// The longest wait between two tries, whatever is advised.
const MAX_WAIT_S: u64 = 60;
/// How the software of such an agent calls itself.
const VERSION: &str = concat!("import ", env!("CARGO_PKG_VERSION"));

/// Read HdrHistogram logs into a running collector
#[derive(Debug, Args)]
#[command(after_help = "\
The histograms are stored as those of an agent of their own, through the door that
agents use. Importing twice changes nothing: a report is named by its series and its
interval, and what is there already stays as it is.

Values must be whole microseconds with 3 significant digits, 1 us to 60 s. Intervals
must lie on a grid of their own length, as an export's do; for other logs --interval
puts each line into the interval it starts in. A line that is not taken is named with
file and line, and the rest goes on.

A log that `azimuth-collector export --format hlog` wrote names its series, its losses
and its vantage point itself. Of others, say zone and method: lost probes are in none.

Examples:
  azimuth-collector import --agent from-brest-1 brest-1.hlog
  azimuth-collector import --agent app-paris --interval 10s --method https_first_byte \\
      --map api=aws/eu-west-3/euw3-az1 --map web=gcp/europe-west9/europe-west9-a \\
      --vantage 'Paris office' --country FR --city Paris --network Free \\
      --latitude 48.86 --longitude 2.35 app.hlog

Exit codes: 0 every line is stored, 1 failed (what was stored stays; import again),
2 wrong usage, 3 some lines were not taken: named on standard error.")]
pub struct ImportArgs {
    /// Address of the collector's API
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = DEFAULT_LISTEN)]
    collector: SocketAddr,
    #[command(flatten)]
    credential: CredentialArgs,
    /// The agent to store them as: 1 to 63 lower-case letters, digits, hyphens
    #[arg(long, value_name = "ID")]
    agent: AgentId,
    /// Of a log of several agents, take this one's lines
    #[arg(long, value_name = "ID")]
    from_agent: Option<AgentId>,
    /// The zone of a tag; may be repeated
    #[arg(long, value_name = "TAG=PROVIDER/REGION/ZONE", value_parser = tag_and_zone)]
    map: Vec<(String, ZoneKey)>,
    /// The zone of lines without a tag, and of tags without --map
    #[arg(long, value_name = "PROVIDER/REGION/ZONE")]
    zone: Option<ZoneKey>,
    /// The method of lines whose tag does not say
    #[arg(long)]
    method: Option<Method>,
    /// Put each line into the interval of this length it starts in: 10s, 1m
    #[arg(long, value_name = "SPAN", value_parser = span)]
    interval: Option<u32>,
    /// Name of the vantage point, where the log does not say; likewise the next ones
    #[arg(long, value_name = "NAME")]
    vantage: Option<String>,
    /// ISO 3166-1 alpha-2
    #[arg(long)]
    country: Option<String>,
    /// City
    #[arg(long)]
    city: Option<String>,
    /// Access network
    #[arg(long)]
    network: Option<String>,
    /// Autonomous system number
    #[arg(long)]
    asn: Option<u32>,
    /// Degrees, north positive
    #[arg(long, allow_negative_numbers = true)]
    latitude: Option<f64>,
    /// Degrees, east positive
    #[arg(long, allow_negative_numbers = true)]
    longitude: Option<f64>,
    /// The logs
    #[arg(required = true, value_name = "FILE.hlog")]
    files: Vec<PathBuf>,
}

fn tag_and_zone(text: &str) -> Result<(String, ZoneKey), String> {
    let (tag, zone) = text
        .rsplit_once('=')
        .ok_or("write TAG=PROVIDER/REGION/ZONE, for example api=aws/eu-west-3/euw3-az1")?;
    let zone = zone.parse().map_err(|error| format!("{error}"))?;
    Ok((tag.to_owned(), zone))
}

fn span(text: &str) -> Result<u32, String> {
    let ms = parse_span_ms(text)?;
    u32::try_from(ms)
        .ok()
        .filter(|ms| (1_000..=86_400_000).contains(ms))
        .ok_or_else(|| format!("`{text}` is not 1 s to 1 d"))
}

/// 0 when every line is stored, 3 when some were not taken, else 1.
pub fn import(args: &ImportArgs) -> ExitCode {
    match take(args) {
        Ok(tally) => {
            eprintln!("{tally}");
            if tally.not_taken == 0 {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(NOT_EVERYTHING)
            }
        }
        Err(line) => {
            eprintln!("{line}");
            ExitCode::FAILURE
        }
    }
}

/// What became of it all.
#[derive(Debug, Default)]
struct Tally {
    series: usize,
    stored: u64,
    there_already: u64,
    passed_over: u64,
    not_taken: u64,
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} series: {} intervals stored, {} there already, {} lines not taken",
            self.series, self.stored, self.there_already, self.not_taken
        )?;
        if self.passed_over > 0 {
            write!(f, ", {} lines of other agents passed over", self.passed_over)?;
        }
        Ok(())
    }
}

impl Tally {
    fn not_taken(&mut self, file: &Path, line: u64, reason: &str) {
        self.not_taken += 1;
        if self.not_taken <= MAX_NAMED {
            eprintln!("{}:{line}: {reason}", file.display());
        } else if self.not_taken == MAX_NAMED + 1 {
            eprintln!("more lines are not taken; only counted from here on");
        }
    }
}

fn take(args: &ImportArgs) -> Result<Tally, String> {
    let mapping = || {
        Mapping::new(
            args.map.iter().cloned().collect(),
            args.zone.clone(),
            args.method,
            args.from_agent.clone(),
        )
    };
    let contents = look_through(args, mapping())?;
    if contents.series.is_empty() {
        // Nothing to store, but every line is told what it lacks.
        let mut tally = Tally::default();
        for file in &args.files {
            read_file(file, &mut mapping(), &mut |_| Ok(()), &mut tally)?;
        }
        if tally.not_taken == 0 {
            return Err("there is no interval in these files".to_owned());
        }
        return Ok(tally);
    }
    let manifest = Manifest {
        agent: args.agent.clone(),
        agent_version: VERSION.to_owned(),
        cloud: azimuth_measurement::CloudPlace::default(),
        vantage_point: contents.place_of(args)?,
        series: contents.series,
    };
    manifest.check().map_err(|error| error.to_string())?;
    let client = Client::new(
        args.collector,
        args.credential.read(args.collector.ip().is_loopback())?,
    )?;
    refuse_a_measuring_agent(&client, &args.agent)?;

    let numbers: HashMap<&SeriesDescriptor, u32> = manifest.series.iter().zip(0..).collect();
    let mut tally = Tally {
        series: manifest.series.len(),
        ..Tally::default()
    };
    let mut door = Door::new(&client, &manifest);
    let mut mapping = mapping();
    for file in &args.files {
        let mut gather = Gather::new(args.agent.clone(), manifest.id(), &manifest.series, args.interval);
        let mut refused = Vec::new();
        let mut send = |sound: Sound| {
            let Some(&series) = numbers.get(sound.descriptor.as_ref()) else {
                return Ok(());
            };
            let read = Read { series, ..sound.read };
            match gather.take(read) {
                Ok(Some(Ok(gathered))) => door.push(file, &gathered),
                Ok(None) => Ok(()),
                Ok(Some(Err(error))) | Err(error) => {
                    refused.push(error);
                    Ok(())
                }
            }
        };
        read_file(file, &mut mapping, &mut send, &mut tally)?;
        for finished in gather.end() {
            match finished {
                Ok(gathered) => door.push(file, &gathered)?,
                Err(error) => refused.push(error),
            }
        }
        for NotTaken { line, reason } in refused {
            tally.not_taken(file, line, &reason);
        }
    }
    door.finish(&mut tally)?;
    Ok(tally)
}

/// What is in the files, before anything is sent: a manifest names all series at once.
#[derive(Default)]
struct Contents {
    series: Vec<SeriesDescriptor>,
    /// Where the agents of the log stand.
    places: HashMap<AgentId, VantagePoint>,
    /// The agent whose lines are taken, if the log names any.
    taken: Option<AgentId>,
}

fn look_through(args: &ImportArgs, mut mapping: Mapping) -> Result<Contents, String> {
    let mut contents = Contents::default();
    let mut known = HashMap::new();
    for file in &args.files {
        let mut lines = open(file)?;
        let mut reader = LogReader::new();
        while let Some(line) = next_line(&mut lines, file)? {
            if let Ok(text) = std::str::from_utf8(line)
                && let Some(Ok((agent, place))) = comment(text, AGENT).map(place_from_text)
            {
                contents.places.insert(agent, place);
            }
            let Ok(Some(entry)) = reader.line(line) else {
                continue;
            };
            if let Ok(Meaning::Series(descriptor, _)) = mapping.meaning(entry.tag.as_deref())
                && known.insert(descriptor.as_ref().clone(), ()).is_none()
            {
                contents.series.push(*descriptor);
            }
        }
    }
    contents.taken = mapping.taken().cloned();
    Ok(contents)
}

impl Contents {
    /// Where the agent stands: as given, else as the log says.
    fn place_of(&self, args: &ImportArgs) -> Result<VantagePoint, String> {
        let told = self.taken.as_ref().and_then(|agent| self.places.get(agent));
        let missing = |flag: &str| {
            format!("the log does not say where its agent stands; give {flag} (see --help for all of them)")
        };
        let text = |given: &Option<String>, told: Option<&String>, flag: &str| {
            given.as_ref().or(told).cloned().ok_or_else(|| missing(flag))
        };
        Ok(VantagePoint {
            name: text(&args.vantage, told.map(|place| &place.name), "--vantage")?,
            country: text(&args.country, told.map(|place| &place.country), "--country")?,
            city: text(&args.city, told.map(|place| &place.city), "--city")?,
            network: text(&args.network, told.map(|place| &place.network), "--network")?,
            asn: args.asn.or(told.map(|place| place.asn)).unwrap_or(0),
            latitude_deg: args
                .latitude
                .or(told.map(|place| place.latitude_deg))
                .ok_or_else(|| missing("--latitude"))?,
            longitude_deg: args
                .longitude
                .or(told.map(|place| place.longitude_deg))
                .ok_or_else(|| missing("--longitude"))?,
        })
    }
}

/// A line that is an interval of a known series.
struct Sound {
    descriptor: Box<SeriesDescriptor>,
    /// Its series has no number yet.
    read: Read,
}

fn open(file: &Path) -> Result<BoundedLines<BufReader<File>>, String> {
    let opened = File::open(file).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(BoundedLines::new(BufReader::new(opened), MAX_LINE_BYTES))
}

fn next_line<'a>(
    lines: &'a mut BoundedLines<BufReader<File>>,
    file: &Path,
) -> Result<Option<&'a [u8]>, String> {
    lines
        .next_line()
        .map_err(|error| format!("{}: {error}", file.display()))
}

/// Hands on every line that is an interval, and names every one that should be and is not.
fn read_file(
    file: &Path,
    mapping: &mut Mapping,
    hand_on: &mut dyn FnMut(Sound) -> Result<(), String>,
    tally: &mut Tally,
) -> Result<(), String> {
    let mut lines = open(file)?;
    let mut reader = LogReader::new();
    let (mut number, mut counts) = (0, None);
    while let Some(line) = next_line(&mut lines, file)? {
        number += 1;
        if let Some(told) = std::str::from_utf8(line)
            .ok()
            .and_then(|text| comment(text, COUNTS))
        {
            counts = counts_from_text(told);
            if counts.is_none() {
                tally.not_taken(
                    file,
                    number,
                    "these counts are not name=number pairs of known names",
                );
            }
        }
        let entry = match reader.line(line) {
            Ok(None) => continue,
            Ok(Some(entry)) => entry,
            Err(error) => {
                counts = None;
                tally.not_taken(file, number, &error.reason.to_string());
                continue;
            }
        };
        match mapping.meaning(entry.tag.as_deref()) {
            Ok(Meaning::Series(descriptor, clock)) => hand_on(Sound {
                descriptor,
                read: Read {
                    series: u32::MAX,
                    clock,
                    entry,
                    counts: counts.take(),
                    line: number,
                },
            })?,
            Ok(Meaning::PassedOver) => {
                counts = None;
                tally.passed_over += 1;
            }
            Err(reason) => {
                counts = None;
                tally.not_taken(file, number, &reason);
            }
        }
    }
    Ok(())
}

/// An agent that measures goes on by its own reports; imported ones beside them would count twice.
fn refuse_a_measuring_agent(client: &Client, agent: &AgentId) -> Result<(), String> {
    let answer = client.ask(hyper::Method::GET, "/api/v1/agents", None, Vec::new())?;
    if answer.status != StatusCode::OK {
        return Err(client.refusal(&answer));
    }
    let known: serde_json::Value =
        serde_json::from_slice(&answer.body).map_err(|error| format!("the collector's agents: {error}"))?;
    let measures = known["agents"].as_array().into_iter().flatten().any(|one| {
        one["agent"] == agent.as_str()
            && !one["version"]
                .as_str()
                .is_some_and(|version| version.starts_with("import "))
    });
    if measures {
        return Err(format!(
            "agent {agent} reports to this collector itself, and what is imported would count twice; give --agent another name"
        ));
    }
    Ok(())
}

/// The door: what waits to be sent, and what became of what was.
struct Door<'a> {
    client: &'a Client,
    manifest_frame: Vec<u8>,
    waiting: Vec<Waiting>,
    waiting_bytes: usize,
    /// What the collector refused, with file and line.
    refused: Vec<(PathBuf, u64, String)>,
    stored: u64,
    there_already: u64,
    progress: bool,
}

struct Waiting {
    file: PathBuf,
    line: u64,
    end_unix_ms: u64,
    frame: Vec<u8>,
}

impl<'a> Door<'a> {
    fn new(client: &'a Client, manifest: &Manifest) -> Self {
        Self {
            client,
            manifest_frame: encode_manifest(manifest),
            waiting: Vec::new(),
            waiting_bytes: 0,
            refused: Vec::new(),
            stored: 0,
            there_already: 0,
            progress: io::stderr().is_terminal(),
        }
    }

    fn push(&mut self, file: &Path, gathered: &Gathered) -> Result<(), String> {
        // The collector would think the clock wrong, and place it by its age.
        if gathered.report.interval.start_unix_ms() > clock::unix_ms() {
            let reason = "it lies in the future".to_owned();
            self.refused.push((file.to_owned(), gathered.line, reason));
            return Ok(());
        }
        let frame = encode_report(&gathered.report);
        if self.waiting.len() >= MAX_BATCH_ITEMS || self.waiting_bytes + frame.len() > BODY_BYTES {
            self.send()?;
        }
        // Its address in the body costs a few bytes.
        self.waiting_bytes += frame.len() + 32;
        self.waiting.push(Waiting {
            file: file.to_owned(),
            line: gathered.line,
            end_unix_ms: gathered.report.interval.end_unix_ms(),
            frame,
        });
        Ok(())
    }

    fn finish(mut self, tally: &mut Tally) -> Result<(), String> {
        let sent = self.send();
        if self.progress {
            eprint!("\r\x1b[K");
        }
        sent?;
        tally.stored = self.stored;
        tally.there_already = self.there_already;
        for (file, line, reason) in &self.refused {
            tally.not_taken(file, *line, reason);
        }
        Ok(())
    }

    /// Sends what waits until each has a verdict that is final.
    fn send(&mut self) -> Result<(), String> {
        let mut tries = 0;
        while !self.waiting.is_empty() {
            tries += 1;
            let wait_s = self.send_once()?;
            if let Some(wait_s) = wait_s {
                if tries >= MAX_TRIES {
                    return Err(format!(
                        "the collector did not take a body in {MAX_TRIES} tries; what it took stays, import again later"
                    ));
                }
                std::thread::sleep(Duration::from_secs(wait_s.min(MAX_WAIT_S)));
            }
        }
        self.waiting_bytes = 0;
        if self.progress {
            eprint!("\r{} intervals ", self.stored + self.there_already);
        }
        Ok(())
    }

    /// One body; the seconds to wait before the next, when some of it must be sent again.
    fn send_once(&mut self) -> Result<Option<u64>, String> {
        let now_unix_ms = clock::unix_ms();
        let items = self.waiting.iter().map(|waiting| BatchItem::Report {
            // Anew for every try: an interval is placed by its age.
            age_ms: now_unix_ms.saturating_sub(waiting.end_unix_ms),
            age_uncertain: false,
            frame: waiting.frame.clone(),
        });
        let body = encode_batch(&Batch {
            manifests: vec![self.manifest_frame.clone()],
            items: items.collect(),
        });
        let answer = self.client.ask(
            hyper::Method::POST,
            "/api/v1/reports",
            Some("application/x-protobuf"),
            body,
        )?;
        if answer.status == StatusCode::SERVICE_UNAVAILABLE {
            let advice = answer.headers.get(header::RETRY_AFTER);
            let seconds = advice.and_then(|value| value.to_str().ok()?.parse().ok());
            return Ok(Some(seconds.unwrap_or(5)));
        }
        if answer.status != StatusCode::OK {
            return Err(self.client.refusal(&answer));
        }
        let answer: serde_json::Value = serde_json::from_slice(&answer.body)
            .map_err(|error| format!("the collector's verdicts: {error}"))?;
        let verdicts = answer["verdicts"].as_array().map_or(&[][..], Vec::as_slice);
        if verdicts.len() != self.waiting.len() {
            return Err(
                "the collector's verdicts are not one for each report; is it one of this version?".to_owned(),
            );
        }
        let sent = std::mem::take(&mut self.waiting);
        for (waiting, verdict) in sent.into_iter().zip(verdicts) {
            match verdict["verdict"].as_str() {
                Some("stored") => self.stored += 1,
                Some("duplicate") => self.there_already += 1,
                Some("refused") => {
                    let detail = verdict["problem"]["detail"]
                        .as_str()
                        .unwrap_or("the collector refuses it");
                    self.refused.push((waiting.file, waiting.line, detail.to_owned()));
                }
                _ => self.waiting.push(waiting),
            }
        }
        Ok((!self.waiting.is_empty()).then_some(1))
    }
}
