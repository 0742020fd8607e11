//! The real binary, real sockets, loopback only: reflector and prober against each other, and against bytes from
//! outside. Nothing here asserts how fast anything is.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use azimuth_agent::clock;
use azimuth_agent::icmp::Family;
use azimuth_agent::net::udp::ProberSocket;
use azimuth_agent::probe::SeriesPlan;
use azimuth_agent::probe::contract::Strays;
use azimuth_agent::probe::lane::{Lane, PortRange, WantedPort};
use azimuth_agent::prober::Prober;
use azimuth_agent::prober::inbox::{Change, Message};
use azimuth_agent::reflect::serve::Reflector as Reflecting;
use azimuth_agent::reflect::{Allowed, DEFAULT_MAX_PER_SECOND};
use azimuth_agent::schedule::Pace;
use azimuth_agent::stamp::{ErrorEstimate, NtpTimestamp, Reply, Request};
use azimuth_measurement::{ErrorCounts, ErrorKind, Method, Outgoing, ProbeCounts};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_azimuth-agent");
const PATIENCE: Duration = Duration::from_secs(10);
/// Long enough for an answer over loopback, when the point is that none comes.
const SILENCE: Duration = Duration::from_millis(150);

/// A running `azimuth-agent reflect`, ended when it goes out of scope.
struct Reflector {
    child: Child,
    log: Option<BufReader<std::process::ChildStderr>>,
    udp: Vec<SocketAddr>,
    tcp: Vec<SocketAddr>,
}

impl Reflector {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(BINARY);
        command
            .arg("reflect")
            .args(arguments)
            .env("AZIMUTH_LOG", "info")
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let mut log = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut line = String::new();
        while !line.contains("reflecting") {
            line.clear();
            assert_ne!(
                log.read_line(&mut line).expect("a log line"),
                0,
                "the reflector ended early"
            );
        }
        let addresses = |key: &str| {
            let rest = line.split_once(&format!("{key}=")).map_or("", |(_, rest)| rest);
            let listed = rest.split(['=', '\n']).next().unwrap_or_default();
            listed
                .split(' ')
                .filter_map(|word| word.trim().parse().ok())
                .collect::<Vec<SocketAddr>>()
        };
        let (udp, tcp) = (addresses("udp"), addresses("tcp"));
        Self {
            child,
            log: Some(log),
            udp,
            tcp,
        }
    }

    /// Sends SIGTERM; the last counters it logged.
    fn stop(mut self) -> String {
        let pid = nix::unistd::Pid::from_raw(self.child.id().try_into().expect("a pid"));
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("signalled");
        let mut log = String::new();
        self.log
            .take()
            .expect("not stopped before")
            .read_to_string(&mut log)
            .expect("a log");
        assert!(self.child.wait().expect("ended").success(), "{log}");
        log
    }
}

impl Drop for Reflector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn probe(arguments: &[&str]) -> Output {
    Command::new(BINARY)
        .arg("probe")
        .args(arguments)
        .output()
        .expect("the binary runs")
}

fn probe_json(arguments: &[&str]) -> Value {
    serde_json::from_slice(&probe(arguments).stdout).expect("one JSON object on stdout")
}

fn request() -> Request {
    Request {
        sequence: 41,
        sent_at: NtpTimestamp::from_wall(clock::wall()),
        error: ErrorEstimate::UNSYNCHRONISED,
        session_id: 0,
    }
}

fn asker(at: &str) -> UdpSocket {
    let socket = UdpSocket::bind(at).expect("bound");
    socket.set_read_timeout(Some(PATIENCE)).expect("set");
    socket
}

#[test]
fn kernel_stamps_on_both_ends_over_both_families() {
    let reflector = Reflector::start(&[
        "--listen",
        "127.0.0.1:0",
        "--listen",
        "[::1]:0",
        "--allow",
        "127.0.0.0/8",
        "--allow",
        "::1",
    ]);
    assert_eq!(reflector.udp.len(), 2);
    for address in &reflector.udp {
        let found = probe_json(&[
            &address.to_string(),
            "--count",
            "50",
            "--period-ms",
            "5",
            "--json",
        ]);
        assert_eq!(found["clock"], "kernel", "{found}");
        for (key, expected) in [
            ("returned", 50),
            ("lost", 0),
            ("n", 50),
            ("missing_tx_stamp", 0),
            ("missing_rx_stamp", 0),
            // The last answer, which none follows.
            ("missing_follow_up", 1),
        ] {
            // A host that stalls for a period skips a slot, and says so; every probe that was sent must be whole.
            let skipped = if matches!(key, "returned" | "n") {
                found["skipped"].as_u64()
            } else {
                Some(0)
            };
            assert_eq!(
                found[key].as_u64().zip(skipped).map(|(a, b)| a + b),
                Some(expected),
                "{key} of {found}"
            );
        }
        assert!(found["min_us"].as_u64() >= Some(1));
    }
    let log = reflector.stop();
    assert!(
        ["missing_rx_stamp=0", "dropped_not_allowed=0", "sessions_full=0"]
            .iter()
            .all(|counter| log.contains(counter)),
        "{log}"
    );
}

#[test]
fn with_a_key_probes_and_answers_are_signed_and_strangers_get_none() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("a directory");
    let key_file = |name: &str, digits: &str| {
        let file = directory.path().join(name);
        std::fs::write(&file, digits.repeat(32)).expect("written");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("set");
        file.to_str().expect("plain text").to_owned()
    };
    let (ours, other) = (key_file("ours", "0b"), key_file("other", "0c"));
    let reflector = Reflector::start(&["--listen", "127.0.0.1:0", "--allow-any", "--key-file", &ours]);
    let address = reflector.udp[0].to_string();
    let probe = |more: &[&str]| {
        let asked = [
            &[
                &address,
                "--count",
                "10",
                "--period-ms",
                "5",
                "--waiting-time-ms",
                "500",
                "--json",
            ],
            more,
        ];
        probe_json(&asked.concat())
    };
    let found = probe(&["--key-file", &ours]);
    assert_eq!(
        (&found["lost"], &found["clock"]),
        (&0.into(), &"kernel".into()),
        "{found}"
    );
    assert_eq!(found["missing_follow_up"], 1, "{found}");
    assert_eq!(probe(&["--key-file", &other])["returned"], 0);
    assert_eq!(probe(&[])["returned"], 0);
    let log = reflector.stop();
    assert!(
        log.contains("dropped_too_short=10") && log.contains("dropped_bad_signature=10"),
        "{log}"
    );
}

/// In this process, because a one-shot probe has only one target.
#[test]
fn one_prober_measures_both_families_and_both_methods_at_once() {
    let listen = ["127.0.0.1:0", "[::1]:0"].map(|at| at.parse().expect("an address"));
    let reflector =
        Reflecting::start(&listen, &listen, Allowed::Any, DEFAULT_MAX_PER_SECOND, None).expect("a reflector");
    let plan = |address: &SocketAddr, method| SeriesPlan {
        address: *address,
        method,
        period_ms: 20,
        pace: Pace::Periodic,
        phase_ns: 0,
        waiting_time_ms: 5_000,
        limit: Some(10),
        follow_up: true,
        direct_measurement: false,
        key: None,
        lane: Lane::default(),
        request: None,
        backs_off: None,
    };
    let stamps = reflector.udp.iter().map(|address| plan(address, Method::Stamp));
    let connects = reflector
        .tcp
        .iter()
        .map(|address| plan(address, Method::TcpConnect));
    let plans: Vec<SeriesPlan> = stamps.chain(connects).collect();
    let (out, mut intervals) = tokio::sync::mpsc::channel(8);
    let prober = Prober::start(&plans, 86_400_000, out).expect("a prober");
    let strays = prober
        .join()
        .expect("it ends by itself when all is sent and answered");
    let mut slots = [0; 4];
    while let Ok(delivery) = intervals.try_recv() {
        for (slots, series) in slots.iter_mut().zip(&delivery.closed.series) {
            let counts = series.counts;
            let wrong = [
                counts.lost(),
                counts.discarded,
                counts.send_errors,
                counts.refused,
            ];
            assert_eq!(wrong, [0; 4], "{counts:?}");
            assert_eq!(series.delays_us.len() as u64, counts.sent);
            *slots += counts.sent + counts.skipped;
        }
    }
    assert_eq!(slots, [10; 4]);
    assert_eq!(strays, Strays::default());
    let counters = reflector.stop().expect("it ends");
    assert_eq!(counters.send_errors, 0);
}

/// A port nobody listens on answers with ICMP errors, which fail the next call on the socket that all targets share.
#[test]
fn icmp_errors_are_counted_by_kind_and_cost_the_others_nothing() {
    for at in ["127.0.0.1:0", "[::1]:0"] {
        let listen = [at.parse().expect("an address")];
        let reflector =
            Reflecting::start(&listen, &[], Allowed::Any, DEFAULT_MAX_PER_SECOND, None).expect("a reflector");
        let closed_port = {
            let bound = UdpSocket::bind(at).expect("bound");
            bound.local_addr().expect("bound")
        };
        let plan = |address: SocketAddr| SeriesPlan {
            address,
            method: Method::Stamp,
            period_ms: 10,
            pace: Pace::Periodic,
            phase_ns: 0,
            waiting_time_ms: 1_000,
            limit: Some(20),
            follow_up: false,
            direct_measurement: false,
            key: None,
            lane: Lane::default(),
            request: None,
            backs_off: None,
        };
        let plans = [plan(closed_port), plan(reflector.udp[0])];
        let (out, mut intervals) = tokio::sync::mpsc::channel(8);
        let prober = Prober::start(&plans, 86_400_000, out).expect("a prober");
        prober.join().expect("it ends by itself");
        let mut sums = [ProbeCounts::default(); 2];
        while let Ok(delivery) = intervals.try_recv() {
            for (sum, series) in sums.iter_mut().zip(&delivery.closed.series) {
                *sum = sum.plus(&series.counts).expect("few");
            }
        }
        let [refused, fine] = sums;
        assert_eq!((refused.sent + refused.skipped, refused.returned), (20, 0));
        // The kernel limits how many ICMP errors it sends (net.ipv4.icmp_ratelimit), so not every probe has one.
        let heard = refused.errors.get(ErrorKind::PortUnreachable);
        assert!((1..=refused.sent).contains(&heard), "{refused:?}");
        assert_eq!(
            refused.errors.present().collect::<Vec<_>>(),
            [(ErrorKind::PortUnreachable, heard)]
        );
        assert_eq!((fine.send_errors, fine.lost()), (0, 0), "{fine:?}");
        assert_eq!(fine.errors, ErrorCounts::default());
        reflector.stop().expect("it ends");
    }
}

/// A closed port refuses each connection.
#[test]
fn a_public_address_that_refuses_is_asked_less_often_and_one_of_ours_is_not() {
    let closed = {
        let bound = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
        bound.local_addr().expect("bound")
    };
    let plan = |limit, backs_off| SeriesPlan {
        address: closed,
        method: Method::TcpConnect,
        period_ms: 50,
        pace: Pace::Periodic,
        phase_ns: 0,
        waiting_time_ms: 1_000,
        limit: Some(limit),
        follow_up: false,
        direct_measurement: false,
        key: None,
        lane: Lane::default(),
        request: None,
        backs_off,
    };
    for (plan, backs_off) in [(plan(7, Some(1)), true), (plan(12, None), false)] {
        let limit = plan.limit.expect("one");
        let (out, mut intervals) = tokio::sync::mpsc::channel(8);
        let prober = Prober::start(&[plan], 86_400_000, out).expect("a prober");
        let mut sum = ProbeCounts::default();
        while let Some(delivery) = intervals.blocking_recv() {
            sum = sum.plus(&delivery.closed.series[0].counts).expect("few");
        }
        let counted = prober.back_offs();
        prober.join().expect("it ends by itself");
        assert_eq!(sum.sent + sum.skipped, limit, "what is left out is neither");
        assert_eq!((sum.refused, sum.lost()), (sum.sent, 0));
        assert_eq!((counted.begun, counted.ended), (u64::from(backs_off), 0));
        assert_eq!(counted.left_out > 0, backs_off);
    }
}

#[test]
fn the_table_is_for_people_and_says_what_was_measured() {
    let reflector = Reflector::start(&["--listen", "127.0.0.1:0", "--allow", "127.0.0.1"]);
    let output = probe(&[&reflector.udp[0].to_string(), "--count", "3", "--period-ms", "5"]);
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success());
    for word in [
        "stamp round-trip delay to 127.0.0.1:",
        "p50 ms",
        "p99 ms",
        "kernel",
        "0.0 %",
    ] {
        assert!(text.contains(word), "{word} is missing from\n{text}");
    }
}

#[test]
fn the_answer_comes_from_the_address_that_was_asked() {
    let reflector = Reflector::start(&["--listen", "0.0.0.0:0", "--allow", "127.0.0.0/8"]);
    let port = reflector.udp[0].port();
    let socket = asker("127.0.0.1:0");
    for asked in ["127.0.0.2", "127.0.0.1", "127.9.8.7"] {
        let asked = SocketAddr::new(asked.parse().expect("an address"), port);
        socket.send_to(&request().encode(), asked).expect("sent");
        let mut answer = [0; 100];
        let (length, from) = socket.recv_from(&mut answer).expect("an answer");
        assert_eq!((length, from), (44, asked));
    }
    let found = probe_json(&[
        &format!("127.0.0.2:{port}"),
        "--count",
        "5",
        "--period-ms",
        "5",
        "--json",
    ]);
    assert_eq!(found["lost"], 0, "{found}");
}

#[test]
fn an_answer_echoes_the_request_and_stamps_within_the_trip() {
    let reflector = Reflector::start(&["--listen", "127.0.0.1:0", "--allow", "127.0.0.1"]);
    let socket = asker("127.0.0.1:0");
    socket.set_ttl(37).expect("set");
    let asked = request();
    let mut padded = asked.encode().to_vec();
    padded.extend([0x5a; 56]);
    let before = NtpTimestamp::from_wall(clock::wall());
    socket.send_to(&padded, reflector.udp[0]).expect("sent");
    let mut answer = [0; 200];
    let length = socket.recv(&mut answer).expect("an answer");
    let after = NtpTimestamp::from_wall(clock::wall());
    let reply = Reply::decode(&answer[..length]).expect("a reply");
    assert_eq!(
        (length, &answer[44..length]),
        (100, &[0x5a; 56][..]),
        "as long as the request, padding echoed"
    );
    assert_eq!(
        (reply.sequence, reply.sender_sequence, reply.sender_ttl),
        (41, 41, 37)
    );
    assert_eq!(reply.sender_sent_at, asked.sent_at);
    let order = [before, reply.received_at, reply.reflected_at, after];
    assert!(
        order.windows(2).all(|pair| pair[1].since_ns(pair[0]) >= 0),
        "{order:?}"
    );
}

#[test]
fn garbage_strangers_and_other_reflectors_get_no_answer_and_are_counted() {
    let reflector = Reflector::start(&["--listen", "127.0.0.1:0", "--allow", "127.0.0.1"]);
    let at = reflector.udp[0];
    let (asking, stranger) = (asker("127.0.0.1:0"), asker("127.0.0.3:0"));
    for length in [0, 1, 43] {
        asking.send_to(&request().encode()[..length], at).expect("sent");
    }
    stranger.send_to(&request().encode(), at).expect("sent");
    for socket in [&asking, &stranger] {
        socket.set_read_timeout(Some(SILENCE)).expect("set");
        assert!(socket.recv(&mut [0; 100]).is_err(), "no answer may come");
    }
    let log = reflector.stop();
    for counted in ["answered=0", "dropped_too_short=3", "dropped_not_allowed=1"] {
        assert!(log.contains(counted), "{counted} is missing from\n{log}");
    }
}

#[test]
fn two_reflectors_cannot_be_made_to_answer_each_other() {
    let first = Reflector::start(&["--listen", "127.0.0.1:0", "--allow-any"]);
    // The same port on another address: a datagram "from" there is one from a reflector.
    let other = asker(&format!("127.0.0.4:{}", first.udp[0].port()));
    other.set_read_timeout(Some(SILENCE)).expect("set");
    other.send_to(&request().encode(), first.udp[0]).expect("sent");
    assert!(other.recv(&mut [0; 100]).is_err(), "no answer may come");
    assert!(first.stop().contains("dropped_reflector_port=1"));
}

#[test]
fn connects_are_measured_by_the_kernel_and_refusals_are_answers() {
    let reflector = Reflector::start(&[
        "--listen",
        "127.0.0.1:0",
        "--tcp-listen",
        "127.0.0.1:0",
        "--tcp-listen",
        "[::1]:0",
        "--allow",
        "127.0.0.1",
    ]);
    for address in &reflector.tcp {
        let at = address.to_string();
        let found = probe_json(&[
            &at,
            "--method",
            "tcp_connect",
            "--count",
            "10",
            "--period-ms",
            "20",
            "--json",
        ]);
        assert_eq!(
            (&found["clock"], &found["lost"]),
            (&Value::from("tcp_info"), &Value::from(0)),
            "{found}"
        );
        assert_eq!(found["n"], found["sent"]);
    }
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .expect("bound")
        .local_addr()
        .expect("bound");
    let output = probe(&[
        &closed.to_string(),
        "--method",
        "tcp_connect",
        "--count",
        "2",
        "--json",
    ]);
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (&found["refused"], &found["lost"]),
        (&Value::from(2), &Value::from(0)),
        "{found}"
    );
    assert_eq!(
        (&found["p50_us"], output.status.code()),
        (&Value::Null, Some(0)),
        "refused, but reachable"
    );
}

#[test]
fn silence_is_a_loss_an_exit_code_and_a_hint() {
    let silent = asker("127.0.0.1:0");
    let at = silent.local_addr().expect("bound").to_string();
    let output = probe(&[
        &at,
        "--count",
        "3",
        "--period-ms",
        "10",
        "--waiting-time-ms",
        "100",
    ]);
    let text = String::from_utf8(output.stdout).expect("text");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text.contains("100.0 %") && text.contains("does it --allow this host"),
        "{text}"
    );
}

#[test]
fn wrong_usage_exits_with_2_and_an_address_in_use_says_what_to_look_at() {
    let output = Command::new(BINARY)
        .args(["reflect", "--allow", "10.0.0.1/8"])
        .output()
        .expect("runs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert!(text.contains("did you mean 10.0.0.0/8?"), "{text}");

    let taken = asker("127.0.0.1:0").local_addr().expect("bound");
    let _holder = UdpSocket::bind(taken).expect("bound again");
    let listen = taken.to_string();
    let output = Command::new(BINARY)
        .args(["reflect", "--listen", &listen, "--allow-any"])
        .output()
        .expect("runs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains(&listen) && text.contains("ss -lun"), "{text}");
}

#[test]
fn a_lane_that_this_host_refuses_fails_its_own_targets_and_no_others() {
    let listen = ["127.0.0.1:0".parse().expect("an address")];
    let reflector =
        Reflecting::start(&listen, &listen, Allowed::Any, DEFAULT_MAX_PER_SECOND, None).expect("a reflector");
    let plan = |method, lane| SeriesPlan {
        address: match method {
            Method::Stamp => reflector.udp[0],
            _ => reflector.tcp[0],
        },
        method,
        period_ms: 20,
        pace: Pace::Periodic,
        phase_ns: 0,
        waiting_time_ms: 5_000,
        limit: Some(10),
        follow_up: false,
        direct_measurement: false,
        key: None,
        lane,
        request: None,
        backs_off: None,
    };
    let by = |interface: &str, source: Option<&str>| Lane {
        outgoing: Outgoing {
            interface: (!interface.is_empty()).then(|| interface.to_owned()),
            source_address: source.and_then(|source| source.parse().ok()),
            ..Outgoing::default()
        },
        ..Lane::default()
    };
    let plans = [
        plan(Method::Stamp, by("no-such-if", None)),
        plan(Method::TcpConnect, by("no-such-if", None)),
        plan(Method::Stamp, by("", Some("192.0.2.77"))),
        plan(Method::Stamp, by("lo", Some("127.0.0.9"))),
        plan(Method::TcpConnect, by("lo", Some("127.0.0.9"))),
        plan(Method::Stamp, Lane::default()),
    ];
    let (out, mut intervals) = tokio::sync::mpsc::channel(8);
    let prober = Prober::start(&plans, 86_400_000, out).expect("a prober");
    while !prober.is_finished() {
        std::thread::yield_now();
    }
    let refusals = prober.refusals();
    assert_eq!(prober.join(), Some(Strays::default()));
    let series = intervals.try_recv().expect("one interval").closed.series;
    let told: Vec<_> = series
        .iter()
        .map(|series| {
            let counts = series.counts;
            (counts.send_errors > 0, counts.returned > 0, counts.lost())
        })
        .collect();
    let (refused, fine) = ((true, false, 0), (false, true, 0));
    assert_eq!(told, [refused, refused, refused, fine, fine, fine]);
    let send_errors: u64 = series.iter().map(|series| series.counts.send_errors).sum();
    assert_eq!(refusals.no_socket, send_errors);
}

#[test]
fn a_stable_port_that_is_taken_falls_to_the_next_and_is_counted() {
    let range = PortRange::DEFAULT;
    // Whoever else runs here: a name whose first two ports are free now.
    let (wanted, taken) = (0..)
        .find_map(|number| {
            let wanted = WantedPort::hashed(&format!("taken/{number}"), range);
            let free = |port: u16| UdpSocket::bind(("0.0.0.0", port)).ok();
            let mut candidates = wanted.candidates();
            let first = free(candidates.next()?)?;
            free(candidates.next()?).map(|_| (wanted, first))
        })
        .expect("a free port");
    let lane = Lane {
        port: Some(wanted),
        ..Lane::default()
    };
    let opened = ProberSocket::<u32>::open_lane(Family::V4, &lane).expect("opened");
    assert_eq!((opened.taken, Some(opened.port)), (1, wanted.candidates().nth(1)));
    drop((taken, opened));
    let opened = ProberSocket::<u32>::open_lane(Family::V4, &lane).expect("opened");
    assert_eq!((opened.taken, opened.port), (0, wanted.first()));
}

#[test]
fn long_probes_by_several_flows_all_come_back() {
    let reflector = Reflector::start(&[
        "--listen",
        "127.0.0.1:0",
        "--tcp-listen",
        "127.0.0.1:0",
        "--allow",
        "127.0.0.0/8",
    ]);
    let (udp, tcp) = (reflector.udp[0].to_string(), reflector.tcp[0].to_string());
    let stamp = ["--payload-bytes", "1400", "--dont-fragment", "--dscp", "46"];
    let connect = ["--method", "tcp_connect", "--waiting-time-ms", "15"];
    for (target, more) in [(&udp, &stamp[..]), (&tcp, &connect[..])] {
        let shared = [
            target,
            "--flows",
            "4",
            "--count",
            "5",
            "--period-ms",
            "50",
            "--json",
        ];
        let output = probe(&[&shared[..], more].concat());
        let text = String::from_utf8_lossy(&output.stdout);
        let found: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("an object a line"))
            .collect();
        assert_eq!(found.len(), 4);
        for (flow, found) in found.iter().enumerate() {
            assert_eq!(found["flow"], flow, "{found}");
            assert_eq!(found["send_errors"], 0, "{found}");
            assert!(found["returned"].as_u64() > Some(0), "{found}");
        }
    }
}

#[test]
fn a_series_added_later_gets_the_sockets_that_its_flow_needs() {
    let listen = ["127.0.0.1:0", "[::1]:0"].map(|at| at.parse().expect("an address"));
    let reflector =
        Reflecting::start(&listen, &listen, Allowed::Any, DEFAULT_MAX_PER_SECOND, None).expect("a reflector");
    let plan = |address, method, flow, payload_bytes| SeriesPlan {
        address,
        method,
        period_ms: 20,
        pace: Pace::Poisson { seed: 1 },
        phase_ns: 0,
        waiting_time_ms: 5_000,
        limit: Some(5),
        follow_up: false,
        direct_measurement: false,
        key: None,
        lane: Lane {
            flow,
            outgoing: Outgoing {
                payload_bytes,
                ..Outgoing::default()
            },
            ..Lane::default()
        },
        request: None,
        backs_off: None,
    };
    let (out, mut intervals) = tokio::sync::mpsc::channel(64);
    let prober = Prober::start_eager(&[], 1_000, out).expect("a prober");
    let change = Change {
        add: vec![
            plan(reflector.udp[0], Method::Stamp, 0, 0),
            plan(reflector.udp[0], Method::Stamp, 1, 1_400),
            plan(reflector.udp[1], Method::Stamp, 0, 0),
            plan(reflector.tcp[0], Method::TcpConnect, 0, 0),
        ],
        ..Change::default()
    };
    prober.letterbox().put(Message::Changed(change)).expect("room");
    let mut settled = [0; 4];
    while settled.iter().any(|settled| *settled < 5) {
        let delivery = intervals.blocking_recv().expect("an interval");
        for (settled, series) in settled.iter_mut().zip(&delivery.closed.series) {
            let counts = series.counts;
            assert_eq!((counts.lost(), counts.send_errors), (0, 0), "{counts:?}");
            assert_eq!(series.delays_us.len() as u64, counts.returned);
            *settled += counts.returned + counts.skipped;
        }
    }
    prober.stopper().stop();
    assert_eq!(prober.join(), Some(Strays::default()));
}
