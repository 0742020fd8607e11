//! From closed intervals to reports, and to gaps where intervals never came. Pure; the spool numbers and encodes.

use azimuth_measurement::{AgentHealth, AgentId, DelayHistogram, Interval, ManifestId, Report, SeriesRecord};

use crate::prober::Delivery;

/// Totals since the start that the uplink knows and the reports carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UplinkTotals {
    /// Reports given up because there was no room.
    pub reports_dropped: u64,
    /// Reports the collector refused for good, and those too large to be sent.
    pub reports_refused: u64,
    /// Posts that failed and were tried again.
    pub deliveries_failed: u64,
}

/// Intervals the probing thread gave up because nobody took them in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// How many.
    pub reports: u64,
    /// Start of the first interval given up.
    pub start_unix_ms: u64,
    /// End of the last interval given up.
    pub end_unix_ms: u64,
}

/// Makes the reports of one agent process.
#[derive(Debug)]
pub struct Reporter {
    agent: AgentId,
    manifest: ManifestId,
    last: Option<(u64, Interval)>,
    clock_steps: u64,
}

impl Reporter {
    /// Reports of `agent` about the series of `manifest`.
    #[must_use]
    pub fn new(agent: AgentId, manifest: ManifestId) -> Self {
        Self {
            agent,
            manifest,
            last: None,
            clock_steps: 0,
        }
    }

    /// Reports are about the series of this manifest from now on; their numbers mean the same in it.
    pub fn set_manifest(&mut self, manifest: ManifestId) {
        self.manifest = manifest;
    }

    /// Another prober counts its intervals from the beginning; they are about the series of this manifest.
    pub fn begin_anew(&mut self, manifest: ManifestId) {
        (self.manifest, self.last) = (manifest, None);
    }

    /// The report of one interval; and before it the gap, if intervals since the last one never came.
    pub fn report(&mut self, delivery: &Delivery, totals: UplinkTotals) -> (Option<Gap>, Report) {
        let closed = &delivery.closed;
        let gap = self.gap_before(delivery.sequence, closed.interval);
        self.last = Some((delivery.sequence, closed.interval));
        self.clock_steps += closed.clock_steps;
        let mut lateness_us = closed.send_lateness_us.clone();
        let numbered = (0_u32..).zip(&closed.series);
        let records: Vec<SeriesRecord> = numbered
            .filter_map(|(series, tally)| tally.to_record(series))
            .collect();
        let report = Report {
            agent: self.agent.clone(),
            // The spool knows in which epoch it counts, and how far it has come.
            epoch: 0,
            sequence: 0,
            manifest: self.manifest,
            interval: closed.interval,
            records,
            paths: Vec::new(),
            throughput: Vec::new(),
            health: AgentHealth {
                send_lateness: DelayHistogram::from_values_us(&mut lateness_us),
                reports_dropped: totals.reports_dropped,
                reports_refused: totals.reports_refused,
                deliveries_failed: totals.deliveries_failed,
                clock_steps: self.clock_steps,
                plan: None,
            },
        };
        (gap, report)
    }

    fn gap_before(&self, sequence: u64, interval: Interval) -> Option<Gap> {
        let (last_sequence, last_interval) = self.last.unwrap_or((0, interval));
        let missing = last_sequence + 1..sequence;
        let start_unix_ms = last_interval.end_unix_ms().min(interval.start_unix_ms());
        (!missing.is_empty()).then(|| Gap {
            reports: missing.end - missing.start,
            start_unix_ms,
            // At least a millisecond: a stepped clock can leave no time between the two.
            end_unix_ms: interval.start_unix_ms().max(start_unix_ms + 1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Monotonic;
    use crate::tally::{ClosedInterval, SeriesTally};
    use azimuth_measurement::{ProbeCounts, StampClock};

    fn delivery(sequence: u64) -> Delivery {
        let heard = SeriesTally {
            counts: ProbeCounts {
                sent: 3,
                returned: 2,
                skipped: 1,
                ..ProbeCounts::default()
            },
            delays_us: vec![(StampClock::Kernel, 1_500), (StampClock::Kernel, 1_700)],
            certificate_ends_unix_s: None,
        };
        Delivery {
            sequence,
            closed: ClosedInterval {
                interval: Interval::new(sequence * 10_000, 10_000).expect("on the grid"),
                ended_at: Monotonic::from_ns(5),
                series: vec![SeriesTally::default(), heard],
                send_lateness_us: vec![40, 60],
                clock_steps: 2,
            },
        }
    }

    fn reporter() -> Reporter {
        Reporter::new("paris-1".parse().expect("an id"), ManifestId(7))
    }

    #[test]
    fn a_report_says_what_was_counted() {
        let mut reporter = reporter();
        let totals = UplinkTotals {
            reports_dropped: 1,
            reports_refused: 2,
            deliveries_failed: 3,
        };
        reporter.report(&delivery(1), totals);
        let (gap, report) = reporter.report(&delivery(2), totals);
        assert_eq!((gap, report.manifest), (None, ManifestId(7)));
        assert_eq!(
            (report.records.len(), report.records[0].series),
            (1, 1),
            "silent series are left out"
        );
        assert_eq!(
            (report.health.send_lateness.count(), report.health.clock_steps),
            (2, 4)
        );
        assert_eq!(report.health.deliveries_failed, 3);
    }

    #[test]
    fn a_hole_in_the_numbers_becomes_a_gap_with_its_time() {
        let mut reporter = reporter();
        reporter.report(&delivery(1), UplinkTotals::default());
        let (gap, _) = reporter.report(&delivery(4), UplinkTotals::default());
        let expected = Gap {
            reports: 2,
            start_unix_ms: 20_000,
            end_unix_ms: 40_000,
        };
        assert_eq!(gap, Some(expected));
    }
}
