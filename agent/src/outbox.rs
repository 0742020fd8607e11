//! The running agent's one place for undelivered reports: the spool, shared between the one who fills it and the one who
//! empties it, on one thread. Says in the log what the spool only counts; decides nothing.

use std::cell::{Cell, RefCell};

use azimuth_measurement::{Manifest, Report};
use tokio::sync::Notify;
use tracing::{info, warn};

use crate::config::SpoolConfig;
use crate::report::{Gap, UplinkTotals};
use crate::spool::{
    Counters, Dispatch, Holdings, Limits, Now, Sent, Setup, Spool, State, SyncPolicy, Verdict,
    VerdictsMismatch, boot_number,
};

/// The spool and those who wait for it.
pub struct Outbox {
    spool: RefCell<Spool>,
    deliveries_failed: Cell<u64>,
    closing: Cell<bool>,
    changed: Notify,
    abandoned: Notify,
}

impl Outbox {
    /// Opens the spool where the configuration wants it, in memory if it names no directory, and tells the log what was
    /// found. Never fails: a directory that cannot be used leaves the reports in memory, and a line in the log.
    #[must_use]
    pub fn open(config: &SpoolConfig, manifest: &Manifest, now: Now) -> Self {
        let mut limits = Limits {
            max_bytes: config.max_bytes,
            ..Limits::default()
        };
        if config.directory.is_none() {
            limits.memory_max_bytes = config.max_bytes;
        }
        let setup = Setup {
            agent: manifest.agent.clone(),
            boot: boot_number(),
            limits,
            sync: SyncPolicy::EveryFlush,
        };
        let mut spool = match &config.directory {
            Some(directory) => Spool::open_directory(directory, setup, now),
            None => Spool::in_memory(setup, now),
        };
        tell_findings(&spool, config);
        spool.set_manifest(manifest);
        Self {
            spool: RefCell::new(spool),
            deliveries_failed: Cell::new(0),
            closing: Cell::new(false),
            changed: Notify::new(),
            abandoned: Notify::new(),
        }
    }

    /// What is measured from now on. Reports pushed before keep the manifest they name.
    pub fn set_manifest(&self, manifest: &Manifest) {
        self.spool.borrow_mut().set_manifest(manifest);
    }

    /// Takes a report in, and before it the gap that precedes it, if any; writes both to disk. Blocks for one sync.
    pub fn push(&self, gap: Option<Gap>, report: Report, ended_at_ms: u64, now: Now) {
        let mut spool = self.spool.borrow_mut();
        let before = spool.counters();
        if let Some(gap) = gap {
            spool.skip(gap.reports, gap.start_unix_ms, gap.end_unix_ms);
        }
        spool.push(report, ended_at_ms);
        spool.flush(now);
        tell_losses(before, spool.counters());
        self.changed.notify_one();
    }

    /// What to post next, of at most `max_bytes`; to be handed back with [`settle`](Self::settle) or
    /// [`give_back`](Self::give_back).
    #[must_use]
    pub fn next_dispatch(&self, now: Now, max_bytes: usize) -> Option<Dispatch> {
        self.spool.borrow_mut().next_dispatch(now, max_bytes)
    }

    /// Takes the verdicts on a dispatch.
    ///
    /// # Errors
    /// When there is not one for each item; then it is as if no answer had come.
    pub fn settle(&self, dispatch: Dispatch, verdicts: &[Verdict]) -> Result<(), VerdictsMismatch> {
        let mut spool = self.spool.borrow_mut();
        let before = spool.counters();
        let settled = spool.settle(dispatch, verdicts);
        tell_losses(before, spool.counters());
        settled
    }

    /// Takes a dispatch back that brought no verdicts.
    pub fn give_back(&self, dispatch: Dispatch, sent: Sent) {
        self.spool.borrow_mut().give_back(dispatch, sent);
    }

    /// Counts a post that failed and is tried again.
    pub fn count_failure(&self) {
        self.deliveries_failed.set(self.deliveries_failed.get() + 1);
    }

    /// Waits until something was added, or until the outbox closes.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Nothing more will be added: deliver what is left, once, without waiting.
    pub fn close(&self) {
        self.spool.borrow_mut().hurry();
        self.closing.set(true);
        self.changed.notify_one();
    }

    /// Whether nothing more will be added.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// The post under way, if any, is to be given up.
    pub fn abandon(&self) {
        self.abandoned.notify_one();
    }

    /// Waits until the post under way is to be given up.
    pub async fn abandoned(&self) {
        self.abandoned.notified().await;
    }

    /// What has been dropped, refused and tried again since the start.
    #[must_use]
    pub fn totals(&self) -> UplinkTotals {
        let counters = self.spool.borrow().counters();
        UplinkTotals {
            reports_dropped: counters.dropped,
            // One too large for the wire is refused before it leaves; its tombstone says the same.
            reports_refused: counters.refused + counters.oversized,
            deliveries_failed: self.deliveries_failed.get(),
        }
    }

    /// What waits now.
    #[must_use]
    pub fn holdings(&self) -> Holdings {
        self.spool.borrow().holdings()
    }

    /// Writes everything down, ends the spool in order and says what became of what was left.
    pub fn finish(self, now: Now) {
        let mut spool = self.spool.into_inner();
        spool.flush(now);
        let (left, counters) = (spool.holdings(), spool.counters());
        let items = left.reports + left.tombstones;
        let kept = spool.close(now);
        if items == 0 {
            info!(?counters, "everything was delivered");
        } else if kept {
            info!(
                items,
                ?counters,
                "what is left waits in the spool for the next start"
            );
        } else {
            warn!(
                items,
                ?counters,
                "stopped before everything was delivered; what waited in memory only is gone"
            );
        }
    }
}

fn tell_findings(spool: &Spool, config: &SpoolConfig) {
    let (found, waiting) = (spool.recovery(), spool.holdings());
    if found.damaged() {
        warn!(
            bad_records = found.bad_records,
            torn_tails = found.torn_tails,
            contradictions = found.contradictions,
            set_aside = found.set_aside.len(),
            ranges_lost = found.lost.len(),
            "the spool was damaged, or the last run did not end in order; what was lost is reported as a gap"
        );
    }
    if let Some(reason) = &found.unreadable {
        warn!(%reason, "the spool directory cannot be listed");
    }
    match spool.state() {
        State::Disk => info!(
            reports = waiting.reports,
            bytes = waiting.disk_bytes,
            "the spool is open"
        ),
        // The spool itself has said what is wrong with its disk.
        State::Memory { .. } if config.directory.is_some() => {}
        State::Memory { reason, .. } => {
            warn!(%reason, "undelivered reports wait in memory, and are lost when the agent stops");
        }
    }
}

fn tell_losses(before: Counters, after: Counters) {
    if after.dropped > before.dropped {
        let dropped = after.dropped - before.dropped;
        warn!(
            dropped,
            total = after.dropped,
            "no room for all reports; these were given up, with a tombstone"
        );
    }
    if after.merged_away > before.merged_away {
        let merged = after.merged_away - before.merged_away;
        info!(
            merged,
            "the spool fills; its oldest unsent reports now have longer intervals"
        );
    }
    if after.corrupt > before.corrupt {
        let lost = after.corrupt - before.corrupt;
        warn!(lost, "reports in the spool were damaged");
    }
    if after.oversized > before.oversized {
        warn!("a report is larger than the wire allows; given up, with a tombstone");
    }
}
