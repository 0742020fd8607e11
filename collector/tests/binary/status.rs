//! What the binary says of itself: `GET /api/v1/status`, the same on `/metrics`, and the command that asks for it.

use std::process::{Command, Output};

use azimuth_collector::clock;

use super::fleet::{body, manifest, report, slot_before};
use super::process::Collector;

fn ask(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_azimuth-collector"));
    command.arg("status").args(arguments).output().expect("it runs")
}

fn names(status: &serde_json::Value) -> Vec<&str> {
    let concerns = status["concerns"].as_array().expect("a list");
    concerns
        .iter()
        .filter_map(|concern| concern["name"].as_str())
        .collect()
}

#[test]
fn the_status_counts_what_came_in_and_what_was_refused_and_the_command_says_so() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let collector = Collector::start(directory.path());
    let url = format!("http://{}", collector.address);
    let now = clock::unix_ms();
    let manifest = manifest("paris-1", 2);
    let reports = [report(&manifest, 1, slot_before(now, 2), &[900])];
    collector
        .deliver(&body(&[&manifest], &reports, now))
        .expect("an answer");

    let status = collector.get("/api/v1/status").json();
    // How much the disk of this machine has left is its own affair.
    let mut found = names(&status);
    found.retain(|name| !name.starts_with("disk_"));
    assert_eq!(found, [""; 0], "{status}");
    assert_eq!(
        (&status["ingest"]["stored"], &status["commits"]["n"]),
        (&1.into(), &1.into())
    );
    assert!(status["commits"]["max_us"].as_u64().is_some_and(|took| took > 0));
    assert_eq!(status["store"]["estimate"], "too_little_sealed");
    assert_eq!(status["store"]["unsealed_hours"], 1);
    assert!(status["store"]["free_bytes"].is_u64());
    assert_eq!(
        (&status["agents"]["live"], &status["agents"]["worst"][0]["agent"]),
        (&1.into(), &"paris-1".into())
    );
    assert_eq!(
        collector.get("/api/v1/status?agents=0").json()["agents"]["left_out"],
        1
    );
    assert_eq!(collector.get("/api/v1/status?agents=10001").status, 400);

    // A body of no meaning is refused for good, which is a concern.
    collector.deliver(b"not a batch").expect("an answer");
    let status = collector.get("/api/v1/status").json();
    assert_eq!(status["state"], "degraded");
    assert!(names(&status).contains(&"reports_refused"), "{status}");
    assert_eq!(status["refusals"][0]["kind"], "body");
    assert_eq!(collector.counter("azimuth_healthy"), 0);
    assert_eq!(
        collector.counter("azimuth_concern{concern=\"reports_refused\"}"),
        1
    );
    assert_eq!(collector.counter("azimuth_agents_by_state{state=\"live\"}"), 1);
    assert_eq!(collector.counter("azimuth_store_unsealed_rollups"), 1);

    let said = ask(&["--url", &url]);
    let text = String::from_utf8_lossy(&said.stdout);
    assert_eq!(said.status.code(), Some(1), "{text}");
    assert!(
        text.contains("! reports_refused: 1 reports or bodies") && text.contains("paris-1"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "colours are for terminals");
    let json = ask(&["--url", &url, "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(json["state"], "degraded");

    drop(collector);
    let said = ask(&["--url", &url]);
    assert_eq!(said.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&said.stderr).contains("is the collector running there?"));
}
