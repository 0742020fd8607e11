//! A small labelled set made here, so that the bench needs no data of others. Seeded. It tells whether a change broke the
//! detector, not how good it is: what is made is cleaner than what is measured, and detectors rank differently on it.

use fastrand::Rng;

use super::score::Series;

const SERIES: u64 = 12;
/// Twenty days at 240 s.
const SAMPLES: usize = 7_200;
const STEP_S: u64 = 240;
/// 2026-11-02T00:00:00Z.
const START_S: u64 = 1_793_577_600;

/// Sum of twelve uniform numbers: mean 0, variance 1, near enough to normal.
fn normal(rng: &mut Rng) -> f64 {
    (0..12).map(|_| rng.f64()).sum::<f64>() - 6.0
}

/// The set: paths of 8 to 200 ms whose level changes every day or two, with an evening hump, a noise that remembers,
/// stragglers, short spikes and lost probes.
pub(crate) fn set() -> Vec<Series> {
    (0..SERIES).map(one).collect()
}

fn one(number: u64) -> Series {
    let mut rng = Rng::with_seed(0xa21 + number);
    let base = 8.0 * 25_f64.powf(rng.f64());
    let spread = base * (0.002 + 0.008 * rng.f64());
    let hump = base * 0.02 * rng.f64();
    let (mut level, mut noise, mut spike) = (base, 0.0, 0);
    let mut next = 500 + rng.usize(0..200);
    let (mut rtt_ms, mut labels) = (Vec::with_capacity(SAMPLES), Vec::new());
    for at in 0..SAMPLES {
        if at == next {
            labels.push(at);
            let up = level <= base * 1.01 || rng.f64() < 0.3;
            let by = 0.5 + base * 0.25 * rng.f64() * rng.f64();
            level = if up { level + by } else { base };
            next += 20 + rng.usize(0..600);
        }
        if spike == 0 && rng.f64() < 0.004 {
            spike = 1 + rng.usize(0..3);
        }
        noise = 0.6 * noise + 0.8 * spread * normal(&mut rng);
        let hour = (at as f64 / 15.0) % 24.0;
        let evening = hump * (-((hour - 20.0) / 2.0).powi(2)).exp();
        let extra = if spike > 0 {
            spike -= 1;
            base * rng.f64()
        } else if rng.f64() < 0.01 {
            base * 0.3 * rng.f64()
        } else {
            0.0
        };
        let delay = (level + noise + evening + extra).max(0.1);
        rtt_ms.push((rng.f64() > 0.003).then_some(delay));
    }
    Series {
        name: format!("made-{number}"),
        epoch_s: (0..SAMPLES as u64).map(|at| START_S + at * STEP_S).collect(),
        rtt_ms,
        labels,
    }
}
