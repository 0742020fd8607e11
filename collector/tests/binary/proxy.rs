//! Behind a proxy that ends TLS: Debian's nginx. An agent joins through it, opens sessions by challenge and delivers; people log in
//! through it, or are named by it; and a name that comes from anywhere else is nobody's, and counted.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use azimuth_agent::config::CollectorAddress;
use azimuth_agent::identity::Seed;
use azimuth_agent::uplink::session::Sessions;
use azimuth_agent::uplink::trust::pin_of;
use azimuth_collector::clock;
use azimuth_measurement::enrolment::{TlsTrust, Token, base64url};
use rcgen::{CertificateParams, KeyPair};

use crate::access::ok;
use crate::enrolment::{Host, told};
use crate::fleet::{body, manifest, report, slot_before};
use crate::process::{Answer, Collector, command, exchange};
use crate::reload::until;

/// The proxy; killed when dropped.
struct Proxy {
    child: Child,
    tls: SocketAddr,
    plain: SocketAddr,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

/// In front of `collector`, asking it from 127.0.0.2 and in the name of `user`, whatever its own client says.
fn start(directory: &Path, collector: &Collector, key: &KeyPair, user: &str) -> Proxy {
    let certificate = CertificateParams::new(vec!["azimuth.example.org".to_owned()]).expect("a name");
    let certificate = certificate.self_signed(key).expect("signed");
    let at = directory.join(format!("nginx-{user}"));
    std::fs::create_dir(&at).expect("a directory");
    std::fs::write(at.join("cert.pem"), certificate.pem()).expect("writable");
    std::fs::write(at.join("key.pem"), key.serialize_pem()).expect("writable");
    let (tls, plain, here) = (free(), free(), at.display());
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("{what}_temp_path {here}/{what};\n"))
        .concat();
    let named = if user.is_empty() {
        "\"\"".to_owned()
    } else {
        user.to_owned()
    };
    let text = format!(
        "daemon off;\nmaster_process off;\npid {here}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}\
         server {{\nlisten {tls} ssl;\nlisten {plain};\nssl_certificate {here}/cert.pem;\nssl_certificate_key {here}/key.pem;\n\
         location / {{\nproxy_pass http://{};\nproxy_http_version 1.1;\nproxy_set_header Connection \"\";\nproxy_bind 127.0.0.2;\n\
         proxy_set_header Host azimuth.example.org;\nproxy_set_header X-Forwarded-User {named};\n}}\n}}\n}}\n",
        collector.address
    );
    let file = at.join("nginx.conf");
    std::fs::write(&file, text).expect("writable");
    let program = ["/usr/sbin/nginx", "/usr/bin/nginx"]
        .into_iter()
        .find(|path| Path::new(path).exists());
    let child = Command::new(program.unwrap_or("nginx"))
        .arg("-c")
        .arg(&file)
        .arg("-p")
        .arg(&at)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("nginx is there: apt-get install nginx-light");
    let proxy = Proxy { child, tls, plain };
    until(|| TcpStream::connect(proxy.plain).is_ok());
    proxy
}

fn ask(at: SocketAddr, method: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let stream = TcpStream::connect(at).expect("it listens");
    exchange(stream, method, "/api/v1/session", headers, body).expect("an answer")
}

#[test]
fn an_agent_joins_through_a_proxy_with_tls_opens_sessions_and_delivers() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let data_dir = directory.path().join("data");
    let collector = Collector::start(&data_dir);
    let key = KeyPair::generate().expect("a key");
    let proxy = start(directory.path(), &collector, &key, "");
    let certificate = CertificateParams::new(Vec::new())
        .expect("no name")
        .self_signed(&key);
    let pin = pin_of(certificate.expect("signed").der()).expect("a key");
    let (address, pin) = (format!("https://{}", proxy.tls), base64url::encode(&pin));
    let made = told(
        &data_dir,
        &[
            "token",
            "create",
            "--site",
            "paris",
            "--address",
            &address,
            "--tls-pin",
            &pin,
        ],
    );
    let token: Token = made.expect("a token").parse().expect("a token");
    assert_eq!(token.address, address);

    let to = CollectorAddress::Https(address);
    let stranger = Host::at(&to, TlsTrust::Pin([7; 32])).join(&token, &Seed::random().expect("random"));
    assert!(stranger.is_err(), "another key is not the proxy");
    let host = Host::at(&to, token.tls);
    let identity = host.join(&token, &Seed::random().expect("random")).expect("in");
    let file = directory.path().join("identity.json");
    identity.save(&file).expect("written");
    let mut sessions = Sessions::new(file).expect("random");
    let deliver = |bearer: Option<&str>, sequence: u64| {
        let (manifest, now) = (manifest(identity.agent.as_str(), 1), clock::unix_ms());
        let report = report(&manifest, sequence, slot_before(now, 2 + sequence), &[900]);
        let body = body(&[&manifest], &[report], now);
        let posted = host
            .link
            .post("/api/v1/reports", "application/x-protobuf", bearer, body);
        host.runtime.block_on(posted).expect("an answer").status
    };
    let first = host.bearer(&mut sessions).expect("a session");
    assert_eq!(deliver(Some(&first), 1), 200);
    assert_eq!(
        deliver(None, 2),
        401,
        "its address is the proxy's, and says nothing"
    );
    sessions.forget();
    let second = host.bearer(&mut sessions).expect("another session");
    assert_ne!(first, second);
    assert_eq!(deliver(Some(&second), 2), 200);
    let agents = collector.get("/api/v1/agents").json().to_string();
    assert!(agents.contains(identity.agent.as_str()), "{agents}");
}

#[test]
fn a_proxy_names_people_from_its_own_address_only_and_a_login_through_it_is_kept_safe() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let (data_dir, file) = (
        directory.path().join("data"),
        directory.path().join("collector.toml"),
    );
    std::fs::create_dir(&data_dir).expect("a directory");
    ok(
        &data_dir,
        &["user", "add", "anna", "--role", "operate", "--password-stdin"],
        "correct horse\n",
    );
    let text =
        "[access.proxy]\naddresses = [\"127.0.0.2\"]\nuser_header = \"X-Forwarded-User\"\nrole = \"read\"\n";
    std::fs::write(&file, text).expect("writable");
    let mut command = command(&data_dir);
    command.arg("--config").arg(&file);
    let collector = Collector::spawn(command);
    let key = KeyPair::generate().expect("a key");
    let (knows, passes_on) = (
        start(directory.path(), &collector, &key, "anna"),
        start(directory.path(), &collector, &key, ""),
    );

    let forged = [("x-forwarded-user", "root")];
    let through = ask(knows.plain, "GET", &forged, b"").json();
    assert_eq!(
        (&through["name"], &through["role"]),
        (&"anna".into(), &"operate".into()),
        "the proxy's word"
    );
    for _ in 0..3 {
        let past = ask(collector.address, "GET", &[("x-forwarded-user", "anna")], b"").json();
        assert!(past["name"].is_null() && past["role"].is_null(), "{past}");
    }
    let twice = [("x-forwarded-user", "anna"), ("x-forwarded-user", "anna")];
    assert!(ask(collector.address, "GET", &twice, b"").json()["name"].is_null());
    let nobody = ask(passes_on.plain, "GET", &forged, b"").json();
    assert!(nobody["name"].is_null(), "dropped on the way: {nobody}");
    let counted = "azimuth_access_refused_total{what=\"proxy_header\",reason=\"not_from_the_proxy\"}";
    let page = exchange(
        TcpStream::connect(knows.plain).expect("it listens"),
        "GET",
        "/metrics",
        &[],
        b"",
    );
    let page = String::from_utf8(page.expect("an answer").body).expect("text");
    assert!(page.contains(&format!("{counted} 4\n")), "{page}");

    // The login of the collector, through the other one: by its page, and over TLS as far as the browser knows.
    let body = serde_json::json!({"name": "anna", "password": "correct horse"}).to_string();
    let page = ("origin", "https://azimuth.example.org");
    let json = ("content-type", "application/json");
    let answer = ask(passes_on.plain, "POST", &[page, json], body.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
    let cookie = answer.header("set-cookie").expect("a cookie");
    assert!(cookie.contains("; HttpOnly; SameSite=Lax; Secure"), "{cookie}");
    let elsewhere = ("origin", "https://example.org");
    let refused = ask(passes_on.plain, "POST", &[elsewhere, json], body.as_bytes());
    assert_eq!(refused.status, 403, "another site's page");
}
