//! One agent of the fleet: what it has, how it posts it, how it waits.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use azimuth_measurement::codec::{Batch, BatchItem, encode_batch, encode_manifest, encode_report};
use azimuth_measurement::{
    AgentHealth, DelayHistogram, Granularity, Interval, LoadLabel, Manifest, Method, ProbeCounts, Report,
    SeriesDescriptor, SeriesRecord, StampClock, VantagePoint, ZoneKey,
};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::Options;
use super::figures::Tally;
use super::http::Connection;
use crate::clock::Clock;

const LENGTH_MS: u32 = 10_000;
/// Delays in each histogram, as an agent that probes every second has.
const DELAYS: usize = 10;
/// Most reports of one post.
const BATCH: usize = 100;
/// As the agent's: ceiling of the wait after the first failure, and after many.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// As the agent's: a post that takes longer has failed.
const POST_TIMEOUT: Duration = Duration::from_secs(15);

/// An agent with a backlog.
pub(super) struct Agent {
    manifest: Manifest,
    epoch: u64,
    /// End of its newest interval.
    newest_end_unix_ms: u64,
    unsettled: BTreeSet<u64>,
    random: u64,
}

#[derive(Deserialize)]
struct Verdicts {
    verdicts: Vec<Verdict>,
}

#[derive(Deserialize)]
struct Verdict {
    verdict: String,
}

#[derive(Deserialize)]
struct Agents {
    agents: Vec<Stored>,
}

#[derive(Deserialize)]
struct Stored {
    agent: String,
    reports_stored: u64,
}

impl Agent {
    pub(super) fn new(run: &str, number: u32, options: &Options, now_unix_ms: u64) -> anyhow::Result<Self> {
        let newest_end_unix_ms = now_unix_ms / u64::from(LENGTH_MS) * u64::from(LENGTH_MS);
        Ok(Self {
            manifest: manifest(&format!("{run}-{number:05}"), options.series)?,
            epoch: newest_end_unix_ms - (u64::from(options.backlog) + 1) * u64::from(LENGTH_MS),
            newest_end_unix_ms,
            // The first made it known, before the outage.
            unsettled: (2..=u64::from(options.backlog) + 1).collect(),
            random: now_unix_ms ^ (u64::from(number) << 32) | 1,
        })
    }

    /// The report before the outage, which makes it known.
    pub(super) async fn introduce(&mut self, to: SocketAddr, clock: &Clock) -> anyhow::Result<()> {
        let mut failures = 0;
        loop {
            let body = self.body(&[1], true, clock.unix_ns() / 1_000_000)?;
            let posted = tokio::time::timeout(POST_TIMEOUT, post(&mut None, to, body)).await;
            if posted.is_ok_and(|posted| posted.is_ok_and(|answer| answer.status == 200)) {
                return Ok(());
            }
            self.wait(&mut failures, None).await;
        }
    }

    /// Delivers everything, however long it takes.
    pub(super) async fn run(mut self, to: SocketAddr, tally: &Mutex<Tally>, clock: &Clock) {
        let newest = self.unsettled.last().copied().unwrap_or(0);
        let (mut connection, mut failures, mut with_manifest, mut attempts) = (None, 0_u32, false, 0_u64);
        let mut offered: BTreeSet<u64> = BTreeSet::new();
        while !self.unsettled.is_empty() {
            // After an outage the newest alone, then the rest, oldest first.
            let sequences: Vec<u64> = if self.unsettled.contains(&newest) {
                vec![newest]
            } else {
                self.unsettled.iter().copied().take(BATCH).collect()
            };
            let Ok(body) = self.body(&sequences, with_manifest, clock.unix_ns() / 1_000_000) else {
                return;
            };
            attempts += 1;
            let began_ns = clock.elapsed_ns();
            let posted = tokio::time::timeout(POST_TIMEOUT, post(&mut connection, to, body)).await;
            let took_ns = clock.elapsed_ns() - began_ns;
            let mut tally = tally.lock().await;
            tally.requests += 1;
            tally.retries += u64::from(failures > 0);
            let Ok(Ok(answer)) = posted else {
                tally.unanswered += 1;
                drop(tally);
                connection = None;
                offered.extend(&sequences);
                self.wait(&mut failures, None).await;
                continue;
            };
            tally
                .answer_us
                .push(u32::try_from(took_ns / 1_000).unwrap_or(u32::MAX));
            *tally.by_status.entry(answer.status).or_default() += 1;
            let verdicts = (answer.status == 200)
                .then(|| serde_json::from_slice::<Verdicts>(&answer.body).ok())
                .flatten()
                .filter(|verdicts| verdicts.verdicts.len() == sequences.len());
            let Some(verdicts) = verdicts else {
                drop(tally);
                connection = None;
                self.wait(&mut failures, answer.retry_after_s).await;
                continue;
            };
            with_manifest = false;
            let mut put_off = false;
            for (sequence, verdict) in sequences.iter().zip(verdicts.verdicts) {
                match verdict.verdict.as_str() {
                    "stored" => tally.stored += 1,
                    // Right only where an answer got lost before.
                    "duplicate" if offered.contains(sequence) => tally.duplicates += 1,
                    "duplicate" => tally.wrong_duplicates += 1,
                    "manifest_wanted" => {
                        with_manifest = true;
                        continue;
                    }
                    "retry" => {
                        put_off = true;
                        continue;
                    }
                    _ => tally.refused += 1,
                }
                self.unsettled.remove(sequence);
                if verdict.verdict != "refused" {
                    let agent = self.manifest.agent.to_string();
                    *tally.settled.entry(agent).or_default() += 1;
                }
            }
            tally.drained_at_ns = tally.drained_at_ns.max(clock.elapsed_ns());
            tally.most_attempts = tally.most_attempts.max(attempts);
            drop(tally);
            if put_off {
                self.wait(&mut failures, None).await;
            } else {
                failures = 0;
            }
        }
    }

    /// Full jitter below a ceiling that doubles, on top of what the collector asks for.
    async fn wait(&mut self, failures: &mut u32, asked_s: Option<u64>) {
        let ceiling = FIRST_WAIT
            .saturating_mul(1 << (*failures).min(16))
            .min(LONGEST_WAIT);
        *failures = failures.saturating_add(1);
        // xorshift64 (Marsaglia 2003): only the agents' spread hangs on it.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let share = (self.random >> 11) as f64 / (1_u64 << 53) as f64;
        tokio::time::sleep(Duration::from_secs(asked_s.unwrap_or(0)) + ceiling.mul_f64(share)).await;
    }

    fn body(&self, sequences: &[u64], with_manifest: bool, now_unix_ms: u64) -> anyhow::Result<Vec<u8>> {
        let items = sequences
            .iter()
            .map(|sequence| {
                let start_unix_ms = self.epoch + (sequence - 1) * u64::from(LENGTH_MS);
                let interval = Interval::new(start_unix_ms, LENGTH_MS).context("an interval")?;
                Ok(BatchItem::Report {
                    age_ms: now_unix_ms.saturating_sub(interval.end_unix_ms()),
                    age_uncertain: false,
                    frame: encode_report(&self.report(*sequence, interval)),
                })
            })
            .collect::<anyhow::Result<_>>()?;
        debug_assert!(self.newest_end_unix_ms >= self.epoch);
        Ok(encode_batch(&Batch {
            manifests: with_manifest
                .then(|| encode_manifest(&self.manifest))
                .into_iter()
                .collect(),
            items,
        }))
    }

    fn report(&self, sequence: u64, interval: Interval) -> Report {
        let record = |series: u32| {
            let spread = |at: usize| 9_000 + (sequence as u32 * 7 + series * 13 + at as u32 * 101) % 900;
            let mut delays_us: Vec<u32> = (0..DELAYS).map(spread).collect();
            SeriesRecord {
                series,
                counts: ProbeCounts {
                    sent: DELAYS as u64,
                    returned: DELAYS as u64,
                    ..ProbeCounts::default()
                },
                delays: vec![(StampClock::Kernel, DelayHistogram::from_values_us(&mut delays_us))],
            }
        };
        Report {
            agent: self.manifest.agent.clone(),
            epoch: self.epoch,
            sequence,
            manifest: self.manifest.id(),
            interval,
            records: (0..self.manifest.series.len() as u32).map(record).collect(),
            paths: Vec::new(),
            throughput: Vec::new(),
            health: AgentHealth::default(),
        }
    }
}

async fn post(
    connection: &mut Option<Connection>,
    to: SocketAddr,
    body: Vec<u8>,
) -> anyhow::Result<super::http::Answer> {
    let mut open = match connection.take() {
        Some(open) => open,
        None => Connection::open(to).await?,
    };
    let answer = open.send(hyper::Method::POST, "/api/v1/reports", body).await?;
    *connection = Some(open);
    Ok(answer)
}

/// How many reports of each agent of this run the collector says it has stored.
pub(super) async fn stored(at: SocketAddr, run: &str) -> anyhow::Result<BTreeMap<String, u64>> {
    let mut connection = Connection::open(at).await?;
    let answer = connection
        .send(hyper::Method::GET, "/api/v1/agents", Vec::new())
        .await?;
    ensure!(
        answer.status == 200,
        "GET /api/v1/agents was answered {}",
        answer.status
    );
    let agents: Agents = serde_json::from_slice(&answer.body).context("the list of agents")?;
    let ours = agents
        .agents
        .into_iter()
        .filter(|stored| stored.agent.starts_with(run));
    Ok(ours.map(|stored| (stored.agent, stored.reports_stored)).collect())
}

fn manifest(agent: &str, series: u16) -> anyhow::Result<Manifest> {
    let descriptor = |number: u16| {
        Ok(SeriesDescriptor {
            zone: ZoneKey::new("load", "region", &format!("zone-{number}"))?,
            target: format!("target-{number}"),
            address: ([10, 0, 0, 1], 8_620).into(),
            granularity: Granularity::Zone,
            method: Method::Stamp,
            flow: 0,
            load: LoadLabel::Idle,
            period_ms: 1_000,
            waiting_time_ms: 2_000,
            dscp: 0,
            facet: azimuth_measurement::Facet::default(),
            outgoing: azimuth_measurement::Outgoing::default(),
        })
    };
    Ok(Manifest {
        agent: agent.parse()?,
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        cloud: azimuth_measurement::CloudPlace::default(),
        vantage_point: VantagePoint {
            name: "Load".to_owned(),
            country: "FR".to_owned(),
            city: "Paris".to_owned(),
            network: "Load".to_owned(),
            asn: 64_496,
            latitude_deg: 48.86,
            longitude_deg: 2.35,
        },
        series: (0..series).map(descriptor).collect::<anyhow::Result<_>>()?,
    })
}
