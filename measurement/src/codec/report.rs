//! The report on the wire. Its records leave as [columns](super::columns); rows (`SeriesRecord`), as reports had them
//! first, are still read.

use super::protobuf::{Fields, Writer};
use super::{CodecError, VERSION, columns, frame, path, standing, throughput};
use crate::agent_id::AgentId;
use crate::counts::ProbeCounts;
use crate::histogram::{DelayHistogram, PROFILE};
use crate::interval::Interval;
use crate::method::StampClock;
use crate::path::{MAX_EVENT_HOPS, MAX_PATH_EVENTS, PathEvent};
use crate::report::{AgentHealth, Report, SeriesRecord};
use crate::series::{MAX_SERIES, ManifestId};
use crate::throughput::MAX_RESULTS;

/// Field number of the first clock's histogram; the others follow in clock order.
pub(super) const DELAY_FIELDS: u32 = 13;

/// The report as a zstd frame.
pub fn encode_report(report: &Report) -> Vec<u8> {
    frame::compress(&encode_plain(report))
}

pub(crate) fn encode_plain(report: &Report) -> Vec<u8> {
    let mut out = Writer::default();
    out.number(1, VERSION);
    out.number(2, PROFILE);
    out.text(3, report.agent.as_str());
    out.number(4, report.epoch);
    out.number(5, report.sequence);
    out.fixed64(6, report.manifest.0);
    out.number(7, report.interval.start_unix_ms());
    out.number(8, report.interval.length_ms().into());
    let mut inner = Writer::default();
    inner.bytes(1, report.health.send_lateness.as_bytes());
    inner.number(2, report.health.reports_dropped);
    inner.number(3, report.health.reports_refused);
    inner.number(4, report.health.deliveries_failed);
    inner.number(5, report.health.clock_steps);
    out.message(10, &inner);
    if !report.records.is_empty() {
        out.message(11, &columns::encode(&report.records));
    }
    for event in &report.paths {
        out.message(20, &path::message(event));
    }
    for result in &report.throughput {
        out.message(30, &throughput::message(result));
    }
    if let Some(plan) = &report.health.plan {
        out.message(50, &standing::message(plan));
    }
    out.bytes
}

/// A report from outside, checked against itself. What needs the manifest is the collector's to check.
pub fn decode_report(bytes: &[u8]) -> Result<Report, CodecError> {
    decode_plain(&frame::decompress("report", bytes)?)
}

fn decode_plain(plain: &[u8]) -> Result<Report, CodecError> {
    let (mut version, mut profile, mut agent) = (0, 0, "");
    let (mut epoch, mut sequence, mut manifest) = (0, 0, 0);
    let (mut start_unix_ms, mut length_ms) = (0, 0);
    let mut records = Vec::new();
    let mut health = AgentHealth::default();
    let mut plan = None;
    let mut paths = Vec::new();
    let mut results = Vec::new();
    let mut fields = Fields::of(plain);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => version = value.number(field)?,
            2 => profile = value.number(field)?,
            3 => agent = value.text(field, "agent id")?,
            4 => epoch = value.number(field)?,
            5 => sequence = value.number(field)?,
            6 => manifest = value.fixed64(field)?,
            7 => start_unix_ms = value.number(field)?,
            8 => length_ms = value.number_u32(field, "interval length")?,
            9 if records.len() == MAX_SERIES => {
                return Err(CodecError::TooMany {
                    what: "records",
                    limit: MAX_SERIES,
                });
            }
            9 => records.push(decode_record(value.bytes(field)?)?),
            10 => health = decode_health(value.bytes(field)?)?,
            11 => columns::decode(value.bytes(field)?, &mut records)?,
            20 => take_event(value.bytes(field)?, &mut paths)?,
            30 if results.len() == MAX_RESULTS => {
                return Err(CodecError::TooMany {
                    what: "throughput results",
                    limit: MAX_RESULTS,
                });
            }
            30 => results.push(throughput::decode_throughput_result(value.bytes(field)?)?),
            50 => plan = Some(standing::decode_plan_standing(value.bytes(field)?)?),
            _ => {}
        }
    }
    health.plan = plan;
    if version != VERSION {
        return Err(CodecError::Version(version));
    }
    if profile != PROFILE {
        return Err(CodecError::Profile(profile));
    }
    let report = Report {
        agent: agent.parse::<AgentId>()?,
        epoch,
        sequence,
        manifest: ManifestId(manifest),
        interval: Interval::new(start_unix_ms, length_ms)?,
        records,
        paths,
        throughput: results,
        health,
    };
    report.check()?;
    Ok(report)
}

/// Within what one report may bring into memory.
fn take_event(message: &[u8], paths: &mut Vec<PathEvent>) -> Result<(), CodecError> {
    if paths.len() == MAX_PATH_EVENTS {
        return Err(CodecError::TooMany {
            what: "path events",
            limit: MAX_PATH_EVENTS,
        });
    }
    paths.push(path::decode_path_event(message)?);
    if paths.iter().map(PathEvent::hop_count).sum::<usize>() > MAX_EVENT_HOPS {
        return Err(CodecError::TooMany {
            what: "hops in path events",
            limit: MAX_EVENT_HOPS,
        });
    }
    Ok(())
}

fn decode_record(message: &[u8]) -> Result<SeriesRecord, CodecError> {
    let mut series = 0;
    let mut counts = ProbeCounts::default().all();
    let mut delays: [Option<DelayHistogram>; 4] = [const { None }; 4];
    let mut fields = Fields::of(message);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => series = value.number_u32(field, "series")?,
            2..=12 => counts[field as usize - 2] = value.number(field)?,
            17..=19 => counts[field as usize - 6] = value.number(field)?,
            13..=16 => {
                delays[(field - DELAY_FIELDS) as usize] =
                    Some(DelayHistogram::from_bytes(value.bytes(field)?)?);
            }
            _ => {}
        }
    }
    let delays = StampClock::ALL.iter().copied().zip(delays);
    Ok(SeriesRecord {
        series,
        counts: ProbeCounts::from_all(counts),
        delays: delays
            .filter_map(|(clock, histogram)| Some((clock, histogram?)))
            .collect(),
    })
}

fn decode_health(message: &[u8]) -> Result<AgentHealth, CodecError> {
    let mut health = AgentHealth::default();
    let mut fields = Fields::of(message);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => health.send_lateness = DelayHistogram::from_bytes(value.bytes(field)?)?,
            2 => health.reports_dropped = value.number(field)?,
            3 => health.reports_refused = value.number(field)?,
            4 => health.deliveries_failed = value.number(field)?,
            5 => health.clock_steps = value.number(field)?,
            _ => {}
        }
    }
    Ok(health)
}
