//! Random kills of either side, or both. `AZIMUTH_KILLS=1000` for a night.

use std::time::Duration;

use crate::world::World;

fn cycles() -> usize {
    let asked = std::env::var("AZIMUTH_KILLS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(60)
}

#[test]
fn nothing_on_the_agents_disk_is_lost_or_doubled_by_kills_on_both_sides() {
    let world = World::new();
    let mut random = fastrand::Rng::with_seed(7);
    let orders = world.orders("paris-1", "collector", 1_000_000);
    let mut collector = world.collector("collector", &[]);
    let mut agent = orders.start();
    let cycles = cycles();
    for cycle in 1..=cycles {
        std::thread::sleep(Duration::from_millis(random.u64(5..150)));
        // One side in four of five cycles, both in the fifth.
        let both = random.u8(..5) == 0;
        let kill_agent = random.bool();
        if both || kill_agent {
            agent.kill().unwrap();
            agent.wait().unwrap();
            agent = orders.start();
        }
        if both || !kill_agent {
            collector.kill();
            collector = world.collector("collector", &[]);
        }
        if cycle % 100 == 0 {
            eprintln!("{cycle} of {cycles} kills");
        }
    }
    agent.kill().unwrap();
    agent.wait().unwrap();
    let found = world.judge(&orders, &mut collector);
    eprintln!("{cycles} kills, {found} reports, none lost, none doubled");
    assert!(
        found > cycles / 2,
        "the loop must have delivered something: {found}"
    );
}
