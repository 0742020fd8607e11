//! The reflector's account of the month over kill -9, with the real program: what was promised is on disk before the first octet moves,
//! and is spent when the program comes back.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use azimuth_agent::throughput::ticket::Ticket;
use azimuth_measurement::{StopReason, TransferDirection};

use crate::world::{begun, key, key_file, order, run, ticket};

const DOWN: TransferDirection = TransferDirection::Download;

struct Reflector {
    child: Child,
    at: SocketAddr,
}

impl Reflector {
    /// One that gives 8 MB a month.
    fn start(directory: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_azimuth-agent"))
            .args(["reflect", "--allow", "127.0.0.0/8", "--listen", "127.0.0.1:0"])
            .args(["--throughput-listen", "127.0.0.1:0", "--throughput-key-file"])
            .arg(key_file(directory))
            .args(["--throughput-month-bytes", "8000000", "--throughput-ledger"])
            .arg(directory.join("reflector.ledger"))
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut log = BufReader::new(child.stderr.take().expect("piped"));
        let mut at = None;
        let mut line = String::new();
        while at.is_none() && log.read_line(&mut line).expect("text") > 0 {
            let said = line.split("127.0.0.1:").nth(1);
            let port = said.map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
            if line.contains("serving throughput tests") {
                at = port.and_then(|port| format!("127.0.0.1:{port}").parse().ok());
            }
            line.clear();
        }
        // Who closes it stops the program at its next word.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self {
            at: at.expect("it says where"),
            child,
        }
    }

    /// SIGKILL.
    fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }
}

fn signed(max_bytes: u64, nonce: u128) -> String {
    let asked = Ticket {
        max_bytes,
        ..ticket(DOWN, nonce)
    };
    asked.sign(&key())
}

fn account(directory: &Path) -> String {
    std::fs::read_to_string(directory.join("reflector.ledger")).expect("a ledger")
}

#[tokio::test]
async fn what_a_test_may_cost_survives_a_kill_in_the_middle_of_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path().to_owned();
    let (at, killed) = {
        let reflector = Reflector::start(&directory);
        (reflector.at, reflector)
    };
    let ticket = signed(5_000_000, 1);
    let client = tokio::task::spawn_blocking(move || {
        let mut client = begun(at, DOWN, &ticket);
        client.read_exact(&mut [0]).expect("the first octet");
        client
    });
    let client = client.await.expect("begun");
    killed.kill();
    drop(client);
    let text = account(&directory);
    assert!(text.contains("\nbytes 5000000\n"), "{text}");

    let reflector = Reflector::start(&directory);
    let too_much = run(&order(reflector.at, DOWN, Some(signed(3_000_001, 2)))).await;
    assert_eq!(too_much.estimate.stop, StopReason::Refused, "{too_much:?}");
    assert!(too_much.trouble.expect("said").contains("spent"));
    let rest = run(&order(reflector.at, DOWN, Some(signed(3_000_000, 3)))).await;
    assert_eq!((rest.trouble, rest.estimate.stop), (None, StopReason::ByteCap));
    reflector.kill();

    let reflector = Reflector::start(&directory);
    let more = run(&order(reflector.at, DOWN, Some(signed(1, 4)))).await;
    assert_eq!(more.estimate.stop, StopReason::Refused);
    let text = account(&directory);
    assert!(text.contains("\nbytes 8000000\n"), "{text}");
    reflector.kill();
    // Damage is no new month.
    std::fs::write(directory.join("reflector.ledger"), "bytes 0\n").expect("written");
    let refused = Command::new(env!("CARGO_BIN_EXE_azimuth-agent"))
        .args(["reflect", "--allow", "127.0.0.0/8", "--listen", "127.0.0.1:0"])
        .args(["--throughput-listen", "127.0.0.1:0", "--throughput-key-file"])
        .arg(key_file(&directory))
        .arg("--throughput-ledger")
        .arg(directory.join("reflector.ledger"))
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("is damaged"), "{said}");
}
