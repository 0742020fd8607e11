//! `azimuth-agent throughput`: one test a direction, now, for a person at a terminal. On a terminal a line tells how it goes; at the
//! end there are sentences, or JSON.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use azimuth_measurement::throughput::Reading;
use azimuth_measurement::{
    AgentId, Method, PhaseDelays, StopReason, ThroughputResult, TransferDirection, TransferLimit,
};
use clap::Args;
use serde_json::{Value, json};

use super::client::Order;
use super::estimator::Limits;
use super::phases::{self, Probing, Step};
use super::reflector::DEFAULT_NAME;
use super::tickets::Tickets;
use crate::cli::STAMP_PORT;
use crate::clock::{self, Monotonic, NS_PER_MS};
use crate::config::collector::collector_address;
use crate::identity::Identity;
use crate::key_file;
use crate::oneshot::target;

/// A test failed.
const FAILED: u8 = 1;
/// It could not be tried.
const WRONG: u8 = 2;
/// How often the line is drawn anew.
const DRAW_NS: i64 = 100 * NS_PER_MS;

/// `throughput`.
#[derive(Args, Clone, Debug)]
pub struct ThroughputArgs {
    /// Address or name of a reflector's throughput port: 203.0.113.10, [2001:db8::1]:8621, zone-a.example.net
    #[arg(value_name = "TARGET")]
    pub target: String,
    /// Only from the target to here
    #[arg(long, conflicts_with_all = ["up", "both"])]
    pub down: bool,
    /// Only from here to the target
    #[arg(long, conflicts_with = "both")]
    pub up: bool,
    /// First down, then up [default]
    #[arg(long)]
    pub both: bool,
    /// Go on for 8 s or 250 MB, however soon the rate has settled
    #[arg(long)]
    pub deep: bool,
    /// Most octets of a direction [default: 10000000; with --deep 250000000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(10_000..=100_000_000_000))]
    pub max_bytes: Option<u64>,
    /// Ask the collector that this host has joined for tickets, with the identity in this file
    #[arg(long, value_name = "FILE", conflicts_with = "key_file")]
    pub identity: Option<PathBuf>,
    /// Make tickets with the key in this file (hexadecimal digits), the reflector's --throughput-key-file
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// The reflector's name in tickets, its --throughput-name [default: with --key-file reflector, with --identity the one that
    /// it says]
    #[arg(long, value_name = "NAME")]
    pub reflector_name: Option<AgentId>,
    /// Congestion control of the upload, for example bbr or cubic [default: the system's]
    #[arg(long, value_name = "NAME")]
    pub congestion_control: Option<String>,
    /// UDP port of the STAMP reflector beside it
    #[arg(long, value_name = "PORT", default_value_t = STAMP_PORT)]
    pub stamp_port: u16,
    /// Sign the STAMP probes with the key in this file
    #[arg(long, value_name = "FILE")]
    pub stamp_key_file: Option<PathBuf>,
    /// Send no probes beside it: for an ndt7 server that is no reflector
    #[arg(long)]
    pub no_probes: bool,
    /// Print one JSON object a line and direction
    #[arg(long)]
    pub json: bool,
}

impl ThroughputArgs {
    fn directions(&self) -> &'static [TransferDirection] {
        match (self.down, self.up) {
            (true, _) => &[TransferDirection::Download],
            (_, true) => &[TransferDirection::Upload],
            _ => TransferDirection::ALL,
        }
    }

    fn tickets(&self) -> anyhow::Result<Option<Tickets>> {
        if let Some(file) = &self.identity {
            let identity = Identity::load(file)?;
            let collector = collector_address(&identity.collector)
                .with_context(|| format!("{:?} is not the address of a collector", identity.collector))?;
            return Ok(Some(Tickets::Collector {
                identity: file.clone(),
                collector,
                reflector: self.reflector_name.clone(),
            }));
        }
        let Some(file) = &self.key_file else {
            return Ok(None);
        };
        let reflector = match &self.reflector_name {
            Some(name) => name.clone(),
            None => DEFAULT_NAME.parse()?,
        };
        let key = key_file::read(file)?;
        Ok(Some(Tickets::Shared { key, reflector }))
    }

    fn limits(&self) -> Limits {
        let usual = if self.deep { Limits::DEEP } else { Limits::USUAL };
        Limits {
            max_bytes: self.max_bytes.unwrap_or(usual.max_bytes),
            ..usual
        }
    }
}

/// Tests and prints. Exit code 0 if every direction has a rate, 1 if one failed, 2 if it could not be tried.
///
/// # Errors
/// When the target means nothing, a key cannot be read, or the probes cannot be sent.
pub async fn run(args: &ThroughputArgs) -> anyhow::Result<ExitCode> {
    let (found, wrong) = target::resolve_all(std::slice::from_ref(&args.target), Method::TcpConnect);
    for error in &wrong {
        eprintln!("azimuth-agent: {error:#}");
    }
    let Some(found) = found.into_iter().next() else {
        return Ok(ExitCode::from(WRONG));
    };
    let tickets = args.tickets()?;
    // A person has no agent of their own; the key says who may.
    let person = "terminal".parse()?;
    let probing = Probing {
        to: (found.address.ip(), args.stamp_port).into(),
        key: args.stamp_key_file.as_deref().map(key_file::read).transpose()?,
    };
    let probing = (!args.no_probes).then_some(&probing);
    let limits = args.limits();
    let stop = Arc::new(AtomicBool::new(false));
    let of_signal = Arc::clone(&stop);
    let listening = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            of_signal.store(true, Ordering::Release);
        }
    });
    let mut all_have_a_rate = true;
    for direction in args.directions() {
        if stop.load(Ordering::Acquire) {
            break;
        }
        let mut order = Order {
            to: found.address,
            host: authority(&found.host, found.address.port()),
            direction: *direction,
            limits,
            ticket: None,
            congestion_control: args.congestion_control.clone(),
        };
        let mut line = Line::new(*direction, !args.json && std::io::stderr().is_terminal());
        let ticket = match &tickets {
            Some(tickets) => tickets.take(&person, &order).await.map(Some),
            None => Ok(None),
        };
        let (result, trouble) = match ticket {
            Err((stop, trouble)) => (phases::not_begun(&order, stop), Some(trouble)),
            Ok(ticket) => {
                order.ticket = ticket;
                let tested = phases::run(&order, probing, &stop, &mut |step| {
                    line.draw(step, clock::monotonic());
                })
                .await;
                line.clear();
                tested?
            }
        };
        all_have_a_rate &= result.reading() != Reading::Failed;
        let mut out = std::io::stdout().lock();
        if args.json {
            writeln!(out, "{}", json(&args.target, &order, &result, trouble.as_deref()))?;
        } else {
            write!(out, "{}", sentences(&args.target, &result, trouble.as_deref()))?;
        }
    }
    listening.abort();
    Ok(ExitCode::from(if all_have_a_rate { 0 } else { FAILED }))
}

fn authority(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// One line on standard error, drawn over itself.
struct Line {
    direction: TransferDirection,
    live: bool,
    drawn_at: Option<Monotonic>,
}

impl Line {
    fn new(direction: TransferDirection, live: bool) -> Self {
        Self {
            direction,
            live,
            drawn_at: None,
        }
    }

    fn draw(&mut self, step: Step, now: Monotonic) {
        let early = |at: Monotonic| now.since_ns(at) < DRAW_NS;
        if !self.live || matches!(step, Step::Load(1.., _)) && self.drawn_at.is_some_and(early) {
            return;
        }
        self.drawn_at = Some(now);
        let said = match step {
            Step::Quiet => "probing the quiet path".to_owned(),
            Step::Load(bps, bytes) => format!("{}, {} moved", rate(bps), amount(bytes)),
            Step::Drain => "probing while queues drain".to_owned(),
        };
        // A terminal that went away ends the run by its own signal.
        let _ = write!(std::io::stderr(), "\r\x1b[K{}: {said}", self.direction);
    }

    fn clear(&self) {
        if self.live && self.drawn_at.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

fn sentences(target: &str, result: &ThroughputResult, trouble: Option<&str>) -> String {
    let arrow = match result.direction {
        TransferDirection::Download => "from",
        TransferDirection::Upload => "to",
    };
    let head = format!("{} {arrow} {target}: ", result.direction);
    let mut text = match result.reading() {
        Reading::Estimate => format!("{head}{}\n", rate(result.bps)),
        Reading::LowerBound => format!(
            "{head}at least {} (a lower bound: {})\n",
            rate(result.bps),
            why(result.stop)
        ),
        Reading::Failed => {
            let why = trouble.unwrap_or_else(|| why(result.stop));
            return format!("{head}failed: {why}\n");
        }
    };
    let seconds = f64::from(result.duration_us) / 1e6;
    text += &format!(
        "  {} in {seconds:.2} s, stopped: {}",
        amount(result.bytes),
        result.stop
    );
    if let Some(sender) = &result.sender {
        let name = &sender.congestion_control;
        if !name.is_empty() {
            text += &format!("; {name}");
        }
        text += &format!(", {} sent again", amount(sender.retransmitted_bytes));
        if let Some(limit) = sender.limited_by {
            text += &format!(", limited by: {limit}");
        }
    }
    text += "\n";
    for (name, phase) in [
        ("idle", &result.idle),
        ("loaded", &result.loaded),
        ("after", &result.drained),
    ] {
        text += &delays(name, phase);
    }
    if let (Some(added_us), Some(rpm)) = (result.added_delay_us(), result.responsiveness_rpm()) {
        // Rounded first: there is no minus nothing.
        let added_ms = (added_us as f64 / 100.0).round() / 10.0 + 0.0;
        text += &format!(
            "  the load adds {added_ms:.1} ms at the median; {rpm} round trips a minute under load (UDP)\n"
        );
    }
    text
}

fn delays(name: &str, phase: &PhaseDelays) -> String {
    let quantile = |share| {
        phase
            .quantile_us(share)
            .map(|us| format!("{:.1}", f64::from(us) / 1e3))
    };
    match (quantile(0.5), quantile(0.95), quantile(0.99)) {
        (Some(p50), Some(p95), Some(p99)) => format!(
            "  {name:<6} round trip p50 {p50} ms, p95 {p95} ms, p99 {p99} ms (n = {}, {} of {} lost)\n",
            phase.delays.count(),
            phase.lost,
            phase.sent
        ),
        _ if phase.sent > 0 => format!(
            "  {name:<6} no answer to {} probes (is a STAMP reflector there?)\n",
            phase.sent
        ),
        _ => String::new(),
    }
}

fn why(stop: StopReason) -> &'static str {
    match stop {
        StopReason::Stable => "the rate had settled",
        StopReason::ByteCap => "it had moved all it may before the rate settled; see --max-bytes and --deep",
        StopReason::TimeCap => "its time was over before the rate settled; see --deep",
        StopReason::Aborted => "it was stopped",
        StopReason::PeerClosed => "the other end closed",
        StopReason::Stalled => "nothing moved any more",
        StopReason::Refused => "the other end would not begin",
        StopReason::Unreachable => "there was no connection",
        StopReason::Losses => {
            "it lost packets before its queue was full: by this congestion control a long transfer settles lower than a short one"
        }
        StopReason::Malformed => "the other end does not speak ndt7",
    }
}

fn rate(bps: u64) -> String {
    scaled(bps as f64, "bit/s")
}

fn amount(bytes: u64) -> String {
    scaled(bytes as f64, "B")
}

fn scaled(number: f64, unit: &str) -> String {
    for (step, prefix) in [(1e9, "G"), (1e6, "M"), (1e3, "k")] {
        if number >= step {
            return format!("{:.1} {prefix}{unit}", number / step);
        }
    }
    format!("{number:.0} {unit}")
}

fn json(target: &str, order: &Order, result: &ThroughputResult, trouble: Option<&str>) -> Value {
    let phase = |phase: &PhaseDelays| {
        json!({
            "sent": phase.sent,
            "lost": phase.lost,
            "n": phase.delays.count(),
            "p50_us": phase.quantile_us(0.5),
            "p95_us": phase.quantile_us(0.95),
            "p99_us": phase.quantile_us(0.99),
        })
    };
    json!({
        "target": target,
        "address": order.to.to_string(),
        "transport": "tcp",
        "direction": result.direction.as_str(),
        "at_unix_ms": result.at_unix_ms,
        "reading": result.reading().as_str(),
        "bps": (result.bps > 0).then_some(result.bps),
        "stop": result.stop.as_str(),
        "trouble": trouble,
        "bytes": result.bytes,
        "duration_us": result.duration_us,
        "sender": result.sender.as_ref().map(|sender| json!({
            "congestion_control": sender.congestion_control,
            "retransmitted_bytes": sender.retransmitted_bytes,
            "min_rtt_us": sender.min_rtt_us,
            "limited_by": sender.limited_by.map(TransferLimit::as_str),
        })),
        "clock": result.clock.as_str(),
        "idle": phase(&result.idle),
        "loaded": phase(&result.loaded),
        "drained": phase(&result.drained),
        "added_delay_us": result.added_delay_us(),
        "responsiveness_rpm": result.responsiveness_rpm(),
    })
}
