//! The dictionary: which agents, manifests and series are known, and the small numbers that stand for them. Pure; every
//! backend keeps one in memory and writes its growth in the transaction that needs it.
//!
//! A series is one agent's one descriptor. A new manifest that describes it in the same words continues the same series.
//! What a manifest describes is not yet a series: it is admitted, when the [limits](super::series_limits) have room, and
//! until then the position in the manifest stands for none.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use azimuth_measurement::{AgentId, Manifest, ManifestId, SeriesDescriptor};

use super::series_limits::is_within_an_hour;
use super::sharing::{SharedList, SharedMap};

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

/// Agents, manifests and series. A copy shares what it has in common with the first, so that a snapshot for each new manifest
/// costs about the manifest and not the fleet.
#[derive(Debug, Clone, Default)]
pub struct Dictionary {
    agents: SharedList<Arc<KnownAgent>>,
    agent_numbers: SharedMap<AgentId, AgentNumber>,
    series: SharedList<Arc<Series>>,
    /// Which series were admitted together, in that order.
    admitted: SharedList<Admitted>,
}

/// An agent, and what is known of it.
#[derive(Debug, Clone)]
struct KnownAgent {
    id: AgentId,
    manifests: HashMap<ManifestId, Arc<KnownManifest>>,
    series: HashMap<Described, SeriesId>,
    /// When its manifests of the hour before the last one were taken in, unix ms.
    manifests_taken_in_at: Vec<u64>,
}

/// A series of one agent, found by its descriptor.
#[derive(Debug, Clone)]
struct Described(Arc<Series>);

impl Borrow<SeriesDescriptor> for Described {
    fn borrow(&self) -> &SeriesDescriptor {
        &self.0.descriptor
    }
}

impl Hash for Described {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.descriptor.hash(state);
    }
}

impl PartialEq for Described {
    fn eq(&self, other: &Self) -> bool {
        self.0.descriptor == other.0.descriptor
    }
}

impl Eq for Described {}

/// Series of one agent that were admitted together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Admitted {
    pub(super) agent: AgentNumber,
    /// When, in unix milliseconds of the collector; 0 when that is not known.
    pub(super) at_unix_ms: u64,
    /// How many.
    pub(super) series: usize,
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
        self.known(number).map(|known| &known.id)
    }

    fn known(&self, number: AgentNumber) -> Option<&KnownAgent> {
        self.agents.get(number.0 as usize).map(Arc::as_ref)
    }

    fn known_mut(&mut self, number: AgentNumber) -> Option<&mut KnownAgent> {
        self.agents.get_mut(number.0 as usize).map(Arc::make_mut)
    }

    /// Number of agents known.
    pub fn agent_count(&self) -> usize {
        self.agents.len()
    }

    /// A known manifest.
    pub fn manifest(&self, agent: AgentNumber, id: ManifestId) -> Option<&Arc<KnownManifest>> {
        self.known(agent)?.manifests.get(&id)
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
        self.known(agent).map_or(0, |known| known.series.len())
    }

    /// What was admitted together, the last first.
    pub(super) fn admitted_newest_first(&self) -> impl Iterator<Item = &Admitted> {
        self.admitted.iter().rev()
    }

    /// How many manifests of the agent were taken in within the hour before `now_unix_ms`.
    pub(super) fn recent_manifests_of(&self, agent: AgentNumber, now_unix_ms: u64) -> usize {
        self.known(agent).map_or(0, |known| {
            let all = known.manifests_taken_in_at.iter();
            all.filter(|at| is_within_an_hour(**at, now_unix_ms)).count()
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
        self.agents.push(Arc::new(KnownAgent {
            id: agent.clone(),
            manifests: HashMap::new(),
            series: HashMap::new(),
            manifests_taken_in_at: Vec::new(),
        }));
        self.agent_numbers.insert(agent.clone(), number);
        Ok(number)
    }

    /// Takes in a manifest of a known agent. Of the series it describes it means those that are known; no new one is
    /// admitted.
    pub fn add_manifest(
        &mut self,
        agent: AgentNumber,
        id: ManifestId,
        manifest: Arc<Manifest>,
        now_unix_ms: u64,
    ) {
        let Some(known) = self.known_mut(agent) else {
            return;
        };
        let taken_in_at = &mut known.manifests_taken_in_at;
        taken_in_at.retain(|at_unix_ms| is_within_an_hour(*at_unix_ms, now_unix_ms));
        taken_in_at.push(now_unix_ms);
        let of_manifest = manifest.series.iter();
        let series = of_manifest.map(|descriptor| known.series.get(descriptor).copied());
        let taken_in = KnownManifest {
            series: series.collect(),
            manifest,
            looked_at: known.series.len(),
        };
        known.manifests.insert(id, Arc::new(taken_in));
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
        if !admitted.is_empty() {
            self.admitted.push(Admitted {
                agent,
                at_unix_ms: now_unix_ms,
                series: admitted.len(),
            });
        }
        if let Some(of_agent) = self.known_mut(agent) {
            let looked = KnownManifest {
                manifest: Arc::clone(&known.manifest),
                series,
                looked_at: of_agent.series.len(),
            };
            of_agent.manifests.insert(id, Arc::new(looked));
        }
        admitted
    }

    fn series_of(&self, agent: AgentNumber, descriptor: &SeriesDescriptor) -> Option<SeriesId> {
        self.known(agent)?.series.get(descriptor).copied()
    }

    fn number_series(
        &mut self,
        agent: AgentNumber,
        descriptor: &SeriesDescriptor,
        admitted_at_unix_ms: u64,
    ) -> SeriesId {
        let id = SeriesId::at(self.series.len());
        let series = Arc::new(Series {
            agent,
            descriptor: descriptor.clone(),
            admitted_at_unix_ms,
        });
        self.series.push(Arc::clone(&series));
        if let Some(known) = self.known_mut(agent) {
            known.series.insert(Described(series), id);
        }
        id
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
