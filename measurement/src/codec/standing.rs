//! Which plan an agent measures by, on the wire: a message within a report.

use super::CodecError;
use super::protobuf::{Fields, Writer};
use crate::method::PlanRefusal;
use crate::report::PlanStanding;

/// The message.
pub(super) fn message(plan: &PlanStanding) -> Writer {
    let mut out = Writer::default();
    out.number(1, plan.version);
    out.number(2, u64::from(plan.stopped));
    for (reason, count) in &plan.refused {
        let mut inner = Writer::default();
        inner.number(1, reason.wire().into());
        inner.number(2, (*count).into());
        out.message(3, &inner);
    }
    out
}

/// From outside. A reason that is not known here is of a later release, and passed over.
pub(super) fn decode_plan_standing(message: &[u8]) -> Result<PlanStanding, CodecError> {
    let mut plan = PlanStanding::default();
    let mut fields = Fields::of(message);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => plan.version = value.number(field)?,
            2 => plan.stopped = value.number(field)? != 0,
            3 if plan.refused.len() == PlanRefusal::ALL.len() => {
                return Err(CodecError::TooMany {
                    what: "reasons to refuse a plan",
                    limit: PlanRefusal::ALL.len(),
                });
            }
            3 => plan.refused.extend(decode_refused(value.bytes(field)?)?),
            _ => {}
        }
    }
    let is_ascending = plan.refused.windows(2).all(|pair| pair[0].0 < pair[1].0);
    if is_ascending {
        Ok(plan)
    } else {
        Err(CodecError::Value {
            what: "order of reasons to refuse a plan",
            given: plan.refused.len() as u64,
        })
    }
}

fn decode_refused(message: &[u8]) -> Result<Option<(PlanRefusal, u32)>, CodecError> {
    let (mut reason, mut count) = (0, 0);
    let mut fields = Fields::of(message);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => reason = value.number(field)?,
            2 => count = value.number_u32(field, "count of refusals")?,
            _ => {}
        }
    }
    Ok(PlanRefusal::from_wire(reason).map(|reason| (reason, count)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing() -> PlanStanding {
        PlanStanding {
            version: 1_795_428_000_000,
            stopped: true,
            refused: vec![(PlanRefusal::Loopback, 3), (PlanRefusal::Signature, 1)],
        }
    }

    #[test]
    fn it_comes_back_and_nothing_takes_hardly_any_room() {
        for plan in [standing(), PlanStanding::default()] {
            let bytes = message(&plan).bytes;
            assert_eq!(decode_plan_standing(&bytes).expect("read"), plan);
        }
        assert!(message(&PlanStanding::default()).bytes.is_empty());
        assert!(message(&standing()).bytes.len() <= 21);
    }

    #[test]
    fn a_reason_of_a_later_release_is_passed_over_and_a_wrong_order_refused() {
        let reasons = |numbers: &[u64]| {
            let mut out = Writer::default();
            for number in numbers {
                let mut inner = Writer::default();
                inner.number(1, *number);
                inner.number(2, 5);
                out.message(3, &inner);
            }
            decode_plan_standing(&out.bytes).map(|plan| plan.refused)
        };
        assert_eq!(reasons(&[4, 200]), Ok(vec![(PlanRefusal::Loopback, 5)]));
        assert!(reasons(&[20, 4]).is_err() && reasons(&[4, 4]).is_err());
        let many: Vec<u64> = (1..=PlanRefusal::ALL.len() as u64).chain([1]).collect();
        assert!(reasons(&many).is_err());
    }
}
