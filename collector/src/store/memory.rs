//! A store in memory, for tests only: the second backend that shows the conformance suite asks for nothing that only
//! redb could do.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use azimuth_measurement::AgentId;
use azimuth_measurement::codec::decode_report;

use super::admission::Plan;
use super::dictionary::AgentNumber;
use super::sequences::SettledSequences;
use super::{
    Admission, AgentStatus, Condition, Coverage, Dictionary, Item, Observation, Pruned, ScanRequest, Store,
    StoreError, StoredGap, TimeRange, VerifiedManifest, Visit,
};

#[derive(Default)]
pub(crate) struct MemoryStore {
    rooms: Mutex<Rooms>,
}

#[derive(Default)]
struct Rooms {
    dictionary: Arc<Dictionary>,
    settled: BTreeMap<(AgentNumber, u64), SettledSequences>,
    reports: BTreeMap<(u64, AgentNumber, u64, u64), Vec<u8>>,
    /// By (end, agent, epoch, first sequence).
    gaps: BTreeMap<(u64, AgentNumber, u64, u64), StoredGap>,
    agents: BTreeMap<AgentId, AgentStatus>,
    pruned_before_unix_ms: u64,
}

impl MemoryStore {
    fn rooms(&self) -> std::sync::MutexGuard<'_, Rooms> {
        self.rooms.lock().expect("no test panics while holding it")
    }
}

impl Store for MemoryStore {
    fn commit(&self, manifests: &[VerifiedManifest], items: &[Item]) -> Result<Vec<Admission>, StoreError> {
        let rooms = &mut *self.rooms();
        let settled = &rooms.settled;
        let plan = Plan::make(Arc::clone(&rooms.dictionary), manifests, items, |agent, epoch| {
            Ok(settled.get(&(agent, epoch)).cloned().unwrap_or_default())
        })?;
        for (number, report) in &plan.reports {
            let key = (
                report.placed.start_unix_ms(),
                *number,
                report.epoch,
                report.sequence,
            );
            rooms.reports.insert(key, report.frame.clone());
            let manifest = plan
                .dictionary
                .manifest(*number, report.manifest)
                .expect("planned");
            let status = AgentStatus::note(rooms.agents.remove(&report.agent), report, &manifest.manifest);
            rooms.agents.insert(report.agent.clone(), status);
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
        let range = request.range;
        let mut coverage = Coverage::hot(range, rooms.pruned_before_unix_ms);
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
                let series = known.series[record.series as usize];
                let observation = Observation {
                    series,
                    start_unix_ms: key.0,
                    counts: record.counts,
                    delays: record.delays,
                };
                if request.series.contains(series) && visit(observation) == ControlFlow::Break(()) {
                    return Ok(coverage);
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

    fn prune(&self, before_unix_ms: u64) -> Result<Pruned, StoreError> {
        let rooms = &mut *self.rooms();
        let before = rooms.reports.len();
        rooms.reports.retain(|key, _| key.0 >= before_unix_ms);
        rooms.gaps.retain(|key, _| key.0 >= before_unix_ms);
        rooms.pruned_before_unix_ms = rooms.pruned_before_unix_ms.max(before_unix_ms);
        Ok(Pruned {
            reports: (before - rooms.reports.len()) as u64,
            more: false,
        })
    }

    fn condition(&self) -> Condition {
        Condition {
            writable: true,
            disk_bytes: 0,
            files_set_aside: 0,
        }
    }
}

#[test]
fn memory_store_conforms() {
    super::conformance::run(|| Box::new(MemoryStore::default()));
}
