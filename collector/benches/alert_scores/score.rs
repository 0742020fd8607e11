//! Scores alarms against labelled series. Pure. Not a detector, and not a reader of files.
//!
//! Alarms: the first 360 samples of a series are warm-up. A labelled shift counts when the median of its regime rises by at
//! least 2 ms and 2 % over the one before (its last 360 samples at most) and it lasts at least 15 samples (an hour at 240 s).
//! A hit is the first alarm from 2 samples before to 30 after the shift, never past its end; alarms near a smaller shift
//! upwards are neutral; every other alarm, repeats included, is false. Change times: one-to-one with the labels, nearest
//! first, in both directions.

/// Samples of warm-up.
const WARM: usize = 360;
/// Samples after a shift within which an alarm is a hit.
const WINDOW: usize = 30;
/// Samples before it.
const EARLY: usize = 2;
/// Samples a shift must last.
const LASTING: usize = 15;
const LEAST_MS: f64 = 2.0;
const LEAST_RATIO: f64 = 0.02;
/// Samples of a day, at 240 s.
const PER_DAY: f64 = 360.0;
/// Minutes between samples.
const MINUTES: f64 = 4.0;
/// How near a change time must be to its label, in samples: an hour.
const NEAR: usize = 15;

/// A series with the truth about it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Series {
    /// Its name.
    pub(crate) name: String,
    /// Begin of each sample, Unix time in seconds.
    pub(crate) epoch_s: Vec<u64>,
    /// Its delay in milliseconds; none when the probe was lost.
    pub(crate) rtt_ms: Vec<Option<f64>>,
    /// First samples of new regimes, ascending.
    pub(crate) labels: Vec<usize>,
}

impl Series {
    /// The delays with each lost one as the one before it; the first ones as the median of all.
    pub(crate) fn filled(&self) -> Vec<f64> {
        let known: Vec<f64> = self.rtt_ms.iter().flatten().copied().collect();
        let mut last = median(&known);
        let carry = |delay: &Option<f64>| {
            last = delay.unwrap_or(last);
            last
        };
        self.rtt_ms.iter().map(carry).collect()
    }

    /// The sample in which this time lies, or the last.
    pub(crate) fn at(&self, second: u64) -> usize {
        self.epoch_s
            .partition_point(|epoch_s| *epoch_s < second)
            .min(self.epoch_s.len().saturating_sub(1))
    }
}

/// Middle of the values; of an even number the mean of the two. 0 of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.len().saturating_sub(1) / 2, sorted.len() / 2);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(0.0);
    (at(low) + at(high)) / 2.0
}

/// What a method said of one series, as samples.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    /// When it raised an alarm about a delay that got worse.
    pub(crate) alarms: Vec<usize>,
    /// When it thinks that something changed, in either direction.
    pub(crate) changes: Vec<usize>,
}

/// Sums over series.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Score {
    pub(crate) shifts: usize,
    pub(crate) hits: usize,
    pub(crate) false_alarms: usize,
    pub(crate) days: f64,
    labels: usize,
    changes: usize,
    near: usize,
    waits_min: Vec<f64>,
}

type Stretch = (usize, usize);

impl Score {
    /// Adds a series.
    pub(crate) fn add(&mut self, series: &Series, said: &Said) {
        let delays = series.filled();
        let (shifts, minor) = stretches(&delays, &series.labels);
        let shifts: Vec<Stretch> = shifts.into_iter().filter(|(start, _)| *start >= WARM).collect();
        let mut alarms: Vec<usize> = said.alarms.iter().copied().filter(|at| *at >= WARM).collect();
        alarms.sort_unstable();
        let mut used = vec![false; alarms.len()];
        for (start, end) in &shifts {
            let last = (end - 1).min(start + WINDOW);
            let hit = (0..alarms.len()).find(|alarm| {
                !used[*alarm] && (start.saturating_sub(EARLY)..=last).contains(&alarms[*alarm])
            });
            if let Some(hit) = hit {
                used[hit] = true;
                self.hits += 1;
                self.waits_min
                    .push(MINUTES * alarms[hit].saturating_sub(*start) as f64);
            }
        }
        let neutral = |at: &usize| {
            minor.iter().any(|(start, end)| {
                (start.saturating_sub(EARLY)..=(start + WINDOW).min(end + EARLY)).contains(at)
            })
        };
        self.false_alarms += alarms
            .iter()
            .zip(&used)
            .filter(|(at, used)| !**used && !neutral(at))
            .count();
        self.shifts += shifts.len();
        self.days += delays.len().saturating_sub(WARM) as f64 / PER_DAY;
        let mut changes = said.changes.clone();
        changes.sort_unstable();
        changes.dedup();
        self.labels += series.labels.len();
        self.changes += changes.len();
        self.near += matched(&series.labels, &changes);
    }

    /// Of the alarms, the share that was right.
    pub(crate) fn precision(&self) -> f64 {
        share(self.hits, self.hits + self.false_alarms)
    }

    /// Of the shifts, the share that was found.
    pub(crate) fn recall(&self) -> f64 {
        share(self.hits, self.shifts)
    }

    /// Harmonic mean of both.
    pub(crate) fn f1(&self) -> f64 {
        harmonic(self.precision(), self.recall())
    }

    /// False alarms per series and day.
    pub(crate) fn false_per_day(&self) -> f64 {
        self.false_alarms as f64 / self.days.max(1e-9)
    }

    /// Harmonic mean for change times within an hour.
    pub(crate) fn f1_changes(&self) -> f64 {
        harmonic(share(self.near, self.changes), share(self.near, self.labels))
    }

    /// Minutes from the shift to the alarm: the median, and what nine of ten stay below. None without a hit.
    pub(crate) fn delay_min(&self) -> Option<(f64, f64)> {
        let mut waits = self.waits_min.clone();
        waits.sort_by(f64::total_cmp);
        let ninth = (0.9 * waits.len().checked_sub(1)? as f64) as usize;
        Some((median(&waits), waits[ninth]))
    }
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

fn harmonic(one: f64, other: f64) -> f64 {
    2.0 * one * other / (one + other).max(1e-9)
}

/// Regimes that rose: those that count, and the smaller ones.
fn stretches(delays: &[f64], labels: &[usize]) -> (Vec<Stretch>, Vec<Stretch>) {
    let bounds: Vec<usize> = [0]
        .into_iter()
        .chain(labels.iter().copied())
        .chain([delays.len()])
        .collect();
    let (mut big, mut minor) = (Vec::new(), Vec::new());
    for three in bounds.windows(3) {
        let [before, start, end] = [three[0], three[1], three[2]];
        if start == end {
            continue;
        }
        let from = before.max(start.saturating_sub(WARM));
        let base = if from < start {
            median(&delays[from..start])
        } else {
            delays[start.saturating_sub(1)]
        };
        let rise = median(&delays[start..end]) - base;
        if rise <= 0.0 {
            continue;
        }
        let counts = rise >= LEAST_MS.max(LEAST_RATIO * base) && end - start >= LASTING;
        (if counts { &mut big } else { &mut minor }).push((start, end));
    }
    (big, minor)
}

/// How many labels have a change time of their own nearby.
fn matched(labels: &[usize], changes: &[usize]) -> usize {
    let mut pairs: Vec<(usize, usize, usize)> = Vec::new();
    for (label, at) in labels.iter().enumerate() {
        let first = changes.partition_point(|change| *change < at.saturating_sub(NEAR));
        let nearby = changes[first..].iter().take_while(|change| **change <= at + NEAR);
        pairs.extend(
            nearby
                .enumerate()
                .map(|(offset, change)| (change.abs_diff(*at), label, first + offset)),
        );
    }
    pairs.sort_unstable();
    let (mut labelled, mut found) = (vec![false; labels.len()], vec![false; changes.len()]);
    let mut count = 0;
    for (_, label, change) in pairs {
        if !labelled[label] && !found[change] {
            (labelled[label], found[change]) = (true, true);
            count += 1;
        }
    }
    count
}
