//! `azimuth-agent join` and `rotate-key`: from a token to an identity on this host, and to another key.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use azimuth_measurement::enrolment::Token;

use super::first_config::FirstConfig;
use crate::cli::{JoinArgs, RotateKeyArgs};
use crate::config::CollectorAddress;
use crate::config::collector::collector_address;
use crate::identity::{Identity, IdentityError, Seed};
use crate::uplink::link::Link;
use crate::uplink::session;

/// Joins; prints what to put into the configuration.
///
/// # Errors
/// Why not.
pub async fn join(args: &JoinArgs) -> anyhow::Result<ExitCode> {
    let given = match args.token.as_str() {
        "-" => std::io::read_to_string(std::io::stdin()).context("reading the token from standard input")?,
        given => given.to_owned(),
    };
    let token: Token = given.parse()?;
    let file = &args.identity;
    if file.try_exists().with_context(|| file.display().to_string())? {
        let file = file.clone();
        return Err(IdentityError::Exists { file }.into());
    }
    let first = FirstConfig::asked(args)?;
    let link = Link::new(&address(&token.address, args.allow_plain_http)?, token.tls);
    // On disk before the token is used up: asked again with the same key, the collector gives the same name.
    let pending = file.with_extension("pending");
    let key = pending_key(&pending, &token)?;
    let (identity, site) = session::join(&link, &token, &key, args.agent.as_deref()).await?;
    identity.save(file)?;
    // The identity holds the key; what is left over hurts nobody and is said.
    std::fs::remove_file(&pending).with_context(|| pending.display().to_string())?;
    if let Some(first) = &first {
        first.write(file)?;
    }
    if args.json {
        println!(
            "{}",
            serde_json::json!({"agent": identity.agent.as_str(), "site": site, "collector": identity.collector})
        );
    } else {
        println!("joined {} as {} of {site}", identity.collector, identity.agent);
        match &args.write_config {
            Some(config) => println!("Now: azimuth-agent run --config {}", config.display()),
            None => println!(
                "Now: identity = {:?} in the agent's configuration, instead of agent and [collector]",
                file
            ),
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Changes the key of a host that has joined.
///
/// # Errors
/// Why not; the old key is good then.
pub async fn rotate_key(args: &RotateKeyArgs) -> anyhow::Result<ExitCode> {
    let before = Identity::load(&args.identity)?;
    let link = Link::new(&address(&before.collector, args.allow_plain_http)?, before.tls);
    let identity = session::change_key(&link, &args.identity).await?;
    println!(
        "{} has a new key; the old one is taken for another 24 hours",
        identity.agent
    );
    Ok(ExitCode::SUCCESS)
}

fn pending_key(file: &Path, token: &Token) -> anyhow::Result<Seed> {
    match Identity::load(file) {
        Ok(before) if before.collector_key == token.collector_key => return Ok(before.key),
        Ok(_) | Err(IdentityError::Damaged { .. }) => {}
        Err(IdentityError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    let key = Seed::random()?;
    let pending = Identity {
        agent: "pending".parse()?,
        collector: token.address.clone(),
        collector_key: token.collector_key,
        tls: token.tls,
        key: key.clone(),
        next_key: None,
    };
    pending.save(file)?;
    Ok(key)
}

fn address(text: &str, allow_plain_http: bool) -> anyhow::Result<CollectorAddress> {
    let address = collector_address(text).ok_or_else(|| {
        anyhow!("{text:?} is not the address of a collector; make a token with --address https://HOST:PORT")
    })?;
    if address.is_exposed() && !allow_plain_http {
        bail!(
            "{address} is reached in the clear: anybody on the way could read the token and use it. Make a token with \
             --address https://HOST:PORT, or say --allow-plain-http if something else protects the way"
        );
    }
    Ok(address)
}
