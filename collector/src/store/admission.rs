//! What a commit will do, decided before anything is written. Pure; shared by the backends, so that they cannot differ
//! about what a duplicate is.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use azimuth_measurement::codec::{decode_report, encode_report};
use azimuth_measurement::{AgentId, ManifestId};

use super::dictionary::{AgentNumber, AgentsFull, Dictionary, MAX_AGENTS};
use super::identity::{Evidence, could_be_placed, is_same_report};
use super::sequences::{Settle, SettledSequences};
use super::{
    Admission, AgentStatus, Item, RefusedRecords, SeriesLimits, StoreError, VerifiedManifest, VerifiedReport,
};

/// What a backend holds while a commit is planned.
pub(super) trait Standing {
    /// The settled sequences of one (agent, epoch).
    fn settled(&self, agent: AgentNumber, epoch: u64) -> Result<SettledSequences, StoreError>;

    /// The agent's row; `None` before its first report.
    fn status(&self, dictionary: &Dictionary, agent: AgentNumber) -> Result<Option<AgentStatus>, StoreError>;

    /// The frame of a report that is kept as it arrived, under the start it was placed at.
    fn frame(
        &self,
        start_unix_ms: u64,
        agent: AgentNumber,
        epoch: u64,
        sequence: u64,
    ) -> Result<Option<Vec<u8>>, StoreError>;

    /// Whether a tombstone stands for this sequence and this time.
    fn is_buried(
        &self,
        start_unix_ms: u64,
        agent: AgentNumber,
        epoch: u64,
        sequence: u64,
    ) -> Result<bool, StoreError>;

    /// Whether any report of the agent that is kept as it arrived begins there.
    fn holds_any(&self, start_unix_ms: u64, agent: AgentNumber) -> Result<bool, StoreError>;
}

/// Everything a backend has to write in one transaction.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    /// One per item, in order.
    pub(super) admissions: Vec<Admission>,
    /// The dictionary as it will be.
    pub(super) dictionary: Arc<Dictionary>,
    /// What the dictionary took in, in that order.
    pub(super) growth: Vec<Growth<'a>>,
    /// Agents to keep, in the order in which the dictionary took them in.
    pub(super) agents: Vec<(AgentNumber, &'a AgentId)>,
    /// Reports to keep.
    pub(super) reports: Vec<PlannedReport<'a>>,
    /// Tombstones to keep, and how many reports each really stands for.
    pub(super) tombstones: Vec<(AgentNumber, &'a azimuth_measurement::Tombstone, u64)>,
    /// Sequence spaces as they will be.
    pub(super) settled: BTreeMap<(AgentNumber, u64), SettledSequences>,
    limits: SeriesLimits,
    /// Rows of agents as they will be, where they were looked at.
    statuses: BTreeMap<AgentNumber, Option<AgentStatus>>,
    changed: BTreeSet<AgentNumber>,
    /// Where in `reports` a name stands, for what comes twice in one commit.
    admitted: HashMap<(AgentNumber, u64, u64), usize>,
}

/// One step of the dictionary: a manifest taken in, series of one admitted, or both.
#[derive(Debug)]
pub(super) struct Growth<'a> {
    pub(super) agent: AgentNumber,
    pub(super) manifest: ManifestId,
    /// The manifest's bytes, when it is new.
    pub(super) frame: Option<&'a [u8]>,
    /// Positions of the manifest whose series are new.
    pub(super) admitted: Vec<u32>,
    pub(super) at_unix_ms: u64,
}

/// A report to keep.
#[derive(Debug)]
pub(super) struct PlannedReport<'a> {
    pub(super) number: AgentNumber,
    pub(super) report: &'a VerifiedReport,
    /// Its bytes, without the records that were refused: what was refused must not turn up once its series is admitted.
    pub(super) frame: Cow<'a, [u8]>,
}

impl<'a> Plan<'a> {
    /// Decides about every item.
    pub(super) fn make(
        dictionary: Arc<Dictionary>,
        limits: SeriesLimits,
        manifests: &'a [VerifiedManifest],
        items: &'a [Item],
        standing: &impl Standing,
    ) -> Result<Self, StoreError> {
        let offered: HashMap<(&AgentId, ManifestId), &VerifiedManifest> = manifests
            .iter()
            .map(|offer| ((&offer.manifest.agent, offer.id), offer))
            .collect();
        let announced: HashSet<&AgentId> = manifests.iter().map(|offer| &offer.manifest.agent).collect();
        let conflicting: HashSet<(&AgentId, ManifestId)> = manifests
            .iter()
            .map(|offer| (&offer.manifest.agent, offer.id, &offer.manifest))
            .filter(|(agent, id, manifest)| {
                let known = dictionary.manifest_of(agent, *id).map(|known| &known.manifest);
                let first = offered.get(&(*agent, *id)).map(|offer| &offer.manifest);
                known.into_iter().chain(first).any(|other| other != *manifest)
            })
            .map(|(agent, id, _)| (agent, id))
            .collect();
        let mut plan = Self {
            admissions: Vec::with_capacity(items.len()),
            dictionary,
            growth: Vec::new(),
            agents: Vec::new(),
            reports: Vec::new(),
            tombstones: Vec::new(),
            settled: BTreeMap::new(),
            limits,
            statuses: BTreeMap::new(),
            changed: BTreeSet::new(),
            admitted: HashMap::new(),
        };
        for item in items {
            let admission = match item {
                Item::Report(report) if conflicting.contains(&(&report.agent, report.manifest)) => {
                    Admission::ManifestConflict
                }
                Item::Report(report) => plan.admit_report(report, &offered, standing)?,
                Item::Tombstone(tombstone) => plan.admit_tombstone(tombstone, &announced, standing)?,
            };
            plan.admissions.push(admission);
        }
        Ok(plan)
    }

    fn admit_report(
        &mut self,
        report: &'a VerifiedReport,
        offered: &HashMap<(&AgentId, ManifestId), &'a VerifiedManifest>,
        standing: &impl Standing,
    ) -> Result<Admission, StoreError> {
        // Looked at before anything grows, so that a replay or a refusal leaves no trace. What was settled needs no manifest.
        if let Some(number) = self.dictionary.agent_number(&report.agent) {
            let settled = self.settled_mut(number, report.epoch, standing)?;
            let conflict = if settled.contains(report.sequence) {
                if !self.contradicts(number, report, standing)? {
                    return Ok(Admission::Duplicate);
                }
                true
            } else {
                let status = self.status(number, standing)?.as_ref();
                !report.age_uncertain
                    && status
                        .is_some_and(|status| status.lives.clash(report.epoch, report.placed.start_unix_ms()))
            };
            if conflict {
                if let Some(status) = self.status(number, standing)? {
                    status.note_conflict(report);
                    self.changed.insert(number);
                }
                return Ok(Admission::IdentityConflict);
            }
        }
        let offer = match self.dictionary.manifest_of(&report.agent, report.manifest) {
            Some(_) => None,
            None => match offered.get(&(&report.agent, report.manifest)) {
                Some(offer) => Some(*offer),
                None => return Ok(Admission::ManifestUnknown),
            },
        };
        let number = match self.dictionary.agent_number(&report.agent) {
            Some(number) => number,
            None if self.dictionary.agent_count() >= MAX_AGENTS => return Ok(Admission::AgentLimit),
            None => self.dictionary.next_agent_number(),
        };
        if offer.is_some()
            && !self
                .limits
                .takes_manifest(&self.dictionary, number, report.received_at_unix_ms)
        {
            return Ok(Admission::ManifestRate);
        }
        // Settled before anything grows, for the same reason.
        let settle = self
            .settled_mut(number, report.epoch, standing)?
            .settle(report.sequence, report.sequence);
        if !matches!(settle, Settle::New(_)) {
            return Ok(settle.into());
        }
        if self.dictionary.agent_number(&report.agent).is_none() {
            if let Err(full) = Arc::make_mut(&mut self.dictionary).add_agent(&report.agent) {
                return Ok(full.into());
            }
            self.agents.push((number, &report.agent));
        }
        self.grow(number, report, offer);
        let (frame, refused) = self.without_refused(number, report);
        self.keep(number, report, frame, standing)?;
        Ok(match refused {
            None => Admission::Stored,
            Some(refused) => Admission::StoredInPart(refused),
        })
    }

    /// Takes in the manifest if it is new, and admits what it describes as far as there is room.
    fn grow(&mut self, agent: AgentNumber, report: &VerifiedReport, offer: Option<&'a VerifiedManifest>) {
        let (manifest, now_unix_ms) = (report.manifest, report.received_at_unix_ms);
        if let Some(offer) = offer {
            let taken_in = Arc::clone(&offer.manifest);
            Arc::make_mut(&mut self.dictionary).add_manifest(agent, manifest, taken_in, now_unix_ms);
        }
        let Some(known) = self.dictionary.manifest(agent, manifest) else {
            return;
        };
        let waiting: Vec<u32> = known.waiting().collect();
        let mut admitted = Vec::new();
        if !waiting.is_empty() {
            let room = self.limits.room(&self.dictionary, agent, now_unix_ms).series();
            if self.dictionary.may_admit(agent, known, room) {
                admitted =
                    Arc::make_mut(&mut self.dictionary).admit(agent, manifest, &waiting, room, now_unix_ms);
            }
        }
        if offer.is_some() || !admitted.is_empty() {
            self.growth.push(Growth {
                agent,
                manifest,
                frame: offer.map(|offer| offer.frame.as_slice()),
                admitted,
                at_unix_ms: now_unix_ms,
            });
        }
    }

    /// The report without the records of series that are not admitted, and what became of those.
    fn without_refused(
        &self,
        agent: AgentNumber,
        report: &'a VerifiedReport,
    ) -> (Cow<'a, [u8]>, Option<RefusedRecords>) {
        let whole = (Cow::Borrowed(report.frame.as_slice()), None);
        let Some(known) = self.dictionary.manifest(agent, report.manifest) else {
            return whole;
        };
        let waiting: Vec<u32> = known.waiting().collect();
        if waiting.is_empty() {
            return whole;
        }
        // It was decoded a moment ago, so this cannot fail; were it to, readers pass over what has no series.
        let Ok(mut decoded) = decode_report(&report.frame) else {
            return whole;
        };
        let room = self
            .limits
            .room(&self.dictionary, agent, report.received_at_unix_ms);
        let mut refused = RefusedRecords::default();
        decoded.records.retain(|record| {
            let Ok(before) = waiting.binary_search(&record.series) else {
                return true;
            };
            room.refuse(before, record.delays.len(), &mut refused);
            false
        });
        if refused.records() == 0 {
            return whole;
        }
        (Cow::Owned(encode_report(&decoded)), Some(refused))
    }

    /// The rows to write.
    pub(super) fn changed_statuses(&self) -> impl Iterator<Item = (AgentNumber, &AgentStatus)> {
        let changed = self.changed.iter();
        changed.filter_map(|number| Some((*number, self.statuses.get(number)?.as_ref()?)))
    }

    fn keep(
        &mut self,
        number: AgentNumber,
        report: &'a VerifiedReport,
        frame: Cow<'a, [u8]>,
        standing: &impl Standing,
    ) -> Result<(), StoreError> {
        let Some(known) = self.dictionary.manifest(number, report.manifest).cloned() else {
            return Err(StoreError {
                doing: "commit",
                cause: "a planned report has no manifest".to_owned(),
                damaged: false,
            });
        };
        let status = self.status(number, standing)?;
        *status = Some(AgentStatus::note(status.take(), report, &known.manifest));
        self.changed.insert(number);
        self.admitted
            .insert((number, report.epoch, report.sequence), self.reports.len());
        self.reports.push(PlannedReport {
            number,
            report,
            frame,
        });
        Ok(())
    }

    /// Whether a report whose name is settled cannot be what settled it.
    fn contradicts(
        &mut self,
        number: AgentNumber,
        report: &VerifiedReport,
        standing: &impl Standing,
    ) -> Result<bool, StoreError> {
        let name = (number, report.epoch, report.sequence);
        if let Some(first) = self.admitted.get(&name).and_then(|at| self.reports.get(*at)) {
            return Ok(Evidence::Frame(is_same_report(&first.frame, &report.frame)).is_conflict());
        }
        for start_unix_ms in could_be_placed(report.placed) {
            if let Some(frame) = standing.frame(start_unix_ms, number, report.epoch, report.sequence)? {
                return Ok(Evidence::Frame(is_same_report(&frame, &report.frame)).is_conflict());
            }
        }
        let start_unix_ms = report.placed.start_unix_ms();
        // It was given up while it was still under way.
        let buried = self.tombstones.iter().any(|(of, tombstone, _)| {
            *of == number
                && tombstone.epoch == report.epoch
                && (tombstone.first_sequence..=tombstone.last_sequence).contains(&report.sequence)
        });
        if buried || standing.is_buried(start_unix_ms, number, report.epoch, report.sequence)? {
            return Ok(false);
        }
        let Some(status) = self.status(number, standing)? else {
            return Ok(false);
        };
        let after_all = start_unix_ms >= status.last_interval_end_unix_ms;
        Ok(Evidence::Time {
            age_uncertain: report.age_uncertain,
            taken: after_all || standing.holds_any(start_unix_ms, number)?,
        }
        .is_conflict())
    }

    fn status(
        &mut self,
        number: AgentNumber,
        standing: &impl Standing,
    ) -> Result<&mut Option<AgentStatus>, StoreError> {
        use std::collections::btree_map::Entry;
        match self.statuses.entry(number) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => Ok(entry.insert(standing.status(&self.dictionary, number)?)),
        }
    }

    fn admit_tombstone(
        &mut self,
        tombstone: &'a azimuth_measurement::Tombstone,
        announced: &HashSet<&AgentId>,
        standing: &impl Standing,
    ) -> Result<Admission, StoreError> {
        let number = match self.dictionary.agent_number(&tombstone.agent) {
            Some(number) => number,
            None if self.dictionary.agent_count() >= MAX_AGENTS => return Ok(Admission::AgentLimit),
            // A tombstone is a few bytes: were each to make an agent, some twenty bodies would fill the table.
            None if !announced.contains(&tombstone.agent) => return Ok(Admission::AgentUnknown),
            None => {
                let number = match Arc::make_mut(&mut self.dictionary).add_agent(&tombstone.agent) {
                    Ok(number) => number,
                    Err(full) => return Ok(full.into()),
                };
                self.agents.push((number, &tombstone.agent));
                number
            }
        };
        let settle = self
            .settled_mut(number, tombstone.epoch, standing)?
            .settle(tombstone.first_sequence, tombstone.last_sequence);
        if let Settle::New(reports) = settle {
            self.tombstones.push((number, tombstone, reports));
        }
        Ok(settle.into())
    }

    fn settled_mut(
        &mut self,
        agent: AgentNumber,
        epoch: u64,
        standing: &impl Standing,
    ) -> Result<&mut SettledSequences, StoreError> {
        use std::collections::btree_map::Entry;
        match self.settled.entry((agent, epoch)) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => Ok(entry.insert(standing.settled(agent, epoch)?)),
        }
    }
}

impl From<Settle> for Admission {
    fn from(settle: Settle) -> Self {
        match settle {
            Settle::New(_) => Self::Stored,
            Settle::Known => Self::Duplicate,
            Settle::Fragmented => Self::SequencesFragmented,
        }
    }
}

impl From<AgentsFull> for Admission {
    fn from(AgentsFull: AgentsFull) -> Self {
        Self::AgentLimit
    }
}
