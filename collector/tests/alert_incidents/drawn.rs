//! Drawn incidents: a culprit of each kind, its size, and which half of its series it reaches, over 30 agents and 60 zones of
//! which a tenth of the cells is missing. How often exactly the right culprit is named, and how often a fleet in which
//! nothing happens blames anybody. `AZIMUTH_DRAWN_INCIDENTS` is how many of each kind (`ci/torture drawn`).

use std::collections::BTreeMap;

use azimuth_collector::alert::book::Book;
use azimuth_collector::alert::book::incidents::Seen;
use azimuth_collector::alert::lifecycle::Phase;
use azimuth_collector::alert::rules::{Rule, SeriesLabels};
use azimuth_collector::alert::weak::{Kind, Weak};
use azimuth_collector::query::Label;

use super::{MINUTE_MS, labels, normal};

const AGENTS: usize = 30;
const METHODS: [&str; 2] = ["stamp", "tcp_connect"];
/// Minutes after the incident fills the seven that a score is made of.
const MINUTES: u64 = 6;
/// What series of one agent or one zone share by chance, of what each varies by itself: as expected, and in a bad hour.
const SHARED: f64 = 0.4;
const MUCH_SHARED: f64 = 0.6;

/// Incidents of each kind.
fn trials() -> u64 {
    let asked = std::env::var("AZIMUTH_DRAWN_INCIDENTS").ok();
    asked.map_or(20, |asked| asked.parse().expect("a number of incidents"))
}

/// What an incident hits.
#[derive(Clone, Copy)]
enum Hit {
    Nothing,
    Zone(usize),
    Region(usize),
    Provider(usize),
    Agent(usize),
    Network(usize),
    Country(usize),
    Method(usize),
}

impl Hit {
    fn is(self, agent: usize, zone: usize, method: usize) -> bool {
        match self {
            Self::Nothing => false,
            Self::Zone(one) => zone == one,
            Self::Region(one) => zone / 3 == one,
            Self::Provider(one) => zone / 6 == one,
            Self::Agent(one) => agent == one,
            Self::Network(one) => agent % 10 == one,
            Self::Country(one) => agent / 10 == one,
            Self::Method(one) => method == one,
        }
    }

    fn named(self) -> Vec<(Label, String)> {
        let (label, (agent, zone), method) = match self {
            Self::Nothing => return Vec::new(),
            Self::Zone(one) => (Label::Zone, (0, one), 0),
            Self::Region(one) => (Label::Region, (0, one * 3), 0),
            Self::Provider(one) => (Label::Provider, (0, one * 6), 0),
            Self::Agent(one) => (Label::Agent, (one, 0), 0),
            Self::Network(one) => (Label::Network, (one, 0), 0),
            Self::Country(one) => (Label::Country, (one * 10, 0), 0),
            Self::Method(one) => (Label::Method, (0, 0), one),
        };
        let labels = labels(agent, zone, METHODS[method]);
        vec![(label, labels.value(label).expect("it has them all").to_owned())]
    }
}

/// A kind of culprit, and how one is drawn.
type Draw = (&'static str, fn(&mut fastrand::Rng) -> Hit);

const KINDS: [Draw; 7] = [
    ("zone", |rng| Hit::Zone(rng.usize(..60))),
    ("region", |rng| Hit::Region(rng.usize(..20))),
    ("provider", |rng| Hit::Provider(rng.usize(..10))),
    ("vantage point", |rng| Hit::Agent(rng.usize(..AGENTS))),
    ("network", |rng| Hit::Network(rng.usize(..10))),
    ("country", |rng| Hit::Country(rng.usize(..3))),
    ("method", |rng| Hit::Method(rng.usize(..2))),
];

/// A fleet as weak evidence: noise of each series that lasts for minutes, noise that all series of an agent or a zone share,
/// stragglers, and holes.
struct Fleet {
    labels: Vec<SeriesLabels>,
    zones: usize,
    methods: usize,
    rule: Rule,
}

impl Fleet {
    /// 1,800 series: 60 zones by one method, or 30 by two.
    fn new(methods: usize) -> Self {
        let zones = 60 / methods;
        let labels = (0..AGENTS * zones * methods)
            .map(|number| {
                let pair = number / methods;
                labels(pair / zones, pair % zones, METHODS[number % methods])
            })
            .collect();
        Self {
            labels,
            zones,
            methods,
            rule: Rule::default_regression(),
        }
    }

    /// The incidents that fire within [`MINUTES`] of `shift_ms` over a part of what was hit.
    fn incidents(
        &self,
        seed: u64,
        hit: Hit,
        shift_ms: f64,
        coverage: f64,
        shared: f64,
    ) -> Vec<(Label, String)> {
        let mut rng = fastrand::Rng::with_seed(seed);
        let of_agent: Vec<f64> = (0..AGENTS).map(|_| shared * normal(&mut rng)).collect();
        let of_zone: Vec<f64> = (0..self.zones).map(|_| shared * normal(&mut rng)).collect();
        let mut scores = Vec::new();
        for number in 0..self.labels.len() {
            let (pair, method) = (number / self.methods, number % self.methods);
            let (agent, zone) = (pair / self.zones, pair % self.zones);
            let straggles = if rng.f64() < 0.01 { 4.0 } else { 1.0 };
            let own = normal(&mut rng) * straggles;
            let sigma_ms = 0.5 + 2.0 * rng.f64() * rng.f64();
            let shifted = rng.f64() < coverage && hit.is(agent, zone, method);
            let shift = if shifted { shift_ms / sigma_ms } else { 0.0 };
            scores.push((own, of_agent[agent] + of_zone[zone] + shift, rng.f64() < 0.1));
        }
        let (mut book, mut told) = (Book::default(), Vec::new());
        let watched = |series: u32| Some((self.labels.get(series as usize)?, &self.rule));
        for minute in 1..=MINUTES {
            let at_unix_ms = minute * MINUTE_MS;
            let mut latest = BTreeMap::new();
            for (series, (own, rest, missing)) in (0_u32..).zip(&mut scores) {
                // Six of the seven units behind a score are those of the minute before.
                *own = 0.85 * *own + 0.53 * normal(&mut rng);
                let weak = Weak {
                    end_unix_ms: at_unix_ms,
                    fresh_ms: MINUTE_MS,
                    level: 30_000.0 + 700.0 * (*own + *rest),
                    base: 30_000.0,
                    width: 700.0,
                    began_unix_ms: None,
                };
                if !*missing {
                    latest.insert((series, Kind::Delay), weak);
                }
            }
            let seen = Seen {
                at_unix_ms,
                latest: &latest,
                sick: &BTreeMap::new(),
                watched: &watched,
            };
            book.pool(&seen, &mut told);
        }
        let mut fired: Vec<_> = book
            .incidents()
            .filter(|(_, entry, _)| matches!(entry.alert.phase, Phase::Firing { .. }))
            .map(|(_, _, incident)| (incident.label, incident.value.clone()))
            .collect();
        fired.sort();
        fired
    }
}

/// What came of the incidents of one kind.
#[derive(Debug, Default)]
struct Outcome {
    right: u64,
    none: u64,
    wrong: u64,
}

impl Outcome {
    fn of(named: impl IntoIterator<Item = (Vec<(Label, String)>, Hit)>) -> Self {
        let mut outcome = Self::default();
        for (named, hit) in named {
            let count = if named == hit.named() {
                &mut outcome.right
            } else if named.is_empty() {
                &mut outcome.none
            } else {
                &mut outcome.wrong
            };
            *count += 1;
        }
        outcome
    }

    fn percent_right(&self) -> f64 {
        self.right as f64 * 100.0 / (self.right + self.none + self.wrong).max(1) as f64
    }

    fn must_be_right(&self, what: &str) {
        println!("{what}: {:.1} % right, {self:?}", self.percent_right());
        assert!(self.percent_right() >= 95.0, "{what}: {self:?}");
    }
}

/// Incidents of `draw`'s kind, of `least_ms` to `most_ms`, that reach half of what they hit.
fn drawn(fleet: &Fleet, draw: fn(&mut fastrand::Rng) -> Hit, least_ms: f64, most_ms: f64) -> Outcome {
    Outcome::of((0..trials()).map(|seed| {
        let mut rng = fastrand::Rng::with_seed(seed + 500_000);
        let hit = draw(&mut rng);
        let shift_ms = least_ms + (most_ms - least_ms) * rng.f64();
        (fleet.incidents(seed, hit, shift_ms, 0.5, SHARED), hit)
    }))
}

#[test]
fn of_incidents_of_3_to_20_ms_each_kind_is_named_rightly() {
    let (one, two) = (Fleet::new(1), Fleet::new(2));
    for (kind, draw) in KINDS {
        let fleet = if kind == "method" { &two } else { &one };
        drawn(fleet, draw, 3.0, 20.0).must_be_right(kind);
    }
}

#[test]
fn of_3_ms_over_one_zone_the_zone_is_named() {
    let fleet = Fleet::new(1);
    let outcome = Outcome::of((0..3 * trials()).map(|seed| {
        let hit = Hit::Zone(seed as usize % 60);
        (fleet.incidents(seed, hit, 3.0, 0.5, SHARED), hit)
    }));
    outcome.must_be_right("+3 ms over one zone");
    assert!(outcome.wrong * 100 <= 3 * trials(), "{outcome:?}");
}

#[test]
fn a_fleet_in_which_nothing_happens_blames_nobody() {
    for (methods, shared) in [(1, SHARED), (2, SHARED), (1, MUCH_SHARED), (2, MUCH_SHARED)] {
        let fleet = Fleet::new(methods);
        let quiet = (0..trials()).map(|seed| {
            let seed = seed + 1_000_000;
            (
                fleet.incidents(seed, Hit::Nothing, 0.0, 0.0, shared),
                Hit::Nothing,
            )
        });
        let outcome = Outcome::of(quiet);
        println!("nothing, {methods} methods, {shared} shared: {outcome:?}");
        // What series share in a bad hour is more than is expected of them.
        let most = if shared > SHARED { trials() / 50 } else { 0 };
        assert!(outcome.wrong <= most, "{methods} methods, {shared}: {outcome:?}");
    }
}
