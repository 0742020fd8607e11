//! What a question may look at: the store, the catalogue, and the word that nobody waits for the answer any more.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use azimuth_measurement::catalogue::Catalogue;

use super::QueryError;
use crate::store::{
    Coverage, Observation, OpenReport, ScanRequest, SeriesSelection, Store, TimeRange, Window,
};

const DAY_MS: u64 = 86_400_000;

/// Tells a running question to give up. Clones speak of the same question.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Tells it.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// # Errors
    /// [`QueryError::Stopped`] once it was told.
    pub fn check(&self) -> Result<(), QueryError> {
        if self.0.load(Ordering::Acquire) {
            return Err(QueryError::Stopped);
        }
        Ok(())
    }
}

/// What one question may look at.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// Where measurements are kept.
    pub store: &'a dyn Store,
    /// Names and places of zones.
    pub catalogue: &'a Catalogue,
    /// Whether anybody still waits.
    pub stop: &'a Stop,
    /// Counts the observations handed to questions.
    pub observations: &'a AtomicU64,
}

impl Source<'_> {
    /// Hands every observation to `take`, until it fails or the question is told to stop.
    pub(super) fn scan(
        &self,
        range: TimeRange,
        series: &SeriesSelection,
        step_ms: u64,
        mut take: impl FnMut(Observation) -> Result<(), QueryError>,
    ) -> Result<Coverage, QueryError> {
        self.stop.check()?;
        let request = ScanRequest {
            range,
            series,
            step_ms,
        };
        let (mut seen, mut failed) = (0, None);
        let stop = || self.stop.check().is_err();
        let coverage = self.store.scan_until(request, &stop, &mut |observation| {
            seen += 1;
            match self.stop.check().and_then(|()| take(observation)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        });
        self.observations.fetch_add(seen, Ordering::Relaxed);
        if let Some(error) = failed {
            return Err(error);
        }
        let coverage = coverage?;
        // It may have given up between two observations.
        self.stop.check()?;
        Ok(coverage)
    }

    /// Hands every report of each agent to `take`, which says how many observations it merged; when it says `None`, or the
    /// store cannot hand reports on so, there is no coverage, and what a scan finds is the answer.
    pub(super) fn walk(
        &self,
        range: TimeRange,
        series: &SeriesSelection,
        mut take: impl FnMut(&mut [OpenReport<'_>]) -> Option<u64>,
    ) -> Result<Option<Coverage>, QueryError> {
        self.stop.check()?;
        let (mut seen, mut walked) = (0, true);
        let stop = || self.stop.check().is_err();
        let coverage = self
            .store
            .walk(range, series, &stop, &mut |reports| match take(reports) {
                Some(taken) => {
                    seen += taken;
                    ControlFlow::Continue(())
                }
                None => {
                    walked = false;
                    ControlFlow::Break(())
                }
            })?;
        // It may have given up between two agents.
        self.stop.check()?;
        let coverage = coverage.filter(|_| walked);
        if coverage.is_some() {
            self.observations.fetch_add(seen, Ordering::Relaxed);
        }
        Ok(coverage)
    }

    /// Hands the store's window to `take`, which says how many intervals it looked at, if the window holds all of the
    /// range. `None` if it does not: what a scan finds is the answer then.
    pub(super) fn recent(
        &self,
        range: TimeRange,
        take: impl FnOnce(&Window) -> Result<u64, QueryError>,
    ) -> Result<Option<Coverage>, QueryError> {
        self.stop.check()?;
        let (mut take, mut taken) = (Some(take), Ok(0));
        let coverage = self.store.recent(range, &mut |window| {
            if let Some(take) = take.take() {
                taken = take(window);
            }
        });
        self.observations.fetch_add(taken?, Ordering::Relaxed);
        Ok(coverage)
    }
}

/// Steps of equal length. Weeks begin on Monday (ISO 8601), all others count from the Unix epoch, a Thursday.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    step_ms: u64,
    offset_ms: u64,
}

impl Grid {
    pub(super) fn of(step_ms: u64) -> Self {
        let step_ms = step_ms.max(1);
        Self {
            step_ms,
            // The first Monday after the epoch; steps that begin before it are cut at the epoch.
            offset_ms: if step_ms.is_multiple_of(7 * DAY_MS) {
                4 * DAY_MS
            } else {
                0
            },
        }
    }

    /// Start of the step an instant falls into.
    pub(super) fn start_of(self, at_unix_ms: u64) -> u64 {
        at_unix_ms
            .checked_sub(self.offset_ms)
            .map_or(0, |since| since / self.step_ms * self.step_ms + self.offset_ms)
    }

    /// End of the step an instant falls into.
    pub(super) fn end_of(self, at_unix_ms: u64) -> u64 {
        let start_unix_ms = self.start_of(at_unix_ms);
        if start_unix_ms < self.offset_ms {
            return self.offset_ms;
        }
        start_unix_ms.saturating_add(self.step_ms)
    }

    /// The step to ask the store for, so that what it hands on can be merged to such steps of `range`.
    pub(super) fn scan_ms(self, range: TimeRange) -> u64 {
        let last = range.to_unix_ms.saturating_sub(1).max(range.from_unix_ms);
        if self.start_of(range.from_unix_ms) == self.start_of(last) {
            ScanRequest::WHOLE_RANGE
        } else if self.offset_ms > 0 {
            DAY_MS
        } else {
            self.step_ms
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A source for tests, which nobody stops. Leaks a few bytes.
    pub(crate) fn source(store: &dyn Store) -> Source<'_> {
        Source {
            store,
            catalogue: Box::leak(Box::new(Catalogue::built_in())),
            stop: Box::leak(Box::default()),
            observations: Box::leak(Box::default()),
        }
    }

    /// A question about one series that has nothing to say reads every report of the agent: it must not take an
    /// observation to be stopped.
    #[test]
    fn a_scan_that_finds_nothing_can_be_stopped() {
        use std::sync::atomic::AtomicU64;

        use crate::store::conformance::{T0, item, manifest_of, report_of, verified};
        use crate::store::embedded::EmbeddedStore;
        use crate::store::{Item, Retention};

        let directory = tempfile::tempdir().expect("a scratch directory");
        let store = EmbeddedStore::open(directory.path(), Retention::default(), T0).expect("openable");
        let manifest = manifest_of("a", 2);
        let items: Vec<Item> = (0..50)
            .map(|slot| {
                let mut report = report_of(&manifest, slot + 1, slot, &[100]);
                report.records.truncate(1);
                item(&report)
            })
            .collect();
        store.commit(&[verified(&manifest)], &items).expect("writable");
        let silent = store.dictionary().series().map(|(id, _)| id).skip(1).collect();
        let request = ScanRequest {
            range: TimeRange {
                from_unix_ms: 0,
                to_unix_ms: u64::MAX,
            },
            series: &silent,
            step_ms: 10_000,
        };
        for (patience, sealed) in [(u64::MAX, false), (10, false), (u64::MAX, true), (0, true)] {
            if sealed {
                while store.maintain(T0 + 5 * 3_600_000).expect("writable").more {}
            }
            let asked = AtomicU64::default();
            let stop = || asked.fetch_add(1, Ordering::Relaxed) >= patience;
            let found = store.scan_until(request, &stop, &mut |_| ControlFlow::Continue(()));
            assert!(found.is_ok_and(|coverage| coverage.missing.is_empty()));
            let asked = asked.into_inner();
            if patience < u64::MAX {
                assert!(asked <= patience + 2, "asked {asked} times, it went on");
            } else {
                assert!(asked >= if sealed { 1 } else { 50 }, "asked {asked} times only");
            }
        }
    }

    #[test]
    fn weeks_begin_on_monday_and_other_steps_at_the_epoch() {
        // 2026-11-23 is a Monday; 10:00 and the Sunday before.
        let (monday_ten, midnight) = (1_795_428_000_000, 1_795_392_000_000);
        let week = Grid::of(7 * DAY_MS);
        assert_eq!(week.start_of(monday_ten), midnight);
        assert_eq!(week.start_of(midnight - 1), midnight - 7 * DAY_MS);
        assert_eq!(week.start_of(5), 0);
        assert_eq!(Grid::of(DAY_MS).start_of(monday_ten), midnight);
        let year = TimeRange {
            from_unix_ms: 0,
            to_unix_ms: 366 * DAY_MS,
        };
        assert_eq!(
            (week.scan_ms(year), Grid::of(60_000).scan_ms(year)),
            (DAY_MS, 60_000)
        );
        assert_eq!(
            Grid::of(u64::MAX).scan_ms(year),
            ScanRequest::WHOLE_RANGE,
            "one number for all of it"
        );
    }
}
