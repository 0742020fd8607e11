//! The detector over a series written as CSV, one row a probe: `epoch_s,rtt_ms`, an empty `rtt_ms` for a lost probe.
//! Lines in, [`Alert`]s out; the files are opened elsewhere (`commands/rules.rs`). Further columns are ignored, so that
//! labelled data can be replayed as it is.

use serde::Serialize;
use thiserror::Error;

use super::event::{Direction, Event, Statistic};
use super::{Delays, Detector, Settings, Tick};

/// The columns needed, in any order.
pub const HEADER: &str = "epoch_s,rtt_ms";
/// Longest delay taken, in milliseconds: the measurement's own limit.
const MOST_MS: f64 = azimuth_measurement::histogram::MAX_DELAY_US as f64 / 1_000.0;
/// Latest time taken: the year 9999.
const MOST_EPOCH_S: f64 = 253_402_300_799.0;

/// What is wrong with a line, and what to do about it.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum RowError {
    /// No such column.
    #[error("the header has no column {column:?}: {found:?}; the first line must be `{HEADER}`")]
    Header {
        /// The column that is missing.
        column: &'static str,
        /// The header found, cut short.
        found: String,
    },
    /// Fewer fields than the header.
    #[error("the row has no field for {column:?}; write `TIME,DELAY`, or `TIME,` for a lost probe")]
    Missing {
        /// The column without a field.
        column: &'static str,
    },
    /// Not a time.
    #[error(
        "epoch_s is {found:?}; write seconds since 1970-01-01 UTC, such as 1480082940, not milliseconds and not a date"
    )]
    Time {
        /// The field, cut short.
        found: String,
    },
    /// Not a delay.
    #[error(
        "rtt_ms is {found:?}; write milliseconds above 0 and up to 60000, or leave it empty for a lost probe"
    )]
    Delay {
        /// The field, cut short.
        found: String,
    },
    /// Time runs backwards.
    #[error("the time {epoch_s} is before {last_epoch_s} of a row above; sort the rows by epoch_s")]
    OutOfOrder {
        /// The row's time, in seconds.
        epoch_s: u64,
        /// The latest time above it, in seconds.
        last_epoch_s: u64,
    },
}

/// Where the two columns are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Columns {
    epoch_s: usize,
    rtt_ms: usize,
}

/// One probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// When, Unix time in milliseconds.
    pub at_unix_ms: u64,
    /// The delay in microseconds; `None` when the probe was lost.
    pub delay_us: Option<u32>,
}

fn cut(text: &str) -> String {
    text.chars().take(60).collect()
}

impl Columns {
    /// Reads the header line.
    ///
    /// # Errors
    /// When a column is missing.
    pub fn of(header: &str) -> Result<Self, RowError> {
        let names: Vec<&str> = header
            .trim_start_matches('\u{feff}')
            .split(',')
            .map(bare)
            .collect();
        let find = |column: &'static str| {
            names
                .iter()
                .position(|name| *name == column)
                .ok_or_else(|| RowError::Header {
                    column,
                    found: cut(header.trim_end()),
                })
        };
        Ok(Self {
            epoch_s: find("epoch_s")?,
            rtt_ms: find("rtt_ms")?,
        })
    }

    /// Reads a row; `None` for an empty line.
    ///
    /// # Errors
    /// When a field is missing or is no number of its kind.
    pub fn row(&self, line: &str) -> Result<Option<Row>, RowError> {
        if line.trim().is_empty() {
            return Ok(None);
        }
        let field = |index: usize, column: &'static str| {
            line.split(',')
                .nth(index)
                .map(bare)
                .ok_or(RowError::Missing { column })
        };
        let time = field(self.epoch_s, "epoch_s")?;
        let seconds: f64 = time
            .parse()
            .ok()
            .filter(|seconds| (0.0..=MOST_EPOCH_S).contains(seconds))
            .ok_or_else(|| RowError::Time { found: cut(time) })?;
        let delay = field(self.rtt_ms, "rtt_ms")?;
        let delay_us = if delay.is_empty() {
            None
        } else {
            let milliseconds: f64 = delay
                .parse()
                .ok()
                .filter(|delay_ms| *delay_ms > 0.0 && *delay_ms <= MOST_MS)
                .ok_or_else(|| RowError::Delay { found: cut(delay) })?;
            Some(((milliseconds * 1_000.0).round() as u32).max(1))
        };
        Ok(Some(Row {
            at_unix_ms: (seconds * 1_000.0).round() as u64,
            delay_us,
        }))
    }
}

/// The field without white space and quotes.
fn bare(field: &str) -> &str {
    field.trim().trim_matches('"')
}

/// One line of `rules replay --csv`. Times are Unix seconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alert {
    /// The file's name without its ending.
    pub series: String,
    /// `up`: a regression of the delay, an alert. `down`: the delay got better, nobody is alerted. `loss`: the lost share
    /// rose, an alert.
    pub direction: &'static str,
    /// What changed: `p50`, `p98`, `spread` or `loss`.
    pub statistic: &'static str,
    /// The row that fired it.
    pub fired_at_s: u64,
    /// Estimate of when the change happened.
    pub regressed_at_s: u64,
    /// The new level less the old, in milliseconds; absent for loss.
    pub shift_ms: Option<f64>,
    /// The new lost share less the old, 0 to 1; absent for delays.
    pub shift_share: Option<f64>,
    /// When the regression was seen to be over; absent while it is open, and for `down`.
    pub resolved_at_s: Option<u64>,
    /// How it ended: `recovered`, or `new_baseline` after a day.
    pub resolution: Option<&'static str>,
}

/// The replay of one series.
#[derive(Debug)]
pub struct Replay {
    series: String,
    detector: Detector,
    events: Vec<Event>,
    last_unix_ms: Option<u64>,
    alerts: Vec<(Option<u32>, Alert)>,
}

impl Replay {
    /// Begins the replay of `series`.
    pub fn new(series: String, settings: Settings) -> Self {
        Self {
            series,
            detector: Detector::new(settings),
            events: Vec::new(),
            last_unix_ms: None,
            alerts: Vec::new(),
        }
    }

    /// Takes the next row.
    ///
    /// # Errors
    /// When it is before the one above it.
    pub fn feed(&mut self, row: Row) -> Result<(), RowError> {
        let out_of_order = |last_unix_ms: u64| RowError::OutOfOrder {
            epoch_s: row.at_unix_ms / 1_000,
            last_epoch_s: last_unix_ms / 1_000,
        };
        if let Some(last) = self.last_unix_ms.filter(|last| row.at_unix_ms < *last) {
            return Err(out_of_order(last));
        }
        self.last_unix_ms = Some(row.at_unix_ms);
        let tick = Tick {
            start_unix_ms: row.at_unix_ms,
            length_ms: 0,
            delays: row
                .delay_us
                .map_or(Delays::None, |delay_us| Delays::One { delay_us }),
            sent: 1,
            lost: u64::from(row.delay_us.is_none()),
        };
        // Every row is in order, counts one probe and a checked delay, so the detector has nothing to refuse.
        let taken = self.detector.observe(&tick, &mut self.events);
        debug_assert_eq!(taken, Ok(()));
        for event in std::mem::take(&mut self.events) {
            self.note(event);
        }
        Ok(())
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Changed(change) => {
                let loss = change.statistic == Statistic::Loss;
                let (number, direction) = match change.direction {
                    Direction::Worse { number } => (Some(number), if loss { "loss" } else { "up" }),
                    Direction::Better => (None, "down"),
                    Direction::WorseSilently => return,
                };
                let shift = change.to - change.from;
                let alert = Alert {
                    series: self.series.clone(),
                    direction,
                    statistic: change.statistic.as_str(),
                    fired_at_s: change.fired_at_unix_ms / 1_000,
                    regressed_at_s: change.changed_at_unix_ms / 1_000,
                    shift_ms: (!loss).then(|| (shift.round()) / 1_000.0),
                    shift_share: loss.then(|| (shift * 10_000.0).round() / 10_000.0),
                    resolved_at_s: None,
                    resolution: None,
                };
                self.alerts.push((number, alert));
            }
            Event::Ended {
                number,
                at_unix_ms,
                end,
            } => {
                self.resolve(number, Some((at_unix_ms / 1_000, end.as_str())));
            }
            Event::Reopened { number, .. } => self.resolve(number, None),
        }
    }

    fn resolve(&mut self, number: u32, end: Option<(u64, &'static str)>) {
        let found = self.alerts.iter_mut().rev().find(|(of, _)| *of == Some(number));
        if let Some((_, alert)) = found {
            alert.resolved_at_s = end.map(|(at_s, _)| at_s);
            alert.resolution = end.map(|(_, how)| how);
        }
    }

    /// Ends the replay: the alerts in the order they fired.
    pub fn finish(self) -> impl Iterator<Item = Alert> {
        self.alerts.into_iter().map(|(_, alert)| alert)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(line: &str) -> Result<Option<Row>, RowError> {
        Columns::of(HEADER).unwrap().row(line)
    }

    #[test]
    fn columns_may_stand_anywhere_and_be_quoted() {
        let columns = Columns::of("\u{feff}\"rtt_ms\",cp, epoch_s\r\n").unwrap();
        let expected = Row {
            at_unix_ms: 1_480_082_940_000,
            delay_us: Some(150_306),
        };
        assert_eq!(columns.row("150.306,0,1480082940\r\n"), Ok(Some(expected)));
    }

    #[test]
    fn an_empty_delay_is_a_lost_probe_and_an_empty_line_is_nothing() {
        assert_eq!(
            row("10,"),
            Ok(Some(Row {
                at_unix_ms: 10_000,
                delay_us: None
            }))
        );
        assert_eq!(row("  \r\n"), Ok(None));
    }

    #[test]
    fn what_is_no_number_is_named_with_its_remedy() {
        for (line, says) in [
            ("ten,1.0", "epoch_s is \"ten\"; write seconds"),
            ("1480082940000,1.0", "not milliseconds"),
            ("-1,1.0", "epoch_s is \"-1\""),
            ("10,NaN", "rtt_ms is \"NaN\"; write milliseconds"),
            ("10,inf", "leave it empty for a lost probe"),
            ("10,-3", "above 0"),
            ("10,0", "above 0"),
            ("10", "no field for \"rtt_ms\""),
        ] {
            let error = row(line).unwrap_err().to_string();
            assert!(error.contains(says), "{line}: {error}");
        }
        let error = Columns::of("time;rtt").unwrap_err().to_string();
        assert!(
            error.contains("no column \"epoch_s\"") && error.contains(HEADER),
            "{error}"
        );
    }

    proptest! {
        #[test]
        fn no_line_panics(header in ".{0,40}", line in ".{0,80}") {
            let _ = Columns::of(&header).map(|columns| columns.row(&line));
            let _ = row(&line);
        }

        #[test]
        fn no_row_panics(rows in prop::collection::vec((any::<u32>(), prop::option::of(1_u32..=60_000_000)), 0..200)) {
            let mut replay = Replay::new("any".to_owned(), Settings::default());
            for (at_s, delay_us) in rows {
                let _ = replay.feed(Row { at_unix_ms: u64::from(at_s) * 1_000, delay_us });
            }
            replay.finish().for_each(drop);
        }
    }
}
