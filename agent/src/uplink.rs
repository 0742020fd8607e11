//! Delivers the outbox to the collector, at least once, until each item has its verdict. What goes when is the spool's
//! decision, [`answer`] decides what an answer means and [`backoff`] how long to wait, all pure; this file posts.

pub mod answer;
pub mod backoff;
pub mod complaints;

use std::time::Duration;

use azimuth_measurement::codec::{MAX_BATCH_BYTES, encode_batch};
use reqwest::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use tracing::{debug, info, warn};

use self::answer::{Step, Verdict, judge};
use self::backoff::Backoff;
use self::complaints::{Complaints, Told};
use crate::config::CollectorAddress;
use crate::outbox::Outbox;
use crate::spool::picker::Turn;
use crate::spool::{self, Dispatch, Now, Sent};

/// A post that takes longer has failed.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Longest answer read: a batch full of refusals, each with its problem.
const MAX_ANSWER_BYTES: usize = 1 << 20;
/// A connection that takes longer to come about has failed, and is known to have carried nothing.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The backlog gets its share of the requests in time, without a new report to wake it.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// Posts to one collector.
#[derive(Debug)]
pub struct Uplink {
    client: reqwest::Client,
    url: String,
    /// Most bytes in one post; halved when the collector refuses a body as a whole.
    batch_bytes: usize,
    backoff: Backoff,
    complaints: Complaints,
}

impl Uplink {
    /// An uplink to this collector.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(to: &CollectorAddress) -> reqwest::Result<Self> {
        let builder = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
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
            batch_bytes: MAX_BATCH_BYTES,
            backoff: Backoff::default(),
            complaints: Complaints::default(),
        })
    }

    /// Delivers for ever; returns once the outbox is closed and either empty or not deliverable at the first attempt.
    /// `now` reads the clocks.
    pub async fn run(mut self, outbox: &Outbox, now: impl Fn() -> Now) {
        loop {
            let Some(dispatch) = outbox.next_dispatch(now(), self.batch_bytes) else {
                if outbox.is_closing() {
                    return;
                }
                tokio::select! {
                    () = outbox.changed() => {}
                    () = tokio::time::sleep(ASK_AGAIN) => {}
                }
                continue;
            };
            let Some(pause) = self.deliver(outbox, dispatch).await else {
                continue;
            };
            if outbox.is_closing() {
                return;
            }
            // New reports do not shorten the wait, closing does.
            let waited = tokio::time::sleep(pause);
            tokio::pin!(waited);
            while !outbox.is_closing() {
                tokio::select! {
                    () = &mut waited => break,
                    () = outbox.changed() => {}
                }
            }
        }
    }

    /// One post. How long to pause before the next one, if it did not get everything through.
    async fn deliver(&mut self, outbox: &Outbox, dispatch: Dispatch) -> Option<Duration> {
        let body = encode_batch(&dispatch.batch);
        let body_bytes = body.len();
        let answer = tokio::select! {
            answer = self.post(body) => answer,
            () = outbox.abandoned() => {
                outbox.give_back(dispatch, Sent::Perhaps);
                return Some(Duration::ZERO);
            }
        };
        let mut sent = Sent::Perhaps;
        let step = match answer {
            Ok((status, retry_after, body)) => {
                judge(status, retry_after.as_deref(), &body, &dispatch.sequences())
            }
            Err(error) => {
                if error.is_connect() {
                    sent = Sent::Nothing;
                }
                Step::TryAgain {
                    not_before_s: None,
                    why: in_full(&error),
                }
            }
        };
        match step {
            Step::Settle(verdicts) => {
                // A probe is small whatever is allowed, so its success says nothing about larger posts.
                if dispatch.turn != Turn::Probe {
                    self.batch_bytes = self.batch_bytes.saturating_mul(2).min(MAX_BATCH_BYTES);
                }
                let pending = self.settle(outbox, dispatch, &verdicts);
                pending.then(|| self.backoff.fail(None, fastrand::f64()))
            }
            Step::SendLess { why } if !dispatch.is_single() => {
                self.batch_bytes = body_bytes / 2;
                info!(%why, bytes = self.batch_bytes, "the collector refused a batch; sending less at a time");
                outbox.give_back(dispatch, Sent::Perhaps);
                None
            }
            Step::SendLess { why } => {
                warn!(sequences = ?dispatch.sequences(), %why, "the collector cannot take this item; given up");
                let refused = vec![spool::Verdict::Refused; dispatch.batch.items.len()];
                hand_in(outbox, dispatch, &refused);
                Some(self.backoff.fail(None, fastrand::f64()))
            }
            Step::TryAgain { not_before_s, why } => {
                outbox.give_back(dispatch, sent);
                outbox.count_failure();
                let pause = self.backoff.fail(not_before_s, fastrand::f64());
                let waiting = outbox.holdings().reports;
                warn!(%why, waiting, next_try_ms = pause.as_millis() as u64, "the collector was not reached");
                Some(pause)
            }
        }
    }

    /// Hands the verdicts in; `true` if something has to be sent again and nothing was gained.
    fn settle(&mut self, outbox: &Outbox, dispatch: Dispatch, verdicts: &[Verdict]) -> bool {
        let with_manifest = !dispatch.batch.manifests.is_empty();
        let (mut done, mut later, mut manifest_wanted) = (0_usize, 0_usize, false);
        let numbered = dispatch.sequences().into_iter().zip(verdicts);
        for verdict in verdicts {
            self.complaints.note(verdict).iter().for_each(tell);
        }
        let verdicts: Vec<spool::Verdict> = numbered
            .map(|(sequence, verdict)| match verdict {
                Verdict::Delivered { .. } => {
                    done += 1;
                    spool::Verdict::Stored
                }
                Verdict::Refused { reason, .. } => {
                    debug!(sequence, %reason, "the collector refused this item");
                    done += 1;
                    spool::Verdict::Refused
                }
                Verdict::ManifestWanted => {
                    manifest_wanted = true;
                    spool::Verdict::ManifestWanted
                }
                Verdict::Later { .. } => {
                    later += 1;
                    spool::Verdict::Retry
                }
            })
            .collect();
        let turn = dispatch.turn;
        hand_in(outbox, dispatch, &verdicts);
        debug!(?turn, done, later, manifest_wanted, "delivered");
        if done > 0 {
            self.backoff.succeed();
        }
        // Asked for the manifest: send it at once, unless it was in this very post.
        later > 0 || (manifest_wanted && with_manifest)
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

fn tell(told: &Told) {
    match told {
        Told::Begins { reason, what, remedy } => {
            warn!(%reason, %remedy, "the collector does not take everything: {what}");
        }
        Told::Over { reason, items } => info!(%reason, items, "the collector no longer says so"),
    }
}

/// Every caller has counted the verdicts, so that a mismatch is a fault of ours; the spool then keeps everything.
fn hand_in(outbox: &Outbox, dispatch: Dispatch, verdicts: &[spool::Verdict]) {
    if let Err(error) = outbox.settle(dispatch, verdicts) {
        warn!(%error, "verdicts do not fit what was sent");
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
