//! Idle delays do not know of throughput tests: two agents with the real binaries on lines of the same kind, of which one tests
//! throughput by itself. What it says of its line at rest is what the other says, though a test fills a queue that would be seen in
//! every quantile. Real packets through the relay; needs root, and says so when it is skipped. Ratios within one run, no figures.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "real processes take real time; a failed expectation ends the test, with its reason"
)]

#[path = "end_to_end/api.rs"]
mod api;
#[path = "end_to_end/processes.rs"]
#[allow(dead_code, reason = "the end-to-end test asks more of it")]
mod processes;

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use api::Api;
use processes::{Process, bin_dir, start_collector, start_world, wait_until};
use serde_json::Value;

/// Round trip of both lines. Two percent of it are 5 ms, above what a busy host does to one in a hundred packets of the relay; a
/// filled queue adds 40 percent.
const ROUND_TRIP_MS: u32 = 250;
const MBPS: u32 = 10;
/// 100 ms at that rate.
const QUEUE_BYTES: u32 = 125_000;
/// How far the two may be apart, in percent.
const APART_PERCENT: f64 = 2.0;
const TESTS: usize = 3;
/// Idle delays of each.
const LEAST: u64 = 500;
/// No test begins so close to a full hour.
const OFF_THE_HOUR_S: u64 = 120;
const ZONE: &str = "bench/near/1";
/// The first zone of a scenario has this address behind its prefix.
const REFLECTOR: &str = "10.83.2.1";
const LINES: [&str; 2] = ["quiet", "tested"];

fn scenario() -> String {
    let mut text = "name = \"idle-under-tests\"\nabout = \"two lines of one kind\"\nseed = 1\n\
         [network]\nipv4_prefix = \"10.83.0.0/16\"\nipv6_prefix = \"fd83::/16\"\npath_factor = [1.0, 1.0]\nloss_ratio = 0.0\n\
         variation_ms = 0.01\n\
         [probing]\nstamp_period_ms = 1000\ntcp_connect_period_ms = 60000\nwaiting_time_ms = 1000\n\
         [[isp]]\nname = \"bench\"\nasn = 64500\npeering_ms = 0\n"
        .to_owned();
    writeln!(
        text,
        "[[zone]]\nkey = \"{ZONE}\"\ncountry = \"FR\"\ncity = \"Paris\"\nlatitude = 48.86\nlongitude = 2.35\nround_trip_ms = 0.1"
    )
    .unwrap();
    for line in LINES {
        writeln!(
            text,
            "[access.{line}]\nround_trip_ms = {ROUND_TRIP_MS}\nvariation_ms = 0.01\nsigma = 0.1\ndown_mbps = {MBPS}\nup_mbps = {MBPS}\n\
             queue_bytes = {QUEUE_BYTES}\n\
             [[vantage_point]]\nagent = \"{line}\"\nname = \"{line}\"\ncountry = \"FR\"\ncity = \"Paris\"\nisp = \"bench\"\naccess = \"{line}\"\n\
             latitude = 48.86\nlongitude = 2.35"
        )
        .unwrap();
    }
    text
}

/// An agent beside the world's own, which tests if it has a section for it.
fn config(name: &str, dir: &Path, throughput: &str) -> String {
    format!(
        "agent = \"{name}-2\"\ninterval_ms = 1000\n[collector]\nurl = \"unix:{}\"\n{throughput}\
         [vantage_point]\nname = \"{name}\"\ncountry = \"FR\"\ncity = \"Paris\"\nnetwork = \"n\"\nasn = 64500\nlatitude = 48.86\n\
         longitude = 2.35\n\
         [[target]]\nname = \"one\"\nprovider = \"bench\"\nregion = \"near\"\nzone = \"1\"\naddress = \"{REFLECTOR}\"\n\
         [[target.probe]]\nmethod = \"stamp\"\nport = 8630\nperiod_ms = 20\nwaiting_time_ms = 1000\n",
        dir.join("collector.sock").display()
    )
}

/// A program in the namespace of one of the world's children.
fn within(pid: i64, program: &str) -> Command {
    let mut command = Command::new("nsenter");
    command
        .args(["-t", &pid.to_string(), "-n"])
        .arg(bin_dir().join(program));
    command
}

fn children(run_dir: &Path) -> Option<Vec<(String, i64)>> {
    let text = std::fs::read_to_string(run_dir.join("run.json")).ok()?;
    let run: Value = serde_json::from_str(&text).ok()?;
    let children = run["children"].as_array()?.iter();
    let named = children.map(|child| Some((child["name"].as_str()?.to_owned(), child["pid"].as_i64()?)));
    named
        .collect::<Option<Vec<_>>>()
        .filter(|all| all.len() == LINES.len() + 1)
}

/// How many delays an agent has told under this load label, and their 99th percentile in microseconds.
fn delays(api: &Api, line: &str, load: &str) -> (u64, u64) {
    let map = api.get(&format!(
        "/api/v1/map?method=stamp&agent={line}-2&load={load}&from=now-10m"
    ));
    let cells = map["cells"].as_array().expect("cells");
    let number = |name: &str| cells.first().and_then(|cell| cell[name].as_u64()).unwrap_or(0);
    (number("n"), number("p99_us"))
}

#[test]
fn idle_delays_are_those_of_a_line_without_tests() {
    if !nix::unistd::geteuid().is_root() {
        println!("SKIPPED: needs root for namespaces; run `sudo make test`");
        return;
    }
    let of_hour_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() % 3_600;
    if !(OFF_THE_HOUR_S..3_600 - 2 * OFF_THE_HOUR_S).contains(&of_hour_s) {
        println!("SKIPPED: no throughput test begins near a full hour; run it again in some minutes");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let file = dir.path().join(name);
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        file
    };
    let key = file("key", &"0b".repeat(16));
    let (scenario, log) = (file("two-lines.toml", &scenario()), |name: &str| {
        dir.path().join(name)
    });
    let listen = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let api = Api { address: listen };
    let mut collector = start_collector(dir.path(), listen);
    wait_until(Duration::from_secs(20), || api.ready().then_some(())).expect("the collector gets ready");
    let mut world = start_world(&scenario, dir.path());
    let children = wait_until(Duration::from_secs(60), || {
        world.must_run();
        children(dir.path())
    })
    .expect("a reflector and two agents");
    let pid_of = |wanted: &dyn Fn(&str) -> bool| {
        let found = children.iter().find(|(name, _)| wanted(name));
        found.unwrap_or_else(|| panic!("{children:?}")).1
    };
    let far = pid_of(&|name| LINES.iter().all(|line| !name.ends_with(line)));
    let stamp: SocketAddr = format!("{REFLECTOR}:8630").parse().unwrap();
    let reflector = Process::start(
        "azimuth-agent reflect",
        within(far, "azimuth-agent")
            .args([
                "reflect",
                "--allow",
                "10.83.0.0/16",
                "--listen",
                &stamp.to_string(),
            ])
            .args([
                "--throughput-listen",
                &format!("{REFLECTOR}:8631"),
                "--throughput-key-file",
            ])
            .arg(&key)
            // What fills queues.
            .args(["--throughput-congestion-control", "cubic"]),
        &log("reflect.log"),
    );
    let tests = format!(
        "[throughput]\nkey_file = \"{}\"\ndirectory = \"{}\"\nport = 8631\ntests_per_day = 6000.0\nday_bytes = 10000000000\n\
         busy_bps = 1000000000\n",
        key.display(),
        dir.path().display()
    );
    let agents = LINES.map(|line| {
        let section = if line == "tested" { tests.as_str() } else { "" };
        let config = file(&format!("{line}.toml"), &config(line, dir.path(), section));
        let near = pid_of(&|name| name.ends_with(line));
        let mut command = within(near, "azimuth-agent");
        Process::start(
            "azimuth-agent run",
            command.arg("run").arg("--config").arg(config),
            &log("agent.log"),
        )
    });
    let told = || {
        let zone = ZONE.replace('/', "%2F");
        let path = format!("/api/v1/throughput?agent=tested-2&zone={zone}&from=now-10m");
        // Not known before its first report.
        let Ok((200, body)) = api.get_text(&path) else {
            return 0;
        };
        let found: Value = serde_json::from_str(&body).expect("JSON");
        let tests = found["tests"].as_array().expect("tests").iter();
        tests.filter(|test| test["bps"].is_u64()).count()
    };
    let enough = wait_until(Duration::from_secs(150), || {
        world.must_run();
        collector.must_run();
        std::thread::sleep(Duration::from_millis(500));
        let (_, seen) = api.get_text("/api/v1/agents").ok().filter(|(status, text)| {
            *status == 200 && LINES.iter().all(|line| text.contains(&format!("{line}-2")))
        })?;
        drop(seen);
        (told() >= TESTS && LINES.iter().all(|line| delays(&api, line, "idle").0 >= LEAST)).then_some(())
    });
    let said = std::fs::read_to_string(log("agent.log")).unwrap_or_default();
    enough.unwrap_or_else(|| {
        panic!("{TESTS} tests and {LEAST} delays at rest did not come; the agents said:\n{said}")
    });
    for agent in agents {
        agent.stop(Duration::from_secs(15));
    }
    let [quiet, tested] = LINES.map(|line| delays(&api, line, "idle"));
    let loaded = delays(&api, "tested", "self_load");
    println!(
        "{} tests; n and p99 in us: alone {quiet:?}, beside tests {tested:?}, under them {loaded:?}",
        told()
    );
    reflector.stop(Duration::from_secs(15));
    world.stop(Duration::from_secs(15));
    let apart = 100.0 * (tested.1 as f64 / quiet.1 as f64 - 1.0);
    assert!(
        apart.abs() <= APART_PERCENT,
        "idle p99 of {} us beside tests and {} us without: {apart:.1} %",
        tested.1,
        quiet.1
    );
    // A load that nobody sees proves nothing.
    assert!(
        loaded.0 > 20 && loaded.1 as f64 > 1.2 * quiet.1 as f64,
        "under load {loaded:?}, at rest {quiet:?}"
    );
}
