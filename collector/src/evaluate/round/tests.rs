//! Rounds over a store in memory, on simulated time.

use std::collections::BTreeMap;
use std::path::Path;

use azimuth_measurement::ThroughputResult;

use super::*;
use crate::alert::lifecycle::Notice;
use crate::alert::rules::{RuleSet, read};
use crate::evaluate::page::Page;
use crate::store::conformance::throughput::result;
use crate::store::conformance::{T0, item, manifest_of, report_of, verified};
use crate::store::memory::MemoryStore;

const SLOT_MS: u64 = 10_000;
/// Slots of 10 ms before the step to 14 ms.
const BEFORE: u64 = 540;

struct World {
    store: MemoryStore,
    directory: tempfile::TempDir,
    rules: Arc<RuleSet>,
    stop: AtomicBool,
    slots: u64,
    /// A report every so many slots.
    every: usize,
    /// What a throughput test found that a report tells of, a minute after its end.
    rate_bps: fn(u64) -> Option<u64>,
    /// Why those below 200 Mbit/s ended, if not because they had settled.
    cut_by: Option<StopReason>,
}

impl World {
    fn new(rules: &str) -> Self {
        Self {
            store: MemoryStore::default(),
            directory: tempfile::tempdir().expect("a scratch directory"),
            rules: Arc::new(read([(Path::new("r.toml"), rules)]).expect("valid rules")),
            stop: AtomicBool::new(false),
            slots: 0,
            every: 1,
            rate_bps: |_| None,
            cut_by: None,
        }
    }

    fn desk(&self) -> Desk {
        let rules = Arc::clone(&self.rules);
        Desk::open(self.directory.path(), rules, Arc::default(), T0).expect("usable")
    }

    /// Stores reports up to this slot, at this level.
    fn measure(&mut self, to: u64, level_us: u32) {
        let manifest = manifest_of("brest-1", 1);
        for slot in (self.slots..to).step_by(self.every) {
            let delays: Vec<u32> = (0..10)
                .map(|probe| level_us + ((slot * 7 + probe * 13) % 100) as u32)
                .collect();
            let sequence = slot / self.every as u64 + 1;
            let mut report = report_of(&manifest, sequence, slot, &delays);
            let found = (self.rate_bps)(slot).map(|bps| {
                let found = result(T0 + slot.saturating_sub(6) * SLOT_MS, 0, bps);
                match self.cut_by.filter(|_| bps < 200_000_000) {
                    Some(stop) => ThroughputResult {
                        stop,
                        settled: false,
                        ..found
                    },
                    None => found,
                }
            });
            report.throughput = found.into_iter().collect();
            let report = item(&report);
            self.store
                .commit(&[verified(&manifest)], &[report])
                .expect("writable");
        }
        self.slots = to;
    }

    fn now_unix_ms(&self) -> u64 {
        T0 + self.slots * SLOT_MS + SETTLED_AFTER_MS
    }

    /// Evaluates all there is, with another evaluator for each round if it is to be restarted all the time.
    fn evaluate(&self, restarting: bool) -> BTreeMap<u64, Page> {
        let now_unix_ms = self.now_unix_ms();
        let mut desk = self.desk();
        let mut evaluator = self.begin(&desk, now_unix_ms);
        loop {
            let catalogue = Catalogue::built_in();
            let more = evaluator
                .round(&self.around(&desk, &catalogue), now_unix_ms)
                .expect("works");
            if !more {
                break;
            }
            if restarting {
                drop(desk);
                desk = self.desk();
                evaluator = self.begin(&desk, now_unix_ms);
            }
        }
        let pages = desk.pages(0, 1_000).expect("readable");
        pages.into_iter().map(|page| (page.sequence, page)).collect()
    }

    fn around<'a>(&'a self, desk: &'a Desk, catalogue: &'a Catalogue) -> Surroundings<'a> {
        Surroundings {
            store: &self.store,
            desk,
            catalogue,
            stop: &self.stop,
        }
    }

    fn begin(&self, desk: &Desk, now_unix_ms: u64) -> Evaluator {
        Evaluator::begin(&self.around(desk, &Catalogue::built_in()), now_unix_ms).expect("readable")
    }

    /// An empty store, evaluated up to its beginning.
    fn evaluated(self) -> Self {
        self.evaluate(false);
        self
    }
}

fn told(pages: &BTreeMap<u64, Page>) -> Vec<(&str, &str, &'static str)> {
    pages
        .values()
        .map(|page| {
            let notice = match page.notice {
                Notice::Fired { .. } => "fired",
                Notice::Resolved { .. } => "resolved",
            };
            (page.key.rule.as_str(), page.key.measure.as_str(), notice)
        })
        .collect()
}

/// The lost share of these reports is the same throughout, and not what is asked here.
const DELAYS_ONLY: &str = "[[regression]]\nname = \"slower\"\nstatistics = [\"p50\"]\n[[threshold]]\nname = \"far\"\nmeasure = \"p50\"\nabove_ms = 12\n";

#[test]
fn a_delay_shorter_than_light_allows_is_told_of_the_pair_it_was_seen_at() {
    let world = World::new(DELAYS_ONLY).evaluated();
    let mut manifest = manifest_of("paris-1", 3);
    // Paris to Frankfurt, about 480 km; the second goes there as well, the third stands around the corner.
    for (series, zone) in [
        "eu-central-1/euc1-az1",
        "eu-central-1/euc1-az2",
        "eu-west-3/euw3-az1",
    ]
    .into_iter()
    .enumerate()
    {
        manifest.series[series].zone = format!("aws/{zone}").parse().expect("a zone");
    }
    let mut report = report_of(&manifest, 1, 0, &[3_000, 9_000]);
    let mut slower = report_of(&manifest, 1, 0, &[9_000, 9_500]).records;
    slower[0].series = 1;
    let mut near = report_of(&manifest, 1, 0, &[300, 400]).records;
    near[0].series = 2;
    report.records.truncate(1);
    report.records.push(slower.remove(0));
    report.records.push(near.remove(0));
    world
        .store
        .commit(&[verified(&manifest)], &[item(&report)])
        .expect("writable");
    let (desk, catalogue) = (world.desk(), Catalogue::built_in());
    let mut evaluator = world.begin(&desk, T0 + SETTLED_AFTER_MS);
    let now_unix_ms = T0 + SLOT_MS + SETTLED_AFTER_MS;
    evaluator
        .round(&world.around(&desk, &catalogue), now_unix_ms)
        .expect("works");
    let seen = desk.counters().faster_than_light.names();
    assert_eq!(seen, ["paris-1 to aws/eu-central-1/euc1-az1 by stamp"]);
}

#[test]
fn restarts_at_every_round_come_to_the_same_pages() {
    let pages = |restarting| {
        let mut world = World::new(DELAYS_ONLY).evaluated();
        world.measure(BEFORE, 10_000);
        world.measure(BEFORE + 180, 14_000);
        world.measure(BEFORE + 540, 10_000);
        world.evaluate(restarting)
    };
    let straight = pages(false);
    assert_eq!(
        told(&straight),
        [
            ("far", "p50", "fired"),
            ("slower", "p50", "fired"),
            ("far", "p50", "resolved"),
            ("slower", "p50", "resolved"),
        ]
    );
    assert_eq!(pages(true), straight);
}

#[test]
fn a_store_that_was_there_before_is_not_told_of_but_what_goes_on_is() {
    let mut world = World::new(DELAYS_ONLY);
    world.measure(BEFORE, 10_000);
    world.measure(BEFORE + 60, 14_000);
    assert_eq!(world.evaluate(false), BTreeMap::new());
    world.measure(BEFORE + 66, 14_000);
    let pages = world.evaluate(false);
    assert_eq!(
        told(&pages),
        [("slower", "p50", "fired"), ("far", "p50", "fired")]
    );
    let since = pages[&1].evidence.expect("evidence").since_unix_ms;
    assert_eq!(
        since,
        T0 + BEFORE * SLOT_MS,
        "when it began, not when it was first seen"
    );
}

#[test]
fn what_comes_behind_the_watermark_is_counted() {
    let mut world = World::new(DELAYS_ONLY);
    world.measure(60, 10_000);
    let desk = world.desk();
    world.begin(&desk, world.now_unix_ms());
    let manifest = manifest_of("brest-1", 1);
    let admissions = [crate::store::Admission::Stored; 2];
    let items = [59, 60].map(|slot| item(&report_of(&manifest, slot + 1, slot, &[1])));
    desk.counters().note_stored(&items, &admissions);
    assert_eq!(desk.counters().late_reports.get(), 1);
}

#[test]
fn an_alert_whose_rule_is_gone_is_over_and_said_so_once() {
    let mut world = World::new(DELAYS_ONLY).evaluated();
    world.measure(BEFORE, 10_000);
    world.measure(BEFORE + 60, 14_000);
    assert_eq!(world.evaluate(false).len(), 2);
    world.rules = Arc::new(
        read([(
            Path::new("r.toml"),
            "default_regression = false\n[[threshold]]\nname = \"far\"\nmeasure = \"p50\"\nabove_ms = 12\n",
        )])
        .expect("valid"),
    );
    for _ in 0..2 {
        let pages = world.evaluate(false);
        assert_eq!(told(&pages)[2..], [("slower", "p50", "resolved")]);
        assert_eq!(pages[&3].ending, Some(Ending::Retired));
    }
}

#[test]
fn silence_counts_only_while_somebody_listens() {
    let silent = "default_regression = false\n[[absence]]\nname = \"silent\"\nsilent_for = \"5m\"\n";
    let mut world = World::new(silent).evaluated();
    world.measure(60, 10_000);
    world.evaluate(false);
    // The collector was away for an hour, and is back.
    world.slots += 360;
    let desk = world.desk();
    let catalogue = Catalogue::built_in();
    let mut evaluator = world.begin(&desk, world.now_unix_ms());
    let mut round = |now_unix_ms| {
        while evaluator
            .round(&world.around(&desk, &catalogue), now_unix_ms)
            .expect("works")
        {}
    };
    round(world.now_unix_ms());
    assert_eq!(desk.pages(0, 10).expect("readable"), []);
    round(world.now_unix_ms() + 10 * MINUTE_MS);
    assert_eq!(desk.pages(0, 10).expect("readable").len(), 1);
}

#[test]
fn a_clock_set_back_begins_anew() {
    let mut world = World::new(DELAYS_ONLY);
    world.measure(60, 10_000);
    let desk = world.desk();
    let catalogue = Catalogue::built_in();
    let around = world.around(&desk, &catalogue);
    let mut evaluator = world.begin(&desk, world.now_unix_ms());
    let back = world.now_unix_ms() - 2 * HOUR_MS;
    assert!(matches!(
        evaluator.round(&around, back),
        Err(RoundError::ClockSetBack)
    ));
    let mut evaluator = Evaluator::begin(&around, back).expect("readable");
    assert!(!evaluator.round(&around, back).expect("works"));
}

#[test]
fn a_drop_of_throughput_is_told_and_ended_once_wherever_it_is_restarted() {
    let pages = |restarting, cut_by| {
        let mut world =
            World::new("[[regression]]\nname = \"slower\"\nstatistics = [\"download\"]\n").evaluated();
        world.cut_by = cut_by;
        // A test every five minutes: sixteen of calm, six of a third, calm again.
        world.rate_bps = |slot| {
            let level = if (16..22).contains(&(slot / 30)) { 100 } else { 300 };
            (slot % 30 == 10).then_some((level + slot / 30 * 7 % 10) * 1_000_000)
        };
        world.measure(30 * 30, 10_000);
        world.evaluate(restarting)
    };
    let straight = pages(false, None);
    assert_eq!(
        told(&straight),
        [
            ("slower", "download", "fired"),
            ("slower", "download", "resolved")
        ]
    );
    let evidence = straight[&1].evidence.expect("evidence");
    assert_eq!(evidence.unit, crate::alert::rules::measure::Unit::Mbps);
    assert!(
        (300.0..310.0).contains(&evidence.against) && (100.0..110.0).contains(&evidence.value),
        "{evidence:?}"
    );
    assert_eq!(evidence.since_unix_ms, T0 + (16 * 30 + 4) * SLOT_MS);
    assert_eq!(pages(true, None), straight);
    // A test that was cut short says nothing of a drop; one that losses will take more from does.
    assert_eq!(pages(false, Some(StopReason::ByteCap)).len(), 0);
    assert_eq!(pages(false, Some(StopReason::Losses)), straight);
}

#[test]
fn busy_hours_of_the_last_two_weeks_are_known_again_after_a_start() {
    const HOUR: u64 = 360;
    let pages = |days: u64| {
        let mut world = World::new("[[regression]]\nname = \"slower\"\nstatistics = [\"p50\"]\n");
        world.every = 30;
        for day in 0..=days {
            world.measure((24 * day + 19) * HOUR, 10_000);
            world.measure((24 * day + 22) * HOUR, 30_000);
        }
        let before_unix_ms = T0 + (24 * days + 18) * HOUR * SLOT_MS;
        let begun = world
            .desk()
            .change(|change| *change.evaluated_to_unix_ms = Some(before_unix_ms));
        begun.expect("writable");
        world.evaluate(false)
    };
    assert_eq!(told(&pages(15)), []);
    assert_eq!(told(&pages(10)), [("slower", "p50", "fired")]);
}
