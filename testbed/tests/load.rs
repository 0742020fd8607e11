//! `azimuth-testbed load` in its short form: some hundreds of agents come back at once, and every report is stored once.
//! Needs the collector's binary beside the testbed's (`make test` builds both). `AZIMUTH_LOAD_AGENTS=10000` for a night.

use std::process::Command;

fn agents() -> String {
    std::env::var("AZIMUTH_LOAD_AGENTS").unwrap_or_else(|_| "300".to_owned())
}

#[test]
fn a_fleet_that_comes_back_at_once_loses_and_doubles_nothing() {
    let output = Command::new(env!("CARGO_BIN_EXE_azimuth-testbed"))
        .args(["load", "--json", "--backlog", "12", "--agents", &agents()])
        .output()
        .expect("the binary starts");
    let said = String::from_utf8_lossy(&output.stderr);
    let figures: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    eprintln!("{figures:#}");
    assert!(output.status.success(), "{figures:#} {said}");
    assert_eq!((&figures["lost"], &figures["doubled"]), (&0.into(), &0.into()));
    assert_eq!(
        figures["stored"]
            .as_u64()
            .zip(figures["duplicates"].as_u64())
            .map(|(a, b)| a + b),
        figures["reports"].as_u64(),
        "each was settled once"
    );
}

#[test]
fn it_is_only_ever_put_on_this_machine() {
    let output = Command::new(env!("CARGO_BIN_EXE_azimuth-testbed"))
        .args(["load", "--agents", "1", "--collector", "192.0.2.1:8360"])
        .output()
        .expect("the binary starts");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not a loopback address"));
}
