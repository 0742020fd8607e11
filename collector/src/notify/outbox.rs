//! What one channel still has to tell, and when to try. Pure: handed the time and the chance; all of its state is data,
//! stored after any step and read back.
//!
//! What holds, under any order of events, as long as the outbox is not full and the channel does not refuse:
//!
//! * Every page that was taken is delivered at least once. A page handed over again is known and not told again.
//! * A beginning is never delivered after its end, nor an episode before an earlier one of the same alert.
//! * What is delivered goes in the order in which it was taken, except that the end of an incident waits for the ends of
//!   its members, for [`HOLD_MS`] at most: receivers that mute members by their incident would else tell each of them.
//!
//! Waiting pages that tell the same (beginnings, or ends) go as one message.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::page::{Page, State};
use crate::alert::book::KEEP_RESOLVED_MS;

/// Pages that may wait. Beyond it the oldest go: first those that began and ended without anybody told.
pub const MOST_WAITING: usize = 10_000;
/// Alerts whose last page is remembered, so that it is known when it is handed over again.
pub const MOST_KNOWN: usize = 20_000;
/// Pages in one message.
pub const MOST_IN_MESSAGE: usize = 50;
/// How long the end of an incident waits for the ends of its members.
pub const HOLD_MS: u64 = 5 * 60_000;
/// First pause after a failure, at most.
const FIRST_PAUSE_MS: u64 = 1_000;
/// Longest pause.
const LONGEST_PAUSE_MS: u64 = 60_000;
/// The longest that a channel may ask for.
const LONGEST_ASKED_MS: u64 = 600_000;

/// What a channel's pace is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How long the first waiting page waits for others to go with it, in milliseconds.
    pub group_wait_ms: u64,
    /// How long a channel fails before it is called dead, in milliseconds.
    pub dead_after_ms: u64,
    /// How often what still fires is told again, for receivers that forget; never when absent.
    pub refresh_ms: Option<u64>,
    /// Whether ends are told.
    pub send_resolved: bool,
}

/// What came of handing a page over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It waits to be told.
    Waits,
    /// It was handed over before, or a later one of its alert was.
    Known,
    /// Its beginning was not told here, or ends are not told here.
    NotTold,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The channel has it.
    Delivered,
    /// It may have it later.
    TryAgain {
        /// What the channel asked for, in milliseconds.
        not_before_ms: Option<u64>,
    },
    /// It will never take this message.
    Refused,
}

/// What the owner of the outbox is to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The channel has failed for too long.
    Dead {
        /// Since when, Unix time in milliseconds.
        since_unix_ms: u64,
    },
    /// It takes messages again.
    Alive {
        /// Since when it had failed.
        since_unix_ms: u64,
    },
}

/// What is to be sent now.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// News. The pages tell the same: all begin, or all end.
    News(Vec<Page>),
    /// What still fires, again.
    Refresh(Vec<Page>),
}

/// How often what was lost, and why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// Dropped because too many waited.
    pub full: u64,
    /// Refused by the channel for good.
    pub refused: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Waiting {
    page: Page,
    since_unix_ms: u64,
}

/// The last page of an alert that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    episode: u64,
    state: State,
    at_unix_ms: u64,
    /// When its episode fired.
    #[serde(default)]
    fired_at_unix_ms: Option<u64>,
}

/// One channel's outbox.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Outbox {
    /// In order.
    queue: VecDeque<Waiting>,
    /// Ends of incidents that wait for their members.
    held: VecDeque<Waiting>,
    /// Taken beginnings whose end was not taken yet, by alert.
    open: BTreeMap<String, Page>,
    known: BTreeMap<String, Known>,
    /// After a message that was refused, its pages go alone: this many.
    alone: usize,
    failing_since_unix_ms: Option<u64>,
    failures: u32,
    dead: bool,
    not_before_unix_ms: u64,
    refreshed_unix_ms: u64,
    lost: Lost,
}

impl Outbox {
    /// Pages that wait.
    pub fn waiting(&self) -> usize {
        self.queue.len() + self.held.len()
    }

    /// Whether the channel is called dead.
    pub fn is_dead(&self) -> bool {
        self.dead
    }

    /// Pages lost.
    pub fn lost(&self) -> Lost {
        self.lost
    }

    /// Takes a page.
    pub fn take(&mut self, page: Page, now_unix_ms: u64, pace: Pace) -> Taken {
        let position = page.position();
        let known = self.known.get(&page.alert);
        // The book forgets an alert that is long resolved, and counts its episodes anew.
        let is_anew = |known: &Known| {
            let fired = known.fired_at_unix_ms.unwrap_or(page.fired_at_unix_ms);
            known.state == State::Resolved && page.fired_at_unix_ms.saturating_sub(fired) >= KEEP_RESOLVED_MS
        };
        if known.is_some_and(|known| (known.episode, known.state) >= position && !is_anew(known)) {
            return Taken::Known;
        }
        let (episode, state) = position;
        let at_unix_ms = now_unix_ms;
        self.known.insert(
            page.alert.clone(),
            Known {
                episode,
                state,
                at_unix_ms,
                fired_at_unix_ms: Some(page.fired_at_unix_ms),
            },
        );
        self.forget_known();
        let waiting = Waiting {
            page,
            since_unix_ms: now_unix_ms,
        };
        // A later page of an alert lets its held end go first.
        self.let_go(now_unix_ms, Some(&waiting.page.alert));
        match state {
            State::Firing => {
                self.open.insert(waiting.page.alert.clone(), waiting.page.clone());
                self.queue.push_back(waiting);
            }
            State::Resolved => {
                let told = self.open.remove(&waiting.page.alert);
                if told.is_none_or(|told| told.episode != episode) || !pace.send_resolved {
                    return Taken::NotTold;
                }
                if self.has_open_members(&waiting.page.alert) {
                    self.held.push_back(waiting);
                } else {
                    self.queue.push_back(waiting);
                    self.let_go(now_unix_ms, None);
                }
            }
        }
        self.make_room();
        Taken::Waits
    }

    /// When there is something to do next, Unix time in milliseconds; never when absent.
    pub fn due_unix_ms(&self, pace: Pace) -> Option<u64> {
        let held = self.held.front();
        let held = held.map(|held| held.since_unix_ms.saturating_add(HOLD_MS));
        let grouped = (self.queue.len() < MOST_IN_MESSAGE && self.alone == 0 && self.failures == 0)
            .then_some(pace.group_wait_ms);
        let news = self.queue.front();
        let news = news.map(|first| first.since_unix_ms.saturating_add(grouped.unwrap_or(0)));
        let refresh = pace.refresh_ms.filter(|_| !self.open.is_empty());
        let refresh = refresh.map(|every_ms| self.refreshed_unix_ms.saturating_add(every_ms));
        let first = [held, news, refresh].into_iter().flatten().min()?;
        Some(first.max(self.not_before_unix_ms))
    }

    /// What is to be sent now, if anything. The same until [`Self::tried`] says what came of it.
    pub fn next(&mut self, now_unix_ms: u64, pace: Pace) -> Option<Message> {
        self.clock_went_back(now_unix_ms);
        self.let_go(now_unix_ms, None);
        if self.due_unix_ms(pace)? > now_unix_ms {
            return None;
        }
        let Some(first) = self.queue.front() else {
            let still = self.open.values().cloned().collect();
            return pace.refresh_ms.map(|_| Message::Refresh(still));
        };
        let most = if self.alone > 0 { 1 } else { MOST_IN_MESSAGE };
        let same = self
            .queue
            .iter()
            .take_while(|waiting| waiting.page.state == first.page.state);
        Some(Message::News(
            same.take(most).map(|waiting| waiting.page.clone()).collect(),
        ))
    }

    /// What came of the message that [`Self::next`] gave; nothing may have been taken out in between, more may have been
    /// put in. `chance` is from 0 to 1.
    pub fn tried(
        &mut self,
        message: &Message,
        outcome: &Outcome,
        now_unix_ms: u64,
        chance: f64,
        pace: Pace,
    ) -> Option<Change> {
        match outcome {
            Outcome::Delivered => {
                self.done(message, now_unix_ms);
                self.recovered()
            }
            Outcome::Refused => {
                match message {
                    Message::News(pages) if pages.len() > 1 => self.alone = pages.len(),
                    Message::News(_) => {
                        self.done(message, now_unix_ms);
                        self.lost.refused += 1;
                    }
                    Message::Refresh(_) => self.refreshed_unix_ms = now_unix_ms,
                }
                // It answers, so it is not dead; but it is not well either.
                self.failing(None, now_unix_ms, chance, pace)
            }
            Outcome::TryAgain { not_before_ms } => self.failing(*not_before_ms, now_unix_ms, chance, pace),
        }
    }

    fn done(&mut self, message: &Message, now_unix_ms: u64) {
        self.refreshed_unix_ms = now_unix_ms;
        let Message::News(pages) = message else {
            return;
        };
        for page in pages {
            let at = self.queue.iter().position(|waiting| waiting.page == *page);
            if let Some(at) = at {
                self.queue.remove(at);
            }
            self.alone = self.alone.saturating_sub(1);
        }
    }

    fn recovered(&mut self) -> Option<Change> {
        let since_unix_ms = self.failing_since_unix_ms.take();
        self.failures = 0;
        self.not_before_unix_ms = 0;
        let was_dead = std::mem::take(&mut self.dead);
        let since_unix_ms = since_unix_ms.filter(|_| was_dead)?;
        Some(Change::Alive { since_unix_ms })
    }

    /// Full jitter: each pause is drawn anew from nothing to its length, so that channels do not come together.
    fn failing(
        &mut self,
        not_before_ms: Option<u64>,
        now_unix_ms: u64,
        chance: f64,
        pace: Pace,
    ) -> Option<Change> {
        let longest_ms = (FIRST_PAUSE_MS << self.failures.min(16)).min(LONGEST_PAUSE_MS);
        let pause_ms = (longest_ms as f64 * chance.clamp(0.0, 1.0)) as u64;
        self.failures = self.failures.saturating_add(1);
        let asked_ms = not_before_ms.unwrap_or(0).min(LONGEST_ASKED_MS);
        self.not_before_unix_ms = now_unix_ms.saturating_add(pause_ms).saturating_add(asked_ms);
        let since_unix_ms = *self.failing_since_unix_ms.get_or_insert(now_unix_ms);
        let too_long = now_unix_ms.saturating_sub(since_unix_ms) >= pace.dead_after_ms && self.failures > 1;
        if self.dead || !too_long {
            return None;
        }
        self.dead = true;
        Some(Change::Dead { since_unix_ms })
    }

    fn has_open_members(&self, incident: &str) -> bool {
        self.open
            .values()
            .any(|page| page.parent.as_deref() == Some(incident))
    }

    /// Ends of incidents into the queue whose members have all ended, who waited long enough, or whose alert goes on.
    fn let_go(&mut self, now_unix_ms: u64, goes_on: Option<&str>) {
        let held = std::mem::take(&mut self.held);
        for waiting in held {
            let waited = now_unix_ms.saturating_sub(waiting.since_unix_ms) >= HOLD_MS;
            if waited
                || goes_on == Some(waiting.page.alert.as_str())
                || !self.has_open_members(&waiting.page.alert)
            {
                self.queue.push_back(waiting);
            } else {
                self.held.push_back(waiting);
            }
        }
    }

    /// Nothing was put in later than now, and no pause is longer than pauses are.
    fn clock_went_back(&mut self, now_unix_ms: u64) {
        for waiting in self.queue.iter_mut().chain(&mut self.held) {
            waiting.since_unix_ms = waiting.since_unix_ms.min(now_unix_ms);
        }
        let latest = now_unix_ms.saturating_add(LONGEST_PAUSE_MS + LONGEST_ASKED_MS);
        self.not_before_unix_ms = self.not_before_unix_ms.min(latest);
        self.refreshed_unix_ms = self.refreshed_unix_ms.min(now_unix_ms);
    }

    fn make_room(&mut self) {
        while self.waiting() > MOST_WAITING {
            // A beginning whose end waits too: nobody knows of it, and nobody needs to any more.
            let over = self.queue.iter().position(|waiting| {
                waiting.page.state == State::Firing && !self.open.contains_key(&waiting.page.alert)
            });
            let at = over.unwrap_or(0);
            let Some(gone) = self.queue.remove(at) else {
                self.held.pop_front();
                self.lost.full += 1;
                continue;
            };
            self.lost.full += 1;
            let Page {
                alert,
                episode,
                state,
                ..
            } = &gone.page;
            if *state == State::Resolved {
                continue;
            }
            // Its end has nobody to be told to.
            if self.open.get(alert).is_some_and(|page| page.episode == *episode) {
                self.open.remove(alert);
            }
            let ends = |waiting: &Waiting| waiting.page.alert == *alert && waiting.page.episode == *episode;
            let before = self.waiting();
            self.queue.retain(|waiting| !ends(waiting));
            self.held.retain(|waiting| !ends(waiting));
            self.lost.full += (before - self.waiting()) as u64;
        }
    }

    fn forget_known(&mut self) {
        if self.known.len() <= MOST_KNOWN {
            return;
        }
        let over = self
            .known
            .iter()
            .filter(|(_, known)| known.state == State::Resolved);
        let oldest = over.min_by_key(|(_, known)| known.at_unix_ms);
        if let Some(alert) = oldest.map(|(alert, _)| alert.clone()) {
            self.known.remove(&alert);
        }
    }
}

#[cfg(test)]
mod tests;
