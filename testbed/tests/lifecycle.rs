//! The program as a user meets it: starting, ending, dying, cleaning up, refusing.
//!
//! Not the end-to-end test: agents, reflectors and collector are stand-ins, this very test program called again by
//! a small shell script, so that the testbed can be tested without the other crates.
#![expect(clippy::disallowed_methods, reason = "real processes take real time")]

use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

const TESTBED: &str = env!("CARGO_BIN_EXE_azimuth-testbed");

fn may_build() -> bool {
    if nix::unistd::geteuid().is_root() && Path::new("/dev/net/tun").exists() {
        return true;
    }
    println!("SKIPPED: needs root and /dev/net/tun for namespaces and TUN devices; run `sudo make test`");
    false
}

/// What the shell scripts call: binds what a reflector or collector would bind, then waits to be ended.
#[test]
#[ignore = "not a test: the stand-in for azimuth-agent and azimuth-collector"]
fn stand_in() {
    let arguments: Vec<String> = std::env::var("STAND_IN")
        .unwrap_or_default()
        .split(' ')
        .map(str::to_owned)
        .collect();
    let values = |flag: &str| -> Vec<String> {
        arguments
            .windows(2)
            .filter(|pair| pair[0] == flag)
            .map(|pair| pair[1].clone())
            .collect()
    };
    println!("stand-in: {}", arguments.join(" "));
    let mut held: Vec<Box<dyn std::any::Any>> = Vec::new();
    match arguments[0].as_str() {
        "reflect" => {
            assert_eq!(values("--allow").len(), 2);
            for address in values("--listen") {
                held.push(Box::new(
                    UdpSocket::bind(address).expect("the zone's own address"),
                ));
            }
            for address in values("--tcp-listen") {
                held.push(Box::new(
                    TcpListener::bind(address).expect("the zone's own address"),
                ));
            }
        }
        "serve" => held.push(Box::new(
            UnixListener::bind(&values("--unix-socket")[0]).expect("bound"),
        )),
        "run" => {
            let config = std::fs::read_to_string(&values("--config")[0]).expect("a configuration");
            assert!(!config.contains("doomed"), "a fault in the configuration");
        }
        other => unreachable!("{other}"),
    }
    std::thread::sleep(Duration::from_secs(120));
}

struct Run {
    child: Child,
    dir: PathBuf,
    scratch: tempfile::TempDir,
}

fn stand_ins(folder: &Path) {
    std::fs::create_dir_all(folder).expect("made");
    let own = std::env::current_exe().expect("this test program");
    for name in ["azimuth-agent", "azimuth-collector"] {
        let script = folder.join(name);
        let text = format!(
            "#!/bin/sh\nSTAND_IN=\"$*\" exec '{}' --ignored --exact stand_in --nocapture\n",
            own.display()
        );
        std::fs::write(&script, text).expect("written");
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("set");
    }
}

fn start(scratch: tempfile::TempDir, scenario: &str) -> Run {
    let dir = scratch.path().join("run");
    let bin_dir = scratch.path().join("bin");
    stand_ins(&bin_dir);
    let file = scratch.path().join("world.toml");
    std::fs::write(&file, scenario).expect("written");
    let screen = std::fs::File::create(scratch.path().join("screen")).expect("made");
    let child = Command::new(TESTBED)
        .arg("run")
        .arg(&file)
        .args(["--listen", "127.0.0.1:0", "--dir"])
        .arg(&dir)
        .arg("--bin-dir")
        .arg(&bin_dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(screen)
        .spawn()
        .expect("started");
    Run { child, dir, scratch }
}

impl Run {
    fn screen(&self) -> String {
        std::fs::read_to_string(self.scratch.path().join("screen")).expect("readable")
    }

    /// Waits until the screen says `text`.
    fn says(&self, text: &str) {
        eventually(&format!("the screen says {text:?}"), || {
            self.screen().contains(text)
        });
    }

    fn children(&self) -> Vec<(String, i32)> {
        let Ok(bytes) = std::fs::read(self.dir.join("run.json")) else {
            return Vec::new();
        };
        let file: Value = serde_json::from_slice(&bytes).expect("json");
        let children = file["children"].as_array().expect("children").iter();
        children
            .map(|child| {
                let pid = i32::try_from(child["pid"].as_i64().expect("pid")).expect("pid");
                (child["name"].as_str().expect("name").to_owned(), pid)
            })
            .collect()
    }

    fn ends_within(&mut self, seconds: u64) -> std::process::ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        loop {
            if let Some(status) = self.child.try_wait().expect("ours") {
                return status;
            }
            assert!(Instant::now() < deadline, "still running:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "waited 20 s until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(pid).expect("a pid")), signal).expect("sent");
}

fn scratch() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("az").tempdir().expect("scratch")
}

#[test]
fn a_world_starts_in_order_and_ctrl_c_leaves_truth_and_logs_and_no_process() {
    if !may_build() {
        return;
    }
    let mut run = start(scratch(), azimuth_testbed::scenario::SMALL);
    run.says("EMULATED");
    let children = run.children();
    let names: Vec<&str> = children
        .iter()
        .map(|(name, _)| name.split('-').next().unwrap_or_default())
        .collect();
    assert_eq!(
        names,
        [
            "collector",
            "reflect",
            "reflect",
            "reflect",
            "agent",
            "agent",
            "agent"
        ]
    );
    assert!(children.iter().all(|(_, pid)| is_alive(*pid)));

    signal(run.child.id(), Signal::SIGINT);
    assert!(run.ends_within(20).success(), "{}", run.screen());
    assert!(!children.iter().any(|(_, pid)| is_alive(*pid)));
    assert!(!run.dir.join("run.json").exists() && !run.dir.join("collector.sock").exists());
    assert!(run.dir.join("logs/agent-paris-free.log").exists());
    let truth = std::fs::read_to_string(run.dir.join("truth.jsonl")).expect("truth");
    let kinds: Vec<Value> = truth
        .lines()
        .map(|line| serde_json::from_str(line).expect("json"))
        .collect();
    assert_eq!(kinds.first().expect("lines")["kind"], "world");
    assert_eq!(kinds.last().expect("lines")["kind"], "end");
    let incident = kinds
        .iter()
        .find(|line| line["kind"] == "incident")
        .expect("announced a minute ahead");
    assert_eq!(
        (incident["what"].as_str(), incident["added_ms"].as_f64()),
        (Some("route_change"), Some(8.0))
    );
}

#[test]
fn kill_9_leaves_no_process_and_the_next_start_takes_the_directory_over() {
    if !may_build() {
        return;
    }
    let mut run = start(scratch(), azimuth_testbed::scenario::SMALL);
    run.says("EMULATED");
    let children = run.children();
    assert_eq!(children.len(), 7);

    let file = run.scratch.path().join("world.toml");
    let second = Command::new(TESTBED)
        .arg("run")
        .arg(&file)
        .arg("--dir")
        .arg(&run.dir)
        .output()
        .expect("ran");
    assert_eq!(second.status.code(), Some(1));
    let refusal = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(
        refusal.contains("a world is running here") && refusal.contains("--dir"),
        "{refusal}"
    );

    signal(run.child.id(), Signal::SIGKILL);
    assert!(!run.ends_within(5).success());
    eventually("all children are gone", || {
        !children.iter().any(|(_, pid)| is_alive(*pid))
    });
    assert!(run.dir.join("run.json").exists(), "nobody was there to remove it");

    let scratch = std::mem::replace(&mut run.scratch, tempfile::tempdir().expect("scratch"));
    let mut again = start(scratch, azimuth_testbed::scenario::SMALL);
    again.says("replaced an earlier run");
    again.says("EMULATED");
    signal(again.child.id(), Signal::SIGTERM);
    assert!(again.ends_within(20).success(), "{}", again.screen());
}

#[test]
fn a_killed_agent_is_named_and_comes_back_and_a_hopeless_one_ends_the_world() {
    if !may_build() {
        return;
    }
    let mut run = start(scratch(), azimuth_testbed::scenario::SMALL);
    run.says("EMULATED");
    let agent = |run: &Run| {
        run.children()
            .into_iter()
            .find(|(name, _)| name == "agent-paris-free")
            .expect("there")
            .1
    };
    let before = agent(&run);
    // The world has started when its processes have; what they write comes after.
    eventually("the agent has written its first line", || {
        std::fs::read_to_string(run.dir.join("logs/agent-paris-free.log"))
            .is_ok_and(|log| log.contains("stand-in: run"))
    });
    kill(Pid::from_raw(before), Signal::SIGKILL).expect("ours");
    run.says("it was started again");
    let screen = run.screen();
    assert!(
        screen.contains("agent-paris-free ended (signal: 9") && screen.contains("    stand-in: run"),
        "{screen}"
    );
    eventually("the run file knows the new process", || agent(&run) != before);
    signal(run.child.id(), Signal::SIGTERM);
    assert!(run.ends_within(20).success());

    let doomed = azimuth_testbed::scenario::SMALL.replace("Paris (Free)", "doomed");
    let mut run = start(scratch(), &doomed);
    assert_eq!(run.ends_within(30).code(), Some(1));
    let screen = run.screen();
    assert!(
        screen.contains("agent-paris-free ended") && screen.contains("a fault in the configuration"),
        "{screen}"
    );
    assert!(!run.dir.join("run.json").exists(), "cleaned up all the same");
}

fn ask(arguments: &[&str]) -> Output {
    Command::new(TESTBED).args(arguments).output().expect("ran")
}

/// Runs a short relay-check with `prelude` (shell) before it; a copy of the program, readable whatever the build's rights.
fn relay_check_after(prelude: &str) -> (Option<i32>, String, String) {
    let scratch = tempfile::Builder::new()
        .prefix("az")
        .tempdir_in("/tmp")
        .expect("scratch");
    std::fs::set_permissions(scratch.path(), std::fs::Permissions::from_mode(0o755)).expect("set");
    let copy = scratch.path().join("azimuth-testbed");
    std::fs::copy(TESTBED, &copy).expect("copied");
    let script = format!("{prelude} {} relay-check --duration-s 1", copy.display());
    let output = Command::new("sh")
        .args(["-c", &script])
        .current_dir("/")
        .output()
        .expect("ran");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

const AS_NOBODY: &str = "exec setpriv --reuid 65534 --regid 65534 --clear-groups";

#[test]
fn an_ordinary_user_gets_a_world_in_a_user_namespace_or_is_told_what_to_do() {
    if !may_build() {
        return;
    }
    let (code, stdout, stderr) = relay_check_after(AS_NOBODY);
    if stderr.is_empty() {
        assert!(stdout.contains("500 of 500 echoes returned"), "{stdout}");
    } else {
        assert_eq!(code, Some(1));
        assert!(
            stderr.contains("Run as root (`sudo azimuth-testbed ...`)"),
            "{stderr}"
        );
    }
}

#[test]
fn without_the_tun_device_everybody_is_told_what_to_do() {
    if !may_build() {
        return;
    }
    let hidden = "exec unshare --mount sh -c 'mount -t tmpfs none /dev/net && exec \"$@\"' -";
    for prelude in [
        hidden.to_owned(),
        format!("{hidden} {}", AS_NOBODY.trim_start_matches("exec ")),
    ] {
        let (code, _, stderr) = relay_check_after(&prelude);
        assert_eq!(code, Some(1), "{stderr}");
        assert!(
            stderr.contains("cannot open /dev/net/tun") && stderr.contains("sudo modprobe tun"),
            "{stderr}"
        );
    }
}

#[test]
fn a_root_without_the_right_to_network_namespaces_is_told_what_its_container_lacks() {
    if !may_build() {
        return;
    }
    let bounded = "exec unshare --user --map-root-user sh -c 'echo 0 > /proc/sys/user/max_net_namespaces; exec \"$@\"' -";
    let (code, _, stderr) = relay_check_after(bounded);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(
        stderr.contains("refuses a network namespace") && stderr.contains("CAP_SYS_ADMIN"),
        "{stderr}"
    );
}

#[test]
fn wrong_usage_is_2_and_a_wrong_scenario_is_1_with_file_line_and_remedy() {
    assert_eq!(ask(&["run"]).status.code(), Some(2));
    assert_eq!(ask(&["relay-check", "--rate-pps", "0"]).status.code(), Some(2));
    let scratch = scratch();
    let file = scratch.path().join("wrong.toml");
    std::fs::write(
        &file,
        azimuth_testbed::scenario::SMALL.replace("for_s = 30", "for_minutes = 1"),
    )
    .expect("written");
    let output = ask(&["describe", &file.display().to_string()]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains(&format!("{}:", file.display())) && said.contains("for_minutes"),
        "{said}"
    );
}

#[test]
fn describe_speaks_json_and_survives_a_closed_pipe() {
    let europe = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/europe.toml");
    let output = ask(&["describe", europe, "--json"]);
    let json: Value = serde_json::from_slice(&output.stdout).expect("json");
    assert_eq!(json["zones"], 36);
    assert_eq!(json["pairs"].as_array().map(Vec::len), Some(25 * 36));

    let mut child = Command::new(TESTBED)
        .args(["describe", europe])
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let mut first = [0; 10];
    child
        .stdout
        .take()
        .expect("piped")
        .read_exact(&mut first)
        .expect("something");
    assert!(
        child.wait().expect("ended").success(),
        "a closed pipe is no failure"
    );
}
