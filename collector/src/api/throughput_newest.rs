//! `GET /api/v1/throughput/newest`: what each path of a map carries. The tests behind it, one by one, are `throughput`'s.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::context::Context;
use super::params::Params;
use super::reply::Reply;
use super::throughput::{DirectionName, ReadingName};
use crate::problem::Problem;
use crate::query::Selection;
use crate::query::carried::{Carried, CarriedQuestion, carried};
use crate::utc::UtcInstant;

/// The parameters it knows: a test has no method, load or flow.
pub(super) const ALLOWED: &[&str] = &[
    "from", "to", "agent", "zone", "city", "country", "network", "provider", "region", "metro",
];
/// The longest window: a year.
const LONGEST_MS: u64 = 366 * 86_400_000;

/// What the paths of a map carry.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct NewestThroughputAnswer {
    /// Start of the window.
    pub from: UtcInstant,
    /// End of the window, exclusive.
    pub to: UtcInstant,
    /// One per agent, zone and direction that was tested.
    pub cells: Vec<NewestThroughput>,
}

/// The newest test of one agent, zone and direction that says something; the newest failed one when all failed.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct NewestThroughput {
    /// The agent.
    pub agent: String,
    /// The zone, `provider/region/zone`.
    pub zone: String,
    /// Which way the octets went.
    pub direction: DirectionName,
    /// How `bps` is to be read.
    pub reading: ReadingName,
    /// Bits per second over the last half after the ramp-up; null when every test failed.
    #[schema(required)]
    pub bps: Option<u64>,
    /// When its load ended.
    pub at: UtcInstant,
    /// The sender's congestion control; null when it was not told.
    #[schema(required)]
    pub congestion_control: Option<String>,
    /// Median delay under load minus median delay before it, in microseconds.
    #[schema(required)]
    pub added_delay_us: Option<i64>,
    /// Tests in the window, failed ones included.
    pub tests: u64,
    /// Those that failed.
    pub failed: u64,
}

/// Of each agent, zone and direction the newest throughput test of a window.
#[utoipa::path(
    get,
    path = "/api/v1/throughput/newest",
    tag = "query",
    params(
        ("from" = Option<String>, Query, description = "Start of the window: `2026-11-23T10:00:00Z`, or `now-24h` (units s, m, h, d). Default `now-24h`. At most 366 d before `to`."),
        ("to" = Option<String>, Query, description = "End of the window, exclusive, written like `from`. Default `now`."),
        ("agent" = Option<Vec<String>>, Query, description = "Only these agents; may be repeated."),
        ("zone" = Option<Vec<String>>, Query, description = "Only these zones, `provider/region/zone`; may be repeated."),
        ("city" = Option<Vec<String>>, Query, description = "Only vantage points in these cities; may be repeated."),
        ("country" = Option<Vec<String>>, Query, description = "Only vantage points in these countries, ISO 3166-1 alpha-2; may be repeated."),
        ("network" = Option<Vec<String>>, Query, description = "Only vantage points in these access networks, `AS3215` or by name; may be repeated."),
        ("provider" = Option<Vec<String>>, Query, description = "Only zones of these providers; may be repeated."),
        ("region" = Option<Vec<String>>, Query, description = "Only zones of these regions, `provider/region`; may be repeated."),
        ("metro" = Option<Vec<String>>, Query, description = "Only zones in these metropolitan areas of the catalogue; may be repeated."),
    ),
    responses(
        (status = 200, description = "By agent, zone and direction; none where nobody tests.", body = NewestThroughputAnswer),
        (status = 400, description = "A parameter is unknown, repeated or out of range; the detail says what is allowed.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Nothing is stored under a name asked for.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many queries at once, or the store cannot be read; `Retry-After` says when to try again.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn newest(State(context): State<Arc<Context>>, RawQuery(query): RawQuery) -> Response {
    let now_unix_ms = (context.now_unix_ms)();
    match question(query.as_deref(), now_unix_ms) {
        Err(problem) => context.refuse("throughput_newest", problem).into_response(),
        Ok(question) => {
            context
                .answer("throughput_newest", move |_, source| {
                    let cells = carried(source, &question)?;
                    Reply::whole(&NewestThroughputAnswer {
                        from: UtcInstant::from_unix_ms(question.range.from_unix_ms),
                        to: UtcInstant::from_unix_ms(question.range.to_unix_ms),
                        cells: cells.into_iter().map(NewestThroughput::from).collect(),
                    })
                })
                .await
        }
    }
}

fn question(query: Option<&str>, now_unix_ms: u64) -> Result<CarriedQuestion, Problem> {
    let params = Params::read(query, ALLOWED)?;
    Ok(CarriedQuestion {
        selection: params.narrow(Selection::default(), "")?,
        range: params.range(now_unix_ms, "now-24h", LONGEST_MS)?,
    })
}

impl From<Carried> for NewestThroughput {
    fn from(carried: Carried) -> Self {
        let result = carried.newest;
        Self {
            agent: carried.agent.to_string(),
            zone: carried.zone.to_string(),
            direction: result.direction.into(),
            reading: result.reading().into(),
            bps: (result.bps > 0).then_some(result.bps),
            at: UtcInstant::from_unix_ms(result.at_unix_ms),
            added_delay_us: result.added_delay_us(),
            congestion_control: result
                .sender
                .map(|sender| sender.congestion_control)
                .filter(|name| !name.is_empty()),
            tests: carried.tests,
            failed: carried.failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_has_no_method_and_a_day_is_looked_back() {
        let asked = question(Some("agent=a&agent=b&metro=Paris"), 200_000_000).expect("a question");
        assert_eq!(asked.range.length_ms(), 86_400_000);
        let refused = question(Some("method=stamp"), 0).expect_err("refused");
        assert_eq!(refused.reason(), "unknown_parameter");
    }
}
