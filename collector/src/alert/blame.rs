//! Who is to blame: weak evidence of many series pooled per zone, region, provider, metro, agent, network, city, country
//! and method **before** anything is thresholded, then the explanation that explains most for its price, and again for
//! what is left. Pure: scores in, culprits out. Not the detection (which gives the scores), not the lifecycle.
//!
//! Each series brings a standard score: how far its present level is above its reference. Under "nothing happened" the
//! score is normal with heavy tails, under "shifted" it is around some size. Of a group only a share may be shifted (an
//! outage seen by half of the networks), so a group's gain is the log likelihood ratio of the mixture, at the best share
//! and size on a small grid (higher criticism in the sense of Donoho and Jin 2004). One series alone can add only so
//! much, so no single straggler makes a group. A series that is missing says nothing either way.
//!
//! What an agent or a zone does by chance lifts all of its series together, and that is held against the gain: each agent
//! of a network, each zone of a region may be lifted by as much as is likely, before the rest counts. Without that, two
//! busy agents would be a city at fault.
//!
//! A zone is blamed by at least three agents in two networks, never by one agent. An agent that is itself sick has no
//! vote, and is named, if its sickness explains what it sees: where most of its series stand as they did, it does not.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::rules::SeriesLabels;
use crate::query::Label;

/// Gain an explanation needs beside its price: one in 1,100 by chance, against some hundreds of groups of which few are
/// independent, and it is asked for two minutes in a row.
pub const LEAST_GAIN: f64 = 7.0;
/// What each further method of a group adds to that: two methods to a zone share its path, so the second is half a witness.
pub const FURTHER_METHOD: f64 = 1.0;
/// Score from which a series that no group explains is worth a line of its own.
pub const PAIR_SCORE: f64 = 4.5;
/// Agents that must see it before what lies at the far end is blamed.
pub const LEAST_AGENTS: usize = 3;
/// Networks those agents must stand in.
pub const LEAST_NETWORKS: usize = 2;
/// Zones an agent must see it in before the agent is blamed.
pub const LEAST_ZONES: usize = 3;
/// Explanations at most; beyond so many, nobody reads on.
const MOST_CULPRITS: usize = 16;
/// Score from which a series of a sick agent counts as lifted by its sickness; chance lifts one in six so far.
const LIFTED: f64 = 1.0;

/// Share of scores that come from the heavy tail although nothing happened, and how wide that tail is.
const TAIL_SHARE: f64 = 0.02;
const TAIL_WIDTH: f64 = 5.0;
/// Width of the scores of shifted series around their size: paths differ in noise.
const SHIFT_WIDTH: f64 = 1.5;
/// Width of the scores of one series although nothing happened.
const NULL_WIDTH: f64 = 1.1;
/// What the series of one agent, or of one zone, may share by chance: a busy hour lifts them a little, and is nobody's
/// fault.
const OFFSETS: [f64; 5] = [0.4, 0.8, 1.2, 1.6, 2.0];
/// How wide what they share is by chance. The larger an offset, the less it can excuse.
const OFFSET_WIDTH: f64 = 0.6;
/// Scores beyond this say no more.
const MOST_SCORE: f64 = 8.0;
/// Log likelihood ratio one series can add at most.
const MOST_PER_SERIES: f64 = 4.0;
const SHARES: [f64; 4] = [0.3, 0.5, 0.7, 0.95];
const SIZES: [f64; 4] = [1.75, 2.75, 4.5, 7.0];

/// The labels that can be blamed, and the price of each: the wider the explanation, the more it must explain. With equal
/// gain the narrower wins.
const PRICES: [(Label, f64); 9] = [
    (Label::Zone, 0.0),
    (Label::Agent, 0.0),
    (Label::Region, 1.0),
    (Label::Network, 1.0),
    (Label::City, 1.5),
    (Label::Metro, 1.5),
    (Label::Country, 2.0),
    (Label::Provider, 2.0),
    (Label::Method, 3.0),
];

/// One series' evidence.
#[derive(Debug, Clone, Copy)]
pub struct Cell<'a> {
    /// Number of the series.
    pub series: u32,
    /// Its labels.
    pub labels: &'a SeriesLabels,
    /// Standard score of its present level against its reference, positive when worse.
    pub score: f64,
}

/// What ails an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sickness {
    /// Its clock is stepped or skewed.
    Clock,
    /// Its probes leave late.
    Cpu,
    /// Its own system does not let its probes out: the line at its end is down.
    AccessLine,
}

impl Sickness {
    /// The one spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::Cpu => "cpu",
            Self::AccessLine => "access_line",
        }
    }
}

/// An explanation.
#[derive(Debug, Clone, PartialEq)]
pub struct Culprit {
    /// What kind of thing.
    pub label: Label,
    /// Which.
    pub value: String,
    /// Log likelihood ratio, less the price.
    pub gain: f64,
    /// The series it explains, ascending.
    pub members: Vec<u32>,
    /// For an agent without a vote: why.
    pub sickness: Option<Sickness>,
}

/// Everything there is to say.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Blame {
    /// Explanations, the one that explains most first; each is one incident with its members.
    pub culprits: Vec<Culprit>,
    /// Series that stand out and that nothing explains, ascending.
    pub alone: Vec<u32>,
}

/// Those of the `sick` agents that have no vote: at least half of what is heard of them is lifted. What ails a host lifts
/// all of its series; where most stand as they did, it is something else that lifted the others.
pub fn without_vote(cells: &[Cell<'_>], sick: &BTreeMap<String, Sickness>) -> BTreeMap<String, Sickness> {
    let is_lifted_by_it = |agent: &str| {
        let own = || {
            let own = cells
                .iter()
                .filter(|cell| cell.labels.value(Label::Agent) == Some(agent));
            own.filter(|cell| cell.score.is_finite())
        };
        2 * own().filter(|cell| cell.score >= LIFTED).count() >= own().count()
    };
    let lifted = sick.iter().filter(|(agent, _)| is_lifted_by_it(agent));
    lifted
        .map(|(agent, sickness)| (agent.clone(), *sickness))
        .collect()
}

/// Explains the scores. `sick` agents have no vote, but for those whose sickness does not explain what they see.
pub fn blame(cells: &[Cell<'_>], sick: &BTreeMap<String, Sickness>) -> Blame {
    let sick = &without_vote(cells, sick);
    let mut blame = Blame::default();
    let is_sick = |cell: &Cell<'_>| {
        cell.labels
            .value(Label::Agent)
            .is_some_and(|agent| sick.contains_key(agent))
    };
    for (agent, sickness) in sick {
        let own = cells
            .iter()
            .filter(|cell| cell.labels.value(Label::Agent) == Some(agent));
        let mut members: Vec<u32> = own
            .filter(|cell| cell.score >= PAIR_SCORE)
            .map(|cell| cell.series)
            .collect();
        members.sort_unstable();
        if !members.is_empty() {
            blame.culprits.push(Culprit {
                label: Label::Agent,
                value: agent.clone(),
                gain: 0.0,
                members,
                sickness: Some(*sickness),
            });
        }
    }
    let of_sound_agents = cells
        .iter()
        .filter(|cell| !is_sick(cell) && cell.score.is_finite());
    let mut pool = Pool::of(of_sound_agents.collect());
    while blame.culprits.len() < MOST_CULPRITS
        && let Some(culprit) = pool.best()
    {
        pool.explained(&culprit.members);
        blame.culprits.push(culprit);
    }
    blame.alone = pool
        .left()
        .filter(|cell| cell.score >= PAIR_SCORE)
        .map(|cell| cell.series)
        .collect();
    blame.alone.sort_unstable();
    blame
}

/// What is not explained yet. What a score says and who belongs together is found out once: with many culprits it is asked
/// for again and again.
struct Pool<'p, 'c> {
    cells: Vec<&'p Cell<'c>>,
    said: Vec<Said>,
    is_left: Vec<bool>,
    groups: Vec<Group<'c>>,
}

/// The series that are not explained yet and have one value of a label, by their place in the pool.
struct Group<'c> {
    label: Label,
    price: f64,
    value: &'c str,
    of: Vec<usize>,
}

/// A group that explains enough, and may be blamed.
struct Candidate<'g> {
    group: &'g Group<'g>,
    gain: f64,
    members: Vec<u32>,
}

impl Candidate<'_> {
    /// Whether all of its series are also the other's, which has more.
    fn is_within(&self, other: &Self) -> bool {
        let (own, others) = (&self.group.of, &other.group.of);
        own.len() < others.len() && own.iter().all(|index| others.binary_search(index).is_ok())
    }

    /// Whether what the wider one has beside this would be worth an explanation as well.
    fn leaves_something_of(&self, wider: &Self, said: &[Said]) -> bool {
        let beside = |index: &usize| self.group.of.binary_search(index).is_err();
        let rest: Vec<usize> = wider.group.of.iter().copied().filter(beside).collect();
        fit(&rest, said, End::of(wider.group.label)).0 >= LEAST_GAIN
    }
}

impl<'p, 'c> Pool<'p, 'c> {
    fn of(cells: Vec<&'p Cell<'c>>) -> Self {
        let (agents, zones) = (numbered(&cells, Label::Agent), numbered(&cells, Label::Zone));
        let ends = agents.into_iter().zip(zones);
        let said = cells
            .iter()
            .zip(ends)
            .map(|(cell, (agent, zone))| Said::by(cell.score, agent, zone))
            .collect();
        let mut groups = Vec::new();
        for (label, price) in PRICES {
            let mut values: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
            for (index, cell) in cells.iter().enumerate() {
                if let Some(value) = cell.labels.value(label) {
                    values.entry(value).or_default().push(index);
                }
            }
            groups.extend(values.into_iter().map(|(value, of)| Group {
                label,
                price,
                value,
                of,
            }));
        }
        Self {
            is_left: vec![true; cells.len()],
            cells,
            said,
            groups,
        }
    }

    /// The series that nothing explains.
    fn left(&self) -> impl Iterator<Item = &&'p Cell<'c>> {
        let all = self.cells.iter().zip(&self.is_left);
        all.filter(|(_, is_left)| **is_left).map(|(cell, _)| cell)
    }

    /// These series, ascending, need no other explanation.
    fn explained(&mut self, series: &[u32]) {
        for (cell, is_left) in self.cells.iter().zip(&mut self.is_left) {
            *is_left &= series.binary_search(&cell.series).is_err();
        }
        for group in &mut self.groups {
            group.of.retain(|index| self.is_left[*index]);
        }
    }

    /// The explanation that explains most for its price, if any is worth it. A wider one wins over a narrower one inside it
    /// only if the rest of it is shifted too: one zone is not its region.
    fn best(&self) -> Option<Culprit> {
        let candidates = self.candidates();
        let mut best = candidates
            .iter()
            .max_by(|one, other| one.gain.total_cmp(&other.gain))?;
        while let Some(narrower) = candidates
            .iter()
            .filter(|candidate| candidate.is_within(best) && !candidate.leaves_something_of(best, &self.said))
            .max_by(|one, other| one.gain.total_cmp(&other.gain))
        {
            best = narrower;
        }
        Some(Culprit {
            label: best.group.label,
            value: best.group.value.to_owned(),
            gain: best.gain,
            members: best.members.clone(),
            sickness: None,
        })
    }

    /// By how many methods the series of a group are measured, less one.
    fn further_methods(&self, group: &Group<'_>) -> f64 {
        let methods = group
            .of
            .iter()
            .map(|index| self.cells[*index].labels.value(Label::Method));
        methods.collect::<BTreeSet<_>>().len().saturating_sub(1) as f64
    }

    fn candidates(&self) -> Vec<Candidate<'_>> {
        let mut candidates = Vec::new();
        for group in &self.groups {
            let (gain, share, size) = fit(&group.of, &self.said, End::of(group.label));
            let gain = gain - group.price;
            if gain < LEAST_GAIN || gain < LEAST_GAIN + FURTHER_METHOD * self.further_methods(group) {
                continue;
            }
            let shifted = |index: &&usize| share * self.said[**index].shifted[size] > 1.0 - share;
            let chosen = group.of.iter().filter(shifted);
            let chosen: Vec<&Cell<'_>> = chosen.map(|index| self.cells[*index]).collect();
            if !may_blame(group.label, &chosen) {
                continue;
            }
            let mut members: Vec<u32> = chosen.iter().map(|cell| cell.series).collect();
            members.sort_unstable();
            candidates.push(Candidate { group, gain, members });
        }
        candidates
    }
}

/// For each series, the number of the value it has of a label.
fn numbered(cells: &[&Cell<'_>], label: Label) -> Vec<usize> {
    let mut numbers: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    let mut numbered = Vec::with_capacity(cells.len());
    for cell in cells {
        let next = numbers.len();
        numbered.push(*numbers.entry(cell.labels.value(label)).or_insert(next));
    }
    numbered
}

/// The end of the path at which something is blamed, whose parts may each be lifted by chance.
#[derive(Debug, Clone, Copy)]
enum End {
    /// Agents, and what they are part of.
    Near,
    /// Zones, what they are part of, and how they are measured.
    Far,
}

impl End {
    fn of(label: Label) -> Self {
        match label {
            Label::Agent | Label::Network | Label::City | Label::Country => Self::Near,
            _ => Self::Far,
        }
    }
}

/// What one score says.
#[derive(Debug, Clone, Copy)]
struct Said {
    /// Number of its agent, and of its zone.
    agent: usize,
    zone: usize,
    /// Likelihood when shifted by each size, over that when nothing happened.
    shifted: [f64; SIZES.len()],
    /// Log likelihood when shifted by each size for each share, less that when nothing happened. Each is needed once for
    /// every label, and logarithms are what all of this costs.
    mixed: [[f64; SIZES.len()]; SHARES.len()],
    /// Log likelihood when lifted by each offset that is shared by chance, less that when nothing happened.
    lifted: [f64; OFFSETS.len()],
}

impl Said {
    fn by(score: f64, agent: usize, zone: usize) -> Self {
        let score = score.clamp(-MOST_SCORE, MOST_SCORE);
        let normal = |distance: f64, width: f64| (-0.5 * (distance / width).powi(2)).exp() / width;
        let chance = |score: f64| {
            (1.0 - TAIL_SHARE) * normal(score, NULL_WIDTH) + TAIL_SHARE * normal(score, TAIL_WIDTH)
        };
        let nothing = chance(score);
        let shifted = SIZES.map(|size| {
            // Larger than looked for is no evidence against.
            let largest = size == SIZES[SIZES.len() - 1];
            let distance = if largest {
                (score - size).min(0.0)
            } else {
                score - size
            };
            (normal(distance, SHIFT_WIDTH) / nothing).min(MOST_PER_SERIES.exp())
        });
        Self {
            agent,
            zone,
            shifted,
            mixed: SHARES.map(|share| shifted.map(|shifted| (1.0 - share + share * shifted).ln())),
            lifted: OFFSETS.map(|offset| (chance(score - offset) / nothing).ln()),
        }
    }
}

/// Gain at the best share and size over the best that chance can do, and which share and size those are.
fn fit(group: &[usize], said: &[Said], end: End) -> (f64, f64, usize) {
    let mut gains = [[0.0; SIZES.len()]; SHARES.len()];
    let mut by_chance: BTreeMap<usize, [f64; OFFSETS.len()]> = BTreeMap::new();
    for said in group.iter().filter_map(|index| said.get(*index)) {
        for (gains, mixed) in gains.iter_mut().zip(&said.mixed) {
            for (gain, mixed) in gains.iter_mut().zip(mixed) {
                *gain += mixed;
            }
        }
        let part = match end {
            End::Near => said.agent,
            End::Far => said.zone,
        };
        let of_part = by_chance.entry(part).or_default();
        for (by_chance, lifted) in of_part.iter_mut().zip(&said.lifted) {
            *by_chance += lifted;
        }
    }
    let excuse = |of_part: [f64; OFFSETS.len()]| {
        let prices = OFFSETS.map(|offset| 0.5 * (offset / OFFSET_WIDTH).powi(2));
        let excuses = of_part.into_iter().zip(prices).map(|(gain, price)| gain - price);
        excuses.fold(0.0, f64::max)
    };
    let excused: f64 = by_chance.into_values().map(excuse).sum();
    let mut most = (f64::NEG_INFINITY, SHARES[0], 0);
    for (share, gains) in SHARES.iter().zip(gains) {
        for (size, gain) in gains.into_iter().enumerate() {
            if gain > most.0 {
                most = (gain, *share, size);
            }
        }
    }
    (most.0 - excused, most.1, most.2)
}

/// Whether the series that speak against a thing are many enough, and of enough kinds.
fn may_blame(label: Label, members: &[&Cell<'_>]) -> bool {
    let distinct = |label: Label| {
        let values: BTreeSet<_> = members.iter().map(|cell| cell.labels.value(label)).collect();
        values.len()
    };
    match label {
        Label::Agent => distinct(Label::Zone) >= LEAST_ZONES,
        Label::Network | Label::City | Label::Country => {
            distinct(Label::Agent) >= 2 && distinct(Label::Zone) >= LEAST_ZONES
        }
        _ => distinct(Label::Agent) >= LEAST_AGENTS && distinct(Label::Network) >= LEAST_NETWORKS,
    }
}

#[cfg(test)]
mod tests;
