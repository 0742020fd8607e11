//! `azimuth-agent path` with the real binary through a chain of routers, by each method and both families, as a user without
//! any capability. Needs root, for the namespaces only.

use std::process::{Command, Output};

use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_azimuth-agent");
const WORLD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/icmp/path_world.sh");

/// Traces as an ordinary user. `before` is run as root first.
fn trace(before: &str, target: &str, method: &str) -> (Output, Value) {
    // Neighbours are found by a trace that does not count: IPv6 drops what waits for them too long.
    let script = format!(
        "{BINARY} path {target} --count 2 >/dev/null\n{before}\nexec setpriv --reuid=65534 --regid=65534 --clear-groups {BINARY} path {target} --method {method} --count 3 --json"
    );
    let output = Command::new("unshare")
        .args(["-n", "-m", "sh", WORLD, super::EVERYONE, "sh", "-c", &script])
        .output()
        .expect("unshare(1) runs");
    let found = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        let log = String::from_utf8_lossy(&output.stderr);
        unreachable!("{error}; is this root, with util-linux and iproute2 installed?\n{log}")
    });
    (output, found)
}

/// Who answered at each hop, and that every packet was answered.
fn hops(found: &Value) -> Vec<&Value> {
    let hops = found["hops"].as_array().expect("hops");
    for hop in hops {
        assert_eq!(
            (&hop["sent"], &hop["answered"]),
            (&json!(3), &json!(3)),
            "{found}"
        );
        assert!(hop["min_us"].as_u64() > Some(0) && hop["min_us"].as_u64() <= hop["median_us"].as_u64());
    }
    hops.iter().map(|hop| &hop["addresses"]).collect()
}

#[test]
fn the_routers_of_a_chain_are_seen_without_privilege_by_every_method() {
    if !super::may_run() {
        return;
    }
    for method in ["stamp", "icmp", "tcp"] {
        for (target, expected) in [
            ("10.88.9.2", ["10.88.1.2", "10.88.2.2", "10.88.3.2", "10.88.9.2"]),
            ("fd88:9::2", ["fd88:1::2", "fd88:2::2", "fd88:3::2", "fd88:9::2"]),
        ] {
            let (output, found) = trace("", target, method);
            assert_eq!(
                hops(&found),
                expected.map(|at| json!([at])).each_ref(),
                "{method} to {target}"
            );
            assert_eq!((&found["reached"], output.status.code()), (&json!(true), Some(0)));
        }
    }
}

#[test]
fn a_way_that_ends_is_told_by_who_ends_it() {
    if !super::may_run() {
        return;
    }
    let cut = "ip -n r3 route add prohibit 10.88.9.2/32";
    let (output, found) = trace(cut, "10.88.9.2", "icmp");
    let expected = ["10.88.1.2", "10.88.2.2", "10.88.3.2"].map(|at| json!([at]));
    assert_eq!(hops(&found), expected.each_ref(), "{found}");
    assert_eq!(
        found["blocked"],
        json!({"router": "10.88.3.2", "error": "admin_prohibited"})
    );
    assert_eq!(
        (&found["reached"], output.status.code()),
        (&json!(false), Some(1))
    );
}

#[test]
fn a_name_that_is_none_cannot_be_tried() {
    let output = Command::new(BINARY)
        .args(["path", "no such name"])
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is neither an address nor a name"));
}
