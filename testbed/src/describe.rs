//! `azimuth-testbed describe`: the pairs of a world and their base delays, without building it.

use std::fmt::Write as _;

use serde::Serialize;

use crate::plan::Plan;

/// A world on paper.
#[derive(Debug, Serialize)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// One sentence.
    pub about: String,
    /// Number of vantage points.
    pub vantage_points: usize,
    /// Number of zones.
    pub zones: usize,
    /// Every pair.
    pub pairs: Vec<PairDescription>,
    /// Every incident.
    pub incidents: Vec<IncidentDescription>,
}

/// A pair on paper.
#[derive(Debug, Serialize)]
pub struct PairDescription {
    /// Agent id.
    pub agent: String,
    /// Zone key.
    pub zone: String,
    /// Great-circle distance from end to end.
    pub distance_km: f64,
    /// Great-circle length of the way over the ISP's best exchange.
    pub way_km: f64,
    /// Fibre length over that.
    pub path_factor: f64,
    /// Round trip in an empty network.
    pub base_rtt_ms: f64,
    /// Round trip a probe should see at the median.
    pub median_rtt_ms: f64,
}

/// An incident on paper.
#[derive(Debug, Serialize)]
pub struct IncidentDescription {
    /// Its name.
    pub name: String,
    /// The scenario's word for it.
    pub what: &'static str,
    /// A sentence.
    pub description: String,
    /// First beginning, seconds from the start.
    pub from_s: f64,
    /// Length.
    pub for_s: f64,
    /// From beginning to beginning; null for once only.
    pub repeat_every_s: Option<f64>,
}

impl Description {
    /// Describes a plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let pairs = plan.pairs.iter().enumerate().map(|(index, pair)| {
            let (point, zone) = plan.ends_of(index);
            PairDescription {
                agent: point.agent.to_string(),
                zone: zone.key.to_string(),
                distance_km: rounded(pair.distance_km, 1.0),
                way_km: rounded(pair.way_km, 1.0),
                path_factor: rounded(pair.path_factor, 100.0),
                base_rtt_ms: rounded(pair.base_rtt_ms(), 1000.0),
                median_rtt_ms: rounded(pair.median_rtt_ms(), 1000.0),
            }
        });
        let incidents = plan.incidents.iter().map(|incident| IncidentDescription {
            name: incident.name.clone(),
            what: incident.effect.as_str(),
            description: incident.description.clone(),
            from_s: seconds(incident.times.from_ns),
            for_s: seconds(incident.times.for_ns),
            repeat_every_s: incident.times.repeat_ns.map(seconds),
        });
        Self {
            name: plan.name.clone(),
            about: plan.about.clone(),
            vantage_points: plan.vantage_points.len(),
            zones: plan.zones.len(),
            pairs: pairs.collect(),
            incidents: incidents.collect(),
        }
    }

    /// The description as a table for people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = format!("{}: {}\n\n", self.name, self.about);
        let _ = writeln!(
            text,
            "{:<24} {:<44} {:>8} {:>8} {:>7} {:>12}",
            "agent", "zone", "km", "way km", "factor", "base rtt ms"
        );
        for pair in &self.pairs {
            let _ = writeln!(
                text,
                "{:<24} {:<44} {:>8.0} {:>8.0} {:>7.2} {:>12.3}",
                pair.agent, pair.zone, pair.distance_km, pair.way_km, pair.path_factor, pair.base_rtt_ms
            );
        }
        text.push('\n');
        for incident in &self.incidents {
            let again = incident
                .repeat_every_s
                .map_or_else(String::new, |period| format!(", again every {period} s"));
            let _ = writeln!(
                text,
                "{:<26} from {} s for {} s{again}: {}",
                incident.name, incident.from_s, incident.for_s, incident.description
            );
        }
        text
    }
}

fn rounded(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}

#[expect(clippy::cast_precision_loss, reason = "a week of nanoseconds is below 2^53")]
fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{SMALL, parse};

    #[test]
    fn every_pair_and_incident_is_on_paper() {
        let description = Description::of(&Plan::of(&parse(SMALL, "small").expect("the small world")));
        assert_eq!((description.pairs.len(), description.incidents.len()), (9, 1));
        let table = description.table();
        assert!(
            table.contains("ionos/de%2Ffra/de%2Ffra") && table.contains("free-aws-detour"),
            "{table}"
        );
    }
}
