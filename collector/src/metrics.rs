//! Counters about the collector itself, in the Prometheus text format (version 0.0.4).
//!
//! Every refusal, fallback and loss that this program can name has a counter here. Not the measurements: those are
//! asked for through the query API.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::store::window::Fallback;
use crate::store::{Admission, Condition, Dictionary, Maintained, WindowCondition};

/// A counter.
#[derive(Debug, Default)]
pub struct Counter(pub(crate) AtomicU64);

impl Counter {
    /// Adds `more`.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters by two labels whose values are words of this program, never text from outside.
#[derive(Debug, Default)]
pub struct Family(Mutex<BTreeMap<(&'static str, &'static str), u64>>);

impl Family {
    /// Counts one more.
    pub fn count(&self, first: &'static str, second: &'static str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((first, second)).or_default() += 1;
    }

    fn snapshot(&self) -> BTreeMap<(&'static str, &'static str), u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Everything counted.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Items by verdict and reason.
    pub items: Family,
    /// Whole bodies refused, by reason.
    pub bodies_refused: Family,
    /// Queries by endpoint and outcome.
    pub queries: Family,
    /// Queries begun on a thread.
    pub queries_started: Counter,
    /// Queries whose thread is done, whether or not anybody still waited.
    pub queries_finished: Counter,
    /// Stored observations handed to queries.
    pub query_observations: Counter,
    /// Bodies read.
    pub bodies: Counter,
    /// Bytes of bodies read.
    pub body_bytes: Counter,
    /// Interval histograms in stored reports.
    pub histograms_stored: Counter,
    /// Records of stored reports that were not stored because their series would be too many.
    pub records_series_limit: Counter,
    /// The same because too many series were new within the hour.
    pub records_new_series_rate: Counter,
    /// Transactions committed.
    pub commits: Counter,
    /// Transactions that failed.
    pub commits_failed: Counter,
    /// Time spent in commits, microseconds.
    pub commit_us: Counter,
    /// Hours rolled up.
    pub hours_sealed: Counter,
    /// Reports rolled up.
    pub reports_sealed: Counter,
    /// Sealed files past their retention.
    pub parts_retired: Counter,
    /// Rounds of keeping the store small that failed and are tried again.
    pub maintenance_failed: Counter,
    /// Stored reports that a query could not read back.
    pub reports_unreadable: Counter,
    /// Connections accepted.
    pub connections: Counter,
    /// Connections closed at once because too many were open.
    pub connections_refused: Counter,
    /// Connections that ended in a protocol error or a timeout.
    pub connections_failed: Counter,
    /// Connections closed because nothing was asked of them.
    pub connections_idle_closed: Counter,
    /// Connections cut off because a request head took too long.
    pub connections_head_timeout: Counter,
    /// Connections cut off because nothing of an answer was taken.
    pub connections_write_timeout: Counter,
}

impl Metrics {
    /// Notes a finished commit.
    pub fn note_commit(&self, took: Duration, succeeded: bool) {
        self.commit_us
            .add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        if succeeded {
            self.commits.add(1);
        } else {
            self.commits_failed.add(1);
        }
    }

    /// Notes what was stored of an item that brought so many histograms.
    pub fn note_stored(&self, admission: Admission, histograms: u64) {
        match admission {
            Admission::Stored => self.histograms_stored.add(histograms),
            Admission::StoredInPart(refused) => {
                self.histograms_stored
                    .add(histograms.saturating_sub(refused.histograms.into()));
                self.records_series_limit.add(refused.series_limit.into());
                self.records_new_series_rate.add(refused.new_series_rate.into());
            }
            _ => {}
        }
    }

    /// Notes what keeping the store small came to.
    pub fn note_maintained(&self, done: &Maintained) {
        self.hours_sealed.add(done.hours_sealed);
        self.reports_sealed.add(done.reports_sealed);
        self.parts_retired.add(done.parts_retired);
    }

    /// The page that Prometheus reads.
    pub fn render(&self, store: Condition, dictionary: &Dictionary, queued_bytes: u64) -> String {
        let mut page = Page::default();
        page.family(
            "azimuth_ingest_items_total",
            "Reports and tombstones received, by verdict; reason is empty for stored.",
            ("verdict", "reason"),
            &self.items,
        );
        page.family(
            "azimuth_ingest_bodies_refused_total",
            "Whole POST bodies refused.",
            ("status", "reason"),
            &self.bodies_refused,
        );
        page.family(
            "azimuth_queries_total",
            "Queries answered, by outcome: ok or the reason of the problem.",
            ("endpoint", "outcome"),
            &self.queries,
        );
        page.counter(
            "azimuth_queries_started_total",
            "Queries begun on a thread.",
            self.queries_started.get(),
        );
        page.counter(
            "azimuth_queries_finished_total",
            "Queries whose thread is done, whether or not anybody still waited.",
            self.queries_finished.get(),
        );
        page.counter(
            "azimuth_query_observations_total",
            "Stored interval histograms handed to queries.",
            self.query_observations.get(),
        );
        page.counter(
            "azimuth_ingest_bodies_total",
            "POST bodies read.",
            self.bodies.get(),
        );
        page.counter(
            "azimuth_ingest_body_bytes_total",
            "Bytes of POST bodies read.",
            self.body_bytes.get(),
        );
        page.counter(
            "azimuth_ingest_histograms_stored_total",
            "Interval histograms in stored reports.",
            self.histograms_stored.get(),
        );
        let name = "azimuth_ingest_records_refused_total";
        page.head(
            name,
            "counter",
            "Records of stored reports that were not stored with them, by the limit on series that refused them.",
        );
        for (reason, counter) in [
            ("series_limit", &self.records_series_limit),
            ("new_series_rate", &self.records_new_series_rate),
        ] {
            let _ = writeln!(page.text, "{name}{{reason=\"{reason}\"}} {}", counter.get());
        }
        page.gauge(
            "azimuth_ingest_queue_bytes",
            "Bytes waiting for the next commit.",
            queued_bytes,
        );
        page.counter(
            "azimuth_store_commits_total",
            "Transactions made durable.",
            self.commits.get(),
        );
        page.counter(
            "azimuth_store_commits_failed_total",
            "Transactions that failed.",
            self.commits_failed.get(),
        );
        page.counter(
            "azimuth_store_commit_microseconds_total",
            "Time spent in transactions.",
            self.commit_us.get(),
        );
        page.counter(
            "azimuth_store_hours_sealed_total",
            "Hours rolled up; an hour with late reports counts again.",
            self.hours_sealed.get(),
        );
        page.counter(
            "azimuth_store_reports_sealed_total",
            "Reports rolled up.",
            self.reports_sealed.get(),
        );
        page.counter(
            "azimuth_store_parts_retired_total",
            "Sealed files removed after their retention.",
            self.parts_retired.get(),
        );
        page.counter(
            "azimuth_store_maintenance_failed_total",
            "Rounds of sealing and retiring that failed and are tried again.",
            self.maintenance_failed.get(),
        );
        page.counter(
            "azimuth_store_reports_unreadable_total",
            "Stored reports that a query could not read back.",
            self.reports_unreadable.get(),
        );
        page.gauge(
            "azimuth_store_writable",
            "1 when the last write went through.",
            store.writable.into(),
        );
        page.gauge(
            "azimuth_store_bytes",
            "Size of the store on disk.",
            store.disk_bytes,
        );
        page.gauge(
            "azimuth_store_files_set_aside",
            "Damaged files kept aside in the data directory.",
            store.files_set_aside,
        );
        page.window(&store.window);
        page.gauge("azimuth_agents", "Agents known.", dictionary.agent_count() as u64);
        page.gauge(
            "azimuth_series",
            "Series known.",
            dictionary.series_count() as u64,
        );
        page.counter(
            "azimuth_connections_total",
            "Connections accepted.",
            self.connections.get(),
        );
        page.counter(
            "azimuth_connections_refused_total",
            "Connections closed at once because too many were open.",
            self.connections_refused.get(),
        );
        page.counter(
            "azimuth_connections_failed_total",
            "Connections that ended in a protocol error or a timeout.",
            self.connections_failed.get(),
        );
        page.counter(
            "azimuth_connections_idle_closed_total",
            "Connections closed because nothing was asked of them.",
            self.connections_idle_closed.get(),
        );
        page.counter(
            "azimuth_connections_head_timeout_total",
            "Connections cut off because a request head took too long.",
            self.connections_head_timeout.get(),
        );
        page.counter(
            "azimuth_connections_write_timeout_total",
            "Connections cut off because nothing of an answer was taken.",
            self.connections_write_timeout.get(),
        );
        page.text
    }
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, "counter", help);
        let _ = writeln!(self.text, "{name} {value}");
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, "gauge", help);
        let _ = writeln!(self.text, "{name} {value}");
    }

    fn window(&mut self, window: &WindowCondition) {
        self.gauge(
            "azimuth_window_bytes",
            "What the last minutes take in memory.",
            window.bytes,
        );
        self.counter(
            "azimuth_window_answers_total",
            "Questions answered from memory.",
            window.answered,
        );
        let name = "azimuth_window_fallbacks_total";
        self.head(
            name,
            "counter",
            "Questions about a whole range answered from disk, and why not from memory.",
        );
        for (reason, count) in Fallback::ALL.iter().zip(window.fallbacks) {
            let _ = writeln!(self.text, "{name}{{reason=\"{}\"}} {count}", reason.as_str());
        }
    }

    fn family(&mut self, name: &str, help: &str, labels: (&str, &str), family: &Family) {
        self.head(name, "counter", help);
        for ((first, second), value) in family.snapshot() {
            let _ = writeln!(
                self.text,
                "{name}{{{}=\"{first}\",{}=\"{second}\"}} {value}",
                labels.0, labels.1
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_what_was_counted() {
        let metrics = Metrics::default();
        metrics.items.count("refused", "bad_interval");
        metrics.items.count("refused", "bad_interval");
        metrics.note_commit(Duration::from_micros(1_500), true);
        let condition = Condition {
            writable: true,
            disk_bytes: 42,
            files_set_aside: 1,
            tier_bytes: [0; 4],
            oldest_unsealed_hour_unix_ms: None,
            window: WindowCondition {
                answered: 5,
                fallbacks: [0, 3, 0],
                ..WindowCondition::default()
            },
        };
        let page = metrics.render(condition, &Dictionary::default(), 7);
        for line in [
            "azimuth_ingest_items_total{verdict=\"refused\",reason=\"bad_interval\"} 2",
            "azimuth_store_commits_total 1",
            "azimuth_store_commit_microseconds_total 1500",
            "azimuth_store_files_set_aside 1",
            "azimuth_ingest_queue_bytes 7",
            "azimuth_window_answers_total 5",
            "azimuth_window_fallbacks_total{reason=\"too_old\"} 3",
        ] {
            assert!(
                page.lines().any(|found| found == line),
                "{line} is missing from\n{page}"
            );
        }
    }
}
