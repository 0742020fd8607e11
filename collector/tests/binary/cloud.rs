//! Where an agent's host stands, from the firmware's tables and a metadata service to the inventory and the plan: the real collector, a
//! running agent, and a stand-in for one provider's service that counts who asks.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use azimuth_agent::cloud::standing::Surroundings;
use serde_json::{Value, json};

use crate::enrolment::{Host, told};
use crate::process::{Collector, command};
use crate::reload::until;

/// Amazon's service (IMDSv2): a token by PUT, and only with it the rest. Counts every connection.
fn metadata_service() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound");
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut head = BufReader::new(&stream).lines().map_while(Result::ok);
            let first = head.next().unwrap_or_default();
            let has_token = head
                .take_while(|line| !line.is_empty())
                .any(|line| line.eq_ignore_ascii_case("x-aws-ec2-metadata-token: t0k3n"));
            let told = match first.split(' ').collect::<Vec<_>>()[..] {
                ["PUT", "/latest/api/token", _] => Some("t0k3n"),
                ["GET", "/latest/meta-data/placement/region", _] if has_token => Some("eu-west-3"),
                ["GET", "/latest/meta-data/placement/availability-zone-id", _] if has_token => {
                    Some("euw3-az2")
                }
                ["GET", "/latest/meta-data/services/partition", _] if has_token => Some("aws"),
                _ => None,
            };
            let (status, body) = told.map_or(("401 Unauthorized", ""), |body| ("200 OK", body));
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    (address, asked)
}

/// An agent that measures nothing, neither of its own nor of the plan, in a directory of its own.
struct Agent {
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    running: Option<std::thread::JoinHandle<()>>,
}

impl Agent {
    /// Joins and runs; its firmware names `vendor`, its owner says `cloud`.
    fn start(
        collector: &Collector,
        data_dir: &Path,
        name: &str,
        vendor: &str,
        cloud: &str,
        service: SocketAddr,
    ) -> Self {
        let directory = data_dir.join(name);
        let dmi = directory.join("dmi");
        std::fs::create_dir_all(&dmi).expect("made");
        std::fs::write(dmi.join("sys_vendor"), vendor).expect("written");
        let address = format!("http://{}", collector.address);
        let token = told(
            data_dir,
            &["token", "create", "--site", "test", "--address", &address],
        );
        let host = Host::new(collector);
        let identity = host.join_as(&token.expect("a token").parse().expect("a token"), name);
        let identity_file = directory.join("identity.json");
        identity.expect("in").save(&identity_file).expect("written");
        let written = format!(
            "identity = {identity_file:?}\ninterval_ms = 1000\n[vantage_point]\nname = \"Here\"\ncountry = \"FR\"\ncity = \"Paris\"\n\
             network = \"Free\"\nasn = 12322\nlatitude = 48.86\nlongitude = 2.35\n[plan]\nenabled = false\n{cloud}"
        );
        let file = directory.join("agent.toml");
        std::fs::write(&file, written).expect("written");
        let config = azimuth_agent::config::load(&file).expect("a good file");
        let surroundings = Surroundings {
            dmi,
            instead: Some(service),
        };
        let (stop, stopping) = tokio::sync::oneshot::channel::<()>();
        let running = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                tokio::select! {
                    ended = azimuth_agent::run::run_in(&file, config, surroundings) => panic!("it ended by itself: {ended:?}"),
                    _ = stopping => {}
                }
            });
        });
        Self {
            stop: Some(stop),
            running: Some(running),
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.running.take().map(std::thread::JoinHandle::join);
        assert!(ended.is_none_or(|ended| ended.is_ok()) || std::thread::panicking());
    }
}

#[test]
fn a_host_in_a_cloud_says_where_it_stands_and_one_in_none_asks_nobody() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let at = |name: &str| directory.path().join(name);
    std::fs::write(
        at("plan.toml"),
        "[[entry]]\nname = \"own\"\nagents = \"site=test\"\nzones = \"provider=aws\"\nmethod = \"stamp\"\nperiod_ms = 1000\n\
         [[entry]]\nname = \"cloud\"\nagents = \"region=aws/eu-west-3\"\nzones = \"region=aws/eu-central-1\"\nmethod = \"tcp_connect\"\n\
         period_ms = 60000\n[[reflector]]\nagent = \"found\"\nhost = \"11.0.0.1\"\n",
    )
    .expect("written");
    std::fs::write(at("collector.toml"), "plan = \"plan.toml\"\n").expect("written");
    let data_dir = at("data");
    let mut serve = command(&data_dir);
    serve.arg("--config").arg(at("collector.toml"));
    let collector = Collector::spawn(serve);
    let (service, asked) = metadata_service();
    let (nobody, asked_off_cloud) = metadata_service();
    let said = "[cloud]\nprovider = \"aws\"\nregion = \"eu-west-3\"\nzone = \"euw3-az9\"\n";
    let start = |name: &str, vendor: &str, cloud: &str, service| {
        Agent::start(&collector, &data_dir, name, vendor, cloud, service)
    };
    let _agents = [
        start("found", "Amazon EC2", "", service),
        start("said", "Amazon EC2", said, nobody),
        start("silent", "Amazon EC2", "[cloud]\nlocate = false\n", nobody),
        start("home", "LENOVO", "", nobody),
    ];
    let cloud = |name: &str| -> Option<Value> {
        let all = collector.get("/api/v1/agents").json();
        let agents = all["agents"].as_array().expect("a list");
        let agent = agents.iter().find(|agent| agent["agent"] == name)?;
        Some(agent["cloud"].clone())
    };
    let aws = |zone: &str| json!({"provider": "aws", "region": "eu-west-3", "zone": zone});
    until(|| {
        ["said", "silent", "home"]
            .iter()
            .all(|name| cloud(name).is_some())
    });
    until(|| cloud("found") == Some(aws("euw3-az2")));
    assert_eq!(cloud("said"), Some(aws("euw3-az9")), "what its owner says wins");
    assert_eq!(
        (cloud("silent"), cloud("home")),
        (Some(Value::Null), Some(Value::Null))
    );
    assert_eq!(
        asked.load(Ordering::SeqCst),
        4,
        "the token and three answers, once"
    );
    assert_eq!(asked_off_cloud.load(Ordering::SeqCst), 0, "nobody was asked");

    // The plan goes by it: agents are chosen, and a reflector stands where its host does.
    let given = |name: &str| told(&data_dir, &["plan", "show", "--agent", name]).expect("shown");
    until(|| given("home").contains("aws/eu-west-3/euw3-az2"));
    assert!(given("home").contains("11.0.0.1:8620"), "{}", given("home"));
    assert!(!given("home").contains("aws/eu-central-1"), "{}", given("home"));
    until(|| given("said").contains("aws/eu-central-1"));
    assert!(
        !given("found").contains("11.0.0.1"),
        "nobody measures to its own host"
    );
}
