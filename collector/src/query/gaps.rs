//! Silences and their causes: what an agent's tombstones say, and where nothing says anything, as much as is known.

use azimuth_measurement::{AgentId, LossCause};
use serde::Serialize;
use utoipa::ToSchema;

use super::{PairQuestion, QueryError, Source};
use crate::store::dictionary::AgentNumber;
use crate::store::{Coverage, Dictionary, Store, StoredGap, TimeRange};
use crate::utc::UtcInstant;

/// A silence is one when it is at least this long: three intervals.
const LEAST_SILENCE_MS: u64 = 30_000;

/// Reports that will never come, with the reason: the agent's tombstone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Gap {
    /// Start of the first interval given up.
    pub start_at: UtcInstant,
    /// End of the last interval given up.
    pub end_at: UtcInstant,
    /// Why: `queue_full`, `corrupt`, `refused`.
    pub cause: String,
    /// How many reports were given up.
    pub reports: u64,
}

/// A stretch in which nothing was heard of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AgentGap {
    /// The agent.
    pub agent: String,
    /// Its start.
    pub start_at: UtcInstant,
    /// Its end.
    pub end_at: UtcInstant,
    /// Why: `queue_full`, `corrupt` or `refused` when the agent said so, `not_received` when nothing has arrived and
    /// nobody has said why: the agent was off or cut off, or has yet to deliver. In the middle of a range: it came back.
    pub cause: String,
    /// How many reports were given up; null when nobody has said.
    #[schema(required)]
    pub reports: Option<u64>,
}

/// The gaps of the pair's agent that overlap the range. Reports that were merged are none: a report of a longer interval
/// holds what they held.
///
/// # Errors
/// When the store cannot be read.
pub fn gaps(store: &dyn Store, question: &PairQuestion) -> Result<Vec<Gap>, QueryError> {
    Ok(given_up(store, &question.agent, question.range)?
        .map(|gap| Gap {
            start_at: UtcInstant::from_unix_ms(gap.start_unix_ms),
            end_at: UtcInstant::from_unix_ms(gap.end_unix_ms),
            cause: gap.cause.to_string(),
            reports: gap.reports,
        })
        .collect())
}

fn given_up(
    store: &dyn Store,
    agent: &AgentId,
    range: TimeRange,
) -> Result<impl Iterator<Item = StoredGap>, QueryError> {
    let stored = store.gaps(agent, range)?;
    Ok(stored.into_iter().filter(|gap| gap.cause != LossCause::Merged))
}

/// When each agent of a question was heard in its range.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// By number; `None` for one that is not of the question.
    agents: Vec<Option<Spans>>,
}

impl Heard {
    /// An agent that should be heard.
    pub(super) fn expect(&mut self, agent: AgentNumber) {
        let index = agent.0 as usize;
        if self.agents.len() <= index {
            self.agents.resize_with(index + 1, || None);
        }
        self.agents[index].get_or_insert_default();
    }

    /// It was, in the interval that starts here.
    pub(super) fn hear(&mut self, agent: AgentNumber, start_unix_ms: u64, length_ms: u32) {
        if let Some(Some(spans)) = self.agents.get_mut(agent.0 as usize) {
            spans.add(start_unix_ms, start_unix_ms.saturating_add(length_ms.into()));
        }
    }

    /// The silences of every agent: what it gave up, and every other stretch of the range from which nothing has come
    /// although it could have been read.
    pub(super) fn gaps(
        &mut self,
        source: &Source<'_>,
        dictionary: &Dictionary,
        range: TimeRange,
        coverage: &Coverage,
        now_unix_ms: u64,
    ) -> Result<Vec<AgentGap>, QueryError> {
        let range = TimeRange {
            to_unix_ms: range.to_unix_ms.min(now_unix_ms),
            ..range
        };
        let coarsest_ms = u64::from(coverage.coarsest().resolution_s()) * 1_000;
        let least_ms = LEAST_SILENCE_MS.max(2 * coarsest_ms);
        let mut gaps = Vec::new();
        for (number, spans) in (0..).zip(&mut self.agents) {
            let (Some(spans), Some(agent)) = (spans, dictionary.agent(AgentNumber(number))) else {
                continue;
            };
            source.stop.check()?;
            for missing in &coverage.missing {
                spans.add(missing.range.from_unix_ms, missing.range.to_unix_ms);
            }
            let mut of_agent = Vec::new();
            // What was merged is none, but a rollup forgets how long the interval was that holds it.
            for told in source.store.gaps(agent, range)? {
                spans.add(told.start_unix_ms, told.end_unix_ms);
                if told.cause != LossCause::Merged {
                    let cause = told.cause.to_string();
                    of_agent.push((told.start_unix_ms, told.end_unix_ms, cause, Some(told.reports)));
                }
            }
            let silences = spans.between(range, least_ms);
            of_agent.extend(silences.map(|(start, end)| (start, end, "not_received".to_owned(), None)));
            of_agent.sort();
            gaps.extend(of_agent.into_iter().map(|(start, end, cause, reports)| AgentGap {
                agent: agent.to_string(),
                start_at: UtcInstant::from_unix_ms(start),
                end_at: UtcInstant::from_unix_ms(end),
                cause,
                reports,
            }));
        }
        Ok(gaps)
    }
}

/// Stretches of time, ascending, each at least [`LEAST_SILENCE_MS`] after the one before: what is closer is one. Holes only
/// get smaller while more is added, so the order of adding changes nothing.
#[derive(Debug, Default)]
struct Spans {
    spans: Vec<(u64, u64)>,
    /// The one that grew last: most likely the next grows too.
    last: usize,
}

impl Spans {
    fn add(&mut self, start: u64, end: u64) {
        let next = self.spans.get(self.last + 1).map_or(u64::MAX, |next| next.0);
        if let Some(last) = self.spans.get_mut(self.last)
            && (last.0..last.1.saturating_add(LEAST_SILENCE_MS)).contains(&start)
            && (end <= last.1 || end.saturating_add(LEAST_SILENCE_MS) <= next)
        {
            last.1 = last.1.max(end);
            return;
        }
        let before = |span: &(u64, u64)| span.1.saturating_add(LEAST_SILENCE_MS) <= start;
        let not_after = |span: &(u64, u64)| span.0 < end.saturating_add(LEAST_SILENCE_MS);
        let first = self.spans.partition_point(before);
        let past = self.spans.partition_point(not_after).max(first);
        let joined = self.spans[first..past]
            .iter()
            .fold((start, end), |sum, span| (sum.0.min(span.0), sum.1.max(span.1)));
        self.spans.splice(first..past, [joined]);
        self.last = first;
    }

    /// The holes of at least `least_ms` in `range`.
    fn between(&self, range: TimeRange, least_ms: u64) -> impl Iterator<Item = (u64, u64)> + '_ {
        let mut heard_to = range.from_unix_ms;
        let end = (range.to_unix_ms, range.to_unix_ms);
        let spans = self.spans.iter().copied().chain([end]);
        spans.filter_map(move |(start, end)| {
            let hole = (heard_to, start.min(range.to_unix_ms));
            heard_to = heard_to.max(end);
            (hole.0.saturating_add(least_ms) <= hole.1).then_some(hole)
        })
    }
}

#[cfg(test)]
mod tests {
    use azimuth_measurement::Tombstone;
    use proptest::prelude::*;

    use super::super::series::tests::{pair, seeded};
    use super::*;
    use crate::store::Item;
    use crate::store::conformance::{T0, agent};

    proptest! {
        /// Whatever the order in which intervals come, the holes are those of every second looked at by itself.
        #[test]
        fn holes_are_what_no_interval_covers(
            intervals in prop::collection::vec((0_u64..400, 1_u64..60), 0..40), from in 0_u64..100, to in 300_u64..500,
            least in prop::sample::select(vec![30_u64, 45, 120])
        ) {
            let mut spans = Spans::default();
            let mut heard = vec![false; 500];
            for (start, length) in intervals {
                spans.add(start * 1_000, (start + length) * 1_000);
                heard[start as usize..(start + length) as usize].fill(true);
            }
            prop_assert!(spans.spans.windows(2).all(|pair| pair[0].1 + LEAST_SILENCE_MS <= pair[1].0));
            let mut naive = Vec::new();
            let mut at = from;
            while at < to {
                let end = (at..to).find(|second| heard[*second as usize]).unwrap_or(to);
                if end - at >= least {
                    naive.push((at * 1_000, end * 1_000));
                }
                at = end.max(at) + 1;
            }
            let range = TimeRange { from_unix_ms: from * 1_000, to_unix_ms: to * 1_000 };
            prop_assert_eq!(spans.between(range, least * 1_000).collect::<Vec<_>>(), naive);
        }
    }

    #[test]
    fn what_was_merged_is_no_gap() {
        let (_directory, store) = seeded(&[&[100]]);
        let tombstone = |first_sequence, cause| {
            Item::Tombstone(Tombstone {
                agent: agent("a"),
                epoch: T0,
                first_sequence,
                last_sequence: first_sequence + 4,
                start_unix_ms: T0 + 60_000,
                end_unix_ms: T0 + 120_000,
                cause,
            })
        };
        let items = [
            tombstone(2, LossCause::Merged),
            tombstone(7, LossCause::QueueFull),
        ];
        store.commit(&[], &items).expect("writable");
        let stored = store.gaps(&agent("a"), pair().range).expect("readable");
        assert_eq!(stored.len(), 2, "the store keeps both");
        let causes: Vec<_> = gaps(&store, &pair())
            .expect("readable")
            .into_iter()
            .map(|gap| gap.cause)
            .collect();
        assert_eq!(causes, ["queue_full"]);
    }
}
