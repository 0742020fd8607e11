//! `azimuth-collector user`, `api-token` and `audit`: who may come in, beside a running collector or without one. They change
//! the files of the data directory, which a running collector looks at twice a second.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::access::accounts::User;
use crate::access::audit::{self, Event};
use crate::access::files::{AccessFiles, FileError};
use crate::access::role::Role;
use crate::access::secret;
use crate::access::tokens::{self, Wanted, Who};
use crate::utc::{UtcInstant, parse_span_ms};

/// Where the accounts are.
#[derive(Debug, Args)]
pub struct Place {
    /// Directory of the store
    #[arg(long, value_name = "DIR", default_value = "azimuth-data")]
    data_dir: PathBuf,
}

/// `user ...`
#[derive(Debug, Subcommand)]
#[command(after_help = "\
With the first user a login is asked of everybody, this machine included; the
unix socket stays open to whoever may open its file. A running collector knows
of a change within half a second.

Example:
  azimuth-collector user add anna --role administer --data-dir /var/lib/azimuth")]
pub enum UserCommand {
    /// Make an account; its password is made too, and shown once
    Add {
        /// Name: letters, digits, and - _ . @ +
        name: String,
        /// What the user may do
        #[arg(long, value_enum, default_value = "read")]
        role: Role,
        /// Read the password from standard input instead of making one
        #[arg(long, conflicts_with = "no_password")]
        password_stdin: bool,
        /// Only a trusted proxy logs this user in
        #[arg(long)]
        no_password: bool,
        /// Where
        #[command(flatten)]
        place: Place,
    },
    /// Give another password; open sessions of the user end
    Password {
        /// Whose
        name: String,
        /// Read it from standard input instead of making one
        #[arg(long)]
        password_stdin: bool,
        /// Where
        #[command(flatten)]
        place: Place,
    },
    /// Give another role
    Role {
        /// Whose
        name: String,
        /// Which
        #[arg(value_enum)]
        role: Role,
        /// Where
        #[command(flatten)]
        place: Place,
    },
    /// Remove an account; open sessions of the user end
    Remove {
        /// Whose
        name: String,
        /// Where
        #[command(flatten)]
        place: Place,
    },
    /// Name everybody
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Where
        #[command(flatten)]
        place: Place,
    },
}

/// `api-token ...`
#[derive(Debug, Subcommand)]
#[command(after_help = "\
A program shows its token as `Authorization: Bearer TOKEN`.

Example:
  azimuth-collector api-token create grafana --role read --ttl 365d")]
pub enum ApiTokenCommand {
    /// Make a token; it is shown once
    Create {
        /// What it is for: letters, digits, and - _ . @ +
        name: String,
        /// What its bearer may do
        #[arg(long, value_enum, default_value = "read")]
        role: Role,
        /// How long it is good, such as 90d [default: until it is revoked]
        #[arg(long, value_name = "SPAN")]
        ttl: Option<String>,
        /// Where
        #[command(flatten)]
        place: Place,
    },
    /// Take a token away
    Revoke {
        /// Which
        name: String,
        /// Where
        #[command(flatten)]
        place: Place,
    },
    /// Name every token
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Where
        #[command(flatten)]
        place: Place,
    },
}

/// `audit ...`
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Say whether the audit log is whole; exit 1 and name the line if not
    #[command(after_help = "\
Each line holds the hash of the line before. The last lines can be cut off without
a trace: keep the hash that this prints somewhere else, and compare.")]
    Check {
        /// Where
        #[command(flatten)]
        place: Place,
    },
}

/// Runs a command on users.
pub fn user(
    command: UserCommand,
    now_unix_ms: u64,
    input: &mut dyn BufRead,
    out: &mut dyn Write,
) -> ExitCode {
    told(match command {
        UserCommand::Add {
            name,
            role,
            password_stdin,
            no_password,
            place,
        } => {
            let password = if no_password {
                Ok(None)
            } else {
                password(password_stdin, input).map(Some)
            };
            password.and_then(|password| {
                let hash = password.as_ref().map(|password| password.hash.clone());
                change(&place, now_unix_ms, "user_added", &name, |accounts| {
                    let user = User {
                        role,
                        password_hash: hash,
                        created_at_unix_ms: now_unix_ms,
                    };
                    accounts.add_user(&name, user)
                })?;
                say(out, format!("{name} may {role}"));
                if let Some(made) = password.and_then(|password| password.made) {
                    say(out, format!("password, shown only now: {made}"));
                }
                Ok(())
            })
        }
        UserCommand::Password {
            name,
            password_stdin,
            place,
        } => password(password_stdin, input).and_then(|password| {
            change(&place, now_unix_ms, "password_changed", &name, |accounts| {
                accounts.change_user(&name, |user| user.password_hash = Some(password.hash))
            })?;
            match password.made {
                Some(made) => say(out, format!("{name}'s password, shown only now: {made}")),
                None => say(out, format!("{name} has another password")),
            }
            Ok(())
        }),
        UserCommand::Role { name, role, place } => change(
            &place,
            now_unix_ms,
            "role_changed",
            &format!("{name} {role}"),
            |accounts| accounts.change_user(&name, |user| user.role = role),
        )
        .map(|()| say(out, format!("{name} may {role}"))),
        UserCommand::Remove { name, place } => {
            change(&place, now_unix_ms, "user_removed", &name, |accounts| {
                accounts.remove_user(&name)
            })
            .map(|()| say(out, format!("{name} is removed")))
        }
        UserCommand::List { json, place } => files(&place).accounts().map(|accounts| {
            let rows = accounts.users.iter().map(|(name, user)| Row {
                name,
                role: user.role,
                note: if user.password_hash.is_some() {
                    "password"
                } else {
                    "proxy only"
                }
                .to_owned(),
                created_at_unix_ms: user.created_at_unix_ms,
            });
            table(
                out,
                json,
                "there are no users; `user add` makes one, and then everybody has to log in",
                rows,
            );
        }),
    })
}

/// Runs a command on API tokens.
pub fn api_token(command: ApiTokenCommand, now_unix_ms: u64, out: &mut dyn Write) -> ExitCode {
    told(match command {
        ApiTokenCommand::Create {
            name,
            role,
            ttl,
            place,
        } => create_token(&name, role, ttl.as_deref(), &place, now_unix_ms).map(|token| {
            say(
                out,
                format!("{token}\n{name} may {role}; the token is shown only now"),
            );
        }),
        ApiTokenCommand::Revoke { name, place } => sound(&place)
            .and_then(|files| tokens::revoke(&files, &name, who(), now_unix_ms))
            .map(|()| say(out, format!("{name} is revoked"))),
        ApiTokenCommand::List { json, place } => files(&place).accounts().map(|accounts| {
            let rows = accounts.tokens.iter().map(|(name, token)| Row {
                name,
                role: token.role,
                note: token.expires_at_unix_ms.map_or_else(
                    || "until revoked".to_owned(),
                    |end| {
                        let end = UtcInstant::from_unix_ms(end);
                        format!("until {end}")
                    },
                ),
                created_at_unix_ms: token.created_at_unix_ms,
            });
            table(
                out,
                json,
                "there are no tokens; `api-token create` makes one",
                rows,
            );
        }),
    })
}

/// Runs a command on the audit log. 0 whole, 1 not.
pub fn audit(command: &AuditCommand, out: &mut dyn Write) -> ExitCode {
    let AuditCommand::Check { place } = command;
    let file = files(place).audit_file();
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("azimuth-collector: {}: {error}", file.display());
            return ExitCode::FAILURE;
        }
    };
    match audit::check(&text) {
        Ok(checked) => {
            let (file, lines, newest) = (file.display(), checked.lines, checked.newest);
            say(out, format!("{file}: {lines} lines, whole\nnewest {newest}"));
            ExitCode::SUCCESS
        }
        Err((line, why)) => {
            eprintln!("azimuth-collector: {}, line {line}: {why}", file.display());
            ExitCode::FAILURE
        }
    }
}

fn create_token(
    name: &str,
    role: Role,
    ttl: Option<&str>,
    place: &Place,
    now_unix_ms: u64,
) -> Result<String, FileError> {
    let ttl_ms = ttl
        .map(parse_span_ms)
        .transpose()
        .map_err(|reason| FileError::Refused(format!("--ttl: {reason}")))?;
    let wanted = Wanted { name, role, ttl_ms };
    tokens::make(&sound(place)?, wanted, who(), now_unix_ms)
}

struct Password {
    hash: String,
    /// The password itself, if it was made here.
    made: Option<String>,
}

fn password(from_stdin: bool, input: &mut dyn BufRead) -> Result<Password, FileError> {
    let refused = FileError::Refused;
    let (password, made) = if from_stdin {
        let mut line = String::new();
        let mut limited = std::io::Read::take(input, 4 * secret::LONGEST_PASSWORD as u64 + 2);
        limited
            .read_line(&mut line)
            .map_err(|error| refused(format!("standard input: {error}")))?;
        (line.trim_end_matches(['\r', '\n']).to_owned(), None)
    } else {
        let made = secret::fresh_password().map_err(refused)?;
        (made.clone(), Some(made))
    };
    let hash = secret::hash_password(&password).map_err(refused)?;
    Ok(Password { hash, made })
}

fn files(place: &Place) -> AccessFiles {
    AccessFiles::new(&place.data_dir)
}

fn change(
    place: &Place,
    now_unix_ms: u64,
    what: &str,
    subject: &str,
    change: impl FnOnce(&mut crate::access::accounts::Accounts) -> Result<(), String>,
) -> Result<(), FileError> {
    let files = sound(place)?;
    let Who { by, from } = who();
    let event = Event {
        at: UtcInstant::from_unix_ms(now_unix_ms),
        by,
        from,
        what: what.to_owned(),
        subject: subject.to_owned(),
    };
    files.change(event, change)
}

/// The files of a directory that is there.
fn sound(place: &Place) -> Result<AccessFiles, FileError> {
    let data_dir: &Path = &place.data_dir;
    if data_dir.is_dir() {
        return Ok(files(place));
    }
    Err(FileError::Refused(format!(
        "{} is no directory; name the collector's with --data-dir",
        data_dir.display()
    )))
}

/// The operating system's user.
fn who() -> Who {
    let by = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER"));
    Who {
        by: by.unwrap_or_else(|_| "unknown".to_owned()),
        from: "command line".to_owned(),
    }
}

struct Row<'a> {
    name: &'a str,
    role: Role,
    note: String,
    created_at_unix_ms: u64,
}

fn table<'a>(out: &mut dyn Write, json: bool, none: &str, rows: impl Iterator<Item = Row<'a>>) {
    let rows: Vec<Row<'_>> = rows.collect();
    if json {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                let created_at = UtcInstant::from_unix_ms(row.created_at_unix_ms);
                serde_json::json!({"name": row.name, "role": row.role, "note": row.note, "created_at": created_at})
            })
            .collect();
        return say(out, serde_json::Value::from(rows).to_string());
    }
    if rows.is_empty() {
        return say(out, none);
    }
    let width = rows
        .iter()
        .map(|row| row.name.chars().count())
        .max()
        .unwrap_or(0)
        .max(4);
    say(
        out,
        format!("{:width$}  {:10}  {:30}  MADE", "NAME", "ROLE", "GOOD"),
    );
    for row in rows {
        let made = UtcInstant::from_unix_ms(row.created_at_unix_ms);
        say(
            out,
            format!(
                "{:width$}  {:10}  {:30}  {made}",
                row.name,
                row.role.as_str(),
                row.note
            ),
        );
    }
}

/// A reader that left has nothing more to be told.
fn say(out: &mut dyn Write, text: impl AsRef<str>) {
    let _ = writeln!(out, "{}", text.as_ref());
}

fn told(done: Result<(), FileError>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("azimuth-collector: {error}");
            ExitCode::FAILURE
        }
    }
}
