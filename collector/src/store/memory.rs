//! A store in memory, for tests only: the second backend that shows the conformance suite asks for nothing that only
//! redb could do. It rolls nothing up, and still gives the answers of a store that does.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use azimuth_measurement::codec::decode_report;
use azimuth_measurement::{AgentId, ManifestId, PathEvent, ThroughputResult};

use super::admission::{Plan, PlannedReport, Standing};
use super::dictionary::AgentNumber;
use super::events::{Event, EventKey, keys_of, stored, within_bounds};
use super::paths::StoredPath;
use super::sequences::SettledSequences;
use super::throughput::StoredThroughput;
use super::tier::{Hole, Stretch, plan};
use super::{
    Admission, AgentStatus, Condition, Coverage, Dictionary, Item, Maintained, Missing, MissingCause,
    Observation, Retention, ScanRequest, SeriesLimits, Store, StoreError, StoredGap, Tier, TimeRange,
    VerifiedManifest, VerifiedReport, Visit, WindowCondition,
};

#[derive(Default)]
pub(crate) struct MemoryStore {
    rooms: Mutex<Rooms>,
    /// None unless told otherwise.
    limits: Option<SeriesLimits>,
}

#[derive(Default)]
struct Rooms {
    dictionary: Arc<Dictionary>,
    settled: BTreeMap<(AgentNumber, u64), SettledSequences>,
    reports: BTreeMap<(u64, AgentNumber, u64, u64), Vec<u8>>,
    /// By (end, agent, epoch, first sequence).
    gaps: BTreeMap<(u64, AgentNumber, u64, u64), StoredGap>,
    agents: BTreeMap<AgentId, AgentStatus>,
    paths: Events<PathEvent>,
    path_events_refused: u64,
    throughput: Events<ThroughputResult>,
    throughput_results_refused: u64,
    /// The latest instant it was maintained at.
    now_unix_ms: u64,
}

impl MemoryStore {
    pub(crate) fn limited(limits: SeriesLimits) -> Self {
        Self {
            limits: Some(limits),
            ..Self::default()
        }
    }

    fn rooms(&self) -> std::sync::MutexGuard<'_, Rooms> {
        self.rooms.lock().expect("no test panics while holding it")
    }
}

impl Standing for Rooms {
    fn settled(&self, agent: AgentNumber, epoch: u64) -> Result<SettledSequences, StoreError> {
        Ok(self.settled.get(&(agent, epoch)).cloned().unwrap_or_default())
    }

    fn status(&self, dictionary: &Dictionary, agent: AgentNumber) -> Result<Option<AgentStatus>, StoreError> {
        let id = dictionary.agent(agent);
        Ok(id.and_then(|id| self.agents.get(id)).cloned())
    }

    fn frame(
        &self,
        start_unix_ms: u64,
        agent: AgentNumber,
        epoch: u64,
        sequence: u64,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self
            .reports
            .get(&(start_unix_ms, agent, epoch, sequence))
            .cloned())
    }

    fn is_buried(
        &self,
        start_unix_ms: u64,
        agent: AgentNumber,
        epoch: u64,
        sequence: u64,
    ) -> Result<bool, StoreError> {
        Ok(self.gaps.iter().any(|(key, gap)| {
            (key.1, key.2) == (agent, epoch)
                && key.3 <= sequence
                && (gap.start_unix_ms..gap.end_unix_ms).contains(&start_unix_ms)
        }))
    }

    fn holds_any(&self, start_unix_ms: u64, agent: AgentNumber) -> Result<bool, StoreError> {
        let all = (start_unix_ms, agent, 0, 0)..=(start_unix_ms, agent, u64::MAX, u64::MAX);
        Ok(self.reports.range(all).next().is_some())
    }
}

/// Events of one kind.
type Events<T> = BTreeMap<EventKey, (ManifestId, T)>;

/// Keeps those of a report; how many there was no room for.
fn keep<T: Event>(events: &mut Events<T>, number: AgentNumber, report: &VerifiedReport) -> u64 {
    let held = |hour| Ok::<_, Infallible>(events.range(keys_of(number, hour)).count());
    let Ok((kept, refused)) = within_bounds::<T, _>(report, held);
    for (index, event) in (0_u32..).zip(kept) {
        let key = (number.0, event.at_unix_ms(), report.epoch, report.sequence, index);
        events.insert(key, (report.manifest, event.clone()));
    }
    refused
}

/// Those of an agent in a range.
fn told<T: Event>(
    dictionary: &Dictionary,
    events: &Events<T>,
    agent: &AgentId,
    range: TimeRange,
) -> Vec<T::Stored> {
    let Some(number) = dictionary.agent_number(agent) else {
        return Vec::new();
    };
    events
        .range(keys_of(number, range))
        .filter_map(|(_, (manifest, event))| stored(dictionary, number, *manifest, event.clone()))
        .collect()
}

impl Store for MemoryStore {
    fn commit(&self, manifests: &[VerifiedManifest], items: &[Item]) -> Result<Vec<Admission>, StoreError> {
        let rooms = &mut *self.rooms();
        let limits = self.limits.unwrap_or(SeriesLimits::NONE);
        let plan = Plan::make(Arc::clone(&rooms.dictionary), limits, manifests, items, rooms)?;
        for PlannedReport {
            number,
            report,
            frame,
        } in &plan.reports
        {
            let key = (
                report.placed.start_unix_ms(),
                *number,
                report.epoch,
                report.sequence,
            );
            rooms.reports.insert(key, frame.to_vec());
            rooms.path_events_refused += keep(&mut rooms.paths, *number, report);
            rooms.throughput_results_refused += keep(&mut rooms.throughput, *number, report);
        }
        for (_, status) in plan.changed_statuses() {
            rooms.agents.insert(status.agent.clone(), status.clone());
        }
        for (number, tombstone, reports) in &plan.tombstones {
            let key = (
                tombstone.end_unix_ms,
                *number,
                tombstone.epoch,
                tombstone.first_sequence,
            );
            let gap = StoredGap {
                start_unix_ms: tombstone.start_unix_ms,
                end_unix_ms: tombstone.end_unix_ms,
                cause: tombstone.cause,
                reports: *reports,
            };
            rooms.gaps.insert(key, gap);
        }
        rooms.settled.extend(plan.settled);
        rooms.dictionary = plan.dictionary;
        Ok(plan.admissions)
    }

    fn dictionary(&self) -> Arc<Dictionary> {
        Arc::clone(&self.rooms().dictionary)
    }

    fn scan(&self, request: ScanRequest<'_>, visit: Visit<'_>) -> Result<Coverage, StoreError> {
        let rooms = self.rooms();
        let mut coverage = Coverage::default();
        let retired = |tier| Hole {
            tier,
            range: TimeRange {
                from_unix_ms: 0,
                to_unix_ms: Retention::default().keeps_from(tier, rooms.now_unix_ms),
            },
            cause: MissingCause::Retention,
        };
        for stretch in plan(request.range, request.step_ms, &Tier::ALL.map(retired)) {
            let range = match stretch {
                Stretch::Missing(range, cause) => {
                    coverage.missing.push(Missing { range, cause });
                    continue;
                }
                Stretch::From(tier, range) => {
                    coverage.note(tier, range);
                    range
                }
            };
            for (key, frame) in rooms.reports.iter().filter(|(key, _)| range.contains(key.0)) {
                let Ok(report) = decode_report(frame) else {
                    coverage.unreadable_reports += 1;
                    continue;
                };
                let known = rooms
                    .dictionary
                    .manifest(key.1, report.manifest)
                    .expect("kept with the report");
                for record in report.records {
                    let series = known
                        .series_at(record.series)
                        .expect("refused records are not kept");
                    let observation = Observation {
                        series,
                        start_unix_ms: key.0,
                        length_ms: report.interval.length_ms(),
                        counts: record.counts,
                        delays: record.delays,
                    };
                    if request.series.contains(series) && visit(observation) == ControlFlow::Break(()) {
                        return Ok(coverage);
                    }
                }
            }
        }
        Ok(coverage)
    }

    fn agents(&self) -> Result<Vec<AgentStatus>, StoreError> {
        Ok(self.rooms().agents.values().cloned().collect())
    }

    fn gaps(&self, agent: &AgentId, range: TimeRange) -> Result<Vec<StoredGap>, StoreError> {
        let rooms = self.rooms();
        let number = rooms.dictionary.agent_number(agent);
        let gaps = rooms
            .gaps
            .iter()
            .filter(|(key, _)| Some(key.1) == number)
            .map(|(_, gap)| *gap);
        Ok(gaps.filter(|gap| gap.overlaps(range)).collect())
    }

    fn paths(&self, agent: &AgentId, range: TimeRange) -> Result<Vec<StoredPath>, StoreError> {
        let rooms = self.rooms();
        Ok(told(&rooms.dictionary, &rooms.paths, agent, range))
    }

    fn throughput(&self, agent: &AgentId, range: TimeRange) -> Result<Vec<StoredThroughput>, StoreError> {
        let rooms = self.rooms();
        Ok(told(&rooms.dictionary, &rooms.throughput, agent, range))
    }

    fn maintain(&self, now_unix_ms: u64) -> Result<Maintained, StoreError> {
        let rooms = &mut *self.rooms();
        rooms.now_unix_ms = rooms.now_unix_ms.max(now_unix_ms);
        let cut = Retention::default().keeps_from(Tier::OneMinute, rooms.now_unix_ms);
        rooms.paths.retain(|key, _| key.1 >= cut);
        rooms.throughput.retain(|key, _| key.1 >= cut);
        Ok(Maintained::default())
    }

    fn backup(&self, _: &mut dyn std::io::Write) -> Result<super::BackupSummary, StoreError> {
        Err(StoreError {
            doing: "write a backup",
            cause: "it is kept in memory only".to_owned(),
            damaged: false,
        })
    }

    fn condition(&self) -> Condition {
        // Once: a second look within one expression would wait for the first.
        let rooms = self.rooms();
        Condition {
            writable: true,
            disk_bytes: 0,
            files_set_aside: 0,
            tier_bytes: [0; 4],
            oldest_unsealed_hour_unix_ms: None,
            window: WindowCondition::default(),
            path_events_refused: rooms.path_events_refused,
            throughput_results_refused: rooms.throughput_results_refused,
            unsealed_hours: 0,
            sealing_due_unix_ms: None,
            tier_holdings: Default::default(),
        }
    }
}

#[test]
fn memory_store_conforms() {
    super::conformance::run(|limits| Box::new(MemoryStore::limited(limits)));
}
