//! One place for an agent and a collector, and the judge: what the driver's journal says against what the API answers.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, SecondsFormat};

use crate::collector::Collector;
use crate::driver::{LENGTH_MS, Orders, delay_us};

/// Most reports a driver may push here: what the collector's retention of seven days leaves room for.
const MOST_REPORTS: u64 = 50_000;
/// Points of one query.
const CHUNK: u64 = 4_000;
/// A process that takes longer than this to end hangs.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct World {
    scratch: tempfile::TempDir,
    base_unix_ms: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let slots = now.as_millis() as u64 / LENGTH_MS - MOST_REPORTS - 1_000;
        Self {
            scratch: tempfile::tempdir().unwrap(),
            base_unix_ms: slots * LENGTH_MS,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    pub(crate) fn collector(&self, name: &str, wrapper: &[String]) -> Collector {
        self.collector_on(name, "127.0.0.1:0", wrapper)
    }

    pub(crate) fn collector_on(&self, name: &str, listen: &str, wrapper: &[String]) -> Collector {
        let socket = self.path(&format!("{name}.sock"));
        Collector::start(&self.path(name), &socket, listen, wrapper)
    }

    pub(crate) fn orders(&self, agent: &str, collector: &str, reports: u64) -> Orders {
        let directory = self.path(&format!("agent-{agent}"));
        std::fs::create_dir_all(&directory).unwrap();
        Orders {
            directory,
            agent: agent.to_owned(),
            socket: self.path(&format!("{collector}.sock")),
            base_unix_ms: self.base_unix_ms,
            reports,
        }
    }

    /// Delivers what is left and holds the collector's answers against the journal. Gives how many reports there are.
    pub(crate) fn judge(&self, orders: &Orders, collector: &mut Collector) -> usize {
        collector.wait_until_it_answers();
        let last = Orders {
            reports: 0,
            ..orders.clone()
        };
        ends_well(&mut last.start());
        let (meant, flushed) = orders.journal();
        let most = meant.iter().max().map_or(0, |token| token + 1);
        assert!(
            most <= MOST_REPORTS,
            "{most} reports are more than the retention keeps"
        );
        let meant: BTreeSet<u64> = meant.into_iter().collect();
        let mut found = BTreeSet::new();
        for from in (0..most).step_by(CHUNK as usize) {
            let at = |token: u64| {
                let unix_ms = (self.base_unix_ms + token * LENGTH_MS) as i64;
                let at = DateTime::from_timestamp_millis(unix_ms).unwrap();
                at.to_rfc3339_opts(SecondsFormat::Millis, true)
            };
            let path = format!(
                "/api/v1/series?agent={}&zone=aws/eu-west-3/az1&step=10s&from={}&to={}",
                orders.agent,
                at(from),
                at(from + CHUNK)
            );
            // An agent that was killed before its first report was on disk may be unknown.
            let Some(answer) = collector.get(&path) else {
                continue;
            };
            assert_eq!(answer["coverage"]["unreadable_reports"], 0);
            for point in answer["points"].as_array().unwrap() {
                if point["sent"] == 0 {
                    continue;
                }
                let start = DateTime::parse_from_rfc3339(point["start_at"].as_str().unwrap()).unwrap();
                let token = (start.timestamp_millis() as u64 - self.base_unix_ms) / LENGTH_MS;
                assert_eq!(
                    (&point["n"], &point["sent"]),
                    (&1.into(), &1.into()),
                    "doubled: {point}"
                );
                assert_eq!(point["p50_us"], delay_us(token), "another's delay: {point}");
                assert!(
                    found.insert(token) && meant.contains(&token),
                    "never pushed: {point}"
                );
            }
        }
        let lost: Vec<u64> = flushed
            .iter()
            .copied()
            .filter(|token| !found.contains(token))
            .collect();
        assert!(
            lost.is_empty(),
            "on the agent's disk, and not in the collector: {lost:?}"
        );
        found.len()
    }
}

/// Waits for a process that must end by itself, and well.
pub(crate) fn ends_well(child: &mut Child) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            panic!("it did not end within {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
