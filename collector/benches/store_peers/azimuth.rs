//! Azimuth's collector: the real binary, fed the bodies that agents post, one report of one interval at a time.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use azimuth_collector::clock;
use azimuth_measurement::codec::{Batch, BatchItem, encode_batch, encode_manifest, encode_report};
use azimuth_measurement::{
    AgentHealth, DelayHistogram, Granularity, Interval, LoadLabel, Manifest, ManifestId, Method, ProbeCounts,
    Report, SeriesDescriptor, SeriesRecord, StampClock, VantagePoint, ZoneKey,
};
use serde_json::Value;

use super::client::{Answer, Client};
use super::past;
use super::process::{Server, bytes_under};
use super::system::{AtRest, Cell, Exporter, System, Window, start};
use super::truth::{Path as PathSeen, Slot, agent_name, zone_name};

/// A fleet of 200,000 series becomes known in one interval, which the default rates spread over ten hours.
const LIMITS: &str = "[limits]\nnew_series_per_hour = 200000\n";

/// Azimuth.
pub(crate) struct Azimuth;

impl System for Azimuth {
    fn name(&self) -> &'static str {
        "azimuth"
    }

    fn command(&self, directory: &Path, address: SocketAddr) -> Command {
        // What cannot be written shows when the collector does not start.
        let configuration = directory.with_extension("toml");
        let _ = std::fs::write(&configuration, LIMITS);
        let mut command = Command::new(env!("CARGO_BIN_EXE_azimuth-collector"));
        command
            .args(["serve", "--listen", &address.to_string(), "--config"])
            .arg(configuration)
            .arg("--data-dir")
            .arg(directory);
        command
    }

    fn ready_path(&self) -> &'static str {
        "/readyz"
    }

    fn exporter(&self, vantage: u32, zones: u32) -> Box<dyn Exporter> {
        Box::new(Agent::new(vantage, zones))
    }

    fn make_visible(&self, _: &mut Client) -> anyhow::Result<()> {
        Ok(())
    }

    /// A collector that starts seals every hour that is over at once, instead of ten minutes later.
    fn settle(&self, server: Server, directory: &Path, hours: u64) -> anyhow::Result<(Server, AtRest)> {
        server.terminate()?;
        let mut server = start(self, directory)?;
        server.wait_for("the sealing of every hour", 1_800, |server| {
            let mut client = Client::connect(server.address)?;
            let page = String::from_utf8(client.get("/metrics")?)?;
            Ok(counter(&page, "azimuth_store_rollups_total") >= hours)
        })?;
        let tiers = directory.join("tiers");
        let bytes = bytes_under(&tiers.join("10s"));
        let at_rest = AtRest {
            cpu_s: server.cpu_s()?,
            bytes,
            sample_bytes: bytes,
            with_rollups_bytes: bytes_under(&tiers),
        };
        Ok((server, at_rest))
    }

    fn map_questions(&self, window: Window, vantages: Option<u32>) -> Vec<String> {
        let mut question = format!("/api/v1/map?method=stamp&{}", from_to(window));
        for vantage in 0..vantages.unwrap_or(0) {
            question += &format!("&agent={}", agent_name(vantage));
        }
        vec![question]
    }

    fn series_questions(&self, vantage: u32, zone: u32, window: Window, step_s: u64) -> Vec<String> {
        let (agent, zone) = (agent_name(vantage), zone_key(zone));
        let range = from_to(window);
        vec![format!(
            "/api/v1/series?agent={agent}&zone={zone}&method=stamp&{range}&step={step_s}s"
        )]
    }

    fn read_map(&self, answers: &[Vec<u8>]) -> anyhow::Result<Vec<Cell>> {
        let answer: Value = serde_json::from_slice(&answers[0])?;
        let cells = answer["cells"].as_array().context("no cells")?;
        let cell = |cell: &Value| {
            Ok(Cell {
                agent: cell["agent"].as_str().context("no agent")?.to_owned(),
                zone: cell["zone"].as_str().context("no zone")?.to_owned(),
                p50_us: cell["p50_us"].as_f64().context("no p50")?,
                p99_us: cell["p99_us"].as_f64().context("no p99")?,
            })
        };
        cells.iter().map(cell).collect()
    }

    fn count_steps(&self, answers: &[Vec<u8>]) -> anyhow::Result<usize> {
        let answer: Value = serde_json::from_slice(&answers[0])?;
        let points = answer["points"].as_array().context("no points")?;
        Ok(points.iter().filter(|point| point["p50_us"].is_u64()).count())
    }

    /// Its store makes the directory, in memory, where a sync costs nothing; the binary opens a copy.
    fn remember(&self, directory: &Path, zones: u32, slots: &[Slot]) -> anyhow::Result<Server> {
        let made = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())?;
        past::make(made.path(), zones, slots)?;
        past::copy(made.path(), directory)?;
        start(self, directory)
    }
}

fn from_to(window: Window) -> String {
    let at = |at_s: u64| {
        let at = i64::try_from(at_s)
            .ok()
            .and_then(|at_s| chrono::DateTime::from_timestamp(at_s, 0));
        at.map_or_else(String::new, |at| at.format("%Y-%m-%dT%H:%M:%SZ").to_string())
    };
    format!("from={}&to={}", at(window.from_s), at(window.to_s))
}

/// The value of a counter on a page of metrics; 0 while it is not there.
pub(crate) fn counter(page: &str, name: &str) -> u64 {
    let value = page
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

fn zone_key(zone: u32) -> String {
    let (provider, region, zone) = zone_name(zone);
    format!("{provider}/{region}/{zone}")
}

/// An agent: its manifest goes with its first delivery, then reports alone.
pub(crate) struct Agent {
    pub(crate) manifest: Manifest,
    id: ManifestId,
    paths: Vec<PathSeen>,
    sequence: u64,
    unsettled: usize,
    delays_us: Vec<u32>,
}

impl Agent {
    pub(crate) fn new(vantage: u32, zones: u32) -> Self {
        let name = agent_name(vantage);
        let descriptor = |zone: u32| {
            let (provider, region, name) = zone_name(zone);
            SeriesDescriptor {
                zone: ZoneKey::new(&provider, &region, &name).expect("a valid zone"),
                target: format!("{provider}-{name}"),
                address: ([10, 0, 0, zone as u8], 8_620).into(),
                granularity: Granularity::Zone,
                method: Method::Stamp,
                flow: 0,
                load: LoadLabel::Idle,
                period_ms: 333,
                waiting_time_ms: 2_000,
                dscp: 0,
                facet: azimuth_measurement::Facet::default(),
                outgoing: azimuth_measurement::Outgoing::default(),
            }
        };
        let manifest = Manifest {
            agent: name.parse().expect("a valid id"),
            agent_version: "0.1.0".to_owned(),
            cloud: azimuth_measurement::CloudPlace::default(),
            vantage_point: VantagePoint {
                name: format!("Vantage point {vantage}"),
                country: "FR".to_owned(),
                city: "Paris".to_owned(),
                network: "Free".to_owned(),
                asn: 12_322,
                latitude_deg: 48.86,
                longitude_deg: 2.35,
            },
            series: (0..zones).map(descriptor).collect(),
        };
        Self {
            id: manifest.id(),
            manifest,
            paths: (0..zones).map(|zone| PathSeen::of(vantage, zone)).collect(),
            sequence: 0,
            unsettled: 0,
            delays_us: Vec::new(),
        }
    }

    /// Its next report.
    pub(crate) fn report(&mut self, slot: Slot) -> anyhow::Result<Report> {
        self.sequence += 1;
        let mut lateness_us = Vec::new();
        let mut random = fastrand::Rng::with_seed(self.sequence);
        let mut records = Vec::with_capacity(self.paths.len());
        for (series, path) in (0..).zip(&self.paths) {
            let sent = path.see(slot, &mut self.delays_us);
            // How late probes leave on an idle host: mostly within the timer's slack.
            lateness_us.extend((0..sent).map(|_| 20 + random.u32(0..40) * random.u32(0..3)));
            records.push(SeriesRecord {
                series,
                counts: ProbeCounts {
                    sent,
                    returned: self.delays_us.len() as u64,
                    ..ProbeCounts::default()
                },
                delays: vec![(
                    StampClock::Kernel,
                    DelayHistogram::from_values_us(&mut self.delays_us),
                )],
            });
        }
        Ok(Report {
            agent: self.manifest.agent.clone(),
            epoch: 1_700_000_000_000,
            sequence: self.sequence,
            manifest: self.id,
            interval: Interval::new(slot.start_unix_ms, slot.length_ms)?,
            records,
            paths: Vec::new(),
            throughput: Vec::new(),
            health: AgentHealth {
                send_lateness: DelayHistogram::from_values_us(&mut lateness_us),
                ..AgentHealth::default()
            },
        })
    }
}

impl Exporter for Agent {
    fn target(&self) -> (&'static str, &'static str) {
        ("/api/v1/reports", "content-type: application/x-protobuf\r\n")
    }

    fn body(&mut self, slots: &[Slot]) -> anyhow::Result<Vec<u8>> {
        let manifests = if self.sequence == 0 {
            vec![encode_manifest(&self.manifest)]
        } else {
            Vec::new()
        };
        self.unsettled = slots.len();
        let reports = slots
            .iter()
            .map(|slot| Ok((slot, self.report(*slot)?)))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let now_unix_ms = clock::unix_ms();
        let items = reports.iter().map(|(slot, report)| BatchItem::Report {
            age_uncertain: false,
            age_ms: now_unix_ms.saturating_sub(slot.end_unix_ms()),
            frame: encode_report(report),
        });
        Ok(encode_batch(&Batch {
            manifests,
            items: items.collect(),
        }))
    }

    fn settled(&mut self, answer: Answer) -> anyhow::Result<()> {
        let verdicts: Value = serde_json::from_slice(&answer.ok("a delivery")?)?;
        let verdicts = verdicts["verdicts"].as_array().context("no verdicts")?;
        ensure!(
            verdicts.len() == self.unsettled,
            "{} verdicts for {} reports",
            verdicts.len(),
            self.unsettled
        );
        match verdicts.iter().find(|verdict| verdict["verdict"] != "stored") {
            Some(verdict) => bail!("a report was not stored: {verdict}"),
            None => Ok(()),
        }
    }
}
