//! Clients that take their time, over real loopback: who drips is cut off and counted by name, who only idles is kept.
//! The limits are configured short; no test looks at how long anything took, only at what came of it.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::process::{Collector, command};

const HEAD: &str =
    "POST /api/v1/reports HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf\r\n";
/// Longer than any limit here, so that what the limit should have ended does not hang the test.
const PATIENCE: Duration = Duration::from_secs(60);

fn started(limits: &str) -> (tempfile::TempDir, Collector) {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let file = directory.path().join("collector.toml");
    std::fs::write(&file, format!("[limits]\n{limits}")).expect("writable");
    let mut command = command(&directory.path().join("data"));
    command.arg("--config").arg(&file);
    let collector = Collector::spawn(command);
    (directory, collector)
}

fn connect(collector: &Collector) -> TcpStream {
    let stream = TcpStream::connect(collector.address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// Writes `bytes` one by one, over and over, until the other side has had enough, and returns what it said. The pause
/// between two bytes is the test's load, not a wait for something to happen.
fn drip(mut stream: TcpStream, bytes: &[u8]) -> String {
    let mut reader = stream.try_clone().expect("a clone");
    let answer = std::thread::spawn(move || {
        let mut answer = Vec::new();
        match reader.read_to_end(&mut answer) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("it is neither answered nor cut off: {error}"),
        }
        String::from_utf8_lossy(&answer).into_owned()
    });
    let began_dripping = bytes.iter().cycle();
    for byte in began_dripping {
        if answer.is_finished() || stream.write_all(&[*byte]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    answer.join().expect("it was ended")
}

#[test]
fn a_dripping_head_is_cut_off_and_a_silent_connection_is_closed() {
    let (_directory, collector) = started("head_timeout = \"1s\"\n");
    let mut dripping = connect(&collector);
    dripping.write_all(b"GET /healthz HTTP/1.1\r\n").expect("taken");
    assert_eq!(drip(dripping, b"x: y\r\n"), "", "a cut, no answer");
    assert_eq!(collector.counter("azimuth_connections_head_timeout_total"), 1);

    let mut silent = connect(&collector);
    assert_eq!(silent.read(&mut [0; 1]).expect("closed, not cut"), 0);
    assert_eq!(collector.counter("azimuth_connections_idle_closed_total"), 1);
    assert_eq!(
        collector.counter("azimuth_connections_head_timeout_total"),
        1,
        "no fault"
    );
}

#[test]
fn a_connection_is_closed_when_nothing_more_is_asked_after_an_answer() {
    let (_directory, collector) = started("idle_timeout = \"1s\"\n");
    let mut stream = connect(&collector);
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .expect("taken");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("closed, not cut");
    assert!(
        answer.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    assert_eq!(collector.counter("azimuth_connections_idle_closed_total"), 1);
}

#[test]
fn a_dripping_body_is_answered_408_and_counted_by_name() {
    let refused = |reason: &str| {
        format!("azimuth_ingest_bodies_refused_total{{status=\"refused\",reason=\"{reason}\"}}")
    };
    let (_directory, collector) = started("body_grace = \"1s\"\nbody_min_bytes_per_s = 1024\n");
    let mut stream = connect(&collector);
    stream
        .write_all(format!("{HEAD}content-length: 500000\r\n\r\n").as_bytes())
        .expect("taken");
    let answer = drip(stream, b"x");
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("body_too_slow"), "{answer}");
    assert_eq!(collector.counter(&refused("body_too_slow")), 1);

    let (_directory, collector) =
        started("body_timeout = \"1s\"\nbody_grace = \"30s\"\nbody_min_bytes_per_s = 1\n");
    let mut stream = connect(&collector);
    stream
        .write_all(format!("{HEAD}transfer-encoding: chunked\r\n\r\n").as_bytes())
        .expect("taken");
    let answer = drip(stream, b"1\r\nx\r\n");
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(collector.counter(&refused("body_timeout")), 1);
}

#[test]
fn a_connection_idles_much_longer_than_a_head_may_take_and_is_still_good() {
    let (_directory, collector) = started("head_timeout = \"1s\"\nidle_timeout = \"1h\"\n");
    let mut stream = connect(&collector);
    let mut ask = || {
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .expect("still open");
        let (mut answer, mut chunk) = (Vec::new(), [0; 1_024]);
        while !answer.ends_with(b"\r\n\r\n") && !String::from_utf8_lossy(&answer).contains("ok") {
            let more = stream.read(&mut chunk).expect("an answer");
            assert_ne!(more, 0, "closed after {:?}", String::from_utf8_lossy(&answer));
            answer.extend(&chunk[..more]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 "));
    };
    ask();
    // Three times the head's time: what has to be shown is that nothing happens meanwhile.
    std::thread::sleep(Duration::from_secs(3));
    ask();
    assert_eq!(collector.counter("azimuth_connections_head_timeout_total"), 0);
}

#[test]
fn a_wrong_limit_is_named_by_config_check_and_by_serve() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let file = directory.path().join("collector.toml");
    std::fs::write(
        &file,
        "[limits]\nhead_timeout = \"5s\"\nbody_min_bytes_per_s = 0\nidle_timeout = \"1d\"\n",
    )
    .expect("writable");
    let check = || {
        std::process::Command::new(env!("CARGO_BIN_EXE_azimuth-collector"))
            .args(["config", "check"])
            .arg(&file)
            .output()
            .expect("it runs")
    };
    let told = check();
    assert_eq!(told.status.code(), Some(2));
    let text = String::from_utf8_lossy(&told.stderr);
    for mistake in [
        "collector.toml, line 3: limits.body_min_bytes_per_s = 0",
        "collector.toml, line 4: limits.idle_timeout = \"1d\"",
    ] {
        assert!(text.contains(mistake), "{text}");
    }
    std::fs::write(&file, "[limits]\nhead_timeout = \"5s\"\n").expect("writable");
    assert_eq!(check().status.code(), Some(0));
}
