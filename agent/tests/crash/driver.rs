//! The agent's half as a process to be killed: pushes reports into the real outbox and delivers them with the real uplink,
//! as fast as it can, and keeps a journal of what it meant to push and what the spool then had. It is this test program
//! once more, told by its environment what to do.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use azimuth_agent::config::{CollectorAddress, SpoolConfig};
use azimuth_agent::outbox::Outbox;
use azimuth_agent::spool::Now;
use azimuth_agent::uplink::Uplink;
use azimuth_agent::uplink::link::Link;
use azimuth_measurement::enrolment::TlsTrust;
use azimuth_measurement::{
    AgentHealth, DelayHistogram, Granularity, Interval, LoadLabel, Manifest, ManifestId, Method, ProbeCounts,
    Report, SeriesDescriptor, SeriesRecord, StampClock, VantagePoint, ZoneKey,
};

/// Length of every interval. Each report has one of its own, so that the answer of the API names the report.
pub(crate) const LENGTH_MS: u64 = 10_000;
const PACE: Duration = Duration::from_millis(2);

/// What a driver is to do.
#[derive(Debug, Clone)]
pub(crate) struct Orders {
    pub(crate) directory: PathBuf,
    pub(crate) agent: String,
    pub(crate) socket: PathBuf,
    pub(crate) base_unix_ms: u64,
    /// Reports to push; then it delivers what is left and ends.
    pub(crate) reports: u64,
}

impl Orders {
    /// The command that carries them out, behind `wrapper` if there is one.
    pub(crate) fn command(&self, wrapper: &[String]) -> Command {
        let program = std::env::current_exe().unwrap();
        let mut command = match wrapper.split_first() {
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
            None => Command::new(program),
        };
        command
            .args(["driver::drive", "--exact", "--nocapture", "--test-threads=1"])
            .env("AZIMUTH_DRIVE", &self.directory)
            .env("AZIMUTH_DRIVE_AGENT", &self.agent)
            .env("AZIMUTH_DRIVE_SOCKET", &self.socket)
            .env("AZIMUTH_DRIVE_BASE", self.base_unix_ms.to_string())
            .env("AZIMUTH_DRIVE_REPORTS", self.reports.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    pub(crate) fn start(&self) -> Child {
        self.command(&[]).spawn().unwrap()
    }

    fn from_environment() -> Option<Self> {
        let text = |name: &str| std::env::var(name).unwrap();
        Some(Self {
            directory: std::env::var_os("AZIMUTH_DRIVE")?.into(),
            agent: text("AZIMUTH_DRIVE_AGENT"),
            socket: text("AZIMUTH_DRIVE_SOCKET").into(),
            base_unix_ms: text("AZIMUTH_DRIVE_BASE").parse().unwrap(),
            reports: text("AZIMUTH_DRIVE_REPORTS").parse().unwrap(),
        })
    }

    /// Tokens the driver meant to push, and those the spool then had.
    pub(crate) fn journal(&self) -> (Vec<u64>, Vec<u64>) {
        let text = std::fs::read_to_string(journal_of(&self.directory)).unwrap_or_default();
        let of = |kind: &str| -> Vec<u64> {
            let lines = text.lines().filter_map(|line| line.strip_prefix(kind));
            lines.map(|token| token.parse().unwrap()).collect()
        };
        (of("meant "), of("flushed "))
    }
}

fn journal_of(directory: &Path) -> PathBuf {
    directory.join("journal")
}

fn now() -> Now {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let unix_ms = since_epoch.as_millis() as u64;
    // One clock for both, so that ages are exact for intervals of days ago.
    Now {
        unix_ms,
        monotonic_ms: unix_ms,
    }
}

fn manifest(agent: &str) -> Manifest {
    Manifest {
        agent: agent.parse().unwrap(),
        agent_version: "0.1.0".to_owned(),
        cloud: azimuth_measurement::CloudPlace::default(),
        vantage_point: VantagePoint {
            name: "Paris".to_owned(),
            country: "FR".to_owned(),
            city: "Paris".to_owned(),
            network: "Free".to_owned(),
            asn: 12_322,
            latitude_deg: 48.86,
            longitude_deg: 2.35,
        },
        series: vec![SeriesDescriptor {
            zone: ZoneKey::new("aws", "eu-west-3", "az1").unwrap(),
            target: "target".to_owned(),
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
        }],
    }
}

/// The delay that names a token within a thousand of them; up to 2,048 us a bucket is one microsecond wide.
pub(crate) fn delay_us(token: u64) -> u32 {
    1_000 + (token % 1_000) as u32
}

fn report(agent: &str, manifest: ManifestId, interval: Interval, token: u64) -> Report {
    Report {
        agent: agent.parse().unwrap(),
        epoch: 0,
        sequence: 0,
        manifest,
        interval,
        records: vec![SeriesRecord {
            series: 0,
            counts: ProbeCounts {
                sent: 1,
                returned: 1,
                ..ProbeCounts::default()
            },
            delays: vec![(
                StampClock::Kernel,
                DelayHistogram::from_values_us(&mut [delay_us(token)]),
            )],
        }],
        paths: Vec::new(),
        throughput: Vec::new(),
        health: AgentHealth::default(),
    }
}

/// In one write, which a kill cannot cut in two.
fn note(journal: &mut File, line: &str) {
    assert_eq!(journal.write(line.as_bytes()).unwrap(), line.len());
}

/// Not a test by itself: does nothing unless it is told to drive.
#[test]
fn drive() {
    let Some(orders) = Orders::from_environment() else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(carry_out(&orders));
}

async fn carry_out(orders: &Orders) {
    let manifest = manifest(&orders.agent);
    let config = SpoolConfig {
        directory: Some(orders.directory.join("spool")),
        max_bytes: 64 * 1024 * 1024,
    };
    let outbox = Outbox::open(&config, &manifest, now());
    // A closing outbox is delivered at once and without waiting, in whatever order: that is the pace wanted here.
    outbox.close();
    let (meant, _) = orders.journal();
    let mut journal = OpenOptions::new()
        .create(true)
        .append(true)
        .open(journal_of(&orders.directory))
        .unwrap();
    let first = meant.into_iter().max().map_or(0, |token| token + 1);
    let address = CollectorAddress::Unix(orders.socket.clone());
    for token in first..first + orders.reports {
        note(&mut journal, &format!("meant {token}\n"));
        let start_unix_ms = orders.base_unix_ms + token * LENGTH_MS;
        let interval = Interval::new(start_unix_ms, LENGTH_MS as u32).unwrap();
        let report = report(&orders.agent, manifest.id(), interval, token);
        outbox.push(None, report, interval.end_unix_ms(), now());
        note(&mut journal, &format!("flushed {token}\n"));
        Uplink::new(Link::new(&address, TlsTrust::System))
            .run(&outbox, now)
            .await;
        tokio::time::sleep(PACE).await;
    }
    while outbox.holdings().reports + outbox.holdings().tombstones > 0 {
        Uplink::new(Link::new(&address, TlsTrust::System))
            .run(&outbox, now)
            .await;
        tokio::time::sleep(PACE).await;
    }
    outbox.finish(now());
}
