//! Ingest: from the body of a POST to a verdict per item. Examined as a whole before anything is stored, committed in
//! one transaction, answered after the fsync.
//!
//! | room | what it decides |
//! |---|---|
//! | [`arrival`] | how slowly a body may arrive (pure) |
//! | [`hold`] | how many bytes of bodies may be in memory before they are examined |
//! | [`examine`] | whether bytes are reports that may be stored (pure) |
//! | [`placement`] | where on the collector's time line an interval belongs (pure) |
//! | [`share`] | how much of the queue one agent may hold |
//! | [`skew`] | how far each agent's clock was off at its last report |
//! | [`committer`] | when a transaction begins and who waits for it |
//! | [`verdict`] | the words of the answer |

pub mod arrival;
pub mod committer;
pub mod examine;
pub mod hold;
pub mod placement;
pub mod share;
pub mod skew;
pub mod verdict;

use std::sync::Arc;

use axum::http::StatusCode;
use azimuth_measurement::AgentId;
use tokio::sync::Semaphore;

use self::arrival::BodyLimits;
use self::committer::{CommitError, Committer};
use self::examine::{Examined, Finding, examine};
use self::hold::{HeldBody, Hold, HoldFull, MAX_HELD_BYTES};
use self::skew::{Skews, told_by};
use self::verdict::{Verdict, VerdictKind, Verdicts};
use crate::metrics::Metrics;
use crate::problem::Problem;
use crate::store::{Admission, Item, Store};

/// Bodies examined at the same time. Examining is bound by the processor, and each takes up to 4 MiB.
const MAX_EXAMINED_AT_ONCE: usize = 4;
/// When the store or the queue is not ready, agents are told to come back within this many seconds, each at another.
const RETRY_SPREAD_S: std::ops::RangeInclusive<u32> = 2..=15;

/// Everything between a body and its verdicts.
pub struct Ingest {
    store: Arc<dyn Store>,
    committer: Committer,
    metrics: Arc<Metrics>,
    hold: Hold,
    body_limits: BodyLimits,
    skews: Arc<Skews>,
    examining: Arc<Semaphore>,
}

/// What waits in ingest, and how much may.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// Reports and tombstones waiting for a commit, or being committed.
    pub queued_items: u64,
    /// Bodies they came in.
    pub queued_bodies: u64,
    /// Most bodies that may wait.
    pub queued_bodies_most: u64,
    /// Their bytes.
    pub queued_bytes: u64,
    /// Most bytes that may wait.
    pub queued_bytes_most: u64,
    /// Bytes of bodies that are read or examined.
    pub held_bytes: u64,
    /// Most bytes of bodies at once.
    pub held_bytes_most: u64,
}

impl Ingest {
    /// Starts the commit thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(store: Arc<dyn Store>, metrics: Arc<Metrics>) -> std::io::Result<Self> {
        let committer = Committer::start(Arc::clone(&store), Arc::clone(&metrics))?;
        Ok(Self {
            skews: Arc::new(Skews::of(store.as_ref())),
            store,
            committer,
            metrics,
            hold: Hold::new(MAX_HELD_BYTES),
            body_limits: BodyLimits::default(),
            examining: Arc::new(Semaphore::new(MAX_EXAMINED_AT_ONCE)),
        })
    }

    /// The same, with other limits on how slowly a body may arrive.
    #[must_use]
    pub fn with_body_limits(mut self, limits: BodyLimits) -> Self {
        self.body_limits = limits;
        self
    }

    /// The same, with another share of the queue for each agent.
    #[must_use]
    pub fn with_agent_bytes(mut self, most_bytes: u32) -> Self {
        self.committer = self.committer.with_agent_bytes(most_bytes);
        self
    }

    /// How slowly a body may arrive.
    pub fn body_limits(&self) -> BodyLimits {
        self.body_limits
    }

    /// Bytes that wait for a commit.
    pub fn queued_bytes(&self) -> u64 {
        self.committer.queued_bytes()
    }

    /// What waits, and how much may.
    pub fn depth(&self) -> Depth {
        let (queued_bodies, queued_items) = self.committer.queued();
        Depth {
            queued_items,
            queued_bodies,
            queued_bodies_most: committer::MAX_QUEUED_BODIES as u64,
            queued_bytes: self.committer.queued_bytes(),
            queued_bytes_most: u64::from(committer::MAX_QUEUED_BYTES),
            held_bytes: MAX_HELD_BYTES.saturating_sub(self.hold.free_bytes()) as u64,
            held_bytes_most: MAX_HELD_BYTES as u64,
        }
    }

    /// Takes nothing more and returns when everything accepted is durable. Blocks.
    pub fn finish(&self) {
        self.committer.finish();
    }

    /// An empty body to read into, of which its sender says that it will have `declared_bytes`.
    ///
    /// # Errors
    /// `bodies_full` when so much would not fit beside what is being read and examined.
    pub fn open(&self, declared_bytes: usize) -> Result<HeldBody, Problem> {
        Ok(self.hold.open(declared_bytes)?)
    }

    /// Examines a body, has what is sound stored, and answers when it is durable. `received_at_unix_ms` is when its last
    /// byte arrived.
    ///
    /// # Errors
    /// A problem with the body as a whole, or with the collector: nothing of the body was stored, or nobody knows.
    pub async fn take(&self, body: HeldBody, received_at_unix_ms: u64) -> Result<Verdicts, Problem> {
        self.take_if(body, received_at_unix_ms, |_| Ok(())).await
    }

    /// The same, if everything in the body is of agents that its sender `may` report as; otherwise nothing of it is stored.
    ///
    /// # Errors
    /// As [`Self::take`], and what `may` says.
    pub async fn take_if(
        &self,
        body: HeldBody,
        received_at_unix_ms: u64,
        may: impl Fn(&AgentId) -> Result<(), Problem>,
    ) -> Result<Verdicts, Problem> {
        self.metrics.bodies.add(1);
        self.metrics.body_bytes.add(body.bytes().len() as u64);
        let Ok(turn) = Arc::clone(&self.examining).acquire_owned().await else {
            return Err(overloaded("stopping", "the collector is stopping"));
        };
        let (known, skews) = (self.store.dictionary(), Arc::clone(&self.skews));
        // The thread goes on when its client leaves, so the turn and the room for the body go with it.
        let examined = guarded(move || {
            let _turn = turn;
            examine(body.bytes(), &known, &skews, received_at_unix_ms)
        })
        .await?;
        // As late as can be, so that a revocation counts for a body that was under way.
        examined.agents().try_for_each(may)?;
        self.settle(examined).await
    }

    async fn settle(&self, examined: Examined) -> Result<Verdicts, Problem> {
        let mut verdicts: Vec<Option<Verdict>> = Vec::with_capacity(examined.items.len());
        let mut items = Vec::new();
        let mut asked = Vec::new();
        for finding in examined.items {
            match finding {
                Finding::Unsound(verdict) => verdicts.push(Some(verdict)),
                Finding::Sound(sound) => {
                    let named = sequence_and_epoch(&sound.item);
                    asked.push((named, sound.histograms, told_by(&sound.item)));
                    items.push(sound.item);
                    verdicts.push(None);
                }
            }
        }
        let admissions = if items.is_empty() {
            Vec::new()
        } else {
            self.committer
                .commit(examined.manifests, items)
                .await
                .map_err(|error| problem_of(&error))?
        };
        let mut settled = asked
            .into_iter()
            .zip(admissions)
            .map(|((named, histograms, told), admission)| {
                if matches!(admission, Admission::Stored | Admission::StoredInPart(_)) {
                    self.skews.note_stored(&told);
                }
                self.metrics.note_admission(admission, histograms);
                verdict_of(named, admission)
            });
        let verdicts: Vec<Verdict> = verdicts
            .into_iter()
            .filter_map(|verdict| verdict.or_else(|| settled.next()))
            .collect();
        for verdict in &verdicts {
            let reason = verdict.problem.as_ref().map_or("", Problem::reason);
            self.metrics.items.count(verdict.verdict.as_str(), reason);
            if verdict.verdict == VerdictKind::Refused {
                tracing::warn!(
                    reason,
                    sequence = verdict.sequence,
                    "report refused: {}",
                    detail_of(verdict)
                );
            }
        }
        Ok(Verdicts { verdicts, plan: None })
    }
}

/// Runs `examination` on a thread of its own. One that panics is a fault of this program, but the same body would meet
/// it again: its sender is told to split it and to give up what is left, not to come back.
async fn guarded(
    examination: impl FnOnce() -> Result<Examined, Problem> + Send + 'static,
) -> Result<Examined, Problem> {
    match tokio::task::spawn_blocking(examination).await {
        Ok(examined) => examined,
        Err(error) if error.is_panic() => {
            tracing::error!("examining a body panicked, which is a fault of this collector: {error}");
            Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "examination_failed",
                "this collector failed at the body, and its log says where; nothing of it was stored",
            ))
        }
        Err(_) => Err(overloaded("stopping", "the collector is stopping")),
    }
}

fn detail_of(verdict: &Verdict) -> &str {
    verdict.problem.as_ref().map_or("", Problem::detail)
}

/// A refusal of the whole body that has nothing to do with who sent it. The advice is spread, so that a fleet that was refused
/// together does not come back together.
fn overloaded(reason: &'static str, detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, reason, detail).retry_after_s(fastrand::u32(RETRY_SPREAD_S))
}

impl From<HoldFull> for Problem {
    fn from(HoldFull: HoldFull) -> Self {
        overloaded(
            "bodies_full",
            format!("{MAX_HELD_BYTES} bytes of other bodies are being read and examined"),
        )
    }
}

fn problem_of(error: &CommitError) -> Problem {
    match error {
        CommitError::QueueFull => overloaded("queue_full", error.to_string()),
        // Its own doing, so 429 (RFC 6585) where all others get 503.
        CommitError::AgentQueueFull(_) => Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "agent_queue_full",
            format!("{error}; deliver one body at a time"),
        )
        .retry_after_s(fastrand::u32(RETRY_SPREAD_S)),
        CommitError::Store(_) => overloaded("store_failed", error.to_string()),
        CommitError::Stopping => overloaded("stopping", error.to_string()),
    }
}

fn sequence_and_epoch(item: &Item) -> (u64, u64) {
    match item {
        Item::Report(report) => (report.sequence, report.epoch),
        Item::Tombstone(tombstone) => (tombstone.first_sequence, tombstone.epoch),
    }
}

fn verdict_of((sequence, epoch): (u64, u64), admission: Admission) -> Verdict {
    let not_stored =
        |verdict, status, reason, detail: &str| (verdict, Some(Problem::new(status, reason, detail)));
    let (verdict, problem) = match admission {
        Admission::Stored | Admission::StoredInPart(_) => (VerdictKind::Stored, None),
        Admission::Duplicate => not_stored(
            VerdictKind::Duplicate,
            StatusCode::CONFLICT,
            "duplicate",
            "this sequence was settled before",
        ),
        Admission::IdentityConflict => not_stored(
            VerdictKind::Refused,
            StatusCode::CONFLICT,
            "identity_conflict",
            "another host reports as this agent, or this one was put back to an earlier state; give one of them another \
             id and an empty spool directory",
        ),
        Admission::SequencesFragmented => not_stored(
            VerdictKind::Retry,
            StatusCode::SERVICE_UNAVAILABLE,
            "sequences_fragmented",
            "too many sequences before this one are missing; deliver them, or tombstones for them, first",
        ),
        Admission::AgentUnknown => not_stored(
            VerdictKind::Retry,
            StatusCode::SERVICE_UNAVAILABLE,
            "agent_unknown",
            "nothing of this agent is known here; deliver a report of it with its manifest first",
        ),
        Admission::AgentLimit => not_stored(
            VerdictKind::Refused,
            StatusCode::INSUFFICIENT_STORAGE,
            "agent_limit",
            "this collector keeps as many agents as it can",
        ),
        Admission::ManifestConflict => not_stored(
            VerdictKind::Refused,
            StatusCode::CONFLICT,
            "manifest_conflict",
            "another manifest of this agent has the same id",
        ),
        Admission::ManifestRate => not_stored(
            VerdictKind::Retry,
            StatusCode::TOO_MANY_REQUESTS,
            "new_manifest_rate",
            "too many manifests of this agent are new within the hour; keep what it measures the same, or raise \
             new_manifests_per_agent_per_hour under [limits] of this collector",
        ),
        Admission::ManifestUnknown => not_stored(
            VerdictKind::ManifestWanted,
            StatusCode::PRECONDITION_REQUIRED,
            "manifest_unknown",
            "the manifest of this report is not known here; send it again with it",
        ),
    };
    Verdict {
        sequence: Some(sequence),
        epoch: Some(epoch),
        verdict,
        problem,
        refused_records: match admission {
            Admission::StoredInPart(refused) => Some(refused),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use azimuth_measurement::codec::{Batch, BatchItem, encode_batch, encode_manifest, encode_report};
    use azimuth_measurement::{Interval, LossCause, Tombstone};

    use super::*;
    use crate::store::TimeRange;
    use crate::store::conformance::{T0, agent, manifest_of, report_of};
    use crate::store::memory::MemoryStore;

    /// The gaps of agent `a` after a body with one tombstone of [T0, T0 + 20 s), as its clock had it, and nothing else.
    async fn gap_after_a_lone_tombstone(ingest: &Ingest, store: &dyn Store, skew_ms: i64) -> (u64, u64) {
        let at = |ms: u64| (T0 + ms).saturating_add_signed(skew_ms);
        let tombstone = Tombstone {
            agent: agent("a"),
            epoch: T0,
            first_sequence: 10,
            last_sequence: 11,
            start_unix_ms: at(0),
            end_unix_ms: at(20_000),
            cause: LossCause::QueueFull,
        };
        let alone = Batch {
            manifests: Vec::new(),
            items: vec![BatchItem::Tombstone(tombstone)],
        };
        deliver(ingest, &alone, T0 + 60_000).await;
        let all_time = TimeRange {
            from_unix_ms: 0,
            to_unix_ms: u64::MAX,
        };
        let gaps = store.gaps(&agent("a"), all_time).expect("readable");
        assert_eq!(gaps.len(), 1);
        (gaps[0].start_unix_ms, gaps[0].end_unix_ms)
    }

    async fn deliver(ingest: &Ingest, batch: &Batch, at_unix_ms: u64) {
        let mut body = ingest.open(0).expect("room");
        body.push(&encode_batch(batch)).expect("room");
        let verdicts = ingest.take(body, at_unix_ms).await.expect("sound").verdicts;
        let stored = |verdict: &Verdict| verdict.verdict == VerdictKind::Stored;
        assert!(verdicts.iter().all(stored), "{verdicts:?}");
    }

    #[tokio::test]
    async fn a_lone_tombstone_is_placed_by_the_skew_of_the_last_report_across_a_restart() {
        const DAY_MS: i64 = 86_400_000;
        for (skew_ms, restart) in [
            (0, false),
            (-400 * DAY_MS, false),
            (-400 * DAY_MS, true),
            (400 * DAY_MS, true),
        ] {
            let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
            let mut ingest = Ingest::start(Arc::clone(&store), Arc::default()).expect("a thread");
            let manifest = manifest_of("a", 1);
            let mut report = report_of(&manifest, 1, 0, &[500]);
            let start_unix_ms = T0.saturating_add_signed(skew_ms);
            report.interval = Interval::new(start_unix_ms, report.interval.length_ms()).expect("on the grid");
            let batch = Batch {
                manifests: vec![encode_manifest(&manifest)],
                items: vec![BatchItem::Report {
                    age_ms: 1_000,
                    age_uncertain: false,
                    frame: encode_report(&report),
                }],
            };
            deliver(&ingest, &batch, T0 + 11_000).await;
            if restart {
                ingest.finish();
                ingest = Ingest::start(Arc::clone(&store), Arc::default()).expect("a thread");
            }
            let gap = gap_after_a_lone_tombstone(&ingest, store.as_ref(), skew_ms).await;
            assert_eq!(gap, (T0, T0 + 20_000), "skew {skew_ms}, restart {restart}");
            ingest.finish();
        }
    }

    #[test]
    fn who_is_at_fault_decides_between_429_and_503_and_both_say_when_to_come_back() {
        let advised = |error: CommitError| {
            let mut seen = std::collections::BTreeSet::new();
            for _ in 0..200 {
                let answer = axum::response::IntoResponse::into_response(problem_of(&error));
                let after = answer.headers()[axum::http::header::RETRY_AFTER]
                    .to_str()
                    .expect("text");
                seen.insert(after.parse::<u32>().expect("seconds"));
            }
            assert!(seen.iter().all(|after_s| RETRY_SPREAD_S.contains(after_s)));
            assert!(seen.len() > 5, "a fleet must not come back together: {seen:?}");
            problem_of(&error).status()
        };
        assert_eq!(
            advised(CommitError::AgentQueueFull(agent("a"))),
            StatusCode::TOO_MANY_REQUESTS
        );
        for whole in [
            CommitError::QueueFull,
            CommitError::Stopping,
            CommitError::Store("full".to_owned()),
        ] {
            assert_eq!(advised(whole), StatusCode::SERVICE_UNAVAILABLE);
        }
    }

    #[tokio::test]
    async fn a_body_that_breaks_its_examination_is_not_asked_for_again() {
        let Err(problem) = guarded(|| panic!("a fault of ours")).await else {
            panic!("a panic is no examination");
        };
        assert_eq!(
            (problem.status(), problem.reason()),
            (StatusCode::UNPROCESSABLE_ENTITY, "examination_failed")
        );
    }
}
