//! kill -9, over and over, while agents deliver: what was acknowledged is there, once.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use azimuth_collector::clock;
use azimuth_measurement::Manifest;

use super::fleet::{LENGTH_MS, body, manifest, report, slot_before};
use super::process::{Collector, deliver};

const CYCLES: usize = 20;
const AGENTS: [&str; 3] = ["one", "two", "three"];
/// Reports in one body.
const BATCH: u64 = 3;
/// The most reports one agent can deliver here: the interval before the last one is the newest.
const MOST_REPORTS: u64 = 8_000;

/// An agent that delivers in order and keeps what was not acknowledged.
struct Agent {
    manifest: Manifest,
    base_unix_ms: u64,
    next: u64,
    acknowledged: BTreeSet<u64>,
}

impl Agent {
    /// Delivers until told to stop or the collector is gone. What got no answer is sent again next time.
    fn deliver_until(&mut self, stop: &AtomicBool, address: std::net::SocketAddr) {
        while !stop.load(Ordering::Relaxed) && self.next < MOST_REPORTS {
            let sequences = self.next..self.next + BATCH;
            let reports: Vec<_> = sequences
                .clone()
                .map(|sequence| {
                    let start = self.base_unix_ms + sequence * LENGTH_MS;
                    report(&self.manifest, sequence, start, &[1_000 + sequence as u32])
                })
                .collect();
            let Ok(answer) = deliver(address, &body(&[&self.manifest], &reports, clock::unix_ms())) else {
                return;
            };
            if answer.status != 200 {
                return;
            }
            for (sequence, verdict) in sequences.zip(answer.json()["verdicts"].as_array().expect("verdicts"))
            {
                let verdict = verdict["verdict"].as_str().expect("a verdict");
                assert!(
                    ["stored", "duplicate"].contains(&verdict),
                    "{verdict} for sequence {sequence}"
                );
                self.acknowledged.insert(sequence);
            }
            self.next += BATCH;
        }
    }
}

fn cycle(directory: &Path, agents: &mut [Agent], alive: Duration) {
    let collector = Collector::start(directory);
    let stop = Arc::new(AtomicBool::new(false));
    let address = collector.address;
    std::thread::scope(|scope| {
        for agent in agents {
            let stop = Arc::clone(&stop);
            scope.spawn(move || agent.deliver_until(&stop, address));
        }
        std::thread::sleep(alive);
        collector.kill();
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_over_kills() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let base_unix_ms = slot_before(clock::unix_ms(), MOST_REPORTS + 10);
    let mut agents: Vec<Agent> = AGENTS
        .iter()
        .map(|id| Agent {
            manifest: manifest(id, 2),
            base_unix_ms,
            next: 1,
            acknowledged: BTreeSet::new(),
        })
        .collect();
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..CYCLES {
        cycle(
            directory.path(),
            &mut agents,
            Duration::from_millis(random.u64(5..120)),
        );
    }

    let collector = Collector::start(directory.path());
    assert_eq!(
        collector.counter("azimuth_store_files_set_aside"),
        0,
        "{}",
        collector.log()
    );
    let rows = collector.get("/api/v1/agents").json();
    for agent in &agents {
        assert!(
            agent.acknowledged.len() > 20,
            "the loop must have delivered something"
        );
        // Per interval, through the API: each acknowledged report exactly once, and at most the one body in doubt more.
        let mut found = BTreeSet::new();
        for chunk in 0..=MOST_REPORTS / 4_000 {
            let from = base_unix_ms + chunk * 4_000 * LENGTH_MS;
            let to = from + 4_000 * LENGTH_MS;
            let instant = azimuth_collector::utc::UtcInstant::from_unix_ms;
            let id = &agent.manifest.agent;
            let path = format!(
                "/api/v1/series?agent={id}&zone=aws/eu-west-3/az1&step=10s&from={}&to={}",
                instant(from),
                instant(to)
            );
            let answer = collector.get(&path).json();
            assert_eq!(answer["coverage"]["unreadable_reports"], serde_json::json!(0));
            for point in answer["points"].as_array().expect("points") {
                assert_eq!(point["n"], serde_json::json!(1), "doubled: {point}");
                assert_eq!(point["sent"], serde_json::json!(2), "doubled: {point}");
                // The delay names the sequence; up to 2,048 us a bucket is one microsecond wide.
                let start =
                    azimuth_collector::utc::UtcInstant::parse(point["start_at"].as_str().expect("text"), 0)
                        .expect("a time");
                assert!(
                    found.insert((start.unix_ms() - base_unix_ms) / LENGTH_MS),
                    "two points for one step"
                );
            }
        }
        let lost: Vec<_> = agent.acknowledged.difference(&found).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        let in_doubt = found.difference(&agent.acknowledged).count() as u64;
        assert!(
            in_doubt <= BATCH,
            "stored without ever being acknowledged: {in_doubt}"
        );
        let row = rows["agents"]
            .as_array()
            .expect("agents")
            .iter()
            .find(|row| row["agent"] == agent.manifest.agent.as_str());
        assert_eq!(
            row.expect("known")["reports_stored"],
            serde_json::json!(found.len())
        );
    }
}
