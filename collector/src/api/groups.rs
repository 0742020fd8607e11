//! `GET /api/v1/groups`.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use azimuth_measurement::{LoadLabel, Method, Phase};

use super::answers::GroupsAnswer;
use super::context::Context;
use super::params::{Params, invalid};
use super::reply::{Format, Reply, Row};
use crate::csv::CsvLine;
use crate::problem::Problem;
use crate::query::group::{GroupQuestion, GroupRow, groups as answer_groups};
use crate::query::{Label, Selection};
use crate::utc::UtcInstant;
use crate::words::{AnswerName, ClockName, LoadName, MethodName, PhaseName};

/// The parameters it knows.
pub(super) const ALLOWED: &[&str] = &[
    "from", "to", "step", "group_by", "method", "load", "flow", "agent", "city", "country", "network",
    "provider", "region", "zone", "metro", "address", "phase", "answer", "format",
];
/// The longest window: a year.
const LONGEST_MS: u64 = 366 * 86_400_000;
/// The columns of the numbers in CSV, after the labels.
const NUMBERS: &str =
    "agents,zones,n,sent,returned,lost,loss_ratio,min_us,p50_us,p90_us,p99_us,max_us,clock,granularity";

/// What was seen by everything that shares some labels, over one window or step by step.
#[utoipa::path(
    get,
    path = "/api/v1/groups",
    tag = "query",
    params(
        ("group_by" = Option<Vec<Label>>, Query, description = "The labels that make a group; repeated, or with commas: `country,provider`. Default none: everything is one group."),
        ("from" = Option<String>, Query, description = "Start of the window: `2026-11-23T10:00:00Z`, or `now-1h` (units s, m, h, d). Default `now-1h`."),
        ("to" = Option<String>, Query, description = "End of the window, exclusive, written like `from`. Default `now`."),
        ("step" = Option<String>, Query, description = "One row per group and step of this length, a multiple of 10s; steps of whole weeks (7d) begin on Monday. Default: one row per group. At most 50000 groups times steps."),
        ("method" = Option<Vec<MethodName>>, Query, description = "Only this method, default `stamp`. When grouped by method: only these, default all."),
        ("load" = Option<Vec<LoadName>>, Query, description = "Only this load label, default `idle`. When grouped by load: only these, default all."),
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
        ("phase" = Option<Vec<PhaseName>>, Query, description = "Only these parts of the exchange; may be repeated. Default `whole`, unless grouped by."),
        ("answer" = Option<Vec<AnswerName>>, Query, description = "Only these kinds of answer; may be repeated. Default `ordinary`, unless grouped by."),
        ("format" = Option<String>, Query, description = "`json` (default) or `csv`: the rows alone."),
    ),
    responses(
        (status = 200, description = "What was seen by everything that shares some labels.", content((GroupsAnswer = "application/json"), (String = "text/csv"))),
        (status = 400, description = "A parameter is missing, unknown, repeated or out of range, or the answer would be too large; the detail says what is allowed.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Nothing is stored under a value.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many queries at once, the query took too long, or the store cannot be read; `Retry-After`, if there, says when to try again.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn groups(State(context): State<Arc<Context>>, RawQuery(query): RawQuery) -> Response {
    let now_unix_ms = (context.now_unix_ms)();
    match question(query.as_deref(), now_unix_ms) {
        Err(problem) => context.refuse("groups", problem).into_response(),
        Ok((question, format)) => {
            context
                .answer("groups", move |context, source| {
                    let found = answer_groups(source, &question, now_unix_ms)?;
                    let envelope = GroupsAnswer {
                        from: UtcInstant::from_unix_ms(question.range.from_unix_ms),
                        to: UtcInstant::from_unix_ms(question.range.to_unix_ms),
                        step_s: question
                            .step_ms
                            .map(|step_ms| u32::try_from(step_ms / 1_000).unwrap_or(u32::MAX)),
                        group_by: question.by.clone(),
                        coverage: context.note_coverage(found.coverage).into(),
                        gaps: found.gaps,
                        groups: Vec::new(),
                    };
                    let labels: String = question.by.iter().map(|label| format!("{label},")).collect();
                    let columns = format!("start_at,{labels}{NUMBERS}");
                    let by: Arc<[Label]> = question.by.into();
                    let in_order = |row| Ordered {
                        by: Arc::clone(&by),
                        row,
                    };
                    Reply::rows(
                        format,
                        &envelope,
                        &columns,
                        found.rows.into_iter().map(in_order).collect(),
                    )
                })
                .await
        }
    }
}

fn question(query: Option<&str>, now_unix_ms: u64) -> Result<(GroupQuestion, Format), Problem> {
    let params = Params::read(query, ALLOWED)?;
    let mut by: Vec<Label> = Vec::new();
    for value in params.all::<String>("group_by")? {
        for name in value.split(',').filter(|name| !name.is_empty()) {
            let label = name
                .parse()
                .map_err(|reason: String| invalid("group_by", &reason))?;
            if by.contains(&label) {
                return Err(invalid("group_by", &format!("{label} is named twice")));
            }
            by.push(label);
        }
    }
    let methods: Vec<Method> = params.all("method")?;
    let loads: Vec<LoadLabel> = params.all("load")?;
    let mut selection = Selection::default();
    for method in never_merged(Label::Method, &by, methods, Method::Stamp)? {
        selection = selection.with(Label::Method, method.to_string());
    }
    for load in never_merged(Label::Load, &by, loads, LoadLabel::Idle)? {
        selection = selection.with(Label::Load, load.to_string());
    }
    // Which phase is the selection's to default; here only that two are not merged.
    never_merged(Label::Phase, &by, params.all::<Phase>("phase")?, Phase::Whole)?;
    let range = params.range(now_unix_ms, "now-1h", LONGEST_MS)?;
    let step_ms = params
        .has("step")
        .then(|| params.step_ms(range, 5_000, 5_000))
        .transpose()?;
    let question = GroupQuestion {
        selection: params.narrow(selection, "")?,
        by,
        range,
        step_ms,
    };
    Ok((question, params.optional("format")?.unwrap_or(Format::Json)))
}

/// The values chosen of a label of which two are never merged: any when it is grouped by, otherwise one.
fn never_merged<T>(label: Label, by: &[Label], given: Vec<T>, default: T) -> Result<Vec<T>, Problem> {
    match given.len() {
        0 if by.contains(&label) => Ok(given),
        0 => Ok(vec![default]),
        1 => Ok(given),
        _ if by.contains(&label) => Ok(given),
        _ => Err(Problem::bad_request(
            "would_be_merged",
            format!("two of `{label}` are never merged into one number; choose one, or add group_by={label}"),
        )),
    }
}

/// A row whose labels are written in the order asked for.
struct Ordered {
    by: Arc<[Label]>,
    row: GroupRow,
}

impl serde::Serialize for Ordered {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.row.serialize(serializer)
    }
}

impl Row for Ordered {
    fn fields(&self, line: &mut CsvLine) {
        let row = &self.row;
        line.field(Some(row.start_at));
        for label in self.by.iter() {
            line.field(row.labels.get(label).and_then(Option::as_ref));
        }
        line.field(Some(row.agents))
            .field(Some(row.zones))
            .field(Some(row.n))
            .field(Some(row.sent))
            .field(Some(row.returned))
            .field(Some(row.lost))
            .field(row.loss_ratio)
            .field(row.min_us)
            .field(row.p50_us)
            .field(row.p90_us)
            .field(row.p99_us)
            .field(row.max_us)
            .field(row.clock.map(ClockName::as_str))
            .field(Some(row.granularity.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_428_000_000;

    fn read(query: &str) -> Result<GroupQuestion, Problem> {
        question(Some(query), NOW).map(|(question, _)| question)
    }

    #[test]
    fn two_methods_are_grouped_by_or_refused() {
        let refused = read("method=stamp&method=icmp_echo").expect_err("two methods");
        assert_eq!(refused.reason(), "would_be_merged");
        assert!(
            refused.detail().contains("group_by=method"),
            "{}",
            refused.detail()
        );
        let both = read("method=stamp&method=icmp_echo&group_by=method").expect("apart");
        assert_eq!(both.selection.values(Label::Method), ["stamp", "icmp_echo"]);
        let all = read("group_by=method,load").expect("apart");
        assert_eq!(
            (
                all.selection.values(Label::Method).len(),
                all.selection.values(Label::Load).len()
            ),
            (0, 0)
        );
        let default = read("").expect("defaults");
        assert_eq!(default.selection, Selection::of(Method::Stamp, LoadLabel::Idle));
    }

    #[test]
    fn labels_and_bare_regions_are_told_what_is_allowed() {
        assert!(read("group_by=isp").is_err_and(|problem| problem.detail().contains("network, provider")));
        assert!(read("group_by=city&group_by=city").is_err_and(|problem| problem.detail().contains("twice")));
        assert!(read("region=eu-west-2").is_err_and(|problem| problem.detail().contains("aws/eu-west-3")));
        let good = read("group_by=country,provider&region=aws/eu-west-3&step=7d&from=now-30d").expect("good");
        assert_eq!(good.by, [Label::Country, Label::Provider]);
        assert_eq!(good.step_ms, Some(7 * 86_400_000));
    }
}
