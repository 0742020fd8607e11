//! Tokens made, listed and ended over the API of the real binary: who may and who may not, that a secret is told once and is
//! then nowhere, that both ways (API and command line) see the same, and what is refused in which words.

use std::path::Path;

use azimuth_agent::identity::Seed;
use azimuth_measurement::enrolment::{Token, base64url};
use serde_json::{Value, json};

use crate::access::ok;
use crate::enrolment::{Host, told};
use crate::process::{Answer, Collector};

const ROLES: [&str; 3] = ["read", "operate", "administer"];

/// A collector with an API token of each role, made before it starts.
fn with_roles(data_dir: &Path) -> (Collector, Vec<String>) {
    ok(data_dir, &["user", "add", "anna", "--role", "administer"], "");
    let made = |role: &&str| {
        let text = ok(data_dir, &["api-token", "create", role, "--role", role], "");
        format!("Bearer {}", text.lines().next().expect("a token"))
    };
    let bearers = ROLES.iter().map(made).collect();
    (Collector::start(data_dir), bearers)
}

fn ask(collector: &Collector, bearer: Option<&str>, method: &str, path: &str, body: &Value) -> Answer {
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(bearer.map(|bearer| ("authorization", bearer)));
    let text = if method == "POST" {
        body.to_string()
    } else {
        String::new()
    };
    let answer = collector.request(method, path, &headers, text.as_bytes());
    answer.expect("an answer")
}

fn join_token(uses: u32) -> Value {
    json!({"site": "paris", "uses": uses, "ttl_ms": 3_600_000, "address": "http://127.0.0.1:8360"})
}

#[test]
fn each_role_may_what_it_may_and_no_more() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let (collector, bearers) = with_roles(directory.path());
    let api_token = json!({"name": "grafana", "role": "read"});
    let nothing = Value::Null;
    // For nobody, a reader, an operator and an administrator.
    for (method, path, body, expected) in [
        ("GET", "/api/v1/fleet/plan", &nothing, [401, 200, 200, 200]),
        ("GET", "/api/v1/fleet/tokens", &nothing, [401, 403, 200, 200]),
        ("GET", "/api/v1/fleet/agents", &nothing, [401, 403, 200, 200]),
        (
            "POST",
            "/api/v1/fleet/tokens",
            &join_token(1),
            [401, 403, 403, 201],
        ),
        ("DELETE", "/api/v1/fleet/tokens/x", &nothing, [401, 403, 403, 404]),
        ("DELETE", "/api/v1/fleet/agents/x", &nothing, [401, 403, 403, 404]),
        ("GET", "/api/v1/api-tokens", &nothing, [401, 403, 403, 200]),
        ("POST", "/api/v1/api-tokens", &api_token, [401, 403, 403, 201]),
        ("DELETE", "/api/v1/api-tokens/x", &nothing, [401, 403, 403, 404]),
    ] {
        let askers = std::iter::once(None).chain(bearers.iter().map(|bearer| Some(bearer.as_str())));
        let statuses: Vec<u16> = askers
            .map(|asker| ask(&collector, asker, method, path, body).status)
            .collect();
        assert_eq!(statuses, expected, "{method} {path}");
    }
    let refused = ask(
        &collector,
        Some(&bearers[1]),
        "POST",
        "/api/v1/fleet/tokens",
        &join_token(1),
    );
    let detail = refused.json()["detail"].as_str().unwrap_or_default().to_owned();
    assert!(detail.contains("`administer`"), "which role is missing: {detail}");
}

#[test]
fn a_join_token_made_over_the_api_lets_a_host_in_is_told_once_and_ends() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let data_dir = directory.path();
    let (collector, bearers) = with_roles(data_dir);
    let administrator = Some(bearers[2].as_str());
    let tokens = || {
        ask(
            &collector,
            administrator,
            "GET",
            "/api/v1/fleet/tokens",
            &Value::Null,
        )
    };

    let made = ask(
        &collector,
        administrator,
        "POST",
        "/api/v1/fleet/tokens",
        &join_token(2),
    );
    assert_eq!(
        (made.status, made.header("cache-control")),
        (201, Some("no-store"))
    );
    let made = made.json();
    let (text, id) = (
        made["token"].as_str().expect("a token").to_owned(),
        made["entry"]["id"].as_str().expect("an id").to_owned(),
    );
    assert_eq!(made["entry"]["uses_left"], 2);
    let token: Token = text.parse().expect("a token");
    let host = Host::new(&collector);
    let identity = host.join(&token, &Seed::random().expect("random")).expect("in");

    let listed = tokens().json();
    let entry = &listed["tokens"][0];
    assert_eq!(
        (&entry["id"], &entry["uses_left"], &entry["state"]),
        (&json!(id), &json!(1), &json!("open"))
    );
    assert_eq!(listed["door"], Value::Null, "there is no [agents]");
    let agents = ask(
        &collector,
        administrator,
        "GET",
        "/api/v1/fleet/agents",
        &Value::Null,
    )
    .json();
    assert_eq!(agents["agents"][0]["agent"], identity.agent.as_str());
    assert_eq!(agents["agents"][0]["token"], id);
    let by_command = told(data_dir, &["token", "list"]).expect("listed");
    assert!(
        by_command.contains(&id) && by_command.contains("1/2 used"),
        "the same book: {by_command}"
    );

    let path = format!("/api/v1/fleet/tokens/{id}");
    assert_eq!(
        ask(&collector, administrator, "DELETE", &path, &Value::Null).status,
        204
    );
    assert_eq!(tokens().json()["tokens"][0]["state"], "revoked");
    let refused = host
        .join(&token, &Seed::random().expect("random"))
        .expect_err("ended");
    assert!(refused.contains("token_revoked"), "{refused}");
    let path = format!("/api/v1/fleet/agents/{}", identity.agent);
    assert_eq!(
        ask(&collector, administrator, "DELETE", &path, &Value::Null).status,
        204
    );
    let by_command = told(data_dir, &["agent", "list"]).expect("listed");
    assert!(by_command.contains("REVOKED"), "{by_command}");
    told(data_dir, &["token", "create", "--site", "lyon"]).expect("by the command line");

    let audit = std::fs::read_to_string(data_dir.join("access/audit.jsonl")).expect("a log");
    for (what, by) in [
        ("join_token_made", "token administer"),
        ("join_token_revoked", "token administer"),
        ("agent_revoked", "token administer"),
    ] {
        let line = audit.lines().find(|line| line.contains(what)).unwrap_or_default();
        assert!(line.contains(by) && line.contains("127.0.0.1"), "{what}: {audit}");
    }
    let made_here = audit.lines().filter(|line| line.contains("join_token_made"));
    assert_eq!(made_here.count(), 2, "the command line's as well: {audit}");
    assert!(!audit.contains("/api/v1/fleet"), "said once, in words: {audit}");
    ok(data_dir, &["audit", "check"], "");
    let secret = base64url::encode(&token.secret);
    for (place, there) in [
        ("the log", collector.log()),
        ("the audit log", audit),
        ("the list", listed.to_string()),
        (
            "the journal",
            std::fs::read_to_string(data_dir.join("fleet/journal.jsonl")).expect("a journal"),
        ),
    ] {
        let is_there = there.contains(&secret) || there.contains(&text);
        assert!(!is_there, "the secret is in {place}");
    }
}

#[test]
fn an_api_token_is_good_at_once_is_told_once_and_ends_at_once() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let data_dir = directory.path();
    let (collector, bearers) = with_roles(data_dir);
    let administrator = Some(bearers[2].as_str());
    let list = || {
        ask(
            &collector,
            administrator,
            "GET",
            "/api/v1/api-tokens",
            &Value::Null,
        )
        .json()
    };
    let wanted = json!({"name": "grafana@wiki", "role": "read", "ttl_ms": 86_400_000});
    let made = ask(&collector, administrator, "POST", "/api/v1/api-tokens", &wanted).json();
    let text = made["token"].as_str().expect("a token").to_owned();
    let bearer = format!("Bearer {text}");
    let look = || ask(&collector, Some(&bearer), "GET", "/api/v1/agents", &Value::Null).status;
    assert_eq!(look(), 200, "at once");
    let again = ask(&collector, administrator, "POST", "/api/v1/api-tokens", &wanted);
    assert_eq!(
        (again.status, again.json()["reason"].as_str()),
        (400, Some("api_token_wrong"))
    );
    let listed = list();
    let entry = listed["tokens"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|one| one["name"] == "grafana@wiki");
    let entry = entry.expect("listed");
    assert_eq!(
        (&entry["role"], &entry["is_expired"]),
        (&json!("read"), &json!(false))
    );
    let revoked = ask(
        &collector,
        administrator,
        "DELETE",
        "/api/v1/api-tokens/grafana%40wiki",
        &Value::Null,
    );
    assert_eq!(revoked.status, 204);
    assert_eq!(look(), 401, "at once");

    let audit = std::fs::read_to_string(data_dir.join("access/audit.jsonl")).expect("a log");
    for what in ["token_created", "token_revoked"] {
        let is_it = |line: &&str| line.contains(what) && line.contains("grafana@wiki");
        let line = audit.lines().find(is_it).unwrap_or_default();
        assert!(line.contains("token administer"), "{what}: {audit}");
    }
    let accounts = std::fs::read_to_string(data_dir.join("access/accounts.json")).expect("there");
    for (place, text_there) in [
        ("the log", collector.log()),
        ("the audit log", audit),
        ("the list", listed.to_string()),
        ("the accounts", accounts),
    ] {
        assert!(!text_there.contains(&text), "the token is in {place}");
    }
}

#[test]
fn without_accounts_this_machine_administers_but_shuts_itself_out_by_no_token() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let collector = Collector::start(directory.path());
    let post = |path: &str, body: &Value, headers: &[(&str, &str)]| {
        let mut headers = headers.to_vec();
        headers.push(("content-type", "application/json"));
        let answer = collector.request("POST", path, &headers, body.to_string().as_bytes());
        answer.expect("an answer")
    };
    let tokens = "/api/v1/fleet/tokens";
    assert_eq!(post(tokens, &join_token(1), &[]).status, 201);
    let elsewhere = [
        ("origin", "https://example.org"),
        ("sec-fetch-site", "cross-site"),
    ];
    let refused = post(tokens, &join_token(1), &elsewhere);
    assert_eq!(
        (refused.status, refused.json()["reason"].as_str()),
        (403, Some("cross_site"))
    );
    let refused = post("/api/v1/api-tokens", &json!({"name": "ci", "role": "read"}), &[]).json();
    assert_eq!(refused["reason"], "no_administrator", "{refused}");
    assert!(
        refused["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("user add")),
        "{refused}"
    );
    assert_eq!(
        collector.get("/api/v1/api-tokens").json()["needs_administrator"],
        true
    );
    assert_eq!(collector.get("/api/v1/agents").status, 200, "still open");

    for (body, why) in [
        (
            json!({"site": "Paris", "uses": 1, "ttl_ms": 1, "address": "https://x"}),
            "lower-case",
        ),
        (
            json!({"site": "paris", "uses": 0, "ttl_ms": 1, "address": "https://x"}),
            "between 1 and 10000",
        ),
        (
            json!({"site": "paris", "uses": 1, "ttl_ms": 0, "address": "https://x"}),
            "366 days",
        ),
        (
            json!({"site": "paris", "uses": 1, "ttl_ms": 1, "address": "http://192.0.2.1"}),
            "allow_plain_http",
        ),
        (
            json!({"site": "paris", "uses": 1, "ttl_ms": 1, "address": "https://x", "role": 1}),
            "unknown field",
        ),
        (
            json!({"uses": 1, "ttl_ms": 1, "address": "https://x"}),
            "missing field `site`",
        ),
    ] {
        let refused = post(tokens, &body, &[]);
        let detail = refused.json()["detail"].as_str().unwrap_or_default().to_owned();
        assert!(refused.status == 400 && detail.contains(why), "{body}: {detail}");
    }
    let plan = collector.get("/api/v1/fleet/plan").json();
    assert_eq!(
        (&plan["is_configured"], &plan["agents"]),
        (&json!(false), &json!(0)),
        "{plan}"
    );
    assert!(
        plan["signed_by"].as_str().is_some_and(|key| key.len() == 43),
        "{plan}"
    );
}
