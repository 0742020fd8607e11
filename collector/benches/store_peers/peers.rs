//! The peers: Debian's Prometheus and VictoriaMetrics with their usual settings, fed by remote write and asked in PromQL.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use serde_json::Value;

use super::azimuth::counter;
use super::client::Client;
use super::process::{Server, bytes_under};
use super::remote_write::CountersOf;
use super::system::{AtRest, Cell, Exporter, System, Window, feed_the_past};
use super::truth::{Slot, agent_name, zone_name};

/// Prometheus.
pub(crate) struct Prometheus {
    /// How long a block may be; `None` for its default of two hours, from which it joins longer ones in the course of weeks.
    pub(crate) block: Option<&'static str>,
}

/// VictoriaMetrics.
pub(crate) struct VictoriaMetrics;

impl System for Prometheus {
    fn name(&self) -> &'static str {
        "prometheus"
    }

    fn command(&self, directory: &Path, address: SocketAddr) -> Command {
        let configuration = directory.with_extension("yml");
        // Nothing to scrape; an absent file would keep it from starting, and says so in its log.
        let _ = std::fs::write(&configuration, "global: {}\n");
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!("--storage.tsdb.path={}", directory.display()))
            .arg(format!("--web.listen-address={address}"))
            .args([
                "--storage.tsdb.retention.time=100y",
                "--web.enable-remote-write-receiver",
                "--web.enable-admin-api",
            ]);
        if let Some(block) = self.block {
            command.arg(format!("--storage.tsdb.min-block-duration={block}"));
            command.arg(format!("--storage.tsdb.max-block-duration={block}"));
        }
        command
    }

    fn ready_path(&self) -> &'static str {
        "/-/ready"
    }

    fn exporter(&self, vantage: u32, zones: u32) -> Box<dyn Exporter> {
        Box::new(CountersOf::new(vantage, zones))
    }

    fn make_visible(&self, _: &mut Client) -> anyhow::Result<()> {
        Ok(())
    }

    /// A snapshot writes the head as the block it will become.
    fn settle(&self, server: Server, directory: &Path, _hours: u64) -> anyhow::Result<(Server, AtRest)> {
        let before_s = server.cpu_s()?;
        let path = "/api/v1/admin/tsdb/snapshot";
        let answer = Client::connect(server.address)?.request("POST", path, "", &[])?;
        answer.ok(path)?;
        let cpu_s = server.cpu_s()? - before_s;
        let snapshots = directory.join("snapshots");
        let bytes = bytes_under(&snapshots);
        let blocks = std::fs::read_dir(&snapshots)?
            .flatten()
            .flat_map(|snapshot| std::fs::read_dir(snapshot.path()));
        let sample_bytes = blocks
            .flatten()
            .flatten()
            .map(|block| bytes_under(&block.path().join("chunks")))
            .sum();
        std::fs::remove_dir_all(&snapshots)?;
        let at_rest = AtRest {
            cpu_s,
            bytes,
            sample_bytes,
            with_rollups_bytes: bytes,
        };
        Ok((server, at_rest))
    }

    fn map_questions(&self, window: Window, vantages: Option<u32>) -> Vec<String> {
        map_in_promql(window, vantages)
    }

    fn series_questions(&self, vantage: u32, zone: u32, window: Window, step_s: u64) -> Vec<String> {
        series_in_promql(vantage, zone, window, step_s)
    }

    fn read_map(&self, answers: &[Vec<u8>]) -> anyhow::Result<Vec<Cell>> {
        read_map(answers)
    }

    fn count_steps(&self, answers: &[Vec<u8>]) -> anyhow::Result<usize> {
        count_steps(answers)
    }

    /// Blocks of a month for a year, as it would have joined them by then; its two hours otherwise.
    fn remember(&self, directory: &Path, zones: u32, slots: &[Slot]) -> anyhow::Result<Server> {
        const LONG_SLOTS: usize = 100_000;
        let block = (slots.len() > LONG_SLOTS).then_some("31d");
        feed_the_past(&Self { block }, directory, zones, slots)
    }
}

impl System for VictoriaMetrics {
    fn name(&self) -> &'static str {
        "victoria-metrics"
    }

    fn command(&self, directory: &Path, address: SocketAddr) -> Command {
        let mut command = Command::new("victoria-metrics");
        command
            .arg(format!("-storageDataPath={}", directory.display()))
            .arg(format!("-httpListenAddr={address}"))
            .args([
                "-retentionPeriod=100y",
                "-search.latencyOffset=0s",
                "-loggerLevel=WARN",
            ]);
        command
    }

    fn ready_path(&self) -> &'static str {
        "/health"
    }

    fn exporter(&self, vantage: u32, zones: u32) -> Box<dyn Exporter> {
        Box::new(CountersOf::new(vantage, zones))
    }

    fn make_visible(&self, client: &mut Client) -> anyhow::Result<()> {
        client.get("/internal/force_flush").map(drop)
    }

    /// Flushed, and merged until no merge runs.
    fn settle(&self, mut server: Server, directory: &Path, _hours: u64) -> anyhow::Result<(Server, AtRest)> {
        let before_s = server.cpu_s()?;
        let mut client = Client::connect(server.address)?;
        client.get("/internal/force_flush")?;
        client.get("/internal/force_merge")?;
        // The request begins the merge and does not wait for it; twice quiet, because it may not have begun at the first look.
        let mut quiet = 0;
        server.wait_for("the end of merging", 1_800, |_| {
            std::thread::sleep(std::time::Duration::from_millis(500));
            let page = String::from_utf8(client.get("/metrics")?)?;
            let running = ["storage/big", "storage/small", "indexdb"]
                .map(|kind| counter(&page, &format!("vm_active_merges{{type=\"{kind}\"}}")))
                .iter()
                .sum::<u64>()
                + counter(&page, "vm_active_force_merges");
            quiet = if running == 0 { quiet + 1 } else { 0 };
            Ok(quiet == 4)
        })?;
        let at_rest = AtRest {
            cpu_s: server.cpu_s()? - before_s,
            bytes: bytes_under(&directory.join("data")) + bytes_under(&directory.join("indexdb")),
            sample_bytes: bytes_under(&directory.join("data")),
            with_rollups_bytes: bytes_under(&directory.join("data"))
                + bytes_under(&directory.join("indexdb")),
        };
        Ok((server, at_rest))
    }

    fn map_questions(&self, window: Window, vantages: Option<u32>) -> Vec<String> {
        uncached(map_in_promql(window, vantages))
    }

    fn series_questions(&self, vantage: u32, zone: u32, window: Window, step_s: u64) -> Vec<String> {
        uncached(series_in_promql(vantage, zone, window, step_s))
    }

    fn read_map(&self, answers: &[Vec<u8>]) -> anyhow::Result<Vec<Cell>> {
        read_map(answers)
    }

    fn count_steps(&self, answers: &[Vec<u8>]) -> anyhow::Result<usize> {
        count_steps(answers)
    }

    fn remember(&self, directory: &Path, zones: u32, slots: &[Slot]) -> anyhow::Result<Server> {
        feed_the_past(self, directory, zones, slots)
    }
}

/// A question is asked many times here, and a cache would answer all but the first.
fn uncached(questions: Vec<String>) -> Vec<String> {
    questions
        .into_iter()
        .map(|question| question + "&nocache=1")
        .collect()
}

fn ask(path: &str, query: &str, parameters: &[(&str, u64)]) -> String {
    let mut written = form_urlencoded::Serializer::new(String::new());
    written.append_pair("query", query);
    for (name, value) in parameters {
        written.append_pair(name, &value.to_string());
    }
    format!("{path}?{}", written.finish())
}

fn map_in_promql(window: Window, vantages: Option<u32>) -> Vec<String> {
    let chosen = vantages.map_or_else(String::new, |vantages| {
        let names: Vec<String> = (0..vantages).map(agent_name).collect();
        format!("{{agent=~\"{}\"}}", names.join("|"))
    });
    let span = format!("{chosen}[{}s]", window.to_s - window.from_s);
    let quantile = |share| {
        format!("histogram_quantile({share}, sum by (agent, zone, le) (rate(rtt_seconds_bucket{span})))")
    };
    let loss = format!(
        "1 - sum by (agent, zone) (increase(rtt_seconds_count{span})) / sum by (agent, zone) (increase(probes_sent_total{span}))"
    );
    [quantile(0.5), quantile(0.99), loss]
        .map(|query| ask("/api/v1/query", &query, &[("time", window.to_s)]))
        .into()
}

fn series_in_promql(vantage: u32, zone: u32, window: Window, step_s: u64) -> Vec<String> {
    let (provider, region, zone) = zone_name(zone);
    let pair = format!(
        "agent=\"{}\",zone=\"{provider}/{region}/{zone}\"",
        agent_name(vantage)
    );
    let quantile = |share| {
        format!("histogram_quantile({share}, sum by (le) (rate(rtt_seconds_bucket{{{pair}}}[{step_s}s])))")
    };
    let loss = format!(
        "1 - sum(increase(rtt_seconds_count{{{pair}}}[{step_s}s])) / sum(increase(probes_sent_total{{{pair}}}[{step_s}s]))"
    );
    let range = [
        ("start", window.from_s + step_s),
        ("end", window.to_s),
        ("step", step_s),
    ];
    [quantile(0.5), quantile(0.99), loss]
        .map(|query| ask("/api/v1/query_range", &query, &range))
        .into()
}

fn results(answer: &[u8]) -> anyhow::Result<Vec<Value>> {
    let answer: Value = serde_json::from_slice(answer)?;
    answer["data"]["result"]
        .as_array()
        .cloned()
        .with_context(|| format!("no result in {answer}"))
}

fn read_map(answers: &[Vec<u8>]) -> anyhow::Result<Vec<Cell>> {
    let (p50, p99) = (results(&answers[0])?, results(&answers[1])?);
    let us = |row: &Value| -> Option<f64> { Some(row["value"][1].as_str()?.parse::<f64>().ok()? * 1e6) };
    let name = |row: &Value, label: &str| row["metric"][label].as_str().unwrap_or_default().to_owned();
    p50.iter()
        .map(|row| {
            let same = p99.iter().find(|other| other["metric"] == row["metric"]);
            Ok(Cell {
                agent: name(row, "agent"),
                zone: name(row, "zone"),
                p50_us: us(row).context("no p50")?,
                p99_us: same.and_then(us).context("no p99")?,
            })
        })
        .collect()
}

fn count_steps(answers: &[Vec<u8>]) -> anyhow::Result<usize> {
    let rows = results(&answers[0])?;
    let values = rows.first().and_then(|row| row["values"].as_array());
    Ok(values.map_or(0, |values| {
        values.iter().filter(|value| value[1] != "NaN").count()
    }))
}
