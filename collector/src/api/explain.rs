//! `GET /api/v1/explain`: what stands out in a rectangle of time and delay of one pair.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::answers::CoverageAnswer;
use super::context::Context;
use super::pair::question as pair_question;
use super::params::Params;
use super::reply::Reply;
use crate::problem::Problem;
use crate::query::explain::{ExplainLine, ExplainQuestion, ExplainTrait, explain as answer_explain};
use crate::store::TimeRange;
use crate::utc::UtcInstant;
use crate::words::{ClockName, LoadName, MethodName};

/// The parameters `explain` knows.
pub(super) const ALLOWED: &[&str] = &[
    "agent",
    "zone",
    "method",
    "load",
    "flow",
    "from",
    "to",
    "inside_from",
    "inside_to",
    "low_us",
    "high_us",
];
/// Delays a histogram may hold, in microseconds.
const DELAYS_US: std::ops::RangeInclusive<u32> = 0..=120_000_000;
/// A rectangle's edges in time: those of the intervals.
const GRID_MS: u64 = 10_000;
/// A year.
const LONGEST_MS: u64 = 366 * 86_400_000;

/// `GET /api/v1/explain`
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ExplainAnswer {
    /// Start of the window.
    pub from: UtcInstant,
    /// End of the window, exclusive.
    pub to: UtcInstant,
    /// Start of the rectangle, brought out to a whole 10 s.
    pub inside_from: UtcInstant,
    /// End of the rectangle, exclusive, brought out to a whole 10 s.
    pub inside_to: UtcInstant,
    /// Shortest delay of the rectangle.
    pub low_us: u32,
    /// Longest delay of the rectangle. A bin of the histogram belongs where its shortest delay does.
    pub high_us: u32,
    /// The agent.
    pub agent: String,
    /// The zone, `provider/region/zone`.
    pub zone: String,
    /// The method asked for.
    pub method: MethodName,
    /// The load label asked for.
    pub load: LoadName,
    /// The one flow; null when all are meant.
    #[schema(required)]
    pub flow: Option<u16>,
    /// The clock that stamped the delays of this method; null without delays.
    #[schema(required)]
    pub clock: Option<ClockName>,
    /// What was read.
    pub coverage: CoverageAnswer,
    /// Delays of the pair, by this method, in the rectangle.
    pub n_inside: u64,
    /// Delays of the pair, by this method, in the rest of the window.
    pub n_outside: u64,
    /// How much there was to tell apart, by what.
    pub traits: Vec<ExplainTrait>,
    /// What is more common inside than outside, the surest first, at most 12. Empty when nothing stands out.
    pub lines: Vec<ExplainLine>,
}

/// What stands out in a rectangle of the heat map: addresses, flows, hours, methods and load labels whose share inside is
/// larger than outside.
#[utoipa::path(
    get,
    path = "/api/v1/explain",
    tag = "query",
    params(
        ("agent" = String, Query, description = "The agent."),
        ("zone" = String, Query, description = "The zone, `provider/region/zone`."),
        ("method" = Option<MethodName>, Query, description = "The method of the heat map. Default `stamp`."),
        ("load" = Option<LoadName>, Query, description = "The load label of the heat map. Default `idle`."),
        ("flow" = Option<u16>, Query, description = "The flow (source port) of the heat map, from 0. Default: all."),
        ("from" = Option<String>, Query, description = "Start of the window: `2026-11-23T10:00:00Z`, or `now-1h` (units s, m, h, d). Default `now-1h`."),
        ("to" = Option<String>, Query, description = "End of the window, exclusive, written like `from`. Default `now`."),
        ("inside_from" = String, Query, description = "Start of the rectangle, written like `from`; brought out to a whole 10 s."),
        ("inside_to" = String, Query, description = "End of the rectangle, exclusive, written like `from`; brought out to a whole 10 s."),
        ("low_us" = Option<u32>, Query, description = "Shortest delay of the rectangle. Default 0."),
        ("high_us" = Option<u32>, Query, description = "Longest delay of the rectangle. Default: the longest there may be."),
    ),
    responses(
        (status = 200, description = "What stands out.", body = ExplainAnswer),
        (status = 400, description = "A parameter is missing, unknown, repeated or out of range; the detail says what is allowed.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such agent or zone.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many queries at once, or the store cannot be read; `Retry-After` says when to try again.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn explain(State(context): State<Arc<Context>>, RawQuery(query): RawQuery) -> Response {
    let now_unix_ms = (context.now_unix_ms)();
    match question(query.as_deref(), now_unix_ms) {
        Err(problem) => context.refuse("explain", problem).into_response(),
        Ok(asked) => {
            context
                .answer("explain", move |context, source| {
                    let told = answer_explain(source, &asked)?;
                    let pair = &asked.pair;
                    Reply::whole(&ExplainAnswer {
                        from: UtcInstant::from_unix_ms(pair.range.from_unix_ms),
                        to: UtcInstant::from_unix_ms(pair.range.to_unix_ms),
                        inside_from: UtcInstant::from_unix_ms(asked.inside.from_unix_ms),
                        inside_to: UtcInstant::from_unix_ms(asked.inside.to_unix_ms),
                        low_us: asked.low_us,
                        high_us: asked.high_us,
                        agent: pair.agent.to_string(),
                        zone: pair.zone.to_string(),
                        method: pair.method.into(),
                        load: pair.load.into(),
                        flow: pair.flow,
                        clock: told.clock.map(Into::into),
                        coverage: context.note_coverage(told.coverage).into(),
                        n_inside: told.n_inside,
                        n_outside: told.n_outside,
                        traits: told.traits,
                        lines: told.lines,
                    })
                })
                .await
        }
    }
}

fn question(query: Option<&str>, now_unix_ms: u64) -> Result<ExplainQuestion, Problem> {
    let params = Params::read(query, ALLOWED)?;
    let pair = pair_question(&params, now_unix_ms)?;
    for name in ["inside_from", "inside_to"] {
        params.required::<String>(name)?;
    }
    let inside = params.range_of(
        now_unix_ms,
        [("inside_from", "now"), ("inside_to", "now")],
        LONGEST_MS,
    )?;
    let low_us = params.number("low_us", *DELAYS_US.start(), DELAYS_US)?;
    let high_us = params.number("high_us", *DELAYS_US.end(), DELAYS_US)?;
    if low_us > high_us {
        let detail = "the parameter `low_us` is above `high_us`; it must not be";
        return Err(Problem::bad_request("invalid_parameter", detail));
    }
    Ok(ExplainQuestion {
        pair,
        inside: TimeRange {
            from_unix_ms: inside.from_unix_ms / GRID_MS * GRID_MS,
            to_unix_ms: inside.to_unix_ms.div_ceil(GRID_MS) * GRID_MS,
        },
        low_us,
        high_us,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_428_000_000;
    const PAIR: &str = "agent=a&zone=aws/eu-west-3/az0";

    #[test]
    fn a_rectangle_has_two_ends_and_whole_intervals() {
        let read = |rest: &str| question(Some(&format!("{PAIR}{rest}")), NOW);
        let asked =
            read("&inside_from=2026-11-23T08:00:03Z&inside_to=2026-11-23T08:00:12Z&low_us=5").expect("good");
        assert_eq!(asked.inside.length_ms(), 20_000);
        assert_eq!((asked.low_us, asked.high_us), (5, 120_000_000));
        let reason = |rest: &str| {
            read(rest)
                .err()
                .map(|problem| (problem.reason(), problem.detail().to_owned()))
        };
        assert!(reason("").is_some_and(|(reason, _)| reason == "missing_parameter"));
        assert!(
            reason("&inside_from=now-5m")
                .is_some_and(|(_, detail)| detail.contains("`inside_to` is missing"))
        );
        assert!(
            reason("&inside_from=now-1m&inside_to=now&low_us=9&high_us=8")
                .is_some_and(|(_, detail)| detail.contains("`low_us`"))
        );
    }
}
