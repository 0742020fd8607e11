//! `azimuth-collector export`: what a running collector has stored, as a file that other programs read. The file appears
//! under its name only when it is whole. Which records there are and how they look is `GET /api/v1/export`'s.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::credential::CredentialArgs;
use super::http::Client;
use crate::api::export::{ExportSummary, SUMMARY_TRAILER};
use crate::clock;
use crate::config::DEFAULT_LISTEN;
use crate::export::ExportFormat;

/// Progress is told this often, in milliseconds.
const TELL_EVERY_MS: u64 = 500;
/// Done, but not with everything that was asked for.
const NOT_EVERYTHING: u8 = 3;

/// Write what a running collector has stored as CSV, HdrHistogram log or Parquet
#[derive(Debug, Args)]
#[command(after_help = "\
Formats:
  csv   one line per series and interval: labels, sent, returned, lost, n, quantiles
  hlog  whole histograms in microseconds, one tagged line per series, interval and
        clock; for HdrHistogram's own tools, and for `azimuth-collector import`
  parquet
        the columns of csv and the bins of the histograms, for pyarrow, DuckDB
        and their like

Without --step the intervals come as they were reported, which the store keeps for
a week; with it they are merged (histograms, never percentiles) and read from the
coarsest tier that fits. Two series are never merged into one.

Examples:
  azimuth-collector export --format csv --from now-6h --country FR --output fr.csv
  azimuth-collector export --format hlog --agent brest-1 --from now-30d --step 1h \\
      --output brest-1.hlog
  azimuth-collector export --format csv --method stamp | gzip > stamp.csv.gz

Exit codes: 0 all of it, or as much as the reader of a pipe took, 1 failed (no file), 2 wrong usage, 3 written, but part of
the range is no longer there or damaged: said on standard error.")]
pub struct ExportArgs {
    /// Address of the collector's API
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = DEFAULT_LISTEN)]
    collector: SocketAddr,
    #[command(flatten)]
    credential: CredentialArgs,
    /// csv, hlog or parquet
    #[arg(long, value_parser = format_of)]
    format: ExportFormat,
    /// File to write, which must not exist yet; `-` is standard output
    #[arg(long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// Start: 2026-11-23T10:00:00Z, or now-6h (units s, m, h, d)
    #[arg(long, value_name = "TIME", default_value = "now-1h")]
    from: String,
    /// End, exclusive
    #[arg(long, value_name = "TIME", default_value = "now")]
    to: String,
    /// Length of the intervals to merge to, a multiple of 10s: 1m, 1h, 1d
    #[arg(long, value_name = "SPAN")]
    step: Option<String>,
    /// The same by the name of a tier of the store
    #[arg(long, conflicts_with = "step", value_parser = ["10s", "1min", "1h", "1day"])]
    tier: Option<String>,
    /// Only these agents; this and the next ones may be repeated
    #[arg(long)]
    agent: Vec<String>,
    /// Only vantage points in these cities
    #[arg(long)]
    city: Vec<String>,
    /// Only vantage points in these countries, ISO 3166-1 alpha-2
    #[arg(long)]
    country: Vec<String>,
    /// Only vantage points in these networks: AS3215, or a name
    #[arg(long)]
    network: Vec<String>,
    /// Only zones of these providers
    #[arg(long)]
    provider: Vec<String>,
    /// Only zones of these regions, provider/region
    #[arg(long)]
    region: Vec<String>,
    /// Only these zones, provider/region/zone
    #[arg(long)]
    zone: Vec<String>,
    /// Only zones in these metropolitan areas
    #[arg(long)]
    metro: Vec<String>,
    /// Only these methods
    #[arg(long)]
    method: Vec<String>,
    /// Only these load labels
    #[arg(long)]
    load: Vec<String>,
    /// Only these flows, from 0
    #[arg(long)]
    flow: Vec<String>,
}

fn format_of(text: &str) -> Result<ExportFormat, String> {
    text.parse()
}

/// 0 when everything asked for is in the file, 3 when some of it no longer exists, else 1 and no file.
pub fn export(args: &ExportArgs) -> ExitCode {
    match take(args) {
        Ok(Some((summary, bytes))) => tell(args, &summary, bytes),
        Ok(None) => ExitCode::SUCCESS,
        Err(line) => {
            eprintln!("{line}");
            ExitCode::FAILURE
        }
    }
}

fn tell(args: &ExportArgs, summary: &ExportSummary, bytes: u64) -> ExitCode {
    let name = if is_standard_output(&args.output) {
        "standard output".to_owned()
    } else {
        args.output.display().to_string()
    };
    eprintln!(
        "{name}: {} records of {} series, {bytes} bytes",
        summary.records, summary.series
    );
    for stretch in &summary.missing_named {
        eprintln!("not in it: {stretch}");
    }
    if summary.missing > summary.missing_named.len() as u64 {
        eprintln!(
            "and {} more",
            summary.missing - summary.missing_named.len() as u64
        );
    }
    if summary.unreadable_reports > 0 {
        eprintln!(
            "not in it: {} reports that cannot be read back",
            summary.unreadable_reports
        );
    }
    if summary.missing > 0 || summary.unreadable_reports > 0 {
        return ExitCode::from(NOT_EVERYTHING);
    }
    ExitCode::SUCCESS
}

/// What is in it, and its bytes; `None` when whoever read from standard output has seen enough, as `head` has.
fn take(args: &ExportArgs) -> Result<Option<(ExportSummary, u64)>, String> {
    if is_standard_output(&args.output) {
        return fetch(args, &mut io::stdout().lock());
    }
    let to = &args.output;
    if to.exists() {
        let to = to.display();
        return Err(format!("{to} exists; give another name, or remove it"));
    }
    let mut unfinished = to.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = PathBuf::from(unfinished);
    let named = |error: io::Error| format!("{}: {error}", unfinished.display());
    let taken = File::create(&unfinished).map_err(named).and_then(|file| {
        let mut file = BufWriter::new(file);
        let taken = fetch(args, &mut file)?;
        file.flush().map_err(named)?;
        fs::rename(&unfinished, to).map_err(named)?;
        Ok(taken)
    });
    if taken.is_err() {
        // What went wrong first is what is worth telling.
        let _ = fs::remove_file(&unfinished);
    }
    taken
}

fn is_standard_output(path: &Path) -> bool {
    path == Path::new("-")
}

fn fetch(args: &ExportArgs, into: &mut dyn Write) -> Result<Option<(ExportSummary, u64)>, String> {
    let client = Client::new(
        args.collector,
        args.credential.read(args.collector.ip().is_loopback())?,
    )?;
    let mut progress = Progress::new(clock::unix_ms());
    let mut nobody_reads = false;
    let mut written = |result: io::Result<()>| {
        result.map_err(|error| {
            nobody_reads |= error.kind() == io::ErrorKind::BrokenPipe;
            format!("{}: {error}", args.output.display())
        })
    };
    let streamed = client.stream(&path_of(args), &mut |bytes| {
        written(into.write_all(bytes))?;
        progress.add(bytes.len() as u64, clock::unix_ms());
        Ok(())
    });
    progress.end();
    let flushed = streamed.and_then(|trailers| written(into.flush()).map(|()| trailers));
    if nobody_reads {
        return Ok(None);
    }
    let trailers = flushed?;
    let summary = trailers
        .get(SUMMARY_TRAILER)
        .and_then(|value| serde_json::from_slice(value.as_bytes()).ok())
        .ok_or_else(|| {
            format!(
                "{} did not say what is in the export; is it a collector of this version?",
                args.collector
            )
        })?;
    Ok(Some((summary, progress.bytes)))
}

fn path_of(args: &ExportArgs) -> String {
    let path = "/api/v1/export?";
    let mut query = form_urlencoded::Serializer::for_suffix(path.to_owned(), path.len());
    query
        .append_pair("format", args.format.as_str())
        .append_pair("from", &args.from)
        .append_pair("to", &args.to);
    let step = args.step.as_deref().or(match args.tier.as_deref() {
        Some("1min") => Some("1m"),
        Some("1day") => Some("1d"),
        other => other,
    });
    if let Some(step) = step {
        query.append_pair("step", step);
    }
    for (name, values) in [
        ("agent", &args.agent),
        ("city", &args.city),
        ("country", &args.country),
        ("network", &args.network),
        ("provider", &args.provider),
        ("region", &args.region),
        ("zone", &args.zone),
        ("metro", &args.metro),
        ("method", &args.method),
        ("load", &args.load),
        ("flow", &args.flow),
    ] {
        for value in values {
            query.append_pair(name, value);
        }
    }
    query.finish()
}

/// How far it is, for a person at a terminal.
struct Progress {
    shown: bool,
    told_at_unix_ms: u64,
    bytes: u64,
}

impl Progress {
    fn new(now_unix_ms: u64) -> Self {
        Self {
            shown: io::stderr().is_terminal(),
            told_at_unix_ms: now_unix_ms,
            bytes: 0,
        }
    }

    fn add(&mut self, bytes: u64, now_unix_ms: u64) {
        self.bytes += bytes;
        if self.shown && now_unix_ms.saturating_sub(self.told_at_unix_ms) >= TELL_EVERY_MS {
            self.told_at_unix_ms = now_unix_ms;
            eprint!("\r{} KiB ", self.bytes / 1_024);
        }
    }

    fn end(&self) {
        if self.shown {
            eprint!("\r\x1b[K");
        }
    }
}
