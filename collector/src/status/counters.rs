//! The counters by the names under which the status speaks of them.

use super::recently::{Kind, Totals};
use crate::metrics::Metrics;

impl Metrics {
    /// Everything counted that the status speaks of. What was stored, answered, or not waited for is no refusal.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals {
            body_bytes: self.body_bytes.get(),
            commits: self.commit_times.snapshot(),
            ..Totals::default()
        };
        for ((verdict, reason), count) in self.items.snapshot() {
            if verdict == "stored" {
                totals.stored += count;
            } else {
                totals.refusals.insert((Kind::Item, verdict, reason), count);
            }
        }
        for ((class, reason), count) in self.bodies_refused.snapshot() {
            totals.refusals.insert((Kind::Body, class, reason), count);
        }
        for ((endpoint, outcome), count) in self.queries.snapshot() {
            if !matches!(outcome, "ok" | "cancelled") {
                totals.refusals.insert((Kind::Query, endpoint, outcome), count);
            }
        }
        for (kind, reason, counter) in [
            (Kind::Connection, "too_many", &self.connections_refused),
            (Kind::Connection, "failed", &self.connections_failed),
            (Kind::Store, "commit_failed", &self.commits_failed),
            (Kind::Store, "maintenance_failed", &self.maintenance_failed),
            (Kind::Store, "report_unreadable", &self.reports_unreadable),
        ] {
            totals.refusals.insert((kind, "", reason), counter.get());
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stored_or_answered_is_no_refusal_and_everything_else_is_there_by_name() {
        let metrics = Metrics::default();
        metrics.items.count("stored", "");
        metrics.items.count("refused", "bad_interval");
        metrics.bodies_refused.count("unavailable", "queue_full");
        for outcome in ["ok", "cancelled", "query_timeout"] {
            metrics.queries.count("map", outcome);
        }
        metrics.connections_refused.add(3);
        let mut totals = metrics.totals();
        assert_eq!(totals.stored, 1);
        totals.refusals.retain(|_, count| *count > 0);
        let named: Vec<_> = totals.refusals.into_iter().collect();
        assert_eq!(
            named,
            [
                ((Kind::Item, "refused", "bad_interval"), 1),
                ((Kind::Body, "unavailable", "queue_full"), 1),
                ((Kind::Query, "map", "query_timeout"), 1),
                ((Kind::Connection, "", "too_many"), 3),
            ]
        );
    }
}
