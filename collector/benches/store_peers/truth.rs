//! What the probes of a fleet saw, the same for every system that is fed with it: a function of a seed, nothing is kept.
//! Not a simulation of networks; that is the testbed.
//!
//! Every series has a path of its own: a base between 0.8 and 30 ms, log-uniform; a log-normal variation whose median is
//! 30 to 120 us and whose sigma is 0.6 to 1.2; one delay in a hundred 20 times as far out; two probes in a thousand lost.

use std::f64::consts::TAU;

/// Zones every vantage point measures.
pub(crate) const ZONES: u32 = 60;
/// Probes per series in ten seconds.
const PROBES_PER_10_S: u64 = 30;

/// An interval of the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Its start.
    pub(crate) start_unix_ms: u64,
    /// Its length.
    pub(crate) length_ms: u32,
}

impl Slot {
    /// Its end.
    pub(crate) fn end_unix_ms(self) -> u64 {
        self.start_unix_ms + u64::from(self.length_ms)
    }

    /// `count` slots of this length one after the other, the first at `from_unix_ms`.
    pub(crate) fn row(from_unix_ms: u64, length_ms: u32, count: u64) -> Vec<Self> {
        (0..count)
            .map(|number| Self {
                start_unix_ms: from_unix_ms + number * u64::from(length_ms),
                length_ms,
            })
            .collect()
    }
}

/// The path from one vantage point to one zone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Path {
    vantage: u32,
    zone: u32,
    base_us: f64,
    variation_us: f64,
    sigma: f64,
}

impl Path {
    /// The path of a pair.
    pub(crate) fn of(vantage: u32, zone: u32) -> Self {
        let mut random = fastrand::Rng::with_seed(seed([vantage, zone, 0, 0]));
        Self {
            vantage,
            zone,
            base_us: 800.0 * 37.5_f64.powf(random.f64()),
            variation_us: 30.0 * 4.0_f64.powf(random.f64()),
            sigma: 0.6 + 0.6 * random.f64(),
        }
    }

    /// Puts the delays of a slot into `delays_us`, in the order of sending, and says how many probes were sent.
    pub(crate) fn see(&self, slot: Slot, delays_us: &mut Vec<u32>) -> u64 {
        let at_s = slot.start_unix_ms / 1_000;
        let mut random =
            fastrand::Rng::with_seed(seed([self.vantage, self.zone, at_s as u32, slot.length_ms]));
        let sent = PROBES_PER_10_S * u64::from(slot.length_ms) / 10_000;
        delays_us.clear();
        for _ in 0..sent {
            let normal = (-2.0 * (1.0 - random.f64()).ln()).sqrt() * (TAU * random.f64()).cos();
            let fate = random.u32(0..1_000);
            if fate < 2 {
                continue;
            }
            let far = if fate < 12 { 20.0 } else { 1.0 };
            let delay_us = self.base_us + far * self.variation_us * (self.sigma * normal).exp();
            delays_us.push(delay_us.min(2e6) as u32);
        }
        sent
    }
}

/// FNV-1a over the words, so that neighbours have nothing in common.
fn seed(words: [u32; 4]) -> u64 {
    let bytes = words.into_iter().flat_map(u32::to_le_bytes);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The agent's id.
pub(crate) fn agent_name(vantage: u32) -> String {
    format!("vantage-{vantage:04}")
}

/// The zone's key, `provider/region/zone`: ten regions of two providers, three zones each.
pub(crate) fn zone_name(zone: u32) -> (String, String, String) {
    let provider = if zone.is_multiple_of(2) { "aws" } else { "gcp" };
    let region = format!("region-{}", zone / 6);
    (
        provider.to_owned(),
        region.clone(),
        format!("{region}-{}", zone % 6),
    )
}
