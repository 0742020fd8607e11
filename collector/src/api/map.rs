//! `GET /api/v1/map`.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use azimuth_measurement::{LoadLabel, Method};

use super::answers::MapAnswer;
use super::context::Context;
use super::params::Params;
use crate::problem::Problem;
use crate::query::map::{MapQuestion, map as answer_map};
use crate::utc::UtcInstant;
use crate::words::{LoadName, MethodName};

/// The parameters it knows.
pub(super) const ALLOWED: &[&str] = &["from", "to", "method", "agent", "zone", "load"];
/// The longest window, until there are rollups to read a longer one from.
const LONGEST_MS: u64 = 24 * 3_600_000;

/// Vantage points by zones over one window.
#[utoipa::path(
    get,
    path = "/api/v1/map",
    tag = "query",
    params(
        ("from" = Option<String>, Query, description = "Start of the window: `2026-11-23T10:00:00Z`, or `now-5m` (units s, m, h, d). Default `now-5m`. At most 24 h before `to`."),
        ("to" = Option<String>, Query, description = "End of the window, exclusive, written like `from`. Default `now`."),
        ("method" = Option<MethodName>, Query, description = "The one method to show. Default `stamp`."),
        ("agent" = Option<Vec<String>>, Query, description = "Only these agents; may be repeated."),
        ("zone" = Option<Vec<String>>, Query, description = "Only these zones, `provider/region/zone`; may be repeated."),
        ("load" = Option<LoadName>, Query, description = "The one load label to show. Default `idle`."),
    ),
    responses(
        (status = 200, description = "Vantage points by zones over one window.", body = MapAnswer),
        (status = 400, description = "A parameter is missing, unknown, repeated or out of range; the detail says what is allowed.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such agent or zone.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many queries at once, or the store cannot be read; `Retry-After` says when to try again.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn map(State(context): State<Arc<Context>>, RawQuery(query): RawQuery) -> Response {
    match question(query.as_deref(), (context.now_unix_ms)()) {
        Err(problem) => context.refuse("map", problem).into_response(),
        Ok(question) => {
            context
                .answer("map", move |context| {
                    let (cells, coverage) = answer_map(context.store.as_ref(), &question)?;
                    Ok(MapAnswer {
                        from: UtcInstant::from_unix_ms(question.range.from_unix_ms),
                        to: UtcInstant::from_unix_ms(question.range.to_unix_ms),
                        method: question.method.into(),
                        load: question.load.into(),
                        coverage: context.note_coverage(coverage).into(),
                        cells,
                    })
                })
                .await
        }
    }
}

fn question(query: Option<&str>, now_unix_ms: u64) -> Result<MapQuestion, Problem> {
    let params = Params::read(query, ALLOWED)?;
    Ok(MapQuestion {
        agents: params.all("agent")?,
        zones: params.all("zone")?,
        method: params.optional("method")?.unwrap_or(Method::Stamp),
        load: params.optional("load")?.unwrap_or(LoadLabel::Idle),
        range: params.range(now_unix_ms, "now-5m", LONGEST_MS)?,
    })
}
