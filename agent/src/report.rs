//! From closed intervals to numbered, encoded reports. Pure.

use azimuth_measurement::codec::encode_report;
use azimuth_measurement::{
    AgentHealth, AgentId, DelayHistogram, Interval, LossCause, ManifestId, Report, SeriesRecord,
};

use crate::prober::Delivery;
use crate::queue::{Gap, QueuedReport};

/// Totals since the start that the uplink knows and the reports carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UplinkTotals {
    /// Reports given up because there was no room.
    pub reports_dropped: u64,
    /// Items the collector refused for good.
    pub reports_refused: u64,
    /// Posts that failed and were tried again.
    pub deliveries_failed: u64,
}

/// Makes the reports of one agent process.
#[derive(Debug)]
pub struct Reporter {
    agent: AgentId,
    epoch: u64,
    manifest: ManifestId,
    last: Option<(u64, Interval)>,
    clock_steps: u64,
}

impl Reporter {
    /// Reports of `agent` about the series of `manifest`, numbered within `epoch` (Unix milliseconds at start).
    #[must_use]
    pub fn new(agent: AgentId, epoch: u64, manifest: ManifestId) -> Self {
        Self {
            agent,
            epoch,
            manifest,
            last: None,
            clock_steps: 0,
        }
    }

    /// The report of one interval, encoded; and before it the gap, if intervals since the last one never came.
    pub fn report(&mut self, delivery: &Delivery, totals: UplinkTotals) -> (Option<Gap>, QueuedReport) {
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
            epoch: self.epoch,
            sequence: delivery.sequence,
            manifest: self.manifest,
            interval: closed.interval,
            records,
            health: AgentHealth {
                send_lateness: DelayHistogram::from_values_us(&mut lateness_us),
                reports_dropped: totals.reports_dropped,
                reports_refused: totals.reports_refused,
                deliveries_failed: totals.deliveries_failed,
                clock_steps: self.clock_steps,
            },
        };
        let queued = QueuedReport {
            sequence: delivery.sequence,
            interval: closed.interval,
            ended_at: closed.ended_at,
            frame: encode_report(&report),
        };
        (gap, queued)
    }

    fn gap_before(&self, sequence: u64, interval: Interval) -> Option<Gap> {
        let (last_sequence, last_interval) = self.last.unwrap_or((0, interval));
        let missing = last_sequence + 1..sequence;
        let start_unix_ms = last_interval.end_unix_ms().min(interval.start_unix_ms());
        (!missing.is_empty()).then(|| Gap {
            first_sequence: missing.start,
            last_sequence: sequence - 1,
            start_unix_ms,
            // At least a millisecond: a stepped clock can leave no time between the two.
            end_unix_ms: interval.start_unix_ms().max(start_unix_ms + 1),
            cause: LossCause::QueueFull,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Monotonic;
    use crate::tally::{ClosedInterval, SeriesTally};
    use azimuth_measurement::codec::decode_report;
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
        Reporter::new(
            "paris-1".parse().expect("an id"),
            1_700_000_000_000,
            ManifestId(7),
        )
    }

    #[test]
    fn a_report_says_what_was_counted_and_passes_its_own_check() {
        let mut reporter = reporter();
        let totals = UplinkTotals {
            reports_dropped: 1,
            reports_refused: 2,
            deliveries_failed: 3,
        };
        reporter.report(&delivery(1), totals);
        let (gap, queued) = reporter.report(&delivery(2), totals);
        let report = decode_report(&queued.frame).expect("our own report");
        assert_eq!(report.check(), Ok(()));
        assert_eq!((gap, report.sequence, report.epoch), (None, 2, 1_700_000_000_000));
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
            first_sequence: 2,
            last_sequence: 3,
            start_unix_ms: 20_000,
            end_unix_ms: 40_000,
            cause: LossCause::QueueFull,
        };
        assert_eq!(gap, Some(expected));
    }
}
