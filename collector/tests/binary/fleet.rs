//! Agents that were never there: manifests, reports and bodies for tests and benches. Not a simulation of networks; that
//! is the testbed.

use azimuth_measurement::codec::{Batch, BatchItem, encode_batch, encode_manifest, encode_report};
use azimuth_measurement::{
    AgentHealth, DelayHistogram, Granularity, Interval, LoadLabel, Manifest, Method, ProbeCounts, Report,
    SeriesDescriptor, SeriesRecord, StampClock, VantagePoint, ZoneKey,
};

/// Length of every interval, in milliseconds.
pub(crate) const LENGTH_MS: u64 = 10_000;
/// The epoch of every report.
pub(crate) const EPOCH: u64 = 1_700_000_000_000;

/// A manifest of `series` STAMP series, each to a zone of its own.
pub(crate) fn manifest(agent: &str, series: u16) -> Manifest {
    Manifest {
        agent: agent.parse().expect("a valid id"),
        agent_version: "0.1.0".to_owned(),
        cloud: azimuth_measurement::CloudPlace::default(),
        vantage_point: VantagePoint {
            name: format!("Vantage {agent}"),
            country: "FR".to_owned(),
            city: "Paris".to_owned(),
            network: "Free".to_owned(),
            asn: 12_322,
            latitude_deg: 48.86,
            longitude_deg: 2.35,
        },
        series: (0..series)
            .map(|number| SeriesDescriptor {
                zone: ZoneKey::new("aws", "eu-west-3", &format!("az{number}")).expect("a valid zone"),
                target: format!("target-{number}"),
                address: ([10, 0, 0, 1], 8_620).into(),
                granularity: Granularity::Zone,
                method: Method::Stamp,
                flow: 0,
                load: LoadLabel::Idle,
                period_ms: 1_000,
                waiting_time_ms: 2_000,
                dscp: 0,
                facet: azimuth_measurement::Facet::default(),
                outgoing: azimuth_measurement::Outgoing::default(),
            })
            .collect(),
    }
}

/// A report of the interval that starts at `start_unix_ms`, every series with these delays and one loss.
pub(crate) fn report(manifest: &Manifest, sequence: u64, start_unix_ms: u64, delays_us: &[u32]) -> Report {
    let returned = delays_us.len() as u64;
    Report {
        agent: manifest.agent.clone(),
        epoch: EPOCH,
        sequence,
        manifest: manifest.id(),
        interval: Interval::new(start_unix_ms, LENGTH_MS as u32).expect("on the grid"),
        records: (0..manifest.series.len() as u32)
            .map(|series| SeriesRecord {
                series,
                counts: ProbeCounts {
                    sent: returned + 1,
                    returned,
                    ..ProbeCounts::default()
                },
                delays: vec![(
                    StampClock::Kernel,
                    DelayHistogram::from_values_us(&mut delays_us.to_vec()),
                )],
            })
            .collect(),
        paths: Vec::new(),
        throughput: Vec::new(),
        health: AgentHealth::default(),
    }
}

/// A body with these reports, sent at `now_unix_ms` by an agent whose clock is right.
pub(crate) fn body(manifests: &[&Manifest], reports: &[Report], now_unix_ms: u64) -> Vec<u8> {
    let items = reports.iter().map(|report| BatchItem::Report {
        age_ms: now_unix_ms - report.interval.end_unix_ms(),
        age_uncertain: false,
        frame: encode_report(report),
    });
    encode_batch(&Batch {
        manifests: manifests
            .iter()
            .map(|manifest| encode_manifest(manifest))
            .collect(),
        items: items.collect(),
    })
}

/// The start of the interval that ended last, `back` intervals before `now_unix_ms`.
pub(crate) fn slot_before(now_unix_ms: u64, back: u64) -> u64 {
    (now_unix_ms / LENGTH_MS - back) * LENGTH_MS
}
