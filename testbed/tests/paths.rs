//! The way to a target, end to end with the real binaries: an agent behind a chain of routers, a route that is turned, and the
//! collector that must tell of it with the right hops. Plain forwarding between network namespaces; needs root, and says so
//! when it is skipped. Waits for what must come, and asserts no figure.

#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    reason = "a test that watches real processes runs on the real clock, and fails by panicking"
)]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// The chain: this namespace, r1, r2, then r3 or r4, and the target 10.88.9.2.
const WORLD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../agent/tests/icmp/path_world.sh");
/// A first trace, the next, the one that bears it out, and the report: some 40 s, more on a busy host.
const PATIENCE: Duration = Duration::from_secs(180);

/// The world as one child; its shell runs what is written to it, and ends with it.
struct World {
    shell: Child,
    socket: PathBuf,
}

impl World {
    fn start(dir: &Path) -> Self {
        let testbed = Path::new(env!("CARGO_BIN_EXE_azimuth-testbed"));
        let bins = testbed.parent().expect("a binary lies in a folder");
        for name in ["azimuth-agent", "azimuth-collector"] {
            assert!(
                bins.join(name).exists(),
                "{name} is not built; run `cargo build --workspace --bins` first (make test does)"
            );
        }
        let (bins, at, socket) = (bins.display(), dir.display(), dir.join("collector.sock"));
        let config = format!(
            "agent = \"paris-1\"\ninterval_ms = 1000\n\
             [collector]\nurl = \"unix:{}\"\n[path]\nperiod_s = 10\n\
             [vantage_point]\nname = \"Paris\"\ncountry = \"FR\"\ncity = \"Paris\"\nnetwork = \"Lab\"\nasn = 64500\n\
             latitude = 48.9\nlongitude = 2.3\n\
             [[target]]\nname = \"one\"\nprovider = \"aws\"\nregion = \"eu-west-3\"\nzone = \"euw3-az1\"\n\
             address = \"10.88.9.2\"\n[[target.probe]]\nmethod = \"stamp\"\nperiod_ms = 200\nwaiting_time_ms = 500\n",
            socket.display()
        );
        std::fs::write(dir.join("agent.toml"), config).expect("writable");
        let script = format!(
            "{bins}/azimuth-collector serve --listen 127.0.0.1:0 --unix-socket {} --data-dir {at}/data >{at}/collector.log 2>&1 &\n\
             ip netns exec target {bins}/azimuth-agent reflect --allow 10.88.0.0/16 >{at}/reflect.log 2>&1 &\n\
             {bins}/azimuth-agent run --config {at}/agent.toml >{at}/agent.log 2>&1 &\n\
             while read -r line; do eval \"$line\"; done\n\
             kill $(jobs -p)\nwait",
            socket.display()
        );
        let shell = Command::new("unshare")
            .args([
                "-n",
                "-m",
                "-p",
                "--fork",
                "--kill-child",
                "sh",
                WORLD,
                "0 2147483647",
                "bash",
                "-c",
                &script,
            ])
            .stdin(Stdio::piped())
            .spawn()
            .expect("unshare(1) runs");
        Self { shell, socket }
    }

    fn run(&mut self, line: &str) {
        let stdin = self.shell.stdin.as_mut().expect("piped");
        writeln!(stdin, "{line}").expect("the world is up");
    }

    /// `GET path`, once it answers.
    fn get(&self, path: &str) -> Option<Value> {
        let mut stream = UnixStream::connect(&self.socket).ok()?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: collector\r\nConnection: close\r\n\r\n"
        )
        .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        head.starts_with("HTTP/1.1 200")
            .then(|| serde_json::from_str(body).ok())?
    }

    fn paths(&self) -> Option<Value> {
        let answer = self.get("/api/v1/paths?agent=paris-1&zone=aws/eu-west-3/euw3-az1&from=now-1h")?;
        answer["targets"].get(0).cloned()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

fn wait_for<T>(what: &str, dir: &Path, mut ready: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(found) = ready() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    let log = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap_or_default();
    panic!(
        "{what} did not come; agent: {} collector: {}",
        log("agent.log"),
        log("collector.log")
    )
}

fn addresses(path: &Value) -> Vec<&Value> {
    let hops = path["hops"].as_array().expect("hops");
    hops.iter().map(|hop| &hop["addresses"]).collect()
}

#[test]
fn a_turned_route_is_told_with_the_hops_before_and_after() {
    if !nix::unistd::geteuid().is_root() {
        println!("SKIPPED: needs root for namespaces; run `sudo make test`");
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let mut world = World::start(dir.path());
    let over_r3 = ["10.88.1.2", "10.88.2.2", "10.88.3.2", "10.88.9.2"].map(|at| json!([at]));
    let over_r4 = ["10.88.1.2", "10.88.2.2", "10.88.4.2", "10.88.9.2"].map(|at| json!([at]));

    let first = wait_for("the first path", dir.path(), || {
        world.paths().filter(|paths| !paths["current"].is_null())
    });
    assert_eq!(addresses(&first["current"]), over_r3.each_ref(), "{first}");
    assert_eq!(
        (&first["current"]["reached"], &first["changes"]),
        (&json!(true), &json!([]))
    );
    assert_eq!(
        (&first["method"], &first["address"]),
        (&json!("stamp"), &json!("10.88.9.2:8620"))
    );

    world.run("ip -n r2 route replace 10.88.9.0/24 via 10.88.4.2");
    let changed = wait_for("the change", dir.path(), || {
        world.paths().filter(|paths| paths["changes"].get(0).is_some())
    });
    let change = &changed["changes"][0];
    assert_eq!(addresses(&change["before"]), over_r3.each_ref(), "{changed}");
    assert_eq!(addresses(&change["after"]), over_r4.each_ref(), "{changed}");
    assert_eq!(change["differs_at"], json!([3]));
    assert_eq!(addresses(&changed["current"]), over_r4.each_ref());
    assert_eq!(changed["changes"].as_array().map(Vec::len), Some(1), "told once");
}
