//! What each pair saw since start: probes and delays, cumulative. Fed by the thread that commits, with reports that were
//! stored just now and never with duplicates; read by `/metrics`. Handed the time.
//!
//! A pair is an agent, a zone, a method and a load label, as in the API; delays of different clocks stay apart. There
//! are at most so many pairs. When they run out, those of which nothing came for [`IDLE_MS`] make room; what still finds
//! none is counted and left out.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use azimuth_measurement::{
    AgentId, LoadLabel, Manifest, Method, ProbeCounts, Report, SeriesDescriptor, SeriesRecord, StampClock,
    ZoneKey,
};

use super::exponential::{Delays, Grid};
use super::family::{Family, Kind, Labels, Value, labels};
use super::settings::Settings;
use crate::query::facts;
use crate::store::VerifiedReport;
use crate::store::dictionary::KnownManifest;

/// How long a pair is kept although nothing comes, when others want its place. A day, so that an agent that was off over
/// night does not begin anew.
pub const IDLE_MS: u64 = 86_400_000;
/// How often it is looked for pairs to forget, at most.
const SWEEP_EVERY_MS: u64 = 60_000;

/// What the measurements of all pairs came to. Shared between the thread that commits and readers.
#[derive(Debug)]
pub struct Measured(Option<Mutex<Tally>>);

impl Default for Measured {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

impl Measured {
    /// Nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self(settings.delays.then(|| Mutex::new(Tally::new(settings))))
    }

    /// Whether anything is kept; if not, reports need not be decoded.
    pub fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    /// Adds a report that was stored just now.
    pub fn note(&self, stored: &VerifiedReport, report: &Report, known: &KnownManifest) {
        if let Some(tally) = &self.0 {
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            tally.note(stored, report, known);
        }
    }

    /// Everything, as families; none when nothing is kept.
    pub fn families(&self) -> Vec<Family> {
        self.0.as_ref().map_or_else(Vec::new, |tally| {
            tally.lock().unwrap_or_else(PoisonError::into_inner).families()
        })
    }
}

/// Agent, zone, method, load label.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct PairKey {
    agent: AgentId,
    zone: ZoneKey,
    method: Method,
    load: LoadLabel,
}

#[derive(Debug)]
struct Pair {
    labels: Labels,
    counts: ProbeCounts,
    delays: BTreeMap<StampClock, (Labels, Delays)>,
    last_at_unix_ms: u64,
}

#[derive(Debug)]
struct Agent {
    labels: Labels,
    info: Labels,
    manifest: Arc<Manifest>,
    reports: u64,
    last_report_at_unix_ms: u64,
    last_interval_end_unix_ms: u64,
    clock_skew_ms: i64,
}

/// Where the records of a series go.
#[derive(Debug, Clone, Copy)]
enum Slot {
    NotLookedUp,
    Pair(usize),
    NoRoom,
}

#[derive(Debug)]
struct Tally {
    grid: Grid,
    max_pairs: usize,
    pairs: Vec<Pair>,
    by_key: HashMap<PairKey, usize>,
    /// By the store's number of the series, so that a record costs no look at names. Bounded by the store's series.
    slots: Vec<Slot>,
    agents: BTreeMap<AgentId, Agent>,
    records_left_out: u64,
    agents_left_out: u64,
    pairs_forgotten: u64,
    swept_at_unix_ms: u64,
}

impl Tally {
    fn new(settings: Settings) -> Self {
        Self {
            grid: Grid::new(settings.schema),
            max_pairs: settings.max_pairs,
            pairs: Vec::new(),
            by_key: HashMap::new(),
            slots: Vec::new(),
            agents: BTreeMap::new(),
            records_left_out: 0,
            agents_left_out: 0,
            pairs_forgotten: 0,
            swept_at_unix_ms: 0,
        }
    }

    fn note(&mut self, stored: &VerifiedReport, report: &Report, known: &KnownManifest) {
        let now_unix_ms = stored.received_at_unix_ms;
        self.note_agent(stored, &known.manifest);
        for record in &report.records {
            let position = record.series as usize;
            // A series that was refused has no id, and nothing of it was stored.
            let (Some(id), Some(descriptor)) = (
                known.series_at(record.series),
                known.manifest.series.get(position),
            ) else {
                continue;
            };
            // Two phases are never one number, and a pair has one: that of the method as a whole, answered as hoped.
            if !descriptor.facet.is_main() {
                continue;
            }
            match self.slot_of(id.index(), &stored.agent, descriptor, now_unix_ms) {
                Some(pair) => self.pairs[pair].note(&self.grid, record, now_unix_ms),
                None => self.records_left_out += 1,
            }
        }
    }

    fn note_agent(&mut self, stored: &VerifiedReport, manifest: &Arc<Manifest>) {
        if !self.agents.contains_key(&stored.agent) {
            // An agent has a pair or more, so those that are shown are no more than pairs may be.
            if self.agents.len() >= self.max_pairs {
                self.agents_left_out += 1;
                return;
            }
            self.agents
                .insert(stored.agent.clone(), Agent::new(&stored.agent, manifest));
        }
        if let Some(agent) = self.agents.get_mut(&stored.agent) {
            agent.note(stored, manifest);
        }
    }

    fn slot_of(
        &mut self,
        series: usize,
        agent: &AgentId,
        descriptor: &SeriesDescriptor,
        now_unix_ms: u64,
    ) -> Option<usize> {
        if series >= self.slots.len() {
            self.slots.resize(series + 1, Slot::NotLookedUp);
        }
        if let Slot::NoRoom = self.slots[series] {
            self.forget_idle(now_unix_ms);
        }
        match self.slots[series] {
            Slot::Pair(pair) => Some(pair),
            Slot::NoRoom => None,
            Slot::NotLookedUp => {
                let key = PairKey {
                    agent: agent.clone(),
                    zone: descriptor.zone.clone(),
                    method: descriptor.method,
                    load: descriptor.load,
                };
                let pair = self.pair_of(key, now_unix_ms);
                self.slots[series] = pair.map_or(Slot::NoRoom, Slot::Pair);
                pair
            }
        }
    }

    fn pair_of(&mut self, key: PairKey, now_unix_ms: u64) -> Option<usize> {
        if let Some(&pair) = self.by_key.get(&key) {
            return Some(pair);
        }
        if self.pairs.len() >= self.max_pairs {
            self.forget_idle(now_unix_ms);
        }
        if self.pairs.len() >= self.max_pairs {
            return None;
        }
        self.pairs.push(Pair::new(&key));
        self.by_key.insert(key, self.pairs.len() - 1);
        Some(self.pairs.len() - 1)
    }

    /// Makes room, if there is any to make. All series are looked up again afterwards.
    fn forget_idle(&mut self, now_unix_ms: u64) {
        if now_unix_ms < self.swept_at_unix_ms.saturating_add(SWEEP_EVERY_MS) {
            return;
        }
        self.swept_at_unix_ms = now_unix_ms;
        let is_idle = |last_at_unix_ms: u64| now_unix_ms.saturating_sub(last_at_unix_ms) > IDLE_MS;
        let before = self.pairs.len();
        let mut moved_to = Vec::with_capacity(before);
        let mut kept = 0;
        for pair in &self.pairs {
            let stays = !is_idle(pair.last_at_unix_ms);
            moved_to.push(stays.then_some(kept));
            kept += usize::from(stays);
        }
        self.agents
            .retain(|_, agent| !is_idle(agent.last_report_at_unix_ms));
        if kept == before {
            return;
        }
        self.pairs.retain(|pair| !is_idle(pair.last_at_unix_ms));
        self.by_key.retain(|_, pair| {
            moved_to[*pair].is_some_and(|now_at| {
                *pair = now_at;
                true
            })
        });
        self.slots.fill(Slot::NotLookedUp);
        self.pairs_forgotten += (before - kept) as u64;
    }

    fn families(&self) -> Vec<Family> {
        let counter = |name, help, value: fn(&Pair) -> u64| {
            let mut family = Family::new(name, Kind::Counter, help);
            for pair in &self.pairs {
                family.push(Arc::clone(&pair.labels), Value::Whole(value(pair)));
            }
            family
        };
        let mut delays = Family::new(
            "azimuth_round_trip_delay_seconds",
            Kind::Histogram,
            "Round-trip delays in reports stored since the collector started.",
        );
        for (labels, seen) in self.pairs.iter().flat_map(|pair| pair.delays.values()) {
            delays.push(Arc::clone(labels), Value::Delays(Box::new(seen.clone())));
        }
        let mut families = vec![
            delays,
            counter(
                "azimuth_probes_sent_total",
                "Probes sent, in reports stored since the collector started.",
                |pair| pair.counts.sent,
            ),
            counter(
                "azimuth_probes_returned_total",
                "Probes answered within their waiting time.",
                |pair| pair.counts.returned,
            ),
            counter(
                "azimuth_probes_lost_total",
                "Probes without an answer within their waiting time.",
                |pair| pair.counts.lost(),
            ),
        ];
        families.extend(self.fact_families());
        families.extend(self.agent_families());
        families.extend([
            Family::gauge(
                "azimuth_metrics_pairs",
                "Pairs shown on this page.",
                self.pairs.len() as u64,
            ),
            Family::counter(
                "azimuth_metrics_pairs_forgotten_total",
                "Pairs of which nothing had come for a day and whose place others took.",
                self.pairs_forgotten,
            ),
            Family::counter(
                "azimuth_metrics_records_left_out_total",
                "Records, one a series and interval, that this page leaves out because metrics.max_pairs are shown.",
                self.records_left_out,
            ),
            Family::counter(
                "azimuth_metrics_agent_reports_left_out_total",
                "Reports of agents that this page leaves out because metrics.max_pairs are shown.",
                self.agents_left_out,
            ),
        ]);
        families
    }

    /// What most pairs have nothing to say of has no series until there is something.
    fn fact_families(&self) -> [Family; 4] {
        let mut ways = Family::new(
            "azimuth_probes_lost_by_way_total",
            Kind::Counter,
            "Lost probes of which it is known on which way; the rest of the lost were lost on an unknown one.",
        );
        let mut errors = Family::new(
            "azimuth_probe_errors_total",
            Kind::Counter,
            "ICMP errors, refusals and send errors by kind; they settle no probe.",
        );
        let mut pairs = Family::new(
            "azimuth_ipdv_pairs_total",
            Kind::Counter,
            "Pairs of probes sent one after the other that both have a delay by the same clock.",
        );
        let mut sum = Family::new(
            "azimuth_ipdv_seconds_total",
            Kind::Counter,
            "Differences between the delays of such pairs, signs dropped, added up.",
        );
        for pair in &self.pairs {
            let with = |name, value: &str| {
                let mut labels = pair.labels.to_vec();
                labels.push((name, value.into()));
                Labels::from(labels)
            };
            let by_way = [("out", pair.counts.lost_out), ("back", pair.counts.lost_back)];
            for (way, lost) in by_way.into_iter().filter(|(_, lost)| *lost > 0) {
                ways.push(with("way", way), Value::Whole(lost));
            }
            for (kind, count) in facts::errors(&pair.counts) {
                errors.push(with("kind", kind), Value::Whole(count));
            }
            let ipdv = pair.counts.ipdv;
            if ipdv.pairs > 0 {
                pairs.push(Arc::clone(&pair.labels), Value::Whole(ipdv.pairs));
                sum.push(Arc::clone(&pair.labels), Value::Real(ipdv.sum_us as f64 / 1e6));
            }
        }
        [ways, errors, pairs, sum]
    }

    fn agent_families(&self) -> [Family; 4] {
        let per_agent = |name, kind, help, sample: fn(&Agent) -> (&Labels, Value)| {
            let mut family = Family::new(name, kind, help);
            for agent in self.agents.values() {
                let (labels, value) = sample(agent);
                family.push(Arc::clone(labels), value);
            }
            family
        };
        [
            per_agent(
                "azimuth_agent_info",
                Kind::Gauge,
                "Where an agent stands, as it declared last; always 1.",
                |agent| (&agent.info, Value::Whole(1)),
            ),
            per_agent(
                "azimuth_agent_reports_total",
                Kind::Counter,
                "Reports of the agent stored since the collector started.",
                |agent| (&agent.labels, Value::Whole(agent.reports)),
            ),
            per_agent(
                "azimuth_agent_last_report_timestamp_seconds",
                Kind::Gauge,
                "When the last report of the agent was received.",
                |agent| {
                    let seconds = agent.last_report_at_unix_ms as f64 / 1e3;
                    (&agent.labels, Value::Real(seconds))
                },
            ),
            per_agent(
                "azimuth_agent_clock_skew_seconds",
                Kind::Gauge,
                "Agent clock minus collector clock, at its last report.",
                |agent| (&agent.labels, Value::Real(agent.clock_skew_ms as f64 / 1e3)),
            ),
        ]
    }
}

impl Pair {
    fn new(key: &PairKey) -> Self {
        Self {
            labels: pair_labels(key).into(),
            counts: ProbeCounts::default(),
            delays: BTreeMap::new(),
            last_at_unix_ms: 0,
        }
    }

    fn note(&mut self, grid: &Grid, record: &SeriesRecord, now_unix_ms: u64) {
        // Counters as large as this would be a defect; the page goes on without the record.
        if let Some(sum) = self.counts.plus(&record.counts) {
            self.counts = sum;
        }
        for (clock, histogram) in &record.delays {
            let (_, delays) = self.delays.entry(*clock).or_insert_with(|| {
                let mut labels = self.labels.to_vec();
                labels.push(("clock", clock.as_str().into()));
                (labels.into(), Delays::new(grid.schema()))
            });
            delays.add(grid, histogram);
        }
        self.last_at_unix_ms = self.last_at_unix_ms.max(now_unix_ms);
    }
}

/// Never the bare ids of region and zone, which other providers use too.
fn pair_labels(key: &PairKey) -> Vec<(&'static str, Box<str>)> {
    let zone = key.zone.to_string();
    let region = zone.rsplit_once('/').map_or("", |(region, _)| region);
    vec![
        ("agent", key.agent.to_string().into()),
        ("provider", key.zone.provider().into()),
        ("region", region.into()),
        ("zone", zone.as_str().into()),
        ("method", key.method.as_str().into()),
        ("load", key.load.as_str().into()),
    ]
}

impl Agent {
    fn new(id: &AgentId, manifest: &Arc<Manifest>) -> Self {
        Self {
            labels: labels([("agent", &id.to_string())]),
            info: info_labels(manifest),
            manifest: Arc::clone(manifest),
            reports: 0,
            last_report_at_unix_ms: 0,
            last_interval_end_unix_ms: 0,
            clock_skew_ms: 0,
        }
    }

    /// Late reports count, but do not turn the agent back to an older manifest.
    fn note(&mut self, stored: &VerifiedReport, manifest: &Arc<Manifest>) {
        self.reports = self.reports.saturating_add(1);
        self.last_report_at_unix_ms = self.last_report_at_unix_ms.max(stored.received_at_unix_ms);
        self.clock_skew_ms = stored.clock_skew_ms;
        if stored.placed.end_unix_ms() >= self.last_interval_end_unix_ms {
            self.last_interval_end_unix_ms = stored.placed.end_unix_ms();
            if !Arc::ptr_eq(&self.manifest, manifest) {
                self.manifest = Arc::clone(manifest);
                self.info = info_labels(manifest);
            }
        }
    }
}

fn info_labels(manifest: &Manifest) -> Labels {
    let place = &manifest.vantage_point;
    labels([
        ("agent", &manifest.agent.to_string()),
        ("name", &place.name),
        ("city", &place.city),
        ("country", &place.country),
        ("network", &place.network),
        ("asn", &place.asn.to_string()),
        ("version", &manifest.agent_version),
    ])
}

#[cfg(test)]
mod tests;
