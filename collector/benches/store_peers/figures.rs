//! The figures of a run, as one table for people or as JSON, each beside the best peer's and the bar.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Better {
    Less,
    More,
}

/// One figure of every system.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// What, with its unit.
    pub(crate) what: String,
    pub(crate) better: Better,
    /// By system.
    pub(crate) values: BTreeMap<&'static str, f64>,
    /// How many times better Azimuth is than the best of the others.
    pub(crate) times_better: Option<f64>,
    /// What was promised.
    pub(crate) bar: Option<f64>,
    /// Whether Azimuth holds it.
    pub(crate) holds: Option<bool>,
}

/// All of them.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Figures {
    pub(crate) rows: Vec<Row>,
    /// What was delivered, asked and left out.
    pub(crate) notes: Vec<String>,
}

/// The system whose figures the bars are for.
const OURS: &str = "azimuth";
const SYSTEMS: [&str; 3] = [OURS, "prometheus", "victoria-metrics"];

impl Figures {
    /// Notes one system's figure, and says it at once: a run is long.
    pub(crate) fn note(
        &mut self,
        what: &str,
        better: Better,
        bar: Option<f64>,
        system: &'static str,
        value: f64,
    ) {
        eprintln!("   {} = {}", what.trim_start(), short(value));
        let row = match self.rows.iter_mut().position(|row| row.what == what) {
            Some(known) => &mut self.rows[known],
            None => {
                self.rows.push(Row {
                    what: what.to_owned(),
                    better,
                    values: BTreeMap::new(),
                    times_better: None,
                    bar,
                    holds: None,
                });
                let last = self.rows.len() - 1;
                &mut self.rows[last]
            }
        };
        row.values.insert(system, value);
        row.judge();
    }

    /// One table for people.
    pub(crate) fn table(&self) -> String {
        let mut text = format!("{:<50}", "");
        for system in SYSTEMS {
            let _ = write!(text, " {system:>16}");
        }
        text += &format!(" {:>9} {:>12}\n", "best peer", "bar");
        for row in &self.rows {
            let _ = write!(text, "{:<50}", row.what);
            for system in SYSTEMS {
                let _ = write!(
                    text,
                    " {:>16}",
                    row.values
                        .get(system)
                        .map_or_else(|| "-".to_owned(), |value| short(*value))
                );
            }
            let times = row
                .times_better
                .map_or_else(String::new, |times| format!("{times:.1}x"));
            let bar = row.bar.map_or_else(String::new, |bar| {
                let sign = if row.better == Better::Less { "<=" } else { ">=" };
                let missed = if row.holds == Some(false) { " missed" } else { "" };
                format!("{sign} {}{missed}", short(bar))
            });
            let _ = writeln!(text, " {times:>9} {bar:>12}");
        }
        for note in &self.notes {
            let _ = writeln!(text, "* {note}");
        }
        text
    }
}

impl Row {
    fn judge(&mut self) {
        let Some(ours) = self.values.get(OURS).copied() else {
            return;
        };
        let others = self
            .values
            .iter()
            .filter(|(system, _)| **system != OURS)
            .map(|(_, value)| *value);
        self.times_better = match self.better {
            Better::Less => others.reduce(f64::min).map(|best| best / ours),
            Better::More => others.reduce(f64::max).map(|best| ours / best),
        };
        self.holds = self.bar.map(|bar| match self.better {
            Better::Less => ours <= bar,
            Better::More => ours >= bar,
        });
    }
}

/// Three significant digits, whole numbers whole.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => {
            let digits = format!("{value:.0}");
            let mut grouped = String::new();
            for (place, digit) in digits.chars().enumerate() {
                if place > 0 && (digits.len() - place) % 3 == 0 {
                    grouped.push(',');
                }
                grouped.push(digit);
            }
            grouped
        }
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}
