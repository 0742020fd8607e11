//! No room: bounds, resolution before data, oldest first, memory when the disk takes nothing. Measuring never stops.

use azimuth_agent::spool::{Limits, State};

use crate::collector::Fate;
use crate::disk::Faults;
use crate::life::{Life, SMALL_BYTES};

#[test]
fn resolution_goes_first_then_the_oldest_and_the_bound_holds() {
    let mut life = Life::small();
    let mut lengths = Vec::new();
    for _ in 0..4_000 {
        life.interval();
        let counters = life.spool().counters();
        lengths.push((counters.merged_away, counters.dropped));
    }
    assert!(
        life.disk.peak_bytes() <= SMALL_BYTES,
        "{} bytes",
        life.disk.peak_bytes()
    );
    assert_eq!(life.spool().state(), &State::Disk);
    let first_merge = lengths.iter().position(|counts| counts.0 > 0).unwrap();
    let first_drop = lengths.iter().position(|counts| counts.1 > 0).unwrap();
    assert!(
        first_merge * 4 < first_drop,
        "merged from {first_merge}, dropped from {first_drop}"
    );
    let (counted, buried, vanished) = life.end(false);
    assert_eq!((counted + buried, vanished), (4_000, 0));
    assert!(buried > 500, "{buried} were dropped");
    let newest_buried = (0..4_000)
        .rfind(|&token| !life.collector.counted.contains_key(&token))
        .unwrap();
    assert_eq!(
        newest_buried as usize + 1,
        buried,
        "the oldest were dropped, and only they"
    );
    let lengths: Vec<u32> = life.collector.lengths_ms.keys().copied().collect();
    assert_eq!(lengths, vec![10_000, 60_000, 600_000]);
}

#[test]
fn an_orderly_restart_does_not_cost_the_right_to_merge_and_a_reboot_does() {
    let outage = |between: fn(&mut Life)| {
        let mut life = Life::small();
        life.intervals(80);
        between(&mut life);
        life.intervals(300);
        let counters = life.spool().counters();
        life.end(false);
        (
            counters.merged_away > 0,
            life.collector.lengths_ms.get(&10_000).copied().unwrap_or(0),
        )
    };
    let (merged, fine) = outage(|life| assert!(life.restart()));
    let (merged_too, fine_after_reboot) = outage(Life::reboot);
    assert!(merged && merged_too);
    assert!(
        fine < 60 && fine_after_reboot >= 80,
        "{fine}, {fine_after_reboot}"
    );
}

#[test]
fn a_full_disk_never_stops_measuring_and_all_goes_down_when_there_is_room() {
    let mut life = Life::small();
    life.intervals(5);
    let held = life.spool().holdings().disk_bytes;
    life.disk.set_faults(Faults {
        capacity_bytes: Some(held + 100),
        ..Faults::default()
    });
    life.intervals(10);
    let State::Memory { reason, .. } = life.spool().state().clone() else {
        panic!("in memory")
    };
    assert!(!reason.is_empty());
    assert_eq!(life.spool().holdings().reports, 15);
    assert!(life.spool().holdings().memory_bytes > 0);
    life.disk.set_faults(Faults::default());
    life.interval();
    assert_eq!(life.spool().state(), &State::Disk);
    assert_eq!(life.spool().holdings().memory_bytes, 0);
    life.kill();
    assert_eq!(life.end(false), (16, 0, 0));
}

#[test]
fn a_full_disk_can_still_be_emptied() {
    let mut life = Life::small();
    life.intervals(60);
    let held = life.spool().holdings().disk_bytes;
    life.disk.set_faults(Faults {
        capacity_bytes: Some(held),
        ..Faults::default()
    });
    life.intervals(3);
    assert!(matches!(life.spool().state(), State::Memory { .. }));
    for _ in 0..8 {
        life.deliver(Fate::Answered);
        life.interval();
    }
    assert!(
        life.spool().holdings().disk_bytes < held / 2,
        "{:?}",
        life.spool().holdings()
    );
    assert_eq!(life.spool().state(), &State::Disk, "it made its own room");
    assert_eq!(life.end(false), (71, 0, 0));
}

#[test]
fn memory_is_bounded_too_and_loses_resolution_first() {
    let mut life = Life::small();
    life.disk.set_faults(Faults {
        read_only: true,
        ..Faults::default()
    });
    for _ in 0..1_000 {
        life.interval();
        let held = life.spool().holdings();
        assert!(held.memory_bytes <= life.limits.memory_max_bytes, "{held:?}");
    }
    let counters = life.spool().counters();
    assert!(counters.merged_away > 0 && counters.dropped > 0, "{counters:?}");
    let (counted, buried, vanished) = life.end(false);
    assert_eq!((counted + buried, vanished), (1_000, 0));
    assert!(counted > 60, "{counted}");
}

#[test]
fn below_the_floor_nothing_grows() {
    let limits = Limits {
        free_floor_bytes: 10_000,
        ..Limits::default()
    };
    let mut life = Life::new(limits);
    life.intervals(5);
    let held = life.spool().holdings().disk_bytes;
    life.disk.set_faults(Faults {
        capacity_bytes: Some(held + 9_000),
        ..Faults::default()
    });
    // A twentieth of so small a disk is less than the floor: that much is really left free.
    life.intervals(100);
    let State::Memory { reason, .. } = life.spool().state().clone() else {
        panic!("in memory")
    };
    assert!(reason.contains("below the floor"), "{reason}");
    assert!(life.spool().holdings().disk_bytes < held + 9_000);
    assert_eq!(life.end(false), (105, 0, 0));
}

#[test]
fn a_read_only_start_delivers_what_is_there_and_measures_on() {
    let mut life = Life::small();
    life.intervals(5);
    life.disk.set_faults(Faults {
        read_only: true,
        ..Faults::default()
    });
    life.kill();
    life.intervals(3);
    assert!(matches!(life.spool().state(), State::Memory { .. }));
    for _ in 0..3 {
        life.deliver(Fate::Answered);
    }
    assert_eq!(life.collector.counted.len(), 8);
    life.kill();
    life.intervals(2);
    assert_eq!(life.end(false), (10, 0, 0));
}

/// What an orderly close says never left is believed by the next run that can write. A run that cannot write must therefore
/// not send it: it would leave no trace of that.
#[test]
fn a_run_that_leaves_no_trace_sends_nothing_that_may_still_be_merged() {
    let mut life = Life::small();
    life.intervals(80);
    life.spool.take().unwrap().close(life.now);
    life.disk.set_faults(Faults {
        read_only: true,
        ..Faults::default()
    });
    life.start();
    for _ in 0..10 {
        life.deliver(Fate::Answered);
    }
    assert!(life.collector.counted.is_empty());
    life.spool = None;
    life.disk.set_faults(Faults::default());
    life.start();
    life.intervals(200);
    assert!(life.spool().counters().merged_away > 0);
    assert_eq!(life.end(false), (280, 0, 0));
}

/// A step that makes room is carried out in memory first, so the disk must show first that it takes anything.
#[test]
fn a_failing_disk_at_its_bound_gives_up_nothing() {
    for fault in 0..3 {
        let mut life = Life::new(Limits {
            max_bytes: SMALL_BYTES,
            ..Limits::default()
        });
        while life.spool().counters().dropped == 0 {
            life.interval();
        }
        let before = life.spool().counters();
        let held = life.spool().holdings().disk_bytes;
        life.disk.set_faults(match fault {
            0 => Faults {
                failing_syncs: true,
                ..Faults::default()
            },
            1 => Faults {
                read_only: true,
                ..Faults::default()
            },
            _ => Faults {
                capacity_bytes: Some(held + 700),
                ..Faults::default()
            },
        });
        life.intervals(60);
        let after = life.spool().counters();
        let given_up = (after.dropped - before.dropped) + (after.merged_away - before.merged_away);
        let memory_bytes = life.spool().holdings().memory_bytes;
        assert_eq!(given_up, 0, "fault {fault}");
        assert!(
            memory_bytes < 60 * 420 + 2 * 4_096,
            "fault {fault}: {memory_bytes} bytes lifted into memory"
        );
        life.end(false);
    }
}

#[test]
fn an_epoch_goes_on_only_when_that_is_on_disk() {
    let mut life = Life::small();
    life.intervals(3);
    let epoch = life.spool().epoch();
    life.spool.take().unwrap().close(life.now);
    life.disk.set_faults(Faults {
        read_only: true,
        ..Faults::default()
    });
    life.start();
    assert!(life.spool().epoch() > epoch);
    life.intervals(2);
    life.deliver(Fate::Answered);
    life.disk.set_faults(Faults::default());
    // The order to stop is the last thing on disk, so this run goes on where that one ended: with sequence 4, for the first time.
    life.kill();
    life.intervals(2);
    assert_eq!(life.pushes.names.last(), Some(&(epoch, 5)));
    life.end(false);
}

#[test]
fn a_failed_sync_is_never_taken_for_a_success_later() {
    let mut life = Life::small();
    life.intervals(3);
    life.disk.set_faults(Faults {
        failing_syncs: true,
        ..Faults::default()
    });
    life.interval();
    assert!(matches!(life.spool().state(), State::Memory { .. }));
    life.disk.set_faults(Faults::default());
    life.interval();
    assert_eq!(life.spool().state(), &State::Disk);
    for seed in 0..20 {
        let mut after = life.fork();
        after.power_cut(&mut fastrand::Rng::with_seed(seed));
        assert_eq!(after.end(false), (5, 0, 0));
    }
}
