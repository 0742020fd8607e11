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

/// Becomes the command on a disk of so many bytes.
const SMALL_DISK: &str = r#"
mount -t tmpfs -o size="$2" tmpfs "$1" || exit 99
shift 2
exec "$@"
"#;

#[test]
fn a_restore_says_what_a_killed_one_left_and_when_the_disk_is_full() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let at = |name: &str| scratch.path().join(name);
    let collector = Collector::start(&at("one"));
    let manifest = manifest("one", 200);
    let base_unix_ms = slot_before(clock::unix_ms(), 2_000);
    for sequence in 1..=40 {
        let start = base_unix_ms + sequence * LENGTH_MS;
        let report = report(&manifest, sequence, start, &[1_000 + sequence as u32]);
        let body = body(&[&manifest], &[report], clock::unix_ms());
        assert_eq!(deliver(collector.address, &body).expect("an answer").status, 200);
    }
    let taken = run(&[
        "backup",
        "--from",
        &collector.address.to_string(),
        "--to",
        text(&at("file")),
    ]);
    assert!(
        taken.status.success(),
        "{}",
        String::from_utf8_lossy(&taken.stderr)
    );
    drop(collector);

    let left = at("two.restoring-0123abcd");
    std::fs::create_dir(&left).expect("writable");
    std::fs::write(left.join("hot.redb"), "half of it").expect("writable");
    let restored = run(&[
        "restore",
        "--from",
        text(&at("file")),
        "--data-dir",
        text(&at("two")),
    ]);
    let said = String::from_utf8_lossy(&restored.stderr);
    assert!(restored.status.success(), "{said}");
    assert!(said.contains("two.restoring-0123abcd: left behind"), "{said}");
    assert!(!left.exists() && at("two").exists());

    std::fs::create_dir(at("disk")).expect("writable");
    // Too small for the database to begin, and for what it is to hold.
    for bytes in [8 * 1024, 64 * 1024] {
        let tried = Command::new("unshare")
            .args(["--mount", "sh", "-c", SMALL_DISK, "sh"])
            .arg(at("disk"))
            .arg(bytes.to_string())
            .arg(env!("CARGO_BIN_EXE_azimuth-collector"))
            .args([
                "restore",
                "--from",
                text(&at("file")),
                "--data-dir",
                text(&at("disk/data")),
            ])
            .output()
            .expect("unshare exists");
        let said = String::from_utf8_lossy(&tried.stderr);
        if tried.status.code() == Some(99) || said.contains("unshare failed") {
            eprintln!("skipped: no right to a mount namespace (run as root)");
            return;
        }
        assert_eq!(tried.status.code(), Some(1), "{bytes}: {said}");
        assert!(
            said.contains("the disk of") && said.contains("is full"),
            "{bytes}: {said}"
        );
    }
}
