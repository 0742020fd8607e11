//! A day without the collector, with simulated time; and a disk that is really full, with a real one.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use azimuth_agent::spool::picker::Turn;
use azimuth_agent::spool::{Limits, Now, Setup, Spool, State, SyncPolicy};

use crate::collector::{Collector, Fate, Pushes};
use crate::life::{Life, START_UNIX_MS};

/// Intervals of 10 s in a day.
const DAY: usize = 8_640;

/// A day's reports are more than twice this.
fn day_limits() -> Limits {
    Limits {
        max_bytes: 192 * 1024,
        memory_max_bytes: 8 * 1024,
        ..Limits::default()
    }
}

#[test]
fn a_day_without_the_collector_is_kept_within_the_bound_and_comes_back_live_first() {
    let mut life = Life::new(day_limits());
    life.intervals(20);
    while life.deliver(Fate::Answered) {}
    let (mut first_merge, mut first_drop) = (None, None);
    for interval in 0..DAY {
        life.interval();
        // The uplink tries about once a minute; some tries get a connection and no answer.
        if interval % 6 == 0 {
            let fate = if interval % 360 == 0 {
                Fate::RequestLost
            } else {
                Fate::NoConnection
            };
            life.deliver(fate);
        }
        let counters = life.spool().counters();
        if counters.merged_away > 0 {
            first_merge.get_or_insert(interval);
        }
        if counters.dropped > 0 {
            first_drop.get_or_insert(interval);
        }
    }
    assert!(life.disk.peak_bytes() <= day_limits().max_bytes);
    assert_eq!(life.spool().state(), &State::Disk, "it never left the disk");
    let first_merge = first_merge.expect("a day does not fit as it was measured");
    assert!(
        first_drop.is_none_or(|first_drop| first_drop > first_merge),
        "resolution goes before reports do"
    );
    let dropped = life.spool().counters().dropped as usize;

    // The link is back, and measuring goes on. Of what is sent from now on the backlog has a fifth.
    let before = life.collector.counted.len();
    assert!(life.deliver(Fate::Answered), "the probe that finds it");
    assert!(life.deliver(Fate::Answered), "and then the live window");
    let newest = life.pushes.names.len() as u32 - 1;
    assert!(
        life.collector.counted.contains_key(&newest),
        "the map is right first"
    );
    assert!(
        life.collector.counted.len() - before <= 14,
        "and not by way of the backlog"
    );
    let mut turns: BTreeMap<&str, usize> = BTreeMap::new();
    let mut intervals = 0;
    while life.spool().holdings().reports > 0 && intervals < 2_000 {
        life.interval();
        intervals += 1;
        let now = life.now;
        while let Some(dispatch) = life.spool().next_dispatch(now, 1 << 20) {
            let word = match dispatch.turn {
                Turn::Live => "live",
                Turn::Backlog => "backlog",
                Turn::Probe => "probe",
            };
            *turns.entry(word).or_default() += 1;
            let mut spool = life.spool.take().unwrap();
            life.collector.carry(&mut spool, dispatch, Fate::Answered);
            life.spool = Some(spool);
        }
    }
    let (live, backlog) = (turns["live"], turns["backlog"]);
    assert!(backlog * 4 <= live + 8, "{turns:?}");
    let (counted, buried, vanished) = life.end(false);
    assert_eq!((counted + buried, vanished), (life.pushes.names.len(), 0));
    assert_eq!(buried, dropped, "tombstones stand for exactly what was dropped");
}

/// A tmpfs in a mount namespace of the calling thread's own, with which it goes.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None` where mounting is not allowed.
    fn new(kib: u32) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).ok()?;
        let private = Command::new("mount").args(["--make-rprivate", "/"]).status();
        private.is_ok_and(|status| status.success()).then_some(())?;
        mount(&format!("size={kib}k"), directory.path()).then_some(Self(directory))
    }

    fn resize(&self, kib: u32) {
        assert!(mount(&format!("remount,size={kib}k"), self.0.path()));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

fn mount(options: &str, at: &Path) -> bool {
    let status = Command::new("mount")
        .args(["-t", "tmpfs", "-o", options, "tmpfs"])
        .arg(at)
        .status();
    status.is_ok_and(|status| status.success())
}

#[test]
fn on_a_really_full_disk_measuring_goes_on_and_all_goes_down_when_there_is_room() {
    let Some(disk) = SmallDisk::new(96) else {
        eprintln!("skipped: mounting a tmpfs needs root");
        return;
    };
    let place = disk.0.path().join("spool");
    let setup = || Setup {
        agent: "paris-1".parse().unwrap(),
        boot: 1,
        limits: Limits {
            memory_max_bytes: 24 * 1024,
            free_floor_bytes: 0,
            ..Limits::default()
        },
        sync: SyncPolicy::EveryFlush,
    };
    let mut now = Now {
        unix_ms: START_UNIX_MS,
        monotonic_ms: 1_000,
    };
    let mut pushes = Pushes::default();
    let mut spool = Spool::open_directory(&place, setup(), now);
    // Something else fills the disk, bit by bit, until the spool has no room to grow.
    let neighbour = disk.0.path().join("neighbour");
    let mut in_memory = 0;
    for interval in 0..1_500_usize {
        if interval == 40 {
            // Whatever is left; the last write fails, as it should.
            let _ = std::fs::write(&neighbour, vec![7; 96 * 1024]);
        }
        let report = pushes.report(now.unix_ms / 10_000 * 10_000);
        now.unix_ms += 10_000;
        now.monotonic_ms += 10_000;
        pushes.pushed(spool.push(report, now.monotonic_ms));
        in_memory += usize::from(*spool.flush(now) != State::Disk);
        assert!(spool.holdings().memory_bytes <= 24 * 1024);
    }
    let counters = spool.counters();
    // It looks before it writes, so the full disk never even tears a record.
    assert!(in_memory > 1_000, "{in_memory} {counters:?}");
    assert!(counters.merged_away > 0, "resolution goes first: {counters:?}");
    disk.resize(4_096);
    now.unix_ms += 120_000;
    now.monotonic_ms += 120_000;
    assert_eq!(spool.flush(now), &State::Disk, "there is room again");
    assert_eq!(spool.holdings().memory_bytes, 0, "and all of it is on disk");
    pushes.flushed.fill(true);
    // As after a kill.
    drop(spool);
    let mut spool = Spool::open_directory(&place, setup(), now);
    let mut collector = Collector::default();
    collector.drain(&mut spool, now);
    let (counted, buried, vanished) = pushes.judge(&collector, false);
    assert_eq!((counted + buried, vanished), (1_500, 0));
    assert_eq!(buried as u64, counters.dropped);
}
