//! Made-up results of throughput tests in a case: `24x200 6x100`, one each so many minutes. Not what is found in them; that
//! is [`crate::alert::rates`].

use std::ops::Range;

use azimuth_measurement::TransferDirection;
use toml::Spanned;

use super::LONGEST_MS;
use crate::alert::rates::Rate;
use crate::alert::rules::reading::{Found, shown, span_ms};
use crate::alert::settings::{HOUR_MS, MINUTE_MS};

/// How far apart tests are unless a series says otherwise: an hour.
const DEFAULT_EVERY_MS: u64 = HOUR_MS;
/// No line carries more, in Mbit/s.
const MOST_MBPS: f64 = 1e6;

/// What one test found.
#[derive(Debug, Clone, Copy, PartialEq)]
enum MadeTest {
    /// It was not run, or failed.
    Nothing,
    /// The path carries so much, or at least so much.
    Rate { bps: u64, is_lower_bound: bool },
}

/// The tests of one series. The first ends when `every_ms` have passed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MadeTests {
    every_ms: u64,
    of: [(TransferDirection, Vec<MadeTest>); 2],
}

/// Reads what a series says of its tests.
pub(super) fn made_tests(
    download: Option<&Spanned<String>>,
    upload: Option<&Spanned<String>>,
    every: Option<&Spanned<String>>,
    found: &mut Found<'_, '_>,
) -> Option<MadeTests> {
    let span = span_ms(MINUTE_MS, LONGEST_MS, "1h");
    let every_ms = found.word("test_every", every, DEFAULT_EVERY_MS, span);
    let download = found.word("download", download, Vec::new(), pattern);
    let upload = found.word("upload", upload, Vec::new(), pattern);
    Some(MadeTests {
        every_ms: every_ms?,
        of: [
            (TransferDirection::Download, download?),
            (TransferDirection::Upload, upload?),
        ],
    })
}

/// `24x200 5x100 3x>80 2xnone`.
fn pattern(text: &str) -> Result<Vec<MadeTest>, String> {
    let mut tests = Vec::new();
    for word in text.split_whitespace() {
        let wrong = || {
            format!(
                "{:?} is not COUNTxMBPS; write for example \"24x200 5x100 3x>80 2xnone\": tests x Mbit/s, > at least",
                shown(word)
            )
        };
        let (count, what) = word.split_once('x').ok_or_else(wrong)?;
        let count: usize = count.parse().map_err(|_| wrong())?;
        if count == 0 || (tests.len() + count) as u64 > LONGEST_MS / MINUTE_MS {
            return Err(format!(
                "{:?}: a series has 1 to {} tests",
                shown(word),
                LONGEST_MS / MINUTE_MS
            ));
        }
        let test = if what == "none" {
            MadeTest::Nothing
        } else {
            let (is_lower_bound, mbps) = what.strip_prefix('>').map_or((false, what), |rest| (true, rest));
            let mbps: f64 = mbps.parse().map_err(|_| wrong())?;
            if !(mbps > 0.0 && mbps <= MOST_MBPS) {
                return Err(wrong());
            }
            MadeTest::Rate {
                bps: ((mbps * 1e6).round() as u64).max(1),
                is_lower_bound,
            }
        };
        tests.extend(std::iter::repeat_n(test, count));
    }
    Ok(tests)
}

impl MadeTests {
    /// What tests found that ended in `after..=until`, milliseconds after the start of the case, which is at `start_unix_ms`.
    pub(super) fn within(
        &self,
        start_unix_ms: u64,
        passed_ms: Range<u64>,
    ) -> impl Iterator<Item = (TransferDirection, Rate)> + '_ {
        let until_ms = passed_ms.end;
        let tests = (passed_ms.start / self.every_ms..until_ms / self.every_ms).map(|number| number as usize);
        tests.flat_map(move |number| {
            self.of.iter().filter_map(move |(direction, tests)| {
                let MadeTest::Rate { bps, is_lower_bound } = *tests.get(number)? else {
                    return None;
                };
                let rate = Rate {
                    at_unix_ms: start_unix_ms + (number as u64 + 1) * self.every_ms,
                    bps,
                    is_lower_bound,
                    congestion_control: "cubic".to_owned(),
                };
                Some((*direction, rate))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_test_ends_once_whatever_stretches_are_asked_for() {
        let tests = MadeTests {
            every_ms: 90_000,
            of: [
                (
                    TransferDirection::Download,
                    pattern("2x200 1xnone 1x>80.5").expect("valid"),
                ),
                (TransferDirection::Upload, Vec::new()),
            ],
        };
        let all: Vec<_> = (0..20)
            .flat_map(|minute| tests.within(1_000, minute * 60_000..(minute + 1) * 60_000))
            .map(|(_, rate)| (rate.at_unix_ms, rate.bps, rate.is_lower_bound))
            .collect();
        let expected = [
            (91_000, 200_000_000, false),
            (181_000, 200_000_000, false),
            (361_000, 80_500_000, true),
        ];
        assert_eq!(all, expected);
    }

    #[test]
    fn what_is_no_rate_is_named_with_its_remedy() {
        for text in [
            "200", "0x200", "3x", "3xfast", "3x0", "3x-1", "3xNaN", "3xinf", "3x>", "99999x1",
        ] {
            let error = pattern(text).expect_err(text);
            assert!(
                error.contains("write for example") || error.contains("1 to 20160 tests"),
                "{error}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_pattern_panics(text in "[0-9x>. a-z-]{0,30}") {
            let _ = pattern(&text);
        }
    }
}
