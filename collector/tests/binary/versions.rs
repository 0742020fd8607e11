//! Earlier agents against today's collector: what each of them asks, as it was recorded from the program itself
//! (`ci/test-versions --record`), replayed with fresh secrets. Not the programs; those run in `make test-versions`.
//!
//! What is replayed is in `tests/versions`, a file for each line of `ci/versions`. The table of what each must get
//! is [`MUST`] and [`Replay::hold`].

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use azimuth_agent::identity::{Seed, is_by};
use azimuth_measurement::AgentId;
use azimuth_measurement::enrolment::ticket::{split, ticket_request_statement, ticket_statement};
use azimuth_measurement::enrolment::{
    Token, base64url, challenge_statement, join_statement, plan_statement, rotation_statement,
    session_statement,
};
use azimuth_measurement::plan::SignedPlan;
use serde_json::Value;

use crate::enrolment::told;
use crate::process::{Answer, Collector};
use crate::reload::until;

/// What an agent of a version has sent, and so what is read of it afterwards.
struct Must {
    version: &'static str,
    /// What it asks beside delivering reports, each at least once.
    asks: &'static [&'static str],
    /// Methods whose series the collector then has.
    methods: &'static [&'static str],
    paths: bool,
    throughput: bool,
}

const EVERY_METHOD: &[&str] = &[
    "dns_query",
    "https_first_byte",
    "icmp_echo",
    "stamp",
    "tcp_connect",
    "tls_handshake",
];
const MUST: &[Must] = &[
    Must {
        version: "rows",
        asks: &[],
        methods: &["stamp", "tcp_connect"],
        paths: false,
        throughput: false,
    },
    Must {
        version: "columns",
        asks: &[],
        methods: EVERY_METHOD,
        paths: true,
        throughput: false,
    },
    Must {
        version: "enrolment",
        asks: &["join", "agent/challenge", "agent/session", "agent/key"],
        methods: EVERY_METHOD,
        paths: true,
        throughput: true,
    },
    Must {
        version: "plan",
        asks: &[
            "join",
            "agent/challenge",
            "agent/session",
            "agent/key",
            "agent/plan",
            "agent/ticket",
        ],
        methods: EVERY_METHOD,
        paths: true,
        throughput: true,
    },
];

/// Where the recorded agents' only target stands.
const ZONE: &str = "aws/eu-west-3/euw3-az1";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/versions")
}

/// An agent whose every word was written down.
struct Recorded {
    agent: AgentId,
    exchanges: Vec<Value>,
}

impl Recorded {
    fn load(version: &str) -> Self {
        let file = folder().join(format!("{version}.json"));
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| {
            panic!("{}: {error}; ci/test-versions --record {version}", file.display())
        });
        let mut read: Value = serde_json::from_str(&text).expect("a fixture");
        let exchanges = read["exchanges"].as_array_mut().expect("a list");
        Self {
            exchanges: std::mem::take(exchanges),
            agent: text_at(&read, "agent").parse().expect("a name"),
        }
    }

    /// What it asks, without the head that all paths have.
    fn asks(&self) -> BTreeSet<String> {
        let asked = self.exchanges.iter().map(|one| text_at(one, "path"));
        asked
            .map(|path| path.trim_start_matches("/api/v1/").to_owned())
            .collect()
    }
}

fn text_at<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("no text {key:?} in {value}"))
}

/// One agent at one collector.
struct Replay<'c> {
    collector: &'c Collector,
    agent: AgentId,
    token: Token,
    key: Seed,
    next: Seed,
    nonce: Vec<u8>,
    challenge: Vec<u8>,
    bearer: String,
    etag: String,
}

impl<'c> Replay<'c> {
    fn new(collector: &'c Collector, data_dir: &Path, agent: &AgentId) -> Self {
        let token = told(data_dir, &["token", "create", "--site", "versions"]).expect("a token");
        Self {
            collector,
            agent: agent.clone(),
            token: token.parse().expect("a token"),
            key: Seed::random().expect("random"),
            next: Seed::random().expect("random"),
            nonce: Vec::new(),
            challenge: Vec::new(),
            bearer: String::new(),
            etag: String::new(),
        }
    }

    /// Asks as it was asked, and holds the answer against what that agent reads in it.
    fn ask(&mut self, exchange: &Value) {
        let (method, path) = (text_at(exchange, "method"), text_at(exchange, "path"));
        let body = match (&exchange["json"], &exchange["body"]) {
            (Value::Null, Value::Null) => Vec::new(),
            (Value::Null, Value::String(bytes)) => base64url::decode(bytes).expect("base64url"),
            (asked, _) => self.filled_in(path, asked.clone()).to_string().into_bytes(),
        };
        let headers = exchange["headers"].as_array().expect("a list");
        let headers: Vec<(String, String)> = headers
            .iter()
            .map(|header| {
                let value = header[1].as_str().expect("text");
                let value = value
                    .replace("<bearer>", &self.bearer)
                    .replace("<etag>", &self.etag);
                (header[0].as_str().expect("text").to_owned(), value)
            })
            .collect();
        let known = headers.iter().any(|(name, _)| name == "if-none-match");
        let headers: Vec<_> = headers
            .iter()
            // The exchanges of these tests are one a connection.
            .filter(|(name, _)| name != "connection")
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let answer = self
            .collector
            .request(method, path, &headers, &body)
            .expect("an answer");
        let wanted = if known { 304 } else { 200 };
        assert_eq!(answer.status, wanted, "{method} {path}: {answer:?}");
        if !known {
            self.hold(path, exchange, &answer);
        }
    }

    /// The places of a body that are made anew each time.
    fn filled_in(&mut self, path: &str, mut asked: Value) -> Value {
        let (challenge, public) = (self.challenge.clone(), self.key.public());
        let next = self.next.public();
        let statement = match path {
            "/api/v1/agent/challenge" => {
                self.nonce = base64url::decode(text_at(&asked, "nonce")).expect("base64url");
                Vec::new()
            }
            "/api/v1/join" => join_statement(&challenge, &public),
            "/api/v1/agent/session" => {
                session_statement(&challenge, &self.agent, text_at(&asked, "instance"))
            }
            "/api/v1/agent/key" => rotation_statement(&challenge, &self.agent, &next),
            "/api/v1/agent/ticket" => {
                ticket_request_statement(&challenge, &self.agent, text_at(&asked, "ticket"))
            }
            other => panic!("{other} is asked with JSON, and it is not said here what is signed for it"),
        };
        let public = if path == "/api/v1/agent/key" { next } else { public };
        let fields = asked.as_object_mut().expect("an object");
        for value in fields.values_mut() {
            let made = match value.as_str() {
                Some("<secret>") => self.token.secret.to_vec(),
                Some("<public_key>") => public.clone(),
                Some("<challenge>") => challenge.clone(),
                Some("<signature>") => self.key.sign(&statement),
                Some("<new_signature>") => self.next.sign(&statement),
                _ => continue,
            };
            *value = Value::String(base64url::encode(&made));
        }
        asked
    }

    /// What must be in an answer, because agents of that form read it.
    fn hold(&mut self, path: &str, exchange: &Value, answer: &Answer) {
        let told = answer.json();
        let collector_key = self.token.collector_key;
        let decoded = |key: &str| base64url::decode(text_at(&told, key)).expect("base64url");
        match path {
            "/api/v1/agent/challenge" => {
                self.challenge = decoded("challenge");
                let statement = challenge_statement(&self.nonce, &self.challenge);
                assert!(is_by(&collector_key, &statement, &decoded("signature")));
            }
            "/api/v1/join" | "/api/v1/agent/key" => {
                assert_eq!(text_at(&told, "agent"), self.agent.as_str());
                let site = text_at(&told, "site");
                if path == "/api/v1/agent/key" {
                    // Read and passed over: who changes the key knows where it stands.
                    self.key = self.next.clone();
                } else {
                    assert_eq!(site, "versions");
                }
            }
            "/api/v1/agent/session" => text_at(&told, "bearer").clone_into(&mut self.bearer),
            "/api/v1/agent/ticket" => {
                let (said, signature) = split(text_at(&told, "ticket")).expect("a ticket");
                assert_eq!(said, text_at(&exchange["json"], "ticket"));
                assert!(is_by(&collector_key, &ticket_statement(said), &signature));
            }
            "/api/v1/agent/plan" => {
                answer.header("etag").expect("a name").clone_into(&mut self.etag);
                let signed: SignedPlan = serde_json::from_value(told.clone()).expect("a signed plan");
                let signature = base64url::decode(&signed.signature).expect("base64url");
                let statement = plan_statement(&self.agent, signed.plan.as_bytes());
                assert!(is_by(&collector_key, &statement, &signature));
            }
            "/api/v1/reports" => {
                let verdicts = told["verdicts"].as_array().expect("a list");
                assert!(!verdicts.is_empty());
                for verdict in verdicts {
                    assert_eq!(verdict["verdict"], "stored", "{told}");
                }
            }
            other => panic!("{other} is asked, and it is not said here what must be answered"),
        }
    }
}

#[test]
fn earlier_agents_get_what_they_read_and_what_they_send_is_kept() {
    for must in MUST {
        let recorded = Recorded::load(must.version);
        let asks = recorded.asks();
        let missing: Vec<_> = must.asks.iter().filter(|ask| !asks.contains(**ask)).collect();
        assert!(missing.is_empty(), "{}: does not ask {missing:?}", must.version);
        let directory = tempfile::tempdir().expect("a scratch directory");
        let collector = Collector::start(directory.path());
        let mut replay = Replay::new(&collector, directory.path(), &recorded.agent);
        for exchange in &recorded.exchanges {
            replay.ask(exchange);
        }
        let ask = |path: &str| {
            let answer = collector.get(path);
            assert_eq!(answer.status, 200, "{}: {path}: {answer:?}", must.version);
            answer.json()
        };
        for method in must.methods {
            let map = format!("/api/v1/map?from=now-1h&method={method}");
            until(|| {
                ask(&map)["cells"]
                    .as_array()
                    .is_some_and(|cells| !cells.is_empty())
            });
        }
        let agents = ask("/api/v1/agents");
        assert_eq!(agents["agents"][0]["agent"], recorded.agent.as_str(), "{agents}");
        let pair = format!("agent={}&zone={ZONE}&from=now-1h", recorded.agent.as_str());
        let rows = |path: &str, list: &str| {
            let told = ask(&format!("/api/v1/{path}?{pair}"));
            told[list].as_array().cloned().unwrap_or_default()
        };
        let traced = rows("paths", "targets")
            .iter()
            .any(|target| target["current"].is_object());
        assert_eq!(traced, must.paths, "{}", must.version);
        assert_eq!(
            !rows("throughput", "tests").is_empty(),
            must.throughput,
            "{}",
            must.version
        );
    }
}

/// Who lets agents ask something new records an agent that does.
#[test]
fn whatever_agents_may_ask_is_recorded_and_every_line_of_the_list_has_its_table() {
    let described = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let described: Value =
        serde_json::from_slice(&std::fs::read(described).expect("readable")).expect("JSON");
    let paths = described["paths"].as_object().expect("paths");
    let for_agents = |path: &&str| path.starts_with("agent/") || ["join", "reports"].contains(path);
    let may: BTreeSet<_> = paths
        .keys()
        .map(|path| path.trim_start_matches("/api/v1/"))
        .filter(for_agents)
        .collect();
    let recorded: BTreeSet<String> = MUST
        .iter()
        .flat_map(|must| Recorded::load(must.version).asks())
        .collect();
    let recorded: BTreeSet<_> = recorded.iter().map(String::as_str).collect();
    assert_eq!(
        may, recorded,
        "see CONTRIBUTING.md, \"the next version of agents\""
    );

    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ci/versions");
    let list = std::fs::read_to_string(list).expect("readable");
    let lines = list
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let listed: Vec<_> = lines.filter_map(|line| line.split_whitespace().next()).collect();
    let held: Vec<_> = MUST.iter().map(|must| must.version).collect();
    assert!(
        listed.iter().all(|line| held.contains(line)),
        "{listed:?} and {held:?}"
    );
}
