//! Alerts of the real binary: kill -9 while it evaluates, over and over, and the outbox is what it would have been.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use azimuth_collector::alert::rules::{RuleSet, read};
use azimuth_collector::clock;
use azimuth_collector::evaluate::desk::Desk;
use azimuth_collector::evaluate::page::Page;

use super::fleet::{LENGTH_MS, body, manifest, report, slot_before};
use super::process::{Collector, command};

const RULES: &str = "[[regression]]\nname = \"slower\"\nstatistics = [\"p50\"]\n[[threshold]]\nname = \"far\"\nmeasure = \"p50\"\nabove_ms = 12\n";
/// Slots at 10 ms, then at 14 ms, then at 10 ms again.
const LEVELS: [(u64, u32); 3] = [(540, 10_000), (180, 14_000), (540, 10_000)];
/// The newest report is so many slots old, so that all of them are settled.
const SETTLED: u64 = 60;
const MOST_KILLS: usize = 400;

fn rules() -> Arc<RuleSet> {
    Arc::new(read([(Path::new("rules.toml"), RULES)]).expect("valid rules"))
}

fn desk(directory: &Path) -> Desk {
    Desk::open(directory, rules(), Arc::default(), 0).expect("nobody has it")
}

fn start(directory: &Path) -> Collector {
    let mut serve = command(directory);
    serve.arg("--config").arg(directory.join("collector.toml"));
    Collector::spawn(serve)
}

/// A store with an incident in it of which nothing is evaluated yet; where it begins and ends.
fn store(directory: &Path) -> (u64, u64) {
    std::fs::write(directory.join("rules.toml"), RULES).expect("writable");
    std::fs::write(
        directory.join("collector.toml"),
        "[alerting]\nrules = [\"rules.toml\"]\n",
    )
    .expect("writable");
    let slots: u64 = LEVELS.iter().map(|(slots, _)| slots).sum();
    let from_unix_ms = slot_before(clock::unix_ms(), slots + SETTLED);
    let manifest = manifest("brest-1", 2);
    let levels = LEVELS
        .iter()
        .flat_map(|(slots, level)| (0..*slots).map(move |_| *level));
    let reports: Vec<_> = levels
        .zip(0_u64..)
        .map(|(level_us, slot)| {
            let delays: Vec<u32> = (0..10)
                .map(|probe| level_us + ((slot * 7 + probe * 13) % 100) as u32)
                .collect();
            report(&manifest, slot + 1, from_unix_ms + slot * LENGTH_MS, &delays)
        })
        .collect();
    let collector = start(directory);
    for chunk in reports.chunks(60) {
        let answer = collector
            .deliver(&body(&[&manifest], chunk, clock::unix_ms()))
            .expect("an answer");
        assert_eq!(answer.status, 200);
    }
    collector.terminate();
    std::fs::remove_file(directory.join("alerts.redb")).expect("it was made");
    let unevaluated = desk(directory).change(|change| *change.evaluated_to_unix_ms = Some(from_unix_ms));
    unevaluated.expect("writable");
    (from_unix_ms, from_unix_ms + slots * LENGTH_MS)
}

/// Runs until killed after `alive`, and says how far it came.
fn run(directory: &Path, alive: Duration) -> u64 {
    let collector = start(directory);
    std::thread::sleep(alive);
    collector.kill();
    desk(directory).evaluated_to_unix_ms().expect("begun")
}

fn pages(directory: &Path) -> Vec<Page> {
    desk(directory).pages(0, 1_000).expect("readable")
}

#[test]
fn no_page_is_lost_and_none_repeated_over_kills() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let (killed, straight) = (scratch.path().join("killed"), scratch.path().join("straight"));
    std::fs::create_dir(&killed).expect("writable");
    let (from_unix_ms, to_unix_ms) = store(&killed);
    let copied = std::process::Command::new("cp")
        .arg("-r")
        .arg(&killed)
        .arg(&straight)
        .status();
    assert!(copied.expect("cp exists").success());

    let mut random = fastrand::Rng::with_seed(11);
    let mut stops = std::collections::BTreeSet::new();
    let mut kills = 0;
    while stops.last().is_none_or(|last| *last < to_unix_ms) {
        kills += 1;
        assert!(kills <= MOST_KILLS, "it does not get on: {stops:?}");
        stops.insert(run(&killed, Duration::from_millis(random.u64(0..60))));
    }
    stops.retain(|at| (from_unix_ms + 1..to_unix_ms).contains(at));
    assert!(
        stops.len() >= 3,
        "too few kills fell into the evaluation: {stops:?}"
    );

    let mut alive = Duration::from_millis(500);
    while run(&straight, alive) < to_unix_ms {
        alive *= 2;
    }
    let (killed, straight) = (pages(&killed), pages(&straight));
    // Two series, two rules, fired and resolved.
    assert_eq!(straight.len(), 8, "{straight:#?}");
    let what = |pages: &[Page]| -> Vec<_> {
        pages
            .iter()
            .map(|page| (page.sequence, page.key.clone(), page.notice, page.ending))
            .collect()
    };
    assert_eq!(what(&killed), what(&straight));
    for (one, other) in killed.iter().zip(&straight) {
        // A memory rebuilt from one-minute rollups may come to the same a minute sooner or later.
        assert!(
            one.at_unix_ms.abs_diff(other.at_unix_ms) <= 120_000,
            "{one:?} {other:?}"
        );
    }
}
