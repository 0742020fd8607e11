//! A fleet of 40 agents and 24 zones with noise of its own, noise that agents and zones share, stragglers, and injected
//! culprits: who is named, how often rightly. The fleet is made up; its noise is drawn wide (paths of 0.5 to 2.5 ms).

use super::*;

const AGENTS: usize = 40;
const ZONES: usize = 24;
const TRIALS: u64 = 200;

/// Labels of the series from agent to zone: ten networks, four countries; eight regions of three zones, four providers.
fn labels(agent: usize, zone: usize) -> SeriesLabels {
    let region = format!("p{}/r{}", zone / 6, zone / 3);
    SeriesLabels::new("t")
        .with(Label::Agent, format!("a{agent}"))
        .with(Label::Network, format!("AS{}", agent % 10))
        .with(Label::Country, format!("C{}", agent / 10))
        .with(Label::Zone, format!("{region}/z{zone}"))
        .with(Label::Region, region)
        .with(Label::Provider, format!("p{}", zone / 6))
        .with(Label::Method, "stamp")
}

struct Trial {
    rng: fastrand::Rng,
    shift_ms: f64,
    coverage: f64,
    missing: f64,
}

impl Trial {
    fn normal(&mut self) -> f64 {
        // Irwin and Hall: twelve uniform numbers less six.
        (0..12).map(|_| self.rng.f64()).sum::<f64>() - 6.0
    }

    /// The fleet with `hit` shifted, as far as covered.
    fn cells(&mut self, hit: impl Fn(usize, usize) -> bool) -> Vec<(u32, SeriesLabels, f64)> {
        let of_agent: Vec<f64> = (0..AGENTS).map(|_| 0.4 * self.normal()).collect();
        let of_zone: Vec<f64> = (0..ZONES).map(|_| 0.4 * self.normal()).collect();
        let mut cells = Vec::new();
        for (agent, by_agent) in of_agent.into_iter().enumerate() {
            for (zone, by_zone) in of_zone.iter().enumerate() {
                let straggler = self.rng.f64() < 0.01;
                let own = self.normal() * if straggler { 4.0 } else { 1.0 };
                let sigma_ms = 0.5 + 2.0 * self.rng.f64() * self.rng.f64();
                let covered = self.rng.f64() < self.coverage;
                let shift = if hit(agent, zone) && covered {
                    self.shift_ms / sigma_ms
                } else {
                    0.0
                };
                if self.rng.f64() >= self.missing {
                    let number = (agent * ZONES + zone) as u32;
                    cells.push((number, labels(agent, zone), own + by_agent + by_zone + shift));
                }
            }
        }
        cells
    }
}

fn named(cells: &[(u32, SeriesLabels, f64)], sick: &BTreeMap<String, Sickness>) -> Blame {
    let cells: Vec<Cell<'_>> = cells
        .iter()
        .map(|(series, labels, score)| Cell {
            series: *series,
            labels,
            score: *score,
        })
        .collect();
    blame(&cells, sick)
}

/// Percent of trials in which exactly the wanted culprits were named, whatever their order.
fn right(
    shift_ms: f64,
    coverage: f64,
    missing: f64,
    wanted: &[(Label, &str)],
    hit: impl Fn(usize, usize) -> bool,
) -> f64 {
    let wanted: BTreeSet<(Label, String)> = wanted
        .iter()
        .map(|(label, value)| (*label, (*value).to_owned()))
        .collect();
    let good = (0..TRIALS).filter(|seed| {
        let rng = fastrand::Rng::with_seed(*seed);
        let cells = Trial {
            rng,
            shift_ms,
            coverage,
            missing,
        }
        .cells(&hit);
        let found: BTreeSet<(Label, String)> = named(&cells, &BTreeMap::new())
            .culprits
            .into_iter()
            .map(|culprit| (culprit.label, culprit.value))
            .collect();
        found == wanted
    });
    good.count() as f64 * 100.0 / TRIALS as f64
}

const ZONE: (Label, &str) = (Label::Zone, "p0/r1/z4");

#[test]
fn nothing_is_blamed_for_noise() {
    assert_eq!(right(0.0, 1.0, 0.1, &[], |_, _| false), 100.0);
}

#[test]
fn a_zone_is_named_at_half_coverage_with_a_tenth_of_the_cells_missing() {
    for (shift_ms, coverage) in [(5.0, 1.0), (5.0, 0.7), (5.0, 0.5), (10.0, 0.5)] {
        let right = right(shift_ms, coverage, 0.1, &[ZONE], |_, zone| zone == 4);
        assert!(right >= 95.0, "+{shift_ms} ms at {coverage}: {right} %");
    }
}

#[test]
fn three_milliseconds_over_one_zone_are_found_by_pooling() {
    for (coverage, least) in [(1.0, 95.0), (0.5, 90.0)] {
        let right = right(3.0, coverage, 0.1, &[ZONE], |_, zone| zone == 4);
        assert!(right >= least, "at {coverage}: {right} %");
    }
    // Hardly one of its series stands out alone.
    let rng = fastrand::Rng::with_seed(1);
    let mut trial = Trial {
        rng,
        shift_ms: 3.0,
        coverage: 1.0,
        missing: 0.1,
    };
    let cells = trial.cells(|_, zone| zone == 4);
    let of_zone: Vec<f64> = cells
        .iter()
        .filter(|cell| cell.0 as usize % ZONES == 4)
        .map(|cell| cell.2)
        .collect();
    let standing_out = of_zone.iter().filter(|score| **score >= PAIR_SCORE).count();
    assert!(
        standing_out * 2 < of_zone.len(),
        "{standing_out} of {}",
        of_zone.len()
    );
}

#[test]
fn every_kind_of_culprit_is_named_and_nothing_beside_it() {
    type Case<'a> = (&'a str, &'a [(Label, &'a str)], fn(usize, usize) -> bool);
    let cases: [Case<'_>; 7] = [
        ("agent", &[(Label::Agent, "a7")], |agent, _| agent == 7),
        ("region", &[(Label::Region, "p1/r2")], |_, zone| zone / 3 == 2),
        ("provider", &[(Label::Provider, "p2")], |_, zone| zone / 6 == 2),
        ("network", &[(Label::Network, "AS3")], |agent, _| agent % 10 == 3),
        ("country", &[(Label::Country, "C1")], |agent, _| agent / 10 == 1),
        ("two zones", &[ZONE, (Label::Zone, "p3/r6/z20")], |_, zone| {
            zone == 4 || zone == 20
        }),
        ("zone and agent", &[ZONE, (Label::Agent, "a7")], |agent, zone| {
            agent == 7 || zone == 4
        }),
    ];
    for (name, wanted, hit) in cases {
        for coverage in [1.0, 0.7, 0.5] {
            let right = right(5.0, coverage, 0.1, wanted, hit);
            // Two culprits at once, each half covered, are both named a little less often.
            let least = if wanted.len() > 1 && coverage < 0.7 {
                90.0
            } else {
                95.0
            };
            assert!(right >= least, "{name} at {coverage}: {right} %");
        }
    }
}

fn made(scores: &[(usize, usize, f64)]) -> Vec<(u32, SeriesLabels, f64)> {
    let cells = scores
        .iter()
        .map(|&(agent, zone, score)| ((agent * ZONES + zone) as u32, labels(agent, zone), score));
    cells.collect()
}

#[test]
fn a_zone_needs_three_agents_in_two_networks() {
    let seen_by = |agents: &[usize]| {
        let scores: Vec<_> = agents.iter().map(|agent| (*agent, 4, 8.0)).collect();
        named(&made(&scores), &BTreeMap::new())
    };
    // Agents 0, 10, 20 and 30 stand in one network and in different countries.
    assert_eq!(seen_by(&[0, 10, 20, 30]).culprits, []);
    assert_eq!(seen_by(&[0, 1]).culprits, []);
    assert_eq!(seen_by(&[0]).alone, [4]);
    assert_eq!(seen_by(&[0, 10, 20, 1]).culprits[0].value, ZONE.1);
}

#[test]
fn a_sick_agent_has_no_vote_and_is_named() {
    let mut scores: Vec<_> = (0..ZONES).map(|zone| (7, zone, 8.0)).collect();
    scores.extend([(1, 4, 8.0), (2, 4, 8.0)]);
    let sick = BTreeMap::from([("a7".to_owned(), Sickness::Cpu)]);
    let blame = named(&made(&scores), &sick);
    assert_eq!(
        blame.culprits.len(),
        1,
        "the two others do not make a zone: {blame:?}"
    );
    assert_eq!(
        (blame.culprits[0].value.as_str(), blame.culprits[0].sickness),
        ("a7", Some(Sickness::Cpu))
    );
    assert_eq!(blame.culprits[0].members.len(), ZONES);
    assert_eq!(blame.alone, [(ZONES + 4) as u32, (2 * ZONES + 4) as u32]);
}

#[test]
fn agents_on_busy_hosts_blame_a_zone_when_their_other_series_stand() {
    // As all agents of one overloaded machine: none is to blame for one zone of eight.
    let seen_by = |agent| (0..ZONES).map(move |zone| (agent, zone, if zone == 4 { 8.0 } else { 0.0 }));
    let scores: Vec<_> = [0, 10, 20, 1].into_iter().flat_map(seen_by).collect();
    let sick = [0, 10, 20, 1].map(|agent| (format!("a{agent}"), Sickness::Cpu));
    let blame = named(&made(&scores), &sick.into());
    assert_eq!(blame.culprits.len(), 1, "{blame:?}");
    assert_eq!(
        (blame.culprits[0].value.as_str(), blame.culprits[0].sickness),
        (ZONE.1, None)
    );
}

#[test]
fn scores_that_are_no_numbers_are_left_out() {
    let scores: Vec<_> = (0..AGENTS).map(|agent| (agent, 4, f64::NAN)).collect();
    assert_eq!(named(&made(&scores), &BTreeMap::new()), Blame::default());
}
