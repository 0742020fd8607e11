//! Delivers the queue to the collector: oldest first, at least once, until each item has its verdict.
//!
//! [`answer`] decides what an answer means and [`backoff`] how long to wait, both pure; this file posts.

pub mod answer;
pub mod backoff;

use std::cell::RefCell;
use std::time::Duration;

use azimuth_measurement::codec::{
    Batch, BatchItem, MAX_BATCH_BYTES, MAX_BATCH_ITEMS, encode_batch, encode_manifest,
};
use azimuth_measurement::{AgentId, LossCause, Manifest, Tombstone};
use reqwest::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use tokio::sync::Notify;
use tracing::{debug, info, warn};

use self::answer::{Step, Verdict, judge};
use self::backoff::Backoff;
use crate::clock::{Monotonic, NS_PER_MS};
use crate::config::CollectorAddress;
use crate::queue::{Gap, Item, ItemId, Queue, QueuedReport};
use crate::report::UplinkTotals;

/// A post that takes longer has failed.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Longest answer read: a batch full of refusals, each with its problem.
const MAX_ANSWER_BYTES: usize = 1 << 20;
/// Bytes of a batch kept free for the framing of its items.
const FRAMING_BYTES: usize = 32 * MAX_BATCH_ITEMS;

/// The queue, shared between the one who fills it and the one who empties it, on one thread.
#[derive(Debug)]
pub struct Outbox {
    queue: RefCell<Queue>,
    totals: RefCell<UplinkTotals>,
    closing: RefCell<bool>,
    changed: Notify,
}

impl Outbox {
    /// An empty outbox of at most `max_bytes`.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        Self {
            queue: RefCell::new(Queue::new(max_bytes)),
            totals: RefCell::default(),
            closing: RefCell::new(false),
            changed: Notify::new(),
        }
    }

    /// Adds a report, and before it the gap that precedes it, if any.
    pub fn push(&self, gap: Option<Gap>, report: QueuedReport) {
        let mut queue = self.queue.borrow_mut();
        let before = queue.dropped();
        if let Some(gap) = gap {
            queue.push_gap(gap);
        }
        queue.push(report);
        if queue.dropped() > before {
            warn!(
                dropped = queue.dropped() - before,
                total = queue.dropped(),
                "the queue is full; the oldest reports were given up"
            );
        }
        self.changed.notify_one();
    }

    /// Nothing more will be added: deliver what is left, once, without waiting.
    pub fn close(&self) {
        *self.closing.borrow_mut() = true;
        self.changed.notify_one();
    }

    /// What has been dropped, refused and tried again since the start.
    #[must_use]
    pub fn totals(&self) -> UplinkTotals {
        UplinkTotals {
            reports_dropped: self.queue.borrow().dropped(),
            ..*self.totals.borrow()
        }
    }

    /// How many items still wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.borrow().len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.borrow().is_empty()
    }
}

/// Posts to one collector.
#[derive(Debug)]
pub struct Uplink {
    client: reqwest::Client,
    url: String,
    agent: AgentId,
    epoch: u64,
    manifest: Vec<u8>,
    manifest_due: bool,
    /// Most items in one post; halved when the collector refuses a body as a whole.
    batch_items: usize,
    backoff: Backoff,
}

impl Uplink {
    /// An uplink of `manifest.agent`, whose reports are numbered within `epoch`.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(to: &CollectorAddress, manifest: &Manifest, epoch: u64) -> reqwest::Result<Self> {
        let builder = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("azimuth-agent/", env!("CARGO_PKG_VERSION")));
        let (builder, base) = match to {
            CollectorAddress::Http(url) => (builder, url.as_str()),
            CollectorAddress::Unix(path) => (builder.unix_socket(path.as_path()), "http://collector"),
        };
        Ok(Self {
            client: builder.build()?,
            url: format!("{base}/api/v1/reports"),
            agent: manifest.agent.clone(),
            epoch,
            manifest: encode_manifest(manifest),
            manifest_due: true,
            batch_items: MAX_BATCH_ITEMS,
            backoff: Backoff::default(),
        })
    }

    /// Delivers for ever; returns once the outbox is closed and either empty or not deliverable at the first attempt.
    /// `now` reads the monotonic clock.
    pub async fn run(mut self, outbox: &Outbox, now: impl Fn() -> Monotonic) {
        loop {
            if outbox.is_empty() {
                if *outbox.closing.borrow() {
                    return;
                }
                outbox.changed.notified().await;
                continue;
            }
            let Some(pause) = self.deliver(outbox, now()).await else {
                continue;
            };
            let was_closing = *outbox.closing.borrow();
            if was_closing {
                return;
            }
            // New reports do not shorten the wait, closing does.
            let waited = tokio::time::sleep(pause);
            tokio::pin!(waited);
            while !*outbox.closing.borrow() {
                tokio::select! {
                    () = &mut waited => break,
                    () = outbox.changed.notified() => {}
                }
            }
        }
    }

    /// One post. How long to pause before the next one, if it did not get everything through.
    async fn deliver(&mut self, outbox: &Outbox, now: Monotonic) -> Option<Duration> {
        let room = MAX_BATCH_BYTES.saturating_sub(self.manifest.len() + FRAMING_BYTES);
        let sent = outbox.queue.borrow().oldest(room, self.batch_items);
        let body = self.body(&sent, now);
        let with_manifest = self.manifest_due;
        let sequences: Vec<u64> = sent.iter().map(|(_, item)| item.first_sequence()).collect();
        let step = match self.post(body).await {
            Ok((status, retry_after, body)) => judge(status, retry_after.as_deref(), &body, &sequences),
            Err(error) => Step::TryAgain {
                not_before_s: None,
                why: in_full(&error),
            },
        };
        match step {
            Step::Settle(verdicts) => {
                let pending = self.settle(outbox, &sent, verdicts, with_manifest);
                self.batch_items = self.batch_items.saturating_mul(2).min(MAX_BATCH_ITEMS);
                pending.then(|| self.backoff.fail(None, fastrand::f64()))
            }
            Step::SendLess { why } if sent.len() > 1 => {
                self.batch_items = sent.len() / 2;
                info!(%why, items = self.batch_items, "the collector refused a batch; sending less at a time");
                None
            }
            Step::SendLess { why } => {
                for (id, item) in &sent {
                    warn!(sequence = item.first_sequence(), %why, "the collector cannot take this item; given up");
                    outbox.queue.borrow_mut().give_up(*id, LossCause::Refused);
                    outbox.totals.borrow_mut().reports_refused += 1;
                }
                Some(self.backoff.fail(None, fastrand::f64()))
            }
            Step::TryAgain { not_before_s, why } => {
                outbox.totals.borrow_mut().deliveries_failed += 1;
                let pause = self.backoff.fail(not_before_s, fastrand::f64());
                warn!(%why, waiting = outbox.len(), next_try_ms = pause.as_millis() as u64, "the collector was not reached");
                Some(pause)
            }
        }
    }

    /// Forgets what is done; `true` if something has to be sent again and nothing was gained.
    fn settle(
        &mut self,
        outbox: &Outbox,
        sent: &[(ItemId, Item)],
        verdicts: Vec<Verdict>,
        with_manifest: bool,
    ) -> bool {
        let (mut done, mut later, mut manifest_wanted) = (0_usize, 0_usize, false);
        for ((id, item), verdict) in sent.iter().zip(verdicts) {
            match verdict {
                Verdict::Delivered => {}
                Verdict::Refused { reason } => {
                    warn!(sequence = item.first_sequence(), %reason, "the collector refused this item");
                    outbox.totals.borrow_mut().reports_refused += 1;
                }
                Verdict::ManifestWanted => {
                    manifest_wanted = true;
                    continue;
                }
                Verdict::Later => {
                    later += 1;
                    continue;
                }
            }
            done += 1;
            outbox.queue.borrow_mut().forget(*id);
        }
        self.manifest_due = manifest_wanted;
        debug!(done, later, manifest_wanted, waiting = outbox.len(), "delivered");
        if done > 0 {
            self.backoff.succeed();
        }
        // Asked for the manifest: send it at once, unless it was in this very post.
        later > 0 || (manifest_wanted && with_manifest)
    }

    fn body(&self, items: &[(ItemId, Item)], now: Monotonic) -> Vec<u8> {
        let manifests = if self.manifest_due {
            vec![self.manifest.clone()]
        } else {
            Vec::new()
        };
        let items = items.iter().map(|(_, item)| match item {
            Item::Report(report) => BatchItem::Report {
                age_ms: u64::try_from(now.since_ns(report.ended_at) / NS_PER_MS).unwrap_or(0),
                frame: report.frame.clone(),
            },
            Item::Tombstone(gap) => BatchItem::Tombstone(Tombstone {
                agent: self.agent.clone(),
                epoch: self.epoch,
                first_sequence: gap.first_sequence,
                last_sequence: gap.last_sequence,
                start_unix_ms: gap.start_unix_ms,
                end_unix_ms: gap.end_unix_ms,
                cause: gap.cause,
            }),
        });
        encode_batch(&Batch {
            manifests,
            items: items.collect(),
        })
    }

    async fn post(&self, body: Vec<u8>) -> reqwest::Result<(u16, Option<String>, Vec<u8>)> {
        let request = self
            .client
            .post(&self.url)
            .header(CONTENT_TYPE, "application/x-protobuf");
        let mut response = request
            .header(ACCEPT, "application/json")
            .body(body)
            .send()
            .await?;
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok());
        let retry_after = retry_after.map(str::to_owned);
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if answer.len() + chunk.len() > MAX_ANSWER_BYTES {
                // Cut here it is no JSON, so it is tried again and said so.
                break;
            }
            answer.extend_from_slice(&chunk);
        }
        Ok((status, retry_after, answer))
    }
}

/// reqwest's own message leaves out what the system said.
fn in_full(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
