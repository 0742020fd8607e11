//! The dictionary: which agents, manifests and series are known, and the small numbers that stand for them. Pure; every
//! backend keeps one in memory and writes its growth in the transaction that needs it.
//!
//! A series is one agent's one descriptor. A new manifest that describes it in the same words continues the same series.

use std::collections::HashMap;
use std::sync::Arc;

use azimuth_measurement::{AgentId, Manifest, ManifestId, SeriesDescriptor};

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
}

/// A manifest, and the series its records mean.
#[derive(Debug)]
pub struct KnownManifest {
    /// The manifest.
    pub manifest: Arc<Manifest>,
    /// The series at each position of the manifest.
    pub series: Vec<SeriesId>,
}

/// Agents, manifests and series.
#[derive(Debug, Clone, Default)]
pub struct Dictionary {
    agents: Vec<AgentId>,
    agent_numbers: HashMap<AgentId, AgentNumber>,
    manifests: HashMap<(AgentNumber, ManifestId), Arc<KnownManifest>>,
    series: Vec<Arc<Series>>,
    series_ids: HashMap<Arc<SeriesKey>, SeriesId>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct SeriesKey {
    agent: AgentNumber,
    descriptor: SeriesDescriptor,
}

/// Why the dictionary would not grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DictionaryFull {
    /// [`MAX_AGENTS`] are known.
    Agents,
    /// [`MAX_SERIES`] would be exceeded.
    Series,
}

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

    /// Gives the agent a number, the next free one if it is new.
    ///
    /// # Errors
    /// When it is new and [`MAX_AGENTS`] are known.
    pub fn add_agent(&mut self, agent: &AgentId) -> Result<AgentNumber, DictionaryFull> {
        if let Some(number) = self.agent_number(agent) {
            return Ok(number);
        }
        if self.agents.len() >= MAX_AGENTS {
            return Err(DictionaryFull::Agents);
        }
        let number = AgentNumber(u32::try_from(self.agents.len()).unwrap_or(u32::MAX));
        self.agents.push(agent.clone());
        self.agent_numbers.insert(agent.clone(), number);
        Ok(number)
    }

    /// Takes in a manifest and numbers the series it brings. The numbers depend on nothing but the order in which agents
    /// and manifests were added, so a backend that keeps that order keeps the numbers.
    ///
    /// # Errors
    /// When it would exceed [`MAX_SERIES`]; nothing is taken in then.
    pub fn add_manifest(
        &mut self,
        agent: AgentNumber,
        id: ManifestId,
        manifest: Arc<Manifest>,
    ) -> Result<(), DictionaryFull> {
        let keys: Vec<SeriesKey> = manifest
            .series
            .iter()
            .map(|descriptor| SeriesKey {
                agent,
                descriptor: descriptor.clone(),
            })
            .collect();
        let unknown = keys
            .iter()
            .filter(|key| !self.series_ids.contains_key(*key))
            .count();
        if self.series.len() + unknown > MAX_SERIES {
            return Err(DictionaryFull::Series);
        }
        let series = keys.into_iter().map(|key| self.number_series(key)).collect();
        self.manifests
            .insert((agent, id), Arc::new(KnownManifest { manifest, series }));
        Ok(())
    }

    fn number_series(&mut self, key: SeriesKey) -> SeriesId {
        if let Some(&known) = self.series_ids.get(&key) {
            return known;
        }
        let series = SeriesId::at(self.series.len());
        self.series.push(Arc::new(Series {
            agent: key.agent,
            descriptor: key.descriptor.clone(),
        }));
        self.series_ids.insert(Arc::new(key), series);
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
            dictionary
                .add_manifest(number, manifest.id(), Arc::new(manifest.clone()))
                .expect("room");
        }
        assert_eq!(dictionary.series_count(), 3);
        let known = dictionary.manifest(number, three.id()).expect("added");
        assert_eq!(known.series, [SeriesId(0), SeriesId(1), SeriesId(2)]);
    }

    #[test]
    fn a_full_dictionary_keeps_what_it_has_and_takes_nothing_new() {
        let mut dictionary = Dictionary::default();
        for number in 0..MAX_AGENTS {
            dictionary.add_agent(&agent(&format!("a{number}"))).expect("room");
        }
        assert_eq!(
            dictionary.add_agent(&agent("one-more")),
            Err(DictionaryFull::Agents)
        );
        assert_eq!(dictionary.add_agent(&agent("a7")), Ok(AgentNumber(7)));
    }
}
