//! Silences and their causes: what an agent's tombstones say, and where nothing says anything, as much as is known.

use std::collections::BTreeMap;

use azimuth_measurement::{AgentId, LossCause};
use serde::Serialize;
use utoipa::ToSchema;

use super::{PairQuestion, QueryError, Source};
use crate::store::dictionary::AgentNumber;
use crate::store::{Dictionary, Store, StoredGap, TimeRange};
use crate::utc::UtcInstant;

/// A silence at either end of a range is one when it is at least this long: three intervals.
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
    /// nobody has said why: the agent is off, cut off, or has yet to deliver.
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

/// From when until when each agent of a question was heard in its range.
#[derive(Debug, Default)]
pub(super) struct Heard(BTreeMap<AgentNumber, Option<(u64, u64)>>);

impl Heard {
    /// An agent that should be heard.
    pub(super) fn expect(&mut self, agent: AgentNumber) {
        self.0.entry(agent).or_default();
    }

    /// It was, in the interval that starts here.
    pub(super) fn hear(&mut self, agent: AgentNumber, start_unix_ms: u64, length_ms: u32) {
        let end_unix_ms = start_unix_ms + u64::from(length_ms);
        if let Some(heard) = self.0.get_mut(&agent) {
            // A scan of a whole range comes in any order.
            let (first, last) = heard.unwrap_or((start_unix_ms, end_unix_ms));
            *heard = Some((first.min(start_unix_ms), last.max(end_unix_ms)));
        }
    }

    /// The silences of every agent: what it gave up, and the ends of the range from which nothing has come.
    /// `coarsest_ms` is the length of the longest units that were read.
    pub(super) fn gaps(
        &self,
        source: &Source<'_>,
        dictionary: &Dictionary,
        range: TimeRange,
        coarsest_ms: u64,
        now_unix_ms: u64,
    ) -> Result<Vec<AgentGap>, QueryError> {
        let end_unix_ms = range.to_unix_ms.min(now_unix_ms);
        let least_ms = LEAST_SILENCE_MS.max(2 * coarsest_ms);
        let mut gaps = Vec::new();
        for (number, heard) in &self.0 {
            source.stop.check()?;
            let Some(agent) = dictionary.agent(*number) else {
                continue;
            };
            let told: Vec<StoredGap> = given_up(source.store, agent, range)?.collect();
            let silences = match heard {
                None => [Some((range.from_unix_ms, end_unix_ms)), None],
                Some((first, last)) => [Some((range.from_unix_ms, *first)), Some((*last, end_unix_ms))],
            };
            let untold = silences
                .into_iter()
                .flatten()
                .filter(|(start, end)| start + least_ms <= *end)
                .filter(|(start, end)| {
                    !told
                        .iter()
                        .any(|gap| gap.start_unix_ms < *end && gap.end_unix_ms > *start)
                })
                .map(|(start, end)| (start, end, "not_received".to_owned(), None));
            let mut of_agent: Vec<_> = told
                .iter()
                .map(|gap| {
                    (
                        gap.start_unix_ms,
                        gap.end_unix_ms,
                        gap.cause.to_string(),
                        Some(gap.reports),
                    )
                })
                .chain(untold)
                .collect();
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

#[cfg(test)]
mod tests {
    use azimuth_measurement::Tombstone;

    use super::super::series::tests::{pair, seeded};
    use super::*;
    use crate::store::Item;
    use crate::store::conformance::{T0, agent};

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
