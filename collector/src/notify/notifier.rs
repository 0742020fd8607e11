//! Wires channels to their outboxes: one task a channel, which sleeps until something is due, tries, and writes down what
//! came of it. What is handed over is durable when [`Notifier::hand`] returns, so that whoever hands over may forget it.
//! Decides nothing.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::counters::Counters;
use super::outbox::{Change, Message, Outbox, Outcome, Taken};
use super::page::{Page, State};
use super::send::{Attempt, attempt};
use super::settings::{Channel, Kind};
use super::{journal, routing, text};
use crate::alert::rules::model::{DEFAULT_ROUTE, Severity};

/// Name of the rule under which a dead channel is told to the others.
pub const CHANNEL_RULE: &str = "notification-channel";
/// The longest a task sleeps; the wall clock may be set while it does.
const LONGEST_SLEEP_MS: u64 = 60_000;

/// How long a message that is under way when the collector stops may take.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_secs(3);

/// The tasks of all channels.
pub struct Notifier {
    hub: Arc<Hub>,
    tasks: Vec<JoinHandle<()>>,
}

struct Hub {
    posts: Vec<Post>,
    counters: Arc<Counters>,
    now_unix_ms: fn() -> u64,
    closing: watch::Sender<bool>,
}

/// A channel and what it still has to tell.
struct Post {
    channel: Channel,
    outbox: Mutex<Outbox>,
    filled: Notify,
    file: PathBuf,
}

impl Post {
    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notifier {
    /// Starts a task for each channel, with what it left in `data_dir`; must be called inside a runtime.
    ///
    /// # Errors
    /// When an outbox cannot be read. A damaged one is set aside and counted.
    pub fn start(
        channels: Vec<Channel>,
        data_dir: &Path,
        counters: Arc<Counters>,
        now_unix_ms: fn() -> u64,
    ) -> io::Result<Self> {
        let mut posts = Vec::new();
        for channel in channels {
            let file = journal::file(data_dir, &channel.name);
            let outbox = match journal::load(&file) {
                Ok(outbox) => outbox,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    counters.faults.count("outbox", "damaged");
                    tracing::error!("notify.{}: {error}", channel.name);
                    Outbox::default()
                }
                Err(error) => return Err(error),
            };
            counters.note_dead(&channel.name, outbox.is_dead());
            posts.push(Post {
                channel,
                outbox: Mutex::new(outbox),
                filled: Notify::new(),
                file,
            });
        }
        let hub = Arc::new(Hub {
            posts,
            counters,
            now_unix_ms,
            closing: watch::Sender::new(false),
        });
        let tasks = (0..hub.posts.len()).map(|which| tokio::spawn(Arc::clone(&hub).serve(which)));
        let tasks = tasks.collect();
        Ok(Self { hub, tasks })
    }

    /// Hands pages over to the channels they are routed to; durable when this returns. Blocks on the disk. The same page
    /// may be handed over any number of times.
    ///
    /// # Errors
    /// When an outbox could not be written; hand the pages over again.
    pub fn hand(&self, pages: &[Page]) -> io::Result<()> {
        self.hub.hand(pages, None)
    }

    /// Pages that wait in all channels.
    pub fn waiting(&self) -> usize {
        self.hub.posts.iter().map(|post| post.outbox().waiting()).sum()
    }

    /// Names of the channels that are called dead.
    pub fn dead(&self) -> Vec<String> {
        let dead = self.hub.posts.iter().filter(|post| post.outbox().is_dead());
        dead.map(|post| post.channel.name.clone()).collect()
    }

    /// Stops once what is under way has arrived, or soon; what waits is told after the next start.
    pub async fn finish(self) {
        self.hub.closing.send_replace(true);
        for mut task in self.tasks {
            if tokio::time::timeout(LAST_WORDS_TIMEOUT, &mut task).await.is_err() {
                task.abort();
            }
        }
    }
}

impl Hub {
    fn hand(&self, pages: &[Page], not_to: Option<&str>) -> io::Result<()> {
        let wants = self
            .posts
            .iter()
            .map(|post| (&*post.channel.name, &post.channel.wants));
        let wants: Vec<_> = wants.collect();
        let mut routed = Vec::new();
        for page in pages {
            let (names, nowhere) = routing::channels(page, &wants);
            if nowhere {
                self.counters.faults.count("route", "unknown");
            }
            routed.push((page, names));
        }
        let mut result = Ok(());
        for post in &self.posts {
            let name = post.channel.name.as_str();
            let mut outbox = post.outbox();
            let mut changed = false;
            for (page, names) in &routed {
                if !names.contains(&name) || not_to == Some(name) {
                    continue;
                }
                let now_unix_ms = (self.now_unix_ms)();
                let before = outbox.lost().full;
                let outcome = match outbox.take((*page).clone(), now_unix_ms, post.channel.pace) {
                    Taken::Waits => ("taken", ""),
                    Taken::Known => ("ignored", "known"),
                    Taken::NotTold => ("ignored", "not_told"),
                };
                changed |= outcome != ("ignored", "known");
                self.counters.pages.count(outcome.0, outcome.1);
                let full = outbox.lost().full - before;
                if full > 0 {
                    self.counters.pages.add("dropped", "outbox_full", full);
                }
            }
            if changed && let Err(error) = self.keep(post, &outbox) {
                result = Err(error);
            }
            drop(outbox);
            post.filled.notify_one();
        }
        result
    }

    fn keep(&self, post: &Post, outbox: &Outbox) -> io::Result<()> {
        let kept = journal::save(&post.file, outbox);
        if let Err(error) = &kept {
            self.counters.faults.count("outbox", "not_written");
            tracing::error!("notify.{}: {}: {error}", post.channel.name, post.file.display());
        }
        kept
    }

    async fn serve(self: Arc<Self>, which: usize) {
        let Some(post) = self.posts.get(which) else { return };
        let mut closing = self.closing.subscribe();
        while !*closing.borrow_and_update() {
            let pace = post.channel.pace;
            let now_unix_ms = (self.now_unix_ms)();
            let (message, due) = {
                let mut outbox = post.outbox();
                (outbox.next(now_unix_ms, pace), outbox.due_unix_ms(pace))
            };
            let Some(message) = message else {
                let wait_ms = due.map_or(LONGEST_SLEEP_MS, |due| due.saturating_sub(now_unix_ms));
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(wait_ms.clamp(1, LONGEST_SLEEP_MS))) => {}
                    () = post.filled.notified() => {}
                    _ = closing.changed() => {}
                }
                continue;
            };
            let (Message::News(pages) | Message::Refresh(pages)) = &message;
            let tried = attempt(&post.channel, pages, now_unix_ms).await;
            self.note(post, pages, &tried);
            let hub = Arc::clone(&self);
            // The disk may take its time; the other channels do not wait for it.
            let noted = tokio::task::spawn_blocking(move || hub.tried(which, &message, &tried.outcome));
            if let Err(error) = noted.await {
                tracing::error!("notify.{}: {error}", post.channel.name);
            }
        }
    }

    fn note(&self, post: &Post, pages: &[Page], tried: &Attempt) {
        let channel = &post.channel;
        let kind = match &channel.kind {
            Kind::Alertmanager(_) => "alertmanager",
            Kind::Webhook(..) => "webhook",
            Kind::Slack(_) => "slack",
            Kind::Ntfy(..) => "ntfy",
            Kind::Mail(_) => "mail",
        };
        self.counters.attempts.count(kind, tried.reason);
        if tried.outcome == Outcome::Delivered {
            tracing::debug!("notify.{}: {} pages delivered", channel.name, pages.len());
        } else {
            tracing::warn!(
                "notify.{} at {}: {}: {}",
                channel.name,
                channel.shown(),
                tried.reason,
                tried.said
            );
        }
        let written = text::write(&channel.name, pages, &channel.templates, text::Style::Plain);
        if let Some(why) = written.fell_back {
            self.counters.faults.count("template", "failed");
            tracing::warn!("notify.{}: its template was not used: {why}", channel.name);
        }
    }

    fn tried(&self, which: usize, message: &Message, outcome: &Outcome) {
        let Some(post) = self.posts.get(which) else { return };
        let now_unix_ms = (self.now_unix_ms)();
        let (change, refused) = {
            let mut outbox = post.outbox();
            let before = outbox.lost().refused;
            let change = outbox.tried(message, outcome, now_unix_ms, fastrand::f64(), post.channel.pace);
            // Counted and logged; delivered again after a kill is better than not at all.
            let _ = self.keep(post, &outbox);
            (change, outbox.lost().refused - before)
        };
        self.counters.pages.add("dropped", "refused", refused);
        if let (Message::News(pages), Outcome::Delivered) = (message, outcome) {
            self.counters.pages.add("delivered", "", pages.len() as u64);
        }
        let name = post.channel.name.as_str();
        if let Some(change) = change {
            let is_dead = matches!(change, Change::Dead { .. });
            self.counters.note_dead(name, is_dead);
            match change {
                Change::Dead { .. } => {
                    self.counters.faults.count("channel", "dead");
                    tracing::error!("notify.{name} is dead: nothing it is told arrives");
                }
                Change::Alive { .. } => tracing::info!("notify.{name} takes messages again"),
            }
            // The others are told; what they cannot keep was counted there.
            let _ = self.hand(&[about(&post.channel, change, now_unix_ms)], Some(name));
        }
    }
}

/// The page about a channel that is dead, or is not any more.
fn about(channel: &Channel, change: Change, now_unix_ms: u64) -> Page {
    let (state, since_unix_ms, word) = match change {
        Change::Dead { since_unix_ms } => (State::Firing, since_unix_ms, "takes no messages"),
        Change::Alive { since_unix_ms } => (State::Resolved, since_unix_ms, "takes messages again"),
    };
    let over = state == State::Resolved;
    Page {
        alert: format!("{CHANNEL_RULE} {}", channel.name),
        // Grows with every outage, and is the same at its end.
        episode: since_unix_ms,
        state,
        parent: None,
        rule: CHANNEL_RULE.to_owned(),
        severity: Severity::Critical,
        route: DEFAULT_ROUTE.to_owned(),
        summary: format!(
            "notification channel {} at {} {word}",
            channel.name,
            channel.shown()
        ),
        labels: [("channel".to_owned(), channel.name.clone())].into(),
        measure: "channel".to_owned(),
        value: None,
        against: None,
        unit: String::new(),
        regressed_at_unix_ms: since_unix_ms,
        fired_at_unix_ms: if over { since_unix_ms } else { now_unix_ms },
        resolved_at_unix_ms: over.then_some(now_unix_ms),
        resolution: over.then(|| "recovered".to_owned()),
        link: None,
        members: Vec::new(),
    }
}
