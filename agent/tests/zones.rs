//! `probe --zones` against a catalogue whose addresses are this host's own: who is asked, how often, and who comes first.
//! Nothing leaves loopback.

use std::net::TcpListener;
use std::process::{Command, Output};

const BINARY: &str = env!("CARGO_BIN_EXE_azimuth-agent");

/// Two zones of the user's own, and an address on loopback that is said to be somebody else's.
fn catalogue(port: u16) -> String {
    let endpoint = |zone: &str, host: &str, whose: &str| {
        format!(
            "[[endpoint]]\nprovider = \"mine\"\nregion = \"lyon\"\nzone = \"{zone}\"\nhost = \"{host}\"\nport = {port}\n\
             granularity = \"zone\"\nmethods = [\"tcp_connect\"]\n{whose}\n"
        )
    };
    let own = "ownership = \"own\"\nleast_period_ms = 20";
    [
        "[[provider]]\nid = \"mine\"\nname = \"Mine\"\n[[region]]\nprovider = \"mine\"\nid = \"lyon\"\nname = \"Lyon\"\ncountry = \"FR\"\n\
         city = \"Lyon\"\nmetro = \"Lyon\"\nlatitude = 45.76\nlongitude = 4.84\ncoordinate_accuracy_km = 5\nzones = [\"a\", \"b\", \"c\"]\n"
            .to_owned(),
        endpoint("a", "127.0.0.1", own),
        endpoint("b", "127.0.0.2", own),
        endpoint("c", "127.0.0.3", "ownership = \"third_party\""),
    ]
    .concat()
}

fn probe(directory: &tempfile::TempDir, flags: &[&str]) -> Output {
    Command::new(BINARY)
        .args(["probe", "--zones", "provider=mine", "--catalogue"])
        .arg(directory.path().join("own.toml"))
        .args(flags)
        .output()
        .expect("the binary runs")
}

#[test]
fn zones_are_chosen_measured_and_ranked_and_nobody_is_asked_without_consent() {
    let listener = TcpListener::bind("0.0.0.0:0").expect("bound");
    let port = listener.local_addr().expect("bound").port();
    let directory = tempfile::tempdir().expect("a scratch directory");
    std::fs::write(directory.path().join("own.toml"), catalogue(port)).expect("writable");
    listener.set_nonblocking(true).expect("set");
    let asked = || listener.accept().is_ok();

    let listed = probe(&directory, &["--list"]);
    let text = String::from_utf8_lossy(&listed.stdout);
    assert!(
        text.contains("mine/lyon/a") && text.contains("127.0.0.2") && !text.contains("127.0.0.3"),
        "{text}"
    );
    let told = String::from_utf8_lossy(&listed.stderr);
    assert!(
        told.contains("1 more addresses need their owner's consent"),
        "{told}"
    );
    assert!(!asked(), "--list sends nothing");

    let refused = probe(&directory, &["--period-ms", "10"]);
    let told = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        told.contains("--period-ms 10 is too often") && told.contains("20 ms at least"),
        "{told}"
    );
    assert!(!asked(), "nor does what is refused");

    let measured = probe(&directory, &["--count", "3"]);
    let text = String::from_utf8_lossy(&measured.stdout);
    assert!(measured.status.success(), "{text}");
    assert!(
        text.contains("By median round-trip delay") && text.contains("mine/lyon/b"),
        "{text}"
    );
    assert!(
        text.contains("one probe every 20 ms to each of 2 targets"),
        "{text}"
    );
    assert!(asked());
}
