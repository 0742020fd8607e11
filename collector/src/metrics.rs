//! Counters about the collector itself. Every refusal, fallback and loss that this program can name has one here.
//!
//! Not the forms in which they are shown, nor the measurements that are shown beside them: [`crate::exposition`].

mod process;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::exposition::family::{Family as Shown, Kind, Value, labels};
use crate::exposition::measured::Measured;
use crate::exposition::settings::Settings;
use crate::remote_write::counters::Counters;
use crate::status::commit_times::CommitTimes;
use crate::store::window::Fallback;
use crate::store::{Admission, Condition, Dictionary, JustStored, Maintained, WindowCondition};

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
        self.add(first, second, 1);
    }

    /// Counts so many more.
    pub fn add(&self, first: &'static str, second: &'static str, more: u64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((first, second)).or_default() += more;
    }

    pub(crate) fn snapshot(&self) -> BTreeMap<(&'static str, &'static str), u64> {
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
    /// What agents asked to join and to open sessions, by outcome.
    pub enrolment: Family,
    /// TLS handshakes that came to nothing.
    pub tls_failed: Counter,
    /// Queries by endpoint and outcome.
    pub queries: Family,
    /// Requests not answered because of who asked: by what they were about and the reason.
    pub access: Family,
    /// Requests to the identity provider: by what was asked and what came of it.
    pub oidc: Family,
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
    /// Transactions by how long they took.
    pub commit_times: CommitTimes,
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
    /// Commits whose measurements could not be added to what is shown.
    pub commits_not_measured: Counter,
    /// What the measurements of each pair came to.
    pub measured: Measured,
    /// What remote write counts.
    pub remote_write: Arc<Counters>,
    /// What notifications count.
    pub notify: Arc<crate::notify::counters::Counters>,
    /// How reloads of the configuration ended.
    pub reloads: Arc<crate::reload::Reloads>,
    /// What the evaluation of rules counts.
    pub alerting: Arc<crate::evaluate::counters::Counters>,
}

impl Metrics {
    /// Nothing counted yet; of the measurements, `settings` says what is shown.
    pub fn new(settings: Settings) -> Self {
        Self {
            measured: Measured::new(settings),
            ..Self::default()
        }
    }

    /// Notes a finished commit.
    pub fn note_commit(&self, took: Duration, succeeded: bool) {
        self.commit_times.record(took);
        self.commit_us
            .add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        if succeeded {
            self.commits.add(1);
        } else {
            self.commits_failed.add(1);
        }
    }

    /// Notes what was stored of an item that brought so many histograms.
    pub fn note_admission(&self, admission: Admission, histograms: u64) {
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

    /// Adds a report that was stored just now to what the measurements came to. Duplicates have been added before.
    pub fn note_stored(&self, stored: &JustStored<'_>) {
        if !self.measured.is_kept() {
            return;
        }
        // It was read when it was examined, and its manifest was stored with it or before; a fault of ours must show.
        match stored.content() {
            Some((report, known)) => self.measured.note(stored.report(), report, known),
            None => self.reports_unreadable.add(1),
        }
    }

    /// Notes what keeping the store small came to.
    pub fn note_maintained(&self, done: &Maintained) {
        self.hours_sealed.add(done.hours_sealed);
        self.reports_sealed.add(done.reports_sealed);
        self.parts_retired.add(done.parts_retired);
    }

    /// Everything that Prometheus reads: the measurements, these counters, and the process.
    pub fn families(&self, store: Condition, dictionary: &Dictionary, queued_bytes: u64) -> Vec<Shown> {
        let mut families = self.measured.families();
        families.extend(window(&store.window));
        families.extend(self.own_families(store, dictionary, queued_bytes));
        families.extend(self.remote_write.families());
        families.extend(self.notify.families());
        families.extend(self.alerting.families());
        families.push(self.reloads.family());
        families.push(process::build_info());
        families.extend(process::read());
        families
    }

    fn own_families(&self, store: Condition, dictionary: &Dictionary, queued_bytes: u64) -> Vec<Shown> {
        vec![
            labelled(
                "azimuth_ingest_items_total",
                "Reports and tombstones received, by verdict; reason is empty for stored.",
                ("verdict", "reason"),
                &self.items,
            ),
            labelled(
                "azimuth_ingest_bodies_refused_total",
                "Whole POST bodies refused.",
                ("status", "reason"),
                &self.bodies_refused,
            ),
            labelled(
                "azimuth_enrolment_requests_total",
                "Requests to join, for challenges, sessions, keys and throughput tickets, by outcome: ok or the reason of the problem.",
                ("request", "outcome"),
                &self.enrolment,
            ),
            Shown::counter(
                "azimuth_tls_handshakes_failed_total",
                "TLS handshakes at the door of agents that failed or took too long.",
                self.tls_failed.get(),
            ),
            labelled(
                "azimuth_queries_total",
                "Queries answered, by outcome: ok or the reason of the problem.",
                ("endpoint", "outcome"),
                &self.queries,
            ),
            labelled(
                "azimuth_access_refused_total",
                "Requests and logins refused because of who asked.",
                ("what", "reason"),
                &self.access,
            ),
            labelled(
                "azimuth_oidc_requests_total",
                "Requests to the identity provider, by outcome.",
                ("asked", "outcome"),
                &self.oidc,
            ),
            Shown::counter(
                "azimuth_queries_started_total",
                "Queries begun on a thread.",
                self.queries_started.get(),
            ),
            Shown::counter(
                "azimuth_queries_finished_total",
                "Queries whose thread is done, whether or not anybody still waited.",
                self.queries_finished.get(),
            ),
            Shown::counter(
                "azimuth_query_observations_total",
                "Stored interval histograms handed to queries.",
                self.query_observations.get(),
            ),
            Shown::counter(
                "azimuth_ingest_bodies_total",
                "POST bodies read.",
                self.bodies.get(),
            ),
            Shown::counter(
                "azimuth_ingest_body_bytes_total",
                "Bytes of POST bodies read.",
                self.body_bytes.get(),
            ),
            Shown::counter(
                "azimuth_ingest_histograms_stored_total",
                "Interval histograms in stored reports.",
                self.histograms_stored.get(),
            ),
            self.records_refused(),
            Shown::gauge(
                "azimuth_ingest_queue_bytes",
                "Bytes waiting for the next commit.",
                queued_bytes,
            ),
            Shown::counter(
                "azimuth_store_commits_total",
                "Transactions made durable.",
                self.commits.get(),
            ),
            Shown::counter(
                "azimuth_store_commits_failed_total",
                "Transactions that failed.",
                self.commits_failed.get(),
            ),
            Shown::single(
                "azimuth_store_commit_seconds_total",
                Kind::Counter,
                "Time spent in transactions.",
                Value::Real(self.commit_us.get() as f64 / 1e6),
            ),
            Shown::counter(
                "azimuth_store_rollups_total",
                "Hours rolled up; an hour with late reports counts again.",
                self.hours_sealed.get(),
            ),
            Shown::counter(
                "azimuth_store_reports_sealed_total",
                "Reports rolled up.",
                self.reports_sealed.get(),
            ),
            Shown::counter(
                "azimuth_store_parts_retired_total",
                "Sealed files removed after their retention.",
                self.parts_retired.get(),
            ),
            Shown::counter(
                "azimuth_store_maintenance_failed_total",
                "Rounds of sealing and retiring that failed and are tried again.",
                self.maintenance_failed.get(),
            ),
            Shown::counter(
                "azimuth_store_reports_unreadable_total",
                "Stored reports that a query could not read back.",
                self.reports_unreadable.get(),
            ),
            Shown::counter(
                "azimuth_metrics_commits_left_out_total",
                "Transactions whose reports this page leaves out because adding them failed; the log says why.",
                self.commits_not_measured.get(),
            ),
            Shown::gauge(
                "azimuth_store_writable",
                "1 when the last write went through.",
                store.writable.into(),
            ),
            Shown::gauge(
                "azimuth_store_bytes",
                "Size of the store on disk.",
                store.disk_bytes,
            ),
            Shown::gauge(
                "azimuth_store_files_set_aside",
                "Damaged files kept aside in the data directory.",
                store.files_set_aside,
            ),
            Shown::counter(
                "azimuth_store_path_events_refused_total",
                "Path events not kept because their agent had told too many within an hour.",
                store.path_events_refused,
            ),
            Shown::counter(
                "azimuth_store_throughput_results_refused_total",
                "Throughput results not kept because their agent had told too many within an hour.",
                store.throughput_results_refused,
            ),
            Shown::gauge("azimuth_agents", "Agents known.", dictionary.agent_count() as u64),
            Shown::gauge(
                "azimuth_series",
                "Series known.",
                dictionary.series_count() as u64,
            ),
            Shown::counter(
                "azimuth_connections_total",
                "Connections accepted.",
                self.connections.get(),
            ),
            Shown::counter(
                "azimuth_connections_refused_total",
                "Connections closed at once because too many were open.",
                self.connections_refused.get(),
            ),
            Shown::counter(
                "azimuth_connections_failed_total",
                "Connections that ended in a protocol error or a timeout.",
                self.connections_failed.get(),
            ),
            Shown::counter(
                "azimuth_connections_idle_closed_total",
                "Connections closed because nothing was asked of them.",
                self.connections_idle_closed.get(),
            ),
            Shown::counter(
                "azimuth_connections_head_timeout_total",
                "Connections cut off because a request head took too long.",
                self.connections_head_timeout.get(),
            ),
            Shown::counter(
                "azimuth_connections_write_timeout_total",
                "Connections cut off because nothing of an answer was taken.",
                self.connections_write_timeout.get(),
            ),
        ]
    }

    fn records_refused(&self) -> Shown {
        let mut shown = Shown::new(
            "azimuth_ingest_records_refused_total",
            Kind::Counter,
            "Records of stored reports that were not stored with them, by the limit on series that refused them.",
        );
        for (reason, counter) in [
            ("series_limit", &self.records_series_limit),
            ("new_series_rate", &self.records_new_series_rate),
        ] {
            shown.push(labels([("reason", reason)]), Value::Whole(counter.get()));
        }
        shown
    }
}

fn window(window: &WindowCondition) -> [Shown; 3] {
    let mut fallbacks = Shown::new(
        "azimuth_window_fallbacks_total",
        Kind::Counter,
        "Questions about a whole range answered from disk, and why not from memory.",
    );
    for (reason, count) in Fallback::ALL.iter().zip(window.fallbacks) {
        fallbacks.push(labels([("reason", reason.as_str())]), Value::Whole(count));
    }
    [
        Shown::gauge(
            "azimuth_window_bytes",
            "What the last minutes take in memory.",
            window.bytes,
        ),
        Shown::counter(
            "azimuth_window_answers_total",
            "Questions answered from memory.",
            window.answered,
        ),
        fallbacks,
    ]
}

/// A family of counters by two labels, to be shown.
pub(crate) fn labelled(
    name: &'static str,
    help: &'static str,
    names: (&'static str, &'static str),
    family: &Family,
) -> Shown {
    let mut shown = Shown::new(name, Kind::Counter, help);
    for ((first, second), value) in family.snapshot() {
        shown.push(labels([(names.0, first), (names.1, second)]), Value::Whole(value));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::text;

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
            path_events_refused: 0,
            throughput_results_refused: 0,
            window: WindowCondition {
                answered: 5,
                fallbacks: [0, 3, 0],
                ..WindowCondition::default()
            },
            unsealed_hours: 0,
            sealing_due_unix_ms: None,
            tier_holdings: Default::default(),
        };
        let page = text::render(&metrics.families(condition, &Dictionary::default(), 7));
        for line in [
            "azimuth_ingest_items_total{verdict=\"refused\",reason=\"bad_interval\"} 2",
            "azimuth_store_commits_total 1",
            "azimuth_store_commit_seconds_total 0.0015",
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
