//! What tables become, and what is said about those that cannot be used.

use super::*;

fn read(text: &str) -> Result<Vec<Channel>, Vec<String>> {
    #[derive(Deserialize)]
    struct File {
        notify: Tables,
    }
    let directory = tempfile::tempdir().expect("a scratch directory");
    for (name, text) in [
        ("secret", "hunter2\n"),
        ("empty", ""),
        ("hook", "https://hooks.example/T0/B0/hunter2\n"),
    ] {
        std::fs::write(directory.path().join(name), text).expect("writable");
    }
    let file: File = toml::from_str(text).map_err(|error| vec![error.to_string()])?;
    resolve(file.notify, directory.path()).map_err(|mistakes| {
        let line = |at: usize| text[..at].matches('\n').count() + 1;
        let told = mistakes.into_iter();
        told.map(|(at, reason)| format!("line {}: {reason}", line(at)))
            .collect()
    })
}

#[test]
fn every_kind_is_read_and_no_secret_is_shown() {
    let channels = read(
        r#"
[notify.am]
kind = "alertmanager"
url = "http://127.0.0.1:9093"
allow = ["127.0.0.1"]
[notify.chat]
kind = "slack"
url_file = "hook"
routes = ["default", "night"]
[notify.hook]
kind = "webhook"
url = "https://hook.example/in"
secret_file = "secret"
token_file = "secret"
severity = "critical"
group_wait = "0s"
[notify.phone]
kind = "ntfy"
url = "https://ntfy.example/sub/alerts"
send_resolved = false
title = "{{ state }}"
[notify.noc]
kind = "mail"
server = "mail.example.org:587"
user = "azimuth"
password_file = "secret"
from = "Azimuth <azimuth@example.org>"
to = ["noc@example.org"]
"#,
    )
    .expect("sound");
    let by_name = |name: &str| channels.iter().find(|channel| channel.name == name).expect(name);
    let Kind::Alertmanager(endpoint) = &by_name("am").kind else {
        panic!("am")
    };
    assert_eq!(endpoint.url.as_str(), "http://127.0.0.1:9093/api/v2/alerts");
    assert_eq!(by_name("am").pace.refresh_ms, Some(REFRESH_MS));
    let Kind::Ntfy(endpoint, topic) = &by_name("phone").kind else {
        panic!("phone")
    };
    assert_eq!(
        (endpoint.url.as_str(), topic.as_str()),
        ("https://ntfy.example/sub/", "alerts")
    );
    let Kind::Mail(mail) = &by_name("noc").kind else {
        panic!("noc")
    };
    assert_eq!(
        (mail.host.as_str(), mail.port, mail.tls),
        ("mail.example.org", 587, MailTls::StartTls)
    );
    assert_eq!(by_name("hook").wants.least, Severity::Critical);
    assert!(!format!("{channels:?}").contains("hunter2"), "{channels:?}");
}

#[test]
fn mistakes_name_line_key_and_remedy() {
    let mail = "[notify.m]\nkind = \"mail\"\nserver = \"m:25\"\nfrom = \"a@b.org\"\nto = [\"c@d.org\"]\n";
    let web = "[notify.w]\nkind = \"webhook\"\nurl = \"https://w.example/\"\n";
    let cases = [
        (
            "[notify.x]\nkind = \"fax\"\n".to_owned(),
            "line 2: notify.x.kind",
            "\"webhook\"",
        ),
        (
            "[notify.x]\nkind = \"slack\"\n".to_owned(),
            "line 1: notify.x.url",
            "url_file",
        ),
        (
            "[notify.\"a b\"]\nkind = \"slack\"\nurl = \"https://x/\"\n".to_owned(),
            "line 1: notify.\"a b\"",
            "letters",
        ),
        (
            "[notify.x]\nkind = \"slack\"\nurl = \"ftp://hunter2\"\n".to_owned(),
            "line 3: notify.x.url",
            "https://HOST",
        ),
        (
            "[notify.x]\nkind = \"slack\"\nurl = \"https://a:b@x/\"\n".to_owned(),
            "line 3: notify.x.url",
            "token_file",
        ),
        (
            "[notify.x]\nkind = \"ntfy\"\nurl = \"https://x/\"\n".to_owned(),
            "line 1: notify.x.url",
            "TOPIC",
        ),
        (
            format!("{web}secret_file = \"none\"\n"),
            "line 4: notify.w.secret_file",
            "cannot be read",
        ),
        (
            format!("{web}secret_file = \"empty\"\n"),
            "line 4: notify.w.secret_file",
            "one line",
        ),
        (
            format!("{web}server = \"m:25\"\n"),
            "line 4: notify.w.server",
            "only of mail; take it out",
        ),
        (
            format!("{web}severity = \"high\"\n"),
            "line 4: notify.w.severity",
            "\"critical\"",
        ),
        (
            format!("{web}group_wait = \"2h\"\n"),
            "line 4: notify.w.group_wait",
            "write \"10s\"",
        ),
        (
            format!("{web}ca_file = \"secret\"\n"),
            "line 4: notify.w.ca_file",
            "BEGIN CERTIFICATE",
        ),
        (
            format!("{web}ca_file = \"none\"\n"),
            "line 4: notify.w.ca_file",
            "cannot be read",
        ),
        (
            format!("{mail}tls = \"none\"\nca_file = \"secret\"\n"),
            "line 7: notify.m.ca_file",
            "take it out",
        ),
        (
            format!("{web}allow = [\"ten\"]\n"),
            "line 4: notify.w.allow",
            "10.0.0.0/8",
        ),
        (
            format!("{web}text = \"{{% for %}}\"\n"),
            "line 4: notify.w.text",
            "not a template",
        ),
        (
            format!("{web}colour = 1\n"),
            "unknown field `colour`",
            "`group_wait`",
        ),
        (
            format!("{mail}tls = \"ssl\"\n"),
            "line 6: notify.m.tls",
            "\"starttls\"",
        ),
        (
            format!("{mail}tls = \"none\"\nuser = \"u\"\npassword_file = \"secret\"\n"),
            "line 7: notify.m.user",
            "starttls",
        ),
        (
            format!("{mail}user = \"u\"\n"),
            "line 6: notify.m.user",
            "password_file",
        ),
        (mail.replace("m:25", "m"), "line 3: notify.m.server", ":587"),
        (
            mail.replace("a@b.org", "nobody"),
            "line 4: notify.m.from",
            "noc@example.org",
        ),
        (
            mail.replace("\"c@d.org\"", ""),
            "line 1: notify.m.to",
            "noc@example.org",
        ),
        (
            mail.replace("c@d.org", "a\\r\\nBcc: x@y.org"),
            "line 5: notify.m.to",
            "noc@example.org",
        ),
    ];
    for (text, place, remedy) in cases {
        let mistakes = read(&text).expect_err(&text).join("\n");
        assert!(
            mistakes.contains(place) && mistakes.contains(remedy),
            "{text}\n{mistakes}"
        );
        assert!(!mistakes.contains("hunter2"), "{mistakes}");
    }
}
