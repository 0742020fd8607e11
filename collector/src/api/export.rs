//! `GET /api/v1/export`: every series for itself, as a file that other programs read, written while it is taken. How a record
//! looks is `export/`'s; here it is handed from the thread that reads the store to the connection.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use azimuth_measurement::{LoadLabel, Method};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::context::Context;
use super::params::Params;
use super::stream::{Pipe, stream};
use crate::export::{ExportError, ExportFormat, sheet};
use crate::problem::Problem;
use crate::query::records::{Records, RecordsQuestion};
use crate::query::{Label, QueryError, Selection, Source, Stop};
use crate::store::Coverage;
use crate::utc::UtcInstant;
use crate::words::{AnswerName, LoadName, MethodName, PhaseName};

/// The parameters it knows.
pub(super) const ALLOWED: &[&str] = &[
    "format", "from", "to", "step", "method", "load", "flow", "agent", "city", "country", "network",
    "provider", "region", "zone", "metro", "address", "phase", "answer",
];
/// The longest window: ten years.
const LONGEST_MS: u64 = 3_660 * 86_400_000;
/// How long an export may take.
const TIMEOUT_MS: u64 = 3_600_000;
/// How long one waits for another to end. One that has just been read to its end is over in a moment.
const TURN_WAIT: Duration = Duration::from_secs(2);
/// The trailer that says what is in the export: [`ExportSummary`] as JSON.
pub const SUMMARY_TRAILER: &str = "azimuth-export";
/// Missing stretches named in the summary; all are counted.
const MISSING_NAMED: usize = 20;

/// What is in an export that was written to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportSummary {
    /// Records written.
    pub records: u64,
    /// Series chosen.
    pub series: u64,
    /// Stored reports that could not be read back.
    pub unreadable_reports: u64,
    /// Stretches of the range that nothing could answer.
    pub missing: u64,
    /// The first of them, in words.
    pub missing_named: Vec<String>,
}

impl ExportSummary {
    fn of(records: u64, series: usize, coverage: &Coverage) -> Self {
        let named = coverage.missing.iter().take(MISSING_NAMED).map(|missing| {
            format!(
                "{} to {}: {}",
                UtcInstant::from_unix_ms(missing.range.from_unix_ms),
                UtcInstant::from_unix_ms(missing.range.to_unix_ms),
                missing.cause.as_str()
            )
        });
        Self {
            records,
            series: series as u64,
            unreadable_reports: coverage.unreadable_reports,
            missing: coverage.missing.len() as u64,
            missing_named: named.collect(),
        }
    }

    fn trailers(&self) -> HeaderMap {
        let text = serde_json::to_string(self).unwrap_or_default();
        let value = HeaderValue::from_str(&text).ok();
        value
            .map(|value| (HeaderName::from_static(SUMMARY_TRAILER), value))
            .into_iter()
            .collect()
    }
}

/// Every series for itself, step by step, as a file. Two series are never merged. Written while it is read: an export that
/// fails half-way breaks the connection off, and the trailer `azimuth-export` (for those who send `TE: trailers`) says what
/// is in one that did not, and what is missing.
#[utoipa::path(
    get,
    path = "/api/v1/export",
    tag = "query",
    params(
        ("format" = String, Query, description = "`csv`: counts and quantiles. `hlog`: an HdrHistogram interval log, whole histograms in microseconds. `parquet`: counts, quantiles and bins."),
        ("from" = Option<String>, Query, description = "Start of the window: `2026-11-23T10:00:00Z`, or `now-1h` (units s, m, h, d). Default `now-1h`."),
        ("to" = Option<String>, Query, description = "End of the window, exclusive, written like `from`. Default `now`."),
        ("step" = Option<String>, Query, description = "One record per series and step of this length, a multiple of 10s; read from the coarsest tier that fits. Default: intervals as they were reported, which are kept for a week."),
        ("method" = Option<Vec<MethodName>>, Query, description = "Only these methods; may be repeated. Default all."),
        ("load" = Option<Vec<LoadName>>, Query, description = "Only these load labels; may be repeated. Default all."),
        ("flow" = Option<Vec<u16>>, Query, description = "Only these flows (source ports) of each target, from 0; may be repeated. Default: all, merged."),
        ("agent" = Option<Vec<String>>, Query, description = "Only these agents; may be repeated."),
        ("city" = Option<Vec<String>>, Query, description = "Only vantage points in these cities; may be repeated."),
        ("country" = Option<Vec<String>>, Query, description = "Only vantage points in these countries, ISO 3166-1 alpha-2; may be repeated."),
        ("network" = Option<Vec<String>>, Query, description = "Only vantage points in these access networks, `AS3215` or by name; may be repeated."),
        ("provider" = Option<Vec<String>>, Query, description = "Only zones of these providers; may be repeated."),
        ("region" = Option<Vec<String>>, Query, description = "Only zones of these regions, `provider/region`; may be repeated."),
        ("zone" = Option<Vec<String>>, Query, description = "Only these zones, `provider/region/zone`; may be repeated."),
        ("metro" = Option<Vec<String>>, Query, description = "Only zones in these metropolitan areas of the catalogue; may be repeated."),
        ("address" = Option<Vec<String>>, Query, description = "Only these addresses probed, without port; may be repeated."),
        ("phase" = Option<Vec<PhaseName>>, Query, description = "Only these parts of the exchange; may be repeated. Default all."),
        ("answer" = Option<Vec<AnswerName>>, Query, description = "Only these kinds of answer; may be repeated. Default all."),
    ),
    responses(
        (status = 200, description = "The records.", content((String = "text/csv"), (String = "text/plain"), (Vec<u8> = "application/vnd.apache.parquet"))),
        (status = 400, description = "A parameter is missing, unknown, repeated or out of range; the detail says what is allowed.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Nothing is stored under a value.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Another export is being written, or the store cannot be read; `Retry-After` says when to try again.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn export(State(context): State<Arc<Context>>, RawQuery(query): RawQuery) -> Response {
    let now_unix_ms = (context.now_unix_ms)();
    let (question, format) = match question(query.as_deref(), now_unix_ms) {
        Ok(asked) => asked,
        Err(problem) => return context.refuse("export", problem).into_response(),
    };
    let turn = Arc::clone(&context.export_turn).acquire_owned();
    let Ok(Ok(turn)) = tokio::time::timeout(TURN_WAIT, turn).await else {
        let detail = "another export is being written; one at a time";
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "export_under_way", detail);
        return context
            .refuse("export", problem.retry_after_s(30))
            .into_response();
    };
    let stop = Stop::default();
    let (pipe, chunks) = stream(stop.clone());
    let counted = Arc::clone(&context);
    let mut pipe = pipe.until(context.now_unix_ms, now_unix_ms + TIMEOUT_MS);
    let (begun, beginning) = oneshot::channel();
    let too_late = tokio::spawn({
        let stop = stop.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(TIMEOUT_MS)).await;
            stop.raise();
        }
    });
    tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let written = write(&context, &stop, &question, format, &mut pipe, begun);
        too_late.abort();
        if let Err(error) = &written {
            // A body that merely ended would pass for all of it.
            pipe.break_off(error);
        }
        let timed_out = (context.now_unix_ms)() >= now_unix_ms + TIMEOUT_MS;
        let outcome = match written {
            Ok(true) => "ok",
            // Counted with its answer.
            Ok(false) => return,
            Err(_) if timed_out => {
                tracing::warn!("an export was broken off after {} s", TIMEOUT_MS / 1_000);
                "export_timeout"
            }
            Err(ExportError::Query(QueryError::Stopped)) => "cancelled",
            Err(ExportError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => "cancelled",
            Err(error) => {
                tracing::error!("an export was broken off: {error}");
                "export_failed"
            }
        };
        context.metrics.queries.count("export", outcome);
    });
    match beginning.await {
        Ok(Ok(())) => {
            let headers = [
                (header::CONTENT_TYPE, format.content_type()),
                (header::TRAILER, SUMMARY_TRAILER),
            ];
            (headers, Body::new(chunks)).into_response()
        }
        Ok(Err(problem)) => counted.refuse("export", problem).into_response(),
        Err(_) => Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the export ended before it began; see the log",
        )
        .into_response(),
    }
}

fn question(query: Option<&str>, now_unix_ms: u64) -> Result<(RecordsQuestion, ExportFormat), Problem> {
    let params = Params::read(query, ALLOWED)?;
    let format = params.required("format")?;
    let mut selection = Selection::default();
    for method in params.all::<Method>("method")? {
        selection = selection.with(Label::Method, method.to_string());
    }
    for load in params.all::<LoadLabel>("load")? {
        selection = selection.with(Label::Load, load.to_string());
    }
    let range = params.range(now_unix_ms, "now-1h", LONGEST_MS)?;
    let step_ms = params
        .has("step")
        .then(|| params.step_ms(range, u64::MAX, u64::MAX))
        .transpose()?;
    let question = RecordsQuestion {
        selection: params.narrow(selection, "")?,
        range,
        step_ms,
    };
    Ok((question, format))
}

/// Finds, says that it begins, and writes. What fails before it begins is `begun`'s to say, and nothing is written then.
fn write(
    context: &Context,
    stop: &Stop,
    question: &RecordsQuestion,
    format: ExportFormat,
    pipe: &mut Pipe,
    begun: oneshot::Sender<Result<(), Problem>>,
) -> Result<bool, ExportError> {
    let source = Source {
        store: context.store.as_ref(),
        catalogue: &context.catalogue,
        stop,
        observations: &context.metrics.query_observations.0,
    };
    let found = match Records::find(source, question) {
        Ok(found) => found,
        Err(error) => {
            let _ = begun.send(Err(Problem::from(error)));
            return Ok(false);
        }
    };
    if begun.send(Ok(())).is_err() {
        return Err(QueryError::Stopped.into());
    }
    let mut sheet = sheet(format);
    sheet.begin(question, &mut found.series(), pipe)?;
    let (mut records, mut failed) = (0, None);
    let read = found.read(&mut |series, record| {
        records += 1;
        sheet.record(series, &record, pipe).map_err(|error| match error {
            ExportError::Query(error) => error,
            ExportError::Write(error) => {
                failed = Some(error);
                QueryError::Stopped
            }
        })
    });
    if let Some(error) = failed {
        return Err(error.into());
    }
    let coverage = context.note_coverage(read?);
    sheet.end(&coverage, pipe)?;
    pipe.flush()?;
    let summary = ExportSummary::of(records, found.series().count(), &coverage);
    pipe.finish(summary.trailers())?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_428_000_000;

    fn read(query: &str) -> Result<(RecordsQuestion, ExportFormat), Problem> {
        question(Some(query), NOW)
    }

    #[test]
    fn all_methods_unless_some_are_named_and_a_format_that_must_be() {
        let (asked, format) =
            read("format=hlog&method=stamp&method=icmp_echo&step=1h&from=now-3650d").expect("good");
        assert_eq!((format, asked.step_ms), (ExportFormat::Hlog, Some(3_600_000)));
        assert_eq!(asked.selection.values(Label::Method), ["stamp", "icmp_echo"]);
        let (all, _) = read("format=csv").expect("defaults");
        assert_eq!((all.selection, all.step_ms), (Selection::default(), None));
        assert!(read("").is_err_and(|problem| problem.reason() == "missing_parameter"));
        assert!(read("format=xml").is_err_and(|problem| problem.detail().contains("csv, hlog, parquet")));
        assert!(read("format=csv&region=eu-west-2").is_err());
    }

    #[test]
    fn the_summary_is_a_header_however_much_is_missing() {
        use crate::store::{Missing, MissingCause, TimeRange};
        let missing = (0..1_000).map(|hour| Missing {
            range: TimeRange {
                from_unix_ms: NOW + hour * 7_200_000,
                to_unix_ms: NOW + hour * 7_200_000 + 3_600_000,
            },
            cause: MissingCause::Retention,
        });
        let coverage = Coverage {
            missing: missing.collect(),
            ..Coverage::default()
        };
        let summary = ExportSummary::of(3, 2, &coverage);
        let trailers = summary.trailers();
        let value = trailers.get(SUMMARY_TRAILER).expect("a header");
        assert!(value.len() < 4_096);
        assert_eq!(
            serde_json::from_slice::<ExportSummary>(value.as_bytes()).ok(),
            Some(summary)
        );
    }
}
