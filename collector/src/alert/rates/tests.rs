//! Drops of drawn rates, and what is none.

use super::*;
use crate::alert::Settings;

const HOUR: u64 = HOUR_MS;

/// A watch that is fed results some hours apart, and what came of it.
struct Story {
    watch: RateWatch,
    at_unix_ms: u64,
    next_number: u32,
    /// Number of the result with which it was said, and what.
    said: Vec<(usize, &'static str)>,
    events: Vec<Event>,
    fed: usize,
}

impl Story {
    fn new() -> Self {
        Self {
            watch: RateWatch::new(Statistic::Download, Settings::default().rates),
            at_unix_ms: 1_000,
            next_number: 0,
            said: Vec::new(),
            events: Vec::new(),
            fed: 0,
        }
    }

    fn feed(&mut self, mbps: f64, is_lower_bound: bool, congestion_control: &str) {
        let rate = Rate {
            at_unix_ms: self.at_unix_ms,
            bps: (mbps * 1e6) as u64,
            is_lower_bound,
            congestion_control: congestion_control.to_owned(),
        };
        let before = self.events.len();
        self.watch.observe(&rate, &mut self.next_number, &mut self.events);
        for event in &self.events[before..] {
            let what = match event {
                Event::Changed(_) => "worse",
                Event::Ended { end, .. } => end.as_str(),
                Event::Reopened { .. } => "reopened",
            };
            self.said.push((self.fed, what));
        }
        self.fed += 1;
        self.at_unix_ms += 4 * HOUR;
    }

    fn estimates(&mut self, mbps: impl IntoIterator<Item = f64>) {
        mbps.into_iter().for_each(|mbps| self.feed(mbps, false, "cubic"));
    }
}

/// Rates around `mbps` that scatter by a share, log-normally.
fn drawn(rng: &mut fastrand::Rng, mbps: f64, scatter: f64, results: usize) -> Vec<f64> {
    let mut normal = || (0..12).map(|_| rng.f64()).sum::<f64>() - 6.0;
    (0..results).map(|_| mbps * (scatter * normal()).exp()).collect()
}

#[test]
fn the_distribution_of_u_is_that_of_counting() {
    assert_eq!(ways_of_u(2, 2), [1.0, 1.0, 2.0, 1.0, 1.0]);
    assert_eq!(ways_of_u(3, 5).iter().sum::<f64>(), 56.0);
    let before: Vec<f64> = (10..20).map(f64::from).collect();
    assert_eq!(chance_of_so_low(&[1.0, 2.0, 3.0, 4.0], &before), 1.0 / 1_001.0);
    assert_eq!(
        chance_of_so_low(&[1.0, 2.0, 3.0, 10.0], &before),
        2.0 / 1_001.0,
        "a tie is not lower"
    );
    assert_eq!(chance_of_so_low(&[30.0, 31.0], &before), 1.0);
}

#[test]
fn a_rate_that_halves_is_told_with_the_fourth_result_and_so_is_its_end() {
    let mut story = Story::new();
    let mut rng = fastrand::Rng::with_seed(1);
    story.estimates(drawn(&mut rng, 500.0, 0.1, 16));
    let dropped_unix_ms = story.at_unix_ms;
    story.estimates(drawn(&mut rng, 240.0, 0.1, 5));
    story.estimates(drawn(&mut rng, 500.0, 0.1, 6));
    assert_eq!(story.said, [(19, "worse"), (22, "recovered")]);
    let Event::Changed(change) = story.events[0] else {
        panic!("a change comes first")
    };
    assert_eq!(change.changed_at_unix_ms, dropped_unix_ms);
    assert!(
        (450e6..550e6).contains(&change.from) && (200e6..280e6).contains(&change.to),
        "{change:?}"
    );
}

#[test]
fn what_lasts_a_day_is_the_new_level_and_a_drop_from_there_is_another() {
    let mut story = Story::new();
    let mut rng = fastrand::Rng::with_seed(2);
    story.estimates(drawn(&mut rng, 500.0, 0.05, 16));
    story.estimates(drawn(&mut rng, 250.0, 0.05, 20));
    story.estimates(drawn(&mut rng, 100.0, 0.05, 6));
    let what: Vec<_> = story.said.iter().map(|said| said.1).collect();
    assert_eq!(what, ["worse", "new_baseline", "worse"], "{:?}", story.said);
}

#[test]
fn lower_bounds_are_never_a_drop_and_fast_ones_end_one() {
    let mut story = Story::new();
    let mut rng = fastrand::Rng::with_seed(3);
    story.estimates(drawn(&mut rng, 500.0, 0.1, 20));
    (0..30).for_each(|_| story.feed(40.0, true, "cubic"));
    assert_eq!(story.said, []);
    story.estimates(drawn(&mut rng, 200.0, 0.1, 5));
    assert_eq!(story.said.len(), 1, "and they have not spoiled the reference");
    story.feed(40.0, true, "cubic");
    story.feed(600.0, true, "cubic");
    story.feed(600.0, true, "cubic");
    assert_eq!(story.said[1].1, "recovered");
}

#[test]
fn too_little_a_small_drop_one_slow_test_and_another_congestion_control_are_nothing() {
    let mut rng = fastrand::Rng::with_seed(4);
    let mut story = Story::new();
    story.estimates(drawn(&mut rng, 500.0, 0.05, 7));
    story.estimates(drawn(&mut rng, 100.0, 0.05, 6));
    assert_eq!(story.said, [], "seven results are no reference");

    let mut story = Story::new();
    story.estimates(drawn(&mut rng, 500.0, 0.02, 24));
    story.estimates(drawn(&mut rng, 400.0, 0.02, 24));
    assert_eq!(story.said, [], "a fifth less is below the floor");

    let mut story = Story::new();
    for _ in 0..10 {
        story.estimates(drawn(&mut rng, 500.0, 0.05, 10));
        story.estimates([90.0, 110.0]);
    }
    assert_eq!(story.said, [], "two slow tests of twelve are how it is");

    let mut story = Story::new();
    story.estimates(drawn(&mut rng, 500.0, 0.05, 20));
    (0..20).for_each(|_| story.feed(200.0, false, "bbr"));
    assert_eq!(story.said, []);
}

#[test]
fn nothing_is_said_of_drawn_rates_that_stay_what_they_are() {
    let mut rng = fastrand::Rng::with_seed(5);
    // By scatter: a shared line in the evening has 0.3.
    for (scatter, most) in [(0.1, 0), (0.3, 33)] {
        let mut alarms = 0;
        for _ in 0..150 {
            let mut story = Story::new();
            story.estimates(drawn(&mut rng, 300.0, scatter, 66));
            alarms += story.said.iter().filter(|said| said.1 == "worse").count();
        }
        // 150 series, eleven days each, six results a day: at most 0.02 per series-day.
        assert!(
            alarms <= most,
            "scatter {scatter}: {alarms} false alarms in 1,650 series-days"
        );
    }
}

#[test]
fn repeated_old_and_failed_results_change_nothing_and_memory_is_bounded() {
    let mut story = Story::new();
    let mut rng = fastrand::Rng::with_seed(6);
    story.estimates(drawn(&mut rng, 500.0, 0.3, 500));
    let kept = story.watch.level.clone();
    story.at_unix_ms -= 4 * HOUR;
    story.feed(1.0, false, "cubic");
    story.feed(0.0, false, "cubic");
    assert_eq!(story.watch.level, kept);
    assert!(
        story.watch.bytes() <= 2 * 64 * size_of::<Found>() + 256,
        "{}",
        story.watch.bytes()
    );
}
