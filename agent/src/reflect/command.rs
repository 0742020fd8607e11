//! `azimuth-agent reflect`: starts the reflector, waits for SIGTERM or Ctrl-C, says what it has done.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::process::ExitCode;

use anyhow::Context;
use tracing::{info, warn};

use crate::cli::{ReflectArgs, STAMP_PORT};
use crate::stamp::StampKey;
use crate::{key_file, signals, supervisor, throughput};

use super::Allowed;
use super::serve::{Reflector, StartError};

/// Runs until told to stop.
///
/// # Errors
/// When an address cannot be bound.
pub async fn run(args: &ReflectArgs) -> anyhow::Result<ExitCode> {
    let mut until_stopped = signals::Stop::new()?;
    let allowed = if args.allow_any {
        Allowed::Any
    } else {
        Allowed::Prefixes(args.allow.clone())
    };
    let key = args.key_file.as_deref().map(key_file::read).transpose()?;
    let reflector = if args.listen.is_empty() {
        start_default(&args.tcp_listen, &allowed, args.max_per_second, key.as_ref())?
    } else {
        Reflector::start(
            &args.listen,
            &args.tcp_listen,
            allowed.clone(),
            args.max_per_second,
            key,
        )?
    };
    let throughput = throughput::reflector::start(&args.throughput, &allowed).await?;
    if let Some(serving) = &throughput {
        info!(at = %join(&serving.at), "serving throughput tests");
    }
    let (udp, tcp) = (join(&reflector.udp), join(&reflector.tcp));
    info!(%udp, %tcp, "reflecting");
    supervisor::ready(&format!("reflecting at {udp} {tcp}"));
    tokio::select! {
        () = until_stopped.wait() => supervisor::stopping(),
        never = supervisor::keep_alive() => match never {},
    }
    let counters = reflector.stop().context("the reflector thread panicked")?;
    info!("stopped; {counters}");
    if let Some(serving) = throughput {
        info!("throughput: {serving}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Both families; a host without IPv6 still reflects IPv4.
fn start_default(
    tcp: &[SocketAddr],
    allowed: &Allowed,
    max_per_second: NonZeroU32,
    key: Option<&StampKey>,
) -> Result<Reflector, StartError> {
    let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, STAMP_PORT));
    let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, STAMP_PORT));
    match Reflector::start(&[v4, v6], tcp, allowed.clone(), max_per_second, key.cloned()) {
        Err(StartError::Udp(error)) if error.is_family_unsupported() => {
            warn!(%error, "this host has no IPv6; reflecting IPv4 only");
            Reflector::start(&[v4], tcp, allowed.clone(), max_per_second, key.cloned())
        }
        other => other,
    }
}

fn join(addresses: &[SocketAddr]) -> String {
    addresses
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}
