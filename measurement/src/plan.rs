//! What a collector and its agents must mean alike by a plan: the document for one agent, and the envelope in which it travels,
//! signed. Pure. How a plan is made is the collector's, what of it an agent does is decided by the agent.
//!
//! A document is JSON (RFC 8259). What is signed (Ed25519, RFC 8032) is its very text, by
//! [`plan_statement`](crate::enrolment::plan_statement); nothing is signed that would have to be written again to be checked.
//! Keys that are not known are passed over, so that a later collector can say more to an agent that knows less.

use serde::{Deserialize, Serialize};

/// The most targets one agent is given. More are refused by the agent.
pub const MAX_TARGETS: usize = 1_000;
/// The most probes of one target.
pub const MAX_PROBES: usize = 16;
/// The longest text of a document, in bytes.
pub const MAX_PLAN_BYTES: usize = 512 * 1024;

/// What one agent is to measure beside what its own configuration says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Which is the later of two: Unix time in milliseconds at which it was made, or one more than that of the one before.
    pub version: u64,
    /// For whom.
    pub agent: String,
    /// Nothing is to be sent at all, not even what the agent's own configuration says.
    #[serde(default)]
    pub stopped: bool,
    /// What to measure.
    #[serde(default)]
    pub targets: Vec<PlanTarget>,
}

/// One address, or one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanTarget {
    /// Unique in the plan.
    pub name: String,
    /// Provider of the zone it stands for.
    pub provider: String,
    /// Region of that zone.
    pub region: String,
    /// The zone.
    pub zone: String,
    /// How finely it is known, as [`Granularity`](crate::Granularity) is spelled.
    pub granularity: String,
    /// A name or an address.
    pub host: String,
    /// How it is measured.
    pub probes: Vec<PlanProbe>,
}

/// One way of measuring a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanProbe {
    /// As [`Method`](crate::Method) is spelled.
    pub method: String,
    /// Where it answers; 0 with `icmp_echo`.
    pub port: u16,
    /// From one probe to the next, in milliseconds.
    pub period_ms: u32,
    /// After this long without an answer a probe is lost, in milliseconds.
    pub waiting_time_ms: u32,
    /// The address is somebody else's: it is asked less often while it fails. Written only where it is so; earlier agents pass it
    /// over, and earlier collectors do not say it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub public: bool,
}

/// A plan on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedPlan {
    /// The text of a [`Plan`].
    pub plan: String,
    /// The collector's signature over that text for that agent, base64url.
    pub signature: String,
}
