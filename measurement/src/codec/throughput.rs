//! Throughput results on the wire: field 30 of a report, and, in the same form, one by one for whoever keeps them.

use super::CodecError;
use super::protobuf::{Fields, Writer};
use crate::histogram::DelayHistogram;
use crate::method::{StampClock, StopReason, TransferDirection, TransferLimit};
use crate::throughput::{PhaseDelays, SenderView, ThroughputResult};

/// One result.
pub fn encode_throughput_result(result: &ThroughputResult) -> Vec<u8> {
    message(result).bytes
}

pub(super) fn message(result: &ThroughputResult) -> Writer {
    let mut out = Writer::default();
    out.number(1, result.series.into());
    out.number(2, result.at_unix_ms);
    out.number(3, result.direction.wire().into());
    out.number(4, result.stop.wire().into());
    out.number(5, result.settled.into());
    out.number(6, result.bps);
    out.number(7, result.bytes);
    out.number(8, result.duration_us.into());
    if let Some(sender) = &result.sender {
        let mut inner = Writer::default();
        inner.text(1, &sender.congestion_control);
        inner.number(2, sender.retransmitted_bytes);
        inner.number(3, sender.min_rtt_us.into());
        inner.number(4, sender.limited_by.map_or(0, TransferLimit::wire).into());
        out.message(9, &inner);
    }
    out.number(10, result.clock.wire().into());
    for (field, phase) in [(11, &result.idle), (12, &result.loaded), (13, &result.drained)] {
        if phase.sent > 0 {
            let mut inner = Writer::default();
            inner.number(1, phase.sent.into());
            inner.number(2, phase.lost.into());
            inner.bytes(3, phase.delays.as_bytes());
            out.message(field, &inner);
        }
    }
    out
}

/// One result from outside, checked against itself.
///
/// # Errors
/// [`CodecError`] naming what is wrong with it.
pub fn decode_throughput_result(bytes: &[u8]) -> Result<ThroughputResult, CodecError> {
    let (mut series, mut at_unix_ms, mut direction, mut stop, mut clock) = (0, 0, 0, 0, 0);
    let (mut settled, mut bps, mut moved_bytes, mut duration_us) = (false, 0, 0, 0);
    let mut sender = None;
    let mut phases: [PhaseDelays; 3] = Default::default();
    let mut fields = Fields::of(bytes);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => series = value.number_u32(field, "series of a throughput result")?,
            2 => at_unix_ms = value.number(field)?,
            3 => direction = value.number(field)?,
            4 => stop = value.number(field)?,
            5 => settled = value.number(field)? != 0,
            6 => bps = value.number(field)?,
            7 => moved_bytes = value.number(field)?,
            8 => duration_us = value.number_u32(field, "duration of a throughput test")?,
            9 => sender = Some(decode_sender(value.bytes(field)?)?),
            10 => clock = value.number(field)?,
            11..=13 => phases[(field - 11) as usize] = decode_phase(value.bytes(field)?)?,
            _ => {}
        }
    }
    let unknown = |what, given| CodecError::Value { what, given };
    let [idle, loaded, drained] = phases;
    let result = ThroughputResult {
        series,
        at_unix_ms,
        direction: TransferDirection::from_wire(direction)
            .ok_or_else(|| unknown("direction of a throughput test", direction))?,
        stop: StopReason::from_wire(stop).ok_or_else(|| unknown("stop of a throughput test", stop))?,
        settled,
        bps,
        bytes: moved_bytes,
        duration_us,
        sender,
        clock: StampClock::from_wire(clock).ok_or_else(|| unknown("clock of a throughput test", clock))?,
        idle,
        loaded,
        drained,
    };
    result.check()?;
    Ok(result)
}

fn decode_sender(bytes: &[u8]) -> Result<SenderView, CodecError> {
    let mut sender = SenderView::default();
    let mut fields = Fields::of(bytes);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => sender.congestion_control = value.text(field, "congestion control")?.to_owned(),
            2 => sender.retransmitted_bytes = value.number(field)?,
            3 => sender.min_rtt_us = value.number_u32(field, "shortest round trip")?,
            // A limit of a later release is one that this one does not know.
            4 => sender.limited_by = TransferLimit::from_wire(value.number(field)?),
            _ => {}
        }
    }
    Ok(sender)
}

fn decode_phase(bytes: &[u8]) -> Result<PhaseDelays, CodecError> {
    let mut phase = PhaseDelays::default();
    let mut fields = Fields::of(bytes);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => phase.sent = value.number_u32(field, "probes beside a throughput test")?,
            2 => phase.lost = value.number_u32(field, "losses beside a throughput test")?,
            3 => phase.delays = DelayHistogram::from_bytes(value.bytes(field)?)?,
            _ => {}
        }
    }
    Ok(phase)
}
