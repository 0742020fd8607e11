//! Throughput tests of our own load the path now and then: delays of the path at rest are those of a life without them, to the last
//! one, and no probe is lost from the account.

use azimuth_agent::clock::{Moment, Monotonic, NS_PER_MS, NS_PER_S, Wall};
use azimuth_agent::probe::{Core, ProbeToken, SeriesPlan};
use azimuth_measurement::{DelayHistogram, LoadLabel, StampClock};

use super::network::{FINE, Fate, START_UNIX_NS, World, stamp_series};
use super::prober::{assert_accounted, delays, total};

const PERIOD_MS: u32 = 100;

/// A test a minute: loaded from the 20th second on, the queue drains in the 23rd.
fn load_at(second: i64) -> LoadLabel {
    match second % 60 {
        20..23 => LoadLabel::SelfLoad,
        23 => LoadLabel::PostLoad,
        _ => LoadLabel::Idle,
    }
}

/// At rest 2 ms and a little more every now and then; under load 110 ms and losses, 40 ms while the queue drains.
fn fate(token: ProbeToken, tests: bool) -> Fate {
    let second = i64::from(token.sequence) * i64::from(PERIOD_MS) / 1_000;
    let answers_ns: &'static [i64] = match (load_at(second), token.sequence % 7) {
        (LoadLabel::SelfLoad, 3) if tests => &[],
        (LoadLabel::SelfLoad, _) if tests => &[110 * NS_PER_MS],
        (LoadLabel::PostLoad, _) if tests => &[40 * NS_PER_MS],
        (_, 0) => &[2_600_000],
        _ => &[2 * NS_PER_MS],
    };
    Fate { answers_ns, ..FINE }
}

/// Ten minutes of two series, with tests or without, and whether loaded probes are counted apart.
fn ten_minutes(tests: bool, labels: bool) -> World<impl FnMut(ProbeToken) -> Fate> {
    let second = SeriesPlan {
        address: "192.0.2.2:8620".parse().expect("an address"),
        ..stamp_series(PERIOD_MS, 1_000, None)
    };
    let plans = [stamp_series(PERIOD_MS, 1_000, None), second];
    let mut world = World::new(&plans, move |token| fate(token, tests));
    if labels {
        let start = Moment {
            monotonic: Monotonic::from_ns(0),
            wall: Wall::from_unix_ns(START_UNIX_NS),
        };
        world.core = Core::labelling_load(&plans, 10_000, start);
    }
    for second in 0..600 {
        if tests && labels {
            world.core.set_load(load_at(second));
        }
        // Up to just before the next second, so that the first probe of it has its label.
        world.run((second + 1) * NS_PER_S - NS_PER_MS);
    }
    world.close();
    assert_accounted(&world.closed);
    world
}

fn p99_us(delays_us: &[(StampClock, u32)]) -> u32 {
    let mut all: Vec<u32> = delays_us.iter().map(|(_, us)| *us).collect();
    let histogram = DelayHistogram::from_values_us(&mut all);
    let mut dense = azimuth_measurement::histogram::Accumulator::new();
    dense.add(&histogram).expect("few");
    dense.quantile_us(0.99).expect("some")
}

#[test]
fn delays_at_rest_are_those_of_a_life_without_tests() {
    let (without, with) = (ten_minutes(false, false), ten_minutes(true, true));
    for (plain, labelled) in [(0, 0), (1, 3)] {
        let (alone, rest) = (delays(&without.closed, plain), delays(&with.closed, labelled));
        assert_eq!(p99_us(&alone), p99_us(&rest));
        assert!(rest.iter().all(|(_, us)| *us < 3_000), "nothing of the load");
        let loaded = delays(&with.closed, labelled + 1);
        assert!(
            !loaded.is_empty() && loaded.iter().all(|(_, us)| *us == 110_000),
            "and all of it"
        );
        let drained = delays(&with.closed, labelled + 2);
        assert!(!drained.is_empty() && drained.iter().all(|(_, us)| *us == 40_000));
        // Every probe is in one of the three, its loss too.
        let all = [0, 1, 2].map(|load| total(&with.closed, labelled + load));
        let before = total(&without.closed, plain);
        assert_eq!(all.iter().map(|counts| counts.sent).sum::<u64>(), before.sent);
        assert_eq!(all.iter().map(|counts| counts.skipped).sum::<u64>(), 0);
        let lost = all.map(|counts| counts.lost());
        assert!(lost[0] == 0 && lost[1] > 30 && lost[2] == 0, "{lost:?}");
        assert_eq!(before.lost(), 0);
    }
    // What would be seen otherwise.
    let mixed = ten_minutes(true, false);
    assert!(p99_us(&delays(&mixed.closed, 0)) > 100_000);
}
