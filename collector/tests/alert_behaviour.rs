//! What the detector makes of the shapes real paths have: dips, flapping, congested evenings, slow creep, staircases.
//! Samples every four minutes, made here.

use azimuth_collector::alert::weak::Kind;
use azimuth_collector::alert::{Change, Delays, Detector, Direction, End, Event, Statistic, Tick};

const SPACING_MS: u64 = 240_000;
const HOUR: usize = 15;

/// A path whose samples are told to a detector as they are made.
struct Path {
    detector: Detector,
    samples: u64,
    events: Vec<Event>,
}

impl Path {
    fn new() -> Self {
        Self {
            detector: Detector::default(),
            samples: 0,
            events: Vec::new(),
        }
    }

    fn sample(&mut self, delay_ms: f64) {
        let tick = Tick {
            start_unix_ms: self.samples * SPACING_MS,
            length_ms: 0,
            delays: Delays::One {
                delay_us: (delay_ms * 1_000.0) as u32,
            },
            sent: 1,
            lost: 0,
        };
        self.samples += 1;
        let taken = self.detector.observe(&tick, &mut self.events);
        taken.expect("ticks are in order");
    }

    /// So many samples around a level.
    fn at(mut self, level_ms: f64, samples: usize) -> Self {
        for _ in 0..samples {
            let waver_ms = (self.samples * 7 % 11) as f64 * 0.02;
            self.sample(level_ms + waver_ms);
        }
        self
    }

    /// Usual and slow in turns, slow in `slow` of five, spread widely.
    fn congested(mut self, usual_ms: f64, slow: u64, samples: usize) -> Self {
        for _ in 0..samples {
            let spread_ms = 15.0 + (self.samples * 13 % 17) as f64;
            let is_slow = self.samples * 3 % 5 < slow;
            self.sample(usual_ms + if is_slow { spread_ms } else { 0.0 });
        }
        self
    }

    fn changes(&self) -> Vec<Change> {
        let change = |event: &Event| match event {
            Event::Changed(change) => Some(*change),
            _ => None,
        };
        self.events.iter().filter_map(change).collect()
    }

    /// Samples from the change to the alert, for each alert.
    fn waits(&self) -> Vec<u64> {
        let alert = |change: &Change| {
            matches!(change.direction, Direction::Worse { .. })
                .then(|| (change.fired_at_unix_ms - change.changed_at_unix_ms) / SPACING_MS)
        };
        self.changes().iter().filter_map(alert).collect()
    }
}

#[test]
fn back_from_a_dip_of_less_than_an_hour_is_no_regression_and_of_more_is() {
    let dip = |samples| Path::new().at(150.0, 100).at(142.0, samples).at(150.0, 40);
    assert_eq!(dip(HOUR - 4).waits(), [0_u64; 0]);
    assert_eq!(dip(HOUR - 4).changes().len(), 2, "both changes are followed");
    assert_eq!(dip(HOUR + 10).waits(), [5]);
}

#[test]
fn a_path_that_cried_wolf_has_to_speak_longer() {
    let calm = Path::new().at(150.0, 200).at(158.0, 30);
    assert_eq!(calm.waits(), [5]);
    let mut flapping = Path::new().at(150.0, 60);
    for _ in 0..6 {
        flapping = flapping.at(158.0, 5).at(150.0, 25);
    }
    assert_eq!(flapping.waits(), [0_u64; 0], "five slow samples are not enough");
    let spoken = flapping.at(158.0, 40).waits();
    assert!(matches!(spoken[..], [10..=16]), "{spoken:?}");
}

#[test]
fn a_rise_of_three_times_the_floor_is_told_one_sample_sooner() {
    let rise = |by_ms| Path::new().at(150.0, 100).at(150.0 + by_ms, 30).waits();
    assert_eq!((rise(8.0), rise(10.0)), (vec![5], vec![4]));
}

#[test]
fn the_end_of_a_congested_evening_is_seen_through_its_own_noise() {
    let evening = Path::new().at(150.0, 120).congested(150.0, 4, 40).at(150.0, 30);
    let changes = evening.changes();
    assert_eq!(evening.waits().len(), 1, "{changes:?}");
    let end = changes.last().expect("changes");
    assert_eq!(end.direction, Direction::Better);
    assert!(
        end.changed_at_unix_ms.abs_diff(160 * SPACING_MS) <= 3 * SPACING_MS,
        "{end:?}"
    );
    assert!(matches!(
        evening.events.last(),
        Some(Event::Ended {
            end: End::Recovered,
            ..
        })
    ));
}

#[test]
fn a_minority_of_slow_samples_is_no_new_level() {
    assert_eq!(
        Path::new().at(150.0, 120).congested(150.0, 2, 60).waits(),
        [0_u64; 0]
    );
}

#[test]
fn a_small_rise_is_followed_silently() {
    let small = Path::new().at(150.0, 100).at(152.0, 60);
    let changes = small.changes();
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(changes[0].direction, Direction::WorseSilently);
    // From the level followed, not from the one of yesterday.
    let then = small.at(156.0, 30).changes();
    assert!((then[1].from - 152_100.0).abs() < 100.0, "{then:?}");
}

#[test]
fn what_is_hardly_a_step_is_left_in_the_reference() {
    let path = Path::new().at(150.0, 100).at(151.0, 60);
    assert_eq!(path.changes(), []);
    // So a rise right after it is held against a full reference, and told as soon as any.
    assert_eq!(path.at(158.0, 30).waits(), [5]);
}

#[test]
fn a_regression_back_within_the_hour_is_the_same_one() {
    let path = Path::new()
        .at(150.0, 100)
        .at(158.0, 60)
        .at(150.0, 10)
        .at(158.0, 30);
    assert_eq!(path.waits(), [5]);
    let after: Vec<_> = path
        .events
        .iter()
        .filter(|event| !matches!(event, Event::Changed(_)))
        .collect();
    assert!(
        matches!(
            after[..],
            [
                Event::Ended {
                    number: 0,
                    end: End::Recovered,
                    ..
                },
                Event::Reopened { number: 0, .. }
            ]
        ),
        "{after:?}"
    );
}

#[test]
fn each_step_of_a_staircase_is_told_with_its_own_time() {
    let stairs = Path::new().at(100.0, 100).at(110.0, 40).at(120.0, 40);
    let changes = stairs.changes();
    let times: Vec<u64> = changes
        .iter()
        .map(|change| change.changed_at_unix_ms / SPACING_MS)
        .collect();
    assert_eq!(times, [100, 140]);
    assert!(
        changes
            .iter()
            .all(|change| change.statistic == Statistic::Median && change.score > 2.0)
    );
}

/// Days with three slow hours each evening.
fn evenings(days: usize) -> Path {
    (0..days).fold(Path::new(), |path, _| {
        path.at(50.0, 19 * HOUR).at(70.0, 3 * HOUR).at(50.0, 2 * HOUR)
    })
}

/// When each alert fired, in hours since the first sample.
fn told_at_hour(path: &Path) -> Vec<u64> {
    let told = |change: &Change| {
        matches!(change.direction, Direction::Worse { .. }).then_some(change.fired_at_unix_ms / 3_600_000)
    };
    path.changes().iter().filter_map(told).collect()
}

const TWO_WEEKS: u64 = 14 * 24;

#[test]
fn an_evening_like_the_last_two_weeks_is_told_no_more() {
    let path = evenings(22);
    let told = told_at_hour(&path);
    assert_eq!(told.len(), 14, "{told:?}");
    assert!(told.iter().all(|hour| *hour < TWO_WEEKS), "{told:?}");
    let usual = path
        .changes()
        .into_iter()
        .filter(|change| change.usual_at_this_hour);
    assert_eq!(usual.count(), 8);
}

#[test]
fn an_evening_worse_than_the_last_two_weeks_is_told() {
    let path = evenings(15)
        .at(50.0, 19 * HOUR)
        .at(80.0, 3 * HOUR)
        .at(50.0, 2 * HOUR);
    assert_eq!(told_at_hour(&path).last(), Some(&(15 * 24 + 19)));
    // And one that gets worse in its middle.
    let path = evenings(15).at(50.0, 19 * HOUR).at(70.0, HOUR).at(85.0, 2 * HOUR);
    assert_eq!(told_at_hour(&path).last(), Some(&(15 * 24 + 20)));
}

#[test]
fn an_evening_that_does_not_end_is_told_two_hours_after_it_should_have() {
    let path = evenings(15).at(50.0, 19 * HOUR).at(70.0, 6 * HOUR).at(50.0, HOUR);
    let told = told_at_hour(&path);
    assert_eq!(told[14..], [16 * 24], "{told:?}");
    assert!(
        matches!(
            path.events.last(),
            Some(Event::Ended {
                end: End::Recovered,
                ..
            })
        ),
        "{:?}",
        path.events.last()
    );
}

#[test]
fn a_busy_hour_at_another_hour_is_told() {
    let path = evenings(15).at(50.0, 9 * HOUR).at(70.0, 3 * HOUR);
    assert_eq!(told_at_hour(&path).last(), Some(&(15 * 24 + 9)));
}

#[test]
fn a_usual_evening_is_no_evidence_to_pool_and_a_worse_one_is() {
    // The most that any sample of an evening says.
    let most = |days: usize, level_ms: f64| {
        let mut path = evenings(days).at(50.0, 19 * HOUR);
        let mut most = f64::MIN;
        for _ in 0..3 * HOUR {
            path = path.at(level_ms, 1);
            let weak = path.detector.take_weak().find(|(kind, _)| *kind == Kind::Delay);
            most = most.max(weak.map_or(f64::MIN, |(_, weak)| weak.score()));
        }
        most
    };
    assert!(most(10, 70.0) > 5.0, "{}", most(10, 70.0));
    assert!(most(15, 70.0) < 1.0, "{}", most(15, 70.0));
    assert!(most(15, 80.0) > 3.0, "{}", most(15, 80.0));
}

#[test]
fn a_rise_that_is_over_is_said_to_be_over_at_once_though_nothing_is_there_to_hold_it_against() {
    let mut path = Path::new().at(10.0, 4 * HOUR).at(22.0, 12);
    assert_eq!(path.waits().len(), 1, "the level before it was left");
    let mut said = Vec::new();
    for _ in 0..2 * HOUR {
        path = path.at(10.0, 1);
        said.extend(path.detector.take_weak().filter(|(kind, _)| *kind == Kind::Delay));
    }
    assert_eq!(said.len(), 2 * HOUR, "each sample says how things are");
    let down = said.iter().position(|(_, weak)| weak.level < 11_000.0);
    assert!(matches!(down, Some(..8)), "{down:?}");
    let news = said
        .iter()
        .filter(|(_, weak)| weak.is_evidence() && weak.score() > 3.0);
    assert!(news.count() < 8, "and no longer that it is worse");
}
