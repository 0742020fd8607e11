//! `GET /api/v1/compare`.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use azimuth_measurement::{LoadLabel, Method};

use super::answers::CompareAnswer;
use super::context::Context;
use super::params::{Params, invalid};
use super::reply::{Format, Reply, Row};
use crate::csv::CsvLine;
use crate::problem::Problem;
use crate::query::compare::{CompareQuestion, ComparedPair, Why, compare as answer_compare};
use crate::utc::UtcInstant;
use crate::words::{ClockName, LoadName, MethodName};

/// The parameters it knows.
pub(super) const ALLOWED: &[&str] = &[
    "from",
    "to",
    "baseline_from",
    "baseline_to",
    "method",
    "agent",
    "zone",
    "load",
    "flow",
    "city",
    "country",
    "network",
    "provider",
    "region",
    "metro",
    "format",
];
/// The longest window: a year.
const LONGEST_MS: u64 = 366 * 86_400_000;
/// The columns of a pair in CSV.
const COLUMNS: &str = "agent,zone,clock,n,n_effective,intervals,sent,lost,loss_ratio,p50_us,p90_us,p99_us,\
     baseline_n,baseline_n_effective,baseline_intervals,baseline_sent,baseline_lost,baseline_loss_ratio,\
     baseline_p50_us,baseline_p90_us,baseline_p99_us,shift_p50_us,theta,p,q,why,loss_p,loss_q,loss_why";

/// Two windows of the same pairs: how far apart, and how surely.
#[utoipa::path(
    get,
    path = "/api/v1/compare",
    tag = "query",
    params(
        ("from" = Option<String>, Query, description = "Start of the window: `2026-11-23T10:00:00Z`, or `now-1h` (units s, m, h, d). Default `now-1h`. At most 366 d before `to`."),
        ("to" = Option<String>, Query, description = "End of the window, exclusive, written like `from`. Default `now`."),
        ("baseline_from" = Option<String>, Query, description = "Start of the window it is held against. Default `now-25h`."),
        ("baseline_to" = Option<String>, Query, description = "End of the window it is held against, exclusive. Default `now-24h`. The windows may not overlap."),
        ("method" = Option<MethodName>, Query, description = "The one method to compare. Default `stamp`."),
        ("agent" = Option<Vec<String>>, Query, description = "Only these agents; may be repeated."),
        ("zone" = Option<Vec<String>>, Query, description = "Only these zones, `provider/region/zone`; may be repeated."),
        ("load" = Option<LoadName>, Query, description = "The one load label to compare. Default `idle`."),
        ("flow" = Option<Vec<u16>>, Query, description = "Only these flows (source ports) of each target, from 0; may be repeated. Default: all, merged."),
        ("city" = Option<Vec<String>>, Query, description = "Only vantage points in these cities; may be repeated."),
        ("country" = Option<Vec<String>>, Query, description = "Only vantage points in these countries, ISO 3166-1 alpha-2; may be repeated."),
        ("network" = Option<Vec<String>>, Query, description = "Only vantage points in these access networks, `AS3215` or by name; may be repeated."),
        ("provider" = Option<Vec<String>>, Query, description = "Only zones of these providers; may be repeated."),
        ("region" = Option<Vec<String>>, Query, description = "Only zones of these regions, `provider/region`; may be repeated."),
        ("metro" = Option<Vec<String>>, Query, description = "Only zones in these metropolitan areas of the catalogue; may be repeated."),
        ("format" = Option<String>, Query, description = "`json` (default) or `csv`: the pairs alone."),
    ),
    responses(
        (status = 200, description = "One row per agent and zone with data in either window.", content((CompareAnswer = "application/json"), (String = "text/csv"))),
        (status = 400, description = "A parameter is missing, unknown, repeated or out of range, or there are too many pairs; the detail says what is allowed.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Nothing is stored under a value.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many queries at once, the query took too long, or the store cannot be read; `Retry-After`, if there, says when to try again.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn compare(State(context): State<Arc<Context>>, RawQuery(query): RawQuery) -> Response {
    match question(query.as_deref(), (context.now_unix_ms)()) {
        Err(problem) => context.refuse("compare", problem).into_response(),
        Ok(Asked {
            question,
            method,
            load,
            format,
        }) => {
            context
                .answer("compare", move |context, source| {
                    let comparison = answer_compare(source, &question)?;
                    let envelope = CompareAnswer {
                        from: UtcInstant::from_unix_ms(question.window.from_unix_ms),
                        to: UtcInstant::from_unix_ms(question.window.to_unix_ms),
                        baseline_from: UtcInstant::from_unix_ms(question.baseline.from_unix_ms),
                        baseline_to: UtcInstant::from_unix_ms(question.baseline.to_unix_ms),
                        method: method.into(),
                        load: load.into(),
                        coverage: context.note_coverage(comparison.coverage).into(),
                        baseline_coverage: context.note_coverage(comparison.baseline_coverage).into(),
                        pairs: Vec::new(),
                    };
                    Reply::rows(format, &envelope, COLUMNS, comparison.pairs)
                })
                .await
        }
    }
}

#[derive(Debug)]
struct Asked {
    question: CompareQuestion,
    method: Method,
    load: LoadLabel,
    format: Format,
}

fn question(query: Option<&str>, now_unix_ms: u64) -> Result<Asked, Problem> {
    let params = Params::read(query, ALLOWED)?;
    let window = params.range(now_unix_ms, "now-1h", LONGEST_MS)?;
    let baseline = params.range_of(
        now_unix_ms,
        [("baseline_from", "now-25h"), ("baseline_to", "now-24h")],
        LONGEST_MS,
    )?;
    if window.from_unix_ms < baseline.to_unix_ms && baseline.from_unix_ms < window.to_unix_ms {
        return Err(invalid(
            "baseline_from",
            "the two windows overlap; what is in both cannot differ from itself",
        ));
    }
    Ok(Asked {
        question: CompareQuestion {
            selection: params.selection()?,
            window,
            baseline,
        },
        method: params.optional("method")?.unwrap_or(Method::Stamp),
        load: params.optional("load")?.unwrap_or(LoadLabel::Idle),
        format: params.optional("format")?.unwrap_or(Format::Json),
    })
}

impl Row for ComparedPair {
    fn fields(&self, line: &mut CsvLine) {
        line.field(Some(&self.agent))
            .field(Some(&self.zone))
            .field(self.clock.map(ClockName::as_str));
        for window in [&self.window, &self.baseline] {
            line.field(Some(window.n))
                .field(Some(window.n_effective))
                .field(Some(window.intervals))
                .field(Some(window.sent))
                .field(Some(window.lost))
                .field(window.loss_ratio)
                .field(window.p50_us)
                .field(window.p90_us)
                .field(window.p99_us);
        }
        line.field(self.shift_p50_us)
            .field(self.theta)
            .field(self.p)
            .field(self.q)
            .field(self.why.map(Why::as_str))
            .field(self.loss_p)
            .field(self.loss_q)
            .field(self.loss_why.map(Why::as_str));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_428_000_000;

    #[test]
    fn windows_have_defaults_and_may_not_overlap() {
        let asked = question(None, NOW).expect("defaults").question;
        assert_eq!(asked.window.to_unix_ms - asked.baseline.to_unix_ms, 86_400_000);
        let refused = question(Some("from=now-2h&baseline_from=now-3h&baseline_to=now-1h"), NOW);
        assert!(refused.is_err_and(|problem| problem.detail().contains("overlap")));
        let backwards = question(Some("baseline_from=now-1h&baseline_to=now-2h"), NOW);
        assert!(backwards.is_err_and(|problem| problem.detail().contains("before `baseline_to`")));
    }
}
