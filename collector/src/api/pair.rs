//! The questions about one agent and one zone: `GET /api/v1/series`, `heatmap` and `distribution`.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use azimuth_measurement::{LoadLabel, Method};

use super::answers::{DistributionAnswer, HeatmapAnswer, SeriesAnswer};
use super::context::Context;
use super::params::Params;
use super::reply::Reply;
use crate::problem::Problem;
use crate::query::distribution::distribution as answer_distribution;
use crate::query::gaps::gaps;
use crate::query::heatmap::heatmap as answer_heatmap;
use crate::query::series::series as answer_series;
use crate::query::{PairQuestion, loss_ratio};
use crate::utc::UtcInstant;
use crate::words::{LoadName, MethodName};

/// The parameters `series` knows.
pub(super) const ALLOWED_SERIES: &[&str] = &["agent", "zone", "method", "load", "flow", "from", "to", "step"];
/// The parameters `heatmap` knows.
pub(super) const ALLOWED_HEATMAP: &[&str] = &[
    "agent", "zone", "method", "load", "flow", "from", "to", "step", "rows",
];
/// The parameters `distribution` knows.
pub(super) const ALLOWED_DISTRIBUTION: &[&str] = &["agent", "zone", "method", "load", "flow", "from", "to"];
/// The longest window: a year.
const LONGEST_MS: u64 = 366 * 86_400_000;

/// One pair over time, and the gaps whose cause is known.
#[utoipa::path(
    get,
    path = "/api/v1/series",
    tag = "query",
    params(
        ("agent" = String, Query, description = "The agent."),
        ("zone" = String, Query, description = "The zone, `provider/region/zone`."),
        ("method" = Option<MethodName>, Query, description = "The one method to show. Default `stamp`."),
        ("load" = Option<LoadName>, Query, description = "The one load label to show. Default `idle`."),
        ("flow" = Option<u16>, Query, description = "Only this flow (source port), from 0. Default: all, merged; `flows` of `GET /api/v1/series` lists them."),
        ("from" = Option<String>, Query, description = "Start of the window: `2026-11-23T10:00:00Z`, or `now-1h` (units s, m, h, d). Default `now-1h`."),
        ("to" = Option<String>, Query, description = "End of the window, exclusive, written like `from`. Default `now`."),
        ("step" = Option<String>, Query, description = "Length of one step, a multiple of 10s; at most 5000 steps in the window. Default: the shortest usual one that makes at most 360."),
    ),
    responses(
        (status = 200, description = "One pair over time, and the gaps whose cause is known.", body = SeriesAnswer),
        (status = 400, description = "A parameter is missing, unknown, repeated or out of range; the detail says what is allowed.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such agent or zone.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many queries at once, or the store cannot be read; `Retry-After` says when to try again.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn series(State(context): State<Arc<Context>>, RawQuery(query): RawQuery) -> Response {
    let now_unix_ms = (context.now_unix_ms)();
    let read = || {
        let params = Params::read(query.as_deref(), ALLOWED_SERIES)?;
        let question = question(&params, now_unix_ms)?;
        let step_ms = params.step_ms(question.range, 360, 5_000)?;
        Ok((question, step_ms))
    };
    match read() {
        Err(problem) => context.refuse("series", problem).into_response(),
        Ok((question, step_ms)) => {
            context
                .answer("series", move |context, source| {
                    let (points, coverage) = answer_series(source, &question, step_ms)?;
                    Reply::whole(&SeriesAnswer {
                        from: UtcInstant::from_unix_ms(question.range.from_unix_ms),
                        to: UtcInstant::from_unix_ms(question.range.to_unix_ms),
                        step_s: seconds(step_ms),
                        agent: question.agent.to_string(),
                        zone: question.zone.to_string(),
                        method: question.method.into(),
                        load: question.load.into(),
                        flow: question.flow,
                        flows: question.flows(source)?,
                        coverage: context.note_coverage(coverage).into(),
                        points,
                        gaps: gaps(context.store.as_ref(), &question)?,
                    })
                })
                .await
        }
    }
}

/// One pair over time and delay: how many delays fell into each cell.
#[utoipa::path(
    get,
    path = "/api/v1/heatmap",
    tag = "query",
    params(
        ("agent" = String, Query, description = "The agent."),
        ("zone" = String, Query, description = "The zone, `provider/region/zone`."),
        ("method" = Option<MethodName>, Query, description = "The one method to show. Default `stamp`."),
        ("load" = Option<LoadName>, Query, description = "The one load label to show. Default `idle`."),
        ("flow" = Option<u16>, Query, description = "Only this flow (source port), from 0. Default: all, merged; `flows` of `GET /api/v1/series` lists them."),
        ("from" = Option<String>, Query, description = "Start of the window: `2026-11-23T10:00:00Z`, or `now-1h` (units s, m, h, d). Default `now-1h`."),
        ("to" = Option<String>, Query, description = "End of the window, exclusive, written like `from`. Default `now`."),
        ("step" = Option<String>, Query, description = "Length of one column, a multiple of 10s; at most 400 columns in the window. Default: the shortest usual one that fits."),
        ("rows" = Option<u32>, Query, description = "Most rows of the heat map, 1 to 160. Default 80."),
    ),
    responses(
        (status = 200, description = "One pair over time and delay: how many delays fell into each cell.", body = HeatmapAnswer),
        (status = 400, description = "A parameter is missing, unknown, repeated or out of range; the detail says what is allowed.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such agent or zone.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many queries at once, or the store cannot be read; `Retry-After` says when to try again.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn heatmap(State(context): State<Arc<Context>>, RawQuery(query): RawQuery) -> Response {
    let now_unix_ms = (context.now_unix_ms)();
    let read = || {
        let params = Params::read(query.as_deref(), ALLOWED_HEATMAP)?;
        let question = question(&params, now_unix_ms)?;
        let step_ms = params.step_ms(question.range, 400, 400)?;
        Ok((question, step_ms, params.number("rows", 80, 1..=160)?))
    };
    match read() {
        Err(problem) => context.refuse("heatmap", problem).into_response(),
        Ok((question, step_ms, max_rows)) => {
            context
                .answer("heatmap", move |context, source| {
                    let heatmap = answer_heatmap(source, &question, step_ms, max_rows)?;
                    Reply::whole(&HeatmapAnswer {
                        from: UtcInstant::from_unix_ms(question.range.from_unix_ms),
                        to: UtcInstant::from_unix_ms(question.range.to_unix_ms),
                        step_s: seconds(step_ms),
                        agent: question.agent.to_string(),
                        zone: question.zone.to_string(),
                        method: question.method.into(),
                        load: question.load.into(),
                        clock: heatmap.clock.map(Into::into),
                        coverage: context.note_coverage(heatmap.coverage).into(),
                        gaps: gaps(context.store.as_ref(), &question)?,
                        rows: heatmap.rows,
                        columns: heatmap.columns,
                    })
                })
                .await
        }
    }
}

/// One pair over one window: the whole distribution.
#[utoipa::path(
    get,
    path = "/api/v1/distribution",
    tag = "query",
    params(
        ("agent" = String, Query, description = "The agent."),
        ("zone" = String, Query, description = "The zone, `provider/region/zone`."),
        ("method" = Option<MethodName>, Query, description = "The one method to show. Default `stamp`."),
        ("load" = Option<LoadName>, Query, description = "The one load label to show. Default `idle`."),
        ("flow" = Option<u16>, Query, description = "Only this flow (source port), from 0. Default: all, merged; `flows` of `GET /api/v1/series` lists them."),
        ("from" = Option<String>, Query, description = "Start of the window: `2026-11-23T10:00:00Z`, or `now-1h` (units s, m, h, d). Default `now-1h`."),
        ("to" = Option<String>, Query, description = "End of the window, exclusive, written like `from`. Default `now`."),
    ),
    responses(
        (status = 200, description = "One pair over one window: the whole distribution.", body = DistributionAnswer),
        (status = 400, description = "A parameter is missing, unknown, repeated or out of range; the detail says what is allowed.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such agent or zone.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many queries at once, or the store cannot be read; `Retry-After` says when to try again.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn distribution(State(context): State<Arc<Context>>, RawQuery(query): RawQuery) -> Response {
    let now_unix_ms = (context.now_unix_ms)();
    let read = || {
        question(
            &Params::read(query.as_deref(), ALLOWED_DISTRIBUTION)?,
            now_unix_ms,
        )
    };
    match read() {
        Err(problem) => context.refuse("distribution", problem).into_response(),
        Ok(question) => {
            context
                .answer("distribution", move |context, source| {
                    let merged = answer_distribution(source, &question)?;
                    Reply::whole(&DistributionAnswer {
                        from: UtcInstant::from_unix_ms(question.range.from_unix_ms),
                        to: UtcInstant::from_unix_ms(question.range.to_unix_ms),
                        agent: question.agent.to_string(),
                        zone: question.zone.to_string(),
                        method: question.method.into(),
                        load: question.load.into(),
                        clock: merged.clock.map(Into::into),
                        coverage: context.note_coverage(merged.coverage).into(),
                        gaps: gaps(context.store.as_ref(), &question)?,
                        n: merged.n,
                        sent: merged.counts.sent,
                        returned: merged.counts.returned,
                        lost: merged.counts.lost(),
                        loss_ratio: loss_ratio(merged.counts.lost(), merged.counts.sent),
                        min_us: merged.min_us,
                        max_us: merged.max_us,
                        mean_us: merged.mean_us,
                        facts: merged.facts,
                        percentiles: merged.percentiles,
                        bins: merged.bins,
                    })
                })
                .await
        }
    }
}

/// The pair, and the window.
pub(super) fn question(params: &Params, now_unix_ms: u64) -> Result<PairQuestion, Problem> {
    Ok(PairQuestion {
        agent: params.required("agent")?,
        zone: params.required("zone")?,
        method: params.optional("method")?.unwrap_or(Method::Stamp),
        load: params.optional("load")?.unwrap_or(LoadLabel::Idle),
        flow: params.optional("flow")?,
        range: params.range(now_unix_ms, "now-1h", LONGEST_MS)?,
    })
}

/// Steps are whole seconds and at most `u32::MAX` milliseconds when asked for; the ladder ends below that in seconds.
fn seconds(step_ms: u64) -> u32 {
    u32::try_from(step_ms / 1_000).unwrap_or(u32::MAX)
}
