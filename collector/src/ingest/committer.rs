//! Group commit: many bodies, one fsync. A thread of its own takes what has queued up while the last commit was being
//! made durable and commits it as one transaction. Nobody is answered before that.
//!
//! The queue is bounded in bytes, in all and per agent. What does not fit is refused at the door, while its agent still has
//! it.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use azimuth_measurement::AgentId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::share::{AGENT_QUEUED_BYTES, Share, Shares};
use crate::clock;
use crate::metrics::Metrics;
use crate::store::{Admission, Item, JustStored, Store, StoreError, VerifiedManifest};

/// Most bytes of reports that may wait for a commit: a few seconds of a large fleet, a quarter of the memory promise.
pub const MAX_QUEUED_BYTES: u32 = 16 * 1024 * 1024;
/// Most bodies that may wait for a commit.
pub const MAX_QUEUED_BODIES: usize = 4_096;
/// Most items in one transaction, so that the first of them is not kept waiting by the last.
const MAX_ITEMS_PER_COMMIT: usize = 8_192;

/// What one body asks to have stored.
struct Submission {
    manifests: Vec<VerifiedManifest>,
    items: Vec<Item>,
    /// Room in the queue, given back when this is dropped.
    _room: OwnedSemaphorePermit,
    /// The same of what its agents may have waiting. Kept here and not by whoever waits, so that leaving frees nothing.
    _share: Share,
    /// Likewise its share of the count.
    _queued: Queued,
    answer: oneshot::Sender<Result<Vec<Admission>, CommitError>>,
}

/// What waits for a commit, or is being committed.
#[derive(Debug, Default)]
struct Waiting {
    bodies: AtomicU64,
    items: AtomicU64,
}

/// One body among those that wait.
#[derive(Debug)]
struct Queued {
    waiting: Arc<Waiting>,
    items: u64,
}

impl Queued {
    fn among(waiting: &Arc<Waiting>, items: usize) -> Self {
        waiting.bodies.fetch_add(1, Ordering::Relaxed);
        waiting.items.fetch_add(items as u64, Ordering::Relaxed);
        Self {
            waiting: Arc::clone(waiting),
            items: items as u64,
        }
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.waiting.bodies.fetch_sub(1, Ordering::Relaxed);
        self.waiting.items.fetch_sub(self.items, Ordering::Relaxed);
    }
}

/// Why nothing of a body was stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// No room in the queue.
    #[error("{MAX_QUEUED_BYTES} bytes of reports already wait to be made durable")]
    QueueFull,
    /// One agent has too much waiting.
    #[error("agent {0} has as many bytes waiting to be made durable as one agent may")]
    AgentQueueFull(AgentId),
    /// The store failed.
    #[error("{0}")]
    Store(String),
    /// The collector is on its way out.
    #[error("the collector is stopping")]
    Stopping,
}

/// The queue and the thread that empties it.
#[derive(Debug)]
pub struct Committer {
    /// `None` once stopping.
    queue: Mutex<Option<SyncSender<Submission>>>,
    room: Arc<Semaphore>,
    shares: Shares,
    waiting: Arc<Waiting>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for Submission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Submission")
            .field("items", &self.items.len())
            .finish_non_exhaustive()
    }
}

impl Committer {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(store: Arc<dyn Store>, metrics: Arc<Metrics>) -> std::io::Result<Self> {
        let (queue, submissions) = sync_channel(MAX_QUEUED_BODIES);
        let thread = std::thread::Builder::new()
            .name("commit".to_owned())
            .spawn(move || commit_until_closed(&submissions, store.as_ref(), &metrics))?;
        Ok(Self {
            queue: Mutex::new(Some(queue)),
            room: Arc::new(Semaphore::new(MAX_QUEUED_BYTES as usize)),
            shares: Shares::new(AGENT_QUEUED_BYTES),
            waiting: Arc::default(),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// The same, with another share of the queue for each agent.
    #[must_use]
    pub fn with_agent_bytes(mut self, most_bytes: u32) -> Self {
        self.shares = Shares::new(most_bytes);
        self
    }

    /// Bytes that wait for a commit.
    pub fn queued_bytes(&self) -> u64 {
        u64::from(MAX_QUEUED_BYTES).saturating_sub(self.room.available_permits() as u64)
    }

    /// Bodies that wait for a commit or are being committed, and the reports and tombstones in them.
    pub fn queued(&self) -> (u64, u64) {
        (
            self.waiting.bodies.load(Ordering::Relaxed),
            self.waiting.items.load(Ordering::Relaxed),
        )
    }

    /// Has everything stored in one transaction and returns once it is durable, with one admission per item. A caller
    /// that stops waiting does not undo it.
    ///
    /// # Errors
    /// When nothing of it is known to be stored; the agent keeps it and sends it again.
    pub async fn commit(
        &self,
        manifests: Vec<VerifiedManifest>,
        items: Vec<Item>,
    ) -> Result<Vec<Admission>, CommitError> {
        let by_agent = bytes_by_agent(&manifests, &items);
        let bytes = u32::try_from(by_agent.values().sum::<u64>()).unwrap_or(u32::MAX);
        // The agent's own share first: it is told about itself when both are full.
        let share = self.shares.take(by_agent).map_err(CommitError::AgentQueueFull)?;
        let room = Arc::clone(&self.room)
            .try_acquire_many_owned(bytes)
            .map_err(|_| CommitError::QueueFull)?;
        let (answer, answered) = oneshot::channel();
        let submission = Submission {
            manifests,
            _queued: Queued::among(&self.waiting, items.len()),
            items,
            _room: room,
            _share: share,
            answer,
        };
        {
            let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            let queue = queue.as_ref().ok_or(CommitError::Stopping)?;
            queue.try_send(submission).map_err(|error| match error {
                TrySendError::Full(_) => CommitError::QueueFull,
                TrySendError::Disconnected(_) => CommitError::Stopping,
            })?;
        }
        answered.await.unwrap_or(Err(CommitError::Stopping))
    }

    /// Takes nothing more, finishes what is queued, and returns when the last commit is durable. Blocks.
    pub fn finish(&self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the commit thread ended in a panic");
        }
    }
}

fn bytes_by_agent(manifests: &[VerifiedManifest], items: &[Item]) -> HashMap<AgentId, u64> {
    let mut by_agent: HashMap<AgentId, u64> = HashMap::new();
    let manifests = manifests
        .iter()
        .map(|offer| (&offer.manifest.agent, offer.frame.len()));
    let items = items.iter().map(|item| match item {
        Item::Report(report) => (&report.agent, item_bytes(item)),
        Item::Tombstone(tombstone) => (&tombstone.agent, item_bytes(item)),
    });
    for (agent, bytes) in manifests.chain(items) {
        *by_agent.entry(agent.clone()).or_default() += bytes as u64;
    }
    by_agent
}

fn item_bytes(item: &Item) -> usize {
    /// About what a report or tombstone takes beside its frame.
    const OVERHEAD_BYTES: usize = 256;
    match item {
        Item::Report(report) => report.frame.len() + OVERHEAD_BYTES,
        Item::Tombstone(_) => OVERHEAD_BYTES,
    }
}

fn commit_until_closed(submissions: &Receiver<Submission>, store: &dyn Store, metrics: &Metrics) {
    while let Ok(first) = submissions.recv() {
        let mut items = first.items.len();
        let mut group = vec![first];
        while items < MAX_ITEMS_PER_COMMIT
            && let Ok(next) = submissions.try_recv()
        {
            items += next.items.len();
            group.push(next);
        }
        commit_group(group, store, metrics);
    }
}

/// What is done with each report once it is durable, which only counts.
type Measure<'a> = &'a dyn Fn(&JustStored<'_>);

fn commit_group(group: Vec<Submission>, store: &dyn Store, metrics: &Metrics) {
    commit_and_measure(group, store, metrics, &|stored| metrics.note_stored(stored));
}

fn commit_and_measure(
    mut group: Vec<Submission>,
    store: &dyn Store,
    metrics: &Metrics,
    measure: Measure<'_>,
) {
    let mut manifests = Vec::new();
    let mut items = Vec::new();
    let mut lengths = Vec::with_capacity(group.len());
    for submission in &mut group {
        lengths.push((submission.manifests.len(), submission.items.len()));
        manifests.append(&mut submission.manifests);
        items.append(&mut submission.items);
    }
    match commit(&manifests, &items, store, metrics, measure) {
        Ok(admissions) => {
            let mut admissions = admissions.into_iter();
            for (submission, (_, length)) in group.into_iter().zip(lengths) {
                answer(submission.answer, Ok(admissions.by_ref().take(length).collect()));
            }
        }
        Err(error) if group.len() == 1 => group.into_iter().for_each(|submission| {
            tracing::error!("{error}; its agent will send it again");
            answer(submission.answer, Err(CommitError::Store(error.to_string())));
        }),
        // One bad apple must not keep the others from being stored, so each gets a transaction of its own.
        Err(error) => {
            tracing::error!("{error}; committing {} bodies one by one", group.len());
            let (mut manifests, mut items) = (manifests.into_iter(), items.into_iter());
            for (submission, (manifest_count, item_count)) in group.into_iter().zip(lengths) {
                let manifests: Vec<VerifiedManifest> = manifests.by_ref().take(manifest_count).collect();
                let items: Vec<Item> = items.by_ref().take(item_count).collect();
                let result = commit(&manifests, &items, store, metrics, measure);
                answer(
                    submission.answer,
                    result.map_err(|error| CommitError::Store(error.to_string())),
                );
            }
        }
    }
}

fn commit(
    manifests: &[VerifiedManifest],
    items: &[Item],
    store: &dyn Store,
    metrics: &Metrics,
    measure: Measure<'_>,
) -> Result<Vec<Admission>, StoreError> {
    let started = clock::monotonic();
    let (mut measuring, mut all_measured) = (Duration::ZERO, true);
    // Here and not where the verdicts are given: whoever hung up has its reports stored all the same.
    let mut tell = |stored: &JustStored<'_>| {
        let begun = clock::monotonic();
        // What only counts must not take ingest down.
        all_measured = all_measured && catch_unwind(AssertUnwindSafe(|| measure(stored))).is_ok();
        measuring += clock::monotonic() - begun;
    };
    // A backend that panics on a damaged page must not take the commit thread, and with it all ingest, down.
    let result = catch_unwind(AssertUnwindSafe(|| {
        store.commit_and_tell(manifests, items, &mut tell)
    }))
    .unwrap_or_else(|_| {
        Err(StoreError {
            doing: "commit",
            cause: "the backend panicked; see the log".to_owned(),
            damaged: false,
        })
    });
    let took = (clock::monotonic() - started).saturating_sub(measuring);
    metrics.note_commit(took, result.is_ok());
    if let Ok(admissions) = &result {
        metrics.alerting.note_stored(items, admissions);
    }
    if !all_measured {
        metrics.commits_not_measured.add(1);
        tracing::error!("what was stored is not on /metrics, by a fault of this collector; see above");
    }
    result
}

fn answer(
    waiting: oneshot::Sender<Result<Vec<Admission>, CommitError>>,
    result: Result<Vec<Admission>, CommitError>,
) {
    // Whoever hung up will send again, and be told that it is a duplicate.
    let _ = waiting.send(result);
}

#[cfg(test)]
mod tests {
    use azimuth_measurement::{AgentId, Manifest};

    use super::*;
    use crate::store::conformance::{agent, item, manifest_of, report_of, verified};
    use crate::store::memory::MemoryStore;
    use crate::store::{
        AgentStatus, Condition, Coverage, Dictionary, Maintained, ScanRequest, StoredGap, TimeRange, Visit,
    };

    /// Fails, or panics, as soon as an item of agent `poison` is in the transaction.
    #[derive(Default)]
    struct Picky {
        inner: MemoryStore,
        panics: bool,
    }

    impl Store for Picky {
        fn commit(
            &self,
            manifests: &[VerifiedManifest],
            items: &[Item],
        ) -> Result<Vec<Admission>, StoreError> {
            let poisoned = items.iter().any(|item| match item {
                Item::Report(report) => report.agent == agent("poison"),
                Item::Tombstone(_) => false,
            });
            assert!(!(poisoned && self.panics), "the backend met a damaged page");
            if poisoned {
                return Err(StoreError {
                    doing: "commit",
                    cause: "poison".to_owned(),
                    damaged: false,
                });
            }
            self.inner.commit(manifests, items)
        }
        fn dictionary(&self) -> Arc<Dictionary> {
            self.inner.dictionary()
        }
        fn scan(&self, request: ScanRequest<'_>, visit: Visit<'_>) -> Result<Coverage, StoreError> {
            self.inner.scan(request, visit)
        }
        fn recent(&self, range: TimeRange, read: &mut dyn FnMut(&crate::store::Window)) -> Option<Coverage> {
            self.inner.recent(range, read)
        }
        fn agents(&self) -> Result<Vec<AgentStatus>, StoreError> {
            self.inner.agents()
        }
        fn gaps(&self, agent: &AgentId, range: TimeRange) -> Result<Vec<StoredGap>, StoreError> {
            self.inner.gaps(agent, range)
        }
        fn paths(
            &self,
            agent: &AgentId,
            range: TimeRange,
        ) -> Result<Vec<crate::store::StoredPath>, StoreError> {
            self.inner.paths(agent, range)
        }
        fn throughput(
            &self,
            agent: &AgentId,
            range: TimeRange,
        ) -> Result<Vec<crate::store::StoredThroughput>, StoreError> {
            self.inner.throughput(agent, range)
        }
        fn maintain(&self, now_unix_ms: u64) -> Result<Maintained, StoreError> {
            self.inner.maintain(now_unix_ms)
        }
        fn backup(&self, into: &mut dyn std::io::Write) -> Result<crate::store::BackupSummary, StoreError> {
            self.inner.backup(into)
        }
        fn condition(&self) -> Condition {
            self.inner.condition()
        }
    }

    type Answered = oneshot::Receiver<Result<Vec<Admission>, CommitError>>;

    fn submission(manifest: &Manifest, sequences: &[u64]) -> (Submission, Answered) {
        let (answer, answered) = oneshot::channel();
        let room = Arc::new(Semaphore::new(1)).try_acquire_owned().expect("room");
        let items = sequences
            .iter()
            .map(|number| item(&report_of(manifest, *number, *number, &[500])));
        let manifests = vec![verified(manifest)];
        (
            Submission {
                manifests,
                items: items.collect(),
                _room: room,
                _share: Shares::new(1).take(HashMap::new()).expect("nothing asked"),
                _queued: Queued::among(&Arc::default(), sequences.len()),
                answer,
            },
            answered,
        )
    }

    fn answer_of(mut answered: Answered) -> Result<Vec<Admission>, CommitError> {
        answered.try_recv().expect("answered")
    }

    #[test]
    fn every_body_of_a_group_gets_its_own_admissions() {
        let (store, metrics) = (MemoryStore::default(), Metrics::default());
        let (one, two) = (manifest_of("one", 1), manifest_of("two", 1));
        let (first, first_answer) = submission(&one, &[1, 2]);
        let (replay, replay_answer) = submission(&one, &[2]);
        let (other, other_answer) = submission(&two, &[1, 1, 2]);
        commit_group(vec![first, replay, other], &store, &metrics);
        use Admission::{Duplicate, Stored};
        assert_eq!(answer_of(first_answer), Ok(vec![Stored, Stored]));
        assert_eq!(answer_of(replay_answer), Ok(vec![Duplicate]));
        assert_eq!(answer_of(other_answer), Ok(vec![Stored, Duplicate, Stored]));
        assert_eq!(metrics.commits.get(), 1, "one transaction for all of them");
        let page = crate::exposition::text::render(&metrics.measured.families());
        for reports in ["{agent=\"one\"} 2", "{agent=\"two\"} 2"] {
            let line = format!("azimuth_agent_reports_total{reports}\n");
            assert!(page.contains(&line), "duplicates are not measured again: {page}");
        }
    }

    #[test]
    fn one_bad_body_does_not_keep_the_others_from_being_stored() {
        for panics in [false, true] {
            let store = Picky {
                panics,
                ..Picky::default()
            };
            let metrics = Metrics::default();
            let (sound, sound_answer) = submission(&manifest_of("one", 1), &[1]);
            let (bad, bad_answer) = submission(&manifest_of("poison", 1), &[1, 2]);
            let (last, last_answer) = submission(&manifest_of("two", 1), &[1]);
            commit_group(vec![sound, bad, last], &store, &metrics);
            assert_eq!(answer_of(sound_answer), Ok(vec![Admission::Stored]));
            assert!(matches!(answer_of(bad_answer), Err(CommitError::Store(_))));
            assert_eq!(answer_of(last_answer), Ok(vec![Admission::Stored]));
            assert_eq!((metrics.commits.get(), metrics.commits_failed.get()), (2, 2));
        }
    }

    #[test]
    fn what_cannot_be_measured_is_stored_all_the_same() {
        let metrics = Metrics::default();
        let (sound, sound_answer) = submission(&manifest_of("one", 1), &[1, 2]);
        commit_and_measure(vec![sound], &MemoryStore::default(), &metrics, &|_| {
            panic!("the dictionary is gone")
        });
        assert_eq!(answer_of(sound_answer), Ok(vec![Admission::Stored; 2]));
        assert_eq!(
            (metrics.commits.get(), metrics.commits_not_measured.get()),
            (1, 1)
        );
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_the_door_and_a_stopped_one_too() {
        let committer = Committer::start(Arc::new(MemoryStore::default()), Arc::default()).expect("a thread");
        let manifest = manifest_of("one", 1);
        let report = || vec![item(&report_of(&manifest, 1, 1, &[500]))];
        let taken = Arc::clone(&committer.room)
            .try_acquire_many_owned(MAX_QUEUED_BYTES)
            .expect("room");
        assert_eq!(committer.queued_bytes(), u64::from(MAX_QUEUED_BYTES));
        assert_eq!(
            committer.commit(vec![verified(&manifest)], report()).await,
            Err(CommitError::QueueFull)
        );
        drop(taken);
        assert_eq!(committer.queued(), (0, 0), "what was refused does not wait");
        let share = HashMap::from([(agent("one"), u64::from(AGENT_QUEUED_BYTES))]);
        let taken = committer.shares.take(share).expect("room");
        assert_eq!(
            committer.commit(vec![verified(&manifest)], report()).await,
            Err(CommitError::AgentQueueFull(agent("one")))
        );
        assert_eq!(committer.queued_bytes(), 0, "a refusal takes no room");
        let (two, other) = (manifest_of("two", 1), manifest_of("two", 1));
        assert_eq!(
            committer
                .commit(vec![verified(&two)], vec![item(&report_of(&other, 1, 1, &[500]))])
                .await,
            Ok(vec![Admission::Stored]),
            "others are not kept waiting by one"
        );
        drop(taken);
        let stored = committer.commit(vec![verified(&manifest)], report()).await;
        assert_eq!(
            stored,
            Ok(vec![Admission::Stored]),
            "what was refused was not taken for stored"
        );
        committer.finish();
        assert_eq!(
            committer.commit(vec![], report()).await,
            Err(CommitError::Stopping)
        );
        assert_eq!(
            committer.queued(),
            (0, 0),
            "what is durable, or was refused, does not wait"
        );
        let waiting = Arc::clone(&committer.waiting);
        let two = (Queued::among(&waiting, 3), Queued::among(&waiting, 4));
        assert_eq!(committer.queued(), (2, 7));
        drop(two.0);
        assert_eq!(committer.queued(), (1, 4));
    }
}
