//! The [back-off](super::back_off) of all series that have one: what was heard since the last turn, what is to be said of it, and
//! how much came of it. Pure; handed the time.

use std::collections::{BTreeMap, VecDeque};

use super::back_off::{BackOff, Failure, Heard, Step};
use crate::clock::Monotonic;
use crate::schedule::Schedule;

/// What came of backing off since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackOffCounters {
    /// How often a series began to be asked less often.
    pub begun: u64,
    /// How often one was asked as often as ever again.
    pub ended: u64,
    /// Slots left out, which are neither sent nor lost nor skipped.
    pub left_out: u64,
}

/// Something that people should read once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Of which series.
    pub series: u32,
    /// What happened to it.
    pub what: Turned,
}

/// Another pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// It is asked less often, for this reason.
    Slower(Failure),
    /// It is asked as often as ever again, after so many nanoseconds.
    AsEver(i64),
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct BackOffs {
    machines: BTreeMap<u32, BackOff>,
    heard: VecDeque<(u32, Heard)>,
    notices: VecDeque<Notice>,
    counters: BackOffCounters,
}

impl BackOffs {
    /// `series` backs off.
    pub(super) fn add(&mut self, series: u32, machine: BackOff) {
        self.machines.insert(series, machine);
    }

    /// What became of a probe of `series`.
    pub(super) fn hear(&mut self, series: u32, heard: Option<Heard>) {
        if let Some(heard) = heard
            && self.machines.contains_key(&series)
        {
            self.heard.push_back((series, heard));
        }
    }

    /// Moves the next slots of the series that were heard of.
    pub(super) fn turn(&mut self, schedule: &mut Schedule, now: Monotonic) {
        while let Some((series, heard)) = self.heard.pop_front() {
            let step = self
                .machines
                .get_mut(&series)
                .and_then(|machine| machine.handle(heard, now));
            match (step, heard) {
                (Some(Step::Hold { until, is_first }), Heard::Failure(failure)) => {
                    self.counters.left_out += schedule.postpone(series, until);
                    if is_first {
                        self.counters.begun += 1;
                        let what = Turned::Slower(failure);
                        self.notices.push_back(Notice { series, what });
                    }
                }
                (Some(Step::Release { since }), _) => {
                    let back = schedule.advance(series, now);
                    self.counters.left_out = self.counters.left_out.saturating_sub(back);
                    self.counters.ended += 1;
                    let what = Turned::AsEver(now.since_ns(since));
                    self.notices.push_back(Notice { series, what });
                }
                _ => {}
            }
        }
    }

    /// When a series that is taken up at `now` may send again.
    pub(super) fn not_before(&self, series: u32, now: Monotonic) -> Monotonic {
        let machine = self.machines.get(&series);
        let until = machine.and_then(BackOff::held_until);
        until.map_or(now, |until| until.max(now))
    }

    pub(super) fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    pub(super) fn counters(&self) -> BackOffCounters {
        self.counters
    }
}
