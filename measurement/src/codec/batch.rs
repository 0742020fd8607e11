//! Several reports and tombstones in one POST. The batch itself is not compressed: each frame inside already is, and is
//! stored by the collector as it came.

use super::protobuf::{Fields, Writer};
use super::{CodecError, MAX_BATCH_BYTES, MAX_BATCH_ITEMS, MAX_BATCH_MANIFESTS, MAX_FRAME_BYTES};
use crate::agent_id::AgentId;
use crate::method::LossCause;
use crate::report::Tombstone;

/// What one POST carries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// Manifest frames the collector may not know yet.
    pub manifests: Vec<Vec<u8>>,
    /// Reports and tombstones; the answer holds one verdict for each, in this order.
    pub items: Vec<BatchItem>,
}

/// A report or what stands in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchItem {
    /// A report frame.
    Report {
        /// Monotonic age of the interval's end when the batch was sent, in milliseconds.
        age_ms: u64,
        /// The age is by the agent's wall clock, because the interval was measured before the machine was started again.
        age_uncertain: bool,
        /// The zstd frame.
        frame: Vec<u8>,
    },
    /// Reports that will never come.
    Tombstone(Tombstone),
}

/// The batch as the body of a POST.
pub fn encode_batch(batch: &Batch) -> Vec<u8> {
    let mut out = Writer::default();
    for manifest in &batch.manifests {
        out.bytes(1, manifest);
    }
    let mut item_out = Writer::default();
    for item in &batch.items {
        item_out.clear();
        match item {
            BatchItem::Report {
                age_ms,
                age_uncertain,
                frame,
            } => {
                item_out.number(1, *age_ms);
                item_out.bytes(2, frame);
                item_out.number(4, u64::from(*age_uncertain));
            }
            BatchItem::Tombstone(tombstone) => item_out.message(3, &tombstone_fields(tombstone)),
        }
        out.message(2, &item_out);
    }
    out.bytes
}

fn tombstone_fields(tombstone: &Tombstone) -> Writer {
    let mut out = Writer::default();
    out.text(1, tombstone.agent.as_str());
    out.number(2, tombstone.epoch);
    out.number(3, tombstone.first_sequence);
    out.number(4, tombstone.last_sequence);
    out.number(5, tombstone.start_unix_ms);
    out.number(6, tombstone.end_unix_ms);
    out.number(7, tombstone.cause.wire().into());
    out
}

/// A batch from outside. Frames are bounded but not opened: each gets a verdict of its own.
pub fn decode_batch(body: &[u8]) -> Result<Batch, CodecError> {
    if body.len() > MAX_BATCH_BYTES {
        return Err(CodecError::TooLarge {
            what: "batch",
            limit_bytes: MAX_BATCH_BYTES,
        });
    }
    let mut batch = Batch::default();
    let mut fields = Fields::of(body);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 if batch.manifests.len() == MAX_BATCH_MANIFESTS => {
                return Err(CodecError::TooMany {
                    what: "manifests",
                    limit: MAX_BATCH_MANIFESTS,
                });
            }
            1 => batch.manifests.push(bounded("manifest", value.bytes(field)?)?),
            2 if batch.items.len() == MAX_BATCH_ITEMS => {
                return Err(CodecError::TooMany {
                    what: "items",
                    limit: MAX_BATCH_ITEMS,
                });
            }
            2 => batch.items.push(decode_item(value.bytes(field)?)?),
            _ => {}
        }
    }
    Ok(batch)
}

fn bounded(what: &'static str, frame: &[u8]) -> Result<Vec<u8>, CodecError> {
    if frame.len() > MAX_FRAME_BYTES {
        return Err(CodecError::TooLarge {
            what,
            limit_bytes: MAX_FRAME_BYTES,
        });
    }
    Ok(frame.to_vec())
}

fn decode_item(message: &[u8]) -> Result<BatchItem, CodecError> {
    let (mut age_ms, mut age_uncertain, mut frame, mut tombstone) = (0, false, None, None);
    let mut fields = Fields::of(message);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => age_ms = value.number(field)?,
            2 => frame = Some(value.bytes(field)?),
            3 => tombstone = Some(decode_tombstone(value.bytes(field)?)?),
            4 => age_uncertain = value.number(field)? != 0,
            _ => {}
        }
    }
    match (frame, tombstone) {
        (Some(frame), None) => Ok(BatchItem::Report {
            age_ms,
            age_uncertain,
            frame: bounded("report", frame)?,
        }),
        (None, Some(tombstone)) => Ok(BatchItem::Tombstone(tombstone)),
        _ => Err(CodecError::Value {
            what: "report or tombstone",
            given: 0,
        }),
    }
}

fn decode_tombstone(message: &[u8]) -> Result<Tombstone, CodecError> {
    let mut agent = "";
    let mut numbers = [0; 6];
    let mut fields = Fields::of(message);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => agent = value.text(field, "agent id")?,
            2..=7 => numbers[field as usize - 2] = value.number(field)?,
            _ => {}
        }
    }
    let [
        epoch,
        first_sequence,
        last_sequence,
        start_unix_ms,
        end_unix_ms,
        cause,
    ] = numbers;
    let tombstone = Tombstone {
        agent: agent.parse::<AgentId>()?,
        epoch,
        first_sequence,
        last_sequence,
        start_unix_ms,
        end_unix_ms,
        cause: LossCause::from_wire(cause).ok_or(CodecError::Value {
            what: "cause of loss",
            given: cause,
        })?,
    };
    tombstone.check()?;
    Ok(tombstone)
}
