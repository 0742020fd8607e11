//! Reads `truth.jsonl`: what the relay really did. Format: `testbed/src/truth/`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::{DateTime, Utc};
use serde_json::Value;

/// Vantage point's agent and zone.
pub(crate) type PairName = (String, String);

/// What the relay did to the STAMP packets (UDP) of one pair in one window of 10 s, one way.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Passage {
    pub(crate) packets: u64,
    pub(crate) dropped: u64,
    pub(crate) delay_p50_us: Option<u64>,
}

/// Both ways.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Window {
    pub(crate) out: Passage,
    pub(crate) back: Passage,
}

/// One incident, with the instants at which it began and ended.
#[derive(Debug, Clone)]
pub(crate) struct Incident {
    pub(crate) what: String,
    pub(crate) from_at: DateTime<Utc>,
    pub(crate) to_at: DateTime<Utc>,
}

/// The whole file.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    pub(crate) windows: BTreeMap<(PairName, DateTime<Utc>), Window>,
    pub(crate) incidents: Vec<Incident>,
}

fn instant(line: &Value, key: &str) -> DateTime<Utc> {
    let text = line[key].as_str().unwrap_or_else(|| panic!("{key} in {line}"));
    text.parse()
        .unwrap_or_else(|error| panic!("{key} in {line}: {error}"))
}

fn text(line: &Value, key: &str) -> String {
    line[key]
        .as_str()
        .unwrap_or_else(|| panic!("{key} in {line}"))
        .to_owned()
}

impl Truth {
    /// Reads what has been written so far.
    pub(crate) fn read(path: &Path) -> Self {
        let mut truth = Self::default();
        let Ok(file) = std::fs::read_to_string(path) else {
            return truth;
        };
        for line in file.lines() {
            let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
            match line["kind"].as_str() {
                Some("incident") => truth.incidents.push(Incident {
                    what: text(&line, "what"),
                    from_at: instant(&line, "from_at"),
                    to_at: instant(&line, "to_at"),
                }),
                Some("pair") if line["protocol"] == "udp" => {
                    let pair = (text(&line, "agent"), text(&line, "zone"));
                    let window = truth
                        .windows
                        .entry((pair, instant(&line, "start_at")))
                        .or_default();
                    let way = if line["direction"] == "out" {
                        &mut window.out
                    } else {
                        &mut window.back
                    };
                    way.packets += line["packets"].as_u64().expect("packets");
                    way.dropped += line["dropped"].as_u64().expect("dropped");
                    way.delay_p50_us = line["delay_p50_us"].as_u64();
                }
                _ => {}
            }
        }
        truth
    }

    /// Every pair that had a packet.
    pub(crate) fn pairs(&self) -> BTreeSet<PairName> {
        self.windows.keys().map(|(pair, _)| pair.clone()).collect()
    }

    /// Packets sent out and packets dropped either way, over all windows.
    pub(crate) fn totals(&self, pair: &PairName) -> (u64, u64) {
        let windows = self
            .windows
            .iter()
            .filter(|((name, _), _)| name == pair)
            .map(|(_, window)| window);
        windows.fold((0, 0), |(sent, dropped), window| {
            (
                sent + window.out.packets,
                dropped + window.out.dropped + window.back.dropped,
            )
        })
    }

    /// The first incident of a kind.
    pub(crate) fn incident(&self, what: &str) -> Option<&Incident> {
        self.incidents.iter().find(|incident| incident.what == what)
    }

    /// Whether an incident begins or ends within `[start_at, start_at + 10 s)`, give or take a packet's way.
    pub(crate) fn changes_within(&self, start_at: DateTime<Utc>) -> bool {
        let reach = chrono::TimeDelta::seconds(1);
        let (from, to) = (
            start_at - reach,
            start_at + chrono::TimeDelta::seconds(10) + reach,
        );
        self.incidents
            .iter()
            .any(|i| [i.from_at, i.to_at].iter().any(|at| (from..to).contains(at)))
    }
}
