//! A backup of a collector while an agent delivers, and the way back: every report acknowledged before the backup began is
//! there, none twice; a backup that is not whole is refused and leaves nothing behind.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use azimuth_collector::clock;

use super::fleet::{LENGTH_MS, body, manifest, report, slot_before};
use super::process::{Collector, deliver};

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_azimuth-collector"));
    command.args(arguments).output().expect("it runs")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

#[test]
fn a_backup_taken_while_agents_deliver_has_every_acknowledged_report_once() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let at = |name: &str| directory.path().join(name);
    let collector = Collector::start(&at("one"));
    let manifest = manifest("one", 2);
    let base_unix_ms = slot_before(clock::unix_ms(), 5_000);
    let bodies = |sequence: u64| {
        let start = base_unix_ms + sequence * LENGTH_MS;
        let report = report(&manifest, sequence, start, &[1_000 + sequence as u32]);
        body(&[&manifest], &[report], clock::unix_ms())
    };
    let (stop, acknowledged) = (AtomicBool::new(false), AtomicU64::new(0));
    let address = collector.address;
    let before = std::thread::scope(|scope| {
        scope.spawn(|| {
            for sequence in 1..4_000 {
                let answer = deliver(address, &bodies(sequence)).expect("an answer");
                assert_eq!(answer.json()["verdicts"][0]["verdict"], "stored");
                acknowledged.store(sequence, Ordering::SeqCst);
                if stop.load(Ordering::SeqCst) {
                    return;
                }
            }
        });
        while acknowledged.load(Ordering::SeqCst) < 50 {
            std::thread::yield_now();
        }
        let before = acknowledged.load(Ordering::SeqCst);
        let taken = run(&[
            "backup",
            "--from",
            &address.to_string(),
            "--to",
            text(&at("file")),
        ]);
        stop.store(true, Ordering::SeqCst);
        assert!(
            taken.status.success(),
            "{}",
            String::from_utf8_lossy(&taken.stderr)
        );
        before
    });
    let again = run(&[
        "backup",
        "--from",
        &address.to_string(),
        "--to",
        text(&at("file")),
    ]);
    assert_eq!(again.status.code(), Some(1), "never over another file");
    drop(collector);

    let restored = run(&[
        "restore",
        "--from",
        text(&at("file")),
        "--data-dir",
        text(&at("two")),
    ]);
    assert!(
        restored.status.success(),
        "{}",
        String::from_utf8_lossy(&restored.stderr)
    );
    let said = String::from_utf8_lossy(&restored.stdout);
    assert!(said.contains("1 agents, "), "{said}");
    let restored = run(&[
        "restore",
        "--from",
        text(&at("file")),
        "--data-dir",
        text(&at("two")),
    ]);
    assert_eq!(
        restored.status.code(),
        Some(1),
        "never into a directory that holds anything"
    );

    let collector = Collector::start(&at("two"));
    let mut known = 0;
    for sequence in 1..=acknowledged.load(Ordering::SeqCst) {
        let answer = deliver(collector.address, &bodies(sequence)).expect("an answer");
        let verdict = answer.json()["verdicts"][0]["verdict"].clone();
        if verdict == "duplicate" {
            known = sequence;
        }
        assert!(
            verdict == "duplicate" || sequence > before,
            "{sequence} of {before} is {verdict}"
        );
    }
    assert!(known >= before);
    let agents = collector.get("/api/v1/agents").json();
    let stored = agents["agents"][0]["reports_stored"].as_u64().expect("a number");
    assert_eq!(stored, acknowledged.load(Ordering::SeqCst), "each once");

    // What is cut off, or flipped, is refused, and leaves no directory.
    let whole = std::fs::read(at("file")).expect("readable");
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for (bytes, reason) in [(&whole[..whole.len() - 40], "cut off"), (&flipped[..], "damaged")] {
        std::fs::write(at("bad"), bytes).expect("writable");
        let refused = run(&[
            "restore",
            "--from",
            text(&at("bad")),
            "--data-dir",
            text(&at("three")),
        ]);
        let error = String::from_utf8_lossy(&refused.stderr);
        assert!(
            refused.status.code() == Some(1) && error.contains(reason),
            "{error}"
        );
        assert!(!at("three").exists());
    }
}
