//! How long a connection may take over what it sends between two answers. Not over a body: that is
//! [`crate::ingest::arrival`], which can still answer.
//!
//! A request head has little time from its first byte, a kept connection much until that byte comes (RFC 9112, section
//! 9.5 leaves both to the server). Dripping the head byte by byte gains nothing: its time began with the first.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use super::ConnectionLimits;
use crate::clock;

/// What a connection is in the middle of. Pure: handed the time.
#[derive(Debug)]
struct Pace {
    idle_timeout: Duration,
    head_timeout: Duration,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Accepted, and not a byte so far.
    New { since: Instant },
    /// Between two requests.
    Idle { since: Instant },
    /// Part of a request head has come.
    Head { since: Instant },
    /// The head is whole; the body and the answer have limits of their own.
    Answering,
}

/// What took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// Nothing was asked. No fault: the connection is closed as if the client had done it.
    Idle,
    /// A request head was begun and not finished.
    Head,
}

impl Pace {
    fn new(limits: &ConnectionLimits, now: Instant) -> Self {
        Self {
            idle_timeout: limits.idle_timeout,
            head_timeout: limits.head_timeout,
            phase: Phase::New { since: now },
        }
    }

    /// Something was read.
    fn read(&mut self, now: Instant) {
        match self.phase {
            Phase::New { since } => self.phase = Phase::Head { since },
            Phase::Idle { .. } => self.phase = Phase::Head { since: now },
            Phase::Head { .. } | Phase::Answering => {}
        }
    }

    /// The client took something. Of an answer whose end it is still taking, it is no idler.
    fn wrote(&mut self, now: Instant) {
        if let Phase::Idle { since } = &mut self.phase {
            *since = now;
        }
    }

    fn head_is_whole(&mut self) {
        self.phase = Phase::Answering;
    }

    fn answered(&mut self, now: Instant) {
        self.phase = Phase::Idle { since: now };
    }

    /// When waiting for more has gone on for too long, and what it was that took it.
    fn due(&self) -> Option<(Instant, Overdue)> {
        match self.phase {
            Phase::New { since } => Some((since + self.head_timeout, Overdue::Idle)),
            Phase::Idle { since } => Some((since + self.idle_timeout, Overdue::Idle)),
            Phase::Head { since } => Some((since + self.head_timeout, Overdue::Head)),
            Phase::Answering => None,
        }
    }
}

/// The pace of one connection, known to its stream, which sees bytes, and to its service, which sees requests.
#[derive(Debug, Clone)]
pub(super) struct SharedPace {
    pace: Arc<Mutex<Pace>>,
    /// Who reads while an answer is under way. Nothing else would look again when the answer is done, and the time of an
    /// idle connection would never begin.
    reader: Arc<Mutex<Option<Waker>>>,
}

impl SharedPace {
    pub(super) fn new(limits: &ConnectionLimits) -> Self {
        Self {
            pace: Arc::new(Mutex::new(Pace::new(limits, clock::monotonic()))),
            reader: Arc::default(),
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut Pace) -> T) -> T {
        change(&mut self.pace.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn read(&self) {
        self.with(|pace| pace.read(clock::monotonic()));
    }

    pub(super) fn wrote(&self) {
        self.with(|pace| pace.wrote(clock::monotonic()));
    }

    pub(super) fn due(&self) -> Option<(Instant, Overdue)> {
        self.with(|pace| pace.due())
    }

    /// A read found nothing while an answer is under way: `reader` is woken when that is done.
    pub(super) fn wake_when_answered(&self, reader: &Waker) {
        *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = Some(reader.clone());
    }

    /// A request head is whole; its answer is under way until what is returned is dropped.
    pub(super) fn answering(&self) -> Answering {
        self.with(Pace::head_is_whole);
        Answering(self.clone())
    }
}

/// While it lives, an answer is under way.
#[derive(Debug)]
pub(super) struct Answering(SharedPace);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.with(|pace| pace.answered(clock::monotonic()));
        let reader = self
            .0
            .reader
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn new(start: Instant) -> Pace {
        let limits = ConnectionLimits {
            idle_timeout: 60 * S,
            head_timeout: 5 * S,
            ..ConnectionLimits::default()
        };
        Pace::new(&limits, start)
    }

    #[test]
    fn a_kept_connection_may_idle_much_longer_than_a_head_may_take() {
        let start = clock::monotonic();
        let mut pace = new(start);
        assert_eq!(
            pace.due(),
            Some((start + 5 * S, Overdue::Idle)),
            "nothing was said yet"
        );
        pace.read(start + S);
        pace.head_is_whole();
        assert_eq!(pace.due(), None, "the answer has limits of its own");
        pace.read(start + 2 * S);
        assert_eq!(pace.due(), None, "a body is no head");
        pace.answered(start + 10 * S);
        assert_eq!(pace.due(), Some((start + 70 * S, Overdue::Idle)));
        pace.wrote(start + 12 * S);
        assert_eq!(
            pace.due(),
            Some((start + 72 * S, Overdue::Idle)),
            "the answer's end was still going out"
        );
        pace.read(start + 71 * S);
        assert_eq!(pace.due(), Some((start + 76 * S, Overdue::Head)));
    }

    #[test]
    fn dripping_a_head_gains_no_time() {
        let start = clock::monotonic();
        let mut pace = new(start);
        for second in 1..5 {
            pace.read(start + second * S);
            pace.wrote(start + second * S);
            assert_eq!(
                pace.due(),
                Some((start + 5 * S, Overdue::Head)),
                "from when it was accepted"
            );
        }
        pace.head_is_whole();
        pace.answered(start + 6 * S);
        for second in 20..24 {
            pace.read(start + second * S);
            assert_eq!(
                pace.due(),
                Some((start + 25 * S, Overdue::Head)),
                "from its first byte"
            );
        }
    }

    #[test]
    fn an_answer_is_under_way_until_its_body_is_dropped() {
        let shared = SharedPace::new(&ConnectionLimits::default());
        shared.read();
        let answering = shared.answering();
        assert_eq!(shared.due(), None);
        drop(answering);
        assert!(matches!(shared.due(), Some((_, Overdue::Idle))));
    }
}
