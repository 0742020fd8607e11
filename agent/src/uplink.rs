//! Delivers the outbox to the collector, at least once, until each item has its verdict. What goes when is the spool's
//! decision, [`answer`] decides what an answer means and [`backoff`] how long to wait, all pure; this file posts.

pub mod answer;
pub mod backoff;
pub mod complaints;
pub mod link;
pub mod session;
pub mod trust;

use std::time::Duration;

use azimuth_measurement::codec::{MAX_BATCH_BYTES, encode_batch};
use thiserror::Error;
use tracing::{debug, info, warn};

use self::answer::{Step, Verdict, judge, named_plan};
use self::backoff::Backoff;
use self::complaints::{Complaints, Told};
use self::link::{Link, LinkError, Reply};
use self::session::{SessionError, Sessions};
use crate::outbox::Outbox;
use crate::plan::keeper::{Answer, Keeper};
use crate::spool::picker::Turn;
use crate::spool::{self, Dispatch, Now, Sent};

/// Where reports go, and what they are.
const REPORTS: &str = "/api/v1/reports";
/// Where the plan is.
const PLAN: &str = "/api/v1/agent/plan";
const CONTENT_TYPE: &str = "application/x-protobuf";
/// The backlog gets its share of the requests in time, without a new report to wake it.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// Posts to one collector.
#[derive(Debug)]
pub struct Uplink {
    link: Link,
    /// `None` for an agent that has not joined, which posts without a session.
    sessions: Option<Sessions>,
    /// Most bytes in one post; halved when the collector refuses a body as a whole.
    batch_bytes: usize,
    backoff: Backoff,
    complaints: Complaints,
    /// What the last answer named the plan of this agent.
    named: Option<String>,
}

impl Uplink {
    /// An uplink over this link.
    #[must_use]
    pub fn new(link: Link) -> Self {
        Self {
            link,
            sessions: None,
            batch_bytes: MAX_BATCH_BYTES,
            backoff: Backoff::default(),
            complaints: Complaints::default(),
            named: None,
        }
    }

    /// The same, in sessions of an agent that has joined.
    #[must_use]
    pub fn in_sessions(mut self, sessions: Option<Sessions>) -> Self {
        self.sessions = sessions;
        self
    }

    /// Delivers for ever; returns once the outbox is closed and either empty or not deliverable at the first attempt.
    /// `now` reads the clocks.
    pub async fn run(self, outbox: &Outbox, now: impl Fn() -> Now) {
        self.run_with_plan(outbox, None, now).await;
    }

    /// The same, and asks for the plan of the agent when its keeper wants it.
    pub async fn run_with_plan(mut self, outbox: &Outbox, keeper: Option<&Keeper>, now: impl Fn() -> Now) {
        loop {
            if let Some(keeper) = keeper
                && !outbox.is_closing()
                && keeper.is_due(now().monotonic_ms)
            {
                tokio::select! {
                    () = self.fetch_plan(keeper, &now) => {}
                    () = outbox.abandoned() => return,
                }
            }
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
            let delivered = self.deliver(outbox, dispatch).await;
            if let (Some(keeper), Some(tag)) = (keeper, self.named.take()) {
                keeper.note_named(&tag, now().monotonic_ms);
            }
            let Some(pause) = delivered else {
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
        if let Ok(reply) = &answer {
            self.named = named_plan(reply.status, &reply.body).or_else(|| self.named.take());
        }
        let step = match answer {
            Ok(reply) => judge(
                reply.status,
                reply.retry_after.as_deref(),
                &reply.body,
                &dispatch.sequences(),
            ),
            Err(failure) => {
                if failure.carried_nothing() {
                    sent = Sent::Nothing;
                }
                Step::TryAgain {
                    not_before_s: None,
                    why: failure.to_string(),
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

    /// Asks for the plan, unless it is the one in use.
    async fn fetch_plan(&mut self, keeper: &Keeper, now: &impl Fn() -> Now) {
        let etag = keeper.etag();
        let asked = self.get_plan(etag.as_deref()).await;
        let answer = match &asked {
            Ok(reply) => match reply.status {
                200 => Answer::Plan {
                    body: &reply.body,
                    etag: reply.etag.clone(),
                },
                304 => Answer::Same,
                // A collector from before plans.
                404 | 405 => Answer::None,
                _ => Answer::Failed,
            },
            Err(failure) => {
                debug!(%failure, "the collector was not asked for the plan");
                Answer::Failed
            }
        };
        keeper.take(answer, now().monotonic_ms, fastrand::f64());
    }

    async fn get_plan(&mut self, etag: Option<&str>) -> Result<Reply, Failure> {
        let Some(sessions) = &mut self.sessions else {
            return self.link.get(PLAN, None, etag).await.map_err(Failure::Post);
        };
        let bearer = sessions.bearer(&self.link).await?;
        let reply = self.link.get(PLAN, Some(&bearer), etag).await?;
        if reply.status != 401 {
            return Ok(reply);
        }
        sessions.forget();
        if session::reason_of(&reply.body).as_deref() != Some("session_unknown") {
            return Ok(reply);
        }
        let bearer = sessions.bearer(&self.link).await?;
        Ok(self.link.get(PLAN, Some(&bearer), etag).await?)
    }

    /// Posts, in a session where the agent has an identity. One that is over is opened anew, once.
    async fn post(&mut self, body: Vec<u8>) -> Result<Reply, Failure> {
        let Some(sessions) = &mut self.sessions else {
            let posted = self.link.post(REPORTS, CONTENT_TYPE, None, body).await;
            return posted.map_err(Failure::Post);
        };
        let bearer = sessions.bearer(&self.link).await?;
        let reply = self
            .link
            .post(REPORTS, CONTENT_TYPE, Some(&bearer), body.clone())
            .await;
        let reply = reply.map_err(Failure::Post)?;
        if reply.status != 401 {
            return Ok(reply);
        }
        sessions.forget();
        if session::reason_of(&reply.body).as_deref() != Some("session_unknown") {
            return Ok(reply);
        }
        let bearer = sessions.bearer(&self.link).await?;
        let posted = self.link.post(REPORTS, CONTENT_TYPE, Some(&bearer), body).await;
        posted.map_err(Failure::Post)
    }
}

/// Why there is no answer.
#[derive(Debug, Error)]
enum Failure {
    #[error(transparent)]
    Post(#[from] LinkError),
    /// Before anything of the reports was told to anybody.
    #[error("no session: {0}")]
    Session(#[from] SessionError),
}

impl Failure {
    fn carried_nothing(&self) -> bool {
        match self {
            Self::Post(error) => error.carried_nothing(),
            Self::Session(_) => true,
        }
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
