//! Path events on the wire: field 20 of a report, and, in the same form, one by one for whoever keeps them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::CodecError;
use super::protobuf::{Fields, Writer};
use crate::path::{MAX_HOPS, Path, PathEvent, PathHop, PathReason};

/// One event.
pub fn encode_path_event(event: &PathEvent) -> Vec<u8> {
    message(event).bytes
}

pub(super) fn message(event: &PathEvent) -> Writer {
    let mut out = Writer::default();
    out.number(1, event.series.into());
    out.number(2, event.at_unix_ms);
    let reason = PathReason::ALL.iter().position(|reason| *reason == event.reason);
    out.number(3, reason.map_or(0, |index| index as u64 + 1));
    if let Some(before) = &event.before {
        out.message(4, &path(before));
    }
    out.message(5, &path(&event.after));
    out
}

fn path(path: &Path) -> Writer {
    let mut out = Writer::default();
    out.number(1, path.reached.into());
    for hop in &path.hops {
        let mut inner = Writer::default();
        for address in &hop.addresses {
            match address {
                IpAddr::V4(address) => inner.bytes(1, &address.octets()),
                IpAddr::V6(address) => inner.bytes(1, &address.octets()),
            }
        }
        inner.number(2, hop.sent.into());
        inner.number(3, hop.answered.into());
        inner.number(4, hop.min_us.unwrap_or(0).into());
        inner.number(5, hop.median_us.unwrap_or(0).into());
        out.message(2, &inner);
    }
    out
}

/// One event from outside, checked against itself.
///
/// # Errors
/// [`CodecError`] naming what is wrong with it.
pub fn decode_path_event(bytes: &[u8]) -> Result<PathEvent, CodecError> {
    let (mut series, mut at_unix_ms, mut reason) = (0, 0, 0);
    let (mut before, mut after) = (None, None);
    let mut fields = Fields::of(bytes);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => series = value.number_u32(field, "series of a path event")?,
            2 => at_unix_ms = value.number(field)?,
            3 => reason = value.number(field)?,
            4 => before = Some(decode_path(value.bytes(field)?)?),
            5 => after = Some(decode_path(value.bytes(field)?)?),
            _ => {}
        }
    }
    let missing = |what, given| CodecError::Value { what, given };
    let index = reason
        .checked_sub(1)
        .and_then(|index| usize::try_from(index).ok());
    let event = PathEvent {
        series,
        at_unix_ms,
        reason: index
            .and_then(|index| PathReason::ALL.get(index).copied())
            .ok_or_else(|| missing("reason of a path event", reason))?,
        before,
        after: after.ok_or_else(|| missing("path of a path event", 0))?,
    };
    event.check()?;
    Ok(event)
}

fn decode_path(bytes: &[u8]) -> Result<Path, CodecError> {
    let mut path = Path::default();
    let mut fields = Fields::of(bytes);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => path.reached = value.number(field)? != 0,
            2 if path.hops.len() == MAX_HOPS => {
                return Err(CodecError::TooMany {
                    what: "hops of a path",
                    limit: MAX_HOPS,
                });
            }
            2 => path.hops.push(decode_hop(value.bytes(field)?)?),
            _ => {}
        }
    }
    Ok(path)
}

fn decode_hop(bytes: &[u8]) -> Result<PathHop, CodecError> {
    let mut hop = PathHop::default();
    let delay = |us: u32| (us > 0).then_some(us);
    let mut fields = Fields::of(bytes);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => {
                let octets = value.bytes(field)?;
                let four = <[u8; 4]>::try_from(octets).map(|four| Ipv4Addr::from(four).into());
                let sixteen = <[u8; 16]>::try_from(octets).map(|sixteen| Ipv6Addr::from(sixteen).into());
                hop.addresses
                    .push(four.or(sixteen).map_err(|_| CodecError::Value {
                        what: "address of a hop, of so many bytes,",
                        given: octets.len() as u64,
                    })?);
                // One more than allowed is enough to be refused by the check.
                if hop.addresses.len() > crate::path::MAX_HOP_ADDRESSES {
                    return Err(CodecError::TooMany {
                        what: "addresses of a hop",
                        limit: crate::path::MAX_HOP_ADDRESSES,
                    });
                }
            }
            2 => hop.sent = value.number_u32(field, "probes to a hop")?,
            3 => hop.answered = value.number_u32(field, "answers of a hop")?,
            4 => hop.min_us = delay(value.number_u32(field, "delay of a hop")?),
            5 => hop.median_us = delay(value.number_u32(field, "delay of a hop")?),
            _ => {}
        }
    }
    Ok(hop)
}
