//! What the fleet saw, held against what the collector says. Pure.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use super::Options;

/// Counted while it runs, over all agents.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) requests: u64,
    pub(super) retries: u64,
    /// No connection, closed, or no answer in time.
    pub(super) unanswered: u64,
    pub(super) by_status: BTreeMap<u16, u64>,
    pub(super) answer_us: Vec<u32>,
    pub(super) stored: u64,
    pub(super) duplicates: u64,
    /// Called a duplicate though it was never sent before.
    pub(super) wrong_duplicates: u64,
    pub(super) refused: u64,
    pub(super) most_attempts: u64,
    pub(super) drained_at_ns: u64,
    /// By agent: reports it was told are stored.
    pub(super) settled: BTreeMap<String, u64>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// What this run's agents are called.
    pub run: String,
    /// Agents.
    pub agents: u32,
    /// Reports they had, all together.
    pub reports: u64,
    /// Posts.
    pub requests: u64,
    /// Answers by class.
    pub answered_2xx: u64,
    /// Too many requests.
    pub answered_429: u64,
    /// Come again later.
    pub answered_503: u64,
    /// Any other answer.
    pub answered_otherwise: u64,
    /// No connection, closed, or no answer in 15 s.
    pub unanswered: u64,
    /// Posts that followed a failed one.
    pub retries: u64,
    /// Most posts any one agent needed.
    pub most_requests_of_an_agent: u64,
    /// Median time from post to answer, turned away or not.
    pub answer_p50_ms: f64,
    /// 99th percentile of it.
    pub answer_p99_ms: f64,
    /// Answered `stored`.
    pub stored: u64,
    /// Answered `duplicate` after an answer got lost.
    pub duplicates: u64,
    /// Answered `refused`, or `duplicate` without ever having been sent before.
    pub refused: u64,
    /// Reports their agents still had when the time was over.
    pub left: u64,
    /// Reports their agents were told are stored, and the collector does not have.
    pub lost: u64,
    /// Reports it has more than once.
    pub doubled: u64,
    /// Until the last report was settled.
    pub drained_s: f64,
}

impl Figures {
    pub(super) fn of(options: &Options, run: &str, mut tally: Tally, stored: &BTreeMap<String, u64>) -> Self {
        tally.answer_us.sort_unstable();
        let backlog = u64::from(options.backlog);
        // Each was known before, by one report more.
        let had = backlog + 1;
        let settled: u64 = tally.settled.values().sum();
        let short = |(agent, settled): (&String, &u64)| {
            let stored = stored.get(agent).copied().unwrap_or(0);
            (settled + 1).saturating_sub(stored)
        };
        let answered = |status: u16| tally.by_status.get(&status).copied().unwrap_or(0);
        let classes = |class: u16| -> u64 {
            let of_class = tally
                .by_status
                .iter()
                .filter(|(status, _)| *status / 100 == class);
            of_class.map(|(_, count)| count).sum()
        };
        let all: u64 = tally.by_status.values().sum();
        Self {
            run: run.to_owned(),
            agents: options.agents,
            reports: u64::from(options.agents) * backlog,
            requests: tally.requests,
            answered_2xx: classes(2),
            answered_429: answered(429),
            answered_503: answered(503),
            answered_otherwise: all - classes(2) - answered(429) - answered(503),
            unanswered: tally.unanswered,
            retries: tally.retries,
            most_requests_of_an_agent: tally.most_attempts,
            answer_p50_ms: quantile_ms(&tally.answer_us, 0.5),
            answer_p99_ms: quantile_ms(&tally.answer_us, 0.99),
            stored: tally.stored,
            duplicates: tally.duplicates,
            refused: tally.refused + tally.wrong_duplicates,
            left: (u64::from(options.agents) * backlog).saturating_sub(settled + tally.refused),
            lost: tally.settled.iter().map(short).sum(),
            doubled: stored.values().map(|stored| stored.saturating_sub(had)).sum(),
            drained_s: tally.drained_at_ns as f64 / 1e9,
        }
    }

    /// Whether every report is there once.
    #[must_use]
    pub fn holds(&self) -> bool {
        (self.left, self.lost, self.doubled, self.refused) == (0, 0, 0, 0)
    }

    /// For people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = format!(
            "{} agents came back at once, {} reports in all ({})\n\n",
            self.agents, self.reports, self.run
        );
        let rows = [
            ("requests", self.requests.to_string()),
            ("  answered 2xx", self.answered_2xx.to_string()),
            ("  answered 429", self.answered_429.to_string()),
            ("  answered 503", self.answered_503.to_string()),
            ("  answered otherwise", self.answered_otherwise.to_string()),
            ("  not answered", self.unanswered.to_string()),
            ("retries", self.retries.to_string()),
            (
                "most requests of one agent",
                self.most_requests_of_an_agent.to_string(),
            ),
            ("answer, median", format!("{:.1} ms", self.answer_p50_ms)),
            ("answer, 99th percentile", format!("{:.1} ms", self.answer_p99_ms)),
            ("answered stored", self.stored.to_string()),
            ("answered duplicate", self.duplicates.to_string()),
            ("refused", self.refused.to_string()),
            ("left with the agents", self.left.to_string()),
            ("lost", self.lost.to_string()),
            ("doubled", self.doubled.to_string()),
            ("time to drain", format!("{:.1} s", self.drained_s)),
        ];
        for (name, value) in rows {
            let _ = writeln!(text, "{name:<28}{value:>12}");
        }
        text
    }
}

/// Nearest rank.
fn quantile_ms(ascending_us: &[u32], quantile: f64) -> f64 {
    let rank = (quantile * ascending_us.len() as f64).ceil() as usize;
    let found = ascending_us.get(rank.max(1) - 1).copied().unwrap_or(0);
    f64::from(found) / 1_000.0
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_missing_and_what_is_there_twice_shows() {
        let options = Options {
            agents: 4,
            backlog: 10,
            series: 1,
            collector: None,
            bin_dir: PathBuf::new(),
            at_most: Duration::from_secs(1),
        };
        let of =
            |rows: [(&str, u64); 4]| BTreeMap::from(rows.map(|(agent, count)| (agent.to_owned(), count)));
        let tally = Tally {
            settled: of([("a", 10), ("b", 10), ("c", 10), ("d", 6)]),
            ..Tally::default()
        };
        let stored = of([("a", 11), ("b", 8), ("c", 13), ("d", 9)]);
        let figures = Figures::of(&options, "run", tally, &stored);
        // Of d's, two were stored and the answer did not arrive yet: neither lost nor doubled.
        assert_eq!((figures.left, figures.lost, figures.doubled), (4, 3, 2));
        assert!(!figures.holds());
    }
}
