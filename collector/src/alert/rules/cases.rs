//! Cases for rules, as promtool has them: made-up series, and which alerts there must be at which time. Pure: the text of
//! the files comes in, what failed goes out. Times are the cases' own; nothing waits.

mod rates;

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use azimuth_measurement::{DelayHistogram, ProbeCounts, ZoneKey};
use serde::Deserialize;
use toml::Spanned;

use self::rates::{MadeTests, made_tests};
use super::reading::{Mistake, Reader, label_value, shown, span_ms};
use super::watch::{Sample, Watch};
use super::{RuleSet, SeriesLabels};
use crate::alert::book::{Book, Entry};
use crate::alert::lifecycle::Phase;
use crate::alert::rules::AlertKey;
use crate::alert::settings::MINUTE_MS;
use crate::query::Label;
use crate::utc::UtcInstant;

/// When a case begins unless it says otherwise: a Monday, 2026-11-23T00:00:00Z.
const DEFAULT_START_UNIX_MS: u64 = 1_795_392_000_000;
/// Longest case.
const LONGEST_MS: u64 = 14 * 86_400_000;
/// Most probes a minute.
const MOST_PROBES: u64 = 600;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    rules: Vec<Spanned<String>>,
    #[serde(rename = "case", default)]
    cases: Vec<Spanned<CaseTable>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseTable {
    name: String,
    start: Option<Spanned<String>>,
    series: Vec<SeriesTable>,
    expect: Vec<ExpectTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeriesTable {
    labels: BTreeMap<String, Spanned<String>>,
    minutes: Spanned<String>,
    probes: Option<Spanned<u64>>,
    download: Option<Spanned<String>>,
    upload: Option<Spanned<String>>,
    test_every: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectTable {
    at: Spanned<String>,
    alerts: Vec<Spanned<BTreeMap<String, String>>>,
}

/// What one made-up minute holds.
#[derive(Debug, Clone, Copy, PartialEq)]
enum MadeMinute {
    /// No sample at all.
    Nothing,
    /// Probes, of which so many percent are lost, and delays spread evenly around one.
    Probes {
        delay_ms: f64,
        spread_ms: f64,
        lost_percent: f64,
    },
}

#[derive(Debug, Clone, PartialEq)]
struct MadeSeries {
    labels: SeriesLabels,
    minutes: Vec<MadeMinute>,
    probes: u64,
    tests: MadeTests,
}

#[derive(Debug, Clone, PartialEq)]
struct Expected {
    line: usize,
    at_ms: u64,
    written_at: String,
    alerts: Vec<BTreeMap<String, String>>,
}

/// A case that can be run.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Its name.
    pub name: String,
    start_unix_ms: u64,
    series: Vec<MadeSeries>,
    expected: Vec<Expected>,
}

/// A file of cases.
#[derive(Debug, Clone, PartialEq)]
pub struct Cases {
    /// The rules files they are about, as they are named there; none for the default rule.
    pub rules: Vec<String>,
    /// The cases.
    pub cases: Vec<Case>,
}

/// Reads a file of cases.
///
/// # Errors
/// Every mistake found; a wrong form hides what follows.
pub fn read_cases(file: &Path, text: &str) -> Result<Cases, Vec<Mistake>> {
    let reader = Reader { file, text };
    let document: Document = toml::from_str(text).map_err(|error| vec![reader.form(&error)])?;
    let mut mistakes = Vec::new();
    let mut cases = Vec::new();
    for table in &document.cases {
        let CaseTable {
            name,
            start,
            series,
            expect,
        } = table.get_ref();
        let mut found = reader.found();
        let start = start.as_ref().map_or(Some(DEFAULT_START_UNIX_MS), |start| {
            let read = UtcInstant::parse(start.get_ref(), 0)
                .ok()
                .filter(|_| !start.get_ref().starts_with("now"));
            let read = read.map(|at| at.unix_ms() / MINUTE_MS * MINUTE_MS);
            found.take(
                start.span().start,
                "start",
                read.ok_or_else(|| {
                    format!(
                        "{:?} is not an instant; write for example \"2026-11-23T00:00:00Z\"",
                        shown(start.get_ref())
                    )
                }),
            )
        });
        let mut made = Vec::new();
        for series in series {
            let at = series.minutes.span().start;
            let minutes = found.take(at, "minutes", pattern(series.minutes.get_ref()));
            let probes = series.probes.as_ref().map_or(Some(60), |probes| {
                let checked = Some(*probes.get_ref()).filter(|probes| (1..=MOST_PROBES).contains(probes));
                found.take(
                    probes.span().start,
                    "probes",
                    checked.ok_or_else(|| format!("out of range; use 1 to {MOST_PROBES} probes a minute")),
                )
            });
            let tests = made_tests(
                series.download.as_ref(),
                series.upload.as_ref(),
                series.test_every.as_ref(),
                &mut found,
            );
            let mut labels = SeriesLabels::new("case")
                .with(Label::Method, "stamp")
                .with(Label::Load, "idle");
            for (key, value) in &series.labels {
                let (at, value) = (value.span().start, value.get_ref());
                let Some(label) = found.take(at, key, key.parse::<Label>()) else {
                    continue;
                };
                found.take(at, key, label_value(label, value));
                if let (Label::Zone, Ok(zone)) = (label, ZoneKey::from_str(value)) {
                    let region = value.rsplit_once('/').map_or("", |(region, _)| region);
                    labels = labels
                        .with(Label::Provider, zone.provider())
                        .with(Label::Region, region);
                }
                labels = labels.with(label, value.clone());
            }
            if let (Some(minutes), Some(probes), Some(tests)) = (minutes, probes, tests) {
                made.push(MadeSeries {
                    labels,
                    minutes,
                    probes,
                    tests,
                });
            }
        }
        let mut expected = Vec::new();
        for expect in expect {
            let at = expect.at.span().start;
            let at_ms = found.take(at, "at", span_ms(0, LONGEST_MS, "2h")(expect.at.get_ref()));
            for alert in &expect.alerts {
                for key in alert.get_ref().keys() {
                    let known =
                        matches!(key.as_str(), "rule" | "measure" | "state") || key.parse::<Label>().is_ok();
                    let known = known.then_some(()).ok_or_else(|| {
                        format!(
                            "{:?} is nothing an alert has; use rule, measure, state or a label",
                            shown(key)
                        )
                    });
                    found.take(alert.span().start, "alerts", known);
                }
            }
            expected.extend(at_ms.map(|at_ms| {
                Expected {
                    line: reader.line(at),
                    at_ms,
                    written_at: expect.at.get_ref().clone(),
                    alerts: expect
                        .alerts
                        .iter()
                        .map(|alert| alert.get_ref().clone())
                        .collect(),
                }
            }));
        }
        if expected.is_empty() && found.mistakes.is_empty() {
            let what = "expects nothing at any time; add [[case.expect]] with `at` and `alerts`".to_owned();
            found.take::<()>(table.span().start, "expect", Err(what));
        }
        expected.sort_by_key(|expected| expected.at_ms);
        match found.done(start) {
            Ok(start_unix_ms) => cases.push(Case {
                name: name.clone(),
                start_unix_ms,
                series: made,
                expected,
            }),
            Err(more) => mistakes.extend(more),
        }
    }
    if document.cases.is_empty() {
        mistakes.push(reader.mistake(
            0,
            "case",
            "there is none; add [[case]] with name, series and expect".to_owned(),
        ));
    }
    if mistakes.is_empty() {
        let rules = document.rules.into_iter().map(Spanned::into_inner).collect();
        Ok(Cases { rules, cases })
    } else {
        Err(mistakes)
    }
}

/// `120x10 30x14~0.5 10x14!5 5xlost 30xnone`.
fn pattern(text: &str) -> Result<Vec<MadeMinute>, String> {
    let mut minutes = Vec::new();
    for word in text.split_whitespace() {
        let wrong = || {
            format!(
                "{:?} is not COUNTxDELAY; write for example \"120x10 30x14~0.5 10x14!5 5xlost 30xnone\": minutes x ms, ~ half the width, ! percent lost",
                shown(word)
            )
        };
        let (count, what) = word.split_once('x').ok_or_else(wrong)?;
        let count: usize = count.parse().map_err(|_| wrong())?;
        if count == 0 || (minutes.len() + count) as u64 * MINUTE_MS > LONGEST_MS {
            return Err(format!(
                "{:?}: a series has 1 to {} minutes",
                shown(word),
                LONGEST_MS / MINUTE_MS
            ));
        }
        let number = |text: &str, most: f64| {
            text.parse::<f64>()
                .ok()
                .filter(|number| (0.0..=most).contains(number))
                .ok_or_else(wrong)
        };
        let minute = match what {
            "none" => MadeMinute::Nothing,
            "lost" => MadeMinute::Probes {
                delay_ms: 1.0,
                spread_ms: 0.0,
                lost_percent: 100.0,
            },
            _ => {
                let (delay, lost) = what.split_once('!').unwrap_or((what, "0"));
                let (delay, spread) = delay.split_once('~').unwrap_or((delay, "0"));
                MadeMinute::Probes {
                    delay_ms: number(delay, 60_000.0)?,
                    spread_ms: number(spread, 60_000.0)?,
                    lost_percent: number(lost, 100.0)?,
                }
            }
        };
        minutes.extend(std::iter::repeat_n(minute, count));
    }
    if minutes.is_empty() {
        return Err("is empty; write for example \"120x10 60x14\"".to_owned());
    }
    Ok(minutes)
}

impl MadeMinute {
    fn sample(self, probes: u64) -> Option<(ProbeCounts, DelayHistogram)> {
        let Self::Probes {
            delay_ms,
            spread_ms,
            lost_percent,
        } = self
        else {
            return None;
        };
        let lost = ((probes as f64 * lost_percent / 100.0).round() as u64).min(probes);
        let returned = probes - lost;
        let mut delays_us: Vec<u32> = (0..returned)
            .map(|probe| {
                let share = if returned > 1 {
                    2.0 * probe as f64 / (returned - 1) as f64 - 1.0
                } else {
                    0.0
                };
                (((delay_ms + share * spread_ms) * 1_000.0).round() as u32).clamp(1, 60_000_000)
            })
            .collect();
        let counts = ProbeCounts {
            sent: probes,
            returned,
            ..ProbeCounts::default()
        };
        Some((counts, DelayHistogram::from_values_us(&mut delays_us)))
    }
}

/// The state of an alert as a case names it; `None` when there is none to speak of.
fn state(entry: &Entry) -> Option<&'static str> {
    let alert = &entry.alert;
    match alert.phase {
        Phase::Inactive | Phase::Resolved { .. } => None,
        phase if phase.is_open() && alert.silenced => Some("silenced"),
        phase => Some(phase.as_str()),
    }
}

fn fits(wanted: &BTreeMap<String, String>, key: &AlertKey, entry: &Entry) -> bool {
    wanted.iter().all(|(name, value)| match name.as_str() {
        "rule" => *value == key.rule,
        "measure" => *value == key.measure,
        "state" => Some(value.as_str()) == state(entry),
        label => label
            .parse::<Label>()
            .is_ok_and(|label| entry.labels.is(label, value)),
    })
}

impl Case {
    /// Runs the case, and says what was not as expected: a line of the file and a sentence each.
    pub fn run(&self, rules: &Arc<RuleSet>) -> Vec<(usize, String)> {
        let mut watch = Watch::new(Arc::clone(rules));
        let mut book = Book::new(Arc::clone(rules), [], []);
        for (number, series) in self.series.iter().enumerate() {
            watch.add(number as u32, series.labels.clone());
        }
        let (mut verdicts, mut told, mut failures) = (Vec::new(), Vec::new(), Vec::new());
        let mut minute = 0_usize;
        for expected in &self.expected {
            while (minute as u64 + 1) * MINUTE_MS <= expected.at_ms {
                let start_unix_ms = self.start_unix_ms + minute as u64 * MINUTE_MS;
                let end_unix_ms = start_unix_ms + MINUTE_MS;
                for (number, series) in self.series.iter().enumerate() {
                    let made = series
                        .minutes
                        .get(minute)
                        .and_then(|made| made.sample(series.probes));
                    if let Some((counts, delays)) = &made {
                        let sample = Sample {
                            start_unix_ms,
                            length_ms: MINUTE_MS as u32,
                            counts,
                            delays,
                        };
                        // Minutes come in order and count what they hold, so there is nothing to refuse.
                        let _ = watch.observe(number as u32, &sample, &mut verdicts);
                    }
                    let passed_ms = start_unix_ms - self.start_unix_ms..end_unix_ms - self.start_unix_ms;
                    for (direction, rate) in series.tests.within(self.start_unix_ms, passed_ms) {
                        watch.observe_rate(number as u32, direction, &rate, &mut verdicts);
                    }
                }
                watch.passed(end_unix_ms, &mut verdicts);
                for verdict in verdicts.drain(..) {
                    let labels = self.series[verdict.key.series as usize].labels.clone();
                    book.take(verdict, &labels, end_unix_ms, &mut told);
                }
                book.passed(end_unix_ms, &mut told);
                minute += 1;
            }
            let mut left: Vec<_> = book
                .alerts()
                .filter(|(_, entry)| state(entry).is_some())
                .collect();
            for wanted in &expected.alerts {
                match left.iter().position(|(key, entry)| fits(wanted, key, entry)) {
                    Some(found) => drop(left.remove(found)),
                    None => failures.push((
                        expected.line,
                        format!("at {} there is no alert {wanted:?}", expected.written_at),
                    )),
                }
            }
            for (key, entry) in left {
                let place = |label| entry.labels.value(label).unwrap_or("?");
                failures.push((expected.line, format!(
                    "at {} there is one more alert: rule {:?}, measure {:?}, state {:?}, agent {:?}, zone {:?}",
                    expected.written_at,
                    key.rule,
                    key.measure,
                    state(entry).unwrap_or_default(),
                    place(Label::Agent),
                    place(Label::Zone)
                )));
            }
        }
        failures
    }
}

#[cfg(test)]
mod tests;
