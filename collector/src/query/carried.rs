//! What the paths of a map carry: of each agent, zone and direction the newest throughput test that says something. Never averaged;
//! an older estimate does not stand in for a newer lower bound, and a test that failed is counted beside it.

use std::collections::{BTreeMap, BTreeSet};

use azimuth_measurement::throughput::Reading;
use azimuth_measurement::{AgentId, ThroughputResult, TransferDirection, ZoneKey};

use super::map::MAX_CELLS;
use super::selection::Chosen;
use super::{QueryError, Selection, Source};
use crate::store::TimeRange;
use crate::store::throughput::StoredThroughput;

/// A question about many agents and zones.
#[derive(Debug, Clone)]
pub struct CarriedQuestion {
    /// Which agents and zones; a test has no method.
    pub selection: Selection,
    /// Tests that ended in this range.
    pub range: TimeRange,
}

/// What tests of one agent and zone found in one direction.
#[derive(Debug, Clone, PartialEq)]
pub struct Carried {
    /// The agent.
    pub agent: AgentId,
    /// The zone.
    pub zone: ZoneKey,
    /// Which way the octets went.
    pub direction: TransferDirection,
    /// The newest test that did not fail; the newest failed one when all of them did.
    pub newest: ThroughputResult,
    /// Tests in the range, failed ones included.
    pub tests: u64,
    /// Those that failed.
    pub failed: u64,
}

/// By agent, then zone, then direction; nothing where nobody tested.
///
/// # Errors
/// When a name is not known, there are too many pairs, or the store cannot be read.
pub fn carried(source: &Source<'_>, question: &CarriedQuestion) -> Result<Vec<Carried>, QueryError> {
    let chosen = Chosen::find(source, &question.selection, &[])?;
    let dictionary = &chosen.labels.dictionary;
    let mut zones: BTreeMap<&AgentId, BTreeSet<&ZoneKey>> = BTreeMap::new();
    for (_, series) in chosen.iter() {
        if let Some(agent) = dictionary.agent(series.agent) {
            zones.entry(agent).or_default().insert(&series.descriptor.zone);
        }
    }
    let cells = zones.values().map(BTreeSet::len).sum::<usize>() as u64;
    if cells > MAX_CELLS {
        return Err(QueryError::TooManyCells {
            what: "agent and zone",
            cells,
            most: MAX_CELLS,
            advice: "",
        });
    }
    let mut found = Vec::new();
    for (agent, zones) in zones {
        source.stop.check()?;
        let mut stored = source.store.throughput(agent, question.range)?;
        stored.retain(|one| zones.contains(&one.series.zone));
        found.extend(newest(agent, stored));
    }
    Ok(found)
}

/// Gathers tests of one agent, oldest first.
fn newest(agent: &AgentId, stored: Vec<StoredThroughput>) -> impl Iterator<Item = Carried> {
    let mut by_way: BTreeMap<(ZoneKey, bool), Carried> = BTreeMap::new();
    for StoredThroughput { series, result } in stored {
        let failed = result.reading() == Reading::Failed;
        let way = (series.zone.clone(), result.direction == TransferDirection::Upload);
        let carried = by_way.entry(way).or_insert_with(|| Carried {
            agent: agent.clone(),
            zone: series.zone,
            direction: result.direction,
            newest: result.clone(),
            tests: 0,
            failed: 0,
        });
        carried.tests += 1;
        carried.failed += u64::from(failed);
        if !failed || carried.newest.reading() == Reading::Failed {
            carried.newest = result;
        }
    }
    by_way.into_values()
}

#[cfg(test)]
mod tests {
    use azimuth_measurement::StopReason;

    use super::super::source::tests::source;
    use super::*;
    use crate::query::Label;
    use crate::store::Store;
    use crate::store::conformance::throughput::result;
    use crate::store::conformance::{T0, item, manifest_of, report_of, verified};
    use crate::store::memory::MemoryStore;

    #[test]
    fn the_newest_that_says_something_stands_for_its_way_and_failures_are_counted() {
        let store = MemoryStore::default();
        let failed = |at, series| ThroughputResult {
            stop: StopReason::Refused,
            settled: false,
            bytes: 0,
            ..result(at, series, 0)
        };
        let bound = ThroughputResult {
            settled: false,
            stop: StopReason::ByteCap,
            ..result(T0 + 2_000, 0, 80)
        };
        let up = ThroughputResult {
            direction: TransferDirection::Upload,
            ..result(T0 + 500, 0, 7)
        };
        for (id, results) in [
            (
                "one",
                vec![up, result(T0 + 1_000, 0, 90), bound, failed(T0 + 3_000, 0)],
            ),
            ("two", vec![failed(T0 + 1_000, 1), failed(T0 + 2_000, 1)]),
        ] {
            let manifest = manifest_of(id, 2);
            let mut report = report_of(&manifest, 1, 0, &[500]);
            report.throughput = results;
            store
                .commit(&[verified(&manifest)], &[item(&report)])
                .expect("durable");
        }
        let ask = |selection: Selection, to: u64| {
            let question = CarriedQuestion {
                selection,
                range: TimeRange {
                    from_unix_ms: T0,
                    to_unix_ms: T0 + to,
                },
            };
            carried(&source(&store), &question)
        };
        let seen: Vec<_> = ask(Selection::default(), 10_000)
            .expect("readable")
            .into_iter()
            .map(|one| {
                (
                    one.agent.to_string(),
                    one.zone.to_string(),
                    one.direction,
                    one.newest.at_unix_ms - T0,
                    one.newest.reading(),
                    (one.tests, one.failed),
                )
            })
            .collect();
        let (az0, az1) = ("aws/eu-west-3/az0".to_owned(), "aws/eu-west-3/az1".to_owned());
        let (down, up) = (TransferDirection::Download, TransferDirection::Upload);
        assert_eq!(
            seen,
            [
                (
                    "one".to_owned(),
                    az0.clone(),
                    down,
                    2_000,
                    Reading::LowerBound,
                    (3, 1)
                ),
                ("one".to_owned(), az0, up, 500, Reading::Estimate, (1, 0)),
                ("two".to_owned(), az1, down, 2_000, Reading::Failed, (2, 2)),
            ]
        );
        let only = |label, value: &str| ask(Selection::default().with(label, value.to_owned()), 1_001);
        assert_eq!(only(Label::Agent, "one").expect("readable").len(), 2);
        assert_eq!(only(Label::Zone, "aws/eu-west-3/az1").expect("readable").len(), 1);
        assert!(matches!(
            only(Label::Agent, "three"),
            Err(QueryError::Unknown { .. })
        ));
    }
}
