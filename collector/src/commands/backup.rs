//! `azimuth-collector backup` and `restore`: a running collector's store into a file, and a directory out of it. The
//! stream's form and its checks are `store/embedded/backup.rs`'s.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::credential::{Credential, CredentialArgs};
use crate::config::DEFAULT_LISTEN;
use crate::store::BackupSummary;
use crate::store::embedded::{publish, remove_unfinished, restore as restore_into, verify};

/// How long the collector may be silent before it is given up.
const SILENCE: Duration = Duration::from_secs(60);
/// Longest line of an answer's head.
const HEAD_LINE_BYTES: u64 = 8 * 1024;

/// Take a backup of a running collector
#[derive(Debug, Args)]
#[command(after_help = "\
The collector goes on taking reports. Every report it has acknowledged before the
backup began is in it. The file appears under its name only when it is whole.

Example:
  azimuth-collector backup --to azimuth-2026-11-24.backup")]
pub struct BackupArgs {
    /// Address of the collector's API
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = DEFAULT_LISTEN)]
    from: SocketAddr,
    /// File to write; it must not exist yet
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    #[command(flatten)]
    credential: CredentialArgs,
}

/// Make a data directory from a backup
#[derive(Debug, Args)]
#[command(after_help = "\
The directory appears only when every checksum of the backup was right; one that
holds anything is refused.

Example:
  azimuth-collector restore --from azimuth-2026-11-24.backup --data-dir /var/lib/azimuth")]
pub struct RestoreArgs {
    /// The backup
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// Directory to make
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
}

/// 0 when the backup is whole and durable, else 1 and no file.
pub fn backup(args: &BackupArgs) -> ExitCode {
    let credential = args.credential.read(args.from.ip().is_loopback());
    let taken = credential.and_then(|credential| take(args.from, &args.to, &credential));
    say(taken.map(|summary| format!("{}: {}", args.to.display(), describe(&summary))))
}

/// 0 when the directory is there, else 1 and no directory.
pub fn restore(args: &RestoreArgs) -> ExitCode {
    match remove_unfinished(&args.data_dir) {
        Ok(left) => {
            for path in left {
                eprintln!(
                    "{}: left behind by a restore that was killed; removed",
                    path.display()
                );
            }
        }
        Err(error) => eprintln!("what a killed restore left behind cannot be removed: {error}"),
    }
    let restored = File::open(&args.from)
        .map_err(|error| format!("{}: {error}", args.from.display()))
        .and_then(|file| {
            restore_into(&mut BufReader::new(file), &args.data_dir)
                .map_err(|error| format!("{}: {error}", args.from.display()))
        });
    say(restored.map(|summary| format!("{}: {}", args.data_dir.display(), describe(&summary))))
}

fn say(outcome: Result<String, String>) -> ExitCode {
    match outcome {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(line) => {
            eprintln!("{line}");
            ExitCode::FAILURE
        }
    }
}

fn describe(summary: &BackupSummary) -> String {
    format!(
        "{} agents, {} reports as they arrived, {} sealed files of {} bytes, {} files set aside, {} snapshots",
        summary.agents,
        summary.reports_unsealed,
        summary.parts,
        summary.part_bytes,
        summary.set_aside,
        summary.snapshots
    )
}

/// Takes a backup of the collector at `from` into the file `to`, which appears only when it is whole.
///
/// # Errors
/// When the collector does not answer, or the file cannot be written.
pub fn take(from: SocketAddr, to: &Path, credential: &Credential) -> Result<BackupSummary, String> {
    if to.exists() {
        return Err(format!(
            "{} exists; give another name, or remove it",
            to.display()
        ));
    }
    let mut unfinished = to.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = PathBuf::from(unfinished);
    let taken = fetch(from, &unfinished, credential).and_then(|()| {
        let named = |error: io::Error| format!("{}: {error}", unfinished.display());
        let file = File::open(&unfinished).map_err(named)?;
        let summary = verify(&mut BufReader::new(&file)).map_err(|error| error.to_string())?;
        file.sync_all().map_err(named)?;
        publish(&unfinished, to).map_err(named)?;
        Ok(summary)
    });
    if taken.is_err() {
        // What went wrong first is what is worth telling.
        let _ = fs::remove_file(&unfinished);
    }
    taken
}

/// One HTTP/1.0 request: the answer is then neither chunked nor kept alive, and ends where the stream says it ends.
fn fetch(from: SocketAddr, unfinished: &Path, credential: &Credential) -> Result<(), String> {
    let named = |error: io::Error| format!("{from}: {error}; is the collector running there?");
    let mut stream = TcpStream::connect(from).map_err(named)?;
    stream.set_read_timeout(Some(SILENCE)).map_err(named)?;
    let shown = credential
        .header()
        .map_or_else(String::new, |value| format!("Authorization: {value}\r\n"));
    write!(
        stream,
        "GET /api/v1/backup HTTP/1.0\r\nHost: {from}\r\n{shown}\r\n"
    )
    .map_err(named)?;
    let mut answer = BufReader::new(stream);
    let line = |answer: &mut BufReader<TcpStream>| -> Result<String, String> {
        let mut line = String::new();
        answer
            .by_ref()
            .take(HEAD_LINE_BYTES)
            .read_line(&mut line)
            .map_err(named)?;
        Ok(line.trim_end().to_owned())
    };
    let status = line(&mut answer)?;
    while !line(&mut answer)?.is_empty() {}
    let number = status
        .split(' ')
        .nth(1)
        .and_then(|number| number.parse::<u16>().ok());
    if number != Some(200) {
        if let Some(remedy) = number.and_then(|number| credential.remedy(number)) {
            return Err(format!("{from} answered {status:?}: {remedy}"));
        }
        let mut detail = String::new();
        let _ = answer.take(HEAD_LINE_BYTES).read_to_string(&mut detail);
        return Err(format!("{from} answered {status:?}: {detail}"));
    }
    let file = File::create(unfinished).map_err(|error| format!("{}: {error}", unfinished.display()))?;
    let mut file = BufWriter::new(file);
    io::copy(&mut answer, &mut file).map_err(named)?;
    file.flush().map_err(named)
}
