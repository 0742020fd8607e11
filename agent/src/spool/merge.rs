//! Several reports into one of a longer interval: histograms are added per series and clock, counts are added, nothing is
//! averaged. Pure. Which reports, and when, is `room.rs`.

use std::collections::BTreeMap;

use azimuth_measurement::codec::{MAX_FRAME_BYTES, decode_report, encode_report};
use azimuth_measurement::{
    Accumulator, AgentHealth, DelayHistogram, Interval, ProbeCounts, Report, SeriesRecord, StampClock,
};

/// What one series adds up to: its counts and the histograms to add, by clock.
type Parts<'a> = (ProbeCounts, BTreeMap<StampClock, Vec<&'a DelayHistogram>>);

/// The frame of the merged report, which has the last one's sequence. `None` when they cannot be one report: other
/// manifest or epoch, other interval, counters beyond their bounds, or too large for the wire.
pub(crate) fn merge(reports: &[Report], level_ms: u32, dense: &mut Accumulator) -> Option<Vec<u8>> {
    let last = reports.last()?;
    let interval = Interval::containing(last.interval.start_unix_ms(), level_ms).ok()?;
    let fits = |report: &Report| {
        (report.epoch, report.manifest, &report.agent) == (last.epoch, last.manifest, &last.agent)
            && report.interval.start_unix_ms() >= interval.start_unix_ms()
            && report.interval.end_unix_ms() <= interval.end_unix_ms()
    };
    if !reports.iter().all(fits) {
        return None;
    }
    let mut series: BTreeMap<u32, Parts<'_>> = BTreeMap::new();
    for record in reports.iter().flat_map(|report| &report.records) {
        let (counts, delays) = series.entry(record.series).or_default();
        *counts = counts.plus(&record.counts)?;
        for (clock, histogram) in &record.delays {
            delays.entry(*clock).or_default().push(histogram);
        }
    }
    let mut records = Vec::with_capacity(series.len());
    for (series, (counts, by_clock)) in series {
        let mut delays = Vec::with_capacity(by_clock.len());
        for (clock, histograms) in by_clock {
            delays.push((clock, add(&histograms, dense)?));
        }
        records.push(SeriesRecord {
            series,
            counts,
            delays,
        });
    }
    // More than a report may hold are not thrown away: such reports stay apart.
    let paths = reports
        .iter()
        .flat_map(|report| report.paths.iter().cloned())
        .collect();
    let throughput = reports
        .iter()
        .flat_map(|report| report.throughput.iter().cloned())
        .collect();
    let lateness: Vec<&DelayHistogram> = reports
        .iter()
        .map(|report| &report.health.send_lateness)
        .collect();
    let merged = Report {
        interval,
        records,
        paths,
        throughput,
        health: AgentHealth {
            send_lateness: add(&lateness, dense)?,
            ..last.health.clone()
        },
        ..last.clone()
    };
    merged.check().ok()?;
    let frame = encode_report(&merged);
    // The reader's own caps decide whether the sum still fits one report.
    (frame.len() <= MAX_FRAME_BYTES && decode_report(&frame).is_ok()).then_some(frame)
}

fn add(histograms: &[&DelayHistogram], dense: &mut Accumulator) -> Option<DelayHistogram> {
    if let [only] = histograms {
        return Some(DelayHistogram::clone(only));
    }
    dense.clear();
    for histogram in histograms {
        dense.add(histogram).ok()?;
    }
    dense.to_histogram().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use azimuth_measurement::{ManifestId, PathEvent};
    use proptest::prelude::*;

    fn report(sequence: u64, start_ms: u64, delays: &[Vec<u32>]) -> Report {
        let record = |(series, delays): (usize, &Vec<u32>)| SeriesRecord {
            series: series as u32,
            counts: ProbeCounts {
                sent: delays.len() as u64 + 1,
                returned: delays.len() as u64,
                ..ProbeCounts::default()
            },
            delays: vec![(
                StampClock::Kernel,
                DelayHistogram::from_values_us(&mut delays.clone()),
            )],
        };
        Report {
            agent: "paris-1".parse().unwrap(),
            epoch: 5,
            sequence,
            manifest: ManifestId(9),
            interval: Interval::new(start_ms, 10_000).unwrap(),
            records: delays
                .iter()
                .enumerate()
                .filter(|(_, delays)| !delays.is_empty())
                .map(record)
                .collect(),
            paths: Vec::new(),
            throughput: Vec::new(),
            health: AgentHealth {
                reports_dropped: sequence,
                ..AgentHealth::default()
            },
        }
    }

    #[test]
    fn every_path_event_is_in_the_merged_report() {
        let event = |at_unix_ms| PathEvent {
            series: 0,
            at_unix_ms,
            reason: azimuth_measurement::PathReason::Scheduled,
            before: None,
            after: azimuth_measurement::Path::default(),
        };
        let mut reports = [
            report(1, 0, &[vec![5]]),
            report(2, 10_000, &[]),
            report(3, 20_000, &[]),
        ];
        reports[0].paths = vec![event(1), event(2)];
        reports[2].paths = vec![event(25_000)];
        let merged = decode_report(&merge(&reports, 60_000, &mut Accumulator::new()).unwrap()).unwrap();
        let at: Vec<u64> = merged.paths.iter().map(|event| event.at_unix_ms).collect();
        assert_eq!(at, [1, 2, 25_000]);
    }

    #[test]
    fn reports_of_other_minutes_or_manifests_are_not_merged() {
        let mut dense = Accumulator::new();
        let (first, second) = (report(1, 50_000, &[vec![5]]), report(2, 60_000, &[vec![5]]));
        assert_eq!(merge(&[first.clone(), second.clone()], 60_000, &mut dense), None);
        assert!(merge(&[first.clone(), second.clone()], 600_000, &mut dense).is_some());
        let other = Report {
            manifest: ManifestId(8),
            ..second
        };
        assert_eq!(merge(&[first, other], 600_000, &mut dense), None);
        assert_eq!(merge(&[], 60_000, &mut dense), None);
    }

    proptest! {
        #[test]
        fn every_delay_and_every_probe_is_there_once(
            delays in prop::collection::vec(prop::collection::vec(prop::collection::vec(1_u32..60_000_000, 0..20), 4), 1..6),
        ) {
            let reports: Vec<Report> =
                delays.iter().zip(0..).map(|(delays, n)| report(n + 1, n * 10_000, delays)).collect();
            let merged = decode_report(&merge(&reports, 60_000, &mut Accumulator::new()).unwrap()).unwrap();
            prop_assert_eq!(merged.sequence, reports.len() as u64);
            prop_assert_eq!(merged.health.reports_dropped, merged.sequence);
            prop_assert_eq!((merged.interval.start_unix_ms(), merged.interval.length_ms()), (0, 60_000));
            for series in 0..4 {
                let mut union: Vec<u32> = delays.iter().flat_map(|report| report[series].clone()).collect();
                let sent: u64 = reports.iter().flat_map(|report| &report.records)
                    .filter(|record| record.series as usize == series).map(|record| record.counts.sent).sum();
                let record = merged.records.iter().find(|record| record.series as usize == series);
                prop_assert_eq!(record.is_some(), !union.is_empty());
                if let Some(record) = record {
                    prop_assert_eq!(record.counts.sent, sent);
                    prop_assert_eq!(&record.delays[0].1, &DelayHistogram::from_values_us(&mut union));
                }
            }
        }
    }
}
