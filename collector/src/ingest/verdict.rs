//! What ingest answers: one verdict per item, in the order of the items.

use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::Problem;
use crate::store::RefusedRecords;

/// What became of an item, and so what its agent does with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerdictKind {
    /// Durable. Forget it.
    Stored,
    /// Was durable already. Forget it.
    Duplicate,
    /// Will never be stored. Forget it; count and log it under `problem.reason`.
    Refused,
    /// Its manifest is not known here. Send it again together with the manifest.
    ManifestWanted,
    /// Not now. Keep it and send it later.
    Retry,
}

impl VerdictKind {
    /// The word, as in the answer.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Duplicate => "duplicate",
            Self::Refused => "refused",
            Self::ManifestWanted => "manifest_wanted",
            Self::Retry => "retry",
        }
    }
}

/// The verdict on one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Verdict {
    /// The item's sequence (of a tombstone: its first); null when the item could not be read so far.
    #[schema(required)]
    pub sequence: Option<u64>,
    /// The item's epoch; null when the item could not be read so far.
    #[schema(required)]
    pub epoch: Option<u64>,
    /// What became of it.
    pub verdict: VerdictKind,
    /// Why it was not stored. Absent exactly when it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// Records of a stored report that were not stored with it, by reason: this collector takes no more series of its
    /// agent, or no more new ones this hour. Absent when there were none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused_records: Option<RefusedRecords>,
}

/// The answer to a body of reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Verdicts {
    /// One per item, in the order of the items.
    pub verdicts: Vec<Verdict>,
    /// Names the plan of the agent that reports, to one that has joined: when it is not the one it has, it fetches it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
}
