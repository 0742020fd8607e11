//! The throughput port of `azimuth-agent reflect`: from the command line to a listening server. Serves nobody by default.

use std::fmt;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail};
use azimuth_measurement::AgentId;
use azimuth_measurement::enrolment::{KEY_BYTES, base64url};
use clap::Args;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tracing::warn;

use super::bulk::Frames;
use super::challenge::Challenges;
use super::gate::{Caps, Gate, Signers};
use super::month::{Month, MonthFile};
use super::serve::{Counters, Service, serve};
use crate::clock;
use crate::identity::{Identity, random};
use crate::key_file;
use crate::reflect::Allowed;
use crate::stamp::StampKey;

/// The reflector's name where none is given, in tickets for it too.
pub const DEFAULT_NAME: &str = "reflector";

/// The throughput port.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Throughput tests")]
pub struct ThroughputListenArgs {
    /// TCP address to serve throughput tests (ndt7) at; may be repeated [default: none]. It is a port for tcp_connect probes
    /// as well
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub throughput_listen: Vec<SocketAddr>,
    /// Serve who has a ticket signed by the collector that this host has joined; the name in tickets is the identity's
    #[arg(
        long,
        value_name = "FILE",
        requires = "throughput_listen",
        conflicts_with = "throughput_collector_key"
    )]
    pub throughput_identity: Option<PathBuf>,
    /// Serve who has a ticket signed by the collector with this public key: `collector_key` in an identity of its fleet
    #[arg(long, value_name = "KEY", requires = "throughput_listen", value_parser = public_key)]
    pub throughput_collector_key: Option<[u8; KEY_BYTES]>,
    /// Serve who has a ticket signed with the key in this file (hexadecimal digits): for reflectors without a collector
    #[arg(long, value_name = "FILE", requires = "throughput_listen")]
    pub throughput_key_file: Option<PathBuf>,
    /// This reflector's name in tickets. Reflectors that share a key need names of their own [default: the identity's, or
    /// reflector]
    #[arg(long, value_name = "NAME")]
    pub throughput_name: Option<AgentId>,
    /// Most octets of one test
    #[arg(long, value_name = "N", default_value = "250000000")]
    pub throughput_max_bytes: NonZeroU64,
    /// Longest load of one test, in milliseconds
    #[arg(long, value_name = "MS", default_value = "10000")]
    pub throughput_max_ms: NonZeroU32,
    /// Fastest test, in bits per second [default: as fast as it goes]
    #[arg(long, value_name = "N")]
    pub throughput_max_bps: Option<NonZeroU64>,
    /// Tests at once in each direction
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub throughput_leases: u32,
    /// Octets of all tests in 30 days
    #[arg(long, value_name = "N", default_value = "100000000000")]
    pub throughput_month_bytes: NonZeroU64,
    /// Keep the account of the 30 days in this file, so that it survives a restart; its directory must exist [default: it begins
    /// anew with the process]
    #[arg(long, value_name = "FILE")]
    pub throughput_ledger: Option<PathBuf>,
    /// Congestion control of the tests, for example bbr or cubic; it is told with each result [default: the system's]
    #[arg(long, value_name = "NAME")]
    pub throughput_congestion_control: Option<String>,
    /// Serve by TLS, with the certificates in this file (PEM)
    #[arg(long, value_name = "FILE", requires = "throughput_certificate_key")]
    pub throughput_certificate: Option<PathBuf>,
    /// The key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "throughput_certificate")]
    pub throughput_certificate_key: Option<PathBuf>,
}

/// A running throughput port; its tests end when it is dropped.
#[derive(Debug)]
pub struct Serving {
    service: Arc<Service>,
    _listening: JoinSet<()>,
    /// Where it listens, with the ports the system chose.
    pub at: Vec<SocketAddr>,
}

impl Serving {
    /// What it has done since it started.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.service.counters
    }

    /// Octets spent or promised of the month.
    #[must_use]
    pub fn month_bytes(&self) -> u64 {
        let gate = self.service.gate.lock().unwrap_or_else(PoisonError::into_inner);
        gate.month_bytes()
    }
}

impl fmt::Display for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.counters().fmt(f)
    }
}

/// Binds what the arguments name and serves `allowed`; `None` when they name nothing.
///
/// # Errors
/// When an address cannot be bound, or there is no key or certificate in a file.
pub async fn start(args: &ThroughputListenArgs, allowed: &Allowed) -> anyhow::Result<Option<Serving>> {
    if args.throughput_listen.is_empty() {
        return Ok(None);
    }
    let (name, signers) = trusted(args)?;
    let caps = Caps {
        max_bytes: args.throughput_max_bytes.get(),
        max_ms: args.throughput_max_ms.get(),
        max_bps: args.throughput_max_bps.map_or(0, NonZeroU64::get),
        leases: args.throughput_leases,
        month_bytes: args.throughput_month_bytes.get(),
    };
    let tls = match (&args.throughput_certificate, &args.throughput_certificate_key) {
        (Some(certificate), Some(key)) => Some(acceptor(certificate, key)?),
        _ => None,
    };
    let now_unix_ms = clock::wall().unix_ms();
    let (ledger, month) = match &args.throughput_ledger {
        None => (None, Month::new(now_unix_ms)),
        Some(file) => {
            let (kept, month) = MonthFile::open(file, now_unix_ms)?;
            // Better now than when the first test is to begin.
            kept.write(month)?;
            (Some(Mutex::new(kept)), month)
        }
    };
    let service = Arc::new(Service {
        gate: Mutex::new(Gate::new(name, signers, caps, now_unix_ms, month)),
        ledger,
        allowed: allowed.clone(),
        congestion_control: args.throughput_congestion_control.clone(),
        frames: if tls.is_some() { None } else { frames() },
        tls,
        counters: Counters::default(),
    });
    let (mut listening, mut bound) = (JoinSet::new(), Vec::new());
    for at in &args.throughput_listen {
        let listener = TcpListener::bind(at).await.with_context(|| {
            format!("throughput port {at}: is the address one of this host's, and the port free? `ss -ltn` lists who listens")
        })?;
        bound.push(listener.local_addr()?);
        listening.spawn(serve(Arc::clone(&service), listener));
    }
    Ok(Some(Serving {
        service,
        _listening: listening,
        at: bound,
    }))
}

/// Where the system gives none, tests cost more processor time and are otherwise the same.
fn frames() -> Option<Frames> {
    match Frames::new() {
        Ok(frames) => Some(frames),
        Err(error) => {
            warn!(%error, "no file in memory; throughput tests copy what they send, which costs processor time");
            None
        }
    }
}

/// Under which name it serves, and whose tickets it takes.
fn trusted(args: &ThroughputListenArgs) -> anyhow::Result<(AgentId, Signers)> {
    let shared = args
        .throughput_key_file
        .as_deref()
        .map(key_file::read)
        .transpose()?;
    let identity = args
        .throughput_identity
        .as_deref()
        .map(Identity::load)
        .transpose()?;
    let joined = identity.as_ref().map(|identity| identity.collector_key);
    let key = joined.or(args.throughput_collector_key);
    if shared.is_none() && key.is_none() {
        bail!(
            "a throughput port serves nobody without a ticket: say whose are taken, with --throughput-identity, \
             --throughput-collector-key or --throughput-key-file"
        );
    }
    let collector = match key {
        Some(key) => Some((
            key,
            Challenges::new(StampKey::from_bytes(&random::<KEY_BYTES>()?)?),
        )),
        None => None,
    };
    let named = args.throughput_name.clone();
    let name = match named.or_else(|| identity.map(|identity| identity.agent)) {
        Some(name) => name,
        None => DEFAULT_NAME.parse()?,
    };
    Ok((name, Signers { shared, collector }))
}

fn public_key(text: &str) -> Result<[u8; KEY_BYTES], String> {
    base64url::decode_exactly(text).ok_or_else(|| {
        "not a public key: copy the 43 letters of `collector_key` in an identity file".to_owned()
    })
}

fn acceptor(certificate: &Path, key: &Path) -> anyhow::Result<TlsAcceptor> {
    let unreadable = |file: &Path| format!("{}: is it PEM, and may this user read it?", file.display());
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| unreadable(certificate))?;
    let key_of_it = PrivateKeyDer::from_pem_file(key).with_context(|| unreadable(key))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key_of_it)
        .with_context(|| format!("{} does not belong to {}", key.display(), certificate.display()))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
