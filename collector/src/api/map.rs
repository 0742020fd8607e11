//! `GET /api/v1/map`.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use azimuth_measurement::{LoadLabel, Method};

use super::answers::MapAnswer;
use super::context::Context;
use super::params::Params;
use super::reply::{Format, Reply, Row};
use crate::csv::CsvLine;
use crate::problem::Problem;
use crate::query::map::{MapCell, MapQuestion, map as answer_map};
use crate::utc::UtcInstant;
use crate::words::{AnswerName, ClockName, LoadName, MethodName, PhaseName};

/// The parameters it knows.
pub(super) const ALLOWED: &[&str] = &[
    "from", "to", "method", "agent", "zone", "load", "flow", "city", "country", "network", "provider",
    "region", "metro", "address", "phase", "answer", "format",
];
/// The longest window: a year.
const LONGEST_MS: u64 = 366 * 86_400_000;
/// The columns of a cell in CSV.
const COLUMNS: &str =
    "agent,zone,n,sent,returned,lost,loss_ratio,min_us,p50_us,p90_us,p99_us,max_us,clock,granularity";

/// Vantage points by zones over one window.
#[utoipa::path(
    get,
    path = "/api/v1/map",
    tag = "query",
    params(
        ("from" = Option<String>, Query, description = "Start of the window: `2026-11-23T10:00:00Z`, or `now-5m` (units s, m, h, d). Default `now-5m`. At most 366 d before `to`."),
        ("to" = Option<String>, Query, description = "End of the window, exclusive, written like `from`. Default `now`."),
        ("method" = Option<MethodName>, Query, description = "The one method to show. Default `stamp`."),
        ("agent" = Option<Vec<String>>, Query, description = "Only these agents; may be repeated."),
        ("zone" = Option<Vec<String>>, Query, description = "Only these zones, `provider/region/zone`; may be repeated."),
        ("load" = Option<LoadName>, Query, description = "The one load label to show. Default `idle`."),
        ("flow" = Option<Vec<u16>>, Query, description = "Only these flows (source ports) of each target, from 0; may be repeated. Default: all, merged."),
        ("city" = Option<Vec<String>>, Query, description = "Only vantage points in these cities; may be repeated."),
        ("country" = Option<Vec<String>>, Query, description = "Only vantage points in these countries, ISO 3166-1 alpha-2; may be repeated."),
        ("network" = Option<Vec<String>>, Query, description = "Only vantage points in these access networks, `AS3215` or by name; may be repeated."),
        ("provider" = Option<Vec<String>>, Query, description = "Only zones of these providers; may be repeated."),
        ("region" = Option<Vec<String>>, Query, description = "Only zones of these regions, `provider/region`; may be repeated."),
        ("metro" = Option<Vec<String>>, Query, description = "Only zones in these metropolitan areas of the catalogue; may be repeated."),
        ("address" = Option<Vec<String>>, Query, description = "Only these addresses probed, without port; may be repeated."),
        ("phase" = Option<PhaseName>, Query, description = "Only this part of the exchange. Default `whole`."),
        ("answer" = Option<Vec<AnswerName>>, Query, description = "Only these kinds of answer; may be repeated. Default `ordinary`."),
        ("format" = Option<String>, Query, description = "`json` (default) or `csv`: the cells alone."),
    ),
    responses(
        (status = 200, description = "Vantage points by zones over one window.", content((MapAnswer = "application/json"), (String = "text/csv"))),
        (status = 400, description = "A parameter is missing, unknown, repeated or out of range; the detail says what is allowed.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such agent or zone.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many queries at once, or the store cannot be read; `Retry-After` says when to try again.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn map(State(context): State<Arc<Context>>, RawQuery(query): RawQuery) -> Response {
    let now_unix_ms = (context.now_unix_ms)();
    match question(query.as_deref(), now_unix_ms) {
        Err(problem) => context.refuse("map", problem).into_response(),
        Ok(Asked {
            question,
            method,
            load,
            format,
        }) => {
            context
                .answer("map", move |context, source| {
                    let map = answer_map(source, &question, now_unix_ms)?;
                    let envelope = MapAnswer {
                        from: UtcInstant::from_unix_ms(question.range.from_unix_ms),
                        to: UtcInstant::from_unix_ms(question.range.to_unix_ms),
                        method: method.into(),
                        load: load.into(),
                        coverage: context.note_coverage(map.coverage).into(),
                        gaps: map.gaps,
                        cells: Vec::new(),
                    };
                    Reply::rows(format, &envelope, COLUMNS, map.cells)
                })
                .await
        }
    }
}

struct Asked {
    question: MapQuestion,
    method: Method,
    load: LoadLabel,
    format: Format,
}

fn question(query: Option<&str>, now_unix_ms: u64) -> Result<Asked, Problem> {
    let params = Params::read(query, ALLOWED)?;
    Ok(Asked {
        question: MapQuestion {
            selection: params.selection()?,
            range: params.range(now_unix_ms, "now-5m", LONGEST_MS)?,
        },
        method: params.optional("method")?.unwrap_or(Method::Stamp),
        load: params.optional("load")?.unwrap_or(LoadLabel::Idle),
        format: params.optional("format")?.unwrap_or(Format::Json),
    })
}

impl Row for MapCell {
    fn fields(&self, line: &mut CsvLine) {
        line.field(Some(&self.agent))
            .field(Some(&self.zone))
            .field(Some(self.n))
            .field(Some(self.sent))
            .field(Some(self.returned))
            .field(Some(self.lost))
            .field(self.loss_ratio)
            .field(self.min_us)
            .field(self.p50_us)
            .field(self.p90_us)
            .field(self.p99_us)
            .field(self.max_us)
            .field(self.clock.map(ClockName::as_str))
            .field(Some(self.granularity.as_str()));
    }
}
