//! SIGHUP and the service manager: what is taken up, what is refused and stays as it was, what is told.

use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use azimuth_collector::clock;

use super::fleet::{body, manifest, report, slot_before};
use super::process::{Collector, command};

const PATIENCE: Duration = Duration::from_secs(60);

fn next(manager: &UnixDatagram) -> String {
    let mut message = [0; 1_024];
    let octets = manager.recv(&mut message).expect("a message in time");
    String::from_utf8_lossy(&message[..octets]).into_owned()
}

/// The next message that is no sign of life.
fn news(manager: &UnixDatagram) -> String {
    loop {
        let message = next(manager);
        if message != "WATCHDOG=1\n" && message != "WATCHDOG=1" {
            return message;
        }
    }
}

pub(super) fn hang_up(collector: &Collector) {
    let pid = collector.pid().to_string();
    Command::new("kill")
        .args(["-HUP", &pid])
        .status()
        .expect("kill exists");
}

pub(super) fn until(mut seen: impl FnMut() -> bool) {
    let began = clock::monotonic();
    while !seen() {
        assert!(
            clock::monotonic().duration_since(began) < PATIENCE,
            "it did not come"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_new_configuration_is_taken_up_a_wrong_one_is_named_and_nothing_stored_is_lost() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let (file, socket) = (
        directory.path().join("collector.toml"),
        directory.path().join("notify"),
    );
    let unix = directory.path().join("collector.sock");
    let manager = UnixDatagram::bind(&socket).expect("a socket");
    manager.set_read_timeout(Some(PATIENCE)).expect("set");
    std::fs::write(&file, "query_timeout = \"20s\"\n").expect("writable");
    let mut command = command(&directory.path().join("data"));
    command
        .arg("--config")
        .arg(&file)
        .env("NOTIFY_SOCKET", &socket)
        .env("WATCHDOG_USEC", "200000");
    let collector = Collector::spawn(command);
    assert!(news(&manager).starts_with("READY=1"));
    while !next(&manager).starts_with("WATCHDOG=1") {}

    let (manifest, now) = (manifest("paris-1", 1), clock::unix_ms());
    let reports = [report(&manifest, 1, slot_before(now, 2), &[900])];
    let stored = collector
        .deliver(&body(&[&manifest], &reports, now))
        .expect("an answer");
    assert_eq!(stored.status, 200);

    std::fs::write(&file, "query_timeout = \"20s\"\nlisten_on = 1\n").expect("writable");
    hang_up(&collector);
    until(|| collector.log().contains("line 2: "));
    assert!(collector.log().contains("the configuration before stays in use"));
    let refused = "azimuth_config_reloads_total{outcome=\"refused\",reason=\"invalid\"}";
    assert_eq!(collector.counter(refused), 1);

    let text = format!(
        "query_timeout = \"20s\"\nunix_socket = {:?}\n",
        unix.display().to_string()
    );
    std::fs::write(&file, text).expect("writable");
    hang_up(&collector);
    assert!(news(&manager).starts_with("RELOADING=1"));
    assert!(news(&manager).starts_with("READY=1"));
    assert!(unix.exists(), "the new socket is there");
    assert_eq!(collector.counter(refused), 1, "what was counted stays counted");
    let agents = collector.get("/api/v1/agents").json();
    assert_eq!(agents["agents"][0]["reports_stored"], 1, "{agents}");
    let again = collector
        .deliver(&body(&[&manifest], &reports, now))
        .expect("an answer");
    assert!(
        String::from_utf8_lossy(&again.body).contains("duplicate"),
        "{again:?}"
    );

    let (status, log) = collector.terminate();
    assert!(status.success(), "{log}");
    assert!(news(&manager).starts_with("STOPPING=1"));
    assert!(!unix.exists(), "the socket is taken away");
}

#[test]
fn doctor_says_what_a_wrong_configuration_and_a_wrong_directory_need() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let file = directory.path().join("collector.toml");
    let doctor = |text: &str| {
        std::fs::write(&file, text).expect("writable");
        let mut command = Command::new(env!("CARGO_BIN_EXE_azimuth-collector"));
        let output = command.args(["doctor", "--json", "--config"]).arg(&file).output();
        let output = output.expect("it runs");
        let all = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&all).into_owned())
    };
    let (code, said) = doctor("listen = 7\n");
    assert!(code == Some(2) && said.contains("line 1"), "{said}");
    let (code, said) = doctor("data_dir = \"/proc/none/data\"\n");
    assert!(code == Some(1) && said.contains("may write to"), "{said}");
}

#[test]
fn doctor_says_by_which_plan_is_measured_and_who_may_do_what() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let (data, file) = (
        directory.path().join("data"),
        directory.path().join("collector.toml"),
    );
    std::fs::write(directory.path().join("plan.toml"), super::plan::PLAN).expect("writable");
    let text = format!(
        "data_dir = {:?}\nplan = \"plan.toml\"\n",
        data.display().to_string()
    );
    std::fs::write(&file, text).expect("writable");
    let doctor = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_azimuth-collector"));
        let output = command.args(["doctor", "--json", "--config"]).arg(&file).output();
        let findings: serde_json::Value =
            serde_json::from_slice(&output.expect("it runs").stdout).expect("findings");
        move |subject: &str| {
            let all = findings.as_array().expect("a list");
            let found = all.iter().find(|one| one["subject"] == subject);
            let found = found.unwrap_or_else(|| panic!("nothing of {subject}: {findings}"));
            (
                found["found"].as_str().unwrap_or_default().to_owned(),
                found["remedy"].as_str().unwrap_or_default().to_owned(),
            )
        }
    };
    let (plan, _) = doctor()("plan");
    assert_eq!(plan, "none yet: no collector has run here");
    let mut command = command(&data);
    command.arg("--config").arg(&file);
    let collector = Collector::spawn(command);
    crate::access::ok(&data, &["user", "add", "anna", "--role", "administer"], "");
    let said = doctor();
    let (plan, remedy) = said("plan");
    assert!(
        plan.contains(", signed with the key ") && plan.contains("1 entries, run by 0 of 0 agents"),
        "{plan}"
    );
    assert_eq!(remedy, "");
    assert_eq!(said("access").0, "administer: anna");
    assert_eq!(said("reach").0, "this machine only");
    assert!(
        said("reports").0.starts_with("from every agent that reaches"),
        "{}",
        said("reports").0
    );

    crate::enrolment::told(&data, &["plan", "stop"]).expect("stopped");
    let is_stopped = || {
        let (plan, remedy) = doctor()("plan");
        assert!(
            plan.starts_with("STOPPED since ") && remedy.contains("plan resume"),
            "{plan}: {remedy}"
        );
    };
    is_stopped();
    collector.terminate();
    is_stopped();
}
