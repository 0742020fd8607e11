//! The one place where alerts change: the book in memory and its file, in step. Both the evaluation and the API come here;
//! neither waits for the other longer than a write takes. Blocks; async callers use a blocking thread.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::counters::Counters;
use super::file::{AlertFile, FileError, MOST_WAITING, Step, Stored};
use super::page::Page;
use crate::alert::book::{Book, Told};
use crate::alert::lifecycle::Notice;
use crate::alert::rules::RuleSet;

/// The alerts of an installation.
#[derive(Debug)]
pub struct Desk {
    file: AlertFile,
    counters: Arc<Counters>,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    book: Book,
    /// Changed and not durable yet: written with the next step when this one fails.
    owed: Step,
}

/// What may be changed.
pub struct Change<'a> {
    /// The alerts.
    pub book: &'a mut Book,
    /// What there is to tell.
    pub told: &'a mut Vec<Told>,
    /// The watermark.
    pub evaluated_to_unix_ms: &'a mut Option<u64>,
    /// The next silence's number.
    pub next_silence: &'a mut u64,
}

impl Desk {
    /// Goes on from what is in `directory`.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn open(
        directory: &Path,
        rules: Arc<RuleSet>,
        counters: Arc<Counters>,
        now_unix_ms: u64,
    ) -> Result<Self, FileError> {
        let (file, stored, aside) = AlertFile::open(directory, now_unix_ms)?;
        let Stored {
            state,
            alerts,
            waiting,
            unreadable,
        } = stored;
        if aside.is_some() {
            counters.left_out.count("file", "damaged");
        }
        if unreadable > 0 {
            counters.left_out.add("alert", "unreadable", unreadable);
            tracing::error!("{unreadable} stored alerts cannot be read back and are left out");
        }
        counters.waiting.store(waiting, Ordering::Relaxed);
        let book = Book::new(rules, alerts, state.silences.iter().cloned());
        let owed = Step {
            state,
            ..Step::default()
        };
        Ok(Self {
            file,
            counters,
            kept: Mutex::new(Kept { book, owed }),
        })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counters.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Looks at the alerts.
    pub fn look<T>(&self, read: impl FnOnce(&Book) -> T) -> T {
        read(&self.kept().book)
    }

    /// The watermark: what starts before it has been evaluated.
    pub fn evaluated_to_unix_ms(&self) -> Option<u64> {
        self.kept().owed.state.evaluated_to_unix_ms
    }

    /// Changes the alerts, and makes the change and what it gives to tell durable before it returns.
    ///
    /// # Errors
    /// When it could not be made durable: it holds in memory, and is written with the next change.
    pub fn change<T>(&self, change: impl FnOnce(Change<'_>) -> T) -> Result<T, FileError> {
        let mut guard = self.kept();
        let Kept { book, owed } = &mut *guard;
        let mut told = Vec::new();
        let done = change(Change {
            book,
            told: &mut told,
            evaluated_to_unix_ms: &mut owed.state.evaluated_to_unix_ms,
            next_silence: &mut owed.state.next_silence,
        });
        owed.alerts.extend(book.take_changed());
        owed.state.silences = book.silences().cloned().collect();
        for told in told {
            if let Some(page) = Page::of(told, owed.state.next_page, book) {
                owed.state.next_page += 1;
                let notice = match page.notice {
                    Notice::Fired { .. } => "fired",
                    Notice::Resolved { .. } => "resolved",
                };
                let severity = page.severity.map_or("", crate::alert::rules::Severity::as_str);
                self.counters.notices.count(notice, severity);
                owed.pages.push(page);
            }
        }
        // While nothing can be written, no more wait in memory than would wait in the file.
        let over = owed.pages.len().saturating_sub(MOST_WAITING as usize);
        owed.pages.drain(..over);
        self.counters.outbox_dropped.add(over as u64);
        let open = book
            .alerts()
            .filter(|(_, entry)| entry.alert.phase.is_open())
            .count();
        self.counters.open.store(open as u64, Ordering::Relaxed);
        let written = self.file.write(owed)?;
        owed.alerts.clear();
        owed.pages.clear();
        self.counters.waiting.store(written.waiting, Ordering::Relaxed);
        self.counters.outbox_dropped.add(written.dropped);
        Ok(done)
    }

    /// Pages that wait, after the one with this sequence, at most so many.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn pages(&self, after: u64, most: usize) -> Result<Vec<Page>, FileError> {
        self.file.pages(after, most)
    }

    /// The pages up to and with this sequence have been delivered.
    ///
    /// # Errors
    /// When that could not be noted; they still wait.
    pub fn taken(&self, sequence: u64) -> Result<(), FileError> {
        let waiting = self.file.taken(sequence)?;
        self.counters.waiting.store(waiting, Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::rules::measure::Unit;
    use crate::alert::rules::watch::{Signal, Verdict};
    use crate::alert::rules::{AlertKey, Evidence, SeriesLabels};

    fn desk(directory: &Path) -> Desk {
        Desk::open(directory, Arc::default(), Arc::default(), 7).expect("usable")
    }

    fn fire(desk: &Desk, series: u32) -> Result<(), FileError> {
        let verdict = Verdict {
            key: AlertKey {
                rule: "regression".to_owned(),
                series,
                measure: "p50".to_owned(),
            },
            at_unix_ms: 1_000,
            signal: Signal::Holds(Evidence {
                since_unix_ms: 500,
                value: 2.0,
                against: 1.0,
                unit: Unit::Ms,
            }),
        };
        desk.change(|change| {
            change
                .book
                .take(verdict, &SeriesLabels::new("t"), 1_000, change.told);
        })
    }

    fn sequences(desk: &Desk) -> Vec<u64> {
        let pages = desk.pages(0, 10).expect("readable");
        pages.iter().map(|page| page.sequence).collect()
    }

    #[test]
    fn what_was_taken_is_gone_and_no_number_is_used_twice() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let first = desk(directory.path());
        fire(&first, 1).expect("writable");
        fire(&first, 2).expect("writable");
        first.taken(1).expect("writable");
        assert_eq!(sequences(&first), [2]);
        drop(first);
        let second = desk(directory.path());
        second.taken(2).expect("writable");
        fire(&second, 1).expect("writable");
        assert_eq!(
            sequences(&second),
            Vec::<u64>::new(),
            "it was told before the restart"
        );
        fire(&second, 3).expect("writable");
        assert_eq!(sequences(&second), [3]);
        assert_eq!(second.counters().waiting.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_damaged_file_is_set_aside_and_counted() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        fire(&desk(directory.path()), 1).expect("writable");
        let file = directory.path().join(super::super::file::FILE_NAME);
        std::fs::write(&file, vec![7; 5_000]).expect("writable");
        let desk = desk(directory.path());
        assert_eq!(desk.look(|book| book.alerts().count()), 0);
        assert!(directory.path().join("alerts.redb.damaged-7").exists());
        assert_eq!(desk.counters().left_out.snapshot()[&("file", "damaged")], 1);
        fire(&desk, 1).expect("writable");
        assert_eq!(sequences(&desk), [1]);
    }

    #[test]
    fn one_file_is_one_collectors() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let _first = desk(directory.path());
        let second = Desk::open(directory.path(), Arc::default(), Arc::default(), 7);
        let error = second.expect_err("in use").to_string();
        assert!(error.contains("stop that one"), "{error}");
    }
}
