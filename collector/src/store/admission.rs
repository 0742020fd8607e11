//! What a commit will do, decided before anything is written. Pure; shared by the backends, so that they cannot differ
//! about what a duplicate is.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use azimuth_measurement::{AgentId, ManifestId};

use super::dictionary::{AgentNumber, Dictionary, DictionaryFull, MAX_AGENTS};
use super::sequences::{Settle, SettledSequences};
use super::{Admission, Item, StoreError, VerifiedManifest, VerifiedReport};

/// Everything a backend has to write in one transaction.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    /// One per item, in order.
    pub(super) admissions: Vec<Admission>,
    /// The dictionary as it will be.
    pub(super) dictionary: Arc<Dictionary>,
    /// Manifests to keep, in the order in which the dictionary took them in.
    pub(super) manifests: Vec<(AgentNumber, &'a VerifiedManifest)>,
    /// Agents to keep, in the order in which the dictionary took them in.
    pub(super) agents: Vec<(AgentNumber, &'a AgentId)>,
    /// Reports to keep.
    pub(super) reports: Vec<(AgentNumber, &'a VerifiedReport)>,
    /// Tombstones to keep, and how many reports each really stands for.
    pub(super) tombstones: Vec<(AgentNumber, &'a azimuth_measurement::Tombstone, u64)>,
    /// Sequence spaces as they will be.
    pub(super) settled: BTreeMap<(AgentNumber, u64), SettledSequences>,
}

impl<'a> Plan<'a> {
    /// Decides about every item. `load` reads the settled sequences of one (agent, epoch) as they stand in the store.
    pub(super) fn make(
        dictionary: Arc<Dictionary>,
        manifests: &'a [VerifiedManifest],
        items: &'a [Item],
        mut load: impl FnMut(AgentNumber, u64) -> Result<SettledSequences, StoreError>,
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
            manifests: Vec::new(),
            agents: Vec::new(),
            reports: Vec::new(),
            tombstones: Vec::new(),
            settled: BTreeMap::new(),
        };
        for item in items {
            let admission = match item {
                Item::Report(report) if conflicting.contains(&(&report.agent, report.manifest)) => {
                    Admission::ManifestConflict
                }
                Item::Report(report) => plan.admit_report(report, &offered, &mut load)?,
                Item::Tombstone(tombstone) => plan.admit_tombstone(tombstone, &announced, &mut load)?,
            };
            plan.admissions.push(admission);
        }
        Ok(plan)
    }

    fn admit_report(
        &mut self,
        report: &'a VerifiedReport,
        offered: &HashMap<(&AgentId, ManifestId), &'a VerifiedManifest>,
        load: &mut impl FnMut(AgentNumber, u64) -> Result<SettledSequences, StoreError>,
    ) -> Result<Admission, StoreError> {
        // Looked at before anything grows, so that a replay or a refusal leaves no trace.
        if let Some(number) = self.dictionary.agent_number(&report.agent)
            && self
                .settled_mut(number, report.epoch, load)?
                .contains(report.sequence)
        {
            return Ok(Admission::Duplicate);
        }
        if self
            .dictionary
            .manifest_of(&report.agent, report.manifest)
            .is_none()
        {
            let Some(offer) = offered.get(&(&report.agent, report.manifest)) else {
                return Ok(Admission::ManifestUnknown);
            };
            let mut grown = Dictionary::clone(&self.dictionary);
            let number = match grown.add_agent(&report.agent) {
                Ok(number) => number,
                Err(full) => return Ok(full.into()),
            };
            if let Err(full) = grown.add_manifest(number, report.manifest, Arc::clone(&offer.manifest)) {
                return Ok(full.into());
            }
            // A sequence space that is full must not leave its manifest behind.
            if let settle @ (Settle::Known | Settle::Fragmented) = self
                .settled_mut(number, report.epoch, load)?
                .settle(report.sequence, report.sequence)
            {
                return Ok(settle.into());
            }
            self.note_agent(number, &report.agent);
            self.dictionary = Arc::new(grown);
            self.manifests.push((number, offer));
            self.reports.push((number, report));
            return Ok(Admission::Stored);
        }
        let Some(number) = self.dictionary.agent_number(&report.agent) else {
            return Ok(Admission::ManifestUnknown);
        };
        let settle = self
            .settled_mut(number, report.epoch, load)?
            .settle(report.sequence, report.sequence);
        if let Settle::New(_) = settle {
            self.reports.push((number, report));
        }
        Ok(settle.into())
    }

    fn admit_tombstone(
        &mut self,
        tombstone: &'a azimuth_measurement::Tombstone,
        announced: &HashSet<&AgentId>,
        load: &mut impl FnMut(AgentNumber, u64) -> Result<SettledSequences, StoreError>,
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
            .settled_mut(number, tombstone.epoch, load)?
            .settle(tombstone.first_sequence, tombstone.last_sequence);
        if let Settle::New(reports) = settle {
            self.tombstones.push((number, tombstone, reports));
        }
        Ok(settle.into())
    }

    fn note_agent(&mut self, number: AgentNumber, agent: &'a AgentId) {
        if self.dictionary.agent_number(agent).is_none() {
            self.agents.push((number, agent));
        }
    }

    fn settled_mut(
        &mut self,
        agent: AgentNumber,
        epoch: u64,
        load: &mut impl FnMut(AgentNumber, u64) -> Result<SettledSequences, StoreError>,
    ) -> Result<&mut SettledSequences, StoreError> {
        use std::collections::btree_map::Entry;
        match self.settled.entry((agent, epoch)) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => Ok(entry.insert(load(agent, epoch)?)),
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

impl From<DictionaryFull> for Admission {
    fn from(full: DictionaryFull) -> Self {
        match full {
            DictionaryFull::Agents => Self::AgentLimit,
            DictionaryFull::Series => Self::SeriesLimit,
        }
    }
}
