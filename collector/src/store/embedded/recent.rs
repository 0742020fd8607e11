//! Keeping the window: filled from the hot table when the file was opened, and by every commit once it is durable. Not the
//! window itself, which is `store/window.rs`.
//!
//! A write that failed may have become durable all the same, so the window is thrown away then, and filled again when the
//! file is opened again. Commits are noted while they still keep the file from being closed: what is noted is never also
//! read back.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use azimuth_measurement::Report;
use azimuth_measurement::codec::decode_report;
use redb::{Database, ReadableDatabase};

use super::tables::{HOT, unseal};
use super::{EmbeddedStore, unless_contradictory, while_doing};
use crate::store::admission::PlannedReport;
use crate::store::dictionary::{AgentNumber, KnownManifest};
use crate::store::window::Window;
use crate::store::{Dictionary, JustStored, StoreError, Tell};

impl EmbeddedStore {
    /// Reads the window of `now_unix_ms` from the hot table. What any part holds may be missing there, so it begins
    /// where the parts end. Nothing may be committed meanwhile.
    pub(super) fn fill_window(&self, database: &Database, now_unix_ms: u64) -> Result<(), StoreError> {
        let doing = "fill the window";
        let hidden_reports = self.hidden_reports();
        if hidden_reports > 0 {
            return Err(StoreError {
                doing,
                cause: format!("{hidden_reports} reports cannot be read"),
                damaged: false,
            });
        }
        let shelf = self.shelf();
        let sealed_to = shelf.parts().map(|part| part.range.to_unix_ms).max();
        let from_unix_ms = Window::reaches_back_to(now_unix_ms).max(sealed_to.unwrap_or(0));
        let dictionary = self.dictionary_now();
        let fill = |window: &mut Window| {
            let read = database.begin_read().map_err(while_doing(doing))?;
            let hot = read.open_table(HOT).map_err(while_doing(doing))?;
            window.begin(from_unix_ms);
            for row in hot.range((from_unix_ms, 0, 0, 0)..).map_err(while_doing(doing))? {
                let (key, sealed) = row.map_err(while_doing(doing))?;
                let (start_unix_ms, agent, ..) = key.value();
                let frame = unseal(key.value(), sealed.value());
                let report = frame.and_then(|frame| decode_report(frame).ok());
                let known = |report: &Report| {
                    Some(dictionary.manifest(AgentNumber(agent), report.manifest)?.as_ref())
                };
                let content = report.as_ref().and_then(|report| Some((report, known(report)?)));
                note(window, start_unix_ms, content);
            }
            Ok(())
        };
        let filled = self
            .window
            .with(|window| unless_contradictory(doing, || fill(window)));
        filled.inspect_err(|_| self.window.with(Window::forget))
    }

    /// Notes what has just become durable, and tells of it: each report is decoded once for both. Readers of the window wait
    /// for one report at most.
    pub(super) fn note_recent(&self, dictionary: &Dictionary, reports: &[PlannedReport<'_>], tell: Tell<'_>) {
        let received = reports.iter().map(|planned| planned.report.received_at_unix_ms);
        let Some(now_unix_ms) = received.max() else {
            return;
        };
        self.latest_unix_ms.store(now_unix_ms, Ordering::Release);
        self.window.with(|window| window.advance(now_unix_ms));
        for planned in reports {
            let known = dictionary.manifest(planned.number, planned.report.manifest);
            let stored = JustStored::new(planned.report, &planned.frame, known.map(Arc::as_ref));
            let start_unix_ms = planned.report.placed.start_unix_ms();
            if self.window.with(|window| window.wants(start_unix_ms)) {
                let content = stored.content();
                self.window.with(|window| note(window, start_unix_ms, content));
            }
            tell(&stored);
        }
    }

    /// As if a write had failed and the next one had opened the file again.
    #[cfg(test)]
    pub(crate) fn fail_a_write(&self) {
        let failed = self.write("fail", |_| {
            Err::<(), _>(StoreError {
                doing: "fail",
                cause: "it was told to".to_owned(),
                damaged: false,
            })
        });
        assert!(failed.is_err());
        assert_eq!(
            self.window.condition().held_from_unix_ms,
            None,
            "nothing is known for sure"
        );
        self.reopen_if_needed().expect("the file is as good as before");
    }

    /// Lets go of what is too old. After the clock was set back the window would hold nothing for as long: it is filled
    /// anew.
    pub(super) fn advance_window(&self, now_unix_ms: u64) {
        let held_from = self.window.with(|window| {
            window.advance(now_unix_ms);
            window.held_from_unix_ms()
        });
        if held_from.is_some_and(|from| from > now_unix_ms)
            // Not waited for: the next round is soon, and a backup may take long.
            && let Ok(guard) = self.database.try_write()
            && let Some(database) = guard.as_ref()
            && let Err(error) = self.fill_window(database, now_unix_ms)
        {
            tracing::warn!("{error}; questions about now are answered from disk");
        }
    }
}

fn note(window: &mut Window, start_unix_ms: u64, content: Option<(&Report, &KnownManifest)>) {
    match content {
        Some((report, known)) => {
            let length_ms = report.interval.length_ms();
            window.note(start_unix_ms, length_ms, &known.series, &report.records);
        }
        // A scan counts it as unreadable.
        None => window.give_up(start_unix_ms),
    }
}
