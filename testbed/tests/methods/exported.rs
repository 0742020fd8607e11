//! What the collector says of every series, as CSV (`/api/v1/export`), added up over its intervals.

use serde_json::Value;

use crate::api::Api;
use crate::truth::Counts;

/// The export.
pub(crate) struct Exported {
    header: Vec<String>,
    lines: Vec<Vec<String>>,
}

impl Exported {
    pub(crate) fn read(api: &Api) -> Self {
        let (status, body) = api
            .get_text("/api/v1/export?format=csv&from=now-5m")
            .expect("an answer");
        assert_eq!(status, 200, "{body}");
        // No field of this world holds a comma or a quote.
        let mut lines = body
            .lines()
            .filter(|line| line.contains(','))
            .map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
        Self {
            header: lines.next().expect("a header"),
            lines: lines.collect(),
        }
    }

    /// The counts of one series over all its intervals.
    pub(crate) fn counts(&self, zone: &str, method: &str) -> Counts {
        self.of_phase(zone, method, "whole")
    }

    /// The kinds of answer to the exchanges of a series.
    pub(crate) fn answers(&self, zone: &str, method: &str) -> Vec<&str> {
        let [zone_at, method_at, answer_at] = ["zone", "method", "answer"].map(|name| self.column(name));
        let of_series = self.lines.iter();
        let mut answers: Vec<_> = of_series
            .filter(|line| line[zone_at] == zone && line[method_at] == method)
            .map(|line| line[answer_at].as_str())
            .collect();
        answers.sort_unstable();
        answers.dedup();
        answers
    }

    fn column(&self, name: &str) -> usize {
        let at = self.header.iter().position(|column| column == name);
        at.unwrap_or_else(|| panic!("{name} in {:?}", self.header))
    }

    /// The same of one phase of its exchanges, whatever the answers were like.
    pub(crate) fn of_phase(&self, zone: &str, method: &str, phase: &str) -> Counts {
        let [zone_at, method_at, phase_at] = ["zone", "method", "phase"].map(|name| self.column(name));
        let number = |line: &[String], name: &str| -> u64 {
            let text = &line[self.column(name)];
            text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}"))
        };
        let of_series = self
            .lines
            .iter()
            .filter(|line| line[zone_at] == zone && line[method_at] == method && line[phase_at] == phase);
        of_series.fold(Counts::default(), |sum, line| {
            assert_eq!(
                number(line, "n"),
                number(line, "returned"),
                "a delay for every answer: {line:?}"
            );
            sum.plus(Counts {
                sent: number(line, "sent"),
                returned: number(line, "returned"),
                lost: number(line, "lost"),
                late: number(line, "late"),
                duplicate: number(line, "duplicate"),
                reordered: number(line, "reordered"),
            })
        })
    }
}

/// The quantiles of one phase of a series over the last minutes.
pub(crate) fn quantiles_us(api: &Api, zone: &str, (method, phase): (&str, &str)) -> Value {
    let map = api.get(&format!("/api/v1/map?method={method}&phase={phase}&from=now-5m"));
    let cells = map["cells"].as_array().expect("cells");
    let cell = cells.iter().find(|cell| cell["zone"] == zone);
    cell.unwrap_or_else(|| panic!("{zone} in {map}")).clone()
}

/// Their median.
pub(crate) fn median_us(api: &Api, zone: &str, method: &str) -> u64 {
    let quantiles = quantiles_us(api, zone, (method, "whole"));
    quantiles["p50_us"].as_u64().expect("a median")
}
