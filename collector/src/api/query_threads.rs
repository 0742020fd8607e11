//! The threads that answer questions: no more than have a turn at once, and the one that answered last is asked first. A
//! thread's heap stays as large as the largest map that was made on it, so questions that went through a pool of many threads
//! would leave one such heap on each. Does not queue; whoever asks waits for a turn before.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// Does the work, and calls what it is handed when it no longer needs the thread.
type Work = Box<dyn FnOnce(&dyn Fn()) + Send>;
/// The threads that wait for work.
type Idle = Mutex<Vec<Thread>>;

/// Started as they are needed; they end when this is dropped.
#[derive(Default)]
pub(super) struct QueryThreads {
    idle: Arc<Idle>,
}

/// Where a thread takes its work, and with it the way back among those that wait.
#[derive(Clone)]
struct Thread(SyncSender<(Work, Thread)>);

impl QueryThreads {
    /// Runs `work` on one of the threads, which holds `turn` until it is ready for other work: also when nobody waits any more.
    /// `None` when it panicked.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        turn: OwnedSemaphorePermit,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Option<T>> {
        let (answer, answered) = oneshot::channel();
        let work: Work = Box::new(move |ready| {
            let done = catch_unwind(AssertUnwindSafe(work));
            // In this order, so that whoever has the turn next finds this thread.
            ready();
            drop(turn);
            if let Ok(done) = done {
                // Nobody may be left to hear it.
                let _ = answer.send(done);
            }
        });
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let thread = idle.map_or_else(|| start(&self.idle), Ok)?;
        let sent = thread.0.send((work, thread.clone()));
        sent.map_err(|_| io::Error::other("a thread for queries has ended"))?;
        Ok(answered.await.ok())
    }
}

fn start(idle: &Arc<Idle>) -> io::Result<Thread> {
    // Work is handed to a thread only when it is ready for it.
    let (sender, receiver) = sync_channel(1);
    let idle = Arc::downgrade(idle);
    std::thread::Builder::new()
        .name("query".to_owned())
        .spawn(move || work_until_closed(&receiver, &idle))?;
    Ok(Thread(sender))
}

fn work_until_closed(receiver: &Receiver<(Work, Thread)>, idle: &Weak<Idle>) {
    while let Ok((work, own)) = receiver.recv() {
        work(&|| {
            if let Some(idle) = idle.upgrade() {
                idle.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(own.clone());
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tokio::sync::Semaphore;

    use super::*;

    async fn turn(turns: &Arc<Semaphore>) -> OwnedSemaphorePermit {
        Arc::clone(turns).acquire_owned().await.expect("open")
    }

    #[tokio::test]
    async fn questions_one_after_the_other_are_answered_by_one_thread() {
        let (threads, turns) = (QueryThreads::default(), Arc::new(Semaphore::new(2)));
        let mut who = BTreeSet::new();
        for _ in 0..50 {
            let answer = threads.run(turn(&turns).await, || {
                format!("{:?}", std::thread::current().id())
            });
            who.insert(answer.await.expect("a thread").expect("no panic"));
        }
        assert_eq!(who.len(), 1, "{who:?}");
    }

    #[tokio::test]
    async fn there_are_no_more_threads_than_turns_and_a_panic_ends_none() {
        let (threads, turns) = (Arc::new(QueryThreads::default()), Arc::new(Semaphore::new(2)));
        let who = Arc::new(Mutex::new(BTreeSet::new()));
        let mut answers = tokio::task::JoinSet::new();
        for number in 0..200 {
            let (threads, turn, who) = (Arc::clone(&threads), turn(&turns).await, Arc::clone(&who));
            answers.spawn(async move {
                let work = move || {
                    let own = format!("{:?}", std::thread::current().id());
                    who.lock().expect("not poisoned").insert(own);
                    assert!(number % 10 > 0, "it was told to");
                };
                threads.run(turn, work).await.expect("a thread").is_some()
            });
        }
        let answered = answers.join_all().await;
        assert_eq!(answered.iter().filter(|answered| **answered).count(), 180);
        let who = who.lock().expect("not poisoned");
        assert!((1..=2).contains(&who.len()), "{who:?}");
    }

    #[tokio::test]
    async fn a_turn_is_given_back_only_when_the_work_is_over() {
        let (threads, turns) = (QueryThreads::default(), Arc::new(Semaphore::new(1)));
        let (go, wait) = sync_channel::<()>(1);
        let left = threads.run(turn(&turns).await, move || wait.recv());
        // Begun, then its reader leaves.
        let mut left = Box::pin(left);
        assert!(asked_once(left.as_mut()).await.is_none());
        drop(left);
        assert_eq!(turns.available_permits(), 0, "the thread still has it");
        go.send(()).expect("it waits");
        drop(turn(&turns).await);
    }

    /// What a future says when it is asked once.
    async fn asked_once<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
        std::future::poll_fn(|task| {
            let now = std::pin::Pin::new(&mut future).poll(task);
            std::task::Poll::Ready(match now {
                std::task::Poll::Ready(output) => Some(output),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }
}
