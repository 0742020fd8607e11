//! The map: one cell per vantage point and zone, over one window.

use std::collections::BTreeMap;

use azimuth_measurement::{AgentId, Granularity, ZoneKey};
use serde::Serialize;
use utoipa::ToSchema;

use super::facts::Facts;
use super::gaps::{AgentGap, Heard};
use super::merge::Figures;
use super::selection::Chosen;
use super::whole::{Audience, merge_groups};
use super::{QueryError, Selection, Source, loss_ratio};
use crate::store::dictionary::AgentNumber;
use crate::store::{Coverage, SeriesId, TimeRange};
use crate::words::{ClockName, GranularityName};

/// Most cells of one map: enough for 500 agents and 100 zones.
pub const MAX_CELLS: u64 = 50_000;

/// A question about many agents and zones. Its selection names one method and one load label: two of either are never
/// merged.
#[derive(Debug, Clone)]
pub struct MapQuestion {
    /// Which series.
    pub selection: Selection,
    /// Intervals that start in this range.
    pub range: TimeRange,
}

/// What one agent saw of one zone, by one method under one load label.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct MapCell {
    /// The agent.
    pub agent: String,
    /// The zone, `provider/region/zone`.
    pub zone: String,
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
    /// How exactly the targets stand for the zone: the vaguest of those merged here.
    pub granularity: GranularityName,
}

/// A map.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// One per agent and zone that has data.
    pub cells: Vec<MapCell>,
    /// Which agents were silent, when and why.
    pub gaps: Vec<AgentGap>,
    /// What was read.
    pub coverage: Coverage,
}

/// One cell per agent and zone that has data in the range, by agent, then zone.
///
/// # Errors
/// When a name is not known, the store cannot be read, or counters overflow.
pub fn map(source: &Source<'_>, question: &MapQuestion, now_unix_ms: u64) -> Result<Map, QueryError> {
    let chosen = Chosen::find(source, &question.selection, &[])?;
    let dictionary = &chosen.labels.dictionary;
    let mut pairs: BTreeMap<(&AgentId, &ZoneKey), Vec<SeriesId>> = BTreeMap::new();
    let mut members: Vec<Option<Member>> = vec![None; dictionary.series_count()];
    let mut heard = Heard::default();
    for (id, series) in chosen.iter() {
        let Some(agent) = dictionary.agent(series.agent) else {
            continue;
        };
        pairs
            .entry((agent, &series.descriptor.zone))
            .or_default()
            .push(id);
        heard.expect(series.agent);
        members[id.index()] = Some(Member {
            agent: series.agent,
            granularity: series.descriptor.granularity,
        });
    }
    if pairs.len() as u64 > MAX_CELLS {
        return Err(QueryError::TooManyCells {
            what: "agent and zone",
            cells: pairs.len() as u64,
            most: MAX_CELLS,
            advice: ", or GET /api/v1/groups by a wider label",
        });
    }
    let (names, groups): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    let mut cells = Cells {
        names,
        members,
        heard,
        cells: Vec::with_capacity(groups.len()),
    };
    let coverage = merge_groups(source, question.range, &chosen.series, &groups, &mut cells)?;
    Ok(Map {
        gaps: cells
            .heard
            .gaps(source, dictionary, question.range, &coverage, now_unix_ms)?,
        cells: cells.cells,
        coverage,
    })
}

#[derive(Debug, Clone, Copy)]
struct Member {
    agent: AgentNumber,
    granularity: Granularity,
}

/// The map as it fills.
struct Cells<'a> {
    /// Of each group.
    names: Vec<(&'a AgentId, &'a ZoneKey)>,
    /// By series.
    members: Vec<Option<Member>>,
    heard: Heard,
    cells: Vec<MapCell>,
}

impl Audience for Cells<'_> {
    fn hear(&mut self, series: SeriesId, start_unix_ms: u64, length_ms: u32) {
        if let Some(member) = &self.members[series.index()] {
            self.heard.hear(member.agent, start_unix_ms, length_ms);
        }
    }

    fn finish(&mut self, group: usize, figures: Figures, seen: &[SeriesId]) {
        let (agent, zone) = self.names[group];
        let members = seen.iter().filter_map(|series| self.members[series.index()]);
        let Some(granularity) = members.map(|member| member.granularity).max() else {
            return;
        };
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
        self.cells.push(MapCell {
            agent: agent.to_string(),
            zone: zone.to_string(),
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

#[cfg(test)]
mod tests {
    use azimuth_measurement::{DelayHistogram, LoadLabel, Manifest, Method, ProbeCounts, StampClock};

    use super::super::source::tests::source;
    use super::*;
    use crate::query::Label;
    use crate::store::Retention;
    use crate::store::Store;
    use crate::store::conformance::{T0, agent, item, manifest_of, report_of, verified};
    use crate::store::embedded::EmbeddedStore;

    /// The end of the window.
    const NOW: u64 = T0 + 300_000;

    fn all() -> Selection {
        Selection::of(Method::Stamp, LoadLabel::Idle)
    }

    fn question() -> MapQuestion {
        MapQuestion {
            selection: all(),
            range: TimeRange {
                from_unix_ms: T0,
                to_unix_ms: T0 + 300_000,
            },
        }
    }

    fn store() -> (tempfile::TempDir, EmbeddedStore) {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let store = EmbeddedStore::open(directory.path(), Retention::default(), T0).expect("openable");
        (directory, store)
    }

    fn seed(store: &EmbeddedStore, manifest: &Manifest, delays_us: &[&[u32]]) {
        let items: Vec<_> = (0..)
            .zip(delays_us)
            .map(|(slot, delays)| item(&report_of(manifest, slot + 1, slot, delays)))
            .collect();
        store.commit(&[verified(manifest)], &items).expect("writable");
    }

    #[test]
    fn a_cell_merges_intervals_and_takes_quantiles_last() {
        let (_directory, store) = store();
        seed(&store, &manifest_of("b", 1), &[&[100, 200, 300], &[1_000]]);
        seed(&store, &manifest_of("a", 2), &[&[50]]);
        let Map { cells, coverage, .. } = map(&source(&store), &question(), NOW).expect("readable");
        assert_eq!(coverage.unreadable_reports, 0);
        let names: Vec<_> = cells
            .iter()
            .map(|cell| (cell.agent.as_str(), cell.zone.as_str()))
            .collect();
        assert_eq!(
            names,
            [
                ("a", "aws/eu-west-3/az0"),
                ("a", "aws/eu-west-3/az1"),
                ("b", "aws/eu-west-3/az0")
            ]
        );
        let merged = &cells[2];
        assert_eq!(
            (merged.n, merged.sent, merged.returned, merged.lost),
            (4, 6, 4, 2)
        );
        // An average of the two medians would be 600: this is the second of the four delays.
        assert_eq!(
            (merged.min_us, merged.p50_us, merged.max_us),
            (Some(100), Some(200), Some(1_000))
        );
        assert_eq!(merged.loss_ratio, Some(2.0 / 6.0));
        assert_eq!(merged.clock, Some(ClockName::Kernel));
    }

    #[test]
    fn a_zone_that_stopped_answering_has_a_cell_and_no_delay() {
        let (_directory, store) = store();
        let manifest = manifest_of("a", 1);
        let mut silent = report_of(&manifest, 1, 0, &[]);
        silent.records[0].delays.clear();
        silent.records[0].counts = ProbeCounts {
            sent: 10,
            ..ProbeCounts::default()
        };
        store
            .commit(&[verified(&manifest)], &[item(&silent)])
            .expect("writable");
        let Map { cells, .. } = map(&source(&store), &question(), NOW).expect("readable");
        let cell = &cells[0];
        assert_eq!((cell.n, cell.lost, cell.loss_ratio), (0, 10, Some(1.0)));
        assert_eq!((cell.min_us, cell.p50_us, cell.clock), (None, None, None));
    }

    #[test]
    fn filters_choose_and_misspelt_names_are_named() {
        let (_directory, store) = store();
        seed(&store, &manifest_of("a", 2), &[&[50]]);
        seed(&store, &manifest_of("b", 2), &[&[50]]);
        let zone: ZoneKey = "aws/eu-west-3/az1".parse().expect("a zone");
        let one = MapQuestion {
            selection: all().agent(&agent("b")).zone(&zone),
            ..question()
        };
        assert_eq!(map(&source(&store), &one, NOW).expect("readable").cells.len(), 1);
        let other_method = MapQuestion {
            selection: Selection::of(Method::TcpConnect, LoadLabel::Idle),
            ..question()
        };
        assert_eq!(
            map(&source(&store), &other_method, NOW)
                .expect("readable")
                .cells
                .len(),
            0
        );
        let unknown = MapQuestion {
            selection: all().agent(&agent("c")),
            ..question()
        };
        assert!(matches!(
            map(&source(&store), &unknown, NOW),
            Err(QueryError::Unknown {
                label: Label::Agent,
                ..
            })
        ));
        let nowhere = MapQuestion {
            selection: all().zone(&"x/y/z".parse().expect("a zone")),
            ..question()
        };
        assert!(matches!(
            map(&source(&store), &nowhere, NOW),
            Err(QueryError::Unknown {
                label: Label::Zone,
                ..
            })
        ));
    }

    #[test]
    fn the_vaguest_granularity_of_a_cell_is_shown_and_clocks_are_not_mixed() {
        let (_directory, store) = store();
        let mut manifest = manifest_of("a", 2);
        manifest.series[1].zone = manifest.series[0].zone.clone();
        manifest.series[1].granularity = Granularity::Region;
        let mut report = report_of(&manifest, 1, 0, &[500]);
        report.records[1].delays = vec![(StampClock::User, DelayHistogram::from_values_us(&mut [9_000]))];
        store
            .commit(&[verified(&manifest)], &[item(&report)])
            .expect("writable");
        let Map { cells, .. } = map(&source(&store), &question(), NOW).expect("readable");
        assert_eq!(cells.len(), 1);
        assert_eq!(cells[0].granularity, GranularityName::Region);
        assert_eq!(
            (cells[0].n, cells[0].returned, cells[0].max_us),
            (1, 2, Some(500))
        );
    }

    #[test]
    fn an_agent_that_fell_silent_is_named_with_the_cause_it_gave_or_without() {
        let (_directory, store) = store();
        seed(&store, &manifest_of("a", 1), &[&[50][..]; 30]);
        seed(&store, &manifest_of("b", 1), &[&[50][..]; 3]);
        seed(&store, &manifest_of("c", 1), &[&[50][..]; 3]);
        let gave_up = crate::store::Item::Tombstone(azimuth_measurement::Tombstone {
            agent: agent("c"),
            epoch: T0,
            first_sequence: 4,
            last_sequence: 30,
            start_unix_ms: T0 + 30_000,
            end_unix_ms: T0 + 300_000,
            cause: azimuth_measurement::LossCause::QueueFull,
        });
        store.commit(&[], &[gave_up]).expect("writable");
        let gaps = map(&source(&store), &question(), NOW).expect("readable").gaps;
        let seen: Vec<_> = gaps
            .iter()
            .map(|gap| {
                (
                    gap.agent.as_str(),
                    gap.start_at.unix_ms() - T0,
                    gap.end_at.unix_ms() - T0,
                    gap.cause.as_str(),
                    gap.reports,
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("b", 30_000, 300_000, "not_received", None),
                ("c", 30_000, 300_000, "queue_full", Some(27)),
            ]
        );
        assert!(
            map(&source(&store), &question(), T0 + 50_000)
                .expect("readable")
                .gaps
                .iter()
                .all(|gap| gap.agent == "c"),
            "what lies ahead is no silence"
        );
    }

    #[test]
    fn an_agent_that_came_back_was_silent_in_between_and_its_groups_say_so_too() {
        let (_directory, store) = store();
        let manifest = manifest_of("a", 1);
        let merged = crate::store::Item::Tombstone(azimuth_measurement::Tombstone {
            agent: agent("b"),
            epoch: T0,
            first_sequence: 7,
            last_sequence: 20,
            start_unix_ms: T0 + 60_000,
            end_unix_ms: T0 + 200_000,
            cause: azimuth_measurement::LossCause::Merged,
        });
        let other = manifest_of("b", 1);
        for manifest in [&manifest, &other] {
            let items: Vec<_> = (0..6)
                .chain(20..30)
                .map(|slot| item(&report_of(manifest, slot + 1, slot, &[50])))
                .collect();
            store.commit(&[verified(manifest)], &items).expect("writable");
        }
        store.commit(&[], &[merged]).expect("writable");
        let gaps = map(&source(&store), &question(), NOW).expect("readable").gaps;
        let seen: Vec<_> = gaps
            .iter()
            .map(|gap| {
                (
                    gap.agent.as_str(),
                    gap.start_at.unix_ms() - T0,
                    gap.end_at.unix_ms() - T0,
                )
            })
            .collect();
        assert_eq!(
            seen,
            [("a", 60_000, 200_000)],
            "what was merged is in a longer interval"
        );
        assert_eq!((gaps[0].cause.as_str(), gaps[0].reports), ("not_received", None));
        for step_ms in [None, Some(60_000)] {
            let by_city = super::super::group::GroupQuestion {
                selection: all(),
                by: vec![Label::City],
                range: question().range,
                step_ms,
            };
            let found = super::super::group::groups(&source(&store), &by_city, NOW).expect("readable");
            assert_eq!(found.gaps, gaps);
        }
    }
}
