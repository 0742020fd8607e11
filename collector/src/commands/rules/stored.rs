//! `rules replay --data-dir`: the rules over the past of a store. Reading the store is all it does itself.

use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use azimuth_measurement::catalogue::Catalogue;
use azimuth_measurement::{DelayHistogram, TransferDirection};
use serde::Serialize;
use thiserror::Error;

use crate::alert::book::{Book, Told};
use crate::alert::lifecycle::{Notice, Phase};
use crate::alert::rates::Rate;
use crate::alert::rules::measure::Unit;
use crate::alert::rules::{AlertKey, RuleSet, SeriesLabels, Watch};
use crate::alert::settings::MINUTE_MS;
use crate::evaluate::labels::series_labels;
use crate::evaluate::round::observe_rates;
use crate::evaluate::rule_files::{RulesError, load_rules};
use crate::evaluate::sample_of;
use crate::query::Label;
use crate::store::embedded::{EmbeddedStore, OpenError};
use crate::store::{Retention, ScanRequest, Store, StoreError, TimeRange};
use crate::utc::UtcInstant;

/// How often silences are looked at, in milliseconds of the past.
const SILENCES_EVERY_MS: u64 = 5 * MINUTE_MS;

/// What to replay.
#[derive(Debug, Clone)]
pub struct StoredPast {
    /// Directory of the store.
    pub data_dir: PathBuf,
    /// Rule files; the default rule when there are none.
    pub rules: Vec<PathBuf>,
    /// From when, `now-7d` or an instant.
    pub from: String,
    /// Until when.
    pub to: String,
}

/// Why nothing was replayed.
#[derive(Debug, Error)]
pub enum StoredError {
    /// The rules cannot be used.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// Not a time.
    #[error("--{flag}: {reason}")]
    Time {
        /// The flag.
        flag: &'static str,
        /// What is wrong, and the remedy.
        reason: String,
    },
    /// No store there.
    #[error("{}: holds no store; name the data_dir of a collector, or a directory made by `restore`", .0.display())]
    NoStore(PathBuf),
    /// The store cannot be opened.
    #[error("{0}; stop the collector first, or replay a copy of its store with --collector ADDRESS:PORT")]
    Open(#[from] OpenError),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The lines could not be written.
    #[error("cannot write the alerts: {0}")]
    Output(#[source] io::Error),
}

/// One line of output. Times are Unix seconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReplayedAlert {
    /// `agent > zone method target`.
    pub series: String,
    /// The rule.
    pub rule: String,
    /// What was watched.
    pub measure: String,
    /// When somebody would have been told.
    pub fired_at_s: u64,
    /// Since when it is thought to have been so.
    pub regressed_at_s: u64,
    /// The value when it fired.
    pub value: f64,
    /// The value before, or the limit.
    pub against: f64,
    /// The unit of both.
    pub unit: Unit,
    /// When it was over; null while open.
    pub resolved_at_s: Option<u64>,
    /// How.
    pub resolution: Option<&'static str>,
}

/// Replays the past and writes one JSON object a line, in the order in which alerts fired.
///
/// # Errors
/// When the rules, the store or the output cannot be used.
pub fn replay_stored(past: &StoredPast, now_unix_ms: u64, out: &mut impl Write) -> Result<(), StoredError> {
    let rules = Arc::new(load_rules(&past.rules)?);
    let time = |flag, text: &str| {
        UtcInstant::parse(text, now_unix_ms)
            .map(UtcInstant::unix_ms)
            .map_err(|reason| StoredError::Time { flag, reason })
    };
    let range = TimeRange {
        from_unix_ms: time("from", &past.from)?,
        to_unix_ms: time("to", &past.to)?,
    };
    let store = open(&past.data_dir, now_unix_ms)?;
    for alert in replay(&store, &rules, range)? {
        let written = serde_json::to_writer(&mut *out, &alert)
            .map_err(io::Error::from)
            .and_then(|()| out.write_all(b"\n"));
        match written {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            written => written.map_err(StoredError::Output)?,
        }
    }
    Ok(())
}

fn open(directory: &Path, now_unix_ms: u64) -> Result<EmbeddedStore, StoredError> {
    let holds_files = std::fs::read_dir(directory).is_ok_and(|mut files| files.next().is_some());
    if !holds_files {
        return Err(StoredError::NoStore(directory.to_owned()));
    }
    Ok(EmbeddedStore::open(directory, Retention::default(), now_unix_ms)?)
}

/// What the rules would have told about the stored past.
///
/// # Errors
/// When the store cannot be read.
pub fn replay(
    store: &dyn Store,
    rules: &Arc<RuleSet>,
    range: TimeRange,
) -> Result<Vec<ReplayedAlert>, StoreError> {
    let mut watch = Watch::new(Arc::clone(rules));
    let mut labels = HashMap::new();
    for (id, of) in series_labels(store, &Catalogue::built_in(), |_| true)? {
        watch.add(id.0, of.clone());
        labels.insert(id.0, of);
    }
    let mut book = Book::new(Arc::clone(rules), [], []);
    let chosen = store.dictionary().series().map(|(id, _)| id).collect();
    let request = ScanRequest {
        range,
        series: &chosen,
        step_ms: MINUTE_MS,
    };
    let empty = DelayHistogram::default();
    let (mut verdicts, mut told, mut lines) = (Vec::new(), Vec::new(), Lines::default());
    let (mut minute, mut silences_at) = (0, 0);
    let mut results: VecDeque<(u32, TransferDirection, Rate)> = VecDeque::new();
    observe_rates(store, range, &mut |series, direction, rate| {
        results.push_back((series, direction, rate));
    })?;
    results
        .make_contiguous()
        .sort_by_key(|(.., rate)| rate.at_unix_ms);
    store.scan(request, &mut |observation| {
        let at_unix_ms = observation.start_unix_ms;
        if at_unix_ms / MINUTE_MS > minute {
            minute = at_unix_ms / MINUTE_MS;
            watch.passed(minute * MINUTE_MS, &mut verdicts);
            while let Some((series, direction, rate)) =
                results.pop_front_if(|(.., rate)| rate.at_unix_ms < minute * MINUTE_MS)
            {
                watch.observe_rate(series, direction, &rate, &mut verdicts);
            }
        }
        // Observations come in order of time, and the store holds none that contradicts itself.
        let _ = watch.observe(
            observation.series.0,
            &sample_of(&observation, &empty),
            &mut verdicts,
        );
        for verdict in verdicts.drain(..) {
            if let Some(labels) = labels.get(&verdict.key.series) {
                let at_unix_ms = verdict.at_unix_ms;
                book.take(verdict, labels, at_unix_ms, &mut told);
            }
        }
        if at_unix_ms.saturating_sub(silences_at) >= SILENCES_EVERY_MS {
            silences_at = at_unix_ms;
            book.passed(at_unix_ms, &mut told);
        }
        lines.note(&mut told, &book);
        ControlFlow::Continue(())
    })?;
    Ok(lines.alerts)
}

#[derive(Default)]
struct Lines {
    alerts: Vec<ReplayedAlert>,
    open: HashMap<AlertKey, usize>,
}

impl Lines {
    fn note(&mut self, told: &mut Vec<Told>, book: &Book) {
        for Told {
            key,
            notice,
            at_unix_ms,
        } in told.drain(..)
        {
            let Some(entry) = book.alert(&key) else { continue };
            match (notice, entry.alert.evidence, entry.alert.phase) {
                (Notice::Fired { .. }, Some(evidence), _) => {
                    self.open.insert(key.clone(), self.alerts.len());
                    self.alerts.push(ReplayedAlert {
                        series: name(&entry.labels),
                        rule: key.rule,
                        measure: key.measure,
                        fired_at_s: at_unix_ms / 1_000,
                        regressed_at_s: evidence.since_unix_ms / 1_000,
                        value: rounded(evidence.value),
                        against: rounded(evidence.against),
                        unit: evidence.unit,
                        resolved_at_s: None,
                        resolution: None,
                    });
                }
                (Notice::Resolved { .. }, _, Phase::Resolved { ending, .. }) => {
                    let open = self
                        .open
                        .remove(&key)
                        .and_then(|index| self.alerts.get_mut(index));
                    if let Some(alert) = open {
                        alert.resolved_at_s = Some(at_unix_ms / 1_000);
                        alert.resolution = Some(ending.as_str());
                    }
                }
                _ => {}
            }
        }
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

fn name(labels: &SeriesLabels) -> String {
    let value = |label| labels.value(label).unwrap_or("?");
    format!(
        "{} > {} {} {}",
        value(Label::Agent),
        value(Label::Zone),
        value(Label::Method),
        labels.target()
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::alert::rules::read;
    use crate::store::conformance::{T0, item, manifest_of, report_of, verified};
    use crate::store::memory::MemoryStore;

    /// An hour and a half of 10 ms, then half an hour of 14 ms, in intervals of ten seconds with ten delays each.
    fn stepped() -> MemoryStore {
        let store = MemoryStore::default();
        let manifest = manifest_of("brest-1", 1);
        for slot in 0..720_u64 {
            let level_us = if slot < 540 { 10_000 } else { 14_000 };
            let delays: Vec<u32> = (0..10)
                .map(|probe| level_us + ((slot * 7 + probe * 13) % 100) as u32)
                .collect();
            let report = item(&report_of(&manifest, slot + 1, slot, &delays));
            store.commit(&[verified(&manifest)], &[report]).expect("writable");
        }
        store
    }

    fn replayed(rules: &str) -> Vec<ReplayedAlert> {
        let rules = Arc::new(read([(Path::new("r.toml"), rules)]).expect("valid"));
        let range = TimeRange {
            from_unix_ms: T0,
            to_unix_ms: T0 + 7_200_000,
        };
        replay(&stepped(), &rules, range).expect("readable")
    }

    #[test]
    fn the_default_rule_finds_the_step_and_a_coarse_one_does_not() {
        // Every interval of this store lacks one answer of eleven, which is a loss alert of its own.
        let delays = |rules: &str| -> Vec<ReplayedAlert> {
            replayed(rules)
                .into_iter()
                .filter(|alert| alert.measure != "loss")
                .collect()
        };
        let alerts = delays("");
        assert_eq!(alerts.len(), 1, "{alerts:?}");
        let alert = &alerts[0];
        assert_eq!(
            (alert.rule.as_str(), alert.measure.as_str()),
            ("regression", "p50")
        );
        assert_eq!(alert.series, "brest-1 > aws/eu-west-3/az0 stamp target-0");
        assert_eq!(alert.regressed_at_s, (T0 + 5_400_000) / 1_000);
        assert!(alert.fired_at_s - alert.regressed_at_s <= 480, "{alert:?}");
        assert!((alert.value - alert.against - 4.0).abs() < 0.1, "{alert:?}");
        assert_eq!(delays("[[regression]]\nname = \"coarse\"\nfloor_ms = 5\n"), []);
        assert_eq!(delays("[[regression]]\nname = \"here\"\nselect = { city = \"Paris\" }\nfloor_ms = 5\n[[threshold]]\nname = \"far\"\nmeasure = \"p50\"\nabove_ms = 12\nexcept = { provider = \"aws\" }\n").len(), 0);
    }

    #[test]
    fn a_directory_without_a_store_is_named_and_none_is_made_there() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let past = StoredPast {
            data_dir: directory.path().join("none"),
            rules: Vec::new(),
            from: "now-1d".to_owned(),
            to: "now".to_owned(),
        };
        let error = replay_stored(&past, T0, &mut Vec::new()).expect_err("no store");
        assert!(
            error.to_string().contains("holds no store; name the data_dir"),
            "{error}"
        );
        assert!(!past.data_dir.exists());
    }
}
