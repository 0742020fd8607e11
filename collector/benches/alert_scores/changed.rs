//! The same labelled series changed in ways after which a detector should say the same: how much of a score is luck. Seeded;
//! what is drawn is drawn [`DRAWS`] times. Not other series: what people took for a change stays their word.

use fastrand::Rng;

use super::score::{Series, median};

/// How often what is drawn is drawn.
const DRAWS: u64 = 6;
/// Samples that stay together where hours are drawn anew: an hour at 240 s.
const HOUR: usize = 15;

type Change = fn(&Series, &mut Rng) -> Series;

/// The ways: what the series are then, whether anything is drawn, and how.
const WAYS: [(&str, bool, Change); 14] = [
    ("as they are", false, |series, _| series.clone()),
    ("backwards in time", false, |series, _| backwards(series)),
    ("delays times 0.6", false, |series, _| {
        each(series, |delay_ms| delay_ms * 0.6)
    }),
    ("hours drawn anew within each level", true, hours),
    ("half as much noise added", true, |series, rng| {
        noisier(series, 0.5, rng)
    }),
    ("as much noise added", true, |series, rng| {
        noisier(series, 1.0, rng)
    }),
    ("one in twenty lost beside those that are", true, lossy),
    ("levels in another order", true, shuffled),
    ("begun 7 to 20 h later", true, later),
    ("first halves", false, |series, _| {
        part(series, 0, series.epoch_s.len() / 2)
    }),
    ("second halves", false, |series, _| {
        part(series, series.epoch_s.len() / 2, series.epoch_s.len())
    }),
    ("one sample in four left out", true, thinned),
    ("rounded to 1 ms", false, |series, _| {
        each(series, |delay_ms| delay_ms.round().max(1.0))
    }),
    ("one in twenty up to 100 ms longer", true, spiky),
];

/// Every way with the sets that come of it, all in one.
pub(crate) fn sets(set: &[Series]) -> impl Iterator<Item = (&'static str, Vec<Series>)> + '_ {
    let ways = WAYS.into_iter().map(|(name, is_drawn, change)| {
        let draws = if is_drawn { DRAWS } else { 1 };
        let changed = (0..draws).flat_map(|draw| {
            set.iter()
                .map(move |series| change(series, &mut Rng::with_seed(draw ^ seed_of(series))))
        });
        (name, changed.collect())
    });
    let mixed = (0..DRAWS).flat_map(|draw| mixed(set, draw)).collect();
    ways.chain([("levels of one, noise of another", mixed)])
}

fn seed_of(series: &Series) -> u64 {
    let bytes = series.name.bytes();
    bytes.fold(7, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(byte.into()))
}

/// Sum of twelve uniform numbers: mean 0, variance 1, near enough to normal.
fn normal(rng: &mut Rng) -> f64 {
    (0..12).map(|_| rng.f64()).sum::<f64>() - 6.0
}

/// From label to label.
fn levels(series: &Series) -> Vec<(usize, usize)> {
    let starts = std::iter::once(0).chain(series.labels.iter().copied());
    let ends = series.labels.iter().copied().chain([series.epoch_s.len()]);
    starts.zip(ends).filter(|(start, end)| start < end).collect()
}

/// Each sample less the median of its level.
fn noise(series: &Series) -> Vec<Option<f64>> {
    let filled = series.filled();
    let of_level = |(start, end): (usize, usize)| {
        let level_ms = median(&filled[start..end]);
        series.rtt_ms[start..end]
            .iter()
            .map(move |delay_ms| delay_ms.map(|delay_ms| delay_ms - level_ms))
    };
    levels(series).into_iter().flat_map(of_level).collect()
}

fn each(series: &Series, mut change: impl FnMut(f64) -> f64) -> Series {
    let mut changed = series.clone();
    for delay_ms in changed.rtt_ms.iter_mut().flatten() {
        *delay_ms = change(*delay_ms);
    }
    changed
}

fn backwards(series: &Series) -> Series {
    let samples = series.epoch_s.len();
    let ends = series.epoch_s.first().zip(series.epoch_s.last());
    let sum = ends.map_or(0, |(first, last)| first + last);
    Series {
        name: series.name.clone(),
        epoch_s: series.epoch_s.iter().rev().map(|at| sum - at).collect(),
        rtt_ms: series.rtt_ms.iter().rev().copied().collect(),
        labels: series.labels.iter().rev().map(|label| samples - label).collect(),
    }
}

fn hours(series: &Series, rng: &mut Rng) -> Series {
    let mut changed = series.clone();
    for (start, end) in levels(series) {
        if end - start < 2 * HOUR {
            continue;
        }
        let mut at = start;
        while at < end {
            let from = start + rng.usize(0..end - start - HOUR);
            let samples = HOUR.min(end - at);
            changed.rtt_ms[at..at + samples].copy_from_slice(&series.rtt_ms[from..from + samples]);
            at += samples;
        }
    }
    changed
}

fn noisier(series: &Series, times: f64, rng: &mut Rng) -> Series {
    let mut sorted: Vec<f64> = noise(series).into_iter().flatten().collect();
    sorted.sort_by(f64::total_cmp);
    let at = |share: usize| sorted.get(sorted.len() * share / 4).copied().unwrap_or(0.0);
    // The interquartile range of the normal distribution is 1.349 of its deviations.
    let sigma_ms = times * (at(3) - at(1)) / 1.349;
    each(series, |delay_ms| (delay_ms + sigma_ms * normal(rng)).max(0.1))
}

fn lossy(series: &Series, rng: &mut Rng) -> Series {
    let mut changed = series.clone();
    for delay_ms in &mut changed.rtt_ms {
        *delay_ms = delay_ms.filter(|_| rng.f64() >= 0.05);
    }
    changed
}

fn shuffled(series: &Series, rng: &mut Rng) -> Series {
    let mut order = levels(series);
    rng.shuffle(&mut order);
    let mut changed = Series {
        rtt_ms: Vec::new(),
        labels: Vec::new(),
        ..series.clone()
    };
    for (start, end) in order {
        if !changed.rtt_ms.is_empty() {
            changed.labels.push(changed.rtt_ms.len());
        }
        changed.rtt_ms.extend_from_slice(&series.rtt_ms[start..end]);
    }
    changed
}

fn part(series: &Series, from: usize, to: usize) -> Series {
    let labels = series
        .labels
        .iter()
        .filter(|label| (from + 1..to).contains(*label));
    Series {
        name: series.name.clone(),
        epoch_s: series.epoch_s[from..to].to_vec(),
        rtt_ms: series.rtt_ms[from..to].to_vec(),
        labels: labels.map(|label| label - from).collect(),
    }
}

/// Without the first samples, and six hours on the clock on.
fn later(series: &Series, rng: &mut Rng) -> Series {
    let from = rng.usize(100..300).min(series.epoch_s.len());
    let mut changed = part(series, from, series.epoch_s.len());
    for epoch_s in &mut changed.epoch_s {
        *epoch_s += 21_697;
    }
    changed
}

fn thinned(series: &Series, rng: &mut Rng) -> Series {
    let kept: Vec<usize> = (0..series.epoch_s.len()).filter(|_| rng.f64() >= 0.25).collect();
    let labels = series
        .labels
        .iter()
        .map(|label| kept.partition_point(|at| at < label));
    Series {
        name: series.name.clone(),
        epoch_s: kept.iter().map(|at| series.epoch_s[*at]).collect(),
        rtt_ms: kept.iter().map(|at| series.rtt_ms[*at]).collect(),
        labels: labels.filter(|label| *label < kept.len()).collect(),
    }
}

fn spiky(series: &Series, rng: &mut Rng) -> Series {
    each(series, |delay_ms| {
        if rng.f64() < 0.05 {
            delay_ms + 100.0 * rng.f64() * rng.f64()
        } else {
            delay_ms
        }
    })
}

/// The levels of each with what another wavers around its own.
fn mixed(set: &[Series], draw: u64) -> Vec<Series> {
    let mut rng = Rng::with_seed(draw);
    let apart = 1 + draw as usize % set.len().saturating_sub(1).max(1);
    let one = |(number, series): (usize, &Series)| {
        let noise = noise(&set[(number + apart) % set.len()]);
        let filled = series.filled();
        let (mut changed, begin) = (series.clone(), rng.usize(0..noise.len()));
        for (start, end) in levels(series) {
            let level_ms = median(&filled[start..end]);
            for at in start..end {
                let by_ms = noise[(at + begin) % noise.len()];
                changed.rtt_ms[at] = by_ms.map(|by_ms| (level_ms + by_ms).max(0.1));
            }
        }
        changed
    };
    set.iter().enumerate().map(one).collect()
}
