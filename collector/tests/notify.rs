//! Notifications to real receivers: Debian's Alertmanager, a mail server and an HTTP server of the test's own, all on
//! loopback. Waits by asking again until a deadline.
#![expect(clippy::panic, reason = "a test that cannot go on says why and ends")]

#[path = "notify/sinks.rs"]
mod sinks;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use azimuth_collector::alert::rules::model::Severity;
use azimuth_collector::clock;
use azimuth_collector::config::{self, Flags};
use azimuth_collector::notify::counters::Counters;
use azimuth_collector::notify::form::webhook::signature;
use azimuth_collector::notify::notifier::Notifier;
use azimuth_collector::notify::page::{Page, State};
use sinks::{Alertmanager, HttpSink, MailSink};

/// How long anything here may take. Far more than it does; only a fault gets there.
const DEADLINE: Duration = Duration::from_secs(60);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(20);

/// Asks until there is an answer.
fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = clock::monotonic();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(clock::monotonic() - started < DEADLINE, "{what}: nothing came");
        std::thread::sleep(PAUSE);
    }
}

fn page(alert: &str, episode: u64, state: State) -> Page {
    let now_unix_ms = clock::unix_ms();
    let over = state == State::Resolved;
    Page {
        alert: alert.to_owned(),
        episode,
        state,
        parent: None,
        rule: "regression".to_owned(),
        severity: Severity::Warning,
        route: "default".to_owned(),
        summary: format!("{alert}: p50 rose from 10 ms to 14 ms"),
        labels: [(
            "agent".to_owned(),
            "brest-1 <!channel>\r\nBcc: x@y.org".to_owned(),
        )]
        .into(),
        measure: "p50".to_owned(),
        value: Some(14.0),
        against: Some(10.0),
        unit: "ms".to_owned(),
        regressed_at_unix_ms: now_unix_ms - 600_000,
        fired_at_unix_ms: now_unix_ms - 60_000,
        resolved_at_unix_ms: over.then_some(now_unix_ms),
        resolution: over.then(|| "recovered".to_owned()),
        link: Some("http://127.0.0.1:8360/pair?agent=brest-1".to_owned()),
        members: Vec::new(),
    }
}

/// A notifier with the channels of this configuration, and its runtime.
struct Running {
    runtime: tokio::runtime::Runtime,
    notifier: Notifier,
    counters: Arc<Counters>,
}

impl Running {
    fn start(directory: &Path, tables: &str) -> Self {
        let file = directory.join("collector.toml");
        std::fs::write(&file, tables).expect("writable");
        std::fs::write(directory.join("secret"), "hunter2\n").expect("writable");
        let flags = Flags {
            config: Some(file),
            ..Flags::default()
        };
        let channels = config::load(&flags).expect("sound").notify;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let counters = Arc::new(Counters::default());
        let notifier = {
            let _inside = runtime.enter();
            Notifier::start(channels, directory, Arc::clone(&counters), clock::unix_ms).expect("started")
        };
        Self {
            runtime,
            notifier,
            counters,
        }
    }

    fn hand(&self, page: &Page) {
        self.notifier.hand(std::slice::from_ref(page)).expect("kept");
    }

    fn attempts(&self, result: &str) -> bool {
        let [attempts, ..] = self.counters.families();
        let mut labels = attempts.samples.iter().map(|sample| &sample.labels);
        labels.any(|labels| labels.iter().any(|(_, value)| **value == *result))
    }

    fn stop(self) {
        self.runtime.block_on(self.notifier.finish());
        self.runtime.shutdown_timeout(Duration::from_secs(5));
    }
}

const ALLOW: &str = "allow = [\"127.0.0.1\"]\ngroup_wait = \"0s\"\n";

#[test]
fn each_channel_gets_one_page_and_one_resolution_and_none_again_after_a_restart() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let (web, mail) = (HttpSink::start(), MailSink::start());
    let alertmanager = Alertmanager::start(&format!("http://{}/from-alertmanager", web.address));
    let tables = format!(
        "[notify.am]\nkind = \"alertmanager\"\nurl = \"http://{}\"\n{ALLOW}\
         [notify.hook]\nkind = \"webhook\"\nurl = \"http://{web}/hook\"\nsecret_file = \"secret\"\n{ALLOW}\
         [notify.chat]\nkind = \"slack\"\nurl = \"http://{web}/chat\"\n{ALLOW}\
         [notify.phone]\nkind = \"ntfy\"\nurl = \"http://{web}/ntfy/alerts\"\n{ALLOW}\
         [notify.noc]\nkind = \"mail\"\nserver = \"{}\"\ntls = \"none\"\nfrom = \"azimuth@example.org\"\nto = [\"noc@example.org\"]\n{ALLOW}",
        alertmanager.address,
        mail.address,
        web = web.address,
    );
    let paths = ["/from-alertmanager", "/hook", "/chat", "/ntfy/"];
    let all_have = |count: usize| {
        for path in paths {
            wait_for(path, || (web.bodies(path).len() >= count).then_some(()));
        }
        wait_for("mail", || (mail.letters().len() >= count).then_some(()));
    };
    let running = Running::start(directory.path(), &tables);
    let (fires, ends) = (page("paris", 1, State::Firing), page("paris", 1, State::Resolved));
    running.hand(&fires);
    running.hand(&fires);
    all_have(1);
    running.stop();
    // The outboxes are on disk, and so is what was told.
    let running = Running::start(directory.path(), &tables);
    running.hand(&fires);
    running.hand(&ends);
    all_have(2);
    running.stop();
    // Whatever would be repeated goes out before this one, which every channel gets.
    let running = Running::start(directory.path(), &tables);
    running.hand(&ends);
    running.hand(&page("london", 1, State::Firing));
    all_have(3);
    running.stop();

    let states = |path: &str, of: &dyn Fn(&serde_json::Value) -> String| -> Vec<String> {
        let bodies = web.bodies(path);
        bodies
            .iter()
            .map(|body| of(&serde_json::from_str(body).expect("JSON")))
            .collect()
    };
    let hook = states("/hook", &|said| {
        format!("{} {}", said["pages"][0]["alert"], said["state"])
    });
    assert_eq!(
        hook,
        [
            "\"paris\" \"firing\"",
            "\"paris\" \"resolved\"",
            "\"london\" \"firing\""
        ]
    );
    let chat = states("/chat", &|said| {
        said["text"].as_str().unwrap_or_default().to_owned()
    });
    assert_eq!(chat.len(), 3, "{chat:?}");
    assert!(
        chat[1].starts_with("RESOLVED: paris") && !chat.concat().contains("<!channel>"),
        "{chat:?}"
    );
    let ntfy = states("/ntfy/", &|said| {
        said["topic"].as_str().unwrap_or_default().to_owned()
    });
    assert_eq!(ntfy, ["alerts"; 3]);
    let alerts = states("/from-alertmanager", &|said| {
        format!("{} {}", said["status"], said["commonLabels"]["alert"])
    });
    assert_eq!(
        alerts,
        [
            "\"firing\" \"paris\"",
            "\"resolved\" \"paris\"",
            "\"firing\" \"london\""
        ]
    );
    let letters = mail.letters();
    assert_eq!(letters.len(), 3);
    assert!(
        letters[0].contains("Subject: FIRING (warning): paris"),
        "{}",
        letters[0]
    );
    let bcc = letters
        .iter()
        .flat_map(|letter| letter.lines())
        .any(|line| line.starts_with("Bcc:"));
    assert!(!bcc, "{letters:?}");
    // A receiver can check who sent it.
    let (head, body) = web.requests("/hook").swap_remove(0);
    let signed = head
        .lines()
        .find_map(|line| line.strip_prefix("azimuth-signature: "))
        .expect("signed");
    let sent_at_s = signed.strip_prefix("t=").and_then(|rest| rest.split(',').next());
    let sent_at_s = sent_at_s.and_then(|text| text.parse().ok()).expect("a time");
    assert_eq!(signed, signature(b"hunter2", sent_at_s, &body));
}

#[test]
fn an_outage_of_one_channel_is_told_to_the_others_and_what_waited_arrives_after_it() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let (ill, well) = (HttpSink::start(), HttpSink::start());
    ill.answer("503 Service Unavailable");
    let tables = format!(
        "[notify.ill]\nkind = \"webhook\"\nurl = \"http://{}/\"\ndead_after = \"0s\"\n{ALLOW}\
         [notify.well]\nkind = \"webhook\"\nurl = \"http://{}/\"\n{ALLOW}",
        ill.address, well.address
    );
    let running = Running::start(directory.path(), &tables);
    running.hand(&page("paris", 1, State::Firing));
    wait_for("the outage is told", || {
        let told = well.bodies("/").concat();
        told.contains("notification channel ill at http://127.0.0.1")
            .then_some(())
    });
    running.hand(&page("paris", 1, State::Resolved));
    let refused = ill.bodies("/").len();
    ill.answer("200 OK");
    let after = wait_for("what waited", || {
        let after = ill.bodies("/").split_off(refused);
        after
            .iter()
            .any(|body| body.contains("\"state\":\"resolved\""))
            .then_some(after)
    });
    let position = |word: &str| after.iter().position(|body| body.contains(word));
    assert!(
        position("\"state\":\"firing\"") < position("\"state\":\"resolved\""),
        "{after:?}"
    );
    wait_for("its end is told", || {
        well.bodies("/")
            .concat()
            .contains("takes messages again")
            .then_some(())
    });
    assert_eq!(running.notifier.dead(), Vec::<String>::new());
    running.stop();
}

#[test]
fn an_address_that_is_not_allowed_is_not_connected_to_and_no_redirect_is_followed() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let (secret, moved) = (HttpSink::start(), HttpSink::start());
    moved.answer(&format!("302 Found\r\nlocation: http://{}/", secret.address));
    let tables = format!(
        "[notify.inside]\nkind = \"webhook\"\nurl = \"http://localhost:{}/\"\ngroup_wait = \"0s\"\n\
         [notify.mail]\nkind = \"mail\"\nserver = \"{}\"\ntls = \"none\"\nfrom = \"a@b.org\"\nto = [\"c@d.org\"]\ngroup_wait = \"0s\"\n\
         [notify.moved]\nkind = \"slack\"\nurl = \"http://{}/\"\n{ALLOW}",
        secret.address.port(),
        secret.address,
        moved.address
    );
    let running = Running::start(directory.path(), &tables);
    running.hand(&page("paris", 1, State::Firing));
    for result in ["address_refused", "redirect"] {
        wait_for(result, || running.attempts(result).then_some(()));
    }
    wait_for("all of them wait", || {
        (running.notifier.waiting() >= 3).then_some(())
    });
    running.stop();
    assert_eq!(secret.connections(), 0);
    assert!(!moved.bodies("/").is_empty());
}

#[test]
fn a_person_tries_a_channel_by_its_name() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let sink = HttpSink::start();
    let file = directory.path().join("collector.toml");
    let text = format!(
        "[notify.hook]\nkind = \"webhook\"\nurl = \"http://{}/x\"\n{ALLOW}",
        sink.address
    );
    std::fs::write(&file, text).expect("writable");
    let run = |channel: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_azimuth-collector"));
        command
            .args(["rules", "notify-test", "--channel", channel, "--config"])
            .arg(&file);
        let output = command.output().expect("it runs");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).expect("text"))
    };
    let (code, said) = run("hook");
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("hook at http://127.0.0.1:") && said.contains("resolved delivered: status 200"),
        "{said}"
    );
    assert_eq!(sink.bodies("/x").len(), 2);
    let (code, said) = run("hok");
    assert_eq!(code, Some(2));
    assert!(said.contains("it has hook"), "{said}");
    sink.answer("403 Forbidden");
    let (code, said) = run("hook");
    assert_eq!(code, Some(1));
    assert!(said.contains("firing not_permitted: status 403"), "{said}");
}
