//! What the evaluation counts, and how far it has come. Nothing but numbers; they are shown on `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};

use super::light::FasterThanLight;
use crate::exposition::family::{Family as Shown, Kind, Value};
use crate::metrics::{Counter, Family, labelled};
use crate::store::{Admission, Item};

/// Counters of the evaluation.
#[derive(Debug, Default)]
pub struct Counters {
    /// What starts before this instant (unix ms) has been looked at.
    evaluated_to_unix_ms: AtomicU64,
    /// Observations held against the rules.
    pub observations: Counter,
    /// Results of throughput tests held against the rules.
    pub throughput_results: Counter,
    /// Observations a series' rules could not take, because they were not in order.
    pub out_of_order: Counter,
    /// Stored reports that could not be read back.
    pub unreadable_reports: Counter,
    /// Reports stored after their time had been evaluated.
    pub late_reports: Counter,
    /// Time that was not evaluated because it was too long ago when the collector came back, in milliseconds.
    pub skipped_ms: Counter,
    /// Rounds by outcome and reason.
    pub rounds: Family,
    /// Notices given, by kind and severity.
    pub notices: Family,
    /// Notices that nobody took and that had to go for newer ones, or were a day old before a channel was there.
    pub outbox_dropped: Counter,
    /// Entries that were left out because they could not be read back, or their series is another now, by kind and reason.
    pub left_out: Family,
    /// Changes asked for through the API, by what and outcome.
    pub requests: Family,
    /// Notices that wait in the outbox.
    pub waiting: AtomicU64,
    /// Series watched.
    pub series: AtomicU64,
    /// Alerts that fire or recover.
    pub open: AtomicU64,
    /// Pairs whose delays were shorter than light allows lately.
    pub faster_than_light: FasterThanLight,
}

impl Counters {
    /// Everything that starts before the instant is being looked at, from now on: what is stored later is late.
    pub fn evaluating_to(&self, unix_ms: u64) {
        self.evaluated_to_unix_ms.store(unix_ms, Ordering::Release);
    }

    /// How far the evaluation has come, unix ms; 0 before it began.
    pub fn evaluated_to_unix_ms(&self) -> u64 {
        self.evaluated_to_unix_ms.load(Ordering::Acquire)
    }

    /// Notes what has just been stored. A report that became durable while a round began may be counted although that
    /// round saw it; none is forgotten.
    pub fn note_stored(&self, items: &[Item], admissions: &[Admission]) {
        let evaluated_to = self.evaluated_to_unix_ms();
        let late = items.iter().zip(admissions).filter(|(item, admission)| {
            let stored = matches!(admission, Admission::Stored | Admission::StoredInPart(_));
            matches!(item, Item::Report(report) if stored && report.placed.start_unix_ms() < evaluated_to)
        });
        self.late_reports.add(late.count() as u64);
    }

    /// As families.
    pub fn families(&self) -> Vec<Shown> {
        let now = |gauge: &AtomicU64| gauge.load(Ordering::Relaxed);
        vec![
            labelled(
                "azimuth_alerting_rounds_total",
                "Evaluations, by outcome; a failed one is made up for by the next.",
                ("outcome", "reason"),
                &self.rounds,
            ),
            labelled(
                "azimuth_alerting_notices_total",
                "Notices given: somebody is to be told that an alert fired, or that it is over.",
                ("notice", "severity"),
                &self.notices,
            ),
            labelled(
                "azimuth_alerting_left_out_total",
                "Stored alerts that could not be gone on with, by reason.",
                ("what", "reason"),
                &self.left_out,
            ),
            labelled(
                "azimuth_alerting_requests_total",
                "Acknowledgements and silences asked for, by outcome.",
                ("request", "outcome"),
                &self.requests,
            ),
        ]
        .into_iter()
        .chain([
            Shown::counter(
                "azimuth_alerting_observations_total",
                "Observations held against the rules.",
                self.observations.get(),
            ),
            Shown::counter(
                "azimuth_alerting_throughput_results_total",
                "Results of throughput tests held against the rules.",
                self.throughput_results.get(),
            ),
            Shown::counter(
                "azimuth_alerting_out_of_order_total",
                "Observations that were not in order of time.",
                self.out_of_order.get(),
            ),
            Shown::counter(
                "azimuth_alerting_unreadable_reports_total",
                "Stored reports that could not be read back.",
                self.unreadable_reports.get(),
            ),
            Shown::counter(
                "azimuth_alerting_late_reports_total",
                "Reports stored after their time had been evaluated; no rule saw them.",
                self.late_reports.get(),
            ),
            Shown::single(
                "azimuth_alerting_skipped_seconds_total",
                Kind::Counter,
                "Time that was too long ago to be evaluated when the collector came back.",
                Value::Real(self.skipped_ms.get() as f64 / 1e3),
            ),
            Shown::counter(
                "azimuth_alerting_outbox_dropped_total",
                "Notices that nobody took and that had to go for newer ones, or were a day old before a channel was there to tell them.",
                self.outbox_dropped.get(),
            ),
            Shown::gauge(
                "azimuth_alerting_outbox",
                "Notices that wait to be sent.",
                now(&self.waiting),
            ),
            Shown::gauge(
                "azimuth_alerting_series",
                "Series the rules watch.",
                now(&self.series),
            ),
            Shown::gauge(
                "azimuth_faster_than_light_pairs",
                "Pairs of agent and zone, by method, whose delays of the last hour were shorter than light in fibre needs: a place is wrong, or an anycast front answers.",
                self.faster_than_light.names().len() as u64,
            ),
            Shown::gauge(
                "azimuth_alerts_open",
                "Alerts that fire or recover.",
                now(&self.open),
            ),
            Shown::gauge(
                "azimuth_alerting_evaluated_to_seconds",
                "How far the evaluation has come, Unix time.",
                self.evaluated_to_unix_ms() / 1_000,
            ),
        ])
        .collect()
    }
}
