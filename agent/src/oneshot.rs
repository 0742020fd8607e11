//! `azimuth-agent probe`: measures what a person names, now, with the same thread, sockets and judgement as the daemon.
//! On a terminal the board is drawn anew while it runs; at the end it is a table, a ranking, or JSON.

pub mod board;
pub mod leaving;
pub mod outcome;
pub mod ranking;
pub mod target;
pub mod zones;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use azimuth_measurement::Method;
use tokio::sync::mpsc;

use self::board::{Colour, board};
use self::outcome::Outcome;
use self::target::Target;
use crate::cli::ProbeArgs;
use crate::clock::{self, NS_PER_MS};
use crate::key_file;
use crate::probe::SeriesPlan;
use crate::probe::contract::Strays;
use crate::probe::exchange::{DnsKind, Request, sides};
use crate::probe::lane::Lane;
use crate::prober::{Delivery, Prober, Refusals};
use crate::schedule::Pace;
use crate::tally::SeriesTally;

/// How often the board is drawn anew; the shortest interval there is.
const INTERVAL_MS: u32 = 1_000;
const CHANNEL: usize = 64;
/// Lines of the board while it runs: what fits on any terminal. At the end all are shown.
const LIVE_LINES: usize = 18;
/// As of ping: not everything answered.
const SILENT: u8 = 1;
/// As of ping: something could not be tried.
const WRONG: u8 = 2;

/// Measures and prints. Exit code 0 if every target answered, 1 if one did not, 2 if one could not be tried.
///
/// # Errors
/// When no target means anything or the sockets cannot be had.
pub async fn run(args: &ProbeArgs) -> anyhow::Result<ExitCode> {
    let mut args = args.clone();
    let (targets, wrong) = match args.zones.clone() {
        None => target::resolve_all(&args.targets, args.method()),
        Some(selector) => {
            let catalogue = zones::catalogue(args.catalogue.as_deref())?;
            let choice = zones::choose(&catalogue, &selector, &args)?;
            if let Some(left_out) = choice.left_out() {
                eprintln!("azimuth-agent: {left_out}");
            }
            if args.list {
                write!(std::io::stdout().lock(), "{}", choice.list(args.json))?;
                return Ok(ExitCode::SUCCESS);
            }
            args.period_ms = args.period_ms.or(Some(choice.least_period_ms));
            choice.targets()
        }
    };
    let args = &args;
    for error in &wrong {
        eprintln!("azimuth-agent: {error:#}");
    }
    if targets.is_empty() {
        return Ok(ExitCode::from(WRONG));
    }
    let (targets, lanes): (Vec<_>, Vec<_>) = leaving::flows(targets, args)?.into_iter().unzip();
    let plans = plans(&targets, lanes, args)?;
    let (out, intervals) = mpsc::channel(CHANNEL);
    let prober = Prober::start_eager(&plans, INTERVAL_MS, out)?;
    let live = !args.json && std::io::stdout().is_terminal();
    let found = collect(&prober, intervals, &targets, args.method(), live).await?;
    let refusals = prober.refusals();
    let strays = prober.join().context("the probing thread panicked")?;
    let outcomes = outcomes(&targets, args.method(), &found)?;
    print(&outcomes, &leads(&found, args.method()), args, live)?;
    if !args.json {
        say_strays(strays, refusals);
    }
    Ok(match outcomes.iter().all(|outcome| outcome.returned > 0) {
        _ if !wrong.is_empty() => ExitCode::from(WRONG),
        true => ExitCode::SUCCESS,
        false => ExitCode::from(SILENT),
    })
}

/// Targets take turns within a period, so that many of them are no burst.
fn plans(targets: &[Target], lanes: Vec<Lane>, args: &ProbeArgs) -> anyhow::Result<Vec<SeriesPlan>> {
    let key = args.key_file.as_deref().map(key_file::read).transpose()?;
    let count = args.duration_s.map_or(args.count(), |duration_s| {
        (duration_s * 1_000 / u64::from(args.period_ms())).max(1)
    });
    let period_ns = i64::from(args.period_ms()) * NS_PER_MS;
    let turn_ns = period_ns / i64::try_from(targets.len().max(1)).unwrap_or(i64::MAX);
    let turns = (0..).map(|turn| turn * turn_ns);
    let turning = targets.iter().zip(lanes).zip(turns);
    let plans = turning.map(|((target, lane), phase_ns)| SeriesPlan {
        address: target.address,
        method: args.method(),
        period_ms: args.period_ms(),
        pace: Pace::Periodic,
        phase_ns,
        waiting_time_ms: args.waiting_time_ms,
        limit: Some(count),
        follow_up: true,
        // Sixteen octets more, which a length that was asked for may have no room for.
        direct_measurement: args.leaving.payload_bytes.is_none(),
        key: key.clone(),
        lane,
        request: request(target, args),
        backs_off: None,
    });
    Ok(plans.collect())
}

fn request(target: &Target, args: &ProbeArgs) -> Option<Request> {
    let server_name = || Arc::from(args.server_name.as_deref().unwrap_or(&target.host));
    match args.method() {
        Method::TlsHandshake => Some(Request::Tls {
            server_name: server_name(),
        }),
        Method::HttpsFirstByte => Some(Request::Https {
            server_name: server_name(),
            path: Arc::from(args.path.as_str()),
        }),
        Method::DnsQuery => Some(Request::Dns {
            // The command line asks for it.
            question: Arc::from(args.question.as_deref()?),
            kind: DnsKind::A,
        }),
        Method::Stamp | Method::IcmpEcho | Method::TcpConnect => None,
    }
}

async fn collect(
    prober: &Prober,
    mut intervals: mpsc::Receiver<Delivery>,
    targets: &[Target],
    method: Method,
    live: bool,
) -> anyhow::Result<Vec<SeriesTally>> {
    // The series of a target's sides follow the one that leads.
    let mut found = vec![SeriesTally::default(); targets.len() * width(method)];
    let mut screen = Screen::default();
    loop {
        let delivery = tokio::select! {
            delivery = intervals.recv() => delivery,
            // Ctrl-C ends the sending; what was measured until then is still shown.
            _ = tokio::signal::ctrl_c() => { prober.stopper().stop(); continue }
        };
        let Some(delivery) = delivery else { break };
        for (found, series) in found.iter_mut().zip(delivery.closed.series) {
            found.counts = found
                .counts
                .plus(&series.counts)
                .context("a counter overflowed")?;
            found.delays_us.extend(series.delays_us);
            found.certificate_ends_unix_s = series.certificate_ends_unix_s.or(found.certificate_ends_unix_s);
        }
        if live {
            screen.draw(&board(
                &outcomes(targets, method, &found)?,
                &leads(&found, method),
                LIVE_LINES,
                colour(),
            ))?;
        }
    }
    screen.draw("")?;
    Ok(found)
}

/// Series of one target.
fn width(method: Method) -> usize {
    1 + sides(method).len()
}

fn leads(found: &[SeriesTally], method: Method) -> Vec<SeriesTally> {
    found.iter().step_by(width(method)).cloned().collect()
}

fn outcomes(targets: &[Target], method: Method, found: &[SeriesTally]) -> anyhow::Result<Vec<Outcome>> {
    let now_unix_s = clock::wall().unix_ms() / 1_000;
    targets
        .iter()
        .zip(found.chunks(width(method)))
        .map(|(target, found)| {
            let (lead, beside) = found.split_first().context("a target without a series")?;
            Outcome::new(target, method, lead)?.with_sides(sides(method), beside, lead, now_unix_s)
        })
        .collect()
}

/// JSON: one object a line. Otherwise one target has a table of its own, several the board and their ranking.
fn print(outcomes: &[Outcome], found: &[SeriesTally], args: &ProbeArgs, live: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let colour = if live { colour() } else { Colour::Never };
    match outcomes {
        _ if args.json => {
            for outcome in outcomes {
                writeln!(out, "{}", serde_json::to_string(outcome)?)?;
            }
        }
        [outcome] => write!(out, "{}", outcome.table(args.period_ms()))?,
        _ => {
            writeln!(
                out,
                "{} round-trip delay, one probe every {} ms to each of {} targets\n",
                args.method(),
                args.period_ms(),
                outcomes.len()
            )?;
            writeln!(out, "{}", board(outcomes, found, usize::MAX, colour))?;
            write!(out, "{}", board::ranking(outcomes, found, colour))?;
            for outcome in outcomes {
                for (count, meaning) in outcome.remarks() {
                    if count > 0 {
                        writeln!(out, "\n  {}: {count} {meaning}", outcome.target)?;
                    }
                }
            }
        }
    }
    Ok(())
}

fn say_strays(strays: Strays, refusals: Refusals) {
    if strays.foreign + strays.unknown_peer + strays.unreadable + strays.unauthentic > 0 {
        eprintln!("ignored: {strays:?}");
    }
    if refusals != Refusals::default() {
        eprintln!("refused by this host: {refusals:?}");
    }
}

/// As <https://no-color.org> asks.
pub(crate) fn colour() -> Colour {
    match std::env::var_os("NO_COLOR") {
        Some(value) if !value.is_empty() => Colour::Never,
        _ => Colour::Ansi,
    }
}

/// Text that replaces itself.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    lines: usize,
}

impl Screen {
    pub(crate) fn draw(&mut self, text: &str) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        if self.lines > 0 {
            // Up by as many lines, then clear to the end of the screen (ECMA-48 CUU, ED).
            write!(out, "\x1b[{}A\x1b[J", self.lines)?;
        }
        self.lines = text.matches('\n').count();
        write!(out, "{text}")?;
        out.flush()
    }
}
