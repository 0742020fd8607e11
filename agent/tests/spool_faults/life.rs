//! One agent's life on one disk, run by run: what the tests do to it in one place. And the plain stories: outage, restart,
//! restored image.

use azimuth_agent::spool::{Limits, Now, Setup, Spool, State, SyncPolicy};
use azimuth_measurement::codec::{BatchItem, decode_report};
use azimuth_measurement::{LossCause, Tombstone};

use crate::collector::{Collector, Fate, Pushes};
use crate::disk::{Faults, ForgetfulDisk};

/// 2026-01-01T00:00:00Z, on every grid.
pub(crate) const START_UNIX_MS: u64 = 1_767_225_600_000;
/// A small spool: a hundred reports, segments of 4 KiB.
pub(crate) const SMALL_BYTES: u64 = 48 * 1024;

pub(crate) struct Life {
    pub(crate) disk: ForgetfulDisk,
    pub(crate) spool: Option<Spool>,
    pub(crate) collector: Collector,
    pub(crate) pushes: Pushes,
    pub(crate) limits: Limits,
    pub(crate) boot: u64,
    pub(crate) now: Now,
    /// The first token of this run: what earlier runs left unflushed is not made up for by a flush of this one.
    run_began_at: usize,
}

impl Life {
    /// The same life from here on, on a disk of its own.
    pub(crate) fn fork(&self) -> Self {
        Self {
            disk: self.disk.image(),
            spool: None,
            collector: self.collector.clone(),
            pushes: self.pushes.clone(),
            limits: self.limits.clone(),
            boot: self.boot,
            now: self.now,
            run_began_at: self.run_began_at,
        }
    }

    pub(crate) fn new(limits: Limits) -> Self {
        let now = Now {
            unix_ms: START_UNIX_MS,
            monotonic_ms: 500_000,
        };
        let mut life = Self {
            disk: ForgetfulDisk::new(),
            spool: None,
            collector: Collector::default(),
            pushes: Pushes::default(),
            limits,
            boot: 1,
            now,
            run_began_at: 0,
        };
        life.start();
        life
    }

    pub(crate) fn small() -> Self {
        Self::new(Limits {
            max_bytes: SMALL_BYTES,
            memory_max_bytes: 8 * 1024,
            ..Limits::default()
        })
    }

    pub(crate) fn setup(&self) -> Setup {
        Setup {
            agent: "paris-1".parse().unwrap(),
            boot: self.boot,
            limits: self.limits.clone(),
            sync: SyncPolicy::EveryFlush,
        }
    }

    pub(crate) fn start(&mut self) {
        self.run_began_at = self.pushes.names.len();
        self.spool = Some(Spool::open(self.disk.boxed(), self.setup(), self.now));
    }

    pub(crate) fn spool(&mut self) -> &mut Spool {
        self.spool.as_mut().unwrap()
    }

    pub(crate) fn pass_ms(&mut self, ms: u64) {
        self.now.unix_ms += ms;
        self.now.monotonic_ms += ms;
    }

    /// One interval passes, is pushed and flushed.
    pub(crate) fn interval(&mut self) {
        self.push();
        self.flush();
    }

    pub(crate) fn push(&mut self) {
        let report = self.pushes.report(self.now.unix_ms / 10_000 * 10_000);
        self.pass_ms(10_000);
        let ended_at_ms = self.now.monotonic_ms;
        let name = self.spool().push(report, ended_at_ms);
        self.pushes.pushed(name);
    }

    pub(crate) fn flush(&mut self) {
        let now = self.now;
        let on_disk = *self.spool().flush(now) == State::Disk;
        if on_disk && !self.disk.is_off() {
            self.note_flushed();
        }
    }

    fn note_flushed(&mut self) {
        self.pushes.flushed[self.run_began_at..].fill(true);
    }

    pub(crate) fn intervals(&mut self, count: usize) {
        for _ in 0..count {
            self.interval();
        }
    }

    pub(crate) fn deliver(&mut self, fate: Fate) -> bool {
        let now = self.now;
        let Some(dispatch) = self.spool().next_dispatch(now, 1 << 20) else {
            return false;
        };
        let mut spool = self.spool.take().unwrap();
        self.collector.carry(&mut spool, dispatch, fate);
        self.spool = Some(spool);
        true
    }

    /// The process dies; the machine goes on.
    pub(crate) fn kill(&mut self) {
        self.spool = None;
        self.start();
    }

    /// The power goes and comes back.
    pub(crate) fn power_cut(&mut self, rng: &mut fastrand::Rng) {
        self.spool = None;
        self.disk.power_cut(rng);
        self.boot += 1;
        self.now.monotonic_ms = 1_000;
        self.start();
    }

    pub(crate) fn restart(&mut self) -> bool {
        let closed = self.close();
        self.start();
        closed
    }

    pub(crate) fn close(&mut self) -> bool {
        let closed = self.spool.take().unwrap().close(self.now);
        if closed {
            self.note_flushed();
        }
        closed
    }

    pub(crate) fn reboot(&mut self) {
        self.close();
        self.boot += 1;
        self.now.monotonic_ms = 1_000;
        self.start();
    }

    /// The faults end, everything is delivered, and the judge is asked.
    pub(crate) fn end(&mut self, rotten: bool) -> (usize, usize, usize) {
        self.disk.set_faults(Faults::default());
        self.flush();
        let now = self.now;
        let mut spool = self.spool.take().unwrap();
        self.collector.drain(&mut spool, now);
        self.spool = Some(spool);
        self.pushes.judge(&self.collector, rotten)
    }
}

#[test]
fn an_orderly_restart_goes_on_with_epoch_and_sequence() {
    let mut life = Life::small();
    life.intervals(3);
    let epoch = life.spool().epoch();
    assert!(life.restart());
    life.interval();
    assert_eq!(life.pushes.names.last(), Some(&(epoch, 4)));
    assert_eq!(life.end(false), (4, 0, 0));
}

#[test]
fn a_kill_or_a_reboot_begins_a_new_epoch_and_loses_nothing_flushed() {
    let mut life = Life::small();
    life.intervals(3);
    let epoch = life.spool().epoch();
    life.kill();
    life.intervals(2);
    let second = life.spool().epoch();
    life.reboot();
    life.interval();
    let third = life.spool().epoch();
    assert!(epoch < second && second < third);
    assert_eq!(life.end(false), (6, 0, 0));
}

#[test]
fn what_is_settled_stays_settled_when_its_segments_are_gone() {
    let mut life = Life::small();
    for turn in 0..120 {
        life.interval();
        if turn % 7 != 3 {
            life.deliver(Fate::Answered);
        }
    }
    assert!(
        life.spool().holdings().disk_bytes < 12 * 1024,
        "segments go when all in them is settled"
    );
    let pending = life.spool().holdings().reports;
    life.kill();
    assert_eq!(
        life.spool().recovery().lost,
        vec![],
        "nothing settled is taken for lost"
    );
    assert!(life.spool().holdings().reports <= pending + 1);
    assert_eq!(life.end(false), (120, 0, 0));
}

#[test]
fn the_epoch_moves_on_even_when_the_wall_clock_went_back() {
    let mut life = Life::small();
    life.intervals(3);
    let epoch = life.spool().epoch();
    life.now.unix_ms = START_UNIX_MS - 86_400_000;
    life.kill();
    assert_eq!(life.spool().epoch(), epoch + 1);
    life.intervals(2);
    assert_eq!(life.end(false), (5, 0, 0));
}

#[test]
fn after_an_outage_the_newest_go_first_and_the_backlog_between() {
    let mut life = Life::small();
    for _ in 0..40 {
        life.interval();
        life.deliver(Fate::NoConnection);
    }
    let offered_before = life.collector.requests;
    assert_eq!(offered_before, 40);
    // The probe that finds the link again, then the live window, then the oldest.
    assert!(life.deliver(Fate::Answered));
    assert_eq!(life.collector.counted.len(), 1);
    assert!(life.deliver(Fate::Answered));
    let newest: Vec<u32> = (34..40).collect();
    assert!(
        newest
            .iter()
            .all(|token| life.collector.counted.contains_key(token)),
        "{:?}",
        life.collector.counted
    );
    assert!(!life.collector.counted.contains_key(&1));
    assert!(life.deliver(Fate::Answered));
    assert!(life.collector.counted.contains_key(&1));
    assert_eq!(life.end(false), (40, 0, 0));
}

/// What may have been sent cannot be merged, so an outage must not touch more than it has to.
#[test]
fn an_outage_burns_at_most_one_mergeable_report() {
    let outage = |fate| {
        let mut life = Life::small();
        for _ in 0..400 {
            life.interval();
            life.deliver(fate);
        }
        let counters = life.spool().counters();
        assert_eq!(
            (counters.dropped, counters.merge_refused),
            (0, 0),
            "resolution goes first"
        );
        assert_eq!(life.end(false), (400, 0, 0));
        counters.merged_away
    };
    let refused_connections = outage(Fate::NoConnection);
    let lost_requests = outage(Fate::RequestLost);
    assert!(refused_connections >= 300, "{refused_connections}");
    assert!(
        lost_requests + 6 >= refused_connections,
        "{lost_requests} against {refused_connections}"
    );
}

#[test]
fn ages_are_monotonic_within_a_boot_and_by_the_wall_clock_after() {
    let mut life = Life::small();
    life.intervals(2);
    life.pass_ms(30_000);
    // A stepped wall clock changes no age.
    life.now.unix_ms += 5_000_000;
    life.deliver(Fate::Answered);
    life.deliver(Fate::Answered);
    assert_eq!(life.collector.ages_ms, vec![40_000, 30_000]);
    life.now.unix_ms -= 5_000_000;
    life.interval();
    life.reboot();
    life.pass_ms(70_000);
    let now = life.now;
    let dispatch = life.spool().next_dispatch(now, 1 << 20).unwrap();
    assert_eq!(dispatch.uncertain_ages, 1);
    let mut spool = life.spool.take().unwrap();
    life.collector.carry(&mut spool, dispatch, Fate::Answered);
    assert_eq!(life.collector.ages_ms[2], 70_000);
}

#[test]
fn a_restored_image_and_a_copied_directory_never_reuse_a_sequence() {
    let mut life = Life::small();
    life.intervals(3);
    life.spool.take().unwrap().close(life.now);
    let image = life.disk.image();
    let copy = life.disk.copy();
    life.start();
    life.intervals(3);
    let original = life.disk.clone();
    // The image is put back: that takes a boot. The judge's `pushed` fails on any name given twice.
    life.spool = None;
    (life.disk, life.boot) = (image, 2);
    life.start();
    life.intervals(3);
    // The copy is started beside the original, in the same boot.
    (life.disk, life.boot) = (copy, 1);
    life.now.unix_ms += 1;
    life.start();
    life.push();
    // And the original goes on.
    life.disk = original;
    life.now.unix_ms += 1;
    life.start();
    life.push();
}

#[test]
fn refused_reports_leave_a_tombstone_and_wanted_manifests_come_again() {
    use azimuth_agent::spool::Verdict;
    let mut life = Life::small();
    life.intervals(2);
    let now = life.now;
    let dispatch = life.spool().next_dispatch(now, 1 << 20).unwrap();
    assert!(
        life.spool().settle(dispatch, &[Verdict::Stored]).is_err(),
        "one verdict for two items"
    );
    let dispatch = life.spool().next_dispatch(now, 1 << 20).unwrap();
    assert_eq!(dispatch.batch.items.len(), 1, "a probe");
    life.spool().settle(dispatch, &[Verdict::Refused]).unwrap();
    let (counters, held) = (life.spool().counters(), life.spool().holdings());
    assert_eq!(
        (
            counters.refused,
            counters.bad_answers,
            held.reports,
            held.tombstones
        ),
        (1, 1, 1, 1)
    );
    life.flush();
    life.kill();
    life.end(true);
    assert_eq!(
        life.collector.buried.values().copied().collect::<Vec<_>>(),
        vec![LossCause::Refused]
    );
}

#[test]
fn without_a_directory_it_works_from_memory_and_no_disk_fails() {
    let mut life = Life::small();
    life.spool = Some(Spool::in_memory(life.setup(), life.now));
    for _ in 0..300 {
        life.interval();
        assert!(life.spool().holdings().memory_bytes <= life.limits.memory_max_bytes);
    }
    let counters = life.spool().counters();
    assert_eq!((counters.write_failures, counters.read_failures), (0, 0));
    assert!(counters.merged_away > 0, "the bound was reached");
    assert!(matches!(life.spool().state(), State::Memory { .. }));
    life.spool().hurry();
    let now = life.now;
    let mut merged = 0;
    while let Some(dispatch) = life.spool().next_dispatch(now, usize::MAX) {
        let named = dispatch.batch.items.iter().map(|item| match item {
            BatchItem::Report { frame, .. } => decode_report(frame).unwrap().sequence,
            BatchItem::Tombstone(tombstone) => {
                merged += usize::from(tombstone.cause == LossCause::Merged);
                tombstone.first_sequence
            }
        });
        assert_eq!(named.collect::<Vec<_>>(), dispatch.sequences());
        let verdicts = vec![azimuth_agent::spool::Verdict::Stored; dispatch.batch.items.len()];
        life.spool().settle(dispatch, &verdicts).unwrap();
    }
    assert!(merged > 0);
    let spool = life.spool.take().unwrap();
    assert_eq!(spool.holdings().reports + spool.holdings().tombstones, 0);
    assert!(!spool.close(now), "nothing to go on with");
}

#[test]
fn reports_that_never_came_are_accounted_for() {
    let mut life = Life::small();
    life.interval();
    let gap = (life.now.unix_ms, life.now.unix_ms + 30_000);
    life.spool().skip(0, gap.0, gap.1);
    life.spool().skip(3, gap.0, gap.1);
    life.pass_ms(30_000);
    life.interval();
    assert_eq!(life.spool().counters().dropped, 3);
    // They are on disk like everything else.
    life.spool = None;
    life.start();
    life.spool().hurry();
    let now = life.now;
    let mut tombstones: Vec<Tombstone> = Vec::new();
    let mut reports = Vec::new();
    while let Some(dispatch) = life.spool().next_dispatch(now, usize::MAX) {
        for item in dispatch.batch.items {
            match item {
                BatchItem::Report { frame, .. } => reports.push(decode_report(&frame).unwrap().sequence),
                BatchItem::Tombstone(tombstone) => tombstones.push(tombstone),
            }
        }
    }
    reports.sort_unstable();
    assert_eq!(reports, [1, 5]);
    let [tombstone] = &tombstones[..] else {
        panic!("{tombstones:?}")
    };
    assert_eq!((tombstone.first_sequence, tombstone.last_sequence), (2, 4));
    assert_eq!((tombstone.start_unix_ms, tombstone.end_unix_ms), gap);
    assert_eq!(tombstone.cause, LossCause::QueueFull);
}
