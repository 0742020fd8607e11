//! Addresses that are somebody else's are asked less often while they fail, and nobody else is; what was not sent is no loss.

use azimuth_agent::clock::{Monotonic, NS_PER_S};
use azimuth_agent::probe::back_offs::Turned;
use azimuth_agent::probe::{ProbeToken, SeriesPlan};
use azimuth_measurement::Method;

use super::network::{FINE, Fate, World, stamp_series};
use super::prober::{assert_accounted, total};

const PERIOD_S: i64 = 30;
const LOST: Fate = Fate {
    answers_ns: &[],
    ..FINE
};

/// The same address by two methods: a reflector of ours, and one that backs off.
fn plans() -> [SeriesPlan; 2] {
    let plan = stamp_series(30_000, 2_000, None);
    let public = SeriesPlan {
        method: Method::TcpConnect,
        backs_off: Some(7),
        ..plan.clone()
    };
    [plan, public]
}

/// When each probe of a series was sent, in seconds.
fn sent_s<F>(world: &World<F>, series: u32) -> Vec<i64> {
    let transmits = world.transmits.iter().filter(|(of, _)| *of == series);
    transmits.map(|(_, at_ns)| at_ns / NS_PER_S).collect()
}

#[test]
fn a_public_address_that_is_down_for_an_hour_is_asked_seldom_and_at_once_as_ever_when_it_is_back() {
    let is_up = std::rc::Rc::new(std::cell::Cell::new(true));
    let of_world = std::rc::Rc::clone(&is_up);
    let mut world = World::new(
        &plans(),
        move |_: ProbeToken| {
            if of_world.get() { FINE } else { LOST }
        },
    );
    world.run(599 * NS_PER_S);
    is_up.set(false);
    world.run(4_199 * NS_PER_S);
    let held = world.core.back_offs();
    assert_eq!((held.begun, held.ended), (1, 0));
    is_up.set(true);
    world.run(7_805 * NS_PER_S);
    world.close();
    assert_accounted(&world.closed);

    let [ours, public] = [sent_s(&world, 0), sent_s(&world, 1)];
    assert_eq!(ours.len(), 261, "a reflector of ours is asked all the time");
    let gaps = public.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(
        gaps.clone()
            .all(|gap| gap % PERIOD_S == 0 && (PERIOD_S..=300).contains(&gap))
    );
    let while_down = public.iter().filter(|at| (600..4_200).contains(*at)).count();
    assert!((15..30).contains(&while_down), "{while_down} of 120");
    let back = public.iter().position(|at| *at >= 4_200).expect("asked again");
    assert!(public[back] <= 4_500, "within the longest pause");
    let after = &public[back..];
    assert!(
        after.windows(2).all(|pair| pair[1] - pair[0] == PERIOD_S),
        "{after:?}"
    );

    let [of_ours, counts] = [total(&world.closed, 0), total(&world.closed, 1)];
    assert_eq!(counts.sent as usize, public.len());
    assert_eq!(counts.lost() as usize, while_down, "what was not sent is no loss");
    assert_eq!(
        (counts.skipped, counts.send_errors),
        (0, 0),
        "nor is the host to blame"
    );
    assert_eq!(of_ours.lost(), 120);
    let backed_off = world.core.back_offs();
    assert_eq!(
        backed_off.left_out,
        261 - counts.sent,
        "each slot that is not there"
    );
    assert_eq!((backed_off.begun, backed_off.ended), (1, 1));
    let notices: Vec<_> = std::iter::from_fn(|| world.core.poll_notice()).collect();
    assert_eq!(notices.len(), 2, "said once each: {notices:?}");
    assert!(matches!(notices[0].what, Turned::Slower(_)) && matches!(notices[1].what, Turned::AsEver(_)));
}

#[test]
fn ordinary_loss_slows_nothing_down() {
    // Three losses in a row, over and over.
    let fate = |token: ProbeToken| if token.sequence % 4 == 3 { FINE } else { LOST };
    let mut world = World::new(&plans(), fate);
    world.run(7_205 * NS_PER_S);
    assert_eq!(sent_s(&world, 0), sent_s(&world, 1));
    assert_eq!(world.core.back_offs().begun, 0);
}

#[test]
fn a_series_that_is_paused_meanwhile_stays_so_and_is_not_hurried_when_it_comes_back() {
    let mut world = World::new(&plans(), |_: ProbeToken| LOST);
    let mut now_s = 1_500;
    // Just after a loss was noticed.
    while sent_s(&world, 1).last().is_none_or(|last_s| *last_s < 1_500) {
        now_s += PERIOD_S;
        world.run((now_s + 5) * NS_PER_S);
    }
    let before = sent_s(&world, 1);
    world.core.pause(1);
    world.run((now_s + 45) * NS_PER_S);
    assert_eq!(sent_s(&world, 1), before, "paused");
    let now = Monotonic::from_ns((now_s + 45) * NS_PER_S);
    world.core.resume(1, now);
    world.run((now_s + 600) * NS_PER_S);
    let after = sent_s(&world, 1);
    let pause = after[before.len()] - before[before.len() - 1];
    assert!((150..=300).contains(&pause), "{pause}");
}
