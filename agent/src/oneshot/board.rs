//! Many targets side by side, for a person at a terminal: one line each, their delays as a small histogram on one axis for
//! all, so that near and far, narrow and wide can be told at a glance. Pure; makes text.

use std::fmt::Write as _;

use super::outcome::{Outcome, milliseconds};
use super::ranking::{Standing, rank};
use crate::tally::SeriesTally;

/// Cells of the small histogram.
const CELLS: usize = 24;
/// Eighths of a line, for heights.
const HEIGHTS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Longest target name shown.
const NAME_WIDTH: usize = 28;

/// Whether and how to colour: only a terminal is given colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Plain text.
    Never,
    /// ANSI sequences (ECMA-48).
    Ansi,
}

impl Colour {
    pub(crate) fn paint(self, code: &str, text: &str) -> String {
        match self {
            Self::Never => text.to_owned(),
            Self::Ansi => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }
}

/// Delays on a logarithmic axis, the same for all targets.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Axis {
    from_us: f64,
    to_us: f64,
}

impl Axis {
    /// From the shortest to the longest of all delays; `None` when there is none.
    fn of(found: &[SeriesTally]) -> Option<Self> {
        let all = || {
            found
                .iter()
                .flat_map(|tally| tally.delays_us.iter().map(|(_, us)| *us))
        };
        let (from_us, to_us) = (f64::from(all().min()?), f64::from(all().max()?));
        // A path without any spread still gets an axis one can read.
        Some(Self {
            from_us,
            to_us: to_us.max(from_us * 1.05),
        })
    }

    fn cell(self, delay_us: u32) -> usize {
        let share = (f64::from(delay_us) / self.from_us).ln() / (self.to_us / self.from_us).ln();
        ((share.clamp(0.0, 1.0) * CELLS as f64) as usize).min(CELLS - 1)
    }

    /// Heights by the square root of the share, so that a tail of one in a thousand still shows.
    fn bars(self, tally: &SeriesTally) -> String {
        let mut cells = [0_u64; CELLS];
        for (_, delay_us) in &tally.delays_us {
            cells[self.cell(*delay_us)] += 1;
        }
        let most = cells.iter().copied().max().unwrap_or(0).max(1);
        let height = |count: u64| {
            let share = (count as f64 / most as f64).sqrt();
            let eighths = (share * 8.0).ceil() as usize;
            HEIGHTS[eighths.min(8)]
        };
        cells.into_iter().map(height).collect()
    }
}

/// The board: a heading, one line a target in the order asked, and the axis. `shown` bounds the lines; the rest is counted.
#[must_use]
pub fn board(outcomes: &[Outcome], found: &[SeriesTally], shown: usize, colour: Colour) -> String {
    let mut text = String::new();
    let axis = Axis::of(found);
    let names = outcomes.iter().map(|outcome| outcome.target.chars().count());
    let name_width = names.max().unwrap_or(0).clamp("target".len(), NAME_WIDTH);
    let heading = format!(
        "{:<name_width$} {:>6} {:>7}  {:>8} {:>8} {:>8} {:>8} {:>8} ms  distribution",
        "target", "sent", "loss", "min", "p50", "p90", "p99", "max"
    );
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}", colour.paint("1", &heading));
    for (outcome, tally) in outcomes.iter().zip(found).take(shown) {
        let loss = outcome
            .loss_ratio
            .map_or_else(|| "-".to_owned(), |ratio| format!("{:.1} %", ratio * 100.0));
        let loss = format!("{loss:>7}");
        let loss = if outcome.lost > 0 {
            colour.paint("31", &loss)
        } else {
            loss
        };
        let p50 = format!("{:>8}", milliseconds(outcome.p50_us));
        let _ = writeln!(
            text,
            "{:<name_width$} {:>6} {loss}  {:>8} {} {:>8} {:>8} {:>8}     {}",
            shortened(&outcome.target, name_width),
            outcome.sent,
            milliseconds(outcome.min_us),
            colour.paint("1", &p50),
            milliseconds(outcome.p90_us),
            milliseconds(outcome.p99_us),
            milliseconds(outcome.max_us),
            axis.map_or_else(String::new, |axis| colour.paint("36", &axis.bars(tally))),
        );
    }
    if outcomes.len() > shown {
        let _ = writeln!(text, "... and {} more", outcomes.len() - shown);
    }
    if let Some(axis) = axis {
        let (from, to) = (label(axis.from_us), label(axis.to_us));
        let gap = CELLS.saturating_sub(from.chars().count() + to.chars().count());
        let line = format!("{from}{}{to}", " ".repeat(gap));
        let indent = name_width + 66;
        let _ = writeln!(text, "{:indent$}{}", "", colour.paint("2", &line));
    }
    text
}

/// The end of a run: who is nearest, by how much, and who cannot be told from the first.
#[must_use]
pub fn ranking(outcomes: &[Outcome], found: &[SeriesTally], colour: Colour) -> String {
    let mut text = String::new();
    let ranked = rank(found);
    let width = outcomes.len().to_string().len();
    let _ = writeln!(text, "{}", colour.paint("1", "By median round-trip delay"));
    for standing in ranked {
        let Some(outcome) = outcomes.get(standing.target) else {
            continue;
        };
        let _ = match standing.standing {
            Standing::Place {
                place,
                median_us,
                behind_us,
                tied,
            } => writeln!(
                text,
                "{place:>width$}. {:>9} ms  {:<11} {}{}",
                milliseconds(Some(median_us)),
                if place == 1 {
                    String::new()
                } else {
                    format!("+{}", milliseconds(Some(behind_us)))
                },
                outcome.target,
                if tied {
                    "  (not told from the first by this many probes)"
                } else {
                    ""
                },
            ),
            Standing::NothingCameBack => writeln!(
                text,
                "{:>width$}  {:>9}     {:<11} {}: nothing came back. {}",
                "-",
                "-",
                "",
                outcome.target,
                outcome.advice()
            ),
        };
    }
    text
}

fn label(us: f64) -> String {
    let ms = us / 1_000.0;
    let digits = if ms < 10.0 { 2 } else { usize::from(ms < 100.0) };
    format!("{ms:.digits$} ms")
}

fn shortened(name: &str, width: usize) -> String {
    if name.chars().count() <= width {
        return name.to_owned();
    }
    let kept: String = name.chars().take(width - 1).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::super::target::Target;
    use super::*;
    use azimuth_measurement::{Method, ProbeCounts, StampClock};

    fn tally(sent: u64, delays_us: &[u32]) -> SeriesTally {
        SeriesTally {
            counts: ProbeCounts {
                sent,
                returned: delays_us.len() as u64,
                ..ProbeCounts::default()
            },
            delays_us: delays_us.iter().map(|us| (StampClock::Kernel, *us)).collect(),
            certificate_ends_unix_s: None,
        }
    }

    fn outcomes(found: &[SeriesTally]) -> Vec<Outcome> {
        let target = |number: usize| Target {
            name: format!("zone-{number}"),
            host: String::new(),
            address: ([10, 0, 0, number as u8], 8620).into(),
            flow: 0,
        };
        found
            .iter()
            .enumerate()
            .map(|(number, tally)| Outcome::new(&target(number), Method::Stamp, tally).expect("small"))
            .collect()
    }

    #[test]
    fn near_and_far_share_one_axis_and_loss_is_seen() {
        let found = [
            tally(3, &[1_000, 1_000, 1_100]),
            tally(4, &[10_000, 10_000]),
            tally(2, &[]),
        ];
        let text = board(&outcomes(&found), &found, 20, Colour::Never);
        let lines: Vec<_> = text.lines().collect();
        assert!(
            lines[1].starts_with("zone-0      3   0.0 %     1.000    1.000"),
            "{text}"
        );
        assert!(
            lines[2].contains("50.0 %") && lines[2].trim_end().ends_with('█'),
            "{text}"
        );
        assert!(lines[3].contains("100.0 %") && lines[3].contains(" - "), "{text}");
        assert!(
            lines[4].trim_start().starts_with("1.00 ms") && lines[4].ends_with("10.0 ms"),
            "{text}"
        );
        assert!(!text.contains('\x1b'));
        let axis_at = lines[4].find("1.00").expect("there");
        let bars_at = lines[1]
            .char_indices()
            .position(|(_, c)| c == '█')
            .expect("a bar");
        assert_eq!(bars_at, axis_at, "{text}");
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let found: Vec<_> = (0..5).map(|n| tally(1, &[1_000 + n])).collect();
        let text = board(&outcomes(&found), &found, 3, Colour::Never);
        assert!(text.contains("... and 2 more"), "{text}");
    }

    #[test]
    fn the_ranking_names_the_nearest_first_and_silence_last() {
        let far: Vec<u32> = (0..50).map(|n| 9_000 + n).collect();
        let near: Vec<u32> = (0..50).map(|n| 2_000 + n).collect();
        let same: Vec<u32> = (0..50).map(|n| 2_003 + n).collect();
        let found = [tally(50, &far), tally(5, &[]), tally(50, &near), tally(50, &same)];
        let text = ranking(&outcomes(&found), &found, Colour::Never);
        let order: Vec<_> = text
            .lines()
            .skip(1)
            .map(|line| {
                ["zone-0", "zone-1", "zone-2", "zone-3"]
                    .into_iter()
                    .find(|name| line.contains(name))
            })
            .collect();
        assert_eq!(
            order,
            [Some("zone-2"), Some("zone-3"), Some("zone-0"), Some("zone-1")],
            "{text}"
        );
        assert!(
            text.contains("+0.003") && text.contains("not told from the first"),
            "{text}"
        );
        assert!(text.contains("zone-1: nothing came back"), "{text}");
    }
}
