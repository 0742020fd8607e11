//! What only files can go through while data is sealed: a crash between two parts, a damaged part, a lost hot table,
//! another store's parts. That sealing changes no answer is the conformance suite's.

use proptest::prelude::*;

use super::super::conformance::{T0, agent, item, manifest_of, merged, report_of, scan_all, verified};
use super::super::memory::MemoryStore;
use super::sealed::shelf::DAY_MS;
use super::*;
use crate::store::{Missing, MissingCause, SeriesId, SeriesSelection};

const HOUR: TimeRange = TimeRange {
    from_unix_ms: T0,
    to_unix_ms: T0 + HOUR_MS,
};

fn open(directory: &Path, now_unix_ms: u64) -> EmbeddedStore {
    EmbeddedStore::open(directory, Retention::default(), now_unix_ms).expect("an openable store")
}

/// Two agents with three series each, an hour of them, sealed and forgotten by the hot table.
fn sealed(directory: &Path, now_unix_ms: u64) -> EmbeddedStore {
    let store = open(directory, now_unix_ms);
    commit_hour(&store, 0..360);
    maintain(&store, now_unix_ms);
    store
}

fn commit_hour(store: &EmbeddedStore, slots: std::ops::Range<u64>) -> Vec<Admission> {
    let mut admissions = Vec::new();
    for id in ["b", "a"] {
        let manifest = manifest_of(id, 3);
        let items: Vec<Item> = slots
            .clone()
            .map(|slot| item(&report_of(&manifest, slot + 1, slot, &[500, 700])))
            .collect();
        admissions.extend(store.commit(&[verified(&manifest)], &items).expect("writable"));
    }
    admissions
}

fn maintain(store: &EmbeddedStore, now_unix_ms: u64) {
    while store.maintain(now_unix_ms).expect("writable").more {}
}

/// Probes sent according to a scan of the hour at one step, and what was missing.
fn sent(store: &EmbeddedStore, step_ms: u64) -> (u64, Vec<Missing>) {
    let selection: SeriesSelection = store.dictionary().series().map(|(id, _)| id).collect();
    let mut sent = 0;
    let coverage = store
        .scan(
            ScanRequest {
                range: HOUR,
                series: &selection,
                step_ms,
            },
            &mut |observation| {
                sent += observation.counts.sent;
                std::ops::ControlFlow::Continue(())
            },
        )
        .expect("readable");
    (sent, coverage.missing)
}

/// 2 agents, 3 series, 360 intervals, 3 probes.
const ALL: u64 = 2 * 3 * 360 * 3;
const STEPS: [u64; 4] = [10_000, 60_000, HOUR_MS, ScanRequest::WHOLE_RANGE];

fn all_is_there_once(store: &EmbeddedStore) {
    for step_ms in STEPS {
        assert_eq!(sent(store, step_ms), (ALL, Vec::new()), "step {step_ms}");
    }
}

fn files(directory: &Path, tier: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory.join("tiers").join(tier)).expect("there");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    files.sort();
    files
}

#[test]
fn the_hot_table_forgets_what_is_sealed_and_reopening_finds_it() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let store = sealed(directory.path(), T0 + 5 * HOUR_MS);
    let hot = store.with_database("test", |database| {
        let read = database.begin_read().map_err(while_doing("test"))?;
        read.open_table(HOT)
            .map_err(while_doing("test"))?
            .len()
            .map_err(while_doing("test"))
    });
    assert_eq!(hot.expect("readable"), 0);
    all_is_there_once(&store);
    let seen = scan_all(&store, HOUR).0;
    drop(store);
    let again = open(directory.path(), T0 + 5 * HOUR_MS);
    assert_eq!(scan_all(&again, HOUR).0, seen);
    assert_eq!(again.condition().oldest_unsealed_hour_unix_ms, None);
    assert_eq!(files(directory.path(), "10s").len(), 1);
}

#[test]
fn a_crash_between_two_parts_is_made_good_without_doubling() {
    for lost in ["10s", "1min", "1h"] {
        let directory = tempfile::tempdir().expect("a scratch directory");
        // Sealed, but young enough that the hot table still holds it.
        drop(sealed(directory.path(), T0 + 2 * HOUR_MS));
        std::fs::remove_file(&files(directory.path(), lost)[0]).expect("removable");
        let unfinished = directory
            .path()
            .join("tiers")
            .join(lost)
            .join("2026-11-23T10Z-9.part.unfinished");
        std::fs::write(&unfinished, b"half").expect("writable");
        let store = open(directory.path(), T0 + 2 * HOUR_MS);
        assert!(!unfinished.exists());
        all_is_there_once(&store);
        maintain(&store, T0 + 2 * HOUR_MS);
        maintain(&store, T0 + 9 * HOUR_MS);
        all_is_there_once(&store);
        for tier in ["10s", "1min", "1h"] {
            assert_eq!(files(directory.path(), tier).len(), 1, "{lost} lost, {tier}");
        }
    }
}

#[test]
fn a_joined_part_and_those_it_replaces_are_never_counted_twice() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let now = T0 + 2 * DAY_MS;
    let store = sealed(directory.path(), T0 + 5 * HOUR_MS);
    let hour = files(directory.path(), "1min")[0].clone();
    let kept = std::fs::read(&hour).expect("readable");
    maintain(&store, now);
    assert_eq!(files(directory.path(), "1min").len(), 1);
    assert_ne!(files(directory.path(), "1min")[0], hour, "joined");
    assert_eq!(files(directory.path(), "1day").len(), 1);
    all_is_there_once(&store);
    drop(store);
    // As if the collector had died after the rename and before the removal.
    std::fs::write(&hour, kept).expect("writable");
    let store = open(directory.path(), now);
    assert!(!hour.exists());
    all_is_there_once(&store);
}

#[test]
fn a_damaged_part_is_set_aside_and_named_and_finer_tiers_answer_for_it() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    drop(sealed(directory.path(), T0 + 5 * HOUR_MS));
    let part = &files(directory.path(), "1h")[0];
    let length = std::fs::metadata(part).expect("there").len();
    std::fs::File::options()
        .write(true)
        .open(part)
        .expect("writable")
        .set_len(length - 5)
        .expect("writable");
    let store = open(directory.path(), T0 + 5 * HOUR_MS);
    assert_eq!(store.condition().files_set_aside, 1);
    all_is_there_once(&store);
    assert!(
        files(directory.path(), "1h")[0]
            .to_string_lossy()
            .contains(".part.damaged-")
    );
    drop(store);

    let finest = &files(directory.path(), "10s")[0];
    std::fs::write(finest, b"nothing of use").expect("writable");
    let store = open(directory.path(), T0 + 5 * HOUR_MS);
    let missing = vec![Missing {
        range: HOUR,
        cause: MissingCause::Damaged,
    }];
    assert_eq!(sent(&store, 10_000), (0, missing));
    assert_eq!(sent(&store, 60_000), (ALL, Vec::new()));
    drop(store);
    // Known from the name of the file that was set aside, however often the collector starts.
    assert_eq!(open(directory.path(), T0).condition().files_set_aside, 2);
}

#[test]
fn a_flipped_byte_in_a_chunk_is_named_and_the_rest_is_answered() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let store = sealed(directory.path(), T0 + 5 * HOUR_MS);
    let part = &files(directory.path(), "10s")[0];
    let mut bytes = std::fs::read(part).expect("readable");
    bytes[20] ^= 1;
    std::fs::write(part, bytes).expect("writable");
    let (seen, missing) = sent(&store, 10_000);
    assert!(seen < ALL);
    assert_eq!(
        missing,
        [Missing {
            range: HOUR,
            cause: MissingCause::Damaged
        }]
    );
}

#[test]
fn without_its_hot_table_a_store_still_knows_every_series_and_every_sealed_sequence() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    drop(sealed(directory.path(), T0 + 5 * HOUR_MS));
    std::fs::write(directory.path().join("hot.redb"), b"not a database").expect("writable");
    let store = open(directory.path(), T0 + 6 * HOUR_MS);
    assert_eq!(store.condition().files_set_aside, 1);
    all_is_there_once(&store);
    assert_eq!(store.dictionary().agent_number(&agent("a")), Some(AgentNumber(1)));
    assert_eq!(commit_hour(&store, 0..360), vec![Admission::Duplicate; 720]);
    all_is_there_once(&store);
}

#[test]
fn parts_of_another_store_are_set_aside() {
    let (one, two) = (
        tempfile::tempdir().expect("a directory"),
        tempfile::tempdir().expect("a directory"),
    );
    drop(sealed(one.path(), T0 + 5 * HOUR_MS));
    drop(open(two.path(), T0));
    let part = &files(one.path(), "10s")[0];
    let moved = two
        .path()
        .join("tiers/10s")
        .join(part.file_name().expect("named"));
    std::fs::copy(part, &moved).expect("writable");
    let store = open(two.path(), T0);
    assert_eq!(store.condition().files_set_aside, 1);
    assert!(!moved.exists());
    assert_eq!(sent(&store, 10_000), (0, Vec::new()));
}

#[test]
fn a_reader_keeps_the_part_it_reads_from() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let store = sealed(directory.path(), T0 + 5 * HOUR_MS);
    let snapshot = store.shelf();
    maintain(&store, T0 + 30 * DAY_MS);
    assert_eq!(
        files(directory.path(), "10s").len(),
        1,
        "off the shelf, but being read"
    );
    assert_eq!(sent(&store, 10_000).0, 0);
    drop(snapshot);
    assert_eq!(files(directory.path(), "10s").len(), 0);
}

#[test]
fn a_part_that_turns_out_damaged_is_set_aside_and_stops_nothing() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let store = sealed(directory.path(), T0 + 5 * HOUR_MS);
    let part = &files(directory.path(), "1min")[0];
    let mut bytes = std::fs::read(part).expect("readable");
    bytes[20] ^= 1;
    std::fs::write(part, bytes).expect("writable");
    // The day after, when its day is joined.
    let tomorrow = T0 + 2 * DAY_MS;
    let manifest = manifest_of("c", 1);
    let late = item(&report_of(&manifest, 1, 9_000, &[500]));
    store.commit(&[verified(&manifest)], &[late]).expect("writable");
    maintain(&store, tomorrow);
    assert_eq!(store.condition().files_set_aside, 1);
    assert_eq!(store.condition().oldest_unsealed_hour_unix_ms, None);
    assert_eq!(files(directory.path(), "1day").len(), 2);
    all_is_there_once(&store);
}

/// What can happen to a store.
#[derive(Debug, Clone)]
enum Event {
    /// Reports of one agent: so many, from this interval on, so far apart; some of them may have come before.
    Deliver {
        agent: usize,
        slot: u64,
        count: u64,
        apart: u64,
    },
    /// Time passes, in minutes, and some of what is due is done.
    Maintain { minutes: u64, steps: usize },
    /// The collector dies and starts again.
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0_usize..3, 0_u64..20_000, 1_u64..40, prop::sample::select(vec![1_u64, 7, 90]))
            .prop_map(|(agent, slot, count, apart)| Event::Deliver { agent, slot, count, apart }),
        4 => (0_u64..1_500, 0_usize..12).prop_map(|(minutes, steps)| Event::Maintain { minutes, steps }),
        1 => Just(Event::Restart),
    ]
}

/// A tenth of the usual number, because each is a life on a disk; `PROPTEST_CASES=10000` for a night.
fn cases() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig {
        cases: usual.cases / 10,
        failure_persistence: None,
        ..usual
    }
}

#[test]
fn a_part_that_comes_after_its_namesake_was_joined_survives_a_restart() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let store = open(directory.path(), T0);
    commit_hour(&store, 0..180);
    maintain(&store, T0 + 2 * DAY_MS);
    // The same hour again, after its first part went into the day's.
    commit_hour(&store, 180..360);
    let soon = T0 + 2 * DAY_MS + 20 * 60_000;
    maintain(&store, soon);
    assert_eq!(files(directory.path(), "1h").len(), 2);
    all_is_there_once(&store);
    drop(store);
    all_is_there_once(&open(directory.path(), soon));
}

/// More series than are encoded at a time, agents that lie across two runs, and one whose later series come last.
#[test]
fn an_hour_of_many_series_is_sealed_run_by_run_and_keeps_every_report() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let (store, plain) = (open(directory.path(), T0), MemoryStore::default());
    let fleet: Vec<_> = (0..7)
        .map(|id| manifest_of(&format!("agent-{id}"), 100))
        .collect();
    let grown = manifest_of("agent-0", 130);
    for (agent, manifest) in fleet.iter().chain([&grown]).enumerate() {
        // Agents that report at the same time, and some that do not.
        let slots = (0..12).map(|slot| slot * (1 + agent as u64 % 3) + 20 * (agent as u64 / 7));
        let items: Vec<Item> = slots
            .map(|slot| {
                item(&report_of(
                    manifest,
                    slot + 1,
                    slot,
                    &[500 + 9 * agent as u32, 700],
                ))
            })
            .collect();
        for store in [&store as &dyn Store, &plain] {
            let admitted = store.commit(&[verified(manifest)], &items).expect("writable");
            assert_eq!(admitted, vec![Admission::Stored; 12]);
        }
    }
    maintain(&store, T0 + 5 * HOUR_MS);
    assert_eq!(files(directory.path(), "10s").len(), 1);
    for step_ms in STEPS {
        let sealed = merged(&store, HOUR, step_ms);
        assert_eq!(
            sealed
                .keys()
                .map(|(series, _)| series)
                .collect::<BTreeSet<_>>()
                .len(),
            730
        );
        assert_eq!(sealed, merged(&plain, HOUR, step_ms), "step {step_ms}");
    }
}

/// Agents that are not asked about are jumped over, wherever they stand among the others.
#[test]
fn a_few_of_many_agents_are_answered_from_their_own_reports() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let (store, plain) = (open(directory.path(), T0), MemoryStore::default());
    for agent in 0..40 {
        let manifest = manifest_of(&format!("agent-{agent}"), 2);
        let slots = (0..6).filter(|slot| agent % 4 != 1 || slot % 2 == 0);
        let items: Vec<Item> = slots
            .map(|slot| item(&report_of(&manifest, slot + 1, slot, &[500 + agent as u32])))
            .collect();
        for store in [&store as &dyn Store, &plain] {
            store.commit(&[verified(&manifest)], &items).expect("writable");
        }
    }
    for asked in [
        &[0_u32][..],
        &[39],
        &[3, 17, 18],
        &[0, 20, 39],
        &[30],
        &[0, 2, 4, 6, 38],
        &[],
    ] {
        let series = asked
            .iter()
            .flat_map(|agent| [SeriesId(agent * 2), SeriesId(agent * 2 + 1)]);
        let selection: SeriesSelection = series.collect();
        let [one, other] = [&store as &dyn Store, &plain].map(|store| {
            let mut seen = Vec::new();
            let request = ScanRequest {
                range: HOUR,
                series: &selection,
                step_ms: 10_000,
            };
            store
                .scan(request, &mut |observation| {
                    seen.push(observation);
                    std::ops::ControlFlow::Continue(())
                })
                .expect("readable");
            seen.sort_by_key(|observation| (observation.start_unix_ms, observation.series));
            seen
        });
        assert_eq!(one.is_empty(), asked.is_empty(), "{asked:?}");
        assert_eq!(one, other, "{asked:?}");
    }
}

proptest! {
    #![proptest_config(cases())]

    /// Whatever the order of delivering, sealing, joining and dying, the answers are those of a store that keeps every
    /// report as it came.
    #[test]
    fn any_life_gives_the_answers_of_a_store_that_rolls_nothing_up(events in prop::collection::vec(event(), 1..24)) {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let (mut store, plain) = (open(directory.path(), T0), MemoryStore::default());
        let manifests = ["a", "b", "c"].map(|id| manifest_of(id, 2));
        let mut now_unix_ms = T0;
        for event in events {
            match event {
                Event::Deliver { agent, slot, count, apart } => {
                    let manifest = &manifests[agent];
                    let items: Vec<Item> = (0..count)
                        .map(|number| slot + number * apart)
                        .map(|slot| item(&report_of(manifest, slot + 1, slot, &[400 + slot as u32 % 97, 900])))
                        .collect();
                    let admitted = [&store as &dyn Store, &plain]
                        .map(|store| store.commit(&[verified(manifest)], &items).expect("writable"));
                    prop_assert_eq!(&admitted[0], &admitted[1]);
                }
                Event::Maintain { minutes, steps } => {
                    // Not so long that anything leaves its tier.
                    now_unix_ms = (now_unix_ms + minutes * 60_000).min(T0 + 6 * DAY_MS);
                    for _ in 0..steps {
                        store.maintain(now_unix_ms).expect("writable");
                    }
                }
                Event::Restart => {
                    drop(store);
                    store = open(directory.path(), now_unix_ms);
                }
            }
        }
        // Past the last interval that can have been delivered.
        let range = TimeRange { from_unix_ms: T0 + 70_000, to_unix_ms: T0 + 4 * DAY_MS };
        for step_ms in [10_000, 90_000, 60_000, HOUR_MS, DAY_MS, ScanRequest::WHOLE_RANGE] {
            prop_assert_eq!(merged(&store, range, step_ms), merged(&plain, range, step_ms), "step {}", step_ms);
        }
    }
}
