//! `GET /api/v1/paths`: the routers on the way from an agent to a zone, now and at each change.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use azimuth_measurement::{Path, PathHop, PathReason, ZoneKey};
use serde::Serialize;
use utoipa::ToSchema;

use super::context::Context;
use super::reply::Reply;
use super::way::Way;
use crate::problem::Problem;
use crate::query::QueryError;
use crate::store::TimeRange;
use crate::store::paths::StoredPath;
use crate::utc::UtcInstant;
use crate::words::MethodName;

/// An agent tells each path again once a day; one not told for longer is not known to be the current one.
const CURRENT_MS: u64 = 26 * 3_600_000;

/// The paths of one pair.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PathsAnswer {
    /// Start of the window.
    pub from: UtcInstant,
    /// End of the window, exclusive.
    pub to: UtcInstant,
    /// The agent.
    pub agent: String,
    /// The zone.
    pub zone: String,
    /// One for each target and method that is traced, by target.
    pub targets: Vec<TargetPaths>,
}

/// The path to one target.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TargetPaths {
    /// The target.
    pub target: String,
    /// Its address, `ip:port`.
    pub address: String,
    /// How it is traced: the method of its packets.
    pub method: MethodName,
    /// The path at the end of the window; null when none was told in the 26 hours before.
    pub current: Option<ToldPath>,
    /// Changes in the window, oldest first.
    pub changes: Vec<PathChange>,
}

/// A path, and when the agent told it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ToldPath {
    /// When the trace that showed it ended.
    pub at: UtcInstant,
    /// Whether the last hop is the target.
    pub reached: bool,
    /// One for each distance, nearest first.
    pub hops: Vec<HopView>,
}

/// A change of path.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PathChange {
    /// When the trace that bore it out ended: the change itself came before.
    pub at: UtcInstant,
    /// What made the agent look.
    pub reason: ReasonName,
    /// The path before.
    pub before: PathView,
    /// The path after.
    pub after: PathView,
    /// Distances at which the two differ, from 1; a silent hop differs from nothing.
    pub differs_at: Vec<u32>,
}

/// What made an agent look at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReasonName {
    /// It was time.
    Scheduled,
    /// The agent saw its delay to the target shift.
    DelayShift,
}

/// The hops of one trace.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PathView {
    /// Whether the last hop is the target.
    pub reached: bool,
    /// One for each distance, nearest first.
    pub hops: Vec<HopView>,
}

/// What answered at one distance.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct HopView {
    /// The distance in routers, from 1.
    pub hop: u32,
    /// Who answered; empty when nobody did, several where routers share the load.
    pub addresses: Vec<String>,
    /// Packets sent to this distance.
    pub sent: u32,
    /// Those answered. Routers answer only so often: this is no loss of the path.
    pub answered: u32,
    /// Shortest round-trip delay in microseconds.
    pub min_us: Option<u32>,
    /// Median round-trip delay in microseconds.
    pub median_us: Option<u32>,
}

/// The routers on the way from an agent to a zone, now and at each change.
#[utoipa::path(
    get,
    path = "/api/v1/paths",
    tag = "query",
    params(
        ("agent" = String, Query, description = "The agent."),
        ("zone" = String, Query, description = "The zone, `provider/region/zone`."),
        ("from" = Option<String>, Query, description = "Start of the window: `2026-11-23T10:00:00Z`, or `now-1h` (units s, m, h, d). Default `now-24h`."),
        ("to" = Option<String>, Query, description = "End of the window, exclusive, written like `from`. Default `now`."),
    ),
    responses(
        (status = 200, description = "One entry for each target that is traced; none when the agent traces none.", body = PathsAnswer),
        (status = 400, description = "A parameter is missing, unknown, repeated or out of range; the detail says what is allowed.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such agent.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many queries at once, or the store cannot be read; `Retry-After` says when to try again.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn paths(State(context): State<Arc<Context>>, RawQuery(query): RawQuery) -> Response {
    let now_unix_ms = (context.now_unix_ms)();
    match Way::read(query.as_deref(), now_unix_ms) {
        Err(problem) => context.refuse("paths", problem).into_response(),
        Ok(way) => {
            context
                .answer("paths", move |context, _| {
                    let store = context.store.as_ref();
                    way.must_be_known(store)?;
                    let Way { agent, zone, range } = way;
                    let since_unix_ms = range.to_unix_ms.saturating_sub(CURRENT_MS);
                    let wide = TimeRange {
                        from_unix_ms: range.from_unix_ms.min(since_unix_ms),
                        ..range
                    };
                    let stored = store.paths(&agent, wide).map_err(QueryError::Store)?;
                    Reply::whole(&PathsAnswer {
                        from: UtcInstant::from_unix_ms(range.from_unix_ms),
                        to: UtcInstant::from_unix_ms(range.to_unix_ms),
                        agent: agent.to_string(),
                        zone: zone.to_string(),
                        targets: targets(&zone, range, since_unix_ms, stored),
                    })
                })
                .await
        }
    }
}

/// Sorts the events of an agent, oldest first, by target.
fn targets(
    zone: &ZoneKey,
    range: TimeRange,
    since_unix_ms: u64,
    stored: Vec<StoredPath>,
) -> Vec<TargetPaths> {
    let mut targets: BTreeMap<(String, String, &'static str), TargetPaths> = BTreeMap::new();
    for StoredPath { series, event } in stored {
        if series.zone != *zone {
            continue;
        }
        let address = series.address.to_string();
        let key = (series.target.clone(), address.clone(), series.method.as_str());
        let of_target = targets.entry(key).or_insert_with(|| TargetPaths {
            target: series.target,
            address,
            method: series.method.into(),
            current: None,
            changes: Vec::new(),
        });
        let at = UtcInstant::from_unix_ms(event.at_unix_ms);
        if event.at_unix_ms >= since_unix_ms {
            let PathView { reached, hops } = (&event.after).into();
            of_target.current = Some(ToldPath { at, reached, hops });
        }
        if let Some(before) = event.before.filter(|_| range.contains(event.at_unix_ms)) {
            of_target.changes.push(PathChange {
                at,
                reason: match event.reason {
                    PathReason::Scheduled => ReasonName::Scheduled,
                    PathReason::DelayShift => ReasonName::DelayShift,
                },
                differs_at: differs_at(&before, &event.after),
                before: (&before).into(),
                after: (&event.after).into(),
            });
        }
    }
    targets.into_values().collect()
}

/// Distances at which both answer and have nobody in common, or at which only one of two complete paths has a hop.
fn differs_at(before: &Path, after: &Path) -> Vec<u32> {
    let longest = before.hops.len().max(after.hops.len());
    let addresses = |path: &Path, index: usize| -> Option<Vec<IpAddr>> {
        path.hops.get(index).map(|hop| hop.addresses.clone())
    };
    let differs = |index: &usize| match (addresses(before, *index), addresses(after, *index)) {
        (Some(one), Some(other)) => {
            !one.is_empty() && !other.is_empty() && !one.iter().any(|address| other.contains(address))
        }
        _ => before.reached && after.reached,
    };
    (0..longest)
        .filter(differs)
        .map(|index| index as u32 + 1)
        .collect()
}

impl From<&Path> for PathView {
    fn from(path: &Path) -> Self {
        let hops = (1..).zip(&path.hops).map(|(hop, of): (u32, &PathHop)| HopView {
            hop,
            addresses: of.addresses.iter().map(ToString::to_string).collect(),
            sent: of.sent,
            answered: of.answered,
            min_us: of.min_us,
            median_us: of.median_us,
        });
        Self {
            reached: path.reached,
            hops: hops.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use azimuth_measurement::PathEvent;

    use crate::store::conformance::manifest_of;

    const NOW: u64 = 1_795_428_000_000;

    fn path(routers: &[u8]) -> Path {
        let hop = |router: &u8| PathHop {
            addresses: (*router > 0)
                .then(|| [10, 0, 0, *router].into())
                .into_iter()
                .collect(),
            ..PathHop::default()
        };
        Path {
            hops: routers.iter().map(hop).collect(),
            reached: true,
        }
    }

    #[test]
    fn the_newest_is_current_and_changes_are_those_of_the_window() {
        let series = manifest_of("one", 1).series[0].clone();
        let told = |ago_ms: u64, before: Option<Path>, after: Path| StoredPath {
            series: series.clone(),
            event: PathEvent {
                series: 0,
                at_unix_ms: NOW - ago_ms,
                reason: PathReason::DelayShift,
                before,
                after,
            },
        };
        let range = TimeRange {
            from_unix_ms: NOW - 3_600_000,
            to_unix_ms: NOW,
        };
        let stored = vec![
            told(9_000_000, Some(path(&[1, 5, 9])), path(&[1, 2, 9])),
            told(60_000, Some(path(&[1, 2, 9])), path(&[1, 3, 0, 9])),
            told(30_000, None, path(&[1, 3, 4, 9])),
        ];
        let found = targets(&series.zone, range, NOW - CURRENT_MS, stored.clone());
        assert_eq!((found.len(), found[0].changes.len()), (1, 1));
        assert_eq!(found[0].changes[0].differs_at, [2, 4]);
        let current = found[0].current.as_ref().expect("told within a day");
        assert_eq!(current.at, UtcInstant::from_unix_ms(NOW - 30_000));
        assert_eq!(current.hops[2].addresses, ["10.0.0.4"]);
        let long_ago = targets(&series.zone, range, NOW, stored);
        assert_eq!(long_ago[0].current, None);
        let elsewhere = "aws/eu-west-3/euw3-az9".parse().expect("a zone");
        assert_eq!(targets(&elsewhere, range, 0, Vec::new()), []);
    }
}
