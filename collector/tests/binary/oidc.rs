//! Signing in with an identity provider, by the real binary: who is let in and as what, and each way in which an answer can be
//! wrong. The provider is a stub of ours on loopback with keys of its own; no other provider was tried.

mod stub;

use std::path::Path;

use serde_json::{Map, Value, json};

use self::stub::{Signer, Stub};
use crate::access::ok;
use crate::process::{Answer, Collector, command};
use crate::reload::until;

/// A configuration that knows the stub, and a token to read counters with.
fn start(directory: &Path, issuer: &str) -> (Collector, String) {
    let (data, file) = (directory.join("data"), directory.join("collector.toml"));
    std::fs::create_dir_all(&data).expect("a directory");
    let counters = ok(
        &data,
        &["api-token", "create", &format!("counters-{}", fastrand::u32(..))],
        "",
    );
    std::fs::write(directory.join("secret"), "a secret+of/ours\n").expect("writable");
    let text = format!(
        "[access.oidc]\nname = \"Example\"\nissuer = {issuer:?}\nclient_id = \"azimuth\"\nclient_secret_file = \"secret\"\n\
         public_url = \"https://azimuth.example.org\"\nrole_claim = \"realm_access.roles\"\n[access.oidc.roles]\nnoc = \"operate\"\n"
    );
    std::fs::write(&file, text).expect("writable");
    let mut command = command(&data);
    command.arg("--config").arg(&file);
    let token = counters.lines().next().expect("a token").to_owned();
    (Collector::spawn(command), token)
}

fn counter(collector: &Collector, token: &str, name: &str) -> u64 {
    let bearer = format!("Bearer {token}");
    let page = collector.request("GET", "/metrics", &[("authorization", &bearer)], b"");
    let page = String::from_utf8(page.expect("an answer").body).expect("text");
    let value = page
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map_or(0, |value| value.parse().expect("a number"))
}

/// What the browser was sent away with.
struct Away {
    query: Map<String, Value>,
    cookie: String,
}

impl Away {
    fn text(&self, name: &str) -> &str {
        self.query[name].as_str().expect("once")
    }

    fn back(&self) -> String {
        format!("/api/v1/oidc/callback?code=one-code&state={}", self.text("state"))
    }
}

fn depart(collector: &Collector, return_to: &str) -> Away {
    let path = format!("/api/v1/oidc/login?return_to={return_to}");
    let answer = collector.get(&path);
    assert_eq!(answer.status, 303, "{answer:?}");
    let location = answer.header("location").expect("to the provider").to_owned();
    let cookie = answer.header("set-cookie").expect("a cookie").to_owned();
    for part in [
        "; Secure",
        "; HttpOnly",
        "; SameSite=Lax",
        "; Path=/api/v1/oidc/",
        "; Max-Age=600",
    ] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let (_, query) = location
        .split_once('?')
        .unwrap_or_else(|| panic!("no query: {location}"));
    let query = form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (name.into_owned(), Value::from(value.into_owned())))
        .collect();
    Away {
        query,
        cookie: cookie.split(';').next().expect("a pair").to_owned(),
    }
}

fn get(collector: &Collector, path: &str, cookie: &str) -> Answer {
    collector
        .request("GET", path, &[("cookie", cookie)], b"")
        .expect("an answer")
}

fn claims(stub: &Stub, away: &Away) -> Value {
    let now_s = azimuth_collector::clock::unix_ms() / 1_000;
    json!({
        "iss": stub.issuer(), "sub": "f3a1", "aud": "azimuth", "nonce": away.text("nonce"), "iat": now_s, "exp": now_s + 300,
        "preferred_username": "anna", "realm_access": {"roles": ["offline", "noc"]},
    })
}

#[test]
fn somebody_signs_in_with_the_role_of_a_group_and_is_in_the_audit_log() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let (stub, signer) = (Stub::start(), Signer::p256("first"));
    stub.publish(&[&signer]);
    let (collector, counters) = start(directory.path(), &stub.issuer());
    assert_eq!(
        collector.get("/api/v1/agents").status,
        401,
        "a login is asked of everybody"
    );
    let session = collector.get("/api/v1/session").json();
    assert_eq!(
        (&session["sign_in_with"], &session["can_log_in"]),
        (&json!("Example"), &json!(false))
    );

    let away = depart(&collector, "/matrix%3Fmetric=p99");
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "azimuth"),
        ("redirect_uri", "https://azimuth.example.org/api/v1/oidc/callback"),
        ("scope", "openid profile email"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(away.text(name), value);
    }
    stub.hand_out(away.text("code_challenge"), &signer.sign(&claims(&stub, &away)));
    let back = get(&collector, &away.back(), &away.cookie);
    assert_eq!(
        (back.status, back.header("location")),
        (303, Some("/matrix?metric=p99")),
        "{}",
        collector.log()
    );
    let cookie = back.header("set-cookie").expect("a session");
    assert!(cookie.contains("; HttpOnly; SameSite=Lax; Secure"), "{cookie}");
    let cookie = cookie.split(';').next().expect("a pair").to_owned();
    assert_eq!(get(&collector, "/api/v1/agents", &cookie).status, 200);
    assert_eq!(
        get(&collector, "/api/v1/backup", &cookie).status,
        403,
        "an operator takes no backup"
    );
    let session = get(&collector, "/api/v1/session", &cookie).json();
    assert_eq!(
        (&session["name"], &session["role"]),
        (&json!("anna (Example)"), &json!("operate"))
    );

    let again = get(&collector, &away.back(), &away.cookie);
    assert_eq!(
        again.header("location"),
        Some("/?sign_in=code_refused"),
        "a code is good once"
    );

    // The provider changes its key; what it published before is fetched again because the key is unknown.
    let second = Signer::rsa("second");
    stub.publish(&[&signer, &second]);
    let away = depart(&collector, "/");
    stub.hand_out(away.text("code_challenge"), &second.sign(&claims(&stub, &away)));
    let back = get(&collector, &away.back(), &away.cookie);
    assert_eq!(back.header("location"), Some("/"), "{}", collector.log());
    let fetched = "azimuth_oidc_requests_total{asked=\"keys\",outcome=\"ok\"}";
    assert_eq!(counter(&collector, &counters, fetched), 2);

    let out = collector.request("DELETE", "/api/v1/session", &[("cookie", &cookie)], b"");
    assert_eq!(out.expect("an answer").status, 204);
    assert_eq!(
        get(&collector, "/api/v1/agents", &cookie).status,
        401,
        "the session is over"
    );
    let data = directory.path().join("data");
    ok(&data, &["audit", "check"], "");
    let audit = std::fs::read_to_string(data.join("access/audit.jsonl")).expect("a log");
    let logins = audit
        .lines()
        .filter(|line| line.contains("\"login\""))
        .collect::<Vec<_>>();
    assert_eq!(logins.len(), 2, "{audit}");
    assert!(
        logins[0].contains("anna (Example)") && logins[0].contains("role operate, subject f3a1"),
        "{audit}"
    );
    let log = collector.log();
    for secret in [
        "one-code",
        "a secret+of/ours",
        away.text("state"),
        away.text("nonce"),
    ] {
        assert!(!audit.contains(secret) && !log.contains(secret), "{secret}");
    }
}

/// What is wrong with an answer that reaches the provider, and the word for it.
type Wrong<'a> = (
    &'static str,
    &'a dyn Fn(&mut Value),
    Option<&'a Signer>,
    Option<&'static str>,
);

#[test]
fn each_wrong_answer_is_refused_by_name_counted_and_lets_nobody_in() {
    let (stub, signer, stranger) = (Stub::start(), Signer::p256("first"), Signer::p256("first"));
    stub.publish(&[&signer]);
    let long_ago = azimuth_collector::clock::unix_ms() / 1_000 - 3_600;
    let set = |name: &'static str, value: Value| move |claims: &mut Value| claims[name] = value.clone();
    let (nonce, audience) = (set("nonce", json!("another")), set("aud", json!("another")));
    let (issuer, expired) = (
        set("iss", json!("https://other.example.org")),
        set("exp", json!(long_ago)),
    );
    let roles = set("realm_access", json!({"roles": ["NOC"]}));
    let nothing = |_: &mut Value| {};
    let unknown = Signer::p256("never published");
    let wrong: [Wrong<'_>; 9] = [
        ("wrong_nonce", &nonce, None, None),
        ("wrong_audience", &audience, None, None),
        ("wrong_issuer", &issuer, None, None),
        ("expired", &expired, None, None),
        ("no_role", &roles, None, None),
        ("wrong_signature", &nothing, Some(&stranger), None),
        ("unknown_key", &nothing, Some(&unknown), None),
        ("unaccepted_algorithm", &nothing, None, Some("none")),
        ("unaccepted_algorithm", &nothing, None, Some("HS256")),
    ];
    // Five refused tries a minute from one address, so two collectors.
    for half in wrong.chunks(5) {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let (collector, counters) = start(directory.path(), &stub.issuer());
        let refused = |reason: &str| {
            let name = format!("azimuth_access_refused_total{{what=\"oidc\",reason=\"{reason}\"}}");
            counter(&collector, &counters, &name)
        };
        for (reason, bend, by, algorithm) in half {
            let before = refused(reason);
            let away = depart(&collector, "/");
            let mut claims = claims(&stub, &away);
            bend(&mut claims);
            let token = by.unwrap_or(&signer).sign_as(&claims, *algorithm);
            stub.hand_out(away.text("code_challenge"), &token);
            let back = get(&collector, &away.back(), &away.cookie);
            assert_eq!(
                back.header("location"),
                Some(&*format!("/?sign_in={reason}")),
                "{}",
                collector.log()
            );
            let cookie = back.header("set-cookie").expect("the login is over");
            assert!(
                cookie.starts_with("azimuth_sign_in=; ") && cookie.contains("Max-Age=0"),
                "{cookie}"
            );
            assert_eq!(refused(reason), before + 1, "{reason}");
            let audit =
                std::fs::read_to_string(directory.path().join("data/access/audit.jsonl")).expect("a log");
            let last = audit.lines().next_back().expect("a line");
            assert!(last.contains("login_refused") && last.contains(reason), "{last}");
            assert!(!audit.contains("\"login\""), "{audit}");
        }
        if half.len() == 5 {
            let away = depart(&collector, "/");
            stub.hand_out(away.text("code_challenge"), &signer.sign(&claims(&stub, &away)));
            let back = get(&collector, &away.back(), &away.cookie);
            assert_eq!(
                back.header("location"),
                Some("/?sign_in=login_throttled"),
                "the sixth of a minute"
            );
        }
    }
}

#[test]
fn an_answer_of_another_browser_and_a_page_elsewhere_are_refused_before_the_provider_is_asked() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let (stub, signer) = (Stub::start(), Signer::p256("first"));
    stub.publish(&[&signer]);
    let (collector, counters) = start(directory.path(), &stub.issuer());
    let (away, other) = (depart(&collector, "/"), depart(&collector, "/"));
    stub.hand_out(away.text("code_challenge"), &signer.sign(&claims(&stub, &away)));
    let denied = format!(
        "/api/v1/oidc/callback?error=access_denied&state={}",
        away.text("state")
    );
    let elsewhere = format!("{}&iss=https%3A%2F%2Fother.example.org", away.back());
    let twice = format!("{}&state=x", away.back());
    for (path, cookie, reason) in [
        (away.back(), &other.cookie, "wrong_state"),
        (other.back(), &away.cookie, "wrong_state"),
        (away.back(), &String::new(), "wrong_state"),
        (twice, &away.cookie, "wrong_state"),
        ("/api/v1/oidc/callback".to_owned(), &away.cookie, "wrong_state"),
        (denied, &away.cookie, "denied"),
        (elsewhere, &away.cookie, "wrong_issuer"),
    ] {
        let back = get(&collector, &path, cookie);
        assert_eq!(
            back.header("location"),
            Some(&*format!("/?sign_in={reason}")),
            "{path}"
        );
    }
    for elsewhere in [
        "https://example.org/",
        "//example.org",
        "/%5Cexample.org",
        "/api/v1/backup",
        "x",
    ] {
        let answer = collector.get(&format!("/api/v1/oidc/login?return_to={elsewhere}"));
        assert_eq!(
            answer.header("location"),
            Some("/?sign_in=return_elsewhere"),
            "{elsewhere}"
        );
    }
    let refused = |reason: &str| {
        let name = format!("azimuth_access_refused_total{{what=\"oidc\",reason=\"{reason}\"}}");
        counter(&collector, &counters, &name)
    };
    assert_eq!(
        ["wrong_state", "denied", "wrong_issuer", "return_elsewhere"].map(refused),
        [5, 1, 1, 5]
    );
    assert_eq!(stub.redeemed(), 0, "the code was shown to nobody");
    // And the browser that asked is let in all the same.
    assert_eq!(
        get(&collector, &away.back(), &away.cookie).header("location"),
        Some("/")
    );
}

#[test]
fn a_provider_that_is_away_stops_neither_the_collector_nor_its_own_users() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let data = directory.path().join("data");
    std::fs::create_dir_all(&data).expect("a directory");
    ok(
        &data,
        &["user", "add", "anna", "--role", "administer", "--password-stdin"],
        "correct horse\n",
    );
    let (stub, signer) = (Stub::start(), Signer::p256("first"));
    stub.publish(&[&signer]);
    stub.be_away(true);
    let (collector, counters) = start(directory.path(), &stub.issuer());
    until(|| {
        collector
            .log()
            .contains("nobody can sign in with Example: status 503")
    });
    assert_eq!(crate::access::log_in(&collector, "correct horse").status, 200);
    let refused = collector.get("/api/v1/oidc/login");
    assert_eq!(refused.header("location"), Some("/?sign_in=provider_unreachable"));
    let asked = "azimuth_oidc_requests_total{asked=\"discovery\",outcome=\"refused\"}";
    assert!(counter(&collector, &counters, asked) >= 1);
    stub.be_away(false);
    until(|| {
        let answer = collector.get("/api/v1/oidc/login");
        answer
            .header("location")
            .is_some_and(|location| location.starts_with(&stub.issuer()))
    });
}
