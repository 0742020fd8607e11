//! What a threshold can be put on: a statistic of the delays, the lost share, or a count of probes.

use azimuth_measurement::counts::{COUNTER_NAMES, ONE_WAY, VARIATION};
use azimuth_measurement::{Accumulator, ProbeCounts};
use serde::{Deserialize, Serialize};

/// The unit of a measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Milliseconds.
    Ms,
    /// Percent of the probes sent.
    Percent,
    /// Probes.
    Probes,
    /// Times as fast as the error budget allows.
    Burn,
    /// Seconds.
    S,
    /// Millions of bits per second.
    Mbps,
}

impl Unit {
    /// The suffix of the keys that hold a limit in this unit.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Ms => "_ms",
            Self::Percent => "_percent",
            Self::Probes | Self::Burn | Self::S | Self::Mbps => "",
        }
    }
}

/// A measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Measure {
    /// A quantile of the delays, in ten-thousandths: `p99.9` is 9,990.
    Quantile(u16),
    /// The shortest delay.
    Min,
    /// The longest delay.
    Max,
    /// The mean delay.
    Mean,
    /// 90th less 10th percentile of the delays.
    Spread,
    /// Probes lost of probes sent.
    Loss,
    /// One of the counters, by its place in [`ProbeCounts::all`].
    Count(u8),
}

/// The counters that count events, with their places. The sums behind delay variation and one-way delays are
/// none.
fn counts() -> impl Iterator<Item = (usize, &'static str)> {
    let all = COUNTER_NAMES.iter().copied().enumerate();
    all.filter(|(place, _)| !VARIATION.contains(place) && !ONE_WAY.contains(place))
}

impl Measure {
    /// Reads `p50`, `p99.9`, `min`, `max`, `mean`, `spread`, `loss` or the name of a counter.
    ///
    /// # Errors
    /// A sentence that says what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let found = match text {
            "min" => Some(Self::Min),
            "max" => Some(Self::Max),
            "mean" => Some(Self::Mean),
            "spread" => Some(Self::Spread),
            "loss" => Some(Self::Loss),
            _ => text
                .strip_prefix('p')
                .and_then(ten_thousandths)
                .map(Self::Quantile)
                .or_else(|| {
                    let (place, _) = counts().find(|(_, name)| *name == text)?;
                    u8::try_from(place).ok().map(Self::Count)
                }),
        };
        found.ok_or_else(|| {
            let given: String = text.chars().take(40).collect();
            format!(
                "{given:?} cannot be watched; use a percentile such as p50 or p99.9, min, max, mean, spread, loss, {}",
                counts().map(|(_, name)| name).collect::<Vec<_>>().join(", ")
            )
        })
    }

    /// The one spelling.
    pub fn name(self) -> String {
        match self {
            Self::Quantile(of) if of % 100 == 0 => format!("p{}", of / 100),
            Self::Quantile(of) => format!("p{}", f64::from(of) / 100.0),
            Self::Min => "min".to_owned(),
            Self::Max => "max".to_owned(),
            Self::Mean => "mean".to_owned(),
            Self::Spread => "spread".to_owned(),
            Self::Loss => "loss".to_owned(),
            Self::Count(place) => COUNTER_NAMES
                .get(usize::from(place))
                .copied()
                .unwrap_or("sent")
                .to_owned(),
        }
    }

    /// Its unit.
    pub fn unit(self) -> Unit {
        match self {
            Self::Loss => Unit::Percent,
            Self::Count(_) => Unit::Probes,
            _ => Unit::Ms,
        }
    }

    /// Delays (for loss: probes sent) without which there is no verdict: five beyond a quantile, so that one straggler
    /// does not decide.
    pub fn least(self) -> u64 {
        match self {
            Self::Quantile(of) => 50_000 / u64::from(of.min(10_000 - of).max(1)),
            Self::Count(_) => 0,
            _ => 20,
        }
    }

    /// Its value over what was merged; `None` when there is not enough, so that no data never decides.
    pub fn value(self, counts: &ProbeCounts, delays: &Accumulator, least: u64) -> Option<f64> {
        let ms = |us: u32| f64::from(us) / 1_000.0;
        let enough = delays.count() >= least.max(1);
        let quantile = |share: f64| delays.quantile_us(share).filter(|_| enough).map(ms);
        match self {
            Self::Quantile(of) => quantile(f64::from(of) / 10_000.0),
            Self::Min => delays.min_us().filter(|_| enough).map(ms),
            Self::Max => delays.max_us().filter(|_| enough).map(ms),
            Self::Mean => delays.mean_us().filter(|_| enough).map(|us| us / 1_000.0),
            Self::Spread => Some(quantile(0.9)? - quantile(0.1)?),
            Self::Loss => {
                (counts.sent >= least.max(1)).then(|| counts.lost() as f64 * 100.0 / counts.sent as f64)
            }
            Self::Count(place) => counts.all().get(usize::from(place)).map(|count| *count as f64),
        }
    }
}

/// `99.9` as 9,990: above 0 and below 100, two decimals at most.
fn ten_thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !digits(whole, 2) || !digits(fraction, 2) {
        return None;
    }
    let whole: u16 = whole.parse().ok()?;
    let scale = if fraction.len() == 1 { 10 } else { 1 };
    let of = whole * 100 + fraction.parse::<u16>().ok()? * scale;
    (of > 0).then_some(of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_measure_has_one_spelling() {
        for text in [
            "p50", "p99", "p99.9", "p99.99", "p5", "min", "max", "mean", "spread", "loss", "sent", "skipped",
        ] {
            assert_eq!(Measure::parse(text).map(Measure::name), Ok(text.to_owned()));
        }
        assert_eq!(Measure::parse("p99.9"), Ok(Measure::Quantile(9_990)));
        for text in ["p", "p0", "p100", "p99.999", "p-5", "P50", "median", "p5e1", ""] {
            let error = Measure::parse(text).expect_err(text);
            assert!(error.contains("p99.9") && error.contains("skipped"), "{error}");
        }
    }

    #[test]
    fn too_little_gives_no_verdict() {
        let mut delays = Accumulator::new();
        (0..499).for_each(|_| delays.record_us(5_000).expect("room"));
        let p99 = Measure::Quantile(9_900);
        assert_eq!(p99.least(), 500);
        let counts = ProbeCounts {
            sent: 10,
            ..ProbeCounts::default()
        };
        assert_eq!(p99.value(&counts, &delays, p99.least()), None);
        delays.record_us(5_000).expect("room");
        let value = p99.value(&counts, &delays, p99.least()).expect("enough");
        assert!((value - 5.0).abs() < 0.01, "{value}");
        assert_eq!(Measure::Loss.value(&counts, &delays, 20), None);
        assert_eq!(Measure::Loss.value(&counts, &delays, 10), Some(100.0));
        assert_eq!(Measure::Count(0).value(&counts, &delays, 0), Some(10.0));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,20}") {
            let _ = Measure::parse(&text);
        }
    }
}
