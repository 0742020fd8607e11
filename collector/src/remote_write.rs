//! Remote write: sends what `/metrics` shows to a receiver at regular intervals, for who cannot scrape the collector.
//! Off unless configured. One task takes snapshots into a bounded queue, another posts them in order; neither is in the
//! way of ingest. An answer 5xx or 429, or none, is tried again with growing pauses; any other refusal drops what was
//! refused. Whatever is dropped has a name and a counter.
//!
//! | room | what it holds |
//! |---|---|
//! | [`settings`] | the `[remote_write]` table of the configuration |
//! | [`message`] | from families to compressed requests (pure) |
//! | [`queue`] | what waits, within a bound (pure) |
//! | [`answer`] | what an answer means, and how long to wait (pure) |
//! | [`counters`] | what is counted |
//!
//! Counters are cumulative, so what is dropped costs resolution in time, never a total.
//!
//! Standard: Prometheus Remote-Write 1.0.

pub mod answer;
pub mod counters;
pub mod message;
pub mod queue;
pub mod settings;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use self::answer::{Answer, Backoff, Step, judge};
use self::counters::Counters;
use self::message::{Frame, frames};
use self::queue::Queue;
use self::settings::Settings;
use crate::exposition::family::Family;
use crate::outgoing::USER_AGENT;

/// A post that takes longer has failed.
const TIMEOUT: Duration = Duration::from_secs(30);
/// A connection that takes longer to come about has failed.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// What may wait: some minutes of 2,000 pairs every ten seconds.
const MAX_QUEUED_BYTES: usize = 16 * 1024 * 1024;
/// How long the last snapshot may take to be delivered when the collector stops.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_secs(3);
/// How much of a refusal is read and logged.
const MAX_REASON_BYTES: usize = 512;

/// Takes the families as they are now.
pub type Snapshot = Arc<dyn Fn() -> Vec<Family> + Send + Sync>;

/// The two tasks.
pub struct RemoteWrite {
    outbox: Arc<Outbox>,
    taking: JoinHandle<()>,
    sending: JoinHandle<()>,
    source: Source,
}

/// Where snapshots come from and what is added to them.
#[derive(Clone)]
struct Source {
    snapshot: Snapshot,
    now_unix_ms: fn() -> u64,
    settings: Arc<Settings>,
}

struct Outbox {
    queue: Mutex<Queue>,
    /// Samples of the request that is being posted.
    in_flight: AtomicU64,
    filled: Notify,
    closing: watch::Sender<bool>,
    counters: Arc<Counters>,
}

impl RemoteWrite {
    /// Starts both tasks; must be called inside a runtime.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn start(
        settings: Settings,
        counters: Arc<Counters>,
        snapshot: Snapshot,
        now_unix_ms: fn() -> u64,
    ) -> reqwest::Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent(USER_AGENT)
            .build()?;
        let (outbox, source) = (
            Arc::new(Outbox::new(counters)),
            Source {
                snapshot,
                now_unix_ms,
                settings: Arc::new(settings),
            },
        );
        let url = source.settings.url.clone();
        let sending = {
            let outbox = Arc::clone(&outbox);
            tokio::spawn(async move {
                let post = |frame| post(client.clone(), url.clone(), frame);
                outbox.send_until_closed(post, Backoff::default()).await;
            })
        };
        let taking = tokio::spawn(take_regularly(source.clone(), Arc::clone(&outbox)));
        Ok(Self {
            outbox,
            taking,
            sending,
            source,
        })
    }

    /// Takes a last snapshot and gives the receiver a moment to take what waits.
    pub async fn finish(self) {
        self.taking.abort();
        self.source.take(&self.outbox).await;
        self.outbox.closing.send_replace(true);
        let mut sending = self.sending;
        if tokio::time::timeout(LAST_WORDS_TIMEOUT, &mut sending)
            .await
            .is_err()
        {
            sending.abort();
        }
        let left = self.outbox.queue().samples() + self.outbox.in_flight.load(Ordering::Relaxed);
        if left > 0 {
            tracing::warn!("remote write: {left} samples were not taken before the collector stopped");
        }
    }
}

async fn take_regularly(source: Source, outbox: Arc<Outbox>) {
    let mut ticks = tokio::time::interval(source.settings.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        source.take(&outbox).await;
    }
}

impl Source {
    /// One snapshot into the queue.
    async fn take(&self, outbox: &Outbox) {
        let source = self.clone();
        let taken = tokio::task::spawn_blocking(move || {
            let at_unix_ms = (source.now_unix_ms)();
            frames(&(source.snapshot)(), at_unix_ms, &source.settings)
        });
        match taken.await {
            Ok(frames) => outbox.push(frames),
            Err(error) => {
                outbox.counters.failures.count("snapshot", "panicked");
                tracing::error!("remote write: taking a snapshot failed: {error}");
            }
        }
    }
}

impl Outbox {
    fn new(counters: Arc<Counters>) -> Self {
        Self {
            queue: Mutex::new(Queue::new(MAX_QUEUED_BYTES)),
            in_flight: AtomicU64::new(0),
            filled: Notify::new(),
            closing: watch::Sender::new(false),
            counters,
        }
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, frames: Vec<Frame>) {
        let dropped = {
            let mut queue = self.queue();
            let dropped = frames.into_iter().map(|frame| queue.push(frame)).sum();
            self.counters.note_queue(queue.bytes());
            dropped
        };
        self.counters.drop_samples("queue_full", dropped);
        self.filled.notify_one();
    }

    /// Posts in order until there is nothing left and nothing more comes.
    async fn send_until_closed<F>(&self, post: impl Fn(Frame) -> F, mut backoff: Backoff)
    where
        F: Future<Output = Answer>,
    {
        let mut closing = self.closing.subscribe();
        loop {
            let next = self.queue().pop();
            let Some(frame) = next else {
                if *closing.borrow() {
                    return;
                }
                tokio::select! {
                    () = self.filled.notified() => {}
                    _ = closing.changed() => {}
                }
                continue;
            };
            self.in_flight.store(frame.samples, Ordering::Relaxed);
            let step = judge(post(frame.clone()).await);
            self.in_flight.store(0, Ordering::Relaxed);
            match step {
                Step::Sent => {
                    backoff.succeed();
                    self.counters.sent_samples(frame.samples);
                }
                Step::Drop { why } => {
                    backoff.succeed();
                    self.counters.drop_samples("rejected", frame.samples);
                    tracing::warn!(
                        "remote write: the receiver refuses {} samples: {why}",
                        frame.samples
                    );
                }
                Step::TryAgain {
                    reason,
                    why,
                    not_before,
                } => {
                    self.counters.failures.count("post", reason);
                    let dropped = self.queue().give_back(frame);
                    self.counters.drop_samples("queue_full", dropped);
                    if *closing.borrow() {
                        return;
                    }
                    let pause = backoff.fail(not_before, fastrand::f64());
                    tracing::warn!("remote write: {why}; tried again in {pause:?}");
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        _ = closing.changed() => {}
                    }
                }
            }
            self.counters.note_queue(self.queue().bytes());
        }
    }
}

async fn post(client: reqwest::Client, url: String, frame: Frame) -> Answer {
    let request = client
        .post(&url)
        .header("content-type", "application/x-protobuf")
        .header("content-encoding", "snappy")
        .header("x-prometheus-remote-write-version", "0.1.0")
        .body(frame.body);
    match request.send().await {
        Err(error) => Answer::None { why: in_full(&error) },
        Ok(mut response) => {
            let retry_after = response.headers().get("retry-after");
            let retry_after = retry_after.and_then(|value| value.to_str().ok().map(str::to_owned));
            let status = response.status().as_u16();
            let mut said = Vec::new();
            if !response.status().is_success() {
                while said.len() < MAX_REASON_BYTES
                    && let Ok(Some(chunk)) = response.chunk().await
                {
                    said.extend_from_slice(&chunk[..chunk.len().min(MAX_REASON_BYTES - said.len())]);
                }
            }
            Answer::Status {
                status,
                retry_after,
                said: String::from_utf8_lossy(&said).escape_debug().to_string(),
            }
        }
    }
}

/// An error with its causes; the outermost alone only says that sending failed.
fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text += &format!(": {inner}");
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    fn frame(samples: u64) -> Frame {
        Frame {
            body: vec![0; 10],
            samples,
        }
    }

    fn status(status: u16) -> Answer {
        Answer::Status {
            status,
            retry_after: None,
            said: String::new(),
        }
    }

    /// Sends frames of 1, 10 and 100 samples to a receiver that answers by the script; what it saw, and the counters.
    async fn sent(script: impl IntoIterator<Item = Answer>) -> (Vec<u64>, String) {
        let counters = Arc::new(Counters::default());
        let outbox = Outbox::new(Arc::clone(&counters));
        outbox.push([1, 10, 100].map(frame).into());
        let (script, seen) = (
            Mutex::new(script.into_iter().collect::<VecDeque<_>>()),
            Mutex::new(Vec::new()),
        );
        let post = |frame: Frame| {
            seen.lock().expect("sound").push(frame.samples);
            let mut script = script.lock().expect("sound");
            let answer = script.pop_front();
            if script.is_empty() {
                outbox.closing.send_replace(true);
            }
            std::future::ready(answer.unwrap_or(status(204)))
        };
        let sending = outbox.send_until_closed(post, Backoff::without_pauses());
        // A sender that drops what it should keep would wait for more for ever.
        let ended = tokio::time::timeout(Duration::from_secs(60), sending).await;
        assert!(ended.is_ok(), "the script has answers left");
        let page = crate::exposition::text::render(&counters.families());
        (seen.into_inner().expect("sound"), page)
    }

    fn samples(outcome: &str, reason: &str, samples: u64) -> String {
        format!("azimuth_remote_write_samples_total{{outcome=\"{outcome}\",reason=\"{reason}\"}} {samples}\n")
    }

    #[tokio::test]
    async fn what_may_succeed_later_is_tried_again_and_in_order() {
        let none = Answer::None {
            why: "refused".to_owned(),
        };
        let (seen, page) = sent([
            status(503),
            none,
            status(429),
            status(200),
            status(204),
            status(204),
        ])
        .await;
        assert_eq!(seen, [1, 1, 1, 1, 10, 100]);
        assert!(page.contains(&samples("sent", "", 111)), "{page}");
        for reason in ["server_error", "unreachable", "too_many_requests"] {
            let line =
                format!("azimuth_remote_write_failures_total{{doing=\"post\",reason=\"{reason}\"}} 1\n");
            assert!(page.contains(&line), "{line}{page}");
        }
    }

    #[tokio::test]
    async fn what_is_refused_is_dropped_and_counted_and_the_rest_goes_on() {
        let (seen, page) = sent([status(400), status(204), status(204)]).await;
        assert_eq!(seen, [1, 10, 100]);
        assert!(page.contains(&samples("dropped", "rejected", 1)), "{page}");
        assert!(page.contains(&samples("sent", "", 110)), "{page}");
    }

    #[tokio::test]
    async fn a_stopping_collector_does_not_wait_for_a_receiver_that_is_not_there() {
        let (seen, page) = sent([status(204), status(500)]).await;
        assert_eq!(seen, [1, 10]);
        assert!(page.contains(&samples("sent", "", 1)), "{page}");
    }
}
