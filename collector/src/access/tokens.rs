//! API tokens made and taken away, on disk and in the audit log: what the command line and the API both do. The text of a
//! token is handed back once and kept nowhere; what is kept is its hash ([`super::accounts::Token`]).

use super::accounts::Token;
use super::audit::Event;
use super::files::{AccessFiles, FileError};
use super::role::Role;
use super::secret::{self, SecretHash};
use crate::utc::UtcInstant;

/// Begins every API token, so that one that leaks is recognised.
pub const PREFIX: &str = "azt_";
/// Longest life of a token that has one: ten years. Whoever means for ever leaves it out.
const LONGEST_TTL_MS: u64 = 3_660 * 86_400_000;

/// Who changes something, for the audit log.
#[derive(Debug, Clone)]
pub struct Who {
    /// Their name.
    pub by: String,
    /// From where.
    pub from: String,
}

/// A token to make.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// What it is for.
    pub name: &'a str,
    /// What its bearer may do.
    pub role: Role,
    /// How long it is good, in milliseconds; until it is revoked, if none.
    pub ttl_ms: Option<u64>,
}

/// Makes a token: its text, which is told this once. Blocks.
///
/// # Errors
/// A name that is taken or none, a life that is none, too many tokens; files that cannot be had.
pub fn make(
    files: &AccessFiles,
    wanted: Wanted<'_>,
    who: Who,
    now_unix_ms: u64,
) -> Result<String, FileError> {
    let Wanted { name, role, ttl_ms } = wanted;
    if let Some(ttl_ms) = ttl_ms.filter(|ttl_ms| !(1..=LONGEST_TTL_MS).contains(ttl_ms)) {
        return Err(FileError::Refused(format!(
            "{ttl_ms} ms is not between 1 ms and ten years; leave it out for a token that is good until it is revoked"
        )));
    }
    let text = format!("{PREFIX}{}", secret::fresh().map_err(FileError::Refused)?);
    let token = Token {
        role,
        secret_sha256: SecretHash::of(&text),
        created_at_unix_ms: now_unix_ms,
        expires_at_unix_ms: ttl_ms.map(|ttl_ms| now_unix_ms.saturating_add(ttl_ms)),
    };
    let event = event("token_created", format!("{name} {role}"), who, now_unix_ms);
    files.change(event, |accounts| accounts.add_token(name, token))?;
    Ok(text)
}

/// Takes a token away. Blocks.
///
/// # Errors
/// There is none of that name; files that cannot be had.
pub fn revoke(files: &AccessFiles, name: &str, who: Who, now_unix_ms: u64) -> Result<(), FileError> {
    let event = event("token_revoked", name.to_owned(), who, now_unix_ms);
    files.change(event, |accounts| accounts.revoke_token(name))
}

fn event(what: &str, subject: String, who: Who, now_unix_ms: u64) -> Event {
    Event {
        at: UtcInstant::from_unix_ms(now_unix_ms),
        by: who.by,
        from: who.from,
        what: what.to_owned(),
        subject,
    }
}
