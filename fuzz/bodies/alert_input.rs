//! Any bytes as what people write about alerts: rule files, cases, silences, acknowledgements, rows to replay, templates with
//! the labels they show. An answer, or a refusal that names the place and says why; never a fault of ours. The first byte
//! chooses.

use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use azimuth_collector::alert::Settings;
use azimuth_collector::alert::replay::{Columns, Replay};
use azimuth_collector::alert::rules::cases::read_cases;
use azimuth_collector::alert::rules::{Mistake, Sample, SeriesLabels, Severity, Watch, read};
use azimuth_collector::notify::page::{Page, State};
use azimuth_collector::notify::text::{Style, Templates, check, write};
use azimuth_collector::query::Label;
use azimuth_collector::serve::Peer;
use azimuth_measurement::{DelayHistogram, ProbeCounts};

use super::collector::{NOW, World};

/// What the first byte chooses, by its remainder.
pub(crate) const RULES: u8 = 0;
pub(crate) const CASES: u8 = 1;
pub(crate) const SILENCE: u8 = 2;
pub(crate) const ACKNOWLEDGE: u8 = 3;
pub(crate) const ROWS: u8 = 4;
pub(crate) const TEMPLATE: u8 = 5;
const KINDS: u8 = 6;

/// One input; whether it was taken, if it was text at all.
pub(crate) fn run(bytes: &[u8]) -> Option<bool> {
    let (first, rest) = bytes.split_first()?;
    let kind = first % KINDS;
    if kind == SILENCE {
        return Some(sent("/api/v1/silences", rest));
    }
    if kind == ACKNOWLEDGE {
        return Some(sent("/api/v1/alerts/regression:0:p50/acknowledge", rest));
    }
    let text = std::str::from_utf8(rest).ok()?;
    Some(match kind {
        RULES => rules(text),
        CASES => named(read_cases(Path::new("fuzz.toml"), text)).is_some(),
        ROWS => rows(text),
        _ => template(text),
    })
}

/// What was read, or mistakes that each name their file.
fn named<T>(read: Result<T, Vec<Mistake>>) -> Option<T> {
    match read {
        Ok(read) => Some(read),
        Err(mistakes) => {
            assert!(!mistakes.is_empty(), "refused without a word");
            for mistake in mistakes {
                let said = mistake.to_string();
                assert!(said.contains("fuzz.toml"), "no place: {said}");
            }
            None
        }
    }
}

/// Rules that are taken can be held against a series.
fn rules(text: &str) -> bool {
    let Some(rules) = named(read([(Path::new("fuzz.toml"), text)])) else {
        return false;
    };
    let mut watch = Watch::new(Arc::new(rules));
    let labels = SeriesLabels::new("t")
        .with(Label::Agent, "a")
        .with(Label::Method, "stamp");
    watch.add(0, labels);
    let counts = ProbeCounts {
        sent: 10,
        returned: 2,
        ..ProbeCounts::default()
    };
    let mut verdicts = Vec::new();
    for slot in 0..30 {
        let sample = Sample {
            start_unix_ms: NOW + slot * 10_000,
            length_ms: 10_000,
            counts: &counts,
            delays: &DelayHistogram::from_values_us(&mut [10_000, 60_000_000]),
        };
        watch
            .observe(0, &sample, &mut verdicts)
            .expect("samples are in order");
    }
    watch.passed(NOW + 86_400_000, &mut verdicts);
    true
}

/// A change asked of the collector from this machine. Whatever it says, what there is can be read afterwards.
fn sent(path: &str, body: &[u8]) -> bool {
    let mut request = Request::post(path)
        .header("content-type", "application/json")
        .body(Body::from(body.to_vec()))
        .expect("a request");
    request.extensions_mut().insert(Peer(None));
    let (status, answer) = World::get().ask(request);
    let answer: serde_json::Value = serde_json::from_slice(&answer).expect("JSON");
    match status {
        200 | 201 => assert!(answer["by"].is_string() || answer["id"].is_string()),
        400 | 404 | 409 | 413 => {
            assert!(
                answer["reason"].is_string() && answer["detail"].is_string(),
                "{answer}"
            );
        }
        other => panic!("{other} for {path}: {answer}"),
    }
    let request = Request::get("/api/v1/silences").body(Body::empty());
    let (all, _) = World::get().ask(request.expect("a request"));
    assert_eq!(all, 200);
    status < 300
}

/// Rows in any order and with any gaps: taken, or refused one by one.
fn rows(text: &str) -> bool {
    let mut lines = text.lines();
    let Ok(columns) = Columns::of(lines.next().unwrap_or_default()) else {
        return false;
    };
    let mut replay = Replay::new("fuzz".to_owned(), Settings::default());
    let mut all = true;
    for line in lines {
        match columns.row(line) {
            Ok(Some(row)) => all &= replay.feed(row).is_ok(),
            Ok(None) => {}
            Err(error) => {
                assert!(!error.to_string().is_empty());
                all = false;
            }
        }
    }
    for alert in replay.finish() {
        assert!(alert.regressed_at_s <= alert.fired_at_s, "{alert:?}");
    }
    all
}

/// A template, and after a NUL a label for it to show.
fn template(text: &str) -> bool {
    let (template, label) = text.split_once('\0').unwrap_or(("", text));
    let is_sound = check(template).is_ok();
    let page = Page {
        alert: "regression 0 p50".to_owned(),
        episode: 1,
        state: State::Firing,
        parent: None,
        rule: label.to_owned(),
        severity: Severity::Warning,
        route: "default".to_owned(),
        summary: format!("p50 from {label} rose"),
        labels: [("agent".to_owned(), label.to_owned())].into(),
        measure: "p50".to_owned(),
        value: Some(14.0),
        against: Some(10.0),
        unit: "ms".to_owned(),
        regressed_at_unix_ms: NOW,
        fired_at_unix_ms: NOW,
        resolved_at_unix_ms: None,
        resolution: None,
        link: Some(label.to_owned()),
        members: vec![label.to_owned()],
    };
    let templates = Templates {
        title: Some(template.to_owned()),
        text: Some(template.to_owned()),
    };
    for templates in [templates, Templates::default()] {
        for style in [Style::Plain, Style::Chat] {
            let text = write("fuzz", std::slice::from_ref(&page), &templates, style);
            assert!(!text.title.chars().any(char::is_control), "{:?}", text.title);
            assert!(text.title.chars().count() <= 201 && text.body.chars().count() <= 12_001);
            if templates == Templates::default() && style == Style::Chat {
                let said = text.body.replace(&format!("<{label}>"), "");
                assert!(!said.contains(['<', '>', '@', '`', '[', '*']), "{said}");
            }
        }
    }
    is_sound
}
