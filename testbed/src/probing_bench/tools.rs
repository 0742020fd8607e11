//! The probers side by side over the delayed path, each with the truth about its own packets.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Serialize;
use serde_json::Value;

use super::Running;
use super::wire::{SETTLE, Truth, Wired};
use crate::relay::speech::Speech;
use crate::world::fabric::FabricError;

pub(super) const PERIOD_MS: u32 = 10;

/// One prober's figures beside the truth, microseconds; null when it gave none.
#[derive(Debug, Serialize)]
pub struct Bias {
    /// Which.
    pub prober: &'static str,
    /// With a busy loop per core.
    pub busy: bool,
    /// Round trips reported.
    pub n: usize,
    /// Probes whose truth is not known, because an end was not seen or seen twice; 0 in a good run.
    pub unpaired: u64,
    /// As the prober says.
    pub p50_us: Option<f64>,
    /// As the prober says.
    pub p99_us: Option<f64>,
    /// Kernel to kernel.
    pub truth_p50_us: Option<f64>,
    /// Kernel to kernel.
    pub truth_p99_us: Option<f64>,
    /// Said minus true.
    pub bias_p50_us: Option<f64>,
    /// Said minus true.
    pub bias_p99_us: Option<f64>,
}

struct Said {
    n: usize,
    p50_us: Option<f64>,
    p99_us: Option<f64>,
}

type Parser = fn(&str) -> Said;

/// All probers in one condition.
pub(super) fn biases(
    wired: &Wired,
    agent: &Path,
    seconds: u32,
    busy: bool,
) -> Result<Vec<Bias>, FabricError> {
    let far = &wired.far;
    let zone = far.ipv4.to_string();
    let near = wired.near.ipv4.to_string();
    let count = (seconds * 1_000 / PERIOD_MS).to_string();
    let period = PERIOD_MS.to_string();
    let stamp_at = format!("{zone}:8620");
    let _reflector = far.run(|| {
        Running::start(Command::new(agent).args(["reflect", "--listen", &stamp_at, "--allow", &near]))
    })??;
    let _irtt = far.run(|| Running::start(Command::new("irtt").args(["server", "-b", &zone])))??;
    std::thread::sleep(SETTLE);
    let azimuth = command(
        agent,
        &[
            "probe",
            &stamp_at,
            "--count",
            &count,
            "--period-ms",
            &period,
            "--json",
        ],
    );
    let fping = command(
        Path::new("fping"),
        &["-q", "-C", &count, "-p", &period, "-t", "500", &zone],
    );
    let interval = format!("{PERIOD_MS}ms");
    let duration = format!("{seconds}s");
    let irtt = command(
        Path::new("irtt"),
        &["client", "-i", &interval, "-d", &duration, "-Q", "-o", "-", &zone],
    );
    let rows: [(&'static str, Command, Speech, bool, Parser); 3] = [
        ("azimuth stamp", azimuth, Speech::Stamp, true, said_by_agent),
        ("fping", fping, Speech::IcmpEcho, false, said_by_fping),
        ("irtt", irtt, Speech::Irtt, true, said_by_irtt),
    ];
    rows.into_iter()
        .map(|(prober, mut command, speech, subtracts, parse)| {
            let taps = wired.taps()?;
            let output = wired.near.run(move || command.output())??;
            let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
            Ok(row(prober, busy, &parse(&text), &taps.truth(speech, subtracts)?))
        })
        .collect()
}

fn command(program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    command
}

fn row(prober: &'static str, busy: bool, said: &Said, truth: &Truth) -> Bias {
    let us = |share| nearest_rank(&truth.delays_ns, share).map(|ns| ns as f64 / 1e3);
    let (truth_p50_us, truth_p99_us) = (us(0.5), us(0.99));
    let minus = |said: Option<f64>, truth: Option<f64>| said.zip(truth).map(|(said, truth)| said - truth);
    Bias {
        prober,
        busy,
        n: said.n,
        unpaired: truth.unpaired,
        p50_us: said.p50_us,
        p99_us: said.p99_us,
        bias_p50_us: minus(said.p50_us, truth_p50_us),
        bias_p99_us: minus(said.p99_us, truth_p99_us),
        truth_p50_us,
        truth_p99_us,
    }
}

fn said_by_agent(text: &str) -> Said {
    let found: Value = text
        .lines()
        .find_map(|line| serde_json::from_str(line).ok())
        .unwrap_or_default();
    Said {
        n: found["n"].as_u64().unwrap_or(0) as usize,
        p50_us: found["p50_us"].as_f64(),
        p99_us: found["p99_us"].as_f64(),
    }
}

/// `ADDRESS : 1.52 1.53 -`, milliseconds with three digits.
fn said_by_fping(text: &str) -> Said {
    let values = text.rsplit(" : ").next().unwrap_or_default();
    quantiles(
        values
            .split_whitespace()
            .filter_map(|word| word.parse::<f64>().ok())
            .map(|ms| (ms * 1e6) as i64),
    )
}

fn said_by_irtt(text: &str) -> Said {
    let start = text.find('{').unwrap_or(text.len());
    let found: Value = serde_json::Deserializer::from_str(&text[start..])
        .into_iter()
        .next()
        .and_then(Result::ok)
        .unwrap_or_default();
    let trips = found["round_trips"].as_array().cloned().unwrap_or_default();
    quantiles(trips.iter().filter_map(|trip| trip["delay"]["rtt"].as_i64()))
}

fn quantiles(values_ns: impl Iterator<Item = i64>) -> Said {
    let mut sorted: Vec<i64> = values_ns.collect();
    sorted.sort_unstable();
    let us = |share| nearest_rank(&sorted, share).map(|ns| ns as f64 / 1e3);
    Said {
        n: sorted.len(),
        p50_us: us(0.5),
        p99_us: us(0.99),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a rank between 0 and a count far below 2^53"
)]
pub(super) fn nearest_rank(sorted: &[i64], share: f64) -> Option<i64> {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.checked_sub(1)?).copied()
}

/// So that a prober that is not installed is named.
pub(super) fn missing(program: &str, error: &io::Error) -> io::Error {
    io::Error::other(format!(
        "{program}: {error}. On Debian: apt-get install fping irtt"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_probers_own_words_are_understood() {
        let fping = said_by_fping("10.80.2.1 : 1.52 1.54 - 1.53\n");
        assert_eq!((fping.n, fping.p50_us), (3, Some(1_530.0)));
        let irtt =
            said_by_irtt(r#"noise {"round_trips":[{"delay":{"rtt":1500000}},{"lost":"true","delay":{}}]}"#);
        assert_eq!((irtt.n, irtt.p99_us), (1, Some(1_500.0)));
        let agent = said_by_agent(r#"{"n":7,"p50_us":1501,"p99_us":null}"#);
        assert_eq!((agent.n, agent.p50_us, agent.p99_us), (7, Some(1_501.0), None));
    }
}
