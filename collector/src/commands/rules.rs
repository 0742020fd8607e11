//! `azimuth-collector rules`: what is wrong with a rule, and what it would have done. Here the replay over CSV files;
//! reading files is all it does itself, the decisions are `alert`'s.

pub mod files;
pub mod notify_test;
pub mod running;
pub mod stored;

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use thiserror::Error;

use super::credential::CredentialArgs;
use crate::alert::Settings;
use crate::alert::replay::{Alert, Columns, HEADER, Replay, RowError};

/// Longest line read, in bytes; a row of two numbers needs forty.
const LINE_BYTES: u64 = 64 * 1024;

/// Replay the past through rules, and see what they would have told
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
With --data-dir the rules are run over a store that no collector is using, and
one JSON object a line comes out for each alert somebody would have been told:
series, rule, measure, fired_at_s, regressed_at_s, value, against, unit,
resolved_at_s, resolution.

Example: azimuth-collector rules replay --data-dir /var/lib/azimuth --rules alerts.toml --from now-30d

With --collector the same is done with a copy of the store of a collector that
runs: a backup of it, which is removed afterwards.

Example: azimuth-collector rules replay --collector 127.0.0.1:8360 --rules alerts.toml

With --csv each file is one series with the header `epoch_s,rtt_ms`; further columns are
ignored. epoch_s: seconds since 1970 UTC, in order of time, at any spacing; gaps
freeze the detector. rtt_ms: round-trip time in milliseconds, empty when the
probe was lost. One JSON object a line comes out for each change:

  series          the file's name without its ending
  direction       up: a regression, an alert; down: an improvement, no alert;
                  loss: the lost share rose, an alert
  fired_at_s      the row that fired it; nothing later was looked at
  regressed_at_s  when the change is thought to have happened
  shift_ms        the new level less the old
  resolved_at_s   when it was over (`resolution`: recovered, or new_baseline
                  after a day); null while open

A file that cannot be read to its end is named with its line and left out, the
others are replayed, and the exit code is 1.

Example: azimuth-collector rules replay --csv paris-aws.csv paris-ovh.csv")]
pub struct ReplayArgs {
    /// Series to replay, one a file, header `epoch_s,rtt_ms`
    #[arg(long, value_name = "FILE", num_args = 1.., required_unless_present_any = ["data_dir", "collector"])]
    pub csv: Vec<PathBuf>,
    /// Store to replay, the data_dir of a collector that does not run
    #[arg(long, value_name = "DIR", conflicts_with = "csv")]
    pub data_dir: Option<PathBuf>,
    /// Collector that runs, by the address of its API; its store is copied and the copy replayed
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with_all = ["csv", "data_dir"])]
    pub collector: Option<SocketAddr>,
    /// Where the copy is put for the time of the replay; the system's directory for such things when not given
    #[arg(long, value_name = "DIR", requires = "collector")]
    pub scratch: Option<PathBuf>,
    /// Rule files; the default rule when there are none
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "csv")]
    pub rules: Vec<PathBuf>,
    /// From when
    #[arg(long, value_name = "TIME", default_value = "now-7d", conflicts_with = "csv")]
    pub from: String,
    /// Until when
    #[arg(long, value_name = "TIME", default_value = "now", conflicts_with = "csv")]
    pub to: String,
    /// What a collector is shown.
    #[command(flatten)]
    pub credential: CredentialArgs,
}

/// Why a replay stopped, or which files it had to leave out.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// Files that could not be replayed; the others were, and their lines are out.
    #[error("{}", list(.0))]
    Files(Vec<FileError>),
    /// The lines could not be written.
    #[error("cannot write the alerts: {0}")]
    Output(#[source] io::Error),
}

/// Replays what the arguments name. 0 when all of it was replayed, 1 when not.
pub fn replay(args: ReplayArgs, now_unix_ms: u64, out: &mut impl Write) -> ExitCode {
    // Held until the replay is over: the copy goes with it.
    let copied = match args.collector {
        None => None,
        Some(from) => {
            let scratch = args.scratch.unwrap_or_else(std::env::temp_dir);
            let credential = args.credential.read(from.ip().is_loopback());
            match credential.and_then(|credential| running::Copied::take(from, &scratch, &credential)) {
                Ok(copied) => Some(copied),
                Err(error) => {
                    eprintln!("{error}");
                    return ExitCode::FAILURE;
                }
            }
        }
    };
    let data_dir = copied.as_ref().map(running::Copied::data_dir).or(args.data_dir);
    let replayed = match data_dir {
        Some(data_dir) => {
            let past = stored::StoredPast {
                data_dir,
                rules: args.rules,
                from: args.from,
                to: args.to,
            };
            stored::replay_stored(&past, now_unix_ms, out).map_err(|error| error.to_string())
        }
        None => replay_csv(&args.csv, out).map_err(|error| error.to_string()),
    };
    match replayed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn list(errors: &[FileError]) -> String {
    errors
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Why a file could not be replayed.
#[derive(Debug, Error)]
pub enum FileError {
    /// Not readable.
    #[error("{}: cannot be read: {error}; name a readable CSV file with the header `{HEADER}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Nothing in it.
    #[error("{}: is empty; the first line must be `{HEADER}`, then one probe a line", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A header and nothing else, or no reply at all.
    #[error("{}: has no row with a delay; a series needs at least one probe that came back", path.display())]
    NoDelay {
        /// The file.
        path: PathBuf,
    },
    /// A line that cannot be understood.
    #[error("{}:{line}: {error}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: u64,
        /// What is wrong, and the remedy.
        error: RowError,
    },
    /// Not text.
    #[error("{}:{line}: is not a line of text of at most {LINE_BYTES} bytes; write UTF-8 CSV", path.display())]
    Text {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: u64,
    },
}

/// Replays each file with the default settings and writes one JSON object a line to `out`, file by file. A reader that
/// goes away (`| head`) is a normal end.
///
/// # Errors
/// [`ReplayError::Files`] names every file that could not be read to its end: nothing is written for those, and the other
/// files are replayed all the same. [`ReplayError::Output`] when `out` fails.
pub fn replay_csv(paths: &[PathBuf], out: &mut impl Write) -> Result<(), ReplayError> {
    let mut refused = Vec::new();
    for path in paths {
        match replay_file(path) {
            Ok(alerts) => match write_lines(&alerts, out) {
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                written => written.map_err(ReplayError::Output)?,
            },
            Err(error) => refused.push(error),
        }
    }
    if refused.is_empty() {
        Ok(())
    } else {
        Err(ReplayError::Files(refused))
    }
}

fn write_lines(alerts: &[Alert], out: &mut impl Write) -> io::Result<()> {
    for alert in alerts {
        serde_json::to_writer(&mut *out, alert)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

fn replay_file(path: &Path) -> Result<Vec<Alert>, FileError> {
    let unreadable = |error| FileError::Read {
        path: path.to_owned(),
        error,
    };
    let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
    let series = path
        .file_stem()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned();
    let mut replay = Replay::new(series, Settings::default());
    let mut columns: Option<Columns> = None;
    let mut delays = 0_u64;
    let mut bytes = Vec::new();
    let mut line = 0_u64;
    loop {
        bytes.clear();
        line += 1;
        let read = (&mut file)
            .take(LINE_BYTES)
            .read_until(b'\n', &mut bytes)
            .map_err(unreadable)?;
        if read == 0 {
            break;
        }
        let whole = read < LINE_BYTES as usize || bytes.ends_with(b"\n");
        let text = std::str::from_utf8(&bytes).ok().filter(|_| whole);
        let text = text.ok_or_else(|| FileError::Text {
            path: path.to_owned(),
            line,
        })?;
        let at = |error| FileError::Row {
            path: path.to_owned(),
            line,
            error,
        };
        let Some(columns) = columns else {
            columns = Some(Columns::of(text).map_err(at)?);
            continue;
        };
        if let Some(row) = columns.row(text).map_err(at)? {
            delays += u64::from(row.delay_us.is_some());
            replay.feed(row).map_err(at)?;
        }
    }
    if columns.is_none() {
        return Err(FileError::Empty {
            path: path.to_owned(),
        });
    }
    if delays == 0 {
        return Err(FileError::NoDelay {
            path: path.to_owned(),
        });
    }
    Ok(replay.finish().collect())
}
