//! The link goes down under an open connection: no FIN, no RST, nothing, in either direction. The agent gives its post up after
//! its time and tries again, the collector gives the connection up after its own, and when the link is back all that was
//! measured meanwhile is stored once. In a network namespace of its own, whose loopback is the link. Needs root.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::programs::{self, Program};
use crate::world::World;

/// Longer than the agent waits for an answer (15 s) and the collector for a request (20 s).
const DOWN: Duration = Duration::from_secs(24);
const PORT: u16 = 8_360;

/// A network namespace; gone with the process that holds it.
struct Namespace(Child);

impl Namespace {
    fn new() -> Option<Self> {
        let holder = Command::new("unshare")
            .args(["--net", "sleep", "600"])
            .stdin(Stdio::null())
            .spawn()
            .ok()?;
        let namespace = Self(holder);
        // Until `unshare` has made it, the namespace there is the host's.
        let host = std::fs::read_link("/proc/self/ns/net").ok()?;
        for _ in 0..200 {
            let theirs = std::fs::read_link(format!("/proc/{}/ns/net", namespace.0.id())).ok()?;
            if theirs != host {
                return namespace.link("up").then_some(namespace);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }

    fn wrapper(&self) -> Vec<String> {
        let pid = self.0.id().to_string();
        ["nsenter", "--net", "--target", &pid].map(str::to_owned).to_vec()
    }

    fn output(&self, arguments: &[&str]) -> Option<String> {
        let wrapper = self.wrapper();
        let output = Command::new(&wrapper[0])
            .args(&wrapper[1..])
            .args(arguments)
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success().then_some(text)
    }

    fn link(&self, state: &str) -> bool {
        self.output(&["ip", "link", "set", "lo", state]).is_some()
    }

    /// Connections the collector holds open.
    fn connections(&self) -> usize {
        let filter = format!("sport = :{PORT}");
        let listed = self.output(&["ss", "-Htn", "state", "established", &filter]);
        listed.expect("ss runs").lines().count()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_link_that_goes_down_under_a_connection_loses_and_doubles_nothing() {
    if !Path::new("/proc/self/ns/net").exists() {
        eprintln!("skipped: no network namespaces");
        return;
    }
    let Some(namespace) = Namespace::new() else {
        eprintln!("skipped: a network namespace needs root");
        return;
    };
    let world = World::new();
    let listen = format!("127.0.0.1:{PORT}");
    let mut collector = world.collector_on("collector", &listen, &namespace.wrapper());
    collector.wait_until_it_answers();
    let config = programs::configuration(&world, &format!("http://{listen}"), 8_620);
    let mut agent = Program::start_behind(
        namespace.wrapper(),
        world.path("agent-log"),
        &["run", "--config", config.to_str().unwrap()],
    );
    while collector
        .get("/api/v1/agents")
        .is_none_or(|agents| agents["agents"][0]["reports_stored"].as_u64() < Some(2))
    {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(namespace.connections() >= 1, "the agent keeps its connection");
    assert!(namespace.link("down"));
    std::thread::sleep(DOWN);
    assert_eq!(namespace.connections(), 0, "the collector has given it up");
    assert!(
        agent.log(0).contains("the collector was not reached"),
        "and so has the agent"
    );
    let before = programs::stored(&collector).0;
    assert!(namespace.link("up"));
    while programs::stored(&collector).0 <= before {
        std::thread::sleep(Duration::from_millis(100));
    }
    agent.stop();
    let closed = programs::closed(&agent.log(0));
    let (reports, sent, given_up) = programs::stored(&collector);
    eprintln!("{} intervals closed, {reports} stored", closed.len());
    assert!(closed.len() as u64 >= DOWN.as_secs(), "measuring went on");
    assert_eq!(
        (reports, sent, given_up),
        (closed.len() as u64, closed.iter().sum(), 0),
        "each once"
    );
}
