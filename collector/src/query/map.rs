//! The map: one cell per vantage point and zone, over one window.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use azimuth_measurement::{Accumulator, AgentId, Granularity, LoadLabel, Method, ZoneKey};
use serde::Serialize;
use utoipa::ToSchema;

use super::merge::{Merge, quantiles_us};
use super::{QueryError, check_names, loss_ratio, measures};
use crate::store::dictionary::AgentNumber;
use crate::store::{Coverage, ScanRequest, SeriesSelection, Store, TimeRange};
use crate::words::{ClockName, GranularityName};

/// A question about many agents and zones. One method, one load label: two of either are never merged.
#[derive(Debug, Clone)]
pub struct MapQuestion {
    /// Only these agents; all when empty.
    pub agents: Vec<AgentId>,
    /// Only these zones; all when empty.
    pub zones: Vec<ZoneKey>,
    /// The method.
    pub method: Method,
    /// The load label.
    pub load: LoadLabel,
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
    /// The clock that stamped the delays behind the quantiles; null without delays.
    #[schema(required)]
    pub clock: Option<ClockName>,
    /// How exactly the targets stand for the zone: the vaguest of those merged here.
    pub granularity: GranularityName,
}

/// One cell per agent and zone that has data in the range, by agent, then zone.
///
/// # Errors
/// When a name is not known, the store cannot be read, or counters overflow.
pub fn map(store: &dyn Store, question: &MapQuestion) -> Result<(Vec<MapCell>, Coverage), QueryError> {
    let dictionary = store.dictionary();
    check_names(&dictionary, &question.agents, &question.zones)?;
    let wanted_agents: Vec<AgentNumber> = question
        .agents
        .iter()
        .filter_map(|agent| dictionary.agent_number(agent))
        .collect();

    let mut cells: Vec<Cell> = Vec::new();
    let mut cell_of_pair: BTreeMap<(&AgentId, &ZoneKey), usize> = BTreeMap::new();
    let mut cell_of_series: Vec<Option<usize>> = vec![None; dictionary.series_count()];
    let mut selection = SeriesSelection::default();
    for (id, series) in dictionary.series() {
        let chosen = measures(series, question.method, question.load)
            && (wanted_agents.is_empty() || wanted_agents.contains(&series.agent))
            && (question.zones.is_empty() || question.zones.contains(&series.descriptor.zone));
        let Some(agent) = dictionary.agent(series.agent).filter(|_| chosen) else {
            continue;
        };
        let cell = *cell_of_pair
            .entry((agent, &series.descriptor.zone))
            .or_insert_with(|| {
                cells.push(Cell::default());
                cells.len() - 1
            });
        selection.insert(id);
        cell_of_series[id.index()] = Some(cell);
    }

    let mut scratch = Accumulator::new();
    let mut failed = None;
    let request = ScanRequest {
        range: question.range,
        series: &selection,
        step_ms: ScanRequest::WHOLE_RANGE,
    };
    let granularities: Vec<Granularity> = dictionary
        .series()
        .map(|(_, series)| series.descriptor.granularity)
        .collect();
    let coverage = store.scan(request, &mut |observation| {
        let index = observation.series.index();
        // A series that appeared after the snapshot was taken is in the next answer.
        let Some(cell) = cell_of_series
            .get(index)
            .copied()
            .flatten()
            .and_then(|cell| cells.get_mut(cell))
        else {
            return ControlFlow::Continue(());
        };
        cell.granularity = cell.granularity.max(granularities.get(index).copied());
        match cell
            .merge
            .add(&observation.counts, observation.delays, &mut scratch)
        {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    let mut answered = Vec::with_capacity(cells.len());
    for ((agent, zone), cell) in cell_of_pair {
        if let Some(granularity) = cells[cell].granularity {
            answered.push(cells[cell].finish(agent, zone, granularity, &mut scratch)?);
        }
    }
    Ok((answered, coverage))
}

#[derive(Debug, Default)]
struct Cell {
    merge: Merge,
    /// The vaguest seen; `None` before the first observation.
    granularity: Option<Granularity>,
}

impl Cell {
    fn finish(
        &self,
        agent: &AgentId,
        zone: &ZoneKey,
        granularity: Granularity,
        scratch: &mut Accumulator,
    ) -> Result<MapCell, QueryError> {
        let clock = self.merge.fill_best(scratch)?;
        let [p50_us, p90_us, p99_us] = quantiles_us(scratch, [0.5, 0.9, 0.99]);
        let counts = self.merge.counts();
        Ok(MapCell {
            agent: agent.to_string(),
            zone: zone.to_string(),
            n: scratch.count(),
            sent: counts.sent,
            returned: counts.returned,
            lost: counts.lost(),
            loss_ratio: loss_ratio(counts.lost(), counts.sent),
            min_us: scratch.min_us(),
            p50_us,
            p90_us,
            p99_us,
            max_us: scratch.max_us(),
            clock: clock.map(ClockName::from),
            granularity: granularity.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use azimuth_measurement::{DelayHistogram, Manifest, ProbeCounts, StampClock};

    use super::*;
    use crate::store::Retention;
    use crate::store::conformance::{T0, agent, item, manifest_of, report_of, verified};
    use crate::store::embedded::EmbeddedStore;

    fn question() -> MapQuestion {
        MapQuestion {
            agents: Vec::new(),
            zones: Vec::new(),
            method: Method::Stamp,
            load: LoadLabel::Idle,
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
        let (cells, coverage) = map(&store, &question()).expect("readable");
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
        let (cells, _) = map(&store, &question()).expect("readable");
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
            agents: vec![agent("b")],
            zones: vec![zone],
            ..question()
        };
        assert_eq!(map(&store, &one).expect("readable").0.len(), 1);
        let other_method = MapQuestion {
            method: Method::TcpConnect,
            ..question()
        };
        assert_eq!(map(&store, &other_method).expect("readable").0.len(), 0);
        let unknown = MapQuestion {
            agents: vec![agent("c")],
            ..question()
        };
        assert!(matches!(map(&store, &unknown), Err(QueryError::UnknownAgent(_))));
        let nowhere = MapQuestion {
            zones: vec!["x/y/z".parse().expect("a zone")],
            ..question()
        };
        assert!(matches!(map(&store, &nowhere), Err(QueryError::UnknownZone(_))));
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
        let (cells, _) = map(&store, &question()).expect("readable");
        assert_eq!(cells.len(), 1);
        assert_eq!(cells[0].granularity, GranularityName::Region);
        assert_eq!(
            (cells[0].n, cells[0].returned, cells[0].max_us),
            (1, 2, Some(500))
        );
    }
}
