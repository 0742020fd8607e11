//! `azimuth-agent path`: traces the way to one target for a person at a terminal. On a terminal the table is drawn anew
//! while it runs; at the end it is a table, or JSON.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

use super::table;
use super::trace::{Trace, TracePlan};
use super::tracer::{TraceTarget, Tracer};
use crate::cli::PathArgs;
use crate::clock::NS_PER_MS;
use crate::key_file;
use crate::oneshot::board::Colour;
use crate::oneshot::{Screen, colour, target};

/// As of ping: the target did not answer.
const SILENT: u8 = 1;
/// As of ping: it could not be tried.
const WRONG: u8 = 2;

/// Traces and prints. Exit code 0 if the target was reached, 1 if not, 2 if it could not be tried.
///
/// # Errors
/// When the target means nothing or there is no socket.
pub async fn run(args: &PathArgs) -> anyhow::Result<ExitCode> {
    let (found, wrong) = target::resolve_all(std::slice::from_ref(&args.target), args.method);
    for error in &wrong {
        eprintln!("azimuth-agent: {error:#}");
    }
    let Some(found) = found.into_iter().next() else {
        return Ok(ExitCode::from(WRONG));
    };
    let to = TraceTarget {
        address: found.address,
        method: args.method,
        key: args.key_file.as_deref().map(key_file::read).transpose()?,
    };
    let plan = TracePlan {
        max_hops: args.max_hops,
        rounds: args.count,
        waiting_time_ns: i64::from(args.waiting_time_ms) * NS_PER_MS,
        ..TracePlan::default()
    };
    let stop = Arc::new(AtomicBool::new(false));
    let live = !args.json && std::io::stdout().is_terminal();
    let (name, method) = (args.target.clone(), args.method);
    let mut tracing = {
        let (stop, name, to) = (Arc::clone(&stop), name.clone(), to.clone());
        tokio::task::spawn_blocking(move || {
            let mut screen = Screen::default();
            let mut draw = |trace: &Trace| {
                if live {
                    // A terminal that went away ends the run by its own signal.
                    let _ = screen.draw(&table::table(&name, method, trace, colour()));
                }
            };
            let traced = Tracer::default().trace(&to, plan, &stop, &mut draw);
            let _ = screen.draw("");
            traced
        })
    };
    let traced = loop {
        tokio::select! {
            traced = &mut tracing => break traced.context("the trace panicked")??,
            // Ctrl-C ends the sending; what was seen until then is still shown.
            _ = tokio::signal::ctrl_c() => stop.store(true, Ordering::Release),
        }
    };
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", table::json(&name, to.address, method, &traced))?;
    } else {
        let colour = if live { colour() } else { Colour::Never };
        write!(out, "{}", table::table(&name, method, &traced, colour))?;
    }
    Ok(if traced.path().reached {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(SILENT)
    })
}
