//! Random lives against the judge: any order of pushes, deliveries, kills, power cuts at any disk operation, full,
//! read-only and failing disks. Nothing flushed is lost, nothing is counted twice, no sequence is given twice, every loss
//! has a tombstone, and the bounds hold. The same lives on a disk with a seeded fault must be caught.

use proptest::prelude::*;

use crate::collector::Fate;
use crate::disk::Faults;
use crate::life::{Life, SMALL_BYTES};

#[derive(Debug, Clone)]
enum Act {
    Intervals(usize),
    PushUnflushed,
    Deliver(Fate, usize),
    Kill,
    Restart,
    /// An orderly stop, then this happens to the disk, then a start.
    RestartOn(Faults),
    Reboot,
    PowerCut,
    /// The power goes after so many more operations, in the middle of whatever is being done then.
    PowerCutAfter(u64, usize),
    Disk(Faults),
}

fn faults() -> impl Strategy<Value = Faults> {
    prop_oneof![
        3 => Just(Faults::default()),
        1 => Just(Faults { read_only: true, ..Faults::default() }),
        1 => Just(Faults { failing_syncs: true, ..Faults::default() }),
        2 => (4_u64..60).prop_map(|kib| Faults { capacity_bytes: Some(kib * 1024), ..Faults::default() }),
        1 => (1_usize..200).prop_map(|most| Faults { short_writes: Some(most), ..Faults::default() }),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let fate = prop_oneof![
        4 => Just(Fate::Answered),
        2 => Just(Fate::NoConnection),
        1 => Just(Fate::RequestLost),
        1 => Just(Fate::AnswerLost),
        2 => Just(Fate::SomeRetried),
    ];
    prop_oneof![
        6 => (1_usize..60).prop_map(Act::Intervals),
        1 => Just(Act::PushUnflushed),
        6 => (fate, 1_usize..4).prop_map(|(fate, requests)| Act::Deliver(fate, requests)),
        1 => Just(Act::Kill),
        2 => Just(Act::Restart),
        2 => faults().prop_map(Act::RestartOn),
        1 => Just(Act::Reboot),
        1 => Just(Act::PowerCut),
        3 => (0_u64..60, 1_usize..40).prop_map(|(after, intervals)| Act::PowerCutAfter(after, intervals)),
        2 => faults().prop_map(Act::Disk),
    ]
}

/// The faults, on a disk that has the mutant's all the time.
fn on(mutant: &Faults, faults: &Faults) -> Faults {
    Faults {
        ignores_directory_sync: mutant.ignores_directory_sync,
        ignores_file_sync: mutant.ignores_file_sync,
        ..faults.clone()
    }
}

fn live(acts: &[Act], seed: u64, mutant: &Faults) -> (usize, usize, usize) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut life = Life::small();
    life.disk.set_faults(mutant.clone());
    for act in acts {
        match act {
            Act::Intervals(count) => life.intervals(*count),
            Act::PushUnflushed => life.push(),
            Act::Deliver(fate, requests) => {
                for _ in 0..*requests {
                    life.deliver(*fate);
                }
            }
            Act::Kill => life.kill(),
            Act::Restart => {
                life.restart();
            }
            Act::Reboot => life.reboot(),
            Act::PowerCut => life.power_cut(&mut rng),
            Act::PowerCutAfter(after, intervals) => {
                let at = life.disk.operations() + after;
                life.disk.set_faults(Faults {
                    power_off_at: Some(at),
                    ..life.disk.faults()
                });
                for turn in 0..*intervals {
                    life.interval();
                    if life.disk.is_off() {
                        break;
                    }
                    if turn % 4 == 0 {
                        life.deliver(Fate::Answered);
                    }
                }
                life.power_cut(&mut rng);
            }
            Act::Disk(faults) => life.disk.set_faults(on(mutant, faults)),
            Act::RestartOn(faults) => {
                life.close();
                life.disk.set_faults(on(mutant, faults));
                life.start();
            }
        }
        assert!(
            life.disk.peak_bytes() <= SMALL_BYTES,
            "{} bytes on disk",
            life.disk.peak_bytes()
        );
        let memory_bytes = life.spool().holdings().memory_bytes;
        assert!(
            memory_bytes <= life.limits.memory_max_bytes + 1024,
            "{memory_bytes} bytes in memory"
        );
    }
    life.end(false)
}

/// How many random lives; `SPOOL_LIVES=20000` for a night.
fn lives() -> u32 {
    std::env::var("SPOOL_LIVES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: lives(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_flushed_is_lost_nothing_is_doubled_every_loss_has_a_tombstone(
        acts in prop::collection::vec(act(), 1..25), seed in any::<u64>(),
    ) {
        live(&acts, seed, &Faults::default());
    }
}

/// Found by the property: a write that a full disk cut short was there to read for the next run, which deleted what it
/// replaced; then the power took it, and nothing was left of either.
#[test]
fn what_was_flushed_outlives_a_write_cut_short_a_restart_and_a_power_cut() {
    let full = Faults {
        capacity_bytes: Some(37_888),
        ..Faults::default()
    };
    let acts = [
        Act::Disk(full),
        Act::Intervals(50),
        Act::Kill,
        Act::Kill,
        Act::Intervals(61),
        Act::RestartOn(Faults::default()),
        Act::PowerCut,
    ];
    for seed in 0..50 {
        live(&acts, seed, &Faults::default());
    }
}

/// Every operation of a scripted life is the one the power goes with.
#[test]
fn the_power_may_go_at_any_operation() {
    let script = |life: &mut Life| {
        for turn in 0..150 {
            life.interval();
            if turn % 10 == 3 {
                life.deliver(Fate::Answered);
            }
            if turn == 70 {
                life.restart();
            }
            if life.disk.is_off() {
                return;
            }
        }
    };
    let mut whole = Life::small();
    script(&mut whole);
    let operations = whole.disk.operations();
    assert!(operations > 300, "{operations}");
    for at in 1..=operations {
        let mut life = Life::small();
        life.disk.set_faults(Faults {
            power_off_at: Some(at),
            ..Faults::default()
        });
        script(&mut life);
        life.power_cut(&mut fastrand::Rng::with_seed(at));
        life.intervals(2);
        life.end(false);
    }
}

/// A judge that cannot convict proves nothing: the same lives on disks that do not sync must be found out.
#[test]
fn a_disk_that_does_not_sync_is_found_out() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    for mutant in [
        Faults {
            ignores_directory_sync: true,
            ..Faults::default()
        },
        Faults {
            ignores_file_sync: true,
            ..Faults::default()
        },
    ] {
        let mut runner = TestRunner::deterministic();
        let quiet = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let caught = (0..60_u64).any(|seed| {
            let acts = prop::collection::vec(act(), 10..25)
                .new_tree(&mut runner)
                .unwrap()
                .current();
            std::panic::catch_unwind(|| live(&acts, seed, &mutant)).is_err()
        });
        std::panic::set_hook(quiet);
        assert!(caught, "{mutant:?} went unnoticed");
    }
}
