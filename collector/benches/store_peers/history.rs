//! The phases with one series over a long time: a day in intervals of ten seconds, a year in intervals of a minute.
//!
//! No server is waited for that long. The peers are fed the past by remote write, in the order of time. Azimuth's
//! directory is made by its own store, handed the times of commits and of sealing as they would have been, and then opened
//! by the real binary; so its year has the tiers and the retention that a year of running leaves behind.

use std::path::Path;

use anyhow::ensure;
use azimuth_collector::clock;

use super::ask::ask;
use super::figures::{Better, Figures};
use super::system::{System, Window};
use super::truth::Slot;

const DAY_MS: u64 = 86_400_000;
/// Times every question is asked.
const TIMES: usize = 25;

/// A span of the past, up to the last midnight (UTC).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    /// Its name in the table.
    pub(crate) name: &'static str,
    days: u64,
    slot_ms: u32,
    /// Zones of the one vantage point.
    zones: u32,
    step_s: u64,
}

/// One vantage point's 60 series over a day: a thirtieth of the fleet's.
pub(crate) const DAY: Span = Span {
    name: "one series, a day by 5 min",
    days: 1,
    slot_ms: 10_000,
    zones: 60,
    step_s: 300,
};
/// One series over a year, a sixth of the intervals that ten seconds would make.
pub(crate) const YEAR: Span = Span {
    name: "one series, a year by the day",
    days: 365,
    slot_ms: 60_000,
    zones: 1,
    step_s: 86_400,
};

/// Measures one system.
pub(crate) fn measure(
    system: &dyn System,
    span: Span,
    scratch: &Path,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let (name, what) = (system.name(), span.name);
    let midnight_unix_ms = clock::unix_ms() / DAY_MS * DAY_MS;
    let from_unix_ms = midnight_unix_ms - span.days * DAY_MS;
    let slots = Slot::row(
        from_unix_ms,
        span.slot_ms,
        span.days * DAY_MS / u64::from(span.slot_ms),
    );
    let directory = scratch.join(format!("history-{}-{name}", span.days));
    eprintln!(
        "== {name}: {what}, from {} histograms",
        slots.len() as u64 * u64::from(span.zones)
    );
    let began = clock::monotonic();
    let server = system.remember(&directory, span.zones, &slots)?;
    eprintln!(
        "   there after {:.1} s",
        (clock::monotonic() - began).as_secs_f64()
    );
    let window = Window {
        from_s: from_unix_ms / 1_000,
        to_s: midnight_unix_ms / 1_000,
    };
    let questions = system.series_questions(0, span.zones / 2, window, span.step_s);
    let (cost, answers) = ask(&server, &questions, TIMES)?;
    let (found, steps) = (
        system.count_steps(&answers)? as u64,
        span.days * DAY_MS / 1_000 / span.step_s,
    );
    // A counter's first step may lack the value before it.
    ensure!(
        found + 1 >= steps,
        "{name}: {found} of {steps} steps have a median"
    );
    let mut note =
        |figure: &str, value| figures.note(&format!("{what}: {figure}"), Better::Less, None, name, value);
    note("CPU ms, median", cost.cpu_median_ms);
    note("CPU ms, most", cost.cpu_max_ms);
    note("wall ms, median", cost.wall_median_ms);
    server.terminate()
}
