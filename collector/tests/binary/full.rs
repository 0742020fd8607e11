//! A full disk under the collector: what does not fit is refused with 503 and a `Retry-After`, what is there can be read,
//! and when there is room again it goes on by itself. The disk is a small tmpfs in a mount namespace of the collector's own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use azimuth_collector::clock;
use azimuth_measurement::Manifest;

use super::fleet::{LENGTH_MS, body, manifest, report, slot_before};
use super::process::{Answer, Collector, command, deliver};

const DISK_BYTES: u64 = 16 * 1024 * 1024;
/// Takes most of the disk, until it is removed.
const FILLER_BYTES: u64 = 12 * 1024 * 1024;
/// More than what is left takes of them.
const MOST_BODIES: u64 = 4_000;
const BATCH: u64 = 20;

/// Mounts, fills and becomes the collector: same process, so that it can be killed and looked into.
const SCRIPT: &str = r#"
mount -t tmpfs -o size="$2" tmpfs "$1" && head -c "$3" /dev/zero >"$1/filler" || exit 1
shift 3
exec "$@"
"#;

fn on_a_small_disk(directory: &Path) -> Command {
    let plain = command(&directory.join("data"));
    let mut wrapped = Command::new("unshare");
    wrapped
        .args(["--mount", "sh", "-c", SCRIPT, "sh"])
        .arg(directory)
        .args([DISK_BYTES.to_string(), FILLER_BYTES.to_string()])
        .arg(plain.get_program())
        .args(plain.get_args())
        .stderr(Stdio::piped())
        .stdout(Stdio::null());
    wrapped
}

fn may_mount() -> bool {
    let tried = Command::new("unshare").args(["--mount", "true"]).output();
    tried.is_ok_and(|tried| tried.status.success())
}

struct Agent {
    manifest: Manifest,
    base_unix_ms: u64,
}

impl Agent {
    fn deliver(&self, collector: &Collector, first: u64) -> Answer {
        let reports: Vec<_> = (first..first + BATCH)
            .map(|sequence| {
                let start = self.base_unix_ms + sequence * LENGTH_MS;
                report(&self.manifest, sequence, start, &[1_000, 2_000, 3_000])
            })
            .collect();
        let body = body(&[&self.manifest], &reports, clock::unix_ms());
        deliver(collector.address, &body).expect("an answer")
    }
}

#[test]
fn a_full_disk_is_said_read_from_and_survived() {
    if !may_mount() {
        eprintln!("skipped: no right to a mount namespace (run as root)");
        return;
    }
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let collector = Collector::spawn(on_a_small_disk(scratch.path()));
    let agent = Agent {
        manifest: manifest("paris-1", 40),
        // Within the retention of seven days.
        base_unix_ms: slot_before(clock::unix_ms(), 58_000),
    };
    let mut next = 1;
    let refused = loop {
        let answer = agent.deliver(&collector, next);
        if answer.status != 200 {
            break answer;
        }
        next += BATCH;
        assert!(next < MOST_BODIES * BATCH.min(14), "the disk never filled up");
    };
    assert_eq!(refused.status, 503, "{refused:?}");
    let retry_after = refused.header("retry-after").expect("a Retry-After");
    assert!(retry_after.parse::<u32>().expect("seconds") >= 1);
    assert_eq!(refused.json()["reason"], "store_failed");
    assert!(next > BATCH, "something was stored before");

    // It can be read while it is full, again and again, and says that it cannot write.
    for _ in 0..3 {
        assert_eq!(agent.deliver(&collector, next).status, 503);
        let agents = collector.get("/api/v1/agents");
        assert_eq!(agents.status, 200, "{agents:?} {}", collector.log());
        assert_eq!(agents.json()["agents"][0]["reports_stored"], next - 1);
        assert_eq!(collector.counter("azimuth_store_writable"), 0);
    }

    let root = PathBuf::from(format!("/proc/{}/root", collector.pid()));
    let inside = scratch.path().strip_prefix("/").expect("absolute");
    std::fs::remove_file(root.join(inside).join("filler")).expect("room is made");
    // The very next delivery: nothing has to be restarted or waited for.
    let answer = agent.deliver(&collector, next);
    assert_eq!(answer.status, 200, "{answer:?}");
    next += BATCH;
    let replay = agent.deliver(&collector, 1);
    assert_eq!(replay.json()["verdicts"][0]["verdict"], "duplicate");
    let agents = collector.get("/api/v1/agents").json();
    assert_eq!(
        agents["agents"][0]["reports_stored"],
        next - 1,
        "none lost, none doubled"
    );
    assert_eq!(collector.counter("azimuth_store_writable"), 1);
}
