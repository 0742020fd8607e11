//! Groups: what was seen by everything that shares some labels, over one window or step by step.
//!
//! Delays of one group are merged into one histogram, so a group speaks for its probes, not for its members: an agent
//! that probes twice as often weighs twice. Two methods or two load labels are never in one group.

use std::collections::{BTreeMap, BTreeSet};

use azimuth_measurement::{Accumulator, Granularity};
use serde::Serialize;
use utoipa::ToSchema;

use super::facts::Facts;
use super::gaps::{AgentGap, Heard};
use super::merge::{Figures, Merging};
use super::selection::Chosen;
use super::source::Grid;
use super::whole::{Audience, merge_groups};
use super::{Label, QueryError, Selection, Source, loss_ratio};
use crate::store::dictionary::AgentNumber;
use crate::store::{Coverage, SeriesId, SeriesSelection, TimeRange};
use crate::utc::UtcInstant;
use crate::words::{ClockName, GranularityName};

/// Most rows of one answer, counted before anything is read: groups times steps.
pub const MAX_ROWS: u64 = 50_000;

/// A question about groups. Its selection names one method, or the groups are by method; likewise for load.
#[derive(Debug, Clone)]
pub struct GroupQuestion {
    /// Which series.
    pub selection: Selection,
    /// What the members of a group share; everything is one group when empty.
    pub by: Vec<Label>,
    /// Intervals that start in this range.
    pub range: TimeRange,
    /// One row per group and step; one per group when `None`.
    pub step_ms: Option<u64>,
}

/// A group that has data.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct GroupRow {
    /// Start of the step; of the window when no step was asked for.
    pub start_at: UtcInstant,
    /// What its members share: every label grouped by, null where it is not known (a zone the catalogue does not know
    /// has no metro).
    pub labels: BTreeMap<Label, Option<String>>,
    /// Agents with data here.
    pub agents: u32,
    /// Zones with data here.
    pub zones: u32,
    /// Delays in the histogram the quantiles were taken from.
    pub n: u64,
    /// Probes sent.
    pub sent: u64,
    /// Probes answered within the waiting time.
    pub returned: u64,
    /// Probes not answered within the waiting time (RFC 7680).
    pub lost: u64,
    /// lost / sent; null when nothing was sent.
    #[schema(required)]
    pub loss_ratio: Option<f64>,
    /// Shortest round-trip delay.
    #[schema(required)]
    pub min_us: Option<u32>,
    /// Median round-trip delay (nearest rank).
    #[schema(required)]
    pub p50_us: Option<u32>,
    /// 90th percentile.
    #[schema(required)]
    pub p90_us: Option<u32>,
    /// 99th percentile.
    #[schema(required)]
    pub p99_us: Option<u32>,
    /// Longest round-trip delay.
    #[schema(required)]
    pub max_us: Option<u32>,
    /// The rest of what is told.
    #[serde(flatten)]
    pub facts: Facts,
    /// The clock that stamped the delays behind the quantiles; null without delays.
    #[schema(required)]
    pub clock: Option<ClockName>,
    /// How exactly the targets stand for their zones: the vaguest of those merged here.
    pub granularity: GranularityName,
}

type Key = Vec<Option<String>>;

/// The rows of a question, and what they were made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Groups {
    /// One row per group, or per step and group, that has data: by start, then by the labels in the order asked for.
    pub rows: Vec<GroupRow>,
    /// Which agents were silent, when and why.
    pub gaps: Vec<AgentGap>,
    /// What was read.
    pub coverage: Coverage,
}

/// Answers the question.
///
/// # Errors
/// When a value is not known, the answer would be too large, the store cannot be read, or counters overflow.
pub fn groups(source: &Source<'_>, question: &GroupQuestion, now_unix_ms: u64) -> Result<Groups, QueryError> {
    let chosen = Chosen::find(source, &question.selection, &question.by)?;
    let dictionary = &chosen.labels.dictionary;
    let mut by_key: BTreeMap<Key, Vec<SeriesId>> = BTreeMap::new();
    let mut members: Vec<Option<Member>> = vec![None; dictionary.series_count()];
    let mut heard = Heard::default();
    let mut zones = BTreeMap::new();
    for (id, series) in chosen.iter() {
        let key = question
            .by
            .iter()
            .map(|label| chosen.labels.value(*label, series))
            .collect();
        by_key.entry(key).or_default().push(id);
        heard.expect(series.agent);
        let next_zone = zones.len();
        members[id.index()] = Some(Member {
            group: 0,
            agent: series.agent,
            zone: *zones.entry(&series.descriptor.zone).or_insert(next_zone),
            granularity: series.descriptor.granularity,
        });
    }
    let steps = question.step_ms.map_or(1, |step_ms| {
        question.range.length_ms().div_ceil(step_ms.max(1)) + 1
    });
    let cells = (by_key.len() as u64).saturating_mul(steps);
    if cells > MAX_ROWS {
        return Err(QueryError::TooManyCells {
            what: "group and step",
            cells,
            most: MAX_ROWS,
            advice: ", a wider label, or a longer step",
        });
    }
    let (keys, groups): (Vec<Key>, Vec<Vec<SeriesId>>) = by_key.into_iter().unzip();
    for (group, of_group) in groups.iter().enumerate() {
        for series in of_group {
            if let Some(member) = &mut members[series.index()] {
                member.group = group;
            }
        }
    }
    let mut table = Table {
        by: &question.by,
        keys,
        members,
        heard,
        start_unix_ms: question.range.from_unix_ms,
        rows: Vec::new(),
    };
    let coverage = match question.step_ms.map(Grid::of) {
        None => merge_groups(source, question.range, &chosen.series, &groups, &mut table)?,
        Some(grid) => table.step_by_step(source, question.range, grid, &chosen.series)?,
    };
    Ok(Groups {
        rows: table.rows,
        gaps: table
            .heard
            .gaps(source, dictionary, question.range, &coverage, now_unix_ms)?,
        coverage,
    })
}

#[derive(Debug, Clone, Copy)]
struct Member {
    group: usize,
    agent: AgentNumber,
    zone: usize,
    granularity: Granularity,
}

/// The rows finished, and what is needed to finish the next.
struct Table<'a> {
    by: &'a [Label],
    /// Of each group.
    keys: Vec<Key>,
    /// By series.
    members: Vec<Option<Member>>,
    heard: Heard,
    start_unix_ms: u64,
    rows: Vec<GroupRow>,
}

impl Audience for Table<'_> {
    fn hear(&mut self, series: SeriesId, start_unix_ms: u64, length_ms: u32) {
        if let Some(member) = &self.members[series.index()] {
            self.heard.hear(member.agent, start_unix_ms, length_ms);
        }
    }

    fn finish(&mut self, group: usize, figures: Figures, seen: &[SeriesId]) {
        let members = || seen.iter().filter_map(|series| self.members[series.index()]);
        let Some(granularity) = members().map(|member| member.granularity).max() else {
            return;
        };
        let agents: BTreeSet<AgentNumber> = members().map(|member| member.agent).collect();
        let zones: BTreeSet<usize> = members().map(|member| member.zone).collect();
        let Figures {
            counts,
            clock,
            n,
            min_us,
            p50_us,
            p90_us,
            p99_us,
            max_us,
            pdv,
        } = figures;
        let labels = self.by.iter().copied().zip(self.keys[group].iter().cloned());
        self.rows.push(GroupRow {
            start_at: UtcInstant::from_unix_ms(self.start_unix_ms),
            labels: labels.collect(),
            agents: agents.len() as u32,
            zones: zones.len() as u32,
            n,
            sent: counts.sent,
            returned: counts.returned,
            lost: counts.lost(),
            loss_ratio: loss_ratio(counts.lost(), counts.sent),
            min_us,
            p50_us,
            p90_us,
            p99_us,
            max_us,
            facts: Facts::of(&counts, pdv),
            clock: clock.map(ClockName::from),
            granularity: granularity.into(),
        });
    }
}

impl Table<'_> {
    /// Finishes the groups of one step after the other: a scan ascends, so only one step is open at a time.
    fn step_by_step(
        &mut self,
        source: &Source<'_>,
        range: TimeRange,
        grid: Grid,
        series: &SeriesSelection,
    ) -> Result<Coverage, QueryError> {
        let mut step = Step {
            merging: self
                .keys
                .iter()
                .map(|_| Merging::one_of(self.keys.len()))
                .collect(),
            seen: vec![BTreeSet::new(); self.keys.len()],
            scratch: Accumulator::new(),
        };
        let coverage = source.scan(range, series, grid.scan_ms(range), |observation| {
            let start_unix_ms = grid.start_of(observation.start_unix_ms);
            if start_unix_ms != self.start_unix_ms {
                step.finish(self)?;
                self.start_unix_ms = start_unix_ms;
            }
            // A series that appeared after the snapshot was taken is in the next answer.
            let Some(Some(Member { group, .. })) = self.members.get(observation.series.index()) else {
                return Ok(());
            };
            let group = *group;
            self.hear(
                observation.series,
                observation.start_unix_ms,
                observation.length_ms,
            );
            step.seen[group].insert(observation.series);
            step.merging[group].add(&observation.counts, observation.delays, &mut step.scratch)
        })?;
        step.finish(self)?;
        Ok(coverage)
    }
}

/// The groups of the step that is open.
struct Step {
    merging: Vec<Merging>,
    seen: Vec<BTreeSet<SeriesId>>,
    scratch: Accumulator,
}

impl Step {
    fn finish(&mut self, table: &mut Table<'_>) -> Result<(), QueryError> {
        for (group, (merging, seen)) in self.merging.iter_mut().zip(&mut self.seen).enumerate() {
            if !seen.is_empty() {
                let seen: Vec<SeriesId> = std::mem::take(seen).into_iter().collect();
                table.finish(group, merging.take(&mut self.scratch)?, &seen);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use azimuth_measurement::{Answer, DelayHistogram, LoadLabel, Method, Phase};
    use proptest::prelude::*;

    use super::super::source::tests::source;
    use super::*;
    use crate::store::Store;
    use crate::store::conformance::{T0, item, manifest_of, report_of, verified};
    use crate::store::memory::MemoryStore;

    /// The end of the window.
    const NOW: u64 = T0 + 300_000;

    /// Agents `a0`, `a1`, ... in cities `C0`, `C1`, `C0`, ... each with two zones; these delays, interval by interval.
    fn seeded(delays_us: &[Vec<Vec<u32>>]) -> MemoryStore {
        let store = MemoryStore::default();
        for (number, of_agent) in delays_us.iter().enumerate() {
            let mut manifest = manifest_of(&format!("a{number}"), 2);
            manifest.vantage_point.city = format!("C{}", number % 2);
            let items: Vec<_> = (0..)
                .zip(of_agent)
                .map(|(slot, delays)| item(&report_of(&manifest, slot + 1, slot, delays)))
                .collect();
            store.commit(&[verified(&manifest)], &items).expect("writable");
        }
        store
    }

    fn question(by: &[Label]) -> GroupQuestion {
        GroupQuestion {
            selection: Selection::of(Method::Stamp, LoadLabel::Idle),
            by: by.to_vec(),
            range: TimeRange {
                from_unix_ms: T0,
                to_unix_ms: T0 + 300_000,
            },
            step_ms: None,
        }
    }

    #[test]
    fn a_group_is_what_shares_a_label_and_an_unknown_metro_is_null() {
        let store = seeded(&[vec![vec![100]], vec![vec![200]], vec![vec![300, 400]]]);
        let rows = groups(&source(&store), &question(&[Label::City, Label::Metro]), NOW)
            .expect("readable")
            .rows;
        let seen: Vec<_> = rows
            .iter()
            .map(|row| {
                (
                    row.labels[&Label::City].as_deref(),
                    row.agents,
                    row.zones,
                    row.n,
                    row.max_us,
                )
            })
            .collect();
        assert_eq!(
            seen,
            [(Some("C0"), 2, 2, 6, Some(400)), (Some("C1"), 1, 2, 2, Some(200))]
        );
        assert!(
            rows.iter().all(|row| row.labels[&Label::Metro].is_none()),
            "az0 is in no catalogue"
        );
    }

    #[test]
    fn methods_stay_apart_when_grouped_by() {
        let store = MemoryStore::default();
        let mut manifest = manifest_of("a", 2);
        manifest.series[1].method = Method::TcpConnect;
        store
            .commit(
                &[verified(&manifest)],
                &[item(&report_of(&manifest, 1, 0, &[100]))],
            )
            .expect("writable");
        let by_method = GroupQuestion {
            selection: Selection::default(),
            ..question(&[Label::Method, Label::Load])
        };
        let rows = groups(&source(&store), &by_method, NOW).expect("readable").rows;
        let methods: Vec<_> = rows
            .iter()
            .map(|row| (row.labels[&Label::Method].as_deref(), row.n))
            .collect();
        assert_eq!(methods, [(Some("stamp"), 1), (Some("tcp_connect"), 1)]);
    }

    #[test]
    fn phases_and_answers_that_say_no_stay_out_of_a_number_that_did_not_ask_for_them() {
        let store = MemoryStore::default();
        let mut manifest = manifest_of("a", 4);
        manifest.series[1].facet.phase = Phase::Tls;
        manifest.series[2].facet.answer = Answer::ServerError;
        manifest.series[3].address = "192.0.2.9:443".parse().expect("an address");
        store
            .commit(
                &[verified(&manifest)],
                &[item(&report_of(&manifest, 1, 0, &[100]))],
            )
            .expect("writable");
        let seen = |selection: Selection, by: &[Label]| -> Vec<(Option<String>, u64)> {
            let asked = GroupQuestion {
                selection,
                ..question(by)
            };
            let rows = groups(&source(&store), &asked, NOW).expect("readable").rows;
            rows.iter()
                .map(|row| (by.first().and_then(|label| row.labels[label].clone()), row.n))
                .collect()
        };
        let all = || Selection::of(Method::Stamp, LoadLabel::Idle);
        let name = |name: &str| Some(name.to_owned());
        assert_eq!(
            seen(all(), &[]),
            [(None, 2)],
            "the main series and the other address"
        );
        assert_eq!(seen(all().with(Label::Phase, "tls".to_owned()), &[]), [(None, 1)]);
        assert_eq!(
            seen(all(), &[Label::Phase]),
            [(name("tls"), 1), (name("whole"), 2)]
        );
        assert_eq!(
            seen(all(), &[Label::Answer]),
            [(name("ordinary"), 2), (name("server_error"), 1)]
        );
        let other = all().with(Label::Address, "192.0.2.9".to_owned());
        assert_eq!(seen(other, &[Label::Address]), [(name("192.0.2.9"), 1)]);
    }

    #[test]
    fn what_would_be_too_large_is_refused_before_it_is_read() {
        let store = seeded(&[vec![vec![100]]]);
        let fine = GroupQuestion {
            step_ms: Some(10),
            ..question(&[Label::Zone])
        };
        let refused = groups(&source(&store), &fine, NOW).expect_err("60,002 rows");
        assert!(
            refused.to_string().contains("60002 rows") && refused.to_string().contains("longer step"),
            "{refused}"
        );
    }

    proptest! {
        /// The group of everything is the merge of its parts, whatever the parts are, and steps add up to the window.
        #[test]
        fn the_whole_is_the_merge_of_its_parts(
            delays in prop::collection::vec(prop::collection::vec(prop::collection::vec(1_u32..90_000, 1..4), 1..8), 1..5)
        ) {
            let store = seeded(&delays);
            let of = |by: &[Label], step_ms| {
                groups(&source(&store), &GroupQuestion { step_ms, ..question(by) }, NOW).expect("readable").rows
            };
            let whole = of(&[], None);
            let mut union: Vec<u32> = delays.concat().concat();
            union.extend(union.clone());
            let mut naive = Accumulator::new();
            naive.add(&DelayHistogram::from_values_us(&mut union)).expect("few");
            prop_assert_eq!(whole.len(), 1);
            prop_assert_eq!(whole[0].n, union.len() as u64);
            prop_assert_eq!([whole[0].p50_us, whole[0].p90_us, whole[0].p99_us], [0.5, 0.9, 0.99].map(|q| naive.quantile_us(q)));
            for (by, step_ms) in [(&[Label::Agent][..], None), (&[Label::City, Label::Zone], None), (&[Label::Zone], Some(20_000))] {
                let parts = of(by, step_ms);
                let sum = |number: fn(&GroupRow) -> u64| parts.iter().map(number).sum::<u64>();
                prop_assert_eq!((sum(|row| row.n), sum(|row| row.sent), sum(|row| row.lost)), (whole[0].n, whole[0].sent, whole[0].lost));
                prop_assert_eq!(parts.iter().filter_map(|row| row.min_us).min(), whole[0].min_us);
                prop_assert_eq!(parts.iter().filter_map(|row| row.max_us).max(), whole[0].max_us);
            }
        }
    }
}
