//! What the world's own programs lack for the methods of several steps: in each zone a TLS server, an HTTPS server and a resolver,
//! and beside the world's agent a second one that asks them. Their sockets are opened in the zone's namespace and served here.

use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_ED25519};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::processes::{Process, bin_dir, wait_until};

/// Where each asks; no port of the reflectors, so that the relay's records tell them apart.
pub(crate) const TLS_PORT: u16 = 8443;
pub(crate) const HTTPS_PORT: u16 = 8444;
pub(crate) const DNS_PORT: u16 = 53;
const SERVER_NAME: &str = "zone.example.net";
/// Of the second agent's probes, in milliseconds.
const PERIOD_MS: u32 = 200;

/// A zone of `disorder.toml`.
pub(crate) struct Place {
    pub(crate) zone: &'static str,
    /// Where its servers are asked.
    pub(crate) address: &'static str,
}

/// The servers, and the agent that asks them.
pub(crate) struct Web {
    _servers: tokio::runtime::Runtime,
    agent: Process,
    log: PathBuf,
}

impl Web {
    /// Starts all of it in the running world of `run_dir`, as soon as its processes are there.
    pub(crate) fn start(run_dir: &Path, places: &[Place], waiting_time_ms: u64) -> Self {
        let (acceptor, authority) = certificate(run_dir);
        let servers = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        for place in places {
            let namespace = namespace_of(run_dir, &format!("reflect-{}", place.zone.replace('/', "-")));
            let address: IpAddr = place.address.parse().unwrap();
            let open = |port| std::net::TcpListener::bind(SocketAddr::new(address, port)).unwrap();
            let (tls, https, dns) = inside(&namespace, || {
                let dns = std::net::UdpSocket::bind(SocketAddr::new(address, DNS_PORT)).unwrap();
                (open(TLS_PORT), open(HTTPS_PORT), dns)
            });
            servers.spawn(serve_tls(tls, acceptor.clone(), false));
            servers.spawn(serve_tls(https, acceptor.clone(), true));
            servers.spawn(serve_dns(dns));
        }
        let config = run_dir.join("web-agent.toml");
        std::fs::write(&config, agent_config(run_dir, places, waiting_time_ms)).unwrap();
        let mut command = Command::new(bin_dir().join("azimuth-agent"));
        command
            .arg("run")
            .arg("--config")
            .arg(&config)
            .env("SSL_CERT_FILE", &authority);
        let log = run_dir.join("web-agent.log");
        // A child is born in the namespace of the thread that starts it.
        let agent = inside(&namespace_of(run_dir, "agent-paris-free"), || {
            Process::start("azimuth-agent", &mut command, &log)
        });
        Self {
            _servers: servers,
            agent,
            log,
        }
    }

    pub(crate) fn must_run(&mut self) {
        self.agent.must_run();
    }

    /// Ends the agent, which delivers what it has, and then the servers. How many exchanges were under way.
    pub(crate) fn stop(self) -> u64 {
        self.agent.stop(Duration::from_secs(15));
        let said = std::fs::read_to_string(&self.log).unwrap();
        let line = said.lines().find(|line| line.contains("probes were under way"));
        line.map_or(0, |line| {
            let (_, probes) = line.rsplit_once("probes=").unwrap();
            probes.trim().parse().unwrap()
        })
    }
}

/// The network namespace of one of the world's processes, by its name in `run.json`.
fn namespace_of(run_dir: &Path, name: &str) -> File {
    let find = || {
        let file: Value = serde_json::from_slice(&std::fs::read(run_dir.join("run.json")).ok()?).ok()?;
        let children = file["children"].as_array()?.iter();
        let pid = children
            .filter(|child| child["name"] == name)
            .find_map(|child| child["pid"].as_i64())?;
        File::open(format!("/proc/{pid}/ns/net")).ok()
    };
    wait_until(Duration::from_secs(60), find).unwrap_or_else(|| panic!("no process {name} in run.json"))
}

/// Works on a thread of its own in a namespace, which it never leaves.
fn inside<T: Send>(namespace: &File, work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
            work()
        });
        inside.join().unwrap()
    })
}

/// What serves TLS, and a file with the authority to believe for its certificate. All handshakes are of one length, and nothing is said
/// after them: a signature of Ed25519 always has 64 octets, and there are no tickets.
fn certificate(dir: &Path) -> (TlsAcceptor, PathBuf) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = dir.join("web-authority.pem");
    std::fs::write(&authority, params.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let params = CertificateParams::new(vec![SERVER_NAME.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    config.send_tls13_tickets = 0;
    (TlsAcceptor::from(Arc::new(config)), authority)
}

async fn serve_tls(listener: std::net::TcpListener, acceptor: TlsAcceptor, speaks_http: bool) {
    listener.set_nonblocking(true).unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // What is lost on the way ends it, as it would anywhere.
            let _ = answer(stream, acceptor, speaks_http).await;
        });
    }
}

/// A handshake, and the answer to one request of HTTP/1.1 if that is spoken; then whatever the other side does.
async fn answer(stream: TcpStream, acceptor: TlsAcceptor, speaks_http: bool) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = acceptor.accept(stream).await?;
    let mut asked = Vec::new();
    while stream.read_buf(&mut asked).await? > 0 {
        if speaks_http && asked.ends_with(b"\r\n\r\n") {
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await?;
            stream.flush().await?;
            asked.clear();
        }
    }
    Ok(())
}

/// Answers every question with itself.
async fn serve_dns(socket: std::net::UdpSocket) {
    socket.set_nonblocking(true).unwrap();
    let socket = UdpSocket::from_std(socket).unwrap();
    let mut message = [0_u8; 512];
    while let Ok((octets, from)) = socket.recv_from(&mut message).await {
        // The bit that makes a question an answer (RFC 1035 section 4.1.1).
        message[2] |= 0x80;
        let _ = socket.send_to(&message[..octets], from).await;
    }
}

fn agent_config(run_dir: &Path, places: &[Place], waiting_time_ms: u64) -> String {
    let mut text = format!(
        "agent = \"paris-web\"\n[collector]\nurl = \"unix:{}\"\n[path]\nenabled = false\n[vantage_point]\nname = \"Paris\"\n\
         country = \"FR\"\ncity = \"Paris\"\nnetwork = \"Free\"\nasn = 12322\nlatitude = 48.9\nlongitude = 2.3\n",
        run_dir.join("collector.sock").display()
    );
    for Place { zone, address } in places {
        let [provider, region, id] = zone.split('/').collect::<Vec<_>>()[..] else {
            panic!("{zone} has three parts");
        };
        text += &format!(
            "[[target]]\nname = \"web-{region}\"\nprovider = \"{provider}\"\nregion = \"{region}\"\nzone = \"{id}\"\n\
             granularity = \"zone\"\naddress = \"{address}\"\n"
        );
        for (method, port, more) in [
            (
                "tls_handshake",
                TLS_PORT,
                format!("server_name = \"{SERVER_NAME}\""),
            ),
            (
                "https_first_byte",
                HTTPS_PORT,
                format!("server_name = \"{SERVER_NAME}\""),
            ),
            ("dns_query", DNS_PORT, format!("question = \"{SERVER_NAME}\"")),
        ] {
            text += &format!(
                "[[target.probe]]\nmethod = \"{method}\"\nport = {port}\n{more}\nperiod_ms = {PERIOD_MS}\n\
                 waiting_time_ms = {waiting_time_ms}\n"
            );
        }
    }
    text
}
