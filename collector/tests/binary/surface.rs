//! What the binary shows: answers, refusals of parameters, headers, sockets, and how it stops.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::Command;

use azimuth_collector::clock;

use super::fleet::{body, manifest, report, slot_before};
use super::process::{Collector, command, exchange};

fn started() -> (tempfile::TempDir, Collector) {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let collector = Collector::start(directory.path());
    (directory, collector)
}

#[test]
fn a_measurement_comes_out_of_every_question_as_it_went_in() {
    let (_directory, collector) = started();
    let now = clock::unix_ms();
    let manifest = manifest("paris-1", 2);
    let reports: Vec<_> = (0..6)
        .map(|number| {
            report(
                &manifest,
                number + 1,
                slot_before(now, 8 - number),
                &[900, 1_000, 1_100],
            )
        })
        .collect();
    assert_eq!(
        collector
            .deliver(&body(&[&manifest], &reports, now))
            .expect("an answer")
            .status,
        200
    );

    let agents = collector.get("/api/v1/agents").json();
    assert_eq!(agents["agents"][0]["state"], "live");
    assert_eq!(agents["agents"][0]["vantage_point"]["network"], "Free");
    assert_eq!(agents["agents"][0]["reports_stored"], 6);
    let zones = collector.get("/api/v1/zones").json();
    assert_eq!(zones["zones"][0]["zone"], "aws/eu-west-3/az0");
    assert_eq!(zones["zones"][0]["methods"], serde_json::json!(["stamp"]));

    let map = collector.get("/api/v1/map?zone=aws/eu-west-3/az0").json();
    let cell = &map["cells"][0];
    assert_eq!(
        (&cell["n"], &cell["sent"], &cell["lost"]),
        (&18.into(), &24.into(), &6.into())
    );
    assert_eq!(
        (&cell["min_us"], &cell["p50_us"], &cell["p99_us"]),
        (&900.into(), &1_000.into(), &1_100.into())
    );
    assert_eq!(
        (&cell["loss_ratio"], &cell["clock"]),
        (&0.25.into(), &"kernel".into())
    );
    assert!(map["from"].as_str().is_some_and(|from| from.ends_with('Z')));

    let groups = collector
        .get("/api/v1/groups?group_by=country,metro&network=AS12322&provider=aws")
        .json();
    let group = &groups["groups"][0];
    assert_eq!(
        group["labels"],
        serde_json::json!({"country": "FR", "metro": null}),
        "az0 and az1 are in no catalogue"
    );
    assert_eq!(
        (&group["agents"], &group["zones"], &group["n"]),
        (&1.into(), &2.into(), &36.into())
    );
    let table = collector.get("/api/v1/groups?group_by=agent,zone&format=csv");
    assert_eq!(table.header("content-type"), Some("text/csv; charset=utf-8"));
    let table = String::from_utf8(table.body).expect("text");
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[0].starts_with("start_at,agent,zone,agents,zones,n,sent,"));
    assert!(
        lines.len() == 3 && lines[1].contains(",paris-1,aws/eu-west-3/az0,1,1,18,24,18,6,0.25,"),
        "{table}"
    );

    let pair = "agent=paris-1&zone=aws/eu-west-3/az1";
    let series = collector
        .get(&format!("/api/v1/series?{pair}&from=now-10m&step=10s"))
        .json();
    assert_eq!(series["points"].as_array().map(Vec::len), Some(6));
    assert_eq!(series["points"][0]["p10_us"], 900);
    let heatmap = collector
        .get(&format!("/api/v1/heatmap?{pair}&from=now-10m"))
        .json();
    assert_eq!(heatmap["columns"].as_array().map(Vec::len), Some(6));
    assert_eq!(heatmap["columns"][0]["n"], 3);
    let distribution = collector.get(&format!("/api/v1/distribution?{pair}")).json();
    assert_eq!(
        (&distribution["n"], &distribution["max_us"]),
        (&18.into(), &1_100.into())
    );
    assert_eq!(distribution["bins"].as_array().map(Vec::len), Some(3));
    assert_eq!(collector.counter("azimuth_ingest_histograms_stored_total"), 12);
}

#[test]
fn parameters_out_of_range_are_told_what_is_allowed() {
    let (_directory, collector) = started();
    let pair = "agent=a&zone=p/r/z";
    let cases = [
        (
            "/api/v1/map?form=now".to_owned(),
            400,
            "from, to, method, agent, zone, load, flow, city",
        ),
        ("/api/v1/agents?x=1".to_owned(), 400, "allowed: none"),
        (
            "/api/v1/map?method=ping".to_owned(),
            400,
            "stamp, icmp_echo, tcp_connect",
        ),
        (
            "/api/v1/map?load=busy".to_owned(),
            400,
            "idle, self_load, post_load",
        ),
        ("/api/v1/map?from=yesterday".to_owned(), 400, "now-5m"),
        ("/api/v1/map?from=now-367d".to_owned(), 400, "at most 8784 h"),
        ("/api/v1/map?format=xml".to_owned(), 400, "json or csv"),
        ("/api/v1/map?country=XX".to_owned(), 404, "/api/v1/agents"),
        ("/api/v1/groups?group_by=isp".to_owned(), 400, "network, provider"),
        (
            "/api/v1/groups?method=stamp&method=icmp_echo".to_owned(),
            400,
            "group_by=method",
        ),
        (
            "/api/v1/groups?region=eu-west-2".to_owned(),
            400,
            "provider/region",
        ),
        ("/api/v1/map?from=now&to=now-5m".to_owned(), 400, "before `to`"),
        (
            "/api/v1/map?zone=eu-west-3".to_owned(),
            400,
            "provider/region/zone",
        ),
        ("/api/v1/map?agent=nobody".to_owned(), 404, "/api/v1/agents"),
        ("/api/v1/series?zone=p/r/z".to_owned(), 400, "`agent` is missing"),
        (format!("/api/v1/series?{pair}&agent=b"), 400, "once"),
        (format!("/api/v1/series?{pair}&step=15s"), 400, "multiple of 10s"),
        (
            format!("/api/v1/series?{pair}&from=now-7d&step=10s"),
            400,
            "at least 130s",
        ),
        (format!("/api/v1/heatmap?{pair}&rows=161"), 400, "from 1 to 160"),
        (
            format!("/api/v1/heatmap?{pair}&from=now-2h&step=10s"),
            400,
            "400 are allowed",
        ),
        (
            format!("/api/v1/distribution?{pair}&step=10s"),
            400,
            "agent, zone, method, load, flow, from, to",
        ),
        ("/api/v2/map".to_owned(), 404, "openapi.json"),
    ];
    for (path, status, remedy) in cases {
        let answer = collector.get(&path);
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json"),
            "{path}"
        );
        let detail = answer.json()["detail"].as_str().unwrap_or_default().to_owned();
        assert!(detail.contains(remedy), "{path}: {detail}");
    }
    assert_eq!(
        collector.counter("azimuth_queries_total{endpoint=\"map\",outcome=\"unknown_parameter\"}"),
        1
    );
}

#[test]
fn the_operational_pages_and_the_page_for_people_are_there() {
    let (_directory, collector) = started();
    assert_eq!(collector.get("/healthz").status, 200);
    assert_eq!(collector.get("/readyz").status, 200);
    let openapi = collector.get("/api/v1/openapi.json");
    assert_eq!(openapi.json()["openapi"], "3.1.0");
    assert_eq!(
        openapi.body,
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json")).expect("readable")
    );
    for path in ["/", "/matrix", "/pair/paris-1/aws%2Feu-west-3%2Faz1"] {
        let page = collector.get(path);
        assert_eq!(page.status, 200);
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        let policy = page.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"));
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    }
    assert_eq!(collector.get("/no-such-file.js").status, 404);
    assert_eq!(
        collector
            .request("DELETE", "/api/v1/map", &[], &[])
            .expect("an answer")
            .status,
        405
    );
}

#[test]
fn a_unix_socket_serves_the_same_and_is_replaced_after_a_kill() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let socket = directory.path().join("collector.sock");
    let with_socket = || {
        let mut command = command(&directory.path().join("data"));
        command.arg("--unix-socket").arg(&socket);
        Collector::spawn(command)
    };
    let ready = || {
        let stream = UnixStream::connect(&socket).expect("it listens");
        exchange(stream, "GET", "/readyz", &[], &[])
            .expect("an answer")
            .status
    };
    let first = with_socket();
    assert_eq!(ready(), 200);
    first.kill();
    assert!(socket.exists(), "left over");
    let second = with_socket();
    assert_eq!(ready(), 200);
    let (status, log) = second.terminate();
    assert!(
        status.success() && log.contains("everything accepted is durable"),
        "{log}"
    );
    assert!(!socket.exists(), "removed on the way out");
}

#[test]
fn stopping_answers_who_is_already_being_served() {
    let (directory, collector) = started();
    let now = clock::unix_ms();
    let manifest = manifest("a", 1);
    let body = body(
        &[&manifest],
        &[report(&manifest, 1, slot_before(now, 2), &[500])],
        now,
    );
    let mut stream = TcpStream::connect(collector.address).expect("it listens");
    let head = format!(
        "POST /api/v1/reports HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("writable");
    stream.write_all(&body[..10]).expect("writable");
    // The collector must have seen the request before it is told to stop.
    while collector.counter("azimuth_connections_total") == 0 {}
    std::thread::sleep(std::time::Duration::from_millis(100));
    let stopping = std::thread::spawn(move || collector.terminate());
    std::thread::sleep(std::time::Duration::from_millis(100));
    stream.write_all(&body[10..]).expect("writable");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.contains("\"verdict\":\"stored\""), "{answer}");
    assert!(stopping.join().expect("no panic").0.success());
    let again = Collector::start(directory.path());
    assert_eq!(
        again.get("/api/v1/agents").json()["agents"][0]["reports_stored"],
        1
    );
}

#[test]
fn wrong_usage_and_configuration_end_with_2_and_say_why() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let config = directory.path().join("collector.toml");
    std::fs::write(&config, "data_dir = \"x\"\n[retention]\nhot = \"7d\"\n").expect("writable");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_azimuth-collector"));
        let output = command.arg("serve").args(arguments).output().expect("it runs");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (code, error) = run(&["--config", &config.to_string_lossy()]);
    assert_eq!(code, Some(2));
    assert!(
        error.contains("collector.toml, line 3") && error.contains("`10s`"),
        "{error}"
    );
    let (code, error) = run(&["--listen", "0.0.0.0:0"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("--insecure-listen-anyway"), "{error}");
    assert_eq!(run(&["--no-such-flag"]).0, Some(2));
}

#[test]
fn a_second_collector_on_the_same_data_says_so_and_leaves_it_alone() {
    let (directory, collector) = started();
    let output = command(directory.path()).output().expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("in use by another process"), "{error}");
    assert_eq!(collector.get("/readyz").status, 200);
    assert_eq!(collector.counter("azimuth_store_files_set_aside"), 0);
}
