//! A view that was kept: answered by the collector itself, there after a kill, and gone when deleted.

use std::process::Command;

use azimuth_collector::clock;

use super::fleet::{body, manifest, report, slot_before};
use super::process::{Answer, Collector};

const JSON: (&str, &str) = ("content-type", "application/json");

fn keep(collector: &Collector, questions: &[&str], headers: &[(&str, &str)]) -> Answer {
    let body = serde_json::json!({"title": "Paris", "view": "/matrix?from=x", "questions": questions});
    collector
        .request("POST", "/api/v1/snapshots", headers, body.to_string().as_bytes())
        .expect("an answer")
}

#[test]
fn a_snapshot_holds_what_was_answered_then_and_survives_a_kill() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let collector = Collector::start(directory.path());
    let now = clock::unix_ms();
    let manifest = manifest("paris-1", 2);
    let deliver = |sequence, slots| {
        let reports = [report(&manifest, sequence, slot_before(now, slots), &[900])];
        let body = body(&[&manifest], &reports, now);
        collector.deliver(&body).expect("an answer");
    };
    deliver(1, 6);
    let map = "/api/v1/map?from=now-10m";
    let then = collector.get(map).json();
    let questions = [
        map,
        "/api/v1/agents",
        "/api/v1/series?agent=nobody&zone=aws/eu-west-3/az0",
    ];
    let kept = keep(&collector, &questions, &[JSON]);
    assert_eq!(kept.status, 201);
    let path = format!("/api/v1/snapshots/{}", kept.json()["id"].as_str().expect("an id"));
    deliver(2, 5);
    assert_ne!(
        collector.get(map).json()["cells"],
        then["cells"],
        "measuring went on"
    );

    assert_eq!(keep(&collector, &["/api/v1/backup"], &[JSON]).status, 400);
    let elsewhere = ("origin", "http://example.org");
    assert_eq!(keep(&collector, &questions, &[JSON, elsewhere]).status, 403);
    assert_eq!(
        collector.counter("azimuth_access_refused_total{what=\"change\",reason=\"cross_site\"}"),
        1
    );
    collector.kill();

    let collector = Collector::start(directory.path());
    let snapshot = collector.get(&path).json();
    assert_eq!(
        (&snapshot["title"], &snapshot["view"]),
        (&"Paris".into(), &"/matrix?from=x".into())
    );
    assert_eq!(snapshot["answers"][0]["answer"]["cells"], then["cells"]);
    assert_eq!(snapshot["answers"][1]["answer"]["agents"][0]["agent"], "paris-1");
    assert!(
        snapshot["answers"][2]["refused"]
            .as_str()
            .is_some_and(|why| why.contains("nobody"))
    );
    let list = collector.get("/api/v1/snapshots").json();
    assert_eq!(list["snapshots"].as_array().map(Vec::len), Some(1));
    assert_eq!(collector.counter("azimuth_snapshots"), 1);
    let delete = || {
        collector
            .request("DELETE", &path, &[], b"")
            .expect("an answer")
            .status
    };
    assert_eq!(list["snapshots"][0]["kept_by"], "this machine");
    let told = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_azimuth-collector"));
        command.arg("snapshot").args(arguments);
        command.arg("--data-dir").arg(directory.path());
        command.output().expect("it runs")
    };
    let line = String::from_utf8(told(&["list"]).stdout).expect("text");
    assert!(
        line.contains("this machine") && line.contains("/matrix?from=x"),
        "{line}"
    );
    assert_eq!(line.lines().count(), 1);
    assert_eq!((delete(), delete(), collector.get(&path).status), (204, 404, 404));

    let second = keep(&collector, &questions, &[JSON]).json();
    let id = second["id"].as_str().expect("an id");
    assert!(told(&["delete", id]).status.success());
    let gone = told(&["delete", id]);
    assert!(!gone.status.success());
    assert!(String::from_utf8_lossy(&gone.stderr).contains("no such snapshot"));
    assert_eq!(told(&["list"]).stdout, b"");
}
