//! The dictionary: which agents, manifests and series are known, and the small numbers that stand for them. Pure; every
//! backend keeps one in memory and writes its growth in the transaction that needs it.
//!
//! A series is one agent's one descriptor. A new manifest that describes it in the same words continues the same series.
//! What a manifest describes is not yet a series: it is admitted, when the [limits](super::series_limits) have room, and
//! until then the position in the manifest stands for none.

use std::collections::HashMap;
use std::sync::Arc;

use azimuth_measurement::{AgentId, Manifest, ManifestId, SeriesDescriptor};

use super::series_limits::is_within_an_hour;

/// Most agents kept. A new one beyond it is refused; those known keep flowing.
pub const MAX_AGENTS: usize = 10_000;
/// Most series kept. New ones beyond it are refused; those known keep flowing.
pub const MAX_SERIES: usize = 200_000;

/// The number of an agent in this store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentNumber(pub u32);

/// The number of a series in this store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(pub u32);

impl SeriesId {
    /// The series at `index` of the dictionary; there are never more than [`MAX_SERIES`].
    pub(crate) fn at(index: usize) -> Self {
        Self(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// Position in the dictionary.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A series: who measures what.
#[derive(Debug, Clone)]
pub struct Series {
    /// The agent.
    pub agent: AgentNumber,
    /// What it measures.
    pub descriptor: SeriesDescriptor,
    /// When it was admitted, in unix milliseconds of the collector; 0 when that is not known.
    pub admitted_at_unix_ms: u64,
}

/// A manifest, and the series its records mean.
#[derive(Debug)]
pub struct KnownManifest {
    /// The manifest.
    pub manifest: Arc<Manifest>,
    /// The series at each position of the manifest; `None` while it is not admitted.
    pub series: Vec<Option<SeriesId>>,
    /// How many series its agent had when it was last looked which of these are admitted.
    looked_at: usize,
}

impl KnownManifest {
    /// The series at a position, if there is one and it is admitted.
    pub fn series_at(&self, position: u32) -> Option<SeriesId> {
        self.series.get(position as usize).copied().flatten()
    }

    /// Positions that are not admitted, ascending.
    pub fn waiting(&self) -> impl Iterator<Item = u32> + '_ {
        (0_u32..)
            .zip(&self.series)
            .filter_map(|(position, series)| series.is_none().then_some(position))
    }
}

/// Agents, manifests and series.
#[derive(Debug, Clone, Default)]
pub struct Dictionary {
    agents: Vec<AgentId>,
    agent_numbers: HashMap<AgentId, AgentNumber>,
    manifests: HashMap<(AgentNumber, ManifestId), Arc<KnownManifest>>,
    series: Vec<Arc<Series>>,
    /// How many of the series each agent has.
    series_by_agent: Vec<usize>,
    /// When each agent's manifests of the hour before its last one were taken in, unix ms.
    manifests_taken_in_at: Vec<Vec<u64>>,
    series_ids: HashMap<Arc<SeriesKey>, SeriesId>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct SeriesKey {
    agent: AgentNumber,
    descriptor: SeriesDescriptor,
}

/// [`MAX_AGENTS`] are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentsFull;

impl Dictionary {
    /// The number of a known agent.
    pub fn agent_number(&self, agent: &AgentId) -> Option<AgentNumber> {
        self.agent_numbers.get(agent).copied()
    }

    /// The agent behind a number.
    pub fn agent(&self, number: AgentNumber) -> Option<&AgentId> {
        self.agents.get(number.0 as usize)
    }

    /// Number of agents known.
    pub fn agent_count(&self) -> usize {
        self.agents.len()
    }

    /// A known manifest.
    pub fn manifest(&self, agent: AgentNumber, id: ManifestId) -> Option<&Arc<KnownManifest>> {
        self.manifests.get(&(agent, id))
    }

    /// A known manifest, by the agent's id.
    pub fn manifest_of(&self, agent: &AgentId, id: ManifestId) -> Option<&Arc<KnownManifest>> {
        self.manifest(self.agent_number(agent)?, id)
    }

    /// Every series, with its number.
    pub fn series(&self) -> impl Iterator<Item = (SeriesId, &Series)> {
        self.series
            .iter()
            .enumerate()
            .map(|(index, series)| (SeriesId::at(index), series.as_ref()))
    }

    /// Number of series known.
    pub fn series_count(&self) -> usize {
        self.series.len()
    }

    /// Number of series of one agent.
    pub fn series_count_of(&self, agent: AgentNumber) -> usize {
        self.series_by_agent
            .get(agent.0 as usize)
            .copied()
            .unwrap_or_default()
    }

    /// Every series, the last admitted first.
    pub(super) fn series_newest_first(&self) -> impl Iterator<Item = &Series> {
        self.series.iter().rev().map(Arc::as_ref)
    }

    /// How many manifests of the agent were taken in within the hour before `now_unix_ms`.
    pub(super) fn recent_manifests_of(&self, agent: AgentNumber, now_unix_ms: u64) -> usize {
        let taken_in_at = self.manifests_taken_in_at.get(agent.0 as usize);
        taken_in_at.map_or(0, |all| {
            let recent = all.iter().filter(|at| is_within_an_hour(**at, now_unix_ms));
            recent.count()
        })
    }

    /// The number the next agent will get.
    pub(super) fn next_agent_number(&self) -> AgentNumber {
        AgentNumber(u32::try_from(self.agents.len()).unwrap_or(u32::MAX))
    }

    /// Gives the agent a number, the next free one if it is new.
    ///
    /// # Errors
    /// When it is new and [`MAX_AGENTS`] are known.
    pub fn add_agent(&mut self, agent: &AgentId) -> Result<AgentNumber, AgentsFull> {
        if let Some(number) = self.agent_number(agent) {
            return Ok(number);
        }
        if self.agents.len() >= MAX_AGENTS {
            return Err(AgentsFull);
        }
        let number = self.next_agent_number();
        self.agents.push(agent.clone());
        self.series_by_agent.push(0);
        self.manifests_taken_in_at.push(Vec::new());
        self.agent_numbers.insert(agent.clone(), number);
        Ok(number)
    }

    /// Takes in a manifest. Of the series it describes it means those that are known; no new one is admitted.
    pub fn add_manifest(
        &mut self,
        agent: AgentNumber,
        id: ManifestId,
        manifest: Arc<Manifest>,
        now_unix_ms: u64,
    ) {
        if let Some(taken_in_at) = self.manifests_taken_in_at.get_mut(agent.0 as usize) {
            taken_in_at.retain(|at_unix_ms| is_within_an_hour(*at_unix_ms, now_unix_ms));
            taken_in_at.push(now_unix_ms);
        }
        let series = manifest
            .series
            .iter()
            .map(|descriptor| self.series_of(agent, descriptor))
            .collect();
        let known = KnownManifest {
            manifest,
            series,
            looked_at: self.series_count_of(agent),
        };
        self.manifests.insert((agent, id), Arc::new(known));
    }

    /// Whether admitting positions of this manifest could change anything: there is room for a new series, or another
    /// manifest of the agent brought one since the last time.
    pub(super) fn may_admit(&self, agent: AgentNumber, known: &KnownManifest, room: usize) -> bool {
        room > 0 || known.looked_at != self.series_count_of(agent)
    }

    /// Admits the series at these positions (ascending) of a known manifest, as far as `room` reaches, and returns those
    /// that are new now. Wherever the manifest describes one that is known already, it means that from now on. The numbers
    /// depend on nothing but the order in which agents were added and series admitted, so a backend that keeps that order
    /// keeps the numbers.
    pub fn admit(
        &mut self,
        agent: AgentNumber,
        id: ManifestId,
        positions: &[u32],
        mut room: usize,
        now_unix_ms: u64,
    ) -> Vec<u32> {
        let Some(known) = self.manifest(agent, id).cloned() else {
            return Vec::new();
        };
        let mut series = known.series.clone();
        let mut admitted = Vec::new();
        for position in known.waiting() {
            let at = position as usize;
            let Some(descriptor) = known.manifest.series.get(at) else {
                break;
            };
            series[at] = self.series_of(agent, descriptor);
            let has_room = room > 0 && self.series.len() < MAX_SERIES;
            if series[at].is_none() && has_room && positions.binary_search(&position).is_ok() {
                room -= 1;
                admitted.push(position);
                series[at] = Some(self.number_series(agent, descriptor, now_unix_ms));
            }
        }
        let looked = KnownManifest {
            manifest: Arc::clone(&known.manifest),
            series,
            looked_at: self.series_count_of(agent),
        };
        self.manifests.insert((agent, id), Arc::new(looked));
        admitted
    }

    fn series_of(&self, agent: AgentNumber, descriptor: &SeriesDescriptor) -> Option<SeriesId> {
        let key = SeriesKey {
            agent,
            descriptor: descriptor.clone(),
        };
        self.series_ids.get(&key).copied()
    }

    fn number_series(
        &mut self,
        agent: AgentNumber,
        descriptor: &SeriesDescriptor,
        admitted_at_unix_ms: u64,
    ) -> SeriesId {
        let series = SeriesId::at(self.series.len());
        self.series.push(Arc::new(Series {
            agent,
            descriptor: descriptor.clone(),
            admitted_at_unix_ms,
        }));
        let key = SeriesKey {
            agent,
            descriptor: descriptor.clone(),
        };
        self.series_ids.insert(Arc::new(key), series);
        if let Some(count) = self.series_by_agent.get_mut(agent.0 as usize) {
            *count += 1;
        }
        series
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::{agent, manifest_of};

    #[test]
    fn a_new_manifest_continues_the_series_it_describes_in_the_same_words() {
        let mut dictionary = Dictionary::default();
        let number = dictionary.add_agent(&agent("a")).expect("room");
        let (two, three) = (manifest_of("a", 2), manifest_of("a", 3));
        for manifest in [&two, &three, &two] {
            dictionary.add_manifest(number, manifest.id(), Arc::new(manifest.clone()), 0);
            dictionary.admit(number, manifest.id(), &[0, 1, 2], 10, 0);
        }
        assert_eq!(dictionary.series_count(), 3);
        let known = dictionary.manifest(number, three.id()).expect("added");
        assert_eq!(known.series, [0, 1, 2].map(|number| Some(SeriesId(number))));
    }

    #[test]
    fn a_full_dictionary_keeps_what_it_has_and_takes_nothing_new() {
        let mut dictionary = Dictionary::default();
        for number in 0..MAX_AGENTS {
            dictionary.add_agent(&agent(&format!("a{number}"))).expect("room");
        }
        assert_eq!(dictionary.add_agent(&agent("one-more")), Err(AgentsFull));
        assert_eq!(dictionary.add_agent(&agent("a7")), Ok(AgentNumber(7)));
    }
}
