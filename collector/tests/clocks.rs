//! Clocks that step, machines that sleep, state that is copied: the agent's own interval tally, reporter and spool, and the
//! collector's own ingest and store, on one simulated time line. Every probe must be counted once, in an interval it was sent in.
//! Nothing here waits or reads a clock.
#![expect(clippy::panic, reason = "a test that cannot go on says why and ends")]

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use azimuth_agent::clock::{Moment, Monotonic, NS_PER_MS, Wall};
use azimuth_agent::prober::Delivery;
use azimuth_agent::report::{Reporter, UplinkTotals};
use azimuth_agent::spool::{self, Limits, Now, Sent, Setup, Spool, SyncPolicy};
use azimuth_agent::tally::{ClosedInterval, Tally};
use azimuth_collector::ingest::Ingest;
use azimuth_collector::ingest::verdict::VerdictKind;
use azimuth_collector::metrics::Metrics;
use azimuth_collector::store::embedded::EmbeddedStore;
use azimuth_collector::store::{AgentStatus, Retention, ScanRequest, SeriesSelection, Store, TimeRange};
use azimuth_measurement::codec::encode_batch;
use azimuth_measurement::{Manifest, StampClock};

#[path = "binary/fleet.rs"]
#[allow(dead_code, reason = "the other tests use more of it")]
mod fleet;

/// 2026-11-23T10:00:03Z, by the collector.
const T0: u64 = 1_795_428_003_000;
const S: u64 = 1_000;
const HOUR: u64 = 3_600 * S;
const DAY_S: i64 = 86_400;
/// The longest waiting time of any probe.
const WAITING_NS: i64 = 2_000 * NS_PER_MS;
/// A wrong clock is overruled by age and rounded to the nearest interval of 10 s; one that is right within 2 s stands.
const PLACED_WITHIN_MS: u64 = 5_000 + 2_000;

/// The collector, and the time.
struct World {
    now_unix_ms: u64,
    store: Arc<EmbeddedStore>,
    ingest: Ingest,
    runtime: tokio::runtime::Runtime,
    refused: BTreeMap<String, u64>,
    _directory: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let store = EmbeddedStore::open(directory.path(), Retention::default(), T0).expect("openable");
        let store = Arc::new(store);
        let metrics = Arc::new(Metrics::default());
        let ingest = Ingest::start(Arc::<EmbeddedStore>::clone(&store), metrics).expect("a thread");
        Self {
            now_unix_ms: T0,
            store,
            ingest,
            runtime: tokio::runtime::Builder::new_current_thread()
                .build()
                .expect("a runtime"),
            refused: BTreeMap::new(),
            _directory: directory,
        }
    }

    fn status(&self) -> AgentStatus {
        let mut agents = self.store.agents().expect("readable");
        assert_eq!(agents.len(), 1);
        agents.remove(0)
    }

    /// Every delay in the store, with how often and the interval it was placed in.
    fn found(&self) -> BTreeMap<u32, Vec<(u64, u64)>> {
        let selection: SeriesSelection = self.store.dictionary().series().map(|(id, _)| id).collect();
        let request = ScanRequest {
            range: TimeRange {
                from_unix_ms: 0,
                to_unix_ms: u64::MAX,
            },
            series: &selection,
            step_ms: fleet::LENGTH_MS,
        };
        let mut found: BTreeMap<u32, Vec<(u64, u64)>> = BTreeMap::new();
        let coverage = self.store.scan(request, &mut |observation| {
            let end_unix_ms = observation.start_unix_ms + u64::from(observation.length_ms);
            for (bucket, count) in observation.delays[0].1.bins() {
                for _ in 0..count {
                    let places = found.entry(bucket.highest_us()).or_default();
                    places.push((observation.start_unix_ms, end_unix_ms));
                }
            }
            ControlFlow::Continue(())
        });
        assert_eq!(coverage.expect("readable").unreadable_reports, 0);
        found
    }

    /// Every probe of every host is in the store once, where it was sent.
    fn judge(&self, hosts: &[&Host]) {
        let found = self.found();
        let sent: BTreeMap<u32, u64> = hosts.iter().flat_map(|host| host.sent.clone()).collect();
        assert!(sent.len() > 60, "the test must have measured something");
        for (probe, sent_at_unix_ms) in &sent {
            let places = found.get(probe).map_or(&[][..], Vec::as_slice);
            let [(start_unix_ms, end_unix_ms)] = places else {
                panic!("probe {probe} is there {} times", places.len());
            };
            assert!(
                start_unix_ms.saturating_sub(PLACED_WITHIN_MS) <= *sent_at_unix_ms
                    && *sent_at_unix_ms <= end_unix_ms + PLACED_WITHIN_MS,
                "probe {probe}, sent {} s after the start, is placed {} s after it",
                (*sent_at_unix_ms as f64 - T0 as f64) / 1e3,
                (*start_unix_ms as f64 - T0 as f64) / 1e3,
            );
        }
        assert_eq!(found.len(), sent.len(), "and nothing else");
        assert_eq!(self.status().identity_conflicts, 0, "one host is no conflict");
    }
}

/// One machine with one agent.
struct Host {
    manifest: Manifest,
    directory: tempfile::TempDir,
    spool: Option<Spool>,
    tally: Tally,
    reporter: Reporter,
    closed: u64,
    boot: u64,
    booted_at_unix_ms: u64,
    /// Wall clock minus true time.
    skew_ms: i64,
    /// How long it has slept, where its clock stands still meanwhile.
    slept_ms: u64,
    stands_still: bool,
    /// Delay of each probe, which names it, and when it was sent.
    sent: BTreeMap<u32, u64>,
    next_probe: u32,
}

impl Host {
    fn new(world: &World) -> Self {
        let manifest = fleet::manifest("paris-1", 1);
        let now = Moment {
            monotonic: Monotonic::from_ns(0),
            wall: Wall::from_unix_ns(0),
        };
        let mut host = Self {
            reporter: Reporter::new(manifest.agent.clone(), manifest.id()),
            manifest,
            directory: tempfile::tempdir().expect("a scratch directory"),
            spool: None,
            tally: Tally::new(1, 10_000, WAITING_NS, now),
            closed: 0,
            boot: 1,
            booted_at_unix_ms: world.now_unix_ms - 500 * S,
            skew_ms: 0,
            slept_ms: 0,
            stands_still: false,
            sent: BTreeMap::new(),
            next_probe: 1,
        };
        host.start(world);
        host
    }

    fn now(&self, world: &World) -> Now {
        Now {
            unix_ms: world.now_unix_ms.saturating_add_signed(self.skew_ms),
            monotonic_ms: world.now_unix_ms - self.booted_at_unix_ms,
        }
    }

    fn moment(&self, world: &World) -> Moment {
        let now = self.now(world);
        let still_ms = if self.stands_still { self.slept_ms } else { 0 };
        Moment {
            monotonic: Monotonic::from_ns((now.monotonic_ms - still_ms) as i64 * NS_PER_MS),
            wall: Wall::from_unix_ns(now.unix_ms as i64 * NS_PER_MS),
        }
    }

    /// The agent starts, on whatever is in its directory.
    fn start(&mut self, world: &World) {
        let setup = Setup {
            agent: self.manifest.agent.clone(),
            boot: self.boot,
            limits: Limits {
                free_floor_bytes: 0,
                ..Limits::default()
            },
            sync: SyncPolicy::Never,
        };
        let mut spool = Spool::open_directory(self.directory.path(), setup, self.now(world));
        spool.set_manifest(&self.manifest);
        self.spool = Some(spool);
        self.tally = Tally::new(1, 10_000, WAITING_NS, self.moment(world));
        self.reporter = Reporter::new(self.manifest.agent.clone(), self.manifest.id());
        self.closed = 0;
    }

    fn spool(&mut self) -> &mut Spool {
        self.spool.as_mut().expect("it runs")
    }

    /// Measures and, while there is a link, delivers, a probe a second.
    fn measure(&mut self, world: &mut World, seconds: u64, link: bool) {
        for second in 0..seconds {
            world.now_unix_ms += S;
            self.second(world);
            if link && second % 5 == 0 {
                self.deliver(world);
            }
        }
    }

    fn second(&mut self, world: &World) {
        let moment = self.moment(world);
        self.tally.handle_timeout(moment);
        let interval = self.tally.current();
        if let Some(counts) = self.tally.counts(interval, 0) {
            counts.sent += 1;
            counts.returned += 1;
        }
        self.tally.record(
            interval,
            (0, self.next_probe),
            StampClock::Kernel,
            self.next_probe,
        );
        self.sent.insert(self.next_probe, world.now_unix_ms);
        self.next_probe += 1;
        while let Some(closed) = self.tally.poll_closed(moment.monotonic) {
            self.push(world, closed);
        }
    }

    /// As `azimuth-agent run` does it.
    fn push(&mut self, world: &World, closed: ClosedInterval) {
        self.closed += 1;
        let age_ns = self.moment(world).monotonic.since_ns(closed.ended_at);
        let delivery = Delivery {
            sequence: self.closed,
            closed,
        };
        let (gap, report) = self.reporter.report(&delivery, UplinkTotals::default());
        let now = self.now(world);
        let age_ms = u64::try_from(age_ns / NS_PER_MS).unwrap_or(0);
        assert_eq!(gap, None);
        self.spool().push(report, now.monotonic_ms.saturating_sub(age_ms));
        self.spool().flush(now);
    }

    /// Stops in order, with all it measured in the spool.
    fn stop(&mut self, world: &World) {
        let moment = self.moment(world);
        for closed in self.tally.close_all(moment.monotonic) {
            self.push(world, closed);
        }
        let spool = self.spool.take().expect("it runs");
        spool.close(self.now(world));
    }

    fn deliver(&mut self, world: &mut World) {
        let now = self.now(world);
        let mut turn = 0;
        while let Some(dispatch) = self.spool().next_dispatch(now, 1 << 20) {
            let body = encode_batch(&dispatch.batch);
            let taken = world.runtime.block_on(async {
                let mut held = world.ingest.open(body.len())?;
                held.push(&body)?;
                world.ingest.take(held, world.now_unix_ms + 40).await
            });
            let verdicts = taken
                .unwrap_or_else(|problem| panic!("{}", problem.detail()))
                .verdicts;
            turn += 1;
            let mut words = Vec::with_capacity(verdicts.len());
            for verdict in verdicts {
                words.push(match verdict.verdict {
                    VerdictKind::Stored => spool::Verdict::Stored,
                    VerdictKind::Duplicate => spool::Verdict::Duplicate,
                    VerdictKind::Refused => {
                        let reason = verdict.problem.map_or("", |problem| problem.reason()).to_owned();
                        *world.refused.entry(reason).or_default() += 1;
                        spool::Verdict::Refused
                    }
                    VerdictKind::ManifestWanted => spool::Verdict::ManifestWanted,
                    VerdictKind::Retry => spool::Verdict::Retry,
                });
            }
            // Some answers never arrive.
            if turn == 1 && world.now_unix_ms % (7 * S) < 1_000 {
                self.spool().give_back(dispatch, Sent::Perhaps);
                continue;
            }
            self.spool()
                .settle(dispatch, &words)
                .expect("one verdict for each");
        }
    }

    /// Everything out, at once.
    fn drain(&mut self, world: &mut World) {
        let moment = self.moment(world);
        for closed in self.tally.close_all(moment.monotonic) {
            self.push(world, closed);
        }
        self.spool().hurry();
        self.deliver(world);
        self.deliver(world);
        let left = self.spool().holdings();
        assert_eq!((left.reports, left.tombstones), (0, 0), "drained");
    }

    fn reboot(&mut self, world: &World) {
        self.boot += 1;
        self.booted_at_unix_ms = world.now_unix_ms - 20 * S;
        self.slept_ms = 0;
        self.start(world);
    }
}

fn steps() -> [i64; 4] {
    [-DAY_S * 1_000, HOUR as i64, -7_300, 400 * DAY_S * 1_000]
}

#[test]
fn a_stepped_clock_loses_doubles_and_misplaces_nothing() {
    for step_ms in steps() {
        for away_s in [0, 300] {
            let mut world = World::new();
            let mut host = Host::new(&world);
            host.measure(&mut world, 64, true);
            assert_eq!(world.status().clock_skew_ms, -40, "right but for the network");
            host.measure(&mut world, away_s / 2, false);
            host.skew_ms = step_ms;
            host.measure(&mut world, away_s / 2, false);
            host.measure(&mut world, 83, true);
            let skew_ms = world.status().clock_skew_ms;
            assert!(
                skew_ms.abs_diff(step_ms) < 100,
                "{skew_ms} is shown for {step_ms}"
            );
            // And set right again.
            host.skew_ms = 0;
            host.measure(&mut world, 57, true);
            assert_eq!(world.status().clock_skew_ms, -40);
            host.drain(&mut world);
            world.judge(&[&host]);
        }
    }
}

#[test]
fn a_stepped_clock_across_a_restart_loses_doubles_and_misplaces_nothing() {
    for step_ms in steps() {
        for orderly in [true, false] {
            let mut world = World::new();
            let mut host = Host::new(&world);
            host.measure(&mut world, 64, true);
            host.measure(&mut world, 120, false);
            if orderly {
                host.stop(&world);
            } else {
                // Killed just after an interval went to the spool: what was not there yet is gone, and no matter of clocks.
                host.spool = None;
                let open = host.tally.close_all(host.moment(&world).monotonic);
                let gone: usize = open
                    .iter()
                    .map(|interval| interval.series[0].delays_us.len())
                    .sum();
                let first_gone = host.next_probe - gone as u32;
                host.sent.retain(|probe, _| *probe < first_gone);
            }
            world.now_unix_ms += 4 * S;
            host.skew_ms = step_ms;
            host.start(&world);
            host.measure(&mut world, 180, true);
            host.drain(&mut world);
            world.judge(&[&host]);
        }
    }
}

#[test]
fn a_step_across_a_reboot_refuses_nothing() {
    for step_ms in steps() {
        let mut world = World::new();
        let mut host = Host::new(&world);
        host.measure(&mut world, 64, true);
        host.measure(&mut world, 600, false);
        host.stop(&world);
        world.now_unix_ms += 40 * S;
        host.skew_ms = step_ms;
        host.reboot(&world);
        host.measure(&mut world, 180, true);
        host.drain(&mut world);
        // Ages across a boot are by the wall clock, so only what the new boot measured is sure of its place.
        assert_eq!(world.refused, BTreeMap::new());
        assert_eq!(world.status().identity_conflicts, 0);
        let found = world.found();
        assert!(host.sent.keys().all(|probe| found[probe].len() == 1));
    }
}

/// Sleeps for two hours in the middle of an interval.
fn sleep_two_hours(stands_still: bool) {
    let mut world = World::new();
    let mut host = Host::new(&world);
    host.stands_still = stands_still;
    host.measure(&mut world, 64, true);
    host.measure(&mut world, 21, false);
    world.now_unix_ms += 2 * HOUR;
    host.slept_ms = 2 * HOUR;
    host.measure(&mut world, 83, true);
    assert_eq!(world.status().clock_skew_ms, -40, "its clock is right");
    host.drain(&mut world);
    world.judge(&[&host]);
}

#[test]
fn a_suspended_machine_keeps_its_intervals_where_they_were() {
    sleep_two_hours(false);
}

#[test]
fn seeded_fault_a_clock_that_stands_still_in_suspend_is_caught() {
    assert!(catch_unwind(AssertUnwindSafe(|| sleep_two_hours(true))).is_err());
}

fn copy_directory(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("readable") {
        let entry = entry.expect("readable");
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
    }
}

#[test]
fn a_copied_spool_on_a_second_host_is_noticed_and_never_merged() {
    let mut world = World::new();
    let mut original = Host::new(&world);
    original.measure(&mut world, 64, true);
    original.measure(&mut world, 40, false);
    let mut copy = Host::new(&world);
    copy.boot = 7;
    copy.directory = tempfile::tempdir().expect("a scratch directory");
    copy_directory(original.directory.path(), copy.directory.path());
    copy.next_probe = 1_000;
    copy.start(&world);
    for _ in 0..300 {
        world.now_unix_ms += S;
        original.second(&world);
        copy.second(&world);
        original.deliver(&mut world);
        copy.deliver(&mut world);
    }
    let status = world.status();
    assert!(status.identity_conflicts > 10, "{}", status.identity_conflicts);
    let last_at_unix_ms = status.last_identity_conflict_at_unix_ms.expect("there was one");
    assert!(world.now_unix_ms - last_at_unix_ms < 15 * S);
    assert_eq!(
        world.refused,
        BTreeMap::from([("identity_conflict".to_owned(), status.identity_conflicts)])
    );
    // Per interval, whose probes are in it: of both only in the first minute and the interval it began in.
    let found = world.found();
    let mut hosts: BTreeMap<u64, [bool; 2]> = BTreeMap::new();
    for (probe, places) in &found {
        assert_eq!(places.len(), 1, "probe {probe}");
        hosts.entry(places[0].0).or_default()[usize::from(*probe >= 1_000)] = true;
    }
    let blended = hosts.values().filter(|hosts| **hosts == [true, true]).count();
    assert!((1..=8).contains(&blended), "{blended} intervals are of both");
    // What the copy brought with it was delivered by both, and is there once; the copy itself lost nothing.
    copy.drain(&mut world);
    let found = world.found();
    assert!(copy.sent.keys().all(|probe| found.contains_key(probe)));
    assert!((1..=80).all(|probe| found.contains_key(&probe)));

    // Once the copy is silent the original is heard again, and what it lost meanwhile is known to be lost.
    original.measure(&mut world, 120, true);
    let conflicts = world.status().identity_conflicts;
    original.measure(&mut world, 60, true);
    assert_eq!(world.status().identity_conflicts, conflicts);
    let gaps = world.store.gaps(
        &original.manifest.agent,
        TimeRange {
            from_unix_ms: 0,
            to_unix_ms: u64::MAX,
        },
    );
    let given_up: u64 = gaps.expect("readable").iter().map(|gap| gap.reports).sum();
    assert_eq!(given_up, original.spool().counters().refused);
}
