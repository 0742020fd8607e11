//! What holds for the detector on any input: it refuses by name and does not panic, its memory is bounded, the same ticks
//! give the same events, it never looks ahead, and it knows no absolute time; scale and offset matter only through the
//! floors.

use azimuth_collector::alert::settings::{Floor, LevelSettings};
use azimuth_collector::alert::{Change, Delays, Detector, Event, Settings, Tick, TickRefused};
use azimuth_measurement::DelayHistogram;
use fastrand::Rng;
use proptest::prelude::*;

const STATE_BYTES: usize = 16 * 1024;

/// Delays in microseconds every four minutes; `None` is a lost probe.
type Samples = Vec<Option<u32>>;

fn run(settings: Settings, start_unix_ms: u64, samples: &[Option<u32>]) -> Vec<(usize, Event)> {
    let mut detector = Detector::new(settings);
    let mut all = Vec::new();
    for (index, &delay_us) in samples.iter().enumerate() {
        let mut events = Vec::new();
        let tick = Tick {
            start_unix_ms: start_unix_ms + index as u64 * 240_000,
            length_ms: 0,
            delays: delay_us.map_or(Delays::None, |delay_us| Delays::One { delay_us }),
            sent: 1,
            lost: u64::from(delay_us.is_none()),
        };
        detector.observe(&tick, &mut events).expect("ticks are in order");
        all.extend(events.into_iter().map(|event| (index, event)));
    }
    all
}

/// A path with levels that come and go, noise, spikes and losses.
fn restless() -> impl Strategy<Value = Samples> {
    let regime = (20_u32..250, 5_usize..120, 0_u32..3_000);
    (any::<u64>(), prop::collection::vec(regime, 2..8)).prop_map(|(seed, regimes)| {
        let mut rng = Rng::with_seed(seed);
        let mut samples = Samples::new();
        for (level_ms, length, noise_us) in regimes {
            for _ in 0..length {
                let spike = if rng.u32(0..25) == 0 {
                    rng.u32(0..200_000)
                } else {
                    0
                };
                let delay_us = level_ms * 1_000 + rng.u32(0..=noise_us) + spike;
                samples.push((rng.u32(0..60) != 0).then_some(delay_us));
            }
        }
        samples
    })
}

fn changes(events: &[(usize, Event)]) -> Vec<(usize, Change)> {
    let change = |(index, event): &(usize, Event)| match event {
        Event::Changed(change) => Some((*index, *change)),
        _ => None,
    };
    events.iter().filter_map(change).collect()
}

fn with_median_floor(floor: Floor) -> Settings {
    let settings = Settings::default();
    Settings {
        median: LevelSettings {
            floor,
            ..settings.median
        },
        ..settings
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn never_looks_ahead_and_is_deterministic(samples in restless(), cut in 0.0_f64..1.0) {
        let cut = (samples.len() as f64 * cut) as usize;
        let whole = run(Settings::default(), 0, &samples);
        let known: Vec<_> = whole.iter().copied().filter(|(index, _)| *index < cut).collect();
        prop_assert_eq!(run(Settings::default(), 0, &samples[..cut]), known);
        for (index, change) in changes(&whole) {
            prop_assert_eq!(change.fired_at_unix_ms, index as u64 * 240_000);
            prop_assert!(change.changed_at_unix_ms <= change.fired_at_unix_ms);
            prop_assert!(change.to.is_finite() && change.from.is_finite() && change.score.is_finite());
        }
    }

    #[test]
    fn knows_no_absolute_time(samples in restless(), weeks in 1_u64..3_000) {
        let later_ms = weeks * 7 * 86_400_000;
        let here = run(Settings::default(), 0, &samples);
        let there = run(Settings::default(), later_ms, &samples);
        let moved = changes(&there).into_iter().map(|(index, change)| {
            let back = Change {
                fired_at_unix_ms: change.fired_at_unix_ms - later_ms,
                changed_at_unix_ms: change.changed_at_unix_ms - later_ms,
                ..change
            };
            (index, back)
        });
        prop_assert_eq!(moved.collect::<Vec<_>>(), changes(&here));
    }

    #[test]
    fn scale_matters_only_through_the_absolute_floor(samples in restless()) {
        let relative = with_median_floor(Floor { absolute: 0.0, absolute_least: 0.0, absolute_share: 0.0, relative: 0.02 });
        let doubled: Samples = samples.iter().map(|delay| delay.map(|us| us * 2)).collect();
        let once = changes(&run(relative, 0, &samples));
        let twice = changes(&run(relative, 0, &doubled));
        let halved = twice.into_iter().map(|(index, change)| {
            let loss = change.statistic == azimuth_collector::alert::Statistic::Loss;
            let by = if loss { 1.0 } else { 2.0 };
            (index, Change { from: change.from / by, to: change.to / by, ..change })
        });
        prop_assert_eq!(halved.collect::<Vec<_>>(), once);
    }

    #[test]
    fn offset_matters_only_through_the_relative_floor(samples in restless(), offset_ms in 1_u32..500) {
        let fixed = Floor { absolute: 2_000.0, absolute_least: 2_000.0, absolute_share: 0.0, relative: 0.0 };
        let lifted: Samples = samples.iter().map(|delay| delay.map(|us| us + offset_ms * 1_000)).collect();
        let when = |samples: &[Option<u32>]| {
            let all = changes(&run(with_median_floor(fixed), 0, samples));
            all.into_iter().map(|(index, change)| (index, change.changed_at_unix_ms, change.to - change.from)).collect::<Vec<_>>()
        };
        prop_assert_eq!(when(&lifted), when(&samples));
    }

    #[test]
    fn no_tick_panics_and_state_stays_small(
        ticks in prop::collection::vec(
            (prop_oneof![0_u64..100_000_000, any::<u64>()], any::<u32>(), any::<u64>(), any::<u64>(), any::<u32>(),
             prop::collection::vec(1_u32..=60_000_000, 0..40)),
            0..200)
    ) {
        let mut detector = Detector::default();
        let mut events = Vec::new();
        for (start_unix_ms, length_ms, sent, lost, delay_us, mut delays_us) in ticks {
            let histogram = DelayHistogram::from_values_us(&mut delays_us);
            let delays = match delay_us % 3 {
                0 => Delays::None,
                1 => Delays::One { delay_us },
                _ => Delays::Histogram(&histogram),
            };
            let tick = Tick { start_unix_ms, length_ms, delays, sent, lost };
            let _ = detector.observe(&tick, &mut events);
        }
        prop_assert!(detector.state_bytes() <= STATE_BYTES);
    }
}

#[test]
fn state_stays_below_16_kib_over_three_dense_weeks() {
    let mut rng = Rng::with_seed(5);
    let mut detector = Detector::default();
    let mut events = Vec::new();
    let mut most = 0;
    for minute in 0..3 * 7 * 24 * 60_u64 {
        // Log-uniform over the whole range: no two delays share a bucket.
        let mut delays_us: Vec<u32> = (0..100).map(|_| (rng.f64() * 17.9).exp() as u32).collect();
        let histogram = DelayHistogram::from_values_us(&mut delays_us);
        let tick = Tick {
            start_unix_ms: minute * 60_000,
            length_ms: 60_000,
            delays: Delays::Histogram(&histogram),
            sent: 100,
            lost: 0,
        };
        detector.observe(&tick, &mut events).unwrap();
        events.clear();
        most = most.max(detector.state_bytes());
    }
    println!("state: {most} bytes");
    assert!(most <= STATE_BYTES, "{most}");
}

#[test]
fn ever_longer_gaps_up_to_the_end_of_time_are_survived() {
    let mut detector = Detector::default();
    let mut events = Vec::new();
    let doubling = (0..64).map(|power| 1_u64 << power);
    for start_unix_ms in doubling.chain([u64::MAX - 1, u64::MAX]) {
        let tick = Tick {
            start_unix_ms,
            length_ms: u32::MAX,
            delays: Delays::One { delay_us: 5_000 },
            sent: u64::MAX,
            lost: u64::MAX,
        };
        assert_eq!(detector.observe(&tick, &mut events), Ok(()));
    }
}

#[test]
fn a_tick_that_cannot_be_is_refused_by_name_and_changes_nothing() {
    let mut detector = Detector::default();
    let mut events = Vec::new();
    let good = Tick {
        start_unix_ms: 1_000,
        length_ms: 1_000,
        delays: Delays::One { delay_us: 5 },
        sent: 1,
        lost: 0,
    };
    detector.observe(&good, &mut events).unwrap();
    let bad = [
        (
            Tick {
                start_unix_ms: 999,
                ..good
            },
            "out_of_order",
        ),
        (Tick { lost: 2, ..good }, "counts"),
        (
            Tick {
                delays: Delays::One { delay_us: 0 },
                ..good
            },
            "delay",
        ),
    ];
    for (tick, reason) in bad {
        let refused: TickRefused = detector.observe(&tick, &mut events).unwrap_err();
        assert_eq!(refused.reason(), reason);
    }
    assert_eq!(events, []);
}
