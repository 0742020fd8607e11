//! The three programs as they are installed, `azimuth-agent run`, `azimuth-agent reflect` and `azimuth-collector serve`, and
//! kill -9 on one of them after another. What the agent's log says it closed is in the collector once, but for the one
//! interval each kill may have caught between its closing and the disk. Loopback only. `AZIMUTH_KILLS=200` for a night.

use std::fs::{File, OpenOptions};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::collector::Collector;
use crate::world::{World, ends_well};

/// Length of the agent's intervals: the shortest there are.
const INTERVAL_S: u64 = 1;

fn kills() -> usize {
    let asked = std::env::var("AZIMUTH_KILLS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(5)
}

/// A program with a log of its own for each life.
pub(crate) struct Program {
    child: Child,
    wrapper: Vec<String>,
    arguments: Vec<String>,
    logs: PathBuf,
    lives: usize,
}

impl Program {
    fn start(logs: PathBuf, arguments: &[&str]) -> Self {
        Self::start_behind(Vec::new(), logs, arguments)
    }

    pub(crate) fn start_behind(wrapper: Vec<String>, logs: PathBuf, arguments: &[&str]) -> Self {
        std::fs::create_dir_all(&logs).unwrap();
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Self {
            child: spawn(&wrapper, &arguments, &logs, 0),
            wrapper,
            arguments,
            logs,
            lives: 1,
        }
    }

    fn kill_and_start(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = spawn(&self.wrapper, &self.arguments, &self.logs, self.lives);
        self.lives += 1;
    }

    pub(crate) fn stop(&mut self) {
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM).unwrap();
        ends_well(&mut self.child);
    }

    pub(crate) fn log(&self, life: usize) -> String {
        std::fs::read_to_string(self.logs.join(life.to_string())).unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(wrapper: &[String], arguments: &[String], logs: &Path, life: usize) -> Child {
    let log: File = OpenOptions::new()
        .create(true)
        .append(true)
        .open(logs.join(life.to_string()))
        .unwrap();
    let program = env!("CARGO_BIN_EXE_azimuth-agent");
    let mut command = match wrapper.split_first() {
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
        None => Command::new(program),
    };
    command
        .args(arguments)
        .env("AZIMUTH_LOG", "debug")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

pub(crate) fn configuration(world: &World, collector: &str, port: u16) -> PathBuf {
    let spool = world.path("spool");
    let text = format!(
        r#"
agent = "paris-1"
interval_ms = {}
[collector]
url = "{collector}"
[path]
enabled = false
[spool]
directory = "{}"
[vantage_point]
name = "Paris"
country = "FR"
city = "Paris"
network = "Free"
asn = 12322
latitude = 48.86
longitude = 2.35
[[target]]
name = "one"
provider = "aws"
region = "eu-west-3"
zone = "az1"
granularity = "zone"
address = "127.0.0.1"
  [[target.probe]]
  method = "stamp"
  port = {port}
  period_ms = 50
  waiting_time_ms = 200
"#,
        INTERVAL_S * 1_000,
        spool.display()
    );
    let path = world.path("agent.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// Probes sent in each interval a life of the agent closed.
pub(crate) fn closed(log: &str) -> Vec<u64> {
    let lines = log.lines().filter(|line| line.contains("interval closed"));
    lines
        .map(|line| {
            let (_, rest) = line.split_once("sent: ").unwrap_or_else(|| panic!("{line}"));
            let digits = rest.split(|character: char| !character.is_ascii_digit()).next();
            digits.unwrap().parse().unwrap()
        })
        .collect()
}

/// (reports stored, probes sent in them, sequences given up)
pub(crate) fn stored(collector: &Collector) -> (u64, u64, u64) {
    let agents = collector.get("/api/v1/agents").unwrap();
    let agents = agents["agents"].as_array().unwrap();
    assert_eq!(agents.len(), 1, "{agents:?}");
    assert_eq!(
        agents[0]["identity_conflicts"], 0,
        "one agent that starts again is one agent"
    );
    let groups = collector
        .get("/api/v1/groups?group_by=agent&method=stamp&from=now-2h&to=now")
        .unwrap();
    let rows = groups["groups"].as_array().unwrap();
    let sent = rows.iter().map(|row| row["sent"].as_u64().unwrap()).sum();
    let series = collector
        .get("/api/v1/series?agent=paris-1&zone=aws/eu-west-3/az1&method=stamp&from=now-2h&step=10s")
        .unwrap();
    let gaps = series["gaps"].as_array().unwrap();
    let given_up = gaps.iter().map(|gap| gap["reports"].as_u64().unwrap_or(0)).sum();
    (agents[0]["reports_stored"].as_u64().unwrap(), sent, given_up)
}

#[test]
fn the_installed_programs_lose_and_double_nothing_under_kills() {
    let world = World::new();
    let mut random = fastrand::Rng::with_seed(11);
    // A port of the system's choice, given back for the reflector to take.
    let port = UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let listen = format!("127.0.0.1:{port}");
    let mut reflector = Program::start(
        world.path("reflector-log"),
        &["reflect", "--listen", &listen, "--allow", "127.0.0.1"],
    );
    let mut collector = world.collector("collector", &[]);
    let socket = format!("unix:{}", world.path("collector.sock").display());
    let config = configuration(&world, &socket, port);
    let config = config.to_str().unwrap();
    let mut agent = Program::start(world.path("agent-log"), &["run", "--config", config]);
    for kill in 0..kills() {
        std::thread::sleep(Duration::from_millis(random.u64(1_200..2_800)));
        // Each in its turn, so that the short form kills all of them.
        match kill % 3 {
            0 => agent.kill_and_start(),
            1 => {
                collector.kill();
                // Longer than an interval: something must have failed to get through.
                std::thread::sleep(Duration::from_millis(1_300));
                collector = world.collector("collector", &[]);
            }
            _ => reflector.kill_and_start(),
        }
    }
    std::thread::sleep(Duration::from_secs(2 * INTERVAL_S));
    collector.wait_until_it_answers();
    agent.stop();

    let lives: Vec<Vec<u64>> = (0..agent.lives).map(|life| closed(&agent.log(life))).collect();
    let all: Vec<u64> = lives.iter().flatten().copied().collect();
    // The last one of a life that was killed may not have reached the disk.
    let killed = &lives[..lives.len() - 1];
    let in_doubt: u64 = killed.iter().filter_map(|life| life.last()).sum();
    let in_doubt_reports = killed.iter().filter(|life| !life.is_empty()).count() as u64;
    let (reports, sent, given_up) = stored(&collector);
    let (closed_reports, closed_sent) = (all.len() as u64, all.iter().sum::<u64>());
    eprintln!(
        "{} kills: {closed_reports} intervals closed, {reports} stored, {given_up} given up",
        kills()
    );
    assert!(
        closed_reports >= kills() as u64,
        "it must have measured something"
    );
    assert!(
        reports <= closed_reports && sent <= closed_sent,
        "doubled: {reports} reports of {closed_reports}, {sent} probes of {closed_sent}"
    );
    assert!(
        reports + given_up + in_doubt_reports >= closed_reports
            && sent + in_doubt + 20 * given_up >= closed_sent,
        "lost: {reports} and {given_up} of {closed_reports} with {in_doubt_reports} in doubt; {sent} of {closed_sent} probes"
    );
    assert!(
        given_up <= in_doubt_reports,
        "only what a kill caught may be given up"
    );
}
