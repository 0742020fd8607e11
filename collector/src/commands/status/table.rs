//! A status as text for a terminal. Pure. Colours only where asked for, and never colour alone; text from agents is made
//! inert, because a terminal obeys what it is shown.

use std::fmt::Write as _;

use crate::api::answers::AgentState;
use crate::commands::ask::Address;
use crate::status::answer::{Estimate, State, StatusAnswer};

const BOLD: &str = "\x1b[1m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const RED: &str = "\x1b[31m";
const PLAIN: &str = "\x1b[0m";
/// Longest text shown of what came from outside.
const TEXT_CHARS: usize = 200;

/// The whole page.
pub(super) fn render(status: &StatusAnswer, url: &Address, colours: bool) -> String {
    let paint = |code: &str, text: &str| {
        if colours {
            format!("{code}{text}{PLAIN}")
        } else {
            text.to_owned()
        }
    };
    let mut page = String::new();
    // Writing to a String cannot fail.
    let mut line = |text: String| {
        let _ = writeln!(page, "{}", text.trim_end());
    };
    let state = match status.state {
        State::Healthy => paint(GREEN, "healthy"),
        State::Degraded => paint(RED, "degraded"),
    };
    line(format!(
        "{} {} at {url}: {state}",
        paint(BOLD, "azimuth-collector"),
        inert(&status.version)
    ));
    line(format!("up {}, asked at {}", span(status.uptime_s), status.now));
    for concern in &status.concerns {
        line(String::new());
        line(format!(
            "{} {}: {}",
            paint(YELLOW, "!"),
            paint(BOLD, &concern.name),
            inert(&concern.detail)
        ));
        line(format!("  {}", inert(&concern.remedy)));
    }
    line(String::new());
    let (ingest, commits, store) = (&status.ingest, &status.commits, &status.store);
    let lately = format!("in the last {}", span(status.lately_s));
    line(format!(
        "Coming in   {} reports/s, {}/s {lately}",
        or_none(ingest.stored_per_s.map(|rate| format!("{rate:.1}"))),
        or_none(ingest.body_bytes_per_s.map(|rate| bytes(rate as u64))),
    ));
    line(format!(
        "Queue       {} reports in {} of {} bodies, {} of {}; being read {} of {}",
        ingest.queued_reports,
        ingest.queued_bodies,
        ingest.queued_bodies_most,
        bytes(ingest.queued_bytes),
        bytes(ingest.queued_bytes_most),
        bytes(ingest.held_bytes),
        bytes(ingest.held_bytes_most),
    ));
    let took = |took_us: Option<u32>| or_none(took_us.map(|us| format!("{:.1} ms", f64::from(us) / 1_000.0)));
    line(format!(
        "Commits     p50 {}, p99 {}, max {} (n = {}, {} failed) {lately}",
        took(commits.p50_us),
        took(commits.p99_us),
        took(commits.max_us),
        commits.n,
        commits.failed,
    ));
    line(format!(
        "Disk        store {}, free {} of {}; {}",
        bytes(store.disk_bytes),
        or_none(store.free_bytes.map(bytes)),
        or_none(store.total_bytes.map(bytes)),
        until_full(status),
    ));
    line(format!(
        "Sealing     {}; oldest unsealed hour {}, {} in all; {} damaged files set aside",
        match store.sealing_behind_s {
            0 => "on time".to_owned(),
            behind_s => format!("{} behind", span(behind_s)),
        },
        or_none(store.oldest_unsealed_hour_at.map(|at| at.to_string())),
        store.unsealed_hours,
        store.files_set_aside,
    ));
    line(String::new());
    line(paint(BOLD, "Tier        on disk     a day  kept    from"));
    for tier in &store.tiers {
        line(format!(
            "{:<6} {:>12} {:>9}  {:<6}  {}",
            inert(&tier.tier),
            bytes(tier.bytes),
            or_none(tier.bytes_per_day.map(|rate| bytes(rate as u64))),
            tier.kept_s
                .map_or_else(|| "ever".to_owned(), |kept_s| format!("{} d", kept_s / 86_400)),
            or_none(tier.from.map(|at| at.to_string())),
        ));
    }
    if !status.refusals.is_empty() {
        line(String::new());
        line(paint(BOLD, "Refused      lately      total  what"));
        for refusal in &status.refusals {
            let words = [&refusal.kind, &refusal.subject, &refusal.reason].map(|word| inert(word));
            let said: Vec<_> = words
                .iter()
                .filter(|word| !word.is_empty())
                .map(String::as_str)
                .collect();
            line(format!(
                "{:>19} {:>10}  {}",
                refusal.lately,
                refusal.total,
                said.join(" ")
            ));
        }
    }
    line(String::new());
    let fleet = &status.agents;
    line(format!(
        "{} {}: {} live, {} stale, {} offline",
        paint(BOLD, "Agents"),
        fleet.known,
        fleet.live,
        fleet.stale,
        fleet.offline
    ));
    for agent in &fleet.worst {
        let (code, state) = match agent.state {
            AgentState::Live => (GREEN, "live"),
            AgentState::Stale => (YELLOW, "stale"),
            AgentState::Offline => (RED, "offline"),
        };
        line(format!(
            "{}  {:<24} silent {:>9}  clock {:>+8} ms  {} ({})",
            paint(code, &format!("{state:<7}")),
            inert(&agent.agent),
            span(agent.silent_s),
            agent.clock_skew_ms,
            inert(&agent.name),
            inert(&agent.version),
        ));
    }
    if fleet.left_out > 0 {
        line(format!("... and {} more; --agents shows them", fleet.left_out));
    }
    page
}

fn until_full(status: &StatusAnswer) -> String {
    match (status.store.estimate, status.store.days_until_full) {
        (Estimate::SealedGrowth, Some(days)) => {
            format!("full in {days:.1} days, if it grows as in the last sealed week")
        }
        (Estimate::BeyondTenYears, _) => {
            "full in more than ten years, if it grows as in the last sealed week".to_owned()
        }
        (Estimate::TooLittleSealed, _) => "too little is sealed yet to say when it is full".to_owned(),
        _ => "how much is free is not known".to_owned(),
    }
}

fn or_none(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (count as f64, 0);
    while value >= 1_024.0 && unit + 1 < UNITS.len() {
        value /= 1_024.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{count} B")
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

fn span(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Text from outside, without anything a terminal would obey or that would reorder a line.
fn inert(text: &str) -> String {
    text.chars()
        .take(TEXT_CHARS)
        .map(|one| {
            let reorders =
                matches!(one, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            if one.is_control() || reorders {
                '\u{fffd}'
            } else {
                one
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> StatusAnswer {
        let json = serde_json::json!({
            "now": "2026-11-25T16:00:00Z", "version": "0.1.0", "uptime_s": 7_300, "state": "degraded", "lately_s": 300,
            "concerns": [{"name": "agents_silent", "detail": "1 agents are silent", "remedy": "look"}],
            "ingest": {"queued_reports": 1, "queued_bodies": 1, "queued_bodies_most": 4_096, "queued_bytes": 2_048,
                "queued_bytes_most": 16_777_216, "held_bytes": 0, "held_bytes_most": 67_108_864, "stored": 9,
                "stored_per_s": 1.25, "body_bytes_per_s": null},
            "commits": {"n": 3, "p50_us": 1_500, "p99_us": 9_000, "max_us": 9_000, "failed": 0},
            "refusals": [{"kind": "connection", "subject": "", "reason": "failed", "lately": 0, "total": 2}],
            "store": {"writable": true, "disk_bytes": 3_221_225_472_u64, "hot_bytes": 1, "free_bytes": null,
                "total_bytes": null, "tiers": [{"tier": "1day", "bytes": 7, "from": null, "to": null,
                "bytes_per_day": null, "kept_s": null}], "growth_bytes_per_day": null, "days_until_full": null,
                "estimate": "free_space_unknown", "oldest_unsealed_hour_at": null, "unsealed_hours": 0,
                "sealing_behind_s": 0, "files_set_aside": 0},
            "agents": {"known": 2, "live": 0, "stale": 0, "offline": 1, "silent_lately": 1, "clocks_off": 0, "left_out": 1,
                "worst": [{"agent": "a", "name": "\u{1b}[2JBrest\u{202e}", "version": "0.1.0", "state": "offline",
                "last_report_at": "2026-11-25T15:00:00Z", "silent_s": 3_600, "clock_skew_ms": -12,
                "send_lateness_p99_us": null}]},
            "of a later release": 1
        });
        serde_json::from_value(json).expect("an answer")
    }

    #[test]
    fn everything_an_operator_asks_for_is_on_the_page() {
        let url: Address = "http://127.0.0.1:8360".parse().expect("an address");
        let page = render(&status(), &url, false);
        for part in [
            "at http://127.0.0.1:8360: degraded\nup 2 h",
            "! agents_silent: 1 agents are silent\n  look\n",
            "1.2 reports/s, -/s in the last 5 min",
            "1 reports in 1 of 4096 bodies, 2.0 KiB of 16.0 MiB",
            "p50 1.5 ms, p99 9.0 ms",
            "store 3.0 GiB, free - of -; how much is free is not known",
            "0          2  connection failed",
            "offline  a                        silent    60 min  clock      -12 ms",
            "... and 1 more",
        ] {
            assert!(page.contains(part), "{part} is missing from\n{page}");
        }
        assert!(!page.contains(['\u{1b}', '\u{202e}']), "{page:?}");
        let coloured = render(&status(), &url, true);
        assert!(coloured.contains("\u{1b}[31mdegraded\u{1b}[0m") && !coloured.contains("\u{1b}[2J"));
    }
}
