//! What others do with the same series: rules as people write them, and two classic tests. Each is given the delays on their
//! grid of 240 s, lost ones carried forward, and says at which samples it raises an alarm. Pure.
//!
//! They are written from their definitions, not taken from the programs they are named after; an alarm is the sample at which
//! the condition begins to hold.

use std::collections::VecDeque;

use super::score::median;

/// Samples of an hour, and of a day.
const HOUR: usize = 15;
const DAY: usize = 360;

/// A method by its name.
pub(crate) type Peer = (&'static str, fn(&[f64]) -> Vec<usize>);

/// Every method.
pub(crate) const PEERS: [Peer; 7] = [
    ("p99 of 1 h > 1.5 x the hour before, for 10 min", |delays| {
        hour_over_hour(delays, 0.99, 1.5, 3)
    }),
    ("p50 of 1 h > 1.05 x the hour before", |delays| {
        hour_over_hour(delays, 0.5, 1.05, 1)
    }),
    ("p50 of 1 h > 1.02 x the hour before", |delays| {
        hour_over_hour(delays, 0.5, 1.02, 1)
    }),
    ("3 in a row > 1.05 x the first day's median", first_day),
    ("mean of 12 min > mean of 1 day + 3 sd", three_sigma),
    ("SmokePing Median(old 30, new 15, 3 ms)", medians),
    ("CUSUM, base 30, k 0.5, h 20", cusum),
];

/// The samples at which `holds` begins to hold, when it has held for `times` in a row.
fn onsets(samples: usize, times: usize, holds: impl Fn(usize) -> bool) -> Vec<usize> {
    let (mut alarms, mut row) = (Vec::new(), 0);
    for at in 0..samples {
        row = if holds(at) { row + 1 } else { 0 };
        if row == times {
            alarms.push(at);
        }
    }
    alarms
}

/// Nearest rank.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

fn hour_over_hour(delays: &[f64], share: f64, ratio: f64, times: usize) -> Vec<usize> {
    let hours: Vec<Option<f64>> = (0..delays.len())
        .map(|at| (at + 1 >= HOUR).then(|| quantile(&delays[at + 1 - HOUR..=at], share)))
        .collect();
    onsets(delays.len(), times, |at| {
        let before = at.checked_sub(HOUR).and_then(|before| hours[before]);
        matches!((hours[at], before), (Some(now), Some(before)) if now > ratio * before)
    })
}

/// Over the first day's median three times in a row; over when it has not been for an hour.
fn first_day(delays: &[f64]) -> Vec<usize> {
    let limit = 1.05 * median(&delays[..DAY.min(delays.len())]);
    let (mut alarms, mut row, mut clear, mut firing) = (Vec::new(), 0, 0, false);
    for (at, delay) in delays.iter().enumerate().skip(DAY) {
        (row, clear) = if *delay > limit {
            (row + 1, 0)
        } else {
            (0, clear + 1)
        };
        if !firing && row == 3 {
            firing = true;
            alarms.push(at);
        }
        firing &= clear < HOUR;
    }
    alarms
}

fn three_sigma(delays: &[f64]) -> Vec<usize> {
    onsets(delays.len(), 1, |at| {
        if at + 1 < DAY {
            return false;
        }
        let day = &delays[at + 1 - DAY..=at];
        let mean = day.iter().sum::<f64>() / DAY as f64;
        let variance = day.iter().map(|delay| (delay - mean).powi(2)).sum::<f64>() / DAY as f64;
        let recent = &delays[at - 2..=at];
        recent.iter().sum::<f64>() / 3.0 > mean + 3.0 * variance.sqrt()
    })
}

fn medians(delays: &[f64]) -> Vec<usize> {
    const NEW: usize = 15;
    const OLD: usize = 30;
    onsets(delays.len(), 1, |at| {
        at + 1 >= NEW + OLD && {
            let new = at + 1 - NEW;
            median(&delays[new..=at]) - median(&delays[new - OLD..new]) > 3.0
        }
    })
}

/// One-sided, against a base of 30 samples that begins anew after each alarm.
fn cusum(delays: &[f64]) -> Vec<usize> {
    const BASE: usize = 30;
    let (mut alarms, mut base, mut sum) = (Vec::new(), VecDeque::new(), 0.0_f64);
    for (at, delay) in delays.iter().enumerate() {
        if base.len() < BASE {
            base.push_back(*delay);
            continue;
        }
        let mean = base.iter().sum::<f64>() / BASE as f64;
        let variance = base.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / BASE as f64;
        sum = (sum + (delay - mean) / variance.sqrt().max(1e-3) - 0.5).max(0.0);
        if sum > 20.0 {
            alarms.push(at);
            base.clear();
            sum = 0.0;
        }
    }
    alarms
}
