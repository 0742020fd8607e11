//! `azimuth-agent doctor`: tries each method with real packets to a reflector and servers of its own on loopback, and says which work,
//! which clock stamps them, and what to do about the rest.
//!
//! Real packets, because a socket option that is accepted proves nothing: there are systems that take `SO_TIMESTAMPING`
//! and never deliver a stamp.

mod servers;
mod standing;

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;

use anyhow::Context;
use azimuth_measurement::{Accumulator, Method, ProbeCounts, StampClock};
use serde::Serialize;
use tokio::sync::mpsc;

use self::servers::{NAME, Servers};
use crate::config::Config;
use crate::icmp::Family;
use crate::net::clock_error::clock_error_ns;
use crate::net::icmp::EchoSocket;
use crate::probe::SeriesPlan;
use crate::probe::exchange::{DnsKind, Request, sides};
use crate::probe::lane::Lane;
use crate::prober::Prober;
use crate::reflect::serve::Reflector;
use crate::reflect::{Allowed, DEFAULT_MAX_PER_SECOND};
use crate::schedule::Pace;
use crate::tally::SeriesTally;
use crate::web::Trust;

/// One interval of a day holds the whole examination.
const INTERVAL_MS: u32 = 86_400_000;
const CHANNEL: usize = 8;
const PROBES: u64 = 20;
const PERIOD_MS: u32 = 20;
const WAITING_TIME_MS: u32 = 500;

/// How one method fared over one address family.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The method.
    pub method: &'static str,
    /// `IPv4` or `IPv6`.
    pub family: &'static str,
    /// Whether any probe was answered.
    pub works: bool,
    /// The worst clock that stamped any of its delays.
    pub clock: Option<&'static str>,
    /// Probes handed to the network.
    pub sent: u64,
    /// Probes answered.
    pub returned: u64,
    /// Median delay of the answers by the best clock, over loopback, microseconds.
    pub p50_us: Option<u32>,
    /// What to do about it; nothing if all is well.
    pub remedy: Option<String>,
}

/// Examines and prints; with a configuration also as whom and by which plan this host measures. 0 if every method works with the
/// clock it should have, and nothing else needs a remedy, 1 if not.
///
/// # Errors
/// When not even loopback over IPv4 can be listened at.
pub fn run(config: Option<&Config>, json: bool) -> anyhow::Result<ExitCode> {
    let findings = examine()?;
    let standings = config.map(standing::examine);
    let text = match (json, &standings) {
        (true, None) => serde_json::to_string(&findings)? + "\n",
        (true, Some(standings)) => {
            serde_json::json!({ "methods": findings, "standing": standings }).to_string() + "\n"
        }
        (false, standings) => format!(
            "{}\n  {}\n{}",
            table(&findings),
            clock(clock_error_ns()),
            standings.as_deref().map(standing::table).unwrap_or_default()
        ),
    };
    // A reader that left has nothing more to be told; the exit code still says how it is.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    let well = findings.iter().all(|finding| finding.remedy.is_none())
        && standings.is_none_or(|all| all.iter().all(|standing| standing.remedy.is_none()));
    Ok(if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn examine() -> anyhow::Result<Vec<Finding>> {
    let v4 = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let v6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
    let start = |at| {
        Reflector::start(
            &[SocketAddr::new(at, 0)],
            &[SocketAddr::new(at, 0)],
            Allowed::Any,
            DEFAULT_MAX_PER_SECOND,
            None,
        )
    };
    let reflector = start(v4).context("a reflector on 127.0.0.1")?;
    // A host may do without IPv6; that is no illness of the agent.
    let six = start(v6);
    let reflectors = std::iter::once(&reflector).chain(&six);
    let servers = Servers::start()?;
    let mut plans: Vec<SeriesPlan> = reflectors
        .flat_map(|reflector| {
            let stamp = reflector.udp.iter().map(|at| plan(*at, Method::Stamp));
            let echo = reflector
                .udp
                .iter()
                .map(|at| plan(SocketAddr::new(at.ip(), 0), Method::IcmpEcho));
            let connect = reflector.tcp.iter().map(|at| plan(*at, Method::TcpConnect));
            stamp.chain(echo).chain(connect).collect::<Vec<_>>()
        })
        .collect();
    let server_name: std::sync::Arc<str> = NAME.into();
    let exchanges = [
        (
            servers.tls,
            Method::TlsHandshake,
            Request::Tls {
                server_name: server_name.clone(),
            },
        ),
        (
            servers.https,
            Method::HttpsFirstByte,
            Request::Https {
                server_name,
                path: "/".into(),
            },
        ),
        (
            servers.resolver,
            Method::DnsQuery,
            Request::Dns {
                question: NAME.into(),
                kind: DnsKind::A,
            },
        ),
    ];
    plans.extend(exchanges.map(|(at, method, request)| SeriesPlan {
        request: Some(request),
        ..plan(at, method)
    }));
    let (out, mut intervals) = mpsc::channel(CHANNEL);
    let prober = Prober::start_believing(&plans, INTERVAL_MS, out, servers.trust)?;
    prober.join().context("the probing thread panicked")?;
    let mut tallies = vec![SeriesTally::default(); plans.len()];
    while let Ok(delivery) = intervals.try_recv() {
        let mut all = delivery.closed.series.into_iter();
        for (tally, plan) in tallies.iter_mut().zip(&plans) {
            // After it come the series of its sides.
            let Some(series) = all.next() else { break };
            all.by_ref().take(sides(plan.method).len()).for_each(drop);
            tally.counts = tally
                .counts
                .plus(&series.counts)
                .context("a counter overflowed")?;
            tally.delays_us.extend(series.delays_us);
        }
    }
    let mut findings: Vec<Finding> = plans
        .iter()
        .zip(&tallies)
        .map(|(plan, tally)| judge(plan, tally, || why_no_echo(plan)))
        .collect();
    let unbelieving = authorities(Trust::of_the_system().believed());
    for finding in &mut findings {
        if [Method::TlsHandshake, Method::HttpsFirstByte]
            .map(Method::as_str)
            .contains(&finding.method)
        {
            finding.remedy = finding.remedy.take().or_else(|| unbelieving.clone());
        }
    }
    if let Err(error) = six {
        findings.extend([Method::Stamp, Method::IcmpEcho, Method::TcpConnect].map(|method| Finding {
            method: method.as_str(),
            family: "IPv6",
            works: false,
            clock: None,
            sent: 0,
            returned: 0,
            p50_us: None,
            remedy: Some(format!("{error}. If this host should have IPv6, switch it on (`sysctl net.ipv6.conf.all.disable_ipv6`)")),
        }));
    }
    Ok(findings)
}

/// What TLS needs of this host beside a way: authorities to believe. The doctor's own server is believed without any.
fn authorities(believed: usize) -> Option<String> {
    let remedy = "This host believes no authority, so every certificate would be untrusted: install ca-certificates, or name a \
                  file with SSL_CERT_FILE";
    (believed == 0).then(|| remedy.to_owned())
}

fn plan(address: SocketAddr, method: Method) -> SeriesPlan {
    SeriesPlan {
        address,
        method,
        period_ms: PERIOD_MS,
        pace: Pace::Periodic,
        phase_ns: 0,
        waiting_time_ms: WAITING_TIME_MS,
        limit: Some(PROBES),
        follow_up: true,
        direct_measurement: false,
        key: None,
        lane: Lane::default(),
        request: None,
        backs_off: None,
    }
}

/// Why there is no socket for echoes; `None` if there is one.
fn why_no_echo(plan: &SeriesPlan) -> Option<String> {
    let family = if plan.address.is_ipv4() {
        Family::V4
    } else {
        Family::V6
    };
    EchoSocket::<()>::open(family, &Lane::default(), 0)
        .err()
        .map(|absent| absent.to_string())
}

fn judge(plan: &SeriesPlan, tally: &SeriesTally, why_no_echo: impl FnOnce() -> Option<String>) -> Finding {
    let counts = tally.counts;
    // Best first: the worst clock is the one to do something about.
    let clock = tally.delays_us.iter().map(|(clock, _)| *clock).max();
    let mut delays = Accumulator::new();
    if let Some((_, best)) = tally.to_record(0).unwrap_or_default().delays.first() {
        // Twenty delays do not overflow a histogram.
        let _ = delays.add(best);
    }
    Finding {
        method: plan.method.as_str(),
        family: if plan.address.is_ipv4() { "IPv4" } else { "IPv6" },
        works: counts.returned > 0,
        clock: clock.map(StampClock::as_str),
        sent: counts.sent,
        returned: counts.returned,
        p50_us: delays.quantile_us(0.5),
        remedy: remedy(plan.method, counts, clock, why_no_echo),
    }
}

fn remedy(
    method: Method,
    counts: ProbeCounts,
    clock: Option<StampClock>,
    why_no_echo: impl FnOnce() -> Option<String>,
) -> Option<String> {
    if counts.sent == 0 {
        let why = (method == Method::IcmpEcho).then(why_no_echo).flatten();
        return Some(why.unwrap_or_else(|| {
            "This host refused to send to itself: is the loopback interface up (`ip link show lo`)?"
                .to_owned()
        }));
    }
    if counts.returned == 0 {
        return Some(match method {
            Method::IcmpEcho => {
                "Sent, but not answered: is `net.ipv4.icmp_echo_ignore_all` set, or a firewall in the way (`nft list ruleset`)?"
            }
            _ => "Sent, but not answered: is a firewall in the way, even on loopback (`nft list ruleset`)?",
        }
        .to_owned());
    }
    match clock {
        Some(StampClock::Kernel | StampClock::TcpInfo) => None,
        // Exchanges of several steps have no other clock.
        Some(StampClock::User) if !sides(method).is_empty() => None,
        Some(StampClock::KernelRx) => Some(
            "Some probes came without a kernel stamp on sending: was the host very busy, or does its kernel not stamp? \
             Run it again when idle"
                .to_owned(),
        ),
        Some(StampClock::User) => Some(
            "Some delays were timed in userspace: the kernel did not stamp arrivals. Is this Linux 4.6 or later, and not \
             a sandbox that emulates it (gVisor)?"
                .to_owned(),
        ),
        None => Some("Answered, but without a delay to trust: is the wall clock being stepped?".to_owned()),
    }
}

/// What the kernel says of the wall clock. Only one-way delay needs it, so that it is no illness not to have it.
fn clock(error_ns: Option<i64>) -> String {
    match error_ns {
        Some(error_ns) => format!(
            "The wall clock is kept, and off by at most {:.3} ms: one-way delays are told with that error and the reflector's.",
            error_ns as f64 / 1e6
        ),
        None => "Nobody keeps the wall clock: one-way delays stay unknown. For them, run chrony, ntpd or systemd-timesyncd, \
                 and permit the call adjtimex where calls are filtered."
            .to_owned(),
    }
}

fn table(findings: &[Finding]) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "  {:<16} {:<6} {:<8} {:<9} {:>9}  {:>12}",
        "method", "over", "works", "clock", "answered", "p50 ms"
    );
    for finding in findings {
        let _ = writeln!(
            text,
            "  {:<16} {:<6} {:<8} {:<9} {:>9}  {:>12}",
            finding.method,
            finding.family,
            if finding.works { "yes" } else { "no" },
            finding.clock.unwrap_or("-"),
            format!("{}/{}", finding.returned, finding.sent),
            finding
                .p50_us
                .map_or_else(|| "-".to_owned(), |us| format!("{:.3}", f64::from(us) / 1_000.0)),
        );
    }
    let mut said: Vec<&str> = Vec::new();
    for finding in findings {
        if let Some(remedy) = &finding.remedy
            && !said.contains(&remedy.as_str())
        {
            said.push(remedy);
            let _ = writeln!(text, "\n  {} over {}: {remedy}", finding.method, finding.family);
        }
    }
    if said.is_empty() {
        let _ = writeln!(text, "\n  Every method works, and the kernel stamps what it can.");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(method: Method, counts: ProbeCounts, delays_us: Vec<(StampClock, u32)>) -> Finding {
        let plan = plan("127.0.0.1:0".parse().expect("an address"), method);
        judge(
            &plan,
            &SeriesTally {
                counts,
                delays_us,
                certificate_ends_unix_s: None,
            },
            || Some("no right to ping".to_owned()),
        )
    }

    #[test]
    fn each_illness_has_its_remedy_and_health_has_none() {
        let counts = |sent, returned| ProbeCounts {
            sent,
            returned,
            ..ProbeCounts::default()
        };
        let kernel = vec![(StampClock::Kernel, 5)];
        let well = judged(Method::Stamp, counts(1, 1), kernel.clone());
        assert_eq!(
            (well.works, well.clock, well.p50_us, &well.remedy),
            (true, Some("kernel"), Some(5), &None)
        );
        let ill = [
            (Method::IcmpEcho, counts(0, 0), vec![], "no right to ping"),
            (Method::Stamp, counts(0, 0), vec![], "loopback interface"),
            (Method::IcmpEcho, counts(2, 0), vec![], "icmp_echo_ignore_all"),
            (Method::Stamp, counts(2, 0), vec![], "firewall"),
            (
                Method::Stamp,
                counts(2, 2),
                vec![(StampClock::User, 9), kernel[0]],
                "userspace",
            ),
            (
                Method::Stamp,
                counts(2, 2),
                vec![(StampClock::KernelRx, 9), kernel[0]],
                "on sending",
            ),
            (Method::Stamp, counts(1, 1), vec![], "clock being stepped"),
        ];
        let userspace = vec![(StampClock::User, 9)];
        assert_eq!(judged(Method::DnsQuery, counts(1, 1), userspace).remedy, None);
        assert_eq!(authorities(1), None);
        let nobody = authorities(0).unwrap_or_default();
        assert!(nobody.contains("ca-certificates"), "{nobody}");
        for (method, counts, delays_us, expected) in ill {
            let remedy = judged(method, counts, delays_us).remedy.unwrap_or_default();
            assert!(remedy.contains(expected), "{method} {counts:?}: {remedy}");
        }
    }

    #[test]
    fn exchanges_are_tried_with_servers_of_its_own() {
        let findings = examine().expect("loopback");
        for method in [Method::TlsHandshake, Method::HttpsFirstByte, Method::DnsQuery] {
            let found: Vec<_> = findings
                .iter()
                .filter(|finding| finding.method == method.as_str())
                .collect();
            let [finding] = found[..] else {
                unreachable!("one each: {findings:?}");
            };
            // On a busy machine slots are skipped, never squeezed in later, so how many leave is the machine's to say.
            assert!(finding.works && finding.returned > 0, "{finding:?}");
            assert_eq!(finding.clock, Some("user"), "{finding:?}");
        }
    }

    #[test]
    fn the_clock_is_told_or_what_to_do_about_it() {
        let kept = clock(Some(1_250_000));
        assert!(kept.contains("at most 1.250 ms"), "{kept}");
        assert!(clock(None).contains("chrony"));
    }

    #[test]
    fn a_remedy_shared_by_both_families_is_said_once() {
        let ill = judged(Method::IcmpEcho, ProbeCounts::default(), Vec::new());
        let text = table(&[
            ill.clone(),
            Finding {
                family: "IPv6",
                ..ill
            },
        ]);
        assert_eq!(text.matches("no right to ping").count(), 1, "{text}");
        assert!(!text.contains("Every method works"), "{text}");
    }
}
