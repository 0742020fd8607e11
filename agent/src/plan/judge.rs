//! Whose plan it is, and whether it may replace the one before. Pure.

use azimuth_measurement::enrolment::{KEY_BYTES, base64url, plan_statement};
use azimuth_measurement::plan::{MAX_PLAN_BYTES, Plan, SignedPlan};
use azimuth_measurement::{AgentId, PlanRefusal};

use crate::identity::is_by;

/// The plan in `body` if it is by the collector with this key, for this agent, and not older than version `least`.
///
/// # Errors
/// Why it is not taken.
pub fn judge(
    body: &[u8],
    collector_key: &[u8; KEY_BYTES],
    agent: &AgentId,
    least: u64,
) -> Result<(SignedPlan, Plan), PlanRefusal> {
    let signed: SignedPlan = serde_json::from_slice(body).map_err(|_| PlanRefusal::NotAPlan)?;
    let signature = base64url::decode(&signed.signature).ok_or(PlanRefusal::Signature)?;
    // Before a word of it is read.
    if !is_by(
        collector_key,
        &plan_statement(agent, signed.plan.as_bytes()),
        &signature,
    ) {
        return Err(PlanRefusal::Signature);
    }
    if signed.plan.len() > MAX_PLAN_BYTES {
        return Err(PlanRefusal::NotAPlan);
    }
    let plan: Plan = serde_json::from_str(&signed.plan).map_err(|_| PlanRefusal::NotAPlan)?;
    if plan.agent != agent.as_str() {
        return Err(PlanRefusal::OtherAgent);
    }
    if plan.version < least {
        return Err(PlanRefusal::OlderVersion);
    }
    Ok((signed, plan))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Seed;

    fn signed(seed: &Seed, agent: &str, text: &str) -> Vec<u8> {
        let agent: AgentId = agent.parse().expect("an id");
        let signature = seed.sign(&plan_statement(&agent, text.as_bytes()));
        let signed = SignedPlan {
            plan: text.to_owned(),
            signature: base64url::encode(&signature),
        };
        serde_json::to_vec(&signed).expect("plain data")
    }

    #[test]
    fn only_a_plan_of_the_collector_for_this_agent_that_is_no_older_is_taken() {
        let (seed, other) = (Seed::random().expect("random"), Seed::random().expect("random"));
        let key: [u8; KEY_BYTES] = seed.public().try_into().expect("32 bytes");
        let agent: AgentId = "paris-1".parse().expect("an id");
        let text =
            |agent: &str, version: u64| format!("{{\"version\":{version},\"agent\":\"{agent}\",\"new\":1}}");
        let judged = |body: &[u8]| judge(body, &key, &agent, 7).map(|(_, plan)| plan.version);
        let good = signed(&seed, "paris-1", &text("paris-1", 7));
        assert_eq!(judged(&good), Ok(7), "the same version may say something else");
        assert_eq!(judged(&signed(&seed, "paris-1", &text("paris-1", 8))), Ok(8));
        for (body, why) in [
            (
                signed(&seed, "paris-1", &text("paris-1", 6)),
                PlanRefusal::OlderVersion,
            ),
            (
                signed(&other, "paris-1", &text("paris-1", 8)),
                PlanRefusal::Signature,
            ),
            (
                signed(&seed, "paris-2", &text("paris-1", 8)),
                PlanRefusal::Signature,
            ),
            (
                signed(&seed, "paris-1", &text("paris-2", 8)),
                PlanRefusal::OtherAgent,
            ),
            (signed(&seed, "paris-1", "[]"), PlanRefusal::NotAPlan),
            (
                signed(&seed, "paris-1", &" ".repeat(MAX_PLAN_BYTES + 1)),
                PlanRefusal::NotAPlan,
            ),
            (b"<html>".to_vec(), PlanRefusal::NotAPlan),
        ] {
            assert_eq!(judged(&body), Err(why));
        }
        // Any other byte of the text.
        let whole: SignedPlan = serde_json::from_slice(&good).expect("plain data");
        for at in 0..whole.plan.len() {
            let mut bytes = whole.plan.clone().into_bytes();
            bytes[at] ^= 1;
            let changed = SignedPlan {
                plan: String::from_utf8(bytes).expect("ASCII"),
                ..whole.clone()
            };
            let body = serde_json::to_vec(&changed).expect("plain data");
            assert_eq!(judged(&body), Err(PlanRefusal::Signature), "{at}");
        }
    }
}
