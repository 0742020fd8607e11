//! An incident of the real binary, told to real receivers: eight agents deliver a past in which a zone gets slow and well
//! again, and another does in a maintenance window. One notice and one end on each channel, over kills and an outage.
//!
//! What was measured is placed by its age, so a past of hours is delivered in seconds. Evaluation only looks forward, so
//! before each half the test says how far it had come, as if the collector had been killed at that time.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use azimuth_collector::clock;
use azimuth_collector::evaluate::desk::Desk;
use azimuth_measurement::{Interval, Manifest, Report, ZoneKey};

use super::fleet::{body, manifest, report};
use super::process::{Collector, command};
use super::sinks::{Alertmanager, HttpSink, MailSink};

const MINUTE_MS: u64 = 60_000;
const AGENTS: usize = 8;
const ZONES: u16 = 8;
/// The zone that is told of, and the one that is silenced.
const SLOW: usize = 1;
const SILENCED: usize = 6;
/// Minutes of calm, of the incident, and of calm again.
const MINUTES: [u64; 3] = [90, 30, 75];
const OUTAGE: Duration = Duration::from_secs(30);
/// How long anything here may take. Far more than it does; only a fault gets there.
const DEADLINE: Duration = Duration::from_secs(150);

const RULES: &str = "[[regression]]\nname = \"slower\"\nstatistics = [\"p50\"]\n\
    [[maintenance]]\nname = \"works\"\nselect = { zone = \"aws/r3/az6\" }\n\
    from = \"2020-01-01T00:00:00Z\"\nuntil = \"2099-01-01T00:00:00Z\"\n";

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = clock::monotonic();
    while !is_so() {
        assert!(clock::monotonic() - started < DEADLINE, "{what}: nothing came");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn manifests() -> Vec<Manifest> {
    let fleet = (0..AGENTS).map(|agent| {
        let mut one = manifest(&format!("agent-{agent}"), ZONES);
        one.vantage_point.asn = 64_500 + agent as u32 % 4;
        for (number, series) in one.series.iter_mut().enumerate() {
            let (region, zone) = (format!("r{}", number / 2), format!("az{number}"));
            series.zone = ZoneKey::new("aws", &region, &zone).expect("a valid zone");
        }
        one
    });
    fleet.collect()
}

/// What an agent measured in a minute of the story.
fn measured(manifest: &Manifest, from_unix_ms: u64, minute: u64) -> Report {
    let start_unix_ms = from_unix_ms + minute * MINUTE_MS;
    let is_slow = (MINUTES[0]..MINUTES[0] + MINUTES[1]).contains(&minute);
    let delays = |level_us: u32| -> Vec<u32> {
        let spread = (0..40).map(|probe| level_us + ((minute * 7 + probe * 13) % 100) as u32);
        spread.collect()
    };
    let mut whole = report(manifest, minute + 1, start_unix_ms, &delays(10_000));
    whole.interval = Interval::new(start_unix_ms, MINUTE_MS as u32).expect("on the grid");
    if is_slow {
        let slow = report(manifest, minute + 1, start_unix_ms, &delays(16_000)).records;
        for (number, record) in slow.into_iter().enumerate() {
            if [SLOW, SILENCED].contains(&number) {
                whole.records[number] = record;
            }
        }
    }
    whole
}

fn deliver(collector: &Collector, fleet: &[Manifest], from_unix_ms: u64, minutes: std::ops::Range<u64>) {
    for manifest in fleet {
        let reports: Vec<Report> = minutes
            .clone()
            .map(|minute| measured(manifest, from_unix_ms, minute))
            .collect();
        for chunk in reports.chunks(60) {
            let answer = collector.deliver(&body(&[manifest], chunk, clock::unix_ms()));
            assert_eq!(answer.expect("an answer").status, 200);
        }
    }
    assert_eq!(collector.counter("azimuth_alerting_unreadable_reports_total"), 0);
}

fn start(directory: &Path) -> Collector {
    let mut serve = command(directory);
    serve.arg("--config").arg(directory.join("collector.toml"));
    Collector::spawn(serve)
}

/// What the evaluation had come to when the collector was killed.
fn evaluated_to(directory: &Path, unix_ms: u64) {
    let desk = Desk::open(directory, std::sync::Arc::default(), std::sync::Arc::default(), 0)
        .expect("nobody has it");
    desk.change(|change| *change.evaluated_to_unix_ms = Some(unix_ms))
        .expect("writable");
}

/// The distinct things a webhook was told, in order, and its deliveries by name.
fn told(sink: &HttpSink, path: &str) -> (Vec<String>, usize) {
    let (mut said, mut names) = (Vec::new(), BTreeSet::new());
    for (head, body) in sink.requests(path) {
        let name = head
            .lines()
            .find_map(|line| line.strip_prefix("azimuth-delivery: "));
        if names.insert(name.expect("a name").to_owned()) {
            let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
            for page in body["pages"].as_array().expect("pages") {
                said.push(format!("{} {}", page["alert"], page["state"]).replace('"', ""));
            }
        }
    }
    (said, names.len())
}

#[test]
fn an_incident_is_told_once_and_ended_once_on_each_channel() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let directory = scratch.path();
    let (web, ill, mail) = (HttpSink::start(), HttpSink::start(), MailSink::start());
    let alertmanager = Alertmanager::start(&format!("http://{}/from-alertmanager", web.address));
    let rest = "allow = [\"127.0.0.1\"]\ngroup_wait = \"0s\"\n";
    let config = format!(
        "[alerting]\nrules = [\"rules.toml\"]\n\
         [notify.am]\nkind = \"alertmanager\"\nurl = \"http://{}\"\n{rest}\
         [notify.hook]\nkind = \"webhook\"\nurl = \"http://{}/hook\"\n{rest}\
         [notify.ill]\nkind = \"webhook\"\nurl = \"http://{}/ill\"\n{rest}\
         [notify.noc]\nkind = \"mail\"\nserver = \"{}\"\ntls = \"none\"\nfrom = \"a@example.org\"\nto = [\"n@example.org\"]\n{rest}",
        alertmanager.address, web.address, ill.address, mail.address,
    );
    std::fs::write(directory.join("rules.toml"), RULES).expect("writable");
    std::fs::write(directory.join("collector.toml"), config).expect("writable");

    let minutes: u64 = MINUTES.iter().sum();
    let from_unix_ms = (clock::unix_ms() / MINUTE_MS - minutes - 5) * MINUTE_MS;
    let turn = MINUTES[0] + MINUTES[1];
    let turn_unix_ms = from_unix_ms + turn * MINUTE_MS;
    let fleet = manifests();
    let collector = start(directory);
    deliver(&collector, &fleet, from_unix_ms, 0..turn);
    collector.terminate();
    std::fs::remove_file(directory.join("alerts.redb")).expect("it was made");
    evaluated_to(directory, from_unix_ms);

    ill.answer("503 Service Unavailable");
    let ill_since = clock::monotonic();
    let collector = start(directory);
    wait_for("the beginning", || !web.bodies("/hook").is_empty());
    // At once, maybe before it noted that the message has arrived.
    collector.kill();
    let collector = start(directory);
    wait_for("the beginning everywhere", || {
        !mail.letters().is_empty() && !web.bodies("/from-alertmanager").is_empty()
    });
    let incidents = collector.get("/api/v1/incidents?state=firing").json();
    assert_eq!(incidents["total"], 2, "{incidents}");
    let all = incidents["incidents"].as_array().expect("a list");
    let one = all
        .iter()
        .find(|one| one["culprit"]["value"] == "aws/r0/az1")
        .expect("named");
    assert_eq!(one["evidence"]["worse"], AGENTS, "{one}");
    assert_eq!(one["members"][0]["series"]["zone"], "aws/r0/az1");
    let firing = collector.get("/api/v1/alerts?state=firing").json();
    assert_eq!(firing["total"], 2 * AGENTS, "{firing}");
    let firing = firing["alerts"].as_array().expect("a list");
    assert!(
        firing
            .iter()
            .all(|alert| alert["incident"].is_string() && alert["told"] == false)
    );

    deliver(&collector, &fleet, from_unix_ms, turn..minutes);
    collector.kill();
    evaluated_to(directory, turn_unix_ms);
    let collector = start(directory);
    wait_for("the end", || told(&web, "/hook").0.len() >= 2);
    std::thread::sleep(OUTAGE.saturating_sub(clock::monotonic() - ill_since));
    ill.answer("200 OK");
    let refused = ill.bodies("/ill").len();
    wait_for("the end everywhere", || {
        mail.letters().len() >= 2
            && web.bodies("/from-alertmanager").len() >= 2
            && ill.bodies("/ill").len() >= refused + 2
    });

    let story = [
        "incident/zone/aws/r0/az1 firing",
        "incident/zone/aws/r0/az1 resolved",
    ];
    assert_eq!(told(&web, "/hook"), (story.map(str::to_owned).to_vec(), 2));
    assert_eq!(told(&ill, "/ill"), (story.map(str::to_owned).to_vec(), 2));
    let letters = mail.letters();
    let subjects: BTreeSet<&str> = letters
        .iter()
        .flat_map(|letter| letter.lines().filter(|line| line.starts_with("Subject:")))
        .collect();
    assert_eq!(subjects.len(), 2, "{subjects:?}");
    assert!(
        letters
            .iter()
            .all(|letter| letter.contains("az1") && !letter.contains("az6")),
        "{letters:?}"
    );
    let states: Vec<String> = web
        .bodies("/from-alertmanager")
        .iter()
        .map(|body| {
            let said: serde_json::Value = serde_json::from_str(body).expect("JSON");
            format!("{} {}", said["status"], said["commonLabels"]["zone"]).replace('"', "")
        })
        .collect();
    assert_eq!(states, ["firing aws/r0/az1", "resolved aws/r0/az1"]);
    let open = collector.get("/api/v1/incidents?state=firing").json();
    assert_eq!(open["total"], 0, "{open}");
}
