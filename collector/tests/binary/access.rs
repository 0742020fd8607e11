//! Who is let in by the real binary: accounts made beside it, logins, tokens, and what an open door looks like.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::process::{Answer, Collector};

fn run(data_dir: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_azimuth-collector"))
        .args(arguments)
        .arg("--data-dir")
        .arg(data_dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    child
        .stdin
        .take()
        .expect("piped")
        .write_all(input.as_bytes())
        .expect("read");
    child.wait_with_output().expect("it ends")
}

pub(crate) fn ok(data_dir: &Path, arguments: &[&str], input: &str) -> String {
    let output = run(data_dir, arguments, input);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// The collector looks at the accounts twice a second.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let soon = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        is_so()
    });
    assert!(soon, "not within five seconds: {what}");
}

pub(crate) fn log_in(collector: &Collector, password: &str) -> Answer {
    let body = json!({"name": "anna", "password": password}).to_string();
    collector
        .request(
            "POST",
            "/api/v1/session",
            &[("content-type", "application/json")],
            body.as_bytes(),
        )
        .expect("an answer")
}

#[test]
fn accounts_made_beside_a_running_collector_shut_the_door_and_open_it_to_their_owners() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let data = directory.path();
    let collector = Collector::start(data);
    assert_eq!(
        collector.get("/api/v1/agents").status,
        200,
        "open while there are no accounts"
    );

    ok(
        data,
        &["user", "add", "anna", "--role", "operate", "--password-stdin"],
        "correct horse\n",
    );
    let token = ok(data, &["api-token", "create", "grafana"], "");
    let token = token.lines().next().expect("a token").to_owned();
    until("the door is shut", || {
        collector.get("/api/v1/agents").status == 401
    });
    let refused = collector.get("/api/v1/agents").json();
    assert_eq!(refused["reason"], "not_logged_in", "{refused}");
    assert_eq!(
        collector.get("/").status,
        200,
        "the page itself holds no measurements"
    );
    assert_eq!(collector.get("/healthz").status, 200);

    assert_eq!(log_in(&collector, "wrong horse").status, 401);
    let logged_in = log_in(&collector, "correct horse");
    assert_eq!(logged_in.status, 200, "{logged_in:?}");
    let cookie = logged_in.header("set-cookie").expect("a cookie").to_owned();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    let cookie = cookie.split(';').next().expect("a pair").to_owned();
    let with = |method: &str, path: &str, headers: &[(&str, &str)]| {
        let mut headers = headers.to_vec();
        headers.push(("cookie", &cookie));
        collector
            .request(method, path, &headers, b"")
            .expect("an answer")
            .status
    };
    assert_eq!(with("GET", "/api/v1/agents", &[]), 200);
    assert_eq!(
        with("GET", "/api/v1/backup", &[]),
        403,
        "an operator takes no backup"
    );
    assert_eq!(
        with("DELETE", "/api/v1/silences/9", &[]),
        404,
        "but may change silences"
    );
    let elsewhere = [
        ("origin", "https://example.org"),
        ("sec-fetch-site", "cross-site"),
    ];
    assert_eq!(
        with("DELETE", "/api/v1/silences/9", &elsewhere),
        403,
        "not for another site"
    );

    let bearer = format!("Bearer {token}");
    let by_token = || {
        let shown = [("authorization", bearer.as_str())];
        let answer = collector.request("GET", "/api/v1/agents", &shown, b"");
        answer.expect("an answer").status
    };
    assert_eq!(by_token(), 200);
    ok(data, &["api-token", "revoke", "grafana"], "");
    until("the token is revoked", || by_token() == 401);

    assert_eq!(with("DELETE", "/api/v1/session", &[]), 204);
    assert_eq!(with("GET", "/api/v1/agents", &[]), 401, "the session is over");
    ok(data, &["audit", "check"], "");
    let audit = std::fs::read_to_string(data.join("access/audit.jsonl")).expect("a log");
    for what in [
        "user_added",
        "token_created",
        "login_refused",
        "\"login\"",
        "token_revoked",
    ] {
        assert!(audit.contains(what), "{what}: {audit}");
    }
    assert!(
        !audit.contains("horse") && !audit.contains(&token),
        "no secret: {audit}"
    );
}

#[test]
fn who_listens_to_others_gets_an_administrator_who_is_shown_once() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let start = || {
        let mut command = crate::process::command_on("0.0.0.0:0", directory.path());
        command.arg("--insecure-listen-anyway");
        Collector::spawn(command)
    };
    let collector = start();
    assert!(collector.log().contains("password  "), "{}", collector.log());
    assert_eq!(collector.get("/api/v1/agents").status, 401);
    drop(collector);
    let collector = start();
    assert!(!collector.log().contains("password  "), "{}", collector.log());
    assert_eq!(collector.get("/api/v1/agents").status, 401);
}

#[test]
fn commands_name_what_is_wrong_and_change_nothing() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let data = directory.path();
    ok(data, &["user", "add", "anna", "--role", "administer"], "");
    let before = std::fs::read(data.join("access/accounts.json")).expect("there");
    for (arguments, why) in [
        (&["user", "add", "anna"][..], "there is a user anna already"),
        (&["user", "add", "a b"], "is no name"),
        (&["user", "role", "anna", "read"], "last administrator"),
        (&["user", "remove", "ben"], "there is no user ben"),
        (&["api-token", "create", "x", "--ttl", "soon"], "--ttl"),
        (&["api-token", "revoke", "x"], "there is no token x"),
    ] {
        let output = run(data, arguments, "");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(why), "{arguments:?}: {error}");
    }
    let output = run(data, &["user", "password", "anna", "--password-stdin"], "short\n");
    assert!(String::from_utf8_lossy(&output.stderr).contains("10 to 256"));
    assert_eq!(
        std::fs::read(data.join("access/accounts.json")).expect("there"),
        before
    );
    let output = run(&data.join("nowhere"), &["user", "add", "ben"], "");
    assert!(String::from_utf8_lossy(&output.stderr).contains("--data-dir"));
}

#[test]
fn commands_that_ask_over_http_show_a_token_and_say_what_to_do_about_a_refusal() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let data = directory.path().join("data");
    std::fs::create_dir(&data).expect("a directory");
    let collector = Collector::start(&data);
    let at = collector.address.to_string();
    let made = |name: &str, role: &str| {
        let file = directory.path().join(name);
        let token = ok(&data, &["api-token", "create", name, "--role", role], "");
        std::fs::write(&file, token).expect("writable");
        file.display().to_string()
    };
    let (reader, administrator) = (made("reader", "read"), made("administrator", "administer"));
    until("the door is shut", || {
        collector.get("/api/v1/agents").status == 401
    });
    let asked = |arguments: &[&str], by_variable: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_azimuth-collector"));
        command.args(arguments).env_remove("AZIMUTH_TOKEN_FILE");
        if let Some(file) = by_variable {
            command.env("AZIMUTH_TOKEN_FILE", file);
        }
        let output = command.output().expect("it runs");
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    };
    let backup = directory.path().join("a.backup").display().to_string();
    let url = format!("http://{at}");
    let status = ["status", "--url", &url];
    let export = ["export", "--collector", &at, "--format", "csv"];
    let take = ["backup", "--from", &at, "--to", &backup];
    let log = directory.path().join("a.hlog");
    std::fs::write(&log, "#[StartTime: 1 (seconds since epoch)]\n").expect("writable");
    let log = log.display().to_string();
    let import = [
        "import",
        "--collector",
        &at,
        "--agent",
        "a",
        "--zone",
        "a/b/c",
        "--method",
        "stamp",
        &log,
    ];
    let replay = ["rules", "replay", "--collector", &at];
    for arguments in [&status[..], &export, &take, &replay] {
        let (_, said) = asked(arguments, None);
        assert!(
            said.contains("401") && said.contains("--token-file"),
            "{arguments:?}: {said}"
        );
        let with = |file: &str| asked(&[arguments, &["--token-file", file]].concat(), None);
        let (is_done, said) = with(&administrator);
        assert!(is_done, "{arguments:?}: {said}");
        if arguments == take || arguments == replay {
            let _ = std::fs::remove_file(&backup);
            let (_, said) = with(&reader);
            assert!(
                said.contains("403") && said.contains("may not do this"),
                "{arguments:?}: {said}"
            );
        }
    }
    assert!(asked(&status, Some(&reader)).0, "by the variable");
    let (_, said) = asked(&import, Some(&reader));
    assert!(!said.contains("401"), "{said}");
    ok(&data, &["api-token", "revoke", "reader"], "");
    until("it is revoked", || {
        let (_, said) = asked(&status, Some(&reader));
        said.contains("wrong, revoked or has ended")
    });
    let elsewhere = [
        "status",
        "--url",
        "http://192.0.2.1:8360",
        "--token-file",
        &administrator,
    ];
    let (_, said) = asked(&elsewhere, None);
    assert!(said.contains("could be read on the way"), "{said}");
}
