//! The plan over the real collector: who is given what, what a SIGHUP changes, and the order that stops everything.

use azimuth_agent::identity::{Identity, Seed, is_by};
use azimuth_agent::reflect::serve::Reflector;
use azimuth_agent::reflect::{Allowed, DEFAULT_MAX_PER_SECOND};
use azimuth_agent::uplink::session::Sessions;
use azimuth_measurement::enrolment::{Token, base64url, plan_statement};
use azimuth_measurement::plan::{Plan, SignedPlan};

use crate::enrolment::{Host, deliver, told};
use crate::process::{Collector, command};
use crate::reload::{hang_up, until};

const PATH: &str = "/api/v1/agent/plan";
pub(crate) const PLAN: &str = "[[entry]]\nname = \"all\"\nagents = \"country=FR\"\nzones = \"provider=aws\"\nmethod = \"tcp_connect\"\nperiod_ms = 30000\n";

/// What an agent makes of an answer.
fn read(body: &[u8], identity: &Identity) -> Plan {
    let signed: SignedPlan = serde_json::from_slice(body).expect("a signed plan");
    let signature = base64url::decode(&signed.signature).expect("base64url");
    let statement = plan_statement(&identity.agent, signed.plan.as_bytes());
    assert!(is_by(&identity.collector_key, &statement, &signature));
    serde_json::from_str(&signed.plan).expect("a plan")
}

#[test]
fn an_agent_is_given_its_plan_and_everybody_is_stopped_by_one_command() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let (file, plan) = (
        directory.path().join("collector.toml"),
        directory.path().join("plan.toml"),
    );
    std::fs::write(&file, "plan = \"plan.toml\"\n").expect("writable");
    std::fs::write(&plan, PLAN).expect("writable");
    let data_dir = directory.path().join("data");
    let start = || {
        let mut command = command(&data_dir);
        command.arg("--config").arg(&file);
        Collector::spawn(command)
    };
    let collector = start();
    let host = Host::new(&collector);
    let token = told(&data_dir, &["token", "create", "--site", "paris"]).expect("a token");
    let token: Token = token.parse().expect("a token");
    let identity = host.join(&token, &Seed::random().expect("random")).expect("in");
    let kept = directory.path().join("identity.json");
    identity.save(&kept).expect("written");
    let mut sessions = Sessions::new(kept).expect("random");
    let bearer = host.bearer(&mut sessions).expect("a session");
    let agent = identity.agent.as_str();
    let get = |host: &Host, bearer: Option<&str>, known: Option<&str>| {
        host.runtime
            .block_on(host.link.get(PATH, bearer, known))
            .expect("an answer")
    };

    assert_eq!(get(&host, None, None).status, 401);
    let first = get(&host, Some(&bearer), None);
    let first_plan = read(&first.body, &identity);
    assert!(
        first_plan.targets.is_empty() && first_plan.agent == agent,
        "nobody knows yet where it stands"
    );
    let etag = first.etag.expect("a tag");
    assert_eq!(get(&host, Some(&bearer), Some(&etag)).status, 304);

    // It reports, and the answer names another plan.
    let mut sequence = 0;
    let mut tag = |collector: &Collector, bearer: &str| {
        sequence += 1;
        let answer = deliver(collector, agent, sequence, Some(bearer));
        assert_eq!(answer.status, 200);
        answer.json()["plan"].as_str().expect("a tag").to_owned()
    };
    let mut named = String::new();
    until(|| {
        named = tag(&collector, &bearer);
        format!("\"{named}\"") != etag
    });
    let second = get(&host, Some(&bearer), Some(&etag));
    assert_eq!(second.etag, Some(format!("\"{named}\"")));
    let second_plan = read(&second.body, &identity);
    assert!(second_plan.targets.len() > 3 && second_plan.version == first_plan.version);
    assert!(
        second_plan
            .targets
            .iter()
            .all(|target| target.provider == "aws" && target.probes[0].period_ms == 30_000)
    );

    // A wrong plan is named and changes nothing; a right one is taken up.
    std::fs::write(&plan, PLAN.replace("30000", "1000")).expect("writable");
    hang_up(&collector);
    until(|| {
        collector
            .log()
            .contains("plan.toml, line 1: entry \"all\": period_ms = 1000 is too often")
    });
    assert_eq!(tag(&collector, &bearer), named);
    std::fs::write(&plan, PLAN.replace("30000", "60000")).expect("writable");
    hang_up(&collector);
    until(|| collector.log().contains("taking up the new configuration"));
    until(|| {
        let answer = host.runtime.block_on(host.link.get(PATH, None, None));
        answer.is_ok_and(|answer| answer.status == 401)
    });
    sessions.forget();
    let bearer = host.bearer(&mut sessions).expect("a session");
    let third = read(&get(&host, Some(&bearer), None).body, &identity);
    assert!(third.version > second_plan.version && third.targets[0].probes[0].period_ms == 60_000);

    let shown = told(&data_dir, &["plan", "show"]).expect("shown");
    assert!(shown.contains(agent) && shown.contains("60000 ms"), "{shown}");
    let shown = told(&data_dir, &["plan", "show", "--agent", agent]).expect("shown");
    assert!(
        shown.contains("aws/eu-west-3/") && shown.contains(":443"),
        "{shown}"
    );

    // Stopped: named by the answer to the very next report, kept over a kill, written down.
    let before = tag(&collector, &bearer);
    let said = told(&data_dir, &["plan", "stop"]).expect("stopped");
    assert!(said.contains("1 agents get to know"), "{said}");
    assert_ne!(tag(&collector, &bearer), before);
    collector.kill();
    let collector = start();
    let host = Host::new(&collector);
    sessions.forget();
    let bearer = host.bearer(&mut sessions).expect("a session");
    let stopped = read(&get(&host, Some(&bearer), None).body, &identity);
    assert!(stopped.stopped && stopped.targets.is_empty() && stopped.version > third.version);
    told(&data_dir, &["plan", "resume"]).expect("resumed");
    let resumed = read(&get(&host, Some(&bearer), None).body, &identity);
    assert!(!resumed.stopped && resumed.targets == third.targets && resumed.version > stopped.version);
    let audit = std::fs::read_to_string(data_dir.join("access/audit.jsonl")).expect("an audit log");
    assert!(
        audit.contains("plan stopped") && audit.contains("plan resumed"),
        "{audit}"
    );
}

/// The catalogue of somebody whose reflector is on this host, and who was fooled into another row.
fn catalogue(port: u16) -> String {
    let endpoint = |zone: &str, host: &str| {
        format!(
            "[[endpoint]]\nprovider = \"mine\"\nregion = \"here\"\nzone = \"{zone}\"\nhost = \"{host}\"\nport = {port}\n\
             granularity = \"zone\"\nmethods = [\"stamp\"]\nownership = \"own\"\nleast_period_ms = 100\n"
        )
    };
    format!(
        "[[provider]]\nid = \"mine\"\nname = \"Mine\"\n[[region]]\nprovider = \"mine\"\nid = \"here\"\nname = \"Here\"\ncountry = \"FR\"\n\
         city = \"Paris\"\nmetro = \"Paris\"\nlatitude = 48.8\nlongitude = 2.3\ncoordinate_accuracy_km = 1\nzones = [\"a\", \"b\"]\n{}{}",
        endpoint("a", "127.0.0.1"),
        endpoint("b", "169.254.169.254"),
    )
}

#[test]
fn a_running_agent_measures_by_the_plan_refuses_what_its_host_does_not_allow_and_stops() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let at = |name: &str| directory.path().join(name);
    let loopback = ([127, 0, 0, 1], 0).into();
    let reflector =
        Reflector::start(&[loopback], &[], Allowed::Any, DEFAULT_MAX_PER_SECOND, None).expect("a reflector");
    let port = reflector.udp[0].port();
    std::fs::write(at("own.toml"), catalogue(port)).expect("writable");
    std::fs::write(
        at("plan.toml"),
        "catalogue = \"own.toml\"\n[[entry]]\nname = \"all\"\nagents = \"country=FR\"\nzones = \"provider=mine\"\nmethod = \"stamp\"\n\
         period_ms = 100\naddresses = \"every\"\n",
    )
    .expect("writable");
    std::fs::write(at("collector.toml"), "plan = \"plan.toml\"\n").expect("writable");
    let data_dir = at("data");
    let mut command = command(&data_dir);
    command.arg("--config").arg(at("collector.toml"));
    let collector = Collector::spawn(command);
    let host = Host::new(&collector);
    let address = format!("http://{}", collector.address);
    let token = told(
        &data_dir,
        &["token", "create", "--site", "paris", "--address", &address],
    );
    let token: Token = token.expect("a token").parse().expect("a token");
    let identity = host.join(&token, &Seed::random().expect("random")).expect("in");
    identity.save(&at("identity.json")).expect("written");
    // With a target of its own, where nobody listens.
    let written = format!(
        "identity = {:?}\ninterval_ms = 1000\n[path]\nenabled = false\n[vantage_point]\nname = \"Paris\"\ncountry = \"FR\"\ncity = \"Paris\"\n\
         network = \"Free\"\nasn = 12322\nlatitude = 48.86\nlongitude = 2.35\n[plan]\nallow = [\"127.0.0.0/8\", \"169.254.0.0/16\"]\n\
         ports = [{port}]\nleast_period_ms = 100\n[[target]]\nname = \"own\"\nprovider = \"mine\"\nregion = \"here\"\nzone = \"b\"\n\
         address = \"127.0.0.1\"\n[[target.probe]]\nmethod = \"tcp_connect\"\nport = {port}\nperiod_ms = 100\n",
        at("identity.json")
    );
    std::fs::write(at("agent.toml"), written).expect("writable");
    let file = at("agent.toml");
    let config = azimuth_agent::config::load(&file).expect("a good file");
    let (stop, stopping) = tokio::sync::oneshot::channel::<()>();
    let running = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            tokio::select! {
                ended = azimuth_agent::run::run(&file, config) => panic!("it ended by itself: {ended:?}"),
                _ = stopping => {}
            }
        });
    });

    let agent = || {
        let all = collector.get("/api/v1/agents").json();
        all["agents"][0].clone()
    };
    let answered = || {
        let asked = "/api/v1/groups?group_by=zone&method=stamp&from=now-5m";
        let groups = collector.get(asked).json();
        groups["groups"].as_array().map_or(0, Vec::len)
    };
    until(|| agent()["series"] == 2 && answered() == 1);
    let version = agent()["plan"]["version"].as_u64().expect("a version");
    assert_eq!(agent()["plan"]["refused"], serde_json::json!({"metadata": 1}));
    let shown = told(&data_dir, &["plan", "show"]).expect("shown");
    assert!(shown.contains("runs it, refuses 1 metadata"), "{shown}");

    told(&data_dir, &["plan", "stop"]).expect("stopped");
    // Nor what it is configured to.
    until(|| {
        let now = agent();
        now["plan"]["stopped"] == true && now["series"] == 0 && now["send_lateness_p99_us"].is_null()
    });
    assert!(agent()["plan"]["version"].as_u64() > Some(version));
    assert_eq!(agent()["state"], "live", "it goes on saying that it lives");
    told(&data_dir, &["plan", "resume"]).expect("resumed");
    until(|| {
        let now = agent();
        now["plan"]["stopped"] == false && now["series"] == 2 && now["send_lateness_p99_us"].is_u64()
    });
    drop(stop);
    running.join().expect("it ended");
}
