//! A small fleet through the real detectors, minute by minute on simulated time: what pooling finds that no series shows
//! alone, what short excursions and quiet days raise. Not how often the right culprit is named (`drawn`).

use std::collections::BTreeMap;
use std::sync::Arc;

use azimuth_collector::alert::book::incidents::Seen;
use azimuth_collector::alert::book::{Book, Told};
use azimuth_collector::alert::incident::RULE;
use azimuth_collector::alert::rules::{Sample, Watch};
use azimuth_collector::alert::weak::{Kind, Weak};
use azimuth_measurement::{DelayHistogram, ProbeCounts};

use super::{MINUTE_MS, labels, normal};

/// A small fleet through the real detectors, minute by minute.
struct Measured {
    watch: Watch,
    book: Book,
    told: Vec<Told>,
    latest: BTreeMap<(u32, Kind), Weak>,
    rng: fastrand::Rng,
    own: Vec<f64>,
    of_agent: Vec<f64>,
    of_zone: Vec<f64>,
    sigmas_ms: Vec<f64>,
    minute: u64,
}

const FEW_AGENTS: usize = 12;
const FEW_ZONES: usize = 6;

impl Measured {
    fn new(seed: u64, agents: usize, least_sigma_ms: f64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut watch = Watch::new(Arc::default());
        watch.keep_readings();
        let series = agents * FEW_ZONES;
        for number in 0..series {
            watch.add(
                number as u32,
                labels(number / FEW_ZONES, number % FEW_ZONES, "stamp"),
            );
        }
        Self {
            watch,
            book: Book::default(),
            told: Vec::new(),
            latest: BTreeMap::new(),
            own: vec![0.0; series],
            of_agent: vec![0.0; agents],
            of_zone: vec![0.0; FEW_ZONES],
            sigmas_ms: (0..series).map(|_| least_sigma_ms * (1.0 + rng.f64())).collect(),
            rng,
            minute: 0,
        }
    }

    /// A minute on paths of 30 ms that breathe a little with the day, zone `ZONE` slower by `shift_ms`.
    fn minute(&mut self, shift_ms: f64) {
        let start_unix_ms = self.minute * MINUTE_MS;
        self.minute += 1;
        let at_unix_ms = self.minute * MINUTE_MS;
        let breath = (self.minute as f64 / 1_440.0 * std::f64::consts::TAU).sin();
        for shared in self.of_agent.iter_mut().chain(&mut self.of_zone) {
            *shared = 0.8 * *shared + 0.2 * normal(&mut self.rng);
        }
        let counts = ProbeCounts {
            sent: 60,
            returned: 60,
            ..ProbeCounts::default()
        };
        let mut verdicts = Vec::new();
        for number in 0..self.own.len() {
            let (agent, zone) = (number / FEW_ZONES, number % FEW_ZONES);
            let own = &mut self.own[number];
            *own = 0.4 * *own + 0.9 * normal(&mut self.rng);
            let shift = if zone == 2 { shift_ms } else { 0.0 };
            let noise = self.sigmas_ms[number] * (*own + self.of_agent[agent] + self.of_zone[zone]);
            let delay_us = ((30.0 + 0.5 * breath + shift + noise).max(1.0) * 1_000.0) as u32;
            let sample = Sample {
                start_unix_ms,
                length_ms: 60_000,
                counts: &counts,
                delays: &DelayHistogram::from_values_us(&mut [delay_us]),
            };
            self.watch
                .observe(number as u32, &sample, &mut verdicts)
                .expect("in order");
        }
        for reading in self.watch.take_readings() {
            self.latest.insert((reading.series, reading.kind), reading.weak);
        }
        self.latest
            .retain(|_, weak| weak.end_unix_ms.saturating_add(weak.fresh_ms) >= at_unix_ms);
        let watch = &self.watch;
        let watched = |series: u32| Some((watch.labels(series)?, watch.regression_rule(series)?));
        let seen = Seen {
            at_unix_ms,
            latest: &self.latest,
            sick: &BTreeMap::new(),
            watched: &watched,
        };
        self.book.pool(&seen, &mut self.told);
        for verdict in verdicts {
            let labels = watch.labels(verdict.key.series).expect("watched").clone();
            self.book.take(verdict, &labels, at_unix_ms, &mut self.told);
        }
        self.book.passed(at_unix_ms, &mut self.told);
    }

    fn told_of(&self) -> Vec<&str> {
        self.told.iter().map(|told| told.key.rule.as_str()).collect()
    }
}

#[test]
fn three_milliseconds_over_one_zone_are_found_by_pooling_before_any_series_shows_them() {
    let mut found = 0;
    for seed in 0..6 {
        let mut fleet = Measured::new(seed, 30, 0.7);
        (0..100).for_each(|_| fleet.minute(0.0));
        assert!(!fleet.told_of().contains(&RULE), "before, in trial {seed}");
        let before = fleet.told.len();
        (0..10).for_each(|_| fleet.minute(3.0));
        let first = fleet.told.get(before).map(|told| told.key.clone());
        found += usize::from(first.is_some_and(|key| key.rule == RULE));
        let named: Vec<_> = fleet
            .book
            .incidents()
            .map(|(.., incident)| incident.value.clone())
            .collect();
        assert_eq!(named, ["p0/r0/z2"], "trial {seed}");
    }
    assert_eq!(found, 6, "trials in which the incident came first");
}

#[test]
fn an_incident_that_its_series_have_got_used_to_is_over_soon_after_its_end() {
    let phases = |fleet: &Measured| -> Vec<&str> {
        let incidents = fleet.book.incidents();
        incidents
            .map(|(_, entry, _)| entry.alert.phase.as_str())
            .collect()
    };
    let mut fleet = Measured::new(3, FEW_AGENTS, 0.1);
    (0..60).for_each(|_| fleet.minute(0.0));
    (0..20).for_each(|_| fleet.minute(12.0));
    assert_eq!(phases(&fleet), ["firing"]);
    (0..8).for_each(|_| fleet.minute(0.0));
    assert_eq!(phases(&fleet), ["recovering"]);
    (0..40).for_each(|_| fleet.minute(0.0));
    assert_eq!(phases(&fleet), ["resolved"]);
}

#[test]
fn three_slow_minutes_of_a_zone_raise_nothing() {
    for seed in 0..3 {
        let mut fleet = Measured::new(seed, FEW_AGENTS, 0.3);
        (0..60).for_each(|_| fleet.minute(0.0));
        (0..3).for_each(|_| fleet.minute(20.0));
        (0..30).for_each(|_| fleet.minute(0.0));
        assert_eq!(fleet.told_of(), [""; 0], "trial {seed}");
    }
}

/// Incidents on days on which nothing happens.
fn quiet_days(days: u64) -> usize {
    (0..days)
        .map(|seed| {
            let mut fleet = Measured::new(seed + 77, FEW_AGENTS, 0.4);
            (0..1_440).for_each(|_| fleet.minute(0.0));
            fleet.told_of().into_iter().filter(|rule| *rule == RULE).count()
        })
        .sum()
}

#[test]
fn a_quiet_day_raises_no_incident() {
    assert_eq!(quiet_days(1), 0);
}

#[test]
#[ignore = "long form: thirty quiet days"]
fn thirty_quiet_days_raise_hardly_an_incident() {
    let raised = quiet_days(30);
    println!(
        "{raised} incidents in 30 days of {} series",
        FEW_AGENTS * FEW_ZONES
    );
    assert!(raised <= 1, "{raised} incidents in 30 quiet days");
}
