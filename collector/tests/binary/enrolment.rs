//! From a token to a report and out again: the real collector, its command line over the admin socket, and the agent's own
//! side of joining and of sessions.

use std::path::Path;
use std::process::Command;

use azimuth_agent::config::CollectorAddress;
use azimuth_agent::identity::{Identity, Seed};
use azimuth_agent::uplink::link::Link;
use azimuth_agent::uplink::session::{Sessions, change_key, join};
use azimuth_measurement::enrolment::{TlsTrust, Token};

use crate::fleet::{LENGTH_MS, body, manifest, report};
use crate::process::{Answer, Collector};

/// A multiple of the interval.
const START: u64 = 1_795_428_000_000;

/// Runs a command of the collector; what it printed.
pub(crate) fn told(data_dir: &Path, args: &[&str]) -> Result<String, String> {
    let (verbs, rest) = args.split_at(2);
    let ran = Command::new(env!("CARGO_BIN_EXE_azimuth-collector"))
        .args(verbs)
        .arg("--data-dir")
        .arg(data_dir)
        .args(rest)
        .output()
        .expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if ran.status.success() {
        Ok(text(&ran.stdout))
    } else {
        Err(text(&ran.stderr))
    }
}

pub(crate) struct Host {
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) link: Link,
}

impl Host {
    pub(crate) fn new(collector: &Collector) -> Self {
        let address = CollectorAddress::Http(format!("http://{}", collector.address));
        Self::at(&address, TlsTrust::System)
    }

    pub(crate) fn at(address: &CollectorAddress, trust: TlsTrust) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Self {
            runtime: runtime.expect("a runtime"),
            link: Link::new(address, trust),
        }
    }

    pub(crate) fn join(&self, token: &Token, key: &Seed) -> Result<Identity, String> {
        let joined = self.runtime.block_on(join(&self.link, token, key, None));
        joined
            .map(|(identity, _)| identity)
            .map_err(|error| error.to_string())
    }

    /// The same under a name that is asked for.
    pub(crate) fn join_as(&self, token: &Token, name: &str) -> Result<Identity, String> {
        let key = Seed::random().expect("random");
        let joined = self.runtime.block_on(join(&self.link, token, &key, Some(name)));
        joined
            .map(|(identity, _)| identity)
            .map_err(|error| error.to_string())
    }

    pub(crate) fn bearer(&self, sessions: &mut Sessions) -> Result<String, String> {
        let bearer = self.runtime.block_on(sessions.bearer(&self.link));
        bearer.map_err(|error| error.to_string())
    }
}

pub(crate) fn deliver(collector: &Collector, agent: &str, sequence: u64, bearer: Option<&str>) -> Answer {
    let manifest = manifest(agent, 1);
    let report = report(&manifest, sequence, START + sequence * LENGTH_MS, &[500]);
    let body = body(&[&manifest], &[report], START + (sequence + 1) * LENGTH_MS);
    let bearer = bearer.map(|bearer| format!("Bearer {bearer}"));
    let mut headers = vec![("content-type", "application/x-protobuf")];
    headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
    let answer = collector.request("POST", "/api/v1/reports", &headers, &body);
    answer.expect("an answer")
}

fn reason(answer: &Answer) -> (u16, String) {
    (
        answer.status,
        answer.json()["reason"].as_str().unwrap_or_default().to_owned(),
    )
}

#[test]
fn a_host_joins_with_a_token_reports_in_sessions_and_is_out_when_it_is_revoked() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let data_dir = directory.path();
    let collector = Collector::start(data_dir);
    let host = Host::new(&collector);
    let token = told(data_dir, &["token", "create", "--site", "paris"]).expect("a token");
    let token: Token = token.parse().expect("a token");
    let key = Seed::random().expect("random");
    let mut strange = token.clone();
    strange.collector_key = [1; 32];
    let refused = host
        .join(&strange, &key)
        .expect_err("not the collector of this token");
    assert!(refused.contains("Nothing was told to it"), "{refused}");
    let identity = host.join(&token, &key).expect("in");
    assert_eq!(
        host.join(&token, &key).as_ref(),
        Ok(&identity),
        "its first answer was lost"
    );
    let refused = host
        .join(&token, &Seed::random().expect("random"))
        .expect_err("one use");
    assert!(refused.contains("token_used_up"), "{refused}");

    let file = data_dir.join("identity.json");
    identity.save(&file).expect("written");
    let agent = identity.agent.as_str();
    let mut sessions = Sessions::new(file.clone()).expect("random");
    let bearer = host.bearer(&mut sessions).expect("a session");
    assert_eq!(deliver(&collector, agent, 0, Some(&bearer)).status, 200);
    assert_eq!(
        reason(&deliver(&collector, agent, 1, None)),
        (401, "session_required".to_owned())
    );
    assert_eq!(
        reason(&deliver(&collector, "another", 1, Some(&bearer))),
        (403, "agent_mismatch".to_owned())
    );
    assert_eq!(deliver(&collector, "never-joined", 1, None).status, 200);

    // What a session costs after a restart of the collector: it is unknown, and the next is opened.
    collector.kill();
    let collector = Collector::start(data_dir);
    let host = Host::new(&collector);
    assert_eq!(
        reason(&deliver(&collector, agent, 1, Some(&bearer))),
        (401, "session_unknown".to_owned())
    );
    host.runtime
        .block_on(change_key(&host.link, &file))
        .expect("another key");
    assert_ne!(Identity::load(&file).expect("read").key, identity.key);
    sessions.forget();
    let bearer = host.bearer(&mut sessions).expect("a session");
    assert_eq!(deliver(&collector, agent, 1, Some(&bearer)).status, 200);

    // The same file on a second host.
    let mut copy = Sessions::new(file).expect("random");
    let copied = host.bearer(&mut copy).expect("a session");
    assert_eq!(
        reason(&deliver(&collector, agent, 2, Some(&bearer))),
        (401, "identity_conflict".to_owned())
    );
    assert_eq!(deliver(&collector, agent, 2, Some(&copied)).status, 200);
    let listed = told(data_dir, &["agent", "list"]).expect("a list");
    assert!(listed.contains(agent) && listed.contains("COPIED"), "{listed}");

    told(data_dir, &["agent", "revoke", agent]).expect("revoked");
    assert_eq!(
        deliver(&collector, agent, 3, Some(&copied)).status,
        401,
        "with its very next request"
    );
    let refused = host.bearer(&mut Sessions::new(data_dir.join("identity.json")).expect("random"));
    assert!(
        refused
            .as_ref()
            .is_err_and(|refused| refused.contains("agent_revoked")),
        "{refused:?}"
    );
    let refused = told(data_dir, &["agent", "revoke", "nobody"]).expect_err("nobody");
    assert!(refused.contains("agent list names them"), "{refused}");
}

#[test]
fn of_a_hundred_hosts_with_a_token_for_one_one_joins() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let collector = Collector::start(directory.path());
    let token = told(
        directory.path(),
        &["token", "create", "--site", "paris", "--uses", "1", "--ttl", "1h"],
    );
    let token: Token = token.expect("a token").parse().expect("a token");
    let joined: Vec<_> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..100)
            .map(|_| scope.spawn(|| Host::new(&collector).join(&token, &Seed::random().expect("random"))))
            .collect();
        racers
            .into_iter()
            .map(|racer| racer.join().expect("no panic"))
            .collect()
    });
    assert_eq!(joined.iter().filter(|one| one.is_ok()).count(), 1);
    let used_up =
        |one: &&Result<Identity, String>| one.as_ref().is_err_and(|error| error.contains("token_used_up"));
    assert_eq!(joined.iter().filter(used_up).count(), 99);
}

#[test]
fn without_a_collector_the_command_says_where_it_looked() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let refused = told(directory.path(), &["token", "list"]).expect_err("nobody there");
    assert!(
        refused.contains("fleet/admin.sock") && refused.contains("--data-dir"),
        "{refused}"
    );
}

/// A collector with a door for agents, and where that is.
fn with_a_door(data_dir: &Path, rest: &str) -> (Collector, String) {
    let file = data_dir.join("collector.toml");
    std::fs::write(&file, format!("[agents]\nlisten = \"127.0.0.1:0\"\n{rest}")).expect("writable");
    let mut command = crate::process::command(data_dir);
    command.arg("--config").arg(&file);
    let collector = Collector::spawn(command);
    let log = collector.log();
    let (_, rest) = log.split_once("agents come in at ").expect("it says where");
    let address = rest.split_whitespace().next().expect("an address").to_owned();
    (collector, address)
}

#[test]
fn agents_come_in_over_tls_by_the_key_in_their_token_and_by_no_other() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let data_dir = directory.path();
    let (collector, address) = with_a_door(data_dir, "");
    let token = told(
        data_dir,
        &["token", "create", "--site", "paris", "--address", &address],
    );
    let token: Token = token.expect("a token").parse().expect("a token");
    assert!(
        matches!(token.tls, TlsTrust::Pin(_)),
        "the collector made its key itself"
    );
    let to = CollectorAddress::Https(address.clone());
    for trust in [TlsTrust::Pin([1; 32]), TlsTrust::System] {
        let refused = Host::at(&to, trust).join(&token, &Seed::random().expect("random"));
        assert!(
            refused
                .as_ref()
                .is_err_and(|refused| refused.contains("not reached")),
            "{refused:?}"
        );
    }
    assert_eq!(collector.counter("azimuth_tls_handshakes_failed_total"), 2);
    let host = Host::at(&to, token.tls);
    let identity = host.join(&token, &Seed::random().expect("random")).expect("in");
    let file = data_dir.join("identity.json");
    identity.save(&file).expect("written");
    let bearer = host
        .bearer(&mut Sessions::new(file).expect("random"))
        .expect("a session");

    let manifest = manifest(identity.agent.as_str(), 1);
    let report = report(&manifest, 0, START, &[500]);
    let body = body(&[&manifest], &[report], START + LENGTH_MS);
    let post = |path: &str, bearer: Option<&str>| {
        let posted = host
            .link
            .post(path, "application/x-protobuf", bearer, body.clone());
        host.runtime.block_on(posted).expect("an answer").status
    };
    assert_eq!(post("/api/v1/reports", None), 401, "in a session only");
    assert_eq!(post("/api/v1/reports", Some(&bearer)), 200);
    assert_eq!(
        post("/api/v1/silences", Some(&bearer)),
        404,
        "nothing but what agents ask"
    );

    // Started again, it has the same key, so the pin still holds.
    collector.kill();
    let (_collector, address) = with_a_door(data_dir, "");
    let host = Host::at(&CollectorAddress::Https(address), token.tls);
    assert!(host.join(&token, &identity.key).is_ok());
}

#[test]
fn a_token_does_not_send_agents_in_the_clear_over_a_network_unless_told_to() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let _collector = Collector::start(directory.path());
    let create = |more: &[&str]| {
        let args = [
            &[
                "token",
                "create",
                "--site",
                "paris",
                "--address",
                "http://192.0.2.1:8360",
            ],
            more,
        ]
        .concat();
        told(directory.path(), &args)
    };
    let refused = create(&[]).expect_err("in the clear");
    assert!(refused.contains("--allow-plain-http"), "{refused}");
    assert!(create(&["--allow-plain-http"]).is_ok());
}
