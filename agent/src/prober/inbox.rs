//! What other threads tell the probing thread: that an exchange has ended, that a name has other addresses. A bounded queue
//! and a bell; the probing thread never waits for it, and whoever fills it never waits for the probing thread.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::{fmt, io};

use azimuth_measurement::LoadLabel;

use crate::net::wait::Waker;
use crate::probe::exchange::ExchangeEnd;
use crate::probe::{ProbeToken, SeriesPlan};
use crate::web::Web;

/// Messages that wait at most. Far more than exchanges that can be under way at once and names looked up at once.
const CAPACITY: usize = 2_048;

/// Something that happened elsewhere.
#[derive(Debug)]
pub enum Message {
    /// An exchange has ended.
    Ended(ProbeToken, ExchangeEnd),
    /// What is probed has changed.
    Changed(Change),
    /// Who carries out exchanges from now on.
    Carrier(Web),
}

/// Other series than before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// New series, in the order of their numbers, those of their sides left out.
    pub add: Vec<SeriesPlan>,
    /// Series that are not probed any more, for now.
    pub pause: Vec<u32>,
    /// Series that are probed again.
    pub resume: Vec<u32>,
    /// Exchanges whose name was looked up: the series, and how long it took in nanoseconds, `None` if in vain.
    pub looked_up: Vec<(u32, Option<i64>)>,
    /// Under which load of our own probes are sent from now on.
    pub load: Option<LoadLabel>,
    /// Whether exchanges are left out from now on.
    pub hold_exchanges: Option<bool>,
}

/// Ends the sleep of the probing thread.
struct Bell {
    waker: Waker,
    /// Whether it may have been rung since it was silenced last, so that a turn without messages costs no system call.
    rung: AtomicBool,
}

/// The end that the probing thread holds.
pub(super) struct Inbox {
    messages: Receiver<Message>,
    bell: Arc<Bell>,
}

/// The end that others hold.
#[derive(Clone)]
pub struct Letterbox {
    messages: SyncSender<Message>,
    bell: Arc<Bell>,
}

/// The probing thread took no message for so long that there is no room for another, or it has ended.
#[derive(Debug, thiserror::Error)]
#[error("the probing thread takes no messages")]
pub struct Unheard;

impl fmt::Debug for Letterbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Letterbox")
    }
}

/// Both ends.
pub(super) fn inbox() -> io::Result<(Letterbox, Inbox)> {
    let (sender, receiver) = sync_channel(CAPACITY);
    let bell = Arc::new(Bell {
        waker: Waker::new()?,
        rung: AtomicBool::new(false),
    });
    let letterbox = Letterbox {
        messages: sender,
        bell: Arc::clone(&bell),
    };
    let inbox = Inbox {
        messages: receiver,
        bell,
    };
    Ok((letterbox, inbox))
}

impl Letterbox {
    /// Leaves a message.
    ///
    /// # Errors
    /// [`Unheard`]; the message is gone.
    pub fn put(&self, message: Message) -> Result<(), Unheard> {
        self.messages.try_send(message).map_err(|_| Unheard)?;
        // In this order: a bell that rings although nobody wrote it down would never be silenced.
        self.bell.waker.wake();
        self.bell.rung.store(true, Ordering::Release);
        Ok(())
    }
}

impl Inbox {
    /// The next message, if there is one. The bell is silenced before the queue is looked at, so none is overlooked.
    pub(super) fn take(&self) -> Option<Message> {
        if self.bell.rung.swap(false, Ordering::AcqRel) {
            self.bell.waker.clear();
        }
        self.messages.try_recv().ok()
    }
}

impl AsFd for Inbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.waker.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bell_rings_until_all_is_taken_and_a_full_box_says_so() {
        let (letterbox, inbox) = inbox().expect("an event descriptor");
        let change = || Message::Changed(Change::default());
        assert!(!inbox.bell.waker.is_set());
        letterbox.put(change()).expect("room");
        assert!(inbox.bell.waker.is_set());
        assert!(inbox.take().is_some() && inbox.take().is_none());
        assert!(!inbox.bell.waker.is_set(), "the next wait sleeps");
        (0..CAPACITY).for_each(|_| letterbox.put(change()).expect("room"));
        assert!(letterbox.put(change()).is_err());
        drop(inbox);
        assert!(letterbox.put(change()).is_err(), "nobody is there");
    }
}
