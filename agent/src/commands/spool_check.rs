//! `azimuth-agent spool check DIR [--json]`: what is in a spool, what is damaged, what was lost. Reads only; safe while the
//! agent runs (a report that is being written then shows as a torn tail).
//!
//! Exit code 0: all of it is sound. 1: something is damaged or lost, or the directory cannot be read.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use azimuth_measurement::AgentId;

use crate::spool::check::check;
use crate::spool::disk::RealDisk;

/// Damage, or no directory.
const FAILED: u8 = 1;
/// Stands in where the damage took the agent's name.
const UNKNOWN_AGENT: &str = "unknown";

/// Prints the findings to `out`, errors to standard error.
pub fn run(directory: &Path, json: bool, out: &mut impl Write) -> ExitCode {
    match report(directory, json, out) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAILED),
        // Whoever closed the pipe has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::from(FAILED),
        Err(error) => {
            eprintln!(
                "azimuth-agent: spool directory {}: {error}; name the `directory` of `[spool]` in the agent's configuration",
                directory.display()
            );
            ExitCode::from(FAILED)
        }
    }
}

/// Whether the spool is sound.
fn report(directory: &Path, json: bool, out: &mut impl Write) -> std::io::Result<bool> {
    let disk = RealDisk::read_only(directory)?;
    let agent: AgentId = UNKNOWN_AGENT.parse().map_err(std::io::Error::other)?;
    let report = check(&disk, &agent);
    if json {
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", report.to_text())?;
    }
    Ok(!report.damaged)
}
