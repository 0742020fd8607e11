//! ICMP echo with the real binary in network namespaces of its own: each kind of socket, none at all, and a router that says
//! no. Needs root, and says so when it is skipped. Nothing here asserts how fast anything is.

mod path;

use std::process::{Command, Output};

use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_azimuth-agent");
const WORLD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/icmp/world.sh");
const EVERYONE: &str = "0 2147483647";
const NOBODY: &str = "1 0";
/// A user without any capability.
const ORDINARY: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

fn probe(groups: &str, as_user: &[&str], target: &str) -> (Output, Value) {
    let output = run(groups, as_user, target, &[]);
    let found = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        unreachable!(
            "{error}; is this root, with util-linux and iproute2 installed?\n{}",
            log(&output)
        )
    });
    (output, found)
}

fn run(groups: &str, as_user: &[&str], target: &str, more: &[&str]) -> Output {
    let mut command = Command::new("unshare");
    command
        .args(["-n", "-m", "sh", WORLD, groups])
        .args(as_user)
        .args([
            BINARY,
            "probe",
            target,
            "--method",
            "icmp_echo",
            "--count",
            "20",
            "--period-ms",
            "10",
            "--waiting-time-ms",
            "1000",
            "--json",
        ])
        .args(more);
    command
        .env("AZIMUTH_LOG", "debug")
        .output()
        .expect("unshare(1) runs")
}

fn log(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn may_run() -> bool {
    let may = nix::unistd::geteuid().is_root();
    if !may {
        println!("SKIPPED: needs root for namespaces; run `sudo make test`");
    }
    may
}

#[test]
fn both_kinds_of_socket_are_stamped_by_the_kernel_on_both_ends() {
    if !may_run() {
        return;
    }
    let kinds: [(&str, &[&str], &str); 2] = [
        (EVERYONE, &ORDINARY, "datagram socket"),
        (NOBODY, &[], "raw socket"),
    ];
    for (groups, as_user, kind) in kinds {
        for target in ["10.77.0.2", "fd77::2"] {
            let (output, found) = probe(groups, as_user, target);
            assert!(log(&output).contains(kind), "{}", log(&output));
            assert_eq!(found["clock"], "kernel", "{kind} to {target}: {found}");
            for nothing in [
                "lost",
                "missing_tx_stamp",
                "missing_rx_stamp",
                "discarded",
                "duplicate",
                "send_errors",
            ] {
                assert_eq!(found[nothing], 0, "{kind} to {target}: {nothing} of {found}");
            }
            let slots = found["n"].as_u64().zip(found["skipped"].as_u64());
            assert_eq!(slots.map(|(n, skipped)| n + skipped), Some(20), "{found}");
            assert!(output.status.success());
        }
    }
}

#[test]
fn without_any_right_to_ping_the_reason_and_the_remedy_are_said() {
    if !may_run() {
        return;
    }
    let (output, found) = probe(NOBODY, &ORDINARY, "10.77.0.2");
    let slots = found["send_errors"].as_u64().zip(found["skipped"].as_u64());
    assert_eq!(
        slots.map(|(errors, skipped)| errors + skipped),
        Some(20),
        "{found}"
    );
    assert_eq!((&found["sent"], output.status.code()), (&Value::from(0), Some(1)));
    let log = log(&output);
    for part in [
        "Permission denied",
        "Operation not permitted",
        "ping_group_range",
        "CAP_NET_RAW",
    ] {
        assert!(log.contains(part), "{part} is missing from\n{log}");
    }
}

#[test]
fn a_router_that_says_no_is_named_and_no_delay_comes_of_it() {
    if !may_run() {
        return;
    }
    let kinds: [(&str, &[&str]); 2] = [(EVERYONE, &ORDINARY), (NOBODY, &[])];
    for (groups, as_user) in kinds {
        let (output, found) = probe(groups, as_user, "198.51.100.7");
        assert_eq!(
            (&found["returned"], &found["p50_us"]),
            (&Value::from(0), &Value::Null),
            "{found}"
        );
        // An error for one probe must not be taken for a failure to send the next.
        assert_eq!(
            (&found["lost"], &found["send_errors"]),
            (&found["sent"], &Value::from(0)),
            "{found}"
        );
        let log = log(&output);
        assert!(
            log.contains(r#"error="net_unreachable" from="10.77.0.2""#),
            "{log}"
        );
        // The router says it of each, but what it says of the last ones may come after the end.
        let heard = found["errors"]["net_unreachable"].as_u64().unwrap_or(0);
        let sent = found["sent"].as_u64().unwrap_or(0);
        assert!(heard > 0 && heard <= sent, "{found}");
    }
}

#[test]
fn flows_have_identifiers_of_their_own_and_requests_may_be_longer() {
    if !may_run() {
        return;
    }
    let kinds: [(&str, &[&str]); 2] = [(EVERYONE, &ORDINARY), (NOBODY, &[])];
    for (groups, as_user) in kinds {
        for target in ["10.77.0.2", "fd77::2"] {
            let more = ["--flows", "3", "--payload-bytes", "1000", "--dscp", "10"];
            let output = run(groups, as_user, target, &more);
            let text = String::from_utf8_lossy(&output.stdout);
            let found: Vec<Value> = text
                .lines()
                .map(|line| serde_json::from_str(line).expect("an object a line"))
                .collect();
            assert_eq!(found.len(), 3, "{}", log(&output));
            for (flow, found) in found.iter().enumerate() {
                assert_eq!(
                    (&found["flow"], &found["clock"]),
                    (&Value::from(flow), &Value::from("kernel"))
                );
                let slots = found["n"].as_u64().zip(found["skipped"].as_u64());
                assert_eq!(slots.map(|(n, skipped)| n + skipped), Some(20), "{found}");
            }
        }
    }
}
